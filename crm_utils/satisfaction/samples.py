"""Respondents behind a mean: values, weights, people and groups, checked once and lined up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, index_problems, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import SampleMean, sample_mean
from crm_utils.language import tr


@dataclass(frozen=True, eq=False)
class Sample:
    """Answers with their weights, people and groups.

    Attributes
    ----------
    answers : numpy.ndarray of float, shape (answers,) or (answers, columns)
        NaN where there is none.
    weights : numpy.ndarray of float, shape (answers,)
        Weights.
    clusters : numpy.ndarray of int, shape (answers,)
        Number of the person.
    groups : numpy.ndarray of int, shape (answers,)
        Number of the group; −1 for none.
    labels : pandas.Index
        Groups; one, "all", where none were asked for.
    """

    answers: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray
    groups: np.ndarray
    labels: pd.Index

    def mean(self, values: np.ndarray, group: int | None = None) -> SampleMean:
        """Mean of values, of everybody or of a group."""
        if group is not None:
            values = np.where(self.groups == group, values, np.nan)
        return sample_mean(values, weights=self.weights, clusters=self.clusters)

    def by_group(self, row: Callable[[int], dict[str, Any]]) -> pd.DataFrame:
        """One row a group."""
        return pd.DataFrame([row(group) for group in range(len(self.labels))], self.labels)


def read_sample(
    answers: Any,
    where: str,
    *,
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
    allowed: tuple[float, float] | None = None,
    whole: bool = False,
) -> Sample:
    """Check answers and what comes with them.

    Parameters
    ----------
    answers : pandas.Series, pandas.DataFrame or array-like, shape (n,) or (n, columns)
        Numbers; missing where there is no answer.
    where : str
        What a message names as its place.
    weights : array-like of float, shape (n,), optional
        Weights, 0 or more.
    clusters : array-like, shape (n,), optional
        Labels of the people.
    by : array-like, shape (n,), optional
        Labels of groups; missing for none.
    level : float
        Confidence level.
    allowed : tuple of float, optional
        Lowest and highest answer.
    whole : bool, default False
        Whether answers must be whole numbers.

    Returns
    -------
    Sample
        Everything by position.

    Raises
    ------
    ParameterError
        With every problem.
    DataFloorError
        If there is no answer.
    """
    problems = level_problems(level)
    series = answers if isinstance(answers, pd.Series | pd.DataFrame) else pd.Series(np.asarray(answers))
    problems += index_problems(answers=series, weights=weights, clusters=clusters, by=by)
    try:
        values = series.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise_problems(where, ["answers must be numbers; convert them first"])
    names = (
        [str(name) for name in series.columns] if isinstance(series, pd.DataFrame) else [str(series.name or "answers")]
    )
    for name, column in zip(names, values.reshape(len(values), -1).T, strict=True):
        bad = np.zeros(len(column), dtype=bool)
        rule = ""
        if allowed is not None:
            bad |= (column < allowed[0]) | (column > allowed[1])
            rule = f"outside {allowed[0]:g} to {allowed[1]:g}"
        if whole:
            bad |= np.isfinite(column) & (column != np.rint(column))
            rule = f"not a whole number from {allowed[0]:g} to {allowed[1]:g}"
        bad |= np.isinf(column)
        if bad.any():
            problems.append(
                f"{name} has {int(bad.sum()):,} answers {rule or 'that are infinite'} (rows "
                f"{first_rows(bad, series.index)}: {column[bad][0]:g}); correct them or code them as missing"
            )
    mass = np.ones(len(values))
    for name, given in (("weights", weights), ("clusters", clusters), ("by", by)):
        if given is not None and (np.ndim(given) != 1 or len(given) != len(values)):
            problems.append(f"{name} must be one an answer: there are {len(values):,} rows")
    raise_problems(where, problems)
    if weights is not None:
        mass = pd.Series(np.asarray(weights)).to_numpy(dtype=float, na_value=np.nan)
        if not ((mass >= 0) & np.isfinite(mass)).all():
            raise_problems(where, ["weights must be numbers of 0 or more, without gaps"])
    if not np.isfinite(values).any():
        raise DataFloorError(f"{where} needs answers, and there is none.")
    codes = np.arange(len(values)) if clusters is None else _codes(clusters)
    groups, labels = np.zeros(len(values), dtype=int), pd.Index([tr("all")], name="group")
    if by is not None:
        groups, found = pd.factorize(pd.Series(np.asarray(by)), sort=True, use_na_sentinel=True)
        labels = pd.Index(found, name=getattr(by, "name", None) or "group")
    return Sample(values, mass, codes, groups, labels)


def _codes(clusters: Any) -> np.ndarray:
    """Numbers of people; who is not known is a person of her own."""
    codes = pd.factorize(pd.Series(np.asarray(clusters)), use_na_sentinel=True)[0]
    unknown = codes < 0
    codes[unknown] = codes.max(initial=-1) + 1 + np.arange(unknown.sum())
    return codes
