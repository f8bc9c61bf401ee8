"""A file's content before anything is interpreted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.errors import Problem


@dataclass(frozen=True)
class RawFile:
    """One file's content before anything is interpreted.

    Parameters
    ----------
    name : str
        File for messages, relative to the company's folder.
    frame : pandas.DataFrame
        Text columns from csv; typed columns from parquet and xlsx. Index 0, 1, ….
    row_numbers : numpy.ndarray of int
        Number of each row among the file's data rows, from 1; blank rows count but are not in `frame`.
    first_line : int or None
        Line on which row 1 stands, where every row is one line; None otherwise.
    problems : tuple of Problem
        What could not be read.
    encoding : str, default ""
        Encoding that was assumed, where it is not UTF-8 and was not stated.
    """

    name: str
    frame: pd.DataFrame
    row_numbers: np.ndarray
    first_line: int | None
    problems: tuple[Problem, ...] = ()
    encoding: str = ""

    @property
    def is_read(self) -> bool:
        """Whether there is a header at all."""
        return len(self.frame.columns) > 0


def unread(name: str, problem: Problem) -> RawFile:
    """Stand for a file that could not be read at all.

    Parameters
    ----------
    name : str
        File for messages.
    problem : Problem
        Why.

    Returns
    -------
    RawFile
        Without columns and rows.
    """
    return RawFile(name, pd.DataFrame(), np.array([], dtype=int), None, (problem,))


class Origin:
    """Translate positions in a table to the rows of its files.

    Parameters
    ----------
    files : list of RawFile
        The files, in the order of their rows.
    """

    _SHOWN = 5

    def __init__(self, files: list[RawFile]):
        self._files = [(file.name, file.row_numbers, file.first_line) for file in files]
        self._starts = np.cumsum([0, *(len(file.frame) for file in files)])

    @property
    def name(self) -> str:
        """The file's name where there is only one, else empty."""
        return self._files[0][0] if len(self._files) == 1 else ""

    def place(self, position: int, *, with_file: bool | None = None) -> str:
        """Name the row at a position; the file too where there are several, or as asked for."""
        index = int(np.searchsorted(self._starts, position, side="right")) - 1
        name, row_numbers, first_line = self._files[index]
        number = int(row_numbers[position - self._starts[index]])
        text = f"row {number}" if first_line is None else f"row {number} (line {number + first_line - 1})"
        with_file = len(self._files) > 1 if with_file is None else with_file
        return f"{name} {text}" if with_file else text

    def examples(self, positions: np.ndarray, values: pd.Series | None) -> tuple[str, ...]:
        """Name the first few of some positions, each with its value."""
        shown = [int(position) for position in positions[: self._SHOWN]]
        if values is None:
            return tuple(self.place(position) for position in shown)
        return tuple(f"{self.place(position)}: {_quoted(values.iloc[position])}" for position in shown)


def _quoted(value: object) -> str:
    text = str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '…'}'"
