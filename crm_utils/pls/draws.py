"""What a bootstrap draws: cases, or whole clusters of them, with replacement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crm_utils.errors import DataFloorError
from crm_utils.language import counted
from crm_utils.pls.cases import Cases

FEWEST_CLUSTERS = 10
# Weights held at a time, and replicates: what is worked on stays in the processor's cache.
_WEIGHTS_AT_ONCE = 4_000_000
_REPLICATES_AT_ONCE = 250


class Draws:
    """Replicates of the cases with a weight above zero; each has a seed of its own.

    Parameters
    ----------
    cases : Cases
        The cases.
    n_boot : int
        Number of replicates.
    seed : int or numpy.random.SeedSequence
        Seed.
    where : str
        What a message names as its place.
    units : int, optional
        Number of clusters to draw from, where the cases are a part of a larger sample: their codes are then numbers of
        its clusters, and parts of one sample that are given the same seed are drawn together. Default: the clusters of
        the cases.

    Raises
    ------
    DataFloorError
        If there are clusters, and fewer than ten: their spread cannot be told from so few.

    References
    ----------
    .. [1] Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge University
       Press, section 3.8 (whole clusters are drawn).
    """

    def __init__(
        self,
        cases: Cases,
        n_boot: int,
        seed: int | np.random.SeedSequence,
        *,
        where: str,
        units: int | None = None,
    ):
        self.cases = cases.counted()
        codes, self.units = self.cases.clusters, len(self.cases.data)
        self._codes = codes
        if codes is not None:
            found, numbered = np.unique(codes, return_inverse=True)
            if len(found) < FEWEST_CLUSTERS:
                raise DataFloorError(
                    f"{where}: the cases belong to {counted(len(found), 'cluster')}, and intervals need at least "
                    f"{FEWEST_CLUSTERS}. Give no clusters, and read the intervals as those of independent cases."
                )
            self._codes, self.units = (numbered, len(found)) if units is None else (codes, units)
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._children = root.spawn(n_boot)

    def masses(self) -> Iterator[tuple[range, np.ndarray]]:
        """Weights of the cases, a batch of replicates at a time; times drawn × own weight."""
        yield from self._batches(len(self._children), self._drawn)

    def masses_without_one(self) -> Iterator[tuple[range, np.ndarray]]:
        """Weights of the cases with one unit left out, a batch of units at a time."""
        yield from self._batches(self.units, lambda unit: np.arange(self.units) != unit)

    def _drawn(self, replicate: int) -> np.ndarray:
        generator = np.random.default_rng(self._children[replicate])
        return np.bincount(generator.integers(0, self.units, self.units), minlength=self.units)

    def _batches(self, replicates, times) -> Iterator[tuple[range, np.ndarray]]:
        step = int(np.clip(_WEIGHTS_AT_ONCE // len(self.cases.data), 1, _REPLICATES_AT_ONCE))
        for start in range(0, replicates, step):
            batch = range(start, min(start + step, replicates))
            drawn = np.stack([times(replicate) for replicate in batch])
            yield batch, (drawn if self._codes is None else drawn[:, self._codes]) * self.cases.weights
