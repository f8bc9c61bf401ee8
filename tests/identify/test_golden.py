"""Golden records: survivorship by hand, identities, and the opt-out that always wins."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.errors import ParameterError
from crm_utils.identify.golden import SURVIVORSHIP_RULES, default_rules, golden_records, record_walk


@pytest.fixture
def records():
    """Ann has four records, of which the newest lacks much; Bob has one."""
    return pd.DataFrame(
        {
            "record_id": ["r1", "r2", "r3", "r4", "r5"],
            "source": ["web", "store", "phone", "web", "store"],
            "family_name": ["Wang", "王", "王", "Wang", "Li"],
            "given_name": ["Xiaoming", "小明", "先生", "Xiaoming", "Wei"],
            "phone": ["111", "222", "222", None, "555"],
            "address": ["1 Old Road", "2 New Road", None, None, "5 Far Road"],
            "city": ["Wuhan", None, "Beijing", "Dalian", "Xian"],
            "postcode": ["430000", "100000", None, "116000", None],
            "may_contact": pd.array([True, False, None, True, None], dtype="boolean"),
            "updated_at": pd.to_datetime(["2024-01-01", "2025-01-01", "2023-01-01", "2025-06-01", "2025-01-01"]),
        }
    )


@pytest.fixture
def clusters():
    return pd.DataFrame({"record_id": ["r1", "r2", "r3", "r4", "r5"], "cluster_id": ["a", "a", "a", "a", "b"]})


def golden_value(records, clusters, field, rule):
    return golden_records(records, clusters, {field: rule}).records[field].tolist()


@pytest.mark.parametrize(
    ("field", "rule", "expected"),
    [
        ("phone", "most recent", ["222", "555"]),  # r4 is newer and has none
        ("city", "most recent", ["Dalian", "Xian"]),
        ("phone", ("most trusted", ["web", "store"]), ["111", "555"]),
        ("city", ("most trusted", ["phone", "web"]), ["Beijing", "Xian"]),
        ("phone", "most frequent", ["222", "555"]),
        ("family_name", "most frequent", ["Wang", "Li"]),  # two against two: the newer
        ("family_name", "characters first", ["王", "Li"]),
        ("city", "longest", ["Beijing", "Xian"]),
    ],
)
def test_each_rule_by_hand(records, clusters, field, rule, expected):
    assert golden_value(records, clusters, field, rule) == expected


def test_an_address_comes_from_one_record(records, clusters):
    """r4 is the newest but has no street; of r1 and r2, which have one, r2 is newer, and has no city."""
    golden = golden_records(records, clusters, {("address", "city", "postcode"): "most recent"})
    ann = golden.records.iloc[0]
    assert (ann["address"], ann["postcode"]) == ("2 New Road", "100000")
    assert pd.isna(ann["city"])
    assert set(golden.provenance_of("a")["record_id"]) == {"r2"}


def test_a_name_comes_from_one_record_and_a_courtesy_title_is_no_name(records, clusters):
    golden = golden_records(records, clusters).records
    assert golden[["family_name", "given_name"]].to_numpy().tolist() == [["王", "小明"], ["Li", "Wei"]]


def test_provenance_by_hand(records, clusters):
    """Ann's phone: 222 twice and 111 once; her permission: yes twice and no once."""
    golden = golden_records(records, clusters, {"phone": "most recent", "may_contact": "opt out wins"})
    ann = golden.provenance[golden.provenance["cluster_id"] == "a"].set_index("field")
    assert ann.loc["phone", ["value", "record_id", "source", "rule", "competing"]].tolist() == [
        "222",
        "r2",
        "store",
        "most recent",
        1,
    ]
    assert ann.loc["phone", "agreement_share"] == pytest.approx(2 / 3)
    assert ann.loc["may_contact", ["value", "record_id", "competing"]].tolist() == [False, "r2", 1]
    assert ann.loc["may_contact", "agreement_share"] == pytest.approx(1 / 3)


def test_provenance_tells_the_truth_on_every_row(records, clusters):
    """Each value stands in the record and the source that are named for it."""
    provenance = golden_records(records, clusters).provenance
    given = records.set_index("record_id")
    named = provenance[provenance["record_id"].notna()]
    assert len(named) == 11
    for row in named.itertuples():
        assert given.loc[row.record_id, row.field] == row.value
        assert given.loc[row.record_id, "source"] == row.source


def test_nobody_answered_is_no_permission_and_comes_from_no_record(records, clusters):
    golden = golden_records(records, clusters, {"may_contact": "opt out wins"})
    assert golden.records["may_contact"].tolist() == [False, False]
    bob = golden.provenance_of("b").iloc[0]
    assert bob["value"] is False
    assert pd.isna(bob["record_id"])
    assert bob["competing"] == 0


def test_other_flag_rules(records, clusters):
    ann_any, bob_any = golden_value(records, clusters, "may_contact", "any true")
    ann_all, bob_all = golden_value(records, clusters, "may_contact", "all true")
    assert (ann_any, ann_all) == (True, False)
    assert bob_any is pd.NA
    assert bob_all is pd.NA


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([True, False, None])), min_size=1, max_size=25))
def test_an_opt_out_in_any_source_survives_the_merge(rows):
    """However records fall into clusters: yes needs a yes and no no."""
    records = pd.DataFrame(
        {
            "record_id": [f"r{i}" for i in range(len(rows))],
            "source": "web",
            "may_contact": pd.array([answer for _, answer in rows], dtype="boolean"),
        }
    )
    clusters = pd.DataFrame({"record_id": records["record_id"], "cluster_id": [cluster for cluster, _ in rows]})
    golden = golden_records(records, clusters, {"may_contact": "opt out wins"}).records
    for cluster, answer in zip(golden["cluster_id"], golden["may_contact"], strict=True):
        answers = [given for of, given in rows if of == cluster]
        assert answer == (True in answers and False not in answers)


@pytest.mark.parametrize("rule", ["most recent", "most frequent", "longest", "characters first"])
def test_the_golden_record_of_one_record_is_that_record(records, rule):
    fields = ["family_name", "phone", "address", "city", "postcode"]
    own = pd.DataFrame({"record_id": records["record_id"], "cluster_id": records["record_id"]})
    golden = golden_records(records, own, dict.fromkeys(fields, rule))
    pd.testing.assert_frame_equal(golden.records[fields], records[fields])
    assert (golden.provenance["competing"] == 0).all()
    assert (golden.provenance["agreement_share"] == 1).all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["x", "yy", "王", None]), st.integers(0, 3)),
        min_size=1,
        max_size=15,
    ),
    st.sampled_from(["most recent", "most frequent", "longest", "characters first"]),
    st.integers(0, 2**32 - 1),
)
def test_against_a_plain_loop_and_in_any_order(rows, rule, seed):
    """The stated order of criteria, one record at a time; shuffling the rows changes nothing."""
    ids = [f"r{i:02d}" for i in range(len(rows))]
    records = pd.DataFrame(
        {
            "record_id": ids,
            "source": "web",
            "value": pd.Series([value for _, value, _ in rows], dtype="str"),
            "updated_at": pd.Timestamp("2025-01-01") + pd.to_timedelta([age for *_, age in rows], unit="D"),
        }
    )
    clusters = pd.DataFrame({"record_id": ids, "cluster_id": [cluster for cluster, *_ in rows]})
    golden = golden_records(records, clusters, {"value": rule})
    found = dict(zip(golden.records["cluster_id"], golden.records["value"], strict=True))
    for cluster in {cluster for cluster, *_ in rows}:
        own = [(value, age, id_) for (of, value, age), id_ in zip(rows, ids, strict=True) if of == cluster and value]
        if not own:
            assert pd.isna(found[cluster])
            continue

        def key(record, own=own):
            value, age, id_ = record
            first = {
                "most recent": -age,
                "most frequent": 0,
                "longest": -len(value),
                "characters first": value != "王",
            }
            return first[rule], -sum(other == value for other, *_ in own), -age, id_

        best = min(own, key=key)
        assert found[cluster] == best[0]
        assert golden.provenance_of(cluster)["record_id"].tolist() == [best[2]]
    shuffled = records.sample(frac=1, random_state=seed)
    again = golden_records(shuffled, clusters.sample(frac=1, random_state=seed), {"value": rule})
    pd.testing.assert_frame_equal(again.records, golden.records)
    pd.testing.assert_frame_equal(again.provenance, golden.provenance)


def test_values_are_compared_in_normal_form_and_taken_as_written():
    records = pd.DataFrame(
        {
            "record_id": ["r1", "r2", "r3", "r4"],
            "source": "web",
            "phone": ["154-1", "154 1", "1599", "none"],
            "updated_at": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04"]),
        }
    )
    clusters = pd.DataFrame({"record_id": records["record_id"], "cluster_id": 1})
    normal = pd.DataFrame({"phone": ["1541", "1541", "1599", None]})
    as_written = golden_records(records, clusters, {"phone": "most frequent"})
    compared = golden_records(records, clusters, {"phone": "most frequent"}, compare=normal)
    assert as_written.records["phone"].tolist() == ["none"]
    assert compared.records["phone"].tolist() == ["154 1"]
    assert compared.provenance[["competing", "agreement_share"]].to_numpy().tolist() == [[1, 2 / 3]]
    with pytest.raises(ParameterError, match="the rows and the index of records"):
        golden_records(records, clusters, {"phone": "most frequent"}, compare=normal.head(3))


def test_default_rules_recognise_other_records():
    columns = ["rec", "given_name", "surname", "street_address", "suburb", "postcode", "state", "date_of_birth"]
    assert default_rules(pd.DataFrame(columns=[*columns, "soc_sec_id", "changed"]), updated_col="changed") == {
        ("surname", "given_name"): "characters first",
        ("street_address", "suburb", "postcode"): "most recent",
        "state": "most frequent",
        "date_of_birth": "most frequent",
        "soc_sec_id": "most frequent",
    }


def test_every_default_rule_is_a_rule():
    assert set(default_rules(pd.DataFrame(columns=["name", "dob", "phone", "email", "ssn", "sex"])).values()) <= set(
        SURVIVORSHIP_RULES
    )


def test_everything_wrong_is_said_at_once(records, clusters):
    wrong_clusters = pd.concat(
        [clusters.iloc[1:], pd.DataFrame({"record_id": ["r5", "r9"], "cluster_id": ["c", None]})], ignore_index=True
    )
    rules = {
        "phnoe": "most recent",
        "city": "newest",
        ("address", "city"): "longest",
        "phone": ("most trusted", ["web", "fax"]),
        "family_name": "any true",
    }
    with pytest.raises(ParameterError) as error:
        golden_records(records, wrong_clusters, rules)
    message = str(error.value)
    for part in [
        "'phnoe' is not a column (did you mean 'phone'?)",
        "unknown rule 'newest'",
        "the field 'city' has two rules",
        "no record has the source 'fax'",
        "family_name must be yes or no",
        "1 records without a cluster (first: r1)",
        "1 cluster rows of unknown records (first: r9)",
        "1 records with more than one cluster row (first: r5)",
        "1 cluster rows without a cluster (first: r9)",
    ]:
        assert part in message


def test_most_recent_needs_the_moment_of_update(records, clusters):
    with pytest.raises(ParameterError, match="needs the column 'updated_at'"):
        golden_records(records.drop(columns="updated_at"), clusters, {"phone": "most recent"})
    assert golden_value(records.drop(columns="updated_at"), clusters, "phone", "most frequent") == ["222", "555"]


def test_types_are_kept_and_inputs_left_alone(records, clusters):
    dated = records.assign(birth_date=pd.to_datetime(["1990-01-01", None, "1990-01-01", None, None]))
    before = dated.copy(deep=True), clusters.copy(deep=True)
    golden = golden_records(dated, clusters).records
    assert golden["birth_date"].dtype == dated["birth_date"].dtype
    assert golden["may_contact"].dtype == np.dtype(bool)
    pd.testing.assert_frame_equal(dated, before[0])
    pd.testing.assert_frame_equal(clusters, before[1])


def test_no_record_at_all(records, clusters):
    golden = golden_records(records.head(0), clusters.head(0))
    assert len(golden.records) == 0
    assert len(golden.provenance) == 0


def test_the_walk_hides_names_unless_the_role_may_see_them(records, clusters):
    golden = golden_records(records, clusters)
    hidden = record_walk(golden, "a")
    assert list(hidden.columns) == [
        "field", "web", "store", "phone", "web (2)", "golden", "rule", "origin", "competing",
    ]  # fmt: skip
    shown = " ".join(map(str, hidden.to_numpy().ravel()))
    assert not any(text in shown for text in ["小明", "Xiaoming", "Road"])
    full = record_walk(golden, "a", role="instructor").set_index("field")
    assert full.loc["given_name", ["web", "store", "golden", "origin"]].tolist() == [
        "Xiaoming",
        "小明",
        "小明",
        "store",
    ]
    assert full.loc["address", "golden"] == "2 New Road"


def test_an_unknown_cluster_is_named(records, clusters):
    with pytest.raises(ParameterError, match="no cluster 'zz'"):
        record_walk(golden_records(records, clusters), "zz")


def test_without_the_moment_of_update_the_most_frequent_value_stands_in():
    records = pd.DataFrame(
        {"record_id": ["a", "b", "c"], "source": "web", "phone": ["1", "2", "2"], "address": ["x", "y", "y"]}
    )
    clusters = pd.DataFrame({"record_id": ["a", "b", "c"], "cluster_id": "a"})
    (golden,) = golden_records(records, clusters).records[["phone", "address"]].to_dict("records")
    assert golden == {"phone": "2", "address": "y"}


def test_the_walk_counts_values_that_lost_to_a_blank():
    records = pd.DataFrame(
        {
            "record_id": ["a", "b"],
            "source": ["web", "store"],
            "address": ["1 Old Road", "2 New Road"],
            "postcode": ["100000", None],
            "updated_at": pd.to_datetime(["2024-01-01", "2025-01-01"]),
        }
    )
    golden = golden_records(records, pd.DataFrame({"record_id": ["a", "b"], "cluster_id": 1}))
    walk = record_walk(golden, 1, role="instructor").set_index("field")
    assert pd.isna(walk.loc["postcode", "golden"])
    assert walk.loc["postcode", "competing"] == 1
