"""The paid membership: who joins, how they use it month by month, and when and why they leave."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit

from crm_utils.company.simulate._draws import draw_category, probabilities_with_mean, to_microseconds
from crm_utils.company.simulate.calendar import AS_OF, START

MONTHS = (AS_OF.year - START.year) * 12 + AS_OF.month - START.month
TREND_MONTHS = 3
END_REASONS = (
    "price",
    "moved away",
    "service",
    "staff change",
    "rival",
    "quality",
    "no novelty",
    "needs changed",
    "bad faith",
    "ended by company",
)


@dataclass(frozen=True)
class MemberPlan:
    """What the membership plants.

    Parameters
    ----------
    member_share : float
        Share of all people who become members, 0–1.
    joining_loyalty : float
        Log-odds of joining per unit of latent loyalty.
    joining_delay_days : float
        Mean days from first purchase to joining, for those who do not join at once.
    joining_at_once : float
        Share who join with the first purchase.
    monthly_fee : dict of str to tuple of float
        Plan → fee before and from the price step on, CNY a month.
    gold_share : float
        Share of members with the dearer plan.
    price_step_month : str
        First month of the new fee, ISO date.
    price_step_months : int
        Months during which the step moves the hazard of those who were members before.
    hazard_intercept : float
        Log-odds of leaving in a month with every covariate at 0.
    hazard_satisfaction : float
        Per unit (standard deviation) of latent satisfaction.
    hazard_visit_trend : float
        Per unit of `visit_trend`, the log of visits this month against the mean of up to three months before.
    hazard_complaints : float
        Per complaint open at the end of the month.
    hazard_late_payments : float
        Per late payment in the month.
    hazard_log_tenure : float
        Per unit of the log of tenure in months (1 in the first month).
    hazard_price_step : float
        In the months of the price step.
    complaint_log_odds, complaint_satisfaction : float
        Log-odds of a new complaint that outlasts the month, at mean satisfaction, and per unit of satisfaction.
    complaint_settled : float
        Probability that an open complaint is settled in the next month.
    late_log_odds, late_spread : float
        Mean and standard deviation over members of the log-odds of paying late in a month.
    browsing_visits : float
        Mean visits a month without purchase, of a member with mean interest.
    mood_spread, mood_persistence : float
        Standard deviation and month-to-month correlation of the log of interest in visiting.
    reasons : dict of str to dict of str to float
        End reason → log-odds weights of its drivers (`base` is the constant).
    """

    member_share: float = 0.45
    joining_loyalty: float = 0.4
    joining_delay_days: float = 60.0
    joining_at_once: float = 0.6
    monthly_fee: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {"silver": (15.0, 18.0), "gold": (29.0, 36.0)}
    )
    gold_share: float = 0.3
    price_step_month: str = "2024-07-01"
    price_step_months: int = 3
    hazard_intercept: float = -2.75
    hazard_satisfaction: float = -0.50
    hazard_visit_trend: float = -0.80
    hazard_complaints: float = 0.80
    hazard_late_payments: float = 0.60
    hazard_log_tenure: float = -0.30
    hazard_price_step: float = 0.90
    complaint_log_odds: float = -3.9
    complaint_satisfaction: float = -0.6
    complaint_settled: float = 0.45
    late_log_odds: float = -3.2
    late_spread: float = 0.9
    browsing_visits: float = 2.5
    mood_spread: float = 0.45
    mood_persistence: float = 0.6
    reasons: dict[str, dict[str, float]] = field(
        default_factory=lambda: {
            "price": {"base": 0.3, "price_step": 1.8, "discount_hunter": 0.6, "value": -0.5},
            "moved away": {"base": -0.4},
            "service": {"base": -0.6, "complaints": 1.2, "service_quality": -0.6},
            "staff change": {"base": -1.4, "complaints": 0.4},
            "rival": {"base": -0.6, "strong_competition": 1.2, "loyalty": -0.4},
            "quality": {"base": -0.9, "product_quality": -0.7},
            "no novelty": {"base": -1.1, "visit_trend": -0.4},
            "needs changed": {"base": -0.3, "visit_trend": -0.8},
            "bad faith": {"base": -2.4, "late_payments": 2.2},
            "ended by company": {"base": -3.0, "late_payments": 1.6},
        }
    )


MEMBERS = MemberPlan()
"""What the demo company plants."""


def churn_covariates(memberships: pd.DataFrame, member_months: pd.DataFrame) -> pd.DataFrame:
    """Observable covariates of the planted hazard, one row a member and month.

    Parameters
    ----------
    memberships : DataFrame
        customer_id, started_at, ended_at; one spell a customer, in calendar months.
    member_months : DataFrame
        customer_id, month, visits, complaints, late_payments.

    Returns
    -------
    DataFrame
        customer_id, month, `visit_trend` = log((1 + visits) / (1 + mean visits of up to three months before)), 0 in
        the first month; complaints; late_payments; `log_tenure` (log of months, 1 in the first); `price_step` (0/1);
        `left` (1 in the last month of a membership that ended). Latent satisfaction is not observable: join it from
        the truth, or stand a survey score in for it.

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "customer_id": ["a"], "started_at": [pd.Timestamp("2024-06-01")], "ended_at": [pd.Timestamp("2024-08-31")]})
    >>> months = pd.DataFrame({
    ...     "customer_id": "a", "month": pd.to_datetime(["2024-06-01", "2024-07-01", "2024-08-01"]),
    ...     "visits": [3, 3, 0], "complaints": [0, 0, 1], "late_payments": 0})
    >>> churn_covariates(memberships, months)[["visit_trend", "log_tenure", "price_step", "left"]].round(3)
       visit_trend  log_tenure  price_step  left
    0        0.000       0.000           0     0
    1        0.000       0.693           1     0
    2       -1.386       1.099           1     1
    """
    rows = member_months.sort_values(["customer_id", "month"], ignore_index=True)
    rows = rows.merge(memberships[["customer_id", "started_at", "ended_at"]], on="customer_id", validate="many_to_one")
    visits = rows["visits"].astype(float)
    own = visits.groupby(rows["customer_id"])
    before = pd.concat([own.shift(lag) for lag in range(1, TREND_MONTHS + 1)], axis=1).mean(axis=1)
    step = pd.Timestamp(MEMBERS.price_step_month)
    in_step = rows["month"].between(step, step + pd.DateOffset(months=MEMBERS.price_step_months), inclusive="left")
    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "month": rows["month"],
            "visit_trend": np.log((1 + visits) / (1 + before)).fillna(0.0),
            "complaints": rows["complaints"].astype(float),
            "late_payments": rows["late_payments"].astype(float),
            "log_tenure": np.log1p(rows.groupby("customer_id").cumcount()),
            "price_step": (in_step & (rows["started_at"] < step)).astype(int),
            "left": (rows["ended_at"].dt.to_period("M") == rows["month"].dt.to_period("M")).astype(int),
        }
    )


def _month_numbers(moments: pd.Series) -> np.ndarray:
    return ((moments.dt.year - START.year) * 12 + moments.dt.month - 1).to_numpy()


def _month_starts(numbers: np.ndarray) -> np.ndarray:
    return (np.datetime64(START, "M") + numbers).astype("datetime64[s]")


def _join(people: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Members and the number of the month in which their membership begins, always its first day."""
    n = len(people)
    delay = rng.exponential(MEMBERS.joining_delay_days, n) * (rng.random(n) >= MEMBERS.joining_at_once)
    # People who never bought get a wish that comes too late.
    wish = pd.to_datetime(people["first_purchase"]).fillna(AS_OF) + pd.to_timedelta(delay.round(), unit="D")
    start = _month_numbers(wish) + 1
    wants = to_microseconds(wish) < to_microseconds(people["left_at"])
    possible = (start < MONTHS) & (wants | (delay == 0))
    score = MEMBERS.joining_loyalty * people["loyalty"].to_numpy()
    joins = np.zeros(n, dtype=bool)
    share = MEMBERS.member_share * n / max(possible.sum(), 1)
    joins[possible] = rng.random(possible.sum()) < probabilities_with_mean(score[possible], share)
    return people[joins].reset_index(drop=True), start[joins]


def _purchases_by_month(
    members: pd.DataFrame, order_lines: pd.DataFrame | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Purchase days, spend and discounted share of spend, members × months; drawn where no order lines are given."""
    shape = (len(members), MONTHS)
    if order_lines is None:
        rate = 365.25 / 12 / 7 * members["purchase_rate_per_week"].to_numpy()
        active = _last_active_month(members)[:, None] >= np.arange(MONTHS)[None, :]
        days = rng.poisson(rate[:, None] * active)
        spend = days * members["mean_spend"].to_numpy()[:, None] * rng.lognormal(-0.125, 0.5, shape)
        hunter = members["discount_hunter"].to_numpy(dtype=bool)[:, None]
        return days, spend.round(2), np.where(days > 0, rng.beta(np.where(hunter, 6, 1), 6, shape), 0.0)
    lines = order_lines[order_lines["customer_id"].isin(members["customer_id"])]
    row = pd.Index(members["customer_id"]).get_indexer(lines["customer_id"])
    cell = row * MONTHS + _month_numbers(lines["ordered_at"])
    amount = lines["amount"].to_numpy(dtype=float)
    size = shape[0] * shape[1]
    spend = np.bincount(cell, amount, minlength=size).reshape(shape)
    bought = np.bincount(cell, np.maximum(amount, 0), minlength=size).reshape(shape)
    discounted = np.maximum(amount, 0) * (lines["discount"].to_numpy(dtype=float) > 0)
    reduced = np.bincount(cell, discounted, minlength=size).reshape(shape)
    bought_days = pd.DataFrame({"cell": cell, "day": lines["ordered_at"].dt.day.to_numpy()})[amount > 0]
    days = np.bincount(bought_days.drop_duplicates()["cell"], minlength=size).reshape(shape)
    return days, spend.round(2), np.divide(reduced, bought, out=np.zeros(shape), where=bought > 0)


def _last_active_month(members: pd.DataFrame) -> np.ndarray:
    left = pd.to_datetime(members["left_at"])
    return np.where(left.isna(), MONTHS, _month_numbers(left.fillna(AS_OF)))


def _end_reasons(drivers: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    log_odds = np.column_stack(
        [sum(weight * drivers[name] for name, weight in MEMBERS.reasons[reason].items()) for reason in END_REASONS]
    )
    return draw_category(log_odds, rng)


def simulate_members(
    people: pd.DataFrame,
    rng: np.random.Generator,
    *,
    block: int = 0,
    order_lines: pd.DataFrame | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Let some people join the membership and leave it again by a monthly logistic hazard.

    Memberships run in calendar months: they start on the first of a month and end on the last day of one. In every
    month the member leaves with log-odds ``hazard_intercept + Σ hazard_… × covariate`` of `MEMBERS`, the covariates
    being those of `churn_covariates` and the person's lasting latent satisfaction.

    Parameters
    ----------
    people : DataFrame
        One row a person, with the latent columns.
    rng : numpy.random.Generator
    block : int, default 0
        Number of the block; this table needs no identifiers of its own.
    order_lines : DataFrame, optional
        customer_id, ordered_at, amount, discount. With them, spend and discount_share are those of the orders and
        visits include the purchase days; otherwise they are drawn from the person's rate and mean spend.

    Returns
    -------
    tables : dict
        ``memberships``: customer_id, started_at, ended_at (blank while it lasts), monthly_fee (CNY, the latest),
        plan, end_reason. ``member_months``: customer_id, month, visits, spend (CNY), complaints (open at the end of
        the month), app_days, late_payments (0 or 1), discount_share (of spend, 0–1).
    truth : dict
        ``members``: customer_id, satisfaction, `mean_hazard` (monthly probability of leaving, mean over the months
        of membership) and `mean_hazard_happier`, the same had satisfaction been one unit higher.

    Examples
    --------
    >>> from crm_utils.company.simulate.latents import draw_latents
    >>> rng = np.random.default_rng(7)
    >>> people = draw_latents(400, rng).assign(
    ...     customer_id=[f"C{i}" for i in range(400)], home_channel="web", discount_hunter=False, mean_spend=150.0,
    ...     purchase_rate_per_week=0.2, first_purchase=pd.Timestamp("2023-01-05"), left_at=pd.NaT)
    >>> tables, truth = simulate_members(people, rng)
    >>> tables["memberships"].columns.tolist()
    ['customer_id', 'started_at', 'ended_at', 'monthly_fee', 'plan', 'end_reason']
    >>> bool((truth["members"]["mean_hazard_happier"] < truth["members"]["mean_hazard"]).all())
    True
    """
    members, start = _join(people, rng)
    n = len(members)
    step = _month_numbers(pd.Series([pd.Timestamp(MEMBERS.price_step_month)]))[0]
    satisfaction = members["satisfaction"].to_numpy()
    hunter, strong = (members[name].to_numpy(dtype=float) for name in ("discount_hunter", "strong_competition"))
    on_app = members["home_channel"].isin(["miniprogram", "web"]).to_numpy()
    interest = np.exp(0.5 * rng.standard_normal(n) - 0.125)
    late_odds = MEMBERS.late_log_odds + MEMBERS.late_spread * rng.standard_normal(n)
    mood = MEMBERS.mood_spread * rng.standard_normal(n)
    bought_days, spend, discount_share = _purchases_by_month(members, order_lines, rng)
    last_active = _last_active_month(members)

    visits = np.zeros((n, MONTHS))
    complaints, ended = np.zeros(n, dtype=int), np.full(n, MONTHS)
    reason = np.full(n, -1)
    panel, hazards = [], []
    for month in range(MONTHS):
        shock = rng.standard_normal(n)
        mood = MEMBERS.mood_persistence * mood
        mood += MEMBERS.mood_spread * np.sqrt(1 - MEMBERS.mood_persistence**2) * shock
        now = np.flatnonzero((start <= month) & (ended == MONTHS))
        tenure = month - start[now] + 1
        browsing = (
            MEMBERS.browsing_visits * interest[now] * np.exp(mood[now]) * np.where(last_active[now] < month, 0.4, 1)
        )
        visits[now, month] = bought_days[now, month] + rng.poisson(browsing)
        known = np.minimum(tenure - 1, TREND_MONTHS)
        before = visits[now, max(month - TREND_MONTHS, 0) : month].sum(axis=1) / np.maximum(known, 1)
        trend = np.where(known > 0, np.log((1 + visits[now, month]) / (1 + before)), 0.0)
        unhappy = MEMBERS.complaint_log_odds + MEMBERS.complaint_satisfaction * satisfaction[now]
        complaints[now] -= rng.binomial(complaints[now], MEMBERS.complaint_settled)
        complaints[now] += rng.random(now.size) < expit(unhappy)
        late = rng.random(now.size) < expit(late_odds[now])
        in_step = (step <= month < step + MEMBERS.price_step_months) & (start[now] < step)
        log_odds = (
            MEMBERS.hazard_intercept
            + MEMBERS.hazard_satisfaction * satisfaction[now]
            + MEMBERS.hazard_visit_trend * trend
            + MEMBERS.hazard_complaints * complaints[now]
            + MEMBERS.hazard_late_payments * late
            + MEMBERS.hazard_log_tenure * np.log(tenure)
            + MEMBERS.hazard_price_step * in_step
        )
        leaves = rng.random(now.size) < expit(log_odds)
        drivers = {
            "base": np.ones(now.size),
            "price_step": in_step.astype(float),
            "discount_hunter": hunter[now],
            "strong_competition": strong[now],
            "complaints": complaints[now],
            "late_payments": late,
            "visit_trend": trend,
            **{
                name: members[name].to_numpy()[now]
                for name in ("value", "service_quality", "loyalty", "product_quality")
            },
        }
        reason[now[leaves]] = _end_reasons(drivers, rng)[leaves]
        ended[now[leaves]] = month
        app_days = np.minimum(28, rng.poisson(np.where(on_app[now], 1.5, 0.3) * (1 + visits[now, month])))
        panel.append((now, np.full(now.size, month), complaints[now].copy(), late, app_days))
        hazards.append((expit(log_odds), expit(log_odds + MEMBERS.hazard_satisfaction)))

    row, month, open_complaints, late, app_days = (np.concatenate(parts) for parts in zip(*panel, strict=True))
    hazard, happier = (np.concatenate(parts) for parts in zip(*hazards, strict=True))
    order = np.lexsort((month, row))
    row, month = row[order], month[order]
    member_months = pd.DataFrame(
        {
            "customer_id": members["customer_id"].to_numpy()[row],
            "month": _month_starts(month),
            "visits": visits[row, month].astype(int),
            "spend": spend[row, month],
            "complaints": open_complaints[order],
            "app_days": app_days[order],
            "late_payments": late[order].astype(int),
            "discount_share": discount_share[row, month].round(2),
        }
    )

    gold_odds = probabilities_with_mean(np.log(members["mean_spend"].to_numpy(dtype=float)), MEMBERS.gold_share)
    plan = np.where(rng.random(n) < gold_odds, "gold", "silver")
    fees = np.array([MEMBERS.monthly_fee[name] for name in plan]).reshape(n, 2)
    gone = ended < MONTHS
    last_day = _month_starts(ended + 1) - np.timedelta64(1, "D")
    memberships = pd.DataFrame(
        {
            "customer_id": members["customer_id"],
            "started_at": _month_starts(start),
            "ended_at": np.where(gone, last_day, np.datetime64("NaT")),
            "monthly_fee": np.where(ended >= step, fees[:, 1], fees[:, 0]),
            "plan": plan,
            "end_reason": np.where(gone, np.array(END_REASONS, dtype=object)[reason], None),
        }
    )
    months = np.bincount(row, minlength=n)
    truth = pd.DataFrame(
        {
            "customer_id": members["customer_id"],
            "satisfaction": satisfaction.round(4),
            "mean_hazard": (np.bincount(row, hazard[order], minlength=n) / months).round(5),
            "mean_hazard_happier": (np.bincount(row, happier[order], minlength=n) / months).round(5),
        }
    )
    return {"memberships": memberships, "member_months": member_months}, {"members": truth}
