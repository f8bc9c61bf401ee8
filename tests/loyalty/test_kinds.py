"""Four kinds of loyalty: cuts by hand, size and value, what was planted, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_truth
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.kinds import (
    KIND_NAMES,
    LOYALTY_KINDS,
    kinds_table,
    loyalty_kinds,
    plot_kinds,
    programme_reading,
)
from crm_utils.plotting import alt_text

BOTH = {"attitude_col": "trust", "behaviour_col": "purchases"}
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": list("abcdefgh"),
        "trust": [9, 8, 7, 6, 5, 3, 2, None],
        "purchases": [7, 1, 6, 8, 2, 5, 1, 4],
        "margin": [60.0, 10, 30, 25, 5, 35, 5, 99],
        "weight": [1.0, 2, 1, 1, 1, 1, 1, 1],
    }
)


@pytest.fixture
def classed():
    return loyalty_kinds(CUSTOMERS, attitude_cut=6, behaviour_cut=5, **BOTH)


def cut_of(values, rule, **options):
    frame = pd.DataFrame({"trust": values, "purchases": range(len(values)), **options})
    weights = "weight" if options else None
    return loyalty_kinds(frame, attitude_cut=rule, weights_col=weights, **BOTH).attrs["cuts"]["trust"]


# Correctness


def test_the_four_kinds_by_hand(classed):
    """Dick & Basu (1994), figure 2, with attitude from 6 and five purchases on."""
    assert classed["loyalty_kind"].tolist()[:7] == ["true", "latent", "true", "true", "none", "spurious", "none"]
    assert pd.isna(classed["loyalty_kind"].iloc[7])
    assert classed.attrs["cuts"] == {"trust": 6, "purchases": 5}
    assert classed["loyalty_kind"].cat.categories.tolist() == ["true", "latent", "spurious", "none"]
    assert [kind.chinese for kind in LOYALTY_KINDS] == ["忠诚", "潜在忠诚", "虚假忠诚", "不忠诚"]


@pytest.mark.parametrize(
    ("values", "rule", "cut"),
    [
        ([1, 2, 3, 4], "median", 2.5),
        ([1, 2, 3, 4, 50], "median", 3),
        ([1, 2, 3, 4, 50], "mean", 12),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "top 30%", 7.5),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "top 12.5 %", 9),
        ([1, 2, 3, 4], 3.5, 3.5),
        # Nobody lies below the median: then those above it are high.
        ([0, 0, 0, 2, 5], "median", 2),
    ],
)
def test_cuts(values, rule, cut):
    assert cut_of(values, rule) == pytest.approx(cut)


def test_weighted_cuts_are_those_of_repeated_customers():
    rng = np.random.default_rng(7)
    values, weights = rng.normal(size=60).round(1), rng.integers(1, 5, 60)
    for rule in ("median", "mean", "top 20%"):
        assert cut_of(values, rule, weight=weights) == pytest.approx(cut_of(np.repeat(values, weights), rule))
    assert cut_of(np.repeat(values, weights), "median") == pytest.approx(np.median(np.repeat(values, weights)))


def test_a_customer_without_weight_moves_no_cut_and_has_no_kind():
    frame = CUSTOMERS.assign(weight=[0.0, *[1] * 7])
    found = loyalty_kinds(frame, weights_col="weight", **BOTH)
    rest = loyalty_kinds(CUSTOMERS.iloc[1:], **BOTH)
    assert found.attrs["cuts"] == rest.attrs["cuts"]
    assert found["loyalty_kind"].tolist()[1:7] == rest["loyalty_kind"].tolist()[:6]
    assert pd.isna(found["loyalty_kind"].iloc[0])


def test_size_and_value_by_hand(classed):
    table = kinds_table(classed, value_col="margin").set_index("loyalty_kind")
    assert table["customers"].tolist() == [3, 1, 1, 2]
    assert table["share"].tolist() == pytest.approx([3 / 7, 1 / 7, 1 / 7, 2 / 7])
    ends = proportion_confint(3, 7, method="wilson")
    assert table.loc["true", ["low", "high"]].tolist() == pytest.approx(ends)
    assert table["mean_value"].tolist() == pytest.approx([115 / 3, 10, 35, 5])
    assert table["value_share"].tolist() == pytest.approx(np.array([115, 10, 35, 10]) / 170)
    assert kinds_table(classed).attrs["missing"] == 1
    weighted = kinds_table(classed, value_col="margin", weights_col="weight").set_index("loyalty_kind")
    assert weighted["share"].tolist() == pytest.approx([3 / 8, 2 / 8, 1 / 8, 2 / 8])
    assert weighted.loc["latent", "value_share"] == pytest.approx(20 / 180)


def test_rows_of_one_customer_count_as_one(classed):
    again = pd.concat([classed.iloc[:7]] * 3, ignore_index=True)
    once, thrice = kinds_table(classed), kinds_table(again)
    assert thrice["customers"].tolist() == once["customers"].tolist()
    assert thrice[["low", "high"]].to_numpy() == pytest.approx(once[["low", "high"]].to_numpy(), abs=0.06)
    assert (kinds_table(again.drop(columns="customer_id"))["low"] > once["low"]).all()


def test_the_distance_of_values_is_welchs_difference(demo_measures):
    value = demo_measures.assign(value=demo_measures["purchase_days"].fillna(0))
    found = loyalty_kinds(value, attitude_col="trust", behaviour_col="share_of_wallet")
    reading = programme_reading(found, value_col="value").set_index("loyalty_kind")
    of = {name: found.loc[found["loyalty_kind"] == name, "value"] for name in KIND_NAMES}
    test = ttest_ind(of["true"], of["latent"], equal_var=False)
    assert reading.loc["latent", "distance"] == pytest.approx(of["true"].mean() - of["latent"].mean())
    ends = test.confidence_interval()
    assert reading.loc["latent", ["distance_low", "distance_high"]].tolist() == pytest.approx(list(ends), rel=0.01)
    assert reading.loc["none", "distance"] == pytest.approx(of["spurious"].mean() - of["none"].mean())
    assert reading.loc[["true", "spurious"], "distance"].isna().all()
    assert reading["movable"].tolist() == ["hardly", "perhaps", "perhaps", "hardly"]
    table = kinds_table(found, value_col="value").set_index("loyalty_kind")
    pd.testing.assert_frame_equal(
        reading[["share", "low", "high", "mean_value"]], table[["share", "low", "high", "mean_value"]]
    )
    note = programme_reading(found, value_col="value").attrs["note"]
    assert "no effect of points" in note
    assert "Only an experiment" in note


def test_kinds_of_the_demo_order_the_planted_loyalty(demo_measures):
    """Planted: share of wallet and stated loyalty both follow loyalty, so that both together tell most."""
    found = loyalty_kinds(demo_measures, attitude_col="stated_loyalty", behaviour_col="share_of_wallet")
    lasting = load_truth().tables["customers"].set_index("customer_id")["loyalty"]
    means = found["customer_id"].map(lasting).groupby(found["loyalty_kind"], observed=True).mean()
    assert means.loc[["true", "latent", "spurious", "none"]].is_monotonic_decreasing
    assert means["true"] - means["none"] == pytest.approx(1.58, abs=0.05)


# Consistency


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30),
    st.sampled_from(["median", "mean", "top 30%"]),
    st.floats(0.1, 20),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_units_and_the_order_of_rows_do_not_matter(pairs, rule, factor, random):
    frame = pd.DataFrame(pairs, columns=["trust", "purchases"])
    if frame.nunique().min() < 2:
        return
    options = BOTH | {"attitude_cut": rule, "behaviour_cut": rule}
    found = loyalty_kinds(frame, **options)["loyalty_kind"]
    # By powers of two, which rounding does not touch.
    scaled = frame.assign(trust=frame["trust"] * 2.0 ** round(factor)).sample(
        frac=1, random_state=random.randint(0, 99)
    )
    assert loyalty_kinds(scaled, **options)["loyalty_kind"].loc[frame.index].tolist() == found.tolist()
    if len(found.unique()) > 1:
        assert kinds_table(loyalty_kinds(frame, **options))["share"].sum() == pytest.approx(1)


def test_inputs_stay(classed):
    before, kinds = CUSTOMERS.copy(), classed.copy()
    loyalty_kinds(CUSTOMERS, **BOTH)
    programme_reading(classed, value_col="margin")
    plot_kinds(classed, **BOTH)
    pd.testing.assert_frame_equal(CUSTOMERS, before)
    pd.testing.assert_frame_equal(classed, kinds)


# What is refused


def test_all_problems_at_once():
    with pytest.raises(ParameterError) as caught:
        loyalty_kinds(
            CUSTOMERS.assign(trust="high"), attitude_cut="top 0%", behaviour_cut="middle", weights_col="mass", **BOTH
        )
    for part in (
        "4 problems",
        "'median', 'mean' or such as 'top 30%', and is 'top 0%'",
        "and is 'middle'",
        "lacks the column mass",
        "trust must be numbers, and 8 values are no numbers (rows 0, 1, 2, …: 'high')",
    ):
        assert part in str(caught.value)
    with pytest.raises(ParameterError, match="must be two columns"):
        loyalty_kinds(CUSTOMERS, attitude_col="trust", behaviour_col="trust")
    with pytest.raises(ParameterError, match=r"purchases lies on one side of the cut 100 for every customer \(100\)"):
        loyalty_kinds(CUSTOMERS, behaviour_cut=100, **BOTH)
    with pytest.raises(DataFloorError, match="customers with both trust and purchases; there is none"):
        loyalty_kinds(CUSTOMERS.iloc[7:], **BOTH)


def test_tables_refuse_what_they_cannot_use(classed):
    with pytest.raises(ParameterError) as caught:
        kinds_table(CUSTOMERS, value_col="profit", level=0)
    for part in ("3 problems", "lacks the column loyalty_kind", "lacks the column profit", "level must lie"):
        assert part in str(caught.value)
    with pytest.raises(DataFloorError, match="customers with a kind"):
        kinds_table(classed.iloc[7:])
    with pytest.raises(ParameterError, match="the kinds were made of trust and purchases, not of trust and margin"):
        plot_kinds(classed, attitude_col="trust", behaviour_col="margin")


# Figure


def test_the_figure_shows_the_shares_and_the_cuts(classed):
    import matplotlib.pyplot as plt

    given_ax = plt.figure().add_subplot()
    ax = plot_kinds(classed, attitude_label="Trust $", ax=given_ax, **BOTH)
    assert ax is given_ax
    assert {text.get_text() for text in ax.texts} == {"true: 43%", "latent: 14%", "spurious: 14%", "none: 29%"}
    # A value at the cut is high, so the line lies between it and the value below.
    assert ax.lines[0].get_xdata() == [3.5, 3.5]
    assert ax.lines[1].get_ydata() == [5.5, 5.5]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("purchases", "Trust $")
    sizes = [len(cloud.get_offsets()) for cloud in ax.collections]
    assert sizes == kinds_table(classed)["customers"].tolist()
    true = np.asarray(ax.collections[0].get_offsets())
    assert (true[:, 0] > 3.5).all()
    assert (true[:, 1] > 5.5).all()
    assert "true 43%, latent 14%, spurious 14%, none 29%" in alt_text(ax.figure)


def test_of_many_customers_a_thousand_are_drawn(demo_measures):
    found = loyalty_kinds(demo_measures, attitude_col="trust", behaviour_col="share_of_wallet")
    ax = plot_kinds(found, attitude_col="trust", behaviour_col="share_of_wallet")
    assert sum(len(cloud.get_offsets()) for cloud in ax.collections) == 1000
    assert ax.get_xlabel() == "share of wallet (per cent)"
    assert f"1,000 of {found['loyalty_kind'].notna().sum():,} customers" in alt_text(ax.figure)
