"""The authored notebooks, found once; what a page shows."""

import json
import re

import pytest

from crm_utils.company import load_company
from crm_utils.paths import workbook_folder

NOTEBOOKS = sorted(workbook_folder("notebooks").glob("*.ipynb"))


def pytest_generate_tests(metafunc):
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def notebook_paths():
    return NOTEBOOKS


@pytest.fixture(scope="session")
def texts():
    """Everything that a cell shows, as text without tags."""

    def of_cell(result, cell_id):
        cells = json.loads(result.notebook.read_text(encoding="utf-8"))["cells"]
        (cell,) = [cell for cell in cells if cell["id"] == cell_id]
        found = [output["data"] for output in cell["outputs"] if "data" in output]
        parts = ["".join(data.get("text/html") or data.get("text/markdown") or "") for data in found]
        return re.sub(r"<[^>]+>", " ", " ".join(parts))

    return of_cell


def personal_data(records):
    """Telephone numbers, e-mail and street addresses, and whole names, as they may stand on a page."""
    whole = records[["family_name", "given_name"]].dropna()
    whole = whole[~whole["given_name"].isin(["先生", "女士"])]
    family, given = whole["family_name"], whole["given_name"]
    digits = records["phone"].dropna().str.normalize("NFKC").str.replace(r"\D", "", regex=True).str[-11:]
    written = [family + given, family + " " + given, given + " " + family, given + family]
    values = [digits, records["phone"], records["email"], records["address"], *written]
    return {str(value) for column in values for value in column.dropna() if len(str(value)) > 2}


@pytest.fixture(scope="session")
def personal():
    return personal_data(load_company().source_records)


def found_in(text, values):
    """The values, of three characters or more, that a text contains.

    Searching a page of millions of characters for each of many thousands takes minutes: values of which the first
    characters stand nowhere in it are left out first, in one pass for the short values and one for the long.
    """
    found = set()
    for size, of_size in (
        (3, {value for value in values if len(value) < 8}),
        (8, {value for value in values if len(value) >= 8}),
    ):
        starts = {value[:size] for value in of_size}
        there = {start for at in range(len(text) - size + 1) if (start := text[at : at + size]) in starts}
        found |= {value for value in of_size if value[:size] in there and value in text}
    return found


@pytest.fixture(scope="session")
def shown():
    """What of the personal data stands on the page or in the notebook about identification."""

    def of_report(report, personal):
        result = {result.name: result for result in report.results}["01_identify"]
        page, notebook = (file.read_text(encoding="utf-8") for file in (result.page, result.notebook))
        return found_in(page, personal) | found_in(notebook, personal)

    return of_report
