"""Answers to a survey, made ready: reversed items turned round, the scale held, gaps counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, is_number, missing_columns, raise_problems
from crm_utils.company import Company
from crm_utils.errors import DataFloorError

_WHERE = "survey_answers"


def survey_answers(company: Company) -> pd.DataFrame:
    """Take the survey of a company with its reversed items turned round.

    Parameters
    ----------
    company : Company
        Has the table ``survey``; scale, constructs and reversed items are those of its ``company.yml``.

    Returns
    -------
    pandas.DataFrame
        The table, one row an answered questionnaire. Items are floats, NaN where there is no answer; an answer to a
        reversed item is lowest + highest − answer. Other columns are as they were.

    Raises
    ------
    ParameterError
        If answers lie outside the scale: which items, how many, the first rows.

    Examples
    --------
    >>> from crm_utils.company import load_company
    >>> company = load_company()
    >>> answers = survey_answers(company)
    >>> bool((answers["loyalty_3"] + company.survey["loyalty_3"]).dropna().eq(11).all())
    True
    """
    settings = company.survey_settings
    answers = company.survey.copy()
    low, high = settings.scale
    items = [item for names in settings.constructs.values() for item in names]
    raise_problems(_WHERE, missing_columns(answers, items, "survey"))
    answers[items] = answers[items].astype(float)
    raise_problems(_WHERE, scale_problems(answers, items, settings.scale))
    for item in settings.reversed:
        answers[item] = low + high - answers[item]
    return answers


def scale_problems(answers: pd.DataFrame, items: Sequence[str], scale: tuple[float, float]) -> list[str]:
    """Say what is wrong with a scale, or which items have answers outside of it.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns.
    items : sequence of str
        Items to look at.
    scale : tuple of float
        Lowest and highest answer.

    Returns
    -------
    list of str
        One sentence without full stop a problem.
    """
    if len(tuple(scale)) != 2 or not all(map(is_number, scale)) or scale[0] >= scale[1]:
        return [f"scale must be the lowest and the highest answer, such as (1, 10), and is {scale!r}"]
    problems = []
    for item in items:
        values = answers[item].to_numpy(dtype=float, na_value=np.nan)
        outside = (values < scale[0]) | (values > scale[1])
        if outside.any():
            problems.append(
                f"the item {item} has {int(outside.sum()):,} answers outside the scale {scale[0]:g} to {scale[1]:g} "
                f"(rows {first_rows(outside, answers.index)}: {values[outside][0]:g}); correct them, code them as "
                "missing, or state the right scale"
            )
    return problems


def usable_constructs(
    answers: pd.DataFrame, constructs: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Leave out items that nobody answered or everybody answered alike, and say so.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns.
    constructs : mapping of str to sequence of str
        Items by construct.

    Returns
    -------
    constructs : dict of str to tuple of str
        The items that are left, by construct; a construct without any is left out.
    reasons : tuple of str
        One sentence for each item left out.

    Examples
    --------
    >>> answers = pd.DataFrame({"v1": [3.0, 5.0, 4.0], "v2": [7.0, 7.0, 7.0]})
    >>> usable_constructs(answers, {"value": ["v1", "v2"]})
    ({'value': ('v1',)}, ('The item v2 of value is 7 in every answer and is left out: it tells nothing.',))
    """
    raise_problems(
        "usable_constructs", missing_columns(answers, [i for items in constructs.values() for i in items], "answers")
    )
    kept: dict[str, tuple[str, ...]] = {}
    reasons = []
    for construct, items in constructs.items():
        left = []
        for item in items:
            given = answers[item].dropna()
            if not len(given):
                reasons.append(f"The item {item} of {construct} has no answer and is left out.")
            elif given.min() == given.max():
                reasons.append(
                    f"The item {item} of {construct} is {given.iloc[0]:g} in every answer and is left out: it tells "
                    "nothing."
                )
            else:
                left.append(item)
        if left:
            kept[construct] = tuple(left)
    return kept, tuple(reasons)


def missing_answers_table(answers: pd.DataFrame, constructs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Count unanswered questions.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns.
    constructs : mapping of str to sequence of str
        Items by construct.

    Returns
    -------
    pandas.DataFrame
        One row an item: ``construct``, ``item``, ``answers``, ``missing_share``.
    """
    items = [(construct, item) for construct, names in constructs.items() for item in names]
    raise_problems("missing_answers_table", missing_columns(answers, [item for _, item in items], "answers"))
    table = pd.DataFrame(items, columns=["construct", "item"])
    table["answers"] = [int(answers[item].notna().sum()) for item in table["item"]]
    table["missing_share"] = 1 - table["answers"] / max(len(answers), 1)
    return table


def suspected_reversals(
    answers: pd.DataFrame, constructs: Mapping[str, Sequence[str]], *, level: float = 0.95
) -> pd.DataFrame:
    """Find items that run against the rest of their construct.

    Parameters
    ----------
    answers : pandas.DataFrame
        Answers, reversed items already turned round.
    constructs : mapping of str to sequence of str
        Items by construct; constructs with one item are not looked at.
    level : float, default 0.95
        Confidence level of the interval (Fisher's z).

    Returns
    -------
    pandas.DataFrame
        One row an item: ``construct``, ``item``, ``correlation`` with the mean of the construct's other items,
        ``low``, ``high``, ``suspected`` (the whole interval is below zero). With two items both are suspected.

    Raises
    ------
    DataFloorError
        If fewer than ten people answered an item and another one of its construct.
    """
    from scipy.stats import norm

    rows = []
    for construct, items in constructs.items():
        for item in items if len(items) > 1 else ():
            rest = answers[[other for other in items if other != item]].mean(axis=1)
            both = pd.DataFrame({"item": answers[item], "rest": rest}).dropna()
            if len(both) < 10:
                raise DataFloorError(
                    f"Needs at least 10 answers to {item} and the rest of {construct}; has {len(both)}."
                )
            correlation = both["item"].corr(both["rest"])
            reach = norm.ppf((1 + level) / 2) / np.sqrt(len(both) - 3)
            low, high = np.tanh(np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12)) + np.array([-reach, reach]))
            rows.append((construct, item, correlation, low, high, high < 0))
    return pd.DataFrame(rows, columns=["construct", "item", "correlation", "low", "high", "suspected"])
