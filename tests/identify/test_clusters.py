"""Clusters: chains cut, complete groups untouched, contradictions listed."""

import sys
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.identify.clusters import (
    LARGEST_GROUP,
    connected,
    consistent_clusters,
    impossible_clusters,
    unscored_pairs,
)


def cluster(records, scored, *, threshold_weight=3.0):
    left, right, weight = (np.array(column) for column in zip(*scored, strict=True))
    return consistent_clusters(records, left, right, weight.astype(float), threshold_weight=threshold_weight).tolist()


def test_a_chain_is_cut_at_its_weakest_link():
    assert cluster(3, [(0, 1, 9), (1, 2, 4), (0, 2, -12)]) == [0, 0, 1]
    assert cluster(3, [(0, 1, 4), (1, 2, 9), (0, 2, -12)]) == [0, 1, 1]


def test_ends_that_differ_a_little_stay_together():
    """Average linkage: between {0, 1} and {2} stand 4 and −3 bits, on average +0.5."""
    assert cluster(3, [(0, 1, 9), (1, 2, 4), (0, 2, -3)]) == [0, 0, 0]


def test_a_pair_never_scored_counts_against():
    assert cluster(3, [(0, 1, 9), (1, 2, 8)]) == [0, 0, 1]


def test_two_couples_joined_by_one_doubtful_link_are_parted():
    scored = [(0, 1, 12), (2, 3, 12), (1, 2, 3.5), (0, 2, -10), (0, 3, -10), (1, 3, -10)]
    assert cluster(4, scored) == [0, 0, 1, 1]


def test_pairs_below_the_threshold_do_not_link():
    assert cluster(3, [(0, 1, 2.9), (1, 2, 3.0)]) == [0, 1, 1]


def test_no_pairs_leave_everyone_alone():
    nothing = np.array([], dtype=int)
    assert consistent_clusters(3, nothing, nothing, np.array([]), threshold_weight=3).tolist() == [0, 1, 2]


def test_a_group_too_large_to_look_at_is_left_whole():
    chain = [(i, i + 1, 5) for i in range(LARGEST_GROUP)]
    assert set(cluster(LARGEST_GROUP + 1, chain)) == {0}
    assert len(set(cluster(LARGEST_GROUP, chain[:-1]))) > 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_complete_groups_equal_connected_components(people, random):
    """Whatever the weights within a group, as long as every pair of it is a link; pairs across are none."""
    scored = [
        (a, b, random.uniform(3, 20) if people[a] == people[b] else random.uniform(-10, 2.9))
        for a, b in combinations(range(len(people)), 2)
    ]
    links = [(a, b) for a, b, weight in scored if weight >= 3]
    left, right = (np.array([pair[side] for pair in links], dtype=int) for side in (0, 1))
    expected = pd.factorize(connected(len(people), left, right))[0].tolist()
    assert cluster(len(people), scored) == expected == pd.factorize(np.array(people))[0].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.data())
def test_clusters_refine_the_connected_components(records, data):
    """And no two parts of a cluster cut by hand have, on average, evidence against one person between them."""
    every = list(combinations(range(records), 2))
    weights = data.draw(st.lists(st.floats(-12, 12), min_size=len(every), max_size=len(every)))
    found = np.array(cluster(records, [(*pair, weight) for pair, weight in zip(every, weights, strict=True)]))
    links = [pair for pair, weight in zip(every, weights, strict=True) if weight >= 3]
    left, right = (np.array([pair[side] for pair in links], dtype=int) for side in (0, 1))
    groups = connected(records, left, right)
    assert all(len(set(groups[found == label])) == 1 for label in set(found))
    assert found.tolist() == pd.factorize(found)[0].tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.data())
def test_unscored_pairs_are_those_within_groups_that_nobody_scored(labels, data):
    every = list(combinations(range(len(labels)), 2))
    known = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    left, right = (np.array([pair[side] for pair in known], dtype=int) for side in (0, 1))
    found = set(zip(*(side.tolist() for side in unscored_pairs(np.array(labels), left, right)), strict=True))
    assert found == {pair for pair in every if labels[pair[0]] == labels[pair[1]]} - set(known)


FIELDS = {"birth_date": "date", "social": "identifier", "gender": "category", "phone": "phone"}


def contradictions(rows, **options):
    """Rows are (cluster, birth date, social number, gender, telephone)."""
    table = pd.DataFrame(rows, columns=["cluster_id", *FIELDS]).assign(record_id=range(len(rows)))
    found = impossible_clusters(table.drop(columns="cluster_id"), table[["record_id", "cluster_id"]], FIELDS, **options)
    return list(found.itertuples(index=False, name=None))


def test_every_kind_of_contradiction_is_listed_once():
    rows = [
        ("a", "1980-05-17", "111", "f", None),
        ("a", "1991-11-02", "222", "m", None),
        ("a", "1980-05-17", None, None, None),
    ]
    assert contradictions(rows) == [
        ("one person, two dates", "birth_date", ("a",), 3, 2),
        ("one person, two identifiers", "social", ("a",), 2, 2),
        ("one person, two categories", "gender", ("a",), 2, 2),
    ]


@pytest.mark.parametrize(
    ("other", "slip"),
    [("1980-05-17", True), ("1980-07-05", True), (None, True), ("1981-05-17", False), ("1980-01-01", False)],
)
def test_a_date_with_a_slip_is_no_contradiction(other, slip):
    found = contradictions([("a", "1980-05-07", None, None, None), ("a", other, None, None, None)])
    assert (found == []) == slip


def test_a_telephone_of_three_people_is_listed_and_one_of_two_is_not():
    three = [(name, None, None, None, "+8613800138000") for name in "abc"]
    assert contradictions(three) == [("one phone, more than 2 people", "phone", ("a", "b", "c"), 3, 1)]
    assert contradictions(three[:2]) == []
    assert contradictions(three, people_per_phone=3) == []
    assert len(contradictions(three[:2], people_per_phone=1)) == 1


def test_an_absent_column_is_named():
    with pytest.raises(ParameterError, match="lacks the column phone"):
        impossible_clusters(
            pd.DataFrame(columns=["record_id"]), pd.DataFrame(columns=["record_id", "cluster_id"]), {"phone": "phone"}
        )


def calls_for(people):
    """Function calls that it takes to list the contradictions of half of so many clusters."""
    records = pd.DataFrame({"record_id": range(2 * people), "gender": ["f", "m", "f", "f"] * (people // 2)})
    clusters = pd.DataFrame({"record_id": range(2 * people), "cluster_id": np.repeat(np.arange(people), 2)})
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        found = impossible_clusters(records, clusters, {"gender": "category"})
    finally:
        sys.setprofile(before)
    assert len(found) == people // 2
    return calls


def test_the_work_for_many_contradictions_grows_with_the_records_not_with_their_square():
    calls_for(10)  # what is imported and made once
    assert calls_for(1_600) < 4.5 * calls_for(400)
