import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify.thresholds import (
    calibration_of_links,
    cheapest_threshold,
    expected_curve,
    plot_calibration_of_links,
    plot_error_costs,
    plot_threshold_curve,
    threshold_curve,
)
from crm_utils.plotting import alt_text


@pytest.fixture(scope="module")
def scored():
    """Scored pairs whose probabilities are right, over disjoint pairs of records, and their truth."""
    rng = np.random.default_rng(11)
    n = 6_000
    probability = rng.beta(0.25, 0.25, n)
    same = rng.random(n) < probability
    left, right = np.arange(n), n + np.arange(n)
    pairs = pd.DataFrame({"record_id_l": left, "record_id_r": right, "match_probability": probability})
    lost = 2 * n + np.arange(200)  # a hundred people with two records that blocking never brought together
    truth = pd.DataFrame(
        {
            "record_id": np.concatenate([left, right, lost]),
            "true_customer_id": np.concatenate([left, np.where(same, left, right), lost // 2 * 2]),
        }
    )
    return pairs, truth, same


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


class TestThresholdCurve:
    def test_against_counting(self, scored):
        pairs, truth, same = scored
        cuts = [0.05, 0.5, 0.93]
        curve = threshold_curve(pairs, truth, thresholds=cuts)
        for row, cut in zip(curve.itertuples(), cuts, strict=True):
            linked = (pairs["match_probability"] >= cut).to_numpy()
            assert (row.links, row.correct_links) == (linked.sum(), (linked & same).sum())
            assert row.precision == pytest.approx(same[linked].mean())
            assert row.recall == pytest.approx((linked & same).sum() / (same.sum() + 100))
            assert row.f1 == pytest.approx(2 / (1 / row.precision + 1 / row.recall))
            assert row.missed_merges == (same & ~linked).sum()
        assert (curve["lost_in_blocking"] == 100).all()
        assert curve["blocking_recall"].to_numpy() == pytest.approx(same.sum() / (same.sum() + 100))

    def test_wilson_interval_of_newcombe_1998(self):
        """Newcombe (1998), Table I: 15 of 148 gives .0624 to .1605."""
        ids = np.arange(148)
        pairs = pd.DataFrame({"record_id_l": ids, "record_id_r": 500 + ids, "match_probability": 0.9})
        truth = pd.DataFrame({"record_id": [*ids, *(500 + ids)]})
        truth["true_customer_id"] = [*ids, *np.where(ids < 15, ids, 500 + ids)]
        row = threshold_curve(pairs, truth, thresholds=[0.5]).iloc[0]
        assert [row["precision_low"], row["precision_high"]] == pytest.approx([0.0624, 0.1605], abs=5e-5)

    def test_a_pair_at_the_threshold_is_a_link(self):
        pairs = pd.DataFrame({"record_id_l": ["a"], "record_id_r": ["b"], "match_probability": [0.5]})
        truth = pd.DataFrame({"record_id": ["a", "b"], "true_customer_id": [1, 1]})
        assert threshold_curve(pairs, truth, thresholds=[0.5])["links"].tolist() == [1]

    def test_order_and_sides_do_not_matter(self, scored):
        pairs, truth, _ = scored
        turned = pairs.sample(frac=1, random_state=2).rename(
            columns={"record_id_l": "record_id_r", "record_id_r": "record_id_l"}
        )
        before = pairs.copy()
        pd.testing.assert_frame_equal(threshold_curve(turned, truth), threshold_curve(pairs, truth))
        pd.testing.assert_frame_equal(pairs, before)

    def test_pairs_without_truth_are_left_out_and_counted(self, scored):
        pairs, truth, _ = scored
        some = truth.assign(true_customer_id=truth["true_customer_id"].where(truth["record_id"] >= 50))
        curve = threshold_curve(pairs, some, thresholds=[0.5])
        assert curve.attrs["without_truth"] == 50
        expected = threshold_curve(pairs.iloc[50:], some, thresholds=[0.5])
        assert curve["precision"].tolist() == expected["precision"].tolist()

    def test_all_problems_at_once(self, scored):
        pairs, truth, _ = scored
        with pytest.raises(ParameterError) as error:
            threshold_curve(
                pairs.assign(match_probability=1.5), truth, thresholds=[0, 0.5], cost_false_merge=-1, level=0
            )
        message = str(error.value)
        for part in ("outside 0 to 1 in 6,000 rows", "thresholds must lie above 0", "must not be negative", "level"):
            assert part in message

    def test_repeated_pairs(self, scored):
        pairs, truth, _ = scored
        with pytest.raises(ParameterError, match="lists 3 pairs more than once"):
            threshold_curve(pd.concat([pairs, pairs.head(3)]), truth)

    def test_no_pairs(self, scored):
        pairs, truth, _ = scored
        curve = threshold_curve(pairs.head(0), truth, thresholds=[0.5])
        assert np.isnan(curve["precision"].iloc[0])
        assert curve["recall"].iloc[0] == 0


class TestExpectedCurve:
    @pytest.mark.parametrize(("false_merge", "missed_merge"), [(1, 1), (20, 5), (1, 9), (300, 1)])
    def test_least_cost_is_at_the_bayes_threshold(self, scored, false_merge, missed_merge):
        curve = expected_curve(
            scored[0],
            cost_false_merge=false_merge,
            cost_missed_merge=missed_merge,
            thresholds=np.linspace(0.001, 0.999, 2_001),
        )
        best = curve.attrs["bayes_threshold"]
        assert best == pytest.approx(false_merge / (false_merge + missed_merge))
        exact = expected_curve(
            scored[0], cost_false_merge=false_merge, cost_missed_merge=missed_merge, thresholds=[best]
        )
        assert exact["cost"].iloc[0] <= curve["cost"].min() + 1e-9
        assert cheapest_threshold(curve)["threshold"] == pytest.approx(best, abs=0.003)

    def test_sums_by_hand(self):
        pairs = pd.DataFrame({"match_probability": [0.9, 0.6, 0.3]})
        row = expected_curve(pairs, thresholds=[0.5]).iloc[0]
        assert row["false_merges"] == pytest.approx(0.5)
        assert row["missed_merges"] == pytest.approx(0.3)
        assert row["precision"] == pytest.approx(1.5 / 2)
        assert row["recall"] == pytest.approx(1.5 / 1.8)
        assert row["cost"] == pytest.approx(0.8)

    def test_agrees_with_the_truth_where_probabilities_are_right(self, scored):
        pairs, truth, _ = scored
        options = {"cost_false_merge": 4, "cost_missed_merge": 1, "thresholds": [0.2, 0.5, 0.8, 0.95]}
        expected, actual = expected_curve(pairs, **options), threshold_curve(pairs, truth, **options)
        for column in ("false_merges", "missed_merges"):
            # Sums of independent yes/no draws vary by less than the root of their mean.
            assert (np.abs(expected[column] - actual[column]) < 3 * np.sqrt(expected[column])).all()
        assert expected["links"].tolist() == actual["links"].tolist()
        at_default = expected_curve(pairs, cost_false_merge=4)
        assert 0.8 in at_default["threshold"].to_numpy()
        assert cheapest_threshold(at_default)["threshold"] == 0.8

    def test_tiny_doubts_are_not_lost_in_a_large_sum(self):
        pairs = pd.DataFrame({"match_probability": np.r_[np.full(100_000, 0.3), np.full(10, 1 - 1e-12)]})
        assert expected_curve(pairs, thresholds=[0.5])["false_merges"].iloc[0] == pytest.approx(1e-11, rel=1e-3)

    def test_costs_are_checked(self):
        pairs = pd.DataFrame({"match_probability": [0.5]})
        with pytest.raises(ParameterError, match="one above 0"):
            expected_curve(pairs, cost_false_merge=0, cost_missed_merge=0)
        with pytest.raises(ParameterError, match="match_probability"):
            expected_curve(pd.DataFrame({"probability": [0.5]}))


class TestCalibration:
    def test_right_probabilities_lie_in_their_intervals(self, scored):
        pairs, truth, _ = scored
        table = calibration_of_links(pairs, truth, level=0.999)
        assert table["pairs"].sum() == len(pairs)
        assert (table["predicted_share"].between(table["from_probability"], table["to_probability"])).all()
        assert table["predicted_share"].between(table["low_share"], table["high_share"]).all()

    def test_wrong_probabilities_do_not(self, scored):
        pairs, truth, same = scored
        bold = pairs.assign(match_probability=np.where(pairs["match_probability"] > 0.5, 0.99, 0.01))
        table = calibration_of_links(bold, truth)
        assert table["pairs"].tolist() == [
            (pairs["match_probability"] <= 0.5).sum(),
            (pairs["match_probability"] > 0.5).sum(),
        ]
        assert table["matches"].sum() == same.sum()
        assert (~table["predicted_share"].between(table["low_share"], table["high_share"])).all()

    def test_bands_are_checked(self, scored):
        with pytest.raises(ParameterError, match="ascending"):
            calibration_of_links(*scored[:2], weights=[2, 1])


class TestFigures:
    def test_curve_draws_its_table(self, scored, ax):
        pairs, truth, _ = scored
        curve, expected = threshold_curve(pairs, truth), expected_curve(pairs)
        assert plot_threshold_curve(curve, expected=expected, threshold=0.9, ax=ax) is ax
        drawn = {line.get_label(): line for line in ax.lines}
        assert drawn["recall"].get_ydata() == pytest.approx(curve["recall"])
        assert drawn["threshold 0.9"].get_xdata()[0] == pytest.approx(np.log2(9))
        labels = [label.get_text() for label in ax.get_xticklabels()]
        assert labels == ["-10\n0.1%", "-5\n3%", "+0\n50%", "+5\n97%", "+10\n99.9%", "+15\n99.997%", "+20\n99.9999%"]
        assert f"{curve['f1'].max():.1%}" in alt_text(ax.figure)

    def test_costs_draw_their_tables(self, scored, ax):
        pairs, truth, _ = scored
        expected, actual = expected_curve(pairs, cost_false_merge=4), threshold_curve(pairs, truth, cost_false_merge=4)
        plot_error_costs(expected, actual=actual, unit="CNY", ax=ax)
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        assert drawn["by the truth"] == pytest.approx(actual["cost"])
        assert drawn["as the model expects"] == pytest.approx(expected["cost"])
        assert "p* = 0.8" in drawn
        assert "least at 0.8" in alt_text(ax.figure)

    def test_calibration_draws_its_table(self, scored, ax):
        table = calibration_of_links(*scored[:2])
        plot_calibration_of_links(table, ax=ax)
        drawn = {line.get_label(): line.get_xdata() for line in ax.lines}
        assert drawn["predicted share"] == pytest.approx(table["predicted_share"])
        assert len(ax.get_yticks()) == len(table)
        assert alt_text(ax.figure).count("predicted") == len(table)

    def test_nothing_to_draw(self, scored, ax):
        curve = threshold_curve(scored[0].head(0), scored[1].head(10))
        assert "nothing to draw" in alt_text(plot_threshold_curve(curve, ax=ax).figure)
