"""What each path contributes: the model estimated again without it, all replicates together."""

from __future__ import annotations

import numpy as np

from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.layout import Layout


def effect_sizes(found: Estimates, items: Moments, layout: Layout, options: Options) -> np.ndarray:
    """What R² loses when the model is estimated again without a path, over 1 − R².

    Parameters
    ----------
    found : Estimates
        The full model.
    items : Moments
        Moments of the items.
    layout : Layout
        The model.
    options : Options
        How it is estimated.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, paths)
        Paths by source and then target; NaN where the smaller model cannot be estimated.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences. Erlbaum, section 9.2.
    """
    sizes = []
    for source, target in zip(*np.nonzero(layout.arrows), strict=True):
        full = found.r_squared[:, target]
        only = len(layout.sources(target)) == 1
        reduced = 0.0 if only else _explained_without(source, target, items, layout, options)
        sizes.append((full - reduced) / (1 - full))
    return np.stack(sizes, axis=1)


def _explained_without(source: int, target: int, items: Moments, layout: Layout, options: Options) -> np.ndarray:
    smaller = layout.without(source, target)
    kept = np.array([layout.items.index(item) for item in smaller.items])
    moments = Moments(items.means[:, kept], items.spreads[:, kept], items.correlations[:, kept[:, None], kept])
    found = estimates(moments, smaller, options)
    usable = found.converged & ~improper(found, smaller, options)
    return np.where(usable, found.r_squared[:, smaller.constructs.index(layout.constructs[target])], np.nan)
