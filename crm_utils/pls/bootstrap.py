"""Bootstrap of a path model: cases are drawn again, and all replicates are estimated together from their moments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import is_number, level_problems, raise_problems, resampling_problems, seed_problems
from crm_utils.errors import ConvergenceError, did_you_mean
from crm_utils.intervals import percentile_interval
from crm_utils.language import counted
from crm_utils.pls.cases import Moments, MomentSource
from crm_utils.pls.draws import Draws
from crm_utils.pls.estimates import Estimates, Options, estimates, improper
from crm_utils.pls.group_means import GroupMeans, group_means
from crm_utils.pls.quantities import QUANTITIES, labels, parameter_names, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crm_utils.pls.estimation import PathResults

INTERVALS = ("percentile", "bca")
# BCa estimates the model once more for every unit that is drawn.
MOST_UNITS_BCA = 5_000
_WHERE = "PathResults.bootstrap"
# Share of the replicates that intervals need. Consistent estimates are improper in some replicates of good data too.
FLOOR, CONSISTENT_FLOOR = 0.9, 0.5


def bootstrap(
    results: PathResults,
    n_boot: int,
    *,
    seed: int | np.random.SeedSequence,
    intervals: str,
    min_usable: float | None,
) -> PathBootstrap:
    """Draw cases and estimate again; see `PathResults.bootstrap`."""
    problems = resampling_problems(n_boot, 0.95) + seed_problems(seed) + floor_problems(min_usable)
    if intervals not in INTERVALS:
        hint = did_you_mean(intervals, INTERVALS)
        problems.append(f"intervals must be one of {list(INTERVALS)}, and is {intervals!r}{hint}")
    raise_problems(_WHERE, problems)
    draws = Draws(results.cases, n_boot, seed, where=_WHERE)
    if intervals == "bca" and draws.units > MOST_UNITS_BCA:
        kind = "cases" if draws.cases.clusters is None else "clusters"
        problem = (
            f"intervals='bca' is for up to {MOST_UNITS_BCA:,} {kind}, and there are {draws.units:,}; use 'percentile', "
            "from which it hardly differs in large samples"
        )
        raise_problems(_WHERE, [problem])
    return replicated(results, draws, left_out=intervals == "bca", min_usable=min_usable)


def floor_problems(min_usable: float | None) -> list[str]:
    """Say what is wrong with the share of replicates that has to be usable, as a list of at most one problem."""
    if min_usable is None or (is_number(min_usable) and 0 <= min_usable <= 1):
        return []
    return [f"min_usable must lie between 0 and 1, and is {min_usable!r}"]


def fewest_usable(n_boot: int, min_usable: float | None, options: Options) -> int:
    """How many of the replicates must be usable for intervals, at least; see `PathResults.bootstrap`."""
    default = CONSISTENT_FLOOR if options.consistent else FLOOR
    return max(2, math.ceil((default if min_usable is None else min_usable) * n_boot - 1e-9))


def replicated(
    results: PathResults, draws: Draws, *, left_out: bool = False, min_usable: float | None = None
) -> PathBootstrap:
    """Estimate again from the cases drawn.

    Parameters
    ----------
    results : PathResults
        The estimate from all cases.
    draws : Draws
        How often each case is drawn.
    left_out : bool, default False
        Whether to estimate without one unit at a time as well, as BCa intervals need it.
    min_usable : float, optional
        As in `PathResults.bootstrap`.

    Returns
    -------
    PathBootstrap
        The replicates.

    Raises
    ------
    ConvergenceError
        If too few replicates can be used.
    """
    from threadpoolctl import threadpool_limits

    layout, options = results.model.layout(), results.options
    source = MomentSource(draws.cases)
    # The matrices are too small to share: threads would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        items, found = _estimated(results, source, draws.masses())
        without = _estimated(results, source, draws.masses_without_one()) if left_out else None
    failed = ~(found.converged & np.isfinite(found.r_squared[:, list(layout.order)]).all(axis=1))
    out_of_range = ~failed & improper(found, layout, options)
    check_usable(results, items, found, failed | out_of_range, min_usable, where=_WHERE)
    return PathBootstrap(results, draws, failed, out_of_range, items, found, without)


def check_usable(
    results: PathResults,
    items: Moments,
    found: Estimates,
    lost: np.ndarray,
    min_usable: float | None,
    *,
    where: str,
) -> None:
    """Refuse intervals from the few replicates that happen to be usable: they are those of the easy cases.

    Parameters
    ----------
    results : PathResults
        The estimate from all cases.
    items, found : Moments, Estimates
        Replicates.
    lost : numpy.ndarray of bool, shape (replicates,)
        Which of them cannot be used.
    min_usable : float or None
        As in `PathResults.bootstrap`.
    where : str
        What the message names as its place.

    Raises
    ------
    ConvergenceError
        If too few are usable: how many, the most frequent reason, and what to do.
    """
    needed, usable = fewest_usable(len(lost), min_usable, results.options), int((~lost).sum())
    if usable >= needed:
        return
    reason, remedy = _commonest_reason(results, items, found, lost)
    raise ConvergenceError(
        f"{where}: only {usable:,} of {len(lost):,} replicates could be used, and intervals need {needed:,}. "
        f"The most frequent reason: {reason}. {remedy}."
    )


def _commonest_reason(results: PathResults, items: Moments, found: Estimates, lost: np.ndarray) -> tuple[str, str]:
    """Why most of the replicates that are lost are lost, and what to do about it."""
    without = np.isnan(items.means).any(axis=1)
    flat = np.isnan(items.spreads) & ~without[:, None]
    unsettled = ~without & ~flat.any(axis=1) & ~found.converged
    explained = found.r_squared[:, list(results.model.layout().order)]
    collinear = found.converged & ~np.isfinite(explained).all(axis=1) & ~results.options.consistent
    item = results.model.items[int(flat[lost].sum(axis=0).argmax())]
    kinds = [
        (
            without,
            "there are too few answers for so many gaps, and what is missing cannot be expected from the rest",
            "Use missing='mean', which asks less of few answers, or more answers"
            if results.missing == "em"
            else "Use more answers",
        ),
        (
            flat.any(axis=1),
            f"an item was the same in all cases drawn, most often {item}",
            f"Use more answers, or leave out {item}",
        ),
        (unsettled, "the weights did not settle", "Use more answers, or fewer items or paths"),
        (
            collinear,
            "constructs that lead to the same one could not be told apart",
            "Use more answers, or join constructs that are hardly told apart",
        ),
        (
            found.converged & ~collinear,
            "the consistent estimates were improper",
            "Use more answers, fewer items or paths, or consistent=False",
        ),
    ]
    which, reason, remedy = max(kinds, key=lambda kind: (lost & kind[0]).sum())
    if results.missing == "listwise" and results.cases.missing_share.any():
        remedy = f"Use missing='mean', which keeps answers with gaps, or else: {remedy[0].lower()}{remedy[1:]}"
    return f"{reason} ({counted(int((lost & which).sum()), 'replicate')})", remedy


def _estimated(
    results: PathResults, source: MomentSource, masses: Iterable[tuple[range, np.ndarray]]
) -> tuple[Moments, Estimates]:
    """Estimates under each row of weights."""
    layout, reference = results.model.layout(), results.estimates.loadings[0]
    parts = []
    for _, mass in masses:
        items = source.moments(mass)
        parts.append((items, estimates(items, layout, results.options, reference=reference)))
    items, found = zip(*parts, strict=True)
    return _joined(items), _joined(found)


def _joined(parts):
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(kind)))


@dataclass(frozen=True, eq=False)
class PathBootstrap:
    """Bootstrap replicates of a path model.

    Attributes
    ----------
    results : PathResults
        The estimate from all cases.
    draws : Draws
        How often each case was drawn.
    failed : numpy.ndarray of bool, shape (n_boot,)
        Replicates that could not be estimated: an item without variation, collinear constructs, no convergence.
    improper : numpy.ndarray of bool, shape (n_boot,)
        Replicates whose consistent estimates are improper. They are left out of the intervals, as the failed ones are.
    moments : Moments
        Means, standard deviations and correlations of the items in every replicate.
    estimates : Estimates
        Estimates in every replicate, each construct in the direction that it has in `results`.
    left_out : tuple of (Moments, Estimates) or None
        The same without one case at a time, for BCa intervals; None for percentile intervals.
    """

    results: PathResults
    draws: Draws
    failed: np.ndarray
    improper: np.ndarray
    moments: Moments
    estimates: Estimates
    left_out: tuple[Moments, Estimates] | None
    _known: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def n_boot(self) -> int:
        """Number of replicates, usable or not."""
        return len(self.failed)

    @property
    def usable(self) -> np.ndarray:
        """Which replicates the intervals rest on, shape (n_boot,)."""
        return ~(self.failed | self.improper)

    def replicates(self, quantity: str) -> pd.DataFrame:
        """Usable replicates of a quantity.

        Parameters
        ----------
        quantity : str
            paths, total_effects, indirect_effects, f_squared, vif, r_squared, adjusted_r_squared, weights,
            unstandardized_weights, loadings, cross_loadings, item_vif, alpha, rho_a, rho_c, ave,
            construct_correlations, htmt, srmr, item_means or item_standard_deviations.

        Returns
        -------
        pandas.DataFrame
            One row a usable replicate, by its number; one column a parameter.

        Raises
        ------
        ParameterError
            If the quantity is not known.
        """
        self._check_quantity(quantity, "PathBootstrap.replicates")
        found = self._values(quantity)[self.usable]
        return pd.DataFrame(
            found,
            pd.Index(np.flatnonzero(self.usable), name="replicate"),
            labels(quantity, self.results.model.layout()),
        )

    def masses(self) -> Iterator[tuple[range, np.ndarray]]:
        """Weights that the replicates rest on: the very draws, made again from their seeds.

        Yields
        ------
        batch : range
            Numbers of the replicates, usable or not.
        masses : numpy.ndarray of float, shape (replicates of the batch, cases)
            Times drawn × own weight, of the cases with a weight above zero.
        """
        yield from self.draws.masses()

    def group_means(self, groups: Any) -> GroupMeans:
        """Means of the items by group, in the sample and in every usable replicate.

        Parameters
        ----------
        groups : array-like, shape (rows of the data given to fit,)
            Group of each row; missing for a row in none.

        Returns
        -------
        GroupMeans
            Labels, sizes and means.

        Raises
        ------
        ParameterError
            If the groups do not fit the data, or name none.
        """
        return group_means(self, groups)

    def _values(self, quantity: str) -> np.ndarray:
        """A quantity in every replicate; computed once, for some of them estimate models anew."""
        if quantity not in self._known:
            self._known[quantity] = values(quantity, self.results.fit_of(self.estimates, self.moments))
        return self._known[quantity]

    def intervals(self, quantity: str, *, level: float = 0.95) -> pd.DataFrame:
        """Estimates of a quantity with standard errors and intervals.

        Parameters
        ----------
        quantity : str
            As in `replicates`.
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            ``estimate``, ``std_error``, ``low``, ``high`` by the labels of the quantity.

        Raises
        ------
        ParameterError
            If the quantity is not known or the level out of range.

        References
        ----------
        .. [1] Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical
           Association 82, 171–185.
        """
        self._check_quantity(quantity, "PathBootstrap.intervals")
        raise_problems("PathBootstrap.intervals", level_problems(level))
        layout, results = self.results.model.layout(), self.results
        estimate = values(quantity, results.fit_of(results.estimates, results.moments))[0]
        found = self._values(quantity)[self.usable]
        if self.left_out is None:
            low, high = percentile_interval(found, level=level)
        else:
            items, without = self.left_out
            defined = without.converged & ~improper(without, layout, results.options)
            low, high = _bca(found, estimate, values(quantity, results.fit_of(without, items))[defined], level=level)
        return pd.DataFrame(
            {"estimate": estimate, "std_error": found.std(axis=0, ddof=1), "low": low, "high": high},
            labels(quantity, layout),
        )

    def summary_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Estimates with intervals in one table.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            One row an estimate: ``quantity`` (paths, indirect_effects, total_effects, r_squared, loadings, weights),
            ``parameter``, ``estimate``, ``std_error``, ``low``, ``high``.

        Raises
        ------
        ParameterError
            If the level is out of range.
        """
        parts = []
        for name in ("paths", "indirect_effects", "total_effects", "r_squared", "loadings", "weights"):
            table = self.intervals(name, level=level)
            parts.append(table.reset_index(drop=True).assign(quantity=name, parameter=parameter_names(table.index)))
        return pd.concat(parts, ignore_index=True)[["quantity", "parameter", "estimate", "std_error", "low", "high"]]

    def paths_table(self, *, level: float = 0.95) -> pd.DataFrame:
        """Path coefficients with intervals for people.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            One row a path: ``from``, ``to``, ``estimate``, ``std error``, ``low``, ``high``; names with spaces.

        Raises
        ------
        ParameterError
            If the level is out of range.
        """
        from crm_utils.pls.diagram import paths_table

        return paths_table(self.intervals("paths", level=level))

    def plot_paths(
        self,
        *,
        level: float = 0.95,
        labels: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the path diagram with intervals; `paths_table` has the numbers.

        As `PathResults.plot_paths`; paths whose interval includes zero are thin, dashed and grey.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level, between 0 and 1.
        labels, notes, ax
            As in `PathResults.plot_paths`.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.

        Raises
        ------
        ParameterError
            If the level is out of range, or labels or notes are of no construct.
        """
        from crm_utils.pls.diagram import plot_paths

        return plot_paths(
            self.results.model.layout(),
            self.intervals("paths", level=level),
            self.results.r_squared,
            where="PathBootstrap.plot_paths",
            level=level,
            labels=labels,
            notes=notes,
            ax=ax,
        )

    @staticmethod
    def _check_quantity(quantity: str, where: str) -> None:
        if quantity not in QUANTITIES:
            hint = did_you_mean(quantity, QUANTITIES)
            raise_problems(where, [f"quantity must be one of {list(QUANTITIES)}, and is {quantity!r}{hint}"])


def _bca(
    replicates: np.ndarray, estimate: np.ndarray, left_out: np.ndarray, *, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated interval of each column (Efron 1987, equations 2.3 and 6.6)."""
    from scipy.stats import norm

    below = (replicates < estimate).mean(axis=0) + (replicates == estimate).mean(axis=0) / 2
    edge = 0.5 / len(replicates)
    bias = norm.ppf(np.clip(below, edge, 1 - edge))
    influence = left_out.mean(axis=0) - left_out
    # Rounding of what does not vary at all, as the weight of an only item, has no skewness.
    spread = np.sqrt((influence**2).sum(axis=0))
    varies = spread > 1e-12
    skewness = (influence**3).sum(axis=0) / 6
    acceleration = np.divide(skewness, spread**3, out=np.zeros_like(spread), where=varies)
    limits = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + norm.ppf(tail)
        shares = norm.cdf(bias + shifted / (1 - acceleration * shifted))
        limits.append(
            np.array([np.quantile(column, share) for column, share in zip(replicates.T, shares, strict=True)])
        )
    return limits[0], limits[1]
