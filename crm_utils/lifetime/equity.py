"""Customer equity (客户资产): what all customers, today's and tomorrow's, are worth, and what moves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, raise_problems
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.lifetime.ahead import Ahead
from crm_utils.lifetime.histories import HISTORY
from crm_utils.lifetime.purchases import PERIODS_PER_YEAR
from crm_utils.lifetime.spend import GammaGammaResults
from crm_utils.lifetime.values import LifetimeValues
from crm_utils.plotting import describe, draw_intervals, money, money_axis, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Where the propensity to drop out is looked for, as a factor: from next to nothing to a thousand times.
_LEAST_EFFECT, _MOST_EFFECT = np.log(1e-6), np.log(1e3)


@dataclass(frozen=True, eq=False)
class CustomerEquity:
    """Customer equity and its sensitivities, as from `customer_equity`.

    Attributes
    ----------
    components : pandas.DataFrame
        One row a component: ``component``, ``value``, ``low``, ``high``. Components are the current customers, the
        future customers, their sum (equity), and one new customer: what she is worth over the horizon, first purchase
        included and cost of acquisition deducted.
    yearly_retention : float
        Expected share of the customers alive today who are so a year from now.
    sensitivities : pandas.DataFrame
        One row a driver: ``driver``, ``from``, ``to`` (its value before and after an improvement by one point, or by
        one per cent for the cost of acquisition), ``difference`` in equity with ``low`` and ``high``, ``share`` of
        equity, and ``elasticity``: per cent of equity for one per cent improvement of the driver.
    level : float
        Confidence level of the intervals.
    """

    components: pd.DataFrame
    yearly_retention: float
    sensitivities: pd.DataFrame
    level: float

    def plot_sensitivities(self, *, ax: Axes | None = None) -> Axes:
        """Draw what each improvement adds to equity; `sensitivities` has the numbers.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.
        """
        table = self.sensitivities.sort_values("difference", ascending=False)
        templates = {
            "retention": tr("retention {before:.1%} → {after:.1%}"),
            "margin": tr("margin {before:.1%} → {after:.1%}"),
            "discount rate": tr("discount rate {before:.1%} → {after:.1%}"),
            "acquisition cost": tr("acquisition cost {before} → {after}"),
        }
        names = []
        for driver, *ends in zip(table["driver"], table["from"], table["to"], strict=True):
            before, after = map(_cost, ends) if driver == "acquisition cost" else ends
            names.append(templates[driver].format(before=before, after=after))
        ax = new_axes(ax)
        signed = partial(money, signed=True)
        draw_intervals(ax, names, table["difference"], table["low"], table["high"], template=signed)
        ax.axvline(0, color="black", linewidth=0.8)
        money_axis(ax.xaxis)
        ax.set(
            xlabel=tr("Added customer equity, with {level:.0%} interval").format(level=self.level),
            title=tr("What a small improvement is worth"),
        )
        listed = "; ".join(f"{name}: {signed(number)}" for name, number in zip(names, table["difference"], strict=True))
        return describe(ax, tr("Customer equity added by small improvements. {listed}.").format(listed=listed))


def _cost(amount: float) -> str:
    """Write a cost so that a change of one per cent shows."""
    return f"{amount:,.4g}" if amount < 10_000 else money(amount)


def customer_equity(
    valued: LifetimeValues,
    *,
    new_customers_per_year: float,
    acquisition_cost: float,
    acquisition_years: float = 3,
    step: float = 0.01,
) -> CustomerEquity:
    """Add up what current and future customers are worth, and tell what moves the sum.

    Future customers come evenly over the years given; each is valued over the same horizon from her first purchase,
    like all customers on average, and costs what it costs to win her. All is discounted to today.

    Parameters
    ----------
    valued : LifetimeValues
        Values of the current customers, from `customer_lifetime_value`, with an interval.
    new_customers_per_year : float
        Customers won a year, 0 or more.
    acquisition_cost : float
        Cost of winning one, 0 or more, in the currency of the spend.
    acquisition_years : float, default 3
        Years of acquisition that count, 0 or more.
    step : float, default 0.01
        Size of the improvements: points of retention, margin and discount rate, share of the acquisition cost; above 0
        and at most 0.1.

    Returns
    -------
    CustomerEquity
        Components and sensitivities, with intervals for the uncertainty of the estimates.

    Raises
    ------
    ParameterError
        If an argument is out of range, or the values have no draws or covariates: every problem.

    Notes
    -----
    Retention is no parameter of a purchase model. A point more of it is a propensity to drop out, from today on, that
    is lower for every customer by one factor, such that the expected share of those alive today who are so in a year
    rises by a point. Discount rates that would fall below zero are zero, and margins that would rise above one are one.

    References
    ----------
    Blattberg, R. C. & Deighton, J. (1996). Manage marketing by the customer equity test. *Harvard Business Review*
    74(4), 136–144. Gupta, S., Lehmann, D. R. & Stuart, J. A. (2004). Valuing customers. *Journal of Marketing Research*
    41(1), 7–18.

    Examples
    --------
    >>> from crm_utils.lifetime import BetaGeoNBD, customer_lifetime_value
    >>> purchases = BetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10] * 20,
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50] * 20,
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52] * 20,
    ... )
    >>> valued = customer_lifetime_value(purchases, 80.0, horizon_months=12, annual_discount_rate=0.1, margin=0.4)
    >>> equity = customer_equity(valued, new_customers_per_year=100, acquisition_cost=30)
    >>> equity.components["component"].tolist()
    ['current customers', 'future customers', 'equity', 'one new customer']
    >>> bool((equity.sensitivities["difference"] > 0).all())
    True
    """
    if not isinstance(valued, LifetimeValues):
        raise_problems(
            "customer_equity",
            [f"valued must be the result of customer_lifetime_value, and is {type(valued).__name__}"],
        )
    problems = [
        f"{name} must be a number of at least 0, and is {value!r}"
        for name, value in (
            ("new_customers_per_year", new_customers_per_year),
            ("acquisition_cost", acquisition_cost),
            ("acquisition_years", acquisition_years),
        )
        if not (is_number(value) and value >= 0)
    ]
    if not (is_number(step) and 0 < step <= 0.1):
        problems.append(f"step must be above 0 and at most 0.1, and is {step!r}")
    if valued.purchases.has_covariates:
        problems.append("valued comes from a model with covariates, and future customers have none; fit without them")
    if not len(valued.total_draws):
        problems.append("valued has no draws; compute the values with an interval")
    raise_problems("customer_equity", problems)
    scene = _Scene(valued, new_customers_per_year, acquisition_cost, acquisition_years, step)
    base = scene.components()

    before = scene.yearly_retention(0.0)
    effect = scene.effect_of(min(before + step, 1.0))
    rate = valued.annual_discount_rate
    changes = {
        "retention": ((before, scene.yearly_retention(effect)), {"dropout_effect": effect}),
        "margin": ((scene.margin, scene.margin + scene.more_margin), {"better_margin": True}),
        "discount rate": ((rate, max(rate - step, 0.0)), {"annual_discount_rate": max(rate - step, 0.0)}),
        "acquisition cost": (
            (acquisition_cost, acquisition_cost * (1 - step)),
            {"acquisition_cost": acquisition_cost * (1 - step)},
        ),
    }
    rows = []
    for driver, ((old, new), change) in changes.items():
        gains = scene.components(**change)[:, 2] - base[:, 2]
        low, high = percentile_interval(gains[1:, None], level=valued.level)
        relative = abs(new - old) / old if old > 0 else np.nan
        share = gains[0] / base[0, 2] if base[0, 2] > 0 else np.nan
        rows.append(
            {
                "driver": driver,
                "from": old,
                "to": new,
                "difference": gains[0],
                "low": low[0],
                "high": high[0],
                "share": share,
                "elasticity": share / relative if relative else np.nan,
            }
        )
    low, high = percentile_interval(base[1:], level=valued.level)
    names = ["current customers", "future customers", "equity", "one new customer"]
    components = pd.DataFrame({"component": names, "value": base[0], "low": low, "high": high})
    return CustomerEquity(
        components=components,
        yearly_retention=before,
        sensitivities=pd.DataFrame(rows),
        level=valued.level,
    )


class _Scene:
    """The company as it is, and what equity becomes when one thing changes."""

    def __init__(self, valued: LifetimeValues, per_year: float, acquisition_cost: float, years: float, step: float):
        self._valued, self._per_year, self._cost, self._years = valued, per_year, acquisition_cost, years
        self._fit = valued.purchases
        self._estimate = self._fit.params.to_numpy()
        modelled = isinstance(valued.spend, GammaGammaResults)
        spend = valued.spend.params.to_numpy() if modelled else np.empty(0)
        self._draws = [(self._estimate, spend), *valued._draws]
        if modelled:
            self._first_spend = np.array([p * gamma / (q - 1) for _, (p, q, gamma) in self._draws])
        else:
            known = np.average(valued.by_customer["expected_spend"], weights=self._fit.weights)
            self._first_spend = np.full(len(self._draws), known)
        self._share = valued.by_customer["margin"].to_numpy()
        self._more_share = np.minimum(self._share + step, 1.0) - self._share
        self.margin, self.more_margin = (
            float(np.average(share, weights=self._fit.weights)) for share in (self._share, self._more_share)
        )
        self._of_year = PERIODS_PER_YEAR[self._fit.model.unit]
        self._known: dict[tuple[float, float], np.ndarray] = {}
        self._histories = [self._fit.histories[name].to_numpy() for name in HISTORY]
        self._alive = valued.by_customer["p_alive"].to_numpy() * self._fit.weights

    def yearly_retention(self, dropout_effect: float) -> float:
        """Expected share of those alive today who are so in a year."""
        model = self._fit.model
        changed = model._with_covariates(self._estimate, 0.0, dropout_effect)
        x, _, age = self._histories
        return float(np.average(model._stays_if_alive(changed, x, age, self._of_year), weights=self._alive))

    def effect_of(self, retention: float) -> float:
        """Change of dropout, as the logarithm of a factor, that leads to a yearly retention."""
        from scipy.optimize import brentq

        def gap(effect: float) -> float:
            return self.yearly_retention(effect) - retention

        # Where nobody ever leaves, there is no point left to gain.
        if gap(_LEAST_EFFECT) <= 0:
            return float(_LEAST_EFFECT)
        return float(brentq(gap, _LEAST_EFFECT, _MOST_EFFECT, xtol=1e-10))

    def components(
        self,
        *,
        annual_discount_rate: float | None = None,
        dropout_effect: float = 0.0,
        better_margin: bool = False,
        acquisition_cost: float | None = None,
    ) -> np.ndarray:
        """Current customers, future customers and their sum: at the estimates, then one row a draw."""
        yearly = self._valued.annual_discount_rate if annual_discount_rate is None else annual_discount_rate
        rate = float(np.log1p(yearly)) / self._of_year
        current, more = self._current(rate, dropout_effect)
        margin = self.margin
        if better_margin:
            current, margin = current + more, margin + self.more_margin
        cost = self._cost if acquisition_cost is None else acquisition_cost
        won = margin * self._first_spend * (1 + self._repeats_of_new(rate, dropout_effect)) - cost
        # Customers come evenly over the years: ∫exp(−δt)dt.
        span = rate * self._years * self._of_year
        future = self._per_year * self._years * (-np.expm1(-span) / span if span else 1.0) * won
        return np.column_stack([current, future, current + future, won])

    def _current(self, rate: float, dropout_effect: float) -> np.ndarray:
        """Discounted margin of the current customers, and what a better margin adds; the estimates first."""
        if (rate, dropout_effect) not in self._known:
            weights, spend_of = self._fit.weights, self._valued._of_customer
            ahead = Ahead(self._fit, horizon=self._valued._ahead.horizon, rate=rate)
            sums = []
            for number, (params, spend) in enumerate(self._draws):
                # The values of the customers are exact at the estimates, and their sum has to be this one.
                bought = ahead(params, dropout_effect=dropout_effect, exact=number == 0)[ahead.place]
                revenue = bought * spend_of.expected(spend)
                sums.append((weights @ (revenue * self._share), weights @ (revenue * self._more_share)))
            self._known[rate, dropout_effect] = np.array(sums).T
        return self._known[rate, dropout_effect]

    def _repeats_of_new(self, rate: float, dropout_effect: float) -> np.ndarray:
        """Discounted repeat purchases to expect of a customer just won."""
        model, nothing = self._fit.model, np.zeros(1)
        repeats = []
        for params, _ in self._draws:
            changed = model._with_covariates(params, 0.0, dropout_effect)
            stays = model._p_alive(changed, nothing, nothing, nothing)
            ahead = model._discounted_if_alive(changed, nothing, nothing, self._valued._ahead.horizon, rate)
            repeats.append(float(stays[0] * ahead[0]))
        return np.array(repeats)
