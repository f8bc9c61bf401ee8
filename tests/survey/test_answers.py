"""Answers made ready: reversals, the scale, gaps."""

import numpy as np
import pandas as pd
import pytest

from crm_utils import load_company
from crm_utils.company.settings import SurveySettings
from crm_utils.errors import ParameterError
from crm_utils.survey.answers import (
    missing_answers_table,
    scale_problems,
    survey_answers,
    survey_design,
    suspected_reversals,
    usable_constructs,
)

CONSTRUCTS = {"value": ("v1", "v2", "v3")}


@pytest.fixture
def answers():
    rng = np.random.default_rng(7)
    mood = rng.normal(size=(300, 1))
    return pd.DataFrame(mood + rng.normal(size=(300, 3)), columns=["v1", "v2", "v3"])


@pytest.mark.parametrize(("scale", "given", "turned"), [((1, 10), 3, 8), ((0, 10), 3, 7), ((1, 5), 2, 4)])
def test_a_reversed_item_is_turned_round_on_its_scale(scale, given, turned):
    table = pd.DataFrame({"v1": [given, 4], "v2": [given, 4], "v3": [given, 4]})
    found = survey_answers(table, SurveySettings(scale=scale, constructs=CONSTRUCTS, reversed=("v2",)))
    assert found["v2"].iloc[0] == turned
    assert found["v1"].iloc[0] == given
    assert table["v2"].iloc[0] == given


def test_the_demo_keeps_gaps_and_other_columns_and_its_table():
    demo = load_company()
    before = demo.survey.copy()
    found = survey_answers(demo)
    pd.testing.assert_frame_equal(demo.survey, before)
    assert found.columns.tolist() == before.columns.tolist()
    assert (found["loyalty_3"] + before["loyalty_3"]).dropna().eq(11).all()
    assert (found["loyalty_3"].isna() == before["loyalty_3"].isna()).all()
    assert found["wave"].tolist() == before["wave"].tolist()


def test_unusable_answers_are_listed_together():
    table = pd.DataFrame({"v1": [1.0, 11, 5], "v2": [3.0, 4, 5], "v3": [0.0, 0, 5]})
    settings = SurveySettings(constructs=CONSTRUCTS)
    with pytest.raises(ParameterError, match=r"v1 has 1 answer(.|\n)*v3 has 2 answers"):
        survey_answers(table, settings)
    with pytest.raises(ParameterError, match="v2 must be numeric"):
        survey_answers(table.assign(v2="often"), settings)
    with pytest.raises(ParameterError, match="lacks the column v2"):
        survey_answers(table.drop(columns="v2"), settings)
    with pytest.raises(ParameterError, match="reversed names v9"):
        survey_answers(table, SurveySettings(constructs=CONSTRUCTS, reversed=("v9",)))
    with pytest.raises(ParameterError, match="a table needs settings"):
        survey_answers(table)


def test_what_is_outside_is_named_with_rows_scale_and_remedy():
    table = pd.DataFrame({"v1": [1.0, 11, np.nan], "v2": [0.0, 12, 5]}, index=["ann", "bob", "cai"])
    first, second = scale_problems(table, ["v1", "v2"], (1, 10))
    assert first == (
        "the item v1 has 1 answer outside the scale 1 to 10 (rows bob: 11); correct them, code them as missing, or "
        "state the right scale"
    )
    assert "v2 has 2 answers" in second
    assert "ann, bob" in second


@pytest.mark.parametrize("scale", [(10, 1), (1, 1), (1,), "19", 10, None, (1, float("nan")), (1, "x")])
def test_unusable_scales(scale):
    assert "lowest and the highest" in scale_problems(pd.DataFrame(), [], scale)[0]


def test_items_that_tell_nothing_are_left_out_and_said(answers):
    answers = answers.assign(v2=7.0, w=np.nan)
    kept, reasons = usable_constructs(answers, {**CONSTRUCTS, "w": ("w",)})
    assert kept == {"value": ("v1", "v3")}
    assert len(reasons) == 2
    assert "v2 of value is 7 in every answer" in reasons[0]
    assert "w of w has no answer" in reasons[1]


def test_missing_answers_are_counted_by_item_and_together(answers):
    answers.loc[:29, "v1"] = np.nan
    answers.loc[20:79, "v3"] = np.nan
    table = missing_answers_table(answers, CONSTRUCTS).set_index("item")
    assert table["missing_share"].to_dict() == pytest.approx({"v1": 0.1, "v2": 0.0, "v3": 0.2, "every item": 80 / 300})
    assert table.loc["every item", "answers"] == 220


def test_only_the_turned_item_is_suspected(answers):
    table = suspected_reversals(answers.assign(v2=-answers["v2"]), CONSTRUCTS).set_index("item")
    assert table["suspected"].to_dict() == {"v1": False, "v2": True, "v3": False}
    assert table.loc["v1", "correlation"] == pytest.approx(answers["v1"].corr(answers["v3"]))
    others = (answers["v1"] + answers["v3"]) / 2
    assert table.loc["v2", "correlation"] == pytest.approx(-answers["v2"].corr(others))


def test_nothing_is_suspected_where_nothing_is_turned(answers):
    assert not suspected_reversals(answers, CONSTRUCTS)["suspected"].any()


def test_of_two_items_both_are_suspected(answers):
    table = suspected_reversals(answers.assign(v2=-answers["v2"]), {"value": ("v1", "v2"), "single": ("v3",)})
    assert table["item"].tolist() == ["v1", "v2"]
    assert table["suspected"].all()


def test_the_interval_is_that_of_fisher(answers):
    from scipy.stats import pearsonr

    row = suspected_reversals(answers, {"value": ("v1", "v2")}, level=0.9).iloc[0]
    expected = pearsonr(answers["v1"], answers["v2"]).confidence_interval(0.9)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_too_few_or_constant_answers_have_no_correlation(answers):
    few = answers.assign(v1=answers["v1"].where(answers.index < 5))
    assert np.isnan(suspected_reversals(few, {"value": ("v1", "v2")})["correlation"]).all()
    table = suspected_reversals(answers.assign(v1=3.0), CONSTRUCTS)
    assert np.isnan(table["correlation"].iloc[0])
    assert not table["suspected"].any()


def test_the_demo_declares_exactly_the_items_that_run_backwards():
    demo = load_company()
    settings = demo.survey_settings
    before = suspected_reversals(demo.survey, settings.constructs).query("suspected")
    after = suspected_reversals(survey_answers(demo), settings.constructs)
    assert set(settings.reversed) <= set(before["item"])
    assert not after["suspected"].any()


@pytest.mark.parametrize("function", [missing_answers_table, suspected_reversals, usable_constructs])
def test_unknown_items(answers, function):
    with pytest.raises(ParameterError, match="lacks the column v9"):
        function(answers, {"value": ("v1", "v9")})


def test_the_design_of_a_survey():
    survey = pd.DataFrame({"customer_id": ["a", None, "b", "a", None], "weight": [1.0, 2, 3, 4, 5], "v": range(5)})
    design = survey_design(survey)
    assert design["weights"].tolist() == [1, 2, 3, 4, 5]
    clusters = design["clusters"]
    assert clusters[0] == clusters[3]
    assert clusters.nunique() == 4
    once = survey_design(survey.drop(columns="weight").head(3))
    assert once == {"weights": None, "clusters": None}
    assert survey_design(survey[["v"]]) == {"weights": None, "clusters": None}
