"""Experience over expectation: by hand, the ratio of regressions, Fieller's test turned round, coverage, refusals."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_company
from crm_utils.company.simulate.survey import SURVEY, expected_points
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.satisfaction.disconfirmation import satisfaction_ratio
from crm_utils.satisfaction.shares import csat


@pytest.fixture
def answers():
    """Two hundred answers of eighty people of unequal weight, who perceive a little less than they expect."""
    rng = np.random.default_rng(7)
    person = rng.integers(0, 80, 200)
    mood = rng.normal(size=80)[person]
    frame = pd.DataFrame(
        {
            "got": np.clip(np.rint(6.8 + 1.2 * mood + rng.normal(size=200)), 1, 10),
            "wanted": np.clip(np.rint(7.4 + 0.7 * mood + rng.normal(size=200)), 1, 10),
            "person": person,
            "weight": rng.gamma(4, 0.25, 80)[person],
        }
    )
    frame.loc[::19, "got"] = np.nan
    frame.loc[::23, "wanted"] = np.nan
    return frame.assign(region=np.where(rng.random(200) < 0.4, "north", "south"))


def options(answers):
    return {"weights": answers["weight"], "clusters": answers["person"]}


# Correctness


def test_the_ratio_by_hand():
    """b = (4 + 8 + 6)/3 = 6, a = (8 + 8 + 4)/3; the fourth and fifth did not answer both."""
    found = satisfaction_ratio([4, 8, 6, None, 9], [8, 8, 4, 7, None]).loc["all"]
    assert found[["perceived", "expected"]].tolist() == pytest.approx([6, 20 / 3])
    assert found["ratio"] == pytest.approx(0.9)
    assert found["ratio_on_zero_scale"] == pytest.approx(5 / (17 / 3))
    assert found[["below", "at", "above"]].tolist() == pytest.approx([1 / 3] * 3)
    assert found[["answers", "missing"]].tolist() == [3, 2]


def test_the_error_is_that_of_a_regression_through_the_origin(answers):
    """Weighted by w/a, the slope of b on a is Σwb/Σwa, and statsmodels gives its cluster-robust error."""
    given = answers.dropna()
    model = sm.WLS(given["got"], given["wanted"], weights=given["weight"] / given["wanted"])
    other = model.fit(cov_type="cluster", cov_kwds={"groups": given["person"], "use_correction": False})
    found = satisfaction_ratio(answers["got"], answers["wanted"], **options(answers)).loc["all"]
    people = given["person"].nunique()
    assert found["ratio"] == pytest.approx(other.params["wanted"])
    assert found["std_error"] == pytest.approx(other.bse["wanted"] * np.sqrt(people / (people - 1)))


@pytest.mark.parametrize("zero", [0, 1])
def test_at_the_ends_of_fiellers_interval_the_paired_test_is_at_its_limit(answers, zero):
    given = answers.dropna()
    found = satisfaction_ratio(given["got"], given["wanted"], level=0.9).loc["all"]
    ends = found[["low", "high"]] if not zero else found[["ratio_on_zero_scale_low", "ratio_on_zero_scale_high"]]
    for end, tail in zip(ends, (0.95, 0.05), strict=True):
        statistic = stats.ttest_1samp((given["got"] - zero) - end * (given["wanted"] - zero), 0).statistic
        assert statistic == pytest.approx(stats.t.ppf(tail, len(given) - 1))


def test_fiellers_interval_of_people_is_near_that_of_resampled_people(answers):
    given = answers.dropna().reset_index(drop=True)
    found = satisfaction_ratio(given["got"], given["wanted"], **options(given)).loc["all"]
    rng, (codes, people) = np.random.default_rng(1), pd.factorize(given["person"])
    drawn = []
    for _ in range(2000):
        weights = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))[codes] * given["weight"]
        drawn.append((weights * given["got"]).sum() / (weights * given["wanted"]).sum())
    assert found["std_error"] == pytest.approx(np.std(drawn), rel=0.08)
    assert found[["low", "high"]].tolist() == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.007)


def test_shares_are_those_of_csat(answers):
    """The share above, as the share of top boxes of a question with the answers 0 and 1."""
    found = satisfaction_ratio(answers["got"], answers["wanted"], by=answers["region"], **options(answers))
    apart = answers["got"] - answers["wanted"]
    for name, inside in (("below", apart < 0), ("at", apart == 0), ("above", apart > 0)):
        yes = inside.astype(float).where(apart.notna())
        other = csat(yes, top=1, scale=(0, 1), by=answers["region"], **options(answers))
        assert found[[name, f"{name}_low", f"{name}_high"]].to_numpy() == pytest.approx(
            other[["share", "low", "high"]].to_numpy()
        )
    assert found[["below", "at", "above"]].sum(axis=1).to_numpy() == pytest.approx(1)
    plain = satisfaction_ratio(answers["got"], answers["wanted"]).loc["all"]
    below = (apart < 0).sum()
    assert plain[["below_low", "below_high"]].tolist() == pytest.approx(
        proportion_confint(below, apart.notna().sum(), method="wilson")
    )


def test_another_zero_changes_the_ratio_and_not_the_verdict():
    rng = np.random.default_rng(3)
    got, wanted = rng.integers(1, 8, 300), rng.integers(3, 10, 300)
    found = [
        satisfaction_ratio(got + zero, wanted + zero, scale=(1 + zero, 10 + zero)).loc["all"] for zero in (-1, 0, 90)
    ]
    ratios = [each["ratio"] for each in found]
    assert ratios[0] < ratios[1] < 0.75 < 0.97 < ratios[2] < 1
    assert [each["ratio_on_zero_scale"] for each in found] == pytest.approx([ratios[0]] * 3)
    assert {each["verdict"] for each in found} == {"dissatisfied"}
    assert [each["below"] for each in found] == [found[0]["below"]] * 3


def test_verdicts():
    got = np.tile([4.0, 5, 6], 20)
    wanted = {"less": got - 1, "as much": got[::-1], "more": got + 1}
    verdicts = {name: satisfaction_ratio(got, each).loc["all", "verdict"] for name, each in wanted.items()}
    assert verdicts == {"less": "very satisfied", "as much": "cannot tell apart", "more": "dissatisfied"}


def test_what_is_equal_but_for_rounding_is_no_difference():
    """2.2, 3.3 and 4.4 have a mean above 3.3 in the last digit, without any spread."""
    found = satisfaction_ratio(pd.DataFrame([[2.2, 3.3, 4.4]] * 30), [3.3] * 30).loc["all"]
    assert found["low"] > 1
    assert found["verdict"] == "cannot tell apart"
    assert found["at"] == 1


def test_groups_of_a_categorical_keep_their_order(answers):
    names = ["south", "north", "none"]
    found = satisfaction_ratio(
        answers["got"], answers["wanted"], by=answers["region"].astype(pd.CategoricalDtype(names, ordered=True))
    )
    assert found.index.tolist() == names[:2]


def test_intervals_cover():
    """Forty respondents, of 500 intervals at 90 %: the ratio, and that from zero, with a mean expectation of 1.5."""
    rng, covered = np.random.default_rng(5), np.zeros(2)
    for _ in range(500):
        wanted = 1 + rng.poisson(1.5, 40).clip(0, 9)
        got = 1 + rng.binomial(wanted - 1, 0.6)
        found = satisfaction_ratio(got, wanted, level=0.9).iloc[0]
        covered += [
            found["low"] <= 1.9 / 2.5 <= found["high"],
            found["ratio_on_zero_scale_low"] <= 0.6 <= found["ratio_on_zero_scale_high"],
        ]
    assert (covered / 500 > 0.86).all()
    assert (covered / 500 < 0.94).all()


def test_the_ratio_planted_in_the_demo():
    """Means of all people after whole points and the ends of the scale, where nothing broke down."""
    survey = load_company().survey
    survey = survey[survey["wave"] != SURVEY.event_wave]
    for dimension, tolerance in (("reliability", 0.012), ("tangibles", 0.012), ("responsiveness", 0.012)):
        sides = [survey[[f"sq_{side}_{dimension}_{number}" for number in (1, 2)]] for side in ("per", "exp")]
        found = satisfaction_ratio(*sides, weights=survey["weight"], clusters=survey["customer_id"]).loc["all"]
        planted = [
            expected_points(0, mean=means[dimension], spread=1.5)
            for means in (SURVEY.servqual_perception, SURVEY.servqual_expectation)
        ]
        assert found["ratio"] == pytest.approx(planted[0] / planted[1], abs=tolerance)
        assert found["high"] - found["low"] < 0.02


# Consistency


def test_the_mean_of_several_items_counts(answers):
    items = pd.DataFrame({"one": answers["got"], "two": answers["got"].clip(upper=9) + 1})
    found = satisfaction_ratio(items, answers[["wanted"]]).loc["all"]
    expected = satisfaction_ratio(items.mean(axis=1, skipna=False), answers["wanted"]).loc["all"]
    assert found["ratio"] == pytest.approx(expected["ratio"])
    assert found["at"] == expected["at"]
    # Added up in another order, the mean of three tenths, two and one differs in the last digit.
    tenths = pd.DataFrame([[0.1, 0.2, 0.3]])
    same = satisfaction_ratio(tenths, tenths.iloc[:, ::-1], scale=(0, 1))
    assert same.loc["all", "at"] == 1
    gap = satisfaction_ratio(items.assign(two=items["two"].where(items.index != 1)), answers["wanted"]).loc["all"]
    assert gap["answers"] == found["answers"] - 1


def test_rows_and_units_do_not_matter_and_inputs_stay(answers):
    before, mixed = answers.copy(), answers.sample(frac=1, random_state=1)
    found, expected = (
        satisfaction_ratio(each["got"], each["wanted"], by=each["region"], **options(each)) for each in (mixed, answers)
    )
    pd.testing.assert_frame_equal(found, expected)
    heavy = satisfaction_ratio(
        10 * answers["got"], 10 * answers["wanted"], scale=(10, 100), by=answers["region"].to_numpy(),
        weights=3 * answers["weight"], clusters=answers["person"],
    )  # fmt: skip
    columns = found.columns.drop(["perceived", "expected", "verdict"])
    assert heavy[columns].to_numpy() == pytest.approx(found[columns].to_numpy())
    pd.testing.assert_frame_equal(answers, before)


def test_a_group_is_as_if_it_were_alone(answers):
    found = satisfaction_ratio(answers["got"], answers["wanted"], by=answers["region"], **options(answers))
    alone = answers[answers["region"] == "north"]
    expected = satisfaction_ratio(alone["got"], alone["wanted"], **options(alone))
    pd.testing.assert_series_equal(found.loc["north"], expected.loc["all"], check_names=False)


def test_where_nothing_was_expected_there_is_no_ratio():
    found = satisfaction_ratio([1, 3, 2], [1, 1, 1]).loc["all"]
    assert found["ratio"] == 2
    assert np.isnan(found["ratio_on_zero_scale"])
    rare = satisfaction_ratio([2, 1, 3], [1, 1, 9]).loc["all"]
    assert rare["ratio_on_zero_scale"] == pytest.approx(3 / 8)
    assert np.isnan(rare["ratio_on_zero_scale_high"])
    assert rare["verdict"] == "cannot tell apart"
    alone = satisfaction_ratio([2, None], [4, 3], by=["x", "y"])
    assert alone.loc["x", "ratio"] == 0.5
    assert alone.loc["x", ["std_error", "low", "high"]].isna().all()
    assert alone.loc["y", ["perceived", "ratio", "below", "below_high"]].isna().all()
    assert alone["verdict"].tolist() == ["cannot tell apart"] * 2


# Input checks


@pytest.mark.parametrize(
    ("perceived", "expected", "options", "message"),
    [
        ([3, 4], [5], {}, "must be of the same respondents, and have 2 and 1 rows"),
        ([3, 11], [5, 0], {}, "2 problems"),
        ([3, 11], [5, 6], {}, r"perceived has 1 answer outside the scale 1 to 10 \(rows 1: 11\)"),
        (pd.DataFrame({"q": [3, 11]}), [5, 6], {}, "the item perceived q has 1 answer outside"),
        ([3, 1], [2, 1], {"scale": (-3, 3)}, "a ratio needs answers of 0 or more, and the scale starts at -3"),
        ([3, 1], [2, 1], {"scale": 10}, "lowest and the highest answer"),
        (pd.Series([3, 4]), pd.Series([3, 4], [1, 0]), {}, "expected has its rows in another order than perceived"),
        ([3, 4], pd.Series([3, 4], [8, 9]), {"weights": pd.Series([1, 1])}, "weights has another index than answers"),
        (["3", "4"], [3, 4], {"level": 95}, "perceived must be numbers"),
    ],
)
def test_what_is_refused(perceived, expected, options, message):
    with pytest.raises(ParameterError, match=message):
        satisfaction_ratio(perceived, expected, **options)


def test_somebody_must_answer_both():
    with pytest.raises(DataFloorError, match="respondents who answered both questions; there is none"):
        satisfaction_ratio([3, None], [None, 4])
