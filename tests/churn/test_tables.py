"""Feature tables: columns of every kind, repeated customers, splits in time and by lot."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.churn.features import several_snapshots
from crm_utils.churn.tables import as_feature_table, cross_section, random_split, read_feature, time_split
from crm_utils.company import Company, load_company
from crm_utils.errors import DataFloorError, ParameterError


@pytest.fixture
def telephone():
    return pd.DataFrame(
        {
            "customer_id": [f"n{row}" for row in range(30)],
            "tenure_months": range(30),
            "partner": ["Yes", "No", ""] * 10,
            "contract": ["monthly", None, " yearly "] * 10,
            "total": [" ", "29.85", "1e3"] * 10,
            "phone": [f"555-{row}" for row in range(30)],
            "nothing": [None] * 30,
            "monthly_fee": 10.0,
            "churned": ["Yes", "No", "no"] * 10,
        }
    )


@pytest.fixture(scope="module")
def table():
    return several_snapshots(
        load_company(), first="2024-01-01", last="2025-12-01", every_months=2, gap_months=1, outcome_months=2
    )


class TestCrossSection:
    def test_kinds_of_columns(self, telephone):
        table = cross_section(telephone)
        assert table.cross_sectional
        assert table.features == ("tenure_months", "partner", "contract", "total", "monthly_fee")
        rows = table.rows
        np.testing.assert_array_equal(rows["partner"][:3], [1, 0, np.nan])
        np.testing.assert_array_equal(rows["total"][:3], [np.nan, 29.85, 1000])
        assert rows["contract"].iloc[2] == "yearly"
        assert rows["contract"].isna().sum() == 10
        assert table.outcome[:3].tolist() == [1, 0, 0]
        assert rows["value_at_risk"].eq(10).all()
        assert any("phone" in note for note in table.notes)
        assert any("nothing" in note for note in table.notes)

    def test_reads_the_memberships_of_a_company(self, telephone):
        company = Company.from_frames({"memberships": telephone.drop(columns=["nothing", "phone"])})
        assert cross_section(company).outcome.sum() == 10

    def test_every_problem_at_once(self, telephone):
        telephone["since"] = pd.Timestamp("2025-01-01")
        telephone.loc[1, "customer_id"] = "n0"
        telephone.loc[3, "churned"] = "perhaps"
        with pytest.raises(ParameterError, match="3 problems") as caught:
            cross_section(telephone)
        for part in ("since holds dates", "repeats in 1 rows (n0)", "'perhaps'"):
            assert part in str(caught.value)
        with pytest.raises(ParameterError, match="did you mean 'phone'"):
            cross_section(telephone, drop=["phon"])

    def test_one_word_among_numbers_makes_a_category(self):
        assert isinstance(read_feature(pd.Series(["1", "two"]))[0].dtype, pd.StringDtype)
        assert "infinite" in read_feature(pd.Series([1.0, np.inf]))[1]


class TestTimeSplit:
    def test_nothing_learnt_was_unknown_on_the_day_of_the_test(self, table):
        split = time_split(table, test_snapshots=2)
        test = split.test.rows["snapshot"].min()
        for part in (split.train, split.calibrate, split.threshold):
            assert (part.counts["outcome_until"] < test).all()
        order = [split.table.loc[row, ["first", "last"]].tolist() for row in range(4)]
        assert order == sorted(order)
        assert not np.isnan(np.concatenate([part.outcome for part in split.parts.values()])).any()
        assert any("in no part" in note for note in split.notes)

    def test_too_few(self, table):
        few = table.part((table.rows["snapshot"] > "2025-05-01").to_numpy())
        with pytest.raises(DataFloorError, match="4 snapshots"):
            time_split(few)
        with pytest.raises(ParameterError, match="2 problems"):
            time_split(as_feature_table(pd.DataFrame({"outcome": [0, 1], "x": [1, 2]})), test_snapshots=0)


class TestRandomSplit:
    def test_is_stratified_and_complete(self, table):
        split = random_split(table, seed=1)
        sizes = split.table
        assert sizes["customers"].sum() == len(table.known())
        assert np.ptp(sizes["churn_rate"]) < 0.002
        assert sizes["customers"].iloc[0] / sizes["customers"].sum() == pytest.approx(0.5, abs=0.001)
        # The same customer a month older sits in training: that is what flatters.
        assert sizes["also_in_train"].iloc[3] > 0.8
        assert split.kind == "random rows"
        again = random_split(table, seed=1)
        pd.testing.assert_frame_equal(split.test.rows, again.test.rows)

    def test_unusable(self, table):
        with pytest.raises(ParameterError, match="add up to 1"):
            random_split(table, shares=(0.5, 0.5, 0.5, 0.5))
        with pytest.raises(DataFloorError, match="left are needed, and there are 1"):
            random_split(as_feature_table(pd.DataFrame({"outcome": [0] * 50 + [1], "x": range(51)})))


def test_a_part_is_a_table_of_its_snapshots(table):
    part = table.part((table.rows["snapshot"] == "2024-03-01").to_numpy())
    assert len(part.counts) == len(part.newest) == 1
    assert part.counts["customers"].iloc[0] == len(part)
