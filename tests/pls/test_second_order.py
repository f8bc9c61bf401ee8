"""Second-order constructs: against other software, the plain model and refits; planted truth; input checks."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ConvergenceError, ItemWarning, ParameterError
from crm_utils.pls import Construct, PathModel
from crm_utils.pls.bootstrap import _bca
from crm_utils.pls.estimates import estimates
from crm_utils.pls.mediation import mediation
from crm_utils.pls.second_order import SecondOrder, SecondOrderModel

BLOCKS = {name: [f"{name}{i}" for i in (1, 2, 3)] for name in ("image", "product", "service", "loyalty")}
PATHS = [("image", "quality"), ("quality", "loyalty"), ("image", "loyalty")]


def people(size, *, seed=1, loading=0.85):
    """Image → quality (0.5) → loyalty (0.6); product and service load 0.8 and 0.7 on quality."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=size)
    quality = 0.5 * image + np.sqrt(0.75) * rng.normal(size=size)
    latents = {
        "image": image,
        "product": 0.8 * quality + 0.6 * rng.normal(size=size),
        "service": 0.7 * quality + np.sqrt(0.51) * rng.normal(size=size),
        "loyalty": 0.6 * quality + 0.8 * rng.normal(size=size),
    }
    return pd.DataFrame(
        {
            item: 7 + 1.5 * (loading * latents[name] + np.sqrt(1 - loading**2) * rng.normal(size=size))
            for name, items in BLOCKS.items()
            for item in items
        }
    )


@pytest.fixture
def model():
    return SecondOrderModel({**BLOCKS, "quality": SecondOrder(["product", "service"])}, PATHS)


def test_seminr_s_second_order_construct_on_mobi(mobi):
    """From the tests of seminr 2.3: satisfaction made of image and value, two stages, mode A."""
    stems = {"Image": ("IMAG", 5), "Expectation": ("CUEX", 3), "Quality": ("PERQ", 7), "Value": ("PERV", 2)}
    stems["Loyalty"] = ("CUSL", 3)
    blocks = {name: [f"{stem}{i}" for i in range(1, size + 1)] for name, (stem, size) in stems.items()}
    results = SecondOrderModel(
        {**blocks, "Complaints": ["CUSCO"], "Satisfaction": SecondOrder(["Image", "Value"])},
        [
            ("Expectation", "Satisfaction"),
            ("Quality", "Satisfaction"),
            ("Satisfaction", "Complaints"),
            ("Satisfaction", "Loyalty"),
        ],
    ).fit(mobi)
    paths = {
        ("Expectation", "Satisfaction"): 0.103641382040823,
        ("Quality", "Satisfaction"): 0.720064333276669,
        ("Satisfaction", "Complaints"): 0.486257317953653,
        ("Satisfaction", "Loyalty"): 0.627602841720655,
    }
    assert results.second.paths.to_dict() == pytest.approx(paths, abs=1e-6)
    weights = {"Image": 0.631840584153024, "Value": 0.51711253914618}
    assert results.second.weights["Satisfaction"].to_dict() == pytest.approx(weights, abs=1e-6)
    assert results.first.weights["Image"].to_list() == pytest.approx(
        [0.311498902514752, 0.241024263165947, 0.210053553126402, 0.340428414848061, 0.323018225340666], abs=1e-6
    )
    assert results.first.weights["Value"].to_list() == pytest.approx([0.48312761351309, 0.600359415862924], abs=1e-6)
    assert results.second.weights["Loyalty"].to_list() == pytest.approx(
        [0.500718154583124, 0.138986918729658, 0.611837446325764], abs=1e-6
    )


@pytest.mark.parametrize("mode", ["A", "B"])
def test_one_component_is_the_plain_model(mode):
    data = people(200)
    blocks = {name: items for name, items in BLOCKS.items() if name != "service"}
    results = SecondOrderModel({**blocks, "quality": SecondOrder(["product"], mode)}, PATHS).fit(data, tolerance=1e-12)
    plain = PathModel(
        {"image": blocks["image"], "quality": blocks["product"], "loyalty": blocks["loyalty"]}, PATHS
    ).fit(data, tolerance=1e-12)
    assert results.second.paths.to_dict() == pytest.approx(plain.paths.to_dict(), abs=1e-10)
    assert results.second.r_squared.to_dict() == pytest.approx(plain.r_squared.to_dict(), abs=1e-10)
    ours, theirs = (each.bootstrap(50, seed=3).intervals("paths") for each in (results, plain))
    pd.testing.assert_frame_equal(ours.loc[theirs.index], theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("mode", ["A", "B"])
def test_second_stage_is_a_path_model_of_the_scores(mode, standardize):
    """By hand: scores of the first stage as columns, in any unit where items count by their correlations."""
    data = people(150)
    model = SecondOrderModel({**BLOCKS, "quality": SecondOrder(["product", "service"], mode)}, PATHS)
    results = model.fit(data, standardize=standardize)
    first = PathModel(
        BLOCKS,
        [("image", "product"), ("image", "service"), ("product", "loyalty"), ("service", "loyalty"), PATHS[2]],
    ).fit(data, standardize=standardize)
    weights = first.unstandardized_weights
    scores = {name: data[BLOCKS[name]] @ weights[name] / weights[name].sum() for name in ("product", "service")}
    plain = PathModel(
        {
            "image": BLOCKS["image"],
            "loyalty": BLOCKS["loyalty"],
            "quality": Construct(["product", "service"], mode),
        },
        PATHS,
    ).fit(data.assign(**scores), standardize=standardize)
    for name in ("paths", "weights", "loadings", "total_effects", "unstandardized_weights"):
        theirs = getattr(plain, name)
        ours = getattr(results.second, name)[theirs.index]
        assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-9)
    assert results.second.moments.means[0][-2:] == pytest.approx([scores[name].mean() for name in scores])
    assert results.second.cases.data[:, -2:] == pytest.approx(np.column_stack([scores[name] for name in scores]))


def test_weights_of_items_give_the_scores(model):
    data = people(120)
    results = model.fit(data)
    weights = results.item_weights["quality"]
    standard = (data - data.mean()) / data.std()
    found = standard[list(weights.index)] @ weights
    assert found.to_numpy() == pytest.approx(results.second.scores["quality"].to_numpy(), abs=1e-12)
    assert weights.index.tolist() == BLOCKS["product"] + BLOCKS["service"]


@pytest.mark.parametrize("mode", ["A", "B"])
def test_a_replicate_is_both_stages_of_the_clusters_drawn(mode):
    data = people(150).assign(who=np.arange(150) // 2, mass=np.r_[np.zeros(20), np.linspace(0.5, 2, 130)])
    model = SecondOrderModel({**BLOCKS, "quality": SecondOrder(["product", "service"], mode)}, PATHS)
    replicates = model.fit(data, weights="mass", clusters="who").bootstrap(4, seed=11)
    drawn = np.random.default_rng(np.random.SeedSequence(11).spawn(4)[3]).integers(0, 65, 65)
    rows = np.concatenate([20 + 2 * drawn + i for i in range(2)])
    again = model.fit(data.iloc[rows], weights="mass").second
    for name in ("paths", "indirect_effects", "weights", "r_squared", "unstandardized_weights"):
        found = replicates.replicates(name).loc[3]
        assert found.to_numpy() == pytest.approx(getattr(again, name).to_numpy(), abs=1e-6)
    means = replicates.replicates("item_means").loc[3]
    assert means.to_numpy() == pytest.approx(again.moments.means[0], abs=1e-6)
    masses = np.concatenate([mass for _, mass in replicates.masses()])
    assert masses[3].sum() == pytest.approx(data["mass"].iloc[rows].sum() / data["mass"][20:].mean())


def test_replicates_of_incomplete_cases(model):
    data = people(300)
    holes = data.mask(np.random.default_rng(3).random(data.shape) < 0.04)
    results = model.fit(holes, missing="em")
    replicates = results.bootstrap(60, seed=11)
    rows = np.random.default_rng(np.random.SeedSequence(11).spawn(60)[5]).integers(0, 300, 300)
    again = model.fit(holes.iloc[rows], missing="em").second
    # Moments of a replicate have settled to a thousandth of their standard errors.
    assert replicates.replicates("paths").loc[5].to_numpy() == pytest.approx(again.paths.to_numpy(), abs=2e-4)
    whole = model.fit(data).second.paths
    error = replicates.intervals("paths")["std_error"]
    assert (results.second.paths - whole).abs().max() < 2 * error.max()
    names = ["product", "service"]
    correlation = results.first.construct_correlations.loc[names[0], names[1]]
    second = results.second
    places = [second.model.items.index(name) for name in names]
    assert second.moments.correlations[0][places[0], places[1]] == pytest.approx(correlation, abs=1e-12)
    share = holes[BLOCKS["product"]].isna().mean().mean()
    assert second.missing_share["product"] == pytest.approx(share)


@pytest.mark.parametrize("missing", ["error", "em"])
def test_scores_of_components_stay_on_the_scale_of_the_answers(model, missing):
    """Neither rounding nor an expected value leads beyond: an index takes the scale at its word."""
    data = people(3000).clip(3, 10).round()
    if missing == "em":
        data = data.mask(np.random.default_rng(1).random(data.shape) < 0.1)
    second = model.fit(data, missing=missing).second
    ends = data.agg(["min", "max"])
    assert (second.cases.data.min(axis=0) >= 3).all()
    assert (second.cases.data.max(axis=0) == ends.loc["max"].max()).all()
    plain = second.cases.data[:, second.model.items.index("image2")]
    given = data["image2"].notna().to_numpy()
    assert (plain[given] == data["image2"][given]).all()


def test_a_planted_second_order_factor_is_recovered_up_to_attenuation(model):
    """Loadings and paths of the composites that the planted covariances imply, worked out with equal weights.

    The planted components differ a little, so that weights are not quite equal.
    """
    results = model.fit(people(60_000)).second
    reliability = 9 * 0.85**2 / (9 * 0.85**2 + 3 * (1 - 0.85**2))
    on_quality = np.sqrt(reliability) * np.array([0.8, 0.7])
    between = on_quality.prod()
    weight = results.weights["quality"].to_numpy()
    variance = weight @ np.array([[1, between], [between, 1]]) @ weight
    assert variance == pytest.approx(1, abs=0.01)
    quality = weight @ on_quality / np.sqrt(variance)
    image, loyalty = np.sqrt(reliability) * np.array([1, 1])
    assert results.loadings["quality"].to_numpy() == pytest.approx(
        (weight + weight[::-1] * between) / np.sqrt(variance), abs=0.01
    )
    correlations = {"image": 0.5 * quality * image, "loyalty": 0.6 * quality * loyalty}
    other = 0.3 * image * loyalty
    determinant = 1 - correlations["image"] ** 2
    assert results.paths.to_dict() == pytest.approx(
        {
            ("image", "quality"): correlations["image"],
            ("image", "loyalty"): (other - correlations["image"] * correlations["loyalty"]) / determinant,
            ("quality", "loyalty"): (correlations["loyalty"] - correlations["image"] * other) / determinant,
        },
        abs=0.015,
    )


def test_a_planted_composite_is_recovered_by_mode_b():
    """Quality = (0.5 product + 0.7 service) / its standard deviation, components without error; loyalty 0.6 of it."""
    rng = np.random.default_rng(2)
    product = rng.normal(size=20_000)
    service = 0.3 * product + np.sqrt(0.91) * rng.normal(size=20_000)
    spread = np.sqrt(0.25 + 0.49 + 2 * 0.5 * 0.7 * 0.3)
    loyalty = 0.6 * (0.5 * product + 0.7 * service) / spread + 0.8 * rng.normal(size=20_000)
    data = pd.DataFrame({"p": product, "s": service, "l": loyalty})
    blocks = {"product": ["p"], "service": ["s"], "loyalty": ["l"]}
    model = SecondOrderModel(
        {**blocks, "quality": SecondOrder(["product", "service"], mode="B")}, [("quality", "loyalty")]
    )
    results = model.fit(data)
    table = results.bootstrap(200, seed=1)
    weights = table.intervals("weights").loc["quality"]
    planted = np.array([0.5, 0.7]) / spread
    assert (np.abs(weights["estimate"] - planted) < 3.5 * weights["std_error"]).all()
    assert (weights["std_error"] < 0.02).all()
    path = table.intervals("paths").iloc[0]
    assert path["estimate"] == pytest.approx(0.6, abs=3.5 * path["std_error"])


def test_effects_of_the_second_stage_are_mediated(model):
    results = model.fit(people(500))
    found = mediation(results.bootstrap(100, seed=1), "image", "loyalty", through="quality")
    product = results.second.paths["image", "quality"] * results.second.paths["quality", "loyalty"]
    assert found.indirect["estimate"] == pytest.approx(product, abs=1e-14)
    assert found.specific_indirect["route"].tolist() == ["image → quality → loyalty"]


def test_bca_intervals_rest_on_both_stages_without_one_case(model):
    data = people(40)
    results = model.fit(data)
    replicates = results.bootstrap(300, seed=1, intervals="bca")
    left_out = np.array([model.fit(data.drop(index=case)).second.paths for case in data.index])
    low, high = _bca(replicates.replicates("paths").to_numpy(), results.second.paths.to_numpy(), left_out, level=0.9)
    table = replicates.intervals("paths", level=0.9)
    assert table[["low", "high"]].to_numpy() == pytest.approx(np.c_[low, high], abs=1e-5)


def test_two_second_order_constructs_and_a_path_between_them():
    model = SecondOrderModel(
        {**BLOCKS, "source": SecondOrder(["image", "product"]), "end": SecondOrder(["service", "loyalty"])},
        [("source", "end")],
    )
    assert set(model.first_stage.paths) == {
        (start, end) for start in ("image", "product") for end in ("service", "loyalty")
    }
    results = model.fit(people(300))
    assert results.second.model.paths == (("source", "end"),)
    assert 0.3 < results.second.paths["source", "end"] < 0.9


def test_order_of_rows_and_units_do_not_matter_and_inputs_stay(model):
    data = people(150)
    before = data.copy()
    paths = model.fit(data).second.paths
    pd.testing.assert_frame_equal(data, before)
    other = data.sample(frac=1, random_state=1) * np.linspace(0.1, 9, data.shape[1]) + 5
    assert model.fit(other).second.paths.to_numpy() == pytest.approx(paths.to_numpy(), abs=1e-9)


def test_replicates_that_fail_in_the_first_stage_have_failed():
    """An item that only one of fifteen cases makes vary is constant in e^-1 of the replicates."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"p": np.r_[1.0, np.zeros(14)], "s": rng.normal(size=15), "l": rng.normal(size=15)})
    blocks = {"product": ["p"], "service": ["s"], "loyalty": ["l"]}
    model = SecondOrderModel({**blocks, "quality": SecondOrder(["product", "service"])}, [("quality", "loyalty")])
    with pytest.warns(ItemWarning, match="as many point one way"):
        results = model.fit(data)
    replicates = results.bootstrap(400, seed=1, min_usable=0.5)
    first = results.first.bootstrap(400, seed=1, min_usable=0.5)
    assert replicates.failed.mean() == pytest.approx((14 / 15) ** 15, abs=0.08)
    assert (replicates.failed >= first.failed).all()
    assert np.isfinite(replicates.intervals("paths")).all(axis=None)
    drawn = {seed: np.random.SeedSequence(seed).spawn(2) for seed in range(40)}
    lost = next(
        seed
        for seed, children in drawn.items()
        if any(0 not in np.random.default_rng(child).integers(0, 15, 15) for child in children)
    )
    with pytest.raises(ConvergenceError, match=r"only [01] of 2 replicates could be used, and intervals need 2"):
        results.bootstrap(2, seed=lost)


def test_second_stages_that_fail_too_often_give_no_intervals(model, monkeypatch):
    results = model.fit(people(60))

    def unsettled(items, *given, **options):
        found = estimates(items, *given, **options)
        return replace(found, converged=np.arange(len(found.converged)) % 5 > 0)

    monkeypatch.setattr("crm_utils.pls.second_order.estimates", unsettled)
    with pytest.raises(ConvergenceError, match=r"SecondOrderResults.bootstrap: only 40 of 50 .* did not settle"):
        results.bootstrap(50, seed=1)
    assert results.bootstrap(50, seed=1, min_usable=0.8).failed.sum() == 10


def test_a_replicate_has_failed_where_its_first_stage_did_not_converge(model, monkeypatch):
    results = model.fit(people(60))
    first = results.first.bootstrap(100, seed=1)
    limit = int(np.median(first.estimates.iterations))
    monkeypatch.setattr("crm_utils.pls.iteration.MOST_ITERATIONS", limit)
    replicates = results.bootstrap(100, seed=1, min_usable=0)
    stopped = first.estimates.iterations > limit
    assert 0 < stopped.sum() < 100
    assert replicates.failed[stopped].all()
    assert not replicates.failed.all()


def test_second_order_constructs_keep_the_direction_that_they_have_in_all_cases():
    """Components that point both ways: by itself a replicate would take either direction."""
    data = people(80)
    for item in BLOCKS["service"]:
        data[item] = 14 - data[item]
    model = SecondOrderModel({**BLOCKS, "quality": SecondOrder(["product", "service"])}, PATHS)
    with pytest.warns(ItemWarning, match="as many point one way"):
        results = model.fit(data)
    loadings = results.bootstrap(200, seed=1).replicates("loadings")["quality"]
    assert (np.sign(loadings) == np.sign(results.second.loadings["quality"])).all(axis=None)


def test_means_by_group_are_those_of_the_second_stage(model):
    data = people(90)
    groups = np.tile(["a", "b", "c"], 30)
    results = model.fit(data)
    found = results.bootstrap(10, seed=1).group_means(groups)
    expected = pd.DataFrame(results.second.cases.data).groupby(groups).mean().to_numpy()
    assert found.estimates == pytest.approx(expected)
    assert found.replicates.shape == (10, 3, len(results.second.model.items))
    assert found.replicates.mean(axis=0) == pytest.approx(expected, abs=0.5)


def test_what_both_stages_notice_is_said_once(model):
    data = people(100)
    data.iloc[3] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(data, missing="em")
    assert ["1 case has no value" in str(each.message) for each in caught] == [True]


def test_a_component_that_points_against_the_others_is_told():
    data = people(200)
    for item in BLOCKS["service"]:
        data[item] = 14 - data[item]
    model = SecondOrderModel({**BLOCKS, "quality": SecondOrder(["product", "service"])}, PATHS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(data)
    told = [str(each.message) for each in caught if each.category is ItemWarning]
    assert len(told) == 1
    assert "Of the items product, service of quality" in told[0]


def test_summary_frame_shows_both_stages(model):
    results = model.fit(people(100))
    summary = results.summary_frame()
    assert summary.columns.tolist() == ["stage", "quantity", "parameter", "estimate"]
    assert summary.index.equals(pd.RangeIndex(len(summary)))
    first = summary[summary["stage"] == 1]
    assert set(first["quantity"]) == {"loadings", "weights"}
    assert len(first) == 2 * 6
    table = first.set_index(["quantity", "parameter"])["estimate"]
    assert table["loadings", "product: product2"] == results.first.loadings["product", "product2"]
    second = summary[summary["stage"] == 2].drop(columns="stage").reset_index(drop=True)
    pd.testing.assert_frame_equal(second, results.second.summary_frame())


def test_consistent_estimates_are_refused_with_the_reason(model):
    with pytest.raises(ParameterError, match="scores of components carry their unreliability into the second stage"):
        model.fit(people(50), consistent=True)


@pytest.mark.parametrize(
    ("given", "paths", "message"),
    [
        ({"quality": SecondOrder(["produkt", "service"])}, PATHS, r"'produkt' of quality is no construct \(did you me"),
        ({"quality": SecondOrder(["zzz", "service"])}, PATHS, "'zzz' of quality is no construct; add it with its ite"),
        ({"quality": SecondOrder([])}, PATHS, "quality has no components; give it at least one"),
        ({"quality": SecondOrder("product")}, PATHS, "components of quality must be a list of constructs, and are 'pr"),
        ({"quality": SecondOrder(["product"], mode="C")}, PATHS, r"mode of quality must be one of \['A', 'B'\], and"),
        ({"quality": SecondOrder(["product", "product"])}, PATHS, "has the component product 2 times; list it once"),
        (
            {"quality": SecondOrder(["product"]), "care": SecondOrder(["product"])},
            PATHS,
            "product is a component of quality and care; keep it in one",
        ),
        (
            {"quality": SecondOrder(["product"]), "care": SecondOrder(["quality"])},
            PATHS,
            "component quality of care is of second order itself",
        ),
        (
            {"quality": SecondOrder(["product"]), "other": ["product"]},
            PATHS,
            "item product of other is called like the",
        ),
        (
            {"quality": SecondOrder(["product", "service"])},
            [*PATHS, ("product", "loyalty")],
            "path product → loyalty names product, a component of quality; let it lead from or to quality",
        ),
        ({"quality": SecondOrder(["product", "service"])}, [("image", "qualty")], r"'qualty', which is no construct"),
        ({"quality": ["product9"]}, PATHS, "no construct is a SecondOrder; name the components of at least one"),
    ],
)
def test_input_checks(given, paths, message):
    with pytest.raises(ParameterError, match=message):
        SecondOrderModel({**BLOCKS, **given}, paths)


def test_every_fault_at_once():
    with pytest.raises(ParameterError) as caught:
        SecondOrderModel(
            {**BLOCKS, "quality": SecondOrder(["produkt", "image"], mode="C")}, [("image", "quality"), *PATHS]
        )
    text = str(caught.value)
    for part in ("problems", "the mode of quality", "did you mean 'product'?", "names image, a component of quality"):
        assert part in text
    with pytest.raises(ParameterError, match="constructs must be a mapping"):
        SecondOrderModel([], PATHS)
