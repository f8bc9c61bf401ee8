"""Early warning (流失预警): who may leave, by a readable baseline and a challenger, with calibrated chances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, level_problems, missing_columns, raise_problems, seed_problems
from crm_utils.churn._design import design_of, map_blocks
from crm_utils.churn.tables import (
    CUSTOMER,
    OUTCOME,
    SNAPSHOT,
    FeatureTable,
    as_feature_table,
    read_feature,
    repeated_rows,
)
from crm_utils.errors import DataFloorError, LeakageError, did_you_mean
from crm_utils.intervals import person_codes
from crm_utils.language import listed, plain_zero, tr
from crm_utils.ranking import area_gap, rank_area

if TYPE_CHECKING:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline

LOGISTIC, BOOSTING = "logistic", "boosting"
FEWEST_LEAVERS = 50
FEWEST_TO_CALIBRATE = 30
TOO_GOOD = 0.98
LEVEL, PLATT, ISOTONIC = "level", "platt", "isotonic"
# So many rows with one value, all of leavers and a tenth of them, are no chance.
_ROWS_OF_LEAVERS, _SHARE_OF_LEAVERS, _MOST_VALUES = 30, 0.1, 50
_MISSING = "missing"
_MOST_CATEGORIES = 20
_LIGHT = 1.0
# From the simplest model on.
_RIDGES = (10_000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
_ROUNDS = (5, 10, 20, 40, 80, 160)
_FOLDS, _MOST_FOR_FOLDS = 5, 20_000


@dataclass(frozen=True, eq=False)
class EarlyWarning:
    """A fitted model of who leaves.

    Attributes
    ----------
    model : str
        "logistic" or "boosting".
    features : tuple of str
        Features used, in the order of the training table.
    numeric : tuple of str
        Those that are numbers or flags; the others are categories.
    pipeline : sklearn.pipeline.Pipeline
        Preprocessing and classifier, before calibration.
    calibrated : sklearn.calibration.CalibratedClassifierCV or None
        The same with a curve from its log-odds to probabilities; None with calibration "level" or "none".
    calibration : str
        "level", "platt", "isotonic" or "none".
    shift : float
        What calibration "level" adds to the log-odds; else 0.
    coefficients : pandas.DataFrame or None
        Of the logistic model: ``term``, ``feature``, ``per`` (the step that the coefficient is for, a standard
        deviation; "(1 + x) × 2" where the logarithm goes in, and this step doubles 1 + the value), ``coefficient``
        (log-odds), ``std_error`` (robust, clustered by customer), ``low``, ``high``, ``odds_ratio``, ``odds_low``,
        ``odds_high``, ``used`` (coefficient that the model predicts with, nearer to 0); the surest first.
        None for boosting.
    typical : pandas.Series
        By feature, the median or the most frequent category in training.
    ridge : float
        Penalty of the logistic model; NaN for boosting.
    customers, leavers : int
        Rows in training, and those that left.
    background : numpy.ndarray of float
        Row of the preprocessed features that contributions start from.
    notes : tuple of str
        What a reader should know.
    """

    model: str
    features: tuple[str, ...]
    numeric: tuple[str, ...]
    pipeline: Pipeline
    calibrated: CalibratedClassifierCV | None
    calibration: str
    coefficients: pd.DataFrame | None
    typical: pd.Series
    ridge: float
    customers: int
    leavers: int
    background: np.ndarray
    shift: float = 0.0
    notes: tuple[str, ...] = ()

    def predict(self, table: Any) -> pd.Series:
        """Probability of leaving of each row, index ``customer_id``; a category never seen has no effect."""
        from scipy.special import expit

        customers, frame = self.read(table)
        raw = self._raw_log_odds(frame)
        if self.calibrated is None or not len(raw):
            return pd.Series(expit(raw + self.shift), customers, name="probability")
        curve = self.calibrated.calibrated_classifiers_[0].calibrators[0]
        return pd.Series(curve.predict(raw), customers, name="probability")

    def log_odds(self, table: Any) -> np.ndarray:
        """Log-odds that contributions add up to, shape (n,): calibrated, but for a staircase."""
        slope, start = self.calibration_line
        return slope * self._raw_log_odds(self.read(table)[1]) + start

    def _raw_log_odds(self, frame: pd.DataFrame) -> np.ndarray:
        """Log-odds before calibration; many rows are taken in blocks, as all their columns at once fill the memory."""
        if not len(frame):
            return np.empty(0)
        design, classifier = design_of(self.pipeline, self.numeric, frame), self.pipeline[-1]

        def score(rows: slice) -> np.ndarray:
            if self.model == BOOSTING:
                # Threads that wait for each other after every tree are slow on a busy machine.
                return classifier._raw_predict(design(rows), n_threads=1)[:, 0]
            return classifier.decision_function(design(rows))

        return np.concatenate(map_blocks(score, len(frame)))

    @property
    def calibration_line(self) -> tuple[float, float]:
        """Slope and intercept of the calibration on the log-odds; 1 and 0 where there is none, or a staircase."""
        if self.calibration != PLATT or self.calibrated is None:
            return 1.0, self.shift
        line = self.calibrated.calibrated_classifiers_[0].calibrators[0]
        return -float(line.a_), -float(line.b_)

    def read(self, table: Any) -> tuple[pd.Index, pd.DataFrame]:
        """Customers, and features as the pipeline takes them."""
        rows = _rows(table)
        problems = missing_columns(rows, self.features, "the table")
        raise_problems("EarlyWarning", problems)
        frame = _typed(rows, self.features, self.numeric, problems)
        raise_problems("EarlyWarning", problems)
        customers = rows[CUSTOMER] if CUSTOMER in rows else pd.RangeIndex(len(rows))
        return pd.Index(customers, name=CUSTOMER), frame


def early_warning(
    table: Any,
    *,
    model: str = LOGISTIC,
    calibrate: Any = None,
    calibration: str | None = None,
    features: Sequence[str] | None = None,
    allow: Sequence[str] = (),
    outcome: str = OUTCOME,
    ridge: float | None = None,
    level: float = 0.95,
    seed: int = 7,
) -> EarlyWarning:
    """Fit a model of who leaves, and bring its probabilities to what happens.

    Parameters
    ----------
    table : FeatureTable, SnapshotFeatures or pandas.DataFrame
        To train on; rows without an outcome are left out. A frame has an outcome column, and all others but
        ``customer_id`` are features.
    model : {"logistic", "boosting"}, default "logistic"
        Logistic regression on standardised features (logarithm of 1 + x of durations, counts and amounts that are
        skewed, median and a flag where missing, a column a category), or gradient-boosted trees, which take missing
        values as they are, in the smallest number (5 to 160) that is within one standard error of the best for
        customers left out of the fit.
    calibrate : FeatureTable, SnapshotFeatures or pandas.DataFrame, optional
        Other rows, to calibrate with.
    calibration : {"level", "platt", "isotonic"}, optional
        "level" moves all log-odds by as much as brings the mean probability to the share that left; "platt" draws a
        line on the log-odds; "isotonic" a staircase, which needs a thousand rows or more. Default: "level" for the
        logistic model, whose penalty has been chosen so that its log-odds are of the right size, which the few leavers
        of a later snapshot tell worse; "platt" for trees, whose log-odds no penalty has brought to size. How well that
        works is in docs/churn-calibration.md.
    features : sequence of str, optional
        Features to use. Default: all.
    allow : sequence of str
        Features that are too good to be true and have been looked into.
    outcome : str, default "outcome"
        Column of the outcome in a frame.
    ridge : float, optional
        Penalty on the squared standardised coefficients of the logistic model, above 0. Default: chosen in the same way
        as the number of trees, the largest of 1, 3, 10, … 10,000: with many features and few leavers, small penalties
        make probabilities too extreme.
    level : float, default 0.95
        Confidence level of the coefficients.
    seed : int, default 7
        Seed of the trees and of the folds.

    Returns
    -------
    EarlyWarning
        The model.

    Raises
    ------
    LeakageError
        If a feature alone tells who left (`too_good_to_be_true`) and is not in `allow`.
    DataFloorError
        If there are fewer than 50 leavers or stayers in training or 30 to calibrate with, all leavers come from one of
        several snapshots, or no feature is left.
    ParameterError
        If columns or options are unusable, or customers repeat.

    Notes
    -----
    The coefficients shown are of a fit with a penalty of 1 at most, which keeps them finite and hardly moves them; the
    model predicts with those of its own penalty, shown as ``used``. Standard errors are A⁻¹BA⁻¹ with A the Hessian and
    B the sum over customers of the outer products of their scores: a customer on several snapshots counts as one.

    References
    ----------
    .. [1] Platt, J. (1999). Probabilistic outputs for support vector machines. Advances in Large Margin Classifiers.
    .. [2] Hastie, T., Tibshirani, R. & Friedman, J. (2009). The elements of statistical learning, 2nd ed., section
       7.10: the one-standard-error rule; here of the difference from the best, fold by fold.
    .. [3] Steyerberg, E. W. (2019). Clinical prediction models, 2nd ed., chapter 20: with few events, a model is
       updated by its intercept.
    .. [4] Cameron, A. C. & Miller, D. L. (2015). A practitioner's guide to cluster-robust inference. Journal of Human
       Resources 50(2), 317–372.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> table = pd.DataFrame({"visits": rng.normal(size=600), "plan": rng.choice(["gold", "silver"], 600)})
    >>> table["outcome"] = (rng.random(600) < 1 / (1 + np.exp(1 + table["visits"]))).astype(int)
    >>> warning = early_warning(table)
    >>> warning.coefficients["term"].iloc[0], bool(warning.coefficients["high"].iloc[0] < 0)
    ('visits', True)
    """
    where = "early_warning"
    table = as_feature_table(table, outcome=outcome, where=where)
    problems = seed_problems(seed) + level_problems(level)
    if model not in (LOGISTIC, BOOSTING):
        problems.append(f"model must be 'logistic' or 'boosting', and is {model!r}")
    if calibration is None:
        calibration = LEVEL if model == LOGISTIC else PLATT
    if calibration not in (LEVEL, PLATT, ISOTONIC):
        problems.append(f"calibration must be 'level', 'platt' or 'isotonic', and is {calibration!r}")
    if ridge is not None and not (is_number(ridge) and ridge > 0):
        problems.append(f"ridge must be above 0, and is {ridge!r}")
    chosen = table.features if features is None else tuple(features)
    for given in ("features", "allow"):
        names = chosen if given == "features" else allow
        problems += [
            f"{given} names {name!r}, which is no feature{did_you_mean(name, table.features)}"
            for name in names
            if name not in table.features
        ]
    problems += repeated_rows(table.rows)
    raise_problems(where, problems)
    unknown = int(np.isnan(table.outcome).sum())
    table = table.known()
    notes = [tr("{count:,} rows without an outcome are left out.").format(count=unknown)] if unknown else []
    _check_floors(where, table)
    chosen = tuple(name for name in chosen if len(table.rows[name].unique()) > 1)
    if not chosen:
        raise DataFloorError(f"{where}: no feature differs between customers.")
    _refuse_leaks(where, table, chosen, allow)

    numeric = tuple(name for name in chosen if pd.api.types.is_numeric_dtype(table.rows[name]))
    frame = _typed(table.rows, chosen, numeric, problems)
    outcomes = table.outcome.astype(int)
    pipeline = _pipeline(model, numeric, chosen, seed)
    design = pipeline[:-1].fit_transform(frame, outcomes)
    people = person_codes(table.customers)
    if model == BOOSTING:
        pipeline[-1].set_params(max_iter=_best_rounds(pipeline[-1], design, outcomes, people, seed))
    else:
        if ridge is None:
            ridge = _best_ridge(design, outcomes, people, seed)
        pipeline[-1].set_params(C=1 / ridge)
    pipeline[-1].fit(design, outcomes)
    fitted = EarlyWarning(
        model=model,
        features=chosen,
        numeric=numeric,
        pipeline=pipeline,
        calibrated=None,
        calibration="none",
        coefficients=None
        if model == BOOSTING
        else _coefficients(pipeline, design, outcomes, table, chosen, ridge, level),
        typical=_typical(frame, numeric),
        ridge=np.nan if model == BOOSTING else float(ridge),
        customers=len(table),
        leavers=int(outcomes.sum()),
        background=_background(design, len(numeric)) if model == BOOSTING else design.mean(axis=0),
        notes=tuple(notes),
    )
    if calibrate is None:
        return fitted
    return _calibrated(where, fitted, as_feature_table(calibrate, outcome=outcome, where=where).known(), calibration)


def _check_floors(where: str, table: FeatureTable) -> None:
    leavers = table.outcome == 1
    for number, word in ((int(leavers.sum()), "left"), (int((~leavers).sum()), "stayed")):
        if number < FEWEST_LEAVERS:
            raise DataFloorError(
                f"{where}: at least {FEWEST_LEAVERS} customers who {word} are needed in training, and there are "
                f"{number:,}. Take more snapshots or a longer window."
            )
    days = table.rows[SNAPSHOT]
    if len(days.unique()) > 1 and len(days[leavers].unique()) == 1:
        raise DataFloorError(
            f"{where}: all {leavers.sum():,} leavers come from the snapshot of {days[leavers].iloc[0]:%Y-%m-%d}; what "
            "sets that day apart would be taken for a reason to leave."
        )


def _calibrated(where: str, fitted: EarlyWarning, part: FeatureTable, calibration: str) -> EarlyWarning:
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    outcomes = part.outcome.astype(int)
    if min(outcomes.sum(), len(outcomes) - outcomes.sum()) < FEWEST_TO_CALIBRATE:
        raise DataFloorError(
            f"{where}: at least {FEWEST_TO_CALIBRATE} customers who left and as many who stayed are needed to "
            f"calibrate with, and there are {outcomes.sum():,} and {len(outcomes) - outcomes.sum():,}. Calibrate with "
            "more snapshots."
        )
    if calibration == LEVEL:
        raw = fitted.log_odds(part)

        def excess(shift: float) -> float:
            return float(np.sum(expit(raw + shift)) - outcomes.sum())

        # At these ends every customer is less, or more, likely to leave than the share that left.
        middle = logit(outcomes.mean())
        shift = brentq(excess, middle - raw.max() - 1, middle - raw.min() + 1)
        return replace(fitted, calibration=LEVEL, shift=shift)
    method = "sigmoid" if calibration == PLATT else "isotonic"
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted.pipeline), method=method)
    return replace(fitted, calibrated=calibrated.fit(fitted.read(part)[1], outcomes), calibration=calibration)


def _rows(table: Any) -> pd.DataFrame:
    if isinstance(table, FeatureTable):
        return table.rows
    if isinstance(getattr(table, "table", None), FeatureTable):
        return table.table.rows
    if not isinstance(table, pd.DataFrame):
        raise_problems("EarlyWarning", [f"a table of features is needed, and {type(table).__name__} is none"])
    return table


def _typed(rows: pd.DataFrame, features: Sequence[str], numeric: Sequence[str], problems: list[str]) -> pd.DataFrame:
    """Numbers as floats, categories as text, NaN where there is none."""
    columns = {}
    for name in features:
        codes, column = _distinct_texts(rows[name])
        if name in numeric:
            column, problem = read_feature(column)
            if problem:
                problems.append(f"{name} {problem}")
            elif column.dtype == float or column.isna().all():
                columns[name] = column.to_numpy(dtype=float, na_value=np.nan)[codes]
            else:
                problems.append(f"{name} was a number in training, and is text here ({column.dropna().iloc[0]!r})")
        else:
            text = column.astype("str").where(column.notna()).str.strip()
            columns[name] = text.where(text != "").array[codes]
    return pd.DataFrame(columns)


def _distinct_texts(column: pd.Series) -> tuple[np.ndarray | slice, pd.Series]:
    """Number of each row's text, and the distinct texts; a column of anything else as it is, with all rows."""
    text = isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype) or (
        column.dtype == object and pd.api.types.infer_dtype(column) == "string"
    )
    if not text:
        return slice(None), column
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    return codes, pd.Series(distinct, name=column.name)


def _pipeline(model: str, numeric: Sequence[str], features: Sequence[str], seed: int) -> Pipeline:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    from crm_utils.churn._columns import DistinctColumns, LogOfSkewed

    numbers = list(numeric)
    categories = [name for name in features if name not in numeric]
    if model == BOOSTING:
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=200)
        prepare = ColumnTransformer([("numbers", "passthrough", numbers), ("categories", ordinal, categories)])
        trees = HistGradientBoostingClassifier(
            learning_rate=0.1,
            max_iter=_ROUNDS[-1],
            max_leaf_nodes=15,
            min_samples_leaf=40,
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=np.arange(len(features)) >= len(numbers),
            random_state=seed,
        )
        return Pipeline([("prepare", prepare), ("model", trees)])
    scale = Pipeline(
        [
            ("log", LogOfSkewed()),
            ("fill", SimpleImputer(strategy="median", add_indicator=True)),
            ("scale", StandardScaler()),
        ]
    )
    columns = Pipeline(
        [
            ("fill", SimpleImputer(strategy="constant", fill_value=_MISSING)),
            (
                "columns",
                OneHotEncoder(
                    handle_unknown="ignore",
                    max_categories=_MOST_CATEGORIES,
                    sparse_output=False,
                    feature_name_combiner=_category_name,
                ),
            ),
        ]
    )
    prepare = ColumnTransformer(
        [("numbers", scale, numbers), ("categories", columns, categories)], verbose_feature_names_out=False
    )
    return Pipeline([("prepare", prepare), ("distinct", DistinctColumns()), ("model", _logistic(_LIGHT))])


def _logistic(ridge: float, tolerance: float = 1e-8) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / ridge, solver="newton-cholesky", tol=tolerance)


def _best_ridge(design: np.ndarray, outcomes: np.ndarray, people: np.ndarray, seed: int) -> float:
    """Largest penalty that cannot be told from the best for customers left out."""
    scale = 1.0
    if len(design) > _MOST_FOR_FOLDS:
        some = np.random.default_rng(seed).choice(len(design), _MOST_FOR_FOLDS, replace=False)
        # A penalty counts against the number of rows.
        scale, design, outcomes, people = len(design) / len(some), design[some], outcomes[some], people[some]
    losses = []
    for inside in _without_a_fold(outcomes, people, seed):
        fits = (_logistic(ridge / scale, 1e-4).fit(design[inside], outcomes[inside]) for ridge in _RIDGES)
        losses.append([_log_loss(outcomes[~inside], fitted.predict_proba(design[~inside])) for fitted in fits])
    return _RIDGES[_simplest(losses)]


def _best_rounds(trees: Any, design: np.ndarray, outcomes: np.ndarray, people: np.ndarray, seed: int) -> int:
    """Fewest trees that cannot be told from the best number for customers left out."""
    from sklearn.base import clone

    losses = []
    for inside in _without_a_fold(outcomes, people, seed):
        fitted = clone(trees).set_params(max_iter=_ROUNDS[-1]).fit(design[inside], outcomes[inside])
        staged = enumerate(fitted.staged_predict_proba(design[~inside]), 1)
        losses.append([_log_loss(outcomes[~inside], chances) for rounds, chances in staged if rounds in _ROUNDS])
        if len(design) > _MOST_FOR_FOLDS:
            break
    return _ROUNDS[_simplest(losses)]


def _without_a_fold(outcomes: np.ndarray, people: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Rows that are left by taking out one fold of customers after another, all rows of one together."""
    fold = np.random.default_rng(seed).integers(0, _FOLDS, people.max() + 1)[people]
    for number in range(_FOLDS):
        inside = fold != number
        if not inside.all() and outcomes[inside].min() < outcomes[inside].max():
            yield inside


def _log_loss(outcomes: np.ndarray, chances: np.ndarray) -> float:
    told = np.where(outcomes == 1, chances[:, 1], chances[:, 0])
    return float(-np.log(np.maximum(told, 1e-15)).mean())


def _simplest(losses: Sequence[Sequence[float]]) -> int:
    """Place of the first option that is within one standard error of the best; a row a fold, a column an option."""
    if not len(losses):
        return 0
    worse = np.array(losses)
    worse -= worse[:, [worse.mean(axis=0).argmin()]]
    error = worse.std(axis=0, ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
    return int(np.flatnonzero(worse.mean(axis=0) <= error)[0])


def _category_name(feature: str, category: Any) -> str:
    return f"{feature} = {'other' if category == 'infrequent_sklearn' else category}"


def _terms(pipeline: Pipeline, numeric: Sequence[str], categories: Sequence[str]) -> pd.DataFrame:
    """Column of the design by column: name, feature, standard deviation (NaN for a category), whether of logarithms."""
    rows = []
    names = pipeline[:-1].get_feature_names_out()
    spread, logs = {}, set()
    if len(numeric):
        scaler = pipeline["prepare"].named_transformers_["numbers"]
        spread = dict(zip(scaler.get_feature_names_out(), scaler["scale"].scale_, strict=True))
        logs = set(np.array(numeric, dtype=object)[scaler["log"].logs_])
    for name in names:
        if name in numeric:
            rows.append((name, name, spread[name], name in logs))
        elif name.startswith("missingindicator_"):
            feature = name.removeprefix("missingindicator_")
            rows.append((f"{feature} missing", feature, spread[name], False))
        else:
            # Names and categories are free text; the longest name that fits is the feature.
            owner = max((feature for feature in categories if name.startswith(f"{feature} = ")), key=len)
            rows.append((name, owner, np.nan, False))
    return pd.DataFrame(rows, columns=["term", "feature", "spread", "log"])


def feature_of_columns(model: EarlyWarning) -> list[str]:
    """Feature that each preprocessed column belongs to, in the order of the columns."""
    categories = [name for name in model.features if name not in model.numeric]
    if model.model == BOOSTING:
        return [*model.numeric, *categories]
    return _terms(model.pipeline, model.numeric, categories)["feature"].tolist()


def _coefficients(
    pipeline: Pipeline,
    design: np.ndarray,
    outcomes: np.ndarray,
    table: FeatureTable,
    names: Sequence[str],
    ridge: float,
    level: float,
) -> pd.DataFrame:
    """Log-odds with errors that count a customer once."""
    from scipy.stats import norm

    ridge = min(ridge, _LIGHT)
    light = _logistic(ridge).fit(design, outcomes)
    found = np.concatenate([light.intercept_, light.coef_[0]])
    full = np.column_stack([np.ones(len(design)), design])
    chance = 1 / (1 + np.exp(-full @ found))
    penalty = np.diag([0.0, *[ridge] * design.shape[1]])
    hessian = full.T @ (full * (chance * (1 - chance))[:, None]) + penalty
    people = person_codes(table.customers)
    order = np.argsort(people, kind="stable")
    starts = np.flatnonzero(np.diff(people[order], prepend=-1))
    scores = np.add.reduceat((full * (outcomes - chance)[:, None])[order], starts)
    units, rows = len(starts), len(design)
    # As statsmodels has it, so that few customers do not look like many.
    correction = units / (units - 1) * (rows - 1) / max(rows - full.shape[1], 1)
    bread = np.linalg.inv(hessian)
    error = np.sqrt(correction * np.diag(bread @ (scores.T @ scores) @ bread))[1:]
    value, reach = found[1:], norm.ppf((1 + level) / 2) * error
    numeric = [name for name in names if pd.api.types.is_numeric_dtype(table.rows[name])]
    flags = {name for name in numeric if table.rows[name].dropna().isin([0, 1]).all()}
    terms = _terms(pipeline, numeric, [name for name in names if name not in numeric])
    number = (terms["term"] == terms["feature"]) & ~terms["term"].isin(flags)
    more = terms["spread"].map(tr("{:.3g} more").format)
    times = np.exp(terms["spread"].where(terms["log"])).map(tr("(1 + x) × {:.2g}").format)
    per = times.where(terms["log"], more).where(number, tr("yes"))
    # A flag is standardised too, and a reader wants yes against no.
    step = terms["spread"].where(~number, 1.0).fillna(1.0).to_numpy()
    sure = np.abs(value / error)
    value, error, reach = value / step, error / step, reach / step
    result = pd.DataFrame(
        {
            "term": terms["term"],
            "feature": terms["feature"],
            "per": per,
            "coefficient": value,
            "std_error": error,
            "low": value - reach,
            "high": value + reach,
            "odds_ratio": np.exp(value),
            "odds_low": np.exp(value - reach),
            "odds_high": np.exp(value + reach),
            "used": pipeline["model"].coef_[0] / step,
        }
    )
    return result.iloc[np.argsort(-sure, kind="stable")].reset_index(drop=True)


def _typical(frame: pd.DataFrame, numeric: Sequence[str]) -> pd.Series:
    middle = {
        name: frame[name].median() if name in numeric else frame[name].fillna(_MISSING).mode().iloc[0] for name in frame
    }
    return pd.Series(middle, dtype=object)


def _background(design: np.ndarray, numbers: int) -> np.ndarray:
    """Median, or most frequent code, of each column; missing where most are."""
    rows = []
    for position, column in enumerate(design.T.astype(float)):
        there = column[~np.isnan(column)]
        if len(there) * 2 < len(column):
            rows.append(np.nan)
        elif position < numbers:
            rows.append(np.median(there))
        else:
            values, counts = np.unique(there, return_counts=True)
            rows.append(values[counts.argmax()])
    return np.array(rows)


def too_good_to_be_true(
    table: Any, *, threshold: float = TOO_GOOD, features: Sequence[str] | None = None, outcome: str = OUTCOME
) -> pd.DataFrame:
    """Find features that alone tell who left: usually something recorded because of the leaving, or after it.

    Parameters
    ----------
    table : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Features and outcome, as in `early_warning`.
    threshold : float, default 0.98
        Area under the ROC curve of a single feature from which on it is suspect, above 0.5.
    features : sequence of str, optional
        Features to look at. Default: all.
    outcome : str, default "outcome"
        Column of the outcome in a frame.

    Returns
    -------
    pandas.DataFrame
        One row a suspect, empty for none: ``feature``, ``sign`` ("orders leavers and stayers", "filled in for leavers
        only", "missing for leavers only", "has a value that only leavers have"), ``value`` (of the last kind),
        ``rows`` (that sign concerns), ``auc``, ``check`` (how to find out).

    Examples
    --------
    >>> table = pd.DataFrame({"visits": [3, 1, 4, 1, 5] * 40, "end_reason": ["price", None, None, None, None] * 40,
    ...                       "outcome": [1, 0, 0, 0, 0] * 40})
    >>> too_good_to_be_true(table, features=["end_reason"])[["feature", "sign", "rows"]]
          feature                        sign  rows
    0  end_reason  filled in for leavers only    40
    """
    where = "too_good_to_be_true"
    problems = [] if 0.5 < threshold <= 1 else [f"threshold must lie between 0.5 and 1, and is {threshold!r}"]
    raise_problems(where, problems)
    table = as_feature_table(table, outcome=outcome, where=where).known()
    left = table.outcome == 1
    columns = ["feature", "sign", "value", "rows", "auc", "check"]
    if not left.any() or left.all():
        return pd.DataFrame(columns=columns)
    found = []
    for name in table.features if features is None else features:
        suspect = _suspicion(table.rows[name], left, threshold)
        if suspect is not None:
            found.append((name, *suspect))
    return pd.DataFrame(found, columns=columns)


def _suspicion(column: pd.Series, left: np.ndarray, threshold: float) -> tuple[str, Any, int, float, str] | None:
    """Why a feature is too good to be true; None where it is not."""
    there = column.notna().to_numpy()
    area = _single_area(column, left)
    enough = max(_ROWS_OF_LEAVERS, _SHARE_OF_LEAVERS * left.sum())
    if enough <= there.sum() and not there.all() and left[there].all():
        check = tr("Ask when it is filled in; if at the end, leave it out.")
        return tr("filled in for leavers only"), None, int(there.sum()), area, check
    if enough <= (~there).sum() and there.any() and left[~there].all():
        check = tr("Ask when it is emptied; if at the end, leave it out.")
        return tr("missing for leavers only"), None, int((~there).sum()), area, check
    if area >= threshold:
        check = tr("Ask from which day each value is; rebuild it as it was before the snapshot, or leave it out.")
        return tr("orders leavers and stayers"), None, int(there.sum()), area, check
    if column[there].nunique() <= _MOST_VALUES:
        groups = pd.Series(left[there]).groupby(column[there].to_numpy()).agg(["size", "all"])
        only = groups[groups["all"] & (groups["size"] >= enough)]
        if len(only):
            value = only["size"].idxmax()
            check = tr("Ask who sets this value and when; if because somebody leaves, leave it out.")
            return tr("has a value that only leavers have"), value, int(only["size"].max()), area, check
    return None


def _single_area(column: pd.Series, left: np.ndarray) -> float:
    """How well a feature alone orders leavers and stayers, either way round."""
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float)
        areas = []
        # What is missing goes to either end, where it tells more.
        for end in (-np.inf, np.inf):
            area = rank_area(np.where(np.isnan(values), end, values), left).estimate
            areas += [area, 1 - area]
        return max(areas)
    codes = pd.factorize(column.fillna(_MISSING))[0]
    # The share of leavers among the other half of the rows: a rare category must not be judged by itself.
    half = np.arange(len(codes)) % 2 == 0
    score = np.empty(len(codes))
    for own in (half, ~half):
        number = np.bincount(codes[~own], minlength=codes.max() + 1)
        gone = np.bincount(codes[~own], left[~own], minlength=codes.max() + 1)
        score[own] = ((gone + left.mean()) / (number + 1))[codes[own]]
    area = rank_area(score, left).estimate
    return max(area, 1 - area)


def _refuse_leaks(where: str, table: FeatureTable, features: Sequence[str], allow: Sequence[str]) -> None:
    found = too_good_to_be_true(table, features=[name for name in features if name not in allow])
    if not len(found):
        return
    lines = [
        f"  {row.feature}: {row.sign}{'' if row.value is None else f' ({row.value})'}, {row.rows:,} rows, AUC alone "
        f"{row.auc:.3f}. {row.check}"
        for row in found.itertuples()
    ]
    allowed = ", ".join(f'"{name}"' for name in found["feature"])
    raise LeakageError(
        "\n".join(
            [
                f"{where}: {listed(found['feature'])} alone {'tells' if len(found) == 1 else 'tell'} who left:",
                *lines,
                f"Leave out what was recorded because of the leaving; name what is right in allow=[{allowed}].",
            ]
        )
    )


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Two models on the same customers.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a model: ``model``, ``auc``, ``low``, ``high``, ``brier``.
    difference, low, high : float
        AUC of the challenger less that of the baseline, with its paired interval.
    keep : str
        "challenger" where the interval lies above 0, else "baseline".
    customers, leavers : int
        Rows, and those that left.
    """

    table: pd.DataFrame
    difference: float
    low: float
    high: float
    keep: str
    customers: int
    leavers: int

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        names = self.table["model"].tolist()
        kept = names[self.keep == "challenger"]
        text = tr("The AUC of {challenger} less that of {baseline} is {difference} ({low} to {high}): {kept} is kept.")
        numbers = {name: plain_zero(f"{getattr(self, name):+.3f}") for name in ("difference", "low", "high")}
        return text.format(challenger=names[1], baseline=names[0], kept=kept, **numbers)


def compare_models(
    baseline: EarlyWarning, challenger: EarlyWarning, test: Any, *, outcome: str = OUTCOME, level: float = 0.95
) -> ModelComparison:
    """Keep the challenger only if it orders the test customers better than the baseline, beyond noise.

    Parameters
    ----------
    baseline, challenger : EarlyWarning
        Models; the baseline is the simpler one.
    test : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Rows that neither has seen, with outcomes.
    outcome : str, default "outcome"
        Column of the outcome in a frame.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    ModelComparison
        The paired difference of AUC (DeLong, clustered by customer) and which to keep.

    Raises
    ------
    DataFloorError
        If the test has fewer than ten leavers or stayers.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> table = pd.DataFrame({"visits": rng.normal(size=900)})
    >>> table["outcome"] = (rng.random(900) < 1 / (1 + np.exp(1 + table["visits"]))).astype(int)
    >>> one, other = (early_warning(table[:600], model=model) for model in ("logistic", "boosting"))
    >>> compare_models(one, other, table[600:]).keep
    'baseline'
    """
    where = "compare_models"
    raise_problems(where, level_problems(level))
    test = as_feature_table(test, outcome=outcome, where=where).known()
    happened = test.outcome
    if min(happened.sum(), (1 - happened).sum()) < 10:
        raise DataFloorError(
            f"{where}: at least 10 customers who left and 10 who stayed are needed to compare on, and there are "
            f"{int(happened.sum())} and {int((1 - happened).sum())}."
        )
    people = person_codes(test.customers)
    chances = [model.predict(test).to_numpy() for model in (baseline, challenger)]
    areas = [rank_area(chance, happened, clusters=people) for chance in chances]
    difference, low, high = area_gap(areas[1], areas[0], level=level)
    ends = [area.interval(level=level) for area in areas]
    table = pd.DataFrame(
        {
            "model": [baseline.model, challenger.model],
            "auc": [area.estimate for area in areas],
            "low": [end[0] for end in ends],
            "high": [end[1] for end in ends],
            "brier": [float(np.mean((chance - happened) ** 2)) for chance in chances],
        }
    )
    keep = "challenger" if low > 0 else "baseline"
    return ModelComparison(table, difference, low, high, keep, len(test), int(happened.sum()))
