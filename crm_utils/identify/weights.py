"""Match weights and match probabilities: the same odds, in bits and as a share."""

from __future__ import annotations

from typing import Any

import numpy as np


def weight_of(probability: Any) -> Any:
    """Weight in bits, log₂ of the odds, of a probability above 0 and below 1; of numbers or arrays."""
    return np.log2(probability / (1 - probability))


def probability_of(weight: Any) -> Any:
    """Probability of a weight in bits; of numbers, arrays or series."""
    return 1 / (1 + np.exp2(-weight))
