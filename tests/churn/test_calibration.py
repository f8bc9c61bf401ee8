"""Calibration: identities, statsmodels and scikit-learn, planted faults of known size, the demo's last snapshot."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.calibration import calibration_curve

from crm_utils.churn.calibration import (
    brier_decomposition,
    calibration_slope,
    calibration_table,
    plot_calibration,
)
from crm_utils.churn.features import several_snapshots
from crm_utils.churn.tables import cross_section, random_split, time_split
from crm_utils.churn.warning import early_warning
from crm_utils.company import Company, load_company
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.intervals import wilson
from crm_utils.plotting import alt_text


def logit(p):
    return np.log(p / (1 - p))


@pytest.fixture
def predictions():
    rng = np.random.default_rng(2)
    chance = rng.beta(1, 6, 5000)
    return chance, (rng.random(5000) < chance).astype(int)


class TestTable:
    def test_groups_are_those_of_scikit_learn(self, predictions):
        chance, left = predictions
        table = calibration_table(chance, left)
        observed, predicted = calibration_curve(left, chance, n_bins=10, strategy="quantile")
        np.testing.assert_allclose(table["predicted"], predicted)
        np.testing.assert_allclose(table["observed"], observed)
        low, high = wilson(table["leavers"].to_numpy(), table["customers"].to_numpy(), level=0.95)
        np.testing.assert_array_equal(table[["low", "high"]], np.column_stack([low, high]))
        assert table["customers"].sum() == 5000
        assert (table["from"][1:].to_numpy() > table["to"][:-1].to_numpy()).all()

    def test_equal_probabilities_stay_together(self):
        chance = np.repeat([0.1, 0.2, 0.3], [70, 20, 10])
        table = calibration_table(chance, np.arange(100) % 4 == 0)
        assert table["customers"].tolist() == [70, 20, 10]

    def test_figure_shows_the_table(self, predictions):
        table = calibration_table(*predictions, bins=5)
        ax = plt.figure().add_subplot()
        assert plot_calibration(table, ax=ax) is ax
        np.testing.assert_allclose(ax.lines[1].get_xydata(), table[["predicted", "observed"]])
        assert f"{table['predicted'][0]:.1%} predicted" in alt_text(ax.figure)
        plt.close(ax.figure)
        with pytest.raises(ParameterError, match="lacks the column low"):
            plot_calibration(table.drop(columns="low"))


class TestSlope:
    def test_is_the_logistic_regression_on_the_log_odds(self, predictions):
        chance, left = predictions
        found = calibration_slope(chance, left).set_index("measure")
        peer = sm.Logit(left, sm.add_constant(logit(np.clip(chance, 1e-6, 1)))).fit(disp=0)
        assert found.loc[["intercept", "slope"], "value"].tolist() == pytest.approx(peer.params, abs=1e-5)
        np.testing.assert_allclose(found.loc[["intercept", "slope"], ["low", "high"]], peer.conf_int(), atol=1e-4)
        assert found.loc["observed_to_expected", "value"] == pytest.approx(left.mean() / chance.mean())

    @pytest.mark.parametrize(("start", "slope"), [(0.0, 1.0), (0.7, 1.0), (-0.3, 0.5), (0.0, 2.0)])
    def test_a_planted_fault_is_found_in_its_size(self, start, slope):
        """What leaves is start + slope × log-odds; with slope 1, the start is calibration in the large."""
        rng = np.random.default_rng(4)
        chance = rng.beta(2, 8, 20_000)
        truth = 1 / (1 + np.exp(-start - slope * logit(chance)))
        found = calibration_slope(chance, rng.random(20_000) < truth).set_index("measure")
        assert found.loc["slope", "low"] < slope < found.loc["slope", "high"]
        assert found.loc["intercept", "low"] < start < found.loc["intercept", "high"]
        if slope == 1:
            assert found.loc["in_the_large", "low"] < start < found.loc["in_the_large", "high"]

    def test_twice_the_same_customers_is_no_more_knowledge(self, predictions):
        chance, left = predictions
        one = calibration_slope(chance, left, clusters=np.arange(5000)).set_index("measure")
        twice = calibration_slope(np.tile(chance, 2), np.tile(left, 2), clusters=np.tile(np.arange(5000), 2))
        twice = twice.set_index("measure")
        np.testing.assert_allclose(
            twice.loc[["slope", "intercept"], ["low", "high"]],
            one.loc[["slope", "intercept"], ["low", "high"]],
            rtol=1e-3,
        )

    def test_no_slope(self, predictions):
        with pytest.raises(ConvergenceError, match="all probabilities are equal"):
            calibration_slope(np.full(5000, 0.2), predictions[1])
        with pytest.raises(DataFloorError):
            calibration_slope(predictions[0][:20], np.zeros(20))

    def test_the_demo_on_its_last_snapshot(self):
        """All features, and no choice of ours: as notebook 09 has it."""
        table = several_snapshots(
            load_company(),
            first="2024-02-01",
            last="2025-10-01",
            gap_months=1,
            outcome_months=2,
            steps={"price_step": ("2024-07-01", 3)},
        )
        split = time_split(table, calibrate_snapshots=3)
        chance = early_warning(split.train, calibrate=split.calibrate).predict(split.test).to_numpy()
        found = calibration_slope(chance, split.test.outcome, clusters=split.test.customers).set_index("measure")
        assert 0.8 < found.loc["slope", "value"] < 1.2
        assert found.loc["slope", "low"] < 1 < found.loc["slope", "high"]
        assert found.loc["observed_to_expected", "low"] < 1 < found.loc["observed_to_expected", "high"]

    def test_the_demo_by_purchases_on_its_last_snapshot(self):
        whole = load_company()
        company = Company.from_frames({"order_lines": whole.order_lines}, as_of=whole.as_of)
        table = several_snapshots(
            company, first="2024-01-01", last="2025-10-01", every_months=3, gap_days=0, outcome_days=90
        )
        split = time_split(table)
        chance = early_warning(split.train, calibrate=split.calibrate).predict(split.test).to_numpy()
        found = calibration_slope(chance, split.test.outcome).set_index("measure")
        assert 0.8 < found.loc["slope", "low"] < 1 < found.loc["slope", "high"] < 1.2

    def test_the_telephone_company(self, telephone):
        split = random_split(cross_section(telephone[0]), seed=2)
        warning = early_warning(split.train, calibrate=split.calibrate)
        found = calibration_slope(warning.predict(split.test).to_numpy(), split.test.outcome).set_index("measure")
        assert 0.8 < found.loc["slope", "value"] < 1.2


class TestBrier:
    @pytest.mark.parametrize("bins", [None, 2, 10, 25])
    def test_parts_add_up(self, predictions, bins):
        chance, left = predictions
        chance = np.round(chance, 2)
        found = brier_decomposition(chance, left, bins=bins)
        total = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_groups"]
        assert total == pytest.approx(found["brier"], abs=1e-12)
        assert found["brier"] == pytest.approx(np.mean((chance - left) ** 2))
        assert found["uncertainty"] == pytest.approx(left.var())
        if bins is None:
            assert found["within_groups"] == pytest.approx(0, abs=1e-12)

    def test_who_knows_only_the_rate_resolves_nothing(self, predictions):
        left = predictions[1]
        found = brier_decomposition(np.full(5000, left.mean()), left)
        assert found[["reliability", "resolution", "skill"]].tolist() == pytest.approx([0, 0, 0], abs=1e-12)

    def test_too_extreme_is_unreliable(self, predictions):
        chance, left = predictions
        extreme = 1 / (1 + np.exp(-3 * logit(np.clip(chance, 1e-6, 1)) - 3))
        one, other = brier_decomposition(chance, left), brier_decomposition(extreme, left)
        assert other["reliability"] > 5 * one["reliability"]
        assert other["resolution"] == pytest.approx(one["resolution"])
