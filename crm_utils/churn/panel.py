"""Leaving month by month: what is known of a member before a month, and how it changes the hazard of leaving in it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, count_problems, first_rows, level_problems, missing_columns, raise_problems
from crm_utils.churn.cox import CoxResults, cox_model, draw_ratios
from crm_utils.churn.spells import calendar_periods, period_starts, read_spells
from crm_utils.errors import ConvergenceError, DataFloorError
from crm_utils.intervals import person_codes
from crm_utils.language import tr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MONTHLY, COX = "monthly hazard", "Cox"
_TREND_MONTHS = 3
_EVENTS_A_COVARIATE = 5
_LINKS = {"logit": "odds ratio per unit", "cloglog": "hazard ratio per unit"}
_MADE_HERE = ("tenure_months", "log_tenure", "left")
# Standardised coefficients past this mean that no maximum exists.
_SEPARATED = 10.0


def member_panel(
    memberships: pd.DataFrame,
    member_months: pd.DataFrame,
    *,
    as_of: Any,
    covariates: Sequence[str] = ("complaints", "late_payments"),
    trends: Sequence[str] = ("visits",),
    lag: int = 1,
    steps: Mapping[str, tuple[Any, int]] | None = None,
    keep: Sequence[str] = (),
    customer_col: str = "customer_id",
    started_col: str = "started_at",
    ended_col: str = "ended_at",
    month_col: str = "month",
) -> pd.DataFrame:
    """Make a row for each member and month at risk, with covariates known before the month.

    A month is at risk if the member was there on one of its days and it is over by `as_of`. Covariates are those of the
    month before (`lag` 1): what happens in the month of leaving may be a consequence of the decision, and whoever wants
    to warn does not have it yet. Only months of the same spell are looked at.

    Parameters
    ----------
    memberships : pandas.DataFrame
        One row a spell, with dates of start and end.
    member_months : pandas.DataFrame
        One row a customer and month, with columns of numbers.
    as_of : date-like
        First day that is not known any more.
    covariates : sequence of str
        Columns of `member_months` taken as they are.
    trends : sequence of str
        Columns of counts or amounts, 0 or more, whose ``<name>_trend`` is wanted: log((1 + value) / (1 + mean of up to
        three months before)); 0 where there is no month before.
    lag : int, default 1
        Months between covariates and the month at risk, from 0. With 0 they are of the very month: that describes how
        leaving and its signs go together, and predicts nothing.
    steps : mapping of str to (date-like, int), optional
        Name → first month and number of months of an event that everybody knew of before, such as a rise in price: 1 in
        these months for who was a member before the first of them, else 0.
    keep : sequence of str, optional
        Columns of `memberships` to carry along, known at the start, such as the plan.
    customer_col, started_col, ended_col, month_col : str
        Columns of the customer, of the first and the last day, and of the month (any day of it).

    Returns
    -------
    pandas.DataFrame
        Sorted by customer and month: the customer, ``month`` (its first day), ``tenure_months`` (1 in the first),
        ``log_tenure``, the covariates, trends, steps and kept columns, and ``left`` (whether the membership ended in
        the month). ``attrs["left_out"]`` counts the months at risk left out for want of covariates (with a lag, the
        first of each spell), ``attrs["lag"]`` is the lag.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, a customer has two rows for a month, or spells of one customer overlap.
    DataFloorError
        If no month at risk has its covariates.

    Examples
    --------
    >>> memberships = pd.DataFrame({"customer_id": ["a"], "started_at": pd.to_datetime(["2025-01-01"]),
    ...                             "ended_at": pd.to_datetime(["2025-03-31"])})
    >>> months = pd.DataFrame({"customer_id": "a", "month": pd.to_datetime(["2025-01-01", "2025-02-01", "2025-03-01"]),
    ...                        "visits": [3, 1, 0], "complaints": [0, 1, 1]})
    >>> panel = member_panel(memberships, months, as_of="2025-06-01", covariates=["complaints"])
    >>> panel[["tenure_months", "complaints", "visits_trend", "left"]].round(2)
       tenure_months  complaints  visits_trend  left
    0              2         0.0          0.00     0
    1              3         1.0         -0.69     1
    """
    where = "member_panel"
    covariates, trends, keep, steps = list(covariates), list(trends), list(keep), dict(steps or {})
    problems = count_problems("lag", lag, least=0)
    names = [*covariates, *(f"{name}_trend" for name in trends), *steps, *keep]
    taken = [
        name for name in dict.fromkeys(names) if names.count(name) > 1 or name in (*_MADE_HERE, customer_col, "month")
    ]
    if taken:
        problems.append(f"the columns {', '.join(map(str, taken))} would be there twice; rename or leave out one")
    if not isinstance(member_months, pd.DataFrame):
        raise_problems(where, [f"member_months must be a table, and is {type(member_months).__name__}"])
    columns = list(dict.fromkeys([*covariates, *trends]))
    problems += missing_columns(member_months, [customer_col, month_col, *columns], "member_months")
    if isinstance(memberships, pd.DataFrame):
        problems += missing_columns(memberships, keep, "memberships")
    step_months = _read_steps(steps, problems)
    if month_col in member_months and not pd.api.types.is_datetime64_dtype(member_months[month_col]):
        problems.append(f"member_months.{month_col} must hold dates without a time zone")
    raise_problems(where, problems)
    spells = read_spells(
        where, memberships, as_of, customer_col=customer_col, started_col=started_col, ended_col=ended_col
    )
    values = {name: _numbers_or_missing(member_months[name], f"member_months.{name}", problems) for name in columns}
    for name in trends:
        if (negative := values[name] < 0).any():
            problems.append(
                f"member_months.{name} must not be negative for a trend, and {negative.sum():,} are "
                f"(at positions {first_rows(negative)})"
            )
    lookup = _Lookup.of(member_months, customer_col, month_col, problems)
    raise_problems(where, problems)

    began = calendar_periods(spells.started, "month")
    newest = int(calendar_periods(pd.Series([spells.day]), "month")[0]) - 1
    over = spells.ended.notna().to_numpy()
    ended = np.where(over, calendar_periods(spells.ended.fillna(spells.day), "month"), newest)
    sizes = np.maximum(np.minimum(ended, newest) - began + 1, 0)
    spell = np.repeat(np.arange(len(began)), sizes)
    tenure = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    month = began[spell] + tenure - 1
    panel = pd.DataFrame(
        {
            customer_col: spells.customers[spell],
            "month": period_starts(month, "month"),
            "tenure_months": tenure,
            "log_tenure": np.log(tenure),
        }
    )

    def at(name: str, before: int) -> np.ndarray:
        found = lookup.read(values[name], panel[customer_col], month - lag - before)
        return np.where(tenure > lag + before, found, np.nan)

    for name in covariates:
        panel[name] = at(name, 0)
    for name in trends:
        earlier = np.column_stack([at(name, before) for before in range(1, _TREND_MONTHS + 1)])
        known = ~np.isnan(earlier)
        mean = np.divide(
            np.nansum(earlier, axis=1), known.sum(axis=1), out=np.full(len(panel), np.nan), where=known.any(axis=1)
        )
        now = at(name, 0)
        panel[f"{name}_trend"] = np.where(np.isnan(mean) & ~np.isnan(now), 0.0, np.log((1 + now) / (1 + mean)))
    for name, (first, length) in step_months.items():
        panel[name] = ((month >= first) & (month < first + length) & (began[spell] < first)).astype(np.int64)
    for name in keep:
        panel[name] = memberships[name].to_numpy()[spells.rows][spell]
    panel["left"] = (over[spell] & (month == ended[spell])).astype(np.int64)
    made = [*covariates, *(f"{name}_trend" for name in trends)]
    complete = panel[made].notna().all(axis=1) if made else pd.Series(True, panel.index)
    if not complete.any():
        raise DataFloorError(
            f"{where} needs months of members with {', '.join(made) or 'memberships'} "
            f"(of {lag} months before); of {len(panel):,} months at risk none has them."
        )
    result = panel[complete].sort_values([customer_col, "month", "tenure_months"], ignore_index=True)
    result.attrs.update(left_out=int((~complete).sum()), lag=int(lag))
    return result


def _read_steps(steps: Mapping[str, Any], problems: list[str]) -> dict[str, tuple[int, int]]:
    """Number of the first month and length of each step."""
    found = {}
    for name, given in steps.items():
        try:
            first, length = given
            day = pd.Timestamp(first)
        except (TypeError, ValueError):
            day, length = pd.NaT, 0
        if pd.isna(day) or count_problems(name, length, least=1):
            problems.append(f"steps[{name!r}] must be a first month and a number of months, and is {given!r}")
            continue
        found[name] = (int(calendar_periods(pd.Series([day]), "month")[0]), int(length))
    return found


def _numbers_or_missing(values: pd.Series, name: str, problems: list[str]) -> np.ndarray:
    """Numbers with NaN for what is missing."""
    known = values.notna().to_numpy()
    numbers = np.full(len(values), np.nan)
    numbers[known] = as_numbers(values[known], name, problems)
    return numbers


@dataclass(frozen=True, eq=False)
class _Lookup:
    """Finds the row of a customer and month."""

    customers: pd.Index
    keys: np.ndarray
    rows: np.ndarray
    first: int
    width: int

    @classmethod
    def of(cls, table: pd.DataFrame, customer_col: str, month_col: str, problems: list[str]) -> _Lookup:
        known = (table[customer_col].notna() & table[month_col].notna()).to_numpy()
        codes, customers = pd.factorize(table.loc[known, customer_col])
        months = calendar_periods(table.loc[known, month_col], "month")
        first = int(months.min()) if len(months) else 0
        width = int(months.max()) - first + 1 if len(months) else 1
        keys = codes * width + months - first
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], np.flatnonzero(known)[order]
        if (twice := np.append(False, np.diff(keys) == 0)).any():
            shown = first_rows(twice, table[customer_col].astype(str).to_numpy()[rows])
            problems.append(
                f"member_months has {twice.sum():,} second rows for a customer and month (customers {shown}); "
                "add them up"
            )
        return cls(pd.Index(customers), keys, rows, first, width)

    def read(self, values: np.ndarray, customers: pd.Series, months: np.ndarray) -> np.ndarray:
        code = self.customers.get_indexer(customers)
        month = months - self.first
        key = np.where((code >= 0) & (month >= 0) & (month < self.width), code * self.width + month, -1)
        if not len(self.keys):
            return np.full(len(key), np.nan)
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where(self.keys[place] == key, values[self.rows[place]], np.nan)


@dataclass(frozen=True, eq=False)
class PanelHazard:
    """How covariates change the hazard of leaving in a month.

    Attributes
    ----------
    coefficients : pandas.DataFrame
        ``model`` ("monthly hazard" or "Cox"), ``covariate``, ``coefficient``, ``std_error``, ``coefficient_low``,
        ``coefficient_high``, ``ratio`` (of odds with the logit link, else of hazards), ``low``, ``high`` (of the
        ratio), ``p_value``. Errors are clustered by customer. The monthly hazard has a row "(constant)".
    link : str
        "logit" or "cloglog".
    rows, events, customers, left_out : int
        Member-months, how many of them ended, of how many customers, and rows left out for a missing value.
    not_in_cox : tuple of str
        Covariates that are the same for all who have the same tenure: Cox's model, whose clock is the tenure, leaves
        them to its baseline.
    level : float
        Confidence level.
    cox : CoxResults or None
        Cox's model, for its test of proportional hazards; None where all covariates are in its baseline, or where it
        has no estimate. `coefficients` then has no rows of it.
    cox_reason : str
        Why Cox's model has no estimate; else empty.
    """

    coefficients: pd.DataFrame
    link: str
    rows: int
    events: int
    customers: int
    left_out: int
    not_in_cox: tuple[str, ...]
    level: float
    cox: CoxResults | None = None
    cox_reason: str = ""

    def summary_frame(self, model: str | None = None) -> pd.DataFrame:
        """Coefficients of both models, or of one ("monthly hazard" or "Cox")."""
        if model is None:
            return self.coefficients.copy()
        if model not in (MONTHLY, COX):
            raise_problems("PanelHazard.summary_frame", [f"model must be one of {[MONTHLY, COX]}, and is {model!r}"])
        return self.coefficients[self.coefficients["model"] == model].reset_index(drop=True)

    def predict(self, frame: pd.DataFrame) -> pd.Series:
        """Probability of leaving in the month, by the monthly hazard.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows with the covariates.

        Returns
        -------
        pandas.Series of float
            ``hazard``, with the index of `frame`; NaN where a covariate is missing.
        """
        from scipy.special import expit

        table = self.summary_frame(MONTHLY).set_index("covariate")["coefficient"]
        names = table.index.tolist()[1:]
        raise_problems("PanelHazard.predict", missing_columns(frame, names, "frame"))
        score = frame[names].to_numpy(dtype=float, na_value=np.nan) @ table[names].to_numpy() + table.iloc[0]
        hazard = expit(score) if self.link == "logit" else -np.expm1(-np.exp(score))
        return pd.Series(hazard, frame.index, name="hazard")

    def plot_hazard_ratios(self, model: str = MONTHLY, *, ax: Axes | None = None) -> Axes:
        """Draw the ratios of one model with their intervals on a log scale; `summary_frame` holds the numbers.

        Parameters
        ----------
        model : {"monthly hazard", "Cox"}, default "monthly hazard"
            Which model.
        ax : matplotlib.axes.Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        table = self.summary_frame(model)
        table = table[table["covariate"] != tr("(constant)")].rename(columns={"ratio": "hazard_ratio"})
        label = _LINKS["cloglog" if model == COX else self.link]
        return draw_ratios(table, tr(label), tr("What raises the hazard of leaving"), ax)


def panel_hazard(
    panel: pd.DataFrame,
    covariates: Sequence[str],
    *,
    link: str = "logit",
    level: float = 0.95,
    customer_col: str = "customer_id",
    event_col: str = "left",
    tenure_col: str = "tenure_months",
) -> PanelHazard:
    """Fit how covariates that change over time move the hazard of leaving in a month.

    Two models of the same rows: a monthly hazard (a regression of whether the member left in the month, with the logit
    link or the complementary log–log link), and Cox's model on rows from the start to the end of each month of tenure.
    With the complementary log–log link both estimate the same hazard ratios; odds ratios are a little further from 1.

    What is not observed stays in the coefficients. If satisfaction is left out, complaints stand in for it, since the
    unhappy complain more, and their coefficient is too high; the unhappy leave first, so that those who stay are ever
    happier and tenure seems to protect more than it does. What does not go with satisfaction hardly changes.

    Parameters
    ----------
    panel : pandas.DataFrame
        One row a member and month, as from `member_panel`. Rows with a missing value are left out and counted.
    covariates : sequence of str
        Columns of numbers or flags.
    link : {"logit", "cloglog"}, default "logit"
        Link of the monthly hazard.
    level : float, default 0.95
        Confidence level.
    customer_col, event_col, tenure_col : str
        Columns of the customer, of whether she left in the month, and of the month of membership (1 for the first).

    Returns
    -------
    PanelHazard
        From `statsmodels.genmod.GLM` (binomial) and `statsmodels.duration.hazard_regression.PHReg`.

    Raises
    ------
    ParameterError
        If columns are absent or unusable, or a covariate does not vary or is a combination of others: every problem.
    DataFloorError
        If fewer than five members a covariate left, or there are too few customers.
    ConvergenceError
        If no estimate of the monthly hazard exists. Where only Cox's model has none, ``cox_reason`` says why.

    References
    ----------
    Singer, J. D. & Willett, J. B. (1993). It's about time: using discrete-time survival analysis to study duration and
    the timing of events. *Journal of Educational Statistics* 18(2), 155–195.
    Prentice, R. L. & Gloeckler, L. A. (1978). Regression analysis of grouped survival data. *Biometrics* 34(1), 57–67.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> panel = pd.DataFrame({"customer_id": np.arange(4000) // 4, "tenure_months": np.arange(4000) % 4 + 1})
    >>> panel["complaints"] = rng.integers(0, 2, 4000)
    >>> panel["left"] = rng.random(4000) < np.where(panel["complaints"] == 1, 0.2, 0.1)
    >>> panel_hazard(panel, ["complaints"]).summary_frame()[["model", "covariate", "ratio"]].round(1)
                model   covariate  ratio
    0  monthly hazard  (constant)    0.1
    1  monthly hazard  complaints    2.0
    2             Cox  complaints    1.9
    """
    where = "panel_hazard"
    if not isinstance(panel, pd.DataFrame):
        raise_problems(where, [f"panel must be a table, and is {type(panel).__name__}"])
    names = [covariates] if isinstance(covariates, str) else list(covariates)
    problems = level_problems(level)
    if link not in _LINKS:
        problems.append(f"link must be one of {list(_LINKS)}, and is {link!r}")
    if not names or len(set(names)) < len(names):
        problems.append(f"covariates must be one column or more, each once, and are {names}")
    needed = list(dict.fromkeys([customer_col, event_col, tenure_col, *names]))
    problems += missing_columns(panel, needed, "panel")
    raise_problems(where, problems)
    complete = panel[needed].notna().all(axis=1)
    used = panel.loc[complete, needed].reset_index(drop=True)
    numbers = {name: as_numbers(used[name], f"panel.{name}", problems) for name in needed if name != customer_col}
    raise_problems(where, problems)
    used = used.assign(**numbers)
    if (early := (used[tenure_col] < 1).to_numpy()).any():
        problems.append(f"panel.{tenure_col} must be 1 or more, and {early.sum():,} are not (rows {first_rows(early)})")
    if not set(used[event_col].unique()) <= {0.0, 1.0}:
        problems.append(f"panel.{event_col} must be True or False (1 or 0)")
    raise_problems(where, problems)
    left = int(used[event_col].sum())
    floor = _EVENTS_A_COVARIATE * len(names)
    if left < floor or len(used) - left < floor:
        raise DataFloorError(
            f"{where} needs at least {floor} months in which members left, and as many in which they stayed, for "
            f"{len(names)} covariates; there are {left:,} and {len(used) - left:,}. Take fewer covariates."
        )
    fixed = tuple(name for name in names if used.groupby(tenure_col)[name].nunique().max() < 2)
    moving = [name for name in names if name not in fixed]
    monthly = _monthly(where, used, names, link, level, customer_col, event_col)
    frames, cox, cox_reason = [monthly.assign(model=MONTHLY)], None, ""
    if moving:
        rows = used.assign(_start=used[tenure_col] - 1)
        try:
            cox = cox_model(rows, tenure_col, event_col, moving, entry_col="_start", clusters=customer_col, level=level)
        except ConvergenceError as error:
            cox_reason = str(error)
    if cox is not None:
        table = cox.coefficients.rename(columns={"hazard_ratio": "ratio"})
        table["coefficient_low"], table["coefficient_high"] = np.log(table["low"]), np.log(table["high"])
        frames.append(table.assign(model=COX))
    order = ["model", "covariate", "coefficient", "std_error", "coefficient_low", "coefficient_high"]
    order += ["ratio", "low", "high", "p_value"]
    return PanelHazard(
        coefficients=pd.concat([frame[order] for frame in frames], ignore_index=True),
        link=link,
        rows=len(used),
        events=left,
        customers=int(used[customer_col].nunique()),
        left_out=int((~complete).sum()),
        not_in_cox=fixed,
        level=level,
        cox=cox,
        cox_reason=cox_reason,
    )


def _monthly(
    where: str, used: pd.DataFrame, names: list[str], link: str, level: float, customer_col: str, event_col: str
) -> pd.DataFrame:
    """Coefficients of the binomial regression, with errors clustered by customer."""
    import statsmodels.api as sm
    from scipy.stats import norm

    x = used[names].to_numpy()
    spread = x.std(axis=0)
    if (still := ~(np.ptp(x, axis=0) > 0)).any():
        shown = ", ".join(name for name, flag in zip(names, still, strict=True) if flag)
        raise_problems(where, [f"the covariates {shown} are the same in every row; leave them out"])
    design = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / spread])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise_problems(
            where, [f"one of the covariates {', '.join(names)} is a combination of the others; leave it out"]
        )
    groups = person_codes(used[customer_col])
    if (customers := len(np.unique(groups))) <= len(names) + 1:
        raise DataFloorError(
            f"{where} needs more customers than coefficients ({len(names) + 1}); there are {customers}."
        )
    family = sm.families.Binomial(sm.families.links.Logit() if link == "logit" else sm.families.links.CLogLog())
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what statsmodels warns of is an error below
        fit = sm.GLM(used[event_col].to_numpy(), design, family=family).fit(
            maxiter=100, cov_type="cluster", cov_kwds={"groups": groups}
        )
    bad = ~np.isfinite(fit.params) | (np.abs(fit.params) > _SEPARATED)
    if bad.any() or not fit.converged:
        shown = [name for name, flag in zip(names, bad[1:], strict=True) if flag] or names
        raise ConvergenceError(
            f"{where}: no estimate exists for {', '.join(shown)}: it separates the months of leaving from the others. "
            "Leave it out, or join its classes."
        )
    # Back to the units of the covariates.
    turn = np.diag(np.concatenate([[1.0], 1 / spread]))
    turn[0, 1:] = -x.mean(axis=0) / spread
    coefficient, error = turn @ fit.params, np.sqrt(np.diag(turn @ fit.cov_params() @ turn.T))
    reach = norm.ppf((1 + level) / 2) * error
    return pd.DataFrame(
        {
            "covariate": [tr("(constant)"), *names],
            "coefficient": coefficient,
            "std_error": error,
            "coefficient_low": coefficient - reach,
            "coefficient_high": coefficient + reach,
            "ratio": np.exp(coefficient),
            "low": np.exp(coefficient - reach),
            "high": np.exp(coefficient + reach),
            "p_value": 2 * norm.sf(np.abs(coefficient / error)),
        }
    )
