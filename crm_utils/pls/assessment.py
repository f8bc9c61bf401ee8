"""Whether constructs are told apart, and how well the model reproduces the items' correlations."""

from __future__ import annotations

import numpy as np

from crm_utils.pls.layout import Layout


def heterotrait_monotrait(items: np.ndarray, layout: Layout) -> np.ndarray:
    """Heterotrait–monotrait ratio of correlations (HTMT), from absolute correlations.

    Parameters
    ----------
    items : numpy.ndarray of float, shape (replicates, items, items)
        Correlations of the items.
    layout : Layout
        The model.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs, constructs)
        Mean correlation of items of different constructs over the geometric mean of those within each; NaN on the
        diagonal, and for constructs of mode B or with one item, which have no correlations within.

    References
    ----------
    .. [1] Henseler, J., Ringle, C. M. & Sarstedt, M. (2015). A new criterion for assessing discriminant validity in
       variance-based structural equation modeling. Journal of the Academy of Marketing Science 43, 115–135.
    .. [2] Ringle, C. M., Sarstedt, M., Sinkovics, N. & Sinkovics, R. R. (2023). A perspective on using partial least
       squares structural equation modelling in data articles. Data in Brief 48, 109074 (absolute correlations).
    """
    member = layout.membership.astype(float)
    sizes = member.sum(axis=0)
    sums = member.T @ np.abs(items) @ member
    between = sums / np.outer(sizes, sizes)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = (np.diagonal(sums, axis1=1, axis2=2) - sizes) / (sizes * (sizes - 1))
        within = np.where(layout.reflective, within, np.nan)
        ratio = between / np.sqrt(within[:, :, None] * within[:, None, :])
    constructs = np.arange(len(sizes))
    ratio[:, constructs, constructs] = np.nan
    return ratio


def fornell_larcker(correlations: np.ndarray, ave: np.ndarray) -> np.ndarray:
    """Fornell and Larcker's table: correlations of constructs, with the root of the AVE on the diagonal.

    A construct is told apart from the others where its diagonal entry exceeds the rest of its row in size.

    Parameters
    ----------
    correlations : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations of the constructs.
    ave : numpy.ndarray of float, shape (replicates, constructs)
        Average variance extracted.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs, constructs)
        The table; NaN on the diagonal where there is no AVE.

    References
    ----------
    .. [1] Fornell, C. & Larcker, D. F. (1981). Evaluating structural equation models with unobservable variables and
       measurement error. Journal of Marketing Research 18(1), 39–50.
    """
    table = correlations.copy()
    constructs = np.arange(ave.shape[1])
    table[:, constructs, constructs] = np.sqrt(ave)
    return table


def standardized_residual(
    items: np.ndarray, loadings: np.ndarray, correlations: np.ndarray, layout: Layout, *, factors: np.ndarray
) -> np.ndarray:
    """Standardised root mean square residual (SRMR) of the items' correlations.

    Parameters
    ----------
    items : numpy.ndarray of float, shape (replicates, items, items)
        Correlations of the items.
    loadings : numpy.ndarray of float, shape (replicates, items)
        Loading of each item on its own construct.
    correlations : numpy.ndarray of float, shape (replicates, constructs, constructs)
        Correlations of the constructs that the model implies.
    layout : Layout
        The model.
    factors : numpy.ndarray of bool, shape (constructs,)
        Whether a construct is a common factor, which alone makes its items correlate. Items of the others, which are
        composites, correlate freely.

    Returns
    -------
    numpy.ndarray of float, shape (replicates,)
        Root of the mean squared difference over the lower triangle, the diagonal included.

    References
    ----------
    .. [1] Hu, L. & Bentler, P. M. (1999). Cutoff criteria for fit indexes in covariance structure analysis.
       Structural Equation Modeling 6(1), 1–55.
    .. [2] Henseler, J. et al. (2014). Common beliefs and reality about PLS. Organizational Research Methods 17(2),
       182–209.
    """
    owner = layout.owner
    implied = loadings[:, :, None] * loadings[:, None, :] * correlations[:, owner[:, None], owner]
    free = (owner[:, None] == owner) & ~factors[owner][:, None]
    np.fill_diagonal(free, True)
    residuals = np.where(free, 0.0, items - implied)
    rows, columns = np.tril_indices(len(owner))
    return np.sqrt((residuals[:, rows, columns] ** 2).mean(axis=-1))
