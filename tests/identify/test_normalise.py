"""Whole records: every kind of field, awkward tables, and what the result is called."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.normalise import normalise_code, normalise_place, normalise_records


@pytest.fixture(scope="module")
def demo():
    return load_company().source_records


def test_the_columns_of_the_demo(demo):
    before = demo.copy()
    normal = normalise_records(demo)
    assert normal.columns.tolist() == [
        "family_name", "given_name", "family_sound", "given_sound", "name_turned", "birth_date", "gender", "phone",
        "email", "address", "address_street", "city", "postcode",
    ]  # fmt: skip
    assert normal.index.equals(demo.index)
    assert {str(dtype) for name, dtype in normal.dtypes.items() if name != "name_turned"} == {"str"}
    pd.testing.assert_frame_equal(demo, before)
    written = demo["birth_date"].dt.strftime("%Y-%m-%d")
    assert normal["birth_date"].fillna("").tolist() == written.fillna("").tolist()


def test_twice_is_once(demo):
    """But for order: a table set right knows its names better, and may turn a record that was in doubt."""
    once = normalise_records(demo)
    twice = normalise_records(once.drop(columns=["family_sound", "given_sound", "name_turned", "address_street"]))
    assert not (twice["name_turned"] & once["name_turned"]).any()
    settled = ~twice["name_turned"]
    assert (~settled).sum() <= 3
    without = once.columns.drop("name_turned")
    pd.testing.assert_frame_equal(twice.loc[settled, without], once.loc[settled, without])


def test_fields_of_other_names_and_kinds():
    records = pd.DataFrame(
        {
            "surname": ["Müller", None],
            "first_name": ["Anna", "Mrs"],
            "dob": ["03/04/1990", "25/12/1985"],
            "soc_sec_id": ["123-45-678", "987 65 432"],
            "street": ["12 N Main St", None],
            "state": ["nsw ", "N/A"],
            "note": ["x", "y"],
        },
        index=["a", "a"],
    )
    normal = normalise_records(records, region="US")
    assert "note" not in normal
    assert normal.iloc[0].tolist() == [
        "müller", "anna", "muller", "anna", False, "1990-04-03", "12345678", "12 main north street",
        "12 main north street", "nsw",
    ]  # fmt: skip
    assert normal.index.tolist() == ["a", "a"]
    assert normal.iloc[1].isna().tolist() == [True, True, True, True, False, False, False, True, True, True]


def test_a_whole_name_comes_out_in_parts():
    normal = normalise_records(pd.DataFrame({"client": ["王小明", "Xiaoming Wang", None]}), {"client": "full_name"})
    assert normal["given_sound"].fillna("").tolist() == ["xiaoming", "xiaoming", ""]
    assert normal["family_sound"].fillna("").tolist() == ["wang", "wang", ""]


@pytest.mark.parametrize("rows", [0, 1])
def test_tiny_tables(demo, rows):
    normal = normalise_records(demo.head(rows))
    assert len(normal) == rows
    assert normal.columns.tolist() == normalise_records(demo.head(5)).columns.tolist()


@pytest.mark.parametrize("dtype", ["object", "float64", "str", "category"])
def test_columns_with_nothing_in_them(demo, dtype):
    nothing = pd.DataFrame({column: pd.Series([None] * 3, dtype=dtype) for column in demo.columns})
    normal = normalise_records(nothing)
    assert normal.drop(columns="name_turned").isna().all(axis=None)
    assert not normal["name_turned"].any()


def test_every_type_of_column_gives_the_same(demo):
    some = demo.head(300)
    expected = normalise_records(some)
    as_objects = normalise_records(some.astype(object))
    as_categories = normalise_records(some.astype("category"))
    pd.testing.assert_frame_equal(as_objects, expected)
    pd.testing.assert_frame_equal(as_categories, expected)
    numbers = pd.DataFrame({"phone": [15498786939.0, np.nan], "postcode": [100435.0, np.nan]})
    assert normalise_records(numbers).iloc[0].tolist() == ["+8615498786939", "100435"]


def test_places_and_codes():
    assert normalise_place(pd.Series(["ＢＥＩＪＩＮＧ", "臺北"])).tolist() == ["beijing", "台北"]
    assert normalise_code(pd.Series(["a-1 b", "---", 7.0])).fillna("").tolist() == ["A1B", "", "7"]


def test_every_problem_is_told_at_once():
    records = pd.DataFrame({"street": ["a"], "street_street": ["b"]})
    with pytest.raises(ParameterError, match=r"(?s)2 problems.*street_street.*needs this name.*region"):
        normalise_records(records, {"street": "address", "street_street": "place"}, region="cn")
    with pytest.raises(ParameterError, match="unknown kind"):
        normalise_records(records, {"street": "adress"})
