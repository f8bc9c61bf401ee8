"""Lengths of contracts: calendar months by hand and by definition, what is not known yet, and unusable tables."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.lifetime import ShiftedBetaGeometric
from crm_utils.lifetime.durations import contract_durations, leaving_rates


def contracts(*spells):
    started, ended = zip(*spells, strict=True)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(len(spells))],
            "started_at": pd.to_datetime(list(started), format="ISO8601"),
            "ended_at": pd.to_datetime(list(ended), format="ISO8601"),
        }
    )


def duration_of(started, ended, *, as_of="2030-01-01", period="month"):
    return int(contract_durations(contracts((started, ended)), as_of=as_of, period=period)["duration"].iloc[0])


def next_period(started, months):
    """First day of the period after so many months: the same day of the month, or the first after a month without."""
    year, month = divmod(started.month - 1 + months, 12)
    try:
        return pd.Timestamp(started.year + year, month + 1, started.day)
    except ValueError:
        return pd.Timestamp(started.year + year, month + 1, 1) + pd.offsets.MonthBegin()


class TestEnded:
    @pytest.mark.parametrize(
        ("started", "ended", "months"),
        [
            ("2024-02-01", "2025-05-31", 16),
            ("2024-02-01", "2024-02-01", 1),
            ("2024-02-01", "2024-02-29", 1),
            ("2024-02-01", "2024-03-01", 2),
            ("2024-01-31", "2024-02-29", 1),
            ("2024-01-31", "2024-03-01", 2),
            ("2024-01-31", "2024-03-30", 2),
            ("2024-01-31", "2024-03-31", 3),
            ("2023-01-30", "2023-02-28", 1),
            ("2023-01-28", "2023-02-28", 2),
            ("2024-12-15", "2025-01-14", 1),
            ("2024-12-15", "2025-01-15", 2),
        ],
    )
    def test_months_begun_by_hand(self, started, ended, months):
        assert duration_of(started, ended) == months

    @pytest.mark.parametrize(
        ("period", "ended", "periods"),
        [
            ("week", "2024-03-07", 1),
            ("week", "2024-03-08", 2),
            ("quarter", "2024-05-31", 1),
            ("quarter", "2024-06-01", 2),
            ("year", "2025-02-28", 1),
            ("year", "2025-03-01", 2),
        ],
    )
    def test_other_periods_by_hand(self, period, ended, periods):
        assert duration_of("2024-03-01", ended, period=period) == periods

    @pytest.mark.parametrize(("period", "length"), [("month", 1), ("quarter", 3), ("year", 12)])
    def test_is_the_first_period_that_outlasts_the_contract(self, period, length):
        rng = np.random.default_rng(length)
        started = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 800, 400), unit="D")
        ended = started + pd.to_timedelta(rng.integers(0, 900, 400), unit="D")
        table = pd.DataFrame({"customer_id": range(400), "started_at": started, "ended_at": ended})
        found = contract_durations(table, as_of="2030-01-01", period=period)["duration"]
        for first, last, periods in zip(started, ended, found, strict=True):
            assert next_period(first, (periods - 1) * length) <= last < next_period(first, periods * length)


class TestRunning:
    @pytest.mark.parametrize(
        ("as_of", "months"), [("2025-06-02", 0), ("2025-07-01", 1), ("2025-07-31", 1), ("2026-06-01", 12)]
    )
    def test_completed_months(self, as_of, months):
        assert duration_of("2025-06-01", None, as_of=as_of) == months

    def test_only_what_is_known_before_as_of_counts(self):
        table = contracts(
            ("2025-01-01", "2025-06-29"),
            ("2025-01-01", "2025-06-30"),
            ("2025-01-01", "2025-12-31"),
            ("2025-06-30", None),
            ("2025-01-01", None),
        )
        result = contract_durations(table, as_of="2025-06-30")
        assert result["customer_id"].tolist() == ["c0", "c1", "c2", "c4"]
        assert result["duration"].tolist() == [5, 5, 5, 5]
        # The first has left, but her sixth month is not over, and nobody knows yet who renews it.
        assert result["ended"].tolist() == [False, False, False, False]
        assert result["running"].tolist() == [False, True, True, True]
        assert result.attrs["not_yet_started"] == 1

    @pytest.mark.parametrize(
        ("as_of", "duration", "ended"), [("2025-07-09", 5, False), ("2025-07-10", 6, True), ("2026-01-01", 6, True)]
    )
    def test_an_end_counts_once_its_period_is_over(self, as_of, duration, ended):
        result = contract_durations(contracts(("2025-01-10", "2025-06-20")), as_of=as_of)
        assert result[["duration", "ended", "running"]].iloc[0].tolist() == [duration, ended, False]

    def test_members_who_may_leave_on_any_day_do_not_bias_the_projection(self):
        rng = np.random.default_rng(0)
        members, as_of = 400_000, pd.Timestamp("2025-01-01")
        # Each has a monthly probability to leave of her own; the day is free.
        monthly = -np.log1p(-rng.beta(1.0, 12.0, members))
        started = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 730, members), unit="D")
        stays = np.minimum(rng.exponential(365.25 / 12 / monthly), 5000)
        ended = started + pd.to_timedelta(np.floor(stays), unit="D")
        table = pd.DataFrame({"customer_id": range(members), "started_at": started, "ended_at": ended})
        result = contract_durations(table, as_of=as_of)
        fitted = ShiftedBetaGeometric().fit(result["duration"], result["ended"])
        so_far = (as_of - table.loc[result["running"], "started_at"]).dt.days * 12 / 365.25
        stay = fitted.survival(so_far + 12) / fitted.survival(so_far)
        stayed = (ended >= as_of + pd.DateOffset(years=1)).sum()
        # With the ends of periods that are not over counted, the expectation is 2.6% too low.
        assert stay.sum() == pytest.approx(stayed, rel=0.01)

    def test_nobody_has_ended(self):
        table = contracts(("2025-01-01", None), ("2025-03-01", None)).assign(ended_at=None)
        result = contract_durations(table, as_of="2025-06-01")
        assert result["duration"].tolist() == [5, 3]
        assert not result["ended"].any()


class TestTenure:
    def test_rounded_up_when_over_and_down_while_it_runs(self):
        table = pd.DataFrame(
            {"customer_id": list("abcde"), "tenure_months": [0, 0, 2.5, 2.5, 7], "churned": [True, False] * 2 + [True]}
        )
        result = contract_durations(table)
        assert result["duration"].tolist() == [1, 0, 3, 2, 7]
        assert result["ended"].tolist() == table["churned"].tolist()

    def test_agrees_with_dates(self):
        table = contracts(("2024-02-01", "2025-05-31"), ("2025-06-01", None))
        tenure = pd.DataFrame({"customer_id": ["c0", "c1"], "tenure_months": [16, 7], "churned": [True, False]})
        pd.testing.assert_frame_equal(contract_durations(table, as_of="2026-01-01"), contract_durations(tenure))

    def test_input_checks(self):
        table = pd.DataFrame({"customer_id": ["a", "b"], "tenure_months": [-1, 3], "churned": ["yes", "no"]})
        with pytest.raises(ParameterError, match="3 problems") as caught:
            contract_durations(table, period="year")
        for part in ("period must be 'month'", "negative, and 1 are (at positions 0)", "churned must be True or False"):
            assert part in str(caught.value)


class TestConsistency:
    def test_row_order_and_inputs(self):
        table = contracts(("2024-02-01", "2025-05-31"), ("2025-06-01", None), ("2024-01-31 09:30", "2024-02-29 18:00"))
        kept = table.copy()
        result = contract_durations(table, as_of="2026-01-01")
        assert result["duration"].tolist() == [16, 7, 1]
        assert result["running"].tolist() == [False, True, False]
        back = contract_durations(table[::-1], as_of="2026-01-01")
        pd.testing.assert_frame_equal(back[::-1].reset_index(drop=True), result)
        pd.testing.assert_frame_equal(table, kept)

    def test_demo_members_can_be_fitted(self):
        company = load_company()
        result = contract_durations(company.memberships, as_of=company.as_of)
        assert len(result) == len(company.memberships)
        assert (~result["running"]).sum() == company.memberships["ended_at"].notna().sum()
        seen = ShiftedBetaGeometric().fit(result["duration"], result["ended"]).survival_table(periods=24)
        assert (seen["survival_share"] - seen["observed_share"]).abs().max() < 0.02


class TestInputs:
    def test_all_problems_at_once(self):
        table = contracts(("2024-02-01", "2024-01-31"), (None, None), (None, "2024-01-31"))
        with pytest.raises(ParameterError, match="2 problems") as caught:
            contract_durations(table, as_of="2026-01-01")
        for part in ("started_at is missing in 2 rows (at positions 1, 2)", "ended_at is before started_at in 1 rows"):
            assert part in str(caught.value)

    def test_options_and_columns(self):
        table = contracts(("2024-02-01", None))
        with pytest.raises(ParameterError, match="2 problems") as caught:
            contract_durations(table[["customer_id", "started_at"]], period="day")
        assert "started_at and ended_at, or tenure_months and churned" in str(caught.value)
        with pytest.raises(ParameterError, match="as_of must be a day"):
            contract_durations(table)
        with pytest.raises(ParameterError, match="started_at must hold dates"):
            contract_durations(table.assign(started_at="2024-02-01"), as_of="2026-01-01")


class TestLeavingRates:
    SPELLS = pd.DataFrame(
        {
            "started_at": pd.to_datetime(["2024-01-01", "2024-01-15", "2024-01-20", "2024-02-10"]),
            "ended_at": pd.to_datetime(["2024-02-29", None, "2024-03-31", None]),
        }
    )

    def test_by_hand(self):
        rates = leaving_rates(self.SPELLS, as_of="2024-04-15", least_members=1)
        # On 1 February three run and one leaves; on 1 March three run and one leaves; April is not over.
        assert rates.tolist() == pytest.approx([1 / 3, 1 / 3])
        assert rates.index.strftime("%Y-%m").tolist() == ["2024-02", "2024-03"]

    def test_what_comes_later_is_not_known(self):
        known = leaving_rates(self.SPELLS, as_of="2024-03-01", least_members=1)
        assert known.tolist() == pytest.approx([1 / 3])

    def test_small_months_are_left_out(self):
        assert leaving_rates(self.SPELLS, as_of="2024-04-15", least_members=4).empty
        assert leaving_rates(self.SPELLS.head(0), as_of="2024-04-15").empty

    def test_the_planted_rise_in_price_stands_out(self):
        company = load_company()
        rates = leaving_rates(company.memberships, as_of=company.as_of)
        dear = rates["2024-07":"2024-09"]
        assert len(dear) == 3
        assert dear.min() > rates.drop(dear.index).max()

    def test_missing_columns_are_named(self):
        with pytest.raises(ParameterError, match="ended_at"):
            leaving_rates(self.SPELLS[["started_at"]], as_of="2024-04-15")
