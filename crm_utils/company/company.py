"""A company: its tables, read on first use, checked, and cut off at the day of the analysis."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.company.cautions import cautions
from crm_utils.company.checking import CheckedTable, check_files, read_table
from crm_utils.company.company_yml import nearest, parse_as_of
from crm_utils.company.contract import TABLES, event_columns
from crm_utils.company.frames import as_pandas, frame_digest
from crm_utils.company.raw import RawFile
from crm_utils.company.settings import CompanySettings, SurveySettings, TableSettings
from crm_utils.errors import ContractError, CrmError, Problem
from crm_utils.paths import HOME

DEMO_FOLDER = HOME / "data" / "demo"

NO_CUSTOMER = "no customer id"
ZERO_QUANTITY = "zero quantity"
SET_ASIDE_COLUMNS = ["table", "reason", "rows", "share", "amount"]
AFTER_AS_OF = "on or after the day of the analysis"


class AbsentTableError(CrmError, AttributeError):
    """The company does not have the table; an `AttributeError` too, so that ``hasattr(company, "survey")`` answers."""


def is_return(lines: pd.DataFrame) -> pd.Series:
    """Tell which order lines are returns.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines with `amount`, and `quantity` where known.

    Returns
    -------
    pandas.Series of bool
        True where the quantity or the amount is negative.

    Examples
    --------
    >>> is_return(pd.DataFrame({"amount": [5.0, -5.0]})).tolist()
    [False, True]
    """
    returned = lines["amount"] < 0
    return returned | (lines["quantity"] < 0) if "quantity" in lines else returned


class Company:
    """A company's tables, held to the data contract.

    Made by `load_company` or `Company.from_frames`. A table is read and checked when it is first asked for,
    by ``company.table("survey")`` or ``company.survey``.

    Attributes
    ----------
    name, currency : str
        Company name and ISO 4217 code (empty where not stated).
    folder : pathlib.Path or None
        Where the tables are; None when made from data frames.
    survey_settings : SurveySettings
        Scale, constructs and reversed items.
    """

    def __init__(
        self,
        settings: CompanySettings,
        *,
        folder: Path | None = None,
        as_of: Any = None,
        raw: Mapping[str, RawFile] | None = None,
    ):
        self.name = settings.name
        self.currency = settings.currency
        self.folder = folder
        self.survey_settings = settings.survey
        self.unused_files = settings.unused
        self._settings = settings
        self._raw = dict(raw or {})
        self._as_of, self._as_of_reason = parse_as_of(as_of), "as asked for"
        if self._as_of is None:
            self._as_of, self._as_of_reason = settings.as_of, "as company.yml says"
        self._checked: dict[str, CheckedTable] = {}
        self._tables: dict[str, pd.DataFrame] = {}
        self._set_aside: dict[str, dict[str, tuple[int, float]]] = {}

    @classmethod
    def from_frames(
        cls,
        tables: Mapping[str, pd.DataFrame],
        *,
        name: str = "company",
        currency: str = "",
        as_of: Any = None,
        survey_settings: SurveySettings | None = None,
    ) -> Company:
        """Make a company from data frames, under the same rules as files.

        Parameters
        ----------
        tables : mapping of str to pandas.DataFrame
            Tables by contract name, with contract column names; Polars and other eager frames serve too. Not modified.
        name, currency : str
            Company name and ISO 4217 code.
        as_of : str or date, optional
            Day of the analysis; default the day after the newest event in the tables.
        survey_settings : SurveySettings, optional
            Scale and constructs of the survey.

        Returns
        -------
        Company
            Its tables are checked on first use.

        Raises
        ------
        ContractError
            If a table's name is not in the contract, or a table is no data frame.
        """
        unknown = [table for table in tables if table not in TABLES]
        if unknown:
            raise ContractError(
                Problem("tables", "", f"{table!r} is no table of the contract", nearest(table, tuple(TABLES)))
                for table in unknown
            )
        frames = {table: as_pandas(table, frame) for table, frame in tables.items()}
        raw = {table: RawFile(table, frame, np.arange(1, len(frame) + 1), None) for table, frame in frames.items()}
        present = {table: TableSettings(()) for table in TABLES if table in raw}
        settings = CompanySettings(name, currency, None, present, survey_settings or SurveySettings())
        return cls(settings, as_of=as_of, raw=raw)

    def __repr__(self) -> str:
        return f"Company({self.name!r}, tables={', '.join(self.tables)})"

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name in TABLES:
            return self.table(name)
        raise AttributeError(f"a company has no {name!r}")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that are present, in the order of the contract."""
        return tuple(self._settings.tables)

    @property
    def is_demo(self) -> bool:
        """Whether this is the fictional company, whose truth is known."""
        return self.folder is not None and self.folder.resolve() == DEMO_FOLDER.resolve()

    def has(self, *tables: str) -> bool:
        """Tell whether all the named tables are present.

        Parameters
        ----------
        *tables : str
            Contract names.

        Returns
        -------
        bool
            True where none is absent.

        Raises
        ------
        CrmError
            If a name is not in the contract.
        """
        for table in tables:
            self._known(table)
        return set(tables) <= set(self.tables)

    def table(self, name: str) -> pd.DataFrame:
        """Give a table: checked, typed, without the rows that are set aside.

        Parameters
        ----------
        name : str
            Contract name.

        Returns
        -------
        pandas.DataFrame
            Contract columns and whatever else the table has. Order lines always carry `amount`. Changing the frame
            does not change the company.

        Raises
        ------
        AbsentTableError
            If the company does not have the table.
        CrmError
            If the name is not in the contract.
        ContractError
            If the table breaks the contract.
        """
        self._known(name)
        if name not in self.tables:
            present = ", ".join(self.tables)
            raise AbsentTableError(
                f"{self.name} has no table {name!r}; it has {present}. Add it, or leave this analysis out."
            )
        if name not in self._tables:
            self._tables[name], self._set_aside[name] = self._prepared(name)
        return self._tables[name].copy(deep=False)

    @property
    def as_of(self) -> pd.Timestamp:
        """Day of the analysis: only what happened before it counts. Default: the day after the newest event.

        The default needs every table, so that a table which breaks the contract raises here whichever table was asked
        for; a stated day needs none. NaT where no table has a dated event, as in a company with nothing but a survey.
        """
        if self._as_of is None:
            self._as_of, self._as_of_reason = self._day_after_the_newest_event()
        return self._as_of

    @property
    def as_of_reason(self) -> str:
        """What set the day of the analysis: who stated it, or the newest event with its table, column, file and row."""
        _ = self.as_of
        return self._as_of_reason

    def _day_after_the_newest_event(self) -> tuple[pd.Timestamp, str]:
        self._raise_problems(self.tables)
        newest, reason = pd.NaT, "no table has a dated event"
        for name in self.tables:
            checked = self._check(name)
            for column in event_columns(name, checked.frame):
                moments = checked.frame[column]
                if moments.notna().any() and not moments.max() <= newest:
                    newest = moments.max()
                    place = checked.origin.place(int(moments.argmax()), with_file=name not in self._raw)
                    reason = f"the day after the newest event, {name}.{column} in {place}"
        if pd.isna(newest):
            return pd.NaT, reason
        return newest.normalize() + pd.Timedelta(days=1), reason

    def at(self, as_of: Any) -> Company:
        """Give the same company on another day of analysis; what was read is not read again.

        Parameters
        ----------
        as_of : str or date
            Day of the analysis.

        Returns
        -------
        Company
            With the same tables.
        """
        other = Company(self._settings, folder=self.folder, as_of=as_of, raw=self._raw)
        other._checked = self._checked
        return other

    @property
    def warnings(self) -> tuple[str, ...]:
        """What keeps the contract and is worth a look, each a sentence without a full stop. Every table is read."""
        of_tables = (warning for name in self.tables for warning in self._check(name).warnings)
        return (*of_tables, *self._settings.near_misses, *cautions(self))

    @property
    def set_aside(self) -> pd.DataFrame:
        """Rows that no analysis uses, with the reason.

        Columns: table, reason, rows, share (of the rows read) and amount (money on those order lines; missing for
        other tables).
        """
        rows = []
        for name in self.tables:
            self.table(name)
            total = len(self._check(name).frame)
            for reason, (count, amount) in self._set_aside[name].items():
                if count:
                    rows.append((name, reason, count, count / total, amount))
        return pd.DataFrame(rows, columns=SET_ASIDE_COLUMNS).astype({"rows": int, "share": float, "amount": float})

    @property
    def returns(self) -> pd.DataFrame:
        """Returned order lines: one row with lines, amount (negative) and revenue_share; empty without order lines."""
        columns = ["lines", "amount", "revenue_share"]
        if not self.has("order_lines"):
            return pd.DataFrame(columns=columns)
        lines = self.table("order_lines")
        returned = is_return(lines)
        amount, gross = lines.loc[returned, "amount"].sum(), lines.loc[~returned, "amount"].sum()
        share = -amount / gross if gross else np.nan
        return pd.DataFrame([(int(returned.sum()), float(amount), float(share))], columns=columns)

    @property
    def data_hash(self) -> str:
        """SHA-256 of the company's files or data frames and of how they are read: the same data give the same hash."""
        digest = hashlib.sha256(repr(self.survey_settings).encode())
        for name in self.tables:
            digest.update(f"{name} {self._settings.tables[name].as_read()}".encode())
            if name in self._raw:
                digest.update(frame_digest(self._raw[name].frame))
            for path in self._settings.tables[name].files:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @property
    def customer_ids(self) -> frozenset[str]:
        """Ids in the table of customers, of those who joined after `as_of` too; empty without that table."""
        if not self.has("customers"):
            return frozenset()
        self._raise_problems(("customers",))
        return frozenset(self._check("customers").frame["customer_id"])

    @property
    def record_ids(self) -> frozenset[str]:
        """Ids in the table of source records, of those made after `as_of` too; empty without that table."""
        if not self.has("source_records"):
            return frozenset()
        self._raise_problems(("source_records",))
        return frozenset(self._check("source_records").frame["record_id"])

    def problems(self) -> tuple[Problem, ...]:
        """Read every table and list every breach of the contract."""
        return tuple(problem for name in self.tables for problem in self._check(name).problems)

    def _known(self, name: str) -> None:
        if name not in TABLES:
            raise CrmError(f"{name!r} is no table of the contract; {nearest(name, tuple(TABLES))}")

    def _check(self, name: str) -> CheckedTable:
        if name not in self._checked:
            settings, survey = self._settings.tables[name], self.survey_settings
            if name in self._raw:
                self._checked[name] = check_files(name, [self._raw[name]], settings, survey)
            else:
                self._checked[name] = read_table(name, settings, survey)
        return self._checked[name]

    def _raise_problems(self, names: tuple[str, ...]) -> None:
        problems = [problem for name in names for problem in self._check(name).problems]
        if problems:
            raise ContractError(problems)

    def _prepared(self, name: str) -> tuple[pd.DataFrame, dict[str, tuple[int, float]]]:
        self._raise_problems((name,))
        frame = self._check(name).frame
        if name == "order_lines" and "amount" not in frame:
            discount = frame["discount"].fillna(0) if "discount" in frame else 0
            frame = frame.assign(amount=frame["quantity"] * frame["unit_price"] * (1 - discount))
        reasons = {}
        if name == "order_lines":
            reasons[NO_CUSTOMER] = frame["customer_id"].isna()
            if "quantity" in frame:
                reasons[ZERO_QUANTITY] = frame["quantity"] == 0
        for column in event_columns(name, frame):
            reasons[AFTER_AS_OF] = frame[column] >= self.as_of
        keep = pd.Series(True, index=frame.index)
        counts = {}
        for reason, applies in reasons.items():  # a row is counted once, under its first reason
            chosen = keep & applies
            amount = float(frame.loc[chosen, "amount"].sum()) if name == "order_lines" else np.nan
            counts[reason] = (int(chosen.sum()), amount)
            keep &= ~applies
        return frame[keep].reset_index(drop=True), counts
