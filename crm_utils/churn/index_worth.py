"""What one point of the satisfaction index is worth, through the hazard of leaving (满意度指数一分的价值)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    first_rows,
    index_problems,
    is_number,
    level_problems,
    raise_problems,
)
from crm_utils.errors import DataFloorError

LINKS = ("logit", "cloglog")
# Odds times e^50 are no effect but another unit.
_LARGEST_SHIFT = 50.0
_VALUES = ("value", "value_after", "change", "low", "high")


@dataclass(frozen=True, eq=False)
class IndexPointWorth:
    """Worth of a higher index to the members there are.

    Attributes
    ----------
    members : pandas.DataFrame
        One row a member, with the index of the hazards: ``value`` (present value of the margins over the horizon),
        ``value_after``, ``change``, its interval ``low``, ``high``.
    total, total_low, total_high, total_std_error : float
        Change over all members, in money, with interval and standard error (delta method).
    mean, mean_low, mean_high : float
        Change a member.
    points : float
        Points of the index.
    horizon_months : int
        Months that count.
    level : float
        Confidence level.
    """

    members: pd.DataFrame
    total: float
    total_low: float
    total_high: float
    total_std_error: float
    points: float
    horizon_months: int
    level: float

    @property
    def mean(self) -> float:
        """Change a member, on average."""
        return self.total / len(self.members)

    @property
    def mean_low(self) -> float:
        """Lower end of the interval of the mean."""
        return self.total_low / len(self.members)

    @property
    def mean_high(self) -> float:
        """Upper end of the interval of the mean."""
        return self.total_high / len(self.members)

    @property
    def relative_change(self) -> float:
        """Total change as a share of the value before; NaN where that is nothing."""
        before = self.members["value"].sum()
        return self.total / before if before > 0 else np.nan

    def summary_frame(self) -> pd.DataFrame:
        """Rows ``what`` "all members" and "a member", with the columns of `members`."""
        totals = self.members[list(_VALUES)].sum()
        # Ends add up: one coefficient moves all members in the same direction.
        frame = pd.DataFrame([totals, totals / len(self.members)])
        frame.insert(0, "what", ["all members", "a member"])
        return frame.reset_index(drop=True)


def index_point_worth(
    coefficient: float,
    std_error: float,
    *,
    baseline_hazard: Any,
    monthly_margin: Any,
    annual_discount_rate: float,
    horizon_months: int = 36,
    points: float = 1.0,
    link: str = "logit",
    level: float = 0.95,
) -> IndexPointWorth:
    """Work out what a higher satisfaction index is worth by keeping members longer.

    A member with the hazards h₁, h₂, … of leaving in each month, who brings the margin m in each month that she stays
    to the end of, is worth over H months

        V = m Σ_{t=1}^{H} v^t Π_{s=1}^{t} (1 − hₛ),   v = (1 + i)^(−1/12),

    with the discount rate i of a year. Points p of the index change every hazard by the coefficient b a point: with
    the logit link the odds, h′/(1 − h′) = e^{bp} h/(1 − h); with the complementary log–log link, and for Cox's model,
    the hazard ratio, 1 − h′ = (1 − h)^{e^{bp}}. The worth is V(h′) − V(h).

    V(h′) falls as b rises, for every member, so that the interval of the worth, of one and of all, runs between its
    values at the two ends b ± z·SE of the interval of the coefficient. The standard error is by the delta method,
    SE · |dV(h′)/db|. Hazards, margin and the effect as a cause are taken as given.

    Parameters
    ----------
    coefficient : float
        Change of the log odds or log hazard of leaving in a month, a point of the index: below zero where satisfied
        members stay.
    std_error : float
        Its standard error, from 0.
    baseline_hazard : array-like of float, shape (n,) or (n, months)
        Probability of leaving in a month at today's index, 0–1: one for all months, or a column for each month to come,
        at least `horizon_months` of them.
    monthly_margin : float or array-like of float, shape (n,)
        Margin of a month, from 0, in money.
    annual_discount_rate : float
        Discount rate of a year, from 0: 0.1 is ten per cent.
    horizon_months : int, default 36
        Months that count.
    points : float, default 1
        Points by which the index rises, or falls where negative.
    link : {"logit", "cloglog"}, default "logit"
        How the coefficient acts; as in `panel_hazard`.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    IndexPointWorth
        Worth by member and in total.

    Raises
    ------
    ParameterError
        If arguments are out of range or of different lengths: every problem.
    DataFloorError
        If there is no member.

    References
    ----------
    .. [1] Gupta, S., Lehmann, D. R. & Stuart, J. A. (2004). Valuing customers. Journal of Marketing Research 41(1),
       7–18 (value from retention, margin and discount rate).
    .. [2] Singer, J. D. & Willett, J. B. (1993). It's about time: using discrete-time survival analysis to study
       duration and the timing of events. Journal of Educational Statistics 18(2), 155–195 (the monthly hazard).

    Examples
    --------
    Half leave in a month, the odds of 1 fall to 1/3 and so the hazard to 1/4; two months at 100, not discounted:
    100 · (0.5 + 0.25) before, 100 · (0.75 + 0.5625) after.

    >>> worth = index_point_worth(-np.log(3), 0.0, baseline_hazard=[0.5], monthly_margin=100,
    ...                           annual_discount_rate=0.0, horizon_months=2)
    >>> worth.members.round(2).to_numpy().tolist()
    [[75.0, 131.25, 56.25, 56.25, 56.25]]
    """
    where = "index_point_worth"
    problems = []
    if not is_number(coefficient):
        problems.append(f"coefficient must be a number, and is {coefficient!r}")
    if not (is_number(std_error) and std_error >= 0):
        problems.append(f"std_error must be a number of at least 0, and is {std_error!r}")
    if not (is_number(annual_discount_rate) and annual_discount_rate >= 0):
        problems.append(
            f"annual_discount_rate must be a number of at least 0 (0.1 is ten per cent), and is "
            f"{annual_discount_rate!r}"
        )
    if not is_number(points):
        problems.append(f"points must be a number, and is {points!r}")
    if link not in LINKS:
        problems.append(f"link must be one of {list(LINKS)}, and is {link!r}")
    problems += count_problems("horizon_months", horizon_months, least=1) + level_problems(level)
    raise_problems(where, problems)

    from scipy.stats import norm

    reach = norm.ppf((1 + level) / 2) * std_error
    if (abs(coefficient) + reach) * abs(points) > _LARGEST_SHIFT:
        problems.append(
            f"coefficient and std_error ({coefficient:g}, {std_error:g}) times points ({points:g}) are beyond "
            f"{_LARGEST_SHIFT:g} on the log scale; give them a point of the index"
        )
    hazard = _read_hazards(baseline_hazard, horizon_months, problems)
    margin = _read_margin(monthly_margin, len(hazard), problems)
    problems += index_problems(baseline_hazard=baseline_hazard, monthly_margin=monthly_margin)
    raise_problems(where, problems)
    if not len(hazard):
        raise DataFloorError(f"{where} needs members; there is none.")
    discount = (1 + annual_discount_rate) ** (-np.arange(1, horizon_months + 1) / 12)
    before = margin * _present(hazard, 0.0, link, discount)[0]
    after, slope = (margin * part for part in _present(hazard, coefficient * points, link, discount))
    ends = np.sort(
        [margin * _present(hazard, (coefficient + sign * reach) * points, link, discount)[0] for sign in (-1, 1)],
        axis=0,
    )
    index = baseline_hazard.index if isinstance(baseline_hazard, pd.Series | pd.DataFrame) else None
    changes = [after - before, *(ends - before)]
    members = pd.DataFrame(dict(zip(_VALUES, [before, after, *changes], strict=True)), index=index)
    total, low, high = (float(change.sum()) for change in changes)
    return IndexPointWorth(
        members=members,
        total=total,
        total_low=low,
        total_high=high,
        total_std_error=float(abs(slope.sum() * points) * std_error),
        points=float(points),
        horizon_months=int(horizon_months),
        level=level,
    )


def _read_hazards(given: Any, months: int, problems: list[str]) -> np.ndarray:
    """Hazards, shape (n, 1) where they are the same in all months, else (n, months)."""
    if np.ndim(given) not in (1, 2):
        problems.append(
            f"baseline_hazard must be one hazard a member, or a row of months each, and has {np.ndim(given)} dimensions"
        )
        return np.full((0, 1), np.nan)
    shape = np.shape(given)
    if len(shape) == 2 and shape[1] < months:
        problems.append(
            f"baseline_hazard has {shape[1]} months, fewer than horizon_months ({months}); shorten the "
            "horizon, or give one hazard a member"
        )
    flat = given if len(shape) == 1 else np.asarray(given).ravel()
    hazard = as_numbers(flat, "baseline_hazard", problems).reshape(shape if len(shape) == 2 else (-1, 1))[:, :months]
    if (bad := ((hazard < 0) | (hazard > 1)).any(axis=1)).any():
        problems.append(
            f"baseline_hazard must lie between 0 and 1, and does not for {bad.sum():,} of {len(bad):,} members "
            f"(at positions {first_rows(bad)})"
        )
    return hazard


def _read_margin(given: Any, size: int, problems: list[str]) -> np.ndarray:
    if is_number(given):
        margin = np.full(size, float(given))
    else:
        margin = as_numbers(np.atleast_1d(given), "monthly_margin", problems)
    if len(margin) != size:
        problems.append(
            f"baseline_hazard has {size:,} members and monthly_margin {len(margin):,}; give one of each, or one margin "
            "for all"
        )
    if (bad := margin < 0).any():
        problems.append(
            f"monthly_margin must be 0 or more, and {bad.sum():,} are below (at positions {first_rows(bad)})"
        )
    return margin


def _present(hazard: np.ndarray, shift: float, link: str, discount: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ v^t S_t with the hazards shifted on the scale of the link, and its derivative by the shift; each shape (n,)."""
    ratio = np.exp(shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        if link == "logit":
            odds = ratio * hazard
            stay = (1 - hazard) / (1 - hazard + odds)
            # d log(1 − h′)/d shift = −h′.
            change = stay - 1
        else:
            log_stay = ratio * np.log1p(-hazard)
            stay, change = np.exp(log_stay), log_stay
    value, slope = np.zeros(len(hazard)), np.zeros(len(hazard))
    survival, moved = np.ones(len(hazard)), np.zeros(len(hazard))
    # Month by month, so that a million members need no table of months.
    for month, factor in enumerate(discount):
        column = month if hazard.shape[1] > 1 else 0
        survival = survival * stay[:, column]
        moved = moved + change[:, column]
        value += factor * survival
        # Who leaves for certain is gone whatever the shift.
        slope += factor * np.multiply(survival, moved, out=np.zeros(len(hazard)), where=survival > 0)
    return value, slope
