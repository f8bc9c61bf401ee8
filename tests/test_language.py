"""Computed prose: values formatted, data escaped, translations found."""

import gettext

import numpy as np
import pytest

from crm_utils import language


def test_values_are_formatted_by_the_template():
    assert str(language.prose("{n:,} of {total:,} ({share:.1%})", n=1234, total=5000, share=0.2468)) == (
        "1,234 of 5,000 (24.7%)"
    )


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_number_reads_not_available(missing):
    assert str(language.prose("gain {gain:.1%}", gain=missing)) == "gain not available"


def test_text_from_data_stays_text():
    sentence = str(language.prose("Customer {name} bought.", name="<script>alert(1)</script> *x* $y$ [z](w)"))
    assert "<script>" not in sentence
    assert "&lt;script&gt;" in sentence
    assert r"\*x\* \$y\$ \[z\](w)" in sentence


@pytest.mark.parametrize(
    ("template", "number", "text"),
    [
        ("{x:.1f}", -0.04, "0.0"),
        ("{x:+.2f} points", np.float64(-0.001), "0.00 points"),
        ("{x:.0%}", -0.0004, "0%"),
        ("{x:,.0f}", -0.0, "0"),
        ("{x:.1f}", -0.06, "-0.1"),
        ("{x:.1f}", -10.0, "-10.0"),
        ("{x}", "-0.0", "-0.0"),
    ],
)
def test_what_rounds_to_zero_has_no_minus_unless_it_is_text(template, number, text):
    assert str(language.prose(template, x=number)) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 people"), (1, "1 person"), (2, "2 people"), (1234, "1,234 people"), (-1, "-1 people")]
)
def test_one_is_not_many(number, text):
    assert language.counted(number, "person", "people") == text
    assert language.counted(number, "wave").removesuffix("s") == text.split()[0] + " wave"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, ""), (1, "a"), (2, "a and b"), (3, "a, b and c"), (4, "a, b, c and 1 other"), (15, "a, b, c and 12 others")],
)
def test_long_lists_are_counted(size, text):
    assert language.listed("abcdefghijklmno"[:size]) == text
    assert language.listed(iter("abcdefghijklmno"[:size])) == text


def test_how_many_are_named_can_be_said():
    assert language.listed(["p", "q", "r"], most=1) == "p and 2 others"
    assert language.listed([1, 2, 3, 4], most=4) == "1, 2, 3 and 4"


def test_a_missing_value_is_an_error_not_a_gap():
    with pytest.raises(KeyError, match="share"):
        language.prose("{share:.0%}")


def test_a_catalogue_translates_templates_and_labels(tmp_path, monkeypatch):
    class Chinese(gettext.NullTranslations):
        def gettext(self, message):
            return {"{n} customers": "{n}位客户", "people": "人", "{names} and {last}": "{names}和{last}"}.get(
                message, message
            )

    monkeypatch.setattr(language, "_catalogue", lambda name: Chinese() if name == "zh_CN" else None)
    monkeypatch.setenv("CRM_UTILS_LANGUAGE", "zh-CN")
    assert language.current_language() == "zh-CN"
    assert str(language.prose("{n} customers", n=3)) == "3位客户"
    assert language.counted(3, "person", "people") == "3 人"
    assert language.listed(["春", "夏"]) == "春和夏"


def test_the_message_of_an_error_is_escaped_like_any_text():
    assert "<b>" not in str(language.prose("Refused: {reason}", reason=ValueError("city <b>X</b>")).markdown)
