"""Interval estimates shared by the chapters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


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
