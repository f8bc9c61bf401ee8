"""Shares of margin: by hand, and on the demo company against the sums of its tables."""

import numpy as np
import pandas as pd
import pytest

from crm_utils import load_company, purchase_summary
from crm_utils.errors import ParameterError
from crm_utils.lifetime import margin_shares

LINES = pd.DataFrame(
    {
        "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-09", "2025-01-12", "2025-03-01"]),
        "amount": [100.0, 50.0, -50.0, 1000.0],
        "quantity": [2.0, 1.0, -1.0, 1.0],
        "unit_cost": [30.0, 20.0, 20.0, 0.0],
    }
)


def test_returns_lower_what_is_left_of_spend_and_not_of_revenue():
    # Left over: 100 − 60, 50 − 20, −50 + 20, together 40; revenue is 100 and spend 150.
    shares = margin_shares(LINES, as_of="2025-02-01")
    assert shares == pytest.approx((40 / 100, 40 / 150, 1.0))
    assert margin_shares(LINES, as_of="2025-03-02") == pytest.approx((1040 / 1100, 1040 / 1150, 1.0))


def test_lines_without_cost_are_taken_to_be_like_the_others():
    shares = margin_shares(LINES.assign(unit_cost=[30.0, np.nan, np.nan, 0.0]), as_of="2025-02-01")
    assert shares == pytest.approx((0.4, 0.4 * 100 / 150, 0.5))


def test_without_costs_margin_is_revenue_after_returns():
    shares = margin_shares(LINES[["ordered_at", "amount"]], as_of="2025-02-01")
    assert shares == pytest.approx((1.0, 100 / 150, 0.0))
    assert margin_shares(LINES.assign(unit_cost=np.nan), as_of="2025-02-01") == shares


def test_a_known_margin_is_taken_and_returns_still_count():
    assert margin_shares(LINES, as_of="2025-02-01", margin=0.5) == pytest.approx((0.5, 0.5 * 100 / 150, 1.0))


def test_goods_above_their_price_have_a_negative_margin():
    shares = margin_shares(LINES.assign(unit_cost=80.0), as_of="2025-02-01")
    assert shares.of_revenue == pytest.approx(1 - 160 / 100)


def test_nothing_is_known_before_the_first_purchase():
    shares = margin_shares(LINES, as_of="2024-01-01")
    assert np.isnan(shares.of_revenue)
    assert np.isnan(shares.of_spend)


def test_they_turn_revenue_and_spend_of_the_demo_into_its_margin():
    company = load_company()
    known = company.order_lines.dropna(subset="customer_id")
    summary = purchase_summary(known, as_of=company.as_of)
    shares = margin_shares(known, as_of=company.as_of)
    assert shares.of_revenue * summary["revenue"].sum() == pytest.approx(summary["margin"].sum())
    assert shares.of_spend * known.loc[known["amount"] > 0, "amount"].sum() == pytest.approx(summary["margin"].sum())


def test_missing_columns_and_days_are_named_together():
    with pytest.raises(ParameterError, match=r"amount(.|\n)*as_of"):
        margin_shares(LINES.drop(columns="amount"), as_of="soon")
