"""Columns of a survey that are known by their names: exactly those, in their order."""

from crm_utils.company.load import load_company
from crm_utils.company.survey_columns import importance_columns, journey_stages, scale_columns, servqual_pairs


def test_pairs_are_in_the_order_of_their_numbers_and_named_whole():
    names = ["sq_per_empathy_10", "sq_exp_empathy_2", "sq_per_after_sales_1", "sq_exp_empathy_x", "sq_exp__1", 7]
    assert servqual_pairs(names) == {
        "empathy": (("sq_exp_empathy_2", "sq_exp_empathy_10"), ("sq_per_empathy_2", "sq_per_empathy_10")),
        "after_sales": (("sq_exp_after_sales_1",), ("sq_per_after_sales_1",)),
    }


def test_a_journey_is_one_only_with_the_whole():
    names = ["journey_b", "journey_a", "nps"]
    assert journey_stages(names) == scale_columns(names) == []
    assert journey_stages(["journey_overall", *names]) == ["journey_b", "journey_a"]


def test_points_belong_to_dimensions_with_items():
    assert importance_columns(["sq_importance_a", "sq_importance_b", "sq_exp_a_1"]) == ["sq_importance_a"]


def test_the_demo_has_five_dimensions_and_five_stages():
    names = list(load_company().survey)
    assert len(servqual_pairs(names)) == len(importance_columns(names)) == len(journey_stages(names)) == 5
    assert len(scale_columns(names)) == 26
