"""Telephone numbers and e-mail addresses in one form."""

from __future__ import annotations

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.identify.text import change_some, on_distinct, read_text

# A mainland mobile number: 11 digits, the first 1, the second from 3 (numbering plan of +86, ITU-T E.164).
CHINESE_MOBILE = r"\+861[3-9]\d{9}"
_MOBILE_AS_DIALLED = r"(?:\+?86|0086)?0?1[3-9]\d{9}"

# What mail servers accept without quotation marks (RFC 5322, dot-atom; RFC 6531 lets in letters of any script).
_ATOM = r"[\w!#$%&'*/=?^`{|}~+-]+"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[^\W\d_](?:[\w-]*[^\W_])"
_LONGEST_LOCAL_PART, _LONGEST_ADDRESS = 64, 254


def check_region(region: str) -> list[str]:
    """Say what is wrong with a country code, as a list of at most one problem."""
    from phonenumbers import SUPPORTED_REGIONS

    if region in SUPPORTED_REGIONS:
        return []
    return [f"region must be a country by its two capital letters (ISO 3166-1), such as 'CN', and is {region!r}"]


def _parse_phone(text: str, region: str) -> str | None:
    import phonenumbers

    # Two numbers in one field: the first is taken.
    for part in (text, *text.replace(";", "/").replace(",", "/").replace("、", "/").split("/")[:1]):
        try:
            number = phonenumbers.parse(part, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def normalise_phone(phones: pd.Series, *, region: str = "CN") -> pd.Series:
    """Write telephone numbers in the international form.

    Parameters
    ----------
    phones : pandas.Series
        Numbers as people write them: with spaces, hyphens, brackets, +86 or 0086, in full-width digits, or read as
        floats. Of two numbers in one field the first is taken.
    region : str, default "CN"
        Country of numbers without a country code: two capital letters (ISO 3166-1).

    Returns
    -------
    pandas.Series
        E.164, such as ``+8613800138000``; NaN where no number is *possible*, that is, where the number of digits
        does not exist in its country. A possible number need not be assigned: fictional and new ranges are kept, and
        judging them is left to `quality_profile`. Extensions are dropped.

    Raises
    ------
    ParameterError
        If the region is unknown.

    References
    ----------
    ITU-T Recommendation E.164; the phonenumbers library, a port of libphonenumber.

    Examples
    --------
    >>> normalise_phone(pd.Series(["138-0013-8000", "+86 138 0013 8000", "１３８００１３８０００", "12"])).tolist()
    ['+8613800138000', '+8613800138000', '+8613800138000', nan]
    >>> normalise_phone(pd.Series(["(650) 253-0000"]), region="US").tolist()
    ['+16502530000']
    """
    raise_problems("normalise_phone", check_region(region))
    texts = read_text(phones)
    dialled = texts.str.replace(r"(?:\.0+$)|[\s().\-\u2010-\u2015]+", "", regex=True)
    mobile = dialled.str.fullmatch(_MOBILE_AS_DIALLED, na=False).to_numpy(bool)
    if region != "CN":
        mobile = mobile & dialled.str.startswith(("+86", "0086"), na=False).to_numpy(bool)
    written = texts.notna().to_numpy(bool)
    digits = change_some(dialled, mobile, lambda some: "+86" + some.str.slice(-11))
    return change_some(
        digits,
        written & ~mobile,
        lambda _: on_distinct(
            texts[written & ~mobile].str.replace(r"\.0+$", "", regex=True).str.replace("转", " ext. "),
            lambda distinct: [_parse_phone(text, region) for text in distinct],
        ),
    )


def normalise_email(emails: pd.Series) -> pd.Series:
    """Write e-mail addresses in one form.

    Parameters
    ----------
    emails : pandas.Series
        Addresses as people write them; ``mailto:`` and a name before an address in angle brackets are read past.

    Returns
    -------
    pandas.Series
        In lower case and ordinary width, without the tag that follows a plus sign (``ann+shop@`` is ``ann@``); NaN for
        what is not an address. Dots stay: whether they matter is up to the provider.

    References
    ----------
    RFC 5321 (lengths), RFC 5322 (dot-atom), RFC 5233 (the tag, or subaddress), RFC 6531 (letters of any script).

    Examples
    --------
    >>> normalise_email(pd.Series(["Ann.Li+Shop@Example.COM ", "Ann <ann@example.com>", "ann at example"])).tolist()
    ['ann.li@example.com', 'ann@example.com', nan]
    """
    texts = read_text(emails).str.lower().str.rstrip(".,;")
    wrapped = texts.str.contains(r"[<:\s]", regex=True, na=False).to_numpy(bool)
    texts = change_some(
        texts,
        wrapped,
        lambda some: (
            some.str.replace(r"^.*<(.*)>.*$", r"\1", regex=True)
            .str.replace(r"^\s*mailto:", "", regex=True)
            .str.replace(r"\s*([@.])\s*", r"\1", regex=True)
        ),
    )
    fits = (texts.str.find("@") <= _LONGEST_LOCAL_PART) & (texts.str.len() <= _LONGEST_ADDRESS)
    texts = texts.where(texts.str.fullmatch(_ADDRESS, na=False) & fits)
    tagged = texts.str.contains("+", regex=False, na=False).to_numpy(bool)
    return change_some(texts, tagged, lambda some: some.str.replace(r"^([^+@]+)\+[^@]*@", r"\1@", regex=True))
