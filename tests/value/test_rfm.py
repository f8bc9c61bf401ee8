import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.value import (
    RFM_CLASSES,
    plot_rfm,
    plot_rfm_grid,
    rfm,
    rfm_grid_table,
    rfm_score_table,
    rfm_table,
)

DAY = pd.Timestamp("2026-01-01")
TWO_BINS = {"recency_days": [90], "frequency": [3], "monetary": [500]}


def frame_of(rows):
    """Customers from rows of recency in days, purchase days and revenue."""
    recency, frequency, monetary = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(len(rows))],
            "last_purchase": DAY - pd.to_timedelta(list(recency), unit="D"),
            "purchase_days": list(frequency),
            "revenue": [float(value) for value in monetary],
        }
    )


customers = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6), st.integers(-20, 300)), min_size=5, max_size=50)


class TestCorrectness:
    @pytest.mark.parametrize(
        ("pattern", "name", "chinese"),
        [
            ("HHH", "important value", "重要价值"),
            ("HLH", "important develop", "重要发展"),
            ("LHH", "important keep", "重要保持"),
            ("LLH", "important retain", "重要挽留"),
            ("HHL", "general value", "一般价值"),
            ("HLL", "general develop", "一般发展"),
            ("LHL", "general keep", "一般保持"),
            ("LLL", "general retain", "一般挽留"),
        ],
    )
    def test_eight_classes_of_the_textbook(self, pattern, name, chinese):
        rows = [
            (10 if r == "H" else 300, 8 if f == "H" else 1, 900 if m == "H" else 20)
            for r, f, m in itertools.product("HL", repeat=3)
        ]
        result = rfm(frame_of(rows), as_of=DAY, bins=2, method="fixed", cuts=TWO_BINS, split="mean")
        position = ["".join(letters) for letters in itertools.product("HL", repeat=3)].index(pattern)
        assert result.loc[position, "rfm_class"] == name
        assert rfm_table(result).set_index("rfm_class").loc[name, "chinese"] == chinese
        described = {known.name: known for known in RFM_CLASSES}[name]
        assert described.pattern == pattern
        assert described.action

    def test_scores_by_hand(self):
        rows = [(1, 9, 900), (20, 1, 40), (30, 6, 700), (40, 1, 30), (50, 1, 10)]
        result = rfm(frame_of(rows), as_of=DAY)
        assert result["recency_days"].tolist() == [1, 20, 30, 40, 50]
        # Frequency: three customers share ranks 1–3, mean 2, so (2 − ½)/5 = 0.3 of the way: score 2.
        assert result["rfm_score"].tolist() == ["555", "423", "344", "222", "121"]

    def test_untied_quantiles_are_those_of_pandas(self):
        rng = np.random.default_rng(1)
        rows = list(zip(rng.permutation(500), rng.permutation(500) + 1, rng.normal(100, 30, 500), strict=True))
        frame = frame_of(rows)
        result = rfm(frame, as_of=DAY)
        assert result["m_score"].tolist() == (pd.qcut(frame["revenue"], 5, labels=False) + 1).tolist()
        assert result["r_score"].tolist() == (5 - pd.qcut(result["recency_days"], 5, labels=False)).tolist()

    def test_fixed_cut_points_belong_to_the_better_side(self):
        cuts = {"recency_days": [30, 90], "frequency": [2, 5], "monetary": [100, 500]}
        rows = [(30, 2, 100), (31, 1, 99.99), (90, 5, 500), (91, 6, 501)]
        result = rfm(frame_of(rows), as_of=DAY, bins=3, method="fixed", cuts=cuts)
        assert result["rfm_score"].tolist() == ["322", "211", "233", "133"]

    @pytest.mark.parametrize(
        ("revenues", "split", "high"),
        [
            ([5, 5, 5, 15, 45], "median", [15, 45]),  # scores 1 1 1 2 5: median 1
            ([5, 5, 5, 15, 45], "mean", [45]),  # mean 2, and a score of 2 is not above it
            ([5, 15, 45, 45, 45], "median", [45, 45, 45]),  # nobody above the median 5: those at it
            ([5, 5, 5, 5, 5], "median", []),
            ([5, 5, 5, 5, 5], "mean", []),
        ],
    )
    def test_high_is_above_the_split(self, revenues, split, high):
        cuts = {"recency_days": [10, 20, 30, 40], "frequency": [2, 3, 4, 5], "monetary": [10, 20, 30, 40]}
        frame = frame_of([(5, 1, revenue) for revenue in revenues])
        result = rfm(frame, as_of=DAY, method="fixed", cuts=cuts, split=split)
        important = result["rfm_class"].astype(str).str.startswith("important")
        assert result.loc[important, "monetary"].tolist() == high

    def test_same_frequency_for_all_is_said_not_hidden(self):
        result = rfm(frame_of([(day, 1, 10 * day + 1) for day in range(10)]), as_of=DAY)
        assert result["f_score"].tolist() == [3] * 10
        assert set(result["rfm_class"]) <= {known.name for known in RFM_CLASSES if known.pattern[1] == "L"}
        assert result.attrs["notes"] == ("frequency takes 1 different values: 1 of 5 scores are in use.",)

    def test_customer_without_purchase_has_no_scores(self, summary, only_returned):
        both = pd.concat([summary, only_returned], ignore_index=True)
        result = rfm(both, as_of=DAY)
        last = result.iloc[-1]
        assert last["rfm_class"] == "no purchase"
        assert last[["recency_days", "r_score", "f_score", "m_score", "rfm_score"]].isna().all()
        # The others are scored as if he were not there.
        alone = rfm(summary, as_of=DAY)
        assert result["rfm_score"].iloc[:-1].tolist() == alone["rfm_score"].tolist()
        table = rfm_table(result)
        assert table["rfm_class"].tolist()[-1] == "no purchase"
        assert table["customers"].sum() == len(both)
        assert table["revenue"].sum() == pytest.approx(both["revenue"].sum())
        assert "no purchase" not in rfm_table(alone)["rfm_class"].tolist()

    def test_table_by_hand(self):
        result = rfm(frame_of([(2, 9, 900), (31, 1, 40), (214, 6, 700), (579, 1, 60)]), as_of=DAY, bins=2)
        table = rfm_table(result, value_name="margin").set_index("rfm_class")
        assert list(table.index) == [known.name for known in RFM_CLASSES]
        assert table.loc["important keep"].drop("chinese").astype(float).tolist() == pytest.approx(
            [1, 0.25, 214, 6, 700, 700, 700 / 1700]
        )
        assert table.loc["important retain", "customers"] == 0
        assert np.isnan(table.loc["important retain", "median_monetary"])
        assert list(table.columns[-2:]) == ["margin", "margin_share"]

    def test_score_table_and_grid_by_hand(self):
        result = rfm(frame_of([(2, 9, 900), (31, 1, 40), (214, 6, 700), (579, 1, 60)]), as_of=DAY, bins=2)
        scores = rfm_score_table(result).set_index(["measure", "score"])
        assert scores.loc[("recency_days", 2)].tolist() == [2, 2, 31]
        assert scores.loc[("frequency", 1)].tolist() == [2, 1, 1]
        assert rfm_grid_table(result).loc[2, 1] == 1
        assert rfm_grid_table(result, value="mean_monetary").loc[1, 2] == pytest.approx(700)

    def test_ten_or_more_bins_keep_scores_apart(self):
        result = rfm(frame_of([(day, day + 1, day) for day in range(24)]), as_of=DAY, bins=12)
        assert result.loc[0, "rfm_score"] == "12-1-1"


class TestConsistency:
    @given(customers, st.integers(2, 5), st.sampled_from(["median", "mean"]), st.randoms(use_true_random=False))
    @settings(max_examples=80, deadline=None)
    def test_scores_follow_the_measures(self, rows, bins, split, random):
        frame = frame_of(rows)
        result = rfm(frame, as_of=DAY, bins=bins, split=split)
        for measure, score, sign in (
            ("recency_days", "r_score", -1),
            ("frequency", "f_score", 1),
            ("monetary", "m_score", 1),
        ):
            assert result[score].between(1, bins).all()
            ordered = result.assign(goodness=sign * result[measure].astype(float)).sort_values("goodness")
            assert ordered[score].is_monotonic_increasing
            assert ordered.groupby("goodness")[score].agg(lambda of_ties: len(set(of_ties)) == 1).all()
        assert result["rfm_class"].isin([known.name for known in RFM_CLASSES]).all()
        assert rfm_table(result)["customers"].sum() == len(frame)
        assert rfm_grid_table(result).to_numpy().sum() == len(frame)
        assert rfm_score_table(result).groupby("measure")["customers"].sum().eq(len(frame)).all()
        shuffled = frame.sample(frac=1, random_state=random.randint(0, 9999))
        again = rfm(shuffled, as_of=DAY, bins=bins, split=split).sort_values("customer_id", ignore_index=True)
        pd.testing.assert_frame_equal(again, result.sort_values("customer_id", ignore_index=True))

    @given(customers, st.integers(2, 4))
    @settings(max_examples=40, deadline=None)
    def test_copies_of_all_customers_change_no_score(self, rows, copies):
        once = rfm(frame_of(rows), as_of=DAY)
        often = rfm(frame_of(rows * copies), as_of=DAY)
        columns = ["rfm_score", "rfm_class"]
        pd.testing.assert_frame_equal(often[columns].iloc[: len(rows)], once[columns])

    def test_currency_and_later_date_change_no_score(self, summary):
        first = rfm(summary, as_of=DAY)
        later = rfm(summary.assign(revenue=100 * summary["revenue"]), as_of="2026-02-01")
        assert first["rfm_class"].equals(later["rfm_class"])
        assert (later["recency_days"] - first["recency_days"]).eq(31).all()

    def test_other_column_names_and_untouched_input(self, summary):
        renamed = summary.rename(columns={"customer_id": "member", "margin": "worth", "last_purchase": "last"})
        renamed.index = range(100, 100 + len(renamed))
        before = renamed.copy()
        result = rfm(
            renamed,
            as_of=DAY,
            customer_col="member",
            last_purchase_col="last",
            frequency_col="orders",
            monetary_col="worth",
        )
        pd.testing.assert_frame_equal(renamed, before)
        assert result["member"].tolist() == renamed["member"].tolist()
        assert result["monetary"].tolist() == summary["margin"].tolist()
        assert result["frequency"].tolist() == summary["orders"].tolist()


class TestInputChecks:
    def test_all_option_problems_at_once(self, summary):
        with pytest.raises(ParameterError) as caught:
            rfm(
                summary.drop(columns="purchase_days"),
                as_of="sometime",
                bins=1,
                method="quantile",
                cuts=TWO_BINS,
                split="mode",
            )
        message = str(caught.value)
        assert "5 problems" in message
        for part in (
            "bins must be",
            "split must be",
            "cuts are used by",
            "lacks the column purchase_days",
            "as_of must",
        ):
            assert part in message

    def test_all_data_problems_at_once(self, summary):
        bad = summary.astype({"revenue": float})
        bad.loc[3, "revenue"] = np.nan
        with pytest.raises(ParameterError) as caught:
            rfm(bad, as_of="2025-06-01")
        message = str(caught.value)
        late = (summary["last_purchase"] > "2025-06-01").sum()
        assert f"before the last purchase of {late} customers" in message
        assert "revenue has 1 missing" in message

    def test_more_bins_than_customers(self):
        with pytest.raises(ParameterError, match="bins is 5, and only 2 customers bought"):
            rfm(frame_of([(1, 1, 1), (2, 2, 2)]), as_of=DAY)

    def test_nobody_bought(self, only_returned):
        with pytest.raises(ParameterError, match="no customer has a purchase"):
            rfm(only_returned, as_of=DAY)

    @pytest.mark.parametrize(
        ("cuts", "message"),
        [
            (None, "cuts.'recency_days'. must hold 1 ascending"),
            ({**TWO_BINS, "monetary": [5, 1]}, "cuts.'monetary'. must hold 1 ascending"),
            ({**TWO_BINS, "money": [1]}, "cuts names money"),
        ],
    )
    def test_fixed_cuts(self, cuts, message):
        with pytest.raises(ParameterError, match=message):
            rfm(frame_of([(1, 1, 1), (2, 2, 2)]), as_of=DAY, bins=2, method="fixed", cuts=cuts)

    def test_repeated_customers_and_text_dates(self):
        frame = frame_of([(1, 1, 1), (2, 2, 2)])
        with pytest.raises(ParameterError, match="repeats in 1 rows"):
            rfm(frame.assign(customer_id="x"), as_of=DAY, bins=2)
        with pytest.raises(ParameterError, match="must hold dates"):
            rfm(frame.assign(last_purchase="2025-01-01"), as_of=DAY, bins=2)

    def test_unknown_grid_value(self, summary):
        with pytest.raises(ParameterError, match="'customers' or 'mean_monetary'"):
            rfm_grid_table(rfm(summary, as_of=DAY), value="median")


class TestFigures:
    def test_no_shares_of_a_total_loss(self):
        result = rfm(frame_of([(1, 1, -5), (2, 2, -7)]), as_of=DAY, bins=2)
        assert rfm_table(result)["revenue_share"].isna().all()
        with pytest.raises(ParameterError, match="total of revenue is -12"):
            plot_rfm(result)

    def test_bars_equal_the_table(self, summary):
        import matplotlib.pyplot as plt

        given_ax = plt.figure().add_subplot()
        result = rfm(summary, as_of=DAY)
        ax = plot_rfm(result, ax=given_ax)
        assert ax is given_ax
        table = rfm_table(result)
        widths = [[bar.get_width() for bar in bars] for bars in ax.containers]
        assert widths == [table["customer_share"].tolist(), table["revenue_share"].tolist()]
        assert [label.get_text() for label in ax.get_yticklabels()] == table["rfm_class"].tolist()
        assert table.loc[table["revenue_share"].idxmax(), "rfm_class"] in alt_text(ax.figure)
        assert ax.get_xlabel()

    @pytest.mark.parametrize("value", ["customers", "mean_monetary"])
    def test_grid_cells_equal_the_table(self, summary, value):
        result = rfm(summary, as_of=DAY)
        ax = plot_rfm_grid(result, value=value)
        table = rfm_grid_table(result, value=value)
        drawn = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
        for (row, column), number in np.ndenumerate(table.to_numpy(dtype=float)):
            assert drawn.get((row, column)) == (None if np.isnan(number) else f"{number:,.0f}")
        assert [label.get_text() for label in ax.get_yticklabels()] == ["5", "4", "3", "2", "1"]
        assert alt_text(ax.figure)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_hair_of_the_mean_does_not_turn_the_middle_score(extra):
    """101 or 102 customers in five nearly equal bins: the mean score lies just below or above 3."""
    n = 101 + extra
    days = pd.date_range(end="2025-12-31", periods=n)
    summary = pd.DataFrame({"customer_id": range(n), "last_purchase": days, "purchase_days": 1, "revenue": 1.0})
    result = rfm(summary, as_of="2026-01-01", split="mean")
    high = result["rfm_class"].isin(["general develop"])
    assert set(result.loc[high, "r_score"]) == {4, 5}
