"""The figure layer: alternative text, stable bytes, nothing left open."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_utils.plotting import alt_text, describe, figure_svg, new_axes, show_figure


@pytest.fixture
def axes():
    ax = new_axes(None)
    ax.plot([1, 2, 3])
    yield ax
    plt.close(ax.figure)


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
