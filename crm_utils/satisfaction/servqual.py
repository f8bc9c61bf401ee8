"""Service quality as the gap between what customers perceive and what they expect, in five dimensions (SERVQUAL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import index_problems, raise_problems
from crm_utils.language import counted, tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.satisfaction.index import FEWEST_CASES, without_empty_notes
from crm_utils.satisfaction.servqual_answers import (
    LEAST_POINTS,
    STATED,
    Importance,
    ServqualItems,
    answers_and_note,
    mean_with_interval,
    read_servqual,
    signed_points,
)
from crm_utils.survey.samples import Sample, numeric_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def servqual_gaps(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    importance: Importance = STATED,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Gap between perception and expectation in each dimension of service quality.

    A respondent's gap in a dimension is the mean of perception less expectation over the pairs of items of which both
    are answered [1]_: below zero where the service falls short.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns, and those of the importance.
    items : mapping of str to (sequence of str, sequence of str), optional
        Expectation items and perception items by dimension, in pairs. Default: by their names (`servqual_items`), and
        what cannot be used is left out (`servqual_notes` says what and why).
    importance : "stated", mapping of str to str, mapping of str to float, or None, default "stated"
        Points that each respondent gave each dimension, in columns ``sq_importance_<dimension>`` where there are any,
        or in the columns named; or weights, the same for all; or None, to weigh nothing. Points count as shares of the
        respondent's total.
    scale : (float, float), default (1, 10)
        Lowest and highest answer to the items.
    weights : array-like of float, shape (n,), optional
        Survey weights.
    clusters : array-like, shape (n,), optional
        Who answered: answers of one person go together. A missing label is a person of her own.
    by : array-like, shape (n,), optional
        Groups or waves.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By dimension (within groups, where there are any): means of ``expectation``, ``perception`` and ``gap``, whose
        ``std_error`` (linearised), ``low`` and ``high`` (Student's t); ``answers`` (respondents with a gap),
        ``missing``; ``note``, empty or "fewer than 20 people: no interval", where error and interval are NaN. With
        importance also its mean share ``importance``, and ``weighted_gap``, ``weighted_low``, ``weighted_high``: the
        mean of the respondents' gaps times their shares, of those who have all of both, so that the dimensions add up
        to the weighted gap of `servqual_overall`.

    Raises
    ------
    ParameterError
        If items are absent or not in pairs, answers lie outside the scale, or an option is unusable.
    DataFloorError
        If nobody answered a pair.

    References
    ----------
    .. [1] Parasuraman, A., Zeithaml, V. A. & Berry, L. L. (1988). SERVQUAL: a multiple-item scale for measuring
       consumer perceptions of service quality. Journal of Retailing 64(1), 12–40.
    .. [2] Zeithaml, V. A., Parasuraman, A. & Berry, L. L. (1990). Delivering Quality Service. Free Press, appendix A
       (each customer's own weights).

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> items = {"speed": (["e1"], ["p1"]), "looks": (["e2"], ["p2"])}
    >>> found = servqual_gaps(answers, items, importance={"speed": 3, "looks": 1})
    >>> found[["expectation", "perception", "gap", "weighted_gap"]].round(2).to_numpy().tolist()
    [[8.33, 7.0, -1.33, -1.0], [6.33, 6.33, 0.0, 0.0]]
    """
    gaps = read_servqual(
        answers, items, importance, scale, "servqual_gaps", weights=weights, clusters=clusters, by=by, level=level
    )

    def rows(group: int) -> list[dict[str, Any]]:
        found = []
        weighted = gaps.weighted(gaps.gap) if gaps.importance is not None else None
        for place, dimension in enumerate(gaps.dimensions):
            gap = gaps.gap[:, place]
            row = {"dimension": dimension}
            for name, values in (("expectation", gaps.expectation), ("perception", gaps.perception)):
                row[name] = gaps.sample.mean(values[:, place], group).estimate
            row |= mean_with_interval(gaps.sample, gap, group, level, "gap")
            if weighted is not None:
                share = mean_with_interval(gaps.sample, weighted[:, place], group, level, "weighted_gap")
                row["importance"] = gaps.sample.mean(gaps.importance[:, place], group).estimate
                row |= {"weighted_gap": share["weighted_gap"]}
                row |= {"weighted_low": share["low"], "weighted_high": share["high"]}
            found.append(row | answers_and_note(gaps.sample, gap, group))
        return found

    return gaps.table(rows, ["dimension"], by)


def servqual_overall(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    outcome: Any = None,
    importance: Importance = STATED,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Service quality in one number: the gap (SERVQUAL) and the perception alone (SERVPERF), plain and weighted.

    Parameters
    ----------
    answers, items
        As in `servqual_gaps`.
    outcome : array-like of float, shape (n,), optional
        What service quality ought to go with, such as overall satisfaction. Cronin and Taylor [1]_ found it nearer to
        the perception than to the gap.
    importance, scale, weights, clusters, by, level
        As in `servqual_gaps`.

    Returns
    -------
    pandas.DataFrame
        By ``score`` (within groups, where there are any): "servqual" (mean gap of all dimensions), "servperf" (mean
        perception), and with importance "weighted servqual", "weighted servperf" (weighted by each respondent's own
        shares); their ``mean``, ``std_error``, ``low``, ``high``, ``answers`` (respondents with every dimension, and
        importance where it counts), ``missing``, ``note`` as in `servqual_gaps`. With an outcome, of respondents with
        all scores and the outcome: ``correlation`` with it, ``correlation_low``, ``correlation_high``; and
        ``advantage``, by how much it exceeds that of "servqual", ``advantage_low``, ``advantage_high`` (intervals
        linearised; NaN for fewer than 20 people).

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_gaps`; and if the outcome does not fit the answers.

    References
    ----------
    .. [1] Cronin, J. J. & Taylor, S. A. (1992). Measuring service quality: a reexamination and extension. Journal of
       Marketing 56(3), 55–68.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> items = {"speed": (["e1"], ["p1"]), "looks": (["e2"], ["p2"])}
    >>> servqual_overall(answers, items, importance={"speed": 3, "looks": 1})["mean"].round(2).to_dict()
    {'servqual': -0.67, 'weighted servqual': -1.0, 'servperf': 6.67, 'weighted servperf': 6.83}
    """
    where, problems = "servqual_overall", []
    target = None
    if outcome is not None:
        target = _outcome(answers, outcome, problems)
    gaps = read_servqual(
        answers, items, importance, scale, where,
        weights=weights, clusters=clusters, by=by, level=level, problems=problems,
    )  # fmt: skip
    scores = {}
    for name, values in (("servqual", gaps.gap), ("servperf", gaps.perception)):
        scores[name] = values.mean(axis=1)
        if gaps.importance is not None:
            scores[f"weighted {name}"] = gaps.weighted(values).sum(axis=1)
    columns = np.column_stack([*scores.values()] + ([] if target is None else [target]))

    def rows(group: int) -> list[dict[str, Any]]:
        found = [
            {"score": name}
            | mean_with_interval(gaps.sample, values, group, level, "mean")
            | answers_and_note(gaps.sample, values, group)
            for name, values in scores.items()
        ]
        if target is not None:
            for row, with_outcome in zip(found, _with_outcome(gaps.sample, columns, group, level), strict=True):
                row |= with_outcome
        return found

    return gaps.table(rows, ["score"], by)


def _with_outcome(sample: Sample, columns: np.ndarray, group: int, level: float) -> list[dict[str, float]]:
    """Correlations of all columns with the last, and their advantage over that of the first."""
    from scipy.stats import t

    def correlations(covariances: np.ndarray) -> np.ndarray:
        spreads = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
        found = covariances[..., :-1, -1] / (spreads[..., :-1] * spreads[..., -1:])
        return np.concatenate([np.arctanh(found), found - found[..., :1]], axis=-1)

    moments = sample.moments(columns, group)
    estimates, errors = moments.derived(correlations)
    reach = np.full_like(errors, np.nan)
    if moments.units >= FEWEST_CASES:
        reach = t.ppf((1 + level) / 2, moments.units - 1) * errors
    z, more = np.split(np.stack([estimates, estimates - reach, estimates + reach], axis=1), 2)
    # The first is what the others are held against.
    more[0] = np.nan
    names = ("correlation", "correlation_low", "correlation_high", "advantage", "advantage_low", "advantage_high")
    return [dict(zip(names, row, strict=True)) for row in np.hstack([np.tanh(z), more]).tolist()]


def _outcome(answers: pd.DataFrame, outcome: Any, problems: list[str]) -> np.ndarray:
    if np.ndim(outcome) != 1 or len(outcome) != len(answers):
        problems.append(f"outcome must be one column with a value for each of the {len(answers):,} answers")
        return np.full(len(answers), np.nan)
    problems += index_problems(answers=answers, outcome=outcome)
    name = getattr(outcome, "name", None) or "outcome"
    return numeric_column(pd.Series(outcome).rename(name), problems)


def servqual_table(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps as a table for people, the largest shortfall first.

    Parameters
    ----------
    gaps : pandas.DataFrame
        From `servqual_gaps`, of everybody or of one group.

    Returns
    -------
    pandas.DataFrame
        ``dimension``, ``expectation``, ``perception``, ``gap``, ``low``, ``high`` and, where there are, ``importance``
        (share) and ``weighted gap``, by which the rows are then sorted; ``answers``, and notes where there are any.

    Raises
    ------
    ParameterError
        If the gaps are of several groups.
    """
    _check_one_group(gaps, "servqual_table")
    table = gaps.sort_values("weighted_gap" if "weighted_gap" in gaps else "gap", kind="stable").reset_index()
    table["dimension"] = table["dimension"].str.replace("_", " ")
    kept = ["dimension", "expectation", "perception", "gap", "low", "high", "importance", "weighted_gap", "answers",
            "note"]  # fmt: skip
    return without_empty_notes(table[[name for name in kept if name in table]]).rename(
        columns={"weighted_gap": "weighted gap", "importance": "importance share"}
    )


def _check_one_group(gaps: pd.DataFrame, where: str) -> None:
    if gaps.index.nlevels > 1:
        groups = ", ".join(map(str, gaps.index.unique(0)))
        raise_problems(where, [f"gaps are of several groups ({groups}); choose one: gaps.loc[group]"])


def servqual_text(gaps: pd.DataFrame) -> str:
    """Say in which dimension service falls furthest short of what is expected, or that it does in none.

    Parameters
    ----------
    gaps : pandas.DataFrame
        From `servqual_gaps`, of everybody or of one group.

    Returns
    -------
    str
        One sentence, with the gap and its interval, or the number of answers where these are too few for one.

    Raises
    ------
    ParameterError
        If the gaps are of several groups.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8] * 9, "p1": [7, 8, 6] * 9, "e2": [6, 7, 6] * 9, "p2": [6, 6, 7] * 9})
    >>> items = {"speed": (["e1"], ["p1"]), "looks": (["e2"], ["p2"])}
    >>> servqual_text(servqual_gaps(answers, items))
    'Service falls furthest short in speed: -1.33 points (-1.71 to -0.95).'
    >>> servqual_text(servqual_gaps(answers + {"e1": -2, "p1": 0, "e2": 0, "p2": 0}, items))
    'No dimension falls short; the lowest gap is that of looks: 0.00 points (-0.33 to +0.33).'
    """
    _check_one_group(gaps, "servqual_text")
    known = gaps["gap"].dropna()
    if known.empty:
        return tr("There is no gap: nobody answered both items of a pair.")
    lowest = gaps.loc[known.idxmin()]
    short = lowest["gap"] <= -LEAST_POINTS
    if len(gaps) == 1:
        template = tr("Service falls short in {name}: {gap} points ({interval}){doubt}.")
        if not short:
            template = tr("Service does not fall short in {name}: {gap} points ({interval}).")
    elif short:
        template = tr("Service falls furthest short in {name}: {gap} points ({interval}){doubt}.")
    else:
        template = tr("No dimension falls short; the lowest gap is that of {name}: {gap} points ({interval}).")
    if np.isnan(lowest["low"]):
        interval = tr("of {answers}, too few for an interval").format(answers=counted(int(lowest["answers"]), "answer"))
    else:
        interval = tr("{low} to {high}").format(low=signed_points(lowest["low"]), high=signed_points(lowest["high"]))
    return template.format(
        name=str(lowest.name).replace("_", " "),
        gap=signed_points(lowest["gap"]),
        interval=interval,
        doubt=tr(", which chance can explain") if lowest["high"] >= 0 else "",
    )


def plot_servqual(gaps: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw expectation and perception of each dimension, the gap between; `servqual_table` has the numbers.

    Parameters
    ----------
    gaps : pandas.DataFrame
        From `servqual_gaps`, of everybody or of one group.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached; the largest shortfall (weighted, where there is importance) on top.

    Raises
    ------
    ParameterError
        If the gaps are of several groups.
    """
    table = servqual_table(gaps)
    ax = new_axes(ax, figsize=(7, 0.5 * len(table) + 1.5))
    rows = np.arange(len(table))
    ends = table[["expectation", "perception"]]
    ax.hlines(rows, ends.min(axis=1), ends.max(axis=1), color=MUTED, linewidth=2.5, zorder=1)
    for name, marker, colour in ((tr("expected"), "D", PALETTE[1]), (tr("perceived"), "o", PALETTE[0])):
        column = "expectation" if marker == "D" else "perception"
        ax.plot(table[column], rows, marker, color=colour, markersize=8, label=name)
    for row, line in enumerate(table.itertuples()):
        if np.isfinite(line.gap):
            interval = f" ({signed_points(line.low)} … {signed_points(line.high)})" if np.isfinite(line.low) else ""
            ax.annotate(
                f"{signed_points(line.gap)}{interval}",
                (max(line.expectation, line.perception), row),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
    labels = table["dimension"]
    if "importance share" in table:
        ax.set_ylabel(tr("Dimension (importance)"))
        labels = [
            f"{name} ({share:.0%})" if np.isfinite(share) else name
            for name, share in zip(labels, table["importance share"], strict=True)
        ]
    ax.set_yticks(rows, labels, parse_math=False)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.06)
    # Room for the numbers right of the dots.
    left, right = ax.get_xlim()
    ax.set_xlim(left, right + 0.6 * (right - left))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.14 - 0.3 / len(table)), ncols=2, fontsize=9, borderaxespad=0)
    ax.set(xlabel=tr("Mean answer (right: gap and interval)"), title=tr("What customers expect and perceive"))
    listed = "; ".join(
        tr("{name} {expectation:.2f}, {perception:.2f}, gap {gap}").format(
            name=line.dimension, expectation=line.expectation, perception=line.perception, gap=signed_points(line.gap)
        )
        for line in table.itertuples()
    )
    return describe(ax, tr("Mean expectation and perception by dimension: {listed}.").format(listed=listed))
