"""Moments of items with missing values: expected statistics of each case, and what missing values add to their error.

A case gives what is expected of its values, products of values included, under a normal distribution whose moments
are those that reproduce themselves (the EM algorithm). Under other weights of the cases, the moments follow to first
order from the same expected statistics: their deviation, times how much it grows for the values not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm_utils.checks import raise_problems
from crm_utils.errors import ConvergenceError

MOST_ITERATIONS = 2_000
# Largest change of a mean or a product, in standard deviations, at which the moments have settled.
_SETTLED = 1e-9
# Below this, an eigenvalue of the items' correlations is rounding.
_NOTHING_LEFT = 1e-8


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
    covariances : numpy.ndarray of float, shape (patterns, items, items)
        Covariances of the missing values given the others; 0 for items that are there.
    centre : numpy.ndarray of float, shape (items,)
        Means.
    products : numpy.ndarray of float, shape (items, items)
        Covariances (with the number of cases as divisor).
    growth : numpy.ndarray of float, shape (items + pairs, items + pairs)
        What a deviation of the expected statistics, means first and then products of pairs of items (upper triangle
        by rows), amounts to in the moments: the inverse of one minus the derivative of the EM step.
    """

    data: np.ndarray
    pattern: np.ndarray
    absent: np.ndarray
    covariances: np.ndarray
    centre: np.ndarray
    products: np.ndarray
    growth: np.ndarray


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Cases that lack the same items, and their sums."""

    cases: np.ndarray
    there: np.ndarray
    absent: np.ndarray
    mass: float
    sums: np.ndarray
    products: np.ndarray


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
    ParameterError
        If two items are never seen in one case.
    ConvergenceError
        If items determine each other exactly, or the moments do not settle.

    References
    ----------
    .. [1] Little, R. J. A. & Rubin, D. B. (2002). Statistical Analysis with Missing Data, 2nd ed. Wiley, section 11.2.
    .. [2] Dempster, A. P., Laird, N. M. & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM
       algorithm. Journal of the Royal Statistical Society B 39(1), 1–38 (the derivative of the step, section 3).
    """
    given = ~np.isnan(values)
    if regress:
        _check_together(given & (mass > 0)[:, None], items, where)
    share = mass / mass.sum()
    start = (share @ np.where(given, values, 0.0)) / (share @ given)
    variances = (share @ np.where(given, values - start, 0.0) ** 2) / (share @ given)
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    standard = (values - start) / scale
    patterns, member = _patterns(standard, share)

    means, covariances = np.zeros(len(scale)), np.diag(np.where(variances > 0, 1.0, 0.0))
    for _ in range(MOST_ITERATIONS):
        new_means, second = _expected(patterns, means, covariances, regress=regress)
        new_covariances = second - np.outer(new_means, new_means)
        change = max(np.abs(new_means - means).max(), np.abs(new_covariances - covariances).max())
        means, covariances = new_means, new_covariances
        if change < _SETTLED:
            break
    else:
        raise ConvergenceError(
            f"{where}: the moments of the incomplete items did not settle within {MOST_ITERATIONS:,} steps; too much "
            "is missing at once. Leave out items that are often missing, or use missing='mean' or missing='listwise'."
        )
    if regress:
        _check_distinct(covariances, items, where)
    completed = np.array(standard)
    absent = np.zeros((len(patterns), len(scale)), dtype=bool)
    left = np.zeros((len(patterns), len(scale), len(scale)))
    for number, pattern in enumerate(patterns):
        slopes, open_part = _regression(pattern, covariances, regress=regress)
        deviations = standard[np.ix_(pattern.cases, pattern.there)] - means[pattern.there]
        completed[np.ix_(pattern.cases, pattern.absent)] = means[pattern.absent] + deviations @ slopes.T
        left[number][np.ix_(pattern.absent, pattern.absent)] = open_part
        absent[number, pattern.absent] = True
    units = np.outer(scale, scale)
    return Completion(
        data=np.where(given, values, start + scale * completed),
        pattern=member,
        absent=absent,
        covariances=left * units,
        centre=start + scale * means,
        products=covariances * units,
        growth=_growth(patterns, means, covariances, scale, regress=regress),
    )


def _check_together(given: np.ndarray, items: Sequence[str], where: str) -> None:
    counts = given.T.astype(float) @ given
    raise_problems(
        where,
        [
            f"no case has values of both {items[one]} and {items[other]}, so that how they go together cannot be told; "
            "leave out one of them, or use missing='mean'"
            for one, other in zip(*np.nonzero(np.triu(counts == 0)), strict=True)
        ],
    )


def _check_distinct(covariances: np.ndarray, items: Sequence[str], where: str) -> None:
    eigenvalues, vectors = np.linalg.eigh(covariances)
    involved = (np.abs(vectors[:, eigenvalues < _NOTHING_LEFT]) > 1e-4).any(axis=1)
    if involved.any():
        names = ", ".join(item for item, named in zip(items, involved, strict=True) if named)
        raise ConvergenceError(
            f"{where}: the items {names} determine each other exactly, so that missing='em' has no solution. Leave out "
            "one of them, or use missing='mean' or missing='listwise'."
        )


def _patterns(values: np.ndarray, share: np.ndarray) -> tuple[list[_Pattern], np.ndarray]:
    kinds, member = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    member = member.ravel()
    order = np.argsort(member, kind="stable")
    ends = np.cumsum(np.bincount(member, minlength=len(kinds)))
    patterns = []
    for there, cases in zip(kinds, np.split(order, ends[:-1]), strict=True):
        part, mass = values[np.ix_(cases, np.flatnonzero(there))], share[cases]
        patterns.append(
            _Pattern(
                cases=cases,
                there=np.flatnonzero(there),
                absent=np.flatnonzero(~there),
                mass=mass.sum(),
                sums=mass @ part,
                products=(part * mass[:, None]).T @ part,
            )
        )
    return patterns, member


def _regression(pattern: _Pattern, covariances: np.ndarray, *, regress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the absent items on those that are there, and the covariances that are left."""
    there, absent = pattern.there, pattern.absent
    if not regress or not len(absent):
        return np.zeros((len(absent), len(there))), np.zeros((len(absent), len(absent)))
    between = covariances[np.ix_(there, absent)]
    # Not by solve: items that determine each other are found once the moments have settled, and named then.
    slopes = (np.linalg.pinv(covariances[np.ix_(there, there)], hermitian=True) @ between).T
    left = covariances[np.ix_(absent, absent)] - slopes @ between
    return slopes, left


def _expected(
    patterns: list[_Pattern], means: np.ndarray, covariances: np.ndarray, *, regress: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Expected means and products of the items, about the origin."""
    first, second = np.zeros_like(means), np.zeros_like(covariances)
    for pattern in patterns:
        there, absent = pattern.there, pattern.absent
        second[np.ix_(there, there)] += pattern.products
        first[there] += pattern.sums
        if not len(absent):
            continue
        slopes, left = _regression(pattern, covariances, regress=regress)
        base = means[absent] - slopes @ means[there]
        sums = pattern.mass * base + slopes @ pattern.sums
        mixed = np.outer(base, pattern.sums) + slopes @ pattern.products
        first[absent] += sums
        second[np.ix_(absent, there)] += mixed
        second[np.ix_(there, absent)] += mixed.T
        second[np.ix_(absent, absent)] += np.outer(sums, base) + mixed @ slopes.T + pattern.mass * left
    return first, second


def _growth(
    patterns: list[_Pattern],
    means: np.ndarray,
    covariances: np.ndarray,
    scale: np.ndarray,
    *,
    regress: bool,
) -> np.ndarray:
    """Inverse of one minus the derivative of the expected statistics about the means, in the items' own units."""
    items = len(means)
    by_mean = np.zeros((items + items * items, items))
    by_product = np.zeros((items + items * items, items * items))
    cell = items + np.arange(items * items).reshape(items, items)
    for pattern in patterns:
        there, absent = pattern.there, pattern.absent
        if not len(absent):
            continue
        slopes, _ = _regression(pattern, covariances, regress=regress)
        # What the expected missing values move by when the means do: g; and when the covariances do: g dΣ h x.
        g = np.zeros((len(absent), items))
        g[np.arange(len(absent)), absent] = 1.0
        g[:, there] = -slopes
        sums = pattern.sums - pattern.mass * means[there]
        by_mean[absent] += pattern.mass * g
        mixed = g[:, None, :] * sums[None, :, None]
        by_mean[cell[np.ix_(absent, there)]] += mixed
        by_mean[cell[np.ix_(there, absent)]] += mixed.transpose(1, 0, 2)
        shift = g[:, None, :] * (slopes @ sums)[None, :, None]
        by_mean[cell[np.ix_(absent, absent)]] += shift + shift.transpose(1, 0, 2)
        if not regress or not len(there):
            if regress:
                by_product[cell[np.ix_(absent, absent)]] += pattern.mass * _outer(g, g)
            continue
        about = (
            pattern.products
            - np.outer(means[there], pattern.sums)
            - np.outer(pattern.sums, means[there])
            + pattern.mass * np.outer(means[there], means[there])
        )
        inverse = np.linalg.inv(covariances[np.ix_(there, there)])
        h = np.zeros((1 + len(there), items))
        h[:, there] = np.vstack([sums, about]) @ inverse
        by_product[absent] += _outer(g, h[:1])[:, 0]
        mixed = _outer(g, h[1:])
        by_product[cell[np.ix_(absent, there)]] += mixed
        by_product[cell[np.ix_(there, absent)]] += mixed.transpose(1, 0, 2)
        shift = _outer(g, slopes @ h[1:])
        by_product[cell[np.ix_(absent, absent)]] += shift + shift.transpose(1, 0, 2) + pattern.mass * _outer(g, g)
    rows, columns = np.triu_indices(items)
    upper = cell[rows, columns] - items
    lower = cell[columns, rows] - items
    by_pair = by_product[:, upper] + np.where(upper != lower, by_product[:, lower], 0.0)
    kept = np.r_[np.arange(items), items + upper]
    derivative = np.hstack([by_mean[kept], by_pair[kept]])
    growth = np.linalg.inv(np.eye(len(kept)) - derivative)
    units = np.r_[scale, scale[rows] * scale[columns]]
    return growth * units[:, None] / units


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Every product of an entry of a row of `left` with one of a row of `right`, shape (rows, rows, items²)."""
    return (left[:, None, :, None] * right[None, :, None, :]).reshape(len(left), len(right), -1)
