"""Pseudonymous keys: published vectors, joins, and what must never be printed."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError, PrivacyError
from crm_utils.identify.pseudonyms import pseudonymous_key

SECRET = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"\xaa" * 131,
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_published_vectors(secret, text, expected):
    """RFC 4231, test cases 1 and 6; a shorter key is the longer one's beginning."""
    assert pseudonymous_key([text], secret=secret, bits=256).tolist() == [expected]
    assert pseudonymous_key([text], secret=secret).tolist() == [expected[:32]]


def test_tables_join_by_key_and_only_with_the_same_secret():
    people, orders = pd.Series(["a", "b", "c"]), pd.Series(["c", "a", "c"])
    keys = dict(zip(people, pseudonymous_key(people, secret=SECRET), strict=True))
    assert pseudonymous_key(orders, secret=SECRET).tolist() == [keys[name] for name in orders]
    assert len(set(keys.values())) == 3
    assert not set(pseudonymous_key(people, secret=SECRET[::-1])) & set(keys.values())


def test_numbers_and_their_text_are_the_same_id_also_beside_missing_ones():
    expected = pseudonymous_key(["12", "7"], secret=SECRET).tolist()
    assert pseudonymous_key([12, 7], secret=SECRET).tolist() == expected
    found = pseudonymous_key(pd.Series([12, None, 7], index=[5, 6, 7], name="id"), secret=SECRET)
    assert found.dropna().tolist() == expected
    assert found.index.tolist() == [5, 6, 7]
    assert found.name == "id"
    assert found.isna().tolist() == [False, True, False]


def test_text_and_bytes_of_a_secret_are_the_same():
    assert pseudonymous_key(["x"], secret=SECRET.decode())[0] == pseudonymous_key(["x"], secret=SECRET)[0]


def test_shared_keys_are_found():
    """Of 200,000 ids, 32 bits leave about 200,000²/2³³ = 4.7 pairs that share one."""
    ids = np.arange(200_000)
    with pytest.raises(PrivacyError, match=r"of 200,000 ids share a key of 32 bits"):
        pseudonymous_key(ids, secret=SECRET, bits=32)
    assert pseudonymous_key(ids, secret=SECRET).is_unique


@pytest.mark.parametrize("bits", [24, 30, 264, True, 64.0])
def test_bits_out_of_range(bits):
    with pytest.raises(ParameterError, match="multiple of 8 from 32 to 256"):
        pseudonymous_key(["a"], secret=SECRET, bits=bits)


def test_messages_hold_neither_secret_nor_id():
    with pytest.raises(ParameterError) as error:
        pseudonymous_key(["13912345678", 1.5], secret="hunter2")
    message = str(error.value)
    assert "at least 16 bytes, and has 7" in message
    assert "ids must be text or whole numbers" in message
    assert "hunter2" not in message
    assert "13912345678" not in message


def test_no_secret_no_keys():
    with pytest.raises(ParameterError, match="must be bytes or text, and is NoneType"):
        pseudonymous_key(["a"], secret=None)


def test_nothing_to_replace():
    assert pseudonymous_key(pd.Series([], dtype="str"), secret=SECRET).tolist() == []
    assert pseudonymous_key([None, None], secret=SECRET).isna().all()
