"""What was known of each customer on a day, and whether she left afterwards: snapshot, gap and outcome window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, count_problems, first_rows, raise_problems
from crm_utils.churn._sources import Sources, Windows
from crm_utils.churn.tables import CUSTOMER, OUTCOME, SNAPSHOT, VALUE, FeatureTable, joined
from crm_utils.errors import DataFloorError, LeakageError
from crm_utils.language import counted, listed, tr


@dataclass(frozen=True, eq=False)
class SnapshotFeatures:
    """What was known of each customer before a day, and what came after.

    Attributes
    ----------
    features : pandas.DataFrame
        One row a customer, index ``customer_id``; floats, and text for categories.
    newest : pandas.Series of datetime
        Newest moment that each feature was made of; NaT where nothing dated went in. All lie before `snapshot`.
    outcome : pandas.Series of float
        1 left, 0 stayed, NaN where the window is not over yet; with the index of `features`.
    value_at_risk : pandas.Series of float
        Money that would be lost with the customer, a year; NaN where not known.
    snapshot : pandas.Timestamp
        First day that was not known.
    gap_until, outcome_until : pandas.Timestamp
        Last day of the gap and of the outcome window, which begins on the day after the gap.
    population : int
        Customers there were on the day, those who left in the gap included.
    left_in_gap : int
        Customers left out, for nobody could have acted in time.
    outcome_kind : str
        "left" or "stopped buying".
    notes : tuple of str
        What a reader should know.
    known_at : pandas.DataFrame, optional
        Newest moment by customer and feature, or by customer and source; where given, an error names customers.
    sources : mapping of str to str
        Column of `known_at` by feature; a feature that is not named has a column of its own.

    Raises
    ------
    LeakageError
        If a feature was made of anything that happened on the day of the snapshot or later.
    """

    features: pd.DataFrame
    newest: pd.Series
    outcome: pd.Series
    value_at_risk: pd.Series
    snapshot: pd.Timestamp
    gap_until: pd.Timestamp
    outcome_until: pd.Timestamp
    population: int
    left_in_gap: int
    outcome_kind: str = "left"
    notes: tuple[str, ...] = ()
    known_at: pd.DataFrame | None = None
    sources: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_leakage(self)

    @property
    def table(self) -> FeatureTable:
        """The same as a feature table of one snapshot."""
        rows = self.features.reset_index()
        rows.insert(1, SNAPSHOT, self.snapshot)
        rows[VALUE], rows[OUTCOME] = self.value_at_risk.to_numpy(), self.outcome.to_numpy()
        over = bool(self.outcome.notna().any())
        counts = pd.DataFrame(
            {
                SNAPSHOT: [self.snapshot],
                "gap_until": [self.gap_until],
                "outcome_until": [self.outcome_until],
                "population": [self.population],
                "left_in_gap": [self.left_in_gap],
                "customers": [len(rows)],
                "left": [float(self.outcome.sum()) if over else np.nan],
                "churn_rate": [float(self.outcome.mean())],
            }
        )
        newest = pd.DataFrame([self.newest.to_numpy()], columns=self.newest.index, index=[self.snapshot])
        return FeatureTable(
            rows=rows,
            features=tuple(self.features.columns),
            counts=counts,
            newest=newest,
            outcome_kind=self.outcome_kind,
            notes=self.notes,
        )


def check_leakage(snapshot_features: SnapshotFeatures) -> None:
    """Hold every feature to the day of the snapshot: what happened on it or later was not known.

    Parameters
    ----------
    snapshot_features : SnapshotFeatures
        Features with their newest moments.

    Raises
    ------
    LeakageError
        If anything is later: every feature, its newest moment, how many customers, and the first of them.

    Examples
    --------
    >>> day, none = pd.Timestamp("2025-01-01"), pd.Series([0.0], index=["a"])
    >>> features = pd.DataFrame({"calls": [3.0]}, index=pd.Index(["a"], name="customer_id"))
    >>> SnapshotFeatures(features, pd.Series({"calls": pd.Timestamp("2025-01-20")}), none, none, day, day, day, 1, 0)
    Traceback (most recent call last):
    ...
    crm_utils.errors.LeakageError: Features of 2025-01-01 use what was not known then:
      calls: newest 2025-01-20.
    Take only what happened before the snapshot, or leave the feature out.
    """
    given, day = snapshot_features, snapshot_features.snapshot
    problems = []
    for feature in given.features.columns:
        late = np.zeros(0, dtype=bool)
        newest = given.newest.get(feature, pd.NaT)
        source = (given.sources or {}).get(feature, feature)
        if given.known_at is not None and source in given.known_at:
            moments = given.known_at[source]
            late = (moments >= day).to_numpy()
            newest = moments.max() if late.any() else newest
        if not newest >= day and not late.any():
            continue
        rows = (
            f", {counted(int(late.sum()), 'customer')} ({first_rows(late, given.known_at.index)})" if late.any() else ""
        )
        problems.append(f"  {feature}: newest {_moment(newest)}{rows}.")
    if problems:
        raise LeakageError(
            "\n".join(
                [
                    f"Features of {_moment(day)} use what was not known then:",
                    *problems,
                    "Take only what happened before the snapshot, or leave the feature out.",
                ]
            )
        )


def snapshot_features(
    company: Any,
    *,
    snapshot: Any,
    gap_days: int = 30,
    outcome_days: int = 60,
    gap_months: int | None = None,
    outcome_months: int | None = None,
    history_days: int = 365,
    steps: Mapping[str, tuple[Any, int]] | None = None,
    fixed: Sequence[str] = ("plan",),
    customer_fields: Sequence[str] = ("region", "acquisition_channel"),
    extra: pd.DataFrame | None = None,
) -> SnapshotFeatures:
    """Gather what was known of each customer before a day, and whether she left in the window after a gap.

    Members are those whose spell covers the snapshot: it started before and had not ended before. Who ends within the
    gap is left out and counted, for no action could have reached her; the outcome is whether the last day of membership
    falls into the window. Where there are no dated memberships but order lines, customers are those who bought within
    the history, and the outcome is that they buy nothing in the window.

    Parameters
    ----------
    company : Company
        With ``memberships`` or ``order_lines``; what else it has becomes features.
    snapshot : date-like
        First day that is not known; not after the day of the analysis.
    gap_days, outcome_days : int, default 30 and 60
        Days from the snapshot to the last day of the gap, from 0, and length of the window after it.
    gap_months, outcome_months : int, optional
        Calendar months instead of days, both or none: with 1 and 2, a snapshot of 1 July has July as its gap and August
        and September as its window. Memberships that end with a calendar month need them: 60 days hold one end of a
        month or two.
    history_days : int, default 365
        Days before the snapshot of which purchases and contacts count.
    steps : mapping of str to (date-like, int), optional
        Feature → first day and number of months of an event that the company plans itself and knows of in advance, such
        as a rise in price: the share of the outcome window that lies in these months, for who was a member before the
        event, else 0. Without it, leavers that the event drove away would be put down to what else was going on.
    fixed : sequence of str, default ("plan",)
        Columns of ``memberships`` that are known at the start and do not change. Others are no features: a table has
        the latest ``monthly_fee``, which tells who was still there when it rose.
    customer_fields : sequence of str, default ("region", "acquisition_channel")
        Columns of ``customers`` used as they are recorded today; who was first known later has none.
    extra : pandas.DataFrame, optional
        Further features: ``customer_id``, ``known_at`` (when the values were known), and columns of values.

    Returns
    -------
    SnapshotFeatures
        Features, by source where it is there: ``tenure_months``, the columns of `fixed`, ``steps``; from
        ``member_months``, for each measure, ``<measure>_last_3_months`` (mean a month over the three months before the
        snapshot that are over) and ``<measure>_trend`` (log of 1 + that mean, less the same for the three months
        before; 0 where there are none); from ``order_lines`` ``days_since_purchase``, ``purchase_days``, ``spend``,
        ``categories``, ``discounted_share``; from ``interactions`` ``contacts``, ``complaints_made``,
        ``unresolved_complaints``, ``rating``; ``satisfaction``, the mean of all answers so far; ``age`` and the columns
        of `customer_fields`.

    Raises
    ------
    LeakageError
        If `extra` holds what was known on the snapshot or later, or `fixed` names what is known at the end.
    ParameterError
        If an option or the tables are unusable.
    DataFloorError
        If nobody was a customer on the day, or all memberships end in one month, which is no choice of theirs.

    Examples
    --------
    >>> from crm_utils.company import load_company
    >>> found = snapshot_features(load_company(), snapshot="2025-07-01", gap_months=1, outcome_months=2)
    >>> found.snapshot < found.gap_until < found.outcome_until, bool((found.newest.dropna() < found.snapshot).all())
    (True, True)
    """
    where = "snapshot_features"
    sources = Sources(where, company, steps, fixed, customer_fields, extra)
    problems: list[str] = []
    day = as_day(snapshot, "snapshot", problems)
    windows = read_windows(gap_days, outcome_days, gap_months, outcome_months, history_days, problems)
    raise_problems(where, problems)
    return one_snapshot(sources, day, windows)


def one_snapshot(sources: Sources, day: pd.Timestamp, windows: Windows) -> SnapshotFeatures:
    """Features and outcome of one day, or what is wrong with the day."""
    where = sources.where
    if day > sources.as_of:
        raise_problems(where, [f"snapshot must not be after the day of the analysis ({sources.as_of:%Y-%m-%d})"])
    sources.check_extra(day)
    found = _features_on(sources, day, windows)
    if found is None:
        raise _nobody(sources, [day], windows)
    return found


def several_snapshots(
    company: Any,
    *,
    first: Any,
    last: Any,
    every_months: int = 1,
    gap_days: int = 30,
    outcome_days: int = 60,
    gap_months: int | None = None,
    outcome_months: int | None = None,
    history_days: int = 365,
    steps: Mapping[str, tuple[Any, int]] | None = None,
    fixed: Sequence[str] = ("plan",),
    customer_fields: Sequence[str] = ("region", "acquisition_channel"),
    extra: pd.DataFrame | None = None,
) -> FeatureTable:
    """Gather features and outcomes on several days, one below the other.

    Parameters
    ----------
    company : Company
        As in `snapshot_features`.
    first, last : date-like
        First and last snapshot.
    every_months : int, default 1
        Months from one snapshot to the next.
    gap_days, outcome_days, gap_months, outcome_months, history_days, steps, fixed, customer_fields
        As in `snapshot_features`.
    extra : pandas.DataFrame, optional
        As in `snapshot_features`, with as many rows a customer as there is history: each snapshot takes the newest row
        known before it.

    Returns
    -------
    FeatureTable
        Rows of all snapshots. A day without customers is left out, with a note.

    Raises
    ------
    LeakageError, ParameterError, DataFloorError
        As in `snapshot_features`; `extra` is held to the last snapshot.

    Examples
    --------
    >>> from crm_utils.company import load_company
    >>> table = several_snapshots(load_company(), first="2025-01-01", last="2025-07-01", every_months=3)
    >>> table.counts["snapshot"].dt.strftime("%Y-%m").tolist()
    ['2025-01', '2025-04', '2025-07']
    """
    where = "several_snapshots"
    sources = Sources(where, company, steps, fixed, customer_fields, extra)
    problems = count_problems("every_months", every_months, least=1)
    begin, end = as_day(first, "first", problems), as_day(last, "last", problems)
    windows = read_windows(gap_days, outcome_days, gap_months, outcome_months, history_days, problems)
    if not problems and not begin <= end <= sources.as_of:
        problems.append(
            f"first must not be after last, nor last after the day of the analysis ({sources.as_of:%Y-%m-%d}); they "
            f"are {begin:%Y-%m-%d} and {end:%Y-%m-%d}"
        )
    raise_problems(where, problems)
    months = (end.year - begin.year) * 12 + end.month - begin.month
    days = [begin + pd.DateOffset(months=number) for number in range(0, months + 1, every_months)]
    days = [day for day in days if day <= end]
    sources.check_extra(days[-1])
    found = [(day, _features_on(sources, day, windows)) for day in days]
    tables = [snapshot.table for _, snapshot in found if snapshot is not None]
    if not tables:
        raise _nobody(sources, days, windows)
    table = joined(tables)
    empty = [_moment(day) for day, snapshot in found if snapshot is None]
    if not empty:
        return table
    note = tr("Nobody was a customer on {days}; those snapshots are left out.").format(days=listed(empty))
    return FeatureTable(**{**vars(table), "notes": (*table.notes, note)})


def read_windows(
    gap_days: int,
    outcome_days: int,
    gap_months: int | None,
    outcome_months: int | None,
    history_days: int,
    problems: list[str],
) -> Windows:
    """Take lengths of windows; what is wrong with them is added to `problems`."""
    problems += count_problems("history_days", history_days, least=1)
    if (gap_months is None) != (outcome_months is None):
        problems.append("gap_months and outcome_months go together: give both or none")
    elif gap_months is not None:
        problems += count_problems("gap_months", gap_months, least=0)
        problems += count_problems("outcome_months", outcome_months, least=1)
    else:
        problems += count_problems("gap_days", gap_days, least=0)
        problems += count_problems("outcome_days", outcome_days, least=1)
    return Windows(gap_days, outcome_days, gap_months, outcome_months, history_days)


def _features_on(sources: Sources, day: pd.Timestamp, windows: Windows) -> SnapshotFeatures | None:
    """Features and outcome of one day; None where nobody was a customer."""
    gap_until, outcome_until = windows.ends(day)
    people = sources.population(day, windows.history_start(day))
    if not len(people.codes):
        return None
    outcome, in_gap = sources.outcome(people, day, gap_until, outcome_until)
    people, outcome = people.part(~in_gap), outcome[~in_gap]
    columns, origin, known = sources.features(people, day, windows)
    customers = pd.Index(sources.customers[people.codes], name=CUSTOMER)
    features = pd.DataFrame(columns, index=customers)
    empty = features.columns[features.isna().all()]
    features = features.drop(columns=empty)
    known_at = pd.DataFrame(known, index=customers)
    newest_of = known_at.max()
    newest = pd.Series({name: newest_of.get(origin[name], pd.NaT) for name in features}, dtype="datetime64[us]")
    notes = [*sources.notes, *windows.notes(sources, day)]
    if len(empty) and len(features):
        notes.append(tr("Nothing was known before the snapshot of: {names}.").format(names=listed(empty, 8)))
    return SnapshotFeatures(
        features=features,
        newest=newest,
        outcome=pd.Series(outcome, customers, name=OUTCOME),
        value_at_risk=pd.Series(sources.value(people, day), customers, name=VALUE),
        snapshot=day,
        gap_until=gap_until,
        outcome_until=outcome_until,
        population=len(in_gap),
        left_in_gap=int(in_gap.sum()),
        outcome_kind=sources.outcome_kind,
        notes=tuple(notes),
        known_at=known_at,
        sources=origin,
    )


def _nobody(sources: Sources, days: list[pd.Timestamp], windows: Windows) -> DataFloorError:
    """Error for days on which nobody was a customer: none had come yet, or all had gone."""
    one = len(days) == 1
    earlier, later = ("an earlier snapshot", "a later snapshot") if one else ("earlier snapshots", "later snapshots")
    text = (
        f"{sources.where}: nobody was a customer on {_moment(days[0]) if one else 'any of the days'}; the first "
        f"{sources.begins} on {_moment(sources.first_day)}"
    )
    if sources.first_day >= days[-1]:
        return DataFloorError(f"{text}. Take {later}.")
    if sources.dated:
        came = sources.spells.started < days[-1]
        who = "all" if came.all() else "all who had started by then"
        return DataFloorError(
            f"{text}, and {who} had left by {_moment(sources.spells.ended[came].max())}. Take {earlier}."
        )
    return DataFloorError(
        f"{text}, and nobody bought in the {windows.history_days:,} days before. Take {earlier}, or a longer history "
        "(history_days)."
    )


def _moment(moment: Any) -> str:
    """A day, with the time where there is one."""
    moment = pd.Timestamp(moment)
    return f"{moment:%Y-%m-%d}" if moment == moment.normalize() else f"{moment:%Y-%m-%d %H:%M}"
