"""purchase_summary: hand-computed rows, the same answer from every engine, clear errors."""

import shutil
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company.public import fetch_cdnow_sample
from crm_utils.company.summary import purchase_summary
from crm_utils.errors import CrmError


@pytest.fixture
def by_hand():
    day = pd.Timestamp
    return pd.DataFrame(
        [
            ("ann", day("2025-01-05"), day("2025-02-10"), 3, 2, 6.0, 71.0, 42.0, 60.0, 50.0, 86.0),
            ("bob", day("2025-01-20"), day("2025-03-31"), 2, 2, 5.0, 55.0, 31.0, 10.0, 1.0, 71.0),
            ("cai", pd.NaT, pd.NaT, 0, 0, -1.0, -30.0, -18.0, 0.0, np.nan, np.nan),
        ],
        columns=[
            "customer_id",
            "first_purchase",
            "last_purchase",
            "orders",
            "purchase_days",
            "units",
            "revenue",
            "margin",
            "repeat_spend",
            "days_since_last",
            "age_days",
        ],
    ).astype({"first_purchase": "datetime64[us]", "last_purchase": "datetime64[us]", "customer_id": "str"})


def test_every_column_against_the_hand_computed_summary(order_lines, by_hand):
    pd.testing.assert_frame_equal(purchase_summary(order_lines, as_of="2025-04-01"), by_hand)


def test_the_order_of_lines_does_not_matter(order_lines, by_hand):
    pd.testing.assert_frame_equal(purchase_summary(order_lines.iloc[::-1], as_of="2025-04-01"), by_hand)


def test_lines_on_the_day_of_the_analysis_do_not_count(order_lines):
    summary = purchase_summary(order_lines, as_of="2025-03-31").set_index("customer_id")
    assert summary.loc["bob", "orders"] == 1
    assert summary.loc["bob", "last_purchase"] == pd.Timestamp("2025-01-20")


def test_since_starts_the_period(order_lines):
    summary = purchase_summary(order_lines, as_of="2025-04-01", since="2025-02-01").set_index("customer_id")
    assert summary.loc["ann", "first_purchase"] == pd.Timestamp("2025-02-10")
    assert summary.loc["ann", "revenue"] == pytest.approx(40.0)


def test_a_return_before_the_first_purchase_is_not_taken_for_it():
    lines = pd.DataFrame(
        {
            "order_id": ["r", "a", "b"],
            "customer_id": ["x"] * 3,
            "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"]),
            "amount": [-5.0, 7.0, 11.0],
        }
    )
    row = purchase_summary(lines, as_of="2025-02-01").iloc[0]
    assert row["first_purchase"] == pd.Timestamp("2025-01-02")
    assert row["repeat_spend"] == pytest.approx(11.0)
    assert row["revenue"] == pytest.approx(13.0)


def test_amount_is_computed_where_the_column_is_absent(order_lines, by_hand):
    without = order_lines.drop(columns="amount")
    pd.testing.assert_frame_equal(purchase_summary(without, as_of="2025-04-01"), by_hand)


@pytest.mark.parametrize("engine", ["polars", "polars-lazy", "duckdb", "parquet", "csv"])
def test_every_engine_gives_the_same_summary(order_lines, by_hand, engine, tmp_path):
    relation = duckdb.from_df(order_lines)
    if engine == "polars":
        lines = relation.pl()
    elif engine == "polars-lazy":
        lines = relation.pl().lazy()
    elif engine == "duckdb":
        lines = relation
    else:
        lines = tmp_path / f"lines.{engine}"
        order_lines.to_parquet(lines) if engine == "parquet" else order_lines.to_csv(lines, index=False)
    pd.testing.assert_frame_equal(purchase_summary(lines, as_of="2025-04-01"), by_hand)


SPARK = """
import sys, duckdb, pandas as pd
from pyspark.sql import SparkSession
from crm_utils.company.summary import purchase_summary
lines = pd.read_parquet(sys.argv[1])
session = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
           .config("spark.sql.shuffle.partitions", "2").config("spark.sql.session.timeZone", sys.argv[3]).getOrCreate())
summary = purchase_summary(session.createDataFrame(lines), as_of="2025-04-01")
summary.to_parquet(sys.argv[2])
"""


@pytest.mark.spark
def test_spark_gives_the_same_summary_in_any_time_zone(order_lines, by_hand, tmp_path):
    pytest.importorskip("pyspark", reason="needs the [spark] extra")
    if not shutil.which("java"):
        pytest.skip("needs Java 17")
    order_lines.to_parquet(tmp_path / "lines.parquet")
    arguments = [tmp_path / "lines.parquet", tmp_path / "summary.parquet", "Asia/Shanghai"]
    subprocess.run([sys.executable, "-W", "ignore", "-c", SPARK, *arguments], check=True, timeout=300)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "summary.parquet"), by_hand)


def test_the_published_counts_of_the_cdnow_calibration_sample(public_data):
    """Fader, Hardie & Lee (2005): 2,357 customers, 946 of them with a repeat purchase in the first 39 weeks."""
    public_data("cdnow_sample")
    summary = purchase_summary(fetch_cdnow_sample(), as_of="1997-10-01")
    assert len(summary) == 2357
    assert (summary["purchase_days"] > 1).sum() == 946


def test_the_published_mean_repeat_spend_of_the_cdnow_sample(public_data):
    """Fader & Hardie (2013), The gamma-gamma model: mean observed average repeat spend is $35.08 over 946 customers."""
    public_data("cdnow_sample")
    summary = purchase_summary(fetch_cdnow_sample(), as_of="1997-10-01").query("purchase_days > 1")
    assert (summary["repeat_spend"] / (summary["purchase_days"] - 1)).mean() == pytest.approx(35.08, abs=0.005)


def test_input_is_not_modified(order_lines):
    before = order_lines.copy()
    purchase_summary(order_lines, as_of="2025-04-01")
    pd.testing.assert_frame_equal(order_lines, before)


lines_strategy = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5),
        st.integers(0, 40),
        st.integers(-2, 4).filter(bool),
        st.integers(0, 900),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows=lines_strategy, shuffle=st.randoms(use_true_random=False))
def test_revenue_and_units_are_conserved_whatever_the_order_of_lines(rows, shuffle):
    shuffle.shuffle(rows)
    lines = pd.DataFrame(rows, columns=["customer_id", "order", "day", "quantity", "cents"])
    lines = lines.assign(
        order_id=lines["customer_id"] + lines["order"].astype(str),
        ordered_at=pd.Timestamp("2025-01-01") + pd.to_timedelta(lines["day"], unit="D"),
        amount=lines["quantity"] * lines["cents"] / 100,
    )
    summary = purchase_summary(lines, as_of="2025-03-01")
    assert summary["revenue"].sum() == pytest.approx(lines["amount"].sum())
    assert summary["units"].sum() == lines["quantity"].sum()
    bought = lines[(lines["quantity"] > 0) & (lines["amount"] >= 0)]
    assert summary["purchase_days"].sum() == len(bought.drop_duplicates(["customer_id", "day"]))
    assert (summary["first_purchase"].dropna() <= summary["last_purchase"].dropna()).all()
    assert summary["customer_id"].tolist() == sorted(lines["customer_id"].unique())


def test_missing_columns_are_named_with_the_nearest_present(order_lines):
    with pytest.raises(CrmError, match=r"'ordered_at': did you mean 'order_at'\?"):
        purchase_summary(order_lines.rename(columns={"ordered_at": "order_at"}), as_of="2025-04-01")


def test_a_period_without_lines_is_an_error(order_lines):
    with pytest.raises(CrmError, match="before 2020-01-01"):
        purchase_summary(order_lines, as_of="2020-01-01")


def test_as_of_is_needed(order_lines):
    with pytest.raises(CrmError, match="needs as_of"):
        purchase_summary(order_lines, as_of="")


FRAMES = {
    "pandas": lambda frame: frame,
    "nullable": lambda frame: frame.convert_dtypes(),
    "pyarrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda frame: duckdb.from_df(frame).pl(),
    "duckdb": duckdb.from_df,
}


@pytest.mark.parametrize("frame", FRAMES)
class TestGaps:
    """What is missing here and there means the same on every engine."""

    def test_a_line_without_quantity_counts_by_its_amount(self, order_lines, by_hand, frame):
        order_lines.loc[3, "quantity"] = None
        row = purchase_summary(FRAMES[frame](order_lines), as_of="2025-04-01").iloc[0]
        assert (row["orders"], row["revenue"], row["units"]) == (3, by_hand.loc[0, "revenue"], 3.0)
        assert pd.isna(row["margin"])

    def test_a_line_without_unit_cost_leaves_the_margin_of_its_customer_unknown(self, order_lines, by_hand, frame):
        order_lines.loc[3, "unit_cost"] = None
        summary = purchase_summary(FRAMES[frame](order_lines), as_of="2025-04-01")
        assert summary["revenue"].tolist() == by_hand["revenue"].tolist()
        assert pd.isna(summary.loc[0, "margin"])
        assert summary["margin"].tolist()[1:] == by_hand["margin"].tolist()[1:]

    def test_a_line_without_amount_is_not_used(self, order_lines, frame):
        order_lines.loc[3, "amount"] = None
        row = purchase_summary(FRAMES[frame](order_lines), as_of="2025-04-01").iloc[0]
        assert (row["orders"], row["revenue"], row["last_purchase"]) == (2, 11.0, pd.Timestamp("2025-01-05"))

    def test_an_empty_text_is_no_customer(self, order_lines, frame):
        order_lines.loc[order_lines["customer_id"] == "cai", "customer_id"] = ""
        summary = purchase_summary(FRAMES[frame](order_lines), as_of="2025-04-01")
        assert summary["customer_id"].tolist() == ["ann", "bob"]


def test_an_order_on_two_days_counts_on_each(order_lines):
    order_lines.loc[1, "ordered_at"] = pd.Timestamp("2025-01-06")
    assert purchase_summary(order_lines, as_of="2025-04-01").loc[0, "orders"] == 4


@pytest.mark.parametrize(
    "dated",
    [
        lambda moments: moments.dt.date,
        lambda moments: moments.dt.date.astype(pd.ArrowDtype(pa.date32())),
        lambda moments: moments.dt.to_pydatetime().astype(object),
    ],
)
def test_dates_of_every_make(order_lines, by_hand, dated):
    lines = order_lines.assign(ordered_at=dated(order_lines["ordered_at"]))
    pd.testing.assert_frame_equal(purchase_summary(lines, as_of="2025-04-01"), by_hand)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (lambda moments: moments.astype(str), "holds string, not dates"),
        (lambda moments: moments.dt.tz_localize("Asia/Shanghai"), "has the time zone Asia/Shanghai"),
    ],
)
def test_times_that_cannot_be_compared_with_a_day(order_lines, times, words):
    with pytest.raises(CrmError, match=words):
        purchase_summary(order_lines.assign(ordered_at=times(order_lines["ordered_at"])), as_of="2025-04-01")


class TestPaths:
    def test_an_id_with_a_letter_may_come_late(self, tmp_path):
        rows = ["order_id,customer_id,ordered_at,amount", *["1,0017,2025-01-01,1"] * 49_999, "X1,X2,2025-01-01,0.5"]
        (tmp_path / "lines.csv").write_text("\n".join(rows))
        summary = purchase_summary(tmp_path / "lines.csv", as_of="2026-01-01")
        assert summary["customer_id"].tolist() == ["0017", "X2"]
        assert summary["revenue"].tolist() == [49_999, 0.5]

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_files_of_a_glob_may_differ_in_the_order_of_columns_and_lack_optional_ones(
        self, order_lines, by_hand, tmp_path, ending
    ):
        parts = order_lines.iloc[:4], order_lines.iloc[4:, ::-1].drop(columns="discount")
        for number, part in enumerate(parts):
            path = tmp_path / f"{number}.{ending}"
            part.to_csv(path, index=False) if ending == "csv" else part.to_parquet(path)
        pd.testing.assert_frame_equal(purchase_summary(tmp_path / f"*.{ending}", as_of="2025-04-01"), by_hand)

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            (None, b"", "none.csv: the order lines cannot be read"),
            ("lines.xlsx", b"", "kind of file not known"),
            (
                "lines.csv",
                "order_id,customer_id,ordered_at,amount\n1,茶,2025-01-01,1\n".encode("gb18030"),
                "load_company",
            ),
            ("lines.csv", b"order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,3 pcs\n", "3 pcs"),
            ("lines.csv", b"order_id,customer_id,ordered_at,amount\n1,a,on 5/1,3\n", "holds string, not dates"),
        ],
    )
    def test_what_cannot_be_read_is_told_with_a_remedy(self, tmp_path, name, content, words):
        if name:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CrmError, match=words):
            purchase_summary(tmp_path / (name or "none.csv"), as_of="2026-01-01")
