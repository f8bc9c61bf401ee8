"""What was known of customers before a day, summed up by DuckDB in a company's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.churn._files import SHOWN, Files, OpenTable, Rule, any_broken
from crm_utils.churn._sources import NEVER, RECENT_MONTHS, YEAR_DAYS, People, Sources, Windows
from crm_utils.churn._sql import between, timestamp, until_or_missing
from crm_utils.churn.spells import calendar_periods
from crm_utils.churn.tables import CUSTOMER
from crm_utils.company.company import Company
from crm_utils.company.contract import TABLES
from crm_utils.errors import ContractError, Problem
from crm_utils.survey import usual_constructs


class Tables:
    """A company with some tables in place of its own, which are not read."""

    def __init__(self, company: Company):
        self.as_of, self.survey_settings, self._company = company.as_of, company.survey_settings, company
        self.read: dict[str, pd.DataFrame] = {}

    def has(self, name: str) -> bool:
        """Whether the company has the table."""
        return self._company.has(name)

    def table(self, name: str) -> pd.DataFrame:
        """The table in place of the company's, or the company's."""
        return self.read[name] if name in self.read else self._company.table(name)

    @property
    def survey(self) -> pd.DataFrame:
        """The survey."""
        return self.table("survey")


class FileSources(Sources):
    """Sources whose large tables stay in their files, and are gone over once for one snapshot."""

    def __init__(
        self,
        where: str,
        files: Files,
        day: pd.Timestamp,
        windows: Windows,
        steps: Mapping[str, tuple[Any, int]] | None,
        fixed: Sequence[str],
        customer_fields: Sequence[str],
        extra: pd.DataFrame | None,
    ):
        self.files, self.day, self.windows = files, day, windows
        tables = Tables(files.company)
        if tables.has("memberships"):
            tables.read["memberships"] = self._spells_table(fixed)
        super().__init__(where, tables, steps, fixed, customer_fields, extra)

    def features(
        self, people: People, day: pd.Timestamp, windows: Windows
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, np.ndarray]]:
        """As `Sources.features`."""
        begin = calendar_periods(people.started, "month") if self.dated else np.full(len(people.codes), -1)
        self._to_sql("people", people.codes, begin=begin)
        return super().features(people, day, windows)

    def _to_sql(self, name: str, codes: np.ndarray, **more: np.ndarray) -> None:
        """Make a table of customers: their ids, their places among `codes`, and more."""
        import pyarrow as pa

        ids = pa.array(pd.Series(self.customers[codes]), pa.string(), from_pandas=True)
        self._given(name, pa.table({CUSTOMER: ids, "place": pa.array(np.arange(len(codes))), **more}))

    def _given(self, name: str, table: Any) -> None:
        """Make a table of Arrow one of DuckDB."""
        self.files.connection.register("given", table)
        self.files.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given")
        self.files.connection.unregister("given")

    def _sums(
        self, table: OpenTable, used: Mapping[str, str], dates: str, rules: Sequence[Rule], sums: Mapping[str, str],
        *, size: int, joined: str = "", also: str = "true",
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """Sums by customer, in the order of the table ``people``; NaN where a customer has no rows."""
        rows = ", ".join(f"{sql} AS {name}" for name, sql in used.items())
        found = self.files.run(
            table.name,
            f"""
            WITH used AS (SELECT {table.text(CUSTOMER)} AS {CUSTOMER}, {rows}, {any_broken(rules)} AS broken
                          FROM {table.scan} WHERE {dates})
            SELECT place, count(*) FILTER (WHERE broken) AS broken, {_selected(sums)}
            FROM used LEFT JOIN people ON used.{CUSTOMER} = people.{CUSTOMER} AND {also} {joined} GROUP BY place
            """,
        ).fetchnumpy()
        if found.pop("broken").sum():
            self.files.raise_broken(table, rules, dates)
        place = found.pop("place")
        ours = ~np.ma.getmaskarray(place)
        placed = {}
        for name, values in found.items():
            placed[name] = np.full(size, np.nan)
            placed[name][np.asarray(place[ours], dtype=np.int64)] = np.ma.filled(values.astype(float), np.nan)[ours]
        return placed

    # Memberships

    def _spells_table(self, fixed: Sequence[str]) -> pd.DataFrame:
        """Memberships with the columns that are used; the others are there and empty."""
        table = self.files.table("memberships")
        used = [CUSTOMER, "started_at", "ended_at", "monthly_fee", *fixed]
        dated = "started_at" in table and "ended_at" in table
        known = until_or_missing(table.moment("started_at"), self.files.company.as_of) if dated else "false"
        frame = self.files.frame("memberships", used, known)
        return frame.reindex(columns=list(table.columns)) if not table.checked else frame

    def _read_memberships(self, fixed: Sequence[str]) -> None:
        super()._read_memberships(fixed)
        self._to_sql("everybody", np.arange(len(self.customers)))

    # Months

    def _months(self) -> OpenTable | None:
        return self.files.table("member_months") if self.company.has("member_months") else None

    def _month_means(
        self, people: People, day: pd.Timestamp
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        table, now = self.months, day.year * 12 + day.month - 1
        month = table.moment("month")
        measures = self._measures(table)
        first, after = (pd.Timestamp(number // 12, number % 12 + 1, 1) for number in (now - 2 * RECENT_MONTHS, now))
        number = f"year({month}) * 12 + month({month}) - 1"
        used = {"month": number} | {f"m{place}": sql for place, sql in enumerate(measures.values())}
        recent = f"month >= {now - RECENT_MONTHS}"
        sums = {
            "newest": "max(month)",
            # One bit a month, so that months of which there are two rows show.
            "repeated": f"count(*) - bit_count(bit_or(1 << CAST({now - 1} - month AS INTEGER)))",
        }
        for place in range(len(measures)):
            sums |= {
                f"last{place}": f"avg(m{place}) FILTER (WHERE {recent})",
                f"before{place}": f"avg(m{place}) FILTER (WHERE NOT {recent})",
            }
        of_contract = [name for name in (CUSTOMER, "month", *measures) if name in TABLES["member_months"].columns]
        found = self._sums(
            table, used, between(month, first, after), table.rules(of_contract), sums,
            size=len(people.codes), also="month >= begin",
        )  # fmt: skip
        repeated = np.nan_to_num(found["repeated"])
        if repeated.any() and not table.checked:
            customers = self.customers[people.codes][repeated > 0]
            rule = f"customer_id + month must occur once, and {len(customers):,} customers have a month twice or more"
            shown = tuple(str(customer) for customer in customers[:SHOWN])
            remedy = "keep one row for each, or correct the ids"
            source = self.files.source(table.name)
            raise ContractError([Problem(table.name, CUSTOMER, rule, remedy, int(repeated.sum()), shown, source)])
        newest = found["newest"]
        starts = np.where(np.isnan(newest), 0, newest + 1 - 1970 * 12).astype("datetime64[M]").astype("datetime64[us]")
        ends = np.where(np.isnan(newest), np.nan, starts.astype(np.int64) - 1.0)
        means = {name: (found[f"last{place}"], found[f"before{place}"]) for place, name in enumerate(measures)}
        return means, _whole(ends)

    def _measures(self, table: OpenTable) -> dict[str, str]:
        """SQL of the columns that hold numbers: by the contract, by their type, or because all their texts are some."""
        of_contract = TABLES["member_months"].columns
        others = [name for name in table.columns if name not in of_contract]
        texts = [name for name in others if table.types[name] == "VARCHAR" and not table.checked]
        read_as_numbers = []
        if texts:
            tests = [
                f"count({text}) > 0 AND count(*) FILTER (WHERE {text} IS NOT NULL AND (regexp_matches({text}, '^0\\d') "
                f"OR {table.number(name)} IS NULL)) = 0"
                for name in texts
                for text in [table.text(name)]
            ]
            (found,) = self.files.rows(table.name, f"SELECT {', '.join(tests)} FROM {table.scan}")
            read_as_numbers = [name for name, is_one in zip(texts, found, strict=True) if is_one]
        return {
            name: table.number(name)
            for name in table.columns
            if (name in of_contract and of_contract[name].kind in ("number", "integer"))
            or (name in others and (table.is_number(name) or name in read_as_numbers))
        }

    # Order lines

    def _lines(self) -> OpenTable | None:
        if not self.company.has("order_lines"):
            return None
        table = self.files.table("order_lines")
        if self.dated:
            self.first_line = self._first_line(table)
        else:
            self.first_line = self.first_day
        return table

    def _first_line(self, table: OpenTable) -> pd.Timestamp:
        """A line before the history, or the first of all where there is none."""
        moment, start = table.moment("ordered_at"), self.windows.history_start(self.day)
        kept = f"{table.text(CUSTOMER)} IS NOT NULL AND {_not_zero(table)}"
        early = f"SELECT {moment} FROM {table.scan} WHERE {moment} <= {timestamp(start)} AND {kept} LIMIT 1"
        if found := self.files.rows(table.name, early):
            return pd.Timestamp(found[0][0])
        known = f"{moment} < {timestamp(self.as_of)} AND {kept}"
        ((first,),) = self.files.rows(table.name, f"SELECT min({moment}) FROM {table.scan} WHERE {known}")
        return pd.Timestamp(first)

    def _line_query(self, table: OpenTable) -> tuple[dict[str, str], list[Rule], dict[str, str], str]:
        """Columns used, rules, sums and joined tables of order lines."""
        day, start = timestamp(self.day), timestamp(self.windows.history_start(self.day))
        year = timestamp(self.day - pd.Timedelta(days=YEAR_DAYS))
        names = [CUSTOMER, "ordered_at", "quantity", "discount"]
        names += ["amount"] if "amount" in table else ["unit_price"]
        if "amount" in table:
            amount = table.number("amount")
        else:
            share = f"(1 - coalesce({table.number('discount')}, 0))" if "discount" in table else "1"
            amount = f"{table.number('quantity')} * {table.number('unit_price')} * {share}"
        returned = f"{amount} < 0"
        if "quantity" in table:
            returned += f" OR coalesce({table.number('quantity')} < 0, false)"
        used = {"moment": table.moment("ordered_at"), "amount": amount, "bought": f"NOT ({returned})"}
        history = f"moment >= {start} AND moment < {day}"
        sums = {
            "newest": f"epoch_us(max(moment) FILTER (WHERE {history}))",
            "last_day": f"max(CAST(moment AS DATE)) FILTER (WHERE {history} AND bought) - DATE '1970-01-01'",
            "purchase_days": f"count(DISTINCT CAST(moment AS DATE)) FILTER (WHERE {history} AND bought)",
            "spend": f"fsum(amount) FILTER (WHERE {history})",
            "spent_in_year": f"fsum(amount) FILTER (WHERE moment >= {year} AND moment < {day})",
        }
        if self.windows.history_days == YEAR_DAYS:
            del sums["spent_in_year"]
        joined = ""
        if "category" in table:
            used["category"] = table.text("category")
        elif "product_id" in table and self.company.has("products"):
            products = self.company.table("products")
            if "category" in products:
                self._products_to_sql(products)
                used["product_id"] = table.text("product_id")
                joined = "LEFT JOIN products ON used.product_id = products.product_id"
        if "category" in used or joined:
            sums["categories"] = f"count(DISTINCT category) FILTER (WHERE {history} AND bought)"
        if "discount" in table:
            used["discount"] = table.number("discount")
            sums["paid"] = f"fsum(amount) FILTER (WHERE {history} AND bought)"
            sums["reduced"] = f"fsum(amount) FILTER (WHERE {history} AND bought AND discount > 0)"
        return used, table.rules(names), sums, joined

    def _products_to_sql(self, products: pd.DataFrame) -> None:
        import pyarrow as pa

        self._given("products", pa.Table.from_pandas(products[["product_id", "category"]], preserve_index=False))

    def _line_sums(self, people: People, day: pd.Timestamp, windows: Windows) -> dict[str, np.ndarray]:
        if self.dated:
            table = self.lines
            used, rules, sums, joined = self._line_query(table)
            since = windows.history_start(day)
            if "monthly_fee" not in self.memberships:
                since = min(since, day - pd.Timedelta(days=YEAR_DAYS))
            else:
                sums.pop("spent_in_year", None)
            dates = f"{between(used['moment'], since, day)} AND {_not_zero(table)}"
            found = self._sums(table, used, dates, rules, sums, size=len(people.codes), joined=joined)
        else:
            found = {name: values[people.codes] for name, values in self._buyer_sums.items()}
        never = ("newest", "last_day")
        found = {name: _whole(values) if name in never else np.nan_to_num(values) for name, values in found.items()}
        self._spent = found.pop("spent_in_year", found["spend"])
        return found

    def _spent_in_year(self, people: People, day: pd.Timestamp) -> np.ndarray:
        return self._spent

    # Customers of a company without dated memberships: the lines say who they are, and what became of them.

    def _read_buyers(self) -> None:
        table = self.files.table("order_lines")
        used, rules, sums, joined = self._line_query(table)
        one = pd.Timedelta(days=1)
        gap_until, outcome_until = self.windows.ends(self.day)
        spans = {
            "before": (self.windows.history_start(self.day), self.day),
            "after": (gap_until + one, outcome_until + one),
        }
        sums |= {
            f"bought_{name}": f"coalesce(bool_or(bought AND moment >= {timestamp(first)} AND moment < "
            f"{timestamp(until)}), false)"
            for name, (first, until) in spans.items()
        }
        sums["first_line"] = "min(moment)"
        dates = f"{until_or_missing(used['moment'], self.as_of)} AND {_not_zero(table)}"
        rows = ", ".join(f"{sql} AS {name}" for name, sql in used.items())
        found = self.files.run(
            table.name,
            f"""
            WITH used AS (SELECT {table.text(CUSTOMER)} AS customer, {rows}, {any_broken(rules)} AS broken
                          FROM {table.scan} WHERE {dates})
            SELECT customer, count(*) FILTER (WHERE broken) AS broken, bool_or(bought) AS ever, {_selected(sums)}
            FROM used {joined} GROUP BY customer ORDER BY customer
            """,
        ).df()
        if found["broken"].sum():
            self.files.raise_broken(table, rules, dates)
        found = found[found["customer"].notna()]
        self.first_day = found["first_line"].min()
        found = found[found["ever"].astype(bool)].reset_index(drop=True)
        self.customers = pd.Index(found["customer"].astype("str"))
        self._bought = {spans[name]: found[f"bought_{name}"].to_numpy(dtype=bool) for name in spans}
        self._buyer_sums = {
            name: found[name].to_numpy(dtype=float, na_value=np.nan)
            for name in sums
            if not name.startswith(("bought_", "first_"))
        }
        self._to_sql("everybody", np.arange(len(self.customers)))

    def _buyers(self, since: pd.Timestamp, until: pd.Timestamp) -> np.ndarray:
        return np.flatnonzero(self._bought[since, until])

    # Contacts

    def _contacts(self) -> OpenTable | None:
        if not self.company.has("interactions"):
            return None
        table = self.files.table("interactions")
        return table if CUSTOMER in table else None

    def _contact_features(self, people: People, day: pd.Timestamp, windows: Windows) -> tuple[dict, np.ndarray]:
        if self.contacts is None:
            return {}, np.zeros(0, dtype=np.int64)
        table, moment, now = self.contacts, self.contacts.moment("started_at"), timestamp(day)
        has_end = "resolved_at" in table
        used = {"moment": moment, "resolved": table.moment("resolved_at") if has_end else "CAST(NULL AS TIMESTAMP)"}
        settled = f"coalesce(resolved < {now}, false)"
        sums = {
            "newest": f"epoch_us(greatest(max(moment), max(resolved) FILTER (WHERE {settled})))",
            "ever_settled": "count(resolved)",
            "contacts": "count(*)",
        }
        if "is_complaint" in table:
            used["complaint"] = f"coalesce({table.flag('is_complaint')}, false)"
            sums["complaints_made"] = "count(*) FILTER (WHERE complaint)"
            sums["unresolved_complaints"] = f"count(*) FILTER (WHERE complaint AND NOT {settled})"
        if "rating" in table:
            used["rating"] = table.number("rating")
            sums["rating"] = f"avg(rating) FILTER (WHERE {settled} OR resolved IS NULL)"
        names = [CUSTOMER, "started_at", "resolved_at", "is_complaint", "rating"]
        dates = between(moment, windows.history_start(day), day)
        made = self._sums(table, used, dates, table.rules(names), sums, size=len(people.codes))
        newest, ever_settled = made.pop("newest"), np.nansum(made.pop("ever_settled")) > 0
        if "unresolved_complaints" in made and not ever_settled and not (has_end and self._any_settled(table)):
            del made["unresolved_complaints"]
        made = {name: values if name == "rating" else np.nan_to_num(values) for name, values in made.items()}
        return made, _whole(newest)

    def _any_settled(self, table: OpenTable) -> bool:
        """Whether the company ever notes that a matter is settled."""
        ours = f"{table.text(CUSTOMER)} IN (SELECT {CUSTOMER} FROM everybody)"
        known = f"{table.moment('started_at')} < {timestamp(self.as_of)}"
        settled = (
            f"SELECT 1 FROM {table.scan} WHERE {table.moment('resolved_at')} IS NOT NULL AND {known} AND {ours} LIMIT 1"
        )
        return bool(self.files.rows(table.name, settled))

    # Tables of which some columns are read

    def _survey(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        if self.company.has("survey"):
            table, whole = self.files.table("survey"), self.company.survey_settings
            items = tuple(usual_constructs(whole.constructs)[0].get("satisfaction") or ())
            usable = bool(items) and CUSTOMER in table and "answered_at" in table
            known = until_or_missing(table.moment("answered_at"), self.day) if usable else "false"
            self.company.read["survey"] = self.files.frame("survey", (CUSTOMER, "answered_at", *items), known)
            if not table.checked:
                reversed_items = tuple(item for item in whole.reversed if item in items)
                kept = {"satisfaction": items} if items else {}
                self.company.survey_settings = replace(whole, constructs=kept, reversed=reversed_items)
        return super()._survey()

    def _people(self, fields: Sequence[str]) -> tuple[pd.DataFrame, dict[str, pd.Series]] | None:
        if self.company.has("customers"):
            table = self.files.table("customers")
            key = table.text(CUSTOMER)
            ours = f"({key} IS NULL OR {key} IN (SELECT {CUSTOMER} FROM everybody))"
            if "joined_at" in table:
                ours += f" AND {until_or_missing(table.moment('joined_at'), self.as_of)}"
            frame = self.files.frame("customers", (CUSTOMER, *fields, "joined_at", "birth_year"), ours)
            twice = frame[CUSTOMER].duplicated(keep=False)
            if twice.any():
                shown = tuple(frame.loc[twice, CUSTOMER].unique()[:SHOWN])
                rule, remedy = "customer_id must occur once", "keep one row for each, or correct the ids"
                source = self.files.source("customers")
                raise ContractError([Problem("customers", CUSTOMER, rule, remedy, int(twice.sum()), shown, source)])
            # The other columns are for a message that names the nearest to a field that is not there.
            there = set(fields) <= {*table.columns, "region", "acquisition_channel"}
            self.company.read["customers"] = frame if there else frame.reindex(columns=list(table.columns))
        return super()._people(fields)


def _not_zero(lines: OpenTable) -> str:
    return f"{lines.number('quantity')} IS DISTINCT FROM 0" if "quantity" in lines else "true"


def _selected(sums: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} AS {name}" for name, sql in sums.items())


def _whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers; the lowest for NaN."""
    return np.where(np.isnan(values), NEVER, np.nan_to_num(values)).astype(np.int64)
