"""The funnel: counted by hand, watched for whole windows, and never widening."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company import purchase_summary
from crm_utils.errors import ParameterError
from crm_utils.identify.funnel import funnel, plot_funnel
from crm_utils.identify.lifecycle import lifecycle_stage
from crm_utils.plotting import alt_text


def lines_of(days):
    """One line a customer and day; a day is a number of 2025, or a text."""
    rows = [(customer, pd.Timestamp("2025-01-01") + pd.Timedelta(days=day)) for customer, day in days]
    lines = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
    return lines.assign(order_id=[f"o{i}" for i in range(len(lines))], amount=10.0)


@pytest.fixture
def lines():
    """Ann buys on days 10, 20, 200; Bob on day 30; Cai on day 340; Dan and Eve never."""
    return lines_of([("ann", 10), ("ann", 10.5), ("ann", 20), ("ann", 200), ("bob", 30), ("cai", 340)])


@pytest.fixture
def customers():
    joined = pd.to_datetime(["2025-01-01", "2025-01-01", "2025-12-01", "2025-01-01", "2025-12-20"])
    return pd.DataFrame({"customer_id": ["ann", "bob", "cai", "dan", "eve"], "joined_at": joined})


def column(table, name):
    return table.set_index("step")[name].to_dict()


def test_counts_by_hand(lines, customers):
    """Ann's second day follows after 10 days, her third after 180; Cai and Eve joined too late to be judged."""
    table = funnel(lines, customers, as_of="2026-01-01", loyal_from=3, window_days=100)
    assert column(table, "reached") == {"known": 5, "first purchase": 3, "second purchase": 1, "loyal": 1}
    assert column(table, "followed") == {"known": 0, "first purchase": 3, "second purchase": 2, "loyal": 1}
    assert column(table, "converted") == {"known": 0, "first purchase": 2, "second purchase": 1, "loyal": 0}
    assert column(table, "window_rate")["first purchase"] == pytest.approx(2 / 3)
    assert column(table, "conversion_rate")["second purchase"] == pytest.approx(1 / 3)


def test_wilson_interval_of_three_in_five(lines, customers):
    """Wilson (1927) by the formula, 3 of 5 at 95 %: 0.2307 to 0.8824."""
    first = funnel(lines, customers, as_of="2026-01-01").iloc[1]
    assert (first["low"], first["high"]) == pytest.approx((0.2307, 0.8824), abs=5e-5)


@pytest.mark.parametrize(("window_days", "followed", "converted"), [(9, 1, 0), (10, 1, 1), (20, 1, 1), (21, 0, 0)])
def test_the_edges_of_the_window(window_days, followed, converted):
    """Bought on day 10 and 20, seen up to day 30 (as_of is day 31, not in the data): 20 days were watched in full."""
    lines = lines_of([("ann", 10), ("ann", 20)])
    second = funnel(lines, as_of=pd.Timestamp("2025-02-01"), window_days=window_days).iloc[2]
    assert (second["step"], second["followed"], second["converted"]) == ("second purchase", followed, converted)


def test_dated_interest(lines, customers):
    """Dan wrote on day 5 and never bought; Ann wrote on day 300, long after her first purchase."""
    signs = pd.DataFrame({"customer_id": ["dan", "dan", "ann"], "interested_at": pd.Timestamp("2025-01-01")})
    signs["interested_at"] += pd.to_timedelta([5, 50, 300], unit="D")
    table = funnel(lines, customers, as_of="2026-01-01", interested=signs, window_days=4)
    assert column(table, "reached") == {
        "known": 5, "interested": 4, "first purchase": 3, "second purchase": 1, "loyal": 0,
    }  # fmt: skip
    assert column(table, "followed")["interested"] == 5
    assert column(table, "converted")["interested"] == 0
    assert column(table, "followed")["first purchase"] == 4
    assert column(table, "converted")["first purchase"] == 3  # those who bought were interested that day at the latest


def test_interest_without_days_is_counted_and_not_followed(lines, customers):
    table = funnel(lines, customers, as_of="2026-01-01", interested=["dan"])
    assert column(table, "reached")["interested"] == 4
    assert np.isnan(column(table, "window_rate")["interested"])
    assert np.isnan(column(table, "window_rate")["first purchase"])
    assert column(table, "followed")["second purchase"] > 0


def test_returns_later_lines_and_unknown_customers_do_not_count(lines, customers):
    noise = lines.assign(
        amount=[-1.0, 5.0, 5.0, 5.0, 5.0, 5.0],
        customer_id=["dan", None, "", "dan", "dan", "dan"],
        ordered_at=pd.to_datetime(["2025-05-05"] * 3 + ["2026-01-01"] * 3),
    )
    asked = {"customers": customers, "as_of": "2026-01-01"}
    pd.testing.assert_frame_equal(funnel(pd.concat([lines, noise]), **asked), funnel(lines, **asked))


def test_customers_who_join_after_as_of_are_not_known(lines, customers):
    assert funnel(lines, customers, as_of="2025-12-10")["reached"].iloc[0] == 4


def test_without_a_table_of_customers_those_who_bought_are_known(lines):
    assert column(funnel(lines, as_of="2026-01-01"), "reached")["known"] == 3


def test_unknown_day_of_joining_is_not_followed(lines, customers):
    table = funnel(lines, customers.drop(columns="joined_at"), as_of="2026-01-01")
    assert column(table, "reached")["known"] == 5
    assert column(table, "followed")["first purchase"] == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 360)), min_size=1, max_size=40),
    st.sets(st.sampled_from("abcdefgh")),
    st.integers(1, 300),
    st.integers(0, 2**32 - 1),
)
def test_counts_never_rise_and_agree_with_the_summary(days, interested, window_days, seed):
    lines = lines_of(days)
    customers = pd.DataFrame({"customer_id": list("abcdefghij")})
    asked = {"as_of": "2026-01-01", "interested": sorted(interested), "window_days": window_days}
    table = funnel(lines, customers, **asked)
    assert (np.diff(table["reached"]) <= 0).all()
    assert (table["converted"] <= table["followed"]).all()
    assert (table["converted"] <= table["reached"]).all()
    summary = purchase_summary(lines, as_of="2026-01-01")
    reached = column(table, "reached")
    assert reached["second purchase"] == (summary["purchase_days"] >= 2).sum()
    assert reached["loyal"] == (summary["purchase_days"] >= 5).sum()
    stages = lifecycle_stage(summary, customers, as_of="2026-01-01", interested=sorted(interested))
    assert reached["known"] - reached["interested"] == (stages["stage"] == "suspect").sum()
    pd.testing.assert_frame_equal(funnel(lines.sample(frac=1, random_state=seed), customers, **asked), table)


def test_the_figure_draws_the_table(lines, customers):
    table = funnel(lines, customers, as_of="2026-01-01", window_days=100)
    figure, ax = plt.subplots()
    assert plot_funnel(table, ax=ax) is ax
    assert [bar.get_width() for bar in ax.patches] == table["reached"].tolist()
    assert "first purchase 3, 60% of the step before (67% within 100 days)" in alt_text(figure)
    plt.close(figure)


def test_everything_wrong_is_said_at_once(lines, customers):
    with pytest.raises(ParameterError) as error:
        funnel(
            lines.drop(columns="amount").astype({"ordered_at": str}),
            pd.concat([customers, customers.head(1)]),
            as_of="2026-01-01",
            loyal_from=2,
            window_days=0,
            level=1,
        )
    for part in ("must be dates", "neither amount nor quantity", "repeats in 1", "loyal_from", "window_days", "level"):
        assert part in str(error.value)


def test_interest_of_nobody_in_particular_is_refused(lines):
    with pytest.raises(ParameterError, match="1 rows without customer_id"):
        funnel(lines, as_of="2026-01-01", interested=["ann", None])
