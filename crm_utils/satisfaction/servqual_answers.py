"""Answers to SERVQUAL questions: pairs of items found by their names, checked, and averaged by dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, is_number, missing_columns, raise_problems
from crm_utils.company.survey_columns import EXPECTED, IMPORTANCE, PERCEIVED, servqual_pairs
from crm_utils.errors import DataFloorError
from crm_utils.language import counted, listed, tr
from crm_utils.satisfaction.index import FEWEST_CASES
from crm_utils.survey.samples import Sample, numeric_column, read_sample

RATER = ("reliability", "assurance", "tangibles", "empathy", "responsiveness")
STATED = "stated"
ServqualItems = Mapping[str, tuple[Sequence[str], Sequence[str]]]
Importance = str | Mapping[str, str | float] | None
# Fewer points than this read as 0.00.
LEAST_POINTS = 0.005
# An item on what is expected, and its partner on what was perceived.
_Pair = tuple[str, str]
# What stands in the way of a pair of items: one of these, and the items that it is about.
_Fault = tuple[str, str]
_ABSENT, _EMPTY = "the survey has no {names}", "there are no answers to {names}"


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
        `items`. The five dimensions of SERVQUAL [1]_ (RATER) come first. What has no partner or no answers is left
        out (`servqual_notes` says so).

    Raises
    ------
    ParameterError
        If there are no such columns.
    DataFloorError
        If no pair is left.

    References
    ----------
    .. [1] Parasuraman, A., Zeithaml, V. A. & Berry, L. L. (1988). SERVQUAL: a multiple-item scale for measuring
       consumer perceptions of service quality. Journal of Retailing 64(1), 12–40.

    Examples
    --------
    >>> servqual_items(pd.DataFrame({"sq_exp_empathy_1": [9, 8], "sq_per_empathy_1": [7, 8], "nps": [9, 10]}))
    {'empathy': (('sq_exp_empathy_1',), ('sq_per_empathy_1',))}
    """
    found, faults = _named_pairs(answers)
    if not found and not faults:
        columns = f"{EXPECTED}<dimension>_<number> and {PERCEIVED}<dimension>_<number>"
        raise_problems("servqual_items", [f"answers have no columns {columns}; name the items of each dimension"])
    if not found:
        reasons = " ".join(_fault_notes(found, faults))
        raise DataFloorError(f"servqual_items needs a pair of items that somebody answered; there is none. {reasons}")
    return {dimension: tuple(zip(*pairs, strict=True)) for dimension, pairs in found.items()}


def servqual_notes(answers: pd.DataFrame) -> tuple[str, ...]:
    """Say what of a survey's SERVQUAL items and importance is not used, and why.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, with columns as in `servqual_items`, and ``sq_importance_<dimension>`` where importance was asked.

    Returns
    -------
    tuple of str
        One sentence each; none where everything is used.

    Examples
    --------
    >>> items = ("sq_exp_empathy_1", "sq_per_empathy_1", "sq_exp_empathy_2", "sq_per_tangibles_1")
    >>> for note in servqual_notes(pd.DataFrame({item: [9, 8] for item in items})):
    ...     print(note)
    The dimension tangibles is left out: the survey has no sq_exp_tangibles_1.
    Of empathy, 1 pair of items is left out: the survey has no sq_per_empathy_2.
    """
    found, faults = _named_pairs(answers)
    _, unused = _stated_importance(answers, list(found))
    return (*_fault_notes(found, faults), *filter(None, [unused]))


def _named_pairs(answers: pd.DataFrame) -> tuple[dict[str, list[_Pair]], dict[str, list[_Fault]]]:
    """Usable pairs of items, and what is wrong with the others; both by dimension."""
    named, found, faults = servqual_pairs(answers), {}, {}
    for dimension in sorted(named, key=lambda name: RATER.index(name) if name in RATER else len(RATER)):
        for pair in zip(*named[dimension], strict=True):
            if fault := _pair_fault(answers, pair):
                faults.setdefault(dimension, []).append(fault)
            else:
                found.setdefault(dimension, []).append(pair)
    return found, faults


def _pair_fault(answers: pd.DataFrame, pair: _Pair) -> _Fault | None:
    if absent := [item for item in pair if item not in answers]:
        return _ABSENT, absent[0]
    given = answers[list(pair)].notna()
    if empty := [item for item in pair if not given[item].any()]:
        return _EMPTY, listed(empty)
    if not given.all(axis=1).any():
        return _EMPTY, tr("{item} together with {partner}").format(item=pair[0], partner=pair[1])
    return None


def _fault_notes(found: dict[str, list[_Pair]], faults: dict[str, list[_Fault]]) -> list[str]:
    notes = []
    for dimension, of_dimension in faults.items():
        reasons = [
            tr(kind).format(names=listed(names for fault, names in of_dimension if fault == kind))
            for kind in dict.fromkeys(fault for fault, _ in of_dimension)
        ]
        template = tr("The dimension {name} is left out: {reasons}.")
        if dimension in found:
            template = tr("Of {name}, {pairs} left out: {reasons}.")
        pairs = counted(len(of_dimension), "pair of items is", "pairs of items are")
        notes.append(template.format(name=dimension.replace("_", " "), pairs=pairs, reasons="; ".join(reasons)))
    return notes


def _stated_importance(answers: pd.DataFrame, dimensions: list[str]) -> tuple[dict[str, str] | None, str]:
    """Columns of the points that respondents gave; or None, and the reason where they were asked for points."""
    columns = {dimension: f"{IMPORTANCE}{dimension}" for dimension in dimensions}
    lacking = [dimension.replace("_", " ") for dimension, column in columns.items() if column not in answers]
    if len(lacking) == len(columns):
        return None, ""
    if lacking:
        return None, tr("Importance is not used: it was not asked for {names}.").format(names=listed(lacking))
    points = answers[list(columns.values())]
    if not (points.notna().all(axis=1) & (points != 0).any(axis=1)).any():
        return None, tr("Importance is not used: nobody gave points to every dimension.")
    return columns, ""


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
    """Mean of a group under `name`, with its standard error and interval, where enough people tell its spread."""
    mean = sample.mean(values, group)
    if mean.units < FEWEST_CASES:
        return {name: mean.estimate, "std_error": np.nan, "low": np.nan, "high": np.nan}
    low, high = mean.interval(level=level)
    return {name: mean.estimate, "std_error": mean.std_error, "low": low, "high": high}


def answers_and_note(sample: Sample, values: np.ndarray, group: int) -> dict[str, Any]:
    """How many of a group have a value and how many none, and a note where they are too few for an interval."""
    few = sample.mean(values, group).units < FEWEST_CASES
    note = tr("fewer than {fewest} people: no interval").format(fewest=FEWEST_CASES) if few else ""
    return sample.counts(values, group) | {"note": note}


def signed_points(points: float) -> str:
    """Points with a sign, and nothing without: neither −0.00 nor +0.00."""
    return f"{points:+.2f}" if abs(points) >= LEAST_POINTS else "0.00"


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
    if items is None and isinstance(importance, str) and importance == STATED:
        # Found by its name like the items: what cannot be used is left out, and `servqual_notes` says so.
        importance, _ = _stated_importance(answers, list(found))
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
                f"{dimension} has {counted(len(expected), 'item')} on what is expected and {len(perceived)} on what "
                "was perceived; they go in pairs, so give as many of both"
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
        given = {dimension: f"{IMPORTANCE}{dimension}" for dimension in dimensions}
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
                f"the importance of {dimension} must be 0 or more, and is not in {counted(int(wrong.sum()), 'answer')} "
                f"(rows {first_rows(wrong, answers.index)}: {points[wrong, place][0]:g})"
            )
    # Who gave no point at all did not say what is important.
    total = points.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, points / total, np.nan)
