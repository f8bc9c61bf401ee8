"""RFM analysis: recency, frequency and monetary value, scored and combined into eight classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, customer_problems, first_rows, missing_columns, raise_problems
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_heatmap, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RfmClass(NamedTuple):
    """One of the eight classes: names, the pattern of high (H) and low (L) R, F and M, and what to do."""

    key: str
    name: str
    chinese: str
    pattern: str
    action: str


RFM_CLASSES = (
    RfmClass("important_value", "important value", "重要价值", "HHH", "Keep close: best service, early access"),
    RfmClass("important_develop", "important develop", "重要发展", "HLH", "Raise frequency: reasons to return soon"),
    RfmClass("important_keep", "important keep", "重要保持", "LHH", "Make contact now: find out why they stay away"),
    RfmClass("important_retain", "important retain", "重要挽留", "LLH", "Win back in person while it still pays"),
    RfmClass("general_value", "general value", "一般价值", "HHL", "Raise the basket: bundles, next price point"),
    RfmClass("general_develop", "general develop", "一般发展", "HLL", "Welcome: guide to the second purchase"),
    RfmClass("general_keep", "general keep", "一般保持", "LHL", "Remind at low cost"),
    RfmClass("general_retain", "general retain", "一般挽留", "LLL", "Automatic messages only"),
)
"""The eight classes in fixed order; ``pandas.DataFrame(RFM_CLASSES)`` is the table."""

NO_PURCHASE = "no purchase"

_CLASS_NAMES = [rfm_class.name for rfm_class in RFM_CLASSES]
_NAME_OF_PATTERN = {rfm_class.pattern: rfm_class.name for rfm_class in RFM_CLASSES}
_MEASURES = {"recency_days": "r_score", "frequency": "f_score", "monetary": "m_score"}


def rfm(
    summary: pd.DataFrame,
    *,
    as_of: Any,
    bins: int = 5,
    method: Literal["quantile", "fixed"] = "quantile",
    cuts: Mapping[str, Sequence[float]] | None = None,
    split: Literal["median", "mean"] = "median",
    customer_col: str = "customer_id",
    last_purchase_col: str = "last_purchase",
    frequency_col: str = "purchase_days",
    monetary_col: str = "revenue",
) -> pd.DataFrame:
    """Score customers on recency, frequency and monetary value, and put each into one of eight classes.

    Scores run from 1 to `bins`; high is good (bought recently, often, much). With ``method="quantile"`` customers are
    ranked on each measure, and equal values share the mean of their ranks, so that they always get the same score; a
    customer whose mean rank is k of n scores ``floor(bins · (k − ½)/n) + 1``. Where many customers are equal (most
    bought once) some scores stay empty, which ``attrs["notes"]`` says. With ``method="fixed"`` the score counts the
    cut points passed: a value equal to a cut point belongs to the better side.

    A score is *high* when it lies above the median (or mean) score of all customers. Where nobody lies above the
    median, because more than half share the best score reached, the customers at the median are high; where all scores
    are equal nobody is.

    Parameters
    ----------
    summary : pandas.DataFrame
        One row a customer, such as a purchase summary made for the same `as_of`.
    as_of : date-like
        Day on which the customer base is looked at; not before any last purchase.
    bins : int, default 5
        Number of scores, at least 2 and at most the number of customers who bought.
    method : {"quantile", "fixed"}, default "quantile"
        Scores by rank, or by `cuts`.
    cuts : mapping of str to sequence of float, optional
        For ``method="fixed"``: ascending cut points, ``bins − 1`` for each of ``recency_days`` (days),
        ``frequency`` and ``monetary`` (the units of the columns).
    split : {"median", "mean"}, default "median"
        Middle of the scores (the mean to one decimal); a score above it counts as high.
    customer_col, last_purchase_col, frequency_col, monetary_col : str
        Columns of `summary`. Frequency is by default the number of days with a purchase, so that two orders on one
        day are one purchase.

    Returns
    -------
    pandas.DataFrame
        One row a customer in the order given: the customer column, ``recency_days`` (days since the last purchase),
        ``frequency``, ``monetary``, ``r_score``, ``f_score``, ``m_score``, ``rfm_score`` (such as ``"545"``; joined
        with ``-`` where scores have two digits) and ``rfm_class``. A customer without a purchase (only returns) has
        missing scores and the class ``"no purchase"``. ``attrs["notes"]`` holds sentences about measures that hardly
        tell customers apart.

    Raises
    ------
    ParameterError
        If options or columns are unusable; the message lists every problem.

    References
    ----------
    Hughes, A. M. (1994). *Strategic Database Marketing*. Chicago: Probus.

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "d"],
    ...     "last_purchase": pd.to_datetime(["2025-12-30", "2025-12-01", "2025-06-01", "2024-06-01"]),
    ...     "purchase_days": [9, 1, 6, 1],
    ...     "revenue": [900.0, 40.0, 700.0, 30.0],
    ... })
    >>> rfm(summary, as_of="2026-01-01", bins=2)[["customer_id", "recency_days", "rfm_score", "rfm_class"]]
      customer_id  recency_days rfm_score        rfm_class
    0           a             2       222  important value
    1           b            31       211  general develop
    2           c           214       122   important keep
    3           d           579       111   general retain
    """
    problems = _option_problems(bins, method, cuts, split)
    columns = (customer_col, last_purchase_col, frequency_col, monetary_col)
    problems += missing_columns(summary, columns, "summary")
    try:
        day = pd.Timestamp(as_of)
    except (TypeError, ValueError):
        day = pd.NaT
    if day is pd.NaT:
        problems.append(f"as_of must be a date such as '2025-12-31', and is {as_of!r}")
    if customer_col in summary:
        problems += customer_problems(summary, customer_col, "summary")
    raise_problems("rfm", problems)

    measures, bought = _measure(summary, day, last_purchase_col, frequency_col, monetary_col, problems)
    if not problems and method == "quantile" and bins > bought.sum():
        problems.append(f"bins is {bins}, and only {bought.sum():,} customers bought; use fewer bins")
    raise_problems("rfm", problems)

    result = pd.DataFrame({customer_col: summary[customer_col].reset_index(drop=True), **measures})
    pattern = np.full(len(result), "", dtype=object)
    notes = []
    for measure, score_col in _MEASURES.items():
        goodness = result.loc[bought, measure].to_numpy(dtype=float) * (-1 if measure == "recency_days" else 1)
        if method == "quantile":
            scores = _quantile_scores(goodness, bins)
        else:
            scores = _fixed_scores(goodness, cuts[measure], reverse=measure == "recency_days")
        result[score_col] = pd.array([pd.NA] * len(result), dtype="Int64")
        result.loc[bought, score_col] = scores
        pattern[bought] += np.where(_is_high(scores, split), "H", "L")
        used = len(np.unique(scores))
        if used < bins:
            notes.append(
                tr("{measure} takes {values:,} different values: {used} of {bins} scores are in use.").format(
                    measure=measure, values=len(np.unique(goodness)), used=used, bins=bins
                )
            )
    joint = "" if bins <= 9 else "-"
    result["rfm_score"] = (
        result["r_score"]
        .astype("string")
        .str.cat([result["f_score"].astype("string"), result["m_score"].astype("string")], sep=joint)
    )
    classes = [*_CLASS_NAMES, *([] if bought.all() else [NO_PURCHASE])]
    result["rfm_class"] = pd.Categorical(
        [_NAME_OF_PATTERN.get(letters, NO_PURCHASE) for letters in pattern], categories=classes
    )
    result.attrs["notes"] = tuple(notes)
    return result


def rfm_table(result: pd.DataFrame, *, value_name: str = "revenue") -> pd.DataFrame:
    """Size, habits and value of the RFM classes.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `rfm`.
    value_name : str, default "revenue"
        What ``monetary`` measures; names the two columns of totals.

    Returns
    -------
    pandas.DataFrame
        The eight classes in fixed order, empty ones too, and ``no purchase`` where there are such customers:
        ``rfm_class``, ``chinese``, ``customers``, ``customer_share``, ``median_recency_days``, ``median_frequency``,
        ``median_monetary``, ``revenue`` and ``revenue_share`` (NaN where the total is not above zero).

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b"], "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01"]),
    ...     "purchase_days": [9, 1], "revenue": [900.0, 100.0]})
    >>> table = rfm_table(rfm(summary, as_of="2026-01-01", bins=2))
    >>> table.loc[table["customers"] > 0, ["rfm_class", "customers", "revenue_share"]]
             rfm_class  customers  revenue_share
    0  important value          1            0.9
    7   general retain          1            0.1
    """
    raise_problems("rfm_table", missing_columns(result, ("rfm_class", *_MEASURES), "result"))
    chinese = {rfm_class.name: rfm_class.chinese for rfm_class in RFM_CLASSES} | {NO_PURCHASE: "未购买"}
    names = [*_CLASS_NAMES, *([NO_PURCHASE] if (result["rfm_class"] == NO_PURCHASE).any() else [])]
    classes = result["rfm_class"].astype(pd.CategoricalDtype(names))
    grouped = result.groupby(classes, observed=False)
    customers, total = grouped.size(), grouped["monetary"].sum()
    return pd.DataFrame(
        {
            "rfm_class": names,
            "chinese": [chinese[name] for name in names],
            "customers": customers.to_numpy(),
            "customer_share": (customers / customers.sum()).to_numpy(),
            **{f"median_{measure}": grouped[measure].median().to_numpy(dtype=float) for measure in _MEASURES},
            value_name: total.to_numpy(),
            f"{value_name}_share": total.to_numpy() / (total.sum() if total.sum() > 0 else np.nan),
        }
    )


def rfm_score_table(result: pd.DataFrame) -> pd.DataFrame:
    """Which values of a measure got which score.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `rfm`.

    Returns
    -------
    pandas.DataFrame
        One row a measure and score in use, best first: ``measure``, ``score``, ``customers``, ``lowest`` and
        ``highest`` value of the measure. A score that is not listed was given to nobody.

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b"], "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01"]),
    ...     "purchase_days": [9, 1], "revenue": [900.0, 100.0]})
    >>> rfm_score_table(rfm(summary, as_of="2026-01-01", bins=2)).head(3)
            measure  score  customers  lowest  highest
    0  recency_days      2          1     2.0      2.0
    1  recency_days      1          1   579.0    579.0
    2     frequency      2          1     9.0      9.0
    """
    raise_problems("rfm_score_table", missing_columns(result, (*_MEASURES, *_MEASURES.values()), "result"))
    parts = []
    for measure, score_col in _MEASURES.items():
        scored = result.dropna(subset=[score_col])
        grouped = scored[measure].astype(float).groupby(scored[score_col].astype(int))
        part = grouped.agg(["size", "min", "max"]).sort_index(ascending=False).reset_index()
        part.columns = ["score", "customers", "lowest", "highest"]
        part.insert(0, "measure", measure)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def rfm_grid_table(result: pd.DataFrame, *, value: Literal["customers", "mean_monetary"] = "customers") -> pd.DataFrame:
    """Count customers, or average their monetary value, by recency and frequency score.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `rfm`.
    value : {"customers", "mean_monetary"}, default "customers"
        What the cells hold.

    Returns
    -------
    pandas.DataFrame
        Matrix with ``r_score`` from best to worst as index and ``f_score`` from worst to best as columns. A cell
        without customers holds 0, or NaN for the mean.

    Examples
    --------
    >>> summary = pd.DataFrame({
    ...     "customer_id": ["a", "b"], "last_purchase": pd.to_datetime(["2025-12-30", "2024-06-01"]),
    ...     "purchase_days": [9, 1], "revenue": [900.0, 100.0]})
    >>> rfm_grid_table(rfm(summary, as_of="2026-01-01", bins=2)).to_numpy()
    array([[0, 1],
           [1, 0]])
    """
    problems = missing_columns(result, ("r_score", "f_score", "monetary"), "result")
    if value not in ("customers", "mean_monetary"):
        problems.append(f"value must be 'customers' or 'mean_monetary', and is {value!r}")
    raise_problems("rfm_grid_table", problems)
    scored = result.dropna(subset=["r_score", "f_score"])
    scores = range(1, int(scored[["r_score", "f_score"]].max().max()) + 1)
    grouped = scored.groupby([scored["r_score"].astype(int), scored["f_score"].astype(int)])["monetary"]
    cells = grouped.size() if value == "customers" else grouped.mean()
    matrix = cells.unstack("f_score").reindex(index=scores[::-1], columns=scores)  # noqa: PD010
    matrix.index.name, matrix.columns.name = "r_score", "f_score"
    return matrix.fillna(0).astype(int) if value == "customers" else matrix


def plot_rfm(result: pd.DataFrame, *, value_name: str = "revenue", ax: Axes | None = None) -> Axes:
    """Draw each class's share of customers beside its share of revenue.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `rfm`.
    value_name : str, default "revenue"
        What ``monetary`` measures.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If the total monetary value is not above zero.

    See Also
    --------
    rfm_table : the numbers.
    """
    from matplotlib.ticker import PercentFormatter

    table = rfm_table(result, value_name=value_name)
    share_col = f"{value_name}_share"
    if table[share_col].isna().all():
        raise_problems(
            "plot_rfm",
            [f"the total of {value_name} is {table[value_name].sum():g}; shares of it need a total above zero"],
        )
    ax = new_axes(ax)
    place = np.arange(len(table))
    kinds = [
        ("customer_share", -0.2, MUTED, tr("customers")),
        (share_col, 0.2, PALETTE[0], tr(value_name)),
    ]
    for column, offset, color, label in kinds:
        bars = ax.barh(place + offset, table[column], height=0.38, color=color, label=label)
        ax.bar_label(bars, labels=[f"{share:.0%}" for share in table[column]], padding=3, fontsize=8)
    ax.set_yticks(place, [tr(name) for name in table["rfm_class"]])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(
        xlabel=tr("Share of the total"),
        title=tr("RFM classes: share of customers and of {value}").format(value=tr(value_name)),
    )
    ax.legend(loc="best")
    largest = table.loc[table[share_col].idxmax()]
    return describe(
        ax,
        tr(
            "Bars by RFM class. The class with the largest share of {value} is {name}: {customers:.0%} of customers, "
            "{share:.0%} of {value}."
        ).format(
            value=tr(value_name),
            name=tr(largest["rfm_class"]),
            customers=largest["customer_share"],
            share=largest[share_col],
        ),
    )


def plot_rfm_grid(
    result: pd.DataFrame,
    *,
    value: Literal["customers", "mean_monetary"] = "customers",
    ax: Axes | None = None,
) -> Axes:
    """Draw a heat map of recency by frequency score, with the number in each cell.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `rfm`.
    value : {"customers", "mean_monetary"}, default "customers"
        What the cells hold.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    rfm_grid_table : the numbers.
    """
    matrix = rfm_grid_table(result, value=value)
    ax = new_axes(ax)
    draw_heatmap(ax, matrix.to_numpy(dtype=float), "{:,.0f}")
    ax.set_xticks(range(matrix.shape[1]), matrix.columns)
    ax.set_yticks(range(matrix.shape[0]), matrix.index)
    title = tr("Customers") if value == "customers" else tr("Mean monetary value of customers")
    ax.set(
        xlabel=tr("Frequency score ({best} = often)").format(best=matrix.columns.max()),
        ylabel=tr("Recency score ({best} = recent)").format(best=matrix.index.max()),
        title=tr("{what} by recency and frequency score").format(what=title),
    )
    row, column = np.unravel_index(np.nanargmax(matrix), matrix.shape)
    return describe(
        ax,
        tr(
            "Heat map of recency by frequency score: {what}. The largest cell, recency {recency} and frequency "
            "{frequency}, holds {number:,.0f}."
        ).format(
            what=title,
            recency=matrix.index[row],
            frequency=matrix.columns[column],
            number=matrix.iloc[row, column],
        ),
    )


def _option_problems(bins: Any, method: str, cuts: Any, split: str) -> list[str]:
    problems = []
    whole = isinstance(bins, int | np.integer) and not isinstance(bins, bool)
    if not whole or bins < 2:
        problems.append(f"bins must be a whole number of at least 2, and is {bins!r}")
    if split not in ("median", "mean"):
        problems.append(f"split must be 'median' or 'mean', and is {split!r}")
    if method not in ("quantile", "fixed"):
        problems.append(f"method must be 'quantile' or 'fixed', and is {method!r}")
    if method == "quantile" and cuts is not None:
        problems.append("cuts are used by method='fixed' only; drop them or change the method")
    if method == "fixed":
        given = cuts or {}
        if unknown := [name for name in given if name not in _MEASURES]:
            problems.append(f"cuts names {', '.join(map(str, unknown))}; the measures are {', '.join(_MEASURES)}")
        for measure in _MEASURES:
            points = np.asarray(given.get(measure, ()), dtype=float)
            if whole and (len(points) != bins - 1 or not (np.diff(points) > 0).all()):
                problems.append(
                    f"cuts[{measure!r}] must hold {bins - 1} ascending cut points for bins={bins}, "
                    f"and is {list(given.get(measure, ()))}"
                )
    return problems


def _measure(
    summary: pd.DataFrame,
    day: pd.Timestamp,
    last_purchase_col: str,
    frequency_col: str,
    monetary_col: str,
    problems: list[str],
) -> tuple[dict[str, Any], np.ndarray]:
    """Recency, frequency and monetary value, and who bought at all; what is wrong goes to `problems`."""
    last = summary[last_purchase_col]
    if not pd.api.types.is_datetime64_dtype(last):
        problems.append(f"{last_purchase_col} must hold dates without a time zone, and is {last.dtype}")
        return {}, np.zeros(len(summary), dtype=bool)
    recency = (day - last).dt.days.to_numpy(dtype=float, na_value=np.nan)
    early = recency < 0
    if early.any():
        problems.append(
            f"as_of {day:%Y-%m-%d} is before the last purchase of {early.sum():,} customers "
            f"(rows {first_rows(early)}; latest {last.max():%Y-%m-%d}); "
            "make the summary for the same as_of, or choose a later one"
        )
    as_numbers(summary[frequency_col], frequency_col, problems)
    bought = last.notna().to_numpy()
    if not bought.any():
        problems.append("no customer has a purchase")
    monetary = as_numbers(summary[monetary_col], monetary_col, problems)
    return {
        "recency_days": pd.array(recency, dtype="Float64").astype("Int64"),
        "frequency": summary[frequency_col].reset_index(drop=True),
        "monetary": monetary,
    }, bought


def _quantile_scores(goodness: np.ndarray, bins: int) -> np.ndarray:
    """Scores from mean ranks, in whole numbers so that no rounding separates equal customers."""
    ordered = np.sort(goodness)
    smaller = np.searchsorted(ordered, goodness, side="left")
    smaller_or_equal = np.searchsorted(ordered, goodness, side="right")
    return bins * (smaller + smaller_or_equal) // (2 * len(goodness)) + 1


def _fixed_scores(goodness: np.ndarray, points: Sequence[float], *, reverse: bool) -> np.ndarray:
    cut = np.sort(-np.asarray(points, dtype=float)) if reverse else np.asarray(points, dtype=float)
    return np.searchsorted(cut, goodness, side="right") + 1


def _is_high(scores: np.ndarray, split: str) -> np.ndarray:
    # Bins of nearly equal size put the mean of the scores a hair above or below the middle score; to one decimal that
    # hair does not decide.
    middle = np.median(scores) if split == "median" else np.round(scores.mean(), 1)
    high = scores > middle
    return high if high.any() or scores.min() == scores.max() else scores >= middle
