"""The half-yearly customer survey: answers that the latent people give, and who gives none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from crm_utils.company.simulate._draws import (
    block_ids,
    draw_category,
    moment,
    probabilities_with_mean,
    to_microseconds,
    whole_numbers,
)
from crm_utils.company.simulate.latents import LATENTS, draw_latents, shift_latents

AGE_GROUPS = ("under 30", "30 to 44", "45 to 59", "60 and over")
DIMENSIONS = ("reliability", "assurance", "tangibles", "empathy", "responsiveness")
# Stage of a purchase → the construct behind its rating, and its mean before rounding and clipping.
JOURNEY_STAGES = {
    "browse": ("image", 7.4),
    "order": ("service_quality", 7.2),
    "delivery": ("service_quality", 6.4),
    "unpack": ("product_quality", 7.6),
    "aftercare": ("service_quality", 6.8),
}
BUYING_REASONS = ("best value", "habit", "convenience", "price", "rewards", "no alternative", "liking")


@dataclass(frozen=True)
class SurveyPlan:
    """What the survey plants.

    Parameters
    ----------
    waves : dict of str to str
        Wave → ISO date on which it was in the field.
    answers_per_person : float
        Answers aimed at in a wave, as a share of all people (a wave cannot get more than `highest_response_share` of
        those who are customers by then).
    highest_response_share : float
        Upper limit of the response rate of a wave, 0–1.
    customer_months : int
        A person counts as a customer until this many months after the last purchase activity.
    response_by_age, response_by_channel : dict of str to float
        Log-odds of answering, by age group and home channel.
    image_by_age : dict of str to float
        Shift of the image score by age group, in latent standard deviations; it runs down the paths. With
        `response_by_age` it makes unweighted means wrong and weighted means right.
    image_age_variance : float
        Variance of that shift over the population; the personal part of image is shrunk so that the sum keeps
        variance 1.
    persistence : float
        Share of the variance of every latent score that stays with the person from wave to wave, 0–1.
    event_wave, event_region : str
        Where and when service broke down.
    event_service_quality : float
        Shift of service quality there and then, in latent standard deviations; it runs down the paths.
    loadings : dict of str to tuple of float
        Construct → standardised loading of each of its items, before rounding to whole points.
    item_means : dict of str to float
        Construct → mean answer on the 1–10 scale before rounding and clipping.
    item_spread : float
        Standard deviation of an answer before rounding and clipping, points.
    reversed_items : tuple of str
        Items worded against their construct: a high answer means little of it.
    servqual_loading : float
        Standardised loading of both items of a SERVQUAL dimension, expectation and perception side.
    servqual_on_latent : float
        Correlation of a dimension with service quality (perception) or expectation (expectation).
    servqual_expectation, servqual_perception : dict of str to float
        Mean answer per RATER dimension before rounding and clipping; the difference is the planted gap.
    servqual_importance : dict of str to float
        Mean share of the 100 importance points per dimension.
    nps_satisfaction, nps_loyalty : float
        Weights of the latent scores in the willingness to recommend, in its standard deviations.
    nps_mean, nps_spread : float
        Mean and standard deviation of the recommendation before rounding and clipping to 0–10.
    journey_mean, journey_peak, journey_end : float
        Weights of the mean, the most intense and the last stage rating in the rating of the whole journey.
    problem_share : float
        Share of customers who had a problem in the half-year, where no tickets are given.
    problem_satisfaction : float
        Log-odds of a problem per unit of latent satisfaction.
    iceberg_share : float
        Share of customers with a problem who complain about it.
    missing_log_odds : float
        Log-odds of leaving an item blank, below 60 and halfway through the questionnaire.
    missing_oldest : float
        Extra log-odds of leaving an item blank at 60 and over.
    """

    waves: dict[str, str] = field(
        default_factory=lambda: {
            f"{year}H{half}": f"{year}-{month}-15"
            for year in (2023, 2024, 2025)
            for half, month in ((1, "06"), (2, "12"))
        }
    )
    answers_per_person: float = 0.31
    highest_response_share: float = 0.85
    customer_months: int = 12
    response_by_age: dict[str, float] = field(
        default_factory=lambda: dict(zip(AGE_GROUPS, (-0.9, -0.2, 0.4, 0.9), strict=True))
    )
    response_by_channel: dict[str, float] = field(
        default_factory=lambda: {"web": 0.0, "store": -0.5, "miniprogram": 0.4, "phone": 0.2}
    )
    image_by_age: dict[str, float] = field(
        default_factory=lambda: dict(zip(AGE_GROUPS, (-0.5, -0.1, 0.25, 0.6), strict=True))
    )
    image_age_variance: float = 0.12
    persistence: float = 0.80
    event_wave: str = "2024H2"
    event_region: str = "South"
    event_service_quality: float = -1.2
    loadings: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "image": (0.80, 0.75, 0.70),
            "expectation": (0.75, 0.75, 0.65),
            "product_quality": (0.85, 0.80, 0.75),
            "service_quality": (0.85, 0.80, 0.75),
            "value": (0.85, 0.80, 0.75),
            "satisfaction": (0.90, 0.85, 0.80),
            "complaints": (0.80, 0.75),
            "loyalty": (0.85, 0.80, 0.75),
            "switching_cost": (0.80, 0.75, 0.70),
        }
    )
    item_means: dict[str, float] = field(
        default_factory=lambda: {
            "image": 7.2,
            "expectation": 7.4,
            "product_quality": 7.3,
            "service_quality": 6.9,
            "value": 6.6,
            "satisfaction": 7.1,
            "complaints": 3.8,
            "loyalty": 6.5,
            "switching_cost": 5.2,
        }
    )
    item_spread: float = 1.6
    reversed_items: tuple[str, ...] = ("complaints_2", "loyalty_3")
    servqual_loading: float = 0.85
    servqual_on_latent: float = 0.70
    servqual_expectation: dict[str, float] = field(
        default_factory=lambda: dict(zip(DIMENSIONS, (8.3, 8.0, 7.2, 7.5, 8.2), strict=True))
    )
    servqual_perception: dict[str, float] = field(
        default_factory=lambda: dict(zip(DIMENSIONS, (7.2, 7.5, 7.3, 6.9, 6.6), strict=True))
    )
    servqual_importance: dict[str, float] = field(
        default_factory=lambda: dict(zip(DIMENSIONS, (0.32, 0.19, 0.11, 0.16, 0.22), strict=True))
    )
    nps_satisfaction: float = 0.45
    nps_loyalty: float = 0.35
    nps_mean: float = 7.6
    nps_spread: float = 2.1
    journey_mean: float = 0.15
    journey_peak: float = 0.50
    journey_end: float = 0.35
    problem_share: float = 0.20
    problem_satisfaction: float = -0.5
    iceberg_share: float = 0.25
    missing_log_odds: float = -3.65
    missing_oldest: float = 0.6


SURVEY = SurveyPlan()
"""What the demo company plants."""

SURVEY_SETTINGS: dict = {
    "scale": [1, 10],
    "constructs": {
        construct: [f"{construct}_{number}" for number in range(1, len(loadings) + 1)]
        for construct, loadings in SURVEY.loadings.items()
    },
    "reversed": list(SURVEY.reversed_items),
}
"""The survey block of the demo's ``company.yml``."""


def age_groups(birth_date: pd.Series, at: pd.Timestamp) -> np.ndarray:
    """Age group of each person on a day, one of `AGE_GROUPS`.

    Parameters
    ----------
    birth_date : Series of datetime
    at : Timestamp

    Returns
    -------
    ndarray of str

    Examples
    --------
    >>> age_groups(pd.Series(pd.to_datetime(["2000-01-01", "1960-01-01"])), pd.Timestamp("2024-06-15"))
    array(['under 30', '60 and over'], dtype=object)
    """
    years = (at - pd.to_datetime(birth_date)).dt.days.to_numpy() / 365.25
    return np.array(AGE_GROUPS, dtype=object)[np.searchsorted([30, 45, 60], years, side="right")]


def _by_group(values: dict[str, float], groups: np.ndarray) -> np.ndarray:
    return pd.Series(groups).map(values).fillna(0.0).to_numpy(dtype=float)


def _points(scores: np.ndarray, *, mean: float, spread: float, low: int = 1, high: int = 10) -> np.ndarray:
    """Whole points on the answering scale."""
    return np.clip(np.rint(mean + spread * scores), low, high)


def expected_points(score: float, *, mean: float, spread: float, low: int = 1, high: int = 10) -> float:
    """Mean answer of people whose scores are normal around `score` with variance 1, after rounding and clipping.

    Parameters
    ----------
    score : float
        Mean of the standardised scores behind the answer: an item's loading times the people's mean latent score.
    mean, spread : float
        Mean and standard deviation of the answer before rounding and clipping, as in `SurveyPlan`.
    low, high : int, default 1 and 10
        Ends of the answering scale.

    Returns
    -------
    float
        Points on the scale.

    Examples
    --------
    >>> expected_points(0.0, mean=5.5, spread=1.6)
    5.5
    >>> round(expected_points(0.0, mean=9.5, spread=1.6), 3)
    9.091
    """
    below = (np.arange(low, high) + 0.5 - mean - spread * score) / spread
    return float(high - ndtr(below).sum())


def _latents_of_wave(
    customers: pd.DataFrame, ages: np.ndarray, wave: str, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Latent scores in a wave, and whether the person was hit by the event.

    The person's lasting part and the wave's own part obey the same equations, and so does their sum.
    """
    strong = customers["strong_competition"].to_numpy(dtype=bool)
    passing = draw_latents(len(customers), rng, strong_competition=strong)
    now = customers[[*LATENTS.constructs, "strong_competition"]].reset_index(drop=True)
    for construct in LATENTS.constructs:
        now[construct] = (
            np.sqrt(SURVEY.persistence) * now[construct] + np.sqrt(1 - SURVEY.persistence) * passing[construct]
        )
    by_age = _by_group(SURVEY.image_by_age, ages)
    shrunk = (np.sqrt(1 - SURVEY.image_age_variance) - 1) * now["image"].to_numpy()
    hit = (customers["region"].to_numpy() == SURVEY.event_region) & (wave == SURVEY.event_wave)
    changes = {"image": by_age + shrunk, "service_quality": SURVEY.event_service_quality * hit}
    return shift_latents(now, changes), hit


def _items(latents: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    answers = {}
    for construct, items in SURVEY_SETTINGS["constructs"].items():
        for item, loading in zip(items, SURVEY.loadings[construct], strict=True):
            noise = rng.standard_normal(len(latents))
            score = loading * latents[construct].to_numpy() + np.sqrt(1 - loading**2) * noise
            points = _points(score, mean=SURVEY.item_means[construct], spread=SURVEY.item_spread)
            answers[item] = 11 - points if item in SURVEY.reversed_items else points
    return answers


def _servqual(latents: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    sides = {
        "exp": ("expectation", SURVEY.servqual_expectation),
        "per": ("service_quality", SURVEY.servqual_perception),
    }
    answers, loading, shared = {}, SURVEY.servqual_loading, SURVEY.servqual_on_latent
    for side, (construct, means) in sides.items():
        for dimension, mean in means.items():
            own = rng.standard_normal(len(latents))
            level = shared * latents[construct].to_numpy() + np.sqrt(1 - shared**2) * own
            for number in (1, 2):
                score = loading * level + np.sqrt(1 - loading**2) * rng.standard_normal(len(latents))
                answers[f"sq_{side}_{dimension}_{number}"] = _points(score, mean=mean, spread=1.5)
    return answers


def _importance(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Hundred points shared out in steps of five."""
    shares = rng.dirichlet(20 * np.array(list(SURVEY.servqual_importance.values())), size=n)
    points = 5 * rng.multinomial(20, shares)
    return {f"sq_importance_{dimension}": points[:, i] for i, dimension in enumerate(DIMENSIONS)}


def _journey(latents: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    answers = {}
    for stage, (construct, mean) in JOURNEY_STAGES.items():
        score = 0.5 * latents[construct].to_numpy() + np.sqrt(0.75) * rng.standard_normal(len(latents))
        answers[f"journey_{stage}"] = _points(score, mean=mean, spread=1.9)
    ratings = np.column_stack(list(answers.values()))
    # The middle of the scale is neutral; of two equally intense moments the bad one is remembered.
    intensity = np.abs(ratings - 5.5) - 0.01 * ratings
    peak = ratings[np.arange(len(ratings)), intensity.argmax(axis=1)] if len(ratings) else np.zeros(0)
    overall = (
        SURVEY.journey_mean * ratings.mean(axis=1) + SURVEY.journey_peak * peak + SURVEY.journey_end * ratings[:, -1]
    )
    answers["journey_overall"] = _points(overall + 0.6 * rng.standard_normal(len(latents)), mean=0, spread=1)
    return answers


def _stated_behaviour(
    customers: pd.DataFrame, latents: pd.DataFrame, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw what people say of themselves: share of wallet, tolerance of price and faults, trust, referrals, reason."""
    n = len(latents)
    image, satisfaction, value, loyalty, switching_cost = (
        latents[name].to_numpy() for name in ("image", "satisfaction", "value", "loyalty", "switching_cost")
    )
    strong = latents["strong_competition"].to_numpy(dtype=bool)
    hunter = customers["discount_hunter"].to_numpy(dtype=bool)
    at_hand = np.isin(customers["home_channel"].to_numpy(), ["miniprogram", "store"])
    wallet = expit(0.2 + 0.7 * loyalty - 0.5 * strong + 0.7 * rng.standard_normal(n))
    trust = 0.45 * image + 0.45 * satisfaction + 0.65 * rng.standard_normal(n)
    tolerance = 0.55 * loyalty + np.sqrt(1 - 0.55**2) * rng.standard_normal(n)
    appeal = np.column_stack(
        [
            0.4 + 0.6 * satisfaction + 0.6 * value + 0.5 * loyalty,
            0.7 - 0.2 * satisfaction + 0.4 * switching_cost,
            0.2 + 0.8 * at_hand,
            0.0 + 1.5 * hunter - 0.3 * loyalty,
            -0.4 + 0.8 * hunter,
            -1.0 - 1.2 * strong + 0.7 * switching_cost - 0.3 * satisfaction,
            -0.5 + 0.5 * image + 0.3 * loyalty,
        ]
    )
    return {
        "share_of_wallet": np.rint(100 * wallet),
        "price_tolerance": np.clip(np.rint(8 + 4 * loyalty - 3 * hunter + 3 * rng.standard_normal(n)), 0, 30),
        "trust": _points(trust, mean=6.9, spread=1.7),
        "fault_tolerance": _points(tolerance, mean=5.8, spread=1.9),
        "referrals": rng.poisson(np.exp(-0.7 + 0.45 * loyalty)),
        "main_reason": np.array(BUYING_REASONS, dtype=object)[draw_category(appeal, rng)],
    }


def _problems(
    customers: pd.DataFrame, responds: np.ndarray, ticket: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Who had a problem in the half-year and who complained: the visible tip is `iceberg_share` of the problems."""
    score = SURVEY.problem_satisfaction * customers["satisfaction"].to_numpy()
    if ticket is None:
        had = rng.random(len(customers)) < probabilities_with_mean(score, SURVEY.problem_share)
        complained = had & (rng.random(len(customers)) < SURVEY.iceberg_share)
    else:
        complained = ticket
        silent = complained.sum() * (1 / SURVEY.iceberg_share - 1)
        quiet = ~complained
        probability = np.zeros(len(customers))
        probability[quiet] = probabilities_with_mean(score[quiet], min(silent / max(quiet.sum(), 1), 0.9))
        had = complained | (rng.random(len(customers)) < probability)
    yes_no = np.array(["no", "yes"], dtype=object)
    said = yes_no[complained.astype(int)]
    said[~had] = None
    return yes_no[had.astype(int)][responds], said[responds]


def _tickets_in_half_year(interactions: pd.DataFrame, customer_ids: pd.Series, at: pd.Timestamp) -> np.ndarray:
    since = at - pd.DateOffset(months=6)
    recent = interactions["started_at"].between(since, at, inclusive="left") & interactions["is_complaint"]
    return customer_ids.isin(interactions.loc[recent, "customer_id"].dropna()).to_numpy()


def simulate_survey(
    people: pd.DataFrame, rng: np.random.Generator, *, block: int = 0, interactions: pd.DataFrame | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Ask the people of a block in six half-yearly waves.

    Items are whole points on a 1–10 scale, generated from the path model of `latents.LATENTS`. Rounding and
    clipping make observed loadings about 2–4 % smaller than the planted ones. Who answers depends on age and home
    channel; `weight` (mean 1 in a wave) puts both back to their shares among the customers of that wave.

    Parameters
    ----------
    people : DataFrame
        One row a person, with the latent columns.
    rng : numpy.random.Generator
    block : int, default 0
        Number of the block, part of the identifiers.
    interactions : DataFrame, optional
        The contacts of these people. With them, everyone with a ticket in the half-year before a wave says so, and
        silent problems are added until tickets are the planted `iceberg_share` of the problems.

    Returns
    -------
    tables : dict
        ``survey``: response_id, customer_id, wave, answered_at, weight, region, age_group, home_channel, competition
        (strong/weak), the construct items, ``sq_exp_…`` and ``sq_per_…`` (SERVQUAL, 1–10), ``sq_importance_…``
        (points of 100), nps (0–10), ``journey_…`` (1–10), share_of_wallet (percent), price_tolerance (percent),
        trust, fault_tolerance (1–10), referrals (in the half-year), main_reason, had_problem and complained (yes/no,
        in the half-year before).
    truth : dict
        ``survey_cells``: wave × region × age group: customers asked for, their answers, and the true mean latent
        satisfaction and service quality of all customers in the cell.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> people = draw_latents(400, rng).assign(
    ...     customer_id=[f"C{i}" for i in range(400)], birth_date=pd.Timestamp("1990-05-01"), region="East",
    ...     home_channel="web", discount_hunter=False, first_purchase=pd.Timestamp("2023-01-05"), left_at=pd.NaT)
    >>> tables, truth = simulate_survey(people, rng)
    >>> tables["survey"]["wave"].unique().tolist()
    ['2023H1', '2023H2', '2024H1', '2024H2', '2025H1', '2025H2']
    >>> bool(tables["survey"]["satisfaction_1"].dropna().between(1, 10).all())
    True
    """
    frames, cells = [], []
    first, left = to_microseconds(people["first_purchase"]), to_microseconds(people["left_at"])
    for wave, day in SURVEY.waves.items():
        at = pd.Timestamp(day)
        still = left > moment(at - pd.DateOffset(months=SURVEY.customer_months))
        customers = people[(first < moment(at)) & still].reset_index(drop=True)
        ages = age_groups(customers["birth_date"], at)
        latents, _ = _latents_of_wave(customers, ages, wave, rng)
        channel = customers["home_channel"].to_numpy()
        willing = _by_group(SURVEY.response_by_age, ages) + _by_group(SURVEY.response_by_channel, channel)
        share = min(SURVEY.answers_per_person * len(people) / max(len(customers), 1), SURVEY.highest_response_share)
        responds = rng.random(len(customers)) < probabilities_with_mean(willing, share)
        ticket = None if interactions is None else _tickets_in_half_year(interactions, customers["customer_id"], at)
        had_problem, complained = _problems(latents, responds, ticket, rng)

        everyone = pd.DataFrame({"age_group": ages, "home_channel": channel, "answered": responds.astype(float)})
        rate = everyone.groupby(["age_group", "home_channel"])["answered"].transform("mean").to_numpy()
        weight = responds.mean() / rate[responds] if responds.any() else np.zeros(0)
        asked, minds = customers[responds].reset_index(drop=True), latents[responds].reset_index(drop=True)
        n = len(asked)
        answers = {**_items(minds, rng), **_servqual(minds, rng)}
        recommend = SURVEY.nps_satisfaction * minds["satisfaction"] + SURVEY.nps_loyalty * minds["loyalty"]
        noise = rng.standard_normal(n)
        answers["nps"] = _points(
            recommend.to_numpy() + 0.6 * noise, mean=SURVEY.nps_mean, spread=SURVEY.nps_spread, low=0
        )
        answers |= _journey(minds, rng)
        blank = _blank_answers(len(answers), ages[responds], rng)
        numbers = {name: whole_numbers(values, blank[:, i]) for i, (name, values) in enumerate(answers.items())}
        said = _stated_behaviour(asked, minds, rng)
        reasons = said.pop("main_reason")
        numbers |= {name: whole_numbers(values) for name, values in (_importance(n, rng) | said).items()}
        frames.append(
            pd.DataFrame(
                {
                    "customer_id": asked["customer_id"],
                    "wave": wave,
                    "answered_at": (at + pd.to_timedelta(rng.integers(0, 14, n), unit="D")).as_unit("s"),
                    "weight": weight.round(3),
                    "region": asked["region"],
                    "age_group": ages[responds],
                    "home_channel": asked["home_channel"],
                    "competition": np.where(asked["strong_competition"], "strong", "weak"),
                    **numbers,
                    "main_reason": reasons,
                    "had_problem": had_problem,
                    "complained": complained,
                }
            )
        )
        cells.append(
            latents[["satisfaction", "service_quality"]]
            .assign(wave=wave, region=customers["region"], age_group=ages, answers=responds)
            .groupby(["wave", "region", "age_group"])
            .agg(
                customers=("answers", "size"),
                answers=("answers", "sum"),
                satisfaction=("satisfaction", "mean"),
                service_quality=("service_quality", "mean"),
            )
            .round(4)
            .reset_index()
        )
    survey = pd.concat(frames, ignore_index=True)
    survey.insert(0, "response_id", block_ids("R", len(survey), block=block))
    return {"survey": survey}, {"survey_cells": pd.concat(cells, ignore_index=True)}


def _blank_answers(items: int, ages: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Who leaves which item blank: more often the oldest, and more often late in the questionnaire."""
    oldest = SURVEY.missing_oldest * (ages == AGE_GROUPS[-1])
    score = oldest[:, None] + np.linspace(-0.3, 0.3, items)[None, :]
    return rng.random(score.shape) < expit(SURVEY.missing_log_odds + score)
