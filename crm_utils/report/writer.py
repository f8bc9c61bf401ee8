"""The folder of one run: the jobs that fill it, and the pages, headlines, index and manifest in it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from crm_utils.language import tr
from crm_utils.report.collect import ENDINGS, Finished
from crm_utils.report.context import company_context, parameter_rows
from crm_utils.report.covers import CoverRenderer
from crm_utils.report.headlines import headlines_csv
from crm_utils.report.notebooks import Notebook
from crm_utils.report.options import Options
from crm_utils.report.output import MANIFEST, RunFolder, manifest_text
from crm_utils.report.pdf import find_browser
from crm_utils.report.plan import Plan
from crm_utils.report.pool import Job
from crm_utils.report.provenance import git_revision, package_versions
from crm_utils.report.results import NotebookResult, ReportRun

HEADLINES = "headlines.csv"
INDEX = "index.html"
_TROUBLE = ("reason", "cell", "source", "error", "message")


class RunWriter:
    """Writes the folder of one run, from its first manifest to its index.

    Parameters
    ----------
    plan : Plan
        What runs.
    folder : RunFolder
        Where to.
    options : Options
        How.
    render_cover : callable
        Writes the index, as `crm_utils.report.covers.render_cover` does.
    number : int, default 0
        Number of the run among those that are carried out together.
    combination : str, default ""
        Name of the combination of a sweep that this run is.
    kept : mapping of str to NotebookResult, optional
        Results, by notebook, that an earlier run has left in the folder and that still hold.
    revision : str, optional
        Revision of the code, where it is known already.
    """

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        *,
        options: Options,
        render_cover: CoverRenderer,
        number: int = 0,
        combination: str = "",
        kept: Mapping[str, NotebookResult] | None = None,
        revision: str | None = None,
    ):
        self.plan = plan
        self.folder = folder
        self._options = options
        self._render_cover = render_cover
        self._number = number
        self._combination = combination
        self._started_at = datetime.now().astimezone()
        self._versions = package_versions()
        self._revision = revision or git_revision()
        self._company = company_context(plan.check)
        self._hashes = {notebook.name: notebook.source_hash for notebook in plan.notebooks}
        self._by_name = {notebook.name: notebook for notebook in plan.notebooks}
        self._browser = find_browser() if "pdf" in options.formats else ""
        self._results: dict[str, NotebookResult] = dict(kept or {})
        self.finished: ReportRun | None = None
        for result in self._results.values():
            folder.files += [path.name for path in (result.page, result.notebook, result.pdf) if path]
        for notebook in plan.notebooks:
            reason = plan.skip_reason(notebook)
            if reason:
                self._results[notebook.name] = self._result(notebook, "skipped", reason=reason)

    @property
    def settled(self) -> tuple[NotebookResult, ...]:
        """Results that are there before anything has run: what is skipped or kept."""
        return tuple(self._results.values())

    @property
    def waiting(self) -> tuple[Notebook, ...]:
        """Notebooks that have no result yet."""
        return tuple(notebook for notebook in self.plan.notebooks if notebook.name not in self._results)

    def begin(self) -> None:
        """Write a first manifest: from now on the folder is known as ours, whatever happens."""
        self._write_manifest(running=True)
        if not self.waiting:
            self.close()

    def jobs(self, scratch: Path) -> list[Job]:
        """Make the jobs of the notebooks that have no result yet, each with a folder of its own below `scratch`."""
        return [self._job(notebook, scratch / f"{self._number}-{i}") for i, notebook in enumerate(self.waiting)]

    def _job(self, notebook: Notebook, folder: Path) -> Job:
        folder.mkdir()  # its name is short: the kernel's socket lies in it, and its path has few characters
        return {
            "run": self._number,
            "name": notebook.name,
            "path": str(notebook.path),
            "folder": str(folder),
            "parameters": self.plan.parameters[notebook.name],
            "timeout": self._options.timeout,
            "cell_timeout": self._options.cell_timeout,
            "browser": self._browser,
            "page": {
                "title": notebook.title,
                "company": self._company,
                "as_of": self._as_of(notebook),
                "parameters": self._rows(notebook),
                "versions": self._versions,
                "notebook_file": f"{notebook.name}.ipynb",
            },
        }

    def _result(self, notebook: Notebook, status: str, /, **fields: Any) -> NotebookResult:
        values = self.plan.parameters[notebook.name]
        return NotebookResult(
            notebook.name, notebook.title, status, parameters=values, combination=self._combination, **fields
        )

    def _as_of(self, notebook: Notebook) -> str:
        return self.plan.parameters[notebook.name].get("as_of") or self._company["as_of"]

    def _rows(self, notebook: Notebook) -> list[dict[str, Any]]:
        return parameter_rows(notebook.parameters, self.plan.parameters[notebook.name], data_name=self.plan.data_name)

    def take(self, finished: Finished) -> NotebookResult:
        """Bring what a job has made into the folder; the last one brings the index.

        Parameters
        ----------
        finished : Finished
            A job that has ended.

        Returns
        -------
        NotebookResult
            How the notebook ended.
        """
        event = finished.event
        written = {
            kind: self.folder.write(f"{finished.name}.{ENDINGS[kind]}", content)
            for kind, content in finished.files.items()
        }
        result = self._result(
            self._by_name[finished.name],
            event["status"],
            seconds=finished.seconds,
            code_seconds=finished.code_seconds,
            records=tuple({"notebook": finished.name, **record} for record in event["headlines"]),
            pdf_problem=event.get("pdf_problem", ""),
            **{key: event[key] for key in _TROUBLE},
            **written,
        )
        self._results[result.name] = result
        if self.waiting:
            self._write_manifest(running=True)
        else:
            self.close()
        return result

    def close(self, *, interrupted: bool = False) -> ReportRun:
        """Write headlines, index and manifest.

        Parameters
        ----------
        interrupted : bool, default False
            Whether the run was stopped before its end.

        Returns
        -------
        ReportRun
            The run.
        """
        for notebook in self.waiting:
            reason = tr("The run was interrupted before this notebook was complete.")
            self._results[notebook.name] = self._result(notebook, "not run", reason=reason)
        results = tuple(self._results[notebook.name] for notebook in self.plan.notebooks)
        self.folder.write(HEADLINES, headlines_csv(record for result in results for record in result.records))
        index = self.folder.write(INDEX, self._index(results))
        self._write_manifest(running=False)
        self.folder.remove_leftovers()
        self.finished = ReportRun(self.folder.path, index, results, interrupted)
        return self.finished

    def _index(self, results: tuple[NotebookResult, ...]) -> str:
        rows = [
            {
                **{key: getattr(result, key) for key in ("title", "status", *_TROUBLE)},
                **{kind: path.name if (path := getattr(result, kind)) else "" for kind in ENDINGS},
                "headlines": list(result.records),
                "parameters": self._rows(notebook),
            }
            for notebook, result in zip(self.plan.notebooks, results, strict=True)
        ]
        stated = {self._as_of(notebook) for notebook in self.plan.notebooks}
        as_of = stated.pop() if len(stated) == 1 else self._company["as_of"]
        content = {"results": rows, "company": self._company, "as_of": as_of, "versions": self._versions}
        return self._render_cover("index", content)

    def _write_manifest(self, *, running: bool) -> None:
        seeds = {values["seed"] for values in self.plan.parameters.values() if "seed" in values}
        manifest = {
            "kind": "run",
            "run": self.folder.path.name,
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "seconds": round((datetime.now().astimezone() - self._started_at).total_seconds(), 3),
            "running": running,
            "process": os.getpid(),
            "data": data_record(self.plan),
            "seed": seeds.pop() if len(seeds) == 1 else None,
            "parameters": self.plan.parameters,
            "notebooks": {
                name: _notebook_record(self._results[name], self._hashes[name])
                for name in self._by_name
                if name in self._results
            },
            "versions": self._versions,
            "platform": platform.platform(),
            "git_revision": self._revision,
            "jobs": self._options.jobs,
            "timeout": self._options.timeout,
            "request": request_record(self.plan, self._options),
            "files": sorted({*self.folder.files, MANIFEST, *(self.folder.previous if running else ())}),
        }
        self.folder.write(MANIFEST, manifest_text(manifest))


def data_record(plan: Plan) -> dict[str, Any]:
    """What a manifest says of the data; pages of equal notebooks with equal records are equal."""
    check = plan.check
    context = company_context(check)
    return {
        "name": check.company.name,
        "folder": plan.data_name,
        "as_of": context["as_of"],
        "tables": dict(check.tables),
        "hash": context["data_hash"],
        "set_aside": json.loads(check.set_aside.to_json(orient="records")),
    }


def request_record(plan: Plan, options: Options) -> dict[str, Any]:
    """What a manifest says of what was asked for, so that the run can be taken up again."""
    return {
        "notebooks": [str(notebook.path) for notebook in plan.notebooks],
        "data": str(plan.data) if plan.data else None,
        "as_of": plan.as_of,
        "timeout": options.timeout,
        "cell_timeout": options.cell_timeout,
        "formats": list(options.formats),
    }


def _notebook_record(result: NotebookResult, source_hash: str) -> dict[str, Any]:
    record = {
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "code_seconds": round(result.code_seconds, 3),
        "source_hash": source_hash,
        "headlines": list(result.records),
        **{key: value for key in (*_TROUBLE, "pdf_problem") if (value := getattr(result, key))},
    }
    return record | {kind: path.name for kind in ENDINGS if (path := getattr(result, kind))}
