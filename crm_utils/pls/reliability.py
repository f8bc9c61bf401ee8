"""Reliability of constructs, and the correction of correlations for the lack of it; all replicates together.

Only constructs of mode A with two items or more have a reliability that the items tell; for the others it is NaN.
"""

from __future__ import annotations

import numpy as np

from crm_utils.pls.layout import Layout


def cronbach_alpha(items: np.ndarray, layout: Layout) -> np.ndarray:
    """Cronbach's alpha of standardised items.

    Parameters
    ----------
    items : numpy.ndarray of float, shape (replicates, items, items)
        Correlations of the items.
    layout : Layout
        The model.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs)
        Alpha, up to 1.

    References
    ----------
    .. [1] Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests. Psychometrika 16, 297–334.
    """
    alpha = np.full((len(items), len(layout.constructs)), np.nan)
    for construct in np.flatnonzero(layout.reflective):
        block = layout.block(construct)
        size = len(block)
        total = items[:, block[:, None], block].sum(axis=(1, 2))
        alpha[:, construct] = size / (size - 1) * (1 - size / total)
    return alpha


def dijkstra_henseler_rho(items: np.ndarray, weights: np.ndarray, layout: Layout) -> np.ndarray:
    """Dijkstra and Henseler's reliability of PLS construct scores, rho_A.

    Parameters
    ----------
    items : numpy.ndarray of float, shape (replicates, items, items)
        Correlations of the items.
    weights : numpy.ndarray of float, shape (replicates, items)
        Weights of standardised items that give constructs of unit variance.
    layout : Layout
        The model.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs)
        (w'w)² · w'(S − diag S)w / w'(ww' − diag ww')w; a proper one lies above 0 and at most at 1.

    References
    ----------
    .. [1] Dijkstra, T. K. & Henseler, J. (2015). Consistent partial least squares path modeling. MIS Quarterly
       39(2), 297–316, equation 3.
    """
    rho = np.full((len(items), len(layout.constructs)), np.nan)
    for construct in np.flatnonzero(layout.reflective):
        block = layout.block(construct)
        own = weights[:, block]
        squares = (own**2).sum(axis=-1)
        # S has a diagonal of ones, so that w'(S − I)w is w'Sw less the sum of squares.
        variance = (own * (items[:, block[:, None], block] @ own[:, :, None])[:, :, 0]).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            rho[:, construct] = squares**2 * (variance - squares) / (squares**2 - (own**4).sum(axis=-1))
    return rho


def composite_reliability(loadings: np.ndarray, layout: Layout) -> np.ndarray:
    """Jöreskog's composite reliability, rho_C: (Σλ)² / ((Σλ)² + Σ(1 − λ²)).

    Parameters
    ----------
    loadings : numpy.ndarray of float, shape (replicates, items)
        Loading of each item on its own construct.
    layout : Layout
        The model.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs)
        Reliability, 0 to 1 for proper loadings.

    References
    ----------
    .. [1] Jöreskog, K. G. (1971). Statistical analysis of sets of congeneric tests. Psychometrika 36, 109–133.
    """
    member = layout.membership.astype(float)
    common = (loadings @ member) ** 2
    return _where_reflective(common / (common + (1 - loadings**2) @ member), layout)


def average_variance_extracted(loadings: np.ndarray, layout: Layout) -> np.ndarray:
    """Average variance extracted: the mean of a construct's squared loadings; arguments as `composite_reliability`.

    References
    ----------
    .. [1] Fornell, C. & Larcker, D. F. (1981). Evaluating structural equation models with unobservable variables and
       measurement error. Journal of Marketing Research 18(1), 39–50.
    """
    member = layout.membership.astype(float)
    return _where_reflective(loadings**2 @ member / member.sum(axis=0), layout)


def consistent_correlations(correlations: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Correlations of constructs as they would be without measurement error (PLSc).

    Parameters
    ----------
    correlations : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations of the construct scores.
    rho : numpy.ndarray of float, shape (replicates, constructs)
        Reliabilities; 1 where there is nothing to correct.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations over the square roots of both reliabilities; NaN for a reliability that is not above 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(np.where(rho > 0, rho, np.nan))
    corrected = correlations / (root[:, :, None] * root[:, None, :])
    constructs = np.arange(rho.shape[1])
    corrected[:, constructs, constructs] = 1.0
    return corrected


def consistent_loadings(weights: np.ndarray, rho: np.ndarray, layout: Layout) -> np.ndarray:
    """Loadings in proportion to the weights, w·√rho_A / w'w (PLSc), for constructs with a reliability; else NaN."""
    member = layout.membership.astype(float)
    with np.errstate(invalid="ignore"):
        factor = np.where(layout.reflective, np.sqrt(np.where(rho > 0, rho, np.nan)) / (weights**2 @ member), np.nan)
    return weights * factor[:, layout.owner]


def _where_reflective(values: np.ndarray, layout: Layout) -> np.ndarray:
    return np.where(layout.reflective, values, np.nan)
