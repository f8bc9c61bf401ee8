"""The path diagram shows its table, and can be read."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from crm_utils.company.simulate.latents import LATENTS, draw_latents
from crm_utils.errors import ParameterError
from crm_utils.plotting import MUTED, PALETTE, alt_text, figure_svg
from crm_utils.pls import PathModel, arrangement
from crm_utils.pls.diagram import _number
from crm_utils.satisfaction.national import NATIONAL_MODELS

PLANTED = [(cause, effect) for effect, causes in LATENTS.paths.items() for cause in causes]
CHAIN = [("image", "expectation"), ("expectation", "value")]
MODELS = {name: model.relations for name, model in NATIONAL_MODELS.items()} | {
    "planted": PLANTED,
    "chain": CHAIN,
    "single": CHAIN[:1],
}
MIXED = [("a_b", "c"), ("a_b", "d"), ("c", "e"), ("d", "e")]


def single_items(paths):
    """A model in which every construct is one item of its name."""
    return PathModel({name: [name] for path in paths for name in path}, paths)


def fitted(name):
    """The model from latent people; quality and performance are those of the product."""
    people = draw_latents(400, np.random.default_rng(7)).drop(columns="strong_competition")
    people = people.assign(quality=people["product_quality"], performance=people["product_quality"])
    return single_items(MODELS[name]).fit(people).bootstrap(40, seed=7)


@pytest.fixture(scope="module")
def drawn():
    """Each model with its figure, drawn once."""
    known = {}

    def draw(name):
        if name not in known:
            replicates = fitted(name)
            known[name] = replicates, replicates.plot_paths()
        return known[name]

    yield draw
    plt.close("all")


@pytest.fixture
def mixed():
    """Paths of about 0.7, −0.6 and 0.3, and one of nothing."""
    rng = np.random.default_rng(7)
    a, noise = rng.normal(size=600), rng.normal(size=(600, 3))
    c = 0.7 * a + np.sqrt(1 - 0.49) * noise[:, 0]
    d = -0.6 * a + 0.8 * noise[:, 1]
    return single_items(MIXED).fit(pd.DataFrame({"a_b": a, "c": c, "d": d, "e": 0.3 * c + noise[:, 2]}))


@pytest.fixture
def replicates(mixed):
    return mixed.bootstrap(100, seed=7)


@pytest.fixture(autouse=True)
def _close(request):
    yield
    if "drawn" not in request.fixturenames:
        plt.close("all")


def arrows_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def boxes_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def numbers_of(ax, paths, lines=2):
    """Texts of the paths, those of one path together."""
    texts = ax.texts[: lines * paths]
    return [texts[first : first + lines] for first in range(0, len(texts), lines)]


def words_of(ax, paths, lines=2):
    return [text.get_text() for text in ax.texts[lines * paths :]]


def crosses(box, points):
    return ((points > box.min) & (points < box.max)).all(axis=1).any()


def line_of(arrow):
    """The arrow in pixels, from its start to its tip."""
    return (
        arrow._path_original.interpolated(1).transformed(arrow.get_data_transform()).to_polygons(closed_only=False)[0]
    )


@pytest.mark.parametrize("name", MODELS)
def test_every_path_leads_once_to_the_right_between_its_boxes(drawn, name):
    found, ax = drawn(name)
    boxes = [box.get_window_extent() for box in boxes_of(ax)]
    constructs, arrows = found.results.model.layout().constructs, arrows_of(ax)
    index = found.results.paths.index
    assert len(arrows) == len(index) == len(MODELS[name])
    for arrow, (start, end) in zip(arrows, index, strict=True):
        source, target = boxes[constructs.index(start)], boxes[constructs.index(end)]
        line = line_of(arrow)
        assert line[0, 0] < line[-1, 0]
        assert (source.x0 + source.x1) < (target.x0 + target.x1)
        assert crosses(source.padded(8), line[:1])
        assert crosses(target.padded(8), line[-1:])
        for construct, box in zip(constructs, boxes, strict=True):
            assert not crosses(box, line), (start, end, construct)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_covers_anything(drawn, name):
    found, ax = drawn(name)
    ax.figure.draw_without_rendering()
    boxes = [box.get_window_extent() for box in boxes_of(ax)]
    labels = [[text.get_window_extent() for text in texts] for texts in numbers_of(ax, len(found.results.paths))]
    for one, two in itertools.combinations(boxes, 2):
        assert not one.overlaps(two)
    for one, two in itertools.combinations(labels, 2):
        assert not any(first.overlaps(second) for first in one for second in two)
    for label in labels:
        assert not any(text.overlaps(box) for text in label for box in boxes)
    for number, arrow in enumerate(arrows_of(ax)):
        others = [text for label in labels[:number] + labels[number + 1 :] for text in label]
        assert not any(crosses(text, line_of(arrow)) for text in others), found.results.paths.index[number]
    edge = ax.figure.bbox
    assert all(edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 for box in boxes)
    assert all(edge.x0 <= text.x0 and text.x1 <= edge.x1 for label in labels for text in label)


@pytest.mark.parametrize("name", MODELS)
def test_the_figure_fits_a_page_and_its_words_their_boxes(drawn, name):
    found, ax = drawn(name)
    width, height = ax.figure.get_size_inches()
    assert width <= 7.21
    assert height < width
    assert min(text.get_fontsize() for text in ax.texts) >= 8
    words = ax.texts[2 * len(found.results.paths) :]
    extents = [box.get_window_extent() for box in boxes_of(ax)]
    for text in words:
        extent = text.get_window_extent()
        assert any(
            box.x0 < extent.x0 and extent.x1 < box.x1 and box.y0 < extent.y0 and extent.y1 < box.y1 for box in extents
        )


def test_the_height_follows_the_model(drawn):
    heights = {name: drawn(name)[1].figure.get_size_inches()[1] for name in ("single", "chain", "scsb", "ecsi")}
    assert heights["single"] == heights["chain"] < heights["scsb"] < heights["ecsi"]
    assert drawn("single")[1].figure.get_size_inches()[0] < 4


def test_ecsi_has_the_published_coefficients(mobi, ecsi):
    """SmartPLS 2, centroid scheme: the values of the first paths, and R²."""
    results = ecsi.fit(mobi, scheme="centroid")
    ax = results.plot_paths()
    written = dict(
        zip(results.paths.index, (texts[0].get_text() for texts in numbers_of(ax, 12, lines=1)), strict=True)
    )
    expected = {
        ("image", "expectation"): 0.50470564,
        ("expectation", "quality"): 0.55724786,
        ("expectation", "value"): 0.05078755,
        ("quality", "value"): 0.55721686,
        ("image", "satisfaction"): 0.17883348,
        ("satisfaction", "complaints"): 0.52609731,
        ("complaints", "loyalty"): 0.07123241,
    }
    assert {path: written[path] for path in expected} == {path: f"{value:.2f}" for path, value in expected.items()}
    words = words_of(ax, 12, lines=1)
    assert words[words.index("satisfaction") + 1] == "R² = 0.68"
    assert words[words.index("loyalty") + 1] == "R² = 0.46"
    assert not any(word.startswith("R²") for word in words[words.index("image") + 1 :][:1])


def test_the_figure_writes_the_table(replicates):
    ax = replicates.plot_paths(level=0.9)
    table = replicates.paths_table(level=0.9)
    assert table.columns.tolist() == ["from", "to", "estimate", "std error", "low", "high"]
    assert list(zip(table["from"], table["to"], strict=True)) == [("a b", "c"), ("a b", "d"), ("c", "e"), ("d", "e")]
    intervals = replicates.intervals("paths", level=0.9)
    assert table[["estimate", "low", "high"]].to_numpy() == pytest.approx(
        intervals[["estimate", "low", "high"]].to_numpy()
    )
    for texts, row in zip(numbers_of(ax, 4), table.itertuples(), strict=True):
        assert texts[0].get_text() == _number(row.estimate)
        assert texts[1].get_text() == f"[{_number(row.low)}, {_number(row.high)}]"
        assert texts[1].get_fontsize() < texts[0].get_fontsize()
    explained = replicates.results.r_squared
    assert words_of(ax, 4) == [
        "a b", "c", f"R² = {explained['c']:.2f}", "d", f"R² = {explained['d']:.2f}", "e", f"R² = {explained['e']:.2f}"
    ]  # fmt: skip
    assert "with 90% intervals" in (ax.get_title() or ax.get_title(loc="left"))


def test_widths_colours_and_dashes_say_what_the_numbers_say(replicates):
    ax = replicates.plot_paths()
    table = replicates.paths_table()
    unsure = ((table["low"] <= 0) & (table["high"] >= 0)).tolist()
    assert unsure == [False, False, False, True]
    arrows = arrows_of(ax)
    assert [to_hex(arrow.get_edgecolor()).upper() for arrow in arrows] == [PALETTE[0], PALETTE[3], PALETTE[0], MUTED]
    assert [arrow.get_linestyle() != "-" for arrow in arrows] == unsure
    wide = [arrow.get_linewidth() for arrow in arrows]
    assert wide[0] > wide[1] > wide[2] > wide[3]
    numbers = [texts[0] for texts in numbers_of(ax, 4)]
    assert numbers[1].get_text().startswith("−0.5")
    assert [text.get_fontweight() for text in numbers] == ["bold", "bold", "bold", "normal"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "positive", "negative", "interval includes zero"
    ]  # fmt: skip


def test_without_replicates_there_are_no_intervals(mixed):
    ax = mixed.plot_paths()
    table = mixed.paths_table()
    assert table.columns.tolist() == ["from", "to", "estimate"]
    assert table["estimate"].to_numpy() == pytest.approx(mixed.paths.to_numpy())
    assert [texts[0].get_text() for texts in numbers_of(ax, 4, lines=1)] == [
        _number(each) for each in table["estimate"]
    ]
    assert not any("[" in text.get_text() for text in ax.texts)
    assert {arrow.get_linestyle() for arrow in arrows_of(ax)} == {"-"}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["positive", "negative"]


def test_the_alternative_text_has_the_numbers(replicates):
    text = alt_text(replicates.plot_paths(labels={"c": "the\nthird"}, notes={"e": "index 71"}).figure)
    row = replicates.paths_table().iloc[0]
    shown = f"a b → the third {row['estimate']:.2f} ({row['low']:.2f} to {row['high']:.2f}); "
    assert text.startswith(f"Path coefficients with 95% intervals: {shown}a b → d −0.5")
    explained = replicates.results.r_squared
    assert f". R²: the third {explained['c']:.2f}, d {explained['d']:.2f}, e {explained['e']:.2f}. " in text
    assert text.endswith("Notes: e index 71.")
    plain = alt_text(replicates.results.plot_paths().figure)
    assert plain.startswith(f"Path coefficients: a b → c {row['estimate']:.2f}; a b → d −0.5")


def test_labels_and_notes_stand_in_the_boxes(mixed):
    ax = mixed.plot_paths(labels={"a_b": "first\n(a)", "e": "last"}, notes={"a_b": 72.5, "e": "index 60"})
    words = words_of(ax, 4, lines=1)
    assert words[:2] == ["first\n(a)", "72.5"]
    assert words[-3:] == ["last", _r_squared(mixed, "e"), "index 60"]


def _r_squared(results, name):
    return f"R² = {results.r_squared[name]:.2f}"


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_odd_names_are_drawn_as_text(mixed):
    odd = {"a_b": "$x_$", "c": "<script>alert(1)</script>", "d": "客户满意度指数与忠诚度", "e": "a name so long " * 9}
    ax = mixed.plot_paths(labels=odd, notes={"c": "$y^"})
    ax.figure.draw_without_rendering()
    words = words_of(ax, 4, lines=1)
    assert words[0] == "$x_$"
    assert "$y^" in words
    assert not any(text.get_parse_math() for text in ax.texts)
    assert words[1].replace("\n", "") == odd["c"]
    # Chinese characters are twice as wide.
    assert max(map(len, words[words.index("$y^") + 1].split("\n"))) == 7
    long = words[-2].split("\n")
    assert len(long) == 4
    assert long[-1].endswith("…")
    assert max(map(len, long)) <= 14
    assert "<script>" not in figure_svg(ax.figure)


def test_the_given_axes_are_drawn_on_and_come_back(replicates):
    figure, (ax, other) = plt.subplots(2, 1, figsize=(7, 7), layout="constrained")
    assert replicates.plot_paths(ax=ax) is ax
    assert len(arrows_of(ax)) == 4
    assert not other.patches
    assert tuple(figure.get_size_inches()) == (7, 7)
    figure.draw_without_rendering()
    frame = ax.get_window_extent()
    for box in boxes_of(ax):
        extent = box.get_window_extent()
        assert frame.x0 <= extent.x0
        assert extent.x1 <= frame.x1
        assert frame.y0 <= extent.y0
        assert extent.y1 <= frame.y1


def test_the_same_model_gives_the_same_bytes(replicates):
    first = figure_svg(replicates.plot_paths().figure)
    arrangement._arranged.cache_clear()
    assert figure_svg(replicates.plot_paths().figure) == first


def test_what_rounds_to_zero_has_no_sign():
    assert [_number(value) for value in (-0.004, 0.004, -0.005, 1.236)] == ["0.00", "0.00", "−0.01", "1.24"]


def test_every_problem_with_labels_and_notes_is_said(mixed, replicates):
    with pytest.raises(ParameterError, match=r"PathResults.plot_paths: 2 problems") as caught:
        mixed.plot_paths(labels={"a_c": "x"}, notes=["c"])
    assert "labels names 'a_c', which is no construct (did you mean 'a_b'?)" in str(caught.value)
    assert "notes must be a mapping of constructs to texts, and is ['c']" in str(caught.value)
    with pytest.raises(ParameterError, match=r"PathBootstrap.plot_paths: notes names 'zz'"):
        replicates.plot_paths(notes={"zz": "x"})
    for method in (replicates.plot_paths, replicates.paths_table):
        with pytest.raises(ParameterError, match="level must lie between 0 and 1"):
            method(level=95)
    assert not plt.get_fignums()
