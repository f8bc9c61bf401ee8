"""How far a run has come: a bar on a terminal, a line a notebook elsewhere, silence for programs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from crm_utils.report.notebooks import Notebook
    from crm_utils.report.results import NotebookResult


class Progress(Protocol):
    """What a run tells about itself."""

    def start(self, settled: Sequence[NotebookResult], notebooks: Sequence[Notebook]) -> None:
        """Take note of what is skipped or kept and of what will run."""

    def cell(self) -> None:
        """Take note of a code cell that starts; called from several threads."""

    def notebook(self, result: NotebookResult) -> None:
        """Take note of a notebook that has ended."""

    def end(self) -> None:
        """Take note that no more will come."""


class SilentProgress:
    """Says nothing."""

    def start(self, settled: Sequence[NotebookResult], notebooks: Sequence[Notebook]) -> None:
        """Ignore."""

    def cell(self) -> None:
        """Ignore."""

    def notebook(self, result: NotebookResult) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""


class LineProgress:
    """One line a notebook on standard error."""

    def start(self, settled: Sequence[NotebookResult], notebooks: Sequence[Notebook]) -> None:
        """Name what is skipped or kept."""
        for result in settled:
            self.notebook(result)

    def cell(self) -> None:
        """Ignore."""

    def notebook(self, result: NotebookResult) -> None:
        """Name the notebook, how it ended and how long it took."""
        seconds = f" ({result.seconds:.0f} s)" if result.seconds and not result.kept else ""
        reason = f": {result.reason}" if result.reason else ""
        kept = ", kept" if result.kept else ""
        print(f"{result.label}  {result.status}{kept}{seconds}{reason}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Ignore."""


class BarProgress:
    """One bar for the whole run, a step a code cell."""

    def start(self, settled: Sequence[NotebookResult], notebooks: Sequence[Notebook]) -> None:
        """Open the bar."""
        from tqdm import tqdm

        self._lock = threading.Lock()
        self._done, self._all = 0, len(notebooks)
        self._bar = tqdm(
            total=sum(notebook.code_cells for notebook in notebooks), unit="cell", file=sys.stderr, leave=False
        )
        self._say()
        for result in settled:
            if not result.kept:
                self._bar.write(f"{result.label}  skipped: {result.reason}", file=sys.stderr)

    def cell(self) -> None:
        """Go on a step."""
        with self._lock:
            if self._bar.n < self._bar.total:
                self._bar.update()

    def notebook(self, result: NotebookResult) -> None:
        """Count the notebook, and say so when it is not complete."""
        with self._lock:
            self._done += 1
            self._say()
            if not result.ok:
                self._bar.write(f"{result.label}  {result.status}: {result.reason}", file=sys.stderr)

    def end(self) -> None:
        """Close the bar."""
        self._bar.close()

    def _say(self) -> None:
        self._bar.set_description(f"{self._done} of {self._all} notebooks")


def progress_for_terminal() -> Progress:
    """Choose a bar for a terminal and lines for anything else."""
    return BarProgress() if sys.stderr.isatty() else LineProgress()
