"""Two-way classes: each quarter by hand, cut points, stability over draws, the tables and the figure."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime.classes import (
    CUSTOMER_MATRIX,
    LOYALTY_PORTFOLIO,
    VALUE_POTENTIAL_CLASSES,
    class_table,
    customer_matrix,
    loyalty_portfolio,
    plot_classes,
    value_potential_classes,
)
from crm_utils.plotting import alt_text

SCHEMES = [
    (value_potential_classes, VALUE_POTENTIAL_CLASSES, ["vip", "maintain", "improve", "let_go"]),
    (customer_matrix, CUSTOMER_MATRIX, ["II", "I", "IV", "III"]),
    (loyalty_portfolio, LOYALTY_PORTFOLIO, ["quality", "fashion", "problem", "low_grade"]),
]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def valued():
    """Skewed values of 600 customers, some of them losses, and draws around them."""
    rng = np.random.default_rng(3)
    ids = pd.Index([f"c{number:03d}" for number in range(600)])
    present = pd.Series(np.where(rng.random(600) < 0.4, 0.0, rng.lognormal(4, 1.5, 600)) - 5, index=ids)
    potential = pd.Series(rng.lognormal(5, 1.2, 600), index=ids)
    return present, potential, potential.to_numpy()[:, None] * rng.lognormal(0, 0.5, (600, 200))


class TestQuarters:
    @pytest.mark.parametrize(("classify", "classes", "keys"), SCHEMES)
    def test_high_and_low_on_both_axes(self, classify, classes, keys):
        corners = pd.DataFrame({"first": [9.0, 9, 1, 1], "second": [9.0, 1, 9, 1]}, index=list("abcd"))
        result = classify(corners["first"], corners["second"])
        assert result["class"].tolist() == keys
        assert result["class"].cat.categories.tolist() == [kind.key for kind in classes]
        assert len({kind.pattern for kind in classes}) == 4

    def test_textbook_names(self):
        assert {kind.key: kind.chinese for kind in VALUE_POTENTIAL_CLASSES} == {
            "vip": "贵宾型",
            "improve": "改进型",
            "maintain": "维持型",
            "let_go": "放弃型",
        }
        assert [kind.chinese for kind in LOYALTY_PORTFOLIO] == ["优质类", "时尚类", "问题类", "低质类"]
        assert [kind.pattern for kind in CUSTOMER_MATRIX] == ["HL", "HH", "LL", "LH"]


class TestCuts:
    @pytest.mark.parametrize(
        ("cut", "point", "high"),
        [
            ("median", 3.0, 2),
            ("mean", 22.0, 1),
            ("top 40%", 3.4, 2),
            ("top 20 %", 23.2, 1),
            (1, 1.0, 4),
            (100.0, 100, 0),
        ],
    )
    def test_by_hand(self, cut, point, high):
        present = pd.Series([1.0, 2, 3, 4, 100])
        result = value_potential_classes(present, pd.Series(np.zeros(5)), cut_present=cut)
        assert result.attrs["cuts"] == pytest.approx({"present": point, "potential": 0})
        assert (result["class"] == "maintain").sum() == high

    def test_equal_customers_are_low(self):
        result = loyalty_portfolio(pd.Series(np.ones(7)), pd.Series(np.ones(7)))
        assert set(result["class"]) == {"low_grade"}


class TestProfitable:
    profit = pd.Series([-40.0, -30, -20, -10, 0, 0, 0, 0, 5, 9], index=list("abcdefghij"))
    alive = pd.Series([0.9, 0.1] * 5, index=list("abcdefghij"))

    @pytest.mark.parametrize("cut", ["median", "mean", "top 30%", "top 90%"])
    def test_who_earns_nothing_is_not_profitable(self, cut):
        result = loyalty_portfolio(self.profit, self.alive, cut_profitability=cut, cut_loyalty=0.5)
        assert result.attrs["cuts"]["profitability"] == 0
        profitable = result["class"].isin(["quality", "fashion"])
        assert result.loc[profitable, "profitability"].tolist() == [5, 9]

    def test_in_every_draw_too(self):
        draws = np.column_stack([self.profit, -abs(self.profit) - 1])
        result = loyalty_portfolio(
            self.profit, self.alive, cut_profitability="top 90%", cut_loyalty=0.5, profitability_draws=draws
        )
        assert result["stability"].tolist() == [1.0] * 8 + [0.5] * 2

    def test_a_number_is_taken_as_it_is_and_a_cut_above_nothing_stays(self):
        given = loyalty_portfolio(self.profit, self.alive, cut_profitability=-25)
        assert given.attrs["cuts"]["profitability"] == -25
        above = loyalty_portfolio(self.profit + 50, self.alive)
        assert above.attrs["cuts"]["profitability"] == 50


class TestStability:
    def test_by_hand(self):
        present = pd.Series([10.0, 1.0], index=["a", "b"])
        potential = pd.Series([5.0, 5.0], index=["a", "b"])
        draws = np.array([[10.0, 1.0, 10.0, 1.0], [1.0, 1.0, 10.0, 10.0]])
        fixed = value_potential_classes(present, potential, cut_present=3, cut_potential=3, present_draws=draws)
        assert fixed["stability"].tolist() == [0.5, 0.5]
        # The median moves with the draw: where both are equal nobody is above it.
        moved = value_potential_classes(present, potential, cut_potential=3, present_draws=draws)
        assert moved["stability"].tolist() == [0.25, 0.75]

    def test_draws_of_both_axes_belong_together(self):
        one = pd.Series([9.0, 1.0])
        draws = np.array([[9.0, 1.0], [1.0, 9.0]])
        both = customer_matrix(one, one, cut_value=5, cut_cost_to_serve=5, value_draws=draws, cost_to_serve_draws=draws)
        assert both["stability"].tolist() == [0.5, 0.5]
        crossed = customer_matrix(
            one, one, cut_value=5, cut_cost_to_serve=5, value_draws=draws, cost_to_serve_draws=draws[:, ::-1]
        )
        assert crossed["stability"].tolist() == [0.0, 0.0]

    def test_draws_without_noise_change_nothing(self, valued):
        present, potential, _ = valued
        result = value_potential_classes(
            present, potential, cut_potential="top 20%", potential_draws=np.column_stack([potential] * 3)
        )
        assert (result["stability"] == 1).all()

    def test_customers_near_the_cut_are_less_sure(self, valued):
        present, potential, draws = valued
        result = value_potential_classes(present, potential, potential_draws=draws)
        distance = np.abs(np.log(result["potential"] / result.attrs["cuts"]["potential"]))
        assert result.loc[distance < 0.1, "stability"].mean() < 0.65
        assert result.loc[distance > 1.5, "stability"].mean() > 0.97

    def test_without_draws_it_is_not_known(self, valued):
        assert value_potential_classes(*valued[:2])["stability"].isna().all()


class TestConsistency:
    def test_order_of_customers_and_units_do_not_matter(self, valued):
        present, potential, draws = valued
        result = value_potential_classes(present, potential, potential_draws=draws).set_index("customer_id")
        back = value_potential_classes(7 * present[::-1], potential[::-1], potential_draws=draws[::-1])
        for column in ("class", "stability"):
            assert back.set_index("customer_id")[column].loc[result.index].tolist() == result[column].tolist()

    def test_inputs_are_not_modified_and_the_index_names_the_customer(self, valued):
        present, potential, _ = valued
        present.index.name = "member"
        potential.index.name = "member"
        kept = present.copy(), potential.copy()
        assert value_potential_classes(present, potential).columns[0] == "member"
        pd.testing.assert_series_equal(present, kept[0])
        pd.testing.assert_series_equal(potential, kept[1])


class TestTable:
    def test_adds_up(self, valued):
        present, potential, draws = valued
        result = value_potential_classes(present, potential, potential_draws=draws)
        table = class_table(result)
        assert table["class"].tolist() == ["vip", "improve", "maintain", "let_go"]
        assert table["customers"].sum() == 600
        assert table["customer_share"].sum() == pytest.approx(1)
        assert table["total_present"].sum() == pytest.approx(present.sum())
        vip = result[result["class"] == "vip"]
        first = table.iloc[0]
        assert first["mean_potential"] == pytest.approx(vip["potential"].mean())
        assert first["mean_stability"] == pytest.approx(vip["stability"].mean())
        assert table["action"].is_unique

    def test_empty_classes_stay(self):
        same = pd.Series([1.0, 2.0])
        table = class_table(loyalty_portfolio(same, same)).set_index("class")
        assert table.loc["fashion", "customers"] == 0
        assert table.loc["fashion", "total_loyalty"] == 0
        assert np.isnan(table.loc["fashion", "mean_loyalty"])


class TestFigure:
    def test_draws_the_classes_and_names_their_shares(self, valued):
        import matplotlib.pyplot as plt

        present, potential, _ = valued
        result = value_potential_classes(present, potential, cut_potential="top 20%")
        given_ax = plt.figure().add_subplot()
        ax = plot_classes(result, labels={"present": "Margin, CNY"}, ax=given_ax)
        assert ax is given_ax
        for cloud, key in zip(ax.collections, ("vip", "improve", "maintain", "let_go"), strict=True):
            members = result[result["class"] == key]
            assert cloud.get_offsets().data.tolist() == members[["present", "potential"]].to_numpy().tolist()
        shares = class_table(result)["customer_share"]
        assert [text.get_text() for text in ax.texts] == [
            f"{name}\n{share:.0%}"
            for name, share in zip(["VIP", "to improve", "to maintain", "to let go"], shares, strict=True)
        ]
        assert ax.lines[0].get_xdata()[0] == result.attrs["cuts"]["present"]
        assert ax.lines[1].get_ydata()[0] == result.attrs["cuts"]["potential"]
        assert ax.get_xlabel() == "Margin, CNY"
        assert ax.get_ylabel() == "Potential value"
        assert f"VIP {shares[0]:.0%}" in alt_text(ax.figure)
        assert "600 customers" in alt_text(ax.figure)

    @pytest.mark.parametrize(("classify", "classes", "keys"), SCHEMES)
    @pytest.mark.parametrize("shape", ["skewed", "equal", "few above"])
    def test_names_stay_in_their_quarter_and_clear_of_points(self, classify, classes, keys, shape):
        rng = np.random.default_rng(1)
        values = {
            "skewed": rng.lognormal(3, 2, 300) - 2,
            "equal": np.ones(300),
            "few above": np.where(np.arange(300) < 3, 500.0, rng.random(300)),
        }[shape]
        result = classify(pd.Series(values), pd.Series(values[::-1]))
        ax = plot_classes(result)
        ax.figure.canvas.draw()
        line_x, line_y = ax.transData.transform(list(result.attrs["cuts"].values()))
        points = ax.transData.transform(result.iloc[:, 1:3].to_numpy())
        for text, kind in zip(ax.texts, classes, strict=True):
            box = text.get_window_extent()
            right, top = (letter == "H" for letter in kind.pattern)
            assert box.x0 > line_x if right else box.x1 < line_x
            assert box.y0 > line_y if top else box.y1 < line_y
            inside = (points > [box.x0, box.y0]) & (points < [box.x1, box.y1])
            assert not inside.all(axis=1).any()

    def test_many_customers_make_a_small_drawing(self):
        values = pd.Series(np.random.default_rng(2).lognormal(3, 1, 20_000))
        ax = plot_classes(value_potential_classes(values, values[::-1].reset_index(drop=True)))
        assert sum(len(cloud.get_offsets()) for cloud in ax.collections) == 1000
        assert "20,000 customers" in alt_text(ax.figure)

    def test_needs_the_result_as_returned(self, valued):
        result = value_potential_classes(*valued[:2])
        with pytest.raises(ParameterError, match="no cut points"):
            plot_classes(pd.DataFrame({column: result[column] for column in result}))
        with pytest.raises(ParameterError, match="two axes of one scheme"):
            class_table(result.drop(columns="potential"))


class TestInputs:
    def test_all_problems_at_once(self):
        present = pd.Series([1.0, np.nan, 3.0], index=list("abb"))
        potential = pd.Series([1.0, 2.0, 3.0], index=list("abc"))
        with pytest.raises(ParameterError, match="6 problems") as caught:
            value_potential_classes(
                present, potential, cut_present="top 120%", cut_potential="mode", potential_draws=np.ones((2, 4))
            )
        for part in (
            "present has 1 customers twice (b)",
            "0 are in present only, 1 in potential only",
            "present has 1 missing",
            "cut_present must be 'median'",
            "is 'mode'",
            "potential_draws must have a row for each of 3 customers",
        ):
            assert part in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            (([1.0], [2.0]), {}, "must be pandas Series"),
            ((pd.Series(dtype=float), pd.Series(dtype=float)), {}, "has no customer"),
            ((pd.Series(["x"]), pd.Series([1.0])), {}, "present must be numbers"),
            (
                (pd.Series([1.0, 2]), pd.Series([1.0, 2])),
                {"present_draws": np.ones((2, 3)), "potential_draws": np.ones((2, 4))},
                "same number of draws, and have 3 and 4",
            ),
            (
                (pd.Series([1.0, 2]), pd.Series([1.0, 2])),
                {"present_draws": np.full((2, 3), np.nan)},
                "present_draws has 6 missing",
            ),
        ],
    )
    def test_one_clear_error(self, arguments, options, message):
        with pytest.raises(ParameterError, match=message):
            value_potential_classes(*arguments, **options)
