"""How estimates of the room's models are summarised."""

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
