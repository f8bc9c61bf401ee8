"""A company's tables, read once and asked what was known before one day after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_day, count_problems, first_rows, missing_columns, raise_problems
from crm_utils.churn.spells import calendar_periods, read_spells
from crm_utils.churn.tables import CUSTOMER, OUTCOME, SNAPSHOT, VALUE, read_feature
from crm_utils.company.company import is_return
from crm_utils.company.tenure import completed_months
from crm_utils.errors import DataFloorError, LeakageError, did_you_mean
from crm_utils.language import counted, listed, tr
from crm_utils.survey import survey_answers, usual_constructs

MEMBER, STOPPED = "left", "stopped buying"
RECENT_MONTHS = 3
YEAR_DAYS = 365
NEVER = np.iinfo(np.int64).min
_KNOWN_AT = "known_at"
_AT_THE_END = ("ended_at", "end_reason", "churned", "tenure_months")
_NOT_FEATURES = (CUSTOMER, "started_at", *_AT_THE_END)
# So many ends in one month, and none in any other, are a closing date or a change of systems.
_ENDS_FOR_A_DOUBT = 10


@dataclass(frozen=True)
class Windows:
    """Lengths of history, gap and outcome window, in days or in calendar months."""

    gap_days: int
    outcome_days: int
    gap_months: int | None
    outcome_months: int | None
    history_days: int

    def ends(self, day: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Last day of the gap and of the outcome window."""
        if self.gap_months is None:
            gap = day + pd.Timedelta(days=self.gap_days)
            return gap, gap + pd.Timedelta(days=self.outcome_days)
        one = pd.Timedelta(days=1)
        months = self.gap_months + self.outcome_months
        return day + pd.DateOffset(months=self.gap_months) - one, day + pd.DateOffset(months=months) - one

    def history_start(self, day: pd.Timestamp) -> pd.Timestamp:
        """First day of the history."""
        return day - pd.Timedelta(days=self.history_days)

    def notes(self, sources: Sources, day: pd.Timestamp) -> list[str]:
        """What these windows do to this company."""
        notes = []
        if sources.ends_with_months and self.gap_months is None:
            notes.append(
                tr(
                    "Memberships end with a calendar month: a window of {days} days holds more such ends on some "
                    "snapshots than on others. Windows in months (gap_months, outcome_months) are alike."
                ).format(days=self.outcome_days)
            )
        if sources.first_line is not None and sources.first_line > self.history_start(day):
            notes.append(
                tr(
                    "Of some snapshots the purchases begin within the history ({first:%Y-%m-%d}): counts are of less."
                ).format(first=sources.first_line)
            )
        return notes


@dataclass(frozen=True, eq=False)
class People:
    """Customers there are on a day: their codes, the start and the end of the membership, its row in the table."""

    codes: np.ndarray
    started: pd.Series
    ended: pd.Series
    rows: np.ndarray

    def part(self, chosen: np.ndarray) -> People:
        """Some of them."""
        return People(
            self.codes[chosen],
            self.started[chosen].reset_index(drop=True),
            self.ended[chosen].reset_index(drop=True),
            self.rows[chosen],
        )


class Sources:
    """Tables of a company under codes for customers, so that each is read once for all snapshots."""

    def __init__(
        self,
        where: str,
        company: Any,
        steps: Mapping[str, tuple[Any, int]] | None,
        fixed: Sequence[str],
        customer_fields: Sequence[str],
        extra: pd.DataFrame | None,
    ):
        self.where, self.company, self.as_of = where, company, company.as_of
        self.notes: list[str] = []
        self.ends_with_months, self.first_line = False, None
        self.memberships = company.table("memberships") if company.has("memberships") else None
        self.dated = self.memberships is not None and {"started_at", "ended_at"} <= set(self.memberships)
        if self.dated:
            self._read_memberships(fixed)
        elif company.has("order_lines"):
            self.outcome_kind, self.begins = STOPPED, "bought"
            self._read_buyers()
            if self.memberships is not None:
                self.notes.append(tr("Memberships have no dates; who buys nothing counts as lost."))
        else:
            needed = (
                "snapshots need memberships with started_at and ended_at, or order lines; memberships with length and "
                "outcome only are a cross-section (cross_section)"
            )
            raise_problems(where, [needed])
        self.steps = self._steps(steps)
        self.months = self._months()
        self.lines = self._lines()
        self.contacts = self._contacts()
        self.survey = self._survey()
        self.people = self._people(customer_fields)
        self.extra = self._extra(extra)

    def _read_memberships(self, fixed: Sequence[str]) -> None:
        self.outcome_kind, self.begins = MEMBER, "started"
        problems = [
            f"fixed names {name!r}, which memberships do not have{did_you_mean(name, self.memberships.columns)}"
            for name in fixed
            if name not in self.memberships and name != "plan"
        ]
        raise_problems(self.where, problems)
        if late := [name for name in fixed if name in _AT_THE_END]:
            raise LeakageError(
                f"{self.where}: fixed names {listed(late)}, which is known when a membership ends, not when it starts. "
                "Leave it out: it tells who has left."
            )
        self.fixed = {name: read_feature(self.memberships[name]) for name in fixed if name in self.memberships}
        raise_problems(self.where, [f"{name} {problem}" for name, (_, problem) in self.fixed.items() if problem])
        if unused := [name for name in self.memberships if name not in (*_NOT_FEATURES, *fixed)]:
            self.notes.append(
                tr(
                    "Columns of memberships that nothing dates are no features: {names}. Name those that are known at "
                    "the start and do not change in fixed=…"
                ).format(names=listed(unused, 8))
            )
        self.spells = read_spells(
            self.where,
            self.memberships,
            self.as_of,
            customer_col=CUSTOMER,
            started_col="started_at",
            ended_col="ended_at",
        )
        codes, names = pd.factorize(pd.Series(self.spells.customers))
        self.spell_codes, self.customers = codes, pd.Index(names)
        self.first_day = self.spells.started.min()
        ends = self.spells.ended.dropna()
        end_months, start_months = (days.dt.to_period("M").unique() for days in (ends, self.spells.started))
        if len(ends) >= _ENDS_FOR_A_DOUBT and len(end_months) == 1 and len(start_months) > 1:
            raise DataFloorError(
                f"{self.where}: all {len(ends):,} memberships that ended did so in {ends.iloc[0]:%B %Y}. That is a "
                "closing date or a change of systems, not a choice of customers; nothing can be learnt from it."
            )
        self.ends_with_months = bool(len(ends) >= _ENDS_FOR_A_DOUBT and ends.dt.is_month_end.all())

    def _read_buyers(self) -> None:
        lines = self.company.table("order_lines")
        self.customers = pd.Index(lines.loc[~is_return(lines), CUSTOMER].unique())
        self.first_day = lines["ordered_at"].min()

    def _codes(self, table: pd.DataFrame) -> np.ndarray:
        return self.customers.get_indexer(table[CUSTOMER])

    def _steps(self, steps: Mapping[str, tuple[Any, int]] | None) -> dict[str, tuple[pd.Timestamp, int]]:
        problems: list[str] = []
        read = {}
        if steps and not self.dated:
            problems.append("steps need memberships with dates")
        for name, given in (steps or {}).items():
            if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
                problems.append(f"steps[{name!r}] must be a day and a number of months, and is {given!r}")
                continue
            problems += count_problems(f"months of steps[{name!r}]", given[1], least=1)
            read[name] = (as_day(given[0], f"steps[{name!r}]", problems), given[1])
        raise_problems(self.where, problems)
        return read

    def _months(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]] | None:
        """Codes, numbers of months, measures."""
        if not self.company.has("member_months"):
            return None
        table = self.company.table("member_months")
        codes = self._codes(table)
        ours = codes >= 0
        measures = {
            name: table.loc[ours, name].to_numpy(dtype=float, na_value=np.nan)
            for name in table
            if name not in (CUSTOMER, "month") and pd.api.types.is_numeric_dtype(table[name])
        }
        return codes[ours], calendar_periods(table.loc[ours, "month"], "month"), measures

    def _lines(self) -> dict[str, Any] | None:
        """Order lines by customer and time."""
        if not self.company.has("order_lines"):
            return None
        table = self.company.table("order_lines")
        codes, time = self._codes(table), _moments(table["ordered_at"])
        self.first_line = table["ordered_at"].min()
        order = np.lexsort((time, codes))
        order = order[codes[order] >= 0]
        read = {
            "code": codes[order],
            "time": time[order],
            "amount": table["amount"].to_numpy(dtype=float)[order],
            "bought": ~is_return(table).to_numpy(dtype=bool)[order],
        }
        read["day"] = read["time"].astype("datetime64[us]").astype("datetime64[D]").astype(np.int64)
        if "discount" in table:
            read["reduced"] = (table["discount"] > 0).to_numpy(dtype=bool, na_value=False)[order]
        kind = self._categories(table)
        if kind is not None:
            read["category"] = pd.factorize(kind)[0][order].astype(np.int64)
        return read

    def _categories(self, lines: pd.DataFrame) -> pd.Series | None:
        if "category" in lines:
            return lines["category"]
        if "product_id" in lines and self.company.has("products"):
            products = self.company.table("products")
            if "category" in products:
                return lines["product_id"].map(products.set_index("product_id")["category"])
        return None

    def _contacts(self) -> dict[str, Any] | None:
        if not self.company.has("interactions"):
            return None
        table = self.company.table("interactions")
        if CUSTOMER not in table:
            return None
        codes = self._codes(table)
        table, codes = table[codes >= 0], codes[codes >= 0]
        read = {"code": codes, "time": _moments(table["started_at"])}
        read["settled"] = (
            _moments(table["resolved_at"]) if "resolved_at" in table else np.full(len(table), NEVER, dtype=np.int64)
        )
        if "is_complaint" in table:
            read["complaint"] = table["is_complaint"].to_numpy(dtype=float, na_value=0) == 1
        if "rating" in table:
            read["rating"] = table["rating"].to_numpy(dtype=float, na_value=np.nan)
        return read

    def _survey(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Codes, moments and mean satisfaction of answers, the oldest first."""
        if not self.company.has("survey"):
            return None
        table = self.company.table("survey")
        if CUSTOMER not in table:
            return None
        items = usual_constructs(self.company.survey_settings.constructs)[0].get("satisfaction")
        if items is None or "answered_at" not in table:
            self.notes.append(
                tr("The survey has no construct of satisfaction, or no day of the answer; it gives no feature.")
            )
            return None
        answers = survey_answers(self.company)
        score = answers[list(items)].mean(axis=1).to_numpy(dtype=float)
        time, codes = _moments(answers["answered_at"]), self._codes(answers)
        order = np.argsort(time, kind="stable")
        order = order[((codes >= 0) & ~np.isnan(score) & (time != NEVER))[order]]
        return codes[order], time[order], score[order]

    def _people(self, fields: Sequence[str]) -> tuple[pd.DataFrame, dict[str, pd.Series]] | None:
        """Customers in the order of their codes, and the columns used."""
        if not self.company.has("customers"):
            return None
        table = self.company.table("customers")
        table = table.set_index(CUSTOMER).reindex(self.customers)
        usual = ("region", "acquisition_channel")
        problems = [
            f"customer_fields names {name!r}, which customers do not have{did_you_mean(name, table.columns)}"
            for name in fields
            if name not in table and name not in usual
        ]
        read = {name: read_feature(table[name]) for name in fields if name in table}
        problems += [f"customers.{name} {problem}" for name, (_, problem) in read.items() if problem]
        raise_problems(self.where, problems)
        if read:
            self.notes.append(tr("As recorded today, not on the snapshot: {names}.").format(names=listed(read, 8)))
        return table, {name: column.reset_index(drop=True) for name, (column, _) in read.items()}

    def _extra(self, extra: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray, dict[str, pd.Series]] | None:
        """Codes, moments and values of the caller's own features, the oldest first."""
        if extra is None:
            return None
        if not isinstance(extra, pd.DataFrame):
            raise_problems(self.where, [f"extra must be a table, and is {type(extra).__name__}"])
        problems = missing_columns(extra, (CUSTOMER, _KNOWN_AT), "extra")
        names = [name for name in extra if name not in (CUSTOMER, _KNOWN_AT)]
        if not names:
            problems.append("extra has no column of values")
        if clash := [name for name in names if name in (SNAPSHOT, OUTCOME, VALUE)]:
            problems.append(f"extra must not be called {listed(clash)}; rename the column")
        raise_problems(self.where, problems)
        if not pd.api.types.is_datetime64_dtype(extra[_KNOWN_AT]):
            problems.append(f"extra.known_at must hold dates without a time zone, and is {extra[_KNOWN_AT].dtype}")
        elif (undated := extra[_KNOWN_AT].isna().to_numpy()).any():
            problems.append(
                f"extra.known_at is missing in {undated.sum():,} rows (rows {first_rows(undated, extra.index)}); say "
                "when each value was known"
            )
        values = {name: read_feature(extra[name]) for name in names}
        problems += [f"extra.{name} {problem}" for name, (_, problem) in values.items() if problem]
        raise_problems(self.where, problems)
        codes, time = self._codes(extra), _moments(extra[_KNOWN_AT])
        order = np.argsort(time, kind="stable")
        self._extra_names = extra[CUSTOMER].to_numpy()[order]
        return codes[order], time[order], {name: column.iloc[order] for name, (column, _) in values.items()}

    def check_extra(self, day: pd.Timestamp) -> None:
        """Refuse features of the caller that were known too late for the newest snapshot."""
        if self.extra is None:
            return
        late = self.extra[1] >= _moment(day)
        if not late.any():
            return
        lines = []
        for name, column in self.extra[2].items():
            rows = late & column.notna().to_numpy()
            if rows.any():
                newest = pd.Timestamp(self.extra[1][rows].max(), unit="us")
                shown = first_rows(rows, self._extra_names)
                lines.append(f"  {name}: newest {newest:%Y-%m-%d}, {counted(int(rows.sum()), 'row')} ({shown}).")
        if lines:
            raise LeakageError(
                "\n".join(
                    [
                        f"{self.where}: extra holds what was not known before {day:%Y-%m-%d}:",
                        *lines,
                        "Give the values as they were known before the snapshot, or leave these rows out.",
                    ]
                )
            )

    def population(self, day: pd.Timestamp, since: pd.Timestamp) -> People:
        """Who was a customer at the start of the day."""
        if self.dated:
            spells = self.spells
            here = np.flatnonzero((spells.started < day) & ~(spells.ended < day))
            # Where the next spell begins on the last day of the one before, the next counts.
            here = here[~pd.Series(self.spell_codes[here]).duplicated(keep="last").to_numpy()]
            return People(
                self.spell_codes[here],
                spells.started.iloc[here].reset_index(drop=True),
                spells.ended.iloc[here].reset_index(drop=True),
                here,
            )
        codes = self._buyers(since, day)
        none = pd.Series(pd.NaT, range(len(codes)), dtype="datetime64[us]")
        return People(codes, none, none, np.zeros(len(codes), dtype=int))

    def _buyers(self, since: pd.Timestamp, until: pd.Timestamp) -> np.ndarray:
        """Codes of who bought from a moment on and before another."""
        lines = self.lines
        chosen = lines["bought"] & (lines["time"] >= _moment(since)) & (lines["time"] < _moment(until))
        return np.unique(lines["code"][chosen])

    def outcome(
        self, people: People, day: pd.Timestamp, gap_until: pd.Timestamp, outcome_until: pd.Timestamp
    ) -> tuple[np.ndarray, np.ndarray]:
        """1, 0 or NaN, and who left within the gap; of what is not known yet, nobody left."""
        if not self.dated:
            one = pd.Timedelta(days=1)
            happened = 1.0 - np.isin(people.codes, self._buyers(gap_until + one, outcome_until + one))
            in_gap = np.zeros(len(people.codes), dtype=bool)
        else:
            in_gap = (people.ended <= gap_until).to_numpy()
            happened = ((people.ended > gap_until) & (people.ended <= outcome_until)).to_numpy(dtype=float)
        if outcome_until >= self.as_of:
            happened = np.full(len(happened), np.nan)
        return happened, in_gap

    def value(self, people: People, day: pd.Timestamp) -> np.ndarray:
        """Fees of a year, or what was spent in the year before."""
        if self.dated and "monthly_fee" in self.memberships:
            rows = self.spells.rows[people.rows]
            return 12 * self.memberships["monthly_fee"].to_numpy(dtype=float, na_value=np.nan)[rows]
        if self.lines is None:
            return np.full(len(people.codes), np.nan)
        return self._spent_in_year(people, day)

    def _spent_in_year(self, people: People, day: pd.Timestamp) -> np.ndarray:
        lines = self.lines
        year = (lines["time"] < _moment(day)) & (lines["time"] >= _moment(day - pd.Timedelta(days=YEAR_DAYS)))
        spent = np.bincount(lines["code"][year], lines["amount"][year], minlength=len(self.customers))
        return spent[people.codes]

    def features(
        self, people: People, day: pd.Timestamp, windows: Windows
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, np.ndarray]]:
        """Features by name, the source of each, and the newest moment of each source by customer."""
        columns: dict[str, Any] = {}
        origin: dict[str, str] = {}
        known: dict[str, np.ndarray] = {}
        for source, make in (
            ("memberships", self._membership_features),
            ("member_months", self._month_features),
            ("order_lines", self._line_features),
            ("interactions", self._contact_features),
            ("survey", self._survey_features),
            ("customers", self._customer_features),
            ("extra", self._extra_features),
        ):
            made, newest = make(people, day, windows)
            if clash := [name for name in made if name in columns]:
                raise_problems(
                    self.where, [f"{source} would give a second feature called {listed(clash)}; rename the column"]
                )
            if made:
                columns.update(made)
                origin.update(dict.fromkeys(made, source))
                known[source] = _times(newest)
        return columns, origin, known

    def _membership_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        none = np.zeros(0, dtype=np.int64)
        if not self.dated:
            return {}, none
        months = completed_months(people.started, pd.Series(day, people.started.index))
        made: dict[str, Any] = {"tenure_months": months.astype(float)}
        rows = self.spells.rows[people.rows]
        for name, (column, _) in self.fixed.items():
            made[name] = column.iloc[rows].array
        for name, (start, length) in self.steps.items():
            made[name] = (people.started < start).to_numpy(dtype=float) * _overlap(
                windows.ends(day), start, start + pd.DateOffset(months=length) - pd.Timedelta(days=1)
            )
        return made, _moments(people.started)

    def _month_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.months is None:
            return {}, np.zeros(0, dtype=np.int64)
        means, newest = self._month_means(people, day)
        made: dict[str, Any] = {}
        for name, (last, before) in means.items():
            made[f"{name}_last_3_months"] = last
            made[f"{name}_trend"] = np.nan_to_num(mirrored_log1p(last) - mirrored_log1p(before))
        return made, newest

    def _month_means(
        self, people: People, day: pd.Timestamp
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Of each measure the means of the last months and of those before; and the newest moment."""
        codes, months, measures = self.months
        size, now = len(self.customers), day.year * 12 + day.month - 1
        begin = np.full(size, -1, dtype=np.int64)
        if self.dated:
            begin[people.codes] = calendar_periods(people.started, "month")
        # A month that is not over by the snapshot is not known.
        rows = np.flatnonzero((months < now) & (months >= now - 2 * RECENT_MONTHS) & (months >= begin[codes]))
        code, recent = codes[rows], months[rows] >= now - RECENT_MONTHS
        means = {}
        for name, measure in measures.items():
            values = measure[rows]
            there = ~np.isnan(values)
            last, before = (_mean_by(code, values, there & part, size)[people.codes] for part in (recent, ~recent))
            means[name] = last, before
        newest = np.full(size, NEVER, dtype=np.int64)
        np.maximum.at(newest, code, _month_end(months[rows]))
        return means, newest[people.codes]

    def _line_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.lines is None:
            return {}, np.zeros(0, dtype=np.int64)
        sums = self._line_sums(people, day, windows)
        last, today = sums["last_day"], int(np.datetime64(day, "D").astype(np.int64))
        made: dict[str, Any] = {
            "days_since_purchase": np.where(last == NEVER, np.nan, today - np.maximum(last, 0)),
            "purchase_days": sums["purchase_days"].astype(float),
            "spend": sums["spend"],
        }
        if "categories" in sums:
            made["categories"] = sums["categories"].astype(float)
        if "reduced" in sums:
            paid = sums["paid"]
            made["discounted_share"] = np.divide(sums["reduced"], paid, out=np.full(len(paid), np.nan), where=paid > 0)
        return made, sums["newest"]

    def _line_sums(self, people: People, day: pd.Timestamp, windows: Windows) -> dict[str, np.ndarray]:
        """What the lines of the history add up to; of a day or moment that there is not, the lowest number."""
        size, lines = len(self.customers), self.lines
        rows = np.flatnonzero((lines["time"] < _moment(day)) & (lines["time"] >= _moment(windows.history_start(day))))
        part = {name: column[rows] for name, column in lines.items()}
        bought = part["bought"]
        code, amount = part["code"][bought], part["amount"][bought]
        newest = np.full(size, NEVER, dtype=np.int64)
        np.maximum.at(newest, part["code"], part["time"])
        last = np.full(size, NEVER, dtype=np.int64)
        np.maximum.at(last, code, part["day"][bought])
        sums = {"newest": newest, "last_day": last}
        first = np.ones(len(code), dtype=bool)
        first[1:] = (code[1:] != code[:-1]) | (part["day"][bought][1:] != part["day"][bought][:-1])
        sums["purchase_days"] = np.bincount(code[first], minlength=size)
        sums["spend"] = np.bincount(part["code"], part["amount"], minlength=size)
        if "category" in part:
            kinds = part["category"][bought]
            span = int(kinds.max(initial=0)) + 1
            pairs = np.unique(code[kinds >= 0].astype(np.int64) * span + kinds[kinds >= 0])
            sums["categories"] = np.bincount(pairs // span, minlength=size)
        if "reduced" in part:
            sums["paid"] = np.bincount(code, amount, minlength=size)
            sums["reduced"] = np.bincount(code, amount * part["reduced"][bought], minlength=size)
        return {name: values[people.codes] for name, values in sums.items()}

    def _contact_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.contacts is None:
            return {}, np.zeros(0, dtype=np.int64)
        size, contacts, now = len(self.customers), self.contacts, _moment(day)
        rows = np.flatnonzero((contacts["time"] < now) & (contacts["time"] >= _moment(windows.history_start(day))))
        part = {name: column[rows] for name, column in contacts.items()}
        code = part["code"]
        newest = np.full(size, NEVER, dtype=np.int64)
        np.maximum.at(newest, code, part["time"])
        settled = (part["settled"] != NEVER) & (part["settled"] < now)
        np.maximum.at(newest, code[settled], part["settled"][settled])
        made: dict[str, Any] = {"contacts": np.bincount(code, minlength=size)[people.codes].astype(float)}
        if "complaint" in part:
            complaint = part["complaint"]
            made["complaints_made"] = np.bincount(code, complaint, minlength=size)[people.codes]
            if (contacts["settled"] != NEVER).any():
                open_still = complaint & ~settled
                made["unresolved_complaints"] = np.bincount(code, open_still, minlength=size)[people.codes]
        if "rating" in part:
            # A rating is given when the matter is settled, and not known before.
            given = ~np.isnan(part["rating"]) & (settled | (part["settled"] == NEVER))
            made["rating"] = _mean_by(code, part["rating"], given, size)[people.codes]
        return made, newest[people.codes]

    def _survey_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.survey is None:
            return {}, np.zeros(0, dtype=np.int64)
        codes, time, score = self.survey
        until = np.searchsorted(time, _moment(day), side="left")
        # One answer is noisy, and what makes people stay is the satisfaction of all their time.
        made = _mean_by(codes[:until], score[:until], np.ones(until, dtype=bool), len(self.customers))[people.codes]
        latest = _last_row(codes[:until], len(self.customers))[people.codes]
        found = latest >= 0
        return {"satisfaction": made}, np.where(found, time[latest] if len(time) else NEVER, NEVER)

    def _customer_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.people is None:
            return {}, np.zeros(0, dtype=np.int64)
        table, fields = self.people
        here = table.iloc[people.codes]
        known = np.ones(len(here), dtype=bool)
        newest = np.full(len(here), NEVER, dtype=np.int64)
        if "joined_at" in here:
            known = ~(here["joined_at"] >= day).to_numpy(dtype=bool)
            newest = np.where(known, _moments(here["joined_at"]), NEVER)
        made: dict[str, Any] = {
            name: column.iloc[people.codes].reset_index(drop=True).where(known).array for name, column in fields.items()
        }
        if "birth_year" in here:
            years = here["birth_year"].to_numpy(dtype=float, na_value=np.nan)
            made["age"] = np.where(known, day.year - years, np.nan)
        return made, newest

    def _extra_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.extra is None:
            return {}, np.zeros(0, dtype=np.int64)
        codes, time, values = self.extra
        ours = np.flatnonzero((time < _moment(day)) & (codes >= 0))
        place = _last_row(codes[ours], len(self.customers))[people.codes]
        found = place >= 0
        rows = np.where(found, ours[place] if len(ours) else 0, 0)
        made = {name: column.iloc[rows].reset_index(drop=True).where(found).array for name, column in values.items()}
        return made, np.where(found, time[rows], NEVER)


def _overlap(window: tuple[pd.Timestamp, pd.Timestamp], first: pd.Timestamp, last: pd.Timestamp) -> float:
    """Share of the days after the first of the two, up to the second, that lie from `first` to `last`."""
    after, until = window
    days = (min(until, last) - max(after + pd.Timedelta(days=1), first)).days + 1
    return max(days, 0) / (until - after).days


def _moments(column: pd.Series) -> np.ndarray:
    """Moments as microseconds, shape (n,) of int; the lowest number for none."""
    return column.to_numpy().astype("datetime64[us]").astype(np.int64)


def _times(moments: np.ndarray) -> np.ndarray:
    # The lowest number is NaT.
    return moments.astype("datetime64[us]")


def _moment(day: pd.Timestamp) -> int:
    return int(np.datetime64(day, "us").astype(np.int64))


def _month_end(months: np.ndarray) -> np.ndarray:
    """Last moment of months by number, in microseconds."""
    following = (months + 1 - 1970 * 12).astype("datetime64[M]").astype("datetime64[us]")
    return following.astype(np.int64) - 1


def _mean_by(codes: np.ndarray, values: np.ndarray, chosen: np.ndarray, size: int) -> np.ndarray:
    """Mean of the chosen values by code; NaN where there is none."""
    number = np.bincount(codes[chosen], minlength=size)
    total = np.bincount(codes[chosen], values[chosen], minlength=size)
    return np.divide(total, number, out=np.full(size, np.nan), where=number > 0)


def _last_row(codes: np.ndarray, size: int) -> np.ndarray:
    """Position of the last row of each code; −1 where there is none."""
    place = np.full(size, -1, dtype=np.int64)
    np.maximum.at(place, codes, np.arange(len(codes)))
    return place


def mirrored_log1p(values: np.ndarray) -> np.ndarray:
    """Log of one more, mirrored below zero, for spend may be negative after returns."""
    return np.sign(values) * np.log1p(np.abs(values))
