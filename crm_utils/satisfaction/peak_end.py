"""Whether customers remember a journey by its most intense moment and its end (峰终定律)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, index_problems, missing_columns, raise_problems, seed_problems
from crm_utils.company.survey_columns import OVERALL, STAGE, journey_stages
from crm_utils.errors import DataFloorError
from crm_utils.language import plain_zero, tr
from crm_utils.plotting import MUTED, describe, draw_intervals, new_axes
from crm_utils.survey.samples import Sample, SampleMoments, mean_ratio, read_sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOLDS, FAILS, UNSURE = "holds", "does not hold", "cannot tell"
FEWEST_PEOPLE, FEWEST_STAGES = 30, 3
MOMENTS = ("mean", "peak", "end")
MODELS = {"mean": ("mean",), "peak and end": ("peak", "end"), "all": MOMENTS}
_WHERE = "peak_end_check"


@dataclass(frozen=True, eq=False)
class PeakEndCheck:
    """What `peak_end_check` found.

    Attributes
    ----------
    coefficients : pandas.DataFrame
        By ``group`` and ``term`` ("mean", "peak", "end", "constant"): points of the overall rating for one point of
        the term, the others held fast: ``estimate``, ``std_error``, ``low``, ``high``; ``vif``, the variance inflation
        factor: how many times wider (squared) the error is because the term goes with the others.
    models : pandas.DataFrame
        By ``group`` and ``model`` ("mean", "peak and end", "all"): ``r_squared``, ``low``, ``high`` in the sample;
        ``r_squared_out``, ``error_out``: R² and root mean squared error for respondents not used for the estimate.
    verdicts : pandas.DataFrame
        By ``group``: ``verdict`` ("holds", "does not hold", "cannot tell") with its ``reason``; ``gain`` of the model
        of peak and end over that of the mean, in R² out of sample, ``gain_low``, ``gain_high``; ``tied_share`` of
        respondents with a good and a bad moment equally intense; ``answers`` (respondents who rated every stage and
        the whole), ``missing``.
    level : float
        Confidence level.
    """

    coefficients: pd.DataFrame
    models: pd.DataFrame
    verdicts: pd.DataFrame
    level: float


def journey_columns(answers: pd.DataFrame) -> tuple[list[str], str]:
    """Find the ratings of a journey by their names.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has columns ``journey_<stage>``, in the order of the journey, and ``journey_overall``.

    Returns
    -------
    stages : list of str
        Columns of the stages, in their order.
    overall : str
        Column of the whole journey.

    Raises
    ------
    ParameterError
        If there are no such columns.

    Examples
    --------
    >>> journey_columns(pd.DataFrame(columns=["journey_order", "journey_delivery", "nps", "journey_overall"]))
    (['journey_order', 'journey_delivery'], 'journey_overall')
    """
    # As if there were the overall rating: that it is absent is another problem than no stages.
    stages = journey_stages([*answers, OVERALL])
    problems = missing_columns(answers, [OVERALL], "answers")
    if not stages:
        problems.append(f"answers have no columns {STAGE}<stage>")
    raise_problems("journey_columns", problems)
    return stages, OVERALL


def journey_moments(stages: pd.DataFrame, *, scale: tuple[float, float] = (1, 10)) -> pd.DataFrame:
    """Mean, most intense moment and end of each respondent's journey.

    Parameters
    ----------
    stages : pandas.DataFrame
        Ratings of the stages, one column each, in the order of the journey.
    scale : (float, float), default (1, 10)
        Lowest and highest rating; their middle is neutral.

    Returns
    -------
    pandas.DataFrame
        By respondent: ``mean``, ``peak`` (the rating furthest from the middle of the scale; of two equally far the
        worse), ``peak_stage`` (the first stage with it), ``end`` (the last rating), ``tied`` (whether a good and a bad
        rating are equally far). Missing for who left out a stage, which might have been the peak.

    Raises
    ------
    ParameterError
        If ratings lie outside the scale, or stages are fewer than three, of which mean, peak and end would hardly
        differ.
    DataFloorError
        If there is no rating.

    Examples
    --------
    >>> stages = pd.DataFrame({"order": [8, 6, 3], "delivery": [2, 5, 8], "unpack": [7, 6, 7]})
    >>> journey_moments(stages)[["peak", "peak_stage", "end", "tied"]].to_numpy().tolist()
    [[2.0, 'delivery', 7.0, False], [5.0, 'delivery', 6.0, True], [3.0, 'order', 7.0, True]]
    """
    where = "journey_moments"
    raise_problems(where, _stage_problems(stages))
    ratings = read_sample(stages, where, scale=scale).answers
    moments, tied, place = _moments(ratings, scale)
    complete = ~np.isnan(moments).any(axis=1)
    return pd.DataFrame(
        {
            "mean": moments[:, 0],
            "peak": moments[:, 1],
            "peak_stage": pd.Series(np.asarray(stages.columns, dtype=object)[place], stages.index).where(complete),
            "end": moments[:, 2],
            "tied": pd.array(np.where(complete, tied, None), dtype="boolean"),
        },
        stages.index,
    )


def _stage_problems(stages: Any) -> list[str]:
    if not isinstance(stages, pd.DataFrame):
        return [f"stages must be a table with a column a stage, and are {type(stages).__name__}"]
    if stages.shape[1] < FEWEST_STAGES:
        return [f"stages must be at least {FEWEST_STAGES}, in the order of the journey, and are {stages.shape[1]}"]
    return [] if stages.columns.is_unique else ["stages have two columns of one name; rename one"]


def _moments(ratings: np.ndarray, scale: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, peak and end, shape (respondents, 3); whether the peak is tied; and its stage."""
    away = ratings - (scale[0] + scale[1]) / 2
    most = np.abs(away).max(axis=1, keepdims=True)
    intense = np.isclose(np.abs(away), most)
    tied = (intense & (away > 0)).any(axis=1) & (intense & (away < 0)).any(axis=1)
    # Of equally intense moments the lowest.
    place = np.where(intense, ratings, np.inf).argmin(axis=1)
    peak = np.where(np.isnan(ratings).any(axis=1), np.nan, ratings[np.arange(len(ratings)), place])
    return np.column_stack([ratings.mean(axis=1), peak, np.where(np.isnan(peak), np.nan, ratings[:, -1])]), tied, place


def peak_end_check(
    stages: pd.DataFrame,
    overall: Any,
    *,
    scale: tuple[float, float] = (1, 10),
    folds: int = 10,
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
    seed: int,
) -> PeakEndCheck:
    """Check on ratings of a journey whether its memory follows the peak–end rule.

    The rule [1]_ [2]_ says that an experience is remembered by its most intense moment (`journey_moments`) and its end,
    and hardly by the rest. The rating of the whole journey is regressed on the mean of all stages, the peak and the end
    (least squares, weighted, with errors robust to answers of one person going together). Peak and end are also stages
    of the mean: the coefficients say what a point counts there beyond its share of the mean.

    Parameters
    ----------
    stages : pandas.DataFrame
        Ratings of the stages, one column each, in the order of the journey; three or more.
    overall : array-like of float, shape (n,)
        Rating of the journey as a whole.
    scale : (float, float), default (1, 10)
        Lowest and highest rating of both; their middle is neutral.
    folds : int, default 10
        Into how many parts respondents are split, each predicted by a model of the others; all answers of a person
        are in one part.
    weights : array-like of float, shape (n,), optional
        Survey weights.
    clusters : array-like, shape (n,), optional
        Who answered: answers of one person go together. A missing label is a person of her own.
    by : array-like, shape (n,), optional
        Groups or waves, each checked by itself.
    level : float, default 0.95
        Confidence level of each interval.
    seed : int
        Seed of the random folds; the same in every group.

    Returns
    -------
    PeakEndCheck
        Coefficients, models, and a verdict by group ("all" without groups). The rule holds where the intervals of peak
        and end are above zero, and the model of peak and end predicts respondents not used for the estimate better than
        the mean does, by more than chance; all three must be shown, so that no level needs correction [3]_. It does not
        hold where one of the intervals is below zero. A group with fewer than 30 people, or fewer than folds, has no
        estimates, and the reason says so.

    Raises
    ------
    ParameterError
        If ratings lie outside the scale, stages are fewer than three, or an option is unusable.
    DataFloorError
        If no group has 30 people who rated every stage and the whole, whose ratings tell mean, peak and end apart.

    Notes
    -----
    The intervals of R² are linearised, on the scale of Fisher's z of R. The interval of the gain takes the predictions
    as given: it holds the chance of which respondents are predicted, and not that of the estimates.

    References
    ----------
    .. [1] Kahneman, D., Fredrickson, B. L., Schreiber, C. A. & Redelmeier, D. A. (1993). When more pain is preferred
       to less: adding a better end. Psychological Science 4(6), 401–405.
    .. [2] Redelmeier, D. A. & Kahneman, D. (1996). Patients' memories of painful medical treatments. Pain 66(1), 3–8.
    .. [3] Berger, R. L. (1982). Multiparameter hypothesis testing and acceptance sampling. Technometrics 24(4),
       295–300 (intersection–union test).

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> stages = pd.DataFrame(rng.integers(1, 11, (300, 5))).add_prefix("stage ")
    >>> moments = journey_moments(stages)
    >>> overall = (0.5 * moments["peak"] + 0.5 * moments["end"] + rng.normal(size=300)).clip(1, 10)
    >>> check = peak_end_check(stages, overall, seed=7)
    >>> check.coefficients.loc["all", "estimate"].round(1).tolist(), check.verdicts.loc["all", "verdict"]
    ([0.0, 0.5, 0.4, 0.3], 'holds')
    """
    raise_problems(_WHERE, _stage_problems(stages))
    problems = count_problems("folds", folds, least=2) + seed_problems(seed)
    if np.ndim(overall) != 1 or len(overall) != len(stages):
        raise_problems(
            _WHERE, [f"overall must be one column with a rating for each of the {len(stages):,} rows of stages"]
        )
    problems += index_problems(stages=stages, overall=overall)
    both = pd.concat([stages, pd.Series(overall).set_axis(stages.index).rename("overall rating")], axis=1)
    sample = read_sample(
        both, _WHERE, weights=weights, clusters=clusters, by=by, level=level, scale=scale, problems=problems
    )
    moments, tied, _ = _moments(sample.answers[:, :-1], scale)
    columns = np.column_stack([moments, sample.answers[:, -1]])
    columns[np.isnan(columns).any(axis=1)] = np.nan
    # scikit-learn takes a whole number below 2³².
    split = int(np.random.default_rng(seed).integers(2**32))
    found = [_check_group(sample, columns, tied, group, folds, split, level) for group in range(len(sample.labels))]
    if all(models["r_squared"].isna().all() for _, models, _ in found):
        reasons = "; ".join(dict.fromkeys(verdict["reason"] for _, _, verdict in found))
        raise DataFloorError(f"{_WHERE}: {reasons}.")
    labels = {"keys": sample.labels, "names": [sample.labels.name]}
    return PeakEndCheck(
        pd.concat([coefficients for coefficients, _, _ in found], **labels),
        pd.concat([models for _, models, _ in found], **labels),
        pd.DataFrame([verdict for _, _, verdict in found], sample.labels),
        level,
    )


def _check_group(
    sample: Sample, columns: np.ndarray, tied: np.ndarray, group: int, folds: int, split: int, level: float
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Coefficients, models and verdict of one group; `columns` are mean, peak, end and the overall rating."""
    there = ~np.isnan(columns[:, 0])
    rows = np.flatnonzero((sample.groups == group) & there & (sample.weights > 0))
    share = sample.mean(np.where(there, tied, np.nan), group).estimate
    verdict = {"verdict": UNSURE, "reason": "", "gain": np.nan, "gain_low": np.nan, "gain_high": np.nan}
    told = {"tied_share": share} | sample.counts(columns[:, 0], group)
    reason = _too_little(columns[rows], sample.clusters[rows], folds)
    if reason:
        empty = dict.fromkeys(("estimate", "std_error", "low", "high", "vif"), np.nan)
        nothing = dict.fromkeys(("r_squared", "low", "high", "r_squared_out", "error_out"), np.nan)
        return (
            _table([empty] * 4, [*MOMENTS, "constant"], "term"),
            _table([nothing] * 3, list(MODELS), "model"),
            (verdict | {"reason": reason} | told),
        )
    moments = sample.moments(columns, group)
    coefficients = _coefficients(columns[rows], sample.weights[rows], sample.clusters[rows], moments, level)
    errors = np.full((len(columns), len(MODELS)), np.nan)
    errors[rows] = _errors_out(columns[rows], sample.weights[rows], sample.clusters[rows], folds, split) ** 2
    models, gain = _models(sample, columns[:, -1], errors, moments, group, level)
    word, reason = _verdict(coefficients, gain)
    found = dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
    return coefficients, models, {"verdict": word, "reason": reason} | found | told


def _table(rows: list[dict[str, float]], names: list[str], label: str) -> pd.DataFrame:
    return pd.DataFrame(rows, pd.Index(names, name=label))


def _too_little(columns: np.ndarray, people: np.ndarray, folds: int) -> str:
    """Why nothing can be estimated; empty where it can."""
    needed = max(FEWEST_PEOPLE, folds)
    if (given := len(np.unique(people))) < needed:
        template = tr("fewer than {needed} people rated every stage and the whole ({given})")
        return template.format(needed=needed, given=given)
    # Rounded: what is the same for all differs from its mean in the last digit.
    deviations = np.round(columns - columns.mean(axis=0), 9)
    if not deviations[:, -1].any():
        return tr("everybody rates the whole alike")
    if np.linalg.matrix_rank(deviations[:, :-1]) < len(MOMENTS):
        return tr("mean, peak and end of the stages cannot be told apart")
    return ""


def _coefficients(
    columns: np.ndarray, weights: np.ndarray, people: np.ndarray, moments: SampleMoments, level: float
) -> pd.DataFrame:
    import statsmodels.api as sm

    design = np.column_stack([columns[:, :-1], np.ones(len(columns))])
    fit = sm.WLS(columns[:, -1], design, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": people}, use_t=True
    )
    low, high = fit.conf_int(1 - level).T
    spreads = np.sqrt(np.diag(moments.covariance))[:-1]
    inflation = np.diag(np.linalg.inv(moments.covariance[:-1, :-1] / np.outer(spreads, spreads)))
    table = {"estimate": fit.params, "std_error": fit.bse, "low": low, "high": high, "vif": [*inflation, np.nan]}
    return pd.DataFrame(table, pd.Index([*MOMENTS, "constant"], name="term"))


def _errors_out(columns: np.ndarray, weights: np.ndarray, people: np.ndarray, folds: int, split: int) -> np.ndarray:
    """What each model misses of respondents that it was not estimated on, shape (respondents, models)."""
    import statsmodels.api as sm
    from sklearn.model_selection import GroupKFold

    errors = np.empty((len(columns), len(MODELS)))
    parts = GroupKFold(folds, shuffle=True, random_state=split).split(columns, groups=people)
    for known, unknown in parts:
        for place, terms in enumerate(MODELS.values()):
            design = np.column_stack([columns[:, [MOMENTS.index(term) for term in terms]], np.ones(len(columns))])
            fit = sm.WLS(columns[known, -1], design[known], weights=weights[known]).fit()
            errors[unknown, place] = columns[unknown, -1] - design[unknown] @ fit.params
    return errors


def _models(
    sample: Sample, overall: np.ndarray, squares: np.ndarray, moments: SampleMoments, group: int, level: float
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """R² of each model in and out of the sample, and the gain of peak and end over the mean with its interval."""
    from scipy.stats import t

    found, errors = moments.derived(_fisher_z)
    reach = t.ppf((1 + level) / 2, moments.units - 1)
    spread = sample.mean((overall - moments.means[-1]) ** 2, group)
    missed = [sample.mean(column, group) for column in squares.T]
    table = pd.DataFrame(
        {
            "r_squared": np.tanh(found) ** 2,
            "low": np.tanh(np.maximum(found - reach * errors, 0)) ** 2,
            "high": np.tanh(found + reach * errors) ** 2,
            "r_squared_out": [1 - mean.estimate / spread.estimate for mean in missed],
            "error_out": [np.sqrt(mean.estimate) for mean in missed],
        },
        pd.Index(list(MODELS), name="model"),
    )
    gain, error = mean_ratio(sample.mean(squares[:, 0] - squares[:, 1], group), spread)
    return table, (gain, gain - reach * error, gain + reach * error)


def _fisher_z(covariances: np.ndarray) -> np.ndarray:
    """Fisher's z of the multiple correlation of each model, from covariances of its terms and, last, the outcome."""
    found = []
    for terms in MODELS.values():
        places = [MOMENTS.index(term) for term in terms]
        own, shared = covariances[..., places, :][..., places], covariances[..., places, -1]
        explained = (shared * np.linalg.solve(own, shared[..., None])[..., 0]).sum(axis=-1)
        found.append(np.arctanh(np.sqrt(explained / covariances[..., -1, -1])))
    return np.stack(found, axis=-1)


def _verdict(coefficients: pd.DataFrame, gain: tuple[float, float, float]) -> tuple[str, str]:
    peak, end = (coefficients.loc[term] for term in ("peak", "end"))
    against = [
        said
        for high, said in (
            (peak["high"], tr("a better peak goes with a worse memory")),
            (end["high"], tr("a better end goes with a worse memory")),
            (gain[2], tr("the mean of all stages predicts better than peak and end")),
        )
        if high < 0
    ]
    if against:
        return FAILS, "; ".join(against)
    open_yet = [
        said
        for low, said in (
            (peak["low"], tr("the peak may count nothing beyond the mean")),
            (end["low"], tr("the end may count nothing beyond the mean")),
            (gain[1], tr("peak and end may predict no better than the mean of all stages")),
        )
        if not low > 0
    ]
    if open_yet:
        return UNSURE, "; ".join(open_yet)
    return HOLDS, tr("peak and end both count beyond the mean, and predict better than it")


def peak_end_table(check: PeakEndCheck, group: Any = None) -> pd.DataFrame:
    """Coefficients of one group as a table for people.

    Parameters
    ----------
    check : PeakEndCheck
        From `peak_end_check`.
    group : label, optional
        Which group; needed where there are several.

    Returns
    -------
    pandas.DataFrame
        ``term`` ("mean of all stages", "peak", "end"), ``points for one point more``, ``low``, ``high``, ``variance
        inflation``.

    Raises
    ------
    ParameterError
        If there are several groups and none is chosen, or it is not among them.
    """
    table = check.coefficients.loc[_chosen(check, group)].loc[list(MOMENTS)].reset_index()
    table["term"] = [tr("mean of all stages"), tr("peak"), tr("end")]
    return table.drop(columns="std_error").rename(
        columns={"estimate": "points for one point more", "vif": "variance inflation"}
    )


def _chosen(check: PeakEndCheck, group: Any) -> Any:
    groups = list(check.verdicts.index)
    if group is None and len(groups) == 1:
        return groups[0]
    if group not in groups:
        raise_problems("peak_end_table", [f"group must be one of {', '.join(map(str, groups))}, and is {group!r}"])
    if check.coefficients.loc[group, "estimate"].isna().all():
        raise_problems("peak_end_table", [f"there is no estimate for {group}: {check.verdicts.loc[group, 'reason']}"])
    return group


def plot_peak_end(check: PeakEndCheck, group: Any = None, *, ax: Axes | None = None) -> Axes:
    """Draw what a point of mean, peak and end counts in the memory; `peak_end_table` has the numbers.

    Parameters
    ----------
    check : PeakEndCheck
        From `peak_end_check`.
    group : label, optional
        Which group; needed where there are several.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        As in `peak_end_table`.
    """
    chosen, table = _chosen(check, group), peak_end_table(check, group)
    ax = new_axes(ax, figsize=(7, 2.9))
    values = table["points for one point more"]
    draw_intervals(ax, table["term"], values, table["low"], table["high"], template="{:+.2f}")
    ax.axvline(0, color=MUTED, linewidth=1)
    out = check.models.loc[chosen, "r_squared_out"]
    explained = tr("explained of respondents not seen before: mean {mean:.0%}, peak and end {both:.0%}").format(
        mean=out["mean"], both=out["peak and end"]
    )
    ax.set(
        xlabel=tr("Points of the overall rating for one point more") + f"\n({explained})",
        title=tr("What a journey is remembered by"),
    )
    listed = "; ".join(
        f"{name} {plain_zero(f'{value:+.2f}')}" for name, value in zip(table["term"], values, strict=True)
    )
    word = check.verdicts.loc[chosen, "verdict"]
    return describe(
        ax,
        tr("Coefficients with intervals: {listed} ({explained}). The peak–end rule: {verdict}.").format(
            listed=listed, explained=explained, verdict=tr(word)
        ),
    )
