"""Purchase histories and spend with planted parameters: what a model has to find again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, raise_problems
from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.pareto_nbd import ParetoNBD
from crm_utils.lifetime.purchases import PurchaseModel

_SPEND_PARAMETERS = ("p", "q", "gamma")
# Gamma and beta draws of a small shape underflow to zero, a value that has no density.
_SMALLEST_RATE = 1e-200
_SMALLEST_PROBABILITY = 1e-300
_LARGEST_PROBABILITY = 1 - 2.0**-53
# Nobody buys so often: past it, dropping out at the next purchase or at none is the same thing.
_MOST_PURCHASES = 2.0**31


def simulate_histories(
    model: PurchaseModel, params: Any, age: Any, *, seed: int | np.random.SeedSequence, horizon: float | None = None
) -> pd.DataFrame:
    """Simulate purchase histories of customers who follow a purchase model.

    Parameters
    ----------
    model : BetaGeoNBD, ModifiedBetaGeoNBD or ParetoNBD
        The model.
    params : pandas.Series, mapping or sequence
        Its parameters, by name (as ``results.params``) or in the order of the model; above zero, time in the unit of
        `age`. A parameter is one number, or an array of one a customer, where customers differ by covariates.
    age : array-like of float, shape (n,)
        Time each customer has been observed since the first purchase; 0 or more.
    seed : int or numpy.random.SeedSequence
        Seed of the random numbers.
    horizon : float, optional
        Length of time after `age`, 0 or more, over which to go on. Does not change what happened before.

    Returns
    -------
    pandas.DataFrame
        One row a customer, with the columns

        * frequency : repeat purchases by `age`
        * recency : time of the last of them; 0 where there is none
        * age : as given
        * rate : purchases of the customer in a unit of time, while still a customer
        * dropout_probability (dropout_rate under Pareto/NBD) : chance to drop out at a purchase (in a unit of time)
        * left_at : time of dropping out; NaN for those who are still customers at `age`
        * purchases_ahead : purchases in (age, age + horizon]; only with `horizon`

    Raises
    ------
    ParameterError
        If the model is not one of these, a parameter is missing or not above zero, or an age or the horizon is
        negative: every problem.

    Notes
    -----
    No loop over customers or purchases. Under BG/NBD the dropout comes with the k-th purchase, k geometric and its
    time gamma; given that time, the purchases before it lie uniformly, so that those by `age` are binomial and the
    last of them is the largest of so many uniform numbers. Under Pareto/NBD purchases are Poisson until the dropout.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: section 3.
    .. [2] Schmittlein, D. C., Morrison, D. G. & Colombo, R. (1987). Counting your customers: who are they and what
       will they do next? Management Science 33(1), 1-24.

    Examples
    --------
    >>> params = {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0}
    >>> histories = simulate_histories(BetaGeoNBD(), params, np.full(20_000, 52.0), seed=1, horizon=26)
    >>> list(histories.columns)
    ['frequency', 'recency', 'age', 'rate', 'dropout_probability', 'left_at', 'purchases_ahead']
    >>> fitted = BetaGeoNBD().fit(histories["frequency"], histories["recency"], histories["age"])
    >>> bool(abs(fitted.expected_purchases(26).sum() / histories["purchases_ahead"].sum() - 1) < 0.05)
    True
    """
    where = "simulate_histories"
    draw = next((draw for kind, draw in _DRAWS if isinstance(model, kind)), None)
    if draw is None:
        known = ", ".join(kind.__name__ for kind, _ in _DRAWS)
        raise_problems(where, [f"model must be an instance of one of {known}, and is {model!r}"])
    problems: list[str] = []
    ages = as_numbers(age, "age", problems)
    if (ages < 0).any():
        problems.append(f"age must be 0 or more; {(ages < 0).sum():,} of {len(ages):,} are not")
    if horizon is not None and not 0 <= horizon < np.inf:
        problems.append(f"horizon must be 0 or more, and is {horizon!r}")
    values = _parameters(params, model.parameters, len(ages), problems)
    raise_problems(where, problems)
    return draw(values, ages, horizon, np.random.default_rng(seed))


def simulate_spend(params: Any, purchases: Any, *, seed: int | np.random.SeedSequence) -> pd.DataFrame:
    """Simulate what customers spend who follow the gamma–gamma model.

    Parameters
    ----------
    params : pandas.Series, mapping or sequence
        Parameters p, q and gamma, by name (as ``results.params``) or in this order; above zero, gamma in money. A
        parameter is one number, or an array of one a customer.
    purchases : array-like of int, shape (n,)
        Purchases of each customer, 0 or more.
    seed : int or numpy.random.SeedSequence
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        One row a customer: ``mean_spend`` of these purchases, NaN where there are none, and ``true_mean_spend``, which
        it would approach with more of them.

    Raises
    ------
    ParameterError
        If a parameter is missing or not above zero, or a number of purchases is negative: every problem.

    References
    ----------
    .. [1] Fader, P. S. & Hardie, B. G. S. (2013). The gamma-gamma model of monetary value. Note 025.

    Examples
    --------
    >>> spend = simulate_spend({"p": 6.0, "q": 4.0, "gamma": 15.0}, np.full(20_000, 5), seed=1)
    >>> bool(abs(spend["mean_spend"].mean() - 6 * 15 / (4 - 1)) < 0.5)
    True
    """
    problems: list[str] = []
    count = as_numbers(purchases, "purchases", problems)
    if (count < 0).any():
        problems.append(f"purchases must be 0 or more; {(count < 0).sum():,} of {len(count):,} are not")
    values = _parameters(params, _SPEND_PARAMETERS, len(count), problems)
    raise_problems("simulate_spend", problems)
    p, q, gamma = values
    rng = np.random.default_rng(seed)
    mean = p / np.maximum(rng.gamma(q, 1 / gamma), _SMALLEST_RATE)
    total = rng.standard_gamma(p * count) * mean / p
    return pd.DataFrame(
        {
            "mean_spend": np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0),
            "true_mean_spend": mean,
        }
    )


def _parameters(params: Any, names: tuple[str, ...], customers: int, problems: list[str]) -> list[np.ndarray]:
    """One array a parameter, one entry a customer."""
    if isinstance(params, pd.Series | Mapping):
        given = dict(params)
        if missing := [name for name in names if name not in given]:
            problems.append(f"params lack {', '.join(missing)}; they have {', '.join(map(str, given))}")
            return []
        params = [given[name] for name in names]
    if len(params) != len(names):
        problems.append(f"params must be {', '.join(names)}, and are {len(params)} numbers")
        return []
    values = []
    for name, value in zip(names, params, strict=True):
        numbers = np.asarray(value, dtype=float)
        if numbers.shape not in ((), (customers,)):
            problems.append(f"{name} must be one number or one a customer, and has the shape {numbers.shape}")
        elif not (np.isfinite(numbers) & (numbers > 0)).all():
            problems.append(f"{name} must be finite and above zero")
        else:
            values.append(np.broadcast_to(numbers, customers))
    return values


def _until_a_purchase(
    params: list[np.ndarray],
    age: np.ndarray,
    horizon: float | None,
    rng: np.random.Generator,
    *,
    chances_at_start: int,
) -> pd.DataFrame:
    """BG/NBD, and its modified form with a first chance to drop out at the start."""
    r, alpha, a, b = params
    rate = np.maximum(rng.gamma(r, 1 / alpha), _SMALLEST_RATE)
    dropout = np.clip(rng.beta(a, b), _SMALLEST_PROBABILITY, _LARGEST_PROBABILITY)
    geometric = np.floor(rng.standard_exponential(len(age)) / -np.log1p(-dropout))
    last = np.minimum(geometric + 1 - chances_at_start, _MOST_PURCHASES)
    ends = rng.standard_gamma(last) / rate

    gone = ends <= age
    before = np.where(gone, 0, last - 1).astype(np.int64)
    seen = rng.binomial(before, np.divide(age, ends, out=np.zeros(len(age)), where=~gone))
    frequency = np.where(gone, last, seen).astype(np.int64)
    recency = np.where(gone, ends, _last_of(frequency, age, rng))
    histories = pd.DataFrame(
        {
            "frequency": frequency,
            "recency": recency,
            "age": age,
            "rate": rate,
            "dropout_probability": dropout,
            "left_at": np.where(gone, ends, np.nan),
        }
    )
    if horizon is None:
        return histories
    leaves = ~gone & (ends <= age + horizon)
    stays = ~gone & ~leaves
    share = np.divide(horizon, ends - age, out=np.zeros(len(age)), where=stays)
    ahead = rng.binomial(np.where(stays, before - seen, 0), share)
    return histories.assign(purchases_ahead=np.where(leaves, before - seen + 1, ahead))


def _until_a_moment(
    params: list[np.ndarray], age: np.ndarray, horizon: float | None, rng: np.random.Generator
) -> pd.DataFrame:
    """Pareto/NBD."""
    r, alpha, s, beta = params
    rate = np.maximum(rng.gamma(r, 1 / alpha), _SMALLEST_RATE)
    dropout = np.maximum(rng.gamma(s, 1 / beta), _SMALLEST_RATE)
    ends = rng.standard_exponential(len(age)) / dropout
    observed = np.minimum(ends, age)
    frequency = rng.poisson(rate * observed)
    histories = pd.DataFrame(
        {
            "frequency": frequency,
            "recency": _last_of(frequency, observed, rng),
            "age": age,
            "rate": rate,
            "dropout_rate": dropout,
            "left_at": np.where(ends <= age, ends, np.nan),
        }
    )
    if horizon is None:
        return histories
    return histories.assign(purchases_ahead=rng.poisson(rate * np.clip(ends - age, 0, horizon)))


def _last_of(count: np.ndarray, length: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The largest of `count` uniform numbers up to `length`; 0 where there are none."""
    uniform = 1 - rng.random(len(count))
    return np.where(count > 0, length * uniform ** (1 / np.maximum(count, 1)), 0.0)


_DRAWS = (
    (BetaGeoNBD, partial(_until_a_purchase, chances_at_start=0)),
    (ModifiedBetaGeoNBD, partial(_until_a_purchase, chances_at_start=1)),
    (ParetoNBD, _until_a_moment),
)
