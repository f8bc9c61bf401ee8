"""Addresses: two ways of writing one place agree, and different places stay apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company.simulate.people import draw_addresses
from crm_utils.identify.addresses import normalise_address

_FORMS = [
    ["22 Fuxing Road, 15-2302", "22 Fuxing Rd, 15-2302", "22 Fuxing Lu 15-2302", "No. 22 Fuxing Rd., 15-2302",
     "复兴路22号15栋2302室", "復興路22號15棟2302室",
     "复兴路２２号１５栋２３０２室", "Room 2302, Building 15, 22 Fuxing Road"],
    ["5 Zhongshan North Road", "5 North Zhongshan Rd", "中山北路5号"],
    ["3/22 Smith Street", "Unit 3, 22 Smith St", "22 Smith St Apt 3", "22 SMITH ST., #3"],
    ["12 Main Street North", "12 N Main St"],
    ["100 Shiji Avenue, 15", "世纪大道100号15楼"],
]  # fmt: skip


@pytest.mark.parametrize("forms", _FORMS)
def test_one_place_in_many_forms(forms):
    read = normalise_address(pd.Series(forms))
    assert set(read["address"]) == {read["address"][0]}
    assert set(read["street"]) == {read["street"][0]}
    assert read["address"][0].startswith(read["street"][0])


def test_different_places_stay_apart():
    read = normalise_address(pd.Series([forms[0] for forms in _FORMS] + ["22 Fuxing Road, 15-2303", "23 Fuxing Road"]))
    assert read["address"].is_unique


def test_city_and_district_are_kept_behind_the_street():
    read = normalise_address(pd.Series(["北京市海淀区复兴路22号", "22 Fuxing Road, Haidian, Beijing"]))
    assert read["address"].tolist() == ["22 fuxing road, haidian, beijing"] * 2
    assert read["street"].tolist() == ["22 fuxing road"] * 2


def test_a_street_may_be_called_after_a_city_word():
    assert normalise_address(pd.Series(["新市路22号"]))["street"].tolist() == ["22 xinshi road"]


def test_streets_of_saints():
    read = normalise_address(pd.Series(["12 St Kilda Road", "5 St James St"]))["street"]
    assert read.tolist() == ["12 st kilda road", "5 st james street"]


def test_no_street_at_all():
    read = normalise_address(pd.Series(["阳光花园3栋501室", "Unit 5", "-", None]))
    assert read["address"].fillna("").tolist() == ["yangguanghuayuan, 3-501", "5", "", ""]
    assert read["street"].fillna("").tolist() == ["yangguanghuayuan", "", "", ""]


def test_addresses_of_the_demo_keep_number_street_and_flat():
    written = pd.Series(draw_addresses(500, np.random.default_rng(7)))
    parts = written.str.extract(r"^(\d+) (\w+) Road, (\d+-\d+)$")
    read = normalise_address(written)
    assert read["street"].tolist() == (parts[0] + " " + parts[1].str.lower() + " road").tolist()
    assert read["address"].tolist() == (read["street"] + ", " + parts[2]).tolist()


_words = st.sampled_from(
    ["22", "3-501", "12b", "fuxing", "zhongshan", "north", "n", "road", "st", "lu", "apt", "room", "building", "tower",
     "a", "haidian", "beijing", "house", ",", "/", "#5", "北京市", "复兴路", "22号", "3栋", "501室", "小区"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_words, min_size=1, max_size=8).map(" ".join))
def test_any_order_of_words_is_read(text):
    column = pd.Series([text])
    read = normalise_address(column)
    assert set(read.columns) == {"address", "street"}
    assert column.tolist() == [text]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400), st.sampled_from(["Fuxing", "St Kilda", "Main"]), st.sampled_from(["Road", "Lu", "St", "Ave"]),
    st.sampled_from(["", ", 3-501", ", Apt 5", ", Haidian", ", 3-501, Haidian, Beijing"]),
)  # fmt: skip
def test_reading_twice_is_reading_once(number, name, kind, inside):
    once = normalise_address(pd.Series([f"{number} {name} {kind}{inside}"]))
    pd.testing.assert_frame_equal(normalise_address(once["address"]), once)
