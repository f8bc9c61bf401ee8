"""company.yml and the folder: every slip is a problem with a place, and nothing is guessed in silence."""

import datetime

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.company_yml import parse_as_of
from crm_utils.company.load import check_company, load_company
from crm_utils.company.settings import read_settings
from crm_utils.errors import ContractError

LINES = "order_id,customer_id,ordered_at,amount\no1,C1,2025-01-05,10.5\no2,C2,2025-02-01,-3\n"
SURVEY = "response_id,L1\n1,5\n"


@pytest.fixture
def make(tmp_path):
    """Write a company folder from file names and contents."""

    def write(files, *, yml=None):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        if yml is not None:
            (tmp_path / "company.yml").write_text(yml, encoding="utf-8")
        return tmp_path

    return write


def said(folder):
    return "\n".join(map(str, check_company(folder).problems))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("file: /abs/path.csv", "no file or glob inside the folder"),
        ("file: '**.csv'", "no file or glob inside the folder"),
        ("file: '.'", "no file or glob inside the folder"),
        ("separator: ';;'", "separator is ';;'"),
        ("separator: '\"'", "separator is '\"'"),
        ("date_format: '%Q'", "is no format of dates"),
        ("date_format: '%Y-%m-%d %'", "is no format of dates"),
        ("date_format: dd/mm/yyyy", "is no format of dates"),
        ("date_format: '%z %Y'", "is no format of dates"),
        ("sheet: [0, 1]", "sheet is [0, 1]"),
        ("sheet: -1", "sheet is -1"),
        ("missing: {a: b}", "missing is {'a': 'b'}"),
        ("missing: [no]", "missing is False"),
        ("encoding: [a]", "encoding is ['a']"),
        ("columns: {order_id: [a]}", "order_id is ['a']"),
        ("columns: {order_id: amount, customer_id: amount}", "both read from the column 'amount'"),
    ],
)
def test_every_slip_in_a_table(make, settings, words):
    folder = make({"order_lines.csv": LINES}, yml=f"tables:\n  order_lines:\n    {settings}\n")
    assert words in said(folder)


@pytest.mark.parametrize(
    ("yml", "words"),
    [
        ("name: [a, b]", "name is ['a', 'b']"),
        ("currency: {a: 1}", "currency is {'a': 1}"),
        ("as_of: 2011-13-45", "'2011-13-45' is not a date"),
        ("as_of: NaT", "'NaT' is not a date"),
        ("name: a\nname: b", "'name' occurs twice"),
        ("tables:\n  survey: {scale: [no, yes]}", "scale is [False, True]"),
        ("tables:\n  survey: {scale: [1, .inf]}", "scale is [1, inf]"),
        ("tables:\n  survey: {reversed: 5}", "reversed item '5' is in no construct"),
        ("tables:\n  survey: {constructs: {loyalty: 5}}", "survey.5"),
        ("tables:\n  survey: {constructs: {loyalty: {a: b}}}", "loyalty is {'a': 'b'}"),
    ],
)
def test_every_slip_in_the_rest(make, yml, words):
    assert words in said(make({"order_lines.csv": LINES, "survey.csv": SURVEY}, yml=yml))


def test_one_text_is_one_item(make):
    yml = "tables: {survey: {constructs: {loyalty: L1}, reversed: L1}}"
    settings = read_settings(make({"survey.csv": SURVEY}, yml=yml)).survey
    assert (settings.constructs, settings.reversed) == ({"loyalty": ("L1",)}, ("L1",))


@pytest.mark.parametrize("given", ["5", "[5]", "'5'"])
def test_one_text_for_no_value(make, given):
    folder = make({"order_lines.csv": LINES}, yml=f"tables: {{order_lines: {{missing: {given}}}}}")
    assert read_settings(folder).tables["order_lines"].missing == ("5",)


def test_a_sheet_of_nothing_is_the_first(make):
    folder = make({"order_lines.csv": LINES}, yml="tables: {order_lines: {sheet: null}}")
    assert read_settings(folder).tables["order_lines"].sheet == 0


class TestFiles:
    @pytest.mark.parametrize("name", ["company.yaml", "Company.yml"])
    def test_settings_by_another_name_are_not_overlooked(self, make, name):
        assert f"called {name}.\n    Remedy: rename the file to company.yml" in said(
            make({"order_lines.csv": LINES, name: "currency: GBP"})
        )

    def test_the_case_of_a_file_name_does_not_matter(self, make):
        assert len(load_company(make({"Order_Lines.CSV": LINES})).order_lines) == 2

    @pytest.mark.parametrize("name", ["survey.txt", "survey.xls"])
    def test_a_near_miss_is_told(self, make, name):
        assert f"{name} carries a table's name" in "\n".join(
            check_company(make({"order_lines.csv": LINES, name: SURVEY})).lines()
        )

    def test_a_near_miss_is_told_where_nothing_else_is_there(self, make):
        assert "order_lines.txt carries a table's name" in said(make({"order_lines.txt": LINES}))

    def test_lock_files_of_excel_are_no_data(self, make):
        folder = make({"~$sales.csv": "xx", "sales.csv": LINES}, yml="tables: {order_lines: {file: '*.csv'}}")
        check = check_company(folder)
        assert check.tables == {"order_lines": 2}
        assert check.unused_files == ()

    def test_a_table_may_be_a_folder_of_parquet_files(self, make, tmp_path):
        lines = pd.read_csv(make({"x.txt": LINES}) / "x.txt")
        for year, part in enumerate((lines.iloc[:1], lines.iloc[1:])):
            path = tmp_path / f"order_lines.parquet/year={year}/part.parquet"
            path.parent.mkdir(parents=True)
            part.to_parquet(path)
        assert load_company(tmp_path).order_lines["order_id"].tolist() == ["o1", "o2"]

    def test_messages_name_a_file_from_the_folder_on(self, make):
        yml = "tables: {order_lines: {file: '*/lines.csv'}}"
        (problem,) = check_company(
            make({"a/lines.csv": LINES, "b/lines.csv": LINES + "o3,C,soon,1\n"}, yml=yml)
        ).problems
        assert problem.rows == ("b/lines.csv row 3 (line 4): 'soon'",)

    def test_a_column_that_some_files_lack_is_told(self, make):
        without = LINES.replace("amount", "amount,discount").replace("10.5", "10.5,0.1").replace("-3", "-3,0")
        folder = make({"a/1.csv": LINES, "a/2.csv": without}, yml="tables: {order_lines: {file: 'a/*.csv'}}")
        assert "order_lines.discount: a/1.csv of 2 files lack the column" in "\n".join(check_company(folder).warnings)


class TestDayOfTheAnalysis:
    @pytest.mark.parametrize(
        "given", ["06/01/2011", "now", "today", "2011Q2", "2011-06-01 15:00", "2011", "20110601", 5]
    )
    def test_text_is_an_iso_date_and_nothing_else(self, given):
        with pytest.raises(ContractError, match="is not a date"):
            parse_as_of(given)

    @pytest.mark.parametrize(
        "given",
        ["2011-06-01", datetime.date(2011, 6, 1), pd.Timestamp("2011-06-01 15:00"), np.datetime64("2011-06-01")],
    )
    def test_dates_and_timestamps_give_their_day(self, given):
        assert parse_as_of(given) == pd.Timestamp("2011-06-01")

    @pytest.mark.parametrize("given", [None, "", " ", pd.NaT])
    def test_no_choice(self, given):
        assert parse_as_of(given) is None


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_folder_name_is_not_the_demo(empty):
    assert "empty text" in said(empty)
    assert load_company("demo").is_demo
