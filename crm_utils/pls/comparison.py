"""What a comparison of groups holds: estimates, invariance, and the differences of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.intervals import percentile_interval
from crm_utils.language import counted
from crm_utils.pls.bootstrap import PathBootstrap
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.invariance import NONE, invariance_table
from crm_utils.pls.layout import shown_name
from crm_utils.pls.model import PathModel
from crm_utils.pls.permutation import COMPARED, Contrast, two_sided_p
from crm_utils.pls.quantities import labels, parameter_names, values


@dataclass(frozen=True, eq=False)
class PairTest:
    """Two groups held against each other.

    Attributes
    ----------
    observed : Contrast
        How they differ, as the only replicate.
    permuted : Contrast
        How they differ under labels dealt anew.
    """

    observed: Contrast
    permuted: Contrast


@dataclass(frozen=True, eq=False)
class GroupComparison:
    """A path model in several groups.

    Attributes
    ----------
    model : PathModel
        What was estimated.
    level : float
        Confidence level.
    fits : dict of label to PathResults
        Estimate of each group; each construct in the direction that it has in all groups together.
    bootstraps : dict of label to PathBootstrap
        Replicates of each group.
    tests : dict of (label, label) to PairTest
        Every pair of groups under true and dealt labels.
    input_notes : tuple of str
        What was left out of the data, and what looks wrong with the items.
    """

    model: PathModel
    level: float
    fits: dict[Any, PathResults]
    bootstraps: dict[Any, PathBootstrap]
    tests: dict[tuple[Any, Any], PairTest]
    input_notes: tuple[str, ...]

    @property
    def groups(self) -> pd.DataFrame:
        """Groups: ``group``, ``cases`` used, ``clusters`` they belong to (where there are any)."""
        cases = {name: fit.cases.counted() for name, fit in self.fits.items()}
        table = pd.DataFrame({"group": list(cases), "cases": [len(found.data) for found in cases.values()]})
        if all(found.clusters is not None for found in cases.values()):
            table["clusters"] = [len(np.unique(found.clusters)) for found in cases.values()]
        return table

    @property
    def configural(self) -> str:
        """First step of the invariance, in words."""
        fit = next(iter(self.fits.values()))
        return (
            f"The same items, paths, modes, scheme ({fit.options.scheme}) and treatment of missing values "
            f"({fit.missing}) are used in every group: constructs are configurally invariant by construction, as far "
            "as the items mean the same to everybody."
        )

    @cached_property
    def invariance(self) -> pd.DataFrame:
        """Measurement invariance (MICOM), one row a pair of groups and construct; see `invariance_table`.

        p-values are not adjusted for the number of constructs.
        """
        tables = []
        for (one, other), test in self.tests.items():
            table = invariance_table(test.observed, test.permuted, tuple(self.model.constructs), level=self.level)
            table.insert(0, "group", [one] * len(table))
            table.insert(1, "other", [other] * len(table))
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """All that a reader has to know: on the input, on replicates left out, and on constructs that differ."""
        notes = list(self.input_notes)
        for row in self.permutations.itertuples():
            if row.failed:
                notes.append(
                    f"{row.group!r} and {row.other!r}: the model could not be estimated under {row.failed:,} of "
                    f"{row.failed + row.usable:,} dealt labels, which {'is' if row.failed == 1 else 'are'} left out."
                )
        compared = int(self.differences()["p_value"].notna().sum())
        smallest = compared / (1 + int(self.permutations["usable"].min()))
        if smallest > 1 - self.level:
            notes.append(
                f"{counted(compared, 'difference')} of paths {'is' if compared == 1 else 'are'} looked at, and from so "
                f"few permutations no adjusted p-value can be below {min(smallest, 1):.2f}: use at least "
                f"{int(np.ceil(compared / (1 - self.level))):,}."
            )
        for name, bootstrap in self.bootstraps.items():
            if failed := int((~bootstrap.usable).sum()):
                are = "is" if failed == 1 else "are"
                notes.append(f"Group {name!r}: {failed:,} of {bootstrap.n_boot:,} bootstrap replicates {are} left out.")
        changed = self.invariance[self.invariance["invariance"] == NONE]
        for (one, other), rows in changed.groupby(["group", "other"], sort=False):
            listed = ", ".join(
                f"{shown_name(row.construct)} (correlation {row.correlation:.5f})" for row in rows.itertuples()
            )
            notes.append(
                f"{one!r} and {other!r}: not quite the same composite in both groups: {listed}. Look at the weights "
                "before paths from and to it are compared; of many cases and constructs, one may fail by a difference "
                "too small to matter, or by chance."
            )
        return tuple(notes)

    @property
    def permutations(self) -> pd.DataFrame:
        """``group``, ``other``, ``usable`` dealt labels, and ``failed``: those the model cannot be estimated under."""
        rows = [
            (one, other, int(test.permuted.usable.sum()), int((~test.permuted.usable).sum()))
            for (one, other), test in self.tests.items()
        ]
        return pd.DataFrame(rows, columns=["group", "other", "usable", "failed"])

    def differences(self, quantity: str = "paths") -> pd.DataFrame:
        """Differences between groups, every pair of them.

        Parameters
        ----------
        quantity : str, default "paths"
            paths, total_effects, indirect_effects, r_squared, loadings, weights, construct_correlations, alpha, rho_a,
            rho_c or ave.

        Returns
        -------
        pandas.DataFrame
            ``group``, ``other``; the labels of the quantity (``from`` and ``to``; ``construct``; ``construct`` and
            ``item``; or ``construct`` and ``other_construct``); ``estimate`` in the first group and
            ``estimate_other``; ``difference`` (first less other), ``std_error``, ``low``, ``high`` by the bootstrap;
            ``p_value`` of the permutation test, two-sided; ``p_adjusted`` by Holm's method for all rows of the table.
            p-values are NaN for what cannot differ, as the loading of an only item.

        Raises
        ------
        ParameterError
            If the quantity is not known.

        References
        ----------
        .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
           Statistics 6(2), 65–70.
        """
        if quantity not in COMPARED:
            hint = did_you_mean(quantity, COMPARED)
            problem = f"quantity must be one of {list(COMPARED)}, and is {quantity!r}{hint}"
            raise_problems("GroupComparison.differences", [problem])
        names = labels(quantity, self.model.layout()).to_frame(index=False)
        names = names.rename(columns={"other": "other_construct"})
        replicates = {name: bootstrap.replicates(quantity) for name, bootstrap in self.bootstraps.items()}
        tables = []
        for (one, other), test in self.tests.items():
            estimate, estimate_other = (_estimate(self.fits[name], quantity) for name in (one, other))
            difference = estimate - estimate_other
            both = replicates[one].index.intersection(replicates[other].index)
            moved = replicates[one].loc[both].to_numpy() - replicates[other].loc[both].to_numpy()
            low, high = percentile_interval(moved, level=self.level)
            table = names.assign(
                estimate=estimate,
                estimate_other=estimate_other,
                difference=difference,
                std_error=moved.std(axis=0, ddof=1),
                low=low,
                high=high,
                p_value=two_sided_p(difference, test.permuted.differences[quantity][test.permuted.usable]),
            )
            table.insert(0, "group", [one] * len(table))
            table.insert(1, "other", [other] * len(table))
            tables.append(table)
        table = pd.concat(tables, ignore_index=True)
        return table.assign(p_adjusted=_holm(table["p_value"].to_numpy()))

    def summary_frame(self) -> pd.DataFrame:
        """Differences in one table.

        Returns
        -------
        pandas.DataFrame
            One row a pair of groups and estimate: ``quantity`` (paths, total_effects, r_squared, loadings, weights),
            ``parameter``, ``group``, ``other``, ``estimate``, ``estimate_other``, ``difference``, ``std_error``,
            ``low``, ``high``, ``p_value`` and ``p_adjusted`` (for the rows of the quantity).
        """
        parts = []
        for quantity in ("paths", "total_effects", "r_squared", "loadings", "weights"):
            names = labels(quantity, self.model.layout())
            table = self.differences(quantity).drop(columns=list(names.names))
            table.insert(0, "quantity", quantity)
            table.insert(1, "parameter", parameter_names(names) * len(self.tests))
            parts.append(table)
        return pd.concat(parts, ignore_index=True)


def _estimate(fit: PathResults, quantity: str) -> np.ndarray:
    return values(quantity, fit.fit_of(fit.estimates, fit.moments))[0]


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjustment over the p-values that there are."""
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    multiplied = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(multiplied), 1)
    return adjusted
