"""What keeps customers: value, satisfaction and switching cost (客户保持模型), and what competition does to them.

Four hypotheses: perceived value leads to loyalty (H1) and to satisfaction (H2), satisfaction leads to loyalty (H3),
and so does the cost of switching to a rival (H4).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    is_number,
    missing_columns,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import DataFloorError, ItemWarning, did_you_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, describe, draw_intervals, new_axes
from crm_utils.pls import (
    GroupComparison,
    Mediation,
    Moderation,
    PathBootstrap,
    PathModel,
    PathResults,
    compare_groups,
    mediation,
    moderate,
)
from crm_utils.pls.reading import case_weights, cluster_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROLES = ("switching_cost", "value", "satisfaction", "loyalty")
HYPOTHESES = {
    "H1": ("value", "loyalty"),
    "H2": ("value", "satisfaction"),
    "H3": ("satisfaction", "loyalty"),
    "H4": ("switching_cost", "loyalty"),
}
SUPPORTED, NOT_SUPPORTED, UNSURE = "supported", "not supported", "cannot tell"
WEAKENS, STRENGTHENS, CONTRADICTORY = "weakens", "strengthens", "the methods disagree"
_NUMBERS = ["estimate", "std_error", "low", "high"]


@dataclass(frozen=True, eq=False)
class RetentionModel:
    """What `retention_model` found.

    Attributes
    ----------
    bootstrap : PathBootstrap
        Replicates of the path model.
    roles : dict of str to str
        Construct of the survey by its role in the model; roles that no construct plays are left out.
    hypotheses : pandas.DataFrame
        One row a hypothesis: ``hypothesis`` ("H1" to "H4"), ``path``, ``estimate``, ``std_error``, ``low``, ``high``,
        ``verdict``.
    mediation : Mediation or None
        The effect of value on loyalty, direct and through satisfaction; None where a construct is absent.
    level, smallest_effect : float
        As asked for.
    notes : tuple of str
        What a reader has to know, as sentences.
    """

    bootstrap: PathBootstrap
    roles: dict[str, str]
    hypotheses: pd.DataFrame
    mediation: Mediation | None
    level: float
    smallest_effect: float
    notes: tuple[str, ...]

    @property
    def results(self) -> PathResults:
        """The estimate."""
        return self.bootstrap.results

    @property
    def sentences(self) -> tuple[str, ...]:
        """The hypotheses and the mediation in words, a sentence each."""
        said = [_hypothesis_sentence(row, self.smallest_effect) for row in self.hypotheses.itertuples()]
        return (*said, *([_mediation_sentence(self.mediation)] if self.mediation is not None else []))


def retention_model(
    answers: pd.DataFrame,
    constructs: Mapping[str, Sequence[str]],
    *,
    roles: Mapping[str, str] | None = None,
    consistent: bool = False,
    scheme: str = "path",
    missing: str = "em",
    weights: Any = None,
    clusters: Any = None,
    n_boot: int = 1000,
    smallest_effect: float = 0.1,
    seed: int,
    level: float = 0.95,
) -> RetentionModel:
    """Estimate the retention model and test its four hypotheses.

    Parameters
    ----------
    answers : pandas.DataFrame, shape (n, …)
        The survey, reversed items already turned round.
    constructs : mapping of str to sequence of str
        Items by construct; constructs without a role are not looked at.
    roles : mapping of str to str, optional
        Construct that plays a role ("value", "satisfaction", "loyalty", "switching_cost"), where it has another name.
    consistent : bool, default False
        Whether estimates are corrected for the unreliability of the items, as in `PathModel.fit`. Without, error in
        satisfaction makes some of what it mediates look like a direct effect of value.
    scheme, missing, weights, clusters
        As in `PathModel.fit`.
    n_boot : int, default 1000
        Number of bootstrap replicates, from 2.
    smallest_effect : float, default 0.1
        Smallest path that would matter, in standard deviations, above 0.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    RetentionModel
        Hypotheses and mediation. A hypothesis is "supported" where the interval of its path lies above zero; "not
        supported" where it lies below `smallest_effect` instead; else we "cannot tell". One whose construct the survey
        does not have "cannot be tested", and the others are tested without it.

    Raises
    ------
    ParameterError
        If an option or the data are unusable, or a role names no construct.
    DataFloorError
        If no hypothesis can be tested, or there are too few answers.
    ConvergenceError
        As in `PathModel.fit` and `PathResults.bootstrap`.

    References
    ----------
    .. [1] Zhao, X., Lynch, J. G. & Chen, Q. (2010). Reconsidering Baron and Kenny: myths and truths about mediation
       analysis. Journal of Consumer Research 37(2), 197–206.
    .. [2] Jones, M. A., Mothersbaugh, D. L. & Beatty, S. E. (2000). Switching barriers and repurchase intentions in
       services. Journal of Retailing 76(2), 259–274.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(size=500)
    >>> satisfaction = 0.6 * value + 0.8 * rng.normal(size=500)
    >>> loyalty = 0.5 * satisfaction + 0.2 * value + 0.7 * rng.normal(size=500)
    >>> answers = pd.DataFrame({"v": value, "s": satisfaction, "l": loyalty})
    >>> constructs = {"value": ["v"], "satisfaction": ["s"], "loyalty": ["l"]}
    >>> found = retention_model(answers, constructs, n_boot=300, seed=7)
    >>> found.hypotheses["verdict"].tolist()[:3], found.mediation.kind
    (['supported', 'supported', 'supported'], 'complementary')
    >>> print(found.hypotheses["verdict"].iloc[3])
    cannot be tested: the survey has no switching_cost items
    """
    where = "retention_model"
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    if not is_number(smallest_effect) or not 0 < smallest_effect < 1:
        problems.append(f"smallest_effect must lie between 0 and 1, and is {smallest_effect!r}")
    played = _played(answers, constructs, roles, problems)
    raise_problems(where, problems)
    model = _model(where, constructs, played)
    with warnings.catch_warnings():
        # They are among the notes.
        warnings.simplefilter("ignore", ItemWarning)
        fit = model.fit(
            answers, scheme=scheme, consistent=consistent, missing=missing, weights=weights, clusters=clusters
        )
    drawn = fit.bootstrap(n_boot, seed=seed)
    found = drawn.intervals("paths", level=level)
    through = None
    if {"value", "satisfaction", "loyalty"} <= set(played):
        through = mediation(drawn, played["value"], played["loyalty"], through=played["satisfaction"], level=level)
    notes = list(fit.notes)
    if lost := int((~drawn.usable).sum()):
        notes.append(
            tr("{lost:,} of {n_boot:,} replicates could not be used and are left out.").format(lost=lost, n_boot=n_boot)
        )
    table = _hypotheses(found, played, smallest_effect)
    return RetentionModel(drawn, played, table, through, float(level), float(smallest_effect), tuple(notes))


def _played(answers: Any, constructs: Any, roles: Mapping[str, str] | None, problems: list[str]) -> dict[str, str]:
    """Construct by role; what is wrong is added to `problems`."""
    if not isinstance(answers, pd.DataFrame) or not isinstance(constructs, Mapping):
        problems.append("answers must be a table, and constructs a mapping of names to items")
        return {}
    given = dict(roles or {})
    for role in [role for role in given if role not in ROLES]:
        problems.append(f"roles name {role!r}, which is none of {', '.join(ROLES)}")
    for role, name in given.items():
        if name not in constructs:
            hint = did_you_mean(name, constructs)
            problems.append(f"the role {role} is given to {name!r}, which is no construct of the survey{hint}")
    played = {role: given.get(role, role) for role in ROLES if given.get(role, role) in constructs}
    if len(set(played.values())) < len(played):
        problems.append("two roles are given to one construct; each needs its own")
    items = [item for name in played.values() for item in constructs[name]]
    problems += missing_columns(answers, items, "answers")
    return {role: name for role, name in played.items() if len(constructs[name])}


def _model(where: str, constructs: Mapping[str, Sequence[str]], played: Mapping[str, str]) -> PathModel:
    paths = [(played[one], played[two]) for one, two in HYPOTHESES.values() if one in played and two in played]
    if not paths:
        raise DataFloorError(
            f"{where}: no hypothesis can be tested. It needs two constructs at least that a path joins, such as value "
            f"and satisfaction; of {', '.join(ROLES)} the survey has {', '.join(played) or 'none'}. Give roles where "
            "they have other names."
        )
    joined = {name for path in paths for name in path}
    return PathModel({name: list(constructs[name]) for name in played.values() if name in joined}, paths)


def _hypotheses(found: pd.DataFrame, played: Mapping[str, str], smallest: float) -> pd.DataFrame:
    rows = []
    for hypothesis, (source, target) in HYPOTHESES.items():
        path = f"{played.get(source, source)} → {played.get(target, target)}"
        absent = [role for role in (source, target) if role not in played]
        if absent:
            verdict = tr("cannot be tested: the survey has no {constructs} items").format(
                constructs=" or ".join(absent)
            )
            rows.append((hypothesis, path, *[np.nan] * 4, verdict))
            continue
        numbers = found.loc[(played[source], played[target]), _NUMBERS]
        rows.append((hypothesis, path, *numbers, _verdict(numbers["low"], numbers["high"], smallest)))
    return pd.DataFrame(rows, columns=["hypothesis", "path", *_NUMBERS, "verdict"])


def _verdict(low: float, high: float, smallest: float) -> str:
    if low > 0:
        return SUPPORTED
    return NOT_SUPPORTED if high < smallest else UNSURE


def _hypothesis_sentence(row: Any, smallest: float) -> str:
    source, target = (name.replace("_", " ") for name in row.path.split(" → "))
    template = {
        SUPPORTED: tr(
            "{hypothesis} is supported: with one standard deviation more {source}, {target} is {estimate:.2f} standard "
            "deviations higher ({low:.2f} to {high:.2f})."
        ),
        NOT_SUPPORTED: tr(
            "{hypothesis} is not supported: the path from {source} to {target} is {estimate:.2f} ({low:.2f} to "
            "{high:.2f}), and one of {smallest:g} or more can be ruled out."
        ),
        UNSURE: tr(
            "{hypothesis}: we cannot tell. The path from {source} to {target} is {estimate:.2f}, and anything from "
            "{low:.2f} to {high:.2f} agrees with the answers."
        ),
    }.get(row.verdict, tr("{hypothesis} (from {source} to {target}) {verdict}."))
    return template.format(
        hypothesis=row.hypothesis,
        source=source,
        target=target,
        estimate=row.estimate,
        low=row.low,
        high=row.high,
        smallest=smallest,
        verdict=row.verdict,
    )


def _mediation_sentence(found: Mediation) -> str:
    names = {
        "source": found.source.replace("_", " "),
        "target": found.target.replace("_", " "),
        "mediator": " and ".join(found.through).replace("_", " "),
        "direct": found.direct["estimate"],
        "indirect": found.indirect["estimate"],
        "low": found.indirect["low"],
        "high": found.indirect["high"],
        "share": found.share_mediated["estimate"],
    }
    template = {
        "complementary": tr(
            "{source} works on {target} both directly ({direct:.2f}) and through {mediator} ({indirect:.2f}, from "
            "{low:.2f} to {high:.2f}); {share:.0%} of the effect goes through {mediator}."
        ),
        "competitive": tr(
            "{source} works on {target} directly ({direct:.2f}) and, the other way, through {mediator} "
            "({indirect:.2f}, from {low:.2f} to {high:.2f})."
        ),
        "indirect-only": tr(
            "{source} works on {target} through {mediator} ({indirect:.2f}, from {low:.2f} to {high:.2f}); no direct "
            "effect is told from zero."
        ),
        "direct-only": tr(
            "{source} works on {target} directly ({direct:.2f}); no effect through {mediator} is told from zero."
        ),
    }.get(
        found.kind, tr("No effect of {source} on {target} is told from zero, neither directly nor through {mediator}.")
    )
    said = template.format(**names)
    return said[:1].upper() + said[1:]


def hypotheses_table(found: RetentionModel) -> pd.DataFrame:
    """Hypotheses as a table for people.

    Parameters
    ----------
    found : RetentionModel
        From `retention_model`.

    Returns
    -------
    pandas.DataFrame
        ``hypothesis``, ``path`` in words, ``estimate``, ``low``, ``high``, ``verdict``.
    """
    table = found.hypotheses.drop(columns="std_error")
    return table.assign(
        path=[path.replace("_", " ") for path in table["path"]], verdict=[tr(word) for word in table["verdict"]]
    )


def plot_hypotheses(found: RetentionModel, *, ax: Axes | None = None) -> Axes:
    """Draw the paths of the hypotheses with their intervals; `hypotheses_table` has the numbers.

    Parameters
    ----------
    found : RetentionModel
        From `retention_model`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached. Hypotheses that cannot be tested are not drawn.
    """
    table = hypotheses_table(found)
    table = table[table["estimate"].notna()]
    ax = new_axes(ax, figsize=(7.2, 1.4 + 0.45 * len(table)))
    names = [f"{row.hypothesis}: {row.path}" for row in table.itertuples()]
    draw_intervals(ax, names, table["estimate"], table["low"], table["high"])
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set(
        xlabel=tr("Standard deviations of the target for one of the source ({level:.0%} intervals)").format(
            level=found.level
        ),
        title=tr("What keeps customers"),
    )
    listed = "; ".join(
        f"{name} {row.estimate:.2f} ({row.low:.2f} to {row.high:.2f}), {row.verdict}"
        for name, row in zip(names, table.itertuples(), strict=True)
    )
    return describe(ax, tr("Paths of the hypotheses with intervals: {listed}.").format(listed=listed))


@dataclass(frozen=True, eq=False)
class CompetitionEffect:
    """What `competition_effect` found.

    Attributes
    ----------
    interaction : Moderation
        The path from satisfaction to loyalty with the group as moderator, in one model of all answers.
    groups : GroupComparison
        The model estimated in each group.
    slopes : pandas.DataFrame
        The path by both methods: ``method`` ("interaction", "groups"), ``group``, ``estimate``, ``std_error``,
        ``low``, ``high``.
    differences : pandas.DataFrame
        By ``method``: ``difference`` of the path under strong competition from that under weak, ``std_error``,
        ``low``, ``high``, ``p_value`` (permutation, of the groups only), ``verdict`` ("weakens", "strengthens",
        "cannot tell").
    strong, weak : label
        Groups.
    level : float
        Confidence level.
    notes : tuple of str
        What a reader has to know, as sentences.
    """

    interaction: Moderation
    groups: GroupComparison
    slopes: pd.DataFrame
    differences: pd.DataFrame
    strong: Any
    weak: Any
    level: float
    notes: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether both methods say the same."""
        return len(set(self.differences["verdict"])) == 1

    @property
    def verdict(self) -> str:
        """What both methods say: "weakens", "strengthens", "cannot tell"; or "the methods disagree"."""
        return self.differences["verdict"].iloc[0] if self.agree else CONTRADICTORY

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        template = {
            WEAKENS: tr(
                "Both methods say that the link from satisfaction to loyalty is weaker where {group} is {strong} than "
                "where it is {weak}: by {one:.2f} in the model with an interaction and by {two:.2f} between models of "
                "each group."
            ),
            STRENGTHENS: tr(
                "Both methods say that the link from satisfaction to loyalty is stronger where {group} is {strong} "
                "than where it is {weak}: by {one:.2f} in the model with an interaction and by {two:.2f} between "
                "models of each group."
            ),
            UNSURE: tr(
                "Neither method tells the link from satisfaction to loyalty where {group} is {strong} from that where "
                "it is {weak}: they differ by {one:.2f} in the model with an interaction and by {two:.2f} between "
                "models of each group."
            ),
            CONTRADICTORY: tr(
                "The two methods do not agree on whether {group} changes the link from satisfaction to loyalty: where "
                "it is {strong} and not {weak} the link differs by {one:.2f} in the model with an interaction and by "
                "{two:.2f} between models of each group. Do not build on either."
            ),
        }[self.verdict]
        one, two = self.differences["difference"].abs()
        group = str(self.interaction.moderator).replace("_", " ")
        return template.format(group=group, strong=self.strong, weak=self.weak, one=one, two=two)


def competition_effect(
    answers: pd.DataFrame,
    constructs: Mapping[str, Sequence[str]],
    group: str,
    *,
    strong: Any = "strong",
    roles: Mapping[str, str] | None = None,
    consistent: bool = False,
    scheme: str = "path",
    missing: str = "em",
    weights: Any = None,
    clusters: Any = None,
    n_boot: int = 1000,
    n_permutations: int = 999,
    seed: int,
    level: float = 0.95,
) -> CompetitionEffect:
    """Find whether competition changes the link from satisfaction to loyalty, by two methods that can contradict.

    One model of all answers, with the product of satisfaction and competition as a further cause of loyalty
    (`pls.moderate`); and a model for each group, whose paths are held against each other (`pls.compare_groups`).

    Parameters
    ----------
    answers, constructs, roles
        As in `retention_model`.
    group : str
        Column with two labels, such as the competition that a customer lives under. Answers without are left out.
    strong : label, default "strong"
        The label whose path is held against that of the other.
    consistent, scheme, missing, weights, clusters
        As in `PathModel.fit`.
    n_boot : int, default 1000
        Number of bootstrap replicates of either method, from 2.
    n_permutations : int, default 999
        How often the labels are dealt anew.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    CompetitionEffect
        Paths and differences by both methods. The link is told to be weaker or stronger where the interval of the
        difference leaves out zero; between groups also only where the p-value, unadjusted for it is the one path asked
        about, is below 1 − level.

    Raises
    ------
    ParameterError
        If an option or the data are unusable, or the column has not two labels.
    DataFloorError, ConvergenceError
        As in `pls.moderate` and `pls.compare_groups`.

    Notes
    -----
    The interaction is measured in standard deviations of all answers, the groups in those of each group: where the
    groups differ in spread, the numbers do too.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> market = np.repeat(["strong", "weak"], 300)
    >>> mood = rng.normal(size=600)
    >>> loyal = np.where(market == "weak", 0.7, 0.2) * mood + 0.6 * rng.normal(size=600)
    >>> noise = rng.normal(scale=0.4, size=(600, 4))
    >>> answers = pd.DataFrame(np.c_[mood, mood, loyal, loyal] + noise, columns=["s1", "s2", "l1", "l2"])
    >>> answers["market"] = market
    >>> constructs = {"satisfaction": ["s1", "s2"], "loyalty": ["l1", "l2"]}
    >>> found = competition_effect(answers, constructs, "market", n_boot=200, n_permutations=99, seed=7)
    >>> found.verdict, found.agree
    ('weakens', True)
    """
    where = "competition_effect"
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    played = _played(answers, constructs, roles, problems)
    weak = _other_label(answers, group, strong, problems)
    for role in ("satisfaction", "loyalty"):
        if not problems and role not in played:
            problems.append(f"the survey has no {role} items; give roles where the construct has another name")
    if group in played.values():
        problems.append(f"the group {group!r} has the name of a construct; rename the column")
    raise_problems(where, problems)
    mass, codes = case_weights(answers, weights, problems), cluster_codes(answers, clusters, problems)
    raise_problems(where, problems)
    model = _model(where, constructs, played)
    known = answers[group].notna().to_numpy()
    kept = answers.loc[known, list(model.items)].assign(**{group: (answers.loc[known, group] == strong).astype(int)})
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    first, second = root.spawn(2)
    options = {
        "scheme": scheme,
        "consistent": consistent,
        "missing": missing,
        "weights": mass[known],
        "clusters": None if codes is None else codes[known],
        "n_boot": n_boot,
        "level": level,
    }
    source, target = played["satisfaction"], played["loyalty"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ItemWarning)
        one = moderate(model, kept, source=source, target=target, moderator=group, seed=first, **options)
        labels = np.where(kept[group] == 1, str(strong), str(weak))
        two = compare_groups(
            model, kept[list(model.items)], labels, n_permutations=n_permutations, seed=second, **options
        )
    notes = [*one.notes, *two.notes]
    if without := int((~known).sum()):
        notes.append(
            tr("{without:,} of {rows:,} answers have no {group} and are left out.").format(
                without=without, rows=len(answers), group=group.replace("_", " ")
            )
        )
    slopes, differences = _both_methods(one, two, (source, target), strong, weak)
    return CompetitionEffect(one, two, slopes, differences, strong, weak, float(level), tuple(dict.fromkeys(notes)))


def _other_label(answers: Any, group: Any, strong: Any, problems: list[str]) -> Any:
    """The label that is not `strong`; what is wrong is added to `problems`."""
    if not isinstance(answers, pd.DataFrame):
        return None
    if absent := missing_columns(answers, [group], "answers"):
        problems += absent
        return None
    labels = list(answers[group].dropna().unique())
    if len(labels) != 2:
        shown = ", ".join(map(repr, labels[:4])) or "none"
        problems.append(f"{group} must have two labels, and has {len(labels)}: {shown}; join or leave out the others")
        return None
    if strong not in labels:
        problems.append(
            f"strong must be one of the labels of {group}, {labels[0]!r} or {labels[1]!r}, and is {strong!r}"
        )
        return None
    return labels[1] if labels[0] == strong else labels[0]


def _both_methods(
    one: Moderation, two: GroupComparison, path: tuple[str, str], strong: Any, weak: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slopes and differences by both methods."""
    inside = one.simple_slopes[_NUMBERS].assign(method="interaction", group=[weak, strong])
    apart = pd.DataFrame(
        [two.bootstraps[str(label)].intervals("paths", level=two.level).loc[path, _NUMBERS] for label in (weak, strong)]
    ).assign(method="groups", group=[weak, strong])
    slopes = pd.concat([inside, apart], ignore_index=True)[["method", "group", *_NUMBERS]]
    found = two.differences().set_index(["from", "to"]).loc[path]
    # The difference is of the first group from the second.
    sign = 1 if found["group"] == str(strong) else -1
    ends = sorted([sign * found["low"], sign * found["high"]])
    moved = one.slope_difference
    rows = [
        ("interaction", moved["estimate"], moved["std_error"], moved["low"], moved["high"], np.nan),
        ("groups", sign * found["difference"], found["std_error"], *ends, found["p_value"]),
    ]
    table = pd.DataFrame(rows, columns=["method", "difference", "std_error", "low", "high", "p_value"])
    table["verdict"] = [_change(row.low, row.high, row.p_value, two.level) for row in table.itertuples()]
    return slopes, table


def _change(low: float, high: float, p_value: float, level: float) -> str:
    if low <= 0 <= high or p_value >= 1 - level:
        return UNSURE
    return STRENGTHENS if low > 0 else WEAKENS


def competition_table(found: CompetitionEffect) -> pd.DataFrame:
    """Paths under both kinds of competition, and their difference, as a table for people.

    Parameters
    ----------
    found : CompetitionEffect
        From `competition_effect`.

    Returns
    -------
    pandas.DataFrame
        ``method`` and ``group`` in words (the last row of each method is the difference), ``estimate``, ``low``,
        ``high``, ``p_value``.
    """
    words = {"interaction": tr("one model with interaction"), "groups": tr("a model for each group")}
    parts = []
    for method, word in words.items():
        slopes = found.slopes[found.slopes["method"] == method]
        moved = found.differences[found.differences["method"] == method].iloc[0]
        parts.append(slopes[["group", "estimate", "low", "high"]].assign(method=word, p_value=np.nan))
        name = tr("{strong} less {weak}").format(strong=found.strong, weak=found.weak)
        row = {"method": word, "group": name, "estimate": moved["difference"]} | moved[
            ["low", "high", "p_value"]
        ].to_dict()
        parts.append(pd.DataFrame([row]))
    table = pd.concat(parts, ignore_index=True)
    return table[["method", "group", "estimate", "low", "high", "p_value"]]


def plot_competition(found: CompetitionEffect, *, ax: Axes | None = None) -> Axes:
    """Draw the path from satisfaction to loyalty under both kinds of competition; `competition_table` has the numbers.

    Parameters
    ----------
    found : CompetitionEffect
        From `competition_effect`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table = competition_table(found)
    ax = new_axes(ax, figsize=(7.6, 3.4))
    names = [f"{row.group} ({row.method})" for row in table.itertuples()]
    draw_intervals(ax, names, table["estimate"], table["low"], table["high"])
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set(
        xlabel=tr("Path from satisfaction to loyalty ({level:.0%} intervals)").format(level=found.level),
        title=tr("Satisfaction and loyalty under competition"),
    )
    listed = "; ".join(
        f"{name} {row.estimate:.2f} ({row.low:.2f} to {row.high:.2f})"
        for name, row in zip(names, table.itertuples(), strict=True)
    )
    return describe(
        ax, tr("The path by two methods: {listed}. {sentence}").format(listed=listed, sentence=found.sentence)
    )
