"""Discounted purchases ahead of all customers of a fit, for many values of the parameters."""

from __future__ import annotations

import numpy as np

from crm_utils.lifetime.histories import HISTORY, merge_equal_rows
from crm_utils.lifetime.purchases import PurchaseResults

# Chebyshev nodes over the ages, at which purchases ahead are computed; between them they are interpolated.
_AGES = 16


class Ahead:
    """Discounted expected purchases over a horizon, computed once for each distinct history.

    Parameters
    ----------
    purchases : PurchaseResults
        The fit.
    horizon : float
        Length of time from the end of the calibration period, in the unit of the data.
    rate : float
        Continuous discount rate of a unit of time.

    Attributes
    ----------
    purchases : PurchaseResults
        As given.
    horizon, rate : float
        As given.
    histories : int
        Number of distinct histories.
    place : numpy.ndarray of int, shape (customers,)
        Distinct history of each customer.

    Notes
    -----
    Purchases ahead of a living customer depend on frequency and age alone, and smoothly on age. Where there are many
    ages, they are computed at 16 of them and interpolated, which is good to about five digits.
    """

    def __init__(self, purchases: PurchaseResults, *, horizon: float, rate: float):
        self.purchases, self.horizon, self.rate = purchases, horizon, rate
        rate_covariates, dropout_covariates = purchases.rate_covariates, purchases.dropout_covariates
        self._rows, self.place = merge_equal_rows(
            purchases.histories[HISTORY],
            purchases.weights,
            rate_covariates.to_numpy(),
            dropout_covariates.to_numpy(),
        )
        self.histories = len(self._rows)
        if purchases.has_covariates:
            return
        counts, count_place = np.unique(self._rows.frequency, return_inverse=True)
        ages, age_place = np.unique(self._rows.age, return_inverse=True)
        pairs, self._pair_place = np.unique(count_place * len(ages) + age_place, return_inverse=True)
        self._count_of_pair, self._age_of_pair = np.divmod(pairs, len(ages))
        self._counts, self._ages, self._weights = counts, ages, None
        if len(counts) * _AGES < len(pairs):
            self._nodes, self._weights = _interpolation(ages, scale=max(float(purchases.params.iloc[1]), 1e-9))

    def __call__(self, values: np.ndarray, *, dropout_effect: float = 0.0, exact: bool = False) -> np.ndarray:
        """Purchases ahead of each distinct history.

        Parameters
        ----------
        values : numpy.ndarray, shape (parameters,)
            In the order of `PurchaseResults.params`.
        dropout_effect : float, default 0
            From today on the propensity to drop out is multiplied by exp of this.
        exact : bool, default False
            To full precision, instead of about five digits.

        Returns
        -------
        numpy.ndarray, shape (histories,)
        """
        model, rows, rough = self.purchases.model, self._rows, not exact
        params = self._parameters(values)
        alive = model._p_alive(params, rows.frequency, rows.recency, rows.age, rough=rough)
        if dropout_effect:
            params = model._with_covariates(params, 0.0, dropout_effect)
        if self.purchases.has_covariates:
            return alive * self._if_alive(params, rows.frequency, rows.age, rough=rough)
        if exact or self._weights is None:
            x, age = self._counts[self._count_of_pair], self._ages[self._age_of_pair]
            return alive * self._if_alive(params, x, age, rough=rough)[self._pair_place]
        x, age = np.repeat(self._counts, _AGES), np.tile(self._nodes, len(self._counts))
        # Interpolated on the logarithm, for it bends less.
        known = np.log(self._if_alive(params, x, age, rough=rough)).reshape(len(self._counts), _AGES)
        logs = np.einsum("ij,ij->i", self._weights[self._age_of_pair], known[self._count_of_pair])
        return alive * np.exp(logs)[self._pair_place]

    def p_alive(self, values: np.ndarray) -> np.ndarray:
        """P(alive) of each distinct history, to about five digits; parameters as in a call."""
        rows = self._rows
        params = self._parameters(values)
        return self.purchases.model._p_alive(params, rows.frequency, rows.recency, rows.age, rough=True)

    def _parameters(self, values: np.ndarray):
        if not self.purchases.has_covariates:
            return tuple(values)
        return self.purchases.model._with_covariates(
            values,
            self._rows.rate @ values[4 : 4 + self._rows.rate.shape[1]],
            self._rows.dropout @ values[4 + self._rows.rate.shape[1] :],
        )

    def _if_alive(self, params, x: np.ndarray, age: np.ndarray, *, rough: bool) -> np.ndarray:
        return self.purchases.model._discounted_if_alive(params, x, age, self.horizon, self.rate, rough=rough)


def _interpolation(ages: np.ndarray, *, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev nodes on log(scale + age), and the weights with which they give each age (Berrut & Trefethen 2004)."""
    number = np.arange(_AGES)
    logs = np.log(scale + ages)
    nodes = (logs[0] + logs[-1]) / 2 - (logs[-1] - logs[0]) / 2 * np.cos((2 * number + 1) * np.pi / (2 * _AGES))
    barycentric = (-1.0) ** number * np.sin((2 * number + 1) * np.pi / (2 * _AGES))
    gaps = logs[:, None] - nodes
    # An age that is a node itself takes its value from there alone.
    hit = np.abs(gaps) < 1e-14 * max(1.0, np.abs(logs).max())
    weights = barycentric / np.where(hit, 1.0, gaps)
    weights = np.where(hit.any(axis=1, keepdims=True), hit, weights)
    return np.exp(nodes) - scale, weights / weights.sum(axis=1, keepdims=True)
