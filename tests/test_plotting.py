"""The figure layer: alternative text, stable bytes, nothing left open."""

import base64
import struct
import warnings
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager

from crm_utils import plotting
from crm_utils.plotting import (
    alt_text,
    describe,
    draw_intervals,
    figure_svg,
    money,
    money_axis,
    new_axes,
    show_figure,
    use_style,
)


@pytest.fixture
def axes():
    ax = new_axes(None)
    ax.plot([1, 2, 3])
    yield ax
    plt.close(ax.figure)


@pytest.fixture
def without_chinese_fonts(monkeypatch):
    """A matplotlib that knows the fonts it comes with, on a machine whose font files are the ones given."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if font.name.startswith("DejaVu")])
    files, added = [], []

    def addfont(path):
        added.append(path)
        if "broken" in path:
            raise RuntimeError("no font")
        manager.ttflist.append(SimpleNamespace(name="Noto Sans CJK SC"))

    monkeypatch.setattr(manager, "addfont", addfont)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    plotting._add_new_fonts.cache_clear()
    with mpl.rc_context():
        yield files, added
    plotting._add_new_fonts.cache_clear()


def test_a_chinese_font_installed_since_matplotlib_looked_is_found(without_chinese_fonts):
    files, added = without_chinese_fonts
    files += ["/fonts/Lato.ttf", "/fonts/NotoSansCJK-A-broken.ttc", "/fonts/NotoSansCJK-Regular.ttc"]
    use_style()
    assert mpl.rcParams["font.family"] == ["DejaVu Sans", "Noto Sans CJK SC"]
    assert added == files[1:]


def test_the_machine_is_searched_once(without_chinese_fonts):
    files, added = without_chinese_fonts
    with warnings.catch_warnings():
        use_style()
        files.append("/fonts/simhei.ttf")
        use_style()
    assert not added
    assert mpl.rcParams["font.family"] == ["DejaVu Sans"]


@pytest.mark.usefixtures("without_chinese_fonts")
def test_without_a_chinese_font_only_the_warnings_about_glyphs_are_silent():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        figure_svg(new_axes(None).set_title("满意度").figure)
        assert any("missing from" in str(warning.message) for warning in seen)
        seen.clear()
        use_style()
        figure_svg(new_axes(None).set_title("忠诚度").figure)
        warnings.warn("Glyph shapes are old", UserWarning, stacklevel=1)
        assert [str(warning.message) for warning in seen] == ["Glyph shapes are old"]
    plt.close("all")


def test_axes_that_are_given_are_given_back(axes):
    assert new_axes(axes) is axes


def test_the_same_figure_draws_the_same_bytes(axes):
    assert figure_svg(axes.figure) == figure_svg(axes.figure)
    assert "dc:date" not in figure_svg(axes.figure)


def test_a_figure_without_alternative_text_is_refused(axes):
    with pytest.raises(ValueError, match="alternative text"):
        show_figure(axes)


def test_texts_of_several_axes_are_joined_once():
    figure, (left, right) = plt.subplots(1, 2)
    describe(left, "Left.")
    describe(right, "Right.")
    describe(right, "Right.")
    assert alt_text(figure) == "Left. Right."
    plt.close(figure)


def test_show_publishes_svg_text_and_twin_and_closes(axes, monkeypatch):
    published = {}

    def display(data, metadata, raw):
        published.update(data=data, metadata=metadata, raw=raw)

    monkeypatch.setattr("IPython.display.display", display)
    show_figure(describe(axes, "A rising line."), table=pd.DataFrame({"x": ["<b>"]}))
    assert published["data"]["image/svg+xml"].lstrip().startswith("<?xml")
    assert published["metadata"]["crm"]["alt"] == "A rising line."
    assert "&lt;b&gt;" in published["metadata"]["crm"]["table"]
    assert not plt.fignum_exists(axes.figure.number)


def crowd(count):
    x = np.linspace(0, 1, count)
    ax = new_axes(None)
    ax.scatter(x, np.sin(40 * x))
    ax.fill_between(x, x)
    ax.plot(x, x, "o")
    return describe(ax, "A crowd.")


def test_crowded_artists_are_pixels_in_a_figure_of_vectors():
    few, many = crowd(100), crowd(20_000)
    assert "<image" not in figure_svg(few.figure)
    svg = figure_svg(many.figure)
    assert "data:image/png;base64" in svg
    assert "DejaVuSans" in svg  # the labels stay vectors
    assert len(svg) < 120_000
    assert svg == figure_svg(many.figure)
    assert not any(artist.get_rasterized() for artist in many.get_children())
    plt.close("all")


def test_a_figure_too_large_as_svg_is_a_sharp_png(monkeypatch):
    published = {}
    monkeypatch.setattr("IPython.display.display", lambda data, **options: published.update(data=data, **options))
    ax = new_axes(None, figsize=(6, 3))
    ax.bar(range(800), range(800))
    show_figure(describe(ax, "Many bars."))
    assert set(published["data"]) == {"image/png", "text/plain"}
    png = base64.b64decode(published["data"]["image/png"])
    size = published["metadata"]["image/png"]
    assert struct.unpack(">II", png[16:24]) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=1)
    assert size["width"] == pytest.approx(6 * 96, rel=0.1)
    assert b"Software" not in png
    assert published["metadata"]["crm"] == {"alt": "Many bars."}


def test_intervals_are_drawn_where_the_numbers_say(axes):
    draw_intervals(axes, ["<b>$a$</b>", "b"], [2.0, np.nan], [1.0, np.nan], [4.0, np.nan], template="{:.1f}")
    (segments,) = [collection.get_segments() for collection in axes.collections]
    assert segments[0].tolist() == [[1.0, 0.0], [4.0, 0.0]]
    assert [text.get_text() for text in axes.texts] == ["2.0"]
    assert axes.get_ylim() == (1.5, -0.5)
    assert axes.get_yticklabels()[0].get_text() == "<b>$a$</b>"


def test_what_rounds_to_zero_is_drawn_without_a_minus(axes):
    draw_intervals(axes, ["a", "b"], [-0.001, -0.2], [-1, -1], [1, 1], template="{:+.1f}")
    assert [text.get_text() for text in axes.texts] == ["0.0", "-0.2"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-0.00002347, "-0.0000235"),
        (0.5, "0.5"),
        (9.996, "10"),
        (-12.4, "-12"),
        (999_999, "999,999"),
        (1_000_000, "1 million"),
        (-2_345_678, "-2.35 million"),
        (4.56e9, "4.56 billion"),
        (7.8912e12, "7,891 billion"),
        (float("nan"), ""),
    ],
)
def test_amounts_read_well_at_any_size(amount, text):
    assert money(amount) == text


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 250.0, 1e5, 3e6, 4e9, 5e12])
@pytest.mark.parametrize("least", [0.0, 0.99])
def test_ticks_of_money_are_few_distinct_and_say_where_they_are(axes, size, least):
    axes.set_xlim(least * size, size)
    money_axis(axes.xaxis)
    axes.figure.canvas.draw()
    low, high = axes.get_xlim()
    marks = {tick: label.get_text() for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)}
    shown = {tick: text for tick, text in marks.items() if low <= tick <= high}
    assert 2 <= len(shown) <= 6
    assert len(set(shown.values())) == len(shown)
    for tick, text in shown.items():
        number, *unit = text.replace(",", "").split()
        assert "e" not in number
        scale = {"million": 1e6, "billion": 1e9}[unit[0]] if unit else 1.0
        assert float(number) * scale == pytest.approx(tick, rel=1e-4, abs=size * 1e-9)
