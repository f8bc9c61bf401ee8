"""The shared drawing tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from crm_utils.company.simulate._draws import (
    block_ids,
    draw_category,
    moment,
    probabilities_with_mean,
    to_microseconds,
    to_moments,
    whole_numbers,
)


@pytest.mark.parametrize("mean", [0.001, 0.3, 0.95])
def test_probabilities_average_to_the_mean_and_keep_the_odds_ratios(mean):
    score = np.random.default_rng(1).normal(0, 2, 500)
    probability = probabilities_with_mean(score, mean)
    assert probability.mean() == pytest.approx(mean, rel=1e-9)
    assert np.ptp(logit(probability) - score) < 1e-6


def test_probabilities_at_the_bounds_and_of_nobody():
    assert probabilities_with_mean(np.zeros(3), 0.0).tolist() == [0, 0, 0]
    assert probabilities_with_mean(np.zeros(3), 1.2).tolist() == [1, 1, 1]
    assert probabilities_with_mean(np.zeros(0), 0.4).size == 0


def test_categories_come_with_their_softmax_probabilities():
    log_odds = np.log([0.2, 0.5, 0.3])
    drawn = draw_category(np.tile(log_odds, (60_000, 1)), np.random.default_rng(2))
    share = np.bincount(drawn, minlength=3) / 60_000
    assert np.abs(share - [0.2, 0.5, 0.3]).max() < 0.008


def test_identifiers_of_blocks_never_meet():
    assert not set(block_ids("I", 99_999, block=0)) & set(block_ids("I", 10, block=1))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_do_not_depend_on_the_unit_of_the_column(unit):
    column = pd.Series(pd.to_datetime(["2024-02-29 12:30:15", None])).astype(f"datetime64[{unit}]")
    values = to_microseconds(column)
    assert values[0] == moment("2024-02-29 12:30:15") == moment(pd.Timestamp("2024-02-29 12:30:15").as_unit(unit))
    assert values[1] == np.iinfo(np.int64).max
    assert to_moments(values[:1] + 999_999)[0] == np.datetime64("2024-02-29T12:30:15")


def test_whole_numbers_are_blank_where_missing():
    column = pd.Series(whole_numbers(np.array([1.0, np.nan]), np.array([False, True])))
    assert column.to_csv(index=False, header=False).split("\n")[:2] == ["1", '""']
