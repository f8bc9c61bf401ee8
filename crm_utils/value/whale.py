"""Customer profit after cost to serve, and the whale curve of its accumulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    as_values,
    customer_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
)
from crm_utils.intervals import bootstrap, percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def customer_profit(
    summary: pd.DataFrame,
    interactions: pd.DataFrame | None = None,
    *,
    cost_per_order: float = 0.0,
    customer_col: str = "customer_id",
    margin_col: str = "margin",
    orders_col: str = "orders",
    cost_col: str = "cost",
) -> pd.DataFrame:
    """Profit of each customer: margin less the cost to serve.

    Parameters
    ----------
    summary : pandas.DataFrame
        One row a customer with margin and number of orders, such as a purchase summary.
    interactions : pandas.DataFrame, optional
        One row a contact with customer and cost, in the currency of the margin and of the same period.
    cost_per_order : float, default 0.0
        Cost of handling one order, not below zero.
    customer_col, margin_col, orders_col, cost_col : str
        Columns.

    Returns
    -------
    pandas.DataFrame
        One row a customer: the customer column, ``margin``, ``cost_to_serve`` and ``profit``. Customers who only
        contacted the company follow at the end with a margin of 0. ``attrs["customers_without_purchase_record"]``
        counts those; ``attrs["unassigned_cost"]`` is the cost of contacts without a customer, which is in no row;
        ``attrs["interactions_without_cost"]`` counts contacts without a cost, which count as 0.

    Raises
    ------
    ParameterError
        If columns or numbers are unusable.

    Examples
    --------
    >>> summary = pd.DataFrame({"customer_id": ["a", "b"], "margin": [50.0, 8.0], "orders": [4, 1]})
    >>> calls = pd.DataFrame({"customer_id": ["b", "b", "c", None], "cost": [6.0, 3.0, 2.0, 5.0]})
    >>> profit = customer_profit(summary, calls, cost_per_order=2.0)
    >>> profit
      customer_id  margin  cost_to_serve  profit
    0           a    50.0            8.0    42.0
    1           b     8.0           11.0    -3.0
    2           c     0.0            2.0    -2.0
    >>> profit.attrs["unassigned_cost"]
    5.0
    """
    problems: list[str] = []
    if not 0 <= cost_per_order < np.inf:
        problems.append(f"cost_per_order must be a number of at least 0, and is {cost_per_order!r}")
    absent = missing_columns(summary, (customer_col, margin_col, orders_col), "summary")
    if not absent:
        problems += customer_problems(summary, customer_col, "summary")
        margin = as_numbers(summary[margin_col], f"summary.{margin_col}", problems)
        orders = as_numbers(summary[orders_col], f"summary.{orders_col}", problems)
    contacts = pd.DataFrame({customer_col: [], cost_col: []}) if interactions is None else interactions
    absent_from_contacts = missing_columns(contacts, (customer_col, cost_col), "interactions")
    without_cost = 0
    if not absent_from_contacts:
        without_cost = int(contacts[cost_col].isna().sum())
        cost = as_numbers(contacts[cost_col].fillna(0), f"interactions.{cost_col}", problems)
    raise_problems("customer_profit", [*absent, *absent_from_contacts, *problems])

    nobody = contacts[customer_col].isna().to_numpy()
    cost_of_contacts = pd.Series(cost[~nobody]).groupby(contacts[customer_col].to_numpy()[~nobody]).sum()
    only_contacts = cost_of_contacts.index.difference(summary[customer_col])
    customers = [*summary[customer_col], *only_contacts]
    without_orders = np.zeros(len(only_contacts))
    margin = np.concatenate([margin, without_orders])
    handling = cost_per_order * np.concatenate([orders, without_orders])
    cost_to_serve = cost_of_contacts.reindex(customers).fillna(0).to_numpy(dtype=float) + handling
    result = pd.DataFrame(
        {customer_col: customers, "margin": margin, "cost_to_serve": cost_to_serve, "profit": margin - cost_to_serve}
    )
    result.attrs["customers_without_purchase_record"] = len(only_contacts)
    result.attrs["unassigned_cost"] = float(cost[nobody].sum())
    result.attrs["interactions_without_cost"] = without_cost
    return result


def whale_curve(profits: Any) -> pd.DataFrame:
    """Whale curve: cumulative profit from the most to the least profitable customer.

    The curve rises while customers bring profit and falls where they cost more than they bring; its peak is what the
    profitable customers earn before the others eat into it.

    Parameters
    ----------
    profits : one-dimensional array-like
        Profit of each customer, in any currency and order.

    Returns
    -------
    pandas.DataFrame
        One row a customer after a first row of zeros: ``customers_share``, ``profit`` of that customer (NaN in the
        first row), ``cumulative_profit`` and ``cumulative_share`` of the total profit (NaN where the total is not
        above zero).

    Raises
    ------
    ParameterError
        If profits are missing, infinite or not numbers.

    References
    ----------
    Cooper, R. & Kaplan, R. S. (1991). Profit priorities from activity-based costing. *Harvard Business Review* 69(3),
    130–135.

    Examples
    --------
    >>> whale_curve([60, -30, 70])
       customers_share  profit  cumulative_profit  cumulative_share
    0         0.000000     NaN                0.0               0.0
    1         0.333333    70.0               70.0               0.7
    2         0.666667    60.0              130.0               1.3
    3         1.000000   -30.0              100.0               1.0
    """
    ordered = np.sort(as_values(profits, "whale_curve", positive_total=False))[::-1]
    cumulative = np.concatenate([[0.0], np.cumsum(ordered)])
    total = cumulative[-1]
    return pd.DataFrame(
        {
            "customers_share": np.arange(len(cumulative)) / len(ordered),
            "profit": np.concatenate([[np.nan], ordered]),
            "cumulative_profit": cumulative,
            "cumulative_share": cumulative / total if total > 0 else np.full(len(cumulative), np.nan),
        }
    )


def whale_table(curve: pd.DataFrame, *, n_boot: int = 1000, level: float = 0.95, seed: int = 7) -> pd.DataFrame:
    """Key numbers of a whale curve, each with a bootstrap percentile interval.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `whale_curve`.
    n_boot : int, default 1000
        Bootstrap replicates over customers.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        ``measure``, ``value``, ``low``, ``high`` for ``total_profit`` (currency), ``peak_profit_share`` (profit of the
        profitable customers over total profit), ``profitable_customers_share``, ``loss_of_unprofitable`` (currency,
        a positive number) and ``loss_share`` (that loss over total profit). Shares of a total that is not above zero
        are NaN.

    Examples
    --------
    >>> whale_table(whale_curve([60, -30, 70]), n_boot=100)[["measure", "value"]]
                          measure       value
    0                total_profit  100.000000
    1           peak_profit_share    1.300000
    2  profitable_customers_share    0.666667
    3        loss_of_unprofitable   30.000000
    4                  loss_share    0.300000
    """
    raise_problems("whale_table", [*missing_columns(curve, ("profit",), "curve"), *resampling_problems(n_boot, level)])
    profit = curve["profit"].to_numpy()[1:]
    parts = np.column_stack([np.maximum(profit, 0), np.maximum(-profit, 0), profit > 0]).astype(float)

    def measures(counts: np.ndarray) -> np.ndarray:
        gain, loss, profitable = counts @ parts
        total = gain - loss
        shares = (gain / total, loss / total) if total > 0 else (np.nan, np.nan)
        return np.array([total, shares[0], profitable / len(profit), loss, shares[1]])

    low, high = percentile_interval(bootstrap(measures, len(profit), n_boot=n_boot, seed=seed), level=level)
    names = ["total_profit", "peak_profit_share", "profitable_customers_share", "loss_of_unprofitable", "loss_share"]
    return pd.DataFrame({"measure": names, "value": measures(np.ones(len(profit))), "low": low, "high": high})


def plot_whale(curve: pd.DataFrame, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """Draw a whale curve with its peak and the loss behind it.

    Parameters
    ----------
    curve : pandas.DataFrame
        Result of `whale_curve`. Where the total profit is not above zero, the axis shows money, not shares.
    currency : str, default ""
        Unit of profit, for labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    whale_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter, StrMethodFormatter

    raise_problems(
        "plot_whale",
        missing_columns(curve, ("customers_share", "profit", "cumulative_profit", "cumulative_share"), "curve"),
    )
    in_shares = curve["cumulative_share"].notna().all()
    x = curve["customers_share"].to_numpy()
    y = curve["cumulative_share" if in_shares else "cumulative_profit"].to_numpy()
    peak = int((curve["profit"] > 0).sum())
    template = "{:.0%}" if in_shares else "{:,.0f}" + (f" {currency}" if currency else "")
    height = float(np.ptp(y)) or 1.0
    ax = new_axes(ax)
    rise, fall = thinned(peak + 1), peak + thinned(len(y) - peak)
    ax.plot(x[rise], y[rise], color=PALETTE[0])
    ax.plot(x[fall], y[fall], color=PALETTE[3])
    ax.fill_between(x[fall], y[fall], y[peak], color=PALETTE[3], alpha=0.15, linewidth=0)
    ax.axhline(y[-1], color=MUTED, linewidth=1, linestyle="--")
    ax.plot(x[peak], y[peak], "o", color=PALETTE[0], markersize=6)
    ax.annotate(
        tr("Peak {peak}: {customers:.0%} of customers bring profit").format(
            peak=template.format(y[peak]), customers=x[peak]
        ),
        (x[peak], y[peak]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if x[peak] > 0.5 else "left",
        color=PALETTE[0],
    )
    ax.annotate(
        tr("total profit {total}").format(total=template.format(y[-1])),
        (1, y[-1]),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color="#5A5F67",
    )
    ax.set(
        xlim=(0, 1),
        ylim=(y.min() - (0.1 * height if y.min() < 0 else 0), y.max() + 0.12 * height),
        xlabel=tr("Share of customers, from the most profitable"),
        title=tr("Whale curve of cumulative profit"),
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    if in_shares:
        ax.set_ylabel(tr("Cumulative share of total profit"))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    else:
        label = tr("Cumulative profit")
        ax.set_ylabel(f"{label} ({currency})" if currency else label)
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return describe(
        ax,
        tr(
            "Whale curve: profit rises to {peak} over the {customers:.0%} of customers who bring profit, "
            "and ends at {total}."
        ).format(peak=template.format(y[peak]), customers=x[peak], total=template.format(y[-1])),
    )
