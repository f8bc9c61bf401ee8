"""Groups by behaviour: by hand, and held against statsmodels."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty import habit_groups


@pytest.fixture
def customers():
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "bought_again": np.r_[rng.integers(0, 2, 200).astype(float), np.nan],
            "recency_days": np.r_[rng.integers(0, 500, 200), 3.0],
            "margin": np.r_[rng.gamma(2, 20, 200), 1e9],
        }
    )


def test_groups_intervals_and_value(customers):
    table = habit_groups(customers, value_col="margin", active_days=100, level=0.9)
    known = customers.iloc[:200]
    once = known["bought_again"] == 0
    groups = [known[once], known[~once & (known["recency_days"] > 100)], known[~once & (known["recency_days"] <= 100)]]
    for row, group in zip(table.itertuples(), groups, strict=True):
        assert row.customers == len(group)
        assert (row.low, row.high) == pytest.approx(proportion_confint(len(group), 200, alpha=0.1, method="wilson"))
        expected = DescrStatsW(group["margin"]).tconfint_mean(alpha=0.1)
        assert (row.mean_value_low, row.mean_value_high) == pytest.approx(expected)
        assert row.value_share == pytest.approx(group["margin"].sum() / known["margin"].sum())


def test_the_last_active_day_counts():
    edge = pd.DataFrame({"bought_again": [1, 1], "recency_days": [182, 183], "m": [1.0, 1.0]})
    assert habit_groups(edge, value_col="m")["customers"].tolist() == [0, 1, 1]


def test_empty_groups_stay_and_have_no_mean():
    table = habit_groups(pd.DataFrame({"bought_again": [0], "recency_days": [1], "m": [0.0]}), value_col="m")
    assert table["customers"].tolist() == [1, 0, 0]
    assert table.loc[1:, "mean_value"].isna().all()
    assert table["value_share"].isna().all()


def test_order_of_rows_does_not_matter(customers):
    mixed = customers.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(habit_groups(customers, value_col="margin"), habit_groups(mixed, value_col="margin"))


def test_checks(customers):
    with pytest.raises(ParameterError, match=r"(?s)level.*active_days.*margn"):
        habit_groups(customers, value_col="margn", active_days=0, level=2)
    with pytest.raises(DataFloorError, match="who bought"):
        habit_groups(customers.iloc[200:], value_col="margin")
