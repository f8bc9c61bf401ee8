"""Groups side by side: estimates with intervals, and which of them differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes
from crm_utils.pls.comparison import GroupComparison
from crm_utils.pls.layout import shown_name
from crm_utils.pls.quantities import labels, parameter_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vPX"


def group_differences_table(result: GroupComparison, *, quantity: str = "paths") -> pd.DataFrame:
    """Estimates of the groups and their differences, as a table for people.

    Parameters
    ----------
    result : GroupComparison
        From `compare_groups`.
    quantity : str, default "paths"
        As in `GroupComparison.differences`.

    Returns
    -------
    pandas.DataFrame
        One row a pair of groups and parameter: ``parameter`` (constructs with spaces), ``group`` and ``other``;
        ``estimate``, ``estimate_low``, ``estimate_high`` of the first and ``estimate_other``, ``other_low``,
        ``other_high`` of the second; ``difference``, ``low``, ``high``, ``p_value``, ``p_adjusted``.

    Raises
    ------
    ParameterError
        If the quantity is not known.
    """
    differences = result.differences(quantity)
    names = [_shown(name) for name in parameter_names(labels(quantity, result.model.layout()))]
    intervals = {
        name: bootstrap.intervals(quantity, level=result.level).reset_index(drop=True)
        for name, bootstrap in result.bootstraps.items()
    }
    tables = []
    for number, (one, other) in enumerate(result.tests):
        rows = slice(number * len(names), (number + 1) * len(names))
        found = differences.iloc[rows].reset_index(drop=True)
        tables.append(
            pd.DataFrame(
                {
                    "parameter": names,
                    "group": found["group"],
                    "other": found["other"],
                    "estimate": found["estimate"],
                    "estimate_low": intervals[one]["low"],
                    "estimate_high": intervals[one]["high"],
                    "estimate_other": found["estimate_other"],
                    "other_low": intervals[other]["low"],
                    "other_high": intervals[other]["high"],
                    **{name: found[name] for name in ("difference", "low", "high", "p_value", "p_adjusted")},
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def plot_group_differences(result: GroupComparison, *, quantity: str = "paths", ax: Axes | None = None) -> Axes:
    """Draw the estimates of the groups side by side; `group_differences_table` has the numbers.

    What differs between groups (adjusted p-value below 1 − level) is in bold; of two groups, every difference is
    written with its interval; of more, those that are told apart, the largest of them where there are many.

    Parameters
    ----------
    result : GroupComparison
        From `compare_groups`.
    quantity : str, default "paths"
        As in `GroupComparison.differences`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If the quantity is not known.
    """
    table = group_differences_table(result, quantity=quantity)
    names = list(dict.fromkeys(table["parameter"]))
    places = {name: place for place, name in enumerate(names)}
    ax = new_axes(ax, figsize=(8.2, 1.3 + (0.22 + 0.1 * len(result.fits)) * len(names)))
    for number, group in enumerate(result.fits):
        shift = 0.5 * (number / (len(result.fits) - 1) - 0.5)
        found = result.bootstraps[group].intervals(quantity, level=result.level)
        ax.errorbar(
            found["estimate"],
            np.arange(len(names)) + shift,
            xerr=np.maximum([found["estimate"] - found["low"], found["high"] - found["estimate"]], 0),
            fmt=_MARKERS[number % len(_MARKERS)],
            color=PALETTE[number % len(PALETTE)],
            elinewidth=1.5,
            markersize=5,
            label=str(group),
        )
    told = table["p_adjusted"] < round(1 - result.level, 12)
    two = len(result.fits) == 2
    for name, rows in table[told | two].groupby("parameter", sort=False):
        ax.text(
            1.02,
            places[name],
            _differences_text(rows, pair=not two, most=len(result.fits)),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            fontweight="bold" if told[rows.index].any() else "normal",
            parse_math=False,
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    shown = quantity.replace("_", " ")
    ax.set(title=tr("By group: {quantity}").format(quantity=tr(shown)), xlabel=tr("Estimate with interval"))
    if two:
        heading = tr("{group} − {other}").format(group=table["group"][0], other=table["other"][0])
    else:
        heading = tr("Told apart") if told.any() else tr("Told apart: none")
    ax.text(1.02, 1.01, heading, transform=ax.transAxes, fontsize=8.5, parse_math=False)
    legend = ax.legend(
        loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5, ncols=min(len(result.fits), 5), fontsize=9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return describe(ax, _said(table, told, shown, result))


def _shown(parameter: str) -> str:
    """A parameter for people; an item keeps its name."""
    constructs, link, item = parameter.partition(": ")
    return f"{shown_name(constructs)}{link}{item}"


def _differences_text(rows: pd.DataFrame, *, pair: bool, most: int) -> str:
    """Differences of one estimate, the largest first, as many as fit beside the groups."""
    largest = rows.loc[rows["difference"].abs().sort_values(ascending=False).index[:most]]
    lines = [_written(row, pair=pair) for row in largest.itertuples()]
    if len(rows) > most:
        lines[-1] += " " + tr("and {count} more").format(count=len(rows) - most)
    return "\n".join(lines)


def _written(row, *, pair: bool) -> str:
    numbers = f"{_signed(row.difference)} ({_signed(row.low)} … {_signed(row.high)})"
    return f"{row.group} − {row.other}: {numbers}" if pair else numbers


def _signed(value: float) -> str:
    """Two digits with a sign, and none for what rounds to zero."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def _said(table: pd.DataFrame, told: pd.Series, quantity: str, result: GroupComparison) -> str:
    groups = ", ".join(map(str, result.fits))
    compared = int(table["p_adjusted"].notna().sum())
    head = tr("{quantity} in the groups {groups}. Told apart: {count} of {compared} differences").format(
        quantity=tr(quantity).capitalize(), groups=groups, count=int(told.sum()), compared=compared
    )
    listed = "; ".join(
        tr("{parameter} {estimate:.2f} ({group}) against {other_estimate:.2f} ({other})").format(
            parameter=row.parameter,
            estimate=row.estimate,
            group=row.group,
            other_estimate=row.estimate_other,
            other=row.other,
        )
        for row in table[told].itertuples()
    )
    return f"{head}: {listed}." if listed else f"{head}."
