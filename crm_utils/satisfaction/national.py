"""National index models as data: their roles, and which role acts on which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import DataFloorError, did_you_mean, nearest_name
from crm_utils.language import tr
from crm_utils.pls import Construct, PathModel

_WHERE = "national_model"
ABSENT = ("error", "drop")


@dataclass(frozen=True)
class NationalModel:
    """A national satisfaction index as published: what it asks about, and what leads to what.

    Parameters
    ----------
    title, chinese : str
        Name.
    country : str
        Where it is used.
    year : int
        Year of the first index or publication.
    relations : tuple of (str, str)
        From which role to which.
    reference : str
        Source.
    """

    title: str
    chinese: str
    country: str
    year: int
    relations: tuple[tuple[str, str], ...]
    reference: str

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role, in the order of the relations."""
        return tuple(dict.fromkeys(role for relation in self.relations for role in relation))


def _to(source: str, *targets: str) -> tuple[tuple[str, str], ...]:
    return tuple((source, target) for target in targets)


_ACSI = (
    *_to("expectation", "quality", "value", "satisfaction"),
    *_to("quality", "value", "satisfaction"),
    *_to("value", "satisfaction"),
    *_to("satisfaction", "complaints", "loyalty"),
    *_to("complaints", "loyalty"),
)
NATIONAL_MODELS: dict[str, NationalModel] = {
    "scsb": NationalModel(
        "Swedish Customer Satisfaction Barometer",
        "瑞典客户满意度指数",
        "Sweden",
        1989,
        (
            *_to("expectation", "performance", "satisfaction"),
            *_to("performance", "satisfaction"),
            *_to("satisfaction", "complaints", "loyalty"),
            *_to("complaints", "loyalty"),
        ),
        "Fornell (1992), Journal of Marketing 56(1)",
    ),
    "acsi": NationalModel(
        "American Customer Satisfaction Index",
        "美国客户满意度指数",
        "United States",
        1994,
        _ACSI,
        "Fornell et al. (1996), Journal of Marketing 60(4)",
    ),
    "ecsi": NationalModel(
        "European Customer Satisfaction Index",
        "欧洲客户满意度指数",
        "Europe",
        1999,
        (*_to("image", "expectation", "satisfaction", "loyalty"), *_ACSI),
        "Tenenhaus et al. (2005), Computational Statistics & Data Analysis 48(1)",
    ),
    "ccsi": NationalModel(
        "Chinese Customer Satisfaction Index",
        "中国客户满意度指数",
        "China",
        2002,
        (
            *_to("image", "expectation", "quality", "value", "satisfaction"),
            *_to("expectation", "quality", "value", "satisfaction"),
            *_to("quality", "value", "satisfaction"),
            *_to("value", "satisfaction"),
            *_to("satisfaction", "loyalty"),
        ),
        "after GB/T 19038, relations from secondary sources",
    ),
}
"""The models by their abbreviation. A course may add its own, or read and change these."""


def model_roles(
    name: str,
    constructs: Mapping[str, Construct | Sequence[str]],
    *,
    roles: Mapping[str, str | Sequence[str]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Say which constructs of a survey play the roles of a national model.

    Parameters
    ----------
    name : {"scsb", "acsi", "ecsi", "ccsi"}
        The model.
    constructs : mapping of str to Construct or sequence of str
        Items by construct.
    roles : mapping of str to str or sequence of str, optional
        Constructs by role, for roles that are not played by the construct of their name; an empty list leaves a role
        to nobody.

    Returns
    -------
    dict of str to tuple of str
        Constructs by role; empty for a role that the survey has not. Without `roles`, a role is played by the
        construct of its name; quality else by every construct called ``…_quality``, as in the European model with
        quality of product and of service; performance (Sweden) else by value, as which it was asked [1]_.

    Raises
    ------
    ParameterError
        If the model, a role or a construct is not known, or a construct has two roles.

    References
    ----------
    .. [1] Fornell, C. (1992). A national customer satisfaction barometer: the Swedish experience. Journal of
       Marketing 56(1), 6–21.

    Examples
    --------
    >>> model_roles("acsi", {"expectation": ["e"], "service_quality": ["q"], "satisfaction": ["s"]})["quality"]
    ('service_quality',)
    """
    if name not in NATIONAL_MODELS:
        hint = did_you_mean(name, NATIONAL_MODELS)
        raise_problems(_WHERE, [f"the model must be one of {list(NATIONAL_MODELS)}, and is {name!r}{hint}"])
    given = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in (roles or {}).items()}
    model = NATIONAL_MODELS[name]
    problems = []
    for role, names in given.items():
        if role not in model.roles:
            problems.append(f"{name} has no role {role!r}; it has {', '.join(model.roles)}")
        for construct in names:
            if construct not in constructs:
                hint = did_you_mean(construct, constructs)
                problems.append(f"the role {role} names {construct!r}, which is no construct{hint}")
    raise_problems(_WHERE, problems)
    taken = {construct for names in given.values() for construct in names}
    free = [construct for construct in constructs if construct not in taken]
    played = {role: given[role] if role in given else _by_name(role, free) for role in model.roles}
    for construct in constructs:
        several = [role for role, names in played.items() if construct in names]
        if len(several) > 1:
            problems.append(f"the construct {construct} has the roles {' and '.join(several)}; give it one")
    raise_problems(_WHERE, problems)
    return played


def _by_name(role: str, constructs: Sequence[str]) -> tuple[str, ...]:
    if role in constructs:
        return (role,)
    if role == "quality":
        return tuple(construct for construct in constructs if construct.endswith("_quality"))
    return ("value",) if role == "performance" and "value" in constructs else ()


def national_model(
    name: str,
    constructs: Mapping[str, Construct | Sequence[str]],
    *,
    roles: Mapping[str, str | Sequence[str]] | None = None,
    absent: str = "error",
) -> PathModel:
    """Make a national index model of a survey's constructs.

    Parameters
    ----------
    name : {"scsb", "acsi", "ecsi", "ccsi"}
        The model.
    constructs : mapping of str to Construct or sequence of str
        Items by construct. Constructs without a role are left out.
    roles : mapping of str to str or sequence of str, optional
        Constructs by role; see `model_roles`. Each of several constructs takes all relations of the role.
    absent : {"error", "drop"}, default "error"
        What to do about roles that the survey has not: stop, or leave them out with their relations.

    Returns
    -------
    PathModel
        Constructs by their own names. To change it, make another: ``PathModel(constructs, paths)``.

    Raises
    ------
    ParameterError
        If the model or a role is not known, or a role is absent and that is an error.
    DataFloorError
        If absent roles are dropped, and satisfaction is among them, or nothing is left that leads to it or follows
        from it.

    Examples
    --------
    >>> survey = {"expectation": ["e1"], "quality": ["q1", "q2"], "value": ["v1"], "satisfaction": ["s1", "s2"]}
    >>> national_model("acsi", survey, absent="drop").paths[:3]
    (('expectation', 'quality'), ('expectation', 'value'), ('expectation', 'satisfaction'))
    """
    if absent not in ABSENT:
        raise_problems(_WHERE, [f"absent must be one of {list(ABSENT)}, and is {absent!r}"])
    played = model_roles(name, constructs, roles=roles)
    missing = [role for role, names in played.items() if not names]
    if absent == "drop" and "satisfaction" in missing:
        raise DataFloorError(
            f"A satisfaction index needs a construct called satisfaction (in company.yml), or one named by roles=…; "
            f"this survey has "
            f"{', '.join(constructs) or 'no constructs'}."
        )
    if missing and absent == "error":
        hints = []
        for role in missing:
            near = nearest_name(role, constructs)
            hints.append(f"{role} (is it {near!r}? Say roles={{{role!r}: {near!r}}})" if near else role)
        remedy = "name the constructs that play them by roles=…"
        if "satisfaction" not in missing:
            remedy += ", or leave them out by absent='drop'"
        raise_problems(_WHERE, [f"the survey has no construct for {', '.join(hints)} of {name}; {remedy}"])
    paths = [
        (source, target)
        for start, end in NATIONAL_MODELS[name].relations
        for source in played[start]
        for target in played[end]
    ]
    if not any("satisfaction" in (start, end) and played[start] and played[end] for start, end in
               NATIONAL_MODELS[name].relations):  # fmt: skip
        raise DataFloorError(
            f"Of {name}, only satisfaction is left; the survey needs another of the constructs "
            f"{', '.join(NATIONAL_MODELS[name].roles)}."
        )
    taking_part = {construct for path in paths for construct in path}
    return PathModel({construct: constructs[construct] for construct in constructs if construct in taking_part}, paths)


def national_models_table() -> pd.DataFrame:
    """List the national models.

    Returns
    -------
    pandas.DataFrame
        One row a model: ``model``, ``country``, ``year``, ``roles``, ``relations`` (how many), ``causes of
        satisfaction``, ``source``.

    Examples
    --------
    >>> national_models_table().loc[0, "roles"]
    'expectation, performance, satisfaction, complaints, loyalty'
    """
    rows = [
        {
            "model": f"{name.upper()} ({model.chinese})",
            "country": tr(model.country),
            "year": model.year,
            "roles": ", ".join(model.roles),
            "relations": len(model.relations),
            "causes of satisfaction": ", ".join(start for start, end in model.relations if end == "satisfaction"),
            "source": model.reference,
        }
        for name, model in NATIONAL_MODELS.items()
    ]
    return pd.DataFrame(rows)
