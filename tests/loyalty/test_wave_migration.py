"""Migration between kinds of loyalty: by hand, against pandas, attrition, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.kinds import KIND_NAMES, loyalty_kinds
from crm_utils.loyalty.measures import survey_loyalty
from crm_utils.loyalty.stability import kind_stability
from crm_utils.loyalty.wave_migration import kind_attrition, kind_migration, migration_steps, plot_kind_migration
from crm_utils.plotting import alt_text

ANSWERS = pd.DataFrame(
    [
        ("a", "w1", "true", 2.0), ("b", "w1", "true", 1.0), ("c", "w1", "none", 1.0), ("d", "w1", "latent", 1.0),
        ("a", "w2", "true", 1.0), ("b", "w2", "latent", 1.0), ("c", "w2", "none", 1.0), ("e", "w2", "true", 1.0),
        ("f", "w2", None, 1.0), (None, "w2", "none", 1.0),
        ("a", "w3", "latent", 1.0), ("e", "w3", "true", 1.0), ("d", "w3", "true", 1.0), (None, "w3", "none", 1.0),
        ("c", "w3", None, 1.0),
    ],
    columns=["customer_id", "wave", "loyalty_kind", "weight"],
)  # fmt: skip


@pytest.fixture(scope="module")
def demo_kinds(demo):
    answers = survey_loyalty(demo)
    return loyalty_kinds(answers, attitude_col="stated_loyalty", behaviour_col="share_of_wallet")


# Correctness


def test_moves_by_hand():
    table = kind_migration(ANSWERS).set_index(["before", "after"])
    moves = table.loc[table["moves"] > 0, "moves"].to_dict()
    assert moves == {("true", "true"): 2, ("true", "latent"): 2, ("none", "none"): 1}
    assert table.loc[("true", "true"), "share"] == 0.5
    assert table.loc["spurious", "share"].isna().all()
    assert table.loc["latent", "share"].isna().all()
    assert set(zip(table["from_wave"], table["to_wave"], strict=True)) == {("w1", "w3")}


def test_steps_by_hand():
    """d, who comes back after a wave, is lost in the first step; c answers in w3 without a kind and is lost too."""
    steps = migration_steps(ANSWERS).set_index("step")
    assert steps[["before", "lost", "both", "stayed"]].to_numpy().tolist() == [[4, 1, 3, 2], [4, 2, 2, 1], [8, 3, 5, 3]]
    assert steps["stayed_share"].tolist() == pytest.approx([2 / 3, 1 / 2, 3 / 5])
    assert steps["lost_share"].tolist() == pytest.approx([1 / 4, 1 / 2, 3 / 8])
    ends = proportion_confint(2, 3, method="wilson")
    assert steps.loc["w1 → w2", ["stayed_low", "stayed_high"]].tolist() == pytest.approx(ends)
    by_kind = kind_attrition(ANSWERS).set_index("loyalty_kind")
    assert by_kind["before"].tolist() == [4, 2, 0, 2, 8]
    assert by_kind["lost"].tolist() == [0, 2, 0, 1, 3]
    assert by_kind.loc["all", "lost_share"] == 3 / 8


def test_weights_are_those_of_the_wave_before():
    table = kind_migration(ANSWERS, steps="each", weights_col="weight").set_index(["from_wave", "before", "after"])
    assert table.loc[("w1", "true", "true"), "share"] == pytest.approx(2 / 3)
    assert table.loc[("w2", "true", "true"), "share"] == pytest.approx(1 / 2)


def test_one_step_of_the_demo_is_the_cross_table_of_pandas(demo_kinds):
    table = kind_migration(demo_kinds, steps="each")
    step = table[table["from_wave"] == "2025H1"]
    wide = demo_kinds.assign(kind=demo_kinds["loyalty_kind"].astype(object)).pivot_table(
        index="customer_id", columns="wave", values="kind", aggfunc="first"
    )
    expected = pd.crosstab(wide["2025H1"], wide["2025H2"]).loc[KIND_NAMES, KIND_NAMES]
    assert step["moves"].to_numpy().reshape(4, 4).tolist() == expected.to_numpy().tolist()
    row = step.set_index(["before", "after"]).loc[("latent", "true")]
    ends = proportion_confint(row["moves"], expected.loc["latent"].sum(), method="wilson")
    assert row[["low", "high"]].tolist() == pytest.approx(ends)
    before = wide["2025H1"].notna()
    steps = migration_steps(demo_kinds).set_index("step").loc["2025H1 → 2025H2"]
    assert steps["before"] == before.sum()
    assert steps["lost"] == (before & wide["2025H2"].isna()).sum()


def test_pooled_moves_count_customers_and_not_answers(demo_kinds):
    pooled = kind_migration(demo_kinds).set_index(["before", "after"])
    each = kind_migration(demo_kinds, steps="each").groupby(["before", "after"])["moves"].sum()
    assert pooled["moves"].to_dict() == each.to_dict()
    shares = pooled["share"].groupby("before").sum()
    assert shares.to_numpy() == pytest.approx(1)
    # A customer who stays true from wave to wave is one customer: wider than Wilson for independent moves.
    row, size = pooled.loc[("true", "true")], pooled.loc["true", "moves"].sum()
    low, high = proportion_confint(row["moves"], size, method="wilson")
    assert row["high"] - row["low"] > 1.02 * (high - low)


def test_more_move_in_the_demo_than_errors_of_the_attitude_explain(demo_kinds):
    """Planted: behaviour is asked with noise too, and a fifth of every latent score passes from wave to wave."""
    stayed = migration_steps(demo_kinds).set_index("step").loc["all steps"]
    again = kind_stability(
        demo_kinds, attitude_col="stated_loyalty", behaviour_col="share_of_wallet", attitude_reliability=0.83,
        n_boot=50, seed=7,
    )  # fmt: skip
    assert stayed["stayed_high"] < again["same"].mean() - 0.2
    # More than chance: kinds that were drawn anew would stay as often as two customers have the same kind.
    shares = demo_kinds["loyalty_kind"].value_counts(normalize=True)
    assert stayed["stayed_low"] > (shares**2).sum() + 0.1


def test_answering_again_does_not_hang_on_the_kind_in_the_demo(demo_kinds):
    """Planted: who answers depends on age and channel, and hardly on loyalty."""
    table = kind_attrition(demo_kinds).set_index("loyalty_kind")
    assert (table["lost_share"] - table.loc["all", "lost_share"]).abs().max() < 0.04


# Consistency


def test_the_order_of_rows_decides_nothing_and_inputs_stay():
    before = ANSWERS.copy()
    found = [kind_migration(ANSWERS, weights_col="weight"), migration_steps(ANSWERS), kind_attrition(ANSWERS)]
    turned = ANSWERS[::-1]
    again = [kind_migration(turned, weights_col="weight"), migration_steps(turned), kind_attrition(turned)]
    for one, other in zip(found, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(ANSWERS, before)


def test_waves_of_a_categorical_keep_their_order():
    waves = pd.Categorical(
        ANSWERS["wave"].map({"w1": "spring", "w2": "autumn", "w3": "next"}), ["spring", "autumn", "next"]
    )
    named = migration_steps(ANSWERS.assign(wave=waves))
    assert named["step"].tolist() == ["spring → autumn", "autumn → next", "all steps"]
    pd.testing.assert_frame_equal(named.drop(columns="step"), migration_steps(ANSWERS).drop(columns="step"))


# What is refused


def test_refused():
    twice = pd.concat([ANSWERS, ANSWERS.iloc[[0]]], ignore_index=True).drop(columns="weight")
    with pytest.raises(ParameterError) as caught:
        kind_migration(twice, steps="all", weights_col="weight", level=0)
    for part in (
        "4 problems",
        "level must lie",
        "steps must be 'pooled' or 'each', and is 'all'",
        "lacks the column weight",
        "1 rows are a second answer of a customer in one wave (rows 15)",
    ):
        assert part in str(caught.value)
    with pytest.raises(ParameterError, match="lacks the columns wave, loyalty_kind"):
        migration_steps(ANSWERS[["customer_id"]])
    with pytest.raises(DataFloorError, match="answers of at least 2 waves; there is 1"):
        kind_attrition(ANSWERS.iloc[:4])
    apart = ANSWERS.iloc[:6].assign(customer_id=list("abcdef"))
    assert migration_steps(apart)["lost"].tolist() == [4, 4]
    assert np.isnan(migration_steps(apart)["stayed_share"]).all()
    with pytest.raises(DataFloorError, match="a kind in two waves that follow each other"):
        kind_migration(apart)


# Figure


def test_the_figure_shows_the_shares():
    import matplotlib.pyplot as plt

    given_ax = plt.figure().add_subplot()
    ax = plot_kind_migration(kind_migration(ANSWERS), ax=given_ax)
    assert ax is given_ax
    assert [label.get_text() for label in ax.get_xticklabels()] == ["true", "latent", "spurious", "none"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["true (4)", "none (1)"]
    drawn = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
    assert drawn == {(0, 0): "50%", (1, 0): "50%", (3, 1): "100%"}
    assert "3 of 5 kept their kind" in alt_text(ax.figure)
    with pytest.raises(ParameterError, match=r"one step \(16 rows\), and has 32 rows"):
        plot_kind_migration(kind_migration(ANSWERS, steps="each"))
