"""Evidence: weights by hand, the waterfall of a scored pair, and figures that draw what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify.evidence import (
    plot_level_weights,
    plot_match_weights,
    plot_waterfall,
    score_by_hand,
    waterfall,
)
from crm_utils.plotting import alt_text


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture(scope="module")
def pair(linked):
    """Two records whose evidence speaks on both sides."""
    weights = linked.pairs.filter(regex=r"^weight_")
    return linked.pairs[(weights.min(axis=1) < -1) & (weights.max(axis=1) > 5)].iloc[0]


def test_two_fields_by_hand_in_powers_of_two():
    """Odds 1 : 1024, then ×16 for the name, ÷4 for the date: 2^−10 · 2^4 · 2^−2 = 2^−8, and so 1/257."""
    found = score_by_hand({"name": (15 / 16, 15 / 256, True), "birth date": (7 / 8, 1 / 2, False)}, prior=1 / 1025)
    assert found["evidence"].tolist() == ["prior", "name", "birth date"]
    assert found["seen"].tolist() == ["", "agrees", "differs"]
    np.testing.assert_allclose(found["weight"], [-10, 4, -2])
    np.testing.assert_allclose(found["total_weight"], [-10, -6, -8])
    np.testing.assert_allclose(found["match_probability"], [1 / 1025, 1 / 65, 1 / 257])


def test_by_hand_equals_bayes_rule():
    """P(match | seen) = λ Π P(seen | match) / (λ Π P(seen | match) + (1 − λ) Π P(seen | other)), written out."""
    fields = {"sex": (0.95, 0.5, True), "month": (0.9, 1 / 12, True), "name": (0.85, 0.01, False)}
    match, other = 0.95 * 0.9 * (1 - 0.85), 0.5 / 12 * (1 - 0.01)
    expected = 0.02 * match / (0.02 * match + 0.98 * other)
    assert score_by_hand(fields, prior=0.02)["match_probability"].iloc[-1] == pytest.approx(expected)


def test_without_fields_the_prior_remains():
    assert score_by_hand({}, prior=0.25)["match_probability"].tolist() == pytest.approx([0.25])


def test_impossible_probabilities_are_said_at_once():
    with pytest.raises(ParameterError) as error:
        score_by_hand({"name": (1.0, 0.1, True), "date": (0.9, 0.0, False)}, prior=-1)
    for part in ("prior must lie between 0 and 1, and is -1", "m of name", "u of date"):
        assert part in str(error.value)
    assert "u of name" not in str(error.value)


def test_the_waterfall_ends_at_the_pairs_weight(linked, pair):
    table = waterfall(linked, pair["record_id_l"], pair["record_id_r"])
    assert table["evidence"].tolist() == ["prior", "name", "birth_date", "email", "contact", "gender"]
    assert table["total_weight"].iloc[-1] == pytest.approx(pair["match_weight"], abs=1e-6)
    assert table["match_probability"].iloc[-1] == pytest.approx(pair["match_probability"], abs=1e-9)
    assert table["match_probability"].iloc[0] == pytest.approx(linked.prior)
    assert table["seen"].iloc[1:].tolist() == [str(pair[f"level_{name}"]) for name in table["evidence"].iloc[1:]]
    np.testing.assert_allclose(table["total_weight"], table["weight"].cumsum())


def test_the_waterfall_takes_the_records_in_either_order(linked, pair):
    left, right = pair["record_id_l"], pair["record_id_r"]
    pd.testing.assert_frame_equal(waterfall(linked, left, right), waterfall(linked, right, left))


@pytest.mark.parametrize("other", ["nobody", "same"])
def test_a_pair_that_was_not_scored_is_refused(linked, pair, other):
    left = pair["record_id_l"]
    with pytest.raises(ParameterError, match="were not scored together"):
        waterfall(linked, left, left if other == "same" else other)


def test_the_drawn_waterfall_equals_its_table(linked, pair, ax):
    table = waterfall(linked, pair["record_id_l"], pair["record_id_r"])
    assert plot_waterfall(table, ax=ax) is ax
    bars = ax.patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], [*table["weight"], table["total_weight"].iloc[-1]])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in bars[:-1]], table["total_weight"])
    low, high = ax.get_xlim()
    assert low <= table["total_weight"].min()
    assert high >= table["total_weight"].max()
    total = f"{table['total_weight'].iloc[-1]:+.1f}"
    assert [text.get_text() for text in ax.texts][-1] == total.replace("-", "−")
    assert alt_text(ax.figure).endswith(f"sum {total} bits.")


def test_the_histogram_counts_every_pair_on_its_side_of_the_threshold(linked, ax):
    assert plot_match_weights(linked, ax=ax) is ax
    cut = np.log2(0.9 / 0.1)
    weight = linked.pairs["match_weight"]
    below, above = ([bar for bar in bars if bar.get_height()] for bars in ax.containers)
    assert sum(bar.get_height() for bar in below) == (weight < cut).sum()
    assert sum(bar.get_height() for bar in above) == (weight >= cut).sum()
    assert max(bar.get_x() + bar.get_width() for bar in below) <= cut + 1e-9
    assert min(bar.get_x() for bar in above) >= cut - 1e-9
    assert ax.lines[0].get_xdata()[0] == pytest.approx(cut)
    assert f"{len(weight):,} pairs; {(weight >= cut).sum():,} lie above" in alt_text(ax.figure)


def test_level_weights_are_drawn_but_for_levels_that_weigh_nothing(linked, ax):
    assert plot_level_weights(linked, ax=ax) is ax
    drawn = linked.model[linked.model["weight"].abs() > 0.001]
    assert len(drawn) < len(linked.model)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], drawn["weight"])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == [f"{row.comparison}: {row.level}" for row in drawn.itertuples()]
    assert "birth_date: same +" in alt_text(ax.figure)


def test_figures_of_their_own(linked, pair):
    for drawn in (
        plot_waterfall(score_by_hand({"name": (0.9, 0.1, True)}, prior=0.1)),
        plot_match_weights(linked),
        plot_level_weights(linked),
    ):
        assert drawn.get_xlabel()
        assert drawn.get_title()
        plt.close(drawn.figure)
