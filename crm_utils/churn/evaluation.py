"""How good an early warning is: who is ranked first, how many leavers a number of contacts reaches, what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    index_problems,
    level_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.churn.tables import OUTCOME, as_feature_table
from crm_utils.errors import DataFloorError
from crm_utils.intervals import bootstrap, percentile_interval, person_codes, sample_mean, wilson
from crm_utils.language import plain_zero, tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_intervals, new_axes, thinned
from crm_utils.ranking import RankArea, area_gap, rank_area

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from crm_utils.churn.warning import EarlyWarning

FEWEST_OF_EITHER = 10
_DEEPEST = (0.01, 0.02, 0.05, *(number / 10 for number in range(1, 11)))


def read_predictions(where: str, probability: Any, outcome: Any, problems: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and outcomes as floats of one length, both outcomes often enough; or every problem at once."""
    problems += index_problems(probability=probability, outcome=outcome)
    chance = as_numbers(probability, "probability", problems)
    happened = as_numbers(outcome, "outcome", problems)
    if len(chance) != len(happened):
        problems.append(f"probability and outcome must be as long, and are {len(chance):,} and {len(happened):,}")
    if ((chance < 0) | (chance > 1)).any():
        problems.append("probability must lie between 0 and 1 in every row")
    if not problems and not np.isin(happened, (0, 1)).all():
        problems.append("outcome must be 1 or 0 in every row")
    raise_problems(where, problems)
    for number, word in ((int(happened.sum()), "left"), (int((1 - happened).sum()), "stayed")):
        if number < FEWEST_OF_EITHER:
            raise DataFloorError(
                f"{where}: at least {FEWEST_OF_EITHER} customers who {word} are needed, and there are {number}."
            )
    return chance, happened


def warning_accuracy(
    probability: Any,
    outcome: Any,
    *,
    clusters: Any = None,
    level: float = 0.95,
    n_boot: int = 500,
    seed: int = 7,
) -> pd.DataFrame:
    """Measure how well probabilities tell leavers from stayers, and how near they come.

    Parameters
    ----------
    probability : array-like of float, shape (n,)
        Predicted probability of leaving, 0–1.
    outcome : array-like of 0/1, shape (n,)
        What happened; without missing values.
    clusters : array-like, shape (n,), optional
        Customer of each row, where one has several.
    level : float, default 0.95
        Confidence level.
    n_boot : int, default 500
        Bootstrap replicates over customers, for the average precision.
    seed : int, default 7
        Seed.

    Returns
    -------
    pandas.DataFrame
        ``measure``, ``value``, ``low``, ``high``, ``by_chance`` (what a model that knows nothing but the churn rate
        reaches): ``auc`` (DeLong's interval), ``average_precision`` (bootstrap), ``brier`` (mean squared error) and
        ``churn_rate``.

    Raises
    ------
    ParameterError
        If the input or the options are unusable.
    DataFloorError
        If fewer than ten customers left or stayed.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. & Clarke-Pearson, D. L. (1988). Biometrics 44(3), 837–845.
    .. [2] Davis, J. & Goadrich, M. (2006). The relationship between precision-recall and ROC curves. ICML.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> chance = rng.random(500)
    >>> found = warning_accuracy(chance, rng.random(500) < chance, n_boot=50).set_index("measure")
    >>> bool(found.loc["auc", "low"] > 0.5)
    True
    """
    where = "warning_accuracy"
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    chance, happened = read_predictions(where, probability, outcome, problems)
    people = person_codes(np.arange(len(chance)) if clusters is None else clusters)
    area = rank_area(chance, happened, clusters=people)
    brier = sample_mean((chance - happened) ** 2, clusters=people)
    rate = sample_mean(happened, clusters=people)
    order = np.argsort(-chance, kind="stable")
    ends = np.flatnonzero(np.diff(chance[order], append=-1) != 0)

    def precision(counts: np.ndarray) -> np.ndarray:
        mass = counts[people][order].astype(float)
        return np.array([_average_precision(mass, happened[order], ends)])

    replicates = bootstrap(precision, int(people.max()) + 1, n_boot=n_boot, seed=seed)
    low, high = percentile_interval(replicates, level=level)
    share = rate.estimate
    value = float(_average_precision(np.ones(len(chance)), happened[order], ends))
    rows = [
        ("auc", area.estimate, *area.interval(level=level), 0.5),
        ("average_precision", value, float(low[0]), float(high[0]), share),
        ("brier", brier.estimate, *brier.interval(level=level), share * (1 - share)),
        ("churn_rate", share, *rate.interval(level=level), share),
    ]
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "by_chance"])


def _average_precision(mass: np.ndarray, happened: np.ndarray, ends: np.ndarray) -> float:
    """Mean precision over leavers, rows in descending order and groups of equals ending at `ends`."""
    found, taken = np.cumsum(mass * happened)[ends], np.cumsum(mass)[ends]
    if not found[-1] > 0:
        return np.nan
    precision = np.divide(found, taken, out=np.zeros(len(ends)), where=taken > 0)
    return float((np.diff(found, prepend=0) * precision).sum() / found[-1])


def gains_table(
    probability: Any, outcome: Any, *, shares: Sequence[float] = _DEEPEST, level: float = 0.95
) -> pd.DataFrame:
    """Count the leavers among those most likely to leave: gains and lift.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `warning_accuracy`; one row a customer.
    shares : sequence of float
        Shares of the customers contacted, above 0 to 1.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row a share: ``contacted`` (share), ``customers``, ``leavers`` among them (in the mean, where equal
        probabilities straddle the border), ``captured`` (share of all leavers), ``captured_low``, ``captured_high``
        (Wilson, over leavers), ``precision`` (share of the contacted who leave), ``precision_low``,
        ``precision_high``, ``lift`` (captured against contacted; by chance 1), ``lift_low``, ``lift_high``.

    Raises
    ------
    ParameterError, DataFloorError
        As in `warning_accuracy`.

    Examples
    --------
    >>> chance = np.linspace(1, 0, 100)
    >>> gains_table(chance, np.arange(100) < 20, shares=[0.1, 0.5])[["customers", "leavers", "captured", "lift"]]
       customers  leavers  captured  lift
    0         10     10.0       0.5   5.0
    1         50     20.0       1.0   2.0
    """
    where = "gains_table"
    problems = level_problems(level)
    if not len(shares) or not all(0 < share <= 1 for share in shares):
        problems.append(f"shares must lie above 0 and up to 1, and are {tuple(shares)!r}")
    chance, happened = read_predictions(where, probability, outcome, problems)
    number = np.maximum(np.round(np.asarray(shares, dtype=float) * len(chance)), 1).astype(int)
    return _reached(chance, happened, number, level)


def capture_at_capacity(probability: Any, outcome: Any, *, capacity: int, level: float = 0.95) -> pd.Series:
    """Tell how many leavers a given number of contacts reaches.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `warning_accuracy`; one row a customer.
    capacity : int
        Customers who can be contacted; at most all.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.Series
        The columns of `gains_table` for this number, and ``probability``, that of the last customer contacted.

    Examples
    --------
    >>> chance = np.linspace(1, 0, 101)
    >>> found = capture_at_capacity(chance, np.arange(101) < 20, capacity=10)
    >>> float(found["captured"]), round(float(found["probability"]), 2)
    (0.5, 0.91)
    """
    where = "capture_at_capacity"
    problems = count_problems("capacity", capacity, least=1) + level_problems(level)
    chance, happened = read_predictions(where, probability, outcome, problems)
    if capacity > len(chance):
        raise_problems(where, [f"capacity is {capacity:,}, and there are only {len(chance):,} customers"])
    found = _reached(chance, happened, np.array([capacity]), level).iloc[0]
    found["probability"] = float(np.sort(chance)[::-1][capacity - 1])
    return found


def _reached(chance: np.ndarray, happened: np.ndarray, number: np.ndarray, level: float) -> pd.DataFrame:
    order = np.argsort(-chance, kind="stable")
    ends = np.flatnonzero(np.diff(chance[order], append=-1) != 0) + 1
    # Between two values, leavers are spread evenly over those who are equal.
    leavers = np.interp(number, np.r_[0, ends], np.r_[0, np.cumsum(happened[order])[ends - 1]])
    total, contacted = happened.sum(), number / len(chance)
    captured_low, captured_high = wilson(leavers, np.full(len(number), total), level=level)
    precision_low, precision_high = wilson(leavers, number, level=level)
    return pd.DataFrame(
        {
            "contacted": contacted,
            "customers": number,
            "leavers": leavers,
            "captured": leavers / total,
            "captured_low": captured_low,
            "captured_high": captured_high,
            "precision": leavers / number,
            "precision_low": precision_low,
            "precision_high": precision_high,
            "lift": leavers / total / contacted,
            "lift_low": captured_low / contacted,
            "lift_high": captured_high / contacted,
        }
    )


def plot_gains(
    probability: Any, outcome: Any, *, capacity: int | None = None, level: float = 0.95, ax: Axes | None = None
) -> Axes:
    """Draw the share of leavers reached against the share of customers contacted, with its interval.

    Parameters
    ----------
    probability, outcome : array-like, shape (n,)
        As in `gains_table`, which holds the numbers.
    capacity : int, optional
        Number of contacts to mark.
    level : float, default 0.95
        Confidence level.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import PercentFormatter

    mark = None
    if capacity is not None:
        mark = capture_at_capacity(probability, outcome, capacity=capacity, level=level)
    size = len(probability)
    depth = np.unique(thinned(min(size, 200)) / max(min(size, 200) - 1, 1))[1:]
    curve = gains_table(probability, outcome, shares=depth, level=level)
    tenth = gains_table(probability, outcome, shares=[0.1], level=level).iloc[0]
    ax = new_axes(ax)
    x = np.r_[0, curve["contacted"]]
    ax.plot(x, np.r_[0, curve["captured"]], color=PALETTE[0], label=tr("early warning"))
    ax.fill_between(
        x, np.r_[0, curve["captured_low"]], np.r_[0, curve["captured_high"]], color=PALETTE[0], alpha=0.2, linewidth=0
    )
    ax.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label=tr("by chance"))
    rate = float(np.mean(np.asarray(outcome, dtype=float)))
    ax.plot([0, rate, 1], [0, 1, 1], color=MUTED, linestyle="--", linewidth=1, label=tr("all leavers first"))
    if mark is not None:
        ax.plot(mark["contacted"], mark["captured"], "o", color=PALETTE[3], label=tr("capacity"))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(
        xlabel=tr("customers contacted, most likely leavers first"),
        ylabel=tr("leavers reached"),
        title=tr("How many leavers are reached"),
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    ax.legend(loc="lower right")
    text = tr(
        "A curve of leavers reached by customers contacted: the first tenth holds {captured:.0%} of the leavers "
        "({low:.0%} to {high:.0%}), {lift:.1f} times as many as by chance."
    )
    return describe(
        ax,
        text.format(
            captured=tenth["captured"], low=tenth["captured_low"], high=tenth["captured_high"], lift=tenth["lift"]
        ),
    )


def feature_importance(
    model: EarlyWarning,
    test: Any,
    *,
    repeats: int = 5,
    most_rows: int = 20_000,
    outcome: str = OUTCOME,
    level: float = 0.95,
    seed: int = 7,
) -> pd.DataFrame:
    """Measure how much worse customers are ranked when a feature is shuffled between them (permutation importance).

    Parameters
    ----------
    model : EarlyWarning
        The model.
    test : FeatureTable, SnapshotFeatures or pandas.DataFrame
        Rows that it has not seen, with outcomes.
    repeats : int, default 5
        Shuffles a feature.
    most_rows : int, default 20_000
        Of more rows, so many are drawn.
    outcome : str, default "outcome"
        Column of the outcome in a frame.
    level : float, default 0.95
        Confidence level.
    seed : int, default 7
        Seed; each feature and shuffle has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        One row a feature, the most important first: ``feature``, ``importance`` (fall of the AUC, mean over shuffles),
        ``low``, ``high``. The interval is DeLong's, paired and clustered by customer, with the noise of the shuffles.
        Features that go together share what they tell: each alone may look unimportant.

    Raises
    ------
    ParameterError
        If options are unusable.
    DataFloorError
        If fewer than ten customers left or stayed.

    References
    ----------
    .. [1] Breiman, L. (2001). Random forests. Machine Learning 45, 5–32, section 10.

    Examples
    --------
    >>> from crm_utils.churn.warning import early_warning
    >>> rng = np.random.default_rng(7)
    >>> table = pd.DataFrame({"noise": rng.normal(size=900), "visits": rng.normal(size=900)})
    >>> table["outcome"] = (rng.random(900) < 1 / (1 + np.exp(1 + table["visits"]))).astype(int)
    >>> feature_importance(early_warning(table[:600]), table[600:])["feature"].tolist()
    ['visits', 'noise']
    """
    from scipy.stats import norm

    where = "feature_importance"
    problems = count_problems("repeats", repeats, least=2) + count_problems("most_rows", most_rows, least=100)
    problems += level_problems(level) + seed_problems(seed)
    raise_problems(where, problems)
    test = as_feature_table(test, outcome=outcome, where=where).known()
    root = np.random.SeedSequence(seed)
    if len(test) > most_rows:
        test = test.part(np.sort(np.random.default_rng(root).choice(len(test), most_rows, replace=False)))
    chance, happened = read_predictions(where, model.predict(test).to_numpy(), test.outcome, [])
    people = person_codes(test.customers)
    frame = model.read(test)[1]
    whole = rank_area(chance, happened, clusters=people)
    reach, rows = norm.ppf((1 + level) / 2), []
    for feature, child in zip(model.features, root.spawn(len(model.features)), strict=True):
        areas = []
        for grandchild in child.spawn(repeats):
            mixed = frame.copy(deep=False)
            mixed[feature] = np.random.default_rng(grandchild).permutation(frame[feature].to_numpy())
            shuffled = model.pipeline.decision_function(mixed)
            areas.append(rank_area(shuffled, happened, clusters=people))
        falls = np.array([whole.estimate - area.estimate for area in areas])
        mean_area = RankArea(whole.estimate - falls.mean(), np.mean([area.influence for area in areas], axis=0))
        fall, low, _ = area_gap(whole, mean_area, level=level)
        error = np.hypot((fall - low) / reach, falls.std(ddof=1) / np.sqrt(repeats))
        rows.append((feature, fall, fall - reach * error, fall + reach * error))
    result = pd.DataFrame(rows, columns=["feature", "importance", "low", "high"])
    return result.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def plot_importance(
    importance: pd.DataFrame, *, most: int = 12, labels: Mapping[str, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the most important features with their intervals.

    Parameters
    ----------
    importance : pandas.DataFrame
        As from `feature_importance`, which is the table of the figure.
    most : int, default 12
        At most so many features.
    labels : mapping of str to str, optional
        What features are called. Default: their names with spaces.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    problems = missing_columns(importance, ("feature", "importance", "low", "high"), "importance")
    raise_problems("plot_importance", problems + count_problems("most", most, least=1))
    shown = importance.head(most)
    names = [(labels or {}).get(name, str(name).replace("_", " ")) for name in shown["feature"]]
    ax = new_axes(ax)
    draw_intervals(ax, names, shown["importance"], shown["low"], shown["high"], template="{:.3f}")
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set(xlabel=tr("fall of the AUC when shuffled"), title=tr("What the early warning goes by"))
    listed = "; ".join(
        f"{name} {plain_zero(f'{value:.3f}')}" for name, value in zip(names, shown["importance"], strict=True)
    )
    return describe(ax, tr("Features by how much the ranking loses without them: {listed}.").format(listed=listed))
