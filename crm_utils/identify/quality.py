"""Quality of records per source and field: complete, valid, unique, timely, consistent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.identify.dates import normalise_date
from crm_utils.identify.quality_rules import DIMENSIONS, Complete, Fresh, Rule, Unique, Valid, default_quality_rules
from crm_utils.identify.text import as_strings
from crm_utils.intervals import wilson
from crm_utils.language import tr
from crm_utils.plotting import describe, draw_heatmap, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EXAMPLES = 3
_ONE_SOURCE = "all records"
_NO_SOURCE = "(no source)"


def _masked(text: str) -> str:
    """First letter or digit, and the form of the rest."""
    head, tail = (text[0], text[1:]) if len(text) > 1 else ("", text)
    return head + re.sub(r"\w", "•", tail)


def _example_texts(table: pd.DataFrame, fields: tuple[str, ...], rows: np.ndarray, mask: bool) -> list[str]:
    parts = [as_strings(table[field].iloc[rows]).fillna("") for field in fields]
    shown = [[_masked(text) if mask else text for text in part] for part in parts]
    return [" | ".join(values) for values in zip(*shown, strict=True)]


def _examples(table: pd.DataFrame, rule: Rule, failed: np.ndarray, groups: np.ndarray, n: int, mask: bool) -> list[str]:
    """Up to three different failing values of each source; an empty field is no example."""
    if isinstance(rule, Complete):
        return [""] * n
    rows = np.flatnonzero(failed)
    frame = table.iloc[rows][list(dict.fromkeys(rule.fields))].astype("object").assign(_source=groups[rows], _row=rows)
    first = frame.drop_duplicates(["_source", *dict.fromkeys(rule.fields)]).groupby("_source").head(_EXAMPLES)
    rows, source = first["_row"].to_numpy(), first["_source"].to_numpy()
    texts = np.array(_example_texts(table, rule.fields, rows, mask), dtype=object)
    return ["; ".join(texts[source == number]) for number in range(n)]


def _sources(table: pd.DataFrame, source_col: str | None) -> tuple[np.ndarray, list[str]]:
    if source_col is None or source_col not in table.columns:
        return np.zeros(len(table), dtype="int64"), [_ONE_SOURCE]
    codes, names = pd.factorize(as_strings(table[source_col]).fillna(_NO_SOURCE), sort=True)
    return codes, list(names)


def _day_of_analysis(table: pd.DataFrame, rules: tuple[Rule, ...], as_of: Any) -> pd.Timestamp | None:
    if as_of is not None:
        return pd.Timestamp(as_of)
    newest = [
        pd.Timestamp(day)
        for column in {rule.field for rule in rules if isinstance(rule, Fresh)}
        if isinstance(day := normalise_date(table[column]).max(), str)
    ]
    return max(newest) + pd.Timedelta(days=1) if newest else None


def _problems(table: pd.DataFrame, rules: tuple[Rule, ...], source_col: str | None, level: float) -> list[str]:
    problems = level_problems(level)
    for rule in rules:
        if not isinstance(rule, Rule):
            problems.append(f"{rule!r} is no rule; rules are Complete, Valid, Unique, Fresh and Consistent")
            continue
        faults = rule.problems() if isinstance(rule, Valid | Fresh | Unique) else []
        problems += faults
        for column in rule.fields if not faults else ():
            if column not in table.columns:
                hint = did_you_mean(
                    column,
                    table.columns,
                    form="did you mean {!r}?",
                    otherwise=f"there are: {', '.join(map(str, table.columns))}",
                )
                problems.append(f"the {rule.dimension} rule {rule.says!r} needs the column {column!r} ({hint})")
    if source_col not in (None, "source", *table.columns):
        problems.append(f"source_col {source_col!r} is not a column")
    return problems


def quality_profile(
    table: pd.DataFrame,
    rules: Iterable[Rule] | None = None,
    *,
    source_col: str | None = "source",
    as_of: Any = None,
    mask: bool = True,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure how well each source keeps the rules of its fields.

    Parameters
    ----------
    table : pandas.DataFrame
        Records of one or several sources.
    rules : iterable of Rule, optional
        `Complete`, `Valid`, `Unique`, `Fresh` and `Consistent` rules. Default: `default_quality_rules`.
    source_col : str or None, default "source"
        Column with the source; None, or a table without a column ``source``: all records together.
    as_of : str or date, optional
        Day of the analysis, for timeliness and for dates in the future. Default: the day after the newest date in the
        columns of the `Fresh` rules; without these, dates are not held against any day.
    mask : bool, default True
        Show examples with their first letter or digit and dots for the others.
    level : float, default 0.95
        Confidence level of the intervals, above 0 and below 1.

    Returns
    -------
    pandas.DataFrame
        One row a source and rule, in the order of `DIMENSIONS` and of the rules: source, dimension, field, rule,
        checked (number of records to which the rule applies), passed, failed, share (passed among checked, NaN where
        nothing was checked) with its Wilson interval low and high, and examples (up to three different failing values).

    Raises
    ------
    ParameterError
        If a rule names an unknown column or cannot be applied, with every such problem.

    Notes
    -----
    The interval treats the records as a sample of those that the source will go on to write. Validity is about form: a
    telephone number with two digits exchanged, or a birth date with day and month exchanged, is valid and wrong.

    References
    ----------
    Batini & Scannapieco (2016), Data and Information Quality, ch. 2 (dimensions).
    Wilson (1927), JASA 22, 209–212 (interval).

    Examples
    --------
    >>> table = pd.DataFrame({"source": ["web", "web", "shop"], "email": ["ann@example.com", "ann at example", None]})
    >>> profile = quality_profile(table, [Complete("email"), Valid("email", kind="email")])
    >>> profile[["source", "dimension", "checked", "passed", "examples"]]
      source     dimension  checked  passed        examples
    0   shop  completeness        1       0
    1    web  completeness        2       2
    2   shop      validity        0       0
    3    web      validity        2       1  a•• •• •••••••
    """
    rules = default_quality_rules(table) if rules is None else tuple(rules)
    raise_problems("quality_profile", _problems(table, rules, source_col, level))
    table = table.reset_index(drop=True)
    groups, sources = _sources(table, source_col)
    day = _day_of_analysis(table, rules, as_of)
    parts = []
    for rule in sorted(rules, key=lambda rule: DIMENSIONS.index(rule.dimension)):
        judged = rule.judge(table, groups, day)
        failed = judged.checked & ~judged.passed
        checked = np.bincount(groups[judged.checked], minlength=len(sources))
        failures = np.bincount(groups[failed], minlength=len(sources))
        low, high = wilson(checked - failures, checked, level=level)
        parts.append(
            pd.DataFrame(
                {
                    "source": sources,
                    "dimension": rule.dimension,
                    "field": " + ".join(rule.fields),
                    "rule": rule.says,
                    "checked": checked,
                    "passed": checked - failures,
                    "failed": failures,
                    "share": np.divide(
                        checked - failures, checked, out=np.full(len(sources), np.nan), where=checked > 0
                    ),
                    "low": low,
                    "high": high,
                    "examples": _examples(table, rule, failed, groups, len(sources), mask),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def quality_table(profile: pd.DataFrame, *, dimension: str | None = None) -> pd.DataFrame:
    """Set the sources side by side.

    Parameters
    ----------
    profile : pandas.DataFrame
        Result of `quality_profile`.
    dimension : str, optional
        One of `DIMENSIONS`. Default: all of them.

    Returns
    -------
    pandas.DataFrame
        One row a rule: dimension, field, rule, and the share that keeps it, one column ``<source>_share`` a source.

    Raises
    ------
    ParameterError
        If the dimension is unknown.
    """
    chosen = _of_dimension(profile, dimension)
    keys = ["dimension", "field", "rule"]
    wide = chosen.pivot_table(index=keys, columns="source", values="share", dropna=False, observed=True)
    order = pd.MultiIndex.from_frame(chosen[keys].drop_duplicates())
    return wide.reindex(order).add_suffix("_share").rename_axis(columns=None).reset_index()


def _of_dimension(profile: pd.DataFrame, dimension: str | None) -> pd.DataFrame:
    if dimension is None:
        return profile
    if dimension not in DIMENSIONS:
        raise_problems("dimension", [f"there is no {dimension!r}; there are {', '.join(DIMENSIONS)}"])
    return profile[profile["dimension"] == dimension]


def plot_quality(profile: pd.DataFrame, *, dimension: str = "completeness", ax: Axes | None = None) -> Axes:
    """Draw how many records of each source keep the rules of one dimension.

    Parameters
    ----------
    profile : pandas.DataFrame
        Result of `quality_profile`.
    dimension : str, default "completeness"
        One of `DIMENSIONS`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached: fields in rows, sources in columns, darker where more is right.

    Raises
    ------
    ParameterError
        If the dimension is unknown.

    See Also
    --------
    quality_table : the numbers.
    """
    table = quality_table(profile, dimension=dimension)
    shares = table.filter(regex="_share$")
    cells = shares.to_numpy(dtype=float)
    ax = new_axes(ax, figsize=(7.2, 1.2 + 0.36 * len(table)))
    ax.set_title(tr("Share of records by source: {dimension}").format(dimension=tr(dimension)))
    if cells.size == 0:
        ax.set_axis_off()
        return describe(ax, tr("There are no rules of {dimension}.").format(dimension=tr(dimension)))
    draw_heatmap(ax, cells, "{:.0%}")
    repeated = table["field"].duplicated(keep=False)
    labels = [
        f"{tr(row.field.replace('_', ' '))}: {tr(row.rule)}" if again else tr(row.field.replace("_", " "))
        for row, again in zip(table.itertuples(), repeated, strict=True)
    ]
    sources = [name.removesuffix("_share") for name in shares.columns]
    ax.set_yticks(range(len(labels)), labels, parse_math=False)
    ax.set_xticks(range(len(sources)), sources, parse_math=False)
    ax.xaxis.tick_top()
    low = np.unravel_index(np.nanargmin(cells), cells.shape) if np.isfinite(cells).any() else None
    text = tr("Heat map of {dimension} by field and source.").format(dimension=tr(dimension))
    if low is not None:
        text += " " + tr("Lowest: {field} in {source}, {share:.0%}.").format(
            field=labels[low[0]], source=sources[low[1]], share=cells[low]
        )
    return describe(ax, text)
