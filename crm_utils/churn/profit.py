"""What a retention campaign earns: whom to contact, and where contacting one more stops to pay (挽留活动的利润)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    first_rows,
    index_problems,
    is_number,
    missing_columns,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import DataFloorError
from crm_utils.intervals import bootstrap, percentile_interval
from crm_utils.language import counted, tr
from crm_utils.plotting import MUTED, PALETTE, describe, money, money_axis, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# With fewer of either, resampling knows too little of them for an interval.
LEAST_OF_EACH = 5
_RANKS = ("probability", "expected_gain")
_TABLE_SHARES = (0.0, 0.05, *np.arange(1, 11) / 10)
_MOST = {
    "": "most profit",
    "capacity": "most profit within the capacity",
    "budget": "most profit within the budget",
    "limits": "most profit within the limits",
}
_CURVE = ("contacted", "share_contacted", "profit", "low", "high", "profit_at_random")


@dataclass(frozen=True, eq=False)
class Scored:
    """Customers of a finished period from the most to the least likely to leave, tied scores together.

    Attributes
    ----------
    outcome, value : numpy.ndarray of float, shape (n,)
        Whether each left, and what each is worth, in this order.
    order : numpy.ndarray of int, shape (n,)
        Position in the input.
    starts : numpy.ndarray of int, shape (ties,)
        Where each group of tied scores begins.
    threshold : numpy.ndarray of float, shape (ties,)
        Lowest probability in each group.
    """

    outcome: np.ndarray
    value: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    threshold: np.ndarray

    def running(self, amounts: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """Totals of the first 0, 1, … groups of ties, each customer taken so many times."""
        weighted = amounts if times is None else amounts * times
        return np.concatenate([[0.0], np.cumsum(np.add.reduceat(weighted, self.starts))])


def read_scored(
    where: str,
    problems: list[str],
    probability: Any,
    outcome: Any,
    value: Any,
    value_name: str,
    rank_by: Any = None,
) -> Scored:
    """Check scores, outcomes and values together, and put them in order; raises with all of `problems`.

    `rank_by`, where given, turns probabilities and values into what customers are ordered by.
    """
    numbers, values = read_probability_value(problems, probability, value, value_name)
    left = as_numbers(outcome, "outcome", problems)
    known = np.isfinite(left)
    if (bad := known & ~np.isin(left, (0, 1))).any():
        problems.append(
            f"outcome must be 1 (left) or 0 (stayed), and {bad.sum():,} are neither (at positions {first_rows(bad)})"
        )
    if len(left) != len(numbers):
        problems.append(f"probability has {len(numbers):,} customers and outcome {len(left):,}; give one of each")
    problems += index_problems(probability=probability, outcome=outcome, **{value_name: value})
    raise_problems(where, problems)
    churners = int(left.sum())
    if not 0 < churners < len(left):
        raise DataFloorError(
            f"{where} needs customers who left and customers who stayed; of {len(left):,} there are {churners:,} who "
            "left. Take a longer outcome window."
        )
    score = numbers if rank_by is None else rank_by(numbers, values)
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
    threshold = np.minimum.reduceat(numbers[order], starts)
    return Scored(left[order], values[order], order, starts, threshold)


def read_probability_value(
    problems: list[str], probability: Any, value: Any, value_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of leaving, and values of the same customers; what is wrong with them is added to `problems`."""
    numbers = as_numbers(probability, "probability", problems)
    if (bad := (numbers < 0) | (numbers > 1)).any():
        problems.append(
            f"probability must lie between 0 and 1, and {bad.sum():,} of {len(bad):,} do not "
            f"(at positions {first_rows(bad)}); give probabilities, not scores or percentages"
        )
    single = is_number(value)
    values = np.full(len(numbers), float(value)) if single else as_numbers(np.atleast_1d(value), value_name, problems)
    if len(values) != len(numbers):
        problems.append(
            f"probability has {len(numbers):,} customers and {value_name} {len(values):,}; give one of each, or one "
            f"{value_name} for all"
        )
    if (bad := values < 0).any():
        shown = f"is {value!r}" if single else f"{bad.sum():,} are below (at positions {first_rows(bad)})"
        problems.append(f"{value_name} must be 0 or more, and {shown}")
    return numbers, values


def cost_problems(**costs: Any) -> list[str]:
    """Say which costs are not amounts of money from 0."""
    return [
        f"{name} must be a number of at least 0, and is {cost!r}"
        for name, cost in costs.items()
        if not (is_number(cost) and cost >= 0)
    ]


def share_problems(name: str, value: Any) -> list[str]:
    """Say what is wrong with a share, as a list of at most one problem."""
    return [] if is_number(value) and 0 <= value <= 1 else [f"{name} must lie between 0 and 1, and is {value!r}"]


def expected_gain(
    probability: np.ndarray, value: np.ndarray, *, contact_cost: float, offer_cost: float, acceptance: float
) -> np.ndarray:
    """Expected profit of contacting each customer: p γ (value − d) − (1 − p) d − f.

    Parameters
    ----------
    probability, value : numpy.ndarray of float, shape (n,)
        Probability of leaving, and value if she stays, in money.
    contact_cost, offer_cost, acceptance : float
        f, d and γ as for `campaign_profit`.

    Returns
    -------
    numpy.ndarray of float, shape (n,)
        Money a customer.

    Examples
    --------
    >>> gain = expected_gain(np.array([0.5]), np.array([200.0]), contact_cost=1, offer_cost=10, acceptance=0.3)
    >>> round(float(gain[0]), 9)
    22.5
    """
    return probability * acceptance * (value - offer_cost) - (1 - probability) * offer_cost - contact_cost


@dataclass(frozen=True, eq=False)
class _Campaign:
    """A scored customer base and what contacting each of them brought."""

    scored: Scored
    gain: np.ndarray
    spent: np.ndarray

    @property
    def size(self) -> int:
        return len(self.gain)

    def at(self, contacted: np.ndarray, amounts: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """Totals of the first so many customers; inside a tie, the mean over the orders that it can have."""
        reached = self.scored.running(np.ones(self.size), times)
        return np.interp(contacted, reached, self.scored.running(amounts, times))


def _read_campaign(
    where: str,
    problems: list[str],
    probability: Any,
    outcome: Any,
    *,
    value: Any,
    contact_cost: Any,
    offer_cost: Any,
    acceptance: Any,
    rank_by: Any,
) -> _Campaign:
    problems = cost_problems(contact_cost=contact_cost, offer_cost=offer_cost) + problems
    problems = share_problems("acceptance", acceptance) + problems
    if rank_by not in _RANKS:
        problems.append(f"rank_by must be one of {list(_RANKS)}, and is {rank_by!r}")
    costs = {"contact_cost": contact_cost, "offer_cost": offer_cost, "acceptance": acceptance}

    def by_gain(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
        return expected_gain(numbers, values, **costs)

    ranked = by_gain if rank_by == "expected_gain" else None
    scored = read_scored(where, problems, probability, outcome, value, "value", ranked)
    taken = np.where(scored.outcome == 1, acceptance, 1.0)
    return _Campaign(scored, expected_gain(scored.outcome, scored.value, **costs), contact_cost + offer_cost * taken)


def campaign_profit(
    probability: Any,
    outcome: Any,
    *,
    value: Any,
    contact_cost: float,
    offer_cost: float,
    acceptance: float,
    share: float | Sequence[float] | None = None,
    rank_by: str = "probability",
) -> pd.DataFrame:
    """Work out what contacting the customers most likely to leave would have earned in a finished period.

    Everybody contacted costs f. Who would leave accepts the offer with probability γ, costs d and keeps her value CLV;
    who would not leave takes the offer too and costs d. Of N customers, of whom the share π₀ leaves and π₁ = 1 − π₀
    stays, contact those with a probability above t; F₀(t) of the leavers and F₁(t) of the stayers are among them. With
    δ = d/CLV and φ = f/CLV the average profit is [1]_

        P(t; γ, CLV, δ, φ) = CLV (γ (1 − δ) − φ) π₀ F₀(t) − CLV (δ + φ) π₁ F₁(t).

    The share contacted is η = π₀ F₀ + π₁ F₁. With a value CLVᵢ for each customer it is the sum over those contacted of
    γ (CLVᵢ − d) − f for leavers and −d − f for stayers, over N.

    Parameters
    ----------
    probability : array-like of float, shape (n,)
        Predicted probability of leaving, 0–1, made before the period.
    outcome : array-like of int or bool, shape (n,)
        1 if the customer left in it, 0 if she stayed.
    value : float or array-like of float, shape (n,)
        Value of a customer who stays, in money, from 0.
    contact_cost : float
        Cost f of one contact.
    offer_cost : float
        Cost d of the offer to the company where it is taken.
    acceptance : float
        Share γ of contacted leavers who take the offer and stay, 0–1.
    share : float or sequence of float, optional
        Shares of customers to contact, 0–1, the likeliest to leave first. Default: tenths.
    rank_by : {"probability", "expected_gain"}, default "probability"
        What decides who comes first. "expected_gain" takes the value into account, by `expected_gain`.

    Returns
    -------
    pandas.DataFrame
        One row a share: ``share_contacted``, ``contacted``, ``churners_reached``, ``spent`` (contacts and offers
        taken), ``profit``, ``profit_per_customer`` (of all n). Where a share cuts through tied scores, the mean over
        the orders that the tie can have.

    Raises
    ------
    ParameterError
        If arguments are out of range or of different lengths: every problem.
    DataFloorError
        If nobody left or nobody stayed.

    Notes
    -----
    Whether leavers stay because of the offer is assumed by γ, not estimated; a randomised campaign measures it.

    References
    ----------
    .. [1] Verbraken, T., Verbeke, W. & Baesens, B. (2013). A novel profit maximizing metric for measuring
       classification performance of customer churn prediction models. IEEE Transactions on Knowledge and Data
       Engineering 25(5), 961–973 (average classification profit of a churn campaign).
    .. [2] Verbeke, W., Dejaeger, K., Martens, D., Hur, J. & Baesens, B. (2012). New insights into churn prediction in
       the telecommunication sector: a profit driven data mining approach. European Journal of Operational Research
       218(1), 211–229.

    Examples
    --------
    Two of four are contacted, one of them leaves: 0.3 · (200 − 10) − 1 = 56, and −10 − 1 for the other.

    >>> costs = {"value": 200, "contact_cost": 1, "offer_cost": 10, "acceptance": 0.3}
    >>> campaign_profit([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], share=0.5, **costs)[["contacted", "spent", "profit"]]
       contacted  spent  profit
    0        2.0   15.0    45.0
    """
    where, problems = "campaign_profit", []
    shares = np.arange(1, 11) / 10 if share is None else as_numbers(np.atleast_1d(share), "share", problems)
    if ((shares < 0) | (shares > 1)).any():
        problems.append(f"share must lie between 0 and 1, and is {share!r}")
    campaign = _read_campaign(
        where,
        problems,
        probability,
        outcome,
        value=value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        acceptance=acceptance,
        rank_by=rank_by,
    )
    contacted = shares * campaign.size
    churners, spent, profit = (
        campaign.at(contacted, part) for part in (campaign.scored.outcome, campaign.spent, campaign.gain)
    )
    return pd.DataFrame(
        {
            "share_contacted": contacted / campaign.size,
            "contacted": contacted,
            "churners_reached": churners,
            "spent": spent,
            "profit": profit,
            "profit_per_customer": profit / campaign.size,
        }
    )


def profit_of_calls(
    called: Any,
    outcome: Any,
    *,
    value: Any,
    contact_cost: float,
    offer_cost: float,
    acceptance: float,
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 7,
) -> pd.Series:
    """Work out what contacting customers earns whom a rule picked that was fixed beforehand.

    On the customers that a rule was chosen on, its profit is too good. On others it is not.

    Parameters
    ----------
    called : array-like of bool, shape (n,)
        Whom the rule picks, such as those above the threshold that `maximum_profit` found in an earlier period.
    outcome, value, contact_cost, offer_cost, acceptance
        As for `campaign_profit`.
    level : float, default 0.95
        Confidence level.
    n_boot : int, default 500
        Bootstrap replicates of customers.
    seed : int, default 7
        Seed of the bootstrap.

    Returns
    -------
    pandas.Series
        ``contacted``, ``share_contacted``, ``churners_reached``, ``spent``, ``profit``, ``profit_low``,
        ``profit_high``: the interval is NaN where fewer than five left or stayed.

    Raises
    ------
    ParameterError, DataFloorError
        As for `campaign_profit`.

    Examples
    --------
    >>> costs = {"value": 200, "contact_cost": 1, "offer_cost": 10, "acceptance": 0.3}
    >>> profit_of_calls([True, True, False, False], [1, 0, 1, 0], **costs)[["contacted", "profit"]].tolist()
    [2.0, 45.0]
    """
    where = "profit_of_calls"
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    picked = as_numbers(called, "called", problems)
    if (bad := np.isfinite(picked) & ~np.isin(picked, (0, 1))).any():
        problems.append(f"called must be True or False, and {bad.sum():,} are neither (at positions {first_rows(bad)})")
    problems += index_problems(called=called, outcome=outcome)
    campaign = _read_campaign(
        where,
        problems,
        np.where(np.isin(picked, (0, 1)), picked, 0.0),
        outcome,
        value=value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        acceptance=acceptance,
        rank_by="probability",
    )
    inside = picked[campaign.scored.order]
    gains = inside * campaign.gain
    low = high = np.nan
    if _enough(campaign.scored):
        drawn = bootstrap(lambda times: np.array([times @ gains]), campaign.size, n_boot=n_boot, seed=seed)
        (low,), (high,) = percentile_interval(drawn, level=level)
    return pd.Series(
        {
            "contacted": inside.sum(),
            "share_contacted": inside.mean(),
            "churners_reached": inside @ campaign.scored.outcome,
            "spent": inside @ campaign.spent,
            "profit": gains.sum(),
            "profit_low": low,
            "profit_high": high,
        }
    )


def profit_curve(
    probability: Any,
    outcome: Any,
    *,
    value: Any,
    contact_cost: float,
    offer_cost: float,
    acceptance: float,
    rank_by: str = "probability",
    points: int = 101,
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 7,
) -> pd.DataFrame:
    """Work out the profit by the number of customers contacted, with a band.

    Parameters
    ----------
    probability, outcome, value, contact_cost, offer_cost, acceptance, rank_by
        As for `campaign_profit`.
    points : int, default 101
        At most so many rows, at even distances.
    level : float, default 0.95
        Confidence level of the band, at each number contacted by itself.
    n_boot : int, default 500
        Bootstrap replicates; customers are drawn with their scores, values and outcomes.
    seed : int, default 7
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        ``contacted``, ``share_contacted``, ``threshold`` (lowest probability contacted; NaN for nobody),
        ``churners_reached``, ``spent``, ``profit``, ``low``, ``high``, ``profit_per_customer``, ``profit_at_random``
        (of as many taken blindly). The band is NaN where fewer than five left or stayed.

    Raises
    ------
    ParameterError, DataFloorError
        As for `campaign_profit`.

    Examples
    --------
    >>> costs = {"value": 200, "contact_cost": 1, "offer_cost": 10, "acceptance": 0.3}
    >>> curve = profit_curve([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], n_boot=50, **costs)
    >>> curve[["contacted", "threshold", "profit", "profit_at_random"]]
       contacted  threshold  profit  profit_at_random
    0          0        NaN     0.0               0.0
    1          1        0.9    56.0              22.5
    2          2        0.8    45.0              45.0
    3          3        0.3   101.0              67.5
    4          4        0.1    90.0              90.0
    """
    where = "profit_curve"
    problems = count_problems("points", points, least=2) + resampling_problems(n_boot, level) + seed_problems(seed)
    campaign = _read_campaign(
        where,
        problems,
        probability,
        outcome,
        value=value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        acceptance=acceptance,
        rank_by=rank_by,
    )
    size = campaign.size
    contacted = np.unique(np.linspace(0, size, min(points, size + 1)).round().astype(int))
    profit = campaign.at(contacted, campaign.gain)
    low, high = np.full((2, len(contacted)), np.nan)
    if _enough(campaign.scored):
        replicates = bootstrap(
            lambda times: campaign.at(contacted, campaign.gain, times), size, n_boot=n_boot, seed=seed
        )
        low, high = percentile_interval(replicates, level=level)
    return pd.DataFrame(
        {
            "contacted": contacted,
            "share_contacted": contacted / size,
            "threshold": _thresholds(campaign.scored, contacted),
            "churners_reached": campaign.at(contacted, campaign.scored.outcome),
            "spent": campaign.at(contacted, campaign.spent),
            "profit": profit,
            "low": low,
            "high": high,
            "profit_per_customer": profit / size,
            "profit_at_random": campaign.gain.sum() * contacted / size,
        }
    )


def _enough(scored: Scored) -> bool:
    return bool(LEAST_OF_EACH <= scored.outcome.sum() <= len(scored.outcome) - LEAST_OF_EACH)


def _thresholds(scored: Scored, contacted: np.ndarray) -> np.ndarray:
    """Lowest probability among the first so many; NaN for nobody."""
    lowest = np.minimum.accumulate(scored.threshold)
    tie = np.searchsorted(scored.starts, contacted, side="left") - 1
    return np.where(tie >= 0, lowest[np.maximum(tie, 0)], np.nan)


@dataclass(frozen=True)
class MaximumProfit:
    """The most that a campaign could have earned, and whom it contacts.

    Attributes
    ----------
    profit, profit_low, profit_high : float
        Profit in money of contacting `contacted` customers, with its bootstrap interval at that number; NaN where
        fewer than five left or stayed.
    profit_corrected : float
        Profit less its optimism: the best number was chosen on the same customers. NaN as the interval.
    profit_per_customer : float
        Profit over all customers.
    contacted, share_contacted, share_low, share_high : float
        Customers to contact; their share, with the interval of the best share.
    threshold : float
        Lowest probability contacted; NaN where it pays to contact nobody. By ``rank_by="expected_gain"`` it is no rule:
        customers of little value are left out above it.
    churners_reached, spent : float
        Leavers among them; money for contacts and offers taken.
    customers : int
        All customers.
    limited_by : str
        "capacity" or "budget" where as many are contacted as it allows and more contacts would have paid; else empty.
    level : float
        Confidence level.
    unlimited_contacted, unlimited_profit : float
        Customers to contact without limits, and the profit of that in money: what more calls could bring. The same as
        `contacted` and `profit` where no limit holds. More may pay although `contacted` is below the limit, where only
        a number beyond it earns more.
    """

    profit: float
    profit_low: float
    profit_high: float
    profit_corrected: float
    profit_per_customer: float
    contacted: float
    share_contacted: float
    share_low: float
    share_high: float
    threshold: float
    churners_reached: float
    spent: float
    customers: int
    limited_by: str
    level: float
    unlimited_contacted: float
    unlimited_profit: float

    @property
    def pays(self) -> bool:
        """Whether it pays to contact anybody."""
        return self.profit > 0


def maximum_profit(
    probability: Any,
    outcome: Any,
    *,
    value: Any,
    contact_cost: float,
    offer_cost: float,
    acceptance: float,
    capacity: int | None = None,
    budget: float | None = None,
    rank_by: str = "probability",
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 7,
) -> MaximumProfit:
    """Find the number of contacts that would have earned most, within what the team and the budget allow.

    Parameters
    ----------
    probability, outcome, value, contact_cost, offer_cost, acceptance, rank_by
        As for `campaign_profit`.
    capacity : int, optional
        At most so many contacts.
    budget : float, optional
        At most so much money for contacts and offers taken: f for each contact, d for each stayer and γ d for each
        leaver among them.
    level : float, default 0.95
        Confidence level.
    n_boot : int, default 500
        Bootstrap replicates; each chooses its own best number, which gives the interval of the share and the optimism.
    seed : int, default 7
        Seed of the bootstrap.

    Returns
    -------
    MaximumProfit
        Profit, share, threshold and intervals. Of numbers that earn the same, the smallest.

    Raises
    ------
    ParameterError, DataFloorError
        As for `campaign_profit`.

    Notes
    -----
    Optimism as in Efron & Tibshirani [1]_: the mean, over replicates, of the profit in the replicate at the share that
    is best there less the profit of the customers themselves at that share.

    References
    ----------
    .. [1] Efron, B. & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall, section 17.6.

    Examples
    --------
    >>> costs = {"value": 200, "contact_cost": 1, "offer_cost": 10, "acceptance": 0.3}
    >>> best = maximum_profit([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], n_boot=50, **costs)
    >>> best.profit, best.contacted, best.threshold
    (101.0, 3.0, 0.3)
    >>> one = maximum_profit([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], capacity=1, n_boot=50, **costs)
    >>> one.limited_by, one.profit, one.unlimited_contacted, one.unlimited_profit
    ('capacity', 56.0, 3.0, 101.0)
    """
    where = "maximum_profit"
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    if capacity is not None:
        problems += count_problems("capacity", capacity, least=0)
    if budget is not None:
        problems += cost_problems(budget=budget)
    campaign = _read_campaign(
        where,
        problems,
        probability,
        outcome,
        value=value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        acceptance=acceptance,
        rank_by=rank_by,
    )
    size, scored = campaign.size, campaign.scored

    def best(times: np.ndarray | None) -> tuple[float, float]:
        """Number of contacts that earns most within the limits, and what it earns."""
        allowed = _allowed(campaign, capacity, budget, times)
        # Between two groups of ties the profit is a straight line: the most is at an end of one, or at the limit.
        tried = scored.running(np.ones(size), times)
        tried = np.append(tried[tried < allowed], allowed)
        return _first_most(tried, campaign.at(tried, campaign.gain, times))

    contacted, profit = best(None)
    at = np.array([contacted])
    low = high = corrected = share_low = share_high = np.nan
    if _enough(scored):

        def replicate(times: np.ndarray) -> np.ndarray:
            number, most = best(times)
            return np.array([number, most, campaign.at(at, campaign.gain, times)[0]])

        drawn = bootstrap(replicate, size, n_boot=n_boot, seed=seed)
        (share_low, _, low), (share_high, _, high) = percentile_interval(drawn, level=level)
        corrected = float(profit - (drawn[:, 1] - campaign.at(drawn[:, 0], campaign.gain)).mean())
    free, most_of_all = _best_without_limits(campaign)
    limits = {"capacity": capacity, "budget": None if budget is None else _within(campaign, budget, None)}
    binding = {name: most for name, most in limits.items() if most is not None and most == contacted < free}
    return MaximumProfit(
        profit=float(profit),
        profit_low=float(low),
        profit_high=float(high),
        profit_corrected=corrected,
        profit_per_customer=float(profit / size),
        contacted=float(contacted),
        share_contacted=float(contacted / size),
        share_low=float(share_low / size),
        share_high=float(share_high / size),
        threshold=float(_thresholds(scored, at)[0]),
        churners_reached=float(campaign.at(at, scored.outcome)[0]),
        spent=float(campaign.at(at, campaign.spent)[0]),
        customers=size,
        limited_by=next(iter(binding), ""),
        level=level,
        unlimited_contacted=free,
        unlimited_profit=most_of_all,
    )


def _within(campaign: _Campaign, budget: float, times: np.ndarray | None) -> float:
    """Whole number of contacts that the budget pays for; those that cost nothing are free."""
    spent = campaign.scored.running(campaign.spent, times)
    if budget >= spent[-1]:
        return float(campaign.size)
    reached = campaign.scored.running(np.ones(campaign.size), times)
    # The last group of ties that is paid for, and as much of the next as the rest pays for.
    last = int(np.searchsorted(spent, budget, side="right")) - 1
    part = (budget - spent[last]) / (spent[last + 1] - spent[last])
    return float(np.floor(reached[last] + part * (reached[last + 1] - reached[last]) + 1e-9))


def _allowed(campaign: _Campaign, capacity: int | None, budget: float | None, times: np.ndarray | None) -> float:
    limit = campaign.size if capacity is None else min(capacity, campaign.size)
    return float(limit if budget is None else min(limit, _within(campaign, budget, times)))


def _best_without_limits(campaign: _Campaign) -> tuple[float, float]:
    """Number of contacts that earns most, and what it earns."""
    return _first_most(campaign.scored.running(np.ones(campaign.size)), campaign.scored.running(campaign.gain))


def _first_most(contacted: np.ndarray, profit: np.ndarray) -> tuple[float, float]:
    """Smallest of the numbers of contacts that earn most but for rounding, and what it earns."""
    first = int(np.argmax(profit >= profit.max() - 1e-9 * max(1.0, abs(profit.max()))))
    return float(contacted[first]), float(profit[first])


def profit_curve_table(curve: pd.DataFrame) -> pd.DataFrame:
    """Table twin of `plot_profit_curve` for people: the curve at round shares.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from `profit_curve`.

    Returns
    -------
    pandas.DataFrame
        Rows of the curve nearest to 0 %, 5 %, 10 %, 20 %, … 100 %, without ``profit_per_customer``.

    Examples
    --------
    >>> costs = {"value": 200, "contact_cost": 1, "offer_cost": 10, "acceptance": 0.3}
    >>> curve = profit_curve([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0], n_boot=50, **costs)
    >>> profit_curve_table(curve)["profit"].tolist()
    [0.0, 56.0, 45.0, 101.0, 90.0]
    """
    raise_problems("profit_curve_table", missing_columns(curve, _CURVE, "curve"))
    shares = curve["share_contacted"].to_numpy()
    rows = sorted({int(np.abs(shares - share).argmin()) for share in _TABLE_SHARES})
    return curve.iloc[rows].drop(columns="profit_per_customer", errors="ignore").reset_index(drop=True)


def plot_profit_curve(curve: pd.DataFrame, best: MaximumProfit | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the profit by customers contacted, with its band; `profit_curve_table` has the numbers.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from `profit_curve`.
    best : MaximumProfit, optional
        As from `maximum_profit`: marked.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ParameterError
        If columns are absent.
    """
    raise_problems("plot_profit_curve", missing_columns(curve, _CURVE, "curve"))
    ax = new_axes(ax)
    contacted = curve["contacted"]
    ax.axhline(0, color=MUTED, linewidth=1)
    ax.plot(contacted, curve["profit_at_random"], color=MUTED, linestyle="--", label=tr("contacted at random"))
    ax.plot(contacted, curve["profit"], color=PALETTE[0], label=tr("chosen by the model"))
    ax.fill_between(contacted, curve["low"], curve["high"], color=PALETTE[0], alpha=0.18, linewidth=0)
    top = curve.loc[curve["profit"].idxmax()]
    number, profit, most = top["contacted"], top["profit"], tr("most profit")
    if best is not None:
        held = best.limited_by or ("limits" if best.contacted < best.unlimited_contacted else "")
        number, profit, most = best.contacted, best.profit, tr(_MOST[held])
        ax.plot([number], [profit], color=PALETTE[3], marker="o", linestyle="none", label=most)
    ax.set_xlabel(tr("customers contacted"))
    ax.set_ylabel(tr("profit"))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    money_axis(ax.yaxis)
    ax.set_title(tr("Profit of the campaign by customers contacted"))
    ax.legend()
    return describe(
        ax,
        tr("Line of profit by customers contacted: {most} {profit}, at {contacted}; {all} where all are.").format(
            most=most,
            profit=money(profit),
            contacted=counted(round(number), "contact"),
            all=money(curve["profit"].iloc[-1]),
        ),
    )
