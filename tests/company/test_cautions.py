"""What keeps the contract and is worth a look: told, with the row that is behind it."""

import pandas as pd
import pytest

from crm_utils.company.load import check_company, load_company

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


def test_the_demo_gives_no_cause():
    assert check_company().warnings == ()


def test_another_day_for_a_company_that_is_there(folder, tmp_path):
    company = load_company(folder(tmp_path, order_lines__csv=LINES))
    check = check_company(company, as_of="2025-02-01")
    assert check.tables == {"order_lines": 1}
    assert check.company.as_of_reason == "as asked for"
    assert len(company.order_lines) == 2
