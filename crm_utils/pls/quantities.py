"""Estimates by name and with labels: what a result shows and a bootstrap gives intervals to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.pls.assessment import heterotrait_monotrait
from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Estimates
from crm_utils.pls.layout import Layout


@dataclass(frozen=True)
class _Quantity:
    labels: Callable[[Layout], pd.Index]
    values: Callable[[Estimates, Moments, Layout], np.ndarray]


def _pairs(layout: Layout, chosen: np.ndarray, names: tuple[str, str]) -> pd.MultiIndex:
    rows, columns = np.nonzero(chosen)
    constructs = np.array(layout.constructs, dtype=object)
    return pd.MultiIndex.from_arrays([constructs[rows], constructs[columns]], names=list(names))


def _through_others(layout: Layout) -> np.ndarray:
    return (layout.arrows.astype(int) @ layout.reaches()) > 0


def _distinct(chosen: np.ndarray) -> np.ndarray:
    return np.triu(np.outer(chosen, chosen), 1)


def _effects(chosen: Callable[[Layout], np.ndarray], values: Callable[[Estimates], np.ndarray]) -> _Quantity:
    return _Quantity(
        lambda layout: _pairs(layout, chosen(layout), ("from", "to")),
        lambda found, items, layout: values(found)[:, chosen(layout)],
    )


def _of_items(values: Callable[[Estimates, Moments], np.ndarray]) -> _Quantity:
    return _Quantity(
        lambda layout: pd.MultiIndex.from_arrays(
            [[layout.constructs[owner] for owner in layout.owner], layout.items], names=["construct", "item"]
        ),
        lambda found, items, layout: values(found, items),
    )


def _of_constructs(chosen: Callable[[Layout], np.ndarray], values: Callable[[Estimates], np.ndarray]) -> _Quantity:
    return _Quantity(
        lambda layout: pd.Index(np.array(layout.constructs, dtype=object)[chosen(layout)], name="construct"),
        lambda found, items, layout: values(found)[:, chosen(layout)],
    )


def _explained(layout: Layout) -> np.ndarray:
    return layout.arrows.any(axis=0)


def _reflective(layout: Layout) -> np.ndarray:
    return layout.reflective


_QUANTITIES = {
    "paths": _effects(lambda layout: layout.arrows, lambda found: found.paths),
    "total_effects": _effects(Layout.reaches, lambda found: found.total_effects),
    "indirect_effects": _effects(_through_others, lambda found: found.total_effects - found.paths),
    "r_squared": _of_constructs(_explained, lambda found: found.r_squared),
    "weights": _of_items(lambda found, items: found.weights),
    "unstandardized_weights": _of_items(lambda found, items: found.weights / items.spreads),
    "loadings": _of_items(lambda found, items: found.loadings),
    "alpha": _of_constructs(_reflective, lambda found: found.alpha),
    "rho_a": _of_constructs(_reflective, lambda found: found.rho_a),
    "rho_c": _of_constructs(_reflective, lambda found: found.rho_c),
    "ave": _of_constructs(_reflective, lambda found: found.ave),
    "construct_correlations": _Quantity(
        lambda layout: _pairs(layout, _distinct(np.ones(len(layout.constructs), dtype=bool)), ("construct", "other")),
        lambda found, items, layout: found.correlations[:, _distinct(np.ones(len(layout.constructs), dtype=bool))],
    ),
    "htmt": _Quantity(
        lambda layout: _pairs(layout, _distinct(layout.reflective), ("construct", "other")),
        lambda found, items, layout: heterotrait_monotrait(items.correlations, layout)[:, _distinct(layout.reflective)],
    ),
    "item_means": _of_items(lambda found, items: items.means),
    "item_standard_deviations": _of_items(lambda found, items: items.spreads),
}
QUANTITIES = tuple(_QUANTITIES)


def labels(name: str, layout: Layout) -> pd.Index:
    """What each column of a quantity stands for."""
    return _QUANTITIES[name].labels(layout)


def values(name: str, found: Estimates, items: Moments, layout: Layout) -> np.ndarray:
    """A quantity in every replicate, shape (replicates, labels)."""
    return _QUANTITIES[name].values(found, items, layout)


def parameter_names(index: pd.Index) -> list[str]:
    """Labels as text: "image → value" for an effect, "image: IMAG1" for an item, "image" for a construct."""
    if not isinstance(index, pd.MultiIndex):
        return [str(label) for label in index]
    link = {("from", "to"): " → ", ("construct", "item"): ": "}.get(tuple(index.names), " ~ ")
    return [link.join(label) for label in index]
