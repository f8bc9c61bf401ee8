"""Retention by cohort: counts by hand and spell by spell, young cohorts, purchases in later periods."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.churn import (
    plot_retention_triangle,
    repurchase_triangle,
    retention_triangle,
    retention_triangle_table,
)
from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text

MONTHS = {"month": 1, "quarter": 3}


@pytest.mark.parametrize(("cohort", "period"), [("month", "month"), ("quarter", "quarter"), ("quarter", "month")])
@pytest.mark.parametrize("as_of", ["2024-04-01", "2024-05-17"])
def test_agrees_with_counting_spell_by_spell(cohort, period, as_of):
    rng = np.random.default_rng(5)
    started = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 480, 300), unit="D")
    ended = (started + pd.to_timedelta(rng.integers(0, 400, 300), unit="D")).where(rng.random(300) < 0.7)
    table = pd.DataFrame({"customer_id": range(300), "started_at": started, "ended_at": ended})
    triangle = retention_triangle(table, as_of=as_of, cohort=cohort, period=period)
    day = pd.Timestamp(as_of)
    known = table[table["started_at"] < day]
    ended = known["ended_at"].where(known["ended_at"] < day)
    code, first = ({"month": "M", "quarter": "Q"}[name] for name in (cohort, period))
    cohorts = known["started_at"].dt.to_period(code).dt.start_time
    begin = known["started_at"].dt.to_period(first).dt.start_time
    assert set(triangle["cohort"]) == set(cohorts)
    for row in triangle.itertuples():
        then = begin + pd.DateOffset(months=MONTHS[period] * row.age)
        at_risk = (cohorts == row.cohort) & (then <= day)
        kept = at_risk & ((row.age == 0) | ~(ended < then))
        assert (row.at_risk, row.retained) == (at_risk.sum(), kept.sum())
        growing = row.cohort + pd.DateOffset(months=MONTHS[cohort]) > day
        assert row.partial == (growing or at_risk.sum() < (cohorts == row.cohort).sum())
    assert (triangle["rate"] == triangle["retained"] / triangle["at_risk"]).all()
    assert ((triangle["low"] <= triangle["rate"]) & (triangle["rate"] <= triangle["high"])).all()


def test_retention_of_members_never_rises_within_a_cohort():
    company = load_company()
    wide = retention_triangle_table(retention_triangle(company.memberships, as_of=company.as_of))
    rates = wide.filter(like="rate_").to_numpy()
    assert (rates[:, 0] == 1).all()
    assert not (np.diff(rates, axis=1) > 0).any()
    # A triangle: each later cohort is known for one period less.
    assert (np.isnan(rates).sum(axis=1) == np.arange(len(rates))).all()


def test_bought_again_by_hand():
    lines = pd.DataFrame(
        {
            "order_id": list("123456"),
            "customer_id": ["a", "b", "a", "a", "c", "b"],
            "amount": [10.0, 10.0, 10.0, 10.0, 10.0, -5.0],
            "ordered_at": pd.to_datetime(
                ["2025-01-10", "2025-01-20", "2025-02-03", "2025-02-20", "2025-03-03", "2025-02-05"]
            ),
        }
    )
    found = repurchase_triangle(lines, as_of="2025-04-15", cohort="month")
    january = found[found["cohort"] == "2025-01-01"]
    # A return is no purchase; April is not over.
    assert january["retained"].tolist() == [2, 1, 0]
    assert january["at_risk"].tolist() == [2, 2, 2]
    assert found[found["cohort"] == "2025-03-01"]["retained"].tolist() == [1]


def test_lines_from_a_file(tmp_path):
    lines = load_company().order_lines
    file = tmp_path / "lines.parquet"
    lines.to_parquet(file)
    found = repurchase_triangle(lines, as_of="2025-06-10")
    pd.testing.assert_frame_equal(repurchase_triangle(file, as_of="2025-06-10"), found)
    assert (
        found["at_risk"][found["age"] == 0].sum()
        == lines[(lines["amount"] > 0) & (lines["ordered_at"] < "2025-06-10")]["customer_id"].nunique()
    )


def test_unusable():
    table = pd.DataFrame(
        {"customer_id": ["a"], "started_at": pd.to_datetime(["2025-01-01"]), "ended_at": pd.to_datetime([None])}
    )
    with pytest.raises(ParameterError, match="not be longer than the cohort"):
        retention_triangle(table, as_of="2025-06-01", cohort="month", period="quarter")
    with pytest.raises(ParameterError, match="cohort must be one of"):
        retention_triangle(table, as_of="2025-06-01", cohort="week")
    with pytest.raises(DataFloorError, match="none"):
        retention_triangle(table, as_of="2024-06-01")
    lines = pd.DataFrame(
        {"order_id": ["1"], "customer_id": ["a"], "amount": [1.0], "ordered_at": pd.to_datetime(["2025-01-01"])}
    )
    with pytest.raises(DataFloorError, match="none"):
        repurchase_triangle(lines, as_of="2024-06-01")


def test_figure_shows_the_table():
    company = load_company()
    triangle = retention_triangle(company.memberships, as_of=company.as_of)
    ax = plt.figure().add_subplot()
    assert plot_retention_triangle(triangle, ax=ax) is ax
    cells = retention_triangle_table(triangle).filter(like="rate_").to_numpy()
    drawn = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(drawn, cells)
    assert len(ax.texts) == (~np.isnan(cells)).sum()
    assert "12 cohorts" in alt_text(ax.figure)
    plt.close(ax.figure)
