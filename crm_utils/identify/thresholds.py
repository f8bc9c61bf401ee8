"""Where to cut: precision, recall and cost of links over thresholds, with the truth and without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, level_problems, missing_columns, raise_problems
from crm_utils.identify.evaluation import pairs_within, person_of_record
from crm_utils.identify.weights import probability_of, weight_of
from crm_utils.intervals import wilson
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Weights are log2 odds: half a step is a factor of 1.4, from one in a thousand to one in a million from certainty.
_WEIGHTS = np.arange(-10, 20.5, 0.5)
_CALIBRATION_WEIGHTS = (-10, -5, -2, 0, 2, 5, 10)
_PAIR_COLUMNS = ("record_id_l", "record_id_r", "match_probability")
_MEASURES = ("precision", "recall", "f1")


def threshold_curve(
    pairs: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    thresholds: Sequence[float] | None = None,
    cost_false_merge: float = 1.0,
    cost_missed_merge: float = 1.0,
    level: float = 0.95,
    id_col: str = "record_id",
    truth_col: str = "true_customer_id",
) -> pd.DataFrame:
    """Precision, recall, F1 and cost of the links at each threshold, where the truth is known.

    A link is a scored pair at or above the threshold; what clusters add to that by joining links into chains,
    `evaluate_links` measures. Recall is against *all* pairs of records of one person, so that it contains what blocking
    lost. The intervals are Wilson's and take links as independent; those of `evaluate_links`, at one threshold, do not.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Scored pairs, each once: ``record_id_l``, ``record_id_r``, ``match_probability``.
    truth : pandas.DataFrame
        One row a record: record and person. Pairs with a record whose person is not known are left out; the count is
        in ``attrs["without_truth"]``.
    thresholds : sequence of float, optional
        Match probabilities above 0 and below 1. Default: 61, at match weights from −10 to 20 in half steps.
    cost_false_merge, cost_missed_merge : float, default 1.0
        What one wrong and one missed link cost, in one unit of your choice.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    id_col, truth_col : str
        Columns of `truth`.

    Returns
    -------
    pandas.DataFrame
        One row a threshold, ascending: ``threshold``, ``match_weight`` (its log2 odds), ``links``, ``correct_links``,
        ``false_merges``, ``missed_merges`` (among scored pairs), ``lost_in_blocking`` (pairs of one person that are
        not among `pairs`: never compared, or scored too low to be kept), ``blocking_recall`` (share that is among
        them), ``precision``, ``recall``, ``f1``, ``precision_low`` and ``_high``, ``recall_low`` and ``_high``, and
        ``cost`` of false and missed merges, without what blocking lost: no threshold changes that.

    Raises
    ------
    ParameterError
        If columns are missing, a pair repeats, probabilities lie outside 0 to 1 or an option is out of range.

    References
    ----------
    Christen, P. (2012). *Data Matching*, ch. 7. Springer.

    Examples
    --------
    >>> pairs = pd.DataFrame({"record_id_l": ["a", "a", "b"], "record_id_r": ["b", "c", "c"],
    ...                       "match_probability": [0.99, 0.6, 0.2]})
    >>> truth = pd.DataFrame({"record_id": list("abcde"), "true_customer_id": [1, 1, 2, 3, 3]})
    >>> curve = threshold_curve(pairs, truth, thresholds=[0.5, 0.9])
    >>> curve[["threshold", "links", "precision", "recall", "blocking_recall"]]
       threshold  links  precision  recall  blocking_recall
    0        0.5      2        0.5     0.5              0.5
    1        0.9      1        1.0     0.5              0.5
    """
    cuts, problems = _thresholds(thresholds)
    problems += _cost_problems(cost_false_merge, cost_missed_merge)
    problems += level_problems(level)
    probability, correct, true_pairs, without_truth = _with_truth(
        pairs, truth, id_col=id_col, truth_col=truth_col, where="threshold_curve", problems=problems
    )
    links = _at_or_above(probability, cuts)
    correct_links = _at_or_above(probability[correct], cuts)
    scored_matches = int(correct.sum())
    curve = _cut_frame(cuts)
    curve["links"], curve["correct_links"] = links, correct_links
    curve["false_merges"], curve["missed_merges"] = links - correct_links, scored_matches - correct_links
    curve["lost_in_blocking"] = true_pairs - scored_matches
    curve["blocking_recall"] = scored_matches / true_pairs if true_pairs else np.nan
    _add_measures(curve, correct_links, links, true_pairs)
    curve["precision_low"], curve["precision_high"] = wilson(correct_links, links, level=level)
    curve["recall_low"], curve["recall_high"] = wilson(correct_links, true_pairs, level=level)
    curve["cost"] = cost_false_merge * curve["false_merges"] + cost_missed_merge * curve["missed_merges"]
    curve.attrs["without_truth"] = without_truth
    return curve


def expected_curve(
    pairs: pd.DataFrame,
    *,
    cost_false_merge: float = 1.0,
    cost_missed_merge: float = 1.0,
    thresholds: Sequence[float] | None = None,
) -> pd.DataFrame:
    """What the model's own probabilities say of each threshold, where no truth is known.

    Of the pairs at or above threshold t, Σ(1 − p) are expected to be wrong; of those below, Σ p are expected to be
    missed. If the probabilities are right (`calibration_of_links` tells, where there is a truth), the expected cost is
    least at p* = c_false/(c_false + c_missed), whatever the pairs.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Scored pairs, with ``match_probability``.
    cost_false_merge, cost_missed_merge : float, default 1.0
        What one wrong and one missed link cost, in one unit of your choice; not negative, one of them positive.
    thresholds : sequence of float, optional
        Match probabilities above 0 and below 1. Default: 61, at match weights from −10 to 20 in half steps, and p*.

    Returns
    -------
    pandas.DataFrame
        One row a threshold, ascending: ``threshold``, ``match_weight``, ``links``, ``false_merges``,
        ``missed_merges`` (both expected, among scored pairs), ``precision``, ``recall``, ``f1`` (ratios of
        expectations; recall among scored pairs), ``cost``. ``attrs["bayes_threshold"]`` is p*.

    Raises
    ------
    ParameterError
        If columns are missing, probabilities lie outside 0 to 1 or an option is out of range.

    References
    ----------
    Fellegi, I. P. & Sunter, A. B. (1969). A theory for record linkage. *JASA* 64(328), 1183–1210.
    Elkan, C. (2001). The foundations of cost-sensitive learning. *IJCAI*, 973–978, eq. 2 (p*).

    Examples
    --------
    >>> pairs = pd.DataFrame({"match_probability": [0.95, 0.7, 0.1]})
    >>> curve = expected_curve(pairs, cost_false_merge=3, cost_missed_merge=1, thresholds=[0.5, 0.75])
    >>> curve[["threshold", "false_merges", "missed_merges", "cost"]].round(2)
       threshold  false_merges  missed_merges  cost
    0       0.50          0.35            0.1  1.15
    1       0.75          0.05            0.8  0.95
    >>> curve.attrs["bayes_threshold"]
    0.75
    """
    problems = _cost_problems(cost_false_merge, cost_missed_merge)
    best = np.nan if problems else cost_false_merge / (cost_false_merge + cost_missed_merge)
    cuts, cut_problems = _thresholds(thresholds)
    if thresholds is None and 0 < best < 1:
        cuts = np.union1d(cuts, best)
    problems += [*cut_problems, *missing_columns(pairs, ("match_probability",), "pairs")]
    probability = np.sort(_probabilities(pairs, problems))
    raise_problems("expected_curve", problems)

    first = np.searchsorted(probability, cuts, side="left")
    links = len(probability) - first
    below = np.concatenate([[0.0], np.cumsum(probability)])
    # Summed from the top: 1 − p of the surest pairs is far smaller than the rounding of a sum over all.
    wrong_above = np.concatenate([[0.0], np.cumsum(1 - probability[::-1])])
    expected_wrong, expected_missed = wrong_above[links], below[first]
    curve = _cut_frame(cuts)
    curve["links"] = links
    curve["false_merges"], curve["missed_merges"] = expected_wrong, expected_missed
    _add_measures(curve, links - expected_wrong, links, links - expected_wrong + expected_missed)
    curve["cost"] = cost_false_merge * expected_wrong + cost_missed_merge * expected_missed
    curve.attrs["bayes_threshold"] = best
    return curve


def cheapest_threshold(curve: pd.DataFrame) -> pd.Series:
    """Find the row of least cost; of several, the middle one.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `threshold_curve` or `expected_curve`.

    Returns
    -------
    pandas.Series
        The row.

    Examples
    --------
    >>> curve = expected_curve(pd.DataFrame({"match_probability": [0.95, 0.7, 0.1]}), thresholds=[0.05, 0.5, 0.8])
    >>> float(cheapest_threshold(curve)["threshold"])
    0.5
    """
    raise_problems("cheapest_threshold", missing_columns(curve, ("threshold", "cost"), "curve"))
    least = np.flatnonzero(np.isclose(curve["cost"], curve["cost"].min(), rtol=1e-12))
    return curve.iloc[least[(len(least) - 1) // 2]]


def calibration_of_links(
    pairs: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    weights: Sequence[float] = _CALIBRATION_WEIGHTS,
    level: float = 0.95,
    id_col: str = "record_id",
    truth_col: str = "true_customer_id",
) -> pd.DataFrame:
    """Are the match probabilities right? Predicted against actual share of matches, by band.

    Parameters
    ----------
    pairs, truth, level, id_col, truth_col
        As for `threshold_curve`.
    weights : sequence of float
        Ascending match weights (log2 odds) at which one band ends and the next begins.

    Returns
    -------
    pandas.DataFrame
        One row a band with pairs, ascending: ``from_probability`` and ``to_probability`` (the lower end belongs to the
        band), ``pairs``, ``matches``, ``predicted_share`` (mean probability), ``actual_share`` with Wilson's
        ``low_share`` and ``high_share``. ``attrs["without_truth"]`` counts the pairs left out.

    Raises
    ------
    ParameterError
        If columns are missing, a pair repeats, probabilities lie outside 0 to 1 or an option is out of range.

    Examples
    --------
    >>> pairs = pd.DataFrame({"record_id_l": ["a", "a", "b"], "record_id_r": ["b", "c", "c"],
    ...                       "match_probability": [0.99, 0.3, 0.2]})
    >>> truth = pd.DataFrame({"record_id": list("abc"), "true_customer_id": [1, 1, 2]})
    >>> table = calibration_of_links(pairs, truth, weights=[0])
    >>> table[["from_probability", "to_probability", "pairs", "predicted_share", "actual_share"]]
       from_probability  to_probability  pairs  predicted_share  actual_share
    0               0.0             0.5      2             0.25           0.0
    1               0.5             1.0      1             0.99           1.0
    """
    problems = []
    edges = np.asarray(weights, dtype=float)
    if edges.ndim != 1 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        problems.append(f"weights must be finite and ascending, and are {list(weights)}")
    problems += level_problems(level)
    probability, correct, _, without_truth = _with_truth(
        pairs, truth, id_col=id_col, truth_col=truth_col, where="calibration_of_links", problems=problems
    )
    inner = probability_of(edges)
    band = np.searchsorted(inner, probability, side="right")
    bands = len(inner) + 1
    size, matches = np.bincount(band, minlength=bands), np.bincount(band[correct], minlength=bands)
    low, high = wilson(matches, size, level=level)
    with np.errstate(invalid="ignore"):
        table = pd.DataFrame(
            {
                "from_probability": [0.0, *inner],
                "to_probability": [*inner, 1.0],
                "pairs": size,
                "matches": matches,
                "predicted_share": np.bincount(band, weights=probability, minlength=bands) / size,
                "actual_share": matches / size,
                "low_share": low,
                "high_share": high,
            }
        )
    table = table[table["pairs"] > 0].reset_index(drop=True)
    table.attrs["without_truth"] = without_truth
    return table


def plot_threshold_curve(
    curve: pd.DataFrame, *, expected: pd.DataFrame | None = None, threshold: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw precision and recall over thresholds.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `threshold_curve`, drawn with its intervals, or of `expected_curve`.
    expected : pandas.DataFrame, optional
        Result of `expected_curve`, dashed beside the first.
    threshold : float, optional
        Match probability to mark.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached. The table twin is `curve` itself.
    """
    raise_problems("plot_threshold_curve", missing_columns(curve, ("match_weight", *_MEASURES), "curve"))
    ax = new_axes(ax)
    words = {"precision": tr("precision"), "recall": tr("recall"), "f1": tr("F1")}
    for (name, label), colour in zip(words.items(), PALETTE, strict=False):
        ax.plot(curve["match_weight"], curve[name], color=colour, label=label)
        if f"{name}_low" in curve:
            ax.fill_between(
                curve["match_weight"], curve[f"{name}_low"], curve[f"{name}_high"], color=colour, alpha=0.2, lw=0
            )
        if expected is not None:
            ax.plot(expected["match_weight"], expected[name], "--", color=colour, lw=1.2)
    if expected is not None:
        ax.plot([], [], "--", color=MUTED, lw=1.2, label=tr("as the model expects"))
    _mark_threshold(ax, threshold)
    _probability_axis(ax, curve["match_weight"])
    ax.set_ylim(top=1.01)
    ax.set_ylabel(tr("share"))
    ax.set_title(tr("Precision and recall by threshold"))
    ax.legend(loc="lower left")
    best = curve.loc[curve["f1"].idxmax()] if curve["f1"].notna().any() else None
    if best is None:
        return describe(ax, tr("Precision and recall by threshold; there is nothing to draw."))
    return describe(
        ax,
        tr(
            "Lines of precision, recall and F1 over the threshold on match probability. F1 is highest, {f1:.1%}, at "
            "{threshold:.3g}, with precision {precision:.1%} and recall {recall:.1%}."
        ).format(**{name: best[name] for name in ("threshold", *_MEASURES)}),
    )


def plot_error_costs(
    expected: pd.DataFrame, *, actual: pd.DataFrame | None = None, unit: str = "", ax: Axes | None = None
) -> Axes:
    """Draw the cost of wrong and missed links over thresholds, and where it is least.

    Parameters
    ----------
    expected : pandas.DataFrame
        Result of `expected_curve`.
    actual : pandas.DataFrame, optional
        Result of `threshold_curve` with the same costs.
    unit : str, optional
        Unit of the costs, such as a currency.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached. The table twins are the arguments themselves.
    """
    problems = missing_columns(expected, ("match_weight", "cost"), "expected")
    if actual is not None:
        problems += missing_columns(actual, ("match_weight", "cost"), "actual")
    raise_problems("plot_error_costs", problems)
    ax = new_axes(ax)
    lines = [(expected, tr("as the model expects"), PALETTE[0], "--")]
    if actual is not None:
        lines.append((actual, tr("by the truth"), PALETTE[3], "-"))
    shown = []
    for curve, label, colour, style in lines:
        least = cheapest_threshold(curve)
        ax.plot(curve["match_weight"], curve["cost"], style, color=colour, label=label)
        ax.plot(least["match_weight"], least["cost"], "o", color=colour)
        shown.append(
            tr("{label}: least at {threshold:.3g}, cost {cost:,.0f}").format(
                label=label, threshold=least["threshold"], cost=least["cost"]
            )
        )
    _mark_threshold(ax, expected.attrs.get("bayes_threshold"), label=tr("p* = {threshold:.3g}"))
    _probability_axis(ax, expected["match_weight"])
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_ylabel(tr("cost ({unit})").format(unit=unit) if unit else tr("cost"))
    ax.set_title(tr("Cost of wrong and missed links by threshold"))
    ax.legend(loc="upper center")
    return describe(
        ax,
        tr("Lines of the cost of wrong and missed links over the threshold. {shown}.").format(shown="; ".join(shown)),
    )


def plot_calibration_of_links(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw predicted and actual share of matches by band of match probability.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `calibration_of_links`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    columns = ("from_probability", "to_probability", "pairs", "predicted_share", "actual_share")
    raise_problems("plot_calibration_of_links", missing_columns(table, columns, "table"))
    ax = new_axes(ax, figsize=(7.2, 0.9 + 0.38 * max(len(table), 3)))
    rows = np.arange(len(table))
    actual = table["actual_share"]
    ax.errorbar(
        actual,
        rows,
        xerr=np.maximum([actual - table["low_share"], table["high_share"] - actual], 0),
        fmt="o",
        color=PALETTE[0],
        ecolor=MUTED,
        elinewidth=2,
        label=tr("actual share of matches"),
    )
    ax.plot(table["predicted_share"], rows, "D", color=PALETTE[3], mfc="none", ms=9, label=tr("predicted share"))
    names = [
        tr("{low} – {high} ({pairs:,} pairs)").format(
            low=_probability_text(row.from_probability), high=_probability_text(row.to_probability), pairs=row.pairs
        )
        for row in table.itertuples()
    ]
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlim(-0.03, 1.03)
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.grid(visible=False, axis="y")
    ax.set_ylabel(tr("match probability"))
    ax.set_title(tr("Are the match probabilities right?"))
    ax.legend(loc="lower right")
    shown = "; ".join(
        tr("{band}: predicted {predicted:.1%}, actual {actual:.1%}").format(
            band=name, predicted=predicted, actual=share
        )
        for name, predicted, share in zip(names, table["predicted_share"], actual, strict=True)
    )
    return describe(ax, tr("Dots of the share of matches by band of match probability. {shown}.").format(shown=shown))


def _thresholds(thresholds: Sequence[float] | None) -> tuple[np.ndarray, list[str]]:
    if thresholds is None:
        return probability_of(_WEIGHTS), []
    cuts = np.unique(np.asarray(thresholds, dtype=float))
    usable = (cuts > 0) & (cuts < 1)
    if cuts.size and usable.all():
        return cuts, []
    return cuts[usable], [f"thresholds must lie above 0 and below 1, and are {list(thresholds)[:5]}"]


def _cost_problems(cost_false_merge: float, cost_missed_merge: float) -> list[str]:
    costs = (cost_false_merge, cost_missed_merge)
    if all(np.isfinite(cost) and cost >= 0 for cost in costs) and sum(costs) > 0:
        return []
    return [f"cost_false_merge and cost_missed_merge must not be negative, one above 0; they are {costs}"]


def _probabilities(pairs: pd.DataFrame, problems: list[str]) -> np.ndarray:
    if "match_probability" not in pairs:
        return np.empty(0)
    probability = as_numbers(pairs["match_probability"], "match_probability", problems)
    outside = (probability < 0) | (probability > 1)
    if outside.any():
        problems.append(
            f"pairs.match_probability lies outside 0 to 1 in {outside.sum():,} rows (at {first_rows(outside)})"
        )
    return probability


def _with_truth(
    pairs: pd.DataFrame, truth: pd.DataFrame, *, id_col: str, truth_col: str, where: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Probability and correctness of the pairs whose persons are known, true pairs in all, pairs left out."""
    problems += missing_columns(pairs, _PAIR_COLUMNS, "pairs")
    probability = _probabilities(pairs, problems)
    raise_problems(where, problems)
    person = person_of_record(truth, id_col=id_col, truth_col=truth_col, where=where)
    who, _ = pd.factorize(person)
    left, right = (person.index.get_indexer(pairs[column]) for column in ("record_id_l", "record_id_r"))
    known = (left >= 0) & (right >= 0)
    left, right = left[known], right[known]
    repeated = len(left) - len(np.unique(np.minimum(left, right) * np.int64(len(who)) + np.maximum(left, right)))
    if repeated:
        raise_problems(where, [f"pairs lists {repeated:,} pairs more than once; each pair of records is scored once"])
    true_pairs = int(pairs_within(np.bincount(who)).sum()) if len(who) else 0
    return probability[known], who[left] == who[right], true_pairs, int((~known).sum())


def _at_or_above(probability: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return len(probability) - np.searchsorted(np.sort(probability), cuts, side="left")


def _cut_frame(cuts: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"threshold": cuts, "match_weight": np.log2(cuts) - np.log2(1 - cuts)})


def _add_measures(curve: pd.DataFrame, correct: np.ndarray, found: np.ndarray, true: np.ndarray | int) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        curve["precision"] = np.asarray(correct, dtype=float) / found
        curve["recall"] = np.asarray(correct, dtype=float) / true
        curve["f1"] = 2 * np.asarray(correct, dtype=float) / (found + true)


def _probability_text(probability: float) -> str:
    """Write a probability with the digits that tell it from 0 and 1."""
    if probability in (0, 1) or 0.01 <= probability <= 0.99:
        return f"{probability:.0%}"
    digits = int(np.ceil(-np.log10(min(probability, 1 - probability)) - 0.05)) - 2
    return f"{probability:.{max(digits, 1)}%}"


def _probability_axis(ax: Axes, weights: pd.Series) -> None:
    """Label an axis of match weights with both weight and probability."""
    ticks = np.arange(5 * np.ceil(weights.min() / 5), weights.max() + 1e-9, 5)
    if len(ticks) > 1:
        ax.set_xticks(ticks, [f"{tick:+.0f}\n{_probability_text(probability_of(tick))}" for tick in ticks])
    ax.set_xlabel(tr("threshold: match weight (log2 odds) and match probability"))


def _mark_threshold(ax: Axes, threshold: float | None, *, label: str = "") -> None:
    if threshold is None or not 0 < threshold < 1:
        return
    label = label or tr("threshold {threshold:.3g}")
    ax.axvline(weight_of(threshold), color=MUTED, lw=1.2, ls=":", label=label.format(threshold=threshold))
