"""Under which record of the customer a system booked an order."""

from __future__ import annotations

import pandas as pd


def book_orders(order_lines: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Give every order of a known customer the record under which it was booked.

    That is the customer's earliest record in the system of the order's channel, if it existed on the day of the order,
    and else the customer's earliest record in any. What comes back goes to the record of the sale.

    Parameters
    ----------
    order_lines : pandas.DataFrame
        Lines of any number of blocks, as `add_untraced_lines` makes them: a return has the number of its sale.
    records : pandas.DataFrame
        Records of the same people, as `simulate_records` makes them.

    Returns
    -------
    pandas.DataFrame
        The same lines with ``record_id``, the same on all lines of an order; missing where the customer is.

    Examples
    --------
    >>> lines = pd.DataFrame({"order_id": ["O1", "R1", "O2"], "customer_id": "C1", "channel": ["web", "web", "store"],
    ...     "ordered_at": pd.to_datetime(["2025-03-01", "2025-03-09", "2025-03-20"])})
    >>> records = pd.DataFrame({"record_id": ["S1", "W1"], "source": ["store", "web"], "true_customer_id": "C1",
    ...     "created_at": pd.to_datetime(["2025-01-01", "2025-03-01"])})
    >>> book_orders(lines, records)["record_id"].tolist()
    ['W1', 'W1', 'S1']
    """
    by_age = records.sort_values("created_at", kind="stable")
    by_age = by_age[["record_id", "true_customer_id", "source", "created_at"]]
    by_age = by_age.rename(columns={"true_customer_id": "customer_id", "source": "channel"})
    earliest = by_age.drop_duplicates("customer_id").set_index("customer_id")["record_id"]

    number = order_lines["order_id"].str[1:]
    traced = order_lines["customer_id"].notna()
    orders = order_lines[["customer_id", "channel", "ordered_at"]].assign(number=number)[traced]
    orders = orders.sort_values("ordered_at", kind="stable").drop_duplicates("number")
    orders = orders.merge(by_age.drop_duplicates(["customer_id", "channel"]), on=["customer_id", "channel"], how="left")
    existed = orders["created_at"] <= orders["ordered_at"]
    booked = orders["record_id"].where(existed, orders["customer_id"].map(earliest))
    booked.index = pd.Index(orders["number"])
    return order_lines.assign(record_id=number.where(traced).map(booked))
