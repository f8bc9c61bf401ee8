"""Curve fitting: a customer's profit history matched to typical profit curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, count_problems, first_rows, raise_problems
from crm_utils.language import tr
from crm_utils.lifetime.discounting import present_value
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    observed : numpy.ndarray, shape (periods,)
        Profit of each period the fit rests on.
    """

    family: str
    level: float
    speed: float
    comparison: pd.DataFrame
    observed: np.ndarray

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
        raise_problems("ProfitCurve.value", count_problems("periods", periods, least=1))
        ahead = self.predict(len(self.observed) + np.arange(periods))
        return present_value(ahead, annual_discount_rate=annual_discount_rate, periods_per_year=periods_per_year)

    def curves_table(self, *, periods_ahead: int = 4) -> pd.DataFrame:
        """Table of `plot_curves`: what was observed, and what each family says.

        Parameters
        ----------
        periods_ahead : int, default 4
            Periods after the observed ones, 0 or more.

        Returns
        -------
        pandas.DataFrame
            One row a period from 1: ``period``, ``observed`` (NaN ahead), and a column a family, the nearest first.
        """
        seen = len(self.observed)
        time = np.arange(seen + periods_ahead, dtype=float)
        fitted = {
            row.family: row.level * PROFIT_CURVES[row.family](time, row.speed) for row in self.comparison.itertuples()
        }
        observed = np.concatenate([self.observed, np.full(periods_ahead, np.nan)])
        return pd.DataFrame({"period": time.astype(int) + 1, "observed": observed} | fitted)

    def plot_curves(self, *, periods_ahead: int = 4, ax: Axes | None = None) -> Axes:
        """Draw the profit of each period and the curves fitted to it; `curves_table` has the numbers.

        Parameters
        ----------
        periods_ahead : int, default 4
            Periods after the observed ones, 0 or more.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.
        """
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        table = self.curves_table(periods_ahead=periods_ahead)
        ax = new_axes(ax)
        ax.plot(table["period"], table["observed"], "o", color="black", markersize=5, label=tr("observed"))
        # Two families often lie on one another: the nearest is drawn last, and thick.
        for number, family in reversed(list(enumerate(self.comparison["family"]))):
            nearest = number == 0
            ax.plot(
                table["period"],
                table[family],
                color=PALETTE[number],
                linewidth=2.4 if nearest else 1.3,
                linestyle="-" if nearest else ("--", ":", "-.")[number - 1],
                label=tr("{family}, nearest").format(family=tr(family)) if nearest else tr(family),
            )
        if periods_ahead:
            ax.axvline(len(self.observed) + 0.5, color=MUTED, linestyle=":", linewidth=1.2)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.set(xlabel=tr("Period"), ylabel=tr("Profit"), title=tr("One customer's profit, and four curves through it"))
        ax.legend()
        return describe(
            ax,
            tr(
                "Profit of {periods} periods as dots, with four fitted curves. Nearest: {family}, which ends at "
                "{last:,.1f}."
            ).format(periods=len(self.observed), family=tr(self.family), last=table[self.family].iloc[-1]),
        )


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
    return ProfitCurve(best["family"], float(best["level"]), float(best["speed"]), comparison, seen)


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
