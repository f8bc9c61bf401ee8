"""Satisfaction as experience over expectation: the textbook's ratio c = b/a (满意度), and what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import index_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import SampleMean
from crm_utils.satisfaction.changes import SAME
from crm_utils.survey.answers import scale_problems
from crm_utils.survey.samples import mean_ratio, read_sample

_WHERE = "satisfaction_ratio"
# A ratio nearer to 1 is 1 but for rounding.
_ALIKE = 1e-9
DISSATISFIED, DELIGHTED = "dissatisfied", "very satisfied"


def satisfaction_ratio(
    perceived: Any,
    expected: Any,
    *,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Ratio of what customers perceived to what they had expected, and how many got less, as much or more.

    Textbooks of customer relationship management define satisfaction as c = b/a, perceived value b over expected value
    a: below 1 customers are dissatisfied, at 1 satisfied, above 1 very satisfied. Here a and b are means of the same
    respondents. Behind it is the theory that satisfaction follows from disconfirmed expectations [1]_.

    Parameters
    ----------
    perceived, expected : array-like of float, shape (n,), or pandas.DataFrame, shape (n, items)
        Answers to what was perceived and what had been expected, on one scale. Of several items, the mean of a
        respondent counts, where all are answered.
    scale : (float, float), default (1, 10)
        Lowest and highest answer; the lowest 0 or more.
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
        By group ("all" without groups), of respondents who answered both:

        ``perceived``, ``expected``
            Means b and a.
        ``ratio``, ``std_error``, ``low``, ``high``
            c, its linearised standard error, and Fieller's interval [2]_: the ratios r for which b − ra cannot be told
            from 0. NaN where a cannot be told from 0.
        ``verdict``
            "dissatisfied" (the interval is below 1), "very satisfied" (above), or "cannot tell apart" (from 1: that
            customers got exactly what they expected can never be shown).
        ``ratio_on_zero_scale``, ``ratio_on_zero_scale_low``, ``ratio_on_zero_scale_high``
            The same ratio of answers that start at 0 (the lowest answer taken off both).
        ``below``, ``at``, ``above``, each with ``…_low``, ``…_high``
            Shares of respondents who perceived less than, as much as, or more than they expected, with Wilson's
            intervals as in `csat`.
        ``answers``, ``missing``
            Respondents with both answers, and without one of them.

    Raises
    ------
    ParameterError
        If answers lie outside the scale, or do not fit each other, or an option is unusable.
    DataFloorError
        If nobody answered both.

    Notes
    -----
    The size of c means nothing by itself. A ratio needs a natural zero, and a scale of answers has none: whether the
    lowest answer is called 0 or 1 is a matter of taste, and c changes with it, as ``ratio_on_zero_scale`` shows. So
    does any comparison of c between surveys on different scales. What does not depend on the zero is the sign of b − a
    and with it the verdict; how large the difference is, is better said in points of the scale (`servqual_gaps`).

    References
    ----------
    .. [1] Oliver, R. L. (1980). A cognitive model of the antecedents and consequences of satisfaction decisions.
       Journal of Marketing Research 17(4), 460–469.
    .. [2] Fieller, E. C. (1954). Some problems in interval estimation. Journal of the Royal Statistical Society B
       16(2), 175–185.

    Examples
    --------
    >>> perceived, expected = [6, 8, 5, 7, 9, None], [8, 8, 7, 6, 10, 9]
    >>> found = satisfaction_ratio(perceived, expected).loc["all"]
    >>> found[["ratio", "ratio_on_zero_scale", "below", "at", "above"]].astype(float).round(3).tolist()
    [0.897, 0.882, 0.6, 0.2, 0.2]
    """
    sides = {name: _side(given, name) for name, given in (("perceived", perceived), ("expected", expected))}
    problems = index_problems(perceived=sides["perceived"], expected=sides["expected"])
    if len(sides["perceived"]) != len(sides["expected"]):
        sizes = " and ".join(f"{len(side):,}" for side in sides.values())
        raise_problems(_WHERE, [f"perceived and expected must be of the same respondents, and have {sizes} rows"])
    if not scale_problems(pd.DataFrame(), [], scale) and scale[0] < 0:
        problems.append(f"a ratio needs answers of 0 or more, and the scale starts at {scale[0]:g}; add to it")
    labels = sides["perceived"].index if isinstance(perceived, pd.Series | pd.DataFrame) else sides["expected"].index
    both = pd.concat([side.set_axis(labels) for side in sides.values()], axis=1)
    sample = read_sample(
        both, _WHERE, weights=weights, clusters=clusters, by=by, level=level, scale=scale, problems=problems
    )
    width = sides["perceived"].shape[1]
    got, wanted = sample.answers[:, :width].mean(axis=1), sample.answers[:, width:].mean(axis=1)
    # Rounded: the same mean of other items may differ in the last digit.
    apart = np.sign(np.round(got - wanted, 9))
    if np.isnan(apart).all():
        raise DataFloorError(f"{_WHERE} needs respondents who answered both questions; there is none.")
    got, wanted = np.where(np.isnan(apart), np.nan, got), np.where(np.isnan(apart), np.nan, wanted)

    def row(group: int) -> dict[str, Any]:
        top, bottom = sample.mean(got, group), sample.mean(wanted, group)
        from_zero = (sample.mean(values - scale[0], group) for values in (got, wanted))
        ratio, error, low, high = _fieller(top, bottom, level)
        zero_ratio, _, zero_low, zero_high = _fieller(*from_zero, level)
        found = {
            "perceived": top.estimate,
            "expected": bottom.estimate,
            "ratio": ratio,
            "std_error": error,
            "low": low,
            "high": high,
            "verdict": DISSATISFIED if high < 1 - _ALIKE else DELIGHTED if low > 1 + _ALIKE else SAME,
            "ratio_on_zero_scale": zero_ratio,
            "ratio_on_zero_scale_low": zero_low,
            "ratio_on_zero_scale_high": zero_high,
        }
        for name, sign in (("below", -1), ("at", 0), ("above", 1)):
            share = sample.share(np.where(np.isnan(apart), np.nan, apart == sign), group, level=level)
            found |= {name: share["share"], f"{name}_low": share["low"], f"{name}_high": share["high"]}
        return found | sample.counts(apart, group)

    return sample.by_group(row)


def _side(given: Any, name: str) -> pd.DataFrame:
    """Answers to one of both questions as a table with columns that no other question has."""
    if isinstance(given, pd.DataFrame):
        return given.set_axis([f"{name} {column}" for column in given.columns], axis=1)
    column = given if isinstance(given, pd.Series) else pd.Series(np.atleast_1d(given))
    return column.to_frame(name)


def _fieller(top: SampleMean, bottom: SampleMean, level: float) -> tuple[float, float, float, float]:
    """Ratio of two means of the same respondents, its linearised error, and Fieller's interval."""
    from scipy.stats import t

    ratio, error = mean_ratio(top, bottom)
    if np.isnan(error):
        return ratio, error, np.nan, np.nan
    factor = top.units / (top.units - 1)
    square = t.ppf((1 + level) / 2, top.units - 1) ** 2 * factor
    a = bottom.estimate**2 - square * (bottom.influence**2).sum()
    b = top.estimate * bottom.estimate - square * (top.influence @ bottom.influence)
    c = top.estimate**2 - square * (top.influence**2).sum()
    if a <= 0:
        return ratio, error, np.nan, np.nan
    # Not below 0 but by rounding, where a is above.
    reach = np.sqrt(max(b**2 - a * c, 0.0))
    return ratio, error, max((b - reach) / a, 0.0), (b + reach) / a
