"""Pseudonyms (假名化): keys that join tables without saying who is meant, to those without the secret."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, raise_problems
from crm_utils.errors import PrivacyError

_SHORTEST_SECRET_BYTES = 16
_LARGEST_EXACT = 2**53


def pseudonymous_key(ids: pd.Series | Sequence, *, secret: bytes | str, bits: int = 128) -> pd.Series:
    """Replace ids by keys that only the holder of a secret can make again.

    Parameters
    ----------
    ids : pandas.Series or sequence
        Text or whole numbers, such as customer ids; 12 and "12" are the same id. A missing id stays missing.
    secret : bytes or str
        At least 16 bytes, best from ``secrets.token_bytes(32)``, kept outside the data, the notebook and the version
        control. Whoever has it can make the key of any id and so undo the pseudonyms; without it the keys cannot be
        made again. Use another secret for each extract that must not be joined with the others.
    bits : int, default 128
        Length of a key: a multiple of 8 from 32 to 256. Two of n ids share a key with a probability of about
        n²/2^(bits + 1); that is checked, and never passed on.

    Returns
    -------
    pandas.Series
        Keys as text of bits/4 hexadecimal digits, in the order (and with the index and name) of `ids`.

    Raises
    ------
    ParameterError
        If the secret is too short, `bits` is out of range, or ids are no text or whole numbers. The message never
        holds the secret or an id.
    PrivacyError
        If two ids share a key.

    Notes
    -----
    The key is HMAC-SHA256 [1]_, cut to its first bits. A hash without a secret is no protection: there are fewer than
    ten thousand million mobile numbers in a country, and an ordinary computer hashes them all within an hour.

    What it protects from: a reader of the table who does not have the secret cannot tell who is meant from the key.
    What it does not: the other columns may still tell (see `k_anonymity`), rows of one person stay linkable with each
    other, and the holder of the secret can reverse it by trying all known ids. Pseudonymised data is personal data
    still (GDPR art. 4(5) and recital 26; PIPL art. 73, which calls it de-identification 去标识化 and keeps it
    apart from anonymisation 匿名化).

    References
    ----------
    .. [1] Krawczyk, H., Bellare, M. & Canetti, R. (1997). HMAC: keyed-hashing for message authentication. RFC 2104.

    Examples
    --------
    >>> pseudonymous_key(["C01", "C02", "C01"], secret="correct horse battery", bits=32)
    0    c5dbd41a
    1    806df724
    2    c5dbd41a
    dtype: str
    """
    key = secret.encode() if isinstance(secret, str) else secret
    problems = []
    if not isinstance(key, bytes | bytearray):
        problems.append(f"secret must be bytes or text, and is {type(secret).__name__}")
    elif len(key) < _SHORTEST_SECRET_BYTES:
        problems.append(
            f"secret must have at least {_SHORTEST_SECRET_BYTES} bytes, and has {len(key)}; "
            "make one with secrets.token_bytes(32)"
        )
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or bits % 8 or not 32 <= bits <= 256:
        problems.append(f"bits must be a multiple of 8 from 32 to 256, and is {bits!r}")
    given = ids if isinstance(ids, pd.Series) else pd.Series(ids)
    codes, distinct = pd.factorize(given)
    texts = _texts(distinct, problems)
    raise_problems("pseudonymous_key", problems)

    digits = int(bits) // 4
    keys = np.array([hmac.digest(key, text.encode(), "sha256").hex()[:digits] for text in texts], dtype=object)
    shared = len(set(texts)) - len(set(keys))
    if shared:
        raise PrivacyError(
            f"pseudonymous_key: {shared:,} of {len(set(texts)):,} ids share a key of {bits} bits with another id, and "
            f"would be taken for one person. Use more bits; 128 are enough for any table."
        )
    made = pd.Series(np.append(keys, None)[codes], index=given.index, name=given.name)  # missing: code -1, the last
    return made.astype("str")


def _texts(distinct: pd.Index, problems: list[str]) -> list[str]:
    """Write ids as text; whole numbers that a missing value turned into floats read as whole numbers."""
    values = list(distinct)
    if pd.api.types.is_float_dtype(distinct) and all(v.is_integer() and abs(v) < _LARGEST_EXACT for v in values):
        values = [int(value) for value in values]
    wrong = np.array(
        [isinstance(v, bool | np.bool_) or not isinstance(v, str | int | np.integer) for v in values], bool
    )
    if wrong.any():
        kind = type(values[np.flatnonzero(wrong)[0]]).__name__
        problems.append(
            f"ids must be text or whole numbers, and {wrong.sum():,} distinct ones are not (the first is {kind}, "
            f"at distinct positions {first_rows(wrong)})"
        )
    return [str(value) for value in values]
