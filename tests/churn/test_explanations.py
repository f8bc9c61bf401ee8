"""Contributions: they add up, agree with Shapley values by hand, and are told in words."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from crm_utils.churn import _design, _tree_shapley
from crm_utils.churn._design import design_of, row_blocks
from crm_utils.churn._tree_shapley import tree_contributions, tree_tables
from crm_utils.churn.explanations import contributions, reasons
from crm_utils.churn.warning import early_warning
from crm_utils.errors import ParameterError


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(1500)],
            "visits": rng.poisson(4, 1500).astype(float),
            "late": rng.poisson(0.5, 1500).astype(float),
            "plan": rng.choice(["gold", "silver"], 1500),
        }
    )
    log_odds = 0.5 - 0.6 * rows["visits"] + 1.0 * rows["late"] + (rows["plan"] == "silver")
    rows["outcome"] = (rng.random(1500) < 1 / (1 + np.exp(-log_odds))).astype(int)
    rows.loc[:99, "visits"] = np.nan
    return rows


@pytest.mark.parametrize("calibration", [None, "platt", "isotonic"])
@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_they_add_up_to_the_log_odds(table, model, calibration):
    options = {} if calibration is None else {"calibrate": table[750:], "calibration": calibration}
    fitted = early_warning(table[:750], model=model, **options)
    parts = contributions(fitted, table[750:])
    assert list(parts.columns) == ["visits", "late", "plan"]
    assert parts.index.tolist() == table["customer_id"][750:].tolist()
    np.testing.assert_allclose(parts.sum(axis=1) + parts.attrs["base"], fitted.log_odds(table[750:]), atol=1e-9)


def test_logistic_is_coefficient_times_distance_from_the_mean(table):
    # Below zero, so that no logarithm is taken.
    rows = table.assign(late=table["late"] - 1)[["visits", "late", "outcome"]][100:]
    fitted = early_warning(rows, ridge=1.0)
    parts = contributions(fitted, rows)
    row = fitted.coefficients.set_index("term").loc["late"]
    expected = row["coefficient"] * (rows["late"] - rows["late"].mean()) / rows["late"].std(ddof=0)
    np.testing.assert_allclose(parts["late"], expected, atol=1e-9)


def shapley_by_all_sets(output, rows, reference):
    """The definition: the mean change over all sets of the other features, by their sizes."""
    size = len(reference)
    value = {}
    for length in range(size + 1):
        for members in combinations(range(size), length):
            mixed = np.tile(reference, (len(rows), 1))
            mixed[:, members] = rows[:, members]
            value[frozenset(members)] = output(mixed)
    found = np.zeros(rows.shape)
    for members, before in value.items():
        for feature in set(range(size)) - members:
            weight = factorial(len(members)) * factorial(size - len(members) - 1) / factorial(size)
            found[:, feature] += weight * (value[members | {feature}] - before)
    return found


def varied_table(seed):
    """Numbers, categories before, between and after them, missing values in each, one feature mostly missing."""
    rng = np.random.default_rng(seed)
    size = 1600
    rows = pd.DataFrame(
        {
            "town": rng.choice([f"town {number}" for number in range(12)], size),
            "visits": rng.poisson(4, size).astype(float),
            "plan": rng.choice(["gold", "silver", "iron"], size),
            "rating": rng.normal(size=size),
            "spend": np.exp(rng.normal(size=size)),
        }
    )
    town = rows["town"].str.removeprefix("town ").astype(int)
    log_odds = (
        0.5 - 0.5 * rows["visits"] + (town % 3 == 0) * rows["spend"] + 1.5 * (rows["plan"] == "iron") - rows["rating"]
    )
    rows["outcome"] = (rng.random(size) < 1 / (1 + np.exp(-log_odds))).astype(int)
    for name, share in {"visits": 0.1, "plan": 0.2, "rating": 0.7}.items():
        rows.loc[rng.random(size) < share, name] = np.nan
    return rows


def test_boosting_is_the_shapley_value_by_definition():
    rows = varied_table(3)
    fitted = early_warning(rows[:1000], model="boosting", calibrate=rows[1000:])
    some = rows[1000:1040].reset_index(drop=True)
    some.loc[:4, "town"] = "never seen"
    some.loc[3:7, "plan"] = "never seen"
    trees, slope = fitted.pipeline[-1], fitted.calibration_line[0]
    columns = [*fitted.numeric, "town", "plan"]
    design = np.asarray(fitted.pipeline[:-1].transform(fitted.read(some)[1]), dtype=float)
    assert np.isnan(fitted.background).any()
    expected = slope * shapley_by_all_sets(trees.decision_function, design, fitted.background)
    parts = contributions(fitted, some)
    np.testing.assert_allclose(parts[columns], expected, atol=1e-9)
    assert (np.abs(expected).max(axis=0) > 0.1).all()
    np.testing.assert_allclose(parts.sum(axis=1) + parts.attrs["base"], fitted.log_odds(some), atol=1e-9)


def test_without_categories_trees_keep_the_order_of_columns():
    rows = varied_table(4)[["spend", "visits", "rating", "outcome"]]
    fitted = early_warning(rows, model="boosting")
    design = rows[["spend", "visits", "rating"]].to_numpy()[:30]
    expected = shapley_by_all_sets(fitted.pipeline[-1].decision_function, design, fitted.background)
    np.testing.assert_allclose(contributions(fitted, rows[:30]), expected, atol=1e-9)


def test_the_typical_customer_has_no_contributions(table):
    fitted = early_warning(table, model="boosting")
    parts = contributions(fitted, pd.DataFrame([fitted.typical]))
    assert (parts.to_numpy() == 0).all()


def test_features_with_the_same_role_share_equally_and_unused_ones_get_nothing():
    cells = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=float)
    rows = np.repeat(cells, 100, axis=0)
    # Only both together make a difference.
    trees = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=3).fit(rows, rows[:, 0] * rows[:, 1])
    first, second, unused = tree_contributions(trees, tree_tables(trees, cells[0]), cells)
    whole = trees.decision_function(cells) - trees.decision_function(cells[:1])
    np.testing.assert_allclose(first[3], whole[3] / 2, atol=1e-5)
    np.testing.assert_allclose(second[3], whole[3] / 2, atol=1e-5)
    assert whole[3] > 0.1
    assert not unused.any()


def test_a_tree_without_a_split_adds_nothing():
    rows = np.zeros((100, 2))
    trees = HistGradientBoostingClassifier(max_iter=2).fit(rows, np.arange(100) % 2)
    assert tree_tables(trees, rows[0]) == []
    assert not tree_contributions(trees, [], rows).any()


@pytest.mark.parametrize("calibration", [None, "platt", "isotonic"])
@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_blocks_of_rows_and_distinct_categories_change_nothing(model, calibration, monkeypatch):
    rows = varied_table(5)
    # More towns than the logistic model has columns for.
    rows["street"] = np.random.default_rng(6).integers(0, 40, len(rows)).astype(str) + " street"
    options = {} if calibration is None else {"calibrate": rows[900:], "calibration": calibration}
    fitted = early_warning(rows[:900], model=model, ridge=1.0, **options)
    some = rows[900:].reset_index(drop=True)
    some.loc[:4, "town"] = "never seen"
    some.loc[5:9, "plan"] = " "
    frame = fitted.read(some)[1]
    whole = fitted.predict(some), contributions(fitted, some), reasons(fitted, some)
    for module in (_design, _tree_shapley):
        monkeypatch.setattr(module, "_ROWS", 256)
    by_sklearn = (fitted.calibrated or fitted.pipeline).predict_proba(frame)[:, 1]
    np.testing.assert_allclose(fitted.predict(some), by_sklearn, rtol=1e-12)
    np.testing.assert_allclose(whole[0], by_sklearn, rtol=1e-12)
    design = design_of(fitted.pipeline, fitted.numeric, frame)
    made = np.concatenate([design(block) for block in row_blocks(len(frame))])
    np.testing.assert_allclose(made, np.asarray(fitted.pipeline[:-1].transform(frame), dtype=float), rtol=1e-12)
    pd.testing.assert_frame_equal(contributions(fitted, some), whole[1], rtol=1e-12)
    pd.testing.assert_series_equal(reasons(fitted, some), whole[2])


def test_texts_are_read_alike_whatever_they_are_kept_as(table):
    fitted = early_warning(table.assign(late=table["late"].where(table["late"] < 3)))
    plan = [" gold", "silver", None, "", "gold"]
    late = ["1", " 2.5", None, "", "1"]
    frames = [
        fitted.read(pd.DataFrame({"visits": 1.0, "late": late, "plan": plan}).astype({"late": kind, "plan": kind}))[1]
        for kind in ("object", "str", "category")
    ]
    assert frames[0]["plan"].fillna("none").tolist() == ["gold", "silver", "none", "none", "gold"]
    np.testing.assert_array_equal(frames[0]["late"], [1, 2.5, np.nan, np.nan, 1])
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_nobody(table, model):
    fitted = early_warning(table, model=model, calibrate=table, calibration="isotonic")
    assert fitted.predict(table[:0]).empty
    assert contributions(fitted, table[:0]).shape == (0, 3)
    assert reasons(fitted, table[:0]).empty


@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_words(table, model):
    fitted = early_warning(table, model=model)
    people = pd.DataFrame(
        {
            "customer_id": ["x", "y"],
            "visits": [0.0, 12.0],
            "late": [3.0, 0.0],
            "plan": ["silver", "gold"],
        }
    )
    told = reasons(fitted, people, labels={"late": "late payments"})
    for part in ("visits 0 (usually 4)", "late payments 3 (usually 0)", "plan silver"):
        assert part in told["x"]
    assert told["y"] == "nothing in particular"
    assert reasons(fitted, people, most=1)["x"].count("usually") == 1
    parts = contributions(fitted, people)
    assert reasons(fitted, people, parts=parts, labels={"late": "late payments"}).equals(told)


@pytest.mark.parametrize("model", ["logistic", "boosting"])
def test_nothing_but_categories_with_awkward_names(table, model):
    rows = table[["plan", "outcome"]].assign(**{"plan = old": np.where(table["late"] > 0, "a = b", "c")})
    fitted = early_warning(rows, model=model)
    parts = contributions(fitted, rows)
    assert list(parts.columns) == ["plan", "plan = old"]
    np.testing.assert_allclose(parts.sum(axis=1) + parts.attrs["base"], fitted.log_odds(rows), atol=1e-9)
    assert (parts["plan"].groupby(rows["plan"].to_numpy()).std() < 0.2).all()
    if model == "logistic":
        found = fitted.coefficients.set_index("term")["feature"]
        assert found["plan = old = a = b"] == "plan = old"
        assert parts.groupby(rows["plan"].to_numpy())["plan"].nunique().eq(1).all()


def test_unusable(table):
    fitted = early_warning(table)
    with pytest.raises(ParameterError, match="2 problems"):
        reasons(fitted, table, most=0, parts=contributions(fitted, table[:10]))


def test_what_is_usual_is_not_held_against_itself():
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"contract": rng.choice(["monthly", "yearly"], 900, p=[0.7, 0.3])})
    chance = np.where(table["contract"] == "monthly", 0.4, 0.1)
    table["outcome"] = (rng.random(900) < chance).astype(int)
    found = reasons(early_warning(table), pd.DataFrame({"contract": ["monthly", "yearly"]}))
    assert found.tolist() == ["contract monthly", "nothing in particular"]
