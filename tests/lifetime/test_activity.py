"""Purchases by period: by hand, calendar of the periods, agreement with the histories, every kind of frame."""

import shutil
import subprocess
import sys

import duckdb
import pandas as pd
import polars as pl
import pytest

from crm_utils.company.public import fetch_cdnow_sample
from crm_utils.errors import CrmError, ParameterError
from crm_utils.lifetime.activity import purchases_by_period
from crm_utils.lifetime.calibration import calibration_summary

ENDS = {"calibration_end": "2025-02-12", "holdout_end": "2025-03-31"}


@pytest.fixture
def by_hand():
    """Ann buys on 5 January and 10 February, Bob on 20 January and 31 March."""
    return pd.DataFrame(
        {
            "period_end": pd.to_datetime(["2025-01-12", "2025-02-12", "2025-03-12", "2025-03-31"]).as_unit("us"),
            "purchases": [0, 1, 0, 1],
            "new_customers": [1, 1, 0, 0],
            "in_holdout": [False, False, True, True],
        }
    )


def days_of(table):
    return table["period_end"].dt.strftime("%m-%d").tolist()


def test_months(order_lines, by_hand):
    before = order_lines.copy()
    pd.testing.assert_frame_equal(purchases_by_period(order_lines, unit="month", **ENDS), by_hand)
    pd.testing.assert_frame_equal(order_lines, before)


def test_weeks_end_with_the_calibration_and_the_last_one_with_the_hold_out(order_lines):
    table = purchases_by_period(order_lines, **ENDS)
    assert days_of(table)[:6] == ["01-08", "01-15", "01-22", "01-29", "02-05", "02-12"]
    assert days_of(table)[-2:] == ["03-26", "03-31"]
    assert table["purchases"].to_numpy().nonzero()[0].tolist() == [5, 12]
    assert table["in_holdout"].tolist() == [False] * 6 + [True] * 7


def test_days_and_years(order_lines):
    daily = purchases_by_period(order_lines, unit="day", **ENDS)
    assert len(daily) == 86
    assert daily["period_end"].diff().iloc[1:].eq(pd.Timedelta(days=1)).all()
    yearly = purchases_by_period(order_lines, unit="year", **ENDS)
    assert yearly[["purchases", "new_customers"]].to_numpy().tolist() == [[1, 2], [1, 0]]


def test_months_end_as_the_calibration_does(order_lines):
    at_the_end = purchases_by_period(order_lines, calibration_end="2025-02-28", holdout_end="2025-05-31", unit="month")
    assert days_of(at_the_end) == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    within = purchases_by_period(order_lines, calibration_end="2025-03-30", unit="month")
    assert days_of(within) == ["01-30", "02-28", "03-30"]


def test_without_hold_out(order_lines):
    table = purchases_by_period(order_lines, calibration_end="2025-03-31", unit="month")
    assert table["purchases"].tolist() == [0, 1, 1]
    assert not table["in_holdout"].any()


@pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
def test_sums_agree_with_the_histories(public_data, unit):
    """Counted in the CDNOW sample: 2,457 repeat purchases in 39 weeks, 1,882 in the next 39, of 2,357 customers."""
    public_data("cdnow_sample")
    lines = fetch_cdnow_sample()
    ends = {"calibration_end": "1997-09-30", "holdout_end": "1998-06-30"}
    table = purchases_by_period(lines, unit=unit, **ends)
    assert table.groupby("in_holdout")["purchases"].sum().tolist() == [2457, 1882]
    assert table["new_customers"].sum() == 2357
    histories = calibration_summary(lines, unit=unit, **ends)
    assert [histories["frequency"].sum(), histories["holdout_purchases"].sum()] == [2457, 1882]


def test_the_order_of_lines_and_names_of_columns_do_not_matter(order_lines, by_hand):
    other = order_lines.iloc[::-1].rename(columns={"ordered_at": "when"})
    pd.testing.assert_frame_equal(purchases_by_period(other, unit="month", time_col="when", **ENDS), by_hand)


@pytest.mark.parametrize("kind", ["polars", "polars-lazy", "duckdb", "parquet", "csv"])
def test_every_kind_of_frame_gives_the_same(kind, order_lines, by_hand, tmp_path):
    path = tmp_path / f"lines.{kind}"
    if kind in ("parquet", "csv"):
        order_lines.to_parquet(path) if kind == "parquet" else order_lines.to_csv(path, index=False)
    lines = {
        "polars": pl.from_pandas(order_lines),
        "polars-lazy": pl.from_pandas(order_lines).lazy(),
        "duckdb": duckdb.from_df(order_lines),
    }.get(kind, path)
    pd.testing.assert_frame_equal(purchases_by_period(lines, unit="month", **ENDS), by_hand)
    pd.testing.assert_frame_equal(calibration_summary(lines, **ENDS), calibration_summary(order_lines, **ENDS))


SPARK = """
import sys, pandas as pd
from pyspark.sql import SparkSession
from crm_utils.lifetime.activity import purchases_by_period
from crm_utils.lifetime.calibration import calibration_summary
lines = pd.read_parquet(sys.argv[1] + "/lines.parquet")
session = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
           .config("spark.sql.shuffle.partitions", "2").config("spark.sql.session.timeZone", "Asia/Shanghai")
           .getOrCreate())
lines = session.createDataFrame(lines)
ends = {"calibration_end": "2025-02-12", "holdout_end": "2025-03-31"}
purchases_by_period(lines, unit="month", **ends).to_parquet(sys.argv[1] + "/activity.parquet")
calibration_summary(lines, **ends).to_parquet(sys.argv[1] + "/histories.parquet")
"""


@pytest.mark.spark
def test_spark_gives_the_same_periods_and_histories(order_lines, by_hand, tmp_path):
    pytest.importorskip("pyspark", reason="needs the [spark] extra")
    if not shutil.which("java"):
        pytest.skip("needs Java 17")
    order_lines.to_parquet(tmp_path / "lines.parquet")
    subprocess.run([sys.executable, "-W", "ignore", "-c", SPARK, str(tmp_path)], check=True, timeout=300)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "activity.parquet"), by_hand)
    histories = calibration_summary(order_lines, **ENDS)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "histories.parquet"), histories)


def test_bad_parameters_are_named_together(order_lines):
    with pytest.raises(ParameterError) as caught:
        purchases_by_period(order_lines, calibration_end="soon", unit="fortnight")
    assert "unit must be one of day, week, month, year" in str(caught.value)
    assert "calibration_end must be a day" in str(caught.value)
    with pytest.raises(ParameterError, match="holdout_end must come after"):
        purchases_by_period(order_lines, calibration_end="2025-03-01", holdout_end="2025-03-01")
    with pytest.raises(CrmError, match="No purchase of a known customer lies before 2020-01-02"):
        purchases_by_period(order_lines, calibration_end="2020-01-01")
