"""Cut the order lines in two: a past that methods may see, and a period on which they are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from crm_utils.company.summary import purchase_summary
from crm_utils.errors import ParameterError
from crm_utils.language import tr


@dataclass(frozen=True)
class Holdout:
    """Purchase summaries on both sides of a day.

    Parameters
    ----------
    split_day : pandas.Timestamp
        First day of the hold-out period.
    past : pandas.DataFrame or None
        Summary of what came before `split_day`; None where the data do not suffice.
    future : pandas.DataFrame or None
        Summary of the hold-out period; customers who bought nothing are absent.
    reason : str
        Why the data do not suffice; empty where they do.
    """

    split_day: pd.Timestamp
    past: pd.DataFrame | None
    future: pd.DataFrame | None
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether there is enough on both sides."""
        return not self.reason


def holdout(lines: pd.DataFrame, *, as_of: Any, horizon_months: int, customers_floor: int = 100) -> Holdout:
    """Hold out the last months of the data.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines as `purchase_summary` takes them, with ordered_at and customer_id.
    as_of : str or date
        Day of the analysis: the end of the hold-out period.
    horizon_months : int
        Length of the hold-out period, months; at least 1.
    customers_floor : int, default 100
        Fewest customers who must have bought before the period.

    Returns
    -------
    Holdout
        Both summaries, or the reason why there are none: too few customers before, or no purchase within.

    Raises
    ------
    ParameterError
        If `horizon_months` is below 1.
    """
    if horizon_months < 1:
        raise ParameterError(f"horizon_months is {horizon_months}; it must be at least 1.")
    end = pd.Timestamp(as_of)
    split_day = end - pd.DateOffset(months=horizon_months)
    past_lines = lines[lines["ordered_at"] < split_day]
    future_lines = lines[(lines["ordered_at"] >= split_day) & (lines["ordered_at"] < end)]
    customers = past_lines["customer_id"].nunique()
    if customers < customers_floor:
        reason = tr("needs at least {floor:,} customers who bought before {day}; this company has {customers:,}")
        reason = reason.format(floor=customers_floor, day=f"{split_day:%Y-%m-%d}", customers=customers)
        return Holdout(split_day, None, None, reason)
    if future_lines.empty:
        reason = tr("needs purchases on or after {day}; this company has none").format(day=f"{split_day:%Y-%m-%d}")
        return Holdout(split_day, None, None, reason)
    return Holdout(split_day, purchase_summary(past_lines, as_of=split_day), purchase_summary(future_lines, as_of=end))
