"""How reliable expectations, perceptions and their gaps are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_utils.satisfaction.servqual_answers import ServqualItems, read_servqual
from crm_utils.satisfaction.short_form import raw_alpha, reliability_intervals


def servqual_reliability(
    answers: pd.DataFrame,
    items: ServqualItems | None = None,
    *,
    scale: tuple[float, float] = (1, 10),
    weights: Any = None,
    clusters: Any = None,
    by: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Reliability of expectations, perceptions and gaps in each dimension.

    Alphas are raw (`reliability_of`). The reliability of a difference of two scores with the standard deviations σ,
    the reliabilities r and the correlation r_PE [1]_,

    .. math:: r_D = \frac{\sigma_P^2 r_{PP} + \sigma_E^2 r_{EE} - 2 r_{PE} \sigma_P \sigma_E}
                         {\sigma_P^2 + \sigma_E^2 - 2 r_{PE} \sigma_P \sigma_E}

    falls below that of its parts the more they go together: what both share cancels, and their errors add up. Alpha of
    the gaps of the single items is the same where a perception goes with the expectation of its own item no more than
    with those of the others, and higher where it does: what a pair shares cancels in its gap.

    Parameters
    ----------
    answers, items, scale, weights, clusters, by, level
        As in `servqual_gaps`; a dimension needs two pairs of items.

    Returns
    -------
    pandas.DataFrame
        By dimension (within groups, where there are any): ``pairs`` of items; ``alpha_expectation``,
        ``alpha_perception``, ``alpha_gap`` and ``difference_reliability``, each with ``…_low``, ``…_high`` (linearised,
        for fewer than 20 people NaN); ``correlation`` of expectation with perception; ``answers`` (respondents who
        answered every item of the dimension), ``missing``. NaN for a single pair.

    Raises
    ------
    ParameterError, DataFloorError
        As in `servqual_gaps`.

    References
    ----------
    .. [1] Peter, J. P., Churchill, G. A. & Brown, T. J. (1993). Caution in the use of difference scores in consumer
       research. Journal of Consumer Research 19(4), 655–662.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood, service = rng.normal(size=(2, 200, 1))
    >>> expected, perceived = 8 + mood + rng.normal(size=(200, 2)), 7 + mood + service + rng.normal(size=(200, 2))
    >>> answers = pd.DataFrame(np.hstack([expected, perceived]), columns=["e1", "e2", "p1", "p2"])
    >>> found = servqual_reliability(answers, {"speed": (["e1", "e2"], ["p1", "p2"])}, scale=(0, 15)).loc["speed"]
    >>> found[["alpha_expectation", "alpha_perception", "difference_reliability"]].astype(float).round(2).tolist()
    [0.61, 0.8, 0.49]
    """
    where = "servqual_reliability"
    gaps = read_servqual(answers, items, None, scale, where, weights=weights, clusters=clusters, by=by, level=level)
    quantities = ("alpha_expectation", "alpha_perception", "alpha_gap", "difference_reliability")

    def rows(group: int) -> list[dict[str, Any]]:
        found = []
        for dimension, (expected, perceived) in gaps.sides.items():
            both = np.hstack([expected, perceived])
            moments = gaps.sample.moments(both, group)
            row: dict[str, Any] = {"dimension": dimension, "pairs": expected.shape[1]}
            for name, numbers in zip(
                quantities, reliability_intervals(moments, _reliabilities, level=level), strict=True
            ):
                row |= {name: numbers[0], f"{name}_low": numbers[2], f"{name}_high": numbers[3]}
            expectation, perception, shared = _sums(moments.covariance)
            row["correlation"] = float(shared / np.sqrt(expectation * perception))
            complete = np.where(np.isnan(both).any(axis=1), np.nan, 1.0)
            found.append(row | gaps.sample.counts(complete, group))
        return found

    return gaps.table(rows, ["dimension"], by)


def _sums(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances of the sums of expectations and of perceptions, and their covariance; expectations come first."""
    size = covariances.shape[-1] // 2
    blocks = ((slice(size), slice(size)), (slice(size, None), slice(size, None)), (slice(size), slice(size, None)))
    return tuple(covariances[..., rows, columns].sum(axis=(-2, -1)) for rows, columns in blocks)


def _reliabilities(covariances: np.ndarray) -> np.ndarray:
    """Alphas of expectations, perceptions and their gaps, and the reliability of the difference of the sums."""
    size = covariances.shape[-1] // 2
    if size < 2:
        return np.full((*covariances.shape[:-2], 4), np.nan)
    expected, perceived = covariances[..., :size, :size], covariances[..., size:, size:]
    shared = covariances[..., :size, size:]
    one, two = raw_alpha(expected), raw_alpha(perceived)
    gap = raw_alpha(expected + perceived - shared - np.swapaxes(shared, -2, -1))
    expectation, perception, covariance = _sums(covariances)
    common = perception * two + expectation * one - 2 * covariance
    return np.stack([one, two, gap, common / (perception + expectation - 2 * covariance)], axis=-1)
