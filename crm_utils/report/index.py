"""The first page of a run: headlines, what ran and what did not, parameters, data quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_utils.language import current_language, tr

STATUS_LABELS = {
    "ok": "ok",
    "failed": "failed",
    "timeout": "timed out",
    "died": "kernel died",
    "skipped": "skipped",
    "not run": "not run",
}


def render_index(
    results: Sequence[Mapping[str, Any]], *, company: Mapping[str, Any], as_of: str, versions: Mapping[str, str]
) -> str:
    """Write the index page of a run.

    Parameters
    ----------
    results : sequence of mapping
        One a notebook: ``title``, ``status``, ``reason``, ``cell``, ``source``, ``error``, ``message``, ``page``,
        ``notebook`` (file names or empty), ``headlines``, ``parameters`` (rows).
    company : mapping
        As for `crm_utils.report.render.render_page`, with ``quality``, pairs of a name and a text.
    as_of : str
        ISO date of the report.
    versions : mapping of str to str
        Version by package.

    Returns
    -------
    str
        HTML. Times are in the manifest only, so that equal runs have equal pages.
    """
    from jinja2 import Environment, FileSystemLoader

    from crm_utils.report.render import TEMPLATES, assets, register_helpers

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    register_helpers(environment)
    troubled = sum(result["status"] not in ("ok", "skipped", "not run") for result in results)
    tallies = (
        ("ok", tr("complete"), sum(result["status"] == "ok" for result in results)),
        ("failed", tr("not complete"), troubled),
        ("skipped", tr("skipped"), sum(result["status"] == "skipped" for result in results)),
        ("skipped", tr("not run"), sum(result["status"] == "not run" for result in results)),
    )
    return environment.get_template("index.html.j2").render(
        results=[
            {**result, "label": tr(STATUS_LABELS[result["status"]]), "new_headlines": new}
            for result, new in zip(results, _without_repeats(results), strict=True)
        ],
        counts=[tally for tally in tallies if tally[2]],
        company=company,
        as_of=as_of,
        versions=versions,
        assets=assets(),
        lang=current_language(),
    )


def _without_repeats(results: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Headlines of each notebook without those that an earlier one has published word for word."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for result in results:
        new = []
        for record in result["headlines"]:
            content = tuple(value for key, value in record.items() if key != "notebook")
            if content not in seen:
                new.append(record)
            seen.add(content)
        kept.append(new)
    return kept
