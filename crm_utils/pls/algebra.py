"""Small systems of linear equations, many at once."""

from __future__ import annotations

import numpy as np

# A pivot below this share of the variance it came from is rounding: what is left of a variable is a combination of
# the others.
SINGULAR = 1e-10


def solve_symmetric(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve positive definite systems by Cholesky's decomposition, all replicates in one step.

    A system without a solution gives NaN and leaves the others alone; the routines of numpy stop all of them.

    Parameters
    ----------
    matrices : numpy.ndarray of float, shape (replicates, m, m)
        Symmetric matrices.
    right : numpy.ndarray of float, shape (replicates, m)
        Right-hand sides.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, m)
        Solutions; NaN where the matrix is singular or not positive definite.

    Examples
    --------
    >>> matrices = np.array([[[2.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]])
    >>> solve_symmetric(matrices, np.array([[3.0, 3.0], [1.0, 1.0]])).round(12).tolist()
    [[1.0, 1.0], [nan, nan]]
    """
    size = matrices.shape[-1]
    lower = np.zeros_like(matrices)
    solution = np.array(right, dtype=float)
    for row in range(size):
        above = lower[:, row, :row]
        pivot = matrices[:, row, row] - (above**2).sum(axis=-1)
        pivot = np.where(pivot > SINGULAR * matrices[:, row, row], pivot, np.nan)
        lower[:, row, row] = np.sqrt(pivot)
        products = (lower[:, row + 1 :, :row] * above[:, None, :]).sum(axis=-1)
        lower[:, row + 1 :, row] = (matrices[:, row + 1 :, row] - products) / lower[:, row, row, None]
        solution[:, row] -= (above * solution[:, :row]).sum(axis=-1)
        solution[:, row] /= lower[:, row, row]
    for row in reversed(range(size)):
        solution[:, row] -= (lower[:, row + 1 :, row] * solution[:, row + 1 :]).sum(axis=-1)
        solution[:, row] /= lower[:, row, row]
    # One bad pivot spoils the whole system, and not only the rows that it reaches.
    solution[np.isnan(solution).any(axis=-1)] = np.nan
    return solution
