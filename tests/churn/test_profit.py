"""Campaign profit: the paper's formula, cases by hand, limits, ties, values of their own, intervals that cover."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.churn.profit import (
    campaign_profit,
    expected_gain,
    maximum_profit,
    plot_profit_curve,
    profit_curve,
    profit_curve_table,
    profit_of_calls,
)
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text

PAPER = {"value": 200.0, "contact_cost": 1.0, "offer_cost": 10.0, "acceptance": 0.3}
SCORES, LEFT = [0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0]


def customers(size, seed=5):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 6, size).round(3)
    return probability, (rng.random(size) < probability).astype(int), rng.gamma(2, 90, size)


class TestCampaignProfit:
    def test_formula_of_the_paper(self):
        rng = np.random.default_rng(1)
        probability = rng.random(500)
        left = (rng.random(500) < probability).astype(int)
        share, gamma, clv, delta, phi = 0.2, 0.3, 200, 10 / 200, 1 / 200
        inside = probability >= np.sort(probability)[-100]
        pi0 = left.mean()
        f0, f1 = inside[left == 1].mean(), inside[left == 0].mean()
        paper = clv * (gamma * (1 - delta) - phi) * pi0 * f0 - clv * (delta + phi) * (1 - pi0) * f1
        found = campaign_profit(probability, left, share=share, **PAPER).iloc[0]
        assert found["profit_per_customer"] == pytest.approx(paper)
        assert found["share_contacted"] == pytest.approx(pi0 * f0 + (1 - pi0) * f1)
        assert found["churners_reached"] == inside[left == 1].sum()

    def test_values_of_their_own(self):
        # 0.3 · (100 − 10) − 1 = 26; −11; 0.3 · (1000 − 10) − 1 = 296; −11.
        costs = PAPER | {"value": [100, 5, 1000, 7]}
        found = campaign_profit(SCORES, LEFT, share=[0.25, 0.5, 0.75, 1], **costs)
        np.testing.assert_allclose(found["profit"], [26, 15, 311, 300])
        np.testing.assert_allclose(found["spent"], [4, 15, 19, 30])
        # The third comes first where her value counts: 0.3 · 0.3 · 990 − 0.7 · 10 − 1 = 81.1 against 22.3.
        by_gain = campaign_profit(SCORES, LEFT, share=0.25, rank_by="expected_gain", **costs)
        assert by_gain.loc[0, "profit"] == pytest.approx(296)

    def test_a_cut_tie_is_the_mean_of_its_orders(self):
        found = campaign_profit([0.5, 0.5, 0.2], [1, 0, 0], share=1 / 3, **PAPER)
        assert found.loc[0, "profit"] == pytest.approx((56 - 11) / 2)
        other = campaign_profit([0.2, 0.5, 0.5], [0, 0, 1], share=1 / 3, **PAPER)
        pd.testing.assert_frame_equal(found, other)

    def test_default_is_tenths(self):
        found = campaign_profit(SCORES, LEFT, **PAPER)
        np.testing.assert_allclose(found["share_contacted"], np.arange(1, 11) / 10)
        assert found["profit"].iloc[-1] == pytest.approx(90)

    def test_every_problem_at_once(self):
        with pytest.raises(ParameterError) as error:
            campaign_profit(
                [0.4, 1.2, 0.3],
                [0, 2],
                value=[5, -3, 4],
                contact_cost=-1,
                offer_cost="x",
                acceptance=1.5,
                share=0.5,
                rank_by="size",
            )
        text = str(error.value)
        for part in (
            "contact_cost must be a number of at least 0, and is -1",
            "offer_cost must be a number of at least 0, and is 'x'",
            "acceptance must lie between 0 and 1, and is 1.5",
            "rank_by must be one of",
            "probability must lie between 0 and 1, and 1 of 3 do not (at positions 1)",
            "value must be 0 or more, and 1 are below (at positions 1)",
            "outcome must be 1 (left) or 0 (stayed)",
            "probability has 3 customers and outcome 2",
        ):
            assert part in text

    def test_other_input(self):
        with pytest.raises(DataFloorError, match="there are 0 who left"):
            campaign_profit(SCORES, [0, 0, 0, 0], **PAPER)
        with pytest.raises(ParameterError, match="one value for all"):
            campaign_profit(SCORES, LEFT, **PAPER | {"value": [1.0, 2.0]})
        with pytest.raises(ParameterError, match="value must be 0 or more, and is -1"):
            campaign_profit(SCORES, LEFT, **PAPER | {"value": -1})
        with pytest.raises(ParameterError, match=r"share must lie between 0 and 1, and is 10"):
            campaign_profit(SCORES, LEFT, share=10, **PAPER)
        with pytest.raises(ParameterError, match="another order"):
            campaign_profit(pd.Series(SCORES), pd.Series(LEFT, index=[3, 2, 1, 0]), **PAPER)


class TestCalls:
    def test_a_rule_of_an_earlier_period(self):
        found = profit_of_calls(np.array(SCORES) >= 0.3, LEFT, **PAPER)
        assert (found["contacted"], found["profit"], found["share_contacted"]) == (3, 101, 0.75)
        assert (found["churners_reached"], found["spent"]) == (2, pytest.approx(2 * 4 + 11))
        nobody = profit_of_calls([0, 0, 0, 0], LEFT, **PAPER)
        assert (nobody["contacted"], nobody["profit"]) == (0, 0)
        # Too few of either for an interval.
        assert np.isnan(nobody[["profit_low", "profit_high"]].astype(float)).all()

    def test_each_customer_has_a_value(self):
        found = profit_of_calls([True, False, False, True], LEFT, **PAPER | {"value": [100.0, 5.0, 7.0, 900.0]})
        assert found["profit"] == pytest.approx(0.3 * (100 - 10) - 1 - 11)

    def test_interval_is_that_of_independent_customers(self):
        probability, left, _ = customers(900)
        called = probability >= 0.25
        found = profit_of_calls(called, left, n_boot=1500, **PAPER)
        gains = np.where(left == 1, 56, -11) * called
        assert found["profit"] == gains.sum()
        width = 2 * 1.96 * gains.std() * np.sqrt(len(gains))
        assert found["profit_high"] - found["profit_low"] == pytest.approx(width, rel=0.1)
        assert found["profit_low"] < found["profit"] < found["profit_high"]

    def test_a_threshold_chosen_on_the_same_customers_is_too_good(self):
        """Scores that know nothing: on others, the threshold that was best by chance earns less than it seemed to."""
        rng = np.random.default_rng(3)
        same, other = [], []
        for _ in range(60):
            probability, left, later = rng.random(200), rng.random(200) < 0.2, rng.random(200) < 0.2
            best = maximum_profit(probability, left, n_boot=2, **PAPER)
            same.append(best.profit)
            called = np.zeros(200) if np.isnan(best.threshold) else probability >= best.threshold
            other.append(profit_of_calls(called, later, n_boot=2, **PAPER)["profit"])
        assert np.mean(same) > np.mean(other) + 2 * np.std(other) / np.sqrt(60)

    def test_unusable(self):
        with pytest.raises(ParameterError, match="called must be True or False, and 1 are neither") as error:
            profit_of_calls([1, 0, 0.4, 1], LEFT, n_boot=0, **PAPER)
        assert "n_boot" in str(error.value)
        with pytest.raises(ParameterError, match="outcome 4"):
            profit_of_calls([1, 0], LEFT, **PAPER)


class TestProfitCurve:
    def test_rows_agree_with_campaign_profit(self):
        probability, left, value = customers(300)
        costs = PAPER | {"value": value}
        curve = profit_curve(probability, left, points=31, n_boot=20, **costs)
        assert curve["contacted"].tolist() == list(range(0, 301, 10))
        single = campaign_profit(probability, left, share=curve["share_contacted"].tolist(), **costs)
        for name in ("profit", "churners_reached", "spent", "profit_per_customer"):
            np.testing.assert_allclose(curve[name], single[name])
        assert curve["profit_at_random"].iloc[-1] == pytest.approx(curve["profit"].iloc[-1])
        cut = curve["contacted"].to_numpy()[1:] - 1
        np.testing.assert_allclose(curve["threshold"].iloc[1:], np.sort(probability)[::-1][cut])

    def test_band_has_the_width_that_independent_customers_give(self):
        # When all are contacted, the profit is a sum of n independent gains: its variance is known.
        probability, left, _ = customers(800)
        curve = profit_curve(probability, left, n_boot=600, points=3, **PAPER)
        gains = np.where(left == 1, 56, -11)
        reach = 1.96 * gains.std() * np.sqrt(len(gains))
        last = curve.iloc[-1]
        assert last["high"] - last["profit"] == pytest.approx(reach, rel=0.12)
        assert last["profit"] - last["low"] == pytest.approx(reach, rel=0.12)

    def test_same_seed_same_band_and_few_have_none(self):
        probability, left, _ = customers(120)
        first, again = (profit_curve(probability, left, n_boot=30, seed=3, **PAPER) for _ in range(2))
        pd.testing.assert_frame_equal(first, again)
        assert not first["low"].equals(profit_curve(probability, left, n_boot=30, seed=4, **PAPER)["low"])
        assert profit_curve(SCORES, LEFT, n_boot=30, **PAPER)[["low", "high"]].isna().all(axis=None)

    def test_table_and_figure(self):
        probability, left, _ = customers(200)
        curve = profit_curve(probability, left, n_boot=30, **PAPER)
        table = profit_curve_table(curve)
        assert table["share_contacted"].tolist() == [0, 0.05, *(n / 10 for n in range(1, 11))]
        best = maximum_profit(probability, left, n_boot=30, **PAPER)
        ax = plt.figure().add_subplot()
        assert plot_profit_curve(curve, best, ax=ax) is ax
        lines = {line.get_label(): line for line in ax.lines}
        np.testing.assert_allclose(lines["chosen by the model"].get_ydata(), curve["profit"])
        assert lines["most profit"].get_xdata() == [best.contacted]
        assert f"at {best.contacted:,.0f} contact" in alt_text(ax.figure)
        plt.close(ax.figure)
        curve = profit_curve(SCORES, LEFT, n_boot=2, **PAPER)
        for capacity, limit in ((1, "capacity"), (2, "limits")):
            ax = plot_profit_curve(curve, maximum_profit(SCORES, LEFT, capacity=capacity, n_boot=20, **PAPER))
            assert f"most profit within the {limit}" in [text.get_text() for text in ax.get_legend().get_texts()]
            plt.close(ax.figure)
        with pytest.raises(ParameterError, match="lacks the columns low, high"):
            plot_profit_curve(curve.drop(columns=["low", "high"]))


class TestMaximumProfit:
    def test_by_hand(self):
        best = maximum_profit(SCORES, LEFT, n_boot=20, **PAPER)
        assert (best.profit, best.contacted, best.share_contacted, best.threshold) == (101, 3, 0.75, 0.3)
        assert (best.churners_reached, best.spent, best.limited_by, best.pays) == (2, 4 + 11 + 4, "", True)
        assert np.isnan([best.profit_low, best.share_low, best.profit_corrected]).all()

    def test_no_number_earns_more(self):
        probability, left, value = customers(400)
        costs = PAPER | {"value": value}
        best = maximum_profit(probability, left, n_boot=20, **costs)
        curve = profit_curve(probability, left, points=401, n_boot=2, **costs)
        assert best.profit == pytest.approx(curve["profit"].max())
        assert best.contacted == curve["contacted"][curve["profit"].idxmax()]
        inside = probability >= best.threshold
        assert inside.sum() == best.contacted
        again = profit_of_calls(inside, left, **costs)
        assert again["profit"] == pytest.approx(best.profit)

    def test_limits(self):
        by_capacity = maximum_profit(SCORES, LEFT, capacity=1, n_boot=20, **PAPER)
        assert (by_capacity.contacted, by_capacity.profit, by_capacity.limited_by) == (1, 56, "capacity")
        # 4 for the first leaver, 11 for the stayer; the next leaver would make 19.
        by_budget = maximum_profit(SCORES, LEFT, budget=4, n_boot=20, **PAPER)
        assert (by_budget.contacted, by_budget.spent, by_budget.limited_by) == (1, 4, "budget")
        not_enough = maximum_profit(SCORES, LEFT, budget=18.9, n_boot=20, **PAPER)
        assert (not_enough.contacted, not_enough.spent) == (1, 4)
        enough = maximum_profit(SCORES, LEFT, budget=19, capacity=3, n_boot=20, **PAPER)
        assert (enough.contacted, enough.limited_by) == (3, "")
        both = maximum_profit(SCORES, LEFT, budget=18.9, capacity=1, n_boot=20, **PAPER)
        assert both.limited_by == "capacity"
        assert maximum_profit(SCORES, LEFT, capacity=0, n_boot=20, **PAPER).contacted == 0

    def test_a_limit_that_is_not_reached_is_not_named(self):
        """The stayer is second: within two contacts one is best; only the third earns more than the first."""
        best = maximum_profit(SCORES, LEFT, capacity=2, n_boot=20, **PAPER)
        assert (best.contacted, best.profit, best.limited_by) == (1, 56, "")
        assert (best.unlimited_contacted, best.unlimited_profit) == (3, 101)
        # A stayer first: one contact loses 11, and only both together pay.
        all_or_none = maximum_profit([0.9, 0.8], [0, 1], capacity=1, n_boot=20, **PAPER)
        assert (all_or_none.contacted, all_or_none.profit, all_or_none.limited_by) == (0, 0, "")
        assert (all_or_none.unlimited_contacted, all_or_none.unlimited_profit) == (2, 45)
        free = maximum_profit(SCORES, LEFT, n_boot=20, **PAPER)
        assert (free.unlimited_contacted, free.unlimited_profit) == (free.contacted, free.profit)

    def test_budget_inside_a_tie(self):
        # A tie of two costs 4 + 11: 8 pays for one of them.
        best = maximum_profit([0.5, 0.5, 0.2], [1, 0, 0], budget=8, n_boot=20, **PAPER)
        assert (best.contacted, best.spent, best.profit) == (1, 7.5, 22.5)

    def test_nobody_where_it_does_not_pay(self):
        best = maximum_profit(SCORES, LEFT, n_boot=20, **PAPER | {"value": 20})
        assert (best.profit, best.contacted, best.pays) == (2.0, 1, True)
        none = maximum_profit(SCORES, LEFT, n_boot=20, **PAPER | {"value": 12})
        assert (none.profit, none.contacted, none.pays) == (0, 0, False)
        assert np.isnan(none.threshold)

    def test_a_useless_model_is_optimistic(self):
        # Scores at random; contacting a customer earns nothing on average.
        rng = np.random.default_rng(11)
        left = np.repeat([1, 0], [100, 900])
        fair = {"value": 1000.0, "offer_cost": 10.0, "contact_cost": 0.0, "acceptance": 9 / 99}
        found = [maximum_profit(rng.random(1000), rng.permutation(left), n_boot=60, **fair) for _ in range(15)]
        profits = np.array([best.profit for best in found])
        corrected = np.array([best.profit_corrected for best in found])
        assert (profits > 0).all()
        assert (corrected < profits).all()
        assert abs(corrected.mean()) < profits.mean() * 0.75

    def test_interval_covers_the_profit_of_the_population(self):
        rng = np.random.default_rng(2)
        covered = []
        for _ in range(60):
            probability = rng.choice([0.02, 0.4], 400, p=[0.8, 0.2])
            left = (rng.random(400) < probability).astype(int)
            best = maximum_profit(probability, left, n_boot=150, seed=int(rng.integers(1e6)), **PAPER)
            # The rest never pay, so the best number is the fifth with 0.4: 80 · (0.4 · 56 − 0.6 · 11) on average.
            truth = best.contacted * (0.4 * 56 - 0.6 * 11)
            covered.append(best.profit_low <= truth <= best.profit_high)
        assert np.mean(covered) >= 0.85

    def test_options(self):
        with pytest.raises(ParameterError, match="4 problems"):
            maximum_profit(SCORES, LEFT, capacity=-1, budget=-5, level=2, n_boot=1, **PAPER)


def test_expected_gain_is_the_mean_of_both_outcomes():
    costs = {"contact_cost": 1.0, "offer_cost": 10.0, "acceptance": 0.3}
    probability, value = np.array([0.0, 0.25, 1.0]), np.array([200.0, 200.0, 200.0])
    np.testing.assert_allclose(expected_gain(probability, value, **costs), [-11, 0.25 * 56 - 0.75 * 11, 56])
