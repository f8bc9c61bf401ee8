"""k-anonymity and l-diversity: the tables of the papers, by hand, and against a plain count."""

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.anonymity import (
    class_codes,
    k_anonymity,
    l_diversity,
    plot_quasi_identifiers,
    quasi_identifiers,
)
from crm_utils.plotting import alt_text


@pytest.fixture
def sweeney():
    """Sweeney (2002), figure 2: 2-anonymous in race, birth, gender and ZIP."""
    rows = [
        ("Black", 1965, "m", "0214*", "short breath"),
        ("Black", 1965, "m", "0214*", "chest pain"),
        ("Black", 1965, "f", "0213*", "hypertension"),
        ("Black", 1965, "f", "0213*", "hypertension"),
        ("Black", 1964, "f", "0213*", "obesity"),
        ("Black", 1964, "f", "0213*", "chest pain"),
        ("White", 1964, "m", "0213*", "chest pain"),
        ("White", 1964, "m", "0213*", "obesity"),
        ("White", 1964, "m", "0213*", "short breath"),
        ("White", 1967, "m", "0213*", "chest pain"),
        ("White", 1967, "m", "0213*", "chest pain"),
    ]
    return pd.DataFrame(rows, columns=["race", "birth", "gender", "zip", "problem"])


DISEASES = ["heart", "heart", "viral", "viral", "cancer", "heart", "viral", "viral"] + ["cancer"] * 4


def inpatients(zip_code, age):
    """Machanavajjhala et al. (2007), figures 2 and 3: twelve inpatients in the order of figure 1."""
    return pd.DataFrame({"zip": zip_code, "age": age, "nationality": "*", "condition": DISEASES})


@pytest.fixture
def four_anonymous():
    """Their figure 2."""
    return inpatients(["130**"] * 4 + ["1485*"] * 4 + ["130**"] * 4, ["<30"] * 4 + [">=40"] * 4 + ["3*"] * 4)


@pytest.fixture
def three_diverse():
    """Their figure 3: ZIPs 13053, 13068, 13068, 13053, 14853, 14853, 14850, 14850, 13053, 13053, 13068, 13068."""
    last = ["1305*", "1306*", "1306*", "1305*", *["1485*"] * 4, "1305*", "1305*", "1306*", "1306*"]
    return inpatients(last, ["<=40"] * 4 + [">40"] * 4 + ["<=40"] * 4)


PATIENT = ["zip", "age", "nationality"]


def test_sweeneys_table_is_2_anonymous(sweeney):
    found = k_anonymity(sweeney, ["race", "birth", "gender", "zip"])
    assert found.k == 2
    assert found.rows == 11
    assert found.classes["rows"].tolist() == [2, 2, 2, 2, 3]
    assert found.classes.iloc[-1].tolist() == ["White", 1964, "m", "0213*", 3]


def test_sweeneys_table_gives_away_two_women_and_two_men(sweeney):
    """Hypertension of both women born 1965 and chest pain of both men born 1967: l = 1 in two classes."""
    found = l_diversity(sweeney, ["race", "birth", "gender", "zip"], "problem")
    assert found.l == 1
    assert (found.classes["l"] == 1).sum() == 2
    assert set(found.classes.loc[found.classes["l"] == 1, "birth"]) == {1965, 1967}


def test_the_inpatients_are_4_anonymous_and_1_diverse(four_anonymous):
    """All four in their thirties have cancer: the homogeneity attack on Bob, aged 31."""
    assert k_anonymity(four_anonymous, PATIENT).k == 4
    found = l_diversity(four_anonymous, PATIENT, "condition")
    assert found.l == 1
    assert found.classes["l"].tolist() == [1, 2, 3]
    assert found.classes.loc[0, "age"] == "3*"


def test_the_other_release_is_3_diverse(three_diverse):
    assert k_anonymity(three_diverse, PATIENT).k == 4
    assert l_diversity(three_diverse, PATIENT, "condition").l == 3


def test_entropy_by_hand(three_diverse, four_anonymous):
    """Each class holds shares ¼, ¼, ½: entropy 1.5 ln 2, so l = 2^1.5; and two halves give exactly 2."""
    found = l_diversity(three_diverse, PATIENT, "condition", kind="entropy")
    assert found.classes["l"].tolist() == pytest.approx([2**1.5] * 3)
    halves = l_diversity(four_anonymous, PATIENT, "condition", kind="entropy").classes
    assert halves.set_index("age").loc["<30", "l"] == pytest.approx(2)


def test_entropy_never_exceeds_the_number_of_values(four_anonymous, three_diverse):
    for table in (four_anonymous, three_diverse):
        distinct = l_diversity(table, PATIENT, "condition").classes.set_index(PATIENT)["l"]
        entropy = l_diversity(table, PATIENT, "condition", kind="entropy").classes.set_index(PATIENT)["l"]
        assert (entropy <= distinct.reindex(entropy.index) + 1e-12).all()


def test_a_missing_sensitive_value_makes_no_class_more_diverse():
    table = pd.DataFrame({"city": ["a", "a", "a", "b", "b"], "condition": ["x", None, None, None, None]})
    found = l_diversity(table, ["city"], "condition")
    assert found.l == 1
    assert found.classes.set_index("city")["l"].isna().tolist() == [False, True]
    assert np.isnan(l_diversity(table.tail(2), ["city"], "condition").l)


def test_a_missing_value_is_a_value_of_its_own():
    """Of any kind of missing; it is no joker that equals everything."""
    table = pd.DataFrame({"city": ["a", "a", None, None], "born": [1.0, 1.0, np.nan, 2.0]})
    assert k_anonymity(table, ["city"]).k == 2
    assert k_anonymity(table, ["city", "born"]).k == 1
    assert len(k_anonymity(table, ["city", "born"]).classes) == 3


def test_shares_below_k(sweeney):
    table = k_anonymity(sweeney, ["race", "birth", "gender", "zip"]).summary_frame([2, 3, 4])
    assert table["classes_below"].tolist() == [0, 4, 5]
    assert table["rows_below"].tolist() == [0, 8, 11]
    assert table["rows_below_share"].tolist() == pytest.approx([0, 8 / 11, 1])


frames = st.lists(
    st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from([1.0, 2.0, np.nan]), st.booleans()),
    min_size=1,
    max_size=30,
).map(lambda rows: pd.DataFrame(rows, columns=["text", "number", "flag"]))


@settings(max_examples=60, deadline=None)
@given(frames)
def test_classes_agree_with_a_plain_count(table):
    keys = [tuple("missing" if pd.isna(value) else value for value in row) for row in table.itertuples(index=False)]
    sizes = Counter(keys)
    found = k_anonymity(table, ["text", "number", "flag"])
    assert found.classes["rows"].tolist() == sorted(sizes.values())
    codes = class_codes(table, ["text", "number", "flag"])
    assert len(set(zip(keys, codes, strict=True))) == len(sizes) == len(set(codes))


@settings(max_examples=40, deadline=None)
@given(frames)
def test_more_columns_never_raise_k(table):
    assert k_anonymity(table, ["text", "flag"]).k <= k_anonymity(table, ["text"]).k


@settings(max_examples=40, deadline=None)
@given(frames)
def test_greedy_order(table):
    """The first column is the best alone, shares never fall, and the last is all columns together."""
    found = quasi_identifiers(table, columns=["text", "number", "flag"])
    alone, together = found["unique_alone_share"], found["unique_together_share"]
    assert alone[0] == together[0] == alone.max()
    assert (np.diff(together) >= 0).all()
    sizes = k_anonymity(table, ["text", "number", "flag"]).classes["rows"]
    assert together.iloc[-1] == pytest.approx((sizes == 1).sum() / len(table))
    for _, row in found.iterrows():
        assert row["unique_alone_share"] == (k_anonymity(table, [row["column"]]).classes["rows"] == 1).sum() / len(
            table
        )
        assert row["values"] == table[row["column"]].nunique(dropna=False)


def test_direct_identifiers_and_measures_are_no_candidates():
    records = load_company().source_records.assign(score=0.5)
    columns = set(quasi_identifiers(records)["column"])
    assert not columns & {"record_id", "given_name", "family_name", "phone", "email", "address", "score"}
    assert {"birth_date", "gender", "postcode", "city"} <= columns


def test_the_figure_draws_the_table():
    found = quasi_identifiers(
        pd.DataFrame({"born": [1, 2, 3, 3], "gender": ["f", "m", "f", "m"]}), columns=["gender", "born"]
    )
    figure, ax = plt.subplots()
    assert plot_quasi_identifiers(found, ax=ax) is ax
    assert [bar.get_width() for bar in ax.patches] == [0.5, 1.0]
    assert "born 50.0% (alone 50.0%); + gender 100.0% (alone 0.0%)" in alt_text(figure)
    plt.close(figure)


def test_what_is_wrong_is_said_at_once(sweeney):
    with pytest.raises(ParameterError, match=r"'brith' is not a column \(did you mean 'birth'\?\)"):
        k_anonymity(sweeney, ["brith"])
    with pytest.raises(ParameterError, match="without one nothing would be checked"):
        k_anonymity(sweeney, [])
    with pytest.raises(ParameterError) as error:
        l_diversity(sweeney.head(0), ["race", "race"], "race", kind="shannon")
    for part in ("named twice: race", "there are no rows", "both sensitive", "'distinct' or 'entropy'"):
        assert part in str(error.value)
    with pytest.raises(ParameterError, match="no column is left"):
        quasi_identifiers(pd.DataFrame({"phone": ["1"]}))
