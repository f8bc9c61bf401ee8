"""How estimates of the room's models are summarised, and drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems


def log_intervals(params: pd.Series, std_errors: pd.Series, *, level: float) -> pd.DataFrame:
    """Estimates of positive parameters with standard errors and intervals that are symmetric on the logarithm."""
    from scipy.stats import norm

    raise_problems("summary_frame", level_problems(level))
    reach = np.exp(norm.ppf((1 + level) / 2) * std_errors / params)
    return pd.DataFrame(
        {
            "parameter": params.index,
            "estimate": params.to_numpy(),
            "std_error": std_errors.to_numpy(),
            "low": (params / reach).to_numpy(),
            "high": (params * reach).to_numpy(),
        }
    )


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
