"""Every customer valued by the textbook's methods over one horizon, from what each brought period by period.

The tables of periods are those of `customer_periods`: one row a customer, one column a period, the axis of the columns
named for the length of a period, NaN before the first purchase. Money ahead is taken to come in the middle of its
period, and is discounted from there to today, the end of the last period.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, missing_columns, raise_problems
from crm_utils.lifetime.discounting import (
    migration_value,
    present_value,
    rate_problems,
    recency_chain,
    retention_value,
)
from crm_utils.lifetime.periods import (
    MONTHS_IN,
    customer_periods,
    recency_purchase_rates,
    repurchase_rates,
    silent_periods,
    whole_periods,
)
from crm_utils.lifetime.profit_curves import LEAST_PERIODS, PROFIT_CURVES, fit_profit_curves, history_problems

_MONTHS_A_YEAR = 12
# Quarters of silence after which the migration model takes a customer to be gone.
_MOST_STATES = 6


def naive_values(
    revenue: pd.DataFrame, *, horizon_months: int, annual_discount_rate: float, margin: float | pd.Series = 1.0
) -> pd.Series:
    """Value customers as if last year's margin went on unchanged: nobody leaves, nobody is won back.

    Parameters
    ----------
    revenue : pandas.DataFrame, shape (customers, periods)
        Revenue, or margin, of each customer by period, a year or more of them.
    horizon_months : int
        Months that count, from 1: a whole number of periods.
    annual_discount_rate : float
        Discount rate of a year, above −1; 0.1 is ten per cent.
    margin : float or pandas.Series, default 1
        Share of revenue that is margin: one number, or one a customer.

    Returns
    -------
    pandas.Series
        Named ``value``, with the index of `revenue`. A customer won within the year brought less than a year's worth,
        and is undervalued accordingly.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    Examples
    --------
    >>> revenue = pd.DataFrame([[100.0, 80.0], [None, 50.0]], index=["a", "b"]).rename_axis(columns="year")
    >>> naive_values(revenue, horizon_months=24, annual_discount_rate=0.1, margin=0.5).round(2).tolist()
    [72.81, 45.51]
    """
    ahead = _plan("naive_values", revenue, horizon_months, annual_discount_rate, margin)
    return (ahead.margin_a_period() * ahead.middle * present_value(np.ones(ahead.periods), **ahead.rates)).rename(
        "value"
    )


def retention_values(
    revenue: pd.DataFrame,
    *,
    retention_rate: float,
    horizon_months: int,
    annual_discount_rate: float,
    margin: float | pd.Series = 1.0,
) -> pd.Series:
    r"""Value customers who are lost for good once they leave: last year's margin, thinned by retention.

    Period :math:`k = 1, 2, …` ahead brings :math:`m\,r^k/(1+i)^{k-1/2}`, with i the discount rate of a period.

    Parameters
    ----------
    revenue : pandas.DataFrame, shape (customers, periods)
        Revenue, or margin, of each customer by period, a year or more of them. Years suit shops: in a shorter period a
        customer who stays away is seldom lost.
    retention_rate : float
        Share of customers who stay from one period to the next, from 0 to 1, such as a rate of `repurchase_rates` or
        state 1 of `recency_purchase_rates`, of the same period.
    horizon_months, annual_discount_rate, margin
        As in `naive_values`.

    Returns
    -------
    pandas.Series
        Named ``value``, with the index of `revenue`.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    References
    ----------
    Dwyer, F. R. (1989). Customer lifetime valuation to support marketing decision making. *Journal of Direct
    Marketing* 3(4), 8–15. The retention model, by customer.

    Examples
    --------
    >>> revenue = pd.DataFrame([[100.0, 80.0], [None, 50.0]], index=["a", "b"]).rename_axis(columns="year")
    >>> options = {"horizon_months": 24, "annual_discount_rate": 0.1, "margin": 0.5}
    >>> retention_values(revenue, retention_rate=0.6, **options).round(2).tolist()
    [35.36, 22.1]
    """
    ahead = _plan("retention_values", revenue, horizon_months, annual_discount_rate, margin)
    stays = retention_value(np.ones(ahead.periods), retention_rate=retention_rate, **ahead.rates)
    return (ahead.margin_a_period() * retention_rate * ahead.middle * stays).rename("value")


def migration_values(
    revenue: pd.DataFrame,
    purchase_periods: pd.DataFrame,
    *,
    rates: pd.DataFrame,
    horizon_months: int,
    annual_discount_rate: float,
    margin: float | pd.Series = 1.0,
) -> pd.Series:
    """Value customers who may pause and come back: a Markov chain over the periods since the last purchase.

    A customer starts from her present state; each period ahead brings her own mean margin of a period with a purchase,
    times the probability that the chain gives to a purchase.

    Parameters
    ----------
    revenue : pandas.DataFrame, shape (customers, periods)
        Revenue, or margin, of each customer by period.
    purchase_periods : pandas.DataFrame, shape (customers, periods)
        Purchases in the same periods of the same customers.
    rates : pandas.DataFrame
        Result of `recency_purchase_rates` for the same period: ``state`` and ``rate``, without gaps.
    horizon_months, annual_discount_rate, margin
        As in `naive_values`.

    Returns
    -------
    pandas.Series
        Named ``value``, with the index of `revenue`; 0 for customers silent for more periods than there are states.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    References
    ----------
    Pfeifer, P. E. & Carraway, R. L. (2000). Modeling customer relationships as Markov chains. *Journal of Interactive
    Marketing* 14(2), 43–55; after the migration model of Dwyer (1989).

    Examples
    --------
    >>> revenue = pd.DataFrame([[100.0, 80.0], [60.0, 0.0]], index=["a", "b"]).rename_axis(columns="year")
    >>> rates = pd.DataFrame({"state": ["1", "2", "gone"], "rate": [0.6, 0.2, 0.0]})
    >>> options = {"horizon_months": 24, "annual_discount_rate": 0.1, "margin": 0.5}
    >>> migration_values(revenue, revenue > 0, rates=rates, **options).round(2).tolist()
    [42.91, 8.84]
    """
    where = "migration_values"
    problems = missing_columns(rates, ("state", "rate"), "rates")
    if not (revenue.index.equals(purchase_periods.index) and revenue.columns.equals(purchase_periods.columns)):
        problems.append("revenue and purchase_periods must have the same customers and periods in the same order")
    if not problems and rates.loc[rates["state"] != "gone", "rate"].isna().any():
        problems.append("rates has a state that no customer was in, without a rate; make rates with fewer states")
    ahead = _plan(where, revenue, horizon_months, annual_discount_rate, margin, problems, least_months=1)
    bought = purchase_periods.to_numpy(dtype=float) > 0
    chances = rates.loc[rates["state"] != "gone", "rate"]
    chain = recency_chain(chances)
    buys = (chain.index == "1").astype(float)
    # The chain counts the period that is over, too, and discounts to its end.
    expected = migration_value(chain, buys, periods=ahead.periods, **ahead.rates) - buys
    state = silent_periods(bought)[:, -1]
    of_state = np.concatenate([[0.0], ahead.middle / ahead.step * expected])
    place = np.where(state > len(chances), len(chances) + 1, state)
    times = np.maximum(bought.sum(axis=1), 1)
    return (ahead.margins.sum(axis=1) / times * of_state[place]).rename("value")


def profit_curve_values(
    revenue: pd.DataFrame, *, horizon_months: int, annual_discount_rate: float, margin: float | pd.Series = 1.0
) -> pd.Series:
    """Value customers by the profit curve that lies nearest to the history of each, drawn on to the horizon.

    Parameters
    ----------
    revenue : pandas.DataFrame, shape (customers, periods)
        Revenue, or margin, of each customer by period, such as quarters.
    horizon_months, annual_discount_rate, margin
        As in `naive_values`.

    Returns
    -------
    pandas.Series
        Named ``value``, with the index of `revenue`. ``attrs["too_short"]`` counts the customers with fewer than four
        periods, whose mean goes on instead of a curve.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    See Also
    --------
    fit_profit_curves : the curves themselves.

    Examples
    --------
    >>> revenue = pd.DataFrame([[100.0, 80, 64, 51.2, 40.96]], index=["a"]).rename_axis(columns="year")
    >>> float(profit_curve_values(revenue, horizon_months=12, annual_discount_rate=0.21).iloc[0].round(2))
    29.79
    """
    ahead = _plan("profit_curve_values", revenue, horizon_months, annual_discount_rate, margin, least_months=1)
    curves = fit_profit_curves(ahead.margins)
    discounts = ahead.middle * ahead.step ** np.arange(ahead.periods)
    values = np.empty(len(curves))
    for family, shape in PROFIT_CURVES.items():
        chosen = (curves["family"] == family).to_numpy()
        periods, level, speed = (curves.loc[chosen, name].to_numpy()[:, None] for name in ("periods", "level", "speed"))
        values[chosen] = (level * shape(periods + np.arange(ahead.periods, dtype=float), speed)) @ discounts
    value = pd.Series(values, revenue.index, name="value")
    value.attrs["too_short"] = int((curves["periods"] < LEAST_PERIODS).sum())
    return value


class _Plan(NamedTuple):
    """Margins so far, and how what comes in the periods ahead is discounted."""

    margins: pd.DataFrame
    periods: int
    months: int
    rates: dict[str, float]

    @property
    def step(self) -> float:
        """Discount of one period."""
        return (1 + self.rates["annual_discount_rate"]) ** (-1 / self.rates["periods_per_year"])

    @property
    def middle(self) -> float:
        """Discount from the middle of the first period ahead."""
        return self.step**0.5

    def margin_a_period(self) -> pd.Series:
        """Mean margin of a period of the last year."""
        in_year = _MONTHS_A_YEAR // self.months
        return self.margins.iloc[:, -in_year:].sum(axis=1) / in_year


def _plan(
    where: str,
    revenue: pd.DataFrame,
    horizon_months: int,
    annual_discount_rate: float,
    margin: float | pd.Series,
    problems: list[str] | None = None,
    *,
    least_months: int = _MONTHS_A_YEAR,
) -> _Plan:
    problems = [] if problems is None else problems
    period = revenue.columns.name
    months = MONTHS_IN.get(period, 1)
    if period not in MONTHS_IN:
        problems.append(
            f"the axis of the columns must be named for the period ({', '.join(MONTHS_IN)}), as customer_periods names "
            f"it, and is named {period!r}; set it with rename_axis(columns=…)"
        )
    elif revenue.shape[1] * months < least_months:
        problems.append(f"revenue must cover {least_months} months or more, and has {revenue.shape[1]} of {months}")
    whole = isinstance(horizon_months, int | np.integer) and not isinstance(horizon_months, bool)
    if not whole or horizon_months < 1 or horizon_months % months:
        problems.append(
            f"horizon_months must be one period of {months} or a whole number of them, and is {horizon_months!r}"
        )
    rates = {"annual_discount_rate": annual_discount_rate, "periods_per_year": _MONTHS_A_YEAR / months}
    problems += rate_problems(**rates) + history_problems(revenue, "revenue")
    share = _shares(margin, revenue.index, problems)
    raise_problems(where, problems)
    return _Plan(revenue.mul(share, axis=0), horizon_months // months, months, rates)


def _shares(margin: Any, customers: pd.Index, problems: list[str]) -> np.ndarray:
    """Margin share of each customer."""
    if isinstance(margin, pd.Series):
        if (absent := ~customers.isin(margin.index)).any():
            problems.append(
                f"margin lacks {absent.sum():,} customers ({first_rows(absent, customers)}); give one for each"
            )
            return np.ones(len(customers))
        if not margin.index.is_unique:
            problems.append("margin names customers more than once; give one for each")
            return np.ones(len(customers))
        margin = margin.loc[customers]
    share = as_numbers(np.atleast_1d(margin), "margin", problems)
    if (share > 1).any():
        problems.append(f"margin is a share of revenue and at most 1, and goes up to {share.max():g}")
    return np.broadcast_to(share, len(customers)) if len(share) == 1 else share


def textbook_values(
    lines: Any, *, as_of: Any, horizon_months: int, annual_discount_rate: float, margin: float | pd.Series = 1.0
) -> pd.DataFrame:
    """Value every customer by four methods of the textbook, from order lines.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines as `crm_utils.purchase_summary` takes them, over a year or more.
    as_of : date-like
        Day of the valuation; lines on or after it are not used.
    horizon_months : int
        Months that count, from 3: a whole number of quarters.
    annual_discount_rate : float
        Discount rate of a year, above −1; 0.1 is ten per cent.
    margin : float or pandas.Series, default 1
        Share of revenue that is margin: one number, or one a customer.

    Returns
    -------
    pandas.DataFrame
        One row a customer, with the columns ``last year goes on`` (`naive_values`), ``retention`` (`retention_values`
        with the latest repurchase rate of a year, by years where the horizon is whole years, else by quarters with the
        fourth root of the rate; with that of a quarter where there are not two years), ``migration``
        (`migration_values` by quarters, with up to six states) and ``curve`` (`profit_curve_values` by quarters).

    Raises
    ------
    ParameterError
        If the input is unusable, or there is less than a year of lines.

    Examples
    --------
    >>> from crm_utils import load_company
    >>> values = textbook_values(
    ...     load_company().order_lines, as_of="2025-01-01", horizon_months=12, annual_discount_rate=0.1, margin=0.4)
    >>> list(values.columns)
    ['last year goes on', 'retention', 'migration', 'curve']
    """
    terms = {"horizon_months": horizon_months, "annual_discount_rate": annual_discount_rate, "margin": margin}
    bought = customer_periods(lines, as_of=as_of, period="quarter")
    spent = customer_periods(lines, as_of=as_of, period="quarter", measure="revenue")
    years = whole_periods(customer_periods(lines, as_of=as_of, period="year"), lines, as_of=as_of)
    kept_spent, kept, power = spent, bought, 1.0
    if years.shape[1] > 1:
        # A quarter without purchase is seldom a loss: the rate of a year says more, spread over its quarters.
        kept, power = years, 0.25
        if horizon_months % _MONTHS_A_YEAR == 0:
            kept_spent, power = customer_periods(lines, as_of=as_of, period="year", measure="revenue"), 1.0
    naive = naive_values(spent, **terms)
    latest = float(repurchase_rates(kept)["rate"].fillna(0).iloc[-1]) ** power
    chances = recency_purchase_rates(bought, states=min(_MOST_STATES, bought.shape[1] - 1))
    return pd.DataFrame(
        {
            "last year goes on": naive,
            "retention": retention_values(kept_spent, retention_rate=latest, **terms),
            "migration": migration_values(spent, bought, rates=chances.fillna({"rate": 0.0}), **terms),
            "curve": profit_curve_values(spent, **terms),
        }
    )
