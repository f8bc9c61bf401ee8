"""Kinds of loyalty by cause: what customers say keeps them, from monopoly to supreme value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, missing_columns, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean, share_interval
from crm_utils.language import tr
from crm_utils.loyalty.composite import weights_in
from crm_utils.loyalty.measures import people_of
from crm_utils.plotting import describe, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LoyaltyCause(NamedTuple):
    """One cause of loyalty: names, what keeps the customer, and what ends it."""

    name: str
    chinese: str
    meaning: str
    ends_when: str


LOYALTY_CAUSES = (
    LoyaltyCause("monopoly", "垄断忠诚", "there is nobody else to buy from", "a rival opens"),
    LoyaltyCause("inertia", "惰性忠诚", "looking elsewhere is trouble", "something breaks the habit"),
    LoyaltyCause("latent", "潜在忠诚", "likes it, and is kept from buying more", "the liking fades meanwhile"),
    LoyaltyCause("convenience", "方便忠诚", "it is close at hand", "something else is closer"),
    LoyaltyCause("price", "价格忠诚", "it is cheapest", "someone is cheaper"),
    LoyaltyCause("incentive", "激励忠诚", "points and gifts", "the programme ends, or another gives more"),
    LoyaltyCause("supreme value", "超值忠诚", "it is worth more than it costs", "the value falls"),
)  # fmt: skip
"""The seven causes in fixed order; ``pandas.DataFrame(LOYALTY_CAUSES)`` is the table."""

REASON_CAUSES = {
    "no alternative": "monopoly",
    "habit": "inertia",
    "liking": "latent",
    "convenience": "convenience",
    "price": "price",
    "rewards": "incentive",
    "best value": "supreme value",
}
"""Cause by answer to the question for the main reason, as the demo's survey puts it."""

OTHER = "other"


def kinds_by_cause(
    survey: pd.DataFrame,
    *,
    reason_col: str = "main_reason",
    causes: Mapping[str, str] | None = None,
    weights_col: str | None = None,
    customer_col: str = "customer_id",
    level: float = 0.95,
) -> pd.DataFrame:
    """Share of answers by what keeps customers, from the main reason they state.

    Parameters
    ----------
    survey : pandas.DataFrame
        One row a questionnaire.
    reason_col : str, default "main_reason"
        Column of the reason; missing where there is no answer.
    causes : mapping of str to str, optional
        Cause by reason, each one of `LOYALTY_CAUSES`. Default: `REASON_CAUSES`. A reason that it does not name counts
        as ``other``.
    weights_col : str, optional
        Column of survey weights; a missing weight is 0.
    customer_col : str, default "customer_id"
        Column of customers; answers of one customer, as in several waves, count as one unit.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        The seven causes, those that nobody named too, and ``other`` where there are such answers: ``cause``,
        ``chinese``, ``meaning``, ``ends_when``, ``reasons`` (the answers that count), ``answers``, ``share``
        (weighted), ``low``, ``high`` (Wilson's, for as many independent answers as have the same error).
        ``attrs["missing"]`` counts questionnaires without an answer.

    Raises
    ------
    ParameterError
        If columns are absent, a cause is unknown, or the level is out of range.
    DataFloorError
        If nobody states a reason.

    Examples
    --------
    >>> survey = pd.DataFrame({"main_reason": ["habit", "price", "habit", "parking", None]})
    >>> kinds_by_cause(survey).query("answers > 0")[["cause", "reasons", "answers", "share"]]
         cause  reasons  answers  share
    1  inertia    habit        2   0.50
    4    price    price        1   0.25
    7    other  parking        1   0.25
    """
    where = "kinds_by_cause"
    causes = dict(REASON_CAUSES if causes is None else causes)
    known = [cause.name for cause in LOYALTY_CAUSES]
    problems = level_problems(level) + missing_columns(survey, [reason_col], "the survey")
    if unknown := sorted({str(cause) for cause in causes.values() if cause not in known}):
        problems.append(f"causes name {', '.join(unknown)}; a cause is one of {', '.join(known)}")
    mass = weights_in(survey, weights_col, problems)
    raise_problems(where, problems)

    reasons = survey[reason_col].astype(object)
    said = (reasons.notna() & (mass > 0)).to_numpy()
    if not said.any():
        raise DataFloorError(f"{where} needs answers to {reason_col}; there is none.")
    found = np.where(said, reasons.map(causes).astype(object).fillna(OTHER), None)
    people = people_of(survey, customer_col)
    rows = []
    for cause in (*LOYALTY_CAUSES, LoyaltyCause(OTHER, "其他", "a reason without a cause here", "")):
        members = said & (found == cause.name)
        if cause.name == OTHER and not members.any():
            continue
        inside = np.where(said, members.astype(float), np.nan)
        share = sample_mean(inside, weights=mass, clusters=people)
        low, high = share_interval(inside, share, mass, level=level)
        given = sorted(map(str, reasons[members].unique())) or [
            str(reason) for reason, name in causes.items() if name == cause.name
        ]
        rows.append(
            {
                "cause": cause.name,
                "chinese": cause.chinese,
                "meaning": tr(cause.meaning),
                "ends_when": tr(cause.ends_when),
                "reasons": ", ".join(given),
                "answers": int(members.sum()),
                "share": share.estimate,
                "low": low,
                "high": high,
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["missing"] = int((~said).sum())
    return table


def plot_kinds_by_cause(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of each cause with its interval, the greatest on top; the result of `kinds_by_cause` is the table.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `kinds_by_cause`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import PercentFormatter

    shown = table.sort_values("share", ascending=False, kind="stable")
    ax = new_axes(ax)
    names = [f"{tr(name)} ({count:,})" for name, count in zip(shown["cause"], shown["answers"], strict=True)]
    draw_intervals(ax, names, shown["share"], shown["low"], shown["high"], template="{:.0%}")
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlabel=tr("Share of answers"), title=tr("What keeps customers, by their main reason"))
    first, last = shown.iloc[0], shown.iloc[-1]
    return describe(
        ax,
        tr("Points with intervals by cause of loyalty: from {high:.0%} ({first}) to {low:.0%} ({last}).").format(
            high=first["share"], first=tr(first["cause"]), low=last["share"], last=tr(last["cause"])
        ),
    )
