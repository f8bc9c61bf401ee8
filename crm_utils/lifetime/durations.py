"""From memberships to what models of contracts take: how many periods each contract has lasted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, first_rows, missing_columns, raise_problems
from crm_utils.company.tenure import completed_months, months_and_ends

_DAYS_A_WEEK = 7
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def contract_durations(
    memberships: pd.DataFrame,
    *,
    as_of: Any = None,
    period: str = "month",
    customer_col: str = "customer_id",
    started_col: str = "started_at",
    ended_col: str = "ended_at",
    tenure_col: str = "tenure_months",
    churned_col: str = "churned",
) -> pd.DataFrame:
    """Count the periods of every contract, as `ShiftedBetaGeometric.fit` takes them.

    A contract that has ended counts the period it ended in as a whole one; a contract that runs counts completed
    periods only. An end counts once its period is over: in a period that `as_of` cuts off, the ends so far are known
    and the renewals are not, so that ends alone would make customers look as if they left faster than they do. Until
    then such a contract counts as not ended, with its completed periods.

    Months, quarters and years go by the calendar: a contract of 31 January completes its first month with the last day
    of February, as every month that lacks the day of the start ends with its own last day.

    What is not known before `as_of` is not used: a contract with its last day on or after `as_of` still runs, and one
    that starts on or after `as_of` is left out and counted.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a contract, with dates of start and end; or, where there are none, with length and outcome.
    as_of : date-like, optional
        First day that is not known any more. Needed where the contracts have dates, not looked at otherwise.
    period : {"week", "month", "quarter", "year"}, default "month"
        Contract period; only ``"month"`` where the contracts have no dates.
    customer_col : str
        Column of the customer. A customer with several contracts has a row each.
    started_col, ended_col : str
        Columns of the first and the last day; the last is missing while the contract runs.
    tenure_col, churned_col : str
        Columns used if `started_col` and `ended_col` are not both there: months so far, and whether the contract has
        ended.

    Returns
    -------
    pandas.DataFrame
        One row a contract, in the order given: the customer, ``duration`` (whole periods; from 1 for ended contracts,
        from 0 for others), ``ended`` (what the model counts as an end) and ``running`` (whether it runs at `as_of`; a
        contract that ended in a period not yet over is neither). ``attrs["not_yet_started"]`` counts the contracts
        left out.

    Raises
    ------
    ParameterError
        If columns are missing or unusable, with every problem.

    References
    ----------
    Fader, P. S. & Hardie, B. G. S. (2007). How to project customer retention. *Journal of Interactive Marketing*
    21(1), 76–90. Time is counted in contract periods, at whose ends customers decide.

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "d"],
    ...     "started_at": pd.to_datetime(["2024-02-01", "2025-06-01", "2024-01-31", "2025-06-10"]),
    ...     "ended_at": pd.to_datetime(["2025-05-31", None, "2024-03-01", "2025-12-20"])})
    >>> contract_durations(memberships, as_of="2026-01-01")
      customer_id  duration  ended  running
    0           a        16   True    False
    1           b         7  False     True
    2           c         2   True    False
    3           d         6  False    False
    """
    where = "contract_durations"
    problems = []
    if period not in ("week", *_MONTHS):
        problems.append(f"period must be one of {['week', *_MONTHS]}, and is {period!r}")
    problems += missing_columns(memberships, (customer_col,), "memberships")
    dated = started_col in memberships and ended_col in memberships
    if not dated and not (tenure_col in memberships and churned_col in memberships):
        problems.append(
            f"memberships need the columns {started_col} and {ended_col}, or {tenure_col} and {churned_col}; "
            f"they have {list(memberships.columns)}"
        )
    raise_problems(where, problems)
    if not dated:
        return _from_tenure(memberships, period, customer_col, tenure_col, churned_col, where)

    started, ended = memberships[started_col], memberships[ended_col]
    for name, days in ((started_col, started), (ended_col, ended)):
        if not pd.api.types.is_datetime64_dtype(days) and days.notna().any():
            problems.append(f"memberships.{name} must hold dates without a time zone, and is {days.dtype}")
    day = as_day(as_of, "as_of", problems)
    raise_problems(where, problems)
    started, ended = (pd.to_datetime(days).dt.normalize().reset_index(drop=True) for days in (started, ended))
    if (unknown := started.isna().to_numpy()).any():
        problems.append(
            f"memberships.{started_col} is missing in {unknown.sum():,} rows (at positions {first_rows(unknown)}); "
            "fill in the first day or leave those contracts out"
        )
    if (reversed_ := (ended < started).to_numpy()).any():
        problems.append(
            f"memberships.{ended_col} is before {started_col} in {reversed_.sum():,} rows "
            f"(at positions {first_rows(reversed_)}); correct the dates"
        )
    raise_problems(where, problems)

    began = (started < day).to_numpy()
    customers, started, ended = memberships[customer_col].to_numpy()[began], started[began], ended[began]
    over = (ended < day).to_numpy()

    def periods_to(until: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        return _weeks(started, until) if period == "week" else _months(started, until, _MONTHS[period])

    # The day after the last one, so that a contract from the first to the last day of a month lasts one month.
    completed, exact = periods_to((ended + pd.Timedelta(days=1)).where(over, day))
    begun = completed + ~exact
    known, _ = periods_to(pd.Series(day, started.index))
    counted = over & (begun <= known)
    result = pd.DataFrame(
        {customer_col: customers, "duration": np.where(counted, begun, known), "ended": counted, "running": ~over}
    )
    result.attrs["not_yet_started"] = int((~began).sum())
    return result


def _from_tenure(
    memberships: pd.DataFrame, period: str, customer_col: str, tenure_col: str, churned_col: str, where: str
) -> pd.DataFrame:
    problems: list[str] = []
    if period != "month":
        problems.append(f"period must be 'month' for contracts known by {tenure_col} only, and is {period!r}")
    duration, over = months_and_ends(memberships, tenure_col, churned_col, where, problems)
    result = pd.DataFrame(
        {customer_col: memberships[customer_col].to_numpy(), "duration": duration, "ended": over, "running": ~over}
    )
    result.attrs["not_yet_started"] = 0
    return result


def _weeks(started: pd.Series, until: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Completed weeks, and whether none has begun after them."""
    days = (until - started).dt.days.to_numpy()
    return days // _DAYS_A_WEEK, days % _DAYS_A_WEEK == 0


def _months(started: pd.Series, until: pd.Series, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Completed periods of so many calendar months, and whether none has begun after them."""
    from_day, to_day = started.dt.day.to_numpy(), until.dt.day.to_numpy()
    # Where the month before has no such day, its period ends with it, and the next begins on the first.
    turns = (to_day == 1) & (from_day > (until - pd.Timedelta(days=1)).dt.day.to_numpy())
    completed = completed_months(started, until)
    return completed // length, ((to_day == from_day) | turns) & (completed % length == 0)


def leaving_rates(
    memberships: pd.DataFrame,
    *,
    as_of: Any,
    least_members: int = 100,
    started_col: str = "started_at",
    ended_col: str = "ended_at",
) -> pd.Series:
    """Share of the members of each calendar month who left in it: what tenure cannot explain shows here.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a contract, with dates of start and end; the end is missing while the contract runs.
    as_of : date-like
        First day that is not known any more; months that are not over by then are left out.
    least_members : int, default 100
        Months with fewer members at their start are left out.
    started_col, ended_col : str
        Columns of the first and the last day.

    Returns
    -------
    pandas.Series
        Named ``leaving_rate``, indexed by the first day of the month.

    Raises
    ------
    ParameterError
        If columns are missing or the day cannot be read.

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "started_at": pd.to_datetime(["2024-01-01", "2024-01-15", "2024-01-20", "2024-02-10"]),
    ...     "ended_at": pd.to_datetime(["2024-02-29", None, None, None])})
    >>> leaving_rates(memberships, as_of="2024-04-01", least_members=1).round(2).to_dict()
    {Timestamp('2024-02-01 00:00:00'): 0.33, Timestamp('2024-03-01 00:00:00'): 0.0}
    """
    problems = missing_columns(memberships, (started_col, ended_col), "memberships")
    day = as_day(as_of, "as_of", problems)
    raise_problems("leaving_rates", problems)
    started, ended = (pd.to_datetime(memberships[name]).to_numpy() for name in (started_col, ended_col))
    if not len(started):
        return pd.Series([], pd.DatetimeIndex([]), dtype=float, name="leaving_rate")
    months = pd.date_range(pd.Timestamp(started.min()).replace(day=1).normalize(), day, freq="MS")
    rates = {}
    for month, following in pairwise(months):
        running = (started < month) & ~(ended < month)
        if running.sum() >= least_members:
            rates[month] = float((running & (ended < following)).sum() / running.sum())
    return pd.Series(rates, dtype=float, name="leaving_rate")
