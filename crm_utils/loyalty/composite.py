"""One number of loyalty a customer, 0 to 100, from measures on a common scale, and how far it can be relied on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, index_problems, is_number, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean
from crm_utils.language import tr
from crm_utils.loyalty.measures import LOYALTY_MEASURES, measured, people_of
from crm_utils.plotting import describe, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bounds = Mapping[str, tuple[float, float]]
LOWER_IS_BETTER = tuple(measure.name for measure in LOYALTY_MEASURES if measure.better == "lower")
# Fewer customers than this do not tell an interval.
_FLOOR = 20


class _Scaled(NamedTuple):
    """Measures from 0 to 100, shape (n, measures); their ends and weights, shape (measures,)."""

    parts: np.ndarray
    ends: np.ndarray
    weights: np.ndarray

    def scores(self, fewest: int) -> np.ndarray:
        given = ~np.isnan(self.parts)
        mass = given @ self.weights
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.nan_to_num(self.parts) @ self.weights / mass
        # Rounding must not carry a mean of parts past the ends of the scale.
        return np.where(given.sum(axis=1) >= fewest, np.clip(scores, 0.0, 100.0), np.nan)


def composite_loyalty(
    measures: pd.DataFrame,
    names: Sequence[str],
    *,
    measure_weights: Mapping[str, float] | None = None,
    bounds: Bounds | None = None,
    percentiles: tuple[float, float] = (5, 95),
    lower_is_better: Collection[str] = LOWER_IS_BETTER,
    fewest_measures: int | None = None,
) -> pd.Series:
    r"""Loyalty of each customer as a weighted mean of measures, 0 to 100.

    Each measure is put on a scale from 0 to 100 between two ends a and b, and held there beyond them,

    .. math:: z = 100 \, \min(1, \max(0, (x - a) / (b - a)))

    (100 − z where less is better). The ends are given, or percentiles of the customers, so that a few extreme ones do
    not press all others together. Where the two percentiles are equal, as of a measure that nearly everybody shares,
    the ends are the least and the greatest value.

    Parameters
    ----------
    measures : pandas.DataFrame
        One row a customer, such as a result of `loyalty_measures`.
    names : sequence of str
        Columns to be joined.
    measure_weights : mapping of str to float, optional
        Weight of each, above zero. Default: equal.
    bounds : mapping of str to (float, float), optional
        Values that count as 0 and as 100 (of a measure of which less is better: as 100 and as 0), such as
        ``{"nps": (0, 10)}``; the others take percentiles. Only given bounds make two waves or companies comparable.
    percentiles : (float, float), default (5, 95)
        Percentiles of the customers with a value.
    lower_is_better : collection of str, default ("recency_days",)
        Measures of which less is more loyalty.
    fewest_measures : int, optional
        How many measures a customer needs; her score is then the mean of those there are. Default: all.

    Returns
    -------
    pandas.Series
        ``loyalty`` by customer, with the index of `measures`; NaN where too few measures are known.

    Raises
    ------
    ParameterError
        If columns are absent or not numeric, a measure is the same for everybody, or an option is unusable.

    Notes
    -----
    A score does not fall when a measure of the customer gets better, and does not change with the unit of a measure
    (days or weeks) or the order of the rows. Which measures and weights make up loyalty is a decision, not a finding.

    Examples
    --------
    >>> measures = pd.DataFrame({"trust": [2.0, 5.0, 8.0], "recency_days": [300.0, 10.0, 155.0]})
    >>> bounds = {"trust": (0, 10), "recency_days": (10, 300)}
    >>> composite_loyalty(measures, ["trust", "recency_days"], bounds=bounds).tolist()
    [10.0, 75.0, 65.0]
    """
    where = "composite_loyalty"
    fewest = len(names) if fewest_measures is None else fewest_measures
    problems = count_problems("fewest_measures", fewest, least=1)
    if not problems and fewest > len(names):
        problems.append(f"fewest_measures is {fewest}, and there are {len(names)} measures")
    scaled = _scaled(measures, names, where, measure_weights, bounds, percentiles, lower_is_better, problems)
    return pd.Series(scaled.scores(fewest), measures.index, name="loyalty")


def _scaled(
    measures: pd.DataFrame,
    names: Sequence[str],
    where: str,
    measure_weights: Mapping[str, float] | None,
    bounds: Bounds | None,
    percentiles: tuple[float, float],
    lower_is_better: Collection[str],
    problems: list[str],
) -> _Scaled:
    """Put measures on a common scale, once everything is found fit."""
    names, bounds = list(names), dict(bounds or {})
    if not names or len(set(names)) < len(names):
        problems.append(f"names must be one column or more, each once, and are {names}")
    weights = dict.fromkeys(names, 1.0) if measure_weights is None else dict(measure_weights)
    if set(weights) != set(names) or not all(is_number(weight) and weight > 0 for weight in weights.values()):
        problems.append(f"measure_weights must give each of {names} a number above zero, and are {weights}")
    if unused := sorted(set(bounds) - set(names)):
        problems.append(f"bounds name {', '.join(unused)}, which is not among the measures")
    problems += [
        f"bounds of {name} must be two numbers, the lower one first, and are {pair!r}"
        for name, pair in bounds.items()
        if np.shape(pair) != (2,) or not all(map(is_number, pair)) or not pair[0] < pair[1]
    ]
    if np.shape(percentiles) != (2,) or not all(map(is_number, percentiles)) or not (
        0 <= percentiles[0] < percentiles[1] <= 100
    ):  # fmt: skip
        problems.append(f"percentiles must be two numbers from 0 to 100, the lower one first, and are {percentiles!r}")
    values = measured(measures, names, "measures", problems)
    raise_problems(where, problems)

    ends = np.array([bounds.get(name, _ends(values[name], percentiles)) for name in names], dtype=float)
    for name, (low, high) in zip(names, ends, strict=True):
        if not low < high:
            known = values[name][~np.isnan(values[name])]
            state = f"is {known[0]:g} for every customer" if len(known) else "has no value"
            problems.append(f"{name} {state} and tells nothing; leave it out, or give its bounds")
    raise_problems(where, problems)
    parts = (np.column_stack(list(values.values())) - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    parts = 100 * np.clip(parts, 0.0, 1.0)
    turned = np.isin(names, list(lower_is_better))
    parts[:, turned] = 100 - parts[:, turned]
    return _Scaled(parts, ends, np.array([weights[name] for name in names], dtype=float))


def _ends(values: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, percentiles)
    return (low, high) if low < high else (known.min(), known.max())


def composite_parts(
    measures: pd.DataFrame,
    names: Sequence[str],
    *,
    measure_weights: Mapping[str, float] | None = None,
    bounds: Bounds | None = None,
    percentiles: tuple[float, float] = (5, 95),
    lower_is_better: Collection[str] = LOWER_IS_BETTER,
) -> pd.DataFrame:
    """Tell how a composite is made: ends and weight of each measure, and how it goes with the others.

    Parameters
    ----------
    measures, names, measure_weights, bounds, percentiles, lower_is_better
        As in `composite_loyalty`.

    Returns
    -------
    pandas.DataFrame
        One row a measure: ``measure``, ``weight`` (they add up to 1), ``at_0`` and ``at_100`` (values of the measure),
        ``customers`` with a value, ``mean`` (0–100), ``rest_correlation`` (with the weighted mean of the others, over
        customers with all measures; NaN for a single measure).

    Raises
    ------
    ParameterError
        As in `composite_loyalty`.

    Examples
    --------
    >>> measures = pd.DataFrame({"trust": [2.0, 5.0, 8.0], "recency_days": [300.0, 10.0, 155.0]})
    >>> parts = composite_parts(measures, ["trust", "recency_days"], percentiles=(0, 100))
    >>> parts[["measure", "at_0", "at_100", "rest_correlation"]]
            measure   at_0  at_100  rest_correlation
    0         trust    2.0     8.0               0.5
    1  recency_days  300.0    10.0               0.5
    """
    scaled = _scaled(
        measures, names, "composite_parts", measure_weights, bounds, percentiles, lower_is_better, []
    )  # fmt: skip
    turned = np.isin(list(names), list(lower_is_better))
    complete = scaled.parts[~np.isnan(scaled.parts).any(axis=1)]
    return pd.DataFrame(
        {
            "measure": list(names),
            "weight": scaled.weights / scaled.weights.sum(),
            "at_0": np.where(turned, scaled.ends[:, 1], scaled.ends[:, 0]),
            "at_100": np.where(turned, scaled.ends[:, 0], scaled.ends[:, 1]),
            "customers": (~np.isnan(scaled.parts)).sum(axis=0),
            "mean": [part[~np.isnan(part)].mean() for part in scaled.parts.T],
            "rest_correlation": [_with_rest(complete, scaled.weights, place) for place in range(len(names))],
        }
    )


def _with_rest(parts: np.ndarray, weights: np.ndarray, place: int) -> float:
    others = np.arange(len(weights)) != place
    if not others.any() or len(parts) < 2:
        return np.nan
    rest = parts[:, others] @ weights[others]
    one = parts[:, place]
    if np.ptp(rest) == 0 or np.ptp(one) == 0:
        return np.nan
    return float(np.corrcoef(one, rest)[0, 1])


def composite_reliability(
    measures: pd.DataFrame,
    names: Sequence[str],
    *,
    measure_weights: Mapping[str, float] | None = None,
    bounds: Bounds | None = None,
    percentiles: tuple[float, float] = (5, 95),
    lower_is_better: Collection[str] = LOWER_IS_BETTER,
    weights_col: str | None = None,
    customer_col: str = "customer_id",
    level: float = 0.95,
) -> pd.DataFrame:
    r"""How far the measures of a composite tell the same: Cronbach's alpha of their weighted sum.

    With k measures z on the common scale, weights w and the variances of w z and of their sum,

    .. math:: \alpha = \frac{k}{k - 1} \left(1 - \frac{\sum_i \sigma_i^2}{\sigma_X^2}\right)

    over the customers with all measures [1]_. It is a lower bound of the reliability where the measures have one
    thing in common [1]_; time, behaviour and feeling need not, and then a low alpha says that one number hides three.

    Parameters
    ----------
    measures, names, measure_weights, bounds, percentiles, lower_is_better
        As in `composite_loyalty`; two measures or more.
    weights_col : str, optional
        Column of survey weights. Default: customers count alike.
    customer_col : str, default "customer_id"
        Column of customers; rows of one customer count as one unit. Without it, each row is a customer.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row: ``measures``, ``alpha``, ``std_error`` (linearised), ``low``, ``high`` (from the linearised error of
        ln(1 − α), free of any distribution [2]_; NaN for fewer than 20 customers), ``customers``, ``missing`` (rows
        without all measures).

    Raises
    ------
    ParameterError
        As in `composite_loyalty`, and for a single measure or unusable weights.
    DataFloorError
        If fewer than two customers have all measures.

    References
    ----------
    .. [1] Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests. Psychometrika 16, 297–334.
    .. [2] Maydeu-Olivares, A., Coffman, D. L. & Hartmann, W. M. (2007). Asymptotically distribution-free (ADF)
       interval estimation of coefficient alpha. Psychological Methods 12(2), 157–176. The logarithm: Bonett, D. G.
       (2002). Sample size requirements for testing and estimating coefficient alpha. Journal of Educational and
       Behavioral Statistics 27(4), 335–340.

    Examples
    --------
    >>> measures = pd.DataFrame({"trust": [2.0, 5.0, 8.0, 9.0], "nps": [3.0, 4.0, 9.0, 8.0]})
    >>> bounds = {"trust": (0, 10), "nps": (0, 10)}
    >>> composite_reliability(measures, ["trust", "nps"], bounds=bounds)["alpha"].round(3).item()
    0.963
    """
    from scipy.stats import t

    where = "composite_reliability"
    problems = level_problems(level)
    if len(names) < 2:
        problems.append(f"names must be at least 2 measures, and are {len(names)}")
    mass = weights_in(measures, weights_col, problems)
    scaled = _scaled(measures, names, where, measure_weights, bounds, percentiles, lower_is_better, problems)
    weighted = scaled.parts * scaled.weights
    there = ~np.isnan(weighted).any(axis=1) & (mass > 0)
    people = people_of(measures, customer_col)
    units = len(np.unique(people[there]))
    if units < 2:
        raise DataFloorError(f"{where} needs at least 2 customers with all measures; there are {units}.")
    centred = weighted - np.average(weighted[there], axis=0, weights=mass[there])
    apart, joint = np.where(there, [(centred**2).sum(axis=1), centred.sum(axis=1) ** 2], np.nan)
    of_parts, of_sum = (sample_mean(squares, weights=mass).estimate for squares in (apart, joint))
    if not of_sum > 0:
        raise DataFloorError(f"{where} needs customers who differ; all {units:,} have the same score.")
    size, ratio = len(names), of_parts / of_sum
    alpha = size / (size - 1) * (1 - ratio)
    # The linearised ratio of two means.
    slope = size / (size - 1) / of_sum
    error = slope * sample_mean(apart - ratio * joint, weights=mass, clusters=people).std_error
    low, high = np.nan, np.nan
    if units >= _FLOOR and alpha < 1:
        reach = t.ppf((1 + level) / 2, units - 1) * error / (1 - alpha)
        low, high = 1 - (1 - alpha) * np.exp(reach), 1 - (1 - alpha) * np.exp(-reach)
    return pd.DataFrame(
        {
            "measures": [size], "alpha": [alpha], "std_error": [error], "low": [low], "high": [high],
            "customers": [units], "missing": [int((~there).sum())],
        },
        index=pd.Index([tr("all")], name="group"),
    )  # fmt: skip


def weights_in(frame: pd.DataFrame, weights_col: str | None, problems: list[str]) -> np.ndarray:
    """Weights of the rows, 1 without a column and 0 where there is none; what is wrong is added to `problems`."""
    if weights_col is None:
        return np.ones(len(frame))
    found = measured(frame, [weights_col], "the table", problems).get(weights_col, np.zeros(len(frame)))
    if (found < 0).any():
        problems.append(f"{weights_col} must be 0 or more, and is not in {(found < 0).sum():,} rows")
    return np.nan_to_num(found)


def composite_table(
    scores: pd.Series,
    *,
    by: Any = None,
    weights: Any = None,
    clusters: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean loyalty of groups, with intervals.

    Parameters
    ----------
    scores : pandas.Series
        Result of `composite_loyalty`.
    by : array-like, shape (n,), optional
        Groups, such as regions or waves; missing for none. Sorted, but for those of a categorical.
    weights : array-like of float, shape (n,), optional
        Survey weights; a missing one is 0.
    clusters : array-like, shape (n,), optional
        Customers, where one has several rows.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By group ("all" without groups): ``loyalty`` (0–100), ``std_error`` (linearised), ``low``, ``high`` (Student's
        t, inside 0 to 100; NaN for fewer than two customers), ``customers``, ``missing`` (rows without a score).

    Raises
    ------
    ParameterError
        If lengths, indices or weights do not fit.
    DataFloorError
        If nobody has a score.

    Notes
    -----
    Intervals take the ends of the scales as they are, percentiles of the customers too.

    Examples
    --------
    >>> scores = pd.Series([20.0, 40.0, 90.0, 70.0], name="loyalty")
    >>> composite_table(scores, by=["n", "n", "s", "s"])["loyalty"].to_dict()
    {'n': 30.0, 's': 80.0}
    """
    where = "composite_table"
    problems = level_problems(level)
    given = {name: column for name, column in (("by", by), ("weights", weights), ("clusters", clusters))
             if column is not None}  # fmt: skip
    unequal = [
        f"{name} must have one value for each of the {len(scores):,} scores, and has {len(column):,}"
        for name, column in given.items()
        if len(column) != len(scores)
    ]
    problems += unequal or index_problems(scores=scores, **given)
    frame = pd.DataFrame({name: np.asarray(column) for name, column in given.items()}) if not unequal else None
    mass = np.ones(len(scores))
    if weights is not None and not unequal:
        mass = weights_in(frame, "weights", problems)
    raise_problems(where, problems)
    if scores.isna().all():
        raise DataFloorError(f"{where} needs customers with a score; there is none.")
    people = people_of(frame, "clusters") if clusters is not None else np.arange(len(scores))
    groups, labels = np.zeros(len(scores), dtype=int), pd.Index([tr("all")], name="group")
    if by is not None:
        groups, found = pd.factorize(pd.Series(by), sort=True)
        labels = pd.Index(found, name=getattr(by, "name", None) or "group")
    values = scores.to_numpy(dtype=float)
    rows = []
    for group in range(len(labels)):
        inside = groups == group
        mean = sample_mean(np.where(inside, values, np.nan), weights=mass, clusters=people)
        low, high = mean.interval(level=level)
        rows.append(
            {
                "loyalty": mean.estimate,
                "std_error": mean.std_error,
                "low": max(low, 0.0),
                "high": min(high, 100.0),
                "customers": mean.units,
                "missing": int((inside & np.isnan(values)).sum()),
            }
        )
    return pd.DataFrame(rows, labels)


def plot_composite(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw mean loyalty of groups with intervals; the result of `composite_table` is the table.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `composite_table`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    names = [f"{tr(str(name))} ({count:,})" for name, count in table["customers"].items()]
    ax = new_axes(ax, figsize=(7.2, 1.6 + 0.35 * len(table)))
    draw_intervals(ax, names, table["loyalty"], table["low"], table["high"], template="{:.1f}")
    ax.set(xlabel=tr("Loyalty (0 to 100)"), title=tr("Loyalty by group, with intervals"))
    best, worst = table["loyalty"].idxmax(), table["loyalty"].idxmin()
    return describe(
        ax,
        tr("Points with intervals: loyalty from {low:.1f} ({worst}) to {high:.1f} ({best}).").format(
            low=table.loc[worst, "loyalty"], worst=worst, high=table.loc[best, "loyalty"], best=best
        ),
    )
