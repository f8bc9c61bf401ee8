"""Labels of two groups dealt anew, and what then differs between them: the differences that chance alone makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from crm_utils.pls.cases import Moments, MomentSource
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.quantities import Fit, values

COMPARED = (
    "paths",
    "total_effects",
    "indirect_effects",
    "r_squared",
    "loadings",
    "weights",
    "construct_correlations",
    "alpha",
    "rho_a",
    "rho_c",
    "ave",
)
# Labels held at a time, and replicates: what is worked on stays in the processor's cache.
_LABELS_AT_ONCE = 4_000_000
_REPLICATES_AT_ONCE = 250
# Statistics that differ by less are the same but for rounding.
_ROUNDING = 1e-12


class Relabelings:
    """Labels of two groups, dealt anew to the same cases; each replicate has a seed of its own.

    Cases that belong to no cluster are dealt one by one. A cluster whose cases are all in one group gets its label as
    a whole; in a cluster with cases in both groups, labels are dealt among its own cases. Either is what could as well
    have been if a label did not matter, whatever the cases of a cluster have in common.

    Parameters
    ----------
    first : numpy.ndarray of bool, shape (cases,)
        Whether a case is in the first of the groups.
    clusters : numpy.ndarray of int, shape (cases,), or None
        Number of the cluster of each case.
    n_permutations : int
        Number of replicates.
    seed : numpy.random.SeedSequence
        Seed.

    References
    ----------
    .. [1] Winkler, A. M., Webster, M. A., Vidaurre, D., Nichols, T. E. & Smith, S. M. (2015). Multi-level block
       permutation. NeuroImage 123, 253–268.
    """

    def __init__(
        self, first: np.ndarray, clusters: np.ndarray | None, n_permutations: int, seed: np.random.SeedSequence
    ):
        self.first = first
        self._children = seed.spawn(n_permutations)
        codes = np.arange(len(first)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
        share = np.bincount(codes, first) / np.bincount(codes)
        self._whole = np.flatnonzero((share == 0) | (share == 1))
        self._whole_first = share[self._whole] == 1
        self._codes, self._units = codes, len(share)
        mixed = np.flatnonzero((share[codes] > 0) & (share[codes] < 1))
        self._mixed = mixed[np.argsort(codes[mixed], kind="stable")]

    def labels(self) -> Iterator[np.ndarray]:
        """Whether a case is called the first, shape (replicates of the batch, cases), a batch at a time."""
        step = int(np.clip(_LABELS_AT_ONCE // len(self.first), 1, _REPLICATES_AT_ONCE))
        for start in range(0, len(self._children), step):
            children = self._children[start : start + step]
            yield np.stack([self._dealt(np.random.default_rng(child)) for child in children])

    def _dealt(self, generator: np.random.Generator) -> np.ndarray:
        units = np.zeros(self._units, dtype=bool)
        units[self._whole] = generator.permutation(self._whole_first)
        labels = units[self._codes]
        if len(self._mixed):
            # Sorted by cluster on both sides, so that a label never leaves its cluster.
            order = np.lexsort((generator.random(len(self._mixed)), self._codes[self._mixed]))
            labels[self._mixed] = self.first[self._mixed][order]
        return labels


@dataclass(frozen=True, eq=False)
class Contrast:
    """How two groups differ, first less second, one replicate a row.

    Attributes
    ----------
    differences : dict of str to numpy.ndarray of float, shape (replicates, labels)
        Differences of the quantities in `COMPARED`.
    correlations : numpy.ndarray of float, shape (replicates, constructs)
        Correlation, over the cases of both groups, of the scores by the weights of one group with those by the other's.
    mean_differences, log_variance_ratios : numpy.ndarray of float, shape (replicates, constructs)
        Difference of means, and logarithm of the ratio of variances, of the scores by the weights of both groups
        together, which have mean 0 and variance 1 over both.
    usable : numpy.ndarray of bool, shape (replicates,)
        Whether the model could be estimated in both groups, and properly.
    """

    differences: dict[str, np.ndarray]
    correlations: np.ndarray
    mean_differences: np.ndarray
    log_variance_ratios: np.ndarray
    usable: np.ndarray


class Pair:
    """The cases of two groups together, from which any division into two is estimated.

    Parameters
    ----------
    pooled : PathResults
        Estimate from the cases of both.
    options : Options
        How the model is estimated in each.
    reference : numpy.ndarray of float, shape (items,)
        Loadings whose direction each construct is given.
    """

    def __init__(self, pooled: PathResults, options: Options, reference: np.ndarray):
        self._pooled, self._options, self._reference = pooled, options, reference
        self._cases = pooled.cases.counted()
        self._layout = pooled.model.layout()
        self._source = MomentSource(self._cases)
        self._scores = pooled.scores.to_numpy()[pooled.cases.weights > 0]
        self._squares = self._scores**2 + self._variance_left()

    def _variance_left(self) -> np.ndarray:
        """Variance of each score given the values that are there, shape (cases, constructs)."""
        left = np.zeros_like(self._scores)
        completion = self._cases.completion
        if completion is None:
            return left
        expectation = completion.expectation
        precisions = expectation.precisions(completion.correlations[None])
        weights = self._pooled.estimates.weights[0, :, None] * self._layout.membership
        for pattern in expectation.patterns:
            own = weights[pattern.absent]
            left[pattern.cases] = ((pattern.regression(precisions)[1][0] @ own) * own).sum(axis=0)
        return left

    def contrast(self, batches: Iterable[np.ndarray]) -> Contrast:
        """How the two differ under each row of labels."""
        from threadpoolctl import threadpool_limits

        # The matrices are too small to share: threads would wait for each other most of the time.
        with threadpool_limits(1, user_api="blas"):
            parts = [self._contrast(first) for first in batches]
        return Contrast(
            differences={name: np.concatenate([part.differences[name] for part in parts]) for name in COMPARED},
            correlations=np.concatenate([part.correlations for part in parts]),
            mean_differences=np.concatenate([part.mean_differences for part in parts]),
            log_variance_ratios=np.concatenate([part.log_variance_ratios for part in parts]),
            usable=np.concatenate([part.usable for part in parts]),
        )

    def _contrast(self, first: np.ndarray) -> Contrast:
        fits, score_means, score_variances = [], [], []
        usable = np.ones(len(first), dtype=bool)
        for chosen in (first, ~first):
            masses = chosen * self._cases.weights
            items = self._source.moments(masses)
            found = estimates(items, self._layout, self._options, reference=self._reference)
            usable &= self._usable(found)
            fits.append(Fit(found, items, self._layout, self._options, self._cases.count))
            total, size = masses.sum(axis=1, keepdims=True), chosen.sum(axis=1, keepdims=True)
            means = masses @ self._scores / total
            score_means.append(means)
            score_variances.append((masses @ self._squares / total - means**2) * size / (size - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            log_ratios = np.log(score_variances[0] / score_variances[1])
        return Contrast(
            differences={name: values(name, fits[0]) - values(name, fits[1]) for name in COMPARED},
            correlations=self._score_correlations(*(self._pooled_weights(fit.estimates, fit.items) for fit in fits)),
            mean_differences=score_means[0] - score_means[1],
            log_variance_ratios=log_ratios,
            usable=usable,
        )

    def _usable(self, found: Estimates) -> np.ndarray:
        explained = found.r_squared[:, list(self._layout.order)]
        estimated = found.converged & np.isfinite(explained).all(axis=1)
        return estimated & ~improper(found, self._layout, self._options)

    def _pooled_weights(self, found: Estimates, items: Moments) -> np.ndarray:
        """Weights for items that are standardised over both groups."""
        if self._options.standardize:
            return found.weights
        return found.weights * self._pooled.moments.spreads / items.spreads

    def _score_correlations(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        owner, member = self._layout.owner, self._layout.membership.astype(float)
        within = self._pooled.moments.correlations[0] * (owner[:, None] == owner)
        shared = ((one @ within) * other) @ member
        return shared / np.sqrt((((one @ within) * one) @ member) * (((other @ within) * other) @ member))


def two_sided_p(observed: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Share of replicates at least as far from zero, the observed value counted among them.

    Parameters
    ----------
    observed : numpy.ndarray of float, shape (statistics,)
        Statistics under the true labels.
    permuted : numpy.ndarray of float, shape (replicates, statistics)
        Statistics under dealt labels.

    Returns
    -------
    numpy.ndarray of float, shape (statistics,)
        (1 + count) / (1 + replicates); NaN for what cannot differ, as the loading of an only item.

    References
    ----------
    .. [1] Phipson, B. & Smyth, G. K. (2010). Permutation p-values should never be zero. Statistical Applications in
       Genetics and Molecular Biology 9(1), article 39.

    Examples
    --------
    >>> two_sided_p(np.array([2.0, 0.0]), np.array([[1.0, 0.0], [-3.0, 0.0], [0.5, 0.0]])).tolist()
    [0.5, nan]
    """
    reached = (np.abs(permuted) >= np.abs(observed) - _ROUNDING).sum(axis=0)
    varies = (np.abs(permuted) > _ROUNDING).any(axis=0)
    return np.where(varies, (1 + reached) / (1 + len(permuted)), np.nan)


def lower_p(observed: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Share of replicates at most as large, the observed value counted among them; in the shapes of `two_sided_p`.

    Examples
    --------
    >>> lower_p(np.array([0.9]), np.array([[0.99], [0.8], [0.95]])).tolist()
    [0.5]
    """
    return (1 + (permuted <= observed + _ROUNDING).sum(axis=0)) / (1 + len(permuted))
