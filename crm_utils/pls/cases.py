"""The cases a path model is estimated from: checked, weighted, and boiled down to means and correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.language import counted
from crm_utils.pls.incomplete import Completion, complete
from crm_utils.pls.reading import absent_problems, case_weights, cluster_codes, item_values

MISSING = ("error", "listwise", "mean", "em")
# Products of the items are formed for this many cases at a time, and kept where all of them fit into this memory.
_ROWS_AT_ONCE = 20_000
_BYTES_KEPT = 400_000_000


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases whose missing values have been dealt with.

    Attributes
    ----------
    data : numpy.ndarray of float, shape (cases, items)
        Values of the items; expected ones where they were missing.
    weights : numpy.ndarray of float, shape (cases,)
        Weights with a mean of 1 over cases that count.
    index : pandas.Index
        Labels of the cases.
    kept : numpy.ndarray of bool, shape (rows of the data given,)
        Which rows the cases are.
    clusters : numpy.ndarray of int, shape (cases,), or None
        Number of the cluster of each case.
    missing_share : numpy.ndarray of float, shape (items,)
        Share of values that were missing in the data given.
    empty : int
        Rows without any value, which are left out.
    completion : Completion or None
        How missing values were completed, where they were.
    """

    data: np.ndarray
    weights: np.ndarray
    index: pd.Index
    kept: np.ndarray
    clusters: np.ndarray | None
    missing_share: np.ndarray
    empty: int = 0
    completion: Completion | None = None

    @property
    def count(self) -> int:
        """Cases with a weight above zero."""
        return int((self.weights > 0).sum())

    def counted(self) -> Cases:
        """The cases with a weight above zero."""
        used = self.weights > 0
        if used.all():
            return self
        kept = self.kept.copy()
        kept[kept] = used
        return Cases(
            data=self.data[used],
            weights=self.weights[used],
            index=self.index[used],
            kept=kept,
            clusters=None if self.clusters is None else self.clusters[used],
            missing_share=self.missing_share,
            empty=self.empty,
            completion=None if self.completion is None else self.completion.of(used),
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Means, standard deviations and correlations of the items, one replicate a row.

    Attributes
    ----------
    means, spreads : numpy.ndarray of float, shape (replicates, items)
        Weighted means and standard deviations (of the sample: n − 1).
    correlations : numpy.ndarray of float, shape (replicates, items, items)
        Weighted correlations; NaN for an item that does not vary.
    """

    means: np.ndarray
    spreads: np.ndarray
    correlations: np.ndarray


def read_cases(
    data: pd.DataFrame, items: Sequence[str], *, missing: str, weights: Any, clusters: Any, where: str
) -> Cases:
    """Check the data and deal with missing values.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a case.
    items : sequence of str
        Columns to read.
    missing : {"error", "listwise", "mean", "em"}
        What to do about missing values.
    weights : str or array-like of float or None
        Column or values of the cases' weights.
    clusters : str or array-like or None
        Column or labels of the clusters that cases belong to.
    where : str
        What the message names as its place.

    Returns
    -------
    Cases
        The cases that remain.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.
    DataFloorError
        If no case remains.
    ConvergenceError
        If the moments of incomplete cases do not settle.
    """
    if not isinstance(data, pd.DataFrame):
        raise_problems(where, [f"data must be a pandas DataFrame, and is {type(data).__name__}"])
    problems = []
    repeated = sorted({str(name) for name in data.columns[data.columns.duplicated()] if name in set(items)})
    if repeated:
        problems.append(f"data has more than one column called {', '.join(repeated)}; rename them")
    problems += absent_problems(data, items)
    raise_problems(where, problems)

    values = np.column_stack([item_values(data[item], item, problems) for item in items])
    mass = case_weights(data, weights, problems)
    codes = cluster_codes(data, clusters, problems)
    raise_problems(where, problems)
    gaps = np.isnan(values)
    share = gaps.mean(axis=0) if len(values) else np.zeros(len(items))
    kept = ~gaps.all(axis=1)
    empty = int((~kept).sum())
    if missing == "listwise":
        kept = ~gaps.any(axis=1)
    elif missing == "error" and gaps.any():
        listed = ", ".join(f"{item} {part:.1%}" for item, part in zip(items, share, strict=True) if part)
        lacking = int(gaps.any(axis=1).sum())
        problems.append(
            f"values are missing ({listed} of {counted(len(values), 'case')}; {lacking:,} "
            f"{'lacks' if lacking == 1 else 'lack'} at least one); choose missing='em', 'mean' or 'listwise', or fill "
            "them on purpose"
        )
    for item, column in zip(items, gaps.T, strict=True):
        if len(column) and column.all():
            problems.append(f"the item {item} has no value at all; leave it out of the model")
        elif missing != "listwise" and len(column) and not (mass * ~column).any():
            problems.append(f"the item {item} has no value in a case with a weight above zero; leave it out")
    raise_problems(where, problems)
    values, mass, index = values[kept], mass[kept], data.index[kept]
    if not (mass > 0).any():
        raise DataFloorError(
            f"{where}: no case of {len(data):,} is left"
            + (
                " with a value for every item; use missing='em' or 'mean', or leave out items that are often missing."
                if len(data)
                else "."
            )
        )
    _check_variation(values[mass > 0], items, where)
    mass = mass / mass[mass > 0].mean()
    completion = None
    if np.isnan(values).any():
        completion = complete(values, mass, items, regress=missing == "em", where=where)
    return Cases(
        data=values if completion is None else completion.data,
        weights=mass,
        index=index,
        kept=kept,
        clusters=None if codes is None else codes[kept],
        missing_share=share,
        empty=0 if missing == "listwise" else empty,
        completion=completion,
    )


def _check_variation(values: np.ndarray, items: Sequence[str], where: str) -> None:
    if len(values) < 2:
        return
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    raise_problems(
        where,
        [
            f"the item {item} is {level:g} for all {len(values):,} cases and tells nothing; leave it out"
            for item, level, flat in zip(items, low, low == high, strict=True)
            if flat
        ],
    )


class MomentSource:
    """Moments of the same cases under any weights; what does not depend on the weights is formed once.

    Parameters
    ----------
    cases : Cases
        The cases.
    """

    def __init__(self, cases: Cases):
        self._cases = cases
        items = cases.data.shape[1]
        if cases.completion is None:
            # About the overall mean, so that sums of squares keep their digits whatever the unit.
            self._centre, self._scale = cases.data.mean(axis=0), np.ones(items)
        else:
            self._centre, self._scale = cases.completion.centre, cases.completion.scale
        self._spread = (cases.data.std(axis=0) / self._scale) ** 2
        self._pairs = np.triu_indices(items)
        self._kept: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._keeps = len(cases.data) > 1 and 8 * len(cases.data) * len(self._pairs[0]) <= _BYTES_KEPT

    def moments(self, masses: np.ndarray) -> Moments:
        """Means, standard deviations and correlations under each row of weights.

        Parameters
        ----------
        masses : numpy.ndarray of float, shape (replicates, cases)
            Weight of each case in each replicate.

        Returns
        -------
        Moments
            One replicate a row.
        """
        if self._cases.completion is None:
            means, covariances = self._of_complete(masses)
        else:
            shares = masses / masses.sum(axis=1, keepdims=True)
            means, covariances = self._cases.completion.settle(shares, np.hstack(self._sums(shares)))
        return self._as_moments(means, covariances)

    def of_sample(self) -> Moments:
        """Moments under the cases' own weights, as the only replicate."""
        completion = self._cases.completion
        if completion is None:
            return self.moments(self._cases.weights[None, :])
        return self._as_moments(np.zeros((1, len(self._centre))), completion.correlations[None].copy())

    def _of_complete(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = masses.sum(axis=1, keepdims=True)
        sums, products = self._sums(masses)
        means, products = sums / total, products / total
        rows, columns = self._pairs
        covariances = np.empty((len(masses), len(self._centre), len(self._centre)))
        covariances[:, rows, columns] = products - means[:, rows] * means[:, columns]
        covariances[:, columns, rows] = covariances[:, rows, columns]
        return means, covariances

    def _as_moments(self, means: np.ndarray, covariances: np.ndarray) -> Moments:
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        # What is left of an item that does not vary in a replicate is rounding.
        varies = variances > 1e-12 * self._spread
        spreads = np.sqrt(np.where(varies, variances, np.nan))
        correlations = covariances / (spreads[:, :, None] * spreads[:, None, :])
        every = np.arange(len(self._centre))
        correlations[:, every, every] = np.where(varies, 1.0, np.nan)
        size = self._cases.count
        divisor = np.sqrt(size / max(size - 1, 1))
        return Moments(self._centre + self._scale * means, self._scale * spreads * divisor, correlations)

    def _sums(self, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of the items and of their products."""
        if len(masses) == 1:
            return self._single_sums(masses[0])
        if self._keeps and self._kept is None:
            self._kept = list(self._parts())
        sums, products = np.zeros((len(masses), len(self._centre))), np.zeros((len(masses), len(self._pairs[0])))
        start = 0
        for part, pairs in self._kept or self._parts():
            mass = masses[:, start : start + len(part)]
            sums += mass @ part
            products += mass @ pairs
            start += len(part)
        return sums, products

    def _single_sums(self, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums, products = np.zeros((1, len(self._centre))), np.zeros((1, len(self._pairs[0])))
        for start in range(0, len(mass), _ROWS_AT_ONCE):
            part = self._deviations(start)
            weighted = part * mass[start : start + _ROWS_AT_ONCE, None]
            sums += weighted.sum(axis=0)
            products += (weighted.T @ part)[self._pairs]
        return sums, products

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Deviations of the cases, and their products, a part of the cases at a time."""
        rows, columns = self._pairs
        for start in range(0, len(self._cases.data), _ROWS_AT_ONCE):
            part = self._deviations(start)
            yield part, part[:, rows] * part[:, columns]

    def _deviations(self, start: int) -> np.ndarray:
        """Values about their means, 0 where they are missing, of a part of the cases."""
        if self._cases.completion is None:
            return self._cases.data[start : start + _ROWS_AT_ONCE] - self._centre
        return self._cases.completion.expectation.seen[start : start + _ROWS_AT_ONCE]
