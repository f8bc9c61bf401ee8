"""Lifecycle stage (客户生命周期): where each known customer stands with the company on one day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGES = ("suspect", "prospect", "first-time", "repeat", "loyal", "inactive")


def lifecycle_stage(
    summary: pd.DataFrame,
    customers: pd.DataFrame | None = None,
    *,
    as_of: Any,
    interested: Iterable[Any] | None = None,
    loyal_from: int = 5,
    inactive_after_days: int = 180,
) -> pd.DataFrame:
    """Give each customer a lifecycle stage by stated rules.

    Parameters
    ----------
    summary : pandas.DataFrame
        Result of `crm_utils.company.purchase_summary`.
    customers : pandas.DataFrame, optional
        Table with customer_id, so that those who never bought are counted too.
    as_of : str or date
        Day of the analysis.
    interested : iterable of customer ids, optional
        Those who gave a sign of interest: wrote, called, registered, answered a campaign. Others who never bought are
        suspects. Default: signs of interest are not known, and all who never bought are prospects.
    loyal_from : int, default 5
        Purchase days from which an active customer counts as loyal; at least 2.
    inactive_after_days : int, default 180
        Days without a purchase after which a customer counts as inactive; at least 1.

    Returns
    -------
    pandas.DataFrame
        customer_id and stage, sorted by customer. The first rule that applies decides: never bought and no sign of
        interest: suspect; never bought: prospect; last purchase more than `inactive_after_days` ago: inactive; one
        purchase day: first-time; fewer than `loyal_from`: repeat; else loyal. The stage is categorical in the order
        of `STAGES`; without `interested` no rule makes a suspect, and that category is absent.

    Raises
    ------
    ParameterError
        If a rule's number is out of range, or an interested id is missing.

    Notes
    -----
    Silence is not departure: a slow buyer looks inactive before the next order comes. Buy-till-you-die models give
    the probability instead of a rule.

    Examples
    --------
    >>> summary = pd.DataFrame({"customer_id": ["a", "b"], "purchase_days": [1, 7],
    ...                         "last_purchase": pd.to_datetime(["2025-12-01", "2025-12-20"])})
    >>> lifecycle_stage(summary, as_of="2026-01-01")["stage"].tolist()
    ['first-time', 'loyal']

    Two who never bought, of whom one asked for a catalogue:

    >>> known = pd.DataFrame({"customer_id": ["c", "d"]})
    >>> lifecycle_stage(summary, known, as_of="2026-01-01", interested=["d"])["stage"].tolist()
    ['first-time', 'loyal', 'suspect', 'prospect']
    """
    problems = []
    if loyal_from < 2 or inactive_after_days < 1:
        problems.append(
            f"loyal_from must be at least 2 and inactive_after_days at least 1; they are {loyal_from} and "
            f"{inactive_after_days}"
        )
    wanted = pd.Index([]) if interested is None else pd.Index(interested)
    if missing := int(wanted.isna().sum()):
        problems.append(f"interested holds {missing:,} missing ids; remove them")
    raise_problems("lifecycle_stage", problems)
    silent_days = (pd.Timestamp(as_of) - summary["last_purchase"]).dt.days
    days = summary["purchase_days"]
    stages = np.select(
        [summary["last_purchase"].isna(), silent_days > inactive_after_days, days == 1, days < loyal_from],
        ["prospect", "inactive", "first-time", "repeat"],
        default="loyal",
    )
    result = pd.DataFrame({"customer_id": summary["customer_id"], "stage": stages})
    if customers is not None:
        silent = customers.loc[~customers["customer_id"].isin(result["customer_id"]), ["customer_id"]]
        result = pd.concat([result, silent.assign(stage="prospect")])
    if interested is not None:
        unmoved = (result["stage"] == "prospect") & ~result["customer_id"].isin(wanted)
        result["stage"] = result["stage"].mask(unmoved, "suspect")
    possible = STAGES if interested is not None else STAGES[1:]
    result["stage"] = pd.Categorical(result["stage"], categories=possible, ordered=True)
    return result.sort_values("customer_id", ignore_index=True)


def lifecycle_table(stages: pd.DataFrame) -> pd.DataFrame:
    """Count customers per stage.

    Parameters
    ----------
    stages : pandas.DataFrame
        Result of `lifecycle_stage`.

    Returns
    -------
    pandas.DataFrame
        One row a stage that the rules could give, empty ones included: stage, customers, customer_share.
    """
    counts = stages["stage"].value_counts(sort=False)
    share = counts / len(stages) if len(stages) else counts * np.nan
    return pd.DataFrame(
        {"stage": counts.index.tolist(), "customers": counts.to_numpy(), "customer_share": share.to_numpy(float)}
    )


def plot_lifecycle(stages: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw customers per stage.

    Parameters
    ----------
    stages : pandas.DataFrame
        Result of `lifecycle_stage`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table = lifecycle_table(stages)
    ax = new_axes(ax, figsize=(7.2, 2.8))
    labels = [tr(stage) for stage in table["stage"]]
    bars = ax.barh(labels, table["customers"], color=PALETTE[0])
    texts = [f"{n:,} ({share:.0%})" for n, share in zip(table["customers"], table["customer_share"], strict=True)]
    ax.bar_label(bars, texts, padding=4)
    ax.invert_yaxis()
    ax.margins(x=0.18)
    ax.grid(visible=False)
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.set_title(tr("Customers by lifecycle stage"))
    shown = "; ".join(f"{label} {text}" for label, text in zip(labels, texts, strict=True))
    return describe(ax, tr("Bars of customers per lifecycle stage: {shown}.").format(shown=shown))
