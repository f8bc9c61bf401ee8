"""Whether constructs are the same composites in two groups (MICOM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_utils.intervals import percentile_interval
from crm_utils.pls.permutation import Contrast, lower_p, two_sided_p

NONE, PARTIAL, FULL = "none", "partial", "full"


def invariance_table(
    observed: Contrast, permuted: Contrast, constructs: Sequence[str], *, level: float
) -> pd.DataFrame:
    """Measurement invariance of composites, one construct a row.

    The first step, that a construct has the same items, treatment and algorithm in both groups, holds by construction.

    Parameters
    ----------
    observed : Contrast
        How the groups differ, as the only replicate.
    permuted : Contrast
        How they differ under labels dealt anew.
    constructs : sequence of str
        Names.
    level : float
        Confidence level: a step fails where its p-value is below 1 − level.

    Returns
    -------
    pandas.DataFrame
        ``construct``; second step: ``correlation`` of the scores by both groups' weights, its permutation quantile
        ``correlation_low`` at 1 − level, and ``correlation_p``; third step: ``mean_difference`` and
        ``log_variance_ratio``, each with its permutation interval (``…_low``, ``…_high``) and ``…_p``; and the
        ``invariance``: "none" (the second step fails), "partial" (paths may be compared), "full" (means and variances
        are equal as well, so that groups may be pooled).

    References
    ----------
    .. [1] Henseler, J., Ringle, C. M. & Sarstedt, M. (2016). Testing measurement invariance of composites using
       partial least squares. International Marketing Review 33(3), 405–431.
    """
    usable = permuted.usable
    correlations = permuted.correlations[usable]
    table = pd.DataFrame(
        {
            "construct": list(constructs),
            "correlation": observed.correlations[0],
            "correlation_low": np.quantile(correlations, 1 - level, axis=0),
            "correlation_p": lower_p(observed.correlations[0], correlations),
        }
    )
    for name, seen, dealt in (
        ("mean_difference", observed.mean_differences[0], permuted.mean_differences[usable]),
        ("log_variance_ratio", observed.log_variance_ratios[0], permuted.log_variance_ratios[usable]),
    ):
        low, high = percentile_interval(dealt, level=level)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = seen, low, high
        table[f"{name}_p"] = two_sided_p(seen, dealt)
    # 1 − 0.95 is a little above 0.05, and a p-value of 0.05 is not below it.
    smallest = round(1 - level, 12)
    composed = table["correlation_p"] >= smallest
    equal = (table["mean_difference_p"] >= smallest) & (table["log_variance_ratio_p"] >= smallest)
    table["invariance"] = np.select([~composed, ~equal], [NONE, PARTIAL], FULL)
    return table
