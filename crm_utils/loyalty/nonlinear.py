"""Whether the link from satisfaction to loyalty is bent: a zone of indifference, a zone of delight, or a straight line.

Four curves are compared: a straight line, a parabola, two straight pieces that join at a break, and a natural spline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, missing_columns, raise_problems, resampling_problems, seed_problems
from crm_utils.errors import DataFloorError
from crm_utils.intervals import bootstrap, percentile_interval, sample_mean
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes
from crm_utils.pls.reading import case_weights, cluster_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODELS = ("line", "quadratic", "segmented", "spline")
STRAIGHT, BENT = "straight", "bent"
STEEPER, FLATTER = "steeper", "flatter"
FEWEST_PEOPLE, FEWEST_VALUES = 100, 5
_CANDIDATES = 65
_GRID_POINTS = 41
_MOST_POINTS = 10
_WHERE = "loyalty_curve"


@dataclass(frozen=True, eq=False)
class LoyaltyCurve:
    """What `loyalty_curve` found.

    Attributes
    ----------
    models : pandas.DataFrame
        By ``model`` ("line", "quadratic", "segmented", "spline"): ``parameters``, ``aic``, ``error_out`` (root mean
        squared error for people not used for the estimate), ``r_squared_out``, ``gain`` in it over the line,
        ``gain_low``, ``gain_high``, ``p_value`` against the line (NaN for the line).
    segments : pandas.Series
        Of the two pieces: ``break``, ``slope_below``, ``slope_above``, ``slope_change``, each with ``…_low`` and
        ``…_high``.
    curve : pandas.DataFrame
        Along satisfaction: ``satisfaction``; ``line``, ``segmented``, ``spline``, and the band of the spline,
        ``spline_low``, ``spline_high``.
    points : pandas.DataFrame
        Mean loyalty by satisfaction: ``satisfaction`` (mean of the group), ``loyalty``, ``low``, ``high``, ``answers``.
    answers, people : int
        Answers used, and who gave them.
    level : float
        Confidence level.
    """

    models: pd.DataFrame
    segments: pd.Series
    curve: pd.DataFrame
    points: pd.DataFrame
    answers: int
    people: int
    level: float

    @property
    def verdict(self) -> str:
        """Whether the link is "bent": one of the three curves beats the line by more than chance; else "straight".

        Three tests are made, so that the smallest p-value must be below a third of 1 − level (Bonferroni).
        """
        return BENT if self.models["p_value"].min() <= (1 - self.level) / 3 else STRAIGHT

    @property
    def zone(self) -> str:
        """What happens above the break: "steeper" (a zone of delight), "flatter" (satiation), or "" for no break.

        A break is told only where the two pieces beat the line by more than chance, the interval of the change of the
        slope leaves out zero, and the interval of the break is shorter than half of the satisfaction looked at.
        """
        found = self.segments
        told = (
            self.models.loc["segmented", "p_value"] <= (1 - self.level) / 3
            and not found["slope_change_low"] <= 0 <= found["slope_change_high"]
            and found["break_high"] - found["break_low"] < np.ptp(self.curve["satisfaction"]) / 2
        )
        if not told:
            return ""
        return STEEPER if found["slope_change"] > 0 else FLATTER

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        found, best = self.segments, self.models["gain"].iloc[1:].max()
        indifferent = found["slope_below_low"] <= 0
        template = {
            (STRAIGHT, ""): tr(
                "No bend is told from chance: a straight line, with {line:.2f} points of loyalty for a point of "
                "satisfaction, describes these answers, and the data show neither a zone of indifference nor one of "
                "delight."
            ),
            (BENT, ""): tr(
                "The link is not quite a straight line, but it has no break that could be placed: the data show no "
                "zone of indifference or delight. For people not yet seen, the best curve explains {gain:+.1f} "
                "points of R² more than the line."
            ),
            (BENT, STEEPER): tr(
                "Above {at:.1f} ({low:.1f} to {high:.1f}) the link is steeper: {above:.2f} points of loyalty for a "
                "point of satisfaction, and {below:.2f} below. For people not yet seen, the best curve explains "
                "{gain:+.1f} points of R² more than the line."
            ),
            (BENT, FLATTER): tr(
                "Above {at:.1f} ({low:.1f} to {high:.1f}) the link is flatter: {above:.2f} points of loyalty for a "
                "point of satisfaction, and {below:.2f} below. For people not yet seen, the best curve explains "
                "{gain:+.1f} points of R² more than the line."
            ),
        }[(self.verdict, self.zone)]
        said = template.format(
            line=np.polyfit(self.curve["satisfaction"], self.curve["line"], 1)[0],
            at=found["break"],
            low=found["break_low"],
            high=found["break_high"],
            above=found["slope_above"],
            below=found["slope_below"],
            gain=100 * best,
        )
        if self.zone == STEEPER and indifferent:
            said += " " + tr("Below it, satisfaction cannot be told to matter: a zone of indifference.")
        return said


def loyalty_curve(
    answers: pd.DataFrame,
    constructs: Mapping[str, Sequence[str]],
    *,
    satisfaction: str = "satisfaction",
    loyalty: str = "loyalty",
    knots: int = 5,
    folds: int = 10,
    weights: Any = None,
    clusters: Any = None,
    n_boot: int = 1000,
    seed: int,
    level: float = 0.95,
) -> LoyaltyCurve:
    """Find whether the link from satisfaction to loyalty is bent, and where.

    A construct's score is the mean of its items, for who answered at least half of them. Every curve is estimated by
    (weighted) least squares, with errors robust to answers of one person going together, and judged on people it was
    not estimated on.

    Parameters
    ----------
    answers : pandas.DataFrame
        The survey, reversed items already turned round.
    constructs : mapping of str to sequence of str
        Items by construct.
    satisfaction, loyalty : str
        The two constructs.
    knots : int, default 5
        Knots of the spline, from 3: the 5th and 95th percentile of satisfaction and others evenly between [1]_.
    folds : int, default 10
        Into how many parts people are split, each predicted by curves of the others.
    weights : str or array-like of float, shape (n,), optional
        Survey weights.
    clusters : str or array-like, shape (n,), optional
        Who answered: answers of one person go together.
    n_boot : int, default 1000
        Replicates of the test of the break and of its interval, from 2.
    seed : int
        Seed, 0 or more.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    LoyaltyCurve
        The curves, their comparison, and the verdict.

    Raises
    ------
    ParameterError
        If the input is unusable.
    DataFloorError
        If fewer than 100 people answered both, satisfaction has fewer than five different scores, or too few between
        which a break could lie.

    Notes
    -----
    The quadratic term and the bends of the spline are tested by Wald's test. A break that was sought has no such test:
    the largest of the statistics of all breaks is held against those of answers in which the residuals of the line get
    a random sign for each person (wild bootstrap) [2]_ [3]_. Breaks are sought between the 10th and the 90th percentile
    of satisfaction. The interval of the break is by resampling people.

    AIC takes answers for independent, and counts the break as a parameter. A scale that ends bends curves by itself:
    who is at its top cannot go higher, so that some flattening there is to be expected of any survey. Error in the
    items of satisfaction makes the slope too low.

    References
    ----------
    .. [1] Harrell, F. E. (2015). Regression Modeling Strategies, 2nd ed. Springer, section 2.4.
    .. [2] Davies, R. B. (1987). Hypothesis testing when a nuisance parameter is present only under the alternative.
       Biometrika 74(1), 33–43.
    .. [3] Hansen, B. E. (1996). Inference when a nuisance parameter is not identified under the null hypothesis.
       Econometrica 64(2), 413–430.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.uniform(1, 10, 800)
    >>> loyal = 4 + 1.2 * np.maximum(mood - 7, 0) + rng.normal(size=800)
    >>> answers = pd.DataFrame({"s": mood, "l": loyal})
    >>> found = loyalty_curve(answers, {"satisfaction": ["s"], "loyalty": ["l"]}, n_boot=300, seed=7)
    >>> found.verdict, found.zone, float(found.segments["break"].round(1))
    ('bent', 'steeper', 7.0)
    """
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    problems += count_problems("knots", knots, least=3) + count_problems("folds", folds, least=2)
    data = _read(answers, constructs, (satisfaction, loyalty), weights, clusters, problems)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    split, signs, drawn = root.spawn(3)
    people = len(np.unique(data.people))
    curves = _Curves.of(data, knots)
    fits = {model: _fit(curves, model, data, robust=True) for model in MODELS}
    p_values = [
        np.nan,
        float(fits["quadratic"].wald_test(np.eye(3)[2:], use_f=True, scalar=True).pvalue),
        _break_test(curves, data, n_boot, signs),
        float(fits["spline"].wald_test(curves.bends(), use_f=True, scalar=True).pvalue),
    ]
    table = _compared(curves, fits, data, min(folds, people), split, level)
    table["p_value"] = p_values
    segments = _segments(curves, data, n_boot, drawn, level)
    grid = pd.DataFrame({"satisfaction": np.linspace(*np.quantile(data.x, [0.01, 0.99]), _GRID_POINTS)})
    for model in ("line", "segmented", "spline"):
        grid[model] = curves.design(model, grid["satisfaction"].to_numpy()) @ fits[model].params
    grid["spline_low"], grid["spline_high"] = _band(
        curves.design("spline", grid["satisfaction"].to_numpy()), fits["spline"], people, level
    )
    return LoyaltyCurve(table, segments, grid, _points(data, level), len(data.x), people, float(level))


@dataclass(frozen=True)
class _Data:
    """Scores, weights (mean 1) and people, one an answer."""

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    people: np.ndarray

    def part(self, rows: np.ndarray) -> _Data:
        return _Data(self.x[rows], self.y[rows], self.weights[rows], self.people[rows])


def _read(
    answers: Any, constructs: Any, names: tuple[str, str], weights: Any, clusters: Any, problems: list[str]
) -> _Data:
    if not isinstance(answers, pd.DataFrame) or not isinstance(constructs, Mapping):
        raise_problems(_WHERE, [*problems, "answers must be a table, and constructs a mapping of names to items"])
    problems += [
        f"the survey has no construct {name!r}; it has {', '.join(map(str, constructs))}"
        for name in names
        if name not in constructs or not len(constructs[name])
    ]
    if names[0] == names[1]:
        problems.append("satisfaction and loyalty must be two constructs")
    raise_problems(_WHERE, problems)
    problems += missing_columns(answers, [item for name in names for item in constructs[name]], "answers")
    mass, codes = case_weights(answers, weights, problems), cluster_codes(answers, clusters, problems)
    raise_problems(_WHERE, problems)
    x, y = (_score(answers, constructs[name]) for name in names)
    rows = np.flatnonzero(~np.isnan(x) & ~np.isnan(y) & (mass > 0))
    people = np.unique((np.arange(len(answers)) if codes is None else codes)[rows], return_inverse=True)[1]
    if (has := len(np.unique(people))) < FEWEST_PEOPLE:
        raise DataFloorError(
            f"{_WHERE} needs at least {FEWEST_PEOPLE} people who answered on {names[0]} and {names[1]}; this survey "
            f"has {has}."
        )
    if (has := len(np.unique(x[rows]))) < FEWEST_VALUES:
        raise DataFloorError(
            f"{_WHERE} needs at least {FEWEST_VALUES} different scores of {names[0]} to see a bend; this survey has "
            f"{has}."
        )
    if np.ptp(y[rows]) == 0:
        raise DataFloorError(f"{_WHERE}: {names[1]} is the same in every answer.")
    return _Data(x[rows], y[rows], mass[rows] / mass[rows].mean(), people)


def _score(answers: pd.DataFrame, items: Sequence[str]) -> np.ndarray:
    given = answers[list(items)].astype(float)
    enough = given.notna().sum(axis=1) * 2 >= len(items)
    return given.mean(axis=1).where(enough).to_numpy()


@dataclass(frozen=True)
class _Curves:
    """Designs of the curves; break and knots come from the data that they are estimated on."""

    candidates: np.ndarray
    knots: np.ndarray
    at: float

    @classmethod
    def of(cls, data: _Data, knots: int) -> _Curves:
        values = np.unique(data.x)
        # Two different scores at least on each side, so that both slopes are told.
        inner = np.unique(np.quantile(data.x, np.linspace(0.1, 0.9, _CANDIDATES)))
        inner = inner[(inner > values[1] - 1e-12) & (inner < values[-2] + 1e-12)]
        places = np.unique(np.quantile(data.x, np.linspace(0.05, 0.95, knots)))
        if not len(inner) or len(places) < 3:
            raise DataFloorError(
                f"{_WHERE}: most people have one of a few scores of satisfaction, so that no bend can be placed."
            )
        gains = _gains(_moments(data, inner).sum(axis=0)[None])[0]
        return cls(inner, places, float(inner[gains[0].argmax()]))

    def design(self, model: str, x: np.ndarray) -> np.ndarray:
        """Columns of a curve, shape (n, parameters)."""
        line = [np.ones(len(x)), x]
        if model == "quadratic":
            line.append(x**2)
        elif model == "segmented":
            line.append(np.maximum(x - self.at, 0))
        elif model == "spline":
            return self._spline(x)
        return np.column_stack(line)

    def _spline(self, x: np.ndarray) -> np.ndarray:
        """Natural cubic spline; its coefficients are its heights at the knots, and beyond them it is straight."""
        from patsy import dmatrix

        ends = {"x": x, "inner": self.knots[1:-1], "low": self.knots[0], "high": self.knots[-1]}
        return np.asarray(dmatrix("cr(x, knots=inner, lower_bound=low, upper_bound=high) - 1", ends))

    def bends(self) -> np.ndarray:
        """Contrasts of the spline that are zero for a straight line: changes of the slope between knots."""
        steps = np.diff(np.eye(len(self.knots)), axis=0) / np.diff(self.knots)[:, None]
        return np.diff(steps, axis=0)


def _fit(curves: _Curves, model: str, data: _Data, *, robust: bool = False) -> Any:
    import statsmodels.api as sm

    least = sm.WLS(data.y, curves.design(model, data.x), weights=data.weights)
    if not robust:
        return least.fit()
    return least.fit(cov_type="cluster", cov_kwds={"groups": data.people}, use_t=True)


def _compared(
    curves: _Curves, fits: dict[str, Any], data: _Data, folds: int, split: np.random.SeedSequence, level: float
) -> pd.DataFrame:
    """AIC, and errors for people that a curve was not estimated on."""
    from scipy.stats import t
    from sklearn.model_selection import GroupKFold

    missed = np.empty((len(data.x), len(MODELS)))
    state = int(split.generate_state(1)[0])
    for known, unknown in GroupKFold(folds, shuffle=True, random_state=state).split(data.x, groups=data.people):
        part = data.part(known)
        found = _Curves.of(part, len(curves.knots))
        for place, model in enumerate(MODELS):
            fitted = found.design(model, data.x[unknown]) @ _fit(found, model, part).params
            missed[unknown, place] = (data.y[unknown] - fitted) ** 2
    options = {"weights": data.weights, "clusters": data.people}
    spread = np.average((data.y - np.average(data.y, weights=data.weights)) ** 2, weights=data.weights)
    rows = []
    for place, model in enumerate(MODELS):
        gain = sample_mean(missed[:, 0] - missed[:, place], **options)
        reach = t.ppf((1 + level) / 2, gain.units - 1) * gain.std_error
        error = sample_mean(missed[:, place], **options).estimate
        # The break is a parameter too.
        extra = int(model == "segmented")
        rows.append(
            {
                "parameters": fits[model].model.exog.shape[1] + extra,
                "aic": fits[model].aic + 2 * extra,
                "error_out": np.sqrt(error),
                "r_squared_out": 1 - error / spread,
                "gain": gain.estimate / spread,
                "gain_low": (gain.estimate - reach) / spread,
                "gain_high": (gain.estimate + reach) / spread,
            }
        )
    return pd.DataFrame(rows, pd.Index(MODELS, name="model"))


def _moments(data: _Data, candidates: np.ndarray) -> np.ndarray:
    """What is summed for a regression on a break, shape (answers, 5 + 4 · candidates)."""
    x, y, weights = data.x, data.y, data.weights
    hinges = np.maximum(x[:, None] - candidates, 0)
    columns = [
        np.column_stack([np.ones(len(x)), x, x**2, y, x * y]),
        hinges,
        hinges * x[:, None],
        hinges**2,
        hinges * y[:, None],
    ]
    return np.hstack(columns) * weights[:, None]


def _by_person(table: np.ndarray, people: np.ndarray) -> np.ndarray:
    sums = np.zeros((people.max() + 1, table.shape[1]))
    np.add.at(sums, people, table)
    return sums


def _gains(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each break explains beyond the line, change of slope, slope below it; shape (replicates, breaks)."""
    one, x, squares, y, products = sums[:, :5].T[:, :, None]
    hinge, hinge_x, hinges, hinge_y = np.split(sums[:, 5:], 4, axis=1)
    size = one * squares - x**2
    with np.errstate(divide="ignore", invalid="ignore"):
        level, slope = (squares * hinge - x * hinge_x) / size, (one * hinge_x - x * hinge) / size
        own = hinges - level * hinge - slope * hinge_x
        with_y = hinge_y - level * y - slope * products
        change = np.where(own > 1e-9 * hinges, with_y / own, 0.0)
        below = (one * products - x * y) / size - slope * change
    return change * with_y, change, below


def _break_test(curves: _Curves, data: _Data, n_boot: int, seed: np.random.SeedSequence) -> float:
    """p-value of the best of all breaks against the line, by random signs of each person's residuals."""
    line = _fit(curves, "line", data)
    design, hinges = curves.design("line", data.x), np.maximum(data.x[:, None] - curves.candidates, 0)
    weighted = design * data.weights[:, None]
    own = hinges - design @ np.linalg.solve(weighted.T @ design, weighted.T @ hinges)
    scores = _by_person(own * (data.weights * line.resid)[:, None], data.people)
    scores /= np.sqrt((scores**2).sum(axis=0))
    observed = np.abs(scores.sum(axis=0)).max()
    larger = 0
    for child in seed.spawn(n_boot):
        signs = 2.0 * np.random.default_rng(child).integers(0, 2, len(scores)) - 1
        larger += np.abs(signs @ scores).max() >= observed
    return (1 + int(larger)) / (1 + n_boot)


def _segments(curves: _Curves, data: _Data, n_boot: int, seed: np.random.SeedSequence, level: float) -> pd.Series:
    """Break and slopes of the two pieces, with intervals by resampling people."""
    sums = _by_person(_moments(data, curves.candidates), data.people)

    def best(totals: np.ndarray) -> np.ndarray:
        gains, changes, slopes = _gains(totals)
        place = gains.argmax(axis=1)[:, None]
        change, below = (np.take_along_axis(table, place, axis=1)[:, 0] for table in (changes, slopes))
        return np.column_stack([curves.candidates[place[:, 0]], below, below + change, change])

    replicates = best(bootstrap(lambda counts: counts @ sums, len(sums), n_boot=n_boot, seed=seed))
    low, high = percentile_interval(replicates, level=level)
    found = best(sums.sum(axis=0)[None])[0]
    names = ("break", "slope_below", "slope_above", "slope_change")
    numbers = zip(names, found, low, high, strict=True)
    return pd.Series(
        {
            key: value
            for name, *ends in numbers
            for key, value in zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)
        }
    )


def _band(design: np.ndarray, fit: Any, people: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import t

    middle = design @ fit.params
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, fit.cov_params(), design))
    reach = t.ppf((1 + level) / 2, people - 1) * error
    return middle - reach, middle + reach


def _points(data: _Data, level: float) -> pd.DataFrame:
    """Mean loyalty in groups of like satisfaction."""
    values = np.unique(data.x)
    edges = values[1:] if len(values) <= _MOST_POINTS else np.unique(np.quantile(data.x, np.linspace(0, 1, 11))[1:-1])
    groups = np.searchsorted(edges, data.x, side="right")
    rows = []
    for group in np.unique(groups):
        inside = groups == group
        found = sample_mean(np.where(inside, data.y, np.nan), weights=data.weights, clusters=data.people)
        low, high = found.interval(level=level)
        place = np.average(data.x[inside], weights=data.weights[inside])
        rows.append((place, found.estimate, low, high, int(inside.sum())))
    return pd.DataFrame(rows, columns=["satisfaction", "loyalty", "low", "high", "answers"])


def loyalty_curve_table(found: LoyaltyCurve) -> pd.DataFrame:
    """The curves as a table for people.

    Parameters
    ----------
    found : LoyaltyCurve
        From `loyalty_curve`.

    Returns
    -------
    pandas.DataFrame
        One row a place along satisfaction: ``satisfaction``, ``straight line``, ``two pieces``, ``spline``, ``low``,
        ``high`` (band of the spline).
    """
    return found.curve[["satisfaction", "line", "segmented", "spline", "spline_low", "spline_high"]].rename(
        columns={"line": "straight line", "segmented": "two pieces", "spline_low": "low", "spline_high": "high"}
    )


def loyalty_models_table(found: LoyaltyCurve) -> pd.DataFrame:
    """The comparison of the curves as a table for people.

    Parameters
    ----------
    found : LoyaltyCurve
        From `loyalty_curve`.

    Returns
    -------
    pandas.DataFrame
        One row a curve: ``curve``, ``parameters``, ``AIC`` (less that of the line), ``error out of sample``, ``R²
        out of sample``, ``gain`` in R² over the line, ``gain low``, ``gain high``, ``p_value`` against the line.
    """
    words = [tr("straight line"), tr("parabola"), tr("two pieces"), tr("spline")]
    table = found.models.reset_index(drop=True)
    return pd.DataFrame(
        {
            "curve": words,
            "parameters": table["parameters"],
            "AIC": table["aic"] - table["aic"].iloc[0],
            "error out of sample": table["error_out"],
            "R² out of sample": table["r_squared_out"],
            "gain": table["gain"],
            "gain low": table["gain_low"],
            "gain high": table["gain_high"],
            "p_value": table["p_value"],
        }
    )


def plot_loyalty_curve(found: LoyaltyCurve, *, ax: Axes | None = None) -> Axes:
    """Draw loyalty by satisfaction with the line and the spline; `loyalty_curve_table` has the numbers.

    The dots are means of people of like satisfaction, ``found.points``. The break is drawn only where one is told.

    Parameters
    ----------
    found : LoyaltyCurve
        From `loyalty_curve`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    table, points = loyalty_curve_table(found), found.points
    ax = new_axes(ax, figsize=(7.2, 4.2))
    ax.fill_between(
        table["satisfaction"],
        table["low"],
        table["high"],
        color=PALETTE[0],
        alpha=0.2,
        linewidth=0,
        label=tr("spline, {level:.0%} band").format(level=found.level),
    )
    ax.plot(table["satisfaction"], table["spline"], color=PALETTE[0], label=tr("spline"))
    ax.plot(table["satisfaction"], table["straight line"], color=PALETTE[1], linestyle="--", label=tr("straight line"))
    ax.errorbar(
        points["satisfaction"],
        points["loyalty"],
        yerr=[points["loyalty"] - points["low"], points["high"] - points["loyalty"]],
        fmt="o",
        color=PALETTE[6],
        ecolor=MUTED,
        label=tr("mean of people alike"),
    )
    if found.zone:
        segments = found.segments
        ax.axvspan(segments["break_low"], segments["break_high"], color=PALETTE[3], alpha=0.12, linewidth=0)
        ax.axvline(segments["break"], color=PALETTE[3], linewidth=1, label=tr("break, with its interval"))
    ax.legend(loc="upper left")
    ax.set(xlabel=tr("Satisfaction"), ylabel=tr("Loyalty"), title=tr("Is the link from satisfaction to loyalty bent?"))
    ends = table.iloc[[0, -1]]
    return describe(
        ax,
        tr(
            "From satisfaction {x_low:.1f} to {x_high:.1f} loyalty rises from {y_low:.1f} to {y_high:.1f} (spline). "
            "{sentence}"
        ).format(
            x_low=ends["satisfaction"].iloc[0],
            x_high=ends["satisfaction"].iloc[1],
            y_low=ends["spline"].iloc[0],
            y_high=ends["spline"].iloc[1],
            sentence=found.sentence,
        ),
    )
