"""Purchases until an unseen dropout at any time: the Pareto/NBD model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit, exprel, gammaln, psi

from crm_utils.lifetime.counts import pareto_counts, pareto_pairs
from crm_utils.lifetime.histories import PurchaseRows
from crm_utils.lifetime.purchases import Parameters, PurchaseModel

# Nodes and weights of the Gauss–Legendre rule over the time of dropout, for full precision and for about five digits.
_RULE, _ROUGH_RULE = np.polynomial.legendre.leggauss(24), np.polynomial.legendre.leggauss(8)
# The integrand is cut off where it has fallen by this exponent.
_NEGLIGIBLE = 40.0


@dataclass(frozen=True)
class ParetoNBD(PurchaseModel):
    """Pareto/NBD model of repeat purchases.

    While alive, a customer buys at a Poisson rate λ; it drops out after an exponential time of rate μ, at any moment.
    λ ~ Gamma(r, α) and μ ~ Gamma(s, β), independently, over customers. `alpha` and `beta` are in the unit of time of
    the data.

    Notes
    -----
    The likelihood is the sum of two ways to the same history: alive at the end, or dropped out at some time between
    the last purchase and the end. The second is an integral of a positive function, done by a Gauss–Legendre rule on
    the logarithm of time since the last purchase. The closed form by ₂F₁ is a difference of two nearly equal numbers
    where frequencies are large.

    References
    ----------
    .. [1] Schmittlein, D. C., Morrison, D. G. & Colombo, R. (1987). Counting your customers: who are they and what
       will they do next? Management Science 33(1), 1-24.
    .. [2] Fader, P. S. & Hardie, B. G. S. (2005). A note on deriving the Pareto/NBD model and related expressions.

    Examples
    --------
    A hundred customers over a year of weeks, many of them alike:

    >>> fitted = ParetoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10],
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50],
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52],
    ...     weights=[30, 20, 12, 10, 10, 8, 6, 4],
    ... )
    >>> list(fitted.params.index)
    ['r', 'alpha', 's', 'beta']
    >>> alive = fitted.p_alive()
    >>> bool(alive.iloc[6] < alive.iloc[0] < alive.iloc[7])
    True
    """

    parameters: ClassVar = ("r", "alpha", "s", "beta")
    time_parameters: ClassVar = ("alpha", "beta")
    dropout_parameter: ClassVar = (3, -1.0)
    rows_at_a_time: ClassVar = 2_048
    starts: ClassVar = ((1.0, 1.0, 1.0, 1.0), (0.5, 0.3, 0.6, 0.4), (3.0, 0.5, 0.5, 3.0), (0.3, 0.05, 2.0, 5.0))

    def _log_likelihoods(self, params: Parameters, rows: PurchaseRows) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        r, alpha, s, beta = params
        x, age = rows.frequency, rows.age
        log_alive = _alive(params, x, age)
        log_dropped, shares, log_alpha, log_beta, at_alpha, at_beta = _dropped(params, x, rows.recency, age)
        dropped = expit(log_dropped - log_alive)
        alive = 1 - dropped

        def mean(values: np.ndarray) -> np.ndarray:
            return np.einsum("ij,ij->i", shares, values)

        # What depends on the frequency alone is computed once a frequency.
        counts, place = rows.counts
        bought, by_r = np.array([gammaln(r + counts) - gammaln(r), psi(r + counts) - psi(r)])[:, place]
        logs = np.logaddexp(log_alive, log_dropped) + bought + r * np.log(alpha) + s * np.log(beta)
        slopes = (
            by_r + np.log(alpha) - alive * np.log(alpha + age) - dropped * mean(log_alpha),
            r / alpha - (r + x) * (alive / (alpha + age) + dropped * mean(1 / at_alpha)),
            np.log(beta) - alive * np.log(beta + age) + dropped * (1 / s - mean(log_beta)),
            s / beta - alive * s / (beta + age) - (s + 1) * dropped * mean(1 / at_beta),
        )
        return logs, slopes

    def _p_alive(self, params, x, t_x, age, *, rough=False) -> np.ndarray:
        alive = np.empty(len(x))
        for first in range(0, len(x), self.rows_at_a_time):
            part = slice(first, first + self.rows_at_a_time)
            here = tuple(value[part] if np.ndim(value) else value for value in params)
            log_dropped, *_ = _dropped(here, x[part], t_x[part], age[part], rule=_ROUGH_RULE if rough else _RULE)
            alive[part] = expit(_alive(here, x[part], age[part]) - log_dropped)
        return alive

    def _expected_if_alive(self, params, x, age, horizons, *, rough=False) -> np.ndarray:
        r, alpha, s, beta = params
        log_ratio = np.log1p(horizons / (beta + age)[:, None])
        return ((r + x) * (beta + age) / (alpha + age))[:, None] * log_ratio * exprel((1 - s) * log_ratio)

    def _stays_if_alive(self, params, x, age, horizon) -> np.ndarray:
        _, _, s, beta = params
        return np.broadcast_to(np.exp(-s * np.log1p(horizon / (beta + age))), np.shape(x))

    def _expected_new(self, params, horizons) -> np.ndarray:
        return self._expected_if_alive(params, np.zeros(1), np.zeros(1), horizons)[0]

    def _count_distribution(self, params, age, largest) -> np.ndarray:
        return pareto_counts(*params, age, largest)

    def _pair_rate(self, params, time) -> np.ndarray:
        return pareto_pairs(*params, time)

    def _purchase_times(self, params, x, age, horizon, rng) -> tuple[np.ndarray, np.ndarray]:
        r, alpha, s, beta = params
        pace = rng.gamma(r + x, 1 / (alpha + age))
        # A rate of dropout so small that it is zero as a float never ends anything.
        with np.errstate(divide="ignore"):
            end = np.minimum(rng.exponential(1, len(x)) / rng.gamma(s, 1 / (beta + age), len(x)), horizon)
        who = np.repeat(np.arange(len(x)), rng.poisson(pace * end))
        return who, rng.random(len(who)) * end[who]


def _alive(params: Parameters, x: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Logarithm of the part of the likelihood in which the customer is alive at the end."""
    r, alpha, s, beta = params
    return -(r + x) * np.log(alpha + age) - s * np.log(beta + age)


def _dropped(params: Parameters, x: np.ndarray, t_x: np.ndarray, age: np.ndarray, *, rule=_RULE):
    """Logarithm of the part in which the customer dropped out: log ∫ s·(α+u)^−(r+x)·(β+u)^−(s+1) du over [t_x, T].

    Returns it with the nodes' shares of the integral and their log(α+u), log(β+u), α+u, β+u, one row a customer.
    """
    r, alpha, s, beta = params
    nodes, node_weights = rule
    m = r + x
    near_alpha, near_beta = alpha + t_x, beta + t_x
    # The integrand falls by the factor e over about `pace`; on log(1 + v/pace) it is smooth at every scale.
    pace = np.minimum(1 / (m / near_alpha + (s + 1) / near_beta), np.minimum(near_alpha, near_beta))
    reach = np.minimum(
        near_alpha * np.expm1(np.minimum(_NEGLIGIBLE / m, 500)), near_beta * np.expm1(min(_NEGLIGIBLE / (s + 1), 500))
    )
    half = 0.5 * np.log1p(np.minimum(age - t_x, reach) / pace)
    since = pace[:, None] * np.expm1(half[:, None] * (1 + nodes))
    at_alpha, at_beta = near_alpha[:, None] + since, near_beta[:, None] + since
    log_alpha, log_beta = np.log(at_alpha), np.log(at_beta)
    log_height = -m[:, None] * log_alpha - (s + 1) * log_beta
    top = log_height[:, :1]
    shares = node_weights * np.exp(log_height - top) * (pace[:, None] + since)
    area = shares.sum(axis=1)
    # A customer whose last purchase is at the very end had no time to drop out: half = 0.
    log_half = np.log(half, where=half > 0, out=np.full(len(half), -np.inf))
    log_dropped = np.log(s) + log_half + top[:, 0] + np.log(area)
    return log_dropped, shares / area[:, None], log_alpha, log_beta, at_alpha, at_beta
