"""How long members stay: Kaplan–Meier curves, the log-rank test, and competing reasons for leaving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, first_rows, index_problems, level_problems, raise_problems
from crm_utils.errors import DataFloorError
from crm_utils.language import tr
from crm_utils.plotting import MUTED, PALETTE, describe, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_EVERYBODY = "all"
_AT_RISK_TIMES = 6
_AFTER_THAT = "Take only durations above that: the result is then of members who had lasted so long."


@dataclass(frozen=True, eq=False)
class SurvivalCurves:
    """Kaplan–Meier estimates, one curve a group.

    Attributes
    ----------
    curves : pandas.DataFrame
        ``group``, ``time``, ``at_risk`` (just before), ``events``, ``survival`` (just after), ``low``, ``high``: a row
        for time 0 and for each time with an event.
    medians : pandas.DataFrame
        ``group``, ``members``, ``events``, ``median`` (time by which half have left), ``low``, ``high``; NaN where
        fewer than half have left, and for an end of the interval that lies beyond what was seen.
    ends : dict
        Group → longest duration, up to which its curve is known.
    level : float
        Confidence level.
    """

    curves: pd.DataFrame
    medians: pd.DataFrame
    ends: dict[Any, float]
    level: float
    _members: dict[Any, tuple[np.ndarray, np.ndarray]]

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Read the curves at given times.

        Parameters
        ----------
        times : sequence of float
            Times from 0.

        Returns
        -------
        pandas.DataFrame
            ``group``, ``time``, ``at_risk``, ``survival``, ``low``, ``high``; NaN past the longest duration of a group.
        """
        problems: list[str] = []
        asked = as_numbers(times, "times", problems)
        if not problems and (asked < 0).any():
            problems.append("times must not be negative")
        raise_problems("SurvivalCurves.at", problems)
        frames = []
        for group, curve in self.curves.groupby("group", sort=False, observed=True):
            row = curve.iloc[np.searchsorted(curve["time"].to_numpy(), asked, side="right") - 1]
            duration, entry = self._members[group]
            frame = pd.DataFrame({"group": group, "time": asked})
            frame["at_risk"] = [int(((duration >= time) & ((entry < time) | (entry == 0))).sum()) for time in asked]
            known = asked <= self.ends[group]
            for name in ("survival", "low", "high"):
                frame[name] = np.where(known, row[name].to_numpy(), np.nan)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)


def kaplan_meier(
    durations: Any, events: Any, *, groups: Any = None, entry: Any = None, level: float = 0.95
) -> SurvivalCurves:
    """Estimate the share that is still there after each time, from ended and running memberships (Kaplan–Meier).

    Parameters
    ----------
    durations : array-like of float, shape (n,)
        How long each has lasted, in one unit, 0 or more; as from `membership_spells`.
    events : array-like of bool, shape (n,)
        Whether it ended then (True) or was still running (False).
    groups : array-like, shape (n,), optional
        Group of each; who has none is left out.
    entry : array-like of float, shape (n,), optional
        Duration from which each was under observation (left truncation); 0 for the start. Who enters late counts as at
        risk only after that. Where nobody is seen from the start, the curve is of members who had lasted until the
        earliest entry.
    level : float, default 0.95
        Confidence level of the pointwise intervals (Greenwood's error on the scale log(−log S)) and of the median.

    Returns
    -------
    SurvivalCurves
        Curves and medians, from `statsmodels.duration.survfunc.SurvfuncRight`.

    Raises
    ------
    ParameterError
        If durations are negative or not numbers, events are not True or False, an entry is negative or not before the
        duration, or lengths differ: every problem.
    DataFloorError
        If nobody has left: the curve would be 1 throughout and say nothing. If all who are under observation leave
        before others enter: it would be 0 for those too.

    References
    ----------
    Kaplan, E. L. & Meier, P. (1958). Nonparametric estimation from incomplete observations. *JASA* 53(282), 457–481.
    Kalbfleisch, J. D. & Prentice, R. L. (2002). The Statistical Analysis of Failure Time Data, 2nd ed. Wiley,
    equation (1.13) (interval). Brookmeyer, R. & Crowley, J. (1982). *Biometrics* 38(1), 29–41 (median).

    Examples
    --------
    >>> kaplan_meier([1, 2, 2, 3], [True, True, False, False]).curves[["time", "at_risk", "events", "survival"]]
       time  at_risk  events  survival
    0   0.0        4       0      1.00
    1   1.0        4       1      0.75
    2   2.0        3       1      0.50
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    where = "kaplan_meier"
    duration, event, entered = read_durations(where, durations, events, entry, level=level, groups=groups)
    labels = _labels(groups, len(duration))
    if not event[labels.notna()].any():
        raise DataFloorError(f"{where} needs at least one who has left; of {labels.notna().sum():,} none has.")
    frames, medians, ends, members, emptied = [], [], {}, {}, []
    for group in _ordered(labels):
        inside = (labels == group).to_numpy(dtype=bool, na_value=False)
        times, ended, since = duration[inside], event[inside], entered[inside]
        late = np.where(since > 0, since, -1.0)  # a duration of 0 is at risk at time 0
        truncated = bool((since > 0).any())
        fit = SurvfuncRight(times, ended.astype(int), entry=late if truncated else None)
        name = "" if groups is None else f" of group {group}"
        emptied += _emptied_risk_sets(fit.surv_times, fit.n_risk, fit.n_events, times, name)
        low, high = _log_log_interval(fit.surv_prob, fit.surv_prob_se, level)
        start = int((since == 0).sum()) if truncated else len(times)
        frames.append(
            pd.DataFrame(
                {
                    "group": group,
                    "time": np.concatenate([[0.0], fit.surv_times]),
                    "at_risk": np.concatenate([[start], fit.n_risk]).astype(np.int64),
                    "events": np.concatenate([[0], fit.n_events]).astype(np.int64),
                    "survival": np.concatenate([[1.0], fit.surv_prob]),
                    "low": np.concatenate([[1.0], low]),
                    "high": np.concatenate([[1.0], high]),
                }
            )
        )
        median, median_low, median_high = _median(fit, level)
        medians.append((group, len(times), int(ended.sum()), median, median_low, median_high))
        ends[group], members[group] = float(times.max()), (times, since)
    if emptied:
        raise DataFloorError(f"{where}: {'; '.join(emptied)}. {_AFTER_THAT}")
    return SurvivalCurves(
        pd.concat(frames, ignore_index=True),
        pd.DataFrame(medians, columns=["group", "members", "events", "median", "low", "high"]),
        ends,
        level,
        members,
    )


def read_durations(
    where: str,
    durations: Any,
    events: Any,
    entry: Any = None,
    *,
    level: float = 0.95,
    **others: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read durations, events and times of entry, or raise every problem; `others` must be as long."""
    problems = level_problems(level)
    problems += index_problems(durations=durations, events=events, entry=entry, **others)
    duration = as_numbers(durations, "durations", problems)
    event = as_numbers(events, "events", problems)
    entered = np.zeros(len(duration)) if entry is None else as_numbers(entry, "entry", problems)
    lengths = {"durations": len(duration), "events": len(event), "entry": len(entered)}
    lengths |= {name: len(values) for name, values in others.items() if values is not None}
    if len(set(lengths.values())) > 1:
        problems.append(f"all must have one value for each member, and there are {lengths}")
    else:
        if (negative := duration < 0).any():
            problems.append(
                f"durations must not be negative, and {negative.sum():,} are (at positions {first_rows(negative)}); "
                "an end before the start is an error of the dates"
            )
        if not set(np.unique(event[~np.isnan(event)])) <= {0.0, 1.0}:
            problems.append("events must be True or False (1 or 0)")
        if (bad := (entered < 0) | ((entered >= duration) & (entered > 0))).any():
            problems.append(
                f"entry must be from 0 to below the duration, and {bad.sum():,} are not "
                f"(at positions {first_rows(bad)}); leave out who was gone before the observation began"
            )
    raise_problems(where, problems)
    if not len(duration):
        raise DataFloorError(f"{where} needs members; there is none.")
    return duration, event == 1, entered


def _emptied_risk_sets(
    times: np.ndarray, at_risk: np.ndarray, events: np.ndarray, durations: np.ndarray, name: str = ""
) -> list[str]:
    """Say after which time nobody was left though others enter later, for whom nothing can then be said."""
    last = np.flatnonzero((at_risk == events) & (times < durations.max()))[-1:]
    return [
        f"all members{name} under observation at a duration of {times[place]:g} ({at_risk[place]:,.0f}) left then, and "
        f"{(durations > times[place]).sum():,} come under observation only later"
        for place in last
    ]


def _labels(groups: Any, size: int) -> pd.Series:
    if groups is None:
        return pd.Series([_EVERYBODY] * size)
    return pd.Series(groups).reset_index(drop=True)


def _ordered(labels: pd.Series) -> list:
    """Groups there are, in the order of a categorical or else sorted."""
    if isinstance(labels.dtype, pd.CategoricalDtype):
        return [name for name in labels.cat.categories if (labels == name).any()]
    return sorted(labels.dropna().unique().tolist(), key=lambda name: (str(type(name)), name))


def _log_log_interval(share: np.ndarray, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share between 0 and 1 on the scale log(−log S); NaN where the share is 0 or has no error."""
    from scipy.stats import norm

    inside = (share > 0) & (share < 1) & np.isfinite(error)
    low, high = np.full(len(share), np.nan), np.full(len(share), np.nan)
    log = np.log(share[inside])
    reach = norm.ppf((1 + level) / 2) * error[inside] / (share[inside] * np.abs(log))
    low[inside], high[inside] = np.exp(log * np.exp(reach)), np.exp(log * np.exp(-reach))
    return low, high


def _median(fit: Any, level: float) -> tuple[float, float, float]:
    """Median with the interval of all times that a test on the scale log(−log S) would not reject."""
    if not len(fit.surv_times):
        return np.nan, np.nan, np.nan
    below = np.flatnonzero(fit.surv_prob <= 0.5 + 1e-12)
    median = float(fit.surv_times[below[0]]) if len(below) else np.nan
    low, high = _log_log_interval(fit.surv_prob, fit.surv_prob_se, level)
    # The limits of the curve cross one half where the interval of the median begins and ends.
    low[fit.surv_prob == 0], high[fit.surv_prob == 0] = 0.0, 0.0
    ends = [np.flatnonzero(limit <= 0.5) for limit in (low, high)]
    first, last = (float(fit.surv_times[end[0]]) if len(end) else np.nan for end in ends)
    return median, first, last


def log_rank_test(durations: Any, events: Any, groups: Any, *, strata: Any = None, entry: Any = None) -> pd.DataFrame:
    """Test whether groups stay equally long (log-rank test).

    Parameters
    ----------
    durations, events, groups, entry
        As for `kaplan_meier`.
    strata : array-like, shape (n,), optional
        Compare within each of these only.

    Returns
    -------
    pandas.DataFrame
        One row: ``chi2``, ``df``, ``p_value``, ``groups``, ``members``, ``events``, from
        `statsmodels.duration.survfunc.survdiff`.

    Raises
    ------
    ParameterError
        If arguments are unusable, as for `kaplan_meier`.
    DataFloorError
        If there are fewer than two groups, or nobody has left.

    References
    ----------
    Mantel, N. (1966). Evaluation of survival data and two new rank order statistics. *Cancer Chemotherapy Reports*
    50(3), 163–170.

    Examples
    --------
    >>> test = log_rank_test([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1], list("aaabbb"))
    >>> float(test["chi2"].iloc[0].round(3))
    5.052
    """
    from scipy.stats import chi2
    from statsmodels.duration.survfunc import survdiff

    where = "log_rank_test"
    duration, event, entered = read_durations(where, durations, events, entry, groups=groups, strata=strata)
    labels = _labels(groups, len(duration))
    codes = pd.Categorical(labels, categories=_ordered(labels)).codes
    layer = np.zeros(len(codes), dtype=int) if strata is None else pd.factorize(pd.Series(strata))[0]
    kept = (codes >= 0) & (layer >= 0)
    found = len(np.unique(codes[kept]))
    if found < 2:
        raise DataFloorError(f"{where} needs at least two groups of members; there are {found}.")
    if not event[kept].any():
        raise DataFloorError(f"{where} needs at least one who has left; of {kept.sum():,} none has.")
    late = np.where(entered > 0, entered, -1.0)
    statistic, _ = survdiff(
        duration[kept],
        event[kept].astype(int),
        codes[kept],
        strata=None if strata is None else layer[kept],
        entry=late[kept] if (entered > 0).any() else None,
    )
    # statsmodels' own 1 − F loses every digit below 1e−16.
    return pd.DataFrame(
        {
            "chi2": [float(statistic)],
            "df": [found - 1],
            "p_value": [float(chi2.sf(statistic, found - 1))],
            "groups": [found],
            "members": [int(kept.sum())],
            "events": [int(event[kept].sum())],
        }
    )


def plot_kaplan_meier(
    curves: SurvivalCurves, *, unit: str = "months", at_risk: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw survival curves with their intervals and, below, how many are still under observation.

    Parameters
    ----------
    curves : SurvivalCurves
        As from `kaplan_meier`; its ``curves`` and ``at()`` are the table twins.
    unit : str, default "months"
        Unit of the durations, for the axis.
    at_risk : bool, default True
        Write the numbers at risk below the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    from matplotlib.ticker import MaxNLocator

    groups = curves.medians["group"].tolist()
    ax = new_axes(ax, figsize=(7.2, 4.0 + (0.22 * len(groups) if at_risk else 0)))
    for number, group in enumerate(groups):
        curve = curves.curves[curves.curves["group"] == group]
        # The curve goes on, level, to the longest duration seen.
        steps = {name: np.append(curve[name], curve[name].iloc[-1]) for name in ("time", "survival", "low", "high")}
        steps["time"][-1] = curves.ends[group]
        color = PALETTE[number % len(PALETTE)]
        name = tr("all members") if group == _EVERYBODY and len(groups) == 1 else str(group)
        ax.step(steps["time"], steps["survival"], where="post", color=color, label=name)
        ax.fill_between(steps["time"], steps["low"], steps["high"], step="post", color=color, alpha=0.18, linewidth=0)
    longest = max(curves.ends.values())
    ax.set_xlim(0, longest)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter("{x:.0%}")
    times = [time for time in MaxNLocator(_AT_RISK_TIMES, integer=True).tick_values(0, longest) if 0 <= time <= longest]
    ax.set_xticks(times)
    ax.set_xlabel(tr(unit))
    ax.set_ylabel(tr("still there"))
    ax.set_title(tr("How long members stay"))
    if len(groups) > 1:
        ax.legend()
    if at_risk:
        _write_at_risk(ax, curves, groups, times)
    return describe(ax, _curve_text(curves, unit))


def _write_at_risk(ax: Axes, curves: SurvivalCurves, groups: list, times: list[float]) -> None:
    """Add a line of numbers for each group to the label of the axis, so that the layout keeps room for them."""
    table = curves.at(times)
    ax.set_xlabel(ax.get_xlabel() + "\n" * (len(groups) + 1))
    for number, group in enumerate(groups):
        counts = table[table["group"] == group]
        for time, count in zip(counts["time"], counts["at_risk"], strict=True):
            ax.annotate(
                f"{count:,}",
                (time, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, -36 - 13 * number),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8.5,
                color=PALETTE[number % len(PALETTE)],
                annotation_clip=False,
            )
    ax.annotate(
        tr("at risk"),
        (0, 0),
        xycoords="axes fraction",
        xytext=(-24, -36),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8.5,
        color=MUTED,
        annotation_clip=False,
    )


def _curve_text(curves: SurvivalCurves, unit: str) -> str:
    texts = []
    for row in curves.medians.itertuples():
        last = curves.curves.loc[curves.curves["group"] == row.group, "survival"].iloc[-1]
        if np.isnan(row.median):
            text = tr("{group}: {last:.0%} still there at the end").format(group=row.group, last=last)
        else:
            text = tr("{group}: half have left after {median:,.0f} {unit}").format(
                group=row.group, median=row.median, unit=tr(unit)
            )
        texts.append(text)
    return tr("Falling curves of the share still there by duration; {text}.").format(text="; ".join(texts))


def cumulative_incidence(
    durations: Any, events: Any, causes: Any, *, entry: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Estimate the share that has left for each reason by each time, where reasons compete (Aalen–Johansen).

    A curve of one reason alone, with the other leavers taken as still running, would overstate it: who has left for
    one reason cannot leave for another. These shares and the share still there add up to one.

    Parameters
    ----------
    durations, events : array-like, shape (n,)
        As for `kaplan_meier`.
    causes : array-like, shape (n,)
        Reason of each who left; missing is a reason of its own, "not stated". Not looked at for the others.
    entry : array-like of float, shape (n,), optional
        As for `kaplan_meier`. Without it, members seen only because they had lasted until then make shares too small.
    level : float, default 0.95
        Confidence level of the pointwise intervals, on the scale log(−log).

    Returns
    -------
    pandas.DataFrame
        ``cause``, ``time``, ``events`` (of this cause at this time), ``share`` (left for this cause so far), ``low``,
        ``high``: for each cause, sorted by how many left for it, a row for time 0 and for each time at which somebody
        left.

    Raises
    ------
    ParameterError
        If arguments are unusable, as for `kaplan_meier`.
    DataFloorError
        If nobody has left, or all under observation leave before others enter.

    References
    ----------
    Aalen, O. O. & Johansen, S. (1978). An empirical transition matrix for non-homogeneous Markov chains based on
    censored observations. *Scandinavian Journal of Statistics* 5(3), 141–150.
    Marubini, E. & Valsecchi, M. G. (1995). Analysing Survival Data from Clinical Trials. Wiley, chapter 10 (errors).
    Geskus, R. B. (2011). Cause-specific cumulative incidence estimation and the Fine and Gray model under both left
    truncation and right censoring. *Biometrics* 67(1), 39–49 (late entry).

    Examples
    --------
    >>> shares = cumulative_incidence([1, 2, 3, 4], [1, 1, 1, 0], ["price", "moved", "price", None])
    >>> shares.groupby("cause", sort=False)["share"].last().to_dict()
    {'price': 0.5, 'moved': 0.25}
    """
    where = "cumulative_incidence"
    duration, event, entered = read_durations(where, durations, events, entry, level=level, causes=causes)
    if not event.any():
        raise DataFloorError(f"{where} needs at least one who has left; of {len(event):,} none has.")
    reasons = pd.Series(causes).reset_index(drop=True).astype(object)
    reasons = reasons.where(reasons.notna(), tr("not stated"))[event]
    counts = reasons.value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], str(name)))
    times, place = np.unique(duration[event], return_inverse=True)
    left = np.zeros((len(times), len(names)))
    np.add.at(left, (place, pd.Index(names).get_indexer(reasons)), 1)
    gone, not_yet = (
        np.searchsorted(np.sort(moments), times, side="left") for moments in (duration, entered[entered > 0])
    )
    at_risk = (entered == 0).sum() + not_yet - gone
    if emptied := _emptied_risk_sets(times, at_risk, left.sum(axis=1), duration):
        raise DataFloorError(f"{where}: {emptied[0]}. {_AFTER_THAT}")
    shares, errors = _aalen_johansen(at_risk, left)
    frames = []
    for name, share, error, own in zip(names, shares.T, errors.T, left.T, strict=True):
        # The interval of what is not in this share, turned round.
        low, high = _log_log_interval(1 - share, error, level)
        frames.append(
            pd.DataFrame(
                {
                    "cause": name,
                    "time": np.concatenate([[0.0], times]),
                    "events": np.concatenate([[0], own]).astype(np.int64),
                    "share": np.concatenate([[0.0], share]),
                    "low": np.concatenate([[0.0], np.where(share == 0, 0.0, 1 - high)]),
                    "high": np.concatenate([[0.0], np.where(share == 0, 0.0, 1 - low)]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _aalen_johansen(at_risk: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares and their errors by time and cause, from those at risk and those who left, shape (times, causes)."""
    size, everybody = at_risk[:, None].astype(float), left.sum(axis=1, keepdims=True)
    before = np.concatenate([[[1.0]], np.cumprod(1 - everybody / size)[:-1, None]])
    step = before * left / size
    share = np.cumsum(step, axis=0)
    # Where all leave there is no error.
    staying = np.where(size > everybody, size - everybody, np.nan)
    curve, own, both = everybody / (size * staying), before**2 * left * (size - left) / size**3, step / size
    # Squares of I(t) − I(tᵢ) multiplied out, so that sums up to each t are running sums.
    variance = share**2 * np.cumsum(curve, axis=0) - 2 * share * np.cumsum(share * curve, axis=0)
    variance += np.cumsum(share**2 * curve, axis=0) + np.cumsum(own, axis=0)
    variance += 2 * np.cumsum(share * both, axis=0) - 2 * share * np.cumsum(both, axis=0)
    return share, np.sqrt(np.maximum(variance, 0))


def cumulative_incidence_table(shares: pd.DataFrame, *, time: float | None = None) -> pd.DataFrame:
    """Read the shares at one time: table twin of `plot_cumulative_incidence`.

    Parameters
    ----------
    shares : pandas.DataFrame
        As from `cumulative_incidence`.
    time : float, optional
        When, from 0. Default: the last time at which somebody left.

    Returns
    -------
    pandas.DataFrame
        One row a cause: ``cause``, ``time``, ``events`` (so far), ``share``, ``low``, ``high``.
    """
    when = shares["time"].max() if time is None else time
    so_far = shares[shares["time"] <= when]
    last = so_far.groupby("cause", sort=False).last()
    last["events"] = so_far.groupby("cause", sort=False)["events"].sum()
    last["time"] = float(when)
    return last.reset_index()


def plot_cumulative_incidence(
    shares: pd.DataFrame, *, unit: str = "months", most: int = 6, ax: Axes | None = None
) -> Axes:
    """Draw, stacked, who has left for which reason by each time; what is above is the share still there.

    Parameters
    ----------
    shares : pandas.DataFrame
        As from `cumulative_incidence`.
    unit : str, default "months"
        Unit of the durations, for the axis.
    most : int, default 6
        At most so many reasons, the frequent ones; the rest are one band.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; `cumulative_incidence_table` holds the numbers.
    """
    wide = shares.pivot_table(index="time", columns="cause", values="share", sort=False)
    shown = wide.iloc[:, :most]
    if wide.shape[1] > most:
        shown = shown.assign(**{tr("other reasons"): wide.iloc[:, most:].sum(axis=1)})
    ax = new_axes(ax)
    colors = [*PALETTE[:-1], MUTED]
    ax.stackplot(
        shown.index,
        *(shown[name] for name in shown),
        labels=[str(name) for name in shown],
        colors=[colors[number % len(colors)] for number in range(shown.shape[1])],
        step="post",
    )
    ax.set_xlim(0, shown.index.max())
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.set_xlabel(tr(unit))
    ax.set_ylabel(tr("left for this reason"))
    ax.set_title(tr("Why members leave, by how long they stayed"))
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], names[::-1], loc="upper left")
    text = "; ".join(f"{name} {share:.0%}" for name, share in shown.iloc[-1].items())
    return describe(
        ax,
        tr("Stacked bands of the share that left for each reason; after {time:,.0f} {unit}: {text}.").format(
            time=shown.index[-1], unit=tr(unit), text=text
        ),
    )
