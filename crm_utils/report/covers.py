"""The pages in front: the index of a run and the overview of a sweep, by name, as they are asked for over a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_RENDERERS = {
    "index": ("crm_utils.report.index", "render_index"),
    "overview": ("crm_utils.report.overview", "render_overview"),
}
CoverRenderer = Callable[[str, Mapping[str, Any]], str]


def render_cover(kind: str, content: Mapping[str, Any]) -> str:
    """Write a page in front.

    Parameters
    ----------
    kind : {"index", "overview"}
        Which.
    content : mapping
        Arguments of `crm_utils.report.index.render_index` or `crm_utils.report.overview.render_overview`.

    Returns
    -------
    str
        HTML.
    """
    module, name = _RENDERERS[kind]
    return getattr(import_module(module), name)(**content)
