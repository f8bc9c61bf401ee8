"""How well simple value scores predict what customers buy next, on a hold-out period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

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
from crm_utils.plotting import describe, draw_intervals, new_axes
from crm_utils.value.rfm import rfm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEASURES = ("rank_correlation", "captured_share", "gini_gain")
_DAYS_A_MONTH = 365.25 / 12


def simple_scores(
    summary: pd.DataFrame,
    *,
    as_of: Any,
    bins: int = 5,
    active_within_days: int = 270,
    customer_col: str = "customer_id",
    first_purchase_col: str = "first_purchase",
    last_purchase_col: str = "last_purchase",
    frequency_col: str = "purchase_days",
    monetary_col: str = "revenue",
) -> pd.DataFrame:
    """Score customers by three rules that need no model.

    Parameters
    ----------
    summary : pandas.DataFrame
        Purchase summary up to `as_of`.
    as_of : date-like
        Day on which the prediction is made.
    bins : int, default 5
        Bins of the RFM scores, by rank quantiles.
    active_within_days : int, default 270
        A customer whose last purchase lies further back counts as lost in ``recent_rate``.
    customer_col, first_purchase_col, last_purchase_col, frequency_col, monetary_col : str
        Columns of `summary`.

    Returns
    -------
    pandas.DataFrame
        One row a customer: the customer column, ``past_revenue`` (the order that ABC analysis uses), ``rfm_sum`` (sum
        of the three scores; 0 without a purchase) and ``recent_rate`` (revenue a month since the first purchase, at
        least one month; 0 for lost customers).

    Raises
    ------
    ParameterError
        If options or columns are unusable.

    References
    ----------
    Wübben, M. & von Wangenheim, F. (2008). Instant customer base analysis: managerial heuristics often "get it right".
    *Journal of Marketing* 72(3), 82–93. The hiatus rule.

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b"],
    ...     "first_purchase": pd.to_datetime(["2025-01-01", "2024-01-01"]),
    ...     "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01"]),
    ...     "purchase_days": [9, 1],
    ...     "revenue": [900.0, 100.0],
    ... })
    >>> simple_scores(summary, as_of="2026-01-01", bins=2).round(1)
      customer_id  past_revenue  rfm_sum  recent_rate
    0           a         900.0        6         75.1
    1           b         100.0        3          0.0
    """
    problems = missing_columns(summary, (first_purchase_col,), "summary")
    if not active_within_days > 0:
        problems.append(f"active_within_days must be above 0, and is {active_within_days!r}")
    raise_problems("simple_scores", problems)
    scored = rfm(
        summary,
        as_of=as_of,
        bins=bins,
        customer_col=customer_col,
        last_purchase_col=last_purchase_col,
        frequency_col=frequency_col,
        monetary_col=monetary_col,
    )
    age_days = (pd.Timestamp(as_of) - summary[first_purchase_col]).dt.days.to_numpy(dtype=float)
    months = np.maximum(age_days / _DAYS_A_MONTH, 1)
    active = scored["recency_days"].to_numpy(dtype=float, na_value=np.inf) <= active_within_days
    scores = scored[["r_score", "f_score", "m_score"]].sum(axis=1, skipna=False).fillna(0)
    return pd.DataFrame(
        {
            customer_col: scored[customer_col],
            "past_revenue": scored["monetary"],
            "rfm_sum": scores.astype(int),
            "recent_rate": np.where(active, scored["monetary"] / months, 0.0),
        }
    )


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
    methods = [column for column in scores.columns if column != customer_col]
    chosen = methods if benchmarks is None else list(benchmarks)
    problems = resampling_problems(n_boot, level)
    if not 0 < top < 1:
        problems.append(f"top must lie between 0 and 1, and is {top!r}")
    if unknown := [name for name in chosen if name not in methods]:
        problems.append(f"benchmarks names {', '.join(map(str, unknown))}; the methods are {', '.join(methods)}")
    if not methods or not chosen:
        problems.append("scores needs at least one column besides the customer, and benchmarks at least one method")
    absent = missing_columns(scores, (customer_col,), "scores")
    brought = outcome
    if isinstance(outcome, pd.Series):
        brought = outcome.rename_axis(customer_col).rename(outcome_col).reset_index()
    absent += missing_columns(brought, (customer_col, outcome_col), "outcome")
    if not absent:
        problems += customer_problems(scores, customer_col, "scores")
        problems += customer_problems(brought, customer_col, "outcome")
        as_numbers(brought[outcome_col], f"outcome.{outcome_col}", problems)
        # Sorted by customer, so that the order of the rows does not reach the resampling.
        scores = scores.sort_values(customer_col, kind="stable")
        given = {method: as_numbers(scores[method], f"scores.{method}", problems) for method in methods}
    raise_problems("prediction_accuracy", absent + problems)
    value = brought.set_index(customer_col)[outcome_col].reindex(scores[customer_col]).fillna(0).to_numpy(dtype=float)
    if value.sum() <= 0:
        raise_problems(
            "prediction_accuracy",
            [f"the scored customers brought {value.sum():g} in all; shares of it need a total above zero"],
        )

    groups = [_descending_groups(given[method]) for method in methods]
    perfect = _descending_groups(value)

    def measures(counts: np.ndarray) -> np.ndarray:
        return _accuracy(counts, value, groups, perfect, top)

    estimate = measures(np.ones(len(value)))
    replicates = bootstrap(lambda counts: measures(counts).ravel(), len(value), n_boot=n_boot, seed=seed)
    undefined = int(np.isnan(replicates[:, 1]).sum())
    replicates = replicates.reshape(n_boot, len(methods), len(_MEASURES))
    rows = []
    for position, method in enumerate(methods):
        for number, measure in enumerate(_MEASURES):
            best = _best(estimate[:, number], [methods.index(name) for name in chosen])
            pair = replicates[:, position, number], replicates[:, position, number] - replicates[:, best, number]
            low, high = percentile_interval(np.column_stack(pair), level=level)
            rows.append(
                {
                    "method": method,
                    "measure": measure,
                    "value": estimate[position, number],
                    "low": low[0],
                    "high": high[0],
                    "benchmark": methods[best],
                    "difference": estimate[position, number] - estimate[best, number],
                    "difference_low": low[1],
                    "difference_high": high[1],
                }
            )
    result = pd.DataFrame(rows)
    result.attrs["undefined_replicates"] = undefined
    return result


def accuracy_table(result: pd.DataFrame) -> pd.DataFrame:
    """One row a method, one column a measure and its interval.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `prediction_accuracy`.

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
    measure: Literal["rank_correlation", "captured_share", "gini_gain"] = "captured_share",
    ax: Axes | None = None,
) -> Axes:
    """Draw one accuracy measure of each method with its interval, the best on top.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `prediction_accuracy`.
    measure : {"rank_correlation", "captured_share", "gini_gain"}, default "captured_share"
        What to draw.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    accuracy_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter

    labels = {
        "rank_correlation": tr("Rank correlation with what customers brought next"),
        "captured_share": tr("Share of what known customers spent next, caught by the top of each list"),
        "gini_gain": tr("Gini gain (1 = perfect order, 0 = chance)"),
    }
    if measure not in labels:
        raise_problems("plot_accuracy", [f"measure must be one of {', '.join(labels)}, and is {measure!r}"])
    shown = result[(result["measure"] == measure) & result["value"].notna()].sort_values("value", ascending=False)
    value, low, high = (shown[column].to_numpy() for column in ("value", "low", "high"))
    known = {
        "past_revenue": tr("past revenue (ABC)"),
        "rfm_sum": tr("RFM score sum"),
        "recent_rate": tr("recent revenue rate"),
    }
    names = [known.get(method, str(method).replace("_", " ")) for method in shown["method"]]
    template = "{:.0%}" if measure == "captured_share" else "{:.2f}"
    ax = new_axes(ax)
    draw_intervals(ax, names, value, low, high, template=template)
    left, right = float(np.min(low, initial=0)), float(np.max(high, initial=0))
    ax.set_xlim(left, right + 0.12 * (right - left))
    if measure == "captured_share":
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlabel=labels[measure], title=tr("How well each method foresees the next period"))
    listed = "; ".join(f"{name} {template.format(number)}" for name, number in zip(names, value, strict=True))
    return describe(ax, tr("{label}, best method first: {listed}.").format(label=labels[measure], listed=listed))


def _descending_groups(scores: np.ndarray) -> np.ndarray:
    """Give each score the number of its group of equals, 0 for the highest."""
    return np.unique(-scores, return_inverse=True)[1]


def _best(values: np.ndarray, candidates: list[int]) -> int:
    comparable = [-np.inf if np.isnan(values[candidate]) else values[candidate] for candidate in candidates]
    return candidates[int(np.argmax(comparable))]


def _accuracy(
    counts: np.ndarray, value: np.ndarray, groups: list[np.ndarray], perfect: np.ndarray, top: float
) -> np.ndarray:
    """Measures of each method (rows) where customer i is drawn ``counts[i]`` times; NaN without a positive total."""
    weighted = counts * value
    size, total = counts.sum(), weighted.sum()
    if total <= 0:
        return np.full((len(groups), len(_MEASURES)), np.nan)
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
