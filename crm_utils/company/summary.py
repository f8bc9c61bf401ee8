"""One row a customer from any number of order lines."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd

from crm_utils.company.company_yml import parse_as_of
from crm_utils.company.lines import collected, telling_what_was_read, used_lines
from crm_utils.errors import CrmError


def purchase_summary(
    lines: Any,
    *,
    as_of: Any,
    since: Any = None,
    customer_col: str = "customer_id",
    order_col: str = "order_id",
    time_col: str = "ordered_at",
    amount_col: str = "amount",
    quantity_col: str = "quantity",
    unit_price_col: str = "unit_price",
    discount_col: str = "discount",
    unit_cost_col: str = "unit_cost",
) -> pd.DataFrame:
    """Summarise order lines to one row a customer.

    The same expression runs on every kind of frame; a path is read by DuckDB in streams, so that the file may be
    larger than memory.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame (any that narwhals takes), str or pathlib.Path
        Order lines. A path may be a parquet, csv or csv.gz file, or a glob. Not modified.
    as_of : str or date
        Day of the analysis; lines on or after it are not used.
    since : str or date, optional
        First day that counts; lines before it are not used.
    customer_col, order_col, time_col : str
        Columns of customer, order and moment of the order (a date or a timestamp without zone). Of a csv file, customer
        and order are read as text.
    amount_col : str, default "amount"
        Money paid for the line. Where the column is absent, quantity × unit price × (1 − discount).
    quantity_col, unit_price_col, discount_col, unit_cost_col : str
        Optional columns: units, price of one, share taken off (0 to 1), cost of one.

    Returns
    -------
    pandas.DataFrame
        Sorted by customer, with the columns

        * customer_id
        * first_purchase, last_purchase : day; missing where there are only returns
        * orders : orders with at least one purchased line; an order whose lines carry different days counts on each
        * purchase_days : days with a purchase; orders of one day merge
        * units : units bought less units returned; missing without the column, and a line without quantity adds none
        * revenue : money paid less money returned
        * margin : revenue less unit costs; missing where a line of the customer lacks its quantity or unit cost
        * repeat_spend : money spent on purchase days after the first; returns are not deducted, since they belong to
          earlier purchases
        * days_since_last, age_days : days from the last and from the first purchase to `as_of`

    Raises
    ------
    CrmError
        If a needed column is absent, times are text or carry a zone, the file cannot be read, or there is no line in
        the period.

    Notes
    -----
    A line with a negative quantity or amount is a return: it reduces units, revenue and margin, and is no purchase.
    Lines without customer (missing or an empty text), with zero quantity or without an amount are not used;
    `load_company` counts the first two and refuses the third.
    With x = purchase_days − 1, t_x = age_days − days_since_last and T = age_days, the summary is what
    buy-till-you-die models need [1]_.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "a", "b", "c"], "customer_id": ["x", "x", "x", "x"],
    ...     "ordered_at": pd.to_datetime(["2025-01-05", "2025-01-05", "2025-03-01", "2025-03-09"]),
    ...     "amount": [10.0, 5.0, 20.0, -4.0]})
    >>> purchase_summary(lines, as_of="2025-04-01").loc[0, ["orders", "purchase_days", "revenue", "repeat_spend"]]
    orders            2.0
    purchase_days     2.0
    revenue          31.0
    repeat_spend     20.0
    Name: 0, dtype: float64
    """
    day = parse_as_of(as_of)
    if day is None:
        raise CrmError("purchase_summary needs as_of, the day of the analysis, such as as_of='2026-01-01'.")
    used = used_lines(
        lines,
        before=day,
        since=parse_as_of(since),
        customer_col=customer_col,
        order_col=order_col,
        time_col=time_col,
        amount_col=amount_col,
        quantity_col=quantity_col,
        unit_price_col=unit_price_col,
        discount_col=discount_col,
        unit_cost_col=unit_cost_col,
    )
    no_purchase = nw.lit(day.to_pydatetime() if used.frame.implementation.is_pandas_like() else day.date())
    # Order, then day, then customer: three plain group-bys beat counting distinct orders, on every engine.
    by_order = (
        used.frame.with_columns(spend=nw.when("bought").then("amount").otherwise(0.0))
        .group_by("customer_id", "day", "order")
        .agg(
            nw.col("bought").max(),
            nw.col("spend").sum(),
            *(nw.col(name).sum() for name in ("units", "amount", "margin")),
        )
    )
    by_day = (
        by_order.with_columns(orders=nw.col("bought").cast(nw.Int64))
        .group_by("customer_id", "day")
        .agg(nw.col("bought").max(), *(nw.col(name).sum() for name in ("orders", "spend", "units", "amount", "margin")))
    )
    # A day with nothing but returns must not come first.
    purchase_day = nw.when("bought").then("day")
    by_day = by_day.with_columns(
        purchase_day=purchase_day,
        order_of_day=purchase_day.otherwise(no_purchase),
        purchase_days=nw.col("bought").cast(nw.Int64),
    )
    if by_day.implementation.is_pyspark():
        # narwhals has no ordered first() for Spark; a window finds the same number, at the price of a sort.
        first_day = nw.col("order_of_day").min().over("customer_id")
        by_day = by_day.with_columns(first_day=first_day).with_columns(
            first_spend=nw.when(nw.col("day") == nw.col("first_day")).then("spend").otherwise(0.0)
        )
        first_spend = nw.col("first_spend").sum()
    else:
        first_spend = nw.col("spend").first(order_by="order_of_day").alias("first_spend")
    by_customer = by_day.group_by("customer_id").agg(
        nw.col("purchase_day").min().alias("first_purchase"),
        nw.col("purchase_day").max().alias("last_purchase"),
        first_spend,
        *(nw.col(name).sum() for name in ("orders", "purchase_days", "units", "amount", "margin", "spend")),
    )
    unknown = nw.lit(None, nw.Float64)
    finished = by_customer.sort("customer_id").select(
        "customer_id",
        "first_purchase",
        "last_purchase",
        nw.col("orders", "purchase_days").cast(nw.Int64),
        nw.col("units") if used.has_units else unknown.alias("units"),
        nw.col("amount").alias("revenue"),
        nw.when(nw.col("margin").is_finite()).then("margin").alias("margin")
        if used.has_margin
        else unknown.alias("margin"),
        # Sums of binary fractions would leave dust where there was no repeat purchase at all.
        repeat_spend=nw.when(nw.col("purchase_days") > 1).then(nw.col("spend") - nw.col("first_spend")).otherwise(0.0),
    )
    with telling_what_was_read(lines):
        summary = collected(finished)
    if summary.empty:
        raise CrmError(f"No order line with a customer lies in the period before {day:%Y-%m-%d}: choose another as_of.")
    for name, days in (("last_purchase", "days_since_last"), ("first_purchase", "age_days")):
        summary[name] = summary[name].astype("datetime64[us]")
        summary[days] = (day - summary[name]).dt.days.astype("float64")
    return summary
