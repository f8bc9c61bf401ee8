"""Tables for people: digits, escaping, missing cells, truncation."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest

from crm_utils.tables import table_html


def cells(markup):
    return re.findall(r"<td[^>]*>(.*?)</td>", markup)


def test_numbers_are_readable_and_keep_their_value_for_sorting():
    markup = table_html(pd.DataFrame({"revenue": [1234567.891], "revenue_share": [0.12345], "gini": [0.61234567]}))
    assert cells(markup) == ["1,234,568", "12.3%", "0.612"]
    assert 'data-value="0.61234567"' in markup


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float32(0.5), "0.5"),
        (12_345_678_901_234_567, "12345678901234567"),
        (-np.inf, "-Infinity"),
        (pd.Timestamp("2025-01-02"), "2025-01-02"),
        (pd.Timestamp("2025-01-02 03:04:05.678"), "2025-01-02T03:04:05.678000"),
        (datetime.date(2025, 1, 2), "2025-01-02"),
    ],
)
def test_numbers_and_dates_carry_their_full_value(value, raw):
    markup = table_html(pd.DataFrame({"x": [value]}), formats={"x": lambda value: "shown"})
    assert re.findall('data-value="([^"]*)">shown<', markup) == [raw]


def test_what_rounds_to_zero_has_no_minus():
    frame = pd.DataFrame({"x": [-0.0004, -0.0, -0.2], "gain_share": [-0.0001, 0.0, -0.5]})
    assert cells(table_html(frame)) == ["0.000", "0.0%", "0.000", "0.0%", "-0.200", "-50.0%"]
    assert cells(table_html(frame[["x"]], formats={"x": "{:+.1f}"}))[0] == "0.0"
    assert re.findall('data-value="([^"]*)"', table_html(frame[["x"]])) == ["-0.0004", "0.0", "-0.2"]
    assert cells(table_html(pd.DataFrame({"x": ["-0.0"]}))) == ["-0.0"]


def test_text_has_no_value_but_itself():
    assert "data-value" not in table_html(pd.DataFrame({"x": ["-5", "=1+1"], "y": [True, False]}))


def test_every_part_is_escaped():
    hostile = "<script>alert(1)</script>"
    markup = table_html(pd.DataFrame({hostile: [hostile]}), caption=hostile)
    assert "<script>" not in markup
    assert markup.count("&lt;script&gt;") == 3


def test_missing_values_are_dashes_not_nan():
    frame = pd.DataFrame({"a": [np.nan, 1.0], "b": [pd.NaT, pd.Timestamp("2025-01-02")], "c": [None, "x"]})
    assert cells(table_html(frame)) == ["–", "–", "–", "1.000", "2025-01-02", "x"]


def test_a_named_index_becomes_a_column():
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["A"], name="class"))
    assert cells(table_html(frame)) == ["A", "1"]


def test_long_tables_say_how_much_is_left_out():
    assert "… and 30 more rows" in table_html(pd.DataFrame({"x": range(80)}), max_rows=50)


def test_formats_win_over_defaults():
    assert cells(table_html(pd.DataFrame({"x": [0.5]}), formats={"x": "{:.4f}"})) == ["0.5000"]


@pytest.mark.parametrize("year", [2025])
def test_years_have_no_thousands_separator(year):
    assert cells(table_html(pd.DataFrame({"birth_year": [year]}))) == ["2025"]
