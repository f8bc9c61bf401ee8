"""A first look at a company: its tables, how they hang together, and revenue over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.company.company import NO_CUSTOMER, Company, is_return
from crm_utils.company.contract import TABLES, event_columns
from crm_utils.errors import ParameterError
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERIODS = {"month": "MS", "quarter": "QS", "year": "YS"}


def table_overview(company: Company) -> pd.DataFrame:
    """List a company's tables: size, period, gaps.

    Parameters
    ----------
    company : Company
        The company; every table is read.

    Returns
    -------
    pandas.DataFrame
        One row a table: table, meaning (of one row), rows, columns, first_event and last_event (missing where nothing
        is dated), missing_share (share of blank cells among the columns of the contract).
    """
    rows = []
    for name in company.tables:
        table, spec = company.table(name), TABLES[name]
        events = [table[column] for column in event_columns(name, table.columns)]
        moments = pd.concat(events).dropna() if events else pd.Series(dtype="datetime64[us]")
        known = table[[column for column in spec.columns if column in table]]
        rows.append(
            (
                name,
                spec.meaning,
                len(table),
                table.shape[1],
                moments.min() if len(moments) else pd.NaT,
                moments.max() if len(moments) else pd.NaT,
                float(known.isna().to_numpy().mean()) if known.size else np.nan,
            )
        )
    columns = ["table", "meaning", "rows", "columns", "first_event", "last_event", "missing_share"]
    overview = pd.DataFrame(rows, columns=columns)
    for name in ("first_event", "last_event"):
        overview[name] = pd.to_datetime(overview[name]).dt.normalize()
    return overview


def key_coverage(company: Company) -> pd.DataFrame:
    """Tell how well the tables fit together through the customer id.

    Parameters
    ----------
    company : Company
        The company.

    Returns
    -------
    pandas.DataFrame
        One row a table with a customer id, other than ``customers``: table, share_with_id (rows that name a
        customer, of all rows read), customers (different ids), known_customers (of those, in the table ``customers``;
        missing without that table), known_share.
    """
    known = company.customer_ids if company.has("customers") else None
    aside = company.set_aside
    nameless = aside[aside["reason"] == NO_CUSTOMER].set_index("table")["rows"]
    rows = []
    for name in company.tables:
        table = company.table(name)
        if name == "customers" or "customer_id" not in table:
            continue
        ids = table["customer_id"].dropna()
        total = len(table) + nameless.get(name, 0)
        different = ids.unique()
        found = np.nan if known is None else float(sum(customer in known for customer in different))
        share = found / len(different) if len(different) else np.nan
        rows.append((name, len(ids) / total if total else np.nan, len(different), found, share))
    columns = ["table", "share_with_id", "customers", "known_customers", "known_share"]
    return pd.DataFrame(rows, columns=columns)


def revenue_over_time(lines: pd.DataFrame, *, as_of: Any, period: str = "month") -> pd.DataFrame:
    """Add up revenue by calendar period.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines with customer_id, order_id, ordered_at and amount.
    as_of : str or date
        Day of the analysis; lines on or after it are not used.
    period : {"month", "quarter", "year"}, default "month"
        Calendar period.

    Returns
    -------
    pandas.DataFrame
        One row a period, none left out: period (its first day), revenue (returns deducted), returned (money given
        back, positive), orders, customers (who bought), complete (False where the period is cut by the first line or
        by `as_of`, so that it must not be compared with whole ones).

    Raises
    ------
    ParameterError
        If the period is unknown.
    """
    if period not in _PERIODS:
        raise ParameterError(f"period is {period!r}; use one of {', '.join(_PERIODS)}.")
    day = pd.Timestamp(as_of)
    lines = lines[lines["ordered_at"] < day]
    start = lines["ordered_at"].dt.to_period(_PERIODS[period][0]).dt.start_time
    returned = is_return(lines)
    bought = lines[~returned].groupby(start[~returned])
    table = pd.DataFrame(
        {
            "revenue": lines.groupby(start)["amount"].sum(),
            "returned": -lines[returned].groupby(start[returned])["amount"].sum(),
            "orders": bought["order_id"].nunique(),
            "customers": bought["customer_id"].nunique(),
        }
    )
    if len(table):
        table = table.reindex(pd.date_range(table.index.min(), table.index.max(), freq=_PERIODS[period]))
    table = table.fillna(0.0).astype({"orders": int, "customers": int}).rename_axis("period").reset_index()
    ends = table["period"] + pd.tseries.frequencies.to_offset(_PERIODS[period])
    first = lines["ordered_at"].min().normalize() if len(lines) else day
    table["complete"] = (table["period"] >= first) & (ends <= day)
    table.attrs["period"] = period
    return table


def plot_revenue_over_time(table: pd.DataFrame, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """Draw revenue by period; periods that are not complete are pale.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `revenue_over_time`.
    currency : str, optional
        For the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import StrMethodFormatter

    ax = new_axes(ax)
    colors = [PALETTE[0] if complete else MUTED for complete in table["complete"]]
    width = 0.8 * table["period"].diff().median() if len(table) > 1 else pd.Timedelta(days=24)
    ax.bar(table["period"], table["revenue"], width=width, align="edge", color=colors)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.grid(visible=False, axis="x")
    period = tr(table.attrs.get("period", "period"))
    ax.set(
        title=tr("Revenue by {period}").format(period=period),
        ylabel=tr("Revenue ({unit})").format(unit=currency or tr("money")),
    )
    whole = table[table["complete"]]
    text = tr("Bars of revenue in {n} periods.").format(n=len(table))
    if len(whole):
        best = whole.loc[whole["revenue"].idxmax()]
        text += " " + tr("The highest complete one began on {day} with {revenue}.").format(
            day=f"{best['period']:%Y-%m-%d}", revenue=f"{best['revenue']:,.0f}"
        )
    if not table["complete"].all():
        text += " " + tr("Pale bars are periods that are not complete.")
    return describe(ax, text)


def provenance(company: Company) -> pd.DataFrame:
    """Say which data and which versions a notebook's numbers come from.

    Parameters
    ----------
    company : Company
        The company analysed.

    Returns
    -------
    pandas.DataFrame
        Columns what and value.
    """
    from importlib.metadata import version
    from platform import python_version

    packages = ("crm_utils", "pandas", "numpy", "statsmodels", "scikit-learn", "duckdb")
    day = "" if pd.isna(company.as_of) else f"{company.as_of:%Y-%m-%d}"
    rows = [
        (tr("company"), company.name),
        (tr("day of the analysis"), day),
        (tr("SHA-256 of the data"), company.data_hash[:16] + "…"),
        ("Python", python_version()),
        *((package, version(package)) for package in packages),
    ]
    return pd.DataFrame(rows, columns=["what", "value"])
