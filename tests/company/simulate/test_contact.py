"""Planted truth of the contacts: the queue, the outcomes of complaints, fatigue, and what heavy users cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.company.simulate.contact import CONTACT, queue_calls, simulate_interactions
from crm_utils.company.simulate.members import simulate_members

END = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def simulated(many_people, many_order_lines):
    members, _ = simulate_members(many_people, np.random.default_rng(5), order_lines=many_order_lines)
    tables, truth = simulate_interactions(
        many_people, many_order_lines, members["member_months"], np.random.default_rng(6)
    )
    return tables["interactions"], truth["complaints"], members


def erlang_a(arrivals: float, service: float, patience: float, staff: int) -> tuple[float, float]:
    """Share abandoned and mean wait in M/M/n+M, from the balance equations of the birth-death chain."""
    weights = [1.0]
    for k in range(1, 400):
        leaving = min(k, staff) / service + max(k - staff, 0) / patience
        weights.append(weights[-1] * arrivals / leaving)
    state = np.array(weights) / sum(weights)
    queue = float((np.maximum(np.arange(400) - staff, 0) * state).sum())
    return queue / patience / arrivals, queue / arrivals


@pytest.mark.parametrize(("per_minute", "staff"), [(0.10, 1), (0.25, 2), (0.60, 4)])
def test_queue_matches_erlang_a(per_minute, staff):
    rng = np.random.default_rng(1)
    n, service, patience = 150_000, 7.0, 6.0
    arrival = np.cumsum(rng.exponential(1 / per_minute, n))
    waited, abandoned = queue_calls(arrival, rng.exponential(service, n), rng.exponential(patience, n), [0.0] * staff)
    share, wait = erlang_a(per_minute, service, patience, staff)
    assert abandoned.mean() == pytest.approx(share, rel=0.03)
    assert waited.mean() == pytest.approx(wait, rel=0.03)


def test_queue_leaves_the_staff_list_alone():
    staff = [3.0, 0.0]
    queue_calls(np.array([1.0]), np.array([1.0]), np.array([1.0]), staff)
    assert staff == [3.0, 0.0]


@pytest.fixture(scope="module")
def log(people, order_lines) -> pd.DataFrame:
    """Desk logs of many blocks of the same people: what counts here are the calls."""
    members, _ = simulate_members(people, np.random.default_rng(5), order_lines=order_lines)
    parts = []
    for block in range(8):
        tables, _ = simulate_interactions(
            people, order_lines, members["member_months"], np.random.default_rng(100 + block), block=block
        )
        parts.append(tables["interactions"])
    rows = pd.concat(parts, ignore_index=True)
    assert not rows["interaction_id"].duplicated().any()
    return rows[rows["waited_seconds"].notna()]


def test_calls_of_the_log_arrive_at_the_planted_rates(log):
    days = 92 * 8
    per_hour = log["started_at"].dt.hour.value_counts() / days
    for hour, rate in CONTACT.calls_per_hour.items():
        assert abs(per_hour[hour] - rate) < 4 * np.sqrt(rate / days), hour


def test_patience_and_service_of_the_log_are_the_planted_ones(log):
    gave_up = log["abandoned"].astype(bool)
    waited = log["waited_seconds"].astype(float) / 60
    # Exponential patience censored by being answered: total waiting over hang-ups is its maximum likelihood estimate.
    patience = waited.sum() / gave_up.sum()
    assert abs(patience - CONTACT.patience_minutes) < 3 * patience / np.sqrt(gave_up.sum())
    service = log.loc[~gave_up, "handling_minutes"].mean()
    assert abs(service - CONTACT.service_minutes) < 3 * CONTACT.service_minutes / np.sqrt((~gave_up).sum())


def test_abandonment_of_the_log_follows_erlang_a(log):
    hours = log["started_at"].dt.hour
    for hour in (11, 13, 14, 16):
        share, _ = erlang_a(
            CONTACT.calls_per_hour[hour] / 60, CONTACT.service_minutes, CONTACT.patience_minutes, CONTACT.staff[hour]
        )
        seen = log.loc[hours == hour, "abandoned"].astype(float)
        # A stretch of hours starts empty, which takes a little off.
        assert 0.75 * share < seen.mean() < share + 3 * seen.std() / np.sqrt(len(seen)), hour


def bought_again(complaints: pd.DataFrame, order_lines: pd.DataFrame) -> pd.Series:
    orders = (
        order_lines[["customer_id", "ordered_at"]]
        .sort_values("ordered_at")
        .assign(ordered_at=lambda t: t["ordered_at"].astype("datetime64[us]"))
    )
    left = complaints.sort_values("started_at").assign(at=lambda t: t["started_at"].astype("datetime64[us]"))
    found = pd.merge_asof(
        left,
        orders,
        left_on="at",
        right_on="ordered_at",
        by="customer_id",
        direction="forward",
        allow_exact_matches=False,
    ).set_index("interaction_id")["ordered_at"]
    within = found - left.set_index("interaction_id")["at"] <= pd.Timedelta(days=CONTACT.repurchase_days)
    return within.reindex(complaints["interaction_id"])


def test_repurchase_after_a_complaint_is_the_planted_one_for_every_outcome(simulated, many_order_lines):
    interactions, _, _ = simulated
    complaints = interactions[interactions["is_complaint"]]
    complaints = complaints[complaints["started_at"] + pd.Timedelta(days=CONTACT.repurchase_days) <= END]
    again = bought_again(complaints, many_order_lines).to_numpy()
    days = (complaints["resolved_at"] - complaints["started_at"]).dt.total_seconds().to_numpy() / 86400
    outcome = complaints["outcome"].to_numpy()
    groups = {
        "satisfied_fast": (outcome == "satisfied") & (days <= CONTACT.fast_days),
        "satisfied_slow": (outcome == "satisfied") & (days > CONTACT.fast_days),
        "not satisfied": outcome == "not satisfied",
    }
    for name, rows in groups.items():
        planted = CONTACT.repurchase[name]
        assert rows.sum() > 300
        assert abs(again[rows].mean() - planted) < 3 * np.sqrt(planted * (1 - planted) / rows.sum()), name


def test_truth_holds_the_probability_of_each_matched_complaint(simulated, many_order_lines):
    interactions, truth, _ = simulated
    matched = truth.dropna().set_index("interaction_id")["repurchase_probability"]
    complaints = interactions[interactions["interaction_id"].isin(matched.index)]
    assert (complaints["started_at"] + pd.Timedelta(days=CONTACT.repurchase_days) <= END).all()
    again = bought_again(complaints, many_order_lines)
    for probability, rows in again.groupby(matched.reindex(again.index)):
        assert abs(rows.mean() - probability) < 3 * np.sqrt(probability * (1 - probability) / len(rows)), probability
    assert set(matched) == set(CONTACT.repurchase.values())


def test_open_complaints_of_members_are_those_of_the_panel(simulated):
    interactions, _, members = simulated
    spells = members["memberships"][["customer_id", "started_at"]].rename(columns={"started_at": "joined_at"})
    tickets = interactions[interactions["is_complaint"]].merge(spells, on="customer_id")
    tickets = tickets[tickets["started_at"] >= tickets["joined_at"]]
    panel = members["member_months"]
    for month in ("2024-03-01", "2025-08-01"):
        rows = panel[panel["month"] == month].set_index("customer_id")["complaints"]
        end = pd.Timestamp(month) + pd.DateOffset(months=1)
        still_open = (tickets["started_at"] < end) & ~(tickets["resolved_at"] < end)
        counted = tickets[still_open].groupby("customer_id").size().reindex(rows.index).fillna(0)
        assert rows.sum() > 50
        assert (counted == rows).all()


def test_few_causes_make_most_complaints(simulated):
    interactions, _, _ = simulated
    share = interactions.loc[interactions["is_complaint"], "cause"].value_counts(normalize=True)
    for cause, planted in CONTACT.causes.items():
        assert abs(share[cause] - planted) < 4 * np.sqrt(planted * (1 - planted) / interactions["is_complaint"].sum())
    assert share.head(4).sum() > 0.75


def test_the_unhappy_and_discount_hunters_complain_and_cost_more(simulated, many_people):
    interactions, _, _ = simulated
    known = interactions[interactions["customer_id"].notna()]
    per_person = known.groupby("customer_id").agg(tickets=("is_complaint", "sum"), cost=("cost", "sum"))
    people = many_people.set_index("customer_id").join(per_person).fillna({"tickets": 0, "cost": 0})
    people = people[people["first_purchase"].notna()]
    unhappy = people["satisfaction"] < -1
    assert people.loc[unhappy, "tickets"].mean() > 1.5 * people.loc[~unhappy, "tickets"].mean()
    hunter = people["discount_hunter"]
    assert people.loc[hunter, "cost"].mean() > 2 * people.loc[~hunter, "cost"].mean()


def test_discount_hunters_ask_so_many_times_as_often_per_order(simulated, many_people, many_order_lines):
    interactions, _, _ = simulated
    asked = interactions[(interactions["direction"] == "inbound") & ~interactions["is_complaint"]]
    asked = asked[asked["waited_seconds"].isna()]
    hunters = set(many_people.loc[many_people["discount_hunter"], "customer_id"])
    rates = {}
    for hunter in (True, False):
        questions = (asked["customer_id"].isin(hunters) == hunter).sum()
        rates[hunter] = questions / (many_order_lines["customer_id"].isin(hunters) == hunter).sum()
    assert rates[True] / rates[False] == pytest.approx(CONTACT.hunter_factor, rel=0.05)


def test_messages_tire(simulated):
    interactions, _, _ = simulated
    sent = interactions[interactions["direction"] == "outbound"].sort_values(["customer_id", "started_at"])
    when = sent["started_at"].to_numpy()
    who = sent["customer_id"].to_numpy()
    recent = np.zeros(len(sent))
    for lag in range(1, 40):
        same = np.zeros(len(sent), dtype=bool)
        same[lag:] = (who[lag:] == who[:-lag]) & (when[lag:] - when[:-lag] <= np.timedelta64(30, "D"))
        recent += same
    channel = pd.get_dummies(sent["channel"], dtype=float)[["miniprogram", "phone", "web"]]
    x = channel.assign(recent=recent).to_numpy()
    fit = sm.Logit((sent["outcome"] == "responded").astype(float).to_numpy(), x).fit(disp=0)
    planted = [CONTACT.message_response + CONTACT.message_channel[c] for c in channel] + [CONTACT.message_fatigue]
    assert np.abs((fit.params - planted) / fit.bse).max() < 3


def test_times_and_blanks_make_sense(simulated):
    interactions, truth, _ = simulated
    assert interactions["started_at"].is_monotonic_increasing
    assert interactions["started_at"].between("2023-01-01", END, inclusive="left").all()
    assert (interactions["resolved_at"].dropna() < END).all()
    assert not (interactions["resolved_at"] < interactions["started_at"]).any()
    complaints = interactions[interactions["is_complaint"]]
    assert (complaints["resolved_at"].isna() == (complaints["outcome"] == "unresolved")).all()
    assert interactions.loc[~interactions["is_complaint"], "cause"].isna().all()
    assert (truth["interaction_id"].to_numpy() == complaints["interaction_id"].to_numpy()).all()
    logged = interactions["waited_seconds"].notna()
    assert (
        (interactions["channel"] == "phone")
        & (interactions["direction"] == "inbound")
        & (interactions["started_at"] >= CONTACT.desk_start)
        == logged
    ).all()
    plain = logged & ~interactions["is_complaint"]
    assert abs(interactions.loc[plain, "customer_id"].isna().mean() - CONTACT.anonymous_calls) < 0.03
    assert interactions.loc[interactions["abandoned"].fillna(False).astype(bool), "handling_minutes"].isna().all()


def test_table_is_of_the_planned_size_and_reproducible(people, order_lines):
    before = people.copy(), order_lines.copy()
    members, _ = simulate_members(people, np.random.default_rng(5), order_lines=order_lines)
    runs = [
        simulate_interactions(people, order_lines, members["member_months"], np.random.default_rng(4))[0][
            "interactions"
        ]
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(runs[0], runs[1])
    assert 12_000 < len(runs[0]) < 16_000
    assert len(runs[0].to_csv(index=False).encode()) < 1_600_000
    complaints = runs[0]["is_complaint"].sum() / len(people)
    assert abs(complaints - CONTACT.complaints_per_person) < 0.15
    pd.testing.assert_frame_equal(people, before[0])
    pd.testing.assert_frame_equal(order_lines, before[1])


def test_ratings_fall_with_the_wait(log):
    rated = log[log["rating"].notna()]
    waited = rated["waited_seconds"].astype(float) / 60
    fit = sm.OLS(rated["rating"].astype(float), sm.add_constant(waited)).fit()
    assert fit.params.iloc[1] < -0.1
