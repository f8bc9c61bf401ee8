"""The rules of measurement, on the published survey and on planted faults."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import Construct, PathModel
from crm_utils.satisfaction.measurement import (
    construct_quality,
    item_quality,
    item_quality_table,
    measurement_text,
    plot_loadings,
    score_agreement_text,
)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def planted():
    """Two constructs that go together as said; loadings as given, by item."""

    def make(loadings, *, size=20_000, correlation=0.5):
        rng = np.random.default_rng(1)
        one = rng.normal(size=size)
        scores = {"x": one, "y": correlation * one + np.sqrt(1 - correlation**2) * rng.normal(size=size)}
        columns = {
            item: loading * scores[item[0]] + np.sqrt(1 - loading**2) * rng.normal(size=size)
            for item, loading in loadings.items()
        }
        blocks = {name: [item for item in loadings if item[0] == name] for name in "xy"}
        return PathModel(blocks, [("x", "y")]), pd.DataFrame(columns)

    return make


GOOD = {"x1": 0.9, "x2": 0.85, "x3": 0.8, "y1": 0.9, "y2": 0.85, "y3": 0.8}


# Correctness


def test_numbers_of_mobi_are_those_of_the_engine(mobi, ecsi):
    """Reference values of the ECSI survey: α of expectation, and the weak third item of loyalty."""
    results = ecsi.fit(mobi, scheme="centroid")
    found = construct_quality(results)
    assert found.loc["expectation", "alpha"] == pytest.approx(0.451903, abs=1e-6)
    assert found[["alpha", "rho_a", "rho_c", "ave"]].equals(results.reliability)
    assert found.loc["satisfaction", "htmt"] == results.htmt["satisfaction"].max()
    assert results.htmt.loc["satisfaction", found.loc["satisfaction", "nearest"]] == found.loc["satisfaction", "htmt"]
    items = item_quality(results)["verdict"]
    assert items["loyalty", "CUSL2"] == "leave out"
    assert items["complaints", "CUSCO"] == "only item"
    assert found.loc["complaints", "verdict"] == "reliability cannot be judged by one item"
    assert found.loc["value", "verdict"] == "sound"
    assert "rho_a 0.46 is below 0.70" in found.loc["expectation", "verdict"]
    assert "ave 0.48 is below 0.50" in found.loc["expectation", "verdict"]


def test_good_items_are_sound_and_kept(planted):
    model, data = planted(GOOD)
    results = model.fit(data)
    assert construct_quality(results)["verdict"].tolist() == ["sound", "sound"]
    assert construct_quality(results)["fornell_larcker"].tolist() == [True, True]
    assert set(item_quality(results)["verdict"]) == {"keep"}


@pytest.mark.parametrize(("loading", "verdict"), [(0.55, "weak"), (0.1, "leave out"), (0.85, "keep")])
def test_a_weak_item_is_found(planted, loading, verdict):
    model, data = planted(GOOD | {"x3": loading})
    found = item_quality(model.fit(data))
    assert found["verdict"]["x", "x3"] == verdict
    assert (found["verdict"].drop(("x", "x3")) == "keep").all()


def test_an_item_in_the_wrong_place_is_found(planted):
    _, data = planted(GOOD | {"x4": 0.9, "x5": 0.9})
    results = PathModel({"x": ["x1", "x2", "x3", "x4", "x5", "y3"], "y": ["y1", "y2"]}, [("x", "y")]).fit(data)
    found = item_quality(results)
    assert found["verdict"]["x", "y3"] == "closer to another construct"
    assert found["nearest"]["x", "y3"] == "y"
    assert found["cross_loading"]["x", "y3"] == results.cross_loadings.loc["y3", "y"]


def test_constructs_that_are_one_are_not_told_apart(planted):
    _, data = planted(GOOD)
    mixed = PathModel({"x": ["x1", "x2"], "y": ["x3", "y1"]}, [("x", "y")])
    assert "hardly told apart from y" in construct_quality(mixed.fit(data))["verdict"]["x"]
    split = PathModel({"x": ["x1", "x2"], "z_2": ["x3"], "y": ["y1", "y2"]}, [("x", "z_2"), ("z_2", "y")])
    assert construct_quality(split.fit(data))["verdict"]["x"] == "sound"


def test_an_interval_of_the_ratio_that_reaches_one_counts(planted):
    model, data = planted(GOOD, size=40, correlation=0.8)
    few = model.fit(data).bootstrap(300, seed=1)
    table = construct_quality(few, level=0.99)
    assert table.loc["x", "htmt"] < 0.9
    assert table.loc["x", "htmt_high"] >= 1
    assert "hardly told apart from y" in table.loc["x", "verdict"]
    assert construct_quality(few.results).loc["x", "verdict"] == "sound"


def test_items_that_say_the_same_twice_are_told(planted):
    model, data = planted(dict.fromkeys(GOOD, 0.99))
    assert "the items say the same thing twice" in construct_quality(model.fit(data))["verdict"]["x"]


def test_intervals_are_those_of_the_bootstrap(mobi, ecsi):
    bootstrap = ecsi.fit(mobi).bootstrap(200, seed=1)
    found = construct_quality(bootstrap, level=0.9)
    pairs = bootstrap.intervals("htmt", level=0.9)
    assert found.loc["image", ["htmt_low", "htmt_high"]].tolist() == pairs.loc[
        ("image", found.loc["image", "nearest"]), ["low", "high"]
    ].tolist()  # fmt: skip
    alphas = bootstrap.intervals("alpha", level=0.9)
    assert found.loc["quality", "alpha_low"] == alphas.loc["quality", "low"]
    items = item_quality(bootstrap, level=0.9)
    assert items["high"].equals(bootstrap.intervals("loadings", level=0.9)["high"].rename("high"))


def test_constructs_of_mode_b_are_held_to_nothing(mobi, ecsi):
    blocks = {**ecsi.constructs, "quality": Construct(ecsi.constructs["quality"].items, mode="B")}
    results = PathModel(blocks, ecsi.paths).fit(mobi)
    found = construct_quality(results)
    assert found.loc["quality", "verdict"] == "formed by its items (mode B): these rules do not apply"
    assert pd.isna(found.loc["quality", "fornell_larcker"])
    assert (item_quality(results)["verdict"]["quality"] == "keep").all()


# Sentences


def said_of(results):
    return measurement_text(construct_quality(results), item_quality(results))


def test_everything_passes_is_said_only_where_everything_was_tested(planted):
    _, data = planted(GOOD)
    whole = PathModel({"x": ["x1", "x2", "x3"], "y": ["y1", "y2", "y3"]}, [("x", "y")]).fit(data)
    assert said_of(whole) == "Every item stands for its construct. Every construct passes the rules."
    part = PathModel({"x": ["x1", "x2", "x3"], "y_1": ["y1"]}, [("x", "y_1")]).fit(data)
    assert said_of(part) == (
        "Every item that was tested stands for its construct. Every construct that was tested passes the rules. "
        "Not tested: y 1 (reliability cannot be judged by one item)."
    )
    formed = Construct(["x1", "x2"], mode="B")
    none = PathModel({"x": formed, "z": ["x3"], "y": ["y1"]}, [("x", "z"), ("z", "y")]).fit(data)
    assert said_of(none) == (
        "No construct can be held to the rules: x (formed by its items (mode B): these rules do not apply); z and y "
        "(reliability cannot be judged by one item)."
    )


def test_what_fails_is_named_in_the_order_of_the_model(planted):
    _, data = planted({"x1": 0.6, "x2": 0.2, "x3": 0.6, "y1": 0.1, "y2": 0.75, "y3": 0.75, "y4": 0.2})
    blocks = {"y": ["y4", "y3", "y2", "y1"], "x": ["x3", "x2", "x1"]}
    results = PathModel(blocks, [("y", "x")]).fit(data)
    quality = item_quality(results)["verdict"]
    poor = [item for _, item in quality.index[quality != "keep"]]
    assert poor == ["y4", "y1", "x2"]
    assert said_of(results) == (
        "Worth a second look: y4, y1 and x2. Not everything passes the rules: y and x. What follows from them is to be "
        "read with that in mind."
    )


@pytest.mark.parametrize(
    ("correlation", "text"),
    [
        (1.0, "are the same to four digits"),
        (1 - 1e-12, "are the same to four digits"),
        (0.99994, "correlate with at least 0.9999"),
        (0.98769, "correlate with at least 0.9876"),
        (-0.5, "correlate with at least -0.5000"),
        (np.nan, "cannot be compared"),
    ],
)
def test_agreement_of_scores_is_rounded_down_and_never_a_correlation_of_one(correlation, text):
    assert score_agreement_text(correlation) == text


# Input checks


@pytest.mark.parametrize("check", [construct_quality, item_quality])
def test_a_level_out_of_range_is_refused(mobi, ecsi, check):
    with pytest.raises(ParameterError, match="level must lie between 0 and 1"):
        check(ecsi.fit(mobi), level=95)


# Figures


def test_the_figure_shows_the_table(mobi, ecsi):
    found = item_quality(ecsi.fit(mobi).bootstrap(50, seed=1))
    _, ax = plt.subplots()
    assert plot_loadings(found, ax=ax) is ax
    table = item_quality_table(found)
    assert ax.containers[0].lines[0].get_xdata().tolist() == table["loading"].tolist()
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow[0].get_xdata()) == (~table["verdict"].isin(["keep", "only item"])).sum()
    assert f"loyalty · CUSL2 {found['loading']['loyalty', 'CUSL2']:.2f}" in alt_text(ax.figure)
    assert ax.get_xlabel()
    assert table.columns.tolist()[:3] == ["construct", "item", "loading"]
