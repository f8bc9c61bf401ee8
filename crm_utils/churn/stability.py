"""Whether customers are still like those the model learnt from: stability index by feature and of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, count_problems, index_problems, missing_columns, raise_problems
from crm_utils.churn.tables import SNAPSHOT, FeatureTable, as_feature_table
from crm_utils.errors import DataFloorError, did_you_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOK, SHIFTED = 0.1, 0.25
FEWEST_CUSTOMERS = 50
# An empty bin would make the index infinite.
_LEAST = 0.5
_SCORE = "score"


def stability_index(reference: Any, current: Any, *, bins: int = 10) -> pd.Series:
    """Population stability index (PSI) of one feature between two groups of customers.

    Parameters
    ----------
    reference, current : array-like, shape (n,) and (m,)
        Numbers, or text for categories; missing values are a bin of their own.
    bins : int, default 10
        Bins of numbers, from 2, by quantiles of the reference; with ties there are fewer.

    Returns
    -------
    pandas.Series
        ``psi`` = Σ (q − p) ln(q/p) over bins with shares p of the reference and q of the current; ``bins``;
        ``by_chance``, the index that is passed in one of twenty samples where nothing has changed; ``verdict``:
        "stable" below 0.1, "look into it" below 0.25, else "shifted" — limits by convention — and "within chance" where
        it does not pass ``by_chance``.

    Raises
    ------
    ParameterError
        If one is a number and the other text, or `bins` is unusable.
    DataFloorError
        If either has fewer than 50 customers.

    Notes
    -----
    Empty bins count half a customer. Without change, PSI × nm/(n + m) follows about a χ² law with one degree of freedom
    less than there are bins [2]_: with few customers, the conventional limits are passed by chance.

    References
    ----------
    .. [1] Siddiqi, N. (2006). Credit Risk Scorecards. Wiley.
    .. [2] Yurdakul, B. & Naranjo, J. (2020). Statistical properties of the population stability index. Journal of Risk
       Model Validation 14(4), 89–100.

    Examples
    --------
    >>> before, after = np.repeat(["gold", "silver"], [50, 50]), np.repeat(["gold", "silver"], [75, 25])
    >>> found = stability_index(before, after)
    >>> round(found["psi"], 4), found["verdict"]
    (0.2747, 'shifted')
    """
    where = "stability_index"
    raise_problems(where, count_problems("bins", bins, least=2))
    return _index(where, pd.Series(reference), pd.Series(current), bins)


def _index(where: str, reference: pd.Series, current: pd.Series, bins: int) -> pd.Series:
    from scipy.stats import chi2

    sizes = len(reference), len(current)
    if min(sizes) < FEWEST_CUSTOMERS:
        raise DataFloorError(
            f"{where}: at least {FEWEST_CUSTOMERS} customers on either side are needed, and there are {sizes[0]:,} and "
            f"{sizes[1]:,}."
        )
    numeric = [
        pd.api.types.is_numeric_dtype(side) or pd.api.types.is_bool_dtype(side) or side.isna().all()
        for side in (reference, current)
    ]
    if numeric[0] != numeric[1]:
        raise_problems(where, ["one side is numbers and the other text; make both the same"])
    before, after = _counts(reference, current, bins, numeric[0])
    p, q = (np.maximum(counts, _LEAST) / np.maximum(counts, _LEAST).sum() for counts in (before, after))
    psi = float(((q - p) * np.log(q / p)).sum())
    chance = chi2.ppf(0.95, len(p) - 1) * (1 / sizes[0] + 1 / sizes[1]) if len(p) > 1 else 0.0
    if psi <= chance:
        verdict = tr("within chance")
    else:
        verdict = tr("stable") if psi < LOOK else tr("look into it") if psi < SHIFTED else tr("shifted")
    return pd.Series({"psi": psi, "bins": len(p), "by_chance": float(chance), "verdict": verdict}, dtype=object)


def _counts(reference: pd.Series, current: pd.Series, bins: int, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Customers by bin on either side, without bins that both leave empty."""
    if numeric:
        sides = [side.to_numpy(dtype=float, na_value=np.nan) for side in (reference, current)]
        there = sides[0][~np.isnan(sides[0])]
        edges = np.unique(np.quantile(there, np.arange(1, bins) / bins)) if len(there) else np.zeros(0)
        codes = [np.where(np.isnan(side), len(edges) + 1, np.searchsorted(edges, side, side="left")) for side in sides]
        size = len(edges) + 2
    else:
        texts = [side.astype("str").where(side.notna()) for side in (reference, current)]
        both, names = pd.factorize(pd.concat(texts), use_na_sentinel=False)
        codes, size = [both[: len(reference)], both[len(reference) :]], len(names)
    counts = [np.bincount(side, minlength=size) for side in codes]
    used = counts[0] + counts[1] > 0
    return counts[0][used], counts[1][used]


def snapshot_stability(
    table: FeatureTable,
    *,
    reference: Any = None,
    features: Sequence[str] | None = None,
    score: Any = None,
    bins: int = 10,
) -> pd.DataFrame:
    """Hold each later snapshot against a reference, by feature and by score.

    Parameters
    ----------
    table : FeatureTable
        Of two snapshots or more; outcomes are not needed.
    reference : FeatureTable or date-like, optional
        Customers to compare with, such as those in training, or the snapshot that is the reference. Default: the first
        snapshot.
    features : sequence of str, optional
        Features to look at. Default: all.
    score : array-like of float, shape (n,), optional
        Predicted probability of each row of `table`, looked at as ``score``; only with a snapshot as reference.
    bins : int, default 10
        As in `stability_index`.

    Returns
    -------
    pandas.DataFrame
        One row a snapshot and feature: ``snapshot``, ``feature``, ``psi``, ``bins``, ``by_chance``, ``verdict``; by
        snapshot, the largest index first.

    Raises
    ------
    ParameterError
        If columns or options are unusable.
    DataFloorError
        If a snapshot has fewer than 50 customers, or there is nothing to compare.

    Examples
    --------
    >>> from crm_utils.company import load_company
    >>> from crm_utils.churn.features import several_snapshots
    >>> table = several_snapshots(load_company(), first="2025-01-01", last="2025-07-01", every_months=6)
    >>> snapshot_stability(table, features=["plan", "tenure_months"])["feature"].tolist()
    ['tenure_months', 'plan']
    """
    where = "snapshot_stability"
    table = as_feature_table(table, where=where)
    chosen = list(table.features if features is None else features)
    problems = count_problems("bins", bins, least=2)
    problems += [
        f"features names {name!r}, which is no feature{did_you_mean(name, table.features)}"
        for name in chosen
        if name not in table.features
    ]
    if score is not None:
        problems += index_problems(score=score, table=table.rows) if isinstance(reference, FeatureTable) else []
        if len(score) != len(table):
            problems.append(f"score must be as long as the table ({len(table):,} rows), and has {len(score):,}")
        if isinstance(reference, FeatureTable):
            problems.append("score needs a snapshot of the table as reference")
    days = np.sort(table.rows[SNAPSHOT].dropna().unique())
    if not isinstance(reference, FeatureTable):
        day = pd.Timestamp(reference) if reference is not None else (pd.Timestamp(days[0]) if len(days) else pd.NaT)
        if len(days) and day not in pd.DatetimeIndex(days):
            problems.append(f"reference must be a snapshot of the table, and {day:%Y-%m-%d} is none")
    raise_problems(where, problems)
    rows = table.rows
    if score is not None:
        rows = rows.assign(**{_SCORE: np.asarray(score, dtype=float)})
        chosen.append(_SCORE)
    if isinstance(reference, FeatureTable):
        base, later = reference.rows, days
    else:
        base, later = rows[rows[SNAPSHOT] == day], days[days > day.to_datetime64()]
    if not len(later):
        raise DataFloorError(f"{where}: no snapshot after the reference; at least two are needed.")
    found = []
    for moment in later:
        now = rows[rows[SNAPSHOT] == moment]
        part = pd.DataFrame([_index(where, base[name], now[name], bins) for name in chosen])
        part.insert(0, "feature", chosen)
        part.insert(0, SNAPSHOT, pd.Timestamp(moment))
        found.append(part.sort_values("psi", ascending=False, kind="stable"))
    return pd.concat(found, ignore_index=True).astype({"psi": float, "bins": int, "by_chance": float})


def plot_stability(
    moved: pd.DataFrame,
    *,
    snapshot: Any = None,
    most: int = 12,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the features that moved most, with the conventional limits and what chance would give.

    Parameters
    ----------
    moved : pandas.DataFrame
        As from `snapshot_stability`, which is the table of the figure.
    snapshot : date-like, optional
        Which one to draw. Default: the last.
    most : int, default 12
        At most so many features.
    labels : mapping of str to str, optional
        What features are called. Default: their names with spaces.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. Bars that do not pass what chance gives in one of twenty samples are grey, whatever the limits say.

    Raises
    ------
    ParameterError
        If columns are absent, or there is no such snapshot: every problem.
    """
    where = "plot_stability"
    columns = (SNAPSHOT, "feature", "psi", "by_chance")
    problems = missing_columns(moved, columns, "moved") + count_problems("most", most, least=1)
    day = as_day(snapshot, "snapshot", problems) if snapshot is not None else None
    raise_problems(where, problems)
    day = moved[SNAPSHOT].max() if day is None else day
    now = moved[moved[SNAPSHOT] == day].sort_values("psi", ascending=False, kind="stable")
    if now.empty:
        raise_problems(where, [f"moved has no snapshot {day:%Y-%m-%d}; there are {_days(moved)}"])
    shown = now.head(most)
    names = [(labels or {}).get(name, str(name).replace("_", " ")) for name in shown["feature"]]
    psi, chance, rows = shown["psi"].to_numpy(), shown["by_chance"].to_numpy(), np.arange(len(shown))
    ax = new_axes(ax, figsize=(7.2, 0.32 * len(shown) + 1.6))
    ax.barh(rows, psi, height=0.65, color=np.where(psi > chance, PALETTE[4], MUTED))
    ax.plot(chance, rows, "|", color=PALETTE[-1], markersize=13, markeredgewidth=2)
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    for row, (value, mark) in enumerate(zip(psi, chance, strict=True)):
        place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(f"{value:.2f}", (max(value, mark), row), bbox=clear, **place)
    right = 1.12 * max(psi.max(), chance.max(), SHIFTED)
    ax.set_xlim(0, right)
    # On a long axis the names of the limits would be written over each other.
    sides = ("center", "center") if right < 4 * (SHIFTED - LOOK) else ("right", "left")
    for limit, name, side in zip((LOOK, SHIFTED), (tr("look into it"), tr("shifted")), sides, strict=True):
        ax.axvline(limit, color=PALETTE[3], linestyle="--", linewidth=1.4)
        ax.annotate(
            f"{name} ({limit:g})",
            (limit, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, 2),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=8.5,
            color=PALETTE[3],
        )
    ax.set_yticks(rows, names, parse_math=False)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(tr("population stability index (PSI)\nmarks: what chance passes once in twenty"))
    ax.set_title(tr("Features that moved most, {day:%Y-%m-%d}").format(day=day), pad=18)
    beyond = now[now["psi"] > now["by_chance"]]["psi"]
    text = tr(
        "Bars of the population stability index with lines at 0.1 and 0.25 and a mark for what chance gives: {shifted} "
        "of {all} features shifted, {look} more to look into; {listed}."
    )
    return describe(
        ax,
        text.format(
            shifted=int((beyond >= SHIFTED).sum()),
            look=int(((beyond >= LOOK) & (beyond < SHIFTED)).sum()),
            all=len(now),
            listed="; ".join(f"{name} {value:.2f}" for name, value in zip(names, psi, strict=True)),
        ),
    )


def _days(moved: pd.DataFrame) -> str:
    return ", ".join(f"{day:%Y-%m-%d}" for day in moved[SNAPSHOT].drop_duplicates())
