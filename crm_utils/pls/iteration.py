"""The PLS iteration on moment matrices, all replicates together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_utils.pls.algebra import solve_symmetric
from crm_utils.pls.layout import Layout

SCHEMES = ("path", "centroid", "factorial")
MOST_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class OuterWeights:
    """Where the iteration ended, one replicate a row.

    Attributes
    ----------
    weights : numpy.ndarray of float, shape (replicates, items)
        Weight of each item in its construct, which has unit variance; as last seen where it did not converge.
    converged : numpy.ndarray of bool, shape (replicates,)
        Whether the weights settled.
    iterations : numpy.ndarray of int, shape (replicates,)
        How many times they were renewed.
    change : numpy.ndarray of float, shape (replicates, items)
        By how much each weight last changed, for items of unit variance.
    """

    weights: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray
    change: np.ndarray


def outer_weights(matrices: np.ndarray, layout: Layout, *, scheme: str, tolerance: float) -> OuterWeights:
    """Find the weights of the items by Lohmöller's iteration.

    Parameters
    ----------
    matrices : numpy.ndarray of float, shape (replicates, items, items)
        Correlations or covariances of the items.
    layout : Layout
        The model.
    scheme : {"path", "centroid", "factorial"}
        Inner weights.
    tolerance : float
        A replicate is done once no weight, for an item of unit variance, changes by this much.

    Returns
    -------
    OuterWeights
        Weights and how they were reached. Signs are as they came.

    References
    ----------
    .. [1] Lohmöller, J.-B. (1989). Latent Variable Path Modeling with Partial Least Squares. Physica, chapter 2.
    """
    replicates, items, _ = matrices.shape
    spread = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    member = layout.membership.astype(float)
    inverses = _block_inverses(matrices, layout) if layout.regression.any() else None

    result = OuterWeights(
        weights=np.full((replicates, items), np.nan),
        converged=np.zeros(replicates, dtype=bool),
        iterations=np.zeros(replicates, dtype=int),
        change=np.full((replicates, items), np.nan),
    )
    # Replicates that are done drop out, so that none goes on for the sake of others.
    active = np.arange(replicates)
    weights, covariances = _scaled(matrices, 1 / spread, member)
    for iteration in range(1, MOST_ITERATIONS + 1):
        correlations = member.T @ (weights[:, :, None] * covariances)
        inner = _inner_weights(correlations, layout, scheme)
        renewed = (covariances * inner.transpose(0, 2, 1)[:, layout.owner]).sum(axis=-1)
        if inverses is not None:
            renewed = (inverses @ renewed[:, :, None])[:, :, 0]
        renewed, covariances = _scaled(matrices, renewed, member)
        change = np.abs(renewed - weights) * spread
        weights = renewed
        result.weights[active], result.change[active], result.iterations[active] = weights, change, iteration
        largest = change.max(axis=-1)
        settled = largest < tolerance
        result.converged[active[settled]] = True
        going = ~settled & np.isfinite(largest)
        if not going.any():
            break
        if not going.all():
            active, matrices, spread = active[going], matrices[going], spread[going]
            weights, covariances = weights[going], covariances[going]
            inverses = None if inverses is None else inverses[going]
    return result


def _scaled(matrices: np.ndarray, weights: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights that give constructs of unit variance, and the covariances of items with those constructs."""
    covariances = matrices @ (weights[:, :, None] * member)
    variances = (weights[:, :, None] * covariances * member).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / np.sqrt(variances)
        return weights * (scale @ member.T), covariances * scale[:, None, :]


def _inner_weights(correlations: np.ndarray, layout: Layout, scheme: str) -> np.ndarray:
    """Weight of the row's construct in what the column's construct is held against."""
    linked = layout.arrows | layout.arrows.T
    if scheme == "centroid":
        return np.sign(correlations) * linked
    inner = correlations * linked
    if scheme == "path":
        for target in layout.order:
            sources = layout.sources(target)
            inner[:, sources, target] = solve_symmetric(
                correlations[:, sources[:, None], sources], correlations[:, sources, target]
            )
    return inner


def _block_inverses(matrices: np.ndarray, layout: Layout) -> np.ndarray:
    """Inverses of the items' matrices within constructs of mode B; one for the items of the others."""
    inverses = np.zeros_like(matrices)
    for construct, regression in enumerate(layout.regression):
        block = layout.block(construct)
        for position, item in enumerate(block):
            unit = np.zeros((len(matrices), len(block)))
            unit[:, position] = 1.0
            if regression:
                unit = solve_symmetric(matrices[:, block[:, None], block], unit)
            inverses[:, block, item] = unit
    return inverses
