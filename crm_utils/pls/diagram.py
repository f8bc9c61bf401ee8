"""The path diagram: constructs as boxes, paths as arrows with their coefficients."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls.arrangement import Arrangement, arrange
from crm_utils.pls.layout import Layout, shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 7.2  # inches: a report page
_INCH = 72  # points
_LARGE, _SMALL = 9, 8
_CHARACTERS, _LINES = 13, 4  # that a name may have in a box
_PADDING = np.array([12.0, 11.0])
_FILL = "#EEF3F8"


class _Look(NamedTuple):
    """How an arrow is drawn, and what that means."""

    color: str
    style: str | tuple
    meaning: str


_POSITIVE = _Look(PALETTE[0], "-", "positive")
_NEGATIVE = _Look(PALETTE[3], "-", "negative")
_UNSURE = _Look(MUTED, (0, (4, 2.5)), "interval includes zero")


class _Line(NamedTuple):
    text: str
    font: float
    weight: str


class _Block(NamedTuple):
    """Lines that stand over each other, and width and height of each."""

    lines: Sequence[_Line]
    sizes: np.ndarray

    @property
    def size(self) -> np.ndarray:
        return np.array([self.sizes[:, 0].max(), self.sizes[:, 1].sum()])


def paths_table(paths: pd.DataFrame) -> pd.DataFrame:
    """Path coefficients as a table for people.

    Parameters
    ----------
    paths : pandas.DataFrame
        By ``from`` and ``to``.

    Returns
    -------
    pandas.DataFrame
        Labels as columns, names with spaces.
    """
    table = paths.reset_index()
    for end in ("from", "to"):
        table[end] = table[end].map(shown_name)
    return table.rename(columns=lambda name: name.replace("_", " "))


def plot_paths(
    layout: Layout,
    paths: pd.DataFrame,
    r_squared: pd.Series,
    *,
    where: str,
    level: float | None = None,
    labels: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a path diagram; see `PathResults.plot_paths` and `PathBootstrap.plot_paths`.

    Parameters
    ----------
    layout : Layout
        The model.
    paths : pandas.DataFrame
        ``estimate`` and, with a level, ``low`` and ``high`` of each path, in the order of the layout's arrows.
    r_squared : pandas.Series
        By construct that is led to.
    where : str
        Name of the method, for messages.
    level : float, optional
        Confidence level of the intervals. Default: there are none.
    labels, notes, ax
        As in the methods.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If labels or notes are of no construct.
    """
    raise_problems(where, _text_problems("labels", labels, layout) + _text_problems("notes", notes, layout))
    names = {name: str((labels or {}).get(name, shown_name(name))) for name in layout.constructs}
    notes = {name: str(note) for name, note in (notes or {}).items()}
    explained = r_squared.to_dict()
    looks = [_look(path) for path in paths.itertuples()]

    own = ax is None
    ax = new_axes(ax, figsize=(_WIDTH, _WIDTH / 2))
    ax.set_axis_off()
    ax.set_title(_heading(level))
    _draw_legend(ax, looks)
    boxes = [_block(ax, _box_lines(names[name], explained.get(name), notes.get(name))) for name in names]
    tags = [_block(ax, _path_lines(path, look)) for path, look in zip(paths.itertuples(), looks, strict=True)]
    # Labels of the usual size have room for other numbers, so that a model's diagrams of several groups look alike.
    usual = _block(ax, [_Line("−0.00", _LARGE, "bold"), _Line("[−0.00, 0.00]", _SMALL, "normal")][: len(tags[0].lines)])
    tag_sizes = np.ceil([np.maximum(tag.size, usual.size) for tag in tags]) + 1
    box_sizes = _box_sizes(boxes, layout)
    width, height = _room(ax)
    placed = arrange(layout.arrows, layout.order, box_sizes, tag_sizes, width=width, height=np.inf if own else height)
    _set_limits(ax, placed, own=own)

    for curve, path, look in zip(placed.curves, paths.itertuples(), looks, strict=True):
        _draw_arrow(ax, curve, path.estimate, look)
    for center, tag in zip(placed.labels, tags, strict=True):
        _draw_tag(ax, center, tag)
    for center, size, box in zip(placed.centers, box_sizes, boxes, strict=True):
        _draw_box(ax, center, size, box)
    return describe(ax, _said(names, paths, explained, notes, level))


def _text_problems(option: str, given: Any, layout: Layout) -> list[str]:
    """Say which texts are of no construct."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        return [f"{option} must be a mapping of constructs to texts, and is {given!r}"]
    problems = []
    for name in given:
        if name not in layout.constructs:
            hint = did_you_mean(name, layout.constructs)
            problems.append(f"{option} names {name!r}, which is no construct{hint}")
    return problems


def _number(value: float) -> str:
    """Two digits; no sign for what rounds to zero."""
    return f"{value:.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def _heading(level: float | None) -> str:
    if level is None:
        return tr("Path coefficients")
    return tr("Path coefficients with {level:g}% intervals").format(level=100 * level)


def _look(path: Any) -> _Look:
    if hasattr(path, "low") and path.low <= 0 <= path.high:
        return _UNSURE
    return _NEGATIVE if path.estimate <= -0.005 else _POSITIVE


def _wrapped(name: str) -> str:
    """A name in short lines; Chinese characters are twice as wide as others."""
    lines = []
    for line in name.split("\n"):
        wide = any(unicodedata.east_asian_width(character) in "WF" for character in line)
        lines += textwrap.wrap(line, (_CHARACTERS + 1) // 2 if wide else _CHARACTERS)
    return "\n".join(lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1] + "…"])


def _box_lines(name: str, explained: float | None, note: str | None) -> list[_Line]:
    lines = [_Line(_wrapped(name), _LARGE, "bold")]
    if explained is not None:
        lines.append(_Line(tr("R² = {value}").format(value=_number(explained)), _SMALL, "normal"))
    if note:
        lines.append(_Line(note, _SMALL, "normal"))
    return lines


def _path_lines(path: Any, look: _Look) -> list[_Line]:
    lines = [_Line(_number(path.estimate), _LARGE, "normal" if look is _UNSURE else "bold")]
    if hasattr(path, "low"):
        lines.append(_Line(f"[{_number(path.low)}, {_number(path.high)}]", _SMALL, "normal"))
    return lines


def _block(ax: Axes, lines: Sequence[_Line]) -> _Block:
    """Lines with their sizes in points, as they will be drawn."""
    scale = _INCH / ax.get_figure(root=True).dpi
    sizes = []
    for line in lines:
        text = _text(ax, 0, 0, line)
        extent = text.get_window_extent()
        text.remove()
        sizes.append([extent.width * scale, extent.height * scale])
    return _Block(lines, np.array(sizes))


def _box_sizes(boxes: Sequence[_Block], layout: Layout) -> np.ndarray:
    """One width for all; boxes without R² are no lower than those with it."""
    sizes = np.array([box.size for box in boxes]) + _PADDING
    sizes[:, 0] = sizes[:, 0].max()
    sizes[:, 1] = np.maximum(sizes[:, 1], sizes[layout.arrows.any(axis=0), 1].min())
    return np.ceil(sizes)


def _room(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes in points."""
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    extent = ax.get_window_extent()
    return extent.width * _INCH / figure.dpi, extent.height * _INCH / figure.dpi


def _set_limits(ax: Axes, placed: Arrangement, *, own: bool) -> None:
    """Let a unit be a point, with the diagram in the middle; a figure of its own is cut to size."""
    room = np.array(_room(ax))
    if own:
        figure = ax.figure
        figure.set_size_inches(figure.get_size_inches() + (placed.size - room) / _INCH)
        room = np.array(_room(ax))
    around = (np.maximum(room, placed.size) - placed.size) / 2
    ax.set_xlim(-around[0], placed.size[0] + around[0])
    ax.set_ylim(-around[1], placed.size[1] + around[1])


def _draw_legend(ax: Axes, looks: Sequence[_Look]) -> None:
    """Say what colours and dashes mean, where there is more than one kind of arrow."""
    from matplotlib.lines import Line2D

    used = [look for look in (_POSITIVE, _NEGATIVE, _UNSURE) if look in looks]
    if len(used) > 1:
        handles = [
            Line2D([], [], color=look.color, linestyle=look.style, linewidth=1 if look is _UNSURE else 2)
            for look in used
        ]
        ax.legend(
            handles,
            [tr(look.meaning) for look in used],
            loc="upper left",
            bbox_to_anchor=(0, 0),
            ncols=len(used),
            fontsize=_SMALL,
        )


def _draw_arrow(ax: Axes, curve: np.ndarray, estimate: float, look: _Look) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    width = 0.9 if look is _UNSURE else 0.8 + 3.5 * min(abs(estimate), 1)
    arrow = FancyArrowPatch(
        path=Path(curve, [Path.MOVETO, Path.CURVE3, Path.CURVE3]),
        arrowstyle="-|>",
        mutation_scale=8 + 2 * width,
        linewidth=width,
        linestyle=look.style,
        color=look.color,
        capstyle="butt",
        joinstyle="miter",
        zorder=2,
    )
    ax.add_patch(arrow)


def _draw_tag(ax: Axes, center: np.ndarray, tag: _Block) -> None:
    """Write a path's numbers where its arrow is interrupted for them."""
    from matplotlib.patches import Rectangle

    size = tag.size + 1
    ax.add_patch(Rectangle(center - size / 2, *size, facecolor=ax.figure.get_facecolor(), linewidth=0, zorder=2.5))
    _write(ax, center, tag)


def _draw_box(ax: Axes, center: np.ndarray, size: np.ndarray, box: _Block) -> None:
    from matplotlib.patches import FancyBboxPatch

    ax.add_patch(
        FancyBboxPatch(
            center - size / 2,
            *size,
            boxstyle="round,pad=0,rounding_size=6",
            facecolor=_FILL,
            edgecolor=PALETTE[6],
            linewidth=1,
            zorder=3,
        )
    )
    _write(ax, center, box)


def _write(ax: Axes, center: np.ndarray, block: _Block) -> None:
    """Write a block of lines around a point."""
    top = center[1] + block.size[1] / 2
    for line, (_, height) in zip(block.lines, block.sizes, strict=True):
        _text(ax, center[0], top - height / 2, line)
        top -= height


def _text(ax: Axes, x: float, y: float, line: _Line):
    return ax.text(
        x,
        y,
        line.text,
        ha="center",
        va="center",
        fontsize=line.font,
        fontweight=line.weight,
        zorder=4,
        parse_math=False,
    )


def _said(
    names: Mapping[str, str],
    paths: pd.DataFrame,
    explained: Mapping[str, float],
    notes: Mapping[str, str],
    level: float | None,
) -> str:
    names = {name: " ".join(shown.split()) for name, shown in names.items()}
    listed = []
    for path in paths.itertuples():
        start, end = path.Index
        template = tr("{start} → {end} {estimate}")
        numbers = {"estimate": _number(path.estimate)}
        if level is not None:
            template = tr("{start} → {end} {estimate} ({low} to {high})")
            numbers |= {"low": _number(path.low), "high": _number(path.high)}
        listed.append(template.format(start=names[start], end=names[end], **numbers))
    said = tr("{heading}: {listed}. R²: {explained}.").format(
        heading=_heading(level),
        listed="; ".join(listed),
        explained=", ".join(f"{names[name]} {_number(value)}" for name, value in explained.items()),
    )
    if notes:
        said += " " + tr("Notes: {notes}.").format(
            notes=", ".join(f"{names[name]} {' '.join(note.split())}" for name, note in notes.items())
        )
    return said
