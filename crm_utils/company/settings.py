"""What a company folder holds: its tables, and what their files and columns are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crm_utils.company.company_yml import FILE_NAME, YmlReader, nearest, parse_as_of
from crm_utils.company.contract import TABLES
from crm_utils.errors import ContractError, Problem

ENDINGS = (".csv", ".csv.gz", ".parquet", ".xlsx")

_COMPANY_KEYS = ("name", "currency", "as_of", "tables")
_TABLE_KEYS = ("file", "columns", "date_format", "encoding", "separator", "sheet", "missing")
_PLACES = ("file", "columns")
_SURVEY_KEYS = ("scale", "constructs", "reversed")


@dataclass(frozen=True)
class TableSettings:
    """Where one table's files are and how they are written.

    Parameters
    ----------
    files : tuple of pathlib.Path
        The files; more than one where a glob was given.
    columns : dict of str to str, default {}
        Name in the file by contract name.
    date_format : str, default ""
        `strptime` format of the dates; empty for ISO 8601.
    encoding : str, default ""
        Encoding of text files; empty for UTF-8 or GB18030, found out by reading.
    separator : str, default ","
        Field separator of text files.
    sheet : str or int, default 0
        Sheet of a workbook, by name or position from 0.
    missing : tuple of str, default ()
        Texts that mean "no value" besides a blank cell.
    folder : pathlib.Path, optional
        The company's folder; messages name files relative to it.
    """

    files: tuple[Path, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str = ""
    encoding: str = ""
    separator: str = ","
    sheet: str | int = 0
    missing: tuple[str, ...] = ()
    folder: Path | None = None

    def as_read(self) -> str:
        """Say how the files are read: what changes the table without a change of its files."""
        return repr((sorted(self.columns.items()), *(getattr(self, key) for key in _TABLE_KEYS if key not in _PLACES)))


@dataclass(frozen=True)
class SurveySettings:
    """How the survey's items belong together.

    Parameters
    ----------
    scale : tuple of float
        Lowest and highest answer.
    constructs : dict of str to tuple of str
        Items by construct.
    reversed : tuple of str, default ()
        Items where a low answer is the favourable one. The table is kept as it was answered.
    """

    scale: tuple[float, float] = (1, 10)
    constructs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reversed: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompanySettings:
    """What ``company.yml`` says, with defaults filled in.

    Parameters
    ----------
    name : str
        Company name; by default the folder's.
    currency : str
        ISO 4217 code; empty where it is not stated.
    as_of : pandas.Timestamp or None
        Day of the analysis; None for the day after the newest event in the tables.
    tables : dict of str to TableSettings
        Tables present, in the order of the contract.
    survey : SurveySettings
        Scale and constructs.
    unused : tuple of str
        Data files in the folder that belong to no table.
    near_misses : tuple of str
        Files that carry a table's name but cannot be read as it, each with the reason.
    """

    name: str
    currency: str
    as_of: pd.Timestamp | None
    tables: Mapping[str, TableSettings]
    survey: SurveySettings = field(default_factory=SurveySettings)
    unused: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()


def _is_data(path: Path) -> bool:
    """Tell a table's file from others, Excel's lock files among them."""
    return path.name.lower().endswith(ENDINGS) and not path.name.startswith("~$")


def _parts(path: Path) -> tuple[Path, ...]:
    """Give a file, or the files of a folder that is one Parquet table in parts."""
    if path.is_dir() and path.name.lower().endswith(".parquet"):
        return tuple(sorted(part for part in path.rglob("*.parquet") if part.is_file()))
    return (path,) if path.is_file() else ()


class _FolderReader(YmlReader):
    """Find a company's tables and read what is said of them, collecting every problem before any is raised."""

    def files(self, name: str, pattern: Any) -> tuple[Path, ...]:
        if not isinstance(pattern, str) or not pattern:
            self.problem(name, f"file is {pattern!r}", "name a file or a glob such as sales/*.parquet")
            return ()
        try:
            found = [part for path in sorted(self.folder.glob(pattern)) for part in _parts(path)]
        except (NotImplementedError, ValueError, IndexError):
            rule = f"file is {pattern!r}, which is no file or glob inside the folder"
            self.problem(name, rule, "write it relative to the folder, such as sales/*.parquet")
            return ()
        found = [path for path in found if not path.name.startswith("~$")]
        if not found:
            self.problem(name, f"no file matches {pattern!r} in {self.folder.name}", "correct the name or add the file")
        unreadable = [path.name for path in found if not _is_data(path)]
        if unreadable:
            rule = f"{', '.join(unreadable)}: kind of file not known"
            self.problem(name, rule, f"save it as one of {', '.join(ENDINGS)}")
            return ()
        return tuple(found)

    def by_name(self, name: str) -> tuple[Path, ...]:
        wanted = {name + ending for ending in ENDINGS}
        found = sorted(path for path in self.folder.iterdir() if path.name.lower() in wanted and _parts(path))
        if len(found) > 1:
            rule = f"{len(found)} files could be this table: {', '.join(path.name for path in found)}"
            self.problem(name, rule, f"keep one, or name it in {FILE_NAME}")
        return _parts(found[0]) if found else ()

    def columns(self, name: str, given: Any) -> dict[str, str]:
        columns: dict[str, str] = {}
        for contract_name, value in self.mapping(f"{name}.columns", given).items():
            if contract_name not in TABLES[name].columns:
                remedy = nearest(contract_name, tuple(TABLES[name].columns))
                self.problem(name, f"{contract_name!r} is no column of the contract", remedy, column="columns")
            elif file_name := self.text(name, str(contract_name), value):
                columns[contract_name] = file_name.strip()
        for file_name in sorted(set(columns.values())):
            users = [contract_name for contract_name, used in columns.items() if used == file_name]
            if len(users) > 1:
                rule = f"{' and '.join(users)} are both read from the column {file_name!r}"
                self.problem(name, rule, "name each file column once", column="columns")
        return columns

    def date_format(self, name: str, value: Any) -> str:
        given = self.text(name, "date_format", value)
        if not given:
            return ""
        moment = pd.Timestamp("2001-02-03 04:05:06+00:00")
        try:
            pd.to_datetime(moment.strftime(given), format=given)
            good = "%" in given and "%Z" not in given and "%z" not in given.removesuffix("%z")
        except ValueError:
            good = False
        if not good:
            rule = f"date_format {given!r} is no format of dates"
            self.problem(name, rule, 'write it with codes such as "%d/%m/%Y %H:%M"; an offset (%z) can only come last')
        return given if good else ""

    def separator(self, name: str, value: Any) -> str:
        given = self.text(name, "separator", value, ",")
        separator = "\t" if given.lower() in ("\\t", "tab") else given
        if len(separator) == 1 and separator not in '"\r\n' and separator.isascii():
            return separator
        self.problem(name, f"separator is {given!r}", 'give one character, such as ";", or "tab"')
        return ","

    def sheet(self, name: str, value: Any) -> str | int:
        if value is None:
            return 0
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        self.problem(name, f"sheet is {value!r}", "give a sheet's name, or its position from 0")
        return 0

    def missing(self, name: str, value: Any, *, is_given: bool) -> tuple[str, ...]:
        """Give texts for "no value"; a bare NULL, which YAML itself reads as nothing, means the word."""
        if is_given and value is None:
            value = [None]
        bare = isinstance(value, list) and None in value
        return self.texts(name, "missing", value) + (("NULL", "Null", "null") if bare else ())

    def table(self, name: str, given: Any) -> TableSettings:
        values = self.mapping(name, given)
        self.unknown_keys(name, values, _TABLE_KEYS + (_SURVEY_KEYS if name == "survey" else ()))
        files = self.files(name, values["file"]) if "file" in values else self.by_name(name)
        if "file" not in values and not files:
            self.problem(name, "no file is named and none has the table's name", "add 'file: …' or remove the table")
        return TableSettings(
            files=files,
            columns=self.columns(name, values.get("columns")),
            date_format=self.date_format(name, values.get("date_format")),
            encoding=self.text(name, "encoding", values.get("encoding")),
            separator=self.separator(name, values.get("separator")),
            sheet=self.sheet(name, values.get("sheet")),
            missing=self.missing(name, values.get("missing"), is_given="missing" in values),
            folder=self.folder,
        )

    def survey(self, given: Any) -> SurveySettings:
        values = given if isinstance(given, Mapping) else {}
        scale = self.numbers("survey", "scale", values.get("scale"), (1, 10))
        constructs = {
            str(name): self.texts("survey.constructs", str(name), items)
            for name, items in self.mapping("survey.constructs", values.get("constructs")).items()
        }
        known = tuple(item for items in constructs.values() for item in items)
        for item in sorted({item for item in known if known.count(item) > 1}):
            self.problem("survey", f"item {item!r} is in more than one construct", "keep it in one")
        backwards = self.texts("survey", "reversed", values.get("reversed"))
        for item in backwards:
            if item not in known:
                self.problem("survey", f"reversed item {item!r} is in no construct", nearest(item, known))
        return SurveySettings(scale, constructs, backwards)

    def as_of(self, value: Any) -> pd.Timestamp | None:
        try:
            return parse_as_of(value)
        except ContractError as error:
            self.problems += error.problems
            return None

    def near_misses(self, tables: Iterable[str]) -> tuple[str, ...]:
        """List files that carry the name of a table that was not found."""
        wanted = set(TABLES) - set(tables)
        paths = (path for path in sorted(self.folder.iterdir()) if path.name.split(".")[0].lower() in wanted)
        return tuple(
            f"{path.name} carries a table's name and is not read: save it as one of {', '.join(ENDINGS)}"
            for path in paths
            if not _is_data(path)
        )


def read_settings(folder: Path) -> CompanySettings:
    """Read a company folder's settings; without ``company.yml`` the files carry the contract's names.

    Parameters
    ----------
    folder : pathlib.Path
        The company.

    Returns
    -------
    CompanySettings
        What is there. No table is opened.

    Raises
    ------
    ContractError
        If the folder is missing or empty, or ``company.yml`` is wrong: every problem at once.
    """
    if not folder.is_dir():
        rule = f"the folder {str(folder)!r} does not exist"
        raise ContractError([Problem("company", "", rule, "give the path of a folder that holds the company's tables")])
    reader = _FolderReader(folder)
    content = reader.content()
    reader.unknown_keys("company", content, _COMPANY_KEYS)
    given = reader.mapping("tables", content.get("tables"))
    for name in given:
        if name not in TABLES:
            reader.problem("tables", f"{name!r} is no table of the contract", nearest(name, tuple(TABLES)))
    tables = {}
    for name in TABLES:
        settings = (
            reader.table(name, given[name]) if name in given else TableSettings(reader.by_name(name), folder=folder)
        )
        if settings.files:
            tables[name] = settings
    survey = reader.survey(given.get("survey"))
    near_misses = reader.near_misses(tables)
    if not tables and not reader.problems:
        rule = "; ".join([f"the folder {folder.name!r} holds no table of the contract", *near_misses])
        remedy = f"name the files after the tables ({', '.join(TABLES)}) or write a {FILE_NAME}"
        reader.problems.append(Problem("company", "", rule, remedy))
    found = CompanySettings(
        name=reader.text("company", "name", content.get("name")) or folder.resolve().name,
        currency=reader.text("company", "currency", content.get("currency")),
        as_of=reader.as_of(content.get("as_of")),
        tables=tables,
        survey=survey,
        unused=_unused(folder, tables),
        near_misses=near_misses,
    )
    if reader.problems:
        raise ContractError(reader.problems)
    return found


def _unused(folder: Path, tables: Mapping[str, TableSettings]) -> tuple[str, ...]:
    """List the data files that no table uses; a simulated company brings its truth along, which is no table."""
    used = {path for settings in tables.values() for path in settings.files}
    data_files = (path for path in folder.rglob("*") if _is_data(path) and path.is_file())
    return tuple(
        sorted(
            path.relative_to(folder).as_posix()
            for path in data_files
            if path not in used and folder / "truth" not in path.parents
        )
    )
