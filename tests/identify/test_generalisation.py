"""Coarser values, rule by rule."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.identify.anonymity import k_anonymity
from crm_utils.identify.generalisation import ANY, coarser_rules, generalise

DATES = pd.Series(pd.to_datetime(["1979-12-31", "1980-01-01", None]))
YEARS = pd.Series([1979, 1980, None], dtype="Int64")


@pytest.mark.parametrize(
    ("values", "rule", "expected"),
    [
        (DATES, "month", ["1979-12", "1980-01"]),
        (DATES, "year", ["1979", "1980"]),
        (DATES, "5 years", ["1975-1979", "1980-1984"]),
        (DATES, "10 years", ["1970-1979", "1980-1989"]),
        (YEARS, "20 years", ["1960-1979", "1980-1999"]),
        (pd.Series([29.5, 30.0, np.nan]), "10 years", ["20-29", "30-39"]),
        (pd.Series(["650837", "11", None]), "first 3", ["650•••", "11"]),
        (pd.Series(["Kunming", "Nowhere", None]), {"Kunming": "Southwest"}, ["Southwest", ANY]),
    ],
)
def test_rules_by_hand(values, rule, expected):
    made = generalise(pd.DataFrame({"x": values}), {"x": rule})["x"]
    assert made[:2].tolist() == expected
    assert pd.isna(made[2])


def test_any_leaves_nothing_not_even_what_is_missing():
    assert generalise(pd.DataFrame({"x": DATES}), {"x": "any"})["x"].tolist() == [ANY] * 3


def test_other_columns_index_and_input_stay():
    table = pd.DataFrame({"x": DATES, "y": [1, 2, 3]}, index=[7, 8, 9])
    before = table.copy(deep=True)
    made = generalise(table, {"x": "year"})
    pd.testing.assert_series_equal(made["y"], table["y"])
    assert made.index.tolist() == [7, 8, 9]
    pd.testing.assert_frame_equal(table, before)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=30))
def test_each_rung_of_the_ladder_is_coarser_and_k_never_falls(days):
    table = pd.DataFrame({"born": pd.Timestamp("1930-01-01") + pd.to_timedelta(days, unit="D")})
    smallest, classes = k_anonymity(table, ["born"]).k, len(set(days))
    for rule in coarser_rules(table["born"], None, "date"):
        found = k_anonymity(generalise(table, {"born": rule}), ["born"])
        assert found.k >= smallest
        assert len(found.classes) <= classes
        smallest, classes = found.k, len(found.classes)
    assert smallest == len(days)


def test_ladders():
    assert coarser_rules(DATES, "year", "date") == ["5 years", "10 years", "20 years", "any"]
    assert coarser_rules(pd.Series(["650837"]), "first 3", "code") == ["first 2", "first 1", "any"]
    assert coarser_rules(pd.Series(["f"]), None, "category") == ["any"]
    assert coarser_rules(pd.Series(["x"]), {"x": "y"}, "place") == ["any"]
    assert coarser_rules(YEARS, "any", "plain") == []


def test_everything_wrong_is_said_at_once():
    table = pd.DataFrame({"city": ["a"], "born": ["1980-01-01"], "score": [0.5], "day": DATES[:1], "code": ["1"]})
    rules = {"ctiy": "any", "born": "year", "score": "first 2", "day": "decade", "code": "1 years", "city": "month"}
    with pytest.raises(ParameterError) as error:
        generalise(table, rules)
    for part in (
        "'ctiy' is not a column (did you mean 'city'?)",
        "born: the rule 'year' needs dates or numbers, and the column is str",
        "score: the rule 'first 2' needs text or whole numbers",
        "day: unknown rule 'decade'",
        "code: unknown rule '1 years'",
        "city: the rule 'month' needs dates",
    ):
        assert part in str(error.value)
