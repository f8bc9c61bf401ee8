"""What the buy-till-you-die models share: estimation, covariates and results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    index_problems,
    raise_problems,
    seed_problems,
)
from crm_utils.errors import ConvergenceError, DataFloorError
from crm_utils.lifetime._estimates import log_intervals, normal_draws
from crm_utils.lifetime._search import Objective, best_of, hessian, newton
from crm_utils.lifetime.histories import (
    HISTORY,
    PurchaseRows,
    covariate_frame,
    history_frame,
    merge_equal_rows,
    row_weights,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Below these the four parameters cannot be told apart; simpler methods serve better.
MIN_CUSTOMERS = 50
MIN_REPEAT_BUYERS = 10

PERIODS_PER_YEAR = {"day": 365.25, "week": 365.25 / 7, "month": 12.0, "year": 1.0}

# Where the usual starting points lead nowhere.
_MORE_STARTS = np.exp(np.random.default_rng(0).uniform(-3, 3, (16, 4)))
# Starting points are compared on at most this many rows; the winner is then refined on all of them.
_TRIAL_ROWS = 4_000
REMEDY_IN_DATA = (
    "Use a longer calibration period or more customers, and check that frequency counts repeat purchases only and that "
    "recency and age are in one unit"
)
REMEDY = f"{REMEDY_IN_DATA}; or fit another of the purchase models"
# Purchase rates that do not differ at all, and r runs away: so look customers who are more regular than chance.
STEADY = "Perhaps customers buy at one regular pace, which these models do not describe"

# The four parameters: a number each, or one entry a row where covariates make them differ.
Parameters = tuple[Any, Any, Any, Any]


@dataclass(frozen=True)
class PurchaseModel(ABC):
    """A model of repeat purchases until an unseen dropout, with four positive parameters.

    Parameters
    ----------
    unit : {"day", "week", "month", "year"}, default "week"
        Unit of recency and age. It does not change the fit, only how a horizon in months is read.
    """

    unit: str = "week"

    parameters: ClassVar[tuple[str, ...]]
    time_parameters: ClassVar[tuple[str, ...]]
    starts: ClassVar[tuple[tuple[float, ...], ...]]
    # Which of the four a covariate of dropout scales, and whether up or down where dropout is more likely.
    dropout_parameter: ClassVar[tuple[int, float]]
    # So many that what is computed in between stays in the cache of the processor.
    rows_at_a_time: ClassVar[int] = 16_384

    def __post_init__(self):
        if self.unit not in PERIODS_PER_YEAR:
            raise_problems(type(self).__name__, [f"unit must be one of {list(PERIODS_PER_YEAR)}, and is {self.unit!r}"])

    @abstractmethod
    def _log_likelihoods(self, params: Parameters, rows: PurchaseRows) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Log-likelihood of each row, and its derivatives by the four parameters of the row."""

    @abstractmethod
    def _p_alive(
        self, params: Parameters, x: np.ndarray, t_x: np.ndarray, age: np.ndarray, *, rough: bool = False
    ) -> np.ndarray:
        """Probability that the customer has not dropped out by `age`; `rough`: five digits suffice."""

    @abstractmethod
    def _expected_if_alive(
        self, params: Parameters, x: np.ndarray, age: np.ndarray, horizons: np.ndarray, *, rough: bool = False
    ) -> np.ndarray:
        """Expected purchases in (age, age + horizon] of customers alive at `age`, one column a horizon.

        `rough`: five digits suffice.
        """

    @abstractmethod
    def _stays_if_alive(self, params: Parameters, x: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
        """Probability that a customer alive at `age` has not dropped out by age + horizon."""

    @abstractmethod
    def _expected_new(self, params: Parameters, horizons: np.ndarray) -> np.ndarray:
        """Expected repeat purchases by each horizon of a customer just won."""

    @abstractmethod
    def _count_distribution(self, params: Parameters, age: np.ndarray, largest: int) -> np.ndarray:
        """Probability of 0, 1, …, `largest` and of more repeat purchases by `age`, one row a customer."""

    @abstractmethod
    def _pair_rate(self, params: Parameters, time: np.ndarray) -> np.ndarray:
        """Rate of pairs of purchases of a customer just won, the later one at each `time`; how purchases cluster."""

    @abstractmethod
    def _purchase_times(
        self, params: Parameters, x: np.ndarray, age: np.ndarray, horizon: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Simulate purchases in (age, age + horizon] of customers alive at `age`: whose, and how long after `age`."""

    def _discounted_if_alive(
        self, params: Parameters, x: np.ndarray, age: np.ndarray, horizon: float, rate: float, *, rough: bool = False
    ) -> np.ndarray:
        """Expected purchases as in `_expected_if_alive`, discounted continuously at `rate` a unit of time.

        ∫e^(−δt) dY(t) = e^(−δH)·Y(H) + δ∫e^(−δt)·Y(t) dt: the second integral is small and smooth.
        """
        # Purchases come fast at first: the square brings more of the nodes there.
        nodes, weights = np.polynomial.legendre.leggauss(6 if rough else 12)
        nodes, weights = (1 + nodes) / 2, weights / 2
        times = np.append(horizon * nodes**2, horizon)
        shares = np.append(2 * rate * horizon * nodes * weights, 1.0) * np.exp(-rate * times)
        if rate == 0:
            times, shares = times[-1:], shares[-1:]
        return self._expected_if_alive(params, x, age, times, rough=rough) @ shares

    def _with_covariates(self, params: np.ndarray, rate_effect: Any, dropout_effect: Any) -> Parameters:
        """Scale the parameters by exp(effect): α by the effect on the rate, one other by that on dropout."""
        scaled: list[Any] = list(params[:4])
        place, sign = self.dropout_parameter
        scaled[1] = scaled[1] * np.exp(-rate_effect)
        scaled[place] = scaled[place] * np.exp(sign * dropout_effect)
        return tuple(scaled)

    def _objective(self, rows: PurchaseRows) -> Objective:
        """Negative mean log-likelihood by the logarithms of the four parameters and the coefficients."""
        total = rows.weights.sum()
        parts = list(rows.parts(self.rows_at_a_time))
        rates, dropouts = rows.rate.shape[1], rows.dropout.shape[1]
        place, sign = self.dropout_parameter

        # Sums, where products of matrices would wake threads that cost more than they save on parts this small.
        def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
            params = np.exp(point[:4])
            value, gradient = 0.0, np.zeros(len(point))
            for part in parts:
                rate_effect = (part.rate * point[4 : 4 + rates]).sum(axis=1) if rates else 0.0
                dropout_effect = (part.dropout * point[4 + rates :]).sum(axis=1) if dropouts else 0.0
                of_row = self._with_covariates(params, rate_effect, dropout_effect)
                logs, slopes = self._log_likelihoods(of_row, part)
                value += (part.weights * logs).sum()
                by_log = [part.weights * slope * param for slope, param in zip(slopes, of_row, strict=True)]
                gradient[:4] += [slope.sum() for slope in by_log]
                if rates:
                    gradient[4 : 4 + rates] -= (by_log[1][:, None] * part.rate).sum(axis=0)
                if dropouts:
                    gradient[4 + rates :] += sign * (by_log[place][:, None] * part.dropout).sum(axis=0)
            return -value / total, -gradient / total

        return objective

    def fit(
        self,
        frequency: Any,
        recency: Any = None,
        age: Any = None,
        *,
        weights: Any = None,
        rate_covariates: Any = None,
        dropout_covariates: Any = None,
    ) -> PurchaseResults:
        """Estimate by maximum likelihood.

        Parameters
        ----------
        frequency : array-like of whole numbers, one a customer
            Repeat purchases (x); the first purchase does not count.
        recency : array-like of float, one a customer
            Time from the first to the last purchase (t_x); 0 where frequency is 0.
        age : array-like of float, one a customer
            Time from the first purchase to the end of the calibration period (T).
        weights : array-like of float, one a row, optional
            How many customers a row stands for; default 1.
        rate_covariates, dropout_covariates : pandas.DataFrame or array-like, one row a customer, optional
            Numbers or flags that do not change with time and may move the purchase rate, or dropout. A purchase rate
            is multiplied by exp(coefficient × covariate). So are the odds of dropping out at a purchase on average
            (BG/NBD and MBG/NBD), or the rate of dropping out (Pareto/NBD).

        Returns
        -------
        PurchaseResults
            Parameters in the unit of time of `recency` and `age`; with covariates, the four hold for a customer with
            zeros, and a coefficient follows for each covariate, named ``rate_…`` or ``dropout_…``.

        Raises
        ------
        ParameterError
            If a history or a covariate is not possible: every problem.
        DataFloorError
            If there are fewer than 50 customers, or fewer than 10 with a repeat purchase.
        ConvergenceError
            If the likelihood has no maximum inside the parameter space.

        Notes
        -----
        Time is divided by the mean age before the search, and the log-likelihood reported is that of the unit given.
        In a unit c times as long, time-scaled parameters are divided by c, Σx·ln c is added to the log-likelihood,
        and all else stays as it is. Covariates enter as in [1]_, with one coefficient each for dropout.

        References
        ----------
        .. [1] Fader, P. S. & Hardie, B. G. S. (2007). Incorporating time-invariant covariates into the Pareto/NBD and
           BG/NBD models. Note 019, brucehardie.com.
        """
        where = f"{type(self).__name__}.fit"
        if recency is None or age is None:
            raise_problems(
                where,
                [
                    (
                        "frequency, recency and age are three columns; of a table, give table['frequency'], "
                        "table['recency'] and table['age']"
                    )
                ],
            )
        histories = history_frame(where, frequency, recency, age)
        beside = {"weights": weights, "rate_covariates": rate_covariates, "dropout_covariates": dropout_covariates}
        raise_problems(where, index_problems(frequency=frequency, **beside))
        counts = row_weights(where, weights, len(histories))
        rate = covariate_frame(where, "rate_covariates", rate_covariates, histories.index)
        dropout = covariate_frame(where, "dropout_covariates", dropout_covariates, histories.index)
        _check_floor(where, histories["frequency"].to_numpy(), counts)
        names = pd.Index(
            [*self.parameters, *(f"rate_{name}" for name in rate), *(f"dropout_{name}" for name in dropout)],
            name="parameter",
        )
        scaled = _Scaled(self, histories, counts, rate.to_numpy(), dropout.to_numpy())
        rows = scaled.reweighted(counts)
        objective = self._objective(rows)
        thin = rows.coarse(_TRIAL_ROWS)
        trial = self._objective(thin)
        nothing = np.zeros(len(names) - 4)

        for starts, most in ((self.starts, 2), ((*self.starts, *_MORE_STARTS), 20)):
            point = best_of(trial, [np.concatenate([np.log(start), nothing]) for start in starts], most=most)
            try:
                point, curvature = newton(
                    objective,
                    point,
                    hessian(trial, point),
                    cases=rows.weights.sum(),
                    names=names,
                    where=where,
                    remedy=REMEDY,
                    causes={"r": STEADY},
                )
            except ConvergenceError as error:
                failure = error
            else:
                break
        else:
            raise failure
        estimate = scaled.turn @ point + scaled.shift
        estimate[:4] = np.exp(estimate[:4])
        covariance = scaled.turn @ np.linalg.inv(curvature) @ scaled.turn.T / rows.weights.sum()
        loglik = -objective(point)[0] * rows.weights.sum()
        return PurchaseResults(
            model=self,
            params=pd.Series(estimate, index=names, name="estimate"),
            covariance=pd.DataFrame(covariance, index=names, columns=names),
            loglik=loglik - float(rows.weights @ rows.frequency) * np.log(scaled.unit),
            customers=float(counts.sum()),
            histories=histories,
            weights=counts,
            rate_covariates=rate,
            dropout_covariates=dropout,
        )


class _Scaled:
    """Merged histories in units that suit the search: time by the mean age, covariates by their spread."""

    def __init__(
        self,
        model: PurchaseModel,
        histories: pd.DataFrame,
        weights: np.ndarray,
        rate: np.ndarray,
        dropout: np.ndarray,
    ):
        self.unit = float(np.average(histories["age"], weights=weights))
        in_units = histories.assign(recency=histories["recency"] / self.unit, age=histories["age"] / self.unit)
        both = np.hstack([rate, dropout])
        middle, spread = both.mean(axis=0), both.std(axis=0)
        both = (both - middle) / spread
        self.rows, self.place = merge_equal_rows(in_units, weights, both[:, : rate.shape[1]], both[:, rate.shape[1] :])
        # From the point of the search to that in the units given: `turn` times it, plus `shift`.
        self.turn = np.diag(np.concatenate([np.ones(4), 1 / spread]))
        place, sign = model.dropout_parameter
        for column, (centre, width) in enumerate(zip(middle, spread, strict=True)):
            affected, direction = (1, 1.0) if column < rate.shape[1] else (place, -sign)
            self.turn[affected, 4 + column] = direction * centre / width
        timed = [name in model.time_parameters for name in model.parameters]
        self.shift = np.concatenate([np.where(timed, np.log(self.unit), 0.0), np.zeros(both.shape[1])])

    def reweighted(self, weights: np.ndarray) -> PurchaseRows:
        """The rows with other weights of the customers; rows without any are left out."""
        rows = replace(self.rows, weights=np.bincount(self.place, weights, len(self.rows)))
        return rows.where(rows.weights > 0)


def _check_floor(where: str, frequency: np.ndarray, weights: np.ndarray) -> None:
    customers, buyers = weights.sum(), weights[frequency > 0].sum()
    if customers < MIN_CUSTOMERS or buyers < MIN_REPEAT_BUYERS:
        raise DataFloorError(
            f"{where}: needs at least {MIN_CUSTOMERS} customers, {MIN_REPEAT_BUYERS} of them with a repeat purchase; "
            f"there are {customers:,.0f}, {buyers:,.0f} of them with a repeat purchase. Use a longer calibration "
            "period, or a simpler method: naive_values, retention_values or migration_values."
        )


@dataclass(frozen=True, eq=False)
class PurchaseResults:
    """A fitted purchase model.

    Parameters
    ----------
    model : PurchaseModel
        The specification that was fitted.
    params : pandas.Series
        Estimates, by parameter; those of time are in the unit of the data. Coefficients of covariates come last.
    covariance : pandas.DataFrame
        Covariance matrix of the *logarithms* of the four parameters and of the coefficients as they are, from the
        Hessian.
    loglik : float
        Log-likelihood at the estimates, in the unit of the data.
    customers : float
        Customers fitted (the sum of the weights).
    histories : pandas.DataFrame
        Frequency, recency and age as fitted, one row a customer.
    weights : numpy.ndarray
        Customers each row of `histories` stands for.
    rate_covariates, dropout_covariates : pandas.DataFrame
        Covariates as fitted, one row a customer; without columns where there are none.
    """

    model: PurchaseModel
    params: pd.Series
    covariance: pd.DataFrame
    loglik: float
    customers: float
    histories: pd.DataFrame
    weights: np.ndarray
    rate_covariates: pd.DataFrame
    dropout_covariates: pd.DataFrame

    @property
    def _jacobian(self) -> np.ndarray:
        """Derivatives of the parameters by what `covariance` is about."""
        return np.where(np.arange(len(self.params)) < 4, self.params, 1.0)

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors of the parameters by the delta method: parameter × standard error of its logarithm."""
        return pd.Series(self._jacobian * np.sqrt(np.diag(self.covariance)), self.params.index, name="std_error")

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2k − 2 log-likelihood: lower is better, among models of the same data."""
        return 2 * len(self.params) - 2 * self.loglik

    @property
    def has_covariates(self) -> bool:
        """Whether customers differ by covariates."""
        return len(self.params) > 4

    def _customers(
        self, where: str, frequency: Any, recency: Any, age: Any, rate: Any, dropout: Any
    ) -> tuple[pd.DataFrame, Parameters]:
        """Histories to predict for, those fitted by default, and the parameters of each customer."""
        given = [values is not None for values in (frequency, recency, age)]
        if not any(given):
            if rate is not None or dropout is not None:
                raise_problems(where, ["covariates go with histories: give frequency, recency and age too"])
            return self.histories, self._parameters(self.params.to_numpy())
        if not all(given):
            raise_problems(where, ["frequency, recency and age must be given together, or none of them"])
        histories = history_frame(where, frequency, recency, age)
        raise_problems(where, index_problems(frequency=frequency, rate_covariates=rate, dropout_covariates=dropout))
        return histories, self._parameters(
            self.params.to_numpy(),
            covariate_frame(where, "rate_covariates", rate, histories.index, fitted=self.rate_covariates.columns),
            covariate_frame(
                where, "dropout_covariates", dropout, histories.index, fitted=self.dropout_covariates.columns
            ),
        )

    def _parameters(
        self, values: np.ndarray, rate: pd.DataFrame | None = None, dropout: pd.DataFrame | None = None
    ) -> Parameters:
        """Turn estimates or draws of them into the four parameters, one entry a customer where covariates differ."""
        rate = self.rate_covariates if rate is None else rate
        dropout = self.dropout_covariates if dropout is None else dropout
        rates = self.rate_covariates.shape[1]
        return self.model._with_covariates(
            values,
            rate.to_numpy() @ values[4 : 4 + rates] if rates else 0.0,
            dropout.to_numpy() @ values[4 + rates :] if len(values) > 4 + rates else 0.0,
        )

    def p_alive(
        self,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        rate_covariates: Any = None,
        dropout_covariates: Any = None,
    ) -> pd.Series:
        """Probability that each customer is still a customer.

        Parameters
        ----------
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.
        rate_covariates, dropout_covariates : pandas.DataFrame or array-like, optional
            Their covariates, with the columns of the fit; needed with histories where the fit had covariates.

        Returns
        -------
        pandas.Series
            Named p_alive, one entry a customer.

        Raises
        ------
        ParameterError
            If a history or covariate is not possible: every problem.
        """
        histories, params = self._customers("p_alive", frequency, recency, age, rate_covariates, dropout_covariates)
        values = self.model._p_alive(params, *(histories[name].to_numpy() for name in HISTORY))
        return pd.Series(values, index=histories.index, name="p_alive")

    def expected_purchases(
        self,
        horizon: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        rate_covariates: Any = None,
        dropout_covariates: Any = None,
    ) -> pd.Series:
        """Purchases to expect of each customer over the horizon, given its history.

        Parameters
        ----------
        horizon : float
            Length of time from the end of the calibration period, in the unit of the data; 0 or more.
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.
        rate_covariates, dropout_covariates : pandas.DataFrame or array-like, optional
            Their covariates, as in `p_alive`.

        Returns
        -------
        pandas.Series
            Named expected_purchases, one entry a customer.

        Raises
        ------
        ParameterError
            If the horizon is negative or a history or covariate is not possible.
        """
        where = "expected_purchases"
        (length,) = _as_horizons(where, [horizon])
        histories, params = self._customers(where, frequency, recency, age, rate_covariates, dropout_covariates)
        x, t_x, age_ = (histories[name].to_numpy() for name in HISTORY)
        expected = self.model._p_alive(params, x, t_x, age_) * _if_alive(self.model, params, x, age_, length)
        return pd.Series(expected, index=histories.index, name="expected_purchases")

    def expected_purchases_new(
        self, horizon: Any, *, rate_covariates: Any = None, dropout_covariates: Any = None
    ) -> Any:
        """Repeat purchases to expect of a customer just won.

        Parameters
        ----------
        horizon : float or array-like of float
            Time since the first purchase, in the unit of the data; 0 or more.
        rate_covariates, dropout_covariates : mapping or pandas.Series, optional
            Covariates of that customer by name; default: zeros.

        Returns
        -------
        float or numpy.ndarray
            One number for one horizon, else one a horizon.

        Raises
        ------
        ParameterError
            If a horizon is negative or a covariate is not known.
        """
        lengths = _as_horizons("expected_purchases_new", np.atleast_1d(horizon))
        frames = []
        for name, fitted, given in (
            ("rate_covariates", self.rate_covariates, rate_covariates),
            ("dropout_covariates", self.dropout_covariates, dropout_covariates),
        ):
            values = dict.fromkeys(fitted, 0.0) | dict({} if given is None else given)
            frames.append(
                covariate_frame(
                    "expected_purchases_new", name, pd.DataFrame([values]), pd.RangeIndex(1), fitted=fitted.columns
                )
            )
        params = tuple(float(np.squeeze(value)) for value in self._parameters(self.params.to_numpy(), *frames))
        expected = self.model._expected_new(params, lengths)
        return float(expected[0]) if np.ndim(horizon) == 0 else expected

    def predict(
        self,
        horizon: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        rate_covariates: Any = None,
        dropout_covariates: Any = None,
    ) -> pd.DataFrame:
        """Put history, probability of being alive and expected purchases side by side.

        Parameters
        ----------
        horizon : float
            Length of time from the end of the calibration period, in the unit of the data; 0 or more.
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.
        rate_covariates, dropout_covariates : pandas.DataFrame or array-like, optional
            Their covariates, as in `p_alive`.

        Returns
        -------
        pandas.DataFrame
            One row a customer: frequency, recency, age, p_alive, expected_purchases.

        Raises
        ------
        ParameterError
            If the horizon is negative or a history or covariate is not possible.
        """
        covariates = {"rate_covariates": rate_covariates, "dropout_covariates": dropout_covariates}
        histories, _ = self._customers("predict", frequency, recency, age, *covariates.values())
        return histories.assign(
            p_alive=self.p_alive(frequency, recency, age, **covariates),
            expected_purchases=self.expected_purchases(horizon, frequency, recency, age, **covariates),
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
            One row a parameter: parameter, estimate, std_error, low, high. The intervals of the four parameters are
            symmetric on the logarithm, those of coefficients as they are.

        Raises
        ------
        ParameterError
            If the level does not lie between 0 and 1.
        """
        return log_intervals(self.params, self.std_errors, level=level, positive=4)

    def frequency_table(self, *, largest: int = 7, level: float = 0.95) -> pd.DataFrame:
        """Customers by number of repeat purchases, against expectation; see `crm_utils.lifetime.frequency_table`."""
        from crm_utils.lifetime.goodness import frequency_table

        return frequency_table(self, largest=largest, level=level)

    def tracking_table(self, activity: pd.DataFrame, *, cumulative: bool = True, level: float = 0.95) -> pd.DataFrame:
        """Repeat purchases over time, against expectation; see `crm_utils.lifetime.tracking_table`."""
        from crm_utils.lifetime.goodness import tracking_table

        return tracking_table(self, activity, cumulative=cumulative, level=level)

    def holdout_table(self, purchases: Any, *, horizon: float, **options: Any) -> pd.DataFrame:
        """Hold-out purchases against expectation; see `crm_utils.lifetime.holdout_table` for the options."""
        from crm_utils.lifetime.goodness import holdout_table

        return holdout_table(self, purchases, horizon=horizon, **options)

    def plot_frequency(self, *, largest: int = 7, ax: Axes | None = None) -> Axes:
        """Draw how many customers repeated how often, against expectation; see `crm_utils.lifetime.plot_frequency`."""
        from crm_utils.lifetime.goodness import plot_frequency

        return plot_frequency(self, largest=largest, ax=ax)

    def plot_tracking(self, activity: pd.DataFrame, *, cumulative: bool = True, ax: Axes | None = None) -> Axes:
        """Draw repeat purchases over time, against expectation; see `crm_utils.lifetime.plot_tracking`."""
        from crm_utils.lifetime.goodness import plot_tracking

        return plot_tracking(self, activity, cumulative=cumulative, ax=ax)

    def plot_holdout(self, purchases: Any, *, horizon: float, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw hold-out purchases against expectation; see `crm_utils.lifetime.plot_holdout` for the options."""
        from crm_utils.lifetime.goodness import plot_holdout

        return plot_holdout(self, purchases, horizon=horizon, ax=ax, **options)

    def parameter_draws(self, n_draws: int, *, seed: int | np.random.SeedSequence = 7) -> np.ndarray:
        """Draw parameters from the normal distribution of their estimates, the four on the logarithm.

        Parameters
        ----------
        n_draws : int
            Number of draws, from 1.
        seed : int, default 7
            Seed, 0 or more.

        Returns
        -------
        numpy.ndarray of float, shape (n_draws, parameters)
            One draw a row, in the order of `params`.

        Raises
        ------
        ParameterError
            If the number of draws is below 1, or the seed is no whole number of 0 or more.
        """
        raise_problems("parameter_draws", count_problems("n_draws", n_draws, least=1) + seed_problems(seed))
        centre = np.concatenate([np.log(self.params.iloc[:4]), self.params.iloc[4:]])
        draws = normal_draws(centre, self.covariance, n_draws, seed=seed)
        draws[:, :4] = np.exp(draws[:, :4])
        return draws

    def refits(self, counts: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
        """Fit again with the customers drawn otherwise: the case bootstrap.

        Parameters
        ----------
        counts : iterable of numpy.ndarray, shape (customers,)
            How often each row of `histories` is drawn.

        Yields
        ------
        numpy.ndarray of float, shape (parameters,), or None
            Parameters in the order of `params`; None where the likelihood has no maximum.
        """
        scaled = _Scaled(
            self.model,
            self.histories,
            self.weights,
            self.rate_covariates.to_numpy(),
            self.dropout_covariates.to_numpy(),
        )
        centre = np.concatenate([np.log(self.params.iloc[:4]), self.params.iloc[4:]])
        back = np.linalg.inv(scaled.turn)
        start = back @ (centre - scaled.shift)
        curvature = np.linalg.inv(back @ self.covariance.to_numpy() @ back.T) / self.customers
        for drawn in counts:
            rows = scaled.reweighted(drawn * self.weights)
            try:
                point, _ = newton(
                    self.model._objective(rows),
                    start,
                    curvature,
                    cases=rows.weights.sum(),
                    names=list(self.params.index),
                    where=f"{type(self.model).__name__}: a bootstrap replicate",
                    remedy=REMEDY,
                    refresh=False,
                )
            except ConvergenceError:
                yield None
                continue
            draw = scaled.turn @ point + scaled.shift
            draw[:4] = np.exp(draw[:4])
            yield draw


def _if_alive(model: PurchaseModel, params: Parameters, x: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
    """Purchases to expect of living customers: as the model's own, but each pair of frequency and age only once."""
    if any(np.ndim(value) for value in params):
        return model._expected_if_alive(params, x, age, np.array([horizon]))[:, 0]
    # A million customers have few distinct pairs of frequency and age, and the quadrature is the dear part.
    pairs, place = np.unique(x + 1j * age, return_inverse=True)
    return model._expected_if_alive(params, pairs.real, pairs.imag, np.array([horizon]))[place, 0]


def _as_horizons(where: str, horizons: Any) -> np.ndarray:
    problems: list[str] = []
    lengths = as_numbers(horizons, "horizon", problems)
    if (lengths < 0).any():
        problems.append("horizon must be 0 or more")
    raise_problems(where, problems)
    return lengths
