"""Notebooks out: run the workbook and turn it into pages, an index, headlines and a manifest.

The names below are imported on first use, so that ``crm --help`` and ``crm list`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_HOMES = {
    "NotebookResult": "crm_utils.report.results",
    "ReportRun": "crm_utils.report.results",
    "RunInterrupted": "crm_utils.report.results",
    "SweepRun": "crm_utils.report.sweep_writer",
    "compare_runs": "crm_utils.report.compare",
    "headline": "crm_utils.report.headlines",
    "resume_run": "crm_utils.report.resume",
    "run_report": "crm_utils.report.run",
    "run_sweep": "crm_utils.report.sweep",
}
__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from crm_utils.report.compare import compare_runs
    from crm_utils.report.headlines import headline
    from crm_utils.report.results import NotebookResult, ReportRun, RunInterrupted
    from crm_utils.report.resume import resume_run
    from crm_utils.report.run import run_report
    from crm_utils.report.sweep import run_sweep
    from crm_utils.report.sweep_writer import SweepRun


def __getattr__(name: str):
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'crm_utils.report' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
