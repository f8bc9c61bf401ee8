"""Composite loyalty: by hand, alphas of other code, its bounds and monotonicity, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from crm_utils.company import load_truth
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.composite import (
    composite_loyalty,
    composite_parts,
    composite_reliability,
    composite_table,
    plot_composite,
)
from crm_utils.plotting import alt_text
from crm_utils.satisfaction import reliability_of

NAMES = ["trust", "nps", "share_of_wallet"]
MEASURES = pd.DataFrame(
    {
        "trust": [2.0, 4.0, 6.0, 8.0, None],
        "nps": [0.0, 10.0, 5.0, 10.0, 8.0],
        "share_of_wallet": [10.0, 30.0, 90.0, 50.0, 70.0],
        "recency_days": [400.0, 40.0, 90.0, 10.0, 200.0],
    }
)


@pytest.fixture
def people():
    """Three measures of 120 customers of unequal weight, each asked one to three times."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(120), rng.integers(1, 4, 120))
    mood = rng.normal(size=120)[person]
    values = mood[:, None] * [1.0, 0.8, 0.6] + rng.normal(size=(len(person), 3)) * [0.6, 1.0, 1.2]
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    return frame.assign(customer_id=person, weight=rng.gamma(4, 0.25, 120)[person])


# Correctness


def test_the_composite_by_hand():
    bounds = {"trust": (0, 10), "recency_days": (0, 200)}
    found = composite_loyalty(
        MEASURES, ["trust", "recency_days"], bounds=bounds, measure_weights={"recency_days": 1, "trust": 3}
    )
    # The first customer's recency lies beyond the end: (3 · 20 + 0)/4.
    assert found.tolist() == pytest.approx([15, 50, 58.75, 83.75, np.nan], nan_ok=True)
    some = composite_loyalty(MEASURES, ["trust", "recency_days"], bounds=bounds, fewest_measures=1)
    assert some.tolist() == pytest.approx([10, 60, 57.5, 87.5, 0])


def test_ends_are_percentiles_and_extremes_where_these_are_equal():
    values = np.r_[np.arange(100.0), 1e6]
    measures = pd.DataFrame({"a": values, "b": np.r_[np.zeros(100), 3.0]})
    parts = composite_parts(measures, ["a", "b"]).set_index("measure")
    assert parts.loc["a", ["at_0", "at_100"]].tolist() == np.percentile(values, [5, 95]).tolist()
    assert parts.loc["b", ["at_0", "at_100"]].tolist() == [0, 3]
    scores = composite_loyalty(measures, ["a"])
    assert scores.iloc[[0, 5, 50, 95, 100]].tolist() == pytest.approx([0, 0, 50, 100, 100])


def test_parts_tell_how_measures_go_together():
    parts = composite_parts(MEASURES, NAMES, measure_weights={"trust": 2, "nps": 1, "share_of_wallet": 1})
    assert parts["weight"].tolist() == [0.5, 0.25, 0.25]
    assert parts["customers"].tolist() == [4, 5, 5]
    z = [composite_loyalty(MEASURES, [name]) for name in NAMES]
    there = z[0].notna()
    rest = (z[0] * 2 + z[1])[there]
    assert parts["rest_correlation"].iloc[2] == pytest.approx(np.corrcoef(z[2][there], rest)[0, 1])
    assert parts["mean"].tolist() == pytest.approx([scores.mean() for scores in z])
    assert composite_parts(MEASURES, ["nps"])["rest_correlation"].isna().all()


def test_alpha_of_a_published_covariance():
    """The example in the documentation of Julia's StatsBase.cronbachalpha: .8136."""
    covariance = np.full((4, 4), 6.0) + np.diag([4.0, 5, 6, 7])
    noise = np.random.default_rng(7).normal(size=(50, 4))
    noise -= noise.mean(axis=0)
    data = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T @ np.linalg.cholesky(covariance).T
    frame = pd.DataFrame(data, columns=list("abcd"))
    found = composite_reliability(frame, list("abcd"), bounds=dict.fromkeys("abcd", (-100, 100)))
    assert found.loc["all", "alpha"] == pytest.approx(0.8136, abs=5e-5)


def test_alpha_and_its_interval_are_those_of_the_chapter_on_satisfaction(people):
    """The weighted parts are items, and their alpha with weights and clusters is `reliability_of` them."""
    bounds = {"a": (-9, 9), "b": (-9, 9), "c": (-9, 9)}
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    found = composite_reliability(
        people, list("abc"), bounds=bounds, measure_weights=weights, weights_col="weight", level=0.9
    ).loc["all"]
    items = people[["a", "b", "c"]] * pd.Series(weights)
    other = reliability_of(items, list("abc"), weights=people["weight"], clusters=people["customer_id"], level=0.9).loc[
        "all"
    ]
    columns = ["alpha", "std_error", "low", "high"]
    assert found[columns].tolist() == pytest.approx(other[columns].tolist(), abs=1e-6)
    assert found[["customers", "missing"]].tolist() == [120, 0]


def test_the_error_of_alpha_is_that_of_resampled_people(people):
    bounds = dict.fromkeys("abc", (-9, 9))
    found = composite_reliability(people, list("abc"), bounds=bounds, weights_col="weight").loc["all"]
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1000):
        counts = np.bincount(rng.integers(0, 120, 120), minlength=120)[people["customer_id"]]
        covariance = np.cov(people[["a", "b", "c"]].T, aweights=counts * people["weight"])
        drawn.append(1.5 * (1 - np.trace(covariance) / covariance.sum()))
    assert found["std_error"] == pytest.approx(np.std(drawn), rel=0.1)
    assert found[["low", "high"]].tolist() == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_the_mean_of_groups_is_students_without_weights():
    scores = pd.Series([20.0, 40.0, 90.0, 70.0, None, 95.0], name="loyalty")
    region = pd.Series(["n", "n", "s", "s", "s", None], name="region")
    found = composite_table(scores, by=region, level=0.8)
    assert found.index.name == "region"
    assert found["loyalty"].to_dict() == {"n": 30, "s": 80}
    ends = t.interval(0.8, 1, 30, scores[:2].sem())
    assert found.loc["n", ["low", "high"]].tolist() == pytest.approx([max(ends[0], 0), ends[1]])
    assert found.loc["s", "missing"] == 1
    assert composite_table(scores, by=region, level=0.999)[["low", "high"]].to_numpy().tolist() == [[0, 100], [0, 100]]
    weighted = composite_table(scores, by=region, weights=[3, 1, 1, 1, 1, 1], clusters=list("aabcde"))
    assert weighted.loc["n", ["loyalty", "customers"]].tolist() == [25, 1]
    assert np.isnan(weighted.loc["n", "low"])


def test_the_composite_finds_the_planted_loyalty_of_the_demo_better_than_its_parts(demo_measures):
    """Planted lasting loyalty, of which each answer shows a part: .46, .60, .66, and .76 together."""
    names = ["fault_tolerance", "share_of_wallet", "price_tolerance", "nps"]
    lasting = load_truth().tables["customers"].set_index("customer_id")["loyalty"]
    planted = demo_measures["customer_id"].map(lasting)

    def found(some):
        return composite_loyalty(demo_measures, some).corr(planted)

    assert [found([name]) for name in names[:3]] == pytest.approx([0.46, 0.60, 0.66], abs=0.01)
    assert found(names) == pytest.approx(0.756, abs=0.01)


# Consistency

numbers = st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=12)


@given(numbers, numbers, st.integers(0, 3), st.floats(0.01, 100), st.booleans())
@settings(max_examples=150, deadline=None)
def test_scores_stay_inside_and_do_not_fall_when_a_measure_rises(first, second, place, more, robust):
    size = min(len(first), len(second))
    frame = pd.DataFrame({"a": first[:size], "b": second[:size]}).round(2)
    if frame.nunique().min() < 2:
        return
    options = {} if robust else {"bounds": {"a": (-100, 400), "b": (-500, 600)}}
    before = composite_loyalty(frame, ["a", "b"], **options)
    assert before.between(0, 100).all()
    raised = frame.copy()
    raised.loc[place, "a"] += more
    if raised["a"].nunique() < 2:
        return
    after = composite_loyalty(raised, ["a", "b"], **options)
    assert after[place] >= before[place] - 1e-9
    lower = composite_loyalty(raised, ["a", "b"], lower_is_better=["a"], **options)
    assert lower[place] <= composite_loyalty(frame, ["a", "b"], lower_is_better=["a"], **options)[place] + 1e-9


@given(st.floats(0.01, 50), st.floats(-100, 100), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_units_and_the_order_of_rows_do_not_matter(factor, shift, random):
    names = [*NAMES, "recency_days"]
    found = composite_loyalty(MEASURES, names, fewest_measures=2)
    moved = MEASURES.assign(trust=MEASURES["trust"] * factor + shift, recency_days=MEASURES["recency_days"] / 7)
    shuffled = moved.sample(frac=1, random_state=random.randint(0, 999))
    again = composite_loyalty(shuffled, names, fewest_measures=2)
    assert again.loc[MEASURES.index].to_numpy() == pytest.approx(found.to_numpy(), abs=1e-6)


def test_equal_weights_of_any_size_are_the_default():
    before = MEASURES.copy()
    found = composite_loyalty(MEASURES, NAMES)
    assert composite_loyalty(MEASURES, NAMES, measure_weights=dict.fromkeys(NAMES, 7)).tolist() == pytest.approx(
        found.tolist(), nan_ok=True
    )
    pd.testing.assert_frame_equal(MEASURES, before)


# What is refused


def test_all_problems_at_once():
    bad = MEASURES.assign(trust=["a"] * 5, nps=np.inf)
    with pytest.raises(ParameterError) as caught:
        composite_loyalty(
            bad, NAMES, measure_weights={"trust": 1, "nps": 0, "share_of_wallet": 1},
            bounds={"nps": (5, 5), "x": (0, 1)}, percentiles=(50, 5), fewest_measures=4,
        )  # fmt: skip
    for part in (
        "7 problems",
        "fewest_measures is 4, and there are 3 measures",
        "measure_weights must give each of",
        "bounds name x",
        "bounds of nps must be two numbers, the lower one first",
        "percentiles must be two numbers",
        "trust must be numbers",
        "nps has 5 infinite values",
    ):
        assert part in str(caught.value)


def test_a_measure_that_tells_nothing_is_refused():
    same = MEASURES.assign(nps=7.0, empty=np.nan)
    with pytest.raises(ParameterError) as caught:
        composite_loyalty(same, ["nps", "empty", "trust"])
    assert "nps is 7 for every customer and tells nothing; leave it out, or give its bounds" in str(caught.value)
    assert "empty has no value and tells nothing" in str(caught.value)
    assert composite_loyalty(same, ["nps"], bounds={"nps": (0, 10)}).tolist() == [70] * 5


def test_unusable_designs_are_refused(people):
    with pytest.raises(ParameterError) as caught:
        composite_reliability(people.assign(weight=-1.0), ["a"], weights_col="weight", level=2)
    for part in ("3 problems", "at least 2 measures", "weight must be 0 or more", "level must lie"):
        assert part in str(caught.value)
    with pytest.raises(DataFloorError, match="at least 2 customers with all measures; there are 1"):
        composite_reliability(people.iloc[:1], ["a", "b"], bounds={"a": (-9, 9), "b": (-9, 9)})
    few = composite_reliability(people.iloc[:15], ["a", "b"]).loc["all"]
    assert np.isfinite(few["alpha"])
    assert np.isnan(few["low"])
    with pytest.raises(ParameterError, match="by must have one value for each of the 3 scores, and has 2"):
        composite_table(pd.Series([1.0, 2, 3]), by=["a", "b"])
    with pytest.raises(DataFloorError, match="customers with a score"):
        composite_table(pd.Series([np.nan, np.nan]))


# Figure


def test_the_figure_shows_the_table():
    import matplotlib.pyplot as plt

    table = composite_table(pd.Series([20.0, 40.0, 90.0, 70.0]), by=["n", "n", "$s", "$s"])
    given_ax = plt.figure().add_subplot()
    ax = plot_composite(table, ax=given_ax)
    assert ax is given_ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$s (2)", "n (2)"]
    assert ax.lines[0].get_xdata().tolist() == table["loyalty"].tolist()
    assert [text.get_text() for text in ax.texts] == ["80.0", "30.0"]
    assert "from 30.0 (n) to 80.0 ($s)" in alt_text(ax.figure)
