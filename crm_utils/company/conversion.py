"""Turn raw columns into the contract's types, telling where that fails."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from crm_utils.company.contract import Kind

TRUE_WORDS = ("yes", "y", "true", "1", "是")
FALSE_WORDS = ("no", "n", "false", "0", "否")
_DAY_PATTERN = r"\d{4}-?\d{2}-?\d{2}(?:[T ].*)?"
_MONTH_PATTERN = r"\d{4}-?\d{2}(?:-?\d{2}(?:[T ].*)?)?"
_ZONE = r" ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"
_TIME_AND_ZONE = r"[T ]\d{2}.*?" + _ZONE

_READ_RULES: dict[Kind, tuple[str, str]] = {
    "date": ("not a readable date", "write dates as YYYY-MM-DD, or state date_format in company.yml"),
    "month": ("not a readable month", "write months as YYYY-MM, or state date_format in company.yml"),
    "number": ("not a number", "keep digits, sign and decimal point only; put units and currency into the column name"),
    "integer": ("not a whole number", "keep digits only"),
    "flag": ("not a yes/no value", "write yes/no, true/false, 1/0 or 是/否"),
}
_LIKELY_FORMATS = (
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y"),
    (r"\d{4}年\d{1,2}月\d{1,2}日", "%Y年%m月%d日"),
)
_TIMES = ((r"", ""), (r" \d{1,2}:\d{2}", " %H:%M"), (r" \d{1,2}:\d{2}:\d{2}", " %H:%M:%S"))


def unreadable_rule(kind: Kind, example: object, date_format: str) -> tuple[str, str]:
    """Say what is wrong with an unreadable value, and what to do about it.

    Parameters
    ----------
    kind : str
        Kind of the contract column.
    example : object
        The first such value.
    date_format : str
        Format that was stated; empty for ISO 8601.

    Returns
    -------
    rule, remedy : str
        Without a full stop.

    Examples
    --------
    >>> unreadable_rule("date", "2010/12/01", "")[1]
    'write dates as YYYY-MM-DD, or state date_format: "%Y/%m/%d" in company.yml'
    """
    rule, remedy = _READ_RULES[kind]
    if kind not in ("date", "month"):
        return rule, remedy
    text = str(example).strip()
    if re.fullmatch(r"[2-5]\d{4}(\.\d+)?", text):
        return rule, "this looks like a day number of a spreadsheet: format the column as YYYY-MM-DD there"
    if re.fullmatch(r"1\d{9}|1\d{12}", text):
        return rule, "this looks like seconds or milliseconds since 1970: convert them to YYYY-MM-DD HH:MM:SS"
    likely = [
        format_of_day + format_of_time
        for day, format_of_day in _LIKELY_FORMATS
        for time, format_of_time in _TIMES
        if re.fullmatch(day + time, text)
    ]
    if date_format:
        rule += f" by the date_format {date_format!r} that company.yml states"
        remedy = "state a date_format that fits all rows, or write dates as YYYY-MM-DD and state none"
        return rule, remedy + (f"; {likely[0]!r} would fit this one" if likely else "")
    return rule, remedy.replace("date_format", f'date_format: "{likely[0]}"') if likely else remedy


def _as_text(values: pd.Series) -> pd.Series:
    """Text without surrounding blanks; ids that a workbook stored as 12.0 read 12."""
    if pd.api.types.is_string_dtype(values) and values.dtype != object:
        return values.str.strip()

    def one(value: object) -> object:
        if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            return None
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value))
        return str(value).strip()

    return pd.Series([one(value) for value in values], index=values.index, dtype="str", name=values.name)


def _to_dates(values: pd.Series, text: pd.Series, date_format: str, kind: Kind) -> pd.Series:
    """Read dates; of a moment with an offset the wall clock of the shop counts, not Greenwich's."""
    if isinstance(values.dtype, pd.ArrowDtype):
        values = values.astype(object)
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_localize(None) if values.dt.tz is not None else values
    if date_format:
        typed = _typed_moments(values)
        if date_format.endswith("%z"):
            text = text.str.replace(_ZONE, "", regex=True)
            date_format = date_format.removesuffix("%z").rstrip()
        dates = pd.to_datetime(text.mask(typed), format=date_format, errors="coerce").astype("datetime64[us]")
        return dates.where(~typed, pd.to_datetime(text.where(typed), format="ISO8601", errors="coerce"))
    pattern = _DAY_PATTERN if kind == "date" else _MONTH_PATTERN
    text = text.where(text.str.fullmatch(pattern).fillna(False).astype(bool))
    with_zone = text.str.contains(_TIME_AND_ZONE, na=False)
    if with_zone.any():
        text = text.mask(with_zone, text[with_zone].str.replace(_ZONE, "", regex=True))
    if kind == "month":
        text = text.str.replace(r"^(\d{4})(\d{2})$", r"\1-\2", regex=True)
    return pd.to_datetime(text, format="ISO8601", errors="coerce").astype("datetime64[us]")


def _typed_moments(values: pd.Series) -> pd.Series:
    """Tell which cells are dates already, as in a workbook: a stated format is about text."""
    if values.dtype != object:
        return pd.Series(False, index=values.index)
    return values.map(lambda value: hasattr(value, "year")).astype(bool)


def _without_decimals(ids: pd.Series) -> pd.Series:
    """Read a column of nothing but whole numbers with a decimal, 12346.0, as the ids that they were."""
    known = ids.dropna()
    if not known.empty and known.str.fullmatch(r"\d+\.0").all():
        return ids.str.removesuffix(".0")
    return ids


def _to_numbers(values: pd.Series, text: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
    else:
        numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def convert(values: pd.Series, kind: Kind, *, date_format: str = "", missing: tuple[str, ...] = ()) -> tuple:
    """Convert a raw column to its contract type.

    Parameters
    ----------
    values : pandas.Series
        Text, or what a typed file held.
    kind : str
        Kind of the contract column.
    date_format : str, default ""
        `strptime` format; empty for ISO 8601.
    missing : tuple of str, default ()
        Texts that mean "no value" besides a blank.

    Returns
    -------
    converted : pandas.Series
        Same index; missing where blank or unreadable.
    unreadable : numpy.ndarray of bool
        Where there was something that could not be read.

    Examples
    --------
    >>> converted, unreadable = convert(pd.Series(["2", "3 pcs", ""]), "number")
    >>> converted.tolist(), unreadable.tolist()
    ([2.0, nan, nan], [False, True, False])
    """
    text = _as_text(values)
    blank = text.isna() | (text == "")
    if missing:
        blank |= text.isin(missing)
    text = text.mask(blank)
    if kind == "id":
        text = _without_decimals(text)
    if kind in ("text", "id"):
        return text, np.zeros(len(text), dtype=bool)
    if kind in ("date", "month"):
        converted = _to_dates(values, text, date_format, kind)
        if kind == "month":
            converted = converted.dt.to_period("M").dt.to_timestamp()
    elif kind == "flag":
        words = text.str.lower()
        converted = words.map(dict.fromkeys(TRUE_WORDS, True) | dict.fromkeys(FALSE_WORDS, False)).astype("boolean")
        if not converted.isna().any():
            converted = converted.astype(bool)
    else:
        converted = _to_numbers(values, text).mask(blank)
        if kind == "integer":
            converted = converted.where(converted == converted.round()).astype("Int64")
    return converted, (converted.isna() & ~blank).to_numpy(dtype=bool)


def read_feature(values: pd.Series, *, missing: tuple[str, ...] = ()) -> pd.Series:
    """Read a column that the contract does not name: numbers where every value is one, text otherwise.

    Parameters
    ----------
    values : pandas.Series
        Text, or what a typed file held.
    missing : tuple of str, default ()
        Texts that mean "no value" besides a blank.

    Returns
    -------
    pandas.Series
        Same index. Texts with a leading zero, and numbers too large to be held, stay text.

    Examples
    --------
    >>> read_feature(pd.Series(["33", "NULL"]), missing=("NULL",)).tolist()
    [33.0, nan]
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values
    text = _as_text(values)
    text = text.mask((text == "") | text.isin(missing))
    numbers = pd.to_numeric(text, errors="coerce")
    known = text.notna()
    if not known.any() or text.str.match(r"^0\d", na=False).any():
        return text
    return numbers if numbers[known].notna().all() and np.isfinite(numbers[known].astype("float64")).all() else text
