"""Heat map with readable numbers in its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
