"""Whether of those with a chance of one in ten one in ten leaves: calibration curve, slope, Brier score in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, level_problems, missing_columns, raise_problems
from crm_utils.churn.evaluation import read_predictions
from crm_utils.errors import ConvergenceError
from crm_utils.intervals import person_codes, wilson
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Probabilities of exactly 0 and 1 have no log-odds.
_EDGE = 1e-6


def calibration_table(probability: Any, outcome: Any, *, bins: int = 10, level: float = 0.95) -> pd.DataFrame:
    """Hold predicted probabilities against what happened, in groups of equal size.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `warning_accuracy`.
    bins : int, default 10
        Groups, from 2; equal probabilities stay together, so that there may be fewer.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row a group, the least likely first: ``from``, ``to`` (probabilities), ``customers``, ``leavers``,
        ``predicted`` (mean probability), ``observed`` (share who left), ``low``, ``high`` (Wilson).

    Raises
    ------
    ParameterError, DataFloorError
        As in `warning_accuracy`.

    Examples
    --------
    >>> chance = np.repeat([0.1, 0.5], 50)
    >>> left = np.r_[np.arange(50) < 5, np.arange(50) < 30]
    >>> calibration_table(chance, left, bins=2)[["customers", "predicted", "observed"]]
       customers  predicted  observed
    0         50        0.1       0.1
    1         50        0.5       0.6
    """
    where = "calibration_table"
    problems = count_problems("bins", bins, least=2) + level_problems(level)
    chance, happened = read_predictions(where, probability, outcome, problems)
    group = _groups(chance, bins)
    size = np.bincount(group)
    left = np.bincount(group, happened)
    low, high = wilson(left, size, level=level)
    ranges = pd.Series(chance).groupby(group).agg(["min", "max"])
    return pd.DataFrame(
        {
            "from": ranges["min"].to_numpy(),
            "to": ranges["max"].to_numpy(),
            "customers": size,
            "leavers": left.astype(int),
            "predicted": np.bincount(group, chance) / size,
            "observed": left / size,
            "low": low,
            "high": high,
        }
    )


def _groups(chance: np.ndarray, bins: int) -> np.ndarray:
    """Number of the group of each row, from 0, of about equal sizes; equals stay together."""
    _, place, counts = np.unique(chance, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.unique(np.floor(middle / len(chance) * bins).astype(int), return_inverse=True)[1][place]


def calibration_slope(probability: Any, outcome: Any, *, clusters: Any = None, level: float = 0.95) -> pd.DataFrame:
    """Fit what happened to the log-odds of the predictions: slope, intercept and calibration in the large.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `warning_accuracy`.
    clusters : array-like, shape (n,), optional
        Customer of each row, where one has several.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        ``measure``, ``value``, ``low``, ``high``, ``ideal``: ``slope`` (1; below, the predictions are too extreme),
        ``intercept`` at that slope (0), ``in_the_large`` (0; the intercept at a slope of 1: above, more leave than
        predicted) and ``observed_to_expected`` (1; leavers against the sum of probabilities, with the exact ends of
        that interval).

    Raises
    ------
    ParameterError, DataFloorError
        As in `warning_accuracy`.
    ConvergenceError
        If all probabilities are equal, or the fit does not converge.

    References
    ----------
    .. [1] Cox, D. R. (1958). Two further applications of a model for binary regression. Biometrika 45, 562–565.
    .. [2] Van Calster, B. et al. (2016). A calibration hierarchy for risk models was defined. Journal of Clinical
       Epidemiology 74, 167–176.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> chance = rng.uniform(0.05, 0.6, 4000)
    >>> found = calibration_slope(chance, rng.random(4000) < chance).set_index("measure")
    >>> bool(found.loc["slope", "low"] < 1 < found.loc["slope", "high"])
    True
    """
    import statsmodels.api as sm

    where = "calibration_slope"
    chance, happened = read_predictions(where, probability, outcome, level_problems(level))
    kept = np.clip(chance, _EDGE, 1 - _EDGE)
    log_odds = np.log(kept / (1 - kept))
    if np.ptp(log_odds) < 1e-9:
        raise ConvergenceError(f"{where}: all probabilities are equal; there is no slope.")
    people = person_codes(np.arange(len(chance)) if clusters is None else clusters)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": people}} if clusters is not None else {}
    ones = np.ones(len(chance))
    family = sm.families.Binomial()
    line = sm.GLM(happened, np.column_stack([ones, log_odds]), family=family).fit(**options)
    level_only = sm.GLM(happened, ones, family=family, offset=log_odds).fit(**options)
    if not (line.converged and level_only.converged):
        raise ConvergenceError(f"{where}: the fit did not converge; the probabilities may tell leavers perfectly.")
    ends, large = line.conf_int(1 - level), level_only.conf_int(1 - level)[0]
    # The share that left is expected × ratio; its error is that of the share.
    size, expected = len(chance), chance.mean()
    low, high = wilson(np.array([happened.sum()]), np.array([size]), level=level)
    rows = [
        ("slope", line.params[1], *ends[1], 1.0),
        ("intercept", line.params[0], *ends[0], 0.0),
        ("in_the_large", level_only.params[0], *large, 0.0),
        ("observed_to_expected", happened.mean() / expected, low[0] / expected, high[0] / expected, 1.0),
    ]
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "ideal"])


def brier_decomposition(probability: Any, outcome: Any, *, bins: int | None = 10) -> pd.Series:
    """Split the Brier score into reliability, resolution and uncertainty.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `warning_accuracy`.
    bins : int or None, default 10
        Groups of about equal size; None for one group a distinct probability.

    Returns
    -------
    pandas.Series of float
        ``brier`` = ``reliability`` − ``resolution`` + ``uncertainty`` + ``within_groups``: how far observed shares lie
        from the predicted (low is good), how far they lie from the churn rate (high is good), what the churn rate
        leaves open, and what grouping hides (0 with one group a probability). ``skill`` is 1 − brier/uncertainty.

    Raises
    ------
    ParameterError, DataFloorError
        As in `warning_accuracy`.

    References
    ----------
    .. [1] Murphy, A. H. (1973). A new vector partition of the probability score. Journal of Applied Meteorology 12(4),
       595–600.
    .. [2] Stephenson, D. B., Coelho, C. A. S. & Jolliffe, I. T. (2008). Two extra components in the Brier score
       decomposition. Weather and Forecasting 23(4), 752–757.

    Examples
    --------
    >>> chance = np.repeat([0.1, 0.5], 50)
    >>> left = np.r_[np.arange(50) < 5, np.arange(50) < 30]
    >>> found = brier_decomposition(chance, left)
    >>> found[["brier", "reliability", "resolution", "uncertainty"]].round(4).tolist()
    [0.17, 0.005, 0.0625, 0.2275]
    """
    where = "brier_decomposition"
    problems = [] if bins is None else count_problems("bins", bins, least=2)
    chance, happened = read_predictions(where, probability, outcome, problems)
    group = np.unique(chance, return_inverse=True)[1] if bins is None else _groups(chance, bins)
    size = np.bincount(group)
    predicted, observed = np.bincount(group, chance) / size, np.bincount(group, happened) / size
    rate = happened.mean()
    brier = np.mean((chance - happened) ** 2)
    reliability = float(size @ (predicted - observed) ** 2 / len(chance))
    resolution = float(size @ (observed - rate) ** 2 / len(chance))
    inside = chance - predicted[group]
    within = np.mean(inside**2) - 2 * np.mean((happened - observed[group]) * inside)
    return pd.Series(
        {
            "brier": float(brier),
            "reliability": reliability,
            "resolution": resolution,
            "uncertainty": float(rate * (1 - rate)),
            "within_groups": float(within),
            "skill": float(1 - brier / (rate * (1 - rate))),
        }
    )


def plot_calibration(calibration: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what happened against what was predicted, with intervals and the line of perfect calibration.

    Parameters
    ----------
    calibration : pandas.DataFrame
        As from `calibration_table`, which is the table of the figure.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import PercentFormatter

    columns = ("predicted", "observed", "low", "high")
    raise_problems("plot_calibration", missing_columns(calibration, columns, "calibration"))
    predicted, observed, low, high = (calibration[name].to_numpy(dtype=float) for name in columns)
    ax = new_axes(ax)
    top = 1.05 * max(predicted.max(), high.max())
    ax.plot([0, top], [0, top], color=MUTED, linestyle=":", label=tr("as predicted"))
    ax.errorbar(
        predicted,
        observed,
        yerr=np.maximum([observed - low, high - observed], 0),
        fmt="o",
        color=PALETTE[0],
        ecolor=MUTED,
        label=tr("observed"),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    ax.set(
        xlim=(0, top),
        ylim=(0, top),
        xlabel=tr("predicted probability of leaving"),
        ylabel=tr("share who left"),
        title=tr("Do as many leave as predicted?"),
    )
    ax.legend(loc="upper left")
    inside = int(((low <= predicted) & (predicted <= high)).sum())
    text = tr(
        "Dots of the share who left by predicted probability, from {first:.1%} predicted and {first_seen:.1%} observed "
        "to {last:.1%} and {last_seen:.1%}; the interval holds the prediction in {inside} of {groups} groups."
    )
    return describe(
        ax,
        text.format(
            first=predicted[0],
            first_seen=observed[0],
            last=predicted[-1],
            last_seen=observed[-1],
            inside=inside,
            groups=len(predicted),
        ),
    )
