"""What a little more retention is worth: the profit of one customer under stated assumptions (保留的经济学)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, is_number, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLAIM = (0.25, 0.85)
# Lowest and highest value that an assumption can take.
_LIMITS = {
    "annual_revenue": (0.0, np.inf),
    "margin_share": (0.0, 1.0),
    "retention_rate": (0.0, 1.0),
    "annual_discount_rate": (0.0, np.inf),
    "acquisition_cost": (0.0, np.inf),
    "annual_service_cost": (0.0, np.inf),
    "annual_spend_growth": (-1.0, np.inf),
    "annual_service_decline": (0.0, 1.0),
    "annual_referrals": (0.0, np.inf),
    "price_premium": (-1.0, np.inf),
}
_GRID_POINTS = 400
_PARTS = ("base_margin", "spend_growth", "price_premium", "referrals", "service_cost", "acquisition_cost")


@dataclass(frozen=True)
class RetentionAssumptions:
    """What is assumed about one customer. The defaults are an invented plain case: no benefit of a long relationship.

    Parameters
    ----------
    annual_revenue : float, default 100
        What she spends in her first year, in money.
    margin_share : float, default 0.4
        Share of it that is left after the goods are paid, 0–1.
    retention_rate : float, default 0.8
        Share of customers who stay from one year to the next, 0–1.
    annual_discount_rate : float, default 0.1
        Discount rate of a year, from 0.
    acquisition_cost : float, default 0
        Cost of winning her, paid at the start.
    annual_service_cost : float, default 0
        Cost of serving her in her first year.
    annual_spend_growth : float, default 0
        Growth of her spending with each year that she stays: 0.05 is five per cent.
    annual_service_decline : float, default 0
        Fall of the cost of serving her with each year that she stays, 0–1.
    annual_referrals : float, default 0
        New customers that she brings in each year after her first. Each saves the cost of winning one.
    price_premium : float, default 0
        What she pays above the price for newcomers after her first year, as a share of her spending; all of it is
        profit.
    growth_years : int, default 7
        Years after which spending and the cost of serving change no more.
    horizon_years : int, optional
        Years that count, the first included. Default: no end.

    Raises
    ------
    ParameterError
        If an assumption is out of range, with every problem.

    References
    ----------
    .. [1] Reichheld, F. F. & Sasser, W. E. (1990). Zero defections: quality comes to services. Harvard Business Review
       68(5), 105–111 (the five sources of profit: base profit, more purchases, lower operating costs, referrals, price
       premium).

    Examples
    --------
    >>> RetentionAssumptions(retention_rate=1.2)
    Traceback (most recent call last):
    ...
    crm_utils.errors.ParameterError: RetentionAssumptions: retention_rate must lie between 0 and 1, and is 1.2.
    """

    annual_revenue: float = 100.0
    margin_share: float = 0.4
    retention_rate: float = 0.8
    annual_discount_rate: float = 0.1
    acquisition_cost: float = 0.0
    annual_service_cost: float = 0.0
    annual_spend_growth: float = 0.0
    annual_service_decline: float = 0.0
    annual_referrals: float = 0.0
    price_premium: float = 0.0
    growth_years: int = 7
    horizon_years: int | None = None

    def __post_init__(self):
        problems = []
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not is_number(value) or not low <= value <= high:
                rule = f"lie between {low:g} and {high:g}" if np.isfinite(high) else f"be a number from {low:g}"
                problems.append(f"{name} must {rule}, and is {value!r}")
        problems += count_problems("growth_years", self.growth_years, least=0)
        if self.horizon_years is not None:
            problems += count_problems("horizon_years", self.horizon_years, least=1)
        raise_problems("RetentionAssumptions", problems)


@dataclass(frozen=True, eq=False)
class RetentionProfit:
    """Profit of a customer before and after a rise of retention.

    Attributes
    ----------
    assumptions : RetentionAssumptions
        What was assumed.
    points : float
        Rise of the retention rate: 0.05 is five points.
    value, value_after : float
        Present value of a new customer, acquisition paid, at the retention rate and at the higher one.
    parts : pandas.DataFrame
        By ``part`` (base_margin, spend_growth, price_premium, referrals, service_cost, acquisition_cost): present
        ``value`` and ``value_after``; costs are negative, and the parts add up to the values.
    """

    assumptions: RetentionAssumptions
    points: float
    value: float
    value_after: float
    parts: pd.DataFrame

    @property
    def change(self) -> float:
        """Value after less value before."""
        return self.value_after - self.value

    @property
    def relative_change(self) -> float:
        """Change as a share of the value before; NaN where that is not above zero."""
        return self.change / self.value if self.value > 0 else np.nan

    @property
    def defections_avoided_share(self) -> float:
        """Share of the customers now lost each year who stay: five points from 90 % halve the losses."""
        return self.points / (1 - self.assumptions.retention_rate)


def retention_profit(assumptions: RetentionAssumptions, *, points: float = 0.05) -> RetentionProfit:
    """Work out what a higher retention rate does to the value of a new customer.

    The value is Σ r^t p_t/(1+i)^t − acquisition cost, for t = 0, 1, …: in her year t + 1, of which the first is not
    discounted, she brings p_t = revenue · (1+g)^k · (margin + premium) + referrals · acquisition cost − cost to serve ·
    (1−d)^k, where k is t but at most ``growth_years``, and premium and referrals begin in the second year.

    Parameters
    ----------
    assumptions : RetentionAssumptions
        What is assumed.
    points : float, default 0.05
        Rise of the retention rate; the higher rate may not pass 1.

    Returns
    -------
    RetentionProfit
        Values and what they are made of.

    Raises
    ------
    ParameterError
        If the higher rate is not a rate, or the value has no end: everybody stays, and nothing is discounted.

    Notes
    -----
    The published figures compare the values of average lives of fixed length, one over the defection rate [1]_. Here
    each year is weighted with the share of customers who are still there.

    References
    ----------
    .. [1] Reichheld, F. F. & Sasser, W. E. (1990). Zero defections: quality comes to services. Harvard Business Review
       68(5), 105–111.

    Examples
    --------
    Forty a year, 80 % stay, 10 % interest: 40 · 1.1/(1.1 − 0.8), and 40 · 1.1/(1.1 − 0.85) after.

    >>> found = retention_profit(RetentionAssumptions())
    >>> round(found.value, 2), round(found.value_after, 2), round(found.relative_change, 3)
    (146.67, 176.0, 0.2)
    """
    where = "retention_profit"
    problems = _points_problems(points)
    if not isinstance(assumptions, RetentionAssumptions):
        problems.append(f"assumptions must be RetentionAssumptions, and are {type(assumptions).__name__}")
    raise_problems(where, problems)
    rate = assumptions.retention_rate
    # 0.95 + 0.05 must not fail by rounding.
    if rate + points > 1 + 1e-12:
        problems.append(
            f"the retention rate {rate:g} and {points:g} more are above 1; lower one of them: nobody can stay twice"
        )
    after = min(rate + points, 1.0)
    if assumptions.horizon_years is None and after / (1 + assumptions.annual_discount_rate) >= 1:
        problems.append("the value has no end where everybody stays and nothing is discounted; set horizon_years")
    raise_problems(where, problems)
    before, later = _values(assumptions, rate), _values(assumptions, after)
    parts = pd.DataFrame({"value": before, "value_after": later}, pd.Index(_PARTS, name="part"))
    return RetentionProfit(assumptions, float(points), float(before.sum()), float(later.sum()), parts)


def _points_problems(points: float) -> list[str]:
    return [] if is_number(points) and 0 < points <= 1 else [f"points must lie between 0 and 1, and is {points!r}"]


def _values(given: RetentionAssumptions, rate: float) -> np.ndarray:
    """Present value of each part, in the order of `_PARTS`."""
    kept = rate / (1 + given.annual_discount_rate)
    years = given.growth_years + 2 if given.horizon_years is None else given.horizon_years
    tenure = np.arange(years)
    weights = kept ** tenure.astype(float)
    if given.horizon_years is None:
        # From the last year on nothing changes: a geometric series.
        weights[-1] /= 1 - kept
    grown = np.minimum(tenure, given.growth_years).astype(float)
    revenue = given.annual_revenue * (1 + given.annual_spend_growth) ** grown
    later = tenure > 0
    base = np.full(years, given.annual_revenue * given.margin_share)
    flows = [
        base,
        revenue * given.margin_share - base,
        revenue * given.price_premium * later,
        given.annual_referrals * given.acquisition_cost * later,
        -given.annual_service_cost * (1 - given.annual_service_decline) ** grown,
    ]
    return np.array([*(flow @ weights for flow in flows), -given.acquisition_cost])


def retention_steps(assumptions: RetentionAssumptions, *, points: float = 0.05) -> pd.DataFrame:
    """Add the sources of profit one after the other, and see what each does to the effect of retention.

    Parameters
    ----------
    assumptions : RetentionAssumptions
        What is assumed when everything is in.
    points : float, default 0.05
        Rise of the retention rate.

    Returns
    -------
    pandas.DataFrame
        One row a step, from the base margin alone to all assumptions: ``step``, ``value``, ``value_after``,
        ``relative_change`` (NaN where the value before is not above zero).

    Raises
    ------
    ParameterError
        As in `retention_profit`.

    Examples
    --------
    >>> assumptions = RetentionAssumptions(acquisition_cost=60, annual_spend_growth=0.05)
    >>> retention_steps(assumptions)["relative_change"].round(3).tolist()
    [0.2, 0.338, 0.338, 0.338, 0.358, 0.358, 0.358]
    """
    steps = {
        tr("base margin alone"): (),
        tr("+ cost of winning the customer"): ("acquisition_cost",),
        tr("+ cost of serving her"): ("annual_service_cost",),
        tr("+ that cost falls"): ("annual_service_decline",),
        tr("+ spending grows"): ("annual_spend_growth",),
        tr("+ referrals"): ("annual_referrals",),
        tr("+ price premium"): ("price_premium",),
    }
    plain = RetentionAssumptions()
    names = [name for added in steps.values() for name in added]
    current = replace(assumptions, **{name: getattr(plain, name) for name in names})
    rows = []
    for step, added in steps.items():
        current = replace(current, **{name: getattr(assumptions, name) for name in added})
        found = retention_profit(current, points=points)
        rows.append((step, found.value, found.value_after, found.relative_change))
    return pd.DataFrame(rows, columns=["step", "value", "value_after", "relative_change"])


def retention_sensitivity(
    assumptions: RetentionAssumptions, ranges: Mapping[str, tuple[float, float]], *, points: float = 0.05
) -> pd.DataFrame:
    """Move each assumption to its low and its high value, the others at their own, to see which one matters.

    Parameters
    ----------
    assumptions : RetentionAssumptions
        The case to start from.
    ranges : mapping of str to (float, float)
        Lowest and highest plausible value by the name of the assumption.
    points : float, default 0.05
        Rise of the retention rate.

    Returns
    -------
    pandas.DataFrame
        One row an assumption, what matters most first: ``assumption``, ``base``, ``low``, ``high`` (its values);
        ``change_base``, ``change_low``, ``change_high`` (relative change of the value of a customer), ``swing``, the
        distance between the last two; NaN where the customer is worth nothing before.

    Raises
    ------
    ParameterError
        If a name is not an assumption or a value out of range, with every problem.

    Examples
    --------
    >>> ranges = {"annual_discount_rate": (0.05, 0.15), "acquisition_cost": (0, 80)}
    >>> table = retention_sensitivity(RetentionAssumptions(acquisition_cost=40), ranges)
    >>> table[["assumption", "change_low", "change_high"]].round(3).to_numpy().tolist()
    [['acquisition_cost', 0.2, 0.44], ['annual_discount_rate', 0.328, 0.24]]
    """
    cases = _cases("retention_sensitivity", assumptions, ranges, points)
    base = retention_profit(assumptions, points=points).relative_change
    rows = []
    for name, (low, high) in cases.items():
        ends = [retention_profit(case, points=points).relative_change for case in (low, high)]
        values = [getattr(case, name) for case in (assumptions, low, high)]
        rows.append((name, *map(float, values), base, *ends, abs(ends[1] - ends[0])))
    columns = ["assumption", "base", "low", "high", "change_base", "change_low", "change_high", "swing"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("swing", ascending=False, kind="stable", ignore_index=True)


def _cases(
    where: str, assumptions: RetentionAssumptions, ranges: Mapping[str, tuple[float, float]], points: float
) -> dict[str, tuple[RetentionAssumptions, RetentionAssumptions]]:
    """The case at both ends of every range, or every problem."""
    problems = _points_problems(points)
    if not isinstance(assumptions, RetentionAssumptions):
        raise_problems(where, [f"assumptions must be RetentionAssumptions, and are {type(assumptions).__name__}"])
    if not ranges:
        problems.append("ranges are empty; give the lowest and the highest value of at least one assumption")
    cases = {}
    for name, ends in ranges.items():
        if name not in _LIMITS:
            hint = did_you_mean(name, _LIMITS)
            problems.append(f"ranges name {name!r}, which is none of {', '.join(_LIMITS)}{hint}")
            continue
        if not isinstance(ends, Sequence) or len(ends) != 2 or not all(map(is_number, ends)) or ends[0] > ends[1]:
            problems.append(f"the range of {name} must be a low and a high value, and is {ends!r}")
            continue
        try:
            cases[name] = tuple(replace(assumptions, **{name: end}) for end in ends)
            for case in cases[name]:
                retention_profit(case, points=points if not _points_problems(points) else 0.05)
        except ValueError as error:
            problems.append(f"the range of {name} does not work ({str(error).rstrip('.')})")
    raise_problems(where, problems)
    return cases


def claimed_range(
    assumptions: RetentionAssumptions,
    ranges: Mapping[str, tuple[float, float]],
    *,
    claims: Sequence[float] = CLAIM,
    points: float = 0.05,
) -> pd.DataFrame:
    """Solve for what has to be assumed for a claimed rise of profit to come out.

    Each assumption is moved alone over its range until the claim is met, the others at their own values.

    Parameters
    ----------
    assumptions : RetentionAssumptions
        The case to start from.
    ranges : mapping of str to (float, float)
        Lowest and highest plausible value by the name of the assumption.
    claims : sequence of float, default (0.25, 0.85)
        Relative changes claimed: 0.25 is a rise by 25 %.
    points : float, default 0.05
        Rise of the retention rate.

    Returns
    -------
    pandas.DataFrame
        One row a claim and assumption: ``claim``, ``assumption``, ``base``, ``low``, ``high`` (its values), ``needed``
        (the value at which the claim comes out, the one nearest to the base where there are several; NaN for none in
        the range), ``reached`` (whether there is one), ``lowest_change``, ``highest_change`` over the range.

    Raises
    ------
    ParameterError
        As in `retention_sensitivity`, or if a claim is not a number above zero.

    Examples
    --------
    Nothing but a margin: 0.05/(1 + i − r − 0.05) is 25 % at r = 0.85, and never 85 % at an interest of 10 %.

    >>> found = claimed_range(RetentionAssumptions(), {"retention_rate": (0.5, 0.95)})
    >>> found[["claim", "needed", "highest_change"]].round(3).to_numpy().tolist()
    [[0.25, 0.85, 0.5], [0.85, nan, 0.5]]
    """
    where = "claimed_range"
    raise_problems(
        where,
        [
            f"claims must be numbers above 0, such as 0.25, and hold {claim!r}"
            for claim in claims
            if not is_number(claim) or claim <= 0
        ],
    )
    cases = _cases(where, assumptions, ranges, points)
    rows = []
    for claim in claims:
        for name, (low, high) in cases.items():
            base, ends = getattr(assumptions, name), (getattr(low, name), getattr(high, name))
            values = np.unique(np.append(np.linspace(*ends, _GRID_POINTS), np.clip(base, *ends)))
            changes = np.array([_change(assumptions, name, value, points) for value in values])
            needed = _crossing(assumptions, name, values, changes, claim, points)
            defined = changes[np.isfinite(changes)]
            reach = (defined.min(), defined.max()) if len(defined) else (np.nan, np.nan)
            rows.append((claim, name, base, *ends, needed, bool(np.isfinite(needed)), *reach))
    columns = ["claim", "assumption", "base", "low", "high", "needed", "reached", "lowest_change", "highest_change"]
    return pd.DataFrame(rows, columns=columns)


def _change(assumptions: RetentionAssumptions, name: str, value: float, points: float) -> float:
    return retention_profit(replace(assumptions, **{name: float(value)}), points=points).relative_change


def _crossing(
    assumptions: RetentionAssumptions, name: str, values: np.ndarray, changes: np.ndarray, claim: float, points: float
) -> float:
    """Value nearest to the base at which the change equals the claim; NaN for none."""
    from scipy.optimize import brentq

    away = changes - claim
    found = list(values[np.isclose(away, 0, atol=1e-12)])
    for left in np.flatnonzero(away[:-1] * away[1:] < 0):
        # Beyond a pole, where a customer is worth nothing, the change is not defined, and no crossing is counted.
        found.append(
            brentq(lambda value: _change(assumptions, name, value, points) - claim, values[left], values[left + 1])
        )
    return min(found, key=lambda value: abs(value - getattr(assumptions, name)), default=np.nan)


def retention_sensitivity_table(sensitivity: pd.DataFrame) -> pd.DataFrame:
    """Sensitivity as a table for people.

    Parameters
    ----------
    sensitivity : pandas.DataFrame
        From `retention_sensitivity`.

    Returns
    -------
    pandas.DataFrame
        ``assumption`` in words, ``low``, ``base``, ``high`` (its values), ``change share at low``, ``change share at
        high``, ``swing share``.
    """
    return pd.DataFrame(
        {
            "assumption": [assumption_text(name) for name in sensitivity["assumption"]],
            "low": sensitivity["low"],
            "base": sensitivity["base"],
            "high": sensitivity["high"],
            "change share at low": sensitivity["change_low"],
            "change share at high": sensitivity["change_high"],
            "swing share": sensitivity["swing"],
        }
    )


def assumption_text(name: str) -> str:
    """Put the name of an assumption into words.

    Parameters
    ----------
    name : str
        A parameter of `RetentionAssumptions`.

    Returns
    -------
    str
        Words for a label.

    Examples
    --------
    >>> assumption_text("annual_spend_growth")
    'growth of spending a year'
    """
    words = {
        "annual_revenue": tr("revenue a year"),
        "margin_share": tr("margin, share of revenue"),
        "retention_rate": tr("retention rate to start from"),
        "annual_discount_rate": tr("discount rate"),
        "acquisition_cost": tr("cost of winning a customer"),
        "annual_service_cost": tr("cost to serve a year"),
        "annual_spend_growth": tr("growth of spending a year"),
        "annual_service_decline": tr("fall of the cost to serve a year"),
        "annual_referrals": tr("referrals a year"),
        "price_premium": tr("price premium"),
    }
    return words[name]


def plot_retention_sensitivity(
    sensitivity: pd.DataFrame, *, claim: tuple[float, float] | None = CLAIM, ax: Axes | None = None
) -> Axes:
    """Draw what each assumption does to the effect of retention; `retention_sensitivity_table` has the numbers.

    Parameters
    ----------
    sensitivity : pandas.DataFrame
        From `retention_sensitivity`.
    claim : (float, float) or None, default (0.25, 0.85)
        Range to shade.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    ax = new_axes(ax, figsize=(8.2, 1.5 + 0.42 * len(sensitivity)))
    if claim is not None:
        ax.axvspan(*claim, color=PALETTE[1], alpha=0.15, linewidth=0, zorder=0)
    base = float(sensitivity["change_base"].iloc[0])
    known = sensitivity[["change_low", "change_high"]].notna().all(axis=1)
    for row, found in enumerate(sensitivity.itertuples()):
        # Half a bar each: both ends may lie on one side.
        for shift, colour, end, change in (
            (-0.16, 4, found.low, found.change_low),
            (0.16, 0, found.high, found.change_high),
        ):
            if np.isnan(change):
                continue
            ax.barh(row + shift, change - base, left=base, height=0.32, color=PALETTE[colour])
            right = change >= base
            ax.annotate(
                _short(found.assumption, end),
                (change, row + shift),
                xytext=(4 if right else -4, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                fontsize=8,
            )
    ax.axvline(base, color=MUTED, linewidth=1)
    ax.set_yticks(range(len(sensitivity)), [assumption_text(name) for name in sensitivity["assumption"]])
    ax.set_ylim(len(sensitivity) - 0.5, -0.5)
    ax.margins(x=0.14)
    ax.legend(
        handles=[
            Patch(color=PALETTE[4], label=tr("at its low value")),
            Patch(color=PALETTE[0], label=tr("at its high value")),
        ],
        loc="lower right",
    )
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    shaded = (
        ""
        if claim is None
        else "\n" + tr("(shaded: claimed, {low:.0%} to {high:.0%})").format(low=claim[0], high=claim[1])
    )
    ax.set(
        xlabel=tr("Rise of the value of a customer by more retention") + shaded,
        title=tr("What the effect of retention depends on"),
    )
    listed = "; ".join(
        f"{assumption_text(row.assumption)} {_short(row.assumption, row.low)} to {_short(row.assumption, row.high)}: "
        f"{row.change_low:.0%} to {row.change_high:.0%}"
        for row in sensitivity[known].itertuples()
    )
    return describe(
        ax,
        tr("With all assumptions at their base the value rises by {base:.0%}. One moved at a time: {listed}.").format(
            base=base, listed=listed
        ),
    )


def _short(assumption: str, value: float) -> str:
    """A value of an assumption as a label: shares and rates in per cent, money in whole units."""
    if assumption in ("annual_revenue", "acquisition_cost", "annual_service_cost"):
        return f"{value:,.0f}"
    return f"{value:.2g}" if assumption == "annual_referrals" else f"{value:.0%}"


ASSUMPTIONS = tuple(field.name for field in fields(RetentionAssumptions))
"""Names of all assumptions."""
