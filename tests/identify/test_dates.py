"""Dates in several orders: standard forms, no guesses."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.identify.dates import normalise_date


@pytest.mark.parametrize(
    "written",
    ["1990-03-04", "1990/3/4", "1990.3.4", "19900304", "19900304.0", "04.03.1990", "1990年3月4日", "1990 年 3 月 4 日",
     "4 Mar 1990", "4-Mar-1990", "4th of March 1990", "March 4, 1990", "Mar. 4th 1990", "１９９０－０３－０４",
     "1990-03-04T23:59:59Z", "1990-03-04 00:00:00.000", "1990-03-04T08:00:00+08:00"],
)  # fmt: skip
def test_one_day_in_many_forms(written):
    assert normalise_date(pd.Series([written])).tolist() == ["1990-03-04"]


@pytest.mark.parametrize(
    "written", ["1990-02-29", "1990-13-01", "19900230", "31/4/1990", "90-03-04", "3/4/90", "1990", "1990-03", "soon",
                "0001-01-01", "9999-12-31"]
)  # fmt: skip
def test_what_is_no_day_is_missing(written):
    assert normalise_date(pd.Series([written]), day_first=True).isna().all()


def test_leap_days_of_the_gregorian_calendar():
    written = pd.Series(["2000-02-29", "1900-02-29", "2024-02-29"])
    assert normalise_date(written).notna().tolist() == [True, False, True]


def test_the_column_decides_then_the_parameter_then_nothing():
    ambiguous = "3/4/1990"
    assert normalise_date(pd.Series([ambiguous, "25/12/1990"]))[0] == "1990-04-03"
    assert normalise_date(pd.Series([ambiguous, "12/25/1990"]))[0] == "1990-03-04"
    assert normalise_date(pd.Series([ambiguous, "12/25/1990"]), day_first=True)[0] == "1990-03-04"
    mixed = pd.Series([ambiguous, "25/12/1990", "12/25/1990"])
    assert normalise_date(mixed).fillna("").tolist() == ["", "1990-12-25", "1990-12-25"]
    assert normalise_date(mixed, day_first=False)[0] == "1990-03-04"
    assert normalise_date(pd.Series([ambiguous])).isna().all()
    assert normalise_date(pd.Series(["5/5/1990"])).tolist() == ["1990-05-05"]


def test_dates_as_dates():
    days = pd.Series(pd.to_datetime(["1990-03-04 15:00", None]))
    assert normalise_date(days).fillna("").tolist() == ["1990-03-04", ""]
    assert normalise_date(days.dt.tz_localize("Asia/Shanghai"))[0] == "1990-03-04"
    assert normalise_date(pd.Series([19900304.0, np.nan]))[0] == "1990-03-04"
    assert normalise_date(pd.Series([], dtype="str")).empty


@settings(max_examples=60, deadline=None)
@given(st.dates(min_value=datetime.date(1850, 1, 1), max_value=datetime.date(2100, 1, 1)))
def test_every_form_of_every_day_agrees_with_the_calendar(day):
    forms = pd.Series(
        [day.isoformat(), f"{day:%Y%m%d}", f"{day.year}年{day.month}月{day.day}日", f"{day.day}.{day.month}.{day.year}"]
    )
    # A column of one day alone may be read in one way only.
    dotted = normalise_date(forms)
    assert dotted[:3].eq(day.isoformat()).all()
    assert dotted[3] == day.isoformat()
    slashed = pd.Series([f"{day.month}/{day.day}/{day.year}"])
    assert normalise_date(slashed, day_first=False).tolist() == [day.isoformat()] or day.day > 12
    assert normalise_date(dotted).tolist() == dotted.tolist()
