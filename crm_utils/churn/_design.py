"""Preprocessed features of many customers: a block of rows at a time, each category encoded once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# A million customers with a column a category would fill the memory.
_ROWS = 65_536


def row_blocks(rows: int) -> list[slice]:
    """Blocks of rows, one after another.

    Examples
    --------
    >>> row_blocks(100_000)
    [slice(0, 65536, None), slice(65536, 131072, None)]
    """
    return [slice(start, start + _ROWS) for start in range(0, rows, _ROWS)]


def map_blocks(work: Callable[[slice], Any], rows: int) -> list[Any]:
    """Do something with each block of rows, several blocks at once.

    Examples
    --------
    >>> map_blocks(lambda block: block.start, 100_000)
    [0, 65536]
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, row_blocks(rows)))


def design_of(pipeline: Pipeline, numeric: Sequence[str], frame: pd.DataFrame) -> Callable[[slice], np.ndarray]:
    """Make what gives the preprocessed features of some rows.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Of `EarlyWarning`: columns prepared as "numbers" and "categories", then steps on the whole, then a classifier.
    numeric : sequence of str
        Features that are numbers.
    frame : pandas.DataFrame, shape (n, features)
        Features, as from `EarlyWarning.read`; at least one row.

    Returns
    -------
    callable
        From a slice of rows to an array of float, shape (rows, columns): the same as ``pipeline[:-1].transform`` of
        these rows.
    """
    prepare = pipeline["prepare"].named_transformers_
    numbers = frame[list(numeric)]
    categories = frame[[name for name in frame if name not in numbers]]
    encoded = _encoded(prepare["categories"], categories) if categories.shape[1] else []

    def design(rows: slice) -> np.ndarray:
        parts = [table[codes[rows]] for codes, table in encoded]
        if numbers.shape[1]:
            parts.insert(0, np.asarray(prepare["numbers"].transform(numbers.iloc[rows]), dtype=float))
        made = np.hstack(parts)
        for _, step in pipeline.steps[1:-1]:
            made = step.transform(made)
        return made

    return design


def _encoded(transformer: Any, frame: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """By feature, the number of each row's category, and the columns that each category becomes."""
    found = [pd.factorize(frame[name], use_na_sentinel=False) for name in frame]
    longest = max(len(distinct) for _, distinct in found)
    # Features with fewer categories repeat one; there is a row for the longest.
    distinct = {
        name: np.resize(np.asarray(distinct, dtype=object), longest)
        for name, (_, distinct) in zip(frame, found, strict=True)
    }
    columns = np.asarray(transformer.transform(pd.DataFrame(distinct)), dtype=float)
    encoder = transformer if hasattr(transformer, "categories_") else transformer[-1]
    tables = np.split(columns, np.cumsum(_widths(encoder))[:-1], axis=1)
    return [(codes, table) for (codes, _), table in zip(found, tables, strict=True)]


def _widths(encoder: Any) -> list[int]:
    """Number of columns that the encoder makes of each feature."""
    if not hasattr(encoder, "drop"):
        return [1] * len(encoder.categories_)
    rare = encoder.infrequent_categories_
    return [
        len(known) - (0 if few is None else len(few) - 1) for known, few in zip(encoder.categories_, rare, strict=True)
    ]
