"""Planted truth of the win-back campaign: effects by arm and by person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from crm_utils.company.simulate.campaign import CAMPAIGN, STRATA, simulate_campaign
from crm_utils.company.simulate.orchestrate import simulate_block

FEATURES = [
    "recency_days",
    "tenure_days",
    "orders_before",
    "spend_before",
    "discount_share_before",
    "satisfaction_score",
]


@pytest.fixture(scope="module")
def simulated(many_people, many_order_lines):
    tables, truth = simulate_campaign(many_people, many_order_lines, np.random.default_rng(8))
    return tables["campaign"], truth["campaign"]


def test_arms_were_drawn_by_lot_in_the_planted_shares(simulated):
    campaign, truth = simulated
    assert campaign["arm"].value_counts(normalize=True).to_dict() == pytest.approx(CAMPAIGN.shares, abs=1e-3)
    assert (campaign["customer_id"] == truth["customer_id"]).all()
    for feature in FEATURES:
        values = campaign[feature].astype(float)
        means = values.groupby(campaign["arm"]).mean()
        spread = values.std() / np.sqrt(campaign["arm"].value_counts().min())
        assert (means - values.mean()).abs().max() < 4 * spread, feature


@pytest.mark.parametrize("offer", ["voucher", "gift"])
def test_average_effect_is_recovered_by_the_difference_in_means(simulated, offer):
    campaign, truth = simulated
    treated, control = (campaign.loc[campaign["arm"] == arm, "responded"] for arm in (offer, "control"))
    estimate = treated.mean() - control.mean()
    error = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
    assert abs(estimate - truth[f"effect_{offer}"].mean()) < 3 * error
    assert error < 0.01 < estimate


@pytest.mark.parametrize("arm", ["control", "voucher", "gift"])
def test_true_probabilities_are_calibrated_within_each_arm(simulated, arm):
    campaign, truth = simulated
    rows = campaign["arm"] == arm
    probability, responded = truth.loc[rows, f"p_{arm}"], campaign.loc[rows, "responded"]
    for _, tenth in responded.groupby(pd.qcut(probability, 10, labels=False, duplicates="drop")):
        p = probability[tenth.index]
        assert abs(tenth.mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).mean() / len(tenth))


def test_all_four_strata_exist_and_rule_the_responses(simulated):
    campaign, truth = simulated
    assert set(truth["stratum_voucher"]) == set(STRATA) == set(truth["stratum_gift"])
    assert truth["stratum_voucher"].value_counts(normalize=True).min() > 0.02
    with_offer = campaign["arm"] == "voucher"
    came = campaign.loc[with_offer, "responded"].groupby(truth["stratum_voucher"]).mean()
    assert came.to_dict() == {"do-not-disturb": 0, "lost cause": 0, "persuadable": 1, "sure thing": 1}
    control = campaign["arm"] == "control"
    came = campaign.loc[control, "responded"].groupby(truth["stratum_gift"]).mean()
    assert came.to_dict() == {"do-not-disturb": 1, "lost cause": 0, "persuadable": 0, "sure thing": 1}


def test_uplift_can_be_learned_from_what_was_known_before(simulated):
    campaign, truth = simulated
    x = campaign[FEATURES].astype(float)
    x["spend_before"] = np.log(x["spend_before"] / x["orders_before"])
    x["orders_before"] = np.log(x["orders_before"])
    x = (x - x.mean()) / x.std()
    chance = {}
    for arm in ("control", "voucher"):
        rows = campaign["arm"] == arm
        model = LogisticRegression(C=1e3).fit(x[rows], campaign.loc[rows, "responded"])
        chance[arm] = model.predict_proba(x)[:, 1]
    learned = chance["voucher"] - chance["control"]
    assert np.corrcoef(learned, truth["effect_voucher"])[0, 1] > 0.7
    assert truth["effect_voucher"].min() < -0.02


def test_money_follows_the_arm(simulated):
    campaign, _ = simulated
    control = campaign["arm"] == "control"
    assert (campaign["sent_at"].isna() == control).all()
    assert (campaign.loc[control, "offer_cost"] == 0).all()
    voucher = campaign[campaign["arm"] == "voucher"]
    expected = CAMPAIGN.message_cost + CAMPAIGN.voucher_cost * voucher["responded"]
    assert np.allclose(voucher["offer_cost"], expected)
    assert ((campaign["value_after"] > 0) == (campaign["responded"] == 1)).all()


def test_only_lapsed_customers_who_may_be_contacted_take_part(simulated, many_people):
    campaign, _ = simulated
    assert campaign["recency_days"].min() == CAMPAIGN.lapsed_days
    assert many_people.set_index("customer_id").loc[campaign["customer_id"], "may_contact"].all()


def test_nothing_after_the_campaign_is_used(people, order_lines):
    day = pd.Timestamp(CAMPAIGN.sent_on)
    full = simulate_campaign(people, order_lines, np.random.default_rng(1))[0]["campaign"]
    cut = simulate_campaign(people, order_lines[order_lines["ordered_at"] < day], np.random.default_rng(1))[0][
        "campaign"
    ]
    pd.testing.assert_frame_equal(full, cut)


def test_input_is_left_alone_and_the_file_is_small(people, order_lines):
    before = people.copy(), order_lines.copy()
    campaign = simulate_campaign(people, order_lines, np.random.default_rng(1))[0]["campaign"]
    pd.testing.assert_frame_equal(people, before[0])
    pd.testing.assert_frame_equal(order_lines, before[1])
    assert len(campaign.to_csv(index=False)) < 300_000


def test_the_demo_approaches_at_least_two_thousand_of_five_thousand():
    assert len(simulate_block(7, 0).tables["campaign"]) >= 2_000
