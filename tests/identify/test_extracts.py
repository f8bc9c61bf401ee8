"""Safe extracts: what is refused, why, and that following the advice works."""

import re
from ast import literal_eval

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company import load_company
from crm_utils.errors import ParameterError, PrivacyError
from crm_utils.identify.anonymity import k_anonymity, l_diversity
from crm_utils.identify.extracts import safe_extract

QUASI = ["gender", "birth_year", "city"]


@pytest.fixture(scope="module")
def customers():
    table = load_company().customers
    return table.assign(spend=np.arange(len(table)) % 97 + 0.5)


def refusal(table, **asked):
    with pytest.raises(PrivacyError) as error:
        safe_extract(table, **asked)
    return str(error.value)


def test_direct_identifiers_are_always_refused(customers):
    message = refusal(
        customers, columns=["customer_id", "name", *QUASI], quasi_identifiers=["customer_id", "name", *QUASI], k=2
    )
    assert "customer_id is a direct identifier (key)" in message
    assert "name is a direct identifier (full_name)" in message


def test_a_column_that_outsiders_may_know_has_to_be_declared(customers):
    message = refusal(customers, columns=["gender", "city", "spend"], quasi_identifiers=["gender"])
    assert "city may be known from elsewhere (place)" in message
    safe = safe_extract(customers, columns=["gender", "city"], quasi_identifiers=["gender"], sensitive=["city"])
    assert list(safe.extract) == ["gender", "city"]


@pytest.mark.parametrize("values", [[f"139{i:08d}" for i in range(100)], list(range(13900000000, 13900000100))])
def test_a_column_that_looks_like_an_identifier_is_refused(values):
    table = pd.DataFrame({"gender": ["f", "m"] * 50, "handy": values})
    for sensitive in ([], ["handy"]):
        message = refusal(table, columns=["gender", "handy"], quasi_identifiers=["gender"], sensitive=sensitive)
        assert "handy has a value of its own in nearly every row" in message
        assert "139000000" not in message


def test_the_message_counts_and_shows_no_exact_values(customers):
    message = refusal(customers, columns=[*QUASI, "spend"], quasi_identifiers=QUASI)
    sizes = customers.groupby(QUASI, dropna=False).size()
    assert (
        f"{sizes[sizes < 5].sum():,} of 5,000 rows are in {(sizes < 5).sum():,} classes of fewer than k = 5" in message
    )
    assert "birth_year (exact)" in message
    assert not re.search(r"birth_year \d", message)
    banded = refusal(customers, columns=QUASI, quasi_identifiers=QUASI, generalise_by={"birth_year": "20 years"})
    assert re.search(r"birth_year (\d{4}-\d{4}|missing)", banded)


def test_following_the_advice_works(customers):
    message = refusal(customers, columns=[*QUASI, "spend"], quasi_identifiers=QUASI)
    advice = literal_eval(re.search(r"generalise_by=(\{.*?\})", message)[1])
    safe = safe_extract(customers, columns=[*QUASI, "spend"], quasi_identifiers=QUASI, generalise_by=advice)
    assert safe.suppressed_rows == 0
    assert safe.anonymity.k >= 5
    assert len(safe.extract) == len(customers)


def test_the_offered_suppression_works(customers):
    rules = {"birth_year": "20 years"}
    message = refusal(customers, columns=QUASI, quasi_identifiers=QUASI, generalise_by=rules)
    share = float(re.search(r"suppress_share=([\d.]+),", message)[1])
    asked = {"columns": QUASI, "quasi_identifiers": QUASI, "generalise_by": rules}
    safe = safe_extract(customers, **asked, suppress_share=share)
    assert 0 < safe.suppressed_share <= share
    assert safe.suppressed_rows + len(safe.extract) == len(customers)
    assert k_anonymity(safe.extract, QUASI).k >= 5
    with pytest.raises(PrivacyError):
        safe_extract(customers, **asked, suppress_share=safe.suppressed_share - 1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("fm"), st.sampled_from(["a", "b", None]), st.sampled_from("xyz")),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 4),
    st.integers(1, 3),
    st.floats(0, 0.9),
)
def test_what_passes_is_safe_and_what_is_refused_is_not(rows, k, l, share):  # noqa: E741
    table = pd.DataFrame(rows, columns=["gender", "city", "plan"])
    asked = {"columns": list(table), "quasi_identifiers": ["gender", "city"], "sensitive": ["plan"], "k": k, "l": l}
    whole_k = k_anonymity(table, ["gender", "city"]).k
    whole_l = l_diversity(table, ["gender", "city"], "plan").l
    try:
        safe = safe_extract(table, **asked, suppress_share=share)
    except PrivacyError:
        assert whole_k < k or whole_l < l
        return
    assert safe.suppressed_rows <= share * len(table)
    assert k_anonymity(safe.extract, ["gender", "city"]).k >= k
    assert l_diversity(safe.extract, ["gender", "city"], "plan").l >= l
    if whole_k >= k and whole_l >= l:
        assert safe.suppressed_rows == 0


def test_a_uniform_class_is_refused_by_l_only():
    table = pd.DataFrame({"city": ["a"] * 5 + ["b"] * 5, "plan": ["x"] * 5 + list("xyxyx")})
    asked = {"columns": ["city", "plan"], "quasi_identifiers": ["city"], "sensitive": ["plan"]}
    assert safe_extract(table, **asked).anonymity.k == 5
    message = refusal(table, **asked, l=2)
    assert "5 of 10 rows are in 1 class of fewer than k = 5 rows, or fewer than l = 2 values of plan" in message
    assert "This would do: generalise_by={'city': 'any'}" in message


def test_the_order_of_rows_says_nothing(customers):
    """Sweeney (2002), section 5.1: the same rows in another order give the same extract."""
    asked = {"columns": ["gender", "city", "spend"], "quasi_identifiers": ["gender", "city"], "suppress_share": 0.1}
    first = safe_extract(customers, **asked).extract
    again = safe_extract(customers.sample(frac=1, random_state=1), **asked).extract
    pd.testing.assert_frame_equal(first, again)
    assert first["gender"].dropna().is_monotonic_increasing


def test_fewer_rows_than_k_never_pass():
    table = pd.DataFrame({"city": ["a", "a"]})
    message = refusal(table, columns=["city"], quasi_identifiers=["city"], k=3, suppress_share=0.9)
    assert "2 of 2 rows" in message
    assert "This would do" not in message


def test_the_table_is_left_alone(customers):
    before = customers.copy(deep=True)
    safe_extract(customers, columns=["gender"], quasi_identifiers=["gender"])
    pd.testing.assert_frame_equal(customers, before)


def test_everything_wrong_is_said_at_once(customers):
    with pytest.raises(ParameterError) as error:
        safe_extract(
            customers.head(0),
            columns=["gendre", "city", "city"],
            quasi_identifiers=["region"],
            sensitive=["region"],
            k=1,
            l=0,
            suppress_share=1,
            generalise_by={"postcode": "any"},
        )
    for part in (
        "'gendre' is not a column (did you mean 'gender'?)",
        "quasi_identifiers names region, not among the columns asked for",
        "generalise_by names postcode",
        "named twice: city",
        "both a quasi-identifier and sensitive: region",
        "there are no rows",
        "k must be a whole number of at least 2, and is 1",
        "l must be at least 1",
        "suppress_share must be from 0 to below 1",
    ):
        assert part in str(error.value)


def test_l_needs_a_sensitive_column(customers):
    with pytest.raises(ParameterError, match="no column is named as sensitive"):
        safe_extract(customers, columns=["gender"], quasi_identifiers=["gender"], l=2)
