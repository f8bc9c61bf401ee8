"""Headlines: the key numbers of a notebook, shown as cards and collected from executed notebooks."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.language import formula_safe, tr

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

MIME = "application/vnd.crm-headline+json"
COLUMNS = ("notebook", "name", "value", "low", "high", "unit", "better", "previous", "previous_label")
_BETTER = ("", "higher", "lower")
_CARD_STYLE = "display:inline-block;border:1px solid #C9CED6;border-radius:8px;padding:.6em 1em;margin:.2em 0"


def _number(label: str, value: Any, problems: list[str]) -> int | float | None:
    """Give a plain Python number; None stands for "not available", as JSON has no NaN."""
    if value is None:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        problems.append(f"{label} must be a number or NaN, not {value!r} ({type(value).__name__})")
        return None
    if isinstance(value, Integral):
        return int(value)
    value = float(value)
    if math.isinf(value):
        problems.append(f"{label} must be finite or NaN, not {value!r}")
        return None
    return None if math.isnan(value) else value


def make_headline(
    name: str,
    value: float,
    *,
    unit: str = "",
    better: str = "",
    low: float | None = None,
    high: float | None = None,
    previous: float | None = None,
    previous_label: str = "",
) -> dict[str, Any]:
    """Check a headline and make its record; parameters and errors as for `headline`.

    Returns
    -------
    dict
        Keys ``name``, ``value``, ``unit``, ``better``, ``low``, ``high``, ``previous``, ``previous_label``; numbers in
        full precision, None for NaN.
    """
    problems: list[str] = []
    if not isinstance(name, str) or not name.strip():
        problems.append(f"name must be a text that is not empty, not {name!r}")
    if not isinstance(unit, str):
        problems.append(f"unit must be a text such as 'CNY', 'customers' or 'share', not {unit!r}")
    if better not in _BETTER:
        problems.append(f"better must be 'higher', 'lower' or '' (neither), not {better!r}")
    if not isinstance(previous_label, str):
        problems.append(f"previous_label must be a text such as '2024', not {previous_label!r}")
    given = {"value": value, "low": low, "high": high, "previous": previous}
    number, lowest, highest, before = (_number(label, each, problems) for label, each in given.items())
    if (lowest is None) != (highest is None) and not problems:
        problems.append(f"low and high belong together: got low={low!r}, high={high!r}")
    if number is not None:
        if lowest is not None and lowest > number:
            problems.append(f"low ({lowest!r}) is above the value ({number!r})")
        if highest is not None and highest < number:
            problems.append(f"high ({highest!r}) is below the value ({number!r})")
    if problems:
        raise ParameterError(f"headline({name!r}): " + "; ".join(problems) + ".")
    return {
        "name": name,
        "value": number,
        "unit": unit,
        "better": better,
        "low": lowest,
        "high": highest,
        "previous": before,
        "previous_label": previous_label,
    }


def format_value(value: float | None, unit: str = "") -> str:
    """Write a headline's number for people; the raw number is kept elsewhere.

    Parameters
    ----------
    value : float or None
        The number; None reads "not available".
    unit : str, default ""
        ``"share"``: a fraction, shown in per cent. Any other unit is not written here.

    Returns
    -------
    str
        Text with thousands separated and a handful of digits.

    Examples
    --------
    >>> format_value(0.6127, "share"), format_value(1_234_567.89), format_value(42), format_value(None)
    ('61.3%', '1,234,568', '42', 'not available')
    """
    if value is None:
        return tr("not available")
    if unit == "share":
        return f"{value:.1%}"
    if isinstance(value, int):
        return f"{value:,d}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:,.1f}"
    if size >= 1 or size == 0:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.1 else f"{value:.3g}"


def card_texts(record: Mapping[str, Any]) -> dict[str, str]:
    """Write the texts of a headline's card.

    Parameters
    ----------
    record : mapping
        Record of `make_headline`.

    Returns
    -------
    dict of str to str
        ``name``, ``value``, ``unit``, ``interval`` and ``change`` (empty where there is none), ``direction`` of the
        change (``"up"``, ``"down"`` or empty) and ``judgement`` on it (``"good"``, ``"bad"`` or empty).

    Examples
    --------
    >>> texts = card_texts(make_headline("Revenue", 110.0, better="higher", previous=100.0, previous_label="2024"))
    >>> texts["change"], texts["direction"], texts["judgement"]
    ('+10.0% on 2024', 'up', 'good')
    """
    unit = record["unit"]
    interval = ""
    if record["low"] is not None:
        low, high = (format_value(record[end], unit) for end in ("low", "high"))
        interval = tr("{low} to {high}").format(low=low, high=high)
    shown = "" if unit == "share" or record["value"] is None else unit
    return {
        "name": record["name"],
        "value": format_value(record["value"], unit),
        "unit": shown,
        "interval": interval,
        **_change_texts(record),
    }


def _change_texts(record: Mapping[str, Any]) -> dict[str, str]:
    value, before = record["value"], record["previous"]
    if value is None or before is None:
        return {"change": "", "direction": "", "judgement": ""}
    label = record["previous_label"] or tr("the period before")
    difference = value - before
    if record["unit"] == "share":
        size, template = round(100 * difference, 1), tr("{change:+.1f} points on {label}")
    elif before > 0:
        size, template = round(100 * difference / before, 1), tr("{change:+.1f}% on {label}")
    else:  # a percentage of nothing, or of a loss, means nothing
        size, template = difference, tr("{change:+,.4g} on {label}")
    if not size:
        return {"change": tr("unchanged on {label}").format(label=label), "direction": "", "judgement": ""}
    direction = "up" if size > 0 else "down"
    judgement = ""
    if record["better"]:
        judgement = "good" if (direction == "up") == (record["better"] == "higher") else "bad"
    return {"change": template.format(change=size, label=label), "direction": direction, "judgement": judgement}


def headline(
    name: str,
    value: float,
    *,
    unit: str = "",
    better: str = "",
    low: float | None = None,
    high: float | None = None,
    previous: float | None = None,
    previous_label: str = "",
) -> None:
    """Publish a key number: a card below the cell, collected by the report's index and ``headlines.csv``.

    Parameters
    ----------
    name : str
        What the number is, such as ``"Revenue"``.
    value : float
        The number in full precision; NaN shows "not available".
    unit : str, default ""
        Unit in words, such as ``"CNY"`` or ``"customers"``; ``"share"`` marks a fraction, shown in per cent.
    better : {"", "higher", "lower"}, default ""
        Direction in which the company wants the number to go.
    low, high : float, optional
        Interval around the value, both or neither.
    previous : float, optional
        The same number an equal period earlier; the card shows the change, in per cent or, for shares, in points.
    previous_label : str, default ""
        What `previous` is of, such as ``"2024"``.

    Raises
    ------
    ParameterError
        If an argument is outside its allowed values; all problems are named at once.

    Examples
    --------
    >>> headline("Share of the top fifth", 0.6127, unit="share", low=0.598, high=0.629)
    Share of the top fifth: 61.3% (59.8% to 62.9%)
    """
    from IPython import get_ipython

    record = make_headline(
        name, value, unit=unit, better=better, low=low, high=high, previous=previous, previous_label=previous_label
    )
    texts = card_texts(record)
    number = " ".join(part for part in (texts["value"], texts["unit"]) if part)
    notes = [texts[key] for key in ("interval", "change") if texts[key]]
    plain = f"{name}: {number}" + (f" ({', '.join(notes)})" if notes else "")
    if get_ipython() is None:
        print(plain)
        return
    from IPython.display import display

    small = "".join(f"<br><small>{html.escape(note)}</small>" for note in notes)
    card = (
        f'<div style="{_CARD_STYLE}"><small>{html.escape(name)}</small><br>'
        f'<strong style="font-size:1.5em">{html.escape(number)}</strong>{small}</div>'
    )
    display({MIME: record, "text/html": card, "text/plain": plain}, raw=True)


def collect_headlines(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Find the headlines of an executed notebook, in the order in which they were published.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed notebook.

    Returns
    -------
    list of dict
        One record a headline, with the keys of `make_headline`.
    """
    return [
        dict(output["data"][MIME])
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if MIME in output.get("data", {})
    ]


def headlines_frame(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a data frame of headline records, with the columns of ``headlines.csv``.

    Parameters
    ----------
    records : iterable of mapping
        Records with the keys ``notebook``, ``name``, ``value``, ``low``, ``high``, ``unit``, ``better``,
        ``previous``, ``previous_label``.

    Returns
    -------
    pandas.DataFrame
        One row a headline; numbers as float, NaN where not available.

    Examples
    --------
    >>> headlines_frame([{"notebook": "03_value", **make_headline("Orders", 12)}]).to_dict("records")[0]["value"]
    12.0
    """
    import pandas as pd

    frame = pd.DataFrame.from_records(list(records), columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(("value", "low", "high", "previous"), float))


def headlines_csv(records: Iterable[Mapping[str, Any]]) -> str:
    """Write headline records as CSV text: numbers in full precision, text cells formula-safe, blank for NaN.

    Parameters
    ----------
    records : iterable of mapping
        Records as for `headlines_frame`.

    Returns
    -------
    str
        CSV with a header line; lines end as RFC 4180 says.

    Examples
    --------
    >>> print(headlines_csv([{"notebook": "03_value", **make_headline("=1+1", 0.1, unit="share")}]))
    notebook,name,value,low,high,unit,better,previous,previous_label
    03_value,'=1+1,0.1,,,share,,,
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # CR LF as line end: a bare CR inside a cell is then quoted
    writer.writerow(COLUMNS)
    for record in records:
        cells = (record[column] for column in COLUMNS)
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return buffer.getvalue()
