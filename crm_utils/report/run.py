"""A run: check everything first, run the notebooks, write pages, index, headlines and manifest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.report.backends import Backend, backend_for
from crm_utils.report.collect import Finished
from crm_utils.report.options import check_options
from crm_utils.report.output import RunFolder, check_out
from crm_utils.report.plan import plan_run
from crm_utils.report.progress import Progress, SilentProgress
from crm_utils.report.results import ReportRun, RunInterrupted
from crm_utils.report.writer import RunWriter

if TYPE_CHECKING:
    from crm_utils.report.results import NotebookResult


def run_report(
    notebooks: Sequence[str | Path] | None = None,
    *,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    per_notebook: Mapping[str, Mapping[str, Any]] | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    timeout: float | None = None,
    cell_timeout: float | None = None,
    formats: Sequence[str] | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
    notebook_folder: str | Path | None = None,
    progress: Progress | None = None,
) -> ReportRun:
    """Run notebooks on a company's tables and write a report.

    Parameters
    ----------
    notebooks : sequence of str or pathlib.Path, optional
        Names (``"03"``, ``"value"``, ``"03_value"``) or notebook files. Default: the whole workbook.
    data : str or pathlib.Path, optional
        Company folder; None or ``"demo"``: the demo company.
    parameters : mapping, optional
        Values for every notebook that has the parameter; text is parsed as the declared type.
    per_notebook : mapping of str to mapping, optional
        Values for one notebook, over `parameters`.
    out : str or pathlib.Path, optional
        Folder for the report. Default: a new one below ``reports/runs``, named by the local time.
    jobs : int, optional
        Notebooks at the same time. Default: as many as there are cores.
    timeout : float, optional
        Seconds that one notebook may take, default 1800.
    cell_timeout : float, optional
        Seconds that one cell may take. Default: as many as its notebook.
    formats : sequence of {"html", "pdf"}, optional
        ``"pdf"``: pages are printed as well, where the system has Chromium or Chrome. HTML is always written.
    backend : {"local", "dask"}, optional
        Where notebooks run. Default: local processes, or Dask when there is a `scheduler`.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``"tcp://127.0.0.1:8786"``; see `crm_utils.report.cluster`.
    notebook_folder : str or pathlib.Path, optional
        Folder of the notebooks. Default: the workbook's ``notebooks``.
    progress : Progress, optional
        Told of every cell and notebook. Default: silence.

    Returns
    -------
    ReportRun
        Folder, pages and the result of every notebook. A notebook that fails does not raise here.

    Raises
    ------
    ParameterError
        If a notebook, a parameter or an option is wrong; every problem at once, before any kernel starts.
    ContractError
        If the company's tables break the data contract; before any kernel starts.
    RunInterrupted
        On Ctrl-C, after the finished part was written.

    Examples
    --------
    >>> run = run_report(["03"], parameters={"bins": 4}, out="my-report")  # doctest: +SKIP
    >>> run.ok, run.index.name  # doctest: +SKIP
    (True, 'index.html')
    """
    out = None if out is None else Path(out).expanduser().resolve()
    options = check_options(
        jobs=jobs,
        timeout=timeout,
        cell_timeout=cell_timeout,
        formats=formats,
        backend=backend,
        scheduler=scheduler,
    )
    if out is not None:
        check_out(out)
    with backend_for(options) as chosen:
        plan = plan_run(
            notebooks,
            data=data,
            parameters=parameters,
            per_notebook=per_notebook,
            notebook_folder=notebook_folder,
            prepare=chosen.prepare,
        )
        writer = RunWriter(plan, RunFolder.make(out), options=options, render_cover=chosen.render_cover)
        interrupted = carry_out([writer], chosen, progress or SilentProgress())
        run = writer.finished or writer.close(interrupted=interrupted)
    if interrupted:
        raise RunInterrupted(run)
    return run


def carry_out(writers: Sequence[RunWriter], backend: Backend, progress: Progress) -> bool:
    """Run the notebooks of one or many runs as one queue.

    Parameters
    ----------
    writers : sequence of RunWriter
        The runs; the number of each is its place here.
    backend : Backend
        Where to.
    progress : Progress
        Told of every cell and notebook.

    Returns
    -------
    bool
        Whether the run was interrupted; runs that are not complete then wait to be closed.
    """

    def on_end(finished: Finished) -> None:
        progress.notebook(writers[finished.run].take(finished))

    settled: list[NotebookResult] = []
    scratch = Path(tempfile.mkdtemp(prefix="crm-"))
    try:
        for writer in writers:
            settled += writer.settled
            writer.begin()
        progress.start(settled, [notebook for writer in writers for notebook in writer.waiting])
        jobs = [job for writer in writers for job in writer.jobs(scratch)]
        backend.run(jobs, on_cell=progress.cell, on_end=on_end)
    except KeyboardInterrupt:
        return True
    finally:
        progress.end()
        shutil.rmtree(scratch, ignore_errors=True)
    return False
