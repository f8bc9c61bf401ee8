"""Purchases by period of the customers that a purchase model is fitted to, up to a day and after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, raise_problems
from crm_utils.company.daily import daily_purchases
from crm_utils.errors import CrmError

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def purchases_by_period(
    lines: Any, *, calibration_end: Any, holdout_end: Any = None, unit: str = "week", **columns: str
) -> pd.DataFrame:
    """Count repeat purchases by period, of the customers who first bought by the end of the calibration period.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines as `crm_utils.purchase_summary` takes them, and with its rules. Not modified.
    calibration_end : str or date
        Last day of the calibration period; a period ends with it.
    holdout_end : str or date, optional
        Last day of the hold-out period; default: no hold-out. The last period ends with it, and may be shorter.
    unit : {"day", "week", "month", "year"}, default "week"
        Length of a period. Months and years go by the calendar: where `calibration_end` is the last day of a month, so
        are the ends of all of them.
    **columns : str
        Names of columns (``customer_col``, ``amount_col``, …), handed to `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame
        One row a period, from that of the first purchase on, with the columns

        * period_end : last day of the period
        * purchases : purchase days after the first of a customer; orders of one day are one purchase
        * new_customers : customers who bought for the first time; none in the hold-out
        * in_holdout : whether the period comes after `calibration_end`

        Purchases add up to the frequencies and hold-out purchases of `calibration_summary`.

    Raises
    ------
    ParameterError
        If the unit is not known, a day cannot be read, or the hold-out does not end after the calibration: every
        problem.
    CrmError
        If the lines cannot be read or there is no purchase in the calibration period.

    See Also
    --------
    crm_utils.lifetime.calibration_summary : the same lines, one row a customer.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b", "c", "d"], "customer_id": ["x", "x", "y", "x"],
    ...     "ordered_at": pd.to_datetime(["2025-01-08", "2025-01-15", "2025-01-08", "2025-02-03"]),
    ...     "amount": [10.0, 20.0, 5.0, 8.0]})
    >>> purchases_by_period(lines, calibration_end="2025-01-21", holdout_end="2025-02-04")
      period_end  purchases  new_customers  in_holdout
    0 2025-01-14          0              2       False
    1 2025-01-21          1              0       False
    2 2025-01-28          0              0        True
    3 2025-02-04          1              0        True
    """
    problems: list[str] = []
    if unit not in (*_DAYS, *_MONTHS):
        problems.append(f"unit must be one of {', '.join([*_DAYS, *_MONTHS])}, and is {unit!r}")
    last_day = as_day(calibration_end, "calibration_end", problems)
    end = last_day if holdout_end is None else as_day(holdout_end, "holdout_end", problems)
    if not problems and holdout_end is not None and end <= last_day:
        problems.append(f"holdout_end must come after calibration_end ({last_day:%Y-%m-%d}), and is {end:%Y-%m-%d}")
    raise_problems("purchases_by_period", problems)

    one_day = pd.Timedelta(days=1)
    by_day = daily_purchases(lines, before=end + one_day, first_before=last_day + one_day, **columns)
    if by_day.empty:
        raise CrmError(
            f"No purchase of a known customer lies before {last_day + one_day:%Y-%m-%d}: choose another end."
        )
    ends = _period_ends(by_day["day"].iloc[0], last_day, end, unit)
    place = np.searchsorted(ends, by_day["day"].to_numpy())
    new = np.bincount(place, by_day["new_customers"], len(ends)).astype(np.int64)
    return pd.DataFrame(
        {
            "period_end": ends,
            "purchases": np.bincount(place, by_day["customers"], len(ends)).astype(np.int64) - new,
            "new_customers": new,
            "in_holdout": ends > last_day,
        }
    )


def _period_ends(first: pd.Timestamp, anchor: pd.Timestamp, last: pd.Timestamp, unit: str) -> pd.DatetimeIndex:
    """Ends of the periods that hold `first` to `last`; one of them is `anchor`, and the last is `last`."""
    if unit in _DAYS:
        offset = pd.DateOffset(days=_DAYS[unit])
    elif anchor.is_month_end:
        offset = pd.offsets.MonthEnd(_MONTHS[unit])
    else:
        offset = pd.DateOffset(months=_MONTHS[unit])
    # Each counted from the anchor, so that a month without its day moves no other.
    steps, ends = 1, [anchor]
    while anchor - steps * offset >= first:
        ends.insert(0, anchor - steps * offset)
        steps += 1
    steps = 1
    while anchor + steps * offset < last:
        ends.append(anchor + steps * offset)
        steps += 1
    if last > anchor:
        ends.append(last)
    return pd.DatetimeIndex(ends).as_unit("us")
