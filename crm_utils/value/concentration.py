"""How unequal customers are: Lorenz curve, Gini coefficient and the share held by the top customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_values, missing_columns, raise_problems, resampling_problems
from crm_utils.intervals import bootstrap, percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Above this many values the bootstrap costs seconds and the normal approximation is no worse.
_LINEARISE_ABOVE = 200_000
_TARGET = 0.8


def lorenz(values: Any) -> pd.DataFrame:
    """Lorenz curve: which share of the total the smallest p per cent of customers hold.

    Parameters
    ----------
    values : one-dimensional array-like
        One value a customer, in any unit and order; the total must be above zero. Negative values (customers who
        returned more than they kept) are allowed: the curve then dips below zero.

    Returns
    -------
    pandas.DataFrame
        ``population_share`` and ``value_share`` (fractions), one row a customer from the smallest value to the
        largest, after a first row (0, 0); the last row is (1, 1).

    Raises
    ------
    ParameterError
        If values are missing, infinite or not numbers, or the total is not above zero.

    References
    ----------
    Lorenz, M. O. (1905). Methods of measuring the concentration of wealth. *Publications of the American Statistical
    Association* 9(70), 209–219.

    Examples
    --------
    >>> lorenz([1, 1, 2])
       population_share  value_share
    0          0.000000         0.00
    1          0.333333         0.25
    2          0.666667         0.50
    3          1.000000         1.00
    """
    ordered = np.sort(as_values(values, "lorenz"))
    cumulative = np.concatenate([[0.0], np.cumsum(ordered)])
    return pd.DataFrame(
        {
            "population_share": np.arange(len(cumulative)) / len(ordered),
            "value_share": cumulative / cumulative[-1],
        }
    )


def gini(values: Any) -> float:
    """Gini coefficient: one minus twice the area below the Lorenz curve.

    The area is that of the empirical curve (trapezoids), without the small-sample factor n/(n − 1): one customer who
    holds everything among n gives (n − 1)/n.

    Parameters
    ----------
    values : one-dimensional array-like
        One value a customer; the total must be above zero. With negative values the coefficient can pass 1.

    Returns
    -------
    float
        0 where all are equal, towards 1 where one customer holds everything.

    Raises
    ------
    ParameterError
        If values are missing, infinite or not numbers, or the total is not above zero.

    References
    ----------
    Gini, C. (1912). *Variabilità e mutabilità*. Bologna: Cuppini.

    Examples
    --------
    >>> gini([3, 3, 3, 3])
    0.0
    >>> gini([0, 0, 0, 12])
    0.75
    """
    ordered = np.sort(as_values(values, "gini"))
    return float(_gini(ordered, np.ones(len(ordered))))


def top_share(values: Any, share: float = 0.2) -> float:
    """Share of the total that the top customers hold.

    Read off the Lorenz curve, with straight lines between customers: where `share` falls inside one customer, the
    matching part of that customer's value counts, so that neither ties nor order matter.

    Parameters
    ----------
    values : one-dimensional array-like
        One value a customer; the total must be above zero.
    share : float, default 0.2
        Share of customers, above 0 and up to 1.

    Returns
    -------
    float
        A fraction of the total; with negative values it can pass 1.

    Raises
    ------
    ParameterError
        If `share` lies outside its range or the values are unusable.

    Examples
    --------
    >>> top_share([70, 10, 10, 5, 5], 0.2)
    0.7
    """
    raise_problems("top_share", _share_problems([share]))
    ordered = np.sort(as_values(values, "top_share"))
    return float(_top_shares(ordered, np.ones(len(ordered)), np.array([share]))[0])


def concentration(
    values: Any,
    *,
    top: Sequence[float] = (0.01, 0.05, 0.1, 0.2),
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> pd.DataFrame:
    """Gini coefficient and top shares, each with an interval.

    Up to 200,000 values the interval is the bootstrap percentile interval over resampled customers; above that it is
    value ± z standard errors from the influence function, and the column ``method`` says so. Both are too narrow
    where the tail is so heavy that the variance does not exist.

    Parameters
    ----------
    values : one-dimensional array-like
        One value a customer; the total must be above zero.
    top : sequence of float, default (0.01, 0.05, 0.1, 0.2)
        Shares of customers, each above 0 and up to 1.
    n_boot : int, default 1000
        Bootstrap replicates.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        One row a measure: ``measure`` (``gini``; ``top_share_20`` for the share of value held by the top 20 per cent;
        ``customers_for_80`` for the share of customers who together bring 80 per cent of the value), ``value``,
        ``low``, ``high`` and ``method`` (``bootstrap`` or ``linearised``). ``attrs["undefined_replicates"]`` counts
        the replicates without a positive total, which are left out.

    Raises
    ------
    ParameterError
        If an option lies outside its range or the values are unusable.

    References
    ----------
    Efron, B. & Tibshirani, R. J. (1993). *An Introduction to the Bootstrap*, ch. 13. Chapman & Hall.
    Davidson, R. (2009). Reliable inference for the Gini index. *Journal of Econometrics* 150(1), 30–40.

    Examples
    --------
    >>> concentration([1, 2, 3, 4, 90], top=(0.2,), n_boot=200)[["measure", "value", "method"]].round(3)
                measure  value     method
    0              gini  0.720  bootstrap
    1      top_share_20  0.900  bootstrap
    2  customers_for_80  0.178  bootstrap
    """
    raise_problems("concentration", [*_share_problems(top), *resampling_problems(n_boot, level)])
    ordered = np.sort(as_values(values, "concentration"))
    shares = np.asarray(top, dtype=float)
    estimate = _measures(ordered, np.ones(len(ordered)), shares)
    undefined = 0
    if len(ordered) > _LINEARISE_ABOVE:
        from scipy.stats import norm

        margin = norm.ppf((1 + level) / 2) * _standard_errors(ordered, shares)
        low, high, method = estimate - margin, estimate + margin, "linearised"
    else:
        replicates = bootstrap(
            lambda counts: _measures(ordered, counts, shares), len(ordered), n_boot=n_boot, seed=seed
        )
        undefined = int(np.isnan(replicates[:, 0]).sum())
        (low, high), method = percentile_interval(replicates, level=level), "bootstrap"
    names = ["gini", *(f"top_share_{100 * share:g}" for share in shares), f"customers_for_{100 * _TARGET:g}"]
    result = pd.DataFrame({"measure": names, "value": estimate, "low": low, "high": high, "method": method})
    result.attrs["undefined_replicates"] = undefined
    return result


def concentration_table(result: pd.DataFrame) -> pd.DataFrame:
    """Put the measures of `concentration` into words.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `concentration`.

    Returns
    -------
    pandas.DataFrame
        ``measure`` (for people), ``value``, ``low`` and ``high``, all fractions of 1.

    Examples
    --------
    >>> concentration_table(concentration([1, 2, 3, 4, 90], top=(0.2,), n_boot=200))["measure"].tolist()
    ['Gini coefficient', 'share of the top 20%', 'customers who bring 80%']
    """

    def words(measure: str) -> str:
        number = measure.rpartition("_")[2]
        if measure.startswith("top_share_"):
            return tr("share of the top {number}%").format(number=number)
        if measure.startswith("customers_for_"):
            return tr("customers who bring {number}%").format(number=number)
        return tr("Gini coefficient")

    return result[["value", "low", "high"]].assign(measure=result["measure"].map(words))[
        ["measure", "value", "low", "high"]
    ]


def share_of_total(
    values: Any,
    members: Any,
    *,
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> tuple[float, float, float]:
    """Share of the total value that a group holds, with a bootstrap interval over customers.

    Parameters
    ----------
    values : one-dimensional array-like
        One value a customer; the total must be above zero.
    members : one-dimensional array-like of bool, same length
        Whether the customer belongs to the group.
    n_boot : int, default 1000
        Bootstrap replicates.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    tuple of float
        Share, and the ends of its percentile interval.

    Raises
    ------
    ParameterError
        If the values are unusable, the lengths differ or an option lies outside its range.

    Examples
    --------
    >>> round(share_of_total([1, 2, 3, 4], [True, False, False, True], n_boot=100)[0], 2)
    0.5
    """
    problems = resampling_problems(n_boot, level)
    numbers, inside = as_values(values, "share_of_total"), np.asarray(members, dtype=bool)
    if inside.shape != numbers.shape:
        problems.append(f"members has {inside.size:,} entries for {numbers.size:,} values; give one each")
    raise_problems("share_of_total", problems)
    of_group = np.where(inside, numbers, 0.0)

    def share(drawn: np.ndarray) -> np.ndarray:
        total = drawn @ numbers
        return np.array([drawn @ of_group / total if total > 0 else np.nan])

    low, high = percentile_interval(bootstrap(share, len(numbers), n_boot=n_boot, seed=seed), level=level)
    return float(of_group.sum() / numbers.sum()), float(low[0]), float(high[0])


def lorenz_table(curve: pd.DataFrame, *, top: Sequence[float] = (0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0)) -> pd.DataFrame:
    """Read chosen points off a Lorenz curve, counted from the top.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `lorenz`.
    top : sequence of float
        Shares of customers, each above 0 and up to 1.

    Returns
    -------
    pandas.DataFrame
        ``top_customer_share`` and the ``value_share`` they hold.

    Examples
    --------
    >>> lorenz_table(lorenz([70, 10, 10, 5, 5]), top=(0.2, 0.6)).round(2)
       top_customer_share  value_share
    0                 0.2          0.7
    1                 0.6          0.9
    """
    raise_problems(
        "lorenz_table", [*missing_columns(curve, ("population_share", "value_share"), "curve"), *_share_problems(top)]
    )
    shares = np.asarray(top, dtype=float)
    held = 1 - np.interp(1 - shares, curve["population_share"], curve["value_share"])
    return pd.DataFrame({"top_customer_share": shares, "value_share": held})


def plot_lorenz(curve: pd.DataFrame, *, top: float = 0.2, items: str = "customers", ax: Axes | None = None) -> Axes:
    """Draw a Lorenz curve with the Gini coefficient and the share of the top customers.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `lorenz`.
    top : float, default 0.2
        Share of customers to mark, above 0 and below 1.
    items : str, default "customers"
        What the curve counts, in the plural.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    lorenz_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter

    held = float(lorenz_table(curve, top=(top,))["value_share"].iloc[0])
    coefficient = 1 - 2 * np.trapezoid(curve["value_share"], curve["population_share"])
    drawn = curve.iloc[thinned(len(curve))]
    x, y = drawn["population_share"].to_numpy(), drawn["value_share"].to_numpy()
    ax = new_axes(ax)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    ax.fill_between(x, y, x, color=PALETTE[0], alpha=0.12, linewidth=0)
    ax.plot(x, y, color=PALETTE[0])
    ax.plot([1 - top] * 2, [1 - held, 1], color=PALETTE[3], linewidth=1.4, marker="o", markersize=4)
    ax.annotate(
        tr("Top {share:.0%} of {items}:\n{value:.0%} of value").format(share=top, items=tr(items), value=held),
        (1 - top, 1),
        xytext=(-8, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        color=PALETTE[3],
    )
    ax.text(0.4, 0.43, tr("all equal"), color=MUTED, ha="right", va="bottom")
    ax.text(
        0.03,
        0.94,
        tr("Gini {gini:.2f}").format(gini=coefficient),
        color=PALETTE[0],
        weight="bold",
        va="top",
        transform=ax.transAxes,
    )
    ax.set(
        xlim=(0, 1),
        ylim=(min(0.0, 1.05 * y.min()), 1.02),
        xlabel=tr("Share of {items}, from the smallest").format(items=tr(items)),
        ylabel=tr("Share of value"),
        title=tr("How unequal {items} are").format(items=tr(items)),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return describe(
        ax,
        tr("Lorenz curve: Gini coefficient {gini:.2f}; the top {share:.0%} of {items} hold {value:.0%}.").format(
            gini=coefficient, share=top, items=tr(items), value=held
        ),
    )


def _share_problems(shares: Sequence[float]) -> list[str]:
    outside = [share for share in shares if not 0 < share <= 1]
    if not outside:
        return []
    return [f"a share of customers must be above 0 and at most 1, and is {', '.join(map(str, outside))}"]


def _gini(ordered: np.ndarray, counts: np.ndarray) -> float:
    """Gini of ascending values drawn `counts` times: twice the covariance of value and rank, over the mean."""
    held = counts * ordered
    mid_rank = np.cumsum(counts) - counts / 2
    size = counts.sum()
    return 2 * (held @ mid_rank) / (size * held.sum()) - 1


def _top_shares(ordered: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    # The last interval of the interpolation must be the one drawn, so the curve is read from the top down.
    drawn, held = _from_the_top(ordered, counts)
    return np.interp(shares * drawn[-1], drawn, held) / held[-1]


def _from_the_top(ordered: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.concatenate([[0.0], np.cumsum(counts[::-1])])
    held = np.concatenate([[0.0], np.cumsum((counts * ordered)[::-1])])
    return drawn, held


def _measures(ordered: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Gini, top shares and the share of customers who bring the target; NaN where the total is not above zero."""
    drawn, held = _from_the_top(ordered, counts)
    size, total = drawn[-1], held[-1]
    if total <= 0:
        return np.full(len(shares) + 2, np.nan)
    # Only the rising part: interpolation needs it, and with negative values the curve falls after its peak.
    rising = 1 + int((ordered > 0).sum())
    needed = np.interp(_TARGET * total, held[:rising], drawn[:rising]) / size
    return np.array([_gini(ordered, counts), *(np.interp(shares * size, drawn, held) / total), needed])


def _standard_errors(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Estimate standard errors of `_measures` from the influence of each value."""
    size, mean = len(ordered), ordered.mean()
    estimate = _measures(ordered, np.ones(size), shares)
    rank = (np.arange(size) + 0.5) / size
    below = np.cumsum(ordered) / size
    gini_influence = (2 * (ordered * rank - below) - (estimate[0] + 1) * ordered) / mean
    influences = [gini_influence]
    for top, held in [*zip(shares, estimate[1:-1], strict=True), (estimate[-1], _TARGET)]:
        cut = np.quantile(ordered, 1 - top)
        influences.append((np.maximum(ordered - cut, 0) - held * ordered) / mean)
    # How far the customers needed must move to make up for a change of the share held there: the curve's slope.
    influences[-1] = -influences[-1] * mean / np.quantile(ordered, 1 - estimate[-1])
    return np.array([influence.std() for influence in influences]) / np.sqrt(size)
