"""Indices rolled up: companies' indices, and from them those of industries, sectors and the nation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    first_rows,
    index_problems,
    is_number,
    level_problems,
    missing_columns,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import CrmError, DataFloorError, ItemWarning, did_you_mean, reason_of
from crm_utils.language import counted, listed, tr
from crm_utils.plotting import MUTED, describe, draw_intervals, new_axes
from crm_utils.pls import PathModel
from crm_utils.pls.reading import case_weights, cluster_codes
from crm_utils.satisfaction.changes import DOWN, SAME, UP
from crm_utils.satisfaction.index import FEWEST_CASES, Scale, index_scores, without_empty_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "roll_up"
ONE_PERIOD = "in one period only"
_COLUMNS = (
    "level", "name", "parent", "index", "std_error", "low", "high", "weight_share", "measured_share", "companies",
    "effective_companies", "note",
)  # fmt: skip
_SHOWN, _NO_CHANGE = 3, 1e-9
# More rows than this, and the figure leaves out the lowest levels.
_MOST_ROWS = 40


def company_indices(
    answers: pd.DataFrame,
    company: Any,
    model: PathModel,
    *,
    construct: str = "satisfaction",
    scale: Scale = (1, 10),
    rule: str = "unstandardized",
    scheme: str = "path",
    missing: str = "error",
    weights: Any = None,
    clusters: Any = None,
    n_boot: int = 1000,
    seed: int | np.random.SeedSequence,
    level: float = 0.95,
) -> pd.DataFrame:
    """Estimate one model in every company of a survey, and take the index of each.

    A company whose index cannot be estimated has none and a reason; the others go on.

    Parameters
    ----------
    answers : pandas.DataFrame, shape (n, …)
        One row an answered questionnaire, of all companies.
    company : str or array-like, shape (n,)
        Company that each questionnaire is about: a column of `answers`, or labels.
    model : PathModel
        The model, the same for all companies.
    construct : str, default "satisfaction"
        Whose index.
    scale, rule
        As in `index_scores`.
    scheme, missing, weights, clusters
        As in `PathModel.fit`, in every company alike.
    n_boot : int, default 1000
        Number of bootstrap replicates a company, from 2.
    seed : int
        Seed, 0 or more; each company has a child of its own, in the sorted order of the labels.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row a company, in the sorted order of the labels: ``company``, ``answers`` (cases used), ``index``,
        ``std_error``, ``low``, ``high``, ``lost_replicates`` (of the bootstrap, left out), ``note``. A company with
        fewer than 20 answers (or people, where there are clusters), or in which the model cannot be estimated, has NaN
        and the reason as its note.

    Raises
    ------
    ParameterError
        If an option is unusable, a questionnaire has no company, or no company has an index for such reasons.
    DataFloorError, ConvergenceError
        If no company has an index: with all reasons.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> mood = rng.normal(size=(300, 1))
    >>> answers = pd.DataFrame(np.clip(np.rint(7 + mood + rng.normal(size=(300, 2))), 1, 10), columns=["value", "s1"])
    >>> model = PathModel({"value": ["value"], "satisfaction": ["s1"]}, [("value", "satisfaction")])
    >>> company = np.repeat(["Ash", "Birch", "Cedar"], [150, 140, 10])
    >>> found = company_indices(answers, company, model, n_boot=100, seed=7)
    >>> found[["company", "answers", "note"]].to_numpy().tolist()
    [['Ash', 150, ''], ['Birch', 140, ''], ['Cedar', 10, 'Fewer than 20 answers']]
    """
    where = "company_indices"
    for name, given, kind in (("answers", answers, pd.DataFrame), ("model", model, PathModel)):
        if not isinstance(given, kind):
            raise_problems(where, [f"{name} must be a {kind.__name__}, and is {type(given).__name__}"])
    problems = resampling_problems(n_boot, level) + seed_problems(seed)
    if construct not in model.constructs:
        hint = did_you_mean(construct, model.constructs)
        problems.append(f"construct must be one of {', '.join(model.constructs)}, and is {construct!r}{hint}")
    codes, names = _company_codes(answers, company, problems)
    mass, people = case_weights(answers, weights, problems), cluster_codes(answers, clusters, problems)
    raise_problems(where, problems)

    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    rows, failures = [], []
    for code, child in enumerate(root.spawn(len(names))):
        rows_of = codes == code
        row = {"company": names[code], "answers": int((mass[rows_of] > 0).sum()), "index": np.nan}
        row |= {"std_error": np.nan, "low": np.nan, "high": np.nan, "lost_replicates": 0}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ItemWarning)
                results = model.fit(
                    answers[rows_of],
                    scheme=scheme,
                    missing=missing,
                    weights=mass[rows_of],
                    clusters=None if people is None else people[rows_of],
                )
            row["answers"] = results.n_cases
            _check_enough(results.cases.counted().clusters, results.n_cases)
            # Before the bootstrap, for it costs nothing and finds what is wrong.
            index_scores(results, scale=scale, rule=rule)
            bootstrap = results.bootstrap(n_boot, seed=child)
            scores = index_scores(bootstrap, scale=scale, rule=rule, level=level).loc[construct]
            row |= scores.to_dict() | {"lost_replicates": int((~bootstrap.usable).sum())}
            row["note"] = " ".join(results.notes)
        except CrmError as error:
            failures.append(error)
            row["note"] = reason_of(error)
        rows.append(row)
    if len(failures) == len(names):
        reasons = pd.Series([reason_of(error) for error in failures]).value_counts(sort=False)
        told = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.head(_SHOWN).items())
        none = "the only company has no" if len(names) == 1 else f"none of the {len(names):,} companies has an"
        raise type(failures[0])(f"{where}: {none} index: {told}")
    return pd.DataFrame(rows)


def _company_codes(answers: pd.DataFrame, company: Any, problems: list[str]) -> tuple[np.ndarray, list]:
    """Number of the company of each row, and the labels; what is wrong is added to `problems`."""
    none = np.zeros(0, dtype=int), []
    if isinstance(company, str):
        if company not in answers.columns:
            hint = did_you_mean(company, answers.columns)
            problems.append(f"answers lack the column of companies {company!r}{hint}")
            return none
        company = answers[company]
    if np.ndim(company) != 1 or len(company) != len(answers):
        problems.append(
            f"company must be one label a row of answers, which has {len(answers):,}, and has the shape "
            f"{np.shape(company)}"
        )
        return none
    problems += index_problems(answers=answers, company=company)
    labels = pd.Series(company)
    if (absent := labels.isna().to_numpy()).any():
        problems.append(
            f"company is missing in {counted(int(absent.sum()), 'row')} ({first_rows(absent, answers.index)}); leave "
            "them out"
        )
    codes, names = pd.factorize(labels, sort=True)
    if not len(names):
        problems.append("answers are of no company; at least one is needed")
    return codes, list(names)


def _check_enough(clusters: np.ndarray | None, cases: int) -> None:
    if cases < FEWEST_CASES:
        raise DataFloorError(tr("fewer than {fewest} answers").format(fewest=FEWEST_CASES))
    if clusters is not None and len(np.unique(clusters)) < FEWEST_CASES:
        raise DataFloorError(tr("fewer than {fewest} people").format(fewest=FEWEST_CASES))


@dataclass(frozen=True, eq=False)
class _Tier:
    """Members of one level.

    Attributes
    ----------
    level : str
        Name of the level.
    names : list
        Names of the members.
    rows : numpy.ndarray of int, shape (companies,)
        Which member each row of companies is in.
    parents : numpy.ndarray of int, shape (members,)
        Which member of the level above each is in.
    weights : numpy.ndarray of float, shape (members,)
        What each weighs in the level above.
    measured : numpy.ndarray of float, shape (members,)
        Share of its weight that has an index.
    shares : numpy.ndarray of float, shape (members,)
        Share of each in the mean of its parent.
    parts : numpy.ndarray of float, shape (companies,)
        How much each row of companies counts in the index of its member.
    """

    level: str
    names: list
    rows: np.ndarray
    parents: np.ndarray
    weights: np.ndarray
    measured: np.ndarray
    shares: np.ndarray
    parts: np.ndarray


def roll_up(
    indices: pd.DataFrame,
    *,
    levels: Sequence[str] = ("industry", "sector"),
    whole: str = "nation",
    weights: Mapping[str, Mapping[Any, float]] | None = None,
    company_col: str = "company",
    revenue_col: str = "revenue",
    index_col: str = "index",
    std_error_col: str | None = "std_error",
    survey_col: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Roll companies' indices up to industries, sectors and the nation, with their sampling errors.

    The index of an industry is the mean of its companies' weighted by their revenue in it, that of a sector the mean
    of its industries' weighted by revenue, and that of the nation the mean of its sectors' weighted by their shares of
    the gross domestic product ([1]_, [2]_). With the weights w that the companies end up with, all adding up to 1,

    .. math:: I = \sum_c w_c I_c, \quad \text{se}^2 = \sum_c w_c^2 \, \text{se}_c^2

    for the companies' surveys are samples of their own.

    Parameters
    ----------
    indices : pandas.DataFrame
        One row a company and industry it sells in. The rest of an industry ("all others") is a row like any other. A
        row without an index is a company that was not measured: its revenue counts in the weight of its industry, and
        the others speak for it.
    levels : sequence of str, default ("industry", "sector")
        Columns with the group of each row, from the narrowest to the widest; each group lies in one of the next.
    whole : str, default "nation"
        What all of it together is called.
    weights : mapping of str to mapping, optional
        By level, the weight of every group in the level above, such as ``{"sector": {"retail": 0.09, …}}`` with shares
        of the gross domestic product; only their ratios matter. The widest level may name groups that have no
        company: they are not measured, and noted. Default: the sum of what the group holds, which is its revenue.
    company_col, revenue_col, index_col : str
        Columns with the name of the company, its revenue in the industry (above zero, any unit, the same for all),
        and its index.
    std_error_col : str, optional
        Column with the standard error of the index; None where it is not known.
    survey_col : str, optional
        Column with the survey behind each row: rows of one survey share its error, such as those of a company that
        was asked about once and sells in two industries. Default: every row has a survey of its own.
    level : float, default 0.95
        Confidence level, of each interval on its own.

    Returns
    -------
    pandas.DataFrame
        One row a group and company, the whole first and every group before what it holds, the heaviest first:
        ``level``, ``name``, ``parent``, ``index``, ``std_error``, ``low``, ``high`` (normal), ``weight_share`` (in the
        mean of the parent; 0 where it is not measured), ``measured_share`` (of its weight), ``companies`` (measured),
        ``effective_companies`` (1/Σw²: as many of the same weight would have as small an error), ``note``. Where a
        company has no standard error, what rests on it has none either, and the note names it.

    Raises
    ------
    ParameterError
        If columns or names are missing, a revenue, weight or standard error is unusable, a group lies in two of the
        next level, or weights do not cover the groups: with every problem.
    DataFloorError
        If no company has an index.

    Notes
    -----
    The error is sampling error only. Whom a survey does not reach, who does not answer, how well companies stand for
    those not measured, and what is not known of revenues and the model are not in it.

    References
    ----------
    .. [1] Fornell, C., Johnson, M. D., Anderson, E. W., Cha, J. & Bryant, B. E. (1996). The American Customer
       Satisfaction Index: nature, purpose, and findings. Journal of Marketing 60(4), 7–18.
    .. [2] American Customer Satisfaction Index. Building the Cross-Industry Index.
       https://theacsi.org/company/building-the-cross-industry-index/

    Examples
    --------
    >>> indices = pd.DataFrame(
    ...     {
    ...         "company": ["Ash", "Birch", "Cedar", "Daisy"],
    ...         "industry": ["airlines", "airlines", "hotels", "grocers"],
    ...         "sector": ["travel", "travel", "travel", "retail"],
    ...         "revenue": [30.0, 10.0, 40.0, 100.0],
    ...         "index": [70.0, 78.0, 76.0, 80.0],
    ...         "std_error": [1.0, 1.0, 2.0, 1.5],
    ...     }
    ... )
    >>> rolled = roll_up(indices, weights={"sector": {"travel": 1, "retail": 3}})
    >>> rolled[["level", "name", "index", "std_error"]].head(4).round(2).to_numpy().tolist()
    [['nation', 'nation', 78.5, 1.16], ['sector', 'retail', 80.0, 1.5], ['industry', 'grocers', 80.0, 1.5],
     ['company', 'Daisy', 80.0, 1.5]]
    """
    if not isinstance(indices, pd.DataFrame):
        raise_problems(_WHERE, [f"indices must be a DataFrame, and is {type(indices).__name__}"])
    levels = (levels,) if isinstance(levels, str) else tuple(levels)
    columns = [company_col, *levels, revenue_col, index_col, *([std_error_col] if std_error_col is not None else [])]
    problems = level_problems(level)
    named = [*columns, whole]
    columns += [survey_col] if survey_col is not None else []
    if repeated := sorted({str(name) for name in named if named.count(name) > 1}):
        problems.append(f"every level and column must have a name of its own, and {', '.join(repeated)} is given twice")
    raise_problems(_WHERE, problems + missing_columns(indices, columns, "indices"))
    if not indices[index_col].notna().any():
        raise DataFloorError(f"{_WHERE} needs the index of at least one company, and there is none.")

    rows = _read(indices, company_col, revenue_col, index_col, std_error_col, survey_col, problems)
    problems += _label_problems(indices, [company_col, *levels], survey_col)
    problems += _weight_problems(indices, levels, weights)
    raise_problems(_WHERE, problems)

    tiers = _tiers(indices[list(levels)], rows, company_col, whole, weights or {})
    parts = [_tier_columns(tier, rows, level) for tier in tiers]
    if silent := _silent(tiers, weights or {}):
        absent = tr("not measured: {names}").format(names=_few(silent))
        parts[-1]["note"] = ["; ".join(filter(None, [absent, *parts[-1]["note"]]))]
    for tier, above, part in zip(tiers, [*tiers[1:], None], parts, strict=True):
        part["parent"] = _labels([""] if above is None else [above.names[parent] for parent in tier.parents])
    starts = np.cumsum([0, *(len(tier.names) for tier in tiers)])
    order = [starts[place] + member for place, member in _walk(tiers, len(tiers) - 1, 0)]
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts])[order] for name in _COLUMNS})


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of companies.

    Attributes
    ----------
    names : list
        Names of the companies.
    companies, surveys : numpy.ndarray of int, shape (rows,)
        Number of the company and of the survey of each row.
    revenue, index, std_error : numpy.ndarray of float, shape (rows,)
        Numbers; an index or error that is not known is NaN.
    lacking : numpy.ndarray of bool, shape (rows,)
        Whether an error is missing that should be there.
    """

    names: list
    companies: np.ndarray
    surveys: np.ndarray
    revenue: np.ndarray
    index: np.ndarray
    std_error: np.ndarray
    lacking: np.ndarray


def _read(
    indices: pd.DataFrame,
    company_col: str,
    revenue_col: str,
    index_col: str,
    std_error_col: str | None,
    survey_col: str | None,
    problems: list[str],
) -> _Rows:
    """Rows of companies as arrays; what is wrong with their numbers is added to `problems`."""
    names = indices[company_col].tolist()
    revenue = as_numbers(indices[revenue_col], revenue_col, problems)
    index = _given_numbers(indices[index_col], index_col, problems)
    errors = np.full(len(indices), np.nan)
    if std_error_col is not None:
        errors = _given_numbers(indices[std_error_col], std_error_col, problems)
    for column, wrong, rule in ((revenue_col, revenue <= 0, "above zero"), (std_error_col, errors < 0, "0 or more")):
        if wrong.any():
            problems.append(
                f"{column} must be {rule}, and is not in {counted(int(wrong.sum()), 'row')} "
                f"({first_rows(wrong, names)}); correct them, or leave them out"
            )
    surveys = np.arange(len(indices)) if survey_col is None else pd.factorize(indices[survey_col])[0]
    lacking = np.isnan(errors) if std_error_col is not None else np.zeros(len(indices), dtype=bool)
    return _Rows(names, pd.factorize(indices[company_col])[0], surveys, revenue, index, errors, lacking)


def _given_numbers(column: pd.Series, name: str, problems: list[str]) -> np.ndarray:
    """Numbers of a column, NaN where there is none; what is wrong is added to `problems`."""
    given = column.notna().to_numpy()
    numbers = np.full(len(column), np.nan)
    numbers[given] = as_numbers(column[given], name, problems)
    return numbers


def _label_problems(indices: pd.DataFrame, columns: Sequence[str], survey_col: str | None) -> list[str]:
    """Say which names are missing, and which groups lie in more than one group of the next level."""
    problems = []
    for column in [*columns, *([survey_col] if survey_col is not None else [])]:
        if (absent := indices[column].isna().to_numpy()).any():
            problems.append(
                f"{column} is missing in {counted(int(absent.sum()), 'row')} ({first_rows(absent, indices.index)}); "
                "name it"
            )
    for inner, outer in pairwise(columns[1:]):
        pairs = indices[[inner, outer]].dropna().drop_duplicates()
        for name, rows in pairs[pairs[inner].duplicated(keep=False)].groupby(inner)[outer]:
            several = listed(sorted(map(str, rows)))
            problems.append(f"the {inner} {name} lies in the {outer} {several}; call its parts by different names")
    return problems


def _weight_problems(indices: pd.DataFrame, levels: Sequence[str], weights: Any) -> list[str]:
    if weights is None:
        return []
    if not isinstance(weights, Mapping) or not all(isinstance(given, Mapping) for given in weights.values()):
        return [
            "weights must be a mapping of levels to mappings of names to numbers, such as {'sector': {'retail': 9}}"
        ]
    problems = []
    for level, given in weights.items():
        if level not in levels:
            hint = did_you_mean(level, levels)
            problems.append(f"weights name the level {level!r}, and the levels are {', '.join(levels)}{hint}")
            continue
        names = list(indices[level].dropna().unique())
        if odd := [name for name, weight in given.items() if not is_number(weight) or weight <= 0]:
            problems.append(
                f"weights of {level} must be numbers above zero, and that of {odd[0]} is {given[odd[0]]!r}"
                + (f" ({len(odd):,} are not)" if len(odd) > 1 else "")
            )
        if absent := [str(name) for name in names if name not in given]:
            problems.append(f"weights of {level} lack {', '.join(absent)}; give one for every {level}")
        if level != levels[-1] and (extra := [str(name) for name in given if name not in names]):
            problems.append(
                f"weights of {level} name {', '.join(extra)}, of which indices have no row; add a row without an "
                "index for each, so that it is known where it belongs"
            )
    return problems


def _tiers(
    groups: pd.DataFrame,
    companies: _Rows,
    company_col: str,
    whole: str,
    weights: Mapping[str, Mapping[Any, float]],
) -> list[_Tier]:
    """Companies, and every level above them up to the whole."""
    size = len(groups)
    rows, names, level = np.arange(size), companies.names, company_col
    weight, measured = companies.revenue, np.isfinite(companies.index).astype(float)
    parts = measured
    tiers = []
    for above in (*groups.columns, None):
        upper, upper_names = (np.zeros(size, dtype=int), [whole]) if above is None else pd.factorize(groups[above])
        # The parent of a member is that of any of its rows.
        parents = np.zeros(len(names), dtype=int)
        parents[rows] = upper
        used = weight * (measured > 0)
        total = np.bincount(parents, used)[parents]
        shares = np.divide(used, total, out=np.zeros_like(used), where=total > 0)
        tiers.append(_Tier(level, list(names), rows, parents, weight, measured, shares, parts))
        parts = parts * shares[rows]
        held = np.bincount(parents, weight)
        # Groups that are weighed but have no company are a part of the whole that is not measured.
        silent = 0.0 if above is not None else sum(weights[level][name] for name in _silent(tiers, weights))
        measured = np.bincount(parents, weight * measured) / (held + silent)
        given = weights.get(above)
        weight = held if given is None else np.array([given[name] for name in upper_names], dtype=float)
        rows, names, level = upper, upper_names, whole if above is None else above
    tiers.append(_Tier(level, list(names), rows, np.array([-1]), weight, measured, np.array([np.nan]), parts))
    return tiers


def _tier_columns(tier: _Tier, companies: _Rows, level: float) -> dict[str, Any]:
    """Indices of the members of a tier and their errors."""
    from scipy.stats import norm

    size, counted = len(tier.names), tier.parts > 0
    rows, part = tier.rows[counted], tier.parts[counted]
    index = np.bincount(rows, part * companies.index[counted], minlength=size)
    owner, moved = _summed(rows, companies.surveys[counted], part * companies.std_error[counted])
    error = np.sqrt(np.bincount(owner, moved**2, minlength=size))
    owner, share = _summed(rows, companies.companies[counted], part)
    concentration = np.bincount(owner, share**2, minlength=size)
    silent = tier.measured == 0
    index[silent], error[silent] = np.nan, np.nan
    reach = norm.ppf((1 + level) / 2) * error
    return {
        "level": np.full(size, tier.level, dtype=object),
        "name": _labels(tier.names),
        "index": index,
        "std_error": error,
        "low": index - reach,
        "high": index + reach,
        "weight_share": tier.shares,
        "measured_share": tier.measured,
        "companies": np.bincount(owner, minlength=size),
        "effective_companies": np.divide(1, concentration, out=np.zeros(size), where=concentration > 0),
        "note": _notes(tier, companies),
    }


def _labels(names: Sequence) -> np.ndarray:
    """Names as they are, one an element, whatever they are."""
    return pd.Series(list(names), dtype=object).to_numpy()


def _summed(rows: np.ndarray, codes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of values by row and code: which row each is of, and the sums."""
    pairs = np.unique(np.column_stack([rows, codes]), axis=0, return_inverse=True)
    return pairs[0][:, 0], np.bincount(pairs[1].ravel(), values, minlength=len(pairs[0]))


def _silent(tiers: Sequence[_Tier], weights: Mapping[str, Mapping[Any, float]]) -> list:
    """Groups of the widest level that are weighed and have no company."""
    widest = next((tier for tier in tiers[::-1] if tier.level in weights), None)
    if widest is None:
        return []
    known = set(widest.names)
    return [name for name in weights[widest.level] if name not in known]


def _notes(tier: _Tier, companies: _Rows) -> list[str]:
    """What a reader of each member's index has to know."""
    notes, names = [], _labels(companies.names)
    for member, measured in enumerate(tier.measured):
        inside = (tier.rows == member) & (tier.parts > 0) & companies.lacking
        if not measured:
            notes.append(tr("not measured"))
        elif inside.any():
            notes.append(tr("no standard error of {names}").format(names=_few(names[inside])))
        else:
            notes.append("")
    return notes


def _few(names: Sequence) -> str:
    """Some names, whatever order they come in."""
    return listed(sorted(dict.fromkeys(map(str, names))), most=_SHOWN)


def _walk(tiers: Sequence[_Tier], place: int, member: int) -> Iterator[tuple[int, int]]:
    """Members of all tiers, each before what it holds, the heaviest first."""
    yield place, member
    if not place:
        return
    inner = tiers[place - 1]
    inside = np.flatnonzero(inner.parents == member)
    for child in sorted(inside, key=lambda child: (-inner.weights[child], str(inner.names[child]))):
        yield from _walk(tiers, place - 1, child)


def roll_up_changes(before: pd.DataFrame, after: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Hold rolled-up indices against those of an earlier period with samples of its own.

    Each period has its own weights: where customers move to better companies, the index rises though no company does.

    Parameters
    ----------
    before, after : pandas.DataFrame
        From `roll_up` with the same levels.
    level : float, default 0.95
        Confidence level, for all changes of the table together (Šidák).

    Returns
    -------
    pandas.DataFrame
        One row a group in the order of `after`, companies left out: ``level``, ``name``, ``parent``, ``change``,
        ``std_error``, ``low``, ``high``, ``verdict`` ("up", "down", "cannot tell apart"; "in one period only", with
        NaN, for a group that has no index, or no standard error, in the other).

    Raises
    ------
    ParameterError
        If the tables have different levels, or the level is out of range.

    Examples
    --------
    >>> indices = pd.DataFrame({"company": ["Ash", "Birch"], "revenue": [3, 1], "index": [70.0, 74], "std_error": 0.8})
    >>> before = roll_up(indices, levels=())
    >>> after = roll_up(indices.assign(index=[74.0, 76]), levels=())
    >>> roll_up_changes(before, after)[["name", "change", "verdict"]].to_numpy().tolist()
    [['nation', 3.5, 'up']]
    """
    from scipy.stats import norm

    problems = level_problems(level)
    if (one := _levels(before)) != (other := _levels(after)):
        problems.append(f"before and after must have the same levels, and have {', '.join(one)} and {', '.join(other)}")
    raise_problems("roll_up_changes", problems)
    keys = ["level", "name", "parent"]
    new, old = (table[table["level"] != one[-1]].set_index(keys)[["index", "std_error"]] for table in (after, before))
    names = new.index.append(old.index.difference(new.index, sort=False))
    new, old = new.reindex(names), old.reindex(names)
    change = (new["index"] - old["index"]).to_numpy()
    # Rounding is no change, however small the errors are.
    change = np.where(np.abs(change) < _NO_CHANGE, 0.0, change)
    error = np.hypot(new["std_error"], old["std_error"]).to_numpy()
    known = np.isfinite(change) & np.isfinite(error)
    reach = norm.ppf((1 + level ** (1 / max(known.sum(), 1))) / 2) * error
    table = names.to_frame(index=False)
    table = table.assign(change=change, std_error=error, low=change - reach, high=change + reach)
    table["verdict"] = np.select([~known, table["low"] > 0, table["high"] < 0], [ONE_PERIOD, UP, DOWN], SAME)
    return table


def _levels(rolled: pd.DataFrame) -> list[str]:
    """Levels from the whole down: every group comes before what it holds."""
    return list(dict.fromkeys(rolled["level"]))


def roll_up_table(rolled: pd.DataFrame, *, lowest: str | None = None) -> pd.DataFrame:
    """Rolled-up indices as a table for people.

    Parameters
    ----------
    rolled : pandas.DataFrame
        From `roll_up`.
    lowest : str, optional
        Lowest level to show. Default: the lowest with which there are at most 40 rows.

    Returns
    -------
    pandas.DataFrame
        ``level``, ``name``, ``parent``, ``index``, ``low``, ``high``, ``weight share`` (in the parent), ``measured
        share``, ``companies``, and notes where there are any.

    Raises
    ------
    ParameterError
        If there is no such level.
    """
    levels = _levels(rolled)
    if lowest is not None and lowest not in levels:
        raise_problems("roll_up_table", [f"lowest must be one of {', '.join(levels)}, and is {lowest!r}"])
    sizes = rolled["level"].value_counts()[levels].cumsum()
    most = levels.index(lowest) + 1 if lowest is not None else max(int((sizes <= _MOST_ROWS).sum()), 1)
    columns = ["level", "name", "parent", "index", "low", "high", "weight_share", "measured_share", "companies", "note"]
    table = rolled.loc[rolled["level"].isin(levels[:most]), columns].reset_index(drop=True)
    return without_empty_notes(table).rename(columns=lambda name: name.replace("_", " "))


def plot_roll_up(rolled: pd.DataFrame, *, lowest: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw rolled-up indices as a tree, the whole on top; `roll_up_table` has the numbers.

    Parameters
    ----------
    rolled : pandas.DataFrame
        From `roll_up`.
    lowest : str, optional
        As in `roll_up_table`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.

    Raises
    ------
    ParameterError
        As in `roll_up_table`.
    """
    table = roll_up_table(rolled, lowest=lowest)
    levels = _levels(table)
    depths = [levels.index(level) for level in table["level"]]
    names = table["name"].astype(str)
    shown = names.where(table["index"].notna(), names + " " + tr("(not measured)"))
    ax = new_axes(ax, figsize=(7, 0.27 * len(table) + 1.3))
    ax.axvline(table["index"].iloc[0], color=MUTED, linewidth=1, linestyle=":")
    indented = ["\N{NO-BREAK SPACE}" * 4 * depth + name for depth, name in zip(depths, shown, strict=True)]
    draw_intervals(ax, indented, table["index"], table["low"], table["high"], template="{:.1f}")
    for number in ax.texts:
        # Over the line of the whole.
        number.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    _align_left(ax, [depth < np.clip(len(levels) - 1, 1, 2) for depth in depths])
    ax.set(xlabel=tr("Index, 0 to 100"), title=tr("Satisfaction indices rolled up to {top}").format(top=names.iloc[0]))
    indices = "; ".join(
        f"{name} {number:.1f}" if level == levels[0] else f"{level} {name} {number:.1f}"
        for level, name, number in zip(table["level"], names, table["index"], strict=True)
        if np.isfinite(number)
    )
    return describe(ax, tr("Indices rolled up, each before what it holds: {listed}.").format(listed=indices))


def _align_left(ax: Axes, bold: Sequence[bool]) -> None:
    """Start the names of the rows at one edge, so that they read as a tree."""
    labels = ax.get_yticklabels()
    for label, heavy in zip(labels, bold, strict=True):
        label.set_fontweight("bold" if heavy else "normal")
    ax.figure.draw_without_rendering()
    widest = max(label.get_window_extent().width for label in labels)
    ax.tick_params(axis="y", pad=widest * 72 / ax.figure.dpi + 4, length=0)
    for label in labels:
        label.set_horizontalalignment("left")
