"""What becomes of classes: migration between two dates, and purchases in the period that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    customer_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
)
from crm_utils.intervals import bootstrap, percentile_interval, wilson
from crm_utils.language import tr
from crm_utils.plotting import describe, draw_heatmap, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEW, GONE = "new", "gone"


def segment_migration(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    by: str = "rfm_class",
    customer_col: str = "customer_id",
) -> pd.DataFrame:
    """Count customers by their class at two dates.

    Parameters
    ----------
    before, after : pandas.DataFrame
        One row a customer with a class, such as results of `rfm` or `abc` at two dates.
    by : str, default "rfm_class"
        Column of classes. The order of a categorical column is kept; else classes are sorted.
    customer_col : str, default "customer_id"
        Column of customers.

    Returns
    -------
    pandas.DataFrame
        Matrix of counts: classes before (index ``before``) by classes after (columns ``after``). The last row,
        ``new``, counts customers who appear after only; the last column, ``gone``, those who appear before only.

    Raises
    ------
    ParameterError
        If columns are missing, customers repeat, or a class is missing or called ``new`` or ``gone``.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": ["a", "b", "c"], "abc_class": ["A", "B", "B"]})
    >>> after = pd.DataFrame({"customer_id": ["a", "b", "d"], "abc_class": ["A", "A", "B"]})
    >>> segment_migration(before, after, by="abc_class")
    after   A  B  gone
    before
    A       1  0     0
    B       1  0     1
    new     0  1     0
    """
    problems = []
    for frame, name in ((before, "before"), (after, "after")):
        absent = missing_columns(frame, (customer_col, by), name)
        problems += absent or [
            *customer_problems(frame, customer_col, name),
            *_class_problems(frame[by], f"{name}.{by}", reserved=(NEW, GONE)),
        ]
    raise_problems("segment_migration", problems)
    order = _class_order(before[by], after[by])
    pairs = (
        before[[customer_col, by]]
        .astype({by: object})
        .merge(
            after[[customer_col, by]].astype({by: object}),
            on=customer_col,
            how="outer",
            suffixes=("_before", "_after"),
        )
    )
    came_from = pd.Categorical(pairs[f"{by}_before"].fillna(NEW), categories=[*order, NEW])
    went_to = pd.Categorical(pairs[f"{by}_after"].fillna(GONE), categories=[*order, GONE])
    cells = np.zeros((len(order) + 1, len(order) + 1), dtype=int)
    np.add.at(cells, (came_from.codes, went_to.codes), 1)
    return pd.DataFrame(
        cells,
        index=pd.Index([*order, NEW], name="before"),
        columns=pd.Index([*order, GONE], name="after"),
    )


def migration_table(
    matrix: pd.DataFrame,
    *,
    normalize: Literal["before", "after"] = "before",
    level: float = 0.95,
) -> pd.DataFrame:
    """Shares of customers who moved from class to class, each with Wilson's interval.

    Parameters
    ----------
    matrix : pandas.DataFrame
        Result of `segment_migration`.
    normalize : {"before", "after"}, default "before"
        Share of the class before (where did they go?) or of the class after (where did they come from?).
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a pair of classes: ``before``, ``after``, ``customers``, ``share``, ``low``, ``high``; the last three
        are NaN where the class is empty.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. *Journal of the
    American Statistical Association* 22(158), 209–212.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": ["a", "b", "c"], "abc_class": ["A", "B", "B"]})
    >>> after = pd.DataFrame({"customer_id": ["a", "b", "d"], "abc_class": ["A", "A", "B"]})
    >>> migration_table(segment_migration(before, after, by="abc_class")).query("customers > 0").round(3)
      before after  customers  share    low   high
    0      A     A          1    1.0  0.207  1.000
    3      B     A          1    0.5  0.095  0.905
    5      B  gone          1    0.5  0.095  0.905
    7    new     B          1    1.0  0.207  1.000
    """
    problems = resampling_problems(2, level)
    if normalize not in ("before", "after"):
        problems.append(f"normalize must be 'before' or 'after', and is {normalize!r}")
    raise_problems("migration_table", problems)
    counts = matrix.to_numpy()
    totals = np.broadcast_to(counts.sum(axis=1 if normalize == "before" else 0, keepdims=True), counts.shape)
    low, high = wilson(counts, totals, level=level)
    before, after = np.meshgrid(matrix.index, matrix.columns, indexing="ij")
    return pd.DataFrame(
        {
            "before": before.ravel(),
            "after": after.ravel(),
            "customers": counts.ravel(),
            "share": np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )


def plot_migration(
    matrix: pd.DataFrame, *, normalize: Literal["before", "after"] = "before", ax: Axes | None = None
) -> Axes:
    """Draw migration shares as a heat map with the number in each cell; empty classes are left out.

    Parameters
    ----------
    matrix : pandas.DataFrame
        Result of `segment_migration`.
    normalize : {"before", "after"}, default "before"
        Share of the class before, or of the class after.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    See Also
    --------
    migration_table : the numbers, with intervals.
    """
    table = migration_table(matrix, normalize=normalize)
    shares = table["share"].to_numpy().reshape(matrix.shape)
    rows = matrix.to_numpy().sum(axis=1) > 0
    columns = matrix.to_numpy().sum(axis=0) > 0
    ax = new_axes(ax, figsize=(7.2, 5.0))
    # Moves that nobody made stay blank, so that the moves stand out.
    moved = np.where(matrix.to_numpy() > 0, shares, np.nan)
    draw_heatmap(ax, moved[np.ix_(rows, columns)], "{:.0%}")
    before = [tr(str(name)) for name in matrix.index[rows]]
    after = [tr(str(name)) for name in matrix.columns[columns]]
    if normalize == "before":
        title = tr("Where each class went: share of the class before")
        before = _counted(before, matrix.to_numpy().sum(axis=1)[rows])
    else:
        title = tr("Where each class came from: share of the class after")
        after = _counted(after, matrix.to_numpy().sum(axis=0)[columns])
    ax.set_xticks(range(len(after)), after, rotation=40, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(range(len(before)), before, parse_math=False)
    ax.set(xlabel=tr("Class after"), ylabel=tr("Class before"), title=title)
    stayed = sum(int(matrix.loc[name, name]) for name in matrix.index if name in matrix.columns)
    known = int(matrix.drop(index=NEW, errors="ignore").to_numpy().sum())
    return describe(
        ax,
        tr("Heat map of class before by class after. {stayed:,} of {known:,} customers kept their class.").format(
            stayed=stayed, known=known
        ),
    )


def next_period_outcome(
    classes: pd.DataFrame,
    outcome_summary: pd.DataFrame,
    *,
    by: str = "rfm_class",
    customer_col: str = "customer_id",
    frequency_col: str = "purchase_days",
    revenue_col: str = "revenue",
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> pd.DataFrame:
    """Tell what customers of each class bought in the period after they were classed.

    Parameters
    ----------
    classes : pandas.DataFrame
        One row a customer with a class, such as a result of `rfm` or `abc`.
    outcome_summary : pandas.DataFrame
        Purchase summary of the following period's order lines; customers absent from it bought nothing.
    by : str, default "rfm_class"
        Column of classes.
    customer_col, frequency_col, revenue_col : str
        Columns. A buyer is a customer with a frequency above zero; one who only returned goods is none.
    n_boot : int, default 1000
        Bootstrap replicates for the interval of the mean.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each class and replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        One row a class, empty ones too: the class, ``customers``, ``buyers``, ``buying_rate`` with Wilson's interval
        (``_low``, ``_high``), ``mean_revenue`` of all customers of the class (those who bought nothing count as 0)
        with a bootstrap percentile interval, ``revenue`` and ``revenue_share`` (of the revenue of classed customers).
        Rates and means of an empty class are NaN. ``attrs["new_customers"]`` and ``attrs["new_customers_revenue"]``
        tell what came from customers who had no class.

    Raises
    ------
    ParameterError
        If options or columns are unusable.

    Examples
    --------
    >>> classes = pd.DataFrame({"customer_id": ["a", "b", "c"], "abc_class": ["A", "B", "B"]})
    >>> following = pd.DataFrame({"customer_id": ["a", "b"], "purchase_days": [3, 1], "revenue": [90.0, 10.0]})
    >>> outcome = next_period_outcome(classes, following, by="abc_class", n_boot=100)
    >>> outcome[["abc_class", "customers", "buyers", "buying_rate", "mean_revenue", "revenue_share"]]
      abc_class  customers  buyers  buying_rate  mean_revenue  revenue_share
    0         A          1       1          1.0          90.0            0.9
    1         B          2       1          0.5           5.0            0.1
    """
    absent = [
        *missing_columns(classes, (customer_col, by), "classes"),
        *missing_columns(outcome_summary, (customer_col, frequency_col, revenue_col), "outcome_summary"),
    ]
    problems = resampling_problems(n_boot, level) + absent
    if not absent:
        problems += customer_problems(classes, customer_col, "classes")
        problems += _class_problems(classes[by], f"classes.{by}")
        problems += customer_problems(outcome_summary, customer_col, "outcome_summary")
        for column in (frequency_col, revenue_col):
            as_numbers(outcome_summary[column], f"outcome_summary.{column}", problems)
    raise_problems("next_period_outcome", problems)

    order = _class_order(classes[by])
    # Sorted by customer, so that the order of the rows does not reach the resampling.
    known = classes[[customer_col, by]].sort_values(customer_col, kind="stable")
    following = outcome_summary.set_index(customer_col)[[frequency_col, revenue_col]]
    found = following.reindex(known[customer_col]).fillna(0)
    bought, revenue = (found[frequency_col] > 0).to_numpy(), found[revenue_col].to_numpy(dtype=float)
    rows = []
    for name, child in zip(order, np.random.SeedSequence(seed).spawn(len(order)), strict=True):
        members = (known[by] == name).to_numpy()
        spent = revenue[members]
        low, high = _mean_interval(spent, n_boot=n_boot, level=level, seed=child)
        rows.append(
            {
                by: name,
                "customers": int(members.sum()),
                "buyers": int(bought[members].sum()),
                "mean_revenue": spent.mean() if len(spent) else np.nan,
                "mean_revenue_low": low,
                "mean_revenue_high": high,
                "revenue": spent.sum(),
            }
        )
    result = pd.DataFrame(rows)
    result["buying_rate"] = result["buyers"] / result["customers"].where(result["customers"] > 0)
    result["buying_rate_low"], result["buying_rate_high"] = wilson(result["buyers"], result["customers"], level=level)
    total = result["revenue"].sum()
    result["revenue_share"] = result["revenue"] / total if total > 0 else np.nan
    new = following[~following.index.isin(classes[customer_col])]
    columns = [
        by,
        "customers",
        "buyers",
        *(f"buying_rate{end}" for end in ("", "_low", "_high")),
        *(f"mean_revenue{end}" for end in ("", "_low", "_high")),
        "revenue",
        "revenue_share",
    ]
    result = result[columns]
    result.attrs["new_customers"] = int((new[frequency_col] > 0).sum())
    result.attrs["new_customers_revenue"] = float(new[revenue_col].sum())
    return result


def plot_next_period(
    result: pd.DataFrame,
    *,
    measure: Literal["mean_revenue", "buying_rate"] = "mean_revenue",
    currency: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each class did in the next period, with intervals; the result of `next_period_outcome` is the table.

    Parameters
    ----------
    result : pandas.DataFrame
        Result of `next_period_outcome`.
    measure : {"mean_revenue", "buying_rate"}, default "mean_revenue"
        What to draw.
    currency : str, default ""
        Unit of revenue, for the axis label.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import PercentFormatter, StrMethodFormatter

    if measure not in ("mean_revenue", "buying_rate"):
        raise_problems("plot_next_period", [f"measure must be 'mean_revenue' or 'buying_rate', and is {measure!r}"])
    shown = result[result["customers"] > 0]
    names = [tr(str(name)) for name in shown.iloc[:, 0]]
    value, low, high = (shown[f"{measure}{end}"].to_numpy() for end in ("", "_low", "_high"))
    ax = new_axes(ax)
    template = "{:.0%}" if measure == "buying_rate" else "{:,.0f}"
    draw_intervals(ax, _counted(names, shown["customers"]), value, low, high, template=template)
    if measure == "buying_rate":
        label, title = tr("Share who bought in the next period"), tr("Who bought again, by class")
        ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    else:
        label = tr("Revenue per customer in the next period")
        label, title = f"{label} ({currency})" if currency else label, tr("What customers spent next, by class")
        ax.set_xlim(left=min(0, float(np.nanmin(low))))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set(xlabel=label, title=title)
    best, worst = int(np.nanargmax(value)), int(np.nanargmin(value))
    return describe(
        ax,
        tr("Points with intervals by class. {label}: from {low} ({worst}) to {high} ({best}).").format(
            label=label,
            low=template.format(value[worst]),
            worst=names[worst],
            high=template.format(value[best]),
            best=names[best],
        ),
    )


def _counted(names: Sequence[str], customers: Iterable[int]) -> list[str]:
    return [f"{name} ({count:,})" for name, count in zip(names, customers, strict=True)]


def _class_order(*columns: pd.Series) -> list:
    """Categories in their order where the columns are categorical, else the sorted classes."""
    order: dict = {}
    for column in columns:
        if isinstance(column.dtype, pd.CategoricalDtype):
            order.update(dict.fromkeys(column.cat.categories))
    found = set().union(*(column.unique() for column in columns))
    return [*order, *sorted(found - set(order), key=str)]


def _class_problems(column: pd.Series, name: str, *, reserved: Sequence[str] = ()) -> list[str]:
    problems = []
    if missing := int(column.isna().sum()):
        problems.append(f"{name} is missing in {missing:,} rows; give every customer a class")
    if used := [word for word in reserved if (column == word).any()]:
        problems.append(f"{name} holds {', '.join(used)}, which the migration matrix uses itself; rename that class")
    return problems


def _mean_interval(
    values: np.ndarray, *, n_boot: int, level: float, seed: np.random.SeedSequence
) -> tuple[float, float]:
    if not len(values):
        return np.nan, np.nan
    replicates = bootstrap(lambda counts: np.array([counts @ values]), len(values), n_boot=n_boot, seed=seed)
    low, high = percentile_interval(replicates / len(values), level=level)
    return float(low[0]), float(high[0])
