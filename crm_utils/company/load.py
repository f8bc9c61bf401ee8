"""Load a company from a folder, and check one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crm_utils.company.company import SET_ASIDE_COLUMNS, Company
from crm_utils.company.company_yml import parse_as_of
from crm_utils.company.settings import read_settings
from crm_utils.errors import ContractError, Problem
from crm_utils.paths import workbook_folder


def load_company(folder: str | Path | None = None, *, as_of: Any = None) -> Company:
    """Load a company from a folder of tables.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Folder with the tables and, where names or formats differ from the contract, a ``company.yml``.
        None or ``"demo"``: the fictional company.
    as_of : str or date, optional
        Day of the analysis (ISO); only what happened before it counts. Default: what ``company.yml`` says, else the
        day after the newest event in the tables.

    Returns
    -------
    Company
        Its tables are read and checked on first use.

    Raises
    ------
    ContractError
        If the folder or its ``company.yml`` is wrong. A table that breaks the contract raises when it is used; without
        a stated `as_of` that is when any dated table is used, because the default day needs them all.

    Examples
    --------
    >>> load_company().name
    'Yunshan Tea'
    """
    if isinstance(folder, str) and not folder.strip():
        rule = "the folder is an empty text"
        remedy = "give the path of a folder, or 'demo' for the fictional company; is a variable unset?"
        raise ContractError([Problem("company", "", rule, remedy)])
    is_demo = folder is None or str(folder) == "demo"
    path = workbook_folder("data/demo") if is_demo else Path(folder).expanduser()
    return Company(read_settings(path), folder=path, as_of=as_of)


@dataclass(frozen=True)
class CompanyCheck:
    """What a check of a company found.

    Parameters
    ----------
    company : Company or None
        The company, where its tables can be used.
    problems : tuple of Problem
        Every breach of the contract.
    tables : dict of str to int
        Usable rows by table; empty while there are problems.
    set_aside, returns : pandas.DataFrame
        As on `Company`; empty while there are problems.
    unused_files : tuple of str
        Data files in the folder that belong to no table.
    warnings : tuple of str
        As on `Company`; empty while there are problems.
    """

    company: Company | None
    problems: tuple[Problem, ...]
    tables: Mapping[str, int]
    set_aside: pd.DataFrame
    returns: pd.DataFrame
    unused_files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def as_of(self) -> pd.Timestamp:
        """Day of the analysis; NaT while there are problems or where nothing is dated."""
        return pd.NaT if self.company is None else self.company.as_of

    def lines(self) -> list[str]:
        """Say what a command prints below the tables: day of the analysis, period of the orders, warnings, files.

        Returns
        -------
        list of str
            One line each; empty while there are problems.
        """
        if self.company is None:
            return []
        day = "none" if pd.isna(self.as_of) else f"{self.as_of:%Y-%m-%d}"
        found = [f"Day of the analysis: {day} ({self.company.as_of_reason})"]
        if self.company.has("order_lines") and len(orders := self.company.table("order_lines")):
            moments = orders["ordered_at"]
            found.append(f"Orders: {moments.min():%Y-%m-%d} to {moments.max():%Y-%m-%d}")
        found += [f"Warning: {warning}." for warning in self.warnings]
        if self.unused_files:
            found.append(f"Files that belong to no table: {', '.join(self.unused_files)}")
        return found

    @property
    def ok(self) -> bool:
        """Whether the company keeps the contract."""
        return not self.problems

    def raise_problems(self) -> None:
        """Raise `ContractError` with every problem, if there is one."""
        if self.problems:
            raise ContractError(self.problems)


def check_company(folder: str | Path | Company | None = None, *, as_of: Any = None) -> CompanyCheck:
    """Read all tables of a company and tell what is wrong, what is set aside and what was returned.

    Parameters
    ----------
    folder : str, pathlib.Path, Company or None
        A company folder, None or ``"demo"`` for the demo, or a company that is already there.
    as_of : str or date, optional
        Day of the analysis; of a company that is already there, in place of its own.

    Returns
    -------
    CompanyCheck
        Nothing is raised for bad data; `CompanyCheck.problems` lists it.

    Examples
    --------
    >>> check_company().ok
    True
    """
    try:
        if isinstance(folder, Company):
            company = folder if parse_as_of(as_of) is None else folder.at(as_of)
        else:
            company = load_company(folder, as_of=as_of)
        problems = company.problems()
        if not problems:
            tables = {name: len(company.table(name)) for name in company.tables}
            return CompanyCheck(
                company, (), tables, company.set_aside, company.returns, company.unused_files, company.warnings
            )
    except ContractError as error:
        problems = error.problems
    return CompanyCheck(None, tuple(problems), {}, pd.DataFrame(columns=SET_ASIDE_COLUMNS), pd.DataFrame())
