"""Cohort retention: of those who joined, or first bought, in one period, how many are still there k periods later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, level_problems, missing_columns, raise_problems
from crm_utils.churn.spells import PERIOD_MONTHS, calendar_periods, period_starts, read_spells
from crm_utils.company.lines import collected, telling_what_was_read, used_lines
from crm_utils.errors import DataFloorError
from crm_utils.intervals import wilson
from crm_utils.language import tr
from crm_utils.plotting import describe, draw_heatmap, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("cohort", "age", "at_risk", "retained", "rate", "low", "high", "partial")
_CELLS_WITH_NUMBERS = 200
_TICKS = 16


def retention_triangle(
    memberships: pd.DataFrame,
    *,
    as_of: Any,
    cohort: str = "quarter",
    period: str | None = None,
    level: float = 0.95,
    customer_col: str = "customer_id",
    started_col: str = "started_at",
    ended_col: str = "ended_at",
) -> pd.DataFrame:
    """Share of each joining cohort that is still a member on the first day of the k-th period after joining.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a spell; a customer who comes back begins anew.
    as_of : date-like
        First day that is not known any more.
    cohort : {"month", "quarter", "year"}, default "quarter"
        Calendar period of joining that makes a cohort.
    period : {"month", "quarter", "year"}, optional
        Unit of the age, counted from each member's own period of joining; not longer than the cohort. Default: as the
        cohort.
    level : float, default 0.95
        Confidence level of Wilson's interval.
    customer_col, started_col, ended_col : str
        Columns of the customer and of the first and the last day; the last is missing while the spell runs.

    Returns
    -------
    pandas.DataFrame
        One row a cohort and age: ``cohort`` (its first day), ``age`` (periods; at 0 everybody is there), ``at_risk``
        (members of the cohort of whom the age is known by `as_of`), ``retained``, ``rate``, ``low``, ``high`` and
        ``partial`` (True where only a part of the cohort has come to this age, or the cohort still grows).

    Raises
    ------
    ParameterError
        If columns are absent or unusable, or spells of one customer overlap: every problem.
    DataFloorError
        If no membership began before `as_of`.

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c"],
    ...     "started_at": pd.to_datetime(["2025-01-10", "2025-01-20", "2025-02-01"]),
    ...     "ended_at": pd.to_datetime(["2025-02-15", None, None])})
    >>> retention_triangle(memberships, as_of="2025-03-01", cohort="month")[["cohort", "age", "at_risk", "retained"]]
          cohort  age  at_risk  retained
    0 2025-01-01    0        2         2
    1 2025-01-01    1        2         2
    2 2025-01-01    2        2         1
    3 2025-02-01    0        1         1
    4 2025-02-01    1        1         1
    """
    where = "retention_triangle"
    period = cohort if period is None else period
    raise_problems(where, _option_problems(cohort, period, level))
    spells = read_spells(
        where, memberships, as_of, customer_col=customer_col, started_col=started_col, ended_col=ended_col
    )
    if not len(spells.rows):
        raise DataFloorError(f"{where} needs memberships that began before {spells.day:%Y-%m-%d}; there is none.")
    began = calendar_periods(spells.started, period)
    now = int(calendar_periods(pd.Series([spells.day]), period)[0])
    # On the first day of the period it ended in, a spell was still running.
    ended = calendar_periods(spells.ended.fillna(spells.day), period)
    return _triangle(
        spells.started,
        seen=now - began,
        rows=np.repeat(np.arange(len(began)), np.minimum(ended, now) - began + 1),
        ages=_counting_up(np.minimum(ended, now) - began + 1),
        cohort=cohort,
        day=spells.day,
        level=level,
    )


def repurchase_triangle(
    lines: Any,
    *,
    as_of: Any,
    cohort: str = "quarter",
    period: str | None = None,
    level: float = 0.95,
    **columns: str,
) -> pd.DataFrame:
    """Share of each cohort of first purchase that bought again in the k-th period after it.

    Unlike the share of members, it can rise with the age: who skips a period may come back.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines, with the rules of `crm_utils.purchase_summary`: a return is no purchase. Read once, not modified.
    as_of : date-like
        Day of the analysis: lines of this day or later are not used.
    cohort, period, level
        As for `retention_triangle`; the cohort is that of the first purchase.
    **columns : str
        Names of columns (``customer_col``, ``time_col``, …), as of `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame
        As from `retention_triangle`, with ``retained`` the customers who bought in the period. A period counts only
        when it is over; the period of the first purchase (age 0) always.

    Raises
    ------
    ParameterError
        If an option is unusable.
    DataFloorError
        If there is no purchase before `as_of`.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": range(4), "customer_id": ["a", "b", "a", "c"], "amount": 10.0,
    ...     "ordered_at": pd.to_datetime(["2025-01-10", "2025-01-20", "2025-02-03", "2025-02-03"])})
    >>> repurchase_triangle(lines, as_of="2025-03-01", cohort="month")[["cohort", "age", "at_risk", "retained"]]
          cohort  age  at_risk  retained
    0 2025-01-01    0        2         2
    1 2025-01-01    1        2         1
    2 2025-02-01    0        1         1
    """
    where = "repurchase_triangle"
    period = cohort if period is None else period
    problems = _option_problems(cohort, period, level)
    day = as_day(as_of, "as_of", problems)
    raise_problems(where, problems)
    frame = used_lines(lines, before=day, **columns).frame
    with telling_what_was_read(lines):
        bought = collected(frame.filter("bought").select("customer_id", "day").unique())
    if bought.empty:
        raise DataFloorError(f"{where} needs purchases before {day:%Y-%m-%d}; there is none.")
    bought["day"] = pd.to_datetime(bought["day"]).astype("datetime64[us]")
    owner = pd.factorize(bought["customer_id"])[0]
    first = bought["day"].groupby(owner).min()
    began = calendar_periods(first, period)
    number = calendar_periods(bought["day"], period)
    pairs = pd.DataFrame({"row": owner, "age": number - began[owner]}).drop_duplicates()
    now = int(calendar_periods(pd.Series([day]), period)[0])
    # A period is over when the next one has begun; that of the first purchase counts in any case.
    seen = np.maximum(now - 1 - began, 0)
    pairs = pairs[pairs["age"] <= seen[pairs["row"]]]
    return _triangle(
        first,
        seen=seen,
        rows=pairs["row"].to_numpy(),
        ages=pairs["age"].to_numpy(),
        cohort=cohort,
        day=day,
        level=level,
    )


def _option_problems(cohort: Any, period: Any, level: Any) -> list[str]:
    problems = [
        f"{name} must be one of {list(PERIOD_MONTHS)}, and is {value!r}"
        for name, value in (("cohort", cohort), ("period", period))
        if not isinstance(value, str) or value not in PERIOD_MONTHS
    ]
    if not problems and PERIOD_MONTHS[period] > PERIOD_MONTHS[cohort]:
        problems.append(f"period must not be longer than the cohort, and is {period!r} for cohorts of a {cohort}")
    return list(dict.fromkeys(problems)) + level_problems(level)


def _counting_up(sizes: np.ndarray) -> np.ndarray:
    """0, 1, … up to each size, one after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _triangle(
    first: pd.Series,
    *,
    seen: np.ndarray,
    rows: np.ndarray,
    ages: np.ndarray,
    cohort: str,
    day: pd.Timestamp,
    level: float,
) -> pd.DataFrame:
    """Count by cohort and age: of `first` days, those seen up to an age, and those retained in `rows` at `ages`."""
    number = calendar_periods(first, cohort)
    start, width = number.min(), int(seen.max()) + 1
    height = int(number.max() - start) + 1
    code = (number - start).astype(np.int64)
    retained = np.bincount(code[rows] * width + ages, minlength=height * width).reshape(height, width)
    last_seen = np.bincount(code * width + seen, minlength=height * width).reshape(height, width)
    at_risk = last_seen[:, ::-1].cumsum(axis=1)[:, ::-1]
    row, age = np.nonzero(at_risk)
    people, kept = at_risk[row, age], retained[row, age]
    low, high = wilson(kept, people, level=level)
    growing = period_starts(np.arange(height) + start + 1, cohort) > day
    return pd.DataFrame(
        {
            "cohort": period_starts(row + start, cohort),
            "age": age,
            "at_risk": people,
            "retained": kept,
            "rate": kept / people,
            "low": low,
            "high": high,
            "partial": (people < at_risk[row, 0]) | growing[row],
        }
    )


def retention_triangle_table(triangle: pd.DataFrame) -> pd.DataFrame:
    """Lay a triangle out, one row a cohort: table twin of `plot_retention_triangle`.

    Parameters
    ----------
    triangle : pandas.DataFrame
        As from `retention_triangle` or `repurchase_triangle`.

    Returns
    -------
    pandas.DataFrame
        ``cohort``, ``customers`` and a column for each age, ``rate_0``, ``rate_1``, …; NaN where not yet known.

    Examples
    --------
    >>> memberships = pd.DataFrame({"customer_id": ["a", "b"], "started_at": pd.to_datetime(["2025-01-10"] * 2),
    ...                             "ended_at": pd.to_datetime(["2025-02-15", None])})
    >>> triangle = retention_triangle(memberships, as_of="2025-03-01", cohort="month")
    >>> retention_triangle_table(triangle)
          cohort  customers  rate_0  rate_1  rate_2
    0 2025-01-01          2     1.0     1.0     0.5
    """
    raise_problems("retention_triangle_table", missing_columns(triangle, _COLUMNS, "triangle"))
    wide = triangle.pivot_table(index="cohort", columns="age", values="rate")
    wide.columns = [f"rate_{age}" for age in wide.columns]
    sizes = triangle[triangle["age"] == 0].set_index("cohort")["at_risk"]
    wide.insert(0, "customers", sizes.reindex(wide.index))
    return wide.reset_index()


def plot_retention_triangle(triangle: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a triangle as a heat map, a row a cohort; with the numbers where there are at most 200 cells.

    Parameters
    ----------
    triangle : pandas.DataFrame
        As from `retention_triangle` or `repurchase_triangle`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; `retention_triangle_table` holds the numbers.

    Raises
    ------
    ParameterError
        If columns are absent.
    DataFloorError
        If there is no cohort.
    """
    wide = retention_triangle_table(triangle)
    if wide.empty:
        raise DataFloorError("plot_retention_triangle needs a cohort; there is none.")
    cells = wide.iloc[:, 2:].to_numpy()
    ax = new_axes(ax, figsize=(7.2, min(0.32 * len(cells) + 1.4, 8)))
    draw_heatmap(ax, cells, "{:.0%}" if cells.size <= _CELLS_WITH_NUMBERS else "")
    step = -(-len(cells) // _TICKS)
    ax.set_yticks(np.arange(len(cells))[::step], wide["cohort"].dt.strftime("%Y-%m").tolist()[::step])
    step = -(-cells.shape[1] // _TICKS)
    ax.set_xticks(np.arange(cells.shape[1])[::step])
    ax.set_xlabel(tr("periods since the first"))
    ax.set_ylabel(tr("cohort"))
    ax.set_title(tr("Retention by cohort"))
    total = triangle.groupby("age")[["at_risk", "retained"]].sum()
    overall = total["retained"] / total["at_risk"]
    age = 1 if 1 in overall.index else 0
    return describe(
        ax,
        tr(
            "Heat map of the retention of {cohorts} cohorts by age: over all of them {first:.0%} at age {age} "
            "and {last:.0%} at age {oldest}."
        ).format(
            cohorts=len(cells),
            first=overall.loc[age],
            age=age,
            last=overall.iloc[-1],
            oldest=int(overall.index[-1]),
        ),
    )
