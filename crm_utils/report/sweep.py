"""The same notebooks for many parameter values: one folder with a run per combination and an overview."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.report.backends import backend_for
from crm_utils.report.combinations import combination_names, swept_values
from crm_utils.report.notebooks import choose_notebooks
from crm_utils.report.options import check_options
from crm_utils.report.output import RunFolder, check_out
from crm_utils.report.plan import plan_run
from crm_utils.report.progress import Progress, SilentProgress
from crm_utils.report.run import carry_out
from crm_utils.report.sweep_writer import SweepRun, SweepWriter


def run_sweep(
    notebooks: Sequence[str | Path] | None = None,
    *,
    sweep: Mapping[str, Sequence[Any] | str],
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
) -> SweepRun:
    """Run notebooks for every combination of parameter values, and compare the headlines.

    All notebooks of all combinations are one queue for the same workers.

    Parameters
    ----------
    sweep : mapping of str to sequence or str
        Values by parameter, such as ``{"region": ["East", "West"], "bins": "4,5"}``; several parameters are crossed.
        ``data`` sweeps over company folders.
    notebooks, data, parameters, per_notebook, out, jobs, timeout, cell_timeout, formats, backend, scheduler, \
notebook_folder, progress
        As for `crm_utils.report.run_report`.

    Returns
    -------
    SweepRun
        Folder, overview and the run of every combination.

    Raises
    ------
    ParameterError
        If anything that was asked for is wrong; every problem of a kind at once, before any kernel starts.
    ContractError
        If a company's tables break the data contract; before any kernel starts.
    RunInterrupted
        On Ctrl-C, after the finished part was written.

    Examples
    --------
    >>> run = run_sweep(["03"], sweep={"bins": [4, 5]}, out="my-sweep")  # doctest: +SKIP
    >>> list(run.combinations)  # doctest: +SKIP
    ['bins=4', 'bins=5']
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
    folder = None if notebook_folder is None else Path(notebook_folder)
    chosen = choose_notebooks(notebooks, folder=folder)
    _check_given_once(sweep, data, parameters or {}, per_notebook or {})
    values = swept_values(sweep, chosen)
    crossed = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    checks: dict[Any, Any] = {}
    with backend_for(options) as place:
        plans = [
            plan_run(
                [notebook.path for notebook in chosen],
                data=point.get("data", data),
                parameters={**(parameters or {}), **point},
                per_notebook=per_notebook,
                notebook_folder=folder,
                prepare=place.prepare,
                checks=checks,
            )
            for point in crossed
        ]
        combinations = dict(zip(combination_names(crossed), crossed, strict=True))
        writer = SweepWriter(combinations, plans, RunFolder.make(out), options=options, render_cover=place.render_cover)
        interrupted = carry_out(writer.begin(), place, progress or SilentProgress())
        return writer.close(interrupted=interrupted)


def _check_given_once(
    sweep: Mapping[str, Any],
    data: str | Path | None,
    parameters: Mapping[str, Any],
    per_notebook: Mapping[str, Mapping[str, Any]],
) -> None:
    if not sweep:
        raise ParameterError("a sweep needs at least one parameter with its values.")
    given = {*parameters, *(name for values in per_notebook.values() for name in values)}
    twice = sorted(given & set(sweep))
    if "data" in sweep and data is not None:
        twice.append("data")
    if twice:
        raise ParameterError(f"both swept and given one value: {', '.join(twice)}.")
