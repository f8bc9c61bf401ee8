"""Churn rates: the textbook's example, counts by hand, what a cut-off period tells, silence against own rhythm."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.churn import (
    absolute_relative_churn,
    churn_rates,
    churn_rates_table,
    plot_absolute_relative_churn,
    plot_churn_rates,
    plot_silent,
    silent_customers,
    silent_table,
)
from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.intervals import wilson
from crm_utils.plotting import alt_text


@pytest.fixture
def memberships():
    """Two running, one left in February, one in and out in February, one who ends after the day of the analysis."""
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d", "e"],
            "started_at": pd.to_datetime(["2025-01-01", "2025-01-15", "2025-01-20", "2025-02-10", "2025-01-31"]),
            "ended_at": pd.to_datetime(["2025-02-28", None, None, "2025-02-20", "2025-03-31"]),
            "plan": ["gold", "gold", "silver", "silver", "silver"],
        }
    )


@pytest.fixture
def textbook():
    """1,000 customers; the 100 lost ones bought for 200,000 of 1,000,000."""
    return pd.DataFrame({"left": [True] * 100 + [False] * 900, "value": [2000.0] * 100 + [8000 / 9] * 900})


class TestChurnRates:
    def test_by_hand(self, memberships):
        rates = churn_rates(memberships, as_of="2025-03-01")
        assert rates["members_at_start"].tolist() == [0, 4]
        assert rates["left"].tolist() == [0, 1]
        assert rates["joined"].tolist() == [4, 1]
        assert rates["joined_and_left"].tolist() == [0, 1]
        assert rates["churn_rate"].iloc[1] == 0.25
        low, high = wilson(np.array([1]), np.array([4]), level=0.95)
        assert rates.loc[1, ["low", "high"]].tolist() == [low[0], high[0]]
        assert not rates["partial"].any()
        assert "nobody" in rates["note"].iloc[0]

    def test_a_period_that_is_not_over_has_no_rate(self, memberships):
        rates = churn_rates(memberships, as_of="2025-02-21")
        last = rates.iloc[-1]
        assert last["partial"]
        assert np.isnan(last["churn_rate"])
        assert "not over" in last["note"]
        assert last["joined_and_left"] == 1
        # The end on 28 February is not known on the 21st.
        assert last["left"] == 0

    @pytest.mark.parametrize("period", ["month", "quarter", "year"])
    def test_agrees_with_counting_spell_by_spell(self, period):
        table = load_company().memberships
        rates = churn_rates(table, as_of="2025-05-20", period=period)
        ended = table["ended_at"].where(table["ended_at"] < "2025-05-20")
        for row in rates.itertuples():
            following = row.period + pd.DateOffset(months={"month": 1, "quarter": 3, "year": 12}[period])
            running = (table["started_at"] < row.period) & ~(ended < row.period)
            assert row.members_at_start == running.sum()
            assert row.left == (running & (ended < following)).sum()
        assert rates["partial"].tolist() == [False] * (len(rates) - 1) + [True]

    def test_groups_add_up(self, memberships):
        whole = churn_rates(memberships, as_of="2025-03-01")
        groups = churn_rates(memberships, as_of="2025-03-01", by="plan")
        assert groups["plan"].unique().tolist() == ["gold", "silver"]
        counts = ["members_at_start", "left", "joined", "joined_and_left"]
        assert (groups.groupby("period")[counts].sum().to_numpy() == whole[counts].to_numpy()).all()

    def test_unusable(self, memberships):
        with pytest.raises(ParameterError, match="period must be one of") as caught:
            churn_rates(memberships, as_of="2025-03-01", period="week", by="plam", level=2)
        assert "3 problems" in str(caught.value)
        with pytest.raises(DataFloorError, match="none"):
            churn_rates(memberships, as_of="2024-03-01")
        whole_year = churn_rates(memberships, as_of="2025-03-01", period="year")
        with pytest.raises(DataFloorError, match="Take a shorter period"):
            plot_churn_rates(whole_year.assign(churn_rate=np.nan))
        twice = pd.concat([memberships, memberships])
        with pytest.raises(ParameterError, match="5 spells begin while another"):
            churn_rates(twice, as_of="2025-03-01")

    def test_figure_shows_the_table(self, memberships):
        rates = churn_rates(memberships, as_of="2025-03-10", by="plan")
        table = churn_rates_table(rates)
        ax = plt.figure().add_subplot()
        assert plot_churn_rates(rates, by="plan", ax=ax) is ax
        drawn = np.concatenate([line.get_ydata() for line in ax.lines])
        assert drawn.tolist() == table["churn_rate"].tolist()
        assert "gold" in alt_text(ax.figure)
        plt.close(ax.figure)


class TestAbsoluteAndRelative:
    def test_textbook_1000_customers_100_lost(self, textbook):
        churn = absolute_relative_churn(textbook, n_boot=200).set_index("measure")
        assert churn["rate"].tolist() == pytest.approx([0.10, 0.20, 0.02])
        assert churn.loc["absolute churn rate", ["lost", "all"]].tolist() == [100, 1000]
        assert churn.loc["lost value share", ["lost", "all"]].tolist() == pytest.approx([200_000, 1_000_000])
        assert ((churn["low"] < churn["rate"]) & (churn["rate"] < churn["high"])).all()

    def test_interval_has_the_width_of_the_linearised_one(self, textbook):
        churn = absolute_relative_churn(textbook, n_boot=1000).set_index("measure").loc["relative churn rate"]
        left, value = textbook["left"].to_numpy(float), textbook["value"].to_numpy()
        share = (left * value).sum() / value.sum()
        influence = share * (left - 0.1) + 0.1 * value * (left - share) / value.mean()
        error = np.sqrt((influence**2).sum()) / len(left)
        assert churn["high"] - churn["low"] == pytest.approx(2 * 1.96 * error, rel=0.12)

    def test_seed_fixes_the_interval(self, textbook):
        first, again, other = (absolute_relative_churn(textbook, n_boot=50, seed=seed) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert not first.equals(other)

    def test_nobody_lost(self, textbook):
        churn = absolute_relative_churn(textbook.assign(left=False), n_boot=20)
        assert churn["rate"].tolist() == [0, 0, 0]
        assert churn["low"].isna().tolist() == [False, True, True]
        assert "nobody" in churn["note"].iloc[2]

    def test_unusable(self, textbook):
        with pytest.raises(ParameterError, match=r"True or False"):
            absolute_relative_churn(textbook.assign(left=2))
        with pytest.raises(ParameterError, match="above zero"):
            absolute_relative_churn(textbook.assign(value=0.0))
        with pytest.raises(DataFloorError, match="none"):
            absolute_relative_churn(textbook.iloc[:0])

    def test_figure(self, textbook):
        ax = plot_absolute_relative_churn(absolute_relative_churn(textbook, n_boot=20))
        assert ax.lines[0].get_xdata().tolist() == pytest.approx([0.10, 0.20, 0.02])
        assert "10.0%" in alt_text(ax.figure)
        plt.close(ax.figure)


def buyers(gaps_of, *, start="2025-01-01"):
    """Order lines of customers with the given gaps between purchase days."""
    rows = [
        (name, pd.Timestamp(start) + pd.Timedelta(days=int(day)))
        for name, gaps in gaps_of.items()
        for day in np.cumsum([0, *gaps])
    ]
    lines = pd.DataFrame(rows, columns=["customer_id", "ordered_at"])
    return lines.assign(order_id=np.arange(len(lines)).astype(str), amount=10.0)


class TestSilence:
    def test_own_gaps_by_hand(self):
        others = {f"o{number}": [7] * 5 for number in range(10)}
        lines = buyers({"often": list(range(1, 21)), **others})
        last = pd.Timestamp("2025-01-01") + pd.Timedelta(days=210)
        options = {"quantile": 0.9, "least_pool": 9}
        at = (
            silent_customers(lines, as_of=last + pd.Timedelta(days=19), **options).set_index("customer_id").loc["often"]
        )
        assert at["basis"] == "own gaps"
        assert at["gaps"] == 20
        # The ⌈21 × .9⌉th of the gaps 1 … 20.
        assert at["threshold_days"] == 19
        assert at["probability"] == pytest.approx(3 / 21)
        assert not at["silent"]
        later = silent_customers(lines, as_of=last + pd.Timedelta(days=20), **options).set_index("customer_id")
        assert later.loc["often", "probability"] == pytest.approx(2 / 21)
        assert later.loc["often", "silent"]

    def test_few_gaps_are_held_against_other_customers(self):
        first = np.arange(10, 109)
        lines = pd.concat([buyers({f"c{gap:03}": [gap] for gap in first}), buyers({"once": []}, start="2025-01-21")])
        found = silent_customers(lines, as_of="2025-05-06").set_index("customer_id")
        once = found.loc["once"]
        # Everybody's usual gap is the median, 59; the ⌈100 × .95⌉th of the first gaps 10 … 108 is 104.
        assert once["usual_gap_days"] == 59
        assert once["threshold_days"] == pytest.approx(104)
        assert once["days_silent"] == 105
        assert once["silent"]
        assert once["probability"] == pytest.approx(5 / 100)

    def test_false_alarms_are_as_rare_as_promised(self):
        """While everybody keeps buying, at most one in twenty of the running gaps is flagged."""
        rng = np.random.default_rng(3)
        scale = 10 + rng.gamma(2, 10, 1500)
        lines = buyers({f"c{n:04}": 1 + rng.exponential(scale[n], 150).astype(int) for n in range(1500)})
        found = silent_customers(lines, as_of="2027-03-01")
        assert 0.02 < found["silent"].mean() < 0.06

    def test_flag_threshold_and_probability_agree_on_the_demo(self):
        company = load_company()
        found = silent_customers(company.order_lines, as_of=company.as_of)
        assert found["silent"].equals(found["days_silent"] > found["threshold_days"])
        assert set(found["basis"]) == {"own gaps", "other customers' gaps"}
        assert found["customer_id"].is_monotonic_increasing
        assert found["probability"].between(0, 1).all()
        assert 0.1 < found["silent"].mean() < 0.7

    def test_lines_of_another_kind_and_order(self, tmp_path):
        rng = np.random.default_rng(4)
        lines = buyers({f"c{n:03}": rng.integers(1, 50, n % 25) for n in range(120)})
        found = silent_customers(lines, as_of="2026-06-01")
        file = tmp_path / "lines.parquet"
        lines.sample(frac=1, random_state=1).to_parquet(file)
        pd.testing.assert_frame_equal(silent_customers(file, as_of="2026-06-01"), found)

    def test_floor_and_options(self):
        lines = buyers({"a": [3, 4], "b": []})
        with pytest.raises(
            DataFloorError, match="at least 50 customers who bought on a second day; this company has 1"
        ):
            silent_customers(lines, as_of="2026-01-01")
        with pytest.raises(ParameterError, match="3 problems"):
            silent_customers(lines, as_of="soon", quantile=0.2, least_pool=0)

    def test_figure_shows_the_table(self):
        silent = pd.DataFrame(
            {"probability": [0.9, 0.6, 0.3, 0.04, 0.005], "silent": [False, False, False, True, True]}
        )
        ax = plot_silent(silent)
        table = silent_table(silent)
        assert table["customers"].sum() == 5
        assert [bar.get_height() for bar in ax.patches] == table["customers"].tolist()
        assert "2 of 5 are silent" in alt_text(ax.figure)
        plt.close(ax.figure)


def test_labels_of_many_periods_do_not_run_into_each_other():
    company = load_company()
    ax = plot_churn_rates(churn_rates(company.memberships, as_of=company.as_of, period="month"))
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert len(boxes) > 3
    assert all(one.x1 < two.x0 for one, two in pairwise(boxes))
