"""Markdown to HTML: maths as MathML, headings collected for the table of contents, output never trusted."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mistune.util import safe_entity
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from crm_utils.language import current_language, tr
from crm_utils.report.mathml import tex_to_mathml

_MARKUP = re.compile(r"<[^>]+>")
_CHINESE = re.compile(r"[\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]+")
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading of a page, as the table of contents lists it."""

    level: int
    anchor: str
    text: str


class Anchors:
    """Hands out the anchors of one page: readable, and each once.

    Parameters
    ----------
    taken : iterable of str, optional
        Anchors that the page has already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._seen: dict[str, int] = dict.fromkeys(taken, 1)

    def make(self, text: str) -> str:
        """Make an anchor of a heading's text."""
        slug = re.sub(r"[^\w]+", "-", text.lower()).strip("-") or "section"
        self._seen[slug] = self._seen.get(slug, 0) + 1
        return slug if self._seen[slug] == 1 else f"{slug}-{self._seen[slug]}"


class _PageRenderer(IPythonRenderer):
    def __init__(self, anchors: Anchors, on_heading: Callable[[Heading], None] | None, **options) -> None:
        super().__init__(**options)
        self._anchors = anchors
        self._on_heading = on_heading

    def heading(self, text: str, level: int, **attrs) -> str:
        if self._on_heading is None:  # a heading in computed text must not get into the contents
            return f"<p><strong>{text}</strong></p>\n"
        plain = html.unescape(_MARKUP.sub("", text)).strip()
        heading = Heading(level, self._anchors.make(plain), plain)
        self._on_heading(heading)
        return f'<h{level} id="{html.escape(heading.anchor)}">{text}</h{level}>\n'

    def text(self, text: str) -> str:
        text = safe_entity(text)  # keeps what `say` has escaped already from being escaped twice
        return text if self._escape else mark_chinese(text)

    def inline_html(self, text: str) -> str:
        return self._raw_html(text)

    def block_html(self, text: str) -> str:
        return self._raw_html(text) + "\n"

    def _raw_html(self, markup: str) -> str:
        if self._escape:
            return html.escape(markup, quote=False)
        return self._html_embed_images(markup) if "<img" in markup else markup

    def block_math(self, body: str) -> str:
        return f'<span class="maths">{tex_to_mathml(body, block=True)}</span>'

    def inline_math(self, body: str) -> str:
        return tex_to_mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        # Numbered environments would number from 1 in every formula; the starred ones are meant.
        name = name.rstrip("*")
        starred = "split" if name == "equation" else f"{name}*"
        source = body if name == "equation" else f"\\begin{{{starred}}}{body}\\end{{{starred}}}"
        return f'<span class="maths">{tex_to_mathml(source, block=True)}</span>'


def authored_html(
    source: str,
    *,
    anchors: Anchors,
    on_heading: Callable[[Heading], None],
    path: str = "",
    attachments: dict | None = None,
) -> str:
    """Convert a notebook's own text; raw HTML in it is the author's and stays.

    Parameters
    ----------
    source : str
        Markdown of a cell.
    anchors : Anchors
        Anchors handed out on this page so far.
    on_heading : callable
        Called with every `Heading`.
    path : str, optional
        Folder of the notebook, from which images are embedded.
    attachments : dict, optional
        The cell's attachments.

    Returns
    -------
    str
        HTML.
    """
    renderer = _PageRenderer(
        anchors, on_heading, escape=False, embed_images=True, path=path, attachments=attachments or {}
    )
    return _scrollable(MarkdownWithMath(renderer).render(source))


def computed_html(source: str) -> str:
    r"""Convert Markdown that a cell has put out: raw HTML in it is shown as text, and no link runs a script.

    Parameters
    ----------
    source : str
        Markdown of an output.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> computed_html("The **top** <script>alert(1)</script>")
    '<p>The <strong>top</strong> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n'
    """
    renderer = _PageRenderer(Anchors(), None, escape=True, allow_harmful_protocols=False)
    return _scrollable(MarkdownWithMath(renderer).render(source))


def mark_chinese(markup: str) -> str:
    """Tell browsers and screen readers which words of a text in another language are Chinese.

    Parameters
    ----------
    markup : str
        Escaped text.

    Returns
    -------
    str
        The text with its Chinese words in elements that say so.

    Examples
    --------
    >>> mark_chinese("Loyalty (忠诚度)")
    'Loyalty (<span lang="zh">忠诚度</span>)'
    """
    if current_language().startswith("zh"):
        return markup
    return _CHINESE.sub(lambda found: f'<span lang="zh">{found[0]}</span>', markup)


def _scrollable(markup: str) -> str:
    """Let what is wider than a phone scroll by itself, by keyboard too."""
    opening = f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(tr("Table"))}">'
    markup = _TABLE.sub(lambda found: f"{opening}{found[0]}</div>", markup)
    return markup.replace("<pre>", '<pre tabindex="0">')
