import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.value import abc, abc_table, plot_abc


def frame_of(values):
    return pd.DataFrame({"customer_id": [f"c{number}" for number in range(len(values))], "revenue": values})


def classes_of(values, **options):
    return abc(frame_of(values), **options).set_index("customer_id")["abc_class"].astype(str).to_dict()


amounts = st.lists(st.integers(-50, 1000), min_size=1, max_size=40).filter(lambda values: sum(values) > 0)


class TestCorrectness:
    def test_rule_on_a_hand_example(self):
        # Shares before each customer: 0, .50, .70, .80 (at the cut: B), .90, .95 (at the cut: C), .98.
        values = [50, 20, 10, 10, 5, 3, 2]
        classes = classes_of(values)
        # The two customers with 10 start together at .70, so both are A.
        assert list(classes.values()) == ["A", "A", "A", "A", "B", "C", "C"]
        assert list(classes_of([50, 20, 10, 9, 6, 3, 2]).values()) == ["A", "A", "A", "B", "B", "C", "C"]

    def test_there_is_always_an_a(self):
        assert classes_of([99, 1]) == {"c0": "A", "c1": "C"}
        assert classes_of([5]) == {"c0": "A"}

    def test_equal_customers_are_all_a(self):
        assert set(classes_of([2.5] * 10).values()) == {"A"}

    def test_zero_and_negative_values_are_c(self):
        assert classes_of([10, 0, -1], cuts=(0.5, 1)) == {"c0": "A", "c1": "C", "c2": "C"}

    def test_cut_point_reached_but_for_rounding(self):
        # 5.9 + 4.1 + 1.6 are exactly 80 % of 14.5, and a little less in floating point: the next is still not A.
        values = [5.9, 4.1, 1.6, 1.5, 1.1, 0.3]
        assert sum(values[:3]) / sum(values) < 0.8
        assert list(classes_of(values).values()) == ["A", "A", "A", "B", "B", "C"]

    def test_table_adds_up(self):
        table = abc_table(abc(frame_of([80, 15, 4, 1]))).set_index("abc_class")
        assert table["customers"].to_dict() == {"A": 1, "B": 1, "C": 2}
        assert table["value_share"].tolist() == pytest.approx([0.8, 0.15, 0.05])
        assert table["mean_value"].tolist() == pytest.approx([80, 15, 2.5])
        assert table["customer_share"].sum() == pytest.approx(1)

    def test_empty_class_stays_in_the_table(self):
        table = abc_table(abc(frame_of([1, 1]))).set_index("abc_class")
        assert table["customers"].to_dict() == {"A": 2, "B": 0, "C": 0}
        assert np.isnan(table.loc["B", "mean_value"])


class TestConsistency:
    @given(amounts, st.randoms(use_true_random=False))
    @settings(max_examples=100, deadline=None)
    def test_partition_order_and_units(self, values, random):
        frame = frame_of(values)
        result = abc(frame)
        assert sorted(result["customer_id"]) == sorted(frame["customer_id"])
        assert result["abc_class"].notna().all()
        assert result["value"].is_monotonic_decreasing
        assert result["abc_class"].cat.codes.is_monotonic_increasing
        assert result.groupby("value")["abc_class"].agg(lambda of_ties: len(set(of_ties)) == 1).all()
        shuffled = frame.sample(frac=1, random_state=random.randint(0, 9999))
        assert abc(shuffled).set_index("customer_id")["abc_class"].to_dict() == classes_of(values)
        assert classes_of([8 * value for value in values]) == classes_of(values)
        table = abc_table(result)
        assert table["value"].sum() == pytest.approx(sum(values))
        assert table["customers"].sum() == len(values)

    def test_ties_keep_the_order_given(self):
        assert abc(frame_of([1, 5, 1, 5]))["customer_id"].tolist() == ["c1", "c3", "c0", "c2"]

    def test_cumulative_share_ends_at_one(self, summary):
        result = abc(summary)
        assert result["cumulative_share"].iloc[-1] == pytest.approx(1)
        assert result["cumulative_share"].iloc[0] == pytest.approx(summary["revenue"].max() / summary["revenue"].sum())

    def test_names_of_columns_are_kept_and_input_is_unmodified(self, summary):
        branches = summary.rename(columns={"customer_id": "branch", "margin": "worth"})
        before = branches.copy()
        assert "branch" in abc(branches, customer_col="branch", value_col="worth")
        pd.testing.assert_frame_equal(branches, before)


class TestInputChecks:
    def test_all_problems_at_once(self):
        frame = pd.DataFrame({"customer_id": ["a", "a", None], "revenue": [1.0, np.nan, 2.0]})
        with pytest.raises(ParameterError) as caught:
            abc(frame, cuts=(0.9, 0.8))
        for part in ("4 problems", "cuts", "repeats in 1 rows (a)", "missing in 1 rows", "1 missing or infinite"):
            assert part in str(caught.value)

    def test_missing_column_is_named(self):
        with pytest.raises(ParameterError, match=r"lacks the column margin.*customer_id"):
            abc(frame_of([1]), value_col="margin")

    def test_total_must_be_positive(self):
        with pytest.raises(ParameterError, match="total above zero"):
            abc(frame_of([1, -1]))

    @pytest.mark.parametrize("cuts", [(0.8,), (0.8, 0.8), (0, 0.5), (0.5, 1.1)])
    def test_cuts(self, cuts):
        with pytest.raises(ParameterError, match="0 < first < second <= 1"):
            abc(frame_of([1]), cuts=cuts)


class TestFigure:
    def test_draws_the_shares_of_the_table(self, summary):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        result = abc(summary)
        ax = plot_abc(result, ax=given_ax)
        assert ax is given_ax
        ends = [line.get_xdata()[-1] for line in ax.lines]
        assert ends == pytest.approx(abc_table(result)["customer_share"].cumsum())
        heights = [line.get_ydata()[-1] for line in ax.lines]
        assert heights == pytest.approx(abc_table(result)["value_share"].cumsum())
        share = abc_table(result).loc[0, "customer_share"]
        assert f"A: {share:.0%} of customers" in alt_text(ax.figure)
        assert ax.get_xlabel()
        assert ax.get_ylabel()

    def test_draws_without_empty_classes(self):
        assert len(plot_abc(abc(frame_of([1, 1]))).lines) == 1
