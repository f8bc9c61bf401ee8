"""Columns that a survey may have besides its constructs, known by their names: SERVQUAL and the stages of a journey."""

from __future__ import annotations

import re
from collections.abc import Iterable

EXPECTED, PERCEIVED, IMPORTANCE = "sq_exp_", "sq_per_", "sq_importance_"
STAGE, OVERALL = "journey_", "journey_overall"
_SERVQUAL_ITEM = re.compile(rf"(?:{EXPECTED}|{PERCEIVED})(.+)_(\d+)")


def servqual_pairs(names: Iterable[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Name the pairs of SERVQUAL items that a survey has, or has one half of.

    Parameters
    ----------
    names : iterable of str
        Columns of the survey; items are called ``sq_exp_<dimension>_<number>`` (what is expected) and
        ``sq_per_<dimension>_<number>`` (what was perceived).

    Returns
    -------
    dict of str to (tuple of str, tuple of str)
        Expectation items and perception items by dimension, by number; of a pair one item may not be in `names`.

    Examples
    --------
    >>> servqual_pairs(["sq_exp_empathy_1", "sq_per_empathy_1", "sq_per_empathy_mean"])
    {'empathy': (('sq_exp_empathy_1',), ('sq_per_empathy_1',))}
    """
    numbers: dict[str, set[str]] = {}
    for name in names:
        if match := _SERVQUAL_ITEM.fullmatch(str(name)):
            numbers.setdefault(match[1], set()).add(match[2])
    return {
        dimension: tuple(
            tuple(f"{side}{dimension}_{number}" for number in sorted(found, key=int)) for side in (EXPECTED, PERCEIVED)
        )
        for dimension, found in numbers.items()
    }


def importance_columns(names: Iterable[str]) -> list[str]:
    """Name the columns with the points that respondents give to the dimensions of SERVQUAL.

    Parameters
    ----------
    names : iterable of str
        Columns of the survey.

    Returns
    -------
    list of str
        Those called ``sq_importance_<dimension>`` by a dimension of which there are items.

    Examples
    --------
    >>> importance_columns(["sq_per_empathy_1", "sq_importance_empathy", "sq_importance_comment"])
    ['sq_importance_empathy']
    """
    there = list(names)
    wanted = {f"{IMPORTANCE}{dimension}" for dimension in servqual_pairs(there)}
    return [name for name in there if name in wanted]


def journey_stages(names: Iterable[str]) -> list[str]:
    """Name the columns with ratings of the stages of a journey.

    Parameters
    ----------
    names : iterable of str
        Columns of the survey.

    Returns
    -------
    list of str
        Those called ``journey_<stage>``, in their order, without ``journey_overall``; empty where that is absent, as
        the others may then be anything.

    Examples
    --------
    >>> journey_stages(["journey_order", "journey_delivery", "journey_overall", "nps"])
    ['journey_order', 'journey_delivery']
    """
    there = list(names)
    return [name for name in there if str(name).startswith(STAGE) and name != OVERALL] if OVERALL in there else []


def scale_columns(names: Iterable[str]) -> list[str]:
    """Name the columns whose answers lie on the survey's scale without being items of a construct.

    Parameters
    ----------
    names : iterable of str
        Columns of the survey.

    Returns
    -------
    list of str
        Items of SERVQUAL and ratings of a journey, in their order.

    Examples
    --------
    >>> scale_columns(["nps", "sq_per_empathy_1", "journey_order", "journey_overall"])
    ['sq_per_empathy_1', 'journey_order', 'journey_overall']
    """
    there = list(names)
    items = {item for sides in servqual_pairs(there).values() for side in sides for item in side}
    ratings = set(journey_stages(there)) | {OVERALL}
    return [name for name in there if name in items or name in ratings]
