"""Spend: the published CDNOW estimates, planted truth, units of money, and every unusable input."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import gamma as gamma_distribution

from crm_utils.company.public import fetch_cdnow_sample
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.lifetime.spend import GammaGamma, _derivatives, _merged

TRUTH = np.array([6.0, 4.0, 15.0])


def simulate(customers, seed):
    rng = np.random.default_rng(seed)
    purchases = rng.geometric(0.3, customers)
    rate = rng.gamma(TRUTH[1], 1 / TRUTH[2], customers)
    return rng.gamma(TRUTH[0] * purchases, 1 / (rate * purchases)), purchases


@pytest.fixture(scope="module")
def fitted():
    return GammaGamma().fit(*simulate(3000, 1))


def cdnow_repeat_spend():
    """Repeat days of the first 39 weeks and the mean spend of such a day."""
    lines = fetch_cdnow_sample()
    days = lines[lines["ordered_at"] <= "1997-09-30"].groupby(["customer_id", "ordered_at"])["amount"].sum()
    days = days.reset_index()
    first = days.groupby("customer_id")["ordered_at"].transform("min")
    repeat = days[days["ordered_at"] > first].groupby("customer_id")["amount"]
    return repeat.agg(["mean", "size"])


class TestFaderHardie2013:
    def test_cdnow(self, public_data):
        public_data("cdnow_sample")
        customers = cdnow_repeat_spend()
        assert len(customers) == 946
        assert (customers["mean"] > 0).all()
        results = GammaGamma().fit(customers["mean"], customers["size"])
        assert results.params.round(2).to_dict() == {"p": 6.25, "q": 3.74, "gamma": 15.44}
        assert round(results.loglik, 2) == -4055.92
        assert round(results.population_mean_spend, 2) == 35.17

    def test_likelihood_is_the_mixture_over_customers(self):
        p, q, gamma = 2.5, 3.5, 12.0
        for spend, count in ((20.0, 1), (7.5, 4)):

            def density(rate, spend=spend, count=count):
                own = gamma_distribution.pdf(spend, p * count, scale=1 / (rate * count))
                return own * gamma_distribution.pdf(rate, q, scale=1 / gamma)

            mixed = quad(density, 0, np.inf)[0]
            one = np.array([spend]), np.array([count]), np.ones(1)
            value = _derivatives(np.array([p, q, gamma]), *one, _merged(*one[1:]))[0]
            assert value == pytest.approx(np.log(mixed), rel=1e-7)


class TestEstimation:
    def test_derivatives_are_those_of_the_likelihood(self):
        spend, count = simulate(50, 2)
        mass, point = np.linspace(0.5, 2, 50), np.array([2.0, 3.0, 9.0])
        data = spend, count, mass, _merged(count, mass)
        _, gradient, hessian = _derivatives(point, *data)
        for axis in range(3):
            shift = 1e-6 * np.eye(3)[axis]
            above, below = (_derivatives(point + sign * shift, *data) for sign in (1, -1))
            assert gradient[axis] == pytest.approx((above[0] - below[0]) / 2e-6, rel=1e-5)
            assert hessian[axis] == pytest.approx((above[1] - below[1]) / 2e-6, rel=1e-5)

    def test_intervals_cover_the_planted_truth(self):
        covered = np.zeros(3)
        for seed in range(100):
            table = GammaGamma().fit(*simulate(600, 1000 + seed)).summary_frame(level=0.9)
            covered += (table["low"].to_numpy() < TRUTH) & (table["high"].to_numpy() > TRUTH)
        assert (covered >= 82).all()
        assert (covered <= 97).all()

    def test_starting_values_do_not_matter(self, fitted):
        spend, purchases = simulate(3000, 1)
        for start in np.exp(np.random.default_rng(4).uniform(-2, 4, (50, 3))):
            found = GammaGamma().fit(spend, purchases, start=tuple(start))
            assert found.params.to_numpy() == pytest.approx(fitted.params.to_numpy(), rel=1e-4)
            assert found.loglik == pytest.approx(fitted.loglik, abs=1e-6)

    @pytest.mark.parametrize("rate", [0.01, 7.0, 1e6])
    def test_another_currency_is_the_same_model(self, fitted, rate):
        spend, purchases = simulate(3000, 1)
        other = GammaGamma().fit(spend * rate, purchases)
        factor = np.array([1, 1, rate])
        assert other.params.to_numpy() == pytest.approx(fitted.params.to_numpy() * factor, rel=1e-5)
        assert other.std_errors.to_numpy() == pytest.approx(fitted.std_errors.to_numpy() * factor, rel=1e-4)
        assert other.loglik == pytest.approx(fitted.loglik - 3000 * np.log(rate))
        assert other.expected_spend([20 * rate], [2])[0] == pytest.approx(rate * fitted.expected_spend([20], [2])[0])

    def test_weights_are_repeated_rows_and_order_does_not_matter(self):
        spend, purchases = simulate(400, 3)
        times = np.random.default_rng(5).integers(0, 4, 400)
        mixed = np.random.default_rng(6).permutation(times.sum())
        repeated = GammaGamma().fit(np.repeat(spend, times)[mixed], np.repeat(purchases, times)[mixed])
        weighted = GammaGamma().fit(spend, purchases, weights=times)
        assert weighted.params.to_numpy() == pytest.approx(repeated.params.to_numpy(), rel=1e-5)
        assert weighted.std_errors.to_numpy() == pytest.approx(repeated.std_errors.to_numpy(), rel=1e-5)
        assert weighted.customers == repeated.customers == times.sum()

    def test_a_million_purchases_of_one_customer(self):
        spend, purchases = simulate(500, 8)
        results = GammaGamma().fit(np.append(spend, 30.0), np.append(purchases, 1_000_000))
        assert np.isfinite(results.params).all()
        assert results.expected_spend([30.0], [1_000_000])[0] == pytest.approx(30, rel=1e-4)

    def test_correlation_with_frequency_is_reported(self):
        spend, purchases = simulate(500, 9)
        assert abs(GammaGamma().fit(spend, purchases).frequency_correlation) < 0.15
        assert GammaGamma().fit(spend * purchases, purchases).frequency_correlation > 0.5
        assert np.isnan(GammaGamma().fit(spend, np.full(500, 2)).frequency_correlation)


class TestExpectedSpend:
    def test_is_a_weighted_mean_of_own_and_population(self, fitted):
        summary = pd.DataFrame(
            {"customer_id": ["a", "b", "c"], "frequency": [0, 1, 40], "mean_repeat_spend": [np.nan, 80.0, 80.0]}
        )
        kept = summary.copy()
        table = fitted.predict(summary)
        mean, share = fitted.population_mean_spend, table["own_share"].to_numpy()
        expected = share * np.array([0, 80, 80]) + (1 - share) * mean
        assert table["expected_spend"].to_numpy() == pytest.approx(expected)
        assert share[0] == 0
        assert share[2] > 0.98
        pd.testing.assert_frame_equal(summary, kept)

    def test_is_the_mean_of_customers_with_that_history(self, fitted):
        p, q, gamma = fitted.params
        # Given x·z̄, a customer's rate is gamma with shape px + q and rate γ + x·z̄.
        rate = np.random.default_rng(1).gamma(3 * p + q, 1 / (gamma + 3 * 50), 400_000)
        assert fitted.expected_spend([50], [3])[0] == pytest.approx((p / rate).mean(), rel=2e-3)


class TestInputs:
    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            GammaGamma().fit([10, 0, -5], [1, 2, 0], weights=[1, 1, -1], start=(1, 2))
        message = str(caught.value)
        assert "4 problems" in message
        assert "2 of 3 are not (at positions 1, 2); leave out customers whose returns" in message
        assert "purchases must be at least 1, and 1 of 3 are not" in message
        assert "start must be three numbers" in message

    @pytest.mark.parametrize(
        ("spend", "purchases", "message"),
        [
            ([10] * 50, [3] * 50, "at least three customers of different mean spend, and there are 1"),
            ([10, np.nan, 3], [1, 1, 1], "missing or infinite"),
            ([10, 20], [1, 2, 3], "equally long"),
        ],
    )
    def test_unusable_input_gives_one_clear_error(self, spend, purchases, message):
        with pytest.raises(ParameterError, match=message):
            GammaGamma().fit(spend, purchases)

    @pytest.mark.parametrize(
        ("spend", "message"),
        [
            ([], "there are 0. Use the mean spend of all for everyone"),
            ([10.0], r"there are 1. Use the mean spend of all \(10 in these data\)"),
            (np.linspace(5, 15, 39), r"there are 39. Use the mean spend of all \(10 in"),
        ],
    )
    def test_too_few_customers_get_the_reason_and_the_simpler_method(self, spend, message):
        with pytest.raises(DataFloorError, match=f"at least 40 customers .*{message}"):
            GammaGamma().fit(spend, np.ones(len(spend)))

    def test_columns_of_other_rows_are_refused(self, fitted):
        spend, purchases = (pd.Series(values, pd.RangeIndex(100, 200)) for values in simulate(100, 12))
        shuffled = spend.sample(frac=1, random_state=1)
        with pytest.raises(ParameterError, match=r"purchases has its rows in another order than mean_spend"):
            GammaGamma().fit(shuffled, purchases)
        with pytest.raises(ParameterError, match="weights has another index than mean_spend"):
            GammaGamma().fit(spend, purchases, weights=pd.Series(1.0, range(100)))
        with pytest.raises(ParameterError, match="another order"):
            fitted.expected_spend(shuffled, purchases)
        again = GammaGamma().fit(shuffled, purchases.loc[shuffled.index]).params
        np.testing.assert_allclose(again, GammaGamma().fit(spend, purchases.to_numpy()).params, rtol=1e-5)

    def test_weights_count_for_the_floor(self):
        spend, purchases = simulate(30, 11)
        assert GammaGamma().fit(spend, purchases, weights=np.full(30, 2)).customers == 60
        with pytest.raises(DataFloorError, match="there are 30"):
            GammaGamma().fit(spend, purchases)

    def test_customers_who_do_not_differ(self):
        alike = 40 + np.random.default_rng(3).normal(0, 0.5, 300)
        with pytest.raises(ConvergenceError, match=r"use the mean of all, (39\.9|40)"):
            GammaGamma().fit(alike, np.ones(300))

    def test_prediction_checks(self, fitted):
        with pytest.raises(ParameterError, match="mean_spend must be above zero, and 1 of 2"):
            fitted.expected_spend([0, 5], [2, 1])
        with pytest.raises(ParameterError, match="purchases must be at least 0"):
            fitted.expected_spend([5], [-1])
        with pytest.raises(ParameterError, match="lacks the column frequency"):
            fitted.predict(pd.DataFrame({"customer_id": [1], "mean_repeat_spend": [3.0]}))
