"""Harrell's C against counting pair by pair, with ties, late entry and strata."""

import numpy as np
import pytest

from crm_utils.churn.concordance import concordance_index


def pair_by_pair(duration, event, score, entry=None, strata=None):
    entry = np.zeros(len(duration)) if entry is None else entry
    strata = np.zeros(len(duration)) if strata is None else strata
    agreed = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(duration)):
            stays = duration[j] > duration[i] or (duration[j] == duration[i] and not event[j])
            present = entry[j] < duration[i] or entry[j] == 0
            if stays and present and strata[i] == strata[j]:
                pairs += 1
                agreed += (score[i] > score[j]) + (score[i] == score[j]) / 2
    return agreed / pairs, pairs


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_pair_by_pair(seed, layers, late):
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 6, 80) if late else None
    duration = rng.integers(1, 12, 80) + (0 if entry is None else entry)
    event, score, strata = rng.random(80) < 0.6, rng.integers(0, 9, 80) / 3, rng.integers(0, layers, 80)
    found = concordance_index(duration, event, score, entry=entry, strata=strata)
    estimate, pairs = pair_by_pair(duration, event, score, entry, strata)
    assert found.pairs == pairs
    assert found.estimate == pytest.approx(estimate)


def test_interval_is_as_wide_as_repetition_says():
    rng = np.random.default_rng(9)
    estimates, widths = [], []
    for _ in range(200):
        score = rng.standard_normal(120)
        duration, limit = rng.exponential(np.exp(-0.6 * score)), rng.exponential(2, 120)
        found = concordance_index(np.minimum(duration, limit), duration < limit, score)
        estimates.append(found.estimate)
        widths.append(found.high - found.low)
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(np.std(estimates), rel=0.15)


def test_doubled_rows_in_clusters_tell_no_more():
    rng = np.random.default_rng(2)
    duration, event, score = rng.permutation(60) + 1.0, rng.random(60) < 0.7, rng.standard_normal(60)
    plain = concordance_index(duration, event, score)
    twice = [np.repeat(values, 2) for values in (duration, event, score)]
    doubled = concordance_index(*twice, clusters=np.repeat(np.arange(60), 2))
    assert doubled.estimate == pytest.approx(plain.estimate, abs=0.01)
    assert doubled.high - doubled.low == pytest.approx(plain.high - plain.low, rel=0.03)


def test_nothing_to_compare():
    found = concordance_index(np.array([1.0, 1.0]), np.array([True, True]), np.array([1.0, 2.0]))
    assert found.pairs == 0
    assert np.isnan(found.estimate)
