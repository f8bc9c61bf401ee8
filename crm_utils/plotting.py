"""One look for every figure, the text that describes it, and the numbers behind it."""

from __future__ import annotations

import base64
import io
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from crm_utils.language import plain_zero, tr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# Okabe & Ito (2008): told apart under the common colour deficiencies; ordered so that neighbours differ in grey too.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#3D3D3D")
SEQUENTIAL = "cividis"
MUTED = "#8A8F98"

# A page of fifteen figures has to be small enough for an e-mail.
_VECTOR_POINTS = 1000
_SVG_CHARACTERS = 120_000
_SHARP_DPI = 192  # a page has 96 pixels an inch

_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Zen Hei",
)
# What the files of these fonts are called, in small letters.
_FONT_FILES = ("notosanscjk", "notosanssc", "sourcehansans", "pingfang", "msyh", "simhei", "wqy-zenhei")
_alt_texts: WeakKeyDictionary[Figure, str] = WeakKeyDictionary()


def use_style() -> None:
    """Set the workbook's figure style for this process; the one place that touches matplotlib's settings.

    Chinese fonts are added behind the default font where the machine has one, so that Chinese categories in a
    company's own data are drawn; fonts installed since matplotlib last looked are found too. Where there is none,
    matplotlib draws empty boxes, and its warnings about each of them are kept off the page.

    Examples
    --------
    >>> use_style()
    """
    import matplotlib as mpl
    from cycler import cycler

    fonts = _chinese_fonts()
    if not fonts:
        _add_new_fonts()
        fonts = _chinese_fonts()
    if not fonts:
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from", category=UserWarning)
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.labelsize": 10,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": "#D9DCE1",
            "grid.linewidth": 0.6,
            "figure.figsize": (7.2, 4.0),
            "figure.constrained_layout.use": True,
            "font.family": ["DejaVu Sans", *fonts],
            "font.size": 10,
            "image.cmap": SEQUENTIAL,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
        }
    )


def _chinese_fonts() -> list[str]:
    """Chinese fonts that matplotlib knows, the preferred first."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return [font for font in _FONTS if font in known]


@cache
def _add_new_fonts() -> None:
    """Tell matplotlib of Chinese fonts that were installed after it wrote its list; once, for the search is slow."""
    from matplotlib import font_manager

    for path in sorted(font_manager.findSystemFonts()):
        if Path(path).name.lower().startswith(_FONT_FILES):
            try:
                font_manager.fontManager.addfont(path)
            except (OSError, RuntimeError):  # a broken file is as good as none
                continue


def new_axes(ax: Axes | None, *, figsize: tuple[float, float] | None = None) -> Axes:
    """Give back `ax`, or a fresh one on a figure of its own.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Axes that the caller wants drawn on.
    figsize : tuple of float, optional
        Width and height in inches of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Where to draw.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def draw_intervals(
    ax: Axes,
    names: Sequence[str],
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    template: str | Callable[[float], str] = "{:,.2f}",
) -> None:
    """Draw estimates as dots with their intervals, one a row, the first on top, each with its number.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    names : sequence of str
        Labels of the rows; text from data is safe.
    values, low, high : array-like of float, shape (n,)
        Estimates and the ends of their intervals.
    template : str or callable, default "{:,.2f}"
        `str.format` template of the numbers beside the dots, or what writes them, such as `money`.
    """
    write = template.format if isinstance(template, str) else template
    values, low, high = (np.asarray(numbers, dtype=float) for numbers in (values, low, high))
    rows = np.arange(len(values))
    ax.errorbar(
        values,
        rows,
        xerr=np.maximum([values - low, high - values], 0),
        fmt="o",
        color=PALETTE[0],
        ecolor=MUTED,
        elinewidth=2,
        markersize=6,
    )
    for row, (number, right) in enumerate(zip(values, np.fmax(values, high), strict=True)):
        if np.isnan(number):
            continue
        ax.annotate(plain_zero(write(number)), (right, row), xytext=(6, 0), textcoords="offset points", va="center")
    ax.set_yticks(rows, names, parse_math=False)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")


def money(amount: float, *, signed: bool = False) -> str:
    """Write an amount for a reader: thousands in full, millions in words, what is small to three digits.

    Parameters
    ----------
    amount : float
        Money, in any currency.
    signed : bool, default False
        Write a plus before what is above zero.

    Returns
    -------
    str
        The amount; empty where there is none (NaN).

    Examples
    --------
    >>> [money(amount) for amount in (0.001234, 9.876, 48.2, 12_345.6, 1_234_567)]
    ['0.00123', '9.88', '48', '12,346', '1.23 million']
    >>> money(2.5e10, signed=True)
    '+25 billion'
    """
    if np.isnan(amount):
        return ""
    amount += 0.0  # −0.0 is 0
    plus, size = "+" if signed else "", abs(amount)
    unit, name = _unit_of(size)
    if unit > 1:
        scaled = f"{amount / unit:{plus},.3g}" if size < 1000 * unit else f"{amount / unit:{plus},.0f}"
        return tr(name).format(amount=scaled)
    if size >= 10 or not size:
        return f"{amount:{plus},.0f}"
    # Not by "g", which turns to powers of ten below a ten-thousandth.
    digits = 2 - int(np.floor(np.log10(size)))
    whole, _, rest = f"{amount:{plus}.{digits}f}".partition(".")
    return f"{whole}.{rest.rstrip('0')}".rstrip(".")


def money_axis(axis: Axis, *, ticks: int = 5) -> None:
    """Label an axis with amounts, in thousands, millions or billions alike, few enough not to overlap.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        Such as ``ax.xaxis``.
    ticks : int, default 5
        At most so many intervals, on a linear scale; other scales keep their own ticks, written as `money` does.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def write(amount: float, _: int | None) -> str:
        places = axis.get_majorticklocs()
        if axis.get_scale() != "linear" or not len(places):
            return money(amount)
        unit, name = _unit_of(np.abs(places).max())
        shown = places / unit
        step = np.diff(shown).min(initial=np.inf) if len(shown) > 1 else abs(shown[0]) or 1.0
        digits = next((n for n in range(12) if np.allclose(shown, shown.round(n), rtol=0, atol=step / 100)), 12)
        return tr(name).format(amount=f"{amount / unit:,.{digits}f}") if amount else "0"

    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(nbins=ticks))
    axis.set_major_formatter(FuncFormatter(write))


def _unit_of(size: float) -> tuple[float, str]:
    """The unit to write an amount in, and the template of its name."""
    if size >= 1e9:
        return 1e9, "{amount} billion"
    return (1e6, "{amount} million") if size >= 1e6 else (1.0, "{amount}")


def thinned(points: int) -> np.ndarray:
    """Pick positions that look like all of them, so that a million customers do not make a huge file.

    Parameters
    ----------
    points : int
        How many there are, along a curve or in a cloud.

    Returns
    -------
    numpy.ndarray of int
        At most a thousand positions at even distances, ascending, the first and the last among them.

    Examples
    --------
    >>> thinned(3).tolist()
    [0, 1, 2]
    >>> len(thinned(1_000_000))
    1000
    """
    return np.linspace(0, points - 1, min(points, _VECTOR_POINTS)).astype(int)


def draw_heatmap(ax: Axes, cells: np.ndarray, template: str) -> None:
    """Draw a table of numbers from light (low) to dark (high), each cell with its number.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    cells : numpy.ndarray of float, shape (rows, columns)
        Numbers from 0; cells with NaN stay blank.
    template : str
        `str.format` template of the numbers.
    """
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


def describe(ax: Axes, text: str) -> Axes:
    """Attach the alternative text that a reader who cannot see the figure gets.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes of the figure. Texts of several axes on one figure are joined.
    text : str
        What the figure shows, with its main numbers, in a sentence or two.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, so that the call can close a plotting function.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = describe(plt.figure().add_subplot(), "Two bars: 3 and 5.")
    >>> alt_text(ax.figure)
    'Two bars: 3 and 5.'
    >>> plt.close(ax.figure)
    """
    figure = ax.get_figure(root=True)
    known = alt_text(figure)
    if text not in known:
        _alt_texts[figure] = f"{known} {text}".strip()
    return ax


def alt_text(figure: Figure) -> str:
    """Alternative text of a figure; empty where none was attached."""
    return _alt_texts.get(figure, "")


def figure_svg(figure: Figure) -> str:
    """Draw a figure as SVG, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Figure to draw; left as it is.

    Returns
    -------
    str
        SVG document without date or random identifiers; text drawn as paths, so that no font is needed. Lines and
        text are vectors; clouds and fills of more than a thousand points are pixels, two for each pixel of a page.
    """
    import matplotlib as mpl

    heavy = [artist for artist in figure.findobj(_is_heavy) if not artist.get_rasterized()]
    for artist in heavy:
        artist.set_rasterized(True)
    buffer = io.StringIO()
    try:
        with mpl.rc_context({"svg.hashsalt": "crm_utils"}):
            figure.savefig(
                buffer, format="svg", dpi=_SHARP_DPI, metadata={"Date": None, "Creator": None}, bbox_inches="tight"
            )
    finally:
        for artist in heavy:
            artist.set_rasterized(False)
    return buffer.getvalue()


def _is_heavy(artist: Artist) -> bool:
    """Whether an artist would write thousands of points into an SVG; plain lines are thinned out by matplotlib."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

    if isinstance(artist, Line2D):
        return artist.get_marker() not in ("", " ", "None", None) and len(artist.get_xdata()) > _VECTOR_POINTS
    if not isinstance(artist, Collection):
        return False
    cells = artist.get_array()
    points = sum(len(path.vertices) for path in artist.get_paths())
    return max(points, len(artist.get_offsets()), 0 if cells is None else cells.size) > _VECTOR_POINTS


def _figure_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """Draw a figure as PNG with two pixels for each pixel of a page, and tell its size on the page."""
    from PIL import Image

    drawn, reduced = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_SHARP_DPI, bbox_inches="tight")
    # A palette takes a third of the space, and no eye tells a chart's 256 colours from all.
    image = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(reduced, format="png", optimize=True)
    return reduced.getvalue(), {"width": image.width // 2, "height": image.height // 2}


def show_figure(ax: Axes, *, table: pd.DataFrame | None = None, alt: str | None = None) -> None:
    """Show a figure with its alternative text and the numbers behind it, and close it.

    The figure is an SVG, or a PNG at twice the resolution of a page where an SVG would be large.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes that a ``plot_…`` function gave back.
    table : pandas.DataFrame, optional
        The figure's table twin; report pages offer it as "Show the numbers".
    alt : str, optional
        Alternative text. Default: what the plotting function attached with `describe`.

    Raises
    ------
    ValueError
        If there is no alternative text: a figure without one is no use to a reader who cannot see it.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    from crm_utils.tables import table_html

    figure = ax.get_figure(root=True)
    text = alt or alt_text(figure)
    if not text:
        raise ValueError("The figure has no alternative text: pass alt=… or call describe(ax, …) where it is drawn.")
    details = {"alt": text}
    if table is not None:
        details["table"] = table_html(table)
    data, metadata = {"image/svg+xml": figure_svg(figure)}, {"crm": details}
    if len(data["image/svg+xml"]) > _SVG_CHARACTERS:
        png, metadata["image/png"] = _figure_png(figure)
        data = {"image/png": base64.b64encode(png).decode("ascii")}
    display({**data, "text/plain": text}, metadata=metadata, raw=True)
    plt.close(figure)
