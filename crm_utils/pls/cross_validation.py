"""Cross-validation of a path model: all training sets are estimated together, and predict the cases that they lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import ConvergenceError, DataFloorError
from crm_utils.language import counted
from crm_utils.pls.algebra import solve_symmetric
from crm_utils.pls.cases import Cases, Moments, MomentSource
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.estimation import PathResults, check_cases
from crm_utils.pls.layout import Layout
from crm_utils.pls.prediction_results import LINEAR, METHODS, PATH_MODEL, PredictionResults
from crm_utils.pls.structure import implied_correlations

WHERE = "predict_out_of_sample"
# Weights held at a time, and training sets: what is worked on stays in the processor's cache.
_WEIGHTS_AT_ONCE = 4_000_000
_SETS_AT_ONCE = 250


def deal_folds(cases: Cases, folds: int, repeats: int, seed: int | np.random.SeedSequence) -> np.ndarray:
    """Number of the fold of each case, shape (repeats, cases)."""
    codes = np.arange(len(cases.data)) if cases.clusters is None else np.unique(cases.clusters, return_inverse=True)[1]
    units, kind = int(codes.max()) + 1, "cases" if cases.clusters is None else "clusters"
    if units < folds:
        raise DataFloorError(
            f"{WHERE}: {folds:,} folds need at least {folds:,} {kind}, and there are {units:,}. Use fewer folds."
        )
    if units == folds and repeats > 1:
        problem = f"repeats must be 1 where there are as many folds as {kind} ({units:,}), for all repeats are the same"
        raise_problems(WHERE, [f"{problem}, and is {repeats:,}"])
    first = np.full(units, len(codes))
    np.minimum.at(first, codes, _ranks(cases.index))
    order = np.argsort(first)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    dealt = np.empty((repeats, units), dtype=int)
    for repeat, child in enumerate(root.spawn(repeats)):
        shuffled = np.random.default_rng(child).permutation(units)
        dealt[repeat, order[shuffled]] = np.arange(units) % folds
    return dealt[:, codes]


def _ranks(index: pd.Index) -> np.ndarray:
    """Rank of each case's label; its position where labels repeat or cannot be sorted."""
    ranks = np.arange(len(index))
    if index.is_unique:
        try:
            order = index.argsort()
        except TypeError:
            return ranks
        ranks[order] = np.arange(len(index))
    return ranks


@dataclass(frozen=True, eq=False)
class _Task:
    """What is predicted from what.

    Attributes
    ----------
    layout, options
        The model, and how it is estimated.
    outcomes : numpy.ndarray of int, shape (outcomes,)
        Positions of the items that are predicted.
    technique : str
        As in `predict_out_of_sample`.
    values : numpy.ndarray of float, shape (cases, items)
        The cases; NaN where a value is missing.
    regress : bool
        Whether a missing predictor is expected from the others, or at its mean.
    """

    layout: Layout
    options: Options
    outcomes: np.ndarray
    technique: str
    values: np.ndarray
    regress: bool

    @classmethod
    def of(cls, fit: PathResults, cases: Cases, targets: Sequence[str], technique: str) -> _Task:
        layout = fit.model.layout()
        wanted = [layout.constructs.index(name) for name in targets]
        values = cases.data
        if cases.completion is not None:
            values = np.where(cases.completion.absent[cases.completion.pattern], np.nan, values)
        outcomes = np.flatnonzero(np.isin(layout.owner, wanted))
        return cls(layout, fit.options, outcomes, technique, values, fit.missing == "em")

    @cached_property
    def actual(self) -> np.ndarray:
        """Values that are predicted, shape (cases, outcomes)."""
        return self.values[:, self.outcomes]

    @cached_property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each construct predicted, which of the outcomes are its items, and the items that predict them."""
        owner, found = self.layout.owner, []
        for construct in np.unique(owner[self.outcomes]):
            sources = self._exogenous if self.technique == "earliest" else self.layout.arrows[:, construct]
            found.append((np.flatnonzero(owner[self.outcomes] == construct), np.flatnonzero(sources[owner])))
        return found

    @property
    def most_predictors(self) -> int:
        """Most items that an item is regressed on in the linear model."""
        return max(len(predictors) for _, predictors in self.blocks)

    @property
    def _exogenous(self) -> np.ndarray:
        return ~self.layout.arrows.any(axis=0)

    def slopes(self, items: Moments, found: Estimates) -> np.ndarray:
        """Slopes of the outcomes on the items, all standardised, shape (methods, replicates, outcomes, items)."""
        if self.options.consistent:
            ours = self._regressions(self._implied(items, found))
        else:
            effects = found.total_effects * self._exogenous[:, None] if self.technique == "earliest" else found.paths
            owner = self.layout.owner
            effects = effects.transpose(0, 2, 1)[:, owner[self.outcomes][:, None], owner]
            ours = found.loadings[:, self.outcomes, None] * effects * found.weights[:, None, :]
        return np.stack([ours, self._regressions(items.correlations), np.zeros_like(ours)])

    def _implied(self, items: Moments, found: Estimates) -> np.ndarray:
        """Correlations of the items that the model implies; within composites, as they are."""
        layout, owner = self.layout, self.layout.owner
        constructs = implied_correlations(found.correlations, found.paths, layout)
        loadings = found.loadings
        implied = loadings[:, :, None] * loadings[:, None, :] * constructs[:, owner[:, None], owner]
        free = (owner[:, None] == owner) & ~layout.reflective[owner][:, None]
        np.fill_diagonal(free, True)
        return np.where(free, items.correlations, implied)

    def _regressions(self, correlations: np.ndarray) -> np.ndarray:
        slopes = np.zeros((len(correlations), len(self.outcomes), correlations.shape[1]))
        for places, predictors in self.blocks:
            matrices = correlations[:, predictors[:, None], predictors]
            for place in places:
                right = correlations[:, predictors, self.outcomes[place]]
                slopes[:, place, predictors] = solve_symmetric(matrices, right)
        return slopes

    def patterns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Which items are missing, and the cases that lack just these, for every pattern there is."""
        gaps, member = np.unique(np.isnan(self.values), axis=0, return_inverse=True)
        for number, absent in enumerate(gaps):
            yield absent, np.flatnonzero(member.ravel() == number)

    def without(self, slopes: np.ndarray, absent: np.ndarray, correlations: np.ndarray) -> np.ndarray:
        """Slopes where missing predictors are expected from those that are there; without this, at their mean."""
        if not self.regress or not absent.any():
            return slopes
        slopes = slopes.copy()
        for places, predictors in self.blocks:
            there, gone = predictors[~absent[predictors]], predictors[absent[predictors]]
            matrices = correlations[:, there[:, None], there]
            for item in gone:
                expected = solve_symmetric(matrices, correlations[:, there, item])
                slopes[:, :, places[:, None], there] += slopes[:, :, places, item][..., None] * expected[:, None, :]
        return slopes

    def predictions(self, items: Moments, slopes: np.ndarray, replicate: int, rows: np.ndarray) -> np.ndarray:
        """What a replicate predicts for some cases, shape (methods, cases, outcomes)."""
        means, spreads = items.means[replicate], items.spreads[replicate]
        scores = np.nan_to_num((self.values[rows] - means) / spreads)
        expected = scores @ slopes[:, replicate].transpose(0, 2, 1)
        return means[self.outcomes] + spreads[self.outcomes] * expected


class _Errors:
    """Errors of the cases, added up over repeats, for every method."""

    def __init__(self, task: _Task, weights: np.ndarray, repeats: int):
        shape = task.actual.shape
        self._task, self._weights = task, weights
        self._times = np.zeros(shape[0])
        self._predicted = np.zeros(shape)
        self._squared, self._absolute = np.zeros((len(METHODS), *shape)), np.zeros((len(METHODS), *shape))
        self._sums, self._masses = np.zeros((len(METHODS), repeats, shape[1])), np.zeros((repeats, shape[1]))

    def add(self, repeat: int, rows: np.ndarray, predicted: np.ndarray) -> None:
        """Take what was predicted for some cases, shape (methods, cases, outcomes)."""
        errors = self._task.actual[rows] - predicted
        squares, mass = errors**2, self._weights[rows, None]
        self._times[rows] += 1
        self._predicted[rows] += predicted[0]
        self._squared[:, rows] += squares
        self._absolute[:, rows] += np.abs(errors)
        self._sums[:, repeat] += (mass * np.nan_to_num(squares)).sum(axis=1)
        self._masses[repeat] += (mass * ~np.isnan(self._task.actual[rows])).sum(axis=0)

    def means(self, *, linear: bool) -> dict[str, Any]:
        """Means over repeats, as `PredictionResults` has them; NaN for cases that were never predicted."""
        with np.errstate(invalid="ignore", divide="ignore"):
            times = self._times[:, None]
            squared, absolute = self._squared / times, self._absolute / times
            by_repeat = self._sums / self._masses
            predicted = self._predicted / times
        for errors in (squared, absolute, by_repeat):
            if not linear:
                errors[METHODS.index(LINEAR)] = np.nan
        return {"predicted": predicted, "squared": squared, "absolute": absolute, "by_repeat": by_repeat}


def cross_validate(
    fit: PathResults, folds: np.ndarray, *, targets: tuple[str, ...], technique: str, level: float
) -> PredictionResults:
    """Predict every fold from the others.

    Parameters
    ----------
    fit : PathResults
        The model estimated from all cases.
    folds : numpy.ndarray of int, shape (repeats, cases)
        Number of the fold, from 0, of each case with a weight above zero.
    targets, technique, level
        As in `predict_out_of_sample`; targets in the order of the constructs.

    Returns
    -------
    PredictionResults
        The errors.

    Raises
    ------
    DataFloorError, ConvergenceError
        As in `predict_out_of_sample`.
    """
    from threadpoolctl import threadpool_limits

    cases, layout = fit.cases.counted(), fit.model.layout()
    task = _Task.of(fit, cases, targets, technique)
    sets = int(folds.max()) + 1
    smallest = len(cases.data) - max(np.bincount(numbers).max() for numbers in folds)
    try:
        check_cases(smallest, layout)
    except DataFloorError as error:
        reason = str(error).partition(": ")[2].partition(", and there ")[0]
        raise DataFloorError(
            f"{WHERE}: {reason}, and the smallest training set has {smallest:,}. Use more folds, more cases, or fewer "
            "items or paths."
        ) from None
    full = task.slopes(fit.moments, fit.estimates)
    linear = _linear_problem(task, full[METHODS.index(LINEAR)], smallest)
    inside, errors = _Errors(task, cases.weights, 1), _Errors(task, cases.weights, len(folds))
    failed = np.zeros((len(folds), sets), dtype=bool)
    source, patterns = MomentSource(cases), list(task.patterns())
    # The matrices are too small to share: threads would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        for absent, rows in patterns:
            slopes = task.without(full, absent, fit.moments.correlations)
            inside.add(0, rows, task.predictions(fit.moments, slopes, 0, rows))
        for batch, masses in _training_masses(folds, sets, cases.weights):
            items = source.moments(masses)
            found = estimates(items, layout, fit.options)
            slopes = task.slopes(items, found)
            lost = _failed(found, slopes, layout, fit.options, linear=not linear)
            if cases.completion is not None:
                lost |= ~((masses @ ~np.isnan(task.values)) > 0).all(axis=1)
            failed.ravel()[list(batch)] = lost
            for absent, rows in patterns:
                used = task.without(slopes, absent, items.correlations)
                for place, number in enumerate(batch):
                    repeat, fold = divmod(number, sets)
                    tested = rows[folds[repeat, rows] == fold]
                    if len(tested) and not lost[place]:
                        errors.add(repeat, tested, task.predictions(items, used, place, tested))
    if failed.all():
        raise ConvergenceError(
            f"{WHERE}: the model could be estimated from none of {failed.size:,} training sets, though from all cases "
            f"together. Use more folds, more cases, {'consistent=False, ' if fit.options.consistent else ''}or fewer "
            "items or paths."
        )
    in_sample = inside.means(linear=not linear)["by_repeat"][:, 0]
    return PredictionResults(
        fit=fit,
        cases=cases,
        targets=targets,
        technique=technique,
        level=level,
        folds=folds,
        failed=failed,
        actual=task.actual,
        in_sample=in_sample,
        linear_problem=linear,
        **errors.means(linear=not linear),
    )


def _linear_problem(task: _Task, slopes: np.ndarray, smallest: int) -> str:
    """Why there is no linear model; empty where there is one."""
    if smallest < task.most_predictors + 2:
        return (
            f"The linear model regresses on {counted(task.most_predictors, 'item')} and needs "
            f"{task.most_predictors + 2} cases, and the smallest training set has {smallest:,}; there is no linear "
            "benchmark."
        )
    if not np.isfinite(slopes).all():
        return "Items that predict are perfectly collinear, so that there is no linear benchmark."
    return ""


def _failed(found: Estimates, slopes: np.ndarray, layout: Layout, options: Options, *, linear: bool) -> np.ndarray:
    """Training sets that predict nothing: not estimated, improper, or without the linear model they are held to."""
    needed = [method in (PATH_MODEL, LINEAR) if linear else method == PATH_MODEL for method in METHODS]
    whole = found.converged & np.isfinite(slopes[needed]).all(axis=(0, 2, 3))
    return ~whole | improper(found, layout, options)


def _training_masses(folds: np.ndarray, sets: int, weights: np.ndarray) -> Iterator[tuple[range, np.ndarray]]:
    """Weights of the cases outside a fold, a batch of training sets at a time, repeat by repeat."""
    step = int(np.clip(_WEIGHTS_AT_ONCE // len(weights), 1, _SETS_AT_ONCE))
    total = len(folds) * sets
    for start in range(0, total, step):
        batch = range(start, min(start + step, total))
        yield batch, np.stack([folds[number // sets] != number % sets for number in batch]) * weights
