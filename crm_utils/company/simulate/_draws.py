"""Small drawing tools that several tables of the simulated company share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

MICROSECONDS_PER_DAY = 86_400_000_000


def probabilities_with_mean(score: np.ndarray, mean: float) -> np.ndarray:
    """Logistic probabilities whose log-odds differ by `score` and which average to `mean`.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Log-odds up to a constant.
    mean : float
        Wanted average probability, between 0 and 1.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> probabilities_with_mean(np.array([-1.0, 0.0, 1.0]), 0.5).round(3)
    array([0.269, 0.5  , 0.731])
    """
    if score.size == 0 or mean <= 0:
        return np.zeros(score.size)
    if mean >= 1:
        return np.ones(score.size)
    low, high = -40.0 - score.max(), 40.0 - score.min()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + score).mean() < mean else (low, middle)
    return expit((low + high) / 2 + score)


def draw_category(log_odds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One category per row with probabilities softmax(log_odds): the Gumbel-max rule, one draw a cell.

    Parameters
    ----------
    log_odds : ndarray, shape (n, categories)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> draw_category(np.array([[0.0, 50.0], [50.0, 0.0]]), np.random.default_rng(1))
    array([1, 0])
    """
    return np.argmax(log_odds + rng.gumbel(size=log_odds.shape), axis=1)


def block_ids(prefix: str, n: int, *, block: int, width: int = 8) -> np.ndarray:
    """Make identifiers that stay unique when blocks of people are put together.

    Examples
    --------
    >>> block_ids("R", 2, block=3)
    array(['R00300001', 'R00300002'], dtype=object)
    """
    first = block * 100_000 + 1
    return np.array([f"{prefix}{number:0{width}d}" for number in range(first, first + n)], dtype=object)


def to_microseconds(moments: pd.Series) -> np.ndarray:
    """Microseconds since 1970, with the largest integer where the moment is missing (it never comes).

    Examples
    --------
    >>> to_microseconds(pd.Series(pd.to_datetime(["1970-01-01 00:00:01", None])))
    array([            1000000, 9223372036854775807])
    """
    moments = pd.to_datetime(moments).astype("datetime64[us]")
    values = moments.to_numpy().astype(np.int64)
    values[moments.isna().to_numpy()] = np.iinfo(np.int64).max
    return values


def moment(when: str | pd.Timestamp) -> int:
    """Microseconds since 1970 of one moment.

    Examples
    --------
    >>> moment("1970-01-02")
    86400000000
    """
    return int(pd.Timestamp(when).to_datetime64().astype("datetime64[us]").astype(np.int64))


def to_moments(microseconds: np.ndarray) -> np.ndarray:
    """Moments, floored to whole seconds so that a CSV file shows no fraction.

    Examples
    --------
    >>> to_moments(np.array([1_500_000]))
    array(['1970-01-01T00:00:01.000000'], dtype='datetime64[us]')
    """
    return (microseconds // 1_000_000 * 1_000_000).astype("datetime64[us]")


def whole_numbers(values: np.ndarray, missing: np.ndarray | None = None) -> pd.arrays.IntegerArray:
    """Nullable integers: a CSV file shows ``7`` and blank, never ``7.0``.

    Examples
    --------
    >>> list(whole_numbers(np.array([7.0, 8.0]), np.array([False, True])))
    [np.int64(7), <NA>]
    """
    if missing is None:
        missing = np.zeros(values.shape, dtype=bool)
    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int64), missing.copy())
