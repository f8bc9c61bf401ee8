"""Blocking: which rules suit which fields, and pair counts against brute force."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.identify.blocking import BLOCKING_SETS, blocking_keys, blocking_rules, limit_blocks

FIELDS = {"given_name": "given_name", "birth_date": "date", "phone": "phone", "city": "place"}
PREPARED = pd.DataFrame(
    {
        column: ["a", "a"]
        for column in ["full_sound", "family_sound", "given_sound", "birth_date", "birth_date_year", "phone", "city"]
    }
)


def pairs_of(keys):
    """Pairs that agree on some key, by looking at every pair."""
    columns = [keys[name].to_numpy(object, na_value=None) for name in keys]
    return {
        (left, right)
        for left, right in combinations(range(len(keys)), 2)
        if any(column[left] is not None and column[left] == column[right] for column in columns)
    }


def test_each_set_holds_the_stricter_one_and_starts_with_it():
    narrow, standard, wide = (blocking_rules(FIELDS, PREPARED, rules=name) for name in BLOCKING_SETS)
    assert narrow == (("phone",), ("full_sound", "birth_date"))
    assert standard[: len(narrow)] == narrow
    assert wide[: len(standard)] == standard
    assert len(narrow) < len(standard) < len(wide)
    assert ("full_sound",) in wide
    assert ("full_sound",) not in standard


def test_a_field_without_values_makes_no_rule():
    empty = PREPARED.assign(phone=pd.Series([None, None], dtype="str"))
    assert all("phone" not in rule for rule in blocking_rules(FIELDS, empty, rules="wide"))


def test_fields_that_suit_no_rule_are_blocked_on_one_by_one():
    prepared = pd.DataFrame({"gender": ["f", "m"], "state": ["nsw", None]})
    assert blocking_rules({"gender": "category", "state": "category"}, prepared) == (("gender",), ("state",))


def test_an_unknown_set_is_refused():
    with pytest.raises(ParameterError, match="'broad'; there are: narrow, standard, wide"):
        blocking_rules(FIELDS, PREPARED, rules="broad")


def test_a_missing_part_of_a_rule_leaves_the_record_without_a_key():
    prepared = pd.DataFrame({"a": ["x", "x", None, "x"], "b": ["1", "1", "1", None]})
    keys = blocking_keys(prepared, [("a",), ("a", "b")])
    assert keys["block_0"].isna().tolist() == [False, False, True, False]
    assert keys["block_1"].isna().tolist() == [False, False, True, True]
    assert keys.loc[0, "block_1"] == keys.loc[1, "block_1"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", None])] * 2), min_size=1, max_size=12), st.integers(2, 6))
def test_counts_equal_brute_force(rows, max_block):
    prepared = pd.DataFrame(rows, columns=["a", "b"], dtype="str")
    keys, counts = limit_blocks(blocking_keys(prepared, [("a",), ("a", "b")]), max_block=max_block, max_pairs=1_000_000)
    for rule, key, count in zip([("a",), ("a", "b")], keys, counts.itertuples(), strict=True):
        sizes = prepared.dropna(subset=list(rule)).groupby(list(rule)).size().to_numpy()
        small, large = sizes[sizes <= max_block], sizes[sizes > max_block]
        assert count.pairs == sum(n * (n - 1) // 2 for n in small) == len(pairs_of(keys[[key]]))
        assert count.pairs_set_aside == sum(n * (n - 1) // 2 for n in large)
        assert count.blocks_set_aside == len(large)
        assert count.blocks == (sizes > 1).sum()
        assert count.largest_block == sizes.max(initial=0)
        assert count.used


def test_a_block_too_large_makes_no_pairs_and_the_others_do():
    keys = pd.DataFrame({"block_0": pd.array([0, 0, 0, 1, 1, None], dtype="Int64")})
    kept, counts = limit_blocks(keys, max_block=2, max_pairs=100)
    assert kept["block_0"].isna().tolist() == [True, True, True, False, False, True]
    assert counts.loc[0, ["pairs", "blocks_set_aside", "pairs_set_aside", "largest_block"]].tolist() == [1, 1, 3, 3]


def test_the_budget_goes_to_the_first_rules_and_a_later_smaller_one_still_fits():
    six, ten, one = np.repeat(0, 6), np.r_[np.repeat(0, 5), 9], np.r_[0, 0, 1, 2, 3, 4]
    keys = pd.DataFrame({"block_0": ten, "block_1": six, "block_2": one}).astype("Int64")
    kept, counts = limit_blocks(keys, max_block=100, max_pairs=11)
    assert counts["pairs"].tolist() == [10, 15, 1]
    assert counts["used"].tolist() == [True, False, True]
    assert kept["block_1"].isna().all()
    assert kept["block_2"].notna().tolist() == [True, True, False, False, False, False]


def test_input_is_not_modified():
    keys = pd.DataFrame({"block_0": pd.array([0, 0, 0, 1], dtype="Int64")})
    before = keys.copy()
    limit_blocks(keys, max_block=2, max_pairs=1)
    pd.testing.assert_frame_equal(keys, before)
