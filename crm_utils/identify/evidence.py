"""The evidence for one pair of records: by hand, and as the model weighed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import ParameterError
from crm_utils.identify.weights import probability_of, weight_of
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crm_utils.identify.linkage import LinkResult

_MOST_DRAWN_LEVELS = 40
_NO_WEIGHT = 1e-3


def _running(evidence: Sequence[str], seen: Sequence[str], weight: Sequence[float]) -> pd.DataFrame:
    total = np.cumsum(np.asarray(weight, float))
    return pd.DataFrame(
        {
            "evidence": evidence,
            "seen": seen,
            "weight": np.asarray(weight, float),
            "total_weight": total,
            "match_probability": probability_of(total),
        }
    )


def score_by_hand(fields: Mapping[str, tuple[float, float, bool]], *, prior: float) -> pd.DataFrame:
    """Score one pair by the rule of Fellegi and Sunter, field by field.

    Parameters
    ----------
    fields : mapping of str to tuple (m, u, agrees)
        For each field: m, the probability that it agrees for two records of one person; u, that it agrees for two
        different people; and whether it agrees here.
    prior : float
        Probability that two records drawn at random are of one person, above 0 and below 1.

    Returns
    -------
    pandas.DataFrame
        One row for the prior and one a field: evidence, seen, weight (bits), total_weight, match_probability after it.
        Agreement weighs log₂(m/u), disagreement log₂((1 − m)/(1 − u)).

    Raises
    ------
    ParameterError
        If a probability does not lie between 0 and 1.

    References
    ----------
    Fellegi, I. P. & Sunter, A. B. (1969). A theory for record linkage. Journal of the American Statistical
    Association, 64, 1183–1210, §3.

    Examples
    --------
    Of a thousand pairs one is a match. The name agrees in 15 of 16 matches and one of 16 others: four bits less.

    >>> score_by_hand({"name": (15 / 16, 1 / 16, True)}, prior=1 / 1001)["match_probability"].round(4).tolist()
    [0.001, 0.0148]
    """
    problems = [
        f"{name} must lie between 0 and 1, and is {number!r}"
        for name, number in [
            ("prior", prior),
            *(
                (f"{part} of {field}", value)
                for field, (m, u, _) in fields.items()
                for part, value in (("m", m), ("u", u))
            ),
        ]
        if not 0 < number < 1
    ]
    raise_problems("score_by_hand", problems)
    weights = [np.log2(m / u) if agrees else np.log2((1 - m) / (1 - u)) for m, u, agrees in fields.values()]
    seen = [tr("agrees") if agrees else tr("differs") for _, _, agrees in fields.values()]
    return _running([tr("prior"), *fields], ["", *seen], [weight_of(prior), *weights])


def waterfall(result: LinkResult, left: Any, right: Any) -> pd.DataFrame:
    """Break the weight of one scored pair into its evidence.

    Parameters
    ----------
    result : LinkResult
        Result of `crm_utils.identify.link_records`.
    left, right : record ids
        The two records, in either order.

    Returns
    -------
    pandas.DataFrame
        One row for the prior and one a comparison: evidence, seen (level of agreement), weight (bits, with the
        adjustment for rare or common values), total_weight, match_probability after it.

    Raises
    ------
    ParameterError
        If the pair was not scored: no blocking rule proposed it, or it was hopeless.
    """
    pairs = result.pairs
    here = pairs["record_id_l"].isin([left, right]) & pairs["record_id_r"].isin([left, right])
    if not here.any():
        raise ParameterError(
            f"The records {left!r} and {right!r} were not scored together: an id is unknown, no blocking rule proposed "
            "them, or their weight is below −10 bits. Choose a pair from result.pairs."
        )
    pair = pairs[here].iloc[0]
    names = [column.removeprefix("weight_") for column in pairs.columns if column.startswith("weight_")]
    weights = [pair[f"weight_{name}"] for name in names]
    seen = [str(pair[f"level_{name}"]) for name in names]
    start = weight_of(result.prior)
    return _running([tr("prior"), *names], ["", *seen], [start, *weights])


def plot_waterfall(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how the evidence for one pair adds up.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `waterfall` or `score_by_hand`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7.2, 0.9 + 0.45 * (len(table) + 1)))
    labels = [
        f"{evidence}: {seen}" if seen else str(evidence)
        for evidence, seen in zip(table["evidence"], table["seen"], strict=True)
    ]
    weight, total = table["weight"].to_numpy(), table["total_weight"].to_numpy()
    colours = [PALETTE[0] if value >= 0 else PALETTE[1] for value in weight]
    colours[0] = MUTED
    ax.barh(labels, weight, left=total - weight, color=colours)
    final = tr("sum")
    ax.barh([final], [total[-1]], color=MUTED)
    low, high = min(0, (total - weight).min(), total.min()), max(0, total.max(), (total - weight).max())
    for row, (value, at) in enumerate(
        zip([*weight, total[-1]], [*np.maximum(total, total - weight), max(total[-1], 0)], strict=True)
    ):
        ax.text(at + 0.015 * (high - low), row, f"{value:+.1f}".replace("-", "−"), va="center", fontsize=9)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlim(low - 0.03 * (high - low), high + 0.12 * (high - low))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(tr("match weight (bits: each doubles the odds)"))
    ax.set_title(tr("Evidence for one pair of records"))
    shown = "; ".join(f"{label} {value:+.1f}" for label, value in zip(labels, weight, strict=True))
    text = tr("Waterfall of match weights: {shown}; sum {total:+.1f} bits.").format(shown=shown, total=total[-1])
    return describe(ax, text)


def plot_match_weights(result: LinkResult, *, ax: Axes | None = None) -> Axes:
    """Draw how the weights of all scored pairs are spread, and where the threshold cuts.

    Parameters
    ----------
    result : LinkResult
        Result of `crm_utils.identify.link_records`, with at least one scored pair.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    weight = result.pairs["match_weight"].to_numpy()
    cut = float(weight_of(result.threshold))
    ax = new_axes(ax, figsize=(7.2, 3.2))
    # The cut is an edge, so that no bar holds pairs of both sides.
    low, high = np.floor(min(weight.min(initial=cut), cut)), np.ceil(max(weight.max(initial=cut), cut + 1))
    step = max((high - low) / 60, 0.5)
    edges = np.concatenate([np.arange(cut, low - step, -step)[::-1], np.arange(cut, high + step, step)[1:]])
    for chosen, colour, label in (
        (weight < cut, MUTED, tr("not linked")),
        (weight >= cut, PALETTE[0], tr("linked")),
    ):
        ax.hist(weight[chosen], bins=edges, color=colour, label=f"{label} ({int(chosen.sum()):,})")
    ax.axvline(cut, color="black", linewidth=1, linestyle="--")
    ax.legend()
    ax.set_xlabel(tr("match weight (bits)"))
    ax.set_ylabel(tr("pairs"))
    ax.set_title(tr("Match weights of the compared pairs"))
    text = tr("Histogram of the match weights of {pairs:,} pairs; {links:,} lie above the threshold at {cut:.1f} bits.")
    return describe(ax, text.format(pairs=len(weight), links=int((weight >= cut).sum()), cut=cut))


def plot_level_weights(result: LinkResult, *, ax: Axes | None = None) -> Axes:
    """Draw what each level of agreement counts for.

    Parameters
    ----------
    result : LinkResult
        Result of `crm_utils.identify.link_records`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached. Levels that were never seen within a person, which weigh nothing,
        are not drawn.
    """
    model = result.model[result.model["weight"].abs() > _NO_WEIGHT].head(_MOST_DRAWN_LEVELS)
    labels = [f"{row.comparison}: {row.level}" for row in model.itertuples()]
    ax = new_axes(ax, figsize=(7.2, 1 + 0.27 * max(len(labels), 2)))
    ax.barh(labels, model["weight"], color=[PALETTE[0] if value >= 0 else PALETTE[1] for value in model["weight"]])
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(tr("match weight (bits)"))
    ax.margins(y=0.01)
    ax.set_title(tr("What each level of agreement counts for"))
    shown = "; ".join(f"{label} {value:+.1f}" for label, value in zip(labels, model["weight"], strict=True))
    return describe(ax, tr("Bars of match weights: {shown}.").format(shown=shown))
