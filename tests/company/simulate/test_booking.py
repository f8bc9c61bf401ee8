"""The record behind each order: the rule by hand, case by case, and against a slow reading of it."""

from __future__ import annotations

import pandas as pd
import pytest

from crm_utils.company.simulate.booking import book_orders
from crm_utils.company.simulate.orchestrate import simulate_block

RECORDS = pd.DataFrame(
    [
        ("P1", "phone", "C1", "2024-01-01"),
        ("W1", "web", "C1", "2024-03-01"),
        ("W2", "web", "C1", "2024-04-01"),
        ("S1", "store", "C1", "2024-06-01"),
        ("S2", "store", "C2", "2024-05-01"),
    ],
    columns=["record_id", "source", "true_customer_id", "created_at"],
).astype({"created_at": "datetime64[us]"})


def lines(*rows):
    frame = pd.DataFrame(rows, columns=["order_id", "customer_id", "channel", "ordered_at"])
    return frame.astype({"customer_id": "str", "ordered_at": "datetime64[us]"})


@pytest.fixture(scope="module")
def block():
    return simulate_block(7, 1).tables


@pytest.mark.parametrize(
    ("channel", "moment", "record"),
    [
        ("web", "2024-09-01 10:00", "W1"),  # the earlier of two in the system
        ("web", "2024-03-01 00:00", "W1"),  # made on the day of the order
        ("web", "2024-02-29 23:59", "P1"),  # not made yet
        ("store", "2024-05-31 12:00", "P1"),
        ("miniprogram", "2024-09-01 10:00", "P1"),  # no record there
        ("miniprogram", "2023-12-31 10:00", "P1"),  # no record anywhere yet
    ],
)
def test_each_case_of_the_rule(channel, moment, record):
    booked = book_orders(lines(("O1", "C1", channel, moment)), RECORDS)
    assert booked["record_id"].tolist() == [record]


def test_a_return_goes_to_the_record_of_the_sale():
    sold_and_back = lines(
        ("R1", "C1", "store", "2024-06-09"),
        ("O1", "C1", "store", "2024-05-30"),
        ("O1", "C1", "store", "2024-05-30"),
        ("O2", "C1", "store", "2024-06-09"),
    )
    assert book_orders(sold_and_back, RECORDS)["record_id"].tolist() == ["P1", "P1", "P1", "S1"]


def test_an_order_of_nobody_known_has_no_record_though_it_has_the_number_of_another():
    booked = book_orders(lines(("N1", None, "store", "2024-05-01"), ("O1", "C2", "store", "2024-07-01")), RECORDS)
    assert booked["record_id"].isna().tolist() == [True, False]
    assert booked["record_id"][1] == "S2"


def test_lines_keep_their_rows_and_inputs_stay_as_they_are(block):
    few, records = block["order_lines"].drop(columns="record_id").head(300), block["source_records"]
    before = few.copy(), records.copy()
    booked = book_orders(few, records)
    pd.testing.assert_frame_equal(booked.drop(columns="record_id"), few)
    pd.testing.assert_frame_equal(few, before[0])
    pd.testing.assert_frame_equal(records, before[1])


def test_the_order_of_lines_does_not_matter(block):
    order_lines = block["order_lines"]
    shuffled = order_lines.drop(columns="record_id").sample(frac=1, random_state=3)
    again = book_orders(shuffled, block["source_records"]).sort_index()
    pd.testing.assert_series_equal(again["record_id"], order_lines["record_id"])


def test_orders_of_a_block_follow_the_rule(block):
    records = {}
    for row in block["source_records"].itertuples():
        records.setdefault(row.true_customer_id, []).append(row)
    sold = block["order_lines"].query("quantity > 0").dropna(subset="customer_id").drop_duplicates("order_id")
    found = {"in the system of the order": 0, "elsewhere": 0}
    for order in sold.tail(4_000).itertuples():
        there = [row for row in records[order.customer_id] if row.created_at <= order.ordered_at]
        here = [row for row in there if row.source == order.channel]
        expected = min(here or there, key=lambda row: row.created_at)
        assert order.record_id == expected.record_id
        found["in the system of the order" if here else "elsewhere"] += 1
    assert min(found.values()) > 500
