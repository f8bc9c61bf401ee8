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
