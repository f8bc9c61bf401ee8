"""The overview of a sweep: headlines side by side, and how every run ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_utils.language import current_language, tr
from crm_utils.report.headlines import card_texts, format_value
from crm_utils.report.index import STATUS_LABELS
from crm_utils.report.render import TEMPLATES, assets, register_helpers

_ROW, _LEFT, _WIDTH, _RIGHT, _TOP = 22, 150, 210, 90, 8  # of a small chart, in its own pixels
_LABEL_CHARACTERS = 20


def render_overview(combinations: Sequence[Mapping[str, Any]], *, company: str) -> str:
    """Write the overview page of a sweep.

    Parameters
    ----------
    combinations : sequence of mapping
        One a run: ``folder``, ``values`` (text by swept parameter) and ``results``, mappings with ``name``, ``title``,
        ``status``, ``reason``, ``cell``, ``source``, ``error``, ``message``, ``page`` and ``headlines`` (records).
    company : str
        Name of the company; empty where there are several.

    Returns
    -------
    str
        HTML. Times are in the manifests only, so that equal sweeps have equal pages.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    register_helpers(environment)
    rows = [
        {
            **combination,
            "label": ", ".join(f"{name} = {text or '–'}" for name, text in combination["values"].items()),
            "short": ", ".join(text or "–" for text in combination["values"].values()),
            "results": [{**result, "label": tr(STATUS_LABELS[result["status"]])} for result in combination["results"]],
            "status": _worst(combination["results"]),
        }
        for combination in combinations
    ]
    for row in rows:
        row["status_label"] = tr(STATUS_LABELS[row["status"]])
    statuses = [row["status"] for row in rows]
    tallies = [(status, tr(label), statuses.count(status)) for status, label in STATUS_LABELS.items()]
    return environment.get_template("sweep.html.j2").render(
        combinations=rows,
        counts=[tally for tally in tallies if tally[2]],
        multiples=_multiples(rows),
        company=company,
        swept=list(rows[0]["values"]),
        assets=assets(),
        lang=current_language(),
    )


def _worst(results: Sequence[Mapping[str, Any]]) -> str:
    """One status for a run: that of its first notebook in trouble, else skipped when nothing ran, else ok."""
    statuses = [result["status"] for result in results]
    trouble = next((status for status in statuses if status not in ("ok", "skipped")), None)
    return trouble or ("ok" if "ok" in statuses else "skipped")


def _multiples(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One chart a headline; what a later notebook publishes with the same name and values is left out."""
    keys: dict[tuple[str, str, str], None] = {}
    for row in rows:
        for result in row["results"]:
            for record in result["headlines"]:
                keys[result["name"], record["name"], record["unit"]] = None
    charts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key in sorted(keys, key=lambda key: key[0]):  # the sort is stable: a notebook's own order stays
        chart = _multiple(key, rows)
        charts.setdefault((*key[1:], *(point["number"] for point in chart["points"])), chart)
    return list(charts.values())


def _multiple(key: tuple[str, str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One small chart: a row a combination, a dot at the value and a line over its interval."""
    notebook, name, unit = key
    found = [_record(row, notebook, name) for row in rows]
    ends = [record[end] for record in found if record for end in ("low", "value", "high") if record[end] is not None]
    least, most = (min(ends), max(ends)) if ends else (0.0, 1.0)
    span = (most - least) or abs(most) or 1.0
    if most == least:  # one value only: in the middle
        least -= span / 2

    def across(number: float) -> float:
        return round(_LEFT + _WIDTH * (number - least) / span, 1)

    points = []
    for position, (row, record) in enumerate(zip(rows, found, strict=True)):
        value = record["value"] if record else None
        texts = card_texts(record) if record else None
        has_interval = value is not None and record["low"] is not None
        points.append(
            {
                "label": row["short"],
                "shown": _cut(row["short"]),
                "y": _TOP + _ROW * position + _ROW // 2,
                "x": across(value) if value is not None else None,
                "low": across(record["low"]) if has_interval else None,
                "high": across(record["high"]) if has_interval else None,
                "text": texts["value"] if record else tr("no value"),
                "interval": texts["interval"] if record else "",
                "number": value,
            }
        )
    known = [point for point in points if point["number"] is not None]
    alt = tr("{name}: no combination has a value.").format(name=name)
    if known:
        low, high = (pick(known, key=lambda point: point["number"]) for pick in (min, max))
        alt = tr("{name} for {count} combinations, from {low} ({lowest}) to {high} ({highest}).").format(
            name=name,
            count=len(known),
            low=format_value(low["number"], unit),
            lowest=low["label"],
            high=format_value(high["number"], unit),
            highest=high["label"],
        )
    return {
        "notebook": notebook,
        "name": name,
        "unit": "" if unit == "share" else unit,
        "alt": alt,
        "points": points,
        "left": _LEFT,
        "right": _LEFT + _WIDTH,
        "width": _LEFT + _WIDTH + _RIGHT,
        "height": 2 * _TOP + _ROW * len(rows),
    }


def _record(row: Mapping[str, Any], notebook: str, name: str) -> Mapping[str, Any] | None:
    records = [record for result in row["results"] if result["name"] == notebook for record in result["headlines"]]
    return next((record for record in records if record["name"] == name), None)


def _cut(text: str) -> str:
    return text if len(text) <= _LABEL_CHARACTERS else f"{text[: _LABEL_CHARACTERS - 1]}…"
