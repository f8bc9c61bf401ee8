from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.calendar import AS_OF, block_rng
from crm_utils.company.simulate.people import CHANNELS, draw_people
from crm_utils.company.simulate.records import RECORDS, simulate_records


@pytest.fixture(scope="module")
def people():
    return draw_people(seed=7, block=0)


@pytest.fixture(scope="module")
def records(people):
    return simulate_records(people, block_rng(7, 0, 4))


@pytest.fixture(scope="module")
def truth(people, records):
    return people.set_index("customer_id").loc[records["true_customer_id"]].reset_index()


def digits(phone: pd.Series) -> pd.Series:
    return phone.dropna().map(lambda text: "".join(c for c in unicodedata.normalize("NFKC", text) if c.isdigit())[-11:])


def test_about_1_6_records_a_person_and_nobody_without(people, records):
    count = records["true_customer_id"].value_counts()
    assert len(records) / len(people) == pytest.approx(1.6, abs=0.05)
    assert set(count.index) == set(people["customer_id"])
    assert set(records["source"]) == set(CHANNELS)
    assert records["record_id"].is_unique


def test_two_records_of_one_person_can_lie_in_one_system(people, records):
    again = records.duplicated(["true_customer_id", "source"]).sum() / len(people)
    assert again == pytest.approx(RECORDS.twice, abs=0.015)


def test_fields_are_missing_as_each_system_leaves_them(records):
    missing = records.groupby("source")[["birth_date", "gender", "phone", "email", "address"]].agg(
        lambda values: values.isna().mean()
    )
    for channel in CHANNELS:
        habits = getattr(RECORDS, channel)
        planted = [habits.no_birth_date, habits.no_gender, habits.no_phone, habits.no_email, habits.no_address]
        assert missing.loc[channel].to_numpy() == pytest.approx(planted, abs=0.045)


def test_most_values_are_right_and_each_planted_error_occurs(records, truth):
    born, true_born = records["birth_date"], truth["birth_date"]
    known = born.notna()
    wrong = known & (born != true_born)
    swapped = (
        wrong
        & (born.dt.day == true_born.dt.month)
        & (born.dt.month == true_born.dt.day)
        & (born.dt.year == true_born.dt.year)
    )
    new_year = wrong & (born.dt.day_of_year == 1) & (born.dt.year == true_born.dt.year)
    assert 0.02 < wrong.sum() / known.sum() < 0.045
    assert swapped.sum() >= 10
    assert new_year.sum() >= 30
    right_phone = (digits(records["phone"]) == truth["phone"][records["phone"].notna()]).mean()
    assert 0.88 < right_phone < 0.96
    assert records["phone"].str.contains(r"\+86 ", na=False).mean() == pytest.approx(0.12, abs=0.02)
    assert records["phone"].str.contains("[０-９]", na=False).sum() > 80
    order = (records["given_name"] == truth["family_name"]) & (records["family_name"] == truth["given_name"])
    assert order.mean() > 0.01
    in_pinyin = records["family_name"].str.isascii()
    assert 0.10 < in_pinyin.mean() < 0.20
    assert records["given_name"].isin(["先生", "女士"]).sum() > 50
    same_sound = (records["given_name"].str[:-1] == truth["given_name"].str[:-1]) & (
        records["given_name"].str[-1] != truth["given_name"].str[-1]
    )
    assert (same_sound & records["given_name"].str.len().eq(2)).sum() > 50


def test_stale_values_are_in_records_not_updated_since(records, truth):
    moved = records["city"].notna() & (records["city"] != truth["city"])
    assert 0.005 < moved.mean() < 0.05
    assert records.loc[moved, "updated_at"].mean() < records.loc[~moved, "updated_at"].mean()


def test_family_members_are_recorded_with_the_heads_phone(records, people, truth):
    head_phone = truth["family_id"].str.replace("F", "C").map(people.set_index("customer_id")["phone"])
    phone = digits(records["phone"]).reindex(records.index)
    shared = (phone == head_phone) & (phone != truth["phone"])
    in_store = records["source"].isin(["store", "phone"])
    member = (truth["family_id"].str[1:] != truth["customer_id"].str[1:]) & phone.notna()
    different = member & (head_phone != truth["phone"])
    assert (shared & in_store).sum() / (different & in_store).sum() == pytest.approx(0.12, abs=0.05)


def test_dates_are_in_order_and_before_the_end(records):
    assert (records["created_at"] <= records["updated_at"]).all()
    assert records["updated_at"].max() < AS_OF
    assert records["created_at"].is_monotonic_increasing


@pytest.mark.parametrize("seed", [4, 5])
def test_who_refuses_has_said_so_somewhere_and_nobody_else(people, seed):
    records = simulate_records(people, np.random.default_rng(seed))
    refused = records["may_contact"].eq(False).fillna(False).astype(bool)
    opted_out = refused.groupby(records["true_customer_id"]).any()[people["customer_id"]]
    assert opted_out.to_numpy().tolist() == (~people["may_contact"]).tolist()


def test_most_who_refuse_said_so_only_once(records, truth):
    # Of what people who refuse answered elsewhere: one answer of each is the refusal they are sure to have given.
    answers = records.loc[~truth["may_contact"], ["true_customer_id", "may_contact"]].dropna()
    people = answers["true_customer_id"].nunique()
    others, again = len(answers) - people, (~answers["may_contact"].astype(bool)).sum() - people
    planted = RECORDS.refused_again
    assert others > 250
    assert abs(again / others - planted) < 3 * np.sqrt(planted * (1 - planted) / others)


def test_permission_is_blank_as_often_as_each_system_does_not_ask(records, truth):
    blank = records["may_contact"].isna()
    for channel in CHANNELS:
        planted = getattr(RECORDS, channel).not_asked
        of_willing = blank[truth["may_contact"] & (records["source"] == channel)]
        assert abs(of_willing.mean() - planted) < 3 * np.sqrt(planted * (1 - planted) / len(of_willing)), channel
    answers = records["may_contact"].notna().groupby(records["true_customer_id"]).any()
    refusing = truth.loc[~truth["may_contact"], "customer_id"]
    assert answers[refusing].all()


def test_who_refuses_said_so_where_they_were_asked(people):
    # With one record in a store and one in the web shop, the refusal fills the blank of the store only where the web
    # shop did not ask either.
    refusing = people.loc[~people["may_contact"], "customer_id"]
    blanks, expected = [], RECORDS.store.not_asked * (1 - RECORDS.web.not_asked / 2)
    for seed in range(6):
        records = simulate_records(people, np.random.default_rng(seed))
        records = records[records["true_customer_id"].isin(refusing)]
        systems = records.groupby("true_customer_id")["source"].agg(lambda values: sorted(values) == ["store", "web"])
        in_both = records[records["true_customer_id"].map(systems) & (records["source"] == "store")]
        blanks += in_both["may_contact"].isna().tolist()
    assert len(blanks) > 300
    assert abs(np.mean(blanks) - expected) < 3 * np.sqrt(expected * (1 - expected) / len(blanks))


def test_the_phone_alone_neither_finds_nor_separates_everybody(records):
    phone = digits(records["phone"])
    known = records.loc[phone.index].assign(phone=phone)
    pairs = known.merge(known, on="phone")
    pairs = pairs[pairs["record_id_x"] < pairs["record_id_y"]]
    right = (pairs["true_customer_id_x"] == pairs["true_customer_id_y"]).sum()
    count = records["true_customer_id"].value_counts()
    precision, recall = right / len(pairs), right / (count * (count - 1) / 2).sum()
    assert 0.85 < precision < 0.95
    assert 0.80 < recall < 0.90


def test_people_are_not_modified(people):
    before = people.copy()
    simulate_records(people, np.random.default_rng(1))
    pd.testing.assert_frame_equal(people, before)
