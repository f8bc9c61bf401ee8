"""The authored notebooks, found once."""

import pytest

from crm_utils.paths import workbook_folder

NOTEBOOKS = sorted(workbook_folder("notebooks").glob("*.ipynb"))


def pytest_generate_tests(metafunc):
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def notebook_paths():
    return NOTEBOOKS
