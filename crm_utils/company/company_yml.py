"""Read ``company.yml`` value by value: what has the wrong kind is a problem with a place, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from crm_utils.errors import ContractError, Problem, did_you_mean

FILE_NAME = "company.yml"


def nearest(word: str, known: tuple[str, ...] | list[str]) -> str:
    """Suggest a known name for a misspelt one.

    Parameters
    ----------
    word : str
        What was written.
    known : sequence of str
        Names that would be right.

    Returns
    -------
    str
        ``"did you mean 'x'?"`` or, where nothing is near, ``"use one of …"``.

    Examples
    --------
    >>> nearest("curency", ("name", "currency"))
    "did you mean 'currency'?"
    """
    return did_you_mean(word, known, form="did you mean {!r}?", otherwise=f"use one of {', '.join(map(str, known))}")


def parse_as_of(value: Any) -> pd.Timestamp | None:
    """Read a day of analysis.

    Parameters
    ----------
    value : str, datetime.date, pandas.Timestamp or None
        ISO date as text (YYYY-MM-DD), or a date; of a timestamp, its day. None, NaT or an empty text: no choice.

    Returns
    -------
    pandas.Timestamp or None
        Midnight of the day.

    Raises
    ------
    ContractError
        If it is not a date.

    Examples
    --------
    >>> parse_as_of("2026-01-01")
    Timestamp('2026-01-01 00:00:00')
    """
    if value is None or value is pd.NaT or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, str):
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
                raise ValueError("not an ISO date")
        elif not (hasattr(value, "year") or isinstance(value, np.datetime64)):
            raise ValueError("not a date at all")
        return pd.Timestamp(value).tz_localize(None).normalize()
    except (ValueError, TypeError) as error:
        problem = Problem("company", "as_of", f"{value!r} is not a date", "write it as YYYY-MM-DD, such as 2026-01-01")
        raise ContractError([problem]) from error


class _Loader(yaml.SafeLoader):
    """YAML that leaves dates as they are written and refuses a key that occurs twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YmlReader:
    """Give the values of a ``company.yml`` in the kind that is asked for, and collect what has another.

    Parameters
    ----------
    folder : pathlib.Path
        The company's folder.

    Attributes
    ----------
    problems : list of Problem
        Everything that is wrong so far.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.problems: list[Problem] = []

    def problem(self, place: str, rule: str, remedy: str, column: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(place, column, rule, remedy, source=FILE_NAME))

    def content(self) -> Mapping[str, Any]:
        """Read the file; empty where there is none."""
        path = self.folder / FILE_NAME
        if not path.is_file():
            for other in self.folder.iterdir():
                if other.name.lower() in (FILE_NAME, "company.yaml"):
                    self.problem("company", f"the settings are called {other.name}", f"rename the file to {FILE_NAME}")
            return {}
        try:
            return self.mapping("company", yaml.load(path.read_text(encoding="utf-8-sig"), _Loader))
        except (yaml.YAMLError, ValueError) as error:
            rule = f"the file cannot be read as YAML in UTF-8 ({' '.join(str(error).split())})"
            self.problem("company", rule, "correct the line named here")
            return {}

    def unknown_keys(self, place: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        """Note the keys that are no settings."""
        for key in given:
            if key not in known:
                self.problem(place, f"{key!r} is not a setting", nearest(key, known))

    def mapping(self, place: str, value: Any) -> Mapping[str, Any]:
        """Give pairs; empty for nothing."""
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.problem(place, f"{value!r} is not a list of 'key: value' pairs", "indent the pairs below the key")
        return {}

    def text(self, place: str, key: str, value: Any, default: str = "") -> str:
        """Give one text; a number means its digits."""
        if value is None:
            return default
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        self.problem(
            place, f"{key} is {value!r}, which is no text", f"write one text after {key}:, in quotes if need be"
        )
        return default

    def texts(self, place: str, key: str, value: Any) -> tuple[str, ...]:
        """Give one text or several."""
        if value is None:
            return ()
        if isinstance(value, Mapping):
            self.problem(
                place, f"{key} is {value!r}, which is no list of texts", f"write a list, such as {key}: [a, b]"
            )
            return ()
        values = value if isinstance(value, list) else [value]
        return tuple(text for text in (self.text(place, key, item) for item in values) if text)

    def numbers(self, place: str, key: str, value: Any, default: tuple[float, float]) -> tuple[float, float]:
        """Give two numbers, the smaller first."""
        if value is None:
            return default
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(end, (int, float)) and not isinstance(end, bool) and np.isfinite(end) for end in value)
            and value[0] < value[1]
        ):
            return value[0], value[1]
        self.problem(place, f"{key} is {value!r}", "give the lowest and the highest answer, such as [1, 10]")
        return default
