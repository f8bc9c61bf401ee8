"""Kinds of loyalty by cause: by hand, what was planted, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_truth
from crm_utils.company.simulate.survey import BUYING_REASONS
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.causes import LOYALTY_CAUSES, REASON_CAUSES, kinds_by_cause, plot_kinds_by_cause
from crm_utils.plotting import alt_text
from crm_utils.satisfaction import csat

SURVEY = pd.DataFrame(
    {
        "customer_id": list("abcdef"),
        "why": ["near", "cheap", "near", "parking", None, "close by"],
        "weight": [1.0, 2.0, 1.0, 1.0, 5.0, 3.0],
    }
)
CAUSES = {"near": "convenience", "close by": "convenience", "cheap": "price", "only one": "monopoly"}


# Correctness


def test_shares_by_hand():
    table = kinds_by_cause(SURVEY, reason_col="why", causes=CAUSES).set_index("cause")
    assert table.index.tolist() == [*(cause.name for cause in LOYALTY_CAUSES), "other"]
    assert table["answers"].to_dict() == {
        "monopoly": 0, "inertia": 0, "latent": 0, "convenience": 3, "price": 1, "incentive": 0, "supreme value": 0,
        "other": 1,
    }  # fmt: skip
    assert table.loc["convenience", ["low", "high"]].tolist() == pytest.approx(
        proportion_confint(3, 5, method="wilson")
    )
    assert table.loc["monopoly", "low"] == 0 < table.loc["monopoly", "high"]
    assert table.loc["convenience", "reasons"] == "close by, near"
    assert table.loc[["monopoly", "other"], "reasons"].tolist() == ["only one", "parking"]
    weighted = kinds_by_cause(SURVEY, reason_col="why", causes=CAUSES, weights_col="weight").set_index("cause")
    assert weighted.loc[["convenience", "price", "other"], "share"].tolist() == pytest.approx([5 / 8, 2 / 8, 1 / 8])
    assert kinds_by_cause(SURVEY, reason_col="why", causes=CAUSES).attrs["missing"] == 1


def test_the_seven_causes_have_their_terms_and_the_demos_reasons():
    assert [cause.chinese for cause in LOYALTY_CAUSES] == [
        "垄断忠诚", "惰性忠诚", "潜在忠诚", "方便忠诚", "价格忠诚", "激励忠诚", "超值忠诚",
    ]  # fmt: skip
    assert set(REASON_CAUSES) == set(BUYING_REASONS)
    assert set(REASON_CAUSES.values()) == {cause.name for cause in LOYALTY_CAUSES}


def test_intervals_with_weights_and_people_are_those_of_csat(demo):
    survey = demo.survey
    table = kinds_by_cause(survey, weights_col="weight").set_index("cause")
    scored = survey["main_reason"].eq("price").map({True: 10, False: 1})
    other = csat(scored, weights=survey["weight"], clusters=survey["customer_id"]).loc["all"]
    assert table.loc["price", ["share", "low", "high"]].tolist() == pytest.approx(
        other[["share", "low", "high"]].tolist()
    )


def test_the_planted_reasons_of_the_demo_are_found(demo):
    """Appeal as planted, of the lasting part of each latent score; the passing part moves the shares little."""
    truth = load_truth().tables["customers"].set_index("customer_id")
    people = truth.loc[demo.survey["customer_id"]]
    hunter, strong = (people[name].to_numpy(dtype=float) for name in ("discount_hunter", "strong_competition"))
    at_hand = people["home_channel"].isin(["miniprogram", "store"]).to_numpy(dtype=float)
    satisfaction, value, loyalty, cost, image = (
        people[name].to_numpy() for name in ("satisfaction", "value", "loyalty", "switching_cost", "image")
    )
    appeal = np.column_stack(
        [
            0.4 + 0.6 * satisfaction + 0.6 * value + 0.5 * loyalty,
            0.7 - 0.2 * satisfaction + 0.4 * cost,
            0.2 + 0.8 * at_hand,
            1.5 * hunter - 0.3 * loyalty,
            -0.4 + 0.8 * hunter,
            -1.0 - 1.2 * strong + 0.7 * cost - 0.3 * satisfaction,
            -0.5 + 0.5 * image + 0.3 * loyalty,
        ]
    )
    planted = pd.Series(softmax(appeal, axis=1).mean(axis=0), [REASON_CAUSES[reason] for reason in BUYING_REASONS])
    table = kinds_by_cause(demo.survey).set_index("cause")
    assert table["share"].to_dict() == pytest.approx(planted.to_dict(), abs=0.015)
    hunters = kinds_by_cause(demo.survey[hunter == 1]).set_index("cause")
    others = kinds_by_cause(demo.survey[hunter == 0]).set_index("cause")
    for cause in ("price", "incentive"):
        assert hunters.loc[cause, "low"] > others.loc[cause, "high"]


# Consistency


def test_the_order_of_rows_decides_nothing_and_inputs_stay(demo):
    survey, before = demo.survey, demo.survey.copy()
    found = kinds_by_cause(survey, weights_col="weight")
    pd.testing.assert_frame_equal(kinds_by_cause(survey[::-1], weights_col="weight"), found)
    pd.testing.assert_frame_equal(survey, before)
    assert found["share"].sum() == pytest.approx(1)


def test_answers_of_a_customer_count_as_one_unit():
    again = pd.concat([SURVEY] * 4, ignore_index=True)
    once = kinds_by_cause(SURVEY, reason_col="why", causes=CAUSES).set_index("cause")
    known = kinds_by_cause(again, reason_col="why", causes=CAUSES).set_index("cause")
    unknown = kinds_by_cause(again.drop(columns="customer_id"), reason_col="why", causes=CAUSES).set_index("cause")
    assert known.loc["price", "share"] == once.loc["price", "share"]
    assert known.loc["price", "low"] < unknown.loc["price", "low"]
    assert known.loc["monopoly", "high"] == pytest.approx(once.loc["monopoly", "high"])


# What is refused


def test_refused():
    with pytest.raises(ParameterError) as caught:
        kinds_by_cause(SURVEY, causes={"near": "nearness"}, weights_col="mass", level=1.5)
    for part in (
        "4 problems",
        "lacks the column main_reason",
        "causes name nearness; a cause is one of monopoly, inertia",
        "lacks the column mass",
        "level must lie",
    ):
        assert part in str(caught.value)
    with pytest.raises(DataFloorError, match="needs answers to why; there is none"):
        kinds_by_cause(SURVEY.assign(why=None), reason_col="why")


# Figure


def test_the_figure_shows_the_table_from_the_greatest_down():
    import matplotlib.pyplot as plt

    table = kinds_by_cause(SURVEY, reason_col="why", causes=CAUSES)
    given_ax = plt.figure().add_subplot()
    ax = plot_kinds_by_cause(table, ax=given_ax)
    assert ax is given_ax
    assert [label.get_text() for label in ax.get_yticklabels()][:3] == ["convenience (3)", "price (1)", "other (1)"]
    assert ax.lines[0].get_xdata().tolist() == sorted(table["share"], reverse=True)
    assert [text.get_text() for text in ax.texts][:3] == ["60%", "20%", "20%"]
    assert "from 60% (convenience) to 0%" in alt_text(ax.figure)
