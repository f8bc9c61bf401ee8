"""Who sees what: roles, and views of a table that show each role no more than its work needs (最小权限)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.company.contract import TABLES
from crm_utils.errors import did_you_mean
from crm_utils.identify.fields import KINDS, recognise_fields
from crm_utils.identify.pseudonyms import pseudonymous_key
from crm_utils.language import tr

Treatment = Literal["full", "mask", "pseudonym", "hide"]

VIEW_KINDS = {
    **KINDS,
    "key": "key that joins tables by person, order or contact",
    "plain": "a measure, a moment of business or a label that names nobody",
    "unknown": "a column that is neither declared nor known",
}
DIRECT_KINDS = ("given_name", "family_name", "full_name", "phone", "email", "address", "identifier", "key")
"""Kinds that name or reach a person on their own."""

_DOTS = "••"
# Four digits of their own, or the first of eight that read as year, month and day.
_YEAR = r"(?<!\d)((?:18|19|20)\d{2})(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?(?!\d)"
# Texts of the contract that name a thing or a state; every other text and id is a key or not known.
_PLAIN_TEXTS = (
    "source", "branch_id", "product_id", "category", "channel", "acquisition_channel", "direction", "topic", "cause",
    "outcome", "wave", "plan", "end_reason", "arm", "perspective", "measure", "period", "better", "kind", "item",
    "other",
)  # fmt: skip
_PLACES = ("region", "city")


@dataclass(frozen=True)
class Role:
    """What somebody with one kind of work may see.

    Parameters
    ----------
    purpose : str
        What the role is for.
    treatments : mapping of str to {"full", "mask", "pseudonym", "hide"}
        Treatment by kind of column, a key of `VIEW_KINDS`. Kinds that are not named are hidden.

    Raises
    ------
    ParameterError
        If a kind or a treatment is unknown, or something that is no key would be a pseudonym.
    """

    purpose: str
    treatments: Mapping[str, Treatment]

    def __post_init__(self):
        known = ("full", "mask", "pseudonym", "hide")
        problems = []
        for kind, treatment in self.treatments.items():
            if kind not in VIEW_KINDS:
                problems.append(f"unknown kind {kind!r}; the kinds are: {', '.join(VIEW_KINDS)}")
            elif treatment not in known:
                problems.append(f"{kind}: unknown treatment {treatment!r}; there are: {', '.join(known)}")
            elif treatment == "pseudonym" and kind not in ("key", "identifier"):
                problems.append(f"{kind}: only a key or an identifier can be a pseudonym; mask or hide it")
        raise_problems("Role", problems)

    def treatment(self, kind: str) -> Treatment:
        """How this role sees a kind of column."""
        return self.treatments.get(kind, "hide")


_EVERYTHING = dict.fromkeys(VIEW_KINDS, "full")
ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "analyst": Role(
            "finds patterns; needs to know nobody",
            {
                "given_name": "mask",
                "family_name": "mask",
                "full_name": "mask",
                "date": "mask",
                "phone": "mask",
                "email": "mask",
                "place": "full",
                "code": "mask",
                "category": "full",
                "key": "pseudonym",
                "plain": "full",
            },
        ),
        "service": Role(
            "helps the customer on the line; checks who it is, sends goods",
            {
                "given_name": "full",
                "family_name": "full",
                "full_name": "full",
                "date": "mask",
                "phone": "mask",
                "email": "mask",
                "address": "full",
                "place": "full",
                "code": "full",
                "category": "full",
                "key": "full",
                "plain": "full",
            },
        ),
        "marketing": Role(
            "writes to customers who allowed it",
            {
                "given_name": "full",
                "family_name": "full",
                "full_name": "full",
                "date": "mask",
                "email": "full",
                "place": "full",
                "code": "mask",
                "category": "full",
                "key": "pseudonym",
                "plain": "full",
            },
        ),
        "instructor": Role("teaches with invented people, or answers for data protection", _EVERYTHING),
    }
)


def roles_table() -> pd.DataFrame:
    """What each role of `ROLES` sees of each kind of column.

    Returns
    -------
    pandas.DataFrame
        One row a kind: kind, meaning, and the treatment by each role.

    Examples
    --------
    >>> roles_table().set_index("kind").loc[["full_name", "phone", "unknown"], ["analyst", "service", "instructor"]]
              analyst service instructor
    kind
    full_name    mask    full       full
    phone        mask    mask       full
    unknown      hide    hide       full
    """
    treatments = {name: [role.treatment(kind) for kind in VIEW_KINDS] for name, role in ROLES.items()}
    return pd.DataFrame({"kind": list(VIEW_KINDS), "meaning": list(VIEW_KINDS.values()), **treatments})


def mask_value(values: pd.Series, kind: str) -> pd.Series:
    """Hide what identifies in a value and keep what is still of use.

    Parameters
    ----------
    values : pandas.Series
        Values of one column.
    kind : str
        What they are, a key of `crm_utils.identify.fields.KINDS`.

    Returns
    -------
    pandas.Series
        Text; missing stays missing. The number of dots does not tell the length. A value is never shown whole: one
        of a single character becomes dots.

        * names: the first character; phone: the first three and last four digits of eleven or more, the last two of
          seven or more
        * email: the first character and the domain; date: the year; code: the first two characters of four or more
        * address, identifier: dots
        * place, category: as they are

    Raises
    ------
    ParameterError
        If the kind is unknown.

    Notes
    -----
    A mask is for a screen and for a shared room. It does not make people unknown: four digits, a year and a city
    together may fit one person. What leaves the house goes through `safe_extract`.

    Examples
    --------
    >>> for kind, value in {"full_name": "王小明", "phone": "+86 154 7215 6939", "email": "wei.wang@example.com",
    ...                     "date": "1985-03-14", "code": "650837", "address": "356 Fenghuang Road"}.items():
    ...     print(mask_value(pd.Series([value]), kind)[0])
    王••
    154••••6939
    w•••@example.com
    1985
    65••
    ••
    """
    if kind not in KINDS:
        raise_problems("mask_value", [_unknown("kind", kind, KINDS)])
    if kind == "date" and pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.year.astype("Int64").astype("str").where(values.notna())
    if kind in ("place", "category"):
        return values.copy()
    text = values.astype("str").str.normalize("NFKC").str.strip()
    masked = pd.Series(_DOTS, index=values.index, name=values.name, dtype="str")
    if kind in ("given_name", "family_name", "full_name"):
        masked = masked.mask(text.str.len() > 1, text.str[:1] + _DOTS)
    elif kind == "phone":
        digits = text.str.replace(r"\D", "", regex=True).str.replace(r"^(?:00)?86(?=1\d{10}$)", "", regex=True)
        masked = masked.mask(digits.str.len() >= 7, _DOTS + digits.str[-2:])
        masked = masked.mask(digits.str.len() >= 11, digits.str[:3] + "••••" + digits.str[-4:])
    elif kind == "email":
        parts = text.str.extract(r"^([^@]+)@([^@]+)$")
        first = parts[0].str[:1].where(parts[0].str.len() > 1, "")
        masked = masked.mask(parts[1].notna(), first + "•••@" + parts[1])
    elif kind == "date":
        year = text.str.extract(_YEAR, expand=False)
        masked = masked.mask(year.notna(), year)
    elif kind == "code":
        masked = masked.mask(text.str.len() >= 4, text.str[:2] + _DOTS)
    return masked.where(values.notna())


def column_kinds(table: pd.DataFrame, kinds: Mapping[str, str] | None = None) -> dict[str, str]:
    """Tell what each column of a table holds, as far as its name or a declaration says.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table.
    kinds : mapping of str to str, optional
        Column and kind (a key of `VIEW_KINDS`), over what the name says; such as ``{"note": "plain"}``, or for a
        table of products ``{"name": "plain"}``.

    Returns
    -------
    dict of str to str
        Kind by column. A column is known by its usual name as a field of a record, else as a column of the data
        contract; flags are plain. Any other is "unknown".

    Raises
    ------
    ParameterError
        If a declared column or kind does not exist.
    """
    declared = dict(kinds or {})
    problems = [_unknown("column", column, table.columns) for column in declared if column not in table.columns]
    problems += [_unknown("kind", kind, VIEW_KINDS) for kind in declared.values() if kind not in VIEW_KINDS]
    raise_problems("kinds", problems)
    return {column: declared.get(column) or _usual_kind(table[[column]]) for column in table.columns}


def _usual_kind(column: pd.DataFrame) -> str:
    name = column.columns[0]
    if name in _PLACES:
        return "place"
    recognised = recognise_fields(column)
    if recognised:
        return recognised[name]
    contract_kinds = {table.columns[name].kind for table in TABLES.values() if name in table.columns}
    if name in _PLAIN_TEXTS or pd.api.types.is_bool_dtype(column[name]):
        return "plain"
    if "id" in contract_kinds or name == "cluster_id":
        return "key"
    return "plain" if contract_kinds and "text" not in contract_kinds else "unknown"


def treatments(
    table: pd.DataFrame, role: str | Role, *, kinds: Mapping[str, str] | None = None, has_secret: bool = True
) -> pd.DataFrame:
    """List how a role sees each column of a table.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table.
    role : str or Role
        A key of `ROLES`, or a role of your own.
    kinds : mapping of str to str, optional
        As for `column_kinds`.
    has_secret : bool, default True
        Whether pseudonyms can be made; without a secret, what would be a pseudonym is hidden.

    Returns
    -------
    pandas.DataFrame
        One row a column: column, kind, treatment, reason (why it is hidden; else empty).

    Raises
    ------
    ParameterError
        If the role, a declared column or a kind is unknown.
    """
    chosen = _role(role)
    rows = []
    for column, kind in column_kinds(table, kinds).items():
        treatment, reason = chosen.treatment(kind), ""
        if treatment == "pseudonym" and not has_secret:
            treatment, reason = "hide", tr("no secret was given for its pseudonym")
        elif treatment == "hide" and kind == "unknown":
            reason = tr("what it holds is not known; declare it in kinds")
        elif treatment == "hide":
            reason = tr("the role does not need it")
        rows.append((column, kind, treatment, reason))
    return pd.DataFrame(rows, columns=["column", "kind", "treatment", "reason"])


def role_view(
    table: pd.DataFrame,
    role: str | Role = "analyst",
    *,
    kinds: Mapping[str, str] | None = None,
    secret: bytes | str | None = None,
) -> pd.DataFrame:
    """Show a table as a role may see it.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table.
    role : str or Role, default "analyst"
        A key of `ROLES`, or a role of your own.
    kinds : mapping of str to str, optional
        What columns hold, where their names do not say it; as for `column_kinds`.
    secret : bytes or str, optional
        For the pseudonyms of keys; see `pseudonymous_key`. The same secret gives tables that join. Default: keys that
        the role would see as pseudonyms are hidden.

    Returns
    -------
    pandas.DataFrame
        New frame with the same rows: columns in full, masked, as pseudonyms, or left out. A column of unknown content
        is left out for every role but "instructor", whatever its type: a number may be a phone. `treatments` lists
        what became of each column.

    Raises
    ------
    ParameterError
        If the role, a declared column or a kind is unknown, or the secret is too short.

    Notes
    -----
    This is least privilege for honest users of a page. It is no access control: who runs the code has the table.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["C1"], "name": ["王小明"], "city": ["Wuhan"], "note": ["calls often"]})
    >>> role_view(people)
        name   city
    0  王••  Wuhan
    >>> role_view(people, "service", kinds={"note": "plain"})
      customer_id name   city         note
    0          C1  王小明  Wuhan  calls often
    """
    plan = treatments(table, role, kinds=kinds, has_secret=secret is not None)
    view = {}
    for column, kind, treatment in plan[["column", "kind", "treatment"]].itertuples(index=False):
        if treatment == "full":
            view[column] = table[column].copy()
        elif treatment == "mask":
            view[column] = _masked(table[column], kind)
        elif treatment == "pseudonym":
            view[column] = pseudonymous_key(table[column], secret=secret)
    return pd.DataFrame(view, index=table.index)


def _masked(values: pd.Series, kind: str) -> pd.Series:
    if kind in KINDS:
        return mask_value(values, kind)
    return pd.Series(_DOTS, index=values.index, name=values.name, dtype="str").where(values.notna())


def _role(role: str | Role) -> Role:
    if isinstance(role, Role):
        return role
    if role not in ROLES:
        raise_problems("role", [_unknown("role", role, ROLES)])
    return ROLES[role]


def _unknown(what: str, given: object, known: object) -> str:
    hint = did_you_mean(given, known, form="did you mean {!r}? ")
    return f"unknown {what} {given!r}; {hint}There are: {', '.join(map(str, known))}"
