"""How many leave: rates by calendar period, of customers and of value, and the silent ones who never said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_day,
    as_numbers,
    count_problems,
    is_number,
    level_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.churn.spells import PERIOD_MONTHS, calendar_periods, period_starts, read_spells
from crm_utils.company.lines import collected, telling_what_was_read, used_lines
from crm_utils.errors import DataFloorError
from crm_utils.intervals import bootstrap, percentile_interval, wilson
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATE = ("churn_rate", "low", "high")
_CUT_OFF = "the period is not over: who still leaves in it is not known"
_NOBODY = "nobody was a member when the period began"
_LEAST_POOL = 50
_MOST_LABELS = 7
OWN, SIMILAR = "own gaps", "other customers' gaps"


def churn_rates(
    memberships: pd.DataFrame,
    *,
    as_of: Any,
    period: str = "month",
    by: str | None = None,
    level: float = 0.95,
    customer_col: str = "customer_id",
    started_col: str = "started_at",
    ended_col: str = "ended_at",
) -> pd.DataFrame:
    """Share of the members at the start of each calendar period who left in it.

    Only spells at risk when the period begins count in the rate: begun before its first day, and not ended before it.
    Who joins and leaves inside one period is counted aside. A spell that ends counts as leaving, also where the same
    customer begins another the next day, as by a change of plan; merge such spells first if that is no leaving.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a spell, with dates of start and end.
    as_of : date-like
        First day that is not known any more.
    period : {"month", "quarter", "year"}, default "month"
        Calendar period.
    by : str, optional
        Column of groups, such as a plan; a spell without a group is left out of them.
    level : float, default 0.95
        Confidence level of Wilson's interval.
    customer_col, started_col, ended_col : str
        Columns of the customer and of the first and the last day; the last is missing while the spell runs.

    Returns
    -------
    pandas.DataFrame
        One row a period (and group, in the column named by `by`), from the first start to `as_of`: ``period`` (its
        first day), ``members_at_start``, ``left`` (of them), ``churn_rate``, ``low``, ``high``, ``joined``,
        ``joined_and_left`` (both inside the period), ``partial`` (True for the period that `as_of` cuts off) and
        ``note``, which says why a rate is missing.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, or spells of one customer overlap: every problem.

    Examples
    --------
    >>> memberships = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "d"],
    ...     "started_at": pd.to_datetime(["2025-01-01", "2025-01-15", "2025-01-20", "2025-02-10"]),
    ...     "ended_at": pd.to_datetime(["2025-02-28", None, None, "2025-02-20"])})
    >>> rates = churn_rates(memberships, as_of="2025-03-10")
    >>> rates[["members_at_start", "left", "joined", "joined_and_left", "churn_rate", "partial"]].round(2)
       members_at_start  left  joined  joined_and_left  churn_rate  partial
    0                 0     0       3                0         NaN    False
    1                 3     1       1                1        0.33    False
    2                 2     0       0                0         NaN     True
    """
    where = "churn_rates"
    problems = _period_problems("period", period) + level_problems(level)
    if by is not None and isinstance(memberships, pd.DataFrame):
        problems += missing_columns(memberships, (by,), "memberships")
    raise_problems(where, problems)
    spells = read_spells(
        where, memberships, as_of, customer_col=customer_col, started_col=started_col, ended_col=ended_col
    )
    if not len(spells.rows):
        raise DataFloorError(f"{where} needs memberships that began before {spells.day:%Y-%m-%d}; there is none.")
    first, last, numbers, day_period = _spell_periods(spells, period)
    groups = None if by is None else memberships[by].iloc[spells.rows]
    parts = [(None, np.ones(len(first), dtype=bool))]
    if groups is not None:
        parts = [(name, (groups == name).to_numpy()) for name in _in_order(groups)]
        if not parts:
            raise DataFloorError(f"{where} needs groups; memberships.{by} is empty.")
    frames = []
    for name, inside in parts:
        frame = _rates_of(first[inside], last[inside], numbers, day_period, period, level)
        if by is not None:
            frame.insert(0, by, name)
        frames.append(frame)
    rates = pd.concat(frames, ignore_index=True)
    cut = rates["period"] == rates["period"].max()
    rates["partial"] = cut & (period_starts(numbers[-1:] + 1, period)[0] > spells.day)
    rates.loc[rates["partial"], list(_RATE)] = np.nan
    rates["note"] = np.where(
        rates["partial"], tr(_CUT_OFF), np.where(rates["members_at_start"] == 0, tr(_NOBODY), "")
    ).astype(object)
    return rates


def _spell_periods(spells: Any, period: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """First and last period of each spell, the periods from the first start on, and the one of the last known day."""
    first = calendar_periods(spells.started, period)
    newest = int(calendar_periods(pd.Series([spells.day - pd.Timedelta(days=1)]), period)[0])
    # A spell that runs ends after every period.
    ended = spells.ended.fillna(pd.Timestamp("2200-01-01"))
    return first, calendar_periods(ended, period), np.arange(first.min(), newest + 1), newest


def _rates_of(
    first: np.ndarray, last: np.ndarray, numbers: np.ndarray, newest: int, period: str, level: float
) -> pd.DataFrame:
    size, start = len(numbers), numbers[0]
    known = last <= newest

    def count(periods: np.ndarray) -> np.ndarray:
        return np.bincount(periods - start, minlength=size)[:size]

    joined = count(first)
    both = count(first[known & (first == last)])
    ends = count(last[known])
    at_start = np.cumsum(joined) - joined - (np.cumsum(ends) - ends)
    left = ends - both
    low, high = wilson(left, at_start, level=level)
    rate = np.divide(left, at_start, out=np.full(size, np.nan), where=at_start > 0)
    return pd.DataFrame(
        {
            "period": period_starts(numbers, period),
            "members_at_start": at_start,
            "left": left,
            "churn_rate": rate,
            "low": low,
            "high": high,
            "joined": joined,
            "joined_and_left": both,
        }
    )


def _in_order(groups: pd.Series) -> list:
    """Groups there are, in the order of a categorical or else sorted."""
    if isinstance(groups.dtype, pd.CategoricalDtype):
        return [name for name in groups.cat.categories if (groups == name).any()]
    return sorted(groups.dropna().unique().tolist(), key=lambda name: (str(type(name)), name))


def _period_problems(name: str, value: Any) -> list[str]:
    if isinstance(value, str) and value in PERIOD_MONTHS:
        return []
    return [f"{name} must be one of {list(PERIOD_MONTHS)}, and is {value!r}"]


def churn_rates_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Table twin of `plot_churn_rates`: the periods with a rate.

    Parameters
    ----------
    rates : pandas.DataFrame
        As from `churn_rates`.

    Returns
    -------
    pandas.DataFrame
        The rows that are drawn, without ``partial`` and ``note``.

    Examples
    --------
    >>> memberships = pd.DataFrame({"customer_id": ["a"], "started_at": pd.to_datetime(["2025-01-15"]),
    ...                             "ended_at": pd.to_datetime(["2025-02-20"])})
    >>> churn_rates_table(churn_rates(memberships, as_of="2025-03-01"))["churn_rate"].tolist()
    [1.0]
    """
    problems = missing_columns(rates, ("period", "members_at_start", *_RATE, "partial", "note"), "rates")
    raise_problems("churn_rates_table", problems)
    return rates[rates["churn_rate"].notna()].drop(columns=["partial", "note"]).reset_index(drop=True)


def plot_churn_rates(rates: pd.DataFrame, *, by: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw churn rates over time, with their intervals; a period that is not over is left out.

    Parameters
    ----------
    rates : pandas.DataFrame
        As from `churn_rates`.
    by : str, optional
        Column of groups, where there is one: a line each.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; `churn_rates_table` holds the numbers.

    Raises
    ------
    ParameterError
        If columns are absent.
    DataFloorError
        If no period has a rate.
    """
    from matplotlib.dates import DateFormatter

    shown = churn_rates_table(rates)
    raise_problems("plot_churn_rates", [] if by is None else missing_columns(shown, (by,), "rates"))
    if shown.empty:
        raise DataFloorError("plot_churn_rates needs a period with a rate; there is none. Take a shorter period.")
    ax = new_axes(ax)
    parts = [(None, shown)] if by is None else list(shown.groupby(by, sort=False, observed=True))
    for number, (name, part) in enumerate(parts):
        color = PALETTE[number % len(PALETTE)]
        ax.plot(part["period"], part["churn_rate"], color=color, marker="o", markersize=3, label=name)
        ax.fill_between(part["period"], part["low"], part["high"], color=color, alpha=0.18, linewidth=0)
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.set_ylim(bottom=0)
    places = np.sort(shown["period"].unique())
    # A label for every period would run into the next.
    ax.set_xticks(places[:: -(-len(places) // _MOST_LABELS)])
    ax.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    ax.set_ylabel(tr("left, of the members at the start"))
    ax.set_title(tr("Churn rate"))
    if by is not None:
        ax.legend(title=str(by).replace("_", " "))
    texts = [
        tr("{name}lowest {low:.1%}, highest {high:.1%}, latest {latest:.1%}").format(
            name="" if name is None else f"{name}: ",
            low=part["churn_rate"].min(),
            high=part["churn_rate"].max(),
            latest=part["churn_rate"].iloc[-1],
        )
        for name, part in parts
    ]
    start, end = shown["period"].min(), shown["period"].max()
    return describe(
        ax,
        tr("Line of churn rates by period, {start:%Y-%m} to {end:%Y-%m}; {text}.").format(
            start=start, end=end, text="; ".join(texts)
        ),
    )


def absolute_relative_churn(
    customers: pd.DataFrame,
    *,
    left_col: str = "left",
    value_col: str = "value",
    level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 7,
) -> pd.DataFrame:
    """Churn rate of customers, and the textbook's relative rate, which weighs it by what the lost ones bought.

    The absolute rate is lost / all customers. The relative rate is that, times the share of the lost customers in all
    purchases: low where those who leave buy little.

    Parameters
    ----------
    customers : pandas.DataFrame
        One row a customer of the start of the period.
    left_col : str, default "left"
        Column of whether the customer was lost (True/False or 1/0).
    value_col : str, default "value"
        Column of the customer's purchases before, in money; their total must be above zero.
    level : float, default 0.95
        Confidence level.
    n_boot : int, default 1000
        Bootstrap replicates for the value share and the relative rate, whose intervals are percentiles.
    seed : int, default 7
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Three rows, ``measure`` "absolute churn rate", "lost value share" and "relative churn rate", with ``rate``,
        ``low``, ``high``, ``lost``, ``all`` (customers, or money for the value share; NaN for the relative rate) and
        ``note``, which says why an interval is missing.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, or the purchases do not add up to more than zero: every problem.
    DataFloorError
        If there is no customer.

    Examples
    --------
    Of 1,000 customers 100 are lost, who bought for 200,000 of 1,000,000:

    >>> customers = pd.DataFrame({"left": [True] * 100 + [False] * 900, "value": [2000.0] * 100 + [8000 / 9] * 900})
    >>> absolute_relative_churn(customers, n_boot=50)[["measure", "rate"]].round(4)
                   measure  rate
    0  absolute churn rate  0.10
    1     lost value share  0.20
    2  relative churn rate  0.02
    """
    where = "absolute_relative_churn"
    problems = missing_columns(customers, (left_col, value_col), "customers")
    problems += resampling_problems(n_boot, level) + seed_problems(seed)
    raise_problems(where, problems)
    if customers.empty:
        raise DataFloorError(f"{where} needs customers; there is none.")
    left = as_numbers(customers[left_col], f"customers.{left_col}", problems)
    value = as_numbers(customers[value_col], f"customers.{value_col}", problems)
    if not problems and not set(np.unique(left)) <= {0.0, 1.0}:
        problems.append(f"customers.{left_col} must be True or False (1 or 0) in every row")
    if not problems and not value.sum() > 0:
        problems.append(f"the total of customers.{value_col} must be above zero, and is {value.sum():g}")
    raise_problems(where, problems)

    lost, size = int(left.sum()), len(left)

    def shares(times: np.ndarray) -> np.ndarray:
        total = times @ value
        share = times @ (left * value) / total if total > 0 else np.nan
        return np.array([share, times @ left / times.sum() * share])

    share, relative = shares(np.ones(size))
    note, low, high = "", np.full(2, np.nan), np.full(2, np.nan)
    if 0 < lost < size:
        low, high = percentile_interval(bootstrap(shares, size, n_boot=n_boot, seed=seed), level=level)
    else:
        note = tr("no interval: resampling knows no other outcome where nobody or everybody is lost")
    absolute = wilson(np.array([lost]), np.array([size]), level=level)
    return pd.DataFrame(
        {
            "measure": ["absolute churn rate", "lost value share", "relative churn rate"],
            "rate": [lost / size, share, relative],
            "low": [absolute[0][0], *low],
            "high": [absolute[1][0], *high],
            "lost": [lost, (left * value).sum(), np.nan],
            "all": [size, value.sum(), np.nan],
            "note": ["", note, note],
        }
    )


def plot_absolute_relative_churn(churn: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the three rates of `absolute_relative_churn` with their intervals; the frame itself is the table twin.

    Parameters
    ----------
    churn : pandas.DataFrame
        As from `absolute_relative_churn`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    raise_problems("plot_absolute_relative_churn", missing_columns(churn, ("measure", "rate", "low", "high"), "churn"))
    ax = new_axes(ax, figsize=(7.2, 2.4))
    names = [tr(name) for name in churn["measure"]]
    draw_intervals(ax, names, churn["rate"], churn["low"], churn["high"], template="{:.1%}")
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.set_xlabel(tr("share"))
    ax.set_title(tr("Customers lost, and what they bought"))
    shown = "; ".join(f"{name} {rate:.1%}" for name, rate in zip(names, churn["rate"], strict=True))
    return describe(ax, tr("Dots with intervals: {text}.").format(text=shown))


def silent_customers(
    lines: Any,
    *,
    as_of: Any,
    quantile: float = 0.95,
    least_pool: int = _LEAST_POOL,
    **columns: str,
) -> pd.DataFrame:
    """Find customers who have been silent for longer than their own purchase rhythm explains (implicit churn).

    A customer's usual gap is the mean of her gaps between purchase days, together with one gap as long as everybody's
    usual one: this matters while she has few and vanishes as she has many. With enough gaps of her own, the days since
    her last purchase are held against these gaps. With fewer they are held against what happened to customers with the
    same number of gaps: how the next gap of theirs compared with the usual one before it. Where too few customers ever
    had so many gaps, the nearest smaller number stands in, which asks for a longer silence.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        Order lines, with the rules of `crm_utils.purchase_summary`: a return is no purchase. Read once, not modified.
    as_of : date-like
        Day of the analysis: lines of this day or later are not used.
    quantile : float, default 0.95
        A customer is silent if a gap so long has at most the probability ``1 − quantile``.
    least_pool : int, default 50
        At least so many customers with a further gap to compare with; never fewer than the quantile needs.
    **columns : str
        Names of columns (``customer_col``, ``time_col``, …), as of `crm_utils.purchase_summary`.

    Returns
    -------
    pandas.DataFrame
        One row a customer, sorted: ``customer_id``, ``last_purchase``, ``gaps`` (between purchase days),
        ``days_silent`` (from the last purchase to `as_of`), ``usual_gap_days``, ``threshold_days`` (longest silence
        that is not flagged), ``probability`` (of a gap at least this long, among those that ended with a purchase),
        ``silent`` and ``basis`` ("own gaps" or "other customers' gaps").

    Raises
    ------
    ParameterError
        If an option is unusable.
    DataFloorError
        If fewer than `least_pool` customers ever bought again.

    Notes
    -----
    Probabilities are ranks, (1 + gaps at least as long) / (1 + gaps), so that they are right without a distribution
    assumed if the running gap is like the others. Gaps that had not ended by `as_of` are not among the others: for
    young companies thresholds are too short, and some of the silent will come back.

    References
    ----------
    Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic Learning in a Random World. Springer, section 2.2 (ranks
    among exchangeable values).

    Examples
    --------
    >>> days = pd.date_range("2025-01-01", periods=40, freq="7D")
    >>> lines = pd.concat([pd.DataFrame({"customer_id": f"c{n:02}", "ordered_at": days[: 40 - n]}) for n in range(9)])
    >>> lines = lines.assign(order_id=range(len(lines)), amount=10.0)
    >>> found = silent_customers(lines, as_of="2025-10-05", least_pool=5, quantile=0.8)
    >>> found.loc[found["silent"], "customer_id"].tolist()
    ['c01', 'c02', 'c03', 'c04', 'c05', 'c06', 'c07', 'c08']
    """
    where = "silent_customers"
    problems = count_problems("least_pool", least_pool, least=2)
    day = as_day(as_of, "as_of", problems)
    if not (is_number(quantile) and 0.5 <= quantile < 1):
        problems.append(f"quantile must be at least 0.5 and below 1, and is {quantile!r}")
    raise_problems(where, problems)
    # A rank among n values is never rarer than one in n + 1.
    needed = int(np.ceil(quantile / (1 - quantile) - 1e-9))
    floor = max(least_pool, needed)
    customers, owner, days = _purchase_days(lines, day, **columns)
    sizes = np.bincount(owner, minlength=len(customers))
    first = np.cumsum(sizes) - sizes
    gap = np.diff(days, prepend=days[:1] if len(days) else 0)
    rank = np.arange(len(days)) - first[owner]  # gap k of a customer stands at her purchase day k, counted from 0
    again = rank > 0
    if (returned := int((sizes > 1).sum())) < floor:
        raise DataFloorError(
            f"{where} needs at least {floor:,} customers who bought on a second day; this company has {returned:,}."
        )
    gap = np.where(again, gap, 0)
    so_far = np.cumsum(gap)
    so_far -= so_far[first][owner]
    gaps, total = sizes - 1, so_far[first + sizes - 1]
    general = float(np.median(total[gaps > 0] / gaps[gaps > 0]))
    usual = (general + total) / (gaps + 1)
    silent_for = (day - pd.Timestamp("1970-01-01")).days - days[first + sizes - 1]

    threshold, probability = np.full(len(sizes), np.nan), np.full(len(sizes), np.nan)
    # What happened next, in usual gaps, to customers with so many gaps.
    before = (general + so_far - gap) / np.maximum(rank, 1)
    own = gaps >= needed
    pool = np.zeros(0)
    for count in range(min(needed, int(gaps.max()) + 1)):
        further = np.sort((gap[rank == count + 1]) / before[rank == count + 1])
        pool = further if len(further) >= floor else pool
        these = np.flatnonzero((gaps == count) & ~own)
        threshold[these] = usual[these] * _rank_quantile(pool, quantile)
        probability[these] = _rank_probability(pool, silent_for[these] / usual[these])
    # Rows of a customer lie together: their own gaps sorted in one go.
    order = np.lexsort((gap, owner))
    mine = own[owner[order]] & again[order]
    sorted_gaps, row_owner = gap[order][mine], owner[order][mine]
    if own.any():
        longer = np.bincount(row_owner, sorted_gaps >= silent_for[row_owner], minlength=len(sizes))
        probability[own] = ((1 + longer) / (1 + gaps))[own]
        begin = np.searchsorted(row_owner, np.flatnonzero(own))
        place = np.ceil((gaps[own] + 1) * quantile - 1e-9).astype(int) - 1
        threshold[own] = sorted_gaps[begin + np.minimum(place, gaps[own] - 1)]
    return pd.DataFrame(
        {
            "customer_id": customers,
            "last_purchase": pd.to_datetime(days[first + sizes - 1], unit="D").astype("datetime64[us]"),
            "gaps": gaps,
            "days_silent": silent_for,
            "usual_gap_days": usual,
            "threshold_days": threshold,
            "probability": probability,
            "silent": probability <= 1 - quantile + 1e-9,
            "basis": np.where(own, OWN, SIMILAR).astype(object),
        }
    )


def _rank_quantile(pool: np.ndarray, quantile: float) -> float:
    """Smallest value above which a further one has at most the probability 1 − quantile."""
    place = int(np.ceil((len(pool) + 1) * quantile - 1e-9)) - 1
    return float(pool[min(place, len(pool) - 1)])


def _rank_probability(pool: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (1 + len(pool) - np.searchsorted(pool, values, side="left")) / (1 + len(pool))


def _purchase_days(lines: Any, day: pd.Timestamp, **columns: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Customers, sorted, and the place of the customer and the day (since 1970) of each purchase day, in order."""
    frame = used_lines(lines, before=day, **columns).frame
    with telling_what_was_read(lines):
        bought = collected(frame.filter("bought").select("customer_id", "day").unique())
    owner, customers = pd.factorize(bought["customer_id"], sort=True)
    days = pd.to_datetime(bought["day"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    order = np.lexsort((days, owner))
    return np.asarray(customers), owner[order], days[order]


def silent_table(silent: pd.DataFrame, *, edges: tuple[float, ...] = (1.0, 0.5, 0.2, 0.1, 0.05, 0.01)) -> pd.DataFrame:
    """Count customers by how unlikely their silence is: table twin of `plot_silent`.

    Parameters
    ----------
    silent : pandas.DataFrame
        As from `silent_customers`.
    edges : tuple of float, default (1.0, 0.5, 0.2, 0.1, 0.05, 0.01)
        Upper ends of the classes of probability, falling; the last class goes down to 0.

    Returns
    -------
    pandas.DataFrame
        ``probability_above``, ``probability_to``, ``customers``, ``customer_share``.

    Examples
    --------
    >>> silent_table(pd.DataFrame({"probability": [0.9, 0.3, 0.04]}), edges=(1.0, 0.5, 0.05))["customers"].tolist()
    [1, 1, 1]
    """
    problems = missing_columns(silent, ("probability",), "silent")
    if list(edges) != sorted(set(edges), reverse=True) or not edges or edges[0] < 1 or edges[-1] <= 0:
        problems.append(f"edges must fall from 1 to above 0, and are {edges!r}")
    raise_problems("silent_table", problems)
    upper = np.asarray(edges, dtype=float)
    lower = np.append(upper[1:], 0.0)
    probability = silent["probability"].to_numpy()
    counts = ((probability[:, None] > lower) & (probability[:, None] <= upper)).sum(axis=0)
    return pd.DataFrame(
        {
            "probability_above": lower,
            "probability_to": upper,
            "customers": counts,
            "customer_share": counts / max(len(silent), 1),
        }
    )


def plot_silent(silent: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many customers have how unlikely a silence.

    Parameters
    ----------
    silent : pandas.DataFrame
        As from `silent_customers`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; `silent_table` holds the numbers.
    """
    raise_problems("plot_silent", missing_columns(silent, ("probability", "silent"), "silent"))
    table = silent_table(silent)
    ax = new_axes(ax)
    rows = np.arange(len(table))
    ax.bar(rows, table["customers"], color=PALETTE[0])
    labels = [
        f"{low:.0%}–{high:.0%}" for low, high in zip(table["probability_above"], table["probability_to"], strict=True)
    ]
    ax.set_xticks(rows, labels)
    ax.set_xlabel(tr("probability of a gap this long"))
    ax.set_ylabel(tr("customers"))
    ax.grid(visible=False, axis="x")
    ax.set_title(tr("How unusual the silence is"))
    return describe(
        ax,
        tr("Bars of customers by how probable so long a gap is: {silent:,} of {all:,} are silent.").format(
            silent=int(silent["silent"].sum()), all=len(silent)
        ),
    )
