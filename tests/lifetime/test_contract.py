"""Contracts: the published cohorts, planted truth, residual lifetimes by summation, and every unusable input."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln

from crm_utils.errors import ConvergenceError, CrmError, DataFloorError, ParameterError, attempt
from crm_utils.lifetime.contract import ShiftedBetaGeometric, _derivatives, _discounted_sum
from crm_utils.plotting import alt_text

REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
YEARLY = ShiftedBetaGeometric(period="year")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def regular():
    return YEARLY.fit_survivors(REGULAR)


def customers_of(survivors):
    """One row a customer: when she left, or how long she has been there."""
    left = -np.diff(survivors)
    seen = len(left)
    durations = np.concatenate([np.repeat(np.arange(1, seen + 1), left), np.full(survivors[-1], seen)])
    return durations, np.arange(len(durations)) < left.sum()


def result_or_error(durations, ended):
    try:
        return ShiftedBetaGeometric().fit(durations, ended)
    except CrmError as error:
        return error


class TestFaderHardie2007:
    @pytest.mark.parametrize(
        ("survivors", "alpha", "beta", "shares"),
        [
            (REGULAR, 0.704, 1.182, [22.0, 20.4, 19.1, 18.0, 17.0]),
            (HIGH_END, 0.668, 3.806, [46.0, 43.6, 41.4, 39.5, 37.8]),
        ],
    )
    def test_estimates_and_projection_to_year_12(self, survivors, alpha, beta, shares):
        results = YEARLY.fit_survivors(survivors)
        assert results.params.round(3).to_dict() == {"alpha": alpha, "beta": beta}
        assert (100 * results.survival(range(8, 13))).round(1).tolist() == shares

    def test_likelihood_is_the_paper_s(self, regular):
        alpha, beta = regular.params
        years = np.arange(1, 8)
        leaving = betaln(alpha + 1, beta + years - 1) - betaln(alpha, beta)
        staying = betaln(alpha, beta + 7) - betaln(alpha, beta)
        assert regular.loglik == pytest.approx(-np.diff(REGULAR) @ leaving + 241 * staying, abs=1e-8)
        assert regular.aic == pytest.approx(4 - 2 * regular.loglik)

    def test_retention_rate_is_the_ratio_of_survival(self, regular):
        years = np.arange(1, 30)
        assert regular.retention_rates(years) == pytest.approx(regular.survival(years) / regular.survival(years - 1))


class TestEstimation:
    def test_derivatives_are_those_of_the_likelihood(self):
        left, stayed = np.array([30.0, 12, 5]), np.array([70.0, 50, 45])
        point, step = np.array([0.9, 1.7]), 1e-6
        _, gradient, hessian = _derivatives(point, left, stayed)
        for axis in range(2):
            shift = step * np.eye(2)[axis]
            above, below = _derivatives(point + shift, left, stayed), _derivatives(point - shift, left, stayed)
            assert gradient[axis] == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-6)
            assert hessian[axis] == pytest.approx((above[1] - below[1]) / (2 * step), rel=1e-6)

    def test_customers_weights_and_survivors_agree_whatever_their_order(self, regular):
        durations, ended = customers_of(REGULAR)
        mixed = np.random.default_rng(3).permutation(len(durations))
        by_customer = YEARLY.fit(durations[mixed], ended[mixed])
        merged = pd.DataFrame({"d": durations, "e": ended}).value_counts().reset_index()
        by_weight = YEARLY.fit(merged["d"], merged["e"], weights=merged["count"])
        for other in (by_customer, by_weight):
            assert other.params.to_numpy() == pytest.approx(regular.params.to_numpy(), rel=1e-6)
            assert other.std_errors.to_numpy() == pytest.approx(regular.std_errors.to_numpy(), rel=1e-6)
            assert other.loglik == pytest.approx(regular.loglik)
            assert other.customers == 1000

    def test_four_times_the_customers_halve_the_standard_errors(self, regular):
        larger = YEARLY.fit_survivors(4 * np.array(REGULAR))
        assert larger.std_errors.to_numpy() == pytest.approx(regular.std_errors.to_numpy() / 2, rel=1e-6)

    def test_recovers_planted_truth_from_staggered_entry_and_its_intervals_cover_it(self):
        truth, covered, rounds = np.array([1.2, 6.0]), np.zeros(2), 100
        for child in np.random.SeedSequence(5).spawn(rounds):
            rng = np.random.default_rng(child)
            lifetime = rng.geometric(rng.beta(*truth, 3000))
            seen = rng.integers(0, 37, 3000)
            results = ShiftedBetaGeometric().fit(np.minimum(lifetime, seen), lifetime <= seen)
            table = results.summary_frame(level=0.9)
            covered += (table["low"].to_numpy() < truth) & (truth < table["high"].to_numpy())
        assert (covered / rounds >= 0.82).all()
        assert (covered / rounds <= 0.97).all()

    def test_starting_values_do_not_matter(self, regular):
        starts = np.exp(np.random.default_rng(1).uniform(-4, 4, (50, 2)))
        for start in starts:
            found = YEARLY.fit_survivors(REGULAR, start=tuple(start))
            assert found.params.to_numpy() == pytest.approx(regular.params.to_numpy(), rel=1e-6)

    def test_inputs_are_not_modified(self):
        durations, ended = (pd.Series(values) for values in customers_of(REGULAR))
        kept = durations.copy(), ended.copy()
        YEARLY.fit(durations, ended)
        pd.testing.assert_series_equal(durations, kept[0])
        pd.testing.assert_series_equal(ended, kept[1])


class TestResidualLifetime:
    @pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
    @pytest.mark.parametrize("tenure", [0, 1, 4, 60])
    def test_is_the_discounted_sum_of_survival(self, tenure, rate):
        results = ShiftedBetaGeometric(period="month").fit_survivors(HIGH_END)
        ahead = np.arange(40_000)
        paid = results.survival(ahead + tenure) / results.survival(max(tenure - 1, 0))
        expected = (paid * (1 + rate) ** (-ahead / 12)).sum()
        found = results.discounted_residual_lifetime(tenure, annual_discount_rate=rate)
        assert float(found) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(("alpha", "beta", "discount"), [(50, 503, 0.9999), (0.668, 1e5, 0.999), (1e3, 1e4, 0.9)])
    def test_stays_exact_where_library_routines_fail(self, alpha, beta, discount):
        ahead = np.arange(400_000)
        terms = np.cumsum(np.log((beta + ahead) / (alpha + beta + ahead)) + np.log(discount))
        expected = 1 + np.exp(terms).sum()
        assert _discounted_sum(alpha, np.array([float(beta)]), discount)[0] == pytest.approx(expected, rel=1e-9)

    def test_longer_members_are_worth_more(self, regular):
        values = regular.discounted_residual_lifetime(np.arange(1, 20), annual_discount_rate=0.1)
        assert (np.diff(values) > 0).all()

    @pytest.mark.parametrize("rate", [0, 1e-9, -0.1, np.nan])
    def test_rate_has_a_floor(self, regular, rate):
        with pytest.raises(ParameterError, match=r"annual_discount_rate must be at least 0\.0001"):
            regular.discounted_residual_lifetime(1, annual_discount_rate=rate)


class TestTables:
    def test_projection_interval_is_that_of_parameters_drawn_from_their_covariance(self, regular):
        rng = np.random.default_rng(2)
        drawn = rng.multivariate_normal(regular.params, regular.covariance, 20_000)
        shares = np.exp(betaln(drawn[:, 0], drawn[:, 1] + 12) - betaln(drawn[:, 0], drawn[:, 1]))
        last = regular.project(12, level=0.9).iloc[-1]
        assert [last["low"], last["high"]] == pytest.approx(np.quantile(shares, [0.05, 0.95]), abs=0.002)

    def test_observed_is_kaplan_and_meier_s(self, regular):
        table = regular.survival_table()
        assert table["observed_share"].dropna().tolist() == pytest.approx(np.array(REGULAR) / 1000)
        assert table["period"].tolist() == list(range(12))

    def test_figure_draws_the_table(self, regular):
        import matplotlib.pyplot as plt

        ax = plt.figure().add_subplot()
        assert regular.plot_survival(periods=12, ax=ax) is ax
        table = regular.survival_table(periods=12)
        assert ax.lines[0].get_ydata() == pytest.approx(table["survival_share"])
        assert ax.lines[1].get_ydata() == pytest.approx(table["observed_share"].dropna())
        assert "24.1% are still there after 7 periods" in alt_text(ax.figure)
        assert "17.0% after 12" in alt_text(ax.figure)
        assert ax.get_xlabel() == "Completed periods (year)"

    def test_a_projection_shorter_than_the_data_is_described_in_full(self, regular):
        text = alt_text(regular.plot_survival(periods=3).figure)
        assert "38.2% are still there after 3 periods" in text
        assert "nan" not in text


class TestInputs:
    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            ShiftedBetaGeometric().fit([0, 1.5, 2e5], [True, False, False], weights=[1, 1, -1])
        message = str(caught.value)
        assert "3 problems" in message
        assert "2 are not (at positions 0, 1)" in message
        assert "count in longer periods" in message
        assert "weights must not be negative, and 1 are" in message

    @pytest.mark.parametrize(
        ("durations", "ended", "message"),
        [
            ([1, 2], [True], "equally long"),
            ([1, np.nan], [True, False], "missing or infinite"),
            ([1, 2], ["yes", "no"], "ended must be True or False"),
        ],
    )
    def test_unusable_customers_give_one_clear_error(self, durations, ended, message):
        with pytest.raises(ParameterError, match=message):
            ShiftedBetaGeometric().fit(durations, ended)

    @pytest.mark.parametrize(
        ("survivors", "message"),
        [([10, 12], "never rise"), ([10], "one entry")],
    )
    def test_unusable_survivors_give_one_clear_error(self, survivors, message):
        with pytest.raises(ParameterError, match=message):
            YEARLY.fit_survivors(survivors)

    @pytest.mark.parametrize(
        ("survivors", "counted", "rate"),
        [
            ([39, 20, 12], "there are 39 and 27", "0.5424 a year"),
            ([1000, 995, 991], "there are 1,000 and 9", "0.9955 a year"),
        ],
    )
    def test_too_few_customers_get_the_reason_and_the_simpler_method(self, survivors, counted, rate):
        with pytest.raises(DataFloorError, match="at least 40 customers and 10 who left") as caught:
            YEARLY.fit_survivors(survivors)
        assert counted in str(caught.value)
        assert f"constant retention rate instead ({rate} in these data" in str(caught.value)
        with pytest.raises(DataFloorError, match=counted):
            YEARLY.fit(*customers_of(survivors))

    @pytest.mark.parametrize(
        ("durations", "ended", "reason", "simpler"),
        [
            ([1] * 60, [True] * 60, "everyone left in the first year", "a customer is worth one year's margin"),
            ([1] * 60, [True] * 20 + [False] * 40, "only one year was observed", r"constant retention rate .*0\.6667"),
            ([0] * 60, [False] * 60, "nobody was under contract for a whole year", "rate of similar contracts"),
            ([], [], "nobody was under contract for a whole year", "rate of similar contracts"),
            ([2] * 60, [False] * 60, "there are 60 and 0", "take that of similar contracts"),
        ],
    )
    def test_data_that_say_too_little_reach_notebooks_as_a_reason(self, durations, ended, reason, simpler):
        fitted, why = attempt(YEARLY.fit, durations, ended)
        assert fitted is None
        assert re.search(f"{reason}.*{simpler}", why, re.IGNORECASE)

    @pytest.mark.parametrize("survivors", [[100, 100, 100], [1, 1]])
    def test_a_rate_of_one_is_never_advised(self, survivors):
        with pytest.raises(DataFloorError, match="hold no retention rate") as caught:
            YEARLY.fit_survivors(survivors)
        assert "1 a year" not in str(caught.value)

    def test_columns_of_other_rows_are_refused(self):
        durations, ended = pd.Series([1, 2, 2], list("abc")), pd.Series([True, True, False], list("abc"))
        with pytest.raises(ParameterError, match="ended has its rows in another order than durations"):
            ShiftedBetaGeometric().fit(durations, ended[::-1])
        with pytest.raises(ParameterError, match="weights has another index than durations"):
            ShiftedBetaGeometric().fit(durations, ended, weights=pd.Series([40, 10, 50]))

    def test_weights_count_for_the_floor(self):
        durations, ended = [1, 2, 2], [True, True, False]
        assert ShiftedBetaGeometric().fit(durations, ended, weights=[15, 5, 20]).customers == 40
        with pytest.raises(DataFloorError, match="there are 39 and 20"):
            ShiftedBetaGeometric().fit(durations, ended, weights=[15, 5, 19])

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("longest", [1, 2, 100, 100_000])
    @pytest.mark.parametrize("share_ended", [0.0, 0.5, 1.0])
    def test_any_durations_give_a_value_or_one_clear_error(self, longest, share_ended):
        rng = np.random.default_rng(longest)
        for customers in (1, 50) if longest > 100 else (1, 50, 400):
            durations = rng.integers(1, longest + 1, customers)
            durations[0] = longest
            ended = rng.random(customers) < share_ended
            found = result_or_error(durations, ended)
            if isinstance(found, CrmError):
                assert "ShiftedBetaGeometric.fit: " in str(found)
                continue
            assert np.isfinite(found.params).all()
            assert np.isfinite(found.std_errors).all()
            assert np.isfinite(found.discounted_residual_lifetime(durations, annual_discount_rate=0.1)).all()

    @pytest.mark.filterwarnings("error")
    def test_long_contracts_are_estimated(self):
        rng = np.random.default_rng(4)
        lifetime = np.minimum(rng.geometric(rng.beta(0.8, 4000.0, 500)), 100_000)
        results = ShiftedBetaGeometric().fit(lifetime, lifetime < 100_000)
        table = results.summary_frame(level=0.999)
        assert (table["low"] < [0.8, 4000]).all()
        assert (table["high"] > [0.8, 4000]).all()

    def test_falling_retention_offers_the_constant_rate(self):
        with pytest.raises(ConvergenceError, match=r"constant rate of 0\.7083 per year"):
            YEARLY.fit_survivors([100, 80, 60, 30])

    def test_losses_in_the_first_period_only(self):
        with pytest.raises(ConvergenceError, match="in the first year"):
            YEARLY.fit_survivors([100, 50, 50, 50])

    def test_period_start_and_options(self, regular):
        with pytest.raises(ParameterError, match="period must be one of"):
            ShiftedBetaGeometric(period="day")
        with pytest.raises(ParameterError, match="start must be two numbers above zero"):
            YEARLY.fit_survivors(REGULAR, start=(0, 1))
        with pytest.raises(ParameterError, match="2 problems"):
            regular.project(0, level=1)
        with pytest.raises(ParameterError, match="at least 1; 1 are not"):
            regular.retention_rates([0, 1])


def test_intervals_of_residual_lifetime_hold_it_and_agree_with_the_delta_method():
    results = ShiftedBetaGeometric(period="year").fit_survivors([1000, 869, 743, 653, 593, 551, 517, 491])
    table = results.residual_lifetime_table([0, 1, 5, 20], annual_discount_rate=0.1, level=0.68, n_boot=2000)
    expected = results.discounted_residual_lifetime([0, 1, 5, 20], annual_discount_rate=0.1)
    np.testing.assert_allclose(table["payments"], expected)
    slopes = []
    for name in results.params.index:
        moved = []
        for factor in (1 - 1e-4, 1 + 1e-4):
            params = results.params.copy()
            params[name] *= factor
            moved.append(
                replace(results, params=params).discounted_residual_lifetime([0, 1, 5, 20], annual_discount_rate=0.1)
            )
        slopes.append((moved[1] - moved[0]) / (2e-4 * results.params[name]))
    spread = np.sqrt(np.einsum("ik,ij,jk->k", slopes, results.covariance.to_numpy(), slopes))
    np.testing.assert_allclose((table["high"] - table["low"]) / 2, spread, rtol=0.15)
    assert ((table["low"] < table["payments"]) & (table["payments"] < table["high"])).all()
    with pytest.raises(ParameterError, match="n_boot"):
        results.residual_lifetime_table([1], annual_discount_rate=0.1, n_boot=1)
    with pytest.raises(ParameterError, match="seed must be a whole number"):
        results.residual_lifetime_table([1], annual_discount_rate=0.1, seed=-1)
    with pytest.raises(ParameterError, match="annual_discount_rate must be at least"):
        results.discounted_residual_lifetime([1], annual_discount_rate="0.1")
