"""Lines that name nobody or sell nothing: added among the others, which stay as they were."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.calendar import AS_OF, START
from crm_utils.company.simulate.untraced import UNTRACED, add_untraced_lines


@pytest.fixture(scope="module")
def lines():
    rng = np.random.default_rng(1)
    n = 40_000
    orders = np.sort(rng.integers(0, n // 2, n))
    return pd.DataFrame(
        {
            "order_id": [f"O{order:05d}" for order in orders],
            "customer_id": [f"C{order % 900}" for order in orders],
            "ordered_at": START + pd.to_timedelta(orders % (AS_OF - START).days, unit="D"),
            "channel": np.where(orders % 2, "store", "web"),
            "quantity": np.where(rng.random(n) < 0.03, -1, 2),
            "amount": 10.0,
        }
    )


@pytest.fixture(scope="module")
def more(lines):
    return add_untraced_lines(lines, np.random.default_rng(2), block=3)


def test_the_lines_of_customers_stay_as_they_were(lines, more):
    kept = more[more["customer_id"].notna() & (more["quantity"] != 0)]
    pd.testing.assert_frame_equal(
        kept.sort_values(["order_id", "quantity"], ignore_index=True),
        lines.sort_values(["order_id", "quantity"], ignore_index=True),
        check_dtype=False,
    )


def test_anonymous_orders_and_samples_come_in_the_planted_shares(lines, more):
    stores = lines.loc[(lines["channel"] == "store") & (lines["quantity"] > 0), "order_id"].nunique()
    orders = lines.loc[lines["quantity"] > 0, "order_id"].nunique()
    anonymous = more[more["customer_id"].isna()]
    samples = more[more["quantity"] == 0]
    for found, share, of in (
        (anonymous["order_id"].nunique(), UNTRACED.anonymous_share, stores),
        (len(samples), UNTRACED.sample_share, orders),
    ):
        assert abs(found - share * of) < 4 * np.sqrt(share * of)
    assert set(anonymous["channel"]) == {"store"}
    assert anonymous["order_id"].str.match(r"N0003\d{5}$").all()
    assert (samples["amount"] == 0).all()


def test_nothing_lies_outside_the_period(more):
    assert more["ordered_at"].between(START, AS_OF, inclusive="left").all()
    assert more["ordered_at"].is_monotonic_increasing
