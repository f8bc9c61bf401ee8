"""A company's files as DuckDB reads them: under the contract's names and types, and held to its rules."""

from __future__ import annotations

import os.path
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.churn._sql import column_name, quoted, words
from crm_utils.company.checking import check_files
from crm_utils.company.company import Company
from crm_utils.company.company_yml import parse_as_of
from crm_utils.company.contract import TABLES, Column, Kind, event_columns
from crm_utils.company.conversion import FALSE_WORDS, TRUE_WORDS, read_feature, unreadable_rule
from crm_utils.company.load import load_company
from crm_utils.company.raw import RawFile
from crm_utils.company.settings import CompanySettings, TableSettings, read_settings
from crm_utils.errors import ContractError, CrmError, ParameterError, Problem

if TYPE_CHECKING:
    import duckdb

_BLANKS = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(12288)"
_UTF8 = ("", "utf-8", "utf8", "utf-8-sig")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = (*_WHOLE, *(f"U{kind}" for kind in _WHOLE), "FLOAT", "DOUBLE", "BOOLEAN")
_USUAL_DATES = ("%Y-%m-%d", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
SHOWN = 5
# Rules between columns: the column named, the condition that breaks the rule, rule and remedy.
_ROW_RULES = {
    "order_lines": [("amount", ("quantity", "amount"), "{quantity} * {amount} < 0")],
    "interactions": [("resolved_at", ("started_at", "resolved_at"), "{resolved_at} < {started_at}")],
    "memberships": [("ended_at", ("started_at", "ended_at"), "{ended_at} < {started_at}")],
}


@dataclass(frozen=True)
class Rule:
    """A rule of the contract as SQL that is true where it is broken; without a rule's text the value is unreadable."""

    column: str
    broken: str
    rule: str
    remedy: str


@dataclass(frozen=True)
class OpenTable:
    """A table's files for SQL.

    Attributes
    ----------
    name : str
        Contract name.
    scan : str
        What follows FROM: the table under the contract's names, texts trimmed, and missing where nothing is left.
    columns, types : dict of str to str
        Quoted name and DuckDB's type of each column, in the order of the files.
    contract : dict of str to Column
        Columns of the contract.
    settings : TableSettings
        Date format and words for no value.
    rows : str
        As `scan`, with ``filename`` and ``row``, the number of each row from 1 where it is known.
    checked : bool
        Whether these are no files but a table that `load_company` has read and checked.
    """

    name: str
    scan: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    contract: Mapping[str, Column]
    settings: TableSettings
    rows: str = ""
    checked: bool = False

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def text(self, name: str) -> str:
        """SQL of a column as text; an id that was stored as 12.0 reads 12."""
        raw = self.columns[name]
        if self.types[name] == "VARCHAR":
            return raw
        if self.types[name] in ("FLOAT", "DOUBLE"):
            raw = f"CASE WHEN NOT isnan({raw}) THEN regexp_replace(CAST({raw} AS VARCHAR), '\\.0$', '') END"
        text = f"CAST({raw} AS VARCHAR)"
        if not self.settings.missing or self.checked:
            return text
        return f"CASE WHEN {text} NOT IN ({words(self.settings.missing)}) THEN {text} END"

    def moment(self, name: str) -> str:
        """SQL of a date; missing where it cannot be read."""
        if self.types[name].startswith(("TIMESTAMP", "DATE")):
            return f"CAST({self.columns[name]} AS TIMESTAMP)"
        text = self.text(name)
        if self.settings.date_format:
            return f"try_strptime({text}, {quoted(self.settings.date_format)})"
        usual = f"CASE WHEN {text}[5] = '-' AND {text}[8] = '-' THEN try_strptime({text}, [{words(_USUAL_DATES)}]) END"
        # The wall clock of the shop counts, whatever its offset.
        local = f"regexp_replace({text}, '([T ]\\d{{2}}.*?) ?(Z|UTC|[+-]\\d{{2}}(:?\\d{{2}})?)$', '\\1')"
        day, others = "-?\\d{2}([T ].*)?", f"TRY_CAST({local} AS TIMESTAMP), try_strptime({local}, '%Y%m%d')"
        if self.contract[name].kind == "month":
            day, others = f"({day})?", f"{others}, try_strptime({local}, '%Y-%m'), try_strptime({local}, '%Y%m')"
        other = f"CASE WHEN regexp_full_match({local}, '\\d{{4}}-?\\d{{2}}{day}') THEN coalesce({others}) END"
        return f"coalesce({usual}, {other})"

    def number(self, name: str) -> str:
        """SQL of a number; missing where it cannot be read."""
        number = self._parsed(name)
        return f"CASE WHEN isfinite({number}) THEN {number} END" if self._may_be_endless(name) else number

    def flag(self, name: str) -> str:
        """SQL of yes or no; missing where it cannot be read."""
        if self.types[name] == "BOOLEAN":
            return self.columns[name]
        word = f"lower({self.text(name)})"
        yes, no = (f"WHEN {word} IN ({words(meaning)}) THEN" for meaning in (TRUE_WORDS, FALSE_WORDS))
        return f"CASE {yes} true {no} false END"

    def value(self, name: str) -> str:
        """SQL of a column by its kind in the contract."""
        kind = self.contract[name].kind
        if kind == "integer":
            return f"CASE WHEN {self.number(name)} = round({self.number(name)}) THEN {self.number(name)} END"
        of_kind = {"date": self.moment, "month": self.moment, "number": self.number, "flag": self.flag}
        return of_kind.get(kind, self.text)(name)

    def is_number(self, name: str) -> bool:
        """Whether the files hold numbers, and not text that may be read as such."""
        return self.types[name] in _NUMBERS or self.types[name].startswith("DECIMAL")

    def rules(self, names: Iterable[str]) -> list[Rule]:
        """What the contract demands of columns that are used, as far as single values and rows go."""
        if self.checked:
            return []
        found = []
        names = [name for name in dict.fromkeys(names) if name in self and name in self.contract]
        for name in names:
            column, value = self.contract[name], self.value(name)
            unreadable = self._unreadable(name, column.kind)
            if unreadable:
                found.append(Rule(name, f"{unreadable} AND {value} IS NULL", "", ""))
            if column.filled:
                blank = f"{value} IS NULL" + (f" AND NOT coalesce({unreadable}, false)" if unreadable else "")
                found.append(Rule(name, blank, "must not be blank", _remedy(column, "fill the blanks")))
            for bound, sign, limit in ((column.minimum, "<", "at least"), (column.maximum, ">", "at most")):
                if bound is not None:
                    rule = f"must be {limit} {bound:g}"
                    found.append(Rule(name, f"{value} {sign} {bound}", rule, _remedy(column, "correct the value")))
        for named, needed, broken in _ROW_RULES.get(self.name, ()):
            if set(needed) <= set(names):
                (rule,) = [rule for rule in TABLES[self.name].row_rules if set(rule.columns) == set(needed)]
                sql = broken.format(**{name: self.value(name) for name in needed})
                found.append(Rule(named, sql, rule.rule, rule.remedy))
        return found

    def _parsed(self, name: str) -> str:
        if self.is_number(name):
            return f"CAST({self.columns[name]} AS DOUBLE)"
        text = self.text(name)
        # DuckDB reads 1_000 as a number, which nobody else does.
        return f"TRY_CAST(CASE WHEN NOT contains({text}, '_') THEN {text} END AS DOUBLE)"

    def _may_be_endless(self, name: str) -> bool:
        return not self.is_number(name) or self.types[name] in ("FLOAT", "DOUBLE")

    def _unreadable(self, name: str, kind: Kind) -> str:
        """SQL that is true where there is something, which is unreadable if the column's value is missing."""
        if kind in ("text", "id"):
            return ""
        if kind in ("date", "month"):
            return "" if self.types[name].startswith(("TIMESTAMP", "DATE")) else f"{self.text(name)} IS NOT NULL"
        if kind == "flag":
            return "" if self.types[name] == "BOOLEAN" else f"{self.text(name)} IS NOT NULL"
        if not self._may_be_endless(name) and kind == "number":
            return ""
        if self.types[name] not in ("FLOAT", "DOUBLE"):
            return f"{self.text(name)} IS NOT NULL"
        return f"NOT isnan({self.columns[name]})"


class Files:
    """A company's folder: large tables opened by DuckDB, small ones read as `load_company` reads them."""

    def __init__(self, folder: Any, as_of: Any, connection: duckdb.DuckDBPyConnection):
        self.connection = connection
        self.folder = load_company(folder).folder
        self.settings: CompanySettings = read_settings(self.folder)
        self._open: dict[str, OpenTable] = {}
        day = parse_as_of(as_of)
        day = self.settings.as_of if day is None else day
        self.company = Company(self.settings, folder=self.folder, as_of=day)
        if day is None and (day := self._day_after_the_newest_event()) is not None:
            self.company = Company(self.settings, folder=self.folder, as_of=day)

    def _day_after_the_newest_event(self) -> pd.Timestamp | None:
        """None where a table that cannot be asked by SQL has dated events, for then all are read."""
        newest = pd.NaT
        for name in self.settings.tables:
            if not any(column.event for column in TABLES[name].columns.values()):
                continue
            if not self._by_sql(name):
                return None
            table = self.table(name)
            if table.checked:
                return None
            columns = [table.moment(column) for column in event_columns(name, table.columns)]
            if columns:
                latest = ", ".join(f"max({column})" for column in columns)
                (found,) = self.rows(name, f"SELECT {latest} FROM {table.scan}")
                moments = [pd.Timestamp(moment) for moment in found if moment is not None]
                newest = pd.Series([newest, *moments], dtype="datetime64[us]").max()
        return None if pd.isna(newest) else newest.normalize() + pd.Timedelta(days=1)

    def run(self, name: str, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a query on a table, and say what to do about a file that cannot be read."""
        import duckdb

        try:
            return self.connection.execute(sql)
        except duckdb.OutOfMemoryException as error:
            raise CrmError(
                f"{name}: the memory that DuckDB may use is not enough ({str(error).splitlines()[0]}). Give a higher "
                "memory_limit, or a shorter history_days."
            ) from error
        except duckdb.Error as error:
            reason = "; ".join(line.strip() for line in str(error).strip().splitlines()[:3])
            rule = f"the files cannot be read by DuckDB ({reason})"
            remedy = "run `crm check` on the folder, which names every bad row; save text files as UTF-8, or as Parquet"
            raise ContractError([Problem(name, "", rule, remedy, source=self.source(name))]) from error

    def rows(self, name: str, sql: str) -> list[tuple]:
        """All rows of a query."""
        return self.run(name, sql).fetchall()

    def source(self, name: str) -> str:
        """Files of a table for messages."""
        files = self.settings.tables[name].files
        shown = Path(os.path.relpath(files[0], self.folder)).as_posix()
        return shown if len(files) == 1 else f"{shown} and {len(files) - 1:,} more"

    def _by_sql(self, name: str) -> bool:
        """Whether SQL reads the files as `load_company` does: Parquet, or text in UTF-8 whose dates have no offset."""
        settings = self.settings.tables[name]
        names = [path.name.lower() for path in settings.files]
        if any(set("*?[") & set(str(path)) for path in settings.files) or settings.date_format.endswith("%z"):
            return False
        if all(file.endswith(".parquet") for file in names):
            return True
        return all(file.endswith((".csv", ".csv.gz")) for file in names) and settings.encoding.lower() in _UTF8

    def table(self, name: str) -> OpenTable:
        """Open a table, and hold its columns to the contract."""
        if name not in self._open:
            self._open[name] = self._opened(name)
        return self._open[name]

    def _opened(self, name: str) -> OpenTable:
        settings = self.settings.tables[name]
        if not self._by_sql(name):
            return self._as_loaded(name)
        described = self.rows(name, f"DESCRIBE SELECT * FROM {_reader(settings)}")
        if any(kind.endswith(("WITH TIME ZONE", "TIMESTAMPTZ")) for _, kind, *_ in described):
            return self._as_loaded(name)
        names = [column.strip() for column, *_ in described]
        used = [column for column in names if column in self._contract(name) or column in settings.columns.values()]
        # All names serve only to find the nearest to one that is not there.
        if self._header_problems(name, used) and (problems := self._header_problems(name, names)):
            raise ContractError(problems)
        by_file = {file_name: contract_name for contract_name, file_name in settings.columns.items()}
        contract_names = [by_file.get(column, column) for column in names]
        types = dict(zip(contract_names, (kind for _, kind, *_ in described), strict=True))
        columns = {column: column_name(column) for column in types}
        raw = [_cleaned(column_name(given), settings) if kind == "VARCHAR" else column_name(given)
               for given, kind, *_ in described]  # fmt: skip
        selected = ", ".join(f"{sql} AS {column}" for sql, column in zip(raw, columns.values(), strict=True))
        scan = f"(SELECT {selected} FROM {_reader(settings)})"
        rows = f"(SELECT {selected}, filename, {_row_number(settings)} AS row FROM {_reader(settings, with_rows=True)})"
        return OpenTable(name, scan, columns, types, self._contract(name), settings, rows=rows)

    def _header_problems(self, name: str, columns: Sequence[str]) -> list[Problem]:
        empty = RawFile(self.source(name), pd.DataFrame(columns=columns, dtype="str"), np.zeros(0, dtype=int), None)
        return check_files(name, [empty], self.settings.tables[name], self.settings.survey).problems

    def _contract(self, name: str) -> dict[str, Column]:
        contract = dict(TABLES[name].columns)
        if name == "survey":
            low, high = self.settings.survey.scale
            answer = Column("number", f"answer, {low:g} to {high:g}", minimum=low, maximum=high)
            contract |= dict.fromkeys(
                (item for items in self.settings.survey.constructs.values() for item in items), answer
            )
        return contract

    def _as_loaded(self, name: str) -> OpenTable:
        import pyarrow as pa

        self.connection.register(f"loaded_{name}", pa.Table.from_pandas(self.company.table(name), preserve_index=False))
        described = self.connection.execute(f"DESCRIBE loaded_{name}").fetchall()
        columns = {column: column_name(column) for column, *_ in described}
        types = {column: kind for column, kind, *_ in described}
        settings = self.settings.tables[name]
        return OpenTable(name, f"loaded_{name}", columns, types, self._contract(name), settings, checked=True)

    def raise_broken(self, table: OpenTable, rules: Sequence[Rule], dates: str) -> None:
        """Say of every broken rule how many rows break it, and the first of them."""
        problems = []
        for rule in rules:
            rows = f"FROM {table.rows} WHERE {dates} AND ({rule.broken})"
            ((count,),) = self.rows(table.name, f"SELECT count(*) {rows}")
            if not count:
                continue
            shown = f"SELECT filename, row, CAST({table.columns[rule.column]} AS VARCHAR) {rows}"
            first = self.rows(table.name, f"{shown} LIMIT {SHOWN}")
            text, remedy = rule.rule, rule.remedy
            if not text:
                text, remedy = unreadable_rule(
                    table.contract[rule.column].kind, first[0][2], table.settings.date_format
                )
            places = tuple(
                Path(os.path.relpath(file, self.folder)).as_posix()
                + (f" row {row}" if row is not None else "")
                + (f": {value!r}" if value is not None else "")
                for file, row, value in first
            )
            problems.append(Problem(table.name, rule.column, text, remedy, int(count), places, self.source(table.name)))
        if problems:
            raise ContractError(problems)

    def frame(self, name: str, columns: Iterable[str], condition: str) -> pd.DataFrame:
        """Read some columns and rows of a table, held to the contract value by value, in the order of the files."""
        table = self.table(name)
        if table.checked:
            return self.company.table(name)
        chosen = [column for column in dict.fromkeys(columns) if column in table]
        rules = table.rules(chosen)
        values = [table.value(column) if column in table.contract else table.columns[column] for column in chosen]
        selected = [f"{value} AS c{place}" for place, value in enumerate(values)]
        sql = f"SELECT {', '.join([*selected, f'{any_broken(rules)} AS broken'])} FROM {table.scan} WHERE {condition}"
        frame = self.run(name, sql).df()
        if frame.pop("broken").any():
            self.raise_broken(table, rules, condition)
        frame.columns = chosen
        for column in chosen:
            if column not in table.contract:
                frame[column] = read_feature(frame[column], missing=table.settings.missing)
            elif table.contract[column].kind in ("text", "id"):
                frame[column] = frame[column].astype("str")
            elif table.contract[column].kind == "flag":
                frame[column] = frame[column].astype("boolean")
        return frame


@contextmanager
def opened(where: str, folder: Any, as_of: Any, memory_limit: str | None) -> Iterator[Files]:
    """Open a company's folder; what does not fit into memory goes to a folder that is removed afterwards."""
    import duckdb

    with tempfile.TemporaryDirectory() as spill:
        config = {"temp_directory": spill} | ({} if memory_limit is None else {"memory_limit": memory_limit})
        try:
            connection = duckdb.connect(config=config)
        except duckdb.Error as error:
            raise ParameterError(
                f"{where}: memory_limit must be a size such as '4GB', and is {memory_limit!r}."
            ) from error
        with connection:
            yield Files(folder, as_of, connection)


def _reader(settings: TableSettings, *, with_rows: bool = False) -> str:
    """SQL that reads a table's files as they are."""
    paths = f"[{', '.join(quoted(str(path)) for path in settings.files)}]"
    options = "union_by_name = true, hive_partitioning = false"
    if with_rows:
        options += ", filename = true"
    if _is_parquet(settings):
        options += ", file_row_number = true" if with_rows else ""
        return f"read_parquet({paths}, {options}, binary_as_string = true)"
    text = f"""all_varchar = true, header = true, delim = {quoted(settings.separator)}, quote = '"', escape = '"'"""
    return f"read_csv({paths}, {options}, {text})"


def _is_parquet(settings: TableSettings) -> bool:
    return settings.files[0].name.lower().endswith(".parquet")


def _row_number(settings: TableSettings) -> str:
    """SQL of the number of a row in its file; of several text files DuckDB does not know it."""
    if _is_parquet(settings):
        return "file_row_number + 1"
    return "row_number() OVER ()" if len(settings.files) == 1 else "CAST(NULL AS BIGINT)"


def _cleaned(column: str, settings: TableSettings) -> str:
    """SQL of a text without surrounding blanks; missing where nothing is left, or a word for no value."""
    # Trimming of given characters is slow, and seldom needed after that of blanks.
    bare = f"trim({column})"
    clean = f"ord({bare}) > 32 AND ord({bare}[-1]) > 32"
    text = f"nullif(CASE WHEN {clean} THEN {bare} ELSE trim({column}, {_BLANKS}) END, '')"
    return f"CASE WHEN {text} NOT IN ({words(settings.missing)}) THEN {text} END" if settings.missing else text


def _remedy(column: Column, usual: str) -> str:
    return column.remedy or usual


def any_broken(rules: Sequence[Rule]) -> str:
    """SQL that is true of a row that breaks any of some rules."""
    return "(" + " OR ".join(f"coalesce({rule.broken}, false)" for rule in rules) + ")" if rules else "false"
