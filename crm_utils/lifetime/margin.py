"""What is left of the money that customers spend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, missing_columns, raise_problems


def margin_share(
    lines: pd.DataFrame,
    *,
    as_of: Any,
    time_col: str = "ordered_at",
    amount_col: str = "amount",
    quantity_col: str = "quantity",
    unit_cost_col: str = "unit_cost",
) -> float:
    """Gross margin as a share of what customers spend at their purchases.

    Returns lower the margin and are no purchase, so that the share times the spend of purchases to come is what will be
    left after the costs of the goods and after returns as frequent as they were.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines.
    as_of : str or date
        Lines on or after this day are not used.
    time_col, amount_col, quantity_col, unit_cost_col : str
        Columns.

    Returns
    -------
    float
        Margin of all lines with a known cost, divided by the amounts of those among them that are purchases. NaN where
        the table has no costs, or no purchase with a cost.

    Raises
    ------
    ParameterError
        If the columns of time or amount are missing, or the day cannot be read.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-09", "2025-01-12"]),
    ...     "amount": [100.0, 50.0, -50.0], "quantity": [2, 1, -1], "unit_cost": [30.0, 20.0, 20.0]})
    >>> round(margin_share(lines, as_of="2026-01-01"), 4)
    0.2667
    """
    problems = missing_columns(lines, (time_col, amount_col), "lines")
    day = as_day(as_of, "as_of", problems)
    raise_problems("margin_share", problems)
    if quantity_col not in lines or unit_cost_col not in lines:
        return np.nan
    used = lines[(lines[time_col] < day) & lines[unit_cost_col].notna() & lines[quantity_col].notna()]
    amount, quantity = used[amount_col].astype(float), used[quantity_col].astype(float)
    spent = amount[(amount > 0) & (quantity > 0)].sum()
    return float((amount - quantity * used[unit_cost_col].astype(float)).sum() / spent) if spent > 0 else np.nan
