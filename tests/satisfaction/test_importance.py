"""Importance and performance: the slope of index on index, planted effects, priorities, and what is refused."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import PathModel
from crm_utils.satisfaction.importance import (
    _regions,
    importance_performance,
    importance_performance_table,
    plot_importance_performance,
)
from crm_utils.satisfaction.index import index_scores, respondent_indices


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def composed_slopes(people, model, target):
    """Total effects on the target from regressions of respondents' indices on those of the predecessors."""
    slopes = {}
    for name in model.constructs:
        sources = list(model.predecessors(name))
        if sources:
            design = np.column_stack([np.ones(len(people)), people[sources]])
            slopes |= zip([(source, name) for source in sources], np.linalg.lstsq(design, people[name])[0][1:],
                          strict=True)  # fmt: skip

    def effect(source):
        if source == target:
            return 1.0
        return sum(slope * effect(end) for (start, end), slope in slopes.items() if start == source)

    return {name: effect(name) for name in model.constructs if name != target and effect(name)}


# Correctness


@pytest.mark.parametrize("target", ["value", "satisfaction", "loyalty"])
def test_importance_is_the_slope_of_index_on_index(survey, small, target):
    results = small.fit(survey(300))
    expected = composed_slopes(respondent_indices(results), small, target)
    assert importance_performance(results, target)["importance"].to_dict() == pytest.approx(expected)


def test_importance_is_the_slope_for_items_on_scales_of_their_own(survey, small):
    data = survey(300)
    data["satisfaction_1"] = 3 * data["satisfaction_1"]
    scale = {item: (3, 30) if item == "satisfaction_1" else (0, 12) for item in small.items}
    results = small.fit(data)
    expected = composed_slopes(respondent_indices(results, scale=scale), small, "loyalty")
    found = importance_performance(results, "loyalty", scale=scale)["importance"]
    assert found.to_dict() == pytest.approx(expected)


def test_ecsi_of_mobi_as_regressions(mobi, ecsi):
    results = ecsi.fit(mobi, scheme="centroid")
    expected = composed_slopes(respondent_indices(results), ecsi, "loyalty")
    found = importance_performance(results, "loyalty")
    assert found["importance"].to_dict() == pytest.approx(expected)
    assert found["performance"].to_dict() == pytest.approx(index_scores(results)["index"].drop("loyalty").to_dict())


def test_consistent_importance_is_free_of_the_error_of_items():
    """True points: 0.5 of b for one of a. Least squares on indices would see half of it, for b's items are noisy."""
    rng = np.random.default_rng(7)
    size = 20_000
    a = rng.normal(scale=2, size=size)
    b = 0.5 * a + rng.normal(size=size)
    columns = {f"a{i}": 10 + a + rng.normal(scale=2.5, size=size) for i in (1, 2, 3)}
    columns |= {f"b{i}": 10 + b + rng.normal(scale=2, size=size) for i in (1, 2, 3)}
    model = PathModel({name: [f"{name}{i}" for i in (1, 2, 3)] for name in "ab"}, [("a", "b")])
    data = pd.DataFrame(columns)
    consistent = importance_performance(model.fit(data, consistent=True), "b", scale=(-10, 30))
    plain = importance_performance(model.fit(data), "b", scale=(-10, 30))
    assert consistent.loc["a", "importance"] == pytest.approx(0.5, abs=0.015)
    assert plain.loc["a", "importance"] < 0.4


def test_items_share_the_importance_of_their_construct(survey, small):
    data = survey(300)
    results = small.fit(data)
    constructs = importance_performance(results, "loyalty")
    items = importance_performance(results, "loyalty", items=True)
    total = items["importance"].groupby("construct").sum()
    assert total.to_dict() == pytest.approx(constructs["importance"].to_dict())
    assert items.loc[("value", "value_2"), "performance"] == pytest.approx(100 * (data["value_2"].mean() - 1) / 9)
    parts = results.unstandardized_weights["value"]
    share = items.loc["value", "importance"] / total["value"]
    assert share[parts.index].to_numpy() == pytest.approx((parts / parts.sum()).to_numpy())


def test_intervals_are_those_of_models_fitted_to_the_rows_drawn(survey, small):
    data = survey(200)
    bootstrap = small.fit(data).bootstrap(20, seed=5)
    found = importance_performance(bootstrap, "loyalty", level=0.9)
    items = importance_performance(bootstrap, "loyalty", items=True, level=0.9)
    again, again_items, firsts = [], [], []
    for child in np.random.SeedSequence(5).spawn(20):
        results = small.fit(data.iloc[np.random.default_rng(child).integers(0, 200, 200)])
        one = importance_performance(results, "loyalty")
        again.append(one)
        again_items.append(importance_performance(results, "loyalty", items=True))
        firsts.append((one["importance"] * (100 - one["performance"])).idxmax())
    for table, drawn in ((found, again), (items, again_items)):
        for axis in ("importance", "performance"):
            together = pd.concat([one[axis] for one in drawn], axis=1).loc[table.index].to_numpy()
            for end, tail in (("low", 0.05), ("high", 0.95)):
                expected = np.quantile(together, tail, axis=1)
                assert table[f"{axis}_{end}"].to_numpy() == pytest.approx(expected, abs=1e-5)
    shares = pd.Series(firsts).value_counts(normalize=True).reindex(found.index, fill_value=0.0)
    assert found["first_share"].to_dict() == pytest.approx(shares.to_dict())


@pytest.fixture
def three():
    """Effects 0.6, 0.3 and −0.4 of constructs of one item each; means 5, 8 and 6."""
    rng = np.random.default_rng(7)
    strong, good, bad = rng.normal([5, 8, 6], 1, size=(400, 3)).T
    goal = 2 + 0.6 * strong + 0.3 * good - 0.4 * bad + rng.normal(scale=0.2, size=400)
    data = pd.DataFrame({"strong": strong, "good": good, "bad": bad, "goal": goal})
    model = PathModel({name: [name] for name in data}, [(name, "goal") for name in ("strong", "good", "bad")])
    return model.fit(data)


def test_regions_and_priorities(three):
    found = importance_performance(three.bootstrap(100, seed=1), "goal", scale=(-5, 20))
    assert found.index.tolist() == ["strong", "good", "bad"]
    assert found["importance"].to_dict() == pytest.approx({"strong": 0.6, "good": 0.3, "bad": -0.4}, abs=0.03)
    assert found["region"].to_dict() == {
        "strong": "work here first", "good": "possible overkill", "bad": "less is better"
    }  # fmt: skip
    assert found["first_share"].to_dict() == {"strong": 1.0, "good": 0.0, "bad": 0.0}


def test_the_first_priority_has_room_to_improve():
    """An effect of 0.5 with a gap of 12 points buys less than 0.3 with 69, or than −0.1 with 88 on the way down."""
    rng = np.random.default_rng(7)
    high, low, bad = rng.normal([18, 0, 18], 1, size=(400, 3)).T
    data = pd.DataFrame({"high": high, "low": low, "bad": bad})
    data["goal"] = 0.5 * high + 0.3 * low - 0.1 * bad + rng.normal(scale=0.2, size=400)
    for left, first in ((["high", "low", "bad"], "low"), (["high", "bad"], "bad")):
        model = PathModel({name: [name] for name in [*left, "goal"]}, [(name, "goal") for name in left])
        found = importance_performance(model.fit(data).bootstrap(100, seed=1), "goal", scale=(-10, 22))
        assert found["first_share"].idxmax() == first


def test_what_is_no_task_is_on_the_map_and_no_priority(survey, small):
    bootstrap = small.fit(survey(300)).bootstrap(200, seed=1)
    every = importance_performance(bootstrap, "loyalty")
    first = every["first_share"].idxmax()
    left = importance_performance(bootstrap, "loyalty", no_task=[first])
    numbers = ["importance", "performance", "importance_low", "performance_high"]
    assert left[numbers].equals(every[numbers])
    assert left.loc[first, "first_share"] == 0
    assert left["first_share"].sum() == pytest.approx(1)
    assert left.loc[first, "region"] == "no task"
    others = left.drop(index=first)
    middle = others[["importance", "performance"]].mean()
    important = others["importance"] >= middle["importance"]
    assert others.loc[important, "region"].isin(["work here first", "keep it up"]).all()
    items = importance_performance(bootstrap, "loyalty", no_task=[first], items=True)
    assert (items.loc[first, "region"] == "no task").all()
    with pytest.raises(ParameterError, match=r"each of no_task must be one of .*did you mean 'quality'"):
        importance_performance(bootstrap, "loyalty", no_task=["qualty"])


def test_where_nothing_is_a_task_nothing_comes_first(three):
    found = importance_performance(
        three.bootstrap(20, seed=1), "goal", scale=(-5, 20), no_task=["strong", "good", "bad"]
    )
    assert found["first_share"].tolist() == [0, 0, 0]
    assert set(found["region"]) == {"no task"}


def test_items_alike_but_for_rounding_are_in_one_region():
    """Ten points of 0.1 and 1.1 have means that differ from them in the last digit."""
    table = pd.DataFrame({"importance": [0.1] * 10, "performance": [1.1] * 10})
    table.loc[3] = [0.1 - 1e-16, 1.1 - 1e-15]
    assert table["importance"].nunique() == 2
    assert set(_regions(table, np.zeros(10, dtype=bool))) == {"keep it up"}
    table.loc[4] = [np.nan, 1.1]
    assert _regions(table, np.zeros(10, dtype=bool))[4] == "not known"


# Consistency


def test_rows_and_units_do_not_matter(survey, small):
    data = survey(200)
    expected = importance_performance(small.fit(data), "loyalty")
    order = np.random.default_rng(1).permutation(200)
    pd.testing.assert_frame_equal(importance_performance(small.fit(data.iloc[order]), "loyalty"), expected)
    moved = importance_performance(small.fit(1 + 4 * (data - 1) / 9), "loyalty", scale=(1, 5))
    pd.testing.assert_frame_equal(moved, expected)


# Input checks


def test_unknown_or_unreachable_targets(survey, small):
    results = small.fit(survey(100))
    with pytest.raises(ParameterError) as caught:
        importance_performance(results, "loyality", level=3)
    assert "did you mean 'loyalty'" in str(caught.value)
    assert "level" in str(caught.value)
    with pytest.raises(ParameterError, match="nothing leads to quality"):
        importance_performance(results, "quality")
    with pytest.raises(ParameterError, match="outside the scale 1 to 5"):
        importance_performance(results, "loyalty", scale=(1, 5))


# Figures


def test_the_map_shows_the_table_without_overlaps(survey, small):
    found = importance_performance(small.fit(survey(300)).bootstrap(50, seed=1), "loyalty", items=True)
    figure, given = plt.subplots(figsize=(7, 5))
    ax = plot_importance_performance(found, target="loyalty", ax=given)
    assert ax is given
    table = importance_performance_table(found)
    assert [text.get_text() for text in ax.texts] == table["item"].tolist()
    points = next(line for line in ax.lines if line.get_marker() == "o")
    assert points.get_xydata() == pytest.approx(found[["importance", "performance"]].to_numpy())
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(one.overlaps(two) for place, one in enumerate(boxes) for two in boxes[:place])
    assert "loyalty" in ax.get_xlabel()
    assert "satisfaction 1" in alt_text(figure)


def test_the_map_without_a_bootstrap(survey, small):
    found = importance_performance(small.fit(survey(100)), "satisfaction")
    assert set(found.index) == {"quality", "value"}
    assert [text.get_text() for text in plot_importance_performance(found).texts] == found.index.tolist()


@pytest.mark.parametrize(
    ("importance", "performance", "region", "text"),
    [
        ([0.3] * 12, [70.0] * 12, "keep it up", "c11 0.30, 70.0"),
        ([0.3], [70.0], "keep it up", "c0 0.30, 70.0."),
        ([0.0, -0.001], [0.0, 0.0], "no task", "c0 0.00, 0.0; c1 0.00, 0.0."),
        ([-0.3, -0.2], [70.0, 60.0], "less is better", "c1 -0.20, 60.0."),
        ([0.3, np.nan], [70.0, np.nan], "keep it up", ": c0 0.30, 70.0."),
        ([], [], "keep it up", "none is known"),
    ],
)
@pytest.mark.parametrize("ends", [False, True])
def test_the_map_is_drawn_whatever_its_points(importance, performance, region, text, ends):
    names = pd.Index([f"c{place}" for place in range(len(importance))], name="construct")
    found = pd.DataFrame({"importance": importance, "performance": performance, "region": region}, names)
    for axis in ("importance", "performance") if ends else ():
        found[f"{axis}_low"] = found[f"{axis}_high"] = found[axis]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot_importance_performance(found)
        ax.figure.draw_without_rendering()
    known = found.dropna(subset=["importance", "performance"])
    assert [label.get_text() for label in ax.texts] == known.index.tolist()
    assert text in alt_text(ax.figure)
    assert "nan" not in alt_text(ax.figure)
