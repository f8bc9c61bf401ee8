"""What is left of the money that customers spend."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, missing_columns, raise_problems


class MarginShares(NamedTuple):
    """Shares of margin, as from `margin_shares`.

    Attributes
    ----------
    of_revenue : float
        Margin for each unit of revenue, that is of money paid less money returned.
    of_spend : float
        Margin for each unit spent at a purchase; lower by what comes back with returns. For models of purchases, which
        know nothing of returns.
    costs_known : float
        Share of the lines' amounts whose cost is known, from 0 to 1.
    """

    of_revenue: float
    of_spend: float
    costs_known: float


def margin_shares(
    lines: pd.DataFrame,
    *,
    as_of: Any,
    margin: float | None = None,
    time_col: str = "ordered_at",
    amount_col: str = "amount",
    quantity_col: str = "quantity",
    unit_cost_col: str = "unit_cost",
) -> MarginShares:
    """Gross margin as a share of revenue, and of what customers spend at their purchases.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines.
    as_of : str or date
        Lines on or after this day are not used.
    margin : float, optional
        Share of revenue that is margin, if known from elsewhere. Default: from the unit costs of the lines; 1 where
        no line has one, so that margin is revenue.
    time_col, amount_col, quantity_col, unit_cost_col : str
        Columns; quantity and unit cost may be absent.

    Returns
    -------
    MarginShares
        Both shares. NaN where nothing was bought before the day, or returns ate up all revenue.

    Raises
    ------
    ParameterError
        If the columns of time or amount are missing, or the day cannot be read.

    Examples
    --------
    Spent are 150, of which 50 come back; the goods that were kept cost 60:

    >>> lines = pd.DataFrame({
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-09", "2025-01-12"]),
    ...     "amount": [100.0, 50.0, -50.0], "quantity": [2, 1, -1], "unit_cost": [30.0, 20.0, 20.0]})
    >>> shares = margin_shares(lines, as_of="2026-01-01")
    >>> round(shares.of_revenue, 4), round(shares.of_spend, 4)
    (0.4, 0.2667)
    """
    problems = missing_columns(lines, (time_col, amount_col), "lines")
    day = as_day(as_of, "as_of", problems)
    raise_problems("margin_shares", problems)
    used = lines[lines[time_col] < day]
    amount = used[amount_col].astype(float)
    quantity = used[quantity_col].astype(float) if quantity_col in used else pd.Series(np.sign(amount), used.index)
    cost = quantity * used[unit_cost_col].astype(float) if unit_cost_col in used else pd.Series(np.nan, used.index)
    revenue, spend = amount.sum(), amount[(amount > 0) & (quantity > 0)].sum()
    if not (spend > 0 and revenue > 0):
        return MarginShares(np.nan, np.nan, 0.0)
    known = cost.notna()
    covered = float(amount[known].abs().sum() / amount.abs().sum())
    if margin is None:
        margin = 1.0 - cost[known].sum() / amount[known].sum() if covered > 0 and amount[known].sum() > 0 else 1.0
    return MarginShares(float(margin), float(margin * revenue / spend), covered)
