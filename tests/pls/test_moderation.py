"""Moderation in two stages: against regressions, other software and refits; planted truth; input checks."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.company.load import load_company
from crm_utils.company.simulate.latents import LATENTS
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import Construct, PathModel
from crm_utils.pls.bootstrap import _bca
from crm_utils.pls.moderation import moderate
from crm_utils.pls.products import _expected, product_moments
from crm_utils.pls.second_order import SecondOrder, SecondOrderModel
from crm_utils.pls.simple_slopes import plot_simple_slopes, simple_slopes_table

NUMBERS = ["estimate", "std_error", "low", "high"]
OF = {"source": "x", "target": "y", "moderator": "m"}


def people(size, *, interaction=0.25, loading=0.8, seed=1):
    """y = 0.4 x + 0.2 m + interaction · x m + error; x and m correlate by 0.3; variances of 1, three items each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=size)
    m = 0.3 * x + np.sqrt(1 - 0.09) * rng.normal(size=size)
    # Of the product of two standard normal variables with correlation r the variance is 1 + r².
    explained = 0.4**2 + 0.2**2 + 2 * 0.4 * 0.2 * 0.3 + interaction**2 * (1 + 0.09)
    y = 0.4 * x + 0.2 * m + interaction * (x * m - 0.3) + np.sqrt(1 - explained) * rng.normal(size=size)
    columns = {}
    for name, construct in zip("xmy", (x, m, y), strict=True):
        for i in (1, 2, 3):
            columns[f"{name}{i}"] = loading * construct + np.sqrt(1 - loading**2) * rng.normal(size=size)
    return pd.DataFrame(columns)


@pytest.fixture
def model():
    return PathModel({name: [f"{name}{i}" for i in (1, 2, 3)] for name in "xmy"}, [("x", "y"), ("m", "y")])


@pytest.fixture
def two_groups():
    """A slope of 0.7 in one group and 0.2 in the other, single items."""
    rng = np.random.default_rng(5)
    strong = np.repeat([0, 1], [180, 120])
    x = rng.normal(size=300)
    data = pd.DataFrame({"x": x, "strong": strong, "y": np.where(strong, 0.2, 0.7) * x + 0.6 * rng.normal(size=300)})
    return PathModel({"x": ["x"], "y": ["y"]}, [("x", "y")]), data


def test_second_stage_is_an_ordinary_regression_on_scores_and_their_product(model):
    found = moderate(model, people(300), **OF, n_boot=20, seed=1)
    scores = found.first.scores
    product = scores["x"] * scores["m"]
    fit = sm.OLS(scores["y"], sm.add_constant(scores[["x", "m"]].assign(product=product))).fit()
    assert found.paths["estimate"].to_dict() == pytest.approx(fit.params[["x", "m"]].to_dict(), abs=1e-12)
    assert found.interaction["estimate"] == pytest.approx(fit.params["product"], abs=1e-12)
    assert found.standardized_interaction["estimate"] == pytest.approx(fit.params["product"] * product.std(), abs=1e-12)
    assert found.r_squared["estimate"] == pytest.approx(fit.rsquared, abs=1e-12)
    without = sm.OLS(scores["y"], sm.add_constant(scores[["x", "m"]])).fit().rsquared
    assert found.r_squared_without["estimate"] == pytest.approx(without, abs=1e-12)
    assert found.f_squared["estimate"] == pytest.approx((fit.rsquared - without) / (1 - fit.rsquared), abs=1e-12)
    lines = simple_slopes_table(found)
    high = lines[lines["level"] == "high"]
    grid = pd.DataFrame({"const": 1.0, "x": high["source_score"], "m": 1.0, "product": high["source_score"]})
    assert high["target_score"].to_numpy() == pytest.approx(fit.predict(grid).to_numpy(), abs=1e-12)


def test_seminr_s_interaction_of_image_and_expectation(mobi):
    """Two-stage interaction beside a second-order construct, from the tests of seminr 2.3.

    seminr estimates the weights of the items once more in the second stage, with the product as an item: hence the
    fifth digit.
    """
    items = {"Image": ("IMAG", 5), "Expectation": ("CUEX", 3), "Quality": ("PERQ", 5), "Loyalty": ("CUSL", 3)}
    items |= {"Value": ("PERV", 2), "Satisfaction": ("CUSA", 3)}
    blocks = {name: [f"{stem}{i}" for i in range(1, size + 1)] for name, (stem, size) in items.items()}
    nick = SecondOrderModel(
        {**blocks, "Nick": SecondOrder(["Quality", "Loyalty"])},
        [(name, "Satisfaction") for name in ("Image", "Expectation", "Value", "Nick")],
    ).fit(mobi)
    data = pd.DataFrame(nick.second.cases.data, columns=nick.second.model.items)
    found = moderate(
        nick.second.model, data, source="Image", target="Satisfaction", moderator="Expectation", n_boot=2, seed=1
    )
    seminr = {"Image": 0.154260378, "Expectation": 0.073795120, "Value": 0.144031466, "Nick": 0.576877534}
    assert found.paths["estimate"].to_dict() == pytest.approx(seminr, abs=3e-5)
    assert found.interaction["estimate"] == pytest.approx(0.008931761, abs=1e-5)


def test_slopes_at_levels_follow_from_the_interaction(model):
    found = moderate(model, people(200), **OF, n_boot=60, seed=1)
    slopes = found.simple_slopes.set_index("level")
    assert slopes.loc["mean"].to_dict() == found.paths.loc["x"].to_dict()
    change = found.interaction["estimate"]
    assert slopes.loc["high", "estimate"] - slopes.loc["mean", "estimate"] == pytest.approx(change)
    assert slopes.loc["mean", "estimate"] - slopes.loc["low", "estimate"] == pytest.approx(change)
    assert found.slope_difference.to_numpy() == pytest.approx(2 * found.interaction.to_numpy())
    assert found.r_squared_without["estimate"] == pytest.approx(found.first.r_squared["y"], abs=1e-14)


def test_slopes_of_two_groups_are_those_of_a_regression_with_a_dummy(two_groups):
    """In units of the standard deviations of all cases."""
    model, data = two_groups
    found = moderate(model, data, source="x", target="y", moderator="strong", n_boot=300, seed=1)
    design = sm.add_constant(data[["x", "strong"]].assign(both=data["x"] * data["strong"]))
    fit = sm.OLS(data["y"], design).fit()
    unit = data["x"].std() / data["y"].std()
    slopes = found.simple_slopes.set_index("level")
    assert slopes["estimate"].to_dict() == pytest.approx(
        {"0": fit.params["x"] * unit, "1": (fit.params["x"] + fit.params["both"]) * unit}, abs=1e-12
    )
    assert found.slope_difference["estimate"] == pytest.approx(fit.params["both"] * unit, abs=1e-12)
    assert found.interaction["estimate"] == pytest.approx(fit.params["both"] * unit * data["strong"].std(), abs=1e-12)
    assert found.slope_difference["std_error"] == pytest.approx(
        fit.get_robustcov_results("HC1").bse[3] * unit, rel=0.15
    )
    assert found.moderator_values == (0, 1)
    assert found.r_squared["estimate"] == pytest.approx(fit.rsquared, abs=1e-12)


def test_f_squared_is_that_of_an_f_test(two_groups):
    """f² = F / residual degrees of freedom, for one coefficient."""
    model, data = two_groups
    found = moderate(model, data, source="x", target="y", moderator="strong", n_boot=2, seed=1)
    design = sm.add_constant(data[["x", "strong"]].assign(both=data["x"] * data["strong"]))
    fit = sm.OLS(data["y"], design).fit()
    assert found.f_squared["estimate"] == pytest.approx(fit.tvalues["both"] ** 2 / fit.df_resid, abs=1e-12)


@pytest.mark.parametrize("consistent", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_replicate_is_both_stages_of_the_rows_drawn(model, consistent, standardize):
    data, options = people(3000), {"consistent": consistent, "standardize": standardize}
    found = moderate(model, data, **OF, n_boot=8, seed=11, **options)
    assert found.usable.all()
    children = np.random.SeedSequence(11).spawn(8)
    for replicate in (0, 7):
        rows = np.random.default_rng(children[replicate]).integers(0, 3000, 3000)
        again = moderate(model, data.iloc[rows], **OF, n_boot=2, seed=1, **options)
        estimate = again.summary_frame()["estimate"].to_numpy()
        assert found.replicates.loc[replicate].to_numpy() == pytest.approx(estimate, abs=1e-9)


def test_whole_clusters_are_drawn_and_weights_kept(two_groups):
    model, data = two_groups
    data["who"] = np.arange(300) // 3
    data["mass"] = np.r_[np.zeros(30), np.linspace(0.5, 2, 270)]
    options = {"source": "x", "target": "y", "moderator": "strong", "weights": "mass"}
    found = moderate(model, data, **options, clusters="who", n_boot=3, seed=5)
    drawn = np.random.default_rng(np.random.SeedSequence(5).spawn(3)[2]).integers(0, 90, 90)
    rows = np.concatenate([30 + 3 * drawn + i for i in range(3)])
    again = moderate(model, data.iloc[rows], **options, n_boot=2, seed=1)
    estimate = again.summary_frame()["estimate"].to_numpy()
    assert found.replicates.loc[2].to_numpy() == pytest.approx(estimate, abs=1e-9)
    weighted = sm.WLS(
        data["y"], sm.add_constant(data[["x", "strong"]].assign(both=data["x"] * data["strong"])), data["mass"]
    ).fit()
    assert found.r_squared["estimate"] == pytest.approx(weighted.rsquared, abs=1e-12)
    ratio = found.simple_slopes["estimate"][1] / found.simple_slopes["estimate"][0]
    assert ratio == pytest.approx(1 + weighted.params["both"] / weighted.params["x"], abs=1e-10)


def test_consistent_estimates_recover_the_planted_interaction_and_others_shrink(model):
    data = people(40_000)
    plain, consistent = (moderate(model, data, **OF, n_boot=60, seed=1, consistent=flag) for flag in (False, True))
    truth = {"x": 0.4, "m": 0.2}
    for name, value in truth.items():
        row = consistent.paths.loc[name]
        assert row["estimate"] == pytest.approx(value, abs=3.5 * row["std_error"])
    assert consistent.interaction["estimate"] == pytest.approx(0.25, abs=3.5 * consistent.interaction["std_error"])
    assert consistent.interaction["std_error"] < 0.01
    explained = 0.16 + 0.04 + 0.048 + 0.25**2 * 1.09
    assert consistent.r_squared["estimate"] == pytest.approx(explained, abs=4 * consistent.r_squared["std_error"])
    assert consistent.standardized_interaction["estimate"] == pytest.approx(0.25 * np.sqrt(1.09), abs=0.03)
    assert 0.5 * 0.25 < plain.interaction["estimate"] < 0.85 * 0.25


def test_no_planted_interaction_none_found(model):
    found = moderate(model, people(5000, interaction=0), **OF, n_boot=200, seed=1, level=0.99)
    assert found.interaction["low"] < 0 < found.interaction["high"]
    assert found.f_squared["estimate"] < 0.002


def test_the_demo_s_planted_moderation_is_recovered():
    """Satisfaction → loyalty is 0.55 under weak and 0.25 under strong competition."""
    company = load_company()
    survey = company.survey
    blocks = {
        name: [column for column in survey.columns if column.rsplit("_", 1)[0] == name] for name in LATENTS.constructs
    }
    for item in ("complaints_2", "loyalty_3"):
        survey = survey.assign(**{item: 11 - survey[item]})
    survey = survey.assign(strong=(survey["competition"] == "strong").astype(int))
    paths = [(cause, effect) for effect, causes in LATENTS.paths.items() for cause in causes]
    options = {"missing": "listwise", "weights": "weight", "clusters": "customer_id", "n_boot": 200, "seed": 7}
    options |= {"source": "satisfaction", "target": "loyalty", "moderator": "strong"}
    truth = np.array([LATENTS.paths["loyalty"]["satisfaction"], LATENTS.satisfaction_loyalty_strong])
    consistent = moderate(PathModel(blocks, paths), survey, **options, consistent=True).simple_slopes
    assert (consistent["low"] < truth).all()
    assert (truth < consistent["high"]).all()
    plain = moderate(PathModel(blocks, paths), survey, **options)
    assert plain.interaction["high"] < 0
    assert (plain.simple_slopes["estimate"] < truth).all()
    assert (plain.simple_slopes["estimate"] > 0.75 * truth).all()


def test_intervals_of_the_interaction_cover_the_planted_one():
    """Items without error. Nine in ten, over eighty samples: 0.9 ± 2 · √(0.9 · 0.1 / 80)."""
    model = PathModel({name: [f"{name}1"] for name in "xmy"}, [("x", "y"), ("m", "y")])
    covered = []
    for sample in range(80):
        data = people(300, seed=3000 + sample, loading=1)
        row = moderate(model, data, **OF, n_boot=200, seed=sample, level=0.9).interaction
        covered.append(row["low"] <= 0.25 <= row["high"])
    assert 0.83 <= np.mean(covered) <= 0.97


def test_bca_intervals_rest_on_both_stages_without_one_case(two_groups):
    model, data = two_groups
    data = data.iloc[::6].reset_index(drop=True)
    options = {"source": "x", "target": "y", "moderator": "strong"}
    found = moderate(model, data, **options, n_boot=400, seed=1, intervals="bca", level=0.9)
    left_out = [
        moderate(model, data.drop(index=case), **options, n_boot=2, seed=1).summary_frame()["estimate"]
        for case in data.index
    ]
    estimate = found.summary_frame()["estimate"].to_numpy()
    low, high = _bca(found.replicates.to_numpy(), estimate, np.array(left_out), level=0.9)
    assert found.summary_frame()[["low", "high"]].to_numpy() == pytest.approx(np.c_[low, high], abs=1e-9)


@pytest.mark.parametrize("missing", ["em", "mean"])
def test_moments_of_the_product_are_expectations_over_what_is_missing(model, missing):
    """Against means over many draws of the missing values from their normal distribution given the others."""
    data = people(120)
    rng = np.random.default_rng(9)
    data = data.mask(rng.random(data.shape) < 0.15)
    results = model.fit(data, missing=missing)
    cases, layout = results.cases.counted(), results.model.layout()
    share = np.full((1, len(cases.data)), 1.0)
    found = product_moments(
        cases, layout, results.estimates, results.moments, iter([(range(1), share)]), factors=(0, 1)
    )
    means, size = results.moments.means[0], len(cases.data)
    spreads = results.moments.spreads[0] * np.sqrt((size - 1) / size)
    covariances = results.moments.correlations[0] * np.outer(spreads, spreads)
    weights = (results.estimates.weights[0] / spreads)[:, None] * layout.membership
    absent = data.isna().to_numpy()
    draws = 4000
    squares, crossings = [], []
    for case in range(size):
        gone, there = absent[case], ~absent[case]
        values = np.tile(cases.data[case], (draws, 1))
        if gone.any() and missing == "em":
            inverse = np.linalg.inv(covariances[np.ix_(there, there)])
            left = covariances[np.ix_(gone, gone)]
            left = left - covariances[np.ix_(gone, there)] @ inverse @ covariances[np.ix_(there, gone)]
            half = rng.multivariate_normal(np.zeros(gone.sum()), left, size=draws // 2)
            values[:, gone] += np.vstack([half, -half])
        scores = (values - means) @ weights
        product = scores[:, 0] * scores[:, 1]
        squares.append((product**2).mean())
        crossings.append((product[:, None] * scores).mean(axis=0))
    assert found.squares[0] == pytest.approx(np.mean(squares), rel=0.01)
    assert found.crossings[0] == pytest.approx(np.mean(crossings, axis=0), abs=0.01)
    if missing == "mean":
        assert found.squares[0] == pytest.approx(np.mean(squares), rel=1e-10)


def test_products_of_scores_that_are_unknown_together():
    """Against many draws from the normal distribution that is left."""
    means = np.array([[0.5, -1.2, 0.3]])
    left = np.array([[[0.8, 0.5, 0.3], [0.5, 0.9, -0.2], [0.3, -0.2, 0.7]]])
    square, crossing = _expected(means[:, :, None], left, np.ones((1, 1, 1)), (0, 1))
    drawn = np.random.default_rng(1).multivariate_normal(means[0], left[0], size=2_000_000)
    product = drawn[:, 0] * drawn[:, 1]
    assert square[0] == pytest.approx((product**2).mean(), rel=0.005)
    assert crossing[0] == pytest.approx((product[:, None] * drawn).mean(axis=0), abs=0.005)


def test_a_moderator_of_two_values_that_is_not_always_known(two_groups):
    model, data = two_groups
    holes = data.assign(strong=data["strong"].mask(np.arange(300) % 10 == 0))
    found = moderate(model, holes, source="x", target="y", moderator="strong", n_boot=20, seed=1, missing="em")
    assert found.simple_slopes["level"].tolist() == ["0", "1"]
    whole = moderate(model, data, source="x", target="y", moderator="strong", n_boot=20, seed=1)
    assert (found.simple_slopes["estimate"] - whole.simple_slopes["estimate"]).abs().max() < 0.08


def test_values_missing_at_random_hardly_move_the_interaction(model):
    data = people(20_000)
    whole = moderate(model, data, **OF, n_boot=30, seed=1)
    holes = data.mask(np.random.default_rng(2).random(data.shape) < 0.05)
    found = moderate(model, holes, **OF, n_boot=30, seed=1, missing="em")
    assert found.interaction["estimate"] == pytest.approx(whole.interaction["estimate"], abs=0.012)
    assert found.r_squared["estimate"] == pytest.approx(whole.r_squared["estimate"], abs=0.012)
    assert found.r_squared_without["estimate"] == pytest.approx(found.first.r_squared["y"], abs=1e-12)
    assert 0.8 < found.interaction["std_error"] / whole.interaction["std_error"] < 1.5


def test_replicates_of_incomplete_cases_are_refits(model):
    data = people(200)
    data = data.mask(np.random.default_rng(2).random(data.shape) < 0.05)
    found = moderate(model, data, **OF, n_boot=4, seed=11, missing="em")
    rows = np.random.default_rng(np.random.SeedSequence(11).spawn(4)[3]).integers(0, 200, 200)
    again = moderate(model, data.iloc[rows], **OF, n_boot=2, seed=1, missing="em")
    # Moments of a replicate have settled to a thousandth of their standard errors.
    estimate = again.summary_frame()["estimate"].to_numpy()
    assert found.replicates.loc[3].to_numpy() == pytest.approx(estimate, abs=2e-4)


def test_units_and_order_of_rows_do_not_matter(two_groups):
    model, data = two_groups
    options = {"source": "x", "target": "y", "moderator": "strong", "n_boot": 2, "seed": 1}
    found = moderate(model, data, **options)
    other = data.assign(x=100 - 3 * data["x"], strong=5 + 2 * data["strong"]).sample(frac=1, random_state=1)
    turned = moderate(model, other, **options)
    assert turned.simple_slopes["level"].tolist() == ["5", "7"]
    # A single item that is turned round turns its construct round.
    assert turned.simple_slopes["estimate"].to_numpy() == pytest.approx(
        -found.simple_slopes["estimate"].to_numpy(), abs=1e-12
    )
    assert turned.f_squared["estimate"] == pytest.approx(found.f_squared["estimate"], abs=1e-12)


def test_batches_do_not_matter(model, monkeypatch):
    data = people(100).mask(np.random.default_rng(2).random((100, 9)) < 0.03)
    whole = moderate(model, data, **OF, n_boot=20, seed=3, missing="em")
    monkeypatch.setattr("crm_utils.pls.draws._REPLICATES_AT_ONCE", 7)
    monkeypatch.setattr("crm_utils.pls.products._SCORES_AT_ONCE", 100)
    parts = moderate(model, data, **OF, n_boot=20, seed=3, missing="em")
    pd.testing.assert_frame_equal(whole.summary_frame(), parts.summary_frame(), rtol=0, atol=1e-8)


def test_the_path_of_the_moderator_is_added_where_absent(model):
    data = people(150)
    bare = PathModel({"x": model.constructs["x"], "y": model.constructs["y"]}, [("x", "y")])
    names = ["quantity", "parameter"]
    expected = moderate(model, data, **OF, n_boot=5, seed=1).summary_frame().set_index(names)
    items = ["m1", "m2", "m3"]
    for given in (items, Construct(items)):
        options = {**OF, "moderator": {"m": given}}
        found = moderate(bare, data, **options, n_boot=5, seed=1).summary_frame().set_index(names)
        pd.testing.assert_frame_equal(found.sort_index(), expected.sort_index(), rtol=0, atol=1e-6)
    linked = PathModel(model.constructs, [("x", "y"), ("m", "x")])
    found = moderate(linked, data, **OF, n_boot=2, seed=1)
    assert ("m", "y") in found.first.model.paths
    assert ("m", "x") in found.first.model.paths
    assert linked.paths == (("x", "y"), ("m", "x"))


def test_failed_replicates_are_counted_and_left_out(two_groups):
    """A moderator that only two of sixty cases have is constant in about e^-2 of the replicates."""
    model, data = two_groups
    data = data.iloc[:60].assign(strong=np.r_[1, 1, np.zeros(58)])
    found = moderate(model, data, source="x", target="y", moderator="strong", n_boot=300, seed=1, min_usable=0.4)
    lost = (~found.usable).sum()
    assert lost > (~found.bootstrap.usable).sum() > 0
    assert found.notes[-1] == f"{lost} of 300 replicates could not be estimated and are left out."
    assert len(found.replicates) == 300 - lost
    assert np.isfinite(found.replicates.to_numpy()).all()
    assert found.summary_frame()[NUMBERS].notna().all(axis=None)
    with pytest.raises(ConvergenceError, match=f"only {300 - lost} of 300 replicates, and intervals need 240"):
        moderate(model, data, source="x", target="y", moderator="strong", n_boot=300, seed=1, min_usable=0.8)
    with pytest.raises(ParameterError, match="min_usable must lie between 0 and 1"):
        moderate(model, data, source="x", target="y", moderator="strong", n_boot=300, seed=1, min_usable=2)


def test_inputs_stay_as_they_are(two_groups):
    model, data = two_groups
    before = data.copy()
    moderate(model, data, source="x", target="y", moderator="strong", n_boot=2, seed=1)
    pd.testing.assert_frame_equal(data, before)
    assert model.paths == (("x", "y"),)


def test_summary_frame(model):
    found = moderate(model, people(100), **OF, n_boot=10, seed=1)
    summary = found.summary_frame()
    assert summary.columns.tolist() == ["quantity", "parameter", *NUMBERS]
    assert summary.index.equals(pd.RangeIndex(11))
    row = summary.set_index("quantity").loc["interaction"]
    assert row["parameter"] == "x × m → y"
    assert row[NUMBERS].to_dict() == found.interaction.to_dict()
    assert (summary["low"] <= summary["high"]).all()
    parameters = summary.loc[summary["quantity"] == "simple_slopes", "parameter"].tolist()
    assert parameters == ["x → y, m = mean − 1 SD", "x → y, m = mean", "x → y, m = mean + 1 SD"]


@pytest.mark.parametrize("levels", [2, 3])
def test_lines_drawn_are_those_of_the_table(model, two_groups, levels):
    if levels == 2:
        small, data = two_groups
        found = moderate(small, data, source="x", target="y", moderator="strong", n_boot=20, seed=1)
    else:
        found = moderate(model, people(100), **OF, n_boot=20, seed=1)
    _, given = plt.subplots()
    ax = plot_simple_slopes(found, ax=given)
    table = simple_slopes_table(found)
    assert ax is given
    assert len(ax.lines) == levels == table["level"].nunique()
    for line, (level, rows) in zip(ax.lines, table.groupby("level", sort=False), strict=True):
        assert line.get_xydata() == pytest.approx(rows[["source_score", "target_score"]].to_numpy())
        slope = np.diff(line.get_ydata()) / np.diff(line.get_xdata())
        expected = found.simple_slopes.set_index("level").loc[level, "estimate"]
        assert slope == pytest.approx(np.full(8, expected))
        assert rows["slope"].to_numpy() == pytest.approx(np.full(9, expected))
    assert (table["low"] < table["target_score"]).all()
    assert (table["target_score"] < table["high"]).all()
    assert f"slope {found.simple_slopes['estimate'][0]:.2f}" in alt_text(ax.figure)
    assert ax.get_xlabel() == "x (standard deviations from the mean)"
    plt.close("all")


def test_every_fault_at_once(model):
    data = people(40)
    with pytest.raises(ParameterError) as caught:
        moderate(model, data, source="xx", target="z", moderator="m4", n_boot=1, seed=-1, level=2)
    text = str(caught.value)
    for part in ("6 problems", "source must be one of x, m, y, and is 'xx'", "target must be", "(did you mean 'm"):
        assert part in text
    for part in ("n_boot must be", "seed must be", "level must lie between 0 and 1"):
        assert part in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"moderator": "x"}, "moderator and source must be two constructs, and both are 'x'"),
        ({"moderator": "y"}, "moderator and target must be two constructs, and both are 'y'"),
        ({"source": "y", "target": "x"}, "no path y → x that could be moderated; nothing leads to x"),
        ({"source": "m", "target": "x"}, "the model has no path m → x"),
        ({"moderator": "town"}, r"must be numeric, and holds 'A'; give .*\(data\['town'\] == 'A'\).astype\(int\)"),
        ({"moderator": "same"}, "the item same is 1 for all 40 cases and tells nothing"),
        ({"moderator": "holes"}, "values are missing .*holes 10.0%"),
        ({"moderator": "x1"}, "the item x1 belongs to x and x1"),
        ({"moderator": {"m": ["m1"]}}, "the model has a construct m already"),
        ({"moderator": {"a": ["m1"], "b": ["m2"]}}, "must name one construct, and names 2"),
        ({"moderator": ["m1"]}, "or a construct to add such as"),
        ({"intervals": "bcaa"}, "did you mean 'bca'"),
    ],
)
def test_input_checks(model, options, message):
    data = people(40).assign(town=["A", "B"] * 20, same=1, holes=[np.nan] * 4 + [0.0, 1.0] * 18)
    with pytest.raises(ParameterError, match=message):
        moderate(model, data, **{**OF, "n_boot": 5, "seed": 1, **options})


def test_a_moderator_that_the_target_leads_to(model):
    around = PathModel(model.constructs, [("x", "y"), ("y", "m")])
    with pytest.raises(ParameterError, match="y leads to m, so that a path back would close a circle"):
        moderate(around, people(40), **OF, n_boot=5, seed=1)


def test_model_and_data_of_the_wrong_kind(model):
    with pytest.raises(ParameterError, match="model must be a PathModel, and is dict"):
        moderate({}, people(40), **OF, seed=1)
    with pytest.raises(ParameterError, match="data must be a DataFrame, and is list"):
        moderate(model, [], **OF, seed=1)


def test_a_product_that_cannot_be_told_from_its_factors():
    """Of 0 and 1 that never are 1 together, the product is a combination of both."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": [1.0, 0, 0, 0] * 20, "strong": [0, 1, 0, 0] * 20, "y": rng.normal(size=80)})
    with pytest.raises(ConvergenceError, match="the product of x and strong is a combination of x, strong"):
        moderate(
            PathModel({"x": ["x"], "y": ["y"]}, [("x", "y")]), data, source="x", target="y", moderator="strong", seed=1
        )


def test_too_few_cases(model):
    with pytest.raises(DataFloorError, match="needs at least 4 cases, and there are 3"):
        moderate(model, people(3), **OF, seed=1)
