"""Kinds of loyalty by attitude and behaviour: true, latent, spurious and none; their size, value and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, level_problems, missing_columns, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean, share_interval
from crm_utils.language import tr
from crm_utils.loyalty.composite import weights_in
from crm_utils.loyalty.measures import LOYALTY_MEASURES, measured, people_of
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cut = float | str
_TOP = re.compile(r"top\s+(\d+(?:\.\d+)?)\s*%")


class LoyaltyKind(NamedTuple):
    """One of the four kinds: names, whether attitude and behaviour are high, and what to do."""

    name: str
    chinese: str
    attitude: str
    behaviour: str
    action: str


LOYALTY_KINDS = (
    LoyaltyKind("true", "忠诚", "high", "high", "Keep: recognise them, ask for referrals, and do not pay for habit"),
    LoyaltyKind("latent", "潜在忠诚", "high", "low", "Find out what keeps them from buying, and remove it"),
    LoyaltyKind("spurious", "虚假忠诚", "low", "high", "Earn their liking before a rival or a change sets them free"),
    LoyaltyKind("none", "不忠诚", "low", "low", "Serve at low cost; invest only where one of the two can be raised"),
)  # fmt: skip
"""The four kinds of Dick and Basu in fixed order; ``pandas.DataFrame(LOYALTY_KINDS)`` is the table."""

KIND_NAMES = [kind.name for kind in LOYALTY_KINDS]
_OF_HIGH = {(kind.attitude == "high", kind.behaviour == "high"): place for place, kind in enumerate(LOYALTY_KINDS)}
_CODES = np.array([[_OF_HIGH[attitude, behaviour] for behaviour in (False, True)] for attitude in (False, True)])
# What a scheme that pays for purchases acts on; from the theory, not from data.
_PROGRAMME = {
    "true": ("hardly", "They buy much already: points reward what would happen anyway, and cost its margin"),
    "latent": ("perhaps", "They like the company and buy little: points can help where price or habit is in the way"),
    "spurious": ("perhaps", "They buy much without liking: points can hold the habit, and go when a rival pays more"),
    "none": ("hardly", "Neither liking nor habit: points draw those who look for points"),
}


def loyalty_kinds(
    customers: pd.DataFrame,
    *,
    attitude_col: str,
    behaviour_col: str,
    attitude_cut: Cut = "median",
    behaviour_cut: Cut = "median",
    weights_col: str | None = None,
) -> pd.DataFrame:
    """Put each customer into one of four kinds of loyalty, by attitude and behaviour.

    High attitude and high behaviour is true loyalty, high attitude with low behaviour latent, low attitude with high
    behaviour spurious, neither is none [1]_. *High* is at or above the cut; where nobody lies below the cut, above it.

    Parameters
    ----------
    customers : pandas.DataFrame
        One row a customer, or an answer.
    attitude_col, behaviour_col : str
        Columns of attitude and behaviour, high values good, such as ``stated_loyalty`` or ``trust`` against
        ``share_of_wallet`` or ``repeat_days_per_year``.
    attitude_cut, behaviour_cut : float or str, default "median"
        A value, ``"median"``, ``"mean"``, or ``"top 30%"`` (any number): the value that as many reach.
    weights_col : str, optional
        Column of survey weights, for the cuts; a missing weight is 0. Default: customers count alike.

    Returns
    -------
    pandas.DataFrame
        The customers with the column ``loyalty_kind`` added, a categorical in the order of `LOYALTY_KINDS`, missing
        where attitude, behaviour or weight is. ``attrs["cuts"]`` holds, by column, the value from which on it is high;
        cuts are made from the customers with both.

    Raises
    ------
    ParameterError
        If columns are absent or not numeric, a cut is unusable, or one leaves all customers on one side.
    DataFloorError
        If no customer has both.

    References
    ----------
    .. [1] Dick, A. S. & Basu, K. (1994). Customer loyalty: toward an integrated conceptual framework. Journal of the
       Academy of Marketing Science 22(2), 99–113, figure 2.

    Examples
    --------
    >>> customers = pd.DataFrame({"trust": [9, 8, 3, 2], "purchases": [7, 1, 6, 2]})
    >>> loyalty_kinds(customers, attitude_col="trust", behaviour_col="purchases")["loyalty_kind"].tolist()
    ['true', 'latent', 'spurious', 'none']
    """
    columns = {attitude_col: attitude_cut, behaviour_col: behaviour_cut}
    values, mass, there = read_kinds(customers, columns, weights_col, "loyalty_kinds", [])
    codes, cuts = coded_kinds(values, mass * there, list(columns.values()))
    problems = [
        f"{name} lies on one side of the cut {rule!r} for every customer ({found:g}); choose another cut"
        for (name, rule), found, column in zip(columns.items(), cuts, values.T, strict=True)
        if len(np.unique((column >= found)[there])) < 2
    ]
    raise_problems("loyalty_kinds", problems)
    result = customers.copy()
    result["loyalty_kind"] = pd.Categorical.from_codes(np.where(there, codes, -1), KIND_NAMES)
    result.attrs = {**customers.attrs, "cuts": dict(zip(columns, cuts.tolist(), strict=True))}
    return result


def read_kinds(
    customers: pd.DataFrame, columns: dict[str, Cut], weights_col: str | None, where: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read attitude and behaviour, or raise everything that is wrong.

    Parameters
    ----------
    customers : pandas.DataFrame
        One row a customer.
    columns : dict of str to float or str
        Cut by column, attitude first.
    weights_col : str or None
        Column of survey weights.
    where : str
        What a message names as its place.
    problems : list of str
        What the caller found wrong.

    Returns
    -------
    values : numpy.ndarray of float, shape (n, 2)
        Attitude and behaviour.
    weights : numpy.ndarray of float, shape (n,)
        Weights; 0 where there is none.
    there : numpy.ndarray of bool, shape (n,)
        Who has all of them.
    """
    if len(columns) < 2:
        problems.append("attitude_col and behaviour_col must be two columns")
    for rule in columns.values():
        top = _TOP.fullmatch(rule.strip()) if isinstance(rule, str) else None
        if not is_number(rule) and rule not in ("median", "mean") and not (top and 0 < float(top[1]) < 100):
            problems.append(f"a cut must be a number, 'median', 'mean' or such as 'top 30%', and is {rule!r}")
    mass = weights_in(customers, weights_col, problems)
    found = measured(customers, list(columns), "customers", problems)
    raise_problems(where, problems)
    values = np.column_stack(list(found.values()))
    there = ~np.isnan(values).any(axis=1) & (mass > 0)
    if not there.any():
        raise DataFloorError(f"{where} needs customers with both {' and '.join(columns)}; there is none.")
    return values, mass, there


def coded_kinds(values: np.ndarray, mass: np.ndarray, rules: Sequence[Cut]) -> tuple[np.ndarray, np.ndarray]:
    """Give each customer a kind.

    Parameters
    ----------
    values : numpy.ndarray of float, shape (n, 2)
        Attitude and behaviour.
    mass : numpy.ndarray of float, shape (n,)
        Weights; cuts are made of customers with a weight above zero.
    rules : sequence of float or str
        Cuts of both.

    Returns
    -------
    codes : numpy.ndarray of int, shape (n,)
        Places in `LOYALTY_KINDS`.
    cuts : numpy.ndarray of float, shape (2,)
        Values from which on both are high.
    """
    cuts = np.array([_cut(column, mass, rule) for column, rule in zip(values.T, rules, strict=True)])
    high = values >= cuts
    return _CODES[high[:, 0].astype(int), high[:, 1].astype(int)], cuts


def _cut(values: np.ndarray, mass: np.ndarray, rule: Cut) -> float:
    """The value from which on a customer is high."""
    counted = mass > 0
    values, mass = values[counted], mass[counted]
    if is_number(rule):
        return float(rule)
    if rule == "mean":
        cut = float(mass @ values / mass.sum())
    else:
        share = 0.5 if rule == "median" else float(_TOP.fullmatch(rule.strip())[1]) / 100
        cut = _upper(values, mass, share)
    above = values[values > cut]
    # A cut that nobody misses separates nobody: then only those above are high.
    return float(above.min()) if len(above) and not (values < cut).any() else cut


def _upper(values: np.ndarray, mass: np.ndarray, share: float) -> float:
    """The value that a share of the customers reaches, halfway between two where it falls between them."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(mass[order]) / mass.sum()
    place = int(np.searchsorted(reached, 1 - share - 1e-12))
    if abs(reached[place] - (1 - share)) < 1e-12 and place + 1 < len(order):
        return float(values[order[place : place + 2]].mean())
    return float(values[order[place]])


def kinds_table(
    classed: pd.DataFrame,
    *,
    value_col: str | None = None,
    weights_col: str | None = None,
    customer_col: str = "customer_id",
    level: float = 0.95,
) -> pd.DataFrame:
    """Size and value of the four kinds of loyalty.

    Parameters
    ----------
    classed : pandas.DataFrame
        Result of `loyalty_kinds`.
    value_col : str, optional
        Column of value, such as the margin of a year or lifetime value.
    weights_col : str, optional
        Column of survey weights; a missing weight is 0.
    customer_col : str, default "customer_id"
        Column of customers; rows of one customer count as one unit. Without it, each row is a customer.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        The four kinds, empty ones too: ``loyalty_kind``, ``chinese``, ``attitude``, ``behaviour``, ``customers``,
        ``share`` (weighted), ``low``, ``high`` (Wilson's, for as many independent answers as have the same error);
        with a value, ``mean_value``, ``mean_value_low``, ``mean_value_high`` (Student's t, linearised error, customers
        with a value) and ``value_share`` (of the value of all four; NaN where that is not above zero); ``action``.
        ``attrs["missing"]`` counts rows without a kind.

    Raises
    ------
    ParameterError
        If columns are absent or not numeric, or the level is out of range.
    DataFloorError
        If no customer has a kind.

    Notes
    -----
    Intervals take the cuts as they are; `kind_stability` tells what other customers would have made of them. With both
    cuts at the median, half of the customers are high in each by construction, and only how far the two go together
    is found.

    Examples
    --------
    >>> customers = pd.DataFrame({"trust": [9, 8, 3, 2], "purchases": [7, 1, 6, 2], "margin": [60.0, 10, 25, 5]})
    >>> classed = loyalty_kinds(customers, attitude_col="trust", behaviour_col="purchases")
    >>> kinds_table(classed, value_col="margin")[["loyalty_kind", "share", "low", "high", "value_share"]].round(3)
      loyalty_kind  share    low   high  value_share
    0         true   0.25  0.046  0.699         0.60
    1       latent   0.25  0.046  0.699         0.10
    2     spurious   0.25  0.046  0.699         0.25
    3         none   0.25  0.046  0.699         0.05
    """
    where = "kinds_table"
    problems = level_problems(level) + missing_columns(classed, ["loyalty_kind"], "classed")
    mass = weights_in(classed, weights_col, problems)
    value = measured(classed, [value_col], "classed", problems)[value_col] if value_col in classed else None
    if value_col is not None and value is None:
        problems += missing_columns(classed, [value_col], "classed")
    raise_problems(where, problems)
    kinds = classed["loyalty_kind"].to_numpy(dtype=object, na_value=None)
    known = pd.notna(kinds) & (mass > 0)
    if not known.any():
        raise DataFloorError(f"{where} needs customers with a kind; there is none.")
    people = people_of(classed, customer_col)
    rows = []
    for kind in LOYALTY_KINDS:
        members = known & (kinds == kind.name)
        inside = np.where(known, members.astype(float), np.nan)
        share = sample_mean(inside, weights=mass, clusters=people)
        low, high = share_interval(inside, share, mass, level=level)
        row = {
            "loyalty_kind": kind.name,
            "chinese": kind.chinese,
            "attitude": kind.attitude,
            "behaviour": kind.behaviour,
            "customers": len(np.unique(people[members])),
            "share": share.estimate,
            "low": low,
            "high": high,
        }
        if value is not None:
            mean = sample_mean(np.where(members, value, np.nan), weights=mass, clusters=people)
            ends = mean.interval(level=level)
            row |= {"mean_value": mean.estimate, "mean_value_low": ends[0], "mean_value_high": ends[1]}
            row["value_share"] = np.nansum(np.where(members, value * mass, np.nan))
        rows.append(row | {"action": tr(kind.action)})
    table = pd.DataFrame(rows)
    if value is not None:
        total = table["value_share"].sum()
        table["value_share"] = table["value_share"] / total if total > 0 else np.nan
    table.attrs["missing"] = int((~known).sum())
    return table


def plot_kinds(
    classed: pd.DataFrame,
    *,
    attitude_col: str,
    behaviour_col: str,
    weights_col: str | None = None,
    attitude_label: str = "",
    behaviour_label: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw customers by attitude and behaviour, with the two cuts and the share of each kind.

    At most a thousand customers are drawn, each moved at random by less than half a step where values are few, so
    that equal ones do not hide each other; shares are of all of them.

    Parameters
    ----------
    classed : pandas.DataFrame
        Result of `loyalty_kinds`.
    attitude_col, behaviour_col : str
        The columns that the kinds were made of.
    weights_col : str, optional
        Column of survey weights, for the shares.
    attitude_label, behaviour_label : str, optional
        For the axes. Default: the names of the columns, with the unit of a measure of loyalty.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If columns are absent, or the kinds were made of others.

    See Also
    --------
    kinds_table : the numbers, with intervals.
    """
    columns = (behaviour_col, attitude_col)
    problems = missing_columns(classed, columns, "classed")
    cuts = classed.attrs.get("cuts", {})
    if not problems and not set(columns) <= set(cuts):
        problems.append(
            f"the kinds were made of {' and '.join(cuts) or 'columns that are not recorded'}, not of "
            f"{attitude_col} and {behaviour_col}; take the result of loyalty_kinds as it is"
        )
    raise_problems("plot_kinds", problems)
    table = kinds_table(classed, weights_col=weights_col).set_index("loyalty_kind")
    known = classed[classed["loyalty_kind"].notna()].sort_values([*columns], kind="stable")
    shown = known.iloc[np.sort(np.random.default_rng(0).permutation(len(known))[: len(thinned(len(known)))])]
    places = [_spread(known[name], shown[name], seed=seed) for seed, name in enumerate(columns)]
    ax = new_axes(ax, figsize=(7.2, 5.0))
    size = 9 if len(shown) > 300 else 24
    for color, name in zip(PALETTE, KIND_NAMES, strict=False):
        members = (shown["loyalty_kind"] == name).to_numpy()
        ax.scatter(places[0][members], places[1][members], s=size, alpha=0.55, color=color, linewidths=0)
    lines = [_between(known[name], cuts[name]) for name in columns]
    ax.axvline(lines[0], color=MUTED, linewidth=1.2)
    ax.axhline(lines[1], color=MUTED, linewidth=1.2)
    for kind in LOYALTY_KINDS:
        right, top = kind.behaviour == "high", kind.attitude == "high"
        ax.annotate(
            tr("{kind}: {share:.0%}").format(kind=tr(kind.name), share=table.loc[kind.name, "share"]),
            (1 if right else 0, 1 if top else 0),
            xycoords="axes fraction",
            xytext=(-6 if right else 6, -6 if top else 6),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if top else "bottom",
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": MUTED, "alpha": 0.9},
        )
    # Room for the shares above and below the points.
    ax.margins(x=0.06, y=0.14)
    ax.grid(visible=False)
    ax.set_xlabel(behaviour_label or _label(behaviour_col), parse_math=False)
    ax.set_ylabel(attitude_label or _label(attitude_col), parse_math=False)
    ax.set_title(tr("Four kinds of loyalty, by attitude and behaviour"))
    shares = ", ".join(f"{tr(name)} {share:.0%}" for name, share in table["share"].items())
    return describe(
        ax,
        tr("Cloud of {shown:,} of {n:,} customers by behaviour and attitude, cut into four kinds: {shares}.").format(
            shown=len(shown), n=len(known), shares=shares
        ),
    )


def _label(column: str) -> str:
    unit = next((measure.unit for measure in LOYALTY_MEASURES if measure.name == column), "")
    name = tr(column.replace("_", " "))
    return f"{name} ({tr(unit)})" if unit else name


def _between(values: pd.Series, cut: float) -> float:
    """Where to draw a cut: halfway to the nearest value below, since a value at the cut is high."""
    below = values[values < cut]
    return (
        (float(below.max()) + float(values[values >= cut].min())) / 2 if len(below) and (values >= cut).any() else cut
    )


def _spread(values: pd.Series, shown: pd.Series, *, seed: int) -> np.ndarray:
    """Values moved apart where they are few, by less than half a step, so that none crosses a cut between two."""
    steps = np.diff(np.unique(values.to_numpy(dtype=float)))
    places = shown.to_numpy(dtype=float)
    if not 0 < len(steps) < 60:
        return places
    return places + np.random.default_rng(seed).uniform(-0.4, 0.4, len(places)) * steps.min()


def programme_reading(
    classed: pd.DataFrame,
    *,
    value_col: str,
    weights_col: str | None = None,
    customer_col: str = "customer_id",
    level: float = 0.95,
) -> pd.DataFrame:
    """Read what a points scheme could move: which kinds, how many customers, how much value.

    Parameters
    ----------
    classed : pandas.DataFrame
        Result of `loyalty_kinds`.
    value_col : str
        Column of value.
    weights_col, customer_col, level
        As in `kinds_table`.

    Returns
    -------
    pandas.DataFrame
        The four kinds: ``loyalty_kind``, ``chinese``, ``customers``, ``share``, ``low``, ``high``, ``mean_value``,
        ``mean_value_low``, ``mean_value_high``, ``value_share``; ``distance`` in mean value to the kind with the same
        attitude and high behaviour, with ``distance_low``, ``distance_high`` (Student's t; NaN where behaviour is
        high already); ``movable`` ("perhaps", "hardly": by what theory says that points act on); ``reading``.
        ``attrs["note"]`` says that none of it is an effect.

    Raises
    ------
    ParameterError, DataFloorError
        As in `kinds_table`.

    References
    ----------
    .. [1] Dowling, G. R. & Uncles, M. (1997). Do customer loyalty programs really work? Sloan Management Review
       38(4), 71–82.

    Examples
    --------
    >>> customers = pd.DataFrame({"trust": [9, 8, 3, 2], "purchases": [7, 1, 6, 2], "margin": [60.0, 10, 25, 5]})
    >>> classed = loyalty_kinds(customers, attitude_col="trust", behaviour_col="purchases")
    >>> programme_reading(classed, value_col="margin")[["loyalty_kind", "distance", "movable"]]
      loyalty_kind  distance  movable
    0         true       NaN   hardly
    1       latent      50.0  perhaps
    2     spurious       NaN  perhaps
    3         none      20.0   hardly
    """
    from scipy.stats import t

    table = kinds_table(classed, value_col=value_col, weights_col=weights_col, customer_col=customer_col, level=level)
    mass, people = weights_in(classed, weights_col, []), people_of(classed, customer_col)
    value = classed[value_col].to_numpy(dtype=float, na_value=np.nan)

    def mean_of(name: str):
        members = (classed["loyalty_kind"] == name).to_numpy(dtype=bool)
        return sample_mean(np.where(members, value, np.nan), weights=mass, clusters=people)

    table[["distance", "distance_low", "distance_high"]] = np.nan
    for place, target in ((KIND_NAMES.index("latent"), "true"), (KIND_NAMES.index("none"), "spurious")):
        near, far = mean_of(KIND_NAMES[place]), mean_of(target)
        distance = far.estimate - near.estimate
        # Of one customer in both kinds, as in two waves, the errors go together.
        ahead, behind = (mean.influence * np.sqrt(mean.units / max(mean.units - 1, 1)) for mean in (far, near))
        units = min(near.units, far.units)
        reach = t.ppf((1 + level) / 2, units - 1) * np.sqrt(((ahead - behind) ** 2).sum()) if units > 1 else np.nan
        table.loc[place, ["distance", "distance_low", "distance_high"]] = distance, distance - reach, distance + reach
    table["movable"] = [tr(_PROGRAMME[name][0]) for name in table["loyalty_kind"]]
    table["reading"] = [tr(_PROGRAMME[name][1]) for name in table["loyalty_kind"]]
    table = table.drop(columns=["attitude", "behaviour", "action"])
    table.attrs["note"] = tr(
        "The distance is between customers who differ in more than their purchases: it is no effect of points. Only an "
        "experiment, with the programme given by lot, tells what it moves."
    )
    return table
