"""Maximum likelihood for positive parameters by a trust-region Newton method with analytic derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from crm_utils.errors import ConvergenceError

# exp(16) = 9 million times or a nine-millionth of the scale of the data: the likelihood has no maximum inside.
_LOG_LIMIT = 16.0
_MOST_GAIN_LEFT = 1e-8

Derivatives = tuple[float, np.ndarray, np.ndarray]


def maximise(
    loglik: Callable[[np.ndarray], Derivatives],
    starts: Iterable[np.ndarray],
    *,
    cases: float,
    where: str,
    remedy: str,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Maximise a log-likelihood over positive parameters; searched on the logarithms of the parameters.

    Parameters
    ----------
    loglik : callable
        From parameters, shape (k,), to the log-likelihood, its gradient (k,) and its Hessian (k, k).
    starts : iterable of numpy.ndarray, shape (k,)
        Starting values; the best end counts.
    cases : float
        Total weight of the cases: the search works on the mean log-likelihood.
    where, remedy : str
        Who asks, and what to do if there is no maximum: the parts of the error.

    Returns
    -------
    params : numpy.ndarray, shape (k,)
        The maximum.
    value : float
        Log-likelihood there.
    covariance : numpy.ndarray, shape (k, k)
        Of the parameters themselves: that of their logarithms, by the delta method.

    Raises
    ------
    ConvergenceError
        If no start ends at a proper maximum inside the limits.
    """
    from scipy.optimize import minimize

    def negative(logs: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        params = np.exp(np.clip(logs, -30, 30))
        value, gradient, hessian = loglik(params)
        curved = hessian * np.outer(params, params) + np.diag(params * gradient)
        return -value / cases, -params * gradient / cases, -curved / cases

    best: tuple[float, np.ndarray] | None = None
    for start in starts:
        found = minimize(
            lambda logs: negative(logs)[:2],
            np.log(start),
            jac=True,
            hess=lambda logs: negative(logs)[2],
            method="trust-exact",
            options={"gtol": 1e-9, "maxiter": 500},
        )
        if _is_maximum(found.x, negative(found.x), cases) and (best is None or found.fun < best[0]):
            best = (float(found.fun), found.x)
    if best is None:
        raise ConvergenceError(f"{where}: the likelihood has no maximum inside the range of the parameters. {remedy}")
    params = np.exp(best[1])
    # By the logarithms, where it was found to be positive: by the parameters, rounding can undo that.
    of_logs = np.linalg.inv(negative(best[1])[2]) / cases
    return params, float(loglik(params)[0]), of_logs * np.outer(params, params)


def _is_maximum(logs: np.ndarray, derivatives: Derivatives, cases: float) -> bool:
    """Whether the curvature is that of a maximum, and a further Newton step would gain next to nothing."""
    _, gradient, hessian = derivatives
    if not np.isfinite(hessian).all() or np.abs(logs).max() > _LOG_LIMIT:
        return False
    if np.linalg.eigvalsh(hessian).min() <= 0:
        return False
    return bool(cases * gradient @ np.linalg.solve(hessian, gradient) < _MOST_GAIN_LEFT)
