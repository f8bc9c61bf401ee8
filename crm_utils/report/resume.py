"""Taking up a run that was interrupted or is not complete, without repeating the pages that still hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.language import tr
from crm_utils.paths import workbook_folder
from crm_utils.report.backends import backend_for
from crm_utils.report.options import check_options
from crm_utils.report.output import RunFolder, read_manifest
from crm_utils.report.pdf import find_browser
from crm_utils.report.plan import Plan, plan_run
from crm_utils.report.progress import Progress, SilentProgress
from crm_utils.report.provenance import package_versions
from crm_utils.report.results import NotebookResult, ReportRun, RunInterrupted
from crm_utils.report.run import carry_out
from crm_utils.report.sweep_writer import SweepRun, SweepWriter
from crm_utils.report.writer import RunWriter, data_record


def find_run(given: str | Path) -> tuple[Path, dict[str, Any]]:
    """Find a run or sweep by its folder, or by its name below ``reports/runs``.

    Parameters
    ----------
    given : str or pathlib.Path
        Folder or name.

    Returns
    -------
    folder : pathlib.Path
        The folder.
    manifest : dict
        Its manifest.

    Raises
    ------
    ParameterError
        If there is no such folder, or it is not of a run.
    """
    folder = Path(given).expanduser()
    if not folder.is_dir():
        folder = workbook_folder("reports") / "runs" / given
    if not folder.is_dir():
        raise ParameterError(f"{given}: there is no such run; name its folder, or its name below reports/runs.")
    manifest = read_manifest(folder)
    if manifest is None:
        raise ParameterError(f"{folder}: has no manifest of a report run, so it is not a run's folder.")
    return folder.resolve(), manifest


def resume_run(
    run: str | Path,
    *,
    jobs: int | None = None,
    timeout: float | None = None,
    cell_timeout: float | None = None,
    formats: Sequence[str] | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> ReportRun | SweepRun:
    """Take up a run or sweep: keep the pages that still hold, run the other notebooks.

    A page is kept when it is complete and its parameters, its notebook's source, the data and the versions are what
    they were.

    Parameters
    ----------
    run : str or pathlib.Path
        Folder of the run, or its name below ``reports/runs``.
    jobs, timeout, cell_timeout, formats, backend, scheduler, progress
        As for `crm_utils.report.run_report`; the limits and formats of the run itself where they are not given.
    say : callable, optional
        Called with a line for each notebook that runs again, with the reason.

    Returns
    -------
    ReportRun or SweepRun
        The whole run; results that were kept say so.

    Raises
    ------
    ParameterError
        If the folder is not of a run, if the run is still going on, or if an option is wrong.
    ContractError
        If the data break the contract.
    RunInterrupted
        On Ctrl-C, after the finished part was written.
    """
    folder, manifest = find_run(run)
    if manifest.get("running") and _is_running(manifest.get("process")):
        raise ParameterError(f"{folder}: the run is still going on, in process {manifest['process']}.")
    parts = _parts(folder, manifest)
    request = next(iter(parts.values()))["request"]
    options = check_options(
        jobs=jobs,
        timeout=timeout or request["timeout"],
        cell_timeout=cell_timeout or request["cell_timeout"],
        formats=formats or request["formats"],
        backend=backend,
        scheduler=scheduler,
    )
    checks: dict[Any, Any] = {}
    with backend_for(options) as place:
        plans = {name: _plan_again(part, place.prepare, checks) for name, part in parts.items()}
        kept = {
            name: _kept(folder / name, part, plans[name], combination=name, pdf="pdf" in options.formats, say=say)
            for name, part in parts.items()
        }
        if manifest["kind"] == "sweep":
            sweep = SweepWriter(
                manifest["combinations"],
                list(plans.values()),
                RunFolder.existing(folder),
                options=options,
                render_cover=place.render_cover,
                kept=kept,
            )
            interrupted = carry_out(sweep.begin(), place, progress or SilentProgress())
            return sweep.close(interrupted=interrupted)
        writer = RunWriter(
            plans[""], RunFolder.existing(folder), options=options, render_cover=place.render_cover, kept=kept[""]
        )
        interrupted = carry_out([writer], place, progress or SilentProgress())
        resumed = writer.finished or writer.close(interrupted=interrupted)
    if interrupted:
        raise RunInterrupted(resumed)
    return resumed


def _is_running(process: Any) -> bool:
    import psutil

    return isinstance(process, int) and process != os.getpid() and psutil.pid_exists(process)


def _parts(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Manifests of the runs in a folder: by combination for a sweep, under an empty name for a run."""
    if manifest.get("kind") != "sweep":
        parts = {"": manifest}
    else:
        parts = {name: read_manifest(folder / name) for name in manifest["combinations"]}
    unknown = [str(folder / name) for name, part in parts.items() if not part or "request" not in part]
    if unknown:
        raise ParameterError(f"cannot be taken up, as no manifest says what was asked for: {', '.join(unknown)}.")
    return parts


def _plan_again(manifest: Mapping[str, Any], prepare: Callable[..., None], checks: dict[Any, Any]) -> Plan:
    request = manifest["request"]
    values = {
        name: {key: value for key, value in own.items() if key != "data"}
        for name, own in manifest["parameters"].items()
    }
    return plan_run(
        [Path(path) for path in request["notebooks"]],
        data=request["data"],
        parameters={"as_of": request["as_of"]} if request["as_of"] else {},
        per_notebook=values,
        prepare=prepare,
        checks=checks,
    )


def _kept(
    folder: Path,
    manifest: Mapping[str, Any],
    plan: Plan,
    *,
    combination: str,
    pdf: bool,
    say: Callable[[str], None],
) -> dict[str, NotebookResult]:
    """Results of a run that still hold."""
    changed = ""
    if manifest["data"] != data_record(plan):
        changed = tr("the data have changed")
    elif manifest["versions"] != package_versions():
        changed = tr("versions of packages have changed")
    kept = {}
    for notebook in plan.notebooks:
        record = manifest["notebooks"].get(notebook.name, {"status": "not run"})
        files = [folder / record[kind] for kind in ("page", "notebook") if kind in record]
        if record["status"] not in ("ok", "skipped"):
            reason = tr("it was not complete ({status})").format(status=record["status"])
        elif changed:
            reason = changed
        elif record["source_hash"] != notebook.source_hash:
            reason = tr("the notebook has changed")
        elif manifest["parameters"][notebook.name] != plan.parameters[notebook.name]:
            reason = tr("its parameters have changed")
        elif not all(path.is_file() for path in files) or (record["status"] == "ok" and len(files) < 2):
            reason = tr("its files are gone")
        elif pdf and record["status"] == "ok" and "pdf" not in record and find_browser():
            reason = tr("its page has not been printed")
        else:
            kept[notebook.name] = _result(folder, notebook.name, notebook.title, manifest, combination)
            continue
        label = f"{combination}/{notebook.name}" if combination else notebook.name
        say(tr("{label} runs again: {reason}.").format(label=label, reason=reason))
    return kept


def _result(folder: Path, name: str, title: str, manifest: Mapping[str, Any], combination: str) -> NotebookResult:
    record = manifest["notebooks"][name]
    return NotebookResult(
        name,
        title,
        record["status"],
        seconds=record["seconds"],
        code_seconds=record["code_seconds"],
        reason=record.get("reason", ""),
        parameters=manifest["parameters"][name],
        records=tuple(record["headlines"]),
        combination=combination,
        kept=True,
        **{kind: folder / record[kind] for kind in ("page", "notebook", "pdf") if kind in record},
    )
