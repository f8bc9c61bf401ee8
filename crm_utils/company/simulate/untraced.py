"""Order lines that no analysis by customer can use: till sales to nobody known, and free samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.company.simulate.calendar import AS_OF, START

_SHIFT_DAYS = 7


@dataclass(frozen=True)
class UntracedTruth:
    """How much of the till roll names nobody or sells nothing.

    Parameters
    ----------
    anonymous_share : float, default 0.04
        Store orders without a customer, as a share of store orders with one.
    sample_share : float, default 0.004
        Orders with a free sample, which tills record as a line with quantity zero, as a share of all orders.
    """

    anonymous_share: float = 0.04
    sample_share: float = 0.004


UNTRACED = UntracedTruth()


def add_untraced_lines(order_lines: pd.DataFrame, rng: np.random.Generator, *, block: int = 0) -> pd.DataFrame:
    """Add what tills record besides customers' purchases.

    Parameters
    ----------
    order_lines : pandas.DataFrame
        The lines of a block, as `simulate_purchases` makes them.
    rng : numpy.random.Generator
        Source of randomness.
    block : int, default 0
        Number of the block; it keeps order ids apart.

    Returns
    -------
    pandas.DataFrame
        The same lines, and among them anonymous orders (copies of the baskets of store orders, some days off, with ids
        from N and no customer) and free samples (first lines of orders, again, with quantity and amount zero).
    """
    bought = order_lines[order_lines["quantity"] > 0]
    first_lines = bought.drop_duplicates("order_id")
    in_store = first_lines.loc[first_lines["channel"] == "store", ["order_id"]]
    drawn = in_store[rng.random(len(in_store)) < UNTRACED.anonymous_share].reset_index(drop=True)
    drawn["anonymous_id"] = [f"N{block:04d}{number:05d}" for number in range(1, len(drawn) + 1)]
    drawn["shift"] = pd.to_timedelta(rng.integers(-_SHIFT_DAYS, _SHIFT_DAYS + 1, size=len(drawn)), unit="D")
    anonymous = bought.merge(drawn, on="order_id")
    anonymous["ordered_at"] += anonymous.pop("shift")
    anonymous["order_id"] = anonymous.pop("anonymous_id")
    anonymous["customer_id"] = pd.Series(np.nan, index=anonymous.index, dtype="str")
    anonymous = anonymous[anonymous["ordered_at"].between(START, AS_OF, inclusive="left")]

    samples = first_lines[rng.random(len(first_lines)) < UNTRACED.sample_share]
    samples = samples.assign(quantity=0, amount=0.0)
    lines = pd.concat([order_lines, samples, anonymous], ignore_index=True)
    return lines.sort_values("ordered_at", kind="stable", ignore_index=True)
