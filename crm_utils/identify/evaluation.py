"""How right are the clusters? Precision, recall and F1 of record linkage against the truth, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import customer_problems, missing_columns, raise_problems, resampling_problems
from crm_utils.identify.clusters import connected
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr

_MEASURES = ("precision", "recall", "f1", "b3_precision", "b3_recall", "b3_f1")
_COUNTS = (
    "records",
    "true_pairs",
    "found_pairs",
    "correct_pairs",
    "clusters",
    "persons",
    "mixed_clusters",
    "split_persons",
)
# Below this many independent groups a bootstrap percentile interval is known to be too narrow.
_FEW_GROUPS = 30


class Estimate(NamedTuple):
    """A number between 0 and 1 and the ends of its interval; all NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LinkEvaluation:
    """Clusters held against the truth.

    Parameters
    ----------
    precision, recall, f1 : Estimate
        Of pairs: share of the linked pairs that are right, share of the true pairs that are linked, harmonic mean.
    b3_precision, b3_recall, b3_f1 : Estimate
        B³, of records: how pure is a record's cluster, how complete, harmonic mean.
    records : int
        Records that have a cluster and a true person; the others are left out.
    true_pairs, found_pairs, correct_pairs : int
        Pairs of records of one person, of one cluster, of both.
    clusters, persons : int
        Number of clusters and of persons among the records.
    mixed_clusters, split_persons : int
        Clusters with records of several persons; persons whose records lie in several clusters.
    without_truth, without_cluster : int
        Records left out because the true person, or the cluster, is not known.
    groups : int
        Groups of records that neither a cluster nor a person joins: what the bootstrap draws.
    level : float
        Confidence level of the intervals.
    notes : tuple of str
        What a reader of the numbers has to know.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate
    b3_precision: Estimate
    b3_recall: Estimate
    b3_f1: Estimate
    records: int
    true_pairs: int
    found_pairs: int
    correct_pairs: int
    clusters: int
    persons: int
    mixed_clusters: int
    split_persons: int
    without_truth: int
    without_cluster: int
    groups: int
    level: float
    notes: tuple[str, ...]

    def summary_frame(self) -> pd.DataFrame:
        """Give the measures as numbers: ``measure`` (field name), ``value``, ``low``, ``high``."""
        return pd.DataFrame(
            [(name, *getattr(self, name)) for name in _MEASURES], columns=["measure", *Estimate._fields]
        )

    @property
    def table(self) -> pd.DataFrame:
        """The measures for people: ``measure`` in words, ``share``, ``low_share``, ``high_share``."""
        words = {
            "precision": tr("pairs: precision"),
            "recall": tr("pairs: recall"),
            "f1": tr("pairs: F1"),
            "b3_precision": tr("B³: precision"),
            "b3_recall": tr("B³: recall"),
            "b3_f1": tr("B³: F1"),
        }
        frame = self.summary_frame().replace({"measure": words})
        return frame.rename(columns={"value": "share", "low": "low_share", "high": "high_share"})

    @property
    def counts(self) -> pd.DataFrame:
        """What the measures were counted from, for people: ``what``, ``count``."""
        words = {
            "records": tr("records with a cluster and a true person"),
            "true_pairs": tr("pairs of records of one person"),
            "found_pairs": tr("pairs of records of one cluster"),
            "correct_pairs": tr("pairs of both: correct links"),
            "clusters": tr("clusters"),
            "persons": tr("persons"),
            "mixed_clusters": tr("clusters that mix persons"),
            "split_persons": tr("persons split over clusters"),
            "without_truth": tr("records left out: true person unknown"),
            "without_cluster": tr("records left out: in no cluster"),
        }
        return pd.DataFrame([(text, getattr(self, name)) for name, text in words.items()], columns=["what", "count"])


def person_of_record(truth: pd.DataFrame, *, id_col: str, truth_col: str, where: str) -> pd.Series:
    """True person by record id, where known; raise `ParameterError` where the table is unusable.

    Parameters
    ----------
    truth : pandas.DataFrame
        One row a record.
    id_col, truth_col : str
        Columns of the record and of the person.
    where : str
        Function that asks, for the message.

    Returns
    -------
    pandas.Series
        Person, indexed by record id.
    """
    problems = missing_columns(truth, (id_col, truth_col), "truth")
    if not problems:
        problems += customer_problems(truth, id_col, "truth")
    raise_problems(where, problems)
    return truth.set_index(id_col)[truth_col].dropna()


def pairs_within(sizes: np.ndarray) -> np.ndarray:
    """Give the number of pairs in groups of the given sizes."""
    return sizes * (sizes - 1) // 2


def evaluate_links(
    clusters: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
    truth_col: str = "true_customer_id",
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> LinkEvaluation:
    """Hold clusters against the truth: pairwise and B³ precision, recall and F1, with intervals.

    Everything comes from the table of counts n_ij, records of cluster i and person j; no pair is written down. The
    intervals are bootstrap percentile intervals over groups of records that depend on each other: all that is joined,
    over however many steps, by a cluster or by a person is drawn together.

    Parameters
    ----------
    clusters : pandas.DataFrame
        One row a record: record and cluster.
    truth : pandas.DataFrame
        One row a record: record and person, who may be missing. Records that are in one of the tables only are left
        out and counted.
    id_col, cluster_col, truth_col : str
        Columns of record (in both tables), cluster and person.
    n_boot : int, default 1000
        Bootstrap replicates, at least 2.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    LinkEvaluation
        Measures, counts and notes. Precision of pairs is NaN where nothing was linked, recall where nobody has two
        records, F1 where there is neither a true nor a linked pair.

    Raises
    ------
    ParameterError
        If columns are missing, a record repeats, a cluster is missing, no record is in both tables, or an option lies
        outside its range.

    References
    ----------
    Bagga, A. & Baldwin, B. (1998). Algorithms for scoring coreference chains. *LREC Workshop on Linguistic
    Coreference*, 563–566 (B³).
    Christen, P. (2012). *Data Matching*, sec. 7.2. Springer (precision, recall and F of pairs).
    Davison, A. C. & Hinkley, D. V. (1997). *Bootstrap Methods and their Application*, sec. 3.8. Cambridge.

    Examples
    --------
    Bagga and Baldwin's first response: two of the three true groups are merged.

    >>> truth = pd.DataFrame({"record_id": list("123456789ABC"), "true_customer_id": list("aaaaabbccccc")})
    >>> clusters = pd.DataFrame({"record_id": list("123456789ABC"), "cluster_id": list("xxxxxyyyyyyy")})
    >>> evaluation = evaluate_links(clusters, truth, n_boot=100)
    >>> evaluation.summary_frame()[["measure", "value"]].round(3)
            measure  value
    0     precision  0.677
    1        recall  1.000
    2            f1  0.808
    3  b3_precision  0.762
    4     b3_recall  1.000
    5         b3_f1  0.865
    >>> evaluation.mixed_clusters, evaluation.split_persons
    (1, 0)
    """
    problems = missing_columns(clusters, (id_col, cluster_col), "clusters")
    if not problems:
        problems += customer_problems(clusters, id_col, "clusters")
        if missing := int(clusters[cluster_col].isna().sum()):
            problems.append(f"clusters.{cluster_col} is missing in {missing:,} rows; a record alone is its own cluster")
    raise_problems("evaluate_links", [*problems, *resampling_problems(n_boot, level)])
    person = person_of_record(truth, id_col=id_col, truth_col=truth_col, where="evaluate_links")
    at = person.index.get_indexer(clusters[id_col])
    known = at >= 0
    if not known.any():
        raise_problems("evaluate_links", [f"no record of clusters.{id_col} has a person in truth.{truth_col}"])

    cluster, cluster_names = pd.factorize(clusters[cluster_col].to_numpy()[known])
    who, person_names = pd.factorize(person.to_numpy()[at[known]])
    sums, counts = _group_sums(cluster, who, len(cluster_names), len(person_names))
    estimates = _ratios(sums.sum(axis=0, keepdims=True))[0]
    low, high = percentile_interval(_bootstrap_groups(sums, n_boot=n_boot, seed=seed), level=level)
    if len(sums) == 1:
        low[:], high[:] = np.nan, np.nan
    undefined = np.isnan(estimates)
    low[undefined], high[undefined] = np.nan, np.nan
    without_cluster = len(person) - int(known.sum())
    return LinkEvaluation(
        **{name: Estimate(*map(float, row)) for name, *row in zip(_MEASURES, estimates, low, high, strict=True)},
        **dict(zip(_COUNTS, counts, strict=True)),
        without_truth=int((~known).sum()),
        without_cluster=without_cluster,
        groups=len(sums),
        level=level,
        notes=_notes(counts, groups=len(sums), without_cluster=without_cluster),
    )


def _group_sums(
    cluster: np.ndarray, person: np.ndarray, n_clusters: int, n_persons: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Sums by group of dependent records, one row a group, and the totals.

    Columns: correct pairs, found pairs, true pairs, Σ B³ precision, Σ B³ recall, records.
    """
    cells, in_cell = np.unique(cluster.astype(np.int64) * n_persons + person, return_counts=True)
    row, column = cells // n_persons, cells % n_persons
    in_cluster, in_person = np.bincount(cluster, minlength=n_clusters), np.bincount(person, minlength=n_persons)
    group = connected(n_clusters + n_persons, row, n_clusters + column)
    groups = group.max(initial=-1) + 1
    of_cluster, of_person = group[:n_clusters], group[n_clusters:]
    of_cell = of_cluster[row]

    def total(of: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(of, weights=values, minlength=groups)

    sums = np.column_stack(
        [
            total(of_cell, pairs_within(in_cell)),
            total(of_cluster, pairs_within(in_cluster)),
            total(of_person, pairs_within(in_person)),
            total(of_cell, in_cell**2 / in_cluster[row]),
            total(of_cell, in_cell**2 / in_person[column]),
            total(of_cell, in_cell),
        ]
    )
    counts = (
        len(cluster),
        int(pairs_within(in_person).sum()),
        int(pairs_within(in_cluster).sum()),
        int(pairs_within(in_cell).sum()),
        n_clusters,
        n_persons,
        int((np.bincount(row, minlength=n_clusters) > 1).sum()),
        int((np.bincount(column, minlength=n_persons) > 1).sum()),
    )
    return sums, counts


def _ratios(sums: np.ndarray) -> np.ndarray:
    """Measures, one row a row of sums; NaN where a denominator is zero."""
    correct, found, true, pure, complete, records = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        b3_precision, b3_recall = pure / records, complete / records
        return np.column_stack(
            [
                correct / found,
                correct / true,
                2 * correct / (found + true),
                b3_precision,
                b3_recall,
                2 * b3_precision * b3_recall / (b3_precision + b3_recall),
            ]
        )


def _bootstrap_groups(sums: np.ndarray, *, n_boot: int, seed: int) -> np.ndarray:
    """Measures of resampled groups, one row a replicate.

    Groups with equal sums are one kind; how often each kind is drawn is multinomial. Among a million records there are
    a few hundred kinds, which is why this takes moments, and the answer does not depend on the order of the records.
    """
    kinds, size = np.unique(np.round(sums, 9), axis=0, return_counts=True)
    totals = np.empty((n_boot, kinds.shape[1]))
    for replicate, child in enumerate(np.random.SeedSequence(seed).spawn(n_boot)):
        totals[replicate] = np.random.default_rng(child).multinomial(len(sums), size / len(sums)) @ kinds
    return _ratios(totals)


def _notes(counts: tuple[int, ...], *, groups: int, without_cluster: int) -> tuple[str, ...]:
    of = dict(zip(_COUNTS, counts, strict=True))
    notes = []
    if not of["found_pairs"]:
        notes.append(tr("No two records were linked: the precision of pairs is undefined."))
    elif of["found_pairs"] == of["correct_pairs"]:
        notes.append(
            tr("No wrong link was found: the intervals of precision cannot show how rare wrong links are elsewhere.")
        )
    if not of["true_pairs"]:
        notes.append(tr("No person has two records: the recall of pairs is undefined."))
    if groups < _FEW_GROUPS:
        notes.append(
            tr("Only {groups} independent groups of records: the intervals are too narrow.").format(groups=groups)
            if groups > 1
            else tr("All records hang together in one group: there is nothing to resample, and no interval.")
        )
    if without_cluster:
        notes.append(
            tr("{records:,} records of the truth are in no cluster and left out.").format(records=without_cluster)
        )
    return tuple(notes)
