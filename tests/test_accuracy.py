import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

from crm_utils.accuracy import accuracy_table, plot_accuracy, prediction_accuracy, prediction_error
from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text

MEASURES = ["rank_correlation", "captured_share", "gini_gain"]


def values_of(scores, outcome, **options):
    result = prediction_accuracy(scores, outcome, **{"n_boot": 2, **options})
    return result.set_index(["method", "measure"])["value"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


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


class TestPredictionError:
    @pytest.fixture
    def priced(self, scored):
        scores, outcome = scored
        # Truth with noise, the same 30 per cent too high, and one number for everybody.
        sharp = outcome.to_numpy() * np.random.default_rng(3).lognormal(0, 0.2, 500)
        return pd.DataFrame(
            {"customer_id": scores["customer_id"], "sharp": sharp, "high": 1.3 * sharp, "flat": outcome.mean()}
        ), outcome

    def test_is_that_of_sklearn(self, priced):
        predictions, outcome = priced
        table = accuracy_table(prediction_error(predictions, outcome, n_boot=2)).set_index("method")
        for method in ("sharp", "high", "flat"):
            found, given = table.loc[method], predictions[method]
            assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(outcome, given))
            assert found["root_mean_squared_error"] == pytest.approx(root_mean_squared_error(outcome, given))
            assert found["total_ratio"] == pytest.approx(given.sum() / outcome.sum())

    def test_best_is_lowest_error_and_the_ratio_nearest_to_one(self, priced):
        predictions, outcome = priced
        result = prediction_error(predictions, outcome, n_boot=50).set_index(["measure", "method"])
        assert set(result.loc["mean_absolute_error", "benchmark"]) == {"sharp"}
        # The mean is right on the whole, whatever it misses; a ratio of 1.3 is not better for being higher.
        assert set(result.loc["total_ratio", "benchmark"]) == {"flat"}
        row = result.loc[("total_ratio", "high")]
        assert row["difference"] == pytest.approx(row["value"] - 1)
        assert result.loc[("root_mean_squared_error", "high"), "difference"] > 0

    def test_replicates_equal_expanded_samples(self, priced):
        predictions, outcome = priced
        found = prediction_error(predictions, outcome, n_boot=2, level=0.5).set_index(["method", "measure"])
        values, differences = [], []
        for child in np.random.SeedSequence(7).spawn(2):
            rows = np.random.default_rng(child).integers(0, 500, 500)
            sample = predictions.iloc[rows].assign(customer_id=range(500))
            drawn = pd.Series(outcome.to_numpy()[rows], index=range(500))
            again = prediction_error(sample, drawn, n_boot=2).set_index(["method", "measure"])["value"]
            values.append(again)
            differences.append(again - again.xs("sharp").reindex(again.index, level="measure"))
        low, high = pd.DataFrame(values).quantile(0.25), pd.DataFrame(differences).quantile(0.75)
        assert found["low"].to_numpy() == pytest.approx(low[found.index].to_numpy())
        against_sharp = found[found["benchmark"] == "sharp"]
        assert len(against_sharp) == 6
        assert against_sharp["difference_high"].to_numpy() == pytest.approx(high[against_sharp.index].to_numpy())

    def test_currency_scales_errors_and_leaves_the_ratio(self, priced):
        predictions, outcome = priced
        first = prediction_error(predictions, outcome, n_boot=20)
        numbers = predictions.columns[1:]
        again = prediction_error(predictions.assign(**7 * predictions[numbers]), 7 * outcome, n_boot=20)
        factor = np.where(first["measure"] == "total_ratio", 1, 7)
        for column in ("value", "low", "high", "difference", "difference_low", "difference_high"):
            assert again[column].to_numpy() == pytest.approx(factor * first[column].to_numpy())

    def test_row_order_and_inputs(self, priced):
        predictions, outcome = priced
        before = predictions.copy(), outcome.copy()
        first = prediction_error(predictions, outcome, n_boot=20)
        pd.testing.assert_frame_equal(first, prediction_error(predictions[::-1], outcome[::-1], n_boot=20))
        pd.testing.assert_frame_equal(predictions, before[0])
        pd.testing.assert_series_equal(outcome, before[1])

    def test_without_a_positive_total_the_ratio_has_no_meaning(self, priced):
        predictions, outcome = priced
        result = prediction_error(predictions, 0 * outcome, n_boot=20)
        by_measure = result.set_index(["measure", "method"])["value"]
        assert by_measure["total_ratio"].isna().all()
        assert by_measure["mean_absolute_error", "sharp"] == pytest.approx(predictions["sharp"].mean())
        assert result.attrs["undefined_replicates"] == 20

    def test_all_problems_at_once(self, priced):
        predictions, outcome = priced
        with pytest.raises(ParameterError) as caught:
            prediction_error(predictions.assign(high=np.inf), outcome, benchmarks=["clv"], n_boot=1)
        message = str(caught.value)
        assert message.startswith("prediction_error: 3 problems")
        for part in ("n_boot", "benchmarks names clv", "predictions.high has 500 missing"):
            assert part in message

    def test_no_customer(self, priced):
        predictions, outcome = priced
        with pytest.raises(ParameterError, match="has no customer"):
            prediction_error(predictions.head(0), outcome)


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

    def test_labels_name_the_methods(self, scored):
        ax = plot_accuracy(prediction_accuracy(*scored, n_boot=2), labels={"sharp": "RFM", "other": "none"})
        assert [label.get_text() for label in ax.get_yticklabels()] == ["RFM", "coarse", "noise"]
        assert "RFM" in alt_text(ax.figure)

    @pytest.mark.parametrize(
        ("measure", "order"),
        [
            ("total_ratio", ["near", "low", "high"]),
            ("mean_absolute_error", ["near", "low", "high"]),
            ("root_mean_squared_error", ["near", "low", "high"]),
        ],
    )
    def test_errors_are_drawn_best_first(self, measure, order):
        outcome = pd.Series([100.0, 50.0, 0.0, 30.0], index=list("abcd"))
        truth = outcome.to_numpy()
        predictions = pd.DataFrame(
            {"customer_id": list("abcd"), "high": 2 * truth, "near": 1.1 * truth, "low": 0.8 * truth}
        )
        result = prediction_error(predictions, outcome, n_boot=20)
        ax = plot_accuracy(result, measure=measure)
        assert [label.get_text() for label in ax.get_yticklabels()] == order
        assert (
            ax.lines[0].get_xdata().tolist() == accuracy_table(result).set_index("method").loc[order, measure].tolist()
        )
        at_one = [line for line in ax.lines if list(line.get_xdata()) == [1, 1]]
        assert len(at_one) == (measure == "total_ratio")
        assert f"best method first: {order[0]}" in alt_text(ax.figure)

    def test_measure_must_be_in_the_result(self, scored):
        with pytest.raises(ParameterError, match="lacks the columns method, measure"):
            plot_accuracy(scored[0])
        with pytest.raises(ParameterError, match="must be one of rank_correlation, captured_share, gini_gain"):
            plot_accuracy(prediction_accuracy(*scored, n_boot=2), measure="total_ratio")
