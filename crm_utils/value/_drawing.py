"""Drawing shared by the value figures."""

from __future__ import annotations

import numpy as np

_DRAWN_POINTS = 1000


def thinned(points: int, *, keep: tuple[int, ...] = ()) -> np.ndarray:
    """Pick positions along a curve that look like all of it, so that a million customers do not make a huge file."""
    even = np.linspace(0, points - 1, min(points, _DRAWN_POINTS)).astype(int)
    return np.union1d(even, np.asarray(keep, dtype=int))
