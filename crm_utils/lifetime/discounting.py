"""Lifetime value by the textbook: discounted margins, retention and migration, future events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, count_problems, missing_columns, raise_problems


def present_value(margins: Any, *, annual_discount_rate: float, periods_per_year: float = 1) -> float:
    """Discount margins to today: Σ (Q_t − C_t)/(1+i)^t for t = 0, 1, ….

    Parameters
    ----------
    margins : array-like of float, shape (periods,)
        Revenue less cost of each period; the first comes now and is not discounted.
    annual_discount_rate : float
        Discount rate of a year, above −1; 0.1 is ten per cent.
    periods_per_year : float, default 1
        Periods in a year: 12 for months.

    Returns
    -------
    float
        Value today, in the unit of the margins.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    Examples
    --------
    >>> round(present_value([100, 110, 121], annual_discount_rate=0.1), 6)
    300.0
    """
    problems = rate_problems(annual_discount_rate, periods_per_year)
    flows = as_numbers(margins, "margins", problems)
    raise_problems("present_value", problems)
    return float(flows @ _factors(np.arange(len(flows)), annual_discount_rate, periods_per_year))


def retention_value(
    margin: Any,
    *,
    retention_rate: float,
    annual_discount_rate: float,
    periods_per_year: float = 1,
) -> float:
    """Value of a customer who is lost for good once she leaves: Σ m_t r^t/(1+i)^t.

    Parameters
    ----------
    margin : float or array-like of float, shape (periods,)
        Margin of each period while she stays, the first now. A single number stays the same for ever.
    retention_rate : float
        Share of customers who stay from one period to the next, from 0 to 1.
    annual_discount_rate : float
        Discount rate of a year, above −1.
    periods_per_year : float, default 1
        Periods in a year: 12 for months.

    Returns
    -------
    float
        Value today; for one number m(1+i)/(1+i−r), with i the rate of a period.

    Raises
    ------
    ParameterError
        If the input is unusable; or if the margin goes on for ever and retention outweighs discounting.

    References
    ----------
    Dwyer, F. R. (1989). Customer lifetime valuation to support marketing decision making. *Journal of Direct
    Marketing* 3(4), 8–15.

    Examples
    --------
    >>> round(retention_value(100, retention_rate=0.8, annual_discount_rate=0.1), 2)
    366.67
    >>> round(retention_value([100, 100], retention_rate=0.8, annual_discount_rate=0.1), 2)
    172.73
    """
    problems = rate_problems(annual_discount_rate, periods_per_year)
    margins = as_numbers(np.atleast_1d(margin), "margin", problems)
    if not 0 <= retention_rate <= 1:
        problems.append(f"retention_rate must lie between 0 and 1, and is {retention_rate!r}")
    raise_problems("retention_value", problems)
    kept = retention_rate * _factors(1, annual_discount_rate, periods_per_year)
    if np.ndim(margin):
        return float(margins @ kept ** np.arange(len(margins)))
    if kept >= 1:
        raise_problems(
            "retention_value",
            ["the value is not finite, for retention outweighs discounting; give the margins of a limited time"],
        )
    return float(margins[0] / (1 - kept))


def recency_chain(purchase_probabilities: Any) -> pd.DataFrame:
    """Transition matrix of a customer whose chance to buy depends on how long ago she last bought.

    Parameters
    ----------
    purchase_probabilities : array-like of float, shape (k,)
        Probability to buy in the next period for those who last bought 1, 2, …, k periods ago. Who does not buy after
        k periods is gone and never returns.

    Returns
    -------
    pandas.DataFrame, shape (k + 1, k + 1)
        Probabilities from the state of the row to that of the column: recency ``"1"`` to ``"k"``, then ``"gone"``.

    Raises
    ------
    ParameterError
        If there is no probability, or one is outside 0 to 1.

    References
    ----------
    Pfeifer, P. E. & Carraway, R. L. (2000). Modeling customer relationships as Markov chains. *Journal of Interactive
    Marketing* 14(2), 43–55; after the migration model of Dwyer (1989).

    Examples
    --------
    >>> recency_chain([0.3, 0.2])
            1    2  gone
    state
    1     0.3  0.7   0.0
    2     0.2  0.0   0.8
    gone  0.0  0.0   1.0
    """
    problems: list[str] = []
    buys = as_numbers(np.atleast_1d(purchase_probabilities), "purchase_probabilities", problems)
    if not len(buys) or (buys < 0).any() or (buys > 1).any():
        problems.append("purchase_probabilities must be one or more numbers from 0 to 1")
    raise_problems("recency_chain", problems)
    states = len(buys)
    chain = np.zeros((states + 1, states + 1))
    chain[:states, 0] = buys
    chain[np.arange(states), np.arange(1, states + 1)] += 1 - buys
    chain[states, states] = 1
    names = [*map(str, range(1, states + 1)), "gone"]
    return pd.DataFrame(chain, index=pd.Index(names, name="state"), columns=names)


def migration_value(
    transitions: pd.DataFrame,
    margins: Any,
    *,
    annual_discount_rate: float,
    periods_per_year: float = 1,
    periods: int | None = None,
) -> pd.Series:
    """Value of a customer who may pause and come back (always a share), by the state she is in.

    Parameters
    ----------
    transitions : pandas.DataFrame, shape (states, states)
        Probability to go from the state of the row to that of the column in one period, such as `recency_chain`.
    margins : array-like of float, shape (states,)
        Expected margin of a period spent in each state, in the order of the rows.
    annual_discount_rate : float
        Discount rate of a year, above −1; above 0 without `periods`.
    periods_per_year : float, default 1
        Periods in a year: 12 for months.
    periods : int, optional
        Transitions that count, from 0, after the margin of today. Default: no end.

    Returns
    -------
    pandas.Series
        Value today by state, that of the present period included: (I − P/(1+i))⁻¹ g without an end.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    References
    ----------
    Pfeifer, P. E. & Carraway, R. L. (2000). Modeling customer relationships as Markov chains. *Journal of Interactive
    Marketing* 14(2), 43–55.

    Examples
    --------
    >>> chain = recency_chain([0.3, 0.2, 0.15, 0.05])
    >>> migration_value(chain, [36, -4, -4, -4, 0], annual_discount_rate=0.2).round(3).tolist()
    [52.32, 5.554, 1.251, -1.82, 0.0]
    """
    problems = rate_problems(annual_discount_rate, periods_per_year)
    if periods is None and annual_discount_rate <= 0:
        problems.append("annual_discount_rate must be above 0 where there is no end; set periods")
    if periods is not None:
        problems += count_problems("periods", periods, least=0)
    gains = as_numbers(margins, "margins", problems)
    chain = np.asarray(transitions, dtype=float)
    if chain.shape != (len(gains), len(gains)):
        problems.append(f"transitions must be {len(gains)} by {len(gains)}, one row a margin, and are {chain.shape}")
    elif list(transitions.index) != list(transitions.columns):
        problems.append("rows and columns of transitions must be the same states in the same order")
    if not ((chain >= 0).all() and np.allclose(chain.sum(axis=1), 1, rtol=0, atol=1e-9)):
        problems.append("each row of transitions must hold probabilities that add up to 1")
    raise_problems("migration_value", problems)
    discounted = chain * _factors(1, annual_discount_rate, periods_per_year)
    if periods is None:
        value = np.linalg.solve(np.eye(len(gains)) - discounted, gains)
    else:
        value = gains.copy()
        for _ in range(periods):
            value = gains + discounted @ value
    return pd.Series(value, transitions.index, name="value")


def event_value(
    events: pd.DataFrame,
    *,
    annual_discount_rate: float,
    periods_per_year: float = 1,
    group_col: str | None = None,
) -> pd.DataFrame:
    """Customer-event method: what each expected future event is worth today.

    Parameters
    ----------
    events : pandas.DataFrame
        One row an event: ``period`` (periods from today, from 0), ``probability`` (0 to 1), ``revenue`` and ``cost`` if
        it happens. An event that recurs has a row each time.
    annual_discount_rate : float
        Discount rate of a year, above −1.
    periods_per_year : float, default 1
        Periods in a year: 12 for months.
    group_col : str, optional
        Column to add up by, such as the customer or the kind of event.

    Returns
    -------
    pandas.DataFrame
        The events with ``expected_margin`` = p(revenue − cost) and ``value``, the same discounted; or, by
        `group_col`, the sums of the two, one row a group. The total of ``value`` is the lifetime value.

    Raises
    ------
    ParameterError
        If columns are missing or hold unusable values, with every problem.

    Examples
    --------
    >>> events = pd.DataFrame({"event": ["renewal", "repair"], "period": [1, 2], "probability": [0.5, 0.25],
    ...                        "revenue": [220.0, 0.0], "cost": [0.0, 96.8]})
    >>> event_value(events, annual_discount_rate=0.1)["value"].round(6).tolist()
    [100.0, -20.0]
    """
    columns = ("period", "probability", "revenue", "cost")
    absent = missing_columns(events, columns if group_col is None else (*columns, group_col), "events")
    problems = rate_problems(annual_discount_rate, periods_per_year) + absent
    raise_problems("event_value", problems)
    period, probability, revenue, cost = (as_numbers(events[name], f"events.{name}", problems) for name in columns)
    if (period < 0).any():
        problems.append(f"events.period must not be negative, and {(period < 0).sum():,} are; leave out what is past")
    if (outside := (probability < 0) | (probability > 1)).any():
        problems.append(f"events.probability must lie between 0 and 1; {outside.sum():,} do not")
    if group_col is not None and (unnamed := events[group_col].isna()).any():
        problems.append(f"events.{group_col} is missing in {unnamed.sum():,} rows; name the group of every event")
    raise_problems("event_value", problems)
    expected = probability * (revenue - cost)
    value = expected * _factors(period, annual_discount_rate, periods_per_year)
    valued = events.assign(expected_margin=expected, value=value)
    if group_col is None:
        return valued
    return valued.groupby(group_col, sort=True, observed=True)[["expected_margin", "value"]].sum().reset_index()


def _factors(periods: Any, annual_discount_rate: float, periods_per_year: float) -> Any:
    return (1 + annual_discount_rate) ** (-np.asarray(periods, dtype=float) / periods_per_year)


def rate_problems(annual_discount_rate: float, periods_per_year: float) -> list[str]:
    """Say what is wrong with the discount rate or the number of periods in a year."""
    problems = []
    if not (np.isfinite(annual_discount_rate) and annual_discount_rate > -1):
        problems.append(
            f"annual_discount_rate must be a number above −1 (0.1 is ten per cent), and is {annual_discount_rate!r}"
        )
    if not (np.isfinite(periods_per_year) and periods_per_year > 0):
        problems.append(f"periods_per_year must be above 0, and is {periods_per_year!r}")
    return problems
