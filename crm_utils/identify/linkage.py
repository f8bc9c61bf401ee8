"""Record linkage (记录链接): which records belong to one person, by the model of Fellegi and Sunter (1969)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, missing_columns, raise_problems
from crm_utils.errors import ParameterError
from crm_utils.identify.blocking import BLOCKING_SETS, blocking_keys, blocking_rules, limit_blocks
from crm_utils.identify.clusters import connected, consistent_clusters, unscored_pairs
from crm_utils.identify.comparisons import comparisons_for
from crm_utils.identify.engine import RECORD, Engine
from crm_utils.identify.fields import check_fields, recognise_fields
from crm_utils.identify.normalise import NAME_KINDS, normalise_records
from crm_utils.identify.weights import probability_of, weight_of

LEARNING_FLOOR = 200  # records from which m and u are learned
_LEAST_WEIGHT = -10.0  # bits; a pair below is one match in a thousand and is not kept
_GROUP_PROBABILITY = 0.05  # from which a pair's neighbours are compared with each other too
_TAKEN = (RECORD, "full_name", "full_sound")
_TRAINING_BLOCKS = 3
# Pairs a record beyond which a block holds so many people that agree by chance that EM takes some of them for matches.
_CHANCE_PAIRS = 1.5
_TRAINING_PAIRS = 200_000_000


@dataclass(frozen=True)
class LinkSettings:
    """What to compare, and which pairs.

    Parameters
    ----------
    fields : mapping of str to str, optional
        Column and kind (`crm_utils.identify.KINDS`). Default: the columns with a usual name.
    rules : {"narrow", "standard", "wide"} or sequence of tuple of str, default "standard"
        Blocking: a set of `crm_utils.identify.blocking_rules`, or one's own rules, each the prepared columns on which
        two records must agree to be compared. Prepared columns are those of `crm_utils.identify.normalise_records`,
        with ``full_name``, ``full_sound`` and the year of each date, ``<column>_year``.
    comparisons : sequence of splink comparisons, optional
        One's own comparisons of prepared columns. Default: those that suit the kinds.
    region : str, default "CN"
        Country of telephone numbers without a country code (ISO 3166-1).
    max_block : int, default 1,000
        Records in a block above which its value proposes no pairs.
    max_pairs : int, default 50,000,000
        Pairs of all rules together; a rule that would go beyond is left out.
    u_pairs : int, default 3,000,000
        Random pairs from which u is estimated.
    """

    fields: Mapping[str, str] | None = None
    rules: str | Sequence[Sequence[str]] = "standard"
    comparisons: Sequence[Any] | None = None
    region: str = "CN"
    max_block: int = 1_000
    max_pairs: int = 50_000_000
    u_pairs: int = 3_000_000


@dataclass(frozen=True, eq=False)
class LinkResult:
    """Records linked to people.

    Parameters
    ----------
    clusters : pandas.DataFrame
        One row a record, in their order: the record's id, and cluster_id, the id of the cluster's first record.
    pairs : pandas.DataFrame
        Scored pairs above a weight of −10 bits: record_id_l, record_id_r, match_weight (bits, prior included),
        match_probability, rule (that proposed the pair; "same group" where none did), and for each comparison
        ``level_…`` (what was seen) and ``weight_…`` (bits).
    threshold : float
        Match probability from which a pair is a link.
    prior : float
        Probability that two records drawn at random are of one person, estimated from all scored pairs.
    blocking : pandas.DataFrame
        One row a rule: rule, blocks, largest_block, pairs, new_pairs (not proposed by a rule above), blocks_set_aside,
        pairs_set_aside, used.
    model : pandas.DataFrame
        One row a level: comparison, level, m, u, weight (bits), by_frequency (whether rare values count more).
    training : pandas.DataFrame
        One row a run of EM: within, learned, iterations, converged.
    prepared : pandas.DataFrame
        The normalised records that were compared, with their ids.
    fields : dict of str to str
        The declared fields.
    notes : tuple of str
        What a reader of the result has to know: what was not compared, not learned, not converged.
    id_col : str
        Name of the records' id.
    """

    clusters: pd.DataFrame
    pairs: pd.DataFrame
    threshold: float
    prior: float
    blocking: pd.DataFrame
    model: pd.DataFrame
    training: pd.DataFrame
    prepared: pd.DataFrame
    fields: dict[str, str]
    notes: tuple[str, ...]
    id_col: str

    @property
    def converged(self) -> bool:
        """Whether every run of EM converged."""
        return bool(self.training["converged"].all())

    def at(self, threshold: float) -> LinkResult:
        """Cluster the same scored pairs at another threshold.

        Parameters
        ----------
        threshold : float
            Match probability from which a pair is a link, from 0.05 to below 1.

        Returns
        -------
        LinkResult
            With other clusters; nothing is scored again.

        Raises
        ------
        ParameterError
            If the threshold is out of range.
        """
        raise_problems("threshold", _threshold_problems(threshold))
        ids = pd.Index(self.clusters[self.id_col])
        clusters = _cluster(ids, self.pairs, threshold)
        return replace(self, threshold=threshold, clusters=pd.DataFrame({self.id_col: ids, "cluster_id": clusters}))

    def summary_frame(self) -> pd.DataFrame:
        """Count what was linked.

        Returns
        -------
        pandas.DataFrame
            measure and value: records, pairs compared, links, people, records per person, largest cluster.
        """
        sizes = self.clusters["cluster_id"].value_counts()
        links = int((self.pairs["match_probability"] >= self.threshold).sum())
        counts = {
            "records": len(self.clusters),
            "pairs proposed": int(self.blocking["new_pairs"].sum()),
            "links": links,
            "people": len(sizes),
            "records per person": len(self.clusters) / max(len(sizes), 1),
            "largest cluster": int(sizes.max()) if len(sizes) else 0,
        }
        return pd.DataFrame({"measure": list(counts), "value": list(counts.values())})


def _threshold_problems(threshold: float) -> list[str]:
    if isinstance(threshold, int | float) and _GROUP_PROBABILITY <= threshold < 1:
        return []
    return [f"the match probability of a link must lie between {_GROUP_PROBABILITY} and 1, and is {threshold!r}"]


def link_records(
    records: pd.DataFrame,
    *,
    settings: LinkSettings | Mapping[str, str] | None = None,
    threshold: float = 0.9,
    id_col: str = "record_id",
    backend: Any = "duckdb",
    seed: int = 7,
) -> LinkResult:
    """Find which records belong to one person.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a record: `id_col` and the fields to compare, as they were written.
    settings : LinkSettings or mapping of str to str, optional
        What to compare; a mapping declares the fields. Default: the columns with a usual name.
    threshold : float, default 0.9
        Match probability from which a pair is a link. The cheapest threshold is c/(c + d), where c is what a wrong
        merge costs and d what a missed one does: 0.9 says that a wrong merge is nine times as dear.
    id_col : str, default "record_id"
        Column that tells records apart.
    backend : "duckdb" or pyspark.sql.SparkSession, default "duckdb"
        Where pairs are made, compared and scored. On Spark the same settings run through splink's Spark backend.
    seed : int, default 7
        Seed of the random pairs from which u is estimated.

    Returns
    -------
    LinkResult
        Clusters, scored pairs, model, and notes on what could not be done.

    Raises
    ------
    ParameterError
        If a field, rule or setting is wrong, record ids are missing or repeat, or every block is too large.

    Notes
    -----
    Fields are normalised (`crm_utils.identify.normalise_records`); blocking rules propose pairs; each pair is compared
    field by field; the weight of a level is log₂(m/u), its probability among records of one person over that among
    records of different people, with u from random pairs and m by EM, and u replaced by the value's own frequency
    where a field is compared exactly (Fellegi & Sunter 1969; Winkler 2006). The prior is the fixed point at which the
    expected number of matches among the scored pairs equals the one it states. Pairs from the threshold on are links;
    `crm_utils.identify.consistent_clusters` makes people of them. Below 200 records nothing can be learned, and usual
    values of m and u are taken, with a note.

    References
    ----------
    Fellegi, I. P. & Sunter, A. B. (1969). A theory for record linkage. Journal of the American Statistical
    Association, 64, 1183–1210.
    Winkler, W. E. (2006). Overview of record linkage and current research directions. U.S. Census Bureau, Research
    Report Series, Statistics 2006-2.

    Examples
    --------
    >>> records = pd.DataFrame({"record_id": ["a", "b", "c"], "name": ["Wang Xiaoming", "王小明", "Li Na"],
    ...                         "phone": ["+86 154 6830 2833", "15468302833", "15412345678"]})
    >>> link_records(records).clusters["cluster_id"].tolist()
    ['a', 'a', 'c']
    """
    settings = settings if isinstance(settings, LinkSettings) else LinkSettings(fields=settings)
    _check(records, settings, threshold, id_col)
    fields = dict(recognise_fields(records) if settings.fields is None else settings.fields)
    check_fields(records, fields)
    raise_problems("fields", _column_problems(fields))
    ids = pd.Index(records[id_col])
    prepared, compared, notes = _prepare(records, fields, settings)

    rules = settings.rules
    if isinstance(rules, str):
        rules = blocking_rules(compared, prepared, rules=rules)
    raise_problems("rules", [problem for rule in rules for problem in missing_columns(prepared, rule, "the records")])
    keys, counts = limit_blocks(
        blocking_keys(prepared, rules), max_block=settings.max_block, max_pairs=settings.max_pairs
    )
    blocking = pd.DataFrame({"rule": [" + ".join(rule) for rule in rules], **counts.to_dict("list")})
    notes += _blocking_notes(blocking, settings)
    comparisons = settings.comparisons or comparisons_for(compared, prepared)

    engine = None
    new_pairs = [0] * len(rules)
    scored = pd.DataFrame({f"{RECORD}_l": [], f"{RECORD}_r": [], "match_key": [], "match_weight": []}, dtype=float)
    if not len(comparisons) or not keys.notna().any(axis=None):
        notes.append("No two records can be compared: every record stays a person of its own.")
    else:
        engine = _learn(prepared, keys, comparisons, compared, settings, backend, seed)
        notes += engine.notes
        used = list(keys.columns[blocking["used"]])
        linker, new = engine.propose(used)
        for name, number in zip(used, new, strict=True):
            new_pairs[list(keys.columns).index(name)] = number
        scored = engine.score(linker, min_weight=_LEAST_WEIGHT)
        scored["match_key"] = scored["match_key"].astype(int).map(dict(enumerate(map(list(keys.columns).index, used))))
    blocking.insert(4, "new_pairs", new_pairs)

    prior = engine.prior if engine else float("nan")
    if len(scored):
        weight, prior = _settle_prior(scored["match_weight"].to_numpy(), prior, len(records))
        scored["match_weight"] = weight
        scored = pd.concat([scored, _neighbours(engine, scored, len(records), prior)], ignore_index=True)
    model = _model_table(engine)
    pairs = _pair_table(scored, ids, engine, list(blocking["rule"]))
    return LinkResult(
        clusters=pd.DataFrame({id_col: ids, "cluster_id": _cluster(ids, pairs, threshold)}),
        pairs=pairs,
        threshold=threshold,
        prior=prior,
        blocking=blocking,
        model=model,
        training=pd.DataFrame(
            engine.training if engine else [], columns=["within", "learned", "iterations", "converged"]
        ).astype({"iterations": int, "converged": bool}),
        prepared=prepared.assign(**{id_col: ids}),
        fields=fields,
        notes=tuple(notes),
        id_col=id_col,
    )


def _check(records: pd.DataFrame, settings: LinkSettings, threshold: float, id_col: str) -> None:
    problems = missing_columns(records, [id_col], "records") + _threshold_problems(threshold)
    if id_col in records.columns:
        ids = records[id_col]
        if missing := int(ids.isna().sum()):
            problems.append(f"{id_col} is missing in {missing:,} records; give each one")
        if (repeated := ids.notna() & ids.duplicated()).any():
            shown = first_rows(repeated.to_numpy(), ids.to_list())
            problems.append(
                f"{id_col} repeats in {int(repeated.sum()):,} records ({shown}); one row a record is needed"
            )
    if isinstance(settings.rules, str) and settings.rules not in BLOCKING_SETS:
        problems.append(f"there is no set of blocking rules {settings.rules!r}; there are: {', '.join(BLOCKING_SETS)}")
    for name in ("max_block", "max_pairs", "u_pairs"):
        number = getattr(settings, name)
        if not isinstance(number, int) or number < 2:
            problems.append(f"{name} must be a whole number of at least 2, and is {number!r}")
    raise_problems("link_records", problems)


def _column_problems(fields: Mapping[str, str]) -> list[str]:
    """Say which columns the backend could not tell from its own, or could not name."""
    problems, seen = [], {}
    for column, kind in fields.items():
        if not isinstance(column, str) or not re.fullmatch(r"[^\W\d][\w .-]*", column):
            problems.append(f"the column {column!r} needs a name of letters and digits that starts with a letter")
            continue
        if kind in NAME_KINDS:
            continue  # its values go into columns of their own
        comparison = column if kind in ("date", "email", "identifier", "category") else ""
        if comparison in ("name", "contact") or column in _TAKEN or column.startswith(("block_", "train_")):
            problems.append(f"the column {column!r} has a name that linkage needs for itself; rename it")
        for made in (column, f"{column}_year") if kind == "date" else (column,):
            if made.casefold() in seen:
                problems.append(
                    f"the columns {seen[made.casefold()]!r} and {column!r} get in each other's way; rename one"
                )
            seen[made.casefold()] = column
    return problems


def _prepare(
    records: pd.DataFrame, fields: dict[str, str], settings: LinkSettings
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Normalise, add what blocking needs, and leave out what no record has."""
    prepared = normalise_records(records, fields, region=settings.region).reset_index(drop=True)
    notes = []
    compared = {}
    for column, kind in fields.items():
        lost = int((records[column].notna() & prepared[column].isna().to_numpy()).sum()) if column in prepared else 0
        if lost:
            notes.append(f"{column}: {lost:,} of {len(records):,} values cannot be read as {kind}; not compared.")
        if column in prepared and not prepared[column].notna().any():
            notes.append(f"{column} has no value in any record; not compared.")
        else:
            compared[column] = kind
    if "family_sound" in prepared:
        if not prepared[["family_sound", "given_sound"]].notna().any(axis=None):
            notes.append("No record has a name; names are not compared.")
        for whole, family, given in (
            ("full_name", "family_name", "given_name"),
            ("full_sound", "family_sound", "given_sound"),
        ):
            prepared[whole] = prepared[family] + " " + prepared[given]
    for column, kind in compared.items():
        if kind == "date":
            prepared[f"{column}_year"] = prepared[column].str[:4]
    return prepared, compared, notes


def _blocking_notes(blocking: pd.DataFrame, settings: LinkSettings) -> list[str]:
    notes = [
        f"Blocking on {row.rule}: values that stand in more than {settings.max_block:,} records propose no pairs: "
        f"{row.blocks_set_aside:,} of them, the most frequent in {row.largest_block:,} records."
        for row in blocking[blocking["blocks_set_aside"] > 0].itertuples()
    ]
    notes += [
        f"Blocking on {row.rule} would propose {row.pairs:,} pairs; with the rules above that is more than max_pairs = "
        f"{settings.max_pairs:,}, so it is left out."
        for row in blocking[~blocking["used"]].itertuples()
    ]
    if notes and not blocking.loc[blocking["used"], "pairs"].sum():
        raise ParameterError(
            "link_records: no blocking rule leaves pairs to compare. "
            + " ".join(notes)
            + " Declare more fields, give finer rules, or raise max_block or max_pairs."
        )
    return notes


def _training_blocks(fields: Mapping[str, str], prepared: pd.DataFrame) -> list[tuple[str, ...]]:
    """Blocks in which EM can tell one person's pairs from others; together they leave every field to be learned."""
    rules = blocking_rules(fields, prepared, rules="wide")
    dates = [column for column, kind in fields.items() if kind == "date"]
    # The whole name, a way to reach the person, and a date or number: each leaves the others to be learned.
    alone = [columns for columns in rules if len(columns) == 1 and columns[0] in prepared]
    alone = sorted([*alone, *((date,) for date in dates)], key=lambda columns: columns[0] != "full_sound")
    areas = [column for kind in ("code", "place") for column, its in fields.items() if its == kind]
    names = ["full_sound"] if "full_sound" in prepared else []
    together = [
        (first[0], second[0]) for first, second in ((names, dates), (dates, areas), (names, areas)) if first and second
    ]
    return list(dict.fromkeys([*alone, *together]))


def _learn(
    prepared: pd.DataFrame,
    keys: pd.DataFrame,
    comparisons: Sequence[Any],
    fields: dict[str, str],
    settings: LinkSettings,
    backend: Any,
    seed: int,
) -> Engine:
    """Put the records into the backend and learn the model there, or take usual values where there are too few."""
    blocks = _training_blocks(fields, prepared)
    training, counts = limit_blocks(
        blocking_keys(prepared, blocks), max_block=settings.max_block, max_pairs=_TRAINING_PAIRS
    )
    training.columns = [f"train_{number}" for number in range(len(blocks))]
    enough = [
        (name, columns, pairs > _CHANCE_PAIRS * len(prepared))
        for name, columns, pairs, used in zip(training, blocks, counts["pairs"], counts["used"], strict=True)
        if used and pairs
    ]
    enough = [(name, columns) for name, columns, _ in sorted(enough, key=lambda block: block[2])]
    texts = prepared.select_dtypes(exclude="bool")
    table = pd.concat([texts, keys, training[[name for name, _ in enough]]], axis=1)
    table.insert(0, RECORD, np.arange(len(prepared)))
    engine = Engine(table, comparisons, backend=backend)
    if len(prepared) < LEARNING_FLOOR:
        engine.assume()
        engine.notes.append(
            f"Agreement is learned from {LEARNING_FLOOR} records or more; here are {len(prepared):,}, so usual values "
            "are assumed, and the match probabilities are rough."
        )
        return engine
    engine.estimate_u(max_pairs=settings.u_pairs, seed=seed)
    engine.estimate_m(dict(enough[:_TRAINING_BLOCKS]))
    return engine


def _settle_prior(weight: np.ndarray, prior: float, records: int) -> tuple[np.ndarray, float]:
    """Find the prior under which the scored pairs hold as many matches as it says, and the weights under it."""
    pairs = records * (records - 1) / 2
    evidence = weight - weight_of(prior)
    for _ in range(100):
        matches = probability_of(evidence + weight_of(prior)).sum()
        # Never nought, where no pair is a match, and never certain.
        before, prior = prior, min(max(matches / pairs, 0.5 / pairs), 0.5)
        if abs(prior / before - 1) < 1e-6:
            break
    return evidence + weight_of(prior), prior


def _neighbours(engine: Engine, scored: pd.DataFrame, records: int, prior: float) -> pd.DataFrame:
    """Score the pairs of each group of likely links that no rule proposed."""
    left, right = scored[f"{RECORD}_l"].to_numpy(), scored[f"{RECORD}_r"].to_numpy()
    likely = (scored["match_weight"] >= weight_of(_GROUP_PROBABILITY)).to_numpy()
    unscored = unscored_pairs(connected(records, left[likely], right[likely]), left, right)
    if not len(unscored[0]):
        return scored.iloc[:0]
    more = engine.score_these(*unscored)
    more["match_weight"] += weight_of(prior) - weight_of(engine.prior)
    more["match_key"] = -1
    return more


def _cluster(ids: pd.Index, pairs: pd.DataFrame, threshold: float) -> np.ndarray:
    labels = consistent_clusters(
        len(ids),
        ids.get_indexer(pairs["record_id_l"]),
        ids.get_indexer(pairs["record_id_r"]),
        pairs["match_weight"].to_numpy(float),
        threshold_weight=weight_of(threshold),
    )
    first = np.full(labels.max(initial=-1) + 1, -1)
    first[labels[::-1]] = np.arange(len(labels))[::-1]
    return ids[first[labels]]


def _model_table(engine: Engine | None) -> pd.DataFrame:
    rows = [
        (
            name,
            level["label_for_charts"],
            level["m_probability"],
            level["u_probability"],
            "tf_adjustment_column" in level,
        )
        for name, levels in (engine.comparisons() if engine else [])
        for level in levels
    ]
    table = pd.DataFrame(rows, columns=["comparison", "level", "m", "u", "by_frequency"])
    table.insert(4, "weight", np.log2(table["m"].astype(float) / table["u"].astype(float)))
    return table


def _pair_table(scored: pd.DataFrame, ids: pd.Index, engine: Engine | None, rules: list[str]) -> pd.DataFrame:
    scored = scored.sort_values([f"{RECORD}_l", f"{RECORD}_r"], ignore_index=True)
    weight = scored["match_weight"].astype(float)
    names = dict(enumerate(rules)) | {-1: "same group"}
    pairs = {
        "record_id_l": ids[scored[f"{RECORD}_l"].astype(int)],
        "record_id_r": ids[scored[f"{RECORD}_r"].astype(int)],
        "match_weight": weight,
        "match_probability": probability_of(weight),
        "rule": scored["match_key"].map(names),
    }
    for name, levels in engine.comparisons() if engine else []:
        # splink numbers the levels from the last, 0, to the first, and unknown values −1.
        labels = dict(enumerate([level["label_for_charts"] for level in reversed(levels)])) | {-1: "unknown"}
        seen = scored[f"gamma_{name}"].astype(int)
        pairs[f"level_{name}"] = pd.Categorical(seen.map(labels), categories=list(labels.values()))
        frequency = scored.get(f"mw_tf_adj_{name}", 0.0)
        pairs[f"weight_{name}"] = scored[f"mw_{name}"].astype(float) + frequency
    return pd.DataFrame(pairs)
