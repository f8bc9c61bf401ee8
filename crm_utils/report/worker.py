"""A worker process: takes a job, runs the notebook, writes notebook and page, and says how it went.

A worker that the forge has forked serves one job; one that was started from nothing lives for many, so that papermill
and nbconvert are imported once. A job and an event are JSON objects on a line. Input that ends means that the run is
gone: the worker then ends its kernel and itself.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from crm_utils.report.covers import render_cover
from crm_utils.report.tree import kill_tree

if TYPE_CHECKING:
    from crm_utils.report.kernels import WarmKernel

LOG = "worker.log"


def finish(job: dict[str, Any], notebook: Any, outcome: Any) -> dict[str, Any]:
    """Write the executed notebook and its page into the job's folder.

    Parameters
    ----------
    job : dict
        ``name``, ``path``, ``folder``, ``page`` (see `crm_utils.report.render.render_page`) and ``browser``, with
        which the page is printed as PDF (empty: it is not).
    notebook : nbformat.NotebookNode
        Executed notebook, as far as it came.
    outcome : Outcome
        How it ended.

    Returns
    -------
    dict
        The ``done`` event: the outcome's fields, ``headlines``, and ``pdf_problem`` where there is one. A notebook
        that found too little data is skipped: it leaves no files.
    """
    import nbformat

    from crm_utils.report.headlines import collect_headlines
    from crm_utils.report.output import write_atomic
    from crm_utils.report.pdf import print_page
    from crm_utils.report.render import render_page

    if outcome.status == "skipped":
        return {"event": "done", **outcome.as_dict(), "headlines": []}
    folder, path = Path(job["folder"]), Path(job["path"])
    write_atomic(folder / f"{job['name']}.ipynb", nbformat.writes(notebook) + "\n")
    page = folder / f"{job['name']}.html"
    content = {**job["page"], "outcome": outcome.as_dict()}
    write_atomic(page, render_page(notebook, content, notebook_folder=str(path.parent)))
    problem = print_page(page, page.with_suffix(".pdf"), browser=job["browser"]) if job["browser"] else ""
    headlines = collect_headlines(notebook)
    return {"event": "done", **outcome.as_dict(), "headlines": headlines, "pdf_problem": problem}


def _run(job: dict[str, Any], send: Callable[[dict[str, Any]], None], kernel: WarmKernel | None) -> None:
    """Do a job; its last event says that it is done, or that something broke which should not."""
    from crm_utils.report.execute import execute_notebook

    try:
        notebook, outcome = execute_notebook(
            Path(job["path"]),
            job["parameters"],
            timeout=job["timeout"],
            cell_timeout=job["cell_timeout"],
            scratch=Path(job["folder"]),
            kernel=kernel,
            on_event=send,
        )
        send(finish(job, notebook, outcome))
    except Exception:
        send({"event": "broken", "message": traceback.format_exc()})


def _sender(events: IO[str]) -> Callable[[dict[str, Any]], None]:
    def send(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    return send


def _end_with(lines: IO[str], on_line: Callable[[str], None] = lambda line: None) -> None:
    """Read lines in the background; when they end, end this process and all that it has started."""

    def listen() -> None:
        for line in lines:
            on_line(line)
        kill_tree(os.getpid(), keep_root=True)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()


def serve_forked(connection: socket.socket) -> None:
    """Serve one request in a process that has just been forked; for a job, fork its kernel before the first thread.

    Parameters
    ----------
    connection : socket.socket
        Where the job comes from and the events go to; or what a page in front is made of, and the page.
    """
    from crm_utils.report.kernels import fork_kernel

    lines = connection.makefile("r", encoding="utf-8")
    line = lines.readline()
    if not line:
        os._exit(0)
    job = json.loads(line)
    events = connection.makefile("w", encoding="utf-8")
    if "cover" in job:
        with events:
            json.dump(render_cover(job["cover"], job["content"]), events)
        os._exit(0)
    log = os.open(Path(job["folder"]) / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)

    def close() -> None:
        for each in (lines, events, connection):
            each.close()

    kernel = fork_kernel(close=close)
    send = _sender(events)
    send({"event": "ready", "pid": os.getpid()})
    _end_with(lines)
    _run(job, send, kernel)
    os._exit(0)


def main() -> None:
    """Serve jobs until standard input ends."""
    send = _sender(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # whatever a library prints must not get between the events
    # The slow imports, before the first job's clock starts.
    import crm_utils.report.quick_nbformat  # noqa: I001  (before whatever else imports nbformat)
    import crm_utils.report.execute  # noqa: F401

    jobs: queue.Queue[str] = queue.Queue()
    _end_with(sys.stdin, jobs.put)
    send({"event": "ready", "pid": os.getpid()})
    while True:
        _run(json.loads(jobs.get()), send, None)


if __name__ == "__main__":
    main()
