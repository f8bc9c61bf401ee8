"""The data contract: which tables a company may bring, their columns, and the rules that must hold.

The declarations are the one source: the checks, ``data/README.md`` and the command ``crm check`` all read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

FIRST_YEAR, LAST_YEAR = 1900, 2200  # of an event: what lies outside is a slip or means "no date"

Kind = Literal["text", "id", "date", "month", "number", "integer", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    Parameters
    ----------
    kind : {"text", "id", "date", "month", "number", "integer", "flag"}
        How the values are read. An id is text even where it looks like a number; a month is a date set to its first.
    meaning : str
        What it says, with its unit.
    required : bool, default False
        Whether the table must have the column.
    filled : bool, default False
        Whether every row must have a value.
    minimum, maximum : float, optional
        Inclusive bounds of a number.
    allowed : tuple of str, default ()
        The only values allowed, in lower case; a file may write them in any. Empty for any value.
    event : bool, default False
        A moment at which something happened, in the years 1900 to 2200: it moves the default `as_of`, and rows on or
        after `as_of` are set aside.
    remedy : str, default ""
        What to do about a value that breaks a rule of the column, without a full stop; empty for the rule's own remedy.
    """

    kind: Kind
    meaning: str
    required: bool = False
    filled: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    event: bool = False
    remedy: str = ""


@dataclass(frozen=True)
class RowRule:
    """A rule between columns of one row.

    Parameters
    ----------
    columns : tuple of str
        Columns that must be present for the rule to apply; the last one is named in the message.
    holds : callable
        From the table to one boolean a row.
    rule, remedy : str
        For the message, without a full stop.
    """

    columns: tuple[str, ...]
    holds: Callable[[pd.DataFrame], pd.Series]
    rule: str
    remedy: str


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    Parameters
    ----------
    meaning : str
        What one row is.
    columns : dict of str to Column
        Columns by contract name.
    key : tuple of str
        Columns that together occur once; a part of the key that the table does not have is left out.
    one_of : tuple of tuple of str, default ()
        Alternatives of which at least one must be complete.
    row_rules : tuple of RowRule, default ()
        Rules between columns.
    """

    meaning: str
    columns: dict[str, Column]
    key: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    row_rules: tuple[RowRule, ...] = field(default=())


def _key(meaning: str) -> Column:
    return Column("id", meaning, required=True, filled=True)


def _not_before(start: str, end: str) -> RowRule:
    return RowRule(
        (start, end),
        lambda table: ~(table[end] < table[start]),
        f"{end} is before {start}",
        "correct the two dates, or leave the later one blank while it is not known",
    )


TABLES: dict[str, Table] = {
    "customers": Table(
        "one row per customer",
        {
            "customer_id": _key("identifies the customer in every table"),
            "name": Column("text", "full name"),
            "gender": Column("text", "as recorded"),
            "birth_year": Column("integer", "year of birth", minimum=1900, maximum=2100),
            "region": Column("text", "sales region"),
            "city": Column("text", "city of residence"),
            "branch_id": Column("id", "home branch"),
            "joined_at": Column("date", "day the customer was first known", event=True),
            "acquisition_channel": Column("text", "how the customer was won"),
            "may_contact": Column("flag", "whether the customer agreed to be contacted"),
        },
        key=("customer_id",),
    ),
    "source_records": Table(
        "one row per record in one of the company's systems, before records of one person are joined",
        {
            "record_id": _key("identifies the record"),
            "source": Column("text", "system that holds the record", required=True, filled=True),
            "given_name": Column("text", "given name as recorded"),
            "family_name": Column("text", "family name as recorded"),
            "birth_date": Column("date", "date of birth as recorded"),
            "gender": Column("text", "as recorded"),
            "phone": Column("text", "phone number as recorded"),
            "email": Column("text", "e-mail address as recorded"),
            "address": Column("text", "street address as recorded"),
            "city": Column("text", "city as recorded"),
            "postcode": Column("text", "postal code as recorded"),
            "may_contact": Column("flag", "whether the person may be written to, as recorded; blank: not asked"),
            "created_at": Column("date", "when the record was made", event=True),
            "updated_at": Column("date", "when the record was last changed"),
            "true_customer_id": Column("id", "the person behind the record, where it is known"),
        },
        key=("record_id",),
        row_rules=(_not_before("created_at", "updated_at"),),
    ),
    "order_lines": Table(
        "one row per line of an order; a negative quantity or amount is a return",
        {
            "order_id": _key("identifies the order; lines of one order share it"),
            "customer_id": Column("id", "who bought; rows without it are set aside", required=True),
            "ordered_at": Column("date", "when the order was placed", required=True, filled=True, event=True),
            "amount": Column(
                "number", "money paid for the line after discount, in the company's currency", filled=True
            ),
            "quantity": Column("number", "units; rows with zero are set aside", filled=True),
            "unit_price": Column("number", "price of one unit before discount", filled=True, minimum=0),
            "product_id": Column("id", "product sold"),
            "category": Column("text", "product group"),
            "channel": Column("text", "where the order was placed"),
            "branch_id": Column("id", "branch that sold"),
            "discount": Column("number", "share of the price taken off, 0 to 1", minimum=0, maximum=1),
            "unit_cost": Column("number", "cost of one unit to the company", minimum=0),
            "record_id": Column("id", "record of `source_records` under which the order was booked"),
        },
        one_of=(("amount",), ("quantity", "unit_price")),
        row_rules=(
            RowRule(
                ("quantity", "amount"),
                lambda table: ~(table["quantity"] * table["amount"] < 0),
                "quantity and amount have opposite signs",
                "write a return with a negative quantity and a negative amount, and a sale with neither",
            ),
        ),
    ),
    "products": Table(
        "one row per product",
        {
            "product_id": _key("identifies the product"),
            "name": Column("text", "name on the shelf"),
            "category": Column("text", "product group"),
            "list_price": Column("number", "price of one unit before any discount", minimum=0),
            "unit_cost": Column("number", "cost of one unit to the company", minimum=0),
        },
        key=("product_id",),
    ),
    "interactions": Table(
        "one row per contact between the company and a customer",
        {
            "interaction_id": _key("identifies the contact"),
            "started_at": Column("date", "when the contact began", required=True, filled=True, event=True),
            "channel": Column("text", "by which channel", required=True, filled=True),
            "customer_id": Column("id", "with whom; blank where unknown"),
            "direction": Column("text", "inbound or outbound"),
            "topic": Column("text", "what it was about"),
            "cost": Column("number", "cost to serve, in the company's currency", minimum=0),
            "handling_minutes": Column("number", "working time of the staff, minutes", minimum=0),
            "waited_seconds": Column("number", "time in the queue, seconds", minimum=0),
            "abandoned": Column("flag", "whether the customer gave up waiting"),
            "is_complaint": Column("flag", "whether it is a complaint"),
            "cause": Column("text", "cause of the complaint"),
            "resolved_at": Column("date", "when the matter was settled; blank while open"),
            "outcome": Column("text", "how it ended for the customer"),
            "rating": Column("number", "the customer's rating of the contact"),
        },
        key=("interaction_id",),
        row_rules=(_not_before("started_at", "resolved_at"),),
    ),
    "survey": Table(
        "one row per completed questionnaire; items are grouped to constructs in company.yml",
        {
            "response_id": _key("identifies the questionnaire"),
            "customer_id": Column("id", "who answered, where known"),
            "wave": Column("text", "survey wave"),
            "answered_at": Column("date", "when the questionnaire was answered", event=True),
            "weight": Column(
                "number",
                "survey weight; 0 leaves the answer out",
                filled=True,
                minimum=0,
                remedy="give every answer a weight of 0 or more (1 counts it once, 0 not at all), or drop the column",
            ),
            "nps": Column("number", "likelihood to recommend, 0 to 10", minimum=0, maximum=10),
        },
        key=("response_id",),
    ),
    "memberships": Table(
        "one row per spell of membership",
        {
            "customer_id": _key("the member"),
            "started_at": Column("date", "first day of membership", filled=True, event=True),
            "ended_at": Column("date", "last day; blank while it lasts"),
            "tenure_months": Column("number", "length of membership so far, months", filled=True, minimum=0),
            "churned": Column("flag", "whether the membership has ended", filled=True),
            "monthly_fee": Column("number", "fee a month", minimum=0),
            "plan": Column("text", "kind of membership"),
            "end_reason": Column("text", "why it ended"),
        },
        key=("customer_id", "started_at"),
        one_of=(("started_at", "ended_at"), ("tenure_months", "churned")),
        row_rules=(_not_before("started_at", "ended_at"),),
    ),
    "member_months": Table(
        "one row per member and month",
        {
            "customer_id": _key("the member"),
            "month": Column("month", "calendar month", required=True, filled=True, event=True),
            "visits": Column("number", "visits in the month", minimum=0),
            "spend": Column("number", "money spent in the month"),
            "complaints": Column("number", "complaints open at the end of the month", minimum=0),
            "app_days": Column("number", "days on which the app was used", minimum=0, maximum=31),
            "late_payments": Column("number", "late payments of the fee", minimum=0),
            "discount_share": Column("number", "share of spend that was discounted, 0 to 1", minimum=0, maximum=1),
        },
        key=("customer_id", "month"),
    ),
    "campaign": Table(
        "one row per customer in a randomised campaign",
        {
            "customer_id": _key("who was drawn"),
            "arm": Column("text", "the group drawn by lot", required=True, filled=True),
            "responded": Column("flag", "whether the customer did what the campaign asked", required=True, filled=True),
            "sent_at": Column("date", "when the offer went out", event=True),
            "offer_cost": Column("number", "cost of the offer if taken", minimum=0),
            "value_after": Column("number", "margin in the outcome window"),
        },
        key=("customer_id",),
    ),
    "rollout": Table(
        "one row per branch and month of a staggered launch",
        {
            "branch_id": _key("the branch"),
            "month": Column("month", "calendar month", required=True, filled=True, event=True),
            "launched_month": Column("month", "month of the launch; blank for never", required=True),
        },
        key=("branch_id", "month"),
    ),
    "scorecard": Table(
        "one row per measure and period",
        {
            "perspective": Column("text", "one of the scorecard's perspectives", required=True, filled=True),
            "measure": Column("text", "what is measured", required=True, filled=True),
            "period": Column("text", "when, such as 2025Q4", required=True, filled=True),
            "value": Column("number", "what was reached", required=True),
            "target": Column("number", "what was aimed at"),
            "better": Column("text", "which direction is good", allowed=("higher", "lower")),
            "weight": Column("number", "weight of the measure", minimum=0),
        },
        key=("perspective", "measure", "period"),
    ),
    "judgements": Table(
        "one row per judgement by an expert",
        {
            "expert": Column("text", "who judged", required=True, filled=True),
            "kind": Column(
                "text", "pairwise comparison or rating", required=True, filled=True, allowed=("pairwise", "rating")
            ),
            "item": Column("text", "what was judged", required=True, filled=True),
            "other": Column("text", "what it was compared with, or for what it was rated; may be blank", required=True),
            "value": Column("number", "how many times more important, or the rating", required=True, filled=True),
        },
        key=("expert", "kind", "item", "other"),
    ),
}


def event_columns(table: str, present: Iterable[str]) -> list[str]:
    """Name the columns of a table that say when something happened.

    Parameters
    ----------
    table : str
        Contract name of the table.
    present : iterable of str
        Columns that the table has.

    Returns
    -------
    list of str
        In the order of the contract.

    Examples
    --------
    >>> event_columns("order_lines", ["amount", "ordered_at"])
    ['ordered_at']
    """
    there = set(present)
    return [name for name, column in TABLES[table].columns.items() if column.event and name in there]


def required_text(table: Table) -> str:
    """Say what a table must have, alternatives included.

    Parameters
    ----------
    table : Table
        A table of the contract.

    Returns
    -------
    str
        For people.

    Examples
    --------
    >>> required_text(TABLES["order_lines"])
    'order_id, customer_id, ordered_at, and amount or (quantity, unit_price)'
    """
    names = [name for name, column in table.columns.items() if column.required]
    text = ", ".join(names)
    if table.one_of:
        choices = [parts[0] if len(parts) == 1 else f"({', '.join(parts)})" for parts in table.one_of]
        text += ", and " + " or ".join(choices)
    return text


def data_dictionary() -> str:
    """Write the contract as Markdown, the body of ``data/README.md``.

    Returns
    -------
    str
        One section a table.
    """
    parts = []
    for name, table in TABLES.items():
        parts.append(f"### `{name}`: {table.meaning}\n\nRequired: {required_text(table)}.")
        if table.row_rules:
            parts[-1] += f" Never: {'; '.join(rule.rule for rule in table.row_rules)}."
        if table.key:
            parts[-1] += f" Occurs once: {', '.join(table.key)}."
        rows = ["| column | kind | meaning | rules |", "|---|---|---|---|"]
        for column_name, column in table.columns.items():
            rules = ["required"] if column.required else []
            if column.filled:
                rules.append("never blank")
            if column.minimum is not None:
                rules.append(f"at least {column.minimum:g}")
            if column.maximum is not None:
                rules.append(f"at most {column.maximum:g}")
            if column.allowed:
                rules.append(" or ".join(column.allowed))
            if column.event:
                rules.append(f"in {FIRST_YEAR} to {LAST_YEAR}")
            rows.append(f"| `{column_name}` | {column.kind} | {column.meaning} | {'; '.join(rules)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"
