"""The cases a path model is estimated from: checked, weighted, and boiled down to means and correlations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, index_problems, raise_problems
from crm_utils.errors import DataFloorError, nearest_name

MISSING = ("error", "listwise", "mean")
# Cross products of this many cases are formed at a time.
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases without missing values.

    Attributes
    ----------
    data : numpy.ndarray of float, shape (cases, items)
        Values of the items, after missing ones were dealt with.
    weights : numpy.ndarray of float, shape (cases,)
        Weights with a mean of 1 over cases that count.
    index : pandas.Index
        Labels of the cases.
    missing_share : numpy.ndarray of float, shape (items,)
        Share of values that were missing in the data given.
    """

    data: np.ndarray
    weights: np.ndarray
    index: pd.Index
    missing_share: np.ndarray

    @property
    def count(self) -> int:
        """Cases with a weight above zero."""
        return int((self.weights > 0).sum())


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


def read_cases(data: pd.DataFrame, items: Sequence[str], *, missing: str, weights: Any, where: str) -> Cases:
    """Check the data and deal with missing values.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a case.
    items : sequence of str
        Columns to read.
    missing : {"error", "listwise", "mean"}
        What to do about missing values.
    weights : str or array-like of float or None
        Column or values of the cases' weights.
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
    raise_problems(where, problems)
    gaps = np.isnan(values)
    share = gaps.mean(axis=0) if len(values) else np.zeros(len(items))
    kept = np.ones(len(values), dtype=bool)
    if missing == "listwise":
        kept = ~gaps.any(axis=1)
    elif missing == "error" and gaps.any():
        listed = ", ".join(f"{item} {part:.1%}" for item, part in zip(items, share, strict=True) if part)
        problems.append(
            f"values are missing ({listed} of {len(values):,} cases; {int(gaps.any(axis=1).sum()):,} lack at "
            "least one); choose missing='listwise' or missing='mean', or fill them on purpose"
        )
    for item, column in zip(items, gaps.T, strict=True):
        if len(column) and column.all():
            problems.append(f"the item {item} has no value at all; leave it out of the model")
    raise_problems(where, problems)
    values, mass, index = values[kept], mass[kept], data.index[kept]
    if not (mass > 0).any():
        raise DataFloorError(
            f"{where}: no case of {len(data):,} is left"
            + (
                " with a value for every item; use missing='mean', or leave out items that are often missing."
                if len(data)
                else "."
            )
        )
    if missing == "mean":
        values = _mean_filled(values, mass, items, where)
    counted = values[mass > 0]
    constant = np.ptp(counted, axis=0) == 0
    if constant.any() and len(counted) > 1:
        problems += [
            f"the item {item} is {level:g} for all {len(counted):,} cases and tells nothing; leave it out"
            for item, level, flat in zip(items, counted[0], constant, strict=True)
            if flat
        ]
    raise_problems(where, problems)
    return Cases(values, mass / mass[mass > 0].mean(), index, share)


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


def _mean_filled(values: np.ndarray, mass: np.ndarray, items: Iterable[str], where: str) -> np.ndarray:
    given = ~np.isnan(values)
    total = mass @ given
    if (total == 0).any():
        empty = ", ".join(item for item, weight in zip(items, total, strict=True) if weight == 0)
        raise_problems(where, [f"no case with a weight above zero has a value of {empty}; leave it out of the model"])
    return np.where(given, values, mass @ np.where(given, values, 0.0) / total)


def moments(values: np.ndarray, masses: np.ndarray, cases: int) -> Moments:
    """Means, standard deviations and correlations under each row of weights.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (cases, items)
        Values of the items.
    masses : numpy.ndarray of float, shape (replicates, cases)
        Weight of each case in each replicate.
    cases : int
        How many count, for the standard deviations.

    Returns
    -------
    Moments
        One replicate a row.

    Examples
    --------
    >>> seen = moments(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 9.0]]), np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]), 3)
    >>> seen.means.round(3).tolist()
    [[2.0, 5.0], [1.333, 2.667]]
    """
    # About the overall mean, so that sums of squares keep their digits whatever the unit.
    centre = values.mean(axis=0)
    rows, columns = np.triu_indices(values.shape[1])
    sums = np.zeros((len(masses), values.shape[1]))
    products = np.zeros((len(masses), len(rows)))
    for start in range(0, len(values), _ROWS_AT_ONCE):
        stop = start + _ROWS_AT_ONCE
        part, mass = values[start:stop] - centre, masses[:, start:stop]
        sums += mass @ part
        if len(masses) == 1:
            products += ((part * mass[0, :, None]).T @ part)[rows, columns]
        else:
            products += mass @ (part[:, rows] * part[:, columns])
    total = masses.sum(axis=1, keepdims=True)
    means = sums / total
    covariances = np.empty((len(masses), values.shape[1], values.shape[1]))
    covariances[:, rows, columns] = products / total - means[:, rows] * means[:, columns]
    covariances[:, columns, rows] = covariances[:, rows, columns]
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    # What is left of an item that does not vary in a replicate is rounding.
    varies = variances > 1e-12 * (values - centre).var(axis=0)
    spreads = np.sqrt(np.where(varies, variances, np.nan))
    correlations = covariances / (spreads[:, :, None] * spreads[:, None, :])
    items = np.arange(values.shape[1])
    correlations[:, items, items] = np.where(varies, 1.0, np.nan)
    return Moments(means + centre, spreads * np.sqrt(cases / max(cases - 1, 1)), correlations)
