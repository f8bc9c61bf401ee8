"""Purchases until a beta-geometric dropout: the BG/NBD model and its modified form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit, gammaln, psi

from crm_utils.lifetime.purchases import PurchaseModel, PurchaseRows

# Step of the trapezoidal rule in `_expected_if_alive`, and rows taken at a time to keep memory small.
_STEP = 0.05
_ROWS_AT_A_TIME = 8_192


class _BetaGeometric(PurchaseModel):
    """What BG/NBD and MBG/NBD share: they differ in how often a customer could have dropped out after x purchases."""

    parameters: ClassVar = ("r", "alpha", "a", "b")
    time_parameters: ClassVar = ("alpha",)
    starts: ClassVar = ((1.0, 1.0, 1.0, 1.0), (0.25, 0.15, 0.8, 2.5), (3.0, 1.0, 0.5, 5.0), (0.5, 0.05, 2.0, 20.0))
    chances_at_start: ClassVar[int]

    def _dropped_odds(self, params, x, t_x, age) -> np.ndarray:
        """Log odds of having dropped out at the last purchase against being alive; −∞ where there was no chance to."""
        r, alpha, a, b = params
        chances = x + self.chances_at_start
        with_chance = np.maximum(chances, 1)
        odds = np.log(a) - np.log(b + with_chance - 1) + (r + x) * np.log1p((age - t_x) / (alpha + t_x))
        return np.where(chances > 0, odds, -np.inf)

    def _log_likelihood(self, params: np.ndarray, rows: PurchaseRows) -> tuple[float, np.ndarray]:
        r, alpha, a, b = params
        x, t_x, age, weights = rows.frequency, rows.recency, rows.age, rows.weights
        log_odds = self._dropped_odds(params, x, t_x, age)
        dropped = expit(log_odds)
        alive = 1 - dropped
        log_age, log_recency = np.log(alpha + age), np.log(alpha + t_x)
        value = weights @ (np.logaddexp(0, log_odds) - (r + x) * log_age)
        by_r = -weights @ (alive * log_age + dropped * log_recency)
        by_alpha = -weights @ ((r + x) * (alive / (alpha + age) + dropped / (alpha + t_x)))
        lost = weights @ dropped

        # What depends on the frequency alone is computed once a frequency.
        counts, place = np.unique(x, return_inverse=True)
        customers = np.bincount(place, weights)
        dropped_there = np.bincount(place, weights * dropped)
        chances = counts + self.chances_at_start
        total = customers.sum()
        value += customers @ (gammaln(r + counts) + gammaln(b + chances) - gammaln(a + b + chances))
        value += total * (r * np.log(alpha) - gammaln(r) - gammaln(b) + gammaln(a + b))
        by_r += customers @ psi(r + counts) + total * (np.log(alpha) - psi(r))
        by_alpha += total * r / alpha
        by_a = total * psi(a + b) - customers @ psi(a + b + chances) + lost / a
        by_b = by_a - lost / a + customers @ psi(b + chances) - total * psi(b)
        by_b -= dropped_there @ (1 / (b + np.maximum(chances, 1) - 1))
        return float(value), np.array([by_r, by_alpha, by_a, by_b])

    def _p_alive(self, params, x, t_x, age) -> np.ndarray:
        return expit(-self._dropped_odds(params, x, t_x, age))

    def _expected_if_alive(self, params, x, age, horizon) -> np.ndarray:
        r, alpha, a, b = params
        return _expected_until_dropout(r + x, alpha + age, a, b + x + self.chances_at_start, horizon)

    def _expected_new(self, params, horizon) -> np.ndarray:
        r, alpha, a, b = params
        start = np.full(len(horizon), float(self.chances_at_start))
        survives_start = (b / (a + b)) ** self.chances_at_start
        return survives_start * _expected_until_dropout(
            np.full(len(horizon), r), np.full(len(horizon), alpha), a, b + start, horizon
        )


def _expected_until_dropout(
    shape: np.ndarray, rate: np.ndarray, a: float, b: np.ndarray, horizon: np.ndarray
) -> np.ndarray:
    """Expected purchases of a living customer: E[(1 − (1 + p·t/rate)^−shape) / p] over p ~ Beta(a, b).

    The closed form by ₂F₁ has a pole at a = 1 and cancels for large frequencies. This integral has neither trouble:
    on the logit of p, stretched by sinh, the trapezoidal rule converges exponentially.
    """
    reach = np.arcsinh(max(9.0, 40 / np.sqrt(min(a, b.min()))))
    stretched = np.sinh(np.arange(-np.ceil(reach / _STEP), np.ceil(reach / _STEP) + 1) * _STEP)
    expected = np.empty(len(shape))
    for first in range(0, len(shape), _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        b_, shape_, ratio = b[part, None], shape[part, None], (horizon / rate)[part, None]
        logit = np.log(a / b_) + np.sqrt(1 / a + 1 / b_) * stretched
        log_p = -np.logaddexp(0, -logit)
        log_weight = a * log_p - b_ * np.logaddexp(0, logit) + 0.5 * np.log1p(stretched**2)
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        p = np.maximum(np.exp(log_p), 1e-300)
        purchases = -np.expm1(-shape_ * np.log1p(p * ratio)) / p
        expected[part] = (weight * purchases).sum(axis=1) / weight.sum(axis=1)
    return expected


@dataclass(frozen=True)
class BetaGeoNBD(_BetaGeometric):
    """Beta-geometric/NBD model of repeat purchases (BG/NBD).

    While alive, a customer buys at a Poisson rate λ; after each repeat purchase it drops out with probability p.
    λ ~ Gamma(r, α) and p ~ Beta(a, b), independently, over customers. `alpha` is in the unit of time of the data.

    Notes
    -----
    A customer can drop out only at a repeat purchase, so one without any has P(alive) = 1. Where that is not
    believable, use `ModifiedBetaGeoNBD` or `ParetoNBD`.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: equations 6 (likelihood), 9 and 10 (expectations).

    Examples
    --------
    A hundred customers over a year of weeks, many of them alike:

    >>> fitted = BetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10],
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50],
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52],
    ...     weights=[30, 20, 12, 10, 10, 8, 6, 4],
    ... )
    >>> list(fitted.params.index)
    ['r', 'alpha', 'a', 'b']
    >>> predicted = fitted.predict(26)
    >>> float(predicted["p_alive"].iloc[0])
    1.0
    >>> bool(predicted["expected_purchases"].idxmax() == 7)
    True
    """

    chances_at_start: ClassVar = 0


@dataclass(frozen=True)
class ModifiedBetaGeoNBD(_BetaGeometric):
    """Modified BG/NBD model (MBG/NBD): a customer may also drop out right after the first purchase.

    Otherwise as `BetaGeoNBD`, with the same four parameters. P(alive) of a customer without repeat purchases is below
    1, and falls with age.

    References
    ----------
    .. [1] Batislam, E. P., Denizel, M. & Filiztekin, A. (2007). Empirical validation and comparison of models for
       customer base analysis. International Journal of Research in Marketing 24(3), 201-209.
    .. [2] Hoppe, D. & Wagner, U. (2007). Customer base analysis: the case for a central variant of the
       Betageometric/NBD model. Marketing: Journal of Research and Management 3(2), 75-90.

    Examples
    --------
    >>> fitted = ModifiedBetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10],
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50],
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52],
    ...     weights=[30, 20, 12, 10, 10, 8, 6, 4],
    ... )
    >>> bool(fitted.p_alive([0], [0], [52]).iloc[0] < fitted.p_alive([0], [0], [4]).iloc[0] < 1)
    True
    """

    chances_at_start: ClassVar = 1
