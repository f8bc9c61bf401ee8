"""Importance against performance: where one point of improvement buys most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.intervals import percentile_interval
from crm_utils.language import plain_zero, tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls import PathBootstrap, PathResults
from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Estimates
from crm_utils.satisfaction.index import Scale, bootstrap_indices, index_scores, index_units, item_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "importance_performance"
NO_TASK, NOT_KNOWN = "no task", "not known"
# Differences below this are rounding: what is all alike is not below its own mean.
_ALIKE = 1e-9


def importance_performance(
    results: PathResults | PathBootstrap,
    target: str,
    *,
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    items: bool = False,
    no_task: Sequence[str] = (),
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Set what each construct does for a target beside how well it is rated.

    Importance is the total effect on the target in index points: by how many points the target's index rises when
    the construct's own rises by one, everything that follows from it included:

    .. math:: b \, \sigma_\text{target} / \sigma, \quad \sigma = 100 / \sum_i w_i (\text{max}_i - \text{min}_i)

    with the total effect b of standardised constructs and unstandardised weights w; σ is the standard deviation of the
    index. Consistent estimates are about constructs without the error of their items, and take σ without it too (times
    the root of ρ_A). Performance is the index.

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
    no_task : sequence of str, default ()
        Constructs that nobody can set out to raise, such as expectations, which rise by promises. They are shown, and
        are no priority.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By construct (or construct and item) with an effect on the target, most important first: ``importance``,
        ``performance``; with a bootstrap ``importance_low``, ``importance_high``, ``performance_low``,
        ``performance_high`` and, for constructs, ``first_share``: the share of replicates in which it is the first
        priority, for closing the same part of its gap to 100 would raise the target most (importance × (100 −
        performance)). ``region``: "work here first" (important, not yet good), "keep it up", "low priority",
        "possible overkill", by the means of both columns. What lowers the target, such as complaints, is in the region
        "less is better" and has its gap to 0; a construct of `no_task` is in the region "no task". Neither is a part
        of the means. Where a number is missing, the region is "not known".

    Raises
    ------
    ParameterError
        If the target or a construct of `no_task` is not known, or nothing leads to the target; and as in
        `index_scores`.

    References
    ----------
    .. [1] Ringle, C. M. & Sarstedt, M. (2016). Gain more insight from your PLS-SEM results: the importance-performance
       map analysis. Industrial Management & Data Systems 116(9), 1865–1886.
    .. [2] Martilla, J. A. & James, J. C. (1977). Importance-performance analysis. Journal of Marketing 41(1), 77–79.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> service, price = rng.normal([7, 5], 1, size=(500, 2)).T
    >>> loyalty = 1 + 0.6 * service + 0.2 * price + rng.normal(scale=0.3, size=500)
    >>> answers = pd.DataFrame({"s": service, "p": price, "l": loyalty})
    >>> model = PathModel(
    ...     {"service": ["s"], "price": ["p"], "loyalty": ["l"]}, [("service", "loyalty"), ("price", "loyalty")]
    ... )
    >>> importance_performance(model.fit(answers), "loyalty", scale=(0, 12))["importance"].round(1).to_dict()
    {'service': 0.6, 'price': 0.2}
    """
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    layout = found.model.layout()
    problems = level_problems(level)
    for role, name in [("target", target), *(("each of no_task", name) for name in no_task)]:
        if name not in layout.constructs:
            hint = did_you_mean(name, layout.constructs)
            problems.append(f"{role} must be one of {', '.join(layout.constructs)}, and is {name!r}{hint}")
    raise_problems(_WHERE, problems)
    end = layout.constructs.index(target)
    sources = np.flatnonzero(layout.reaches()[:, end])
    if not len(sources):
        raise_problems(_WHERE, [f"nothing leads to {target}; choose a construct that paths lead to"])

    scores = index_scores(results, scale=scale, rule=rule, level=level)
    estimate = _importance(found, found.estimates, found.moments, scale, sources, end)
    moved = _importance(found, drawn.estimates, drawn.moments, scale, sources, end)[drawn.usable] if drawn else None
    if items:
        table = _of_items(results, estimate, moved, sources, scale, level)
    else:
        names = pd.Index(np.array(layout.constructs, dtype=object)[sources], name="construct")
        table = pd.DataFrame({"importance": estimate[0], "performance": scores.loc[names, "index"]}, names)
        if drawn:
            table["importance_low"], table["importance_high"] = percentile_interval(moved, level=level)
            table[["performance_low", "performance_high"]] = scores.loc[names, ["low", "high"]]
            rated = bootstrap_indices(drawn, scale=scale, rule=rule).replicates[:, 0, sources]
            to_win = np.where(moved >= 0, moved * (100 - rated), -moved * rated)
            to_win[:, names.isin(list(no_task))] = -np.inf
            best = to_win.argmax(axis=1)
            first = np.bincount(best[np.isfinite(to_win.max(axis=1))], minlength=len(sources))
            table["first_share"] = first / len(best)
    table["region"] = _regions(table, table.index.get_level_values("construct").isin(list(no_task)))
    return table.sort_values("importance", ascending=False, kind="stable")


def _importance(
    found: PathResults, estimates: Estimates, items: Moments, scale: Scale, sources: np.ndarray, end: int
) -> np.ndarray:
    """Total effects in points of the target's index for a point of the source's, shape (replicates, sources)."""
    # Replicates that are not usable may lack a root or a weight; they are left out by the caller.
    with np.errstate(invalid="ignore", divide="ignore"):
        points = index_units(found, estimates, items, scale)
        return estimates.total_effects[:, sources, end] * points[:, end, None] / points[:, sources]


def _of_items(
    results: PathResults | PathBootstrap,
    importance: np.ndarray,
    moved: np.ndarray | None,
    sources: np.ndarray,
    scale: Scale,
    level: float,
) -> pd.DataFrame:
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    layout = found.model.layout()
    chosen = np.flatnonzero(np.isin(layout.owner, sources))
    place = np.searchsorted(sources, layout.owner[chosen])
    lows, ranges = item_limits(found, scale)

    def shares(estimates: Estimates, moments: Moments) -> np.ndarray:
        ranged = estimates.weights / moments.spreads * ranges
        return (ranged / (ranged @ layout.membership)[:, layout.owner])[:, chosen]

    def rated(moments: Moments) -> np.ndarray:
        return (100 * (moments.means - lows) / ranges)[:, chosen]

    names = pd.MultiIndex.from_arrays(
        [[layout.constructs[layout.owner[item]] for item in chosen], [layout.items[item] for item in chosen]],
        names=["construct", "item"],
    )
    table = pd.DataFrame(
        {
            "importance": (importance[:, place] * shares(found.estimates, found.moments))[0],
            "performance": rated(found.moments)[0],
        },
        names,
    )
    if drawn:
        split = moved[:, place] * shares(drawn.estimates, drawn.moments)[drawn.usable]
        table["importance_low"], table["importance_high"] = percentile_interval(split, level=level)
        means = rated(drawn.moments)[drawn.usable]
        table["performance_low"], table["performance_high"] = percentile_interval(means, level=level)
    return table


def _middle(table: pd.DataFrame, counts: np.ndarray) -> pd.Series:
    """Mean importance and performance of what raises the target and can be worked on."""
    return table.loc[counts & (table["importance"] >= 0), ["importance", "performance"]].mean()


def _regions(table: pd.DataFrame, no_task: np.ndarray) -> np.ndarray:
    middle = _middle(table, ~no_task)
    matters = table["importance"] >= middle["importance"] - _ALIKE
    good = table["performance"] >= middle["performance"] - _ALIKE
    unknown = table[["importance", "performance"]].isna().any(axis=1)
    return np.select(
        [no_task, unknown, table["importance"] < 0, matters & ~good, matters & good, ~matters & ~good],
        [NO_TASK, NOT_KNOWN, "less is better", "work here first", "keep it up", "low priority"],
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
    for labels in found.index.names:
        table[labels] = table[labels].str.replace("_", " ")
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
        The axes, with alternative text attached. Dotted lines are the means; what is no task is hollow.
    """
    ax = new_axes(ax, figsize=(7, 5.2))
    # An item stands for itself: its construct is seen from where it lies.
    names = [str(name).replace("_", " ") for name in found.index.get_level_values(-1)]
    if "importance_low" in found:
        for axis in ("importance", "performance"):
            reach = np.maximum([found[axis] - found[f"{axis}_low"], found[f"{axis}_high"] - found[axis]], 0)
            error = {"xerr" if axis == "importance" else "yerr": reach}
            ax.errorbar(found["importance"], found["performance"], fmt="none", ecolor=MUTED, elinewidth=1.2, **error)
    ax.plot(found["importance"], found["performance"], "o", color=PALETTE[0], markersize=7)
    idle = found[found["region"] == NO_TASK]
    ax.plot(idle["importance"], idle["performance"], "o", color=PALETTE[0], markerfacecolor="white", markersize=7)
    middle = _middle(found, (found["region"] != NO_TASK).to_numpy())
    ax.axvline(middle["importance"], color=MUTED, linestyle=":", linewidth=1)
    ax.axhline(middle["performance"], color=MUTED, linestyle=":", linewidth=1)
    ax.margins(x=0.2, y=0.2)
    _place_labels(ax, found, names)
    goal = target.replace("_", " ") or tr("the target")
    ax.set(
        xlabel=tr("Importance: points of {target} for one point").format(target=goal),
        ylabel=tr("Performance: index, 0 to 100"),
        title=tr("What matters, and how good it is"),
    )
    points = "; ".join(
        f"{name} {plain_zero(f'{matter:.2f}')}, {good:.1f}"
        for name, matter, good in zip(names, found["importance"], found["performance"], strict=True)
        if np.isfinite(matter) and np.isfinite(good)
    )
    return describe(ax, tr("Importance and performance: {listed}.").format(listed=points or tr("none is known")))


def _place_labels(ax: Axes, found: pd.DataFrame, names: list[str]) -> None:
    """Write each name beside its point, where it covers no other name and no point."""
    from matplotlib.transforms import Bbox

    ax.figure.draw_without_rendering()
    points = ax.transData.transform(found[["importance", "performance"]].to_numpy())
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    places = [(7, 7, "left"), (7, -13, "left"), (-7, 7, "right"), (-7, -13, "right"), (0, 16, "center"),
              (0, -22, "center"), (7, 20, "left"), (7, -27, "left"), (-7, 20, "right"), (-7, -27, "right")]  # fmt: skip
    for name, (x, y) in zip(names, found[["importance", "performance"]].to_numpy(), strict=True):
        if not np.isfinite([x, y]).all():
            continue
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
