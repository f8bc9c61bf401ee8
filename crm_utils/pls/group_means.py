"""Means of the items by group of cases, in the sample and in every replicate of a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import index_problems, raise_problems
from crm_utils.pls.cases import Cases, Moments
from crm_utils.pls.incomplete import Completion

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
    clusters : numpy.ndarray of int, shape (groups,), or None
        Clusters that they belong to, where there are any.
    estimates : numpy.ndarray of float, shape (groups, items)
        Means in the sample.
    replicates : numpy.ndarray of float, shape (usable replicates, groups, items)
        Means in every usable replicate; NaN where nobody of a group was drawn.
    """

    labels: pd.Index
    cases: np.ndarray
    clusters: np.ndarray | None
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

    Missing values are what is expected of them under the replicate's own moments.
    """
    cases, usable = bootstrap.draws.cases, bootstrap.usable
    labels, members, estimates = means_by_group(cases, groups, where=_WHERE)
    member = np.zeros((len(cases.data), len(labels)))
    for group, rows in enumerate(members):
        member[rows, group] = 1.0
    completion = cases.completion
    if completion is None:
        values, centre, scale = cases.data - cases.data.mean(axis=0), cases.data.mean(axis=0), 1.0
    else:
        values, centre, scale = completion.expectation.seen, completion.centre, completion.scale
    replicates = np.empty((bootstrap.n_boot, *estimates.shape))
    for batch, masses in bootstrap.masses():
        counts = usable[batch.start : batch.stop]
        mass, chosen = masses[counts], np.array(batch)[counts]
        sums = np.stack([mass[:, rows] @ values[rows] for rows in members], axis=1)
        if completion is not None:
            sums += _expected_sums(completion, bootstrap.moments, chosen, mass, member)
        with np.errstate(invalid="ignore"):
            replicates[chosen] = centre + scale * sums / (mass @ member)[:, :, None]
    sizes = np.array([len(rows) for rows in members])
    clusters = None
    if cases.clusters is not None:
        clusters = np.array([len(np.unique(cases.clusters[rows])) for rows in members])
    return GroupMeans(labels, sizes, clusters, estimates, replicates[usable])


def _expected_sums(
    completion: Completion, moments: Moments, chosen: np.ndarray, mass: np.ndarray, member: np.ndarray
) -> np.ndarray:
    """What is expected of missing values in the replicates `chosen`, added up by group, in standard units."""
    means = (moments.means[chosen] - completion.centre) / completion.scale
    spreads = moments.spreads[chosen] / completion.scale
    covariances = moments.correlations[chosen] * spreads[:, :, None] * spreads[:, None, :]
    expectation = completion.expectation
    precisions = expectation.precisions(covariances)
    sums = np.zeros((len(chosen), member.shape[1], means.shape[1]))
    for pattern in expectation.patterns:
        weighted = pattern.expected(means, precisions)[0] * mass[:, None, pattern.cases]
        sums[:, :, pattern.absent] += (weighted @ member[pattern.cases]).transpose(0, 2, 1)
    return sums
