"""A randomised win-back campaign: who comes back because of an offer, who anyway, and who is put off by it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit

from crm_utils.company.simulate._draws import whole_numbers

ARMS = ("control", "voucher", "gift")


def _default_effects() -> dict[str, dict[str, dict[str, float]]]:
    voucher = {
        "won": {"base": -2.2, "discount_share": 2.6, "satisfaction": 0.5, "long_gone": -0.5},
        "put_off": {"base": 0.0, "discount_share": -3.0, "tenure_years": 0.3},
    }
    gift = {
        "won": {"base": -2.0, "discount_share": 0.5, "satisfaction": 0.5, "log_spend": 0.5, "long_gone": -0.5},
        "put_off": {"base": -1.3, "discount_share": -0.5, "tenure_years": 0.2},
    }
    return {"voucher": voucher, "gift": gift}


@dataclass(frozen=True)
class CampaignPlan:
    """What the campaign plants.

    Parameters
    ----------
    sent_on : str
        Day of the campaign, ISO date.
    lapsed_days : int
        A customer without a purchase for at least this many days is approached, if that is allowed.
    response_days, value_days : int
        Windows after `sent_on` in which a purchase counts as a response and its margin as value.
    shares : dict of str to float
        Arm → share of the lapsed customers, drawn by lot.
    return_alone : dict of str to float
        Log-odds of buying without an offer: `base` and the weights of the features.
    effects : dict
        Offer → `won` (log-odds that it wins someone who would not come alone) and `put_off` (log-odds that it puts off
        someone who would), each `base` and weights of features.
    margin : float
        Margin as a share of spend.
    further_orders : float
        Mean number of purchases in the value window after the first.
    message_cost, gift_cost : float
        CNY per customer approached; the gift is sent to everyone in its arm.
    voucher_cost : float
        CNY per voucher redeemed.
    satisfaction_noise : float
        Standard deviation of the error of the observed satisfaction score, in latent units.

    Notes
    -----
    Features are ``discount_share``, ``satisfaction`` (the latent score), ``long_gone`` (days since the last purchase
    over 180, minus 1), ``log_orders`` (log of orders before), ``log_spend`` (log of mean spend an order over 150 CNY)
    and ``tenure_years``. Strata follow from the two outcomes a person can have: persuadable (buys only with the
    offer), sure thing (either way), lost cause (neither), do-not-disturb (only without).
    """

    sent_on: str = "2025-09-01"
    lapsed_days: int = 90
    response_days: int = 90
    value_days: int = 120
    shares: dict[str, float] = field(default_factory=lambda: {"control": 0.4, "voucher": 0.3, "gift": 0.3})
    return_alone: dict[str, float] = field(
        default_factory=lambda: {"base": -2.0, "log_orders": 0.5, "long_gone": -0.6, "satisfaction": 0.3}
    )
    effects: dict[str, dict[str, dict[str, float]]] = field(default_factory=_default_effects)
    margin: float = 0.45
    further_orders: float = 0.8
    message_cost: float = 0.5
    gift_cost: float = 14.0
    voucher_cost: float = 20.0
    satisfaction_noise: float = 0.6


CAMPAIGN = CampaignPlan()
"""What the demo company plants."""

STRATA = ("lost cause", "persuadable", "do-not-disturb", "sure thing")


def _lapsed(people: pd.DataFrame, order_lines: pd.DataFrame) -> pd.DataFrame:
    """Find the customers who had stopped buying and may be contacted, with what the company knew about them."""
    day = pd.Timestamp(CAMPAIGN.sent_on)
    before = order_lines[(order_lines["ordered_at"] < day) & (order_lines["amount"] > 0)]
    known = before.groupby("customer_id").agg(
        first=("ordered_at", "min"),
        last=("ordered_at", "max"),
        orders_before=("order_id", "nunique"),
        spend_before=("amount", "sum"),
    )
    reduced = before["amount"].where(before["discount"] > 0, 0.0).groupby(before["customer_id"]).sum()
    known["discount_share_before"] = (reduced / known["spend_before"]).round(2)
    known["recency_days"] = (day - known["last"].dt.normalize()).dt.days
    known["tenure_days"] = (day - known["first"].dt.normalize()).dt.days
    known["spend_before"] = known["spend_before"].round(2)
    columns = ["customer_id", "satisfaction", "mean_spend", "home_channel", "may_contact"]
    table = people[columns].merge(known.reset_index(), on="customer_id", how="inner", validate="one_to_one")
    return table[(table["recency_days"] >= CAMPAIGN.lapsed_days) & table["may_contact"]].reset_index(drop=True)


def _log_odds(weights: dict[str, float], features: dict[str, np.ndarray]) -> np.ndarray:
    return weights["base"] + sum(weight * features[name] for name, weight in weights.items() if name != "base")


def simulate_campaign(
    people: pd.DataFrame, order_lines: pd.DataFrame, rng: np.random.Generator, *, block: int = 0
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Draw lapsed customers into a control group and two offers, and let them answer.

    Arms are drawn by lot, in the planted shares, from all who lapsed and agreed to be contacted. The outcomes are a
    table of their own: the orders after the campaign do not contain them.

    Parameters
    ----------
    people : DataFrame
        One row a person, with the latent columns.
    order_lines : DataFrame
        order_id, customer_id, ordered_at, amount, discount.
    rng : numpy.random.Generator
    block : int, default 0
        Number of the block; this table needs no identifiers of its own.

    Returns
    -------
    tables : dict
        ``campaign``: customer_id, arm (control/voucher/gift), responded (1: bought within `response_days`), sent_at
        (blank in the control group), offer_cost (CNY, what the offer did cost), value_after (CNY, margin within
        `value_days`, before the cost of the offer), and what was known before: recency_days, tenure_days,
        orders_before, spend_before (CNY), discount_share_before (0–1), satisfaction_score (1–10), home_channel.
    truth : dict
        ``campaign``: customer_id; `p_control`, `p_voucher`, `p_gift`, the probability of responding in each arm;
        `effect_voucher`, `effect_gift`, their differences to control; `stratum_voucher`, `stratum_gift`, from the
        outcomes this person would have had with and without the offer.

    Examples
    --------
    >>> from crm_utils.company.simulate.latents import draw_latents
    >>> rng = np.random.default_rng(7)
    >>> ids = [f"C{i}" for i in range(100)]
    >>> people = draw_latents(100, rng).assign(
    ...     customer_id=ids, home_channel="web", may_contact=True, mean_spend=150.0)
    >>> order_lines = pd.DataFrame({
    ...     "order_id": ids, "customer_id": ids, "ordered_at": pd.Timestamp("2025-01-05"), "amount": 120.0,
    ...     "discount": 0.0})
    >>> tables, truth = simulate_campaign(people, order_lines, rng)
    >>> tables["campaign"]["arm"].value_counts().to_dict()
    {'control': 40, 'voucher': 30, 'gift': 30}
    """
    table = _lapsed(people, order_lines)
    n = len(table)
    satisfaction = table["satisfaction"].to_numpy()
    features = {
        "discount_share": table["discount_share_before"].to_numpy(),
        "satisfaction": satisfaction,
        "long_gone": table["recency_days"].to_numpy() / 180 - 1,
        "log_orders": np.log(table["orders_before"].to_numpy()),
        "log_spend": np.log(table["spend_before"].to_numpy() / table["orders_before"].to_numpy() / 150),
        "tenure_years": table["tenure_days"].to_numpy() / 365.25,
    }
    alone = expit(_log_odds(CAMPAIGN.return_alone, features))
    comes_alone = rng.random(n) < alone
    probability, outcome = {"control": alone}, {"control": comes_alone}
    for offer, effect in CAMPAIGN.effects.items():
        won, put_off = (expit(_log_odds(effect[part], features)) for part in ("won", "put_off"))
        draw = rng.random(n)
        outcome[offer] = np.where(comes_alone, draw >= put_off, draw < won)
        probability[offer] = alone * (1 - put_off) + (1 - alone) * won

    bounds = np.rint(np.cumsum([0.0, *(CAMPAIGN.shares[arm] for arm in ARMS)]) * n).astype(int)
    arm = np.empty(n, dtype=object)
    lot = rng.permutation(n)
    for name, low, high in zip(ARMS, bounds[:-1], bounds[1:], strict=True):
        arm[lot[low:high]] = name
    responded = np.select([arm == name for name in ARMS], [outcome[name] for name in ARMS], False)
    orders = 1 + rng.poisson(CAMPAIGN.further_orders, n)
    spend = orders * table["mean_spend"].to_numpy() * rng.lognormal(-0.08, 0.4, n)
    score = np.clip(np.rint(7.0 + 1.6 * (satisfaction + CAMPAIGN.satisfaction_noise * rng.standard_normal(n))), 1, 10)
    offer_cost = np.select(
        [arm == "voucher", arm == "gift"],
        [CAMPAIGN.message_cost + CAMPAIGN.voucher_cost * responded, CAMPAIGN.message_cost + CAMPAIGN.gift_cost],
        0.0,
    )
    sent = np.where(arm == "control", np.datetime64("NaT", "s"), np.datetime64(CAMPAIGN.sent_on, "s"))
    campaign = pd.DataFrame(
        {
            "customer_id": table["customer_id"],
            "arm": arm,
            "responded": responded.astype(int),
            "sent_at": sent,
            "offer_cost": offer_cost.round(2),
            "value_after": np.where(responded, CAMPAIGN.margin * spend, 0.0).round(2),
            "recency_days": table["recency_days"],
            "tenure_days": table["tenure_days"],
            "orders_before": table["orders_before"],
            "spend_before": table["spend_before"],
            "discount_share_before": table["discount_share_before"],
            "satisfaction_score": whole_numbers(score),
            "home_channel": table["home_channel"],
        }
    )
    names = np.array(STRATA, dtype=object)
    truth = pd.DataFrame(
        {
            "customer_id": table["customer_id"],
            **{f"p_{name}": probability[name].round(4) for name in ARMS},
            **{f"effect_{offer}": (probability[offer] - alone).round(4) for offer in CAMPAIGN.effects},
            **{
                f"stratum_{offer}": names[2 * comes_alone.astype(int) + outcome[offer].astype(int)]
                for offer in CAMPAIGN.effects
            },
        }
    )
    return {"campaign": campaign}, {"campaign": truth}
