"""Why this customer: what each feature adds to the log-odds of leaving, and the main reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, raise_problems, seed_problems
from crm_utils.churn.warning import BOOSTING, EarlyWarning, feature_of_columns
from crm_utils.language import tr


def contributions(model: EarlyWarning, rows: Any, *, walks: int = 2, seed: int = 7) -> pd.DataFrame:
    """Split each customer's log-odds of leaving into a part for each feature.

    Parameters
    ----------
    model : EarlyWarning
        The model.
    rows : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Customers, with the model's features.
    walks : int, default 2
        Pairs of walks for boosted trees, from 1: more are nearer to Shapley values and take longer.
    seed : int, default 7
        Seed of the orders of the walks.

    Returns
    -------
    pandas.DataFrame
        One row a customer, index ``customer_id``, one column a feature: log-odds, above 0 where the feature speaks for
        leaving. A row adds up to the customer's log-odds (`EarlyWarning.log_odds`) less ``attrs["base"]``, those of
        the starting point.

    Notes
    -----
    Logistic regression: coefficient × (value − mean in training), over all columns of a feature; exact. Boosted trees:
    starting from a typical customer (medians, most frequent categories), one feature after the other is set to the
    customer's value, and the change of the log-odds is the feature's. Each walk is gone in a random order and in the
    reverse, and the changes are averaged: an approximation of Shapley values [1]_ against that one customer, which adds
    up exactly and takes 2 × `walks` predictions of all rows a feature.

    References
    ----------
    .. [1] Štrumbelj, E. & Kononenko, I. (2014). Explaining prediction models and individual predictions with feature
       contributions. Knowledge and Information Systems 41(3), 647–665.

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
    raise_problems("contributions", count_problems("walks", walks, least=1) + seed_problems(seed))
    customers, frame = model.read(rows)
    design = np.asarray(model.pipeline[:-1].transform(frame), dtype=float)
    estimator = model.pipeline[-1]
    owners = feature_of_columns(model)
    features = list(model.features)
    place = np.array([features.index(owner) for owner in owners])
    parts = np.zeros((len(design), len(features)))
    if model.model == BOOSTING:
        base = float(estimator.decision_function(model.background[None, :])[0])
        orders = [np.random.default_rng(child).permutation(len(owners)) for child in _children(seed, walks)]
        for order in orders:
            for walk in (order, order[::-1]):
                at = np.tile(model.background, (len(design), 1))
                now = np.full(len(design), base)
                for column in walk:
                    at[:, column] = design[:, column]
                    following = estimator.decision_function(at)
                    parts[:, place[column]] += (following - now) / (2 * walks)
                    now = following
    else:
        coefficients = estimator.coef_[0]
        base = float(estimator.intercept_[0] + model.background @ coefficients)
        for column, feature in enumerate(place):
            parts[:, feature] += (design[:, column] - model.background[column]) * coefficients[column]
    slope, start = model.calibration_line
    result = pd.DataFrame(slope * parts, index=customers, columns=features)
    result.attrs["base"] = slope * base + start
    return result


def _children(seed: int, number: int) -> list[np.random.SeedSequence]:
    return np.random.SeedSequence(seed).spawn(number)


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
    values = given.to_numpy()
    first = np.argsort(-values, axis=1, kind="stable")[:, :most]
    texts = np.full(first.shape, "", dtype=object)
    for position, feature in enumerate(model.features):
        chosen = (first == position) & (np.take_along_axis(values, first, axis=1) > 0)
        if chosen.any():
            # One text a value, not one a customer.
            cells = frame[feature].iloc[np.nonzero(chosen)[0]]
            codes, known = pd.factorize(cells, use_na_sentinel=False)
            usual = _written(model.typical[feature])
            written = [_written(value) for value in known]
            said = [
                f"{names[feature]} {text}" + ("" if text == usual else f" ({tr('usually')} {usual})")
                for text in written
            ]
            texts[chosen] = np.array(said, dtype=object)[codes]
    joined = ["; ".join(text for text in row if text) or tr("nothing in particular") for row in texts]
    return pd.Series(joined, customers, name="reasons")


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return tr("not known")
    return f"{float(value):,.0f}" if abs(value) >= 100 else f"{float(value):.3g}"
