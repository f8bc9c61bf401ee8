import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.value import (
    RFM_CLASSES,
    migration_table,
    next_period_outcome,
    plot_migration,
    plot_next_period,
    rfm,
    segment_migration,
)


def classed(**classes):
    return pd.DataFrame({"customer_id": list(classes), "kind": list(classes.values())})


BEFORE = classed(a="x", b="x", c="x", d="y", e="y")
AFTER = classed(b="y", a="x", d="y", f="x", g="z", c="x")

assignments = st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.sampled_from(["u", "v", "w"]), min_size=1)


class TestMigration:
    def test_counts_by_hand(self):
        matrix = segment_migration(BEFORE, AFTER, by="kind")
        assert matrix.index.tolist() == ["x", "y", "z", "new"]
        assert matrix.columns.tolist() == ["x", "y", "z", "gone"]
        assert matrix.to_numpy().tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 0]]

    def test_shares_by_hand_in_both_directions(self):
        matrix = segment_migration(BEFORE, AFTER, by="kind")
        went = migration_table(matrix).set_index(["before", "after"])
        assert went.loc[("x", "y"), "share"] == pytest.approx(1 / 3)
        assert went.loc[("z", "x"), ["share", "low", "high"]].isna().all()
        came = migration_table(matrix, normalize="after").set_index(["before", "after"])
        assert came.loc[("x", "y"), "share"] == pytest.approx(1 / 2)
        assert came.loc[("new", "z"), "share"] == pytest.approx(1)

    def test_interval_is_wilson_as_published(self):
        # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263 gives .2553 to .3662, 0 of 20 gives
        # .0000 to .1611.
        before = pd.DataFrame({"customer_id": range(283), "kind": ["p"] * 263 + ["q"] * 20})
        after = before.assign(kind=["r"] * 81 + ["s"] * 202)
        table = migration_table(segment_migration(before, after, by="kind")).set_index(["before", "after"])
        assert table.loc[("p", "r"), ["low", "high"]].tolist() == pytest.approx([0.2553, 0.3662], abs=5e-5)
        assert table.loc[("q", "r"), ["low", "high"]].tolist() == pytest.approx([0, 0.1611], abs=5e-5)

    @given(assignments, assignments, st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_rows_and_columns_add_up(self, first, second, random):
        before, after = classed(**first), classed(**second)
        matrix = segment_migration(before, after, by="kind")
        by_row = matrix.drop(index="new").sum(axis=1)
        assert by_row[by_row > 0].to_dict() == before["kind"].value_counts().to_dict()
        by_column = matrix.drop(columns="gone").sum()
        assert by_column[by_column > 0].to_dict() == after["kind"].value_counts().to_dict()
        assert matrix.to_numpy().sum() == len(set(first) | set(second))
        assert matrix.loc["new", "gone"] == 0
        shuffled = after.sample(frac=1, random_state=random.randint(0, 999))
        pd.testing.assert_frame_equal(segment_migration(before, shuffled, by="kind"), matrix)
        shares = migration_table(matrix).groupby("before")["share"].sum(min_count=1).dropna()
        assert shares.to_numpy() == pytest.approx(1)

    def test_rfm_classes_keep_their_order_even_when_empty(self, summary, as_of):
        result = rfm(summary, as_of=as_of)
        matrix = segment_migration(result, result)
        names = [known.name for known in RFM_CLASSES]
        assert matrix.index.tolist() == [*names, "new"]
        assert np.diag(matrix)[:-1].sum() == len(summary)

    def test_inputs_are_not_modified(self):
        before, after = BEFORE.copy(), AFTER.copy()
        segment_migration(before, after, by="kind")
        pd.testing.assert_frame_equal(before, BEFORE)
        pd.testing.assert_frame_equal(after, AFTER)

    def test_all_problems_at_once(self):
        before = pd.DataFrame({"customer_id": ["a", "a"], "kind": ["new", None]})
        with pytest.raises(ParameterError) as caught:
            segment_migration(before, AFTER.drop(columns="kind"), by="kind")
        message = str(caught.value)
        assert "4 problems" in message
        for part in (
            "before.customer_id repeats",
            "before.kind is missing in 1",
            "holds new",
            "after lacks the column",
        ):
            assert part in message

    def test_unknown_direction(self):
        with pytest.raises(ParameterError, match="'before' or 'after'"):
            migration_table(segment_migration(BEFORE, AFTER, by="kind"), normalize="rows")

    def test_figure_shows_the_shares(self):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        ax = plot_migration(segment_migration(BEFORE, AFTER, by="kind"), ax=given_ax)
        assert ax is given_ax
        assert [label.get_text() for label in ax.get_yticklabels()] == ["x (3)", "y (2)", "new (2)"]
        drawn = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
        assert drawn == {(0, 0): "67%", (1, 0): "33%", (1, 1): "50%", (3, 1): "50%", (0, 2): "50%", (2, 2): "50%"}
        assert "3 of 5 customers kept their class" in alt_text(ax.figure)

    def test_class_names_from_data_stay_text(self):
        named = BEFORE.assign(kind=BEFORE["kind"].map({"x": "$5–$10", "y": r"$\\frac$"}))
        ax = plot_migration(segment_migration(named, named, by="kind"))
        ax.figure.canvas.draw()
        assert not any(label.get_parse_math() for label in [*ax.get_yticklabels(), *ax.get_xticklabels()])

    def test_figure_of_origins_counts_the_classes_after(self):
        ax = plot_migration(segment_migration(BEFORE, AFTER, by="kind"), normalize="after")
        assert [label.get_text() for label in ax.get_xticklabels()] == ["x (3)", "y (2)", "z (1)", "gone (1)"]


CLASSES = classed(a="x", b="x", c="y", d="y", e="z")
FOLLOWING = pd.DataFrame(
    {
        "customer_id": ["a", "c", "d", "n"],
        "purchase_days": [2, 1, 0, 3],
        "revenue": [100.0, 30.0, -10.0, 55.0],
    }
)


class TestNextPeriod:
    def test_by_hand(self):
        result = next_period_outcome(CLASSES, FOLLOWING, by="kind", n_boot=50).set_index("kind")
        assert result["customers"].to_dict() == {"x": 2, "y": 2, "z": 1}
        assert result["buyers"].to_dict() == {"x": 1, "y": 1, "z": 0}  # d only returned goods
        assert result["buying_rate"].tolist() == [0.5, 0.5, 0]
        assert result["mean_revenue"].tolist() == [50, 10, 0]
        assert result["revenue_share"].tolist() == pytest.approx([100 / 120, 20 / 120, 0])
        low, high = proportion_confint(1, 2, method="wilson")
        assert result.loc["x", ["buying_rate_low", "buying_rate_high"]].tolist() == pytest.approx([low, high])
        assert result.attrs == {"new_customers": 1, "new_customers_revenue": 55.0}

    def test_everything_is_accounted_for(self, summary, following, as_of):
        classes = rfm(summary, as_of=as_of)
        result = next_period_outcome(classes, following, n_boot=20)
        assert result["customers"].sum() == len(summary)
        total = result["revenue"].sum() + result.attrs["new_customers_revenue"]
        assert total == pytest.approx(following["revenue"].sum())
        assert result["buyers"].sum() + result.attrs["new_customers"] == len(following)
        assert result["rfm_class"].tolist() == [known.name for known in RFM_CLASSES]

    def test_mean_interval_is_that_of_the_standard_error(self):
        rng = np.random.default_rng(3)
        revenue = rng.gamma(2, 50, 800)
        ids = [f"c{number}" for number in range(800)]
        classes = pd.DataFrame({"customer_id": ids, "kind": "x"})
        following = pd.DataFrame({"customer_id": ids, "purchase_days": 1, "revenue": revenue})
        row = next_period_outcome(classes, following, by="kind", n_boot=3000).iloc[0]
        half = 1.96 * revenue.std() / np.sqrt(800)
        assert row["mean_revenue_low"] == pytest.approx(revenue.mean() - half, abs=0.08 * half)
        assert row["mean_revenue_high"] == pytest.approx(revenue.mean() + half, abs=0.08 * half)

    def test_row_order_does_not_matter_and_seed_does(self, summary, following, as_of):
        classes = rfm(summary, as_of=as_of)
        first = next_period_outcome(classes, following, n_boot=30)
        again = next_period_outcome(classes[::-1], following[::-1], n_boot=30)
        pd.testing.assert_frame_equal(first, again)
        other = next_period_outcome(classes, following, n_boot=30, seed=8)
        assert not other["mean_revenue_low"].equals(first["mean_revenue_low"])
        assert other["mean_revenue"].equals(first["mean_revenue"])

    def test_empty_class_is_listed_without_numbers(self):
        classes = CLASSES.assign(kind=pd.Categorical(CLASSES["kind"], categories=["x", "w", "y", "z"]))
        row = next_period_outcome(classes, FOLLOWING, by="kind", n_boot=10).set_index("kind").loc["w"]
        assert row["customers"] == 0
        assert row[["buying_rate", "buying_rate_low", "mean_revenue", "mean_revenue_high"]].isna().all()

    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            next_period_outcome(CLASSES, FOLLOWING.drop(columns="revenue"), by="segment", n_boot=0, level=2)
        message = str(caught.value)
        assert "4 problems" in message
        for part in ("n_boot", "level", "classes lacks the column segment", "outcome_summary lacks the column revenue"):
            assert part in message

    @pytest.mark.parametrize("measure", ["mean_revenue", "buying_rate"])
    def test_figure_shows_the_result(self, measure):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        result = next_period_outcome(CLASSES, FOLLOWING, by="kind", n_boot=50)
        ax = plot_next_period(result, measure=measure, currency="CNY", ax=given_ax)
        assert ax is given_ax
        assert ax.lines[0].get_xdata().tolist() == result[measure].tolist()
        assert [label.get_text() for label in ax.get_yticklabels()] == ["x (2)", "y (2)", "z (1)"]
        assert ("(CNY)" in ax.get_xlabel()) == (measure == "mean_revenue")
        assert alt_text(ax.figure)

    def test_unknown_measure(self):
        with pytest.raises(ParameterError, match="'mean_revenue' or 'buying_rate'"):
            plot_next_period(next_period_outcome(CLASSES, FOLLOWING, by="kind", n_boot=5), measure="revenue")
