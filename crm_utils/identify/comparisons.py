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
    condition: str, label: str, *, frequency_of: str | None = None, null: bool = False
) -> ComparisonLevelCreator:
    from splink.comparison_level_library import CustomLevel

    level = CustomLevel(condition, label_for_charts=label, base_dialect_str="duckdb")
    if null:
        level.configure(is_null_level=True)
    if frequency_of:
        # The level's own u is the average of the frequencies that the adjustment replaces.
        level.configure(
            tf_adjustment_column=frequency_of, tf_adjustment_weight=1.0, disable_tf_exact_match_detection=True
        )
    return level


def _comparison(name: str, levels: list[ComparisonLevelCreator]) -> ComparisonCreator:
    from splink.comparison_level_library import ElseLevel
    from splink.comparison_library import CustomComparison

    last = ElseLevel().configure(label_for_charts="differs")
    return CustomComparison(output_column_name=name, comparison_levels=[*levels, last])


def _compare_names() -> ComparisonCreator:
    """One comparison for the whole name: its parts are written by the same hand, so they are not two proofs."""
    no_given = _unknown("given_sound")
    levels = [
        _level(f"{_unknown('family_sound')} and {no_given}", "unknown", null=True),
        _level(_same("full_name"), "same, written alike", frequency_of="full_name"),
        _level(_same("full_sound"), "same sound", frequency_of="full_sound"),
        _level(f"{_same('family_sound')} and {_alike('given_sound')}", "family same, given similar"),
        _level(f"{_same('given_sound')} and {_alike('family_sound')}", "given same, family similar"),
        _level(f"{_same('family_sound')} and {no_given}", "family same, given unknown", frequency_of="family_sound"),
        _level(_same("family_sound"), "family same, given differs"),
        _level(f"{_same('given_sound')} and {_unknown('family_sound')}", "given same, family unknown"),
        _level(_same("given_sound"), "given same, family differs"),
    ]
    return _comparison("name", levels)


def _compare_date(column: str) -> ComparisonCreator:
    left, right = f'"{column}_l"', f'"{column}_r"'
    swapped = (
        f"substr({left}, 1, 4) = substr({right}, 1, 4) and substr({left}, 6, 2) = substr({right}, 9, 2) "
        f"and substr({left}, 9, 2) = substr({right}, 6, 2)"
    )
    levels = [
        _level(_unknown(column), "unknown", null=True),
        _level(_same(column), "same"),
        _level(swapped, "day and month exchanged"),
        _level(_near(column, 1, start=5, end=5), "one digit differs"),
        _level(f"substr({left}, 1, 4) = substr({right}, 1, 4)", "same year"),
    ]
    return _comparison(column, levels)


def _compare_near(column: str, *, start: int, end: int) -> ComparisonCreator:
    levels = [
        _level(_unknown(column), "unknown", null=True),
        _level(_same(column), "same"),
        _level(_near(column, 2, start=start, end=end), "a slip apart"),
    ]
    return _comparison(column, levels)


def _compare_exactly(column: str) -> ComparisonCreator:
    levels = [
        _level(_unknown(column), "unknown", null=True),
        _level(_same(column), "same", frequency_of=column),
    ]
    return _comparison(column, levels)


def _compare_contact(phones: list[str], streets: list[str], codes: list[str], places: list[str]) -> ComparisonCreator:
    """One comparison for telephone and address.

    People of one household share both, so agreement on the two is one piece of evidence. Counted as two it would join
    husband and wife.
    """

    def any_of(conditions: list[str]) -> str:
        return "(" + " or ".join(conditions) + ")"

    def all_unknown(columns: list[str]) -> str:
        return "(" + " and ".join(_unknown(column) for column in columns) + ")"

    everything = [*phones, *streets, *codes, *places]
    levels = [_level(all_unknown(everything), "unknown", null=True)]
    same_phone, near_phone = (any_of([_same(p) for p in phones]), any_of([_near(p, 2, start=9, end=4) for p in phones]))
    same_street = any_of([_same(s) for s in streets])
    near_street = any_of([_near(s, 3, start=4, end=9) for s in streets])
    if phones and streets:
        levels += [
            _level(f"{same_phone} and {same_street}", "phone and address same"),
            _level(f"{same_phone} and {all_unknown(streets)}", "phone same, address unknown"),
            _level(same_phone, "phone same, address differs"),
            _level(f"{near_phone} and {same_street}", "phone a slip apart, address same"),
            _level(near_phone, "phone a slip apart"),
            _level(f"{same_street} and {all_unknown(phones)}", "address same, phone unknown"),
            _level(same_street, "address same, phone differs"),
        ]
    elif phones:
        levels += [_level(same_phone, "phone same"), _level(near_phone, "phone a slip apart")]
    elif streets:
        area = [*codes, *places]
        if area:
            same_area = any_of([_same(column) for column in area])
            levels += [
                _level(f"{same_street} and {same_area}", "address and area same"),
                _level(f"{near_street} and {same_area}", "address similar, area same"),
            ]
        levels += [_level(same_street, "address same"), _level(near_street, "address similar")]
    if codes and places:
        both = f"{any_of([_same(c) for c in codes])} and {any_of([_same(p) for p in places])}"
        levels.append(_level(both, "code and place same"))
    levels += [_level(any_of([_same(column)]), f"{column} same") for column in [*codes, *places]]
    return _comparison("contact", levels)


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
