"""Customers under contract: when they leave is seen, and the shifted beta-geometric model projects who stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    first_rows,
    index_problems,
    is_number,
    level_problems,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import ConvergenceError, DataFloorError
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.lifetime._estimates import log_intervals, positive_draws
from crm_utils.lifetime._newton import maximise
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERIODS_PER_YEAR = {"week": 365.25 / 7, "month": 12.0, "quarter": 4.0, "year": 1.0}
LEAST_CUSTOMERS = 40
LEAST_ENDED = 10
_MOST_PERIODS = 100_000
_LEAST_RATE = 0.0001
_NAMES = ("alpha", "beta")


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    r"""Shifted beta-geometric model of contracts that are renewed or ended at the end of each period.

    Each customer leaves at the end of a period with a probability of her own, which does not change with time and
    follows a beta distribution over customers. Those who leave easily leave first: the retention rate of a cohort
    rises with its age although nobody becomes more loyal.

    Parameters
    ----------
    period : {"week", "month", "quarter", "year"}, default "month"
        Length of one contract period, the unit of every duration; turns an annual discount rate into a period's.

    References
    ----------
    Fader, P. S. & Hardie, B. G. S. (2007). How to project customer retention. *Journal of Interactive Marketing*
    21(1), 76–90.

    Examples
    --------
    >>> model = ShiftedBetaGeometric(period="year")
    >>> results = model.fit_survivors([1000, 631, 468, 382, 326, 289, 262, 241])
    >>> results.params.round(3).to_dict()
    {'alpha': 0.704, 'beta': 1.182}
    >>> results.survival([8, 12]).round(3).tolist()
    [0.22, 0.17]
    """

    period: str = "month"

    def __post_init__(self):
        if self.period not in PERIODS_PER_YEAR:
            raise_problems(
                "ShiftedBetaGeometric", [f"period must be one of {list(PERIODS_PER_YEAR)}, and is {self.period!r}"]
            )

    def fit(
        self,
        durations: Any,
        ended: Any,
        *,
        weights: Any = None,
        start: tuple[float, float] | None = None,
    ) -> ShiftedBetaGeometricResults:
        """Estimate from one row a customer, those who are still there included.

        Parameters
        ----------
        durations : array-like of int, shape (n,)
            Periods from the start of the contract to its end, from 1; for a customer who is still there, completed
            periods so far, from 0.
        ended : array-like of bool, shape (n,)
            Whether the contract has ended; False means still there (censored).
        weights : array-like of float, shape (n,), optional
            How many customers each row stands for. Default: one.
        start : tuple of float, optional
            Starting values of alpha and beta, above zero. Default: three that span weak to strong heterogeneity.

        Returns
        -------
        ShiftedBetaGeometricResults
            The estimate.

        Raises
        ------
        ParameterError
            If the input is unusable, with every problem.
        DataFloorError
            If there are fewer than 40 customers, or fewer than 10 who left (total weights); if nobody was under
            contract for a whole period, only one period was observed, or everyone left in the first.
        ConvergenceError
            If the retention rate does not rise with tenure, so that no finite alpha and beta fit best.

        Examples
        --------
        >>> results = ShiftedBetaGeometric().fit([1, 2, 2], [True, True, False], weights=[40, 10, 50])
        >>> results.retention_rates([1, 2]).round(3).tolist()
        [0.6, 0.833]
        """
        where = "ShiftedBetaGeometric.fit"
        problems = index_problems(durations=durations, ended=ended, weights=weights)
        periods = as_numbers(durations, "durations", problems)
        mass = np.ones(len(periods)) if weights is None else as_numbers(weights, "weights", problems)
        if not set(pd.Series(ended).dropna().unique()) <= {True, False} or pd.Series(ended).isna().any():
            problems.append("ended must be True or False in every row")
        if not len(periods) == len(mass) == len(ended):
            problems.append(
                f"durations, ended and weights must be equally long, and have {len(periods):,}, {len(ended):,} and "
                f"{len(mass):,} rows"
            )
        raise_problems(where, problems)
        left = np.asarray(ended).astype(bool)
        too_short = (periods < left) | (periods != np.floor(periods))
        if too_short.any():
            problems.append(
                f"durations must be whole periods, at least 1 for a contract that ended and 0 for one that runs; "
                f"{too_short.sum():,} are not (at positions {first_rows(too_short)}); round up those that ended"
            )
        if len(periods) and periods.max() > _MOST_PERIODS:
            problems.append(
                f"durations go up to {periods.max():g} periods, and {_MOST_PERIODS:,} are allowed; "
                "count in longer periods"
            )
        if (mass < 0).any():
            problems.append(f"weights must not be negative, and {(mass < 0).sum():,} are; drop those rows")
        raise_problems(where, problems)

        last = int(periods.max(initial=0))
        whole = periods.astype(int)
        out = np.bincount(whole[left], mass[left], minlength=last + 1)
        here = np.bincount(whole, mass, minlength=last + 1)
        # At risk in period t: everyone who left in it or stayed through it.
        risk = here[::-1].cumsum()[::-1]
        return self._estimate(out[1:], risk[1:], float(mass.sum()), start, where)

    def fit_survivors(self, survivors: Any, *, start: tuple[float, float] | None = None) -> ShiftedBetaGeometricResults:
        """Estimate from the number of customers of one cohort that are left after each period.

        Parameters
        ----------
        survivors : array-like of float, shape (periods + 1,)
            Customers at the start, after the first period, after the second, …: never rising. Counts, not shares,
            for the standard errors depend on how many there were.
        start : tuple of float, optional
            Starting values of alpha and beta, above zero.

        Returns
        -------
        ShiftedBetaGeometricResults
            The estimate.

        Raises
        ------
        ParameterError
            If the input is unusable.
        DataFloorError
            If there are fewer than 40 customers, or fewer than 10 who left; if only one period was observed, or
            everyone left in the first.
        ConvergenceError
            If the retention rate does not rise with tenure, so that no finite alpha and beta fit best.

        Examples
        --------
        >>> results = ShiftedBetaGeometric(period="year").fit_survivors([1000, 869, 743, 653, 593, 551, 517, 491])
        >>> results.params.round(3).to_dict()
        {'alpha': 0.668, 'beta': 3.806}
        """
        where = "ShiftedBetaGeometric.fit_survivors"
        problems: list[str] = []
        left_over = as_numbers(survivors, "survivors", problems)
        raise_problems(where, problems)
        if len(left_over) < 2:
            problems.append("survivors need the number at the start and after each period, and have one entry or none")
        if (left_over < 0).any() or (np.diff(left_over) > 0).any():
            problems.append("survivors must not be negative and must never rise: give one cohort, without newcomers")
        raise_problems(where, problems)
        return self._estimate(-np.diff(left_over), left_over[:-1], float(left_over[0]), start, where)

    def _estimate(
        self, left: np.ndarray, risk: np.ndarray, customers: float, start: tuple[float, float] | None, where: str
    ) -> ShiftedBetaGeometricResults:
        seen = risk > 0
        left, risk = left[seen], risk[seen]
        stayed = risk - left
        if not len(risk):
            raise DataFloorError(
                f"{where}: nobody was under contract for a whole {self.period}, so that there is nothing to estimate "
                "from. Wait until contracts have run longer, count in shorter periods, or take the retention rate of "
                "similar contracts, see retention_value."
            )
        hazard = left.sum() / risk.sum()
        if customers < LEAST_CUSTOMERS or left.sum() < LEAST_ENDED:
            simpler = (
                f"Use a constant retention rate instead ({1 - hazard:.4g} a {self.period} in these data, see "
                "retention_value), or wait until more contracts have ended."
                if left.sum() > 0
                else "As long as nobody leaves, these data hold no retention rate: take that of similar contracts, see "
                "retention_value, or wait until contracts have ended."
            )
            raise DataFloorError(
                f"{where}: needs at least {LEAST_CUSTOMERS} customers and {LEAST_ENDED} who left, and there are "
                f"{customers:,g} and {left.sum():,g}. {simpler}"
            )
        if stayed.sum() == 0:
            raise DataFloorError(
                f"{where}: everyone left in the first {self.period}, so that there is nothing to project. Check how "
                f"`ended` is coded; where it is right, a customer is worth one {self.period}'s margin."
            )
        if len(left) < 2:
            raise DataFloorError(
                f"{where}: only one {self.period} was observed, and two parameters need at least two. Give more "
                f"{self.period}s, or use a constant retention rate instead ({1 - hazard:.4g} a {self.period} in these "
                "data, see retention_value)."
            )
        if start is not None and not (len(start) == 2 and np.isfinite(start).all() and min(start) > 0):
            raise_problems(where, [f"start must be two numbers above zero, and is {start!r}"])
        starts = [np.array([hazard, 1 - hazard]) * size for size in (0.5, 3.0, 30.0)] if start is None else [start]
        remedy = (
            f"The retention rate does not rise with tenure, so that customers do not seem to differ: a constant rate "
            f"of {1 - hazard:.4g} per {self.period} says as much; or give more {self.period}s or one cohort at a time."
        )
        if left[1:].sum() == 0:
            raise ConvergenceError(
                f"{where}: everyone who left did so in the first {self.period}, so that the likelihood has no maximum. "
                f"Give more {self.period}s, or count the first one apart."
            )
        params, value, covariance = maximise(
            lambda params: _derivatives(params, left, stayed),
            [np.asarray(values, dtype=float) for values in starts],
            cases=risk.sum(),
            where=where,
            remedy=remedy,
        )
        index = pd.Index(_NAMES, name="parameter")
        return ShiftedBetaGeometricResults(
            params=pd.Series(params, index, name="estimate"),
            std_errors=pd.Series(np.sqrt(np.diag(covariance)), index, name="std_error"),
            covariance=pd.DataFrame(covariance, index, index),
            loglik=value,
            customers=customers,
            period=self.period,
            observed=pd.Series(
                np.concatenate([[1.0], np.cumprod(stayed / risk)]),
                pd.RangeIndex(len(risk) + 1, name="period"),
                name="observed_share",
            ),
        )


@dataclass(frozen=True, eq=False)
class ShiftedBetaGeometricResults:
    """Estimate of a `ShiftedBetaGeometric` model.

    Attributes
    ----------
    params, std_errors : pandas.Series
        alpha and beta of the distribution of the probability to leave, and their standard errors.
    covariance : pandas.DataFrame, shape (2, 2)
        Covariance of the estimates, from the observed information.
    loglik : float
        Log-likelihood.
    customers : float
        Customers the estimate rests on (their total weight).
    period : str
        Unit of time.
    observed : pandas.Series
        Share still there after each period of the data, by Kaplan and Meier's estimate.
    """

    params: pd.Series
    std_errors: pd.Series
    covariance: pd.DataFrame
    loglik: float
    customers: float
    period: str
    observed: pd.Series

    @property
    def aic(self) -> float:
        """Akaike's information criterion: lower is better, among models of the same data."""
        return 2 * len(self.params) - 2 * self.loglik

    def survival(self, periods: Any) -> np.ndarray:
        """Share of a cohort that is still there after so many periods.

        Parameters
        ----------
        periods : array-like of float
            Completed periods, from 0.

        Returns
        -------
        numpy.ndarray of float
            Shares from 0 to 1, in the shape of `periods`.

        Raises
        ------
        ParameterError
            If a period is negative or missing.
        """
        from scipy.special import betaln

        alpha, beta = self.params
        return np.exp(betaln(alpha, beta + _at_least(periods, 0, "periods")) - betaln(alpha, beta))

    def retention_rates(self, periods: Any) -> np.ndarray:
        """Share of those who began a period that renew at its end.

        Parameters
        ----------
        periods : array-like of float
            Number of the period, from 1.

        Returns
        -------
        numpy.ndarray of float
            Rates from 0 to 1, in the shape of `periods`.

        Raises
        ------
        ParameterError
            If a period is below 1 or missing.
        """
        alpha, beta = self.params
        number = _at_least(periods, 1, "periods")
        return (beta + number - 1) / (alpha + beta + number - 1)

    def project(self, periods: int, *, level: float = 0.95) -> pd.DataFrame:
        """Project the survival curve, with intervals for the uncertainty of the estimates.

        Parameters
        ----------
        periods : int
            Last period of the projection, from 1.
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            One row a period from 0: ``period``, ``survival_share``, ``low``, ``high`` (delta method on the logit) and
            ``retention_rate`` (NaN for period 0).

        Raises
        ------
        ParameterError
            If an option is out of range.
        """
        from scipy.special import digamma, expit, logit
        from scipy.stats import norm

        problems = level_problems(level) + count_problems("periods", periods, least=1)
        raise_problems("ShiftedBetaGeometricResults.project", problems)
        alpha, beta = self.params
        number = np.arange(1, periods + 1)
        share = self.survival(number)
        by_alpha = digamma(alpha + beta) - digamma(alpha + beta + number)
        by_beta = by_alpha + digamma(beta + number) - digamma(beta)
        slopes = np.stack([by_alpha, by_beta], axis=1) / (1 - share)[:, None]
        spread = np.sqrt(np.einsum("ij,jk,ik->i", slopes, self.covariance.to_numpy(), slopes))
        reach = norm.ppf((1 + level) / 2) * spread
        return pd.DataFrame(
            {
                "period": np.arange(periods + 1),
                "survival_share": np.concatenate([[1.0], share]),
                "low": np.concatenate([[1.0], expit(logit(share) - reach)]),
                "high": np.concatenate([[1.0], expit(logit(share) + reach)]),
                "retention_rate": np.concatenate([[np.nan], self.retention_rates(number)]),
            }
        )

    def discounted_residual_lifetime(self, tenure: Any, *, annual_discount_rate: float) -> np.ndarray:
        r"""Discounted expected residual lifetime (DERL): payments still to come, in money of today.

        A customer in period :math:`n` is about to decide on the next one; that payment, if it comes, comes now and is
        not discounted: :math:`\sum_{t \ge n} S(t)/S(n-1)\,(1+d)^{-(t-n)}`. Times the margin of a period this is what
        she is worth from today on.

        Parameters
        ----------
        tenure : array-like of float
            Periods paid for so far, from 1; 0 means a new customer, whose first payment is certain.
        annual_discount_rate : float
            Discount rate of a year, at least 0.0001; a period's is (1 + annual)^(1/periods per year) − 1.

        Returns
        -------
        numpy.ndarray of float
            Expected discounted number of payments, in the shape of `tenure`.

        Raises
        ------
        ParameterError
            If the rate is below 0.0001 or a tenure is negative.

        References
        ----------
        Fader, P. S. & Hardie, B. G. S. (2010). Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity. *Marketing Science* 29(1), 85–93.

        Examples
        --------
        >>> model = ShiftedBetaGeometric(period="year")
        >>> results = model.fit_survivors([1000, 631, 468, 382, 326, 289, 262, 241])
        >>> results.discounted_residual_lifetime([0, 1, 5], annual_discount_rate=0.1).round(2).tolist()
        [3.69, 2.96, 5.89]
        """
        if not (is_number(annual_discount_rate) and annual_discount_rate >= _LEAST_RATE):
            raise_problems(
                "ShiftedBetaGeometricResults.discounted_residual_lifetime",
                [
                    (
                        f"annual_discount_rate must be at least {_LEAST_RATE} (0.1 is ten per cent), and is "
                        f"{annual_discount_rate!r}; without discounting the sum may not be finite"
                    )
                ],
            )
        alpha, beta = self.params
        number = _at_least(tenure, 0, "tenure")
        discount = (1 + annual_discount_rate) ** (-1 / PERIODS_PER_YEAR[self.period])
        renews = np.where(number > 0, self.retention_rates(np.maximum(number, 1)), 1.0)
        return renews * _discounted_sum(alpha, beta + number, discount)

    def residual_lifetime_table(
        self, tenures: Any, *, annual_discount_rate: float, level: float = 0.95, n_boot: int = 400, seed: int = 7
    ) -> pd.DataFrame:
        """Discounted expected residual lifetime by tenure, with intervals for the uncertainty of the estimates.

        Parameters
        ----------
        tenures : array-like of float
            Periods paid for so far, from 0, as `discounted_residual_lifetime` takes them.
        annual_discount_rate : float
            Discount rate of a year, at least 0.0001.
        level : float, default 0.95
            Confidence level, between 0 and 1.
        n_boot : int, default 400
            Draws of the parameters from the normal distribution of the logarithms of their estimates, at least 2.
        seed : int, default 7
            Seed.

        Returns
        -------
        pandas.DataFrame
            One row a tenure: ``tenure``, ``payments`` (expected and discounted), ``low``, ``high``.

        Raises
        ------
        ParameterError
            If an option or a tenure is out of range.
        """
        raise_problems(
            "ShiftedBetaGeometricResults.residual_lifetime_table",
            resampling_problems(n_boot, level) + seed_problems(seed),
        )
        payments = self.discounted_residual_lifetime(tenures, annual_discount_rate=annual_discount_rate)
        draws = positive_draws(self.params, self.covariance, n_boot, seed=seed)
        drawn = [
            replace(self, params=pd.Series(values, self.params.index)).discounted_residual_lifetime(
                tenures, annual_discount_rate=annual_discount_rate
            )
            for values in draws
        ]
        low, high = percentile_interval(np.array(drawn), level=level)
        return pd.DataFrame({"tenure": np.asarray(tenures), "payments": payments, "low": low, "high": high})

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

    def survival_table(self, *, periods: int | None = None, level: float = 0.95) -> pd.DataFrame:
        """Table of `plot_survival`: the projection beside what was observed.

        Parameters
        ----------
        periods : int, optional
            Last period. Default: half as many again as were observed.
        level : float, default 0.95
            Confidence level of the interval.

        Returns
        -------
        pandas.DataFrame
            As `project`, and ``observed_share``, NaN past the data.
        """
        seen = len(self.observed) - 1
        table = self.project(seen + (seen + 1) // 2 if periods is None else periods, level=level)
        table.insert(1, "observed_share", self.observed.reindex(table["period"]).to_numpy())
        return table

    def plot_survival(self, *, periods: int | None = None, level: float = 0.95, ax: Axes | None = None) -> Axes:
        """Draw the share still there, observed and projected; `survival_table` has the numbers.

        Parameters
        ----------
        periods : int, optional
            Last period. Default: half as many again as were observed.
        level : float, default 0.95
            Confidence level of the band.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.
        """
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        table = self.survival_table(periods=periods, level=level)
        seen = table.dropna(subset="observed_share")
        ax = new_axes(ax)
        band = tr("{level:.0%} interval").format(level=level)
        ax.fill_between(table["period"], table["low"], table["high"], color=PALETTE[0], alpha=0.2, lw=0, label=band)
        ax.plot(table["period"], table["survival_share"], color=PALETTE[0], label=tr("Model"))
        ax.plot(seen["period"], seen["observed_share"], "o", color=PALETTE[3], markersize=5, label=tr("Observed"))
        end = int(seen["period"].iloc[-1])
        if end < table["period"].iloc[-1]:
            ax.axvline(end, color=MUTED, linestyle=":", linewidth=1.2, label=tr("End of the data"))
        ax.set(
            xlabel=tr("Completed periods ({period})").format(period=tr(self.period)),
            ylabel=tr("Share still there"),
            title=tr("How many stay, and how many will"),
            ylim=(0, 1.02),
        )
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.legend()
        last = table.iloc[-1]
        return describe(
            ax,
            tr(
                "Survival curve. Observed: {observed:.1%} are still there after {end:,} periods; the model says "
                "{model:.1%}, and projects {projected:.1%} after {last:,}."
            ).format(
                observed=seen["observed_share"].iloc[-1],
                end=end,
                model=seen["survival_share"].iloc[-1],
                projected=last["survival_share"],
                last=int(last["period"]),
            ),
        )


def _derivatives(params: np.ndarray, left: np.ndarray, stayed: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood by period, with its derivatives: those at risk leave with the hazard α/(α+β+t−1).

    The product over periods is the likelihood of the paper, and needs no gamma function: nothing can overflow.
    """
    alpha, beta = params
    risk = left + stayed
    own = beta + np.arange(len(left))
    both = alpha + own
    value = left.sum() * np.log(alpha) + stayed @ np.log(own) - risk @ np.log(both)
    shared = (risk / both).sum()
    gradient = np.array([left.sum() / alpha - shared, (stayed / own).sum() - shared])
    cross = (risk / both**2).sum()
    hessian = np.array(
        [[cross - left.sum() / alpha**2, cross], [cross, cross - (stayed / own**2).sum()]],
    )
    return float(value), gradient, hessian


def _discounted_sum(alpha: float, beta: np.ndarray, discount: float) -> np.ndarray:
    """Gauss's hypergeometric function ₂F₁(1, β; α+β; discount), by its continued fraction.

    All terms are positive, so that it stays exact for long tenures, where library routines answer NaN.
    """
    total = alpha + beta
    tail = np.ones_like(beta)
    # The error shrinks by the factor exp(-4·sqrt(1 − discount)) with each pair of terms.
    for m in range(int(np.ceil(20 / np.sqrt(1 - discount))) + 50, 0, -1):
        odd = (beta + m) * (total + m - 1) / ((total + 2 * m - 1) * (total + 2 * m))
        even = m * (alpha + m - 1) / ((total + 2 * m - 2) * (total + 2 * m - 1))
        tail = 1 - even * discount / (1 - odd * discount / tail)
    return 1 / (1 - beta / total * discount / tail)


def _at_least(values: Any, lowest: int, name: str) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    bad = ~(np.isfinite(numbers) & (numbers >= lowest))
    if bad.any():
        raise_problems(
            "ShiftedBetaGeometricResults", [f"{name} must be finite and at least {lowest}; {bad.sum():,} are not"]
        )
    return numbers
