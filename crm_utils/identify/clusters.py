"""From links between pairs to people: clusters, and clusters that cannot be one person."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_utils.checks import missing_columns, raise_problems

LARGEST_GROUP = 200
# Far below any pair that a model scores: what a pair counts for in a group where it was never scored.
_UNSCORED_WEIGHT = -30.0


def connected(records: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number the groups of records (or of any nodes 0, 1, …) that links connect, directly or through others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(records, records))
    return connected_components(links, directed=False)[1]


def unscored_pairs(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs within groups that are not among the given pairs; groups above `LARGEST_GROUP` are left out."""
    sizes = np.bincount(labels)
    inside = labels[left] == labels[right]
    scored = np.bincount(labels[left[inside]], minlength=len(sizes))
    incomplete = (scored < sizes * (sizes - 1) // 2) & (sizes <= LARGEST_GROUP)
    members = pd.DataFrame({"record": np.arange(len(labels)), "group": labels})[incomplete[labels]]
    every = members.merge(members, on="group", suffixes=("_l", "_r"))
    every = every[every["record_l"] < every["record_r"]]
    known = inside & incomplete[labels[left]]
    code = np.minimum(left[known], right[known]) * len(labels) + np.maximum(left[known], right[known])
    new = every[~(every["record_l"] * len(labels) + every["record_r"]).isin(code)]
    return new["record_l"].to_numpy(), new["record_r"].to_numpy()


def consistent_clusters(
    records: int, left: np.ndarray, right: np.ndarray, weight: np.ndarray, *, threshold_weight: float
) -> np.ndarray:
    """Cluster records so that a cluster's records agree with each other on average, not only along a chain.

    Parameters
    ----------
    records : int
        Number of records; they are 0, 1, …
    left, right : numpy.ndarray of int, shape (pairs,)
        Scored pairs, each once.
    weight : numpy.ndarray of float, shape (pairs,)
        Match weight of each pair, in bits.
    threshold_weight : float
        Weight from which a pair counts as linked.

    Returns
    -------
    numpy.ndarray of int, shape (records,)
        Cluster of each record.

    Notes
    -----
    Links are first followed as far as they lead (connected components). A group in which some pair is below the
    threshold is clustered again by average linkage (UPGMA, `scipy.cluster.hierarchy`), cut at weight 0: two sets of
    records stay together only if the evidence between them speaks for one person on average. Pairs that were never
    scored count as evidence against. A group of more than 200 records is left as it is.

    Examples
    --------
    A chain whose ends contradict each other is cut at its weakest link.

    >>> left, right, weight = np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([9.0, 4.0, -12.0])
    >>> consistent_clusters(3, left, right, weight, threshold_weight=3).tolist()
    [0, 0, 1]
    """
    linked = weight >= threshold_weight
    labels = connected(records, left[linked], right[linked])
    sizes = np.bincount(labels)
    links = np.bincount(labels[left[linked]], minlength=len(sizes))
    mixed = (links < sizes * (sizes - 1) // 2) & (sizes <= LARGEST_GROUP)
    if mixed.any():
        inside = (labels[left] == labels[right]) & mixed[labels[left]]
        labels = _split(labels, left[inside], right[inside], weight[inside])
    return pd.factorize(labels)[0]


def _split(labels: np.ndarray, left: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Cluster the groups of the given pairs anew by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage

    surest = weight.max()
    order = np.argsort(labels[left], kind="stable")
    left, right, distance = left[order], right[order], (surest - weight)[order]
    starts = np.flatnonzero(np.diff(labels[left], prepend=-1))
    new, following = labels.copy(), labels.max() + 1
    for start, end in zip(starts, [*starts[1:], len(left)], strict=True):
        group, position = np.unique(np.concatenate([left[start:end], right[start:end]]), return_inverse=True)
        between = np.full((len(group), len(group)), surest - _UNSCORED_WEIGHT)
        first, second = position[: end - start], position[end - start :]
        between[first, second] = between[second, first] = distance[start:end]
        condensed = between[np.triu_indices(len(group), 1)]
        parts = fcluster(linkage(condensed, method="average"), surest, criterion="distance")
        new[group] = following + parts
        following += parts.max() + 1
    return new


def impossible_clusters(
    records: pd.DataFrame,
    clusters: pd.DataFrame,
    fields: Mapping[str, str],
    *,
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
    people_per_phone: int = 2,
) -> pd.DataFrame:
    """List what cannot be: clusters with two birth dates or identifiers, and telephones with too many people.

    Parameters
    ----------
    records : pandas.DataFrame
        Normalised records with `id_col` and the declared fields.
    clusters : pandas.DataFrame
        `id_col` and `cluster_col`, one row a record.
    fields : mapping of str to str
        Column and kind (`crm_utils.identify.KINDS`); dates, identifiers, categories and phones are looked at.
    id_col, cluster_col : str
        Columns of the record and of the cluster.
    people_per_phone : int, default 2
        Clusters that may share one telephone number.

    Returns
    -------
    pandas.DataFrame
        One row a contradiction, for a person to look at: rule, field, clusters (tuple of ids), records (number), values
        (number of different ones). Two dates in one digit or an exchange of day and month apart are one date with a
        slip, and are not listed.

    Raises
    ------
    ParameterError
        If a column is absent.

    Examples
    --------
    >>> records = pd.DataFrame({"record_id": ["a", "b"], "birth_date": ["1980-05-17", "1991-11-02"]})
    >>> clusters = pd.DataFrame({"record_id": ["a", "b"], "cluster_id": ["a", "a"]})
    >>> impossible_clusters(records, clusters, {"birth_date": "date"})[["rule", "records", "values"]].to_dict("records")
    [{'rule': 'one person, two dates', 'records': 2, 'values': 2}]
    """
    wanted = {kind: [column for column, its in fields.items() if its == kind] for kind in set(fields.values())}
    looked_at = [column for kind in ("date", "identifier", "category", "phone") for column in wanted.get(kind, [])]
    raise_problems(
        "impossible_clusters",
        [
            *missing_columns(records, [id_col, *looked_at], "records"),
            *missing_columns(clusters, [id_col, cluster_col], "clusters"),
        ],
    )
    joined = records[[id_col, *looked_at]].merge(clusters[[id_col, cluster_col]], on=id_col)
    found = []
    for kind in ("date", "identifier", "category"):
        for column in wanted.get(kind, []):
            values = joined[[cluster_col, column]].dropna()
            different = values.groupby(cluster_col)[column].nunique()
            several = values[values[cluster_col].isin(different.index[different > 1])]
            for cluster, seen in several.groupby(cluster_col)[column]:
                if kind == "date" and not _far_apart(seen.unique()):
                    continue
                found.append((f"one person, two {_PLURAL[kind]}", column, (cluster,), len(seen), seen.nunique()))
    for column in wanted.get("phone", []):
        people = joined.dropna(subset=[column]).groupby(column)[cluster_col].agg(["unique", "size"])
        crowded = people[people["unique"].str.len() > people_per_phone]
        found += [
            (f"one phone, more than {people_per_phone} people", column, tuple(row["unique"]), int(row["size"]), 1)
            for _, row in crowded.iterrows()
        ]
    return pd.DataFrame(found, columns=["rule", "field", "clusters", "records", "values"])


_PLURAL = {"date": "dates", "identifier": "identifiers", "category": "categories"}


def _far_apart(dates: np.ndarray) -> bool:
    """Whether any two dates differ by more than a slip of the pen."""
    for number, first in enumerate(dates):
        for second in dates[number + 1 :]:
            swapped = f"{first[:4]}-{first[8:]}-{first[5:7]}" == second
            if not swapped and sum(a != b for a, b in zip(first, second, strict=True)) > 1:
                return True
    return False
