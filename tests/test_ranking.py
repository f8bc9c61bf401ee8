"""Area under the ROC curve: pairs counted one by one, weights, clusters and coverage of the interval."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crm_utils.ranking import area_gap, rank_area


@pytest.fixture
def cases():
    rng = np.random.default_rng(3)
    happened = rng.random(300) < 0.3
    return np.round(rng.normal(size=300) + happened, 1), happened


def test_area_is_that_of_scikit_learn_with_and_without_weights(cases):
    scores, happened = cases
    weights = np.random.default_rng(5).random(300) + 0.1
    assert rank_area(scores, happened).estimate == pytest.approx(roc_auc_score(happened, scores))
    assert rank_area(scores, happened, weights=weights).estimate == pytest.approx(
        roc_auc_score(happened, scores, sample_weight=weights)
    )


def test_error_is_that_of_delong_pair_by_pair(cases):
    scores, happened = cases
    one, none = scores[happened][:, None], scores[~happened][None, :]
    won = (one > none) + (one == none) / 2
    delong = won.mean(axis=1).var(ddof=1) / won.shape[0] + won.mean(axis=0).var(ddof=1) / won.shape[1]
    assert rank_area(scores, happened).std_error == pytest.approx(np.sqrt(delong), rel=0.01)


def test_twice_the_same_people_is_no_more_knowledge(cases):
    scores, happened = cases
    people = np.tile(np.arange(300), 2)
    twice = rank_area(np.tile(scores, 2), np.tile(happened, 2), clusters=people)
    assert twice.std_error == pytest.approx(rank_area(scores, happened).std_error)


def test_a_gap_of_nothing_is_nothing(cases):
    scores, happened = cases
    area, reverse = rank_area(scores, happened), rank_area(-scores, happened)
    assert area_gap(area, rank_area(2 * scores, happened), level=0.95) == (0.0, 0.0, 0.0)
    gap, low, high = area_gap(area, reverse, level=0.95)
    assert gap == pytest.approx(2 * area.estimate - 1)
    assert gap - low == pytest.approx(1.959964 * 2 * area.std_error)
    assert high - gap == pytest.approx(gap - low)


def test_interval_holds_the_truth_as_often_as_it_says():
    from scipy.stats import norm

    truth, hits = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        happened = np.arange(200) < 60
        low, high = rank_area(rng.normal(size=200) + happened, happened).interval(level=0.9)
        hits += low <= truth <= high
    assert 167 <= hits <= 193
