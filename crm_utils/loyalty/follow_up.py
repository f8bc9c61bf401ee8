"""What people did before and after they answered: purchases and cancellations by the day of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, count_problems, first_rows, missing_columns, raise_problems
from crm_utils.company.lines import collected, used_lines

_HALF_YEAR = 182
USED, TOO_LATE, TOO_EARLY, NO_CUSTOMER, NO_DAY, NO_MEMBER = (
    "used",
    "too late",
    "too early",
    "no customer",
    "no day",
    "no member then",
)


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What people did after they answered.

    Attributes
    ----------
    happened : pandas.Series of float
        1 where the behaviour followed within the horizon, 0 where it did not, NaN where that is not known; with the
        index of the answers.
    status : pandas.Series of str
        "used", or why an answer is left out: "too late" (the horizon is not over by the day of the analysis), "no
        customer", "no day", "no member then".
    horizon_days : int
        Days looked at, from the day after the answer.
    """

    happened: pd.Series
    status: pd.Series
    horizon_days: int

    @property
    def counts(self) -> pd.Series:
        """Answers by status, "used" first."""
        found = self.status.value_counts()
        return found.reindex([USED, *sorted(set(found.index) - {USED})], fill_value=0).rename("answers")


def later_purchases(
    answers: pd.DataFrame,
    lines: Any,
    *,
    as_of: Any,
    horizon_days: int = _HALF_YEAR,
    customer_col: str = "customer_id",
    answered_col: str = "answered_at",
) -> FollowUp:
    """Find who bought again after answering.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, with the customer and the day of the answer.
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines, with the rules of `crm_utils.purchase_summary`: a return is no purchase. Not modified.
    as_of : date-like
        Day of the analysis; what is ordered on it or later is not known.
    horizon_days : int, default 182
        Days looked at, from 1. Day 1 is the day after the answer: what is bought on the day itself may have come
        before.
    customer_col, answered_col : str
        Columns of `answers`. A day with a time counts as the day.

    Returns
    -------
    FollowUp
        Whether each respondent bought. An answer whose horizon is not over by `as_of` is left out, also where she has
        bought already: else late answers would count only if they were followed by a purchase.

    Raises
    ------
    ParameterError
        If columns are absent, days are not dates, or an option is unusable.

    Examples
    --------
    >>> answers = pd.DataFrame(
    ...     {"customer_id": ["x", "y", "x"], "answered_at": pd.to_datetime(["2025-01-10", "2025-01-10", "2025-03-01"])}
    ... )
    >>> lines = pd.DataFrame({"order_id": ["a", "b"], "customer_id": ["x", "y"], "amount": [10.0, 5.0],
    ...                       "ordered_at": pd.to_datetime(["2025-01-12", "2025-01-10"])})
    >>> found = later_purchases(answers, lines, as_of="2025-03-15", horizon_days=30)
    >>> found.happened.tolist(), found.status.tolist()
    ([1.0, 0.0, nan], ['used', 'used', 'too late'])
    """
    where = "later_purchases"
    day, customers, status, end = _windows(where, answers, as_of, horizon_days, customer_col, answered_col)
    happened = _first_event_within(customers, day, *_purchase_days(lines, end), horizon_days)
    return FollowUp(_known(happened, status, "bought"), status, horizon_days)


def later_cancellations(
    answers: pd.DataFrame,
    memberships: pd.DataFrame,
    *,
    as_of: Any,
    horizon_days: int = _HALF_YEAR,
    customer_col: str = "customer_id",
    answered_col: str = "answered_at",
) -> FollowUp:
    """Find which members ended their membership after answering.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, with the customer and the day of the answer.
    memberships : pandas.DataFrame
        Spells of membership: ``customer_id``, ``started_at``, ``ended_at`` (last day; missing while it lasts).
    as_of, horizon_days, customer_col, answered_col
        As in `later_purchases`.

    Returns
    -------
    FollowUp
        Whether each respondent's last day as a member fell within the horizon. Only who was a member at the end of the
        day of the answer counts.

    Raises
    ------
    ParameterError
        If columns are absent, days are not dates, or an option is unusable.

    Examples
    --------
    >>> answers = pd.DataFrame({"customer_id": ["x", "y", "z"], "answered_at": pd.to_datetime(["2025-01-10"] * 3)})
    >>> memberships = pd.DataFrame({"customer_id": ["x", "y"], "started_at": pd.to_datetime(["2024-05-01"] * 2),
    ...                             "ended_at": pd.to_datetime(["2025-01-31", None])})
    >>> found = later_cancellations(answers, memberships, as_of="2025-03-15", horizon_days=30)
    >>> found.happened.tolist(), found.status.tolist()
    ([1.0, 0.0, nan], ['used', 'used', 'no member then'])
    """
    where = "later_cancellations"
    raise_problems(where, missing_columns(memberships, ["customer_id", "started_at", "ended_at"], "memberships"))
    day, customers, status, end = _windows(where, answers, as_of, horizon_days, customer_col, answered_col)
    spells = memberships[memberships["started_at"] < end]
    asked = pd.DataFrame({"customer": customers, "day": day, "row": np.arange(len(answers))})
    both = asked.merge(
        pd.DataFrame(
            {
                "customer": spells["customer_id"].astype(object),
                "started": spells["started_at"].to_numpy().astype("datetime64[D]"),
                "ended": spells["ended_at"].to_numpy().astype("datetime64[D]"),
            }
        ).dropna(subset="customer"),
        on="customer",
    )
    # Who was here at the end of that day may still leave; the comparison with NaT is false.
    both = both[(both["started"] <= both["day"]) & ~(both["ended"] <= both["day"])]
    left = (both["ended"] <= both["day"] + pd.Timedelta(days=horizon_days)).groupby(both["row"]).any()
    happened = np.zeros(len(answers), dtype=bool)
    happened[left.index[left]] = True
    member = np.isin(np.arange(len(answers)), left.index)
    status = status.mask((status == USED) & ~member, NO_MEMBER)
    return FollowUp(_known(happened, status, "left"), status, horizon_days)


def earlier_purchases(
    answers: pd.DataFrame,
    lines: Any,
    *,
    horizon_days: int = _HALF_YEAR,
    customer_col: str = "customer_id",
    answered_col: str = "answered_at",
) -> pd.Series:
    """Count the days with a purchase that each respondent had before answering.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, with the customer and the day of the answer.
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines, as in `later_purchases`.
    horizon_days : int, default 182
        Days looked at, from 1: the day of the answer and those before it. `later_purchases` begins on the day after.
    customer_col, answered_col : str
        As in `later_purchases`.

    Returns
    -------
    pandas.Series of float
        ``purchase_days`` with the index of the answers; NaN where the customer or the day is not known, or the days
        looked at begin before the first purchase of all, so that not all of them are on record.

    Raises
    ------
    ParameterError
        If columns are absent, days are not dates, or an option is unusable.

    Examples
    --------
    >>> answers = pd.DataFrame({"customer_id": ["x", "y", None], "answered_at": pd.to_datetime(["2025-01-10"] * 3)})
    >>> lines = pd.DataFrame({"order_id": ["a", "b", "c"], "customer_id": ["x"] * 3, "amount": [10.0, 5.0, 5.0],
    ...                       "ordered_at": pd.to_datetime(["2024-12-01", "2025-01-10", "2025-01-11"])})
    >>> earlier_purchases(answers, lines, horizon_days=30).tolist()
    [1.0, 0.0, nan]
    """
    # The end of a window is no matter here: nothing after the answer is looked at.
    day, customers, status, _ = _windows(
        "earlier_purchases", answers, pd.Timestamp.max.normalize(), horizon_days, customer_col, answered_col
    )
    owners, days = _purchase_days(lines, pd.Timestamp.max.normalize())
    if len(days):
        status[(day - np.timedelta64(horizon_days - 1, "D") < days.min()) & (status == USED)] = TOO_EARLY
    events, sought = _in_order(customers, day, owners, days)
    count = np.searchsorted(events, sought, side="right") - np.searchsorted(events, sought - horizon_days, side="right")
    return _known(count, status, "purchase_days")


def _purchase_days(lines: Any, before: pd.Timestamp) -> tuple[pd.Series, np.ndarray]:
    """Customer and day of every day with a purchase."""
    bought = collected(used_lines(lines, before=before).frame.filter("bought").select("customer_id", "day").unique())
    return bought["customer_id"], pd.to_datetime(bought["day"]).to_numpy().astype("datetime64[D]")


def _windows(
    where: str, answers: Any, as_of: Any, horizon_days: Any, customer_col: str, answered_col: str
) -> tuple[np.ndarray, np.ndarray, pd.Series, pd.Timestamp]:
    """Day and customer of each answer, whether it can be used, and the day of the analysis; or every problem."""
    if not isinstance(answers, pd.DataFrame):
        raise_problems(where, [f"answers must be a table, and are {type(answers).__name__}"])
    problems = missing_columns(answers, [customer_col, answered_col], "answers")
    problems += count_problems("horizon_days", horizon_days, least=1)
    end = as_day(as_of, "as_of", problems)
    answered = _days(answers, answered_col, problems)
    raise_problems(where, problems)
    day = answered.to_numpy().astype("datetime64[D]")
    customers = answers[customer_col].astype(object).to_numpy()
    status = np.full(len(answers), USED, dtype=object)
    # The last day of the window is day + horizon; it must be over.
    status[day + np.timedelta64(horizon_days, "D") >= end.to_datetime64().astype("datetime64[D]")] = TOO_LATE
    status[pd.isna(customers)] = NO_CUSTOMER
    status[np.isnat(day)] = NO_DAY
    return day, customers, pd.Series(status, answers.index, name="status"), end


def _days(answers: pd.DataFrame, column: str, problems: list[str]) -> pd.Series:
    """Moments of the answers, from dates or ISO texts; what is neither is added to `problems`."""
    if column not in answers or pd.api.types.is_datetime64_dtype(answers[column]):
        return answers.get(column)
    given = answers[column]
    if pd.api.types.is_numeric_dtype(given) or isinstance(given.dtype, pd.DatetimeTZDtype):
        problems.append(f"answers.{column} must be days without a time zone, and is {given.dtype}; convert it first")
        return given
    read = pd.to_datetime(given, format="ISO8601", errors="coerce")
    unread = (read.isna() & given.notna()).to_numpy()
    if unread.any():
        problems.append(
            f"answers.{column} has {int(unread.sum()):,} values that are no day such as 2025-12-31 "
            f"(rows {first_rows(unread, answers.index)}: {given[unread].iloc[0]!r}); correct them"
        )
    return read


def _first_event_within(
    customers: np.ndarray, day: np.ndarray, owners: pd.Series, days: np.ndarray, horizon_days: int
) -> np.ndarray:
    """Whether an event of the customer falls on one of the days day + 1 to day + horizon."""
    events, sought = _in_order(customers, day, owners, days)
    following = np.append(events, np.iinfo(np.int64).max)[np.searchsorted(events, sought, side="right")]
    return (sought >= 0) & (following <= sought + horizon_days)


def _in_order(
    customers: np.ndarray, day: np.ndarray, owners: pd.Series, days: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Customer and day as one number: those of events sorted, and those of answers, negative without any event."""
    codes, names = pd.factorize(pd.Series(owners, dtype=object))
    asked = pd.Index(names).get_indexer(pd.Index(customers, dtype=object))
    span = np.int64(1_000_000)
    events = np.sort(codes.astype(np.int64) * span + days.astype(np.int64))
    sought = asked.astype(np.int64) * span + np.where(np.isnat(day), 0, day.astype(np.int64))
    return events, np.where(asked >= 0, sought, np.int64(-span))


def _known(happened: np.ndarray, status: pd.Series, name: str) -> pd.Series:
    return pd.Series(np.where(status == USED, happened.astype(float), np.nan), status.index, name=name)
