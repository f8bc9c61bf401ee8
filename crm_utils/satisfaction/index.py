"""Indices from 0 to 100: of constructs, of groups and waves, and of each respondent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.plotting import describe, draw_intervals, new_axes
from crm_utils.pls import PathBootstrap, PathResults
from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Estimates
from crm_utils.pls.group_means import means_by_group
from crm_utils.pls.layout import shown_name
from crm_utils.survey.answers import scale_problems

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "index_scores"
RULES = ("unstandardized", "standardized")
# Fewer answers (or people, where answers of one person are clusters) than this in a group give no index: it would move
# by points with a single one, and the bootstrap could not tell its spread.
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
    notes : numpy.ndarray of str, shape (groups, constructs)
        Why there is no index; empty where there is one.
    estimates : numpy.ndarray of float, shape (groups, constructs)
        Indices, 0–100; NaN where there is a note.
    replicates : numpy.ndarray of float, shape (replicates, groups, constructs)
        The same in every usable replicate.
    """

    labels: pd.Index
    constructs: pd.Index
    cases: np.ndarray
    notes: np.ndarray
    estimates: np.ndarray
    replicates: np.ndarray

    def of(self, construct: str) -> tuple[pd.Series, pd.DataFrame]:
        """Index of a construct by group, and its replicates (one column a group)."""
        if construct not in self.constructs:
            hint = did_you_mean(construct, self.constructs)
            raise_problems(
                "index", [f"construct must be one of {', '.join(self.constructs)}, and is {construct!r}{hint}"]
            )
        column = self.constructs.get_loc(construct)
        estimates = pd.Series(self.estimates[:, column], self.labels, name=construct)
        return estimates, pd.DataFrame(self.replicates[:, :, column], columns=self.labels)


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
        By construct, or by group and construct: ``index``; with a bootstrap ``std_error``, ``low``, ``high`` (between
        percentiles of the replicates, whatever kind of interval the bootstrap was asked for). With groups also
        ``cases`` and ``note``: a group with fewer than 20 answers (or people, where the fit has clusters) has NaN, and
        the note says why.

    Raises
    ------
    ParameterError
        If an option is unusable, answers lie outside the scale, or an item of any construct has a negative weight,
        under which more of it would lower the index; `fit_index_model` leaves such items out.

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
    63.9
    """
    drawn = results if isinstance(results, PathBootstrap) else None
    found = drawn.results if drawn else results
    problems = level_problems(level)
    if drawn:
        indices = bootstrap_indices(drawn, scale=scale, rule=rule, groups=groups, problems=problems)
    else:
        lows, ranges = _checked(found, scale, rule, problems)
        indices = _of_groups(found, groups, lows, ranges, rule)
    table = pd.DataFrame({"index": indices.estimates.ravel()})
    if drawn:
        flat = indices.replicates.reshape(len(indices.replicates), -1)
        low, high = percentile_interval(flat, level=level)
        table = table.assign(std_error=flat.std(axis=0, ddof=1), low=low, high=high)
    if groups is None:
        return table.set_index(indices.constructs)
    table.insert(0, "cases", np.repeat(indices.cases, len(indices.constructs)))
    table["note"] = indices.notes.ravel()
    return table.set_index(_cells(indices))


def index_replicates(
    bootstrap: PathBootstrap, *, scale: Scale = (1, 10), rule: str = "unstandardized", groups: Any = None
) -> pd.DataFrame:
    """Indices in every replicate of a bootstrap, for what is computed from several of them.

    Parameters
    ----------
    bootstrap : PathBootstrap
        The replicates.
    scale, rule, groups
        As in `index_scores`.

    Returns
    -------
    pandas.DataFrame
        One row a usable replicate, by its number; one column a construct, or a group and construct, in the order of
        the rows of `index_scores`.

    Raises
    ------
    ParameterError
        As in `index_scores`.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> answers = pd.DataFrame(np.clip(np.rint(rng.normal([[7, 6]] * 90, 2)), 1, 10), columns=["value", "loyalty"])
    >>> model = PathModel({"value": ["value"], "loyalty": ["loyalty"]}, [("value", "loyalty")])
    >>> drawn = index_replicates(model.fit(answers).bootstrap(200, seed=7))
    >>> bool(drawn["value"].gt(drawn["loyalty"]).all())
    True
    """
    indices = bootstrap_indices(bootstrap, scale=scale, rule=rule, groups=groups)
    return pd.DataFrame(
        indices.replicates.reshape(len(indices.replicates), -1),
        pd.Index(np.flatnonzero(bootstrap.usable), name="replicate"),
        indices.constructs if groups is None else _cells(indices),
    )


def bootstrap_indices(
    bootstrap: PathBootstrap,
    *,
    scale: Scale,
    rule: str,
    groups: Any = None,
    problems: Sequence[str] = (),
) -> IndexReplicates:
    """Indices of groups with their replicates as arrays, for the modules that compare them.

    Parameters
    ----------
    bootstrap : PathBootstrap
        The replicates.
    scale, rule, groups
        As in `index_scores`.
    problems : sequence of str, default ()
        What the caller found wrong, to be raised together with what is found here.

    Returns
    -------
    IndexReplicates
        Indices of the groups; of one group called "all" without groups.
    """
    found = bootstrap.results
    lows, ranges = _checked(found, scale, rule, problems)
    indices = _of_groups(found, groups, lows, ranges, rule)
    if groups is None:
        means = bootstrap.moments.means[bootstrap.usable][:, None]
    else:
        means = bootstrap.group_means(groups).replicates
    weights = _rule_weights(bootstrap.estimates, bootstrap.moments, rule)[bootstrap.usable]
    replicates = _indices(found, means, weights[:, None], lows, ranges)
    replicates[:, indices.notes != ""] = np.nan
    return replace(indices, replicates=replicates)


def _of_groups(found: PathResults, groups: Any, lows: np.ndarray, ranges: np.ndarray, rule: str) -> IndexReplicates:
    """Indices of groups, or of everybody, as yet without replicates."""
    constructs = pd.Index(found.model.constructs, name="construct")
    if groups is None:
        labels, sizes, means = pd.Index(["all"], name="group"), [found.n_cases], found.moments.means
        notes = np.full((1, len(constructs)), "", dtype=object)
    else:
        labels, members, means = means_by_group(found.cases.counted(), groups, where=_WHERE)
        sizes = [len(rows) for rows in members]
        notes = _notes(found, members)
    estimates = _indices(found, means, _rule_weights(found.estimates, found.moments, rule), lows, ranges)
    estimates[notes != ""] = np.nan
    return IndexReplicates(labels, constructs, np.array(sizes), notes, estimates, np.empty((0, *estimates.shape)))


def _notes(found: PathResults, members: Sequence[np.ndarray]) -> np.ndarray:
    """Why a group has no index, shape (groups, constructs)."""
    cases, layout = found.cases.counted(), found.model.layout()
    notes = np.full((len(members), len(layout.constructs)), "", dtype=object)
    for group, rows in enumerate(members):
        if cases.completion is not None:
            silent = cases.completion.absent[cases.completion.pattern[rows]].all(axis=0)
            notes[group, (silent @ layout.membership) > 0] = tr("an item without any answer")
        if cases.clusters is not None and len(np.unique(cases.clusters[rows])) < FEWEST_CASES:
            notes[group] = tr("fewer than {fewest} people").format(fewest=FEWEST_CASES)
        if len(rows) < FEWEST_CASES:
            notes[group] = tr("fewer than {fewest} answers").format(fewest=FEWEST_CASES)
    return notes


def _cells(indices: IndexReplicates) -> pd.MultiIndex:
    """Labels of every group and construct, constructs within groups."""
    constructs = indices.constructs
    groups = indices.labels.repeat(len(constructs)).to_frame(index=False)
    return pd.MultiIndex.from_frame(groups.assign(construct=np.tile(constructs.to_numpy(), len(indices.labels))))


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

    Raises
    ------
    ParameterError
        As in `index_scores`.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> answers = pd.DataFrame({"value": [1.0, 4, 7, 10], "loyalty": [1.0, 10, 4, 7]})
    >>> model = PathModel({"value": ["value"], "loyalty": ["loyalty"]}, [("value", "loyalty")])
    >>> respondent_indices(model.fit(answers))["loyalty"].round(1).tolist()
    [0.0, 100.0, 33.3, 66.7]
    """
    lows, ranges = _checked(results, scale, rule)
    weights = _rule_weights(results.estimates, results.moments, rule)
    values = _indices(results, results.cases.data, weights, lows, ranges)
    return pd.DataFrame(values, results.cases.index, pd.Index(results.model.constructs, name="construct"))


def index_units(results: PathResults, found: Estimates, items: Moments, scale: Scale) -> np.ndarray:
    """How many points of its index a standard deviation of a construct is.

    Of the scores, whose standard deviation is 1 and which are Σ w (x − mean) with unstandardised weights w; of the
    construct itself, without the error of its items, where the estimate is consistent.

    Parameters
    ----------
    results : PathResults
        The model and its options.
    found, items : Estimates, Moments
        Estimates and the moments they rest on, in one replicate or many.
    scale : (float, float) or mapping
        As in `index_scores`.

    Returns
    -------
    numpy.ndarray of float, shape (replicates, constructs)
        Points.
    """
    _, ranges = item_limits(results, scale)
    layout = results.model.layout()
    points = 100 / ((found.weights / items.spreads * ranges) @ layout.membership)
    return points * np.sqrt(np.where(layout.reflective, found.rho_a, 1.0)) if results.options.consistent else points


def item_limits(results: PathResults, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Lowest answer and range of the answers of every item, in the order of the model."""
    pairs = [scale[item] if isinstance(scale, Mapping) else scale for item in results.model.items]
    ends = np.array(pairs, dtype=float)
    return ends[:, 0], ends[:, 1] - ends[:, 0]


def _checked(
    results: PathResults, scale: Scale, rule: str, problems: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest answer and range of every item, once scale, rule, answers and weights are found fit for an index."""
    problems = list(problems)
    if rule not in RULES:
        hint = did_you_mean(rule, RULES)
        problems.append(f"rule must be one of {list(RULES)}, and is {rule!r}{hint}")
    layout, cases = results.model.layout(), results.cases
    answers = pd.DataFrame(cases.data, cases.index, list(layout.items))
    if cases.completion is not None:
        # What is expected of an answer may lie a little outside; only answers that were given are held to the scale.
        answers = answers.mask(cases.completion.absent[cases.completion.pattern])
    problems += problems_of_scale(answers, layout.items, scale)
    for item, owner, weight in zip(layout.items, layout.owner, results.estimates.weights[0], strict=True):
        if weight < 0:
            problems.append(
                f"the item {item} of {layout.constructs[owner]} has the weight {weight:.3f}: more of it would lower "
                "the index. Turn it round (low + high − answer) if it is worded the other way, or leave it out of the "
                "model, as fit_index_model does"
            )
    raise_problems(_WHERE, problems)
    return item_limits(results, scale)


def problems_of_scale(answers: pd.DataFrame, items: Sequence[str], scale: Scale) -> list[str]:
    """Say what is wrong with a scale of all items or by item, or which items have answers outside of it.

    Parameters
    ----------
    answers : pandas.DataFrame
        Has the items as columns.
    items : sequence of str
        Items to look at.
    scale : (float, float) or mapping of str to (float, float)
        Lowest and highest answer, of all items or by item.

    Returns
    -------
    list of str
        One sentence without full stop a problem.

    Examples
    --------
    >>> problems_of_scale(pd.DataFrame({"v1": [1, 9], "v2": [0, 1]}), ["v1", "v2"], {"v2": (0, 1)})
    ['scale has no ends for v1; give a pair for every item']
    """
    if not isinstance(scale, Mapping):
        return scale_problems(answers, items, scale)
    absent = [item for item in items if item not in scale]
    problems = [f"scale has no ends for {', '.join(absent)}; give a pair for every item"] if absent else []
    for item in items:
        if item in scale:
            problems += [f"of {item}, {problem}" for problem in scale_problems(answers, [], scale[item])] or (
                scale_problems(answers, [item], scale[item])
            )
    return problems


def _rule_weights(found: Estimates, items: Moments, rule: str) -> np.ndarray:
    return found.weights / items.spreads if rule == "unstandardized" else found.weights


def _indices(
    found: PathResults, means: np.ndarray, weights: np.ndarray, lows: np.ndarray, ranges: np.ndarray
) -> np.ndarray:
    """Indices of constructs from means of items, shape (…, items) → (…, constructs)."""
    layout = found.model.layout()
    # Not by a matrix product, in which an item without a mean would spoil every construct.
    starts = np.searchsorted(layout.owner, np.arange(len(layout.constructs)))
    points, most = (np.add.reduceat(each, starts, axis=-1) for each in (weights * (means - lows), weights * ranges))
    return 100 * points / most


def indices_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Indices as a table for people: one row a construct (and group), names with spaces.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores`.

    Returns
    -------
    pandas.DataFrame
        The labels as columns, ``index`` and, where there are, ``cases``, ``low``, ``high`` and notes.
    """
    table = scores.reset_index().drop(columns="std_error", errors="ignore")
    table["construct"] = table["construct"].map(shown_name)
    return without_empty_notes(table)


def without_empty_notes(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the column of notes where nothing is noted."""
    noted = "note" in table and (table["note"] != "").any()
    return table if noted else table.drop(columns="note", errors="ignore")


def plot_indices(scores: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw indices, with their intervals where there are any; `indices_table` has the numbers.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `index_scores`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7, 0.4 * len(scores) + 1.3))
    table = indices_table(scores)
    names = table[list(scores.index.names)].astype(str).agg(" · ".join, axis=1)
    ends = (table[end] if end in table else np.full(len(table), np.nan) for end in ("low", "high"))
    draw_intervals(ax, names, table["index"], *ends, template="{:.1f}")
    ax.set(xlabel=tr("Index, 0 to 100"), title=tr("Index of each construct"))
    listed = "; ".join(
        f"{name} {number:.1f}" for name, number in zip(names, table["index"], strict=True) if np.isfinite(number)
    )
    return describe(ax, tr("Indices from 0 to 100: {listed}.").format(listed=listed))
