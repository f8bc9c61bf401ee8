"""Early-warning features of companies whose tables do not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crm_utils.checks import as_day, raise_problems
from crm_utils.churn._file_sources import FileSources
from crm_utils.churn._files import opened
from crm_utils.churn.features import SnapshotFeatures, one_snapshot, read_windows


def snapshot_features_of_files(
    folder: str | Path | None = None,
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
    as_of: Any = None,
    out: str | Path | None = None,
    memory_limit: str | None = None,
) -> SnapshotFeatures:
    """Gather what was known of each customer before a day, from files of any size.

    The twin of `snapshot_features` for folders of which `load_company` would fill the memory: the same features, values
    and notes. DuckDB goes over ``member_months``, ``order_lines`` and ``interactions`` once each, reads only the
    columns and (of Parquet) the row groups of the days that are used, and hands back one row a customer.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        A company's folder, as `load_company` takes it. Large tables should be Parquet; text files (CSV in UTF-8) serve
        too. Tables of other kinds are read as `load_company` reads them.
    snapshot, gap_days, outcome_days, gap_months, outcome_months, history_days, steps, fixed, customer_fields, extra
        As in `snapshot_features`.
    as_of : str or date, optional
        Day of the analysis, as in `load_company`. Where neither this nor ``company.yml`` states it, the dates of all
        tables are read to find the newest.
    out : str or pathlib.Path, optional
        Parquet file to which customers, snapshot, features, value at risk and outcome are written as well. A file of
        that name is replaced.
    memory_limit : str, optional
        What DuckDB may hold, such as "4GB"; beyond it, DuckDB writes to disc. Default: DuckDB's own. One row a customer
        is held besides.

    Returns
    -------
    SnapshotFeatures
        As of `snapshot_features` of the company. Sums of money may differ in the last digit, for they are added up in
        another order; where customers are those who buy, rows are in the order of their ids.

    Raises
    ------
    ContractError
        If a table lacks columns, or rows that are used break the contract: which rule, how many, the first of them.
    LeakageError, ParameterError, DataFloorError
        As in `snapshot_features`; ParameterError also if `out` or `memory_limit` is unusable.

    Notes
    -----
    ``products``, and tables that SQL cannot read (workbooks, other encodings, times with a zone), are held to the whole
    contract. Of the others these rules are held, in the columns that are used and in rows of the days that are used or
    of no day: needed columns, values that cannot be read, blanks where there must be none, bounds of numbers, an end
    before its start, signs of quantity and amount, spells that overlap, a customer or a member's month twice. Not held
    at this size: that contacts, questionnaires and lines of strangers are in order, that contacts and questionnaires
    occur once, that dates lie in the years of the contract, words such as NULL for an id, and ids of text that were all
    stored as 12346.0. For these, run ``crm check``.

    Examples
    --------
    >>> found = snapshot_features_of_files("demo", snapshot="2025-07-01", gap_months=1, outcome_months=2)
    >>> found.outcome_kind, "visits_trend" in found.features
    ('left', True)
    """
    where = "snapshot_features_of_files"
    problems: list[str] = []
    day = as_day(snapshot, "snapshot", problems)
    windows = read_windows(gap_days, outcome_days, gap_months, outcome_months, history_days, problems)
    path = None if out is None else Path(out).expanduser()
    if path is not None and (path.suffix.lower() != ".parquet" or not path.parent.is_dir() or path.is_dir()):
        problems.append(f"out must be a file that ends with .parquet, in a folder that exists, and is {str(out)!r}")
    raise_problems(where, problems)
    with opened(where, folder, as_of, memory_limit) as files:
        found = one_snapshot(
            FileSources(where, files, day, windows, steps, fixed, customer_fields, extra), day, windows
        )
    if path is not None:
        found.table.rows.to_parquet(path, index=False)
    return found
