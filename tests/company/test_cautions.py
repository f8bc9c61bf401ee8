"""What keeps the contract and is worth a look: told, with the row that is behind it."""

import pandas as pd
import pytest

from crm_utils.company.company import Company
from crm_utils.company.load import check_company, load_company
from crm_utils.company.settings import SurveySettings

LINE = "order_id,customer_id,ordered_at,amount"
LINES = "order_id,customer_id,ordered_at,amount\no1,王芳,2025-01-05,10.5\no2,C2,2025-02-01,-3\n"


def test_one_future_date_is_traced_to_its_row(folder, tmp_path):
    customers = "customer_id,joined_at\nC2,2025-01-01\n王芳,2035-01-01\n"
    check = check_company(folder(tmp_path, order_lines__csv=LINES, customers__csv=customers))
    assert check.as_of == pd.Timestamp("2035-01-02")
    place = "the day after the newest event, customers.joined_at in customers.csv row 2 (line 3)"
    assert check.lines()[:2] == [
        f"Day of the analysis: 2035-01-02 ({place})",
        "Orders: 2025-01-05 to 2025-02-01",
    ]
    (warning,) = check.warnings
    assert "2035-01-02, is 3,622 days after the newest order (2025-02-01)" in warning


@pytest.mark.parametrize(
    ("content", "yml"),
    [(f"{LINE}\n", ""), (f"{LINE}\n1,,2025-01-01,5\n", ""), (LINES, "as_of: 1990-01-01")],
)
def test_no_usable_line(folder, tmp_path, content, yml):
    check = check_company(folder(tmp_path, order_lines__csv=content, company__yml=yml))
    assert check.warnings == ("order_lines: 0 usable rows",)


def test_customers_that_nobody_knows(folder, tmp_path):
    customers = "customer_id\nc-1\nc-2\n"
    check = check_company(folder(tmp_path, order_lines__csv=LINES, customers__csv=customers))
    (warning,) = check.warnings
    assert warning == (
        "order_lines: 2 of 2 customer ids are not in customers, such as '王芳'; customers has ids such as 'c-1'"
    )


RECORDS = "record_id,source,created_at,may_contact\n007,web,2025-01-01,是\n008,store,2025-01-20,\n"


def test_orders_booked_under_a_record_that_is_not_there(folder, tmp_path):
    lines = f"{LINE},record_id\no1,C1,2025-01-05,10,007\no2,C2,2025-02-01,5,7\no3,C2,2025-02-02,5,\n"
    check = check_company(folder(tmp_path, order_lines__csv=lines, source_records__csv=RECORDS))
    assert check.ok
    assert check.warnings == (
        "order_lines: 1 of 2 record ids are not in source_records, such as '7'; source_records has ids such as '007'",
    )


def test_records_made_after_the_day_of_the_analysis_are_known(folder, tmp_path):
    lines = f"{LINE},record_id\no1,C1,2025-01-05,10,008\n"
    check = check_company(folder(tmp_path, order_lines__csv=lines, source_records__csv=RECORDS), as_of="2025-01-10")
    assert check.warnings == ()
    assert check.company.source_records["record_id"].tolist() == ["007"]


def test_record_ids_without_records_and_records_without_record_ids(folder, tmp_path):
    lines = f"{LINE},record_id\no1,C1,2025-01-05,10,009\n"
    assert check_company(folder(tmp_path / "1", order_lines__csv=lines)).warnings == ()
    assert check_company(folder(tmp_path / "2", order_lines__csv=LINES, source_records__csv=RECORDS)).warnings == ()


def test_the_demo_gives_no_cause():
    assert check_company().warnings == ()


def test_another_day_for_a_company_that_is_there(folder, tmp_path):
    company = load_company(folder(tmp_path, order_lines__csv=LINES))
    check = check_company(company, as_of="2025-02-01")
    assert check.tables == {"order_lines": 1}
    assert check.company.as_of_reason == "as asked for"
    assert len(company.order_lines) == 2


def survey_warnings(constructs=(), **columns):
    survey = pd.DataFrame(columns)
    survey.insert(0, "response_id", [f"r{row}" for row in range(len(survey))])
    settings = SurveySettings(constructs=dict.fromkeys(constructs, ()))
    return check_company(Company.from_frames({"survey": survey}, survey_settings=settings)).warnings


class TestNobodies:
    def test_one_id_for_all_who_are_not_known(self, folder, tmp_path):
        lines = f"{LINE}\no1,Unknown,2025-01-05,1\no2,Unknown,2025-01-05,1\no3,0,2025-01-05,1\no4,C0,2025-01-05,1\n"
        (warning,) = check_company(folder(tmp_path, order_lines__csv=lines)).warnings
        assert warning.startswith(
            "order_lines: the customer id is 'Unknown' in 2 rows, '0' in 1 row, which counts as one"
        )
        assert warning.endswith("leave the id blank there")

    def test_a_table_of_customers_cannot_leave_it_blank(self, folder, tmp_path):
        (warning,) = check_company(folder(tmp_path, customers__csv="customer_id\n未知\nC1\n")).warnings
        assert warning.endswith("remove these rows")

    def test_in_every_table_with_customers(self):
        (warning,) = survey_warnings(customer_id=["guest", "guest-1", None])
        assert warning.startswith("survey: the customer id is 'guest' in 1 row,")


class TestWeights:
    def test_one_weight_outweighs_the_rest(self):
        (warning,) = survey_warnings(weight=[1, 1, 1, 1, 97, 0, 0])
        effective = 101**2 / (4 + 97**2)  # by hand: 1.08
        assert f"5 weighted answers say as much as {effective:,.1f} of equal weight" in warning
        assert "the largest weight is 97 (response r4), the middle one 1" in warning

    @pytest.mark.parametrize("weights", [[1.0, 1, 1, 1, 0, 0, 0, 0, 0], [0.3, 1, 2, 3]])
    def test_usual_weights_and_answers_left_out_are_no_cause(self, weights):
        assert survey_warnings(weight=weights) == ()

    def test_no_answer_counts(self):
        assert survey_warnings(weight=[0, 0]) == ("survey: every weight is 0, so that no answer counts",)


def test_a_question_that_nobody_answered():
    (warning,) = survey_warnings(
        sq_exp_empathy_1=[None, ""], sq_per_empathy_1=[5, 6], sq_importance_empathy=[None, None], other=[None, None]
    )
    assert warning.startswith("survey: nobody answered sq_exp_empathy_1, sq_importance_empathy; ")


class TestQuestionsThatCannotBeUsedAlone:
    def test_half_a_pair(self):
        (warning,) = survey_warnings(sq_exp_a_1=[5, 4], sq_per_a_1=[5, 6], sq_per_a_10=[7, 6], nps=[9, 10])
        assert warning == (
            "survey: there is no column sq_exp_a_10, and expectation and perception go in pairs: the other half of the "
            "pair is not used; add what was asked, or rename what is no answer to SERVQUAL"
        )

    def test_several_halves_are_one_warning(self):
        (warning,) = survey_warnings(sq_exp_a_1=[5], sq_per_a_2=[5], sq_importance_a=[9])
        assert "there are no columns sq_exp_a_2, sq_per_a_1, and" in warning

    def test_points_for_some_dimensions(self):
        sides = {f"sq_{side}_{name}_1": [5, 4] for side in ("exp", "per") for name in "abc"}
        (warning,) = survey_warnings(**sides, sq_importance_b=[40, 50])
        assert "there are no columns sq_importance_a, sq_importance_c, and points are given to every" in warning

    def test_a_dimension_of_which_nothing_is_used_needs_no_points(self):
        (warning,) = survey_warnings(sq_exp_a_1=[5], sq_per_a_1=[5], sq_importance_a=[9], sq_exp_b_1=[7])
        assert "sq_per_b_1" in warning

    @pytest.mark.parametrize(
        "columns",
        [
            {"sq_per_a_1": [5], "sq_importance_a": [9], "sq_per_b_1": [5]},
            {"sq_exp_a_1": [5], "sq_exp_b_2": [5]},
            {"sq_exp_a_1": [5], "sq_per_a_1": [5]},
            {"sq_exp_a_1": [5], "sq_per_a_1": [5], "sq_importance_a": [9], "sq_importance_b": [9]},
            {"journey_order": [5], "nps": [9]},
        ],
    )
    def test_what_is_whole_is_no_cause(self, columns):
        assert survey_warnings(**columns) == ()


class TestSatisfactionByAnotherName:
    @pytest.mark.parametrize("name", ["satisfied", "Satisfaction with the shop", "店铺满意"])
    def test_is_told(self, name):
        (warning,) = survey_warnings(constructs=[name, "loyalty"], nps=[5])
        assert f"the construct {name!r} is not recognised as satisfaction" in warning

    def test_several_are_one_warning(self):
        (warning,) = survey_warnings(constructs=["satisfied", "satisfaction_shop"], nps=[5])
        assert "the constructs 'satisfied', 'satisfaction_shop' are not" in warning

    @pytest.mark.parametrize(
        "names",
        [
            ["satisfaction", "satisfaction_shop"],
            ["Overall Satisfaction"],
            ["customer-satisfaction"],
            ["顾客满意度"],
            ["dissatisfaction"],
            ["不满意"],
            ["value"],
            [],
        ],
    )
    def test_is_not_told_where_one_is_recognised_or_none_is_meant(self, names):
        assert survey_warnings(constructs=names, nps=[5]) == ()
