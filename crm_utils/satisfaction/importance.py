"""Importance against performance: where one point of improvement buys most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import nearest_name
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls import PathBootstrap, PathResults
from crm_utils.satisfaction.index import Scale, index_replicates, index_scores, index_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "importance_performance"


def importance_performance(
    results: PathResults | PathBootstrap,
    target: str,
    *,
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    items: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Set what each construct does for a target beside how well it is rated.

    Importance is the total effect on the target in index points: by how many points the target's index rises when
    the construct's own rises by one, everything that follows from it included. Performance is the index.

    Parameters
    ----------
    results : PathResults or PathBootstrap
        The estimate; with a bootstrap both numbers have intervals.
    target : str
        Construct to improve.
    scale, rule
        As in `index_scores`; importance is always in points of indices with unstandardised weights.
    items : bool, default False
        Whether to give single items: the importance of their construct times their share of its weight, and their
        own mean from 0 to 100.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By construct (or construct and item) with an effect on the target, most important first: ``importance``,
        ``performance``; with a bootstrap ``importance_low``, ``importance_high``, ``performance_low``,
        ``performance_high`` and, for constructs, ``first``: the share of replicates in which improving it by a tenth
        of the room up to 100 would raise the target most. ``region``: "work here first" (important, not yet good),
        "keep it up", "low priority", "possible overkill", by the means of both columns.

    Raises
    ------
    ParameterError
        If the target is not known or nothing leads to it.

    References
    ----------
    .. [1] Ringle, C. M. & Sarstedt, M. (2016). Gain more insight from your PLS-SEM results: the importance-performance
       map analysis. Industrial Management & Data Systems 116(9), 1865–1886.
    .. [2] Martilla, J. A. & James, J. C. (1977). Importance-performance analysis. Journal of Marketing 41(1), 77–79.
    """
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    problems = level_problems(level)
    layout = found.model.layout()
    if target not in layout.constructs:
        near = nearest_name(str(target), layout.constructs)
        hint = f" (did you mean {near!r}?)" if near else ""
        problems.append(f"target must be one of {', '.join(layout.constructs)}, and is {target!r}{hint}")
    raise_problems(_WHERE, problems)
    end = layout.constructs.index(target)
    sources = np.flatnonzero(layout.reaches()[:, end])
    if not len(sources):
        raise_problems(_WHERE, [f"nothing leads to {target}; choose a construct that paths lead to"])

    scores = index_scores(results, scale=scale, rule=rule, level=level)
    estimate = _importance(found, found.estimates.total_effects, _raw_weights(found), scale, sources, end)[0]
    replicates = None
    if drawn:
        usable = drawn.usable
        raw = (drawn.estimates.weights / drawn.moments.spreads)[usable]
        replicates = _importance(found, drawn.estimates.total_effects[usable], raw, scale, sources, end)
    if items:
        table = _of_items(found, drawn, estimate, replicates, sources, scale, level)
    else:
        names = pd.Index(np.array(layout.constructs, dtype=object)[sources], name="construct")
        table = pd.DataFrame({"importance": estimate, "performance": scores.loc[names, "index"].to_numpy()}, names)
        if drawn:
            table["importance_low"], table["importance_high"] = percentile_interval(replicates, level=level)
            table["performance_low"] = scores.loc[names, "low"].to_numpy()
            table["performance_high"] = scores.loc[names, "high"].to_numpy()
            rated = index_replicates(drawn, scale=scale, rule=rule).replicates[:, 0, sources]
            best = (replicates * (100 - rated)).argmax(axis=1)
            table["first"] = np.bincount(best, minlength=len(sources)) / len(best)
    table["region"] = _regions(table)
    return table.sort_values("importance", ascending=False)


def _raw_weights(found: PathResults) -> np.ndarray:
    return found.estimates.weights / found.moments.spreads


def _importance(
    found: PathResults, effects: np.ndarray, weights: np.ndarray, scale: Scale, sources: np.ndarray, end: int
) -> np.ndarray:
    """Total effects in points of the target's index for a point of the source's."""
    points = index_units(found, weights, scale)
    return effects[:, sources, end] * points[:, end, None] / points[:, sources]


def _of_items(
    found: PathResults,
    drawn: PathBootstrap | None,
    estimate: np.ndarray,
    replicates: np.ndarray | None,
    sources: np.ndarray,
    scale: Scale,
    level: float,
) -> pd.DataFrame:
    layout = found.model.layout()
    chosen = np.flatnonzero(np.isin(layout.owner, sources))
    place = np.searchsorted(sources, layout.owner[chosen])
    ends = [scale[item] if isinstance(scale, dict) else scale for item in layout.items]
    lows, highs = np.array(ends, dtype=float)[chosen].T

    def shares(weights: np.ndarray) -> np.ndarray:
        ranged = weights[:, chosen] * (highs - lows)
        total = np.stack([ranged[:, place == position].sum(axis=1) for position in range(len(sources))], axis=1)
        return ranged / total[:, place]

    def rated(means: np.ndarray) -> np.ndarray:
        return 100 * (means[:, chosen] - lows) / (highs - lows)

    names = pd.MultiIndex.from_arrays(
        [[layout.constructs[layout.owner[item]] for item in chosen], [layout.items[item] for item in chosen]],
        names=["construct", "item"],
    )
    table = pd.DataFrame(
        {
            "importance": estimate[place] * shares(_raw_weights(found))[0],
            "performance": rated(found.moments.means)[0],
        },
        names,
    )
    if drawn:
        weights = (drawn.estimates.weights / drawn.moments.spreads)[drawn.usable]
        moved = replicates[:, place] * shares(weights)
        table["importance_low"], table["importance_high"] = percentile_interval(moved, level=level)
        moved = rated(drawn.moments.means[drawn.usable])
        table["performance_low"], table["performance_high"] = percentile_interval(moved, level=level)
    return table


def _regions(table: pd.DataFrame) -> np.ndarray:
    matters = table["importance"] >= table["importance"].mean()
    good = table["performance"] >= table["performance"].mean()
    return np.select(
        [matters & ~good, matters & good, ~matters & ~good],
        ["work here first", "keep it up", "low priority"],
        "possible overkill",
    )


def importance_performance_table(found: pd.DataFrame) -> pd.DataFrame:
    """The map as a table for people.

    Parameters
    ----------
    found : pandas.DataFrame
        From `importance_performance`.

    Returns
    -------
    pandas.DataFrame
        Labels as columns, names with spaces, regions in the reader's language.
    """
    table = found.reset_index()
    table["construct"] = table["construct"].str.replace("_", " ")
    return table.assign(region=table["region"].map(tr)).rename(columns=lambda name: name.replace("_", " "))


def plot_importance_performance(found: pd.DataFrame, *, target: str = "", ax: Axes | None = None) -> Axes:
    """Draw the importance–performance map; `importance_performance_table` has the numbers.

    Parameters
    ----------
    found : pandas.DataFrame
        From `importance_performance`.
    target : str, default ""
        Name of the target, for the label of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7, 5.2))
    names = [" ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in found.index]
    names = [name.replace("_", " ") for name in names]
    if "importance_low" in found:
        for axis in ("importance", "performance"):
            reach = np.maximum([found[axis] - found[f"{axis}_low"], found[f"{axis}_high"] - found[axis]], 0)
            error = {"xerr" if axis == "importance" else "yerr": reach}
            ax.errorbar(found["importance"], found["performance"], fmt="none", ecolor=MUTED, elinewidth=1.2, **error)
    ax.plot(found["importance"], found["performance"], "o", color=PALETTE[0], markersize=7)
    ax.axvline(found["importance"].mean(), color=MUTED, linestyle=":", linewidth=1)
    ax.axhline(found["performance"].mean(), color=MUTED, linestyle=":", linewidth=1)
    ax.margins(x=0.2, y=0.2)
    _place_labels(ax, found, names)
    goal = target.replace("_", " ") or tr("the target")
    ax.set(
        xlabel=tr("Importance: points of {target} for one point").format(target=goal),
        ylabel=tr("Performance: index, 0 to 100"),
        title=tr("What matters, and how good it is"),
    )
    listed = "; ".join(
        tr("{name} {importance:.2f}, {performance:.1f}").format(name=name, importance=matter, performance=good)
        for name, matter, good in zip(names, found["importance"], found["performance"], strict=True)
    )
    return describe(ax, tr("Importance and performance: {listed}.").format(listed=listed))


def _place_labels(ax: Axes, found: pd.DataFrame, names: list[str]) -> None:
    """Write each name beside its point, where it covers no other name and no point."""
    from matplotlib.transforms import Bbox

    ax.figure.draw_without_rendering()
    points = ax.transData.transform(found[["importance", "performance"]].to_numpy())
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    places = [(7, 7, "left"), (7, -13, "left"), (-7, 7, "right"), (-7, -13, "right"), (0, 16, "center"),
              (0, -22, "center"), (7, 20, "left"), (7, -27, "left"), (-7, 20, "right"), (-7, -27, "right")]  # fmt: skip
    for name, (x, y) in zip(names, found[["importance", "performance"]].to_numpy(), strict=True):
        best = None
        for right, up, side in places:
            label = ax.annotate(
                name, (x, y), xytext=(right, up), textcoords="offset points", ha=side, fontsize=9, parse_math=False
            )
            box = label.get_window_extent()
            clashes = sum(box.overlaps(other) for other in taken)
            if best is None or clashes < best[0]:
                if best:
                    best[1].remove()
                best = (clashes, label, box)
            else:
                label.remove()
            if not clashes:
                break
        taken.append(best[2])
