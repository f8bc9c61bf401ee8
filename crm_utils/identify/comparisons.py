"""How two records are compared: levels of agreement for each kind of field, in SQL that every backend understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from splink.internals.comparison_creator import ComparisonCreator
    from splink.internals.comparison_level_creator import ComparisonLevelCreator

_NAMES = ("given_name", "family_name", "full_name")
_PLACES = ("code", "place")


def _same(column: str) -> str:
    return f'"{column}_l" = "{column}_r"'


def _unknown(column: str) -> str:
    return f'("{column}_l" is null or "{column}_r" is null)'


def _near(column: str, edits: int, *, start: int, end: int) -> str:
    """At most `edits` slips apart. Such texts share their `start` or their `end`, which is cheap to ask first."""
    left, right = f'"{column}_l"', f'"{column}_r"'
    share = (
        f"(substr({left}, 1, {start}) = substr({right}, 1, {start}) or "
        f"substr({left}, length({left}) - {end - 1}, {end}) = substr({right}, length({right}) - {end - 1}, {end}))"
    )
    return f"({share} and levenshtein({left}, {right}) <= {edits})"


def _alike(column: str) -> str:
    """Sounds that differ in a letter or two: a quarter of the longer one at most."""
    left, right = f'"{column}_l"', f'"{column}_r"'
    return f"(levenshtein({left}, {right}) * 4 <= greatest(length({left}), length({right})))"


def _level(
    condition: str, label: str, m: float, u: float, *, frequency_of: str | None = None
) -> ComparisonLevelCreator:
    """One level; m and u are usual values, for tables too small to learn them from."""
    from splink.comparison_level_library import CustomLevel

    level = CustomLevel(condition, label_for_charts=label, base_dialect_str="duckdb")
    level.configure(m_probability=m, u_probability=u)
    if frequency_of:
        # The level's own u is the average of the frequencies that the adjustment replaces.
        level.configure(
            tf_adjustment_column=frequency_of, tf_adjustment_weight=1.0, disable_tf_exact_match_detection=True
        )
    return level


def _comparison(name: str, unknown: str, levels: list[ComparisonLevelCreator]) -> ComparisonCreator:
    from splink.comparison_level_library import CustomLevel, ElseLevel
    from splink.comparison_library import CustomComparison

    first = CustomLevel(unknown, label_for_charts="unknown", base_dialect_str="duckdb").configure(is_null_level=True)
    m, u = (sum(getattr(level, part) for level in levels) for part in ("m_probability", "u_probability"))
    last = ElseLevel().configure(label_for_charts="differs", m_probability=1 - m, u_probability=1 - u)
    return CustomComparison(output_column_name=name, comparison_levels=[first, *levels, last])


def _compare_names() -> ComparisonCreator:
    """One comparison for the whole name: its parts are written by the same hand, so they are not two proofs."""
    no_family, no_given = _unknown("family_sound"), _unknown("given_sound")
    levels = [
        _level(_same("full_name"), "same, written alike", 0.60, 0.0008, frequency_of="full_name"),
        _level(_same("full_sound"), "same sound", 0.25, 0.0008, frequency_of="full_sound"),
        _level(f"{_same('family_sound')} and {_alike('given_sound')}", "family same, given similar", 0.04, 0.002),
        _level(f"{_same('given_sound')} and {_alike('family_sound')}", "given same, family similar", 0.03, 0.001),
        _level(
            f"{_same('family_sound')} and {no_given}",
            "family same, given unknown",
            0.02,
            0.01,
            frequency_of="family_sound",
        ),
        _level(_same("family_sound"), "family same, given differs", 0.01, 0.03),
        _level(f"{_same('given_sound')} and {no_family}", "given same, family unknown", 0.01, 0.003),
        _level(_same("given_sound"), "given same, family differs", 0.02, 0.005),
    ]
    return _comparison("name", f"{no_family} and {no_given}", levels)


def _compare_date(column: str) -> ComparisonCreator:
    left, right = f'"{column}_l"', f'"{column}_r"'
    swapped = (
        f"substr({left}, 1, 4) = substr({right}, 1, 4) and substr({left}, 6, 2) = substr({right}, 9, 2) "
        f"and substr({left}, 9, 2) = substr({right}, 6, 2)"
    )
    levels = [
        _level(_same(column), "same", 0.90, 0.0005),
        _level(swapped, "day and month exchanged", 0.02, 0.0001),
        _level(_near(column, 1, start=5, end=5), "one digit differs", 0.03, 0.002),
        _level(f"substr({left}, 1, 4) = substr({right}, 1, 4)", "same year", 0.02, 0.02),
    ]
    return _comparison(column, _unknown(column), levels)


def _compare_near(column: str, *, start: int, end: int) -> ComparisonCreator:
    levels = [
        _level(_same(column), "same", 0.90, 0.0005),
        _level(_near(column, 2, start=start, end=end), "a slip apart", 0.05, 0.0005),
    ]
    return _comparison(column, _unknown(column), levels)


def _compare_exactly(column: str) -> ComparisonCreator:
    return _comparison(column, _unknown(column), [_level(_same(column), "same", 0.95, 0.30, frequency_of=column)])


def _compare_contact(phones: list[str], streets: list[str], codes: list[str], places: list[str]) -> ComparisonCreator:
    """One comparison for telephone and address.

    People of one household share both, so agreement on the two is one piece of evidence. Counted as two it would join
    husband and wife.
    """

    def any_of(conditions: list[str]) -> str:
        return "(" + " or ".join(conditions) + ")"

    def all_unknown(columns: list[str]) -> str:
        return "(" + " and ".join(_unknown(column) for column in columns) + ")"

    levels = []
    same_phone = any_of([_same(phone) for phone in phones])
    near_phone = any_of([_near(phone, 2, start=9, end=4) for phone in phones])
    same_street = any_of([_same(street) for street in streets])
    near_street = any_of([_near(street, 3, start=4, end=9) for street in streets])
    area = [*codes, *places]
    if phones and streets:
        levels += [
            _level(f"{same_phone} and {same_street}", "phone and address same", 0.50, 0.0005),
            _level(f"{same_phone} and {all_unknown(streets)}", "phone same, address unknown", 0.20, 0.0002),
            _level(same_phone, "phone same, address differs", 0.05, 0.0002),
            _level(f"{near_phone} and {same_street}", "phone a slip apart, address same", 0.03, 0.0001),
            _level(near_phone, "phone a slip apart", 0.03, 0.0001),
            _level(f"{same_street} and {all_unknown(phones)}", "address same, phone unknown", 0.05, 0.0005),
            _level(same_street, "address same, phone differs", 0.03, 0.0005),
        ]
    elif phones:
        levels += [
            _level(same_phone, "phone same", 0.80, 0.0005),
            _level(near_phone, "phone a slip apart", 0.05, 0.0002),
        ]
    elif streets:
        if area:
            same_area = any_of([_same(column) for column in area])
            levels += [
                _level(f"{same_street} and {same_area}", "address and area same", 0.60, 0.0005),
                _level(f"{near_street} and {same_area}", "address similar, area same", 0.10, 0.0002),
            ]
        levels += [
            _level(same_street, "address same", 0.05, 0.0002),
            _level(near_street, "address similar", 0.02, 0.0005),
        ]
    if codes and places:
        both = f"{any_of([_same(code) for code in codes])} and {any_of([_same(place) for place in places])}"
        levels.append(_level(both, "code and place same", 0.02, 0.01))
    levels += [_level(_same(column), f"{column} same", 0.02, 0.03) for column in area]
    return _comparison("contact", all_unknown([*phones, *streets, *area]), levels)


def comparisons_for(fields: Mapping[str, str], prepared: pd.DataFrame) -> list[ComparisonCreator]:
    """Choose the comparisons for declared fields.

    Parameters
    ----------
    fields : mapping of str to str
        Column and kind (`crm_utils.identify.KINDS`).
    prepared : pandas.DataFrame
        Records as `crm_utils.identify.normalise_records` returns them. A column without a value is not compared.

    Returns
    -------
    list of splink comparisons
        One for the name (its parts together), one for telephone and address together, one for every other field.

    Notes
    -----
    The model multiplies the evidence of its comparisons as if they were independent among records of different people
    (Fellegi & Sunter 1969, §3). Parts of a name, and what a household shares, are not; they stand in one comparison.
    """
    filled = [column for column in fields if column not in prepared.columns or prepared[column].notna().any()]
    by_kind: dict[str, list[str]] = {}
    for column in filled:
        by_kind.setdefault(fields[column], []).append(column)
    comparisons = []
    if any(kind in by_kind for kind in _NAMES) and prepared[["family_sound", "given_sound"]].notna().any(axis=None):
        comparisons.append(_compare_names())
    comparisons += [_compare_date(column) for column in by_kind.get("date", [])]
    comparisons += [_compare_near(column, start=4, end=16) for column in by_kind.get("email", [])]
    comparisons += [_compare_near(column, start=4, end=4) for column in by_kind.get("identifier", [])]
    streets = [f"{column}_street" for column in by_kind.get("address", [])]
    contact = [by_kind.get("phone", []), streets, by_kind.get("code", []), by_kind.get("place", [])]
    if any(contact):
        comparisons.append(_compare_contact(*contact))
    comparisons += [_compare_exactly(column) for column in by_kind.get("category", [])]
    return comparisons
