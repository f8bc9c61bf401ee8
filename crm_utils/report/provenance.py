"""Where a report comes from: versions, code revision, machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from crm_utils.paths import HOME

_PACKAGES = (
    "crm_utils",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "scikit-learn",
    "matplotlib",
    "duckdb",
    "narwhals",
    "splink",
    "papermill",
    "nbconvert",
)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number in a report can depend on."""
    versions = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def git_revision() -> str | None:
    """Revision of the workbook's code, with ``+changes`` when files differ from it; None outside a clone."""
    try:
        revision = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return revision + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HOME, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
