"""Columns of the data as arrays, with all that is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, index_problems
from crm_utils.errors import did_you_mean
from crm_utils.language import counted


def absent_problems(data: pd.DataFrame, items: Sequence[str]) -> list[str]:
    """Say which items the data lack, with the nearest name that they have."""
    return [
        f"data lacks the item {item}{did_you_mean(item, data.columns)}" for item in items if item not in data.columns
    ]


def item_values(column: pd.Series, item: str, problems: list[str]) -> np.ndarray:
    """Values of an item, NaN where missing; what stands in the way is added to `problems`."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
        given = column.dropna()
        if len(given) and not all(isinstance(value, Real) for value in given):
            odd = next(value for value in given if not isinstance(value, Real))
            problems.append(f"the item {item} must be numeric, and holds {odd!r}; convert it first")
            return np.full(len(column), np.nan)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    if (endless := np.isinf(values)).any():
        problems.append(
            f"the item {item} is infinite in {counted(int(endless.sum()), 'row')} (at positions "
            f"{first_rows(endless)}); correct them"
        )
    return values


def case_weights(data: pd.DataFrame, weights: Any, problems: list[str]) -> np.ndarray:
    """Weights of the cases, given as a column's name or as values; what is wrong is added to `problems`."""
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if weights not in data.columns:
            problems.append(f"data lacks the weights column {weights!r}" + did_you_mean(weights, data.columns))
            return np.ones(len(data))
        weights = data[weights]
    if np.ndim(weights) == 0 or len(weights) != len(data):
        has = "one value" if np.ndim(weights) == 0 else f"{len(weights):,}"
        problems.append(f"weights must be one a case: data has {counted(len(data), 'row')}, weights have {has}")
        return np.ones(len(data))
    problems += index_problems(data=data, weights=weights)
    mass = as_numbers(weights, "weights", problems)
    if (negative := mass < 0).any():
        problems.append(
            f"weights must not be negative, and {int(negative.sum()):,} {'is' if negative.sum() == 1 else 'are'} (at "
            f"positions {first_rows(negative)})"
        )
    elif len(mass) and (mass == 0).all():
        problems.append("weights are zero for every case; at least some must count")
    return mass


def cluster_codes(data: pd.DataFrame, clusters: Any, problems: list[str]) -> np.ndarray | None:
    """Number of the cluster of each case, or None without clusters; what is wrong is added to `problems`."""
    if clusters is None:
        return None
    if isinstance(clusters, str):
        if clusters not in data.columns:
            problems.append(f"data lacks the clusters column {clusters!r}" + did_you_mean(clusters, data.columns))
            return None
        clusters = data[clusters]
    if np.ndim(clusters) != 1 or len(clusters) != len(data):
        has = "one value" if np.ndim(clusters) == 0 else f"{len(clusters):,}"
        problems.append(f"clusters must be one a case: data has {counted(len(data), 'row')}, clusters have {has}")
        return None
    problems += index_problems(data=data, clusters=clusters)
    codes = pd.factorize(pd.Series(np.asarray(clusters)), use_na_sentinel=True)[0]
    if (unknown := codes < 0).any():
        problems.append(
            f"clusters are missing for {counted(int(unknown.sum()), 'case')} (at positions {first_rows(unknown)}); "
            "give a case that belongs to no other a label of its own"
        )
    return codes
