"""An executed notebook becomes one HTML page that asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import strip_ansi
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets import Bool, List, Unicode
from traitlets.config import Config

from crm_utils.language import current_language, tr
from crm_utils.report.context import shorten
from crm_utils.report.headlines import MIME, card_texts, collect_headlines
from crm_utils.report.markdown import Anchors, Heading, authored_html, computed_html, mark_chinese
from crm_utils.report.mathml import tex_to_mathml

TEMPLATES = Path(__file__).parent / "templates"
_KINDS = (
    (MIME, "headline"),
    *((mime, mime) for mime in ("image/svg+xml", "text/html", "image/png", "image/jpeg")),
    *((mime, mime) for mime in ("text/markdown", "text/latex", "text/plain")),
)
_LEFT_OUT_ALWAYS = frozenset({"exercise", "solution", "interactive", "injected-parameters"})
_PAGE_ANCHORS = ("content", "failure-heading", "data-and-provenance")
_NOT_PLAIN = re.compile(r"[^\w .,:·–-]")
_TITLE = re.compile(r'\s*<h1 id="[^"]*">(.*?)</h1>\s*', re.DOTALL)


def left_out(tags: Sequence[str], *, is_demo: bool, tables: Sequence[str]) -> bool:
    """Whether a cell stays out of a report page.

    Parameters
    ----------
    tags : sequence of str
        Tags of the cell.
    is_demo : bool
        Whether the company is the workbook's own.
    tables : sequence of str
        Tables that the company has.

    Returns
    -------
    bool
        True for exercises, solutions and what only a reader in Jupyter needs, for sections about the demo's truth on
        other data, and for cells tagged ``needs:<table>`` whose table is absent.

    Examples
    --------
    >>> left_out(["needs:survey"], is_demo=False, tables=["order_lines"])
    True
    """
    if _LEFT_OUT_ALWAYS & set(tags) or ("demo" in tags and not is_demo):
        return True
    return any(tag.startswith("needs:") and tag.removeprefix("needs:") not in tables for tag in tags)


@lru_cache(maxsize=1)
def assets() -> dict[str, Any]:
    """Stylesheet, script and the script's hash for the pages' content security policy."""
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return {"style": Markup(style), "script": Markup(script), "script_hash": Markup(digest)}


def python_code(source: str) -> Markup:
    """Colour Python source for a page."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n"))


def css_string(text: str) -> Markup:
    r"""Write a text as a CSS string that cannot end the string, the rule or the style element it stands in.

    Examples
    --------
    >>> print(css_string('A "b" </style>'))
    "A \22 b\22  \3c \2f style\3e "
    """
    return Markup('"' + _NOT_PLAIN.sub(lambda found: f"\\{ord(found[0]):x} ", text) + '"')


def _best_kind(data: Mapping[str, Any]) -> str:
    return next((kind for mime, kind in _KINDS if mime in data), "")


def _image_source(data: Mapping[str, Any], mime: str) -> str:
    content = data[mime]
    if mime == "image/svg+xml":
        content = base64.b64encode(content.encode()).decode("ascii")
    return f"data:{mime};base64,{''.join(content.split())}"


def register_helpers(environment: Any) -> None:
    """Give a Jinja environment what the templates use; customer data is escaped unless a filter says it is safe."""
    environment.autoescape = True
    environment.globals["tr"] = tr
    environment.filters.update(
        best_kind=_best_kind,
        card_texts=card_texts,
        chinese=lambda text: Markup(mark_chinese(html.escape(text))),
        computed_html=computed_html,
        css_string=css_string,
        image_source=_image_source,
        latex=lambda text: tex_to_mathml(text.strip().strip("$"), block=True),
        python_code=python_code,
        shorten=shorten,
        strip_ansi=strip_ansi,
    )


class _PreparePage(Preprocessor):
    """Leave cells out, number the code, convert the text, and collect title and headings."""

    enabled = Bool(True)
    is_demo = Bool()
    tables = List(Unicode())
    failed_cell = List()

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        anchors = Anchors(_PAGE_ANCHORS)
        headings: list[Heading] = []
        resources["title_html"], resources["title_text"] = None, None
        cells = []
        for cell, number in zip(nb.cells, code_numbers(nb), strict=True):
            tags = cell.metadata.get("tags", [])
            failed_here = number is not None and number in self.failed_cell
            if left_out(tags, is_demo=self.is_demo, tables=self.tables) and not failed_here:
                continue
            if cell.cell_type == "code":
                cell.metadata["crm_number"] = number
                cell.metadata["crm_parameters"] = "parameters" in tags and not failed_here
                cell.outputs = _grouped_headlines(cell.outputs)
            elif cell.cell_type == "markdown":
                markup = authored_html(
                    cell.source,
                    anchors=anchors,
                    on_heading=headings.append,
                    path=resources["notebook_folder"],
                    attachments=cell.get("attachments"),
                )
                title = _TITLE.match(markup) if resources["title_html"] is None else None
                if title:
                    resources["title_html"], resources["title_text"] = title[1], headings[-1].text
                    if len(headings) > 1:
                        resources["title_text"] = next(h.text for h in headings if h.level == 1)
                    markup = markup[title.end() :]
                cell.metadata["crm_html"] = markup
            cells.append(cell)
        nb.cells = cells
        headings.append(Heading(2, "data-and-provenance", tr("Data and provenance")))
        resources["headings"] = [heading for heading in headings if heading.level in (2, 3)]
        return nb, resources


def _grouped_headlines(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Put headlines that follow each other into one row of cards."""
    grouped: list[NotebookNode] = []
    for output in outputs:
        record = output.get("data", {}).get(MIME)
        row = grouped[-1].metadata.get("crm_headlines") if record and grouped and "metadata" in grouped[-1] else None
        if row is not None:
            row.append(record)
            continue
        if record:
            output.metadata["crm_headlines"] = [record]
        grouped.append(output)
    return grouped


def code_numbers(notebook: NotebookNode) -> list[int | None]:
    """Count the authored code cells from 1, as people do; None for other cells.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Notebook, executed or not.

    Returns
    -------
    list of int or None
        One entry a cell. The cell that injects parameters is not the author's and has no number.
    """
    numbers: list[int | None] = []
    count = 0
    for cell in notebook.cells:
        authored_code = cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
        count += authored_code
        numbers.append(count if authored_code else None)
    return numbers


class PageExporter(TemplateExporter):
    """The workbook's page as an exporter of nbconvert."""

    file_extension = ".html"
    output_mimetype = "text/html"
    default_preprocessors = List([])

    def __init__(self, **options: Any) -> None:
        super().__init__(
            template_paths=[str(TEMPLATES)], template_file="page.html.j2", template_name="report", **options
        )
        register_helpers(self.environment)

    @property
    def default_config(self) -> Config:
        """Nothing of nbconvert's own: what is left out is decided by tags, in `left_out`."""
        return Config()


@lru_cache(maxsize=1)
def _exporter() -> PageExporter:
    return PageExporter()


def render_page(notebook: NotebookNode, page: Mapping[str, Any], *, notebook_folder: str) -> str:
    """Write an executed notebook as one HTML page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed notebook; not modified.
    page : mapping
        What surrounds it: ``title`` (used where the notebook has no heading), ``company``, ``as_of``,
        ``parameters`` (rows of `crm_utils.report.context.parameter_rows`), ``outcome`` (``status``, ``reason``,
        ``cell``, ``source``, ``error``, ``message``), ``versions``, ``notebook_file``.
    notebook_folder : str
        Folder of the authored notebook, from which images are embedded.

    Returns
    -------
    str
        The page. It depends on the arguments only: no time, no random identifier.
    """
    company, outcome = page["company"], page["outcome"]
    prepare = _PreparePage(
        is_demo=company["is_demo"],
        tables=list(company["tables"]),
        failed_cell=[outcome["cell"]] * bool(outcome["cell"]),
    )
    resources: dict[str, Any] = {"notebook_folder": notebook_folder}
    prepared, resources = prepare(deepcopy(notebook), resources)
    if resources["title_html"] is None:
        resources["title_html"] = mark_chinese(html.escape(page["title"]))
        resources["title_text"] = page["title"]
    resources["page"] = {
        **page,
        "assets": assets(),
        "lang": current_language(),
        "headlines": collect_headlines(notebook),
    }
    body, _ = _exporter().from_notebook_node(prepared, resources=resources)
    return body
