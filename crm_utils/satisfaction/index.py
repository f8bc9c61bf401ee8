"""Indices from 0 to 100: of constructs, of groups and waves, and of each respondent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import nearest_name
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import describe, draw_intervals, new_axes
from crm_utils.pls import PathBootstrap, PathResults
from crm_utils.pls.group_means import means_by_group
from crm_utils.satisfaction.answers import scale_problems

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES = ("unstandardized", "standardized")
# Fewer answers than this in a group give no index: it would move by points with a single answer.
FEWEST_CASES = 20
Scale = tuple[float, float] | Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class IndexReplicates:
    """Indices of groups, in the sample and in the replicates of a bootstrap.

    Attributes
    ----------
    labels : pandas.Index
        Groups.
    constructs : pandas.Index
        Constructs.
    cases : numpy.ndarray of int, shape (groups,)
        Answers behind each group.
    estimates : numpy.ndarray of float, shape (groups, constructs)
        Indices, 0–100; NaN for a group with fewer than 20 answers.
    replicates : numpy.ndarray of float, shape (replicates, groups, constructs)
        The same in every usable replicate.
    """

    labels: pd.Index
    constructs: pd.Index
    cases: np.ndarray
    estimates: np.ndarray
    replicates: np.ndarray

    def of(self, construct: str) -> tuple[pd.Series, pd.DataFrame]:
        """Index of a construct by group, and its replicates (one column a group)."""
        if construct not in self.constructs:
            raise_problems("index", [_unknown(construct, self.constructs)])
        column = self.constructs.get_loc(construct)
        estimates = pd.Series(self.estimates[:, column], self.labels, name=construct)
        return estimates, pd.DataFrame(self.replicates[:, :, column], columns=self.labels)


def _unknown(construct: str, constructs: Any) -> str:
    near = nearest_name(str(construct), constructs)
    hint = f" (did you mean {near!r}?)" if near else ""
    return f"construct must be one of {', '.join(constructs)}, and is {construct!r}{hint}"


def index_scores(
    results: PathResults | PathBootstrap,
    *,
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    groups: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Turn the estimate of a path model into indices from 0 to 100.

    An index is the weighted mean of a construct's items, 0 where everybody gives the lowest answer and 100 where
    everybody gives the highest:

    .. math:: I = 100 \, \frac{\sum_i w_i (\bar x_i - \text{min}_i)}{\sum_i w_i (\text{max}_i - \text{min}_i)}

    Parameters
    ----------
    results : PathResults or PathBootstrap
        The estimate; with a bootstrap, every index has an interval.
    scale : (float, float) or mapping of str to (float, float), default (1, 10)
        Lowest and highest answer, of all items or by item.
    rule : {"unstandardized", "standardized"}, default "unstandardized"
        Weights: those of the standardised items over their standard deviations, so that they apply to the answers as
        they are (the rule of the ACSI [1]_); or those of the standardised items, as some software has it.
    groups : array-like or pandas.DataFrame, one row a row of the data given to fit, optional
        Groups, such as waves, or columns whose combinations are the groups. The weights of the items are those of all
        answers, so that groups are measured alike; only the means are their own.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By construct, or by group and construct: ``index``; with groups ``cases``; with a bootstrap ``std_error``,
        ``low``, ``high``. Groups with fewer than 20 answers have NaN, and the reason in ``note``.

    Raises
    ------
    ParameterError
        If an option is unusable, answers lie outside the scale, or an item has a negative weight, under which more of
        it would lower the index.

    References
    ----------
    .. [1] Fornell, C., Johnson, M. D., Anderson, E. W., Cha, J. & Bryant, B. E. (1996). The American Customer
       Satisfaction Index: nature, purpose, and findings. Journal of Marketing 60(4), 7–18 (appendix).

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=(400, 1))
    >>> answers = np.clip(np.rint(7 + 1.5 * (mood + rng.normal(size=(400, 4)))), 1, 10)
    >>> model = PathModel({"quality": ["a", "b"], "satisfaction": ["c", "d"]}, [("quality", "satisfaction")])
    >>> results = model.fit(pd.DataFrame(answers, columns=list("abcd")))
    >>> index_scores(results).round(1).loc["satisfaction", "index"].item()
    66.1
    """
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    lows, ranges = _checked(found, scale, rule, level)
    constructs = pd.Index(found.model.constructs, name="construct")
    if drawn:
        pieces = _replicates(drawn, lows, ranges, rule, groups)
        estimates, labels, cases = pieces.estimates, pieces.labels, pieces.cases
    else:
        labels, cases, means = _group_means(found, groups)
        estimates = _indices(means, _item_weights(found, rule), lows, ranges, found)
        estimates = np.where((cases < FEWEST_CASES)[:, None] & (groups is not None), np.nan, estimates)
    table = pd.DataFrame({"index": estimates.ravel()})
    if drawn:
        flat = pieces.replicates.reshape(len(pieces.replicates), -1)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval(flat, level=level)
            table = table.assign(std_error=flat.std(axis=0, ddof=1), low=low, high=high)
    if groups is None:
        return table.set_index(constructs)
    table.insert(0, "cases", np.repeat(cases, len(constructs)))
    if (cases < FEWEST_CASES).any():
        table["note"] = np.where(table["cases"] < FEWEST_CASES, tr("too few answers"), "")
    by_group = labels.repeat(len(constructs)).to_frame(index=False)
    return table.set_index(
        pd.MultiIndex.from_frame(by_group.assign(construct=np.tile(constructs.to_numpy(), len(labels))))
    )


def index_replicates(
    bootstrap: PathBootstrap, *, scale: Scale = (1, 10), rule: str = "unstandardized", groups: Any = None
) -> IndexReplicates:
    """Indices in every replicate of a bootstrap, for what is computed from several of them.

    Parameters
    ----------
    bootstrap : PathBootstrap
        The replicates.
    scale, rule, groups
        As in `index_scores`.

    Returns
    -------
    IndexReplicates
        Indices of the groups; of one group called "all" without `groups`.
    """
    lows, ranges = _checked(bootstrap.results, scale, rule, 0.95)
    return _replicates(bootstrap, lows, ranges, rule, groups)


def respondent_indices(results: PathResults, *, scale: Scale = (1, 10), rule: str = "unstandardized") -> pd.DataFrame:
    """Index of every respondent.

    Parameters
    ----------
    results : PathResults
        The estimate.
    scale, rule
        As in `index_scores`.

    Returns
    -------
    pandas.DataFrame
        One row a respondent used, one column a construct, 0–100. Their (weighted) mean is the index of the construct.
        Answers that are missing count as what is expected of them.
    """
    lows, ranges = _checked(results, scale, rule, 0.95)
    values = _indices(results.cases.data[None], _item_weights(results, rule)[:, None], lows, ranges, results)[0]
    return pd.DataFrame(values, results.cases.index, pd.Index(results.model.constructs, name="construct"))


def index_units(results: PathResults, weights: np.ndarray, scale: Scale) -> np.ndarray:
    """How many points of its index a standard deviation of a construct's score is.

    Parameters
    ----------
    results : PathResults
        The estimate.
    weights : numpy.ndarray of float, shape (replicates, items)
        Unstandardised weights.
    scale : (float, float) or mapping
        As in `index_scores`.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs)
        Points.
    """
    _, ranges = _limits(results, scale)
    return 100 / ((weights * ranges) @ results.model.layout().membership)


def _limits(results: PathResults, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    pairs = [scale.get(item) if isinstance(scale, Mapping) else scale for item in results.model.items]
    ends = np.array(pairs, dtype=float)
    return ends[:, 0], ends[:, 1] - ends[:, 0]


def _checked(results: PathResults, scale: Scale, rule: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    problems = level_problems(level)
    if rule not in RULES:
        near = nearest_name(str(rule), RULES)
        hint = f" (did you mean {near!r}?)" if near else ""
        problems.append(f"rule must be one of {list(RULES)}, and is {rule!r}{hint}")
    items = results.model.items
    answers = pd.DataFrame(results.cases.data, columns=list(items))
    if results.cases.completion is not None:
        # What is expected of an answer may lie a little outside; only answers that were given are held to the scale.
        answers = answers.mask(results.cases.completion.absent[results.cases.completion.pattern])
    if isinstance(scale, Mapping):
        absent = [item for item in items if item not in scale]
        if absent:
            problems.append(f"scale has no ends for {', '.join(absent)}; give a pair for every item")
        for item in items:
            if item in scale:
                problems += scale_problems(answers, [item], scale[item])
    else:
        problems += scale_problems(answers, items, scale)
    weights = _item_weights(results, "standardized")[0]
    for item, owner, weight in zip(items, results.model.layout().owner, weights, strict=True):
        if weight < 0:
            construct = results.model.layout().constructs[owner]
            problems.append(
                f"the item {item} of {construct} has the weight {weight:.3f}: more of it would lower the index. Turn "
                "it round if it is worded the other way, or leave it out of the model"
            )
    raise_problems("index_scores", problems)
    return _limits(results, scale)


def _item_weights(found: PathResults, rule: str) -> np.ndarray:
    weights = found.estimates.weights
    return weights / found.moments.spreads if rule == "unstandardized" else weights


def _indices(
    means: np.ndarray, weights: np.ndarray, lows: np.ndarray, ranges: np.ndarray, results: PathResults
) -> np.ndarray:
    """Indices of constructs from means of items, shape (…, items) → (…, constructs)."""
    member = results.model.layout().membership.astype(float)
    return 100 * ((weights * (means - lows)) @ member) / ((weights * ranges) @ member)


def _group_means(found: PathResults, groups: Any) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    if groups is None:
        return pd.Index(["all"], name="group"), np.array([found.n_cases]), found.moments.means
    labels, members, means = means_by_group(found.cases.counted(), groups, where="index_scores")
    return labels, np.array([len(rows) for rows in members]), means


def _replicates(drawn: PathBootstrap, lows: np.ndarray, ranges: np.ndarray, rule: str, groups: Any) -> IndexReplicates:
    found = drawn.results
    labels, cases, means = _group_means(found, groups)
    weights = drawn.estimates.weights[drawn.usable]
    if rule == "unstandardized":
        weights = weights / drawn.moments.spreads[drawn.usable]
    moved = drawn.moments.means[drawn.usable][:, None] if groups is None else drawn.group_means(groups).replicates
    few = (cases < FEWEST_CASES) & (groups is not None)
    estimates = _indices(means, _item_weights(found, rule), lows, ranges, found)
    replicates = _indices(moved, weights[:, None], lows, ranges, found)
    estimates[few], replicates[:, few] = np.nan, np.nan
    return IndexReplicates(labels, pd.Index(found.model.constructs, name="construct"), cases, estimates, replicates)


def indices_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Indices as a table for people: one row a construct (and group), names with spaces.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores`.

    Returns
    -------
    pandas.DataFrame
        The labels as columns, then ``index`` and, where there are, ``low`` and ``high``.
    """
    table = scores.reset_index()
    table["construct"] = table["construct"].str.replace("_", " ")
    return table.drop(columns="std_error", errors="ignore")


def plot_indices(scores: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the index of each construct with its interval; `indices_table` has the numbers.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores` with a bootstrap, without groups.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7, 0.5 * len(scores) + 1.2))
    table = indices_table(scores)
    draw_intervals(ax, table["construct"], table["index"], table["low"], table["high"], template="{:.1f}")
    ax.set(xlabel=tr("Index, 0 to 100"), title=tr("Indices of the constructs"))
    listed = "; ".join(f"{name} {number:.1f}" for name, number in zip(table["construct"], table["index"], strict=True))
    return describe(ax, tr("Index of each construct with its interval: {listed}.").format(listed=listed))
