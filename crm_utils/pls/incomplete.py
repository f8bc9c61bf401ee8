"""Moments of items with missing values (the EM algorithm), and what is expected of each case under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from crm_utils.errors import ConvergenceError
from crm_utils.language import counted
from crm_utils.pls.expectation import NOTHING_LEFT, Expectation

MOST_ITERATIONS = 2_000
# Largest change of a mean or a product, in standard deviations, at which the moments have settled.
_SETTLED = 1e-9
# Pairs of items that a message names.
_PAIRS_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Completion:
    """Cases with what is expected of their missing values.

    Attributes
    ----------
    data : numpy.ndarray of float, shape (cases, items)
        Values, with the expected one where it is missing.
    pattern : numpy.ndarray of int, shape (cases,)
        Which of the patterns of missing values a case has.
    absent : numpy.ndarray of bool, shape (patterns, items)
        Which items are missing.
    centre, scale : numpy.ndarray of float, shape (items,)
        Means, and standard deviations (with the number of cases as divisor).
    correlations : numpy.ndarray of float, shape (items, items)
        Correlations.
    share : numpy.ndarray of float, shape (cases,)
        Weights that add up to 1.
    regress : bool
        Whether missing values are expected from the case's other values, or at the item's mean.
    """

    data: np.ndarray
    pattern: np.ndarray
    absent: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    correlations: np.ndarray
    share: np.ndarray
    regress: bool

    @cached_property
    def expectation(self) -> Expectation:
        """The cases in standard units, their missing values missing."""
        values = (self.data - self.centre) / self.scale
        values[self.absent[self.pattern]] = np.nan
        return Expectation(values, regress=self.regress)

    @cached_property
    def growth(self) -> np.ndarray:
        """See `Expectation.growth`."""
        return self.expectation.growth(self.share, np.zeros(len(self.centre)), self.correlations)

    def of(self, cases: np.ndarray) -> Completion:
        """The same for some of the cases: all that have a weight above zero."""
        return replace(self, data=self.data[cases], pattern=self.pattern[cases], share=self.share[cases])

    def settle(self, shares: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances, in standard units, that reproduce themselves under other weights.

        Parameters
        ----------
        shares : numpy.ndarray of float, shape (replicates, cases)
            Weights that add up to 1.
        seen : numpy.ndarray of float, shape (replicates, items + pairs)
            Sums of the values that are there, and of their products.

        Returns
        -------
        means : numpy.ndarray of float, shape (replicates, items)
            Means.
        covariances : numpy.ndarray of float, shape (replicates, items, items)
            Covariances; NaN where there are none.
        """
        expectation = self.expectation
        start = np.r_[np.zeros(len(self.centre)), self.correlations[expectation.pairs]]
        found = expectation.settle(shares, seen, start, self.growth, cases=len(self.data))
        return expectation.moments(found)


def complete(values: np.ndarray, mass: np.ndarray, items: Sequence[str], *, regress: bool, where: str) -> Completion:
    """Find the moments that reproduce themselves, and what is expected of each case under them.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (cases, items)
        Values; NaN where missing. Every item has some, and every case.
    mass : numpy.ndarray of float, shape (cases,)
        Weights, 0 or more.
    items : sequence of str
        Names of the items, for messages.
    regress : bool
        Whether a missing value is expected from the case's other values (maximum likelihood of a normal
        distribution), or is the item's mean.
    where : str
        What a message names as its place.

    Returns
    -------
    Completion
        The cases and the moments.

    Raises
    ------
    ConvergenceError
        If two items are never seen in one case, there are too few cases for the number of items, items determine each
        other exactly, or the moments do not settle.

    References
    ----------
    .. [1] Little, R. J. A. & Rubin, D. B. (2002). Statistical Analysis with Missing Data, 2nd ed. Wiley, section 11.2.
    .. [2] Dempster, A. P., Laird, N. M. & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM
       algorithm. Journal of the Royal Statistical Society B 39(1), 1–38.
    """
    given = ~np.isnan(values)
    if regress:
        _check_together(given & (mass > 0)[:, None], items, where)
    share = mass / mass.sum()
    centre = (share @ np.where(given, values, 0.0)) / (share @ given)
    variances = (share @ np.where(given, values - centre, 0.0) ** 2) / (share @ given)
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    standard = (values - centre) / scale
    expectation = Expectation(standard, regress=regress)
    means, covariances = _settled(
        expectation, share, np.diag((variances > 0).astype(float)), given[mass > 0], items, where
    )
    completed = np.array(standard)
    precisions = expectation.precisions(covariances[None])
    for pattern in expectation.patterns:
        completed[np.ix_(pattern.cases, pattern.absent)] = pattern.expected(means[None], precisions)[0][0].T
    spreads = np.sqrt(np.diag(covariances))
    spreads[spreads == 0] = 1.0
    return Completion(
        data=np.where(given, values, centre + scale * completed),
        pattern=expectation.member,
        absent=expectation.absent,
        centre=centre + scale * means,
        scale=scale * spreads,
        correlations=covariances / np.outer(spreads, spreads),
        share=share,
        regress=regress,
    )


def _settled(
    expectation: Expectation,
    share: np.ndarray,
    covariances: np.ndarray,
    given: np.ndarray,
    items: Sequence[str],
    where: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances at which the EM algorithm stands still."""
    seen = expectation.seen
    products = (seen * share[:, None]).T @ seen
    sums = np.r_[share @ seen, products[expectation.pairs]][None]
    state = np.r_[np.zeros(len(items)), covariances[expectation.pairs]][None]
    for _ in range(MOST_ITERATIONS):
        means, covariances = expectation.moments(state)
        if expectation.regress:
            _check_distinct(covariances[0], given, items, where)
        renewed = expectation.statistics(share[None], sums, means, covariances)
        change = np.abs(renewed - state).max()
        state = renewed
        if change < _SETTLED:
            means, covariances = expectation.moments(state)
            return means[0], covariances[0]
    raise ConvergenceError(
        f"{where}: the moments of the incomplete items did not settle within {MOST_ITERATIONS:,} steps; too much "
        f"is missing at once.{_often_missing(given, items)} Leave out items that are often missing, or use "
        "missing='mean'."
    )


def _check_together(given: np.ndarray, items: Sequence[str], where: str) -> None:
    counts = given.T.astype(float) @ given
    pairs = [f"{items[one]} and {items[other]}" for one, other in zip(*np.nonzero(np.triu(counts == 0)), strict=True)]
    if pairs:
        more = f", nor of {counted(len(pairs) - _PAIRS_SHOWN, 'more pair')}" if len(pairs) > _PAIRS_SHOWN else ""
        raise ConvergenceError(
            f"{where}: no case has values of both {', of both '.join(pairs[:_PAIRS_SHOWN])}{more}, so that how they go "
            "together cannot be told. Use missing='mean', or leave out one of each pair."
        )


def _check_distinct(covariances: np.ndarray, given: np.ndarray, items: Sequence[str], where: str) -> None:
    eigenvalues, vectors = np.linalg.eigh(covariances)
    involved = (np.abs(vectors[:, eigenvalues < NOTHING_LEFT]) > 1e-4).any(axis=1)
    if not involved.any():
        return
    complete, size = int(given[:, involved].all(axis=1).sum()), int(involved.sum())
    if complete <= size:
        raise ConvergenceError(
            f"{where}: there are too few answers for {size:,} items: of {counted(len(given), 'case')} only "
            f"{complete:,} {'has' if complete == 1 else 'have'} a value for each of them, and missing='em' needs more "
            f"than there are items.{_often_missing(given, items)} Use missing='mean', or leave out items that are "
            "often missing."
        )
    names = ", ".join(item for item, named in zip(items, involved, strict=True) if named)
    raise ConvergenceError(
        f"{where}: the items {names} determine each other exactly, so that missing='em' has no solution. Leave out "
        "one of them, or use missing='mean' or missing='listwise'."
    )


def _often_missing(given: np.ndarray, items: Sequence[str]) -> str:
    """Name the items that more than half of the cases lack."""
    names = [item for item, share in zip(items, given.mean(axis=0), strict=True) if share < 0.5]
    return f" More than half of the cases lack {', '.join(names)}." if names else ""
