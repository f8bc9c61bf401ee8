"""Input checks that all chapters share."""

import pandas as pd
import pytest

from crm_utils.checks import check_columns, missing_columns
from crm_utils.errors import ParameterError


def test_a_small_table_is_listed_whole():
    (problem,) = missing_columns(pd.DataFrame(columns=["a", "b"]), ["b", "c"], "answers")
    assert problem == "answers lacks the column c; it has ['a', 'b']"
    assert missing_columns(pd.DataFrame(columns=["a"]), ["a"], "answers") == []


def test_of_a_wide_table_the_nearest_columns_come_first():
    wide = pd.DataFrame(columns=[*(f"x{number}" for number in range(40)), "satisfaction_1"])
    (problem,) = missing_columns(wide, ["satisfaction_9", "zz"], "answers")
    assert problem.startswith(
        "answers lacks the columns satisfaction_9, zz; among its 41 columns are ['satisfaction_1'"
    )
    assert "x39" not in problem


class TestParametersThatNameColumns:
    wide = pd.DataFrame(columns=[*(f"x{number}" for number in range(40)), "region", "wave"])

    def test_the_nearest_name_comes_first_and_eight_are_listed(self):
        with pytest.raises(ParameterError) as caught:
            check_columns(self.wide, "survey", group="regoin")
        columns = "region, x0, x1, x2, x3, x4, x5, x6, … (42 in all)"
        assert str(caught.value) == (
            f"survey: no column 'regoin' (group); did you mean 'region'? Columns there are {columns}."
        )

    def test_all_parameters_are_held_at_once(self):
        with pytest.raises(ParameterError) as caught:
            check_columns(self.wide, "survey", group="wav", segment=["region", "ZQ"], by="wave")
        said = str(caught.value)
        assert "2 problems" in said
        assert "no column 'wav' (group); did you mean 'wave'?" in said
        assert "no column 'ZQ' (segment); columns there are x0, x1" in said

    def test_none_and_what_is_there(self):
        check_columns(self.wide, "survey", group=None, segment="", by="wave", within=("region", "x1"))
        check_columns(pd.DataFrame(columns=[7]), "survey", group=7)
