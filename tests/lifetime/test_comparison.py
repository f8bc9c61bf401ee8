"""The purchase models side by side: the true model is found, and reasons are given where there is none."""

import re

import numpy as np
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, compare_purchase_models, simulate_histories

PLANTED = {
    "BG/NBD": (BetaGeoNBD(), (0.7, 5.5, 0.8, 3.0)),
    "MBG/NBD": (ModifiedBetaGeoNBD(), (0.9, 5.0, 1.5, 3.0)),
    "Pareto/NBD": (ParetoNBD(), (0.8, 6.0, 1.2, 40.0)),
}


@pytest.mark.parametrize("name", list(PLANTED))
def test_the_model_that_made_the_data_is_the_best(name):
    model, params = PLANTED[name]
    ages = np.random.default_rng(3).uniform(10, 150, 8_000)
    table = simulate_histories(model, params, ages, seed=5)
    compared = compare_purchase_models(table["frequency"], table["recency"], table["age"])
    assert compared.best == name
    shown = compared.table()
    assert shown["model"].iloc[0] == name
    assert shown["aic_difference"].iloc[0] == 0
    assert shown["evidence"].sum() == pytest.approx(1)
    first, second = shown["evidence"].iloc[:2]
    assert first / second == pytest.approx(np.exp(shown["aic_difference"].iloc[1] / 2))
    own = type(model)().fit(table["frequency"], table["recency"], table["age"])
    assert shown["log_likelihood"].iloc[0] == pytest.approx(own.loglik)


def test_too_few_customers_give_the_reason_instead_of_a_model():
    compared = compare_purchase_models([1, 0, 2] * 10, [4.0, 0.0, 9.0] * 10, [10.0] * 30)
    assert compared.results == {}
    assert compared.best == ""
    assert compared.reason.startswith("None of the purchase models can be fitted: needs at least 50 customers")
    assert compared.reason.count("needs at least") == 1
    assert set(compared.reasons) == set(PLANTED)
    assert compared.table().empty


def test_the_unit_reaches_the_models_and_wrong_histories_are_refused():
    ages = np.full(200, 30.0)
    table = simulate_histories(BetaGeoNBD(), (0.7, 5.5, 0.8, 3.0), ages, seed=1)
    compared = compare_purchase_models(table["frequency"], table["recency"], table["age"], unit="month")
    assert {fit.model.unit for fit in compared.results.values()} == {"month"}
    assert compared.reason == ""
    with pytest.raises(ParameterError, match="whole number"):
        compare_purchase_models([0.5], [0.0], [1.0])


def test_where_all_fail_each_reason_comes_once_and_the_remedy_once():
    """Everyone buys every fourth week: steadier than any of the models can be."""
    age = np.tile([41.0, 43.0, 47.0], 60)
    frequency = age // 4
    compared = compare_purchase_models(frequency, 4 * frequency, age)
    assert compared.results == {}
    assert compared.reason.startswith("None of the purchase models can be fitted (BG/NBD: the likelihood does not")
    for name in PLANTED:
        assert len(re.findall(rf"\b{name}: ", compared.reason)) == 1
    for once in ("buy at one regular pace, which these models do not describe", "Use a longer calibration period"):
        assert compared.reason.count(once) == 1
    assert "another of the purchase models" not in compared.reason
    assert all("regular pace" in reason for reason in compared.reasons.values())
