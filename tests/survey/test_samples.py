"""Means, shares and covariances of samples with weights and people: other software's errors, brute force, refusals."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.survey.samples import mean_ratio, numeric_column, read_sample


@pytest.fixture
def people():
    """Sixty people of unequal weight who answer one to five times, alike each time."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    mood = rng.normal(size=60)[clusters]
    answers = np.clip(np.rint(6.5 + 1.5 * mood + rng.normal(size=(3, len(clusters))).cumsum(axis=0)), 1, 10)
    frame = pd.DataFrame(answers.T, columns=["a", "b", "c"])
    return frame.assign(person=clusters, weight=rng.gamma(4, 0.25, len(clusters)))


def sandwich(outcome, causes, people, rows=slice(None)):
    model = sm.WLS(outcome[rows], causes[rows], weights=people["weight"][rows])
    groups = people["person"].to_numpy()[rows]
    return model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})


def slope(covariances):
    return covariances[..., 0, [1]] / covariances[..., 0, [0]]


def correlation(covariances):
    product = covariances[..., 0, [0]] * covariances[..., 1, [1]]
    return covariances[..., 0, [1]] / np.sqrt(product)


# Correctness


def test_the_error_of_a_mean_is_that_of_a_regression_on_a_constant(people):
    sample = read_sample(people["a"], "test", weights=people["weight"], clusters=people["person"])
    mean = sample.mean(sample.answers)
    other = sandwich(people["a"], np.ones(len(people)), people)
    assert mean.estimate == pytest.approx(other.params.iloc[0])
    assert mean.std_error == pytest.approx(other.bse.iloc[0] * np.sqrt(60 / 59))
    assert mean.units == 60


def test_the_error_of_a_group_is_that_of_its_rows_alone(people):
    group = np.where(people.index % 3 == 0, "third", "rest")
    sample = read_sample(people["a"], "test", weights=people["weight"], clusters=people["person"], by=group)
    assert sample.labels.tolist() == ["rest", "third"]
    mean = sample.mean(sample.answers, 1)
    rows = group == "third"
    other = sandwich(people["a"], np.ones(len(people)), people, rows)
    units = people["person"][rows].nunique()
    assert mean.std_error == pytest.approx(other.bse.iloc[0] * np.sqrt(units / (units - 1)))


def test_covariances_are_numpys(people):
    sample = read_sample(people[["a", "b", "c"]], "test", weights=people["weight"])
    found = sample.moments(sample.answers)
    assert found.covariance == pytest.approx(np.cov(sample.answers.T, aweights=people["weight"], ddof=0))
    assert found.means == pytest.approx(np.average(sample.answers, axis=0, weights=people["weight"]))


def test_the_error_of_what_follows_from_covariances_is_that_of_a_regression(people):
    """A slope: the linearised error is the cluster-robust one of least squares, but for the factor of the units."""
    sample = read_sample(people[["a", "b"]], "test", weights=people["weight"], clusters=people["person"])
    found, error = sample.moments(sample.answers).derived(slope)
    other = sandwich(people["b"], sm.add_constant(people["a"]), people)
    assert found == pytest.approx(other.params["a"])
    assert error == pytest.approx(other.bse["a"] * np.sqrt(60 / 59), rel=1e-6)


def test_the_error_of_a_variance_is_that_of_a_mean_of_squares(people):
    sample = read_sample(people[["a", "b"]], "test", weights=people["weight"], clusters=people["person"])
    found = sample.moments(sample.answers)
    _, error = found.derived(lambda covariances: covariances[..., 0, [0]])
    squares = sample.mean((sample.answers[:, 0] - found.means[0]) ** 2)
    assert error == pytest.approx(squares.std_error)


def test_the_error_of_a_correlation_is_that_of_resampled_people(people):
    sample = read_sample(people[["a", "c"]], "test", weights=people["weight"], clusters=people["person"])
    _, error = sample.moments(sample.answers).derived(correlation)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        times = np.bincount(rng.integers(0, 60, 60), minlength=60)[people["person"]]
        covariance = np.cov(sample.answers.T, aweights=times * people["weight"])
        drawn.append(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert error[0] == pytest.approx(np.std(drawn), rel=0.08)


def test_the_error_of_a_ratio_is_that_of_a_regression_through_the_origin(people):
    """Weighted by w/a, the slope of b on a is Σwb/Σwa."""
    sample = read_sample(people[["a", "b"]], "test", weights=people["weight"], clusters=people["person"])
    ratio, error = mean_ratio(sample.mean(sample.answers[:, 1]), sample.mean(sample.answers[:, 0]))
    model = sm.WLS(people["b"], people["a"], weights=people["weight"] / people["a"])
    other = model.fit(cov_type="cluster", cov_kwds={"groups": people["person"], "use_correction": False})
    assert ratio == pytest.approx(other.params["a"])
    assert error == pytest.approx(other.bse["a"] * np.sqrt(60 / 59))
    none = sample.mean(sample.answers[:, 0] * 0)
    assert np.isnan(mean_ratio(sample.mean(sample.answers[:, 1]), none)).all()


def test_plain_answers_count_as_many_as_they_are():
    sample = read_sample([1, 0, 0, 1, 1, 0, 1, np.nan], "test")
    assert sample.independent_answers(sample.answers, 0, 12 / 49, level=0.95) == pytest.approx(7)
    assert sample.independent_answers(sample.answers, 0, 12 / 49, level=0.5) == pytest.approx(7)


def test_people_who_repeat_themselves_count_once():
    """Ten people, two in three of whom say yes, each asked four times: ten answers, less what Student's t costs."""
    from scipy.stats import t

    said = np.repeat([1, 1, 0, 1, 1, 0, 1, 1, 0, 1], 4)
    sample = read_sample(said, "test", clusters=np.repeat(np.arange(10), 4))
    wider = t.ppf(0.975, 9) / t.ppf(0.975, 39)
    assert sample.independent_answers(sample.answers, 0, 0.21, level=0.95) == pytest.approx(10 / wider**2)


def test_one_voice_of_little_weight_does_not_make_thousands():
    said, weights = np.r_[np.zeros(99), 1], np.r_[np.ones(99), 0.01]
    sample = read_sample(said, "test", weights=weights)
    share = 0.01 / 99.01
    assert sample.independent_answers(sample.answers, 0, share * (1 - share), level=0.95) == 100
    assert sample.share(sample.answers, 0, level=0.95)["high"] > 0.03


def test_where_all_agree_the_weights_count_as_kish_has_it():
    sample = read_sample([1, 1, 1, np.nan], "test", weights=[1, 1, 2, 5])
    assert sample.independent_answers(sample.answers, 0, 0.0, level=0.95) == pytest.approx(16 / 6)
    sample = read_sample([1, 1, 1, np.nan], "test", clusters=["x", "x", "y", "z"])
    assert sample.independent_answers(sample.answers, 0, 0.0, level=0.95) == 2


# Consistency


def test_rows_and_units_do_not_matter(people):
    columns, order = ["a", "b"], np.random.default_rng(1).permutation(len(people))
    mixed = people.iloc[order]
    sample = read_sample(people[columns], "test", weights=people["weight"], clusters=people["person"])
    other = read_sample(
        100 * mixed[columns] - 7, "test", weights=5 * mixed["weight"], clusters="p" + mixed["person"].astype(str)
    )
    expected = sample.moments(sample.answers).derived(correlation)
    found = other.moments(other.answers).derived(correlation)
    assert np.ravel(found) == pytest.approx(np.ravel(expected), rel=1e-7)
    mean = other.mean(other.answers[:, 0])
    assert mean.std_error == pytest.approx(100 * sample.mean(sample.answers[:, 0]).std_error)


def test_a_weight_of_two_is_two_answers_of_one_person(people):
    twice = pd.concat([people[["a", "b"]]] * 2, ignore_index=True)
    one = read_sample(people[["a", "b"]], "test", weights=np.full(len(people), 2.0))
    both = read_sample(twice, "test", clusters=np.tile(people.index, 2))
    found, expected = (each.moments(each.answers).derived(correlation) for each in (both, one))
    assert np.ravel(found) == pytest.approx(np.ravel(expected))
    assert both.mean(both.answers[:, 1]).std_error == pytest.approx(one.mean(one.answers[:, 1]).std_error)


def test_cases_with_a_gap_and_without_weight_are_left_out(people):
    columns = ["a", "b"]
    gaps = people[columns].mask(people.index.to_numpy()[:, None] == [3, 5])
    weights = people["weight"].where(people.index != 8, 0)
    sample = read_sample(gaps, "test", weights=weights)
    kept = people.drop([3, 5, 8])
    other = read_sample(kept[columns], "test", weights=kept["weight"])
    assert sample.moments(sample.answers).covariance == pytest.approx(other.moments(other.answers).covariance)
    assert sample.moments(sample.answers).cases == len(people) - 3


def test_a_group_without_answers_has_none():
    sample = read_sample([3.0, None], "test", by=["x", "y"])
    assert sample.counts(sample.answers, 1) == {"answers": 0, "missing": 1}
    assert np.isnan(sample.share(sample.answers, 1, level=0.95)["share"])
    assert np.isnan(sample.moments(sample.answers[:, None], 1).covariance).all()
    assert np.isnan(sample.moments(sample.answers[:, None], 1).derived(lambda c: c[..., 0])[1]).all()


def test_categories_keep_their_order_and_missing_labels_are_no_group():
    seasons = pd.Series(["winter", "spring", None, "winter"], name="season")
    ordered = seasons.astype(pd.CategoricalDtype(["winter", "spring", "autumn"], ordered=True))
    assert read_sample([1, 2, 3, 4], "test", by=seasons).labels.tolist() == ["spring", "winter"]
    sample = read_sample([1, 2, 3, 4], "test", by=ordered)
    assert sample.labels.tolist() == ["winter", "spring"]
    assert sample.labels.name == "season"
    assert sample.groups.tolist() == [0, 1, -1, 0]
    assert sample.mean(sample.answers, 0).estimate == 2.5


def test_who_is_not_known_is_a_person_of_her_own():
    sample = read_sample([1, 2, 3, 4, 5], "test", clusters=["x", None, "x", None, "y"])
    assert sample.clusters.tolist() == [0, 2, 0, 3, 1]
    assert sample.mean(sample.answers).units == 4


def test_answers_may_be_of_any_kind_of_number_and_stay_as_they_are():
    answers = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": pd.Series([True, False, None], dtype=object)})
    before = answers.copy()
    assert read_sample(answers, "test").answers == pytest.approx(
        np.array([[1, 1], [np.nan, 0], [3, np.nan]]), nan_ok=True
    )
    pd.testing.assert_frame_equal(answers, before)
    assert read_sample(np.arange(6).reshape(3, 2), "test").answers.shape == (3, 2)


# Input checks


def test_everything_wrong_is_said_at_once():
    answers = pd.Series([1.5, 11, 3, 4], list("pqrs"), name="rating")
    with pytest.raises(ParameterError) as caught:
        read_sample(
            answers, "csat", weights=[1, -1, 1, np.nan], clusters=[1, 2], by=[None] * 4, level=95, scale=(1, 10),
            whole=True, problems=["top is wrong"],
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "csat: 6 problems",
        "top is wrong",
        "level must lie between 0 and 1",
        "clusters must be one column with a value for each of the 4 answers, and has the shape (2,)",
        "rating has 1 answer outside the scale 1 to 10 (rows q: 11)",
        "rating has 1 answer that is no whole number (rows p: 1.5)",
        "weights must be numbers of 0 or more, without gaps, and 2 are not (at positions 1, 3)",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": [None, None]}, "by has no label"),
        ({"by": "region"}, "by must be one column with a value for each of the 2 answers, and is one value"),
        ({"by": np.ones((2, 2))}, r"has the shape \(2, 2\)"),
        ({"weights": ["a", "b"]}, r"weights must be numbers, and 2 values are no numbers \(rows 0, 1: 'a'\)"),
        ({"weights": 2.0}, "weights must be one column"),
        ({"scale": (10, 1)}, "lowest and the highest answer"),
        ({"scale": {"b": (1, 10)}}, "scale has no ends for answers; give a pair for every item"),
        ({"scale": {"answers": (1, 3)}}, "the item answers has 1 answer outside the scale 1 to 3"),
        ({"scale": {"answers": (3, 1)}}, "of answers, scale must be the lowest and the highest answer"),
        ({"by": pd.Series(["x", "y"], index=[1, 0])}, "by has its rows in another order than answers"),
    ],
)
def test_what_comes_with_the_answers_must_fit(options, message):
    with pytest.raises(ParameterError, match=message):
        read_sample(pd.Series([3, 4]), "test", **options)


def test_groups_are_called_as_the_caller_calls_them():
    with pytest.raises(ParameterError, match="waves has another index than answers"):
        read_sample(pd.Series([3, 4]), "test", by=pd.Series([1, 2], index=[7, 8]), by_name="waves")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["8", "9"], r"answers must be numbers, and 2 values are written as text \(rows 0, 1: '8'\); convert them"),
        (
            pd.Series(pd.to_datetime(["2025-01-01"]), name="day"),
            r"day must be numbers, and 1 value is no number \(rows 0: ",
        ),
        (pd.Series(pd.to_timedelta([None, "2 days"])), r"1 value is no number \(rows 1: Timedelta\('2 days"),
        ([3, np.inf], r"answers has 1 answer that is infinite \(rows 1: inf\)"),
        ([np.inf, -np.inf], r"answers has 2 answers that are infinite \(rows 0, 1: inf\)"),
        (pd.Series([3, (1, 2)]), r"1 value is no number \(rows 1: \(1, 2\)\); correct it or code it as missing"),
    ],
)
def test_answers_must_be_numbers(answers, message):
    with pytest.raises(ParameterError, match=message):
        read_sample(answers, "test")


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_the_value_that_is_no_number_is_shown_and_not_those_that_are(dtype):
    column = pd.Series(["8", "9", None, "n/a", "7", "bad"], list("pqrstu"), name="nps").astype(dtype)
    problems = []
    assert np.isnan(numeric_column(column, problems)).all()
    assert problems == [
        "nps must be numbers, and 2 values are no numbers (rows s, u: 'n/a'); correct them or code them as missing"
    ]


def test_numbers_of_any_type_are_numbers_and_what_is_missing_is_none():
    problems = []
    for column in ([Decimal("1.5"), None], pd.array([1.5, None], "Float64"), pd.Categorical([1.5, None]), [1.5, pd.NA]):
        assert numeric_column(pd.Series(column), problems).tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    for empty in (pd.to_datetime([None]), pd.array([None], "string"), [None], ["nan"][1:]):
        assert np.isnan(numeric_column(pd.Series(empty), problems)).all()
    assert problems == []


def test_answers_there_must_be():
    for none in ([], [None, np.nan], pd.DataFrame({"a": []})):
        with pytest.raises(DataFloorError, match="test needs answers; there is none"):
            read_sample(none, "test")
    with pytest.raises(DataFloorError, match="with a weight above zero"):
        read_sample([3, None], "test", weights=[0, 1])
