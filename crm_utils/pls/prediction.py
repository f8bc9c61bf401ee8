"""How well a path model predicts items of cases that it was not estimated from (样本外预测): PLSpredict and CVPAT."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, level_problems, raise_problems, seed_problems
from crm_utils.errors import ConvergenceError, DataFloorError, ItemWarning, ParameterError, did_you_mean
from crm_utils.pls.cross_validation import WHERE, cross_validate, deal_folds
from crm_utils.pls.model import PathModel
from crm_utils.pls.prediction_results import OVERALL, PATH_MODEL, PredictionResults

TECHNIQUES = ("earliest", "direct")
_SHOWN = 3


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
            f"technique must be one of {list(TECHNIQUES)}, and is {technique!r}{did_you_mean(technique, TECHNIQUES)}"
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
    dealt = deal_folds(fit.cases.counted(), int(folds), int(repeats), seed)
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
            problems.append(f"the target {name!r} is no construct of the model{did_you_mean(name, led)}")
        elif name not in led:
            problems.append(
                f"no path leads to the target {name}, so that nothing predicts it; choose {' or '.join(led)}"
            )
    return tuple(name for name in led if name in chosen)
