"""Lifetime value by the textbook: discounted margins, retention and migration, future events, fitted profit curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, missing_columns, raise_problems


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
    if periods is not None and (isinstance(periods, bool) or not isinstance(periods, int | np.integer) or periods < 0):
        problems.append(f"periods must be a whole number of at least 0, and is {periods!r}")
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


_Shape = Callable[[np.ndarray, float], np.ndarray]

# Profit in period t = level × shape(t, speed).
PROFIT_CURVES: dict[str, _Shape] = {
    "constant": lambda t, speed: np.ones_like(t),
    "decline": lambda t, speed: np.exp(-speed * t),
    "saturation": lambda t, speed: 1 - np.exp(-speed * (t + 1)),
    "life cycle": lambda t, speed: (t + 1) * np.exp(-speed * t),
}
LEAST_PERIODS = 4
_SLOWEST, _FASTEST = 1e-3, 5.0
_GOLDEN = (5**0.5 - 1) / 2
_SECTIONS = 45  # from two steps of the grid to less than 1e-9


@dataclass(frozen=True, eq=False)
class ProfitCurve:
    """The fitted profit curve that lies nearest to a customer's history.

    Attributes
    ----------
    family : str
        Name of the nearest family in `PROFIT_CURVES`.
    level, speed : float
        Its parameters: profit in period t is level × shape(t, speed); speed is NaN for a constant.
    comparison : pandas.DataFrame
        One row a family, nearest first: ``family``, ``level``, ``speed``, ``squared_error`` (sum over the observed
        periods) and ``error_variance`` (the same per degree of freedom, by which families are compared).
    observed_periods : int
        Periods the fit rests on.
    """

    family: str
    level: float
    speed: float
    comparison: pd.DataFrame
    observed_periods: int

    def predict(self, periods: Any) -> np.ndarray:
        """Profit of periods by the fitted curve.

        Parameters
        ----------
        periods : array-like of float
            Periods counted as in the history: 0 is the first observed.

        Returns
        -------
        numpy.ndarray of float
            Profit of each.
        """
        return self.level * PROFIT_CURVES[self.family](np.asarray(periods, dtype=float), self.speed)

    def value(self, periods: int, *, annual_discount_rate: float, periods_per_year: float = 1) -> float:
        """Value today of the periods that follow the observed ones, the first of them now.

        Parameters
        ----------
        periods : int
            Periods ahead, at least 1.
        annual_discount_rate : float
            Discount rate of a year, above −1.
        periods_per_year : float, default 1
            Periods in a year: 12 for months.

        Returns
        -------
        float
            Discounted sum of the predicted profits.

        Raises
        ------
        ParameterError
            If an option is out of range.
        """
        if isinstance(periods, bool) or not isinstance(periods, int | np.integer) or periods < 1:
            raise_problems("ProfitCurve.value", [f"periods must be a whole number of at least 1, and is {periods!r}"])
        ahead = self.predict(self.observed_periods + np.arange(periods))
        return present_value(ahead, annual_discount_rate=annual_discount_rate, periods_per_year=periods_per_year)


def fit_profit_curve(profits: Any) -> ProfitCurve:
    """Match a customer's profit history to typical profit curves by least squares.

    The families are a constant m, a decline m·e^(−st), a saturation m(1 − e^(−s(t+1))) and a life cycle
    m(t+1)·e^(−st), for t = 0, 1, … and s from 0.001 to 5 a period. The nearest is the one with the least squared error
    per degree of freedom, so that a curve with one parameter more has to earn it.

    No family changes its sign: leave the cost of acquisition out of the history, and subtract it from the value.

    Parameters
    ----------
    profits : array-like of float, shape (periods,)
        Profit of each period from the first, at least four.

    Returns
    -------
    ProfitCurve
        The nearest curve, and how near each family came.

    Raises
    ------
    ParameterError
        If there are fewer than four periods, or missing values.

    Examples
    --------
    >>> curve = fit_profit_curve([100, 80, 64, 51.2, 40.96])
    >>> curve.family, round(curve.level, 2)
    ('decline', 100.0)
    >>> curve.predict([5]).round(2).tolist()
    [32.77]
    """
    problems: list[str] = []
    seen = as_numbers(profits, "profits", problems)
    if len(seen) < LEAST_PERIODS:
        problems.append(f"a curve needs at least four periods, and there are {len(seen)}; use their mean instead")
    raise_problems("fit_profit_curve", problems)
    comparison = pd.DataFrame(
        [
            {"family": family, **{name: float(values[0]) for name, values in fit.items()}}
            for family, fit in _fitted(seen[None]).items()
        ]
    )
    # Exact ties, such as a history of zeros, go to the simplest family: it comes first and the sort is stable.
    comparison = comparison.sort_values("error_variance", kind="stable", ignore_index=True)
    best = comparison.iloc[0]
    return ProfitCurve(best["family"], float(best["level"]), float(best["speed"]), comparison, len(seen))


def fit_profit_curves(histories: pd.DataFrame) -> pd.DataFrame:
    """Match the profit history of every customer to typical profit curves, as `fit_profit_curve` does for one.

    Parameters
    ----------
    histories : pandas.DataFrame of float, shape (customers, periods)
        Profit of each customer by period, the earliest first; NaN before a customer's first period, and nowhere else.

    Returns
    -------
    pandas.DataFrame
        One row a customer, with the index of `histories`: ``periods`` observed, ``family``, ``level`` and ``speed`` of
        the nearest curve. A customer with fewer than four periods gets the constant of their mean.

    Raises
    ------
    ParameterError
        If a customer has no period, or a gap.

    Examples
    --------
    >>> histories = pd.DataFrame([[100, 80, 64, 51.2, 40.96], [None, None, None, 30, 50]], index=["old", "new"])
    >>> fit_profit_curves(histories).round(2)
         periods    family  level  speed
    old        5   decline  100.0   0.22
    new        2  constant   40.0    NaN
    """
    raise_problems("fit_profit_curves", history_problems(histories, "histories"))
    profits = histories.to_numpy(dtype=float)
    periods = np.isfinite(profits).sum(axis=1)
    family = np.full(len(profits), "constant", dtype=object)
    level, speed = np.full(len(profits), np.nan), np.full(len(profits), np.nan)
    for count in np.unique(periods):
        group = np.flatnonzero(periods == count)
        seen = profits[group, profits.shape[1] - count :]
        if count < LEAST_PERIODS:
            level[group] = seen.mean(axis=1)
            continue
        fits = _fitted(seen)
        best = np.argmin([fit["error_variance"] for fit in fits.values()], axis=0)
        for number, (name, fit) in enumerate(fits.items()):
            chosen = group[best == number]
            family[chosen] = name
            level[chosen], speed[chosen] = fit["level"][best == number], fit["speed"][best == number]
    return pd.DataFrame({"periods": periods, "family": family, "level": level, "speed": speed}, histories.index)


def _fitted(seen: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Least squares of each family to each history (rows), at least four periods (columns) long."""
    fits = {}
    for family in PROFIT_CURVES:
        parameters = 1 if family == "constant" else 2
        speed = np.full(len(seen), np.nan) if family == "constant" else _nearest_speed(family, seen)
        level, error = _level_and_error(family, speed, seen)
        fits[family] = {
            "level": level,
            "speed": speed,
            "squared_error": error,
            "error_variance": error / (seen.shape[1] - parameters),
        }
    return fits


def _level_and_error(family: str, speed: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best level given the speed of each history, for which it is linear, and the squared error."""
    time = np.arange(seen.shape[1], dtype=float)
    shape = np.broadcast_to(PROFIT_CURVES[family](time, speed[:, None]), seen.shape)
    level = (shape * seen).sum(axis=1) / (shape**2).sum(axis=1)
    return level, ((seen - level[:, None] * shape) ** 2).sum(axis=1)


def _nearest_speed(family: str, seen: np.ndarray) -> np.ndarray:
    """Speed of least squared error of each history: the best of a grid, then golden sections around it."""
    grid = np.linspace(np.log(_SLOWEST), np.log(_FASTEST), 60)
    shapes = PROFIT_CURVES[family](np.arange(seen.shape[1], dtype=float), np.exp(grid)[:, None])
    explained = (seen @ shapes.T) ** 2 / (shapes**2).sum(axis=1)
    near = explained.argmax(axis=1)
    low, high = grid[np.maximum(near - 1, 0)], grid[np.minimum(near + 1, len(grid) - 1)]

    def error(log_speed: np.ndarray) -> np.ndarray:
        return _level_and_error(family, np.exp(log_speed), seen)[1]

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = error(left), error(right)
    for _ in range(_SECTIONS):
        falls = at_left > at_right
        low, high = np.where(falls, left, low), np.where(falls, high, right)
        new = np.where(falls, low + _GOLDEN * (high - low), high - _GOLDEN * (high - low))
        at_new = error(new)
        left, right = np.where(falls, right, new), np.where(falls, new, left)
        at_left, at_right = np.where(falls, at_right, at_new), np.where(falls, at_new, at_left)
    return np.exp((low + high) / 2)


def history_problems(histories: pd.DataFrame, name: str) -> list[str]:
    """Say which customers lack a number between their first period and the last, as a list of at most one problem."""
    known = np.isfinite(histories.to_numpy(dtype=float))
    gap = ~known.any(axis=1) | (known[:, :-1] & ~known[:, 1:]).any(axis=1)
    if not gap.any():
        return []
    return [
        (
            f"{name} must hold numbers from each customer's first period to the last, and {gap.sum():,} do not "
            f"({first_rows(gap, histories.index)}); fill periods in which nothing came with 0"
        )
    ]


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
