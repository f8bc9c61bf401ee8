"""What a job has left behind: its files as bytes, made here when the worker could not make them."""

from __future__ import annotations

import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.language import tr

if TYPE_CHECKING:
    from crm_utils.report.pool import JobEnd

ENDINGS = {"notebook": "ipynb", "page": "html", "pdf": "pdf"}


@dataclass(frozen=True)
class Finished:
    """A job that has ended, with all that it made; it can travel between machines.

    Parameters
    ----------
    run : int
        The job's run, as the job says.
    name : str
        The notebook.
    event : dict
        The ``done`` event of `crm_utils.report.worker.finish`.
    seconds, code_seconds : float
        Wall time, and the part of it in which cells ran.
    files : dict of str to bytes
        Content by kind: ``"notebook"``, ``"page"``, ``"pdf"``.
    """

    run: int
    name: str
    event: dict[str, Any]
    seconds: float
    code_seconds: float
    files: dict[str, bytes]


def collect(ended: JobEnd) -> Finished:
    """Take a job's files out of its folder, which is then removed.

    Parameters
    ----------
    ended : JobEnd
        How the job came back.

    Returns
    -------
    Finished
        The outcome and the files.
    """
    job, event = ended.job, ended.event
    if event is None:
        try:
            event = _finish_for_worker(ended)
        except Exception:  # like the worker: one page must not cost the others
            event = {"event": "broken", "message": traceback.format_exc()}
    if event["event"] == "broken":
        error, _, message = event["message"].strip().splitlines()[-1].partition(": ")
        reason = tr("The notebook could not be run or shown.")
        event = {"status": "failed", "reason": reason, "error": error, "message": message, "cell": None, "source": ""}
        event["headlines"] = []
    folder = Path(job["folder"])
    made = {kind: folder / f"{job['name']}.{ending}" for kind, ending in ENDINGS.items()}
    files = {kind: path.read_bytes() for kind, path in made.items() if path.exists()}
    shutil.rmtree(folder, ignore_errors=True)
    return Finished(job["run"], job["name"], event, ended.seconds, ended.code_seconds, files)


def _finish_for_worker(ended: JobEnd) -> dict[str, Any]:
    """Make notebook and page here, from what a worker that had to be ended has left behind."""
    import nbformat

    from crm_utils.report.execute import (
        SNAPSHOT,
        clean_notebook,
        died_outcome,
        load_notebook,
        outcome_at,
        timeout_outcome,
    )
    from crm_utils.report.worker import finish

    snapshot = Path(ended.job["folder"]) / SNAPSHOT
    if snapshot.exists():
        notebook = nbformat.reads(snapshot.read_text(encoding="utf-8"), as_version=4)
    else:
        notebook = load_notebook(Path(ended.job["path"]))
    notebook = clean_notebook(notebook)
    if ended.timed_out:
        outcome = timeout_outcome(ended.job["timeout"])
    else:
        outcome = died_outcome(ended.last_words or tr("The process that ran the notebook was ended from outside."))
    index = ended.index if ended.index is not None and ended.index < len(notebook.cells) else None
    return finish(ended.job, notebook, outcome_at(notebook, index, outcome))
