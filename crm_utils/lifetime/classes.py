"""Two-way classes of customers: present by potential value, value by cost to serve, profitability by loyalty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, missing_columns, raise_problems
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, money_axis, new_axes, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOP = re.compile(r"top\s*(\d+(?:\.\d+)?)\s*%")
# Shares of the width or height: what each side of a cut line gets at least, and what stays free of points at the ends
# of x and y. The names of the classes go there.
_LEAST_SIDE = 0.24
_FREE = {"x": 0.03, "y": 0.16}
_NEAR = 0.03


@dataclass(frozen=True)
class CustomerClass:
    """One class of a two-way scheme: names, which axes are high (H) or low (L), and what to do with its customers.

    Attributes
    ----------
    key : str
        Name in results.
    name, chinese : str
        Name for readers, and the textbook's.
    pattern : str
        Two letters, one an axis.
    action : str
        What to do.
    """

    key: str
    name: str
    chinese: str
    pattern: str
    action: str


@dataclass(frozen=True)
class _Scheme:
    axes: tuple[str, str]
    labels: tuple[str, str]
    title: str
    classes: tuple[CustomerClass, ...]


VALUE_POTENTIAL_CLASSES = (
    CustomerClass("vip", "VIP", "贵宾型", "HH", "Keep close: best service, a person to call"),
    CustomerClass("improve", "to improve", "改进型", "LH", "Develop: find out what they buy elsewhere, and offer it"),
    CustomerClass("maintain", "to maintain", "维持型", "HL", "Serve well at a steady cost; do not push"),
    CustomerClass("let_go", "to let go", "放弃型", "LL", "Automatic service only; no money for keeping them"),
)
"""Classes by present and potential value."""

CUSTOMER_MATRIX = (
    CustomerClass("I", "I: valuable, easy", "I类", "HL", "Protect: these customers pay for the rest"),
    CustomerClass(
        "II", "II: valuable, costly", "II类", "HH", "Keep, and lower the cost: cheaper channels, larger orders"
    ),
    CustomerClass("III", "III: small, easy", "III类", "LL", "Let grow at no cost: self-service, bundles"),
    CustomerClass("IV", "IV: small, costly", "IV类", "LH", "Charge for service, move to cheap channels, or part"),
)
"""Classes I to IV of the customer matrix, by value and cost to serve."""

LOYALTY_PORTFOLIO = (
    CustomerClass("quality", "quality", "优质类", "HH", "Delight: steady contact, not too much of it"),
    CustomerClass("fashion", "fashion", "时尚类", "HL", "Sell while they are here; stop early once they have gone"),
    CustomerClass("problem", "problem", "问题类", "LH", "Small wallet or small share? Charge for service, or sell up"),
    CustomerClass("low_grade", "low-grade", "低质类", "LL", "Do not invest; earn on each sale"),
)
"""Classes of the portfolio by profitability and loyalty."""

_SCHEMES = (
    _Scheme(
        ("present", "potential"),
        ("Present value", "Potential value"),
        "Customers by present and potential value",
        VALUE_POTENTIAL_CLASSES,
    ),
    _Scheme(
        ("value", "cost_to_serve"),
        ("Value", "Cost to serve"),
        "Customer matrix: value and cost to serve",
        CUSTOMER_MATRIX,
    ),
    _Scheme(
        ("profitability", "loyalty"),
        ("Profitability", "Loyalty"),
        "Portfolio of customers by profitability and loyalty",
        LOYALTY_PORTFOLIO,
    ),
)


def value_potential_classes(
    present: pd.Series,
    potential: pd.Series,
    *,
    cut_present: str | float = "median",
    cut_potential: str | float = "median",
    present_draws: np.ndarray | None = None,
    potential_draws: np.ndarray | None = None,
) -> pd.DataFrame:
    """Put customers into four classes by what they bring now and what they may bring.

    VIP (贵宾型) is high on both, *to improve* (改进型) low now with high potential, *to maintain* (维持型) high now
    with low potential, *to let go* (放弃型) low on both. High means above the cut point; a customer exactly at it is
    low.

    Parameters
    ----------
    present, potential : pandas.Series of float, shape (n,)
        What each customer brings now, such as last year's margin, and what is to come, such as lifetime value.
        Indexed by customer, both in the same order.
    cut_present, cut_potential : str or float, default "median"
        Cut points: ``"median"``, ``"mean"``, ``"top 20%"`` (any share), or a number in the unit of the axis.
    present_draws, potential_draws : numpy.ndarray of float, shape (n, draws), optional
        What each customer could bring instead, given what is not known: one column a draw, such as a bootstrap
        replicate. Column d of one axis belongs to column d of the other.

    Returns
    -------
    pandas.DataFrame
        One row a customer, in the order given: the customer, ``present``, ``potential``, ``class`` (``vip``,
        ``improve``, ``maintain``, ``let_go``) and ``stability``, the share of the draws in which the customer is in
        the same class (NaN without draws); cut points other than numbers are found anew in each draw.
        ``attrs["cuts"]`` holds the cut points.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    See Also
    --------
    class_table, plot_classes : the classes in numbers and as a figure.

    Examples
    --------
    >>> present = pd.Series([90.0, 10.0, 80.0, 5.0], index=list("abcd"))
    >>> potential = pd.Series([70.0, 60.0, 9.0, 8.0], index=list("abcd"))
    >>> value_potential_classes(present, potential)[["customer_id", "class"]]
      customer_id     class
    0           a       vip
    1           b   improve
    2           c  maintain
    3           d    let_go
    """
    return _classify(
        "value_potential_classes",
        _SCHEMES[0],
        (present, potential),
        (cut_present, cut_potential),
        (present_draws, potential_draws),
    )


def customer_matrix(
    value: pd.Series,
    cost_to_serve: pd.Series,
    *,
    cut_value: str | float = "median",
    cut_cost_to_serve: str | float = "median",
    value_draws: np.ndarray | None = None,
    cost_to_serve_draws: np.ndarray | None = None,
) -> pd.DataFrame:
    """Put customers into the four classes of the customer matrix (客户矩阵).

    I is high value at low cost to serve, II high value at high cost, III low value at low cost, IV low value at high
    cost. High means above the cut point; a customer exactly at it is low.

    Parameters
    ----------
    value, cost_to_serve : pandas.Series of float, shape (n,)
        What each customer is worth, and what service, channels and returns cost. Indexed by customer, both in the
        same order.
    cut_value, cut_cost_to_serve : str or float, default "median"
        Cut points, as in `value_potential_classes`.
    value_draws, cost_to_serve_draws : numpy.ndarray of float, shape (n, draws), optional
        Draws, as in `value_potential_classes`.

    Returns
    -------
    pandas.DataFrame
        As `value_potential_classes`, with ``value``, ``cost_to_serve`` and the classes ``I`` to ``IV``.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    Examples
    --------
    >>> value = pd.Series([90.0, 80.0, 10.0, 5.0], index=list("abcd"))
    >>> cost = pd.Series([2.0, 30.0, 1.0, 20.0], index=list("abcd"))
    >>> customer_matrix(value, cost)["class"].tolist()
    ['I', 'II', 'III', 'IV']
    """
    return _classify(
        "customer_matrix",
        _SCHEMES[1],
        (value, cost_to_serve),
        (cut_value, cut_cost_to_serve),
        (value_draws, cost_to_serve_draws),
    )


def loyalty_portfolio(
    profitability: pd.Series,
    loyalty: pd.Series,
    *,
    cut_profitability: str | float = "median",
    cut_loyalty: str | float = "median",
    profitability_draws: np.ndarray | None = None,
    loyalty_draws: np.ndarray | None = None,
) -> pd.DataFrame:
    """Put customers into the four classes of the portfolio by profitability and loyalty.

    Quality (优质类) is profitable and loyal, fashion (时尚类) profitable and not loyal, problem (问题类) loyal and not
    profitable, low-grade (低质类) neither; Reinartz and Kumar call them true friends, butterflies, barnacles and
    strangers. High means above the cut point; a customer exactly at it is low.

    Parameters
    ----------
    profitability, loyalty : pandas.Series of float, shape (n,)
        What each customer earns, and how loyal each is, such as the probability of being still a customer. Indexed by
        customer, both in the same order.
    cut_profitability, cut_loyalty : str or float, default "median"
        Cut points, as in `value_potential_classes`. The cut of profitability is never below 0, unless it is given as
        a number: where fewer customers earn than ``"top 30%"`` says, only those who do are profitable.
    profitability_draws, loyalty_draws : numpy.ndarray of float, shape (n, draws), optional
        Draws, as in `value_potential_classes`.

    Returns
    -------
    pandas.DataFrame
        As `value_potential_classes`, with ``profitability``, ``loyalty`` and the classes ``quality``, ``fashion``,
        ``problem`` and ``low_grade``.

    Raises
    ------
    ParameterError
        If the input is unusable, with every problem.

    References
    ----------
    Reinartz, W. & Kumar, V. (2002). The mismanagement of customer loyalty. *Harvard Business Review* 80(7), 86–94.

    Examples
    --------
    >>> profit = pd.Series([90.0, 80.0, -10.0, -5.0], index=list("abcd"))
    >>> alive = pd.Series([0.9, 0.1, 0.8, 0.2], index=list("abcd"))
    >>> loyalty_portfolio(profit, alive, cut_profitability=0, cut_loyalty=0.5)["class"].tolist()
    ['quality', 'fashion', 'problem', 'low_grade']
    """
    return _classify(
        "loyalty_portfolio",
        _SCHEMES[2],
        (profitability, loyalty),
        (cut_profitability, cut_loyalty),
        (profitability_draws, loyalty_draws),
        least=(0.0, -np.inf),
    )


def class_table(result: pd.DataFrame) -> pd.DataFrame:
    """Size and worth of each class, how sure its customers belong there, and what to do with them.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `value_potential_classes`, `customer_matrix` or `loyalty_portfolio`.

    Returns
    -------
    pandas.DataFrame
        One row a class in fixed order, empty ones too: ``class``, ``name``, ``chinese``, ``customers``,
        ``customer_share``, ``total_…`` and ``mean_…`` of both axes (the mean NaN in an empty class),
        ``mean_stability`` and ``action``.

    Examples
    --------
    >>> present = pd.Series([90.0, 10.0, 80.0, 5.0], index=list("abcd"))
    >>> potential = pd.Series([70.0, 60.0, 9.0, 8.0], index=list("abcd"))
    >>> table = class_table(value_potential_classes(present, potential))
    >>> table[["class", "chinese", "customers", "total_potential"]]
          class chinese  customers  total_potential
    0       vip     贵宾型          1             70.0
    1   improve     改进型          1             60.0
    2  maintain     维持型          1              9.0
    3    let_go     放弃型          1              8.0
    """
    scheme = _scheme_of(result, "class_table")
    grouped = result.groupby("class", observed=False)
    customers = grouped.size()
    worth = {}
    for axis in scheme.axes:
        worth[f"total_{axis}"] = grouped[axis].sum().to_numpy()
        worth[f"mean_{axis}"] = grouped[axis].mean().to_numpy()
    return pd.DataFrame(
        {
            "class": [kind.key for kind in scheme.classes],
            "name": [tr(kind.name) for kind in scheme.classes],
            "chinese": [kind.chinese for kind in scheme.classes],
            "customers": customers.to_numpy(),
            "customer_share": (customers / customers.sum()).to_numpy(),
            **worth,
            "mean_stability": grouped["stability"].mean().to_numpy(),
            "action": [tr(kind.action) for kind in scheme.classes],
        }
    )


def plot_classes(result: pd.DataFrame, *, labels: Mapping[str, str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw customers by both axes, with the cut points as lines and each class named in its corner.

    An axis whose values differ by orders of magnitude is logarithmic on both sides of zero. Of many customers, a
    thousand are drawn; the shares are those of all.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `value_potential_classes`, `customer_matrix` or `loyalty_portfolio`, as it was given back.
    labels : mapping of str to str, optional
        Labels of the axes by column, such as ``{"present": "Margin of 2025, CNY"}``.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If `result` is not such a result, or its cut points got lost on the way.

    See Also
    --------
    class_table : the numbers.
    """
    scheme = _scheme_of(result, "plot_classes")
    if set(result.attrs.get("cuts", ())) != set(scheme.axes):
        raise_problems(
            "plot_classes", ["result has no cut points in attrs['cuts']; give the result as it was returned"]
        )
    cuts = [result.attrs["cuts"][axis] for axis in scheme.axes]
    table = class_table(result)
    shown = result.iloc[thinned(len(result))]
    ax = new_axes(ax, figsize=(7.2, 4.8))
    for color, kind in zip(PALETTE, scheme.classes, strict=False):
        members = shown[shown["class"] == kind.key]
        ax.scatter(members[scheme.axes[0]], members[scheme.axes[1]], s=12, color=color, alpha=0.45, linewidths=0)
    for letter, axis, cut in zip("xy", scheme.axes, cuts, strict=True):
        _scale(ax, letter, shown[axis].to_numpy(), cut)
    ax.axvline(cuts[0], color=MUTED, linewidth=1.2)
    ax.axhline(cuts[1], color=MUTED, linewidth=1.2)
    for kind, share in zip(scheme.classes, table["customer_share"], strict=True):
        right, top = (letter == "H" for letter in kind.pattern)
        ax.annotate(
            tr("{name}\n{share:.0%}").format(name=tr(kind.name), share=share),
            (0.985 if right else 0.015, 0.98 if top else 0.02),
            xycoords="axes fraction",
            ha="right" if right else "left",
            va="top" if top else "bottom",
            fontsize=9,
            fontweight="bold",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 2},
        )
    given = {axis: tr(label) for axis, label in zip(scheme.axes, scheme.labels, strict=True)} | dict(labels or {})
    horizontal, vertical = (given[axis] for axis in scheme.axes)
    ax.set(xlabel=horizontal, ylabel=vertical, title=tr(scheme.title))
    listed = "; ".join(
        f"{name} {share:.0%}" for name, share in zip(table["name"], table["customer_share"], strict=True)
    )
    return describe(
        ax,
        tr(
            "Scatter of customers by {horizontal} (cut at {first:,.4g}) and {vertical} (cut at {second:,.4g}). "
            "Shares of {customers:,} customers: {listed}."
        ).format(
            horizontal=horizontal,
            first=cuts[0],
            vertical=vertical,
            second=cuts[1],
            customers=len(result),
            listed=listed,
        ),
    )


def _classify(
    where: str,
    scheme: _Scheme,
    series: tuple[pd.Series, pd.Series],
    cuts: tuple[str | float, str | float],
    draws: tuple[np.ndarray | None, np.ndarray | None],
    *,
    least: tuple[float, float] = (-np.inf, -np.inf),
) -> pd.DataFrame:
    problems = _index_problems(scheme.axes, series)
    values = [as_numbers(given, axis, problems) for axis, given in zip(scheme.axes, series, strict=True)]
    for axis, cut in zip(scheme.axes, cuts, strict=True):
        problems += _cut_problems(f"cut_{axis}", cut)
    replicates = [
        None if given is None else _as_draws(given, f"{axis}_draws", len(values[0]), problems)
        for axis, given in zip(scheme.axes, draws, strict=True)
    ]
    counts = {given.shape[1] for given in replicates if given is not None}
    if len(counts) > 1:
        problems.append(
            f"both axes must have the same number of draws, and have {' and '.join(map(str, sorted(counts)))}"
        )
    raise_problems(where, problems)

    def cut_points(of: list[np.ndarray]) -> list[float]:
        return [_cut_point(given, cut, lowest) for given, cut, lowest in zip(of, cuts, least, strict=True)]

    points = cut_points(values)
    place = _place(values, points)
    stability = np.full(len(place), np.nan)
    if counts:
        same = np.zeros(len(place))
        for draw in range(count := counts.pop()):
            drawn = [
                fixed if given is None else given[:, draw] for fixed, given in zip(values, replicates, strict=True)
            ]
            same += _place(drawn, cut_points(drawn)) == place
        stability = same / count
    keys = {2 * (kind.pattern[0] == "H") + (kind.pattern[1] == "H"): kind.key for kind in scheme.classes}
    result = pd.DataFrame(
        {
            series[0].index.name or "customer_id": series[0].index,
            **dict(zip(scheme.axes, values, strict=True)),
            "class": pd.Categorical([keys[number] for number in place], [kind.key for kind in scheme.classes]),
            "stability": stability,
        }
    )
    result.attrs["cuts"] = dict(zip(scheme.axes, points, strict=True))
    return result


def _place(values: list[np.ndarray], cuts: list[float]) -> np.ndarray:
    """Number of the quarter of the plane: 2 if the first axis is high, plus 1 if the second is."""
    return 2 * (values[0] > cuts[0]) + (values[1] > cuts[1])


def _cut_point(values: np.ndarray, cut: str | float, least: float) -> float:
    """Where an axis is cut; a cut that is looked up in the values is at least `least`."""
    if not isinstance(cut, str):
        return float(cut)
    if cut == "median":
        found = np.median(values)
    elif cut == "mean":
        found = values.mean()
    else:
        found = np.quantile(values, 1 - float(_TOP.fullmatch(cut)[1]) / 100)
    return max(float(found), least)


def _cut_problems(name: str, cut: Any) -> list[str]:
    if isinstance(cut, str):
        share = _TOP.fullmatch(cut)
        usable = cut in ("median", "mean") or (share is not None and 0 < float(share[1]) < 100)
    else:
        usable = isinstance(cut, int | float | np.number) and not isinstance(cut, bool) and bool(np.isfinite(cut))
    return [] if usable else [f"{name} must be 'median', 'mean', such as 'top 20%', or a number, and is {cut!r}"]


def _index_problems(axes: tuple[str, str], series: tuple[pd.Series, pd.Series]) -> list[str]:
    first, second = axes
    if not all(isinstance(given, pd.Series) for given in series):
        return [f"{first} and {second} must be pandas Series indexed by customer"]
    one, other = (given.index for given in series)
    if not len(one):
        return [f"{first} has no customer"]
    problems = []
    if (repeated := one.duplicated()).any():
        problems.append(f"{first} has {repeated.sum():,} customers twice ({first_rows(repeated, one)}); give each once")
    if not one.equals(other):
        apart = len(one.difference(other)), len(other.difference(one))
        problems.append(
            f"{first} and {second} must have the same customers in the same order: {apart[0]:,} are in {first} only, "
            f"{apart[1]:,} in {second} only; reindex one like the other"
        )
    return problems


def _as_draws(draws: Any, name: str, customers: int, problems: list[str]) -> np.ndarray:
    numbers = np.asarray(draws, dtype=float)
    if numbers.ndim != 2 or numbers.shape[0] != customers or not numbers.shape[1]:
        problems.append(
            f"{name} must have a row for each of {customers:,} customers and a column a draw, and is {numbers.shape}"
        )
        return np.zeros((customers, 1))
    if (bad := ~np.isfinite(numbers)).any():
        problems.append(f"{name} has {bad.sum():,} missing or infinite values")
    return numbers


def _scheme_of(result: pd.DataFrame, where: str) -> _Scheme:
    found = [scheme for scheme in _SCHEMES if set(scheme.axes) <= set(result.columns)]
    if not found:
        pairs = ", ".join(" and ".join(scheme.axes) for scheme in _SCHEMES)
        raise_problems(where, [f"result must have two axes of one scheme ({pairs}); it has {list(result.columns)}"])
    raise_problems(where, missing_columns(result, ("class", "stability"), "result"))
    return found[0]


def _scale(ax: Axes, letter: str, values: np.ndarray, cut: float) -> None:
    """Choose the scale of the x or y axis, and limits that leave room for names on both sides of the cut."""
    axis = getattr(ax, f"{letter}axis")
    sizes = np.abs(values[values != 0])
    if len(sizes) and np.quantile(sizes, 0.99) > 10 * np.median(sizes):
        # Linear up to the usual size: there a logarithm would draw out differences that nobody minds.
        linear = 10.0 ** np.floor(np.log10(np.median(sizes)))
        getattr(ax, f"set_{letter}scale")("symlog", linthresh=linear)
    money_axis(axis)
    transform = axis.get_transform()
    first, last = values.min(initial=cut), values.max(initial=cut)
    first_at, last_at, line = transform.transform([first, last, cut])
    margin = _FREE[letter] * (last_at - first_at) or 1.0
    low, high = first_at - margin, last_at + margin
    low = min(low, line - (high - line) * _LEAST_SIDE / (1 - _LEAST_SIDE))
    high = max(high, line + (line - low) * _LEAST_SIDE / (1 - _LEAST_SIDE))
    getattr(ax, f"set_{letter}lim")(*transform.inverted().transform([low, high]))
    # No marks where no customer can be, such as far above a probability of one.
    near = _NEAR * (high - low)
    ends = transform.inverted().transform([first_at - near, last_at + near])
    axis.set_ticks([tick for tick in axis.get_ticklocs() if ends[0] <= tick <= ends[1]])
    axis.set_ticks([], minor=True)
