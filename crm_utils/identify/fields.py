"""What kind of thing a field of a record holds: declared by the user, or recognised by its usual name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean

KINDS = {
    "given_name": "given name, in characters, pinyin or another script",
    "family_name": "family name",
    "full_name": "whole name in one field",
    "date": "a date that stays, such as the day of birth",
    "phone": "telephone number",
    "email": "e-mail address",
    "address": "street address",
    "place": "city, suburb, district",
    "code": "postcode or other code shared by many people",
    "identifier": "number that belongs to one person, such as an identity or social number",
    "category": "one of a few values, such as gender or state",
}

_USUAL_NAMES = {
    "given_name": ("given_name", "first_name", "forename", "given"),
    "family_name": ("family_name", "surname", "last_name"),
    "full_name": ("full_name", "name", "customer_name"),
    "date": ("birth_date", "date_of_birth", "dob", "birthday", "birthdate"),
    "phone": ("phone", "mobile", "telephone", "phone_number", "mobile_number"),
    "email": ("email", "e_mail", "email_address"),
    "address": ("address", "street", "street_address", "address_1"),
    "place": ("city", "suburb", "town", "district"),
    "code": ("postcode", "zip", "zip_code", "postal_code"),
    "identifier": ("id_number", "national_id", "social_number", "soc_sec_id", "ssn"),
    "category": ("gender", "sex", "state", "province"),
}
_KIND_OF = {name: kind for kind, names in _USUAL_NAMES.items() for name in names}
_ONE_ONLY = ("given_name", "family_name", "full_name")


def recognise_fields(records: pd.DataFrame) -> dict[str, str]:
    """Recognise fields by their usual names.

    Parameters
    ----------
    records : pandas.DataFrame
        Any table of records.

    Returns
    -------
    dict of str to str
        Column and kind, in the order of the columns. A column without a usual name is left out, and so is a whole
        name where its parts have columns of their own.

    Examples
    --------
    >>> recognise_fields(pd.DataFrame(columns=["record_id", "surname", "dob", "note"]))
    {'surname': 'family_name', 'dob': 'date'}
    """
    found = {column: _KIND_OF[column] for column in records.columns if column in _KIND_OF}
    if {"given_name", "family_name"} & set(found.values()):
        found = {column: kind for column, kind in found.items() if kind != "full_name"}
    return found


def _meant(given: str, known: Iterable[str]) -> str:
    return did_you_mean(given, known, otherwise=f"; there are: {', '.join(known)}")


def check_fields(records: pd.DataFrame, fields: Mapping[str, str]) -> None:
    """Raise once with everything that is wrong about the declared fields.

    Parameters
    ----------
    records : pandas.DataFrame
        Records with the declared columns.
    fields : mapping of str to str
        Column and kind; the kinds are the keys of `KINDS`.

    Raises
    ------
    ParameterError
        If nothing is declared, a column is absent, a kind is unknown, or there are two columns of a name's part.
    """
    problems = []
    if not fields:
        problems.append(
            "no field is declared, and no column has a usual name; declare them as {'column': 'kind'}, kinds: "
            + ", ".join(KINDS)
        )
    for column, kind in fields.items():
        if column not in records.columns:
            problems.append(f"the field {column!r} is not a column{_meant(column, records.columns)}")
        if kind not in KINDS:
            problems.append(f"the field {column!r} has the unknown kind {kind!r}{_meant(kind, KINDS)}")
    kinds = list(fields.values())
    problems += [
        f"{kinds.count(kind)} columns are declared as {kind}; one is possible"
        for kind in _ONE_ONLY
        if kinds.count(kind) > 1
    ]
    if "full_name" in kinds and {"given_name", "family_name"} & set(kinds):
        problems.append("a full_name and parts of a name are declared; declare one or the other")
    raise_problems("fields", problems)
