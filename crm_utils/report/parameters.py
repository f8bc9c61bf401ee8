"""Parameters of a notebook: read without running anything, parsed and checked before any kernel starts."""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from crm_utils.errors import ParameterError, did_you_mean

_SCALARS = ("str", "int", "float", "bool")
_EXPECTED = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_FLAGS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_INT = re.compile(r"[+-]?\d+(_\d+)*")


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell.

    Parameters
    ----------
    name : str
        Name of the variable.
    type : str
        ``"str"``, ``"int"``, ``"float"``, ``"bool"``, or ``"list[…]"`` of one of these.
    default : str, int, float, bool or list
        Value in the authored notebook.
    help : str
        Meaning and unit: the comment at the end of the line.
    """

    name: str
    type: str
    default: Any
    help: str = ""

    @property
    def expected(self) -> str:
        """The type in words, for messages."""
        if self.type.startswith("list["):
            return f"a list of {self.type[5:-1]} values"
        return f"{_EXPECTED[self.type]} ({self.type})"


def suggestion(given: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name in a sentence, as the end of a message.

    Parameters
    ----------
    given : str
        Name that is not known.
    known : iterable of str
        Names that are.

    Returns
    -------
    str
        ``" Did you mean 'x'?"``, or the empty string when nothing is near.

    Examples
    --------
    >>> suggestion("horizn_months", ["bins", "horizon_months"])
    " Did you mean 'horizon_months'?"
    """
    return did_you_mean(given, known, form=" Did you mean {!r}?")


def _comments(source: str) -> dict[int, str]:
    """Comment by line number, for comments that follow code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip()
    }


def _declared_type(annotation: ast.expr) -> str | None:
    if isinstance(annotation, ast.Name) and annotation.id in _SCALARS:
        return annotation.id
    if (
        isinstance(annotation, ast.Subscript)
        and isinstance(annotation.value, ast.Name)
        and annotation.value.id == "list"
        and isinstance(annotation.slice, ast.Name)
        and annotation.slice.id in _SCALARS
    ):
        return f"list[{annotation.slice.id}]"
    return None


def read_parameters(source: str) -> tuple[Parameter, ...]:
    """Read the parameters cell of a notebook, without running it.

    Parameters
    ----------
    source : str
        Source of the cell: lines such as ``bins: int = 5  # score bins per measure (2 to 10)``.

    Returns
    -------
    tuple of Parameter
        In the order of the cell.

    Raises
    ------
    ParameterError
        If a line is anything but an annotated literal of an allowed type; all such lines are named at once.

    Examples
    --------
    >>> read_parameters("bins: int = 5  # score bins per measure (2 to 10)")
    (Parameter(name='bins', type='int', default=5, help='score bins per measure (2 to 10)'),)
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"parameters cell, line {error.lineno}: {error.msg}.") from error
    comments = _comments(source)
    parameters: list[Parameter] = []
    problems: list[str] = []
    for statement in statements:
        place = f"parameters cell, line {statement.lineno}"
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
            problems.append(f"{place}: only annotated literals such as 'bins: int = 5  # help' are allowed")
            continue
        name = statement.target.id
        declared = _declared_type(statement.annotation)
        if declared is None:
            problems.append(f"{place}: the type of {name!r} must be str, int, float, bool or list[…] of one of these")
            continue
        try:
            default = ast.literal_eval(statement.value)
        except ValueError:
            problems.append(f"{place}: the value of {name!r} must be a literal, as nothing here is run")
            continue
        parameter = Parameter(name, declared, default, comments.get(statement.end_lineno or 0, ""))
        try:
            parameter = Parameter(name, declared, _typed(default, declared), parameter.help)
        except ValueError:
            problems.append(f"{place}: {name!r} must be {parameter.expected}, not {default!r}")
            continue
        if any(name == known.name for known in parameters):
            problems.append(f"{place}: {name!r} is there twice")
            continue
        parameters.append(parameter)
    if problems:
        raise ParameterError("; ".join(problems) + ".")
    return tuple(parameters)


def _typed(value: Any, declared: str) -> Any:
    """Check a Python value against a type; raises ValueError."""
    if declared.startswith("list["):
        if not isinstance(value, list | tuple):
            raise ValueError
        return [_typed(item, declared[5:-1]) for item in value]
    if declared == "str":
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, date):  # YAML reads an unquoted ISO date as a date
            return value.isoformat()
        if isinstance(value, str):
            return value
    elif declared == "bool":
        if isinstance(value, bool):
            return value
    elif not isinstance(value, bool):
        if declared == "int" and isinstance(value, int):
            return value
        if declared == "float" and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    raise ValueError


def _from_text(text: str, declared: str) -> Any:
    """Parse text as a type; raises ValueError."""
    if declared == "str":
        return text
    bare = text.strip()
    if declared == "bool":
        if bare.lower() not in _FLAGS:
            raise ValueError
        return _FLAGS[bare.lower()]
    if declared == "int":
        if not _INT.fullmatch(bare):
            raise ValueError
        return int(bare)
    if declared == "float":
        return _typed(float(bare), "float")
    return [_from_text(item, declared[5:-1]) for item in split_list(bare)]


def split_list(text: str) -> list[str]:
    """Split a list as a command line writes it: ``a,b``, or ``[a, "b, c"]`` where items hold commas or spaces.

    Parameters
    ----------
    text : str
        The list.

    Returns
    -------
    list of str
        Its items.

    Raises
    ------
    ValueError
        If it begins with a bracket and is no list of texts.

    Examples
    --------
    >>> split_list("East, West"), split_list('["a, b", no]')
    (['East', 'West'], ['a, b', 'no'])
    """
    if not text.startswith("["):
        return [item.strip() for item in text.split(",")] if text else []
    import yaml

    try:
        # BaseLoader leaves every scalar a text, so that "no" and "2025-01-01" in a list of texts stay what they are.
        items = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError from error
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return items


def parse_value(parameter: Parameter, given: Any) -> Any:
    """Turn a given value into the type that the notebook declares.

    Parameters
    ----------
    parameter : Parameter
        Declared parameter.
    given : object
        Text (as from a command line) or a Python value (as from a program or a YAML file). A text for a ``str``
        parameter is taken exactly as it is; lists are written ``a,b`` or ``[a, b]``.

    Returns
    -------
    str, int, float, bool or list
        The value.

    Raises
    ------
    ParameterError
        If the value does not have the declared type.

    Examples
    --------
    >>> parse_value(Parameter("bins", "int", 5), "7")
    7
    >>> parse_value(Parameter("regions", "list[str]", []), "East, West")
    ['East', 'West']
    >>> parse_value(Parameter("bins", "int", 5), "five")
    Traceback (most recent call last):
    ...
    crm_utils.errors.ParameterError: bins must be a whole number (int), not the text 'five'
    """
    try:
        if isinstance(given, str):
            return _from_text(given, parameter.type)
        return _typed(given, parameter.type)
    except (ValueError, OverflowError):
        kind = "the text" if isinstance(given, str) else f"the {type(given).__name__}"
        shown = repr(given) if len(repr(given)) <= 80 else f"{repr(given)[:77]}…"
        message = f"{parameter.name} must be {parameter.expected}, not {kind} {shown}"
    raise ParameterError(message)


def check_values(
    declared: Mapping[str, tuple[Parameter, ...]],
    common: Mapping[str, Any],
    per_notebook: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Check given values against the parameters of every chosen notebook.

    Parameters
    ----------
    declared : mapping of str to tuple of Parameter
        Parameters by notebook name.
    common : mapping of str to object
        Values for every notebook that has the parameter; each must exist in at least one.
    per_notebook : mapping of str to mapping, optional
        Values by notebook name; they override `common`.

    Returns
    -------
    dict of str to dict
        Every parameter of every notebook with its value, defaults included.

    Raises
    ------
    ParameterError
        With every problem of every notebook: unknown names with the nearest known one, wrong types.

    Examples
    --------
    >>> check_values({"03_value": read_parameters("bins: int = 5")}, {"bins": "7"})
    {'03_value': {'bins': 7}}
    """
    per_notebook = per_notebook or {}
    known = {name: [parameter.name for parameter in parameters] for name, parameters in declared.items()}
    everywhere = sorted({name for names in known.values() for name in names})
    problems: dict[str, None] = {}  # an ordered set: the same mistake in three notebooks is said once

    def unknown(name: str, names: list[str], where: str) -> None:
        hint = suggestion(name, names)
        listing = "" if hint else f" Known: {', '.join(names) or 'none'}."
        problems[f"no parameter {name!r} in {where}.{hint}{listing}"] = None

    for name in common:
        if name not in everywhere:
            only = next(iter(declared)) if len(declared) == 1 else "any of the chosen notebooks"
            unknown(name, everywhere, only)
    values: dict[str, dict[str, Any]] = {}
    for notebook, parameters in declared.items():
        own = per_notebook.get(notebook, {})
        for name in own:
            if name not in known[notebook]:
                unknown(name, known[notebook], notebook)
        values[notebook] = {}
        for parameter in parameters:
            given = own.get(parameter.name, common.get(parameter.name, parameter.default))
            try:
                values[notebook][parameter.name] = parse_value(parameter, given)
            except ParameterError as error:
                where = "" if parameter.name in common and parameter.name not in own else f"{notebook}: "
                problems[f"{where}{error}."] = None
    if problems:
        n = len(problems)
        head = f"{n} problem{'s' if n != 1 else ''} with the parameters:"
        raise ParameterError("\n".join([head, *(f"  {i}. {problem}" for i, problem in enumerate(problems, 1))]))
    return values
