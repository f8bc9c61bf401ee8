"""Textbook values: by hand, by identities, and by following many customers through the chain."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime.discounting import (
    event_value,
    migration_value,
    present_value,
    recency_chain,
    retention_value,
)

EVENTS = pd.DataFrame(
    {
        "customer_id": ["b", "a", "b"],
        "period": [0, 12, 24],
        "probability": [1.0, 0.5, 0.25],
        "revenue": [50.0, 220.0, 0.0],
        "cost": [20.0, 0.0, 96.8],
    }
)


class TestPresentValue:
    def test_months_discount_to_the_same_year(self):
        monthly = present_value([0] * 12 + [110], annual_discount_rate=0.1, periods_per_year=12)
        assert monthly == pytest.approx(100)
        assert present_value([0, 110], annual_discount_rate=0.1) == pytest.approx(100)

    def test_no_discount_is_the_sum(self):
        assert present_value([1, -2, 4], annual_discount_rate=0) == 3

    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            present_value([1, np.nan], annual_discount_rate=-1, periods_per_year=0)
        assert "3 problems" in str(caught.value)


class TestRetention:
    @pytest.mark.parametrize(("retention", "rate", "per_year"), [(0.8, 0.1, 1), (0.97, 0.12, 12), (1, 0.05, 4)])
    def test_for_ever_is_the_limit_of_a_long_time(self, retention, rate, per_year):
        options = {"retention_rate": retention, "annual_discount_rate": rate, "periods_per_year": per_year}
        assert retention_value(20, **options) == pytest.approx(retention_value([20] * 5000, **options))

    def test_by_hand(self):
        value = retention_value([100, 120, 140], retention_rate=0.5, annual_discount_rate=0.25)
        assert value == pytest.approx(100 + 120 * 0.4 + 140 * 0.16)

    def test_is_the_chain_without_return(self):
        chain = pd.DataFrame([[0.8, 0.2], [0, 1]], index=["here", "gone"], columns=["here", "gone"])
        expected = migration_value(chain, [20, 0], annual_discount_rate=0.1)["here"]
        assert retention_value(20, retention_rate=0.8, annual_discount_rate=0.1) == pytest.approx(expected)

    def test_checks(self):
        with pytest.raises(ParameterError, match="not finite"):
            retention_value(20, retention_rate=1, annual_discount_rate=0)
        with pytest.raises(ParameterError, match="retention_rate must lie between 0 and 1"):
            retention_value(20, retention_rate=1.2, annual_discount_rate=0.1)


class TestMigration:
    def test_by_hand(self):
        # V₁ = 10 + .4·V₁ + .4·V₂ and V₂ = −2 + .2·V₁, since half of 1/1.25 is .4 and a quarter of it .2.
        chain = recency_chain([0.5, 0.25])
        value = migration_value(chain, [10, -2, 0], annual_discount_rate=0.25)
        assert value.tolist() == pytest.approx([9.2 / 0.52, -2 + 0.2 * 9.2 / 0.52, 0])
        one = migration_value(chain, [10, -2, 0], annual_discount_rate=0.25, periods=1)
        assert one.tolist() == pytest.approx([13.2, 0, 0])
        assert one.index.tolist() == ["1", "2", "gone"]

    def test_equals_customers_followed_through_the_chain(self):
        chain = recency_chain([0.6, 0.3])
        rng = np.random.default_rng(1)
        state, value = np.zeros(200_000, dtype=int), np.zeros(200_000)
        gains, steps = np.array([30.0, -2.0, 0.0]), chain.to_numpy().cumsum(axis=1)
        for period in range(80):
            value += gains[state] * 1.15**-period
            state = (rng.random(len(state))[:, None] > steps[state]).sum(axis=1)
        expected = migration_value(chain, gains, annual_discount_rate=0.15)["1"]
        assert expected == pytest.approx(value.mean(), abs=4 * value.std() / np.sqrt(len(value)))

    def test_without_an_end_is_the_limit(self):
        chain = recency_chain([0.5, 0.2, 0.1])
        options = {"annual_discount_rate": 0.1, "periods_per_year": 4}
        forever = migration_value(chain, [10, -1, -1, 0], **options)
        pd.testing.assert_series_equal(forever, migration_value(chain, [10, -1, -1, 0], periods=3000, **options))

    def test_checks(self):
        chain = recency_chain([0.5])
        with pytest.raises(ParameterError, match="one or more numbers from 0 to 1"):
            recency_chain([0.5, 1.5])
        with pytest.raises(ParameterError, match="transitions must be 3 by 3"):
            migration_value(chain, [1, 2, 3], annual_discount_rate=0.1)
        with pytest.raises(ParameterError, match="add up to 1"):
            migration_value(chain * 0.9, [1, 0], annual_discount_rate=0.1)
        with pytest.raises(ParameterError, match="same states in the same order"):
            migration_value(chain.iloc[::-1], [1, 0], annual_discount_rate=0.1)
        with pytest.raises(ParameterError, match="set periods"):
            migration_value(chain, [1, 0], annual_discount_rate=0)
        assert migration_value(chain, [1, 0], annual_discount_rate=0, periods=2)["1"] == pytest.approx(1.75)


class TestEvents:
    def test_by_hand_and_by_customer(self):
        options = {"annual_discount_rate": 0.1, "periods_per_year": 12}
        kept = EVENTS.copy()
        assert event_value(EVENTS, **options)["value"].tolist() == pytest.approx([30, 100, -20])
        totals = event_value(EVENTS, group_col="customer_id", **options)
        assert totals["customer_id"].tolist() == ["a", "b"]
        assert totals["value"].tolist() == pytest.approx([100, 10])
        assert totals["expected_margin"].tolist() == pytest.approx([110, 5.8])
        pd.testing.assert_frame_equal(EVENTS, kept)

    def test_all_problems_at_once(self):
        events = EVENTS.assign(period=[-1, 0, 0], probability=[2, 0, 1], customer_id=[None, "a", "b"])
        with pytest.raises(ParameterError) as caught:
            event_value(events, annual_discount_rate=0.1, group_col="customer_id")
        assert "3 problems" in str(caught.value)
        with pytest.raises(ParameterError, match="lacks the columns revenue, cost"):
            event_value(EVENTS.drop(columns=["revenue", "cost"]), annual_discount_rate=0.1)
