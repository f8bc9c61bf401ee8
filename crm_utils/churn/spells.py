"""Memberships as spells: what is known of them before a day, and how long each has lasted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, first_rows, missing_columns, raise_problems
from crm_utils.company.tenure import completed_months, months_and_ends

UNITS = ("month", "day")
PERIOD_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, eq=False)
class Spells:
    """Spells of membership as they are known before a day.

    Attributes
    ----------
    customers : numpy.ndarray
        Customer of each spell.
    started, ended : pandas.Series of datetime
        First and last day; the last is missing where the spell still runs.
    rows : numpy.ndarray of int
        Place of each spell in the table it was read from.
    day : pandas.Timestamp
        First day that is not known any more.
    not_yet_started : int
        Spells left out, for they start on that day or later.
    """

    customers: np.ndarray
    started: pd.Series
    ended: pd.Series
    rows: np.ndarray
    day: pd.Timestamp
    not_yet_started: int


def read_spells(
    where: str, memberships: pd.DataFrame, as_of: Any, *, customer_col: str, started_col: str, ended_col: str
) -> Spells:
    """Read spells of membership with dates, or raise every problem at once.

    Parameters
    ----------
    where : str
        Function that asks, for messages.
    memberships : pandas.DataFrame
        One row a spell.
    as_of : date-like
        First day that is not known any more: a spell that ends on it or later still runs.
    customer_col, started_col, ended_col : str
        Columns of the customer, the first and the last day.

    Returns
    -------
    Spells
        The spells that start before `as_of`, in the order given.

    Raises
    ------
    ParameterError
        If columns are absent or hold no dates, a first day or a customer is missing, a spell ends before it starts, or
        two spells of one customer overlap by more than a day.

    Examples
    --------
    >>> memberships = pd.DataFrame({"customer_id": ["a"], "started_at": [pd.Timestamp("2025-01-01")],
    ...                             "ended_at": [pd.Timestamp("2025-06-30")]})
    >>> names = {"customer_col": "customer_id", "started_col": "started_at", "ended_col": "ended_at"}
    >>> read_spells("here", memberships, "2025-06-01", **names).ended.isna().tolist()
    [True]
    """
    if not isinstance(memberships, pd.DataFrame):
        raise_problems(where, [f"memberships must be a table, and are {type(memberships).__name__}"])
    problems = missing_columns(memberships, (customer_col, started_col, ended_col), "memberships")
    if problems and "tenure_months" in memberships:
        problems.append(
            "length and outcome alone do not say when somebody was a member; first and last days are needed"
        )
    day = as_day(as_of, "as_of", problems)
    for name in (started_col, ended_col):
        if name not in memberships:
            continue
        days = memberships[name]
        if not pd.api.types.is_datetime64_dtype(days) and days.notna().any():
            problems.append(f"memberships.{name} must hold dates without a time zone, and is {days.dtype}")
    raise_problems(where, problems)
    table = pd.DataFrame(
        {
            "customer": memberships[customer_col].to_numpy(),
            "started": pd.to_datetime(memberships[started_col]).dt.normalize().to_numpy(),
            "ended": pd.to_datetime(memberships[ended_col]).dt.normalize().to_numpy(),
        }
    )
    raise_problems(where, _spell_problems(table, customer_col, started_col, ended_col))
    began = (table["started"] < day).to_numpy()
    known = table[began].reset_index(drop=True)
    return Spells(
        known["customer"].to_numpy(),
        known["started"],
        known["ended"].where(known["ended"] < day),
        np.flatnonzero(began),
        day,
        int((~began).sum()),
    )


def _spell_problems(table: pd.DataFrame, customer_col: str, started_col: str, ended_col: str) -> list[str]:
    """What is wrong with spells: unknown people and first days, wrong order, overlaps."""
    problems = []
    for name, column in ((customer_col, "customer"), (started_col, "started")):
        if (unknown := table[column].isna().to_numpy()).any():
            problems.append(
                f"memberships.{name} is missing in {unknown.sum():,} rows (at positions {first_rows(unknown)}); "
                "fill it in or leave those spells out"
            )
    if (backwards := (table["ended"] < table["started"]).to_numpy()).any():
        problems.append(
            f"memberships.{ended_col} is before {started_col} in {backwards.sum():,} rows "
            f"(at positions {first_rows(backwards)}); correct the dates"
        )
    if problems:
        return problems
    ordered = table.sort_values(["customer", "started", "ended"], kind="stable")
    before = ordered["ended"].shift()
    same = (ordered["customer"] == ordered["customer"].shift()).to_numpy()
    # A table may let the next spell begin on the last day of the one before.
    overlaps = same & ~(before <= ordered["started"]).to_numpy()
    if overlaps.any():
        shown = first_rows(overlaps, ordered["customer"].astype(str).to_list())
        problems.append(
            f"{overlaps.sum():,} spells begin while another of the same customer runs (customers {shown}); "
            "merge them, or end the first before the second"
        )
    return problems


def membership_spells(
    memberships: pd.DataFrame,
    *,
    as_of: Any = None,
    unit: str = "month",
    observed_from: Any = None,
    customer_col: str = "customer_id",
    started_col: str = "started_at",
    ended_col: str = "ended_at",
    tenure_col: str = "tenure_months",
    churned_col: str = "churned",
) -> pd.DataFrame:
    """Turn memberships into durations and events, as survival methods take them.

    Months go by the calendar: a spell of 31 January completes its first month with the last day of February. A spell
    that has ended lasts as many months as it has begun, one that runs as many as it has completed. A spell that ended
    in a month not yet over at `as_of` counts as running until then, with its completed months: of that month the ends
    so far are known and the renewals are not. In days nothing of the kind is needed.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a spell, with dates of start and end; or, where there are none, with length and outcome.
    as_of : date-like, optional
        First day that is not known any more. Needed where there are dates: a spell with its last day on it or later
        still runs, and one that starts on it or later is left out and counted.
    unit : {"month", "day"}, default "month"
        Unit of the durations; only ``"month"`` where there are no dates.
    observed_from : date-like, optional
        First day from which ends were recorded, where older spells are in the table only if they had lasted until
        then. Those enter late (left truncation); those that ended before are left out and counted. Default: ends were
        recorded from the first start on.
    customer_col, started_col, ended_col : str
        Columns of the customer and of the first and the last day; the last is missing while the spell runs.
    tenure_col, churned_col : str
        Columns used where dates are not there: months so far, and whether the spell has ended.

    Returns
    -------
    pandas.DataFrame
        One row a spell, with the index of `memberships`: the customer, ``duration`` (months or days; from 1 where the
        spell ended), ``event`` (True where it ended), ``entry`` (duration at which the spell came under observation, 0
        without left truncation). ``attrs["not_yet_started"]`` and ``attrs["ended_before"]`` count the spells left out.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, durations are negative, or spells of one customer overlap: every problem.

    References
    ----------
    Klein, J. P. & Moeschberger, M. L. (2003). Survival Analysis, 2nd ed. Springer, section 3.4 (left truncation).

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c"],
    ...     "started_at": pd.to_datetime(["2024-02-01", "2025-06-01", "2026-03-01"]),
    ...     "ended_at": pd.to_datetime(["2025-05-31", None, None])})
    >>> membership_spells(memberships, as_of="2026-01-01")
      customer_id  duration  event  entry
    0           a        16   True      0
    1           b         7  False      0
    """
    where = "membership_spells"
    problems = []
    if unit not in UNITS:
        problems.append(f"unit must be one of {list(UNITS)}, and is {unit!r}")
    if not isinstance(memberships, pd.DataFrame):
        problems.append(f"memberships must be a table, and are {type(memberships).__name__}")
    raise_problems(where, problems)
    dated = started_col in memberships and ended_col in memberships
    if not dated and tenure_col in memberships and churned_col in memberships:
        return _known_by_tenure(where, memberships, unit, observed_from, customer_col, tenure_col, churned_col)

    spells = read_spells(
        where, memberships, as_of, customer_col=customer_col, started_col=started_col, ended_col=ended_col
    )
    since = None if observed_from is None else as_day(observed_from, "observed_from", problems)
    if since is not None and since >= spells.day:
        problems.append(f"observed_from must be before as_of ({spells.day:%Y-%m-%d}), and is {since:%Y-%m-%d}")
    raise_problems(where, problems)
    over = spells.ended.notna().to_numpy()
    # The day after the last one, so that a spell from the first to the last day of a month lasts one month.
    until = (spells.ended + pd.Timedelta(days=1)).where(over, spells.day)
    if unit == "day":
        event = over
        duration = (until - spells.started).dt.days.to_numpy()
    else:
        known = completed_months(spells.started, pd.Series(spells.day, spells.started.index))
        begun = completed_months(spells.started, until - pd.Timedelta(days=1)) + 1
        event = over & (begun <= known)
        duration = np.where(event, begun, known)
    entry = np.zeros(len(duration), dtype=np.int64)
    if since is not None:
        late = spells.started.where(spells.started > since, since)
        at = pd.Series(since, spells.started.index).where(spells.started < since, spells.started)
        entry = (late - spells.started).dt.days.to_numpy() if unit == "day" else completed_months(spells.started, at)
    result = pd.DataFrame(
        {customer_col: spells.customers, "duration": duration.astype(np.int64), "event": event, "entry": entry},
        index=memberships.index[spells.rows],
    )
    gone = np.zeros(len(result), dtype=bool) if since is None else (spells.ended < since).to_numpy()
    result = result[~gone]
    result.attrs.update(not_yet_started=spells.not_yet_started, ended_before=int(gone.sum()))
    return result


def _known_by_tenure(
    where: str,
    memberships: pd.DataFrame,
    unit: str,
    observed_from: Any,
    customer_col: str,
    tenure_col: str,
    churned_col: str,
) -> pd.DataFrame:
    problems = missing_columns(memberships, (customer_col,), "memberships")
    if unit != "month":
        problems.append(f"unit must be 'month' for memberships known by {tenure_col} only, and is {unit!r}")
    if observed_from is not None:
        problems.append(f"observed_from needs first and last days; the memberships are known by {tenure_col} only")
    duration, over = months_and_ends(memberships, tenure_col, churned_col, where, problems)
    result = pd.DataFrame(
        {customer_col: memberships[customer_col].to_numpy(), "duration": duration, "event": over, "entry": 0},
        index=memberships.index,
    )
    result.attrs.update(not_yet_started=0, ended_before=0)
    return result


def calendar_periods(days: pd.Series, period: str) -> np.ndarray:
    """Number of the calendar month, quarter or year of each day, shape (n,) of int."""
    months = days.dt.year.to_numpy() * 12 + days.dt.month.to_numpy() - 1
    return months.astype(np.int64) // PERIOD_MONTHS[period]


def period_starts(numbers: np.ndarray, period: str) -> pd.DatetimeIndex:
    """First days of calendar periods by their numbers, as `calendar_periods` gives them."""
    months = np.asarray(numbers) * PERIOD_MONTHS[period] - 1970 * 12
    return pd.DatetimeIndex((np.datetime64("1970-01", "M") + months).astype("datetime64[us]"))
