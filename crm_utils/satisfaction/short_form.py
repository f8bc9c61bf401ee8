"""Indices of a few questions: without a path model, how reliable they are, and what they lose beside the full index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, missing_columns, raise_problems
from crm_utils.errors import DataFloorError, did_you_mean
from crm_utils.satisfaction.index import FEWEST_CASES, Scale
from crm_utils.survey.samples import Sample, SampleMoments, read_sample

INTERVALS = ("linearised", "feldt")
ItemWeights = Sequence[float] | Mapping[str, float] | None


def short_form_scores(
    answers: pd.DataFrame,
    items: Sequence[str],
    *,
    scale: Scale = (1, 10),
    item_weights: ItemWeights = None,
    fewest_items: int | None = None,
) -> pd.Series:
    r"""Index of every respondent from a few questions, 0 to 100.

    .. math:: I = 100 \, \frac{\sum_i w_i (x_i - \text{min}_i) / (\text{max}_i - \text{min}_i)}{\sum_i w_i}

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns; reversed ones already turned round (`survey_answers`).
    items : sequence of str
        Questions, such as the three of the ACSI [1]_ on satisfaction: overall, against expectations, against the
        ideal.
    scale : (float, float) or mapping of str to (float, float), default (1, 10)
        Lowest and highest answer, of all items or by item.
    item_weights : sequence of float or mapping of str to float, optional
        Weights of the items, above zero. Default: equal.
    fewest_items : int, optional
        How many of the items must be answered; where some are not, the index is that of the others, with their
        weights. Default: all.

    Returns
    -------
    pandas.Series
        Index by respondent; NaN where too little is answered.

    Raises
    ------
    ParameterError
        If items are absent, answers lie outside the scale, or an option is unusable.
    DataFloorError
        If there is no answer.

    References
    ----------
    .. [1] Fornell, C., Johnson, M. D., Anderson, E. W., Cha, J. & Bryant, B. E. (1996). The American Customer
       Satisfaction Index: nature, purpose, and findings. Journal of Marketing 60(4), 7–18.

    Examples
    --------
    >>> answers = pd.DataFrame({"s1": [10, 7, 4], "s2": [10, 4, None]})
    >>> short_form_scores(answers, ["s1", "s2"]).tolist()
    [100.0, 50.0, nan]
    """
    _, scores = _scored(answers, items, "short_form_scores", scale, item_weights, fewest_items)
    return pd.Series(scores, answers.index, name="index")


def short_form_index(
    answers: pd.DataFrame,
    items: Sequence[str],
    *,
    scale: Scale = (1, 10),
    item_weights: ItemWeights = None,
    fewest_items: int | None = None,
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Index of a few questions, with its interval, by group or wave.

    Parameters
    ----------
    answers, items, scale, item_weights, fewest_items
        As in `short_form_scores`.
    weights : array-like of float, shape (n,), optional
        Survey weights.
    clusters : array-like, shape (n,), optional
        Who answered: answers of one person go together. A missing label is a person of her own.
    by : array-like, shape (n,), optional
        Groups or waves.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By group ("all" without groups): ``index`` (0–100), ``std_error`` (linearised), ``low``, ``high`` (Student's t
        with as many degrees of freedom as people less one), ``answers``, ``missing`` (respondents without an index).

    Raises
    ------
    ParameterError, DataFloorError
        As in `short_form_scores`.

    Examples
    --------
    >>> answers = pd.DataFrame({"s1": [10, 7, 4, 8], "s2": [10, 4, None, 9]})
    >>> short_form_index(answers, ["s1", "s2"]).loc["all", ["index", "answers", "missing"]].round(1).tolist()
    [77.8, 3.0, 1.0]
    """
    sample, scores = _scored(
        answers, items, "short_form_index", scale, item_weights, fewest_items,
        weights=weights, clusters=clusters, by=by, level=level,
    )  # fmt: skip

    def row(group: int) -> dict[str, float]:
        mean = sample.mean(scores, group)
        low, high = mean.interval(level=level)
        ends = {"low": max(low, 0.0), "high": min(high, 100.0)}
        return {"index": mean.estimate, "std_error": mean.std_error} | ends | sample.counts(scores, group)

    return sample.by_group(row)


def _scored(
    answers: pd.DataFrame,
    items: Sequence[str],
    where: str,
    scale: Scale,
    item_weights: ItemWeights,
    fewest_items: int | None,
    *,
    problems: Sequence[str] = (),
    **design: Any,
) -> tuple[Sample, np.ndarray]:
    """Respondents and their indices, once everything is found fit."""
    names = checked_items(answers, items, where)
    problems = list(problems)
    given = dict.fromkeys(names, 1.0) if item_weights is None else item_weights
    if not isinstance(given, Mapping):
        given = dict(zip(names, given, strict=True)) if np.shape(given) == (len(names),) else {}
    if set(given) != set(names) or not all(is_number(weight) and weight > 0 for weight in given.values()):
        problems.append(
            f"item_weights must be a number above zero for each of {', '.join(names)}, and are {item_weights!r}"
        )
    fewest = len(names) if fewest_items is None else fewest_items
    if isinstance(fewest, bool) or not isinstance(fewest, int | np.integer) or not 1 <= fewest <= len(names):
        problems.append(f"fewest_items must be a whole number from 1 to {len(names)}, and is {fewest_items!r}")
    sample = read_sample(answers[names], where, scale=scale, problems=problems, **design)
    ends = np.array([scale[name] if isinstance(scale, Mapping) else scale for name in names], dtype=float)
    parts = 100 * (sample.answers - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    there = ~np.isnan(parts)
    mass = there * np.array([float(given[name]) for name in names])
    with np.errstate(invalid="ignore"):
        scores = (mass * np.nan_to_num(parts)).sum(axis=1) / mass.sum(axis=1)
    scores[there.sum(axis=1) < fewest] = np.nan
    return sample, scores


def checked_items(answers: pd.DataFrame, items: Sequence[str], where: str) -> list[str]:
    """List items that are columns, each once.

    Parameters
    ----------
    answers : pandas.DataFrame
        Answers.
    items : sequence of str, or str
        Items; a text is one of them.
    where : str
        What a message names as its place.

    Returns
    -------
    list of str
        The items.

    Raises
    ------
    ParameterError
        If answers are no table, items are absent or named twice, or there is none.
    """
    if not isinstance(answers, pd.DataFrame):
        raise_problems(where, [f"answers must be a table with the items as columns, and are {type(answers).__name__}"])
    names = [items] if isinstance(items, str) else list(items)
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    problems = [f"items name {', '.join(repeated)} more than once"] if repeated else []
    if not names:
        problems.append("items must be at least 1, and are 0")
    raise_problems(where, problems + missing_columns(answers, names, "answers"))
    return names


def reliability_of(
    answers: pd.DataFrame,
    items: Sequence[str],
    *,
    interval: str = "linearised",
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""How much of the spread of a sum of items is what they have in common: alpha and omega.

    Raw alpha, of items as they are answered, with k items, their variances and the variance of their sum,

    .. math:: \alpha = \frac{k}{k - 1} \left(1 - \frac{\sum_i \sigma_i^2}{\sigma_X^2}\right)

    is the reliability of the sum where all items carry the same share of what they have in common, and else a lower
    bound, as long as their errors are independent [1]_. Standardised alpha is the same of items in standard deviations
    (`crm_utils.pls.reliability.cronbach_alpha`). Omega [2]_ lets the items differ: the share of the common factor in
    the variance of the sum, with loadings by Spearman's formula [3]_ for a single factor.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns; reversed ones already turned round.
    items : sequence of str
        Two items or more.
    interval : {"linearised", "feldt"}, default "linearised"
        Of alpha: from the linearised error of ln(1 − α), free of any distribution [4]_, with weights and clusters; or
        Feldt's exact one for normal answers to items alike in variance and covariance [5]_, without weights and
        clusters.
    weights, clusters, by
        As in `short_form_index`.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By group ("all" without groups): ``items``, ``alpha`` (raw), ``std_error``, ``low``, ``high``;
        ``standardized_alpha``; ``omega``, ``omega_low``, ``omega_high`` (NaN for two items, which do not tell it, and
        where one factor does not describe the items, or one of them runs against the others); ``answers``
        (respondents who answered every item), ``missing``.
        Linearised errors and intervals are NaN for fewer than 20 people.

    Raises
    ------
    ParameterError
        If items are absent or not numeric, or an option is unusable.
    DataFloorError
        If there is one item only, or no answer.

    References
    ----------
    .. [1] Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests. Psychometrika 16, 297–334.
    .. [2] McDonald, R. P. (1999). Test Theory: A Unified Treatment. Erlbaum, chapter 6.
    .. [3] Spearman, C. (1927). The Abilities of Man. Macmillan, appendix: (A² − A′)/(T − 2A), with an item's sum of
       correlations A, of their squares A′, and the total T.
    .. [4] Maydeu-Olivares, A., Coffman, D. L. & Hartmann, W. M. (2007). Asymptotically distribution-free (ADF)
       interval estimation of coefficient alpha. Psychological Methods 12(2), 157–176. The logarithm: Bonett, D. G.
       (2002). Sample size requirements for testing and estimating coefficient alpha. Journal of Educational and
       Behavioral Statistics 27(4), 335–340.
    .. [5] Feldt, L. S. (1965). The approximate sampling distribution of Kuder–Richardson reliability coefficient
       twenty. Psychometrika 30(3), 357–370.

    Examples
    --------
    >>> answers = pd.DataFrame({"s1": [9, 7, 4, 8, 6], "s2": [10, 6, 5, 8, 7], "s3": [8, 8, 3, 9, 5]})
    >>> found = reliability_of(answers, ["s1", "s2", "s3"], interval="feldt").loc["all"]
    >>> found[["alpha", "low", "high"]].round(2).tolist()
    [0.92, 0.58, 0.99]
    """
    where = "reliability_of"
    names = checked_items(answers, items, where)
    if len(names) == 1:
        raise DataFloorError(f"{where}: reliability cannot be judged by one item, {names[0]}.")
    problems = []
    if interval not in INTERVALS:
        hint = did_you_mean(interval, INTERVALS)
        problems.append(f"interval must be one of {list(INTERVALS)}, and is {interval!r}{hint}")
    if interval == "feldt" and (weights is not None or clusters is not None):
        problems.append("Feldt's interval is for answers without weights and clusters; take interval='linearised'")
    sample = read_sample(
        answers[names], where, weights=weights, clusters=clusters, by=by, level=level, problems=problems
    )
    complete = np.where(np.isnan(sample.answers).any(axis=1), np.nan, 1.0)

    def row(group: int) -> dict[str, float]:
        moments = sample.moments(sample.answers, group)
        found = reliability_intervals(
            moments, lambda covariances: np.stack([raw_alpha(covariances), _omega(covariances)], axis=-1), level=level
        )
        alpha, error, low, high = found[0]
        if interval == "feldt":
            low, high = _feldt(alpha, moments.cases, len(names), level)
        omega, _, omega_low, omega_high = found[1]
        return {
            "items": len(names),
            "alpha": alpha,
            "std_error": error,
            "low": low,
            "high": high,
            "standardized_alpha": float(raw_alpha(_correlations(moments.covariance))),
            "omega": omega,
            "omega_low": omega_low,
            "omega_high": omega_high,
        } | sample.counts(complete, group)

    return sample.by_group(row)


def raw_alpha(covariances: np.ndarray) -> np.ndarray:
    """Cronbach's alpha.

    Parameters
    ----------
    covariances : numpy.ndarray of float, shape (…, items, items)
        Covariances of two items or more.

    Returns
    -------
    numpy.ndarray of float, shape (…)
        Raw alpha; of correlations, standardised alpha.

    Examples
    --------
    >>> raw_alpha(np.array([[1.0, 0.5], [0.5, 1.0]])).round(3).item()
    0.667
    """
    size = covariances.shape[-1]
    total = covariances.sum(axis=(-2, -1))
    return size / (size - 1) * (1 - np.trace(covariances, axis1=-2, axis2=-1) / total)


def reliability_intervals(
    moments: SampleMoments, function: Callable[[np.ndarray], np.ndarray], *, level: float
) -> np.ndarray:
    """Reliabilities that follow from covariances, with intervals from the linearised errors of ln(1 − reliability).

    Parameters
    ----------
    moments : SampleMoments
        Covariances.
    function : callable
        Covariances, shape (…, columns, columns), → reliabilities, shape (…, quantities).
    level : float
        Confidence level.

    Returns
    -------
    numpy.ndarray of float, shape (quantities, 4)
        Estimate, standard error, low, high; errors and ends are NaN for fewer than 20 people.
    """
    from scipy.stats import t

    def both(covariances: np.ndarray) -> np.ndarray:
        found = function(covariances)
        return np.concatenate([found, np.log(1 - found)], axis=-1)

    estimates, errors = moments.derived(both)
    size = len(estimates) // 2
    if moments.units < FEWEST_CASES:
        return np.column_stack([estimates[:size], np.full((size, 3), np.nan)])
    reach = t.ppf((1 + level) / 2, moments.units - 1) * errors[size:]
    low, high = 1 - np.exp(estimates[size:] + reach), 1 - np.exp(estimates[size:] - reach)
    return np.column_stack([estimates[:size], errors[:size], low, high])


def _correlations(covariances: np.ndarray) -> np.ndarray:
    spreads = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariances / (spreads[..., :, None] * spreads[..., None, :])


def _omega(covariances: np.ndarray) -> np.ndarray:
    """Share of a single factor in the variance of the sum of the items; NaN where it does not describe them."""
    size = covariances.shape[-1]
    if size < 3:
        return np.full(covariances.shape[:-2], np.nan)
    correlations = _correlations(covariances)
    sums, squares = correlations.sum(axis=-1) - 1, (correlations**2).sum(axis=-1) - 1
    pairs = sums.sum(axis=-1, keepdims=True) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        communality = (sums**2 - squares) / (2 * (pairs - sums))
    proper = ((communality >= 0) & (communality <= 1) & (sums > 0)).all(axis=-1, keepdims=True)
    communality = np.where(proper, communality, np.nan)
    loadings = np.sqrt(communality * np.diagonal(covariances, axis1=-2, axis2=-1))
    return loadings.sum(axis=-1) ** 2 / covariances.sum(axis=(-2, -1))


def _feldt(alpha: float, cases: int, items: int, level: float) -> tuple[float, float]:
    from scipy.stats import f

    if cases < 2:
        return np.nan, np.nan
    tails = f.ppf([(1 + level) / 2, (1 - level) / 2], cases - 1, (cases - 1) * (items - 1))
    low, high = 1 - (1 - alpha) * tails
    return float(low), float(high)


def short_form_agreement(
    answers: pd.DataFrame,
    items: Sequence[str],
    full: pd.Series,
    *,
    scale: Scale = (1, 10),
    item_weights: ItemWeights = None,
    fewest_items: int | None = None,
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Hold the index of a few questions against the full one, on the same respondents.

    Parameters
    ----------
    answers, items, scale, item_weights, fewest_items
        As in `short_form_scores`.
    full : pandas.Series
        Full index of respondents, 0–100, such as a column of `respondent_indices`; its labels are among those of the
        answers, and respondents without it are left out.
    weights, clusters, by
        As in `short_form_index`, one a row of the answers.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By group ("all" without groups): ``short`` and ``full`` (mean indices); their ``difference`` (short less full)
        with ``std_error``, ``low``, ``high``; ``apart_low``, ``apart_high``, between which the difference of a single
        respondent lies with the probability `level` (mean ± z standard deviations [1]_); ``correlation`` of
        respondents with ``correlation_low``, ``correlation_high`` (linearised, by Fisher's z); ``answers_factor``, how
        many times as many answers the short form needs for a mean as exact (the ratio of the variances of a single
        respondent), with ``answers_factor_low``, ``answers_factor_high``; ``answers`` (respondents with both),
        ``missing``. Intervals of correlation and factor are NaN for fewer than 20 people.

    Raises
    ------
    ParameterError
        As in `short_form_scores`, and if the full index does not fit the answers.
    DataFloorError
        If nobody has both.

    Notes
    -----
    The questions of the short form are mostly part of the full index. Their errors are then in both, and the
    correlation is higher than that of two surveys, one short, one full, of the same people would be [2]_: it says how
    well the short form stands for the full one in these answers, and not how reliable either is (`reliability_of`).

    References
    ----------
    .. [1] Bland, J. M. & Altman, D. G. (1986). Statistical methods for assessing agreement between two methods of
       clinical measurement. The Lancet 327, 307–310.
    .. [2] Levy, P. (1967). The correction for spurious correlation in the evaluation of short-form tests. Journal of
       Clinical Psychology 23(1), 84–86.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> answers = pd.DataFrame(np.clip(np.rint(rng.normal(7, 1, (90, 1)) + rng.normal(0, 1, (90, 3))), 1, 10))
    >>> answers.columns = ["s1", "s2", "s3"]
    >>> full = short_form_scores(answers, ["s1", "s2", "s3"])
    >>> found = short_form_agreement(answers, ["s1"], full).loc["all"]
    >>> found[["correlation", "answers_factor"]].round(2).tolist()
    [0.84, 1.88]
    """
    from scipy.stats import norm, t

    where = "short_form_agreement"
    problems = _full_problems(answers, full)
    sample, short = _scored(
        answers, items, where, scale, item_weights, fewest_items,
        weights=weights, clusters=clusters, by=by, level=level, problems=problems,
    )  # fmt: skip
    # By label: the full index may lack respondents.
    whole = full.reindex(answers.index).to_numpy(dtype=float, na_value=np.nan)
    there = ~np.isnan(short) & ~np.isnan(whole)
    if not there.any():
        raise DataFloorError(f"{where} needs respondents with both indices; there is none.")
    both = np.where(there[:, None], np.column_stack([short, whole]), np.nan)
    apart = both[:, 0] - both[:, 1]
    reach = norm.ppf((1 + level) / 2)

    def row(group: int) -> dict[str, float]:
        difference, moments = sample.mean(apart, group), sample.moments(both, group)
        low, high = difference.interval(level=level)
        spread = np.sqrt(max(moments.covariance[0, 0] + moments.covariance[1, 1] - 2 * moments.covariance[0, 1], 0))
        (z, log_ratio), errors = moments.derived(_agreement)
        wide = t.ppf((1 + level) / 2, moments.units - 1) * errors if moments.units >= FEWEST_CASES else [np.nan] * 2
        return {
            "short": moments.means[0],
            "full": moments.means[1],
            "difference": difference.estimate,
            "std_error": difference.std_error,
            "low": low,
            "high": high,
            "apart_low": difference.estimate - reach * spread,
            "apart_high": difference.estimate + reach * spread,
            "correlation": np.tanh(z),
            "correlation_low": np.tanh(z - wide[0]),
            "correlation_high": np.tanh(z + wide[0]),
            "answers_factor": np.exp(log_ratio),
            "answers_factor_low": np.exp(log_ratio - wide[1]),
            "answers_factor_high": np.exp(log_ratio + wide[1]),
        } | sample.counts(apart, group)

    return sample.by_group(row)


def _full_problems(answers: pd.DataFrame, full: Any) -> list[str]:
    if not isinstance(full, pd.Series):
        return [f"full must be a pandas.Series with the labels of its respondents, and is a {type(full).__name__}"]
    if not answers.index.is_unique or not full.index.is_unique or not full.index.isin(answers.index).all():
        return [
            "full and answers must have a label of its own for each respondent, those of full among those of answers"
        ]
    return []


def _agreement(covariances: np.ndarray) -> np.ndarray:
    """Fisher's z of the correlation of two columns, and the logarithm of the ratio of their variances."""
    one, two = covariances[..., 0, 0], covariances[..., 1, 1]
    correlation = np.clip(covariances[..., 0, 1] / np.sqrt(one * two), -1, 1)
    return np.stack([np.arctanh(correlation), np.log(one / two)], axis=-1)
