"""Margin as a share of spend: by hand, and on the demo company against the sums of its tables."""

import numpy as np
import pandas as pd
import pytest

from crm_utils import load_company, purchase_summary
from crm_utils.errors import ParameterError
from crm_utils.lifetime import margin_share

LINES = pd.DataFrame(
    {
        "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-09", "2025-01-12", "2025-03-01"]),
        "amount": [100.0, 50.0, -50.0, 1000.0],
        "quantity": [2.0, 1.0, -1.0, 1.0],
        "unit_cost": [30.0, 20.0, 20.0, 0.0],
    }
)


def test_returns_lower_the_margin_and_not_the_spend():
    # Left over: 100 − 60, 50 − 20, −50 + 20; spent: 150.
    assert margin_share(LINES, as_of="2025-02-01") == pytest.approx(40 / 150)
    assert margin_share(LINES, as_of="2025-03-02") == pytest.approx(1040 / 1150)


def test_lines_without_cost_count_on_neither_side():
    gaps = LINES.assign(unit_cost=[30.0, np.nan, np.nan, 0.0])
    assert margin_share(gaps, as_of="2025-02-01") == pytest.approx(0.4)


def test_it_is_not_known_without_costs_or_purchases():
    assert np.isnan(margin_share(LINES.drop(columns="unit_cost"), as_of="2025-02-01"))
    assert np.isnan(margin_share(LINES, as_of="2024-01-01"))


def test_it_turns_the_spend_of_the_demo_into_its_margin():
    company = load_company()
    lines = company.order_lines
    known = lines[lines["customer_id"].notna()]
    summary = purchase_summary(known, as_of=company.as_of)
    spent = known.loc[known["amount"] > 0, "amount"].sum()
    assert margin_share(known, as_of=company.as_of) * spent == pytest.approx(summary["margin"].sum())


def test_missing_columns_and_days_are_named_together():
    with pytest.raises(ParameterError, match=r"amount(.|\n)*as_of"):
        margin_share(LINES.drop(columns="amount"), as_of="soon")
