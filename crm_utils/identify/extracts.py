"""Extracts that may leave the house: refused where somebody could be singled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import PrivacyError, did_you_mean
from crm_utils.identify.anonymity import KAnonymity, class_codes, class_diversity, k_anonymity
from crm_utils.identify.generalisation import Coarsening, coarser_rules, generalise
from crm_utils.identify.masking import DIRECT_KINDS, column_kinds

_SHOWN_CLASSES, _READ_CLASSES = 3, 50  # classes that differ only in what is not shown read alike
_IDENTIFYING_SHARE, _ENOUGH_ROWS = 0.9, 20
_OFFERED_SHARE = 0.1
_QUASI_KINDS = ("date", "place", "code", "category")


@dataclass(frozen=True)
class SafeExtract:
    """An extract that passed, and what it took.

    Parameters
    ----------
    extract : pandas.DataFrame
        The rows, sorted by their values, so that their order says nothing.
    anonymity : KAnonymity
        Its classes after generalisation and suppression.
    suppressed_rows : int
        Rows left out because their class was too small.
    suppressed_share : float
        Their share of the rows before.
    """

    extract: pd.DataFrame
    anonymity: KAnonymity
    suppressed_rows: int
    suppressed_share: float


def safe_extract(
    table: pd.DataFrame,
    *,
    columns: Sequence[str],
    quasi_identifiers: Sequence[str],
    sensitive: Sequence[str] = (),
    k: int = 5,
    l: float = 1,  # noqa: E741 (the name in the literature)
    suppress_share: float = 0.0,
    generalise_by: Mapping[str, Coarsening] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> SafeExtract:
    """Make an extract for release, or refuse.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a person.
    columns : sequence of str
        What the extract needs.
    quasi_identifiers : sequence of str
        Those of `columns` that an outsider may know of a person from elsewhere; see `quasi_identifiers` for
        candidates. Every date, place, code and category in `columns` has to be here or in `sensitive`.
    sensitive : sequence of str, optional
        Those of `columns` that nobody should learn of a person.
    k : int, default 5
        Rows that must look alike, at least 2.
    l : float, default 1
        Distinct values of each sensitive column that each class must hold. The default asks for nothing more.
    suppress_share : float, default 0.0
        Share of rows, from 0 to below 1, that may be left out because their class is too small.
    generalise_by : mapping, optional
        Rules by column, as for `generalise`.
    kinds : mapping of str to str, optional
        What columns hold, where their names do not say it; as for `column_kinds`.

    Returns
    -------
    SafeExtract
        The extract, and what it took.

    Raises
    ------
    ParameterError
        If a column is absent or a number is out of range: all of it at once.
    PrivacyError
        If a direct identifier is among the columns, a column that may identify is not declared, or a class is smaller
        than `k` or less diverse than `l` and more rows than allowed would have to go. The message shows of a class
        only what many share, and says which column gains most from a coarser rule.

    Notes
    -----
    k-anonymity [1]_ hides who is who, not what is true of all k; ask for `l` where a column is sensitive. Neither
    holds against an outsider who has two extracts of the same people made in different ways: release one.

    References
    ----------
    .. [1] Sweeney, L. (2002). k-anonymity: a model for protecting privacy. International Journal of Uncertainty,
       Fuzziness and Knowledge-Based Systems 10(5), 557-570; for the order of rows, section 5.1.

    Examples
    --------
    >>> people = pd.DataFrame({"birth_year": [1981, 1983, 1985, 1989, 1991, 1992], "gender": list("fffffm"),
    ...                        "spend": [5.0, 7.0, 6.0, 9.0, 4.0, 8.0]})
    >>> asked = {"columns": ["birth_year", "gender", "spend"], "quasi_identifiers": ["birth_year", "gender"]}
    >>> safe_extract(people, **asked, k=2)
    Traceback (most recent call last):
    ...
    crm_utils.errors.PrivacyError: safe_extract: 6 of 6 rows are in 6 classes of fewer than k = 2 rows.
      Such as: birth_year (exact), gender f (1 row); birth_year (exact), gender m (1 row).
      Generalise further; birth_year gains most: by '5 years' it leaves 2 of these rows.
      This would do: generalise_by={'birth_year': '20 years', 'gender': 'any'}.
    >>> safe = safe_extract(people, **asked, k=2, generalise_by={"birth_year": "10 years"}, suppress_share=0.4)
    >>> safe.anonymity.k, safe.suppressed_rows
    (4, 2)
    """
    columns, quasi, sensitive = list(columns), list(quasi_identifiers), list(sensitive)
    rules = dict(generalise_by or {})
    raise_problems("safe_extract", _problems(table, columns, quasi, sensitive, rules, k, l, suppress_share))
    kind_of = column_kinds(table, kinds)
    refusals = _refused_columns(table[columns], kind_of, quasi, sensitive)
    if refusals:
        raise PrivacyError("\n  ".join(["safe_extract refuses these columns:", *refusals]))

    before = table[columns]
    after = generalise(before, rules)
    demand = _Demand(quasi, {name: after[name] for name in sensitive}, k, l, suppress_share)
    codes = class_codes(after, quasi)
    failing = demand.fails(codes)
    if demand.too_many(failing):
        raise PrivacyError(_refusal(before, after, codes, failing, demand, rules, kind_of))
    kept = after[~failing]
    kept = kept.sort_values(columns, key=lambda values: values.astype("str"), ignore_index=True)
    return SafeExtract(kept, k_anonymity(kept, quasi), int(failing.sum()), float(failing.mean()))


@dataclass(frozen=True)
class _Demand:
    """What every class must hold, and how many rows may go instead."""

    quasi: list[str]
    sensitive: Mapping[str, pd.Series]
    k: int
    l: float  # noqa: E741
    suppress_share: float

    def fails(self, codes: np.ndarray) -> np.ndarray:
        """Whether each row is in a class too small or too uniform."""
        too_small = np.bincount(codes) < self.k
        for values in self.sensitive.values() if self.l > 1 else ():
            too_small |= class_diversity(codes, values, "distinct") < self.l
        return too_small[codes]

    def too_many(self, failing: np.ndarray) -> bool:
        """Whether more rows fail than may be left out, or all do."""
        return failing.mean() > self.suppress_share or bool(failing.all())

    def __str__(self) -> str:
        diverse = f", or fewer than l = {self.l:g} values of {' or of '.join(self.sensitive)}" if self.l > 1 else ""
        allowed = f"; {self.suppress_share:.1%} may be left out" if self.suppress_share else ""
        return f"fewer than k = {self.k} rows{diverse}{allowed}"


def _problems(
    table: pd.DataFrame,
    columns: list[str],
    quasi: list[str],
    sensitive: list[str],
    rules: Mapping[str, Coarsening],
    k: int,
    l: float,  # noqa: E741
    suppress_share: float,
) -> list[str]:
    problems = []
    for name in columns:
        if name not in table.columns:
            problems.append(f"{name!r} is not a column" + did_you_mean(name, table.columns))
    for what, names in (("quasi_identifiers", quasi), ("sensitive", sensitive), ("generalise_by", list(rules))):
        if outside := [str(name) for name in names if name not in columns]:
            problems.append(f"{what} names {', '.join(outside)}, not among the columns asked for")
    if repeated := sorted({str(name) for name in columns if columns.count(name) > 1}):
        problems.append(f"named twice: {', '.join(repeated)}")
    if both := [str(name) for name in quasi if name in sensitive]:
        problems.append(f"both a quasi-identifier and sensitive: {', '.join(both)}; a column can be one of them")
    if not quasi:
        problems.append("no quasi-identifier is named; without one nothing would be checked")
    if not len(table):
        problems.append("there are no rows")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        problems.append(f"k must be a whole number of at least 2, and is {k!r}")
    if not l >= 1:
        problems.append(f"l must be at least 1, and is {l!r}")
    if l > 1 and not sensitive:
        problems.append(f"l is {l!r}, and no column is named as sensitive")
    if not 0 <= suppress_share < 1:
        problems.append(f"suppress_share must be from 0 to below 1, and is {suppress_share!r}")
    return problems


def _refused_columns(
    table: pd.DataFrame, kind_of: Mapping[str, str], quasi: list[str], sensitive: list[str]
) -> list[str]:
    """Say which columns can never be released, or not without a declaration."""
    refusals = []
    for name in table.columns:
        kind, declared = kind_of[name], name in quasi or name in sensitive
        if kind in DIRECT_KINDS:
            refusals.append(f"{name} is a direct identifier ({kind}); leave it out.")
        elif kind in _QUASI_KINDS and not declared:
            refusals.append(f"{name} may be known from elsewhere ({kind}); name it in quasi_identifiers, or sensitive.")
        elif name not in quasi and _looks_like_an_identifier(table[name], kind):
            refusals.append(f"{name} has a value of its own in nearly every row, as an identifier has; leave it out.")
    return refusals


def _looks_like_an_identifier(values: pd.Series, kind: str) -> bool:
    text = pd.api.types.is_string_dtype(values) or values.dtype == object
    whole_number = pd.api.types.is_integer_dtype(values) and kind == "unknown"
    known = values.dropna()
    if not (text or whole_number) or len(known) < _ENOUGH_ROWS:
        return False
    return known.nunique() > _IDENTIFYING_SHARE * len(known)


def _refusal(
    before: pd.DataFrame,
    after: pd.DataFrame,
    codes: np.ndarray,
    failing: np.ndarray,
    demand: _Demand,
    rules: Mapping[str, Coarsening],
    kind_of: Mapping[str, str],
) -> str:
    sizes, count = np.bincount(codes), int(failing.sum())
    smallest, first_row = np.unique(np.where(failing, codes, -1), return_index=True)
    smallest, first_row = smallest[smallest >= 0], first_row[smallest >= 0]
    order = np.argsort(sizes[smallest], kind="stable")[:_READ_CLASSES]
    shown = [
        f"{_class_text(after.iloc[first_row[i]], demand.quasi, rules, kind_of)} ({_rows(sizes[smallest[i]])})"
        for i in order
    ]
    classes = f"{len(smallest):,} class{'es' if len(smallest) != 1 else ''}"
    lines = [
        f"safe_extract: {count:,} of {_rows(len(after))} are in {classes} of {demand}.",
        f"Such as: {'; '.join(list(dict.fromkeys(shown))[:_SHOWN_CLASSES])}.",
    ]
    path = _path(before, after, demand, rules, kind_of)
    if path:
        name, rule, left = path[0]
        if left < count:
            lines.append(f"Generalise further; {name} gains most: by {rule!r} it leaves {left:,} of these rows.")
        enough = {name: rule for name, rule, _ in path}
        left = path[-1][2]
        if left <= demand.suppress_share * len(after):
            rest = f", with {_rows(left)} left out" if left else ""
            lines.append(f"This would do: generalise_by={enough}{rest}.")
    needed = float(np.ceil(count / len(after) * 1000) / 1000)
    if needed <= _OFFERED_SHARE:
        lines.append(f"Or allow suppress_share={needed:g}, and these rows are left out.")
    return "\n  ".join(lines)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _class_text(row: pd.Series, quasi: list[str], rules: Mapping[str, Coarsening], kind_of: Mapping[str, str]) -> str:
    """Name a class by values that many share; an exact date or code would single somebody out here."""
    shared = {name: name in rules or kind_of[name] in ("place", "category") for name in quasi}
    values = {name: "missing" if pd.isna(row[name]) else row[name] for name in quasi}
    return ", ".join(f"{name} {values[name] if shared[name] else '(exact)'}" for name in quasi)


def _path(
    before: pd.DataFrame,
    after: pd.DataFrame,
    demand: _Demand,
    rules: Mapping[str, Coarsening],
    kind_of: Mapping[str, str],
) -> list[tuple[str, str, int]]:
    """Coarsen one column at a time, the one that leaves the fewest rows failing, until few enough do.

    Gives column, rule and rows left after each step.
    """
    codes = {name: class_codes(after, [name]) for name in demand.quasi}
    ahead = {name: coarser_rules(before[name], rules.get(name), kind_of[name]) for name in demand.quasi}
    path = []
    while any(ahead.values()):
        tried = []
        finer = [name for name, left in ahead.items() if len(left) > 1]  # a column is given up only after all bands
        for name in finer or [name for name, left in ahead.items() if left]:
            coarser = class_codes(generalise(before[[name]], {name: ahead[name][0]}), [name])
            failing = demand.fails(class_codes(pd.DataFrame({**codes, name: coarser}), demand.quasi))
            tried.append((int(failing.sum()), -int(codes[name].max()), name, coarser, demand.too_many(failing)))
        left, _, name, codes[name], too_many = min(tried, key=lambda step: step[:2])
        path.append((name, ahead[name].pop(0), left))
        if not too_many:
            break
    return path
