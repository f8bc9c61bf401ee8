"""From order lines to what the purchase and spend models take: histories up to a day, and what came after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, raise_problems
from crm_utils.company import purchase_summary
from crm_utils.errors import CrmError

_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


def calibration_summary(
    lines: Any, *, calibration_end: Any, holdout_end: Any = None, unit: str = "week", **columns: str
) -> pd.DataFrame:
    """Summarise order lines to one purchase history a customer, with what the customer did afterwards.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines as `crm_utils.purchase_summary` takes them. Not modified.
    calibration_end : str or date
        Last day of the calibration period.
    holdout_end : str or date, optional
        Last day of the hold-out period, which begins the day after `calibration_end`; default: no hold-out.
    unit : {"day", "week", "month", "year"}, default "week"
        Unit of recency and age, and part of their names. A year is 365.25 days, a month a twelfth of it.
    **columns : str
        Names of columns (``customer_col``, ``amount_col``, …), handed to `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame
        One row for each customer with a purchase by `calibration_end`, sorted by customer, with the columns
        (here for weeks)

        * customer_id
        * frequency : purchase days after the first; orders of one day are one purchase
        * recency_weeks : time from the first to the last purchase
        * age_weeks : time from the first purchase to `calibration_end`
        * mean_repeat_spend : money spent a repeat purchase; missing where there is none
        * holdout_purchases, holdout_spend : purchase days, and money paid less money returned, in the hold-out
          period; only with `holdout_end`

    Raises
    ------
    ParameterError
        If the unit is not known, a day cannot be read, or the hold-out does not end after the calibration: every
        problem.
    CrmError
        If the lines cannot be read or none lies in the calibration period; see `crm_utils.purchase_summary`.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b", "c", "d"], "customer_id": ["x", "x", "y", "x"],
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-15", "2025-01-08", "2025-02-03"]),
    ...     "amount": [10.0, 20.0, 5.0, 8.0]})
    >>> table = calibration_summary(lines, calibration_end="2025-01-29", holdout_end="2025-02-28")
    >>> print(table.to_string(index=False))
    customer_id  frequency  recency_weeks  age_weeks  mean_repeat_spend  holdout_purchases  holdout_spend
              x          1            2.0        4.0               20.0                  1            8.0
              y          0            0.0        3.0                NaN                  0            0.0
    """
    problems: list[str] = []
    if unit not in _DAYS:
        problems.append(f"unit must be one of {', '.join(_DAYS)}, and is {unit!r}")
    last_day = as_day(calibration_end, "calibration_end", problems)
    end = None if holdout_end is None else as_day(holdout_end, "holdout_end", problems)
    if not problems and end is not None and end <= last_day:
        problems.append(f"holdout_end must come after calibration_end ({last_day:%Y-%m-%d}), and is {end:%Y-%m-%d}")
    raise_problems("calibration_summary", problems)

    next_day = last_day + pd.Timedelta(days=1)
    past = purchase_summary(lines, as_of=next_day, **columns)
    past = past[past["purchase_days"] > 0].reset_index(drop=True)
    frequency = past["purchase_days"] - 1
    table = pd.DataFrame(
        {
            "customer_id": past["customer_id"],
            "frequency": frequency,
            f"recency_{unit}s": (past["age_days"] - past["days_since_last"]) / _DAYS[unit],
            f"age_{unit}s": (past["age_days"] - 1) / _DAYS[unit],
            "mean_repeat_spend": past["repeat_spend"] / frequency.where(frequency > 0, np.nan),
        }
    )
    if end is None:
        return table
    try:
        future = purchase_summary(lines, as_of=end + pd.Timedelta(days=1), since=next_day, **columns)
    except CrmError:
        # The same lines were read a moment ago: what is wrong can only be that none lies in the hold-out.
        future = past.head(0)
    later = future.set_index("customer_id")[["purchase_days", "revenue"]].reindex(table["customer_id"])
    return table.assign(
        holdout_purchases=later["purchase_days"].fillna(0).astype("int64").to_numpy(),
        holdout_spend=later["revenue"].fillna(0.0).astype("float64").to_numpy(),
    )
