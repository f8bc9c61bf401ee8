"""Computed prose: values formatted, data escaped, translations found."""

import gettext

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


def test_a_missing_value_is_an_error_not_a_gap():
    with pytest.raises(KeyError, match="share"):
        language.prose("{share:.0%}")


def test_a_catalogue_translates_templates_and_labels(tmp_path, monkeypatch):
    class Chinese(gettext.NullTranslations):
        def gettext(self, message):
            return {"{n} customers": "{n}位客户"}.get(message, message)

    monkeypatch.setattr(language, "_catalogue", lambda name: Chinese() if name == "zh_CN" else None)
    monkeypatch.setenv("CRM_UTILS_LANGUAGE", "zh-CN")
    assert language.current_language() == "zh-CN"
    assert str(language.prose("{n} customers", n=3)) == "3位客户"


def test_the_message_of_an_error_is_escaped_like_any_text():
    assert "<b>" not in str(language.prose("Refused: {reason}", reason=ValueError("city <b>X</b>")).markdown)
