"""Means over customers of a quantity that depends on the probability to drop out at a purchase, p ~ Beta(a, b)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Step of the trapezoidal rule in `over_dropout`, for full precision and for about five digits.
STEP, ROUGH_STEP = 0.05, 0.2
# Customers times horizons taken at a time there, to stay in the cache of the processor.
_CELLS_AT_A_TIME = 1_024


def purchases_until_dropout(p: np.ndarray, shape: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Expected purchases over the rate: (1 − (1 + p·t/rate)^−shape) / p."""
    return -np.expm1(-shape * np.log1p(p * ratio)) / p


def stays(p: np.ndarray, shape: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Probability over the rate that no purchase was the last: (1 + p·t/rate)^−shape."""
    return np.exp(-shape * np.log1p(p * ratio))


def over_dropout(
    quantity: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    shape: np.ndarray,
    rate: np.ndarray,
    a: Any,
    b: np.ndarray,
    horizons: np.ndarray,
    *,
    step: float = STEP,
) -> np.ndarray:
    """Mean of a quantity over the dropout probability p ~ Beta(a, b), one row a customer, one column a horizon.

    The closed forms by ₂F₁ have a pole at a = 1 and cancel for large frequencies. This integral has neither trouble:
    on the logit of p, stretched by sinh, the trapezoidal rule converges exponentially.
    """
    a, rate = np.broadcast_to(a, len(shape)), np.broadcast_to(rate, len(shape))
    reach = np.arcsinh(max(9.0, 40 / np.sqrt(min(a.min(), b.min()))))
    stretched = np.sinh(np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step)
    stretching = 0.5 * np.log1p(stretched**2)
    means = np.empty((len(shape), len(horizons)))
    rows = max(1, _CELLS_AT_A_TIME // len(horizons))
    for first in range(0, len(shape), rows):
        part = slice(first, first + rows)
        a_, b_ = a[part, None], b[part, None]
        logit = np.log(a_ / b_) + np.sqrt(1 / a_ + 1 / b_) * stretched
        log_rest = np.logaddexp(0, logit)
        log_p = logit - log_rest
        log_weight = a_ * log_p - b_ * log_rest + stretching
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        p = np.maximum(np.exp(log_p), 1e-300)[:, None, :]
        ratio = (horizons / rate[part, None])[:, :, None]
        means[part] = np.einsum("ijk,ik->ij", quantity(p, shape[part, None, None], ratio), weight)
    return means
