"""Expected against actual: sums over customers one by one, simulated cohorts, CDNOW, drawn values."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, gamma, norm, poisson

from crm_utils.errors import ParameterError
from crm_utils.lifetime import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, calibration_summary
from crm_utils.lifetime.activity import purchases_by_period
from crm_utils.lifetime.goodness import (
    frequency_table,
    holdout_table,
    plot_frequency,
    plot_holdout,
    plot_tracking,
    tracking_table,
)
from crm_utils.lifetime.simulation import simulate_histories
from crm_utils.plotting import alt_text

PLANTED = {
    "bg": (BetaGeoNBD(), (0.8, 6.0, 1.2, 3.0)),
    "mbg": (ModifiedBetaGeoNBD(), (0.8, 6.0, 1.2, 3.0)),
    "pareto": (ParetoNBD(), (0.8, 6.0, 0.7, 12.0)),
}


def planted(law, age, weights=None):
    """Results with these very parameters, for customers of these ages."""
    model, params = PLANTED[law]
    fitted = model.fit(
        [0, 0, 1, 1, 2, 3, 6, 10],
        [0, 0, 3, 30, 9, 40, 20, 50],
        [52, 40, 50, 45, 52, 50, 52, 52],
        weights=[30, 20, 12, 10, 10, 8, 6, 4],
    )
    histories = pd.DataFrame({"frequency": 0.0, "recency": 0.0, "age": np.asarray(age, dtype=float)})
    weights = np.ones(len(histories)) if weights is None else np.asarray(weights, dtype=float)
    return replace(
        fitted,
        params=pd.Series(params, index=fitted.params.index),
        histories=histories,
        weights=weights,
        customers=weights.sum(),
        rate_covariates=pd.DataFrame(index=histories.index),
        dropout_covariates=pd.DataFrame(index=histories.index),
    )


def calendar(ends, new_customers, purchases=0, calibration_end="2024-12-31"):
    ends = pd.to_datetime(ends)
    return pd.DataFrame(
        {
            "period_end": ends,
            "purchases": purchases,
            "new_customers": new_customers,
            "in_holdout": ends > pd.Timestamp(calibration_end),
        }
    )


@pytest.fixture
def bought():
    """Four thousand customers of different ages, with the next half-year."""
    ages = np.random.default_rng(2).integers(70, 700, 4_000) / 7
    return simulate_histories(BetaGeoNBD(), PLANTED["bg"][1], ages, seed=8, horizon=26)


@pytest.fixture
def fitted(bought):
    return BetaGeoNBD().fit(bought["frequency"], bought["recency"], bought["age"])


@pytest.fixture
def activity(bought):
    """Their periods; as many repeat purchases each as there are new customers, which no test below takes for real."""
    ends = pd.date_range("2022-12-31", "2025-07-01", freq="7D")
    ends = ends + (pd.Timestamp("2024-12-31") - ends[ends <= "2024-12-31"][-1])
    starts = pd.Timestamp("2024-12-31") - pd.to_timedelta(np.rint(bought["age"] * 7), unit="D")
    new = np.bincount(np.searchsorted(ends, starts), minlength=len(ends))
    first = new.nonzero()[0][0]
    return calendar(ends[first:], new[first:], new[first:])


@pytest.fixture
def cdnow(public_data):
    from crm_utils.company.public import fetch_cdnow_sample

    public_data("cdnow_sample")
    ends = {"calibration_end": "1997-09-30", "holdout_end": "1998-06-30"}
    lines = fetch_cdnow_sample()
    return calibration_summary(lines, **ends).set_index("customer_id"), purchases_by_period(lines, **ends)


class TestFrequency:
    def test_cdnow(self, cdnow):
        """Counted in the sample at week 39; BG/NBD is closer than Pareto/NBD (Fader, Hardie & Lee 2005, section 5)."""
        histories, _ = cdnow
        distance = {}
        for model in (BetaGeoNBD(), ParetoNBD()):
            fitted = model.fit(histories["frequency"], histories["recency_weeks"], histories["age_weeks"])
            table = frequency_table(fitted)
            assert table["actual"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
            assert table["expected"].sum() == pytest.approx(2357)
            distance[type(model).__name__] = table.attrs["chi_square"]
        assert distance == pytest.approx({"BetaGeoNBD": 4.82, "ParetoNBD": 11.99}, abs=0.02)

    @pytest.mark.parametrize("law", PLANTED)
    def test_with_equal_ages_the_range_is_binomial(self, law):
        results = planted(law, [30.0] * 200)
        table = frequency_table(results, largest=4, level=0.9)
        chances = results.model._count_distribution(PLANTED[law][1], np.array([30.0]), 3)[0]
        np.testing.assert_allclose(table["expected"], 200 * chances)
        np.testing.assert_array_equal(table["low"], binom.ppf(0.05, 200, chances))
        np.testing.assert_array_equal(table["high"], binom.ppf(0.95, 200, chances))

    def test_with_unequal_ages_the_range_covers_what_it_says(self):
        ages = np.tile([1.0, 5.0, 30.0, 200.0], 50)
        table = frequency_table(planted("bg", ages), largest=3)
        counts = np.array(
            [
                np.bincount(np.minimum(drawn["frequency"], 3), minlength=4)
                for seed in range(400)
                for drawn in [simulate_histories(BetaGeoNBD(), PLANTED["bg"][1], ages, seed=seed)]
            ]
        )
        np.testing.assert_allclose(counts.mean(axis=0), table["expected"], rtol=0.03)
        covered = ((counts >= table["low"].to_numpy()) & (counts <= table["high"].to_numpy())).mean(axis=0)
        assert (covered > 0.93).all()
        assert (covered < 0.99).all()

    def test_weights_count_customers_and_rows_may_come_in_any_order(self, bought):
        some = bought.head(400)
        one_by_one = BetaGeoNBD().fit(some["frequency"], some["recency"], some["age"])
        turned = some.iloc[::-1]
        weighted = replace(
            one_by_one, histories=turned[["frequency", "recency", "age"]], weights=np.full(400, 3.0), customers=1_200.0
        )
        table, thrice = frequency_table(one_by_one), frequency_table(weighted)
        np.testing.assert_allclose(thrice["actual"], 3 * table["actual"])
        np.testing.assert_allclose(thrice["expected"], 3 * table["expected"])

    def test_covariates_give_each_group_its_own_expectation(self, bought):
        flag = (np.arange(len(bought)) % 2).astype(float)
        fitted = BetaGeoNBD().fit(
            bought["frequency"], bought["recency"], bought["age"], rate_covariates=pd.DataFrame({"flag": flag})
        )
        expected = np.zeros(8)
        for value in (0.0, 1.0):
            r, alpha, a, b = fitted.params.iloc[:4]
            ages = bought["age"].to_numpy()[flag == value]
            params = (r, alpha * np.exp(-fitted.params.iloc[4] * value), a, b)
            expected += fitted.model._count_distribution(params, ages, 6).sum(axis=0)
        np.testing.assert_allclose(frequency_table(fitted)["expected"], expected)

    def test_bad_options_are_named_together(self, fitted):
        with pytest.raises(ParameterError) as caught:
            frequency_table(fitted, largest=0, level=2)
        assert "largest must be" in str(caught.value)
        assert "level must" in str(caught.value)


class TestTracking:
    def test_cdnow(self, cdnow):
        """Fader, Hardie & Lee (2005), section 5: at week 78, BG/NBD is some 4 % and Pareto/NBD some 2 % too low."""
        histories, activity = cdnow
        short = {}
        for model in (BetaGeoNBD(), ParetoNBD()):
            fitted = model.fit(histories["frequency"], histories["recency_weeks"], histories["age_weeks"])
            table = tracking_table(fitted, activity)
            assert table["actual"].iloc[[38, 77]].tolist() == [2457, 4339]
            short[type(model).__name__] = table["expected"].iloc[-1] / 4339 - 1
            assert table["actual"].iloc[-1] < table["high"].iloc[-1]
        assert short == pytest.approx({"BetaGeoNBD": -0.041, "ParetoNBD": -0.016}, abs=0.001)

    def test_expected_is_the_sum_over_customers(self, fitted, bought, activity):
        table = tracking_table(fitted, activity)
        for row in (0, 20, 60, len(table) - 1):
            offset = (table["period_end"].iloc[row] - pd.Timestamp("2024-12-31")).days / 7
            since = np.maximum(bought["age"].to_numpy() + offset, 0)
            assert table["expected"].iloc[row] == pytest.approx(fitted.expected_purchases_new(since).sum(), rel=1e-5)

    def test_periods_add_up(self, fitted, activity):
        steps, sums = (tracking_table(fitted, activity, cumulative=choice) for choice in (False, True))
        np.testing.assert_allclose(steps["expected"].cumsum(), sums["expected"])
        np.testing.assert_allclose(steps["actual"].cumsum(), sums["actual"])

    def test_the_unit_does_not_matter(self, bought, fitted, activity):
        by_day = BetaGeoNBD("day").fit(bought["frequency"], bought["recency"] * 7, bought["age"] * 7)
        pd.testing.assert_frame_equal(tracking_table(by_day, activity), tracking_table(fitted, activity), rtol=1e-4)

    @pytest.mark.parametrize("law", PLANTED)
    def test_range_so_far_has_the_variance_of_the_distribution(self, law):
        results = planted(law, [20.0, 8.0], weights=[9_000, 4_000])
        activity = calendar(["2024-08-13", "2024-12-31"], [9_000, 4_000])
        table = tracking_table(results, activity, level=0.9)
        counts = results.model._count_distribution(PLANTED[law][1], np.array([20.0, 8.0]), 300)
        x = np.arange(302)
        mean = counts @ x
        variance = np.array([9_000, 4_000]) @ (counts @ x**2 - mean**2)
        assert table["expected"].iloc[1] == pytest.approx([9_000, 4_000] @ mean, rel=1e-6)
        reach = norm.ppf(0.95) * np.sqrt(variance)
        assert table["high"].iloc[1] - table["expected"].iloc[1] == pytest.approx(reach, rel=1e-4)

    @pytest.mark.parametrize("law", PLANTED)
    def test_range_of_a_period_has_the_variance_of_simulated_customers(self, law):
        """Purchases of 300,000 customers between weeks 5 and 25; the range is that of 10,000 such customers."""
        model, params = PLANTED[law]
        drawn = simulate_histories(model, params, np.full(300_000, 5.0), seed=4, horizon=20)["purchases_ahead"]
        results = planted(law, [5.0], weights=[10_000])
        activity = calendar(["2024-11-26", "2024-12-31", "2025-05-20"], [10_000, 0, 0])
        last = tracking_table(results, activity, cumulative=False).iloc[-1]
        assert last["expected"] == pytest.approx(10_000 * drawn.mean(), rel=0.02)
        variance = ((last["high"] - last["expected"]) / norm.ppf(0.975)) ** 2
        assert variance == pytest.approx(10_000 * drawn.var(), rel=0.04)

    def test_covariates(self, bought, activity):
        flag = (np.arange(len(bought)) % 2).astype(float)
        fitted = BetaGeoNBD().fit(
            bought["frequency"], bought["recency"], bought["age"], rate_covariates=pd.DataFrame({"flag": flag})
        )
        expected = sum(
            fitted.expected_purchases_new(bought["age"][flag == value], rate_covariates={"flag": value}).sum()
            for value in (0.0, 1.0)
        )
        table = tracking_table(fitted, activity)
        assert table["expected"][~table["in_holdout"]].iloc[-1] == pytest.approx(expected, rel=1e-5)

    def test_many_kinds_of_customer_share_curves(self, bought, activity):
        size = np.random.default_rng(1).normal(size=len(bought))
        fitted = BetaGeoNBD().fit(
            bought["frequency"], bought["recency"], bought["age"], rate_covariates=pd.DataFrame({"size": size})
        )
        r, alpha, a, b = fitted._parameters(fitted.params.to_numpy())
        expected = sum(
            fitted.model._expected_new((r, of_customer, a, b), np.array([age]))[0]
            for of_customer, age in zip(alpha, bought["age"], strict=True)
        )
        table = tracking_table(fitted, activity)
        assert table["expected"][~table["in_holdout"]].iloc[-1] == pytest.approx(expected, rel=1e-3)

    def test_other_customers_are_an_error(self, fitted, bought, activity):
        one_more = activity.assign(new_customers=activity["new_customers"] + (activity.index == 0))
        with pytest.raises(ParameterError, match="activity has 4,001 customers"):
            tracking_table(fitted, one_more)
        in_months = BetaGeoNBD("month").fit(bought["frequency"], bought["recency"], bought["age"])
        with pytest.raises(ParameterError, match="the unit of the model"):
            tracking_table(in_months, activity)
        with pytest.raises(ParameterError, match="lacks the column"):
            tracking_table(fitted, activity.drop(columns="new_customers"))
        with pytest.raises(ParameterError, match="in the order of time"):
            tracking_table(fitted, activity.iloc[::-1])

    def test_inputs_are_not_modified(self, fitted, activity):
        before = activity.copy(), fitted.histories.copy()
        tracking_table(fitted, activity)
        frequency_table(fitted)
        pd.testing.assert_frame_equal(activity, before[0])
        pd.testing.assert_frame_equal(fitted.histories, before[1])


class TestHoldout:
    def test_cdnow(self, cdnow):
        """Fader, Hardie & Lee (2005), section 5: conditional expectations rise with frequency as the actual ones do."""
        histories, _ = cdnow
        fitted = BetaGeoNBD().fit(histories["frequency"], histories["recency_weeks"], histories["age_weeks"])
        table = holdout_table(fitted, histories["holdout_purchases"], horizon=39)
        assert table["customers"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
        assert table["actual"] @ table["customers"] == pytest.approx(1882)
        expected = fitted.expected_purchases(39)
        assert table["expected"] @ table["customers"] == pytest.approx(expected.sum())
        assert table["expected"].is_monotonic_increasing
        assert table["actual"].is_monotonic_increasing
        assert np.corrcoef(table["expected"], table["actual"])[0, 1] > 0.99

    @pytest.mark.parametrize("by", ["frequency", "recency", "expected"])
    def test_groups_cover_all_customers(self, fitted, bought, by):
        table = holdout_table(fitted, bought["purchases_ahead"], horizon=26, by=by)
        assert table["customers"].sum() == len(bought)
        assert table["actual"] @ table["customers"] == pytest.approx(bought["purchases_ahead"].sum())
        assert ((table["low"] <= table["actual"]) & (table["actual"] <= table["high"])).all()
        inside = table["expected"].between(table["low"], table["high"])
        assert inside.mean() > 0.7

    def test_groups_by_hand(self, fitted, bought):
        by_recency = holdout_table(fitted, bought["purchases_ahead"], horizon=26, by="recency")
        assert by_recency["group"].iloc[0] == "none"
        assert by_recency["customers"].iloc[0] == (bought["frequency"] == 0).sum()
        assert by_recency["customers"].iloc[1:].max() - by_recency["customers"].iloc[1:].min() <= 2
        tenths = holdout_table(fitted, bought["purchases_ahead"], horizon=26, by="expected")
        expected = fitted.expected_purchases(26)
        assert tenths["expected"].iloc[-1] == pytest.approx(expected.nlargest(400).mean(), rel=0.01)

    def test_row_order_does_not_matter_where_the_index_names_customers(self, fitted, bought):
        straight = holdout_table(fitted, bought["purchases_ahead"], horizon=26, by="expected")
        turned = holdout_table(fitted, bought["purchases_ahead"].iloc[::-1], horizon=26, by="expected")
        pd.testing.assert_frame_equal(straight, turned)

    def test_a_group_without_purchases_has_an_upper_limit(self, fitted):
        table = holdout_table(fitted, np.zeros(4_000), horizon=26, largest=1)
        assert (table["low"] == 0).all()
        # The exact limit of a Poisson count of zero: −ln 0.025.
        np.testing.assert_allclose(table["high"] * table["customers"], -np.log(0.025))

    def test_without_spread_the_interval_is_that_of_a_poisson_mean(self, fitted):
        table = holdout_table(fitted, np.ones(4_000), horizon=26, largest=1, level=0.9)
        counts = table["customers"].to_numpy()
        # Garwood: the ends are the means at which so few or so many would have a chance of 5 %.
        np.testing.assert_allclose(poisson.cdf(counts, table["high"] * counts), 0.05, rtol=1e-6)
        np.testing.assert_allclose(poisson.sf(counts - 1, table["low"] * counts), 0.05, rtol=1e-6)

    def test_more_spread_than_poisson_widens_both_ends(self, fitted):
        """Half the customers buy nothing and half four times: variance 4n/(n − 1) over a mean of 2."""
        buys = np.tile([0.0, 4.0], 2_000)
        group = np.repeat([0, 1], 2_000)
        even = replace(fitted, histories=fitted.histories.assign(frequency=group, recency=group))
        table = holdout_table(even, buys, horizon=26, largest=1)
        dispersion = 4 * 2_000 / 1_999 / 2
        low, high = (gamma.ppf(tail, 4_000 / dispersion + more) for tail, more in ((0.025, 0), (0.975, 1)))
        np.testing.assert_allclose(table["low"], low * dispersion / 2_000)
        np.testing.assert_allclose(table["high"], high * dispersion / 2_000)

    def test_intervals_cover_the_mean_of_customers_who_differ(self, fitted):
        """Means of 4,000 negative binomial numbers of mean 1.5 and dispersion 4, in groups of some thousand."""
        rng = np.random.default_rng(6)
        tables = [
            holdout_table(fitted, rng.poisson(rng.gamma(0.5, 3.0, 4_000)), horizon=26, largest=2) for _ in range(150)
        ]
        covered = np.concatenate([((t["low"] <= 1.5) & (t["high"] >= 1.5)).to_numpy() for t in tables])
        assert 0.92 < covered.mean() < 0.98

    def test_bad_input_is_named_together(self, fitted):
        with pytest.raises(ParameterError) as caught:
            holdout_table(fitted, [1, 2], horizon=0, by="age", largest=0)
        for words in ("one number a customer", "horizon must be above 0", "by must be", "largest must be"):
            assert words in str(caught.value)
        other = pd.Series(np.zeros(4_000), index=np.arange(4_000) + 5)
        with pytest.raises(ParameterError, match="index of purchases"):
            holdout_table(fitted, other, horizon=26)
        with pytest.raises(ParameterError, match="0 or more"):
            holdout_table(fitted, np.full(4_000, -1), horizon=26)
        with pytest.raises(ParameterError, match="one row a customer"):
            holdout_table(replace(fitted, weights=np.full(4_000, 2.0)), np.zeros(4_000), horizon=26)


@pytest.fixture
def axes():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


class TestFigures:
    def test_frequency(self, fitted, axes):
        table = frequency_table(fitted, largest=5)
        assert plot_frequency(fitted, largest=5, ax=axes) is axes
        actual, expected = axes.containers[0], axes.containers[1]
        np.testing.assert_allclose([bar.get_height() for bar in actual], table["actual"])
        np.testing.assert_allclose([bar.get_height() for bar in expected], table["expected"])
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2", "3", "4", "5+"]
        assert f"{table['actual'].iloc[0]:,.0f} customers" in alt_text(axes.figure)

    @pytest.mark.parametrize("cumulative", [True, False])
    def test_tracking(self, fitted, activity, axes, cumulative):
        table = tracking_table(fitted, activity, cumulative=cumulative)
        assert plot_tracking(fitted, activity, cumulative=cumulative, ax=axes) is axes
        lines = {line.get_label(): line for line in axes.lines}
        np.testing.assert_allclose(lines["expected"].get_ydata(), table["expected"])
        np.testing.assert_allclose(lines["actual"].get_ydata(), table["actual"])
        (band,) = axes.collections
        assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(table["high"].max())
        assert [note.get_text() for note in axes.texts] == ["calibration", "hold-out"]
        held_out = activity.loc[activity["in_holdout"], "purchases"].sum()
        assert f"In the hold-out: {held_out:,.0f}," in alt_text(axes.figure)

    def test_a_last_period_cut_short_is_drawn_only_where_periods_add_up(self, fitted, activity, axes):
        last = activity.tail(1).assign(period_end=activity["period_end"].iloc[-1] + pd.Timedelta(days=2))
        longer = pd.concat([activity, last], ignore_index=True)
        plot_tracking(fitted, longer, cumulative=False, ax=axes)
        assert len(axes.lines[0].get_ydata()) == len(activity)
        axes.clear()
        plot_tracking(fitted, longer, ax=axes)
        assert len(axes.lines[0].get_ydata()) == len(activity) + 1

    def test_tracking_without_hold_out(self, fitted, activity, axes):
        plot_tracking(fitted, activity[~activity["in_holdout"]], ax=axes)
        assert not axes.texts
        assert "hold-out" not in alt_text(axes.figure)

    @pytest.mark.parametrize("by", ["frequency", "recency", "expected"])
    def test_holdout(self, fitted, bought, axes, by):
        table = holdout_table(fitted, bought["purchases_ahead"], horizon=26, by=by)
        assert plot_holdout(fitted, bought["purchases_ahead"], horizon=26, by=by, ax=axes) is axes
        drawn = {line.get_label(): line for line in axes.lines}
        np.testing.assert_allclose(drawn["expected"].get_ydata(), table["expected"])
        (actual,) = axes.containers
        np.testing.assert_allclose(actual.lines[0].get_ydata(orig=False), table["actual"])
        assert [label.get_text() for label in axes.get_xticklabels()] == table["group"].tolist()
        assert axes.get_xlabel()
        assert f"({table['expected'].iloc[0]:.2f} expected)" in alt_text(axes.figure)
