"""BG/NBD and its modified form: published values, identities, planted truth, odd histories."""

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import betaln, expit, hyp2f1, log_expit

from crm_utils.company.public import fetch_cdnow_sample
from crm_utils.company.summary import purchase_summary
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.dropout import over_dropout, purchases_until_dropout
from crm_utils.lifetime.histories import PurchaseRows
from crm_utils.lifetime.simulation import simulate_histories

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD]
TRUTH = np.array([0.8, 6.0, 1.2, 3.0])


@pytest.fixture(scope="module")
def simulated():
    return simulate(BetaGeoNBD, 2_000, seed=11)


def simulate(model, customers, *, seed):
    ages, histories = np.random.SeedSequence(seed).spawn(2)
    age = np.random.default_rng(ages).integers(20, 53, customers)
    return simulate_histories(model(), TRUTH, age, seed=histories)[["frequency", "recency", "age"]]


def fit(model, frame, **options):
    return model().fit(frame["frequency"], frame["recency"], frame["age"], **options)


def cdnow_weeks():
    """Fader, Hardie & Lee (2005) count weeks from the day of the first purchase to 30 September 1997."""
    summary = purchase_summary(fetch_cdnow_sample(), as_of="1997-10-01")
    return pd.DataFrame(
        {
            "frequency": summary["purchase_days"] - 1,
            "recency": (summary["last_purchase"] - summary["first_purchase"]).dt.days / 7,
            "age": (summary["age_days"] - 1) / 7,
        }
    )


def test_fader_hardie_lee_2005_cdnow_estimates_and_log_likelihood(public_data):
    public_data("cdnow_sample")
    fitted = fit(BetaGeoNBD, cdnow_weeks())
    assert fitted.params.round(3).to_dict() == {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert round(fitted.loglik, 2) == -9582.43
    assert fitted.customers == 2357


def test_fader_hardie_lee_2005_cdnow_expected_purchases(public_data):
    public_data("cdnow_sample")
    fitted = fit(BetaGeoNBD, cdnow_weeks())
    assert round(fitted.expected_purchases(39, [2], [30.43], [38.86]).iloc[0], 3) == 1.226
    assert round(fitted.expected_purchases_new(52), 3) == 1.444


def test_expected_purchases_are_the_closed_form_of_fader_hardie_lee_2005_equation_9():
    r, alpha, a, b = TRUTH
    horizon = np.array([0.0, 1.0, 10.0, 52.0, 400.0])
    z = horizon / (alpha + horizon)
    closed = (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + horizon)) ** r * hyp2f1(r, b, a + b - 1, z))
    np.testing.assert_allclose(BetaGeoNBD()._expected_new(TRUTH, horizon), closed, rtol=1e-11)


@pytest.mark.parametrize(
    ("shape", "rate", "a", "b", "horizon"),
    [
        (0.24, 4.4, 1.0, 2.4, 39.0),  # where the closed form has its pole
        (0.3, 5.0, 0.3, 0.4, 1e4),  # a + b < 1
        (10_000.0, 1e5, 0.8, 10_000.0, 1e5),
        (3.0, 2.0, 500.0, 2_000.0, 1e3),
    ],
)
def test_expected_purchases_are_the_integralover_dropout(shape, rate, a, b, horizon):
    def integrand(logit):
        p = expit(logit)
        density = np.exp(a * log_expit(logit) + b * log_expit(-logit) - betaln(a, b))
        return density * -np.expm1(-shape * np.log1p(p * horizon / rate)) / p

    centre, spread = np.log(a / b), np.sqrt(1 / a + 1 / b)
    edges = centre + spread * np.array([-30, -20, -8, -4, 0, 4, 8, 20])
    expected = sum(quad(integrand, *edge, epsabs=0, limit=400)[0] for edge in pairwise(edges))
    found = over_dropout(
        purchases_until_dropout, np.array([shape]), np.array([rate]), a, np.array([b]), np.array([horizon])
    )
    assert found[0, 0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_gradient_is_the_derivative_of_the_log_likelihood(model, simulated):
    none = np.empty((300, 0))
    objective = model()._objective(
        PurchaseRows(*simulated.head(300).to_numpy().T, np.linspace(0.5, 3, 300), none, none)
    )
    point = np.log(TRUTH * [1.5, 0.7, 1.2, 0.6])
    error = check_grad(lambda logs: objective(logs)[0], lambda logs: objective(logs)[1], point)
    assert error < 1e-5 * np.linalg.norm(objective(point)[1])


@pytest.mark.parametrize("model", MODELS)
def test_planted_parameters_lie_in_their_intervals(model):
    fitted = fit(model, simulate(model, 4_000, seed=5))
    table = fitted.summary_frame(level=0.99)
    assert ((table["low"] < TRUTH) & (table["high"] > TRUTH)).all()
    assert (table["std_error"] < 0.35 * table["estimate"]).all()


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Of 80 intervals at 90 %, 72 are expected to hold the truth; below 64 or above 79 has a chance under 1 in 100."""
    held = 0
    for seed in range(20):
        table = fit(BetaGeoNBD, simulate(BetaGeoNBD, 1_500, seed=seed)).summary_frame(level=0.9)
        held += int(((table["low"] < TRUTH) & (table["high"] > TRUTH)).sum())
    assert 64 <= held <= 79


def test_modified_model_expects_what_its_simulation_brings():
    frame = simulate(ModifiedBetaGeoNBD, 100_000, seed=4)
    expected = ModifiedBetaGeoNBD()._expected_new(TRUTH, frame["age"].to_numpy()).mean()
    assert expected == pytest.approx(frame["frequency"].mean(), rel=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_days_weeks_and_years_give_the_same_model(model, simulated):
    weeks = fit(model, simulated)
    for factor in (7.0, 1 / 52):
        other = fit(model, simulated.assign(recency=simulated["recency"] * factor, age=simulated["age"] * factor))
        scale = np.array([1, factor, 1, 1])
        np.testing.assert_allclose(other.params, weeks.params * scale, rtol=1e-6)
        np.testing.assert_allclose(other.std_errors, weeks.std_errors * scale, rtol=1e-5)
        assert other.loglik == pytest.approx(weeks.loglik - simulated["frequency"].sum() * np.log(factor), abs=1e-6)
        np.testing.assert_allclose(other.expected_purchases(26 * factor), weeks.expected_purchases(26), rtol=1e-6)


def test_order_and_merging_of_rows_do_not_matter(simulated):
    rounded = simulated.assign(recency=np.ceil(simulated["recency"]))
    merged = rounded.value_counts().rename("customers").reset_index()
    assert len(merged) < 0.7 * len(rounded)
    plain, shuffled = fit(BetaGeoNBD, rounded), fit(BetaGeoNBD, rounded.sample(frac=1, random_state=1))
    weighted = fit(BetaGeoNBD, merged, weights=merged["customers"])
    pd.testing.assert_series_equal(plain.params, shuffled.params, rtol=1e-12)
    pd.testing.assert_series_equal(plain.params, weighted.params, rtol=1e-9)
    assert weighted.loglik == pytest.approx(plain.loglik, abs=1e-7)
    assert weighted.customers == len(rounded)


def test_starting_values_do_not_matter(simulated):
    reference = fit(BetaGeoNBD, simulated)
    for start in np.exp(np.random.default_rng(3).uniform(-2.5, 2.5, (12, 4))):
        started = type("Started", (BetaGeoNBD,), {"starts": (tuple(start),)})
        assert fit(started, simulated).loglik == pytest.approx(reference.loglik, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_results_hang_together(model, simulated):
    before = simulated.copy()
    frame = simulated.set_axis([f"c{i}" for i in range(len(simulated))])
    fitted = fit(model, frame)
    pd.testing.assert_frame_equal(simulated, before)
    predicted = fitted.predict(26)
    assert list(predicted.columns) == ["frequency", "recency", "age", "p_alive", "expected_purchases"]
    assert list(predicted.index) == list(frame.index)
    assert predicted["p_alive"].between(0, 1).all()
    assert (fitted.expected_purchases(0) == 0).all()
    assert (fitted.expected_purchases(52) > predicted["expected_purchases"]).all()
    np.testing.assert_allclose(fitted.std_errors, fitted.params * np.sqrt(np.diag(fitted.covariance)))
    assert fitted.aic == 8 - 2 * fitted.loglik
    assert fitted.expected_purchases_new([0, 26]).tolist() == [0, fitted.expected_purchases_new(26)]


def test_only_the_modified_model_doubts_one_time_buyers(simulated):
    one_time = simulated["frequency"] == 0
    assert (fit(BetaGeoNBD, simulated).p_alive()[one_time] == 1).all()
    doubted = fit(ModifiedBetaGeoNBD, simulated).p_alive()[one_time]
    assert (doubted < 1).all()
    assert doubted.groupby(simulated["age"]).mean().is_monotonic_decreasing


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "odd",
    [(1_000_000, 51.5, 52.0), (10_000, 99_999.0, 100_000.0), (0, 0.0, 0.0), (1, 1e-9, 100_000.0)],
)
def test_odd_customers_get_finite_numbers_without_a_warning(model, odd, simulated):
    frame = pd.concat([simulated, pd.DataFrame([odd], columns=simulated.columns)], ignore_index=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fitted = fit(model, frame)
        except ConvergenceError as error:
            pytest.fail(str(error))
        predicted = fitted.predict(26)
    assert np.isfinite(predicted).all().all()
    assert np.isfinite(fitted.std_errors).all()


@pytest.mark.parametrize("model", MODELS)
def test_too_few_customers_or_repeat_buyers_get_the_reason(model):
    with pytest.raises(DataFloorError, match="there are 1, 1 of them"):
        model().fit([3], [10.0], [52.0])
    with pytest.raises(DataFloorError, match=r"there are 500, 0 of them with a repeat purchase\. Use a longer"):
        model().fit(np.zeros(500), np.zeros(500), np.full(500, 52.0))


def test_data_without_differences_between_customers_do_not_converge():
    """Everybody buys at one pace and stays: r and b run off."""
    with pytest.raises(ConvergenceError, match=r"does not settle r.*longer calibration period"):
        BetaGeoNBD().fit(np.full(200, 10), np.full(200, 51.0), np.full(200, 52.0))


def test_impossible_histories_are_named_together():
    with pytest.raises(ParameterError) as caught:
        BetaGeoNBD().fit([1.5, 0, 2, 1], [1, 3, 0, 9], [5, 5, 5, 5])
    for part in ("whole number", "between 0 and age", "0 where frequency is 0", "above 0 where frequency is"):
        assert part in str(caught.value)


def test_a_table_is_not_three_columns(simulated):
    with pytest.raises(ParameterError, match=r"give table\['frequency'\], table\['recency'\] and table\['age'\]"):
        BetaGeoNBD().fit(simulated)


def test_bad_arguments_are_refused(simulated):
    with pytest.raises(ParameterError, match="equally long"):
        BetaGeoNBD().fit([1, 2], [1], [3])
    with pytest.raises(ParameterError, match="no customers"):
        BetaGeoNBD().fit([], [], [])
    with pytest.raises(ParameterError, match="one entry a row"):
        fit(BetaGeoNBD, simulated, weights=[1.0])
    with pytest.raises(ParameterError, match="weights must be 0 or more; 2,000"):
        fit(BetaGeoNBD, simulated, weights=np.full(len(simulated), -1.0))
    fitted = fit(BetaGeoNBD, simulated)
    with pytest.raises(ParameterError, match="horizon must be 0 or more"):
        fitted.expected_purchases(-1)
    with pytest.raises(ParameterError, match="given together"):
        fitted.p_alive([1])
    with pytest.raises(ParameterError, match="level"):
        fitted.summary_frame(level=95)
