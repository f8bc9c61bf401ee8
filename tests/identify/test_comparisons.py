"""Comparisons: what each level means, asked of the SQL itself, and what stands together in one comparison."""

import duckdb
import pandas as pd
import pytest

from crm_utils.identify.comparisons import comparisons_for

FIELDS = {
    "given_name": "given_name",
    "family_name": "family_name",
    "birth_date": "date",
    "phone": "phone",
    "email": "email",
    "address": "address",
    "city": "place",
    "postcode": "code",
    "gender": "category",
}
COLUMNS = [
    *("full_name", "full_sound", "family_sound", "given_sound", "birth_date", "phone", "email", "gender"),
    *("address", "address_street", "city", "postcode"),
]
FILLED = pd.DataFrame({column: ["x"] for column in [*COLUMNS, "social", "mobile"]})


def comparison(name, fields=FIELDS):
    found = {
        each["output_column_name"]: each
        for each in (c.create_comparison_dict("duckdb") for c in comparisons_for(fields, FILLED))
    }
    return found[name]["comparison_levels"]


def level(name, left, right, fields=FIELDS):
    """Label of the first level whose condition holds."""
    columns = sorted({*left, *right} | set(COLUMNS) | {"social"})
    row = pd.DataFrame(
        {
            f"{column}_{side}": pd.Series([values.get(column)], dtype="str")
            for column in columns
            for side, values in (("l", left), ("r", right))
        }
    )
    cases = " ".join(
        f"when {each['sql_condition']} then {number}" if each["sql_condition"] != "ELSE" else f"else {number}"
        for number, each in enumerate(comparison(name, fields))
    )
    with duckdb.connect() as connection:
        connection.register("row", row)
        number = connection.execute(f"select case {cases} end from row").fetchone()[0]
    return comparison(name, fields)[number]["label_for_charts"]


def name(family, given, written=None):
    whole = f"{family} {given}" if family and given else None
    return {"family_sound": family, "given_sound": given, "full_sound": whole, "full_name": written or whole}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (name("wang", "xiaoming"), name("wang", "xiaoming"), "same, written alike"),
        (name("wang", "xiaoming", "王 小明"), name("wang", "xiaoming", "王 晓明"), "same sound"),
        (name("wang", "xiaoming"), name("wang", "xiaomng"), "family same, given similar"),
        (name("ouyang", "na"), name("ouyan", "na"), "given same, family similar"),
        (name("wang", None), name("wang", "na"), "family same, given unknown"),
        (name("wang", "na"), name("wang", "bo"), "family same, given differs"),
        (name(None, "xiaoming"), name("wang", "xiaoming"), "given same, family unknown"),
        (name("wang", "xiaoming"), name("zhao", "xiaoming"), "given same, family differs"),
        (name("wang", "na"), name("zhao", "bo"), "differs"),
        (name(None, None), name("zhao", "bo"), "unknown"),
    ],
)
def test_levels_of_the_name(left, right, expected):
    assert level("name", left, right) == level("name", right, left) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("1980-05-07", "same"),
        ("1980-07-05", "day and month exchanged"),
        ("1981-05-07", "one digit differs"),
        ("1980-05-17", "one digit differs"),
        ("1980-11-23", "same year"),
        ("1991-11-23", "differs"),
        (None, "unknown"),
    ],
)
def test_levels_of_a_date(other, expected):
    assert level("birth_date", {"birth_date": "1980-05-07"}, {"birth_date": other}) == expected


@pytest.mark.parametrize(
    ("field", "one", "other", "expected"),
    [
        ("email", "li.na88@mail.example", "li.na88@mail.example", "same"),
        ("email", "li.na88@mail.example", "l.na88@mail.example", "a slip apart"),
        ("email", "li.na88@mail.example", "li.na88@mial.example", "a slip apart"),
        ("email", "li.na88@mail.example", "wang.bo@mail.example", "differs"),
        ("gender", "f", "f", "same"),
        ("gender", "f", "m", "differs"),
    ],
)
def test_levels_of_other_fields(field, one, other, expected):
    assert level(field, {field: one}, {field: other}) == expected


def test_levels_of_an_identifier():
    fields = {"social": "identifier"}
    assert level("social", {"social": "1234567"}, {"social": "1234576"}, fields) == "a slip apart"
    assert level("social", {"social": "1234567"}, {"social": "7654321"}, fields) == "differs"


PHONE, SLIP, OTHER = "+8615468302833", "+8615468302838", "+8615912345678"
STREET = "12 tianhe lu"


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((PHONE, STREET), (PHONE, STREET), "phone and address same"),
        ((PHONE, STREET), (PHONE, None), "phone same, address unknown"),
        ((PHONE, STREET), (PHONE, "7 renmin lu"), "phone same, address differs"),
        ((PHONE, STREET), (SLIP, STREET), "phone a slip apart, address same"),
        ((PHONE, STREET), (SLIP, None), "phone a slip apart"),
        ((PHONE, STREET), (None, STREET), "address same, phone unknown"),
        ((PHONE, STREET), (OTHER, STREET), "address same, phone differs"),
        ((PHONE, STREET), (OTHER, "7 renmin lu"), "differs"),
        ((PHONE, None), (None, STREET), "differs"),
    ],
)
def test_levels_of_telephone_and_address(left, right, expected):
    sides = [
        {"phone": phone, "address_street": street, "city": city}
        for (phone, street), city in ((left, "a"), (right, "b"))
    ]
    assert level("contact", *sides) == expected


def test_what_a_household_shares_and_parts_of_a_name_are_one_comparison_each():
    names = [each.create_comparison_dict("duckdb")["output_column_name"] for each in comparisons_for(FIELDS, FILLED)]
    assert names == ["name", "birth_date", "email", "contact", "gender"]


def test_either_of_two_telephones_may_agree():
    fields = {"phone": "phone", "mobile": "phone"}
    two = {"phone": OTHER, "mobile": PHONE}
    assert level("contact", two, {"phone": "+8613100000000", "mobile": PHONE}, fields) == "phone same"
    assert level("contact", two, {"phone": PHONE, "mobile": None}, fields) == "differs"


def test_usual_values_are_probabilities_and_the_first_level_speaks_for_a_match():
    for fields in (FIELDS, {"social": "identifier"}, {"phone": "phone"}, {"address": "address", "city": "place"}):
        for each in (c.create_comparison_dict("duckdb") for c in comparisons_for(fields, FILLED)):
            levels = [one for one in each["comparison_levels"] if not one.get("is_null_level")]
            for part in ("m_probability", "u_probability"):
                assert sum(one[part] for one in levels) == pytest.approx(1)
                assert all(0 < one[part] < 1 for one in levels)
            assert levels[0]["m_probability"] > levels[0]["u_probability"]
            assert levels[-1]["m_probability"] < levels[-1]["u_probability"]


def test_a_column_without_values_is_not_compared():
    empty = FILLED.assign(phone=None, address_street=None, address=None, city=None, postcode=None, email=None)
    names = [each.create_comparison_dict("duckdb")["output_column_name"] for each in comparisons_for(FIELDS, empty)]
    assert names == ["name", "birth_date", "gender"]
