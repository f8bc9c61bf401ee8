"""Constructs that are made of constructs, estimated in two stages (二阶构念).

First the components stand in the paths where their second-order construct will stand; then their scores are its items.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import ItemWarning, did_you_mean
from crm_utils.pls.bootstrap import PathBootstrap, check_usable
from crm_utils.pls.cases import Cases, Moments
from crm_utils.pls.estimates import Estimates, estimates
from crm_utils.pls.estimation import PathResults, estimate_from
from crm_utils.pls.layout import Layout
from crm_utils.pls.model import MODES, Construct, PathModel
from crm_utils.pls.quantities import parameter_names

_WHERE = "SecondOrderModel"


@dataclass(frozen=True)
class SecondOrder:
    """A construct that other constructs stand for. A `SecondOrderModel` checks it.

    Parameters
    ----------
    components : sequence of str
        Names of the constructs it is made of, at least one.
    mode : {"A", "B"}, default "A"
        "A": the components reflect it, and each one's weight is its own correlation with the neighbours. "B": they
        form it, and the weights are a regression on all components.

    Examples
    --------
    >>> SecondOrder(["product_quality", "service_quality"], mode="B")
    SecondOrder(components=('product_quality', 'service_quality'), mode='B')
    """

    components: Sequence[str]
    mode: str = "A"

    def __post_init__(self):
        if isinstance(self.components, Iterable) and not isinstance(self.components, str):
            object.__setattr__(self, "components", tuple(self.components))


@dataclass(frozen=True)
class SecondOrderModel:
    """A path model in which some constructs are made of others.

    Parameters
    ----------
    constructs : mapping of str to Construct, sequence of str, or SecondOrder
        As in `PathModel`; a `SecondOrder` names the constructs it is made of instead of items.
    paths : sequence of (str, str)
        From which construct to which. Paths lead from and to the second-order construct, and not its components.

    Raises
    ------
    ParameterError
        If the specification is unusable, with every problem.

    References
    ----------
    .. [1] Becker, J.-M., Klein, K. & Wetzels, M. (2012). Hierarchical latent variable models in PLS-SEM: guidelines
       for using reflective-formative type models. Long Range Planning 45, 359–394.
    .. [2] Sarstedt, M., Hair, J. F., Cheah, J.-H., Becker, J.-M. & Ringle, C. M. (2019). How to specify, estimate, and
       validate higher-order constructs in PLS-SEM. Australasian Marketing Journal 27(3), 197–211 (disjoint two-stage
       approach).

    Examples
    --------
    >>> model = SecondOrderModel(
    ...     {
    ...         "product": ["p1", "p2"],
    ...         "service": ["s1", "s2"],
    ...         "quality": SecondOrder(["product", "service"]),
    ...         "loyalty": ["l1"],
    ...     },
    ...     [("quality", "loyalty")],
    ... )
    >>> model.first_stage.paths
    (('product', 'loyalty'), ('service', 'loyalty'))
    >>> model.second_stage.constructs["quality"]
    Construct(items=('product', 'service'), mode='A')
    """

    constructs: Mapping[str, Construct | Sequence[str] | SecondOrder]
    paths: Sequence[tuple[str, str]]

    def __post_init__(self):
        if not isinstance(self.constructs, Mapping):
            raise_problems(_WHERE, [f"constructs must be a mapping of names to items, and is {self.constructs!r}"])
        object.__setattr__(self, "constructs", dict(self.constructs))
        raise_problems(_WHERE, _component_problems(self.constructs) + _path_problems(self.constructs, self.paths))
        # The stages are path models, which check the rest.
        _ = self.second_stage, self.first_stage

    @property
    def second_order(self) -> dict[str, SecondOrder]:
        """The constructs that are made of others."""
        return {name: given for name, given in self.constructs.items() if isinstance(given, SecondOrder)}

    @cached_property
    def first_stage(self) -> PathModel:
        """The model in which components stand in the place of what they are components of."""
        made_of = {name: given.components for name, given in self.second_order.items()}
        return PathModel(
            {name: given for name, given in self.constructs.items() if name not in made_of},
            [
                (start, end)
                for source, target in self.paths
                for start in made_of.get(source, (source,))
                for end in made_of.get(target, (target,))
            ],
        )

    @cached_property
    def second_stage(self) -> PathModel:
        """The model as it is meant; an item called like a component is its score."""
        components = {component for given in self.second_order.values() for component in given.components}
        return PathModel(
            {
                name: Construct(given.components, given.mode) if isinstance(given, SecondOrder) else given
                for name, given in self.constructs.items()
                if name not in components
            },
            self.paths,
        )

    def fit(
        self,
        data: pd.DataFrame,
        *,
        scheme: str = "path",
        consistent: bool = False,
        missing: str = "error",
        weights: Any = None,
        clusters: Any = None,
        standardize: bool = True,
        tolerance: float = 1e-7,
    ) -> SecondOrderResults:
        """Estimate both stages.

        Parameters
        ----------
        data : pandas.DataFrame, shape (n, …)
            One row a case, with the items of the components and of the other constructs as numeric columns.
        scheme, missing, weights, clusters, standardize, tolerance
            As in `PathModel.fit`, in both stages alike.
        consistent : bool, default False
            Only False: see Raises.

        Returns
        -------
        SecondOrderResults
            Both stages.

        Raises
        ------
        ParameterError
            If the input is unusable, or `consistent` is True: the scores of components carry their unreliability into
            the second stage, where the items of the second-order construct do not tell of it.
        DataFloorError, ConvergenceError
            As in `PathModel.fit`, of either stage.

        Examples
        --------
        >>> rng = np.random.default_rng(7)
        >>> quality = rng.normal(size=500)
        >>> product, service = (quality[:, None] + 0.7 * rng.normal(size=(500, 2))).T
        >>> loyalty = 0.6 * quality + 0.8 * rng.normal(size=500)
        >>> latent = np.c_[product, product, service, service, loyalty]
        >>> data = pd.DataFrame(latent + 0.4 * rng.normal(size=(500, 5)), columns=["p1", "p2", "s1", "s2", "l1"])
        >>> model = SecondOrderModel(
        ...     {
        ...         "product": ["p1", "p2"],
        ...         "service": ["s1", "s2"],
        ...         "quality": SecondOrder(["product", "service"]),
        ...         "loyalty": ["l1"],
        ...     },
        ...     [("quality", "loyalty")],
        ... )
        >>> results = model.fit(data)
        >>> results.second.loadings["quality"].round(2).to_dict()
        {'product': 0.91, 'service': 0.9}
        >>> results.bootstrap(200, seed=7).intervals("paths").round(2).to_numpy().tolist()
        [[0.42, 0.04, 0.35, 0.49]]
        """
        if consistent:
            problem = (
                "consistent=True has no answer in two stages: scores of components carry their unreliability into the "
                "second stage, whose items do not tell of it. Use consistent=False, or estimate the components without "
                "a second order"
            )
            raise_problems(f"{_WHERE}.fit", [problem])
        first = self.first_stage.fit(
            data,
            scheme=scheme,
            missing=missing,
            weights=weights,
            clusters=clusters,
            standardize=standardize,
            tolerance=tolerance,
        )
        mixing = _mixing(first.model.layout(), self.second_stage.layout(), first.estimates, first.moments)
        cases, items = _mixed_cases(first.cases, mixing[0]), _mixed_moments(first.moments, mixing)
        second = estimate_from(self.second_stage, cases, items, options=first.options, missing=missing)
        for note in second.notes:
            if note not in first.notes:
                warnings.warn(note, ItemWarning, stacklevel=2)
        return SecondOrderResults(self, first, second)


@dataclass(frozen=True, eq=False)
class SecondOrderResults:
    """Estimate of a `SecondOrderModel`.

    Attributes
    ----------
    model : SecondOrderModel
        What was estimated.
    first : PathResults
        The components and how their items measure them.
    second : PathResults
        The model as it is meant, with its paths and effects. The items of a second-order construct are the scores of
        its components, each a weighted mean of its items in their own unit.
    """

    model: SecondOrderModel
    first: PathResults
    second: PathResults

    @cached_property
    def item_weights(self) -> pd.Series:
        """Weight of every standardised item in its second-order construct, by ``construct`` and ``item``.

        The weight of the component in the construct times that of the item in the component.
        """
        first, second = self.first.weights, self.second.weights
        found = {
            (name, item): second[name, component] * weight
            for name, given in self.model.second_order.items()
            for component in given.components
            for item, weight in first[component].items()
        }
        index = pd.MultiIndex.from_tuples(found, names=["construct", "item"])
        return pd.Series(list(found.values()), index, name="weights")

    def summary_frame(self) -> pd.DataFrame:
        """Estimates of both stages in one table.

        Returns
        -------
        pandas.DataFrame
            One row an estimate: ``stage`` (1 or 2), ``quantity`` (paths, r_squared, loadings, weights), ``parameter``,
            ``estimate``. Of the first stage, only loadings and weights of the components, for its paths are no
            results.
        """
        components = [component for given in self.model.second_order.values() for component in given.components]
        parts = [self.second.summary_frame().assign(stage=2)]
        for quantity in ("loadings", "weights"):
            series = getattr(self.first, quantity).loc[components]
            names = parameter_names(series.index)
            parts.append(pd.DataFrame({"parameter": names, "estimate": series.to_numpy()}))
            parts[-1] = parts[-1].assign(stage=1, quantity=quantity)
        return pd.concat(parts, ignore_index=True)[["stage", "quantity", "parameter", "estimate"]]

    def bootstrap(
        self,
        n_boot: int = 5000,
        *,
        seed: int | np.random.SeedSequence,
        intervals: str = "percentile",
        min_usable: float | None = None,
    ) -> PathBootstrap:
        """Estimate both stages again from cases drawn with replacement.

        Parameters
        ----------
        n_boot, seed, intervals, min_usable
            As in `PathResults.bootstrap`.

        Returns
        -------
        PathBootstrap
            Replicates of the second stage, each from the scores of its own first stage. A replicate in which either
            stage did not converge has failed. ``first.bootstrap`` with the same seed gives the first stages of the same
            replicates.

        Raises
        ------
        ParameterError, DataFloorError, ConvergenceError
            As in `PathResults.bootstrap`.
        """
        from threadpoolctl import threadpool_limits

        drawn = self.first.bootstrap(n_boot, seed=seed, intervals=intervals, min_usable=min_usable)
        with threadpool_limits(1, user_api="blas"):
            items, found = self._second(drawn.moments, drawn.estimates)
            without = None if drawn.left_out is None else self._second(*drawn.left_out)
        explained = found.r_squared[:, list(self.second.model.layout().order)]
        failed = ~(found.converged & np.isfinite(explained).all(axis=1))
        check_usable(self.second, items, found, failed, min_usable, where="SecondOrderResults.bootstrap")
        draws = copy.copy(drawn.draws)
        draws.cases = self.second.cases.counted()
        return PathBootstrap(self.second, draws, failed, np.zeros_like(failed), items, found, without)

    def _second(self, items: Moments, found: Estimates) -> tuple[Moments, Estimates]:
        """Second stages that follow from replicates of the first."""
        layout = self.second.model.layout()
        mixed = _mixed_moments(items, _mixing(self.first.model.layout(), layout, found, items))
        reference = self.second.estimates.loadings[0]
        second = estimates(mixed, layout, self.second.options, reference=reference)
        return mixed, replace(second, converged=found.converged & second.converged)


def _mixing(first: Layout, second: Layout, found: Estimates, items: Moments) -> np.ndarray:
    """What each item of the first stage (row) adds to those of the second, shape (replicates, items, items).

    A score is a weighted mean in the unit of its items, so that it lies on their scale.
    """
    mixing = np.zeros((len(found.weights), len(first.items), len(second.items)))
    weights = found.weights / items.spreads
    for position, item in enumerate(second.items):
        if second.constructs[second.owner[position]] in first.constructs:
            mixing[:, first.items.index(item), position] = 1.0
        else:
            block = first.block(first.constructs.index(item))
            mixing[:, block, position] = weights[:, block] / np.abs(weights[:, block]).sum(axis=1, keepdims=True)
    return mixing


def _mixed_moments(items: Moments, mixing: np.ndarray) -> Moments:
    """Moments of the items of the second stage."""
    scaled = mixing * items.spreads[:, :, None]
    covariances = scaled.transpose(0, 2, 1) @ items.correlations @ scaled
    every = np.arange(mixing.shape[2])
    spreads = np.sqrt(covariances[:, every, every])
    correlations = covariances / (spreads[:, :, None] * spreads[:, None, :])
    correlations[:, every, every] = np.where(np.isfinite(spreads), 1.0, np.nan)
    return Moments((items.means[:, None, :] @ mixing)[:, 0], spreads, correlations)


def _mixed_cases(cases: Cases, mixing: np.ndarray) -> Cases:
    """Cases with the items of the second stage; of a score, as much is missing as of its items on average.

    Neither rounding nor what is expected of a missing value leads beyond the answers that were given.
    """
    part_of = mixing != 0
    given = cases.data
    if cases.completion is not None:
        given = np.where(cases.completion.absent[cases.completion.pattern], np.nan, given)
    low = np.where(part_of, np.nanmin(given, axis=0)[:, None], np.inf).min(axis=0)
    high = np.where(part_of, np.nanmax(given, axis=0)[:, None], -np.inf).max(axis=0)
    bounded = (mixing >= 0).all(axis=0)
    data = np.clip(cases.data @ mixing, np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf))
    share = cases.missing_share @ part_of / part_of.sum(axis=0)
    return replace(cases, data=data, missing_share=share, completion=None)


def _component_problems(constructs: Mapping[str, Any]) -> list[str]:
    second = {name: given for name, given in constructs.items() if isinstance(given, SecondOrder)}
    if not second:
        return ["no construct is a SecondOrder; name the components of at least one, or use PathModel"]
    problems = []
    owners: dict[str, list[str]] = {}
    for name, given in second.items():
        if given.mode not in MODES:
            problems.append(f"the mode of {name} must be one of {list(MODES)}, and is {given.mode!r}")
        if not isinstance(given.components, tuple) or not all(isinstance(part, str) for part in given.components):
            problems.append(f"the components of {name} must be a list of constructs, and are {given.components!r}")
            continue
        if not given.components:
            problems.append(f"{name} has no components; give it at least one, or leave it out")
        for component, times in Counter(given.components).items():
            if times > 1:
                problems.append(f"{name} has the component {component} {times} times; list it once")
            owners.setdefault(component, []).append(name)
            if component not in constructs:
                hint = did_you_mean(
                    component,
                    [known for known in constructs if known not in second],
                    otherwise="; add it with its items",
                )
                problems.append(f"the component {component!r} of {name} is no construct{hint}")
            elif component in second:
                problems.append(
                    f"the component {component} of {name} is of second order itself, and two orders are estimated at "
                    f"most; let {name} be made of constructs with items"
                )
    for component, names in owners.items():
        if len(names) > 1:
            problems.append(f"{component} is a component of {' and '.join(names)}; keep it in one")
    for name, given in constructs.items():
        if name in second or name in owners:
            continue
        items = given.items if isinstance(given, Construct) else given
        problems += [
            f"the item {item} of {name} is called like the component {item} of {owners[item][0]}; rename the component"
            for item in (items if isinstance(items, list | tuple) else ())
            if item in owners
        ]
    return problems


def _path_problems(constructs: Mapping[str, Any], paths: Any) -> list[str]:
    owner = {
        component: name
        for name, given in constructs.items()
        if isinstance(given, SecondOrder) and isinstance(given.components, tuple)
        for component in given.components
    }
    return [
        f"the path {' → '.join(map(str, path))} names {name}, a component of {owner[name]}; let it lead from or to "
        f"{owner[name]}"
        for path in (paths if isinstance(paths, list | tuple) else ())
        if isinstance(path, list | tuple)
        for name in path
        if isinstance(name, str) and name in owner
    ]
