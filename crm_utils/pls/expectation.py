"""What is expected of missing values under moments, and moments that reproduce themselves; all replicates together.

A replicate is a row of weights of the same cases. Cases that lack the same items are worked on together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Below this, an eigenvalue of the items' correlations is rounding.
NOTHING_LEFT = 1e-8
# A replicate has settled once a step is this share of the standard error of a mean; the step is still taken.
_SETTLED_SHARE = 0.001
_MOST_STEPS = 400


@dataclass(frozen=True, eq=False)
class Pattern:
    """Cases that lack the same items.

    Attributes
    ----------
    cases : numpy.ndarray of int, shape (cases,)
        Their positions.
    there, absent : numpy.ndarray of int
        Positions of the items that they have, and lack.
    values : numpy.ndarray of float, shape (items there, cases)
        What they have.
    """

    cases: np.ndarray
    there: np.ndarray
    absent: np.ndarray
    values: np.ndarray

    def regression(self, precisions: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of the absent items on those that are there, and the covariances that are left.

        Parameters
        ----------
        precisions : numpy.ndarray of float, shape (replicates, items, items), or None
            Inverses of the covariances; None where a missing value is expected at its mean.

        Returns
        -------
        slopes : numpy.ndarray of float, shape (replicates, items absent, items there)
            Slopes.
        left : numpy.ndarray of float, shape (replicates, items absent, items absent)
            Covariances given the items that are there.
        """
        if precisions is None:
            size = len(self.absent)
            return np.zeros((1, size, len(self.there))), np.zeros((1, size, size))
        rows = precisions[:, self.absent]
        left = np.linalg.inv(rows[:, :, self.absent])
        return -left @ rows[:, :, self.there], left

    def expected(self, means: np.ndarray, precisions: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Expected values of the absent items, shape (replicates, items absent, cases), and the covariances left."""
        slopes, left = self.regression(precisions)
        return means[:, self.absent, None] + slopes @ (self.values - means[:, self.there, None]), left


class Expectation:
    """Cases with missing values, as the E-step of the EM algorithm needs them.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (cases, items)
        Values in standard units about their means; NaN where missing.
    regress : bool
        Whether a missing value is expected from the case's other values, or at the item's mean.
    """

    def __init__(self, values: np.ndarray, *, regress: bool):
        given = ~np.isnan(values)
        kinds, member = np.unique(given, axis=0, return_inverse=True)
        self.regress = regress
        self.member = member.ravel()
        self.absent = ~kinds
        self.seen = np.where(given, values, 0.0)
        self.pairs = np.triu_indices(values.shape[1])
        order = np.argsort(self.member, kind="stable")
        ends = np.cumsum(np.bincount(self.member, minlength=len(kinds)))
        self.patterns = [
            Pattern(cases, np.flatnonzero(there), np.flatnonzero(~there), values[cases][:, there].T)
            for there, cases in zip(kinds, np.split(order, ends[:-1]), strict=True)
            if not there.all()
        ]

    def statistics(
        self, shares: np.ndarray, seen: np.ndarray, means: np.ndarray, covariances: np.ndarray
    ) -> np.ndarray:
        """Expected means of the items and of their products.

        Parameters
        ----------
        shares : numpy.ndarray of float, shape (replicates, cases)
            Weights that add up to 1.
        seen : numpy.ndarray of float, shape (replicates, items + pairs)
            Sums over the cases of the values that are there and of their products, by upper triangle.
        means : numpy.ndarray of float, shape (replicates, items)
            Means under which values are expected.
        covariances : numpy.ndarray of float, shape (replicates, items, items)
            Positive definite covariances likewise.

        Returns
        -------
        numpy.ndarray of float, shape (replicates, items + pairs)
            Means, and products by upper triangle.
        """
        items, (rows, columns) = means.shape[1], self.pairs
        first = np.array(seen[:, :items])
        # Products of an absent item with those there, and half of those of absent items: added to their transpose.
        products = np.zeros((len(shares), items, items))
        precisions = self.precisions(covariances)
        for pattern in self.patterns:
            there, absent = pattern.there, pattern.absent
            share = shares[:, pattern.cases]
            filled, left = pattern.expected(means, precisions)
            weighted = filled * share[:, None, :]
            first[:, absent] += weighted.sum(axis=2)
            products[:, absent[:, None], there] += weighted @ pattern.values.T
            both = weighted @ filled.transpose(0, 2, 1) + share.sum(axis=1)[:, None, None] * left
            products[:, absent[:, None], absent] += both / 2
        second = seen[:, items:] + products[:, rows, columns] + products[:, columns, rows]
        return np.hstack([first, second])

    def growth(self, share: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """What a deviation of the expected statistics amounts to once missing values are expected anew.

        Parameters
        ----------
        share : numpy.ndarray of float, shape (cases,)
            Weights that add up to 1.
        means : numpy.ndarray of float, shape (items,)
            Means that reproduce themselves.
        covariances : numpy.ndarray of float, shape (items, items)
            Covariances that do.

        Returns
        -------
        numpy.ndarray of float, shape (items + pairs, items + pairs)
            Inverse of one minus the derivative of `statistics` (Dempster, Laird & Rubin 1977, section 3).
        """
        items = len(means)
        by_mean = np.zeros((items + items * items, items))
        by_product = np.zeros((items + items * items, items * items))
        cell = items + np.arange(items * items).reshape(items, items)
        precisions = self.precisions(covariances[None])
        for pattern in self.patterns:
            there, absent = pattern.there, pattern.absent
            weights = share[pattern.cases]
            mass = weights.sum()
            slopes = pattern.regression(precisions)[0][0]
            deviations = pattern.values - means[there, None]
            sums, about = deviations @ weights, (deviations * weights) @ deviations.T
            # Expected missing values move by g dμ with the means, and by g dΣ h with the covariances.
            g = np.zeros((len(absent), items))
            g[np.arange(len(absent)), absent] = 1.0
            g[:, there] = -slopes
            by_mean[absent] += mass * g
            mixed = g[:, None, :] * sums[None, :, None]
            by_mean[cell[np.ix_(absent, there)]] += mixed
            by_mean[cell[np.ix_(there, absent)]] += mixed.transpose(1, 0, 2)
            shift = g[:, None, :] * (slopes @ sums)[None, :, None]
            by_mean[cell[np.ix_(absent, absent)]] += shift + shift.transpose(1, 0, 2)
            if not self.regress:
                continue
            h = np.zeros((1 + len(there), items))
            h[:, there] = np.linalg.solve(covariances[np.ix_(there, there)], np.vstack([sums, about]).T).T
            by_product[absent] += _outer(g, h[:1])[:, 0]
            mixed = _outer(g, h[1:])
            by_product[cell[np.ix_(absent, there)]] += mixed
            by_product[cell[np.ix_(there, absent)]] += mixed.transpose(1, 0, 2)
            shift = _outer(g, slopes @ h[1:])
            by_product[cell[np.ix_(absent, absent)]] += shift + shift.transpose(1, 0, 2) + mass * _outer(g, g)
        rows, columns = self.pairs
        upper, lower = cell[rows, columns] - items, cell[columns, rows] - items
        by_pair = by_product[:, upper] + np.where(upper != lower, by_product[:, lower], 0.0)
        kept = np.r_[np.arange(items), items + upper]
        return np.linalg.inv(np.eye(len(kept)) - np.hstack([by_mean[kept], by_pair[kept]]))

    def settle(
        self, shares: np.ndarray, seen: np.ndarray, start: np.ndarray, growth: np.ndarray, *, cases: int
    ) -> np.ndarray:
        """Moments that reproduce themselves in every replicate, from those of the sample.

        A step of the EM algorithm is lengthened by `growth`, so that it nearly arrives (Jamshidian & Jennrich 1993);
        what is left is of the order of the step times 1/√cases. Replicates in which such steps do not get shorter
        start again with plain EM steps.

        Parameters
        ----------
        shares : numpy.ndarray of float, shape (replicates, cases)
            Weights that add up to 1.
        seen : numpy.ndarray of float, shape (replicates, items + pairs)
            As in `statistics`.
        start : numpy.ndarray of float, shape (items + pairs,)
            Means and products that reproduce themselves in the sample.
        growth : numpy.ndarray of float, shape (items + pairs, items + pairs)
            Of the sample.
        cases : int
            Number of cases in the sample, which sets how exact the moments need be.

        Returns
        -------
        numpy.ndarray of float, shape (replicates, items + pairs)
            Means and products; NaN where items determine each other, or moments do not settle.

        References
        ----------
        .. [1] Jamshidian, M. & Jennrich, R. I. (1993). Conjugate gradient acceleration of the EM algorithm. Journal of
           the American Statistical Association 88, 221–228.
        """
        enough = _SETTLED_SHARE / np.sqrt(cases)
        settled = np.full(seen.shape, np.nan)
        active = np.arange(len(shares))
        state = start[None]
        plain, last = np.zeros(len(shares), dtype=bool), np.full(len(shares), np.inf)
        for _ in range(_MOST_STEPS):
            step = self.statistics(shares, seen, *self.moments(state)) - state
            whole = step @ growth.T
            size, arrived = np.abs(whole).max(axis=1), state + whole
            proper = self._distinct(arrived)
            done = proper & (size < enough)
            settled[active[done]] = arrived[done]
            lost = ~plain & ~done & (~proper | (size > 0.9 * last))
            state = np.where(plain[:, None], state + step, arrived)
            state[lost] = start
            going = ~done
            going[plain] &= self._distinct(state[plain])
            if not going.any():
                break
            plain, last = plain | lost, np.where(lost, np.inf, size)
            if not going.all():
                active, shares, seen = active[going], shares[going], seen[going]
                state, plain, last = state[going], plain[going], last[going]
        return settled

    def precisions(self, covariances: np.ndarray) -> np.ndarray | None:
        """Inverses of positive definite covariances; None where no value is expected from others."""
        return np.linalg.inv(covariances) if self.regress else None

    def moments(self, statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances from means and products."""
        items, (rows, columns) = self.seen.shape[1], self.pairs
        means = statistics[:, :items]
        covariances = np.empty((len(statistics), items, items))
        covariances[:, rows, columns] = statistics[:, items:] - means[:, rows] * means[:, columns]
        covariances[:, columns, rows] = covariances[:, rows, columns]
        return means, covariances

    def _distinct(self, statistics: np.ndarray) -> np.ndarray:
        """Whether no item is determined by the others, as regressions need it."""
        distinct = np.isfinite(statistics).all(axis=1)
        if self.regress and distinct.any():
            covariances = self.moments(statistics[distinct])[1]
            distinct[distinct] = np.linalg.eigvalsh(covariances)[:, 0] > NOTHING_LEFT
        return distinct


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Every product of an entry of a row of `left` with one of a row of `right`, shape (rows, rows, items²)."""
    return (left[:, None, :, None] * right[None, :, None, :]).reshape(len(left), len(right), -1)
