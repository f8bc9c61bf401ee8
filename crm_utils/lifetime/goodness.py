"""How well a purchase model fits: purchases over time, by number, and in the hold-out, expected against actual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, count_problems, level_problems, missing_columns, raise_problems
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crm_utils.lifetime.purchases import PurchaseResults

# Curves of time are computed at so many points, closer together at the start, and interpolated.
_POINTS = 97
# With more kinds of customers than this, those whose parameters agree to a percent share a curve.
_MOST_KINDS = 1_000
# Starts that may lie in another period than the activity says, as a share of customers, before it is an error.
_MISPLACED = 0.05
_RECENCY_GROUPS = 6
_DECILES = 10


def frequency_table(results: PurchaseResults, *, largest: int = 7, level: float = 0.95) -> pd.DataFrame:
    """Customers by number of repeat purchases: actual against expected by the fitted model.

    Parameters
    ----------
    results : PurchaseResults
        A fitted purchase model.
    largest : int, default 7
        Customers with so many repeat purchases or more are one row; at least 1.
    level : float, default 0.95
        Probability of the range, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a number of repeat purchases: ``purchases`` (text; the last is "7+"), ``actual`` and ``expected``
        customers, and ``low`` and ``high``, between which the count of so many customers lies with probability `level`
        if the model and its estimates are right. ``attrs["chi_square"]`` is Σ(actual − expected)²/expected.

    Raises
    ------
    ParameterError
        If `largest` or `level` are not possible.

    Notes
    -----
    Each customer is given its own age and covariates. A sum of unequal chances is close to the binomial distribution of
    the same mean and variance, which gives the range; with equal ages it is that distribution. The model was fitted to
    these very counts, so that agreement is a necessary sign of a good model, not a sufficient one.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: equation 8 and section 5.

    Examples
    --------
    >>> from crm_utils.lifetime import BetaGeoNBD
    >>> fitted = BetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10],
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50],
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52],
    ...     weights=[30, 20, 12, 10, 10, 8, 6, 4],
    ... )
    >>> frequency_table(fitted, largest=3).round(1)
      purchases  actual  expected   low  high
    0         0    50.0      48.2  38.0  58.0
    1         1    22.0      24.3  16.0  33.0
    2         2    10.0      10.8   5.0  17.0
    3        3+    18.0      16.7  10.0  24.0
    """
    from scipy.stats import binom

    problems = count_problems("largest", largest, least=1) + level_problems(level)
    raise_problems("frequency_table", problems)
    frequency = np.minimum(results.histories["frequency"].to_numpy(), largest).astype(np.int64)
    actual = np.bincount(frequency, results.weights, largest + 1)
    expected, squares = np.zeros(largest + 1), np.zeros(largest + 1)
    for kind in _kinds(results, results.histories["age"].to_numpy()):
        chances = results.model._count_distribution(kind.params, kind.age, largest - 1)
        expected += kind.customers @ chances
        squares += kind.customers @ chances**2
    possible = expected > 0
    chance = np.divide(squares, expected, out=np.zeros(largest + 1), where=possible)
    tries = np.divide(expected**2, squares, out=np.ones(largest + 1), where=possible)
    whole = np.maximum(np.ceil(tries - 1e-9), 1)
    low, high = (binom.ppf(tail, whole, np.minimum(chance * tries / whole, 1)) for tail in _tails(level))
    table = pd.DataFrame(
        {"purchases": _count_labels(largest), "actual": actual, "expected": expected, "low": low, "high": high}
    )
    table.attrs["chi_square"] = float(((actual - expected)[possible] ** 2 / expected[possible]).sum())
    return table


def tracking_table(
    results: PurchaseResults, activity: pd.DataFrame, *, cumulative: bool = True, level: float = 0.95
) -> pd.DataFrame:
    """Repeat purchases over time: actual against expected by the fitted model.

    Parameters
    ----------
    results : PurchaseResults
        A purchase model fitted to these customers.
    activity : pandas.DataFrame
        Their purchases, from `purchases_by_period` with the `calibration_end` of the fit; periods of any length.
    cumulative : bool, default True
        Whether purchases add up from period to period.
    level : float, default 0.95
        Probability of the range, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a period: ``period_end``, ``in_holdout``, ``actual``, ``expected``, and ``low`` and ``high``, between
        which the purchases of as many customers with these first days lie with probability `level`, if the model and
        its estimates are right. The range holds for each period on its own, and does not cover the uncertainty of the
        estimates.

    Raises
    ------
    ParameterError
        If columns are missing, there is no calibration period, or the customers of `activity` are not those of the
        fit: every problem.

    Notes
    -----
    The expectation is that of customers of whom nothing but the day of the first purchase is known, before and after
    the end of calibration [1]_. The variance of a period (t₀, t₁] adds, over customers,
    E[X] + 2∫(v − t₀)·g(v) dv − E[X]² with the rate of pairs g of `beta_geometric_pairs`; a sum over many customers is
    near to normal.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: section 5, tracking of repeat transactions.

    Examples
    --------
    A hundred customers, of whom forty came ten weeks after the others:

    >>> from crm_utils.lifetime import ModifiedBetaGeoNBD
    >>> fitted = ModifiedBetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 6],
    ...     recency=[0, 0, 4, 30, 9, 45],
    ...     age=[50, 40, 50, 40, 50, 50],
    ...     weights=[25, 30, 15, 10, 12, 8],
    ... )
    >>> activity = pd.DataFrame({
    ...     "period_end": pd.to_datetime(["2024-01-16", "2024-03-26", "2024-12-31"]),
    ...     "purchases": [0, 20, 77], "new_customers": [60, 40, 0], "in_holdout": [False, False, False]})
    >>> tracking_table(fitted, activity).round({"expected": 1, "low": 1, "high": 1})
      period_end  in_holdout  actual  expected   low   high
    0 2024-01-16       False       0       0.0   0.0    0.0
    1 2024-03-26       False      20      22.7  12.1   33.3
    2 2024-12-31       False      97      98.9  67.2  130.6
    """
    from scipy.stats import norm

    where = "tracking_table"
    needed = ("period_end", "purchases", "new_customers", "in_holdout")
    raise_problems(where, missing_columns(activity, needed, "activity") + level_problems(level))
    ends = pd.DatetimeIndex(activity["period_end"])
    in_holdout = activity["in_holdout"].to_numpy(dtype=bool)
    if in_holdout.all() or not ends.is_monotonic_increasing or not ends.is_unique:
        raise_problems(where, ["activity must be in the order of time and have a period of calibration"])
    offsets = (ends - ends[~in_holdout][-1]).days.to_numpy()
    days_per_unit = _days_per_unit(results)
    age_days = np.rint(results.histories["age"].to_numpy() * days_per_unit).astype(np.int64)
    raise_problems(where, _cohort_problems(results, age_days, offsets, activity["new_customers"].to_numpy()))

    expected, variance = np.zeros(len(ends)), np.zeros(len(ends))
    for kind in _kinds(results, age_days):
        mean, first, second = _curves(results, kind.params, int(kind.age.max() + offsets[-1]), days_per_unit)
        until = np.maximum(kind.age[:, None] + offsets, 0)
        since = np.zeros_like(until)
        if not cumulative:
            since[:, 1:] = until[:, :-1]
        of_mean = mean[until] - mean[since]
        # Factorial moment E[X(X − 1)] of the period.
        pairs = 2 * (second[until] - second[since] - since / days_per_unit * (first[until] - first[since]))
        expected += kind.customers @ of_mean
        variance += kind.customers @ np.maximum(of_mean + pairs - of_mean**2, 0)
    purchases = activity["purchases"].to_numpy()
    reach = norm.ppf((1 + level) / 2) * np.sqrt(variance)
    return pd.DataFrame(
        {
            "period_end": ends,
            "in_holdout": in_holdout,
            "actual": purchases.cumsum() if cumulative else purchases,
            "expected": expected,
            "low": np.maximum(expected - reach, 0),
            "high": expected + reach,
        }
    )


def holdout_table(
    results: PurchaseResults,
    purchases: Any,
    *,
    horizon: float,
    by: Literal["frequency", "recency", "expected"] = "frequency",
    largest: int = 7,
    level: float = 0.95,
) -> pd.DataFrame:
    """Purchases in the hold-out: actual against expected given each customer's history, by group of customers.

    Parameters
    ----------
    results : PurchaseResults
        A fitted purchase model, with one row a customer.
    purchases : array-like of float, shape (customers,)
        Actual purchases of each customer in the hold-out, such as ``holdout_purchases`` of `calibration_summary`. A
        series is matched by its index, anything else by position.
    horizon : float
        Length of the hold-out, in the unit of the data; above 0.
    by : {"frequency", "recency", "expected"}, default "frequency"
        Group by repeat purchases so far; by the time of the last of them, in six groups of like size after those
        without any; or by tenths of customers from the lowest expectation to the highest.
    largest : int, default 7
        Customers with so many repeat purchases or more are one group; at least 1.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a group that has customers: ``group``, ``customers``, ``actual`` purchases a customer with interval
        ``low`` to ``high``, and ``expected`` purchases a customer.

    Raises
    ------
    ParameterError
        If purchases do not match the customers, rows stand for several customers, or an option is not possible: every
        problem.

    Notes
    -----
    The interval is the exact one of a Poisson mean, its counts divided by the dispersion (variance over mean, at least
    1): customers differ, so that purchases vary more than a Poisson number; and a group without purchases still gets an
    upper limit.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: section 5, conditional expectations.

    Examples
    --------
    >>> from crm_utils.lifetime import BetaGeoNBD
    >>> from crm_utils.lifetime.simulation import simulate_histories
    >>> params = {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0}
    >>> customers = simulate_histories(BetaGeoNBD(), params, np.full(2_000, 52.0), seed=1, horizon=26)
    >>> fitted = BetaGeoNBD().fit(customers["frequency"], customers["recency"], customers["age"])
    >>> table = holdout_table(fitted, customers["purchases_ahead"], horizon=26, largest=4)
    >>> table["group"].tolist()
    ['0', '1', '2', '3', '4+']
    >>> bool(table["expected"].between(table["low"], table["high"]).all())
    True
    """
    where = "holdout_table"
    problems = count_problems("largest", largest, least=1) + level_problems(level)
    if by not in ("frequency", "recency", "expected"):
        problems.append(f"by must be 'frequency', 'recency' or 'expected', and is {by!r}")
    if not 0 < horizon < np.inf:
        problems.append(f"horizon must be above 0, and is {horizon!r}")
    if (results.weights != 1).any():
        problems.append("the model was fitted with weights; a hold-out needs one row a customer")
    actual = _matched(purchases, results.histories.index, problems)
    raise_problems(where, problems)
    expected = results.expected_purchases(horizon).to_numpy()
    group, labels = _groups(results, expected, by, largest)
    customers = np.bincount(group, minlength=len(labels))
    total, squares = (np.bincount(group, values, len(labels)) for values in (actual, actual**2))
    low, high = _mean_interval(customers, total, squares, level)
    table = pd.DataFrame(
        {
            "group": labels,
            "customers": customers,
            "actual": total / np.maximum(customers, 1),
            "low": low,
            "high": high,
            "expected": np.bincount(group, expected, len(labels)) / np.maximum(customers, 1),
        }
    )
    return table[customers > 0].reset_index(drop=True)


def plot_frequency(results: PurchaseResults, *, largest: int = 7, ax: Axes | None = None) -> Axes:
    """Draw customers by number of repeat purchases, actual against expected.

    Parameters
    ----------
    results : PurchaseResults
        A fitted purchase model.
    largest : int, default 7
        Customers with so many repeat purchases or more are one bar; at least 1.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    frequency_table : the numbers.
    """
    from matplotlib.ticker import StrMethodFormatter

    table = frequency_table(results, largest=largest)
    ax = new_axes(ax)
    place = np.arange(len(table))
    ax.bar(place - 0.2, table["actual"], 0.4, color=PALETTE[0], label=tr("actual"))
    ax.bar(place + 0.2, table["expected"], 0.4, color=PALETTE[1], label=tr("expected"))
    ax.errorbar(
        place + 0.2,
        table["expected"],
        yerr=_reach(table["expected"], table["low"], table["high"]),
        fmt="none",
        ecolor=PALETTE[6],
        elinewidth=1.2,
        capsize=3,
        label=tr("95% by chance"),
    )
    ax.set_xticks(place, table["purchases"])
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.grid(visible=False, axis="x")
    ax.set(
        xlabel=tr("Repeat purchases"),
        ylabel=tr("Customers"),
        title=tr("Customers by repeat purchases"),
    )
    _legend_above(ax, table)
    outside = ((table["actual"] < table["low"]) | (table["actual"] > table["high"])).sum()
    return describe(
        ax,
        tr(
            "Pairs of bars by number of repeat purchases. Without any: {actual:,.0f} customers, {expected:,.0f} "
            "expected; with {most}: {actual_most:,.0f}, {expected_most:,.0f} expected. {outside} of {groups} counts "
            "lie outside the range of chance."
        ).format(
            actual=table["actual"].iloc[0],
            expected=table["expected"].iloc[0],
            most=table["purchases"].iloc[-1],
            actual_most=table["actual"].iloc[-1],
            expected_most=table["expected"].iloc[-1],
            outside=outside,
            groups=len(table),
        ),
    )


def plot_tracking(
    results: PurchaseResults, activity: pd.DataFrame, *, cumulative: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw repeat purchases over time, actual against expected, with the end of calibration marked.

    Parameters
    ----------
    results : PurchaseResults
        A purchase model fitted to these customers.
    activity : pandas.DataFrame
        Their purchases, from `purchases_by_period`.
    cumulative : bool, default True
        Whether purchases add up from period to period. Where they do not, a last period that the end of the hold-out
        cuts short is not drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    tracking_table : the numbers.
    """
    from matplotlib.dates import AutoDateLocator, DateFormatter
    from matplotlib.ticker import StrMethodFormatter

    table = tracking_table(results, activity, cumulative=cumulative)
    shown = table if cumulative else _whole_periods(table)
    ax = new_axes(ax)
    day = shown["period_end"].to_numpy()
    ax.fill_between(
        day, shown["low"], shown["high"], color=PALETTE[1], alpha=0.25, linewidth=0, label=tr("95% by chance")
    )
    ax.plot(day, shown["expected"], color=PALETTE[1], linestyle="--", label=tr("expected"))
    ax.plot(day, shown["actual"], color=PALETTE[0], label=tr("actual"))
    ax.margins(x=0.01)
    if shown["in_holdout"].any():
        end = day[~shown["in_holdout"].to_numpy()][-1]
        ax.axvline(end, ymax=0.9, color=MUTED, linewidth=1, linestyle=":")
        for side, name in (("right", tr("calibration")), ("left", tr("hold-out"))):
            ax.annotate(
                name,
                (end, 0.9),
                xycoords=("data", "axes fraction"),
                xytext=(-5 if side == "right" else 5, 0),
                textcoords="offset points",
                ha=side,
                va="top",
                color="#5A5F67",
            )
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    span = (day[-1] - day[0]) / np.timedelta64(1, "D")
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m" if span > 150 else "%Y-%m-%d"))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(
        xlabel=tr("End of the period"),
        ylabel=tr("Repeat purchases so far") if cumulative else tr("Repeat purchases in the period"),
        title=tr("Repeat purchases over time"),
    )
    _legend_above(ax, shown)
    return describe(ax, _tracking_text(table, cumulative))


def plot_holdout(
    results: PurchaseResults,
    purchases: Any,
    *,
    horizon: float,
    by: Literal["frequency", "recency", "expected"] = "frequency",
    largest: int = 7,
    ax: Axes | None = None,
) -> Axes:
    """Draw purchases a customer in the hold-out, actual with intervals against expected, by group of customers.

    Parameters
    ----------
    results, purchases, horizon, by, largest
        As of `holdout_table`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    holdout_table : the numbers.
    """
    table = holdout_table(results, purchases, horizon=horizon, by=by, largest=largest)
    ax = new_axes(ax)
    place = np.arange(len(table))
    ax.errorbar(
        place,
        table["actual"],
        yerr=_reach(table["actual"], table["low"], table["high"]),
        fmt="o",
        color=PALETTE[0],
        ecolor=MUTED,
        elinewidth=2,
        markersize=6,
        label=tr("actual (95% interval)"),
    )
    ax.plot(place, table["expected"], color=PALETTE[1], linestyle="--", marker="D", markersize=5, label=tr("expected"))
    units = {"day": tr("days"), "week": tr("weeks"), "month": tr("months"), "year": tr("years")}
    labels = {
        "frequency": tr("Repeat purchases in the calibration period"),
        "recency": tr("Time from first to last purchase ({unit})").format(unit=units[results.model.unit]),
        "expected": tr("Tenth of customers, from the lowest expectation"),
    }
    ax.set_xticks(place, table["group"])
    ax.grid(visible=False, axis="x")
    ax.set(
        xlabel=labels[by],
        ylabel=tr("Hold-out purchases a customer"),
        title=tr("What customers did next"),
    )
    _legend_above(ax, table)
    within = ((table["expected"] >= table["low"]) & (table["expected"] <= table["high"])).sum()
    return describe(
        ax,
        tr(
            "Points with intervals and a line over {groups} groups of customers. Purchases a customer in the hold-out "
            "go from {first:.2f} ({first_expected:.2f} expected) to {last:.2f} ({last_expected:.2f} expected); the "
            "expectation lies within the interval in {within} groups."
        ).format(
            groups=len(table),
            first=table["actual"].iloc[0],
            first_expected=table["expected"].iloc[0],
            last=table["actual"].iloc[-1],
            last_expected=table["expected"].iloc[-1],
            within=within,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Kind:
    """Customers with the same parameters, by age."""

    params: tuple[float, ...]
    age: np.ndarray
    customers: np.ndarray


def _kinds(results: PurchaseResults, age: np.ndarray) -> Iterator[_Kind]:
    """Sort customers by parameters and age, each pair once."""
    params = results._parameters(results.params.to_numpy())
    if not any(np.ndim(values) for values in params):
        ages, place = np.unique(age, return_inverse=True)
        yield _Kind(tuple(map(float, params)), ages, np.bincount(place, results.weights))
        return
    table = pd.DataFrame(np.column_stack([np.broadcast_to(values, len(age)) for values in params]))
    names = list(table.columns)
    if len(table.drop_duplicates()) > _MOST_KINDS:
        table = np.exp(np.log(table).round(2))
    table = table.assign(age=age, customers=results.weights)
    merged = table.groupby([*names, "age"], sort=True)["customers"].sum().reset_index()
    for of_kind, rows in merged.groupby(names, sort=True):
        yield _Kind(tuple(map(float, of_kind)), rows["age"].to_numpy(), rows["customers"].to_numpy())


def _curves(
    results: PurchaseResults, params: tuple[float, ...], days: int, days_per_unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected purchases by each day since the first, and ∫g(v) dv and ∫v·g(v) dv of the rate g of pairs."""
    from scipy.interpolate import CubicSpline

    logs = np.linspace(0, np.log1p(max(days, 1)), _POINTS)
    time = np.expm1(logs) / days_per_unit
    by_log = results.model._pair_rate(params, time) * np.exp(logs) / days_per_unit
    each_day = np.log1p(np.arange(days + 1))
    return (
        CubicSpline(logs, results.model._expected_new(params, time))(each_day),
        CubicSpline(logs, by_log).antiderivative()(each_day),
        CubicSpline(logs, by_log * time).antiderivative()(each_day),
    )


def _days_per_unit(results: PurchaseResults) -> float:
    from crm_utils.lifetime.purchases import PERIODS_PER_YEAR

    return 365.25 / PERIODS_PER_YEAR[results.model.unit]


def _cohort_problems(
    results: PurchaseResults, age_days: np.ndarray, offsets: np.ndarray, new_customers: np.ndarray
) -> list[str]:
    """Say where the customers of the activity are not those of the fit."""
    counted = new_customers.sum()
    if abs(counted - results.customers) > 0.5:
        problem = (
            f"activity has {counted:,.0f} customers, and the model was fitted to {results.customers:,.0f}; give the "
            "order lines and the calibration_end from which its histories were made"
        )
        return [problem]
    starts = np.minimum(np.searchsorted(offsets, -age_days), len(offsets) - 1)
    misplaced = np.abs(np.bincount(starts, results.weights, len(offsets)) - new_customers).sum() / 2
    if misplaced > _MISPLACED * counted:
        problem = (
            f"by their age, {misplaced:,.0f} of {counted:,.0f} customers started in another period than in activity; "
            f"the calibration_end must be the same, and the unit of the model ({results.model.unit!r}) that of age"
        )
        return [problem]
    return []


def _matched(purchases: Any, index: pd.Index, problems: list[str]) -> np.ndarray:
    """Purchases of each customer as numbers, in the order of the histories."""
    if np.ndim(purchases) != 1 or len(purchases) != len(index):
        problems.append(f"purchases must have one number a customer, that is {len(index):,}")
        return np.zeros(len(index))
    if isinstance(purchases, pd.Series) and not purchases.index.equals(index):
        if not purchases.index.is_unique or not purchases.index.isin(index).all():
            problems.append("the index of purchases must hold the customers of the fit; else give an array")
            return np.zeros(len(index))
        purchases = purchases.reindex(index)
    numbers = as_numbers(purchases, "purchases", problems)
    if (numbers < 0).any():
        problems.append(f"purchases must be 0 or more; {(numbers < 0).sum():,} are not")
    return numbers


def _groups(results: PurchaseResults, expected: np.ndarray, by: str, largest: int) -> tuple[np.ndarray, list[str]]:
    """Number of the group of each customer, and the labels of the groups."""
    frequency = results.histories["frequency"].to_numpy()
    if by == "frequency":
        return np.minimum(frequency, largest).astype(np.int64), _count_labels(largest)
    if by == "expected":
        # Equal expectations share a rank, so that the order of rows does not matter.
        rank = pd.Series(expected).rank(pct=True).to_numpy()
        return np.ceil(rank * _DECILES - 1e-9).astype(np.int64) - 1, [str(i + 1) for i in range(_DECILES)]
    recency = results.histories["recency"].to_numpy()
    group = np.zeros(len(recency), dtype=np.int64)
    labels = [tr("none")]
    again = frequency > 0
    if again.any():
        cuts = np.unique(np.quantile(recency[again], np.arange(1, _RECENCY_GROUPS) / _RECENCY_GROUPS))
        group[again] = 1 + np.searchsorted(cuts, recency[again])
        digits = 0 if recency.max() >= 20 else 1
        for number in range(1, len(cuts) + 2):
            within = recency[group == number]
            labels.append(f"{within.min():.{digits}f}–{within.max():.{digits}f}" if len(within) else "")
    return group, labels


def _mean_interval(
    customers: np.ndarray, total: np.ndarray, squares: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Exact interval of a Poisson mean, with the counts divided by the dispersion."""
    from scipy.stats import chi2

    safe = np.maximum(customers, 1)
    spread = (squares - total**2 / safe) / np.maximum(customers - 1, 1)
    dispersion = np.maximum(np.divide(spread * safe, total, out=np.ones(len(total)), where=total > 0), 1)
    tail, upper = _tails(level)
    low = np.where(total > 0, chi2.ppf(tail, 2 * np.maximum(total, 1e-12) / dispersion), 0) * dispersion / 2 / safe
    high = chi2.ppf(upper, 2 * total / dispersion + 2) * dispersion / 2 / safe
    return low, high


def _whole_periods(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out a last period cut short, which would look like a slump."""
    lengths = table["period_end"].diff().iloc[1:]
    cut_short = len(lengths) > 1 and lengths.iloc[-1] < 0.75 * lengths.median()
    return table.iloc[:-1] if cut_short else table


def _tracking_text(table: pd.DataFrame, cumulative: bool) -> str:
    held_out = table["in_holdout"].to_numpy()
    values = table[["actual", "expected"]]
    if cumulative:
        values = values.diff().fillna(values.iloc[[0]])
    shown = (
        tr("Two lines of repeat purchases so far, with a band of chance around the expected one.")
        if cumulative
        else tr("Two lines of repeat purchases in each period, with a band of chance around the expected one.")
    )
    before = tr("In calibration: {actual:,.0f}, {expected:,.0f} expected.").format(**values[~held_out].sum())
    if not held_out.any():
        return f"{shown} {before}"
    after = tr("In the hold-out: {actual:,.0f}, {expected:,.0f} expected.").format(**values[held_out].sum())
    return f"{shown} {before} {after}"


def _count_labels(largest: int) -> list[str]:
    return [*map(str, range(largest)), f"{largest}+"]


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _reach(middle: pd.Series, low: pd.Series, high: pd.Series) -> np.ndarray:
    return np.maximum([middle - low, high - middle], 0)


def _legend_above(ax: Axes, table: pd.DataFrame) -> None:
    """Keep room for a legend of one line above everything that is drawn."""
    ax.set_ylim(0, 1.28 * float(table[["actual", "expected", "high"]].to_numpy().max()) or 1.0)
    legend = ax.legend(loc="upper left", ncols=3, columnspacing=1, handlelength=1.4, handletextpad=0.5, borderaxespad=0)
    # The axes keep their width where they are narrower than the legend.
    legend.set_in_layout(False)
