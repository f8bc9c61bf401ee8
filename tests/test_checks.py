"""Input checks that all chapters share."""

import pandas as pd

from crm_utils.checks import missing_columns


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
