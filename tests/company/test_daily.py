"""Purchases by day: by hand, and the same rules and numbers as purchase_summary from every kind of frame."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from crm_utils.company.daily import daily_purchases
from crm_utils.company.summary import purchase_summary
from crm_utils.errors import CrmError

DAYS = {"before": pd.Timestamp("2025-04-01"), "first_before": pd.Timestamp("2025-02-01")}
KINDS = ["pandas", "polars", "polars-lazy", "duckdb", "parquet", "csv"]


def as_kind(kind, frame, folder):
    path = folder / f"lines.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    return {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "polars-lazy": pl.from_pandas(frame).lazy(),
        "duckdb": duckdb.from_df(frame),
    }.get(kind, path)


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(order_lines, tmp_path, kind):
    """Two orders of one day are one purchase, returns are none, and who only returns never was a customer."""
    expected = pd.DataFrame(
        {
            "day": pd.to_datetime(["2025-01-05", "2025-01-20", "2025-02-10", "2025-03-31"]).as_unit("us"),
            "customers": [1, 1, 1, 1],
            "new_customers": [1, 1, 0, 0],
        }
    )
    before = order_lines.copy()
    found = daily_purchases(as_kind(kind, order_lines, tmp_path), **DAYS)
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(order_lines, before)


def test_later_customers_are_left_out_with_all_they_buy(order_lines):
    found = daily_purchases(order_lines, before=DAYS["before"], first_before=pd.Timestamp("2025-01-20"))
    assert found["day"].dt.day.tolist() == [5, 10]
    assert found["new_customers"].sum() == 1


def test_days_from_before_on_are_not_used(order_lines):
    found = daily_purchases(order_lines, before=pd.Timestamp("2025-03-31"), first_before=DAYS["first_before"])
    assert found["day"].max() == pd.Timestamp("2025-02-10")


@pytest.mark.parametrize("kind", KINDS)
def test_sums_agree_with_the_purchase_summary(tmp_path, kind):
    rng = np.random.default_rng(5)
    lines = pd.DataFrame(
        {
            "order_id": rng.integers(0, 400, 900).astype(str),
            "customer_id": rng.choice([*map(str, range(60)), ""], 900),
            "ordered_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300 * 24, 900), unit="h"),
            "quantity": rng.integers(-1, 4, 900),
            "amount": rng.normal(20, 15, 900).round(2),
        }
    )
    lines.loc[::50, "amount"] = None
    end = pd.Timestamp("2024-10-01")
    found = daily_purchases(as_kind(kind, lines, tmp_path), before=end, first_before=end)
    summary = purchase_summary(lines, as_of=end)
    buyers = summary[summary["purchase_days"] > 0]
    assert found["customers"].sum() == summary["purchase_days"].sum()
    firsts = buyers.groupby("first_purchase").size()
    assert found.set_index("day")["new_customers"].loc[lambda new: new > 0].to_dict() == firsts.to_dict()


def test_lines_without_purchase_give_no_rows(order_lines):
    found = daily_purchases(order_lines.tail(2), **DAYS)
    assert found.columns.tolist() == ["day", "customers", "new_customers"]
    assert found.empty


def test_missing_columns_are_named(order_lines):
    with pytest.raises(CrmError, match="'customer_id'"):
        daily_purchases(order_lines.rename(columns={"customer_id": "who"}), **DAYS)
    named = daily_purchases(order_lines.rename(columns={"customer_id": "who"}), customer_col="who", **DAYS)
    pd.testing.assert_frame_equal(named, daily_purchases(order_lines, **DAYS))
