"""Estimation of a path model, and what the estimate holds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, raise_problems
from crm_utils.errors import ConvergenceError, DataFloorError, ItemWarning, did_you_mean
from crm_utils.language import counted
from crm_utils.pls.assessment import fornell_larcker, heterotrait_monotrait
from crm_utils.pls.bootstrap import PathBootstrap, bootstrap
from crm_utils.pls.cases import MISSING, Cases, Moments, MomentSource, read_cases
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.iteration import MOST_ITERATIONS, SCHEMES
from crm_utils.pls.layout import Layout, shown_name
from crm_utils.pls.quantities import Fit, labels, parameter_names, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crm_utils.pls.model import PathModel

WHERE = "PathModel.fit"
# Below this, an eigenvalue of a correlation matrix is rounding.
_COLLINEAR = 1e-9
_TURN = "turn it round (lowest + highest possible value − value) before the fit"


def estimate(
    model: PathModel,
    data: pd.DataFrame,
    *,
    scheme: str,
    consistent: bool,
    missing: str,
    weights: Any,
    clusters: Any,
    standardize: bool,
    tolerance: float,
) -> PathResults:
    """Estimate `model`; see `PathModel.fit`."""
    problems = []
    for name, given, allowed in (("scheme", scheme, SCHEMES), ("missing", missing, MISSING)):
        if given not in allowed:
            hint = did_you_mean(given, allowed)
            problems.append(f"{name} must be one of {list(allowed)}, and is {given!r}{hint}")
    for name, given in (("consistent", consistent), ("standardize", standardize)):
        if not isinstance(given, bool | np.bool_):
            problems.append(f"{name} must be True or False, and is {given!r}")
    if not is_number(tolerance) or not 0 < tolerance < 1:
        problems.append(f"tolerance must lie between 0 and 1, and is {tolerance!r}")
    raise_problems(WHERE, problems)

    cases = read_cases(data, model.items, missing=missing, weights=weights, clusters=clusters, where=WHERE)
    options = Options(scheme, bool(consistent), bool(standardize), float(tolerance))
    results = estimate_from(model, cases, MomentSource(cases).of_sample(), options=options, missing=missing)
    for note in results.notes:
        warnings.warn(note, ItemWarning, stacklevel=3)
    return results


def estimate_from(model: PathModel, cases: Cases, items: Moments, *, options: Options, missing: str) -> PathResults:
    """Estimate `model` from moments of its items.

    Parameters
    ----------
    model : PathModel
        The model.
    cases : Cases
        The cases, whose values are those of the model's items.
    items : Moments
        Moments of the items, as the only replicate.
    options : Options
        How to estimate.
    missing : str
        What was done about missing values.

    Returns
    -------
    PathResults
        The estimate.

    Raises
    ------
    ParameterError, DataFloorError, ConvergenceError
        As in `PathModel.fit`.
    """
    layout = model.layout()
    check_cases(cases.count, layout)
    _check_collinear_items(items.correlations[0], layout)
    found = estimates(items, layout, options)
    _check_converged(found, items, layout, options)
    _check_constructs(found.correlations[0], layout, options)
    if improper(found, layout, options)[0]:
        raise ConvergenceError(f"{WHERE}: {_improper_reasons(found, layout)}")
    return PathResults(model, options, missing, cases, items, found)


def check_cases(cases: int, layout: Layout) -> None:
    """Refuse to estimate from fewer cases than the correlations and regressions of a model need."""
    needs = [(3, "a correlation")]
    for construct, name in enumerate(layout.constructs):
        if layout.regression[construct]:
            size = len(layout.block(construct))
            needs.append((size + 2, f"the regression on {size} items of {name} (mode B)"))
        if size := len(layout.sources(construct)):
            needs.append((size + 2, f"the regression of {name} on {size} construct{'s' if size > 1 else ''}"))
    needed, reason = max(needs, key=lambda need: need[0])
    if cases < needed:
        raise DataFloorError(
            f"{WHERE}: {reason} needs at least {needed} cases, and there {'is' if cases == 1 else 'are'} {cases}. "
            f"Use fewer items or paths, {'mode A, ' if layout.regression.any() else ''}or more cases."
        )


def _check_collinear_items(correlations: np.ndarray, layout: Layout) -> None:
    problems = []
    for construct in np.flatnonzero(layout.regression):
        block = layout.block(construct)
        involved = _collinear(correlations[np.ix_(block, block)])
        if involved.any():
            names = ", ".join(layout.items[position] for position in block[involved])
            problems.append(
                f"the items {names} of {layout.constructs[construct]} (mode B) are perfectly collinear; leave out one, "
                "or use mode A"
            )
    raise_problems(WHERE, problems)


def _collinear(correlations: np.ndarray) -> np.ndarray:
    """Which variables take part in an exact linear relation."""
    eigenvalues, vectors = np.linalg.eigh(correlations)
    null = np.abs(vectors[:, eigenvalues < _COLLINEAR])
    return (null > 1e-6).any(axis=1)


def _check_converged(found: Estimates, items: Moments, layout: Layout, options: Options) -> None:
    if found.converged[0]:
        return
    change = found.change[0]
    if not np.isfinite(change).all():
        # The path scheme regresses constructs on each other at every step; the centroid scheme shows which fail.
        other = Options("centroid", False, options.standardize, options.tolerance)
        _check_constructs(estimates(items, layout, other).correlations[0], layout, other)
        raise ConvergenceError(
            f"{WHERE}: the weights are not defined, for a construct's neighbours are collinear or uncorrelated with "
            "all of its items. Check that its items belong together, or leave out the construct."
        )
    construct = layout.constructs[layout.owner[int(change.argmax())]]
    raise ConvergenceError(
        f"{WHERE}: the weights did not settle within {MOST_ITERATIONS:,} iterations; those of {construct} still change "
        f"by {change.max():.1g}. Its items hardly correlate with its neighbours, or point both ways: leave out weak "
        "items, try scheme='factorial', or raise the tolerance."
    )


def _check_constructs(correlations: np.ndarray, layout: Layout, options: Options) -> None:
    if options.consistent:
        return
    for target in layout.order:
        sources = layout.sources(target)
        involved = _collinear(correlations[np.ix_(sources, sources)])
        if involved.any():
            names = ", ".join(layout.constructs[position] for position in sources[involved])
            raise ConvergenceError(
                f"{WHERE}: the constructs {names}, which lead to {layout.constructs[target]}, are perfectly collinear, "
                "so that their paths cannot be told apart. Join them, or leave out one."
            )


def _improper_reasons(found: Estimates, layout: Layout) -> str:
    reasons = []
    for construct in np.flatnonzero(layout.reflective):
        if not 0 < (rho := found.rho_a[0, construct]) <= 1:
            reasons.append(f"rho_A of {layout.constructs[construct]} is {rho:.3f}, outside 0 to 1")
    for item in np.flatnonzero(np.abs(found.loadings[0]) > 1):
        reasons.append(f"the loading of {layout.items[item]} is {found.loadings[0, item]:.3f}, beyond 1")
    if not reasons:
        for target in layout.order:
            explained = found.r_squared[0, target]
            if not 0 <= explained <= 1:
                shown = f"is {explained:.3f}" if np.isfinite(explained) else "cannot be computed"
                reasons.append(f"R² of {layout.constructs[target]} {shown}, for corrected correlations are too high")
    return (
        f"the consistent estimates are improper: {'; '.join(reasons)}. Check the items of these constructs (reversed? "
        "of two kinds?), join constructs that are hardly told apart, or use consistent=False."
    )


@dataclass(frozen=True, eq=False)
class PathResults:
    """Estimate of a `PathModel`.

    Attributes
    ----------
    model : PathModel
        What was estimated.
    options : Options
        ``scheme``, ``consistent``, ``standardize`` and ``tolerance`` as given.
    missing : str
        What was done about missing values.
    cases : Cases
        Values and weights of the cases used, and each item's ``missing_share``.
    moments : Moments
        Means, standard deviations and correlations of the items, as the only replicate.
    estimates : Estimates
        The estimate as arrays, as the only replicate.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> cause = rng.normal(size=300)
    >>> effect = 0.5 * cause + rng.normal(scale=0.75**0.5, size=300)
    >>> noise = rng.normal(scale=0.5, size=(300, 4))
    >>> data = pd.DataFrame(np.c_[cause, cause, effect, effect] + noise, columns=["c1", "c2", "e1", "e2"])
    >>> results = PathModel({"cause": ["c1", "c2"], "effect": ["e1", "e2"]}, [("cause", "effect")]).fit(data)
    >>> results.converged, results.n_cases
    (True, 300)
    >>> results.reliability.columns.tolist()
    ['alpha', 'rho_a', 'rho_c', 'ave']
    """

    model: PathModel
    options: Options
    missing: str
    cases: Cases
    moments: Moments
    estimates: Estimates

    @cached_property
    def _layout(self) -> Layout:
        return self.model.layout()

    def _series(self, name: str) -> pd.Series:
        layout = self._layout
        found = values(name, self.fit_of(self.estimates, self.moments))[0]
        return pd.Series(found, labels(name, layout), name=name)

    def fit_of(self, found: Estimates, items: Moments) -> Fit:
        """Other estimates of this model from the same cases, as a bootstrap makes them."""
        return Fit(found, items, self._layout, self.options, self.n_cases)

    def _square(self, table: np.ndarray) -> pd.DataFrame:
        constructs = self._layout.constructs
        return pd.DataFrame(
            table, pd.Index(constructs, name="construct"), pd.Index(constructs, name="other"), dtype=float
        )

    @property
    def n_cases(self) -> int:
        """Number of cases used, with a weight above zero."""
        return self.cases.count

    @property
    def converged(self) -> bool:
        """Whether the weights settled; an estimate is only given where they did."""
        return bool(self.estimates.converged[0])

    @property
    def iterations(self) -> int:
        """How many times the weights were renewed."""
        return int(self.estimates.iterations[0])

    @cached_property
    def missing_share(self) -> pd.Series:
        """Share of missing values of each item in the data given, before anything was done about them."""
        return pd.Series(self.cases.missing_share, labels("weights", self._layout), name="missing_share").droplevel(0)

    @cached_property
    def paths(self) -> pd.Series:
        """Standardised path coefficients, by ``from`` and ``to``."""
        return self._series("paths")

    @cached_property
    def total_effects(self) -> pd.Series:
        """Direct and indirect effects together, for every pair that paths connect."""
        return self._series("total_effects")

    @cached_property
    def indirect_effects(self) -> pd.Series:
        """Effects through other constructs, for every pair that has any."""
        return self._series("indirect_effects")

    @cached_property
    def weights(self) -> pd.Series:
        """Weights of the standardised items that give construct scores of unit variance, by construct and item."""
        return self._series("weights")

    @cached_property
    def unstandardized_weights(self) -> pd.Series:
        """Weights of the items in their own units: `weights` over the items' standard deviations."""
        return self._series("unstandardized_weights")

    @cached_property
    def loadings(self) -> pd.Series:
        """Correlation of each item with its own construct, by construct and item."""
        return self._series("loadings")

    @cached_property
    def cross_loadings(self) -> pd.DataFrame:
        """Correlation of each item (row) with every construct (column)."""
        layout = self._layout
        return pd.DataFrame(
            self.estimates.cross_loadings[0],
            pd.Index(layout.items, name="item"),
            pd.Index(layout.constructs, name="construct"),
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Construct scores of the cases used: (weighted) mean 0, variance 1; not corrected for unreliability."""
        layout = self._layout
        weights = (self.estimates.weights / self.moments.spreads)[0, :, None] * layout.membership
        return pd.DataFrame(
            (self.cases.data - self.moments.means) @ weights,
            self.cases.index,
            pd.Index(layout.constructs, name="construct"),
        )

    @cached_property
    def r_squared(self) -> pd.Series:
        """Share of variance explained, of every construct that is led to."""
        return self._series("r_squared")

    @cached_property
    def adjusted_r_squared(self) -> pd.Series:
        """R² adjusted for the number of constructs that lead there; NaN for too few cases."""
        return self._series("adjusted_r_squared")

    @cached_property
    def construct_correlations(self) -> pd.DataFrame:
        """Correlations of the constructs, corrected for unreliability where the estimate is consistent."""
        return self._square(self.estimates.correlations[0])

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """``alpha`` (of standardised items), ``rho_a``, ``rho_c`` and ``ave`` of every construct.

        NaN for constructs of mode B or with one item: their items do not tell.
        """
        found = self.estimates
        columns = {"alpha": found.alpha[0], "rho_a": found.rho_a[0], "rho_c": found.rho_c[0], "ave": found.ave[0]}
        return pd.DataFrame(columns, pd.Index(self._layout.constructs, name="construct"))

    @cached_property
    def fornell_larcker(self) -> pd.DataFrame:
        """Correlations of the constructs with the root of the AVE on the diagonal; see `assessment`."""
        return self._square(fornell_larcker(self.estimates.correlations, self.estimates.ave)[0])

    @cached_property
    def htmt(self) -> pd.DataFrame:
        """Heterotrait–monotrait ratios; NaN on the diagonal and for constructs of mode B or with one item."""
        return self._square(heterotrait_monotrait(self.moments.correlations, self._layout)[0])

    @cached_property
    def vif(self) -> pd.Series:
        """Variance inflation factor of each path's source among all that lead to its target."""
        return self._series("vif")

    @cached_property
    def item_vif(self) -> pd.Series:
        """Variance inflation factor of each item within its construct; NaN for perfectly collinear items."""
        return self._series("item_vif")

    @cached_property
    def f_squared(self) -> pd.Series:
        """Effect size of each path: what R² loses when the model is estimated again without it, over 1 − R².

        NaN where the smaller model cannot be estimated.
        """
        return self._series("f_squared")

    @cached_property
    def srmr(self) -> pd.Series:
        """Standardised root mean square residual of the items' correlations.

        ``saturated``: with the constructs' correlations as they are; ``estimated``: with those that the paths imply.
        Consistent estimates take constructs of mode A for common factors; otherwise constructs are composites, whose
        items correlate freely.
        """
        return self._series("srmr")

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What looks wrong with the items, as sentences; also given as an `ItemWarning` when the model is fitted."""
        layout, loadings = self._layout, self.estimates.loadings[0]
        notes = []
        for construct in np.flatnonzero(layout.reflective):
            block, name = layout.block(construct), shown_name(layout.constructs[construct])
            against = block[loadings[block] < 0]
            if 2 * len(against) == len(block):
                names = ", ".join(layout.items[item] for item in block)
                notes.append(
                    f"Of the items {names} of {name}, as many point one way as the other "
                    f"(the loading of {layout.items[against[0]]} is {loadings[against[0]]:.2f}). If some run the "
                    f"other way, {_TURN}."
                )
                continue
            notes += [
                f"The item {layout.items[item]} points against the others of {name} (its loading is "
                f"{loadings[item]:.2f}). If it runs the other way, {_TURN}; else leave it out."
                for item in against
            ]
        if self.cases.empty:
            one = self.cases.empty == 1
            notes.append(
                f"{counted(self.cases.empty, 'case')} {'has' if one else 'have'} no value for any item and "
                f"{'is' if one else 'are'} left out."
            )
        return tuple(notes)

    def summary_frame(self) -> pd.DataFrame:
        """Estimates in one table.

        Returns
        -------
        pandas.DataFrame
            One row an estimate: ``quantity`` (paths, r_squared, loadings, weights), ``parameter``, ``estimate``.
        """
        parts = [
            pd.DataFrame({"quantity": name, "parameter": parameter_names(series.index), "estimate": series.to_numpy()})
            for name in ("paths", "r_squared", "loadings", "weights")
            for series in [self._series(name)]
        ]
        return pd.concat(parts, ignore_index=True)

    def paths_table(self) -> pd.DataFrame:
        """Path coefficients for people.

        Returns
        -------
        pandas.DataFrame
            One row a path: ``from``, ``to``, ``estimate``; names with spaces.

        Examples
        --------
        >>> from crm_utils.pls import PathModel
        >>> data = pd.DataFrame({"v": [1, 2, 3, 4, 6], "s": [2, 1, 3, 5, 4]})
        >>> results = PathModel({"value": ["v"], "overall_rating": ["s"]}, [("value", "overall_rating")]).fit(data)
        >>> results.paths_table().round(2).to_dict("records")
        [{'from': 'value', 'to': 'overall rating', 'estimate': 0.74}]
        """
        from crm_utils.pls.diagram import paths_table

        return paths_table(self.paths.to_frame("estimate"))

    def plot_paths(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the path diagram; `paths_table` has the numbers.

        Causes stand left of their effects. Arrows are as wide as their coefficients are large; negative ones have
        another colour. Under a construct's name is its R², where paths lead to it.

        Parameters
        ----------
        labels : mapping of str to str, optional
            Texts of constructs that are not to stand there by their names, such as terms of another language.
        notes : mapping of str to str, optional
            A further line for constructs, such as an index.
        ax : matplotlib.axes.Axes, optional
            Where to draw; seven constructs need about 7 × 4 inches. Default: a new figure, as high as is needed.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.

        Raises
        ------
        ParameterError
            If labels or notes are of no construct.
        """
        from crm_utils.pls.diagram import plot_paths

        return plot_paths(
            self._layout,
            self.paths.to_frame("estimate"),
            self.r_squared,
            where="PathResults.plot_paths",
            labels=labels,
            notes=notes,
            ax=ax,
        )

    def bootstrap(
        self,
        n_boot: int = 5000,
        *,
        seed: int | np.random.SeedSequence,
        intervals: str = "percentile",
        min_usable: float | None = None,
    ) -> PathBootstrap:
        """Estimate again from cases drawn with replacement.

        Each replicate has a seed of its own, so that it is the same however many others there are. A case that is
        drawn keeps its weight; of a cluster all cases are drawn together. Under missing="mean" and "em" the missing
        values are expected anew in every replicate, so that they add to the spread what they should.

        Parameters
        ----------
        n_boot : int, default 5000
            Number of replicates, from 2.
        seed : int
            Seed, 0 or more.
        intervals : {"percentile", "bca"}, default "percentile"
            Kind of interval: between percentiles of the replicates, or between those that are corrected for bias and
            skewness, for up to 5,000 cases, or clusters where the cases belong to some.
        min_usable : float, optional
            Share of the replicates that must be usable, from 0 to 1, and two at least. Intervals from the few that can
            be estimated would be those of the easy cases. Default: 0.9; for consistent estimates, which are improper
            in some replicates of good data too, 0.5.

        Returns
        -------
        PathBootstrap
            Replicates, intervals, and how many replicates failed or were improper.

        Raises
        ------
        ParameterError
            If an option is unusable, with every problem.
        DataFloorError
            If there are clusters, and fewer than ten.
        ConvergenceError
            If too few replicates can be used: how many, the most frequent reason, and what to do.

        References
        ----------
        .. [1] Efron, B. & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall.

        Examples
        --------
        >>> from crm_utils.pls import PathModel
        >>> rng = np.random.default_rng(7)
        >>> cause = rng.normal(size=200)
        >>> data = pd.DataFrame({"cause": cause, "effect": cause + rng.normal(size=200)})
        >>> results = PathModel({"a": ["cause"], "b": ["effect"]}, [("a", "b")]).fit(data)
        >>> replicates = results.bootstrap(500, seed=7)
        >>> int(replicates.failed.sum())
        0
        >>> interval = replicates.intervals("paths").loc[("a", "b")]
        >>> bool(interval["low"] < results.paths["a", "b"] < interval["high"])
        True
        """
        return bootstrap(self, n_boot, seed=seed, intervals=intervals, min_usable=min_usable)
