"""CSAT, the Net Promoter Score and changes of a mean: published and other software's values, coverage, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.satisfaction.shares import answers_needed, csat, mean_changes, net_promoter_score, nps_points

# Detractor, passive, promoter.
KINDS = np.array([3.0, 8.0, 10.0])


@pytest.fixture
def answers():
    """Two hundred answers of eighty people of unequal weight."""
    rng = np.random.default_rng(7)
    person = rng.integers(0, 80, 200)
    rating = np.clip(np.rint(7.5 + rng.normal(size=80)[person] + rng.normal(size=200)), 0, 10)
    frame = pd.DataFrame({"rating": rating, "person": person, "weight": rng.gamma(4, 0.25, 200)})
    frame.loc[::17, "rating"] = np.nan
    return frame.assign(region=np.where(rng.random(200) < 0.4, "north", "south"))


def resampled(frame, statistic, *, times=2000, seed=1):
    """Standard deviation of a statistic over resamples of people; it is given counts times weights."""
    rng = np.random.default_rng(seed)
    codes, people = pd.factorize(frame["person"])
    size = len(people)
    drawn = [np.bincount(rng.integers(0, size, size), minlength=size)[codes] * frame["weight"] for _ in range(times)]
    return np.std([statistic(weights) for weights in drawn])


# Correctness: CSAT


def test_csat_is_wilsons_interval_as_published():
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263 and 15 of 148."""
    for top, of, ends in ((81, 263, [0.2553, 0.3662]), (15, 148, [0.0624, 0.1605])):
        found = csat(np.r_[np.full(top, 9.0), np.full(of - top, 8.0)]).loc["all"]
        assert found["share"] == pytest.approx(top / of)
        assert found[["low", "high"]].tolist() == pytest.approx(ends, abs=5e-5)


def test_csat_counts_the_highest_points_of_the_scale():
    ratings = [1, 2, 3, 4, 5, 5, None]
    for top, share in ((1, 2 / 6), (2, 3 / 6), (4, 5 / 6)):
        assert csat(ratings, top=top, scale=(1, 5)).loc["all", "share"] == pytest.approx(share)
    assert csat(ratings, scale=(1, 5)).loc["all", ["answers", "missing"]].tolist() == [6, 1]


def test_csat_of_yes_and_no_is_the_share_of_yes():
    found = csat([1, 0, 1, 1, None], top=1, scale=(0, 1)).loc["all"]
    assert found[["share", "answers"]].tolist() == [0.75, 4]
    assert csat([False, True], top=1, scale=(0, 1)).loc["all", "share"] == 0.5


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_csat_at_other_levels(level):
    found = csat([10] * 7 + [5] * 13, level=level).loc["all"]
    expected = proportion_confint(7, 20, alpha=1 - level, method="wilson")
    assert found[["low", "high"]].tolist() == pytest.approx(expected)


def test_the_error_of_csat_is_that_of_resampled_people(answers):
    given = answers.dropna(subset="rating")
    found = csat(given["rating"], weights=given["weight"], clusters=given["person"]).loc["all"]
    top = given["rating"] >= 9
    assert found["share"] == pytest.approx(np.average(top, weights=given["weight"]))
    assert found["std_error"] == pytest.approx(resampled(given, lambda w: np.average(top, weights=w)), rel=0.08)


def test_csat_with_people_is_wilson_of_fewer_answers(answers):
    given = answers.dropna(subset="rating")
    found = csat(given["rating"], weights=given["weight"], clusters=given["person"]).loc["all"]
    people, share = given["person"].nunique(), found["share"]
    size = share * (1 - share) / found["std_error"] ** 2 * people / (people - 1)
    size *= (stats.t.ppf(0.975, len(given) - 1) / stats.t.ppf(0.975, people - 1)) ** 2
    assert found[["low", "high"]].tolist() == pytest.approx(proportion_confint(share * size, size, method="wilson"))


# Correctness: the Net Promoter Score


def test_nps_by_hand():
    """Nineteen promoters, twelve passives, five detractors."""
    found = net_promoter_score([10] * 19 + [8] * 12 + [3] * 5).loc["all"]
    assert found["nps"] == pytest.approx(100 * 14 / 36)
    assert found["std_error"] == pytest.approx(100 * np.sqrt((24 / 36 - (14 / 36) ** 2) / 36))
    above, below = 19.75 / 39, 5.75 / 39
    half = 1.959964 * np.sqrt((above + below - (above - below) ** 2) / 39)
    assert found["low"] == pytest.approx(100 * (above - below - half))
    assert found["high"] == pytest.approx(100 * (above - below + half))
    assert found[["promoters", "passives", "detractors"]].tolist() == pytest.approx([19 / 36, 12 / 36, 5 / 36])


def test_points_of_every_answer():
    assert nps_points(range(11)).tolist() == [-100] * 7 + [0, 0, 100, 100]
    found = nps_points(pd.Series([9, None, 7], index=["p", "q", "r"]))
    assert found.index.tolist() == ["p", "q", "r"]
    assert found.isna().tolist() == [False, True, False]


def test_the_error_of_nps_is_that_of_resampled_people(answers):
    given = answers.dropna(subset="rating")
    found = net_promoter_score(given["rating"], weights=given["weight"], clusters=given["person"]).loc["all"]
    points = nps_points(given["rating"])
    assert found["nps"] == pytest.approx(np.average(points, weights=given["weight"]))
    assert found["std_error"] == pytest.approx(resampled(given, lambda w: np.average(points, weights=w)), rel=0.08)


def test_nps_with_people_adds_to_fewer_answers(answers):
    given = answers.dropna(subset="rating")
    found = net_promoter_score(given["rating"], weights=given["weight"], clusters=given["person"]).loc["all"]
    people, shares = given["person"].nunique(), found[["promoters", "detractors"]].to_numpy(dtype=float)
    size = (shares.sum() - (found["nps"] / 100) ** 2) / (found["std_error"] / 100) ** 2
    size *= (stats.t.ppf(0.975, len(given) - 1) / stats.t.ppf(0.975, people - 1)) ** 2
    assert size < len(given) / 2
    above, below = (shares * size + 0.75) / (size + 3)
    half = 1.959964 * np.sqrt((above + below - (above - below) ** 2) / (size + 3))
    ends = [100 * (above - below - half), 100 * (above - below + half)]
    assert found[["low", "high"]].tolist() == pytest.approx(ends)


def test_where_everybody_is_a_promoter_the_interval_has_a_width_that_shrinks_with_answers():
    lows = [net_promoter_score([10] * size).loc["all", "low"] for size in (1, 5, 50, 500)]
    assert lows == sorted(lows)
    assert lows[1] == pytest.approx(100 * (5 / 8 - 1.959964 * np.sqrt((6.5 / 8 - 25 / 64) / 8)))
    assert lows[2] < 90 < lows[3] < 100
    assert net_promoter_score([10] * 50).loc["all", "high"] == 100


@pytest.mark.parametrize("shares", [(0.3, 0.3, 0.4), (0.03, 0.07, 0.9)])
def test_intervals_of_nps_cover(shares):
    """Thirty answers: of 600 intervals, 95 % cover; with the plain variance, 86 % do for the second company."""
    rng = np.random.default_rng(3)
    truth, covered = 100 * (shares[2] - shares[0]), 0
    for _ in range(600):
        found = net_promoter_score(rng.choice(KINDS, 30, p=shares)).iloc[0]
        covered += found["low"] <= truth <= found["high"]
    assert 0.92 < covered / 600 < 0.98


def test_intervals_cover_with_people_and_weights():
    """Thirty people of unequal weight, five answers each: of 400 intervals at 90 %."""
    rng = np.random.default_rng(5)
    people, covered = np.repeat(np.arange(30), 5), np.zeros(2)
    for _ in range(400):
        mood = stats.norm.cdf(0.7 * rng.normal(size=30)[people] + np.sqrt(0.51) * rng.normal(size=150))
        ratings, weights = KINDS[np.searchsorted([0.3, 0.6], mood)], rng.gamma(4, 0.25, 30)[people]
        options = {"weights": weights, "clusters": people, "level": 0.9}
        nps, top = net_promoter_score(ratings, **options).iloc[0], csat(ratings, **options).iloc[0]
        covered += [nps["low"] <= 10 <= nps["high"], top["low"] <= 0.4 <= top["high"]]
    assert (covered / 400 > 0.85).all()
    assert (covered / 400 < 0.95).all()


# Correctness: changes


def test_a_change_between_other_people_is_welchs(answers):
    """Standard error and, but for the degrees of freedom, the interval of scipy's Welch test."""
    given = answers.dropna(subset="rating")
    found = mean_changes(given["rating"], given["region"]).iloc[0]
    north, south = (given["rating"][given["region"] == region] for region in ("north", "south"))
    welch = stats.ttest_ind(south, north, equal_var=False)
    assert (found["from"], found["to"]) == ("north", "south")
    assert found["change"] == pytest.approx(south.mean() - north.mean())
    assert found["change"] / found["std_error"] == pytest.approx(welch.statistic)
    reach = stats.t.ppf(0.975, len(north) - 1) * found["std_error"]
    assert found["high"] - found["change"] == pytest.approx(reach)


def test_a_change_of_the_same_people_is_the_paired_test():
    rng = np.random.default_rng(7)
    before = rng.normal(size=40)
    after = before + 0.2 + 0.4 * rng.normal(size=40)
    found = mean_changes(np.r_[before, after], np.repeat([1, 2], 40), clusters=np.tile(np.arange(40), 2)).iloc[0]
    paired = stats.ttest_rel(after, before)
    ends = paired.confidence_interval()
    assert found["change"] / found["std_error"] == pytest.approx(paired.statistic)
    assert (found["low"], found["high"]) == pytest.approx((ends.low, ends.high))
    assert found["verdict"] == "up"


def test_many_changes_hold_together():
    """Four waves alike: of 400 tables at 90 %, one in ten has an interval that misses; of single ones, one in four."""
    rng = np.random.default_rng(2)
    waves, missed = np.repeat(list("abcd"), 30), 0
    for _ in range(400):
        table = mean_changes(rng.normal(size=120), waves, level=0.9)
        missed += (table["verdict"] != "cannot tell apart").any()
    assert 0.05 < missed / 400 < 0.15


def test_verdicts_and_the_order_of_waves():
    ratings = np.r_[np.tile([6, 7, 8], 10), np.tile([7, 8, 9], 10), np.tile([5, 6, 7], 10)]
    waves = pd.Series(np.repeat(["late", "later", "early"], 30))
    ordered = waves.astype(pd.CategoricalDtype(["late", "later", "early"], ordered=True))
    assert mean_changes(ratings, ordered)["verdict"].tolist() == ["up", "down"]
    assert mean_changes(ratings, waves)["from"].tolist() == ["early", "late"]
    assert mean_changes(ratings, ordered)["change"].tolist() == pytest.approx([1, -2])


def test_what_does_not_change_is_not_called_a_change():
    """The means of 33 and of 27 times 7.3 differ by rounding, and so far more than their errors."""
    found = mean_changes([7.3] * 60, ["a"] * 33 + ["b"] * 27).iloc[0]
    assert found["verdict"] == "cannot tell apart"
    assert found["change"] == 0
    assert str(found["change"]) == "0.0"
    assert mean_changes([7.3] * 30 + [7.30001] * 30, ["a"] * 30 + ["b"] * 30)["verdict"].tolist() == ["up"]


@pytest.mark.parametrize("ordered", [True, False])
def test_groups_of_a_categorical_keep_its_order(ordered):
    names = ["wave 9", "wave 10", "wave 11", "none"]
    waves = pd.Series(pd.Categorical(["wave 11", "wave 10", "wave 9"] * 30, names, ordered=ordered), name="wave")
    ratings = np.arange(90) % 10
    for measure, options in ((csat, {"scale": (0, 10)}), (net_promoter_score, {})):
        found = measure(ratings, by=waves, **options)
        assert found.index.tolist() == names[:3]
        plain = measure(ratings, by=waves.astype(str), **options)
        assert found.loc["wave 10"].equals(plain.loc["wave 10"])
    assert mean_changes(ratings, waves)[["from", "to"]].to_numpy().tolist() == [names[:2], names[1:3]]


def test_a_wave_of_few_people_is_passed_over():
    ratings, people = np.tile([5.0, 6, 7], 20), np.r_[np.arange(20), np.arange(20) % 5, np.arange(20)]
    waves = np.repeat(["a", "b", "c"], 20)
    assert mean_changes(ratings, waves, clusters=people)[["from", "to"]].to_numpy().tolist() == [["a", "c"]]
    assert len(mean_changes(ratings, waves)) == 2
    with pytest.raises(DataFloorError, match="two waves with at least 20 people who answered; there is 1"):
        mean_changes(ratings[:40], waves[:40], clusters=people[:40])


@pytest.mark.parametrize(("effect", "needed"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_answers_needed_as_tabled(effect, needed):
    """Small, medium and large effects at 95 % and a power of 0.8; Cohen (1988), table 2.4.1, has 393, 64 and 26."""
    assert answers_needed(2.0, 2 * effect) == needed


@pytest.mark.parametrize(("effect", "level", "power"), [(0.31, 0.95, 0.8), (0.6, 0.9, 0.5), (1.3, 0.99, 0.9)])
def test_answers_needed_as_statsmodels_solves(effect, level, power):
    solved = TTestIndPower().solve_power(effect, alpha=1 - level, power=power)
    assert answers_needed(1, effect, level=level, power=power) == np.ceil(solved)


def test_a_change_is_seen_as_often_as_asked_for():
    size = answers_needed(1.5, 0.8, level=0.9, power=0.7)
    rng, seen = np.random.default_rng(4), 0
    for _ in range(1000):
        seen += stats.ttest_ind(rng.normal(0.8, 1.5, size), rng.normal(0, 1.5, size)).pvalue < 0.1
    assert seen / 1000 == pytest.approx(0.7, abs=0.045)


# Consistency


def test_rows_do_not_matter_and_inputs_stay(answers):
    before, mixed = answers.copy(), answers.sample(frac=1, random_state=1)
    for measure in (csat, net_promoter_score):
        found, expected = (
            measure(
                each["rating"],
                weights=factor * each["weight"],
                clusters=each["person"],
                by=each["region"],
                **({"scale": (0, 10)} if measure is csat else {}),
            )
            for each, factor in ((mixed, 3), (answers, 1))
        )
        pd.testing.assert_frame_equal(found, expected)
        assert expected.index.tolist() == ["north", "south"]
        assert expected.index.name == "region"
    found, expected = (mean_changes(each["rating"], each["region"]) for each in (mixed, answers))
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(answers, before)


def test_a_group_is_as_if_it_were_alone(answers):
    north = answers[answers["region"] == "north"]
    found = net_promoter_score(answers["rating"], clusters=answers["person"], by=answers["region"]).loc["north"]
    alone = net_promoter_score(north["rating"], clusters=north["person"]).loc["all"]
    assert found.to_numpy() == pytest.approx(alone.to_numpy())
    assert found["answers"] + found["missing"] == len(north)
    shares = csat(answers["rating"], scale=(0, 10), by=answers["region"])
    whole = csat(answers["rating"], scale=(0, 10)).loc["all"]
    assert (shares["share"] * shares["answers"]).sum() / whole["answers"] == pytest.approx(whole["share"])


def test_a_group_without_answers_has_no_number():
    for measure in (csat, net_promoter_score):
        found = measure([9, 3, None], by=["x", "x", "y"])
        assert found.loc["y"].drop(["answers", "missing"]).isna().all()
        assert found.loc["y", ["answers", "missing"]].tolist() == [0, 1]


def test_waves_of_the_demo():
    survey = load_company().survey
    design = {"weights": survey["weight"], "clusters": survey["customer_id"]}
    found = net_promoter_score(survey["nps"], by=survey["wave"], **design)
    assert found["answers"].sum() + found["missing"].sum() == len(survey)
    assert (found["high"] - found["low"]).between(5, 20).all()
    changes = mean_changes(nps_points(survey["nps"]), survey["wave"], **design)
    assert changes["change"].to_numpy() == pytest.approx(found["nps"].diff().dropna().to_numpy())
    top = csat(survey["satisfaction_1"], by=survey["wave"], **design)
    assert top["share"].between(0.05, 0.5).all()


# Input checks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top must be a whole number of at least 1"),
        ({"top": 10}, "top must leave a point of the scale 1 to 10 outside, and is 10; give 9 or less"),
        ({"scale": (1, 8)}, r"answers has 1 answer outside the scale 1 to 8 \(rows 1: 9\)"),
        ({"scale": 10}, "lowest and the highest answer"),
        ({"top": "two", "level": 2}, "csat: 2 problems"),
    ],
)
def test_what_csat_refuses(options, message):
    with pytest.raises(ParameterError, match=message):
        csat([3, 9], **options)


@pytest.mark.parametrize(
    ("scale", "top", "remedy"),
    [((0, 1), 2, "give 1 or less"), ((1, 5), 5, "give 4 or less"), ((0, 0.5), 1, "code the answers by whole points")],
)
def test_boxes_are_fewer_than_the_points_of_the_scale(scale, top, remedy):
    message = f"top must leave a point of the scale {scale[0]:g} to {scale[1]:g} outside, and is {top}; .*{remedy}"
    with pytest.raises(ParameterError, match=message):
        csat([scale[0], scale[1]], top=top, scale=scale)


@pytest.mark.parametrize("measure", [nps_points, net_promoter_score])
@pytest.mark.parametrize(("wrong", "message"), [(11, "outside the scale 0 to 10"), (7.5, "no whole number")])
def test_nps_is_asked_from_0_to_10(measure, wrong, message):
    with pytest.raises(ParameterError, match=rf"{measure.__name__}: .*answers has 1 answers? .*{message}"):
        measure([3, wrong])


def test_waves_are_called_waves():
    with pytest.raises(ParameterError, match="waves must be one column"):
        mean_changes([3, 9], "2025")


def test_what_answers_needed_refuses():
    with pytest.raises(ParameterError) as caught:
        answers_needed(0, np.inf, level=1, power="high")
    message = str(caught.value)
    for part in (
        "std_deviation must be a number above zero, and is 0",
        "change must be a number above zero, and is inf",
    ):
        assert part in message
    for part in ("level must lie between 0 and 1, and is 1", "power must lie between 1 − level and 1, and is 'high'"):
        assert part in message
    with pytest.raises(ParameterError, match=r"between 1 − level and 1, and is 0\.04"):
        answers_needed(1, 0.5, power=0.04)
