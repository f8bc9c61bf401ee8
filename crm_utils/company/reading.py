"""Read csv, csv.gz, parquet and xlsx files as they are, remembering where each row came from."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crm_utils.company.settings import TableSettings
from crm_utils.errors import Problem

_NEWLINE = b"\n"
_SHOWN = 5


@dataclass(frozen=True)
class RawFile:
    """One file's content before anything is interpreted.

    Parameters
    ----------
    name : str
        File name for messages.
    frame : pandas.DataFrame
        Text columns from csv; typed columns from parquet and xlsx. Index 0, 1, ….
    row_numbers : numpy.ndarray of int
        Number of each row among the file's data rows, from 1; blank rows count but are not in `frame`.
    has_header_line : bool
        Whether row n stands in line n + 1 of the file.
    problems : tuple of Problem
        What could not be read.
    """

    name: str
    frame: pd.DataFrame
    row_numbers: np.ndarray
    has_header_line: bool
    problems: tuple[Problem, ...] = ()


def _decoded(data: bytes, encoding: str) -> bytes:
    """Re-encode as UTF-8 without byte order mark; raise UnicodeDecodeError or LookupError where that fails."""
    if encoding:
        return data.decode(encoding).encode().removeprefix(b"\xef\xbb\xbf")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gb18030").encode()
    return data


def _read_text(path: Path, table: str, settings: TableSettings) -> RawFile:
    import pyarrow as pa
    from pyarrow import csv

    def failed(rule: str, remedy: str) -> RawFile:
        problem = Problem(table, "", rule, remedy, source=path.name)
        return RawFile(path.name, pd.DataFrame(), np.array([], dtype=int), True, (problem,))

    try:
        data = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
        data = _decoded(data, settings.encoding)
    except (OSError, EOFError, zlib.error) as error:
        return failed(f"the file cannot be read ({error})", "check that it is complete and that you may read it")
    except (UnicodeDecodeError, LookupError):
        tried = settings.encoding or "UTF-8 and GB18030"
        return failed(f"the text is not in {tried}", "save it as UTF-8, or state its encoding in company.yml")
    if not data.strip():
        return failed("the file is empty", "give it a header line with the column names")

    if not data.endswith(_NEWLINE):
        data += _NEWLINE  # a lone header line needs its end to be skipped

    # Rows of the wrong length come here one by one and in order, because the reader runs on one thread.
    ragged: list[tuple[int, str]] = []
    blank: list[int] = []

    def on_bad_row(row: csv.InvalidRow) -> str:
        number = row.number - 1  # the header is line 1
        if row.text.strip():
            ragged.append((number, f"row {number} (line {row.number}) has {row.actual_columns}"))
        else:
            blank.append(number)
        return "skip"

    header_options = csv.ParseOptions(delimiter=settings.separator, newlines_in_values=True)
    try:
        head = csv.read_csv(
            pa.BufferReader(data.split(_NEWLINE, 1)[0] + _NEWLINE),
            parse_options=header_options,
            read_options=csv.ReadOptions(use_threads=False),
        )
        names = [name.strip() for name in head.column_names]
        lines = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                use_threads=False, skip_rows=1, column_names=[f"c{i}" for i in range(len(names))]
            ),
            parse_options=csv.ParseOptions(
                delimiter=settings.separator,
                newlines_in_values=True,
                ignore_empty_lines=len(names) == 1,
                invalid_row_handler=on_bad_row,
            ),
            convert_options=csv.ConvertOptions(
                column_types={f"c{i}": pa.string() for i in range(len(names))}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):  # a header and nothing else is a table without rows
            return failed(f"the file cannot be read as CSV ({error})", "check quotes and separators near that place")
        lines = pa.table({f"c{i}": pa.array([], pa.string()) for i in range(len(names))})
    frame = lines.to_pandas()
    frame.columns = names
    skipped = [number for number, _ in ragged] + blank
    numbers = np.setdiff1d(np.arange(1, len(frame) + len(skipped) + 1), skipped, assume_unique=True)
    problems = []
    if ragged:
        problems.append(
            Problem(
                table,
                "",
                f"the header has {len(names)} fields, these rows have another number",
                "quote fields that hold the separator",
                count=len(ragged),
                rows=tuple(text for _, text in ragged[:_SHOWN]),
                source=path.name,
            )
        )
    return RawFile(path.name, frame, numbers, True, tuple(problems))


def _read_typed(path: Path, table: str, settings: TableSettings) -> RawFile:
    """Read parquet or xlsx; their libraries raise many kinds of error for a damaged file."""
    is_workbook = path.name.lower().endswith(".xlsx")
    try:
        if is_workbook:
            frame = pd.read_excel(path, sheet_name=settings.sheet, dtype=object, keep_default_na=False, na_values=[""])
        else:
            frame = pd.read_parquet(path)
    except Exception as error:
        rule = f"the file cannot be read ({type(error).__name__}: {' '.join(str(error).split())})"
        problem = Problem(
            table, "", rule, "check that it is complete, and its sheet if it has several", source=path.name
        )
        return RawFile(path.name, pd.DataFrame(), np.array([], dtype=int), is_workbook, (problem,))
    if frame.index.name is not None or frame.index.nlevels > 1:
        frame = frame.reset_index()
    frame.columns = [str(name).strip() for name in frame.columns]
    return RawFile(path.name, frame.reset_index(drop=True), np.arange(1, len(frame) + 1), is_workbook)


def _without_blank_rows(raw: RawFile) -> RawFile:
    if raw.frame.empty or not raw.has_header_line:
        return raw
    filled = pd.Series(False, index=raw.frame.index)
    for position in range(raw.frame.shape[1]):
        values = raw.frame.iloc[:, position]
        filled |= values.notna() & (values.astype(str).str.strip() != "")
        if filled.all():
            return raw
    frame = raw.frame[filled].reset_index(drop=True)
    return RawFile(raw.name, frame, raw.row_numbers[filled.to_numpy()], True, raw.problems)


def read_files(table: str, settings: TableSettings) -> Iterable[RawFile]:
    """Read a table's files, one after the other.

    Parameters
    ----------
    table : str
        Contract name, for messages.
    settings : TableSettings
        Files and how they are written.

    Yields
    ------
    RawFile
        Content with the file's own column names; problems instead of exceptions.
    """
    for path in settings.files:
        typed = path.name.lower().endswith((".parquet", ".xlsx"))
        yield _without_blank_rows((_read_typed if typed else _read_text)(path, table, settings))
