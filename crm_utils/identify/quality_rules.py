"""Rules that a field of good quality keeps, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from crm_utils.identify.contacts import CHINESE_MOBILE, normalise_email, normalise_phone
from crm_utils.identify.dates import normalise_date
from crm_utils.identify.fields import KINDS, recognise_fields
from crm_utils.identify.names import normalise_names, read_names
from crm_utils.identify.normalise import normalise_code, normalise_place
from crm_utils.identify.pinyin import name_sound
from crm_utils.identify.text import HAN, as_strings, on_distinct, read_text

DIMENSIONS = ("completeness", "validity", "uniqueness", "timeliness", "consistency")

_OLDEST_AGE_YEARS = 110
_PREFIX_LENGTH, _PREFIX_SHARE, _PREFIX_FLOOR = 2, 0.5, 20
_NAME_KINDS = ("given_name", "family_name", "full_name")

Test = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Judgement:
    """What a rule says of each row.

    Parameters
    ----------
    checked, passed : numpy.ndarray of bool, shape (n,)
        Rows to which the rule applies, and those that keep it.
    """

    checked: np.ndarray
    passed: np.ndarray


@dataclass(frozen=True)
class Complete:
    """A field is filled in: not empty, and not a word that stands for a blank, such as ``n/a`` or 不详.

    Parameters
    ----------
    field : str
        Column.
    """

    field: str
    dimension: ClassVar[str] = "completeness"
    says: str = "filled in"

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        return (self.field,)

    def judge(self, table: pd.DataFrame, groups: np.ndarray, as_of: pd.Timestamp | None) -> Judgement:
        """Judge every row."""
        filled = _filled(table[self.field])
        return Judgement(np.ones(len(table), dtype=bool), filled)


@dataclass(frozen=True)
class Valid:
    """A value is possible for what the field holds; blanks are not checked.

    Parameters
    ----------
    field : str
        Column.
    kind : str, optional
        Kind of field (`crm_utils.identify.fields.KINDS`), whose own rule is applied.
    pattern : str, optional
        Regular expression that the whole value must match, in ordinary width.
    test : callable, optional
        From the column to a boolean column. One of kind, pattern and test is needed.
    says : str, optional
        The rule in words. Default: by kind, or the pattern itself.
    region : str, default "CN"
        Country of telephone numbers without a country code.
    """

    field: str
    kind: str | None = None
    pattern: str | None = None
    test: Callable[[pd.Series], pd.Series] | None = None
    says: str = ""
    region: str = "CN"
    dimension: ClassVar[str] = "validity"

    def __post_init__(self):
        if not self.says:
            said = _VALID_SAYS.get(self.kind or "", f"matches {self.pattern}" if self.pattern else "as the test says")
            object.__setattr__(self, "says", said)

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        return (self.field,)

    def problems(self) -> list[str]:
        """Say what is wrong with the rule itself."""
        given = [self.kind is not None, self.pattern is not None, self.test is not None]
        found = []
        if sum(given) != 1:
            found.append(f"Valid({self.field!r}) needs one of kind, pattern and test, and has {sum(given)}")
        if self.kind is not None and self.kind not in KINDS:
            found.append(f"Valid({self.field!r}) has the unknown kind {self.kind!r}; kinds: {', '.join(KINDS)}")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                found.append(f"Valid({self.field!r}) has a pattern that cannot be read: {error}")
        return found

    def judge(self, table: pd.DataFrame, groups: np.ndarray, as_of: pd.Timestamp | None) -> Judgement:
        """Judge every row."""
        values = table[self.field]
        checked = _filled(values)
        if self.test is not None:
            passed = _flags(self.test(values))
        elif self.pattern is not None:
            passed = read_text(values).str.fullmatch(self.pattern, na=False).to_numpy(bool)
        else:
            passed = _valid_by_kind(values, str(self.kind), self.region, as_of)
        return Judgement(checked, passed & checked)


@dataclass(frozen=True)
class Unique:
    """A value, or a combination of values, occurs in one record of its source only; incomplete ones are not checked.

    Parameters
    ----------
    fields : tuple of str
        Columns, together one key.
    kinds : tuple of str, default ()
        Their kinds, so that the same value is recognised in two ways of writing.
    """

    fields: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    says: str = "occurs once in its source"
    dimension: ClassVar[str] = "uniqueness"

    def problems(self) -> list[str]:
        """Say what is wrong with the rule itself."""
        if isinstance(self.fields, str):
            return [f"Unique({self.fields!r}) needs a tuple of columns, such as ({self.fields!r},)"]
        if self.kinds and len(self.kinds) != len(self.fields):
            return [f"Unique({self.fields!r}) has {len(self.fields)} fields and {len(self.kinds)} kinds"]
        return []

    def judge(self, table: pd.DataFrame, groups: np.ndarray, as_of: pd.Timestamp | None) -> Judgement:
        """Judge every row."""
        kinds = self.kinds or ("place",) * len(self.fields)
        keys = pd.DataFrame(
            {
                number: _KEY.get(kind, normalise_place)(table[field]).to_numpy(object)
                for number, (field, kind) in enumerate(zip(self.fields, kinds, strict=True))
            }
        )
        checked = keys.notna().all(axis=1).to_numpy()
        repeated = keys.assign(source=groups).duplicated(keep=False).to_numpy()
        return Judgement(checked, checked & ~repeated)


@dataclass(frozen=True)
class Fresh:
    """A record was touched not longer ago than some days before the day of the analysis; blanks are not checked.

    Parameters
    ----------
    field : str
        Column with the day of the last change.
    within_days : int
        Longest time since then, in days.
    """

    field: str
    within_days: int
    dimension: ClassVar[str] = "timeliness"

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        return (self.field,)

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"at most {self.within_days:,} days old"

    def problems(self) -> list[str]:
        """Say what is wrong with the rule itself."""
        return [] if self.within_days >= 0 else [f"Fresh({self.field!r}) needs within_days of at least 0"]

    def judge(self, table: pd.DataFrame, groups: np.ndarray, as_of: pd.Timestamp | None) -> Judgement:
        """Judge every row."""
        days = _days(table[self.field])
        age = ((pd.NaT if as_of is None else as_of) - days).dt.days
        return Judgement(days.notna().to_numpy(), (age <= self.within_days).to_numpy(bool))


@dataclass(frozen=True)
class Consistent:
    """Fields agree with one another, or a value with the rest of its column.

    Parameters
    ----------
    fields : tuple of str
        Columns that are compared, and shown in examples.
    test : callable
        From the table to a boolean column; missing where there is nothing to compare.
    says : str
        The rule in words.
    """

    fields: tuple[str, ...]
    test: Test
    says: str
    dimension: ClassVar[str] = "consistency"

    def judge(self, table: pd.DataFrame, groups: np.ndarray, as_of: pd.Timestamp | None) -> Judgement:
        """Judge every row."""
        result = self.test(table)
        checked = pd.Series(result).notna().to_numpy(bool)
        return Judgement(checked, checked & _flags(result))


Rule = Complete | Valid | Unique | Fresh | Consistent


def _filled(values: pd.Series) -> np.ndarray:
    return read_text(values, is_name=True).notna().to_numpy(bool)


def _flags(result: Any) -> np.ndarray:
    """Booleans of a test's answer; missing counts as no."""
    return pd.Series(result).astype("boolean").fillna(value=False).to_numpy(bool)


def _days(values: pd.Series) -> pd.Series:
    return pd.to_datetime(normalise_date(values), errors="coerce", format="%Y-%m-%d")


def _nullable(passed: Any, checked: Any) -> pd.Series:
    return pd.Series(np.asarray(passed, dtype=bool)).astype("boolean").where(np.asarray(checked, dtype=bool))


_VALID_SAYS = {
    "given_name": "a name, not a courtesy word or a number",
    "family_name": "a name, not a courtesy word or a number",
    "full_name": "a name, not a courtesy word or a number",
    "date": "a day of the calendar, not in the future nor over 110 years ago",
    "phone": "a number of a length that its country uses",
    "email": "written as an e-mail address",
    "address": "has letters and a number",
    "place": "has letters",
    "code": "letters and digits",
    "identifier": "letters and digits",
    "category": "has letters or digits",
}
_VALID_PATTERN = {
    "address": r"(?=.*\d)(?=.*[^\W\d_]).*",
    "place": r".*[^\W\d_].*",
    "code": r"[^\W_]+(?:[ -][^\W_]+)*",
    "identifier": r"[^\W_]+(?:[ -][^\W_]+)*",
    "category": r".*[^\W_].*",
}


def _name_key(values: pd.Series) -> pd.Series:
    """Names by their sound, so that characters and pinyin are one."""
    return name_sound(read_names(values))


_KEY: Mapping[str, Callable[[pd.Series], pd.Series]] = {
    **dict.fromkeys(_NAME_KINDS, _name_key),
    "phone": normalise_phone,
    "email": normalise_email,
    "date": normalise_date,
    "code": normalise_code,
    "identifier": normalise_code,
}


def _is_dialable(distinct: pd.Series) -> list[str | None]:
    import phonenumbers

    return ["yes" if phonenumbers.is_valid_number(phonenumbers.parse(number)) else None for number in distinct]


def _valid_phone(values: pd.Series, region: str) -> np.ndarray:
    """A complete mobile number of China, in whatever range, or a number that the numbering plan of its country has."""
    numbers = normalise_phone(values, region=region)
    mobile = numbers.str.fullmatch(CHINESE_MOBILE, na=False).to_numpy(bool)
    return mobile | on_distinct(numbers.mask(mobile), _is_dialable).notna().to_numpy(bool)


def _valid_by_kind(values: pd.Series, kind: str, region: str, as_of: pd.Timestamp | None) -> np.ndarray:
    if kind == "phone":
        return _valid_phone(values, region)
    if kind == "email":
        return normalise_email(values).notna().to_numpy(bool)
    if kind == "date":
        days = _days(values)
        possible = days.notna()
        if as_of is not None:
            possible &= (days <= as_of) & (days > as_of - pd.DateOffset(years=_OLDEST_AGE_YEARS))
        return possible.to_numpy(bool)
    if kind in _NAME_KINDS:
        return read_names(values).str.fullmatch(r"\D*[^\W\d_]\D*", na=False).to_numpy(bool)
    return read_text(values).str.fullmatch(_VALID_PATTERN[kind], na=False).to_numpy(bool)


def in_order(earlier: str, later: str) -> Consistent:
    """One day is not after another.

    Parameters
    ----------
    earlier, later : str
        Columns with dates.

    Returns
    -------
    Consistent
        The rule.

    Examples
    --------
    >>> in_order("created_at", "updated_at").says
    'created_at is not after updated_at'
    """

    def test(table: pd.DataFrame) -> pd.Series:
        first, second = _days(table[earlier]), _days(table[later])
        return _nullable(first <= second, first.notna() & second.notna())

    return Consistent((earlier, later), test, f"{earlier} is not after {later}")


def _form(text: str) -> str:
    """Write a value as its form: 9 a digit, full-width ones apart, 字 for characters, a for letters of any number."""
    text = re.sub(r"[0-9]", "9", text)
    text = re.sub(f"[{HAN}]+", "字", text)
    return re.sub(r"[^\W\d_字]+", "a", text)


def _form_test(field: str, table: pd.DataFrame) -> pd.Series:
    values = as_strings(table[field])
    filled = _filled(table[field])
    forms = on_distinct(values.where(filled), lambda distinct: [_form(text) for text in distinct])
    counts = forms.value_counts()
    if counts.empty:
        return _nullable(filled, filled)
    commonest = min(counts.index[counts == counts.iloc[0]])
    return _nullable((forms == commonest).fillna(value=False), filled)


def same_form(field: str) -> Consistent:
    """A value is written as most of its column are: digits grouped alike, in one width, characters or letters.

    Parameters
    ----------
    field : str
        Column of codes, telephone numbers, dates as text, or names.

    Returns
    -------
    Consistent
        The rule. The commonest form is found in the whole table, over all sources.

    Examples
    --------
    >>> table = pd.DataFrame({"phone": ["13800138000", "13900139000", "138-0013-8000", "１３８００１３８０００"]})
    >>> same_form("phone").test(table).tolist()
    [True, True, False, False]
    """
    return Consistent((field,), partial(_form_test, field), "written as most of the column are")


def _prefix_test(code: str, place: str, table: pd.DataFrame) -> pd.Series:
    prefix = normalise_code(table[code]).str.slice(0, _PREFIX_LENGTH).reset_index(drop=True)
    where = normalise_place(table[place]).reset_index(drop=True)
    pairs = pd.DataFrame({"place": where, "prefix": prefix}).dropna().value_counts().reset_index(name="records")
    pairs = pairs.sort_values(["records", "prefix"], ascending=[False, True])
    usual = pairs.drop_duplicates("place").set_index("place")
    total = pairs.groupby("place")["records"].sum().reindex(usual.index)
    clear = (usual["records"] > _PREFIX_SHARE * total) & (total >= _PREFIX_FLOOR)
    expected = where.map(usual.loc[clear, "prefix"])
    return _nullable((prefix == expected).fillna(value=False), prefix.notna() & expected.notna())


def usual_prefix(code: str, place: str) -> Consistent:
    """A code begins as most codes of its place do, such as a postcode with its city's first two digits.

    Parameters
    ----------
    code, place : str
        Columns.

    Returns
    -------
    Consistent
        The rule; it is learnt from the table, and applies to places with at least 20 codes of which more than half
        begin alike.

    Examples
    --------
    >>> table = pd.DataFrame({"city": ["Beijing"] * 25, "postcode": ["100435"] * 24 + ["650837"]})
    >>> usual_prefix("postcode", "city").test(table).sum()
    np.int64(24)
    """
    return Consistent((code, place), partial(_prefix_test, code, place), f"{code} begins as usual in its {place}")


def names_in_place(family: str, given: str) -> Consistent:
    """Family and given name do not stand in each other's field.

    Parameters
    ----------
    family, given : str
        Columns.

    Returns
    -------
    Consistent
        The rule, judged by `normalise_names` from the whole table.

    Examples
    --------
    >>> table = pd.DataFrame({"surname": ["王", "李", "建国"], "given": ["小明", "秀英", "张"]})
    >>> names_in_place("surname", "given").test(table).tolist()
    [True, True, False]
    """

    def test(table: pd.DataFrame) -> pd.Series:
        both = _filled(table[family]) & _filled(table[given])
        turned = normalise_names(table[family], table[given])["name_turned"]
        return _nullable(~turned.to_numpy(bool), both)

    return Consistent((family, given), test, "family and given name in their own fields")


def default_quality_rules(
    table: pd.DataFrame,
    fields: Mapping[str, str] | None = None,
    *,
    fresh_within_days: int = 365,
    region: str = "CN",
) -> tuple[Rule, ...]:
    """Rules for the fields of a table, by their kinds.

    Parameters
    ----------
    table : pandas.DataFrame
        Records of one or several sources.
    fields : mapping of str to str, optional
        Column and kind. Default: what `recognise_fields` finds.
    fresh_within_days : int, default 365
        Longest time since the last change of a record that counts as up to date, in days.
    region : str, default "CN"
        Country of telephone numbers without a country code; in China, postcodes have six digits.

    Returns
    -------
    tuple of Rule
        Every field complete and valid; telephone numbers, e-mail addresses, identifiers, and names with a date of birth
        unique; ``updated_at`` (or ``created_at``) fresh; telephone numbers, codes, names and dates as text written in
        one form; names in their fields, postcodes as usual in their cities, changes not before creation.

    Examples
    --------
    >>> table = pd.DataFrame({"email": ["ann@example.com"], "updated_at": ["2025-05-01"]})
    >>> [rule.dimension for rule in default_quality_rules(table)]
    ['completeness', 'completeness', 'validity', 'uniqueness', 'timeliness']
    """
    fields = recognise_fields(table) if fields is None else dict(fields)
    column_of = {kind: column for column, kind in reversed(fields.items())}
    stamps = [column for column in ("created_at", "updated_at") if column in table.columns and column not in fields]
    rules: list[Rule] = [Complete(column) for column in (*fields, *stamps)]
    for column, kind in fields.items():
        if kind == "code" and region == "CN":
            rules.append(Valid(column, pattern=r"\d{6}", says="six digits"))
        elif kind != "category":
            rules.append(Valid(column, kind=kind, region=region))
    rules += [Unique((column,), (kind,)) for column, kind in fields.items() if kind in ("phone", "email", "identifier")]
    person = [kind for kind in ("family_name", "given_name", "full_name", "date") if kind in column_of]
    if "date" in person and len(person) > 1:
        rules.append(Unique(tuple(column_of[kind] for kind in person), tuple(person)))
    if stamps:
        rules.append(Fresh(stamps[-1], fresh_within_days))
    for column, kind in fields.items():
        is_text_date = kind == "date" and not pd.api.types.is_datetime64_any_dtype(table[column])
        if kind in ("phone", "code", "identifier", *_NAME_KINDS) or is_text_date:
            rules.append(same_form(column))
    if {"family_name", "given_name"} <= set(column_of):
        rules.append(names_in_place(column_of["family_name"], column_of["given_name"]))
    if {"code", "place"} <= set(column_of):
        rules.append(usual_prefix(column_of["code"], column_of["place"]))
    if len(stamps) == 2:
        rules.append(in_order(*stamps))
    return tuple(rules)
