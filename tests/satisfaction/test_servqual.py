"""Gaps of service quality: by hand, paired tests, brute force, planted gaps and reliabilities, ranks, refusals."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crm_utils.company import load_company
from crm_utils.company.simulate.survey import SURVEY, expected_points
from crm_utils.errors import DataFloorError, ParameterError, attempt
from crm_utils.plotting import alt_text
from crm_utils.satisfaction.servqual import (
    plot_servqual,
    servqual_gaps,
    servqual_overall,
    servqual_table,
    servqual_text,
)
from crm_utils.satisfaction.servqual_answers import RATER, servqual_items, servqual_notes
from crm_utils.satisfaction.servqual_ranks import servqual_differences, servqual_ranking, servqual_ranking_text
from crm_utils.satisfaction.servqual_reliability import servqual_reliability

ITEMS = {"speed": (["e1", "e2"], ["p1", "p2"]), "looks": (["e3"], ["p3"])}
FUNCTIONS = (servqual_gaps, servqual_overall, servqual_differences, servqual_ranking, servqual_reliability)


@pytest.fixture
def four():
    """Four respondents; one left an item of a pair blank, one a whole dimension."""
    return pd.DataFrame(
        {
            "e1": [9, 8, 8, 7],
            "p1": [7, 8, 6, 9],
            "e2": [7, 9, None, 6],
            "p2": [8, 6, 3, 6],
            "e3": [6, 7, 6, None],
            "p3": [6, 6, 7, 8],
            "points_speed": [60, 30, 80, 50],
            "points_looks": [40, 30, 20, 50],
        }
    )


@pytest.fixture
def people():
    """Three dimensions of two pairs; ninety people of unequal weight, asked one to three times."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(90), rng.integers(1, 4, 90))
    size, mood = len(person), rng.normal(size=90)[person]
    columns = {}
    for dimension, expected, perceived in (("speed", 8.0, 6.6), ("looks", 7.0, 7.1), ("care", 7.5, 6.8)):
        own = rng.normal(size=size)
        for number in (1, 2):
            columns[f"sq_exp_{dimension}_{number}"] = expected + 0.9 * mood + rng.normal(size=size)
            columns[f"sq_per_{dimension}_{number}"] = perceived + 0.6 * mood + 0.9 * own + rng.normal(size=size)
    frame = pd.DataFrame(columns).round().clip(1, 10)
    points = rng.multinomial(20, [0.5, 0.2, 0.3], size)
    for place, dimension in enumerate(("speed", "looks", "care")):
        frame[f"sq_importance_{dimension}"] = 5 * points[:, place]
    satisfaction = frame.filter(like="sq_per").mean(axis=1) + rng.normal(size=size)
    return frame.assign(
        person=person, weight=rng.gamma(4, 0.25, 90)[person], satisfaction=satisfaction,
        region=np.where(person % 3 == 0, "north", "south"),
    )  # fmt: skip


def design(people):
    return {"weights": people["weight"], "clusters": people["person"]}


def resampled(people, statistic, *, times=1500):
    """Replicates of a statistic of weights over resamples of people."""
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(times):
        counts = np.bincount(rng.integers(0, 90, 90), minlength=90)[people["person"]]
        drawn.append(statistic(counts * people["weight"].to_numpy()))
    return np.array(drawn)


def gaps_of(people):
    """Gap of each respondent in each dimension, written out."""
    return pd.DataFrame(
        {
            dimension: sum(people[f"sq_per_{dimension}_{n}"] - people[f"sq_exp_{dimension}_{n}"] for n in (1, 2)) / 2
            for dimension in ("speed", "looks", "care")
        }
    )


def with_covariance(covariance, size, *, seed=7):
    """Make numbers around 5 whose sample covariance is exactly as given."""
    noise = np.random.default_rng(seed).normal(size=(size, len(covariance)))
    noise -= noise.mean(axis=0)
    spread = np.linalg.cholesky(np.cov(noise.T))
    return 5 + noise @ np.linalg.inv(spread).T @ np.linalg.cholesky(covariance).T


# Correctness: gaps


def test_gaps_by_hand(four):
    """Speed: (−2 + 1)/2, (0 − 3)/2, −2 (one pair), (2 + 0)/2; looks: 0, −1, 1, none."""
    found = servqual_gaps(four, ITEMS, importance={"speed": "points_speed", "looks": "points_looks"})
    assert found["gap"].tolist() == pytest.approx([(-0.5 - 1.5 - 2 + 1) / 4, 0])
    assert found["expectation"].tolist() == pytest.approx([(8 + 8.5 + 8 + 6.5) / 4, 19 / 3])
    assert (found["perception"] - found["expectation"]).tolist() == pytest.approx(found["gap"].tolist())
    assert found[["answers", "missing"]].to_numpy().tolist() == [[4, 0], [3, 1]]
    # Shares .6, .5, .8, .5 of speed; the fourth respondent lacks looks.
    assert found["importance"].tolist() == pytest.approx([0.6, 0.4])
    assert found["weighted_gap"].tolist() == pytest.approx([(-0.3 - 0.75 - 1.6) / 3, (0 - 0.5 + 0.2) / 3])


def test_the_overall_scores_by_hand(four):
    importance = {"speed": "points_speed", "looks": "points_looks"}
    found = servqual_overall(four, ITEMS, importance=importance)["mean"]
    assert found["servqual"] == pytest.approx((-0.25 - 1.25 - 0.5) / 3)
    assert found["weighted servqual"] == pytest.approx((-0.3 - 1.25 - 1.4) / 3)
    assert found["servperf"] == pytest.approx((6.75 + 6.5 + 6.5) / 3)
    assert found["weighted servperf"] == pytest.approx((0.6 * 7.5 + 0.4 * 6 + 6.5 + 0.8 * 6 + 0.2 * 7) / 3)


def test_the_interval_of_a_gap_is_the_paired_test(people):
    found = servqual_gaps(people, {"x": (["sq_exp_speed_1"], ["sq_per_speed_1"])}, level=0.9).loc["x"]
    paired = stats.ttest_rel(people["sq_per_speed_1"], people["sq_exp_speed_1"])
    ends = paired.confidence_interval(0.9)
    assert found["gap"] / found["std_error"] == pytest.approx(paired.statistic)
    assert found[["low", "high"]].tolist() == pytest.approx([ends.low, ends.high])
    assert "weighted_gap" not in found


def test_errors_are_those_of_resampled_people(people):
    found, overall = servqual_gaps(people, **design(people)), servqual_overall(people, **design(people))
    gaps = gaps_of(people)[found.index]
    shares = people[[f"sq_importance_{name}" for name in found.index]].to_numpy() / 100
    for column, values in (("gap", gaps), ("weighted_gap", gaps * shares)):
        drawn = resampled(people, lambda weights, values=values: np.average(values, axis=0, weights=weights))
        assert found[column].tolist() == pytest.approx(np.average(values, axis=0, weights=people["weight"]))
        half = found["high"] - found["gap"] if column == "gap" else found["weighted_high"] - found["weighted_gap"]
        assert half.tolist() == pytest.approx(stats.t.ppf(0.975, 89) * drawn.std(axis=0), rel=0.08)
    drawn = resampled(people, lambda weights: np.average((gaps * shares).sum(axis=1), weights=weights))
    assert overall.loc["weighted servqual", "std_error"] == pytest.approx(drawn.std(), rel=0.08)


def test_dimensions_add_up_to_the_weighted_gap(people):
    people.loc[::11, "sq_per_care_1"] = np.nan
    people.loc[::13, ["sq_exp_looks_1", "sq_exp_looks_2"]] = np.nan
    people.loc[5, "sq_importance_care"] = np.nan
    people.loc[6, people.filter(like="importance").columns] = 0
    gaps, overall = servqual_gaps(people, **design(people)), servqual_overall(people, **design(people))
    assert gaps["weighted_gap"].sum() == pytest.approx(overall.loc["weighted servqual", "mean"])
    assert gaps["importance"].sum() == pytest.approx(1)
    assert overall.loc["servqual", "answers"] - overall.loc["weighted servqual", "answers"] == 2
    equal = servqual_overall(people, importance=dict.fromkeys(("speed", "looks", "care"), 5), **design(people))
    equal = equal.drop(columns="note").astype(float)
    assert equal.loc["weighted servqual"].to_numpy() == pytest.approx(equal.loc["servqual"].to_numpy())


def test_gaps_planted_in_the_demo():
    """Means of all people after whole points and the ends of the scale, where service did not break down."""
    survey = load_company().survey
    survey = survey[survey["wave"] != SURVEY.event_wave]
    options = {"weights": survey["weight"], "clusters": survey["customer_id"]}
    found = servqual_gaps(survey, **options)
    assert tuple(found.index) == RATER
    for dimension, row in found.iterrows():
        expected, perceived = (
            expected_points(0, mean=means[dimension], spread=1.5)
            for means in (SURVEY.servqual_expectation, SURVEY.servqual_perception)
        )
        assert (row["expectation"], row["perception"]) == pytest.approx((expected, perceived), abs=0.07)
        # Two standard errors, and what the mood of those asked adds to both sides.
        assert row["gap"] == pytest.approx(perceived - expected, abs=0.08)
        assert row["importance"] == pytest.approx(SURVEY.servqual_importance[dimension], abs=0.005)
    ranks = servqual_ranking(survey, **options)
    # Planted: reliability .32 · −1.04 and responsiveness .22 · −1.53 are alike, and so are the next two.
    assert set(ranks.index[:2]) == {"reliability", "responsiveness"}
    assert ranks["rank_low"].tolist() == [1, 1, 3, 3, 5]
    assert ranks.loc["tangibles", "cannot_tell_from"] == ""
    assert ranks.loc["reliability", "cannot_tell_from"] == "responsiveness"


# Correctness: differences and ranks


def test_differences_are_paired_tests_at_a_stricter_level(people):
    found = servqual_differences(people, importance=None, level=0.9)
    gaps = gaps_of(people)
    assert found.index.tolist() == [("speed", "looks"), ("speed", "care"), ("looks", "care")]
    for (one, other), row in found.iterrows():
        paired = stats.ttest_rel(gaps[one], gaps[other])
        ends = paired.confidence_interval(0.9 ** (1 / 3))
        assert row["difference"] / row["std_error"] == pytest.approx(paired.statistic)
        assert (row["low"], row["high"]) == pytest.approx((ends.low, ends.high))
    assert found["verdict"].tolist() == ["worse", "worse", "better"]


def test_ranks_follow_from_the_differences(people):
    found = servqual_ranking(people, level=0.8, **design(people))
    gaps = servqual_gaps(people, level=0.8 ** (1 / 3), **design(people)).loc[found.index]
    assert found["weighted_gap"].is_monotonic_increasing
    assert found["rank"].tolist() == [1, 2, 3]
    assert found[["weighted_gap", "low", "high"]].to_numpy() == pytest.approx(
        gaps[["weighted_gap", "weighted_low", "weighted_high"]].to_numpy()
    )
    sure = servqual_differences(people, level=0.8, **design(people))["verdict"]
    for dimension in found.index:
        worse = sum(verdict == ("worse" if pair[0] == dimension else "better") for pair, verdict in sure.items()
                    if dimension in pair and verdict != "cannot tell apart")  # fmt: skip
        unsure = [name for name in found.index if any(set(pair) == {name, dimension} and verdict == "cannot tell apart"
                  for pair, verdict in sure.items())]  # fmt: skip
        assert found.loc[dimension, "rank_high"] == 3 - worse
        assert found.loc[dimension, "rank_low"] == 3 - worse - len(unsure)
        assert found.loc[dimension, "cannot_tell_from"] == ", ".join(unsure)


def test_ranks_cover():
    """Four gaps, two alike: of 300 tables at 90 %, in at least as many all true ranks lie within their ranges.

    The alike ones share the ranks 2 and 3, of which the ranges must hold both.
    """
    rng = np.random.default_rng(8)
    items = {name: ([f"e{name}"], [f"p{name}"]) for name in "abcd"}
    covered, apart = 0, 0
    for _ in range(300):
        mood = rng.normal(size=(80, 1))
        expected = 7 + mood + rng.normal(size=(80, 4))
        perceived = 7 + mood + [-0.9, -0.5, -0.5, 0.4] + rng.normal(size=(80, 4))
        answers = pd.DataFrame(
            np.hstack([expected, perceived]), columns=[f"{side}{name}" for side in "ep" for name in "abcd"]
        )
        ranks = servqual_ranking(answers, items, scale=(-10, 30), level=0.9).loc[list("abcd")]
        covered += (ranks["rank_low"] <= [1, 2, 2, 4]).all() and (ranks["rank_high"] >= [1, 3, 3, 4]).all()
        apart += ranks.loc["d", "rank_low"] == 4
    assert covered / 300 > 0.87
    assert apart / 300 > 0.5


# Correctness: perception alone


def test_correlations_with_an_outcome_are_numpys(people):
    found = servqual_overall(people, outcome=people["satisfaction"])
    gaps = gaps_of(people)
    shares = people[[f"sq_importance_{name}" for name in gaps]].to_numpy() / 100
    perceived = pd.DataFrame({name: people[[f"sq_per_{name}_1", f"sq_per_{name}_2"]].mean(axis=1) for name in gaps})
    scores = {
        "servqual": gaps.mean(axis=1),
        "weighted servqual": (gaps * shares).sum(axis=1),
        "servperf": perceived.mean(axis=1),
        "weighted servperf": (perceived * shares).sum(axis=1),
    }
    assert found.index.tolist() == list(scores)
    expected = [values.corr(people["satisfaction"]) for values in scores.values()]
    assert found["correlation"].tolist() == pytest.approx(expected)
    assert found["advantage"].tolist()[1:] == pytest.approx(np.array(expected[1:]) - expected[0])
    assert found.loc["servqual", ["advantage", "advantage_low", "advantage_high"]].isna().all()


def test_intervals_of_correlations_are_those_of_resampled_people(people):
    found = servqual_overall(people, outcome=people["satisfaction"], importance=None, **design(people)).loc["servperf"]
    gap, perceived = gaps_of(people).mean(axis=1), people.filter(like="sq_per").mean(axis=1)

    def both(weights):
        correlations = np.cov([gap, perceived, people["satisfaction"]], aweights=weights)
        spreads = np.sqrt(correlations.diagonal())
        one, two = correlations[:2, 2] / (spreads[:2] * spreads[2])
        return two, two - one

    ends = np.quantile(resampled(people, both), [0.025, 0.975], axis=0)
    assert found[["correlation", "advantage"]].tolist() == pytest.approx(both(people["weight"]))
    assert found[["correlation_low", "correlation_high"]].tolist() == pytest.approx(ends[:, 0], abs=0.02)
    assert found[["advantage_low", "advantage_high"]].tolist() == pytest.approx(ends[:, 1], abs=0.02)
    assert found["advantage_low"] > 0.1


# Correctness: reliability


def pairs_of_two(within, between, own=0.0):
    """Covariances of two expectations and two perceptions of variance 1."""
    block, cross = np.array([[1, within], [within, 1]]), np.full((2, 2), between) + own * np.eye(2)
    return np.block([[block, cross], [cross, block]])


@pytest.mark.parametrize(("alpha", "correlation", "reliability"), [(0.8, 0.5, 0.6), (0.7, 0.4, 0.5), (0.9, 0, 0.9)])
def test_the_reliability_of_a_difference(alpha, correlation, reliability):
    """Of parts alike (r − r_PE)/(1 − r_PE): (.8 − .5)/.5 = .6, (.7 − .4)/.6 = .5."""
    within = alpha / (2 - alpha)
    between = correlation * (2 + 2 * within) / 4
    answers = pd.DataFrame(with_covariance(pairs_of_two(within, between), 60), columns=["e1", "e2", "p1", "p2"])
    found = servqual_reliability(answers, {"x": (["e1", "e2"], ["p1", "p2"])}, scale=(-10, 20)).loc["x"]
    assert found["alpha_expectation"] == pytest.approx(alpha)
    assert found["alpha_perception"] == pytest.approx(alpha)
    assert found["correlation"] == pytest.approx(correlation)
    assert found["difference_reliability"] == pytest.approx(reliability)
    assert found["alpha_gap"] == pytest.approx(reliability)


def test_parts_of_different_spread_and_items_that_go_together():
    covariance = pairs_of_two(0.6, 0.2, own=0.15)
    spread = np.array([1, 1, 2, 2])
    data = with_covariance(covariance * np.outer(spread, spread), 80)
    answers = pd.DataFrame(data, columns=["e1", "e2", "p1", "p2"])
    found = servqual_reliability(answers, {"x": (["e1", "e2"], ["p1", "p2"])}, scale=(-20, 30)).loc["x"]
    expectation, perception = answers[["e1", "e2"]].sum(axis=1), answers[["p1", "p2"]].sum(axis=1)
    r, e, p = expectation.corr(perception), expectation.std(), perception.std()
    alpha = 2 * 0.6 / 1.6
    by_hand = (p**2 * alpha + e**2 * alpha - 2 * r * p * e) / (p**2 + e**2 - 2 * r * p * e)
    assert found["difference_reliability"] == pytest.approx(by_hand)
    gaps = pd.DataFrame({1: answers["p1"] - answers["e1"], 2: answers["p2"] - answers["e2"]})
    assert found["alpha_gap"] == pytest.approx(2 * (1 - gaps.var().sum() / gaps.sum(axis=1).var()))
    assert found["alpha_gap"] > found["difference_reliability"]


def test_intervals_of_reliability_are_those_of_resampled_people(people):
    found = servqual_reliability(people, **design(people)).loc["care"]
    columns = [f"sq_{side}_care_{number}" for side in ("exp", "per") for number in (1, 2)]
    values = people[columns].to_numpy()

    def both(weights):
        covariance = np.cov(values.T, aweights=weights)
        e, p, c = (covariance[rows].sum() for rows in (np.s_[:2, :2], np.s_[2:, 2:], np.s_[:2, 2:]))
        alphas = [4 * covariance[0, 1] / e, 4 * covariance[2, 3] / p]
        return alphas[1], (p * alphas[1] + e * alphas[0] - 2 * c) / (p + e - 2 * c)

    names = ["alpha_perception", "difference_reliability"]
    ends = np.quantile(resampled(people, both), [0.025, 0.975], axis=0)
    assert found[names].tolist() == pytest.approx(both(people["weight"]))
    for place, name in enumerate(names):
        assert found[[f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(ends[:, place], abs=0.035)


def test_reliability_planted_in_the_demo():
    """Both items load .85 before whole points: alpha .839, a little less after them; gaps are less reliable."""
    survey = load_company().survey
    found = servqual_reliability(survey, weights=survey["weight"], clusters=survey["customer_id"])
    alphas = found[["alpha_expectation", "alpha_perception"]]
    assert alphas.to_numpy().min() > 0.78
    assert alphas.to_numpy().max() < 0.839
    assert (found["difference_reliability_high"] < alphas.min(axis=1)).all()
    # The perception of an item goes with its own expectation no more than with the other.
    assert (found["alpha_gap"] - found["difference_reliability"]).abs().max() < 0.01
    assert (found["answers"] + found["missing"] == len(survey)).all()


# Consistency


def test_items_are_found_by_their_names():
    names = [
        f"sq_{side}_{name}"
        for name in ("own_2", "own_10", "own_1", "empathy_1", "assurance_1")
        for side in ("per", "exp")
    ]
    found = servqual_items(pd.DataFrame(5.0, [0], [*names, "sq_importance_own", "sq_exp", "sq_exp_own"]))
    assert list(found) == ["assurance", "empathy", "own"]
    assert found["own"] == (
        ("sq_exp_own_1", "sq_exp_own_2", "sq_exp_own_10"),
        ("sq_per_own_1", "sq_per_own_2", "sq_per_own_10"),
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_weights_and_points_in_other_units_do_not_matter(people, function):
    before, mixed = people.copy(), people.sample(frac=1, random_state=1)
    mixed[mixed.filter(like="importance").columns] *= 7
    expected = function(people, by=people["region"], **design(people))
    found = function(
        mixed, by=mixed["region"].to_numpy(), weights=5 * mixed["weight"], clusters=mixed["person"].astype(str)
    )
    pd.testing.assert_frame_equal(found, expected.rename_axis(index={"region": "group"}), rtol=1e-6)
    pd.testing.assert_frame_equal(people, before)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_group_is_as_if_it_were_alone(people, function):
    found = function(people, by=people["region"], **design(people))
    alone = people[people["region"] == "north"]
    pd.testing.assert_frame_equal(found.loc["north"], function(alone, **design(alone)), rtol=1e-9)
    assert found.index.get_level_values(0).unique().tolist() == ["north", "south"]


def test_a_shifted_scale_changes_no_gap(people):
    items = list(people.filter(regex="sq_(exp|per)").columns)
    moved = people.assign(**{name: 10 * people[name] + 3 for name in items})
    found, expected = servqual_gaps(moved, scale=(13, 103)), servqual_gaps(people)
    assert (found["gap"] / 10).tolist() == pytest.approx(expected["gap"].tolist())
    assert (found["weighted_high"] / 10).tolist() == pytest.approx(expected["weighted_high"].tolist())


def test_a_group_without_answers_and_a_single_respondent(people):
    few = people.iloc[:4].assign(region=["x", "y", "y", "z"])
    few.loc[few["region"] == "x", few.filter(like="sq_per").columns] = np.nan
    found = servqual_gaps(few, by=few["region"])
    assert found.loc["x", ["gap", "low", "weighted_gap"]].isna().all(axis=None)
    assert (found.loc["x", "missing"] == 1).all()
    assert found.loc["z", "low"].isna().all()
    ranks = servqual_ranking(few, by=few["region"])
    assert ranks.loc["x", "rank"].isna().all()
    assert (ranks.loc["z", "rank_high"] == 3).all()
    assert servqual_reliability(few)["alpha_gap_low"].isna().all()
    assert servqual_overall(few, outcome=few["satisfaction"])["correlation_low"].isna().all()


def test_one_pair_has_no_reliability(four):
    found = servqual_reliability(four, ITEMS)
    assert found["pairs"].tolist() == [2, 1]
    assert found.loc["looks"].drop(["pairs", "correlation", "answers", "missing"]).isna().all()
    assert found.loc["speed", ["answers", "missing"]].tolist() == [3, 1]


# Consistency: what a survey lacks


def test_a_dimension_asked_from_one_side_is_left_out(people):
    """Care was only perceived, a fourth dimension only expected: the others are as if those were not there."""
    asked = people.drop(columns=["sq_exp_care_1", "sq_exp_care_2"]).assign(sq_exp_ease_of_use_1=8.0)
    others = people.drop(columns=[name for name in people if "care" in name])
    assert servqual_notes(asked) == (
        "The dimension care is left out: the survey has no sq_exp_care_1 and sq_exp_care_2.",
        "The dimension ease of use is left out: the survey has no sq_per_ease_of_use_1.",
    )
    for function in FUNCTIONS:
        pd.testing.assert_frame_equal(function(asked), function(others))
    assert servqual_gaps(asked).index.tolist() == ["speed", "looks"]
    assert "weighted_gap" in servqual_gaps(asked)


def test_a_pair_that_is_not_whole_or_not_answered_is_left_out_of_its_dimension(people):
    odd, even = people.index % 2 == 1, people.index % 2 == 0
    asked = people.assign(sq_per_care_2=None, sq_per_looks_3=5.0)
    asked.loc[odd, "sq_exp_speed_2"] = np.nan
    asked.loc[even, "sq_per_speed_2"] = np.nan
    assert servqual_items(asked) == {
        "speed": (("sq_exp_speed_1",), ("sq_per_speed_1",)),
        "looks": (("sq_exp_looks_1", "sq_exp_looks_2"), ("sq_per_looks_1", "sq_per_looks_2")),
        "care": (("sq_exp_care_1",), ("sq_per_care_1",)),
    }
    assert servqual_notes(asked) == (
        "Of speed, 1 pair of items is left out: there are no answers to sq_exp_speed_2 together with sq_per_speed_2.",
        "Of looks, 1 pair of items is left out: the survey has no sq_exp_looks_3.",
        "Of care, 1 pair of items is left out: there are no answers to sq_per_care_2.",
    )
    assert servqual_notes(people) == ()


def test_empty_columns_are_left_out_and_said(people):
    asked = people.assign(sq_exp_care_1=np.nan, sq_per_care_1=np.nan, sq_per_care_2=None)
    assert servqual_notes(asked) == (
        "The dimension care is left out: there are no answers to sq_exp_care_1 and sq_per_care_1 and sq_per_care_2.",
    )
    overall = servqual_overall(asked)
    assert (overall["answers"] == len(people)).all()
    assert overall["mean"].notna().all()


def test_where_no_dimension_is_left_the_reasons_are_given(people):
    asked = people.drop(columns=[name for name in people if name.startswith("sq_exp_looks")])
    asked[[name for name in asked if name.startswith("sq_per_")]] = np.nan
    for function in FUNCTIONS:
        result, reason = attempt(function, asked)
        assert result is None
        assert "The dimension looks is left out: the survey has no sq_exp_looks_1 and sq_exp_looks_2." in reason
        assert "The dimension care is left out: there are no answers to sq_per_care_1 and sq_per_care_2." in reason


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda frame: frame.drop(columns="sq_importance_care"), "it was not asked for care."),
        (lambda frame: frame.assign(sq_importance_care=np.nan), "nobody gave points to every dimension."),
        (
            lambda frame: frame.assign(**dict.fromkeys(frame.filter(like="importance"), 0)),
            "nobody gave points to every dimension.",
        ),
    ],
)
def test_importance_that_nobody_gave_weighs_nothing(people, change, note):
    asked = change(people)
    assert servqual_notes(asked) == (f"Importance is not used: {note}",)
    for function in FUNCTIONS:
        pd.testing.assert_frame_equal(function(asked), function(people.drop(columns=people.filter(like="importance"))))


def test_one_dimension_has_gaps_and_no_ranks(four):
    items = {"own_speed": ITEMS["speed"]}
    for function in (servqual_differences, servqual_ranking):
        result, reason = attempt(function, four, items)
        assert result is None
        assert "needs two dimensions; there is one, own speed, and nothing to compare it with." in reason
    assert servqual_gaps(four, items)["gap"].tolist() == pytest.approx([-0.75])
    assert servqual_overall(four, items).loc["servqual", "mean"] == pytest.approx(-0.75)


def test_fewer_than_twenty_people_have_a_mean_and_no_interval(people):
    """Nineteen people, one of whom answers often; and the twentieth."""
    answers = people.drop_duplicates("person").head(20)
    for few, note in ((answers.head(19), "fewer than 20 people: no interval"), (answers, "")):
        often = pd.concat([few, few.head(1), few.head(1)])
        gaps, ranks = (function(often, clusters=often["person"]) for function in (servqual_gaps, servqual_ranking))
        overall = servqual_overall(often, clusters=often["person"])
        pairs = servqual_differences(often, clusters=often["person"])
        ends = [gaps[["std_error", "low", "weighted_high"]], overall[["std_error", "high"]], ranks[["low", "high"]],
                pairs[["std_error", "low"]]]  # fmt: skip
        assert [end.isna().all(axis=None) for end in ends] == [bool(note)] * 4
        assert [end.notna().all(axis=None) for end in ends] == [not note] * 4
        assert gaps["gap"].tolist() == pytest.approx(gaps_of(often).mean()[gaps.index].tolist())
        assert set(gaps["note"]) == set(overall["note"]) == {note}
        assert set(gaps["answers"]) == set(ranks["answers"]) == set(pairs["answers"]) == {len(often)}
        assert ("note" in servqual_table(gaps)) == bool(note)
        assert (ranks[["rank_low", "rank_high"]].to_numpy() == [1, 3]).all() == bool(note)
        if note:
            assert "(of 21 answers, too few for an interval)" in servqual_text(gaps)
            assert servqual_ranking_text(ranks).endswith("; 21 answers are too few to tell ranks from chance.")
            assert all(text.get_text().startswith(("+", "-")) and "(" not in text.get_text()
                       for text in plot_servqual(gaps).texts)  # fmt: skip
            plt.close("all")


@pytest.mark.parametrize("ordered", [True, False])
def test_waves_of_a_categorical_keep_their_order(people, ordered):
    names = ["wave 9", "wave 10", "none"]
    waves = pd.Series(np.where(people["person"] % 2, names[0], names[1]), people.index, name="wave")
    for function in FUNCTIONS:
        found = function(people, by=waves.astype(pd.CategoricalDtype(names, ordered)))
        assert found.index.get_level_values(0).unique().tolist() == names[:2]
        pd.testing.assert_frame_equal(found.loc["wave 9"], function(people[waves == "wave 9"]), rtol=1e-9)


# Sentences


def table_of(gaps, reach=0.1):
    """Gaps as `servqual_gaps` gives them, by dimension."""
    frame = pd.DataFrame({"gap": gaps}).rename_axis("dimension")
    return frame.assign(low=frame["gap"] - reach, high=frame["gap"] + reach, answers=40)


@pytest.mark.parametrize(
    ("gaps", "sentence"),
    [
        (
            {"own_care": -0.4, "speed": -0.2, "looks": 0.3},
            "Service falls furthest short in own care: -0.40 points (-0.50 to -0.30).",
        ),
        (
            {"care": -0.05, "speed": 0.2},
            "Service falls furthest short in care: -0.05 points (-0.15 to +0.05), which chance can explain.",
        ),
        (
            {"care": 0.4, "own_speed": 0.2},
            "No dimension falls short; the lowest gap is that of own speed: +0.20 points (+0.10 to +0.30).",
        ),
        (
            {"care": -0.004, "speed": 0.2},
            "No dimension falls short; the lowest gap is that of care: 0.00 points (-0.10 to +0.10).",
        ),
        ({"care": -0.4}, "Service falls short in care: -0.40 points (-0.50 to -0.30)."),
        ({"care": 0.4}, "Service does not fall short in care: +0.40 points (+0.30 to +0.50)."),
        ({"care": np.nan, "speed": -1}, "Service falls furthest short in speed: -1.00 points (-1.10 to -0.90)."),
        ({"care": np.nan}, "There is no gap: nobody answered both items of a pair."),
    ],
)
def test_where_service_falls_short_is_said(gaps, sentence):
    assert servqual_text(table_of(gaps)) == sentence


def test_ranks_are_said_with_what_chance_leaves_open(people):
    ranks = servqual_ranking(people, **design(people))
    told = ranks.assign(cannot_tell_from=["care_of, looks", "", ""])
    first, second = (f"{name} ({gap:+.2f})" for name, gap in ranks["weighted_gap"].head(2).items())
    start = f"Weighted by what matters to customers, the gap is lowest in {first}, next in {second}; "
    assert servqual_ranking_text(told) == f"{start}the first cannot be told apart from care of and looks."
    sure = ranks.assign(cannot_tell_from="")
    assert servqual_ranking_text(sure) == f"{start}the first place is more than chance."
    plain = servqual_ranking_text(servqual_ranking(people, importance=None))
    assert plain.startswith(f"The gap is lowest in {ranks.index[0]} (")
    assert servqual_ranking_text(ranks.assign(rank=np.nan)) == (
        "There is no ranking: nobody answered every dimension."
    )  # fmt: skip


def test_sentences_are_about_one_group(people):
    by = people["region"]
    with pytest.raises(ParameterError, match=r"servqual_text: gaps are of several groups \(north, south\)"):
        servqual_text(servqual_gaps(people, by=by))
    with pytest.raises(ParameterError, match=r"the ranking is of several groups \(north, south\); choose one"):
        servqual_ranking_text(servqual_ranking(people, by=by))


# Input checks


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"speed": (["e1", "e2"], ["p1"])}, "speed has 2 items on what is expected and 1 on what was perceived"),
        ({"speed": ([], [])}, "speed has 0 items"),
        ({"speed": (["e1"], ["p1"]), "looks": (["e1"], ["p3"])}, "items name e1 more than once"),
        ({"speed": (["e1"], ["p9"])}, "answers lacks the column p9"),
        ({}, "items name no dimension"),
        (None, "answers have no columns sq_exp_<dimension>_<number>"),
    ],
)
def test_items_must_be_pairs_of_columns(four, items, message):
    for function in FUNCTIONS:
        with pytest.raises(ParameterError, match=message):
            function(four, items)


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        ("points", "importance must be 'stated', a column or a weight for each of speed, looks, or None"),
        ({"speed": 3}, "a column or a weight for each of speed, looks"),
        ({"speed": "points_speed", "looks": "none"}, "answers lacks the column none"),
        ({"speed": 1, "looks": None}, "the importance of looks must be a column or a number, and is None"),
        ({"speed": 1, "looks": -2}, "the importance of looks must be 0 or more, and is not in 4 answers"),
        ({"speed": "name", "looks": 1}, "name must be numbers"),
    ],
)
def test_what_importance_may_be(four, importance, message):
    with pytest.raises(ParameterError, match=message):
        servqual_gaps(four.assign(name="x"), ITEMS, importance=importance)


def test_everything_wrong_is_said_at_once(four):
    with pytest.raises(ParameterError) as caught:
        servqual_overall(
            four.set_index(pd.Index(list("wxyz"))), ITEMS, outcome=[1, 2], importance={"speed": 1, "looks": -1},
            scale=(1, 8), level=3, weights=[1, 1],
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "servqual_overall: 7 problems",
        "outcome must be one column with a value for each of the 4 answers",
        "the importance of looks must be 0 or more, and is not in 4 answers (rows w, x, y, …: -1)",
        "level must lie between 0 and 1",
        "the item e1 has 1 answer outside the scale 1 to 8 (rows w: 9)",
        "weights must be one column with a value for each of the 4 answers",
    ):
        assert part in message


def test_what_else_is_refused(four):
    for function in (servqual_gaps, servqual_items):
        with pytest.raises(ParameterError, match="answers have no columns sq_exp_<dimension>_<number>"):
            function(four)
    with pytest.raises(ParameterError, match="outcome has its rows in another order than answers"):
        servqual_overall(four, ITEMS, outcome=pd.Series([1, 2, 3, 4], index=[3, 2, 1, 0]))
    with pytest.raises(DataFloorError, match="respondents who answered both items of a pair; there is none"):
        servqual_gaps(four.assign(p1=np.nan, p2=np.nan, p3=np.nan), ITEMS)
    with pytest.raises(ParameterError, match="answers must be a table"):
        servqual_gaps(four["e1"], ITEMS)
    with pytest.raises(ParameterError, match=r"gaps are of several groups \(x, y\); choose one: gaps\.loc\[group\]"):
        plot_servqual(servqual_gaps(four, ITEMS, by=list("xxyy")))


# Figures


def test_the_figure_shows_the_table(people):
    gaps = servqual_gaps(people, **design(people))
    table = servqual_table(gaps)
    figure, given = plt.subplots()
    ax = plot_servqual(gaps, ax=given)
    assert ax is given
    assert table["weighted gap"].is_monotonic_increasing
    caring = servqual_table(servqual_gaps(people, importance={"speed": 1, "looks": 1, "care": 9}))
    assert caring["dimension"].tolist() == ["care", "speed", "looks"]
    assert table["dimension"].tolist() == ["speed", "care", "looks"]
    drawn = {line.get_label(): line.get_xdata().tolist() for line in ax.lines}
    assert drawn == {"expected": table["expectation"].tolist(), "perceived": table["perception"].tolist()}
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == [f"{row.dimension} ({row._7:.0%})" for row in table.itertuples()]
    first = table.iloc[0]
    assert ax.texts[0].get_text() == f"{first['gap']:+.2f} ({first['low']:+.2f} … {first['high']:+.2f})"
    assert f"{first['dimension']} {first['expectation']:.2f}, {first['perception']:.2f}" in alt_text(figure)
    assert ax.get_xlabel()
    assert ax.get_title(loc="left") or ax.get_title()
    plt.close(figure)


def test_the_figure_without_importance_and_with_a_dimension_nobody_rated(four):
    gaps = servqual_gaps(four.assign(p3=np.nan), {"a_b": ITEMS["speed"], "looks": ITEMS["looks"]})
    assert servqual_table(gaps)["dimension"].tolist() == ["a b", "looks"]
    assert "importance share" not in servqual_table(gaps)
    ax = plot_servqual(gaps)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a b", "looks"]
    assert len(ax.texts) == 1
    plt.close(ax.figure)
