"""Run one notebook in a kernel of its own, through papermill, until it ends, fails or its time is up."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers

from crm_utils.errors import DataFloorError
from crm_utils.language import tr
from crm_utils.report.environment import kernel_environment
from crm_utils.report.kernels import KernelManager, WarmKernel
from crm_utils.report.output import write_atomic
from crm_utils.report.render import code_numbers
from crm_utils.report.tree import kill_group

_ENGINE = "crm"
_START_SECONDS = 120
_SOCKET_PATH_CHARACTERS = 90
SNAPSHOT = "snapshot.ipynb"
_SNAPSHOT_SECONDS = 2.0
_CELL_FILE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py")


@dataclass(frozen=True)
class Outcome:
    """How a notebook's run ended.

    Parameters
    ----------
    status : str
        ``"ok"``, ``"failed"`` (a cell raised), ``"timeout"``, ``"died"`` (the kernel ended), ``"skipped"`` or
        ``"not run"``.
    reason : str
        One sentence for people; empty when all is well.
    cell : int or None
        Number of the code cell concerned, counted from 1.
    source : str
        Its source.
    error, message : str
        Name and text of the error.
    """

    status: str = "ok"
    reason: str = ""
    cell: int | None = None
    source: str = ""
    error: str = ""
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, as it travels between processes."""
        return asdict(self)


class _Client(PapermillNotebookClient):
    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except CellTimeoutError:
            self.shutdown_kernel = "immediate"  # a kernel that hangs would not hear a polite request
            raise


class _Progress:
    """What a run needs to know and what is known of it, while papermill has the notebook in its hands."""

    def __init__(
        self,
        *,
        deadline: float,
        cell_timeout: float | None,
        scratch: Path,
        folder: Path,
        kernel: WarmKernel | None,
        on_event: Callable[[dict], None],
    ):
        self.deadline = deadline
        self.cell_timeout = cell_timeout
        self.kernel = kernel
        self.scratch = scratch
        self.folder = folder
        self.notebook: NotebookNode | None = None
        self.index: int | None = None
        self.on_event = on_event
        self.code_seconds = 0.0
        self._cell_started_at = 0.0
        self._saved_at = 0.0
        self._cost = 0.0

    def begin(self, notebook: NotebookNode) -> None:
        """Take the notebook as papermill has prepared it."""
        self.notebook = notebook
        self._save()

    def remaining(self, _cell: NotebookNode | None = None) -> float:
        """Seconds left for a cell; never 0, which would mean "no limit" to nbclient."""
        return min(max(self.deadline - time.monotonic(), 0.01), self.cell_timeout or math.inf)

    def cell_starts(self, *, cell: NotebookNode, cell_index: int) -> None:
        """Note the cell, and now and then keep the notebook so far in case this process is ended from outside."""
        if cell.cell_type == "code":
            self.index = cell_index
            self.on_event({"event": "cell", "index": cell_index})
        self._cell_started_at = time.monotonic()
        if self._cell_started_at - self._saved_at > max(_SNAPSHOT_SECONDS, 20 * self._cost):
            self._save()

    def cell_ends(self, *, cell: NotebookNode, cell_index: int, execute_reply: Mapping[str, Any]) -> None:
        """Add up the time that is the notebook's own."""
        self.code_seconds += time.monotonic() - self._cell_started_at

    def _save(self) -> None:
        started = time.monotonic()
        write_atomic(self.scratch / SNAPSHOT, nbformat.writes(self.notebook))
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started


class _ReportEngine(Engine):
    """Papermill's engine with a deadline for the whole notebook and a kernel that depends on nobody's settings."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, progress: _Progress, **_) -> None:
        progress.begin(nb_man.nb)
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=KernelManager,
            timeout_func=progress.remaining,
            startup_timeout=max(1, int(min(progress.remaining(), _START_SECONDS))),
            iopub_timeout=60,
            record_timing=False,
            coalesce_streams=True,
            on_cell_start=progress.cell_starts,
            on_cell_executed=progress.cell_ends,
            log=_silent,
        )
        manager = client.create_kernel_manager()
        manager.warm_kernel = progress.kernel
        manager.on_start = lambda pid: progress.on_event({"event": "kernel", "pid": pid})
        manager.connection_file = str(progress.scratch / "k.json")
        # No port to fight over between kernels that start at the same time; a socket's path has few characters.
        if os.name == "posix" and len(manager.connection_file) < _SOCKET_PATH_CHARACTERS:
            manager.transport = "ipc"
        try:
            client.execute(cwd=str(progress.folder), env=kernel_environment(progress.scratch))
        finally:
            if manager.kernel_pid is not None:
                kill_group(manager.kernel_pid)


papermill_engines.register(_ENGINE, _ReportEngine)
_silent = logging.getLogger("crm_utils.report.silent")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def load_notebook(path: Path) -> NotebookNode:
    """Read an authored notebook with cell ids that do not change from run to run.

    Parameters
    ----------
    path : pathlib.Path
        Notebook file.

    Returns
    -------
    nbformat.NotebookNode
        Notebook of format 4.5 without outputs.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    for position, cell in enumerate(content["cells"]):
        cell.setdefault("id", f"cell-{position}")  # before nbformat would give a random one
    content["nbformat"], content["nbformat_minor"] = 4, max(5, content.get("nbformat_minor", 0))
    notebook = nbformat.reads(json.dumps(content), as_version=4)
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata["papermill"] = {}
    return notebook


def clean_notebook(notebook: NotebookNode) -> NotebookNode:
    """Take out of an executed notebook what differs from run to run: times, process numbers, random ids.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed notebook; modified and returned.

    Returns
    -------
    nbformat.NotebookNode
        The same notebook.
    """
    notebook = remove_error_markers(notebook)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output["text"] = _CELL_FILE.sub("<cell>", output["text"])
            elif output.output_type == "error":
                output["traceback"] = [_CELL_FILE.sub("<cell>", line) for line in output["traceback"]]
    return notebook


def outcome_at(notebook: NotebookNode, index: int | None, outcome: Outcome) -> Outcome:
    """Add the number and source of a cell to an outcome.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook as it was executed.
    index : int or None
        Position of the cell; None when no code cell had started.
    outcome : Outcome
        What happened.

    Returns
    -------
    Outcome
        The outcome with ``cell`` and ``source``.
    """
    if index is None:
        return outcome
    return replace(outcome, cell=code_numbers(notebook)[index], source=notebook.cells[index].source)


def timeout_outcome(timeout: float, *, of_cell: bool = False) -> Outcome:
    """Outcome of a notebook whose time is up, or the time of one of its cells."""
    if of_cell:
        reason = tr("Stopped in a cell that took more than {seconds:g} seconds, the time limit of one cell.")
    else:
        reason = tr("Stopped after {seconds:g} seconds, the time limit of one notebook.")
    reason = reason.format(seconds=timeout)
    return Outcome("timeout", reason, error="Timeout", message=tr("The cell was still running."))


def died_outcome(message: str) -> Outcome:
    """Outcome of a notebook whose kernel ended before its time."""
    return Outcome(
        "died", tr("The notebook's Python process ended before its time."), error="DeadKernel", message=message
    )


def failed_outcome(error: str, message: str) -> Outcome:
    """Outcome of a notebook in which a cell raised."""
    return Outcome("failed", tr("A cell raised an error."), error=error, message=strip_ansi(message))


def _failed_cell(notebook: NotebookNode) -> tuple[int, NotebookNode] | None:
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                return index, output
    return None


def execute_notebook(
    path: Path,
    parameters: Mapping[str, Any],
    *,
    timeout: float,
    cell_timeout: float | None = None,
    scratch: Path,
    kernel: WarmKernel | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> tuple[NotebookNode, Outcome]:
    """Run a notebook with parameters; whatever happens in it, come back with what there is.

    Parameters
    ----------
    path : pathlib.Path
        Authored notebook. The kernel's working directory is its folder.
    parameters : mapping
        Checked values by name.
    timeout : float
        Seconds that the whole notebook may take, the start of its kernel included.
    cell_timeout : float, optional
        Seconds that one cell may take. Default: as many as are left to the notebook.
    scratch : pathlib.Path
        Existing folder for the kernel's files and a copy of the notebook so far.
    kernel : WarmKernel, optional
        Process that waits to be the kernel. Default: start one from nothing.
    on_event : callable, optional
        Called with ``{"event": "kernel", "pid": …}`` when the kernel has started, with
        ``{"event": "cell", "index": …}`` for each code cell that starts, and with
        ``{"event": "executed", "code_seconds": …}`` when all is over.

    Returns
    -------
    notebook : nbformat.NotebookNode
        Executed notebook, as far as it came; the same bytes for the same inputs.
    outcome : Outcome
        How it ended.
    """
    progress = _Progress(
        deadline=time.monotonic() + timeout,
        cell_timeout=cell_timeout,
        scratch=scratch,
        folder=path.parent,
        kernel=kernel,
        on_event=on_event,
    )
    authored = load_notebook(path)
    outcome = Outcome()
    try:
        papermill.execute_notebook(
            authored,
            None,
            parameters=dict(parameters),
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            progress=progress,
        )
    except PapermillExecutionError:
        outcome = Outcome("failed")
    except DeadKernelError:
        outcome = died_outcome(tr("It was ended from outside, ran out of memory, or the cell ended it."))
    except (CellTimeoutError, RuntimeError) as error:
        if time.monotonic() >= progress.deadline:
            outcome = timeout_outcome(timeout)
        elif isinstance(error, CellTimeoutError):
            outcome = timeout_outcome(cell_timeout, of_cell=True)
        else:
            outcome = died_outcome(strip_ansi(str(error)))
    on_event({"event": "executed", "code_seconds": progress.code_seconds})
    notebook = clean_notebook(progress.notebook or authored)
    failed = _failed_cell(notebook)
    if failed:
        index, output = failed
        if output.ename == DataFloorError.__name__:
            return notebook, Outcome("skipped", strip_ansi(output.evalue))
        outcome = outcome_at(notebook, index, failed_outcome(output.ename, output.evalue))
    elif outcome.status != "ok":
        outcome = outcome_at(notebook, progress.index, outcome)
        if progress.index is not None:  # whether its number arrived before the kernel ended is chance
            notebook.cells[progress.index].execution_count = None
    return notebook, outcome
