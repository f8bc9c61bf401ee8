"""Whether the items measure their constructs: reliability, convergence, and constructs that are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.language import listed, tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_intervals, new_axes
from crm_utils.pls import PathBootstrap, PathResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOADING, WEAKEST_LOADING = 0.708, 0.4
RELIABILITY, TOO_ALIKE = 0.70, 0.95
VARIANCE_EXTRACTED = 0.5
HTMT = 0.90
SOUND = "sound"
_MOST_NAMES = 12
KEEP, WEAK, LEAVE_OUT, ELSEWHERE = "keep", "weak", "leave out", "closer to another construct"


def construct_quality(results: PathResults | PathBootstrap, *, level: float = 0.95) -> pd.DataFrame:
    """Hold every construct to the usual rules of measurement.

    Parameters
    ----------
    results : PathResults or PathBootstrap
        The estimate; with a bootstrap, alpha and the heterotrait–monotrait ratio have intervals.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By construct: ``items``, ``alpha``, ``rho_a``, ``rho_c``, ``ave``, ``nearest`` (construct with the highest
        HTMT), ``htmt`` with it; with a bootstrap ``alpha_low``, ``alpha_high``, ``htmt_low``, ``htmt_high``;
        ``fornell_larcker`` (whether the root of the AVE exceeds every correlation with another construct);
        ``verdict``: "sound", or what is not, in words. A construct of mode B, or with one item, has missing values and
        a verdict that says why.

    Raises
    ------
    ParameterError
        If the level is out of range.

    Notes
    -----
    The rules [1]_: ρ_A and ρ_C of at least 0.70 (alpha is shown, but assumes equal loadings), ρ_C not above 0.95,
    where items say the same thing twice; AVE of at least 0.5; HTMT below 0.90, and with a bootstrap its interval short
    of 1 [2]_. Two constructs that are hardly told apart are both named.

    References
    ----------
    .. [1] Hair, J. F., Risher, J. J., Sarstedt, M. & Ringle, C. M. (2019). When to use and how to report the results
       of PLS-SEM. European Business Review 31(1), 2–24.
    .. [2] Henseler, J., Ringle, C. M. & Sarstedt, M. (2015). A new criterion for assessing discriminant validity in
       variance-based structural equation modeling. Journal of the Academy of Marketing Science 43, 115–135.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=(300, 1))
    >>> items = np.c_[mood + rng.normal(size=(300, 2)), mood + 0.5 * rng.normal(size=(300, 2))]
    >>> model = PathModel({"value": ["v1", "v2"], "loyalty": ["l1", "l2"]}, [("value", "loyalty")])
    >>> construct_quality(model.fit(pd.DataFrame(items, columns=["v1", "v2", "l1", "l2"])))["verdict"]["value"]
    'rho_a 0.64 is below 0.70; hardly told apart from loyalty (HTMT 0.96)'
    """
    raise_problems("construct_quality", level_problems(level))
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    layout = found.model.layout()
    table = found.reliability.copy()
    table.insert(0, "items", layout.membership.sum(axis=0))
    ratios = found.htmt
    known = ratios.notna().any(axis=1)
    table["nearest"] = ratios[known].idxmax(axis=1).astype(object)
    table["htmt"] = ratios.max(axis=1)
    if drawn:
        table[["alpha_low", "alpha_high"]] = drawn.intervals("alpha", level=level)[["low", "high"]]
        pairs = drawn.intervals("htmt", level=level)[["low", "high"]]
        ends = {frozenset(pair): limits for pair, *limits in pairs.itertuples()}
        nearest = [frozenset(pair) for pair in table["nearest"].items()]
        table[["htmt_low", "htmt_high"]] = [ends.get(pair, [np.nan, np.nan]) for pair in nearest]
    compared = found.fornell_larcker.abs().to_numpy()
    apart = compared.copy()
    np.fill_diagonal(apart, 0.0)
    reflective = pd.Series(layout.reflective, table.index)
    larger = pd.Series(np.diagonal(compared) > apart.max(axis=1), table.index, dtype="boolean")
    table["fornell_larcker"] = larger.where(reflective)
    table["verdict"] = [
        _construct_verdict(row) if reflective[row.Index]
        else tr("reliability cannot be judged by one item") if row.items == 1
        else tr("formed by its items (mode B): these rules do not apply")
        for row in table.itertuples()
    ]  # fmt: skip
    return table


def _construct_verdict(row) -> str:
    reasons = [
        tr("{name} {value:.2f} is below {floor:.2f}").format(name=name, value=value, floor=floor)
        for name, value, floor in (
            ("rho_a", row.rho_a, RELIABILITY),
            ("rho_c", row.rho_c, RELIABILITY),
            ("ave", row.ave, VARIANCE_EXTRACTED),
        )
        if not value >= floor
    ]
    if row.rho_c > TOO_ALIKE:
        reasons.append(tr("rho_c {value:.2f}: the items say the same thing twice").format(value=row.rho_c))
    if row.htmt >= HTMT or getattr(row, "htmt_high", 0.0) >= 1:
        reasons.append(
            tr("hardly told apart from {name} (HTMT {value:.2f})").format(
                name=str(row.nearest).replace("_", " "), value=row.htmt
            )
        )
    return "; ".join(reasons) or tr(SOUND)


def item_quality(results: PathResults | PathBootstrap, *, level: float = 0.95) -> pd.DataFrame:
    """Say of every item whether it belongs where it is.

    Parameters
    ----------
    results : PathResults or PathBootstrap
        The estimate; with a bootstrap loadings have intervals.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By construct and item: ``loading``; with a bootstrap ``low``, ``high``; ``vif`` within the construct,
        ``nearest`` other construct and its ``cross_loading``; ``verdict``: "keep", "weak" (loading below 0.708),
        "leave out" (below 0.4), "closer to another construct" (the cross-loading is larger), or "only item".

    Raises
    ------
    ParameterError
        If the level is out of range.

    Notes
    -----
    A loading of 0.708 leaves half of the item's variance to its construct. Between 0.4 and that, an item is left out
    if AVE and reliability gain by it and nothing of the construct's meaning is lost [1]_. Items of mode B are held to
    no loading, and are all kept.

    References
    ----------
    .. [1] Hair, J. F., Hult, G. T. M., Ringle, C. M. & Sarstedt, M. (2022). A Primer on Partial Least Squares
       Structural Equation Modeling, 3rd ed. Sage, chapter 4.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=(300, 1))
    >>> items = mood + rng.normal(size=(300, 4)) * [0.5, 0.5, 0.5, 4]
    >>> model = PathModel({"value": ["v1"], "loyalty": ["l1", "l2", "l3"]}, [("value", "loyalty")])
    >>> item_quality(model.fit(pd.DataFrame(items, columns=["v1", "l1", "l2", "l3"])))["verdict"].tolist()
    ['only item', 'keep', 'keep', 'leave out']
    """
    raise_problems("item_quality", level_problems(level))
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    layout = found.model.layout()
    table = pd.DataFrame({"loading": found.loadings})
    if drawn:
        table[["low", "high"]] = drawn.intervals("loadings", level=level)[["low", "high"]]
    table["vif"] = found.item_vif
    crossing = np.where(layout.membership, 0.0, found.cross_loadings.to_numpy())
    farthest = np.abs(crossing).argmax(axis=1)
    table["nearest"] = np.array(layout.constructs, dtype=object)[farthest]
    table["cross_loading"] = crossing[np.arange(len(crossing)), farthest]
    table["verdict"] = np.select(
        [
            layout.membership.sum(axis=0)[layout.owner] == 1,
            layout.regression[layout.owner],
            table["loading"] < WEAKEST_LOADING,
            table["cross_loading"].abs() > table["loading"].abs(),
            table["loading"] < LOADING,
        ],
        ["only item", KEEP, LEAVE_OUT, ELSEWHERE, WEAK],
        KEEP,
    )
    return table


def measurement_text(constructs: pd.DataFrame, items: pd.DataFrame) -> str:
    """Say whether items and constructs pass the rules, and which could not be held to them.

    Parameters
    ----------
    constructs : pandas.DataFrame
        From `construct_quality`.
    items : pandas.DataFrame
        From `item_quality`, of the same estimate.

    Returns
    -------
    str
        Sentences; names in the order of the model. That everything passes is said only of what was tested.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> answers = pd.DataFrame(rng.normal(size=(90, 1)) + rng.normal(size=(90, 2)), columns=["v1", "l1"])
    >>> results = PathModel({"value": ["v1"], "loyalty": ["l1"]}, [("value", "loyalty")]).fit(answers)
    >>> measurement_text(construct_quality(results), item_quality(results))
    'No construct can be held to the rules: value and loyalty (reliability cannot be judged by one item).'
    """
    tested = constructs["alpha"].notna()
    untested = "; ".join(
        f"{_names_of(names)} ({verdict})"
        for verdict, names in constructs[~tested].groupby("verdict", sort=False).groups.items()
    )
    if not tested.any():
        return tr("No construct can be held to the rules: {untested}.").format(untested=untested)
    judged = items[items.index.get_level_values("construct").isin(constructs.index[tested])]
    poor = judged.index[judged["verdict"] != KEEP]
    unsound = constructs.index[tested & (constructs["verdict"] != tr(SOUND))]
    if untested:
        said = [tr("Every item that was tested stands for its construct."),
                tr("Every construct that was tested passes the rules."),
                tr("Not tested: {untested}.").format(untested=untested)]  # fmt: skip
    else:
        said = [tr("Every item stands for its construct."), tr("Every construct passes the rules.")]
    if len(poor):
        named = listed(poor.get_level_values("item"), most=_MOST_NAMES)
        said[0] = tr("Worth a second look: {items}.").format(items=named)
    if len(unsound):
        template = tr(
            "Not everything passes the rules: {names}. What follows from them is to be read with that in mind."
        )
        said[1] = template.format(names=_names_of(unsound))
    return " ".join(said)


def _names_of(constructs: Iterable[str]) -> str:
    return listed((name.replace("_", " ") for name in constructs), most=_MOST_NAMES)


def score_agreement_text(correlation: float) -> str:
    """Say how far scores by one set of weights are those by another.

    Parameters
    ----------
    correlation : float
        The lowest of their correlations, such as the least ``correlation`` of the invariance of `compare_groups`.

    Returns
    -------
    str
        The end of a sentence about the scores.

    Examples
    --------
    >>> score_agreement_text(0.99876), score_agreement_text(1.0)
    ('correlate with at least 0.9987', 'are the same to four digits')
    """
    if np.isnan(correlation):
        return tr("cannot be compared")
    if correlation > 0.99995:
        return tr("are the same to four digits")
    # Rounded down: it is the least.
    return tr("correlate with at least {least:.4f}").format(least=np.floor(correlation * 1e4) / 1e4)


def item_quality_table(found: pd.DataFrame) -> pd.DataFrame:
    """Items as a table for people.

    Parameters
    ----------
    found : pandas.DataFrame
        From `item_quality`.

    Returns
    -------
    pandas.DataFrame
        Labels as columns, names of constructs with spaces, verdicts in the reader's language.
    """
    table = found.reset_index()
    for column in ("construct", "nearest"):
        table[column] = table[column].str.replace("_", " ")
    return table.assign(verdict=table["verdict"].map(tr)).rename(columns={"cross_loading": "cross-loading"})


def plot_loadings(found: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the loadings of the items against the rules; `item_quality_table` has the numbers.

    Parameters
    ----------
    found : pandas.DataFrame
        From `item_quality`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached. Dots are hollow where an item is weak or worse.
    """
    ax = new_axes(ax, figsize=(7, 0.27 * len(found) + 1.2))
    names = [
        item if item.startswith(f"{construct}_") else f"{construct.replace('_', ' ')} · {item}"
        for construct, item in found.index
    ]
    low, high = (found[end] if end in found else found["loading"] for end in ("low", "high"))
    draw_intervals(ax, names, found["loading"], low, high, template="{:.2f}")
    poor = np.flatnonzero(~found["verdict"].isin([KEEP, "only item"]))
    # Over the filled dots.
    ax.plot(
        found["loading"].to_numpy()[poor], poor, "o", color=PALETTE[0], markerfacecolor="white", markersize=6, zorder=3
    )
    for limit, style in ((LOADING, "--"), (WEAKEST_LOADING, ":")):
        ax.axvline(limit, color=MUTED, linestyle=style, linewidth=1)
    ax.set_xlim(min(0.0, float(np.nanmin(low))) - 0.02, 1.12)
    ax.set(
        xlabel=tr("Loading (dashed: {good}, dotted: {poor}; hollow: look at it)").format(
            good=LOADING, poor=WEAKEST_LOADING
        ),
        title=tr("How well each item stands for its construct"),
    )
    listed = "; ".join(f"{name} {loading:.2f}" for name, loading in zip(names, found["loading"], strict=True))
    return describe(ax, tr("Loadings: {listed}.").format(listed=listed))
