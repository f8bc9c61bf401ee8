"""Means of the items by group of cases, in the sample and in every replicate of a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import index_problems, raise_problems
from crm_utils.pls.cases import Cases

if TYPE_CHECKING:
    from crm_utils.pls.bootstrap import PathBootstrap

_WHERE = "PathBootstrap.group_means"


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """Weighted means of the items by group.

    Attributes
    ----------
    labels : pandas.Index
        Groups, in their order.
    cases : numpy.ndarray of int, shape (groups,)
        Cases with a weight above zero.
    estimates : numpy.ndarray of float, shape (groups, items)
        Means in the sample.
    replicates : numpy.ndarray of float, shape (usable replicates, groups, items)
        Means in every usable replicate; NaN where nobody of a group was drawn.
    """

    labels: pd.Index
    cases: np.ndarray
    estimates: np.ndarray
    replicates: np.ndarray


def group_codes(groups: Any, cases: Cases, *, where: str) -> tuple[np.ndarray, pd.Index]:
    """Number of the group of each case, −1 for none, and the labels in their order.

    Parameters
    ----------
    groups : array-like, shape (rows of the data,) or pandas.DataFrame, shape (rows of the data, columns)
        Labels, or columns whose combinations are the groups; missing for none.
    cases : Cases
        The cases used.
    where : str
        What a message names as its place.

    Returns
    -------
    codes : numpy.ndarray of int, shape (cases,)
        Groups by number.
    labels : pandas.Index
        Groups that have a case.

    Raises
    ------
    ParameterError
        If there is not one label a row, or no case has one.
    """
    rows = len(cases.kept)
    if np.ndim(groups) == 0 or len(groups) != rows:
        has = "one value" if np.ndim(groups) == 0 else f"{len(groups):,}"
        raise_problems(where, [f"groups must be one a row of the data, which has {rows:,}; groups have {has}"])
    if isinstance(groups, pd.Series | pd.DataFrame):
        groups = groups[cases.kept]
        raise_problems(where, index_problems(data=pd.Series(0, cases.index), groups=groups))
    else:
        groups = pd.Series(groups)[cases.kept]
    if isinstance(groups, pd.DataFrame):
        found = groups.groupby(list(groups.columns), dropna=True, sort=True, observed=True)
        codes, labels = found.ngroup().to_numpy(), found.size().index
    else:
        codes, labels = pd.factorize(groups, sort=True)
        labels = pd.Index(labels, name=groups.name or "group")
    if not len(labels):
        raise_problems(where, ["no case has a group; give labels, one a row of the data"])
    return codes, labels


def means_by_group(cases: Cases, groups: Any, *, where: str) -> tuple[pd.Index, list[np.ndarray], np.ndarray]:
    """Groups of cases, the positions of their cases, and their means, shape (groups, items)."""
    codes, labels = group_codes(groups, cases, where=where)
    members = [np.flatnonzero(codes == group) for group in range(len(labels))]
    means = [np.average(cases.data[rows], axis=0, weights=cases.weights[rows]) for rows in members]
    return labels, members, np.stack(means)


def group_means(bootstrap: PathBootstrap, groups: Any) -> GroupMeans:
    """Means of the items by group; see `PathBootstrap.group_means`.

    The mean of an item in a group moves around its estimate by the deviation of the (completed) values drawn, over
    the share of them that was there: what was filled in is not taken for seen.
    """
    cases = bootstrap.draws.cases
    labels, members, estimates = means_by_group(cases, groups, where=_WHERE)
    seen = np.ones_like(estimates)
    if cases.completion is not None:
        there = ~cases.completion.absent[cases.completion.pattern]
        seen = np.stack([np.average(there[rows], axis=0, weights=cases.weights[rows]) for rows in members])
        seen = np.where(seen > 0, seen, np.nan)
    replicates = np.empty((bootstrap.n_boot, *estimates.shape))
    for batch, masses in bootstrap.masses():
        for group, rows in enumerate(members):
            mass = masses[:, rows]
            with np.errstate(invalid="ignore"):
                drawn = (mass @ cases.data[rows]) / mass.sum(axis=1, keepdims=True)
            replicates[batch.start : batch.stop, group] = estimates[group] + (drawn - estimates[group]) / seen[group]
    sizes = np.array([len(rows) for rows in members])
    return GroupMeans(labels, sizes, estimates, replicates[bootstrap.usable])
