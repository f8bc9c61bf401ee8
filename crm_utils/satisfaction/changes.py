"""Changes of an index from wave to wave, and differences between groups: which are more than chance."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import DataFloorError, nearest_name
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_intervals, new_axes
from crm_utils.pls import PathBootstrap
from crm_utils.satisfaction.index import FEWEST_CASES, Scale, index_replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP, DOWN, SAME = "up", "down", "cannot tell apart"


def index_changes(
    bootstrap: PathBootstrap,
    waves: Any,
    *,
    construct: str = "satisfaction",
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    baseline: str = "previous",
    within: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Hold the index of each wave against an earlier one.

    Where the bootstrap draws customers who answered in several waves, a change rests on the same customers drawn.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model, estimated on all waves.
    waves : array-like, one a row of the data given to fit
        Waves; their sorted order is that of time.
    construct : str, default "satisfaction"
        Whose index.
    scale, rule
        As in `index_scores`.
    baseline : str, default "previous"
        "previous", "first", or the label of a wave.
    within : array-like, one a row of the data given to fit, optional
        Groups whose changes are looked at apart.
    level : float, default 0.95
        Confidence level, for all changes of the table together: the chance that any interval misses is 1 − level.

    Returns
    -------
    pandas.DataFrame
        One row a change: (``group``,) ``from``, ``to``, ``change`` in index points, ``std_error``, ``low``, ``high``,
        ``verdict`` ("up", "down", "cannot tell apart").

    Raises
    ------
    ParameterError
        If the construct or the baseline is not known.
    DataFloorError
        If fewer than two waves have 20 answers.

    References
    ----------
    .. [1] Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge University
       Press, section 4.2.4 (studentised maximum).
    """
    raise_problems("index_changes", level_problems(level))
    groups = _crossed(waves, within)
    estimates, replicates = index_replicates(bootstrap, scale=scale, rule=rule, groups=groups).of(construct)
    usable = estimates.dropna().index
    pairs = []
    blocks = {None: list(usable)} if within is None else {
        group: [label for label in usable if label[0] == group] for group in usable.get_level_values(0).unique()
    }  # fmt: skip
    for labels in blocks.values():
        pairs += _steps(labels, baseline, within is not None)
    if not pairs:
        raise DataFloorError(
            f"A change needs two waves with at least {FEWEST_CASES} answers each; there "
            f"{'is' if len(usable) == 1 else 'are'} {len(usable)}."
        )
    table = _compared(estimates, replicates, [(end, start) for start, end in pairs], level, (UP, DOWN))
    named = pd.DataFrame(
        [((start[0],) if within is not None else ()) + tuple(label[-1] if within is not None else label
         for label in (start, end)) for start, end in pairs],
        columns=[*(["group"] if within is not None else []), "from", "to"],
    )  # fmt: skip
    return pd.concat([named, table.rename(columns={"difference": "change"})], axis=1)


def _crossed(waves: Any, within: Any) -> Any:
    if within is None:
        return waves
    index = waves.index if isinstance(waves, pd.Series) else None
    return pd.DataFrame({"group": np.asarray(within), "wave": np.asarray(waves)}, index=index)


def _steps(labels: list, baseline: str, paired: bool) -> list[tuple]:
    waves = [label[-1] if paired else label for label in labels]
    if baseline == "previous":
        return list(pairwise(labels))
    if baseline == "first":
        return [(labels[0], label) for label in labels[1:]]
    if baseline not in waves:
        near = nearest_name(str(baseline), [*map(str, waves), "previous", "first"])
        hint = f" (did you mean {near!r}?)" if near else ""
        raise_problems("index_changes", [f"baseline must be previous, first or a wave, and is {baseline!r}{hint}"])
    start = labels[waves.index(baseline)]
    return [(start, label) for label in labels if label != start]


def index_differences(
    bootstrap: PathBootstrap,
    groups: Any,
    *,
    construct: str = "satisfaction",
    reference: Any = None,
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    level: float = 0.95,
) -> pd.DataFrame:
    """Hold the index of groups against each other.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model, estimated on all groups.
    groups : array-like, one a row of the data given to fit
        Groups.
    construct : str, default "satisfaction"
        Whose index.
    reference : label, optional
        Group that the others are held against. Default: every pair.
    scale, rule
        As in `index_scores`.
    level : float, default 0.95
        Confidence level, for all differences of the table together.

    Returns
    -------
    pandas.DataFrame
        One row a difference: ``group``, ``other``, ``difference`` in index points, ``std_error``, ``low``, ``high``,
        ``verdict`` ("higher", "lower", "cannot tell apart").

    Raises
    ------
    ParameterError
        If the construct or the reference is not known.
    DataFloorError
        If fewer than two groups have 20 answers.
    """
    raise_problems("index_differences", level_problems(level))
    estimates, replicates = index_replicates(bootstrap, scale=scale, rule=rule, groups=groups).of(construct)
    usable = list(estimates.dropna().index)
    if len(usable) < 2:
        raise DataFloorError(
            f"A difference needs two groups with at least {FEWEST_CASES} answers each; there "
            f"{'is' if len(usable) == 1 else 'are'} {len(usable)}."
        )
    if reference is None:
        pairs = list(combinations(usable, 2))
    elif reference in usable:
        pairs = [(label, reference) for label in usable if label != reference]
    else:
        raise_problems("index_differences", [f"reference must be one of {usable}, and is {reference!r}"])
    table = _compared(estimates, replicates, pairs, level, ("higher", "lower"))
    return pd.concat([pd.DataFrame(pairs, columns=["group", "other"]), table], axis=1)


def _compared(
    estimates: pd.Series, replicates: pd.DataFrame, pairs: list, level: float, words: tuple[str, str]
) -> pd.DataFrame:
    """Differences of pairs, first less second, with intervals that hold together."""
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    difference = estimates.loc[one].to_numpy() - estimates.loc[other].to_numpy()
    drawn = replicates[one].to_numpy() - replicates[other].to_numpy()
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    spread = drawn.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.nanmax(np.abs(drawn - difference) / np.where(spread > 0, spread, np.nan), axis=1)
    reach = np.quantile(largest, level) * spread
    low, high = difference - reach, difference + reach
    verdict = np.select([low > 0, high < 0], words, SAME)
    return pd.DataFrame({"difference": difference, "std_error": spread, "low": low, "high": high, "verdict": verdict})


def index_waves_table(scores: pd.DataFrame, *, construct: str = "satisfaction") -> pd.DataFrame:
    """Index of a construct by wave, as a table for people.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores` with waves, or waves and groups, as groups.
    construct : str, default "satisfaction"
        Which construct.

    Returns
    -------
    pandas.DataFrame
        The labels of the groups, ``cases``, ``index``, ``low``, ``high``.
    """
    return scores.xs(construct, level="construct").reset_index().drop(columns="std_error", errors="ignore")


def plot_index_waves(
    scores: pd.DataFrame,
    changes: pd.DataFrame | None = None,
    *,
    construct: str = "satisfaction",
    ax: Axes | None = None,
) -> Axes:
    """Draw an index over the waves with its intervals; `index_waves_table` has the numbers.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores` with a bootstrap and waves as groups.
    changes : pandas.DataFrame, optional
        From `index_changes`; a change that is more than chance is written at the wave it leads to.
    construct : str, default "satisfaction"
        Which construct.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table = index_waves_table(scores, construct=construct).dropna(subset="index")
    waves = table.iloc[:, 0].astype(str).tolist()
    ax = new_axes(ax)
    positions = np.arange(len(table))
    reach = np.maximum([table["index"] - table["low"], table["high"] - table["index"]], 0)
    ax.errorbar(positions, table["index"], yerr=reach, fmt="o-", color=PALETTE[0], ecolor=MUTED, elinewidth=2)
    ax.set_xticks(positions, waves, parse_math=False)
    ax.margins(x=0.08, y=0.25)
    real = []
    for change in changes.itertuples() if changes is not None else ():
        if change.verdict in (UP, DOWN) and str(change.to) in waves:
            place = waves.index(str(change.to))
            above = change.verdict == UP
            ax.annotate(
                f"{change.change:+.1f}",
                (place, table["high" if above else "low"].iloc[place]),
                xytext=(0, 5 if above else -5),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                color=PALETTE[3],
                fontweight="bold",
            )
            real.append(f"{change.change:+.1f} {tr('in')} {change.to}")
    name = construct.replace("_", " ")
    ax.set(ylabel=tr("Index, 0 to 100"), title=tr("Index of {construct} by wave").format(construct=name))
    listed = "; ".join(f"{wave}: {number:.1f}" for wave, number in zip(waves, table["index"], strict=True))
    said = tr("More than chance: {real}.").format(real=", ".join(real)) if real else ""
    return describe(
        ax,
        tr("Index of {construct} by wave. {listed}. {said}").format(construct=name, listed=listed, said=said).strip(),
    )


def plot_index_differences(differences: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw differences or changes with their intervals and a line at zero; the frame itself has the numbers.

    Parameters
    ----------
    differences : pandas.DataFrame
        From `index_differences` or `index_changes`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    moved = "change" in differences
    number = "change" if moved else "difference"
    first, second = ("from", "to") if moved else ("group", "other")
    link = " → " if moved else " − "
    names = [f"{one}{link}{two}" for one, two in zip(differences[first], differences[second], strict=True)]
    if moved and "group" in differences:
        names = [f"{group}: {name}" for group, name in zip(differences["group"], names, strict=True)]
    ax = new_axes(ax, figsize=(7, 0.4 * len(names) + 1.3))
    draw_intervals(ax, names, differences[number], differences["low"], differences["high"], template="{:+.1f}")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel=tr("Index points"), title=tr("Changes") if moved else tr("Differences"))
    listed = "; ".join(
        f"{name} {value:+.1f} ({tr(verdict)})"
        for name, value, verdict in zip(names, differences[number], differences["verdict"], strict=True)
    )
    return describe(ax, tr("Differences in index points with intervals: {listed}.").format(listed=listed))
