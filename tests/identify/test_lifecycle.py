"""Lifecycle stages: the stated rules, at their edges."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify import STAGES, lifecycle_stage, lifecycle_table, plot_lifecycle
from crm_utils.plotting import alt_text


@pytest.fixture
def summary():
    days = pd.to_datetime(["2025-12-31", "2025-07-05", "2025-07-04", "2025-12-01", "2025-12-01", None])
    return pd.DataFrame({"customer_id": list("abcdef"), "purchase_days": [1, 1, 9, 4, 5, 0], "last_purchase": days})


def test_each_rule_at_its_edge(summary):
    """2025-07-05 is 180 days before 2026-01-01, 2025-07-04 is 181."""
    stages = lifecycle_stage(summary, as_of="2026-01-01").set_index("customer_id")["stage"].to_dict()
    assert stages == {
        "a": "first-time",
        "b": "first-time",
        "c": "inactive",
        "d": "repeat",
        "e": "loyal",
        "f": "prospect",
    }


def test_customers_who_never_bought_are_prospects(summary):
    customers = pd.DataFrame({"customer_id": ["z", "a", "y"]})
    stages = lifecycle_stage(summary, customers, as_of="2026-01-01")
    assert stages["customer_id"].tolist() == [*"abcdef", "y", "z"]
    assert stages["stage"].tolist()[-2:] == ["prospect", "prospect"]


def test_without_a_sign_of_interest_a_customer_is_a_suspect(summary):
    customers = pd.DataFrame({"customer_id": ["z", "a", "y"]})
    stages = lifecycle_stage(summary, customers, as_of="2026-01-01", interested=["y", "a", "not known"])
    found = stages.set_index("customer_id")["stage"]
    assert found[["a", "f", "y", "z"]].tolist() == ["first-time", "suspect", "prospect", "suspect"]
    assert lifecycle_table(stages)["stage"].tolist() == list(STAGES)


def test_nobody_interested_makes_all_who_never_bought_suspects(summary):
    assert "prospect" not in set(lifecycle_stage(summary, as_of="2026-01-01", interested=[])["stage"])


def test_a_missing_interested_id_is_refused(summary):
    with pytest.raises(ParameterError, match="1 missing ids"):
        lifecycle_stage(summary, as_of="2026-01-01", interested=["a", None])


def test_everybody_is_counted_once_and_empty_stages_are_listed(summary):
    table = lifecycle_table(lifecycle_stage(summary.head(2), as_of="2026-01-01"))
    assert table["stage"].tolist() == list(STAGES[1:])
    assert table["customers"].tolist() == [0, 2, 0, 0, 0]
    assert table["customer_share"].sum() == pytest.approx(1)


def test_the_figure_draws_the_table(summary):
    stages = lifecycle_stage(summary, as_of="2026-01-01")
    figure, ax = plt.subplots()
    assert plot_lifecycle(stages, ax=ax) is ax
    assert [bar.get_width() for bar in ax.patches] == lifecycle_table(stages)["customers"].tolist()
    assert "loyal 1 (17%)" in alt_text(figure)
    plt.close(figure)


@pytest.mark.parametrize("wrong", [{"loyal_from": 1}, {"inactive_after_days": 0}])
def test_rules_out_of_range_are_refused(summary, wrong):
    with pytest.raises(ParameterError, match="at least"):
        lifecycle_stage(summary, as_of="2026-01-01", **wrong)
