"""Whether people do what they say: answers to a survey against purchases and cancellations that followed (言行一致)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    count_problems,
    is_number,
    level_problems,
    missing_columns,
    raise_problems,
)
from crm_utils.claims import claim_verdict
from crm_utils.errors import DataFloorError
from crm_utils.intervals import sample_mean, wilson
from crm_utils.language import tr
from crm_utils.loyalty.follow_up import FollowUp
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls.reading import case_weights, cluster_codes
from crm_utils.ranking import RankArea, area_gap, rank_area

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_PEOPLE = 10
TRAP_CLAIM = (0.65, 0.85)
_MOST_ANSWERS = 11


@dataclass(frozen=True, eq=False)
class StatedAgainstActual:
    """What `stated_against_actual` found.

    Attributes
    ----------
    predictors : pandas.DataFrame
        One row a statement: ``statement``, ``answers``, ``people``, ``share`` who did it; ``odds_ratio`` for one
        standard deviation more, ``odds_low``, ``odds_high``, and ``spread``, that standard deviation; ``auc``,
        ``auc_low``, ``auc_high``; ``verdict`` ("the higher the answer, the more", "the higher the answer, the fewer",
        "no better than chance").
    calibration : pandas.DataFrame
        By statement and group of answers: ``statement``, ``answer`` (its value, or its range), ``mean`` answer,
        ``answers``, ``share`` who did it, ``low``, ``high``, ``fitted`` by the logistic regression.
    behaviour : str
        What was done.
    horizon_days : int
        Days looked at.
    counts : pandas.Series
        Answers used, and left out by reason.
    level : float
        Confidence level.
    """

    predictors: pd.DataFrame
    calibration: pd.DataFrame
    behaviour: str
    horizon_days: int
    counts: pd.Series
    level: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """What each statement is worth, in words."""
        template = tr(
            "{statement}: of two respondents, one who did it ({behaviour} within {days} days) and one who did not, the "
            "first had the higher answer in {auc:.0%} of pairs ({low:.0%} to {high:.0%}; 50% is chance): {verdict}."
        )
        return tuple(
            template.format(
                statement=row.statement,
                behaviour=self.behaviour,
                days=self.horizon_days,
                auc=row.auc,
                low=row.auc_low,
                high=row.auc_high,
                verdict=tr(row.verdict),
            )
            for row in self.predictors.itertuples()
        )


MORE, FEWER, CHANCE = "the higher the answer, the more", "the higher the answer, the fewer", "no better than chance"


def stated_against_actual(
    stated: pd.DataFrame,
    followed: FollowUp,
    *,
    bins: int = 10,
    weights: Any = None,
    clusters: Any = None,
    level: float = 0.95,
) -> StatedAgainstActual:
    """Hold what people said against what they did afterwards.

    Parameters
    ----------
    stated : pandas.DataFrame, shape (n, statements)
        Statements, one a column, such as intention to buy again, willingness to recommend, satisfaction; each is looked
        at by itself.
    followed : FollowUp
        From `later_purchases` or `later_cancellations`, of the same answers.
    bins : int, default 10
        Groups of the calibration, by quantiles, for statements with more than eleven different answers. The others are
        grouped by answer.
    weights : array-like of float, shape (n,), optional
        Survey weights.
    clusters : array-like, shape (n,), optional
        Who answered: answers of one person go together.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    StatedAgainstActual
        Logistic regression (errors robust to clusters), area under the ROC curve, calibration.

    Raises
    ------
    ParameterError
        If the input is unusable.
    DataFloorError
        If fewer than ten people did it, or fewer than ten did not, among those who answered a statement; or everybody
        answered alike.

    Notes
    -----
    The interval of the area takes pairs of answers of one person for dependent [1]_, on the logit scale. Intervals of
    shares are Wilson's, with as many answers as would give the error that weights and clusters lead to [2]_.

    References
    ----------
    .. [1] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics 53(2), 567–578.
    .. [2] Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of
       positive counts estimated from survey data. Survey Methodology 24(2), 193–201.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> said = rng.integers(1, 11, 400)
    >>> did = pd.Series((rng.random(400) < said / 12).astype(float), name="bought")
    >>> followed = FollowUp(did, pd.Series(["used"] * 400), 182)
    >>> found = stated_against_actual(pd.DataFrame({"intention": said}), followed)
    >>> found.predictors[["auc", "auc_low", "auc_high"]].round(2).to_numpy().tolist(), found.calibration.shape[0]
    ([[0.81, 0.77, 0.85]], 10)
    """
    where = "stated_against_actual"
    problems = level_problems(level) + count_problems("bins", bins, least=2)
    sample = _sample(where, stated, followed, weights, clusters, problems)
    rows, tables = [], []
    for name in stated.columns:
        said = _numbers(stated[name], name, where)
        rows.append(_predictor(where, name, said, sample, level))
        tables.append(_calibration(name, said, sample, bins, level))
    return StatedAgainstActual(
        pd.DataFrame(rows),
        pd.concat(tables, ignore_index=True),
        str(followed.happened.name),
        followed.horizon_days,
        followed.counts,
        float(level),
    )


def area_difference(
    stated: pd.DataFrame,
    followed: FollowUp,
    one: Any,
    other: Any,
    *,
    weights: Any = None,
    clusters: Any = None,
    level: float = 0.95,
) -> pd.Series:
    """Hold two statements of the same people against each other as tellers of what they did.

    Parameters
    ----------
    stated, followed, weights, clusters, level
        As in `stated_against_actual`.
    one, other : label
        Columns of `stated`. Only answers with both count.

    Returns
    -------
    pandas.Series of float
        ``answers``, ``one``, ``other`` (areas under the ROC curve), ``difference`` (one less other), ``low``, ``high``.

    Raises
    ------
    ParameterError, DataFloorError
        As in `stated_against_actual`.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated
       receiver operating characteristic curves: a nonparametric approach. Biometrics 44(3), 837–845. With clusters:
       Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics 53(2), 567–578.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> stated = pd.DataFrame({"said": rng.normal(size=400), "did before": rng.normal(size=400)})
    >>> did = pd.Series((stated["did before"] + rng.normal(size=400) > 0).astype(float), name="bought")
    >>> followed = FollowUp(did, pd.Series(["used"] * 400), 182)
    >>> found = area_difference(stated, followed, "did before", "said")
    >>> bool(found["low"] > 0.15)
    True
    """
    where = "area_difference"
    problems = level_problems(level) + missing_columns(stated, [one, other], "stated")
    raise_problems(where, problems)
    sample = _sample(where, stated[[one, other]], followed, weights, clusters, problems)
    said = [_numbers(stated[name], name, where) for name in (one, other)]
    rows = _usable(said[0] + said[1], sample)
    part = sample.part(rows)
    _enough(where, f"{one} beside {other}", part)
    first, second = (_area(answer[rows], part) for answer in said)
    difference, low, high = area_gap(first, second, level=level)
    return pd.Series(
        {
            "answers": len(part.did),
            "one": first.estimate,
            "other": second.estimate,
            "difference": difference,
            "low": low,
            "high": high,
        }
    )


@dataclass(frozen=True)
class _Sample:
    """What was done, weights and people, one an answer."""

    did: np.ndarray
    weights: np.ndarray
    people: np.ndarray

    def part(self, rows: np.ndarray) -> _Sample:
        people = np.unique(self.people[rows], return_inverse=True)[1]
        return _Sample(self.did[rows], self.weights[rows], people)


def _sample(where: str, stated: Any, followed: Any, weights: Any, clusters: Any, problems: list[str]) -> _Sample:
    if not isinstance(stated, pd.DataFrame) or not isinstance(followed, FollowUp):
        raise_problems(
            where, [*problems, "stated must be a table, and followed come from later_purchases or later_cancellations"]
        )
    if not stated.index.equals(followed.happened.index):
        problems.append("stated and followed are of other answers (their indexes differ); make both from one table")
    if not stated.shape[1]:
        problems.append("stated has no column; give at least one statement")
    mass, codes = case_weights(stated, weights, problems), cluster_codes(stated, clusters, problems)
    raise_problems(where, problems)
    return _Sample(followed.happened.to_numpy(dtype=float), mass, np.arange(len(stated)) if codes is None else codes)


def _numbers(column: pd.Series, name: Any, where: str) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column):
        raise_problems(where, [f"the statement {name} must be numeric, and is {column.dtype}"])
    return column.to_numpy(dtype=float, na_value=np.nan)


def _usable(said: np.ndarray, sample: _Sample) -> np.ndarray:
    return np.flatnonzero(~np.isnan(said) & ~np.isnan(sample.did) & (sample.weights > 0))


def _predictor(where: str, name: Any, said: np.ndarray, sample: _Sample, level: float) -> dict[str, Any]:
    rows = _usable(said, sample)
    part, answer = sample.part(rows), said[rows]
    _enough(where, name, part)
    if answer.min() == answer.max():
        raise DataFloorError(f"{where}: everybody answered {name} with {answer[0]:g}, which foretells nothing.")
    fit, spread = _logistic(answer, part)
    low, high = fit.conf_int(1 - level)[1]
    area = _area(answer, part)
    area_low, area_high = area.interval(level=level)
    verdict = MORE if area_low > 0.5 else FEWER if area_high < 0.5 else CHANCE
    return {
        "statement": name,
        "answers": len(rows),
        "people": len(np.unique(part.people)),
        "share": np.average(part.did, weights=part.weights),
        "odds_ratio": np.exp(fit.params[1]),
        "odds_low": np.exp(low),
        "odds_high": np.exp(high),
        "spread": spread,
        "auc": area.estimate,
        "auc_low": area_low,
        "auc_high": area_high,
        "verdict": verdict,
    }


def _enough(where: str, name: Any, part: _Sample) -> None:
    if not len(part.did):
        raise DataFloorError(f"{where}: nothing is known of what people did after an answer to {name}.")
    for did, word in ((1, tr("did it")), (0, tr("did not"))):
        if (people := len(np.unique(part.people[part.did == did]))) < FEWEST_PEOPLE:
            raise DataFloorError(
                f"{where}: {name} needs at least {FEWEST_PEOPLE} people who {word} within the horizon, and has "
                f"{people}. Use a longer or shorter horizon, or more waves."
            )


def _logistic(answer: np.ndarray, part: _Sample) -> tuple[Any, float]:
    """Logistic regression on the answer in standard deviations, and that standard deviation."""
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import SpecificationWarning

    weights = part.weights / part.weights.mean()
    centre = np.average(answer, weights=weights)
    spread = float(np.sqrt(np.average((answer - centre) ** 2, weights=weights)))
    design = np.column_stack([np.ones(len(answer)), (answer - centre) / spread])
    model = sm.GLM(part.did, design, family=sm.families.Binomial(), var_weights=weights)
    with warnings.catch_warnings():
        # Said of every robust error with such weights; the tests hold this one against the formula.
        warnings.simplefilter("ignore", SpecificationWarning)
        return model.fit(cov_type="cluster", cov_kwds={"groups": part.people}), spread


def _area(answer: np.ndarray, part: _Sample) -> RankArea:
    return rank_area(answer, part.did, weights=part.weights, clusters=part.people)


def _share(part: _Sample, level: float) -> tuple[float, float, float]:
    """Share with Wilson's interval, for as many answers as weights and clusters leave."""
    found = sample_mean(part.did, weights=part.weights, clusters=part.people)
    kish = part.weights.sum() ** 2 / (part.weights**2).sum()
    size = kish
    if found.std_error > 0:
        size = min(found.estimate * (1 - found.estimate) / found.std_error**2, len(part.did))
    low, high = wilson(np.array([found.estimate * size]), np.array([size]), level=level)
    return found.estimate, float(low[0]), float(high[0])


def _calibration(name: Any, said: np.ndarray, sample: _Sample, bins: int, level: float) -> pd.DataFrame:
    rows = _usable(said, sample)
    part, answer = sample.part(rows), said[rows]
    fit, spread = _logistic(answer, part)
    centre = np.average(answer, weights=part.weights)
    values = np.unique(answer)
    if len(values) <= _MOST_ANSWERS:
        groups = np.searchsorted(values, answer)
    else:
        edges = np.unique(np.quantile(answer, np.linspace(0, 1, bins + 1))[1:-1])
        groups = np.searchsorted(edges, answer, side="right")
    fitted = 1 / (1 + np.exp(-(fit.params[0] + fit.params[1] * (answer - centre) / spread)))
    table = []
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        lowest, highest = answer[inside].min(), answer[inside].max()
        share, low, high = _share(part.part(inside), level)
        weights = part.weights[inside]
        table.append(
            {
                "statement": name,
                "answer": f"{lowest:g}" if lowest == highest else f"{lowest:.3g}–{highest:.3g}",
                "mean": np.average(answer[inside], weights=weights),
                "answers": len(inside),
                "share": share,
                "low": low,
                "high": high,
                "fitted": np.average(fitted[inside], weights=weights),
            }
        )
    return pd.DataFrame(table)


def stated_table(found: StatedAgainstActual, statement: Any = None) -> pd.DataFrame:
    """Calibration of one statement as a table for people.

    Parameters
    ----------
    found : StatedAgainstActual
        From `stated_against_actual`.
    statement : label, optional
        Which one. Default: the first.

    Returns
    -------
    pandas.DataFrame
        ``answer``, ``answers``, ``share`` who did it, ``low``, ``high``, ``fitted share``.

    Raises
    ------
    ParameterError
        If there is no such statement.
    """
    return _of_statement(found, statement)[["answer", "answers", "share", "low", "high", "fitted"]].rename(
        columns={"fitted": "fitted share"}
    )


def _of_statement(found: StatedAgainstActual, statement: Any) -> pd.DataFrame:
    names = list(found.predictors["statement"])
    chosen = names[0] if statement is None else statement
    if chosen not in names:
        raise_problems("stated_table", [f"statement must be one of {', '.join(map(str, names))}, and is {chosen!r}"])
    table = found.calibration
    return table[table["statement"] == chosen].reset_index(drop=True)


def plot_stated(found: StatedAgainstActual, statement: Any = None, *, ax: Axes | None = None) -> Axes:
    """Draw the share who did it by what they had said; `stated_table` has the numbers.

    Parameters
    ----------
    found : StatedAgainstActual
        From `stated_against_actual`.
    statement : label, optional
        Which one. Default: the first.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        If there is no such statement.
    """
    from matplotlib.ticker import PercentFormatter

    table = _of_statement(found, statement)
    name = table["statement"].iloc[0]
    row = found.predictors.set_index("statement").loc[name]
    ax = new_axes(ax, figsize=(7.2, 3.8))
    ax.errorbar(
        table["mean"],
        table["share"],
        yerr=np.maximum([table["share"] - table["low"], table["high"] - table["share"]], 0),
        fmt="o",
        color=PALETTE[0],
        ecolor=MUTED,
        label=tr("observed ({level:.0%} intervals)").format(level=found.level),
    )
    ax.plot(table["mean"], table["fitted"], color=PALETTE[1], label=tr("logistic regression"))
    ax.axhline(row["share"], color=MUTED, linewidth=1, linestyle="--", label=tr("all answers"))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="best")
    label = str(name).replace("_", " ")
    ax.set_xlabel(tr("Answer: {statement}").format(statement=label), parse_math=False)
    ax.set_ylabel(tr("{behaviour} within {days} days").format(behaviour=found.behaviour, days=found.horizon_days))
    ax.set_title(tr("What was said and what was done"))
    ends = table.iloc[[0, -1]]
    return describe(
        ax,
        tr(
            "Of those who answered {first}, {low:.0%} did it, of those who answered {last}, {high:.0%}. Area under the "
            "ROC curve {auc:.2f} ({auc_low:.2f} to {auc_high:.2f})."
        ).format(
            first=ends["answer"].iloc[0],
            last=ends["answer"].iloc[1],
            low=ends["share"].iloc[0],
            high=ends["share"].iloc[1],
            auc=row["auc"],
            auc_low=row["auc_low"],
            auc_high=row["auc_high"],
        ),
    )


@dataclass(frozen=True, eq=False)
class SatisfactionTrap:
    """What `satisfaction_trap` found.

    Attributes
    ----------
    shares : pandas.DataFrame
        By ``group`` ("left", "stayed"): ``answers``, ``people``, ``share`` who had said that they were satisfied,
        ``low``, ``high``.
    difference, difference_low, difference_high : float
        Share of those who stayed less share of those who left.
    cut : float
        Lowest answer that counts as satisfied.
    claim : (float, float)
        Claimed range.
    verdict : str
        Of the claim: "agrees", "disagrees", "undecided", as in `crm_utils.claims.claim_verdict`.
    """

    shares: pd.DataFrame
    difference: float
    difference_low: float
    difference_high: float
    cut: float
    claim: tuple[float, float]
    verdict: str

    @property
    def sentence(self) -> str:
        """The shares in words."""
        left, stayed = self.shares.loc["left"], self.shares.loc["stayed"]
        return tr(
            "Of those who left, {share:.0%} ({low:.0%} to {high:.0%}) had said they were satisfied ({cut:g} or more); "
            "of those who stayed, {other:.0%} had. The difference is {difference:+.0f} points ({from_:+.0f} to "
            "{to:+.0f})."
        ).format(
            share=left["share"],
            low=left["low"],
            high=left["high"],
            cut=self.cut,
            other=stayed["share"],
            difference=100 * self.difference,
            from_=100 * self.difference_low,
            to=100 * self.difference_high,
        )


def satisfaction_trap(
    satisfaction: pd.Series,
    left: FollowUp,
    *,
    cut: float,
    claim: tuple[float, float] = TRAP_CLAIM,
    weights: Any = None,
    clusters: Any = None,
    level: float = 0.95,
) -> SatisfactionTrap:
    """Find how many of those who left had said that they were satisfied.

    A high share alone says little: where most customers are satisfied, most who leave are too. So it is held against
    the share among those who stayed.

    Parameters
    ----------
    satisfaction : pandas.Series, shape (n,)
        What was said, such as the mean of the items.
    left : FollowUp
        Who left afterwards, from `later_cancellations`, of the same answers; of purchases, give who did not buy.
    cut : float
        Lowest answer that counts as satisfied. The claim does not say which; try several.
    claim : (float, float), default (0.65, 0.85)
        Claimed share among those who left [1]_.
    weights, clusters, level
        As in `stated_against_actual`.

    Returns
    -------
    SatisfactionTrap
        Shares, their difference, and the verdict on the claim.

    Raises
    ------
    ParameterError
        If the input is unusable.
    DataFloorError
        If fewer than ten people left or stayed.

    References
    ----------
    .. [1] Reichheld, F. F. (1996). The Loyalty Effect. Harvard Business School Press.

    Examples
    --------
    >>> left = FollowUp(pd.Series([1.0] * 20 + [0.0] * 40, name="left"), pd.Series(["used"] * 60), 182)
    >>> trap = satisfaction_trap(pd.Series([8] * 12 + [4] * 8 + [8] * 30 + [4] * 10), left, cut=7)
    >>> trap.shares["share"].tolist(), round(trap.difference, 2), trap.verdict
    ([0.6, 0.75], 0.15, 'undecided')
    """
    where = "satisfaction_trap"
    problems = level_problems(level)
    if not is_number(cut):
        problems.append(f"cut must be a number, and is {cut!r}")
    if not isinstance(satisfaction, pd.Series):
        raise_problems(where, [*problems, f"satisfaction must be a column, and is {type(satisfaction).__name__}"])
    sample = _sample(where, satisfaction.to_frame(), left, weights, clusters, problems)
    said = _numbers(satisfaction, satisfaction.name, where)
    rows = _usable(said, sample)
    part, satisfied = sample.part(rows), (said[rows] >= cut).astype(float)
    found, shares = [], []
    for name, did in (("left", 1), ("stayed", 0)):
        group = part.did == did
        people = len(np.unique(part.people[group]))
        if people < FEWEST_PEOPLE:
            raise DataFloorError(f"{where} needs at least {FEWEST_PEOPLE} people who {name}, and has {people}.")
        inside = _Sample(satisfied[group], part.weights[group], np.unique(part.people[group], return_inverse=True)[1])
        share, low, high = _share(inside, level)
        shares.append(
            {"group": name, "answers": int(group.sum()), "people": people, "share": share, "low": low, "high": high}
        )
        found.append(sample_mean(np.where(group, satisfied, np.nan), weights=part.weights, clusters=part.people))
    table = pd.DataFrame(shares).set_index("group")
    moved, low, high = _difference(found[1], found[0], level)
    verdict = claim_verdict(table.loc["left", "low"], table.loc["left", "high"], claim)
    return SatisfactionTrap(table, moved, low, high, float(cut), claim, verdict)


def _difference(one: Any, other: Any, level: float) -> tuple[float, float, float]:
    """Difference of two means of one sample; a person may be in both."""
    from scipy.stats import norm

    moved = one.estimate - other.estimate
    units = len(one.influence)
    error = np.sqrt(units / (units - 1) * ((one.influence - other.influence) ** 2).sum())
    reach = norm.ppf((1 + level) / 2) * error
    return float(moved), float(moved - reach), float(moved + reach)


def trap_table(traps: Sequence[SatisfactionTrap]) -> pd.DataFrame:
    """Shares of the satisfied among those who left and stayed, by where the cut is made.

    Parameters
    ----------
    traps : sequence of SatisfactionTrap
        From `satisfaction_trap`, with several cuts.

    Returns
    -------
    pandas.DataFrame
        One row a cut: ``satisfied from``, ``share of those who left``, ``low``, ``high``, ``share of those who
        stayed``, ``stayed low``, ``stayed high``, ``verdict``.
    """
    rows = [
        (
            trap.cut,
            *trap.shares.loc["left", ["share", "low", "high"]],
            *trap.shares.loc["stayed", ["share", "low", "high"]],
            trap.verdict,
        )
        for trap in traps
    ]
    return pd.DataFrame(
        rows,
        columns=[
            "satisfied from",
            "share of those who left",
            "low",
            "high",
            "share of those who stayed",
            "stayed low",
            "stayed high",
            "verdict",
        ],
    )


def plot_satisfaction_trap(traps: Sequence[SatisfactionTrap], *, ax: Axes | None = None) -> Axes:
    """Draw the share of the satisfied among those who left and who stayed, by cut; `trap_table` has the numbers.

    Parameters
    ----------
    traps : sequence of SatisfactionTrap
        From `satisfaction_trap`, with several cuts and one claim.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    from matplotlib.ticker import PercentFormatter

    table = trap_table(traps)
    ax = new_axes(ax, figsize=(7.2, 3.8))
    claim = traps[0].claim
    ax.axhspan(*claim, color=PALETTE[1], alpha=0.15, linewidth=0, label=tr("claimed of those who leave"))
    groups = (
        (tr("left"), ["share of those who left", "low", "high"], 3, -1),
        (tr("stayed"), ["share of those who stayed", "stayed low", "stayed high"], 0, 1),
    )
    step = float(np.diff(table["satisfied from"]).min()) if len(table) > 1 else 1.0
    for name, columns, colour, side in groups:
        share, low, high = (table[column] for column in columns)
        ax.errorbar(
            table["satisfied from"] + 0.08 * side * step,
            share,
            yerr=np.maximum([share - low, high - share], 0),
            fmt="os"[side > 0],
            color=PALETTE[colour],
            label=name,
        )
    ax.set_ylim(0, 1)
    ax.set_xticks(table["satisfied from"])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower left")
    ax.set(
        xlabel=tr("Counted as satisfied from this answer on"),
        ylabel=tr("Share who had said so"),
        title=tr("Were those who left dissatisfied?"),
    )
    listed = "; ".join(f"{row[0]:g}: {row[1]:.0%} / {row[4]:.0%}" for row in table.itertuples(index=False, name=None))
    return describe(
        ax,
        tr(
            "Share of the satisfied among those who left and those who stayed, by the answer that counts: {listed}."
        ).format(listed=listed),
    )
