"""What the buy-till-you-die models share: input checks, merging of equal rows, estimation and results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from crm_utils.checks import as_numbers, first_rows, level_problems, raise_problems
from crm_utils.errors import ConvergenceError, DataFloorError

# Below these the four parameters cannot be told apart; simpler methods serve better.
MIN_CUSTOMERS = 50
MIN_REPEAT_BUYERS = 10

# Logarithms of parameters, in units of the mean age, beyond which a parameter has run away.
_LOG_BOUND = 12.0
# Starting points are compared on at most this many rows; the winner is then refined on all of them.
_TRIAL_ROWS = 4_000
# A fit has converged when a Newton step would improve the log-likelihood by less than this.
_DECREMENT = 1e-9

REMEDY = (
    "Use a longer calibration period or more customers, check that frequency counts repeat purchases only and that "
    "recency and age are in one unit, or fit another of the purchase models"
)


@dataclass(frozen=True, eq=False)
class PurchaseRows:
    """Distinct purchase histories and how many customers have each.

    Parameters
    ----------
    frequency, recency, age, weights : numpy.ndarray
        One entry a distinct history.
    """

    frequency: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.frequency)

    def thin(self, rows: int) -> PurchaseRows:
        """Keep at most `rows` of them, evenly spaced."""
        step = -(-len(self) // rows)
        return PurchaseRows(self.frequency[::step], self.recency[::step], self.age[::step], self.weights[::step])


def history_frame(where: str, frequency: Any, recency: Any, age: Any) -> pd.DataFrame:
    """Check purchase histories and put them side by side.

    Parameters
    ----------
    where : str
        Who asks, for the message.
    frequency, recency, age : array-like
        One entry a customer; see `BetaGeoNBD.fit`.

    Returns
    -------
    pandas.DataFrame
        Columns frequency, recency and age, as floats, with the index of `frequency` where it has one.

    Raises
    ------
    ParameterError
        If lengths differ or a value is not possible: every problem.
    """
    problems: list[str] = []
    given = {"frequency": frequency, "recency": recency, "age": age}
    given = {name: [values] if np.ndim(values) == 0 else values for name, values in given.items()}
    lengths = {name: len(values) for name, values in given.items()}
    if len(set(lengths.values())) > 1:
        raise_problems(where, [f"frequency, recency and age must be equally long, and have lengths {lengths}"])
    if lengths["frequency"] == 0:
        raise_problems(where, ["there are no customers; at least one is needed"])
    x, t_x, age_ = (as_numbers(values, name, problems) for name, values in given.items())
    raise_problems(where, problems)
    rules = (
        ((x < 0) | (x != np.round(x)), "frequency must be a whole number of repeat purchases, 0 or more"),
        (age_ < 0, "age must be 0 or more"),
        ((t_x < 0) | (t_x > age_), "recency must lie between 0 and age"),
        ((x == 0) & (t_x > 0), "recency must be 0 where frequency is 0: it is the time of the last repeat purchase"),
        ((x > 0) & (t_x == 0), "recency must be above 0 where frequency is: merge purchases of the same moment first"),
    )
    problems = [f"{rule}; {bad.sum():,} rows (at positions {first_rows(bad)})" for bad, rule in rules if bad.any()]
    raise_problems(where, problems)
    index = frequency.index if isinstance(frequency, pd.Series) else None
    return pd.DataFrame({"frequency": x, "recency": t_x, "age": age_}, index=index)


def _check_weights(where: str, weights: Any, customers: int) -> np.ndarray:
    if weights is None:
        return np.ones(customers)
    if np.ndim(weights) != 1 or len(weights) != customers:
        raise_problems(where, [f"weights must have one entry a row, that is {customers:,}"])
    problems: list[str] = []
    numbers = as_numbers(weights, "weights", problems)
    if not problems and (numbers < 0).any():
        problems.append(f"weights must be 0 or more; {(numbers < 0).sum():,} are not")
    raise_problems(where, problems)
    return numbers


def _check_floor(where: str, frequency: np.ndarray, weights: np.ndarray) -> None:
    customers, buyers = weights.sum(), weights[frequency > 0].sum()
    if customers < MIN_CUSTOMERS or buyers < MIN_REPEAT_BUYERS:
        raise DataFloorError(
            f"{where}: needs at least {MIN_CUSTOMERS} customers, {MIN_REPEAT_BUYERS} of them with a repeat purchase; "
            f"there are {customers:,.0f}, {buyers:,.0f} of them with a repeat purchase. Use a longer calibration "
            "period, or a simpler method such as a retention rate."
        )


def merge_equal_rows(histories: pd.DataFrame, weights: np.ndarray) -> PurchaseRows:
    """Count customers of equal history.

    Parameters
    ----------
    histories : pandas.DataFrame
        As from `history_frame`.
    weights : numpy.ndarray
        Customers a row stands for.

    Returns
    -------
    PurchaseRows
        Sorted by frequency, recency and age, so that the order of the input does not matter.
    """
    names = ["frequency", "recency", "age"]
    counted = histories.assign(weights=weights).groupby(names, sort=True)["weights"].sum().reset_index()
    counted = counted[counted["weights"] > 0]
    return PurchaseRows(*(counted[name].to_numpy() for name in [*names, "weights"]))


class PurchaseModel(ABC):
    """A model of repeat purchases until an unseen dropout, with four positive parameters."""

    parameters: ClassVar[tuple[str, ...]]
    time_parameters: ClassVar[tuple[str, ...]]
    starts: ClassVar[tuple[tuple[float, ...], ...]]

    @abstractmethod
    def _log_likelihood(self, params: np.ndarray, rows: PurchaseRows) -> tuple[float, np.ndarray]:
        """Weighted log-likelihood, and its gradient by the parameters."""

    @abstractmethod
    def _p_alive(self, params: np.ndarray, x: np.ndarray, t_x: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Probability that the customer has not dropped out by `age`."""

    @abstractmethod
    def _expected_if_alive(self, params: np.ndarray, x: np.ndarray, age: np.ndarray, horizon: np.ndarray) -> np.ndarray:
        """Expected purchases in (age, age + horizon] of a customer alive at `age`."""

    @abstractmethod
    def _expected_new(self, params: np.ndarray, horizon: np.ndarray) -> np.ndarray:
        """Expected repeat purchases by `horizon` of a customer just won."""

    def fit(self, frequency: Any, recency: Any, age: Any, *, weights: Any = None) -> PurchaseResults:
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

        Returns
        -------
        PurchaseResults
            Parameters in the unit of time of `recency` and `age`.

        Raises
        ------
        ParameterError
            If a history is not possible: every problem.
        DataFloorError
            If there are fewer than 50 customers, or fewer than 10 with a repeat purchase.
        ConvergenceError
            If the likelihood has no maximum inside the parameter space.

        Notes
        -----
        Time is divided by the mean age before the search, and the log-likelihood reported is that of the unit given.
        In a unit c times as long, time-scaled parameters are divided by c, Σx·ln c is added to the log-likelihood,
        and all else stays as it is.
        """
        where = f"{type(self).__name__}.fit"
        histories = history_frame(where, frequency, recency, age)
        counts = _check_weights(where, weights, len(histories))
        _check_floor(where, histories["frequency"].to_numpy(), counts)
        rows = merge_equal_rows(histories, counts)
        unit = float(np.average(rows.age, weights=rows.weights))
        rows = PurchaseRows(rows.frequency, rows.recency / unit, rows.age / unit, rows.weights)
        log_params, loglik, covariance = _maximise(self._log_likelihood, rows, self.starts, self.parameters, where)
        scale = np.array([unit if name in self.time_parameters else 1.0 for name in self.parameters])
        names = pd.Index(self.parameters, name="parameter")
        return PurchaseResults(
            model=self,
            params=pd.Series(np.exp(log_params) * scale, index=names, name="estimate"),
            covariance=pd.DataFrame(covariance, index=names, columns=names),
            loglik=loglik - float(rows.weights @ rows.frequency) * np.log(unit),
            customers=float(rows.weights.sum()),
            histories=histories,
        )


def _maximise(
    log_likelihood: Callable[[np.ndarray, PurchaseRows], tuple[float, np.ndarray]],
    rows: PurchaseRows,
    starts: tuple[tuple[float, ...], ...],
    names: tuple[str, ...],
    where: str,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Find the maximum over log-parameters: estimate, log-likelihood and covariance matrix."""

    def objective(log_params: np.ndarray, data: PurchaseRows) -> tuple[float, np.ndarray]:
        params = np.exp(log_params)
        value, gradient = log_likelihood(params, data)
        total = data.weights.sum()
        return -value / total, -gradient * params / total

    bounds = [(-_LOG_BOUND, _LOG_BOUND)] * len(names)

    def search(start: np.ndarray, data: PurchaseRows):
        options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7}
        return minimize(objective, start, (data,), jac=True, method="L-BFGS-B", bounds=bounds, options=options)

    trials = [search(np.log(start), rows.thin(_TRIAL_ROWS)) for start in starts]
    estimate = min(trials, key=lambda trial: trial.fun).x
    if len(rows) > _TRIAL_ROWS:
        estimate = search(estimate, rows).x
    total = rows.weights.sum()
    for _ in range(30):
        hessian = _hessian(lambda point: objective(point, rows)[1], estimate)
        gradient = objective(estimate, rows)[1]
        runaway = np.abs(estimate) > _LOG_BOUND - 0.1
        if runaway.any() or np.linalg.eigvalsh(hessian)[0] * total <= 1e-6:
            flat = np.abs(np.linalg.eigh(hessian)[1][:, 0]) > 0.3
            named = ", ".join(name for name, bad in zip(names, runaway if runaway.any() else flat, strict=True) if bad)
            raise ConvergenceError(f"{where}: the likelihood does not settle {named}. {REMEDY}.")
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step * total < _DECREMENT:
            return estimate, -objective(estimate, rows)[0] * total, np.linalg.inv(hessian) / total
        estimate = estimate - step * min(1.0, 1.0 / np.abs(step).max())
    raise ConvergenceError(f"{where}: no maximum was reached in 30 Newton steps. {REMEDY}.")


def _hessian(gradient: Callable[[np.ndarray], np.ndarray], point: np.ndarray, *, width: float = 1e-4) -> np.ndarray:
    """Second derivatives by central differences of the analytic gradient."""
    steps = np.eye(len(point)) * width
    columns = [(gradient(point + step) - gradient(point - step)) / (2 * width) for step in steps]
    hessian = np.array(columns)
    return (hessian + hessian.T) / 2


@dataclass(frozen=True, eq=False)
class PurchaseResults:
    """A fitted purchase model.

    Parameters
    ----------
    model : PurchaseModel
        The specification that was fitted.
    params : pandas.Series
        Estimates, by parameter; those of time are in the unit of the data.
    covariance : pandas.DataFrame
        Covariance matrix of the *logarithms* of the parameters, from the Hessian.
    loglik : float
        Log-likelihood at the estimates, in the unit of the data.
    customers : float
        Customers fitted (the sum of the weights).
    histories : pandas.DataFrame
        Frequency, recency and age as fitted, one row a customer.
    """

    model: PurchaseModel
    params: pd.Series
    covariance: pd.DataFrame
    loglik: float
    customers: float
    histories: pd.DataFrame

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors of the parameters by the delta method: parameter × standard error of its logarithm."""
        return (self.params * np.sqrt(np.diag(self.covariance))).rename("std_error")

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2k − 2 log-likelihood."""
        return 2 * len(self.params) - 2 * self.loglik

    def _histories(self, where: str, frequency: Any, recency: Any, age: Any) -> pd.DataFrame:
        given = [values is not None for values in (frequency, recency, age)]
        if not any(given):
            return self.histories
        if not all(given):
            raise_problems(where, ["frequency, recency and age must be given together, or none of them"])
        return history_frame(where, frequency, recency, age)

    def p_alive(self, frequency: Any = None, recency: Any = None, age: Any = None) -> pd.Series:
        """Probability that each customer is still a customer.

        Parameters
        ----------
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.

        Returns
        -------
        pandas.Series
            Named p_alive, one entry a customer.

        Raises
        ------
        ParameterError
            If a history is not possible: every problem.
        """
        histories = self._histories("p_alive", frequency, recency, age)
        values = self.model._p_alive(self.params.to_numpy(), *(histories[name].to_numpy() for name in histories))
        return pd.Series(values, index=histories.index, name="p_alive")

    def expected_purchases(
        self, horizon: float, frequency: Any = None, recency: Any = None, age: Any = None
    ) -> pd.Series:
        """Purchases to expect of each customer over the horizon, given its history.

        Parameters
        ----------
        horizon : float
            Length of time from the end of the calibration period, in the unit of the data; 0 or more.
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.

        Returns
        -------
        pandas.Series
            Named expected_purchases, one entry a customer.

        Raises
        ------
        ParameterError
            If the horizon is negative or a history is not possible.
        """
        (length,) = _as_horizons("expected_purchases", [horizon])
        histories = self._histories("expected_purchases", frequency, recency, age)
        alive = self.p_alive(frequency, recency, age)
        # A million customers have few distinct pairs of frequency and age, and the quadrature is the dear part.
        pairs = histories[["frequency", "age"]].drop_duplicates()
        if_alive = self.model._expected_if_alive(
            self.params.to_numpy(), pairs["frequency"].to_numpy(), pairs["age"].to_numpy(), np.full(len(pairs), length)
        )
        known = pd.Series(if_alive, index=pd.MultiIndex.from_frame(pairs))
        looked_up = known.reindex(pd.MultiIndex.from_frame(histories[["frequency", "age"]])).to_numpy()
        return (alive * looked_up).rename("expected_purchases")

    def expected_purchases_new(self, horizon: Any) -> Any:
        """Repeat purchases to expect of a customer just won.

        Parameters
        ----------
        horizon : float or array-like of float
            Time since the first purchase, in the unit of the data; 0 or more.

        Returns
        -------
        float or numpy.ndarray
            One number for one horizon, else one a horizon.

        Raises
        ------
        ParameterError
            If a horizon is negative.
        """
        lengths = _as_horizons("expected_purchases_new", np.atleast_1d(horizon))
        expected = self.model._expected_new(self.params.to_numpy(), lengths)
        return float(expected[0]) if np.ndim(horizon) == 0 else expected

    def predict(self, horizon: float, frequency: Any = None, recency: Any = None, age: Any = None) -> pd.DataFrame:
        """Put history, probability of being alive and expected purchases side by side.

        Parameters
        ----------
        horizon : float
            Length of time from the end of the calibration period, in the unit of the data; 0 or more.
        frequency, recency, age : array-like, optional
            Histories as in `fit`; default: the customers fitted.

        Returns
        -------
        pandas.DataFrame
            One row a customer: frequency, recency, age, p_alive, expected_purchases.

        Raises
        ------
        ParameterError
            If the horizon is negative or a history is not possible.
        """
        return self._histories("predict", frequency, recency, age).assign(
            p_alive=self.p_alive(frequency, recency, age),
            expected_purchases=self.expected_purchases(horizon, frequency, recency, age),
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
            One row a parameter: estimate, std_error, low, high. The intervals are symmetric on the log scale.

        Raises
        ------
        ParameterError
            If the level does not lie between 0 and 1.
        """
        raise_problems("summary_frame", level_problems(level))
        factor = np.exp(norm.ppf((1 + level) / 2) * np.sqrt(np.diag(self.covariance)))
        return pd.DataFrame(
            {
                "estimate": self.params,
                "std_error": self.std_errors,
                "low": self.params / factor,
                "high": self.params * factor,
            }
        )


def _as_horizons(where: str, horizons: Any) -> np.ndarray:
    problems: list[str] = []
    lengths = as_numbers(horizons, "horizon", problems)
    if (lengths < 0).any():
        problems.append("horizon must be 0 or more")
    raise_problems(where, problems)
    return lengths
