"""The purchase models side by side on the same histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.errors import attempt
from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.pareto_nbd import ParetoNBD
from crm_utils.lifetime.purchases import REMEDY, REMEDY_IN_DATA, STEADY, PurchaseResults

_MODELS = {"BG/NBD": BetaGeoNBD, "MBG/NBD": ModifiedBetaGeoNBD, "Pareto/NBD": ParetoNBD}


@dataclass(frozen=True, eq=False)
class PurchaseComparison:
    """Fits of the purchase models to the same customers, as from `compare_purchase_models`.

    Attributes
    ----------
    results : dict of str to PurchaseResults
        Models that could be fitted, by name: BG/NBD, MBG/NBD, Pareto/NBD.
    reasons : dict of str to str
        Why the others could not.
    """

    results: dict[str, PurchaseResults]
    reasons: dict[str, str]

    @property
    def best(self) -> str:
        """Name of the model with the lowest AIC; empty where none could be fitted."""
        return min(self.results, key=lambda name: self.results[name].aic, default="")

    @property
    def reason(self) -> str:
        """Why no model could be fitted, and what to do; empty where one could."""
        if self.results:
            return ""
        short = {name: reason[:1].lower() + reason[1:] for name, reason in self.reasons.items()}
        if len(set(short.values())) == 1 and not any(REMEDY in reason for reason in short.values()):
            return f"None of the purchase models can be fitted: {next(iter(short.values()))}"
        # What holds for all of them is said once, after what each says.
        steady = any(STEADY in reason for reason in short.values())
        listed = "; ".join(
            f"{name}: {reason.replace(f' {STEADY}.', '').replace(f' {REMEDY}.', '').removesuffix('.')}"
            for name, reason in short.items()
        )
        closing = [f"{STEADY}."] * steady + [f"{REMEDY_IN_DATA}."]
        return " ".join([f"None of the purchase models can be fitted ({listed}).", *closing])

    def table(self) -> pd.DataFrame:
        """Likelihood and AIC of the models that could be fitted, the best first.

        Returns
        -------
        pandas.DataFrame
            Columns model, log_likelihood, aic, aic_difference (to the best), evidence (the weight of each model by its
            AIC; they add up to 1).
        """
        rows = [(name, fit.loglik, fit.aic) for name, fit in self.results.items()]
        table = pd.DataFrame(rows, columns=["model", "log_likelihood", "aic"]).sort_values("aic", ignore_index=True)
        behind = table["aic"] - table["aic"].min()
        weight = np.exp(-behind / 2)
        return table.assign(aic_difference=behind, evidence=weight / weight.sum())


def compare_purchase_models(frequency: Any, recency: Any, age: Any, *, unit: str = "week") -> PurchaseComparison:
    """Fit BG/NBD, MBG/NBD and Pareto/NBD to the same histories.

    Parameters
    ----------
    frequency, recency, age : array-like, one a customer
        Histories as `BetaGeoNBD.fit` takes them.
    unit : {"day", "week", "month", "year"}, default "week"
        Unit of recency and age.

    Returns
    -------
    PurchaseComparison
        The fits, and the reasons why a model could not be fitted: too few customers, or no maximum.

    Raises
    ------
    ParameterError
        If a history is not possible.

    References
    ----------
    Burnham, K. P. & Anderson, D. R. (2004). Multimodel inference: understanding AIC and BIC in model selection.
    *Sociological Methods & Research* 33(2), 261–304. Weights of evidence.

    Examples
    --------
    >>> compared = compare_purchase_models(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10] * 20,
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50] * 20,
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52] * 20,
    ... )
    >>> sorted(compared.results)
    ['BG/NBD', 'MBG/NBD', 'Pareto/NBD']
    >>> compared.best == compared.table()["model"].iloc[0]
    True
    """
    results: dict[str, PurchaseResults] = {}
    reasons: dict[str, str] = {}
    for name, model in _MODELS.items():
        fitted, reason = attempt(model(unit=unit).fit, frequency, recency, age)
        if fitted is None:
            reasons[name] = reason
        else:
            results[name] = fitted
    return PurchaseComparison(results, reasons)
