"""The same notebooks for many parameter values: one folder with a run per combination and an overview."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.report.backends import backend_for
from crm_utils.report.covers import CoverRenderer
from crm_utils.report.headlines import COLUMNS, formula_safe
from crm_utils.report.notebooks import Notebook, choose_notebooks
from crm_utils.report.options import Options, check_options
from crm_utils.report.output import MANIFEST, RunFolder, check_out, manifest_text
from crm_utils.report.parameters import did_you_mean, parse_value, split_list
from crm_utils.report.plan import Plan, plan_run
from crm_utils.report.progress import Progress, SilentProgress
from crm_utils.report.results import NotebookResult, ReportRun, RunInterrupted
from crm_utils.report.run import carry_out
from crm_utils.report.writer import HEADLINES, INDEX, RunWriter

if TYPE_CHECKING:
    import pandas as pd

MOST_COMBINATIONS = 1000
_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class SweepRun:
    """A sweep that has ended.

    Parameters
    ----------
    folder, index : pathlib.Path
        The sweep's folder and its overview.
    combinations : dict of str to dict
        Swept values by the name of the combination, which is the name of its run's folder.
    runs : tuple of ReportRun
        One a combination, in the same order.
    interrupted : bool
        Whether the sweep was stopped before its end.
    """

    folder: Path
    index: Path
    combinations: dict[str, dict[str, Any]]
    runs: tuple[ReportRun, ...]
    interrupted: bool = False

    @property
    def results(self) -> tuple[NotebookResult, ...]:
        """Results of all notebooks of all combinations."""
        return tuple(result for run in self.runs for result in run.results)

    @property
    def headlines(self) -> pd.DataFrame:
        """Headlines of all combinations, with the swept parameters as first columns."""
        import pandas as pd

        rows = sweep_records(self.combinations, self.runs)
        return pd.DataFrame.from_records(rows, columns=[*_columns(self.combinations), *COLUMNS])

    @property
    def ok(self) -> bool:
        """Whether every notebook of every combination is complete or was skipped for want of data."""
        return not self.interrupted and all(run.ok for run in self.runs)

    @property
    def exit_code(self) -> int:
        """Code for a command line: 0 all right, 1 a notebook is not complete, 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if self.ok else 1


def swept_values(sweep: Mapping[str, Sequence[Any] | str], notebooks: Sequence[Notebook]) -> dict[str, list[Any]]:
    """Check the values of a sweep against what the notebooks declare.

    Parameters
    ----------
    sweep : mapping of str to sequence or str
        Values by parameter; a text is split as `crm_utils.report.parameters.split_list` does.
    notebooks : sequence of Notebook
        What will run.

    Returns
    -------
    dict of str to list
        Values, typed as the first notebook that has the parameter declares.

    Raises
    ------
    ParameterError
        With every name that no notebook has (and the nearest that one has) and every value that does not fit.
    """
    declared: dict[str, list[Any]] = {}
    for notebook in notebooks:
        for parameter in notebook.parameters:
            declared.setdefault(parameter.name, []).append(parameter)
    values: dict[str, list[Any]] = {}
    problems: dict[str, None] = {}
    for name, given in sweep.items():
        if name not in declared:
            hint = did_you_mean(name, declared) or f" Known: {', '.join(sorted(declared))}."
            problems[f"no parameter {name!r} in any of the chosen notebooks.{hint}"] = None
            continue
        try:
            items = split_list(given) if isinstance(given, str) else list(given)
        except ValueError:
            problems[f"{name}: {given!r} is not a list; write a,b,c or [a, b, c]."] = None
            continue
        if not items:
            problems[f"{name} needs at least one value."] = None
        values[name] = []
        for item in items:
            try:
                typed, *_ = [parse_value(parameter, item) for parameter in declared[name]]
            except ParameterError as error:
                problems[f"{error}."] = None
                continue
            if typed in values[name]:
                problems[f"{name}: {item!r} is there twice."] = None
            values[name].append(typed)
    count = len(list(itertools.product(*values.values()))) if not problems else 0
    if count > MOST_COMBINATIONS:
        problems[f"{count:,} combinations are more than {MOST_COMBINATIONS:,}."] = None
    if problems:
        raise ParameterError("\n".join(f"sweep: {problem}" for problem in problems))
    return values


def combination_names(combinations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name the folders of combinations: readable, safe on every file system, and each once.

    Parameters
    ----------
    combinations : iterable of mapping
        Values by parameter.

    Returns
    -------
    list of str
        One name a combination.

    Examples
    --------
    >>> combination_names([{"region": "East", "bins": 5}, {"region": "a/b", "bins": 5}, {"region": "a:b", "bins": 5}])
    ['region=East,bins=5', 'region=a-b,bins=5', 'region=a-b,bins=5,2']
    """
    taken: set[str] = set()
    names = []
    for values in combinations:
        parts = (f"{name}={_UNSAFE.sub('-', _text(value)).strip('-.')}" for name, value in values.items())
        base = ",".join(parts)[:_LONGEST_NAME].rstrip("-.")
        name, number = base, 2
        while name.casefold() in taken:  # some file systems do not tell East from east
            name, number = f"{base},{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _text(value: Any) -> str:
    return "+".join(map(_text, value)) if isinstance(value, list) else str(value)


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


class SweepWriter:
    """Writes the folder of a sweep around the folders of its runs.

    Parameters
    ----------
    combinations : mapping of str to mapping
        Swept values by folder name.
    plans : sequence of Plan
        One a combination.
    folder : RunFolder
        Where to.
    options : Options
        How.
    render_cover : callable
        Writes index and overview, as `crm_utils.report.covers.render_cover` does.
    kept : mapping of str to mapping, optional
        Results that still hold, by folder name and notebook.
    """

    def __init__(
        self,
        combinations: Mapping[str, Mapping[str, Any]],
        plans: Sequence[Plan],
        folder: RunFolder,
        *,
        options: Options,
        render_cover: CoverRenderer,
        kept: Mapping[str, Mapping[str, NotebookResult]] | None = None,
    ):
        self._combinations = {name: dict(values) for name, values in combinations.items()}
        self._plans = plans
        self._folder = folder
        self._options = options
        self._render_cover = render_cover
        self._kept = kept or {}
        self._writers: list[RunWriter] = []

    def begin(self) -> list[RunWriter]:
        """Make the folders of the runs.

        Returns
        -------
        list of RunWriter
            One a combination.
        """
        self._write_manifest(running=True)
        for number, (name, plan) in enumerate(zip(self._combinations, self._plans, strict=True)):
            self._writers.append(
                RunWriter(
                    plan,
                    self._folder.subfolder(name),
                    options=self._options,
                    render_cover=self._render_cover,
                    number=number,
                    combination=name,
                    kept=self._kept.get(name),
                )
            )
        return self._writers

    def close(self, *, interrupted: bool) -> SweepRun:
        """Close every run, and write overview, headlines and manifest.

        Parameters
        ----------
        interrupted : bool
            Whether the sweep was stopped before its end.

        Returns
        -------
        SweepRun
            The sweep.

        Raises
        ------
        RunInterrupted
            If it was interrupted; it carries the sweep.
        """
        runs = tuple(writer.finished or writer.close(interrupted=interrupted) for writer in self._writers)
        self._folder.write(HEADLINES, _headlines_csv(self._combinations, runs))
        content = overview_content(self._combinations, self._plans, runs)
        index = self._folder.write(INDEX, self._render_cover("overview", content))
        self._write_manifest(running=False)
        self._folder.remove_leftovers()
        sweep = SweepRun(self._folder.path, index, self._combinations, runs, interrupted)
        if interrupted:
            raise RunInterrupted(sweep)
        return sweep

    def _write_manifest(self, *, running: bool) -> None:
        manifest = {
            "kind": "sweep",
            "run": self._folder.path.name,
            "running": running,
            "process": os.getpid(),
            "combinations": self._combinations,
            "runs": sorted({*self._combinations, *(self._folder.previous_runs if running else ())}),
            "files": sorted({*self._folder.files, MANIFEST, *(self._folder.previous if running else ())}),
        }
        self._folder.write(MANIFEST, manifest_text(manifest))


def _columns(combinations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = list(next(iter(combinations.values())))
    return [f"swept_{name}" if name in COLUMNS else name for name in names]


def sweep_records(combinations: Mapping[str, Mapping[str, Any]], runs: Sequence[ReportRun]) -> list[dict[str, Any]]:
    """Headlines of a sweep as records: the swept values, then the columns of a run's headlines."""
    columns = _columns(combinations)
    return [
        {**dict(zip(columns, values.values(), strict=True)), **record}
        for values, run in zip(combinations.values(), runs, strict=True)
        for result in run.results
        for record in result.records
    ]


def _headlines_csv(combinations: Mapping[str, Mapping[str, Any]], runs: Sequence[ReportRun]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    columns = [*_columns(combinations), *COLUMNS]
    writer.writerow([formula_safe(column) for column in columns])
    for record in sweep_records(combinations, runs):
        cells = (record[column] for column in columns)
        cells = (_text(cell) if isinstance(cell, list) else cell for cell in cells)
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return buffer.getvalue()


def overview_content(
    combinations: Mapping[str, Mapping[str, Any]], plans: Sequence[Plan], runs: Sequence[ReportRun]
) -> dict[str, Any]:
    """Arguments of `crm_utils.report.overview.render_overview`: plain values, file names relative to the sweep."""
    rows = []
    for (name, values), plan, run in zip(combinations.items(), plans, runs, strict=True):
        # A page does not tell where its maker keeps files.
        shown = {key: plan.data_name if key == "data" else _text(value) for key, value in values.items()}
        rows.append(
            {
                "folder": name,
                "values": shown,
                "results": [
                    {
                        **{key: getattr(result, key) for key in ("name", "title", "status", "reason", "cell")},
                        **{key: getattr(result, key) for key in ("source", "error", "message")},
                        "page": result.page.name if result.page else "",
                        "headlines": list(result.records),
                    }
                    for result in run.results
                ],
            }
        )
    companies = {plan.check.company.name for plan in plans}
    return {"combinations": rows, "company": companies.pop() if len(companies) == 1 else ""}
