"""Turn raw columns into the contract's types and hold them to its rules, collecting every breach.

Types are converted here, because a conversion that fails must name the rows; the rules on converted values
(blank, bounds, allowed values, keys, order of dates) are a pandera schema built from the contract.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.company.contract import TABLES, Column, Kind
from crm_utils.company.reading import RawFile, read_files
from crm_utils.company.settings import SurveySettings, TableSettings, nearest
from crm_utils.errors import Problem

TRUE_WORDS = ("yes", "true", "1", "是")
FALSE_WORDS = ("no", "false", "0", "否")
_SHOWN = 5
_DAY_PATTERN = r"\d{4}-?\d{2}-?\d{2}(?:[T ].*)?"
_MONTH_PATTERN = r"\d{4}-?\d{2}(?:-?\d{2}(?:[T ].*)?)?"

_READ_RULES: dict[Kind, tuple[str, str]] = {
    "date": ("not a readable date", "write dates as YYYY-MM-DD, or state date_format in company.yml"),
    "month": ("not a readable month", "write months as YYYY-MM, or state date_format in company.yml"),
    "number": ("not a number", "keep digits, sign and decimal point only; put units and currency into the column name"),
    "integer": ("not a whole number", "keep digits only"),
    "flag": ("not a yes/no value", "write yes/no, true/false, 1/0 or 是/否"),
}


@dataclass
class CheckedTable:
    """A table after reading and checking.

    Parameters
    ----------
    frame : pandas.DataFrame
        Converted table with contract names. Not fit for use while there are problems.
    problems : list of Problem
        Breaches of the contract.
    """

    frame: pd.DataFrame
    problems: list[Problem]


class _Origin:
    """Translate positions in a table to the rows of its files."""

    def __init__(self, files: list[RawFile]):
        self.files = files
        self.starts = np.cumsum([0, *(len(file.frame) for file in files)])

    def name(self) -> str:
        return self.files[0].name if len(self.files) == 1 else ""

    def place(self, position: int) -> str:
        index = int(np.searchsorted(self.starts, position, side="right")) - 1
        file = self.files[index]
        number = int(file.row_numbers[position - self.starts[index]])
        text = f"row {number}"
        if file.has_header_line:
            text += f" (line {number + 1})"
        return text if len(self.files) == 1 else f"{file.name} {text}"

    def examples(self, positions: np.ndarray, values: pd.Series | None) -> tuple[str, ...]:
        shown = [int(position) for position in positions[:_SHOWN]]
        if values is None:
            return tuple(self.place(position) for position in shown)
        return tuple(f"{self.place(position)}: {_quoted(values.iloc[position])}" for position in shown)


def _quoted(value: object) -> str:
    text = str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '…'}'"


def _as_text(values: pd.Series) -> pd.Series:
    """Text without surrounding blanks; ids that a workbook stored as 12.0 read 12."""
    if pd.api.types.is_string_dtype(values) and values.dtype != object:
        return values.str.strip()

    def one(value: object) -> object:
        if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            return None
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value))
        return str(value).strip()

    return pd.Series([one(value) for value in values], index=values.index, dtype="str", name=values.name)


def _to_dates(values: pd.Series, text: pd.Series, date_format: str, pattern: str) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_localize(None) if getattr(values.dt, "tz", None) is not None else values
    if date_format:
        dates = pd.to_datetime(text, format=date_format, errors="coerce")
    else:
        candidates = text.where(text.str.fullmatch(pattern).fillna(False).astype(bool))
        dates = pd.to_datetime(candidates, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
        with_zone = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", na=False) & text.str.contains(":", na=False)
        if with_zone.any():  # the wall clock of the shop is what counts, not Greenwich's
            wall = text[with_zone].str.replace(r"(?:Z|[+-]\d{2}:?\d{2})$", "", regex=True)
            dates[with_zone] = pd.to_datetime(wall, format="ISO8601", errors="coerce")
    return dates.astype("datetime64[us]")


def _to_numbers(values: pd.Series, text: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
    else:
        numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def convert(values: pd.Series, kind: Kind, *, date_format: str = "", missing: tuple[str, ...] = ()) -> tuple:
    """Convert a raw column to its contract type.

    Parameters
    ----------
    values : pandas.Series
        Text, or what a typed file held.
    kind : str
        Kind of the contract column.
    date_format : str, default ""
        `strptime` format; empty for ISO 8601.
    missing : tuple of str, default ()
        Texts that mean "no value" besides a blank.

    Returns
    -------
    converted : pandas.Series
        Same index; missing where blank or unreadable.
    unreadable : numpy.ndarray of bool
        Where there was something that could not be read.

    Examples
    --------
    >>> converted, unreadable = convert(pd.Series(["2", "3 pcs", ""]), "number")
    >>> converted.tolist(), unreadable.tolist()
    ([2.0, nan, nan], [False, True, False])
    """
    text = _as_text(values)
    blank = text.isna() | (text == "")
    if missing:
        blank |= text.isin(missing)
    text = text.mask(blank)
    if kind in ("text", "id"):
        return text, np.zeros(len(text), dtype=bool)
    if kind in ("date", "month"):
        converted = _to_dates(values, text, date_format, _DAY_PATTERN if kind == "date" else _MONTH_PATTERN)
        if kind == "month":
            converted = converted.dt.to_period("M").dt.to_timestamp()
    elif kind == "flag":
        words = text.str.lower()
        converted = words.map(dict.fromkeys(TRUE_WORDS, True) | dict.fromkeys(FALSE_WORDS, False)).astype("boolean")
        if not converted.isna().any():
            converted = converted.astype(bool)
    else:
        converted = _to_numbers(values, text).mask(blank)
        if kind == "integer":
            converted = converted.where(converted == converted.round()).astype("Int64")
    return converted, (converted.isna() & ~blank).to_numpy(dtype=bool)


def _feature(values: pd.Series) -> pd.Series:
    """Read a column that the contract does not name: numbers where every value is one, text otherwise."""
    text = _as_text(values) if not pd.api.types.is_numeric_dtype(values) else None
    if text is None or pd.api.types.is_datetime64_any_dtype(values):
        return values
    text = text.mask(text == "")
    numbers = pd.to_numeric(text, errors="coerce")
    leading_zero = text.str.match(r"^0\d", na=False).any()
    return numbers if numbers.notna().eq(text.notna()).all() and not leading_zero and text.notna().any() else text


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
class _Rule:
    column: str
    text: str
    remedy: str
    of_row: bool = False


_NOT_BLANK = "not_nullable"  # pandera's own name of this check


def _column_rules(name: str, column: Column) -> list[tuple[_Rule, object]]:
    pa = _pandera()

    rules = []
    if column.minimum is not None:
        text = f"must be at least {column.minimum:g}"
        rules.append((_Rule(name, text, "correct the value"), pa.Check.ge(column.minimum, error=text)))
    if column.maximum is not None:
        text = f"must be at most {column.maximum:g}"
        rules.append((_Rule(name, text, "correct the value"), pa.Check.le(column.maximum, error=text)))
    if column.allowed:
        words = " or ".join(column.allowed)
        text = f"must be {words}"
        rules.append((_Rule(name, text, f"write {words}"), pa.Check.isin(column.allowed, error=text)))
    return rules


def _row_rules(table: str, present: set[str]) -> list[tuple[_Rule, object]]:
    pa = _pandera()

    contract, rules = TABLES[table], []
    key = [name for name in contract.key if name in present]
    if key and contract.key[0] in present:
        text = f"{' + '.join(key)} must occur once"
        rule = _Rule(key[0], text, "keep one row for each, or correct the ids", of_row=True)
        rules.append((rule, pa.Check(lambda frame: ~frame.duplicated(key, keep=False), error=text)))
    for row_rule in contract.row_rules:
        if set(row_rule.columns) <= present:
            rule = _Rule(row_rule.columns[-1], row_rule.rule, row_rule.remedy, of_row=True)
            rules.append((rule, pa.Check(row_rule.holds, error=row_rule.rule)))
    return rules


def _rule_problems(
    table: str, frame: pd.DataFrame, columns: dict[str, Column], unreadable: dict[str, np.ndarray], origin: _Origin
) -> list[Problem]:
    pa = _pandera()

    present = set(frame.columns)
    fields, rules = {}, []
    for name in (name for name in columns if name in present):
        of_column = _column_rules(name, columns[name])
        fields[name] = pa.Column(checks=[check for _, check in of_column], nullable=not columns[name].filled)
        rules += [rule for rule, _ in of_column]
        if columns[name].filled:
            rules.append(_Rule(name, _NOT_BLANK, "fill the blanks, or remove these rows from the file"))
    of_rows = _row_rules(table, present)
    rules += [rule for rule, _ in of_rows]
    try:
        with _quiet_about_spark():
            pa.DataFrameSchema(fields, checks=[check for _, check in of_rows]).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    problems = []
    for rule in rules:
        broken = cases["check"] == rule.text
        broken &= (cases["schema_context"] == "DataFrameSchema") if rule.of_row else (cases["column"] == rule.column)
        positions = np.unique(cases.loc[broken, "index"].to_numpy(dtype=int))
        blank = rule.text == _NOT_BLANK
        if blank:
            positions = positions[~unreadable[rule.column][positions]]  # those are told as unreadable
        if len(positions):
            examples = origin.examples(positions, None if blank else frame[rule.column])
            text = "must not be blank" if blank else rule.text
            problems.append(Problem(table, rule.column, text, rule.remedy, len(positions), examples, origin.name()))
    return problems


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
    columns = dict(TABLES[table].columns)
    if table == "survey":
        columns |= _survey_columns(survey)
    frames = []
    for file in files:
        frame, of_file = _rename(file, table, settings)
        if len(file.frame.columns):
            missing_items = [name for name in columns if name not in TABLES[table].columns and name not in frame]
            for name in missing_items:
                rule = "the survey's constructs name this item, which the file does not have"
                of_file.append(Problem(table, name, rule, nearest(name, list(frame.columns)), source=file.name))
            of_file += _missing_columns(table, set(frame.columns), file.name, set(settings.columns))
        problems += of_file
        frames.append(frame)
    origin = _Origin(files)
    raw = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    converted, unreadable = {}, {}
    for name in raw.columns:
        if name not in columns:
            converted[name] = _feature(raw[name])
            continue
        kind = columns[name].kind
        converted[name], unreadable[name] = convert(
            raw[name], kind, date_format=settings.date_format, missing=settings.missing
        )
        positions = np.flatnonzero(unreadable[name])
        if len(positions):
            rule, remedy = _READ_RULES[kind]
            examples = origin.examples(positions, raw[name])
            problems.append(
                Problem(table, name, rule, remedy, count=len(positions), rows=examples, source=origin.name())
            )
    frame = pd.DataFrame(converted, index=raw.index)
    if len(frame):
        problems += _rule_problems(table, frame, columns, unreadable, origin)
    return CheckedTable(frame, problems)


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
