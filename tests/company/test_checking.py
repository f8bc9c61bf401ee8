"""The rules of the contract: the right rows are named, fast, with a remedy."""

import time

import pandas as pd
import pytest

from crm_utils.company.company import Company
from crm_utils.company.load import check_company, load_company

LINE = "order_id,customer_id,ordered_at,amount"


@pytest.mark.parametrize(
    ("table", "header", "rows", "column", "rule", "places"),
    [
        (
            "order_lines",
            LINE + ",quantity",
            ["1,a,2025-01-01,5,1", "2,a,2025-01-01,20,-1", "3,a,2025-01-01,-4,2", "4,a,2025-01-01,-4,-2"],
            "amount",
            "quantity and amount have opposite signs",
            ("row 2 (line 3): '20.0'", "row 3 (line 4): '-4.0'"),
        ),
        (
            "order_lines",
            LINE,
            ["1,a,9999-12-31,5", "2,a,2025-01-01,5", "3,a,1899-12-31,5"],
            "ordered_at",
            "must lie in the years 1900 to 2200",
            ("row 1 (line 2): '9999-12-31 00:00:00'", "row 3 (line 4): '1899-12-31 00:00:00'"),
        ),
        (
            "order_lines",
            LINE,
            ["1,NULL,2025-01-01,5", "2,a,2025-01-01,5", "3,#N/A,2025-01-01,5", "4,,2025-01-01,5"],
            "customer_id",
            "looks like a missing value, not an id",
            ("row 1 (line 2): 'NULL'", "row 3 (line 4): '#N/A'"),
        ),
        (
            "survey",
            "response_id,weight",
            ["1,1", "2,0", "3,-0.5"],
            "weight",
            "must be at least 0",
            ("row 3 (line 4): '-0.5'",),
        ),
        (
            "survey",
            "response_id,weight",
            ["1,", "2,0", "3,0.5"],
            "weight",
            "must not be blank",
            ("row 1 (line 2)",),
        ),
        (
            "survey",
            "response_id,answered_at",
            ["1,2025-01-05", "2,last week", "3,"],
            "answered_at",
            "not a readable date",
            ("row 2 (line 3): 'last week'",),
        ),
        (
            "customers",
            "customer_id,birth_year",
            ["a,", "b,", "c,1850", "d,1990"],
            "birth_year",
            "must be at least 1900",
            ("row 3 (line 4): '1850'",),
        ),
    ],
)
def test_the_right_rows_are_named(folder, tmp_path, table, header, rows, column, rule, places):
    text = "\n".join([header, *rows])
    (problem,) = check_company(folder(tmp_path, **{f"{table}__csv": text})).problems
    assert (problem.column, problem.rule, problem.rows) == (column, rule, places)


def test_words_that_mean_no_value_are_offered_as_a_setting(folder, tmp_path):
    lines = f"{LINE}\n1,NULL,2025-01-01,5\n2,nan,2025-01-01,5\n"
    (problem,) = check_company(folder(tmp_path, order_lines__csv=lines)).problems
    assert "missing: ['NULL', 'nan']" in problem.remedy
    yml = "tables: {order_lines: {missing: ['NULL', 'nan']}}"
    assert check_company(folder(tmp_path, company__yml=yml, order_lines__csv=lines)).ok


def test_allowed_words_in_any_case(folder, tmp_path):
    text = "perspective,measure,period,value,better\nP,m,2025,1,Higher\n"
    assert load_company(folder(tmp_path, scorecard__csv=text)).scorecard["better"].tolist() == ["higher"]


def test_many_broken_rows_are_told_fast():
    rows = 300_000
    lines = pd.DataFrame(
        {"order_id": "1", "customer_id": "a", "ordered_at": "2025-01-01", "quantity": 1.0, "amount": [-1.0] * rows}
    )
    started = time.process_time()
    (problem,) = Company.from_frames({"order_lines": lines}).problems()
    assert problem.count == rows
    assert time.process_time() - started < 6  # a table of failure cases takes three times as long


def test_settings_reach_columns_that_the_contract_does_not_name(folder, tmp_path):
    yml = "tables: {customers: {missing: [NULL]}}"
    path = folder(tmp_path, company__yml=yml, customers__csv="customer_id,age\n1,NULL\n2,33\n")
    assert load_company(path).customers["age"].sum() == 33


SERVQUAL = "response_id,sq_exp_empathy_1,sq_per_empathy_1,sq_importance_empathy"
JOURNEY = "response_id,journey_order,journey_delivery,journey_overall"


class TestColumnsOfTheSurveyKnownByTheirNames:
    @pytest.mark.parametrize(
        ("header", "rows", "column", "rule", "places"),
        [
            (SERVQUAL, ["1,5,5,9", "2,5,6,9"], "sq_per_empathy_1", "must be at most 5", ("row 2 (line 3): '6.0'",)),
            (SERVQUAL, ["1,0,5,9"], "sq_exp_empathy_1", "must be at least 1", ("row 1 (line 2): '0.0'",)),
            (SERVQUAL, ["1,5,agree,9", "2,,,"], "sq_per_empathy_1", "not a number", ("row 1 (line 2): 'agree'",)),
            (SERVQUAL, ["1,5,5,-9"], "sq_importance_empathy", "must be at least 0", ("row 1 (line 2): '-9.0'",)),
            (JOURNEY, ["1,5,5,5", "2,7,5,"], "journey_order", "must be at most 5", ("row 2 (line 3): '7.0'",)),
            (JOURNEY, ["1,5,5,9"], "journey_overall", "must be at most 5", ("row 1 (line 2): '9.0'",)),
        ],
    )
    def test_a_bad_answer_is_named(self, folder, tmp_path, header, rows, column, rule, places):
        path = folder(
            tmp_path, company__yml="tables: {survey: {scale: [1, 5]}}", survey__csv="\n".join([header, *rows])
        )
        (problem,) = check_company(path).problems
        assert (problem.column, problem.rule, problem.rows, problem.count) == (column, rule, places, 1)
        assert "rename the column" in problem.remedy

    def test_good_answers_are_numbers_and_points_need_no_scale(self, folder, tmp_path):
        survey = load_company(folder(tmp_path, survey__csv=f"{SERVQUAL}\n1,5,,90\n2,4,3,\n")).survey
        assert survey.iloc[:, 1:].sum().tolist() == [9, 3, 90]

    @pytest.mark.parametrize(
        "header",
        [
            "sq_per_empathy_note",
            "sq_per_1",
            "my_sq_per_empathy_1",
            "sq_importance_empathy",
            "journey_id",
            "journeys_overall",
        ],
    )
    def test_columns_of_other_names_may_hold_anything(self, folder, tmp_path, header):
        text = f"response_id,{header}\n1,by bus\n2,99\n"
        assert load_company(folder(tmp_path, survey__csv=text)).survey[header].tolist() == ["by bus", "99"]

    def test_half_a_pair_and_points_for_some_dimensions_stop_nobody(self, folder, tmp_path):
        header = "response_id,sq_exp_empathy_1,sq_per_empathy_1,sq_per_empathy_2,sq_exp_trust_1,sq_per_trust_1"
        path = folder(tmp_path, survey__csv=f"{header},sq_importance_trust\n1,5,4,6,5,5,40\n")
        check = check_company(path)
        assert check.ok
        assert [warning.split(",")[0] for warning in check.warnings] == [
            "survey: there is no column sq_exp_empathy_2",
            "survey: there is no column sq_importance_empathy",
        ]
        assert load_company(path).survey.loc[0, "sq_per_empathy_2"] == 6

    def test_weights_say_what_to_do(self, folder, tmp_path):
        for text in ("1,\n2,1", "1,many\n2,1"):
            (problem,) = check_company(folder(tmp_path, survey__csv=f"response_id,weight\n{text}\n")).problems
            assert problem.remedy.endswith("(1 counts it once, 0 not at all), or drop the column")

    def test_days_of_answers_keep_the_date_format_and_the_day_of_the_analysis(self, folder, tmp_path):
        yml = "tables: {survey: {date_format: '%d/%m/%Y', columns: {answered_at: Tag}}}"
        path = folder(tmp_path, company__yml=yml, survey__csv="response_id,Tag\n1,05/03/2025\n2,\n3,06/03/2025\n")
        company = load_company(path)
        assert company.survey["answered_at"].max() == pd.Timestamp("2025-03-06")
        assert company.as_of == pd.Timestamp("2025-03-07")
        assert company.at("2025-03-06").survey["response_id"].tolist() == ["1", "2"]
