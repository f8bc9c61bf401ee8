"""In which dimension the service gap weighs most, and which ranks chance could have made."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.language import counted, listed, tr
from crm_utils.satisfaction.changes import SAME
from crm_utils.satisfaction.index import FEWEST_CASES
from crm_utils.satisfaction.servqual_answers import (
    STATED,
    Importance,
    ServqualAnswers,
    ServqualItems,
    mean_with_interval,
    read_servqual,
    signed_points,
)

WORSE, BETTER = "worse", "better"


def servqual_differences(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    importance: Importance = STATED,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Hold the gaps of all dimensions against each other, on the same respondents.

    Parameters
    ----------
    answers, items, importance, scale, weights, clusters, by
        As in `servqual_gaps`; with importance, weighted gaps are compared.
    level : float, default 0.95
        Confidence level, for all differences of a group together (Šidák [1]_).

    Returns
    -------
    pandas.DataFrame
        By ``dimension`` and ``other`` (within groups, where there are any), every pair once: ``difference`` of the
        (weighted) gap, the first less the other, ``std_error``, ``low``, ``high`` (NaN for fewer than 20 people),
        ``answers`` (respondents with both), ``verdict`` ("worse", "better", "cannot tell apart").

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_gaps`; DataFloorError also if there is only one dimension.

    References
    ----------
    .. [1] Šidák, Z. (1967). Rectangular confidence regions for the means of multivariate normal distributions.
       Journal of the American Statistical Association 62, 626–633.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> servqual_differences(answers, {"speed": (["e1"], ["p1"]), "looks": (["e2"], ["p2"])})["verdict"].tolist()
    ['cannot tell apart']
    """
    gaps = read_servqual(
        answers, items, importance, scale, "servqual_differences",
        weights=weights, clusters=clusters, by=by, level=level,
    )  # fmt: skip
    return gaps.table(
        lambda group: _differences(gaps, group, level, "servqual_differences"), ["dimension", "other"], by
    )


def _differences(gaps: ServqualAnswers, group: int, level: float, where: str) -> list[dict[str, Any]]:
    from scipy.stats import t

    values = gaps.compared()
    pairs = list(combinations(range(len(gaps.dimensions)), 2))
    if not pairs:
        name = gaps.dimensions[0].replace("_", " ")
        raise DataFloorError(f"{where} needs two dimensions; there is one, {name}, and nothing to compare it with.")
    rows = []
    for one, other in pairs:
        apart = gaps.sample.mean(values[:, one] - values[:, other], group)
        reach = np.nan
        if apart.units >= FEWEST_CASES:
            reach = t.ppf((1 + level ** (1 / len(pairs))) / 2, apart.units - 1) * apart.std_error
        low, high = apart.estimate - reach, apart.estimate + reach
        rows.append(
            {
                "dimension": gaps.dimensions[one],
                "other": gaps.dimensions[other],
                "difference": apart.estimate,
                "std_error": apart.std_error if apart.units >= FEWEST_CASES else np.nan,
                "low": low,
                "high": high,
                "answers": gaps.sample.counts(values[:, one] - values[:, other], group)["answers"],
                "verdict": BETTER if low > 0 else WORSE if high < 0 else SAME,
            }
        )
    return rows


def servqual_ranking(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    importance: Importance = STATED,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Rank the dimensions by where the gap weighs most, and say which ranks chance could have made.

    Parameters
    ----------
    answers, items, importance, scale, weights, clusters, by
        As in `servqual_gaps`; with importance, dimensions are ranked by the weighted gap.
    level : float, default 0.95
        Confidence level, for all gaps of a group together, and for all ranks of a group together.

    Returns
    -------
    pandas.DataFrame
        By dimension (within groups, where there are any), the largest shortfall first: ``rank``; ``gap`` or
        ``weighted_gap`` of the respondents who have all of them, with ``low``, ``high``; ``rank_low``, ``rank_high``,
        between which the true rank lies, from the differences that are more than chance (`servqual_differences`,
        [1]_); ``cannot_tell_from``, the dimensions from which this one cannot be told apart; ``answers`` (respondents
        with all dimensions). For fewer than 20 people the ends are NaN, and no dimension is told from another.

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_differences`.

    References
    ----------
    .. [1] Al Mohamad, D., Goeman, J. J. & van Zwet, E. W. (2022). Simultaneous confidence intervals for ranks with
       application to ranking institutions. Biometrics 78(1), 238–247.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8], "p1": [7, 8, 6], "e2": [6, 7, 6], "p2": [6, 6, 7]})
    >>> items = {"looks": (["e2"], ["p2"]), "speed": (["e1"], ["p1"])}
    >>> servqual_ranking(answers, items)["cannot_tell_from"].to_dict()
    {'speed': 'looks', 'looks': 'speed'}
    """
    gaps = read_servqual(
        answers, items, importance, scale, "servqual_ranking", weights=weights, clusters=clusters, by=by, level=level
    )
    name = "gap" if gaps.importance is None else "weighted_gap"
    place = {dimension: number for number, dimension in enumerate(gaps.dimensions)}

    def rows(group: int) -> list[dict[str, Any]]:
        means = [gaps.sample.mean(values, group) for values in gaps.compared().T]
        worse = np.zeros((len(means), len(means)), dtype=bool)
        for pair in _differences(gaps, group, level, "servqual_ranking"):
            one, other = place[pair["dimension"]], place[pair["other"]]
            worse[one, other], worse[other, one] = pair["verdict"] == WORSE, pair["verdict"] == BETTER
        order = np.argsort([mean.estimate for mean in means], kind="stable")
        found = []
        for rank, one in enumerate(order, 1):
            of_one = mean_with_interval(gaps.sample, gaps.compared()[:, one], group, level ** (1 / len(means)), name)
            unknown = [gaps.dimensions[other] for other in order if other != one and not (worse | worse.T)[one, other]]
            found.append(
                {
                    "dimension": gaps.dimensions[one],
                    "rank": rank if means[one].cases else np.nan,
                    name: of_one[name],
                    "low": of_one["low"],
                    "high": of_one["high"],
                    "rank_low": 1 + int(worse[:, one].sum()),
                    "rank_high": len(means) - int(worse[one].sum()),
                    "cannot_tell_from": ", ".join(unknown),
                    "answers": gaps.sample.counts(gaps.compared()[:, one], group)["answers"],
                }
            )
        return found

    return gaps.table(rows, ["dimension"], by)


def servqual_ranking_text(ranking: pd.DataFrame) -> str:
    """Say in which dimensions the gap is lowest, and whether that is more than chance.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From `servqual_ranking`, of everybody or of one group.

    Returns
    -------
    str
        One sentence.

    Raises
    ------
    ParameterError
        If the ranking is of several groups.

    Examples
    --------
    >>> answers = pd.DataFrame({"e1": [9, 8, 8] * 9, "p1": [7, 8, 6] * 9, "e2": [6, 7, 6] * 9, "p2": [6, 6, 7] * 9})
    >>> ranking = servqual_ranking(answers, {"looks": (["e2"], ["p2"]), "speed": (["e1"], ["p1"])})
    >>> servqual_ranking_text(ranking)
    'The gap is lowest in speed (-1.33), next in looks (0.00); the first place is more than chance.'
    """
    if ranking.index.nlevels > 1:
        groups = ", ".join(map(str, ranking.index.unique(0)))
        raise_problems(
            "servqual_ranking_text", [f"the ranking is of several groups ({groups}); choose one: ranking.loc[group]"]
        )
    if ranking["rank"].isna().all():
        return tr("There is no ranking: nobody answered every dimension.")
    weighted = "weighted_gap" in ranking
    template = tr("The gap is lowest in {first}, next in {second}; {doubt}.")
    if weighted:
        template = tr("Weighted by what matters to customers, the gap is lowest in {first}, next in {second}; {doubt}.")
    first, second = (
        f"{str(name).replace('_', ' ')} ({signed_points(gap)})"
        for name, gap in ranking["weighted_gap" if weighted else "gap"].head(2).items()
    )
    leader = ranking.iloc[0]
    doubt = tr("the first place is more than chance")
    if leader["cannot_tell_from"]:
        others = listed(leader["cannot_tell_from"].replace("_", " ").split(", "), most=len(ranking))
        doubt = tr("the first cannot be told apart from {others}").format(others=others)
    if np.isnan(leader["low"]):
        answers = counted(int(leader["answers"]), "answer")
        doubt = tr("{answers} are too few to tell ranks from chance").format(answers=answers)
    return template.format(first=first, second=second, doubt=doubt)
