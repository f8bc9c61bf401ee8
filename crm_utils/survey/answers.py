"""Answers to a survey, made ready: reversed items turned round, the scale held, gaps counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, is_number, level_problems, missing_columns, raise_problems
from crm_utils.company import Company
from crm_utils.company.settings import SurveySettings
from crm_utils.intervals import person_codes
from crm_utils.language import counted, tr
from crm_utils.survey.waves import wave_order

_WHERE = "survey_answers"
# A correlation of fewer answers than this says nothing about an item.
_FEWEST_ANSWERS = 10


def survey_answers(survey: Company | pd.DataFrame, settings: SurveySettings | None = None) -> pd.DataFrame:
    """Take the answers of a survey with the reversed items turned round.

    Parameters
    ----------
    survey : Company or pandas.DataFrame
        A company with the table ``survey``, or such a table, with the items as columns.
    settings : SurveySettings, optional
        Scale, constructs and reversed items, needed with a table alone. Default: those of the company.

    Returns
    -------
    pandas.DataFrame
        The table, one row an answered questionnaire. Items are floats, NaN where there is no answer; an answer to a
        reversed item is lowest + highest − answer. ``wave`` is a categorical in the order of time (`wave_order`).
        Other columns are as they were.

    Raises
    ------
    ParameterError
        If items are absent or not numeric, answers lie outside the scale (which items, how many, the first rows), or
        a table comes without settings.
    ContractError
        The same, where the table is a company's.

    Examples
    --------
    >>> from crm_utils.company.settings import SurveySettings
    >>> answers = pd.DataFrame({"v1": [8, 2, None], "v2": [3, 9, 10]})
    >>> settings = SurveySettings(scale=(0, 10), constructs={"value": ("v1", "v2")}, reversed=("v2",))
    >>> survey_answers(answers, settings)["v2"].tolist()
    [7.0, 1.0, 0.0]
    """
    if isinstance(survey, pd.DataFrame):
        if settings is None:
            raise_problems(_WHERE, ["a table needs settings: SurveySettings(scale=…, constructs=…, reversed=…)"])
        answers = survey.copy()
    else:
        answers, settings = survey.survey.copy(), settings or survey.survey_settings
    items = [item for _, item in _listed(answers, settings.constructs, _WHERE)]
    problems = [
        f"reversed names {item}, which is no item of a construct" for item in settings.reversed if item not in items
    ]
    for item in items:
        try:
            answers[item] = answers[item].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            problems.append(f"the item {item} must be numeric, and is {answers[item].dtype}; convert it first")
    raise_problems(_WHERE, problems)
    raise_problems(_WHERE, scale_problems(answers, items, settings.scale))
    low, high = settings.scale
    for item in settings.reversed:
        answers[item] = low + high - answers[item]
    if waves := wave_order(answers):
        answers["wave"] = pd.Categorical(answers["wave"], waves, ordered=True)
    return answers


def survey_design(answers: pd.DataFrame, *, weight_col: str = "weight", customer_col: str = "customer_id") -> dict:
    """Find how a survey was drawn: survey weights, and who answered more than once.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey.
    weight_col : str, default "weight"
        Column of survey weights.
    customer_col : str, default "customer_id"
        Column of customers.

    Returns
    -------
    dict of str to pandas.Series or None
        ``weights`` and ``clusters``, as estimates of this room and path models take them. No weights where there is no
        such column; no clusters where nobody answered twice, so that answers are independent. Whoever has no customer
        number counts as a person of her own.

    Examples
    --------
    >>> design = survey_design(pd.DataFrame({"customer_id": ["C1", "C2", "C1", None], "v1": [3, 5, 4, 2]}))
    >>> design["weights"], design["clusters"].tolist()
    (None, [0, 1, 0, 2])
    """
    weights = answers.get(weight_col)
    if customer_col not in answers or not answers[customer_col].dropna().duplicated().any():
        return {"weights": weights, "clusters": None}
    people = pd.Series(person_codes(answers[customer_col]), answers.index, name=customer_col)
    return {"weights": weights, "clusters": people}


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
    pair = scale if isinstance(scale, Sequence | np.ndarray) and not isinstance(scale, str) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or pair[0] >= pair[1]:
        return [f"scale must be the lowest and the highest answer, such as (1, 10), and is {scale!r}"]
    problems = []
    for item in items:
        values = answers[item].to_numpy(dtype=float, na_value=np.nan)
        outside = (values < scale[0]) | (values > scale[1])
        if outside.any():
            problems.append(
                f"the item {item} has {counted(int(outside.sum()), 'answer')} outside the scale {scale[0]:g} to "
                f"{scale[1]:g} (rows {first_rows(outside, answers.index)}: {values[outside][0]:g}); correct them, code "
                "them as missing, or state the right scale"
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
    _listed(answers, constructs, "usable_constructs")
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
        One row an item: ``construct``, ``item``, ``answers``, ``missing_share``. The last row counts the
        questionnaires in which every item is answered.

    Examples
    --------
    >>> answers = pd.DataFrame({"v1": [3.0, 5.0, None, 4.0], "v2": [7.0, None, 6.0, 8.0]})
    >>> missing_answers_table(answers, {"value": ["v1", "v2"]})["missing_share"].tolist()
    [0.25, 0.25, 0.5]
    """
    items = _listed(answers, constructs, "missing_answers_table")
    given = answers[[item for _, item in items]].notna()
    table = pd.DataFrame([*items, (tr("all"), tr("every item"))], columns=["construct", "item"])
    table["answers"] = [*given.sum().astype(int), int(given.all(axis=1).sum())]
    table["missing_share"] = 1 - table["answers"] / len(answers) if len(answers) else np.nan
    return table


def suspected_reversals(
    answers: pd.DataFrame, constructs: Mapping[str, Sequence[str]], *, level: float = 0.95
) -> pd.DataFrame:
    """Find items that run against the rest of their construct.

    Parameters
    ----------
    answers : pandas.DataFrame
        Answers, declared reversed items already turned round.
    constructs : mapping of str to sequence of str
        Items by construct; constructs with one item are not looked at.
    level : float, default 0.95
        Confidence level of the interval (Fisher's z).

    Returns
    -------
    pandas.DataFrame
        One row an item: ``construct``, ``item``, ``correlation`` with the mean of the construct's other items,
        ``low``, ``high``, ``suspected`` (the whole interval is below zero). The most suspect item is found first and
        left out of the others' rest, then the next. Of two items, both are suspected. NaN for an item without
        variation, or with fewer than ten people who answered it and another one of its construct.

    Raises
    ------
    ParameterError
        If an item is not in the table, or the level out of range.

    References
    ----------
    .. [1] Fisher, R. A. (1921). On the "probable error" of a coefficient of correlation deduced from a small sample.
       Metron 1, 3–32.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(size=(100, 1)) + rng.normal(size=(100, 3))
    >>> answers = pd.DataFrame(value * [1, 1, -1], columns=["v1", "v2", "v3"])
    >>> suspected_reversals(answers, {"value": ["v1", "v2", "v3"]})["suspected"].tolist()
    [False, False, True]
    """
    raise_problems("suspected_reversals", level_problems(level))
    _listed(answers, constructs, "suspected_reversals")
    rows = []
    for construct, items in constructs.items():
        if len(items) < 2:
            continue
        suspects = _suspects(answers, items, level)
        for item in items:
            others = [other for other in items if other != item]
            trusted = [other for other in others if other not in suspects] or others
            rows.append((construct, item, *_with_rest(answers, item, trusted, level), item in suspects))
    return pd.DataFrame(rows, columns=["construct", "item", "correlation", "low", "high", "suspected"])


def _suspects(answers: pd.DataFrame, items: Sequence[str], level: float) -> set[str]:
    """Items against the rest, the worst first: one that is turned spoils the rest for all others."""
    left = list(items)
    while len(left) > 1:
        found = {item: _with_rest(answers, item, [other for other in left if other != item], level) for item in left}
        against = [item for item in left if found[item][2] < 0]
        if not against:
            break
        if len(left) == 2:
            left = []
        else:
            left.remove(min(against, key=lambda item: found[item][0]))
    return set(items) - set(left)


def _with_rest(answers: pd.DataFrame, item: str, others: Sequence[str], level: float) -> tuple[float, float, float]:
    """Correlation of an item with the mean of others, and its interval."""
    from scipy.stats import norm

    rest = answers[list(others)].mean(axis=1)
    both = pd.DataFrame({"item": answers[item], "rest": rest}).dropna().astype(float)
    if len(both) < _FEWEST_ANSWERS or (both.max() == both.min()).any():
        return np.nan, np.nan, np.nan
    correlation = both["item"].corr(both["rest"])
    # Short of ±1, where Fisher's z is endless.
    centre = np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))
    reach = norm.ppf((1 + level) / 2) / np.sqrt(len(both) - 3)
    return correlation, np.tanh(centre - reach), np.tanh(centre + reach)


def _listed(answers: pd.DataFrame, constructs: Mapping[str, Sequence[str]], where: str) -> list[tuple[str, str]]:
    """Construct and item of every item, all of which must be columns."""
    items = [(construct, item) for construct, names in constructs.items() for item in names]
    raise_problems(where, missing_columns(answers, [item for _, item in items], "answers"))
    return items
