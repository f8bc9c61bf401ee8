"""Profit curves: planted families found again, ties, scales, the figure and its table, unusable input."""

import numpy as np
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime.profit_curves import PROFIT_CURVES, fit_profit_curve
from crm_utils.plotting import alt_text


class TestProfitCurves:
    @pytest.mark.parametrize(("family", "speed"), [("decline", 0.3), ("saturation", 0.5), ("life cycle", 0.25)])
    def test_finds_the_planted_curve(self, family, speed):
        noise = np.random.default_rng(2).normal(0, 0.2, 12)
        curve = fit_profit_curve(50 * PROFIT_CURVES[family](np.arange(12.0), speed) + noise)
        assert curve.family == family
        assert [curve.level, curve.speed] == pytest.approx([50, speed], rel=0.02)
        assert curve.comparison["error_variance"].is_monotonic_increasing

    def test_least_squares_are_those_of_a_general_search(self):
        from scipy.optimize import curve_fit

        seen = np.array([12.0, 19, 21, 20, 16, 13, 9])
        fitted = fit_profit_curve(seen).comparison.set_index("family").loc["life cycle"]
        general, _ = curve_fit(lambda t, m, s: m * (t + 1) * np.exp(-s * t), np.arange(7.0), seen, p0=(10, 0.3))
        assert [fitted["level"], fitted["speed"]] == pytest.approx(general, rel=1e-5)

    def test_a_constant_wins_where_a_speed_earns_nothing(self):
        assert fit_profit_curve([10, 11, 9, 9, 11, 10]).family == "constant"
        nothing = fit_profit_curve([0, 0, 0, 0])
        assert nothing.family == "constant"
        assert nothing.value(5, annual_discount_rate=0.1) == 0

    def test_value_discounts_what_follows_the_history(self):
        curve = fit_profit_curve(100 * 0.8 ** np.arange(6))
        expected = sum(100 * 0.8 ** (6 + ahead) / 1.1**ahead for ahead in range(10))
        assert curve.value(10, annual_discount_rate=0.1) == pytest.approx(expected, rel=1e-5)

    def test_units_of_money_do_not_matter(self):
        seen = np.array([5.0, 9, 10, 8, 6, 5])
        small, large = fit_profit_curve(seen), fit_profit_curve(seen * 1000)
        assert large.family == small.family
        assert large.predict([7]) == pytest.approx(1000 * small.predict([7]), rel=1e-6)

    def test_checks(self):
        with pytest.raises(ParameterError, match="at least four periods, and there are 2"):
            fit_profit_curve([1, 2])
        with pytest.raises(ParameterError, match="whole number of at least 1"):
            fit_profit_curve([1, 2, 3, 4]).value(0, annual_discount_rate=0.1)

    def test_figure_draws_its_table(self):
        import matplotlib.pyplot as plt

        curve = fit_profit_curve([10.0, 30.0, 24.0, 18.0, 9.0, 6.0])
        table = curve.curves_table(periods_ahead=3)
        assert table["period"].tolist() == list(range(1, 10))
        assert table["observed"].dropna().tolist() == [10.0, 30.0, 24.0, 18.0, 9.0, 6.0]
        assert list(table.columns[2:]) == curve.comparison["family"].tolist()
        np.testing.assert_allclose(table[curve.family], curve.predict(np.arange(9)))
        ax = curve.plot_curves(periods_ahead=3)
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        np.testing.assert_allclose(drawn["observed"], table["observed"])
        np.testing.assert_allclose(drawn[f"{curve.family}, nearest"], table[curve.family])
        assert curve.family in alt_text(ax.figure)
        plt.close(ax.figure)
