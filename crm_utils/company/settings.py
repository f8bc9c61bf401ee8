"""The optional ``company.yml``: what a company's files and columns are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from crm_utils.company.contract import TABLES
from crm_utils.errors import ContractError, Problem

FILE_NAME = "company.yml"
ENDINGS = (".csv", ".csv.gz", ".parquet", ".xlsx")

_COMPANY_KEYS = ("name", "currency", "as_of", "tables")
_TABLE_KEYS = ("file", "columns", "date_format", "encoding", "separator", "sheet", "missing")
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
    """

    files: tuple[Path, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str = ""
    encoding: str = ""
    separator: str = ","
    sheet: str | int = 0
    missing: tuple[str, ...] = ()


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
    """

    name: str
    currency: str
    as_of: pd.Timestamp | None
    tables: Mapping[str, TableSettings]
    survey: SurveySettings = field(default_factory=SurveySettings)
    unused: tuple[str, ...] = ()


def nearest(word: str, known: tuple[str, ...] | list[str]) -> str:
    """Suggest a known name for a misspelt one.

    Parameters
    ----------
    word : str
        What was written.
    known : sequence of str
        Names that would be right.

    Returns
    -------
    str
        ``"did you mean 'x'?"`` or, where nothing is near, ``"use one of …"``.

    Examples
    --------
    >>> nearest("curency", ("name", "currency"))
    "did you mean 'currency'?"
    """
    close = get_close_matches(str(word), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(map(str, known))}"


def parse_as_of(value: Any) -> pd.Timestamp | None:
    """Read a day of analysis.

    Parameters
    ----------
    value : str, datetime.date, pandas.Timestamp or None
        ISO date; None or an empty string for no choice.

    Returns
    -------
    pandas.Timestamp or None
        Midnight of the day.

    Raises
    ------
    ContractError
        If it is not a date.

    Examples
    --------
    >>> parse_as_of("2026-01-01")
    Timestamp('2026-01-01 00:00:00')
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, (int, float)):
            raise ValueError("a number is not a date")
        return pd.Timestamp(value).tz_localize(None).normalize()
    except (ValueError, TypeError) as error:
        problem = Problem("company", "as_of", f"{value!r} is not a date", "write it as YYYY-MM-DD, such as 2026-01-01")
        raise ContractError([problem]) from error


def _missing_texts(given: Iterable[Any]) -> tuple[str, ...]:
    """Texts for "no value"; a bare NULL, which YAML itself reads as nothing, means the word."""
    texts: list[str] = []
    for text in given:
        texts += ["NULL", "Null", "null"] if text is None else [str(text)]
    return tuple(texts)


class _SettingsReader:
    """Collect every problem of a folder and its ``company.yml`` before raising."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.problems: list[Problem] = []

    def problem(self, place: str, rule: str, remedy: str, column: str = "") -> None:
        self.problems.append(Problem(place, column, rule, remedy, source=FILE_NAME))

    def unknown_keys(self, place: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in given:
            if key not in known:
                self.problem(place, f"{key!r} is not a setting", nearest(key, known))

    def mapping(self, place: str, value: Any) -> Mapping[str, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.problem(place, f"{value!r} is not a list of 'key: value' pairs", "indent the pairs below the key")
        return {}

    def content(self) -> Mapping[str, Any]:
        path = self.folder / FILE_NAME
        if not path.is_file():
            return {}
        try:
            return self.mapping("company", yaml.safe_load(path.read_text(encoding="utf-8-sig")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            rule = f"the file cannot be read as YAML in UTF-8 ({' '.join(str(error).split())})"
            self.problem("company", rule, "correct the line named here")
            return {}

    def files(self, name: str, pattern: Any) -> tuple[Path, ...]:
        if not isinstance(pattern, str) or not pattern:
            self.problem(name, f"file is {pattern!r}", "name a file or a glob such as sales/*.parquet")
            return ()
        found = tuple(sorted(path for path in self.folder.glob(pattern) if path.is_file()))
        if not found:
            self.problem(name, f"no file matches {pattern!r} in {self.folder.name}", "correct the name or add the file")
        unreadable = [path.name for path in found if not path.name.lower().endswith(ENDINGS)]
        if unreadable:
            rule = f"{', '.join(unreadable)}: kind of file not known"
            self.problem(name, rule, f"save it as one of {', '.join(ENDINGS)}")
            return ()
        return found

    def by_name(self, name: str) -> tuple[Path, ...]:
        found = [self.folder / (name + ending) for ending in ENDINGS if (self.folder / (name + ending)).is_file()]
        if len(found) > 1:
            rule = f"{len(found)} files could be this table: {', '.join(path.name for path in found)}"
            self.problem(name, rule, f"keep one, or name it in {FILE_NAME}")
        return tuple(found[:1])

    def columns(self, name: str, given: Any) -> dict[str, str]:
        columns = {}
        for contract_name, file_name in self.mapping(f"{name}.columns", given).items():
            if contract_name not in TABLES[name].columns:
                remedy = nearest(contract_name, tuple(TABLES[name].columns))
                self.problem(name, f"{contract_name!r} is no column of the contract", remedy, column="columns")
            else:
                columns[contract_name] = str(file_name)
        return columns

    def table(self, name: str, given: Any) -> TableSettings:
        values = self.mapping(name, given)
        self.unknown_keys(name, values, _TABLE_KEYS + (_SURVEY_KEYS if name == "survey" else ()))
        files = self.files(name, values["file"]) if "file" in values else self.by_name(name)
        if "file" not in values and not files:
            self.problem(name, "no file is named and none has the table's name", "add 'file: …' or remove the table")
        missing = values.get("missing") or ()
        return TableSettings(
            files=files,
            columns=self.columns(name, values.get("columns")),
            date_format=str(values.get("date_format") or ""),
            encoding=str(values.get("encoding") or ""),
            separator=str(values.get("separator") or ","),
            sheet=values.get("sheet", 0),
            missing=_missing_texts([missing] if isinstance(missing, str) else missing),
        )

    def survey(self, given: Any) -> SurveySettings:
        values = given if isinstance(given, Mapping) else {}
        scale = values.get("scale", (1, 10))
        good_scale = isinstance(scale, (list, tuple)) and len(scale) == 2
        good_scale = good_scale and all(isinstance(end, (int, float)) for end in scale) and scale[0] < scale[1]
        if not good_scale:
            self.problem("survey", f"scale is {scale!r}", "give the lowest and the highest answer, such as [1, 10]")
            scale = (1, 10)
        constructs = {
            str(name): tuple(str(item) for item in ([items] if isinstance(items, str) else items or ()))
            for name, items in self.mapping("survey.constructs", values.get("constructs")).items()
        }
        known = tuple(item for items in constructs.values() for item in items)
        for item in sorted({item for item in known if known.count(item) > 1}):
            self.problem("survey", f"item {item!r} is in more than one construct", "keep it in one")
        backwards = tuple(str(item) for item in values.get("reversed") or ())
        for item in backwards:
            if item not in known:
                self.problem("survey", f"reversed item {item!r} is in no construct", nearest(item, known))
        return SurveySettings((scale[0], scale[1]), constructs, backwards)


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
    reader = _SettingsReader(folder)
    content = reader.content()
    reader.unknown_keys("company", content, _COMPANY_KEYS)
    given = reader.mapping("tables", content.get("tables"))
    for name in given:
        if name not in TABLES:
            reader.problem("tables", f"{name!r} is no table of the contract", nearest(name, tuple(TABLES)))
    tables = {}
    for name in TABLES:
        settings = reader.table(name, given[name]) if name in given else TableSettings(reader.by_name(name))
        if settings.files:
            tables[name] = settings
    as_of = None
    try:
        as_of = parse_as_of(content.get("as_of"))
    except ContractError as error:
        reader.problems.extend(error.problems)
    survey = reader.survey(given.get("survey"))
    used = {path for settings in tables.values() for path in settings.files}
    if not used and not reader.problems:
        rule = f"the folder {folder.name!r} holds no table of the contract"
        remedy = f"name the files after the tables ({', '.join(TABLES)}) or write a {FILE_NAME}"
        reader.problems.append(Problem("company", "", rule, remedy))
    if reader.problems:
        raise ContractError(reader.problems)
    # A simulated company brings its truth along, which is no table.
    data_files = (
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(ENDINGS) and folder / "truth" not in path.parents
    )
    return CompanySettings(
        name=str(content.get("name") or folder.resolve().name),
        currency=str(content.get("currency") or ""),
        as_of=as_of,
        tables=tables,
        survey=survey,
        unused=tuple(sorted(path.relative_to(folder).as_posix() for path in data_files if path not in used)),
    )
