"""The textbook's methods by customer: hand-computed cases, agreement where they must agree, and unusable input."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from crm_utils import load_company
from crm_utils.errors import ParameterError
from crm_utils.lifetime.periods import customer_periods, recency_purchase_rates, repurchase_rates
from crm_utils.lifetime.profit_curves import fit_profit_curve, fit_profit_curves
from crm_utils.lifetime.textbook import (
    migration_values,
    naive_values,
    profit_curve_values,
    retention_values,
    textbook_values,
)

OPTIONS = {"horizon_months": 24, "annual_discount_rate": 0.21}
# Half a year and one and a half years ahead, at 21 per cent: 1.21 is 1.1 squared.
FIRST, SECOND = 1 / 1.1, 1 / 1.1**3
NAN = np.nan


def table(rows, period, names="abcdefgh"):
    return pd.DataFrame(rows, index=list(names[: len(rows)])).rename_axis(columns=period)


@pytest.fixture
def quarters():
    """Eight quarters of 200 customers, some of whom came later, with silence and losses."""
    rng = np.random.default_rng(2)
    came = rng.integers(0, 8, 200)
    bought = (rng.random((200, 8)) < 0.5) | (np.arange(8) == came[:, None])
    revenue = np.where(bought, rng.gamma(2, 30, (200, 8)), 0) - np.where(rng.random((200, 8)) < 0.05, 10, 0)
    early = np.arange(8) < came[:, None]
    names = pd.Index([f"c{number:03d}" for number in range(200)], name="customer_id")
    frames = (np.where(early, NAN, values) for values in (revenue, bought))
    return tuple(pd.DataFrame(frame, index=names).rename_axis(columns="quarter") for frame in frames)


class TestNaive:
    def test_by_hand(self):
        values = naive_values(table([[100, 80], [NAN, 50], [30, 0]], "year"), **OPTIONS, margin=0.5)
        assert values.tolist() == pytest.approx([40 * (FIRST + SECOND), 25 * (FIRST + SECOND), 0])
        assert values.name == "value"
        assert values.index.tolist() == ["a", "b", "c"]

    def test_quarters_of_the_last_year(self):
        rows = table([[900, 10, 20, 30, 40]], "quarter")
        values = naive_values(rows, horizon_months=6, annual_discount_rate=0.1)
        assert values.iloc[0] == pytest.approx(25 * (1.1 ** (-1 / 8) + 1.1 ** (-3 / 8)))


class TestRetention:
    def test_by_hand(self):
        values = retention_values(table([[100, 80], [30, 0]], "year"), retention_rate=0.6, **OPTIONS, margin=0.5)
        assert values.tolist() == pytest.approx([40 * (0.6 * FIRST + 0.36 * SECOND), 0])

    def test_without_losses_it_is_the_naive_value(self, quarters):
        revenue, _ = quarters
        stays = retention_values(revenue, retention_rate=1, **OPTIONS)
        assert stays.to_numpy() == pytest.approx(naive_values(revenue, **OPTIONS).to_numpy())


class TestMigration:
    RATES = pd.DataFrame({"state": ["1", "2", "gone"], "rate": [0.6, 0.2, 0.05]})

    def test_by_hand(self):
        revenue = table([[100, 80, 0, 0], [0, 0, 60, 0], [0, 0, 40, 20], [70, 0, 0, 0]], "year")
        values = migration_values(revenue, revenue > 0, rates=self.RATES, **OPTIONS, margin=0.5)
        # From state 1: .6, then .6·.6 + .4·.2; from state 2: .2, then .2·.6; silent for three years or four: gone.
        now, silent = 0.6 * FIRST + 0.44 * SECOND, 0.2 * FIRST + 0.12 * SECOND
        assert values.tolist() == pytest.approx([0, 30 * silent, 15 * now, 0])

    def test_is_the_mean_of_simulated_customers(self):
        rng = np.random.default_rng(4)
        chance = np.array([0.0, 0.6, 0.3, 0.1, 0.0])
        revenue = table([[50.0, 0.0]], "quarter")
        rates = pd.DataFrame({"state": ["1", "2", "3"], "rate": chance[1:4]})
        value = migration_values(revenue, revenue > 0, rates=rates, horizon_months=24, annual_discount_rate=0.1).iloc[0]
        silence, total = np.full(200_000, 2), np.zeros(200_000)
        for period in range(8):
            buys = rng.random(200_000) < chance[np.minimum(silence, 4)]
            total += 50 * buys * 1.1 ** (-(period + 0.5) / 4)
            silence = np.where(buys, 1, silence + 1)
        assert value == pytest.approx(total.mean(), rel=0.01)

    def test_one_state_is_the_retention_model_of_a_customer_who_always_bought(self):
        revenue = table([[40.0, 40.0]], "year")
        rates = pd.DataFrame({"state": ["1", "gone"], "rate": [0.7, 0.3]})
        moved = migration_values(revenue, revenue > 0, rates=rates, **OPTIONS)
        stayed = retention_values(revenue, retention_rate=0.7, **OPTIONS)
        assert moved.iloc[0] == pytest.approx(stayed.iloc[0])

    def test_takes_the_rates_as_they_are_estimated(self, quarters):
        revenue, bought = quarters
        values = migration_values(revenue, bought, rates=recency_purchase_rates(bought, states=3), **OPTIONS)
        silent = (bought.iloc[:, -3:].fillna(0) == 0).all(axis=1)
        assert (values[silent] == 0).all()
        assert values[~silent].gt(0).mean() > 0.95

    def test_input_checks(self, quarters):
        revenue, bought = quarters
        rates = pd.DataFrame({"state": ["1", "2"], "rate": [0.5, NAN]})
        with pytest.raises(ParameterError, match="make rates with fewer states"):
            migration_values(revenue, bought, rates=rates, **OPTIONS)
        with pytest.raises(ParameterError, match="2 problems") as caught:
            migration_values(revenue, bought[::-1], rates=rates[["state"]], **OPTIONS)
        for part in ("rates lacks the column rate", "same customers and periods in the same order"):
            assert part in str(caught.value)


class TestProfitCurves:
    def test_every_customer_gets_the_curve_that_fits_her_alone(self, quarters):
        revenue, _ = quarters
        curves = fit_profit_curves(revenue)
        for name, history in revenue.iloc[:40].iterrows():
            known, found = history.dropna(), curves.loc[name]
            assert found["periods"] == len(known)
            if len(known) < 4:
                assert found["family"] == "constant"
                assert found["level"] == pytest.approx(known.mean())
                continue
            alone = fit_profit_curve(known)
            assert found["family"] == alone.family
            assert found["level"] == pytest.approx(alone.level)
            assert found["speed"] == pytest.approx(alone.speed, nan_ok=True)

    @pytest.mark.parametrize(
        ("family", "shape"),
        [
            ("decline", lambda t: np.exp(-0.4 * t)),
            ("saturation", lambda t: 1 - np.exp(-0.4 * (t + 1))),
            ("life cycle", lambda t: (t + 1) * np.exp(-0.4 * t)),
        ],
    )
    def test_recovers_planted_curves(self, family, shape):
        levels = np.array([[5.0], [80.0], [3000.0]])
        curves = fit_profit_curves(pd.DataFrame(levels * shape(np.arange(9.0))))
        assert curves["family"].tolist() == [family] * 3
        assert curves["speed"].to_numpy() == pytest.approx(np.full(3, 0.4), rel=1e-6)
        assert curves["level"].to_numpy() == pytest.approx(levels.ravel(), rel=1e-6)

    def test_value_is_the_curve_drawn_on(self, quarters):
        revenue, _ = quarters
        values = profit_curve_values(revenue, horizon_months=12, annual_discount_rate=0.1, margin=0.4)
        full = revenue.dropna().index[:20]
        for name in full:
            # A curve counts its first period as now; here it comes an eighth of a year from now.
            alone = fit_profit_curve(0.4 * revenue.loc[name]).value(4, annual_discount_rate=0.1, periods_per_year=4)
            assert values[name] == pytest.approx(alone * 1.1 ** (-1 / 8), rel=1e-5, abs=1e-6)
        assert values.attrs["too_short"] == (revenue.notna().sum(axis=1) < 4).sum() > 0

    def test_too_short_a_history_goes_on_at_its_mean(self):
        values = profit_curve_values(table([[NAN, NAN, NAN, 30, 50], [9, 9, 9, 9, 9]], "year"), **OPTIONS)
        assert values.tolist() == pytest.approx([40 * (FIRST + SECOND), 9 * (FIRST + SECOND)])
        assert values.attrs["too_short"] == 1

    def test_histories_need_numbers(self):
        histories = pd.DataFrame([[1, NAN, 3], [NAN, 2, 3], [NAN, NAN, NAN]], index=["gap", "fine", "none"])
        with pytest.raises(ParameterError, match=r"2 do not \(gap, none\)"):
            fit_profit_curves(histories)


def every_method(revenue, bought, **options):
    rates = pd.DataFrame({"state": ["1", "2", "3"], "rate": [0.5, 0.3, 0.1]})
    return {
        "naive": naive_values(revenue, **options),
        "retention": retention_values(revenue, retention_rate=0.6, **options),
        "migration": migration_values(revenue, bought, rates=rates, **options),
        "profit_curve": profit_curve_values(revenue, **options),
    }


class TestConsistency:
    def test_row_order_currency_and_inputs(self, quarters):
        revenue, bought = quarters
        kept = revenue.copy(), bought.copy()
        values = every_method(revenue, bought, **OPTIONS)
        again = every_method(7 * revenue[::-1], bought[::-1], **OPTIONS)
        for method, value in values.items():
            assert again[method].loc[value.index].to_numpy() == pytest.approx(7 * value.to_numpy(), rel=1e-5, abs=1e-6)
        pd.testing.assert_frame_equal(revenue, kept[0])
        pd.testing.assert_frame_equal(bought, kept[1])

    def test_one_margin_for_all_or_one_a_customer(self, quarters):
        revenue, bought = quarters
        share = pd.Series(np.linspace(0.2, 0.6, 200), index=revenue.index)
        single = every_method(revenue, bought, **OPTIONS)
        for method, value in every_method(revenue, bought, **OPTIONS, margin=share[::-1]).items():
            assert value.to_numpy() == pytest.approx((single[method] * share).to_numpy(), rel=1e-5, abs=1e-6)

    def test_discounting_lowers_and_a_longer_horizon_raises_every_value(self):
        revenue = table([[60.0, 80, 90, 70, 75]], "year")
        plain = every_method(revenue, revenue > 0, horizon_months=24, annual_discount_rate=0)
        discounted = every_method(revenue, revenue > 0, **OPTIONS)
        longer = every_method(revenue, revenue > 0, horizon_months=36, annual_discount_rate=0.21)
        for method in plain:
            assert plain[method].iloc[0] > discounted[method].iloc[0] > 0
            assert longer[method].iloc[0] > discounted[method].iloc[0]


class TestInputs:
    def test_all_problems_at_once(self, quarters):
        revenue, _ = quarters
        gap = revenue.rename_axis(columns=None).copy()
        gap.iloc[0] = [1, NAN, 1, 1, 1, 1, 1, 1]
        with pytest.raises(ParameterError, match="5 problems") as caught:
            naive_values(gap, horizon_months=0, annual_discount_rate=-1, margin=40)
        message = str(caught.value)
        for part in (
            "must be named for the period",
            "horizon_months",
            "annual_discount_rate",
            "1 do not (c000)",
            "goes up to 40",
        ):
            assert part in message

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"horizon_months": 10}, "one period of 3 or a whole number of them, and is 10"),
            ({"margin": pd.Series({"c000": 0.4})}, "margin lacks 199 customers"),
            (
                {"margin": pd.Series(0.4, index=["c000", *(f"c{number:03d}" for number in range(200))])},
                "more than once",
            ),
        ],
    )
    def test_options(self, quarters, options, message):
        with pytest.raises(ParameterError, match=message):
            profit_curve_values(quarters[0], **{**OPTIONS, **options})

    def test_a_year_is_needed_for_last_year_s_margin(self, quarters):
        with pytest.raises(ParameterError, match="12 months or more, and has 3 of 3"):
            naive_values(quarters[0].dropna().iloc[:, :3], **OPTIONS)
        with pytest.raises(ParameterError, match="retention_rate must lie between"):
            retention_values(quarters[0], retention_rate=1.2, **OPTIONS)


@pytest.fixture(scope="module")
def lines():
    return load_company().order_lines


class TestAllFour:
    TERMS: ClassVar = {"horizon_months": 12, "annual_discount_rate": 0.1, "margin": 0.4}

    def test_each_column_is_its_method_on_the_lines(self, lines):
        values = textbook_values(lines, as_of="2025-01-01", **self.TERMS)
        spent, years = (
            customer_periods(lines, as_of="2025-01-01", period=period, measure="revenue")
            for period in ("quarter", "year")
        )
        bought = customer_periods(lines, as_of="2025-01-01", period="quarter")
        rate = repurchase_rates(customer_periods(lines, as_of="2025-01-01", period="year"))["rate"].iloc[-1]
        expected = {
            "last year goes on": naive_values(spent, **self.TERMS),
            "retention": retention_values(years, retention_rate=rate, **self.TERMS),
            "migration": migration_values(spent, bought, rates=recency_purchase_rates(bought), **self.TERMS),
            "curve": profit_curve_values(spent, **self.TERMS),
        }
        assert list(values.columns) == list(expected)
        for name, column in expected.items():
            pd.testing.assert_series_equal(values[name], column, check_names=False)

    def test_half_years_and_short_histories_go_by_quarters(self, lines):
        spent = customer_periods(lines, as_of="2025-01-01", period="quarter", measure="revenue")
        terms = self.TERMS | {"horizon_months": 6}
        rate = repurchase_rates(customer_periods(lines, as_of="2025-01-01", period="year"))["rate"].iloc[-1] ** 0.25
        values = textbook_values(lines, as_of="2025-01-01", **terms)
        pd.testing.assert_series_equal(
            values["retention"], retention_values(spent, retention_rate=rate, **terms), check_names=False
        )
        short = textbook_values(lines, as_of="2023-12-20", **self.TERMS)
        spent, bought = (
            customer_periods(lines, as_of="2023-12-20", period="quarter", measure=measure)
            for measure in ("revenue", "purchase_days")
        )
        rate = repurchase_rates(bought)["rate"].iloc[-1]
        pd.testing.assert_series_equal(
            short["retention"], retention_values(spent, retention_rate=rate, **self.TERMS), check_names=False
        )

    def test_less_than_a_year_is_refused(self, lines):
        with pytest.raises(ParameterError, match="12 months or more"):
            textbook_values(lines, as_of="2023-06-01", **self.TERMS)
