"""Pieces of SQL for DuckDB."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def words(words: Iterable[str]) -> str:
    return ", ".join(quoted(word) for word in words)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def column_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def timestamp(moment: pd.Timestamp) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"


def between(moment: str, first: pd.Timestamp, until: pd.Timestamp) -> str:
    """SQL of a moment from one on and before another; a missing one is let through, for the checks to see it."""
    return f"(({moment} >= {timestamp(first)} AND {moment} < {timestamp(until)}) OR {moment} IS NULL)"


def until_or_missing(moment: str, until: pd.Timestamp) -> str:
    """SQL of a moment before another; a missing one is let through."""
    return f"({moment} < {timestamp(until)} OR {moment} IS NULL)"
