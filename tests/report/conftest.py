"""Tiny notebooks and companies, made in temporary folders."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest

from crm_utils.report import backends
from crm_utils.report.headlines import make_headline
from crm_utils.report.pool import JobEnd

PARAMETERS = """\
data: str = "demo"  # company folder
as_of: str = ""  # ISO date; empty: the day after the newest event
seed: int = 7  # of the random numbers
"""


class NotebookMaker:
    """Writes notebooks: cells are (kind, source, *tags), with kind "text" or "code"."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name, *cells, parameters="", needs=("order_lines",), title=None):
        heading = f"# {title or name}"
        notebook = nbformat.v4.new_notebook(metadata={"crm": {"needs": list(needs)}})
        for position, (kind, source, *tags) in enumerate(
            [("text", heading), ("code", PARAMETERS + parameters, "parameters"), *cells]
        ):
            make = nbformat.v4.new_markdown_cell if kind == "text" else nbformat.v4.new_code_cell
            notebook.cells.append(make(source, id=f"cell-{position}", metadata={"tags": list(tags)}))
        path = self.folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path


@pytest.fixture(scope="session")
def make_notebooks(tmp_path_factory):
    return lambda: NotebookMaker(tmp_path_factory.mktemp("notebooks"))


@pytest.fixture(scope="session")
def company_folder(tmp_path_factory):
    """Four lines of a company whose name and product are hostile; one line has no customer."""
    folder = tmp_path_factory.mktemp("company") / "corner-shop"
    folder.mkdir()
    pd.DataFrame(
        {
            "order_id": ["1", "2", "3", "4"],
            "customer_id": ["<script>alert(1)</script>", "b", "b", ""],
            "ordered_at": ["2025-01-01", "2025-02-01", "2025-03-01", "2025-03-02"],
            "amount": [10.1, 20.2, -3, 4],
            "product_id": ["=cmd|' /C calc'!A0", "p", "p", "p"],
        }
    ).to_csv(folder / "order_lines.csv", index=False)
    (folder / "company.yml").write_text("name: <script>alert(2)</script> & Co\ncurrency: GBP\n", encoding="utf-8")
    return folder


class FakePool:
    """Stands in for the pool: ends jobs without a kernel, as `outcome` says, and remembers which there were."""

    ran: list[str]

    def __init__(self):
        self.ran = []
        self.interrupt_after = None
        self.failing = set()
        self.value = lambda job: float(job["parameters"]["seed"])

    def __call__(self, jobs, *, on_end, **_):
        self.jobs, self.on_end = jobs, on_end
        return self

    def run(self):
        for count, job in enumerate(self.jobs):
            if count == self.interrupt_after:
                raise KeyboardInterrupt
            self.ran.append(job["name"])
            trouble = {"reason": "", "cell": None, "source": "", "error": "", "message": ""}
            failed = job["name"] in self.failing
            if failed:
                trouble = {
                    "reason": "A cell raised an error.",
                    "cell": 2,
                    "source": "1/0",
                    "error": "E",
                    "message": "m",
                }
            for ending in ("ipynb", "html"):
                text = f"{job['name']} {job['parameters']}"
                (Path(job["folder"]) / f"{job['name']}.{ending}").write_text(text, encoding="utf-8")
            value = self.value(job)
            records = [make_headline("Revenue", value, unit="GBP", low=value - 1, high=value + 1)]
            event = {"event": "done", "status": "failed" if failed else "ok", **trouble, "headlines": records}
            self.on_end(JobEnd(job, event, seconds=1.0, code_seconds=0.5))


@pytest.fixture
def fake_pool(monkeypatch):
    pool = FakePool()
    monkeypatch.setattr(backends, "Pool", pool)
    monkeypatch.setattr(backends, "can_fork", lambda: False)
    return pool
