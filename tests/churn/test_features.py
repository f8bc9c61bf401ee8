"""Features of a snapshot: counts by hand, nothing from the snapshot on, who is in, windows, planted leaks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_utils.churn.features import check_leakage, several_snapshots, snapshot_features
from crm_utils.company import Company, load_company
from crm_utils.errors import DataFloorError, LeakageError, ParameterError

DAY = "2025-04-01"


def days(*moments):
    return pd.to_datetime(list(moments), format="ISO8601")


@pytest.fixture
def tables():
    """Members a (stays), b (leaves in the window), c (in the gap), d (left before), e (joins later)."""
    months = pd.date_range("2024-10-01", "2025-04-01", freq="MS")
    return {
        "memberships": pd.DataFrame(
            {
                "customer_id": list("abcde"),
                "started_at": days("2024-01-15", "2024-12-01", "2024-02-01", "2024-03-01", "2025-04-01"),
                "ended_at": days(None, "2025-05-20", "2025-04-20", "2025-03-31", None),
                "monthly_fee": [10.0, 20.0, 10.0, 10.0, 10.0],
                "plan": ["gold", "silver", "silver", "gold", "gold"],
                "end_reason": [None, "price", "price", "rival", None],
            }
        ),
        "member_months": pd.DataFrame(
            {
                "customer_id": ["a"] * 7 + ["b"] * 4,
                "month": [*months, *months[3:]],
                "visits": [1, 1, 1, 3, 3, 3, 99, 4, 2, 0, 99],
            }
        ),
        "order_lines": pd.DataFrame(
            {
                "order_id": ["o1", "o1", "o2", "o3", "o4", "o5"],
                "customer_id": list("aaaaab"),
                "ordered_at": days(
                    "2025-01-02 09:00",
                    "2025-01-02 09:00",
                    "2025-03-22 10:00",
                    "2025-04-01 00:00",
                    "2023-01-05",
                    "2025-03-31",
                ),
                "amount": [30.0, 10.0, -5.0, 500.0, 700.0, 8.0],
                "discount": [0.1, 0.0, 0.0, 0.0, 0.0, 0.0],
                "category": ["tea", "pots", "tea", "tea", "tea", "tea"],
            }
        ),
        "interactions": pd.DataFrame(
            {
                "interaction_id": ["i1", "i2", "i3"],
                "customer_id": list("aaa"),
                "started_at": days("2025-02-01", "2025-03-20", "2025-04-02"),
                "channel": "phone",
                "is_complaint": [True, True, True],
                "resolved_at": days("2025-02-03", "2025-04-05", None),
                "rating": [2.0, 5.0, None],
            }
        ),
    }


@pytest.fixture
def company(tables):
    return Company.from_frames(tables, as_of="2025-12-01")


def test_population_and_outcome_by_hand(company):
    found = snapshot_features(company, snapshot=DAY)
    assert found.outcome.to_dict() == {"a": 0.0, "b": 1.0}
    assert (found.population, found.left_in_gap) == (3, 1)
    assert (found.gap_until, found.outcome_until) == (pd.Timestamp("2025-05-01"), pd.Timestamp("2025-06-30"))
    assert found.value_at_risk.to_dict() == {"a": 120.0, "b": 240.0}
    counts = found.table.counts.iloc[0]
    assert (counts["population"], counts["customers"], counts["left"], counts["churn_rate"]) == (3, 2, 1.0, 0.5)


@pytest.mark.parametrize(
    ("ended", "kind"), [("2025-05-01", "gap"), ("2025-05-02", 1), ("2025-06-30", 1), ("2025-07-01", 0)]
)
def test_borders_of_the_windows(tables, ended, kind):
    tables["memberships"].loc[1, "ended_at"] = pd.Timestamp(ended)
    found = snapshot_features(Company.from_frames(tables, as_of="2025-12-01"), snapshot=DAY)
    assert found.outcome.get("b", "gap") == kind


def test_windows_in_months_are_calendar_months(company):
    found = snapshot_features(company, snapshot=DAY, gap_months=1, outcome_months=2)
    assert (found.gap_until, found.outcome_until) == (pd.Timestamp("2025-04-30"), pd.Timestamp("2025-06-30"))


def test_features_by_hand(company):
    a, b = (snapshot_features(company, snapshot=DAY).features.loc[name] for name in "ab")
    assert a["tenure_months"] == 14
    assert a["plan"] == "gold"
    # January to March against October to December; the April row is not over.
    assert a["visits_last_3_months"] == 3
    assert a["visits_trend"] == pytest.approx(np.log(4) - np.log(2))
    assert b["visits_last_3_months"] == 2
    assert b["visits_trend"] == 0
    # Last purchase on 2 January: what was returned in March is none, and the purchase of the day itself not known.
    assert a["days_since_purchase"] == 89
    assert (a["purchase_days"], a["spend"], a["categories"]) == (1, 35.0, 2)
    assert a["discounted_share"] == pytest.approx(0.75)
    assert (a["contacts"], a["complaints_made"], a["unresolved_complaints"]) == (2, 2, 1)
    # The second matter was settled, and rated, after the snapshot.
    assert a["rating"] == 2
    assert b["contacts"] == 0
    assert np.isnan(b["rating"])


def test_months_of_an_earlier_membership_do_not_count(tables):
    tables["memberships"].loc[0, "started_at"] = pd.Timestamp("2025-03-01")
    found = snapshot_features(Company.from_frames(tables, as_of="2025-12-01"), snapshot=DAY)
    assert found.features.loc["a", "visits_last_3_months"] == 3
    assert found.features.loc["a", "visits_trend"] == 0


def test_what_happens_later_changes_nothing(tables):
    """The strongest test of leakage: cut every table at the snapshot, and the features are the same."""
    whole = snapshot_features(Company.from_frames(tables, as_of="2025-12-01"), snapshot=DAY)
    cut = {
        "memberships": tables["memberships"].assign(
            ended_at=lambda table: table["ended_at"].where(table["ended_at"] < DAY), end_reason=None
        ),
        "member_months": tables["member_months"].query("month < '2025-04-01'"),
        "order_lines": tables["order_lines"].query("ordered_at < '2025-04-01'"),
        "interactions": tables["interactions"]
        .query("started_at < '2025-04-01'")
        .assign(rating=[2.0, np.nan], resolved_at=days("2025-02-03", None)),
    }
    then = snapshot_features(Company.from_frames(cut, as_of=DAY), snapshot=DAY)
    # Who leaves in the gap is known only later.
    pd.testing.assert_frame_equal(whole.features, then.features.loc[["a", "b"]])
    assert then.outcome.isna().all()
    assert list(then.features.index) == ["a", "b", "c"]


def test_the_demo_cut_at_the_snapshot_gives_the_same_features():
    company = load_company()
    day = pd.Timestamp("2025-03-01")
    whole = snapshot_features(company, snapshot=day)
    then = snapshot_features(company.at(day), snapshot=day)
    both = then.features.loc[whole.features.index]
    assert len(both) > 500
    # A contact that was settled later is cut by its start only: what was settled when stays in the table.
    pd.testing.assert_frame_equal(whole.features, both)
    assert (whole.newest.dropna() < day).all()
    assert set(whole.newest.index) == set(whole.features.columns)


def test_the_fee_of_today_is_no_feature(company):
    found = snapshot_features(company, snapshot=DAY)
    assert "monthly_fee" not in found.features
    assert any("monthly_fee" in note for note in found.notes)
    assert "monthly_fee" in snapshot_features(company, snapshot=DAY, fixed=("plan", "monthly_fee")).features


@pytest.mark.parametrize(
    ("windows", "first", "months", "share"),
    [
        # The window is February and March.
        ({"gap_months": 1, "outcome_months": 2}, "2024-06-01", 12, 1.0),
        ({"gap_months": 1, "outcome_months": 2}, "2025-03-01", 3, 31 / 59),
        ({"gap_months": 1, "outcome_months": 2}, "2024-06-01", 8, 0.0),
        ({"gap_months": 1, "outcome_months": 2}, "2025-04-01", 3, 0.0),
        # 11 to 20 January.
        ({"gap_days": 9, "outcome_days": 10}, "2025-01-16", 1, 0.5),
    ],
)
def test_a_planned_event_counts_by_its_share_of_the_window(company, windows, first, months, share):
    found = snapshot_features(company, snapshot="2025-01-01", steps={"dearer": (first, months)}, **windows)
    assert found.features["dearer"].loc["a"] == pytest.approx(share)


def test_a_planned_event_spares_who_joined_after_it(company):
    found = snapshot_features(company, snapshot=DAY, steps={"dearer": ("2024-06-01", 24)})
    assert found.features["dearer"].to_dict() == {"a": 1.0, "b": 0.0}


def test_without_memberships_customers_are_those_who_buy(tables):
    company = Company.from_frames({"order_lines": tables["order_lines"]}, as_of="2025-12-01")
    found = snapshot_features(company, snapshot="2025-02-01")
    assert found.outcome_kind == "stopped buying"
    assert found.outcome.to_dict() == {"a": 0.0}
    assert found.value_at_risk["a"] == 40
    assert snapshot_features(company, snapshot=DAY).outcome.to_dict() == {"a": 1.0, "b": 1.0}


class TestPlantedLeaks:
    def test_own_feature_known_too_late(self, company):
        extra = pd.DataFrame(
            {"customer_id": ["a", "b"], "called_off": [0, 1], "known_at": days("2025-03-01", "2025-05-20")}
        )
        with pytest.raises(LeakageError, match=r"called_off: newest 2025-05-20, 1 row \(b\)"):
            snapshot_features(company, snapshot=DAY, extra=extra)

    def test_own_feature_known_in_time_and_the_newest_row(self, company):
        extra = pd.DataFrame(
            {
                "customer_id": ["a", "a", "z"],
                "score": [5.0, 1.0, 2.0],
                "known_at": days("2025-03-01", "2025-01-01", "2025-01-01"),
            }
        )
        found = snapshot_features(company, snapshot=DAY, extra=extra)
        assert found.features["score"].tolist()[0] == 5
        assert np.isnan(found.features.loc["b", "score"])
        assert found.newest["score"] == pd.Timestamp("2025-03-01")
        table = several_snapshots(company, first="2025-02-01", last=DAY, every_months=2, extra=extra)
        mine = table.rows[table.rows["customer_id"] == "a"]
        assert mine["score"].tolist() == [1.0, 5.0]

    def test_constructor_and_check(self, company):
        found = snapshot_features(company, snapshot=DAY)
        check_leakage(found)
        newest = found.newest.copy()
        newest["plan"] = pd.Timestamp(DAY)
        with pytest.raises(LeakageError, match="plan: newest 2025-04-01"):
            replace(found, newest=newest)
        known_at = found.known_at.copy()
        known_at.loc["b", "order_lines"] = pd.Timestamp("2025-04-02 10:00")
        with pytest.raises(LeakageError, match=r"spend: newest 2025-04-02 10:00, 1 customer \(b\)"):
            replace(found, known_at=known_at)

    def test_end_reason_is_known_at_the_end(self, company):
        with pytest.raises(LeakageError, match="end_reason"):
            snapshot_features(company, snapshot=DAY, fixed=("plan", "end_reason"))


class TestSeveral:
    def test_is_one_snapshot_below_the_other(self, company):
        table = several_snapshots(company, first="2025-03-01", last="2025-04-30", gap_days=10)
        one = snapshot_features(company, snapshot=DAY, gap_days=10).table
        part = table.part((table.rows["snapshot"] == DAY).to_numpy())
        pd.testing.assert_frame_equal(part.rows[list(one.rows)], one.rows, check_dtype=False)
        assert table.counts["snapshot"].dt.month.tolist() == [3, 4]
        assert table.newest.shape == (2, len(table.features))

    def test_days_without_customers(self, company):
        table = several_snapshots(company, first="2024-01-01", last="2024-02-01")
        assert table.counts["snapshot"].tolist() == [pd.Timestamp("2024-02-01")]
        assert any("2024-01-01" in note for note in table.notes)
        with pytest.raises(DataFloorError, match="2024-01-15"):
            several_snapshots(company, first="2023-01-01", last="2023-02-01")


class TestUnusable:
    def test_options(self, company):
        with pytest.raises(ParameterError, match="2 problems"):
            snapshot_features(company, snapshot="x", history_days=0)
        with pytest.raises(ParameterError, match="not be after the day of the analysis"):
            snapshot_features(company, snapshot="2026-01-01")
        with pytest.raises(ParameterError, match="go together"):
            snapshot_features(company, snapshot=DAY, gap_months=1)
        with pytest.raises(ParameterError, match="did you mean 'plan'"):
            snapshot_features(company, snapshot=DAY, fixed=("plam",))

    def test_nobody_yet(self, company):
        with pytest.raises(DataFloorError, match=r"nobody was a customer on 2024-01-01; .* Take a later snapshot"):
            snapshot_features(company, snapshot="2024-01-01")

    def test_all_gone(self, tables):
        """All but a, who never leaves, and e, who comes on 1 April, have left by 20 May."""
        tables["memberships"] = tables["memberships"].query("customer_id != 'a'")
        company = Company.from_frames(tables, as_of="2025-12-01")
        assert len(snapshot_features(company, snapshot="2025-07-01").outcome) == 1
        tables["memberships"] = tables["memberships"].query("customer_id != 'e'")
        company = Company.from_frames(tables, as_of="2025-12-01")
        with pytest.raises(DataFloorError, match=r"and all had left by 2025-05-20. Take an earlier snapshot"):
            snapshot_features(company, snapshot="2025-07-01")
        with pytest.raises(DataFloorError, match=r"and all had left by 2025-05-20. Take earlier snapshots"):
            several_snapshots(company, first="2025-07-01", last="2025-08-01")
        late = tables["memberships"].assign(customer_id=["x", "y", "z"], started_at=days(*["2025-08-01"] * 3))
        tables["memberships"] = pd.concat([tables["memberships"], late.assign(ended_at=pd.NaT)])
        company = Company.from_frames(tables, as_of="2025-12-01")
        with pytest.raises(DataFloorError, match="all who had started by then had left by 2025-05-20"):
            snapshot_features(company, snapshot="2025-07-01")

    def test_nobody_bought_in_the_history(self, tables):
        del tables["memberships"], tables["member_months"]
        company = Company.from_frames(tables, as_of="2027-12-01")
        with pytest.raises(DataFloorError, match=r"nobody bought in the 365 days before. Take an earlier snapshot"):
            snapshot_features(company, snapshot="2027-01-01", gap_days=0, outcome_days=30)

    def test_all_leave_in_one_month(self):
        memberships = pd.DataFrame(
            {
                "customer_id": [f"c{number}" for number in range(40)],
                "started_at": pd.date_range("2024-01-01", periods=40, freq="7D"),
                "ended_at": [*["2025-03-31"] * 20, *[None] * 20],
            }
        ).assign(ended_at=lambda table: pd.to_datetime(table["ended_at"]))
        company = Company.from_frames({"memberships": memberships}, as_of="2025-12-01")
        with pytest.raises(DataFloorError, match="all 20 memberships that ended did so in March 2025"):
            several_snapshots(company, first="2024-06-01", last="2025-01-01")

    def test_a_cross_section_has_no_snapshots(self):
        memberships = pd.DataFrame({"customer_id": ["a"], "tenure_months": [3], "churned": [True]})
        company = Company.from_frames({"memberships": memberships}, as_of="2025-12-01")
        with pytest.raises(ParameterError, match="cross_section"):
            snapshot_features(company, snapshot=DAY)
