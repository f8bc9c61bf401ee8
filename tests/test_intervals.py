"""Intervals that all chapters share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.intervals import wilson


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
