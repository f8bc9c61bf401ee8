"""ABC analysis: customers in three classes by their cumulative share of value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, customer_problems, missing_columns, raise_problems
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABC_CLASSES = ("A", "B", "C")

# Cumulative sums carry rounding errors; a customer who starts exactly at a cut point must not slip below it.
_ROUNDING = 1e-12


def abc(
    values_frame: pd.DataFrame,
    *,
    value_col: str = "revenue",
    customer_col: str = "customer_id",
    cuts: tuple[float, float] = (0.8, 0.95),
) -> pd.DataFrame:
    """Put customers into classes A, B and C by cumulative share of value.

    Customers are sorted by value, largest first. A customer is A when the share held by those *before* stays below the
    first cut, B when it stays below the second, else C; so there is always an A. Customers of equal value share a
    class, the one of the first of them. A value of zero or less is always C: whoever stands before already holds the
    whole total.

    Parameters
    ----------
    values_frame : pandas.DataFrame
        One row a customer, such as a purchase summary.
    value_col : str, default "revenue"
        Column of values, in any unit; the total must be above zero.
    customer_col : str, default "customer_id"
        Column of customers.
    cuts : tuple of float, default (0.8, 0.95)
        Cumulative shares that end A and B; ``0 < first < second <= 1``.

    Returns
    -------
    pandas.DataFrame
        One row a customer by value, largest first (ties in the order given): the customer column, ``value``,
        ``cumulative_share`` (up to and with this customer, of the net total) and ``abc_class``.

    Raises
    ------
    ParameterError
        If columns are missing, customers repeat, values are unusable or the cuts are out of order.

    References
    ----------
    Dickie, H. F. (1951). ABC inventory analysis shoots for dollars, not pennies. *Factory Management and
    Maintenance* 109(7), 92–94.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": ["u", "v", "w", "x"], "revenue": [15, 80, 5, 0]})
    >>> abc(frame)
      customer_id  value  cumulative_share abc_class
    0           v   80.0              0.80         A
    1           u   15.0              0.95         B
    2           w    5.0              1.00         C
    3           x    0.0              1.00         C
    """
    problems = missing_columns(values_frame, (customer_col, value_col), "values_frame")
    if len(cuts) != 2 or not 0 < cuts[0] < cuts[1] <= 1:
        problems.append(f"cuts must be two shares with 0 < first < second <= 1, and are {cuts!r}")
    if customer_col in values_frame:
        problems += customer_problems(values_frame, customer_col, "values_frame")
    if value_col in values_frame:
        given = as_numbers(values_frame[value_col], value_col, problems)
        if not np.nansum(given) > 0:
            problems.append(f"the total of {value_col} is {np.nansum(given):g}; shares of it need a total above zero")
    raise_problems("abc", problems)

    order = np.argsort(-given, kind="stable")
    value = given[order]
    cumulative = np.cumsum(value) / value.sum()
    first_of_ties = np.searchsorted(-value, -value, side="left")
    before = np.concatenate([[0.0], cumulative])[first_of_ties]
    position = (before >= cuts[0] - _ROUNDING).astype(int) + (before >= cuts[1] - _ROUNDING)
    return pd.DataFrame(
        {
            customer_col: values_frame[customer_col].iloc[order].reset_index(drop=True),
            "value": value,
            "cumulative_share": cumulative,
            "abc_class": pd.Categorical.from_codes(position, categories=list(ABC_CLASSES)),
        }
    )


def abc_table(result: pd.DataFrame) -> pd.DataFrame:
    """Size and value of the three classes.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `abc`.

    Returns
    -------
    pandas.DataFrame
        One row a class, empty ones too: ``abc_class``, ``customers``, ``customer_share``, ``value``, ``value_share``
        and ``mean_value`` (NaN for an empty class).

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": ["u", "v", "w", "x"], "revenue": [15, 80, 5, 0]})
    >>> abc_table(abc(frame))
      abc_class  customers  customer_share  value  value_share  mean_value
    0         A          1            0.25   80.0         0.80        80.0
    1         B          1            0.25   15.0         0.15        15.0
    2         C          2            0.50    5.0         0.05         2.5
    """
    raise_problems("abc_table", missing_columns(result, ("value", "abc_class"), "result"))
    classes = pd.Categorical(result["abc_class"], categories=list(ABC_CLASSES))
    grouped = result["value"].groupby(classes, observed=False)
    customers, value = grouped.size(), grouped.sum()
    return pd.DataFrame(
        {
            "abc_class": list(ABC_CLASSES),
            "customers": customers.to_numpy(),
            "customer_share": (customers / customers.sum()).to_numpy(),
            "value": value.to_numpy(),
            "value_share": (value / value.sum()).to_numpy(),
            "mean_value": grouped.mean().to_numpy(),
        }
    )


def plot_abc(result: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the cumulative share of value, largest customers first, with the three classes.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `abc`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    abc_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter

    table = abc_table(result).set_index("abc_class")
    ax = new_axes(ax)
    x = np.arange(len(result) + 1) / len(result)
    y = np.concatenate([[0.0], result["cumulative_share"]])
    ends = np.concatenate([[0], table["customers"].cumsum()])
    sentences = []
    for name, start, end, color in zip(ABC_CLASSES, ends[:-1], ends[1:], PALETTE, strict=False):
        if start == end:
            continue
        part = start + thinned(end - start + 1)
        ax.fill_between(x[part], y[part], color=color, alpha=0.25, linewidth=0)
        ax.plot(x[part], y[part], color=color, linewidth=2.4)
        label = tr("{name}: {customers:.0%} of customers, {value:.0%} of value").format(
            name=name, customers=table.loc[name, "customer_share"], value=table.loc[name, "value_share"]
        )
        sentences.append(label)
        ax.text((x[start] + x[end]) / 2, 0.04, name, ha="center", va="bottom", weight="bold", size=13)
    ax.text(0.97, 0.55, "\n".join(sentences), ha="right", va="center", transform=ax.transAxes, linespacing=1.6)
    ax.set(
        xlim=(0, 1),
        ylim=(min(0.0, y.min()), 1.04 * y.max()),
        xlabel=tr("Share of customers, from the largest"),
        ylabel=tr("Cumulative share of value"),
        title=tr("ABC classes of customers"),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return describe(ax, tr("Cumulative share of value by class. {classes}.").format(classes="; ".join(sentences)))
