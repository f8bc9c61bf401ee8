"""Respondents behind a mean, a share or a correlation: values, weights, people and groups, checked and lined up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, index_problems, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import SampleMean, independent_answers, person_codes, sample_mean, share_interval
from crm_utils.language import counted, tr
from crm_utils.survey.answers import scale_problems

# Step of numeric derivatives, in standard deviations of the two columns of a covariance.
_STEP = 1e-5
# What is wrong with answers, by whether they must be whole numbers.
_FAULTS = {
    False: ("answer that is infinite", "answers that are infinite"),
    True: ("answer that is no whole number", "answers that are no whole numbers"),
}


@dataclass(frozen=True, eq=False)
class SampleMoments:
    """Weighted covariances of a sample, and what each unit contributes to their errors.

    Attributes
    ----------
    means : numpy.ndarray of float, shape (columns,)
        Means.
    covariance : numpy.ndarray of float, shape (columns, columns)
        Weighted mean products of deviations from the means.
    influence : numpy.ndarray of float, shape (units, pairs)
        Contribution of each unit to each covariance, by upper triangle.
    units : int
        Clusters (or cases) without a gap.
    cases : int
        Cases without a gap.
    """

    means: np.ndarray
    covariance: np.ndarray
    influence: np.ndarray
    units: int
    cases: int

    def derived(self, function: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Quantities that follow from the covariances, and their linearised standard errors.

        Parameters
        ----------
        function : callable
            Smooth function of covariance matrices, shape (…, columns, columns) → (…, quantities).

        Returns
        -------
        estimates, std_errors : numpy.ndarray of float, shape (quantities,)
            Quantities and errors.

        References
        ----------
        .. [1] Särndal, C.-E., Swensson, B. & Wretman, J. (1992). Model Assisted Survey Sampling. Springer, section
           5.5.
        """
        rows, columns = np.triu_indices(len(self.means))
        spreads = np.sqrt(np.diag(self.covariance))
        steps = _STEP * spreads[rows] * spreads[columns]
        moved = np.zeros((len(rows), *self.covariance.shape))
        pair = np.arange(len(rows))
        moved[pair, rows, columns] = moved[pair, columns, rows] = steps
        with np.errstate(invalid="ignore", divide="ignore"):
            estimates = function(self.covariance)
            slopes = (function(self.covariance + moved) - function(self.covariance - moved)) / (2 * steps[:, None])
        # A column without variation does not move.
        slopes[steps == 0] = 0.0
        if self.units < 2:
            return estimates, np.full_like(estimates, np.nan)
        squares = ((self.influence @ slopes) ** 2).sum(axis=0)
        return estimates, np.sqrt(self.units / (self.units - 1) * squares)


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

    def moments(self, values: np.ndarray, group: int | None = None) -> SampleMoments:
        """Covariances of the columns of values, of the cases without a gap, of everybody or of a group."""
        there = ~np.isnan(values).any(axis=1) & (self.weights > 0)
        if group is not None:
            there &= self.groups == group
        columns = values.shape[1]
        first, second = np.triu_indices(columns)
        if not there.any():
            empty = np.full((columns, columns), np.nan)
            return SampleMoments(empty[0], empty, np.zeros((0, len(first))), 0, 0)
        units, codes = np.unique(self.clusters[there], return_inverse=True)
        mass, cases = self.weights[there], values[there]
        means = mass @ cases / mass.sum()
        deviations = cases - means
        covariance = (deviations * mass[:, None]).T @ deviations / mass.sum()
        products = deviations[:, first] * deviations[:, second] - covariance[first, second]
        influence = np.zeros((len(units), len(first)))
        np.add.at(influence, codes, products * (mass / mass.sum())[:, None])
        return SampleMoments(means, covariance, influence, len(units), len(cases))

    def share(self, inside: np.ndarray, group: int, *, level: float) -> dict[str, float]:
        """Share of a group that is inside (1; 0 for outside, NaN for no answer), its error and Wilson's interval."""
        mean = self.mean(inside, group)
        low, high = share_interval(np.where(self.groups == group, inside, np.nan), mean, self.weights, level=level)
        return {"share": mean.estimate, "std_error": mean.std_error, "low": low, "high": high}

    def independent_answers(self, values: np.ndarray, group: int, variance: float, *, level: float) -> float:
        """How many independent answers of equal weight would tell as much as those of a group.

        Parameters
        ----------
        values : numpy.ndarray of float, shape (answers,)
            Values; NaN where there is none.
        group : int
            Number of the group.
        variance, level : float
            As for `crm_utils.intervals.independent_answers`.

        Returns
        -------
        float
            Answers; 0 where there are none.
        """
        values = np.where(self.groups == group, values, np.nan)
        return independent_answers(values, self.mean(values), self.weights, variance, level=level)

    def counts(self, values: np.ndarray, group: int) -> dict[str, int]:
        """How many of a group have a value, and how many have none."""
        inside = self.groups == group
        given = int((inside & ~np.isnan(values)).sum())
        return {"answers": given, "missing": int(inside.sum()) - given}

    def by_group(self, row: Callable[[int], dict[str, Any]]) -> pd.DataFrame:
        """One row a group."""
        return pd.DataFrame([row(group) for group in range(len(self.labels))], self.labels)


def mean_ratio(top: SampleMean, bottom: SampleMean) -> tuple[float, float]:
    """Ratio of two means of the same cases.

    Parameters
    ----------
    top, bottom : SampleMean
        Means, from one sample.

    Returns
    -------
    ratio, std_error : float
        Ratio and its linearised standard error; NaN where the mean below is not above zero, and no error for fewer
        than two units.

    References
    ----------
    .. [1] Särndal, C.-E., Swensson, B. & Wretman, J. (1992). Model Assisted Survey Sampling. Springer, section 5.6.
    """
    if not bottom.estimate > 0:
        return np.nan, np.nan
    ratio = top.estimate / bottom.estimate
    if top.units < 2:
        return ratio, np.nan
    squares = ((top.influence - ratio * bottom.influence) ** 2).sum()
    return ratio, float(np.sqrt(top.units / (top.units - 1) * squares) / bottom.estimate)


def read_sample(
    answers: Any,
    where: str,
    *,
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    whole: bool = False,
    by_name: str = "by",
    problems: Sequence[str] = (),
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
        Labels of the people; who has none is a person of her own.
    by : array-like, shape (n,), optional
        Labels of groups; missing for none. Sorted, but for those of a categorical, which keep its order.
    level : float
        Confidence level.
    scale : (float, float) or mapping of str to (float, float), optional
        Lowest and highest answer, of all columns or by column.
    whole : bool, default False
        Whether answers must be whole numbers.
    by_name : str, default "by"
        What a message calls the groups.
    problems : sequence of str, default ()
        What the caller found wrong, to be raised together with what is found here.

    Returns
    -------
    Sample
        Everything by position.

    Raises
    ------
    ParameterError
        With every problem.
    DataFloorError
        If there is no answer, or none with a weight above zero.
    """
    problems = [*problems, *level_problems(level)]
    if not isinstance(answers, pd.Series | pd.DataFrame):
        answers = pd.DataFrame(answers) if np.ndim(answers) == 2 else pd.Series(np.atleast_1d(answers))
    frame = answers if isinstance(answers, pd.DataFrame) else answers.to_frame(answers.name or "answers")
    columns = {name: column for name, column in ((by_name, by), ("weights", weights), ("clusters", clusters))
               if column is not None}  # fmt: skip
    unequal = [
        f"{name} must be one column with a value for each of the {len(frame):,} answers, and "
        f"{'is one value' if np.ndim(column) == 0 else f'has the shape {np.shape(column)}'}"
        for name, column in columns.items()
        if np.ndim(column) != 1 or len(column) != len(frame)
    ]
    problems += unequal or index_problems(answers=frame, **columns)
    values = _checked_answers(frame, scale, whole, problems)
    mass = np.ones(len(frame)) if weights is None else _checked_weights(weights, problems)
    groups, labels = np.zeros(len(frame), dtype=int), pd.Index([tr("all")], name="group")
    if by is not None and not unequal:
        groups, found = pd.factorize(pd.Series(by), sort=True)
        labels = pd.Index(found, name=getattr(by, "name", None) or "group")
        if len(frame) and not len(labels):
            problems.append(f"{by_name} has no label; give one an answer")
    raise_problems(where, problems)
    if not (np.isfinite(values).any(axis=1) & (mass > 0)).any():
        weighed = " with a weight above zero" if (mass == 0).any() else ""
        raise DataFloorError(f"{where} needs answers{weighed}; there is none.")
    codes = np.arange(len(frame)) if clusters is None else person_codes(clusters)
    return Sample(values[:, 0] if answers.ndim == 1 else values, mass, codes, groups, labels)


def _checked_answers(frame: pd.DataFrame, scale: Any, whole: bool, problems: list[str]) -> np.ndarray:
    """Answers as floats, shape (answers, columns); what is wrong with them is added to the problems."""
    values = np.empty(frame.shape)
    for place in range(frame.shape[1]):
        values[:, place] = numeric_column(frame.iloc[:, place], problems)
    checked = pd.DataFrame(values, frame.index, frame.columns)
    if isinstance(scale, Mapping):
        absent = [str(name) for name in frame.columns if name not in scale]
        if absent:
            problems.append(f"scale has no ends for {', '.join(absent)}; give a pair for every item")
        for name in frame.columns.intersection(list(scale)):
            problems += [f"of {name}, {problem}" for problem in scale_problems(checked, [], scale[name])] or (
                scale_problems(checked, [name], scale[name])
            )
    elif scale is not None:
        problems += scale_problems(checked, frame.columns, scale)
    for name, column in zip(frame.columns, values.T, strict=True):
        bad = np.isinf(column) if scale is None else np.zeros(len(column), dtype=bool)
        if whole:
            bad |= np.isfinite(column) & (column != np.rint(column))
        if bad.any():
            problems.append(
                f"{name} has {counted(int(bad.sum()), *_FAULTS[whole])} (rows {first_rows(bad, frame.index)}: "
                f"{column[bad][0]:g}); correct them or code them as missing"
            )
    return values


def _checked_weights(weights: Any, problems: list[str]) -> np.ndarray:
    """Weights as floats; what is wrong with them is added to the problems."""
    before = len(problems)
    mass = numeric_column(pd.Series(np.atleast_1d(weights), name="weights"), problems)
    bad = ~(np.isfinite(mass) & (mass >= 0))
    if bad.any() and len(problems) == before:
        problems.append(
            f"weights must be numbers of 0 or more, without gaps, and {counted(int(bad.sum()), 'is', 'are')} not "
            f"(at positions {first_rows(bad)})"
        )
    return mass


def numeric_column(column: pd.Series, problems: list[str]) -> np.ndarray:
    """Turn a column into floats with gaps.

    Parameters
    ----------
    column : pandas.Series
        Numbers of any type; its name is named in a message.
    problems : list of str
        What stands in the way is added: how many values, the first rows, and the first value that is no number.

    Returns
    -------
    numpy.ndarray of float, shape (n,)
        NaN where there is no number, and everywhere where there is a problem.

    Examples
    --------
    >>> problems = []
    >>> numeric_column(pd.Series(["8", "9", "n/a"], name="nps"), problems).tolist()
    [nan, nan, nan]
    >>> problems
    ["nps must be numbers, and 1 value is no number (rows 2: 'n/a'); correct it or code it as missing"]
    """
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    values, given = column.astype(object), column.notna().to_numpy()
    text = given & values.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    # The culprits first: where one word has made a column text, its numbers are text too.
    words = given & ~values.map(_is_real).to_numpy(dtype=bool)
    for wrong, one, many, remedy in (
        (words, "value is no number", "values are no numbers", "correct {} or code {} as missing"),
        (text, "value is written as text", "values are written as text", "convert {} first"),
    ):
        if count := int(wrong.sum()):
            them = "it" if count == 1 else "them"
            problems.append(
                f"{column.name} must be numbers, and {counted(count, one, many)} (rows "
                f"{first_rows(wrong, column.index)}: {values[wrong].iloc[0]!r}); {remedy.format(them, them)}"
            )
            return np.full(len(column), np.nan)
    return values.to_numpy(dtype=float, na_value=np.nan)


def _is_real(value: Any) -> bool:
    """Whether a value, be it text, is a number."""
    try:
        return not np.isnan(float(value))
    except (TypeError, ValueError):
        return False
