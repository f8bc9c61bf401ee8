"""The folder of a sweep: a run in each subfolder, and headlines, overview and manifest around them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.language import formula_safe
from crm_utils.report.combinations import value_text
from crm_utils.report.covers import CoverRenderer
from crm_utils.report.headlines import COLUMNS
from crm_utils.report.options import Options
from crm_utils.report.output import MANIFEST, RunFolder, manifest_text
from crm_utils.report.plan import Plan
from crm_utils.report.provenance import git_revision
from crm_utils.report.results import NotebookResult, ReportRun, RunInterrupted
from crm_utils.report.writer import HEADLINES, INDEX, RunWriter

if TYPE_CHECKING:
    import pandas as pd


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
        return pd.DataFrame.from_records(rows, columns=[*swept_columns(self.combinations), *COLUMNS])

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
        self._revision = git_revision()
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
                    revision=self._revision,
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


def swept_columns(combinations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of the columns of swept values: the parameters' own, but for those that a headline has too."""
    names = list(next(iter(combinations.values())))
    return [f"swept_{name}" if name in COLUMNS else name for name in names]


def sweep_records(combinations: Mapping[str, Mapping[str, Any]], runs: Sequence[ReportRun]) -> list[dict[str, Any]]:
    """Headlines of a sweep as records: the swept values, then the columns of a run's headlines."""
    columns = swept_columns(combinations)
    return [
        {**dict(zip(columns, values.values(), strict=True)), **record}
        for values, run in zip(combinations.values(), runs, strict=True)
        for result in run.results
        for record in result.records
    ]


def _headlines_csv(combinations: Mapping[str, Mapping[str, Any]], runs: Sequence[ReportRun]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    columns = [*swept_columns(combinations), *COLUMNS]
    writer.writerow([formula_safe(column) for column in columns])
    for record in sweep_records(combinations, runs):
        cells = (record[column] for column in columns)
        cells = (value_text(cell) if isinstance(cell, list) else cell for cell in cells)
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return buffer.getvalue()


def overview_content(
    combinations: Mapping[str, Mapping[str, Any]], plans: Sequence[Plan], runs: Sequence[ReportRun]
) -> dict[str, Any]:
    """Arguments of `crm_utils.report.overview.render_overview`: plain values, file names relative to the sweep."""
    rows = []
    for (name, values), plan, run in zip(combinations.items(), plans, runs, strict=True):
        # A page does not tell where its maker keeps files.
        shown = {key: plan.data_name if key == "data" else value_text(value) for key, value in values.items()}
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
