"""Purchase histories and hold-outs: published counts, by hand, the same from every kind of frame."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from crm_utils.company.public import fetch_cdnow_sample
from crm_utils.errors import CrmError, ParameterError
from crm_utils.lifetime.calibration import calibration_summary

ENDS = {"calibration_end": "2025-02-12", "holdout_end": "2025-03-31"}


def test_published_cdnow_histories_and_hold_out(public_data):
    """Fader, Hardie & Lee (2005): 2,357 customers, 946 with x > 0; all are 27 to 38.86 weeks old; 39 weeks held out."""
    public_data("cdnow_sample")
    table = calibration_summary(fetch_cdnow_sample(), calibration_end="1997-09-30", holdout_end="1998-06-30")
    assert len(table) == 2357
    assert (table["frequency"] > 0).sum() == 946
    assert round(table["age_weeks"].max(), 2) == 38.86
    assert table["age_weeks"].min() == 27
    assert table["mean_repeat_spend"].mean() == pytest.approx(35.08, abs=0.005)
    # Counted in the sample: repeat purchase days within the calibration period, and those after it.
    assert (table["frequency"].sum(), table["holdout_purchases"].sum()) == (2457, 1882)


def test_by_hand(order_lines):
    """Ann buys on days 0 and 36, returns on day 38; Bob on day 0 and in the hold-out; Cai only returns."""
    before = order_lines.copy()
    table = calibration_summary(order_lines, unit="day", **ENDS)
    pd.testing.assert_frame_equal(order_lines, before)
    assert list(table["customer_id"]) == ["ann", "bob"]
    assert list(table["frequency"]) == [1, 0]
    assert list(table["recency_days"]) == [36, 0]
    assert list(table["age_days"]) == [38, 23]
    np.testing.assert_array_equal(table["mean_repeat_spend"], [60.0, np.nan])
    assert list(table["holdout_purchases"]) == [0, 1]
    assert list(table["holdout_spend"]) == [0.0, 10.0]


def test_days_weeks_and_months_differ_by_their_length(order_lines):
    days = calibration_summary(order_lines, unit="day", **ENDS)
    for unit, length in (("week", 7), ("month", 365.25 / 12)):
        other = calibration_summary(order_lines, unit=unit, **ENDS)
        for name in ("recency", "age"):
            np.testing.assert_allclose(other[f"{name}_{unit}s"] * length, days[f"{name}_days"])


@pytest.mark.parametrize("kind", ["polars", "duckdb", "parquet"])
def test_every_kind_of_frame_gives_the_same(kind, order_lines, tmp_path):
    path = tmp_path / "lines.parquet"
    order_lines.to_parquet(path)
    lines = {"polars": pl.from_pandas(order_lines), "duckdb": duckdb.read_parquet(str(path)), "parquet": path}[kind]
    expected = calibration_summary(order_lines, **ENDS)
    pd.testing.assert_frame_equal(calibration_summary(lines, **ENDS), expected, check_dtype=False)


def test_hold_out_is_optional_and_may_be_empty(order_lines):
    table = calibration_summary(order_lines, calibration_end="2025-03-31")
    assert not [name for name in table if name.startswith("holdout")]
    empty = calibration_summary(order_lines, calibration_end="2025-03-31", holdout_end="2025-12-31")
    assert (empty[["holdout_purchases", "holdout_spend"]] == 0).all().all()
    pd.testing.assert_frame_equal(empty[table.columns], table)


def test_other_names_of_columns_are_handed_on(order_lines):
    renamed = order_lines.rename(columns={"customer_id": "who"})
    pd.testing.assert_frame_equal(
        calibration_summary(renamed, customer_col="who", **ENDS), calibration_summary(order_lines, **ENDS)
    )


def test_bad_parameters_are_named_together(order_lines):
    with pytest.raises(ParameterError) as caught:
        calibration_summary(order_lines, calibration_end="soon", unit="fortnight")
    assert "unit must be one of day, week, month" in str(caught.value)
    assert "calibration_end must be a day" in str(caught.value)
    with pytest.raises(ParameterError, match="holdout_end must come after"):
        calibration_summary(order_lines, calibration_end="2025-03-01", holdout_end="2025-03-01")
    with pytest.raises(CrmError, match="No order line"):
        calibration_summary(order_lines, calibration_end="2020-01-01")
