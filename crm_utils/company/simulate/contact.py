"""Contacts: enquiries, complaints and how they end, messages sent, and the calls of a small service desk."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crm_utils.company.simulate._draws import (
    MICROSECONDS_PER_DAY,
    block_ids,
    moment,
    to_microseconds,
    to_moments,
    whole_numbers,
)
from crm_utils.company.simulate.calendar import AS_OF, START

CHANNELS = ("phone", "miniprogram", "web", "store")
TOPICS = ("order status", "product advice", "delivery change", "invoice", "membership", "points")
SATISFIED, NOT_SATISFIED, UNRESOLVED = "satisfied", "not satisfied", "unresolved"

_HOUR = MICROSECONDS_PER_DAY // 24
_END = moment(AS_OF)
_START = moment(START)


@dataclass(frozen=True)
class ContactPlan:
    """What the contacts plant.

    Parameters
    ----------
    enquiries_per_person, complaints_per_person, messages_per_person : float
        Expected contacts of each kind over the three years, for each person of the block; complaints besides those
        that stay open at the end of a member's month, enquiries besides the calls of the desk's log.
    hunter_factor : float
        How many times as often discount hunters get in touch.
    complaint_satisfaction, complaint_disposition : float
        Log rate of complaining after an order, per unit of latent satisfaction and of the latent complaints score.
    complaint_lag_days : float
        Mean days from the order to the complaint.
    causes : dict of str to float
        Cause of complaint → share; few causes make most of them (Pareto).
    cause_hours : dict of str to float
        Cause → median hours to settle by phone.
    channel_hours : dict of str to float
        Channel → factor on those hours.
    hours_spread : float
        Standard deviation of the log of the hours.
    unresolved_share : float
        Share of complaints that are never settled.
    fast_days : float
        A complaint settled within this many days counts as fast.
    satisfied_fast, satisfied_slow : float
        Share of settled complaints that end well, fast and slow.
    repurchase_days : int
        Window in which a customer who complained may buy again.
    repurchase : dict of str to float
        Outcome → probability of buying again within the window; `satisfied_fast` and `satisfied_slow` are told apart.
        The one of `unresolved` is planted for people who are not members at the time.
    channel_cost : dict of str to float
        Channel → fixed cost of a contact, CNY.
    minute_cost : dict of str to float
        Channel → cost of a minute of handling, CNY.
    handling_minutes : dict of str to float
        Channel → mean handling time; exponential.
    complaint_minutes : float
        Factor on the handling time of a complaint.
    message_response : float
        Log-odds that a message is answered when none was sent in the thirty days before.
    message_fatigue : float
        Log-odds per message sent in the thirty days before.
    message_channel : dict of str to float
        Channel → log-odds of an answer on top.
    message_cost : dict of str to float
        Channel → cost of a message, CNY.
    messages_mean : float
        Mean number of messages to a person who is sent any (1 + a geometric number); they fall into ninety days.
    desk_start : str
        First day of the desk's telephone log, ISO date; it lasts to the end of the data.
    desk_hours : tuple of int
        Opening hours, each by its first hour of the day.
    calls_per_hour : dict of int to float
        Hour of the day → mean calls (Poisson).
    staff : dict of int to int
        Hour of the day → staff on duty at the desk.
    service_minutes : float
        Mean of the exponential handling time.
    patience_minutes : float
        Mean of the exponential patience: how long callers wait before they give up.
    anonymous_calls : float
        Share of calls whose caller is not identified.
    rating_share : float
        Share of answered contacts that the customer rates, 1–5.
    """

    enquiries_per_person: float = 0.65
    complaints_per_person: float = 0.20
    messages_per_person: float = 0.75
    hunter_factor: float = 4.0
    complaint_satisfaction: float = -0.5
    complaint_disposition: float = 0.3
    complaint_lag_days: float = 4.0
    causes: dict[str, float] = field(
        default_factory=lambda: {
            "late delivery": 0.35,
            "damaged parcel": 0.22,
            "taste": 0.13,
            "billing": 0.10,
            "staff": 0.08,
            "stock-out": 0.06,
            "app fault": 0.04,
            "other": 0.02,
        }
    )
    cause_hours: dict[str, float] = field(
        default_factory=lambda: {
            "late delivery": 60.0,
            "damaged parcel": 90.0,
            "taste": 50.0,
            "billing": 120.0,
            "staff": 160.0,
            "stock-out": 110.0,
            "app fault": 200.0,
            "other": 90.0,
        }
    )
    channel_hours: dict[str, float] = field(
        default_factory=lambda: {"phone": 1.0, "miniprogram": 1.3, "web": 2.0, "store": 0.6}
    )
    hours_spread: float = 0.9
    unresolved_share: float = 0.12
    fast_days: float = 7.0
    satisfied_fast: float = 0.75
    satisfied_slow: float = 0.50
    repurchase_days: int = 120
    repurchase: dict[str, float] = field(
        default_factory=lambda: {
            "satisfied_fast": 0.80,
            "satisfied_slow": 0.69,
            "not satisfied": 0.28,
            "unresolved": 0.20,
        }
    )
    channel_cost: dict[str, float] = field(
        default_factory=lambda: {"phone": 2.0, "miniprogram": 0.5, "web": 0.6, "store": 1.0}
    )
    minute_cost: dict[str, float] = field(
        default_factory=lambda: {"phone": 1.2, "miniprogram": 0.6, "web": 0.6, "store": 0.9}
    )
    handling_minutes: dict[str, float] = field(
        default_factory=lambda: {"phone": 7.0, "miniprogram": 5.0, "web": 6.0, "store": 9.0}
    )
    complaint_minutes: float = 2.5
    message_response: float = -1.1
    message_fatigue: float = -0.35
    message_channel: dict[str, float] = field(
        default_factory=lambda: {"miniprogram": 0.3, "phone": 0.6, "web": -0.4, "store": 0.0}
    )
    message_cost: dict[str, float] = field(
        default_factory=lambda: {"miniprogram": 0.1, "phone": 4.0, "web": 0.05, "store": 0.5}
    )
    messages_mean: float = 4.0
    desk_start: str = "2025-10-01"
    desk_hours: tuple[int, ...] = tuple(range(9, 19))
    calls_per_hour: dict[int, float] = field(
        default_factory=lambda: dict(zip(range(9, 19), (4.0, 8.0, 7.5, 5.0, 4.0, 5.0, 7.0, 7.5, 5.0, 3.0), strict=True))
    )
    staff: dict[int, int] = field(
        default_factory=lambda: dict(zip(range(9, 19), (1, 2, 2, 1, 1, 1, 2, 2, 1, 1), strict=True))
    )
    service_minutes: float = 7.0
    patience_minutes: float = 6.0
    anonymous_calls: float = 0.45
    rating_share: float = 0.3


CONTACT = ContactPlan()
"""What the demo company plants."""


class _Orders:
    """Orders of the people of a block, for questions about who bought when."""

    def __init__(self, people: pd.DataFrame, order_lines: pd.DataFrame):
        bought = order_lines[order_lines["amount"] > 0].drop_duplicates("order_id")
        person = pd.Index(people["customer_id"]).get_indexer(bought["customer_id"])
        time = to_microseconds(bought["ordered_at"])
        order = np.lexsort((time, person))
        self.person, self.time = person[order], time[order]
        self._key = self.person * (_END - _START) + (self.time - _START)

    def bought_within(self, person: np.ndarray, after: np.ndarray, days: int) -> np.ndarray:
        """Whether a person placed an order after a moment, and at most so many days later."""
        keys = person * (_END - _START) + np.minimum(after - _START, _END - _START)
        last = np.minimum(after - _START + days * MICROSECONDS_PER_DAY, _END - _START)
        until = person * (_END - _START) + last
        return np.searchsorted(self._key, until, side="right") > np.searchsorted(self._key, keys, side="right")


def _at_opening_hours(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moments on the given days (µs at midnight), over the day as the desk's calls are."""
    hours = np.array(CONTACT.desk_hours)
    weights = np.array([CONTACT.calls_per_hour[hour] for hour in hours])
    hour = rng.choice(hours, len(days), p=weights / weights.sum())
    return days + ((hour + rng.random(len(days))) * _HOUR).astype(np.int64)


def _contact_channel(home: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Most people get in touch the way they buy; the others mostly call."""
    away = np.array(CHANNELS, dtype=object)[rng.choice(4, len(home), p=[0.55, 0.25, 0.15, 0.05])]
    return np.where(rng.random(len(home)) < 0.6, home, away)


def _by_name(values: dict[str, float], names: np.ndarray) -> np.ndarray:
    return pd.Series(names).map(values).to_numpy(dtype=float)


def _handling(channel: np.ndarray, rng: np.random.Generator, *, factor: float = 1.0) -> np.ndarray:
    return factor * _by_name(CONTACT.handling_minutes, channel) * rng.exponential(1.0, len(channel))


def _enquiries(people: pd.DataFrame, orders: _Orders, rng: np.random.Generator) -> pd.DataFrame:
    """Questions around orders: more of them by discount hunters."""
    hunter = people["discount_hunter"].to_numpy(dtype=bool)[orders.person]
    weight = np.where(hunter, CONTACT.hunter_factor, 1.0)
    rate = CONTACT.enquiries_per_person * len(people) * weight / max(weight.sum(), 1.0)
    source = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    days = orders.time[source] // MICROSECONDS_PER_DAY + rng.integers(0, 8, source.size)
    started = _at_opening_hours(days * MICROSECONDS_PER_DAY, rng)
    person = orders.person[source]
    channel = _contact_channel(people["home_channel"].to_numpy(dtype=object)[person], rng)
    # From the day the desk keeps its log, every call is in that log.
    in_log = (channel == "phone") & (started >= moment(CONTACT.desk_start))
    channel[in_log] = "miniprogram"
    table = pd.DataFrame(
        {
            "person": person,
            "started": started,
            "channel": channel,
            "direction": "inbound",
            "topic": np.array(TOPICS, dtype=object)[rng.choice(6, source.size, p=[0.34, 0.22, 0.16, 0.12, 0.10, 0.06])],
            "minutes": _handling(channel, rng),
        }
    )
    return table[table["started"] < _END]


def _draw_matter(channel: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cause of each complaint and days to settle it."""
    names = np.array(list(CONTACT.causes), dtype=object)
    cause = names[rng.choice(len(names), len(channel), p=list(CONTACT.causes.values()))]
    median = _by_name(CONTACT.cause_hours, cause) * _by_name(CONTACT.channel_hours, channel)
    return cause, median * np.exp(CONTACT.hours_spread * rng.standard_normal(len(channel))) / 24


def _repurchase_probability(kind: np.ndarray) -> np.ndarray:
    return _by_name(CONTACT.repurchase, kind)


def _free_complaints(
    people: pd.DataFrame, member_months: pd.DataFrame, orders: _Orders, rng: np.random.Generator
) -> pd.DataFrame:
    """Make complaints about orders, thinned so that each outcome is followed by its planted share of repurchases.

    A candidate gets its outcome first and is then kept with a probability proportional to
    P(what the customer did | outcome) / P(what the customer did). Among those kept, the share who bought again is
    the planted one for every outcome, and the shares of the outcomes stay what they were. Members buy more often than
    others, so P(what the customer did) is taken among members and among others apart.

    What a member leaves open at the end of a month is in the monthly counts already: here only what is settled
    within the month.
    """
    satisfaction, disposition = (people[name].to_numpy()[orders.person] for name in ("satisfaction", "complaints"))
    hunter = people["discount_hunter"].to_numpy(dtype=bool)[orders.person]
    weight = np.exp(CONTACT.complaint_satisfaction * satisfaction + CONTACT.complaint_disposition * disposition)
    weight = weight * np.where(hunter, CONTACT.hunter_factor, 1.0)
    # Candidates beyond need; how many are kept is settled by the thinning below.
    rate = 5 * CONTACT.complaints_per_person * len(people) * weight / max(weight.sum(), 1.0)
    source = np.flatnonzero(rng.random(len(rate)) < np.minimum(rate, 0.6))
    person = orders.person[source]
    lag = 1 + rng.exponential(CONTACT.complaint_lag_days - 1, source.size).astype(int)
    started = _at_opening_hours((orders.time[source] // MICROSECONDS_PER_DAY + lag) * MICROSECONDS_PER_DAY, rng)
    channel = _contact_channel(people["home_channel"].to_numpy(dtype=object)[person], rng)
    cause, days = _draw_matter(channel, rng)
    unresolved = rng.random(source.size) < CONTACT.unresolved_share
    fast = days <= CONTACT.fast_days
    well = rng.random(source.size) < np.where(fast, CONTACT.satisfied_fast, CONTACT.satisfied_slow)
    kind = np.where(fast, "satisfied_fast", "satisfied_slow").astype(object)
    kind[~well] = NOT_SATISFIED
    kind[unresolved] = UNRESOLVED

    settled = started + (days * MICROSECONDS_PER_DAY).astype(np.int64)
    month, settled_month = (times.astype("datetime64[us]").astype("datetime64[M]") for times in (started, settled))
    as_member = _in_panel(people, member_months, person, month)
    possible = (started < _END) & (~as_member | (~unresolved & (settled_month == month)))

    again = orders.bought_within(person, started, CONTACT.repurchase_days)
    known = started + CONTACT.repurchase_days * MICROSECONDS_PER_DAY <= _END
    target = _repurchase_probability(kind)
    keep = np.where(possible, 1.0, 0.0)
    for group in (possible & known & as_member, possible & known & ~as_member):
        natural = np.clip(again[group].mean(), 0.05, 0.95) if group.any() else 0.5
        likelihood_ratio = np.where(again, target / natural, (1 - target) / (1 - natural))
        keep[group] = likelihood_ratio[group]
    wanted = CONTACT.complaints_per_person * len(people) / max(keep.sum(), 1.0)
    kept = rng.random(source.size) < keep * min(wanted, 1 / max(keep.max(initial=1.0), 1.0))
    table = pd.DataFrame({"person": person, "started": started, "channel": channel, "cause": cause, "kind": kind})
    return table.assign(settled=settled, planted=known)[kept]


def _in_panel(people: pd.DataFrame, member_months: pd.DataFrame, person: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Whether each person was a member in a month."""

    def cell(rows: np.ndarray, months: np.ndarray) -> np.ndarray:
        return rows * 1_000 + (months - np.datetime64(START, "M")).astype(np.int64)

    rows = pd.Index(people["customer_id"]).get_indexer(member_months["customer_id"])
    return np.isin(cell(person, month), cell(rows, member_months["month"].to_numpy().astype("datetime64[M]")))


def _panel_complaints(
    people: pd.DataFrame, member_months: pd.DataFrame, orders: _Orders, rng: np.random.Generator
) -> pd.DataFrame:
    """Make the complaints that members' monthly counts of open complaints stand for.

    A count that rises is a complaint made in that month; one that falls settles the oldest. Outcomes of settled ones
    are drawn from what the customer then did, so that they too are followed by the planted repurchases, as far as
    these customers' buying allows.
    """
    panel = member_months.sort_values(["customer_id", "month"])
    person = pd.Index(people["customer_id"]).get_indexer(panel["customer_id"])
    count = panel["complaints"].to_numpy(dtype=np.int64)
    first = np.concatenate([[True], person[1:] != person[:-1]]) if len(person) else np.zeros(0, dtype=bool)
    change = count - np.where(first, 0, np.concatenate([[0], count[:-1]])) if len(count) else count
    month = panel["month"].to_numpy().astype("datetime64[M]")

    def events(number: np.ndarray) -> pd.DataFrame:
        row = np.repeat(np.arange(len(number)), number)
        table = pd.DataFrame({"person": person[row], "month": month[row]})
        table["turn"] = table.groupby("person").cumcount()
        return table

    made, closed = events(np.maximum(change, 0)), events(np.maximum(-change, 0))
    table = made.merge(closed, on=["person", "turn"], how="left", suffixes=("", "_settled"))
    n = len(table)

    def moment_in(months: np.ndarray) -> np.ndarray:
        begin = months.astype("datetime64[D]").astype(np.int64)
        length = (months + 1).astype("datetime64[D]").astype(np.int64) - begin
        return _at_opening_hours(
            (begin + (rng.random(len(months)) * length).astype(np.int64)) * MICROSECONDS_PER_DAY, rng
        )

    started = moment_in(table["month"].to_numpy().astype("datetime64[M]"))
    open_still = table["month_settled"].isna().to_numpy()
    filled = table["month_settled"].fillna(table["month"])
    settled = moment_in(filled.to_numpy().astype("datetime64[M]"))
    channel = _contact_channel(people["home_channel"].to_numpy(dtype=object)[table["person"]], rng)
    cause, _ = _draw_matter(channel, rng)
    fast = settled - started <= CONTACT.fast_days * MICROSECONDS_PER_DAY
    again = orders.bought_within(table["person"].to_numpy(), started, CONTACT.repurchase_days)
    well_rate = np.where(fast, CONTACT.repurchase["satisfied_fast"], CONTACT.repurchase["satisfied_slow"])
    ill_rate = CONTACT.repurchase[NOT_SATISFIED]
    known = ~open_still & (started + CONTACT.repurchase_days * MICROSECONDS_PER_DAY <= _END)
    natural = np.clip(again[known].mean(), ill_rate + 0.02, well_rate - 0.02) if known.any() else np.full(n, 0.5)
    share_well = (natural - ill_rate) / (well_rate - ill_rate)
    likelihood_well = np.where(again, well_rate, 1 - well_rate)
    likelihood_ill = np.where(again, ill_rate, 1 - ill_rate)
    joint = share_well * likelihood_well
    well = rng.random(n) < joint / (joint + (1 - share_well) * likelihood_ill)
    kind = np.where(fast, "satisfied_fast", "satisfied_slow").astype(object)
    kind[~well] = NOT_SATISFIED
    kind[open_still] = UNRESOLVED
    return pd.DataFrame(
        {
            "person": table["person"],
            "started": started,
            "channel": channel,
            "cause": cause,
            "kind": kind,
            "settled": settled,
            "planted": known,
        }
    )


def _complaints(
    people: pd.DataFrame, member_months: pd.DataFrame, orders: _Orders, rng: np.random.Generator
) -> pd.DataFrame:
    parts = [
        _panel_complaints(people, member_months, orders, rng),
        _free_complaints(people, member_months, orders, rng),
    ]
    table = pd.concat(parts, ignore_index=True)
    unresolved = (table["kind"] == UNRESOLVED) | (table["settled"] >= _END)
    table["planted"] &= ~unresolved | (table["kind"] == UNRESOLVED)
    table.loc[unresolved, "kind"] = UNRESOLVED
    table["outcome"] = np.where(
        unresolved, UNRESOLVED, np.where(table["kind"] == NOT_SATISFIED, NOT_SATISFIED, SATISFIED)
    )
    table["settled"] = table["settled"].where(~unresolved, -1)
    table["minutes"] = _handling(table["channel"].to_numpy(), rng, factor=CONTACT.complaint_minutes)
    return table.assign(direction="inbound", topic="complaint", is_complaint=True)


def _messages(people: pd.DataFrame, orders: _Orders, rng: np.random.Generator) -> pd.DataFrame:
    """Offers sent to those who agreed, in bursts of ninety days after an order; the more, the fewer answers."""
    eligible = people["may_contact"].to_numpy(dtype=bool)[orders.person]
    first = np.flatnonzero(eligible & (orders.time < _END - 100 * MICROSECONDS_PER_DAY))
    first = first[np.unique(orders.person[first], return_index=True)[1]]
    bursts = CONTACT.messages_per_person / CONTACT.messages_mean * len(people)
    source = first[rng.random(first.size) < bursts / max(first.size, 1)]
    number = rng.geometric(1 / CONTACT.messages_mean, source.size)
    row = np.repeat(source, number)
    day = orders.time[row] // MICROSECONDS_PER_DAY + rng.integers(5, 95, row.size)
    started = _at_opening_hours(day * MICROSECONDS_PER_DAY, rng)
    person = orders.person[row]
    order = np.lexsort((started, person))
    person, started = person[order], started[order]
    key = person * (_END - _START) + (started - _START)
    recent = np.arange(len(key)) - np.searchsorted(key, key - 30 * MICROSECONDS_PER_DAY)
    first_of_person = np.searchsorted(person, person)
    recent = np.minimum(recent, np.arange(len(key)) - first_of_person)
    channel = np.array(["miniprogram", "phone", "web"], dtype=object)[rng.choice(3, len(key), p=[0.55, 0.15, 0.30])]
    log_odds = CONTACT.message_response + CONTACT.message_fatigue * recent + _by_name(CONTACT.message_channel, channel)
    answered = rng.random(len(key)) < 1 / (1 + np.exp(-log_odds))
    return pd.DataFrame(
        {
            "person": person,
            "started": started,
            "channel": channel,
            "direction": "outbound",
            "topic": "offer",
            "minutes": np.where(channel == "phone", 3.0 * rng.exponential(1.0, len(key)), np.nan),
            "outcome": np.where(answered, "responded", "no response"),
        }
    )


def queue_calls(
    arrival: np.ndarray, service: np.ndarray, patience: np.ndarray, staff_free: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Serve calls in the order of arrival; callers who wait longer than their patience hang up (M/M/n+M).

    Parameters
    ----------
    arrival : ndarray, shape (calls,)
        Moments of arrival, ascending; any unit.
    service, patience : ndarray, shape (calls,)
        Handling time and longest wait of each call, same unit.
    staff_free : list of float
        When each member of staff is free for the first call. Not changed.

    Returns
    -------
    waited : ndarray
        Time in the queue, until the call is answered or the caller hangs up.
    abandoned : ndarray of bool

    References
    ----------
    Palm (1957), Research on telephone traffic carried by full availability groups; Garnett, Mandelbaum & Reiman
    (2002), Manufacturing & Service Operations Management 4(3).

    Examples
    --------
    >>> waited, abandoned = queue_calls(np.array([0.0, 1.0, 2.0]), np.full(3, 5.0), np.array([9.0, 9.0, 1.5]), [0.0])
    >>> waited.tolist(), abandoned.tolist()
    ([0.0, 4.0, 1.5], [False, False, True])
    """
    free = list(staff_free)
    heapq.heapify(free)
    waited, abandoned = np.zeros(len(arrival)), np.zeros(len(arrival), dtype=bool)
    calls = zip(arrival.tolist(), service.tolist(), patience.tolist(), strict=True)
    for call, (begin, length, longest) in enumerate(calls):
        wait = max(free[0] - begin, 0.0)
        if wait > longest:
            waited[call], abandoned[call] = longest, True
        else:
            waited[call] = wait
            heapq.heapreplace(free, begin + wait + length)
    return waited, abandoned


def _calls(people: pd.DataFrame, orders: _Orders, rng: np.random.Generator) -> pd.DataFrame:
    """Make the desk's telephone log: Poisson calls by hour of the day, answered by the staff on duty.

    Shifts change on the hour; a call that is being handled is finished. Each stretch of hours with the same number
    of staff is one queue, which starts empty: the desk's load is light enough for that to matter little.
    """
    first_day = moment(CONTACT.desk_start)
    days = np.arange(first_day, _END, MICROSECONDS_PER_DAY)
    parts = []
    for stretch in _stretches():
        for_hour = [(hour, rng.poisson(CONTACT.calls_per_hour[hour], len(days))) for hour in stretch]
        minute = np.concatenate([60 * hour + 60 * rng.random(number.sum()) for hour, number in for_hour])
        day = np.concatenate([np.repeat(np.arange(len(days)), number) for _, number in for_hour])
        order = np.lexsort((minute, day))
        minute, day = minute[order], day[order]
        service = rng.exponential(CONTACT.service_minutes, len(minute))
        patience = rng.exponential(CONTACT.patience_minutes, len(minute))
        # Days are set far apart on one clock, so that one pass serves them all and every day starts empty.
        waited, abandoned = queue_calls(day * 1e5 + minute, service, patience, [0.0] * CONTACT.staff[stretch[0]])
        started = days[day] + (minute * 60e6).astype(np.int64)
        parts.append(
            pd.DataFrame({"started": started, "minutes": service, "waited": waited * 60, "abandoned": abandoned})
        )
    table = pd.concat(parts, ignore_index=True).sort_values("started", ignore_index=True)
    active = (to_microseconds(people["left_at"]) > first_day) & (to_microseconds(people["first_purchase"]) < first_day)
    weight = active * np.where(people["discount_hunter"].to_numpy(dtype=bool), CONTACT.hunter_factor, 1.0)
    known = (rng.random(len(table)) >= CONTACT.anonymous_calls) & bool(weight.any())
    table["person"] = -1
    table.loc[known, "person"] = rng.choice(len(people), known.sum(), p=weight / weight.sum()) if weight.any() else -1
    table["minutes"] = table["minutes"].where(~table["abandoned"])
    topics = np.array(TOPICS, dtype=object)[rng.choice(6, len(table), p=[0.30, 0.20, 0.18, 0.12, 0.12, 0.08])]
    return table.assign(channel="phone", direction="inbound", topic=topics)


def _stretches() -> list[list[int]]:
    """Cut the opening hours where the number of staff changes."""
    stretches: list[list[int]] = []
    for hour in CONTACT.desk_hours:
        if stretches and CONTACT.staff[stretches[-1][0]] == CONTACT.staff[hour]:
            stretches[-1].append(hour)
        else:
            stretches.append([hour])
    return stretches


def _complaints_into_log(complaints: pd.DataFrame, calls: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let complaints by phone take the place of the next answered call, so that the log holds every call once."""
    start = calls["started"].min()
    by_phone = complaints[(complaints["channel"] == "phone") & (complaints["started"] >= start)].sort_values("started")
    answered = calls[~calls["abandoned"]]
    place = np.searchsorted(answered["started"].to_numpy(), by_phone["started"].to_numpy())
    turn = np.arange(len(place))
    place = np.maximum.accumulate(place - turn) + turn if len(place) else place
    fits = place < len(answered)
    taken = answered.iloc[place[fits]]
    moved = by_phone[fits].assign(
        started=taken["started"].to_numpy(), waited=taken["waited"].to_numpy(), minutes=taken["minutes"].to_numpy()
    )
    moved["abandoned"] = False
    late = (moved["settled"] >= 0) & (moved["settled"] < moved["started"])
    moved["settled"] = moved["settled"].where(~late, moved["started"] + _HOUR)
    others = complaints.drop(by_phone.index[fits])
    others.loc[by_phone.index[~fits], "channel"] = "miniprogram"
    return pd.concat([others, moved], ignore_index=True), calls.drop(taken.index)


def _ratings(table: pd.DataFrame, satisfaction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ratings 1–5 of contacts that were answered: the person, the wait, and how a complaint ended."""
    score = 3.7 + 0.5 * satisfaction - 0.25 * np.nan_to_num(table["waited"].to_numpy(dtype=float)) / 60
    score -= 1.3 * table["outcome"].isin([NOT_SATISFIED, UNRESOLVED]).to_numpy()
    rating = np.clip(np.rint(score + 0.9 * rng.standard_normal(len(table))), 1, 5)
    rated = rng.random(len(table)) < CONTACT.rating_share
    answered = (table["direction"] == "inbound") & ~table["abandoned"].eq(True)
    rating[~(rated & answered.to_numpy())] = np.nan
    return rating


def simulate_interactions(
    people: pd.DataFrame,
    order_lines: pd.DataFrame,
    member_months: pd.DataFrame,
    rng: np.random.Generator,
    *,
    block: int = 0,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Make the contacts between the people of a block and the company.

    Four kinds: enquiries around orders; complaints, partly those behind the members' monthly counts; messages sent;
    and, from `CONTACT.desk_start` on, every call to the block's service desk, the only contacts with a wait.

    Outcomes and repurchases are planted backwards: the orders are there first, and complaints are put where the
    customer's later orders fit the outcome, so that the share who buy again within `CONTACT.repurchase_days` is the
    planted one for every outcome. The numbers say what a causal effect would look like; nothing in the orders reacts
    to the complaint. Complaints whose window reaches past the end of the data are not matched to orders.

    Parameters
    ----------
    people : DataFrame
        One row a person, with the latent columns.
    order_lines : DataFrame
        order_id, customer_id, ordered_at, amount.
    member_months : DataFrame
        customer_id, month, complaints, as from `simulate_members`.
    rng : numpy.random.Generator
    block : int, default 0
        Number of the block, part of the identifiers.

    Returns
    -------
    tables : dict
        ``interactions`` in the order of time: interaction_id, started_at, channel, customer_id (blank for unknown
        callers), direction (inbound/outbound), topic, cost (CNY), handling_minutes, waited_seconds and abandoned
        (calls of the desk's log only), desk (its number), is_complaint, cause, resolved_at, outcome (complaints:
        satisfied, not satisfied, unresolved; messages: responded, no response), rating (1–5).
    truth : dict
        ``complaints``: interaction_id and the planted `repurchase_probability` of its outcome; blank where nothing
        was planted, because the window reaches past the end of the data or the complaint is one that a member left
        open.

    Examples
    --------
    >>> from crm_utils.company.simulate.latents import draw_latents
    >>> rng = np.random.default_rng(7)
    >>> ids = [f"C{i}" for i in range(400)]
    >>> people = draw_latents(400, rng).assign(
    ...     customer_id=ids, home_channel="web", discount_hunter=False, may_contact=True,
    ...     first_purchase=pd.Timestamp("2025-01-05"), left_at=pd.NaT)
    >>> order_lines = pd.DataFrame({
    ...     "order_id": ids, "customer_id": ids, "ordered_at": pd.Timestamp("2025-01-05"), "amount": 120.0})
    >>> member_months = pd.DataFrame({
    ...     "customer_id": ["C1", "C1"], "month": pd.to_datetime(["2025-02-01", "2025-03-01"]), "complaints": [1, 0]})
    >>> tables, truth = simulate_interactions(people, order_lines, member_months, rng)
    >>> complaints = tables["interactions"].query("is_complaint and customer_id == 'C1'")
    >>> complaints["started_at"].dt.month.tolist(), complaints["resolved_at"].dt.month.tolist()
    ([2], [3])
    """
    orders = _Orders(people, order_lines)
    complaints = _complaints(people, member_months, orders, rng)
    complaints, calls = _complaints_into_log(complaints, _calls(people, orders, rng))
    table = pd.concat(
        [_enquiries(people, orders, rng), complaints, _messages(people, orders, rng), calls], ignore_index=True
    )
    table = table.sort_values(["started", "person", "topic"], ignore_index=True)
    n = len(table)
    person = table["person"].to_numpy(dtype=int)
    satisfaction = np.where(person >= 0, people["satisfaction"].to_numpy()[person], 0.0)
    minutes = table["minutes"].to_numpy(dtype=float).round(1)
    channel = table["channel"].to_numpy(dtype=object)
    outbound = (table["direction"] == "outbound").to_numpy()
    fixed = np.where(outbound, _by_name(CONTACT.message_cost, channel), _by_name(CONTACT.channel_cost, channel))
    gave_up = table["abandoned"].eq(True).to_numpy()
    cost = np.where(gave_up, 0.2, fixed + _by_name(CONTACT.minute_cost, channel) * np.nan_to_num(minutes))
    logged = table["waited"].notna().to_numpy()
    settled = table["settled"].fillna(-1).to_numpy().astype(np.int64)
    resolved_at = to_moments(np.maximum(settled, 0))
    resolved_at[settled < 0] = np.datetime64("NaT")
    is_complaint = table["is_complaint"].eq(True).to_numpy()
    rating = _ratings(table, satisfaction, rng)
    customer_id = people["customer_id"].to_numpy(dtype=object)[person]
    customer_id[person < 0] = None
    interactions = pd.DataFrame(
        {
            "interaction_id": block_ids("I", n, block=block),
            "started_at": to_moments(table["started"].to_numpy()),
            "channel": channel,
            "customer_id": customer_id,
            "direction": table["direction"],
            "topic": table["topic"],
            "cost": cost.round(2),
            "handling_minutes": minutes,
            "waited_seconds": whole_numbers(np.nan_to_num(np.rint(table["waited"])), ~logged),
            "abandoned": pd.arrays.BooleanArray(gave_up, ~logged),
            "desk": whole_numbers(np.full(n, block + 1), ~logged),
            "is_complaint": is_complaint,
            "cause": table["cause"],
            "resolved_at": resolved_at,
            "outcome": table["outcome"],
            "rating": whole_numbers(np.nan_to_num(rating), np.isnan(rating)),
        }
    )
    made = table[is_complaint]
    truth = pd.DataFrame(
        {
            "interaction_id": interactions["interaction_id"].to_numpy()[is_complaint],
            "repurchase_probability": np.where(
                made["planted"].astype(bool), _repurchase_probability(made["kind"].to_numpy()), np.nan
            ),
        }
    )
    return {"interactions": interactions}, {"complaints": truth}
