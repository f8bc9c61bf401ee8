"""A run: check everything first, run the notebooks in parallel, write pages, index, headlines and manifest."""

from __future__ import annotations

import json
import math
import platform
import shutil
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.language import tr
from crm_utils.report.headlines import headlines_csv, headlines_frame
from crm_utils.report.notebooks import Notebook, choose_notebooks, match_name, notebook_names_message, notebook_paths
from crm_utils.report.output import MANIFEST, RunFolder, check_out, manifest_text
from crm_utils.report.parameters import check_values
from crm_utils.report.pool import JobEnd, Pool, cores
from crm_utils.report.progress import Progress, SilentProgress
from crm_utils.report.provenance import git_revision, package_versions

if TYPE_CHECKING:
    import pandas as pd

    from crm_utils.company import CompanyCheck

DEFAULT_TIMEOUT_SECONDS = 1800.0
HEADLINES = "headlines.csv"
INDEX = "index.html"


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
    seconds : float
        Wall time; 0 where it did not run.
    reason : str
        One sentence; empty when all is well.
    cell : int or None
        Number of the failed code cell, counted from 1.
    source, error, message : str
        The failed cell's source, and the error's name and text.
    page, notebook : pathlib.Path or None
        HTML page and executed notebook.
    parameters : dict
        Values that the notebook ran with.
    records : tuple of dict
        Headlines, with the keys notebook, name, value, low, high, unit, better.
    """

    name: str
    title: str
    status: str
    seconds: float = 0.0
    reason: str = ""
    cell: int | None = None
    source: str = ""
    error: str = ""
    message: str = ""
    page: Path | None = None
    notebook: Path | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    records: tuple[dict[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong; a skipped notebook is all right."""
        return self.status in ("ok", "skipped")

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
    run : ReportRun
        The partial run.
    """

    def __init__(self, run: ReportRun):
        super().__init__()
        self.run = run


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is known and checked before the first kernel starts.

    Parameters
    ----------
    notebooks : tuple of Notebook
        What was asked for.
    parameters : dict of str to dict
        Every parameter of every notebook, with its value.
    check : CompanyCheck
        The company, with set-aside rows and returns.
    data_name : str
        What pages show for the parameter ``data``.
    """

    notebooks: tuple[Notebook, ...]
    parameters: dict[str, dict[str, Any]]
    check: CompanyCheck
    data_name: str

    def skip_reason(self, notebook: Notebook) -> str:
        """Why a notebook cannot run on this company's tables; empty when it can."""
        missing = notebook.missing(self.check.company.tables)
        if not missing:
            return ""
        return tr("Needs the table {missing}, which this company does not have; it has {present}.").format(
            missing=", ".join(missing), present=", ".join(self.check.company.tables)
        )


def plan_run(
    notebooks: Sequence[str | Path] | None = None,
    *,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    per_notebook: Mapping[str, Mapping[str, Any]] | None = None,
    notebook_folder: str | Path | None = None,
) -> Plan:
    """Check names, parameters and data; arguments and errors as for `run_report`."""
    from crm_utils.company import check_company

    folder = None if notebook_folder is None else Path(notebook_folder)
    chosen = choose_notebooks(notebooks, folder=folder)
    common = dict(parameters or {})
    if "data" in common:
        if data is not None and str(data) != str(common["data"]):
            raise ParameterError(f"the data are given twice: {data} and the parameter data={common['data']}.")
        data = common.pop("data")
    own = _match_per_notebook(per_notebook or {}, chosen, folder)
    company = None if data is None or str(data) in ("", "demo") else Path(data).expanduser().resolve()
    for notebook in chosen:
        if any(parameter.name == "data" for parameter in notebook.parameters):
            own.setdefault(notebook.name, {})["data"] = "demo" if company is None else str(company)
    values = check_values({notebook.name: notebook.parameters for notebook in chosen}, common, own)
    check = check_company(company, as_of=common.get("as_of") or None)
    check.raise_problems()
    return Plan(chosen, values, check, "demo" if company is None else company.name)


def _match_per_notebook(
    given: Mapping[str, Mapping[str, Any]], chosen: tuple[Notebook, ...], folder: Path | None
) -> dict[str, dict[str, Any]]:
    """Sort values by the notebook they are for; those of notebooks that exist and are not chosen are left alone."""
    names = [notebook.name for notebook in chosen]
    matched: dict[str, dict[str, Any]] = {}
    problems = []
    for key, values in given.items():
        name = match_name(str(key), names)
        if "data" in values:
            problems.append(f"per-notebook parameters of {key}: one run has one company; leave 'data' to the run")
        elif name is not None:
            matched[name] = dict(values)
        elif match_name(str(key), everything := [*names, *notebook_paths(folder)]) is None:
            problems.append(f"per-notebook parameters: {notebook_names_message(str(key), everything)}")
    if problems:
        raise ParameterError("\n".join(problems))
    return matched


def run_report(
    notebooks: Sequence[str | Path] | None = None,
    *,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    per_notebook: Mapping[str, Mapping[str, Any]] | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    timeout: float | None = None,
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
    timeout = DEFAULT_TIMEOUT_SECONDS if timeout is None else timeout
    jobs = cores() if jobs is None else jobs
    if not 0 < timeout < math.inf:
        raise ParameterError(f"timeout must be more than 0 seconds and not endless, not {timeout!r}.")
    if jobs < 1:
        raise ParameterError(f"jobs must be 1 or more, not {jobs!r}.")
    if out is not None:
        check_out(out)
    plan = plan_run(
        notebooks, data=data, parameters=parameters, per_notebook=per_notebook, notebook_folder=notebook_folder
    )
    return _Run(
        plan, RunFolder.make(out), jobs=jobs, timeout=float(timeout), progress=progress or SilentProgress()
    ).do()


class _Run:
    """The doing of a plan."""

    def __init__(self, plan: Plan, folder: RunFolder, *, jobs: int, timeout: float, progress: Progress):
        from crm_utils.report.context import company_context

        self.plan = plan
        self.folder = folder
        self.workers = jobs
        self.timeout = timeout
        self.progress = progress
        self.started_at = datetime.now().astimezone()
        self.versions = package_versions()
        self.company = company_context(plan.check)
        self.results: dict[str, NotebookResult] = {}

    def do(self) -> ReportRun:
        interrupted = False
        self._write_manifest(running=True)  # from now on the folder is known as ours, whatever happens
        for notebook in self.plan.notebooks:
            reason = self.plan.skip_reason(notebook)
            if reason:
                self.results[notebook.name] = self._result(notebook, "skipped", reason=reason)
        runnable = [notebook for notebook in self.plan.notebooks if notebook.name not in self.results]
        scratch = Path(tempfile.mkdtemp(prefix="crm-"))
        try:
            self._run_all(runnable, scratch)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for notebook in runnable:
            if notebook.name not in self.results:
                reason = tr("The run was interrupted before this notebook was complete.")
                self.results[notebook.name] = self._result(notebook, "not run", reason=reason)
        run = self._write_summary(interrupted)
        if interrupted:
            raise RunInterrupted(run)
        return run

    def _result(self, authored: Notebook, status: str, **fields: Any) -> NotebookResult:
        values = self.plan.parameters[authored.name]
        return NotebookResult(authored.name, authored.title, status, parameters=values, **fields)

    def _as_of(self, notebook: Notebook | None = None) -> str:
        own = self.plan.parameters[notebook.name].get("as_of") if notebook else None
        return own or self.company["as_of"]

    def _rows(self, notebook: Notebook) -> list[dict[str, Any]]:
        from crm_utils.report.context import parameter_rows

        return parameter_rows(notebook.parameters, self.plan.parameters[notebook.name], data_name=self.plan.data_name)

    def _job(self, notebook: Notebook, scratch: Path, position: int) -> dict[str, Any]:
        folder = scratch / str(position)  # short: the kernel's socket lies in it, and its path has few characters
        folder.mkdir()
        return {
            "name": notebook.name,
            "path": str(notebook.path),
            "folder": str(folder),
            "parameters": self.plan.parameters[notebook.name],
            "timeout": self.timeout,
            "page": {
                "title": notebook.title,
                "company": self.company,
                "as_of": self._as_of(notebook),
                "parameters": self._rows(notebook),
                "versions": self.versions,
                "notebook_file": f"{notebook.name}.ipynb",
            },
        }

    def _run_all(self, runnable: list[Notebook], scratch: Path) -> None:
        by_name = {notebook.name: notebook for notebook in runnable}
        jobs = [self._job(notebook, scratch, position) for position, notebook in enumerate(runnable)]
        self.progress.start([*self.results.values()], runnable)

        def on_end(ended: JobEnd) -> None:
            result = self._take(by_name[ended.job["name"]], ended)
            self.results[result.name] = result
            self.progress.notebook(result)

        pool = Pool(jobs, workers=self.workers, log_folder=scratch, on_cell=self.progress.cell, on_end=on_end)
        try:
            pool.run()
        finally:
            self.progress.end()

    def _take(self, notebook: Notebook, ended: JobEnd) -> NotebookResult:
        """Bring a job's files into the run's folder, making them here when the worker could not."""
        event = ended.event
        if event is None:
            try:
                event = _finish_for_worker(ended, self.timeout)
            except Exception:  # like the worker: one page must not cost the others
                event = {"event": "broken", "message": traceback.format_exc()}
        if event["event"] == "broken":
            last_line = event["message"].strip().splitlines()[-1]
            error, _, message = last_line.partition(": ")
            outcome = {"status": "failed", "reason": tr("The notebook could not be run or shown."), "error": error}
            event = {**outcome, "message": message, "cell": None, "source": "", "headlines": []}
        written = {}
        for kind, ending in (("notebook", "ipynb"), ("page", "html")):
            made = Path(ended.job["folder"]) / f"{notebook.name}.{ending}"
            if made.exists():
                written[kind] = self.folder.write(made.name, made.read_bytes())
        shutil.rmtree(ended.job["folder"], ignore_errors=True)
        records = tuple({"notebook": notebook.name, **record} for record in event["headlines"])
        return self._result(
            notebook,
            event["status"],
            seconds=ended.seconds,
            records=records,
            **{key: event[key] for key in ("reason", "cell", "source", "error", "message")},
            **written,
        )

    def _write_summary(self, interrupted: bool) -> ReportRun:
        from crm_utils.report.index import render_index

        results = tuple(self.results[notebook.name] for notebook in self.plan.notebooks)
        rows = [
            {
                **{key: getattr(result, key) for key in ("title", "status", "reason", "cell", "source", "error")},
                "message": result.message,
                "page": result.page.name if result.page else "",
                "notebook": result.notebook.name if result.notebook else "",
                "headlines": list(result.records),
                "parameters": self._rows(notebook),
            }
            for notebook, result in zip(self.plan.notebooks, results, strict=True)
        ]
        records = [record for result in results for record in result.records]
        self.folder.write(HEADLINES, headlines_csv(records))
        stated = {self._as_of(notebook) for notebook in self.plan.notebooks}
        as_of = stated.pop() if len(stated) == 1 else self.company["as_of"]
        page = render_index(rows, company=self.company, as_of=as_of, versions=self.versions)
        index = self.folder.write(INDEX, page)
        self._write_manifest(results)
        self.folder.remove_leftovers()
        return ReportRun(self.folder.path, index, results, interrupted)

    def _write_manifest(self, results: Sequence[NotebookResult] = (), *, running: bool = False) -> None:
        check = self.plan.check
        seeds = {values["seed"] for values in self.plan.parameters.values() if "seed" in values}
        statuses = {
            result.name: {
                "status": result.status,
                "seconds": round(result.seconds, 3),
                **{key: getattr(result, key) for key in ("reason", "cell", "error", "message") if getattr(result, key)},
            }
            for result in results
        }
        manifest = {
            "run": self.folder.path.name,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "seconds": round((datetime.now().astimezone() - self.started_at).total_seconds(), 3),
            "running": running,
            "data": {
                "name": check.company.name,
                "folder": self.plan.data_name,
                "as_of": self.company["as_of"],
                "tables": dict(check.tables),
                "hash": self.company["data_hash"],
                "set_aside": json.loads(check.set_aside.to_json(orient="records")),
            },
            "seed": seeds.pop() if len(seeds) == 1 else None,
            "parameters": self.plan.parameters,
            "notebooks": statuses,
            "versions": self.versions,
            "platform": platform.platform(),
            "git_revision": git_revision(),
            "jobs": self.workers,
            "timeout": self.timeout,
            "files": sorted({*self.folder.files, MANIFEST, *(self.folder.previous if running else ())}),
        }
        self.folder.write(MANIFEST, manifest_text(manifest))


def _finish_for_worker(ended: JobEnd, timeout: float) -> dict[str, Any]:
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
        outcome = timeout_outcome(timeout)
    else:
        outcome = died_outcome(ended.last_words or tr("The process that ran the notebook was ended from outside."))
    index = ended.index if ended.index is not None and ended.index < len(notebook.cells) else None
    return finish(ended.job, notebook, outcome_at(notebook, index, outcome))
