"""What comes back from a run: how each notebook ended, and the folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.report.headlines import headlines_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NotebookResult:
    """How one notebook of a run ended.

    Parameters
    ----------
    name, title : str
        File name without its ending, and first heading.
    status : str
        ``"ok"``, ``"failed"`` (a cell raised), ``"timeout"``, ``"died"`` (its Python process ended), ``"skipped"``
        (a needed table is absent) or ``"not run"`` (the run was interrupted).
    seconds, code_seconds : float
        Wall time, and the part of it in which cells ran; 0 where it did not run.
    reason : str
        One sentence; empty when all is well.
    cell : int or None
        Number of the failed code cell, counted from 1.
    source, error, message : str
        The failed cell's source, and the error's name and text.
    page, notebook, pdf : pathlib.Path or None
        HTML page, executed notebook and printed page.
    pdf_problem : str
        Why the page was not printed, where that was asked for.
    parameters : dict
        Values that the notebook ran with.
    records : tuple of dict
        Headlines, with the keys notebook, name, value, low, high, unit, better.
    combination : str
        Name of the combination of a sweep that it belongs to; empty outside sweeps.
    kept : bool
        Whether it was kept from the run that this one resumes.
    """

    name: str
    title: str
    status: str
    seconds: float = 0.0
    code_seconds: float = 0.0
    reason: str = ""
    cell: int | None = None
    source: str = ""
    error: str = ""
    message: str = ""
    page: Path | None = None
    notebook: Path | None = None
    pdf: Path | None = None
    pdf_problem: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    records: tuple[dict[str, Any], ...] = ()
    combination: str = ""
    kept: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong; a skipped notebook is all right."""
        return self.status in ("ok", "skipped")

    @property
    def label(self) -> str:
        """Name for lists: the combination of a sweep, where there is one, and the notebook."""
        return f"{self.combination}/{self.name}" if self.combination else self.name

    @property
    def headlines(self) -> pd.DataFrame:
        """Headlines as a frame: columns notebook, name, value, low, high, unit, better."""
        return headlines_frame(self.records)


@dataclass(frozen=True)
class ReportRun:
    """A run that has ended.

    Parameters
    ----------
    folder, index : pathlib.Path
        The run's folder and its first page.
    results : tuple of NotebookResult
        One a chosen notebook, in the order of the workbook.
    interrupted : bool
        Whether the run was stopped before its end.
    """

    folder: Path
    index: Path
    results: tuple[NotebookResult, ...]
    interrupted: bool = False

    @property
    def pages(self) -> tuple[Path, ...]:
        """Pages that were written."""
        return tuple(result.page for result in self.results if result.page)

    @property
    def headlines(self) -> pd.DataFrame:
        """Headlines of all notebooks, as in ``headlines.csv``."""
        return headlines_frame(record for result in self.results for record in result.records)

    @property
    def ok(self) -> bool:
        """Whether every notebook is complete or was skipped for want of a table."""
        return not self.interrupted and all(result.ok for result in self.results)

    @property
    def exit_code(self) -> int:
        """Code for a command line: 0 all right, 1 a notebook is not complete, 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if self.ok else 1


class RunInterrupted(KeyboardInterrupt):
    """The run was stopped; what was finished is written.

    Parameters
    ----------
    run : ReportRun or SweepRun
        The partial run.
    """

    def __init__(self, run: Any):
        super().__init__()
        self.run = run
