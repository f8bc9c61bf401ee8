"""The hold-out split: nothing from the period leaks into the past, and too little data says so."""

import pandas as pd
import pytest

from crm_utils.company.holdout import holdout
from crm_utils.errors import ParameterError


def test_the_split_puts_every_line_on_one_side(order_lines):
    parts = holdout(order_lines, as_of="2025-04-01", horizon_months=2, customers_floor=1)
    assert parts.usable
    assert parts.split_day == pd.Timestamp("2025-02-01")
    assert parts.past["last_purchase"].max() < parts.split_day <= parts.future["first_purchase"].min()
    assert parts.past["revenue"].sum() + parts.future["revenue"].sum() == pytest.approx(order_lines["amount"].sum())


def test_too_few_customers_before_is_a_reason_not_a_number(order_lines):
    parts = holdout(order_lines, as_of="2025-04-01", horizon_months=2)
    assert not parts.usable
    assert parts.past is None
    assert parts.reason == "needs at least 100 customers who bought before 2025-02-01; this company has 2"


def test_a_period_without_purchases_is_a_reason(order_lines):
    parts = holdout(order_lines, as_of="2027-04-01", horizon_months=2, customers_floor=1)
    assert parts.reason == "needs purchases on or after 2027-02-01; this company has none"


def test_a_horizon_of_nothing(order_lines):
    with pytest.raises(ParameterError, match="at least 1"):
        holdout(order_lines, as_of="2025-04-01", horizon_months=0)
