"""Verdicts on claims: the interval decides, at its very edges too."""

import math

import pytest

from crm_utils.claims import claim_verdict, verdict_text
from crm_utils.errors import ParameterError


@pytest.mark.parametrize(
    ("low", "high", "claim", "verdict"),
    [
        (0.60, 0.70, 0.70, "agrees"),
        (0.60, 0.70, 0.71, "disagrees"),
        (0.60, 0.70, 0.59, "disagrees"),
        (0.70, 0.80, (0.70, 0.80), "agrees"),
        (0.69, 0.80, (0.70, 0.80), "undecided"),
        (0.10, 0.90, (0.70, 0.80), "undecided"),
        (0.80, 0.90, (0.70, 0.80), "undecided"),
        (0.81, 0.90, (0.70, 0.80), "disagrees"),
        (0.10, 0.69, (0.70, 0.80), "disagrees"),
        (math.nan, math.nan, 0.5, "undecided"),
    ],
)
def test_verdicts(low, high, claim, verdict):
    assert claim_verdict(low, high, claim) == verdict
    assert verdict_text(verdict)


def test_intervals_run_from_low_to_high():
    with pytest.raises(ParameterError, match="from low to high"):
        claim_verdict(0.7, 0.6, 0.5)
