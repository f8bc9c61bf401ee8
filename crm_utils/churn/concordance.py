"""How well a score puts those who leave first in front: Harrell's C for durations that are not all over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Concordance:
    """Harrell's C.

    Attributes
    ----------
    estimate : float
        Share of comparable pairs in which who left first has the higher score, ties counting half: 0.5 is chance.
    low, high : float
        Interval, by the infinitesimal jackknife over members (or clusters).
    pairs : int
        Comparable pairs.
    level : float
        Confidence level.
    """

    estimate: float
    low: float
    high: float
    pairs: int
    level: float


def concordance_index(
    duration: np.ndarray,
    event: np.ndarray,
    score: np.ndarray,
    *,
    entry: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
) -> Concordance:
    """Share of comparable pairs that a score puts into the order of leaving (Harrell's C).

    A pair is comparable if one leaves while the other is under observation and stays longer; one who is last seen at
    the very time stays longer, too. Takes n log² n steps.

    Parameters
    ----------
    duration, event, score : numpy.ndarray, shape (n,)
        Duration, whether it ended then, and a score that is higher where leaving is expected sooner.
    entry : numpy.ndarray, shape (n,), optional
        Duration after which each is under observation.
    strata : numpy.ndarray of int, shape (n,), optional
        Pairs are made within each of these only.
    clusters : numpy.ndarray of int, shape (n,), optional
        Rows that belong together, for the interval.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Concordance
        C; NaN where no pair is comparable.

    References
    ----------
    Harrell, F. E., Lee, K. L. & Mark, D. B. (1996). Multivariable prognostic models. *Statistics in Medicine* 15(4),
    361–387. Therneau, T. M. & Watson, D. A. (2015). The concordance statistic and the Cox model. Mayo Clinic Technical
    Report 85 (interval).

    Examples
    --------
    >>> duration, event, score = np.array([1.0, 2, 3, 4]), np.array([True, True, False, True]), np.array([3.0, 1, 2, 0])
    >>> found = concordance_index(duration, event, score)
    >>> found.pairs, found.estimate
    (5, 0.8)
    """
    from scipy.stats import norm

    size = len(duration)
    agreed, compared = np.zeros(size), np.zeros(size)
    layers = [np.arange(size)] if strata is None else [np.flatnonzero(strata == code) for code in np.unique(strata)]
    for rows in layers:
        since = None if entry is None or not entry.any() else entry[rows]
        rank = pd.factorize(score[rows], sort=True)[0]
        agreed[rows], compared[rows] = _pairs(duration[rows], event[rows], rank, since)
    total = compared.sum()  # every pair twice
    if not total > 0:
        return Concordance(np.nan, np.nan, np.nan, 0, level)
    estimate = float(agreed.sum() / total)
    influence = 2 * (agreed - estimate * compared) / total
    if clusters is not None:
        influence = np.bincount(clusters, influence)
    reach = float(norm.ppf((1 + level) / 2) * np.sqrt((influence**2).sum()))
    return Concordance(estimate, max(0.0, estimate - reach), min(1.0, estimate + reach), round(total / 2), level)


def _pairs(
    duration: np.ndarray, event: np.ndarray, rank: np.ndarray, entry: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Of the pairs that each row is in: how many agree with the score, ties counting half, and how many there are."""
    # Who is last seen at the time of an event is still there.
    moment = 2 * pd.factorize(duration, sort=True)[0] + ~event
    leaves = event.astype(float)
    everybody = np.ones(len(rank))
    stays = _half_counts(moment, rank, leaves, everybody)
    if entry is None:
        return stays
    # Who has not entered by the time of an event cannot be compared with it.
    times = np.unique(np.concatenate([duration, entry]))
    absent = entry > 0
    left, right = np.searchsorted(times, duration) * 2, np.searchsorted(times, entry) * 2 + 1
    both = _half_counts(
        np.concatenate([left[event], right[absent]]),
        np.concatenate([rank[event], rank[absent]]),
        np.repeat([1.0, 0.0], [event.sum(), absent.sum()]),
        np.repeat([0.0, 1.0], [event.sum(), absent.sum()]),
    )
    agreed, compared = stays
    for total, part in ((agreed, both[0]), (compared, both[1])):
        np.subtract.at(total, np.flatnonzero(event), part[: event.sum()])
        np.subtract.at(total, np.flatnonzero(absent), part[event.sum() :])
    return agreed, compared


def _half_counts(
    moment: np.ndarray, rank: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a `first` row and a `second` one of a later moment: how many agree, and how many there are, by row."""
    # As the first of a pair: those later with a lower rank agree, those with a higher one do not.
    lower = first * _earlier_and_lower(-moment, rank, second)
    higher = first * _earlier_and_lower(-moment, -rank, second)
    # As the second of a pair: those earlier with a higher rank agree.
    lower += second * _earlier_and_lower(moment, -rank, first)
    higher += second * _earlier_and_lower(moment, rank, first)
    compared = first * _earlier(-moment, second) + second * _earlier(moment, first)
    return (lower + compared - higher) / 2, compared


def _earlier(moment: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weight of the rows with a smaller moment, for each row."""
    codes = pd.factorize(moment, sort=True)[0]
    sums = np.bincount(codes, weight)
    return (np.cumsum(sums) - sums)[codes]


def _earlier_and_lower(moment: np.ndarray, rank: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weight of the rows with a smaller moment and a smaller rank, for each row, by halving the ranks."""
    rank = pd.factorize(rank, sort=True)[0]
    # Rows of one moment stand with falling ranks, so that none counts another.
    order = np.lexsort((-rank, moment))
    found = np.zeros(len(rank))
    for bit in range(int(rank.max(initial=0)).bit_length() - 1, -1, -1):
        part = rank[order] >> (bit + 1)
        upper = (rank[order] >> bit) & 1 == 1
        low_weight = np.where(upper, 0.0, weight[order])
        running = np.cumsum(low_weight)
        begins = np.flatnonzero(np.diff(part, prepend=-1))
        before = np.repeat((running - low_weight)[begins], np.diff(np.append(begins, len(part))))
        found[order[upper]] += (running - before)[upper]
        order = order[np.argsort(rank[order] >> bit, kind="stable")]
    return found
