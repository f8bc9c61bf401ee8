"""How long memberships have lasted, in months: by the calendar from days, or as a table gives it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, raise_problems


def completed_months(started: pd.Series, until: pd.Series) -> np.ndarray:
    """Calendar months that are over at the start of each day `until`, shape (n,) of int.

    A month that lacks the day of the start ends with its own last day, as one from 31 January ends with February.
    """
    from_day, to_day = started.dt.day.to_numpy(), until.dt.day.to_numpy()
    months = (until.dt.year - started.dt.year).to_numpy() * 12 + (until.dt.month - started.dt.month).to_numpy()
    return (months - (to_day < from_day)).astype(np.int64)


def months_and_ends(
    memberships: pd.DataFrame, tenure_col: str, churned_col: str, where: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Months of each membership that is known by its length only, and whether it has ended; or every problem.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a membership.
    tenure_col, churned_col : str
        Columns of months so far, and of whether it has ended.
    where : str
        What a message names as its place.
    problems : list of str
        What the caller found wrong, raised together with what is found here.

    Returns
    -------
    months : numpy.ndarray of int, shape (n,)
        Begun months, from 1, of a membership that has ended; completed months of one that runs.
    ended : numpy.ndarray of bool, shape (n,)
        Whether it has ended.
    """
    tenure = as_numbers(memberships[tenure_col], f"memberships.{tenure_col}", problems)
    if (negative := tenure < 0).any():
        problems.append(
            f"memberships.{tenure_col} must not be negative, and {negative.sum():,} are "
            f"(at positions {first_rows(negative)})"
        )
    churned = memberships[churned_col]
    if churned.isna().any() or not set(churned.unique()) <= {True, False}:
        problems.append(f"memberships.{churned_col} must be True or False in every row")
    raise_problems(where, problems)
    ended = churned.to_numpy(dtype=bool)
    return np.where(ended, np.maximum(np.ceil(tenure), 1), np.floor(tenure)).astype(np.int64), ended
