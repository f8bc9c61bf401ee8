"""Groups compared: planted differences, none where there are none, clusters, and unusable input."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from crm_utils.company import load_company
from crm_utils.company.simulate.latents import LATENTS
from crm_utils.errors import ConvergenceError, DataFloorError, ItemWarning, ParameterError
from crm_utils.paths import HOME
from crm_utils.pls import Construct, PathModel
from crm_utils.pls.comparison import _holm
from crm_utils.pls.groups import compare_groups

QUICK = {"n_permutations": 39, "n_boot": 20, "seed": 7}


def sample(size, onward, *, seed):
    """a → b is 0.6, a → c 0.3, b → c as given; every item has the loading 0.8."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=size)
    b = 0.6 * a + 0.8 * rng.normal(size=size)
    explained = 0.3**2 + onward**2 + 2 * 0.3 * onward * 0.6
    c = 0.3 * a + onward * b + np.sqrt(1 - explained) * rng.normal(size=size)
    return pd.DataFrame(
        {
            f"{name}{i}": 0.8 * construct + 0.6 * rng.normal(size=size)
            for name, construct in zip("abc", (a, b, c), strict=True)
            for i in (1, 2, 3)
        }
    )


@pytest.fixture
def two():
    """Two groups that differ in the path from b to c by −0.5."""
    data = pd.concat([sample(150, 0.1, seed=1), sample(250, 0.6, seed=2)], ignore_index=True)
    return data.assign(market=np.repeat(["strong", "weak"], [150, 250]))


def test_the_planted_difference_is_found_and_no_other(chain):
    data = pd.concat([sample(600, 0.1, seed=1), sample(1000, 0.6, seed=2)], ignore_index=True)
    market = np.repeat(["strong", "weak"], [600, 1000])
    comparison = compare_groups(chain, data, market, consistent=True, n_permutations=199, n_boot=199, seed=7)
    table = comparison.differences().set_index(["from", "to"])
    moderated = table.loc[("b", "c")]
    assert moderated["p_adjusted"] == 3 / 200
    assert moderated["low"] < -0.5 < moderated["high"] < -0.1
    assert (table["p_adjusted"].drop(("b", "c")) > 0.05).all()
    assert comparison.groups.to_dict("list") == {"group": ["strong", "weak"], "cases": [600, 1000]}


def test_the_demo_has_its_planted_moderation():
    company = load_company()
    survey = company.survey.copy()
    blocks = {
        name: [column for column in survey if column.rpartition("_")[0] == name and column[-1].isdigit()]
        for name in LATENTS.constructs
    }
    for item in ("complaints_2", "loyalty_3"):
        survey[item] = 11 - survey[item]
    model = PathModel(blocks, [(cause, effect) for effect, causes in LATENTS.paths.items() for cause in causes])
    comparison = compare_groups(
        model,
        survey,
        "competition",
        missing="mean",
        clusters="customer_id",
        consistent=True,
        n_permutations=399,
        n_boot=100,
        seed=7,
    )
    table = comparison.differences().set_index(["from", "to"])
    planted = json.loads((HOME / "data" / "truth" / "parameters.json").read_text())["latents"]
    truth = planted["satisfaction_loyalty_strong"] - planted["paths"]["loyalty"]["satisfaction"]
    moderated = table.loc[("satisfaction", "loyalty")]
    assert moderated["low"] < truth < moderated["high"] < -0.2
    assert moderated["p_adjusted"] == 17 / 400
    assert table["p_adjusted"].drop(("satisfaction", "loyalty")).eq(1).all()


def test_p_values_are_uniform_where_groups_do_not_differ(planted, chain):
    found, invariant = [], []
    for number in range(60):
        data = planted(90, seed=number)
        comparison = compare_groups(chain, data, np.arange(90) < 30, n_permutations=19, n_boot=2, seed=number)
        found.append(comparison.differences()["p_value"])
        invariant.append(comparison.invariance[["mean_difference_p", "log_variance_ratio_p"]].to_numpy().ravel())
    for values in (*np.array(found).T, *np.array(invariant).T):
        # Steps of 1/20, which the continuous distribution is held against at their middles.
        assert kstest(values - 1 / 40, "uniform").pvalue > 0.01


def test_clusters_make_differences_of_people_less_sure(planted, chain):
    people = planted(60)
    data = pd.concat([people] * 4, ignore_index=True)
    person = np.tile(np.arange(60), 4)
    side = np.where(person < 30, "x", "y")
    alone = compare_groups(chain, people, side[:60], n_permutations=199, n_boot=199, seed=7)
    together = compare_groups(chain, data, side, clusters=person, n_permutations=199, n_boot=199, seed=7)
    apart = compare_groups(chain, data, side, n_permutations=199, n_boot=199, seed=7)
    columns = ["difference", "p_value"]
    pd.testing.assert_frame_equal(together.differences()[columns], alone.differences()[columns])
    assert together.differences()["std_error"].to_numpy() == pytest.approx(alone.differences()["std_error"].to_numpy())
    assert (apart.differences()["std_error"] < 0.7 * together.differences()["std_error"]).all()
    assert (apart.differences()["p_value"] < together.differences()["p_value"]).all()
    assert together.groups["clusters"].tolist() == [30, 30]


def test_clusters_in_both_groups_are_drawn_together(planted, chain):
    data = planted(120)
    person = np.arange(120) // 2
    wave = np.tile(["first", "second"], 60)
    wave[:10] = "first"
    comparison = compare_groups(chain, data, wave, clusters=person, n_permutations=19, n_boot=3, seed=11)
    child = np.random.SeedSequence(11).spawn(2)[0].spawn(2)[0].spawn(3)[1]
    drawn = np.random.default_rng(child).integers(0, 60, 60)
    rows = np.concatenate([np.flatnonzero(person == one) for one in drawn])
    for name in ("first", "second"):
        chosen = rows[wave[rows] == name]
        again = chain.fit(data.iloc[chosen]).paths.to_numpy()
        found = comparison.bootstraps[name].replicates("paths").loc[1].to_numpy()
        assert found == pytest.approx(again, abs=1e-10)
    assert "55 clusters have cases in more than one group" in comparison.notes[0]
    assert comparison.groups["clusters"].tolist() == [60, 55]


def test_what_people_have_in_common_cancels_where_they_are_in_both_groups(planted, chain):
    people = planted(150)
    rng = np.random.default_rng(5)
    waves = [people + 0.2 * rng.normal(size=people.shape) for _ in range(2)]
    data, wave = pd.concat(waves, ignore_index=True), np.repeat([1, 2], 150)
    paired = compare_groups(chain, data, wave, clusters=np.tile(np.arange(150), 2), seed=7, n_boot=200)
    apart = compare_groups(chain, data, wave, seed=7, n_boot=200)
    assert (paired.differences()["std_error"] < 0.5 * apart.differences()["std_error"]).all()
    spread = [found.tests[1, 2].permuted.differences["paths"].std(axis=0) for found in (paired, apart)]
    assert (spread[0] < 0.5 * spread[1]).all()


def test_the_groups_are_fitted_alone(two, chain):
    mass = np.linspace(0.5, 2, 400)
    comparison = compare_groups(chain, two, "market", weights=mass, scheme="centroid", standardize=False, **QUICK)
    weak = (two["market"] == "weak").to_numpy()
    alone = chain.fit(two[weak], weights=mass[weak], scheme="centroid", standardize=False)
    for quantity in ("paths", "weights", "r_squared", "total_effects"):
        pd.testing.assert_series_equal(getattr(comparison.fits["weak"], quantity), getattr(alone, quantity))
        table = comparison.differences(quantity)
        assert table["estimate_other"].to_numpy() == pytest.approx(getattr(alone, quantity).to_numpy())
    assert (table["difference"] == table["estimate"] - table["estimate_other"]).all()


def test_other_names_turn_the_signs_and_nothing_else(two, chain):
    forward = compare_groups(chain, two, two["market"], **QUICK)
    backward = pd.Categorical(two["market"], categories=["weak", "unknown", "strong"], ordered=True)
    turned = compare_groups(chain, two, backward, **QUICK)
    assert list(turned.fits) == ["weak", "strong"]
    here, there = forward.differences(), turned.differences()
    for name, other in (("difference", "difference"), ("low", "high"), ("high", "low")):
        assert here[name].to_numpy() == pytest.approx(-there[other].to_numpy(), abs=1e-12)
    for name in ("p_value", "p_adjusted", "std_error"):
        assert here[name].to_numpy() == pytest.approx(there[name].to_numpy(), abs=1e-12)
    same = ["correlation", "correlation_low", "correlation_p", "mean_difference_p", "invariance"]
    pd.testing.assert_frame_equal(forward.invariance[same], turned.invariance[same])


def test_a_column_and_its_values_give_the_same(two, chain):
    by_name = compare_groups(chain, two, "market", **QUICK)
    for given in (two["market"], two["market"].to_numpy(), list(two["market"])):
        pd.testing.assert_frame_equal(
            compare_groups(chain, two, given, **QUICK).summary_frame(), by_name.summary_frame()
        )


def test_every_pair_of_three_groups(planted, chain):
    data = planted(240).assign(region=np.tile(["north", "east", "south"], 80))
    comparison = compare_groups(chain, data, "region", **QUICK)
    table = comparison.differences()
    assert list(comparison.tests) == [("east", "north"), ("east", "south"), ("north", "south")]
    assert table.groupby(["group", "other"], sort=False).ngroups == 3
    assert len(table) == 9
    assert len(comparison.invariance) == 9
    alone = compare_groups(chain, data[data["region"] != "north"], "region", **QUICK)
    own = table[(table["group"] == "east") & (table["other"] == "south")]
    assert own["difference"].to_numpy() == pytest.approx(alone.differences()["difference"].to_numpy())
    pair = comparison.invariance.query("group == 'east' and other == 'south'")
    assert pair["correlation"].to_numpy() == pytest.approx(alone.invariance["correlation"].to_numpy())
    assert pair["mean_difference"].to_numpy() == pytest.approx(alone.invariance["mean_difference"].to_numpy())


def test_rows_without_a_group_are_left_out_and_counted(two, chain):
    market = two["market"].where(two.index % 10 > 0)
    comparison = compare_groups(chain, two, market, **QUICK)
    assert comparison.notes[0] == "40 of 400 rows have no group and are left out."
    assert comparison.groups["cases"].sum() == 360
    kept = two[market.notna()]
    pd.testing.assert_frame_equal(
        comparison.differences(), compare_groups(chain, kept, "market", **QUICK).differences()
    )


def test_cases_without_weight_do_not_count(two, chain):
    mass = np.where(two.index % 4 == 0, 0.0, 1.0)
    people = two.index.to_numpy() // 2
    weighted = compare_groups(chain, two, "market", weights=mass, clusters=people, **QUICK)
    fewer = compare_groups(chain, two[mass > 0], "market", clusters=people[mass > 0], **QUICK)
    assert weighted.groups.equals(fewer.groups)
    left, right = weighted.summary_frame(), fewer.summary_frame()
    for name in ("difference", "low", "high", "p_value"):
        assert left[name].to_numpy() == pytest.approx(right[name].to_numpy(), nan_ok=True)


def test_missing_values_and_the_input_stay_as_they_are(two, chain):
    data = two.copy()
    data.loc[::7, "b2"] = np.nan
    before = data.copy()
    with pytest.raises(ParameterError, match="values are missing"):
        compare_groups(chain, data, "market", **QUICK)
    comparison = compare_groups(chain, data, "market", missing="em", **QUICK)
    alone = chain.fit(data[data["market"] == "weak"], missing="em").paths
    pd.testing.assert_series_equal(comparison.fits["weak"].paths, alone)
    pd.testing.assert_frame_equal(data, before)


def test_a_construct_points_the_same_way_in_every_group(planted):
    data = planted(400)
    # In the second group two of three items run the other way: alone they would decide, but in both groups together
    # they cancel out, and the third does.
    turned = np.arange(400) >= 210
    for item in ("b1", "b2"):
        data.loc[turned, item] *= -1
    model = PathModel({name: [f"{name}{i}" for i in (1, 2, 3)] for name in "ab"}, [("a", "b")])
    with warnings.catch_warnings():
        # The fit of all groups together has given them.
        warnings.simplefilter("error", ItemWarning)
        comparison = compare_groups(model, data, turned, **QUICK)
    assert [note[:44] for note in comparison.input_notes] == [
        "Group True: The item b1 points against the o",
        "Group True: The item b2 points against the o",
    ]
    assert comparison.fits[True].loadings["b", "b3"] > 0.5
    replicates = comparison.bootstraps[True].replicates("loadings")
    assert (replicates["b", "b3"] > 0).all()


def test_the_answer_depends_on_the_seed_alone(two, chain):
    one, again = (compare_groups(chain, two, "market", **QUICK).summary_frame() for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    other = compare_groups(chain, two, "market", **QUICK | {"seed": 8}).summary_frame()
    assert not np.allclose(one["low"], other["low"])
    more = compare_groups(chain, two, "market", **QUICK | {"n_permutations": 60})
    few = compare_groups(chain, two, "market", **QUICK)
    paths = [found.tests["strong", "weak"].permuted.differences["paths"] for found in (few, more)]
    # The labels are the same. Moments are one matrix product a batch, whose sums over the 400 cases go in an order that
    # depends on the number of replicates: that rounds by at most 400 × 2e-16, which paths magnify a few times.
    np.testing.assert_allclose(paths[0], paths[1][:39], rtol=0, atol=1e-12)


def test_everything_wrong_is_said_at_once(two, chain):
    with pytest.raises(ParameterError) as error:
        compare_groups(
            chain,
            two.drop(columns="a1"),
            "markt",
            scheme="pth",
            consistent="yes",
            weights="wight",
            clusters=[1, 2],
            n_permutations=5,
            n_boot=1,
            seed=-1,
            level=2,
        )
    for part in (
        "n_boot must be a whole number of at least 2",
        "level must lie between 0 and 1",
        "seed must be",
        "n_permutations must be a whole number of at least 19, and is 5",
        "consistent must be True or False, and is 'yes'",
        "data lacks the group column 'markt' (did you mean 'market'?)",
        "data lacks the weights column 'wight'",
        "clusters have 2",
        "scheme must be one of ['path', 'centroid', 'factorial'], and is 'pth'",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (["x"] * 400, "needs at least two groups, and there is only 'x'"),
        ([None] * 400, "needs at least two groups, and there is none"),
        (["x", "y"], "one label a row of data, which has 400, and has the shape \\(2,\\)"),
        (3, "one label a row of data, which has 400, and is one value"),
        (np.arange(400), "group has 400 labels \\(such as 0, 1, 2\\), and at most 20 groups"),
        ([{"x": 1}, {"x": 2}] * 200, "labels such as text or numbers"),
    ],
)
def test_unusable_groups(two, chain, group, message):
    with pytest.raises(ParameterError, match=message):
        compare_groups(chain, two, group, **QUICK)


def test_labels_of_other_rows_are_refused(two, chain):
    with pytest.raises(ParameterError, match="rows in another order"):
        compare_groups(chain, two, two["market"].iloc[::-1], **QUICK)


def test_arguments_of_another_kind(two, chain):
    with pytest.raises(ParameterError, match="model must be a PathModel, and is dict"):
        compare_groups({}, two, "market", **QUICK)
    with pytest.raises(ParameterError, match="data must be a DataFrame, and is list"):
        compare_groups(chain, [1], "market", **QUICK)


def test_groups_that_are_too_small_are_named(two, chain):
    market = two["market"].mask(two.index < 12, "none").mask(two.index > 395, "other")
    with pytest.raises(DataFloorError, match="at least 20 cases, and 'none' has 12, 'other' has 4\\. Join"):
        compare_groups(chain, two, market, **QUICK)
    model = PathModel({"a": Construct([f"x{i}" for i in range(24)], mode="B"), "b": ["b1"]}, [("a", "b")])
    wide = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 24)), columns=model.items[:24])
    wide["b1"] = two["b1"][:60]
    with pytest.raises(DataFloorError, match=r"Group 'small'.*24 items of a \(mode B\) needs at least 26 cases"):
        compare_groups(model, wide, np.where(wide.index < 22, "small", "large"), **QUICK)
    with pytest.raises(
        DataFloorError,
        match=r"2 of 2 groups cannot be estimated.*Groups 'strong', 'weak': The cases belong to 1 cluster,",
    ):
        compare_groups(chain, two, "market", clusters="market", **QUICK)


def test_a_group_of_which_too_little_is_left_is_named(two, chain):
    data = two.assign(b1=two["b1"].where((two["market"] == "weak") | (two.index < 8)))
    with pytest.raises(DataFloorError, match=r"1 of 2 groups.*Group 'strong': Only 8 cases are left.*use missing='em'"):
        compare_groups(chain, data, "market", missing="listwise", **QUICK)


def test_a_group_in_which_an_item_says_nothing_is_named(two, chain):
    data = two.assign(b1=two["b1"].where(two["market"] == "weak", 5.0))
    with pytest.raises(ParameterError, match=r"1 of 2 groups.*Group 'strong': The item b1 is 5 for all 150 cases"):
        compare_groups(chain, data, "market", **QUICK)


def test_a_group_in_which_estimates_are_improper_is_named(two, chain):
    noise = np.random.default_rng(2).normal(size=(150, 3))
    data = two.copy()
    data.loc[data["market"] == "strong", ["b1", "b2", "b3"]] = noise
    with pytest.raises(ConvergenceError, match=r"Group 'strong'.*use consistent=False"):
        compare_groups(chain, data, "market", consistent=True, **QUICK)


def test_holms_adjustment_by_hand():
    """Three p-values: the smallest times 3, the next times 2, the largest as it is, but never below one before it."""
    adjusted = _holm(np.array([0.04, np.nan, 0.01, 0.03]))
    np.testing.assert_allclose(adjusted, [0.06, np.nan, 0.03, 0.06])
    assert _holm(np.array([0.9, 0.6])).tolist() == [1, 1]
