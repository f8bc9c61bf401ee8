"""What differs between two runs: headlines, parameters, data, versions, and how the notebooks ended."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.language import formula_safe, tr
from crm_utils.report.headlines import format_value
from crm_utils.report.output import read_manifest
from crm_utils.report.resume import find_run

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("status", "headline", "parameter", "data", "version")
_ABSENT = None


@dataclass(frozen=True)
class Change:
    """One thing that is not the same in two runs.

    Parameters
    ----------
    kind : {"status", "headline", "parameter", "data", "version"}
        What it is about.
    place : str
        Notebook, with the combination of a sweep in front; empty for versions of a single run.
    name : str
        Headline, parameter, property of the data, or package.
    before, after : object
        Values in the two runs; None where there is none.
    unit : str
        Unit of a headline.
    difference : float or None
        After minus before, for headlines.
    intervals : str
        For headlines with intervals in both runs: ``"overlap"`` or ``"apart"``.
    """

    kind: str
    place: str
    name: str
    before: Any
    after: Any
    unit: str = ""
    difference: float | None = None
    intervals: str = ""

    def __str__(self) -> str:
        """One line for people."""
        if self.kind != "headline":
            return f"{self.name}: {_shown(self.before)} → {_shown(self.after)}"
        unit = "" if self.unit in ("", "share") else f" {self.unit}"
        before, after = (_number(value, self.unit) for value in (self.before, self.after))
        notes = []
        if self.difference is not None:
            notes.append(_signed(self.difference, self.unit, self.before))
        if self.intervals:
            notes.append(tr("intervals overlap") if self.intervals == "overlap" else tr("intervals apart"))
        return f"{self.name}: {before} → {after}{unit}" + (f" ({', '.join(notes)})" if notes else "")


def _shown(value: Any) -> str:
    text = "–" if value is None else str(value) or "''"
    return text if len(text) <= 80 else f"{text[:79]}…"


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else format_value(value, unit)


def _signed(difference: float, unit: str, before: float) -> str:
    if unit == "share":
        return tr("{points:+.2f} points").format(points=100 * difference)
    relative = f", {difference / abs(before):+.1%}" if before else ""
    return f"{difference:+,.6g}{relative}"


@dataclass(frozen=True)
class Comparison:
    """Two runs held against each other.

    Parameters
    ----------
    before, after : pathlib.Path
        Folders.
    changes : tuple of Change
        What differs; empty when nothing does.
    """

    before: Path
    after: Path
    changes: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.changes

    def frame(self) -> pd.DataFrame:
        """Changes as a frame, a row each."""
        import pandas as pd

        columns = list(Change.__dataclass_fields__)
        return pd.DataFrame([asdict(change) for change in self.changes], columns=columns)


def compare_runs(before: str | Path, after: str | Path) -> Comparison:
    """List what changed from one run to another, or from one sweep to another.

    Parameters
    ----------
    before, after : str or pathlib.Path
        Folders of runs, or their names below ``reports/runs``.

    Returns
    -------
    Comparison
        Changes of status, headlines, parameters, data and versions. Times, places and machines are no change.

    Raises
    ------
    ParameterError
        If a folder is not of a run, or one is of a run and the other of a sweep.
    """
    (old_folder, old), (new_folder, new) = find_run(before), find_run(after)
    if (old.get("kind") == "sweep") != (new.get("kind") == "sweep"):
        raise ParameterError("a run and a sweep cannot be compared; name one of the sweep's own runs, which lie in it.")
    old_parts, new_parts = _parts(old_folder, old), _parts(new_folder, new)
    changes: list[Change] = []
    for name in dict.fromkeys([*old_parts, *new_parts]):
        changes += _changes(name, old_parts.get(name), new_parts.get(name))
    order = {kind: position for position, kind in enumerate(KINDS)}
    return Comparison(old_folder, new_folder, tuple(sorted(changes, key=lambda change: order[change.kind])))


def _parts(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    if manifest.get("kind") != "sweep":
        return {"": manifest}
    return {name: read_manifest(folder / name) or {} for name in manifest["combinations"]}


def _changes(combination: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[Change]:
    if not old or not new:
        there = tr("there")
        return [Change("status", combination, tr("run"), there if old else _ABSENT, there if new else _ABSENT)]
    changes = []
    for notebook in dict.fromkeys([*old["notebooks"], *new["notebooks"]]):
        place = f"{combination}/{notebook}" if combination else notebook
        before, after = (manifest["notebooks"].get(notebook, {}) for manifest in (old, new))
        changes += _differences("status", place, {notebook: before.get("status")}, {notebook: after.get("status")})
        changes += _headline_changes(place, before.get("headlines", ()), after.get("headlines", ()))
        values = (
            {name: value for name, value in manifest["parameters"].get(notebook, {}).items() if name != "data"}
            for manifest in (old, new)
        )
        if before and after:  # that a notebook is new says enough
            changes += _differences("parameter", place, *values)
    changes += _differences("data", combination, _data(old), _data(new))
    changes += _differences("version", combination, old["versions"], new["versions"])
    return changes


def _data(manifest: Mapping[str, Any]) -> dict[str, Any]:
    data = manifest["data"]
    rows = {tr("rows of {table}").format(table=table): count for table, count in data["tables"].items()}
    set_aside = {
        tr("set aside from {table}, {reason}").format(table=row["table"], reason=row["reason"]): row["rows"]
        for row in data["set_aside"]
    }
    plain = {"company": data["name"], "day of the analysis": data["as_of"], "hash": data["hash"]}
    return {**plain, **rows, **set_aside}


def _differences(kind: str, place: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    names = dict.fromkeys([*before, *after])
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return [Change(kind, place, name, old, new) for name, old, new in pairs if old != new]


def _headline_changes(place: str, before: Any, after: Any) -> list[Change]:
    olds, news = ({record["name"]: record for record in records} for records in (before, after))
    changes = []
    for name in dict.fromkeys([*olds, *news]):
        old, new = olds.get(name, {}), news.get(name, {})
        numbers = [(record.get("value"), record.get("low"), record.get("high")) for record in (old, new)]
        if numbers[0] == numbers[1] and bool(old) == bool(new):
            continue
        (value, low, high), (new_value, new_low, new_high) = numbers
        known = value is not None and new_value is not None
        intervals = ""
        if low is not None and new_low is not None:
            intervals = "overlap" if low <= new_high and new_low <= high else "apart"
        difference = new_value - value if known else None
        unit = (new or old)["unit"]
        changes.append(Change("headline", place, name, value, new_value, unit, difference, intervals))
    return changes


def comparison_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV: a header, then a line a change; text cells are safe to open in a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    columns = list(Change.__dataclass_fields__)
    writer.writerow(columns)
    for change in comparison.changes:
        cells = asdict(change).values()
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return buffer.getvalue().removesuffix("\r\n")


def comparison_json(comparison: Comparison) -> str:
    """Write a comparison as a JSON object with ``before``, ``after`` and ``changes``."""
    content = {
        "before": str(comparison.before),
        "after": str(comparison.after),
        "changes": [asdict(change) for change in comparison.changes],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def comparison_text(comparison: Comparison) -> str:
    """Write a comparison for people.

    Parameters
    ----------
    comparison : Comparison
        Result of `compare_runs`.

    Returns
    -------
    str
        Lines, grouped by what changed and where.
    """
    lines = [f"--- {comparison.before}", f"+++ {comparison.after}"]
    titles = {
        "status": tr("How notebooks ended"),
        "headline": tr("Headlines"),
        "parameter": tr("Parameters"),
        "data": tr("Data"),
        "version": tr("Versions"),
    }
    for kind in KINDS:
        changes = [change for change in comparison.changes if change.kind == kind]
        if changes:
            lines += ["", titles[kind]]
            lines += [f"  {f'{change.place}  ' if change.place else ''}{change}" for change in changes]
    if comparison.same:
        lines.append(tr("Nothing differs."))
    return "\n".join(lines)
