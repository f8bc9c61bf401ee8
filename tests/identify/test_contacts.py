"""Telephone numbers and e-mail addresses: published forms, and the demo's known people."""

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.contacts import normalise_email, normalise_phone


@pytest.mark.parametrize(
    "written",
    ["13800138000", "138 0013 8000", "138-0013-8000", "+86 138 0013 8000", "0086-13800138000", "86 13800138000",
     "(+86)13800138000", "１３８００１３８０００", "13800138000.0", "tel: 13800138000", "13800138000/13900139000"],
)  # fmt: skip
def test_every_way_to_write_a_mobile_number(written):
    assert normalise_phone(pd.Series([written])).tolist() == ["+8613800138000"]


def test_numbers_of_e_164_and_e_123():
    """Notation of ITU-T E.123 (trunk prefix in brackets) to E.164; Ofcom's and Google's published numbers."""
    written = pd.Series(["+44 (0)20 7031 3000", "+1 650-253-0000", "010-8888 8888", "0755-8888 8888 转 12"])
    expected = ["+442070313000", "+16502530000", "+861088888888", "+8675588888888"]
    assert normalise_phone(written).tolist() == expected


def test_numbers_read_as_floats():
    assert normalise_phone(pd.Series([15498786939.0, np.nan])).fillna("").tolist() == ["+8615498786939", ""]


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"(\+86|0086|86)?1[3-9][0-9]{9}", fullmatch=True))
def test_the_short_way_agrees_with_the_library(written):
    # The library takes 86 without a plus for a country code only where the digits are no number of an operator.
    with_plus = "+" + written if written.startswith("86") else written
    parsed = phonenumbers.parse(with_plus, "CN")
    expected = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    assert normalise_phone(pd.Series([written])).tolist() == [expected]


def test_a_region_of_its_own():
    assert normalise_phone(pd.Series(["(650) 253-0000", "+86 13800138000"]), region="US").tolist() == [
        "+16502530000",
        "+8613800138000",
    ]


def test_an_unknown_region_is_refused():
    with pytest.raises(ParameterError, match="two capital letters"):
        normalise_phone(pd.Series(["1"]), region="China")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("ann+shop+x@example.com", "ann@example.com"),
        ("a.n.n@gmail.com", "a.n.n@gmail.com"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("Ann Li <ann@example.com>", "ann@example.com"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com"),
        ("ann@example.com.", "ann@example.com"),
        ("李@例子.中国", "李@例子.中国"),
    ],
)
def test_e_mail_addresses(written, expected):
    assert normalise_email(pd.Series([written])).tolist() == [expected]


@pytest.mark.parametrize(
    "written", ["ann", "ann@", "@example.com", "ann@example", "a b@example.com", "a..b@example.com", "a@b@example.com"]
)
def test_what_is_no_address(written):
    assert normalise_email(pd.Series([written])).isna().all()


def test_lengths_of_rfc_5321():
    assert normalise_email(pd.Series(["a" * 64 + "@example.com", "a" * 65 + "@example.com"])).notna().tolist() == [
        True,
        False,
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.emails(), st.text(max_size=10)), max_size=5))
def test_twice_is_once(values):
    column = pd.Series(values, dtype="str")
    for normalise in (normalise_email, normalise_phone):
        once = normalise(column)
        pd.testing.assert_series_equal(normalise(once), once)


def test_numbers_of_the_same_person_agree_more_often_than_as_written():
    """Share of pairs of one person's records with equal numbers: from under half as written to over four fifths."""
    records = load_company().source_records.dropna(subset="phone")
    normal = records.assign(phone=normalise_phone(records["phone"]))

    def agreement(table):
        pairs = table.merge(table, on="true_customer_id")
        pairs = pairs[pairs["record_id_x"] < pairs["record_id_y"]]
        return (pairs["phone_x"] == pairs["phone_y"]).mean()

    assert normal["phone"].notna().all()
    assert agreement(records) < 0.5
    assert agreement(normal) > 0.8
