"""How well scores rank those to whom something happened before the others: area under the ROC curve, with its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RankArea:
    """Area under the ROC curve: the share of pairs, one with and one without the event, that scores put in order.

    Attributes
    ----------
    estimate : float
        The area, 0–1; a tie counts half.
    influence : numpy.ndarray of float, shape (clusters,)
        What each cluster adds to the error; areas of the same cases are compared by the difference of theirs.
    """

    estimate: float
    influence: np.ndarray

    @property
    def std_error(self) -> float:
        """Standard error of the area."""
        return influence_error(self.influence)

    def interval(self, *, level: float) -> tuple[float, float]:
        """Interval on the scale of log-odds, so that it stays between 0 and 1; a point where every pair is won."""
        from scipy.stats import norm

        area = self.estimate
        if area in (0.0, 1.0):
            return area, area
        reach = norm.ppf((1 + level) / 2) * self.std_error / (area * (1 - area))
        low, high = (1 / (1 + np.exp(-(np.log(area / (1 - area)) + side * reach))) for side in (-1, 1))
        return float(low), float(high)


def rank_area(
    scores: np.ndarray,
    happened: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
) -> RankArea:
    """Area under the ROC curve with DeLong's error, also for weighted cases and clusters of them.

    Parameters
    ----------
    scores : numpy.ndarray of float, shape (n,)
        The higher, the more the event is expected.
    happened : numpy.ndarray of bool or 0/1, shape (n,)
        Whether it happened; both must occur.
    weights : numpy.ndarray of float, shape (n,), optional
        Weights above 0.
    clusters : numpy.ndarray of int, shape (n,), optional
        Number of the person, from 0, that each case belongs to; none may be left out. Default: one case a person.

    Returns
    -------
    RankArea
        The area.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated
       receiver operating characteristic curves: a nonparametric approach. Biometrics 44(3), 837–845.
    .. [2] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics 53(2), 567–578.

    Examples
    --------
    >>> rank_area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).estimate
    0.75
    """
    scores, did = np.asarray(scores, dtype=float), np.asarray(happened) == 1
    mass = np.ones(len(scores)) if weights is None else weights
    wins = np.empty(len(scores))
    for group, other, sign in ((did, ~did, 1), (~did, did, -1)):
        values, place = np.unique(scores[other], return_inverse=True)
        sums = np.concatenate([[0.0], np.cumsum(np.bincount(place, mass[other]))])
        below = sums[np.searchsorted(values, scores[group], side="left")]
        up_to = sums[np.searchsorted(values, scores[group], side="right")]
        share = (below + up_to) / 2 / sums[-1]
        wins[group] = share if sign > 0 else 1 - share
    area = float(np.average(wins[did], weights=mass[did]))
    totals = np.where(did, mass[did].sum(), mass[~did].sum())
    people = np.arange(len(scores)) if clusters is None else clusters
    return RankArea(area, np.bincount(people, mass * (wins - area) / totals))


def area_gap(one: RankArea, other: RankArea, *, level: float) -> tuple[float, float, float]:
    """How much larger the area `one` is than `other`, of the same cases and clusters, with its paired interval.

    Examples
    --------
    >>> happened = np.array([0, 0, 1, 1])
    >>> good, poor = (rank_area(np.array(s), happened) for s in ([1, 2, 3, 4], [1, 3, 2, 4]))
    >>> area_gap(good, poor, level=0.95)[0]
    0.25
    """
    from scipy.stats import norm

    difference = one.estimate - other.estimate
    reach = norm.ppf((1 + level) / 2) * influence_error(one.influence - other.influence)
    return difference, float(difference - reach), float(difference + reach)


def influence_error(influence: np.ndarray) -> float:
    """Standard error from what each cluster adds, shape (clusters,)."""
    units = len(influence)
    return float(np.sqrt(units / (units - 1) * (influence**2).sum()))
