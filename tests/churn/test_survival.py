"""Survival curves: Freireich's leukaemia trial as published, competing reasons, late entry, and unusable input."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight

from crm_utils.churn import (
    cumulative_incidence,
    cumulative_incidence_table,
    kaplan_meier,
    log_rank_test,
    membership_spells,
    plot_cumulative_incidence,
    plot_kaplan_meier,
)
from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text

TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


@pytest.fixture
def trial():
    """Weeks in remission of 42 children with leukaemia (Freireich et al. 1963)."""
    return pd.DataFrame(
        {
            "weeks": TREATED + PLACEBO,
            "relapse": RELAPSED + [1] * 21,
            "group": ["6-MP"] * 21 + ["placebo"] * 21,
        }
    )


def late_members(seed):
    """Members with two reasons to leave, seen from some month on if they lasted until then."""
    rng = np.random.default_rng(seed)
    months, entry = rng.geometric(0.09, 2500), np.maximum(rng.integers(-5, 25, 2500), 0)
    frame = pd.DataFrame({"months": np.minimum(months, 30), "left": months <= 30, "entry": entry})
    frame["cause"] = np.where(rng.random(2500) < 2 / 3, "price", "moved")
    return frame[frame["months"] > entry].reset_index(drop=True)


@pytest.fixture
def late():
    return late_members(7)


class TestKaplanMeier:
    def test_freireich_1963_as_in_cox_and_oakes_1984(self, trial):
        curves = kaplan_meier(trial["weeks"], trial["relapse"], groups=trial["group"])
        treated = curves.curves[curves.curves["group"] == "6-MP"].iloc[1:]
        assert treated["time"].tolist() == [6, 7, 10, 13, 16, 22, 23]
        assert treated["at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
        assert treated["survival"].tolist() == pytest.approx(
            [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=6e-4
        )
        # Intervals on the scale log(−log S) as Stata and SAS print them.
        assert treated["low"].tolist() == pytest.approx([0.620, 0.563, 0.503, 0.432, 0.368, 0.268, 0.188], abs=6e-4)
        assert treated["high"].tolist() == pytest.approx([0.952, 0.923, 0.889, 0.849, 0.805, 0.747, 0.680], abs=6e-4)
        medians = curves.medians.set_index("group")
        assert medians.loc["6-MP", "median"] == 23
        assert medians.loc["6-MP", "low"] == 13
        assert np.isnan(medians.loc["6-MP", "high"])
        assert medians.loc["placebo", ["median", "low", "high"]].tolist() == [8, 4, 11]
        assert medians["events"].tolist() == [9, 21]

    def test_all_running_until_the_end_is_the_plain_share(self):
        rng = np.random.default_rng(1)
        durations = rng.integers(1, 20, 200)
        curve = kaplan_meier(durations, np.ones(200)).curves
        for row in curve.itertuples():
            assert row.survival == pytest.approx((durations > row.time).mean())

    def test_late_entry(self):
        """By hand: who enters at 2 is not at risk at 1 and 2."""
        curve = kaplan_meier([1, 2, 3, 3], [1, 1, 1, 0], entry=[0, 0, 2, 0]).curves
        assert curve["at_risk"].tolist() == [3, 3, 2, 2]
        assert curve["survival"].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 6])

    def test_late_entry_gives_the_curve_of_the_whole_population(self):
        rng = np.random.default_rng(2)
        durations, began = rng.geometric(0.1, 4000), rng.integers(0, 30, 4000)
        seen = durations > began
        late = kaplan_meier(durations[seen], np.ones(seen.sum()), entry=began[seen]).at([5, 10, 20])
        naive = kaplan_meier(durations[seen], np.ones(seen.sum())).at([5, 10, 20])
        truth = 0.9 ** np.array([5, 10, 20])
        assert ((late["low"] < truth) & (truth < late["high"])).all()
        assert (naive["low"] > truth).all()

    def test_late_entry_after_all_others_left_says_nothing_about_the_late(self):
        """Of the two seen from the start none is left at 2, where the curve would stay 0 for the others."""
        times = {"durations": [1, 2, 5, 6, 7], "events": [1, 1, 1, 1, 0], "entry": [0, 0, 2, 3, 3]}
        with pytest.raises(DataFloorError, match=r"all members under observation at a duration of 2 \(1\)") as caught:
            kaplan_meier(**times)
        assert "3 come under observation only later" in str(caught.value)
        with pytest.raises(DataFloorError, match="members of group b under observation at a duration of 2"):
            kaplan_meier(**{name: values * 2 for name, values in times.items()}, groups=list("accccbbbbb"))
        with pytest.raises(DataFloorError, match="3 come under observation only later"):
            cumulative_incidence(times["durations"], times["events"], [*"abab", None], entry=times["entry"])
        after = kaplan_meier([5, 6, 7], [1, 1, 0], entry=[2, 3, 3]).curves
        assert after["survival"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])

    def test_reading_at_times(self, trial):
        curves = kaplan_meier(trial["weeks"], trial["relapse"], groups=trial["group"])
        found = curves.at([0, 9, 30]).set_index(["group", "time"])
        assert found.loc[("6-MP", 9), "at_risk"] == 16
        assert found.loc[("6-MP", 9), "survival"] == pytest.approx(0.8067, abs=1e-4)
        # Of the placebo group nobody was seen for 30 weeks.
        assert np.isnan(found.loc[("placebo", 30), "survival"])
        with pytest.raises(ParameterError, match="not be negative"):
            curves.at([-1])

    def test_unusable(self):
        with pytest.raises(ParameterError, match="durations must not be negative, and 1 are") as caught:
            kaplan_meier([-1, 2], [1, 3], level=7)
        assert "3 problems" in str(caught.value)
        with pytest.raises(ParameterError, match="one value for each"):
            kaplan_meier([1, 2], [1])
        with pytest.raises(ParameterError, match="entry must be from 0"):
            kaplan_meier([3, 2], [1, 1], entry=[0, 2])
        with pytest.raises(DataFloorError, match="of 2 none has"):
            kaplan_meier([1, 2], [0, 0])
        with pytest.raises(DataFloorError, match="there is none"):
            kaplan_meier([], [])
        with pytest.raises(DataFloorError, match="of 1 none has"):
            kaplan_meier([1, 2], [1, 0], groups=[None, "a"])

    def test_a_group_in_which_nobody_left(self):
        curves = kaplan_meier([1, 2, 3, 4], [1, 1, 0, 0], groups=list("aabb"))
        assert np.isnan(curves.medians.set_index("group").loc["b", "median"])
        assert curves.at([4]).set_index("group").loc["b", "survival"] == 1

    def test_figure_shows_the_table(self, trial):
        curves = kaplan_meier(trial["weeks"], trial["relapse"], groups=trial["group"])
        ax = plt.figure().add_subplot()
        assert plot_kaplan_meier(curves, unit="weeks", ax=ax) is ax
        drawn = ax.lines[0].get_ydata()
        assert drawn[:-1].tolist() == curves.curves[curves.curves["group"] == "6-MP"]["survival"].tolist()
        written = [text.get_text() for text in ax.texts]
        assert written[0] == "21"
        assert "at risk" in written
        assert "half have left after 8 weeks" in alt_text(ax.figure)
        ax.figure.draw_without_rendering()
        plt.close(ax.figure)


class TestLogRank:
    def test_freireich_1963(self, trial):
        test = log_rank_test(trial["weeks"], trial["relapse"], trial["group"]).iloc[0]
        assert test["chi2"] == pytest.approx(16.79, abs=0.005)
        assert test["df"] == 1
        assert test["p_value"] == pytest.approx(4.2e-5, abs=0.05e-5)

    def test_small_p_values_keep_their_digits(self):
        durations = np.r_[np.arange(1, 301), np.arange(1001, 1301)]
        test = log_rank_test(durations, np.ones(600), np.repeat(["a", "b"], 300)).iloc[0]
        assert 0 < test["p_value"] < 1e-60

    def test_strata(self, trial):
        plain = log_rank_test(trial["weeks"], trial["relapse"], trial["group"])
        one = log_rank_test(trial["weeks"], trial["relapse"], trial["group"], strata=np.zeros(42))
        assert one["chi2"].iloc[0] == pytest.approx(plain["chi2"].iloc[0])

    def test_unusable(self, trial):
        with pytest.raises(DataFloorError, match="at least two groups of members; there are 1"):
            log_rank_test(trial["weeks"], trial["relapse"], np.repeat("all", 42))
        with pytest.raises(DataFloorError, match="of 42 none has"):
            log_rank_test(trial["weeks"], np.zeros(42), trial["group"])


class TestCumulativeIncidence:
    def test_by_hand(self):
        shares = cumulative_incidence([1, 2, 2, 3, 4], [1, 1, 0, 1, 1], ["price", "moved", "x", None, "price"])
        # S: 4/5, 3/5, 3/10, 0.
        found = {name: part["share"].tolist() for name, part in shares.groupby("cause", sort=False)}
        assert found["price"] == pytest.approx([0, 0.2, 0.2, 0.2, 0.5])
        assert found["moved"] == pytest.approx([0, 0, 0.2, 0.2, 0.2])
        assert found["not stated"] == pytest.approx([0, 0, 0, 0.3, 0.3])
        assert shares["cause"].unique().tolist() == ["price", "moved", "not stated"]

    def test_shares_and_the_share_still_there_add_up_to_one(self):
        company = load_company()
        table = company.memberships
        spells = membership_spells(table, as_of=company.as_of)
        shares = cumulative_incidence(spells["duration"], spells["event"], table.loc[spells.index, "end_reason"])
        left = shares.groupby("time")["share"].sum()
        survival = kaplan_meier(spells["duration"], spells["event"]).curves.set_index("time")["survival"]
        np.testing.assert_allclose(left + survival, 1, atol=1e-12)
        assert shares["cause"].nunique() == 10
        inside = shares[shares["low"].notna()]
        assert (inside["low"] <= inside["share"] + 1e-12).all()
        assert (inside["share"] <= inside["high"] + 1e-12).all()

    def test_one_cause_is_the_curve_turned_round(self, trial):
        shares = cumulative_incidence(trial["weeks"], trial["relapse"], np.repeat("relapse", 42))
        curve = kaplan_meier(trial["weeks"], trial["relapse"]).curves
        np.testing.assert_allclose(shares["share"], 1 - curve["survival"])
        np.testing.assert_allclose(shares["low"][1:], 1 - curve["high"][1:], atol=1e-9)

    def test_errors_are_those_of_statsmodels(self):
        """Which knows no late entry."""
        rng = np.random.default_rng(4)
        durations, cause = rng.geometric(0.1, 300), rng.integers(0, 4, 300)
        shares = cumulative_incidence(durations, cause > 0, cause)
        with np.errstate(all="ignore"):
            fit = CumIncidenceRight(durations, cause)
        left_at = np.isin(fit.times, durations[cause > 0])
        for number in (1, 2, 3):
            found = shares[shares["cause"] == number].iloc[1:]
            share, error = fit.cinc[number - 1][left_at], fit.cinc_se[number - 1][left_at]
            np.testing.assert_allclose(found["share"], share)
            inside = (share > 0) & np.isfinite(error)
            reach = 1.959964 * error[inside] / ((1 - share) * np.abs(np.log1p(-share)))[inside]
            np.testing.assert_allclose(found["low"][inside], 1 - (1 - share[inside]) ** np.exp(-reach), rtol=1e-6)
            np.testing.assert_allclose(found["high"][inside], 1 - (1 - share[inside]) ** np.exp(reach), rtol=1e-6)

    def test_late_entry_by_hand(self):
        """At risk are 3, 3, 3 and 1: who enters at 1 or 2 not yet then. S: 2/3, 4/9, 8/27, 0."""
        causes = ["price", "moved", "price", None, "moved"]
        shares = cumulative_incidence([1, 2, 3, 3, 4], [1, 1, 1, 0, 1], causes, entry=[0, 0, 2, 0, 1])
        found = {name: part["share"].tolist() for name, part in shares.groupby("cause")}
        assert found["price"] == pytest.approx([0, 1 / 3, 1 / 3, 13 / 27, 13 / 27])
        assert found["moved"] == pytest.approx([0, 0, 2 / 9, 2 / 9, 14 / 27])

    def test_late_entry_adds_up_to_the_curve(self, late):
        shares = cumulative_incidence(late["months"], late["left"], late["cause"], entry=late["entry"])
        curve = kaplan_meier(late["months"], late["left"], entry=late["entry"]).curves.set_index("time")
        np.testing.assert_allclose(shares.groupby("time")["share"].sum(), 1 - curve["survival"], atol=1e-12)
        single = cumulative_incidence(late["months"], late["left"], np.repeat("x", len(late)), entry=late["entry"])
        np.testing.assert_allclose(single["low"][1:], 1 - curve["high"][1:], atol=1e-9)
        np.testing.assert_allclose(single["high"][1:], 1 - curve["low"][1:], atol=1e-9)

    def test_members_split_in_two_stretches_tell_the_same(self, late):
        """Watched from entry to a month between, and from there on: the same months of the same members."""
        between = late["entry"] + (late["months"] - late["entry"]) // 2
        cut = late[between > late["entry"]]
        between = between[cut.index]
        pieces = pd.concat([
            late.drop(index=cut.index), cut.assign(months=between, left=False), cut.assign(entry=between)
        ])  # fmt: skip
        whole = cumulative_incidence(late["months"], late["left"], late["cause"], entry=late["entry"])
        pieces = pieces.reset_index(drop=True)
        parts = cumulative_incidence(pieces["months"], pieces["left"], pieces["cause"], entry=pieces["entry"])
        assert len(cut) > 100
        pd.testing.assert_frame_equal(parts, whole)

    def test_late_entry_recovers_what_was_planted(self):
        """Monthly hazards 0.06 (price) and 0.03 (moved): shares 2/3 and 1/3 of 1 − 0.91^t."""
        covered = []
        for seed in range(60):
            late = late_members(seed)
            shares = cumulative_incidence(late["months"], late["left"], late["cause"], entry=late["entry"])
            at = shares[shares["time"].isin([6, 18])].set_index(["cause", "time"])
            truth = {(cause, time): part * (1 - 0.91**time) for cause, part in (("price", 2 / 3), ("moved", 1 / 3))
                     for time in (6, 18)}  # fmt: skip
            covered += [at.loc[key, "low"] <= true <= at.loc[key, "high"] for key, true in truth.items()]
            naive = cumulative_incidence(late["months"], late["left"], late["cause"])
            naive = naive[naive["time"].isin([6, 18])].set_index(["cause", "time"])
            assert all(naive.loc[key, "high"] < true for key, true in truth.items())
        assert 0.9 <= np.mean(covered) <= 0.99

    def test_late_entry_unusable(self):
        with pytest.raises(
            ParameterError, match=r"entry must be from 0 to below the duration, and 2 are not \(at positions 0, 1\)"
        ):
            cumulative_incidence([3, 2, 4], [1, 1, 1], list("aba"), entry=[-1, 2, 0])
        with pytest.raises(ParameterError, match="one value for each"):
            cumulative_incidence([3, 2], [1, 1], ["a", "b"], entry=[0])

    def test_floor(self):
        with pytest.raises(DataFloorError, match="of 2 none has"):
            cumulative_incidence([1, 2], [0, 0], [None, None])

    def test_figure_shows_the_table(self):
        shares = cumulative_incidence([1, 2, 2, 3, 4], [1, 1, 0, 1, 1], ["a", "b", "x", "c", "a"])
        ax = plt.figure().add_subplot()
        assert plot_cumulative_incidence(shares, most=2, ax=ax) is ax
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["other reasons", "b", "a"]
        top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
        assert top == pytest.approx(cumulative_incidence_table(shares)["share"].sum())
        assert "a 50%" in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_table_at_a_time(self):
        shares = cumulative_incidence([1, 2, 2, 3, 4], [1, 1, 0, 1, 1], ["a", "b", "x", "c", "a"])
        table = cumulative_incidence_table(shares, time=2.5).set_index("cause")
        assert table["events"].to_dict() == {"a": 1, "b": 1, "c": 0}
        assert table.loc["a", "share"] == pytest.approx(0.2)
