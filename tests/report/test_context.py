"""What pages say of the company: warnings reach the reader, an unknown currency leaves no gap."""

import pandas as pd

from crm_utils.company import Company, check_company
from crm_utils.report.context import company_context
from crm_utils.report.index import render_index


def context(**options):
    lines = pd.DataFrame({"order_id": ["1"], "customer_id": ["a"], "ordered_at": ["2025-01-01"], "amount": [5.0]})
    customers = pd.DataFrame({"customer_id": ["a", "b"], "joined_at": ["2025-01-01", "2035-06-01"]})
    company = Company.from_frames({"order_lines": lines, "customers": customers}, name="Corner Shop", **options)
    return company_context(check_company(company))


def test_a_day_of_the_analysis_far_past_the_orders_is_worth_a_look():
    texts = dict(context()["quality"])
    assert "2035-06-02" in texts["Worth a look"]


def test_without_trouble_there_is_nothing_to_look_at():
    assert "Worth a look" not in dict(context(as_of="2025-01-02")["quality"])


def test_an_unknown_currency_is_not_announced():
    page = render_index([], company=context(as_of="2025-01-02"), as_of="2025-01-02", versions={})
    assert "amounts in" not in page
    page = render_index([], company=context(as_of="2025-01-02", currency="GBP"), as_of="2025-01-02", versions={})
    assert "amounts in GBP" in page
