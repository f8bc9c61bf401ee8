import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.value import abc, accuracy_table, plot_accuracy, prediction_accuracy, rfm, simple_scores

MEASURES = ["rank_correlation", "captured_share", "gini_gain"]


def values_of(scores, outcome, **options):
    result = prediction_accuracy(scores, outcome, **{"n_boot": 2, **options})
    return result.set_index(["method", "measure"])["value"]


@pytest.fixture
def scored():
    rng = np.random.default_rng(1)
    ids = [f"c{number:04d}" for number in range(500)]
    worth = rng.gamma(0.6, 100, 500)
    outcome = pd.Series(np.where(rng.random(500) < 0.5, rng.gamma(2, worth / 2), 0.0), index=ids)
    scores = pd.DataFrame(
        {
            "customer_id": ids,
            "sharp": worth * rng.lognormal(0, 0.3, 500),
            "coarse": np.digitize(worth, [20, 60, 150]),
            "noise": rng.normal(size=500),
        }
    )
    return scores, outcome


class TestCorrectness:
    def test_rank_correlation_is_that_of_scipy(self, scored):
        scores, outcome = scored
        found = values_of(scores, outcome)
        for method in ("sharp", "coarse", "noise"):
            expected = spearmanr(scores[method], outcome.to_numpy()).statistic
            assert found[method, "rank_correlation"] == pytest.approx(expected)

    def test_gini_gain_of_a_yes_or_no_outcome_is_that_of_the_roc_curve(self, scored):
        scores, outcome = scored
        bought = (outcome > 0).astype(float)
        found = values_of(scores, bought)
        for method in ("sharp", "coarse", "noise"):
            expected = 2 * roc_auc_score(bought, scores[method]) - 1
            assert found[method, "gini_gain"] == pytest.approx(expected)

    def test_ties_count_as_their_random_order_on_average(self):
        scores = pd.DataFrame({"customer_id": list("abcde"), "tied": [2, 1, 1, 1, 0]})
        outcome = pd.Series([10.0, 50.0, 0.0, 20.0, 5.0], index=list("abcde"))
        found = values_of(scores, outcome, top=0.4)["tied"]
        orders = [
            values_of(scores.assign(tied=[9, *ranks, 0]), outcome, top=0.4)["tied"]
            for ranks in itertools.permutations([1, 2, 3])
        ]
        mean = pd.DataFrame(orders).mean()
        assert found["captured_share"] == pytest.approx(mean["captured_share"])
        assert found["gini_gain"] == pytest.approx(mean["gini_gain"])

    def test_perfect_order_and_its_reverse(self, scored):
        _, outcome = scored
        scores = pd.DataFrame({"customer_id": outcome.index, "best": outcome.to_numpy(), "worst": -outcome.to_numpy()})
        found = values_of(scores, outcome)
        assert found["best", "gini_gain"] == pytest.approx(1)
        assert found["worst", "gini_gain"] == pytest.approx(-1)
        assert found["best", "rank_correlation"] == pytest.approx(1)
        assert found["worst", "captured_share"] == pytest.approx(0)

    def test_scores_without_order_are_chance(self, scored):
        scores, outcome = scored
        found = values_of(scores.assign(flat=1), outcome, top=0.3)["flat"]
        assert found["captured_share"] == pytest.approx(0.3)
        assert found["gini_gain"] == pytest.approx(0, abs=1e-12)
        assert np.isnan(found["rank_correlation"])

    def test_absent_customers_brought_nothing_and_strangers_are_left_out(self):
        scores = pd.DataFrame({"customer_id": ["a", "b", "c"], "score": [3, 2, 1]})
        outcome = pd.DataFrame({"customer_id": ["a", "stranger"], "revenue": [10.0, 1000.0]})
        assert values_of(scores, outcome, top=1 / 3)["score", "captured_share"] == pytest.approx(1)

    def test_replicates_equal_expanded_samples(self, scored):
        # Resampling works on counts; the same sample written out row by row must give the same numbers.
        scores, outcome = scored
        result = prediction_accuracy(scores, outcome, n_boot=2, level=0.5)
        children = np.random.SeedSequence(7).spawn(2)
        written_out = []
        for child in children:
            rows = np.random.default_rng(child).integers(0, 500, 500)
            sample = scores.iloc[rows].assign(customer_id=range(500))
            drawn = pd.Series(outcome.to_numpy()[rows], index=range(500))
            written_out.append(values_of(sample, drawn))
        low = pd.DataFrame(written_out).quantile(0.25)
        found = result.set_index(["method", "measure"])["low"]
        assert found.to_numpy() == pytest.approx(low[found.index].to_numpy())

    def test_paired_difference_sees_what_single_intervals_hide(self, scored):
        scores, outcome = scored
        # A little noise on a good score: nearly the same order, so the difference is known far better than either.
        noise = np.random.default_rng(2).lognormal(0, 0.15, 500)
        scores = scores[["customer_id", "sharp"]].assign(blurred=scores["sharp"] * noise)
        row = prediction_accuracy(scores, outcome, n_boot=400).set_index(["method", "measure"])
        row = row.loc[("blurred", "gini_gain")]
        assert (row["difference_high"] - row["difference_low"]) < 0.5 * (row["high"] - row["low"])

    def test_benchmark_is_the_best_of_those_named(self, scored):
        scores, outcome = scored
        result = prediction_accuracy(scores, outcome, n_boot=20, benchmarks=["coarse", "noise"])
        assert set(result["benchmark"]) == {"coarse"}
        by_method = result[result["measure"] == "gini_gain"].set_index("method")
        assert by_method.loc["sharp", "difference"] == pytest.approx(
            by_method.loc["sharp", "value"] - by_method.loc["coarse", "value"]
        )
        assert by_method.loc["coarse", ["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]


class TestSimpleScores:
    def test_by_hand(self):
        summary = pd.DataFrame(
            {
                "customer_id": ["a", "b", "c"],
                "first_purchase": pd.to_datetime(["2025-01-01", "2024-01-01", "2025-12-31"]),
                "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01", "2025-12-31"]),
                "purchase_days": [9, 1, 1],
                "revenue": [900.0, 100.0, 30.0],
            }
        )
        scores = simple_scores(summary, as_of="2026-01-01", bins=3)
        # a: 365 days are 11.99 months; b: lost; c: less than a month counts as one.
        assert scores["recent_rate"].tolist() == pytest.approx([900 / (365 * 12 / 365.25), 0, 30])
        assert scores["past_revenue"].tolist() == [900, 100, 30]
        scored = rfm(summary, as_of="2026-01-01", bins=3)
        assert scores["rfm_sum"].tolist() == scored[["r_score", "f_score", "m_score"]].sum(axis=1).tolist()
        short = simple_scores(summary, as_of="2026-01-01", bins=3, active_within_days=1)
        assert short["recent_rate"].tolist() == [0, 0, 30]

    def test_past_revenue_orders_customers_as_abc_does(self, summary, as_of):
        scores = simple_scores(summary, as_of=as_of)
        ordered = scores.sort_values("past_revenue", ascending=False, kind="stable")["customer_id"]
        assert ordered.tolist() == abc(summary)["customer_id"].tolist()

    def test_customer_without_purchase_scores_lowest(self, summary, only_returned, as_of):
        last = simple_scores(pd.concat([summary, only_returned], ignore_index=True), as_of=as_of).iloc[-1]
        assert last["rfm_sum"] == 0
        assert last["recent_rate"] == 0
        assert last["past_revenue"] == -25

    def test_input_checks(self, summary, as_of):
        with pytest.raises(ParameterError, match="2 problems"):
            simple_scores(summary.drop(columns="first_purchase"), as_of=as_of, active_within_days=0)


class TestConsistency:
    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100)), min_size=3, max_size=30).filter(
            lambda rows: sum(value for _, value in rows) > 0
        ),
        st.randoms(use_true_random=False),
    )
    @settings(max_examples=60, deadline=None)
    def test_only_the_order_of_scores_counts(self, rows, random):
        ids = [f"c{number}" for number in range(len(rows))]
        scores = pd.DataFrame({"customer_id": ids, "score": [float(score) for score, _ in rows]})
        outcome = pd.Series([float(value) for _, value in rows], index=ids)
        found = values_of(scores, outcome)
        changed = scores.assign(score=np.exp(scores["score"])).sample(frac=1, random_state=random.randint(0, 999))
        assert values_of(changed, 7 * outcome[::-1]).to_numpy() == pytest.approx(found.to_numpy(), nan_ok=True)
        assert found.dropna().between(-1 - 1e-9, 1 + 1e-9).all()

    def test_same_intervals_whatever_the_order_of_rows(self, scored):
        scores, outcome = scored
        first = prediction_accuracy(scores, outcome, n_boot=20)
        again = prediction_accuracy(scores[::-1], outcome[::-1], n_boot=20)
        pd.testing.assert_frame_equal(first, again)

    def test_inputs_are_not_modified(self, scored):
        scores, outcome = scored
        before = scores.copy(), outcome.copy()
        prediction_accuracy(scores, outcome, n_boot=2)
        pd.testing.assert_frame_equal(scores, before[0])
        pd.testing.assert_series_equal(outcome, before[1])

    def test_table_is_the_result_made_wide(self, scored):
        result = prediction_accuracy(*scored, n_boot=20)
        table = accuracy_table(result).set_index("method")
        assert list(table.index) == ["sharp", "coarse", "noise"]
        for row in result.itertuples():
            found = table.loc[row.method, [row.measure, f"{row.measure}_low", f"{row.measure}_high"]]
            assert found.tolist() == [row.value, row.low, row.high]


class TestInputChecks:
    def test_all_problems_at_once(self, scored):
        scores, outcome = scored
        with pytest.raises(ParameterError) as caught:
            prediction_accuracy(
                scores.assign(sharp=np.nan), outcome, top=20, benchmarks=["coarse", "clv"], n_boot=1, level=0
            )
        message = str(caught.value)
        assert "5 problems" in message
        for part in ("n_boot", "level", "top must lie", "benchmarks names clv", "scores.sharp has 500 missing"):
            assert part in message

    def test_nothing_to_share(self, scored):
        scores, outcome = scored
        with pytest.raises(ParameterError, match="brought 0 in all"):
            prediction_accuracy(scores, 0 * outcome)

    def test_no_method(self, scored):
        scores, outcome = scored
        with pytest.raises(ParameterError, match="at least one column"):
            prediction_accuracy(scores[["customer_id"]], outcome)


class TestFigure:
    @pytest.mark.parametrize("measure", MEASURES)
    def test_points_equal_the_table(self, scored, measure):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        result = prediction_accuracy(*scored, n_boot=20)
        ax = plot_accuracy(result, measure=measure, ax=given_ax)
        assert ax is given_ax
        expected = accuracy_table(result).set_index("method")[measure].sort_values(ascending=False)
        assert ax.lines[0].get_xdata().tolist() == expected.tolist()
        assert [label.get_text() for label in ax.get_yticklabels()] == expected.index.tolist()
        assert alt_text(ax.figure)
        assert ax.get_xlabel()

    def test_unknown_measure(self, scored):
        with pytest.raises(ParameterError, match="must be one of"):
            plot_accuracy(prediction_accuracy(*scored, n_boot=2), measure="auc")
