"""What management looks at: a balanced scorecard by quarter, and experts' judgements of the CRM capability."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crm_utils.company.simulate.calendar import AS_OF, START

RATED_CHANNELS = ("web", "store", "miniprogram", "phone")
CAPABILITIES: dict[str, dict[str, float]] = {
    "customer insight": {
        "data completeness": 0.24,
        "single customer view": 0.34,
        "segmentation in use": 0.10,
        "value measurement": 0.20,
        "churn prediction": 0.12,
    },
    "value creation and delivery": {
        "product quality": 0.30,
        "service quality": 0.22,
        "product innovation": 0.07,
        "personal offers": 0.10,
        "delivery reliability": 0.19,
        "price fairness": 0.12,
    },
    "relationship management": {
        "acquisition efficiency": 0.09,
        "cross-selling": 0.07,
        "complaint handling": 0.23,
        "retention": 0.36,
        "win-back": 0.06,
        "staff training": 0.19,
    },
}
"""The 17 indicators under their three capabilities, with the weights that the experts have in mind."""


def _default_measures() -> dict[str, tuple[str, str, float, float, float, float]]:
    return {
        "training hours per employee": ("learning and growth", "higher", 6.0, 0.30, 0.5, 0.06),
        "staff satisfaction (0-100)": ("learning and growth", "higher", 66.0, 0.25, 1.6, 0.06),
        "records joined to one customer (%)": ("learning and growth", "higher", 71.0, 0.80, 1.2, 0.06),
        "first-contact resolution (%)": ("processes", "higher", 62.0, 0.35, 1.4, 0.09),
        "on-time delivery (%)": ("processes", "higher", 88.0, 0.20, 1.3, 0.08),
        "mean days to settle a complaint": ("processes", "lower", 6.5, -0.10, 0.4, 0.08),
        "satisfaction index (0-100)": ("customer", "higher", 70.0, 0.10, 1.0, 0.12),
        "net promoter score": ("customer", "higher", 18.0, 0.40, 2.4, 0.06),
        "member retention (% a month)": ("customer", "higher", 94.6, 0.05, 0.35, 0.10),
        "repeat purchase rate (%)": ("customer", "higher", 46.0, 0.20, 1.1, 0.08),
        "margin per customer (CNY)": ("finance", "higher", 61.0, 0.50, 1.8, 0.13),
        "CRM spend per customer (CNY)": ("finance", "lower", 9.5, -0.05, 0.4, 0.08),
    }


@dataclass(frozen=True)
class ManagementPlan:
    """What the scorecard and the judgements plant.

    Parameters
    ----------
    measures : dict of str to tuple
        Measure → perspective, which direction is better, first level, trend a quarter, standard deviation of the
        quarterly noise (all in the measure's unit), weight (the weights sum to 1).
    links : tuple of tuple
        (cause, effect, lag in quarters, coefficient): a deviation of the cause from its trend moves the effect
        `lag` quarters later by `coefficient` units a unit.
    target_gap : float
        How far targets lie ahead of the trend, in standard deviations of the noise.
    experts : int
        Number of experts; the last one is careless.
    judgement_noise : float
        Standard deviation of the log of a comparison about the ratio of the true weights.
    careless_every : int
        The careless expert inverts every so many-th comparison, which breaks consistency.
    rating_noise : float
        Standard deviation of a rating about the true score, in points of the 1–5 scale.
    """

    measures: dict[str, tuple[str, str, float, float, float, float]] = field(default_factory=_default_measures)
    links: tuple[tuple[str, str, int, float], ...] = (
        ("training hours per employee", "first-contact resolution (%)", 1, 2.0),
        ("first-contact resolution (%)", "satisfaction index (0-100)", 1, 0.5),
        ("satisfaction index (0-100)", "member retention (% a month)", 1, 0.2),
        ("member retention (% a month)", "margin per customer (CNY)", 1, 3.0),
    )
    target_gap: float = 0.5
    experts: int = 7
    judgement_noise: float = 0.12
    careless_every: int = 3
    rating_noise: float = 0.6


MANAGEMENT = ManagementPlan()
"""What the demo company plants."""


def _scorecard(rng: np.random.Generator) -> pd.DataFrame:
    quarters = pd.period_range(START, AS_OF - pd.Timedelta(days=1), freq="Q")
    names = list(MANAGEMENT.measures)
    deviation = {}
    for name in names:
        spread = MANAGEMENT.measures[name][4]
        own = spread * rng.standard_normal(len(quarters))
        for cause, effect, lag, coefficient in MANAGEMENT.links:
            if effect == name:
                own[lag:] += coefficient * deviation[cause][:-lag]
        deviation[name] = own
    rows = []
    for name in names:
        perspective, better, level, trend, spread, weight = MANAGEMENT.measures[name]
        planned = level + trend * np.arange(len(quarters))
        ahead = MANAGEMENT.target_gap * spread * (1 if better == "higher" else -1)
        rows.append(
            pd.DataFrame(
                {
                    "perspective": perspective,
                    "measure": name,
                    "period": quarters.astype(str),
                    "value": (planned + deviation[name]).round(2),
                    "target": (planned + ahead).round(1),
                    "better": better,
                    "weight": weight,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _groups() -> dict[str, dict[str, float]]:
    """Everything that is compared: the capabilities, then the indicators of each."""
    return {"CRM capability": dict(zip(CAPABILITIES, (0.24, 0.47, 0.29), strict=True)), **CAPABILITIES}


def _comparisons(rng: np.random.Generator) -> pd.DataFrame:
    """Pairwise judgements on Saaty's scale, each written the way round that makes it 1 or more."""
    rows = []
    for expert in range(1, MANAGEMENT.experts + 1):
        careless = expert == MANAGEMENT.experts
        for group, weights in _groups().items():
            names, values = list(weights), np.array(list(weights.values()))
            first, second = np.triu_indices(len(names), k=1)
            log_ratio = np.log(values[first] / values[second])
            log_ratio += MANAGEMENT.judgement_noise * rng.standard_normal(first.size)
            if careless:
                # The mistake is a clear one: the strongest views are turned round first.
                order = np.argsort(-np.abs(log_ratio))[:: MANAGEMENT.careless_every]
                log_ratio[order] = -np.sign(log_ratio[order]) * np.maximum(np.abs(log_ratio[order]), np.log(3))
            scale = np.clip(np.rint(np.exp(np.abs(log_ratio))), 1, 9).astype(int)
            for i, j, ratio, value in zip(first, second, log_ratio, scale, strict=True):
                item, other = (names[i], names[j]) if ratio >= 0 else (names[j], names[i])
                rows.append((f"E{expert}", "pairwise", group, item, other, value))
    return pd.DataFrame(rows, columns=["expert", "kind", "group", "item", "other", "value"])


def _ratings(scores: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    experts = [f"E{number}" for number in range(1, MANAGEMENT.experts + 1)]
    table = pd.DataFrame({"expert": experts}).merge(scores, how="cross")
    rating = table["score"].to_numpy() + MANAGEMENT.rating_noise * rng.standard_normal(len(table))
    table["value"] = np.clip(np.rint(rating), 1, 5).astype(int)
    return table.assign(kind="rating")[["expert", "kind", "group", "item", "other", "value"]]


def simulate_management(rng: np.random.Generator) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Make twelve quarters of a balanced scorecard, and the judgements of several experts.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    tables : dict
        ``scorecard``: perspective, measure, period (2023Q1 …), value, target, better (higher/lower), weight.
        ``judgements``: expert, kind, group (what the items belong to: "CRM capability" for the capabilities
        themselves, else the capability), item, other, value. A pairwise value says how many times as important `item`
        is as `other` (1–9); a rating (1–5) grades the indicator `item` for the channel `other`.
    truth : dict
        ``scorecard_links``: cause, effect, lag_quarters, coefficient. ``capability_weights``: group, item, weight
        (within the group). ``capability_scores``: group, item, other, score (1–5, before noise and rounding).

    Examples
    --------
    >>> tables, truth = simulate_management(np.random.default_rng(7))
    >>> tables["scorecard"]["perspective"].unique().tolist()
    ['learning and growth', 'processes', 'customer', 'finance']
    >>> int(tables["judgements"].query("kind == 'pairwise' and expert == 'E1'").shape[0])
    43
    """
    links = pd.DataFrame(MANAGEMENT.links, columns=["cause", "effect", "lag_quarters", "coefficient"])
    weights = pd.DataFrame(
        [(group, item, weight) for group, items in _groups().items() for item, weight in items.items()],
        columns=["group", "item", "weight"],
    )
    indicators = weights[weights["group"] != "CRM capability"]
    scores = indicators[["group", "item"]].merge(pd.DataFrame({"other": RATED_CHANNELS}), how="cross")
    channel_level = scores["other"].map(dict(zip(RATED_CHANNELS, (3.4, 3.1, 3.8, 2.7), strict=True)))
    scores["score"] = (channel_level + 0.5 * rng.standard_normal(len(scores))).clip(1, 5).round(2)
    judgements = pd.concat([_comparisons(rng), _ratings(scores, rng)], ignore_index=True)
    return (
        {"scorecard": _scorecard(rng), "judgements": judgements},
        {"scorecard_links": links, "capability_weights": weights, "capability_scores": scores},
    )
