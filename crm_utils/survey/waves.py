"""Waves of a survey (调查波次), in the order of time."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import pandas as pd

from crm_utils.language import tr


def wave_order(answers: pd.DataFrame, *, wave_col: str = "wave", date_col: str = "answered_at") -> list[Hashable]:
    """Put the waves of a survey in order.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey.
    wave_col : str, default "wave"
        Column of waves; missing for answers of no wave.
    date_col : str, default "answered_at"
        Column of dates, optional.

    Returns
    -------
    list
        Labels of the waves. A categorical column keeps its own order. Else the wave whose middle answer (median) is
        older comes first, where every wave has dates; else by the labels, numbers in them by their size ("wave 9"
        before "wave 10").

    Examples
    --------
    >>> wave_order(pd.DataFrame({"wave": ["wave 10", "wave 9", "wave 9"]}))
    ['wave 9', 'wave 10']
    >>> days = pd.to_datetime(["2026-10-01", "2026-04-01"])
    >>> wave_order(pd.DataFrame({"wave": ["autumn", "spring"], "answered_at": days}))
    ['spring', 'autumn']
    """
    if wave_col not in answers:
        return []
    column = answers[wave_col]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [label for label in column.cat.categories if (column == label).any()]
    labels = sorted(column.dropna().unique().tolist(), key=_natural)
    middle = _middle_dates(answers, wave_col, date_col)
    return labels if middle is None else sorted(labels, key=middle.__getitem__)


def wave_order_text(answers: pd.DataFrame, *, wave_col: str = "wave", date_col: str = "answered_at") -> str:
    """Say in which order the waves are taken, and by what.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, as for `wave_order`.
    wave_col, date_col : str
        Columns, as for `wave_order`.

    Returns
    -------
    str
        One sentence; empty for fewer than two waves.

    Examples
    --------
    >>> wave_order_text(pd.DataFrame({"wave": ["w2", "w1"]}))
    'The waves are taken in the order of their names: w1, w2.'
    """
    order = [str(label) for label in wave_order(answers, wave_col=wave_col, date_col=date_col)]
    if len(order) < 2:
        return ""
    dated = _middle_dates(answers, wave_col, date_col) is not None
    reason = tr("the dates of their answers") if dated else tr("their names")
    listed = ", ".join(order if len(order) <= 12 else [*order[:6], "…", *order[-3:]])
    return tr("The waves are taken in the order of {reason}: {listed}.").format(reason=reason, listed=listed)


def _middle_dates(answers: pd.DataFrame, wave_col: str, date_col: str) -> pd.Series | None:
    """Median date of each wave, or None where a wave has none."""
    if date_col not in answers or not pd.api.types.is_datetime64_any_dtype(answers[date_col]):
        return None
    middle = answers.groupby(wave_col, observed=True)[date_col].median()
    return middle if len(middle) and middle.notna().all() else None


def _natural(label: Any) -> tuple:
    """Sort key in which numbers inside of texts count by their size; numbers come before texts."""
    if not isinstance(label, str):
        return (0, label)
    parts = re.split(r"(\d+)", label.strip().casefold())
    return (1, [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part], label)
