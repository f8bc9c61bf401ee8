"""What a customer spends at a purchase: the gamma–gamma model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    customer_problems,
    first_rows,
    index_problems,
    missing_columns,
    raise_problems,
    seed_problems,
)
from crm_utils.errors import ConvergenceError, DataFloorError
from crm_utils.lifetime._estimates import log_intervals, positive_draws
from crm_utils.lifetime._newton import maximise

LEAST_CUSTOMERS = 40
_NAMES = ("p", "q", "gamma")


@dataclass(frozen=True)
class GammaGamma:
    r"""Gamma–gamma model of the mean spend of a purchase.

    Purchases of one customer vary by a gamma distribution with shape p around a mean of her own; its rate varies over
    customers by a gamma distribution with shape q and rate γ. The mean of few purchases is drawn towards the mean of
    all customers, that of many purchases hardly. Spend must not depend on how often a customer buys: see
    `GammaGammaResults.frequency_correlation`.

    References
    ----------
    Fader, P. S. & Hardie, B. G. S. (2013). The gamma-gamma model of monetary value. Note 025, brucehardie.com.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> purchases = rng.integers(1, 8, 2000)
    >>> mean_spend = rng.gamma(6 * purchases, 1 / (rng.gamma(4, 1 / 15, 2000) * purchases))
    >>> results = GammaGamma().fit(mean_spend, purchases)
    >>> bool(abs(results.population_mean_spend - 6 * 15 / 3) < 1.5)
    True
    """

    def fit(
        self,
        mean_spend: Any,
        purchases: Any,
        *,
        weights: Any = None,
        start: tuple[float, float, float] | None = None,
    ) -> GammaGammaResults:
        """Estimate from one row a customer.

        Parameters
        ----------
        mean_spend : array-like of float, shape (n,)
            Mean spend of the purchases of a customer, above zero, in any currency.
        purchases : array-like of float, shape (n,)
            Number of purchases behind the mean, at least 1; with spend of repeat days, the number of repeat days.
        weights : array-like of float, shape (n,), optional
            How many customers each row stands for. Default: one.
        start : tuple of float, optional
            Starting values of p, q and gamma, above zero. Default: three from the mean and the spread of spend.

        Returns
        -------
        GammaGammaResults
            The estimate.

        Raises
        ------
        ParameterError
            If the input is unusable, with every problem.
        DataFloorError
            If there are fewer than 40 customers (total weight).
        ConvergenceError
            If customers do not differ in what they spend, or too few bought repeatedly to tell.
        """
        where = "GammaGamma.fit"
        problems = index_problems(mean_spend=mean_spend, purchases=purchases, weights=weights)
        spend, count = as_numbers(mean_spend, "mean_spend", problems), as_numbers(purchases, "purchases", problems)
        mass = np.ones(len(spend)) if weights is None else as_numbers(weights, "weights", problems)
        if not len(spend) == len(count) == len(mass):
            problems.append(
                f"mean_spend, purchases and weights must be equally long, and have {len(spend):,}, {len(count):,} and "
                f"{len(mass):,} rows"
            )
        problems += _unusable(spend, count)
        if (mass < 0).any():
            problems.append(f"weights must not be negative, and {(mass < 0).sum():,} are; drop those rows")
        if start is not None and not (len(start) == 3 and np.isfinite(start).all() and min(start) > 0):
            problems.append(f"start must be three numbers above zero, and is {start!r}")
        raise_problems(where, problems)
        counted = mass > 0
        index = mean_spend.index if isinstance(mean_spend, pd.Series) else None
        observed = pd.DataFrame({"mean_spend": spend, "purchases": count, "weight": mass}, index=index)
        spend, count, mass = spend[counted], count[counted], mass[counted]
        if mass.sum() < LEAST_CUSTOMERS:
            mean = f" ({np.average(spend, weights=mass):,.4g} in these data)" if len(spend) else ""
            raise DataFloorError(
                f"{where}: needs at least {LEAST_CUSTOMERS} customers with a purchase behind their mean, and there are "
                f"{mass.sum():,g}. Use the mean spend of all{mean} for everyone instead."
            )
        if np.unique(spend).size < 3:
            raise_problems(
                where,
                [
                    (
                        f"three parameters need at least three customers of different mean spend, and there are "
                        f"{np.unique(spend).size}; use their mean instead"
                    )
                ],
            )
        # In units of the mean spend the parameters are of the order of one, whatever the currency.
        unit = float(np.average(spend, weights=mass))
        scaled = spend / unit
        if start is None:
            starts = [np.array([p, q, (q - 1) / p]) for p, q in ((1.0, 2.0), (5.0, 4.0), (30.0, 20.0))]
        else:
            starts = [np.array([start[0], start[1], start[2] / unit])]
        merged = _merged(count, mass)
        params, value, covariance = maximise(
            lambda params: _derivatives(params, scaled, count, mass, merged),
            starts,
            cases=mass.sum(),
            where=where,
            remedy=(
                "Customers do not seem to differ in what they spend, or too few bought more than once to tell; "
                f"use the mean of all, {unit:,.4g}, or give more customers."
            ),
        )
        rescale = np.array([1.0, 1.0, unit])
        params, covariance = params * rescale, covariance * np.outer(rescale, rescale)
        names = pd.Index(_NAMES, name="parameter")
        return GammaGammaResults(
            params=pd.Series(params, names, name="estimate"),
            std_errors=pd.Series(np.sqrt(np.diag(covariance)), names, name="std_error"),
            covariance=pd.DataFrame(covariance, names, names),
            loglik=value - mass.sum() * np.log(unit),
            customers=float(mass.sum()),
            frequency_correlation=_correlation(spend, count, mass),
            observed=observed,
        )


@dataclass(frozen=True, eq=False)
class GammaGammaResults:
    """Estimate of a `GammaGamma` model.

    Attributes
    ----------
    params, std_errors : pandas.Series
        p, q and gamma (in the currency of the spend), and their standard errors.
    covariance : pandas.DataFrame, shape (3, 3)
        Covariance of the estimates, from the observed information.
    loglik : float
        Log-likelihood of the mean spends.
    customers : float
        Customers the estimate rests on (their total weight).
    frequency_correlation : float
        Correlation of mean spend with the number of purchases, which the model takes to be zero; NaN if all bought
        equally often.
    observed : pandas.DataFrame
        ``mean_spend``, ``purchases`` and ``weight`` of each customer as fitted, with the index of `mean_spend`.
    """

    params: pd.Series
    std_errors: pd.Series
    covariance: pd.DataFrame
    loglik: float
    customers: float
    frequency_correlation: float
    observed: pd.DataFrame

    @property
    def aic(self) -> float:
        """Akaike's information criterion: lower is better, among models of the same data."""
        return 2 * len(self.params) - 2 * self.loglik

    @property
    def population_mean_spend(self) -> float:
        """Mean spend of a purchase over all customers, pγ/(q − 1); NaN for q up to 1, where it is not finite."""
        p, q, gamma = self.params
        return float(p * gamma / (q - 1)) if q > 1 else np.nan

    def expected_spend(self, mean_spend: Any, purchases: Any) -> np.ndarray:
        """Expected spend of a customer's next purchases, given those seen.

        Parameters
        ----------
        mean_spend : array-like of float, shape (n,)
            Mean spend seen, above zero; not looked at where there were no purchases.
        purchases : array-like of float, shape (n,)
            Number of purchases behind the mean, from 0.

        Returns
        -------
        numpy.ndarray of float, shape (n,)
            p(γ + x·z̄)/(px + q − 1); the population's mean where nothing was seen. NaN where the mean is not finite.

        Raises
        ------
        ParameterError
            If the input is unusable, with every problem.

        Examples
        --------
        >>> rng = np.random.default_rng(7)
        >>> purchases = rng.integers(1, 8, 2000)
        >>> mean_spend = rng.gamma(6 * purchases, 1 / (rng.gamma(4, 1 / 15, 2000) * purchases))
        >>> results = GammaGamma().fit(mean_spend, purchases)
        >>> seen_once, seen_often = results.expected_spend([100, 100], [1, 50])
        >>> bool(results.population_mean_spend < seen_once < seen_often < 100)
        True
        """
        problems = index_problems(mean_spend=mean_spend, purchases=purchases)
        count = as_numbers(purchases, "purchases", problems)
        if np.shape(mean_spend) != np.shape(purchases):
            problems.append("mean_spend and purchases must be equally long")
        raise_problems("GammaGammaResults.expected_spend", problems)
        spend = np.where(count == 0, 1.0, np.asarray(mean_spend, dtype=float))
        spend = as_numbers(spend, "mean_spend", problems)
        problems += _unusable(spend, count, least=0)
        raise_problems("GammaGammaResults.expected_spend", problems)
        p, q, gamma = self.params
        finite = p * count + q > 1
        return np.divide(p * (gamma + count * spend), p * count + q - 1, out=np.full(len(count), np.nan), where=finite)

    def parameter_draws(self, n_draws: int, *, seed: int | np.random.SeedSequence = 7) -> np.ndarray:
        """Draw parameters from the normal distribution of the logarithms of their estimates.

        Parameters
        ----------
        n_draws : int
            Number of draws, from 1.
        seed : int, default 7
            Seed, 0 or more.

        Returns
        -------
        numpy.ndarray of float, shape (n_draws, 3)
            One draw a row, in the order of `params`.

        Raises
        ------
        ParameterError
            If the number of draws is below 1, or the seed is no whole number of 0 or more.
        """
        raise_problems("parameter_draws", count_problems("n_draws", n_draws, least=1) + seed_problems(seed))
        return positive_draws(self.params, self.covariance, n_draws, seed=seed)

    def refits(self, counts: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
        """Fit again with the customers drawn otherwise: the case bootstrap.

        Parameters
        ----------
        counts : iterable of numpy.ndarray, shape (customers,)
            How often each row of `observed` is drawn.

        Yields
        ------
        numpy.ndarray of float, shape (3,), or None
            p, q and gamma; None where the likelihood has no maximum or too few customers were drawn.
        """
        seen = self.observed
        for drawn in counts:
            weights = drawn * seen["weight"].to_numpy()
            try:
                fitted = GammaGamma().fit(
                    seen["mean_spend"], seen["purchases"], weights=weights, start=tuple(self.params)
                )
            except (ConvergenceError, DataFloorError):
                yield None
            else:
                yield fitted.params.to_numpy()

    def predict(
        self,
        summary: pd.DataFrame,
        *,
        customer_col: str = "customer_id",
        spend_col: str = "mean_repeat_spend",
        frequency_col: str = "frequency",
    ) -> pd.DataFrame:
        """Expected spend of every customer of a summary.

        Parameters
        ----------
        summary : pandas.DataFrame
            One row a customer.
        customer_col, spend_col, frequency_col : str
            Columns of the customer, of the mean spend, and of the number of purchases behind it, from 0.

        Returns
        -------
        pandas.DataFrame
            One row a customer, in the order given: the customer, ``expected_spend``, and ``own_share``, the weight
            from 0 to 1 of the customer's own mean against the population's (NaN where that is not finite).

        Raises
        ------
        ParameterError
            If columns are missing or the input is unusable.
        """
        problems = missing_columns(summary, (customer_col, spend_col, frequency_col), "summary")
        raise_problems("GammaGammaResults.predict", problems or customer_problems(summary, customer_col, "summary"))
        expected = self.expected_spend(summary[spend_col], summary[frequency_col])
        p, q, _ = self.params
        own = p * summary[frequency_col].to_numpy(dtype=float)
        return pd.DataFrame(
            {
                customer_col: summary[customer_col].to_numpy(),
                "expected_spend": expected,
                "own_share": own / (own + q - 1) if q > 1 else np.nan,
            }
        )

    def summary_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Estimates with standard errors and intervals.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            One row a parameter: ``parameter``, ``estimate``, ``std_error``, ``low``, ``high``; the interval is
            symmetric on the logarithm, so that it stays above zero.

        Raises
        ------
        ParameterError
            If the level is out of range.
        """
        return log_intervals(self.params, self.std_errors, level=level)


def _merged(count: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each number of purchases once, with the weight of its customers."""
    values, position = np.unique(count, return_inverse=True)
    return values, np.bincount(position, mass)


def _derivatives(
    params: np.ndarray,
    spend: np.ndarray,
    count: np.ndarray,
    mass: np.ndarray,
    merged: tuple[np.ndarray, np.ndarray],
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood of the mean spends, its gradient and its Hessian.

    The gamma functions, which take the time, depend on the number of purchases only: `merged` has each number once.
    """
    from scipy.special import betaln, digamma, polygamma

    p, q, gamma = params
    shape, total = p * count, gamma + count * spend
    # log(x·z̄ / (γ + x·z̄)) and log(γ / (γ + x·z̄)): nothing overflows, however much is bought.
    own, rest = -np.log1p(gamma / (count * spend)), np.log(gamma) - np.log(total)
    times, weight = merged
    shapes = p * times
    value = mass @ (shape * own + q * rest - np.log(spend)) - weight @ betaln(shapes, q)
    joint = digamma(shapes + q)
    gradient = np.array(
        [
            mass @ (count * own) + weight @ (times * (joint - digamma(shapes))),
            mass @ rest + weight @ (joint - digamma(q)),
            mass @ (q / gamma - (shape + q) / total),
        ]
    )
    curve = polygamma(1, shapes + q)
    pp = weight @ (times**2 * (curve - polygamma(1, shapes)))
    pq = weight @ (times * curve)
    pg = -mass @ (count / total)
    qq = weight @ (curve - polygamma(1, q))
    qg = mass @ (1 / gamma - 1 / total)
    gg = mass @ ((shape + q) / total**2 - q / gamma**2)
    return float(value), gradient, np.array([[pp, pq, pg], [pq, qq, qg], [pg, qg, gg]])


def _unusable(spend: np.ndarray, count: np.ndarray, *, least: int = 1) -> list[str]:
    problems = []
    if (not_paid := spend <= 0).any():
        problems.append(
            f"mean_spend must be above zero, and {not_paid.sum():,} of {len(spend):,} are not (at positions "
            f"{first_rows(not_paid)}); leave out customers whose returns ate up what they bought"
        )
    if (too_few := count < least).any():
        problems.append(
            f"purchases must be at least {least}, and {too_few.sum():,} of {len(count):,} are not (at positions "
            f"{first_rows(too_few)})" + ("; fit on customers with a purchase behind their mean" if least else "")
        )
    return problems


def _correlation(spend: np.ndarray, count: np.ndarray, mass: np.ndarray) -> float:
    spread = np.cov(spend, count, aweights=mass)
    scale = np.sqrt(spread[0, 0] * spread[1, 1])
    return float(spread[0, 1] / scale) if scale > 0 else np.nan
