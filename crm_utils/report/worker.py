"""A worker process: takes one job a line, runs the notebook, writes notebook and page, and says how it went.

It lives for many notebooks, so that papermill and nbconvert are imported once a worker. A job and an event are JSON
objects on a line. Standard input that ends means that the parent is gone: the worker then ends its kernel and itself.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from crm_utils.report.tree import kill_tree


def finish(job: dict[str, Any], notebook: Any, outcome: Any) -> dict[str, Any]:
    """Write the executed notebook and its page into the job's folder.

    Parameters
    ----------
    job : dict
        ``name``, ``path``, ``folder`` and ``page`` (see `crm_utils.report.render.render_page`).
    notebook : nbformat.NotebookNode
        Executed notebook, as far as it came.
    outcome : Outcome
        How it ended.

    Returns
    -------
    dict
        The ``done`` event: the outcome's fields and ``headlines``. A notebook that found too little data is skipped:
        it leaves no files.
    """
    import nbformat

    from crm_utils.report.headlines import collect_headlines
    from crm_utils.report.output import write_atomic
    from crm_utils.report.render import render_page

    if outcome.status == "skipped":
        return {"event": "done", **outcome.as_dict(), "headlines": []}
    folder, path = Path(job["folder"]), Path(job["path"])
    write_atomic(folder / f"{job['name']}.ipynb", nbformat.writes(notebook) + "\n")
    page = {**job["page"], "outcome": outcome.as_dict()}
    write_atomic(folder / f"{job['name']}.html", render_page(notebook, page, notebook_folder=str(path.parent)))
    return {"event": "done", **outcome.as_dict(), "headlines": collect_headlines(notebook)}


def _run(job: dict[str, Any], send: Any) -> dict[str, Any]:
    from crm_utils.report.execute import execute_notebook

    notebook, outcome = execute_notebook(
        Path(job["path"]),
        job["parameters"],
        timeout=job["timeout"],
        scratch=Path(job["folder"]),
        on_event=send,
    )
    send({"event": "executed"})
    return finish(job, notebook, outcome)


def main() -> None:
    """Serve jobs until standard input ends."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not get between the events
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            jobs.put(json.loads(line))
        kill_tree(os.getpid(), keep_root=True)
        os._exit(1)

    def send(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    import crm_utils.report.execute  # noqa: F401  (the slow imports, before the first job's clock starts)

    threading.Thread(target=listen, daemon=True).start()
    send({"event": "ready"})
    while True:
        job = jobs.get()
        try:
            send(_run(job, send))
        except Exception:
            send({"event": "broken", "message": traceback.format_exc()})


if __name__ == "__main__":
    main()
