"""Records in one form: every declared field normalised by its kind."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.identify.addresses import normalise_address
from crm_utils.identify.contacts import check_region, normalise_email, normalise_phone
from crm_utils.identify.dates import normalise_date
from crm_utils.identify.fields import check_fields, recognise_fields
from crm_utils.identify.names import NAME_COLUMNS, normalise_names, split_full_name
from crm_utils.identify.text import on_distinct, read_text, to_simplified

NAME_KINDS = ("given_name", "family_name", "full_name")
STREET_SUFFIX = "_street"


def normalise_place(places: pd.Series) -> pd.Series:
    """Write names of places and categories in one form.

    Parameters
    ----------
    places : pandas.Series
        Cities, districts, genders and the like.

    Returns
    -------
    pandas.Series
        Of dtype ``str``: ordinary width, simplified characters, lower case, single spaces; NaN for blanks.

    Examples
    --------
    >>> normalise_place(pd.Series(["Ｂｅｉｊｉｎｇ ", "臺北", "不详"])).tolist()
    ['beijing', '台北', nan]
    """
    return to_simplified(read_text(places)).str.casefold()


def normalise_code(codes: pd.Series) -> pd.Series:
    """Write postcodes, identity numbers and other codes in one form.

    Parameters
    ----------
    codes : pandas.Series
        Codes; whole numbers read as floats lose their decimal point, but leading zeros that are lost stay lost.

    Returns
    -------
    pandas.Series
        Of dtype ``str``: letters in capitals and digits alone; NaN for blanks.

    Examples
    --------
    >>> normalise_code(pd.Series(["sw1a 1aa", "１０００-３５", 100435.0])).tolist()
    ['SW1A1AA', '100035', '100435']
    """
    texts = read_text(codes).str.upper()

    def keep(distinct: pd.Series) -> list[str | None]:
        return ["".join(filter(str.isalnum, text)) or None for text in distinct]

    return on_distinct(texts, keep)


def _names(records: pd.DataFrame, column_of: Mapping[str, str]) -> pd.DataFrame:
    if "full_name" in column_of:
        parts = split_full_name(records[column_of["full_name"]])
        return normalise_names(parts["family_name"], parts["given_name"])
    nothing = pd.Series(None, index=records.index, dtype="str")
    family, given = (
        records[column_of[kind]] if kind in column_of else nothing for kind in ("family_name", "given_name")
    )
    return normalise_names(family, given)


def _name_problems(fields: Mapping[str, str]) -> list[str]:
    """Say which declared columns have a name that the result needs for something else."""
    taken = dict.fromkeys(NAME_COLUMNS, "a part of the name") if set(NAME_KINDS) & set(fields.values()) else {}
    taken |= {
        f"{column}{STREET_SUFFIX}": f"the street of {column}" for column, kind in fields.items() if kind == "address"
    }
    return [
        f"the column {column!r} is declared as {kind}, and the result needs this name for {taken[column]}; rename it"
        for column, kind in fields.items()
        if column in taken and kind not in NAME_KINDS
    ]


def normalise_records(
    records: pd.DataFrame,
    fields: Mapping[str, str] | None = None,
    *,
    region: str = "CN",
    day_first: bool | None = None,
) -> pd.DataFrame:
    """Write the fields of records in one form, so that they can be compared.

    Parameters
    ----------
    records : pandas.DataFrame
        Records as the systems hold them.
    fields : mapping of str to str, optional
        Column and kind; the kinds are the keys of `crm_utils.identify.fields.KINDS`. Default: what `recognise_fields`
        finds.
    region : str, default "CN"
        Country of telephone numbers without a country code, by its two capital letters.
    day_first : bool, optional
        How to read dates such as ``3/4/1990`` where their column does not tell.

    Returns
    -------
    pandas.DataFrame
        Same rows and index; text columns are of dtype ``str``, and what is blank or unreadable is NaN.

        - names, however they are declared: family_name, given_name, family_sound, given_sound and name_turned, as
          `normalise_names` makes them;
        - an address: its column, and ``<column>_street`` (`normalise_address`);
        - every other declared field under its own name: `normalise_date`, `normalise_phone`, `normalise_email`,
          `normalise_place` (places and categories), `normalise_code` (codes and identifiers).

    Raises
    ------
    ParameterError
        If the fields are declared wrongly (`check_fields`), a column's name is needed for a part of the result, or the
        region is unknown.

    Examples
    --------
    >>> records = pd.DataFrame({"name": ["WANG Xiao-Ming", "王小明"], "mobile": ["+86 138 0013 8000", 13800138000]})
    >>> normalise_records(records)[["family_sound", "given_sound", "mobile"]].drop_duplicates()
      family_sound given_sound          mobile
    0         wang    xiaoming  +8613800138000
    """
    fields = recognise_fields(records) if fields is None else dict(fields)
    check_fields(records, fields)
    raise_problems("normalise_records", [*_name_problems(fields), *check_region(region)])
    column_of = {kind: column for column, kind in fields.items() if kind in NAME_KINDS}
    columns: dict[str, pd.Series] = {}
    for column, kind in fields.items():
        values = records[column]
        if kind in NAME_KINDS:
            if not set(NAME_COLUMNS) & set(columns):
                columns |= dict(_names(records, column_of).items())
        elif kind == "address":
            parts = normalise_address(values)
            columns |= {column: parts["address"], f"{column}{STREET_SUFFIX}": parts["street"]}
        elif kind == "date":
            columns[column] = normalise_date(values, day_first=day_first)
        elif kind == "phone":
            columns[column] = normalise_phone(values, region=region)
        elif kind == "email":
            columns[column] = normalise_email(values)
        elif kind in ("code", "identifier"):
            columns[column] = normalise_code(values)
        else:
            columns[column] = normalise_place(values)
    return pd.DataFrame({name: values.to_numpy() for name, values in columns.items()}, index=records.index).astype(
        {name: "str" for name in columns if name != "name_turned"}
    )
