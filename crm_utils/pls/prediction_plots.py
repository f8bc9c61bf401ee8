"""Predictions out of sample against their benchmarks, item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls.layout import shown_name
from crm_utils.pls.prediction_results import PredictionResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = ["construct", "item", "rmse", "lm_rmse", "ia_rmse", "rmse_difference", "lower_rmse", "q2_predict"]


def prediction_table(results: PredictionResults) -> pd.DataFrame:
    """Errors of the path model and its benchmarks by item, as a table for people.

    Parameters
    ----------
    results : PredictionResults
        From `predict_out_of_sample`.

    Returns
    -------
    pandas.DataFrame
        One row an item: ``construct``, ``item``, ``rmse``, ``lm_rmse``, ``ia_rmse``, ``rmse_difference``,
        ``lower_rmse``, ``q2_predict`` as in `PredictionResults.items`; ``relative_rmse`` and ``lm_relative_rmse``:
        the RMSE over that of the mean (below 1: better than the mean), whatever the item's unit.
    """
    table = results.items[_SHOWN]
    return table.assign(
        relative_rmse=table["rmse"] / table["ia_rmse"], lm_relative_rmse=table["lm_rmse"] / table["ia_rmse"]
    )


def plot_prediction(results: PredictionResults, *, ax: Axes | None = None) -> Axes:
    """Draw the error of the path model and of the linear model by item; `prediction_table` has the numbers.

    Errors are relative to those of the mean, so that items of any unit compare: the root of 1 − Q² predict. Beside each
    item are the RMSE of both models in the item's unit, in bold where the path model's is lower than both benchmarks'.

    Parameters
    ----------
    results : PredictionResults
        From `predict_out_of_sample`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table = prediction_table(results)
    rows = np.arange(len(table))
    ax = new_axes(ax, figsize=(8.2, 1.7 + 0.27 * len(table)))
    linear = bool(table["lm_rmse"].notna().any())
    if linear:
        ax.hlines(rows, table["relative_rmse"], table["lm_relative_rmse"], color=MUTED, linewidth=2, zorder=1)
    ax.plot(table["relative_rmse"], rows, "o", color=PALETTE[0], markersize=6, label=tr("Path model"))
    if linear:
        ax.plot(table["lm_relative_rmse"], rows, "D", color=PALETTE[1], markersize=5, label=tr("Linear model"))
    ax.axvline(1, color="black", linewidth=0.8, label=tr("Mean of the training cases"))
    better = results.better
    for row, found in enumerate(table.itertuples()):
        ax.text(
            1.02,
            row,
            " / ".join(_written(value) for value in (found.rmse, found.lm_rmse)[: 1 + linear]),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            fontweight="bold" if better[row] else "normal",
        )
    heading = tr("RMSE: path / linear") if linear else tr("RMSE")
    ax.text(1.02, 1.01, heading, transform=ax.transAxes, fontsize=8.5)
    names = [
        item if item.startswith(f"{construct}_") else f"{shown_name(construct)}: {item}"
        for construct, item in results.predicted_items
    ]
    ax.set_yticks(rows, names, parse_math=False)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set(title=tr("Out-of-sample error by item"), xlabel=tr("RMSE relative to that of the mean (lower is better)"))
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5, ncols=3, fontsize=9)
    return describe(ax, _said(results, table))


def _written(value: float) -> str:
    """Two digits after the point of what is below 100, and as many as show something of what is below 0.1."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _said(results: PredictionResults, table: pd.DataFrame) -> str:
    best, worst = (table.loc[table["q2_predict"].agg(which)] for which in ("idxmax", "idxmin"))
    text = tr(
        "Out-of-sample error by item, {folds} folds. {verdict} Q² predict is from {low:.2f} ({worst}) to {high:.2f} "
        "({best})."
    )
    return text.format(
        folds=results.failed.shape[1],
        verdict=results.verdict,
        low=worst["q2_predict"],
        worst=worst["item"],
        high=best["q2_predict"],
        best=best["item"],
    )
