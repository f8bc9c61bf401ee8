"""Pages on paper: a page printed as PDF by the Chromium or Chrome that the system has."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from crm_utils.language import tr
from crm_utils.report.output import write_atomic
from crm_utils.report.tree import kill_tree

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_SECONDS = 120


def find_browser() -> str:
    """Find a browser that prints; empty where the system has none."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), "")


def print_page(page: Path, target: Path, *, browser: str) -> str:
    """Print an HTML page as PDF.

    Parameters
    ----------
    page : pathlib.Path
        The page.
    target : pathlib.Path
        PDF file to write; written whole or not at all.
    browser : str
        Program of `find_browser`.

    Returns
    -------
    str
        Why there is no PDF; empty when there is one. A page without its PDF is still a page.
    """
    # Chromium's sandbox does not work for root, as which containers run.
    unconfined = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="crm-pdf-", ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "page.pdf"
        process = subprocess.Popen(
            [
                browser,
                "--headless",
                *unconfined,
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND",  # a page asks for nothing, and gets nothing
                f"--user-data-dir={folder}/profile",
                "--no-pdf-header-footer",
                f"--print-to-pdf={printed}",
                page.resolve().as_uri(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            return tr("The browser did not print the page within {seconds} seconds.").format(seconds=_SECONDS)
        finally:
            kill_tree(process.pid)
            process.wait()
        if code or not printed.exists():
            return tr("The browser ended with code {code} and printed nothing.").format(code=code)
        write_atomic(target, printed.read_bytes())
    return ""
