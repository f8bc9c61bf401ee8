"""How many repeat purchases a customer makes: distributions under the purchase models, and how purchases cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betainc, gammaln, xlogy

from crm_utils.checks import count_problems, raise_problems
from crm_utils.lifetime.dropout import over_dropout, stays

# Gauss–Legendre rule over the time of dropout; rows taken at a time to keep memory small.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(96)
_ROWS_AT_A_TIME = 2_048


def beta_geometric_counts(
    r: Any, alpha: Any, a: Any, b: Any, age: Any, largest: int, *, chances_at_start: int
) -> np.ndarray:
    """Distribution of the number of repeat purchases under the BG/NBD model and its modified form.

    Parameters
    ----------
    r, alpha, a, b : float or array-like of shape (rows,)
        Parameters, above zero.
    age : float or array-like of shape (rows,)
        Time since the first purchase, 0 or more, in the unit of time of `alpha`.
    largest : int
        Largest number of purchases that is told apart, 0 or more.
    chances_at_start : {0, 1}
        Whether a customer may drop out right after the first purchase: 0 for BG/NBD, 1 for its modified form.

    Returns
    -------
    numpy.ndarray of float, shape (rows, largest + 2)
        Probabilities of 0, 1, …, `largest` purchases, and of more. Each is computed for itself: that a row adds up to
        1 is no construction, but a check.

    Raises
    ------
    ParameterError
        If a parameter is not above zero, an age is negative or `largest` is no count: every problem.

    Notes
    -----
    With N the purchases of a customer who never drops out, at least x ≥ 1 purchases are made if N ≥ x and each of the
    earlier chances to drop out was passed up. The sums of equation 8 are then incomplete beta functions, and no number
    is a difference of two others.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). "Counting your customers" the easy way: an alternative
       to the Pareto/NBD model. Marketing Science 24(2), 275-284: equation 8.
    .. [2] Batislam, E. P., Denizel, M. & Filiztekin, A. (2007). Empirical validation and comparison of models for
       customer base analysis. International Journal of Research in Marketing 24(3), 201-209.

    Examples
    --------
    Of customers like those of CDNOW, 39 weeks after their first purchase:

    >>> beta_geometric_counts(0.243, 4.414, 0.793, 2.426, 39, 3, chances_at_start=0).round(3)
    array([[0.574, 0.199, 0.085, 0.046, 0.096]])
    """
    r, alpha, a, b, age = _rows("beta_geometric_counts", largest, r=r, alpha=alpha, a=a, b=b, age=age)
    counts = np.empty((len(age), largest + 2))
    at_least = np.ones(len(age))  # P(N ≥ x)
    passed = np.ones(len(age))  # all chances to drop out before the last one
    leaves = np.zeros(len(age))  # at the last one
    if chances_at_start:
        passed, leaves = b / (a + b), a / (a + b)
    for x in range(largest + 1):
        if x > 0:
            at_least = betainc(x, r, age / (alpha + age))
            chance = x - 1 + chances_at_start
            leaves = passed * a / (a + b + chance)
            passed = passed * (b + chance) / (a + b + chance)
        counts[:, x] = passed * np.exp(_log_nbd(r, alpha, age, x)) + leaves * at_least
    counts[:, -1] = passed * betainc(largest + 1, r, age / (alpha + age))
    return counts


def pareto_counts(r: Any, alpha: Any, s: Any, beta: Any, age: Any, largest: int) -> np.ndarray:
    """Distribution of the number of repeat purchases under the Pareto/NBD model.

    Parameters
    ----------
    r, alpha, s, beta : float or array-like of shape (rows,)
        Parameters, above zero.
    age : float or array-like of shape (rows,)
        Time since the first purchase, 0 or more, in the unit of time of `alpha` and `beta`.
    largest : int
        Largest number of purchases that is told apart, 0 or more.

    Returns
    -------
    numpy.ndarray of float, shape (rows, largest + 2)
        Probabilities of 0, 1, …, `largest` purchases, and of more. Each is computed for itself: that a row adds up to
        1 is no construction, but a check.

    Raises
    ------
    ParameterError
        If a parameter is not above zero, an age is negative or `largest` is no count: every problem.

    Notes
    -----
    With f and S the density and survival function of the time of dropout, and NBD the distribution of purchases of a
    customer who never drops out, P(X(t) = x) = NBD_x(t)·S(t) + ∫₀ᵗ NBD_x(u)·f(u) du, and more than x are made with
    probability ∫₀ᵗ NBD_x(u)·(r + x)/(α + u)·S(u) du, the time of the next purchase coming before that of dropout. The
    integrands are positive; a Gauss–Legendre rule does them on the logarithm of time. The closed form by ₂F₁ is a
    difference of nearly equal numbers.

    References
    ----------
    .. [1] Schmittlein, D. C., Morrison, D. G. & Colombo, R. (1987). Counting your customers: who are they and what
       will they do next? Management Science 33(1), 1-24.
    .. [2] Fader, P. S. & Hardie, B. G. S. (2006). Deriving an expression for P(X(t) = x) under the Pareto/NBD model.

    Examples
    --------
    >>> pareto_counts(0.553, 10.578, 0.606, 11.669, 39, 3).round(3)
    array([[0.594, 0.166, 0.082, 0.049, 0.109]])
    """
    r, alpha, s, beta, age = _rows("pareto_counts", largest, r=r, alpha=alpha, s=s, beta=beta, age=age)
    counts = np.empty((len(age), largest + 2))
    for first in range(0, len(age), _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        counts[part] = _pareto_part(*(values[part, None] for values in (r, alpha, s, beta, age)), largest)
    return counts


def beta_geometric_pairs(r: Any, alpha: Any, a: Any, b: Any, time: Any, *, chances_at_start: int) -> np.ndarray:
    """Rate of pairs of purchases under the BG/NBD model and its modified form.

    Parameters
    ----------
    r, alpha, a, b : float or array-like of shape (rows,)
        Parameters, above zero.
    time : float or array-like of shape (rows,)
        Time of the later purchase since the first of all, 0 or more, in the unit of time of `alpha`.
    chances_at_start : {0, 1}
        Whether a customer may drop out right after the first purchase: 0 for BG/NBD, 1 for its modified form.

    Returns
    -------
    numpy.ndarray of float, shape (rows,)
        E[dX(u)·dX(v)]/(du·dv) at v = `time` and any u before it: it does not depend on u. Twice the integral of
        (v − t₀)·rate over v in (t₀, t₁] is E[X(X − 1)] of the purchases of a customer in that period.

    Raises
    ------
    ParameterError
        If a parameter is not above zero or a time is negative: every problem.

    Notes
    -----
    A customer of rate λ and dropout probability p has bought at u with density λ·exp(−λpu), stays with probability
    1 − p, and buys again at v with density λ·exp(−λp(v − u)). The product is averaged over λ in closed form and over p
    by the trapezoidal rule.

    Examples
    --------
    At the very start, nobody has had a chance to drop out but at the earlier purchase: E[λ²]·E[1 − p].

    >>> beta_geometric_pairs(2.0, 10.0, 1.0, 3.0, 0.0, chances_at_start=0).round(6)
    array([0.045])
    """
    r, alpha, a, b, time = _rows("beta_geometric_pairs", 0, r=r, alpha=alpha, a=a, b=b, time=time)
    # Staying after the earlier purchases turns Beta(a, b) into Beta(a, b + 1), and so on.
    chances, stayed = 1 + chances_at_start, 1.0
    for chance in range(chances):
        stayed = stayed * (b + chance) / (a + b + chance)
    # Time is in the rate, since each row has its own.
    rate = np.divide(alpha, time, out=np.full(len(time), np.inf), where=time > 0)
    bought_at = over_dropout(stays, r + 2, rate, a, b + chances, np.ones(1))[:, 0]
    return r * (r + 1) / alpha**2 * stayed * bought_at


def pareto_pairs(r: Any, alpha: Any, s: Any, beta: Any, time: Any) -> np.ndarray:
    """Rate of pairs of purchases under the Pareto/NBD model.

    Parameters
    ----------
    r, alpha, s, beta : float or array-like of shape (rows,)
        Parameters, above zero.
    time : float or array-like of shape (rows,)
        Time of the later purchase since the first of all, 0 or more, in the unit of time of `alpha` and `beta`.

    Returns
    -------
    numpy.ndarray of float, shape (rows,)
        As of `beta_geometric_pairs`: E[λ²] times the chance of being a customer at `time`.

    Raises
    ------
    ParameterError
        If a parameter is not above zero or a time is negative: every problem.

    Examples
    --------
    >>> pareto_pairs(2.0, 10.0, 1.0, 30.0, [0.0, 30.0])
    array([0.06, 0.03])
    """
    r, alpha, s, beta, time = _rows("pareto_pairs", 0, r=r, alpha=alpha, s=s, beta=beta, time=time)
    return r * (r + 1) / alpha**2 * np.exp(-s * np.log1p(time / beta))


def _pareto_part(r, alpha, s, beta, age, largest: int) -> np.ndarray:
    pace = np.minimum(1 / (r / alpha + (s + 1) / beta), np.minimum(alpha, beta))
    half = 0.5 * np.log1p(age / pace)
    logs = half * (1 + _NODES)
    time = pace * np.expm1(logs)
    width = np.log(pace * _NODE_WEIGHTS) + logs + np.log(half, where=half > 0, out=np.full(half.shape, -np.inf))
    log_survival = -s * np.log1p(time / beta)
    log_dropping = width + log_survival + np.log(s) - np.log(beta + time)
    log_survival_at_age = -s * np.log1p(age / beta)
    counts = np.empty((len(age), largest + 2))
    for x in range(largest + 1):
        log_nbd = _log_nbd(r, alpha, time, x)
        stays = np.exp(_log_nbd(r, alpha, age, x) + log_survival_at_age)
        counts[:, x] = stays[:, 0] + np.exp(log_nbd + log_dropping).sum(axis=1)
    next_purchase = log_nbd + np.log(r + largest) - np.log(alpha + time)
    counts[:, -1] = np.exp(next_purchase + log_survival + width).sum(axis=1)
    return counts


def _log_nbd(r, alpha, time, x: int) -> np.ndarray:
    """Logarithm of the chance of x purchases in (0, time] by a customer who never drops out."""
    arrangements = gammaln(r + x) - gammaln(r) - gammaln(x + 1)
    return arrangements - r * np.log1p(time / alpha) + xlogy(x, time / (alpha + time))


def _rows(where: str, largest: int, **values: Any) -> list[np.ndarray]:
    """Check parameters and times, and make them arrays of one entry a row."""
    problems = count_problems("largest", largest, least=0)
    arrays = {name: np.asarray(value, dtype=float) for name, value in values.items()}
    for name, array in arrays.items():
        if name in ("age", "time") and not ((array >= 0) & np.isfinite(array)).all():
            problems.append(f"{name} must be 0 or more")
        elif name not in ("age", "time") and not ((array > 0) & np.isfinite(array)).all():
            problems.append(f"{name} must be finite and above zero")
    shapes = {array.shape for array in arrays.values()} - {()}
    if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
        problems.append(f"parameters and times must be one number or one a row, and have the shapes {sorted(shapes)}")
    raise_problems(where, problems)
    shape = next(iter(shapes), (1,))
    return [np.broadcast_to(array, shape) for array in arrays.values()]
