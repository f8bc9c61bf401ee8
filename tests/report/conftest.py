"""Tiny notebooks and companies, made in temporary folders."""

import nbformat
import pandas as pd
import pytest

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
