"""Why this customer: what each feature adds to the log-odds of leaving, and the main reasons in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, raise_problems
from crm_utils.churn._design import design_of, map_blocks, row_blocks
from crm_utils.churn._tree_shapley import tree_contributions, tree_tables
from crm_utils.churn.warning import BOOSTING, EarlyWarning, feature_of_columns
from crm_utils.language import tr


def contributions(model: EarlyWarning, rows: Any) -> pd.DataFrame:
    """Split each customer's log-odds of leaving into a part for each feature.

    Parameters
    ----------
    model : EarlyWarning
        The model.
    rows : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Customers, with the model's features.

    Returns
    -------
    pandas.DataFrame
        One row a customer, index ``customer_id``, one column a feature: log-odds, above 0 where the feature speaks for
        leaving. A row adds up to the customer's log-odds (`EarlyWarning.log_odds`) less ``attrs["base"]``, those of
        the starting point.

    Notes
    -----
    These are Shapley values [1]_ against one row, exact for both models: the part of a feature is the change of the
    log-odds when it is set from the starting point to the customer's value, averaged over all orders in which the
    features can be set. Logistic regression starts from the means in training: coefficient × (value − mean), over all
    columns of a feature. Boosted trees start from a typical customer (medians, most frequent categories) and are read
    leaf by leaf [2]_.

    References
    ----------
    .. [1] Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, 307–317.
    .. [2] Lundberg, S. M. et al. (2020). From local explanations to global understanding with explainable AI for trees.
       Nature Machine Intelligence 2, 56–67.

    Examples
    --------
    >>> from crm_utils.churn.warning import early_warning
    >>> rng = np.random.default_rng(7)
    >>> table = pd.DataFrame({"visits": rng.normal(size=600), "noise": rng.normal(size=600)})
    >>> table["outcome"] = (rng.random(600) < 1 / (1 + np.exp(1 + table["visits"]))).astype(int)
    >>> model = early_warning(table)
    >>> parts = contributions(model, table)
    >>> bool(np.allclose(parts.sum(axis=1) + parts.attrs["base"], model.log_odds(table)))
    True
    """
    customers, frame = model.read(rows)
    estimator = model.pipeline[-1]
    features = list(model.features)
    place = np.array([features.index(owner) for owner in feature_of_columns(model)])
    split = _tree_parts(model) if model.model == BOOSTING else _linear_parts(model)
    slope, start = model.calibration_line
    # One line a feature: as pandas stores a table.
    parts = np.zeros((len(features), len(frame)))

    if len(frame):
        design = design_of(model.pipeline, model.numeric, frame)

        def fill(rows: slice) -> None:
            for feature, column in zip(place, split(design(rows)), strict=True):
                parts[feature, rows] += slope * column

        map_blocks(fill, len(frame))
    result = pd.DataFrame(parts.T, index=customers, columns=features)
    result.attrs["base"] = slope * float(estimator.decision_function(model.background[None, :])[0]) + start
    return result


def _linear_parts(model: EarlyWarning) -> Callable[[np.ndarray], np.ndarray]:
    """What splits a block of rows into parts of columns, one line a column."""
    coefficients = model.pipeline[-1].coef_[0]
    return lambda design: ((design - model.background) * coefficients).T


def _tree_parts(model: EarlyWarning) -> Callable[[np.ndarray], np.ndarray]:
    trees = model.pipeline[-1]
    tables = tree_tables(trees, model.background)
    return lambda design: tree_contributions(trees, tables, design)


def reasons(
    model: EarlyWarning,
    rows: Any,
    *,
    most: int = 3,
    labels: Mapping[str, str] | None = None,
    parts: pd.DataFrame | None = None,
) -> pd.Series:
    """Tell in words what speaks most for each customer's leaving.

    Parameters
    ----------
    model : EarlyWarning
        The model.
    rows : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Customers, with the model's features.
    most : int, default 3
        At most so many reasons.
    labels : mapping of str to str, optional
        What features are called. Default: their names with spaces.
    parts : pandas.DataFrame, optional
        What `contributions` gave for these rows. Default: made here.

    Returns
    -------
    pandas.Series of str
        ``reasons``, index ``customer_id``; "nothing in particular" where no feature speaks for leaving. A reason is
        what the model goes by, which need not be why somebody leaves.

    Raises
    ------
    ParameterError
        If an option is unusable, or `parts` are of other rows.

    Examples
    --------
    >>> from crm_utils.churn.warning import early_warning
    >>> rng = np.random.default_rng(7)
    >>> table = pd.DataFrame({"visits": rng.poisson(4, 600)})
    >>> table["outcome"] = (rng.random(600) < 1 / (1 + np.exp(table["visits"] - 3.0))).astype(int)
    >>> reasons(early_warning(table), pd.DataFrame({"visits": [1, 9]})).tolist()
    ['visits 1 (usually 4)', 'nothing in particular']
    """
    where = "reasons"
    problems = count_problems("most", most, least=1)
    customers, frame = model.read(rows)
    given = contributions(model, rows) if parts is None else parts
    if given.shape != frame.shape or not given.index.equals(customers):
        problems.append("parts are of other rows; give what contributions made of these rows, in their order")
    raise_problems(where, problems)
    names = {name: (labels or {}).get(name, name.replace("_", " ")) for name in model.features}
    blocks = [
        _told(model, frame.iloc[rows], given.iloc[rows].to_numpy(), names, most) for rows in row_blocks(len(frame))
    ]
    return pd.Series([text for block in blocks for text in block], customers, dtype="str", name="reasons")


def _told(
    model: EarlyWarning, frame: pd.DataFrame, parts: np.ndarray, names: Mapping[str, str], most: int
) -> list[str]:
    first = np.argsort(-parts, axis=1, kind="stable")[:, :most]
    first[np.take_along_axis(parts, first, axis=1) <= 0] = -1
    texts = np.full(first.shape, "", dtype=object)
    for position, feature in enumerate(model.features):
        chosen = first == position
        if chosen.any():
            # One text a value, not one a customer.
            codes, known = pd.factorize(frame[feature].to_numpy()[np.nonzero(chosen)[0]], use_na_sentinel=False)
            usual = _written(model.typical[feature])
            aside = f" ({tr('usually')} {usual})"
            written = [_written(value) for value in known.tolist()]
            said = [f"{names[feature]} {text}{'' if text == usual else aside}" for text in written]
            texts[chosen] = np.array(said, dtype=object)[codes]
    nothing = tr("nothing in particular")
    return ["; ".join(filter(None, row)) or nothing for row in zip(*texts.T, strict=True)]


def _written(value: str | float) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return tr("not known")
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
