"""Hold a table to the contract, collecting every breach.

A value that cannot be converted is a breach that names its rows; the rules on converted values (blank, bounds, allowed
values) are pandera checks built from the contract; keys and rules between columns are the contract's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.company.company_yml import nearest
from crm_utils.company.contract import FIRST_YEAR, LAST_YEAR, TABLES, Column
from crm_utils.company.conversion import convert, read_feature, unreadable_rule
from crm_utils.company.raw import Origin, RawFile
from crm_utils.company.reading import read_files
from crm_utils.company.settings import SurveySettings, TableSettings
from crm_utils.company.survey_columns import importance_columns, scale_columns
from crm_utils.errors import Problem

_MISSING_WORDS = ("null", "none", "nan", "nat", "na", "n/a", "#n/a", "<na>", "\\n")


@dataclass
class CheckedTable:
    """A table after reading and checking.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted table with contract names. Not fit for use while there are problems.
    problems : list of Problem
        Breaches of the contract.
    origin : Origin
        Where each row stands in the files.
    warnings : tuple of str
        What keeps the contract and is worth a look.
    """

    frame: pd.DataFrame
    problems: list[Problem]
    origin: Origin
    warnings: tuple[str, ...] = ()


def _rename(raw: RawFile, table: str, settings: TableSettings) -> tuple[pd.DataFrame, list[Problem]]:
    frame, problems = raw.frame, []
    present = list(frame.columns)
    for contract_name, file_name in settings.columns.items():
        if file_name not in present:
            rule = f"company.yml says this column is called {file_name!r}, which the file does not have"
            remedy = nearest(file_name, present) if present else "add the column"
            problems.append(Problem(table, contract_name, rule, remedy, source=raw.name))
    names = {file_name: contract for contract, file_name in settings.columns.items() if file_name in present}
    frame = frame.rename(columns=names)
    for name in frame.columns[frame.columns.duplicated()].unique():
        rule = f"{int((frame.columns == name).sum())} columns are called {name!r}"
        problems.append(Problem(table, str(name), rule, "rename or remove all but one", source=raw.name))
    return frame.loc[:, ~frame.columns.duplicated()], problems


def _missing_columns(table: str, present: set[str], source: str, mapped: set[str]) -> list[Problem]:
    contract = TABLES[table]
    problems = []
    for name, column in contract.columns.items():
        if column.required and name not in present and name not in mapped:
            close = nearest(name, sorted(present - set(contract.columns)))
            hint = f"; {close}" if close.startswith("did") else ""
            remedy = f"add it, or name it under 'columns:' in company.yml{hint}"
            problems.append(Problem(table, name, "the required column is missing", remedy, source=source))
    if contract.one_of and not any(present | mapped >= set(parts) for parts in contract.one_of):
        choices = " or ".join(" with ".join(parts) for parts in contract.one_of)
        rule = f"the table needs {choices}, and has neither whole"
        if all(len(parts) == 1 for parts in contract.one_of):
            rule = f"the table needs {choices}"
        closest = max(contract.one_of, key=lambda parts: (len(present & set(parts)), len(parts)))
        absent = ", ".join(part for part in closest if part not in present)
        remedy = "add one of the two, or name the columns under 'columns:' in company.yml"
        problems.append(Problem(table, absent, rule, remedy, source=source))
    return problems


def _survey_columns(survey: SurveySettings) -> dict[str, Column]:
    low, high = survey.scale
    return {
        item: Column("number", f"answer, {low:g} to {high:g}", required=True, minimum=low, maximum=high)
        for items in survey.constructs.values()
        for item in items
    }


def _named_columns(names: list[str], survey: SurveySettings) -> dict[str, Column]:
    """Columns of the survey that are answers by their names, constructs or not."""
    low, high = survey.scale
    rename = "or rename the column where it holds something else"
    answer = Column(
        "number",
        f"answer, {low:g} to {high:g}",
        minimum=low,
        maximum=high,
        remedy=f"correct the answers to the survey's scale, {low:g} to {high:g}, {rename}",
    )
    points = Column("number", "points given to a dimension", minimum=0, remedy=f"give points of 0 or more, {rename}")
    return dict.fromkeys(scale_columns(names), answer) | dict.fromkeys(importance_columns(names), points)


@contextmanager
def _quiet_about_spark():
    """Let pandera look for an installed PySpark without passing on a warning that concerns neither."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support", category=FutureWarning)
        yield


def _pandera():
    """Import pandera when there is something to check: it is slow to import."""
    with _quiet_about_spark():
        import pandera.pandas
    return pandera.pandas


@dataclass(frozen=True)
class _Breach:
    """One rule, and where it is broken."""

    column: str
    rule: str
    remedy: str
    broken: np.ndarray
    shows_values: bool = True


def _column_breaches(name: str, column: Column, values: pd.Series, unreadable: np.ndarray) -> Iterator[_Breach]:
    pa = _pandera()

    def broken(check: object) -> np.ndarray:
        with _quiet_about_spark():
            kept = check(values).check_output  # of the values that are not missing
        return ~kept.reindex(values.index, fill_value=True).to_numpy(dtype=bool)

    if column.filled:
        remedy = column.remedy or "fill the blanks, or remove these rows from the file"
        blank = values.isna().to_numpy(dtype=bool) & ~unreadable  # those are told as unreadable
        yield _Breach(name, "must not be blank", remedy, blank, shows_values=False)
    if column.minimum is not None:
        text = f"must be at least {column.minimum:g}"
        yield _Breach(name, text, column.remedy or "correct the value", broken(pa.Check.ge(column.minimum)))
    if column.maximum is not None:
        text = f"must be at most {column.maximum:g}"
        yield _Breach(name, text, column.remedy or "correct the value", broken(pa.Check.le(column.maximum)))
    if column.allowed:
        words = " or ".join(column.allowed)
        yield _Breach(name, f"must be {words}", f"write {words}", broken(pa.Check.isin(column.allowed)))
    if column.event:
        first, after = pd.Timestamp(FIRST_YEAR, 1, 1), pd.Timestamp(LAST_YEAR + 1, 1, 1)
        text = f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}"
        check = pa.Check.in_range(first, after, include_max=False)
        yield _Breach(name, text, "correct the date, or leave it blank where the column allows it", broken(check))
    if column.kind == "id" and (column.required or name == "customer_id"):  # a branch may well be called NA
        suspects = values.str.lower().isin(_MISSING_WORDS).to_numpy(dtype=bool)
        words = ", ".join(repr(word) for word in values[suspects].unique())
        remedy = f"leave the cell blank, or state missing: [{words}] for this table in company.yml"
        yield _Breach(name, "looks like a missing value, not an id", remedy, suspects)


def _row_breaches(table: str, frame: pd.DataFrame) -> Iterator[_Breach]:
    contract = TABLES[table]
    key = [name for name in contract.key if name in frame]
    if key and contract.key[0] in frame:
        remedy = "keep one row for each, or correct the ids"
        duplicated = frame.duplicated(key, keep=False).to_numpy(dtype=bool)
        yield _Breach(key[0], f"{' + '.join(key)} must occur once", remedy, duplicated)
    for rule in contract.row_rules:
        if set(rule.columns) <= set(frame.columns):
            yield _Breach(rule.columns[-1], rule.rule, rule.remedy, ~rule.holds(frame).to_numpy(dtype=bool))


def _rule_problems(
    table: str, frame: pd.DataFrame, columns: dict[str, Column], unreadable: dict[str, np.ndarray], origin: Origin
) -> Iterator[Problem]:
    breaches = [
        breach
        for name in columns
        if name in frame
        for breach in _column_breaches(name, columns[name], frame[name], unreadable[name])
    ]
    for breach in (*breaches, *_row_breaches(table, frame)):
        positions = np.flatnonzero(breach.broken)
        if len(positions):
            rows = origin.examples(positions, frame[breach.column] if breach.shows_values else None)
            yield Problem(table, breach.column, breach.rule, breach.remedy, len(positions), rows, origin.name)


def check_files(table: str, files: list[RawFile], settings: TableSettings, survey: SurveySettings) -> CheckedTable:
    """Convert and check a table that has been read.

    Parameters
    ----------
    table : str
        Contract name.
    files : list of RawFile
        What was read; more than one where a glob makes the table.
    settings : TableSettings
        Column names, date format, texts for "no value".
    survey : SurveySettings
        Items of the survey, used for that table only.

    Returns
    -------
    CheckedTable
        The table with contract names and types, and every breach found.
    """
    problems = [problem for file in files for problem in file.problems]
    files = [file for file in files if file.is_read]
    origin = Origin(files)
    if not files:
        return CheckedTable(pd.DataFrame(), problems, origin)
    columns = dict(TABLES[table].columns)
    if table == "survey":
        columns |= _survey_columns(survey)
    frames = []
    for file in files:
        frame, of_file = _rename(file, table, settings)
        for name in columns:
            if name not in TABLES[table].columns and name not in frame:
                rule = "the survey's constructs name this item, which the file does not have"
                of_file.append(Problem(table, name, rule, nearest(name, list(frame.columns)), source=file.name))
        of_file += _missing_columns(table, set(frame.columns), file.name, set(settings.columns))
        problems += of_file
        frames.append(frame)
    raw = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if table == "survey":
        columns = _named_columns(list(raw.columns), survey) | columns
    converted, unreadable = {}, {}
    for name in raw.columns:
        if name not in columns:
            converted[name] = read_feature(raw[name], missing=settings.missing)
            continue
        kind = columns[name].kind
        converted[name], unreadable[name] = convert(
            raw[name], kind, date_format=settings.date_format, missing=settings.missing
        )
        if columns[name].allowed:
            converted[name] = _in_the_contracts_case(converted[name], columns[name].allowed)
        positions = np.flatnonzero(unreadable[name])
        if len(positions):
            rule, remedy = unreadable_rule(kind, raw[name].iloc[positions[0]], settings.date_format)
            remedy = columns[name].remedy or remedy
            rows = origin.examples(positions, raw[name])
            problems.append(Problem(table, name, rule, remedy, count=len(positions), rows=rows, source=origin.name))
    frame = pd.DataFrame(converted, index=raw.index)
    if len(frame):
        problems += _rule_problems(table, frame, columns, unreadable, origin)
    return CheckedTable(frame, problems, origin, _warnings(table, files, frames))


def _in_the_contracts_case(values: pd.Series, allowed: tuple[str, ...]) -> pd.Series:
    lower = values.str.lower()
    return values.where(~lower.isin(allowed), lower)


def _warnings(table: str, files: list[RawFile], frames: list[pd.DataFrame]) -> tuple[str, ...]:
    """Tell encodings that were guessed, and columns of the contract that some of a table's files do not have."""
    found = [
        f"{table}: {file.name} is not UTF-8 and was read as {file.encoding}; state encoding: if that is wrong"
        for file in files
        if file.encoding
    ]
    for name in TABLES[table].columns:
        without = [file.name for file, frame in zip(files, frames, strict=True) if name not in frame]
        if 0 < len(without) < len(files):
            shown = ", ".join(without[:3]) + (f" and {len(without) - 3} more" if len(without) > 3 else "")
            found.append(f"{table}.{name}: {shown} of {len(files)} files lack the column; it is blank there")
    return tuple(found)


def read_table(table: str, settings: TableSettings, survey: SurveySettings) -> CheckedTable:
    """Read a table's files and check them.

    Parameters
    ----------
    table, settings, survey
        As for `check_files`.

    Returns
    -------
    CheckedTable
        The table, or what is wrong with it.
    """
    return check_files(table, list(read_files(table, settings)), settings, survey)
