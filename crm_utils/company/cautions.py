"""What keeps the contract and is worth a look before a report is believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crm_utils.company.company import Company

_USUAL_GAP_DAYS = 31


def cautions(company: Company) -> Iterator[str]:
    """Tell empty tables, a day of analysis far from the orders, and customers and records that nobody knows.

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
