"""Simple rules that score customers without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import missing_columns, raise_problems
from crm_utils.value.rfm import rfm

_DAYS_A_MONTH = 365.25 / 12


def simple_scores(
    summary: pd.DataFrame,
    *,
    as_of: Any,
    bins: int = 5,
    active_within_days: int = 270,
    customer_col: str = "customer_id",
    first_purchase_col: str = "first_purchase",
    last_purchase_col: str = "last_purchase",
    frequency_col: str = "purchase_days",
    monetary_col: str = "revenue",
) -> pd.DataFrame:
    """Score customers by three rules that need no model.

    Parameters
    ----------
    summary : pandas.DataFrame
        Purchase summary up to `as_of`.
    as_of : date-like
        Day on which the prediction is made.
    bins : int, default 5
        Bins of the RFM scores, by rank quantiles.
    active_within_days : int, default 270
        A customer whose last purchase lies further back counts as lost in ``recent_rate``.
    customer_col, first_purchase_col, last_purchase_col, frequency_col, monetary_col : str
        Columns of `summary`.

    Returns
    -------
    pandas.DataFrame
        One row a customer: the customer column, ``past_revenue`` (the order that ABC analysis uses), ``rfm_sum`` (sum
        of the three scores; 0 without a purchase) and ``recent_rate`` (revenue a month since the first purchase, at
        least one month; 0 for lost customers).

    Raises
    ------
    ParameterError
        If options or columns are unusable.

    References
    ----------
    Wübben, M. & von Wangenheim, F. (2008). Instant customer base analysis: managerial heuristics often "get it right".
    *Journal of Marketing* 72(3), 82–93. The hiatus rule.

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b"],
    ...     "first_purchase": pd.to_datetime(["2025-01-01", "2024-01-01"]),
    ...     "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01"]),
    ...     "purchase_days": [9, 1],
    ...     "revenue": [900.0, 100.0],
    ... })
    >>> simple_scores(summary, as_of="2026-01-01", bins=2).round(1)
      customer_id  past_revenue  rfm_sum  recent_rate
    0           a         900.0        6         75.1
    1           b         100.0        3          0.0
    """
    problems = missing_columns(summary, (first_purchase_col,), "summary")
    if not active_within_days > 0:
        problems.append(f"active_within_days must be above 0, and is {active_within_days!r}")
    raise_problems("simple_scores", problems)
    scored = rfm(
        summary,
        as_of=as_of,
        bins=bins,
        customer_col=customer_col,
        last_purchase_col=last_purchase_col,
        frequency_col=frequency_col,
        monetary_col=monetary_col,
    )
    age_days = (pd.Timestamp(as_of) - summary[first_purchase_col]).dt.days.to_numpy(dtype=float)
    months = np.maximum(age_days / _DAYS_A_MONTH, 1)
    active = scored["recency_days"].to_numpy(dtype=float, na_value=np.inf) <= active_within_days
    scores = scored[["r_score", "f_score", "m_score"]].sum(axis=1, skipna=False).fillna(0)
    return pd.DataFrame(
        {
            customer_col: scored[customer_col],
            "past_revenue": scored["monetary"],
            "rfm_sum": scores.astype(int),
            "recent_rate": np.where(active, scored["monetary"] / months, 0.0),
        }
    )
