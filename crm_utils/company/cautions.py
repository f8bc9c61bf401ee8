"""What keeps the contract and is worth a look before a report is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from crm_utils.company.contract import TABLES
from crm_utils.company.survey_columns import IMPORTANCE, importance_columns, scale_columns, servqual_pairs

if TYPE_CHECKING:
    import pandas as pd

    from crm_utils.company.company import Company

_USUAL_GAP_DAYS = 31
_LEAST_EFFECTIVE_SHARE = 0.5
# Words such as NULL and n/a are no ids at all, and break the contract.
_NOBODY = ("unknown", "anonymous", "guest", "walk-in", "0", "-1", "-", "--", "?", "未知", "匿名", "游客", "散客")
_SATISFACTION = re.compile(
    r"(?:(?:customers?|overall|perceived|total|general)_)*(?:satisfaction|csat)(?:_(?:index|score))*"
    r"|(?:顾客|客户|用户|总体|整体|感知)*满意(?:度|指数)*"
)
_LIKE_SATISFACTION = re.compile(r"(?<!dis)satisf|(?<!不)满意")


def cautions(company: Company) -> Iterator[str]:
    """Tell what is odd in a company's tables, though it breaks no rule.

    Empty tables; a day of the analysis far from the orders; customers and records that nobody knows; one id for all
    customers without one; survey weights of which a few outweigh the rest; side questions that nobody answered;
    questions on service quality that are not used, as others are missing; a construct that may be meant as satisfaction
    and is not called so.

    Parameters
    ----------
    company : Company
        A company whose tables keep the contract.

    Yields
    ------
    str
        A sentence without a full stop.
    """
    for name in company.tables:
        if company.table(name).empty:
            yield f"{name}: 0 usable rows"
    yield from _far_day(company)
    yield from _strangers(company)
    yield from _unknown_records(company)
    yield from _nobodies(company)
    if company.has("survey") and not company.survey.empty:
        yield from _outweighing(company.survey)
        yield from _unanswered(company.survey)
        yield from _without_partner(list(company.survey.columns))
        yield from _satisfaction_by_another_name(list(company.survey_settings.constructs))


def _far_day(company: Company) -> Iterator[str]:
    if not company.has("order_lines") or company.order_lines.empty:
        return
    newest = company.order_lines["ordered_at"].max().normalize()
    gap = (company.as_of - newest).days
    if gap > _USUAL_GAP_DAYS:
        yield (
            f"the day of the analysis, {company.as_of:%Y-%m-%d}, is {gap:,} days after the newest order "
            f"({newest:%Y-%m-%d}); it is {company.as_of_reason}"
        )


def _strangers(company: Company) -> Iterator[str]:
    """Tell tables most of whose customers are not in the table of customers: their ids may be written otherwise."""
    known = company.customer_ids
    for name in company.tables if known else ():
        table = company.table(name)
        ids = table["customer_id"].dropna().unique() if "customer_id" in table else ()
        unknown = [customer for customer in ids if customer not in known]
        if len(unknown) > len(ids) / 2:
            yield (
                f"{name}: {len(unknown):,} of {len(ids):,} customer ids are not in customers, "
                f"such as {unknown[0]!r}; customers has ids such as {min(known)!r}"
            )


def _unknown_records(company: Company) -> Iterator[str]:
    """Tell orders booked under a record that is not there: they would be lost where orders are counted by record."""
    known = company.record_ids
    if not known or not company.has("order_lines") or "record_id" not in company.order_lines:
        return
    ids = company.order_lines["record_id"].dropna().unique()
    unknown = [record for record in ids if record not in known]
    if unknown:
        yield (
            f"order_lines: {len(unknown):,} of {len(ids):,} record ids are not in source_records, "
            f"such as {unknown[0]!r}; source_records has ids such as {min(known)!r}"
        )


def _nobodies(company: Company) -> Iterator[str]:
    """Tell ids that stand for whoever is not known: all of them would count as one person."""
    for name in company.tables:
        table = company.table(name)
        if "customer_id" not in table:
            continue
        counts = table.loc[table["customer_id"].str.lower().isin(_NOBODY), "customer_id"].value_counts()
        if counts.empty:
            continue
        listed = ", ".join(
            f"{customer!r} in {rows:,} row{'s' if rows > 1 else ''}" for customer, rows in counts.items()
        )
        remedy = "remove these rows" if TABLES[name].columns["customer_id"].filled else "leave the id blank there"
        yield f"{name}: the customer id is {listed}, which counts as one person; if it means nobody known, {remedy}"


def _outweighing(survey: pd.DataFrame) -> Iterator[str]:
    """Tell weights that leave few answers to speak: Kish's effective number, the sum squared by the sum of squares."""
    if "weight" not in survey:
        return
    weights = survey["weight"][survey["weight"] > 0]
    if weights.empty:
        yield "survey: every weight is 0, so that no answer counts"
        return
    effective = weights.sum() ** 2 / (weights**2).sum()
    if effective < _LEAST_EFFECTIVE_SHARE * len(weights):
        largest = weights.idxmax()
        yield (
            f"survey: {len(weights):,} weighted answers say as much as {effective:,.1f} of equal weight, so that a few "
            f"outweigh the rest; the largest weight is {weights[largest]:g} (response "
            f"{survey.loc[largest, 'response_id']}), the middle one {weights.median():g}"
        )


def _unanswered(survey: pd.DataFrame) -> Iterator[str]:
    names = list(survey.columns)
    blank = [name for name in (*scale_columns(names), *importance_columns(names)) if survey[name].isna().all()]
    if blank:
        yield f"survey: nobody answered {', '.join(blank)}; drop a question that was not asked"


def _without_partner(names: list[str]) -> Iterator[str]:
    """Tell items of SERVQUAL and points that cannot be used alone; perceptions without any expectation are whole."""
    there, pairs = set(names), servqual_pairs(names)
    expected, perceived = ([item for sides in pairs.values() for item in sides[side]] for side in (0, 1))
    if there.isdisjoint(expected) or there.isdisjoint(perceived):
        return
    if absent := [item for item in expected + perceived if item not in there]:
        rest = "the other half of the pair is" if len(absent) == 1 else "the other halves of their pairs are"
        yield (
            f"survey: {_no_columns(absent)}, and expectation and perception go in pairs: {rest} not used; "
            "add what was asked, or rename what is no answer to SERVQUAL"
        )
    whole = [name for name, sides in pairs.items() if any(there.issuperset(pair) for pair in zip(*sides, strict=True))]
    points = [f"{IMPORTANCE}{dimension}" for dimension in whole]
    absent = [column for column in points if column not in there]
    if absent and len(absent) < len(points):
        yield (
            f"survey: {_no_columns(absent)}, and points are given to every dimension of SERVQUAL: the others are not "
            f"used; add what was asked, or rename the {IMPORTANCE}… columns"
        )


def _no_columns(absent: list[str]) -> str:
    return f"there {'is no column' if len(absent) == 1 else 'are no columns'} {', '.join(absent)}"


def _satisfaction_by_another_name(constructs: list[str]) -> Iterator[str]:
    plain = {name: re.sub(r"[\W_]+", "_", name.lower()).strip("_") for name in constructs}
    if any(_SATISFACTION.fullmatch(word) for word in plain.values()):
        return
    alike = [repr(name) for name, word in plain.items() if _LIKE_SATISFACTION.search(word)]
    if alike:
        are = "s {} are" if len(alike) > 1 else " {} is"
        yield (
            f"survey: the construct{are.format(', '.join(alike))} not recognised as satisfaction; "
            "if one is, call it satisfaction in company.yml"
        )
