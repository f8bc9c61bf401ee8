"""Retiring stale records: those nobody has kept up, of people nobody has heard from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import missing_columns, raise_problems

ACTIONS = ("keep", "confirm", "archive", "delete")


def stale_records(
    records: pd.DataFrame,
    *,
    as_of: Any,
    last_seen: pd.DataFrame | None = None,
    stale_after_days: int = 730,
    id_col: str = "record_id",
    source_col: str = "source",
    person_col: str = "cluster_id",
    updated_col: str = "updated_at",
    may_contact_col: str = "may_contact",
) -> pd.DataFrame:
    """Suggest what to do with each record, by its age and the last sign of life of its person.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a record, with the moment of its last update and, where known, permission to contact.
    as_of : str or date
        Day of the analysis.
    last_seen : pandas.DataFrame, optional
        One row a person or an event, with `person_col` and last_seen, a moment of a purchase or a contact; the latest
        before `as_of` counts, and a person without a row was never seen. `records` needs `person_col` then. Default:
        activity is not known.
    stale_after_days : int, default 730
        Days without an update, or without a sign of life, from which a record or a person counts as silent.
    id_col, source_col, person_col, updated_col : str
        Columns of record, source, person (the cluster after linkage) and last update. A missing update counts as
        stale.
    may_contact_col : str, default "may_contact"
        Permission; optional. A refusal in any record of the person holds for all of them, and where none answers
        there is no permission.

    Returns
    -------
    pandas.DataFrame
        One row a record, in the given order: the record's id, its source, days_since_update, days_since_seen, stale,
        reason, action (categorical, in the order of `ACTIONS`):

        * keep: updated less than `stale_after_days` ago
        * confirm: stale, but its person is active, or activity is not known: ask at the next contact
        * archive: stale, person silent: out of the working tables
        * delete: stale, person silent, and no permission to contact: no purpose is left

    Raises
    ------
    ParameterError
        If columns are missing or no dates, or the number of days is out of range: all of it at once.

    Notes
    -----
    These are suggestions for a person to decide. A duty to keep documents, such as invoices for the tax office, comes
    before deletion; personal data without a purpose is deleted (GDPR art. 5(1)(e); PIPL art. 47).

    Examples
    --------
    >>> records = pd.DataFrame({"record_id": ["r1", "r2", "r3"], "source": "web", "cluster_id": [1, 2, 3],
    ...     "updated_at": pd.to_datetime(["2025-11-01", "2023-01-01", "2023-01-01"]),
    ...     "may_contact": [True, True, False]})
    >>> seen = pd.DataFrame({"cluster_id": [2], "last_seen": pd.to_datetime(["2025-12-01"])})
    >>> stale_records(records, as_of="2026-01-01", last_seen=seen)[["record_id", "action"]]
      record_id   action
    0        r1     keep
    1        r2  confirm
    2        r3   delete
    """
    problems = missing_columns(records, (id_col, source_col, updated_col), "records")
    problems += _date_problems(records, updated_col, "records")
    if last_seen is not None:
        problems += missing_columns(records, (person_col,), "records")
        problems += missing_columns(last_seen, (person_col, "last_seen"), "last_seen")
        problems += _date_problems(last_seen, "last_seen", "last_seen")
    if stale_after_days < 1:
        problems.append(f"stale_after_days must be at least 1, and is {stale_after_days}")
    raise_problems("stale_records", problems)

    day = pd.Timestamp(as_of)
    since_update = (day - records[updated_col]).dt.days.astype("float64")
    stale = ~(since_update < stale_after_days)
    since_seen = pd.Series(np.nan, index=records.index)
    silent = pd.Series(False, index=records.index)
    if last_seen is not None:
        before = last_seen[last_seen["last_seen"] < day]
        latest = before.groupby(person_col)["last_seen"].max()
        since_seen = (day - records[person_col].map(latest)).dt.days.astype("float64")
        silent = ~(since_seen < stale_after_days)
    refused = pd.Series(False, index=records.index)
    if may_contact_col in records:
        refused = ~_may_contact(records, may_contact_col, person_col)
    cases = [~stale, stale & ~silent, stale & silent & ~refused, stale & silent & refused]
    reasons = [
        "updated recently",
        "not updated; its person is active" if last_seen is not None else "not updated; activity not known",
        "not updated; its person is silent",
        "not updated; its person is silent and gave no permission",
    ]
    return pd.DataFrame(
        {
            id_col: records[id_col],
            source_col: records[source_col],
            "days_since_update": since_update,
            "days_since_seen": since_seen,
            "stale": stale,
            "reason": pd.Categorical(np.select(cases, reasons, default=""), categories=reasons),
            "action": pd.Categorical(np.select(cases, ACTIONS, default=""), categories=ACTIONS, ordered=True),
        }
    )


def _may_contact(records: pd.DataFrame, may_contact_col: str, person_col: str) -> pd.Series:
    """Whether some record of the person permits contact and none refuses it."""
    permits, refuses = (records[may_contact_col].isin([answer]) for answer in (True, False))
    if person_col not in records:
        return permits
    person = pd.Series(pd.factorize(records[person_col])[0], index=records.index)
    alone = person < 0
    permits = permits.groupby(person).transform("any").mask(alone, permits)
    return permits & ~refuses.groupby(person).transform("any").mask(alone, refuses)


def _date_problems(frame: pd.DataFrame, column: str, name: str) -> list[str]:
    if column not in frame or pd.api.types.is_datetime64_any_dtype(frame[column]):
        return []
    return [f"{name}.{column} must be dates, and is {frame[column].dtype}; use pandas.to_datetime"]


def stale_table(stale: pd.DataFrame, *, source_col: str = "source") -> pd.DataFrame:
    """Count records by source and suggested action.

    Parameters
    ----------
    stale : pandas.DataFrame
        Result of `stale_records`.
    source_col : str, default "source"
        Column of sources.

    Returns
    -------
    pandas.DataFrame
        One row a source, sorted, and a last one for "all": source, records, one column an action, stale_share.
    """
    counts = pd.crosstab(stale[source_col], stale["action"], dropna=False)
    counts = counts[counts.index.notna()].reindex(columns=list(ACTIONS), fill_value=0)
    counts.loc["all"] = counts.sum()
    counts.columns = list(ACTIONS)
    counts.insert(0, "records", counts.sum(axis=1))
    counts["stale_share"] = 1 - counts["keep"] / counts["records"]
    return counts.rename_axis(source_col).reset_index()
