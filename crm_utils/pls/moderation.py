"""Whether a construct changes the strength of a path: the product of two constructs as one more cause (调节效应)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems, resampling_problems, seed_problems
from crm_utils.errors import ConvergenceError, did_you_mean
from crm_utils.pls.algebra import solve_symmetric
from crm_utils.pls.bootstrap import PathBootstrap, fewest_usable, floor_problems
from crm_utils.pls.cases import Cases, Moments
from crm_utils.pls.derived import interval_table
from crm_utils.pls.estimates import Estimates, improper
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.layout import Layout
from crm_utils.pls.model import Construct, PathModel
from crm_utils.pls.products import product_moments

_WHERE = "moderate"
_NUMBERS = ["estimate", "std_error", "low", "high"]
LOW, MEAN, HIGH = "low", "mean", "high"
# Scores of the source, in standard deviations, that lines are drawn through.
_GRID = np.linspace(-2, 2, 9)


def moderate(
    model: PathModel,
    data: pd.DataFrame,
    *,
    source: str,
    target: str,
    moderator: str | Mapping[str, Construct | Sequence[str]],
    seed: int | np.random.SeedSequence,
    n_boot: int = 5000,
    intervals: str = "percentile",
    level: float = 0.95,
    scheme: str = "path",
    consistent: bool = False,
    missing: str = "error",
    weights: Any = None,
    clusters: Any = None,
    standardize: bool = True,
    tolerance: float = 1e-7,
    min_usable: float | None = None,
) -> Moderation:
    """Estimate whether a moderator changes the path from source to target, in two stages.

    First the model is estimated with a path from the moderator to the target, but without interaction. Then the target
    is regressed on all that leads to it and on the product of the scores of source and moderator [1]_ [2]_.

    Parameters
    ----------
    model : PathModel
        The model, with a path from source to target. A path from the moderator to the target is added where absent.
    data : pandas.DataFrame, shape (n, …)
        One row a case.
    source, target : str
        Constructs that the path in question leads from and to.
    moderator : str or mapping of one name to its items or Construct
        A construct of the model; or a numeric column of `data` to add, such as 0 and 1 for two groups; or a construct
        to add, such as ``{"trust": ["trust_1", "trust_2"]}``.
    seed : int
        Seed, 0 or more.
    n_boot : int, default 5000
        Number of bootstrap replicates, from 2. Each one estimates both stages again.
    intervals : {"percentile", "bca"}, default "percentile"
        Kind of interval, as in `PathResults.bootstrap`.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    scheme, missing, weights, clusters, standardize, tolerance
        As in `PathModel.fit`.
    consistent : bool, default False
        Whether moments of the product, too, are corrected for the unreliability of constructs of mode A with two items
        or more [3]_. The interaction suffers most from it: it shrinks by the roots of the reliabilities of source,
        moderator and target together.
    min_usable : float, optional
        Share of the replicates in which both stages must be usable, as in `PathResults.bootstrap`.

    Returns
    -------
    Moderation
        Interaction, effects, and slopes at levels of the moderator, with intervals.

    Raises
    ------
    ParameterError
        If an option or the data are unusable, a construct is not known, the model has no path from source to target,
        or the moderator is source or target, or the target leads to it.
    DataFloorError, ConvergenceError
        As in `PathModel.fit` and `PathResults.bootstrap`; also if the product is collinear with what leads to the
        target, or consistent estimates of the second stage are improper.

    Notes
    -----
    Scores are standardised (mean 0, standard deviation 1, as in `PathResults.scores`); their product is *not*. So the
    interaction is by how much the path from source to target changes where the moderator is one standard deviation
    higher, and the path of the source is its slope at the moderator's mean. Some software standardises the product as
    well; that coefficient is given too, as ``standardized_interaction``.

    References
    ----------
    .. [1] Chin, W. W., Marcolin, B. L. & Newsted, P. R. (2003). A partial least squares latent variable modeling
       approach for measuring interaction effects. Information Systems Research 14(2), 189–217.
    .. [2] Henseler, J. & Chin, W. W. (2010). A comparison of approaches for the analysis of interaction effects between
       latent variables using partial least squares path modeling. Structural Equation Modeling 17(1), 82–109.
    .. [3] Dijkstra, T. K. & Schermelleh-Engel, K. (2014). Consistent partial least squares for nonlinear structural
       equation models. Psychometrika 79(4), 585–604.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> strong = np.repeat([0, 1], 300)
    >>> mood = rng.normal(size=600)
    >>> loyal = np.where(strong, 0.2, 0.7) * mood + 0.6 * rng.normal(size=600)
    >>> noise = rng.normal(scale=0.4, size=(600, 4))
    >>> data = pd.DataFrame(np.c_[mood, mood, loyal, loyal] + noise, columns=["s1", "s2", "l1", "l2"])
    >>> model = PathModel({"mood": ["s1", "s2"], "loyalty": ["l1", "l2"]}, [("mood", "loyalty")])
    >>> found = moderate(
    ...     model, data.assign(strong=strong), source="mood", target="loyalty", moderator="strong", n_boot=500, seed=7
    ... )
    >>> found.simple_slopes[["level", "estimate", "low", "high"]].round(2).to_numpy().tolist()
    [['0', 0.69, 0.62, 0.77], ['1', 0.29, 0.21, 0.37]]
    """
    for name, given, kind in (("model", model, PathModel), ("data", data, pd.DataFrame)):
        if not isinstance(given, kind):
            raise_problems(_WHERE, [f"{name} must be a {kind.__name__}, and is {type(given).__name__}"])
    problems = resampling_problems(n_boot, level) + seed_problems(seed) + floor_problems(min_usable)
    name, added = _moderator(model, data, moderator, problems)
    problems += _path_problems(model, source, target, name)
    raise_problems(_WHERE, problems)
    paths = [*model.paths] if (name, target) in model.paths else [*model.paths, (name, target)]
    first = PathModel({**model.constructs, **added}, paths).fit(
        data,
        scheme=scheme,
        consistent=consistent,
        missing=missing,
        weights=weights,
        clusters=clusters,
        standardize=standardize,
        tolerance=tolerance,
    )
    second = _SecondStage(first, source, target, name)
    cases = first.cases.counted()
    estimate = second.estimate(first.estimates, first.moments, iter([(range(1), cases.weights[None])]))
    second.check(estimate)
    drawn = first.bootstrap(n_boot, seed=seed, intervals=intervals, min_usable=min_usable)
    replicates = second.estimate(drawn.estimates, drawn.moments, drawn.masses())
    usable = drawn.usable & second.proper(replicates)
    needed = fewest_usable(n_boot, min_usable, first.options)
    if usable.sum() < needed:
        raise ConvergenceError(
            f"{_WHERE}: both stages could be estimated in only {int(usable.sum()):,} of {n_boot:,} replicates, and "
            f"intervals need {needed:,}. Use more cases{' or consistent=False' if first.options.consistent else ''}."
        )
    left_out = None
    if drawn.left_out is not None:
        items, found = drawn.left_out
        without = second.estimate(found, items, drawn.draws.masses_without_one())
        settled = found.converged & ~improper(found, second.layout, first.options) & second.proper(without)
        left_out = without[settled]
    table = second.labelled(interval_table(estimate[0], replicates[usable], left_out, level=level))
    shown = (table["quantity"] != "lines").to_numpy()
    kept = pd.DataFrame(
        replicates[np.ix_(usable, shown)],
        pd.Index(np.flatnonzero(usable), name="replicate"),
        pd.MultiIndex.from_frame(table.loc[shown, ["quantity", "parameter"]]),
    )
    return Moderation(drawn, source, target, name, float(level), second.moderator_values, usable, table, kept)


def _moderator(
    model: PathModel, data: pd.DataFrame, moderator: Any, problems: list[str]
) -> tuple[Any, dict[str, Construct | Sequence[str]]]:
    """Name of the moderator, and the construct to add to the model, where there is one."""
    if isinstance(moderator, Mapping):
        if len(moderator) != 1:
            problems.append(f"moderator must name one construct, and names {len(moderator)}; estimate one at a time")
            return None, {}
        name = next(iter(moderator))
        if name in model.constructs:
            problems.append(f"the model has a construct {name} already; give moderator={name!r}, or another name")
        return name, dict(moderator)
    if not isinstance(moderator, str):
        problems.append(
            "moderator must be a construct of the model, a column of data, or a construct to add such as "
            f"{{'trust': ['trust_1', 'trust_2']}}, and is {moderator!r}"
        )
        return None, {}
    if moderator in model.constructs:
        return moderator, {}
    if moderator not in data.columns:
        hint = did_you_mean(moderator, [*model.constructs, *data.columns])
        problems.append(f"the moderator {moderator!r} is neither a construct of the model nor a column of data{hint}")
        return None, {}
    column = data[moderator]
    if isinstance(column, pd.Series) and not pd.api.types.is_numeric_dtype(column):
        text = [value for value in column.dropna().unique() if isinstance(value, str)]
        if text:
            problems.append(
                f"the moderator {moderator} must be numeric, and holds {text[0]!r}; give a column of 0 and 1, such as "
                f"(data[{moderator!r}] == {text[0]!r}).astype(int)"
            )
    return moderator, {moderator: [moderator]}


def _path_problems(model: PathModel, source: Any, target: Any, moderator: Any) -> list[str]:
    problems = []
    for role, name in (("source", source), ("target", target)):
        if name not in model.constructs:
            hint = did_you_mean(name, model.constructs)
            problems.append(f"{role} must be one of {', '.join(model.constructs)}, and is {name!r}{hint}")
    if problems:
        return problems
    if (source, target) not in model.paths:
        led = model.predecessors(target)
        hint = f"what leads to {target} is {', '.join(led)}" if led else f"nothing leads to {target}"
        problems.append(f"the model has no path {source} → {target} that could be moderated; {hint}")
    for role, name in (("source", source), ("target", target)):
        if moderator == name:
            problems.append(f"moderator and {role} must be two constructs, and both are {name!r}")
    if moderator in model.constructs and moderator != target:
        layout = model.layout()
        if layout.reaches()[layout.constructs.index(target), layout.constructs.index(moderator)]:
            problems.append(f"{target} leads to {moderator}, so that a path back would close a circle; choose another")
    return problems


@dataclass(frozen=True, eq=False)
class _SecondStage:
    """The regression of the target on what leads to it and the product, in one replicate or many.

    An estimate is an array of shape (replicates, quantities); `labelled` says which they are.
    """

    first: PathResults
    source: str
    target: str
    moderator: str

    @cached_property
    def layout(self) -> Layout:
        """The model of the first stage."""
        return self.first.model.layout()

    @cached_property
    def moderator_values(self) -> tuple[float, float] | None:
        """The two values of a moderator that has no others."""
        items = self.first.model.constructs[self.moderator].items
        if len(items) > 1:
            return None
        return _two_values(self.first.cases.counted(), self.layout.items.index(items[0]))

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels of the moderator at which slopes are given."""
        return (
            (LOW, MEAN, HIGH)
            if self.moderator_values is None
            else tuple(f"{value:g}" for value in self.moderator_values)
        )

    @cached_property
    def _places(self) -> tuple[int, int, int]:
        return tuple(self.layout.constructs.index(name) for name in (self.source, self.moderator, self.target))

    def estimate(self, found: Estimates, items: Moments, masses: Iterator[tuple[range, np.ndarray]]) -> np.ndarray:
        """Quantities of the second stage from the first, shape (replicates, quantities)."""
        from threadpoolctl import threadpool_limits

        source, moderator, target = self._places
        cases = self.first.cases.counted()
        with threadpool_limits(1, user_api="blas"):
            product = product_moments(cases, self.layout, found, items, masses, factors=(source, moderator))
        correlations, causes = found.correlations, self.layout.sources(target)
        # Scores are the construct times the root of its reliability, plus error that is independent of all else.
        roots = np.ones(found.rho_a.shape)
        if self.first.options.consistent:
            roots = np.sqrt(np.where(self.layout.reflective, np.where(found.rho_a > 0, found.rho_a, np.nan), 1.0))
        shrunk = roots[:, source] * roots[:, moderator]
        mean = correlations[:, source, moderator]
        variance = (product.squares - 1) / shrunk**2 + 1 - mean**2
        crossings = product.crossings / (shrunk[:, None] * roots)

        size = len(causes)
        matrices = np.empty((len(mean), size + 1, size + 1))
        matrices[:, :size, :size] = correlations[:, causes[:, None], causes]
        matrices[:, size, :size] = matrices[:, :size, size] = crossings[:, causes]
        matrices[:, size, size] = variance
        right = np.column_stack([correlations[:, causes, target], crossings[:, target]])
        coefficients = solve_symmetric(matrices, right)
        paths = np.zeros((len(mean), len(self.layout.constructs)))
        paths[:, causes] = coefficients[:, :size]
        explained, without = (coefficients * right).sum(axis=1), found.r_squared[:, target]
        # The moments above are of scores whose variance has n as its divisor; scores are given with n − 1.
        share = (cases.count - 1) / cases.count
        interaction = coefficients[:, size] / np.sqrt(share)
        levels = self._levels(items)
        slopes = paths[:, source, None] + interaction[:, None] * levels
        at_zero = paths[:, moderator, None] * levels - (interaction * mean * share)[:, None]
        lines = at_zero[:, :, None] + slopes[:, :, None] * _GRID
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (explained - without) / (1 - explained)
            standardized = coefficients[:, size] * np.sqrt(variance)
        return np.column_stack(
            [
                coefficients[:, :size],
                interaction,
                standardized,
                explained,
                without,
                gain,
                slopes,
                slopes[:, -1] - slopes[:, 0],
                lines.reshape(len(lines), -1),
            ]
        )

    def _levels(self, items: Moments) -> np.ndarray:
        """Levels of the moderator as standardised scores, shape (replicates, levels)."""
        if self.moderator_values is None:
            return np.broadcast_to([-1.0, 0.0, 1.0], (len(items.means), 3))
        item = self.layout.block(self._places[1])
        return (np.array(self.moderator_values) - items.means[:, item]) / items.spreads[:, item]

    def labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        """The quantities with their names: ``quantity``, ``parameter``, ``level``, ``source_score`` and numbers."""
        path, product = f"{self.source} → {self.target}", f"{self.source} × {self.moderator} → {self.target}"
        causes = [self.layout.constructs[cause] for cause in self.layout.sources(self._places[2])]
        rows = [("paths", f"{cause} → {self.target}", "", np.nan) for cause in causes]
        rows += [(quantity, product, "", np.nan) for quantity in ("interaction", "standardized_interaction")]
        rows += [(quantity, self.target, "", np.nan) for quantity in ("r_squared", "r_squared_without")]
        rows.append(("f_squared", product, "", np.nan))
        at = {LOW: "mean − 1 SD", MEAN: "mean", HIGH: "mean + 1 SD"}
        written = {level: f"{path}, {self.moderator} = {at.get(level, level)}" for level in self.levels}
        rows += [("simple_slopes", name, level, np.nan) for level, name in written.items()]
        difference = f"{path}, {self.moderator} {self.levels[-1]} − {self.levels[0]}"
        rows.append(("slope_difference", difference, "", np.nan))
        rows += [("lines", name, level, score) for level, name in written.items() for score in _GRID]
        names = pd.DataFrame(rows, columns=["quantity", "parameter", "level", "source_score"])
        return names.join(table)

    def proper(self, estimate: np.ndarray) -> np.ndarray:
        """Which replicates have a second stage, shape (replicates,)."""
        explained = estimate[:, len(self.layout.sources(self._places[2])) + 2]
        # Rounding may put the share of variance of an exact relation a little above 1.
        return np.isfinite(estimate).all(axis=1) & (explained <= 1 + 1e-9)

    def check(self, estimate: np.ndarray) -> None:
        """Raise where the second stage cannot be estimated from all cases."""
        if self.proper(estimate)[0]:
            return
        causes = [self.layout.constructs[cause] for cause in self.layout.sources(self._places[2])]
        remedy = "another moderator, or more cases"
        reason = (
            f"the product of {self.source} and {self.moderator} is a combination of {', '.join(causes)}, so that its "
            "effect cannot be told apart"
        )
        if self.first.options.consistent:
            reason = "the consistent estimates of the second stage are improper: corrected moments are too high"
            remedy = "another moderator, more cases, or consistent=False"
        raise ConvergenceError(f"{_WHERE}: {reason}. Use {remedy}.")


def _two_values(cases: Cases, item: int) -> tuple[float, float] | None:
    """The values of an item that has two, what was missing aside."""
    given = cases.data[:, item]
    if cases.completion is not None:
        given = given[~cases.completion.absent[cases.completion.pattern, item]]
    found = np.unique(given)
    return (float(found[0]), float(found[1])) if len(found) == 2 else None


@dataclass(frozen=True, eq=False)
class Moderation:
    """A path whose strength depends on a moderator.

    Attributes
    ----------
    bootstrap : PathBootstrap
        Replicates of the first stage, the model without interaction.
    source, target, moderator : str
        Constructs.
    level : float
        Confidence level.
    moderator_values : (float, float) or None
        The two values of a moderator that has no others, such as 0 and 1.
    usable : numpy.ndarray of bool, shape (n_boot,)
        Replicates that the intervals rest on: both stages could be estimated.
    table : pandas.DataFrame
        Every number; `summary_frame` and the properties show its parts.
    replicates : pandas.DataFrame
        One row a usable replicate, by its number; one column a row of `summary_frame`, by quantity and parameter.
    """

    bootstrap: PathBootstrap
    source: str
    target: str
    moderator: str
    level: float
    moderator_values: tuple[float, float] | None
    usable: np.ndarray
    table: pd.DataFrame
    replicates: pd.DataFrame

    @property
    def first(self) -> PathResults:
        """The first stage: the model without interaction."""
        return self.bootstrap.results

    def _row(self, quantity: str) -> pd.Series:
        return self.table.loc[self.table["quantity"] == quantity, _NUMBERS].iloc[0].rename(quantity)

    @property
    def interaction(self) -> pd.Series:
        """By how much the path changes for one standard deviation of the moderator; with interval."""
        return self._row("interaction")

    @property
    def standardized_interaction(self) -> pd.Series:
        """The coefficient of the product where it is standardised as well; with interval."""
        return self._row("standardized_interaction")

    @property
    def r_squared(self) -> pd.Series:
        """Share of the target's variance explained with the interaction; with interval."""
        return self._row("r_squared")

    @property
    def r_squared_without(self) -> pd.Series:
        """Share of the target's variance explained without the interaction; with interval."""
        return self._row("r_squared_without")

    @property
    def f_squared(self) -> pd.Series:
        """What R² gains by the interaction, over 1 − R² with it; with interval.

        For interactions, 0.005, 0.01 and 0.025 have been proposed as small, medium and large [1]_.

        References
        ----------
        .. [1] Hair, J. F., Hult, G. T. M., Ringle, C. M. & Sarstedt, M. (2022). A Primer on Partial Least Squares
           Structural Equation Modeling, 3rd ed. Sage, chapter 7 (after D. A. Kenny).
        """
        return self._row("f_squared")

    @property
    def slope_difference(self) -> pd.Series:
        """Slope at the highest level less that at the lowest; with interval."""
        return self._row("slope_difference")

    @property
    def paths(self) -> pd.DataFrame:
        """Paths to the target beside the product, by ``from``: those of source and moderator at the other's mean."""
        rows = self.table[self.table["quantity"] == "paths"]
        layout = self.first.model.layout()
        causes = layout.sources(layout.constructs.index(self.target))
        return rows[_NUMBERS].set_axis(pd.Index([layout.constructs[cause] for cause in causes], name="from"))

    @property
    def simple_slopes(self) -> pd.DataFrame:
        """Path from source to target at levels of the moderator.

        One row a level: ``level`` ("low", "mean", "high": a standard deviation below the mean, the mean, one above; or
        the two values of a moderator that has no others), ``estimate``, ``std_error``, ``low``, ``high``. The path is
        in standard deviations of the target for one of the source.
        """
        rows = self.table[self.table["quantity"] == "simple_slopes"]
        return rows[["level", *_NUMBERS]].reset_index(drop=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know, as sentences."""
        notes = list(self.first.notes)
        if lost := int((~self.usable).sum()):
            are = "is" if lost == 1 else "are"
            notes.append(f"{lost:,} of {len(self.usable):,} replicates could not be estimated and {are} left out.")
        return tuple(notes)

    def summary_frame(self) -> pd.DataFrame:
        """Estimates in one table.

        Returns
        -------
        pandas.DataFrame
            One row an estimate: ``quantity`` (paths, interaction, standardized_interaction, r_squared,
            r_squared_without, f_squared, simple_slopes, slope_difference), ``parameter``, ``estimate``, ``std_error``,
            ``low``, ``high``.
        """
        rows = self.table[self.table["quantity"] != "lines"]
        return rows[["quantity", "parameter", *_NUMBERS]].reset_index(drop=True)
