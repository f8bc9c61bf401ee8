"""Coarser values: what an extract says instead of a day of birth, a postcode or a city."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean

ANY = "*"
"""What a value that is wholly suppressed reads."""

Coarsening = str | Mapping

_LADDERS = {
    "date": ("month", "year", "5 years", "10 years", "20 years"),
    "number": ("5 years", "10 years", "20 years"),
    "code": ("first 5", "first 4", "first 3", "first 2", "first 1"),
}
_RULES = "'month', 'year', 'N years', 'first N', 'any', or a mapping of values to coarser ones"


def generalise(table: pd.DataFrame, rules: Mapping[str, Coarsening]) -> pd.DataFrame:
    """Replace values by coarser ones.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table.
    rules : mapping of str to str or mapping
        Rule by column:

        * ``"month"``, ``"year"``: of a date, as 1985-03 or 1985
        * ``"10 years"`` (any whole number from 2): the band of a date, a year or an age, as 1980-1989
        * ``"first 3"`` (any whole number from 1): the first characters, the others as dots
        * ``"any"``: nothing is left but `ANY`
        * a mapping, such as from city to region; a value that it does not name becomes `ANY`

    Returns
    -------
    pandas.DataFrame
        New frame; the columns with a rule are text. A missing value stays missing, but for "any".

    Raises
    ------
    ParameterError
        If a column is absent, a rule is unknown, or it does not fit what the column holds: all of it at once.

    Examples
    --------
    >>> table = pd.DataFrame({"birth_date": pd.to_datetime(["1985-03-14", None]), "postcode": ["650837", "116091"],
    ...                       "city": ["Kunming", "Dalian"]})
    >>> generalise(table, {"birth_date": "10 years", "postcode": "first 2", "city": {"Kunming": "Southwest"}})
      birth_date postcode       city
    0  1980-1989   65••••  Southwest
    1        NaN   11••••          *
    """
    problems, made = [], {}
    for column, rule in rules.items():
        if column not in table.columns:
            problems.append(f"{column!r} is not a column" + did_you_mean(column, table.columns))
            continue
        try:
            made[column] = _coarser(table[column], rule)
        except _DoesNotFitError as misfit:
            problems.append(f"{column}: {misfit}")
    raise_problems("generalise", problems)
    return table.assign(**made)


class _DoesNotFitError(Exception):
    """A rule and a column do not belong together."""


def _coarser(values: pd.Series, rule: Coarsening) -> pd.Series:
    if isinstance(rule, Mapping):
        return values.map(dict(rule)).fillna(ANY).where(values.notna()).astype("str")
    if rule == "any":
        return pd.Series(ANY, index=values.index, name=values.name, dtype="str")
    if first := re.fullmatch(r"first ([1-9]\d*)", str(rule)):
        return _prefix(values, int(first[1]))
    if rule == "month":
        return _dates(values, rule).dt.strftime("%Y-%m").astype("str")
    width = 1 if rule == "year" else int(m[1]) if (m := re.fullmatch(r"([1-9]\d*) years", str(rule))) else 0
    if rule == "1 years" or not width:
        raise _DoesNotFitError(f"unknown rule {rule!r}; the rules are {_RULES}")
    return _band(values, rule, width)


def _dates(values: pd.Series, rule: str) -> pd.Series:
    if not pd.api.types.is_datetime64_any_dtype(values):
        raise _DoesNotFitError(f"the rule {rule!r} needs dates, and the column is {values.dtype}")
    return values


def _prefix(values: pd.Series, length: int) -> pd.Series:
    if pd.api.types.is_float_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        raise _DoesNotFitError(
            f"the rule 'first {length}' needs text or whole numbers, and the column is {values.dtype}"
        )
    text = values.astype("str")
    dots = text.str.slice(length).str.replace(r".", "•", regex=True)
    return (text.str.slice(0, length) + dots).where(values.notna())


def _band(values: pd.Series, rule: str, width: int) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        years = values.dt.year
    elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        years = values
    else:
        raise _DoesNotFitError(f"the rule {rule!r} needs dates or numbers, and the column is {values.dtype}")
    start = np.floor(years.to_numpy(dtype=float, na_value=np.nan) / width) * width
    known = np.isfinite(start)
    codes, starts = pd.factorize(pd.Series(start).where(known))
    names = [f"{int(s)}" if width == 1 else f"{int(s)}-{int(s) + width - 1}" for s in starts]
    text = np.array([*names, None], dtype=object)[codes]
    return pd.Series(text, index=values.index, name=values.name).astype("str")


def coarser_rules(values: pd.Series, rule: Coarsening | None, kind: str) -> list[str]:
    """Rules that are coarser than the one in use, the finest first; the last is "any".

    Parameters
    ----------
    values : pandas.Series
        The column before any rule.
    rule : str, mapping or None
        The rule in use.
    kind : str
        What the column holds, as `column_kinds` says.

    Returns
    -------
    list of str
        Rules for `generalise`; empty after "any".

    Examples
    --------
    >>> coarser_rules(pd.Series([1985, 1990]), "5 years", "plain")
    ['10 years', '20 years', 'any']
    """
    if rule == "any":
        return []
    if isinstance(rule, Mapping):
        return ["any"]
    ladder: tuple[str, ...] = ()
    if pd.api.types.is_datetime64_any_dtype(values):
        ladder = _LADDERS["date"]
    elif kind == "code" and not pd.api.types.is_float_dtype(values):
        ladder = _LADDERS["code"]
    elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        ladder = _LADDERS["number"]
    if rule in ladder:
        ladder = ladder[ladder.index(rule) + 1 :]
    return [*ladder, "any"]
