"""Drawing shared by the value figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_DRAWN_POINTS = 1000


def thinned(points: int, *, keep: tuple[int, ...] = ()) -> np.ndarray:
    """Pick positions along a curve that look like all of it, so that a million customers do not make a huge file."""
    even = np.linspace(0, points - 1, min(points, _DRAWN_POINTS)).astype(int)
    return np.union1d(even, np.asarray(keep, dtype=int))


def draw_heatmap(ax: Axes, cells: np.ndarray, template: str) -> None:
    """Draw `cells` from light (low) to dark (high), each with its number; NaN cells stay blank."""
    # Blues prints light where little happens, and the numbers stay readable in black or white.
    image = ax.imshow(cells, cmap="Blues", aspect="auto", vmin=0)
    for (row, column), number in np.ndenumerate(cells):
        if np.isnan(number):
            continue
        dark = image.norm(number) > 0.55
        ax.text(
            column,
            row,
            template.format(number),
            ha="center",
            va="center",
            fontsize=8.5,
            color="white" if dark else "black",
        )
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
