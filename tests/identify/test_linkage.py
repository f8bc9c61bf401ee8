"""Linkage: the demo against its truth, planted truth in other fields, recovery of m and u, and what is refused."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify import engine
from crm_utils.identify.evaluation import evaluate_links
from crm_utils.identify.linkage import LEARNING_FLOOR, LinkSettings, link_records


def partition(result):
    return set(result.clusters.groupby("cluster_id")["record_id"].agg(frozenset))


def strictly(records, **options):
    """Link, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return link_records(records, **options)


@pytest.fixture(scope="module")
def some(source_records):
    """About 600 records of every eighth person."""
    people = pd.Series(source_records["true_customer_id"].unique()).sort_values().iloc[::8]
    return source_records[source_records["true_customer_id"].isin(people)].reset_index(drop=True)


# The demo against its truth


def test_the_demo_at_the_default_threshold_without_tuning(linked, truth):
    found = evaluate_links(linked.clusters, truth)
    assert linked.threshold == 0.9
    assert found.f1.low >= 0.95
    assert found.b3_f1.low >= 0.95
    assert linked.converged


def test_two_runs_are_identical(linked, source_records):
    again = link_records(source_records.drop(columns="true_customer_id"))
    pd.testing.assert_frame_equal(again.clusters, linked.clusters)
    pd.testing.assert_frame_equal(again.pairs, linked.pairs)
    pd.testing.assert_frame_equal(again.model, linked.model)


def test_the_order_of_records_hardly_matters_and_the_input_is_left_alone(linked, source_records):
    """u comes from pairs drawn by row, so another order draws others; a pair at the threshold may tip."""
    shuffled = source_records.drop(columns="true_customer_id").sample(frac=1, random_state=5)
    before = shuffled.copy()
    other = strictly(shuffled)
    pd.testing.assert_frame_equal(shuffled, before)
    assert other.clusters["record_id"].tolist() == shuffled["record_id"].tolist()
    one, two = partition(linked), partition(other)
    assert len(one & two) / len(one | two) >= 0.999
    agreement = evaluate_links(
        other.clusters, linked.clusters.rename(columns={"cluster_id": "true_customer_id"}), n_boot=50
    )
    assert agreement.f1.value >= 0.999


def test_a_pairs_weight_is_the_prior_and_its_evidence(linked):
    parts = linked.pairs.filter(like="weight_").drop(columns="match_weight", errors="ignore")
    prior = np.log2(linked.prior / (1 - linked.prior))
    np.testing.assert_allclose(linked.pairs["match_weight"], prior + parts.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(linked.pairs["match_probability"], 1 / (1 + 2.0 ** -linked.pairs["match_weight"]))


def test_a_level_without_frequencies_weighs_log2_of_m_over_u(linked):
    model = linked.model[~linked.model["by_frequency"]].set_index(["comparison", "level"])["weight"]
    np.testing.assert_allclose(linked.model["weight"], np.log2(linked.model["m"] / linked.model["u"]))
    for name in ("birth_date", "email", "contact"):
        seen = linked.pairs[linked.pairs[f"level_{name}"] != "unknown"]
        expected = [model[name, level] for level in seen[f"level_{name}"]]
        np.testing.assert_allclose(seen[f"weight_{name}"], expected, atol=1e-9)
        assert (linked.pairs.loc[linked.pairs[f"level_{name}"] == "unknown", f"weight_{name}"] == 0).all()


def test_a_higher_threshold_keeps_more_precision_and_less_recall(linked, truth):
    found = [evaluate_links(linked.at(t).clusters, truth, n_boot=2) for t in (0.05, 0.5, 0.9, 0.999, 0.999999)]
    recall = [each.recall.value for each in found]
    assert recall == sorted(recall, reverse=True)
    assert recall[0] > recall[-1]
    assert found[-1].precision.value >= found[0].precision.value
    pd.testing.assert_frame_equal(linked.at(0.9).clusters, linked.clusters)


def test_the_prior_is_the_share_of_pairs_that_match(linked, source_records):
    pairs = len(source_records) * (len(source_records) - 1) / 2
    expected = linked.pairs.loc[linked.pairs["rule"] != "same group", "match_probability"].sum() / pairs
    assert linked.prior == pytest.approx(expected, rel=1e-3)
    sizes = source_records["true_customer_id"].value_counts()
    assert linked.prior == pytest.approx((sizes * (sizes - 1) // 2).sum() / pairs, rel=0.05)


def test_the_summary_counts_what_the_tables_hold(linked):
    counts = linked.summary_frame().set_index("measure")["value"]
    assert counts["records"] == len(linked.clusters)
    assert counts["people"] == linked.clusters["cluster_id"].nunique()
    assert counts["links"] == (linked.pairs["match_probability"] >= 0.9).sum()
    assert counts["largest cluster"] == linked.clusters.groupby("cluster_id").size().max()
    assert counts["pairs proposed"] == linked.blocking["new_pairs"].sum()


def test_a_cluster_is_named_for_its_first_record(linked):
    first = linked.clusters.drop_duplicates("cluster_id")
    assert (first["cluster_id"] == first["record_id"]).all()


# What the model learned, against what is so


def same_pairs(prepared, columns):
    """Number of pairs that agree on the columns, by counting."""
    sizes = prepared.groupby(columns).size()
    return int((sizes * (sizes - 1) // 2).sum())


def learned(linked, comparison, level, part):
    model = linked.model
    return model.loc[(model["comparison"] == comparison) & (model["level"] == level), part].iloc[0]


def test_u_recovers_the_share_of_different_people_of_one_gender(linked, truth):
    known = linked.prepared.assign(person=truth["true_customer_id"].to_numpy()).dropna(subset=["gender"])
    different = len(known) * (len(known) - 1) // 2 - same_pairs(known, ["person"])
    agree = same_pairs(known, ["gender"]) - same_pairs(known, ["person", "gender"])
    assert learned(linked, "gender", "same", "u") == pytest.approx(agree / different, rel=0.01)


def test_u_of_a_date_is_its_share_among_random_pairs(linked):
    """A drawn pair is of one person once in 7,000: what such pairs add to a rare agreement makes its u too large."""
    known = linked.prepared.dropna(subset=["birth_date"])
    share = same_pairs(known, ["birth_date"]) / (len(known) * (len(known) - 1) / 2)
    assert learned(linked, "birth_date", "same", "u") == pytest.approx(share, rel=0.15)


def test_u_of_a_rare_agreement_has_the_right_size(linked, truth):
    """Different people with one telephone: about one in 100,000 pairs, of which three million are drawn.

    Pairs of one person are among those drawn, so the level's u lies between the share among different people and the
    share among all pairs.
    """
    prepared = linked.prepared.assign(person=truth["true_customer_id"].to_numpy())
    known = prepared.dropna(subset=["phone"])
    every = len(prepared) * (len(prepared) - 1) // 2
    alike = same_pairs(known, ["phone"])
    different = alike - same_pairs(known, ["person", "phone"])
    rows = linked.model[(linked.model["comparison"] == "contact") & linked.model["level"].str.contains("phone.*same")]
    same = rows[rows["level"].str.startswith(("phone and", "phone same"))]
    assert different / every / 2 < same["u"].sum() < 2 * alike / every


def test_m_recovers_how_often_one_persons_records_agree(linked, truth):
    prepared = linked.prepared.assign(person=truth["true_customer_id"].to_numpy())
    for comparison, column, tolerance in (("birth_date", "birth_date", 0.03), ("gender", "gender", 0.02)):
        known = prepared.dropna(subset=[column])
        share = same_pairs(known, ["person", column]) / same_pairs(known, ["person"])
        assert learned(linked, comparison, "same", "m") == pytest.approx(share, abs=tolerance)


# Planted truth in other fields

LETTERS = "bcdfghjklmnprstvw"


def words(rng, count, syllables):
    made = rng.choice([f"{a}{b}" for a in LETTERS for b in "aeiou"], size=(count * 3, syllables))
    return pd.unique(np.array(["".join(row) for row in made], dtype=object))[:count]


@pytest.fixture(scope="module")
def registry():
    """1,200 people of another country, half of them twice, with slips, blanks and names in each other's field."""
    rng = np.random.default_rng(11)
    n = 1_200
    zipf = 1 / np.arange(1, 301)
    people = pd.DataFrame(
        {
            "given_name": rng.choice(words(rng, 300, 2), n, p=zipf / zipf.sum()),
            "surname": rng.choice(words(rng, 300, 3), n, p=zipf / zipf.sum()),
            "street": [
                f"{a} {b} street"
                for a, b in zip(rng.integers(1, 200, n), rng.choice(words(rng, 150, 3), n), strict=True)
            ],
            "suburb": rng.choice(words(rng, 60, 4), n),
            "postcode": rng.integers(2000, 2300, n).astype(str),
            "state": rng.choice(["nsw", "vic", "qld", "wa"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "date_of_birth": (pd.Timestamp("1930-01-01") + pd.to_timedelta(rng.integers(0, 27_000, n), "D")).strftime(
                "%Y-%m-%d"
            ),
            "social_number": rng.choice(np.arange(1_000_000, 9_999_999), n, replace=False).astype(str),
        }
    ).astype(object)
    person = np.concatenate([np.arange(n), np.arange(n // 2)])
    records = people.iloc[person].reset_index(drop=True)

    def slip(text):
        at = rng.integers(1, len(text) - 1)
        kinds = (text[:at] + text[at + 1 :], text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :])
        return kinds[rng.integers(2)]

    for column in records:
        changed = rng.random(len(records)) < 0.06
        if column not in ("state", "date_of_birth"):
            records.loc[changed, column] = records.loc[changed, column].map(slip)
        records.loc[rng.random(len(records)) < 0.07, column] = None
    turned = rng.random(len(records)) < 0.04
    records.loc[turned, ["given_name", "surname"]] = records.loc[turned, ["surname", "given_name"]].to_numpy()
    records.insert(0, "rec", np.arange(len(records)) + 100)
    order = rng.permutation(len(records))
    return records.iloc[order].reset_index(drop=True), person[order]


REGISTRY_FIELDS = {
    "given_name": "given_name",
    "surname": "family_name",
    "street": "address",
    "suburb": "place",
    "postcode": "code",
    "state": "category",
    "date_of_birth": "date",
    "social_number": "identifier",
}


def test_other_fields_are_linked_by_declaring_them(registry):
    records, person = registry
    result = strictly(records, settings=LinkSettings(fields=REGISTRY_FIELDS, region="AU"), id_col="rec")
    truth = pd.DataFrame({"rec": records["rec"], "true_customer_id": person})
    found = evaluate_links(result.clusters, truth, id_col="rec")
    assert found.f1.value >= 0.95
    assert found.precision.low >= 0.95
    assert set(result.model["comparison"]) == {"name", "date_of_birth", "social_number", "contact", "state"}


# Households and rare names


def weight_between(result, left, right):
    pairs = result.pairs
    here = (pairs["record_id_l"] == left) & (pairs["record_id_r"] == right)
    return pairs.loc[here, "match_weight"].iloc[0]


@pytest.fixture(scope="module")
def neighbours(some):
    """Some of the demo, with a couple, and two pairs alike in all but how common their family name is."""
    home = {"source": "web", "phone": "15468302833", "address": "12 Tianhe Road, Flat 3", "city": "Guangzhou"}
    him = {"record_id": "him", "family_name": "王", "given_name": "建国", "birth_date": "1961-03-09", "gender": "male"}
    her = {
        "record_id": "her",
        "family_name": "陈",
        "given_name": "秀英",
        "birth_date": "1964-11-27",
        "gender": "female",
    }
    again = him | {"record_id": "again", "family_name": "WANG", "given_name": "Jianguo"}
    rows = [home | him, home | her, home | again]
    for name, family, day in (("rare", "亓", "1950-02-03"), ("common", "王", "1951-06-04")):
        alike = {"source": "store", "city": "Chengdu", "family_name": family, "given_name": "先生", "birth_date": day}
        rows += [alike | {"record_id": f"{name} {number}"} for number in (1, 2)]
    return strictly(pd.concat([some.drop(columns="true_customer_id"), pd.DataFrame(rows)], ignore_index=True))


def test_two_of_one_household_are_two_people(neighbours):
    cluster = neighbours.clusters.set_index("record_id")["cluster_id"]
    assert cluster["him"] != cluster["her"]
    assert cluster["him"] == cluster["again"]


def test_a_rare_family_name_proves_more_than_a_common_one(neighbours):
    rare, common = (weight_between(neighbours, f"{name} 1", f"{name} 2") for name in ("rare", "common"))
    assert rare > common + 3


# What cannot be linked

BASE = pd.DataFrame(
    {
        "record_id": ["a", "b", "c", "d"],
        "given_name": ["小明", "Xiaoming", "娜", "Na"],
        "family_name": ["王", "Wang", "李", "Li"],
        "phone": ["15468302833", "+86 154 6830 2833", "15412345678", None],
        "birth_date": ["1980-05-17", "17/05/1980", None, "1991-02-03"],
    }
)
FIELDS = ["given_name", "family_name", "phone", "birth_date"]


def test_a_few_records_are_linked_by_usual_values_and_said_so():
    result = strictly(BASE)
    assert result.clusters["cluster_id"].tolist() == ["a", "a", "c", "d"]
    assert any(f"learned from {LEARNING_FLOOR} records or more; here are 4" in note for note in result.notes)
    assert result.training.empty
    assert result.converged


@pytest.mark.parametrize("records", [BASE.head(0), BASE.head(1), BASE.assign(**dict.fromkeys(FIELDS))])
def test_nothing_to_compare_leaves_every_record_alone(records):
    result = strictly(records)
    assert result.clusters["cluster_id"].tolist() == records["record_id"].tolist()
    assert any("every record stays a person of its own" in note for note in result.notes)
    assert result.pairs.empty
    assert result.at(0.5).clusters.equals(result.clusters)
    assert result.summary_frame()["value"].iloc[0] == len(records)


def test_records_without_names_are_linked_by_the_rest():
    result = strictly(BASE.assign(given_name=None, family_name=None))
    assert result.clusters["cluster_id"].tolist() == ["a", "a", "c", "d"]
    assert "No record has a name; names are not compared." in result.notes
    assert "name" not in set(result.model["comparison"])


def test_no_possible_pair():
    result = strictly(pd.DataFrame({"record_id": range(1_000), "phone": [f"154{i:08d}" for i in range(1_000)]}))
    assert result.clusters["cluster_id"].tolist() == list(range(1_000))
    assert result.blocking["pairs"].tolist() == [0]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_block": 50}, "values that stand in more than 50 records propose no pairs: 1 of them"),
        ({"max_pairs": 100}, "would propose 4,950 pairs; with the rules above that is more than max_pairs = 100"),
    ],
)
def test_one_giant_block_is_refused_with_the_remedy(limits, said):
    records = pd.DataFrame({"record_id": range(100), "phone": ["15468302833"] * 100})
    with pytest.raises(ParameterError, match="no blocking rule leaves pairs to compare") as error:
        link_records(records, settings=LinkSettings(**limits))
    assert said in str(error.value)
    assert "raise max_block or max_pairs" in str(error.value)


def test_a_shops_own_number_is_set_aside_and_the_rest_is_linked(some):
    records = some.drop(columns="true_customer_id").copy()
    records.loc[::10, "phone"] = "020 8888 6666"
    result = strictly(records, settings=LinkSettings(max_block=50))
    phone = result.blocking.set_index("rule").loc["phone"]
    assert phone["blocks_set_aside"] == 1
    assert phone["used"]
    assert any("Blocking on phone" in note for note in result.notes)
    assert result.clusters["cluster_id"].nunique() < len(records)


def test_all_that_is_wrong_is_said_at_once():
    wrong = BASE.assign(record_id=["a", "a", None, "d"])
    with pytest.raises(ParameterError) as error:
        link_records(wrong, threshold=2, settings=LinkSettings(rules="broad", max_block=0, u_pairs=1.5))
    for part in (
        "record_id is missing in 1 records",
        "record_id repeats in 1 records",
        "must lie between 0.05 and 1, and is 2",
        "no set of blocking rules 'broad'",
        "max_block must be a whole number",
        "u_pairs must be a whole number",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id_col": "id"}, "lacks the column id"),
        ({"settings": {"phone": "fone"}}, "did you mean 'phone'"),
        ({"settings": LinkSettings(rules=[("phone", "colour")])}, "lacks the column colour"),
        ({"threshold": 0.01}, "between 0.05 and 1"),
        ({"threshold": 1.0}, "between 0.05 and 1"),
        ({"threshold": "high"}, "between 0.05 and 1"),
    ],
)
def test_wrong_arguments(change, message):
    with pytest.raises(ParameterError, match=message):
        link_records(BASE, **change)


@pytest.mark.parametrize("threshold", [0.0, 0.04, 1, 1.5])
def test_clusters_at_an_impossible_threshold(linked, threshold):
    with pytest.raises(ParameterError, match=r"between 0\.05 and 1"):
        linked.at(threshold)


@pytest.mark.parametrize("name", ["手机 号", "select", "phone-1", "x_l", "match_weight"])
def test_odd_names_of_columns_change_nothing(name):
    fields = {"given_name": "given_name", "family_name": "family_name", "birth_date": "date"}
    expected = link_records(BASE, settings={**fields, "phone": "phone"})
    result = strictly(BASE.rename(columns={"phone": name}), settings={**fields, name: "phone"})
    pd.testing.assert_frame_equal(result.clusters, expected.clusters)
    np.testing.assert_allclose(result.pairs["match_weight"], expected.pairs["match_weight"])


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        ("name", "category", "'name' has a name that linkage needs for itself"),
        ("contact", "email", "'contact' has a name that linkage needs for itself"),
        ("record", "phone", "'record' has a name that linkage needs for itself"),
        ("block_0", "phone", "'block_0' has a name that linkage needs for itself"),
        ("birth_date_year", "category", "'birth_date' and 'birth_date_year' get in each other's way"),
        ("BIRTH_DATE", "email", "'birth_date' and 'BIRTH_DATE' get in each other's way"),
        ('a"b', "phone", "needs a name of letters and digits"),
        ("1phone", "phone", "needs a name of letters and digits"),
        (7, "phone", "the column 7 needs a name of letters and digits"),
    ],
)
def test_names_the_backend_cannot_carry_are_refused(column, kind, message):
    records = BASE.rename(columns={"phone": column})
    with pytest.raises(ParameterError) as error:
        link_records(records, settings={"birth_date": "date", column: kind})
    assert message in str(error.value)


def test_ids_keep_their_type():
    result = strictly(BASE.assign(record_id=[40, 30, 20, 10]))
    assert result.clusters["cluster_id"].tolist() == [40, 40, 20, 10]
    assert result.pairs["record_id_l"].dtype.kind == "i"


def test_a_level_that_no_match_shows_does_not_stop_the_learning(source_records):
    """The oldest 1,500 records hold few doubles; the m of a date in another year shrinks beyond floating point."""
    oldest = source_records.drop(columns="true_customer_id").head(1_500)
    result = strictly(oldest)
    assert result.converged
    assert len(result.training) == 3
    assert (result.model["m"] > 0).all()


def test_learning_that_does_not_converge_is_said(some, monkeypatch):
    monkeypatch.setattr(engine, "_EM_ITERATIONS", 1)
    result = strictly(some.drop(columns="true_customer_id"))
    assert not result.converged
    assert any("did not converge in 1 iterations" in note for note in result.notes)


def test_own_rules_are_used_as_they_are():
    rules = [("full_sound", "birth_date"), ("family_sound",)]
    result = strictly(BASE, settings=LinkSettings(rules=rules))
    assert result.blocking["rule"].tolist() == ["full_sound + birth_date", "family_sound"]
    assert result.blocking[["pairs", "new_pairs"]].to_numpy().tolist() == [[1, 1], [2, 1]]
    assert set(result.pairs["rule"]) <= {*result.blocking["rule"], "same group"}


SPARK = """
import sys, pandas as pd
from pyspark.sql import SparkSession
from crm_utils.identify.linkage import link_records
session = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
           .config("spark.sql.shuffle.partitions", "2").config("spark.default.parallelism", "2")
           .config("spark.sql.warehouse.dir", sys.argv[2]).getOrCreate())
result = link_records(pd.read_parquet(sys.argv[1]), backend=session)
result.pairs.to_parquet(sys.argv[2] + "/pairs.parquet")
result.clusters.to_parquet(sys.argv[2] + "/clusters.parquet")
"""


@pytest.mark.spark
def test_spark_scores_the_same_pairs(source_records, tmp_path):
    """Below the floor both take the same usual values, so that nothing is drawn and the weights must be equal."""
    pytest.importorskip("pyspark", reason="needs the [spark] extra")
    if not shutil.which("java"):
        pytest.skip("needs Java 17")
    people = source_records["true_customer_id"].unique()[-110:]
    records = source_records[source_records["true_customer_id"].isin(people)].drop(columns="true_customer_id").head(190)
    records.to_parquet(tmp_path / "records.parquet")
    arguments = [tmp_path / "records.parquet", tmp_path]
    subprocess.run([sys.executable, "-W", "ignore", "-c", SPARK, *map(str, arguments)], check=True, timeout=300)
    here = link_records(records)
    keys = ["record_id_l", "record_id_r"]
    both = here.pairs.merge(pd.read_parquet(tmp_path / "pairs.parquet"), on=keys, suffixes=("", "_spark"), how="outer")
    np.testing.assert_allclose(both["match_weight_spark"], both["match_weight"], atol=1e-6)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "clusters.parquet"), here.clusters, check_dtype=False)
