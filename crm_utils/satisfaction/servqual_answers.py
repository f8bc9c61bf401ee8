"""Answers to SERVQUAL questions: pairs of items found by their names, checked, and averaged by dimension."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, is_number, missing_columns, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.survey.samples import Sample, numeric_column, read_sample

RATER = ("reliability", "assurance", "tangibles", "empathy", "responsiveness")
STATED = "stated"
ServqualItems = Mapping[str, tuple[Sequence[str], Sequence[str]]]
Importance = str | Mapping[str, str | float] | None
_EXPECTED, _PERCEIVED, _IMPORTANCE = "sq_exp_", "sq_per_", "sq_importance_"


def servqual_items(answers: pd.DataFrame) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Find the pairs of SERVQUAL items of a survey by their names.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has columns ``sq_exp_<dimension>_<number>`` (what is expected) and ``sq_per_<dimension>_<number>`` (what was
        perceived).

    Returns
    -------
    dict of str to (tuple of str, tuple of str)
        Expectation items and perception items by dimension, in pairs: what the functions of this module take as
        `items`. The five dimensions of SERVQUAL [1]_ (RATER) come first.

    Raises
    ------
    ParameterError
        If there are no such columns, or one lacks its partner.

    References
    ----------
    .. [1] Parasuraman, A., Zeithaml, V. A. & Berry, L. L. (1988). SERVQUAL: a multiple-item scale for measuring
       consumer perceptions of service quality. Journal of Retailing 64(1), 12–40.

    Examples
    --------
    >>> servqual_items(pd.DataFrame(columns=["sq_exp_empathy_1", "sq_per_empathy_1", "nps"]))
    {'empathy': (('sq_exp_empathy_1',), ('sq_per_empathy_1',))}
    """
    pattern = re.compile(rf"(?:{_EXPECTED}|{_PERCEIVED})(.+)_(\d+)")
    numbers: dict[str, set[str]] = {}
    for name in answers:
        if match := pattern.fullmatch(str(name)):
            numbers.setdefault(match[1], set()).add(match[2])
    if not numbers:
        columns = f"{_EXPECTED}<dimension>_<number> and {_PERCEIVED}<dimension>_<number>"
        raise_problems("servqual_items", [f"answers have no columns {columns}; name the items of each dimension"])
    items = {
        dimension: tuple(
            tuple(f"{side}{dimension}_{number}" for number in sorted(numbers[dimension], key=int))
            for side in (_EXPECTED, _PERCEIVED)
        )
        for dimension in sorted(numbers, key=lambda name: RATER.index(name) if name in RATER else len(RATER))
    }
    raise_problems("servqual_items", missing_columns(answers, _names(items), "answers"))
    return items


@dataclass(frozen=True, eq=False)
class ServqualAnswers:
    """What respondents expect and perceive by dimension, and how important each is to them.

    Attributes
    ----------
    sample : Sample
        The respondents.
    sides : dict of str to (numpy.ndarray, numpy.ndarray), each of shape (respondents, pairs)
        Expectations and perceptions by dimension.
    expectation, perception : numpy.ndarray of float, shape (respondents, dimensions)
        Means over the pairs of which both are answered; NaN where there is none.
    importance : numpy.ndarray of float, shape (respondents, dimensions), or None
        Shares that add up to 1 for a respondent; None where nothing is weighted.
    """

    sample: Sample
    sides: dict[str, tuple[np.ndarray, np.ndarray]]
    expectation: np.ndarray
    perception: np.ndarray
    importance: np.ndarray | None

    @property
    def dimensions(self) -> list[str]:
        """Dimensions, in the order of the items."""
        return list(self.sides)

    @property
    def gap(self) -> np.ndarray:
        """Perception less expectation, shape (respondents, dimensions)."""
        return self.perception - self.expectation

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """Values times importance, of respondents who have all of both."""
        return _of_the_complete(values * self.importance)

    def compared(self) -> np.ndarray:
        """Gaps, weighted where there is importance, of respondents who have all of them."""
        return _of_the_complete(self.gap) if self.importance is None else self.weighted(self.gap)

    def table(self, rows: Callable[[int], list[dict[str, Any]]], labels: list[str], by: Any) -> pd.DataFrame:
        """Rows of every group under the groups, or of everybody where there are none."""
        groups = self.sample.labels
        tables = [pd.DataFrame(rows(group)).set_index(labels) for group in range(len(groups))]
        return tables[0] if by is None else pd.concat(tables, keys=groups, names=[groups.name])


def _of_the_complete(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, values)


def mean_with_interval(sample: Sample, values: np.ndarray, group: int, level: float, name: str) -> dict[str, float]:
    """Mean of a group under `name`, with its standard error and interval."""
    mean = sample.mean(values, group)
    low, high = mean.interval(level=level)
    return {name: mean.estimate, "std_error": mean.std_error, "low": low, "high": high}


def _names(items: ServqualItems) -> list[str]:
    return [name for sides in items.values() for side in sides for name in side]


def read_servqual(
    answers: pd.DataFrame,
    items: ServqualItems | None,
    importance: Importance,
    scale: tuple[float, float],
    where: str,
    *,
    problems: Sequence[str] = (),
    **design: Any,
) -> ServqualAnswers:
    """Expectations, perceptions and importance of the respondents, once everything is found fit."""
    if not isinstance(answers, pd.DataFrame):
        raise_problems(where, [f"answers must be a table with the items as columns, and are {type(answers).__name__}"])
    found = _checked_items(answers, items, where)
    names = _names(found)
    problems = list(problems)
    points = _importance(answers, list(found), importance, problems)
    sample = read_sample(answers[names], where, scale=scale, problems=problems, **design)
    place = {name: column for column, name in enumerate(names)}
    sides = {
        dimension: tuple(sample.answers[:, [place[name] for name in side]] for side in pair)
        for dimension, pair in found.items()
    }
    means = []
    for expected, perceived in sides.values():
        there = ~np.isnan(expected) & ~np.isnan(perceived)
        with np.errstate(invalid="ignore"):
            means.append([np.where(there, side, 0.0).sum(axis=1) / there.sum(axis=1) for side in (expected, perceived)])
    expectation, perception = np.array(means).transpose(1, 2, 0)
    if np.isnan(expectation).all():
        raise DataFloorError(f"{where} needs respondents who answered both items of a pair; there is none.")
    return ServqualAnswers(sample, sides, expectation, perception, points)


def _checked_items(
    answers: pd.DataFrame, items: ServqualItems | None, where: str
) -> dict[str, tuple[list[str], list[str]]]:
    found, problems = {}, []
    for dimension, sides in (servqual_items(answers) if items is None else items).items():
        expected, perceived = ([side] if isinstance(side, str) else list(side) for side in sides)
        if not expected or len(expected) != len(perceived):
            problems.append(
                f"{dimension} has {len(expected)} items on what is expected and {len(perceived)} on what was "
                "perceived; they go in pairs, so give as many of both"
            )
        found[dimension] = (expected, perceived)
    names = _names(found)
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        problems.append(f"items name {', '.join(repeated)} more than once")
    if not names:
        problems.append("items name no dimension")
    raise_problems(where, problems + missing_columns(answers, names, "answers"))
    return found


def _importance(
    answers: pd.DataFrame, dimensions: list[str], given: Importance, problems: list[str]
) -> np.ndarray | None:
    """Shares of importance, shape (respondents, dimensions); what is wrong with them is added to the problems."""
    if isinstance(given, str) and given == STATED:
        given = {dimension: f"{_IMPORTANCE}{dimension}" for dimension in dimensions}
        if not any(column in answers for column in given.values()):
            return None
    if given is None:
        return None
    if not isinstance(given, Mapping) or not set(dimensions) <= set(given):
        wanted = f"a column or a weight for each of {', '.join(dimensions)}"
        problems.append(f"importance must be {STATED!r}, {wanted}, or None, and is {given!r}")
        return None
    lacking = missing_columns(answers, [given[name] for name in dimensions if isinstance(given[name], str)], "answers")
    problems += lacking
    points = np.full((len(answers), len(dimensions)), np.nan)
    for place, dimension in enumerate(dimensions if not lacking else []):
        value = given[dimension]
        if isinstance(value, str):
            points[:, place] = numeric_column(answers[value], problems)
        elif is_number(value):
            points[:, place] = value
        else:
            problems.append(f"the importance of {dimension} must be a column or a number, and is {value!r}")
        wrong = (points[:, place] < 0) | np.isinf(points[:, place])
        if wrong.any():
            problems.append(
                f"the importance of {dimension} must be 0 or more, and is not in {int(wrong.sum()):,} answers (rows "
                f"{first_rows(wrong, answers.index)}: {points[wrong, place][0]:g})"
            )
    # Who gave no point at all did not say what is important.
    total = points.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, points / total, np.nan)
