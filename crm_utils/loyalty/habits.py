"""Customers by behaviour alone, where nothing is known of what they feel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean, wilson
from crm_utils.language import tr
from crm_utils.loyalty.measures import measured

HABITS = ("bought on one day", "came back, silent now", "came back, active")


def habit_groups(
    measures: pd.DataFrame, *, value_col: str, active_days: int = 182, level: float = 0.95
) -> pd.DataFrame:
    """Size and value of customers who bought once, who fell silent, and who are active.

    Parameters
    ----------
    measures : pandas.DataFrame
        One row a customer, with ``bought_again`` and ``recency_days``, such as a result of `loyalty_measures`.
        Customers without a purchase are left out.
    value_col : str
        Column of value, such as the margin of a year.
    active_days : int, default 182
        Who came back and bought within so many days is active.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        The three groups, empty ones too: ``habit``, ``customers``, ``share``, ``low``, ``high`` (Wilson's),
        ``mean_value``, ``mean_value_low``, ``mean_value_high`` (Student's t), ``value_share`` (of the value of all;
        NaN where that is not above zero).

    Raises
    ------
    ParameterError
        If columns are absent or not numeric, or an option is out of range.
    DataFloorError
        If nobody bought.

    Examples
    --------
    >>> measures = pd.DataFrame(
    ...     {"bought_again": [0, 1, 1, 1], "recency_days": [20, 400, 10, 30], "margin": [5.0, 5.0, 40.0, 50.0]})
    >>> habit_groups(measures, value_col="margin")[["habit", "customers", "mean_value", "value_share"]]
                       habit  customers  mean_value  value_share
    0      bought on one day          1         5.0         0.05
    1  came back, silent now          1         5.0         0.05
    2     came back, active          2        45.0         0.90
    """
    where = "habit_groups"
    problems = level_problems(level) + count_problems("active_days", active_days, least=1)
    found = measured(measures, ["bought_again", "recency_days", value_col], "measures", problems)
    raise_problems(where, problems)
    again, recency, value = found.values()
    bought = ~np.isnan(again)
    if not bought.any():
        raise DataFloorError(f"{where} needs customers who bought; there is none.")
    members = [bought & (again == 0), bought & (again > 0) & ~(recency <= active_days)]
    members.append(bought & ~members[0] & ~members[1])
    sizes = np.array([group.sum() for group in members])
    low, high = wilson(sizes, np.full(len(sizes), bought.sum()), level=level)
    means = [sample_mean(np.where(group, value, np.nan)) for group in members]
    ends = [mean.interval(level=level) for mean in means]
    sums = np.array([np.nansum(value[group]) for group in members])
    return pd.DataFrame(
        {
            "habit": [tr(name) for name in HABITS],
            "customers": sizes,
            "share": sizes / sizes.sum(),
            "low": low,
            "high": high,
            "mean_value": [mean.estimate for mean in means],
            "mean_value_low": [end[0] for end in ends],
            "mean_value_high": [end[1] for end in ends],
            "value_share": sums / sums.sum() if sums.sum() > 0 else np.nan,
        }
    )
