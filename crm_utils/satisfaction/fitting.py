"""Estimate an index model from answers as they come: items that an index cannot use are left out, and named."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.errors import ItemWarning
from crm_utils.language import tr
from crm_utils.pls import PathModel, PathResults
from crm_utils.pls.layout import shown_name


def fit_index_model(model: PathModel, answers: pd.DataFrame, **options: Any) -> tuple[PathResults, tuple[str, ...]]:
    """Estimate a model all of whose items raise the index of their construct.

    An item with a negative weight would lower the index when it is answered better. Such items are left out, the worst
    first, and the model is estimated again; the weight of the next one is that among the items that are left.

    Parameters
    ----------
    model : PathModel
        The model.
    answers : pandas.DataFrame, shape (n, …)
        One row a respondent, reversed items already turned round.
    **options
        As in `PathModel.fit`.

    Returns
    -------
    results : PathResults
        The estimate, of the model with the items that are left.
    notes : tuple of str
        A sentence for each item left out, and whatever else looks wrong with the items (no `ItemWarning` is given).

    Raises
    ------
    ParameterError, DataFloorError, ConvergenceError
        As in `PathModel.fit`.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=(200, 1)) + 0.7 * rng.normal(size=(200, 5))
    >>> answers = pd.DataFrame(mood * [1, 1, -1, 1, 1], columns=["v1", "v2", "v3", "s1", "s2"])
    >>> model = PathModel({"value": ["v1", "v2", "v3"], "satisfaction": ["s1", "s2"]}, [("value", "satisfaction")])
    >>> results, notes = fit_index_model(model, answers)
    >>> results.model.items
    ('v1', 'v2', 's1', 's2')
    >>> print(notes[0])
    The item v3 of value has the weight -0.39 and is left out: more of it would lower the index. If it is worded the
    other way, declare it as reversed.
    """
    left_out = []
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ItemWarning)
            results = model.fit(answers, **options)
        layout = model.layout()
        weights, sizes = results.estimates.weights[0], layout.membership.sum(axis=0)[layout.owner]
        candidates = np.flatnonzero((weights < 0) & (sizes > 1))
        if not len(candidates):
            return results, (*left_out, *results.notes)
        worst = candidates[weights[candidates].argmin()]
        item, construct = layout.items[worst], layout.constructs[layout.owner[worst]]
        template = tr(
            "The item {item} of {construct} has the weight {weight:.2f} and is left out: more of it would lower "
            "the index. If it is worded the other way, declare it as reversed."
        )
        if left_out:
            template = tr(
                "Of the items that are left, {item} of {construct} has the weight {weight:.2f} and is left out as "
                "well: more of it would lower the index. If it is worded the other way, declare it as reversed."
            )
        left_out.append(template.format(item=item, construct=shown_name(construct), weight=weights[worst]))
        model = _without(model, construct, item)


def _without(model: PathModel, construct: str, item: str) -> PathModel:
    given = model.constructs[construct]
    kept = type(given)([other for other in given.items if other != item], given.mode)
    return PathModel({**model.constructs, construct: kept}, model.paths)
