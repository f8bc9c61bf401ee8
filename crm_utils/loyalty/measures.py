"""Loyalty in three dimensions, time, behaviour and feeling: measures of each customer, from orders and survey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_utils.checks import first_rows, level_problems, missing_columns, raise_problems
from crm_utils.company import Company, purchase_summary
from crm_utils.company.company import is_return
from crm_utils.company.settings import SurveySettings
from crm_utils.errors import DataFloorError, did_you_mean
from crm_utils.intervals import person_codes, sample_mean, share_interval
from crm_utils.language import counted, tr
from crm_utils.survey import numeric_column, usual_constructs, wave_order

# The rate of a customer of a few weeks would be a rate of a few purchases.
_FEWEST_DAYS = 90
_DAYS_A_YEAR = 365.25
# A mean of fewer customers than this has an interval that cannot be trusted.
_FLOOR = 20


class LoyaltyMeasure(NamedTuple):
    """One measure of loyalty: what it is, where it comes from, and how few customers are too few for its mean."""

    name: str
    chinese: str
    dimension: str
    definition: str
    unit: str
    source: str
    floor: int
    better: str
    lowest: float
    highest: float


LOYALTY_MEASURES = (
    LoyaltyMeasure(
        "relationship_days", "关系持续时间", "time",
        "days from joining or the first purchase, whichever came first, to the day of the analysis",
        "days", "customers or order_lines", _FLOOR, "higher", 0, np.inf,
    ),
    LoyaltyMeasure(
        "recency_days", "最近一次购买距今天数", "time",
        "days from the last purchase to the day of the analysis",
        "days", "order_lines", _FLOOR, "lower", 0, np.inf,
    ),
    LoyaltyMeasure(
        "bought_again", "重复购买", "behaviour",
        "whether there is a purchase on a second day; the mean is the repeat rate",
        "yes (1) or no (0)", "order_lines", _FLOOR, "higher", 0, 1,
    ),
    LoyaltyMeasure(
        "repeat_days_per_year", "年重复购买次数", "behaviour",
        "purchase days after the first, per year since the first; for customers of at least 90 days",
        "days a year", "order_lines", _FLOOR, "higher", 0, np.inf,
    ),
    LoyaltyMeasure(
        "full_price_share", "原价购买比例", "behaviour",
        "share of the money spent that went to lines without a discount",
        "share", "order_lines", _FLOOR, "higher", 0, 1,
    ),
    LoyaltyMeasure(
        "categories", "购买品类数", "behaviour",
        "different product groups bought",
        "groups", "order_lines", _FLOOR, "higher", 0, np.inf,
    ),
    LoyaltyMeasure(
        "share_of_wallet", "钱包份额", "behaviour",
        "share of all purchases of the kind that go to this company, as stated (fractions of 1 count as per cent)",
        "per cent", "survey", _FLOOR, "higher", 0, 100,
    ),
    LoyaltyMeasure(
        "price_tolerance", "价格容忍度", "behaviour",
        "rise in price before the customer would go elsewhere, as stated",
        "per cent", "survey", _FLOOR, "higher", 0, np.inf,
    ),
    LoyaltyMeasure(
        "referrals", "推荐人数", "behaviour",
        "people to whom the customer recommended the company, as stated",
        "people", "survey", _FLOOR, "higher", 0, np.inf,
    ),
    LoyaltyMeasure(
        "trust", "信任", "feeling", "trust in the company, as answered",
        "points", "survey", _FLOOR, "higher", -np.inf, np.inf,
    ),
    LoyaltyMeasure(
        "nps", "推荐意愿", "feeling", "likelihood to recommend",
        "points of 10", "survey", _FLOOR, "higher", 0, 10,
    ),
    LoyaltyMeasure(
        "fault_tolerance", "对过失的容忍度", "feeling", "patience with faults, as answered",
        "points", "survey", _FLOOR, "higher", -np.inf, np.inf,
    ),
    LoyaltyMeasure(
        "stated_loyalty", "忠诚意愿", "feeling",
        "mean answer to the items of the construct loyalty, reversed ones turned round; all must be answered",
        "points", "survey", _FLOOR, "higher", -np.inf, np.inf,
    ),
)  # fmt: skip
"""The measures in fixed order; `loyalty_definitions` is the table."""

_BY_NAME = {measure.name: measure for measure in LOYALTY_MEASURES}
_OF_ORDERS = ("recency_days", "bought_again", "repeat_days_per_year", "full_price_share", "categories")
_ASKED = tuple(
    measure.name for measure in LOYALTY_MEASURES if measure.source == "survey" and measure.name != "stated_loyalty"
)


def loyalty_definitions() -> pd.DataFrame:
    """List what is measured, how, and from which table.

    Returns
    -------
    pandas.DataFrame
        One row a measure: ``measure``, ``chinese``, ``dimension``, ``definition``, ``unit``, ``source`` (table),
        ``floor`` (customers needed for a mean), ``better``.

    Examples
    --------
    >>> loyalty_definitions()["dimension"].value_counts().to_dict()
    {'behaviour': 7, 'feeling': 4, 'time': 2}
    """
    table = pd.DataFrame(LOYALTY_MEASURES).rename(columns={"name": "measure"}).drop(columns=["lowest", "highest"])
    for column in ("dimension", "definition", "unit", "better"):
        table[column] = table[column].map(tr)
    return table


def loyalty_measures(
    company: Company,
    *,
    as_of: Any = None,
    wave: str | None = None,
    survey_columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Measure the loyalty of each customer, as far as the company's tables tell it.

    Parameters
    ----------
    company : Company
        With order lines, a survey, or both.
    as_of : str or date, optional
        Day of the analysis. Default: the company's.
    wave : str, optional
        Wave whose answers count. Default: each customer's newest answers, by `crm_utils.survey.wave_order`.
    survey_columns : mapping of str to str, optional
        As in `survey_loyalty`.

    Returns
    -------
    pandas.DataFrame
        One row for each customer who bought before the day or answered, sorted: ``customer_id``; ``purchase_days``
        where there are order lines; ``wave`` and ``survey_weight`` (1 without weights) where there is a survey; and
        the measures of `loyalty_definitions` that the tables tell. NaN where a customer did not buy, was not asked,
        or did not answer. Who answered without a customer number is a row of her own, called after the response.
        ``attrs["absent"]`` maps each measure that the tables do not tell to the reason.

    Raises
    ------
    ParameterError
        If the wave is unknown, or answers are unusable.
    DataFloorError
        If the company has neither order lines nor a survey.

    Notes
    -----
    Survey weights are those of the wave in which the customer answered: exact for one wave, and close to it for the
    newest answers of several.

    Examples
    --------
    >>> lines = pd.DataFrame({
    ...     "order_id": ["a", "b", "c"], "customer_id": ["x", "x", "y"], "amount": [10.0, 20.0, 5.0],
    ...     "ordered_at": pd.to_datetime(["2025-01-01", "2025-07-02", "2025-12-15"])})
    >>> company = Company.from_frames({"order_lines": lines}, as_of="2026-01-01")
    >>> measures = loyalty_measures(company)
    >>> measures[["customer_id", "relationship_days", "bought_again", "repeat_days_per_year"]].round(2)
      customer_id  relationship_days  bought_again  repeat_days_per_year
    0           x              365.0           1.0                   1.0
    1           y               17.0           0.0                   NaN
    >>> measures.attrs["absent"]["trust"]
    'the company has no table survey'
    """
    where = "loyalty_measures"
    if as_of is not None:
        company = company.at(as_of)
    if not company.has("order_lines") and not company.has("survey"):
        raise DataFloorError(f"{where} needs order lines or a survey; {company.name} has {', '.join(company.tables)}.")
    absent: dict[str, str] = {}
    parts = []
    if company.has("order_lines"):
        parts.append(_from_orders(company, absent))
    else:
        absent |= dict.fromkeys(_OF_ORDERS, _no_table("order_lines"))
    if company.has("survey"):
        answers = survey_loyalty(company, survey_columns=survey_columns)
        # Who is not known is a person of her own, called after the response.
        own = "response " + company.survey["response_id"].astype(str)
        answers["customer_id"] = answers["customer_id"].where(answers["customer_id"].notna(), own)
        parts.append(_newest(answers, wave, where))
        absent |= parts[-1].attrs["absent"]
    else:
        absent |= dict.fromkeys([*_ASKED, "stated_loyalty"], _no_table("survey"))
    found = parts[0] if len(parts) == 1 else parts[0].merge(parts[1], on="customer_id", how="outer")
    found = _with_relationship(found, company, absent)
    lead = [name for name in ("customer_id", "purchase_days", "wave", "survey_weight") if name in found]
    told = [name for name in _BY_NAME if name in found]
    found = found[[*lead, *told]].sort_values("customer_id", kind="stable", ignore_index=True)
    found.attrs = {"absent": {name: absent[name] for name in _BY_NAME if name not in found}}
    return found


def _no_table(name: str) -> str:
    return tr("the company has no table {name}").format(name=name)


def _from_orders(company: Company, absent: dict[str, str]) -> pd.DataFrame:
    """Measures of those who bought; why others are absent is added."""
    summary = purchase_summary(company.order_lines, as_of=company.as_of)
    summary = summary[summary["purchase_days"] > 0]
    again = summary["purchase_days"] - 1
    long_enough = summary["age_days"] >= _FEWEST_DAYS
    found = pd.DataFrame(
        {
            "customer_id": summary["customer_id"],
            "purchase_days": summary["purchase_days"].astype(float),
            "first_purchase": summary["first_purchase"],
            "recency_days": summary["days_since_last"],
            "bought_again": (again > 0).astype(float),
            "repeat_days_per_year": (again / summary["age_days"] * _DAYS_A_YEAR).where(long_enough),
        }
    )
    lines = company.order_lines
    lines = lines[~is_return(lines)]
    if "discount" in lines:
        full = lines["amount"].where(lines["discount"].fillna(0) == 0, 0.0)
        spent = pd.DataFrame({"full": full, "all": lines["amount"]}).groupby(lines["customer_id"]).sum()
        found["full_price_share"] = found["customer_id"].map((spent["full"] / spent["all"]).where(spent["all"] > 0))
    else:
        absent["full_price_share"] = tr("order_lines has no column discount")
    groups = _categories(company, lines)
    if groups is None:
        absent["categories"] = tr("neither order_lines nor products tells the category")
    else:
        # Who bought nothing with a known category has no breadth that could be told.
        breadth = groups.groupby(lines["customer_id"]).nunique()
        found["categories"] = found["customer_id"].map(breadth.where(breadth > 0)).astype(float)
    return found


def _categories(company: Company, lines: pd.DataFrame) -> pd.Series | None:
    if "category" in lines:
        return lines["category"]
    if "product_id" in lines and company.has("products") and "category" in company.products:
        return lines["product_id"].map(company.products.set_index("product_id")["category"])
    return None


def _with_relationship(found: pd.DataFrame, company: Company, absent: dict[str, str]) -> pd.DataFrame:
    """Add the length of the relationship, from the earlier of joining and the first purchase."""
    starts = [found["first_purchase"]] if "first_purchase" in found else []
    if company.has("customers") and "joined_at" in company.customers:
        starts.append(found["customer_id"].map(company.customers.set_index("customer_id")["joined_at"]))
    if not starts or pd.isna(company.as_of):
        absent["relationship_days"] = tr("no table tells the day of joining or of the first purchase")
        return found
    start = pd.concat(starts, axis=1).min(axis=1)
    return found.assign(relationship_days=(company.as_of - start.dt.normalize()).dt.days.astype(float))


def survey_loyalty(
    survey: Company | pd.DataFrame,
    settings: SurveySettings | None = None,
    *,
    survey_columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Take the measures of loyalty from a survey, one row a questionnaire.

    Parameters
    ----------
    survey : Company or pandas.DataFrame
        A company with the table ``survey``, or such a table.
    settings : SurveySettings, optional
        Tells the items of the construct ``loyalty``, the scale and the reversed items. Default: those of the company;
        of a table alone, none.
    survey_columns : mapping of str to str, optional
        Column by measure, for those that do not carry the measure's name, such as ``{"trust": "Q17"}``.

    Returns
    -------
    pandas.DataFrame
        With the index of the survey: ``customer_id`` (missing where unknown), ``wave`` where there are waves (a
        categorical in their order), ``survey_weight`` (1 without weights), and the measures asked for.
        ``attrs["absent"]`` maps each measure that was not to the reason.

    Raises
    ------
    ParameterError
        If named columns are absent, answers are not numeric or out of bounds, or a weight is missing.

    Examples
    --------
    >>> answers = pd.DataFrame({"customer_id": ["x", "y"], "wave": ["2025", "2025"], "trust": [8, 6]})
    >>> survey_loyalty(answers)[["customer_id", "survey_weight", "trust"]]
      customer_id  survey_weight  trust
    0           x            1.0    8.0
    1           y            1.0    6.0
    """
    where = "survey_loyalty"
    if not isinstance(survey, pd.DataFrame):
        survey, settings = survey.survey, settings or survey.survey_settings
    settings = settings or SurveySettings()
    named = dict(survey_columns or {})
    problems = [
        f"survey_columns names {name!r}, which is no measure that is asked for"
        + did_you_mean(name, _ASKED, otherwise=f"; those are {', '.join(_ASKED)}")
        for name in named
        if name not in _ASKED
    ]
    problems += missing_columns(survey, named.values(), "the survey")
    raise_problems(where, problems)

    found = pd.DataFrame({"customer_id": survey.get("customer_id")}, index=survey.index)
    if waves := wave_order(survey):
        found["wave"] = pd.Categorical(survey["wave"], waves, ordered=True)
    found["survey_weight"] = numbers_with_gaps(survey["weight"], problems) if "weight" in survey else 1.0
    if not problems and not (found["survey_weight"] >= 0).all():
        bad = ~(found["survey_weight"] >= 0).to_numpy()
        problems.append(
            f"weight is missing or below zero in {counted(int(bad.sum()), 'answer')} (rows "
            f"{first_rows(bad, survey.index)}); give every answer a weight, or leave the column out"
        )
    absent = {}
    for name in _ASKED:
        column = named.get(name, name)
        if column not in survey:
            absent[name] = tr("the survey has no column {column}").format(column=column)
            continue
        found[name] = _in_bounds(survey[column], _BY_NAME[name], problems)
        if name == "share_of_wallet" and _is_fraction(found[name]):
            found[name] *= 100
    constructs, _ = usual_constructs(settings.constructs)
    items = [item for item in constructs.get("loyalty", ()) if item in survey]
    if items:
        low, high = settings.scale
        answers = pd.DataFrame({item: numbers_with_gaps(survey[item], problems) for item in items}, survey.index)
        turned = [item for item in items if item in settings.reversed]
        answers[turned] = low + high - answers[turned]
        found["stated_loyalty"] = answers.mean(axis=1, skipna=False)
    else:
        absent["stated_loyalty"] = tr("company.yml names no items of the construct loyalty")
    raise_problems(where, problems)
    found.attrs = {"absent": absent}
    return found


def _is_fraction(shares: pd.Series) -> bool:
    """Whether shares run from 0 to 1: nobody gives more than one per cent, and somebody less than one."""
    return bool(shares.max() <= 1 and ((shares > 0) & (shares < 1)).any())


def _in_bounds(column: pd.Series, measure: LoyaltyMeasure, problems: list[str]) -> np.ndarray:
    values = numbers_with_gaps(column, problems)
    outside = (values < measure.lowest) | (values > measure.highest)
    if outside.any():
        ends = f"{measure.lowest:g} to {measure.highest:g}" if np.isfinite(measure.highest) else f"{measure.lowest:g}"
        ends += "" if " " in ends else " and above"
        problems.append(
            f"{column.name} has {counted(int(outside.sum()), 'answer')} outside of {ends} {measure.unit} (rows "
            f"{first_rows(outside, column.index)}: {values[outside][0]:g}); correct them, or code them as missing"
        )
    return values


def _newest(answers: pd.DataFrame, wave: str | None, where: str) -> pd.DataFrame:
    """One row a customer: the answers in a wave, or the newest."""
    attrs = answers.attrs
    if wave is not None:
        known = answers["wave"].cat.categories.tolist() if "wave" in answers else []
        if wave not in known:
            raise_problems(where, [f"wave must be one of {known}, and is {wave!r}"])
        answers = answers[answers["wave"] == wave]
    # Ties, and a survey without waves, by the values themselves, so that the order of the rows decides nothing.
    order = ["customer_id", *answers.columns.drop("customer_id")]
    answers = answers.sort_values(order, kind="stable", na_position="first").drop_duplicates("customer_id", keep="last")
    answers.attrs = attrs
    return answers


def measure_table(measures: pd.DataFrame, *, customer_col: str = "customer_id", level: float = 0.95) -> pd.DataFrame:
    """Mean of each measure with its interval, and why one is absent.

    Parameters
    ----------
    measures : pandas.DataFrame
        Result of `loyalty_measures`, of `survey_loyalty`, or a part of one, such as a segment.
    customer_col : str, default "customer_id"
        Column of customers; rows of one customer count as one unit.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row a measure, absent ones too: ``measure``, ``chinese``, ``dimension``, ``unit``, ``mean`` (of survey
        answers weighted), ``std_error`` (linearised), ``low``, ``high`` (Student's t, inside the measure's bounds; of
        a yes-or-no measure Wilson's), ``customers`` with a value, ``missing`` (rows from the measure's source without
        one), ``note`` (why there is no mean: absent, or too few customers).

    Raises
    ------
    ParameterError
        If customers are no column, or the level is out of range.

    Examples
    --------
    >>> answers = pd.DataFrame({"trust": [6, 7, 8, 9] * 10})
    >>> table = measure_table(survey_loyalty(answers)).set_index("measure")
    >>> table.loc["trust", ["mean", "low", "high"]].astype(float).round(2).tolist(), table.loc["nps", "note"]
    ([7.5, 7.14, 7.86], 'the survey has no column nps')
    """
    where = "measure_table"
    problems = level_problems(level) + missing_columns(measures, [customer_col], "measures")
    values = {name: numbers_with_gaps(measures[name], problems) for name in _BY_NAME if name in measures}
    raise_problems(where, problems)
    absent = measures.attrs.get("absent", {})
    rows = []
    for measure in LOYALTY_MEASURES:
        row = {
            "measure": measure.name, "chinese": measure.chinese, "dimension": tr(measure.dimension),
            "unit": tr(measure.unit), "mean": np.nan, "std_error": np.nan, "low": np.nan, "high": np.nan,
            "customers": 0, "missing": 0, "note": "",
        }  # fmt: skip
        rows.append(row)
        if measure.name not in values:
            row["note"] = absent.get(measure.name, tr("no such column"))
            continue
        given = values[measure.name]
        asked = _in_source(measures, measure)
        people = people_of(measures, customer_col)
        weights = measures["survey_weight"].fillna(0.0).to_numpy() if measure.source == "survey" and (
            "survey_weight" in measures) else None  # fmt: skip
        mean = sample_mean(given, weights=weights, clusters=people)
        row |= {"customers": mean.units, "missing": int((asked & np.isnan(given)).sum())}
        rows[-1] = row
        if mean.units < measure.floor:
            row["note"] = tr("needs at least {floor:,} customers; there are {has:,}").format(
                floor=measure.floor, has=mean.units
            )
            continue
        if (measure.lowest, measure.highest) == (0, 1) and np.isin(given[~np.isnan(given)], (0, 1)).all():
            low, high = share_interval(given, mean, weights, level=level)
        else:
            low, high = mean.interval(level=level)
        row |= {
            "mean": mean.estimate,
            "std_error": mean.std_error,
            "low": max(low, measure.lowest),
            "high": min(high, measure.highest),
        }
        rows[-1] = row
    return pd.DataFrame(rows)


def _in_source(measures: pd.DataFrame, measure: LoyaltyMeasure) -> np.ndarray:
    """Which rows could have a value: customers who were asked, or who bought."""
    sign = {"survey": "survey_weight", "order_lines": "purchase_days"}.get(measure.source)
    if sign not in measures:
        return np.ones(len(measures), dtype=bool)
    return measures[sign].notna().to_numpy()


def people_of(frame: pd.DataFrame, customer_col: str) -> np.ndarray:
    """Number the customers of the rows, shape (n,); a row without one is a customer of its own."""
    if customer_col not in frame:
        return np.arange(len(frame))
    return person_codes(frame[customer_col])


def numbers_with_gaps(column: pd.Series, problems: list[str]) -> np.ndarray:
    """Turn a column into floats with gaps; what stands in the way, infinity too, is added to `problems`."""
    values = numeric_column(column, problems)
    if (bad := np.isinf(values)).any():
        problems.append(
            f"{column.name} has {counted(int(bad.sum()), 'infinite value')} (rows {first_rows(bad, column.index)}); "
            "correct them or code them as missing"
        )
    return values


def measured(frame: pd.DataFrame, names: Sequence[str], name: str, problems: list[str]) -> dict[str, np.ndarray]:
    """Columns of a frame as floats with gaps; what stands in the way is added to `problems`."""
    absent = missing_columns(frame, dict.fromkeys(names), name)
    problems += absent
    return {} if absent else {column: numbers_with_gaps(frame[column], problems) for column in names}
