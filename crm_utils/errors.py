"""Errors that name where, how many, which rule, and what to do about it.

All of them are `ValueError`, so that code which knows nothing of this package can still catch them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from crm_utils.language import counted

# What a message begins with for a programmer: where it was raised.
_PLACE = re.compile(r"(?:[a-z]\w*|(?:[A-Z]\w*\.)+\w+|(?:[A-Z][a-z]+){2,}): ")
_NEEDING = re.compile(r"[a-z]+(?:_[a-z]+)+ needs ")


class CrmError(ValueError):
    """Base of every error that the package raises on purpose."""


class ParameterError(CrmError):
    """A parameter has an unknown name, the wrong type or a value outside its allowed range."""


class DataFloorError(CrmError):
    """There is too little data for the number asked for; the message says how much is needed."""


class ConvergenceError(CrmError):
    """An estimation did not converge; the message names a remedy."""


class PrivacyError(CrmError):
    """Something would be given away that must not be; the message says which rule, how many rows, what to do."""


class LeakageError(CrmError):
    """A model would be given what was not known yet; the message says which feature, since when, and what to do."""


class ItemWarning(UserWarning):
    """An item looks wrong, and the estimate goes on; the message says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """One breach of the data contract.

    Parameters
    ----------
    table : str
        Contract name of the table.
    column : str
        Contract name of the column; empty where the breach concerns the table or its file.
    rule : str
        The rule that is broken, as a sentence without a full stop.
    remedy : str
        What the owner of the data can do: a clause without a full stop, or a question.
    count : int, default 0
        Number of offending rows; 0 where rows do not apply.
    rows : tuple of str, default ()
        The first offending rows, each with its value.
    source : str, default ""
        File name, where there is one.
    """

    table: str
    column: str
    rule: str
    remedy: str
    count: int = 0
    rows: tuple[str, ...] = ()
    source: str = ""

    def __str__(self) -> str:
        """One readable paragraph: place, count, rule, examples, remedy."""
        place = f"{self.table}.{self.column}" if self.column else self.table
        if self.source:
            place += f" ({self.source})"
        rows = f"{counted(self.count, 'row')}: " if self.count else ""
        examples = f"\n    {'; '.join(self.rows)}" if self.rows else ""
        remedy = self.remedy if self.remedy.endswith("?") else f"{self.remedy}."
        return f"{place}: {rows}{self.rule}.{examples}\n    Remedy: {remedy}"


class ContractError(CrmError):
    """The tables break the data contract. Lists every problem found, not just the first.

    Parameters
    ----------
    problems : iterable of Problem
        What was found, in the order of the tables.
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        head = f"{counted(len(self.problems), 'problem')} with the data:"
        super().__init__("\n".join([head, *(f"  {i}. {p}" for i, p in enumerate(self.problems, 1))]))

    def __reduce__(self):
        return type(self), (self.problems,)


def check_parameters(*rules: tuple[str, bool]) -> None:
    """Hold a notebook's parameters to their rules, all at once.

    Parameters
    ----------
    *rules : tuple of str and bool
        What must hold, as a sentence without a full stop, and whether it does.

    Raises
    ------
    ParameterError
        If a rule does not hold: every such rule.

    Examples
    --------
    >>> bins = 1
    >>> check_parameters(("bins is a whole number from 2 to 10", 2 <= bins <= 10))
    Traceback (most recent call last):
    ...
    crm_utils.errors.ParameterError: These rules must hold, and do not: bins is a whole number from 2 to 10.
    """
    broken = [rule for rule, holds in rules if not holds]
    if broken:
        raise ParameterError(f"These rules must hold, and do not: {'; '.join(broken)}.")


def check_floor(what: str, has: int, needed: int) -> None:
    """Stop where there is too little data for a whole notebook; a report then skips it, with this reason.

    Parameters
    ----------
    what : str
        What is counted, in the plural.
    has, needed : int
        How many there are, and how many there must be.

    Raises
    ------
    DataFloorError
        If there are fewer than needed.

    Examples
    --------
    >>> check_floor("customers who bought", 12, 30)
    Traceback (most recent call last):
    ...
    crm_utils.errors.DataFloorError: Needs at least 30 customers who bought; this company has 12.
    """
    if has < needed:
        raise DataFloorError(f"Needs at least {needed:,} {what}; this company has {has:,}.")


def attempt(fit: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, str]:
    """Fit a model where the data allow it; a notebook then goes on with the reason where they do not.

    Parameters
    ----------
    fit : callable
        What to call.
    *arguments, **options
        What to call it with.

    Returns
    -------
    result : object or None
        What the call gave back; None where there is too little data, or the estimate does not converge.
    reason : str
        Why there is none, as in `reason_of`; empty where there is one.

    Examples
    --------
    >>> attempt(check_floor, "members", 12, 40)
    (None, 'Needs at least 40 members; this company has 12.')
    """
    try:
        return fit(*arguments, **options), ""
    except (DataFloorError, ConvergenceError) as error:
        return None, reason_of(error)


def reason_of(error: BaseException) -> str:
    """What an error says, for people who read a page: without the name of the function that raised it.

    Parameters
    ----------
    error : BaseException
        The error, whose own message stays as it is.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> reason_of(ConvergenceError("PathModel.fit: the weights did not settle."))
    'The weights did not settle.'
    >>> reason_of(DataFloorError("item_shares needs answers; there is none."))
    'This needs answers; there is none.'
    """
    text = _NEEDING.sub("This needs ", str(error), count=1) if _NEEDING.match(str(error)) else str(error)
    while place := _PLACE.match(text):
        text = text[place.end() :]
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    # The first word may be the name of a column.
    return text[0].upper() + text[1:] if first.isalpha() else text


def nearest_name(given: str, known: Iterable[str]) -> str | None:
    """Find the known name that a misspelt one was meant to be.

    Parameters
    ----------
    given : str
        What was written.
    known : iterable of str
        Names that would be right.

    Returns
    -------
    str or None
        The nearest, or None where nothing is near.

    Examples
    --------
    >>> nearest_name("horizn_months", ["bins", "horizon_months"])
    'horizon_months'
    """
    close = get_close_matches(str(given), list(known), n=1)
    return close[0] if close else None


def did_you_mean(given: Any, known: Iterable[Any], *, form: str = " (did you mean {!r}?)", otherwise: str = "") -> str:
    """Give the clause that offers a known name for a misspelt one.

    Parameters
    ----------
    given : object
        What was written; compared as text.
    known : iterable
        Names that would be right; compared as text.
    form : str, default " (did you mean {!r}?)"
        The clause, with a place for the name.
    otherwise : str, default ""
        What to give where no name is near.

    Returns
    -------
    str
        The clause, to be put after the complaint.

    Examples
    --------
    >>> "there is no column 'waev'" + did_you_mean("waev", ["region", "wave"])
    "there is no column 'waev' (did you mean 'wave'?)"
    >>> did_you_mean("x", ["region", "wave"], otherwise="; there are region, wave")
    '; there are region, wave'
    """
    near = nearest_name(str(given), map(str, known))
    return otherwise if near is None else form.format(near)
