"""Dates in several orders, read without guessing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from crm_utils.identify.text import as_strings, read_text

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_MONTH = rf"({'|'.join(_MONTH_NAMES)})[a-z]*\.?"
_TIME = r"(?:[T ]+\d{1,2}:[\d:.]*\s*(?:[ap]\.?m\.?)?\s*(?:z|utc|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})\s*[-/.年]\s*(\d{{1,2}})\s*[-/.月]\s*(\d{{1,2}})\s*日?{_TIME}", re.IGNORECASE)
_COMPACT = re.compile(r"((?:1[5-9]|2[01])\d{2})(\d{2})(\d{2})(?:\.0+)?")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})\s*([-/. ])\s*(\d{{1,2}})\s*\2\s*(\d{{4}}){_TIME}", re.IGNORECASE)
_DAY_NAME_YEAR = re.compile(
    rf"(\d{{1,2}})(?:st|nd|rd|th)?[-/. ]*(?:of )?{_MONTH}[-/., ]*(\d{{4}}){_TIME}", re.IGNORECASE
)
_NAME_DAY_YEAR = re.compile(rf"{_MONTH}[-/. ]*(\d{{1,2}})(?:st|nd|rd|th)?[-/., ]+(\d{{4}}){_TIME}", re.IGNORECASE)

# Share of the unambiguous dates in one order from which that order is taken to be the column's.
_CLEAR_SHARE = 0.95
_FIRST_YEAR, _LAST_YEAR = 1000, 2999


def _iso(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Write calendar dates; None where the calendar has no such day."""
    year, month, day = (np.asarray(part, dtype="int64") for part in (year, month, day))
    possible = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(possible, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + np.where(possible, day - 1, 0)
    possible &= dates.astype("datetime64[M]") == months
    written = np.datetime_as_string(dates, unit="D").astype(object)
    written[~possible] = None
    return written


def _parts(text: str) -> tuple[int, int, int, str]:
    """Three numbers and how to read them: ``y`` year-month-day, else the separator of a date with the year last."""
    if found := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3]), "y"
    if found := _YEAR_LAST.fullmatch(text):
        return int(found[1]), int(found[3]), int(found[4]), found[2]
    if found := _DAY_NAME_YEAR.fullmatch(text):
        return int(found[3]), _MONTHS[found[2].lower()], int(found[1]), "y"
    if found := _NAME_DAY_YEAR.fullmatch(text):
        return int(found[3]), _MONTHS[found[1].lower()], int(found[2]), "y"
    return 0, 0, 0, "y"


def _column_order(first: np.ndarray, second: np.ndarray, rows: np.ndarray, default: bool | None) -> bool | None:
    """Whether the day comes first, as the dates say that can be read in one way only."""
    day_first = rows[(first > 12) & (second <= 12)].sum()
    month_first = rows[(first <= 12) & (second > 12)].sum()
    known = day_first + month_first
    if known and max(day_first, month_first) >= _CLEAR_SHARE * known:
        return bool(day_first > month_first)
    return default


def normalise_date(dates: pd.Series, *, day_first: bool | None = None) -> pd.Series:
    """Write dates in the international form.

    Parameters
    ----------
    dates : pandas.Series
        Dates, or text such as ``1990-03-04``, ``1990/3/4``, ``19900304``, ``04.03.1990``, ``3/4/1990``,
        ``1990年3月4日``, ``4 Mar 1990`` or ``March 4, 1990``, in digits of any width; a time behind it is dropped.
    day_first : bool, optional
        How to read ``3/4/1990`` where the column itself does not tell. Default: not at all.

    Returns
    -------
    pandas.Series
        ``YYYY-MM-DD``, of dtype ``str``; NaN for what is no day of the calendar from the year 1000 to 2999, and for
        years of two digits, whose century would be a guess.

    Notes
    -----
    A date with the year last can be read in one way only if one of its first two numbers exceeds 12, or if they are
    equal. Such dates decide for the rest of the column where at least 95 % of them agree; else `day_first` does; and if
    that is not given, the date is missing. Where dots divide the numbers the day comes first unless the column says
    otherwise, for no country writes months before dots. Columns that mix systems of different habits are better read
    system by system.

    References
    ----------
    ISO 8601-1:2019, calendar date, extended format.

    Examples
    --------
    >>> normalise_date(pd.Series(["1990年3月4日", "4 Mar 1990", "19900304", "04.03.1990"])).unique().tolist()
    ['1990-03-04']
    >>> normalise_date(pd.Series(["3/4/1990", "25/12/1990"])).tolist()
    ['1990-04-03', '1990-12-25']
    >>> normalise_date(pd.Series(["3/4/1990"])).tolist()
    [nan]
    """
    if pd.api.types.is_datetime64_any_dtype(dates):
        local = dates.dt.tz_localize(None) if dates.dt.tz is not None else dates
        return as_strings(local.dt.floor("D"))
    texts = read_text(dates)
    codes, distinct = pd.factorize(texts)
    if len(distinct) == 0:
        return texts
    a, b, c, form = (np.array(part) for part in zip(*map(_parts, distinct), strict=True))
    rows = np.bincount(codes[codes >= 0], minlength=len(distinct))
    year, month, day = a.copy(), b.copy(), c.copy()
    for dotted in (True, False):
        here = (form == ".") if dotted else ((form != "y") & (form != "."))
        order = _column_order(a[here], b[here], rows[here], True if dotted else day_first)
        ahead = (b[here] > 12) & (a[here] <= 12)
        is_day_first = ~ahead if order is None else np.where((a[here] > 12) | ahead, ~ahead, order)
        unclear = (order is None) & (a[here] <= 12) & (b[here] <= 12) & (a[here] != b[here])
        year[here] = np.where(unclear, 0, c[here])
        month[here] = np.where(is_day_first, b[here], a[here])
        day[here] = np.where(is_day_first, a[here], b[here])
    written = np.append(_iso(year, month, day), None)[codes]
    return pd.Series(written, index=dates.index, name=dates.name, dtype="str")
