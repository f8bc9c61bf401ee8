"""Loading a company: formats, the three kinds of trouble, and the day of the analysis."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company.company import AFTER_AS_OF, NO_CUSTOMER, ZERO_QUANTITY, Company
from crm_utils.company.contract import TABLES
from crm_utils.company.load import check_company, load_company
from crm_utils.company.settings import SurveySettings
from crm_utils.company.summary import purchase_summary
from crm_utils.errors import ContractError, CrmError

LINES = "order_id,customer_id,ordered_at,amount\no1,王芳,2025-01-05,10.5\no2,C2,2025-02-01,-3\n"


LINE = "order_id,customer_id,ordered_at,amount"
SPELL = "customer_id,started_at,ended_at"
ONE_MONTH = "customer_id + month must occur once"


def problems(path):
    return [(problem.table, problem.column, problem.rule, problem.count) for problem in check_company(path).problems]


class TestFormats:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_text_in_three_encodings(self, folder, tmp_path, encoding):
        company = load_company(folder(tmp_path, order_lines__csv=LINES.encode(encoding)))
        assert company.order_lines["customer_id"].tolist() == ["王芳", "C2"]

    @pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "xlsx"])
    def test_every_kind_of_file_gives_the_same_table(self, folder, tmp_path, ending):
        reference = load_company(folder(tmp_path / "reference", order_lines__csv=LINES)).order_lines
        path = folder(tmp_path / "other") / f"order_lines.{ending}"
        if ending == "parquet":
            reference.to_parquet(path)
        elif ending == "xlsx":
            reference.to_excel(path, index=False)
        else:
            path.write_bytes(gzip.compress(LINES.encode()) if ending == "csv.gz" else LINES.encode())
        pd.testing.assert_frame_equal(load_company(path.parent).order_lines, reference)

    def test_a_glob_is_one_table_and_rows_are_named_by_file(self, folder, tmp_path):
        header, first, second = LINES.splitlines()
        good = folder(
            tmp_path,
            company__yml="tables: {order_lines: {file: 'part*.csv'}}",
            part1__csv=f"{header}\n{first}\n",
            part2__csv=f"{header}\n{second}\n",
        )
        assert load_company(good).order_lines["order_id"].tolist() == ["o1", "o2"]
        (good / "part2.csv").write_text(f"{header}\n{second}\no3,C3,soon,1\n")
        (problem,) = check_company(good).problems
        assert problem.rows == ("part2.csv row 2 (line 3): 'soon'",)

    def test_names_dates_and_separator_as_the_yml_says(self, folder, tmp_path):
        yml = """
name: Corner Shop
currency: GBP
as_of: 2011-12-10
tables:
  order_lines:
    file: sales.csv
    separator: ";"
    date_format: "%d/%m/%Y"
    missing: [NULL]
    columns:
      {order_id: InvoiceNo, customer_id: CustomerID, ordered_at: InvoiceDate, quantity: Quantity, unit_price: Price}
"""
        header = "InvoiceNo;CustomerID;InvoiceDate;Quantity;Price;Country"
        sales = f"{header}\n1;0017;03/11/2011;2;1.5;UK\n2;NULL;04/11/2011;1;2;UK\n"
        company = load_company(folder(tmp_path, company__yml=yml, sales__csv=sales))
        assert (company.name, company.currency, company.as_of) == ("Corner Shop", "GBP", pd.Timestamp("2011-12-10"))
        (row,) = company.order_lines.to_dict("records")
        assert row["customer_id"] == "0017"
        assert row["ordered_at"] == pd.Timestamp("2011-11-03")
        assert row["amount"] == pytest.approx(3.0)
        assert row["Country"] == "UK"

    def test_ids_of_a_workbook_are_text_without_decimals(self, folder, tmp_path):
        frame = pd.DataFrame(
            {"order_id": [1, 2], "customer_id": [12.0, np.nan], "ordered_at": ["2025-01-01"] * 2, "amount": [1, 2]}
        )
        frame.to_excel(folder(tmp_path) / "order_lines.xlsx", index=False)
        assert load_company(tmp_path).order_lines["customer_id"].tolist() == ["12"]

    def test_a_moment_with_zone_keeps_the_wall_clock(self, folder, tmp_path):
        text = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-05T23:30:00+08:00,1\n2,a,2025-01-06 08:00,1\n"
        moments = load_company(folder(tmp_path, order_lines__csv=text)).order_lines["ordered_at"]
        assert moments.tolist() == [pd.Timestamp("2025-01-05 23:30"), pd.Timestamp("2025-01-06 08:00")]

    @pytest.mark.parametrize(
        ("word", "value"), [("yes", True), ("TRUE", True), ("1", True), ("是", True), ("No", False), ("否", False)]
    )
    def test_flags(self, folder, tmp_path, word, value):
        text = f"customer_id,may_contact\na,{word}\n"
        assert load_company(folder(tmp_path, customers__csv=text)).customers["may_contact"].tolist() == [value]

    def test_a_blank_flag_of_a_record_is_no_answer(self, folder, tmp_path):
        text = "record_id,source,may_contact\na,web,\nb,web,否\nc,web,1\n"
        answers = load_company(folder(tmp_path, source_records__csv=text)).source_records["may_contact"]
        assert answers.isna().tolist() == [True, False, False]
        assert answers.dropna().tolist() == [False, True]

    def test_files_of_no_table_are_named(self, folder, tmp_path):
        check = check_company(folder(tmp_path, order_lines__csv=LINES, orderlines__csv="x\n1\n"))
        assert check.unused_files == ("orderlines.csv",)


class TestErrors:
    def test_every_problem_of_every_table_at_once_with_rows(self, folder, tmp_path):
        lines = pd.DataFrame(
            {"order_id": range(1, 31), "customer_id": "C1", "ordered_at": "2024-01-02", "quantity": "1"}
        )
        lines.loc[16, "ordered_at"] = "2024-13-45"
        lines.loc[4, "quantity"] = "3 pcs"
        path = folder(
            tmp_path, customers__csv="customer_id,name\nC1,a\nC2,b\nC2,c\n", order_lines__csv=lines.to_csv(index=False)
        )
        with pytest.raises(ContractError) as raised:
            check_company(path).raise_problems()
        message = str(raised.value)
        assert message.startswith("4 problems with the data:")
        for part in (
            "unit_price",
            "row 17 (line 18): '2024-13-45'",
            "row 5 (line 6): '3 pcs'",
            "row 2 (line 3): 'C2'; row 3 (line 4): 'C2'",
        ):
            assert part in message

    @pytest.mark.parametrize(
        ("table", "header", "row", "column", "rule", "count"),
        [
            ("order_lines", LINE, "1,a,,5", "ordered_at", "must not be blank", 1),
            ("order_lines", LINE, "1,a,2025-01-01,inf", "amount", "not a number", 1),
            ("order_lines", LINE, "1,a,20250230,5", "ordered_at", "not a readable date", 1),
            ("order_lines", LINE, "1,a,2025,5", "ordered_at", "not a readable date", 1),
            ("order_lines", LINE + ",discount", "1,a,2025-01-01,5,20", "discount", "must be at most 1", 1),
            ("customers", "customer_id,may_contact", "a,maybe", "may_contact", "not a yes/no value", 1),
            ("customers", "customer_id,birth_year", "a,1980.5", "birth_year", "not a whole number", 1),
            ("memberships", SPELL, "a,2025-02-01,2025-01-01", "ended_at", "ended_at is before started_at", 1),
            ("member_months", "customer_id,month", "a,2025-01\na,2025-01-01", "customer_id", ONE_MONTH, 2),
            ("judgements", "expert,kind,item,other,value", "e,guess,a,b,1", "kind", "must be pairwise or rating", 1),
        ],
    )
    def test_each_rule(self, folder, tmp_path, table, header, row, column, rule, count):
        path = folder(tmp_path, **{f"{table}__csv": f"{header}\n{row}\n"})
        assert problems(path) == [(table, column, rule, count)]

    def test_a_missing_column_suggests_the_misspelt_one(self, folder, tmp_path):
        text = "order_id,custmer_id,ordered_at,amount\n1,a,2025-01-01,5\n"
        (problem,) = check_company(folder(tmp_path, order_lines__csv=text)).problems
        assert problem.column == "customer_id"
        assert "did you mean 'custmer_id'?" in problem.remedy

    def test_rows_of_the_wrong_length_are_named(self, folder, tmp_path):
        text = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,5\n2,a,2025-01-01,1,234\n\n3,a,2025-01-01\n"
        (problem,) = check_company(folder(tmp_path, order_lines__csv=text)).problems
        assert problem.rows == ("row 2 (line 3) has 5", "row 4 (line 5) has 3")

    def test_survey_items_must_exist_and_keep_the_scale(self, folder, tmp_path):
        yml = "tables: {survey: {scale: [1, 5], constructs: {satisfaction: [S1, S2]}}}"
        found = problems(folder(tmp_path, company__yml=yml, survey__csv="response_id,S1\n1,5\n2,6\n"))
        assert [(column, count) for _, column, _, count in found] == [("S2", 0), ("S1", 1)]

    @pytest.mark.parametrize(
        ("yml", "words"),
        [
            ("nam: x", "did you mean 'name'?"),
            ("as_of: 45", "45 is not a date"),
            ("tables: {order_line: {}}", "did you mean 'order_lines'?"),
            ("tables: {order_lines: {fle: x.csv}}", "did you mean 'file'?"),
            ("tables: {order_lines: {file: sales.csv}}", "no file matches 'sales.csv'"),
            ("tables: {order_lines: {columns: {orderid: x}}}", "did you mean 'order_id'?"),
            ("tables: {order_lines: {columns: {order_id: Nr}}}", "'Nr', which the file does not have"),
            ("tables: [order_lines]", "not a list of 'key: value' pairs"),
            ("name: [unclosed", "cannot be read as YAML"),
            ("tables: {survey: {file: order_lines.csv, scale: [10, 1]}}", "scale is [10, 1]"),
        ],
    )
    def test_every_slip_in_the_yml(self, folder, tmp_path, yml, words):
        found = check_company(folder(tmp_path, company__yml=yml, order_lines__csv=LINES)).problems
        assert words in "\n".join(map(str, found))

    @pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"PK\x03\x04 not a workbook"])
    @pytest.mark.parametrize("ending", ["csv", "csv.gz", "xlsx", "parquet"])
    def test_damaged_files_are_problems_not_crashes(self, folder, tmp_path, content, ending):
        (folder(tmp_path) / f"order_lines.{ending}").write_bytes(content)
        assert check_company(tmp_path).problems

    def test_a_folder_that_is_not_there_or_empty(self, tmp_path):
        with pytest.raises(ContractError, match="does not exist"):
            load_company(tmp_path / "nowhere")
        with pytest.raises(ContractError, match="holds no table of the contract"):
            load_company(tmp_path)

    def test_an_absent_table_says_what_is_there(self, folder, tmp_path):
        company = load_company(folder(tmp_path, order_lines__csv=LINES))
        with pytest.raises(CrmError, match="has no table 'survey'; it has order_lines"):
            company.table("survey")
        with pytest.raises(CrmError, match="did you mean 'survey'"):
            company.has("surveys")

    def test_tables_are_read_only_when_they_are_used(self, folder, tmp_path):
        path = folder(tmp_path, company__yml="as_of: 2026-01-01", order_lines__csv=LINES, customers__csv="nothing\n1\n")
        assert len(load_company(path).order_lines) == 2
        with pytest.raises(ContractError, match="customers"):
            _ = load_company(path).customers


class TestSetAsideAndReturns:
    def test_each_row_is_counted_once_and_none_is_lost(self):
        lines = pd.DataFrame(
            {
                "order_id": list("123456"),
                "customer_id": ["a", None, None, "b", "b", "c"],
                "ordered_at": ["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04", "2025-06-01", "2025-01-05"],
                "quantity": [1, 1, 0, 0, 1, -1],
                "unit_price": [5.0] * 6,
            }
        )
        company = Company.from_frames({"order_lines": lines}, as_of="2025-06-01")
        counted = company.set_aside.set_index("reason")["rows"].to_dict()
        assert counted == {NO_CUSTOMER: 2, ZERO_QUANTITY: 1, AFTER_AS_OF: 1}
        assert company.order_lines["order_id"].tolist() == ["1", "6"]
        assert company.set_aside["share"].tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6])
        assert company.set_aside["amount"].tolist() == pytest.approx([5, 0, 5])

    def test_a_return_is_no_purchase_and_lowers_revenue(self, folder, tmp_path):
        company = load_company(folder(tmp_path, order_lines__csv=LINES))
        assert company.returns.to_dict("records") == [{"lines": 1, "amount": -3.0, "revenue_share": 3 / 10.5}]
        summary = purchase_summary(company.order_lines, as_of=company.as_of)
        assert summary["orders"].sum() == 1
        assert summary["revenue"].sum() == pytest.approx(7.5)


class TestDayOfTheAnalysis:
    def test_default_is_the_day_after_the_newest_event_of_any_table(self, folder, tmp_path):
        calls = "interaction_id,started_at,channel\n1,2025-03-09 17:00,phone\n"
        path = folder(tmp_path, order_lines__csv=LINES, interactions__csv=calls)
        assert load_company(path).as_of == pd.Timestamp("2025-03-10")

    def test_a_planned_end_does_not_move_it(self):
        spells = pd.DataFrame({"customer_id": ["a"], "started_at": ["2025-01-01"], "ended_at": ["2027-01-01"]})
        assert Company.from_frames({"memberships": spells}).as_of == pd.Timestamp("2025-01-02")

    def test_an_earlier_day_hides_what_came_later(self, folder, tmp_path):
        company = load_company(folder(tmp_path, order_lines__csv=LINES), as_of="2025-02-01")
        assert company.order_lines["order_id"].tolist() == ["o1"]

    def test_without_dated_events_there_is_none(self):
        survey = pd.DataFrame({"response_id": ["1"], "S1": [5]})
        assert pd.isna(Company.from_frames({"survey": survey}).as_of)

    def test_it_must_be_a_date(self):
        with pytest.raises(ContractError, match="'soon' is not a date"):
            load_company(as_of="soon")


class TestFrames:
    def test_frames_and_files_give_the_same_company(self, folder, tmp_path):
        from_file = load_company(folder(tmp_path, order_lines__csv=LINES))
        frame = pd.read_csv(tmp_path / "order_lines.csv")
        pd.testing.assert_frame_equal(Company.from_frames({"order_lines": frame}).order_lines, from_file.order_lines)

    def test_changing_a_table_changes_neither_company_nor_input(self):
        frame = pd.DataFrame({"order_id": ["1"], "customer_id": ["a"], "ordered_at": ["2025-01-01"], "amount": [5.0]})
        company = Company.from_frames({"order_lines": frame})
        lines = company.order_lines
        lines.loc[0, "amount"] = 99.0
        assert company.order_lines["amount"].tolist() == [5.0]
        assert frame["amount"].tolist() == [5.0]

    def test_the_hash_tells_data_apart(self, folder, tmp_path):
        first = load_company(folder(tmp_path / "1", order_lines__csv=LINES)).data_hash
        assert first == load_company(folder(tmp_path / "2", order_lines__csv=LINES)).data_hash
        assert first != load_company(folder(tmp_path / "3", order_lines__csv=LINES.replace("10.5", "10.6"))).data_hash

    def test_an_unknown_table_name(self):
        with pytest.raises(ContractError, match="did you mean 'order_lines'"):
            Company.from_frames({"orderlines": pd.DataFrame()})


messy_text = st.one_of(
    st.sampled_from(["", " ", "-1", "2025-13-01", "NaN", "1e400", "0x1F", "='x'"]),
    st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=6),
)
likely_text = {
    "id": st.integers(0, 50).map(str),
    "text": st.sampled_from(["lower", "pairwise", "x"]),
    "date": st.sampled_from(["2025-01-01", "20250301", "2026-05-06 07:08"]),
    "month": st.sampled_from(["2025-01", "2025-02-01"]),
    "number": st.sampled_from(["0", "1", "7.5", "1e-3"]),
    "integer": st.sampled_from(["1980", "2001"]),
    "flag": st.sampled_from(["yes", "0", "是"]),
}


@st.composite
def messy_tables(draw):
    """Tables near the contract: mostly the right columns with likely values, here and there a slip."""
    name = draw(st.sampled_from(sorted(TABLES)))
    contract = TABLES[name].columns
    forgotten = draw(st.sampled_from([None, None, *contract]))
    columns = [column for column in contract if column != forgotten] + ["extra"]
    rows = draw(st.integers(0, 4))
    slip = draw(st.sampled_from([None, None, *columns]))
    values = {}
    for column in columns:
        kind = contract[column].kind if column in contract else "text"
        cell = messy_text if column == slip else likely_text[kind]
        values[column] = draw(st.lists(cell, min_size=rows, max_size=rows))
    return name, pd.DataFrame(values, dtype=object)


@settings(max_examples=150, deadline=None)
@given(messy_tables())
def test_random_tables_never_crash_and_never_pass_wrongly(table):
    """Whatever passes keeps every rule of the contract, checked here by other means than the package's own."""
    name, frame = table
    company = Company.from_frames({name: frame}, as_of="2030-01-01", survey_settings=SurveySettings())
    check = check_company(company)
    if not check.ok:
        assert all(problem.rule and problem.remedy for problem in check.problems)
        return
    contract, loaded = TABLES[name], company.table(name)
    assert len(loaded) + check.set_aside["rows"].sum() == len(frame)
    assert all(column in loaded for column, spec in contract.columns.items() if spec.required)
    for column, spec in contract.columns.items():
        if column not in frame:
            continue
        values = loaded[column].dropna().tolist()
        written = frame[column].astype(str).str.strip()
        if spec.filled:
            assert (written != "").all()
        if spec.kind == "number":
            assert all(np.isfinite(value) for value in values)
        if spec.minimum is not None:
            assert all(value >= spec.minimum for value in values)
        if spec.maximum is not None:
            assert all(value <= spec.maximum for value in values)
        if spec.allowed:
            assert set(values) <= set(spec.allowed)
    key = [column for column in contract.key if column in loaded]
    assert not key or not loaded.duplicated(key).any()
