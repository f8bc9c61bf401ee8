"""The cases a path model is estimated from: checked, weighted, and boiled down to means and correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, index_problems, raise_problems
from crm_utils.errors import DataFloorError, nearest_name
from crm_utils.pls.incomplete import Completion, complete

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
    unanswered : int
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
    unanswered: int = 0
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
        completion = self.completion
        if completion is not None:
            completion = replace(completion, data=completion.data[used], pattern=completion.pattern[used])
        return Cases(
            data=self.data[used],
            weights=self.weights[used],
            index=self.index[used],
            kept=kept,
            clusters=None if self.clusters is None else self.clusters[used],
            missing_share=self.missing_share,
            unanswered=self.unanswered,
            completion=completion,
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
    problems += _absent_problems(data, items)
    raise_problems(where, problems)

    values = np.column_stack([_item_values(data[item], item, problems) for item in items])
    mass = _case_weights(data, weights, problems)
    codes = _cluster_codes(data, clusters, problems)
    raise_problems(where, problems)
    gaps = np.isnan(values)
    share = gaps.mean(axis=0) if len(values) else np.zeros(len(items))
    kept = ~gaps.all(axis=1)
    unanswered = int((~kept).sum())
    if missing == "listwise":
        kept = ~gaps.any(axis=1)
    elif missing == "error" and gaps.any():
        listed = ", ".join(f"{item} {part:.1%}" for item, part in zip(items, share, strict=True) if part)
        problems.append(
            f"values are missing ({listed} of {len(values):,} cases; {int(gaps.any(axis=1).sum()):,} lack at "
            "least one); choose missing='em', 'mean' or 'listwise', or fill them on purpose"
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
        unanswered=0 if missing == "listwise" else unanswered,
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


def _absent_problems(data: pd.DataFrame, items: Sequence[str]) -> list[str]:
    absent = [item for item in items if item not in data.columns]
    hints = {item: nearest_name(item, map(str, data.columns)) for item in absent}
    return [
        f"data lacks the item {item}" + (f" (did you mean {hints[item]!r}?)" if hints[item] else "") for item in absent
    ]


def _item_values(column: pd.Series, item: str, problems: list[str]) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
        given = column.dropna()
        if len(given) and not all(isinstance(value, int | float) for value in given):
            odd = next(value for value in given if not isinstance(value, int | float))
            problems.append(f"the item {item} must be numeric, and holds {odd!r}; convert it first")
            return np.full(len(column), np.nan)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    if (endless := np.isinf(values)).any():
        problems.append(
            f"the item {item} is infinite in {int(endless.sum()):,} rows (at positions {first_rows(endless)}); "
            "correct them"
        )
    return values


def _case_weights(data: pd.DataFrame, weights: Any, problems: list[str]) -> np.ndarray:
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if weights not in data.columns:
            near = nearest_name(weights, map(str, data.columns))
            problems.append(
                f"data lacks the weights column {weights!r}" + (f" (did you mean {near!r}?)" if near else "")
            )
            return np.ones(len(data))
        weights = data[weights]
    if np.ndim(weights) == 0 or len(weights) != len(data):
        has = "one value" if np.ndim(weights) == 0 else f"{len(weights):,}"
        problems.append(f"weights must be one a case: data has {len(data):,} rows, weights have {has}")
        return np.ones(len(data))
    problems += index_problems(data=data, weights=weights)
    mass = as_numbers(weights, "weights", problems)
    if (negative := mass < 0).any():
        problems.append(
            f"weights must not be negative, and {int(negative.sum()):,} are (at positions {first_rows(negative)})"
        )
    elif len(mass) and (mass == 0).all():
        problems.append("weights are zero for every case; at least some must count")
    return mass


def _cluster_codes(data: pd.DataFrame, clusters: Any, problems: list[str]) -> np.ndarray | None:
    if clusters is None:
        return None
    if isinstance(clusters, str):
        if clusters not in data.columns:
            near = nearest_name(clusters, map(str, data.columns))
            problems.append(
                f"data lacks the clusters column {clusters!r}" + (f" (did you mean {near!r}?)" if near else "")
            )
            return None
        clusters = data[clusters]
    if np.ndim(clusters) != 1 or len(clusters) != len(data):
        has = "one value" if np.ndim(clusters) == 0 else f"{len(clusters):,}"
        problems.append(f"clusters must be one a case: data has {len(data):,} rows, clusters have {has}")
        return None
    problems += index_problems(data=data, clusters=clusters)
    codes = pd.factorize(pd.Series(np.asarray(clusters)), use_na_sentinel=True)[0]
    if (unknown := codes < 0).any():
        problems.append(
            f"clusters are missing for {int(unknown.sum()):,} cases (at positions {first_rows(unknown)}); give a case "
            "that belongs to no other a label of its own"
        )
    return codes


class MomentSource:
    """Moments of the same cases under any weights; what does not depend on the weights is formed once.

    Parameters
    ----------
    cases : Cases
        The cases.
    """

    def __init__(self, cases: Cases):
        self._cases = cases
        self._completion = cases.completion
        # About the overall mean, so that sums of squares keep their digits whatever the unit.
        self._centre = cases.data.mean(axis=0) if cases.completion is None else cases.completion.centre
        self._spread = cases.data.var(axis=0)
        self._pairs = np.triu_indices(cases.data.shape[1])
        bytes_needed = 8 * len(cases.data) * len(self._pairs[0])
        self._kept: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._keeps = len(cases.data) > 1 and bytes_needed <= _BYTES_KEPT

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Deviations of the cases, and their products, a part of the cases at a time."""
        rows, columns = self._pairs
        for start in range(0, len(self._cases.data), _ROWS_AT_ONCE):
            part = self._cases.data[start : start + _ROWS_AT_ONCE] - self._centre
            products = part[:, rows] * part[:, columns]
            if self._completion is not None:
                open_part = self._completion.covariances[:, rows, columns]
                products += open_part[self._completion.pattern[start : start + _ROWS_AT_ONCE]]
            yield part, products

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
        items, (rows, columns) = self._cases.data.shape[1], self._pairs
        sums, products = np.zeros((len(masses), items)), np.zeros((len(masses), len(rows)))
        if len(masses) == 1 and self._completion is None:
            self._add_single(masses[0], sums, products)
        else:
            if self._keeps and self._kept is None:
                self._kept = list(self._parts())
            start = 0
            for part, pairs in self._kept or self._parts():
                mass = masses[:, start : start + len(part)]
                sums += mass @ part
                products += mass @ pairs
                start += len(part)
        total = masses.sum(axis=1, keepdims=True)
        means, products = sums / total, products / total
        if self._completion is not None:
            means, products = self._grown(means, products)
        covariances = np.empty((len(masses), items, items))
        covariances[:, rows, columns] = products - means[:, rows] * means[:, columns]
        covariances[:, columns, rows] = covariances[:, rows, columns]
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        # What is left of an item that does not vary in a replicate is rounding.
        varies = variances > 1e-12 * self._spread
        spreads = np.sqrt(np.where(varies, variances, np.nan))
        correlations = covariances / (spreads[:, :, None] * spreads[:, None, :])
        every = np.arange(items)
        correlations[:, every, every] = np.where(varies, 1.0, np.nan)
        size = self._cases.count
        return Moments(means + self._centre, spreads * np.sqrt(size / max(size - 1, 1)), correlations)

    def _add_single(self, mass: np.ndarray, sums: np.ndarray, products: np.ndarray) -> None:
        for start in range(0, len(mass), _ROWS_AT_ONCE):
            part = self._cases.data[start : start + _ROWS_AT_ONCE] - self._centre
            weighted = part * mass[start : start + _ROWS_AT_ONCE, None]
            sums += weighted.sum(axis=0)
            products += (weighted.T @ part)[self._pairs]

    def _grown(self, means: np.ndarray, products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What deviations of the expected statistics amount to once missing values are expected anew."""
        completion, items = self._completion, means.shape[1]
        settled = np.r_[np.zeros(items), completion.products[self._pairs]]
        moved = settled + (np.hstack([means, products]) - settled) @ completion.growth.T
        return moved[:, :items], moved[:, items:]
