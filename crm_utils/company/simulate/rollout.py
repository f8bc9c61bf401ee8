"""The mini-program rolled out branch by branch, with an effect that grows with time since launch."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from crm_utils.company.simulate.calendar import AS_OF, START


@dataclass(frozen=True)
class RolloutPlan:
    """What the rollout plants.

    Parameters
    ----------
    launches : dict of str to float
        Launch month (ISO date) → share of branches; the rest never launch.
    effect_at_launch : dict of str to float
        Outcome → effect in the launch month, in the outcome's unit.
    effect_per_month : dict of str to float
        Outcome → how much the effect grows with each month since launch.
    growth_months : int
        Months after which the effect grows no more.
    level : dict of str to float
        Outcome → mean over branches before any launch.
    branch_spread, month_spread, noise : dict of str to float
        Outcome → standard deviation of branch effects, of month effects, and of the noise of a branch and month.
    noise_persistence : float
        Month-to-month correlation of the noise within a branch: months of one branch are no independent evidence.
    early_advantage : float
        How many branch standard deviations the earliest launched branches stand above the latest. Levels differ,
        trends do not.

    Notes
    -----
    Units: `sharing_rate` is a share of visitors, 0–1; `phone_calls` and `new_members` are counts a month. Without a
    launch all branches move in parallel, so that differences in differences identify the effect; because the effect
    grows, two-way fixed effects do not.
    """

    launches: dict[str, float] = field(
        default_factory=lambda: {"2024-02-01": 0.2, "2024-07-01": 0.2, "2024-12-01": 0.2, "2025-05-01": 0.2}
    )
    effect_at_launch: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.020, "phone_calls": -6.0, "new_members": 2.0}
    )
    effect_per_month: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.004, "phone_calls": -1.5, "new_members": 0.8}
    )
    growth_months: int = 12
    level: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.12, "phone_calls": 140.0, "new_members": 42.0}
    )
    branch_spread: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.02, "phone_calls": 20.0, "new_members": 7.0}
    )
    month_spread: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.006, "phone_calls": 8.0, "new_members": 3.0}
    )
    noise: dict[str, float] = field(
        default_factory=lambda: {"sharing_rate": 0.008, "phone_calls": 7.0, "new_members": 3.5}
    )
    noise_persistence: float = 0.4
    early_advantage: float = 1.0


ROLLOUT = RolloutPlan()
"""What the demo company plants."""


def planted_effect(outcome: str, months_since_launch: np.ndarray) -> np.ndarray:
    """Effect of the mini-program on a branch.

    Parameters
    ----------
    outcome : {"sharing_rate", "phone_calls", "new_members"}
    months_since_launch : ndarray of int
        0 in the launch month, negative before.

    Returns
    -------
    ndarray of float, in the outcome's unit.

    Examples
    --------
    >>> planted_effect("phone_calls", np.array([-1, 0, 2, 40])).tolist()
    [0.0, -6.0, -9.0, -24.0]
    """
    grown = np.clip(months_since_launch, 0, ROLLOUT.growth_months)
    effect = ROLLOUT.effect_at_launch[outcome] + ROLLOUT.effect_per_month[outcome] * grown
    return np.where(months_since_launch >= 0, effect, 0.0)


def simulate_rollout(
    branches: pd.DataFrame, rng: np.random.Generator
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Launch the mini-program in some branches and follow all of them month by month.

    Parameters
    ----------
    branches : DataFrame
        branch_id; one row a branch.
    rng : numpy.random.Generator

    Returns
    -------
    tables : dict
        ``rollout``, sorted by branch and month: branch_id, month, launched_month (blank for never), sharing_rate (of
        visitors, 0–1), phone_calls and new_members (a month).
    truth : dict
        ``rollout``: branch_id, month and `effect_<outcome>` of the mini-program on each outcome there and then.

    Examples
    --------
    >>> tables, truth = simulate_rollout(pd.DataFrame({"branch_id": ["B1", "B2"]}), np.random.default_rng(7))
    >>> tables["rollout"].shape
    (72, 6)
    """
    n, months = len(branches), (AS_OF.year - START.year) * 12
    dates = (np.datetime64(START, "M") + np.arange(months)).astype("datetime64[s]")
    launch_dates = np.array(list(ROLLOUT.launches), dtype="datetime64[M]").astype("datetime64[s]")
    bounds = np.rint(np.cumsum([0.0, *ROLLOUT.launches.values()]) * n).astype(int)
    cohort = np.full(n, len(launch_dates))
    lot = rng.permutation(n)
    for number, (low, high) in enumerate(pairwise(bounds)):
        cohort[lot[low:high]] = number
    launched = np.append(launch_dates, np.datetime64("NaT", "s"))[cohort]
    launch_month = np.append((launch_dates.astype("datetime64[M]") - np.datetime64(START, "M")).astype(int), 10**6)[
        cohort
    ]
    since = np.arange(months)[None, :] - launch_month[:, None]

    head_start = ROLLOUT.early_advantage * (0.5 - cohort / len(launch_dates))
    keep = ROLLOUT.noise_persistence
    rollout = pd.DataFrame(
        {
            "branch_id": np.repeat(branches["branch_id"].to_numpy(), months),
            "month": np.tile(dates, n),
            "launched_month": np.repeat(launched, months),
        }
    )
    truth = rollout[["branch_id", "month"]].copy()
    for outcome, level in ROLLOUT.level.items():
        branch = ROLLOUT.branch_spread[outcome] * (head_start + rng.standard_normal(n))
        month = ROLLOUT.month_spread[outcome] * rng.standard_normal(months)
        noise = rng.standard_normal((n, months))
        for t in range(1, months):
            noise[:, t] = keep * noise[:, t - 1] + np.sqrt(1 - keep**2) * noise[:, t]
        effect = planted_effect(outcome, since)
        value = level + branch[:, None] + month[None, :] + effect + ROLLOUT.noise[outcome] * noise
        if outcome == "sharing_rate":
            rollout[outcome] = np.clip(value, 0, 1).round(4).ravel()
        else:
            rollout[outcome] = np.maximum(np.rint(value), 0).astype(int).ravel()
        truth[f"effect_{outcome}"] = effect.round(4).ravel()
    order = np.lexsort((rollout["month"], rollout["branch_id"]))
    return (
        {"rollout": rollout.iloc[order].reset_index(drop=True)},
        {"rollout": truth.iloc[order].reset_index(drop=True)},
    )
