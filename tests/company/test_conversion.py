"""Types: what a cell is read as, and what its owner is told where it cannot be read."""

import datetime

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.conversion import convert, read_feature, unreadable_rule


def converted(values, kind, **options):
    result, unreadable = convert(pd.Series(values), kind, **options)
    assert not unreadable.any()
    return result


class TestMoments:
    @pytest.mark.parametrize("offset", ["+08", "-05", "+08:00", "+0800", "Z", " +0800", " UTC", ""])
    def test_an_offset_never_moves_the_wall_clock(self, offset):
        text = [f"2020-01-01 08:05{offset}", "2020-01-02"]
        assert converted(text, "date").tolist() == [pd.Timestamp("2020-01-01 08:05"), pd.Timestamp("2020-01-02")]

    def test_offsets_that_change_in_a_stated_format(self):
        text = ["01.02.2020 08:05 +0100", "01.07.2020 08:05 +0200"]
        moments = converted(text, "date", date_format="%d.%m.%Y %H:%M %z")
        assert moments.tolist() == [pd.Timestamp("2020-02-01 08:05"), pd.Timestamp("2020-07-01 08:05")]

    def test_a_stated_format_is_about_text_not_about_dates_of_a_workbook(self):
        cells = pd.Series([datetime.datetime(2020, 2, 1, 8, 5), "03/02/2020"], dtype=object)
        moments = converted(cells, "date", date_format="%d/%m/%Y")
        assert moments.tolist() == [pd.Timestamp("2020-02-01 08:05"), pd.Timestamp("2020-02-03")]

    def test_dates_of_arrow(self):
        cells = pd.Series([datetime.date(2020, 2, 1), None], dtype="date32[pyarrow]")
        assert converted(cells, "date").tolist() == [pd.Timestamp("2020-02-01"), pd.NaT]

    @pytest.mark.parametrize("text", ["2020-02", "202002", "2020-02-17", "20200217"])
    def test_months(self, text):
        assert converted([text], "month").tolist() == [pd.Timestamp("2020-02-01")]

    @pytest.mark.parametrize(
        ("example", "stated", "remedy"),
        [
            ("40513.49", "", "day number of a spreadsheet"),
            ("1577836800", "", "since 1970"),
            ("2010/12/01", "", '"%Y/%m/%d"'),
            ("01/12/2010 08:26", "", '"%d/%m/%Y %H:%M"'),
            ("soon", "", "state date_format in company.yml"),
            ("01/12/2010 08:26", "%d/%m/%Y", "'%d/%m/%Y %H:%M' would fit"),
        ],
    )
    def test_the_remedy_follows_what_was_written(self, example, stated, remedy):
        rule, told = unreadable_rule("date", example, stated)
        assert remedy in told
        assert (repr(stated) in rule) == bool(stated)


class TestIds:
    def test_a_column_of_whole_numbers_with_a_decimal_is_read_without(self):
        assert converted(["12346.0", "", "12347.0"], "id").tolist() == ["12346", np.nan, "12347"]

    def test_a_mixed_column_is_left_alone(self):
        assert converted(["1.0", "1.1"], "id").tolist() == ["1.0", "1.1"]


@pytest.mark.parametrize(("word", "value"), [("Y", True), ("n", False)])
def test_flags_of_one_letter(word, value):
    assert converted([word], "flag").tolist() == [value]


class TestFeatures:
    @pytest.mark.parametrize(
        ("cells", "missing", "read"),
        [
            (["NULL", "33"], ("NULL",), [None, 33]),
            (["1e400", "1"], (), ["1e400", "1"]),
            (["007", "12"], (), ["007", "12"]),
            (["1.5", ""], (), [1.5, None]),
        ],
    )
    def test_numbers_only_where_nothing_is_lost(self, cells, missing, read):
        feature = read_feature(pd.Series(cells), missing=missing)
        assert [None if pd.isna(value) else value for value in feature] == read
