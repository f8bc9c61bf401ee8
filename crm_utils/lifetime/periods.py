"""What every customer did period by period, and how often a purchase follows upon a purchase or upon silence."""

from __future__ import annotations

from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd

from crm_utils.checks import as_day, count_problems, level_problems, raise_problems
from crm_utils.company import purchase_summary
from crm_utils.company.lines import collected, telling_what_was_read, used_lines
from crm_utils.errors import CrmError
from crm_utils.intervals import wilson

MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}
_COLUMN_OF = {"purchase_days": "bought", "revenue": "amount", "margin": "margin"}


def customer_periods(
    lines: Any,
    *,
    as_of: Any,
    period: Literal["month", "quarter", "year"] = "quarter",
    measure: Literal["purchase_days", "revenue", "margin"] = "purchase_days",
    **columns: str,
) -> pd.DataFrame:
    """Spread what customers did over periods of equal length that end with `as_of`.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines as `crm_utils.purchase_summary` takes them, and with its rules. Not modified.
    as_of : date-like
        First day that is not known any more; the last period ends the day before.
    period : {"month", "quarter", "year"}, default "quarter"
        Length of a period, in calendar months counted back from `as_of`.
    measure : {"purchase_days", "revenue", "margin"}, default "purchase_days"
        Days with a purchase; money paid less money returned; or that less unit costs.
    **columns : str
        Names of columns (``customer_col``, ``amount_col``, …), handed to `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame, shape (customers, periods)
        One row a customer who has bought, sorted, and one column a period, named by its first day; 0 where nothing
        happened, NaN before the period of the customer's first purchase. The axis of the columns bears the name of
        the period. A return before the first purchase counts in the period of that purchase. The earliest period may
        reach back before the first line.

    Raises
    ------
    ParameterError
        If an option is not known or `as_of` is no day, with every problem.
    CrmError
        If the lines cannot be read, nobody bought before `as_of`, or a line lacks what its margin is made of.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b", "c", "d"], "customer_id": ["x", "x", "y", "x"], "amount": [10.0, 20.0, 5.0, 8.0],
    ...     "ordered_at": pd.to_datetime(["2025-01-05", "2025-01-15", "2025-05-08", "2025-12-03"])})
    >>> customer_periods(lines, as_of="2026-01-01")
    quarter      2025-01-01  2025-04-01  2025-07-01  2025-10-01
    customer_id
    x                   2.0         0.0         0.0         1.0
    y                   NaN         1.0         0.0         0.0
    """
    problems: list[str] = []
    for name, given, known in (("period", period, MONTHS_IN), ("measure", measure, _COLUMN_OF)):
        if given not in known:
            problems.append(f"{name} must be one of {', '.join(known)}, and is {given!r}")
    day = as_day(as_of, "as_of", problems)
    raise_problems("customer_periods", problems)

    used = used_lines(lines, before=day, **columns)
    if measure == "margin" and not used.has_margin:
        raise CrmError("Order lines lack quantity or unit cost: use revenue and a share of it instead of margin.")
    by_day = used.frame.group_by("customer_id", "day").agg(nw.col("bought").max(), nw.col("amount", "margin").sum())
    with telling_what_was_read(lines):
        days = collected(by_day)
    if not days["bought"].any():
        raise CrmError(f"No purchase lies before {day:%Y-%m-%d}: choose a later as_of.")
    amounts = days[_COLUMN_OF[measure]].to_numpy(dtype=float)
    if np.isinf(amounts).any():
        raise CrmError(
            f"The margin of {np.isinf(amounts).sum():,} customer days is not known, since lines lack quantity or unit "
            "cost: fill them in, or use revenue and a share of it."
        )
    moments = pd.to_datetime(days["day"]).to_numpy()
    starts = _period_starts(moments.min(), day, MONTHS_IN[period])
    customer, names = pd.factorize(days["customer_id"], sort=True)
    place = np.searchsorted(starts, moments, side="right") - 1
    bought = days["bought"].to_numpy(dtype=bool)
    first = np.full(len(names), len(starts))
    np.minimum.at(first, customer[bought], place[bought])
    # Who only returned things has no first purchase, and no row.
    place = np.maximum(place, first[customer])
    counted = place < len(starts)
    size = len(names), len(starts)
    cells = np.bincount(
        np.ravel_multi_index((customer[counted], place[counted]), size), amounts[counted], np.prod(size)
    )
    cells = cells.reshape(size)
    cells[np.arange(len(starts)) < first[:, None]] = np.nan
    table = pd.DataFrame(cells, pd.Index(names, name="customer_id"), pd.DatetimeIndex(starts, name=period))
    return table[first < len(starts)]


def whole_periods(table: pd.DataFrame, lines: Any, *, as_of: Any, **columns: str) -> pd.DataFrame:
    """Leave out a first period that had begun long before the first purchase: it is not a whole one.

    Parameters
    ----------
    table : pandas.DataFrame
        From `customer_periods`.
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        The order lines it comes from.
    as_of : date-like
        As given there.
    **columns : str
        Names of columns, as given there.

    Returns
    -------
    pandas.DataFrame
        The table, without its first column where more than a twelfth of that period lay before the first purchase.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b"], "customer_id": ["x", "x"], "amount": [10.0, 20.0],
    ...     "ordered_at": pd.to_datetime(["2024-11-20", "2025-06-01"])})
    >>> years = customer_periods(lines, as_of="2026-01-01", period="year")
    >>> years.shape, whole_periods(years, lines, as_of="2026-01-01").shape
    ((1, 2), (1, 1))
    """
    first = purchase_summary(lines, as_of=as_of, **columns)["first_purchase"].min()
    begins = table.columns[0]
    ends = table.columns[1] if table.shape[1] > 1 else as_day(as_of, "as_of", [])
    return table if first - begins <= (ends - begins) / 12 else table.iloc[:, 1:]


def repurchase_rates(purchase_periods: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Share of the customers of each period who bought again in the next: the retention rate, seen from purchases.

    Parameters
    ----------
    purchase_periods : pandas.DataFrame, shape (customers, periods)
        Purchases of each customer by period, the earliest first, such as of `customer_periods`.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a period but the last: ``period`` (its name), ``customers`` who bought in it, ``bought_again`` in the
        next, ``rate`` and its Wilson interval ``low``, ``high`` (NaN where nobody bought).

    Raises
    ------
    ParameterError
        If there are fewer than two periods, or the level is out of range.

    References
    ----------
    Dwyer, F. R. (1989). Customer lifetime valuation to support marketing decision making. *Journal of Direct
    Marketing* 3(4), 8–15.

    Examples
    --------
    >>> purchases = pd.DataFrame({"2023": [1, 2, 1], "2024": [1, 0, 3], "2025": [0, 1, 1]}, index=list("abc"))
    >>> repurchase_rates(purchases)[["period", "customers", "bought_again", "rate"]].round(2)
      period  customers  bought_again  rate
    0   2023          3             2  0.67
    1   2024          2             1  0.50
    """
    bought = _bought(purchase_periods, "repurchase_rates", level_problems(level))
    customers = bought[:, :-1].sum(axis=0)
    again = (bought[:, :-1] & bought[:, 1:]).sum(axis=0)
    return pd.DataFrame(
        {"period": purchase_periods.columns[:-1], "customers": customers, "bought_again": again}
        | _with_interval(again, customers, level)
    )


def recency_purchase_rates(purchase_periods: pd.DataFrame, *, states: int = 6, level: float = 0.95) -> pd.DataFrame:
    """Share of customers who buy in a period, by how many periods ago they last bought.

    The rates of states 1 to `states` are what `recency_chain` takes. State 1 alone, those who bought in the period
    before, is the retention rate over all periods. The last row, ``gone``, is what the chain leaves out: how many of
    those given up for lost buy again after all.

    Parameters
    ----------
    purchase_periods : pandas.DataFrame, shape (customers, periods)
        Purchases of each customer by period, the earliest first, such as of `customer_periods`. A customer counts
        from the period after the first purchase.
    states : int, default 6
        Periods of silence after which a customer is taken to be gone, at least 1.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a state, ``"1"`` to ``"states"`` and ``"gone"``: ``state``, ``customers`` in it, each once a period,
        ``bought`` (those who bought in the period), ``rate`` and its Wilson interval ``low``, ``high`` (NaN where
        nobody was in the state). The interval takes the periods of one customer for those of different customers, and
        is too narrow where few customers make up many periods.

    Raises
    ------
    ParameterError
        If there are fewer than two periods, or an option is out of range.

    References
    ----------
    Dwyer, F. R. (1989). Customer lifetime valuation to support marketing decision making. *Journal of Direct
    Marketing* 3(4), 8–15. The migration model.
    Berger, P. D. & Nasr, N. I. (1998). Customer lifetime value: marketing models and applications. *Journal of
    Interactive Marketing* 12(1), 17–30. Case 4.

    Examples
    --------
    >>> purchases = pd.DataFrame([[1, 0, 0, 1], [2, 1, 0, 0], [None, 1, 1, 0]])
    >>> recency_purchase_rates(purchases, states=2)[["state", "customers", "bought", "rate"]].round(2)
      state  customers  bought  rate
    0     1          5       2   0.4
    1     2          2       0   0.0
    2  gone          1       1   1.0
    """
    problems = level_problems(level) + count_problems("states", states, least=1)
    bought = _bought(purchase_periods, "recency_purchase_rates", problems)
    silence = silent_periods(bought)[:, :-1]
    known = silence > 0
    state = np.minimum(silence[known], states + 1)
    customers = np.bincount(state, minlength=states + 2)[1:]
    buyers = np.bincount(state[bought[:, 1:][known]], minlength=states + 2)[1:]
    return pd.DataFrame(
        {"state": [*map(str, range(1, states + 1)), "gone"], "customers": customers, "bought": buyers}
        | _with_interval(buyers, customers, level)
    )


def silent_periods(bought: np.ndarray) -> np.ndarray:
    """At the end of each period, periods since the last purchase: 1 for a purchase in it, 0 before the first."""
    period = np.arange(bought.shape[1])
    last = np.maximum.accumulate(np.where(bought, period, -1), axis=1)
    return np.where(last >= 0, period - last + 1, 0)


def _period_starts(earliest: np.datetime64, as_of: pd.Timestamp, months: int) -> np.ndarray:
    """First days of the periods that end with `as_of`, back to the one that holds `earliest`."""
    # Each counted from as_of, so that a month without its day moves no other.
    starts = [as_of - pd.DateOffset(months=months)]
    while starts[-1] > earliest:
        starts.append(as_of - pd.DateOffset(months=months * (len(starts) + 1)))
    return pd.DatetimeIndex(starts[::-1]).as_unit("us").to_numpy()


def _bought(purchase_periods: pd.DataFrame, where: str, problems: list[str]) -> np.ndarray:
    if purchase_periods.shape[1] < 2:
        problems.append(f"purchase_periods must have at least two periods, and have {purchase_periods.shape[1]}")
    raise_problems(where, problems)
    return purchase_periods.to_numpy(dtype=float) > 0


def _with_interval(successes: np.ndarray, trials: np.ndarray, level: float) -> dict[str, np.ndarray]:
    low, high = wilson(successes, trials, level=level)
    rate = np.divide(successes, trials, out=np.full(len(trials), np.nan), where=trials > 0)
    return {"rate": rate, "low": low, "high": high}
