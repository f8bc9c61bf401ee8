from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.branches import branches
from crm_utils.company.simulate.calendar import BLOCK_SIZE, DAYS, START
from crm_utils.company.simulate.people import PEOPLE, choose, customers_table, draw_people, phone_numbers


@pytest.fixture(scope="module")
def people():
    return draw_people(seed=7, block=0)


def test_choose_follows_each_rows_probabilities():
    probability = np.tile([[1.0, 3.0], [8.0, 2.0]], (20_000, 1))
    drawn = choose(probability, np.random.default_rng(1))
    assert drawn[0::2].mean() == pytest.approx(0.75, abs=0.015)
    assert drawn[1::2].mean() == pytest.approx(0.20, abs=0.015)


def test_phone_numbers_are_fictional_well_formed_and_distinct():
    phones = phone_numbers(np.arange(1, 100_001))
    assert len(set(phones)) == len(phones)
    assert all(len(phone) == 11 and phone.isdigit() and phone.startswith("154") for phone in phones)


def test_a_block_is_its_own(people):
    again = draw_people(seed=7, block=0)
    pd.testing.assert_frame_equal(people, again)
    other = draw_people(seed=7, block=1)
    assert other["customer_id"].iloc[0] == f"C{BLOCK_SIZE + 1:07d}"
    assert not (other["name"] == people["name"]).mean() > 0.02


def test_emails_are_at_domains_reserved_for_examples(people):
    assert set(people["email"].str.split("@").str[1]) == {"example.com", "example.org", "example.net"}
    assert people["email"].str.match(r"^[a-z._]+\d{2,3}@").all()


def test_families_share_home_and_some_share_name_and_phone(people):
    size = people.groupby("family_id")["customer_id"].transform("size")
    together = people[size > 1]
    assert len(together) / len(people) == pytest.approx(PEOPLE.family_share, abs=0.01)
    shared = together.groupby("family_id")[["address", "city", "postcode", "branch_id"]].nunique()
    assert (shared == 1).all(axis=None)
    head = together["family_id"].str[1:] == together["customer_id"].str[1:]
    others = together[~head]
    assert together.loc[head, "phone"].is_unique
    heads = together[head].set_index("family_id")
    same_name = (others["family_name"].to_numpy() == heads.loc[others["family_id"], "family_name"].to_numpy()).mean()
    same_phone = (others["phone"].to_numpy() == heads.loc[others["family_id"], "phone"].to_numpy()).mean()
    assert 0.55 < same_name < 0.70
    assert same_phone == pytest.approx(PEOPLE.shared_phone_share, abs=0.04)


def test_more_people_arrive_every_year_but_seasons_stay_mild(people):
    arrival = START + pd.to_timedelta(people["arrival_day"], unit="D")
    by_year = arrival.dt.year.value_counts().sort_index()
    assert by_year.is_monotonic_increasing
    assert 1.4 < by_year[2025] / by_year[2023] < 2.2
    assert people["arrival_day"].between(0, DAYS - 1).all()
    assert (people["joined_day"] <= people["arrival_day"]).all()


def test_personas_differ_in_age_channel_and_spend(people):
    age = 2025 - people["birth_date"].dt.year
    mean_age = age.groupby(people["persona"]).mean()
    assert mean_age["trend"] < mean_age["office"] < mean_age["gifter"] < mean_age["connoisseur"]
    assert age.between(17, 89).all()
    spend = people.groupby("persona")["mean_spend"].median()
    assert spend["trend"] < spend["office"] < spend["connoisseur"]
    home = pd.crosstab(people["persona"], people["home_channel"], normalize="index")
    assert home.loc["trend"].idxmax() == "miniprogram"
    assert home.loc["office"].idxmax() == "web"


def test_branches_lie_in_their_regions(people):
    places = branches().set_index("branch_id")
    assert len(places) == 25
    assert places["region"].nunique() == 6
    assert places["opened"].max() < START
    assert (places.loc[people["branch_id"], "city"].to_numpy() == people["city"].to_numpy()).all()
    assert (places.loc[people["branch_id"], "region"].to_numpy() == people["region"].to_numpy()).all()
    share = people["branch_id"].value_counts(normalize=True)
    assert (share - places["customer_share"]).abs().max() < 0.02


def test_customers_table_has_the_contracts_columns_and_few_blanks(people):
    customers = customers_table(people, np.random.default_rng(1))
    assert customers.columns.tolist() == [
        "customer_id", "name", "gender", "birth_year", "region", "city", "branch_id", "joined_at",
        "acquisition_channel", "may_contact",
    ]  # fmt: skip
    assert customers["birth_year"].isna().mean() == pytest.approx(0.06, abs=0.012)
    known = customers["birth_year"].notna()
    assert (customers["birth_year"][known] == people["birth_date"].dt.year[known]).all()
    assert customers.drop(columns=["birth_year", "gender"]).notna().all(axis=None)
    assert customers["may_contact"].mean() == pytest.approx(PEOPLE.may_contact_share, abs=0.02)
