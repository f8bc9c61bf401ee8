"""Service quality as the gap between what customers perceive and what they expect, in five dimensions (SERVQUAL)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, index_problems, is_number, missing_columns, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.satisfaction.changes import SAME
from crm_utils.satisfaction.index import FEWEST_CASES
from crm_utils.satisfaction.samples import Sample, numeric_column, read_sample
from crm_utils.satisfaction.short_form import raw_alpha, reliability_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATER = ("reliability", "assurance", "tangibles", "empathy", "responsiveness")
STATED = "stated"
WORSE, BETTER = "worse", "better"
ServqualItems = Mapping[str, tuple[Sequence[str], Sequence[str]]]
Importance = str | Mapping[str, str | float] | None
_EXPECTED, _PERCEIVED, _IMPORTANCE = "sq_exp_", "sq_per_", "sq_importance_"


def servqual_items(answers: pd.DataFrame) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Find the pairs of SERVQUAL items of a survey by their names.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has columns ``sq_exp_<dimension>_<number>`` (what is expected) and ``sq_per_<dimension>_<number>`` (what was
        perceived).

    Returns
    -------
    dict of str to (tuple of str, tuple of str)
        Expectation items and perception items by dimension, in pairs: what the functions of this module take as
        `items`. The five dimensions of SERVQUAL [1]_ (RATER) come first.

    Raises
    ------
    ParameterError
        If there are no such columns, or one lacks its partner.

    References
    ----------
    .. [1] Parasuraman, A., Zeithaml, V. A. & Berry, L. L. (1988). SERVQUAL: a multiple-item scale for measuring
       consumer perceptions of service quality. Journal of Retailing 64(1), 12–40.

    Examples
    --------
    >>> servqual_items(pd.DataFrame(columns=["sq_exp_empathy_1", "sq_per_empathy_1", "nps"]))
    {'empathy': (('sq_exp_empathy_1',), ('sq_per_empathy_1',))}
    """
    pattern = re.compile(rf"(?:{_EXPECTED}|{_PERCEIVED})(.+)_(\d+)")
    numbers: dict[str, set[str]] = {}
    for name in answers:
        if match := pattern.fullmatch(str(name)):
            numbers.setdefault(match[1], set()).add(match[2])
    if not numbers:
        columns = f"{_EXPECTED}<dimension>_<number> and {_PERCEIVED}<dimension>_<number>"
        raise_problems("servqual_items", [f"answers have no columns {columns}; name the items of each dimension"])
    items = {
        dimension: tuple(
            tuple(f"{side}{dimension}_{number}" for number in sorted(numbers[dimension], key=int))
            for side in (_EXPECTED, _PERCEIVED)
        )
        for dimension in sorted(numbers, key=lambda name: RATER.index(name) if name in RATER else len(RATER))
    }
    raise_problems("servqual_items", missing_columns(answers, _names(items), "answers"))
    return items


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
        Expectation items and perception items by dimension, in pairs. Default: by their names (`servqual_items`).
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
        ``missing``. With importance also its mean share ``importance``, and ``weighted_gap``, ``weighted_low``,
        ``weighted_high``: the mean of the respondents' gaps times their shares, of those who have all of both, so that
        the dimensions add up to the weighted gap of `servqual_overall`.

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
    gaps = _read(
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
            row |= _mean(gaps.sample, gap, group, level, "gap")
            if weighted is not None:
                share = _mean(gaps.sample, weighted[:, place], group, level, "weighted_gap")
                row["importance"] = gaps.sample.mean(gaps.importance[:, place], group).estimate
                row |= {"weighted_gap": share["weighted_gap"]}
                row |= {"weighted_low": share["low"], "weighted_high": share["high"]}
            found.append(row | gaps.sample.counts(gap, group))
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
        importance where it counts), ``missing``. With an outcome, of respondents with all scores and the outcome:
        ``correlation`` with it, ``correlation_low``, ``correlation_high``; and ``advantage``, by how much it exceeds
        that of "servqual", ``advantage_low``, ``advantage_high`` (intervals linearised; NaN for fewer than 20 people).

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
    gaps = _read(
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
            {"score": name, **_mean(gaps.sample, values, group, level, "mean"), **gaps.sample.counts(values, group)}
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


def servqual_differences(
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
    """Hold the gaps of all dimensions against each other, on the same respondents.

    Parameters
    ----------
    answers, items, importance, scale, weights, clusters, by
        As in `servqual_gaps`; with importance, weighted gaps are compared.
    level : float, default 0.95
        Confidence level, for all differences of a group together (Šidák [1]_).

    Returns
    -------
    pandas.DataFrame
        By ``dimension`` and ``other`` (within groups, where there are any), every pair once: ``difference`` of the
        (weighted) gap, the first less the other, ``std_error``, ``low``, ``high``, ``verdict`` ("worse", "better",
        "cannot tell apart").

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_gaps`; and if there is only one dimension.

    References
    ----------
    .. [1] Šidák, Z. (1967). Rectangular confidence regions for the means of multivariate normal distributions.
       Journal of the American Statistical Association 62, 626–633.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> servqual_differences(answers, {"speed": (["e1"], ["p1"]), "looks": (["e2"], ["p2"])})["verdict"].tolist()
    ['cannot tell apart']
    """
    gaps = _read(
        answers, items, importance, scale, "servqual_differences",
        weights=weights, clusters=clusters, by=by, level=level,
    )  # fmt: skip
    return gaps.table(
        lambda group: _differences(gaps, group, level, "servqual_differences"), ["dimension", "other"], by
    )


def _differences(gaps: _Gaps, group: int, level: float, where: str) -> list[dict[str, Any]]:
    from scipy.stats import t

    values = gaps.compared()
    pairs = list(combinations(range(len(gaps.dimensions)), 2))
    if not pairs:
        raise_problems(where, [f"there is one dimension, {gaps.dimensions[0]}, and nothing to compare it with"])
    rows = []
    for one, other in pairs:
        apart = gaps.sample.mean(values[:, one] - values[:, other], group)
        reach = np.nan
        if apart.units > 1:
            reach = t.ppf((1 + level ** (1 / len(pairs))) / 2, apart.units - 1) * apart.std_error
        low, high = apart.estimate - reach, apart.estimate + reach
        rows.append(
            {
                "dimension": gaps.dimensions[one],
                "other": gaps.dimensions[other],
                "difference": apart.estimate,
                "std_error": apart.std_error,
                "low": low,
                "high": high,
                "verdict": BETTER if low > 0 else WORSE if high < 0 else SAME,
            }
        )
    return rows


def servqual_ranking(
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
    """Rank the dimensions by where the gap weighs most, and say which ranks chance could have made.

    Parameters
    ----------
    answers, items, importance, scale, weights, clusters, by
        As in `servqual_gaps`; with importance, dimensions are ranked by the weighted gap.
    level : float, default 0.95
        Confidence level, for all gaps of a group together, and for all ranks of a group together.

    Returns
    -------
    pandas.DataFrame
        By dimension (within groups, where there are any), the largest shortfall first: ``rank``; ``gap`` or
        ``weighted_gap`` of the respondents who have all of them, with ``low``, ``high``; ``rank_low``, ``rank_high``,
        between which the true rank lies, from the differences that are more than chance (`servqual_differences`,
        [1]_); ``cannot_tell_from``, the dimensions from which this one cannot be told apart.

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_differences`.

    References
    ----------
    .. [1] Al Mohamad, D., Goeman, J. J. & van Zwet, E. W. (2022). Simultaneous confidence intervals for ranks with
       application to ranking institutions. Biometrics 78(1), 238–247.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> items = {"looks": (["e2"], ["p2"]), "speed": (["e1"], ["p1"])}
    >>> servqual_ranking(answers, items)["cannot_tell_from"].to_dict()
    {'speed': 'looks', 'looks': 'speed'}
    """
    gaps = _read(
        answers, items, importance, scale, "servqual_ranking", weights=weights, clusters=clusters, by=by, level=level
    )
    name = "gap" if gaps.importance is None else "weighted_gap"
    place = {dimension: number for number, dimension in enumerate(gaps.dimensions)}

    def rows(group: int) -> list[dict[str, Any]]:
        means = [gaps.sample.mean(values, group) for values in gaps.compared().T]
        worse = np.zeros((len(means), len(means)), dtype=bool)
        for pair in _differences(gaps, group, level, "servqual_ranking"):
            one, other = place[pair["dimension"]], place[pair["other"]]
            worse[one, other], worse[other, one] = pair["verdict"] == WORSE, pair["verdict"] == BETTER
        order = np.argsort([mean.estimate for mean in means], kind="stable")
        found = []
        for rank, one in enumerate(order, 1):
            low, high = means[one].interval(level=level ** (1 / len(means)))
            unknown = [gaps.dimensions[other] for other in order if other != one and not (worse | worse.T)[one, other]]
            found.append(
                {
                    "dimension": gaps.dimensions[one],
                    "rank": rank if means[one].cases else np.nan,
                    name: means[one].estimate,
                    "low": low,
                    "high": high,
                    "rank_low": 1 + int(worse[:, one].sum()),
                    "rank_high": len(means) - int(worse[one].sum()),
                    "cannot_tell_from": ", ".join(unknown),
                }
            )
        return found

    return gaps.table(rows, ["dimension"], by)


def servqual_reliability(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Reliability of expectations, perceptions and gaps in each dimension.

    Alphas are raw (`reliability_of`). The reliability of a difference of two scores with the standard deviations σ,
    the reliabilities r and the correlation r_PE [1]_,

    .. math:: r_D = \frac{\sigma_P^2 r_{PP} + \sigma_E^2 r_{EE} - 2 r_{PE} \sigma_P \sigma_E}
                         {\sigma_P^2 + \sigma_E^2 - 2 r_{PE} \sigma_P \sigma_E}

    falls below that of its parts the more they go together: what both share cancels, and their errors add up. Alpha of
    the gaps of the single items is the same where a perception goes with the expectation of its own item no more than
    with those of the others, and higher where it does: what a pair shares cancels in its gap.

    Parameters
    ----------
    answers, items, scale, weights, clusters, by, level
        As in `servqual_gaps`; a dimension needs two pairs of items.

    Returns
    -------
    pandas.DataFrame
        By dimension (within groups, where there are any): ``pairs`` of items; ``alpha_expectation``,
        ``alpha_perception``, ``alpha_gap`` and ``difference_reliability``, each with ``…_low``, ``…_high`` (linearised,
        for fewer than 20 people NaN); ``correlation`` of expectation with perception; ``answers`` (respondents who
        answered every item of the dimension), ``missing``. NaN for a single pair.

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_gaps`.

    References
    ----------
    .. [1] Peter, J. P., Churchill, G. A. & Brown, T. J. (1993). Caution in the use of difference scores in consumer
       research. Journal of Consumer Research 19(4), 655–662.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood, service = rng.normal(size=(2, 200, 1))
    >>> expected, perceived = 8 + mood + rng.normal(size=(200, 2)), 7 + mood + service + rng.normal(size=(200, 2))
    >>> answers = pd.DataFrame(np.hstack([expected, perceived]), columns=["e1", "e2", "p1", "p2"])
    >>> found = servqual_reliability(answers, {"speed": (["e1", "e2"], ["p1", "p2"])}, scale=(0, 15)).loc["speed"]
    >>> found[["alpha_expectation", "alpha_perception", "difference_reliability"]].astype(float).round(2).tolist()
    [0.61, 0.8, 0.49]
    """
    where = "servqual_reliability"
    gaps = _read(answers, items, None, scale, where, weights=weights, clusters=clusters, by=by, level=level)
    quantities = ("alpha_expectation", "alpha_perception", "alpha_gap", "difference_reliability")

    def rows(group: int) -> list[dict[str, Any]]:
        found = []
        for dimension, (expected, perceived) in gaps.sides.items():
            both = np.hstack([expected, perceived])
            moments = gaps.sample.moments(both, group)
            row: dict[str, Any] = {"dimension": dimension, "pairs": expected.shape[1]}
            for name, numbers in zip(
                quantities, reliability_intervals(moments, _reliabilities, level=level), strict=True
            ):
                row |= {name: numbers[0], f"{name}_low": numbers[2], f"{name}_high": numbers[3]}
            expectation, perception, shared = _sums(moments.covariance)
            row["correlation"] = float(shared / np.sqrt(expectation * perception))
            complete = np.where(np.isnan(both).any(axis=1), np.nan, 1.0)
            found.append(row | gaps.sample.counts(complete, group))
        return found

    return gaps.table(rows, ["dimension"], by)


def _sums(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances of the sums of expectations and of perceptions, and their covariance; expectations come first."""
    size = covariances.shape[-1] // 2
    blocks = ((slice(size), slice(size)), (slice(size, None), slice(size, None)), (slice(size), slice(size, None)))
    return tuple(covariances[..., rows, columns].sum(axis=(-2, -1)) for rows, columns in blocks)


def _reliabilities(covariances: np.ndarray) -> np.ndarray:
    """Alphas of expectations, perceptions and their gaps, and the reliability of the difference of the sums."""
    size = covariances.shape[-1] // 2
    if size < 2:
        return np.full((*covariances.shape[:-2], 4), np.nan)
    expected, perceived = covariances[..., :size, :size], covariances[..., size:, size:]
    shared = covariances[..., :size, size:]
    one, two = raw_alpha(expected), raw_alpha(perceived)
    gap = raw_alpha(expected + perceived - shared - np.swapaxes(shared, -2, -1))
    expectation, perception, covariance = _sums(covariances)
    common = perception * two + expectation * one - 2 * covariance
    return np.stack([one, two, gap, common / (perception + expectation - 2 * covariance)], axis=-1)


@dataclass(frozen=True, eq=False)
class _Gaps:
    """What respondents expect and perceive by dimension, and how important each is to them.

    Attributes
    ----------
    sample : Sample
        The respondents.
    sides : dict of str to (numpy.ndarray, numpy.ndarray), each of shape (respondents, pairs)
        Expectations and perceptions by dimension.
    expectation, perception : numpy.ndarray of float, shape (respondents, dimensions)
        Means over the pairs of which both are answered; NaN where there is none.
    importance : numpy.ndarray of float, shape (respondents, dimensions), or None
        Shares that add up to 1 for a respondent; None where nothing is weighted.
    """

    sample: Sample
    sides: dict[str, tuple[np.ndarray, np.ndarray]]
    expectation: np.ndarray
    perception: np.ndarray
    importance: np.ndarray | None

    @property
    def dimensions(self) -> list[str]:
        return list(self.sides)

    @property
    def gap(self) -> np.ndarray:
        return self.perception - self.expectation

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """Values times importance, of respondents who have all of both."""
        return _of_the_complete(values * self.importance)

    def compared(self) -> np.ndarray:
        """Gaps, weighted where there is importance, of respondents who have all of them."""
        return _of_the_complete(self.gap) if self.importance is None else self.weighted(self.gap)

    def table(self, rows: Callable[[int], list[dict[str, Any]]], labels: list[str], by: Any) -> pd.DataFrame:
        """Rows of every group under the groups, or of everybody where there are none."""
        groups = self.sample.labels
        tables = [pd.DataFrame(rows(group)).set_index(labels) for group in range(len(groups))]
        return tables[0] if by is None else pd.concat(tables, keys=groups, names=[groups.name])


def _of_the_complete(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, values)


def _mean(sample: Sample, values: np.ndarray, group: int, level: float, name: str) -> dict[str, float]:
    mean = sample.mean(values, group)
    low, high = mean.interval(level=level)
    return {name: mean.estimate, "std_error": mean.std_error, "low": low, "high": high}


def _names(items: ServqualItems) -> list[str]:
    return [name for sides in items.values() for side in sides for name in side]


def _read(
    answers: pd.DataFrame,
    items: ServqualItems | None,
    importance: Importance,
    scale: tuple[float, float],
    where: str,
    *,
    problems: Sequence[str] = (),
    **design: Any,
) -> _Gaps:
    """Expectations, perceptions and importance of the respondents, once everything is found fit."""
    if not isinstance(answers, pd.DataFrame):
        raise_problems(where, [f"answers must be a table with the items as columns, and are {type(answers).__name__}"])
    found = _checked_items(answers, items, where)
    names = _names(found)
    problems = list(problems)
    points = _importance(answers, list(found), importance, problems)
    sample = read_sample(answers[names], where, scale=scale, problems=problems, **design)
    place = {name: column for column, name in enumerate(names)}
    sides = {
        dimension: tuple(sample.answers[:, [place[name] for name in side]] for side in pair)
        for dimension, pair in found.items()
    }
    means = []
    for expected, perceived in sides.values():
        there = ~np.isnan(expected) & ~np.isnan(perceived)
        with np.errstate(invalid="ignore"):
            means.append([np.where(there, side, 0.0).sum(axis=1) / there.sum(axis=1) for side in (expected, perceived)])
    expectation, perception = np.array(means).transpose(1, 2, 0)
    if np.isnan(expectation).all():
        raise DataFloorError(f"{where} needs respondents who answered both items of a pair; there is none.")
    return _Gaps(sample, sides, expectation, perception, points)


def _checked_items(
    answers: pd.DataFrame, items: ServqualItems | None, where: str
) -> dict[str, tuple[list[str], list[str]]]:
    found, problems = {}, []
    for dimension, sides in (servqual_items(answers) if items is None else items).items():
        expected, perceived = ([side] if isinstance(side, str) else list(side) for side in sides)
        if not expected or len(expected) != len(perceived):
            problems.append(
                f"{dimension} has {len(expected)} items on what is expected and {len(perceived)} on what was "
                "perceived; they go in pairs, so give as many of both"
            )
        found[dimension] = (expected, perceived)
    names = _names(found)
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        problems.append(f"items name {', '.join(repeated)} more than once")
    if not names:
        problems.append("items name no dimension")
    raise_problems(where, problems + missing_columns(answers, names, "answers"))
    return found


def _importance(
    answers: pd.DataFrame, dimensions: list[str], given: Importance, problems: list[str]
) -> np.ndarray | None:
    """Shares of importance, shape (respondents, dimensions); what is wrong with them is added to the problems."""
    if isinstance(given, str) and given == STATED:
        given = {dimension: f"{_IMPORTANCE}{dimension}" for dimension in dimensions}
        if not any(column in answers for column in given.values()):
            return None
    if given is None:
        return None
    if not isinstance(given, Mapping) or not set(dimensions) <= set(given):
        wanted = f"a column or a weight for each of {', '.join(dimensions)}"
        problems.append(f"importance must be {STATED!r}, {wanted}, or None, and is {given!r}")
        return None
    lacking = missing_columns(answers, [given[name] for name in dimensions if isinstance(given[name], str)], "answers")
    problems += lacking
    points = np.full((len(answers), len(dimensions)), np.nan)
    for place, dimension in enumerate(dimensions if not lacking else []):
        value = given[dimension]
        if isinstance(value, str):
            points[:, place] = numeric_column(answers[value], problems)
        elif is_number(value):
            points[:, place] = value
        else:
            problems.append(f"the importance of {dimension} must be a column or a number, and is {value!r}")
        wrong = (points[:, place] < 0) | np.isinf(points[:, place])
        if wrong.any():
            problems.append(
                f"the importance of {dimension} must be 0 or more, and is not in {int(wrong.sum()):,} answers (rows "
                f"{first_rows(wrong, answers.index)}: {points[wrong, place][0]:g})"
            )
    # Who gave no point at all did not say what is important.
    total = points.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, points / total, np.nan)


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
        (share) and ``weighted gap``, by which the rows are then sorted.

    Raises
    ------
    ParameterError
        If the gaps are of several groups.
    """
    if gaps.index.nlevels > 1:
        groups = ", ".join(map(str, gaps.index.unique(0)))
        raise_problems("servqual_table", [f"gaps are of several groups ({groups}); choose one: gaps.loc[group]"])
    table = gaps.sort_values("weighted_gap" if "weighted_gap" in gaps else "gap", kind="stable").reset_index()
    table["dimension"] = table["dimension"].str.replace("_", " ")
    kept = ["dimension", "expectation", "perception", "gap", "low", "high", "importance", "weighted_gap"]
    return table[[name for name in kept if name in table]].rename(
        columns={"weighted_gap": "weighted gap", "importance": "importance share"}
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
            ax.annotate(
                f"{_signed(line.gap)} ({_signed(line.low)} … {_signed(line.high)})",
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
            name=line.dimension, expectation=line.expectation, perception=line.perception, gap=_signed(line.gap)
        )
        for line in table.itertuples()
    )
    return describe(ax, tr("Mean expectation and perception by dimension: {listed}.").format(listed=listed))


def _signed(points: float) -> str:
    """Points with a sign, and nothing without: not −0.00."""
    return f"{points:+.2f}" if abs(points) >= 0.005 else "0.00"
