"""From wave to wave: who keeps the kind of loyalty, who moves to another, and who does not answer again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, level_problems, missing_columns, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean, share_interval
from crm_utils.language import tr
from crm_utils.loyalty.composite import weights_in
from crm_utils.loyalty.kinds import KIND_NAMES
from crm_utils.plotting import describe, draw_heatmap, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def kind_migration(
    classed: pd.DataFrame,
    *,
    steps: Literal["pooled", "each"] = "pooled",
    wave_col: str = "wave",
    customer_col: str = "customer_id",
    weights_col: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Shares of customers who moved from kind to kind between one wave and the next.

    Parameters
    ----------
    classed : pandas.DataFrame
        One row a questionnaire: result of `loyalty_kinds` for the answers of all waves (`survey_loyalty`), so that
        the cuts are the same in all of them.
    steps : {"pooled", "each"}, default "pooled"
        All steps together, or each on its own.
    wave_col, customer_col : str
        Columns. Waves in sorted order, or that of the categories of a categorical; who has no customer number cannot
        be followed and is left out.
    weights_col : str, optional
        Column of survey weights; those of the wave before count.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row a pair of kinds (and step): ``from_wave``, ``to_wave`` (the first and the last where pooled),
        ``before``, ``after``, ``moves`` (customers; where pooled, customers and steps), ``share`` of those with the
        kind before who have a kind in both waves, ``low``, ``high`` (Wilson's, for as many independent moves as have
        the same error; a customer's moves count as one unit). NaN where nobody had the kind before.

    Raises
    ------
    ParameterError
        If columns are absent, a customer answered twice in a wave, or an option is unusable.
    DataFloorError
        If nobody has a kind in two waves that follow each other.

    Notes
    -----
    Some move because the attitude is not measured exactly: `kind_stability`, with the reliability of the attitude,
    tells how many would have moved if nothing had changed.

    Examples
    --------
    >>> classed = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "a", "b"], "wave": ["1", "1", "1", "2", "2"],
    ...     "loyalty_kind": ["true", "true", "none", "true", "latent"]})
    >>> kind_migration(classed).query("moves > 0")[["before", "after", "moves", "share"]]
      before   after  moves  share
    0   true    true      1    0.5
    1   true  latent      1    0.5
    """
    where = "kind_migration"
    problems = level_problems(level)
    if steps not in ("pooled", "each"):
        problems.append(f"steps must be 'pooled' or 'each', and is {steps!r}")
    pairs = _followed(classed, where, wave_col, customer_col, weights_col, problems)
    both = pairs[pairs["after"].notna()]
    if both.empty:
        raise DataFloorError(f"{where} needs customers with a kind in two waves that follow each other; there is none.")
    rows = []
    for (start, end), moves in _steps(both, steps):
        people = pd.factorize(moves["customer"])[0]
        mass = moves["weight"].to_numpy()
        for before in KIND_NAMES:
            had = (moves["before"] == before).to_numpy()
            for after in KIND_NAMES:
                went = (moves["after"] == after).to_numpy()
                share = _share(np.where(had, went.astype(float), np.nan), mass, people, level)
                rows.append((start, end, before, after, int((had & went).sum()), *share))
    return pd.DataFrame(rows, columns=["from_wave", "to_wave", "before", "after", "moves", "share", "low", "high"])


def _share(inside: np.ndarray, mass: np.ndarray, people: np.ndarray, level: float) -> tuple[float, float, float]:
    mean = sample_mean(inside, weights=mass, clusters=people)
    return mean.estimate, *share_interval(inside, mean, mass, level=level)


def _steps(pairs: pd.DataFrame, steps: str) -> list[tuple[tuple, pd.DataFrame]]:
    """Pairs by step, in the order of time."""
    if steps == "each":
        return list(pairs.groupby(["from_wave", "to_wave"], sort=False))
    return [((pairs["from_wave"].iloc[0], pairs["to_wave"].iloc[-1]), pairs)]


def _followed(
    classed: pd.DataFrame,
    where: str,
    wave_col: str,
    customer_col: str,
    weights_col: str | None,
    problems: list[str],
) -> pd.DataFrame:
    """One row a customer and step: the kind in a wave, and in the next; missing where there is none."""
    absent = missing_columns(classed, [wave_col, customer_col, "loyalty_kind"], "classed")
    problems += absent
    mass = weights_in(classed, weights_col, problems)
    if not absent:
        asked = classed[customer_col].notna() & classed[wave_col].notna()
        twice = (asked & classed.duplicated([customer_col, wave_col])).to_numpy()
        if twice.any():
            problems.append(
                f"{twice.sum():,} rows are a second answer of a customer in one wave (rows "
                f"{first_rows(twice, classed.index)}); keep one of each"
            )
    raise_problems(where, problems)
    counts = (asked & classed["loyalty_kind"].notna()).to_numpy() & (mass > 0)
    kept = classed[counts]
    frame = pd.DataFrame(
        {
            "customer": kept[customer_col],
            "wave": kept[wave_col],
            "kind": kept["loyalty_kind"].astype(object),
            "weight": mass[counts],
        }
    ).sort_values("customer", kind="stable")
    waves = frame["wave"].drop_duplicates().sort_values().tolist()
    pieces = []
    for start, end in pairwise(waves):
        earlier = frame[frame["wave"] == start].rename(columns={"kind": "before"}).drop(columns="wave")
        later = frame.loc[frame["wave"] == end, ["customer", "kind"]].rename(columns={"kind": "after"})
        step = earlier.merge(later, on="customer", how="left")
        step.insert(0, "from_wave", start)
        step.insert(1, "to_wave", end)
        pieces.append(step)
    if not pieces:
        raise DataFloorError(
            f"{where} needs answers of at least 2 waves; there {'is' if waves else 'are'} {len(waves)}."
        )
    return pd.concat(pieces, ignore_index=True)


def migration_steps(
    classed: pd.DataFrame,
    *,
    wave_col: str = "wave",
    customer_col: str = "customer_id",
    weights_col: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Tell, step by step, how many kept their kind, and how many did not answer again.

    Parameters
    ----------
    classed, wave_col, customer_col, weights_col, level
        As in `kind_migration`.

    Returns
    -------
    pandas.DataFrame
        One row a step, and a last one, ``all steps``: ``step``, ``before`` (customers with a kind in the wave before),
        ``lost`` (of those, without one in the next wave), ``lost_share``, ``lost_low``, ``lost_high``; ``both``,
        ``stayed``, ``stayed_share`` of those with a kind in both, ``stayed_low``, ``stayed_high``.

    Raises
    ------
    ParameterError, DataFloorError
        As in `kind_migration`; but that nobody answered again is no error.

    Examples
    --------
    >>> classed = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "a", "b"], "wave": ["1", "1", "1", "2", "2"],
    ...     "loyalty_kind": ["true", "true", "none", "true", "latent"]})
    >>> migration_steps(classed)[["step", "before", "lost", "both", "stayed"]]
            step  before  lost  both  stayed
    0      1 → 2       3     1     2       1
    1  all steps       3     1     2       1
    """
    pairs = _followed(classed, "migration_steps", wave_col, customer_col, weights_col, level_problems(level))
    groups = [(f"{start} → {end}", step) for (start, end), step in _steps(pairs, "each")]
    rows = [{"step": name} | _lost(step, level) | _stayed(step, level) for name, step in
            [*groups, (tr("all steps"), pairs)]]  # fmt: skip
    return pd.DataFrame(rows)


def _lost(pairs: pd.DataFrame, level: float) -> dict[str, float]:
    lost = pairs["after"].isna().to_numpy()
    share, low, high = _share(
        lost.astype(float), pairs["weight"].to_numpy(), pd.factorize(pairs["customer"])[0], level
    )  # fmt: skip
    return {
        "before": len(pairs), "lost": int(lost.sum()), "lost_share": share, "lost_low": low, "lost_high": high,
    }  # fmt: skip


def _stayed(pairs: pd.DataFrame, level: float) -> dict[str, float]:
    both = pairs["after"].notna().to_numpy()
    stayed = both & (pairs["before"] == pairs["after"]).to_numpy()
    inside = np.where(both, stayed.astype(float), np.nan)
    share, low, high = _share(inside, pairs["weight"].to_numpy(), pd.factorize(pairs["customer"])[0], level)
    return {
        "both": int(both.sum()), "stayed": int(stayed.sum()), "stayed_share": share, "stayed_low": low,
        "stayed_high": high,
    }  # fmt: skip


def kind_attrition(
    classed: pd.DataFrame,
    *,
    wave_col: str = "wave",
    customer_col: str = "customer_id",
    weights_col: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Tell by kind how many did not answer again in the next wave.

    Where kinds differ in this, the migration of those who answered twice is not that of all customers.

    Parameters
    ----------
    classed, wave_col, customer_col, weights_col, level
        As in `kind_migration`.

    Returns
    -------
    pandas.DataFrame
        The four kinds and ``all``, all steps together: ``loyalty_kind``, ``before``, ``lost``, ``lost_share``,
        ``lost_low``, ``lost_high``, as in `migration_steps`.

    Raises
    ------
    ParameterError, DataFloorError
        As in `migration_steps`.

    Examples
    --------
    >>> classed = pd.DataFrame({
    ...     "customer_id": ["a", "b", "c", "a", "b"], "wave": ["1", "1", "1", "2", "2"],
    ...     "loyalty_kind": ["true", "true", "none", "true", "latent"]})
    >>> kind_attrition(classed).query("before > 0")[["loyalty_kind", "before", "lost", "lost_share"]].round(2)
      loyalty_kind  before  lost  lost_share
    0         true       2     0        0.00
    3         none       1     1        1.00
    4          all       3     1        0.33
    """
    pairs = _followed(classed, "kind_attrition", wave_col, customer_col, weights_col, level_problems(level))
    of_kinds = [(name, pairs[pairs["before"] == name]) for name in KIND_NAMES]
    rows = [{"loyalty_kind": name} | _lost(part, level) for name, part in [*of_kinds, (tr("all"), pairs)]]
    return pd.DataFrame(rows)


def plot_kind_migration(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the moves between kinds as a heat map with shares; the result of `kind_migration` is the table.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `kind_migration`, of all steps pooled or of one step.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If the table holds several steps.
    """
    if len(table) != len(KIND_NAMES) ** 2:
        raise_problems(
            "plot_kind_migration",
            [f"the table must hold one step ({len(KIND_NAMES) ** 2} rows), and has {len(table)} rows; choose one step"],
        )
    shape = (len(KIND_NAMES), len(KIND_NAMES))
    pairs = pd.MultiIndex.from_product([KIND_NAMES, KIND_NAMES], names=["before", "after"])
    by_pair = table.set_index(["before", "after"]).loc[pairs]
    shares, moves = (by_pair[name].to_numpy().reshape(shape) for name in ("share", "moves"))
    sizes = moves.sum(axis=1)
    kept = np.flatnonzero(sizes)
    ax = new_axes(ax, figsize=(7.2, 4.2))
    # Moves that nobody made stay blank, so that the moves stand out.
    draw_heatmap(ax, np.where(moves > 0, shares, np.nan)[kept], "{:.0%}")
    ax.set_xticks(range(len(KIND_NAMES)), [tr(name) for name in KIND_NAMES])
    ax.set_yticks(range(len(kept)), [f"{tr(KIND_NAMES[place])} ({sizes[place]:,})" for place in kept])
    ax.set(
        xlabel=tr("Kind in the next wave"),
        ylabel=tr("Kind in a wave"),
        title=tr("Where each kind went, of those with a kind in both waves"),
    )
    return describe(
        ax,
        tr("Heat map of kind of loyalty by kind in the next wave. {stayed:,} of {moves:,} kept their kind.").format(
            stayed=int(np.trace(moves)), moves=int(moves.sum())
        ),
    )
