"""Intervals hold planted values as often as they say; `benchmarks/coverage_pls.py` counts at length.

Were the seeds others, a right implementation would fail a test with a chance of one in a thousand. Intervals twice or
half as wide as they should be fail: where they are too wide, those of the level 0.5 show it, which hold far too often.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Options, estimates
from crm_utils.satisfaction.changes import index_changes
from crm_utils.satisfaction.index import index_scores

SURVEYS, REPLICATES, LEVELS, ERROR = 80, 200, np.array([0.5, 0.9]), 0.001
PATHS = {
    ("quality", "value"): 0.6,
    ("quality", "satisfaction"): 0.4,
    ("value", "satisfaction"): 0.4,
    ("satisfaction", "loyalty"): 0.6,
}
CONSTRUCTS = ["quality", "value", "satisfaction", "loyalty"]
# How often those with a low and a high first item of quality leave another item blank.
BLANK = (0.5, 0.05)


class Population:
    """Normal answers, of which all moments are known, for the model `small`."""

    def __init__(self, model):
        layout = model.layout()
        self.items, self.owner = list(layout.items), layout.owner
        effects = np.zeros((4, 4))
        for (source, target), effect in PATHS.items():
            effects[CONSTRUCTS.index(source), CONSTRUCTS.index(target)] = effect
        self.reach = np.linalg.inv(np.eye(4) - effects)
        self.disturbance = np.sqrt(np.linalg.solve((self.reach**2).T, np.ones(4)))
        number = np.array([int(item[-1]) - 2 for item in self.items])
        self.loading = 0.85 - 0.05 * number
        self.spread, self.centre = 0.5 + 0.15 * number, 5.5 - 0.7 * number

    def means(self, shift):
        """Where the disturbance of quality is shifted."""
        return self.centre + self.spread * self.loading * (shift * self.reach[0])[self.owner]

    def answers(self, normal, shift=0.0):
        """From standard normal numbers: 4 disturbances and an error for each item."""
        disturbances = normal[:, :4] * self.disturbance
        disturbances[:, 0] += shift
        constructs = (disturbances @ self.reach)[:, self.owner]
        standard = self.loading * constructs + np.sqrt(1 - self.loading**2) * normal[:, 4:]
        return pd.DataFrame(self.centre + self.spread * standard, columns=self.items)

    def planted(self, model, shifts=(0.0,), *, consistent=False):
        """Paths, and satisfaction index of each part, where the parts are equally large."""
        by_part = np.stack([self.means(shift) for shift in shifts])
        means = by_part.mean(axis=0)
        constructs = (self.reach.T * self.disturbance**2) @ self.reach
        correlations = np.outer(self.loading, self.loading) * constructs[np.ix_(self.owner, self.owner)]
        np.fill_diagonal(correlations, 1.0)
        covariances = correlations * np.outer(self.spread, self.spread)
        covariances += (by_part - means).T @ (by_part - means) / len(shifts)
        spreads = np.sqrt(np.diag(covariances))
        items = Moments(means[None], spreads[None], (covariances / np.outer(spreads, spreads))[None])
        found = estimates(items, model.layout(), Options("path", consistent, True, 1e-12))
        block = model.layout().block(2)
        weights = found.weights[0, block] / spreads[block]
        points = 100 * (by_part[:, block] - 1) @ weights / (9 * weights.sum())
        rows, columns = np.array([[CONSTRUCTS.index(name) for name in path] for path in model.paths]).T
        return found.paths[0, rows, columns], points


@pytest.fixture
def population(small):
    return Population(small)


def drawn(population, kind, rng):
    """Answers, and what the fit is told of them."""
    if kind == "people":
        own = rng.normal(size=(75, 15))
        normal = np.vstack([np.sqrt(0.8) * own + np.sqrt(0.2) * rng.normal(size=own.shape) for _ in range(2)])
        return population.answers(normal), {"clusters": np.tile(np.arange(75), 2)}
    if kind == "weights":
        # Half of all people are in each stratum, and three quarters of those asked in the first.
        second = rng.random(200) < 0.25
        answers = population.answers(rng.normal(size=(200, 15)), np.where(second, -1.0, 0.0))
        return answers, {"weights": np.where(second, 2.0, 2 / 3)}
    # Consistent estimates of few people are sometimes improper.
    answers = population.answers(rng.normal(size=(300 if kind == "many" else 150, 15)))
    if kind == "blanks":
        chance = np.where(answers["quality_1"] < population.centre[0], *BLANK)
        for item in ("satisfaction_1", "satisfaction_2", "loyalty_2"):
            answers[item] = answers[item].mask(rng.random(150) < chance)
        return answers, {"missing": "em"}
    return answers, {}


def intervals_of(population, model, kind, *, consistent=False):
    """Ends of the intervals, shape (surveys, levels, quantities), and the truth: paths and the satisfaction index."""
    low, high = [], []
    for survey in range(SURVEYS):
        answers, told = drawn(population, kind, np.random.default_rng([7, survey]))
        results = model.fit(answers, consistent=consistent, **told)
        replicates = results.bootstrap(REPLICATES, seed=survey)
        for level in LEVELS:
            paths = replicates.intervals("paths", level=level)
            index = index_scores(replicates, level=level).loc["satisfaction"]
            low.append([*paths["low"], index["low"]])
            high.append([*paths["high"], index["high"]])
    paths, points = population.planted(model, (0.0, -1.0) if kind == "weights" else (0.0,), consistent=consistent)
    shape = (SURVEYS, len(LEVELS), -1)
    return np.reshape(low, shape), np.reshape(high, shape), np.r_[paths, points.mean()]


def as_often_as_said(held):
    """Whether the surveys that hold are as many as is possible where intervals are right, by level and quantity."""
    each = ERROR / held[0].size
    least, most = (binom.ppf(tail, len(held), LEVELS)[:, None] for tail in (each / 2, 1 - each / 2))
    counts = held.sum(axis=0)
    return (least <= counts) & (counts <= most)


def stretched(low, high, by):
    middle, reach = (low + high) / 2, by * (high - low) / 2
    return middle - reach, middle + reach


def test_consistent_estimates_of_the_population_are_the_planted_paths(population, small):
    paths, _ = population.planted(small, consistent=True)
    assert paths == pytest.approx(list(PATHS.values()), abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("plain", {}),
        ("many", {"consistent": True}),
        ("weights", {}),
        ("people", {}),
        ("blanks", {}),
    ],
)
def test_paths_and_index_are_held_as_often_as_said(population, small, kind, options):
    low, high, truth = intervals_of(population, small, kind, **options)
    assert as_often_as_said((low <= truth) & (truth <= high)).all()
    for by in (0.5, 2.0):
        less, more = stretched(low, high, by)
        found = as_often_as_said((less <= truth) & (truth <= more)).all(axis=0)
        assert not found[:-1].all()
        assert not found[-1]


@pytest.mark.parametrize("same_people", [False, True])
def test_all_changes_at_once_are_held_as_often_as_said(population, small, same_people):
    shifts, size = (0.0, -0.5, 0.2), 80
    _, points = population.planted(small, shifts)
    waves, people = np.repeat([0, 1, 2], size), np.tile(np.arange(size), 3)
    low, high = [], []
    for survey in range(SURVEYS):
        rng = np.random.default_rng([8, survey])
        normal = rng.normal(size=(3 * size, 15))
        if same_people:
            normal = np.sqrt(0.7) * rng.normal(size=(size, 15))[people] + np.sqrt(0.3) * normal
        answers = population.answers(normal, np.array(shifts)[waves])
        results = small.fit(answers, clusters=people if same_people else None)
        replicates = results.bootstrap(REPLICATES, seed=survey)
        changes = [index_changes(replicates, waves, level=level) for level in LEVELS]
        low.append([table["low"] for table in changes])
        high.append([table["high"] for table in changes])
    low, high, truth = np.array(low), np.array(high), np.diff(points)
    for by in (0.5, 1.0, 2.0):
        less, more = stretched(low, high, by)
        held = ((less <= truth) & (truth <= more)).all(axis=2, keepdims=True)
        assert as_often_as_said(held).all() == (by == 1.0)
