"""Changes of an index from wave to wave, and differences between groups: which are more than chance."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import index_problems, level_problems, raise_problems
from crm_utils.errors import DataFloorError, did_you_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_intervals, new_axes
from crm_utils.pls import PathBootstrap
from crm_utils.pls.layout import shown_name
from crm_utils.satisfaction.index import FEWEST_CASES, Scale, bootstrap_indices, without_empty_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP, DOWN, SAME = "up", "down", "cannot tell apart"
HIGHER, LOWER = "higher", "lower"
WHOLE = "whole"
# A difference below this, in points, is what rounding leaves of none.
NO_CHANGE = 1e-9


def index_changes(
    bootstrap: PathBootstrap,
    waves: Any,
    *,
    construct: str = "satisfaction",
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    baseline: Any = "previous",
    within: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Hold the index of each wave against an earlier one.

    The weights of the items are those of all waves, so that a change is one of the answers. Where the bootstrap draws
    customers who answered in several waves, a change rests on the same customers drawn.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model, estimated on all waves.
    waves : array-like, one a row of the data given to fit
        Waves; their sorted order is that of time, or that of the categories of an ordered categorical.
    construct : str, default "satisfaction"
        Whose index.
    scale, rule
        As in `index_scores`.
    baseline : label, default "previous"
        "previous", "first", or the label of a wave.
    within : array-like, one a row of the data given to fit, optional
        Groups whose changes are looked at apart.
    level : float, default 0.95
        Confidence level, for all changes of the table together: the chance that any interval misses is 1 − level.

    Returns
    -------
    pandas.DataFrame
        One row a change: (``group``,) ``from``, ``to``, ``change`` in index points, ``std_error``, ``low``, ``high``,
        ``verdict`` ("up", "down", "cannot tell apart"). Waves with fewer than 20 answers are passed over.
        `index_differences_table` writes the changes for people, those within groups too.

    Raises
    ------
    ParameterError
        If the construct or the baseline is not known, or waves and groups do not fit the data.
    DataFloorError
        If fewer than two waves have 20 answers.

    References
    ----------
    .. [1] Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge University
       Press, section 4.2.4 (studentised maximum).

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> waves = np.repeat(["spring", "summer"], 200)
    >>> mood = rng.normal(size=(400, 1)) - (waves == "summer")[:, None]
    >>> answers = pd.DataFrame(7 + mood + rng.normal(scale=0.5, size=(400, 2)), columns=["value", "satisfaction"])
    >>> model = PathModel({name: [name] for name in answers}, [("value", "satisfaction")])
    >>> bootstrap = model.fit(answers).bootstrap(200, seed=7)
    >>> index_changes(bootstrap, waves, scale=(0, 12))["verdict"].tolist()
    ['down']
    """
    problems = level_problems(level) + _column_problems(bootstrap, waves=waves, within=within)
    raise_problems("index_changes", problems)
    groups = waves if within is None else _crossed(waves, within)
    indices = bootstrap_indices(bootstrap, scale=scale, rule=rule, groups=groups)
    estimates, replicates = indices.of(construct)
    usable = list(estimates.dropna().index)
    if within is None:
        blocks = [[(None, wave) for wave in usable]]
    else:
        blocks = [[label for label in usable if label[0] == group] for group in dict.fromkeys(a for a, _ in usable)]
    _check_baseline(baseline, [wave for block in blocks for _, wave in block])
    steps = [step for block in blocks for step in _steps(block, baseline)]
    if not steps:
        raise DataFloorError(
            f"A change needs two waves with at least {FEWEST_CASES} answers each"
            f"{' in one group' if within is not None else ''}; there are none."
        )
    pairs = [(end, start) if within is not None else (end[1], start[1]) for start, end in steps]
    table = simultaneous_differences(estimates, replicates, pairs, level, (UP, DOWN))
    named = pd.DataFrame({"from": [start[1] for start, _ in steps], "to": [end[1] for _, end in steps]})
    if within is not None:
        named.insert(0, "group", [start[0] for start, _ in steps])
    return pd.concat([named, table.rename(columns={"difference": "change"})], axis=1)


def _column_problems(bootstrap: PathBootstrap, **columns: Any) -> list[str]:
    rows = len(bootstrap.results.cases.kept)
    given = {name: values for name, values in columns.items() if values is not None}
    problems = [
        f"{name} must be one column with a label for each of the {rows:,} rows of the data given to fit, and "
        f"{'is one value' if np.ndim(values) == 0 else f'has the shape {np.shape(values)}'}"
        for name, values in given.items()
        if np.ndim(values) != 1 or len(values) != rows
    ]
    return problems or index_problems(**given)


def _crossed(waves: Any, within: Any) -> pd.DataFrame:
    index = next((given.index for given in (waves, within) if isinstance(given, pd.Series)), None)
    return pd.DataFrame({"group": pd.Series(within).array, "wave": pd.Series(waves).array}, index=index)


def _check_baseline(baseline: Any, waves: list) -> None:
    if baseline in ("previous", "first") or baseline in waves or not waves:
        return
    known = [*dict.fromkeys(map(str, waves)), "previous", "first"]
    hint = did_you_mean(baseline, known)
    raise_problems(
        "index_changes", [f"baseline must be one of {known} (waves with enough answers), and is {baseline!r}{hint}"]
    )


def _steps(labels: list[tuple], baseline: Any) -> list[tuple[tuple, tuple]]:
    """From which wave to which, within one group; none where the group lacks the baseline."""
    if baseline == "previous":
        return list(pairwise(labels))
    starts = labels[:1] if baseline == "first" else [label for label in labels if label[1] == baseline]
    return [(start, label) for start in starts for label in labels if label != start]


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
    """Hold the index of groups against each other, or against everybody.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model, estimated on all groups.
    groups : array-like or pandas.DataFrame, one a row of the data given to fit
        Groups, or columns whose combinations are the groups.
    construct : str, default "satisfaction"
        Whose index.
    reference : label, optional
        Group that the others are held against (a tuple where groups are combinations), or "whole": all answers, those
        of the group among them. Default: every pair.
    scale, rule
        As in `index_scores`.
    level : float, default 0.95
        Confidence level, for all differences of the table together.

    Returns
    -------
    pandas.DataFrame
        One row a difference: ``group``, ``other``, ``difference`` in index points, ``std_error``, ``low``, ``high``,
        ``verdict`` ("higher", "lower", "cannot tell apart"). Groups with fewer than 20 answers are passed over.

    Raises
    ------
    ParameterError
        If the construct or the reference is not known, or groups do not fit the data.
    DataFloorError
        If fewer than two groups have 20 answers.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> region = np.repeat(["east", "north", "south"], 100)
    >>> mood = rng.normal(size=(300, 1)) - (region == "south")[:, None]
    >>> answers = pd.DataFrame(7 + mood + rng.normal(scale=0.5, size=(300, 2)), columns=["value", "satisfaction"])
    >>> model = PathModel({name: [name] for name in answers}, [("value", "satisfaction")])
    >>> bootstrap = model.fit(answers).bootstrap(200, seed=7)
    >>> index_differences(bootstrap, region, scale=(0, 12))[["group", "other", "verdict"]].to_numpy().tolist()
    [['east', 'north', 'cannot tell apart'], ['east', 'south', 'higher'], ['north', 'south', 'higher']]
    """
    raise_problems("index_differences", level_problems(level))
    indices = bootstrap_indices(bootstrap, scale=scale, rule=rule, groups=groups)
    estimates, replicates = indices.of(construct)
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
    elif reference == WHOLE:
        total, moved = bootstrap_indices(bootstrap, scale=scale, rule=rule).of(construct)
        estimates, replicates = estimates - total.iloc[0], replicates.sub(moved.iloc[:, 0], axis=0)
        pairs = [(label, None) for label in usable]
    else:
        hint = did_you_mean(reference, usable)
        known = f"one of {usable} (groups with enough answers), or {WHOLE!r}"
        raise_problems("index_differences", [f"reference must be {known}, and is {reference!r}{hint}"])
    table = simultaneous_differences(estimates, replicates, pairs, level, (HIGHER, LOWER))
    # As objects: labels of several columns are tuples.
    named = pd.DataFrame({"group": pd.Series([one for one, _ in pairs], dtype=object)})
    named["other"] = pd.Series([WHOLE if other is None else other for _, other in pairs], dtype=object)
    return pd.concat([named, table], axis=1)


def simultaneous_differences(
    estimates: pd.Series, replicates: pd.DataFrame, pairs: list[tuple], level: float, words: tuple[str, str]
) -> pd.DataFrame:
    """Differences of pairs, first less second (less nothing for None), with intervals that hold together."""
    places = {label: place for place, label in enumerate(estimates.index)}
    values, drawn = estimates.to_numpy(), replicates.to_numpy()
    one = [places[first] for first, _ in pairs]
    difference, moved = values[one], drawn[:, one]
    if pairs[0][1] is not None:
        other = [places[second] for _, second in pairs]
        difference, moved = difference - values[other], moved - drawn[:, other]
    difference, moved = (np.where(np.abs(each) < NO_CHANGE, 0.0, each) for each in (difference, moved))
    moved = moved[np.isfinite(moved).all(axis=1)]
    spread = moved.std(axis=0, ddof=1)
    deviation = np.abs(moved - difference)
    largest = np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 0).max(axis=1)
    reach = np.quantile(largest, level) * spread
    low, high = difference - reach, difference + reach
    verdict = np.select([(low > 0) & (difference > 0), (high < 0) & (difference < 0)], words, SAME)
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
        The labels of the groups, ``cases``, ``index``, ``low``, ``high``, and notes where there are any.

    Raises
    ------
    ParameterError
        If the scores have no groups, or the construct is not among them.
    """
    if scores.index.nlevels < 2:
        raise_problems("index_waves_table", ["scores have no groups; give index_scores(…, groups=waves)"])
    known = scores.index.get_level_values("construct").unique()
    if construct not in known:
        raise_problems(
            "index_waves_table", [f"construct must be one of {', '.join(map(str, known))}, and is {construct!r}"]
        )
    table = scores.xs(construct, level="construct").reset_index()
    return without_empty_notes(table.drop(columns="std_error", errors="ignore"))


def plot_index_waves(
    scores: pd.DataFrame,
    changes: pd.DataFrame | None = None,
    *,
    construct: str = "satisfaction",
    wave: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an index over the waves with its intervals; `index_waves_table` has the numbers.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores` with a bootstrap and waves, or two columns of which one has the waves, as groups.
    changes : pandas.DataFrame, optional
        From `index_changes`; a change that is more than chance is written at the wave it leads to.
    construct : str, default "satisfaction"
        Which construct.
    wave : str, optional
        Name of the column with the waves. Default: "wave", or the last column.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If the scores have no waves, no intervals, or more groups than there are colours.
    """
    table = index_waves_table(scores, construct=construct)
    columns = [name for name in scores.index.names if name != "construct"]
    wave = wave or ("wave" if "wave" in columns else columns[-1])
    others = [name for name in columns if name != wave]
    groups = list(scores.index.get_level_values(others[0]).unique().sort_values()) if others else [None]
    problems = [] if wave in columns else [f"wave must be one of {', '.join(columns)}, and is {wave!r}"]
    if len(others) > 1:
        problems.append(f"beside waves there may be one column of groups, and there are {', '.join(others)}")
    if "low" not in table:
        problems.append("scores have no intervals; give index_scores a bootstrap")
    if len(groups) > len(PALETTE):
        problems.append(f"at most {len(PALETTE)} groups can be told apart, and there are {len(groups)}; choose some")
    raise_problems("plot_index_waves", problems)

    ax = new_axes(ax)
    order = scores.index.get_level_values(wave).unique().sort_values()
    name = shown_name(construct)
    said = []
    for number, group in enumerate(groups):
        line = (table[table[others[0]] == group] if others else table).set_index(wave).reindex(order)
        # Side by side, so that intervals do not cover each other.
        places = np.arange(len(order)) + 0.09 * (number - (len(groups) - 1) / 2)
        colour = PALETTE[number]
        if len(groups) == 1:
            ax.fill_between(places, line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
        else:
            ax.vlines(places, line["low"], line["high"], color=colour, alpha=0.5, linewidth=1.5)
        ax.plot(places, line["index"], marker="osD^vPX"[number], color=colour, markersize=5, label=str(group))
        values = "; ".join(f"{label} {value:.1f}" for label, value in line["index"].dropna().items())
        said.append(values if group is None else f"{group}: {values}")
        said += _write_changes(ax, changes, group, dict(zip(order, places, strict=True)), line)
    ax.set_xticks(np.arange(len(order)), [str(label) for label in order], parse_math=False)
    ax.margins(x=0.09, y=0.16)
    if others:
        legend = ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9)
        for text in legend.get_texts():
            text.set_parse_math(False)
    ax.set(ylabel=tr("Index, 0 to 100"), title=tr("Index of {construct} by wave").format(construct=name))
    return describe(ax, tr("Index of {construct} by wave. {listed}.").format(construct=name, listed=". ".join(said)))


def _write_changes(ax: Axes, changes: pd.DataFrame | None, group: Any, places: dict, line: pd.DataFrame) -> list[str]:
    """Write real changes of one line at the waves they lead to, and say them."""
    if changes is None:
        return []
    real = changes[changes["verdict"].isin([UP, DOWN]) & changes["to"].isin(list(places))]
    if "group" in real:
        real = real[real["group"] == group]
    for change in real.itertuples():
        above = change.verdict == UP
        ax.annotate(
            _signed(change.change) if group is None else f"{group} {_signed(change.change)}",
            (places[change.to], line.loc[change.to, "high" if above else "low"]),
            xytext=(0, 4 if above else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=9,
            fontweight="bold",
            parse_math=False,
        )
    listed = ", ".join(f"{_signed(change.change)} ({change.to})" for change in real.itertuples())
    return [tr("More than chance: {listed}").format(listed=listed)] if listed else []


def index_differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences or changes as a table for people.

    Parameters
    ----------
    differences : pandas.DataFrame
        From `index_differences` or `index_changes`.

    Returns
    -------
    pandas.DataFrame
        ``comparison`` (what with what), ``difference`` or ``change``, ``low``, ``high``, ``verdict`` in the reader's
        language.
    """
    moved = "change" in differences
    first, second, link = ("from", "to", " → ") if moved else ("group", "other", " − ")
    names = [
        f"{_text(one)}{link}{_text(two)}" for one, two in zip(differences[first], differences[second], strict=True)
    ]
    if moved and "group" in differences:
        names = [f"{_text(group)}: {name}" for group, name in zip(differences["group"], names, strict=True)]
    table = differences[["change" if moved else "difference", "low", "high"]].assign(
        verdict=differences["verdict"].map(tr)
    )
    table.insert(0, "comparison", names)
    return table


def _signed(points: float) -> str:
    """Points with a sign, and nothing without: not −0.0."""
    return f"{points:+.1f}" if abs(points) >= 0.05 else "0.0"


def _text(label: Any) -> str:
    if isinstance(label, tuple):
        return " · ".join(map(str, label))
    return tr(label) if isinstance(label, str) and label == WHOLE else str(label)


def plot_index_differences(differences: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw differences or changes with their intervals; `index_differences_table` has the numbers.

    Dots are filled where the difference is more than chance.

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
    table = index_differences_table(differences)
    values = table.iloc[:, 1].to_numpy()
    ax = new_axes(ax, figsize=(7, 0.35 * len(table) + 1.4))
    draw_intervals(ax, table["comparison"], values, table["low"], table["high"], template=_signed)
    open_rows = np.flatnonzero(differences["verdict"] == SAME)
    # Over the filled dots.
    ax.plot(values[open_rows], open_rows, "o", color=PALETTE[0], markerfacecolor="white", markersize=6, zorder=3)
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set(
        xlabel=tr("Index points (hollow: cannot tell apart)"),
        title=tr("Changes of the index") if "change" in table else tr("Differences of the index"),
    )
    listed = "; ".join(
        f"{name} {_signed(value)} ({verdict})"
        for name, value, verdict in zip(table["comparison"], values, table["verdict"], strict=True)
    )
    return describe(ax, tr("Differences in index points with intervals: {listed}.").format(listed=listed))
