from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import auc

from crm_utils.errors import ParameterError
from crm_utils.intervals import bootstrap
from crm_utils.plotting import alt_text
from crm_utils.value import concentration, gini, lorenz, lorenz_table, plot_lorenz, share_of_total, top_share

spent = st.lists(st.integers(0, 10_000), min_size=2, max_size=40).filter(lambda values: sum(values) > 0)


class TestCorrectness:
    def test_gini_of_known_cases(self):
        assert gini([4.2] * 7) == pytest.approx(0, abs=1e-15)
        assert gini([0] * 9 + [3]) == pytest.approx(0.9)
        assert gini([1, 2, 3, 4, 5]) == pytest.approx(4 / 15)

    @pytest.mark.parametrize(
        ("population", "expected"),
        [
            (stats.expon(), 0.5),
            (stats.uniform(), 1 / 3),
            (stats.lognorm(0.8), 2 * stats.norm.cdf(0.8 / np.sqrt(2)) - 1),
            (stats.pareto(3), 1 / (2 * 3 - 1)),
        ],
    )
    def test_gini_of_closed_form_populations(self, population, expected):
        quantiles = population.ppf((np.arange(400_000) + 0.5) / 400_000)
        assert gini(quantiles) == pytest.approx(expected, abs=2e-4)

    def test_pareto_with_the_80_20_exponent_gives_80_20(self):
        exponent = np.log(5) / np.log(4)
        edges = np.linspace(0, 1, 1001)
        held = np.diff(1 - (1 - edges) ** (1 - 1 / exponent))
        assert top_share(held, 0.2) == pytest.approx(0.8)
        needed = concentration(held, n_boot=2).set_index("measure").loc["customers_for_80", "value"]
        assert needed == pytest.approx(0.2)

    def test_lorenz_curve_of_the_exponential(self):
        quantiles = stats.expon.ppf((np.arange(200_000) + 0.5) / 200_000)
        curve = lorenz(quantiles)
        p = curve["population_share"].to_numpy()[1000:-1000:1000]
        assert np.interp(p, curve["population_share"], curve["value_share"]) == pytest.approx(
            p + (1 - p) * np.log(1 - p), abs=1e-4
        )

    def test_gini_is_mean_absolute_difference_over_twice_the_mean(self):
        values = np.random.default_rng(1).lognormal(0, 1, 200)
        difference = np.abs(values[:, None] - values[None, :]).mean()
        assert gini(values) == pytest.approx(difference / (2 * values.mean()))

    def test_gini_agrees_with_area_from_scikit_learn(self):
        values = np.random.default_rng(2).gamma(0.7, 10, 300)
        curve = lorenz(values)
        assert gini(values) == pytest.approx(1 - 2 * auc(curve["population_share"], curve["value_share"]))

    def test_top_share_counts_part_of_a_customer(self):
        assert top_share([50, 30, 20], 0.5) == pytest.approx((50 + 0.5 * 30) / 100)
        assert top_share([50, 30, 20], 1) == pytest.approx(1)

    def test_negative_values_dip_below_zero_and_pass_one(self):
        curve = lorenz([-5, -5, 11])
        assert curve["value_share"].min() == pytest.approx(-10)
        assert gini([-5, -5, 11]) > 1
        assert top_share([-5, -5, 11], 1 / 3) == pytest.approx(11)
        # 60 of a total of 50 come from the first customer: 80 % of the total is 40, two thirds of that customer.
        needed = concentration([60, -4, -6, 0], n_boot=2).set_index("measure").loc["customers_for_80", "value"]
        assert needed == pytest.approx(2 / 3 / 4)

    def test_percentile_interval_agrees_with_scipy(self):
        values = np.random.default_rng(3).gamma(1, 50, 150)
        row = concentration(values, n_boot=4000).set_index("measure").loc["gini"]

        def gini_of(sample, axis):
            ranked = np.sort(sample, axis=axis)
            rank = np.arange(1, ranked.shape[axis] + 1)
            return (2 * (ranked * rank).sum(axis) / ranked.sum(axis) - ranked.shape[axis] - 1) / ranked.shape[axis]

        other = stats.bootstrap(
            (values,), gini_of, n_resamples=4000, method="percentile", rng=np.random.default_rng(4), axis=-1
        ).confidence_interval
        assert (row["low"], row["high"]) == pytest.approx(tuple(other), abs=0.006)

    def test_interval_covers_the_population_value(self):
        rng = np.random.default_rng(5)
        truth = {"gini": 0.5, "top_share_20": 0.2 * (1 - np.log(0.2))}
        hits = dict.fromkeys(truth, 0)
        samples = 200
        for number in range(samples):
            table = concentration(rng.exponential(size=300), top=(0.2,), n_boot=200, seed=number).set_index("measure")
            for measure, value in truth.items():
                hits[measure] += table.loc[measure, "low"] <= value <= table.loc[measure, "high"]
        # Percentile intervals of a downward-biased estimate cover a little less than 95 % (0.93 in 1,000 samples of
        # this kind); 0.90 is just under two standard errors below, and half the width would cover two thirds.
        assert all(0.90 <= hit / samples <= 0.99 for hit in hits.values()), hits

    def test_linearised_intervals_agree_with_the_bootstrap(self, monkeypatch):
        values = np.random.default_rng(6).lognormal(3, 1, 8000)
        resampled = concentration(values)
        monkeypatch.setattr(import_module("crm_utils.value.concentration"), "_LINEARISE_ABOVE", 100)
        linearised = concentration(values)
        assert set(linearised["method"]) == {"linearised"}
        assert set(resampled["method"]) == {"bootstrap"}
        width = (linearised["high"] - linearised["low"]) / (resampled["high"] - resampled["low"])
        assert width.between(0.88, 1.12).all(), width.tolist()
        assert linearised["value"].equals(resampled["value"])

    def test_every_replicate_is_a_resample_of_its_own(self):
        values = np.arange(50.0)
        replicates = bootstrap(lambda counts: np.array([counts @ values, counts.sum()]), 50, n_boot=100, seed=7)
        assert len(np.unique(replicates[:, 0])) > 80
        assert (replicates[:, 1] == 50).all()

    def test_replicates_without_positive_total_are_counted(self):
        result = concentration([-9, -9, 20], n_boot=300)
        # All three draws from the two losses: (2/3)^3 = 30 %; with one draw of the gain the total is above zero.
        assert 60 < result.attrs["undefined_replicates"] < 120
        assert result["low"].notna().all()


class TestConsistency:
    @given(spent, st.integers(2, 5), st.floats(0.01, 1000), st.randoms(use_true_random=False))
    @settings(max_examples=80, deadline=None)
    def test_scale_replication_and_order_do_not_matter(self, values, copies, factor, random):
        shuffled = random.sample(values, len(values))
        for changed in (shuffled, [factor * value for value in values], values * copies):
            assert gini(changed) == pytest.approx(gini(values), abs=1e-9)
            for share in (0.01, 0.2, 0.77):
                assert top_share(changed, share) == pytest.approx(top_share(values, share), abs=1e-9)

    @given(spent)
    @settings(max_examples=80, deadline=None)
    def test_curve_is_convex_below_the_diagonal_and_gini_bounded(self, values):
        curve = lorenz(values)
        assert tuple(curve.iloc[0]) == (0, 0)
        assert tuple(curve.iloc[-1]) == (1, 1)
        assert (curve["value_share"].diff().diff().dropna() > -1e-12).all()
        assert -1e-12 <= gini(values) <= 1 - 1 / len(values) + 1e-12

    @given(spent, st.floats(0.05, 1))
    @settings(max_examples=50, deadline=None)
    def test_moving_money_to_the_richest_raises_concentration(self, values, part):
        ordered = sorted(map(float, values))
        gift = part * ordered[0]
        changed = [ordered[0] - gift, *ordered[1:-1], ordered[-1] + gift]
        assert gini(changed) >= gini(values) - 1e-12

    def test_same_seed_same_answer_whatever_the_order(self):
        values = np.random.default_rng(8).gamma(1, 10, 120)
        first, again = concentration(values, n_boot=50), concentration(values[::-1], n_boot=50)
        pd.testing.assert_frame_equal(first, again)
        assert not concentration(values, n_boot=50, seed=8)["low"].equals(first["low"])

    def test_estimates_agree_with_the_single_functions(self):
        values = np.random.default_rng(9).gamma(1, 10, 120)
        table = concentration(values, top=(0.05, 0.125), n_boot=10).set_index("measure")
        assert table.loc["gini", "value"] == pytest.approx(gini(values))
        assert table.loc["top_share_12.5", "value"] == pytest.approx(top_share(values, 0.125))
        assert top_share(values, table.loc["customers_for_80", "value"]) == pytest.approx(0.8)
        assert list(table.index) == ["gini", "top_share_5", "top_share_12.5", "customers_for_80"]

    def test_input_is_not_modified(self):
        values = pd.Series([3.0, 1.0, 2.0])
        concentration(values, n_boot=5)
        lorenz(values)
        assert values.tolist() == [3.0, 1.0, 2.0]

    def test_nullable_and_decimal_numbers_are_read(self):
        from decimal import Decimal

        assert gini(pd.Series([1, 3], dtype="Int64")) == pytest.approx(0.25)
        assert gini(pd.Series([Decimal("1.0"), Decimal("3.0")])) == pytest.approx(0.25)


class TestInputChecks:
    @pytest.mark.parametrize("function", [lorenz, gini, top_share, concentration])
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([1, np.nan, np.inf], "2 missing or infinite values of 3 .at positions 1, 2"),
            (pd.Series([1, None], dtype="Float64"), "1 missing"),
            ([], "empty"),
            (["3 pcs", "2"], "must be numbers"),
            (pd.to_datetime(["2025-01-01"]), "must be numbers"),
            ([[1, 2], [3, 4]], "one-dimensional"),
            ([0, 0], "above zero"),
            ([-2, 1], "above zero"),
        ],
    )
    def test_unusable_values(self, function, values, message):
        with pytest.raises(ParameterError, match=message):
            function(values)

    @pytest.mark.parametrize("share", [0, -0.1, 1.2])
    def test_share_out_of_range(self, share):
        with pytest.raises(ParameterError, match="above 0 and at most 1"):
            top_share([1, 2], share)

    def test_all_option_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            concentration([1, 2], top=(0.1, 2), n_boot=1, level=95)
        assert "3 problems" in str(caught.value)
        for word in ("share of customers", "n_boot", "level"):
            assert word in str(caught.value)


class TestFigure:
    def test_draws_the_curve_on_the_given_axes(self):
        import matplotlib.pyplot as plt

        ax = plt.figure().add_subplot()
        curve = lorenz([70, 10, 10, 5, 5])
        assert plot_lorenz(curve, ax=ax) is ax
        x, y = ax.lines[1].get_data()
        assert x == pytest.approx(curve["population_share"])
        assert y == pytest.approx(curve["value_share"])
        texts = " ".join(text.get_text() for text in ax.texts)
        assert "70%" in texts
        assert f"{gini([70, 10, 10, 5, 5]):.2f}" in texts
        assert "20% of customers hold 70%" in alt_text(ax.figure)
        assert ax.get_xlabel()
        assert ax.get_ylabel()

    def test_many_customers_make_a_small_drawing_of_the_same_curve(self):
        curve = lorenz(np.random.default_rng(1).gamma(0.5, 10, 50_000))
        x, y = plot_lorenz(curve).lines[1].get_data()
        assert len(x) <= 1000
        assert np.interp(0.37, x, y) == pytest.approx(
            np.interp(0.37, curve["population_share"], curve["value_share"]), abs=1e-4
        )
        assert (x[-1], y[-1]) == (1, 1)

    def test_table_reads_the_curve_from_the_top(self):
        values = np.random.default_rng(2).gamma(0.5, 10, 77)
        table = lorenz_table(lorenz(values), top=(0.1, 0.5))
        assert table["value_share"].tolist() == pytest.approx([top_share(values, 0.1), top_share(values, 0.5)])


class TestShareOfTotal:
    def test_it_is_the_groups_part_of_the_sum(self):
        share, low, high = share_of_total([1.0, 2.0, 3.0, 4.0], [True, False, False, True], n_boot=200)
        assert share == pytest.approx(0.5)
        assert low <= share <= high

    def test_the_interval_agrees_with_the_delta_method(self):
        """Ratio estimator: var ≈ Σ(in·v − share·v)²/(Σv)² (Cochran 1977, Sampling Techniques, ch. 6)."""
        rng = np.random.default_rng(3)
        values, inside = rng.lognormal(size=4000), rng.random(4000) < 0.3
        share, low, high = share_of_total(values, inside, n_boot=2000, seed=5)
        error = np.sqrt(np.sum((values * (inside - share)) ** 2)) / values.sum()
        assert [low, high] == pytest.approx([share - 1.96 * error, share + 1.96 * error], abs=0.1 * error)

    def test_one_flag_a_value(self):
        with pytest.raises(ParameterError, match="members has 1 entries for 2 values"):
            share_of_total([1, 2], [True])
