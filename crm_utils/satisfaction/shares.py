"""Measures of one question: CSAT and the Net Promoter Score, and whether a change of a mean is more than chance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, is_number, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.satisfaction.changes import DOWN, SAME, UP
from crm_utils.satisfaction.index import FEWEST_CASES
from crm_utils.survey.answers import scale_problems
from crm_utils.survey.samples import read_sample

NPS_SCALE = (0, 10)
# A smaller change is rounding.
_NO_CHANGE = 1e-9
# Answers added to those there are in the interval of a Net Promoter Score.
_ADDED = 3


def csat(
    answers: Any,
    *,
    top: int = 2,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Share of answers in the top boxes of a satisfaction question (CSAT).

    Parameters
    ----------
    answers : array-like of float, shape (n,)
        Answers; missing where there is none.
    top : int, default 2
        How many of the highest points of the scale count; fewer than it has, so 1 on a scale of yes and no (0 to 1).
    scale : (float, float), default (1, 10)
        Lowest and highest answer.
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
        By group ("all" without groups): ``share``, ``std_error``, ``low``, ``high``, ``answers``, ``missing``. The
        interval is Wilson's [1]_; with weights or clusters, for the number of independent answers that would have the
        same standard error [2]_.

    Raises
    ------
    ParameterError
        If answers lie outside the scale or an option is unusable.
    DataFloorError
        If there is no answer.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
       American Statistical Association 22, 209–212.
    .. [2] Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of
       positive counts estimated from survey data. Survey Methodology 24(2), 193–201.

    Examples
    --------
    >>> csat([10, 9, 8, 7, 10, None]).round(3).loc["all", ["share", "low", "high"]].tolist()
    [0.6, 0.231, 0.882]
    """
    problems = count_problems("top", top, least=1)
    if not problems and not scale_problems(pd.DataFrame(), [], scale) and top > scale[1] - scale[0]:
        most = int(scale[1] - scale[0])
        remedy = f"give {most} or less" if most else "boxes are a point wide, so code the answers by whole points"
        problems.append(
            f"top must leave a point of the scale {scale[0]:g} to {scale[1]:g} outside, and is {top}; {remedy}"
        )
    sample = read_sample(
        answers, "csat", weights=weights, clusters=clusters, by=by, level=level, scale=scale, problems=problems
    )
    inside = np.where(np.isnan(sample.answers), np.nan, sample.answers > scale[1] - top)
    return sample.by_group(
        lambda group: sample.share(inside, group, level=level) | sample.counts(sample.answers, group)
    )


def nps_points(answers: Any) -> pd.Series:
    """Contribution of each answer to the Net Promoter Score: 100, 0 or −100; NaN where there is none.

    Parameters
    ----------
    answers : array-like of float, shape (n,)
        Likelihood to recommend, whole numbers from 0 to 10.

    Returns
    -------
    pandas.Series
        With the index of `answers`, where it has one.

    Raises
    ------
    ParameterError
        If an answer is no whole number from 0 to 10.

    Examples
    --------
    >>> nps_points([10, 8, 3]).tolist()
    [100.0, 0.0, -100.0]
    """
    values = read_sample(answers, "nps_points", scale=NPS_SCALE, whole=True).answers
    return pd.Series(_points(values), answers.index if isinstance(answers, pd.Series) else None, name="nps")


def _points(answers: np.ndarray) -> np.ndarray:
    return np.select([np.isnan(answers), answers >= 9, answers <= 6], [np.nan, 100.0, -100.0], 0.0)


def net_promoter_score(
    answers: Any, *, weights: Any = None, clusters: Any = None, by: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Net Promoter Score: share of promoters (9–10) less share of detractors (0–6), in points.

    Parameters
    ----------
    answers : array-like of float, shape (n,)
        Likelihood to recommend, whole numbers from 0 to 10; missing where there is none.
    weights, clusters, by
        As in `csat`.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By group ("all" without groups): ``nps`` (−100 to 100), ``std_error``, ``low``, ``high``, the shares
        ``promoters``, ``passives``, ``detractors``, and ``answers``, ``missing``. Without weights and clusters the
        variance is (p₊ + p₋ − (p₊ − p₋)²)/n; with them it is linearised. The interval is the adjusted Wald interval
        [2]_ with three answers more, half of them passive and a quarter each promoters and detractors, which has a
        width where all answers agree; with weights or clusters, for the number of independent answers that would have
        the same standard error.

    Raises
    ------
    ParameterError
        If an answer is no whole number from 0 to 10, or an option is unusable.
    DataFloorError
        If there is no answer.

    References
    ----------
    .. [1] Reichheld, F. F. (2003). The one number you need to grow. Harvard Business Review 81(12), 46–54.
    .. [2] Rocks, B. (2016). Interval estimation for the "Net Promoter Score". The American Statistician 70(4),
       365–372.

    Examples
    --------
    >>> net_promoter_score([10, 9, 8, 6]).loc["all", ["nps", "promoters", "detractors"]].tolist()
    [25.0, 0.5, 0.25]
    """
    from scipy.stats import norm

    sample = read_sample(
        answers,
        "net_promoter_score",
        weights=weights,
        clusters=clusters,
        by=by,
        level=level,
        scale=NPS_SCALE,
        whole=True,
    )
    points = _points(sample.answers)
    reach = norm.ppf((1 + level) / 2)

    def row(group: int) -> dict[str, float]:
        mean = sample.mean(points, group)
        promoters, passives, detractors = (
            sample.mean(np.where(np.isnan(points), np.nan, points == number), group).estimate
            for number in (100, 0, -100)
        )
        error = mean.std_error * np.sqrt((mean.units - 1) / mean.units) if mean.units > 1 else np.nan
        variance = 100**2 * (promoters + detractors) - mean.estimate**2
        size = sample.independent_answers(points, group, variance, level=level)
        above, below = ((share * size + _ADDED / 4) / (size + _ADDED) for share in (promoters, detractors))
        centre, half = above - below, reach * np.sqrt((above + below - (above - below) ** 2) / (size + _ADDED))
        return {
            "nps": mean.estimate,
            "std_error": error,
            "low": 100 * max(centre - half, -1.0),
            "high": 100 * min(centre + half, 1.0),
            "promoters": promoters,
            "passives": passives,
            "detractors": detractors,
        } | sample.counts(points, group)

    return sample.by_group(row)


def mean_changes(
    values: Any,
    waves: Any,
    *,
    weights: Any = None,
    clusters: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Changes of a mean from one wave to the next, with intervals that hold together.

    Parameters
    ----------
    values : array-like of float, shape (n,)
        What is averaged: `nps_points`, zeros and ones, ratings.
    waves : array-like, shape (n,)
        Waves; their sorted order is that of time, or that of the categories of an ordered categorical.
    weights, clusters
        As in `csat`. Who answered in both waves counts as one person in both.
    level : float, default 0.95
        Confidence level, for all changes together (Šidák [1]_).

    Returns
    -------
    pandas.DataFrame
        One row a change: ``from``, ``to``, ``change``, ``std_error``, ``low``, ``high``, ``verdict`` ("up", "down",
        "cannot tell apart"). A change below 10⁻⁹ is rounding, and none. Waves with fewer than 20 people who answered
        are passed over.

    Raises
    ------
    ParameterError
        If an option is unusable.
    DataFloorError
        If fewer than two waves have 20 people who answered.

    References
    ----------
    .. [1] Šidák, Z. (1967). Rectangular confidence regions for the means of multivariate normal distributions.
       Journal of the American Statistical Association 62, 626–633.

    Examples
    --------
    >>> ratings = [6, 7, 8, 7] * 10 + [8, 9, 9, 8] * 10
    >>> changes = mean_changes(ratings, ["spring"] * 40 + ["summer"] * 40)
    >>> changes[["change", "low", "high"]].round(2).to_numpy().tolist(), changes["verdict"].tolist()
    ([[1.5, 1.22, 1.78]], ['up'])
    """
    from scipy.stats import t

    sample = read_sample(
        values, "mean_changes", weights=weights, clusters=clusters, by=waves, level=level, by_name="waves"
    )
    means = [(label, sample.mean(sample.answers, group)) for group, label in enumerate(sample.labels)]
    means = [(label, mean) for label, mean in means if mean.units >= FEWEST_CASES]
    if len(means) < 2:
        raise DataFloorError(
            f"A change needs two waves with at least {FEWEST_CASES} people who answered; there "
            f"{'is' if len(means) == 1 else 'are'} {len(means)}."
        )
    steps = list(pairwise(means))
    rows = []
    for (start, before), (end, after) in steps:
        change = after.estimate - before.estimate
        change = change if abs(change) >= _NO_CHANGE else 0.0
        # Each with its own factor: exact for the same people in both waves, and for nobody in both.
        ahead, behind = (mean.influence * np.sqrt(mean.units / (mean.units - 1)) for mean in (after, before))
        error = np.sqrt(((ahead - behind) ** 2).sum())
        freedom = min(before.units, after.units) - 1
        reach = t.ppf((1 + level ** (1 / len(steps))) / 2, freedom) * error
        low, high = change - reach, change + reach
        verdict = UP if low > 0 else DOWN if high < 0 else SAME
        rows.append((start, end, change, error, low, high, verdict))
    return pd.DataFrame(rows, columns=["from", "to", "change", "std_error", "low", "high", "verdict"])


def answers_needed(std_deviation: float, change: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """How many answers a wave needs, so that a change between two waves is seen.

    Parameters
    ----------
    std_deviation : float
        Standard deviation of a single answer.
    change : float
        Smallest change that must not be missed, in the same unit.
    level : float, default 0.95
        Confidence level.
    power : float, default 0.8
        Probability to see the change when it is there; above 1 − level, with which it is seen when it is not there.

    Returns
    -------
    int
        Answers of equal weight in each of two waves of different people, for a two-sided t test.

    Raises
    ------
    ParameterError
        If a number is not above zero, or a probability out of range.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences. Erlbaum, section 2.4.

    Examples
    --------
    >>> answers_needed(1.0, 0.5)
    64
    """
    from scipy.stats import norm
    from statsmodels.stats.power import TTestIndPower

    problems = [
        f"{name} must be a number above zero, and is {given!r}"
        for name, given in (("std_deviation", std_deviation), ("change", change))
        if not is_number(given) or given <= 0
    ]
    problems += level_problems(level)
    if not is_number(power) or not power < 1 or (not level_problems(level) and power <= 1 - level):
        problems.append(f"power must lie between 1 − level and 1, and is {power!r}")
    raise_problems("answers_needed", problems)
    effect = change / std_deviation
    # The normal distribution is a few answers short of Student's.
    needed = max(int(2 * ((norm.ppf((1 + level) / 2) + norm.ppf(power)) / effect) ** 2), 2)
    while TTestIndPower().power(effect, needed, 1 - level) < power:
        needed += 1
    return needed
