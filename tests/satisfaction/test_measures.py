"""Measures of satisfaction held against its causes: planted noise, weights, gaps, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.pls import PathModel
from crm_utils.satisfaction.index import respondent_indices
from crm_utils.satisfaction.measures import compare_measures, measures_text


@pytest.fixture
def drawn(survey, small):
    data = survey(400)
    return data, small.fit(data).bootstrap(200, seed=1)


def by_hand(data, results, values, weights=None):
    """Weighted correlation of values with the fitted scores of satisfaction, where they are known."""
    scores = results.scores
    fitted = sum(
        results.paths[source, "satisfaction"] * scores[source] for source in results.model.predecessors("satisfaction")
    )
    known = np.isfinite(np.asarray(values, dtype=float))
    mass = np.ones(len(data)) if weights is None else np.asarray(weights, dtype=float)
    covariance = np.cov(np.asarray(values, dtype=float)[known], fitted[known], aweights=mass[known])
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])


# Correctness


def test_correlations_are_those_with_the_fitted_scores(drawn):
    data, bootstrap = drawn
    holes = data["satisfaction_1"].mask(np.arange(len(data)) % 7 == 0)
    found = compare_measures(bootstrap, {"first": data["satisfaction_1"], "holes": holes})
    index = respondent_indices(bootstrap.results)["satisfaction"]
    for name, values in {"index": index, "first": data["satisfaction_1"], "holes": holes}.items():
        assert found.loc[name, "correlation"] == pytest.approx(by_hand(data, bootstrap.results, values)), name


def test_answers_needed_follow_from_planted_noise():
    """With r = 1/√(1 + noise variance) of the index's own, as many times as 1/r²."""
    rng = np.random.default_rng(3)
    quality = rng.normal(size=40_000)
    mood = 0.8 * quality + 0.6 * rng.normal(size=40_000)
    data = pd.DataFrame({"q": quality, "s": mood})
    model = PathModel({"quality": ["q"], "satisfaction": ["s"]}, [("quality", "satisfaction")])
    bootstrap = model.fit(data).bootstrap(20, seed=1)
    noisy = {f"noise {variance}": mood + np.sqrt(variance) * rng.normal(size=40_000) for variance in (1, 3)}
    found = compare_measures(bootstrap, noisy, scale=(-10, 10))
    assert found["answers_needed"].to_numpy() == pytest.approx([1, 2, 4], rel=0.06)


def test_more_noise_needs_more_answers_and_intervals_hold_the_estimate(drawn):
    data, bootstrap = drawn
    noise = np.random.default_rng(4).normal(size=len(data))
    measures = {f"{size}": data["satisfaction_1"] + size * noise for size in (0, 1, 3)}
    found = compare_measures(bootstrap, measures)
    assert found["answers_needed"].is_monotonic_increasing
    assert found.loc["index", ["answers_needed", "answers_low", "answers_high"]].tolist() == [1, 1, 1]
    assert (found["low"] < found["correlation"]).all()
    assert (found["correlation"] < found["high"]).all()


def test_intervals_are_as_wide_as_fisher_says():
    rng = np.random.default_rng(5)
    quality = rng.normal(size=500)
    data = pd.DataFrame({"q": quality, "s": 0.5 * quality + np.sqrt(0.75) * rng.normal(size=500)})
    model = PathModel({"quality": ["q"], "satisfaction": ["s"]}, [("quality", "satisfaction")])
    found = compare_measures(model.fit(data).bootstrap(2000, seed=1), {}, scale=(-9, 9)).loc["index"]
    r = np.corrcoef(data["q"], data["s"])[0, 1]
    reach = np.array([-1.96, 1.96]) / np.sqrt(497)
    assert [found["low"], found["high"]] == pytest.approx(np.tanh(np.arctanh(r) + reach), abs=0.012)


def test_weights_of_the_survey_count(survey, small):
    data = survey(300)
    weights = np.random.default_rng(2).uniform(0, 3, 300)
    weights[:5] = 0
    results = small.fit(data, weights=weights)
    found = compare_measures(results.bootstrap(20, seed=1), {"first": data["satisfaction_1"]})
    expected = by_hand(data, results, data["satisfaction_1"], weights)
    assert found.loc["first", "correlation"] == pytest.approx(expected)


# Consistency


def test_the_unit_of_a_measure_does_not_matter(drawn):
    data, bootstrap = drawn
    found = compare_measures(bootstrap, {"a": data["loyalty_1"], "b": 100 - 7 * data["loyalty_1"]})
    assert found.loc["b", "correlation"] == pytest.approx(-found.loc["a", "correlation"])
    assert found.loc["b", "answers_needed"] == pytest.approx(found.loc["a", "answers_needed"])


def test_flags_are_ones_and_zeros(drawn):
    data, bootstrap = drawn
    top = data["satisfaction_1"] > 8
    found = compare_measures(bootstrap, {"flag": top, "number": top.astype(float)})
    assert found.loc["flag"].tolist() == found.loc["number"].tolist()


def test_a_measure_that_does_not_vary_says_nothing(drawn):
    data, bootstrap = drawn
    found = compare_measures(bootstrap, {"same": np.full(len(data), 0.1), "first": data["satisfaction_1"]})
    assert found.loc["same"].isna().all()
    assert found.loc["first"].notna().all()


# Sentences


def test_the_measure_that_needs_most_is_said_where_it_is_more_than_chance(drawn):
    data, bootstrap = drawn
    noise = np.random.default_rng(4).normal(size=len(data))
    found = compare_measures(bootstrap, {"first": data["satisfaction_1"], "noisy": data["satisfaction_1"] + 3 * noise})
    times, low, high = found.loc["noisy", ["answers_needed", "answers_low", "answers_high"]]
    assert low > 1
    assert measures_text(found) == (
        f"To see the same change, noisy needs {times:.1f} times the answers that the index needs ({low:.1f} to "
        f"{high:.1f})."
    )


def test_a_measure_that_is_the_index_needs_no_more(drawn):
    data, bootstrap = drawn
    same = {"same": respondent_indices(bootstrap.results)["satisfaction"], "constant": np.ones(len(data))}
    assert measures_text(compare_measures(bootstrap, same)) == (
        "No measure is shown to need more answers than the index; same comes nearest, with 1.0 times as many (1.0 to "
        "1.0)."
    )


@pytest.mark.parametrize("measures", [{}, {"constant": np.ones(400)}])
def test_without_another_measure_there_is_nothing_to_compare(drawn, measures):
    assert measures_text(compare_measures(drawn[1], measures)).startswith("There is no other measure that varies")


# Input checks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"construct": "satisfactoin"}, "did you mean 'satisfaction'"),
        ({"construct": "quality"}, "nothing leads to quality"),
        ({"measures": {"index": np.ones(400)}}, "other names than 'index'"),
        ({"measures": {"short": np.ones(3)}}, "short must have one value for each of the 400 rows"),
        ({"measures": {"text": ["a"] * 400}}, "text must be numbers"),
        ({"level": 2}, "level must lie between 0 and 1"),
    ],
)
def test_unusable_input_is_named(drawn, options, message):
    with pytest.raises(ParameterError, match=message):
        compare_measures(drawn[1], **({"measures": {}} | options))
