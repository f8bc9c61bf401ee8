"""Bootstrap of a path model: cases are drawn again, and all replicates are estimated together from their moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems, resampling_problems, seed_problems
from crm_utils.errors import ConvergenceError, nearest_name
from crm_utils.intervals import percentile_interval
from crm_utils.pls.cases import Moments, moments
from crm_utils.pls.estimates import Estimates, estimates, improper
from crm_utils.pls.quantities import QUANTITIES, labels, parameter_names, values

if TYPE_CHECKING:
    from crm_utils.pls.estimation import PathResults

INTERVALS = ("percentile", "bca")
# BCa estimates the model once more for every case.
MOST_CASES_BCA = 5_000
_WHERE = "PathResults.bootstrap"
# Weights held at a time, and replicates: what is worked on stays in the processor's cache.
_WEIGHTS_AT_ONCE = 4_000_000
_REPLICATES_AT_ONCE = 250


def bootstrap(
    results: PathResults, n_boot: int, *, seed: int | np.random.SeedSequence, intervals: str
) -> PathBootstrap:
    """Draw cases and estimate again; see `PathResults.bootstrap`."""
    from threadpoolctl import threadpool_limits

    size = results.n_cases
    problems = resampling_problems(n_boot, 0.95) + seed_problems(seed)
    if intervals not in INTERVALS:
        near = nearest_name(str(intervals), INTERVALS)
        hint = f" (did you mean {near!r}?)" if near else ""
        problems.append(f"intervals must be one of {list(INTERVALS)}, and is {intervals!r}{hint}")
    elif intervals == "bca" and size > MOST_CASES_BCA:
        problems.append(
            f"intervals='bca' is for up to {MOST_CASES_BCA:,} cases, and there are {size:,}; use 'percentile', from "
            "which it hardly differs in large samples"
        )
    raise_problems(_WHERE, problems)

    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    children = root.spawn(n_boot)

    def drawn(replicate: int) -> np.ndarray:
        return np.bincount(np.random.default_rng(children[replicate]).integers(0, size, size), minlength=size)

    def without(case: int) -> np.ndarray:
        return np.arange(size) != case

    layout, options = results.model.layout(), results.options
    # The matrices are too small to share: threads would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        items, found = _estimated(results, drawn, n_boot)
        left_out = _estimated(results, without, size) if intervals == "bca" else None
    failed = ~(found.converged & np.isfinite(found.r_squared[:, list(layout.order)]).all(axis=1))
    out_of_range = ~failed & improper(found, layout, options)
    if (failed | out_of_range).sum() > n_boot - 2:
        raise ConvergenceError(
            f"{_WHERE}: of {n_boot:,} replicates {int(failed.sum()):,} could not be estimated and "
            f"{int(out_of_range.sum()):,} were improper, so that nothing is left to take intervals from. Use more "
            "cases, fewer items or paths, or consistent=False."
        )
    return PathBootstrap(results, failed, out_of_range, items, found, left_out)


def _estimated(results: PathResults, times: Callable[[int], np.ndarray], replicates: int) -> tuple[Moments, Estimates]:
    """Estimates where each case counts as often as `times(replicate)` says."""
    mass = results.cases.weights
    counted = mass > 0
    data, mass = results.cases.data[counted], mass[counted]
    layout, reference = results.model.layout(), results.estimates.loadings[0]
    parts = []
    for batch in _batches(replicates, len(data)):
        items = moments(data, np.stack([times(replicate) for replicate in batch]) * mass, len(data))
        parts.append((items, estimates(items, layout, results.options, reference=reference)))
    items, found = zip(*parts, strict=True)
    return _joined(items), _joined(found)


def _batches(replicates: int, size: int) -> Iterator[range]:
    step = int(np.clip(_WEIGHTS_AT_ONCE // size, 1, _REPLICATES_AT_ONCE))
    for start in range(0, replicates, step):
        yield range(start, min(start + step, replicates))


def _joined(parts):
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)))


@dataclass(frozen=True, eq=False)
class PathBootstrap:
    """Bootstrap replicates of a path model.

    Attributes
    ----------
    results : PathResults
        The estimate from all cases.
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
    failed: np.ndarray
    improper: np.ndarray
    moments: Moments
    estimates: Estimates
    left_out: tuple[Moments, Estimates] | None

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
            paths, total_effects, indirect_effects, r_squared, weights, unstandardized_weights, loadings, alpha, rho_a,
            rho_c, ave, construct_correlations, htmt, item_means or item_standard_deviations.

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
        layout = self.results.model.layout()
        found = values(quantity, self.estimates, self.moments, layout)
        return pd.DataFrame(
            found[self.usable], pd.Index(np.flatnonzero(self.usable), name="replicate"), labels(quantity, layout)
        )

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
        estimate = values(quantity, results.estimates, results.moments, layout)[0]
        found = values(quantity, self.estimates, self.moments, layout)[self.usable]
        if self.left_out is None:
            low, high = percentile_interval(found, level=level)
        else:
            items, without = self.left_out
            defined = without.converged & ~improper(without, layout, results.options)
            low, high = _bca(found, estimate, values(quantity, without, items, layout)[defined], level=level)
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

    @staticmethod
    def _check_quantity(quantity: str, where: str) -> None:
        if quantity not in QUANTITIES:
            near = nearest_name(str(quantity), QUANTITIES)
            hint = f" (did you mean {near!r}?)" if near else ""
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
