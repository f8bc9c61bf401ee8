"""Input checks shared by the chapters: every problem is collected, then raised once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.errors import ParameterError, did_you_mean

_COLUMNS_SHOWN, _CHOICES_SHOWN = 12, 8


def raise_problems(where: str, problems: Sequence[str]) -> None:
    """Raise one `ParameterError` with everything in `problems`; do nothing where there are none."""
    if not problems:
        return
    if len(problems) == 1:
        raise ParameterError(f"{where}: {problems[0]}.")
    listed = "\n".join(f"  {number}. {problem}." for number, problem in enumerate(problems, 1))
    raise ParameterError(f"{where}: {len(problems)} problems:\n{listed}")


def first_rows(flags: np.ndarray, labels: Sequence[Any] | None = None, *, limit: int = 3) -> str:
    """Name the first flagged rows, by label where there are labels, else by position."""
    positions = np.flatnonzero(flags)[:limit]
    names = [str(position if labels is None else labels[position]) for position in positions]
    return ", ".join(names) + (", …" if flags.sum() > limit else "")


def as_numbers(values: Any, name: str, problems: list[str]) -> np.ndarray:
    """Turn `values` into finite floats; what stands in the way is added to `problems`."""
    if np.ndim(values) > 1:
        problems.append(f"{name} must be one column of numbers, and has the shape {np.shape(values)}")
        return np.full(len(values), np.nan)
    series = pd.Series(values)
    text = series.map(lambda value: isinstance(value, str)) if not pd.api.types.is_numeric_dtype(series) else None
    if text is not None and (text.any() or pd.api.types.is_datetime64_any_dtype(series)):
        problems.append(f"{name} must be numbers, and is {series.dtype} (first: {series.iloc[0]!r}); convert it first")
        return np.full(len(series), np.nan)
    try:
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        problems.append(f"{name} must be numbers, and holds {type(series.iloc[0]).__name__}")
        return np.full(len(series), np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        problems.append(
            f"{name} has {bad.sum():,} missing or infinite values of {len(bad):,} "
            f"(at positions {first_rows(bad)}); drop them or fill them on purpose"
        )
    return numbers


def is_number(value: Any) -> bool:
    """Whether `value` is one finite number; text, flags and nothing are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def as_day(value: Any, name: str, problems: list[str]) -> pd.Timestamp:
    """Turn `value` into a day without time; what stands in the way is added to `problems`, and NaT comes back."""
    try:
        day = pd.Timestamp(value)
    except (TypeError, ValueError):
        day = pd.NaT
    if pd.isna(day):
        problems.append(f"{name} must be a day such as '2025-12-31', and is {value!r}")
        return pd.NaT
    return day.normalize()


def as_values(values: Any, where: str, *, positive_total: bool = True) -> np.ndarray:
    """Turn `values` into a one-dimensional array of finite floats with a positive total, or raise."""
    problems: list[str] = []
    if np.ndim(values) != 1:
        raise_problems(where, [f"values must be one-dimensional, and have {np.ndim(values)} dimensions"])
    if len(values) == 0:
        raise_problems(where, ["values are empty; at least one customer is needed"])
    numbers = as_numbers(values, "values", problems)
    if positive_total and not problems and numbers.sum() <= 0:
        problems.append(
            f"the total of the values is {numbers.sum():g}; a share of it has a meaning only where it is above zero"
        )
    raise_problems(where, problems)
    return numbers


def index_problems(**given: Any) -> list[str]:
    """Say which pandas arguments have another index than the first: by position, they would be of other rows.

    Arrays, lists and numbers have no index and are not looked at.
    """
    labelled = {name: values.index for name, values in given.items() if isinstance(values, pd.Series | pd.DataFrame)}
    if len(labelled) < 2:
        return []
    (first, index), *others = labelled.items()
    problems = []
    for name, other in others:
        if len(other) != len(index) or other.equals(index):
            continue
        if other.is_unique and index.is_unique and other.isin(index).all():
            problems.append(f"{name} has its rows in another order than {first}; give {name}.loc[{first}.index]")
        else:
            problems.append(
                f"{name} has another index than {first}; take both from one table, or give arrays in the same order"
            )
    return problems


def missing_columns(frame: pd.DataFrame, columns: Iterable[str], name: str) -> list[str]:
    """Say which of `columns` the frame `name` lacks, as a list of at most one problem."""
    absent = [column for column in columns if column not in frame.columns]
    if not absent:
        return []
    has, shown = list(frame.columns), f"it has {list(frame.columns)}"
    if len(has) > _COLUMNS_SHOWN:
        # A survey has a hundred columns; the nearest few are enough to see a misspelt one.
        shown = f"among its {len(has)} columns are {_nearest(absent, has)}"
    return [f"{name} lacks the column{'s' if len(absent) > 1 else ''} {', '.join(absent)}; {shown}"]


def _nearest(absent: list[str], has: list) -> list:
    """A few columns that those absent may have been meant to be, or else the first."""
    near = [column for name in absent for column in get_close_matches(str(name), map(str, has), n=2)]
    return list(dict.fromkeys([*near, *map(str, has)]))[:_COLUMNS_SHOWN]


def check_columns(frame: pd.DataFrame, name: str, **parameters: Any) -> None:
    """Hold parameters that name columns of a table to the columns that it has, all at once.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    name : str
        What the table is called.
    **parameters : str, sequence of str, or None
        The column, or columns, that each parameter names; None and an empty text name none.

    Raises
    ------
    ParameterError
        If a column is not there: every such parameter, with the nearest name and the first of the columns.

    Examples
    --------
    >>> check_columns(pd.DataFrame(columns=["wave", "nps"]), "survey", group="wav", segment="")
    Traceback (most recent call last):
    ...
    crm_utils.errors.ParameterError: survey: no column 'wav' (group); did you mean 'wave'? Columns there are wave, nps.
    """
    known = [str(column) for column in frame.columns]
    more = f", … ({len(known)} in all)" if len(known) > _CHOICES_SHOWN else ""
    problems = []
    for parameter, given in parameters.items():
        several = isinstance(given, Iterable) and not isinstance(given, str)
        for column in given if several else [given]:
            if column is None or column == "" or column in frame.columns:
                continue
            near = did_you_mean(column, known, form="; did you mean {!r}? Columns", otherwise="; columns")
            shown = ", ".join(_nearest([str(column)], known)[:_CHOICES_SHOWN])
            problems.append(f"no column {column!r} ({parameter}){near} there are {shown}{more}")
    raise_problems(name, problems)


def customer_problems(frame: pd.DataFrame, customer_col: str, name: str) -> list[str]:
    """Say how the frame `name` fails to have one row a customer."""
    customers = frame[customer_col]
    problems = []
    if missing := int(customers.isna().sum()):
        problems.append(f"{name}.{customer_col} is missing in {missing:,} rows; remove them")
    repeated = customers.notna() & customers.duplicated()
    if repeated.any():
        shown = first_rows(repeated.to_numpy(), customers.to_list())
        problems.append(
            f"{name}.{customer_col} repeats in {int(repeated.sum()):,} rows ({shown}); one row a customer is needed"
        )
    return problems


def resampling_problems(n_boot: int, level: float) -> list[str]:
    """Say what is wrong with the number of replicates or the confidence level."""
    return count_problems("n_boot", n_boot, least=2) + level_problems(level)


def count_problems(name: str, value: Any, *, least: int) -> list[str]:
    """Say what is wrong with the whole number `name`, as a list of at most one problem."""
    if not isinstance(value, bool) and isinstance(value, int | np.integer) and value >= least:
        return []
    return [f"{name} must be a whole number of at least {least}, and is {value!r}"]


def seed_problems(seed: Any) -> list[str]:
    """Say what is wrong with a seed, as a list of at most one problem."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    if whole or isinstance(seed, np.random.SeedSequence):
        return []
    return [f"seed must be a whole number of at least 0, and is {seed!r}"]


def level_problems(level: float) -> list[str]:
    """Say what is wrong with the confidence level, as a list of at most one problem."""
    return [] if is_number(level) and 0 < level < 1 else [f"level must lie between 0 and 1, and is {level!r}"]
