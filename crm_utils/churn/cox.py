"""What goes with leaving sooner: Cox's proportional hazards model and the check of its assumption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, count_problems, first_rows, level_problems, missing_columns, raise_problems
from crm_utils.churn.concordance import Concordance, concordance_index
from crm_utils.errors import ConvergenceError, DataFloorError, did_you_mean
from crm_utils.intervals import person_codes
from crm_utils.language import plain_zero, tr
from crm_utils.plotting import MUTED, PALETTE, describe, draw_intervals, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from statsmodels.duration.hazard_regression import PHReg

_TIES = ("efron", "breslow")
_TRANSFORMS = ("km", "rank", "identity", "log")
_EVENTS_A_COVARIATE = 5
_EVENTS_A_DOT, _MOST_DOTS = 10, 40
_SEARCH_STEPS, _HALVINGS = 100, 40
# A step that hardly raises the likelihood is the last of the search, or, if it is long, one of a way without an end.
_LAST_GAIN, _LONG_STEP = 1e-10, 1e-3
# Where the log hazard of a row jumps further in one step, sums over risk sets may lose all their digits.
_FURTHEST = 10.0
# Smallest share of the information, of its greatest, in a direction of which something is known.
_NOTHING_KNOWN = 1e-10


@dataclass(frozen=True, eq=False)
class CoxResults:
    """A fitted proportional hazards model.

    Attributes
    ----------
    coefficients : pandas.DataFrame
        ``covariate``, ``coefficient`` (log hazard ratio per unit), ``std_error``, ``hazard_ratio``, ``low``, ``high``
        (of the hazard ratio), ``z``, ``p_value``.
    rows, events : int
        Rows used and how many of them ended.
    left_out : int
        Rows left out for a missing value.
    log_likelihood : float
        Partial log-likelihood.
    ties : str
        How ties are handled.
    strata : str or None
        Column of the strata.
    clusters : str or None
        Column by which the errors are clustered; the errors are then robust.
    level : float
        Confidence level.
    """

    coefficients: pd.DataFrame
    rows: int
    events: int
    left_out: int
    log_likelihood: float
    ties: str
    strata: str | None
    clusters: str | None
    level: float
    _data: _CoxData

    @property
    def params(self) -> pd.Series:
        """Coefficients by covariate."""
        return self.coefficients.set_index("covariate")["coefficient"]

    def summary_frame(self) -> pd.DataFrame:
        """Coefficients with errors, hazard ratios with intervals and p-values, one row a covariate."""
        return self.coefficients.copy()

    @cached_property
    def concordance(self) -> Concordance:
        """How often the one who leaves first has the higher estimated hazard (Harrell's C), with its interval."""
        data = self._data
        return concordance_index(
            data.duration,
            data.event,
            data.x @ self.params.to_numpy(),
            entry=data.entry,
            strata=data.strata,
            clusters=data.clusters,
            level=self.level,
        )

    @cached_property
    def baseline_survival(self) -> pd.DataFrame:
        """Survival of somebody with every covariate at its mean.

        ``stratum``, ``time``, ``hazard`` (in the step at this time), ``cumulative_hazard`` and ``survival``; Breslow's
        estimator, at each time with an event.
        """
        data = self._data
        risk = np.exp((data.x - data.x.mean(axis=0)) @ self.params.to_numpy())
        frames = []
        for name, rows in data.layers():
            times = np.unique(data.duration[rows][data.event[rows]])
            if not len(times):
                continue
            at_risk = _sum_at_risk(times, data.duration[rows], data.entry[rows], risk[rows][:, None])[:, 0]
            events = np.searchsorted(np.sort(data.duration[rows][data.event[rows]]), times, side="right")
            hazard = np.diff(events, prepend=0) / at_risk
            frames.append(
                pd.DataFrame(
                    {
                        "stratum": name,
                        "time": times,
                        "hazard": hazard,
                        "cumulative_hazard": np.cumsum(hazard),
                        "survival": np.exp(-np.cumsum(hazard)),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def predict_hazard_ratio(self, frame: pd.DataFrame) -> pd.Series:
        """Hazard of each row against somebody with every covariate at its mean.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows with the covariates.

        Returns
        -------
        pandas.Series of float
            ``hazard_ratio``, with the index of `frame`; NaN where a covariate is missing.
        """
        names = self.params.index.tolist()
        raise_problems("CoxResults.predict_hazard_ratio", missing_columns(frame, names, "frame"))
        values = frame[names].to_numpy(dtype=float, na_value=np.nan)
        log_ratio = (values - self._data.x.mean(axis=0)) @ self.params.to_numpy()
        return pd.Series(np.exp(log_ratio), frame.index, name="hazard_ratio")

    def proportional_hazards(self, transform: str = "km") -> pd.DataFrame:
        """Test whether hazard ratios stay the same over time (Grambsch & Therneau).

        Scaled Schoenfeld residuals estimate how far each coefficient lies from its mean at each event; where they go
        up or down with time, the hazards are not proportional. Events of the same time share the mean that Efron's
        weighting gives them, where the model has Efron's ties. The model's errors are used, also where it has robust
        ones besides.

        Parameters
        ----------
        transform : {"km", "rank", "identity", "log"}, default "km"
            Scale of time: 1 − Kaplan–Meier, rank of the event, time itself or its logarithm.

        Returns
        -------
        pandas.DataFrame
            One row a covariate and a last one "(all together)": ``covariate``, ``correlation`` (of residuals and time;
            NaN in the last), ``chi2``, ``df``, ``p_value``.

        References
        ----------
        Grambsch, P. M. & Therneau, T. M. (1994). Proportional hazards tests and diagnostics based on weighted
        residuals. *Biometrika* 81(3), 515–526, equation (3.3), with the mean variance matrix, as ``cox.zph`` of R's
        survival before version 3.
        """
        from scipy.stats import chi2

        if transform not in _TRANSFORMS:
            problem = f"transform must be one of {list(_TRANSFORMS)}, and is {transform!r}"
            raise_problems("CoxResults.proportional_hazards", [problem])
        residuals, times = _schoenfeld(self._data, self.params.to_numpy(), self.ties)
        scale = _time_scale(self._data, times, transform)
        scale = scale - scale.mean()
        spread, events, variance = scale @ scale, len(times), self._data.model_variance
        if not spread > 0:
            raise DataFloorError("CoxResults.proportional_hazards needs events at two times at least; all are at one.")
        score = scale @ residuals
        slope = events * variance @ score
        scaled = events * residuals @ variance
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = scale @ (scaled - scaled.mean(axis=0)) / np.sqrt(spread * events * scaled.var(axis=0))
        each = slope**2 / (events * np.diag(variance) * spread)
        together = events * score @ variance @ score / spread
        statistics = np.append(each, together)
        degrees = np.append(np.ones(len(each), dtype=int), len(each))
        return pd.DataFrame(
            {
                "covariate": [*self.params.index, tr("(all together)")],
                "correlation": np.append(correlation, np.nan),
                "chi2": statistics,
                "df": degrees,
                "p_value": chi2.sf(statistics, degrees),
            }
        )

    def scaled_residuals(self) -> pd.DataFrame:
        """Scaled Schoenfeld residuals plus the coefficient, one row an event: ``time`` and a column a covariate.

        A smooth line through a column, as `coefficient_over_time` has it, shows how the coefficient changes over time.
        """
        residuals, times = _schoenfeld(self._data, self.params.to_numpy(), self.ties)
        scaled = len(times) * residuals @ self._data.model_variance + self.params.to_numpy()
        return pd.concat(
            [pd.DataFrame({"time": times}), pd.DataFrame(scaled, columns=self.params.index.tolist())], axis=1
        )

    def plot_hazard_ratios(self, *, ax: Axes | None = None) -> Axes:
        """Draw hazard ratios with their intervals on a log scale; `summary_frame` holds the numbers.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        return draw_ratios(self.coefficients, tr("hazard ratio per unit"), tr("Who leaves sooner"), ax)

    def coefficient_over_time(
        self, covariate: str | None = None, *, transform: str = "km", knots: int = 4
    ) -> pd.DataFrame:
        """Smooth the scaled Schoenfeld residuals of a covariate: how its coefficient changes over time.

        A natural cubic spline in the transformed time is fitted to the residuals plus the coefficient. Where the
        hazards are proportional, each of these has the variance of the coefficient times the number of events, and
        the interval follows from that.

        Parameters
        ----------
        covariate : str, optional
            Which one. Default: the one with the smallest p-value in `proportional_hazards`.
        transform : {"km", "rank", "identity", "log"}, default "km"
            Scale of time, as in `proportional_hazards`.
        knots : int, default 4
            Knots of the spline, from 2 (a straight line), at even shares of the events; with ties there are fewer.

        Returns
        -------
        pandas.DataFrame
            One row a time with events: ``time``, ``events``, ``coefficient`` (smooth), ``low``, ``high`` (pointwise, at
            the level of the model). ``attrs["covariate"]`` says of which.

        Raises
        ------
        ParameterError
            If the covariate is none of the model's, or an option is unusable: every problem.
        DataFloorError
            If all events are at one time.

        References
        ----------
        Grambsch, P. M. & Therneau, T. M. (1994). *Biometrika* 81(3), 515–526. Therneau, T. M. & Grambsch, P. M. (2000).
        Modeling Survival Data: Extending the Cox Model. Springer, section 6.2, as ``plot.cox.zph`` of R's survival.

        Examples
        --------
        The effect of a discount on new members ends after six months.

        >>> rng = np.random.default_rng(7)
        >>> discount, months = rng.integers(0, 2, 2000), rng.exponential(20, 2000)
        >>> early = rng.exponential(20 * np.exp(discount))
        >>> months = np.ceil(np.where(early < 6, early, 6 + months))
        >>> frame = pd.DataFrame({"discount": discount, "months": months, "left": True})
        >>> curve = cox_model(frame, "months", "left", ["discount"]).coefficient_over_time()
        >>> curve["coefficient"].iloc[[0, -1]].round(1).tolist()
        [-1.1, -0.2]
        """
        from scipy.interpolate import CubicSpline
        from scipy.stats import norm

        where = "CoxResults.coefficient_over_time"
        problems = self._covariate_problems(covariate) + count_problems("knots", knots, least=2)
        if transform not in _TRANSFORMS:
            problems.append(f"transform must be one of {list(_TRANSFORMS)}, and is {transform!r}")
        raise_problems(where, problems)
        residuals, times = _schoenfeld(self._data, self.params.to_numpy(), self.ties)
        scale = _time_scale(self._data, times, transform)
        # Knots at times of events, so that each of them is known.
        ends = np.unique(np.quantile(scale, np.linspace(0, 1, knots), method="closest_observation"))
        if len(ends) < 2:
            raise DataFloorError(f"{where} needs events at two times at least; all are at one.")
        name = self._least_proportional(transform) if covariate is None else covariate
        number, events, variance = self.params.index.get_loc(name), len(times), self._data.model_variance
        basis = CubicSpline(ends, np.eye(len(ends)), bc_type="natural")(scale)
        q = np.linalg.qr(basis)[0]
        along = events * residuals @ variance[:, number] + self.params[name]
        moments, first, count = np.unique(times, return_index=True, return_counts=True)
        smooth = q[first] @ (q.T @ along)
        error = np.sqrt(events * variance[number, number] * (q[first] ** 2).sum(axis=1))
        reach = norm.ppf((1 + self.level) / 2) * error
        table = pd.DataFrame(
            {
                "time": moments,
                "events": count,
                "coefficient": smooth,
                "low": smooth - reach,
                "high": smooth + reach,
            }
        )
        table.attrs["covariate"] = name
        return table

    def plot_proportional_hazards(
        self, covariate: str | None = None, *, unit: str = "months", transform: str = "km", ax: Axes | None = None
    ) -> Axes:
        """Draw how the coefficient of a covariate changes over time; `coefficient_over_time` holds the numbers.

        Dots are scaled Schoenfeld residuals plus the coefficient, each the mean of ten or so who left about then:
        single ones of a flag lie in two bands far from the line. Where the smooth line goes up or down beyond its band,
        the hazards are not proportional. The title says so where the test of `proportional_hazards` does; where the
        covariate was chosen for its p-value, that is multiplied by the number of covariates (Bonferroni).

        Parameters
        ----------
        covariate : str, optional
            Which one. Default: the one with the smallest p-value.
        unit : str, default "months"
            Unit of the durations, for the axis.
        transform : {"km", "rank", "identity", "log"}, default "km"
            Scale of time of the test and the smooth.
        ax : matplotlib.axes.Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.

        Raises
        ------
        ParameterError, DataFloorError
            As `coefficient_over_time`.
        """
        curve = self.coefficient_over_time(covariate, transform=transform)
        name = curve.attrs["covariate"]
        test = self.proportional_hazards(transform).set_index("covariate").loc[name]
        p_value = float(test["p_value"]) * (len(self.params) if covariate is None else 1)
        single = self.scaled_residuals()[["time", name]]
        # Events of one time stay together.
        size = max(len(single) / _MOST_DOTS, _EVENTS_A_DOT)
        dots = single.groupby((single["time"].rank(method="min") - 1) // size).mean()
        label, constant = str(name).replace("_", " "), float(self.params[name])
        ax = new_axes(ax)
        ax.plot(dots["time"], dots[name], "o", color=MUTED, markersize=4, label=tr("mean of who left then"))
        ax.axhline(0, color=MUTED, linewidth=1)
        ax.axhline(constant, color=PALETTE[3], linestyle="--", label=tr("one coefficient for all times"))
        ax.plot(curve["time"], curve["coefficient"], color=PALETTE[0], label=tr("as it changes"))
        ax.fill_between(curve["time"], curve["low"], curve["high"], color=PALETTE[0], alpha=0.18, linewidth=0)
        ax.set_xlabel(tr(unit))
        ax.set_ylabel(tr("coefficient (log hazard ratio)"))
        shape = _change_in_words(curve, p_value, 1 - self.level)
        ax.set_title(shape.format(name=label), parse_math=False)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
        text = tr(
            "Line of the coefficient of {name} over time, with its band and dots for who left: from {first} at "
            "{start:,.0f} to {last} at {end:,.0f} {unit}; {constant} if it stays the same. {shape} "
            "(p = {p_value:.2g})."
        )
        first, last = curve.iloc[0], curve.iloc[-1]
        return describe(
            ax,
            text.format(
                name=label,
                first=plain_zero(f"{first['coefficient']:.2f}"),
                start=first["time"],
                last=plain_zero(f"{last['coefficient']:.2f}"),
                end=last["time"],
                unit=tr(unit),
                constant=plain_zero(f"{constant:.2f}"),
                shape=shape.format(name=label),
                p_value=min(p_value, 1.0),
            ),
        )

    def _covariate_problems(self, covariate: str | None) -> list[str]:
        names = self.params.index.tolist()
        if covariate is None or covariate in names:
            return []
        return [f"covariate must be one of the model's, and is {covariate!r}{did_you_mean(covariate, names)}"]

    def _least_proportional(self, transform: str) -> str:
        test = self.proportional_hazards(transform).iloc[:-1]
        return test["covariate"].iloc[int(test["p_value"].argmin())]


@dataclass(frozen=True, eq=False)
class _CoxData:
    """What a model was fitted to, in the order of the rows used."""

    duration: np.ndarray
    event: np.ndarray
    entry: np.ndarray
    x: np.ndarray
    strata: np.ndarray | None
    strata_names: list
    clusters: np.ndarray | None
    model_variance: np.ndarray

    def layers(self) -> list[tuple[Any, np.ndarray]]:
        """Name and rows of each stratum."""
        if self.strata is None:
            return [(tr("all"), np.arange(len(self.duration)))]
        return [(name, np.flatnonzero(self.strata == code)) for code, name in enumerate(self.strata_names)]


def cox_model(
    frame: pd.DataFrame,
    duration_col: str,
    event_col: str,
    covariates: Sequence[str],
    *,
    ties: str = "efron",
    strata: str | None = None,
    entry_col: str | None = None,
    clusters: str | None = None,
    level: float = 0.95,
) -> CoxResults:
    """Fit Cox's proportional hazards model: which characteristics go with leaving sooner.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a member; or a row for each stretch of time in which the covariates stay the same, with `entry_col` and
        `clusters`. Rows with a missing value are left out and counted. Covariates must be known at the start of the
        row: what only shows while somebody leaves would explain itself.
    duration_col : str
        Column of the duration (end of the row), 0 or more.
    event_col : str
        Column of whether it ended then (True/False, 1/0).
    covariates : sequence of str
        Columns of numbers or flags; make dummies of classes first.
    ties : {"efron", "breslow"}, default "efron"
        How events at the same time are handled.
    strata : str, optional
        Column of groups with a baseline of their own, such as a covariate whose hazards are not proportional.
    entry_col : str, optional
        Column of the duration at which a row comes under observation; it is at risk after it, up to the duration.
    clusters : str, optional
        Column of what rows belong together, such as the customer: the errors are then robust, and clustered by it.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    CoxResults
        The maximum of the partial likelihood of `statsmodels.duration.hazard_regression.PHReg`. It is searched for by
        Newton's steps, each halved until the likelihood rises.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, or a covariate does not vary or is a combination of others: every problem.
    DataFloorError
        If there are fewer than five events a covariate (Vittinghoff & McCulloch 2007).
    ConvergenceError
        If no estimate exists, since a covariate separates those who left from the others or, among those at risk at
        the same time, is a combination of others; or if the search does not end.

    References
    ----------
    Cox, D. R. (1972). Regression models and life-tables. *JRSS B* 34(2), 187–220. Efron, B. (1977). The efficiency of
    Cox's likelihood function for censored data. *JASA* 72(359), 557–565. Vittinghoff, E. & McCulloch, C. E. (2007).
    Relaxing the rule of ten events per variable in logistic and Cox regression. *American Journal of Epidemiology*
    165(6), 710–718. Lin, D. Y. & Wei, L. J. (1989). The robust inference for the Cox proportional hazards model. *JASA*
    84(408), 1074–1078.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> frame = pd.DataFrame({"gold": rng.integers(0, 2, 400)})
    >>> frame["months"] = np.ceil(rng.exponential(10 * np.exp(0.7 * frame["gold"])))
    >>> frame["left"] = True
    >>> cox_model(frame, "months", "left", ["gold"]).params.round(1).to_dict()
    {'gold': -0.6}
    """
    where = "cox_model"
    used, names, left_out = _read(
        where, frame, duration_col, event_col, covariates, ties, strata, entry_col, clusters, level
    )
    from scipy.stats import norm
    from statsmodels.duration.hazard_regression import PHReg

    duration, event, x = used["duration"].to_numpy(), used["event"].to_numpy() == 1, used[names].to_numpy()
    entry = used["entry"].to_numpy()
    if event.sum() < _EVENTS_A_COVARIATE * len(names):
        raise DataFloorError(
            f"{where} needs at least {_EVENTS_A_COVARIATE} members who left for each covariate, "
            f"{_EVENTS_A_COVARIATE * len(names)} for {len(names)}; there are {event.sum():,}. Take fewer covariates."
        )
    layer, layer_names = (None, []) if strata is None else pd.factorize(used["strata"], sort=True)
    groups = None if clusters is None else person_codes(used["clusters"])
    if groups is not None and len(np.unique(groups)) <= len(names):
        raise DataFloorError(
            f"{where} needs more clusters than covariates ({len(names)}) for robust errors; "
            f"there are {len(np.unique(groups))} in {clusters}."
        )
    # Standardised for the search only; Newton's steps are then of one size.
    centre, scale = x.mean(axis=0), x.std(axis=0)
    # statsmodels has a row at risk at its time of entry; a row that ends there would be counted with the next one.
    after = np.where(entry > 0, np.nextafter(entry, np.inf), 0.0)
    model = PHReg(
        duration,
        (x - centre) / scale,
        status=event.astype(int),
        entry=after if entry.any() else None,
        strata=layer,
        ties=ties,
    )
    params, information = _maximum(where, model, names)
    model_variance = np.linalg.inv(information) / np.outer(scale, scale)
    coefficient = params / scale
    data = _CoxData(duration, event, entry, x, layer, list(layer_names), groups, model_variance)
    variance = model_variance if groups is None else _robust_variance(data, coefficient, ties)
    error = np.sqrt(np.diag(variance))
    reach = norm.ppf((1 + level) / 2) * error
    table = pd.DataFrame(
        {
            "covariate": names,
            "coefficient": coefficient,
            "std_error": error,
            "hazard_ratio": np.exp(coefficient),
            "low": np.exp(coefficient - reach),
            "high": np.exp(coefficient + reach),
            "z": coefficient / error,
            "p_value": 2 * norm.sf(np.abs(coefficient / error)),
        }
    )
    return CoxResults(
        coefficients=table,
        rows=len(used),
        events=int(event.sum()),
        left_out=left_out,
        log_likelihood=float(model.loglike(params)),
        ties=ties,
        strata=strata,
        clusters=clusters,
        level=level,
        _data=data,
    )


def _maximum(where: str, model: PHReg, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the standardised covariates at the maximum of the likelihood, and the information there."""
    params = np.zeros(len(names))
    with np.errstate(all="ignore"):
        likelihood = model.loglike(params)
        for _ in range(_SEARCH_STEPS):
            information = -model.hessian(params)
            known, directions = np.linalg.eigh(information)
            if not known[0] > _NOTHING_KNOWN * known[-1]:
                raise _no_estimate(where, names, directions[:, 0])
            score = model.score(params)
            step = np.linalg.solve(information, score)
            if score @ step / 2 <= _LAST_GAIN * (1 + abs(likelihood)):
                if np.abs(step).max() > _LONG_STEP:
                    raise _no_estimate(where, names, step)
                return params + step, -model.hessian(params + step)
            step = step * min(1.0, _FURTHEST / np.abs(model.exog @ step).max())
            # The likelihood is concave: a step that is short enough raises it. Newton's own may go far past the top.
            for _ in range(_HALVINGS):
                reached = model.loglike(params + step)
                if np.isfinite(reached) and reached > likelihood:
                    break
                step = step / 2
            else:
                break
            params, likelihood = params + step, reached
    raise ConvergenceError(
        f"{where}: the search for the estimates of {', '.join(map(str, names))} did not end. Take logarithms of what "
        "has values far from all others, or fewer covariates."
    )


def _no_estimate(where: str, names: list[str], direction: np.ndarray) -> ConvergenceError:
    """Error that names the covariates of a direction in which the likelihood has no single maximum."""
    share = np.abs(direction) / np.abs(direction).max()
    shown = [str(name) for name, part in zip(names, share, strict=True) if part > 0.1]
    return ConvergenceError(
        f"{where}: no estimate exists for {', '.join(shown)}: it separates those who left from the others, or goes "
        "together with another covariate among those at risk at the same time. Leave it out, or join its classes."
    )


def _read(
    where: str,
    frame: pd.DataFrame,
    duration_col: str,
    event_col: str,
    covariates: Sequence[str],
    ties: str,
    strata: str | None,
    entry_col: str | None,
    clusters: str | None,
    level: float,
) -> tuple[pd.DataFrame, list[str], int]:
    """Rows without a missing value, names of covariates and how many rows were left out; or every problem."""
    if not isinstance(frame, pd.DataFrame):
        raise_problems(where, [f"frame must be a table, and is {type(frame).__name__}"])
    names = [covariates] if isinstance(covariates, str) else list(covariates)
    problems = level_problems(level)
    if ties not in _TIES:
        problems.append(f"ties must be one of {list(_TIES)}, and is {ties!r}")
    if not names or len(set(names)) < len(names):
        problems.append(f"covariates must be one column or more, each once, and are {names}")
    others = [name for name in (strata, entry_col, clusters) if name is not None]
    problems += missing_columns(frame, [duration_col, event_col, *names, *others], "frame")
    raise_problems(where, problems)
    needed = frame[list(dict.fromkeys([duration_col, event_col, *names, *others]))]
    complete = needed.notna().all(axis=1).to_numpy()
    kept = needed[complete]
    used = pd.DataFrame(
        {
            name: as_numbers(kept[column], f"frame.{column}", problems)
            for name, column in (("duration", duration_col), ("event", event_col), *((name, name) for name in names))
        }
    )
    used["entry"] = 0.0 if entry_col is None else as_numbers(kept[entry_col], f"frame.{entry_col}", problems)
    for name, column in (("strata", strata), ("clusters", clusters)):
        if column is not None:
            used[name] = kept[column].to_numpy()
    raise_problems(where, problems)
    if (negative := (used["duration"] < 0).to_numpy()).any():
        problems.append(
            f"frame.{duration_col} must not be negative, and {negative.sum():,} are (rows "
            f"{first_rows(negative, kept.index)}); correct the dates"
        )
    if not set(used["event"].unique()) <= {0.0, 1.0}:
        problems.append(f"frame.{event_col} must be True or False (1 or 0)")
    if (late := (used["entry"] < 0) | ((used["entry"] >= used["duration"]) & (used["entry"] > 0))).any():
        problems.append(
            f"frame.{entry_col} must be from 0 to below {duration_col}, and {late.sum():,} are not "
            f"(rows {first_rows(late.to_numpy(), kept.index)})"
        )
    raise_problems(where, problems)
    if len(used):
        problems += _design_problems(used[names].to_numpy(), names)
    raise_problems(where, problems)
    return used, names, int((~complete).sum())


def _design_problems(x: np.ndarray, names: list[str]) -> list[str]:
    """Say which covariates do not vary, or are combinations of others."""
    still = [name for name, spread in zip(names, np.ptp(x, axis=0), strict=True) if not spread > 0]
    if still:
        return [f"the covariates {', '.join(still)} are the same in every row; leave them out"]
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    found = [0]
    for column in range(1, x.shape[1]):
        if np.linalg.matrix_rank(standard[:, [*found, column]]) == len(found):
            return [f"the covariate {names[column]} is a combination of the others before it; leave one out"]
        found.append(column)
    return []


def _sum_at_risk(times: np.ndarray, duration: np.ndarray, entry: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of `values` over the rows at risk at each time: entered before it, and not gone before it."""

    def later(moments: np.ndarray) -> np.ndarray:
        order = np.argsort(moments, kind="stable")
        sums = np.concatenate([values[order][::-1].cumsum(axis=0)[::-1], np.zeros((1, values.shape[1]))])
        return sums[np.searchsorted(moments[order], times, side="left")]

    total = later(duration)
    if entry.any():
        total = total - later(np.where(entry > 0, entry, -1.0))
    return total


@dataclass(frozen=True, eq=False)
class _Layer:
    """Risk sets of one stratum, by time of events."""

    rows: np.ndarray
    dead: np.ndarray
    times: np.ndarray
    place: np.ndarray  # of each dead row among the times
    mean: np.ndarray  # of the covariates, weighted by the hazard
    hazard: np.ndarray  # step for those who stay, and the same times the mean
    hazard_mean: np.ndarray
    spared: np.ndarray  # what those who leave have less of both
    spared_mean: np.ndarray


def _risk_sets(data: _CoxData, x: np.ndarray, risk: np.ndarray, ties: str) -> list[_Layer]:
    """Means and steps of the hazard at each time with events, shared among tied ones as the model does."""
    weighted = np.column_stack([risk, risk[:, None] * x])
    layers = []
    for _, rows in data.layers():
        dead = rows[data.event[rows]]
        if not len(dead):
            continue
        times, place, count = np.unique(data.duration[dead], return_inverse=True, return_counts=True)
        at_risk = _sum_at_risk(times, data.duration[rows], data.entry[rows], weighted[rows])
        tied = np.zeros_like(at_risk)
        np.add.at(tied, place, weighted[dead])
        mean, steps = np.zeros((len(times), x.shape[1])), np.zeros((4, len(times), x.shape[1]))
        # Efron takes the tied ones out of the risk set one by one, each time a further share of all of them.
        for step in range(int(count.max()) if ties == "efron" else 1):
            more = count > step
            share = step / count[more] if ties == "efron" else np.zeros(more.sum())
            times_counted = 1.0 if ties == "efron" else count[more][:, None]
            left = at_risk[more] - share[:, None] * tied[more]
            now = left[:, 1:] / left[:, :1]
            mean[more] += now * times_counted / count[more][:, None]
            each = times_counted / left[:, :1]
            for number, part in enumerate((each, each * now, share[:, None] * each, share[:, None] * each * now)):
                steps[number, more] += part
        layers.append(_Layer(rows, dead, times, place, mean, *steps))
    return layers


def _schoenfeld(data: _CoxData, params: np.ndarray, ties: str) -> tuple[np.ndarray, np.ndarray]:
    """Schoenfeld residuals and times of the events, in the order of time."""
    x = data.x - data.x.mean(axis=0)
    layers = _risk_sets(data, x, np.exp(x @ params), ties)
    times = np.concatenate([data.duration[layer.dead] for layer in layers])
    residuals = np.concatenate([x[layer.dead] - layer.mean[layer.place] for layer in layers])
    order = np.argsort(times, kind="stable")
    return residuals[order], times[order]


def _robust_variance(data: _CoxData, params: np.ndarray, ties: str) -> np.ndarray:
    """Lin and Wei's variance from score residuals, added up by cluster.

    statsmodels takes the residuals of Breslow's likelihood also where the fit is Efron's: with monthly data, where most
    events are tied, its errors are a tenth too small.
    """
    x = data.x - data.x.mean(axis=0)
    risk = np.exp(x @ params)
    score = np.zeros_like(x)
    for layer in _risk_sets(data, x, risk, ties):
        rows, zero = layer.rows, np.zeros((1, x.shape[1]))
        last = np.searchsorted(layer.times, data.duration[rows], side="right")
        first = np.where(data.entry[rows] > 0, np.searchsorted(layer.times, data.entry[rows], side="right"), 0)
        hazard, hazard_mean = (
            np.concatenate([zero, np.cumsum(part, axis=0)]) for part in (layer.hazard, layer.hazard_mean)
        )
        exposed = x[rows] * (hazard[last] - hazard[first]) - (hazard_mean[last] - hazard_mean[first])
        score[rows] -= risk[rows][:, None] * exposed
        dead, place = layer.dead, layer.place
        spared = x[dead] * layer.spared[place] - layer.spared_mean[place]
        score[dead] += x[dead] - layer.mean[place] + risk[dead][:, None] * spared
    influence = score @ data.model_variance
    summed = np.zeros((int(data.clusters.max()) + 1, x.shape[1]))
    np.add.at(summed, data.clusters, influence)
    return summed.T @ summed


def _time_scale(data: _CoxData, times: np.ndarray, transform: str) -> np.ndarray:
    if transform == "rank":
        return pd.Series(times).rank().to_numpy()
    if transform == "identity":
        return times
    if transform == "log":
        return np.log(times)
    from statsmodels.duration.survfunc import SurvfuncRight

    late = np.where(data.entry > 0, data.entry, -1.0) if data.entry.any() else None
    curve = SurvfuncRight(data.duration, data.event.astype(int), entry=late)
    before = np.concatenate([[1.0], curve.surv_prob[:-1]])
    return 1 - before[np.searchsorted(curve.surv_times, times)]


def _change_in_words(curve: pd.DataFrame, p_value: float, limit: float) -> str:
    """Template of what the smooth shows, from its means over the first and the last third of the events."""
    if not p_value < limit:
        return tr("No sign that the effect of {name} changes over time")
    middle = (curve["events"].cumsum() - curve["events"] / 2) / curve["events"].sum()
    first, last = middle <= max(1 / 3, middle.min()), middle >= min(2 / 3, middle.max())
    early, late = (
        np.average(part[["coefficient", "low", "high"]], axis=0, weights=part["events"])
        for part in (curve[first], curve[last])
    )
    if early[0] * late[0] < 0 and min(early[1] * early[2], late[1] * late[2]) > 0:
        return tr("The effect of {name} turns round over time")
    if abs(late[0]) < abs(early[0]):
        return tr("The effect of {name} weakens over time")
    return tr("The effect of {name} grows over time")


def draw_ratios(table: pd.DataFrame, label: str, title: str, ax: Axes | None) -> Axes:
    """Draw the ratios of a table of coefficients (covariate, hazard_ratio, low, high) on a log scale."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    ax = new_axes(ax, figsize=(7.2, 0.42 * len(table) + 1.4))
    ax.set_xscale("log")
    names = [str(name).replace("_", " ") for name in table["covariate"]]
    draw_intervals(ax, names, table["hazard_ratio"], table["low"], table["high"])
    ax.axvline(1, color=PALETTE[-1], linewidth=1, linestyle="--")
    low, high = ax.get_xlim()
    # On a short stretch powers of ten would leave one tick or none.
    ax.xaxis.set_major_locator(MaxNLocator(5) if high < 5 * low else LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label)
    ax.set_title(title)
    text = "; ".join(
        f"{name} {ratio:.2f} ({low:.2f}–{high:.2f})"
        for name, ratio, low, high in zip(names, table["hazard_ratio"], table["low"], table["high"], strict=True)
    )
    return describe(ax, tr("Dots with intervals on a log scale, with a line at 1: {text}.").format(text=text))
