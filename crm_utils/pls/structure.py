"""The inner model: regressions among constructs, their effects, and what they imply; all replicates together."""

from __future__ import annotations

import numpy as np

from crm_utils.pls.algebra import solve_symmetric
from crm_utils.pls.layout import Layout


def regressions(correlations: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares path coefficients and shares of variance explained.

    Parameters
    ----------
    correlations : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations of the constructs.
    layout : Layout
        The model.

    Returns
    -------
    paths : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Coefficient of the path from the row to the column; 0 where there is none, NaN where what leads to the
        column is perfectly collinear.
    r_squared : numpy.ndarray of float, shape (replicates, constructs)
        Share of variance explained; NaN where nothing leads to the construct.
    """
    paths = np.zeros_like(correlations)
    r_squared = np.full(correlations.shape[:2], np.nan)
    for target in layout.order:
        sources = layout.sources(target)
        right = correlations[:, sources, target]
        coefficients = solve_symmetric(correlations[:, sources[:, None], sources], right)
        paths[:, sources, target] = coefficients
        r_squared[:, target] = (coefficients * right).sum(axis=-1)
    return paths, r_squared


def total_effects(paths: np.ndarray, layout: Layout) -> np.ndarray:
    """Effects over every way that the paths allow, direct ones included; in the shape of `paths`."""
    effects = paths.copy()
    for target in layout.order:
        sources = layout.sources(target)
        effects[:, :, target] += (effects[:, :, sources] @ paths[:, sources, target, None])[:, :, 0]
    return effects


def implied_correlations(correlations: np.ndarray, paths: np.ndarray, layout: Layout) -> np.ndarray:
    """Correlations of the constructs that the paths imply; among constructs that nothing leads to, as they are."""
    known = [construct for construct in range(len(layout.constructs)) if construct not in layout.order]
    implied = correlations.copy()
    for target in layout.order:
        sources = layout.sources(target)
        reached = (implied[:, np.array(known)[:, None], sources] @ paths[:, sources, target, None])[:, :, 0]
        implied[:, known, target] = implied[:, target, known] = reached
        known.append(target)
    return implied


def predictor_vif(correlations: np.ndarray, layout: Layout) -> np.ndarray:
    """Variance inflation of each construct (row) among those that lead to the column; NaN where there is no path."""
    inflation = np.full(correlations.shape, np.nan)
    for target in layout.order:
        sources = layout.sources(target)
        inflation[:, sources, target] = variance_inflation(correlations[:, sources[:, None], sources])
    return inflation


def variance_inflation(correlations: np.ndarray) -> np.ndarray:
    """Variance inflation factors of variables: the diagonal of the inverse of their correlation matrix.

    Examples
    --------
    >>> variance_inflation(np.array([[[1.0, 0.6], [0.6, 1.0]]])).round(4).tolist()
    [[1.5625, 1.5625]]
    """
    size = correlations.shape[-1]
    units = np.eye(size)
    return np.stack(
        [
            solve_symmetric(correlations, np.broadcast_to(units[position], correlations.shape[:2]))[:, position]
            for position in range(size)
        ],
        axis=-1,
    )
