"""Purchases by day of a group of customers, from any number of order lines."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd

from crm_utils.company.lines import collected, telling_what_was_read, used_lines


def daily_purchases(lines: Any, *, before: pd.Timestamp, first_before: pd.Timestamp, **columns: str) -> pd.DataFrame:
    """Count, day by day, the purchases of customers who first bought before a day.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines, with the rules of `crm_utils.purchase_summary`. Not modified.
    before : pandas.Timestamp
        Day from which on lines are not used.
    first_before : pandas.Timestamp
        Day from which on new customers are not counted, nor what they buy.
    **columns : str
        Names of columns (``customer_col``, ``amount_col``, …), as of `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame
        One row for each day with a purchase, in order: ``day``, ``customers`` who bought on it, and ``new_customers``,
        those for whom it was the first purchase.

    Raises
    ------
    CrmError
        As of `crm_utils.purchase_summary`; lines without any purchase give a frame without rows.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b", "c"], "customer_id": ["x", "x", "y"], "amount": [10.0, 20.0, 5.0],
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-15", "2025-01-15"])})
    >>> daily_purchases(lines, before=pd.Timestamp("2025-02-01"), first_before=pd.Timestamp("2025-02-01"))
             day  customers  new_customers
    0 2025-01-01          1              1
    1 2025-01-15          2              1
    """
    frame = used_lines(lines, before=before, **columns).frame
    purchases = frame.filter("bought").select("customer_id", "day").unique()
    first_day = nw.col("day").min().over("customer_id")
    limit = nw.lit(first_before.to_pydatetime() if frame.implementation.is_pandas_like() else first_before.date())
    by_day = (
        purchases.with_columns(first_day=first_day)
        .filter(nw.col("first_day") < limit)
        .with_columns(new_customers=(nw.col("day") == nw.col("first_day")).cast(nw.Int64), customers=nw.lit(1))
        .group_by("day")
        .agg(nw.col("customers", "new_customers").sum())
        .sort("day")
        .select("day", nw.col("customers", "new_customers").cast(nw.Int64))
    )
    with telling_what_was_read(lines):
        return collected(by_day).astype({"day": "datetime64[us]"})
