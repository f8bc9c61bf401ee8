"""Columns of any type as text in one width and script."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.identify.text import as_strings, half_width, read_text, to_simplified


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([15498786939.0, np.nan]), ["15498786939", None]),
        (pd.Series([15498786939, None], dtype="Int64"), ["15498786939", None]),
        (pd.Series(["a", None], dtype="category"), ["a", None]),
        (pd.Series([2.5, np.nan], dtype="category"), ["2.5", None]),
        (pd.to_datetime(pd.Series(["1990-03-04", None])), ["1990-03-04", None]),
        (pd.Series(["x", 3.0, pd.NA, datetime.date(1990, 3, 4)], dtype=object), ["x", "3", None, "1990-03-04"]),
        (pd.Series([None, None]), [None, None]),
        (pd.Series([], dtype="float64"), []),
    ],
)
def test_any_type_becomes_text(values, expected):
    texts = as_strings(values)
    assert texts.dtype == "str"
    assert [None if pd.isna(text) else text for text in texts] == expected


@pytest.mark.parametrize(
    "blank", ["", " ", "-", "—", "N/A", "null", "Unknown", "不详", "不詳", "无", "???", "ＮＵＬＬ"]
)
def test_what_stands_for_a_blank_is_missing(blank):
    assert read_text(pd.Series([blank])).isna().all()


def test_names_that_look_like_blanks_stay_names():
    """娜 and 楠 are written Na and Nan; elsewhere these words stand for a blank."""
    words = pd.Series(["Na", "Nan"])
    assert read_text(words, is_name=True).tolist() == ["Na", "Nan"]
    assert read_text(words).isna().all()


def test_traditional_characters_of_opencc():
    """Pairs of OpenCC's own examples and of common surnames."""
    pairs = {"漢字": "汉字", "葉": "叶", "劉": "刘", "鍾楚紅": "钟楚红", "乾隆": "乾隆", "王": "王"}
    assert to_simplified(pd.Series(list(pairs))).tolist() == list(pairs.values())


def test_a_line_break_inside_a_value_does_not_shift_the_others():
    assert to_simplified(pd.Series(["歐\n陽", "劉", "劉\n"])).tolist() == ["欧\n阳", "刘", "刘\n"]


def test_full_width_signs():
    assert half_width(pd.Series(["ＡＢＣ　１２３（）", "Müller"])).tolist() == ["ABC 123()", "Müller"]


def test_an_index_that_repeats():
    values = pd.Series(["N/A", "劉", "a  b"], index=[1, 1, 1])
    assert to_simplified(read_text(values)).fillna("").tolist() == ["", "刘", "a b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=8))
def test_reading_twice_is_reading_once_and_leaves_the_input_alone(values):
    column = pd.Series(values, dtype=object)
    before = column.copy()
    once = read_text(column)
    pd.testing.assert_series_equal(read_text(once), once)
    pd.testing.assert_series_equal(column, before)
