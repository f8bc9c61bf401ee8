"""The specification of a path model: constructs, their items, and the paths between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean, nearest_name
from crm_utils.pls.estimation import PathResults, estimate
from crm_utils.pls.layout import Layout

MODES = ("A", "B")


@dataclass(frozen=True)
class Construct:
    """A construct and the items that stand for it. A `PathModel` checks it.

    Parameters
    ----------
    items : sequence of str
        Columns of the data, at least one.
    mode : {"A", "B"}, default "A"
        "A": each item's weight is its own correlation with the construct's neighbours (items that reflect the
        construct). "B": the weights are a regression on all items (items that form it).

    Examples
    --------
    >>> Construct(["PERV1", "PERV2"], mode="B")
    Construct(items=('PERV1', 'PERV2'), mode='B')
    """

    items: Sequence[str]
    mode: str = "A"

    def __post_init__(self):
        if isinstance(self.items, Iterable) and not isinstance(self.items, str):
            object.__setattr__(self, "items", tuple(self.items))


@dataclass(frozen=True)
class PathModel:
    """A model of constructs and directed paths between them.

    Parameters
    ----------
    constructs : mapping of str to Construct or sequence of str
        Items by the name of their construct; a plain list is of mode A. An item belongs to one construct.
    paths : sequence of (str, str)
        From which construct to which; they must not lead in a circle, and every construct has at least one.

    Raises
    ------
    ParameterError
        If the specification is unusable, with every problem.

    References
    ----------
    .. [1] Lohmöller, J.-B. (1989). Latent Variable Path Modeling with Partial Least Squares. Physica.
    .. [2] Tenenhaus, M., Vinzi, V. E., Chatelin, Y.-M. & Lauro, C. (2005). PLS path modeling. Computational
       Statistics & Data Analysis 48(1), 159–205.

    Examples
    --------
    >>> model = PathModel(
    ...     {"image": ["i1", "i2"], "value": ["v1", "v2"], "loyalty": ["l1"]},
    ...     [("image", "value"), ("value", "loyalty"), ("image", "loyalty")],
    ... )
    >>> model.predecessors("loyalty")
    ('image', 'value')
    >>> PathModel({"image": ["i1"], "value": ["v1"]}, [("image", "valeu")])
    Traceback (most recent call last):
    ...
    crm_utils.errors.ParameterError: PathModel: the path image → valeu names 'valeu', which is no construct (did you
    mean 'value'?).
    """

    constructs: Mapping[str, Construct | Sequence[str]]
    paths: Sequence[tuple[str, str]]

    def __post_init__(self):
        raise_problems("PathModel", _kind_problems(self.constructs, self.paths))
        constructs = {
            name: given if isinstance(given, Construct) else Construct(given) for name, given in self.constructs.items()
        }
        paths = tuple(tuple(path) for path in self.paths)
        raise_problems("PathModel", _item_problems(constructs) + _path_problems(constructs, paths))
        object.__setattr__(self, "constructs", constructs)
        object.__setattr__(self, "paths", paths)

    @property
    def items(self) -> tuple[str, ...]:
        """Every item, in the order of the constructs."""
        return tuple(item for construct in self.constructs.values() for item in construct.items)

    def predecessors(self, name: str) -> tuple[str, ...]:
        """Constructs with a path to the construct `name`, in the order of the constructs."""
        sources = {source for source, target in self.paths if target == name}
        return tuple(construct for construct in self.constructs if construct in sources)

    def layout(self) -> Layout:
        """The specification as arrays, which the estimation works on."""
        return Layout.of(
            {name: construct.items for name, construct in self.constructs.items()},
            {name for name, construct in self.constructs.items() if construct.mode == "B"},
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
    ) -> PathResults:
        """Estimate the model by partial least squares.

        Parameters
        ----------
        data : pandas.DataFrame, shape (n, …)
            One row a case, with the items as numeric columns; other columns are not looked at.
        scheme : {"path", "centroid", "factorial"}, default "path"
            How a construct is held against its neighbours while the weights are sought: by regression on what leads
            to it and correlation with what it leads to, by the sign of the correlation, or by the correlation.
        consistent : bool, default False
            Whether correlations and loadings are corrected for the unreliability of constructs of mode A with two
            items or more (PLSc [1]_).
        missing : {"error", "listwise", "mean", "em"}, default "error"
            What to do about missing values: stop; leave out the case; put in the item's (weighted) mean, which pulls
            correlations towards zero; or take the moments of a normal distribution that are most likely given all
            values that are there (EM algorithm [2]_), with scores from what is expected of the others. The last holds
            where what is missing depends on values that are there; listwise only where it depends on nothing.
        weights : str or array-like of float, shape (n,), optional
            Weight of each case, 0 or more: a column of `data`, or values. Only their ratios matter.
        clusters : str or array-like, shape (n,), optional
            Which cases belong together, such as answers of one person: a column of `data`, or labels. The estimate
            does not depend on them; the bootstrap draws whole clusters.
        standardize : bool, default True
            Whether items count by their correlations. False: by their covariances, so that items with a wider spread
            count for more; only where all items are on one scale.
        tolerance : float, default 1e-7
            The iteration stops once no weight (of a standardised item) changes by more than this.

        Returns
        -------
        PathResults
            The estimate.

        Raises
        ------
        ParameterError
            If the input is unusable: columns absent, not numeric, infinite, constant, or missing values under
            "error"; weights negative or missing; perfectly collinear items of mode B. Every problem is listed.
        DataFloorError
            If there are fewer cases than the regressions need.
        ConvergenceError
            If the iteration does not settle, constructs that lead to the same one are perfectly collinear, or
            `consistent` estimates are improper; or, under "em", there are too few cases for the number of items, two
            items are never answered in one case, or the moments do not settle.

        Warns
        -----
        ItemWarning
            If an item points against the others of its construct, or cases without any value are left out.

        References
        ----------
        .. [1] Dijkstra, T. K. & Henseler, J. (2015). Consistent partial least squares path modeling. MIS Quarterly
           39(2), 297–316.
        .. [2] Little, R. J. A. & Rubin, D. B. (2002). Statistical Analysis with Missing Data, 2nd ed. Wiley,
           section 11.2.

        Examples
        --------
        >>> import numpy as np
        >>> rng = np.random.default_rng(7)
        >>> image = rng.normal(size=500)
        >>> value = 0.6 * image + 0.8 * rng.normal(size=500)
        >>> noise = rng.normal(scale=0.4, size=(500, 4))
        >>> data = pd.DataFrame(np.c_[image, image, value, value] + noise, columns=["i1", "i2", "v1", "v2"])
        >>> model = PathModel({"image": ["i1", "i2"], "value": ["v1", "v2"]}, [("image", "value")])
        >>> f"{model.fit(data).paths['image', 'value']:.3f}"
        '0.568'
        """
        return estimate(
            self,
            data,
            scheme=scheme,
            consistent=consistent,
            missing=missing,
            weights=weights,
            clusters=clusters,
            standardize=standardize,
            tolerance=tolerance,
        )


def _kind_problems(constructs: Any, paths: Any) -> list[str]:
    if not isinstance(constructs, Mapping) or not constructs:
        return [f"constructs must be a mapping of names to items with at least one entry, and is {constructs!r}"]
    problems = [
        f"the construct {name!r} must have text as its name" for name in constructs if not isinstance(name, str)
    ]
    if isinstance(paths, str) or not isinstance(paths, Iterable) or not list(paths):
        return [*problems, f"paths must be a list of (from, to) with at least one entry, and is {paths!r}"]
    for path in paths:
        if isinstance(path, str) or not isinstance(path, Sequence) or len(path) != 2:
            problems.append(f"each path must be a pair (from, to), and one is {path!r}")
    return problems


def _item_problems(constructs: Mapping[str, Construct]) -> list[str]:
    problems = []
    owners: dict[str, list[str]] = {}
    for name, construct in constructs.items():
        if construct.mode not in MODES:
            problems.append(f"the mode of {name} must be one of {list(MODES)}, and is {construct.mode!r}")
        if not isinstance(construct.items, tuple):
            problems.append(f"the items of {name} must be a list of columns, and are {construct.items!r}")
            continue
        if not construct.items:
            problems.append(f"{name} has no items; give it at least one, or leave it out")
        if odd := [item for item in construct.items if not isinstance(item, str)]:
            problems.append(f"the items of {name} must be names of columns, and {odd[0]!r} is none")
            continue
        for item, times in Counter(construct.items).items():
            if times > 1:
                problems.append(f"{name} has the item {item} {times} times; list it once")
            owners.setdefault(item, []).append(name)
    for item, names in owners.items():
        if len(names) > 1:
            problems.append(f"the item {item} belongs to {' and '.join(names)}; keep it in one construct")
    return problems


def _path_problems(constructs: Mapping[str, Construct], paths: tuple[tuple[str, str], ...]) -> list[str]:
    problems = []
    connected: set[str | None] = {name for path in paths for name in path}
    for path, times in Counter(paths).items():
        shown = " → ".join(map(str, path))
        for name in path:
            if name not in constructs:
                hint = did_you_mean(
                    name, constructs, form="did you mean {!r}?", otherwise=f"there are {', '.join(constructs)}"
                )
                problems.append(f"the path {shown} names {name!r}, which is no construct ({hint})")
                connected.add(nearest_name(name, constructs))
        if times > 1:
            problems.append(f"the path {shown} is given {times} times; list it once")
    problems += [
        f"the construct {name} has no path; connect it or leave it out" for name in constructs if name not in connected
    ]
    return problems + [
        f"the paths lead in a circle, {' → '.join(map(str, cycle))}; leave out one of them" for cycle in _cycles(paths)
    ]


def _cycles(paths: tuple[tuple[str, str], ...]) -> list[list[str]]:
    """Circles in the paths: one at a time is found and opened, until none is left."""
    left = set(paths)
    found = []
    while True:
        sources: dict[str, list[str]] = {}
        for source, target in sorted(left, key=paths.index):
            sources.setdefault(target, []).append(source)
        try:
            TopologicalSorter(sources).prepare()
        except CycleError as error:
            cycle = error.args[1]
            found.append(cycle)
            left -= {(cycle[0], cycle[1])}
        else:
            return found
