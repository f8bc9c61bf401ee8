"""Text of fields in one form: width of characters, script, blanks; each distinct value is worked on once."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"

# Written where nothing is known. "Na" and "Nan" are names (娜, 楠), so that a name's list has to do without them.
_BLANK_NAMES = frozenset(
    """n/a,#n/a,null,none,nil,unknown,unk.,missing,not available,not known,not given,
    无,無,没有,沒有,暂无,暫無,不详,不詳,未知,未填,未填写,空,匿名""".replace("\n    ", "").split(",")
)
_BLANKS = _BLANK_NAMES | {"na", "nan", "nat", "<na>", "unk"}


def _one_text(value: Any) -> Any:
    """Write one value of a mixed column; None where there is none."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(float(value))
    if isinstance(value, pd.Timestamp | datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def as_strings(values: pd.Series) -> pd.Series:
    """Write a column of any type as strings, without changing what is text already.

    Parameters
    ----------
    values : pandas.Series
        Text, numbers, dates, categories or a mixture.

    Returns
    -------
    pandas.Series
        Of dtype ``str``, NaN where there is nothing. A whole number has no decimal point, whatever its type: a
        telephone number read as ``15498786939.0`` is eleven digits again. Midnight is not written behind a date.

    Examples
    --------
    >>> as_strings(pd.Series([15498786939.0, None])).tolist()
    ['15498786939', nan]
    """
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("str")
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = as_strings(pd.Series(values.cat.categories)).to_numpy(object)
        codes = values.cat.codes.to_numpy()
    else:
        codes, distinct = pd.factorize(values)
        texts = np.array([_one_text(value) for value in distinct], dtype=object)
    return _spread(codes, texts, values)


def _spread(codes: np.ndarray, results: np.ndarray, values: pd.Series) -> pd.Series:
    """Give each row the result of its distinct value; code -1 is missing."""
    column = np.append(results.astype(object), None)[codes]
    return pd.Series(column, index=values.index, name=values.name, dtype="str")


def on_distinct(values: pd.Series, change: Callable[[pd.Series], Iterable[str | None]]) -> pd.Series:
    """Apply a function of a column to the distinct strings of `values` only.

    Parameters
    ----------
    values : pandas.Series
        Of dtype ``str``.
    change : callable
        From a series of distinct strings, none missing, to as many strings, None where nothing is left.

    Returns
    -------
    pandas.Series
        Of dtype ``str``, with the index and name of `values`.

    Examples
    --------
    >>> on_distinct(pd.Series(["a", "b", "a"]), lambda distinct: [text * 2 for text in distinct]).tolist()
    ['aa', 'bb', 'aa']
    """
    codes, distinct = pd.factorize(values)
    results = np.array(list(change(pd.Series(distinct, dtype="str"))), dtype=object)
    return _spread(codes, results, values)


def change_some(texts: pd.Series, where: np.ndarray, change: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Apply a function to the flagged rows only; `texts` itself is left alone, and its index may repeat.

    Parameters
    ----------
    texts : pandas.Series
        Of dtype ``str``.
    where : numpy.ndarray of bool, shape (n,)
        Rows to change.
    change : callable
        From the flagged rows to as many values.

    Returns
    -------
    pandas.Series
        As `texts`, where nothing is flagged.

    Examples
    --------
    >>> change_some(pd.Series(["a", "b"]), np.array([False, True]), lambda some: some.str.upper()).tolist()
    ['a', 'B']
    """
    if not where.any():
        return texts
    changed = texts.copy()
    changed.array[where] = change(texts[where]).array
    return changed


def has_han(texts: pd.Series) -> np.ndarray:
    """Flag values with Chinese characters.

    Parameters
    ----------
    texts : pandas.Series
        Of dtype ``str``.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        False for missing values.

    Examples
    --------
    >>> has_han(pd.Series(["王", "Wang", None])).tolist()
    [True, False, False]
    """
    return texts.str.contains(f"[{HAN}]", regex=True, na=False).to_numpy(bool)


def read_text(values: pd.Series, *, is_name: bool = False) -> pd.Series:
    """Write a column as strings in one width, single spaces, and NaN for what only stands for a blank.

    Parameters
    ----------
    values : pandas.Series
        A column of any type.
    is_name : bool, default False
        Keep "Na" and "Nan", which are names.

    Returns
    -------
    pandas.Series
        Of dtype ``str``.

    Examples
    --------
    >>> read_text(pd.Series(["Ａ１　b ", "N/A", "-", "不详"])).tolist()
    ['A1 b', nan, nan, nan]
    """
    texts = half_width(values).str.strip()
    uneven = texts.str.contains(r"\s\s|[\t\r\n\u200b\ufeff]", regex=True, na=False).to_numpy(bool)
    texts = change_some(texts, uneven, lambda some: some.str.replace(r"[\s\u200b\ufeff]+", " ", regex=True).str.strip())
    # No blank is longer than this; folding the case of a long column costs more than looking at its length.
    short = (texts.str.len() <= 15).to_numpy(bool)
    some = texts[short]
    blank = np.zeros(len(texts), dtype=bool)
    blank[short] = some.str.casefold().isin(_BLANK_NAMES if is_name else _BLANKS)
    blank[short] |= some.str.fullmatch(r"[\W_]*", na=False).to_numpy(bool)
    return texts.mask(blank)


def half_width(values: pd.Series) -> pd.Series:
    """Write full-width letters, digits and signs in their ordinary width.

    Parameters
    ----------
    values : pandas.Series
        Text; other types are written as strings first.

    Returns
    -------
    pandas.Series
        Of dtype ``str``, in Unicode's compatibility composition (NFKC), which also writes ligatures and circled digits
        as plain ones. NaN stays NaN.

    References
    ----------
    Unicode Standard Annex #15, Unicode Normalization Forms.

    Examples
    --------
    >>> half_width(pd.Series(["１３８ ０００", "Ｗａｎｇ"])).tolist()
    ['138 000', 'Wang']
    """
    texts = as_strings(values)
    wide = (texts.notna() & ~texts.str.isascii().fillna(value=True)).to_numpy(bool)
    return change_some(texts, wide, lambda some: some.str.normalize("NFKC"))


@lru_cache(maxsize=1)
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplify(distinct: pd.Series) -> list[str]:
    # One call for all costs a hundredth of a call each; a line break inside a value would tear it in two.
    lines = [text.replace("\n", "\x1e") for text in distinct]
    return [text.replace("\x1e", "\n") for text in _converter().convert("\n".join(lines)).split("\n")]


def to_simplified(values: pd.Series) -> pd.Series:
    """Write traditional Chinese characters in their simplified form.

    Parameters
    ----------
    values : pandas.Series
        Text; other types are written as strings first.

    Returns
    -------
    pandas.Series
        Of dtype ``str``. Text without Chinese characters is left alone.

    References
    ----------
    Open Chinese Convert (OpenCC), configuration ``t2s``.

    Examples
    --------
    >>> to_simplified(pd.Series(["歐陽鋒", "Wang", None])).tolist()
    ['欧阳锋', 'Wang', nan]
    """
    texts = as_strings(values)
    return change_some(texts, has_han(texts), lambda some: on_distinct(some, _simplify))
