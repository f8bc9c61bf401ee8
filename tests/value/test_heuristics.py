import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.value import abc, rfm, simple_scores


def test_by_hand():
    summary = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "first_purchase": pd.to_datetime(["2025-01-01", "2024-01-01", "2025-12-31"]),
            "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01", "2025-12-31"]),
            "purchase_days": [9, 1, 1],
            "revenue": [900.0, 100.0, 30.0],
        }
    )
    scores = simple_scores(summary, as_of="2026-01-01", bins=3)
    # a: 365 days are 11.99 months; b: lost; c: less than a month counts as one.
    assert scores["recent_rate"].tolist() == pytest.approx([900 / (365 * 12 / 365.25), 0, 30])
    assert scores["past_revenue"].tolist() == [900, 100, 30]
    scored = rfm(summary, as_of="2026-01-01", bins=3)
    assert scores["rfm_sum"].tolist() == scored[["r_score", "f_score", "m_score"]].sum(axis=1).tolist()
    short = simple_scores(summary, as_of="2026-01-01", bins=3, active_within_days=1)
    assert short["recent_rate"].tolist() == [0, 0, 30]


def test_past_revenue_orders_customers_as_abc_does(summary, as_of):
    scores = simple_scores(summary, as_of=as_of)
    ordered = scores.sort_values("past_revenue", ascending=False, kind="stable")["customer_id"]
    assert ordered.tolist() == abc(summary)["customer_id"].tolist()


def test_customer_without_purchase_scores_lowest(summary, only_returned, as_of):
    last = simple_scores(pd.concat([summary, only_returned], ignore_index=True), as_of=as_of).iloc[-1]
    assert last["rfm_sum"] == 0
    assert last["recent_rate"] == 0
    assert last["past_revenue"] == -25


def test_input_checks(summary, as_of):
    with pytest.raises(ParameterError, match="2 problems"):
        simple_scores(summary.drop(columns="first_purchase"), as_of=as_of, active_within_days=0)
