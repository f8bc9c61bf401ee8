"""Intervals that all chapters share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from crm_utils.intervals import independent_answers, sample_mean, share_interval, wilson


@settings(deadline=None)  # the first call imports a library
@given(st.integers(1, 10_000), st.data())
def test_wilson_holds_the_share_itself_at_the_ends_too(trials, data):
    successes = data.draw(st.integers(0, trials) | st.sampled_from([0, trials]))
    low, high = wilson(np.array(successes), np.array(trials), level=0.95)
    assert 0 <= low <= successes / trials <= high <= 1


def test_wilson_as_published():
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263 and 15/148."""
    low, high = wilson(np.array([81, 15]), np.array([263, 148]), level=0.95)
    assert low == pytest.approx([0.2553, 0.0624], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605], abs=5e-5)


def test_no_trials_no_interval():
    low, high = wilson(np.array([0]), np.array([0]), level=0.95)
    assert np.isnan([low[0], high[0]]).all()


def test_a_share_of_plain_answers_has_wilsons_interval():
    inside = np.array([1.0, 0, 1, 1, 0, np.nan, 1, 1])
    mean = sample_mean(inside)
    for level in (0.5, 0.95):
        ends = share_interval(inside, mean, None, level=level)
        assert ends == pytest.approx(proportion_confint(5, 7, alpha=1 - level, method="wilson"), abs=1e-12)


def test_a_share_of_people_who_repeat_themselves_is_no_surer_than_that_of_the_people():
    """Ten people asked four times: ten answers, less what Student's t with 9 degrees of freedom costs."""
    inside, people = np.repeat([1.0, 1, 0, 1, 1, 0, 1, 1, 0, 1], 4), np.repeat(np.arange(10), 4)
    mean = sample_mean(inside, clusters=people)
    size = 10 / (t.ppf(0.975, 9) / t.ppf(0.975, 39)) ** 2
    assert independent_answers(inside, mean, None, 0.21, level=0.95) == pytest.approx(size)
    ends = proportion_confint(0.7 * size, size, method="wilson")
    assert share_interval(inside, mean, None, level=0.95) == pytest.approx(ends)


def test_where_all_agree_a_share_rests_on_kishs_number():
    inside, weights = np.array([1.0, 1, 1, np.nan]), np.array([1.0, 1, 2, 5])
    ends = share_interval(inside, sample_mean(inside, weights=weights), weights, level=0.95)
    assert ends == pytest.approx((proportion_confint(16 / 6, 16 / 6, method="wilson")[0], 1))


@pytest.mark.parametrize("size", range(20, 50))
def test_rounding_of_the_weights_is_no_disagreement(size):
    """Of 0.3 added up many times the share of all is not always 1."""
    inside, weights = np.ones(size + 1), np.r_[np.full(size, 0.3), 2.5]
    kish = weights.sum() ** 2 / (weights**2).sum()
    ends = share_interval(inside, sample_mean(inside, weights=weights), weights, level=0.95)
    assert ends == pytest.approx((proportion_confint(kish, kish, method="wilson")[0], 1))


def test_no_answers_no_share():
    nobody = np.full(3, np.nan)
    assert independent_answers(nobody, sample_mean(nobody), None, 0.25, level=0.95) == 0
    assert np.isnan(share_interval(nobody, sample_mean(nobody), None, level=0.95)).all()
