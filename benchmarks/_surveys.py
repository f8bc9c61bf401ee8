"""Surveys of the ECSI model from a population that is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from crm_utils.pls import PathModel
from crm_utils.satisfaction.national import national_model

# Standardised, of the order that is found for mobile telephones.
EFFECTS = {
    ("image", "expectation"): 0.5,
    ("image", "satisfaction"): 0.15,
    ("image", "loyalty"): 0.2,
    ("expectation", "quality"): 0.55,
    ("expectation", "value"): 0.1,
    ("expectation", "satisfaction"): 0.1,
    ("quality", "value"): 0.5,
    ("quality", "satisfaction"): 0.45,
    ("value", "satisfaction"): 0.25,
    ("satisfaction", "complaints"): 0.5,
    ("satisfaction", "loyalty"): 0.5,
    ("complaints", "loyalty"): 0.1,
}
# As many items as the published questionnaire has. A single item is its construct.
LOADINGS = {
    "image": (0.75, 0.65, 0.6, 0.75, 0.75),
    "expectation": (0.75, 0.7, 0.65),
    "quality": (0.8, 0.65, 0.7, 0.75, 0.75, 0.7, 0.75),
    "value": (0.8, 0.85),
    "satisfaction": (0.75, 0.8, 0.8),
    "complaints": (1.0,),
    "loyalty": (0.8, 0.65, 0.8),
}
# Terms of a series in powers of the items' correlations.
_TERMS = 80


@dataclass(frozen=True)
class Population:
    """Normal constructs, and items that stand for them with normal errors.

    Attributes
    ----------
    loadings : dict of str to tuple of float
        Standardised loading of each item, by construct.
    mean, spread : float
        Mean and standard deviation of the items; by item they lie a little above and below.
    """

    loadings: dict[str, tuple[float, ...]]
    mean: float = 5.5
    spread: float = 0.58

    @cached_property
    def model(self) -> PathModel:
        """The path model."""
        return national_model(
            "ecsi", {name: [f"{name}_{i + 1}" for i in range(len(each))] for name, each in self.loadings.items()}
        )

    @cached_property
    def owner(self) -> np.ndarray:
        """Position of the construct of each item."""
        return np.repeat(np.arange(len(self.loadings)), [len(each) for each in self.loadings.values()])

    @cached_property
    def loading(self) -> np.ndarray:
        """Loading of each item."""
        return np.concatenate([np.array(each) for each in self.loadings.values()])

    @cached_property
    def centres(self) -> np.ndarray:
        """Mean of each item."""
        return self.mean + np.linspace(-0.5, 0.5, 5)[np.arange(len(self.owner)) % 5]

    @cached_property
    def spreads(self) -> np.ndarray:
        """Standard deviation of each item."""
        return self.spread * np.array([0.9, 1.0, 1.1])[np.arange(len(self.owner)) % 3]

    @cached_property
    def reach(self) -> np.ndarray:
        """What a disturbance of the construct in the row, over all paths, does to the construct in the column."""
        names = list(self.loadings)
        effects = np.zeros((len(names), len(names)))
        for (source, target), effect in EFFECTS.items():
            effects[names.index(source), names.index(target)] = effect
        return np.linalg.inv(np.eye(len(names)) - effects)

    @cached_property
    def disturbance(self) -> np.ndarray:
        """Standard deviation of each construct's disturbance, by which the constructs have variance 1."""
        return np.sqrt(np.linalg.solve((self.reach**2).T, np.ones(len(self.loadings))))

    @property
    def correlations(self) -> np.ndarray:
        """Correlations of the items."""
        constructs = (self.reach.T * self.disturbance**2) @ self.reach
        items = self.loading[:, None] * self.loading * constructs[np.ix_(self.owner, self.owner)]
        np.fill_diagonal(items, 1.0)
        return items

    def means(self, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Means of the items where the disturbances are shifted, by standard deviations of the constructs."""
        return (
            self.centres + self.spreads * self.loading * (np.ones(len(self.loadings)) * shift @ self.reach)[self.owner]
        )

    def covariances(self) -> np.ndarray:
        """Covariances of the items."""
        return self.correlations * np.outer(self.spreads, self.spreads)

    def answers(self, disturbances: np.ndarray, errors: np.ndarray, shift: np.ndarray | float = 0.0) -> pd.DataFrame:
        """Answers of respondents from standard normal disturbances and errors, one row a respondent."""
        constructs = (disturbances * self.disturbance + shift) @ self.reach
        noise = np.sqrt(1 - self.loading**2) * errors
        standard = self.loading * constructs[:, self.owner] + noise
        return pd.DataFrame(self.centres + self.spreads * standard, columns=list(self.model.items))

    def draw(self, respondents: int, rng: np.random.Generator, shift: np.ndarray | float = 0.0) -> pd.DataFrame:
        """Answers of respondents drawn at random."""
        disturbances = rng.standard_normal((respondents, len(self.loadings)))
        return self.answers(disturbances, rng.standard_normal((respondents, len(self.owner))), shift)


def rounded(answers: pd.DataFrame) -> pd.DataFrame:
    """Answers as whole points from 1 to 10."""
    return answers.round().clip(1, 10)


def rounded_moments(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances of the items in whole points from 1 to 10.

    An answer is 1 and one point more for every threshold that the normal item is beyond. The covariance of two such
    steps is a series in the correlation of the items with Hermite polynomials (Kendall 1941, equation 3).
    """
    from scipy.stats import norm

    thresholds = (np.arange(1.5, 10) - population.centres[:, None]) / population.spreads[:, None]
    beyond = norm.sf(thresholds)
    means = 1 + beyond.sum(axis=1)
    # E(x − 1)² with x − 1 a count of thresholds: one more threshold adds 2k − 1.
    squares = (beyond * (2 * np.arange(1, 10) - 1)).sum(axis=1)
    before, polynomial = np.zeros_like(thresholds), np.ones_like(thresholds)
    covariances = np.zeros((len(means), len(means)))
    for term in range(1, _TERMS):
        share = (polynomial * norm.pdf(thresholds)).sum(axis=1) / np.sqrt(term)
        covariances += population.correlations**term * np.outer(share, share)
        before, polynomial = polynomial, (thresholds * polynomial - np.sqrt(term - 1) * before) / np.sqrt(term)
    np.fill_diagonal(covariances, squares - (means - 1) ** 2)
    return means, covariances
