"""The early-warning list: whom to call, why, what is at stake and what to offer (流失预警名单)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    count_problems,
    customer_problems,
    index_problems,
    missing_columns,
    raise_problems,
)
from crm_utils.churn.profit import cost_problems, expected_gain, read_probability_value, share_problems
from crm_utils.errors import DataFloorError
from crm_utils.language import formula_safe, tr

# What a reason begins a word with, and what to do about it. Plain actions, to be replaced by a company's own. A reason
# may be a high value as well as a low one: an action must fit both.
DEFAULT_ACTIONS = MappingProxyType(
    {
        "complaint": "Ask about the complaint; settle it if it is still open, and apologise",
        "waited": "Call back, apologise for the wait, and give a direct number",
        "rating": "Ask what went wrong at the last contact, and put it right",
        "satisfaction": "Ask what disappoints, and put right what can be",
        "nps": "Ask what disappoints, and put right what can be",
        "late payment": "Offer another day or way of payment",
        "fee": "Offer a plan that fits the use made of it",
        "price": "Explain what the price pays for; offer a plan that fits the use made of it",
        "discount": "Offer a benefit for members in place of a discount",
        "visit": "Invite back with an appointment",
        "app": "Show what the app can do",
        "spend": "Suggest what goes with earlier purchases",
        "amount": "Suggest what goes with earlier purchases",
        "order": "Suggest what goes with earlier purchases",
        "purchase": "Suggest what goes with earlier purchases",
        "days since": "Remind of what is there, and ask whether it is still needed",
        "silent": "Remind of what is there, and ask whether it is still needed",
        "tenure": "Ask how the membership has been, and what would help",
        "contract": "Talk about the renewal before the contract ends",
        "renewal": "Talk about the renewal before the contract ends",
    }
)
_BETWEEN = "; "
NO_REASON, OTHERWISE = "no clear reason", "Call, and ask how things are"
_COLUMNS = (
    "rank",
    "customer_id",
    "group",
    "probability",
    "value",
    "value_at_risk",
    "expected_gain",
    "reasons",
    "action",
)


def warning_list(
    customers: Any,
    *,
    probability: Any,
    value: Any,
    reasons: Any,
    contact_cost: float,
    acceptance: float,
    offer_cost: float = 0.0,
    capacity: int | None = None,
    threshold: float | None = None,
    actions: Mapping[str, str] | None = None,
    group: Any = None,
    most_reasons: int = 3,
) -> pd.DataFrame:
    """List the customers whom it pays to call, the most profitable call first.

    Parameters
    ----------
    customers : array-like, shape (n,)
        Ids of the customers, each once.
    probability : array-like of float, shape (n,)
        Calibrated probability that each leaves, 0–1.
    value : float or array-like of float, shape (n,)
        Value of the customer if she stays, in money, from 0.
    reasons : array-like of str or of sequences of str, shape (n,)
        What makes each more likely to leave, the main reason first; missing or empty where nothing stands out. A text
        may hold several, with "; " between them, as `reasons` writes them.
    contact_cost : float
        Cost f of a call.
    acceptance : float
        Share γ of the leavers called who then stay, 0–1.
    offer_cost : float, default 0
        Cost d of the offer; who would have stayed takes it too.
    capacity : int, optional
        At most so many calls.
    threshold : float, optional
        Only customers with at least this probability.
    actions : mapping of str to str, optional
        What to do by what a word of the reason begins with, small letters or capitals, an underscore for a space;
        the first reason that has a key decides, by its longest. The key "" is for all others. Default:
        `DEFAULT_ACTIONS`.
    group : array-like of str, shape (n,), optional
        Group of each, such as branch, segment or arm of a test. Default: blank.
    most_reasons : int, default 3
        At most so many reasons are written.

    Returns
    -------
    pandas.DataFrame
        One row a call: ``rank``, ``customer_id``, ``group``, ``probability``, ``value``, ``value_at_risk``
        (probability × value), ``expected_gain`` of the call (p γ (value − d) − (1 − p) d − f), ``reasons``,
        ``action``. Equal gains are in the order of the ids. ``attrs`` has ``customers`` (all), ``worth_calling``
        (before the capacity). The list is personal data.

    Raises
    ------
    ParameterError
        If arguments are out of range or of different lengths, or an id is missing or repeats: every problem.
    DataFloorError
        If there is no customer.

    Examples
    --------
    >>> calls = warning_list(["a", "b", "c"], probability=[0.5, 0.9, 0.05], value=[400, 60, 100],
    ...                      reasons=[["complaints: 2 open", "visits falling"], "visits falling", ""],
    ...                      contact_cost=2, acceptance=0.3)
    >>> calls[["rank", "customer_id", "value_at_risk", "expected_gain"]].round(1)
       rank customer_id  value_at_risk  expected_gain
    0     1           a          200.0           58.0
    1     2           b           54.0           14.2
    >>> calls["reasons"][0], calls["action"][0]
    ('complaints: 2 open; visits falling', 'Ask about the complaint; settle it if it is still open, and apologise')
    """
    where = "warning_list"
    problems = cost_problems(contact_cost=contact_cost, offer_cost=offer_cost)
    problems += share_problems("acceptance", acceptance)
    if capacity is not None:
        problems += count_problems("capacity", capacity, least=0)
    if threshold is not None:
        problems += share_problems("threshold", threshold)
    problems += count_problems("most_reasons", most_reasons, least=1)
    numbers, values = read_probability_value(problems, probability, value, "value")
    ids = pd.Series(customers).reset_index(drop=True).rename("customer_id")
    problems += customer_problems(ids.to_frame(), "customer_id", "customers")
    texts = _listed_reasons(reasons, problems)
    groups = pd.Series([""] * len(ids)) if group is None else pd.Series(group).reset_index(drop=True)
    for name, given in (("probability", numbers), ("reasons", texts), ("group", groups)):
        if len(given) != len(ids):
            problems.append(f"there are {len(ids):,} customers and {len(given):,} of {name}; give one of each")
    problems += index_problems(customers=customers, probability=probability, value=value, reasons=reasons, group=group)
    known = _read_actions(DEFAULT_ACTIONS if actions is None else actions, problems)
    raise_problems(where, problems)
    if not len(ids):
        raise DataFloorError(f"{where} needs customers; there is none.")

    gain = expected_gain(numbers, values, contact_cost=contact_cost, offer_cost=offer_cost, acceptance=acceptance)
    worth = gain > 0
    if threshold is not None:
        worth &= numbers >= threshold
    rows = np.flatnonzero(worth)
    rows = rows[np.lexsort((_id_order(ids.iloc[rows]), -gain[rows]))][:capacity]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "customer_id": ids.iloc[rows].array,
            "group": groups.iloc[rows].array,
            "probability": numbers[rows],
            "value": values[rows],
            "value_at_risk": numbers[rows] * values[rows],
            "expected_gain": gain[rows],
            "reasons": pd.Series(
                [_BETWEEN.join(texts[row][:most_reasons]) or tr(NO_REASON) for row in rows], dtype="str"
            ),
            "action": pd.Series([_action(texts[row], known) for row in rows], dtype="str"),
        }
    )
    table.attrs.update(customers=len(ids), worth_calling=int(worth.sum()))
    return table


def _listed_reasons(reasons: Any, problems: list[str]) -> list[list[str]]:
    """Reasons of each customer as a list of texts."""
    if isinstance(reasons, str) or not hasattr(reasons, "__iter__"):
        problems.append(f"reasons must be one text or list of texts a customer, and are {reasons!r}")
        return []
    if isinstance(reasons, pd.DataFrame | Mapping):
        problems.append(f"reasons must be one text or list of texts a customer, and are a {type(reasons).__name__}")
        return []
    read, bad = [], []
    for row, given in enumerate(reasons):
        several = [given] if isinstance(given, str) or not hasattr(given, "__iter__") else list(given)
        several = [text for text in several if not (np.ndim(text) == 0 and pd.isna(text))]
        if not all(isinstance(text, str) for text in several):
            bad.append(row)
        parts = [part for text in several if isinstance(text, str) for part in text.split(_BETWEEN)]
        read.append([part.strip() for part in parts if part.strip()])
    if bad:
        problems.append(
            f"reasons must be texts, and {len(bad):,} customers have others "
            f"(at positions {', '.join(map(str, bad[:3]))}{', …' if len(bad) > 3 else ''})"
        )
    return read


def _read_actions(actions: Any, problems: list[str]) -> list[tuple[re.Pattern[str] | None, str]]:
    """Patterns of reasons and their actions, the longest first, the one for all others last."""
    if not isinstance(actions, Mapping):
        problems.append(f"actions must be a mapping of reason to action, and are {type(actions).__name__}")
        return []
    if bad := [key for key, text in actions.items() if not (isinstance(key, str) and isinstance(text, str))]:
        problems.append(f"actions must map texts to texts; these do not: {', '.join(map(repr, bad[:3]))}")
        return []
    words = {_words(key): tr(text) for key, text in actions.items()}
    otherwise = words.pop("", tr(OTHERWISE))
    longest = sorted(words.items(), key=lambda item: (-len(item[0]), item[0]))
    # Chinese is written without spaces: there a key may stand anywhere.
    patterns = [(re.compile((r"\b" if key.isascii() else "") + re.escape(key)), text) for key, text in longest]
    return [*patterns, (None, otherwise)]


def _words(text: str) -> str:
    return text.replace("_", " ").strip().casefold()


def _action(reasons: list[str], actions: list[tuple[re.Pattern[str] | None, str]]) -> str:
    *named, (_, otherwise) = actions
    for reason in map(_words, reasons):
        for pattern, action in named:
            if pattern.search(reason):
                return action
    return otherwise


def _id_order(ids: pd.Series) -> np.ndarray:
    """Place of each id among them: numbers by size, all else as text."""
    if pd.api.types.is_numeric_dtype(ids):
        return ids.to_numpy()
    return pd.factorize(ids.astype("str").to_numpy(dtype=object), sort=True)[0]


def write_warning_list(table: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the list as a CSV file for a spreadsheet.

    The file is UTF-8 with a byte order mark, so that Excel shows Chinese, and no text can act as a formula. It holds
    personal data.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `warning_list`; columns may be added.
    path : str or Path
        File to write.
    overwrite : bool, default False
        Whether an existing file, which may hold notes of calls, is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        If columns are absent, the folder does not exist, or the file does.

    Examples
    --------
    >>> import tempfile
    >>> calls = warning_list(["=1+1"], probability=[0.5], value=400, reasons=["visits falling"], contact_cost=2,
    ...                      acceptance=0.25)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_warning_list(calls, Path(folder) / "calls.csv").read_text(encoding="utf-8-sig").strip())
    rank,customer_id,group,probability,value,value_at_risk,expected_gain,reasons,action
    1,'=1+1,,0.5,400.0,200.0,48.0,visits falling,Invite back with an appointment
    """
    path = Path(path)
    problems = missing_columns(table, _COLUMNS, "table")
    if not path.parent.is_dir():
        problems.append(f"the folder of {path.name} does not exist; make it first")
    elif path.exists() and not overwrite:
        problems.append(f"{path.name} exists and may hold notes; choose another name, or pass overwrite=True")
    raise_problems("write_warning_list", problems)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([formula_safe(str(column)) for column in table.columns])
        for row in table.itertuples(index=False):
            writer.writerow(["" if pd.isna(cell) else _cell(cell) for cell in row])
    return path


def _cell(cell: Any) -> Any:
    # A number below zero begins with a minus and is no formula.
    return cell if isinstance(cell, int | float | np.number) else formula_safe(str(cell))
