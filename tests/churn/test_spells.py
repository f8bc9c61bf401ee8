"""Memberships as durations: calendar months by hand, what is not known yet, late entry, and unusable tables."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.churn import membership_spells
from crm_utils.errors import ParameterError


def spells(*days, customers=None):
    started, ended = zip(*days, strict=True)
    return pd.DataFrame(
        {
            "customer_id": customers or [f"c{number}" for number in range(len(days))],
            "started_at": pd.to_datetime(list(started), format="ISO8601"),
            "ended_at": pd.to_datetime(list(ended), format="ISO8601"),
        }
    )


@pytest.mark.parametrize(
    ("started", "ended", "months"),
    [
        ("2024-02-01", "2025-05-31", 16),
        ("2024-02-01", "2024-02-01", 1),
        ("2024-01-31", "2024-02-29", 1),
        ("2024-01-31", "2024-03-30", 2),
        ("2024-01-31", "2024-03-31", 3),
        ("2024-12-15", "2025-01-14", 1),
        ("2024-12-15", "2025-01-15", 2),
    ],
)
def test_months_begun_by_hand(started, ended, months):
    found = membership_spells(spells((started, ended)), as_of="2030-01-01")
    assert (found["duration"].iloc[0], found["event"].iloc[0]) == (months, True)


def test_days_count_the_last_one():
    found = membership_spells(
        spells(("2024-02-01", "2024-02-01"), ("2024-02-01", None)), as_of="2024-03-01", unit="day"
    )
    assert found["duration"].tolist() == [1, 29]
    assert found["event"].tolist() == [True, False]


def test_what_is_not_known_yet():
    table = spells(("2024-01-01", "2024-06-15"), ("2024-01-01", "2024-06-09"), ("2024-06-10", None))
    found = membership_spells(table, as_of="2024-06-10")
    # The end on a later day is not known; the end on 9 June lies in a sixth month that is not over.
    assert found["event"].tolist() == [False, False]
    assert found["duration"].tolist() == [5, 5]
    assert found.attrs["not_yet_started"] == 1


def test_late_entry_leaves_out_who_ended_before():
    table = spells(("2023-01-01", "2023-06-30"), ("2023-01-01", "2024-03-31"), ("2024-02-01", None))
    found = membership_spells(table, as_of="2024-07-01", observed_from="2024-01-01")
    assert found.index.tolist() == [1, 2]
    assert found["entry"].tolist() == [12, 0]
    assert found["duration"].tolist() == [15, 5]
    assert found.attrs["ended_before"] == 1


def test_length_and_outcome():
    table = pd.DataFrame({"customer_id": ["a", "b"], "tenure_months": [2.5, 2.5], "churned": [True, False]})
    found = membership_spells(table)
    assert found["duration"].tolist() == [3, 2]
    with pytest.raises(ParameterError, match="must not be negative, and 1 are"):
        membership_spells(table.assign(tenure_months=[-1.0, 2.0]))
    with pytest.raises(ParameterError, match="unit must be 'month'"):
        membership_spells(table, unit="day")


def test_every_problem_at_once():
    table = spells(("2024-03-01", "2024-01-01"), (None, None))
    with pytest.raises(ParameterError, match="2 problems") as caught:
        membership_spells(table, as_of="2025-01-01")
    assert "started_at is missing in 1 rows" in str(caught.value)
    assert "before started_at in 1 rows" in str(caught.value)


def test_overlapping_spells_of_one_customer():
    over = spells(("2024-01-01", None), ("2024-02-01", "2024-03-01"), customers=["ann", "ann"])
    with pytest.raises(ParameterError, match=r"1 spells begin while another .* \(customers ann\)"):
        membership_spells(over, as_of="2025-01-01")
    touching = spells(("2024-01-01", "2024-02-01"), ("2024-02-01", None), customers=["ann", "ann"])
    assert len(membership_spells(touching, as_of="2025-01-01")) == 2


def test_order_of_rows_does_not_matter_and_input_is_left_alone():
    rng = np.random.default_rng(0)
    started = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 500, 60), unit="D")
    ended = (started + pd.to_timedelta(rng.integers(0, 500, 60), unit="D")).where(rng.random(60) < 0.6)
    table = pd.DataFrame({"customer_id": range(60), "started_at": started, "ended_at": ended})
    before = table.copy()
    found = membership_spells(table, as_of="2024-06-01")
    again = membership_spells(table.iloc[::-1], as_of="2024-06-01")
    pd.testing.assert_frame_equal(found, again.sort_index())
    pd.testing.assert_frame_equal(table, before)
