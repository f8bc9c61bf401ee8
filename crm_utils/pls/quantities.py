"""Estimates by name and with labels: what a result shows and a bootstrap gives intervals to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.pls.assessment import heterotrait_monotrait, standardized_residual
from crm_utils.pls.cases import Moments
from crm_utils.pls.effect_sizes import effect_sizes
from crm_utils.pls.estimates import Estimates, Options
from crm_utils.pls.layout import Layout
from crm_utils.pls.structure import implied_correlations, predictor_vif, variance_inflation


@dataclass(frozen=True, eq=False)
class Fit:
    """An estimate and all that its quantities follow from.

    Attributes
    ----------
    estimates : Estimates
        The estimate, in one replicate or many.
    items : Moments
        Moments of the items in the same replicates.
    layout : Layout
        The model.
    options : Options
        How it was estimated.
    cases : int
        Number of cases.
    """

    estimates: Estimates
    items: Moments
    layout: Layout
    options: Options
    cases: int


@dataclass(frozen=True)
class _Quantity:
    labels: Callable[[Layout], pd.Index]
    values: Callable[[Fit], np.ndarray]


def _pairs(layout: Layout, chosen: np.ndarray, names: tuple[str, str]) -> pd.MultiIndex:
    rows, columns = np.nonzero(chosen)
    constructs = np.array(layout.constructs, dtype=object)
    return pd.MultiIndex.from_arrays([constructs[rows], constructs[columns]], names=list(names))


def _arrows(layout: Layout) -> np.ndarray:
    return layout.arrows


def _through_others(layout: Layout) -> np.ndarray:
    return (layout.arrows.astype(int) @ layout.reaches()) > 0


def _explained(layout: Layout) -> np.ndarray:
    return layout.arrows.any(axis=0)


def _reflective(layout: Layout) -> np.ndarray:
    return layout.reflective


def _distinct(layout: Layout) -> np.ndarray:
    return np.triu(np.ones((len(layout.constructs),) * 2, dtype=bool), 1)


def _distinct_reflective(layout: Layout) -> np.ndarray:
    return np.triu(np.outer(layout.reflective, layout.reflective), 1)


def _effects(chosen: Callable[[Layout], np.ndarray], values: Callable[[Fit], np.ndarray]) -> _Quantity:
    """A matrix of effects, rows on columns, of which some entries count."""
    return _Quantity(
        lambda layout: _pairs(layout, chosen(layout), ("from", "to")),
        lambda fit: values(fit)[:, chosen(fit.layout)],
    )


def _between(chosen: Callable[[Layout], np.ndarray], values: Callable[[Fit], np.ndarray]) -> _Quantity:
    """A symmetric matrix, of which the entries above the diagonal count."""
    return _Quantity(
        lambda layout: _pairs(layout, chosen(layout), ("construct", "other")),
        lambda fit: values(fit)[:, chosen(fit.layout)],
    )


def _of_items(values: Callable[[Fit], np.ndarray]) -> _Quantity:
    return _Quantity(
        lambda layout: pd.MultiIndex.from_arrays(
            [[layout.constructs[owner] for owner in layout.owner], layout.items], names=["construct", "item"]
        ),
        values,
    )


def _of_constructs(chosen: Callable[[Layout], np.ndarray], values: Callable[[Fit], np.ndarray]) -> _Quantity:
    return _Quantity(
        lambda layout: pd.Index(np.array(layout.constructs, dtype=object)[chosen(layout)], name="construct"),
        lambda fit: values(fit)[:, chosen(fit.layout)],
    )


def _adjusted(fit: Fit) -> np.ndarray:
    """R² adjusted for the number of constructs that lead there."""
    leading = fit.layout.arrows.sum(axis=0)
    freedom = fit.cases - leading - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(freedom > 0, 1 - (1 - fit.estimates.r_squared) * (fit.cases - 1) / freedom, np.nan)


def _item_inflation(fit: Fit) -> np.ndarray:
    inflation = np.full(fit.estimates.weights.shape, np.nan)
    for construct in range(len(fit.layout.constructs)):
        block = fit.layout.block(construct)
        inflation[:, block] = variance_inflation(fit.items.correlations[:, block[:, None], block])
    return inflation


def _residuals(fit: Fit) -> np.ndarray:
    """SRMR with the constructs' correlations as they are, and with those that the paths imply."""
    found, layout = fit.estimates, fit.layout
    factors = layout.reflective & fit.options.consistent
    structures = [found.correlations, implied_correlations(found.correlations, found.paths, layout)]
    return np.stack(
        [
            standardized_residual(fit.items.correlations, found.loadings, structure, layout, factors=factors)
            for structure in structures
        ],
        axis=1,
    )


def _crossings(layout: Layout) -> pd.MultiIndex:
    return pd.MultiIndex.from_product([layout.items, layout.constructs], names=["item", "construct"])


_QUANTITIES = {
    "paths": _effects(_arrows, lambda fit: fit.estimates.paths),
    "total_effects": _effects(Layout.reaches, lambda fit: fit.estimates.total_effects),
    "indirect_effects": _effects(_through_others, lambda fit: fit.estimates.total_effects - fit.estimates.paths),
    "f_squared": _Quantity(
        lambda layout: _pairs(layout, layout.arrows, ("from", "to")),
        lambda fit: effect_sizes(fit.estimates, fit.items, fit.layout, fit.options),
    ),
    "vif": _effects(_arrows, lambda fit: predictor_vif(fit.estimates.correlations, fit.layout)),
    "r_squared": _of_constructs(_explained, lambda fit: fit.estimates.r_squared),
    "adjusted_r_squared": _of_constructs(_explained, _adjusted),
    "weights": _of_items(lambda fit: fit.estimates.weights),
    "unstandardized_weights": _of_items(lambda fit: fit.estimates.weights / fit.items.spreads),
    "loadings": _of_items(lambda fit: fit.estimates.loadings),
    "cross_loadings": _Quantity(
        _crossings, lambda fit: fit.estimates.cross_loadings.reshape(len(fit.estimates.weights), -1)
    ),
    "item_vif": _of_items(_item_inflation),
    "alpha": _of_constructs(_reflective, lambda fit: fit.estimates.alpha),
    "rho_a": _of_constructs(_reflective, lambda fit: fit.estimates.rho_a),
    "rho_c": _of_constructs(_reflective, lambda fit: fit.estimates.rho_c),
    "ave": _of_constructs(_reflective, lambda fit: fit.estimates.ave),
    "construct_correlations": _between(_distinct, lambda fit: fit.estimates.correlations),
    "htmt": _between(_distinct_reflective, lambda fit: heterotrait_monotrait(fit.items.correlations, fit.layout)),
    "srmr": _Quantity(lambda layout: pd.Index(["saturated", "estimated"], name="model"), _residuals),
    "item_means": _of_items(lambda fit: fit.items.means),
    "item_standard_deviations": _of_items(lambda fit: fit.items.spreads),
}
QUANTITIES = tuple(_QUANTITIES)


def labels(name: str, layout: Layout) -> pd.Index:
    """What each column of a quantity stands for."""
    return _QUANTITIES[name].labels(layout)


def values(name: str, fit: Fit) -> np.ndarray:
    """A quantity in every replicate, shape (replicates, labels)."""
    return _QUANTITIES[name].values(fit)


def parameter_names(index: pd.Index) -> list[str]:
    """Labels as text: "image → value" for an effect, "image: IMAG1" for an item, "image" for a construct."""
    if not isinstance(index, pd.MultiIndex):
        return [str(label) for label in index]
    link = {("from", "to"): " → ", ("construct", "item"): ": "}.get(tuple(index.names), " ~ ")
    return [link.join(label) for label in index]
