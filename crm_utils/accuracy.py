"""How well predictions of customer value hold on a later period: the order of customers, and the money."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    customer_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
)
from crm_utils.intervals import bootstrap, percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import MUTED, describe, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Measure(NamedTuple):
    """What a measure is called in figures, and which value of it is best: the highest, the lowest, or that near one."""

    label: str
    best: Literal["highest", "lowest", "near one"]


_RANK_MEASURES = {
    "rank_correlation": _Measure("Rank correlation with what customers brought next", "highest"),
    "captured_share": _Measure("Share of what known customers spent next, caught by the top of each list", "highest"),
    "gini_gain": _Measure("Gini gain (1 = perfect order, 0 = chance)", "highest"),
}
_MONEY_MEASURES = {
    "total_ratio": _Measure("Predicted total over realised total (1 = right on the whole)", "near one"),
    "mean_absolute_error": _Measure("Mean absolute error a customer", "lowest"),
    "root_mean_squared_error": _Measure("Root mean squared error a customer", "lowest"),
}
_ALL_MEASURES = _RANK_MEASURES | _MONEY_MEASURES


def prediction_accuracy(
    scores: pd.DataFrame,
    outcome: pd.DataFrame | pd.Series,
    *,
    top: float = 0.2,
    benchmarks: Sequence[str] | None = None,
    customer_col: str = "customer_id",
    outcome_col: str = "revenue",
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> pd.DataFrame:
    """Compare methods by how well their scores rank customers by what they bought next.

    All methods are measured on the same customers and the same resamples, so that the intervals of differences are
    paired. Customers with equal scores stand in no order: the measures are those of their random order on average.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a customer: the customer column, and one numeric column a method, high for customers expected to bring
        much. Any unit: only the order counts.
    outcome : pandas.DataFrame or pandas.Series
        What each customer brought in the next period: a frame such as its purchase summary, or a series indexed by
        customer. Customers absent from it brought 0; customers without scores are left out.
    top : float, default 0.2
        Share of customers picked by each method, above 0 and below 1.
    benchmarks : sequence of str, optional
        Methods among which the best is the benchmark, for each measure. Default: all.
    customer_col, outcome_col : str
        Columns.
    n_boot : int, default 1000
        Bootstrap replicates over customers.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        One row a method and measure: ``method``, ``measure``, ``value``, ``low``, ``high``, ``benchmark`` (the best of
        `benchmarks` on this measure), ``difference`` to it, ``difference_low``, ``difference_high``. Measures:
        ``rank_correlation`` (Spearman), ``captured_share`` (share of the next period's value that came from the
        `top` customers by score; ``top`` itself is what chance would give) and ``gini_gain`` (area between the
        cumulative value by score and chance, over the same area for the perfect order; 1 is perfect, 0 is chance).
        A method whose scores are all equal has no rank correlation (NaN).
        ``attrs["undefined_replicates"]`` counts replicates without a positive total.

    Raises
    ------
    ParameterError
        If options or columns are unusable, or the total outcome is not above zero.

    References
    ----------
    Spearman, C. (1904). The proof and measurement of association between two things. *American Journal of Psychology*
    15(1), 72–101.
    Frees, E. W., Meyers, G. & Cummings, A. D. (2011). Summarizing insurance scores using a Gini index. *Journal of the
    American Statistical Association* 106(495), 1085–1098.

    Examples
    --------
    >>> scores = pd.DataFrame({"customer_id": list("abcde"), "good": [5, 4, 3, 2, 1], "poor": [1, 2, 5, 4, 3]})
    >>> outcome = pd.Series([60.0, 25.0, 10.0, 5.0], index=list("abcd"))
    >>> accuracy = prediction_accuracy(scores, outcome, n_boot=100)
    >>> accuracy[["method", "measure", "value", "difference"]].round(2)
      method           measure  value  difference
    0   good  rank_correlation   1.00        0.00
    1   good    captured_share   0.60        0.00
    2   good         gini_gain   1.00        0.00
    3   poor  rank_correlation  -0.60       -1.60
    4   poor    captured_share   0.10       -0.50
    5   poor         gini_gain  -0.86       -1.86
    """
    problems = resampling_problems(n_boot, level)
    if not 0 < top < 1:
        problems.append(f"top must lie between 0 and 1, and is {top!r}")
    given = _aligned("prediction_accuracy", scores, "scores", outcome, benchmarks, customer_col, outcome_col, problems)
    value = given.realised
    if value.sum() <= 0:
        raise_problems(
            "prediction_accuracy",
            [f"the scored customers brought {value.sum():g} in all; shares of it need a total above zero"],
        )
    groups = [_descending_groups(column) for column in given.predicted.T]
    perfect = _descending_groups(value)

    def measures(counts: np.ndarray) -> np.ndarray:
        return _rank_measures(counts, value, groups, perfect, top)

    return _paired_table(measures, given, _RANK_MEASURES, "captured_share", n_boot=n_boot, level=level, seed=seed)


def prediction_error(
    predictions: pd.DataFrame,
    outcome: pd.DataFrame | pd.Series,
    *,
    benchmarks: Sequence[str] | None = None,
    customer_col: str = "customer_id",
    outcome_col: str = "revenue",
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> pd.DataFrame:
    """Compare methods by how near their predictions come to the money that customers brought next.

    All methods are measured on the same customers and the same resamples, so that the intervals of differences are
    paired.

    Parameters
    ----------
    predictions : pandas.DataFrame
        One row a customer: the customer column, and one numeric column a method, in the currency of the outcome and
        for the whole of its period.
    outcome : pandas.DataFrame or pandas.Series
        What each customer brought in the next period: a frame such as its purchase summary, or a series indexed by
        customer. Customers absent from it brought 0; customers without predictions are left out.
    benchmarks : sequence of str, optional
        Methods among which the best is the benchmark, for each measure. Default: all.
    customer_col, outcome_col : str
        Columns.
    n_boot : int, default 1000
        Bootstrap replicates over customers.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        One row a method and measure, with the columns of `prediction_accuracy`. Measures: ``total_ratio`` (predicted
        total over realised total; best near 1; NaN where the realised total is not above zero),
        ``mean_absolute_error`` and ``root_mean_squared_error`` (a customer, in the currency; best low).
        ``difference`` is that of the values, not of their distance from the best possible.
        ``attrs["undefined_replicates"]`` counts replicates without a positive realised total.

    Raises
    ------
    ParameterError
        If options or columns are unusable.

    Notes
    -----
    The absolute error rewards the prediction of a median, the squared error that of a mean: where most customers bring
    nothing, a method that predicts 0 for them can win the first and lose the total.

    References
    ----------
    Gneiting, T. (2011). Making and evaluating point forecasts. *Journal of the American Statistical Association*
    106(494), 746–762.

    Examples
    --------
    >>> predictions = pd.DataFrame({"customer_id": list("abc"), "flat": [40.0, 40.0, 40.0], "sharp": [70.0, 20.0, 0.0]})
    >>> outcome = pd.Series([80.0, 20.0], index=list("ab"))
    >>> error = prediction_error(predictions, outcome, n_boot=100)
    >>> error[["method", "measure", "value", "benchmark", "difference"]].round(2)
      method                  measure  value benchmark  difference
    0   flat              total_ratio   1.20     sharp        0.30
    1   flat      mean_absolute_error  33.33     sharp       30.00
    2   flat  root_mean_squared_error  34.64     sharp       28.87
    3  sharp              total_ratio   0.90     sharp        0.00
    4  sharp      mean_absolute_error   3.33     sharp        0.00
    5  sharp  root_mean_squared_error   5.77     sharp        0.00
    """
    problems = resampling_problems(n_boot, level)
    given = _aligned(
        "prediction_error", predictions, "predictions", outcome, benchmarks, customer_col, outcome_col, problems
    )
    error = given.predicted - given.realised[:, None]
    absolute, squared = np.abs(error), error**2

    def measures(counts: np.ndarray) -> np.ndarray:
        size, total = counts.sum(), counts @ given.realised
        ratio = counts @ given.predicted / (total if total > 0 else np.nan)
        return np.column_stack([ratio, counts @ absolute / size, np.sqrt(counts @ squared / size)])

    return _paired_table(measures, given, _MONEY_MEASURES, "total_ratio", n_boot=n_boot, level=level, seed=seed)


def accuracy_table(result: pd.DataFrame) -> pd.DataFrame:
    """One row a method, one column a measure and its interval.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `prediction_accuracy` or `prediction_error`.

    Returns
    -------
    pandas.DataFrame
        ``method``, then each measure with ``_low`` and ``_high``, in the order of the methods.

    Examples
    --------
    >>> scores = pd.DataFrame({"customer_id": list("abcde"), "good": [5, 4, 3, 2, 1], "poor": [1, 2, 5, 4, 3]})
    >>> outcome = pd.Series([60.0, 25.0, 10.0, 5.0], index=list("abcd"))
    >>> accuracy_table(prediction_accuracy(scores, outcome, n_boot=100))[["method", "captured_share"]]
      method  captured_share
    0   good             0.6
    1   poor             0.1
    """
    raise_problems("accuracy_table", missing_columns(result, ("method", "measure", "value", "low", "high"), "result"))
    table = pd.DataFrame({"method": result["method"].unique()})
    for measure in result["measure"].unique():
        rows = result[result["measure"] == measure].set_index("method").loc[table["method"]]
        table[measure] = rows["value"].to_numpy()
        table[f"{measure}_low"], table[f"{measure}_high"] = rows["low"].to_numpy(), rows["high"].to_numpy()
    return table


def plot_accuracy(
    result: pd.DataFrame,
    *,
    measure: str = "captured_share",
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one measure of each method with its interval, the best on top.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `prediction_accuracy` or `prediction_error`.
    measure : str, default "captured_share"
        What to draw: a measure of `result`. ``total_ratio`` gets a line at 1.
    labels : mapping of str to str, optional
        Names of methods in the figure. Default: their own, with spaces for underscores.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If `result` is not such a result, or `measure` none of its measures.

    See Also
    --------
    accuracy_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter

    raise_problems("plot_accuracy", missing_columns(result, ("method", "measure", "value", "low", "high"), "result"))
    known = [name for name in _ALL_MEASURES if (result["measure"] == name).any()]
    if measure not in known:
        raise_problems("plot_accuracy", [f"measure must be one of {', '.join(known)}, and is {measure!r}"])
    shown = result[(result["measure"] == measure) & result["value"].notna()]
    goodness = _goodness(shown["value"].to_numpy(), _ALL_MEASURES[measure].best)
    shown = shown.iloc[np.argsort(-goodness, kind="stable")]
    value, low, high = (shown[column].to_numpy() for column in ("value", "low", "high"))
    given = labels or {}
    names = [given.get(method, str(method).replace("_", " ")) for method in shown["method"]]
    template = _number_template(measure, value)
    label = tr(_ALL_MEASURES[measure].label)
    ax = new_axes(ax)
    draw_intervals(ax, names, value, low, high, template=template)
    left, right = float(np.min(low, initial=0)), float(np.max(high, initial=0))
    if measure == "total_ratio":
        ax.axvline(1, color=MUTED, linestyle=":", linewidth=1.2)
        right = max(right, 1.0)
    ax.set_xlim(left, right + 0.12 * (right - left))
    if measure == "captured_share":
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    in_money = measure in _MONEY_MEASURES
    ax.set(
        xlabel=label,
        title=tr("How near each method comes in money") if in_money else tr("How well each method ranks customers"),
    )
    listed = "; ".join(f"{name} {template.format(number)}" for name, number in zip(names, value, strict=True))
    return describe(ax, tr("{label}, best method first: {listed}.").format(label=label, listed=listed))


class _Aligned(NamedTuple):
    """Predictions and what came true, customer by customer."""

    methods: list[str]
    benchmarks: list[int]
    predicted: np.ndarray
    realised: np.ndarray


def _aligned(
    where: str,
    predictions: pd.DataFrame,
    name: str,
    outcome: pd.DataFrame | pd.Series,
    benchmarks: Sequence[str] | None,
    customer_col: str,
    outcome_col: str,
    problems: list[str],
) -> _Aligned:
    """Bring both to the same customers, sorted, so that the order of the rows does not reach the resampling."""
    methods = [column for column in predictions.columns if column != customer_col]
    chosen = methods if benchmarks is None else list(benchmarks)
    if unknown := [method for method in chosen if method not in methods]:
        problems.append(f"benchmarks names {', '.join(map(str, unknown))}; the methods are {', '.join(methods)}")
    if not methods or not chosen:
        problems.append(f"{name} needs at least one column besides the customer, and benchmarks at least one method")
    if not len(predictions):
        problems.append(f"{name} has no customer")
    absent = missing_columns(predictions, (customer_col,), name)
    brought = outcome
    if isinstance(outcome, pd.Series):
        brought = outcome.rename_axis(customer_col).rename(outcome_col).reset_index()
    absent += missing_columns(brought, (customer_col, outcome_col), "outcome")
    if not absent:
        problems += customer_problems(predictions, customer_col, name)
        problems += customer_problems(brought, customer_col, "outcome")
        as_numbers(brought[outcome_col], f"outcome.{outcome_col}", problems)
        predictions = predictions.sort_values(customer_col, kind="stable")
        columns = [as_numbers(predictions[method], f"{name}.{method}", problems) for method in methods]
    raise_problems(where, absent + problems)
    realised = brought.set_index(customer_col)[outcome_col].reindex(predictions[customer_col]).fillna(0)
    return _Aligned(
        methods=methods,
        benchmarks=[methods.index(method) for method in chosen],
        predicted=np.column_stack(columns),
        realised=realised.to_numpy(dtype=float),
    )


def _paired_table(
    measures: Callable[[np.ndarray], np.ndarray],
    given: _Aligned,
    kinds: Mapping[str, _Measure],
    needs_total: str,
    *,
    n_boot: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Each measure of each method with its interval, and its difference to the best benchmark on the same resamples.

    `measures` takes how often each customer was drawn, and gives one row a method and one column a measure.
    `needs_total` is a measure that is undefined exactly where the customers drawn brought nothing in all.
    """
    size = len(given.realised)
    estimate = measures(np.ones(size))
    replicates = bootstrap(measures, size, n_boot=n_boot, seed=seed)
    best = [
        max(given.benchmarks, key=lambda method: goodness[method])
        for goodness in (_goodness(estimate[:, number], kind.best) for number, kind in enumerate(kinds.values()))
    ]
    columns = range(len(kinds))
    differences = replicates - replicates[:, best, columns][:, None]
    low, high = percentile_interval(replicates, level=level)
    difference_low, difference_high = percentile_interval(differences, level=level)
    result = pd.DataFrame(
        {
            "method": np.repeat(given.methods, len(kinds)),
            "measure": list(kinds) * len(given.methods),
            "value": estimate.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "benchmark": [given.methods[method] for method in best] * len(given.methods),
            "difference": (estimate - estimate[best, columns]).ravel(),
            "difference_low": difference_low.ravel(),
            "difference_high": difference_high.ravel(),
        }
    )
    result.attrs["undefined_replicates"] = int(np.isnan(replicates[:, 0, list(kinds).index(needs_total)]).sum())
    return result


def _goodness(values: np.ndarray, best: str) -> np.ndarray:
    """Turn values into numbers of which the highest is best; what is not defined comes last."""
    goodness = {"highest": values, "lowest": -values, "near one": -np.abs(values - 1)}[best]
    return np.where(np.isnan(goodness), -np.inf, goodness)


def _number_template(measure: str, values: np.ndarray) -> str:
    if measure == "captured_share":
        return "{:.0%}"
    return "{:,.0f}" if np.max(np.abs(values), initial=0) >= 100 else "{:.2f}"


def _descending_groups(scores: np.ndarray) -> np.ndarray:
    """Give each score the number of its group of equals, 0 for the highest."""
    return np.unique(-scores, return_inverse=True)[1]


def _rank_measures(
    counts: np.ndarray, value: np.ndarray, groups: list[np.ndarray], perfect: np.ndarray, top: float
) -> np.ndarray:
    """Measures of each method (rows) where customer i is drawn ``counts[i]`` times; NaN without a positive total."""
    weighted = counts * value
    size, total = counts.sum(), weighted.sum()
    if total <= 0:
        return np.full((len(groups), len(_RANK_MEASURES)), np.nan)
    gain_of_perfect = _area(*_gains(perfect, counts, weighted)) - 0.5
    value_rank = _mid_ranks(perfect, counts)
    rows = []
    for group in groups:
        drawn, gained = _gains(group, counts, weighted)
        captured = np.interp(top, drawn, gained)
        gain = (_area(drawn, gained) - 0.5) / gain_of_perfect if gain_of_perfect > 0 else np.nan
        rows.append((_correlation(_mid_ranks(group, counts), value_rank, counts, size), captured, gain))
    return np.array(rows)


def _gains(group: np.ndarray, counts: np.ndarray, weighted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative shares of customers and of value from the highest group down, both from 0 to 1."""
    drawn = np.concatenate([[0.0], np.cumsum(np.bincount(group, counts))])
    gained = np.concatenate([[0.0], np.cumsum(np.bincount(group, weighted))])
    return drawn / drawn[-1], gained / gained[-1]


def _area(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.trapezoid(y, x))


def _mid_ranks(group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    size_of_group = np.bincount(group, counts)
    return (np.cumsum(size_of_group) - size_of_group / 2)[group]


def _correlation(first: np.ndarray, second: np.ndarray, counts: np.ndarray, size: float) -> float:
    first, second = (ranks - (counts @ ranks) / size for ranks in (first, second))
    spread = np.sqrt((counts @ first**2) * (counts @ second**2))
    return float(counts @ (first * second) / spread) if spread > 0 else np.nan
