"""The first look: sizes, keys, revenue by period."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_utils.company.load import Company
from crm_utils.company.overview import key_coverage, plot_revenue_over_time, revenue_over_time, table_overview
from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text


@pytest.fixture
def company(order_lines):
    customers = pd.DataFrame({"customer_id": ["ann", "bob", "dan"], "city": ["x", None, "y"]})
    calls = pd.DataFrame(
        {
            "interaction_id": ["1", "2"],
            "started_at": ["2025-03-01"] * 2,
            "channel": "phone",
            "customer_id": ["ann", None],
        }
    )
    return Company.from_frames({"customers": customers, "order_lines": order_lines, "interactions": calls})


def test_overview_counts_rows_gaps_and_periods(company):
    overview = table_overview(company).set_index("table")
    assert overview["rows"].to_dict() == {"customers": 3, "order_lines": 8, "interactions": 2}
    assert overview.loc["customers", "missing_share"] == pytest.approx(1 / 6)
    assert pd.isna(overview.loc["customers", "first_event"])
    assert overview.loc["order_lines", "last_event"] == pd.Timestamp("2025-03-31")


def test_coverage_of_the_customer_id(company):
    coverage = key_coverage(company).set_index("table")
    assert coverage.loc["order_lines", ["customers", "known_customers"]].tolist() == [3, 2]
    assert coverage.loc["interactions", "share_with_id"] == pytest.approx(0.5)


def test_rows_that_were_set_aside_for_want_of_a_customer_count_as_without_one(order_lines):
    nameless = order_lines.assign(customer_id=order_lines["customer_id"].where(order_lines["customer_id"] != "cai"))
    coverage = key_coverage(Company.from_frames({"order_lines": nameless}))
    assert coverage["share_with_id"].tolist() == pytest.approx([7 / 8])


def test_customers_who_join_after_the_day_are_known_all_the_same(order_lines):
    customers = pd.DataFrame({"customer_id": ["ann", "bob", "cai"], "joined_at": ["2025-01-01", "2030-01-01", None]})
    company = Company.from_frames({"customers": customers, "order_lines": order_lines}, as_of="2025-04-01")
    assert key_coverage(company)["known_share"].tolist() == [1.0]


def test_without_a_customer_table_nobody_is_known_or_unknown(order_lines):
    assert key_coverage(Company.from_frames({"order_lines": order_lines}))["known_share"].isna().all()


def test_revenue_by_month_by_hand(order_lines):
    table = revenue_over_time(order_lines, as_of="2025-04-01")
    assert table["revenue"].tolist() == pytest.approx([76.0, 40.0, -20.0])
    assert table["returned"].tolist() == pytest.approx([0.0, 20.0, 30.0])
    assert table["orders"].tolist() == [3, 1, 1]
    assert table["customers"].tolist() == [2, 1, 1]
    assert table["complete"].tolist() == [False, True, True]  # the first line is of 5 January


@pytest.mark.parametrize(("period", "rows"), [("month", 3), ("quarter", 1), ("year", 1)])
def test_revenue_is_conserved_over_any_period(order_lines, period, rows):
    table = revenue_over_time(order_lines, as_of="2025-04-01", period=period)
    assert len(table) == rows
    assert table["revenue"].sum() == pytest.approx(order_lines["amount"].sum())


def test_a_month_without_sales_is_a_zero_not_a_gap(order_lines):
    lines = order_lines[order_lines["ordered_at"].dt.month != 2]
    assert revenue_over_time(lines, as_of="2025-04-01")["revenue"].tolist() == pytest.approx([76.0, 0.0, -20.0])


def test_the_month_of_the_analysis_is_not_complete(order_lines):
    assert not revenue_over_time(order_lines, as_of="2025-03-31")["complete"].iloc[-1]


def test_an_unknown_period(order_lines):
    with pytest.raises(ParameterError, match="'week'; use one of month, quarter, year"):
        revenue_over_time(order_lines, as_of="2025-04-01", period="week")


def test_the_figure_draws_the_table(order_lines):
    table = revenue_over_time(order_lines, as_of="2025-04-01")
    figure, ax = plt.subplots()
    assert plot_revenue_over_time(table, currency="EUR", ax=ax) is ax
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(table["revenue"].tolist())
    assert "EUR" in ax.get_ylabel()
    assert "began on 2025-02-01 with 40" in alt_text(figure)
    plt.close(figure)
