"""TeX to MathML at build time, so that a page needs no script for its maths."""

from __future__ import annotations

import html
import re
from functools import lru_cache

# The converter copies "<" and ">" inside \text unescaped; private-use characters carry them through.
_LESS, _GREATER = "\ue000", "\ue001"
_BARE_AMPERSAND = re.compile(r"&(?!#?\w+;)")
_UNKNOWN_COMMAND = re.compile(r"<m[io]>\\\w+")
_SYNONYMS = {r"{aligned}": "{split}", r"{gathered}": "{matrix}", r"\arg\max": r"\operatorname*{argmax}"}
_LABEL = re.compile(r"\\label\{[^}]*\}")


@lru_cache(maxsize=1024)
def tex_to_mathml(tex: str, *, block: bool = False) -> str:
    r"""Convert TeX to MathML.

    Parameters
    ----------
    tex : str
        TeX without its delimiters.
    block : bool, default False
        Whether it stands on a line of its own.

    Returns
    -------
    str
        A ``<math>`` element; the escaped TeX in a ``<code>`` element where the converter does not know a command, so
        that nothing is shown half-done.

    Examples
    --------
    >>> tex_to_mathml("x^2")[:46]
    '<math xmlns="http://www.w3.org/1998/Math/MathM'
    >>> tex_to_mathml(r"\unknowncommand{x}")
    '<code class="tex">\\unknowncommand{x}</code>'
    """
    from latex2mathml.converter import convert

    source = _LABEL.sub("", tex).strip()
    for name, known in _SYNONYMS.items():
        source = source.replace(name, known)
    try:
        markup = convert(source.replace("<", _LESS).replace(">", _GREATER), display="block" if block else "inline")
    except Exception:  # the converter has no common base for its errors; a formula must not cost the page
        markup = ""
    if not markup or _UNKNOWN_COMMAND.search(markup):
        return f'<code class="tex">{html.escape(tex.strip())}</code>'
    markup = _BARE_AMPERSAND.sub("&amp;", markup)
    for private, entity in ((_LESS, "&lt;"), (_GREATER, "&gt;")):
        markup = markup.replace(f"<mi>{private}</mi>", f"<mo>{entity}</mo>").replace(private, entity)
    return markup
