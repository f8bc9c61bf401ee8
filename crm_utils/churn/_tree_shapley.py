"""Exact Shapley values of boosted trees against one reference row; apart from the words made of them.

The game of a row x and a reference row b gives a set S of features the output of the trees for a row that takes S from
x and the rest from b (the interventional Shapley value [2]_ with one background row). A leaf with value v is reached
only if every feature on its path comes from a row that passes its splits there. Let A be the features that only x
passes, B those that only b passes; where a feature is passed by neither, the leaf is out of reach and adds nothing.
Otherwise the leaf is reached by S if A ⊆ S and B ∩ S = ∅, whose Shapley value [1]_ is +v (|A| − 1)! |B|! / (|A| + |B|)!
for each feature of A and −v |A|! (|B| − 1)! / (|A| + |B|)! for each of B. Shapley values add up over leaves and trees.

All that counts of a row is which splits it passes. So each feature of a tree is cut into the groups of bins that its
splits tell apart, the values are worked out once for each cell of the grid of groups (with k splits, at most 2^k
cells), and a row only looks its cell up.

.. [1] Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, 307–317.
.. [2] Lundberg, S. M. et al. (2020). From local explanations to global understanding with explainable AI for trees.
   Nature Machine Intelligence 2, 56–67.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

# Rows at a time: more fall out of the processor's cache, with fewer the calls take longer than the work.
_ROWS = 65_536
_BINS = 256


@dataclass(frozen=True, eq=False)
class TreeTable:
    """Shapley values of one tree, by cell.

    Attributes
    ----------
    columns : tuple of int
        Columns that the tree splits on, as the trees number them.
    steps : numpy.ndarray of int, shape (columns, 256)
        What each bin of a column adds to the number of a row's cell.
    values : numpy.ndarray of float, shape (columns, cells)
        Shapley value of each column in each cell.
    """

    columns: tuple[int, ...]
    steps: np.ndarray
    values: np.ndarray


def tree_tables(estimator: HistGradientBoostingClassifier, reference: np.ndarray) -> list[TreeTable]:
    """Work out the Shapley values of all trees against a reference row.

    Parameters
    ----------
    estimator : sklearn.ensemble.HistGradientBoostingClassifier
        Fitted trees of two classes. A tree with k splits takes up to 2^k numbers a column: use small trees.
    reference : numpy.ndarray of float, shape (columns,)
        Row to compare with, NaN for missing.

    Returns
    -------
    list of TreeTable
        One a tree; trees without a split are left out.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> x = np.arange(100.0)[:, None]
    >>> trees = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2).fit(x, x[:, 0] > 49)
    >>> [table.values.shape for table in tree_tables(trees, np.array([0.0]))]
    [(1, 2)]
    """
    bins = _binned(estimator, reference[None, :])[0]
    missing = estimator._bin_mapper.missing_values_bin_idx_
    trees = [predictor for (predictor,) in estimator._predictors if len(predictor.nodes) > 1]
    return [_table(tree.nodes, tree.binned_left_cat_bitsets, bins, missing) for tree in trees]


def tree_contributions(
    estimator: HistGradientBoostingClassifier, tables: Sequence[TreeTable], rows: np.ndarray
) -> np.ndarray:
    """Look the Shapley values of rows up.

    Parameters
    ----------
    estimator : sklearn.ensemble.HistGradientBoostingClassifier
        The trees.
    tables : sequence of TreeTable
        What `tree_tables` made of them.
    rows : numpy.ndarray of float, shape (n, columns)
        Rows as the estimator takes them, NaN for missing.

    Returns
    -------
    numpy.ndarray of float, shape (columns, n)
        Log-odds; down a column of it they add up to the row's log-odds less the reference's.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> x = np.arange(100.0)[:, None] * [1, 0]
    >>> trees = HistGradientBoostingClassifier().fit(x, x[:, 0] > 49)
    >>> found = tree_contributions(trees, tree_tables(trees, x[0]), x)
    >>> bool(np.allclose(found[0], trees.decision_function(x) - trees.decision_function(x[:1])))
    True
    >>> found[1].any()
    np.False_
    """
    found = np.zeros((rows.shape[1], len(rows)))
    for start in range(0, len(rows), _ROWS):
        bins = np.array(_binned(estimator, rows[start : start + _ROWS]).T, dtype=np.intp)
        block = np.zeros(bins.shape)
        cell, taken = np.empty(bins.shape[1], dtype=np.intp), np.empty(bins.shape[1], dtype=np.intp)
        value = np.empty(bins.shape[1])
        for table in tables:
            cell[:] = 0
            # The codes cannot be out of range, and "clip" spares numpy a copy.
            for column, steps in zip(table.columns, table.steps, strict=True):
                cell += np.take(steps, bins[column], out=taken, mode="clip")
            for column, values in zip(table.columns, table.values, strict=True):
                block[column] += np.take(values, cell, out=value, mode="clip")
        found[:, start : start + _ROWS] = block
    result = np.empty_like(found)
    result[_order(estimator)] = found
    return result


def _binned(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """Bins of rows, columns in the order of the trees; a category never seen is missing, as in prediction."""
    mapper = copy(estimator._bin_mapper)
    # The caller has threads of its own.
    mapper.n_threads = 1
    return mapper.transform(estimator._preprocess_X(rows, reset=False))


def _order(estimator: Any) -> np.ndarray:
    """Column of the estimator's input by column of the trees, which have categories first."""
    if estimator.is_categorical_ is None:
        return np.arange(estimator.n_features_in_)
    return np.argsort(~estimator.is_categorical_, kind="stable")


def _table(nodes: np.ndarray, bitsets: np.ndarray, reference: np.ndarray, missing: int) -> TreeTable:
    splits = np.flatnonzero(nodes["is_leaf"] == 0)
    owners = nodes["feature_idx"][splits]
    columns = np.unique(owners)
    left, groups, sizes = {}, [], []
    for column in columns:
        own = splits[owners == column]
        # Bins that all splits send the same way are one group.
        ways = _goes_left(nodes[own], bitsets, missing)
        _, first, group = np.unique(2 ** np.arange(len(own)) @ ways, return_index=True, return_inverse=True)
        left.update(zip(own.tolist(), ways[:, first], strict=True))
        groups.append(group)
        sizes.append(len(first))
    strides = np.append(np.cumprod(sizes[::-1])[::-1][1:], 1)
    steps = np.array([group * stride for group, stride in zip(groups, strides, strict=True)], dtype=np.intp)
    at = int(sum(step[reference[column]] for column, step in zip(columns, steps, strict=True)))
    place = {int(column): position for position, column in enumerate(columns)}
    cells = np.unravel_index(np.arange(np.prod(sizes)), sizes)

    values = np.zeros((len(columns), len(cells[0])))
    for leaf, path in _paths(nodes):
        passes: dict[int, np.ndarray] = {}
        for node, to_left in path:
            position = place[int(nodes["feature_idx"][node])]
            passed = left[node] == to_left
            passes[position] = passes[position] & passed if position in passes else passed
        _add_leaf(
            values, float(nodes["value"][leaf]), {each: passed[cells[each]] for each, passed in passes.items()}, at
        )
    return TreeTable(tuple(place), steps, values)


def _goes_left(splits: np.ndarray, bitsets: np.ndarray, missing: int) -> np.ndarray:
    """Whether each split, by row, sends each bin, by column, to the left."""
    bins = np.arange(_BINS)
    result = bins <= splits["bin_threshold"][:, None]
    for row, split in enumerate(splits):
        if split["is_categorical"]:
            result[row] = (bitsets[split["bitset_idx"]][bins // 32] >> (bins % 32).astype(np.uint32)) & 1
    result[:, missing] = splits["missing_go_to_left"]
    return result


def _paths(nodes: np.ndarray) -> list[tuple[int, list[tuple[int, bool]]]]:
    """Each leaf, with the splits on the way to it and whether the way goes left there."""
    found, open_ = [], [(0, [])]
    while open_:
        node, path = open_.pop()
        if nodes["is_leaf"][node]:
            found.append((node, path))
        else:
            open_ += [(int(nodes[side][node]), [*path, (node, side == "left")]) for side in ("left", "right")]
    return found


def _add_leaf(values: np.ndarray, value: float, passes: dict[int, np.ndarray], reference: int) -> None:
    """Add a leaf, by which cells pass each column on the way to it, to all cells that some set of features reaches."""
    only_row = [position for position, passed in passes.items() if not passed[reference]]
    fails = {position: ~passed for position, passed in passes.items() if passed[reference]}
    # Where the reference fails, the row must pass.
    reached = np.logical_and.reduce([passes[position] for position in only_row]) if only_row else np.True_
    number = sum(fails.values(), start=np.zeros(values.shape[1], dtype=np.intp))
    a, most = len(only_row), len(fails) + 1
    gains = [factorial(a - 1) * factorial(b) / factorial(a + b) if a else 0.0 for b in range(most)]
    losses = [factorial(a) * factorial(b - 1) / factorial(a + b) if b else 0.0 for b in range(most)]
    if only_row:
        values[only_row] += np.array(gains)[number] * (value * reached)
    loss = np.array(losses)[number] * (value * reached)
    for position, failed in fails.items():
        values[position] -= loss * failed
