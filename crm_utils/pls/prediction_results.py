"""Errors of predictions out of sample, held against benchmarks, by item and by construct."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from crm_utils.intervals import sample_mean
from crm_utils.language import tr
from crm_utils.pls.cases import Cases
from crm_utils.pls.estimation import PathResults

PATH_MODEL, LINEAR, AVERAGE = "path model", "linear model", "indicator average"
METHODS = (PATH_MODEL, LINEAR, AVERAGE)
EQUAL = "equal"
OVERALL = "overall"
NONE, LOW, MEDIUM, HIGH = "none", "low", "medium", "high"
_VERDICT = "{power} predictive power: the path model has a lower RMSE than both benchmarks in {count} of {of} items."
_SHOWN = 3
# Errors that differ by less are the same but for rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PredictionResults:
    """Predictions of items out of sample.

    Arrays of errors have the methods as their first axis: path model, linear model (LM), indicator average (IA).

    Attributes
    ----------
    fit : PathResults
        The model estimated from all cases.
    cases : Cases
        The cases with a weight above zero.
    targets : tuple of str
        Constructs whose items are predicted.
    technique : str
        What they are predicted from: "earliest" or "direct".
    level : float
        Confidence level.
    folds : numpy.ndarray of int, shape (repeats, cases)
        Number of the fold of each case, from 0.
    failed : numpy.ndarray of bool, shape (repeats, folds)
        Training sets that the model could not be estimated from, or improperly; their folds are left out.
    actual, predicted : numpy.ndarray of float, shape (cases, items predicted)
        Values, NaN where missing; and what the path model predicted, on average over repeats.
    squared, absolute : numpy.ndarray of float, shape (3, cases, items predicted)
        Squared and absolute errors of each case, on average over repeats.
    by_repeat : numpy.ndarray of float, shape (3, repeats, items predicted)
        Mean squared errors of each repeat.
    in_sample : numpy.ndarray of float, shape (3, items predicted)
        Mean squared errors for the very cases that the models are estimated from, all of them.
    linear_problem : str
        Why there is no linear model; empty where there is one.
    """

    fit: PathResults
    cases: Cases
    targets: tuple[str, ...]
    technique: str
    level: float
    folds: np.ndarray
    failed: np.ndarray
    actual: np.ndarray
    predicted: np.ndarray
    squared: np.ndarray
    absolute: np.ndarray
    by_repeat: np.ndarray
    in_sample: np.ndarray
    linear_problem: str

    @property
    def n_cases(self) -> int:
        """Number of cases with a weight above zero."""
        return len(self.cases.data)

    @cached_property
    def predicted_items(self) -> tuple[tuple[str, str], ...]:
        """Construct and item of everything that is predicted."""
        constructs = self.fit.model.constructs
        return tuple((name, item) for name in self.targets for item in constructs[name].items)

    @property
    def predictions(self) -> pd.DataFrame:
        """What the path model predicted, on average over repeats: one row a case, one column an item."""
        names = pd.MultiIndex.from_tuples(self.predicted_items, names=["construct", "item"])
        return pd.DataFrame(self.predicted, self.cases.index, names)

    @cached_property
    def items(self) -> pd.DataFrame:
        """Errors by item, in the item's own unit.

        ``construct``, ``item``; ``cases`` with an error; ``rmse`` (root mean squared error) and ``mae`` (mean absolute
        error) of the path model, ``rmse_sd`` (standard deviation of the RMSE over repeats; NaN for one);
        ``q2_predict`` (1 less the mean squared error over that of the training mean: above 0, the model predicts
        better than the mean); ``lm_rmse``, ``lm_mae`` and ``ia_rmse`` of the benchmarks; ``rmse_difference`` (path
        model less linear model); ``lower_rmse`` ("path model", "linear model", "equal", or empty without a linear
        model) and ``lower_share`` (share of repeats in which the path model's is lower); ``in_sample_rmse`` and
        ``lm_in_sample_rmse`` for the very cases that the models are estimated from.

        Squared errors are averaged over repeats for each case, then over cases. There is no mean absolute percentage
        error, for scales of answers have no zero that percentages could refer to.
        """
        squared, absolute = (self._means(errors) for errors in (self.squared, self.absolute))
        rmse, lm_rmse, ia_rmse = np.sqrt(squared)
        difference = rmse - lm_rmse
        roots = np.sqrt(self.by_repeat)
        higher = roots[0] - roots[1]
        told = ~np.isnan(higher)
        share = (higher < -_ROUNDING * roots[1]).sum(axis=0) / np.where(told.any(axis=0), told.sum(axis=0), np.nan)
        equal = np.abs(difference) <= _ROUNDING * lm_rmse
        lower = np.select([np.isnan(difference), equal, difference < 0], ["", EQUAL, PATH_MODEL], LINEAR)
        names = pd.DataFrame(self.predicted_items, columns=["construct", "item"])
        return names.assign(
            cases=(~np.isnan(self.squared[0])).sum(axis=0),
            rmse=rmse,
            rmse_sd=roots[0].std(axis=0, ddof=1) if len(self.folds) > 1 else np.nan,
            mae=absolute[0],
            q2_predict=1 - squared[0] / squared[2],
            lm_rmse=lm_rmse,
            lm_mae=absolute[1],
            ia_rmse=ia_rmse,
            rmse_difference=difference,
            lower_rmse=lower,
            lower_share=share,
            in_sample_rmse=np.sqrt(self.in_sample[0]),
            lm_in_sample_rmse=np.sqrt(self.in_sample[1]),
        )

    def _means(self, errors: np.ndarray) -> np.ndarray:
        """Weighted means over the cases, shape (3, items predicted)."""
        mass = self.cases.weights[:, None] * ~np.isnan(errors)
        return (mass * np.nan_to_num(errors)).sum(axis=1) / np.where(mass.any(axis=1), mass.sum(axis=1), np.nan)

    @cached_property
    def cvpat(self) -> pd.DataFrame:
        """Tests of the loss against both benchmarks, by construct and overall.

        ``construct`` ("overall" for all items), ``benchmark`` ("indicator average" or "linear model"); ``loss`` of the
        path model and ``benchmark_loss``; their ``difference`` (below zero, the path model predicts better) with
        ``std_error``, ``low``, ``high``; ``t`` and two-sided ``p_value``, with as many degrees of freedom as cases (or
        clusters) less one. The loss of a case is its mean squared error over the items, on average over repeats; so it
        is in squares of the items' unit, and constructs with another scale weigh differently overall. Some programs
        average losses of constructs, and not of items, into the overall loss.
        """
        rows = [
            {"construct": construct, "benchmark": benchmark}
            | self.test(self.losses(PATH_MODEL, construct), self.losses(benchmark, construct), "benchmark_loss")
            for benchmark in (AVERAGE, LINEAR)
            for construct in (*self.targets, OVERALL)
        ]
        return pd.DataFrame(rows)

    def losses(self, method: str, construct: str) -> np.ndarray:
        """Loss of each case: the mean squared error over the items of a construct, or all; NaN where there is none.

        Parameters
        ----------
        method : {"path model", "linear model", "indicator average"}
            What predicted.
        construct : str
            One of the `targets`, or "overall".

        Returns
        -------
        numpy.ndarray of float, shape (cases,)
            The losses.
        """
        chosen = [construct in (name, OVERALL) for name, _ in self.predicted_items]
        squared = self.squared[METHODS.index(method)][:, chosen]
        given = ~np.isnan(squared)
        return np.nan_to_num(squared).sum(axis=1) / np.where(given.any(axis=1), given.sum(axis=1), np.nan)

    def test(self, losses: np.ndarray, others: np.ndarray, other_name: str) -> dict[str, float]:
        """Paired test of two losses of the same cases; the second one's mean is called `other_name`."""
        from scipy.stats import t

        weights, clusters = self.cases.weights, self.cases.clusters
        loss, other = (sample_mean(values, weights=weights).estimate for values in (losses, others))
        difference = sample_mean(losses - others, weights=weights, clusters=clusters)
        low, high = difference.interval(level=self.level)
        error = difference.std_error
        ratio = difference.estimate / error if error > 0 else np.nan
        return {
            "loss": loss,
            other_name: other,
            "difference": difference.estimate,
            "std_error": error,
            "low": low,
            "high": high,
            "t": ratio,
            "p_value": 2 * t.sf(abs(ratio), difference.units - 1) if np.isfinite(ratio) else np.nan,
        }

    @property
    def predictive_power(self) -> str:
        """Predictive power by the guideline of Shmueli et al. (2019): "none", "low", "medium" or "high".

        The path model has a lower RMSE than the linear model in none of the items, in fewer than half, in half or
        more, or in all of them [1]_. An item that is predicted no better than by its mean does not count as one in
        which it is lower. Empty where there is no linear model.

        References
        ----------
        .. [1] Shmueli, G. et al. (2019). Predictive model assessment in PLS-SEM: guidelines for using PLSpredict.
           European Journal of Marketing 53(11), 2322–2347.
        """
        if self.linear_problem:
            return ""
        better = self.better
        if better.all():
            return HIGH
        if not better.any():
            return NONE
        return MEDIUM if 2 * better.sum() >= len(better) else LOW

    @property
    def better(self) -> np.ndarray:
        """Whether the path model has a lower RMSE than both benchmarks, shape (items predicted,)."""
        return ((self.items["lower_rmse"] == PATH_MODEL) & (self.items["q2_predict"] > 0)).to_numpy()

    @property
    def verdict(self) -> str:
        """Predictive power in words, and items that are predicted no better than by their mean."""
        table, power = self.items, self.predictive_power
        said = [tr("Predictive power cannot be told without a linear model.")]
        if power:
            words = {NONE: tr("No"), LOW: tr("Low"), MEDIUM: tr("Medium"), HIGH: tr("High")}
            said = [tr(_VERDICT).format(power=words[power], count=int(self.better.sum()), of=len(table))]
        if equal := int((table["lower_rmse"] == EQUAL).sum()):
            said.append(tr("In {count} it is equal to that of the linear model.").format(count=equal))
        weak = table.loc[~(table["q2_predict"] > 0), "item"].tolist()
        if weak:
            shown = ", ".join(weak[:_SHOWN]) + (", …" if len(weak) > _SHOWN else "")
            said.append(tr("No better than the mean in {count} ({items}).").format(count=len(weak), items=shown))
        return " ".join(said)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: on the items, on what was left out, and on benchmarks that are missing."""
        notes = list(self.fit.notes)
        if self.linear_problem:
            notes.append(self.linear_problem)
        if failed := int(self.failed.sum()):
            notes.append(
                f"The model could not be estimated from {failed:,} of {self.failed.size:,} training sets; the cases "
                "that these would have predicted have no error in that repeat, for the benchmarks either."
            )
        if never := int(np.isnan(self.predicted).all(axis=1).sum()):
            were, are = ("was", "is") if never == 1 else ("were", "are")
            notes.append(f"{never:,} of {self.n_cases:,} cases {were} predicted in no repeat and {are} left out.")
        if gaps := int(np.isnan(self.actual).sum()):
            are, have = ("is", "has") if gaps == 1 else ("are", "have")
            notes.append(f"{gaps:,} of {self.actual.size:,} values to be predicted {are} missing and {have} no error.")
        return tuple(notes)

    def summary_frame(self) -> pd.DataFrame:
        """Results in one table.

        Returns
        -------
        pandas.DataFrame
            One row a number: ``quantity`` (rmse, mae, q2_predict, lm_rmse, rmse_difference by item; loss,
            difference_to_average, difference_to_linear by construct), ``parameter`` ("construct: item", the
            construct, or "overall"), ``estimate``; ``std_error``, ``low``, ``high``, ``p_value`` of differences of
            losses, NaN for the others.
        """
        table, tests = self.items, self.cvpat
        names = [f"{construct}: {item}" for construct, item in self.predicted_items]
        parts = [
            pd.DataFrame({"quantity": name, "parameter": names, "estimate": table[name]})
            for name in ("rmse", "mae", "q2_predict", "lm_rmse", "rmse_difference")
        ]
        average = tests[tests["benchmark"] == AVERAGE]
        parts.append(pd.DataFrame({"quantity": "loss", "parameter": average["construct"], "estimate": average["loss"]}))
        numbers = ["std_error", "low", "high", "p_value"]
        for quantity, benchmark in (("difference_to_average", AVERAGE), ("difference_to_linear", LINEAR)):
            rows = tests[tests["benchmark"] == benchmark]
            found = {"quantity": quantity, "parameter": rows["construct"], "estimate": rows["difference"]}
            parts.append(pd.DataFrame(found).join(rows[numbers]))
        return pd.concat(parts, ignore_index=True)[["quantity", "parameter", "estimate", *numbers]]
