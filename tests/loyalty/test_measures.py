"""Measures of loyalty: by hand, against plain pandas, and what is absent or refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from crm_utils.company import Company
from crm_utils.company.settings import SurveySettings
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.measures import (
    LOYALTY_MEASURES,
    loyalty_definitions,
    loyalty_measures,
    measure_table,
    people_of,
    survey_loyalty,
)

SETTINGS = SurveySettings(scale=(1, 10), constructs={"loyalty": ("l1", "l2")}, reversed=("l2",))
SURVEY = pd.DataFrame(
    {
        "response_id": ["r1", "r2", "r3", "r4"],
        "customer_id": ["ann", "ann", None, "eve"],
        "wave": ["2025H1", "2025H2", "2025H2", "2025H1"],
        "weight": [1.0, 2.0, 0.5, 1.5],
        "trust": [3, 8, 5, None],
        "nps": [4, 9, 10, 7],
        "l1": [1, 9, None, 6],
        "l2": [10, 3, 2, 5],
    }
)
OF_ORDERS = [
    "relationship_days",
    "recency_days",
    "bought_again",
    "repeat_days_per_year",
    "full_price_share",
    "categories",
]


# Correctness


def test_measures_of_order_lines_by_hand(shop):
    found = loyalty_measures(shop()).set_index("customer_id")
    assert found.index.tolist() == ["ann", "bob", "cai"]
    assert found["purchase_days"].tolist() == [4, 2, 1]
    assert found["relationship_days"].tolist() == [731, 61, 365]
    assert found["recency_days"].tolist() == [214, 42, 365]
    assert found["bought_again"].tolist() == [1, 1, 0]
    # Three repeat days in 731; Bob is known for less than 90 days.
    assert found["repeat_days_per_year"].tolist() == pytest.approx([3 / 731 * 365.25, np.nan, 0], nan_ok=True)
    # Of Ann's 500, 250 without a discount; a blank discount is none, and the return is no purchase.
    assert found["full_price_share"].tolist() == pytest.approx([0.5, 0, 1])
    assert found["categories"].tolist() == pytest.approx([3, np.nan, 1], nan_ok=True)


def test_the_relationship_begins_with_what_came_first(shop):
    customers = pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "cai", "never"],
            "joined_at": pd.to_datetime(["2023-12-31", "2025-12-01", None, "2020-01-01"]),
        }
    )
    found = loyalty_measures(shop(customers=customers)).set_index("customer_id")
    assert found["relationship_days"].to_dict() == {"ann": 732, "bob": 61, "cai": 365}


def test_categories_come_from_products_where_lines_have_none(shop):
    lines = shop().order_lines.assign(product_id=lambda table: table["category"]).drop(columns="category")
    products = pd.DataFrame({"product_id": ["tea", "cups", "pots", "sets"], "category": ["leaf", "ware", "ware", "x"]})
    company = Company.from_frames({"order_lines": lines, "products": products}, as_of="2026-01-01")
    found = loyalty_measures(company).set_index("customer_id")["categories"]
    assert found.to_dict() == pytest.approx({"ann": 2, "bob": np.nan, "cai": 1}, nan_ok=True)


def test_measures_of_a_survey_by_hand():
    found = survey_loyalty(SURVEY, SETTINGS)
    assert found["stated_loyalty"].tolist() == pytest.approx([1, 8.5, np.nan, 6], nan_ok=True)
    assert found["trust"].tolist() == pytest.approx([3, 8, 5, np.nan], nan_ok=True)
    assert found["survey_weight"].tolist() == [1, 2, 0.5, 1.5]
    assert set(found.attrs["absent"]) == {"share_of_wallet", "price_tolerance", "referrals", "fault_tolerance"}


def test_the_newest_answers_or_those_of_a_wave_count(shop):
    company = shop(survey=SURVEY)
    newest = loyalty_measures(company).set_index("customer_id")
    assert newest.index.tolist() == ["ann", "bob", "cai", "eve", "response r3"]
    assert newest.loc["ann", ["wave", "survey_weight", "nps"]].tolist() == ["2025H2", 2.0, 9.0]
    assert np.isnan(newest.loc["bob", "nps"])
    assert newest.loc["eve", OF_ORDERS].isna().all()
    first = loyalty_measures(company, wave="2025H1").set_index("customer_id")
    assert first.index.tolist() == ["ann", "bob", "cai", "eve"]
    assert first.loc["ann", ["survey_weight", "nps"]].tolist() == [1.0, 4.0]


def test_the_demo_against_plain_pandas(demo, demo_measures):
    lines = demo.order_lines
    bought = lines[lines["quantity"] > 0].merge(demo.products[["product_id", "category"]], on="product_id")
    days = bought["ordered_at"].dt.normalize().groupby(bought["customer_id"]).nunique()
    found = demo_measures.set_index("customer_id")
    assert found["bought_again"].mean() == pytest.approx((days > 1).mean())
    assert found["categories"].dropna().to_dict() == bought.groupby("customer_id")["category"].nunique().to_dict()
    full = bought[bought["discount"] == 0].groupby("customer_id")["amount"].sum()
    share = full.reindex(days.index, fill_value=0) / bought.groupby("customer_id")["amount"].sum()
    assert found["full_price_share"].dropna().to_dict() == pytest.approx(share.to_dict())
    newest = demo.survey.sort_values("wave").groupby("customer_id").tail(1).set_index("customer_id")
    assert found["share_of_wallet"].dropna().to_dict() == newest["share_of_wallet"].to_dict()
    assert demo_measures.attrs["absent"] == {}


def test_means_and_intervals_are_those_of_other_libraries(demo, demo_measures):
    table = measure_table(demo_measures, level=0.9).set_index("measure")
    days = demo_measures["recency_days"]
    assert table.loc["recency_days", "mean"] == pytest.approx(days.mean())
    ends = t.interval(0.9, len(days) - 1, days.mean(), days.sem())
    assert table.loc["recency_days", ["low", "high"]].tolist() == pytest.approx(ends)
    again = demo_measures["bought_again"]
    ends = proportion_confint(again.sum(), len(again), alpha=0.1, method="wilson")
    assert table.loc["bought_again", ["low", "high"]].tolist() == pytest.approx(ends, abs=2e-5)
    asked = demo_measures.dropna(subset="trust")
    assert table.loc["trust", "mean"] == pytest.approx(DescrStatsW(asked["trust"], asked["survey_weight"]).mean)
    assert table.loc["trust", "customers"] == len(asked)
    given = demo_measures["nps"].notna().sum()
    assert table.loc["nps", ["customers", "missing"]].tolist() == [given, demo_measures["wave"].notna().sum() - given]
    assert table.loc["repeat_days_per_year", "missing"] == demo_measures["repeat_days_per_year"].isna().sum()


def test_answers_of_one_customer_count_as_one_unit(demo):
    """All waves: the error is that of means by customer, which a sandwich with clusters gives."""
    import statsmodels.api as sm

    answers = survey_loyalty(demo)
    found = measure_table(answers).set_index("measure").loc["trust"]
    model = sm.WLS(answers["trust"], np.ones(len(answers)), weights=answers["survey_weight"])
    codes = people_of(answers, "customer_id")
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert found["mean"] == pytest.approx(fit.params.iloc[0])
    assert found["std_error"] == pytest.approx(fit.bse.iloc[0])
    assert found["customers"] == answers["customer_id"].nunique()


# Consistency


def test_the_order_of_rows_decides_nothing_and_inputs_stay(shop):
    company = shop(survey=SURVEY)
    lines, survey = company.order_lines.copy(), SURVEY.copy()
    found = loyalty_measures(company)
    turned = Company.from_frames(
        {"order_lines": lines[::-1].reset_index(drop=True), "survey": SURVEY[::-1].reset_index(drop=True)},
        as_of="2026-01-01",
    )
    pd.testing.assert_frame_equal(loyalty_measures(turned), found)
    pd.testing.assert_frame_equal(SURVEY, survey)
    pd.testing.assert_frame_equal(company.order_lines, lines)


def test_a_day_of_analysis_cuts_off_what_comes_later(shop):
    found = loyalty_measures(shop(), as_of="2025-01-01").set_index("customer_id")
    assert found.index.tolist() == ["ann"]
    assert found.loc["ann", ["purchase_days", "recency_days", "relationship_days"]].tolist() == [3, 1, 366]


def test_parts_of_the_tables_give_the_same_numbers(demo, demo_measures):
    orders = loyalty_measures(Company.from_frames({"order_lines": demo.order_lines}, as_of=demo.as_of))
    survey = Company.from_frames({"survey": demo.survey}, survey_settings=demo.survey_settings)
    asked = loyalty_measures(survey)
    shared = [name for name in orders if name in demo_measures and name != "relationship_days"]
    bought = demo_measures[demo_measures["purchase_days"].notna()]
    pd.testing.assert_frame_equal(orders[shared], bought[shared].reset_index(drop=True), check_dtype=False)
    shared = list(asked)
    answered = demo_measures[demo_measures["wave"].notna()]
    pd.testing.assert_frame_equal(asked, answered[shared].reset_index(drop=True), check_dtype=False)


# What is absent, and what is refused


def test_what_is_absent_is_named_with_a_reason(shop):
    found = loyalty_measures(shop())
    assert found.attrs["absent"]["trust"] == "the company has no table survey"
    assert set(found.attrs["absent"]) | set(found) >= {measure.name for measure in LOYALTY_MEASURES}
    table = measure_table(found).set_index("measure")
    assert table.index.tolist() == [measure.name for measure in LOYALTY_MEASURES]
    assert table.loc["nps", "note"] == "the company has no table survey"
    assert table.loc["recency_days", "note"] == "needs at least 20 customers; there are 3"
    assert table["mean"].isna().all()
    assert table.loc["recency_days", "customers"] == 3
    lines = shop().order_lines.drop(columns=["category", "discount"])
    absent = loyalty_measures(Company.from_frames({"order_lines": lines}, as_of="2026-01-01")).attrs["absent"]
    assert absent["full_price_share"] == "order_lines has no column discount"
    assert absent["categories"] == "neither order_lines nor products tells the category"
    asked = loyalty_measures(Company.from_frames({"survey": SURVEY})).attrs["absent"]
    assert asked["relationship_days"] == "no table tells the day of joining or of the first purchase"
    assert asked["recency_days"] == "the company has no table order_lines"
    assert asked["stated_loyalty"] == "company.yml names no items of the construct loyalty"


def test_columns_of_other_names():
    found = survey_loyalty(SURVEY.rename(columns={"trust": "Q17"}), survey_columns={"trust": "Q17"})
    assert found["trust"].tolist() == pytest.approx([3, 8, 5, np.nan], nan_ok=True)
    with pytest.raises(ParameterError) as caught:
        survey_loyalty(SURVEY, survey_columns={"trsut": "trust", "referrals": "Q9"})
    assert "no measure that is asked for (did you mean 'trust'?)" in str(caught.value)
    assert "lacks the column Q9" in str(caught.value)


def test_unusable_answers_are_refused_all_at_once():
    bad = SURVEY.assign(share_of_wallet=[50, 120, -1, 3], referrals=[0, -2, 1, 1], trust=["high"] * 4)
    bad.loc[2, "weight"] = np.nan
    with pytest.raises(ParameterError) as caught:
        survey_loyalty(bad)
    for part in (
        "4 problems",
        "share_of_wallet has 2 answers outside of 0 to 100 per cent (rows 1, 2: 120)",
        "referrals has 1 answer outside of 0 and above people (rows 1: -2)",
        "trust must be numbers, and 4 values are no numbers (rows 0, 1, 2, …: 'high')",
        "weight is missing or below zero in 1 answer (rows 2)",
    ):
        assert part in str(caught.value)


def test_refused(shop):
    with pytest.raises(ParameterError, match=r"wave must be one of \['2025H1', '2025H2'\], and is '2026H1'"):
        loyalty_measures(shop(survey=SURVEY), wave="2026H1")
    customers = pd.DataFrame({"customer_id": ["ann"]})
    with pytest.raises(DataFloorError, match="needs order lines or a survey; company has customers"):
        loyalty_measures(Company.from_frames({"customers": customers}))
    with pytest.raises(ParameterError) as caught:
        measure_table(loyalty_measures(shop()), customer_col="who", level=1)
    assert "lacks the column who" in str(caught.value)
    assert "level must lie" in str(caught.value)


def test_definitions_tell_dimension_source_and_floor():
    table = loyalty_definitions().set_index("measure")
    assert table.index.tolist() == [measure.name for measure in LOYALTY_MEASURES]
    assert table.loc["recency_days", ["dimension", "source", "better", "floor"]].tolist() == [
        "time", "order_lines", "lower", 20,
    ]  # fmt: skip
    assert set(table["dimension"]) == {"time", "behaviour", "feeling"}


def test_the_newest_answer_is_of_the_latest_wave_and_not_of_the_last_text():
    survey = pd.DataFrame(
        {"response_id": ["a", "b"], "customer_id": ["x", "x"], "wave": ["wave 9", "wave 10"], "trust": [2, 8]}
    )
    company = Company.from_frames({"survey": survey})
    assert loyalty_measures(company)["trust"].tolist() == [8.0]
    assert loyalty_measures(company, wave="wave 9")["trust"].tolist() == [2.0]


def test_a_construct_under_another_name_is_loyalty():
    answers = pd.DataFrame({"L1": [2, 4], "L2": [4, 8]})
    settings = SurveySettings(scale=(1, 10), constructs={"Customer loyalty": ("L1", "L2")})
    assert survey_loyalty(answers, settings)["stated_loyalty"].tolist() == [3.0, 6.0]


@pytest.mark.parametrize(("given", "taken"), [([0.2, 1.0], [20, 100]), ([0, 1], [0, 1]), ([0.5, 40], [0.5, 40])])
def test_fractions_of_the_wallet_become_per_cent(given, taken):
    answers = pd.DataFrame({"share_of_wallet": given})
    assert survey_loyalty(answers)["share_of_wallet"].tolist() == taken
