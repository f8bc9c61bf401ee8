"""Read csv, csv.gz, parquet and xlsx files as they are, remembering where each row came from."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from crm_utils.company.raw import RawFile, unread
from crm_utils.company.settings import TableSettings
from crm_utils.company.text_files import read_text
from crm_utils.errors import Problem


def _decoded(column: pd.Series) -> pd.Series:
    """Text where a file stores text as bytes, as Spark does without its legacy option."""
    if column.dtype != object or not any(isinstance(value, bytes) for value in column):
        return column
    return column.map(lambda value: value.decode("utf-8") if isinstance(value, bytes) else value)


def _read_typed(path: Path, name: str, table: str, settings: TableSettings) -> RawFile:
    """Read parquet or xlsx; their libraries raise many kinds of error for a damaged file."""
    is_workbook = path.name.lower().endswith(".xlsx")
    try:
        if is_workbook:
            frame = pd.read_excel(path, sheet_name=settings.sheet, dtype=object, keep_default_na=False, na_values=[""])
        else:
            frame = pd.read_parquet(path)
    except Exception as error:
        rule = f"the file cannot be read ({type(error).__name__}: {' '.join(str(error).split())})"
        remedy = "check that it is complete, and its sheet if it has several"
        return unread(name, Problem(table, "", rule, remedy, source=name))
    if frame.index.name is not None or frame.index.nlevels > 1:
        frame = frame.reset_index()
    frame.columns = [str(column).strip() for column in frame.columns]
    problems = []
    for position, column in enumerate(frame.columns):
        try:
            frame.isetitem(position, _decoded(frame.iloc[:, position]))
        except UnicodeDecodeError:
            rule = "the values are bytes that are no text in UTF-8"
            problems.append(Problem(table, column, rule, "write the column as text", source=name))
    rows = np.arange(1, len(frame) + 1)
    return RawFile(name, frame.reset_index(drop=True), rows, 2 if is_workbook else None, tuple(problems))


def _without_blank_rows(raw: RawFile) -> RawFile:
    filled = pd.Series(False, index=raw.frame.index)
    for position in range(raw.frame.shape[1]):
        values = raw.frame.iloc[:, position]
        filled |= values.notna() & (values.astype(str).str.strip() != "")
        if filled.all():
            return raw
    return replace(raw, frame=raw.frame[filled].reset_index(drop=True), row_numbers=raw.row_numbers[filled.to_numpy()])


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
        name = Path(os.path.relpath(path, settings.folder)).as_posix() if settings.folder else path.name
        kind = path.name.lower()
        if kind.endswith(".parquet"):
            yield _read_typed(path, name, table, settings)
        else:
            yield _without_blank_rows(
                (_read_typed if kind.endswith(".xlsx") else read_text)(path, name, table, settings)
            )
