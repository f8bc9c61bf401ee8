"""Measures of one question: CSAT and the Net Promoter Score, and whether a change of a mean is more than chance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import SampleMean, wilson
from crm_utils.satisfaction.changes import DOWN, SAME, UP
from crm_utils.satisfaction.index import FEWEST_CASES
from crm_utils.satisfaction.samples import Sample, read_sample


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
        How many of the highest points of the scale count.
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
        interval is Wilson's; with weights or clusters, for the number of independent answers that would have the same
        standard error.

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
       positive counts estimated from survey data. Survey Methodology 24(2), 193–201 (effective sample size).

    Examples
    --------
    >>> csat([10, 9, 8, 7, 10, None]).round(3).loc["all", ["share", "low", "high"]].tolist()
    [0.6, 0.231, 0.882]
    """
    raise_problems("csat", count_problems("top", top, least=1))
    sample = read_sample(answers, "csat", weights=weights, clusters=clusters, by=by, level=level, allowed=scale)
    inside = np.where(np.isnan(sample.answers), np.nan, sample.answers > scale[1] - top)

    def row(group: int) -> dict[str, float]:
        mean = sample.mean(inside, group)
        low, high = _wilson(mean, sample, group, level)
        return {"share": mean.estimate, "std_error": mean.std_error, "low": low, "high": high} | _counts(sample, group)

    return sample.by_group(row)


def _wilson(mean: SampleMean, sample: Sample, group: int, level: float) -> tuple[float, float]:
    spread = mean.estimate * (1 - mean.estimate)
    if spread > 0 and mean.std_error > 0:
        # Less the factor units/(units − 1), so that plain answers get plain Wilson.
        size = spread / mean.std_error**2 * mean.units / (mean.units - 1)
    else:
        mass = sample.weights[(sample.groups == group) & ~np.isnan(sample.answers)]
        size = min(mean.units, mass.sum() ** 2 / (mass**2).sum()) if len(mass) else 0
    low, high = wilson(np.array([mean.estimate * size]), np.array([size]), level=level)
    return float(low[0]), float(high[0])


def _counts(sample: Sample, group: int) -> dict[str, int]:
    inside = sample.groups == group
    given = int((inside & ~np.isnan(sample.answers)).sum())
    return {"answers": given, "missing": int(inside.sum()) - given}


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
    values = read_sample(answers, "nps_points", allowed=(0, 10), whole=True).answers
    points = np.select([np.isnan(values), values >= 9, values <= 6], [np.nan, 100.0, -100.0], 0.0)
    return pd.Series(points, answers.index if isinstance(answers, pd.Series) else None, name="nps")


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
        variance is (p₊ + p₋ − (p₊ − p₋)²)/n; with them it is linearised.

    Raises
    ------
    ParameterError
        If an answer is no whole number from 0 to 10, or an option is unusable.
    DataFloorError
        If there is no answer.

    References
    ----------
    .. [1] Reichheld, F. F. (2003). The one number you need to grow. Harvard Business Review 81(12), 46–54.

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
        allowed=(0, 10),
        whole=True,
    )
    points = nps_points(sample.answers).to_numpy()

    def row(group: int) -> dict[str, float]:
        mean = sample.mean(points, group)
        error = mean.std_error * np.sqrt((mean.units - 1) / mean.units) if mean.units > 1 else np.nan
        reach = norm.ppf((1 + level) / 2) * error
        shares = {
            name: sample.mean(np.where(np.isnan(points), np.nan, points == number), group).estimate
            for name, number in (("promoters", 100), ("passives", 0), ("detractors", -100))
        }
        ends = {"low": max(mean.estimate - reach, -100.0), "high": min(mean.estimate + reach, 100.0)}
        return {"nps": mean.estimate, "std_error": error} | ends | shares | _counts(sample, group)

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
        Waves; their sorted order is that of time.
    weights, clusters
        As in `csat`. Who answered in both waves counts as one person in both.
    level : float, default 0.95
        Confidence level, for all changes together (Šidák).

    Returns
    -------
    pandas.DataFrame
        One row a change: ``from``, ``to``, ``change``, ``std_error``, ``low``, ``high``, ``verdict`` ("up", "down",
        "cannot tell apart").

    Raises
    ------
    ParameterError
        If an option is unusable.
    DataFloorError
        If fewer than two waves have 20 answers.
    """
    from scipy.stats import norm

    sample = read_sample(values, "mean_changes", weights=weights, clusters=clusters, by=waves, level=level)
    means = [(label, sample.mean(sample.answers, group)) for group, label in enumerate(sample.labels)]
    means = [(label, mean) for label, mean in means if mean.cases >= FEWEST_CASES]
    if len(means) < 2:
        raise DataFloorError(
            f"A change needs two waves with at least {FEWEST_CASES} answers each; there "
            f"{'is' if len(means) == 1 else 'are'} {len(means)}."
        )
    steps = list(pairwise(means))
    reach = norm.ppf((1 + level ** (1 / len(steps))) / 2)
    rows = []
    for (start, before), (end, after) in steps:
        change = after.estimate - before.estimate
        error = np.sqrt(((after.influence - before.influence) ** 2).sum())
        low, high = change - reach * error, change + reach * error
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
        Probability to see the change when it is there.

    Returns
    -------
    int
        Answers in each of two waves of different people.

    Raises
    ------
    ParameterError
        If a number is not above zero, or a probability not between 0 and 1.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences. Erlbaum, chapter 2.

    Examples
    --------
    >>> answers_needed(1.0, 0.5)
    63
    """
    from scipy.stats import norm

    problems = [
        f"{name} must be above zero, and is {given!r}"
        for name, given in (("std_deviation", std_deviation), ("change", change))
        if not given > 0
    ]
    problems += [
        f"{name} must lie between 0 and 1, and is {given!r}"
        for name, given in (("level", level), ("power", power))
        if not 0 < given < 1
    ]
    raise_problems("answers_needed", problems)
    return int(np.ceil(2 * ((norm.ppf((1 + level) / 2) + norm.ppf(power)) * std_deviation / change) ** 2))
