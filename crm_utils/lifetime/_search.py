"""Maximum likelihood from a value and its gradient: a search on a thinned sample, then Newton steps on all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from crm_utils.errors import ConvergenceError

# Logarithms of parameters, in units of the mean age, beyond which a parameter has run away.
LOG_BOUND = 12.0
# A fit has converged when a Newton step would improve the log-likelihood by less than this.
_LEAST_GAIN = 1e-9
# Standard error of a combination of logarithms from which on the data say nothing: a factor of 20,000 up or down.
_LARGEST_ERROR = 5.0
_MOST_STEPS = 40

# Negative mean log-likelihood and its gradient.
Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def best_of(objective: Objective, starts: Sequence[np.ndarray], *, most: int) -> np.ndarray:
    """Search from the best starts, and keep the best end.

    Parameters
    ----------
    objective : callable
        From a point, shape (k,), to the negative mean log-likelihood and its gradient.
    starts : sequence of numpy.ndarray, shape (k,)
        Where to begin.
    most : int
        How many of them are followed: those with the lowest objective.

    Returns
    -------
    numpy.ndarray, shape (k,)
        The best end.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7}
    # Its matrices are tiny; where the processors are busy, waiting for a second thread takes most of the time.
    with threadpool_limits(1, user_api="blas"):
        ends = [
            minimize(
                objective,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=[(-LOG_BOUND, LOG_BOUND)] * len(start),
                options=options,
            )
            for start in sorted(starts, key=lambda start: objective(start)[0])[:most]
        ]
    return min(ends, key=lambda end: end.fun).x


def hessian(objective: Objective, point: np.ndarray, *, width: float = 1e-4) -> np.ndarray:
    """Second derivatives by central differences of the analytic gradient."""
    steps = np.eye(len(point)) * width
    columns = [(objective(point + step)[1] - objective(point - step)[1]) / (2 * width) for step in steps]
    table = np.array(columns)
    return (table + table.T) / 2


def newton(
    objective: Objective,
    point: np.ndarray,
    curvature: np.ndarray,
    *,
    cases: float,
    names: Sequence[str],
    where: str,
    remedy: str,
    causes: Mapping[str, str] = MappingProxyType({}),
    refresh: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Take Newton steps to the minimum of the objective.

    Parameters
    ----------
    objective : callable
        As in `best_of`.
    point : numpy.ndarray, shape (k,)
        A point near the minimum.
    curvature : numpy.ndarray, shape (k, k)
        Its Hessian, roughly: from a sample, or of other weights. Kept as long as it brings the minimum nearer fast.
    cases : float
        Weight of the cases whose mean the objective is.
    names : sequence of str
        Names of the parameters, for the error.
    where, remedy : str
        Who asks, and what to do if there is no minimum.
    causes : mapping of str to str, optional
        What the likely cause is where a parameter of that name does not settle, as a sentence without a full stop.
    refresh : bool, default True
        Take the Hessian at the minimum, and check that it is one; False trusts `curvature` to the end.

    Returns
    -------
    point : numpy.ndarray, shape (k,)
        The minimum.
    curvature : numpy.ndarray, shape (k, k)
        Hessian there.

    Raises
    ------
    ConvergenceError
        If a parameter runs away, the objective is flat, or the steps do not end.
    """
    value, gradient = objective(point)
    before = np.inf
    for _ in range(_MOST_STEPS):
        step = _downhill(curvature, gradient)
        gain = float(gradient @ step) * cases
        if not refresh and gain < _LEAST_GAIN:
            return point, curvature
        if not _LEAST_GAIN / 10 <= gain < before / 4:
            curvature = hessian(objective, point)
            before = np.inf
            step = _downhill(curvature, gradient)
            gain = float(gradient @ step) * cases
            if gain < _LEAST_GAIN or _run_away(point).any():
                _refuse_flat(point, curvature * cases, names, where, remedy, causes)
                return point - step, curvature
        length = min(1.0, 1.0 / np.abs(step).max())
        while True:
            new_value, new_gradient = objective(point - length * step)
            if new_value <= value + 1e-12 * abs(value) or length < 1e-3:
                break
            length /= 4
        # Where a step had to be shortened, the curvature does not fit, and is taken anew.
        before = gain if length == 1 else 0.0
        point, value, gradient = point - length * step, new_value, new_gradient
    _refuse_flat(point, hessian(objective, point) * cases, names, where, remedy, causes)
    raise ConvergenceError(f"{where}: no maximum was reached in {_MOST_STEPS} Newton steps. {remedy}.")


def _downhill(curvature: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Newton's step, with the curvature taken as upward in every direction, so that it leads down from a saddle too."""
    values, directions = np.linalg.eigh(curvature)
    steepness = np.maximum(np.abs(values), 1e-12 * np.abs(values).max() + 1e-300)
    return directions @ (directions.T @ gradient / steepness)


def _run_away(point: np.ndarray) -> np.ndarray:
    return np.abs(point) > LOG_BOUND - 0.1


def _refuse_flat(
    point: np.ndarray,
    information: np.ndarray,
    names: Sequence[str],
    where: str,
    remedy: str,
    causes: Mapping[str, str],
) -> None:
    runaway = _run_away(point)
    if not runaway.any() and np.linalg.eigvalsh(information)[0] > _LARGEST_ERROR**-2:
        return
    flat = runaway if runaway.any() else np.abs(np.linalg.eigh(information)[1][:, 0]) > 0.3
    named = ", ".join(name for name, bad in zip(names, flat, strict=True) if bad)
    likely = "".join(f" {cause}." for name, cause in causes.items() if name in named.split(", "))
    raise ConvergenceError(f"{where}: the likelihood does not settle {named}.{likely} {remedy}.")
