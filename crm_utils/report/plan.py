"""Everything about a run that is known and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.language import tr
from crm_utils.report.notebooks import Notebook, choose_notebooks, match_name, notebook_names_message, notebook_paths
from crm_utils.report.parameters import check_values

if TYPE_CHECKING:
    from crm_utils.company import CompanyCheck


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is known and checked before the first kernel starts.

    Parameters
    ----------
    notebooks : tuple of Notebook
        What was asked for.
    parameters : dict of str to dict
        Every parameter of every notebook, with its value.
    check : CompanyCheck
        The company, with set-aside rows and returns.
    data : pathlib.Path or None
        The company's folder; None: the demo company.
    as_of : str
        Day of the analysis asked for in common; empty: the company's own.
    """

    notebooks: tuple[Notebook, ...]
    parameters: dict[str, dict[str, Any]]
    check: CompanyCheck
    data: Path | None
    as_of: str

    @property
    def data_name(self) -> str:
        """What pages show for the parameter ``data``."""
        return "demo" if self.data is None else self.data.name

    def skip_reason(self, notebook: Notebook) -> str:
        """Why a notebook cannot run on this company's tables; empty when it can."""
        missing = notebook.missing(self.check.company.tables)
        if not missing:
            return ""
        return tr("Needs the table {missing}, which this company does not have; it has {present}.").format(
            missing=", ".join(missing), present=", ".join(self.check.company.tables)
        )


def plan_run(
    notebooks: Sequence[str | Path] | None = None,
    *,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    per_notebook: Mapping[str, Mapping[str, Any]] | None = None,
    notebook_folder: str | Path | None = None,
    prepare: Callable[[Sequence[Notebook]], None] = lambda notebooks: None,
    checks: dict[tuple[Path | None, str], CompanyCheck] | None = None,
) -> Plan:
    """Check names, parameters and data; arguments and errors as for `crm_utils.report.run_report`.

    Parameters
    ----------
    notebooks, data, parameters, per_notebook, notebook_folder
        As for `crm_utils.report.run_report`.
    prepare : callable, optional
        Called with the notebooks once names and parameters are found good, before the data are checked.
    checks : dict, optional
        Checks of companies that were made before, by folder and day; new ones are added.

    Returns
    -------
    Plan
        What will run.
    """
    from crm_utils.company import check_company

    folder = None if notebook_folder is None else Path(notebook_folder)
    chosen = choose_notebooks(notebooks, folder=folder)
    common = dict(parameters or {})
    if "data" in common:
        if data is not None and str(data) != str(common["data"]):
            raise ParameterError(f"the data are given twice: {data} and the parameter data={common['data']}.")
        data = common.pop("data")
    if data is not None and not str(data).strip():
        raise ParameterError("the data are an empty text; name a company's folder, or leave it out for the demo.")
    own = _match_per_notebook(per_notebook or {}, chosen, folder)
    company = None if data is None or str(data) == "demo" else Path(data).expanduser().resolve()
    for notebook in chosen:
        if any(parameter.name == "data" for parameter in notebook.parameters):
            own.setdefault(notebook.name, {})["data"] = "demo" if company is None else str(company)
    values = check_values({notebook.name: notebook.parameters for notebook in chosen}, common, own)
    prepare(chosen)
    checks = {} if checks is None else checks
    as_of = common.get("as_of") or ""
    if (company, as_of) not in checks:
        checks[company, as_of] = check_company(company, as_of=as_of or None)
    checks[company, as_of].raise_problems()
    return Plan(chosen, values, checks[company, as_of], company, str(as_of))


def _match_per_notebook(
    given: Mapping[str, Mapping[str, Any]], chosen: tuple[Notebook, ...], folder: Path | None
) -> dict[str, dict[str, Any]]:
    """Sort values by the notebook they are for; those of notebooks that exist and are not chosen are left alone."""
    names = [notebook.name for notebook in chosen]
    matched: dict[str, dict[str, Any]] = {}
    problems = []
    for key, values in given.items():
        name = match_name(str(key), names)
        if "data" in values:
            problems.append(f"per-notebook parameters of {key}: one run has one company; leave 'data' to the run")
        elif name is not None:
            matched[name] = dict(values)
        elif match_name(str(key), everything := [*names, *notebook_paths(folder)]) is None:
            problems.append(f"per-notebook parameters: {notebook_names_message(str(key), everything)}")
    if problems:
        raise ParameterError("\n".join(problems))
    return matched
