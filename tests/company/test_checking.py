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
            ["1,", "2,0", "3,0.5"],
            "weight",
            "must be above 0",
            ("row 2 (line 3): '0.0'",),
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
