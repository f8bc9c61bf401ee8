"""Worth of an index point: geometric lifetimes in closed form, finite differences, simulation of lives, coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from crm_utils.churn.index_worth import index_point_worth
from crm_utils.errors import DataFloorError, ParameterError

BASE = {"monthly_margin": 40.0, "annual_discount_rate": 0.12, "horizon_months": 24}


def geometric(hazard, margin, rate, months):
    """m Σ (r v)^t in closed form."""
    kept = (1 - hazard) / (1 + rate) ** (1 / 12)
    return margin * kept * (1 - kept**months) / (1 - kept)


class TestValue:
    @pytest.mark.parametrize("link", ["logit", "cloglog"])
    def test_constant_hazard_is_a_geometric_lifetime(self, link):
        hazard = np.array([0.02, 0.1, 0.4])
        worth = index_point_worth(-0.05, 0.01, baseline_hazard=hazard, points=2, link=link, **BASE)
        after = expit(logit(hazard) - 0.1) if link == "logit" else 1 - (1 - hazard) ** np.exp(-0.1)
        np.testing.assert_allclose(worth.members["value"], geometric(hazard, 40, 0.12, 24))
        np.testing.assert_allclose(worth.members["value_after"], geometric(after, 40, 0.12, 24))
        np.testing.assert_allclose(worth.members["change"], worth.members["value_after"] - worth.members["value"])
        assert worth.total == pytest.approx(worth.members["change"].sum())
        assert worth.mean == pytest.approx(worth.total / 3)
        assert worth.relative_change == pytest.approx(worth.total / worth.members["value"].sum())

    def test_hazards_by_month(self):
        # 0.9 · 0.8 · 0.5 at 10, not discounted; the third month is not counted with two.
        options = {"baseline_hazard": [[0.1, 0.2, 0.5]], "monthly_margin": 10.0, "annual_discount_rate": 0.0}
        three = index_point_worth(0.0, 0.0, horizon_months=3, **options)
        two = index_point_worth(0.0, 0.0, horizon_months=2, **options)
        assert three.members.loc[0, "value"] == pytest.approx(10 * (0.9 + 0.72 + 0.36))
        assert two.members.loc[0, "value"] == pytest.approx(10 * (0.9 + 0.72))

    def test_the_same_hazard_every_month_is_one_hazard(self):
        one = index_point_worth(-0.1, 0.02, baseline_hazard=[0.05, 0.2], **BASE)
        many = index_point_worth(-0.1, 0.02, baseline_hazard=np.repeat([[0.05], [0.2]], 24, axis=1), **BASE)
        pd.testing.assert_frame_equal(one.members, many.members)

    def test_simulated_lives(self):
        rng = np.random.default_rng(4)
        after = expit(logit(0.08) - 0.3)
        months_stayed = np.minimum(rng.geometric(after, 200_000) - 1, 24)
        discount = 1.12 ** (-np.arange(1, 25) / 12)
        earned = 40 * np.concatenate([[0], np.cumsum(discount)])[months_stayed]
        worth = index_point_worth(-0.3, 0.0, baseline_hazard=[0.08], **BASE)
        assert worth.members.loc[0, "value_after"] == pytest.approx(earned.mean(), abs=4 * earned.std() / 200_000**0.5)

    def test_own_margins_and_index(self):
        hazard = pd.Series([0.05, 0.05], index=["a", "b"])
        margin = pd.Series([10.0, 30.0], index=["a", "b"])
        worth = index_point_worth(-0.1, 0.02, baseline_hazard=hazard, **BASE | {"monthly_margin": margin})
        assert worth.members.index.tolist() == ["a", "b"]
        np.testing.assert_allclose(worth.members.loc["b"], 3 * worth.members.loc["a"])


class TestUncertainty:
    @pytest.mark.parametrize("link", ["logit", "cloglog"])
    @pytest.mark.parametrize("points", [1.0, -3.0])
    def test_delta_method_by_finite_differences(self, link, points):
        hazard = np.linspace(0.01, 0.5, 8)
        options = {"baseline_hazard": hazard, "link": link, "points": points, **BASE}
        step = 1e-6
        up, down = (index_point_worth(-0.08 + sign * step, 0.0, **options).total for sign in (1, -1))
        found = index_point_worth(-0.08, 0.03, **options)
        assert found.total_std_error == pytest.approx(abs(up - down) / (2 * step) * 0.03, rel=1e-6)

    def test_interval_runs_between_the_ends_of_the_coefficient(self):
        options = {"baseline_hazard": [0.03, 0.2], **BASE}
        found = index_point_worth(-0.1, 0.04, level=0.9, **options)
        low, high = (index_point_worth(-0.1 + sign * 1.6448536269514722 * 0.04, 0.0, **options) for sign in (1, -1))
        assert (found.total_low, found.total_high) == pytest.approx((low.total, high.total))
        np.testing.assert_allclose(found.members["low"], low.members["change"])
        np.testing.assert_allclose(found.members["high"], high.members["change"])
        assert (found.mean_low, found.mean_high) == pytest.approx((low.total / 2, high.total / 2))

    def test_coverage(self):
        rng = np.random.default_rng(6)
        options = {"baseline_hazard": [0.05], **BASE}
        truth = index_point_worth(-0.2, 0.0, **options).total
        found = [index_point_worth(rng.normal(-0.2, 0.1), 0.1, level=0.8, **options) for _ in range(500)]
        covered = np.mean([worth.total_low <= truth <= worth.total_high for worth in found])
        assert covered == pytest.approx(0.8, abs=0.055)

    def test_summary(self):
        worth = index_point_worth(-0.1, 0.04, baseline_hazard=[0.03, 0.2], **BASE)
        table = worth.summary_frame().set_index("what")
        assert table.loc["all members", "change"] == pytest.approx(worth.total)
        assert table.loc["all members", "low"] == pytest.approx(worth.total_low)
        assert table.loc["a member", "high"] == pytest.approx(worth.mean_high)
        assert table.loc["a member", "value"] == pytest.approx(worth.members["value"].mean())


class TestSigns:
    def test_satisfied_members_stay(self):
        options = {"baseline_hazard": [0.05, 0.3], **BASE}
        better = index_point_worth(-0.1, 0.02, **options)
        assert 0 < better.total_low < better.total < better.total_high
        assert index_point_worth(0.1, 0.02, **options).total < 0
        fallen = index_point_worth(-0.1, 0.02, points=-1, **options)
        assert fallen.total_low < fallen.total < fallen.total_high < 0

    def test_no_effect_no_worth(self):
        none = index_point_worth(0.0, 0.02, baseline_hazard=[0.05, 0.3], **BASE)
        assert none.total == 0
        assert none.total_low < 0 < none.total_high
        assert index_point_worth(-0.1, 0.02, points=0, baseline_hazard=[0.05], **BASE).total == 0

    @pytest.mark.parametrize("link", ["logit", "cloglog"])
    @pytest.mark.filterwarnings("error")
    def test_who_stays_or_leaves_for_certain_is_worth_the_same(self, link):
        worth = index_point_worth(-0.5, 0.1, baseline_hazard=[0.0, 1.0], link=link, **BASE)
        np.testing.assert_allclose(worth.members[["change", "low", "high"]], 0)
        assert worth.total_std_error == 0
        assert worth.members.loc[1, "value"] == 0


class TestInput:
    def test_every_problem_at_once(self):
        with pytest.raises(ParameterError) as error:
            index_point_worth(
                "x",
                -1,
                baseline_hazard=[0.1],
                monthly_margin=5,
                annual_discount_rate=-0.1,
                horizon_months=0,
                link="log",
            )
        for part in ("coefficient", "std_error", "annual_discount_rate", "horizon_months", "link must be one of"):
            assert part in str(error.value)

    def test_members(self):
        with pytest.raises(ParameterError) as error:
            index_point_worth(
                -0.1, 0.1, baseline_hazard=[0.1, 1.4], monthly_margin=[-5, 2, 3], annual_discount_rate=0.1
            )
        text = str(error.value)
        assert "does not for 1 of 2 members (at positions 1)" in text
        assert "monthly_margin must be 0 or more, and 1 are below (at positions 0)" in text
        assert "2 members and monthly_margin 3" in text
        with pytest.raises(ParameterError, match="has 3 months, fewer than horizon_months"):
            index_point_worth(-0.1, 0.1, baseline_hazard=[[0.1, 0.1, 0.1]], monthly_margin=5, annual_discount_rate=0.1)
        with pytest.raises(ParameterError, match="on the log scale"):
            index_point_worth(-30.0, 0.1, baseline_hazard=[0.1], points=2, **BASE)
        with pytest.raises(DataFloorError, match="needs members"):
            index_point_worth(-0.1, 0.1, baseline_hazard=[], **BASE)
