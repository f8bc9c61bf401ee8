import csv
import io
import json

import nbformat
import numpy as np
import pytest

from crm_utils.errors import ParameterError
from crm_utils.language import formula_safe
from crm_utils.report.headlines import (
    MIME,
    card_texts,
    collect_headlines,
    format_value,
    headline,
    headlines_csv,
    headlines_frame,
    make_headline,
)


def test_full_precision_survives_json_and_csv():
    value = 0.1 + 0.2
    record = {"notebook": "03_value", **make_headline("x", np.float64(value), low=0.1, high=np.float32(0.5))}
    assert json.loads(json.dumps(record))["value"] == value
    row = next(csv.DictReader(io.StringIO(headlines_csv([record]))))
    assert float(row["value"]) == value
    assert headlines_frame([record])["value"].iloc[0] == value


def test_integers_stay_integers_and_nan_is_blank():
    record = {"notebook": "n", **make_headline("x", np.int64(12_345_678_901_234_567))}
    assert ",12345678901234567," in headlines_csv([record])
    missing = {"notebook": "n", **make_headline("x", float("nan"))}
    assert missing["value"] is None
    assert headlines_csv([missing]).splitlines()[1] == "n,x,,,,,,,"
    assert np.isnan(headlines_frame([missing])["value"].iloc[0])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_cells_that_a_spreadsheet_would_run_are_defused(text):
    assert formula_safe(text) == "'" + text
    record = {"notebook": "n", **make_headline(text, -1.5, unit=text)}
    row = next(csv.reader(io.StringIO(headlines_csv([record]).split("\n", 1)[1], newline="")))
    assert row[1] == row[5] == "'" + text
    assert row[2] == "-1.5"  # a number is a number


def test_all_wrong_arguments_are_named_at_once():
    with pytest.raises(ParameterError) as caught:
        make_headline(" ", float("inf"), better="more", unit=3, low=1, previous_label=2024)
    for part in ("name must", "value must be finite", "better must", "unit must", "previous_label must"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": 1, "low": 2, "high": 3}, "low .2. is above the value"),
        ({"value": 4, "low": 2, "high": 3}, "high .3. is below the value"),
        ({"value": 1, "low": 0}, "belong together"),
        ({"value": "1"}, "value must be a number"),
        ({"value": True}, "value must be a number"),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        make_headline("x", **arguments)


def test_outside_a_notebook_a_headline_is_a_line(capsys):
    headline("Revenue", 1_234_567.891, unit="CNY", low=1_000_000.0, high=2_000_000.0)
    assert capsys.readouterr().out == "Revenue: 1,234,568 CNY (1,000,000 to 2,000,000)\n"
    headline("Churn", float("nan"), unit="share")
    assert capsys.readouterr().out == "Churn: not available\n"


def test_headlines_are_collected_in_order_and_other_outputs_ignored():
    notebook = nbformat.v4.new_notebook()
    first, second = make_headline("b", 1), make_headline("a", 2)
    notebook.cells = [
        nbformat.v4.new_markdown_cell("text"),
        nbformat.v4.new_code_cell(
            outputs=[
                nbformat.v4.new_output("stream", text="x"),
                nbformat.v4.new_output("display_data", {MIME: first, "text/plain": "b"}),
                nbformat.v4.new_output("display_data", {"text/plain": "no headline"}),
            ]
        ),
        nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", {MIME: second})]),
    ]
    assert collect_headlines(notebook) == [first, second]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.593472, "", "0.593"),
        (0.5798, "", "0.580"),
        (0.00123456, "", "0.00123"),
        (0.0, "", "0.00"),
        (3.14159, "", "3.14"),
        (-12.345, "", "-12.3"),
        (3_297_878.44, "CNY", "3,297,878"),
        (0.05831, "share", "5.8%"),
        (4768, "", "4,768"),
    ],
)
def test_numbers_are_shown_with_a_handful_of_digits(value, unit, text):
    assert format_value(value, unit) == text


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({"value": 110, "previous": 100, "better": "higher"}, ("+10.0% on 2024", "up", "good")),
        ({"value": 110, "previous": 100, "better": "lower"}, ("+10.0% on 2024", "up", "bad")),
        ({"value": 90, "previous": 100}, ("-10.0% on 2024", "down", "")),
        (
            {"value": 0.31, "previous": 0.335, "unit": "share", "better": "lower"},
            ("-2.5 points on 2024", "down", "good"),
        ),
        ({"value": 5, "previous": -3, "better": "higher"}, ("+8 on 2024", "up", "good")),
        ({"value": 0, "previous": 0, "better": "higher"}, ("unchanged on 2024", "", "")),
        ({"value": 100.01, "previous": 100, "better": "lower"}, ("unchanged on 2024", "", "")),
        ({"value": float("nan"), "previous": 100}, ("", "", "")),
        ({"value": 100, "previous": float("nan")}, ("", "", "")),
    ],
)
def test_a_card_tells_the_change_and_whether_it_is_wanted(given, texts):
    card = card_texts(make_headline("x", given.pop("value"), previous_label="2024", **given))
    assert (card["change"], card["direction"], card["judgement"]) == texts


def test_the_number_before_travels_with_the_headline(capsys):
    headline("Revenue", 110, low=100, high=120, previous=100)
    assert capsys.readouterr().out == "Revenue: 110 (100 to 120, +10.0% on the period before)\n"
    record = {"notebook": "n", **make_headline("x", 1, previous=0.1 + 0.2, previous_label="=2024")}
    row = next(csv.DictReader(io.StringIO(headlines_csv([record]))))
    assert (float(row["previous"]), row["previous_label"]) == (0.1 + 0.2, "'=2024")
    assert headlines_frame([record])["previous"].iloc[0] == 0.1 + 0.2
