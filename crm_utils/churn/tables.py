"""Customers as an early warning sees them: one row a customer and day, what was known of her, and whether she left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, missing_columns, raise_problems
from crm_utils.errors import DataFloorError, did_you_mean
from crm_utils.language import listed, tr

CUSTOMER, SNAPSHOT, OUTCOME, VALUE = "customer_id", "snapshot", "outcome", "value_at_risk"
_YES_NO = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "是": 1.0, "否": 0.0, "y": 1.0, "n": 0.0}
_FEWEST_FOR_IDS = 20


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features and outcome of customers, on one day or several.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row a customer and snapshot: ``customer_id``, ``snapshot`` (NaT for a cross-section), the features,
        ``value_at_risk`` (NaN where not known) and ``outcome`` (1 left, 0 stayed, NaN not known yet).
    features : tuple of str
        Columns of `rows` that are features: floats, or text for categories.
    counts : pandas.DataFrame
        One row a snapshot: ``snapshot``, ``gap_until``, ``outcome_until`` (last days of the windows), ``population``,
        ``left_in_gap`` (left out), ``customers`` (rows), ``left``, ``churn_rate`` (NaN where not known yet).
    newest : pandas.DataFrame
        Newest moment used, one row a snapshot, one column a feature; empty for a cross-section.
    outcome_kind : str
        "left", "stopped buying" or the name of a column.
    cross_sectional : bool
        Whether nothing says when each customer was seen, so that no test in time is possible.
    notes : tuple of str
        What a reader should know, each a sentence.
    """

    rows: pd.DataFrame
    features: tuple[str, ...]
    counts: pd.DataFrame
    newest: pd.DataFrame
    outcome_kind: str
    cross_sectional: bool = False
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def outcome(self) -> np.ndarray:
        """Outcomes, shape (n,) of float."""
        return self.rows[OUTCOME].to_numpy(dtype=float)

    @property
    def customers(self) -> np.ndarray:
        """Customers, shape (n,)."""
        return self.rows[CUSTOMER].to_numpy()

    def part(self, chosen: np.ndarray) -> FeatureTable:
        """The rows chosen by a mask or by positions; `counts` and `newest` of the snapshots that are left."""
        rows = self.rows.iloc[np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else chosen]
        rows = rows.reset_index(drop=True)
        if self.cross_sectional:
            return replace(self, rows=rows)
        here = rows[SNAPSHOT].unique()
        counts = self.counts[self.counts[SNAPSHOT].isin(here)].reset_index(drop=True)
        return replace(self, rows=rows, counts=counts, newest=self.newest.loc[self.newest.index.isin(here)])

    def known(self) -> FeatureTable:
        """The rows whose outcome is known."""
        return self.part(~np.isnan(self.outcome))


def as_feature_table(
    data: Any, *, outcome: str = OUTCOME, customer_col: str = CUSTOMER, where: str = "early_warning"
) -> FeatureTable:
    """Take a feature table, a snapshot or a data frame with an outcome as a feature table.

    Parameters
    ----------
    data : FeatureTable, SnapshotFeatures or pandas.DataFrame
        A frame is read as `cross_section` reads memberships; its features are all columns but the outcome and the
        customer.
    outcome : str, default "outcome"
        Column of the outcome in a frame.
    customer_col : str, default "customer_id"
        Column of the customer in a frame; without it, each row is a customer.
    where : str
        Function that asks, for messages.

    Returns
    -------
    FeatureTable
        The table.

    Examples
    --------
    >>> as_feature_table(pd.DataFrame({"visits": [1, 2], "left": ["Yes", "No"]}), outcome="left").outcome.tolist()
    [1.0, 0.0]
    """
    if isinstance(data, FeatureTable):
        return data
    if isinstance(getattr(data, "table", None), FeatureTable):
        return data.table
    if not isinstance(data, pd.DataFrame):
        raise_problems(where, [f"a table of features is needed, and {type(data).__name__} is none"])
    return _from_frame(where, data, outcome=outcome, customer_col=customer_col, drop=())


def cross_section(
    company: Any,
    *,
    outcome: str = "churned",
    customer_col: str = CUSTOMER,
    value_col: str = "monthly_fee",
    drop: Sequence[str] = (),
) -> FeatureTable:
    """Make features of memberships that are known by length and outcome only, as public churn tables are.

    Parameters
    ----------
    company : Company or pandas.DataFrame
        A company with the table ``memberships`` in the form (tenure_months, churned), or such a table. Every other
        column is a feature: numbers, flags (yes/no, true/false, 是/否), categories. Blank text is missing; text that is
        a number everywhere else is a number.
    outcome : str, default "churned"
        Column of the outcome, a flag.
    customer_col : str, default "customer_id"
        Column of the customer.
    value_col : str, default "monthly_fee"
        Column of the value at risk, where there is one; it is a feature as well.
    drop : sequence of str
        Columns that are no features.

    Returns
    -------
    FeatureTable
        With ``cross_sectional`` True. Nothing says when a column was recorded: one that was filled in after people
        left cannot be found by its date, only by being too good to be true (`too_good_to_be_true`).

    Raises
    ------
    ParameterError
        If columns are absent, customers repeat, the outcome is no flag, or columns hold dates: every problem.

    Examples
    --------
    >>> memberships = pd.DataFrame({"customer_id": ["a", "b", "c"], "tenure_months": [1, 30, 12],
    ...     "total": [" ", "301.5", "99"], "contract": ["monthly", "yearly", ""], "churned": ["Yes", "No", "No"]})
    >>> table = cross_section(memberships)
    >>> table.rows[["total", "contract", "outcome"]]
       total contract  outcome
    0    NaN  monthly      1.0
    1  301.5   yearly      0.0
    2   99.0      NaN      0.0
    """
    where = "cross_section"
    memberships = company if isinstance(company, pd.DataFrame) else company.table("memberships")
    return _from_frame(where, memberships, outcome=outcome, customer_col=customer_col, drop=drop, value_col=value_col)


def _from_frame(
    where: str,
    frame: pd.DataFrame,
    *,
    outcome: str,
    customer_col: str,
    drop: Sequence[str],
    value_col: str = VALUE,
) -> FeatureTable:
    problems = missing_columns(frame, (outcome,), "the table")
    problems += [
        f"drop names {name!r}, which is no column{did_you_mean(name, frame.columns)}"
        for name in drop
        if name not in frame
    ]
    if len(frame.columns) != len(set(frame.columns)):
        problems.append(f"columns repeat: {listed(frame.columns[frame.columns.duplicated()].unique())}; rename them")
    raise_problems(where, problems)
    happened, unread = _flag(frame[outcome])
    if unread.any():
        problems.append(
            f"{outcome} must be a flag such as Yes and No, and {unread.sum():,} values are none "
            f"(rows {first_rows(unread, frame.index)}: {frame[outcome][unread].iloc[0]!r})"
        )
    dated = SNAPSHOT in frame
    rows = pd.DataFrame(
        {
            CUSTOMER: frame[customer_col].to_numpy() if customer_col in frame else np.arange(len(frame)),
            SNAPSHOT: pd.to_datetime(frame[SNAPSHOT]).to_numpy() if dated else np.datetime64("NaT", "us"),
        }
    )
    problems += repeated_rows(rows, customer_col)
    notes = []
    columns: dict[str, pd.Series] = {}
    for name in frame.columns:
        if name in (outcome, customer_col, SNAPSHOT, VALUE, *drop):
            continue
        column, problem = read_feature(frame[name])
        if problem:
            problems.append(f"{name} {problem}")
        elif isinstance(column.dtype, pd.StringDtype) and _is_name_of_rows(column):
            notes.append(
                tr("{name} has another text in almost every row: it names customers, and is no feature.").format(
                    name=name
                )
            )
        elif column.isna().all():
            notes.append(tr("{name} is empty, and is no feature.").format(name=name))
        else:
            columns[name] = column
    raise_problems(where, problems)
    value = columns.get(value_col) if value_col != VALUE else read_feature(frame[VALUE])[0] if VALUE in frame else None
    numeric = value is not None and value.dtype == float
    rows = pd.concat([rows, pd.DataFrame(columns).reset_index(drop=True)], axis=1)
    rows[VALUE] = value.to_numpy() if numeric else np.nan
    rows[OUTCOME] = happened
    if np.isnan(happened).any():
        notes.append(tr("{count:,} rows have no outcome.").format(count=int(np.isnan(happened).sum())))
    counts = rows.groupby(SNAPSHOT, dropna=False)[OUTCOME].agg(customers="size", left="sum", churn_rate="mean")
    return FeatureTable(
        rows=rows,
        features=tuple(columns),
        counts=counts.reset_index(),
        newest=pd.DataFrame(columns=list(columns)),
        outcome_kind=outcome,
        cross_sectional=not dated,
        notes=tuple(notes),
    )


def repeated_rows(rows: pd.DataFrame, name: str = CUSTOMER) -> list[str]:
    """Say which customers are there more than once on one day."""
    problems = []
    if (unknown := rows[CUSTOMER].isna().to_numpy()).any():
        problems.append(f"{name} is missing in {unknown.sum():,} rows (at positions {first_rows(unknown)})")
    again = rows.duplicated([CUSTOMER, SNAPSHOT]).to_numpy() & ~unknown
    if again.any():
        shown = first_rows(again, rows[CUSTOMER].to_list())
        problems.append(
            f"{name} repeats in {again.sum():,} rows ({shown}); one row a customer (and snapshot) is needed: the same "
            "customer in training and test would flatter the model"
        )
    return problems


def read_feature(column: pd.Series) -> tuple[pd.Series, str]:
    """Read a column as numbers or as categories.

    Parameters
    ----------
    column : pandas.Series
        Numbers, flags, text or categories. Not modified.

    Returns
    -------
    column : pandas.Series
        Floats, or text, both with what is missing or blank as missing. A flag is 1 or 0.
    problem : str
        Why it cannot be a feature; empty where it can.

    Examples
    --------
    >>> read_feature(pd.Series(["1.5", " ", "2"]))[0].tolist()
    [1.5, nan, 2.0]
    >>> read_feature(pd.Series(["Yes", "No", None]))[0].tolist()
    [1.0, 0.0, nan]
    """
    if pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype):
        return column, "holds dates; give days since, or leave it out (drop=…)"
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        numbers = pd.Series(column.to_numpy(dtype=float, na_value=np.nan), column.index, name=column.name)
        endless = np.isinf(numbers.to_numpy())
        return numbers, f"is infinite in {endless.sum():,} rows; correct them" if endless.any() else ""
    text = column.astype("str").where(column.notna()).str.strip()
    text = text.where(text != "")
    flag, unread = _flag(text)
    if not unread.any():
        return pd.Series(flag, column.index, name=column.name), ""
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    # "inf" and "nan" are words here.
    if (np.isfinite(numbers) | text.isna()).all():
        return numbers, ""
    return text, ""


def _flag(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """A flag as 1, 0 and NaN, and which values are none."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        return numbers, ~(np.isnan(numbers) | np.isin(numbers, (0, 1)))
    text = column.astype("str").where(column.notna()).str.strip().str.lower()
    flag = text.map({**_YES_NO, "1": 1.0, "0": 0.0}).to_numpy(dtype=float, na_value=np.nan)
    return flag, np.isnan(flag) & (text.notna() & (text != "")).to_numpy()


def _is_name_of_rows(column: pd.Series) -> bool:
    there = column.dropna()
    return len(there) >= _FEWEST_FOR_IDS and there.nunique() > 0.5 * len(there)


def joined(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Put the feature tables of several snapshots one below the other; features that some lack are missing there."""
    features = tuple(dict.fromkeys(name for table in tables for name in table.features))
    first = tables[0]
    columns = [CUSTOMER, SNAPSHOT, *features, VALUE, OUTCOME]
    rows = pd.concat([table.rows for table in tables], ignore_index=True)[columns]
    return replace(
        first,
        rows=rows,
        features=features,
        counts=pd.concat([table.counts for table in tables], ignore_index=True),
        newest=pd.concat([table.newest for table in tables]),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
    )


@dataclass(frozen=True, eq=False)
class Split:
    """A feature table in four parts, each with an own use.

    Attributes
    ----------
    train, calibrate, threshold, test : FeatureTable
        To fit the model; to bring its probabilities to what happens; to choose whom to contact; to judge it.
    kind : str
        "time" (later snapshots judge earlier ones), "random rows" or "stratified".
    table : pandas.DataFrame
        One row a part: ``part``, ``first`` and ``last`` snapshot, ``customers`` (rows), ``left``, ``churn_rate``,
        ``also_in_train`` (share of its customers who are in the training part too).
    notes : tuple of str
        What a reader should know.
    """

    train: FeatureTable
    calibrate: FeatureTable
    threshold: FeatureTable
    test: FeatureTable
    kind: str
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> Mapping[str, FeatureTable]:
        """The four parts by name."""
        return {name: getattr(self, name) for name in ("train", "calibrate", "threshold", "test")}

    @property
    def table(self) -> pd.DataFrame:
        """What each part holds."""
        trained = pd.Index(self.train.rows[CUSTOMER].unique())
        return pd.DataFrame(
            [
                {
                    "part": name,
                    "first": part.rows[SNAPSHOT].min(),
                    "last": part.rows[SNAPSHOT].max(),
                    "customers": len(part),
                    "left": int(part.outcome.sum()),
                    "churn_rate": float(part.outcome.mean()) if len(part) else np.nan,
                    "also_in_train": float(part.rows[CUSTOMER].isin(trained).mean()) if len(part) else np.nan,
                }
                for name, part in self.parts.items()
            ]
        )


def time_split(
    table: FeatureTable, *, test_snapshots: int = 1, threshold_snapshots: int = 1, calibrate_snapshots: int = 1
) -> Split:
    """Split by snapshot: the latest judges, the ones before choose the threshold and calibrate, the earliest train.

    What is learnt must have been known on the day of the first test: snapshots whose outcome window was not over then
    are left out, and named in the notes.

    Parameters
    ----------
    table : FeatureTable
        Of several snapshots, as `several_snapshots` makes it.
    test_snapshots, threshold_snapshots, calibrate_snapshots : int, default 1
        Snapshots with a known outcome in each part.

    Returns
    -------
    Split
        Rows without an outcome are in no part.

    Raises
    ------
    ParameterError
        If the table has no snapshots.
    DataFloorError
        If none is left to train on.

    Examples
    --------
    >>> from crm_utils.company import load_company
    >>> from crm_utils.churn.features import several_snapshots
    >>> table = several_snapshots(load_company(), first="2024-06-01", last="2025-06-01", every_months=3)
    >>> time_split(table).table[["part", "first"]]
            part      first
    0      train 2024-06-01
    1  calibrate 2024-12-01
    2  threshold 2025-03-01
    3       test 2025-06-01
    """
    where = "time_split"
    problems = []
    for name, number in (
        ("test_snapshots", test_snapshots),
        ("threshold_snapshots", threshold_snapshots),
        ("calibrate_snapshots", calibrate_snapshots),
    ):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            problems.append(f"{name} must be a whole number of at least 1, and is {number!r}")
    if table.cross_sectional:
        problems.append("the table has no snapshots; use random_split, which cannot tell how the model will do later")
    raise_problems(where, problems)
    table = table.known()
    days = np.sort(table.rows[SNAPSHOT].unique())
    until = table.counts.set_index(SNAPSHOT).get("outcome_until")
    needed = test_snapshots + threshold_snapshots + calibrate_snapshots + 1
    notes: list[str] = []
    test = days[-test_snapshots:]
    earlier = days[:-test_snapshots]
    if until is not None and len(earlier):
        over = (until.reindex(earlier) < test[0]).to_numpy()
        if not over.all():
            notes.append(
                tr(
                    "{count} snapshots are in no part: their outcome was not known on the day of the first test "
                    "({day:%Y-%m-%d})."
                ).format(count=int((~over).sum()), day=pd.Timestamp(test[0]))
            )
        earlier = earlier[over]
    if len(earlier) + test_snapshots < needed:
        raise DataFloorError(
            f"{where}: {needed} snapshots with an outcome known in time are needed, and there are "
            f"{len(earlier) + test_snapshots}. Take more snapshots, or shorter windows."
        )
    ends = len(earlier) - threshold_snapshots
    chosen = {
        "train": earlier[: ends - calibrate_snapshots],
        "calibrate": earlier[ends - calibrate_snapshots : ends],
        "threshold": earlier[ends:],
        "test": test,
    }
    parts = {name: table.part(table.rows[SNAPSHOT].isin(some).to_numpy()) for name, some in chosen.items()}
    return Split(**parts, kind="time", notes=tuple(notes))


def random_split(table: FeatureTable, *, shares: Sequence[float] = (0.5, 0.15, 0.15, 0.2), seed: int = 7) -> Split:
    """Split rows by lot, with the same share of leavers in each part.

    For a cross-section there is nothing better. With several snapshots it flatters: the same customer, a month older,
    is in training and in test, and the test is no later than the training.

    Parameters
    ----------
    table : FeatureTable
        Any.
    shares : sequence of four float
        Shares of the rows to train, to calibrate, to choose the threshold and to test; above 0, they add up to 1.
    seed : int, default 7
        Seed.

    Returns
    -------
    Split
        Rows without an outcome are in no part.

    Raises
    ------
    ParameterError
        If the shares are unusable.
    DataFloorError
        If a part would lack leavers or stayers.

    Examples
    --------
    >>> table = as_feature_table(pd.DataFrame({"x": range(200), "outcome": [0, 1] * 100}))
    >>> random_split(table).table["churn_rate"].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    where = "random_split"
    if len(shares) != 4 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise_problems(where, [f"shares must be four numbers above 0 that add up to 1, and are {tuple(shares)!r}"])
    table = table.known()
    outcome = table.outcome
    rng = np.random.default_rng(seed)
    part = np.empty(len(outcome), dtype=int)
    ends = np.cumsum(shares)[:-1]
    for happened in (0, 1):
        rows = rng.permutation(np.flatnonzero(outcome == happened))
        if len(rows) < 20:
            word = "left" if happened else "stayed"
            raise DataFloorError(f"{where}: at least 20 customers who {word} are needed, and there are {len(rows)}.")
        part[rows] = np.searchsorted(np.round(ends * len(rows)), np.arange(len(rows)), side="right")
    parts = [table.part(part == number) for number in range(4)]
    kind = "stratified" if table.cross_sectional else "random rows"
    note = tr("Parts are drawn by lot: the test tells nothing of how the model will do later.")
    return Split(*parts, kind=kind, notes=(note,))
