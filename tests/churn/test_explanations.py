"""Contributions: they add up, agree with Shapley values by hand, and are told in words."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

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
    rows = table[["visits", "late", "outcome"]][100:]
    fitted = early_warning(rows, ridge=1.0)
    parts = contributions(fitted, rows)
    row = fitted.coefficients.set_index("term").loc["late"]
    expected = row["coefficient"] * (rows["late"] - rows["late"].mean()) / rows["late"].std(ddof=0)
    np.testing.assert_allclose(parts["late"], expected, atol=1e-9)


def test_boosting_with_all_orders_is_the_shapley_value(table):
    """Three features have six orders; many walks come near their mean."""
    fitted = early_warning(table, model="boosting")
    some = table[200:240]
    parts = contributions(fitted, some, walks=60)
    trees, design = fitted.pipeline[-1], np.asarray(fitted.pipeline[:-1].transform(fitted.read(some)[1]), dtype=float)
    exact = np.zeros((40, 3))
    for order in permutations(range(3)):
        at = np.tile(fitted.background, (40, 1))
        now = trees.decision_function(at)
        for column in order:
            at[:, column] = design[:, column]
            following = trees.decision_function(at)
            exact[:, column] += (following - now) / 6
            now = following
    np.testing.assert_allclose(parts.to_numpy(), exact, atol=0.15)
    assert np.corrcoef(parts.to_numpy().ravel(), exact.ravel())[0, 1] > 0.99


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
    with pytest.raises(ParameterError, match="walks"):
        contributions(fitted, table, walks=0)
    with pytest.raises(ParameterError, match="2 problems"):
        reasons(fitted, table, most=0, parts=contributions(fitted, table[:10]))


def test_what_is_usual_is_not_held_against_itself():
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"contract": rng.choice(["monthly", "yearly"], 900, p=[0.7, 0.3])})
    chance = np.where(table["contract"] == "monthly", 0.4, 0.1)
    table["outcome"] = (rng.random(900) < chance).astype(int)
    found = reasons(early_warning(table), pd.DataFrame({"contract": ["monthly", "yearly"]}))
    assert found.tolist() == ["contract monthly", "nothing in particular"]
