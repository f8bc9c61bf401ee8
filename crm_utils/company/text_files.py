"""Read csv and csv.gz files: encoding, quotes, and the line on which each row stands."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crm_utils.company.raw import RawFile, unread
from crm_utils.company.settings import TableSettings
from crm_utils.errors import Problem

_BOM = b"\xef\xbb\xbf"
_NEWLINE = b"\n"
_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = 5


class _Unreadable(Exception):
    """The file as a whole cannot be read; carries rule, remedy and rows."""

    def __init__(self, rule: str, remedy: str, rows: tuple[str, ...] = ()):
        super().__init__(rule)
        self.rule, self.remedy, self.rows = rule, remedy, rows


@dataclass(frozen=True)
class _Header:
    """The first record: its names, the separator, and the bytes and lines before the first row."""

    names: list[str]
    separator: str
    end: int
    lines: int


def _looks_chinese(text: str) -> bool:
    """Tell Chinese from another alphabet that happens to decode as GB18030.

    What people write in Chinese is nearly all in GB2312; accented Latin letters and Big5 land elsewhere in the larger
    GB18030.
    """
    foreign = re.sub(r"[\x00-\x7f]+", "", text)
    return len(foreign.encode("gb2312", errors="ignore").decode("gb2312")) >= 0.8 * len(foreign)


def _content(path: Path, encoding: str) -> tuple[bytes, str]:
    """Give the file as UTF-8 without byte order mark, and the encoding where it was guessed."""
    try:
        data = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        rule = f"the file cannot be read ({error})"
        raise _Unreadable(rule, "check that it is complete and that you may read it") from error
    assumed = ""
    remedy = "save it as UTF-8, or state its encoding in company.yml, such as encoding: cp1252 or big5"
    try:
        if encoding:
            data = data.decode(encoding).encode()
        else:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                text, assumed = data.decode("gb18030"), "GB18030"
                if not _looks_chinese(text):
                    raise _Unreadable("the text is not in UTF-8, and makes no sense in GB18030", remedy) from None
                data = text.encode()
    except (UnicodeError, LookupError) as error:
        raise _Unreadable(f"the text is not in {encoding or 'UTF-8 or GB18030'}", remedy) from error
    data = data.removeprefix(_BOM)
    if not data.strip():
        raise _Unreadable("the file is empty", "give it a header line with the column names")
    if _NEWLINE not in data:
        data = data.replace(b"\r", _NEWLINE)
    return data if data.endswith(_NEWLINE) else data + _NEWLINE, assumed


def _records(data: bytes, separator: str, lines_before: int = 0) -> Iterator[tuple[list[str], list[str]]]:
    """Give each record's fields and the lines it stands on, strict about quotes."""
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        for line in io.BytesIO(data):
            lines.append(line.decode())
            yield lines[-1]

    reader = csv.reader(remembered(), delimiter=separator, strict=True)
    while True:
        lines.clear()
        first = lines_before + reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"line {first}: {_shortened(lines[0] if lines else '')}"
            rule = "a quote opens a field here and does not close it before the next separator or the end of the file"
            raise _Unreadable(rule, "close the quote; write a quote inside a quoted field twice", (place,)) from error
        yield fields, lines


def _shortened(line: str) -> str:
    line = line.strip()
    return repr(line if len(line) <= 60 else line[:57] + "…")


def _header(data: bytes, separator: str) -> _Header:
    end = count = 0
    for fields, lines in _records(data, separator):
        end += len("".join(lines).encode())
        count += len(lines)
        stated = re.fullmatch(r"sep=(.)", "".join(lines).strip())
        if stated and count == 1:  # Excel's own way to state the separator
            rest = _header(data[end:], stated.group(1))
            return _Header(rest.names, rest.separator, end + rest.end, count + rest.lines)
        if any(field.strip() for field in fields):
            return _Header([field.strip() for field in fields], separator, end, count)
    raise _Unreadable("the file is empty", "give it a header line with the column names")


def _check_separator(header: _Header) -> None:
    if len(header.names) > 1:
        return
    (name,) = header.names
    for other in _SEPARATORS:
        if other != header.separator and other in name:
            shown = "\\t" if other == "\t" else other
            rule = f"the header is one single field by the separator {header.separator!r}: {_shortened(name)}"
            raise _Unreadable(rule, f'state separator: "{shown}" for this table in company.yml')


def _check_quotes(body: bytes, header: _Header) -> bool:
    """Refuse quotes that swallow whole records; tell whether some field holds a line break."""
    broken = False
    swallowed, line_number = [], header.lines + 1
    for row, (_, lines) in enumerate(_records(body, header.separator, header.lines), start=1):
        if len(lines) > 1:
            broken = True
            whole = [line for line in lines if line.count(header.separator) >= len(header.names) - 1]
            if len(whole) > 1:
                swallowed.append(f"row {row} (line {line_number}): {_shortened(lines[0])}")
        line_number += len(lines)
    if swallowed:
        rule = f"a quoted field holds whole records, in {len(swallowed):,} place{'s' if len(swallowed) > 1 else ''}"
        remedy = "remove the stray quote, or write a quote inside a quoted field twice; take line breaks out of fields"
        raise _Unreadable(rule, remedy, tuple(swallowed[:_SHOWN]))
    return broken


def _ragged_remedy(header: _Header, last_only: bool, trailing: bool) -> str:
    if len(header.names) == 1:
        return "remove the lines above the header, so that the file begins with the column names"
    if trailing:
        return "remove the separator at the end of the rows, or give the header one too"
    if last_only:
        return "remove the line if it is a total, else complete it"
    return "quote fields that hold the separator, and remove lines that are no records, such as totals"


def _rows(path: Path, data: bytes, header: _Header) -> tuple[pd.DataFrame, np.ndarray, list[tuple[int, str, int]]]:
    """Read the rows; give the frame, the number of each row, and the rows of a wrong length."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"c{i}" for i in range(len(header.names))]
    # Rows of the wrong length come here one by one and in order, because the reader runs on one thread.
    ragged: list[tuple[int, str, int]] = []
    blank: list[int] = []

    def on_bad_row(row: arrow_csv.InvalidRow) -> str:
        if row.text.strip():
            ragged.append((row.number, row.text, row.actual_columns))
        else:
            blank.append(row.number)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(header.end)),
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=header.separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=on_bad_row,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):  # a header and nothing else is a table without rows
            rule = f"the file cannot be read as CSV ({error})"
            raise _Unreadable(rule, "check quotes and separators near that place") from error
        table = pa.table({name: pa.array([], pa.string()) for name in names})
    frame = table.to_pandas()
    frame.columns = header.names
    skipped = [number for number, *_ in ragged] + blank
    numbers = np.setdiff1d(np.arange(1, len(frame) + len(skipped) + 1), skipped, assume_unique=True)
    return frame, numbers, ragged


def read_text(path: Path, name: str, table: str, settings: TableSettings) -> RawFile:
    """Read a text file of a table.

    Parameters
    ----------
    path : pathlib.Path
        A csv or csv.gz file.
    name, table : str
        What messages call the file and the table.
    settings : TableSettings
        Encoding and separator.

    Returns
    -------
    RawFile
        Every column as text.
    """
    try:
        data, assumed = _content(path, settings.encoding)
        header = _header(data, settings.separator)
        _check_separator(header)
        has_breaks = b'"' in data and _check_quotes(data[header.end :], header)
        frame, numbers, ragged = _rows(path, data, header)
    except _Unreadable as error:
        return unread(name, Problem(table, "", error.rule, error.remedy, rows=error.rows, source=name))
    first_line = None if has_breaks else header.lines + 1
    problems = ()
    if ragged:
        places = [
            f"row {row}" + (f" (line {row + header.lines})" if first_line else "") + f" has {fields}"
            for row, _, fields in ragged[:_SHOWN]
        ]
        last_only = len(ragged) == 1 and (not len(numbers) or ragged[0][0] > numbers[-1])
        trailing = all(text.rstrip().endswith(header.separator) for _, text, _ in ragged)
        problem = Problem(
            table,
            "",
            f"the header has {len(header.names)} field{'s' if len(header.names) > 1 else ''}, "
            "these rows have another number",
            _ragged_remedy(header, last_only, trailing),
            count=len(ragged),
            rows=tuple(places),
            source=name,
        )
        if len(ragged) > len(frame):  # then the header is no guide to the rows that are left
            return unread(name, problem)
        problems = (problem,)
    return RawFile(name, frame, numbers, first_line, problems, assumed)
