"""Purchase histories as the buy-till-you-die models take them: checked, with covariates, equal ones merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, index_problems, raise_problems

HISTORY = ["frequency", "recency", "age"]
# Steps to the mean age in which times are rounded for a first search, the finest first.
_CELLS = (16, 8, 4)


@dataclass(frozen=True, eq=False)
class PurchaseRows:
    """Distinct purchase histories and how many customers have each.

    Parameters
    ----------
    frequency, recency, age, weights : numpy.ndarray, shape (rows,)
        One entry a distinct history.
    rate, dropout : numpy.ndarray, shape (rows, covariates)
        Covariates of the purchase rate and of dropout; without columns where there are none.
    """

    frequency: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    weights: np.ndarray
    rate: np.ndarray
    dropout: np.ndarray

    def __len__(self) -> int:
        return len(self.frequency)

    def __getitem__(self, part: slice | np.ndarray) -> PurchaseRows:
        return PurchaseRows(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    @cached_property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Each frequency once, and the place of each row's frequency among them."""
        return np.unique(self.frequency, return_inverse=True)

    def where(self, kept: np.ndarray) -> PurchaseRows:
        """Those of the rows for which `kept` is true."""
        return self if kept.all() else self[kept]

    def coarse(self, rows: int) -> PurchaseRows:
        """Merge rows of nearly equal times, to at most so many; where that is not enough, keep some, evenly spaced.

        Times are taken to be in units of their mean. Rows with covariates are not merged.
        """
        if len(self) <= rows:
            return self
        if not (self.rate.shape[1] or self.dropout.shape[1]):
            for cells in _CELLS:
                place, size = _cells(self, cells)
                if size <= rows:
                    weights = np.bincount(place, self.weights, size)
                    means = [
                        np.bincount(place, self.weights * values, size) / weights
                        for values in (self.frequency, self.recency, self.age)
                    ]
                    none = np.empty((size, 0))
                    return PurchaseRows(np.round(means[0]), *means[1:], weights, none, none)
        return self[:: -(-len(self) // rows)]

    def parts(self, rows: int) -> Iterator[PurchaseRows]:
        """Go through them, at most `rows` at a time."""
        return (self[first : first + rows] for first in range(0, len(self), rows))


def _cells(rows: PurchaseRows, cells: int) -> tuple[np.ndarray, int]:
    """Cell of each row: its frequency, and its times in so many steps to the mean age; and the number of cells."""
    recency, age = (np.floor(values * cells).astype(np.int64) for values in (rows.recency, rows.age))
    code = (rows.counts[1] * (recency.max() + 1) + recency) * (age.max() + 1) + age
    place, distinct = pd.factorize(code)
    return place, len(distinct)


def history_frame(where: str, frequency: Any, recency: Any, age: Any) -> pd.DataFrame:
    """Check purchase histories and put them side by side.

    Parameters
    ----------
    where : str
        Who asks, for the message.
    frequency, recency, age : array-like
        One entry a customer; see `BetaGeoNBD.fit`.

    Returns
    -------
    pandas.DataFrame
        Columns frequency, recency and age, as floats, with the index of `frequency` where it has one.

    Raises
    ------
    ParameterError
        If lengths or indices differ or a value is not possible: every problem.
    """
    problems: list[str] = []
    given = {"frequency": frequency, "recency": recency, "age": age}
    given = {name: [values] if np.ndim(values) == 0 else values for name, values in given.items()}
    lengths = {name: len(values) for name, values in given.items()}
    if len(set(lengths.values())) > 1:
        raise_problems(where, [f"frequency, recency and age must be equally long, and have lengths {lengths}"])
    if lengths["frequency"] == 0:
        raise_problems(where, ["there are no customers; at least one is needed"])
    problems += index_problems(**given)
    x, t_x, age_ = (as_numbers(values, name, problems) for name, values in given.items())
    raise_problems(where, problems)
    rules = (
        ((x < 0) | (x != np.round(x)), "frequency must be a whole number of repeat purchases, 0 or more"),
        (age_ < 0, "age must be 0 or more"),
        ((t_x < 0) | (t_x > age_), "recency must lie between 0 and age"),
        ((x == 0) & (t_x > 0), "recency must be 0 where frequency is 0: it is the time of the last repeat purchase"),
        ((x > 0) & (t_x == 0), "recency must be above 0 where frequency is: merge purchases of the same moment first"),
    )
    problems = [f"{rule}; {bad.sum():,} rows (at positions {first_rows(bad)})" for bad, rule in rules if bad.any()]
    raise_problems(where, problems)
    index = frequency.index if isinstance(frequency, pd.Series) else None
    return pd.DataFrame({"frequency": x, "recency": t_x, "age": age_}, index=index)


def row_weights(where: str, weights: Any, customers: int) -> np.ndarray:
    """Check how many customers each row stands for; default: one.

    Raises
    ------
    ParameterError
        If there is not one number of 0 or more a row.
    """
    if weights is None:
        return np.ones(customers)
    if np.ndim(weights) != 1 or len(weights) != customers:
        raise_problems(where, [f"weights must have one entry a row, that is {customers:,}"])
    problems: list[str] = []
    numbers = as_numbers(weights, "weights", problems)
    if not problems and (numbers < 0).any():
        problems.append(f"weights must be 0 or more; {(numbers < 0).sum():,} are not")
    raise_problems(where, problems)
    return numbers


def covariate_frame(where: str, name: str, covariates: Any, index: pd.Index, *, fitted: Any = None) -> pd.DataFrame:
    """Check static covariates of purchase histories.

    Parameters
    ----------
    where, name : str
        Who asks and for which argument, for the message.
    covariates : pandas.DataFrame, array-like of shape (customers, covariates), or None
        Numbers or flags, one row a customer in the order of the histories.
    index : pandas.Index
        Customers of the histories.
    fitted : sequence of str, optional
        Covariates the model was fitted with; default: this is the fit.

    Returns
    -------
    pandas.DataFrame
        Floats with the index of the histories; without columns where `covariates` is None.

    Raises
    ------
    ParameterError
        If rows or columns do not fit, a value is missing or not a number, or, in a fit, a covariate is a constant or a
        combination of the others: every problem.
    """
    if covariates is None:
        frame = pd.DataFrame(index=index)
    else:
        frame = pd.DataFrame(covariates)
        frame.columns = frame.columns.map(str)
    problems: list[str] = []
    if len(frame) != len(index):
        problems.append(f"{name} must have one row a customer, that is {len(index):,}, and has {len(frame):,}")
    elif frame.index.is_unique and not frame.index.equals(index) and frame.index.isin(index).all():
        problems.append(f"{name} has its customers in another order than the histories; use .loc with their index")
    if frame.columns.duplicated().any():
        problems.append(f"{name} has two columns of the same name; rename them")
    if fitted is not None and list(frame.columns) != list(fitted):
        problems.append(f"{name} must have the columns of the fit, {list(fitted)}, and has {list(frame.columns)}")
    raise_problems(where, problems)
    numbers = {column: as_numbers(frame[column], f"{name}.{column}", problems) for column in frame}
    if problems:
        problems.append("turn categories into flags, as with pandas.get_dummies(drop_first=True)")
    elif fitted is None and numbers:
        constant = [column for column, values in numbers.items() if np.ptp(values) == 0]
        if constant:
            problems.append(f"{name}: {', '.join(constant)} is the same for every customer; leave it out")
        else:
            table = np.column_stack([np.ones(len(frame)), *(values / np.ptp(values) for values in numbers.values())])
            if np.linalg.matrix_rank(table) < table.shape[1]:
                problems.append(f"{name}: a column is a combination of the others; leave one out")
    raise_problems(where, problems)
    return pd.DataFrame(numbers, index=index, dtype=float)


def merge_equal_rows(
    histories: pd.DataFrame, weights: np.ndarray, rate: np.ndarray, dropout: np.ndarray
) -> tuple[PurchaseRows, np.ndarray]:
    """Count customers of equal history and covariates.

    Parameters
    ----------
    histories : pandas.DataFrame
        As from `history_frame`.
    weights : numpy.ndarray, shape (customers,)
        Customers a row stands for.
    rate, dropout : numpy.ndarray, shape (customers, covariates)
        Covariates of the purchase rate and of dropout.

    Returns
    -------
    rows : PurchaseRows
        Sorted by frequency, recency and age, so that the order of the input does not matter.
    place : numpy.ndarray of int, shape (customers,)
        Row of each customer.
    """
    columns = [histories[name].to_numpy() for name in HISTORY] + [*rate.T, *dropout.T]
    # One code for all columns, built one column at a time, so that each sort is of integers.
    code = np.zeros(len(histories), dtype=np.int64)
    for values in columns:
        here, known = pd.factorize(values, sort=True)
        code = code * len(known) + here
        if code.size and code.max() > 2**62 // max(len(histories), 1):
            code = np.unique(code, return_inverse=True)[1]
    place, distinct = pd.factorize(code, sort=True)
    first = np.empty(len(distinct), dtype=np.int64)
    first[place[::-1]] = np.arange(len(code))[::-1]
    x, t_x, age = (values[first] for values in columns[:3])
    rows = PurchaseRows(x, t_x, age, np.bincount(place, weights, len(distinct)), rate[first], dropout[first])
    return rows, place
