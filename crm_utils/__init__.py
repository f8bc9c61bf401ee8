"""Customer relationship management (客户关系管理), analysed: the package behind the notebooks.

The names below are imported on first use, so that ``import crm_utils`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "ContractError": "crm_utils.errors",
    "ConvergenceError": "crm_utils.errors",
    "CrmError": "crm_utils.errors",
    "DataFloorError": "crm_utils.errors",
    "LeakageError": "crm_utils.errors",
    "ParameterError": "crm_utils.errors",
    "PrivacyError": "crm_utils.errors",
    "attempt": "crm_utils.errors",
    "Company": "crm_utils.company",
    "check_columns": "crm_utils.checks",
    "check_company": "crm_utils.company",
    "check_floor": "crm_utils.errors",
    "check_parameters": "crm_utils.errors",
    "claim_verdict": "crm_utils.claims",
    "load_company": "crm_utils.company",
    "load_truth": "crm_utils.company",
    "provenance": "crm_utils.company",
    "purchase_summary": "crm_utils.company",
    "simulate_company": "crm_utils.company",
    "headline": "crm_utils.report",
    "run_report": "crm_utils.report",
    "say": "crm_utils.language",
    "tr": "crm_utils.language",
    "show_figure": "crm_utils.plotting",
    "use_style": "crm_utils.plotting",
    "verdict_text": "crm_utils.claims",
    "show_table": "crm_utils.tables",
}
_ROOMS = ("churn", "company", "identify", "lifetime", "loyalty", "pls", "report", "satisfaction", "survey", "value")
__all__ = sorted([*_HOMES, *_ROOMS])

if TYPE_CHECKING:
    from crm_utils.checks import check_columns
    from crm_utils.claims import claim_verdict, verdict_text
    from crm_utils.company import (
        Company,
        check_company,
        load_company,
        load_truth,
        provenance,
        purchase_summary,
        simulate_company,
    )
    from crm_utils.errors import (
        ContractError,
        ConvergenceError,
        CrmError,
        DataFloorError,
        LeakageError,
        ParameterError,
        PrivacyError,
        attempt,
        check_floor,
        check_parameters,
    )
    from crm_utils.language import say, tr
    from crm_utils.plotting import show_figure, use_style
    from crm_utils.report import headline, run_report
    from crm_utils.tables import show_table


def __getattr__(name: str):
    """Import a public name when it is first asked for (PEP 562)."""
    if name in _ROOMS:
        return import_module(f"crm_utils.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'crm_utils' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
