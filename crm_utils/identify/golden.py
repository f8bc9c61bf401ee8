"""The golden record (黄金记录): one row a person from many records, and where each value comes from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, missing_columns, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.identify.fields import recognise_fields
from crm_utils.identify.masking import Role, role_view
from crm_utils.language import tr

SURVIVORSHIP_RULES = {
    "most recent": "value of the record updated last",
    "most trusted": "value of the source that comes first in a stated order; other sources come last",
    "most frequent": "value that most records carry",
    "longest": "value of the most characters",
    "characters first": "value with a Chinese character before values without; among equals the most frequent",
    "any true": "yes where any record says yes",
    "all true": "yes where every record that answers says yes",
    "opt out wins": "yes where a record says yes and none says no; a missing answer is no permission",
}
_FLAG_RULES = ("any true", "all true", "opt out wins")
_RULE_OF_KIND = {
    "full_name": "characters first",
    "date": "most frequent",
    "phone": "most recent",
    "email": "most recent",
    "identifier": "most frequent",
    "category": "most frequent",
}
_ADDRESS_KINDS = ("address", "place", "code")

_CHINESE = r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"

Rule = str | tuple[str, Sequence[str]]


@dataclass(frozen=True)
class _Plan:
    """One rule at work: the fields it fills from one record, and the order of sources it trusts."""

    fields: tuple[str, ...]
    rule: str
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Choice:
    """What one rule chose, one entry a cluster."""

    plan: _Plan
    position: np.ndarray  # of the winning record among the records; -1 where none has a value
    competing: Mapping[str, np.ndarray]  # by field, other distinct values
    agreement: Mapping[str, np.ndarray]  # by field, share of the records with a value that carry the winning one


@dataclass(frozen=True)
class GoldenRecords:
    """One row a cluster, with the origin of each value.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a cluster, sorted by cluster: the cluster's id, n_records, and each field.

    See Also
    --------
    golden_records : makes it.
    record_walk : one person from all records to the golden one.
    """

    records: pd.DataFrame
    _input: pd.DataFrame
    _choices: tuple[_Choice, ...]
    _cluster_of: np.ndarray
    _columns: tuple[str, str, str]  # of record, source and cluster

    @property
    def cluster_col(self) -> str:
        """Name of the column of clusters."""
        return self._columns[2]

    @cached_property
    def provenance(self) -> pd.DataFrame:
        """Where each value comes from, one row a value.

        The columns are the cluster's id, field, value, the id of the record, source, rule, competing (number of
        other distinct values in the cluster) and agreement_share (share of the cluster's records with a value that
        carry this one). Fields without a value are left out. A flag that is "no" because nobody answered comes from
        no record.
        """
        return self._provenance(np.arange(len(self.records)))

    def provenance_of(self, cluster_id: Any) -> pd.DataFrame:
        """Give the rows of `provenance` of one cluster, without making the others.

        Parameters
        ----------
        cluster_id : scalar
            The cluster.

        Returns
        -------
        pandas.DataFrame
            Rows as in `provenance`, in the order of the fields.

        Raises
        ------
        ParameterError
            If there is no such cluster.
        """
        return self._provenance(np.array([self._row(cluster_id)]))

    def records_of(self, cluster_id: Any) -> pd.DataFrame:
        """Give the records that were merged into one cluster, in their given order.

        Parameters
        ----------
        cluster_id : scalar
            The cluster.

        Returns
        -------
        pandas.DataFrame
            Rows of the records.

        Raises
        ------
        ParameterError
            If there is no such cluster.
        """
        return self._input[self._cluster_of == self._row(cluster_id)].reset_index(drop=True)

    def _row(self, cluster_id: Any) -> int:
        rows = np.flatnonzero(self.records[self.cluster_col] == cluster_id)
        if not len(rows):
            raise_problems("golden records", [f"there is no cluster {cluster_id!r}"])
        return int(rows[0])

    def _provenance(self, clusters: np.ndarray) -> pd.DataFrame:
        id_col, source_col, cluster_col = self._columns
        parts = []
        for choice in self._choices:
            position = choice.position[clusters]
            for name in choice.plan.fields:
                value = self.records[name].iloc[clusters]
                shown = value.notna().to_numpy()
                part = {
                    cluster_col: self.records[cluster_col].iloc[clusters].to_numpy(),
                    "field": name,
                    "value": value.astype(object).to_numpy(),
                    id_col: _taken(self._input[id_col], position).to_numpy(),
                    source_col: _taken(self._input[source_col], position).to_numpy(),
                    "rule": choice.plan.rule,
                    "competing": choice.competing[name][clusters],
                    "agreement_share": choice.agreement[name][clusters],
                }
                parts.append(pd.DataFrame(part)[shown].assign(_cluster=clusters[shown]))
        joined = pd.concat(parts, ignore_index=True)
        return joined.sort_values("_cluster", kind="stable", ignore_index=True).drop(columns="_cluster")


def default_rules(records: pd.DataFrame, *, updated_col: str = "updated_at") -> dict[Hashable, Rule]:
    """Choose a survivorship rule for each field by what it holds.

    Parameters
    ----------
    records : pandas.DataFrame
        Records; fields are recognised by their usual names, as by `recognise_fields`.
    updated_col : str, default "updated_at"
        When a record was last changed. Where the column is absent, "most frequent" stands in for "most recent".

    Returns
    -------
    dict
        Rule by field, or by a tuple of fields that come from one record: the parts of a name (characters first, as
        half a name in pinyin and half in characters is nobody's), and the parts of an address (most recent, as a
        street of one town with the postcode of another is nowhere). Dates, identifiers and categories: most frequent.
        Phone and e-mail: most recent. may_contact: opt out wins.

    Examples
    --------
    >>> default_rules(pd.DataFrame(columns=["family_name", "given_name", "phone", "city", "address", "may_contact",
    ...                                     "updated_at"]))
    {('family_name', 'given_name'): 'characters first', 'phone': 'most recent', ('address', 'city'): 'most recent',
     'may_contact': 'opt out wins'}
    """
    kinds = recognise_fields(records)
    rules: dict[Hashable, Rule] = {}
    groups = {"name": ("family_name", "given_name"), "address": _ADDRESS_KINDS}
    for column, kind in kinds.items():
        group = next((members for members in groups.values() if kind in members), None)
        if group is None:
            rules[column] = _RULE_OF_KIND[kind]
            continue
        fields = tuple(name for member in group for name, of_kind in kinds.items() if of_kind == member)
        rule = "most recent" if group is _ADDRESS_KINDS else "characters first"
        rules[fields if len(fields) > 1 else fields[0]] = rule
    if "may_contact" in records:
        rules["may_contact"] = "opt out wins"
    if updated_col not in records:
        rules = {field: "most frequent" if rule == "most recent" else rule for field, rule in rules.items()}
    return rules


def golden_records(
    records: pd.DataFrame,
    clusters: pd.DataFrame,
    rules: Mapping[Hashable, Rule] | None = None,
    *,
    id_col: str = "record_id",
    source_col: str = "source",
    cluster_col: str = "cluster_id",
    updated_col: str = "updated_at",
    compare: pd.DataFrame | None = None,
    not_values: Sequence[str] = ("先生", "女士", "小姐", "太太", "Mr", "Mrs", "Ms", ""),
) -> GoldenRecords:
    """Merge the records of each cluster into one, by a stated rule for each field.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a record.
    clusters : pandas.DataFrame
        Record and cluster; exactly one row a record.
    rules : mapping, optional
        Rule by field, or by a tuple of fields that must come from one record, the first of which has to be present
        there where any record has it. A rule is a key of `SURVIVORSHIP_RULES`, or ``("most trusted", sources)`` with
        the sources from the most to the least trusted. Fields without a rule are left out. Default: `default_rules`.
    id_col, source_col, cluster_col : str
        Columns of record, source and cluster.
    updated_col : str, default "updated_at"
        When the record was last changed; a missing moment counts as the earliest. Where the column is absent, no rule
        may be "most recent".
    compare : pandas.DataFrame, optional
        Normal forms of some fields, with the rows and the index of `records`, as `normalise_records` makes them. Values
        are taken from `records` and compared here, so that one phone number written in two ways is one value; a value
        without a normal form counts as missing. Where the normal form moves values between columns, as with swapped
        names, put the moved ones into `records` first. Default: values are compared as they are written.
    not_values : sequence of str
        Texts that stand in a field without being a value, such as a courtesy title for a given name; they count as
        missing.

    Returns
    -------
    GoldenRecords
        The golden `records`, and their `provenance`.

    Raises
    ------
    ParameterError
        If columns are missing; records or clusters repeat or do not match; a rule or a field is unknown or used
        twice; or a flag rule meets a field that is not yes or no. All of it at once.

    Notes
    -----
    A missing value never wins over a present one. Ties are broken by the value more records carry, then by the record
    updated last, then by the smallest record id; the order of the rows plays no part. Permission to contact is
    different from other fields: a person who opted out in any source is opted out, and where no source holds a
    permission there is none, so that the result is never missing.

    Examples
    --------
    >>> records = pd.DataFrame({
    ...     "record_id": ["r1", "r2", "r3"], "source": ["web", "store", "phone"],
    ...     "phone": ["15412345678", None, "15487654321"], "may_contact": [True, False, True],
    ...     "updated_at": pd.to_datetime(["2025-05-01", "2025-06-01", "2024-01-01"])})
    >>> clusters = pd.DataFrame({"record_id": ["r1", "r2", "r3"], "cluster_id": [1, 1, 2]})
    >>> golden = golden_records(records, clusters)
    >>> golden.records
       cluster_id  n_records        phone  may_contact
    0           1          2  15412345678        False
    1           2          1  15487654321         True
    >>> golden.provenance_of(1)[["field", "record_id", "rule", "competing", "agreement_share"]]
             field record_id          rule  competing  agreement_share
    0        phone        r1   most recent          0              1.0
    1  may_contact        r2  opt out wins          1              0.5
    """
    raise_problems(
        "golden_records",
        [
            *missing_columns(records, (id_col, source_col), "records"),
            *missing_columns(clusters, (id_col, cluster_col), "clusters"),
        ],
    )
    chosen = default_rules(records, updated_col=updated_col) if rules is None else rules
    plans, problems = _plans(records, chosen, source_col, updated_col)
    problems += _match_problems(records[id_col], clusters, id_col, cluster_col)
    if compare is not None and not compare.index.equals(records.index):
        problems.append("compare must have the rows and the index of records; make it from them, and sort neither")
    raise_problems("golden_records", problems)

    codes, names = pd.factorize(_clusters_of(records[id_col], clusters, id_col, cluster_col), sort=True)
    line_up = _line_up(records, codes, len(names), id_col, updated_col)
    made = {cluster_col: names, "n_records": np.bincount(codes, minlength=len(names))}
    choices = []
    for plan in plans:
        if plan.rule in _FLAG_RULES:
            choice, made[plan.fields[0]] = _flag_choice(records, plan, line_up)
        else:
            columns = {name: _column(records[name], compare, not_values) for name in plan.fields}
            choice = _value_choice(columns, plan, line_up, records[source_col])
            for name, column in columns.items():
                absent = (choice.position >= 0) & (column.written[choice.position] < 0)
                made[name] = _taken(records[name], np.where(absent, -1, choice.position)).array
        choices.append(choice)
    return GoldenRecords(
        pd.DataFrame(made), records.reset_index(drop=True), tuple(choices), codes, (id_col, source_col, cluster_col)
    )


def _taken(values: pd.Series, position: np.ndarray) -> pd.Series:
    """Values at the positions; missing where the position is −1."""
    if not len(values):
        return pd.Series(index=range(len(position)), dtype=values.dtype)
    taken = values.take(np.maximum(position, 0)).reset_index(drop=True)
    return taken.where(position >= 0)


@dataclass(frozen=True)
class _Column:
    """One field's values by number; −1 for a missing one."""

    written: np.ndarray  # number of the value as it is written, by position
    values: pd.Index  # the values as they are written
    compared: np.ndarray  # number of the value as it is compared, by position
    n_compared: int


def _column(values: pd.Series, compare: pd.DataFrame | None, not_values: Sequence[str]) -> _Column:
    written, distinct = pd.factorize(values)
    if not_values and (pd.api.types.is_string_dtype(distinct) or distinct.dtype == object):
        no_value = np.any([distinct == text for text in not_values], axis=0)
        written = np.where(np.append(no_value, True)[written], -1, written)
    compared, n_compared = written, len(distinct)
    if compare is not None and values.name in compare:
        compared, alike = pd.factorize(compare[values.name])
        compared, written = np.where(written < 0, -1, compared), np.where(compared < 0, -1, written)
        n_compared = len(alike)
    return _Column(written, distinct, compared, n_compared)


def _plans(
    records: pd.DataFrame, rules: Mapping[Hashable, Rule], source_col: str, updated_col: str
) -> tuple[list[_Plan], list[str]]:
    """Read the rules, and what is wrong with them."""
    plans, problems, used = [], [], {}
    if not rules:
        problems.append("there is no rule, and no field has a usual name; give rules={'column': 'most recent'}")
    for key, given in rules.items():
        fields = tuple(key) if isinstance(key, tuple) else (key,)
        rule, trusted = (given, ()) if isinstance(given, str) else (given[0], tuple(given[1]))
        label = " + ".join(map(str, fields))
        for name in fields:
            if name not in records.columns:
                problems.append(f"the field {name!r} is not a column" + did_you_mean(name, records.columns))
            if name in used:
                problems.append(f"the field {name!r} has two rules; give it one")
            used[name] = rule
        if rule not in SURVIVORSHIP_RULES:
            problems.append(f"{label}: unknown rule {rule!r}; the rules are: {', '.join(SURVIVORSHIP_RULES)}")
        elif rule == "most trusted":
            problems += _trust_problems(label, trusted, records[source_col])
        elif rule == "most recent" and updated_col not in records.columns:
            problems.append(f"{label}: the rule 'most recent' needs the column {updated_col!r}; name it as updated_col")
        elif rule in _FLAG_RULES:
            if len(fields) > 1:
                problems.append(f"{label}: the rule {rule!r} decides one flag, not a group of fields")
            problems += [problem for name in fields if name in records for problem in _flag_problems(records[name])]
        plans.append(_Plan(fields, rule, trusted))
    return plans, problems


def _trust_problems(label: str, trusted: tuple[str, ...], sources: pd.Series) -> list[str]:
    known = list(sources.dropna().unique())
    if not trusted:
        return [f"{label}: 'most trusted' needs the order of sources: ('most trusted', {tuple(map(str, known))})"]
    unknown = [source for source in trusted if source not in known]
    repeated = sorted({str(source) for source in trusted if trusted.count(source) > 1})
    problems = [f"{label}: no record has the source {source!r}; there are: {known}" for source in unknown]
    return problems + ([f"{label}: sources named twice: {', '.join(repeated)}"] if repeated else [])


def _flag_problems(flags: pd.Series) -> list[str]:
    wrong = (flags.notna() & ~flags.isin([True, False])).to_numpy()
    if not wrong.any():
        return []
    first = flags[wrong].iloc[0]
    return [
        f"{flags.name} must be yes or no (True, False, missing) for a flag rule; {wrong.sum():,} are not: {first!r}"
    ]


def _match_problems(ids: pd.Series, clusters: pd.DataFrame, id_col: str, cluster_col: str) -> list[str]:
    """Say where records and clusters do not fit one to one."""
    clustered = clusters[id_col]
    number, number_clustered, _ = _numbered(ids, clustered)
    cases = [
        (ids, ids.isna(), "records without an id", "give each record an id"),
        (ids, ids.notna() & ids.duplicated(), "repeated record ids", "keep one row a record"),
        (
            ids,
            ids.notna() & ~_among(number, number_clustered),
            "records without a cluster",
            "give a lone record its own",
        ),
        (
            clustered,
            ~_among(number_clustered, number),
            "cluster rows of unknown records",
            "drop them or add the records",
        ),
        (clustered, clustered.duplicated(), "records with more than one cluster row", "put each in one cluster"),
        (clustered, clusters[cluster_col].isna(), "cluster rows without a cluster", "give a lone record its own"),
    ]
    return [
        f"{np.sum(flags):,} {what} (first: {first_rows(np.asarray(flags), series.to_list())}); {remedy}"
        for series, flags, what, remedy in cases
        if np.any(flags)
    ]


def _numbered(ids: pd.Series, others: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Number the ids of two columns alike; −1 for a missing one."""
    numbers, distinct = pd.factorize(pd.concat([ids, others], ignore_index=True))
    return numbers[: len(ids)], numbers[len(ids) :], len(distinct)


def _among(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each number is known; a missing one is not."""
    is_known = np.zeros(max(numbers.max(initial=-1), known.max(initial=-1)) + 2, dtype=bool)
    is_known[known] = True
    is_known[-1] = False  # where −1 points
    return is_known[numbers]


def _clusters_of(ids: pd.Series, clusters: pd.DataFrame, id_col: str, cluster_col: str) -> pd.Series:
    """The cluster of each record; records and clusters fit one to one."""
    number, number_clustered, n = _numbered(ids, clusters[id_col])
    row = np.empty(n, dtype=np.int64)
    row[number_clustered] = np.arange(len(clusters))
    return clusters[cluster_col].take(row[number])


@dataclass(frozen=True)
class _LineUp:
    """Records in the order in which they win ties: by cluster, latest update first, then record id."""

    order: np.ndarray  # positions among the records
    cluster: np.ndarray  # cluster of each record, by position
    age: np.ndarray  # 0 for the moment updated last, by position
    n_clusters: int

    def of(self, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and clusters of the records for which `present` holds, in order."""
        rows = self.order[present[self.order]]
        return rows, self.cluster[rows]


def _line_up(records: pd.DataFrame, codes: np.ndarray, n_clusters: int, id_col: str, updated_col: str) -> _LineUp:
    rank, _ = pd.factorize(records[id_col], sort=True)
    age = np.zeros(len(records), dtype=np.int64)
    if updated_col in records.columns:
        recency, _ = pd.factorize(records[updated_col], sort=True)  # missing: -1, before all
        age = recency.max(initial=0) - recency
    return _LineUp(np.lexsort([rank, age, codes]), codes, age, n_clusters)


def _value_choice(columns: Mapping[str, _Column], plan: _Plan, line_up: _LineUp, sources: pd.Series) -> _Choice:
    """Let the records of each cluster compete: by the rule, then by frequency, then by their line-up."""
    present = np.any([column.written >= 0 for column in columns.values()], axis=0)
    rows, cluster = line_up.of(present)
    carried = _carried(cluster, _combined(columns, rows))
    leading_absent = (columns[plan.fields[0]].written[rows] < 0).astype(np.int64)
    by_rule = _criterion(columns, plan, rows, line_up.age, sources)
    best = np.ones(len(rows), dtype=bool)
    for criterion in (leading_absent, by_rule, -carried):
        best &= criterion == _minimum_of_cluster(np.where(best, criterion, np.iinfo(np.int64).max), cluster)
    position = _first_of_cluster(rows, cluster, best, line_up.n_clusters)
    tallies = {name: _tally(column.compared, position, line_up) for name, column in columns.items()}
    return _Choice(plan, position, *_by_field(tallies))


def _by_field(tallies: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> tuple[dict[str, np.ndarray], ...]:
    return {name: tally[0] for name, tally in tallies.items()}, {name: tally[1] for name, tally in tallies.items()}


def _first_of_cluster(rows: np.ndarray, cluster: np.ndarray, best: np.ndarray, n_clusters: int) -> np.ndarray:
    """Position of the first of the best records of each cluster; −1 where there is none."""
    position = np.full(n_clusters, -1)
    position[cluster[best][::-1]] = rows[best][::-1]  # of several writes to one place the last one stays
    return position


def _tally(value: np.ndarray, position: np.ndarray, line_up: _LineUp) -> tuple[np.ndarray, np.ndarray]:
    """Other distinct values in each cluster, and the share of its values that equal the winning one."""
    rows, cluster = line_up.of(value >= 0)
    winning = np.where(position >= 0, value[position], -1)
    answers = np.bincount(cluster, minlength=line_up.n_clusters)
    agreeing = np.bincount(cluster[value[rows] == winning[cluster]], minlength=line_up.n_clusters)
    width = value.max(initial=0) + 1
    distinct = np.bincount(pd.unique(cluster * width + value[rows]) // width, minlength=line_up.n_clusters)
    share = np.divide(agreeing, answers, out=np.full(len(answers), np.nan), where=answers > 0)
    return distinct - (agreeing > 0), share


def _minimum_of_cluster(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """For each row the smallest value of its cluster; rows of one cluster stand together."""
    if not len(values):
        return values
    starts = np.flatnonzero(np.diff(cluster, prepend=-1))
    return np.repeat(np.minimum.reduceat(values, starts), np.diff(starts, append=len(values)))


def _combined(columns: Mapping[str, _Column], rows: np.ndarray) -> np.ndarray:
    """Number the values (or combinations of values) of some rows; missing parts count as alike."""
    first, *others = columns.values()
    value = first.compared[rows] + 1
    for column in others:
        value, _ = pd.factorize(value * (column.n_compared + 1) + column.compared[rows] + 1)
    return value


def _carried(cluster: np.ndarray, value: np.ndarray) -> np.ndarray:
    """For each row, how many rows of its cluster carry its value."""
    pair, pairs = pd.factorize(cluster * (value.max(initial=0) + 1) + value)
    return np.bincount(pair, minlength=len(pairs))[pair]


def _criterion(
    columns: Mapping[str, _Column], plan: _Plan, rows: np.ndarray, age: np.ndarray, sources: pd.Series
) -> np.ndarray:
    """What the rule holds against each record, as a whole number: the smallest wins."""
    if plan.rule == "most recent":
        return age[rows]
    if plan.rule == "most trusted":
        source, names = pd.factorize(sources)
        rank = [plan.trusted.index(name) if name in plan.trusted else len(plan.trusted) for name in names]
        return np.array([*rank, len(plan.trusted)])[source[rows]]  # no source: the last
    if plan.rule == "most frequent":
        return np.zeros(len(rows), dtype=np.int64)
    against = np.zeros(len(rows), dtype=np.int64)
    for column in columns.values():
        texts = pd.Series(column.values).astype("str")
        if plan.rule == "longest":
            held = -texts.str.len().to_numpy(np.int64)
        else:
            held = -texts.str.contains(_CHINESE, regex=True).to_numpy(np.int64)
        against += np.append(held, 0)[column.written[rows]]
    return against


def _flag_choice(records: pd.DataFrame, plan: _Plan, line_up: _LineUp) -> tuple[_Choice, pd.Series]:
    """Decide a yes/no field: the answer that decides wins from whichever record gives it."""
    name = plan.fields[0]
    says_yes = records[name].isin([True]).to_numpy()
    answer = np.where(records[name].isna().to_numpy(), -1, says_yes.astype(np.int64))
    rows, cluster = line_up.of(answer >= 0)
    against = answer[rows] == 0 if plan.rule == "any true" else answer[rows] == 1
    best = against == _minimum_of_cluster(against.astype(np.int64), cluster)
    position = _first_of_cluster(rows, cluster, best, line_up.n_clusters)
    choice = _Choice(plan, position, *_by_field({name: _tally(answer, position, line_up)}))
    golden = _taken(pd.Series(says_yes, dtype="boolean"), position)
    return choice, golden.fillna(False).astype(bool) if plan.rule == "opt out wins" else golden


def record_walk(
    golden: GoldenRecords,
    cluster_id: Any,
    *,
    role: str | Role = "analyst",
    kinds: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Lay out one person's records side by side with the golden record.

    Parameters
    ----------
    golden : GoldenRecords
        Result of `golden_records`.
    cluster_id : scalar
        The person's cluster.
    role : str or Role, default "analyst"
        For whose eyes, as in `role_view`; the default masks names, phones and e-mail addresses.
    kinds : mapping of str to str, optional
        What fields hold, where their names do not say it; as in `role_view`.

    Returns
    -------
    pandas.DataFrame
        One row a field: field; one column a record, named by its source and, where a source has several, a number;
        golden; rule; origin (the column that the golden value comes from); competing (number of other distinct
        values). What the role may not see reads "hidden".

    Raises
    ------
    ParameterError
        If there is no such cluster, or the role or a kind is unknown.

    Examples
    --------
    >>> records = pd.DataFrame({
    ...     "record_id": ["r1", "r2"], "source": ["web", "store"], "phone": ["15412345678", "15412340000"],
    ...     "city": ["Wuhan", None], "updated_at": pd.to_datetime(["2025-05-01", "2025-06-01"])})
    >>> clusters = pd.DataFrame({"record_id": ["r1", "r2"], "cluster_id": [1, 1]})
    >>> record_walk(golden_records(records, clusters), 1)
       field          web        store       golden         rule origin  competing
    0  phone  154••••5678  154••••0000  154••••0000  most recent  store          1
    1   city        Wuhan          NaN        Wuhan  most recent    web          0
    """
    id_col, source_col, cluster_col = golden._columns
    records = golden.records_of(cluster_id)
    provenance = golden.provenance_of(cluster_id).set_index("field")
    fields = [name for choice in golden._choices for name in choice.plan.fields]
    source = records[source_col].astype("str").fillna("?")
    number = source.groupby(source).cumcount() + 1
    columns = source.where(number == 1, source + " (" + number.astype("str") + ")").tolist()
    person = golden.records.loc[golden.records[cluster_col] == cluster_id, fields]
    together = pd.concat([records[fields].astype(object), person.astype(object)], ignore_index=True)
    seen = role_view(together.infer_objects(), role, kinds=kinds).astype(object)
    walk = seen.reindex(columns=fields).T
    walk.columns = [*columns, "golden"]
    walk[~walk.index.isin(seen.columns)] = tr("hidden")
    rule_of = {name: choice.plan.rule for choice in golden._choices for name in choice.plan.fields}
    origin = provenance[id_col].map(dict(zip(records[id_col], columns, strict=True)))
    walk["rule"] = [rule_of[name] for name in fields]
    walk["origin"] = origin.reindex(fields)
    # Where the golden record has no value, every value of the records has lost: a postcode of another address, say.
    lost = records[fields].nunique()
    walk["competing"] = provenance["competing"].reindex(fields).fillna(lost).astype(int)
    return walk.rename_axis("field").reset_index()
