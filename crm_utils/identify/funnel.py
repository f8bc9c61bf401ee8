"""The funnel (销售漏斗): how many of those known take each step towards loyalty, and how many had the time to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import customer_problems, first_rows, level_problems, missing_columns, raise_problems
from crm_utils.intervals import wilson
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def funnel(
    lines: pd.DataFrame,
    customers: pd.DataFrame | None = None,
    *,
    as_of: Any,
    interested: pd.DataFrame | Iterable[Any] | None = None,
    loyal_from: int = 5,
    window_days: int = 180,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count customers at each step from known to loyal, and the share who go on to the next step.

    A step is dated by day: known from `joined_at` (or the first purchase or sign of interest, where that is earlier);
    interested from the first sign of interest or the first purchase; then the first, the second and the
    `loyal_from`-th day with a purchase.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines with customer_id, ordered_at, and amount or quantity; returns are no purchase. Lines on or after
        `as_of` are not used.
    customers : pandas.DataFrame, optional
        Table with customer_id and, where known, joined_at. Default: only those who bought or gave a
        sign of interest are known, since that day.
    as_of : str or date
        Day of the analysis.
    interested : pandas.DataFrame or iterable of customer ids, optional
        Those who gave a sign of interest, one row a sign, as a frame with customer_id and, where known,
        interested_at; or just their ids. Default: the step is left out, as signs of interest are not known.
    loyal_from : int, default 5
        Purchase days that make a loyal customer; at least 3.
    window_days : int, default 180
        Days that each customer is given for the next step; at least 1.
    level : float, default 0.95
        Confidence of the Wilson intervals.

    Returns
    -------
    pandas.DataFrame
        One row a step, with the columns

        * step : known, interested, first purchase, second purchase, loyal
        * reached : customers who took it before `as_of`
        * conversion_rate, low, high : share of those at the step before, with its interval; the newest of them had no
          time yet, so that it is too low for a growing company
        * followed : customers at the step before who were watched for the whole window after it
        * converted : those of them who went on within the window
        * window_rate, window_low, window_high : their share, with its interval: the fair rate
        * window_days : the window

        Rates of the first step are missing, and so are windowed ones where the day of the step before is not known.

    Raises
    ------
    ParameterError
        If columns are missing, times are no dates, customers repeat, or a number is out of range: all of it at once.

    Notes
    -----
    A customer first heard of through a purchase is known, interested and buying on one day, and counts as converted
    at both steps. Where such customers are many, the early rates say how records begin rather than how persuasion
    works. Customers without joined_at are counted in `reached` and not followed from there.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22(158), 209-212.

    Examples
    --------
    >>> lines = pd.DataFrame({"customer_id": ["a", "a", "b"], "amount": [5.0, 7.0, 9.0],
    ...                       "ordered_at": pd.to_datetime(["2025-01-10", "2025-02-01", "2025-12-30"])})
    >>> customers = pd.DataFrame({"customer_id": ["a", "b", "c"], "joined_at": pd.to_datetime(["2025-01-01"] * 3)})
    >>> funnel(lines, customers, as_of="2026-01-01")[["step", "reached", "followed", "converted"]]
                  step  reached  followed  converted
    0            known        3         0          0
    1   first purchase        2         3          1
    2  second purchase        1         1          1
    3            loyal        0         1          0
    """
    _check(lines, customers, loyal_from, window_days, level)
    signs = _signs_of_interest(interested)
    day = pd.Timestamp(as_of)
    bought = _purchase_days(lines, day, loyal_from)
    steps = _step_days(bought, customers, signs, day)
    reached = np.array([known.sum() for known, _ in steps.values()])
    followed, converted = [0], [0]
    dated = [False]
    for (_, before), (taken, after) in zip(list(steps.values())[:-1], list(steps.values())[1:], strict=True):
        watched = ((day - before).dt.days > window_days).to_numpy()  # as_of itself is not in the data
        in_time = watched & taken & ((after - before).dt.days <= window_days).to_numpy()
        followed.append(int(watched.sum()))
        converted.append(int(in_time.sum()))
        dated.append(bool(after.notna().any() or not taken.any()))
    dated = np.array(dated)
    followed, converted = np.where(dated, followed, 0), np.where(dated, converted, 0)
    before = np.concatenate([[0], reached[:-1]])
    low, high = wilson(reached, before, level=level)
    window_low, window_high = wilson(converted, followed, level=level)
    return pd.DataFrame(
        {
            "step": list(steps),
            "reached": reached,
            "conversion_rate": _rate(reached, before),
            "low": low,
            "high": high,
            "followed": followed,
            "converted": converted,
            "window_rate": _rate(converted, followed),
            "window_low": window_low,
            "window_high": window_high,
            "window_days": window_days,
        }
    )


def _rate(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _check(lines: pd.DataFrame, customers: pd.DataFrame | None, loyal_from: int, window_days: int, level: float):
    problems = missing_columns(lines, ("customer_id", "ordered_at"), "lines")
    if "ordered_at" in lines and not pd.api.types.is_datetime64_any_dtype(lines["ordered_at"]):
        problems.append(f"lines.ordered_at must be dates, and is {lines['ordered_at'].dtype}; use pandas.to_datetime")
    if not {"amount", "quantity"} & set(lines.columns):
        problems.append("lines has neither amount nor quantity, so that returns cannot be told from purchases")
    if customers is not None:
        absent = missing_columns(customers, ("customer_id",), "customers")
        problems += absent or customer_problems(customers, "customer_id", "customers")
        if "joined_at" in customers and not pd.api.types.is_datetime64_any_dtype(customers["joined_at"]):
            problems.append(f"customers.joined_at must be dates, and is {customers['joined_at'].dtype}")
    if loyal_from < 3:
        problems.append(f"loyal_from must be at least 3, the day after the second purchase, and is {loyal_from}")
    if window_days < 1:
        problems.append(f"window_days must be at least 1, and is {window_days}")
    problems += level_problems(level)
    raise_problems("funnel", problems)


def _signs_of_interest(interested: pd.DataFrame | Iterable[Any] | None) -> pd.DataFrame | None:
    """Signs as customer_id and interested_at, the latter missing where days are not known."""
    if interested is None:
        return None
    if not isinstance(interested, pd.DataFrame):
        interested = pd.DataFrame({"customer_id": pd.Series(list(interested), dtype=object)})
    problems = missing_columns(interested, ("customer_id",), "interested")
    if not problems and interested["customer_id"].isna().any():
        missing = interested["customer_id"].isna().to_numpy()
        problems.append(f"interested has {missing.sum():,} rows without customer_id (rows {first_rows(missing)})")
    dated = "interested_at" in interested
    if dated and not pd.api.types.is_datetime64_any_dtype(interested["interested_at"]):
        problems.append(f"interested.interested_at must be dates, and is {interested['interested_at'].dtype}")
    raise_problems("funnel", problems)
    return interested[["customer_id", "interested_at"]] if dated else interested[["customer_id"]]


def _purchase_days(lines: pd.DataFrame, as_of: pd.Timestamp, loyal_from: int) -> pd.DataFrame:
    """First, second and `loyal_from`-th purchase day, one row a customer who bought."""
    bought = lines["customer_id"].notna() & (lines["customer_id"] != "") & (lines["ordered_at"] < as_of)
    if "amount" in lines:
        bought &= lines["amount"] >= 0
    if "quantity" in lines:
        bought &= ~(lines["quantity"] <= 0)
    days = pd.DataFrame({"customer_id": lines["customer_id"], "day": lines["ordered_at"].dt.normalize()})[bought]
    days = days.drop_duplicates().sort_values(["customer_id", "day"])
    number = days.groupby("customer_id").cumcount() + 1
    picked = {
        name: days[number == n].set_index("customer_id")["day"]
        for name, n in (("first purchase", 1), ("second purchase", 2), ("loyal", loyal_from))
    }
    return pd.DataFrame(picked, index=picked["first purchase"].index)


def _step_days(
    bought: pd.DataFrame, customers: pd.DataFrame | None, signs: pd.DataFrame | None, as_of: pd.Timestamp
) -> dict[str, tuple[np.ndarray, pd.Series]]:
    """For each step, who took it and, where that is known, on which day."""
    sources = [bought.index]
    if customers is not None:
        joined = customers.set_index("customer_id").get("joined_at", pd.Series(pd.NaT, index=customers["customer_id"]))
        sources.append(joined[~(joined >= as_of)].index)
    if signs is not None:
        day = signs.get("interested_at", pd.Series(pd.NaT, index=signs.index)).dt.normalize()
        signs = signs.assign(interested_at=day)[~(day >= as_of)]
        sources.append(pd.Index(signs["customer_id"].unique()))
    everyone = pd.Index(np.concatenate([np.asarray(ids, dtype=object) for ids in sources])).unique()
    bought = bought.reindex(everyone)
    first = bought["first purchase"]
    interest, has_interest = first, first.notna().to_numpy()
    if signs is not None:
        sign = signs.groupby("customer_id")["interested_at"].min().reindex(everyone)
        undated = everyone.isin(signs["customer_id"]) & sign.isna().to_numpy()
        interest = pd.concat([sign, first], axis=1).min(axis=1).mask(undated)
        has_interest = has_interest | everyone.isin(signs["customer_id"])
    known = interest
    if customers is not None:
        joined = joined.dt.normalize().reindex(everyone)
        known = pd.concat([joined, interest, first], axis=1).min(axis=1).where(joined.notna())
    steps = {"known": (np.ones(len(everyone), dtype=bool), known)}
    if signs is not None:
        dates_exist = signs["interested_at"].notna().any()
        steps["interested"] = (has_interest, interest if dates_exist else interest.mask(has_interest))
    return steps | {name: (bought[name].notna().to_numpy(), bought[name]) for name in bought}


def plot_funnel(steps: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the customers at each step, with the fair rate of going on.

    Parameters
    ----------
    steps : pandas.DataFrame
        Result of `funnel`, which is also the figure's table.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7.2, 0.8 * len(steps) + 0.6))
    labels = [tr(step) for step in steps["step"]]
    rows = np.arange(len(steps))
    ax.barh(rows, steps["reached"], height=0.6, color=PALETTE[0])
    texts = [f"{n:,}" for n in steps["reached"]]
    for number, (count, rate) in enumerate(zip(steps["reached"], steps["conversion_rate"], strict=True)):
        if np.isfinite(rate):
            texts[number] = tr("{count:,}, {rate:.0%} of the step before").format(count=count, rate=rate)
    window_days = steps["window_days"].iloc[0]
    for row, (text, window) in enumerate(zip(texts, steps["window_rate"], strict=True)):
        ax.annotate(text, (steps["reached"].iloc[row], row), (6, 0), textcoords="offset points", va="center")
        if np.isfinite(window):
            fair = tr("{rate:.0%} within {days} days").format(rate=window, days=window_days)
            ax.annotate(f"↓ {fair}", (0, row - 0.5), (6, 0), textcoords="offset points", va="center", color=PALETTE[6])
            texts[row] = f"{text} ({fair})"
    ax.set_yticks(rows, labels)
    ax.set_ylim(len(steps) - 0.4, -0.6)
    ax.set_xlim(0, 1.45 * max(steps["reached"].max(), 1))
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(tr("Customers at each step of the funnel"))
    shown = "; ".join(f"{label} {text}" for label, text in zip(labels, texts, strict=True))
    return describe(ax, tr("Bars of customers at each step: {shown}.").format(shown=shown))
