"""Prose and labels that can be translated: templates and their values, never f-strings.

English is the source text and needs no catalogue. A translation is a gettext catalogue in
``crm_utils/locale/<language>/LC_MESSAGES/crm_utils.mo``, chosen by the environment variable ``CRM_UTILS_LANGUAGE``.
"""

from __future__ import annotations

import gettext
import html
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from numbers import Number
from pathlib import Path
from string import Formatter
from typing import Any

_MARKDOWN = re.compile(r"([\\`*_\[\]$|#~])")
# A minus before nothing but zeros, as formats write what rounds to zero from below.
_NEGATIVE_ZERO = re.compile(r"^(\s*)-(?=0[0,]*(?:\.0*)?(?:e[+-]0+)?%?\s*$)")


@lru_cache
def _catalogue(language: str) -> gettext.NullTranslations:
    folder = Path(__file__).parent / "locale"
    return gettext.translation("crm_utils", folder, languages=[language], fallback=True)


def current_language() -> str:
    """Language of labels and prose, as an IETF tag such as ``"en"`` or ``"zh-CN"``."""
    return os.environ.get("CRM_UTILS_LANGUAGE") or "en"


def tr(text: str) -> str:
    """Translate a label or a template.

    Parameters
    ----------
    text : str
        English source text.

    Returns
    -------
    str
        The translation, or `text` itself where there is none.

    Examples
    --------
    >>> tr("Share of customers")
    'Share of customers'
    """
    if not text:  # gettext answers the empty string with the catalogue's header
        return text
    return _catalogue(current_language().replace("-", "_")).gettext(text)


def as_text(value: str) -> str:
    r"""Make data safe inside Markdown: a customer called ``<script>`` stays text.

    Parameters
    ----------
    value : str
        Text that comes from data.

    Returns
    -------
    str
        The same text with HTML and Markdown marks escaped.

    Examples
    --------
    >>> as_text("<b>*A* & co")
    '&lt;b&gt;\\*A\\* &amp; co'
    """
    return _MARKDOWN.sub(r"\\\1", html.escape(value, quote=False))


def formula_safe(text: str) -> str:
    """Defuse a text cell that a spreadsheet would take for a formula.

    Parameters
    ----------
    text : str
        Text of a cell.

    Returns
    -------
    str
        The text, with an apostrophe in front where it begins with ``= + - @``, a tab or a carriage return.

    Examples
    --------
    >>> formula_safe("=cmd|' /C calc'!A0")
    "'=cmd|' /C calc'!A0"
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def counted(number: int, one: str, many: str = "") -> str:
    """Write how many there are of something, with the word for one or for many.

    Parameters
    ----------
    number : int
        How many.
    one : str
        What is counted, in the singular.
    many : str, optional
        The same in the plural. Default: with an s.

    Returns
    -------
    str
        Number with thousands separated, and word.

    Examples
    --------
    >>> counted(1, "person", "people"), counted(0, "person", "people"), counted(1200, "answer")
    ('1 person', '0 people', '1,200 answers')
    """
    return f"{number:,} {tr(one if number == 1 else many or f'{one}s')}"


def listed(names: Iterable[Any], most: int = 3) -> str:
    """Write a list inside a sentence, and only count what would make it too long.

    Parameters
    ----------
    names : iterable
        What is listed, in its order.
    most : int, default 3
        At most so many are named.

    Returns
    -------
    str
        Names with commas and an "and" before the last; empty for none.

    Examples
    --------
    >>> listed(["a", "b"]), listed("abc"), listed(range(15))
    ('a and b', 'a, b and c', '0, 1, 2 and 12 others')
    """
    texts = [str(name) for name in names]
    if len(texts) > most:
        texts = [*texts[:most], counted(len(texts) - most, "other")]
    if len(texts) < 2:
        return "".join(texts)
    return tr("{names} and {last}").format(names=", ".join(texts[:-1]), last=texts[-1])


def plain_zero(text: str) -> str:
    """Take the minus off a number that reads as zero.

    Parameters
    ----------
    text : str
        A formatted number.

    Returns
    -------
    str
        The same, but for ``-0``, ``-0.00``, ``-0.0%`` and the like.

    Examples
    --------
    >>> plain_zero(f"{-0.04:.1f}"), plain_zero(f"{-0.06:.1f}")
    ('0.0', '-0.1')
    """
    return _NEGATIVE_ZERO.sub(r"\1", text)


class _EscapingFormatter(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None or value != value:  # NaN, NaT and NA-free None read the same to a person
            return tr("not available")
        text = format(value, format_spec)
        if isinstance(value, Number):
            return plain_zero(text)
        return as_text(text) if isinstance(value, str | BaseException) else text


class Prose:
    """A computed sentence, shown as Markdown in a notebook and as plain text elsewhere."""

    def __init__(self, markdown: str):
        self.markdown = markdown

    def __repr__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def prose(template: str, /, **values: Any) -> Prose:
    """Fill a translated template with values, escaping text that comes from data.

    Parameters
    ----------
    template : str
        Markdown with named fields in `str.format` notation.
    **values
        Values of the fields. Strings and messages of errors are escaped; ``None`` and NaN read "not available", and
        what rounds to zero has no minus.

    Returns
    -------
    Prose
        The sentence.

    Raises
    ------
    KeyError
        If the template names a field without a value.

    Examples
    --------
    >>> prose("The top fifth bring **{share:.0%}** of revenue.", share=0.613)
    The top fifth bring **61%** of revenue.
    """
    return Prose(_EscapingFormatter().vformat(tr(template), (), values))


def say(template: str, /, **values: Any) -> None:
    """Show a computed sentence below the notebook cell.

    Parameters
    ----------
    template : str
        Markdown with named fields in `str.format` notation; the text that translators see.
    **values
        Values of the fields, computed by the cell. Strings are escaped.

    See Also
    --------
    prose : the same sentence as an object.
    counted, listed : "1 person", "2 people", and lists, for values of the fields.

    Examples
    --------
    >>> say("{n:,} customers bought.", n=2357)
    2,357 customers bought.
    """
    from IPython import get_ipython

    sentence = prose(template, **values)
    if get_ipython() is None:
        print(sentence)
    else:
        from IPython.display import display

        display(sentence)
