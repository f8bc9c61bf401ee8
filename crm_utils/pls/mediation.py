"""Effects through other constructs: each route on its own, and what kind of mediation they amount to (中介效应)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.pls.bootstrap import PathBootstrap
from crm_utils.pls.derived import derived_intervals
from crm_utils.pls.layout import Layout, shown_name
from crm_utils.pls.quantities import Fit

COMPLEMENTARY, COMPETITIVE = "complementary", "competitive"
INDIRECT_ONLY, DIRECT_ONLY, NO_EFFECT = "indirect-only", "direct-only", "no effect"
Route = tuple[int, ...]
_NUMBERS = ["estimate", "std_error", "low", "high"]


def specific_indirect_effects(
    bootstrap: PathBootstrap, *, source: str | None = None, target: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Every route of two or more paths, each with its effect: the product of its paths.

    The effects of all routes between two constructs add up to their indirect effect.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model.
    source, target : str, optional
        Constructs that routes start or end at. Default: any.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a route, by source and target in the order of the constructs, short routes first: ``route`` such as
        "value → satisfaction → loyalty", ``from``, ``to``, ``through`` (tuple of the constructs between),
        ``estimate``, ``std_error``, ``low``, ``high``. Empty where there is no such route.

    Raises
    ------
    ParameterError
        If a construct is not known or the level out of range, with every problem.

    References
    ----------
    .. [1] Nitzl, C., Roldán, J. L. & Cepeda, G. (2016). Mediation analysis in partial least squares path modeling.
       Industrial Management & Data Systems 116(9), 1849–1864.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(size=400)
    >>> satisfaction = 0.6 * value + 0.8 * rng.normal(size=400)
    >>> loyalty = 0.5 * satisfaction + 0.2 * value + 0.7 * rng.normal(size=400)
    >>> data = pd.DataFrame({"v": value, "s": satisfaction, "l": loyalty})
    >>> model = PathModel(
    ...     {"value": ["v"], "satisfaction": ["s"], "loyalty": ["l"]},
    ...     [("value", "satisfaction"), ("satisfaction", "loyalty"), ("value", "loyalty")],
    ... )
    >>> routes = specific_indirect_effects(model.fit(data).bootstrap(500, seed=7))
    >>> routes[["route", "through", "estimate"]].round(3).to_numpy().tolist()
    [['value → satisfaction → loyalty', ('satisfaction',), 0.271]]
    """
    layout = bootstrap.results.model.layout()
    problems = level_problems(level)
    for role, name in (("source", source), ("target", target)):
        if name is not None:
            problems += _unknown(role, name, layout)
    raise_problems("specific_indirect_effects", problems)
    names = layout.constructs
    starts = range(len(names)) if source is None else [names.index(source)]
    ends = range(len(names)) if target is None else [names.index(target)]
    routes = [route for start in starts for end in ends for route in _routes(layout, start, end)]
    table = pd.DataFrame(
        {
            "route": [_written(route, layout) for route in routes],
            "from": [names[route[0]] for route in routes],
            "to": [names[route[-1]] for route in routes],
            "through": [tuple(names[place] for place in route[1:-1]) for route in routes],
        }
    )
    if not routes:
        return table.assign(**dict.fromkeys(_NUMBERS, np.array([], dtype=float)))
    return table.join(derived_intervals(bootstrap, lambda fit: _effects(fit, routes), level=level))


@dataclass(frozen=True, eq=False)
class Mediation:
    """How much of an effect goes through other constructs.

    Attributes
    ----------
    source, target : str
        Constructs that the effect leads from and to.
    through : tuple of str
        Constructs that the routes looked at pass; empty for all routes.
    level : float
        Confidence level.
    direct, indirect, total : pandas.Series
        ``estimate``, ``std_error``, ``low``, ``high`` of the path between the two, of the routes looked at together,
        and of everything together.
    other_indirect : pandas.Series or None
        The same of the routes that `through` leaves out; None where it leaves out none.
    share_mediated : pandas.Series
        The same of the indirect effect's share of the total one (variance accounted for). NaN where parts of the total
        effect have opposite signs and it has no shares. An end of the interval beyond 0 or 1 says that in some
        replicates they have.
    specific_indirect : pandas.DataFrame
        The routes looked at, as from `specific_indirect_effects`.
    notes : tuple of str
        What a reader has to know, as sentences.
    """

    source: str
    target: str
    through: tuple[str, ...]
    level: float
    direct: pd.Series
    indirect: pd.Series
    other_indirect: pd.Series | None
    total: pd.Series
    share_mediated: pd.Series
    specific_indirect: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Type after Zhao, Lynch and Chen: an effect counts where its interval leaves out zero.

        "complementary" (direct and indirect effects of one sign), "competitive" (of opposite signs), "indirect-only",
        "direct-only" or "no effect".
        """
        direct, indirect = (_told_from_zero(effect) for effect in (self.direct, self.indirect))
        if direct and indirect:
            same = self.direct["estimate"] * self.indirect["estimate"] > 0
            return COMPLEMENTARY if same else COMPETITIVE
        if indirect:
            return INDIRECT_ONLY
        return DIRECT_ONLY if direct else NO_EFFECT

    def summary_frame(self) -> pd.DataFrame:
        """Effects in one table.

        Returns
        -------
        pandas.DataFrame
            One row an effect: ``quantity`` (direct, specific_indirect, indirect, other_indirect, total,
            share_mediated), ``parameter``, ``estimate``, ``std_error``, ``low``, ``high``.
        """
        pair = f"{self.source} → {self.target}"
        rows = [("direct", pair, self.direct)]
        rows += [("specific_indirect", row["route"], row[_NUMBERS]) for _, row in self.specific_indirect.iterrows()]
        rows += [("indirect", pair, self.indirect)]
        if self.other_indirect is not None:
            rows.append(("other_indirect", pair, self.other_indirect))
        rows += [("total", pair, self.total), ("share_mediated", pair, self.share_mediated)]
        return pd.DataFrame(
            [{"quantity": quantity, "parameter": name, **numbers} for quantity, name, numbers in rows]
        ).astype(dict.fromkeys(_NUMBERS, float))


def mediation(
    bootstrap: PathBootstrap,
    source: str,
    target: str,
    *,
    through: str | Sequence[str] | None = None,
    level: float = 0.95,
) -> Mediation:
    """Split the effect of one construct on another into a direct part and what others mediate.

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model.
    source, target : str
        Constructs that the effect leads from and to.
    through : str or sequence of str, optional
        Look only at routes that pass this construct, or all of these. Default: every route.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Mediation
        Effects with intervals, and the type of mediation [1]_. Where the model has no path between the two, the direct
        effect is 0 by specification, and a note says so.

    Raises
    ------
    ParameterError
        If a construct is not known, no such route leads from source to target, or the level is out of range, with
        every problem.

    Notes
    -----
    Error in the items of a mediator shrinks the indirect effect, and what it loses shows as a direct one: scores that
    are not quite reliable turn indirect-only into complementary mediation. Consistent estimates are free of that.

    References
    ----------
    .. [1] Zhao, X., Lynch, J. G. & Chen, Q. (2010). Reconsidering Baron and Kenny: myths and truths about mediation
       analysis. Journal of Consumer Research 37(2), 197–206 (figure 2).
    .. [2] Preacher, K. J. & Hayes, A. F. (2008). Asymptotic and resampling strategies for assessing and comparing
       indirect effects in multiple mediator models. Behavior Research Methods 40, 879–891.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(size=400)
    >>> satisfaction = 0.6 * value + 0.8 * rng.normal(size=400)
    >>> loyalty = 0.5 * satisfaction + 0.2 * value + 0.7 * rng.normal(size=400)
    >>> data = pd.DataFrame({"v": value, "s": satisfaction, "l": loyalty})
    >>> model = PathModel(
    ...     {"value": ["v"], "satisfaction": ["s"], "loyalty": ["l"]},
    ...     [("value", "satisfaction"), ("satisfaction", "loyalty"), ("value", "loyalty")],
    ... )
    >>> found = mediation(model.fit(data).bootstrap(500, seed=7), "value", "loyalty")
    >>> found.kind
    'complementary'
    >>> found.share_mediated.round(2).to_dict()
    {'estimate': 0.53, 'std_error': 0.07, 'low': 0.41, 'high': 0.69}
    """
    layout = bootstrap.results.model.layout()
    passed = () if through is None else (through,) if isinstance(through, str) else tuple(through)
    routes, others = _chosen_routes(layout, source, target, passed, level)
    start, end = layout.constructs.index(source), layout.constructs.index(target)

    def derive(fit: Fit) -> np.ndarray:
        specific, direct = _effects(fit, routes), fit.estimates.paths[:, start, end]
        indirect, other = specific.sum(axis=1), _effects(fit, others).sum(axis=1)
        total = direct + indirect + other
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.column_stack([direct, indirect, other, total, indirect / total, specific])

    table = derived_intervals(bootstrap, derive, level=level)
    direct, indirect, other, total, share = (row.rename(None) for _, row in table.iloc[:5].iterrows())
    notes, cause, effect = [], shown_name(source), shown_name(target)
    if not layout.arrows[start, end]:
        notes.append(
            f"The model has no path {cause} → {effect}: the direct effect is 0 by specification, and not by test."
        )
    parts = [part["estimate"] for part in (direct, indirect, other) if part["estimate"]]
    if any(part * parts[0] <= 0 for part in parts):
        share = share * np.nan
        notes.append(
            f"Parts of the effect of {cause} on {effect} have opposite signs, so that none has a share of the total."
        )
    if lost := int((~bootstrap.usable).sum()):
        are = "is" if lost == 1 else "are"
        notes.append(f"{lost:,} of {bootstrap.n_boot:,} replicates could not be used and {are} left out.")
    listed = pd.DataFrame(
        {
            "route": [_written(route, layout) for route in routes],
            "from": source,
            "to": target,
            "through": [tuple(layout.constructs[place] for place in route[1:-1]) for route in routes],
        }
    ).join(table.iloc[5:].reset_index(drop=True))
    return Mediation(
        source=source,
        target=target,
        through=passed,
        level=float(level),
        direct=direct,
        indirect=indirect,
        other_indirect=other if others else None,
        total=total,
        share_mediated=share,
        specific_indirect=listed,
        notes=tuple(notes),
    )


def _chosen_routes(
    layout: Layout, source: str, target: str, through: tuple[str, ...], level: float
) -> tuple[list[Route], list[Route]]:
    """Routes that pass the constructs `through`, and the others; or every problem."""
    problems = level_problems(level)
    for role, name in (("source", source), ("target", target), *(("through", name) for name in through)):
        problems += _unknown(role, name, layout)
    if source == target:
        problems.append(f"source and target must be two constructs, and both are {source!r}")
    problems += [
        f"through must name constructs between {source} and {target}, and has {name!r}"
        for name in dict.fromkeys(through)
        if name in (source, target)
    ]
    raise_problems("mediation", problems)
    names = layout.constructs
    passed = {names.index(name) for name in through}
    every = list(_routes(layout, names.index(source), names.index(target)))
    routes = [route for route in every if passed <= set(route[1:-1])]
    if not routes:
        via = f" through {' and '.join(through)}" if through else ""
        between = sorted({names[place] for route in every for place in route[1:-1]}, key=names.index)
        if through and between:
            hint = f"routes between them pass {', '.join(between)}"
        elif layout.reaches()[names.index(target), names.index(source)]:
            hint = f"the paths lead from {target} to {source}: exchange the two"
        else:
            hint = "there is nothing that could mediate; add the paths to the model"
        raise_problems("mediation", [f"no route of two or more paths leads from {source} to {target}{via}; {hint}"])
    return routes, [route for route in every if route not in routes]


def _unknown(role: str, name: str, layout: Layout) -> list[str]:
    if name in layout.constructs:
        return []
    hint = did_you_mean(name, layout.constructs)
    return [f"{role} must be one of {', '.join(layout.constructs)}, and is {name!r}{hint}"]


def _routes(layout: Layout, start: int, end: int) -> list[Route]:
    """Routes of two or more paths, short ones first."""
    reaches = layout.reaches()

    def onwards(route: Route) -> Iterator[Route]:
        for place in np.flatnonzero(layout.arrows[route[-1]]).tolist():
            if place == end:
                yield (*route, place)
            elif reaches[place, end]:
                yield from onwards((*route, place))

    return sorted((route for route in onwards((start,)) if len(route) > 2), key=lambda route: (len(route), route))


def _effects(fit: Fit, routes: Sequence[Route]) -> np.ndarray:
    """Product of the paths of every route, shape (replicates, routes)."""
    paths = fit.estimates.paths
    effects = [paths[:, route[:-1], route[1:]].prod(axis=1) for route in routes]
    return np.stack(effects, axis=1) if effects else np.zeros((len(paths), 0))


def _written(route: Route, layout: Layout) -> str:
    return " → ".join(layout.constructs[place] for place in route)


def _told_from_zero(effect: pd.Series) -> bool:
    return bool(effect["low"] > 0 or effect["high"] < 0)
