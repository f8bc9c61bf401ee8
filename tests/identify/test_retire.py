"""Stale records: each suggestion at its edge."""

import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify.retire import ACTIONS, stale_records, stale_table


@pytest.fixture
def records():
    """As of 2026-01-01: updated 99, 100, 500, 500, 500 days before, and never."""
    updated = pd.Timestamp("2026-01-01") - pd.to_timedelta([99, 100, 500, 500, 500, None], unit="D")
    return pd.DataFrame(
        {
            "record_id": [f"r{i}" for i in range(6)],
            "source": ["web", "web", "web", "store", "store", "store"],
            "cluster_id": [1, 2, 3, 4, 5, 6],
            "updated_at": updated,
            "may_contact": pd.array([False, True, True, False, None, True], dtype="boolean"),
        }
    )


@pytest.fixture
def seen():
    """Person 2 was seen 99 days before, person 3 100 days before, person 4 only in the future."""
    days = pd.Timestamp("2026-01-01") - pd.to_timedelta([99, 400, 100, -5], unit="D")
    return pd.DataFrame({"cluster_id": [2, 2, 3, 4], "last_seen": days})


def actions(records, **options):
    return stale_records(records, as_of="2026-01-01", stale_after_days=100, **options)["action"].tolist()


def test_each_suggestion_at_its_edge(records, seen):
    assert actions(records, last_seen=seen) == ["keep", "confirm", "archive", "delete", "delete", "archive"]


def test_where_activity_is_not_known_nothing_goes(records):
    assert actions(records) == ["keep"] + ["confirm"] * 5


def test_without_a_column_of_permission_nothing_is_deleted(records, seen):
    assert "delete" not in actions(records.drop(columns="may_contact"), last_seen=seen)


def test_a_refusal_in_one_record_holds_for_all_records_of_the_person(records, seen):
    """Person 3 permits in one record and refuses in another; person 5 answers in one of two."""
    other = records[records["cluster_id"].isin([3, 5])].assign(
        record_id=["r8", "r9"], may_contact=pd.array([False, True], dtype="boolean")
    )
    result = stale_records(
        pd.concat([records, other], ignore_index=True), as_of="2026-01-01", last_seen=seen, stale_after_days=100
    ).set_index("record_id")["action"]
    assert result[["r2", "r8", "r4", "r9"]].tolist() == ["delete", "delete", "archive", "archive"]


def test_days_and_reasons(records, seen):
    found = stale_records(records, as_of="2026-01-01", last_seen=seen, stale_after_days=100)
    assert found["days_since_update"].tolist()[:5] == [99, 100, 500, 500, 500]
    assert pd.isna(found["days_since_update"].iloc[5])
    assert found["days_since_seen"].tolist()[1:3] == [99, 100]
    assert found["stale"].tolist() == [False] + [True] * 5
    assert found["reason"].iloc[3] == "not updated; its person is silent and gave no permission"


def test_the_table_counts_each_record_once(records, seen):
    table = stale_table(stale_records(records, as_of="2026-01-01", last_seen=seen, stale_after_days=100))
    assert table["source"].tolist() == ["store", "web", "all"]
    assert table.set_index("source").loc["all", list(ACTIONS)].tolist() == [1, 1, 2, 2]
    assert table["records"].tolist() == [3, 3, 6]
    assert table["stale_share"].tolist() == pytest.approx([1, 2 / 3, 5 / 6])


def test_everything_wrong_is_said_at_once(records):
    with pytest.raises(ParameterError) as error:
        stale_records(
            records.drop(columns="cluster_id").astype({"updated_at": str}),
            as_of="2026-01-01",
            last_seen=pd.DataFrame({"cluster_id": [1], "last_seen": ["2025-01-01"]}),
            stale_after_days=0,
        )
    for part in ("lacks the column cluster_id", "updated_at must be dates", "last_seen must be dates", "at least 1"):
        assert part in str(error.value)
