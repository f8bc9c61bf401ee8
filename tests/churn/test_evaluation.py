"""Discrimination, gains and importance: scikit-learn's numbers, counts by hand, intervals that hold the truth."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from crm_utils.churn.evaluation import (
    capture_at_capacity,
    feature_importance,
    gains_table,
    plot_gains,
    plot_importance,
    warning_accuracy,
)
from crm_utils.churn.warning import early_warning
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.intervals import wilson
from crm_utils.plotting import alt_text


@pytest.fixture
def predictions():
    rng = np.random.default_rng(2)
    chance = np.round(rng.beta(1, 6, 800), 2)
    return chance, (rng.random(800) < chance).astype(int)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {"visits": rng.normal(size=3000), "late": rng.normal(size=3000), "noise": rng.normal(size=3000)}
    )
    log_odds = -1 - 1.2 * table["visits"] + 0.5 * table["late"]
    table["outcome"] = (rng.random(3000) < 1 / (1 + np.exp(-log_odds))).astype(int)
    return early_warning(table[:1500]), table[1500:]


class TestAccuracy:
    def test_values_are_those_of_scikit_learn(self, predictions):
        chance, left = predictions
        found = warning_accuracy(chance, left, n_boot=50).set_index("measure")
        assert found.loc["auc", "value"] == pytest.approx(roc_auc_score(left, chance))
        assert found.loc["average_precision", "value"] == pytest.approx(average_precision_score(left, chance))
        assert found.loc["brier", "value"] == pytest.approx(brier_score_loss(left, chance))
        rate = left.mean()
        assert found["by_chance"].tolist() == pytest.approx([0.5, rate, rate * (1 - rate), rate])
        assert (found["low"] < found["value"]).all()
        assert (found["value"] < found["high"]).all()

    def test_twice_the_same_customers_is_no_more_knowledge(self, predictions):
        chance, left = predictions
        one = warning_accuracy(chance, left, n_boot=200).set_index("measure")
        twice = warning_accuracy(
            np.tile(chance, 2), np.tile(left, 2), clusters=np.tile(np.arange(800), 2), n_boot=200
        ).set_index("measure")
        pd.testing.assert_frame_equal(one, twice, rtol=1e-6)

    def test_the_interval_of_average_precision_holds_what_many_customers_give(self):
        rng = np.random.default_rng(0)
        chance = rng.beta(1, 6, 400_000)
        left = rng.random(400_000) < chance
        truth = average_precision_score(left, chance)
        hits = 0
        for start in range(0, 60):
            rows = slice(start * 600, start * 600 + 600)
            row = warning_accuracy(chance[rows], left[rows], n_boot=100, level=0.9).set_index("measure")
            hits += row.loc["average_precision", "low"] <= truth <= row.loc["average_precision", "high"]
        assert 46 <= hits <= 60

    def test_unusable(self, predictions):
        chance, left = predictions
        with pytest.raises(ParameterError, match="4 problems"):
            warning_accuracy(chance + 1, left[:-1], level=2, n_boot=0)
        with pytest.raises(ParameterError, match="1 or 0"):
            warning_accuracy(chance, left + 1)
        with pytest.raises(ParameterError, match="missing"):
            warning_accuracy(chance, np.where(left == 1, 1.0, np.nan))
        with pytest.raises(ParameterError, match="another order"):
            warning_accuracy(pd.Series(chance), pd.Series(left)[::-1])
        with pytest.raises(DataFloorError, match="10 customers who left"):
            warning_accuracy(chance, left * 0)


class TestGains:
    def test_by_hand(self):
        chance = np.repeat([0.9, 0.5, 0.1], [10, 20, 70])
        left = np.r_[np.arange(10) < 8, np.arange(20) < 4, np.arange(70) < 8].astype(int)
        table = gains_table(chance, left, shares=[0.1, 0.2, 1.0])
        # A border within equals takes its part of them: 8 + 4 × 10/20.
        assert table["leavers"].tolist() == [8, 10, 20]
        assert table["captured"].tolist() == [0.4, 0.5, 1.0]
        assert table["lift"].tolist() == pytest.approx([4, 2.5, 1])
        low, high = wilson(np.array([8.0]), np.array([20.0]), level=0.95)
        assert table.loc[0, ["captured_low", "captured_high"]].tolist() == [low[0], high[0]]
        assert table.loc[0, "lift_low"] == pytest.approx(low[0] / 0.1)
        low, high = wilson(np.array([8.0]), np.array([10.0]), level=0.95)
        assert table.loc[0, ["precision", "precision_low", "precision_high"]].tolist() == [0.8, low[0], high[0]]

    def test_the_order_of_rows_does_not_matter(self, predictions):
        chance, left = predictions
        order = np.random.default_rng(1).permutation(800)
        pd.testing.assert_frame_equal(gains_table(chance, left), gains_table(chance[order], left[order]))

    def test_capacity(self, predictions):
        chance, left = predictions
        found = capture_at_capacity(chance, left, capacity=80)
        row = gains_table(chance, left, shares=[0.1]).iloc[0]
        assert found[row.index].tolist() == row.tolist()
        assert found["probability"] == np.sort(chance)[-80]
        with pytest.raises(ParameterError, match="only 800"):
            capture_at_capacity(chance, left, capacity=801)
        with pytest.raises(ParameterError, match="shares"):
            gains_table(chance, left, shares=[0, 2])

    def test_figure_shows_the_table(self, predictions):
        chance, left = predictions
        ax = plt.figure().add_subplot()
        assert plot_gains(chance, left, capacity=80, ax=ax) is ax
        curve = ax.lines[0]
        table = gains_table(chance, left, shares=curve.get_xdata()[1:])
        np.testing.assert_allclose(curve.get_ydata()[1:], table["captured"])
        mark = ax.lines[-1]
        assert mark.get_ydata()[0] == capture_at_capacity(chance, left, capacity=80)["captured"]
        assert f"{gains_table(chance, left, shares=[0.1])['captured'][0]:.0%}" in alt_text(ax.figure)
        plt.close(ax.figure)


class TestImportance:
    def test_agrees_with_scikit_learn(self, fitted):
        model, test = fitted
        found = feature_importance(model, test, repeats=40).set_index("feature")
        peer = permutation_importance(
            model.pipeline, model.read(test)[1], test["outcome"], scoring="roc_auc", n_repeats=40, random_state=0
        )
        np.testing.assert_allclose(found.loc[list(model.features), "importance"], peer.importances_mean, atol=0.01)
        assert found.index.tolist() == ["visits", "late", "noise"]
        assert found.loc["late", "low"] > 0
        assert found.loc["noise", "low"] < 0 < found.loc["noise", "high"]

    def test_a_sample_of_many_rows_and_the_seed(self, fitted):
        model, test = fitted
        some = feature_importance(model, test, most_rows=700)
        pd.testing.assert_frame_equal(some, feature_importance(model, test, most_rows=700))
        whole = feature_importance(model, test).set_index("feature")
        width = some.set_index("feature").eval("high - low")["visits"]
        assert width == pytest.approx(np.sqrt(1500 / 700) * whole.eval("high - low")["visits"], rel=0.25)
        with pytest.raises(ParameterError, match="2 problems"):
            feature_importance(model, test, repeats=1, most_rows=5)

    def test_zero_has_no_minus(self):
        importance = pd.DataFrame(
            {"feature": ["visits", "noise"], "importance": [0.1, -0.0002], "low": [0.05, -0.001], "high": [0.2, 0.001]}
        )
        ax = plot_importance(importance)
        assert "visits 0.100; noise 0.000." in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_figure_shows_the_table(self, fitted):
        importance = feature_importance(*fitted)
        ax = plt.figure().add_subplot()
        assert plot_importance(importance, most=2, labels={"late": "late payments"}, ax=ax) is ax
        assert [label.get_text() for label in ax.get_yticklabels()] == ["visits", "late payments"]
        np.testing.assert_allclose(ax.lines[0].get_xdata(), importance["importance"][:2])
        assert "late payments" in alt_text(ax.figure)
        plt.close(ax.figure)
