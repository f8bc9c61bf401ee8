"""How well a path model predicts items of cases that it was not estimated from (样本外预测): PLSpredict and CVPAT."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, level_problems, raise_problems, seed_problems
from crm_utils.errors import ConvergenceError, DataFloorError, ItemWarning, ParameterError, nearest_name
from crm_utils.intervals import sample_mean
from crm_utils.language import tr
from crm_utils.pls.algebra import solve_symmetric
from crm_utils.pls.cases import Cases, Moments, MomentSource
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.estimation import PathResults, _check_cases
from crm_utils.pls.layout import Layout
from crm_utils.pls.model import PathModel
from crm_utils.pls.structure import implied_correlations

WHERE = "predict_out_of_sample"
TECHNIQUES = ("earliest", "direct")
PATH_MODEL, LINEAR, AVERAGE = "path model", "linear model", "indicator average"
METHODS = (PATH_MODEL, LINEAR, AVERAGE)
EQUAL = "equal"
OVERALL = "overall"
NONE, LOW, MEDIUM, HIGH = "none", "low", "medium", "high"
_VERDICT = "{power} predictive power: the path model has a lower RMSE than both benchmarks in {count} of {of} items."
_SHOWN = 3
# Errors that differ by less are the same but for rounding.
_ROUNDING = 1e-9
# Weights held at a time, and training sets: what is worked on stays in the processor's cache.
_WEIGHTS_AT_ONCE = 4_000_000
_SETS_AT_ONCE = 250


def predict_out_of_sample(
    model: PathModel,
    data: pd.DataFrame,
    *,
    target: str | Sequence[str] | None = None,
    technique: str = "earliest",
    scheme: str = "path",
    consistent: bool = False,
    missing: str = "error",
    weights: Any = None,
    clusters: Any = None,
    standardize: bool = True,
    folds: int = 10,
    repeats: int = 10,
    seed: int | np.random.SeedSequence,
    level: float = 0.95,
) -> PredictionResults:
    """Predict items from a model that is estimated without the cases predicted, and hold the errors to benchmarks.

    The cases are dealt into folds. Each fold is predicted by the model estimated from all others (PLSpredict [1]_
    [2]_), and this is repeated with other folds. The errors are held against those of two benchmarks, which get the
    same training cases: a linear model (LM), and the item's mean (IA). Whether the loss differs is tested by construct
    (CVPAT [3]_ [4]_).

    Parameters
    ----------
    model : PathModel
        The model.
    data : pandas.DataFrame, shape (n, …)
        One row a case.
    target : str or sequence of str, optional
        Constructs whose items are predicted; paths must lead to them. Default: all that paths lead to.
    technique : {"earliest", "direct"}, default "earliest"
        What a construct is predicted from. "earliest": items of the exogenous constructs only (those that no path
        leads to), by all ways that the paths allow; "direct": items of the constructs with a path to it. Only the
        first predicts where nothing but the beginning is known. Programs differ: SmartPLS takes the earliest for
        PLSpredict and the direct for CVPAT, cSEM the earliest, seminr the direct.
    scheme, missing, weights, standardize
        As in `PathModel.fit`, for every training set. Weights count in the training sets and in means of errors.
    consistent : bool, default False
        Whether the model is estimated by PLSc. Its loadings and paths are those of common factors and not of scores,
        so that items are then predicted by the regression that the model implies for them [5]_.
    clusters : str or array-like, shape (n,), optional
        Which cases belong together, such as answers of one person: they are in one fold, never both predicted and
        learnt from, and standard errors are those of clusters.
    folds : int, default 10
        Number of folds, from 2. As many as there are cases (or clusters): each one is left out by itself.
    repeats : int, default 10
        How often folds are dealt anew. 1 where each case is a fold by itself, for all repeats would be the same.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level of intervals, between 0 and 1.

    Returns
    -------
    PredictionResults
        Errors by item, tests by construct, and a verdict.

    Raises
    ------
    ParameterError
        If an option or the data are unusable, with every problem.
    DataFloorError
        If there are fewer cases (or clusters) than folds, or a training set has fewer cases than the model needs.
    ConvergenceError
        If the model cannot be estimated from all cases, or from no training set.

    Warns
    -----
    ItemWarning
        If an item points against the others of its construct.

    Notes
    -----
    The linear model regresses each item of a construct on all items that the technique may use: under "earliest" the
    items of all exogenous constructs, whether they lead to it or not; under "direct" the items of all constructs with
    a path to it. It knows nothing of constructs, so that it fits more closely and generalises worse where the model
    holds.

    Every repeat has a seed of its own. Folds go by the cases' index labels, so that the order of the rows does not
    matter as long as each keeps its label; where labels repeat or cannot be sorted, they go by position. Folds are of
    equal size, by number of cases, or of clusters.

    Under missing="em" and "mean" the training moments are sought anew in each training set. A missing predictor of a
    case that is predicted is what the training moments lead to expect: given the case's other predictors (never given
    what is to be predicted) under "em", its mean under "mean". A missing value that was to be predicted has no error.

    The t-test takes the losses of cases for independent, as CVPAT does, though training sets overlap.

    References
    ----------
    .. [1] Shmueli, G., Ray, S., Velasquez Estrada, J. M. & Chatla, S. B. (2016). The elephant in the room: Predictive
       performance of PLS models. Journal of Business Research 69(10), 4552–4564.
    .. [2] Shmueli, G. et al. (2019). Predictive model assessment in PLS-SEM: guidelines for using PLSpredict. European
       Journal of Marketing 53(11), 2322–2347.
    .. [3] Liengaard, B. D. et al. (2021). Prediction: coveted, yet forsaken? Introducing a cross-validated predictive
       ability test in partial least squares path modeling. Decision Sciences 52(2), 362–392.
    .. [4] Sharma, P. N. et al. (2023). Predictive model assessment and selection in composite-based modeling using
       PLS-SEM: extensions and guidelines for using CVPAT. European Journal of Marketing 57(6), 1662–1677.
    .. [5] de Rooij, M. et al. (2023). SEM-based out-of-sample predictions. Structural Equation Modeling 30(1), 132–148.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=120)
    >>> loyal = 0.6 * mood + 0.8 * rng.normal(size=120)
    >>> columns = {f"m{i}": mood + rng.normal(size=120) for i in range(8)}
    >>> columns |= {f"l{i}": loyal + rng.normal(size=120) for i in range(3)}
    >>> model = PathModel({"mood": [f"m{i}" for i in range(8)], "loyalty": ["l0", "l1", "l2"]}, [("mood", "loyalty")])
    >>> results = predict_out_of_sample(model, pd.DataFrame(columns), seed=7)
    >>> results.verdict
    'High predictive power: the path model has a lower RMSE than both benchmarks in 3 of 3 items.'
    >>> results.items[["item", "rmse", "lm_rmse"]].round(2).to_numpy().tolist()
    [['l0', 1.23, 1.25], ['l1', 1.48, 1.53], ['l2', 1.36, 1.44]]
    """
    for name, given, kind in (("model", model, PathModel), ("data", data, pd.DataFrame)):
        if not isinstance(given, kind):
            raise_problems(WHERE, [f"{name} must be a {kind.__name__}, and is {type(given).__name__}"])
    problems = count_problems("folds", folds, least=2) + count_problems("repeats", repeats, least=1)
    problems += seed_problems(seed) + level_problems(level)
    if technique not in TECHNIQUES:
        problems.append(
            f"technique must be one of {list(TECHNIQUES)}, and is {technique!r}{_hint(technique, TECHNIQUES)}"
        )
    targets = _targets(model, target, problems)
    options = {"scheme": scheme, "consistent": consistent, "missing": missing, "standardize": standardize}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ItemWarning)
            fit = model.fit(data, weights=weights, clusters=clusters, **options)
    except ParameterError as error:
        raise_problems(WHERE, [*problems, str(error).rstrip(".")])
    except (DataFloorError, ConvergenceError):
        raise_problems(WHERE, problems)
        raise
    raise_problems(WHERE, problems)
    for note in fit.notes:
        warnings.warn(note, ItemWarning, stacklevel=2)
    dealt = _dealt(fit.cases.counted(), int(folds), int(repeats), seed)
    return cross_validate(fit, dealt, targets=targets, technique=technique, level=float(level))


def compare_predictions(one: PredictionResults, other: PredictionResults) -> pd.DataFrame:
    """Test whether one of two models predicts better: the same items of the same cases in the same folds (CVPAT [1]_).

    Parameters
    ----------
    one, other : PredictionResults
        From `predict_out_of_sample` with the same data, ``seed``, ``folds``, ``repeats`` and ``level``. Their models
        predict the same constructs with the same items; all else may differ.

    Returns
    -------
    pandas.DataFrame
        One row a construct, and one for all items, ``overall``: ``construct``; ``loss`` of the first model and
        ``other_loss``; ``difference`` (first less other: below zero, the first predicts better), ``std_error``,
        ``low``, ``high``; ``t`` and two-sided ``p_value``. See `PredictionResults.cvpat` for the loss.

    Raises
    ------
    ParameterError
        If cases, folds, level or the items predicted differ: every such difference.

    References
    ----------
    .. [1] Liengaard, B. D. et al. (2021). Prediction: coveted, yet forsaken? Introducing a cross-validated predictive
       ability test in partial least squares path modeling. Decision Sciences 52(2), 362–392.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> data = pd.DataFrame(rng.normal(size=(100, 2)), columns=["x", "z"])
    >>> data["y"] = data["x"] + rng.normal(size=100)
    >>> one, other = (
    ...     predict_out_of_sample(PathModel({"a": [item], "b": ["y"]}, [("a", "b")]), data, seed=7) for item in "xz"
    ... )
    >>> compare_predictions(one, other)[["construct", "loss", "other_loss"]].round(2).to_numpy().tolist()
    [['b', 1.07, 1.91], ['overall', 1.07, 1.91]]
    """
    where = "compare_predictions"
    for name, given in (("one", one), ("other", other)):
        if not isinstance(given, PredictionResults):
            raise_problems(where, [f"{name} must be a PredictionResults, and is {type(given).__name__}"])
    problems = []
    same_cases = np.array_equal(one.cases.kept, other.cases.kept) and one.cases.index.equals(other.cases.index)
    if not same_cases:
        problems.append(
            f"the cases differ ({one.n_cases:,} and {other.n_cases:,}); give both models the same rows, with values "
            "for the items of both"
        )
    elif not np.allclose(one.cases.weights, other.cases.weights):
        problems.append("the weights of the cases differ; give both models the same")
    elif one.folds.shape != other.folds.shape or not (one.folds == other.folds).all():
        problems.append("the folds differ; give both models the same seed, folds, repeats and clusters")
    if one.level != other.level:
        problems.append(f"the levels differ ({one.level:g} and {other.level:g}); give both the same")
    if one.predicted_items != other.predicted_items:
        odd = sorted(set(one.predicted_items) ^ set(other.predicted_items)) or list(one.predicted_items)
        shown = ", ".join(f"{item} of {construct}" for construct, item in odd[:_SHOWN]) + (
            ", …" if len(odd) > _SHOWN else ""
        )
        problems.append(
            f"the items predicted differ or are in another order ({shown}); name the constructs with the same items "
            "as the target of both"
        )
    elif same_cases and not np.array_equal(one.actual, other.actual, equal_nan=True):
        problems.append("the values of the items predicted differ; give both models the same data")
    raise_problems(where, problems)
    rows = [
        {"construct": construct}
        | one.test(one.losses(PATH_MODEL, construct), other.losses(PATH_MODEL, construct), "other_loss")
        for construct in (*one.targets, OVERALL)
    ]
    return pd.DataFrame(rows)


def _hint(given: Any, known: Sequence[str]) -> str:
    near = nearest_name(str(given), known)
    return f" (did you mean {near!r}?)" if near else ""


def _targets(model: PathModel, target: Any, problems: list[str]) -> tuple[str, ...]:
    """Constructs to predict, in the order of the model; what is wrong is added to `problems`."""
    led = [name for name in model.constructs if model.predecessors(name)]
    if target is None:
        return tuple(led)
    chosen = [target] if isinstance(target, str) else target
    if not isinstance(chosen, Sequence) or not len(chosen):
        problems.append(f"target must be a construct or a list of constructs, and is {target!r}")
        return ()
    for name in chosen:
        if not isinstance(name, str) or name not in model.constructs:
            problems.append(f"the target {name!r} is no construct of the model{_hint(name, led)}")
        elif name not in led:
            problems.append(
                f"no path leads to the target {name}, so that nothing predicts it; choose {' or '.join(led)}"
            )
    return tuple(name for name in led if name in chosen)


def _dealt(cases: Cases, folds: int, repeats: int, seed: int | np.random.SeedSequence) -> np.ndarray:
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
        _check_cases(smallest, layout)
    except DataFloorError as error:
        reason = str(error).partition(": ")[2].partition(", and there are")[0]
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
            "together. Use more folds, more cases, fewer items or paths, or consistent=False."
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
            f"The linear model regresses on {task.most_predictors} items and needs {task.most_predictors + 2} cases, "
            f"and the smallest training set has {smallest:,}; there is no linear benchmark."
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


@dataclass(frozen=True, eq=False)
class PredictionResults:
    """Predictions of items out of sample.

    Arrays of errors have the methods as their first axis: path model, linear model (LM), indicator average (IA).

    Attributes
    ----------
    fit : PathResults
        The model estimated from all cases.
    cases : Cases
        The cases with a weight above zero.
    targets : tuple of str
        Constructs whose items are predicted.
    technique : str
        What they are predicted from: "earliest" or "direct".
    level : float
        Confidence level.
    folds : numpy.ndarray of int, shape (repeats, cases)
        Number of the fold of each case, from 0.
    failed : numpy.ndarray of bool, shape (repeats, folds)
        Training sets that the model could not be estimated from, or improperly; their folds are left out.
    actual, predicted : numpy.ndarray of float, shape (cases, items predicted)
        Values, NaN where missing; and what the path model predicted, on average over repeats.
    squared, absolute : numpy.ndarray of float, shape (3, cases, items predicted)
        Squared and absolute errors of each case, on average over repeats.
    by_repeat : numpy.ndarray of float, shape (3, repeats, items predicted)
        Mean squared errors of each repeat.
    in_sample : numpy.ndarray of float, shape (3, items predicted)
        Mean squared errors for the very cases that the models are estimated from, all of them.
    linear_problem : str
        Why there is no linear model; empty where there is one.
    """

    fit: PathResults
    cases: Cases
    targets: tuple[str, ...]
    technique: str
    level: float
    folds: np.ndarray
    failed: np.ndarray
    actual: np.ndarray
    predicted: np.ndarray
    squared: np.ndarray
    absolute: np.ndarray
    by_repeat: np.ndarray
    in_sample: np.ndarray
    linear_problem: str

    @property
    def n_cases(self) -> int:
        """Number of cases with a weight above zero."""
        return len(self.cases.data)

    @cached_property
    def predicted_items(self) -> tuple[tuple[str, str], ...]:
        """Construct and item of everything that is predicted."""
        constructs = self.fit.model.constructs
        return tuple((name, item) for name in self.targets for item in constructs[name].items)

    @property
    def predictions(self) -> pd.DataFrame:
        """What the path model predicted, on average over repeats: one row a case, one column an item."""
        names = pd.MultiIndex.from_tuples(self.predicted_items, names=["construct", "item"])
        return pd.DataFrame(self.predicted, self.cases.index, names)

    @cached_property
    def items(self) -> pd.DataFrame:
        """Errors by item, in the item's own unit.

        ``construct``, ``item``; ``cases`` with an error; ``rmse`` (root mean squared error) and ``mae`` (mean absolute
        error) of the path model, ``rmse_sd`` (standard deviation of the RMSE over repeats; NaN for one);
        ``q2_predict`` (1 less the mean squared error over that of the training mean: above 0, the model predicts
        better than the mean); ``lm_rmse``, ``lm_mae`` and ``ia_rmse`` of the benchmarks; ``rmse_difference`` (path
        model less linear model); ``lower_rmse`` ("path model", "linear model", "equal", or empty without a linear
        model) and ``lower_share`` (share of repeats in which the path model's is lower); ``in_sample_rmse`` and
        ``lm_in_sample_rmse`` for the very cases that the models are estimated from.

        Squared errors are averaged over repeats for each case, then over cases. There is no mean absolute percentage
        error, for scales of answers have no zero that percentages could refer to.
        """
        squared, absolute = (self._means(errors) for errors in (self.squared, self.absolute))
        rmse, lm_rmse, ia_rmse = np.sqrt(squared)
        difference = rmse - lm_rmse
        roots = np.sqrt(self.by_repeat)
        higher = roots[0] - roots[1]
        told = ~np.isnan(higher)
        share = (higher < -_ROUNDING * roots[1]).sum(axis=0) / np.where(told.any(axis=0), told.sum(axis=0), np.nan)
        equal = np.abs(difference) <= _ROUNDING * lm_rmse
        lower = np.select([np.isnan(difference), equal, difference < 0], ["", EQUAL, PATH_MODEL], LINEAR)
        names = pd.DataFrame(self.predicted_items, columns=["construct", "item"])
        return names.assign(
            cases=(~np.isnan(self.squared[0])).sum(axis=0),
            rmse=rmse,
            rmse_sd=roots[0].std(axis=0, ddof=1) if len(self.folds) > 1 else np.nan,
            mae=absolute[0],
            q2_predict=1 - squared[0] / squared[2],
            lm_rmse=lm_rmse,
            lm_mae=absolute[1],
            ia_rmse=ia_rmse,
            rmse_difference=difference,
            lower_rmse=lower,
            lower_share=share,
            in_sample_rmse=np.sqrt(self.in_sample[0]),
            lm_in_sample_rmse=np.sqrt(self.in_sample[1]),
        )

    def _means(self, errors: np.ndarray) -> np.ndarray:
        """Weighted means over the cases, shape (3, items predicted)."""
        mass = self.cases.weights[:, None] * ~np.isnan(errors)
        return (mass * np.nan_to_num(errors)).sum(axis=1) / np.where(mass.any(axis=1), mass.sum(axis=1), np.nan)

    @cached_property
    def cvpat(self) -> pd.DataFrame:
        """Tests of the loss against both benchmarks, by construct and overall.

        ``construct`` ("overall" for all items), ``benchmark`` ("indicator average" or "linear model"); ``loss`` of the
        path model and ``benchmark_loss``; their ``difference`` (below zero, the path model predicts better) with
        ``std_error``, ``low``, ``high``; ``t`` and two-sided ``p_value``, with as many degrees of freedom as cases (or
        clusters) less one. The loss of a case is its mean squared error over the items, on average over repeats; so it
        is in squares of the items' unit, and constructs with another scale weigh differently overall. Some programs
        average losses of constructs, and not of items, into the overall loss.
        """
        rows = [
            {"construct": construct, "benchmark": benchmark}
            | self.test(self.losses(PATH_MODEL, construct), self.losses(benchmark, construct), "benchmark_loss")
            for benchmark in (AVERAGE, LINEAR)
            for construct in (*self.targets, OVERALL)
        ]
        return pd.DataFrame(rows)

    def losses(self, method: str, construct: str) -> np.ndarray:
        """Loss of each case: the mean squared error over the items of a construct, or all; NaN where there is none.

        Parameters
        ----------
        method : {"path model", "linear model", "indicator average"}
            What predicted.
        construct : str
            One of the `targets`, or "overall".

        Returns
        -------
        numpy.ndarray of float, shape (cases,)
            The losses.
        """
        chosen = [construct in (name, OVERALL) for name, _ in self.predicted_items]
        squared = self.squared[METHODS.index(method)][:, chosen]
        given = ~np.isnan(squared)
        return np.nan_to_num(squared).sum(axis=1) / np.where(given.any(axis=1), given.sum(axis=1), np.nan)

    def test(self, losses: np.ndarray, others: np.ndarray, other_name: str) -> dict[str, float]:
        """Paired test of two losses of the same cases; the second one's mean is called `other_name`."""
        from scipy.stats import t

        weights, clusters = self.cases.weights, self.cases.clusters
        loss, other = (sample_mean(values, weights=weights).estimate for values in (losses, others))
        difference = sample_mean(losses - others, weights=weights, clusters=clusters)
        low, high = difference.interval(level=self.level)
        error = difference.std_error
        ratio = difference.estimate / error if error > 0 else np.nan
        return {
            "loss": loss,
            other_name: other,
            "difference": difference.estimate,
            "std_error": error,
            "low": low,
            "high": high,
            "t": ratio,
            "p_value": 2 * t.sf(abs(ratio), difference.units - 1) if np.isfinite(ratio) else np.nan,
        }

    @property
    def predictive_power(self) -> str:
        """Predictive power by the guideline of Shmueli et al. (2019): "none", "low", "medium" or "high".

        The path model has a lower RMSE than the linear model in none of the items, in fewer than half, in half or
        more, or in all of them [1]_. An item that is predicted no better than by its mean does not count as one in
        which it is lower. Empty where there is no linear model.

        References
        ----------
        .. [1] Shmueli, G. et al. (2019). Predictive model assessment in PLS-SEM: guidelines for using PLSpredict.
           European Journal of Marketing 53(11), 2322–2347.
        """
        if self.linear_problem:
            return ""
        better = self.better
        if better.all():
            return HIGH
        if not better.any():
            return NONE
        return MEDIUM if 2 * better.sum() >= len(better) else LOW

    @property
    def better(self) -> np.ndarray:
        """Whether the path model has a lower RMSE than both benchmarks, shape (items predicted,)."""
        return ((self.items["lower_rmse"] == PATH_MODEL) & (self.items["q2_predict"] > 0)).to_numpy()

    @property
    def verdict(self) -> str:
        """Predictive power in words, and items that are predicted no better than by their mean."""
        table, power = self.items, self.predictive_power
        said = [tr("Predictive power cannot be told without a linear model.")]
        if power:
            words = {NONE: tr("No"), LOW: tr("Low"), MEDIUM: tr("Medium"), HIGH: tr("High")}
            said = [tr(_VERDICT).format(power=words[power], count=int(self.better.sum()), of=len(table))]
        if equal := int((table["lower_rmse"] == EQUAL).sum()):
            said.append(tr("In {count} it is equal to that of the linear model.").format(count=equal))
        weak = table.loc[~(table["q2_predict"] > 0), "item"].tolist()
        if weak:
            shown = ", ".join(weak[:_SHOWN]) + (", …" if len(weak) > _SHOWN else "")
            said.append(tr("No better than the mean in {count} ({items}).").format(count=len(weak), items=shown))
        return " ".join(said)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: on the items, on what was left out, and on benchmarks that are missing."""
        notes = list(self.fit.notes)
        if self.linear_problem:
            notes.append(self.linear_problem)
        if failed := int(self.failed.sum()):
            notes.append(
                f"The model could not be estimated from {failed:,} of {self.failed.size:,} training sets; the cases "
                "that these would have predicted have no error in that repeat, for the benchmarks either."
            )
        if never := int(np.isnan(self.predicted).all(axis=1).sum()):
            notes.append(f"{never:,} of {self.n_cases:,} cases were predicted in no repeat and are left out.")
        if gaps := int(np.isnan(self.actual).sum()):
            notes.append(f"{gaps:,} of {self.actual.size:,} values to be predicted are missing and have no error.")
        return tuple(notes)

    def summary_frame(self) -> pd.DataFrame:
        """Results in one table.

        Returns
        -------
        pandas.DataFrame
            One row a number: ``quantity`` (rmse, mae, q2_predict, lm_rmse, rmse_difference by item; loss,
            difference_to_average, difference_to_linear by construct), ``parameter`` ("construct: item", the
            construct, or "overall"), ``estimate``; ``std_error``, ``low``, ``high``, ``p_value`` of differences of
            losses, NaN for the others.
        """
        table, tests = self.items, self.cvpat
        names = [f"{construct}: {item}" for construct, item in self.predicted_items]
        parts = [
            pd.DataFrame({"quantity": name, "parameter": names, "estimate": table[name]})
            for name in ("rmse", "mae", "q2_predict", "lm_rmse", "rmse_difference")
        ]
        average = tests[tests["benchmark"] == AVERAGE]
        parts.append(pd.DataFrame({"quantity": "loss", "parameter": average["construct"], "estimate": average["loss"]}))
        numbers = ["std_error", "low", "high", "p_value"]
        for quantity, benchmark in (("difference_to_average", AVERAGE), ("difference_to_linear", LINEAR)):
            rows = tests[tests["benchmark"] == benchmark]
            found = {"quantity": quantity, "parameter": rows["construct"], "estimate": rows["difference"]}
            parts.append(pd.DataFrame(found).join(rows[numbers]))
        return pd.concat(parts, ignore_index=True)[["quantity", "parameter", "estimate", *numbers]]
