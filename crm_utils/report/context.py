"""What pages say of the company and of the parameters: plain values that travel to the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crm_utils.language import tr
from crm_utils.report.parameters import Parameter

if TYPE_CHECKING:
    from crm_utils.company import CompanyCheck

_SHOWN_CHARACTERS = 2000


def company_context(check: CompanyCheck) -> dict[str, Any]:
    """Describe a checked company for pages and index.

    Parameters
    ----------
    check : CompanyCheck
        A check without problems.

    Returns
    -------
    dict
        ``name``, ``currency``, ``period``, ``as_of``, ``is_demo``, ``tables``, ``data_hash``, ``set_aside_html``
        (empty where no row was set aside) and ``quality``, pairs of a name and a text.
    """
    import pandas as pd

    from crm_utils.tables import table_html

    company = check.company
    period = ""
    if "order_lines" in company.tables:
        days = company.table("order_lines")["ordered_at"]
        if len(days):
            period = tr("{first:%Y-%m-%d} to {last:%Y-%m-%d}").format(first=days.min(), last=days.max())
    quality = [[tr("Rows"), ", ".join(f"{name} {rows:,d}" for name, rows in check.tables.items())]]
    if len(check.returns):
        returned = check.returns.iloc[0]
        text = tr("{lines:,d} order lines, {amount:,.0f} {currency} ({share:.1%} of revenue)")
        share = returned["revenue_share"] if pd.notna(returned["revenue_share"]) else 0.0
        quality.append(
            [
                tr("Returns"),
                text.format(
                    lines=int(returned["lines"]), amount=returned["amount"], currency=company.currency, share=share
                ),
            ]
        )
    if check.warnings:
        quality.append([tr("Worth a look"), "; ".join(check.warnings)])
    if check.unused_files:
        quality.append([tr("Files that belong to no table"), ", ".join(check.unused_files)])
    return {
        "name": company.name,
        "currency": company.currency,
        "period": period,
        "as_of": "" if pd.isna(company.as_of) else f"{company.as_of:%Y-%m-%d}",
        "is_demo": company.is_demo,
        "tables": list(company.tables),
        "data_hash": company.data_hash,
        "set_aside_html": table_html(check.set_aside) if len(check.set_aside) else "",
        "quality": quality,
    }


def parameter_rows(
    parameters: Sequence[Parameter], values: Mapping[str, Any], *, data_name: str
) -> list[dict[str, Any]]:
    """Make the rows of a page's parameter table.

    Parameters
    ----------
    parameters : sequence of Parameter
        What the notebook declares.
    values : mapping
        Value by name.
    data_name : str
        What to show for the parameter ``data``: a page does not tell where its maker keeps files.

    Returns
    -------
    list of dict
        Keys ``name``, ``value``, ``default``, ``help``, ``changed``.

    Examples
    --------
    >>> parameter_rows([Parameter("bins", "int", 5, "score bins")], {"bins": 4}, data_name="demo")
    [{'name': 'bins', 'value': '4', 'default': '5', 'help': 'score bins', 'changed': True}]
    """
    rows = []
    for parameter in parameters:
        value = data_name if parameter.name == "data" else values[parameter.name]
        rows.append(
            {
                "name": parameter.name,
                "value": shorten(_value_text(value), _SHOWN_CHARACTERS),
                "default": shorten(_value_text(parameter.default)),
                "help": parameter.help,
                "changed": value != parameter.default,
            }
        )
    return rows


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value_text, value)) or "–"
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return str(value) if value != "" else "–"


def shorten(text: str, length: int = 60) -> str:
    """Cut a text that is too long for its place.

    Examples
    --------
    >>> shorten("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"
