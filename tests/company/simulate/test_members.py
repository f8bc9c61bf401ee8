"""Planted truth: the hazard of leaving is recovered from the panel that an analyst would see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.company.simulate.members import MEMBERS, churn_covariates, simulate_members


@pytest.fixture(scope="module")
def simulated(many_people, many_order_lines):
    tables, truth = simulate_members(many_people, np.random.default_rng(5), order_lines=many_order_lines)
    return tables["memberships"], tables["member_months"], truth["members"]


@pytest.fixture(scope="module")
def covariates(simulated):
    memberships, member_months, truth = simulated
    frame = churn_covariates(memberships, member_months)
    return frame.merge(truth[["customer_id", "satisfaction"]], on="customer_id")


PLANTED = {
    "const": MEMBERS.hazard_intercept,
    "satisfaction": MEMBERS.hazard_satisfaction,
    "visit_trend": MEMBERS.hazard_visit_trend,
    "complaints": MEMBERS.hazard_complaints,
    "late_payments": MEMBERS.hazard_late_payments,
    "log_tenure": MEMBERS.hazard_log_tenure,
    "price_step": MEMBERS.hazard_price_step,
}


def test_hazard_coefficients_are_recovered_by_logistic_regression(covariates):
    x = sm.add_constant(covariates[[name for name in PLANTED if name != "const"]])
    fit = sm.Logit(covariates["left"], x).fit(disp=0)
    distance = (fit.params - pd.Series(PLANTED)) / fit.bse
    assert distance.abs().max() < 3, distance.round(2).to_dict()
    assert (fit.bse < 0.15).all()


def test_hazard_is_recovered_without_order_lines_too(many_people):
    tables, truth = simulate_members(many_people, np.random.default_rng(6))
    frame = churn_covariates(tables["memberships"], tables["member_months"])
    frame = frame.merge(truth["members"][["customer_id", "satisfaction"]], on="customer_id")
    x = sm.add_constant(frame[[name for name in PLANTED if name != "const"]])
    fit = sm.Logit(frame["left"], x).fit(disp=0)
    assert ((fit.params - pd.Series(PLANTED)) / fit.bse).abs().max() < 3


def test_planted_hazards_add_up_to_the_leavers(simulated):
    memberships, member_months, truth = simulated
    months = member_months.groupby("customer_id").size().reindex(truth["customer_id"]).to_numpy()
    expected = (truth["mean_hazard"].to_numpy() * months).sum()
    leavers = memberships["ended_at"].notna().sum()
    assert abs(leavers - expected) < 3 * np.sqrt(expected)
    assert (truth["mean_hazard_happier"] < truth["mean_hazard"]).all()


def test_the_panel_has_every_month_of_a_membership_and_no_other(simulated):
    memberships, member_months, _ = simulated
    spells = memberships.set_index("customer_id")
    panel = member_months.groupby("customer_id")["month"].agg(["min", "max", "size"]).reindex(spells.index)
    end = spells["ended_at"].fillna(pd.Timestamp("2025-12-31"))
    assert (panel["min"] == spells["started_at"]).all()
    assert (panel["max"] + pd.offsets.MonthEnd(0) == end).all()
    months = (end.dt.year - spells["started_at"].dt.year) * 12 + end.dt.month - spells["started_at"].dt.month + 1
    assert (panel["size"] == months).all()
    assert (spells["started_at"].dt.day == 1).all()


def test_spend_and_visits_agree_with_the_orders(simulated, many_order_lines):
    _, member_months, _ = simulated
    lines = many_order_lines[["customer_id", "amount"]].assign(
        month=many_order_lines["ordered_at"].to_numpy().astype("datetime64[M]").astype("datetime64[s]"),
        day=many_order_lines["ordered_at"].dt.normalize(),
    )
    key = ["customer_id", "month"]
    spent = lines.groupby(key)["amount"].sum().rename("spent").reset_index()
    days = lines.drop_duplicates([*key, "day"]).groupby(key).size().rename("days").reset_index()
    both = (
        member_months.merge(spent, on=key, how="left").merge(days, on=key, how="left").fillna({"spent": 0, "days": 0})
    )
    assert np.allclose(both["spend"], both["spent"], atol=0.006)
    assert (both["visits"] >= both["days"]).all()
    assert both["spent"].gt(0).mean() > 0.05


def test_reasons_follow_their_drivers(simulated, covariates):
    memberships, _, _ = simulated
    assert (memberships["end_reason"].notna() == memberships["ended_at"].notna()).all()
    last = covariates[covariates["left"] == 1].merge(memberships[["customer_id", "end_reason"]], on="customer_id")
    for reason, driver in {"price": "price_step", "service": "complaints", "bad faith": "late_payments"}.items():
        named = last["end_reason"] == reason
        assert last.loc[named, driver].mean() > 1.5 * last.loc[~named, driver].mean(), reason
    assert set(MEMBERS.reasons) == set(last["end_reason"])


def test_fees_change_with_the_price_step(simulated):
    memberships, _, _ = simulated
    step = pd.Timestamp(MEMBERS.price_step_month)
    for plan, (old, new) in MEMBERS.monthly_fee.items():
        of_plan = memberships[memberships["plan"] == plan]
        gone = of_plan["ended_at"] < step
        assert set(of_plan.loc[gone, "monthly_fee"]) == {old}
        assert set(of_plan.loc[~gone, "monthly_fee"]) == {new}


def test_about_the_planted_share_joins_and_only_buyers_do(simulated, many_people):
    memberships, _, _ = simulated
    assert abs(len(memberships) / len(many_people) - MEMBERS.member_share) < 0.015
    joined = many_people.merge(memberships, on="customer_id")
    assert (joined["started_at"] > joined["first_purchase"]).all()


def test_many_leavers_were_satisfied_but_fewer_than_stayers(simulated):
    memberships, _, truth = simulated
    both = memberships.merge(truth, on="customer_id")
    satisfied = both["satisfaction"] > -0.7
    left = both["ended_at"].notna()
    assert 0.5 < satisfied[left].mean() < satisfied[~left].mean() - 0.1


def test_tables_are_small_and_reproducible_and_the_input_is_left_alone(people, order_lines):
    before = people.copy(), order_lines.copy()
    runs = [simulate_members(people, np.random.default_rng(9), order_lines=order_lines)[0] for _ in range(2)]
    for name in ("memberships", "member_months"):
        pd.testing.assert_frame_equal(runs[0][name], runs[1][name])
    assert len(runs[0]["member_months"].to_csv(index=False)) < 1_300_000
    assert not runs[0]["member_months"].duplicated(["customer_id", "month"]).any()
    pd.testing.assert_frame_equal(people, before[0])
    pd.testing.assert_frame_equal(order_lines, before[1])
