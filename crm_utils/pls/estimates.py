"""Every quantity of a path model from the moments of its items, all replicates together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_utils.pls.cases import Moments
from crm_utils.pls.iteration import outer_weights
from crm_utils.pls.layout import Layout
from crm_utils.pls.reliability import (
    average_variance_extracted,
    composite_reliability,
    consistent_correlations,
    consistent_loadings,
    cronbach_alpha,
    dijkstra_henseler_rho,
)
from crm_utils.pls.structure import regressions, total_effects


@dataclass(frozen=True)
class Options:
    """How a model is estimated; see `PathModel.fit`."""

    scheme: str
    consistent: bool
    standardize: bool
    tolerance: float


@dataclass(frozen=True, eq=False)
class Estimates:
    """Arrays with a leading axis of replicates.

    Attributes
    ----------
    weights : numpy.ndarray of float, shape (replicates, items)
        Weights of standardised items that give constructs of unit variance.
    loadings : numpy.ndarray of float, shape (replicates, items)
        Correlation of each item with its own construct.
    cross_loadings : numpy.ndarray of float, shape (replicates, items, constructs)
        Correlation of each item with every construct.
    score_correlations, correlations : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations of the construct scores, and of the constructs: the same but for consistent estimates.
    paths, total_effects : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Effect of the row on the column.
    r_squared, alpha, rho_a, rho_c, ave : numpy.ndarray of float, shape (replicates, constructs)
        Variance explained; reliabilities and average variance extracted.
    converged : numpy.ndarray of bool, shape (replicates,)
        Whether the weights settled.
    iterations : numpy.ndarray of int, shape (replicates,)
        How many times they were renewed.
    change : numpy.ndarray of float, shape (replicates, items)
        Last change of the weights.
    """

    weights: np.ndarray
    loadings: np.ndarray
    cross_loadings: np.ndarray
    score_correlations: np.ndarray
    correlations: np.ndarray
    paths: np.ndarray
    total_effects: np.ndarray
    r_squared: np.ndarray
    alpha: np.ndarray
    rho_a: np.ndarray
    rho_c: np.ndarray
    ave: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray
    change: np.ndarray


def estimates(items: Moments, layout: Layout, options: Options, *, reference: np.ndarray | None = None) -> Estimates:
    """Estimate the model in every replicate.

    Parameters
    ----------
    items : Moments
        Moments of the items.
    layout : Layout
        The model.
    options : Options
        How to estimate.
    reference : numpy.ndarray of float, shape (items,), optional
        Loadings whose direction each construct is given. Default: the direction of most of its own loadings.

    Returns
    -------
    Estimates
        One replicate a row; NaN in what a replicate does not allow to compute.
    """
    correlations = items.correlations
    spreads = np.ones_like(items.spreads) if options.standardize else items.spreads
    outer = outer_weights(
        correlations * spreads[:, :, None] * spreads[:, None, :],
        layout,
        scheme=options.scheme,
        tolerance=options.tolerance,
    )
    weights = outer.weights * spreads
    member = layout.membership.astype(float)
    cross_loadings = correlations @ (weights[:, :, None] * member)
    own = cross_loadings[:, np.arange(len(layout.owner)), layout.owner]
    # Where as many loadings point either way, their sum decides.
    majority = np.sign(own) + 1e-6 * own
    direction = (majority if reference is None else own * reference) @ member
    signs = np.where(direction < 0, -1.0, 1.0)
    weights = weights * signs[:, layout.owner]
    loadings = own * signs[:, layout.owner]
    cross_loadings = cross_loadings * signs[:, None, :]
    scores = member.T @ (weights[:, :, None] * cross_loadings)

    rho_a = dijkstra_henseler_rho(correlations, weights, layout)
    constructs = scores
    if options.consistent:
        reliability = np.where(layout.reflective, rho_a, 1.0)
        constructs = consistent_correlations(scores, reliability)
        loadings = np.where(layout.reflective[layout.owner], consistent_loadings(weights, rho_a, layout), loadings)
        with np.errstate(invalid="ignore"):
            cross_loadings = cross_loadings / np.sqrt(reliability)[:, None, :]
        cross_loadings[:, np.arange(len(layout.owner)), layout.owner] = loadings
    paths, r_squared = regressions(constructs, layout)
    return Estimates(
        weights=weights,
        loadings=loadings,
        cross_loadings=cross_loadings,
        score_correlations=scores,
        correlations=constructs,
        paths=paths,
        total_effects=total_effects(paths, layout),
        r_squared=r_squared,
        alpha=cronbach_alpha(correlations, layout),
        rho_a=rho_a,
        rho_c=composite_reliability(loadings, layout),
        ave=average_variance_extracted(loadings, layout),
        converged=outer.converged,
        iterations=outer.iterations,
        change=outer.change,
    )


def improper(found: Estimates, layout: Layout, options: Options) -> np.ndarray:
    """Whether consistent estimates are improper: a reliability, a loading or a share of variance out of range."""
    if not options.consistent:
        return np.zeros(len(found.weights), dtype=bool)
    reliable = np.where(layout.reflective, found.rho_a, 1.0)
    in_range = ((reliable > 0) & (reliable <= 1)).all(axis=-1) & (np.abs(found.loadings) <= 1 + 1e-9).all(axis=-1)
    explained = found.r_squared[:, list(layout.order)]
    return ~(in_range & ((explained >= 0) & (explained <= 1)).all(axis=-1))
