"""CSV as it comes: quotes, encodings, separators, and the line on which a row stands."""

import pytest

from crm_utils.company.load import check_company, load_company

HEADER = "order_id,customer_id,ordered_at,amount,note"
ROWS = [f"{i},a,2020-01-{i:02d},5,q" for i in range(1, 10)]


def company(path, text, *, yml=""):
    path.mkdir(exist_ok=True)
    (path / "order_lines.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    if yml:
        (path / "company.yml").write_text(f"tables: {{order_lines: {{{yml}}}}}")
    return check_company(path)


def with_rows(**changed):
    rows = list(ROWS)
    for number, text in changed.items():
        rows[int(number.removeprefix("row"))] = text
    return "\n".join([HEADER, *rows]) + "\n"


class TestQuotes:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (with_rows(row0='1,a,2020-01-01,5,"5"" disc'), ("opens a field", "line 2: '1,a,2020")),
            (with_rows(row4='5,a,2020-01-05,5,"box'), ("opens a field", "line 6: '5,a,2020")),
            (with_rows(row2='3,"a,2020-01-03,5,q', row6='7,b",2020-01-07,5,q'), ("holds whole records", "(line 4)")),
            (with_rows(row2='3,a,2020-01-03,5,"q', row6='7,b,2020-01-07,5,q"'), ("holds whole records", "(line 4)")),
            (with_rows(row3='4,a,2020-01-04,5,"6" disc"'), ("opens a field", "line 5: '4,a,2020")),
        ],
    )
    def test_a_stray_quote_never_swallows_rows(self, tmp_path, text, words):
        (problem,) = company(tmp_path, text).problems
        assert all(word in str(problem) for word in words)

    @pytest.mark.parametrize(
        "note", ['5" disc', '"5"" disc"', '"tea, green"', '"two\nlines"', '"two\n\nlines, and ""more"""', '""']
    )
    def test_quotes_as_they_should_be_lose_no_row(self, tmp_path, note):
        check = company(tmp_path, with_rows(row3=f"4,a,2020-01-04,5,{note}"))
        assert check.tables == {"order_lines": 9}

    def test_after_a_line_break_in_a_field_only_the_row_is_named(self, tmp_path):
        text = with_rows(row0='1,a,2020-01-01,5,"two\nlines"', row2="3,a,2020-01-03,abc,q")
        (problem,) = company(tmp_path, text).problems
        assert problem.rows == ("row 3: 'abc'",)


class TestHeader:
    @pytest.mark.parametrize("before", ["", "\n", "\n \n", "\ufeff", "sep=,\n"])
    def test_what_stands_before_it_moves_the_line_numbers(self, tmp_path, before):
        (problem,) = company(tmp_path, before + with_rows(row2="3,a,2020-01-03,abc,q")).problems
        assert problem.rows == (f"row 3 (line {4 + before.count(chr(10))}): 'abc'",)

    def test_it_may_hold_a_line_break(self, tmp_path):
        text = with_rows().replace("note", '"note\nof the clerk"')
        assert "note\nof the clerk" in company(tmp_path, text).company.order_lines

    @pytest.mark.parametrize(
        ("text", "remedy"),
        [
            (with_rows().replace(",", ";"), 'separator: ";"'),
            (with_rows().replace(",", "\t"), 'separator: "\\t"'),
            ("Sales 2020\n\n" + with_rows(), "remove the lines above the header"),
            (with_rows().replace(",q", ",q,"), "separator at the end of the rows"),
            (with_rows() + "Total,45\n", "if it is a total"),
        ],
    )
    def test_one_problem_with_the_right_remedy(self, tmp_path, text, remedy):
        (problem,) = company(tmp_path, text).problems
        assert remedy in problem.remedy

    @pytest.mark.parametrize("separator", [r"\t", "tab", r'"\t"'])
    def test_a_tab_may_be_written_in_many_ways(self, tmp_path, separator):
        check = company(tmp_path, with_rows().replace(",", "\t"), yml=f"separator: {separator}")
        assert check.tables == {"order_lines": 9}

    def test_excel_states_the_separator(self, tmp_path):
        assert company(tmp_path, "sep=;\n" + with_rows().replace(",", ";")).tables == {"order_lines": 9}


class TestEncoding:
    @pytest.mark.parametrize(
        ("note", "encoding"),
        [
            ("Müller Köln", "cp1252"),
            ("Señor Núñez", "latin-1"),
            ("烏龍茶 臺灣茶葉 品質優良", "big5"),
            ("Zoë", "cp1252"),
        ],
    )
    def test_other_alphabets_are_not_taken_for_chinese(self, tmp_path, note, encoding):
        text = with_rows(row3=f"4,a,2020-01-04,5,{note} x").encode(encoding)
        (problem,) = company(tmp_path / "1", text).problems
        assert "state its encoding" in problem.remedy
        stated = company(tmp_path / "2", text, yml=f"encoding: {encoding}")
        assert f"{note} x" in stated.company.order_lines["note"].tolist()

    @pytest.mark.parametrize("note", ["龙井茶", "男", "王芳 (VIP)", "￥5，免费"])
    def test_gb18030_is_read_and_said(self, tmp_path, note):
        check = company(tmp_path, with_rows(row3=f"4,a,2020-01-04,5,{note}").encode("gb18030"))
        assert note in check.company.order_lines["note"].tolist()
        assert "order_lines.csv is not UTF-8 and was read as GB18030" in "\n".join(check.lines())


def test_an_unreadable_file_is_one_problem(tmp_path):
    assert len(company(tmp_path, b"").problems) == 1


def test_old_macintosh_lines(tmp_path):
    path = tmp_path / "order_lines.csv"
    path.write_bytes(with_rows().replace("\n", "\r").encode())
    assert len(load_company(tmp_path).order_lines) == 9
