"""How estimates of the room's models are summarised, and drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems


def log_intervals(
    params: pd.Series, std_errors: pd.Series, *, level: float, positive: int | None = None
) -> pd.DataFrame:
    """Estimates with standard errors and intervals.

    Those of the first `positive` parameters (default: all), which are above zero, are symmetric on the logarithm.
    """
    from scipy.stats import norm

    raise_problems("summary_frame", level_problems(level))
    estimate, error = params.to_numpy(dtype=float), std_errors.to_numpy(dtype=float)
    reach = norm.ppf((1 + level) / 2) * error
    low, high = estimate - reach, estimate + reach
    first = slice(positive)
    factor = np.exp(reach[first] / estimate[first])
    low[first], high[first] = estimate[first] / factor, estimate[first] * factor
    return pd.DataFrame({"parameter": params.index, "estimate": estimate, "std_error": error, "low": low, "high": high})


def normal_draws(
    centre: np.ndarray, covariance: pd.DataFrame, n_draws: int, *, seed: int | np.random.SeedSequence
) -> np.ndarray:
    """Draws from a normal distribution, one a row."""
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal(centre, covariance.to_numpy(), n_draws, method="cholesky")


def positive_draws(
    params: pd.Series, covariance: pd.DataFrame, n_draws: int, *, seed: int | np.random.SeedSequence
) -> np.ndarray:
    """Draws of positive parameters, one a row: their logarithms are normal, with the covariance by the delta method."""
    of_logs = covariance / np.outer(params, params)
    return np.exp(normal_draws(np.log(params), of_logs, n_draws, seed=seed))
