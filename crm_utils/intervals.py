"""Interval estimates shared by the chapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Of the variance of a single value: what is left of the square of an error where all values are equal.
_ROUNDING = 1e-12


def wilson(successes: np.ndarray, trials: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of proportions; NaN where there were no trials."""
    from statsmodels.stats.proportion import proportion_confint

    successes, trials = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    low, high = np.full(trials.shape, np.nan), np.full(trials.shape, np.nan)
    tried = trials > 0
    if tried.any():
        low[tried], high[tried] = proportion_confint(successes[tried], trials[tried], alpha=1 - level, method="wilson")
    # Exactly there, where rounding would put the limit on the wrong side of the share itself.
    low[tried & (successes == 0)] = 0.0
    high[tried & (successes == trials)] = 1.0
    return low, high


def bootstrap(
    statistics: Callable[[np.ndarray], np.ndarray],
    size: int,
    *,
    n_boot: int,
    seed: int | np.random.SeedSequence,
) -> np.ndarray:
    """Replicates of `statistics` over resampled cases, one row a replicate.

    `statistics` gets how often each case was drawn: for statistics that sort, the order is then made once, not once
    a replicate. One replicate is held at a time, each from a child seed of its own.
    """
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    replicates = []
    for child in root.spawn(n_boot):
        drawn = np.random.default_rng(child).integers(0, size, size)
        replicates.append(statistics(np.bincount(drawn, minlength=size)))
    return np.asarray(replicates, dtype=float)


def percentile_interval(replicates: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of each column, over the replicates in which it is defined."""
    low, high = np.full(replicates.shape[1:], np.nan), np.full(replicates.shape[1:], np.nan)
    defined = ~np.isnan(replicates).all(axis=0)
    if defined.any():
        tails = [(1 - level) / 2, (1 + level) / 2]
        low[defined], high[defined] = np.nanquantile(replicates[:, defined], tails, axis=0)
    return low, high


def person_codes(labels: Any) -> np.ndarray:
    """Number people by their labels, shape (n,); who has none is a person of her own."""
    codes = pd.factorize(pd.Series(labels), use_na_sentinel=True)[0]
    unknown = codes < 0
    codes[unknown] = codes.max(initial=-1) + 1 + np.arange(unknown.sum())
    return codes


@dataclass(frozen=True)
class SampleMean:
    """Weighted mean of a sample, and what each unit contributes to its error.

    Attributes
    ----------
    estimate, std_error : float
        Mean and standard error; NaN for no values, and for fewer than two units.
    units : int
        Clusters (or cases) with a value.
    cases : int
        Values.
    influence : numpy.ndarray of float, shape (clusters,)
        Contribution of each cluster of the whole sample; they add up to zero, and their squares to the variance but
        for the factor units/(units − 1).
    """

    estimate: float
    std_error: float
    units: int
    cases: int
    influence: np.ndarray

    def interval(self, *, level: float) -> tuple[float, float]:
        """Interval by Student's t with as many degrees of freedom as units less one."""
        from scipy.stats import t

        if self.units < 2:
            return np.nan, np.nan
        reach = t.ppf((1 + level) / 2, self.units - 1) * self.std_error
        return self.estimate - reach, self.estimate + reach


def sample_mean(
    values: np.ndarray, *, weights: np.ndarray | None = None, clusters: np.ndarray | None = None
) -> SampleMean:
    """Mean of a sample with weights and clusters, with the linearised standard error.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
        Values; NaN is left out.
    weights : numpy.ndarray of float, shape (n,), optional
        Weights, 0 or more.
    clusters : numpy.ndarray of int, shape (n,), optional
        Number of the cluster, from 0, that each case belongs to; cases of one cluster may go together.

    Returns
    -------
    SampleMean
        The mean.

    References
    ----------
    .. [1] Särndal, C.-E., Swensson, B. & Wretman, J. (1992). Model Assisted Survey Sampling. Springer, section 5.5.

    Examples
    --------
    >>> mean = sample_mean(np.array([1.0, 2.0, 3.0, np.nan]))
    >>> mean.estimate, round(mean.std_error, 4), mean.units
    (2.0, 0.5774, 3)
    """
    values = np.asarray(values, dtype=float)
    codes = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    mass = np.where(np.isnan(values), 0.0, 1.0 if weights is None else np.asarray(weights, dtype=float))
    total, cases = mass.sum(), int((mass > 0).sum())
    size = int(codes.max()) + 1 if len(codes) else 0
    if not total > 0:
        return SampleMean(np.nan, np.nan, 0, cases, np.zeros(size))
    estimate = float(mass @ np.nan_to_num(values) / total)
    influence = np.bincount(codes, mass * (np.nan_to_num(values) - estimate), minlength=size) / total
    units = len(np.unique(codes[mass > 0]))
    error = np.sqrt(units / (units - 1) * (influence**2).sum()) if units > 1 else np.nan
    return SampleMean(estimate, float(error), units, cases, influence)


def independent_answers(
    values: np.ndarray, mean: SampleMean, weights: np.ndarray | None, variance: float, *, level: float
) -> float:
    """How many independent answers of equal weight would tell as much as a sample's: not more than its own.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n,)
        Values; NaN where there is none.
    mean : SampleMean
        Their mean, with weights and clusters.
    weights : numpy.ndarray of float, shape (n,), or None
        Weights.
    variance : float
        Variance of a single value.
    level : float
        Confidence level of the interval that the number is for: where people are few, Student's t is wider than the
        formulas for independent answers take it.

    Returns
    -------
    float
        Answers; 0 where there are none. Where all values are equal, no error tells what weights and clusters cost, and
        it is Kish's number [2]_, or that of the people if that is less.

    References
    ----------
    .. [1] Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of
       positive counts estimated from survey data. Survey Methodology 24(2), 193–201.
    .. [2] Kish, L. (1965). Survey Sampling. Wiley, section 11.7: (Σw)² / Σw².

    Examples
    --------
    >>> inside = np.array([1.0, 1, 1, 0, np.nan])
    >>> round(independent_answers(inside, sample_mean(inside), None, 3 / 16, level=0.95), 6)
    4.0
    """
    from scipy.stats import t

    if not mean.cases:
        return 0.0
    if mean.units < 2 or not variance > 0 or not mean.std_error**2 > _ROUNDING * variance:
        mass = (np.ones(len(values)) if weights is None else weights)[~np.isnan(values)]
        return float(min(mean.units, mass.sum() ** 2 / (mass**2).sum()))
    # Less the factor units/(units − 1), so that plain answers count as many as they are.
    size = variance / mean.std_error**2 * mean.units / (mean.units - 1)
    wider = t.ppf((1 + level) / 2, mean.units - 1) / t.ppf((1 + level) / 2, mean.cases - 1)
    # One answer of little weight that differs would seem to make thousands.
    return float(min(size / wider**2, mean.cases))


def share_interval(
    inside: np.ndarray, mean: SampleMean, weights: np.ndarray | None, *, level: float
) -> tuple[float, float]:
    """Wilson's interval of a share, for as many independent answers as would tell as much.

    Parameters
    ----------
    inside : numpy.ndarray of float, shape (n,)
        1, 0, or NaN for no answer.
    mean, weights, level
        As for `independent_answers`.

    Returns
    -------
    low, high : float
        Ends; NaN where there is no answer.

    Examples
    --------
    >>> inside = np.array([1.0, 1, 1, 0, np.nan])
    >>> [round(end, 3) for end in share_interval(inside, sample_mean(inside), None, level=0.95)]
    [0.301, 0.954]
    """
    share = mean.estimate
    size = independent_answers(inside, mean, weights, share * (1 - share), level=level)
    low, high = wilson(np.array([share * size]), np.array([size]), level=level)
    return float(low[0]), float(high[0])
