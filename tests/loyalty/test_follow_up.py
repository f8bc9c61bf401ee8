"""Purchases and cancellations before and after an answer: by hand and by brute force."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.loyalty.follow_up import earlier_purchases, later_cancellations, later_purchases


def said_on(*days, customers=None):
    customers = customers or [f"c{number}" for number in range(len(days))]
    return pd.DataFrame({"customer_id": customers, "answered_at": pd.to_datetime(list(days), format="ISO8601")})


def orders(*pairs, amounts=None):
    return pd.DataFrame(
        {
            "order_id": [f"o{number}" for number in range(len(pairs))],
            "customer_id": [customer for customer, _ in pairs],
            "ordered_at": pd.to_datetime([moment for _, moment in pairs], format="ISO8601"),
            "amount": amounts or [10.0] * len(pairs),
        }
    )


def spells(*rows):
    table = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at"])
    return table.assign(started_at=pd.to_datetime(table["started_at"]), ended_at=pd.to_datetime(table["ended_at"]))


class TestPurchases:
    @pytest.mark.parametrize(
        ("moment", "bought"),
        [
            ("2025-01-09 12:00", 0.0),
            ("2025-01-10 08:00", 0.0),
            ("2025-01-10 23:59", 0.0),
            ("2025-01-11 00:00", 1.0),
            ("2025-02-09 23:59", 1.0),
            ("2025-02-10 00:00", 0.0),
        ],
    )
    def test_days_of_the_window(self, moment, bought):
        found = later_purchases(
            said_on("2025-01-10 09:00"), orders(("c0", moment)), as_of="2025-06-01", horizon_days=30
        )
        assert found.happened.tolist() == [bought]

    @pytest.mark.parametrize(("as_of", "status"), [("2025-02-09", "too late"), ("2025-02-10", "used")])
    def test_the_last_day_must_be_over(self, as_of, status):
        found = later_purchases(said_on("2025-01-10"), orders(("c0", "2025-01-12")), as_of=as_of, horizon_days=30)
        assert found.status.tolist() == [status]
        # Also where she has bought already.
        assert found.happened.isna().tolist() == [status == "too late"]

    def test_who_and_what_counts(self):
        answers = said_on("2025-01-10", "2025-01-10", "2025-01-10", "2025-03-10", customers=["a", "b", None, "a"])
        answers.loc[4] = ["a", pd.NaT]
        lines = orders(("a", "2025-01-15"), ("b", "2025-01-15"), ("zed", "2025-01-15"), amounts=[5.0, -5.0, 5.0])
        found = later_purchases(answers, lines, as_of="2026-01-01", horizon_days=30)
        assert found.happened.iloc[[0, 1, 3]].tolist() == [1.0, 0.0, 0.0]
        assert found.status.tolist() == ["used", "used", "no customer", "used", "no day"]
        assert found.counts.to_dict() == {"used": 3, "no customer": 1, "no day": 1}

    def test_by_brute_force_on_the_demo(self):
        company = load_company()
        answers = company.survey.sample(300, random_state=1)
        found = later_purchases(answers, company.order_lines, as_of=company.as_of)
        lines = company.order_lines
        lines = lines[(lines["quantity"] > 0) & (lines["amount"] >= 0)]
        days = lines["ordered_at"].dt.normalize().groupby(lines["customer_id"]).apply(list).to_dict()
        for row, happened in zip(answers.itertuples(), found.happened, strict=True):
            day = pd.Timestamp(row.answered_at)
            if day + pd.Timedelta(days=182) >= company.as_of:
                assert np.isnan(happened)
                continue
            after = [1 <= (moment - day).days <= 182 for moment in days.get(row.customer_id, [])]
            assert happened == float(any(after))
        assert 0 < found.happened.mean() < 1

    def test_order_and_inputs(self):
        answers, lines = said_on("2025-01-10", "2025-02-10"), orders(("c1", "2025-02-12"), ("c0", "2025-09-01"))
        before = answers.copy(), lines.copy()
        found = later_purchases(answers, lines, as_of="2026-01-01")
        turned = later_purchases(answers.iloc[::-1], lines.iloc[::-1], as_of="2026-01-01")
        assert turned.happened.sort_index().tolist() == found.happened.tolist() == [0.0, 1.0]
        pd.testing.assert_frame_equal(answers, before[0])
        pd.testing.assert_frame_equal(lines, before[1])

    def test_checks(self):
        lines = orders(("c0", "2025-01-15"))
        with pytest.raises(ParameterError) as caught:
            later_purchases(said_on("2025-01-10").drop(columns="customer_id"), lines, as_of="soon", horizon_days=0)
        assert "3 problems" in str(caught.value)
        odd = pd.DataFrame({"customer_id": ["a"], "answered_at": ["last week"]})
        with pytest.raises(ParameterError, match="1 values that are no day"):
            later_purchases(odd, lines, as_of="2026-01-01")
        with pytest.raises(ParameterError, match="must be days without a time zone"):
            later_purchases(odd.assign(answered_at=20250110), lines, as_of="2026-01-01")
        text = said_on("2025-01-10").assign(answered_at="2025-01-10")
        assert later_purchases(text, lines, as_of="2026-01-01").happened.tolist() == [1.0]


class TestCancellations:
    @pytest.mark.parametrize(
        ("started", "ended", "left", "status"),
        [
            ("2024-05-01", None, 0.0, "used"),
            ("2024-05-01", "2025-01-09", np.nan, "no member then"),
            ("2024-05-01", "2025-01-10", np.nan, "no member then"),
            ("2024-05-01", "2025-01-11", 1.0, "used"),
            ("2024-05-01", "2025-02-09", 1.0, "used"),
            ("2024-05-01", "2025-02-10", 0.0, "used"),
            ("2025-01-11", "2025-01-20", np.nan, "no member then"),
        ],
    )
    def test_spells(self, started, ended, left, status):
        memberships = spells(("c0", started, ended))
        found = later_cancellations(said_on("2025-01-10"), memberships, as_of="2025-06-01", horizon_days=30)
        assert found.happened.tolist() == pytest.approx([left], nan_ok=True)
        assert found.status.tolist() == [status]

    def test_two_spells_and_two_answers(self):
        memberships = spells(("a", "2024-01-01", "2024-06-30"), ("a", "2025-01-01", "2025-03-01"))
        answers = said_on("2024-06-01", "2024-08-01", "2025-01-10", "2025-02-20", customers=["a"] * 4)
        found = later_cancellations(answers, memberships, as_of="2025-12-31", horizon_days=30)
        assert found.happened.tolist() == pytest.approx([1.0, np.nan, 0.0, 1.0], nan_ok=True)

    def test_needs_spells(self):
        with pytest.raises(ParameterError, match="lacks the columns started_at, ended_at"):
            later_cancellations(said_on("2025-01-10"), pd.DataFrame({"customer_id": ["a"]}), as_of="2025-06-01")


class TestEarlier:
    @pytest.mark.parametrize(
        ("moment", "days"),
        [
            ("2025-01-10 23:59", 1.0),
            ("2025-01-01", 1.0),
            ("2024-12-31", 0.0),
            ("2025-01-11", 0.0),
        ],
    )
    def test_the_window_ends_with_the_day_of_the_answer(self, moment, days):
        lines = orders(("another", "2020-01-01"), ("c0", moment))
        assert earlier_purchases(said_on("2025-01-10 12:00"), lines, horizon_days=10)[0] == days

    def test_days_are_counted_and_not_orders_and_returns_are_none(self):
        lines = orders(("c0", "2024-12-01"), ("c0", "2025-01-02"), ("c0", "2025-01-02 18:00"), ("c0", "2025-01-05"),
                       ("c0", "2025-01-07"), amounts=[5.0, 5.0, 5.0, 5.0, -5.0])  # fmt: skip
        answers = said_on("2025-01-10", "2025-01-10", "2025-01-10", customers=["c0", "c1", None])
        found = earlier_purchases(answers, lines, horizon_days=30)
        assert found.tolist()[:2] == [2.0, 0.0]
        assert np.isnan(found[2])

    def test_by_brute_force_on_the_demo(self):
        company = load_company()
        answers = company.survey.sample(200, random_state=7)
        found = earlier_purchases(answers, company.order_lines, horizon_days=182)
        lines = company.order_lines
        bought = lines[lines["amount"] > 0].assign(day=lines["ordered_at"].dt.normalize())
        for row in answers.index[:60]:
            day = answers.loc[row, "answered_at"].normalize()
            own = bought[bought["customer_id"] == answers.loc[row, "customer_id"]]
            inside = own[(own["day"] <= day) & (own["day"] > day - pd.Timedelta(days=182))]
            if (day - pd.Timedelta(days=181)) < bought["day"].min():
                assert np.isnan(found[row])
            else:
                assert found[row] == inside["day"].nunique()
        assert 0 < found.isna().sum() < 200

    def test_days_before_the_first_purchase_of_all_are_not_known(self):
        lines = orders(("another", "2025-01-01"), ("c0", "2025-01-05"))
        answers = said_on("2025-01-10", "2025-01-09", customers=["c0", "c0"])
        assert earlier_purchases(answers, lines, horizon_days=10)[0] == 1
        assert np.isnan(earlier_purchases(answers, lines, horizon_days=10)[1])

    def test_before_and_after_share_no_day(self):
        answers = said_on("2025-01-10")
        for moment in pd.date_range("2025-01-02", "2025-01-19"):
            lines = orders(("another", "2020-01-01"), ("c0", moment))
            before = earlier_purchases(answers, lines, horizon_days=9)[0]
            after = later_purchases(answers, lines, as_of="2025-06-01", horizon_days=9).happened[0]
            assert before + after == 1

    def test_checks(self):
        with pytest.raises(ParameterError, match="horizon_days"):
            earlier_purchases(said_on("2025-01-10"), orders(("c0", "2025-01-02")), horizon_days=0)
