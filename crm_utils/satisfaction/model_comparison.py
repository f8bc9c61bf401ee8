"""National index models estimated from the same answers, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import fill, shorten, wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import missing_columns, raise_problems, resampling_problems, seed_problems
from crm_utils.errors import ConvergenceError, DataFloorError, did_you_mean, reason_of
from crm_utils.language import counted, tr
from crm_utils.plotting import PALETTE, describe, new_axes
from crm_utils.pls import Construct, PathBootstrap, PathModel
from crm_utils.pls.derived import interval_table
from crm_utils.pls.layout import shown_name
from crm_utils.pls.reading import case_weights, cluster_codes, item_values
from crm_utils.satisfaction.changes import HIGHER, LOWER, simultaneous_differences
from crm_utils.satisfaction.fitting import fit_index_model
from crm_utils.satisfaction.index import (
    RULES,
    Scale,
    index_replicates,
    index_scores,
    problems_of_scale,
    without_empty_notes,
)
from crm_utils.satisfaction.national import NATIONAL_MODELS, model_roles, national_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "compare_national_models"
ABSENT = ("leave_out", "drop")
INDEX = "index"
# Roles whose share of variance explained is compared.
EXPLAINED = ("satisfaction", "loyalty")
MEASURES = (INDEX, *(f"r_squared_{role}" for role in EXPLAINED))
_DIFFERENCE = ("difference", "std_error", "low", "high", "verdict")
# Less than this, and two models give the same number: weights settle to 1e-7.
_ROUNDING = 1e-6
# Characters of a reason in a figure.
_LONGEST = 210
# Characters in a line beside a model's name.
_TICK = 22


def compare_national_models(
    answers: pd.DataFrame,
    constructs: Mapping[str, Construct | Sequence[str]],
    *,
    models: Sequence[str] = ("scsb", "acsi", "ecsi", "ccsi"),
    reference: str | None = None,
    roles: Mapping[str, str | Sequence[str]] | None = None,
    absent: str = "drop",
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    scheme: str = "path",
    consistent: bool = False,
    missing: str = "error",
    weights: Any = None,
    clusters: Any = None,
    n_boot: int = 1000,
    seed: int | np.random.SeedSequence,
    level: float = 0.95,
) -> ModelComparison:
    """Estimate national index models from the same answers, and set them side by side.

    The satisfaction index is a weighted mean of the same items in every model. Models give these items different
    weights, and that moves the index little where the items go together. What models differ in is what they take for
    causes and consequences: how much of satisfaction and of loyalty they explain.

    Each model is estimated by `fit_index_model`: an item that would lower its index is left out of it, and named. A
    model with too few usable replicates for intervals is left out, with the reason.

    All models are estimated from the same cases, and the bootstrap draws the same cases for all of them. Differences
    between models are taken replicate by replicate, so that what the models share cancels out of their error.

    Parameters
    ----------
    answers : pandas.DataFrame, shape (n, …)
        One row an answered questionnaire, with the items as columns.
    constructs : mapping of str to Construct or sequence of str
        Items by construct.
    models : sequence of str, default ("scsb", "acsi", "ecsi", "ccsi")
        Names in `NATIONAL_MODELS`, to which a course may add its own.
    reference : str, optional
        Model that the others are held against. Default: the first that can be estimated.
    roles : mapping of str to str or sequence of str, optional
        Constructs by role, as in `model_roles`; each model takes the roles that it has.
    absent : {"drop", "leave_out"}, default "drop"
        What to do about a model with roles that the survey has not: estimate it without them, or leave it out; either
        is said. What is left of a model may be another one of the list.
    scale, rule
        As in `index_scores`.
    scheme, consistent, missing, weights, clusters
        As in `PathModel.fit`. Cases are left out of all models alike: under "listwise" those that lack an item of any
        model, otherwise those without an answer to all items of one.
    n_boot : int, default 1000
        Number of bootstrap replicates, from 2.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    ModelComparison
        Estimates, differences, and which models are left out for which reason.

    Raises
    ------
    ParameterError
        If an option or the answers are unusable, with every problem; if satisfaction or loyalty is played by several
        constructs; or if the reference is left out.
    DataFloorError
        If no model is left, with the reasons.

    References
    ----------
    .. [1] Johnson, M. D., Gustafsson, A., Andreassen, T. W., Lervik, L. & Cha, J. (2001). The evolution and future of
       national customer satisfaction index models. Journal of Economic Psychology 22(2), 217–245.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> names = ["expectation", "quality", "value", "satisfaction", "complaints", "loyalty"]
    >>> mood = rng.normal(size=(500, 1))
    >>> answers = pd.DataFrame(np.clip(np.rint(7 + mood + rng.normal(size=(500, 6))), 1, 10), columns=names)
    >>> found = compare_national_models(
    ...     answers, {name: [name] for name in names}, models=["scsb", "ecsi"], n_boot=100, seed=7
    ... )
    >>> found.models["note"].tolist()
    ['', 'without image']
    >>> found.differences()[["measure", "verdict"]].to_numpy().tolist()
    [['index', 'cannot tell apart'], ['r_squared_satisfaction', 'higher'], ['r_squared_loyalty', 'cannot tell apart']]
    """
    for name, given, kind in (("answers", answers, pd.DataFrame), ("constructs", constructs, Mapping)):
        if not isinstance(given, kind):
            raise_problems(_WHERE, [f"{name} must be a {kind.__name__}, and is {type(given).__name__}"])
    models = (models,) if isinstance(models, str) else tuple(models)
    problems = resampling_problems(n_boot, level) + seed_problems(seed) + _model_problems(models, reference)
    for name, given, allowed in (("absent", absent, ABSENT), ("rule", rule, RULES)):
        if given not in allowed:
            hint = did_you_mean(given, allowed)
            problems.append(f"{name} must be one of {list(allowed)}, and is {given!r}{hint}")
    raise_problems(_WHERE, problems)

    played = {name: model_roles(name, constructs, roles=_roles_of(models, name, roles)) for name in models}
    made, left_out = _made(played, constructs, absent)
    items = list(dict.fromkeys(item for model in made.values() for item in model.items))
    raise_problems(_WHERE, missing_columns(answers, items, "answers"))
    values = np.column_stack([item_values(answers[item], item, problems) for item in items])
    mass, people = case_weights(answers, weights, problems), cluster_codes(answers, clusters, problems)
    raise_problems(_WHERE, problems)
    raise_problems(_WHERE, problems_of_scale(answers, items, scale))

    kept = _common(values, items, made, missing)
    options = {"scheme": scheme, "consistent": consistent, "missing": missing, "weights": mass[kept]}
    options["clusters"] = None if people is None else people[kept]
    bootstraps: dict[str, PathBootstrap] = {}
    for name, model in made.items():
        try:
            results, _ = fit_index_model(model, answers[kept], **options)
            bootstraps[name] = results.bootstrap(n_boot, seed=_again(seed))
        except (ConvergenceError, DataFloorError) as error:
            left_out[name] = reason_of(error).rstrip(".")
    _check_any(bootstraps, left_out)
    if reference in left_out:
        raise_problems(_WHERE, [f"the reference {reference} is left out: {left_out[reference]}; choose another"])
    fitted = {name: bootstrap.results.model for name, bootstrap in bootstraps.items()}
    return ModelComparison(
        reference=reference or next(iter(bootstraps)),
        level=float(level),
        scale=scale,
        rule=rule,
        bootstraps=bootstraps,
        roles=played,
        left_out={name: left_out[name] for name in models if name in left_out},
        input_notes=_input_notes(played, made, fitted, constructs, int((~kept).sum())),
    )


def _model_problems(models: Sequence[str], reference: str | None) -> list[str]:
    """Say which models are not known or named twice, and whether the reference is one of them."""
    problems = [] if models else ["models must name at least one model"]
    for name in dict.fromkeys(models):
        if name not in NATIONAL_MODELS:
            hint = did_you_mean(name, NATIONAL_MODELS)
            problems.append(f"each model must be one of {list(NATIONAL_MODELS)}, and one is {name!r}{hint}")
        if models.count(name) > 1:
            problems.append(f"the model {name} is given {models.count(name)} times; name it once")
    if reference is not None and reference not in models:
        problems.append(f"reference must be one of {list(models)}, and is {reference!r}")
    return problems


def _roles_of(
    models: Sequence[str], name: str, roles: Mapping[str, str | Sequence[str]] | None
) -> dict[str, str | Sequence[str]]:
    """Roles that a model has, of those given; a role that no model has is an error."""
    known = {role for model in models for role in NATIONAL_MODELS[model].roles}
    if strange := [str(role) for role in roles or {} if role not in known]:
        hint = did_you_mean(strange[0], known)
        raise_problems(_WHERE, [f"roles name {', '.join(strange)}, which no model has{hint}"])
    return {role: names for role, names in (roles or {}).items() if role in NATIONAL_MODELS[name].roles}


def _made(
    played: Mapping[str, Mapping[str, tuple[str, ...]]],
    constructs: Mapping[str, Construct | Sequence[str]],
    absent: str,
) -> tuple[dict[str, PathModel], dict[str, str]]:
    """Models of the survey's constructs, and why others cannot be made."""
    made, left_out, problems = {}, {}, []
    for name, roles in played.items():
        problems += [
            f"the role {role} of {name} is played by {' and '.join(roles[role])}; name one of them by roles=…"
            for role in EXPLAINED
            if len(roles.get(role, ())) > 1
        ]
        silent = [role for role, names in roles.items() if not names]
        if silent and absent == "leave_out":
            left_out[name] = tr("the survey has no {roles}").format(roles=_listed(silent))
            continue
        try:
            made[name] = national_model(name, constructs, roles=roles, absent="drop")
        except DataFloorError as error:
            left_out[name] = reason_of(error).rstrip(".")
    raise_problems(_WHERE, list(dict.fromkeys(problems)))
    _check_any(made, left_out)
    return made, left_out


def _check_any(models: Mapping[str, Any], left_out: Mapping[str, str]) -> None:
    if not models:
        listed = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in _by_reason(left_out).items())
        raise DataFloorError(f"{_WHERE}: no model can be estimated. {listed}.")


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Models by what is said of them, so that it is said once."""
    same: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        same.setdefault(reason, []).append(name)
    return same


def _listed(constructs: Sequence[str]) -> str:
    return ", ".join(map(shown_name, constructs))


def _absent(roles: Mapping[str, tuple[str, ...]]) -> str:
    """Roles that no construct plays, for people."""
    return _listed([role for role, names in roles.items() if not names])


def _common(values: np.ndarray, items: Sequence[str], made: Mapping[str, PathModel], missing: str) -> np.ndarray:
    """Which rows every model can use, so that all are estimated from the same."""
    given = ~np.isnan(values)
    if missing == "listwise":
        return given.all(axis=1)
    kept = np.ones(len(values), dtype=bool)
    if missing != "error":
        for model in made.values():
            kept &= given[:, [items.index(item) for item in model.items]].any(axis=1)
    return kept


def _again(seed: int | np.random.SeedSequence) -> int | np.random.SeedSequence:
    """The seed as it was given: one that has been spawned from would go on with other children."""
    fresh = isinstance(seed, np.random.SeedSequence)
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key) if fresh else seed


def _input_notes(
    played: Mapping[str, Mapping[str, tuple[str, ...]]],
    made: Mapping[str, PathModel],
    fitted: Mapping[str, PathModel],
    constructs: Mapping[str, Construct | Sequence[str]],
    dropped: int,
) -> tuple[str, ...]:
    """What a reader has to know about the models and the answers."""
    without = _by_reason({name: absent for name in fitted if (absent := _absent(played[name]))})
    notes = [
        f"{_models(names)} estimated without {absent}, which the survey has not." for absent, names in without.items()
    ]
    stand_ins: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in fitted:
        for role, names in played[name].items():
            if names and names != (role,):
                stand_ins.setdefault((role, names), []).append(name.upper())
    for (role, names), models in stand_ins.items():
        notes.append(f"In {', '.join(models)}, {role} is played by {' and '.join(map(shown_name, names))}.")
    lowering: dict[tuple[str, str], list[str]] = {}
    for name, model in fitted.items():
        for construct, given in made[name].constructs.items():
            for item in given.items:
                if item not in model.items:
                    lowering.setdefault((item, construct), []).append(name.upper())
    for (item, construct), models in lowering.items():
        notes.append(
            tr(
                "The item {item} of {construct} has a negative weight in {models} and is left out there: more of it "
                "would lower the index. If it is worded the other way, declare it as reversed."
            ).format(item=item, construct=shown_name(construct), models=", ".join(models))
        )
    for place, (name, model) in enumerate(fitted.items()):
        twins = [other for other in list(fitted)[:place] if _same(fitted[other], model)]
        if twins:
            notes.append(f"{name.upper()} is here the same model as {twins[0].upper()}.")
    taking_part = {construct for model in made.values() for construct in model.constructs}
    if idle := [construct for construct in constructs if construct not in taking_part]:
        notes.append(f"No model has a role for {_listed(idle)}.")
    if dropped:
        are = "is" if dropped == 1 else "are"
        notes.append(
            f"{counted(dropped, 'answered questionnaire')} cannot be used by every model and {are} left out of all."
        )
    return tuple(notes)


def _models(names: Sequence[str]) -> str:
    """Models as the subject of a sentence."""
    return f"{', '.join(names).upper()} {'is' if len(names) == 1 else 'are'}"


def _same(one: PathModel, other: PathModel) -> bool:
    return one.constructs == other.constructs and set(one.paths) == set(other.paths)


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """National index models of the same answers.

    Attributes
    ----------
    reference : str
        Model that the others are held against.
    level : float
        Confidence level.
    scale : (float, float) or mapping
        Lowest and highest answer.
    rule : str
        Rule of the index.
    bootstraps : dict of str to PathBootstrap
        Replicates of every model that is estimated, from the same draws; ``.results`` is its estimate.
    roles : dict of str to dict of str to tuple of str
        Constructs by role of every model, those left out among them.
    left_out : dict of str to str
        Models that are not estimated, and why.
    input_notes : tuple of str
        What is particular about the models and the answers.
    """

    reference: str
    level: float
    scale: Scale
    rule: str
    bootstraps: dict[str, PathBootstrap]
    roles: dict[str, dict[str, tuple[str, ...]]]
    left_out: dict[str, str]
    input_notes: tuple[str, ...]

    @property
    def models(self) -> pd.DataFrame:
        """One row a model, in the order given.

        ``model``, ``constructs``, ``items``, ``paths`` (how many), ``cases`` used, ``srmr`` (of the correlations that
        the paths imply; a model of other items has others to explain), ``lost_replicates``, ``note`` (without which
        constructs a model is estimated, or why it is left out and has NaN).
        """
        rows = []
        for name in self.roles:
            row = {"model": name, "note": self.left_out.get(name, self.without(name))}
            if name in self.bootstraps:
                bootstrap = self.bootstraps[name]
                results = bootstrap.results
                row |= {"constructs": len(results.model.constructs), "items": len(results.model.items)}
                row |= {"paths": len(results.model.paths), "cases": results.n_cases}
                row |= {"srmr": results.srmr["estimated"], "lost_replicates": int((~bootstrap.usable).sum())}
            rows.append(row)
        counts = ["constructs", "items", "paths", "cases", "lost_replicates"]
        table = pd.DataFrame(rows, columns=["model", *counts[:4], "srmr", counts[4], "note"])
        return table.astype(dict.fromkeys(counts, "Int64"))

    def without(self, name: str) -> str:
        """What a model is estimated without, for people: "without image"; empty where it has everything."""
        absent = _absent(self.roles[name])
        return tr("without {constructs}").format(constructs=absent) if absent else ""

    @cached_property
    def _measures(self) -> dict[str, tuple[pd.Series, pd.DataFrame]]:
        """By model: every measure in the sample, and in the usable replicates, by their number."""
        return {
            name: _measured(bootstrap, self.roles[name], self.scale, self.rule)
            for name, bootstrap in self.bootstraps.items()
        }

    def estimates(self) -> pd.DataFrame:
        """Index of satisfaction, and shares of variance explained, of every model.

        Returns
        -------
        pandas.DataFrame
            One row a model and measure: ``model``, ``measure`` ("index", 0–100; "r_squared_satisfaction",
            "r_squared_loyalty", 0–1), ``estimate``, ``std_error``, ``low``, ``high`` (percentiles of the replicates).
            NaN where the model has no loyalty, or nothing leads to satisfaction.
        """
        tables = []
        for name, (values, drawn) in self._measures.items():
            table = interval_table(values.to_numpy(), drawn.to_numpy(), None, level=self.level)
            table.insert(0, "model", name)
            table.insert(1, "measure", list(MEASURES))
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def differences(self) -> pd.DataFrame:
        """Every model held against the reference.

        Returns
        -------
        pandas.DataFrame
            One row a measure and model: ``measure``, ``model``, ``other`` (the reference), ``difference``,
            ``std_error``, ``low``, ``high`` (for all models of a measure together), ``verdict`` ("higher", "lower",
            "cannot tell apart"). The same cases are drawn for both. Measures that either lacks are passed over.
        """
        nothing = pd.DataFrame(columns=["measure", "model", "other", *_DIFFERENCE])
        tables = []
        for measure in MEASURES:
            values = pd.Series({name: found[measure] for name, (found, _) in self._measures.items()}).dropna()
            others = [name for name in values.index if name != self.reference]
            if self.reference not in values.index or not others:
                continue
            drawn = pd.concat({name: self._measures[name][1][measure] for name in values.index}, axis=1, join="inner")
            table = simultaneous_differences(
                _without_rounding(values[others] - values[self.reference]),
                _without_rounding(drawn[others].sub(drawn[self.reference], axis=0)),
                [(name, None) for name in others],
                self.level,
                (HIGHER, LOWER),
            )
            tables.append(table.assign(measure=measure, model=others, other=self.reference)[nothing.columns])
        return pd.concat(tables, ignore_index=True) if tables else nothing.astype(dict.fromkeys(_DIFFERENCE[:4], float))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: models left out, roles, answers, items and replicates."""
        notes = [f"{_models(names)} left out: {reason}." for reason, names in _by_reason(self.left_out).items()]
        notes += self.input_notes
        notes += dict.fromkeys(note for bootstrap in self.bootstraps.values() for note in bootstrap.results.notes)
        for name, bootstrap in self.bootstraps.items():
            if lost := int((~bootstrap.usable).sum()):
                are = "is" if lost == 1 else "are"
                notes.append(f"{name.upper()}: {lost:,} of {bootstrap.n_boot:,} bootstrap replicates {are} left out.")
        return tuple(notes)


def _measured(
    bootstrap: PathBootstrap, roles: Mapping[str, tuple[str, ...]], scale: Scale, rule: str
) -> tuple[pd.Series, pd.DataFrame]:
    """Measures of one model, in the sample and in every usable replicate."""
    results = bootstrap.results
    (satisfaction,) = roles["satisfaction"]
    values = {INDEX: index_scores(results, scale=scale, rule=rule).loc[satisfaction, "index"]}
    drawn = {INDEX: index_replicates(bootstrap, scale=scale, rule=rule)[satisfaction]}
    explained = bootstrap.replicates("r_squared")
    for role in EXPLAINED:
        construct = next(iter(roles.get(role, ())), None)
        known = construct in explained.columns
        values[f"r_squared_{role}"] = results.r_squared[construct] if known else np.nan
        drawn[f"r_squared_{role}"] = explained[construct] if known else pd.Series(np.nan, explained.index)
    return pd.Series(values), pd.DataFrame(drawn)


def _without_rounding(differences):
    """Differences of which nothing but rounding is left are none."""
    return differences.mask(differences.abs() < _ROUNDING, 0.0)


def _without_signed_zeros(column: pd.Series) -> pd.Series:
    """Negative numbers of which a table shows nothing but zeros are zero; it has one digit, or three below 10."""
    shown = 1 if column.abs().max() >= 10 else 3
    return column.mask((column <= 0) & (column.round(shown) == 0), 0.0)


def _measure_names() -> dict[str, str]:
    """Measures in the reader's language."""
    names = {INDEX: tr("satisfaction index")}
    return names | {f"r_squared_{role}": tr("{role} explained, %").format(role=tr(role)) for role in EXPLAINED}


def model_comparison_table(result: ModelComparison) -> pd.DataFrame:
    """Models side by side, as a table for people.

    Parameters
    ----------
    result : ModelComparison
        From `compare_national_models`.

    Returns
    -------
    pandas.DataFrame
        One row a measure and model: ``measure`` (index from 0 to 100; variance explained in per cent), ``model``,
        ``estimate``, ``low``, ``high``, ``difference`` from the reference with ``difference low`` and ``difference
        high``, ``verdict``, all in points; ``note`` where a model is estimated without a construct, and a row with
        its note for each model left out. What a table would show as −0.0 is 0.
    """
    ends = ["low", "high"]
    table = result.estimates().merge(
        result.differences().rename(columns={end: f"difference {end}" for end in ends}).drop(columns="std_error"),
        on=["measure", "model"],
        how="left",
    )
    numbers = ["estimate", *ends, "difference", *(f"difference {end}" for end in ends)]
    shares = table["measure"] != INDEX
    table.loc[shares, numbers] *= 100
    table[numbers] = table[numbers].apply(_without_signed_zeros)
    table = table.sort_values("measure", key=lambda names: names.map(MEASURES.index), kind="stable", ignore_index=True)
    table["verdict"] = [tr(verdict) if isinstance(verdict, str) else "" for verdict in table["verdict"]]
    table["measure"] = table["measure"].map(_measure_names())
    table["note"] = [result.without(name) for name in table["model"]]
    gone = pd.DataFrame({"model": list(result.left_out), "note": list(result.left_out.values())})
    table = pd.concat([table, gone], ignore_index=True) if len(gone) else table
    table = table[["measure", "model", *numbers, "verdict", "note"]].fillna({"measure": "", "verdict": ""})
    return without_empty_notes(table.assign(model=table["model"].str.upper()))


def plot_model_comparison(result: ModelComparison, *, ax: Axes | None = None) -> Axes:
    """Draw the models side by side; `model_comparison_table` has the numbers.

    Parameters
    ----------
    result : ModelComparison
        From `compare_national_models`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table = model_comparison_table(result)
    names = [name.upper() for name in result.roles]
    ax = new_axes(ax, figsize=(8.4, 0.75 * len(names) + 1.3))
    said = []
    for number, measure in enumerate(_measure_names().values()):
        rows = table[(table["measure"] == measure) & table["estimate"].notna()]
        if not len(rows):
            continue
        places = np.array([names.index(name) for name in rows["model"]]) + 0.25 * (number - 1)
        values = rows["estimate"].to_numpy()
        ax.errorbar(
            values,
            places,
            xerr=np.maximum([values - rows["low"], rows["high"] - values], 0),
            fmt="osD"[number],
            color=PALETTE[number],
            elinewidth=1.8,
            markersize=5.5,
            label=measure,
        )
        for value, right, place in zip(values, rows["high"], places, strict=True):
            ax.annotate(
                f"{value:.1f}", (max(value, right), place), xytext=(5, 0), textcoords="offset points", va="center",
                fontsize=9,
            )  # fmt: skip
        listed = ", ".join(f"{name} {value:.1f}" for name, value in zip(rows["model"], values, strict=True))
        said.append(f"{measure}: {listed}")
    said += [f"{name.upper()} {without}" for name in result.bootstraps if (without := result.without(name))]
    said += [
        f"{', '.join(names_of).upper()} {tr('left out: {reason}').format(reason=reason)}"
        for reason, names_of in _by_reason(result.left_out).items()
    ]
    for name, reason in result.left_out.items():
        text = tr("left out: {reason}").format(reason=reason)
        # A message may be long; the table has all of it.
        lines = fill(shorten(text, _LONGEST, placeholder=" …"), _LONGEST // 3)
        ax.text(0.01, names.index(name.upper()), lines, transform=ax.get_yaxis_transform(), va="center", fontsize=9,
                style="italic", parse_math=False)  # fmt: skip
    ticks = [
        "\n".join([name.upper(), *wrap(result.without(name), _TICK)]) if name in result.bootstraps else name.upper()
        for name in result.roles
    ]
    ax.set_yticks(range(len(names)), ticks, parse_math=False)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9)
    ax.set(xlabel=tr("Index from 0 to 100, and per cent"), title=tr("National models of the same answers"))
    return describe(ax, tr("National models side by side. {listed}.").format(listed="; ".join(said)))
