"""Moments of the product of two construct scores, all replicates together.

The moments of the items do not tell them: the cases are gone through once more, with the weights of each replicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crm_utils.pls.cases import Cases, Moments
from crm_utils.pls.estimates import Estimates
from crm_utils.pls.layout import Layout

# Scores held at a time, so that they stay in the processor's cache.
_SCORES_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class ProductMoments:
    """Moments of a product p = ξμ of two scores with (weighted) mean 0 and variance 1 (with n as divisor).

    Attributes
    ----------
    squares : numpy.ndarray of float, shape (replicates,)
        Mean of p².
    crossings : numpy.ndarray of float, shape (replicates, constructs)
        Mean of p times the score of each construct.
    """

    squares: np.ndarray
    crossings: np.ndarray


def product_moments(
    cases: Cases,
    layout: Layout,
    found: Estimates,
    items: Moments,
    masses: Iterator[tuple[range, np.ndarray]],
    *,
    factors: tuple[int, int],
) -> ProductMoments:
    """Moments of the product of the scores of two constructs.

    Parameters
    ----------
    cases : Cases
        The cases, all with a weight above zero.
    layout : Layout
        The model.
    found, items : Estimates, Moments
        Its estimate in every replicate, and the moments of the items.
    masses : iterator of (range, numpy.ndarray)
        Weights of the cases, a batch of replicates at a time.
    factors : (int, int)
        Positions of the two constructs.

    Returns
    -------
    ProductMoments
        One replicate a row; NaN where the replicate has no scores.

    Notes
    -----
    A missing value is normal given those that are there, with the moments of the replicate, as the EM algorithm takes
    it: means of products are expectations over it (moments of a normal distribution up to the fourth), so that they
    belong to the same distribution as the moments of the items. Under missing="mean" it is the mean and nothing else.

    References
    ----------
    .. [1] Isserlis, L. (1918). On a formula for the product-moment coefficient of any order of a normal frequency
       distribution in any number of variables. Biometrika 12, 134–139.
    """
    scoring = _Scoring.of(cases, layout, found, items)
    replicates, constructs = len(found.weights), len(layout.constructs)
    squares, crossings = np.zeros(replicates), np.zeros((replicates, constructs))
    for batch, mass in masses:
        chosen = np.arange(batch.start, batch.stop)
        shares = mass / mass.sum(axis=1, keepdims=True)
        for rows, means, left in scoring.scores(chosen):
            square, crossing = _expected(means, left, shares[:, None, rows], factors)
            squares[chosen] += square
            crossings[chosen] += crossing
    return ProductMoments(squares, crossings)


def _expected(
    means: np.ndarray, left: np.ndarray | None, shares: np.ndarray, factors: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of p² and of p times every score, shape (replicates,) and (replicates, constructs)."""
    one, other = factors
    product = means[:, one, None] * means[:, other, None]
    weighted = shares * product
    square = (weighted * product).sum(axis=(1, 2))
    crossing = (means @ weighted.transpose(0, 2, 1))[:, :, 0]
    if left is None:
        return square, crossing
    mass = shares.sum(axis=(1, 2))
    sums = (means @ shares.transpose(0, 2, 1))[:, :, 0]
    of_squares = (means[:, [one, other]] ** 2 @ shares.transpose(0, 2, 1))[:, :, 0]
    both = left[:, one, other]
    square += of_squares[:, 0] * left[:, other, other] + of_squares[:, 1] * left[:, one, one]
    square += 4 * weighted.sum(axis=(1, 2)) * both + mass * (left[:, one, one] * left[:, other, other] + 2 * both**2)
    crossing += sums[:, one, None] * left[:, other] + sums[:, other, None] * left[:, one] + sums * both[:, None]
    return square, crossing


@dataclass(frozen=True, eq=False)
class _Scoring:
    """How scores of variance 1 follow from the values of the items.

    Attributes
    ----------
    cases : Cases
        The cases.
    values : numpy.ndarray of float, shape (cases, items)
        Values about `centre` in units of `scale`; 0 where missing.
    weights : numpy.ndarray of float, shape (replicates, constructs, items)
        Weights of those values.
    offsets : numpy.ndarray of float, shape (replicates, constructs)
        What is taken off, so that scores have mean 0.
    means, covariances : numpy.ndarray of float
        Moments of those values.
    """

    cases: Cases
    values: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    means: np.ndarray
    covariances: np.ndarray | None

    @classmethod
    def of(cls, cases: Cases, layout: Layout, found: Estimates, items: Moments) -> _Scoring:
        completion = cases.completion
        if completion is None:
            centre, scale = cases.data.mean(axis=0), np.ones(cases.data.shape[1])
            values = cases.data - centre
        else:
            centre, scale, values = completion.centre, completion.scale, completion.expectation.seen
        spreads = items.spreads * np.sqrt((cases.count - 1) / cases.count) / scale
        means = (items.means - centre) / scale
        weights = (found.weights / spreads)[:, None, :] * layout.membership.T
        covariances = None
        if completion is not None:
            covariances = items.correlations * spreads[:, :, None] * spreads[:, None, :]
        return cls(cases, values, weights, (weights @ means[:, :, None])[:, :, 0], means, covariances)

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Cases that lack the same items, a part at a time.

        Yields
        ------
        rows : numpy.ndarray of int, shape (cases of the part,)
            Positions of the cases.
        means : numpy.ndarray of float, shape (replicates, constructs, cases of the part)
            Expected scores.
        left : numpy.ndarray of float, shape (replicates, constructs, constructs), or None
            Covariances of the scores given what is there; None where nothing is missing.
        """
        weights, offsets = self.weights[chosen], self.offsets[chosen][:, :, None]
        completion = self.cases.completion
        whole = np.arange(len(self.values))
        if completion is not None:
            whole = whole[~completion.absent.any(axis=1)[completion.pattern]]
        step = max(_SCORES_AT_ONCE // (len(chosen) * weights.shape[1]), 1)
        for start in range(0, len(whole), step):
            rows = whole[start : start + step]
            yield rows, weights @ self.values[rows].T - offsets, None
        if completion is None:
            return
        expectation = completion.expectation
        precisions, means = expectation.precisions(self.covariances[chosen]), self.means[chosen]
        for pattern in expectation.patterns:
            filled, left = pattern.expected(means, precisions)
            of_absent = weights[:, :, pattern.absent]
            scores = weights[:, :, pattern.there] @ pattern.values + of_absent @ filled - offsets
            yield pattern.cases, scores, of_absent @ left @ of_absent.transpose(0, 2, 1)
