"""Standard errors and intervals of whatever follows from the estimates of a bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from crm_utils.intervals import percentile_interval
from crm_utils.pls.bootstrap import PathBootstrap, _bca
from crm_utils.pls.estimates import improper
from crm_utils.pls.quantities import Fit


def derived_intervals(
    bootstrap: PathBootstrap, derive: Callable[[Fit], np.ndarray], *, level: float = 0.95
) -> pd.DataFrame:
    """Intervals of quantities that follow from an estimate, of the kind the bootstrap was asked for.

    Parameters
    ----------
    bootstrap : PathBootstrap
        The replicates.
    derive : callable
        Gives the quantities of an estimate, in one replicate or many: Fit → array of shape (replicates, quantities).
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        ``estimate``, ``std_error``, ``low``, ``high``, one row a quantity.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> data = pd.DataFrame(np.random.default_rng(7).normal(size=(80, 2)), columns=["x", "y"])
    >>> replicates = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data).bootstrap(200, seed=7)
    >>> ours = derived_intervals(replicates, lambda fit: fit.estimates.paths[:, 0, [1]])
    >>> bool(np.allclose(ours, replicates.intervals("paths")))
    True
    """
    results = bootstrap.results
    left_out = None
    if bootstrap.left_out is not None:
        items, without = bootstrap.left_out
        defined = without.converged & ~improper(without, results.model.layout(), results.options)
        left_out = derive(results.fit_of(without, items))[defined]
    return interval_table(
        derive(results.fit_of(results.estimates, results.moments))[0],
        derive(results.fit_of(bootstrap.estimates, bootstrap.moments))[bootstrap.usable],
        left_out,
        level=level,
    )


def interval_table(
    estimate: np.ndarray, replicates: np.ndarray, left_out: np.ndarray | None, *, level: float
) -> pd.DataFrame:
    """Standard errors and intervals of quantities from their replicates.

    Parameters
    ----------
    estimate : numpy.ndarray of float, shape (quantities,)
        Estimates from all cases.
    replicates : numpy.ndarray of float, shape (replicates, quantities)
        Estimates in the usable replicates.
    left_out : numpy.ndarray of float, shape (units, quantities), or None
        Estimates without one unit at a time, for BCa intervals; None for percentile intervals.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        ``estimate``, ``std_error``, ``low``, ``high``.
    """
    if left_out is None:
        low, high = percentile_interval(replicates, level=level)
    else:
        low, high = _bca(replicates, estimate, left_out, level=level)
    return pd.DataFrame({"estimate": estimate, "std_error": replicates.std(axis=0, ddof=1), "low": low, "high": high})
