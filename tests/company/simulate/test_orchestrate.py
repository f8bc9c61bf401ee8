from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.contract import TABLES
from crm_utils.company.simulate import orchestrate, simulate_company, simulate_source_records, simulate_tables
from crm_utils.company.simulate.calendar import AS_OF, BLOCK_SIZE, block_rng, company_rng
from crm_utils.company.simulate.orchestrate import pair_lifts, simulate_block
from crm_utils.errors import ParameterError

BY_PERSON = ("customers", "order_lines", "source_records", "survey", "memberships", "member_months", "campaign")


@pytest.fixture(scope="module")
def demo():
    return simulate_tables(BLOCK_SIZE, seed=7)


@pytest.fixture(scope="module")
def larger():
    return simulate_tables(BLOCK_SIZE + 400, seed=7)


def named(frame):
    """Rows that name a person."""
    return frame[frame[person(frame)].notna()].reset_index(drop=True)


def person(frame):
    return "true_customer_id" if "true_customer_id" in frame else "customer_id"


def test_every_table_of_the_contract_is_there(demo):
    tables, _ = demo
    assert set(tables) == set(TABLES)
    for name, frame in tables.items():
        required = {column for column, spec in TABLES[name].columns.items() if spec.required}
        assert required <= set(frame.columns), name


def test_the_company_passes_its_own_contract():
    company, _ = simulate_company(customers=BLOCK_SIZE, seed=7)
    for name in company.tables:
        assert len(company.table(name)), name
    assert set(company.set_aside["table"]) == {"order_lines"}
    assert company.set_aside["share"].max() < 0.05
    assert company.name == "Yunshan Tea"
    assert company.currency == "CNY"
    assert company.as_of == AS_OF
    assert company.survey_settings.constructs


def test_keys_are_unique_over_blocks(larger):
    tables, _ = larger
    for name, frame in tables.items():
        key = [column for column in TABLES[name].key if column in frame]
        if key:
            assert not frame.duplicated(key).any(), name
    lines = tables["order_lines"]
    assert lines.groupby("order_id")["customer_id"].nunique().max() == 1


def test_a_person_is_the_same_in_a_company_of_any_size(demo, larger):
    small, truth = demo
    for name in BY_PERSON:
        frame = larger[0][name]
        first = frame[frame[person(frame)].isin(small["customers"]["customer_id"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(first, named(small[name]))
    first = larger[1].tables["customers"].head(BLOCK_SIZE)
    pd.testing.assert_frame_equal(first, truth.tables["customers"])
    assert len(larger[0]["customers"]) == BLOCK_SIZE + 400


def test_a_part_of_a_block_holds_the_same_people(demo):
    few = simulate_tables(300, seed=7)
    wanted = demo[0]["customers"]["customer_id"].iloc[:300]
    for name in BY_PERSON:
        frame = demo[0][name]
        expected = frame[frame[person(frame)].isin(wanted)].reset_index(drop=True)
        pd.testing.assert_frame_equal(named(few[0][name]), expected)
    assert set(few[1].tables["customers"]["customer_id"]) == set(wanted)
    unknown = few[0]["interactions"]["customer_id"].isna().sum()
    whole = demo[0]["interactions"]["customer_id"].isna().sum()
    assert unknown == pytest.approx(whole * 300 / BLOCK_SIZE, abs=1)
    assert set(few[1].tables["complaints"]["interaction_id"]) <= set(few[0]["interactions"]["interaction_id"])


def test_another_seed_is_another_company(demo):
    other, _ = simulate_tables(300, seed=8)
    assert (other["customers"]["name"] == demo[0]["customers"]["name"].head(300)).mean() < 0.02


def test_one_person_runs_through_all_tables(demo):
    tables, truth = demo
    known = set(tables["customers"]["customer_id"])
    for name in (*BY_PERSON, "interactions"):
        frame = tables[name]
        assert set(frame[person(frame)].dropna()) <= known, name
    assert set(tables["order_lines"]["product_id"]) <= set(tables["products"]["product_id"])
    prospects = truth.tables["customers"].query("is_prospect")["customer_id"]
    assert 0.035 < len(prospects) / len(known) < 0.065
    assert not tables["order_lines"]["customer_id"].isin(prospects).any()
    joined = tables["customers"].set_index("customer_id")["joined_at"]
    first_order = tables["order_lines"].groupby("customer_id")["ordered_at"].min()
    assert (joined[first_order.index] <= first_order).all()


def test_every_order_of_a_known_customer_is_booked_under_a_record_of_theirs(larger):
    lines, records = larger[0]["order_lines"], larger[0]["source_records"]
    assert (lines["record_id"].isna() == lines["customer_id"].isna()).all()
    traced = lines.dropna(subset="customer_id")
    person_behind = records.set_index("record_id")["true_customer_id"]
    assert (traced["record_id"].map(person_behind) == traced["customer_id"]).all()
    assert traced.groupby(traced["order_id"].str[1:])["record_id"].nunique().max() == 1
    # What duplicates hide: some customers count twice while orders are counted by record.
    assert traced["record_id"].nunique() > 1.04 * traced["customer_id"].nunique()


def test_an_opt_out_in_any_system_is_that_of_the_customer(larger):
    records = larger[0]["source_records"]
    out = set(records.loc[records["may_contact"].eq(False).fillna(False), "true_customer_id"])
    customers = larger[0]["customers"]
    assert out == set(customers.loc[~customers["may_contact"], "customer_id"])
    still_yes = records["true_customer_id"].isin(out) & records["may_contact"].fillna(False)
    assert records.loc[still_yes, "true_customer_id"].nunique() > 0.2 * len(out)


def test_some_customers_cost_more_than_they_bring(demo):
    tables, truth = demo
    lines = tables["order_lines"]
    margin = (lines["amount"] - lines["quantity"] * lines["unit_cost"]).groupby(lines["customer_id"]).sum()
    cost = tables["interactions"].groupby("customer_id")["cost"].sum().reindex(margin.index, fill_value=0)
    hunter = truth.tables["customers"].set_index("customer_id")["discount_hunter"][margin.index]
    loss = margin - cost < 0
    assert 0.03 < loss.mean() < 0.12
    assert loss[hunter].mean() > 4 * loss[~hunter].mean()


def test_the_truth_is_ready_for_json_and_names_every_subject(demo):
    _, truth = demo
    read = json.loads(json.dumps(truth.parameters))
    assert {"purchases", "records", "latents", "survey", "members", "contact", "campaign", "rollout"} <= set(read)
    assert read["purchases"]["alpha_weeks"] == orchestrate.PURCHASES.alpha_weeks
    assert dataclasses.is_dataclass(truth)


def test_expected_lift_is_that_of_the_summed_counts():
    part = pd.DataFrame({"anchor_product": ["A"], "companion_product": ["B"], "orders": [100], "anchor": [10.0],
                         "companion": [20.0], "both": [8.0]})  # fmt: skip
    lifts = pair_lifts(pd.concat([part, part.assign(both=4.0)]))
    assert lifts["expected_lift"].tolist() == [200 * 12 / (20 * 40)]


def test_blocks_and_subjects_have_their_own_generators():
    draws = {block_rng(7, block, subject).random() for block in range(3) for subject in range(3)}
    assert len(draws | {company_rng(7, 0).random(), company_rng(7, 1).random()}) == 11


def test_the_same_block_again_is_the_same():
    first, second = simulate_block(7, 2), simulate_block(7, 2)
    for name, frame in first.tables.items():
        pd.testing.assert_frame_equal(frame, second.tables[name])


@pytest.mark.parametrize("customers", [300, BLOCK_SIZE, BLOCK_SIZE + 400])
def test_records_alone_are_those_of_the_company(larger, customers, monkeypatch):
    def no_purchases(*_, **__):
        raise AssertionError("records need no purchases")

    monkeypatch.setattr(orchestrate, "simulate_purchases", no_purchases)
    records = larger[0]["source_records"]
    wanted = larger[0]["customers"]["customer_id"].head(customers)
    expected = records[records["true_customer_id"].isin(wanted)].reset_index(drop=True)
    pd.testing.assert_frame_equal(simulate_source_records(customers, seed=7), expected)


def test_records_alone_of_nobody_are_refused():
    with pytest.raises(ParameterError, match="customers is 0"):
        simulate_source_records(0)


@pytest.mark.parametrize("customers", [0, -1, 2.5, "5000", True, None])
def test_an_impossible_number_of_customers_is_refused(customers):
    with pytest.raises(ParameterError, match=r"customers is .*; give a whole number from 1"):
        simulate_company(customers=customers)


@pytest.mark.parametrize("seed", [-1, 0.5, "7", False])
def test_an_impossible_seed_is_refused(seed):
    with pytest.raises(ParameterError, match=r"seed is .*; give a whole number from 0"):
        simulate_company(customers=10, seed=seed)


def test_numpy_integers_are_whole_numbers():
    company, _ = simulate_company(customers=np.int64(20), seed=np.int64(7))
    assert len(company.customers) == 20
