"""Customers by period: the grid by hand and against the purchase summary, and rates of buying again by counting."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import purchase_summary
from crm_utils.errors import CrmError, ParameterError
from crm_utils.lifetime.periods import customer_periods, recency_purchase_rates, repurchase_rates, whole_periods

MEASURES = ["purchase_days", "revenue", "margin"]


@pytest.fixture(scope="module")
def many_lines():
    """Three years of 300 customers, with returns and several orders a day."""
    rng = np.random.default_rng(5)
    customer = rng.integers(0, 300, 4000)
    day = rng.integers(0, 1096, 4000) // (1 + customer % 3)
    back = rng.random(4000) < 0.08
    quantity = np.where(back, -1.0, rng.integers(1, 4, 4000))
    return pd.DataFrame(
        {
            "order_id": np.arange(4000),
            "customer_id": [f"c{number:03d}" for number in customer],
            "ordered_at": pd.Timestamp("2023-01-01 15:00") + pd.to_timedelta(day, unit="D"),
            "quantity": quantity,
            "amount": quantity * rng.gamma(2, 10, 4000),
            "unit_cost": rng.gamma(2, 4, 4000),
        }
    )


class TestGrid:
    def test_by_hand(self, order_lines):
        days = customer_periods(order_lines, as_of="2025-04-01", period="month")
        # Cai only gave something back; Ann's two orders of one day are one purchase, and Bob's came at the last minute.
        assert days.index.tolist() == ["ann", "bob"]
        assert days.columns.tolist() == list(pd.to_datetime(["2025-01-01", "2025-02-01", "2025-03-01"]))
        assert days.to_numpy().tolist() == [[1, 1, 0], [1, 0, 1]]
        revenue = customer_periods(order_lines, as_of="2025-04-01", period="month", measure="revenue")
        assert revenue.to_numpy().tolist() == [[31, 40, 0], [45, 0, 10]]

    def test_periods_are_counted_back_from_as_of(self, order_lines):
        days = customer_periods(order_lines, as_of="2025-02-13", period="month")
        assert days.columns.tolist() == list(pd.to_datetime(["2024-12-13", "2025-01-13"]))
        assert days.loc["ann"].tolist() == [1, 1]
        assert np.isnan(days.loc["bob"].iloc[0])
        assert days.columns.name == "month"
        ends = customer_periods(order_lines, as_of="2025-03-31", period="month").columns
        assert ends.tolist() == list(pd.to_datetime(["2024-12-31", "2025-01-31", "2025-02-28"]))

    def test_a_day_on_the_border_belongs_to_the_period_it_begins(self):
        lines = pd.DataFrame(
            {
                "order_id": [1, 2, 3],
                "customer_id": "x",
                "amount": 5.0,
                "ordered_at": pd.to_datetime(["2024-10-01 00:00", "2024-12-31 23:59", "2025-01-01 00:00"]),
            }
        )
        days = customer_periods(lines, as_of="2025-04-01")
        assert days.columns.tolist() == list(pd.to_datetime(["2024-10-01", "2025-01-01"]))
        assert days.to_numpy().tolist() == [[2, 1]]

    def test_a_return_before_the_first_purchase_counts_with_it(self):
        lines = pd.DataFrame(
            {
                "order_id": [1, 2],
                "customer_id": "x",
                "amount": [-5.0, 20.0],
                "ordered_at": pd.to_datetime(["2025-01-05", "2025-03-05"]),
            }
        )
        revenue = customer_periods(lines, as_of="2025-04-01", period="month", measure="revenue")
        assert revenue.iloc[0].tolist()[-1] == 15
        assert revenue.iloc[0].isna().tolist() == [True, True, False]

    @pytest.mark.parametrize("period", ["month", "quarter", "year"])
    @pytest.mark.parametrize("measure", MEASURES)
    def test_adds_up_to_the_purchase_summary(self, many_lines, period, measure):
        table = customer_periods(many_lines, as_of="2026-01-01", period=period, measure=measure)
        summary = purchase_summary(many_lines, as_of="2026-01-01").set_index("customer_id")
        summary = summary[summary["purchase_days"] > 0]
        assert table.index.tolist() == summary.index.tolist()
        assert table.sum(axis=1).to_numpy() == pytest.approx(summary[measure].to_numpy())
        first = table.notna().idxmax(axis=1)
        months = {"month": 1, "quarter": 3, "year": 12}[period]
        assert (first <= summary["first_purchase"]).all()
        assert (summary["first_purchase"] < first + pd.DateOffset(months=months)).all()

    def test_same_from_duckdb_polars_and_any_order(self, many_lines, tmp_path):
        import polars as pl

        table = customer_periods(many_lines, as_of="2026-01-01", measure="revenue")
        path = tmp_path / "lines.parquet"
        many_lines.to_parquet(path)
        for lines in (path, pl.from_pandas(many_lines), many_lines.sample(frac=1, random_state=1)):
            other = customer_periods(lines, as_of="2026-01-01", measure="revenue")
            pd.testing.assert_frame_equal(other, table, check_index_type=False, check_exact=False)

    def test_inputs_are_not_modified(self, order_lines):
        kept = order_lines.copy()
        customer_periods(order_lines, as_of="2025-04-01")
        pd.testing.assert_frame_equal(order_lines, kept)

    def test_input_checks(self, order_lines):
        with pytest.raises(ParameterError, match="3 problems"):
            customer_periods(order_lines, as_of="soon", period="week", measure="profit")
        with pytest.raises(CrmError, match="No purchase lies before 2025-01-06"):
            customer_periods(order_lines.assign(ordered_at=order_lines["ordered_at"].min()).tail(1), as_of="2025-01-06")
        with pytest.raises(CrmError, match="lack quantity or unit cost"):
            customer_periods(order_lines.drop(columns="unit_cost"), as_of="2025-04-01", measure="margin")
        unknown = order_lines.assign(unit_cost=order_lines["unit_cost"].where(order_lines["order_id"] != "o3"))
        with pytest.raises(CrmError, match="margin of 1 customer days is not known"):
            customer_periods(unknown, as_of="2025-04-01", measure="margin")


class TestRates:
    def test_recency_by_hand(self):
        purchases = pd.DataFrame(
            [
                [1, 0, 2, 0, 0, 1],
                [np.nan, 3, 1, 1, 0, 0],
                [1, 0, 0, 0, 0, 0],
                [np.nan, np.nan, np.nan, np.nan, np.nan, 1],
            ]
        )
        rates = recency_purchase_rates(purchases, states=2)
        # First: 1→no, 2→yes, 1→no, 2→no, gone→yes; second: yes, yes, no, no; third: never again; fourth: just come.
        assert rates["state"].tolist() == ["1", "2", "gone"]
        assert rates["customers"].tolist() == [6, 4, 4]
        assert rates["bought"].tolist() == [2, 1, 1]
        assert rates["rate"].tolist() == pytest.approx([1 / 3, 1 / 4, 1 / 4])
        low, high = proportion_confint(2, 6, alpha=0.1, method="wilson")
        state = recency_purchase_rates(purchases, states=2, level=0.9).iloc[0]
        assert [state["low"], state["high"]] == pytest.approx([low, high])

    def test_states_that_nobody_was_in_have_no_rate(self):
        rates = recency_purchase_rates(pd.DataFrame([[1, 1, 1]]), states=3)
        assert rates["customers"].tolist() == [2, 0, 0, 0]
        assert rates["rate"].isna().tolist() == [False, True, True, True]
        assert rates["low"].isna().tolist() == [False, True, True, True]

    def test_recovers_a_planted_chain(self):
        truth, rng = np.array([0.6, 0.3, 0.1]), np.random.default_rng(8)
        silence, bought = np.ones(4000, dtype=int), [np.ones(4000)]
        for _ in range(11):
            chance = np.where(silence <= 3, truth[np.minimum(silence, 3) - 1], 0)
            buys = rng.random(4000) < chance
            silence = np.where(buys, 1, silence + 1)
            bought.append(buys)
        rates = recency_purchase_rates(pd.DataFrame(np.column_stack(bought)), states=3, level=0.99)
        assert (rates["low"].iloc[:3] < truth).all()
        assert (rates["high"].iloc[:3] > truth).all()
        assert rates["bought"].iloc[3] == 0

    def test_first_state_is_the_repurchase_rate_of_all_periods(self, many_lines):
        purchases = customer_periods(many_lines, as_of="2026-01-01")
        by_period = repurchase_rates(purchases)
        first = recency_purchase_rates(purchases).iloc[0]
        assert first["customers"] == by_period["customers"].sum()
        assert first["bought"] == by_period["bought_again"].sum()
        assert by_period["period"].tolist() == purchases.columns[:-1].tolist()

    def test_repurchase_by_hand(self):
        purchases = pd.DataFrame([[1, 1, 0], [1, 0, 0], [np.nan, 2, 1]])
        rates = repurchase_rates(purchases)
        assert rates["customers"].tolist() == [2, 2]
        assert rates["bought_again"].tolist() == [1, 1]
        assert rates["rate"].tolist() == [0.5, 0.5]

    def test_order_of_customers_and_inputs(self, many_lines):
        purchases = customer_periods(many_lines, as_of="2026-01-01")
        kept = purchases.copy()
        pd.testing.assert_frame_equal(recency_purchase_rates(purchases), recency_purchase_rates(purchases[::-1]))
        pd.testing.assert_frame_equal(repurchase_rates(purchases), repurchase_rates(purchases[::-1]))
        pd.testing.assert_frame_equal(purchases, kept)

    def test_input_checks(self):
        with pytest.raises(ParameterError, match="3 problems"):
            recency_purchase_rates(pd.DataFrame([[1]]), states=0, level=1)
        with pytest.raises(ParameterError, match="at least two periods"):
            repurchase_rates(pd.DataFrame([[1]]))


class TestWholePeriods:
    def lines(self, first):
        return pd.DataFrame(
            {
                "order_id": ["a", "b"],
                "customer_id": ["x", "x"],
                "ordered_at": pd.to_datetime([first, "2025-06-01"]),
                "amount": [10.0, 20.0],
            }
        )

    @pytest.mark.parametrize(("first", "columns"), [("2024-01-20", 2), ("2024-02-10", 1), ("2024-12-30", 1)])
    def test_a_first_period_that_is_mostly_before_the_first_sale_is_left_out(self, first, columns):
        lines = self.lines(first)
        years = customer_periods(lines, as_of="2026-01-01", period="year")
        whole = whole_periods(years, lines, as_of="2026-01-01")
        assert years.shape[1] == 2
        assert whole.shape == (1, columns)
        assert whole.columns.name == "year"
        assert whole.columns[-1] == years.columns[-1]
