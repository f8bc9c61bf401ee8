"""The order of waves."""

import pandas as pd
import pytest

from crm_utils.company.settings import SurveySettings
from crm_utils.survey import survey_answers, wave_order, wave_order_text


def _dated(**days):
    return pd.DataFrame({"wave": list(days), "answered_at": pd.to_datetime(list(days.values()))})


@pytest.mark.parametrize(
    "labels",
    [
        ["Wave 8", "Wave 9", "Wave 10", "Wave 13"],
        ["2023H1", "2023H2", "2024H1"],
        ["2024-Q4", "2025-Q1"],
        ["第2期", "第10期"],
        [2, 10, 30],
        [9, "wave 2", "wave 11"],
        ["w1", "w1b", "w2"],
    ],
)
def test_numbers_in_names_go_by_their_size(labels):
    shuffled = labels[::-1] + labels
    assert wave_order(pd.DataFrame({"wave": pd.Series([*shuffled, None], dtype=object)})) == labels


def test_dates_come_before_names():
    assert wave_order(_dated(autumn="2025-10-02", spring="2025-04-01", winter="2026-01-05")) == [
        "spring", "autumn", "winter",
    ]  # fmt: skip


def test_one_late_answer_does_not_move_a_wave():
    answers = pd.concat(
        [_dated(b=day) for day in ("2025-01-01", "2025-01-02", "2026-12-01")] + [_dated(a="2025-06-01")]
    )
    assert wave_order(answers) == ["b", "a"]


def test_a_wave_without_dates_leaves_the_order_to_the_names():
    assert wave_order(_dated(autumn=None, spring="2025-04-01")) == ["autumn", "spring"]


def test_a_categorical_keeps_its_order_without_what_nobody_is_in():
    column = pd.Categorical(["b", "a"], ["c", "b", "a"])
    assert wave_order(pd.DataFrame({"wave": column})) == ["b", "a"]


def test_the_order_and_its_reason_are_said():
    assert wave_order_text(_dated(autumn="2025-10-02", spring="2025-04-01")) == (
        "The waves are taken in the order of the dates of their answers: spring, autumn."
    )
    assert wave_order_text(pd.DataFrame({"wave": ["w", "w"]})) == ""
    assert wave_order_text(pd.DataFrame({"v": [1]})) == ""
    many = wave_order_text(pd.DataFrame({"wave": range(40)}))
    assert "0, 1, 2, 3, 4, 5, …, 37, 38, 39" in many


def test_answers_come_with_waves_in_order():
    survey = pd.DataFrame({"v1": [1, 2, 3, 4], "wave": ["Wave 10", "Wave 9", None, "Wave 10"]})
    answers = survey_answers(survey, SurveySettings(scale=(1, 10), constructs={"value": ("v1",)}))
    assert answers["wave"].min() == "Wave 9"
    assert answers["wave"].isna().tolist() == [False, False, True, False]
    assert answers.groupby("wave", observed=True)["v1"].mean().to_dict() == {"Wave 9": 2.0, "Wave 10": 2.5}
