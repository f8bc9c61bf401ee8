"""When the demo company's data begin and end, and one random generator a subject and block."""

from __future__ import annotations

import numpy as np
import pandas as pd

START = pd.Timestamp("2023-01-01")
AS_OF = pd.Timestamp("2026-01-01")
DAYS = (AS_OF - START).days
BLOCK_SIZE = 5_000

_BLOCK, _COMPANY = 0, 1


def block_rng(seed: int, block: int, subject: int) -> np.random.Generator:
    """Make the generator of one subject (people, purchases, …) of one block of people.

    Its draws depend on nothing else, so that a person is the same person in a company of any size.

    Parameters
    ----------
    seed : int
        The company's seed.
    block : int
        Number of the block, from 0.
    subject : int
        Number of the subject.

    Returns
    -------
    numpy.random.Generator
        Independent of every other block and subject.

    Examples
    --------
    >>> bool(block_rng(7, 3, 1).random() == block_rng(7, 3, 1).random())
    True
    >>> bool(block_rng(7, 3, 1).random() == block_rng(7, 4, 1).random())
    False
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_BLOCK, block, subject)))


def company_rng(seed: int, subject: int) -> np.random.Generator:
    """Make the generator of a subject that concerns the company as a whole.

    Parameters
    ----------
    seed : int
        The company's seed.
    subject : int
        Number of the subject.

    Returns
    -------
    numpy.random.Generator
        Independent of every block's generators.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_COMPANY, subject)))


def day_at(days: np.ndarray, minutes: np.ndarray | int = 0) -> np.ndarray:
    """Turn days since `START`, and minutes since midnight, into time stamps.

    Parameters
    ----------
    days : numpy.ndarray
        Whole days.
    minutes : numpy.ndarray or int, default 0
        Whole minutes, 0 to 1439.

    Returns
    -------
    numpy.ndarray
        Of type ``datetime64[us]``.

    Examples
    --------
    >>> day_at(np.array([0, 365]), 90)
    array(['2023-01-01T01:30:00.000000', '2024-01-01T01:30:00.000000'],
          dtype='datetime64[us]')
    """
    minutes_since = np.asarray(days).astype("int64") * 1440 + np.asarray(minutes).astype("int64")
    return np.datetime64(START, "us") + minutes_since.astype("timedelta64[m]")
