import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.value import customer_profit, lorenz, plot_whale, whale_curve, whale_table

SUMMARY = pd.DataFrame({"customer_id": ["a", "b"], "margin": [50.0, 8.0], "orders": [4, 1]})
CONTACTS = pd.DataFrame({"customer_id": ["b", "z", "b", None, "a"], "cost": [6.0, 2.0, 3.0, 5.0, np.nan]})


class TestProfit:
    def test_by_hand(self):
        profit = customer_profit(SUMMARY, CONTACTS, cost_per_order=2)
        assert profit["customer_id"].tolist() == ["a", "b", "z"]
        assert profit["cost_to_serve"].tolist() == [8, 11, 2]
        assert profit["profit"].tolist() == [42, -3, -2]
        assert profit.attrs == {
            "customers_without_purchase_record": 1,
            "unassigned_cost": 5.0,
            "interactions_without_cost": 1,
        }

    def test_without_interactions(self):
        assert customer_profit(SUMMARY, cost_per_order=1.5)["profit"].tolist() == [44, 6.5]
        assert customer_profit(SUMMARY)["profit"].tolist() == SUMMARY["margin"].tolist()

    def test_no_money_is_lost(self, summary):
        rng = np.random.default_rng(1)
        contacts = pd.DataFrame(
            {"customer_id": rng.choice([*summary["customer_id"], "stranger", None], 900), "cost": rng.gamma(2, 9, 900)}
        )
        before = contacts.copy(), summary.copy()
        profit = customer_profit(summary, contacts, cost_per_order=3)
        served = profit["cost_to_serve"].sum() + profit.attrs["unassigned_cost"]
        assert served == pytest.approx(contacts["cost"].sum() + 3 * summary["orders"].sum())
        assert profit["margin"].sum() == pytest.approx(summary["margin"].sum())
        pd.testing.assert_frame_equal(contacts, before[0])
        pd.testing.assert_frame_equal(summary, before[1])

    def test_whole_number_customers_match(self):
        numbered = SUMMARY.assign(customer_id=[1, 2])
        contacts = pd.DataFrame({"customer_id": [2, 2], "cost": [1.0, 1.0]})
        assert customer_profit(numbered, contacts)["cost_to_serve"].tolist() == [0, 2]

    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            customer_profit(SUMMARY.assign(margin=np.nan), CONTACTS.drop(columns="cost"), cost_per_order=-1)
        message = str(caught.value)
        assert "3 problems" in message
        for part in ("cost_per_order", "summary.margin has 2 missing", "interactions lacks the column cost"):
            assert part in message


class TestCurve:
    def test_by_hand(self):
        curve = whale_curve([-30, 70, 60])
        assert curve["cumulative_profit"].tolist() == [0, 70, 130, 100]
        assert curve["cumulative_share"].tolist() == pytest.approx([0, 0.7, 1.3, 1])
        table = whale_table(curve, n_boot=20).set_index("measure")["value"]
        assert table.to_dict() == pytest.approx(
            {
                "total_profit": 100,
                "peak_profit_share": 1.3,
                "profitable_customers_share": 2 / 3,
                "loss_of_unprofitable": 30,
                "loss_share": 0.3,
            }
        )

    def test_customer_without_profit_or_loss_is_not_profitable(self):
        table = whale_table(whale_curve([4, 0, 0, -1]), n_boot=20).set_index("measure")["value"]
        assert table["profitable_customers_share"] == 0.25

    @given(st.lists(st.integers(-100, 200), min_size=1, max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_shape_of_the_curve(self, profits):
        curve = whale_curve(profits)
        cumulative = curve["cumulative_profit"]
        assert cumulative.iloc[-1] == pytest.approx(sum(profits))
        assert (cumulative.diff().diff().dropna() <= 0).all()
        assert cumulative.max() == pytest.approx(sum(profit for profit in profits if profit > 0))
        assert curve["cumulative_share"].isna().all() == (sum(profits) <= 0)
        pd.testing.assert_frame_equal(whale_curve(profits[::-1]), curve)

    def test_is_the_lorenz_curve_turned_round(self):
        profits = np.random.default_rng(2).normal(20, 40, 300)
        turned = 1 - lorenz(profits)["value_share"].to_numpy()[::-1]
        assert whale_curve(profits)["cumulative_share"].to_numpy() == pytest.approx(turned)

    def test_intervals_agree_with_standard_errors(self):
        profits = np.random.default_rng(3).normal(10, 30, 1500)
        table = whale_table(whale_curve(profits), n_boot=2000).set_index("measure")
        half = (table["high"] - table["low"]) / 2
        share = (profits > 0).mean()
        assert half["total_profit"] == pytest.approx(1.96 * profits.std() * np.sqrt(1500), rel=0.06)
        assert half["profitable_customers_share"] == pytest.approx(1.96 * np.sqrt(share * (1 - share) / 1500), rel=0.06)
        gain, ratio = np.maximum(profits, 0), table.loc["peak_profit_share", "value"]
        influence = (gain - ratio * profits) / profits.mean()
        assert half["peak_profit_share"] == pytest.approx(1.96 * influence.std() / np.sqrt(1500), rel=0.06)

    def test_loss_making_company_has_no_shares(self):
        table = whale_table(whale_curve([10, -40]), n_boot=20).set_index("measure")["value"]
        assert table["total_profit"] == -30
        assert table[["peak_profit_share", "loss_share"]].isna().all()
        assert table["loss_of_unprofitable"] == 40

    def test_missing_profit(self):
        with pytest.raises(ParameterError, match="1 missing"):
            whale_curve([1.0, np.nan])

    def test_same_seed_same_table(self):
        curve = whale_curve(np.random.default_rng(4).normal(10, 30, 60))
        pd.testing.assert_frame_equal(whale_table(curve, n_boot=20), whale_table(curve, n_boot=20))


class TestFigure:
    def test_peak_and_end_equal_the_table(self):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        curve = whale_curve(np.random.default_rng(5).normal(10, 30, 5000))
        table = whale_table(curve, n_boot=2).set_index("measure")["value"]
        ax = plot_whale(curve, ax=given_ax)
        assert ax is given_ax
        rise, fall = ax.lines[0], ax.lines[1]
        assert rise.get_ydata()[-1] == pytest.approx(table["peak_profit_share"])
        assert rise.get_xdata()[-1] == pytest.approx(table["profitable_customers_share"])
        assert fall.get_ydata()[-1] == pytest.approx(1)
        assert len(rise.get_xdata()) <= 1000
        assert f"{table['peak_profit_share']:.0%}" in alt_text(ax.figure)
        assert ax.get_ylabel() == "Cumulative share of total profit"

    @pytest.mark.parametrize("profits", [[10, -40], [-1, -2], [5, 7], [0, 0], [3]])
    def test_draws_at_the_edges(self, profits):
        ax = plot_whale(whale_curve(profits), currency="CNY")
        ax.figure.canvas.draw()
        assert ("(CNY)" in ax.get_ylabel()) == (sum(profits) <= 0)
