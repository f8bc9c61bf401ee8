"""A moderated path drawn as one line a level of the moderator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes
from crm_utils.pls.layout import shown_name
from crm_utils.pls.moderation import HIGH, LOW, MEAN, Moderation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ("-", "--", ":")
_LEVELS = {
    LOW: "{moderator} low (mean − 1 SD)",
    MEAN: "{moderator} at its mean",
    HIGH: "{moderator} high (mean + 1 SD)",
}


def simple_slopes_table(result: Moderation) -> pd.DataFrame:
    """Points of the lines that `plot_simple_slopes` draws.

    Parameters
    ----------
    result : Moderation
        From `moderate`.

    Returns
    -------
    pandas.DataFrame
        One row a level of the moderator and score of the source: ``level``, ``source_score`` (standard deviations),
        ``target_score`` expected where everything else is at its mean (standard deviations), ``low``, ``high``; and
        the ``slope`` of the line.
    """
    lines = result.table[result.table["quantity"] == "lines"]
    slopes = result.simple_slopes.set_index("level")["estimate"]
    table = lines[["level", "source_score", "estimate", "low", "high"]].reset_index(drop=True)
    return table.rename(columns={"estimate": "target_score"}).assign(slope=table["level"].map(slopes))


def plot_simple_slopes(result: Moderation, *, ax: Axes | None = None) -> Axes:
    """Draw what is expected of the target against the source, a line a level of the moderator.

    Everything else is at its mean. Bands are the intervals of the lines; `simple_slopes_table` has the numbers.

    Parameters
    ----------
    result : Moderation
        From `moderate`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7.2, 4.6))
    source, target, moderator = (shown_name(name) for name in (result.source, result.target, result.moderator))
    table = simple_slopes_table(result)
    slopes = result.simple_slopes.set_index("level")
    said = []
    for number, (level, line) in enumerate(table.groupby("level", sort=False)):
        template = _LEVELS.get(level, "{moderator} = {level}")
        name = tr(template).format(moderator=moderator, level=level)
        slope = tr("slope {slope:.2f} ({low:.2f} to {high:.2f})").format(
            slope=slopes.loc[level, "estimate"], low=slopes.loc[level, "low"], high=slopes.loc[level, "high"]
        )
        color = PALETTE[number]
        ax.plot(line["source_score"], line["target_score"], _STYLES[number], color=color, label=f"{name}: {slope}")
        ax.fill_between(line["source_score"], line["low"], line["high"], color=color, alpha=0.15, linewidth=0)
        said.append(f"{name}: {slope}")
    ax.set(
        title=tr("{source} → {target}, by {moderator}").format(source=source, target=target, moderator=moderator),
        xlabel=tr("{name} (standard deviations from the mean)").format(name=source),
        ylabel=tr("{name} (standard deviations)").format(name=target),
    )
    # Below, for lines of any slope may fill the corners.
    legend = ax.legend(loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5, fontsize=9)
    for text in [*legend.get_texts(), ax.title, ax.xaxis.label, ax.yaxis.label]:
        text.set_parse_math(False)
    sentence = tr("How {target} goes with {source}, a line for each level of {moderator}. {lines}.")
    return describe(ax, sentence.format(source=source, target=target, moderator=moderator, lines="; ".join(said)))
