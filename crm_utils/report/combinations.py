"""The points of a sweep: which values, typed and checked, and what the folder of each combination is called."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.report.notebooks import Notebook
from crm_utils.report.parameters import parse_value, split_list, suggestion

MOST_COMBINATIONS = 1000
_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 80


def swept_values(sweep: Mapping[str, Sequence[Any] | str], notebooks: Sequence[Notebook]) -> dict[str, list[Any]]:
    """Check the values of a sweep against what the notebooks declare.

    Parameters
    ----------
    sweep : mapping of str to sequence or str
        Values by parameter; a text is split as `crm_utils.report.parameters.split_list` does.
    notebooks : sequence of Notebook
        What will run.

    Returns
    -------
    dict of str to list
        Values, typed as the first notebook that has the parameter declares.

    Raises
    ------
    ParameterError
        With every name that no notebook has (and the nearest that one has) and every value that does not fit.
    """
    declared: dict[str, list[Any]] = {}
    for notebook in notebooks:
        for parameter in notebook.parameters:
            declared.setdefault(parameter.name, []).append(parameter)
    values: dict[str, list[Any]] = {}
    problems: dict[str, None] = {}
    for name, given in sweep.items():
        if name not in declared:
            hint = suggestion(name, declared) or f" Known: {', '.join(sorted(declared))}."
            problems[f"no parameter {name!r} in any of the chosen notebooks.{hint}"] = None
            continue
        try:
            items = split_list(given) if isinstance(given, str) else list(given)
        except ValueError:
            problems[f"{name}: {given!r} is not a list; write a,b,c or [a, b, c]."] = None
            continue
        if not items:
            problems[f"{name} needs at least one value."] = None
        values[name] = []
        for item in items:
            try:
                typed, *_ = [parse_value(parameter, item) for parameter in declared[name]]
            except ParameterError as error:
                problems[f"{error}."] = None
                continue
            if typed in values[name]:
                problems[f"{name}: {item!r} is there twice."] = None
            values[name].append(typed)
    count = math.prod(map(len, values.values()))
    if not problems and count > MOST_COMBINATIONS:
        problems[f"{count:,} combinations are more than {MOST_COMBINATIONS:,}."] = None
    if problems:
        raise ParameterError("\n".join(f"sweep: {problem}" for problem in problems))
    return values


def combination_names(combinations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name the folders of combinations: readable, safe on every file system, and each once.

    Parameters
    ----------
    combinations : iterable of mapping
        Values by parameter.

    Returns
    -------
    list of str
        One name a combination.

    Examples
    --------
    >>> combination_names([{"region": "East", "bins": 5}, {"region": "a/b", "bins": 5}, {"region": "a:b", "bins": 5}])
    ['region=East,bins=5', 'region=a-b,bins=5', 'region=a-b,bins=5,2']
    """
    taken: set[str] = set()
    names = []
    for values in combinations:
        parts = (f"{name}={_UNSAFE.sub('-', value_text(value)).strip('-.')}" for name, value in values.items())
        base = ",".join(parts)[:_LONGEST_NAME].rstrip("-.")
        name, number = base, 2
        while name.casefold() in taken:  # some file systems do not tell East from east
            name, number = f"{base},{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def value_text(value: Any) -> str:
    """Write a swept value for people and file names."""
    return "+".join(map(value_text, value)) if isinstance(value, list) else str(value)
