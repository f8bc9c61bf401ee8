"""Purchases until a beta-geometric dropout: the BG/NBD model and its modified form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, gammaln, psi

from crm_utils.lifetime.counts import beta_geometric_counts, beta_geometric_pairs
from crm_utils.lifetime.dropout import ROUGH_STEP, STEP, over_dropout, purchases_until_dropout, stays
from crm_utils.lifetime.histories import PurchaseRows
from crm_utils.lifetime.purchases import Parameters, PurchaseModel


@dataclass(frozen=True)
class _BetaGeometric(PurchaseModel):
    """What BG/NBD and MBG/NBD share: they differ in how often a customer could have dropped out after x purchases."""

    parameters: ClassVar = ("r", "alpha", "a", "b")
    time_parameters: ClassVar = ("alpha",)
    dropout_parameter: ClassVar = (2, 1.0)
    starts: ClassVar = ((1.0, 1.0, 1.0, 1.0), (0.25, 0.15, 0.8, 2.5), (3.0, 1.0, 0.5, 5.0), (0.5, 0.05, 2.0, 20.0))
    chances_at_start: ClassVar[int]

    def _log_likelihoods(self, params: Parameters, rows: PurchaseRows) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        r, alpha, a, b = params
        x = rows.frequency
        until_now, until_last = alpha + rows.age, alpha + rows.recency
        log_now, log_last = np.log(until_now), np.log(until_last)

        # What depends on the frequency and on numbers that all customers share is computed once a frequency.
        counts, place = rows.counts
        shared = not (np.ndim(a) or np.ndim(b))
        chances = (counts if shared else x) + self.chances_at_start
        by_count = np.array(
            [
                gammaln(b + chances) - gammaln(b) + gammaln(a + b) - gammaln(a + b + chances),
                psi(a + b) - psi(a + b + chances),
                psi(b + chances) - psi(b),
                1 / (b + np.maximum(chances, 1) - 1),
                self._log_chance(a, b, chances),
            ]
        )
        survived, by_a, by_b, last_chance, log_chance = by_count[:, place] if shared else by_count
        bought, by_r = np.array([gammaln(r + counts) - gammaln(r), psi(r + counts) - psi(r)])[:, place]

        # Log odds of having dropped out at the last purchase; log(1 + odds) and odds/(1 + odds) from one exponential.
        log_odds = log_chance + (r + x) * (log_now - log_last)
        smaller = np.exp(-np.abs(log_odds))
        log_either = np.maximum(log_odds, 0) + np.log1p(smaller)
        dropped = np.where(log_odds > 0, 1.0, smaller) / (1 + smaller)
        alive = 1 - dropped

        log_alpha = np.log(alpha)
        logs = log_either - (r + x) * log_now + r * log_alpha + bought + survived
        slopes = (
            by_r + log_alpha - alive * log_now - dropped * log_last,
            r / alpha - (r + x) * (alive / until_now + dropped / until_last),
            by_a + dropped / a,
            by_a + by_b - dropped * last_chance,
        )
        return logs, slopes

    def _log_chance(self, a: Any, b: Any, chances: np.ndarray) -> np.ndarray:
        """Log odds of dropping out at the last of so many chances; −∞ where there was none."""
        odds = np.log(a) - np.log(b + np.maximum(chances, 1) - 1)
        return np.where(chances > 0, odds, -np.inf)

    def _p_alive(self, params, x, t_x, age, *, rough=False) -> np.ndarray:
        r, alpha, a, b = params
        log_odds = self._log_chance(a, b, x + self.chances_at_start) + (r + x) * np.log1p((age - t_x) / (alpha + t_x))
        return expit(-log_odds)

    def _expected_if_alive(self, params, x, age, horizons, *, rough=False) -> np.ndarray:
        step = ROUGH_STEP if rough else STEP
        return over_dropout(purchases_until_dropout, *self._future(params, x, age), horizons, step=step)

    def _stays_if_alive(self, params, x, age, horizon) -> np.ndarray:
        return over_dropout(stays, *self._future(params, x, age), np.array([horizon]))[:, 0]

    def _future(self, params, x, age):
        """Distribution of the rate and of the dropout probability of customers alive at `age`."""
        r, alpha, a, b = params
        return r + x, alpha + age, a, b + x + self.chances_at_start

    def _expected_new(self, params, horizons) -> np.ndarray:
        _, _, a, b = params
        survives_start = (b / (a + b)) ** self.chances_at_start
        return survives_start * self._expected_if_alive(params, np.zeros(1), np.zeros(1), horizons)[0]

    def _count_distribution(self, params, age, largest) -> np.ndarray:
        return beta_geometric_counts(*params, age, largest, chances_at_start=self.chances_at_start)

    def _pair_rate(self, params, time) -> np.ndarray:
        return beta_geometric_pairs(*params, time, chances_at_start=self.chances_at_start)

    def _purchase_times(self, params, x, age, horizon, rng) -> tuple[np.ndarray, np.ndarray]:
        shape, rate, a, b = self._future(params, x, age)
        customers = np.arange(len(x))
        pace, dropout = rng.gamma(shape, 1 / rate, len(x)), rng.beta(a, b, len(x))
        now, who, when = np.zeros(len(x)), [], []
        while len(customers):
            # A rate so small that it is zero as a float never brings a purchase.
            with np.errstate(divide="ignore"):
                now = now + rng.exponential(1, len(customers)) / pace[customers]
            customers, now = customers[now <= horizon], now[now <= horizon]
            who.append(customers)
            when.append(now)
            stays = rng.random(len(customers)) >= dropout[customers]
            customers, now = customers[stays], now[stays]
        return np.concatenate([np.empty(0, int), *who]), np.concatenate([np.empty(0), *when])


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
