"""Tables for people: a handful of digits, thousands separated, every cell escaped."""

from __future__ import annotations

import datetime
import html
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.language import plain_zero, tr

Format = str | Callable[[Any], str]
# A cell with more characters than this is a sentence, and keeps a width in which it can be read.
_LONG_TEXT = 30


def _float_format(values: pd.Series) -> str:
    largest = values.abs().max()
    if largest >= 1000:
        return "{:,.0f}"
    if largest >= 10:
        return "{:,.1f}"
    return "{:.3f}"


def column_format(values: pd.Series) -> Format:
    """Choose a readable format from a column's name and type.

    Parameters
    ----------
    values : pandas.Series
        The column. Floats whose name holds the word ``share`` or ``rate`` are read as fractions and shown in per cent.

    Returns
    -------
    str or callable
        A `str.format` template, or a function from value to text.

    Examples
    --------
    >>> column_format(pd.Series([0.25], name="revenue_share"))
    '{:.1%}'
    >>> column_format(pd.Series([12_000], name="orders"))
    '{:,d}'
    """
    words = str(values.name).lower().replace(" ", "_").split("_")
    if pd.api.types.is_bool_dtype(values):
        return lambda value: tr("yes") if value else tr("no")
    if pd.api.types.is_integer_dtype(values):
        return "{:d}" if "year" in words else "{:,d}"
    if pd.api.types.is_float_dtype(values):
        return "{:.1%}" if {"share", "rate"} & set(words) else _float_format(values)
    if pd.api.types.is_datetime64_any_dtype(values):
        whole_days = (values.dropna() == values.dropna().dt.normalize()).all()
        return "{:%Y-%m-%d}" if whole_days else "{:%Y-%m-%d %H:%M}"
    return "{}"


def _raw_value(value: Any, numeric: bool) -> str:
    """Write a number or a moment in full, for sorting and for files; empty for anything else."""
    if numeric:
        plain = value.item() if hasattr(value, "item") else value
        plain = plain or type(plain)(0)  # not −0.0
        return repr(plain).replace("inf", "Infinity")  # as JavaScript and CSV readers spell it
    if isinstance(value, pd.Timestamp) and value == value.normalize() and value.tz is None:
        return f"{value:%Y-%m-%d}"
    return value.isoformat() if isinstance(value, datetime.date) else ""


def _cell(value: Any, template: Format, numeric: bool) -> str:
    missing = value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value))
    if missing:
        return '<td class="missing">–</td>'
    text = template(value) if callable(template) else template.format(value)
    if numeric:
        text = plain_zero(text)
    raw = _raw_value(value, numeric)
    kind = "number" if numeric else "date"
    attributes = f' class="{kind}" data-value="{raw}"' if raw else ""
    if not raw and len(text) > _LONG_TEXT:
        attributes = ' class="words"'
    return f"<td{attributes}>{html.escape(text)}</td>"


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    formats: Mapping[str, Format] | None = None,
    max_rows: int = 50,
) -> str:
    """Write a data frame as an HTML table.

    Parameters
    ----------
    frame : pandas.DataFrame
        What to show. A named or non-default index becomes the first columns.
    caption : str, optional
        Caption above the table.
    formats : mapping of str to str or callable, optional
        Format by column name, over the defaults of `column_format`.
    max_rows : int, default 50
        Rows written; a note says how many more there are.

    Returns
    -------
    str
        HTML with every cell, header and caption escaped. Numbers and dates carry their full value in ``data-value``,
        by which report pages sort and which they put into the CSV file.

    Examples
    --------
    >>> "&lt;b&gt;" in table_html(pd.DataFrame({"name": ["<b>"]}))
    True
    """
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    chosen = dict(formats or {})
    shown = frame.head(max_rows)
    columns, heads = [], []
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        template = chosen.get(name, column_format(values))
        columns.append([_cell(value, template, numeric) for value in shown.iloc[:, position]])
        align = ' class="number"' if numeric else ""
        heads.append(f'<th scope="col"{align}>{html.escape(str(name).replace("_", " "))}</th>')
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in zip(*columns, strict=True))
    parts = ['<table class="crm-table">']
    if caption:
        # The span stays in sight where a wide table is scrolled on a narrow screen.
        parts.append(f"<caption><span>{html.escape(caption)}</span></caption>")
    parts.append(f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>")
    if len(frame) > max_rows:
        more = tr("… and {rows:,} more rows").format(rows=len(frame) - max_rows)
        parts.append(f'<p class="more-rows">{html.escape(more)}</p>')
    return "".join(parts)


def show_table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    formats: Mapping[str, Format] | None = None,
    max_rows: int = 20,
) -> None:
    """Show a data frame below the notebook cell, readable and escaped.

    Parameters
    ----------
    frame, caption, formats, max_rows
        As for `table_html`.
    """
    from IPython.display import display

    markup = table_html(frame, caption=caption, formats=formats, max_rows=max_rows)
    display({"text/html": markup, "text/plain": frame.head(max_rows).to_string()}, raw=True)
