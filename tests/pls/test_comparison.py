"""What a comparison of groups holds and says."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.pls import PathModel
from crm_utils.pls.groups import compare_groups
from crm_utils.pls.permutation import COMPARED

SIDES = np.repeat(["x", "y"], [60, 90])


@pytest.fixture
def model():
    blocks = {"a": ["a1", "a2", "a3"], "b": ["b1"], "c": ["c1", "c2", "c3"]}
    return PathModel(blocks, [("a", "b"), ("a", "c"), ("b", "c")])


@pytest.fixture
def comparison(planted, model):
    return compare_groups(model, planted(150), SIDES, n_permutations=99, n_boot=50, seed=7)


def test_differences_rest_on_both_bootstraps_and_the_dealt_labels(comparison):
    table = comparison.differences()
    moved = comparison.bootstraps["x"].replicates("paths") - comparison.bootstraps["y"].replicates("paths")
    assert table["std_error"].to_numpy() == pytest.approx(moved.std().to_numpy())
    assert table["low"].to_numpy() == pytest.approx(moved.quantile(0.025).to_numpy())
    dealt = comparison.tests["x", "y"].permuted.differences["paths"]
    reached = (np.abs(dealt) >= np.abs(table["difference"].to_numpy())).sum(axis=0)
    assert table["p_value"].to_numpy() == pytest.approx((1 + reached) / 100)


def test_p_values_are_adjusted_by_holm(comparison):
    table = comparison.differences().sort_values("p_value")
    steps = np.maximum.accumulate(table["p_value"].to_numpy() * np.arange(len(table), 0, -1))
    assert table["p_adjusted"].to_numpy() == pytest.approx(np.minimum(steps, 1))


def test_what_cannot_differ_has_no_p_value_and_does_not_count(comparison):
    table = comparison.differences("loadings").set_index("item")
    assert np.isnan(table.loc["b1", ["p_value", "p_adjusted"]].astype(float)).all()
    assert table.loc["b1", "difference"] == pytest.approx(0, abs=1e-12)
    rest = table.drop("b1")
    smallest = rest["p_value"].min()
    assert rest["p_adjusted"].min() == pytest.approx(min(6 * smallest, 1))


@pytest.mark.parametrize("quantity", COMPARED)
def test_every_quantity_is_the_estimates_first_less_other(comparison, quantity):
    table = comparison.differences(quantity)
    bootstraps = comparison.bootstraps
    expected = [bootstraps[name].intervals(quantity)["estimate"].to_numpy() for name in ("x", "y")]
    assert table["estimate"].to_numpy() == pytest.approx(expected[0])
    assert table["estimate_other"].to_numpy() == pytest.approx(expected[1])
    observed = comparison.tests["x", "y"].observed.differences[quantity][0]
    assert table["difference"].to_numpy() == pytest.approx(observed, abs=1e-10)
    assert (table["low"] <= table["high"]).all()
    assert table.columns.is_unique


def test_an_unknown_quantity(comparison):
    with pytest.raises(ParameterError, match=r"quantity must be one of .* and is 'path' \(did you mean 'paths'"):
        comparison.differences("path")


def test_the_summary_has_every_quantity_in_one_table(comparison):
    table = comparison.summary_frame()
    assert table.index.equals(pd.RangeIndex(len(table)))
    assert table.groupby("quantity", sort=False).size().to_dict() == {
        "paths": 3,
        "total_effects": 3,
        "r_squared": 2,
        "loadings": 7,
        "weights": 7,
    }
    row = table.query("quantity == 'paths' and parameter == 'b → c'").iloc[0]
    paths = comparison.differences().set_index(["from", "to"]).loc[("b", "c")]
    assert row[["group", "other", "difference", "low", "p_adjusted"]].tolist() == (
        paths[["group", "other", "difference", "low", "p_adjusted"]].tolist()
    )


def test_the_first_step_of_invariance_is_stated(comparison):
    assert "scheme (path)" in comparison.configural
    assert "missing values (error)" in comparison.configural


def test_too_few_permutations_are_noticed(planted, chain):
    region = np.tile(list("wxyz"), 30)
    few = compare_groups(chain, planted(120), region, n_permutations=199, n_boot=3, seed=7)
    assert any("18 differences of paths" in note and "below 0.09: use at least 360" in note for note in few.notes)
    assert few.differences()["p_adjusted"].min() >= 0.09
    enough = compare_groups(chain, planted(120), region, n_permutations=360, n_boot=3, seed=7)
    assert not any("differences of paths" in note for note in enough.notes)


def test_what_could_not_be_estimated_is_counted(planted, model):
    data = planted(150)
    # Eight cases that differ: among 60 drawn at will, they are missing now and then.
    data["b1"] = np.where(np.arange(150) % 20 == 0, 1.0, 0.0) + (np.arange(150) == 3)
    comparison = compare_groups(model, data, np.arange(150) < 24, n_permutations=300, n_boot=100, seed=7)
    failed = int(comparison.permutations["failed"].iloc[0])
    usable = comparison.tests[False, True].permuted.usable
    assert 0 < failed == (~usable).sum() < 281
    assert comparison.permutations["usable"].tolist() == [300 - failed]
    assert f"could not be estimated under {failed} of 300 dealt labels" in " ".join(comparison.notes)
    left_out = int((~comparison.bootstraps[True].usable).sum())
    assert f"Group True: {left_out} of 100 bootstrap replicates are left out" in " ".join(comparison.notes)
    assert np.isfinite(comparison.differences()[["low", "high", "p_value"]]).all(axis=None)
    assert np.isfinite(comparison.invariance["correlation_low"]).all()
