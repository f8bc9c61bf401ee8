"""What retention is worth: by hand, by summing year by year, by identities, and by what must rise with what."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.loyalty.economics import (
    ASSUMPTIONS,
    RetentionAssumptions,
    assumption_text,
    claimed_range,
    plot_retention_sensitivity,
    retention_profit,
    retention_sensitivity,
    retention_sensitivity_table,
    retention_steps,
)
from crm_utils.plotting import alt_text

RICH = RetentionAssumptions(
    annual_revenue=120,
    margin_share=0.35,
    retention_rate=0.75,
    annual_discount_rate=0.12,
    acquisition_cost=55,
    annual_service_cost=14,
    annual_spend_growth=0.06,
    annual_service_decline=0.1,
    annual_referrals=0.15,
    price_premium=0.03,
    growth_years=5,
)
RANGES = {
    "retention_rate": (0.5, 0.9),
    "annual_discount_rate": (0.05, 0.2),
    "acquisition_cost": (0.0, 90.0),
    "annual_spend_growth": (0.0, 0.15),
}


def followed(given, rate, years):
    """The value, one year after the other, as a customer would be followed."""
    total, here, discount, revenue, service = -given.acquisition_cost, 1.0, 1.0, given.annual_revenue, 0.0
    service = given.annual_service_cost
    for year in range(years):
        profit = revenue * given.margin_share - service
        if year > 0:
            profit += revenue * given.price_premium + given.annual_referrals * given.acquisition_cost
        total += here * profit * discount
        here, discount = here * rate, discount / (1 + given.annual_discount_rate)
        if year < given.growth_years:
            revenue *= 1 + given.annual_spend_growth
            service *= 1 - given.annual_service_decline
    return total


class TestValue:
    def test_geometric_series_by_hand(self):
        found = retention_profit(RetentionAssumptions(annual_revenue=100, margin_share=0.4, retention_rate=0.8))
        assert found.value == pytest.approx(40 / (1 - 0.8 / 1.1))
        assert found.value_after == pytest.approx(40 / (1 - 0.85 / 1.1))
        # (1 + i − r)/(1 + i − r − 0.05) − 1 = 0.05/0.25
        assert found.relative_change == pytest.approx(0.2)
        assert found.change == pytest.approx(found.value * 0.2)

    def test_acquisition_cost_by_hand(self):
        # 146.67 and 176 less 100: 46.67 and 76.
        found = retention_profit(RetentionAssumptions(acquisition_cost=100))
        assert found.relative_change == pytest.approx(76 / (440 / 3 - 100) - 1)

    def test_two_years_by_hand(self):
        given = replace(RICH, horizon_years=2)
        first = 120 * 0.35 - 14
        second = 120 * 1.06 * (0.35 + 0.03) + 0.15 * 55 - 14 * 0.9
        assert retention_profit(given).value == pytest.approx(first + 0.75 / 1.12 * second - 55)
        assert retention_profit(given).value_after == pytest.approx(first + 0.80 / 1.12 * second - 55)

    @pytest.mark.parametrize("growth_years", [0, 1, 5, 12])
    def test_followed_year_by_year(self, growth_years):
        given = replace(RICH, growth_years=growth_years)
        found = retention_profit(given)
        assert found.value == pytest.approx(followed(given, 0.75, 400))
        assert found.value_after == pytest.approx(followed(given, 0.80, 400))
        for years in (1, 4, 9):
            limited = retention_profit(replace(given, horizon_years=years))
            assert limited.value == pytest.approx(followed(given, 0.75, years))

    def test_parts_add_up_and_have_their_signs(self):
        found = retention_profit(RICH)
        assert found.parts.sum().tolist() == pytest.approx([found.value, found.value_after])
        assert (found.parts.loc[["acquisition_cost", "service_cost"], "value"] < 0).all()
        assert found.parts.loc["acquisition_cost"].tolist() == [-55, -55]
        assert found.parts.loc["base_margin", "value"] == pytest.approx(42 / (1 - 0.75 / 1.12))

    def test_share_of_defections(self):
        assert retention_profit(RetentionAssumptions(retention_rate=0.9)).defections_avoided_share == pytest.approx(0.5)

    def test_worth_nothing_before_has_no_relative_change(self):
        assert np.isnan(retention_profit(RetentionAssumptions(acquisition_cost=150)).relative_change)

    def test_one_year_has_nothing_to_retain(self):
        assert retention_profit(replace(RICH, horizon_years=1)).change == 0

    def test_money_in_another_unit(self):
        cents = replace(RICH, annual_revenue=12000, acquisition_cost=5500, annual_service_cost=1400)
        assert retention_profit(cents).relative_change == pytest.approx(retention_profit(RICH).relative_change)
        assert retention_profit(cents).value == pytest.approx(100 * retention_profit(RICH).value)


class TestMonotone:
    @pytest.mark.parametrize(
        ("name", "values", "sign"),
        [
            ("annual_discount_rate", (0.05, 0.1, 0.2), -1),
            ("retention_rate", (0.5, 0.7, 0.9), 1),
            ("annual_spend_growth", (0.0, 0.05, 0.1), 1),
            ("annual_service_decline", (0.0, 0.1, 0.3), 1),
            ("annual_referrals", (0.0, 0.1, 0.3), 1),
            ("price_premium", (0.0, 0.02, 0.05), 1),
        ],
    )
    def test_gain_in_money(self, name, values, sign):
        gains = [retention_profit(replace(RICH, **{name: value})).change for value in values]
        assert (np.diff(gains) * sign > 0).all()

    def test_dearer_customers_make_the_relative_effect_larger(self):
        given = RetentionAssumptions()
        effects = [retention_profit(replace(given, acquisition_cost=cost)).relative_change for cost in (0, 40, 80, 120)]
        assert (np.diff(effects) > 0).all()

    def test_more_points_more_profit(self):
        changes = [retention_profit(RICH, points=points).change for points in (0.01, 0.05, 0.1)]
        assert (np.diff(changes) > 0).all()

    def test_gain_is_the_slope_for_few_points(self):
        # d/dr of m/(1 − r/(1+i)) is m(1+i)/(1+i−r)².
        small = retention_profit(RetentionAssumptions(), points=1e-6).change
        assert small / 1e-6 == pytest.approx(40 * 1.1 / 0.3**2, rel=1e-4)


class TestSteps:
    def test_first_is_the_margin_alone_and_last_is_everything(self):
        table = retention_steps(RICH)
        # 0.05/(1 + i − r − 0.05)
        assert table["relative_change"].iloc[0] == pytest.approx(0.05 / (1.12 - 0.8))
        found = retention_profit(RICH)
        assert table[["value", "value_after"]].iloc[-1].tolist() == pytest.approx([found.value, found.value_after])
        assert len(table) == 7
        assert table["relative_change"].diff().abs().iloc[1:].gt(0).all()


class TestSensitivity:
    def test_each_end_is_its_own_case(self):
        table = retention_sensitivity(RICH, RANGES).set_index("assumption")
        assert sorted(table.index) == sorted(RANGES)
        for name, (low, high) in RANGES.items():
            row = table.loc[name]
            assert row["change_low"] == pytest.approx(retention_profit(replace(RICH, **{name: low})).relative_change)
            assert row["change_high"] == pytest.approx(retention_profit(replace(RICH, **{name: high})).relative_change)
            assert row["swing"] == pytest.approx(abs(row["change_high"] - row["change_low"]))
        assert table["swing"].is_monotonic_decreasing
        assert set(table["change_base"]) == {retention_profit(RICH).relative_change}

    def test_order_of_ranges_does_not_matter(self):
        turned = dict(reversed(RANGES.items()))
        pd.testing.assert_frame_equal(retention_sensitivity(RICH, RANGES), retention_sensitivity(RICH, turned))

    def test_problems_are_collected(self):
        with pytest.raises(ParameterError) as caught:
            retention_sensitivity(
                RICH, {"retention": (0.5, 0.9), "acquisition_cost": (9, 1), "retention_rate": (0.5, 0.99)}
            )
        text = str(caught.value)
        assert "3 problems" in text
        assert "did you mean 'retention_rate'?" in text
        assert "range of acquisition_cost must be a low and a high value" in text
        assert "0.99 and 0.05 more are above 1" in text


class TestClaim:
    def test_closed_forms(self):
        table = claimed_range(RetentionAssumptions(), {"retention_rate": (0.5, 0.95), "annual_discount_rate": (0, 0.3)})
        found = table.set_index(["claim", "assumption"])
        # 0.05/(1 + i − r − 0.05) = c at 1 + i − r = 0.05 + 0.05/c
        assert found.loc[(0.25, "retention_rate"), "needed"] == pytest.approx(0.85)
        assert found.loc[(0.25, "annual_discount_rate"), "needed"] == pytest.approx(0.05)
        assert not found.loc[(0.85, "retention_rate"), "reached"]
        assert found.loc[(0.85, "retention_rate"), "highest_change"] == pytest.approx(0.5)
        assert np.isnan(found.loc[(0.85, "annual_discount_rate"), "needed"])

    def test_acquisition_cost_closed_form(self):
        table = claimed_range(RetentionAssumptions(), {"acquisition_cost": (0.0, 140.0)})
        gain, value = 176 - 440 / 3, 440 / 3
        assert table["needed"].tolist() == pytest.approx([value - gain / 0.25, value - gain / 0.85])

    @pytest.mark.parametrize("claim", [0.25, 0.4, 0.5])
    def test_what_is_needed_gives_the_claim(self, claim):
        table = claimed_range(RICH, RANGES, claims=[claim])
        for row in table[table["reached"]].itertuples():
            again = retention_profit(replace(RICH, **{row.assumption: row.needed})).relative_change
            assert again == pytest.approx(claim)
            assert row.low <= row.needed <= row.high
        for row in table[~table["reached"]].itertuples():
            assert claim < row.lowest_change or claim > row.highest_change
        assert table["reached"].any()

    def test_a_claim_beyond_a_pole_is_not_solved_by_it(self):
        # Above 146.67 a customer is worth nothing: the sign of the change turns there without passing any claim.
        table = claimed_range(RetentionAssumptions(acquisition_cost=200), {"acquisition_cost": (147.0, 300.0)})
        assert not table["reached"].any()
        assert table["highest_change"].isna().all()

    def test_checks(self):
        with pytest.raises(ParameterError, match="claims must be numbers above 0"):
            claimed_range(RICH, RANGES, claims=[0])
        with pytest.raises(ParameterError, match="ranges are empty"):
            claimed_range(RICH, {})


class TestChecks:
    def test_all_assumptions_at_once(self):
        with pytest.raises(ParameterError) as caught:
            RetentionAssumptions(margin_share=2, annual_revenue=-1, growth_years=1.5, horizon_years=0)
        text = str(caught.value)
        assert "4 problems" in text
        assert "annual_revenue must be a number from 0, and is -1" in text
        assert "growth_years must be a whole number of at least 0" in text

    def test_rates_that_do_not_work(self):
        with pytest.raises(ParameterError, match="are above 1; lower one of them"):
            retention_profit(RetentionAssumptions(retention_rate=0.97))
        with pytest.raises(ParameterError, match="no end where everybody stays"):
            retention_profit(RetentionAssumptions(retention_rate=0.95, annual_discount_rate=0))
        assert retention_profit(
            RetentionAssumptions(retention_rate=0.95, annual_discount_rate=0, horizon_years=3)
        ).value_after == pytest.approx(120)
        with pytest.raises(ParameterError, match="points must lie between 0 and 1"):
            retention_profit(RICH, points=5)
        with pytest.raises(ParameterError, match="must be RetentionAssumptions, and are dict"):
            retention_profit({"retention_rate": 0.8})

    def test_every_assumption_of_a_range_has_words(self):
        for name in ASSUMPTIONS:
            if name not in ("growth_years", "horizon_years"):
                assert "_" not in assumption_text(name)


class TestPlot:
    def test_bars_are_the_table(self):
        sensitivity = retention_sensitivity(RICH, RANGES)
        ax = plt.figure().add_subplot()
        assert plot_retention_sensitivity(sensitivity, ax=ax) is ax
        table = retention_sensitivity_table(sensitivity)
        ends = [round(bar.get_x() + bar.get_width(), 9) for bar in ax.patches[1:]]
        expected = table[["change share at low", "change share at high"]].to_numpy().ravel().round(9).tolist()
        assert ends == expected
        assert [label.get_text() for label in ax.get_yticklabels()] == table["assumption"].tolist()
        assert "25% to 85%" in ax.get_xlabel()
        assert f"{sensitivity['change_base'].iloc[0]:.0%}" in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_without_claim_and_with_worthless_end(self):
        sensitivity = retention_sensitivity(RetentionAssumptions(), {"acquisition_cost": (0, 200)})
        assert np.isnan(sensitivity["change_high"].iloc[0])
        ax = plot_retention_sensitivity(sensitivity, claim=None)
        assert "shaded" not in ax.get_xlabel()
        plt.close(ax.figure)
