"""A path model in several groups: is the measurement the same, and which paths differ."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    count_problems,
    index_problems,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import (
    ConvergenceError,
    CrmError,
    DataFloorError,
    ItemWarning,
    ParameterError,
    did_you_mean,
    reason_of,
)
from crm_utils.language import counted
from crm_utils.pls.bootstrap import PathBootstrap, replicated
from crm_utils.pls.comparison import GroupComparison, PairTest
from crm_utils.pls.draws import Draws
from crm_utils.pls.estimates import estimates
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.model import PathModel
from crm_utils.pls.permutation import Pair, Relabelings
from crm_utils.pls.reading import case_weights, cluster_codes

WHERE = "compare_groups"
FEWEST_CASES = 20
MOST_GROUPS = 20
# With fewer, no p-value is as small as 0.05.
FEWEST_PERMUTATIONS = 19
_SHOWN = 5


def compare_groups(
    model: PathModel,
    data: pd.DataFrame,
    group: Any,
    *,
    scheme: str = "path",
    consistent: bool = False,
    missing: str = "error",
    weights: Any = None,
    clusters: Any = None,
    standardize: bool = True,
    n_permutations: int = 1000,
    n_boot: int = 1000,
    seed: int | np.random.SeedSequence,
    level: float = 0.95,
) -> GroupComparison:
    """Estimate a path model in every group, and hold each pair of groups against each other.

    Three questions are answered. Is a construct the same composite in both groups (MICOM [1]_)? Only then do its paths
    mean the same. Could the groups come from one population: how often does a difference as large come about when
    labels are dealt anew (permutation test [2]_)? And how large is the difference: an interval by the bootstrap.

    Parameters
    ----------
    model : PathModel
        The model, the same for all groups.
    data : pandas.DataFrame, shape (n, …)
        One row a case.
    group : str or array-like, shape (n,)
        Group of each case: a column of `data`, or labels; rows without one are left out. The groups are in the sorted
        order of the labels, or in that of the categories of a categorical.
    scheme, consistent, missing, weights, standardize
        As in `PathModel.fit`, in every group alike. Missing values are dealt with in each group on its own, under
        dealt labels too.
    clusters : str or array-like, shape (n,), optional
        Which cases belong together, such as answers of one person. A cluster whose cases are all in one group gets a
        label as a whole; in a cluster with cases in both, labels are dealt among its own cases. The bootstrap draws
        whole clusters: from each group, or, where clusters have cases in several groups, from all groups together,
        so that a difference rests on the same clusters in both.
    n_permutations : int, default 1000
        How often labels are dealt anew for each pair of groups, from 19.
    n_boot : int, default 1000
        Number of bootstrap replicates, from 2.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level of intervals; a step of the invariance fails at p-values below 1 − level.

    Returns
    -------
    GroupComparison
        Estimates, invariance and differences. What looks wrong with the items in a group is among its notes; no
        `ItemWarning` is given, for the fit of all groups together gives it.

    Raises
    ------
    ParameterError
        If an option or the data are unusable, with every problem, or there is only one group.
    DataFloorError
        If a group has fewer than 20 cases, fewer than the model needs, or fewer than ten clusters: every such group.
    ConvergenceError
        If the model cannot be estimated in a group, or under fewer than 19 of the dealt labels.

    Notes
    -----
    The permutation test asks whether the groups differ at all. Where they differ in one path, groups of unequal size
    make p-values of the other paths somewhat too small or too large [3]_; the interval does not rest on it.

    References
    ----------
    .. [1] Henseler, J., Ringle, C. M. & Sarstedt, M. (2016). Testing measurement invariance of composites using
       partial least squares. International Marketing Review 33(3), 405–431.
    .. [2] Chin, W. W. & Dibbern, J. (2010). An introduction to a permutation based procedure for multi-group PLS
       analysis. In Handbook of Partial Least Squares, 171–193. Springer.
    .. [3] Chung, E. & Romano, J. P. (2013). Exact and asymptotically robust permutation tests. Annals of Statistics
       41(2), 484–507.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> market = np.repeat(["strong", "weak"], 200)
    >>> mood = rng.normal(size=400)
    >>> loyal = np.where(market == "weak", 0.8, 0.2) * mood + 0.6 * rng.normal(size=400)
    >>> noise = rng.normal(scale=0.4, size=(400, 4))
    >>> data = pd.DataFrame(np.c_[mood, mood, loyal, loyal] + noise, columns=["s1", "s2", "l1", "l2"])
    >>> model = PathModel({"mood": ["s1", "s2"], "loyalty": ["l1", "l2"]}, [("mood", "loyalty")])
    >>> comparison = compare_groups(model, data, market, n_permutations=99, n_boot=99, seed=7)
    >>> comparison.invariance["correlation_p"].gt(0.05).tolist()
    [True, True]
    >>> comparison.differences()[["group", "other", "from", "to", "p_value"]].to_numpy().tolist()
    [['strong', 'weak', 'mood', 'loyalty', 0.01]]
    """
    for name, given, kind in (("model", model, PathModel), ("data", data, pd.DataFrame)):
        if not isinstance(given, kind):
            raise_problems(WHERE, [f"{name} must be a {kind.__name__}, and is {type(given).__name__}"])
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    problems += count_problems("n_permutations", n_permutations, least=FEWEST_PERMUTATIONS)
    if not isinstance(consistent, bool | np.bool_):
        problems.append(f"consistent must be True or False, and is {consistent!r}")
    codes, names = _group_codes(data, group, problems)
    columns: list[str] = []
    mass, codes_of_clusters = case_weights(data, weights, columns), cluster_codes(data, clusters, columns)
    options = {"scheme": scheme, "missing": missing, "standardize": standardize}
    if not columns:
        options |= {"weights": mass, "clusters": codes_of_clusters}
    groups = _Groups(model, data, codes, names, options)
    pooled = groups.pooled(problems + columns)
    fits = groups.fits(pooled, consistent=consistent)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    drawn, dealt = root.spawn(2)
    bootstraps, shared = groups.bootstraps(fits, n_boot, drawn)
    tests = groups.tests(pooled, fits, n_permutations, dealt)
    notes = groups.notes(fits)
    if shared:
        notes.append(
            f"{counted(shared, 'cluster')} {'has' if shared == 1 else 'have'} cases in more than one group: labels are "
            "dealt among the cases of such a cluster, and the bootstrap draws clusters from all groups together."
        )
    return GroupComparison(model, float(level), fits, bootstraps, tests, tuple(notes))


def _group_codes(data: pd.DataFrame, group: Any, problems: list[str]) -> tuple[np.ndarray, list]:
    """Number of the group of each row, −1 for none, and the labels; what is wrong is added to `problems`."""
    none = np.zeros(len(data), dtype=int), []
    if isinstance(group, str):
        if group not in data.columns:
            problems.append(f"data lacks the group column {group!r}" + did_you_mean(group, data.columns))
            return none
        group = data[group]
    if np.ndim(group) != 1 or len(group) != len(data):
        has = "is one value" if np.ndim(group) == 0 else f"has the shape {np.shape(group)}"
        problems.append(f"group must be one label a row of data, which has {len(data):,}, and {has}")
        return none
    problems += index_problems(data=data, group=group)
    try:
        codes, names = pd.factorize(pd.Series(group), sort=True)
    except TypeError:
        problems.append("group must have labels such as text or numbers, which can be sorted")
        return none
    if len(names) < 2:
        has = f"only {names[0]!r}" if len(names) else "none"
        problems.append(f"a comparison needs at least two groups, and there is {has}")
    if len(names) > MOST_GROUPS:
        problems.append(
            f"group has {len(names):,} labels (such as {', '.join(map(str, names[:3]))}), and at most {MOST_GROUPS} "
            "groups are compared; join them into fewer, such as ranges of a number"
        )
    return codes, list(names)


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows of every group, and what is done to each of them alike."""

    model: PathModel
    data: pd.DataFrame
    codes: np.ndarray
    names: list
    options: dict[str, Any]

    def _fit(self, rows: np.ndarray, *, consistent: bool) -> PathResults:
        """Estimate from some rows; what is noticed about items is said once, by group."""
        options = dict(self.options)
        for name in ("weights", "clusters"):
            if options.get(name) is not None:
                options[name] = options[name][rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ItemWarning)
            return self.model.fit(self.data[rows], consistent=consistent, **options)

    def pooled(self, problems: list[str]) -> PathResults:
        """Estimate from all groups together, after everything that is wrong with the input has been raised.

        Weights do not depend on the correction of consistent estimates, which may fail for groups that are mixed.
        """
        problems = list(problems)
        try:
            pooled = self._fit(self.codes >= 0, consistent=False)
        except ParameterError as error:
            raise_problems(WHERE, [*problems, str(error).rstrip(".")])
        except CrmError:
            raise_problems(WHERE, problems)
            raise
        raise_problems(WHERE, problems)
        return pooled

    def fits(self, pooled: PathResults, *, consistent: bool) -> dict[Any, PathResults]:
        """Estimate of every group, each construct in the direction that it has in all groups together."""
        counted = np.where(self.options["weights"] > 0, self.codes, -1)
        sizes = np.bincount(counted[counted >= 0], minlength=len(self.names))
        small = [(name, size) for name, size in zip(self.names, sizes, strict=True) if size < FEWEST_CASES]
        if small:
            raise DataFloorError(
                f"{WHERE}: every group needs at least {FEWEST_CASES} cases, and "
                f"{_listed([f'{name!r} has {size:,}' for name, size in small])}. Join small groups, or leave them out."
            )
        layout, reference = self.model.layout(), pooled.estimates.loadings[0]

        def fit(name: Any) -> PathResults:
            found = self._fit(self.codes == self.names.index(name), consistent=consistent)
            if found.n_cases < FEWEST_CASES:
                raise DataFloorError(
                    f"only {found.n_cases:,} cases are left after missing={found.missing!r}, and at least "
                    f"{FEWEST_CASES} are needed; use missing='em' or 'mean', or join the group with another."
                )
            return replace(found, estimates=estimates(found.moments, layout, found.options, reference=reference))

        return _by_group(self.names, fit)

    def bootstraps(
        self, fits: Mapping[Any, PathResults], n_boot: int, seed: np.random.SeedSequence
    ) -> tuple[dict[Any, PathBootstrap], int]:
        """Replicates of every group, and the number of clusters with cases in more than one group."""
        codes, units, shared = self._clusters(fits)
        children = seed.spawn(len(self.names))
        seeds = dict(zip(self._by_appearance(), children, strict=True))

        def draw(name: Any) -> PathBootstrap:
            fit = fits[name]
            if not shared:
                return replicated(fit, Draws(fit.cases, n_boot, seeds[name], where=WHERE))
            # A seed that has been spawned from goes on with other children; every group needs the same.
            same = np.random.SeedSequence(children[0].entropy, spawn_key=children[0].spawn_key)
            cases = replace(fit.cases, clusters=codes[name])
            return replicated(fit, Draws(cases, n_boot, same, where=WHERE, units=units))

        return _by_group(self.names, draw), shared

    def _clusters(self, fits: Mapping[Any, PathResults]) -> tuple[dict[Any, np.ndarray], int, int]:
        """Clusters of the cases of every group, how many there are in all, and how many are in more than one group."""
        clusters = self.options["clusters"]
        if clusters is None:
            return {}, 0, 0
        found = {name: clusters[self.codes == code][fits[name].cases.kept] for code, name in enumerate(self.names)}
        counted = [np.unique(codes[fits[name].cases.weights > 0]) for name, codes in found.items()]
        every, times = np.unique(np.concatenate(counted), return_counts=True)
        numbered = {name: np.searchsorted(every, codes) for name, codes in found.items()}
        return numbered, len(every), int((times > 1).sum())

    def _by_appearance(self) -> list:
        """Groups in the order of their first rows, so that other names give the same replicates."""
        first = [int(np.argmax(self.codes == code)) for code in range(len(self.names))]
        return [self.names[code] for code in np.argsort(first)]

    def tests(
        self, pooled: PathResults, fits: Mapping[Any, PathResults], n_permutations: int, seed: np.random.SeedSequence
    ) -> dict[tuple[Any, Any], PairTest]:
        """Differences of every pair of groups under the true labels and under dealt ones."""
        pairs = list(combinations(self._by_appearance(), 2))
        seeds = dict(zip(map(frozenset, pairs), seed.spawn(len(pairs)), strict=True))
        tests = {}
        for one, other in combinations(self.names, 2):
            codes = [self.names.index(one), self.names.index(other)]
            both = np.isin(self.codes, codes)
            together = pooled if len(self.names) == 2 else self._fit(both, consistent=False)
            cases = together.cases.counted()
            first = (self.codes[both] == codes[0])[cases.kept]
            pair = Pair(together, fits[one].options, pooled.estimates.loadings[0])
            relabelings = Relabelings(first, cases.clusters, n_permutations, seeds[frozenset((one, other))])
            test = PairTest(pair.contrast([first[None]]), pair.contrast(relabelings.labels()))
            if (usable := int(test.permuted.usable.sum())) < FEWEST_PERMUTATIONS:
                correction = ", or consistent=False" if fits[one].options.consistent else ""
                raise ConvergenceError(
                    f"{WHERE}: for {one!r} and {other!r}, the model could be estimated under {usable:,} of "
                    f"{n_permutations:,} dealt labels, and p-values need {FEWEST_PERMUTATIONS}. Use more permutations, "
                    f"larger groups, fewer items or paths{correction}."
                )
            tests[one, other] = test
        return tests

    def notes(self, fits: Mapping[Any, PathResults]) -> list[str]:
        """What was left out, and what looks wrong with the items in a group."""
        notes = []
        if without := int((self.codes < 0).sum()):
            have, are = ("has", "is") if without == 1 else ("have", "are")
            notes.append(f"{without:,} of {len(self.codes):,} rows {have} no group and {are} left out.")
        return notes + [f"Group {name!r}: {note}" for name, fit in fits.items() for note in fit.notes]


def _by_group(names: list, work: Callable[[Any], Any]) -> dict[Any, Any]:
    """What `work` makes of every group; where it fails, it fails once, with every group that it fails in."""
    found, wrong = {}, {}
    for name in names:
        try:
            found[name] = work(name)
        except CrmError as error:
            wrong[name] = error
    if wrong:
        kinds = {type(error) for error in wrong.values()}
        kind = next((kind for kind in (DataFloorError, ParameterError) if kind in kinds), ConvergenceError)
        same: dict[str, list] = {}
        for name, error in wrong.items():
            same.setdefault(reason_of(error), []).append(name)
        listed = " ".join(
            f"Group{'' if len(names_of) == 1 else 's'} {', '.join(map(repr, names_of))}: {reason}"
            for reason, names_of in same.items()
        )
        raise kind(f"{WHERE}: {len(wrong)} of {len(names)} groups cannot be estimated. {listed}")
    return found


def _listed(parts: list[str]) -> str:
    shown = ", ".join(parts[:_SHOWN])
    return shown if len(parts) <= _SHOWN else f"{shown} and {len(parts) - _SHOWN:,} more do"
