"""Expected maximum profit of a churn model where the acceptance of the offer is uncertain (期望最大利润)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, resampling_problems, seed_problems
from crm_utils.churn.profit import LEAST_OF_EACH, Scored, cost_problems, read_scored
from crm_utils.intervals import bootstrap, percentile_interval

# Verbraken, Verbeke & Baesens (2013): customers of a telecommunication company, in euros; acceptance 0.3 on average.
VERBRAKEN_2013 = MappingProxyType({"clv": 200.0, "offer_cost": 10.0, "contact_cost": 1.0, "alpha": 6.0, "beta": 14.0})


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
    level: float

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

    def of_order(order: np.ndarray) -> float:
        lines = [np.concatenate([[0.0], np.cumsum(part[order])]) for part in (slope, cost)]
        return _expected(*lines, alpha, beta) / size

    # Without a model only all or nobody; with a perfect one, leavers by what they are worth.
    without = _expected(np.array([0.0, slope.sum()]), np.array([0.0, cost.sum()]), alpha, beta) / size
    return ExpectedMaximumProfit(
        profit=float(profit),
        profit_low=float(low[0]),
        profit_high=float(high[0]),
        share=float(share),
        share_low=float(low[1]),
        share_high=float(high[1]),
        profit_without_model=without,
        profit_perfect=of_order(np.lexsort((-scored.value, -left))),
        segments=_segments(scored, slope, cost, alpha, beta),
        customers=size,
        level=level,
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
