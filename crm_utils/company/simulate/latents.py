"""The latent person: what customers think, drawn from a path model with known coefficients.

One draw runs through every table: it answers the survey, complains, cancels the membership and decides whether an
offer wins the customer back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from crm_utils.errors import ParameterError


def _default_paths() -> dict[str, dict[str, float]]:
    return {
        "image": {},
        "switching_cost": {},
        "expectation": {"image": 0.50},
        "product_quality": {"expectation": 0.55},
        "service_quality": {"expectation": 0.50},
        "value": {"expectation": 0.10, "product_quality": 0.40, "service_quality": 0.25},
        "satisfaction": {
            "image": 0.18,
            "expectation": 0.05,
            "product_quality": 0.30,
            "service_quality": 0.25,
            "value": 0.22,
        },
        "complaints": {"satisfaction": -0.50},
        "loyalty": {
            "image": 0.12,
            "value": 0.15,
            "satisfaction": 0.55,
            "complaints": -0.08,
            "switching_cost": 0.25,
        },
    }


@dataclass(frozen=True)
class LatentModel:
    """The planted path model: the European index model, with quality split in two and two more causes of loyalty.

    All latent scores have mean 0 and variance 1, so that every coefficient is a standardised path.

    Parameters
    ----------
    paths : dict of dict
        Effect → {cause: coefficient}, in causal order; a construct without causes is exogenous. The coefficient of
        satisfaction on loyalty is the one under weak competition.
    strong_competition_share : float
        Share of customers who live under strong competition, 0–1.
    satisfaction_loyalty_strong : float
        Path from satisfaction to loyalty under strong competition.

    References
    ----------
    ECSI Technical Committee (1998), European Customer Satisfaction Index; Fornell et al. (1996), Journal of
    Marketing 60(4), for the American model it extends.
    """

    paths: dict[str, dict[str, float]] = field(default_factory=_default_paths)
    strong_competition_share: float = 0.35
    satisfaction_loyalty_strong: float = 0.25

    @property
    def constructs(self) -> tuple[str, ...]:
        """Names of the constructs in causal order."""
        return tuple(self.paths)


LATENTS = LatentModel()
"""What the demo company plants."""


def _causes(effect: str, *, strong_competition: bool) -> dict[str, float]:
    causes = dict(LATENTS.paths[effect])
    if strong_competition and effect == "loyalty":
        causes["satisfaction"] = LATENTS.satisfaction_loyalty_strong
    return causes


def implied_correlations(*, strong_competition: bool = False) -> pd.DataFrame:
    """Correlations of the latent scores that the planted paths imply.

    Parameters
    ----------
    strong_competition : bool, default False
        Which of the two groups.

    Returns
    -------
    DataFrame, constructs × constructs

    Examples
    --------
    >>> float(implied_correlations().loc["product_quality", "image"].round(3))
    0.275
    """
    names = LATENTS.constructs
    correlations = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for position, effect in enumerate(names):
        causes = _causes(effect, strong_competition=strong_competition)
        for other in names[:position]:
            value = sum(weight * correlations.loc[cause, other] for cause, weight in causes.items())
            correlations.loc[effect, other] = correlations.loc[other, effect] = value
    return correlations


def residual_variances(*, strong_competition: bool = False) -> pd.Series:
    """Unexplained variance of each construct, chosen so that its total variance is one.

    Parameters
    ----------
    strong_competition : bool, default False
        Which of the two groups.

    Returns
    -------
    Series, indexed by construct; 1 − R² of the structural equation.

    Examples
    --------
    >>> residual_variances()[["image", "expectation", "complaints"]].round(4).to_dict()
    {'image': 1.0, 'expectation': 0.75, 'complaints': 0.75}
    """
    correlations = implied_correlations(strong_competition=strong_competition)
    variances = {}
    for effect in LATENTS.constructs:
        causes = pd.Series(_causes(effect, strong_competition=strong_competition), dtype=float)
        variances[effect] = 1.0 - float(causes @ correlations.loc[causes.index, causes.index] @ causes)
    return pd.Series(variances, name="residual_variance")


@cache
def _residual_spreads(*, strong_competition: bool) -> dict[str, float]:
    return np.sqrt(residual_variances(strong_competition=strong_competition)).to_dict()


def total_effects(cause: str, *, strong_competition: bool = False) -> pd.Series:
    """Change of every construct when one construct is moved by one unit.

    Parameters
    ----------
    cause : str
        A construct.
    strong_competition : bool, default False
        Which of the two groups.

    Returns
    -------
    Series, indexed by construct; 1 for the cause itself, 0 for what it does not reach.

    Raises
    ------
    ParameterError
        The construct does not exist.

    Examples
    --------
    >>> total_effects("value")[["satisfaction", "complaints", "loyalty"]].round(4).to_dict()
    {'satisfaction': 0.22, 'complaints': -0.11, 'loyalty': 0.2798}
    """
    if cause not in LATENTS.paths:
        raise ParameterError(f"Unknown construct {cause!r}; choose one of {', '.join(LATENTS.constructs)}.")
    effects = dict.fromkeys(LATENTS.constructs, 0.0)
    effects[cause] = 1.0
    for effect in LATENTS.constructs:
        if effect != cause:
            causes = _causes(effect, strong_competition=strong_competition)
            effects[effect] = sum(weight * effects[name] for name, weight in causes.items())
    return pd.Series(effects, name=cause)


def draw_latents(n: int, rng: np.random.Generator, *, strong_competition: np.ndarray | None = None) -> pd.DataFrame:
    """Draw latent people.

    Parameters
    ----------
    n : int
        Number of people, not negative.
    rng : numpy.random.Generator
    strong_competition : ndarray of bool, shape (n,), optional
        The group of each person; drawn when not given.

    Returns
    -------
    DataFrame
        One row a person: the nine latent scores (each with mean 0 and variance 1) and `strong_competition` (bool).

    Raises
    ------
    ParameterError
        A negative number of people, or groups of another length.

    Examples
    --------
    >>> people = draw_latents(3, np.random.default_rng(7))
    >>> people.shape
    (3, 10)
    >>> people["strong_competition"].dtype
    dtype('bool')
    """
    if n < 0:
        raise ParameterError(f"The number of people is {n}; it must be 0 or more.")
    if strong_competition is None:
        strong_competition = rng.random(n) < LATENTS.strong_competition_share
    strong = np.asarray(strong_competition, dtype=bool)
    if strong.shape != (n,):
        raise ParameterError(f"strong_competition has shape {strong.shape}; it must be ({n},), one value a person.")
    weak_spreads, strong_spreads = (_residual_spreads(strong_competition=group) for group in (False, True))
    scores: dict[str, np.ndarray] = {}
    for effect in LATENTS.constructs:
        spread = np.where(strong, strong_spreads[effect], weak_spreads[effect])
        score = spread * rng.standard_normal(n)
        weak_weights = _causes(effect, strong_competition=False)
        strong_weights = _causes(effect, strong_competition=True)
        for cause in weak_weights:
            score = score + np.where(strong, strong_weights[cause], weak_weights[cause]) * scores[cause]
        scores[effect] = score
    return pd.DataFrame({**scores, "strong_competition": strong})


def shift_latents(latents: pd.DataFrame, changes: Mapping[str, np.ndarray | float]) -> pd.DataFrame:
    """Move some constructs from outside and let the change run down the paths.

    Parameters
    ----------
    latents : DataFrame
        As from `draw_latents`; other columns are kept.
    changes : mapping of str to ndarray or float
        Construct → change, in latent standard deviations, for all or for each person.

    Returns
    -------
    DataFrame
        A new frame: structural equations and residuals are those of the input, so the path model still holds.

    Examples
    --------
    >>> before = draw_latents(2, np.random.default_rng(7), strong_competition=np.array([False, True]))
    >>> after = shift_latents(before, {"satisfaction": -1.0})
    >>> (after["loyalty"] - before["loyalty"]).round(3).tolist()
    [-0.59, -0.29]
    """
    shifted = latents.copy()
    strong = latents["strong_competition"].to_numpy(dtype=bool)
    for cause, change in changes.items():
        weak_effects, strong_effects = (total_effects(cause, strong_competition=group) for group in (False, True))
        for construct in LATENTS.constructs:
            effect = np.where(strong, strong_effects[construct], weak_effects[construct])
            if effect.any():
                shifted[construct] = shifted[construct] + effect * change
    return shifted
