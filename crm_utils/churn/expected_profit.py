"""Expected maximum profit of a churn model where the acceptance of the offer is uncertain (期望最大利润)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, is_number, raise_problems, resampling_problems, seed_problems
from crm_utils.churn.profit import LEAST_OF_EACH, Scored, cost_problems, read_scored
from crm_utils.intervals import bootstrap, percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, money, money_axis, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

# Verbraken, Verbeke & Baesens (2013): customers of a telecommunication company, in euros; acceptance 0.3 on average.
VERBRAKEN_2013 = MappingProxyType({"clv": 200.0, "offer_cost": 10.0, "contact_cost": 1.0, "alpha": 6.0, "beta": 14.0})

# Acceptance beyond which lies a thousandth of its distribution is not drawn.
_SELDOM = 0.999
_TABLE_ACCEPTANCE = tuple(np.arange(0, 101, 10) / 100)


@dataclass(frozen=True, eq=False)
class ExpectedMaximumProfit:
    """Expected maximum profit of a model, averaged over what the acceptance may be.

    Attributes
    ----------
    profit, profit_low, profit_high : float
        Expected maximum profit a customer, in money, with its bootstrap interval; NaN where fewer than five left or
        stayed.
    share, share_low, share_high : float
        Expected share of customers to contact, η̄, with its interval.
    profit_without_model : float
        The same for the better of contacting everybody and nobody.
    profit_perfect : float
        The same for a model that knows who leaves.
    segments : pandas.DataFrame
        One row a range of acceptance for which the same customers are contacted: ``acceptance_from``,
        ``acceptance_to``, ``weight`` (probability of the range), ``contacted``, ``share_contacted``, ``threshold``
        (lowest probability contacted; NaN for nobody), ``profit`` (what the range adds to `profit`).
    customers : int
        Customers.
    alpha, beta : float
        Parameters of the Beta distribution of the acceptance.
    level : float
        Confidence level.
    """

    profit: float
    profit_low: float
    profit_high: float
    share: float
    share_low: float
    share_high: float
    profit_without_model: float
    profit_perfect: float
    segments: pd.DataFrame
    customers: int
    alpha: float
    beta: float
    level: float
    _lines: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def share_of_attainable(self) -> float:
        """What the model gains over no model, as a share of what a perfect one would; NaN where that is nothing."""
        room = self.profit_perfect - self.profit_without_model
        return (self.profit - self.profit_without_model) / room if room > 0 else np.nan


def expected_maximum_profit(
    probability: Any,
    outcome: Any,
    *,
    clv: Any = VERBRAKEN_2013["clv"],
    offer_cost: float = VERBRAKEN_2013["offer_cost"],
    contact_cost: float = VERBRAKEN_2013["contact_cost"],
    alpha: float = VERBRAKEN_2013["alpha"],
    beta: float = VERBRAKEN_2013["beta"],
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 7,
) -> ExpectedMaximumProfit:
    """Work out the expected maximum profit measure for customer churn (EMPC).

    The share γ of contacted leavers who take the offer is not known, and has the density h of a Beta(α, β). For each γ
    the company contacts the customers that earn most, those with a probability above T(γ). With P as in
    `campaign_profit`,

        EMPC = ∫₀¹ P(T(γ); γ, CLV, δ, φ) h(γ) dγ,   η̄ = ∫₀¹ (π₀ F₀(T(γ)) + π₁ F₁(T(γ))) h(γ) dγ.

    The profit of the first k customers is a line in γ, γ Aₖ − Bₖ: A is the value of the leavers among them less the
    offer, Σ (CLVᵢ − d); B is f for each of them and d for each stayer. The highest line changes where the slope of the
    lower convex hull of the points (A, B), for one CLV the hull of the ROC curve, equals γ. Between two such points
    both integrals are differences of regularised incomplete beta functions, I(α, β) and α/(α + β) · I(α + 1, β), so
    that nothing is sampled and nothing rounded.

    Parameters
    ----------
    probability : array-like of float, shape (n,)
        Predicted probability of leaving, 0–1; only the order counts.
    outcome : array-like of int or bool, shape (n,)
        1 if the customer left, 0 if she stayed.
    clv : float or array-like of float, shape (n,), default 200
        Value of a customer who stays, in money, from 0: one for all as in the paper, or each her own, which is exact
        too.
    offer_cost : float, default 10
        Cost d of an offer that is taken.
    contact_cost : float, default 1
        Cost f of a contact.
    alpha, beta : float, default 6 and 14
        Parameters of the Beta distribution of γ, above 0; its mean is α/(α + β).
    level : float, default 0.95
        Confidence level.
    n_boot : int, default 500
        Bootstrap replicates of customers.
    seed : int, default 7
        Seed of the bootstrap.

    Returns
    -------
    ExpectedMaximumProfit
        Profit a customer, share to contact, and thresholds. The defaults are those of the paper, `VERBRAKEN_2013`.

    Raises
    ------
    ParameterError
        If arguments are out of range or of different lengths: every problem.
    DataFloorError
        If nobody left or nobody stayed.

    Notes
    -----
    The best customers are chosen with hindsight for every γ, so that a useless model on few customers gets more than
    `profit_without_model`; compare models on the same customers.

    References
    ----------
    .. [1] Verbraken, T., Verbeke, W. & Baesens, B. (2013). A novel profit maximizing metric for measuring
       classification performance of customer churn prediction models. IEEE Transactions on Knowledge and Data
       Engineering 25(5), 961–973.

    Examples
    --------
    One of four leaves and comes first. It pays to contact her where γ · 190 is above 1:

    >>> found = expected_maximum_profit([0.9, 0.5, 0.3, 0.1], [1, 0, 0, 0])
    >>> found.segments[["acceptance_from", "acceptance_to", "contacted", "threshold"]].round(4)
       acceptance_from  acceptance_to  contacted  threshold
    0           0.0000         0.0053        0.0        NaN
    1           0.0053         1.0000        1.0        0.9

    The mean of (γ · 190 − 1)/4 over γ, whose mean is 0.3:

    >>> round(found.profit, 4), round(found.share, 4)
    (14.0, 0.25)
    """
    problems = cost_problems(contact_cost=contact_cost, offer_cost=offer_cost)
    problems += [
        f"{name} must be a number above 0, and is {value!r}"
        for name, value in (("alpha", alpha), ("beta", beta))
        if not (is_number(value) and value > 0)
    ]
    problems += resampling_problems(n_boot, level) + seed_problems(seed)
    where = "expected_maximum_profit"
    scored = read_scored(where, problems, probability, outcome, clv, "clv")
    size, left = len(scored.outcome), scored.outcome
    slope = left * (scored.value - offer_cost)
    cost = contact_cost + offer_cost * (1 - left)

    def measure(times: np.ndarray | None) -> np.ndarray:
        lines = [scored.running(part, times) for part in (slope, cost)]
        kept, ends = _envelope(*lines)
        weight, mean = _beta_parts(ends, alpha, beta)
        reached = scored.running(np.ones(size), times)
        return np.array([mean @ lines[0][kept] - weight @ lines[1][kept], weight @ reached[kept]]) / size

    low = high = np.full(2, np.nan)
    if LEAST_OF_EACH <= left.sum() <= size - LEAST_OF_EACH:
        low, high = percentile_interval(bootstrap(measure, size, n_boot=n_boot, seed=seed), level=level)
    profit, share = measure(None)

    # Without a model only all or nobody; with a perfect one, leavers by what they are worth.
    perfect = np.lexsort((-scored.value, -left))
    totals = {
        "profit": (scored.running(slope), scored.running(cost)),
        "profit_without_model": (np.array([0.0, slope.sum()]), np.array([0.0, cost.sum()])),
        "profit_perfect": tuple(np.concatenate([[0.0], np.cumsum(part[perfect])]) for part in (slope, cost)),
    }
    return ExpectedMaximumProfit(
        profit=float(profit),
        profit_low=float(low[0]),
        profit_high=float(high[0]),
        share=float(share),
        share_low=float(low[1]),
        share_high=float(high[1]),
        profit_without_model=_expected(*totals["profit_without_model"], alpha, beta) / size,
        profit_perfect=_expected(*totals["profit_perfect"], alpha, beta) / size,
        segments=_segments(scored, slope, cost, alpha, beta),
        customers=size,
        alpha=float(alpha),
        beta=float(beta),
        level=level,
        _lines={name: _corners(*both, size) for name, both in totals.items()},
    )


def _envelope(slopes: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines γ · slope − cost that are highest somewhere on 0–1, and the ends of their ranges, from 0 to 1.

    The first line must be the one of contacting nobody; costs must not fall.
    """
    from scipy.optimize import isotonic_regression

    # A line that does not rise never beats the first. Of equal slopes only the first, which is the cheapest.
    rising = np.flatnonzero(slopes > 0)
    order = np.concatenate([[0], rising[np.argsort(slopes[rising], kind="stable")]])
    order = order[np.append(True, np.diff(slopes[order]) > 0)]
    if len(order) == 1:
        return order, np.array([0.0, 1.0])
    # Slopes of the lower convex hull are the increasing fit to the slopes between neighbours.
    rise = np.diff(slopes[order])
    hull = isotonic_regression(np.diff(costs[order]) / rise, weights=rise)
    # The fit is in blocks of neighbours; a corner of the hull is where one begins.
    corners, steps = order[hull.blocks], hull.x[hull.blocks[:-1]]
    inside = np.append(True, steps < 1)
    corners, starts = corners[inside], np.append(0.0, np.clip(steps[steps < 1], 0, 1))
    # Free of cost, the first step is at 0, and nobody is left out.
    wide = np.append(np.diff(starts) > 0, True)
    return corners[wide], np.append(starts[wide], 1.0)


def _corners(slopes: np.ndarray, costs: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Acceptance at which the best choice changes, from 0 to 1, and the profit a customer there; straight between."""
    kept, ends = _envelope(slopes, costs)
    best = np.append(kept, kept[-1])
    return ends, (ends * slopes[best] - costs[best]) / size


def _beta_parts(ends: np.ndarray, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each range of γ, and the integral of γ over it."""
    from scipy.special import betainc

    weight = np.diff(betainc(alpha, beta, ends))
    return weight, alpha / (alpha + beta) * np.diff(betainc(alpha + 1, beta, ends))


def _expected(slopes: np.ndarray, costs: np.ndarray, alpha: float, beta: float) -> float:
    kept, ends = _envelope(slopes, costs)
    weight, mean = _beta_parts(ends, alpha, beta)
    return float(mean @ slopes[kept] - weight @ costs[kept])


def _segments(scored: Scored, slope: np.ndarray, cost: np.ndarray, alpha: float, beta: float) -> pd.DataFrame:
    size = len(slope)
    slopes, costs, reached = (scored.running(part) for part in (slope, cost, np.ones(size)))
    kept, ends = _envelope(slopes, costs)
    weight, mean = _beta_parts(ends, alpha, beta)
    return pd.DataFrame(
        {
            "acceptance_from": ends[:-1],
            "acceptance_to": ends[1:],
            "weight": weight,
            "contacted": reached[kept],
            "share_contacted": reached[kept] / size,
            "threshold": np.concatenate([[np.nan], scored.threshold])[kept],
            "profit": (mean * slopes[kept] - weight * costs[kept]) / size,
        }
    )


def expected_profit_table(found: ExpectedMaximumProfit, *, acceptance: Sequence[float] | None = None) -> pd.DataFrame:
    """Read what the best choice of customers earns at each acceptance: table twin of `plot_expected_profit`.

    Parameters
    ----------
    found : ExpectedMaximumProfit
        As from `expected_maximum_profit`.
    acceptance : sequence of float, optional
        Shares of contacted leavers who take the offer, 0–1. Default: 0 %, 10 %, … 100 %.

    Returns
    -------
    pandas.DataFrame
        One row an acceptance: ``acceptance``, ``chance_of_less`` (probability, by the Beta distribution, that it is at
        most this), ``share_contacted`` (where two choices earn the same, the smaller), ``profit`` (a customer, with the
        best customers by the model contacted), ``profit_without_model``, ``profit_perfect``.

    Raises
    ------
    ParameterError
        If an acceptance is not between 0 and 1.

    Examples
    --------
    >>> found = expected_maximum_profit([0.9, 0.5, 0.3, 0.1], [1, 0, 0, 0], n_boot=10)
    >>> expected_profit_table(found, acceptance=[0, 0.3]).drop(columns="chance_of_less")
       acceptance  share_contacted  profit  profit_without_model  profit_perfect
    0         0.0             0.00     0.0                  0.00             0.0
    1         0.3             0.25    14.0                  5.75            14.0
    """
    from scipy.special import betainc

    problems: list[str] = []
    asked = as_numbers(_TABLE_ACCEPTANCE if acceptance is None else acceptance, "acceptance", problems)
    if not problems and (bad := ~((asked >= 0) & (asked <= 1))).any():
        problems.append(
            f"acceptance must be between 0 and 1, and {bad.sum():,} are not (at positions {first_rows(bad)})"
        )
    raise_problems("expected_profit_table", problems)
    starts = found.segments["acceptance_from"].to_numpy()
    place = np.maximum(np.searchsorted(starts, asked, side="left") - 1, 0)
    table = pd.DataFrame(
        {
            "acceptance": asked,
            "chance_of_less": betainc(found.alpha, found.beta, asked),
            "share_contacted": found.segments["share_contacted"].to_numpy()[place],
        }
    )
    return table.assign(**{name: np.interp(asked, *line) for name, line in found._lines.items()})


def plot_expected_profit(found: ExpectedMaximumProfit, *, ax: Axes | None = None) -> Axes:
    """Draw the profit of the best choice of customers by acceptance, over how likely each acceptance is.

    The expected maximum profit is the mean of the line, weighted by the shaded density; it lies above the line at the
    mean acceptance, for who is contacted is chosen anew at each. `expected_profit_table` has the numbers.

    Parameters
    ----------
    found : ExpectedMaximumProfit
        As from `expected_maximum_profit`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    from matplotlib.ticker import PercentFormatter
    from scipy.stats import beta as beta_distribution

    chance = beta_distribution(found.alpha, found.beta)
    right, mean = float(chance.ppf(_SELDOM)), float(chance.mean())
    ax = new_axes(ax)
    # Between the ends, where the density may be infinite.
    inside = (np.arange(200) + 0.5) / 200 * right
    density = chance.pdf(inside)
    ax.fill_between(
        inside,
        0.6 * density / density.max(),
        color=MUTED,
        alpha=0.25,
        linewidth=0,
        transform=ax.get_xaxis_transform(),
        label=tr("how likely each acceptance is"),
    )
    styles = {
        "profit_perfect": {"color": MUTED, "linestyle": "--", "label": tr("all leavers first")},
        "profit": {"color": PALETTE[0], "label": tr("chosen by the model")},
        "profit_without_model": {"color": MUTED, "linestyle": ":", "label": tr("all or nobody")},
    }
    for name, style in styles.items():
        corners = found._lines[name][0]
        x = np.append(corners[corners < right], right)
        ax.plot(x, np.interp(x, *found._lines[name]), **style)
    label = tr("expected maximum profit {amount}").format(amount=money(found.profit))
    ax.plot([mean], [found.profit], color=PALETTE[3], marker="o", linestyle="none", label=label)
    if np.isfinite(found.profit_low):
        ax.vlines(mean, found.profit_low, found.profit_high, color=PALETTE[3], linewidth=2)
    ax.set_xlim(0, right)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    money_axis(ax.yaxis)
    ax.set_xlabel(tr("leavers contacted who take the offer"))
    ax.set_ylabel(tr("profit a customer"))
    ax.set_title(tr("Profit of the best choice of customers by acceptance"))
    ax.legend(loc="upper left")
    text = tr(
        "Line of the profit a customer by acceptance, from {first} to {last} at {right:.0%}, over the shaded Beta "
        "distribution of the acceptance with mean {mean:.0%}; the expected maximum profit is {profit}, {without} "
        "without a model and {perfect} with a perfect one."
    )
    amounts = {
        "first": found._lines["profit"][1][0],
        "last": np.interp(right, *found._lines["profit"]),
        "profit": found.profit,
        "without": found.profit_without_model,
        "perfect": found.profit_perfect,
    }
    # An expectation of what is seldom is no amount of its own beside the others.
    least = 1e-6 * found.profit_perfect
    written = {name: money(float(amount) if amount > least else 0.0) for name, amount in amounts.items()}
    return describe(ax, text.format(**written, right=right, mean=mean))
