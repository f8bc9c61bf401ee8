"""When people buy, how much they spend, and what lies in the basket.

Purchase days and spend follow the models that the workbook later fits (BG/NBD and Gamma–Gamma), so that the fits can
be held against the truth. A person buys on a day at most once in that process; where two purchases of the continuous
process fall on one day, the later one moves to the next day. Baskets are then filled to the spend that was drawn: tea
is weighed in steps of 5 % of the standard size, which leaves an order within a few per cent of the draw, on either
side alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.company.simulate.calendar import DAYS, day_at
from crm_utils.company.simulate.catalogue import BY_THE_PIECE, PLANTED_PAIRS, catalogue, popularity
from crm_utils.company.simulate.people import CHANNELS, PERSONAS, PURCHASES, choose

PRICE_INDEX = {"North": 1.00, "Northeast": 0.96, "East": 1.04, "South": 1.02, "Central": 0.98, "West": 0.98}
COST_INDEX = {"North": 1.00, "Northeast": 1.04, "East": 1.00, "South": 1.01, "Central": 1.01, "West": 1.05}
OUTLOOK_DAYS = 365
SIZE_STEP = 0.05
_SMALLEST_STEPS = 3

_SECOND_ORDER_PROBABILITY = 0.03
_OTHER_BRANCH_PROBABILITY = 0.06
# By home channel: the channel of an order (web, store, miniprogram, phone).
_ORDER_CHANNEL = np.array([[0.72, 0.10, 0.16, 0.02], [0.10, 0.76, 0.10, 0.04], [0.14, 0.10, 0.75, 0.01],
                           [0.10, 0.20, 0.02, 0.68]])  # fmt: skip
# By channel: first and last minute of the day on which orders are placed, and the two shapes of a beta distribution.
_HOURS = np.array([[360, 1440, 2.6, 1.5], [570, 1290, 1.6, 1.4], [420, 1440, 2.4, 1.4], [540, 1080, 1.3, 1.5]])
_DISCOUNTS = np.array([0.0, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50])
_USUAL_DISCOUNTS = np.array([0.62, 0.12, 0.14, 0.07, 0.05, 0.0, 0.0, 0.0])
_HUNTER_DISCOUNTS = np.array([0.03, 0.0, 0.05, 0.0, 0.14, 0.27, 0.30, 0.21])

_TIERS = np.array([40.0, 60.0, 90.0, 130.0, 190.0, 280.0, 420.0, 650.0])
_MORE_LINES = np.array([0.06, 0.14, 0.22, 0.30, 0.36, 0.42, 0.48, 0.54, 0.60])
_MOST_LINES = 4
_PIECE_BUDGET = 0.7
_PRICE_SPREAD = 0.7
_PIECE_WEIGHT = 1.2

# Share of each category in what a persona buys, and by how much each season changes it.
_CATEGORIES = ("Green tea", "Black tea", "Oolong", "Pu'er", "White tea", "Flower tea", "Matcha", "Tea ware", "Gifts")
_TASTE = np.array([[0.16, 0.09, 0.22, 0.28, 0.13, 0.02, 0.01, 0.45, 0.06],
                   [0.30, 0.24, 0.12, 0.08, 0.05, 0.14, 0.05, 0.28, 0.12],
                   [0.08, 0.10, 0.10, 0.03, 0.06, 0.33, 0.27, 0.42, 0.14],
                   [0.22, 0.15, 0.14, 0.14, 0.13, 0.15, 0.04, 0.25, 0.70]])  # fmt: skip
_SEASON = np.array([[0.7, 1.4, 1.0, 1.4, 1.0, 0.9, 0.8, 1.0, 1.6],
                    [1.8, 0.8, 0.9, 0.8, 1.1, 1.1, 1.0, 1.0, 0.8],
                    [1.1, 0.7, 1.0, 0.7, 1.1, 1.4, 1.5, 1.1, 0.7],
                    [0.7, 1.2, 1.2, 1.2, 1.0, 0.9, 0.9, 1.0, 1.4]])  # fmt: skip


@dataclass(frozen=True)
class Orders:
    """What a block of people bought.

    Parameters
    ----------
    lines : pandas.DataFrame
        The contract's table ``order_lines``.
    timing : pandas.DataFrame
        One row a person in the order given: ``first_purchase``, ``left_at`` (NaT while not lost), and what the same
        process brings in the year after the data end: ``purchase_days_next_year`` and ``spend_next_year``.
    pairs : pandas.DataFrame
        One row a planted pair: ``orders`` and the expected number of orders with the ``anchor``, the ``companion``
        and ``both``. Sums over blocks are expected numbers again.
    """

    lines: pd.DataFrame
    timing: pd.DataFrame
    pairs: pd.DataFrame


def draw_purchase_days(people: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw purchase days by the BG/NBD process, and spend by Gamma–Gamma.

    The first purchase falls on the day of arrival. Repeat purchases follow at the person's rate; after each repeat
    purchase the person is lost for good with the person's dropout probability (Fader, Hardie & Lee 2005, section 3:
    nobody is lost by the first purchase).

    Parameters
    ----------
    people : pandas.DataFrame
        With ``arrival_day``, ``purchase_rate_per_week``, ``dropout_probability`` and ``mean_spend``.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row a purchase day, by person and day, up to `OUTLOOK_DAYS` after the end of the data: ``person`` (row
        number in `people`), ``day`` (days since the start) and ``spend`` (CNY).
    numpy.ndarray
        For each person the day of the purchase after which they were lost; −1 for those not lost in that time.

    References
    ----------
    Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005). "Counting your customers" the easy way.
    Marketing Science, 24(2), 275–284.
    Fader, P. S., & Hardie, B. G. S. (2013). The Gamma-Gamma model of monetary value.
    """
    n = len(people)
    rate_per_day = people["purchase_rate_per_week"].to_numpy() / 7
    dropout = people["dropout_probability"].to_numpy()
    last_day = people["arrival_day"].to_numpy().copy()
    time = last_day + rng.random(n)
    left = np.full(n, -1)
    active = np.arange(n)
    persons, days = [active], [last_day.copy()]
    while len(active):
        time[active] += rng.standard_exponential(len(active)) / rate_per_day[active]
        active = active[time[active] < DAYS + OUTLOOK_DAYS]
        last_day[active] = np.maximum(np.floor(time[active]).astype(int), last_day[active] + 1)
        persons.append(active)
        days.append(last_day[active])
        lost = rng.random(len(active)) < dropout[active]
        left[active[lost]] = last_day[active[lost]]
        active = active[~lost]
    events = pd.DataFrame({"person": np.concatenate(persons), "day": np.concatenate(days)})
    events = events[events["day"] < DAYS + OUTLOOK_DAYS].sort_values(["person", "day"], ignore_index=True)
    mean_spend = people["mean_spend"].to_numpy()[events["person"]]
    events["spend"] = rng.standard_gamma(PURCHASES.p, size=len(events)) * mean_spend / PURCHASES.p
    return events, left


def _draw_orders(people: pd.DataFrame, purchases: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Turn purchase days into orders: mostly one, sometimes two on a day, each with time, channel, branch, discount."""
    split = rng.random(len(purchases)) < _SECOND_ORDER_PROBABILITY
    share = np.where(split, rng.uniform(0.3, 0.7, size=len(purchases)), 1.0)
    person = np.concatenate([purchases["person"], purchases["person"][split]])
    day = np.concatenate([purchases["day"], purchases["day"][split]])
    spend = np.concatenate([purchases["spend"] * share, (purchases["spend"] * (1 - share))[split]])
    n = len(person)

    home = pd.Categorical(people["home_channel"], categories=CHANNELS).codes[person]
    channel = choose(_ORDER_CHANNEL[home], rng)
    opens, closes, early, late = _HOURS[channel].T
    minute = np.floor(opens + (closes - opens) * rng.beta(early, late)).astype(int)
    branch = people["branch_id"].to_numpy()[person]
    region = people["region"].to_numpy()[person]
    # Away from home a customer buys at another branch of the region: the branch of somebody else who lives there.
    by_region = {name: np.flatnonzero(people["region"].to_numpy() == name) for name in PRICE_INDEX}
    away = np.flatnonzero((channel == CHANNELS.index("store")) & (rng.random(n) < _OTHER_BRANCH_PROBABILITY))
    draw = rng.random(len(away))
    for name, residents in by_region.items():
        here = region[away] == name
        branch[away[here]] = people["branch_id"].to_numpy()[residents[(draw[here] * len(residents)).astype(int)]]

    hunter = people["discount_hunter"].to_numpy()[person]
    discount = _DISCOUNTS[choose(np.where(hunter[:, None], _HUNTER_DISCOUNTS, _USUAL_DISCOUNTS), rng)]
    orders = pd.DataFrame(
        {"person": person, "day": day, "minute": minute, "spend": spend, "channel": np.array(CHANNELS, object)[channel],
         "branch_id": branch, "region": region, "discount": discount}
    )  # fmt: skip
    return orders.sort_values(["day", "minute", "person"], ignore_index=True)


def _by_the_piece() -> np.ndarray:
    return catalogue()["category"].isin(BY_THE_PIECE).to_numpy()


def _product_probabilities() -> tuple[np.ndarray, np.ndarray]:
    """For each cell of tier × persona × season: chances of a product by weight, and of any product."""
    products = catalogue()
    price = products["list_price"].to_numpy()
    category = pd.Categorical(products["category"], categories=_CATEGORIES).codes
    by_piece = _by_the_piece()
    low = np.concatenate([[25.0], _TIERS])
    high = np.concatenate([_TIERS, [1000.0]])
    lines = 1 + (_MOST_LINES - 1) * _MORE_LINES
    target = np.sqrt(low * high) / lines
    fit = np.exp(-(np.log(price / target[:, None]) ** 2) / (2 * _PRICE_SPREAD**2))
    affordable = ~by_piece | (price <= _PIECE_BUDGET * low[:, None])
    taste = (_TASTE[:, None, :] * _SEASON)[..., category] * popularity()
    weighed = fit[:, None, None, :] * taste * ~by_piece
    anything = (fit * affordable)[:, None, None, :] * taste
    # Tea ware is bought because it is needed, not because its price suits the sum.
    pieces = (affordable & by_piece)[:, None, None, :] * taste * _PIECE_WEIGHT
    anything = np.where(by_piece, pieces, anything)
    flat = (len(low) * len(PERSONAS) * len(_SEASON), len(price))
    weighed, anything = weighed.reshape(flat), anything.reshape(flat)
    return weighed / weighed.sum(axis=1, keepdims=True), anything / anything.sum(axis=1, keepdims=True)


def _pair_expectations(
    weighed: np.ndarray, anything: np.ndarray, cell: np.ndarray, lines: np.ndarray, index: dict[str, int]
) -> pd.DataFrame:
    """Count expected orders with each planted pair, from the probabilities that the baskets were drawn with."""
    several = lines > 1
    by_weight = np.where(several, lines - 1, 1)

    def absent(members: list[int]) -> np.ndarray:
        none_weighed = 1 - weighed[:, members].sum(axis=1)[cell]
        none_other = np.where(several, 1 - anything[:, members].sum(axis=1)[cell], 1)
        return none_weighed**by_weight * none_other

    rows = []
    for pair in PLANTED_PAIRS:
        i, j = index[pair.anchor], index[pair.companion]
        anchor = 1 - absent([i])
        alone = 1 - absent([j])
        chance = anchor + alone - (1 - absent([i, j]))
        added = pair.probability_added * (anchor - chance)
        rows.append((len(cell), anchor.sum(), (alone + added).sum(), (chance + added).sum()))
    return pd.DataFrame(rows, columns=["orders", "anchor", "companion", "both"])


def _choose_products(
    orders: pd.DataFrame, listed: np.ndarray, persona: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, pd.DataFrame]:
    """Choose products, in an array of (orders, slots) with −1 for an empty slot; and the pairs' expected counts."""
    index = {name: row for row, name in enumerate(catalogue()["name"])}
    weighed, anything = _product_probabilities()
    tier = np.searchsorted(_TIERS, listed, side="right")
    season = (pd.DatetimeIndex(orders["ordered_at"]).month.to_numpy() % 12) // 3
    cell = (tier * len(PERSONAS) + persona) * len(_SEASON) + season
    lines = 1 + rng.binomial(_MOST_LINES - 1, _MORE_LINES[tier])

    # The second line may be anything; the others are sold by weight and take up what is left of the sum.
    slots = np.full((len(orders), _MOST_LINES + len(PLANTED_PAIRS)), -1)
    for slot in range(_MOST_LINES):
        buying = np.flatnonzero(lines > slot)
        cumulative = np.cumsum(anything if slot == 1 else weighed, axis=1)
        # The last product takes what rounding leaves of the sum of the probabilities.
        cumulative[:, -1] = 1.0
        drawn = (cumulative[cell[buying]] <= rng.random(len(buying))[:, None]).sum(axis=1)
        again = (slots[buying, :slot] == drawn[:, None]).any(axis=1)
        slots[buying, slot] = np.where(again, -1, drawn)
    for number, pair in enumerate(PLANTED_PAIRS):
        has_anchor = (slots == index[pair.anchor]).any(axis=1)
        has_companion = (slots == index[pair.companion]).any(axis=1)
        added = has_anchor & ~has_companion & (rng.random(len(orders)) < pair.probability_added)
        slots[added, _MOST_LINES + number] = index[pair.companion]
    return slots, _pair_expectations(weighed, anything, cell, lines, index)


def _fit_sizes(slots: np.ndarray, listed: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Find quantities and sizes (shares of the standard size) with which the products come to the sum at list price."""
    used = slots >= 0
    list_price = np.where(used, catalogue()["list_price"].to_numpy()[slots], 0.0)
    piece = used & _by_the_piece()[slots]
    luck = rng.random(slots.shape)
    quantity = np.where(used, 1, 0)
    quantity += piece & (2 * list_price <= 0.35 * listed[:, None]) & (luck < 0.4)
    size = np.where(piece, 1.0, 0.0)
    remaining = listed - (list_price * quantity * piece).sum(axis=1)
    claim = np.where(used & ~piece, list_price * rng.uniform(0.6, 1.4, size=slots.shape), 0.0)
    rounding = rng.random(slots.shape)
    for slot in range(slots.shape[1]):
        row = np.flatnonzero(claim[:, slot] > 0)
        # Each line takes its part of what is left, so that only the rounding of the last one remains.
        portion = remaining[row] * claim[row, slot] / claim[row, slot:].sum(axis=1)
        units = portion / list_price[row, slot]
        quantity[row, slot] = 1 + np.floor(luck[row, slot] ** 2 * np.clip(units / 0.5, 1, 6) * 0.999).astype(int)
        steps = np.floor(units / quantity[row, slot] / SIZE_STEP + rounding[row, slot])
        size[row, slot] = np.maximum(steps, _SMALLEST_STEPS) * SIZE_STEP
        remaining[row] -= size[row, slot] * quantity[row, slot] * list_price[row, slot]
    return quantity, size


def _returns(lines: pd.DataFrame, hunter: np.ndarray, by_piece: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Draw lines that come back within two weeks, as lines of their own with a negative quantity."""
    n = len(lines)
    chance = PURCHASES.return_probability * np.where(hunter, 2.2, 0.85) * np.where(by_piece, 1.5, 0.9)
    back = rng.random(n) < chance
    delay = 1 + np.minimum(np.floor(rng.exponential(4.0, size=n)), 13).astype(int)
    in_part = rng.random(n) < 0.5
    minute = rng.integers(570, 1290, size=n)
    day = lines["day"].to_numpy() + delay
    came = back & (day < DAYS)
    returned = lines[came].copy()
    returned["quantity"] = -np.where(in_part[came], (returned["quantity"] + 1) // 2, returned["quantity"])
    returned["order_id"] = "R" + returned["order_id"].str[1:]
    returned["day"] = day[came]
    returned["ordered_at"] = day_at(day[came], minute[came])
    return returned


def simulate_purchases(people: pd.DataFrame, rng: np.random.Generator, *, block: int = 0) -> Orders:
    """Simulate the orders of a block of buyers.

    Parameters
    ----------
    people : pandas.DataFrame
        Buyers, one row a person, as `draw_people` makes them, without prospects.
    rng : numpy.random.Generator
        Source of randomness.
    block : int, default 0
        Number of the block; it keeps order ids apart.

    Returns
    -------
    Orders
        Lines by time, with ``amount = quantity × unit_price × (1 − discount)`` to the cent, and the truth behind them.
    """
    people = people.reset_index(drop=True)
    events, left_day = draw_purchase_days(people, rng)
    later = events["day"] >= DAYS
    orders = _draw_orders(people, events[~later].reset_index(drop=True), rng)
    orders["order_id"] = [f"O{block:04d}{number:05d}" for number in range(1, len(orders) + 1)]
    orders["ordered_at"] = day_at(orders["day"].to_numpy(), orders["minute"].to_numpy())

    persona = pd.Categorical(people["persona"], categories=PERSONAS).codes[orders["person"]]
    listed = orders["spend"].to_numpy() / (1 - orders["discount"].to_numpy())
    listed = listed / orders["region"].map(PRICE_INDEX).to_numpy()
    slots, pairs = _choose_products(orders, listed, persona, rng)
    quantity, size = _fit_sizes(slots, listed, rng)
    order, slot = np.nonzero(slots >= 0)
    product = slots[order, slot]
    products = catalogue()
    lines = orders.loc[order].reset_index(drop=True)
    lines["customer_id"] = people["customer_id"].to_numpy()[lines["person"]]
    lines["product_id"] = products["product_id"].to_numpy()[product]
    lines["quantity"] = quantity[order, slot]
    price_index = lines["region"].map(PRICE_INDEX).to_numpy()
    cost_index = lines["region"].map(COST_INDEX).to_numpy()
    chosen_size = size[order, slot]
    lines["unit_price"] = np.round(products["list_price"].to_numpy()[product] * price_index * chosen_size, 2)
    lines["unit_cost"] = np.round(products["unit_cost"].to_numpy()[product] * cost_index * chosen_size, 2)

    hunter = people["discount_hunter"].to_numpy()[lines["person"]]
    by_piece = _by_the_piece()[product]
    lines = pd.concat([lines, _returns(lines, hunter, by_piece, rng)], ignore_index=True)
    lines["amount"] = np.round(lines["quantity"] * lines["unit_price"] * (1 - lines["discount"]), 2)
    lines = lines.sort_values("ordered_at", kind="stable", ignore_index=True)
    columns = ["order_id", "customer_id", "ordered_at", "product_id", "channel", "branch_id", "quantity", "unit_price",
               "discount", "amount", "unit_cost"]  # fmt: skip

    by_person = orders.groupby("person")["ordered_at"]
    timing = pd.DataFrame({"first_purchase": by_person.min(), "last_purchase": by_person.max()})
    lost = (left_day >= 0) & (left_day < DAYS)
    timing["left_at"] = timing.pop("last_purchase").where(lost)
    future = events[later].groupby("person")["spend"].agg(["size", "sum"]).reindex(range(len(people)), fill_value=0)
    timing["purchase_days_next_year"] = future["size"]
    timing["spend_next_year"] = future["sum"].round(2)
    pairs.insert(0, "anchor_product", [pair.anchor for pair in PLANTED_PAIRS])
    pairs.insert(1, "companion_product", [pair.companion for pair in PLANTED_PAIRS])
    return Orders(lines[columns], timing, pairs)
