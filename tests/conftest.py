"""Fixtures that several test files share."""

import gc
import os
import sys
from pathlib import Path

# Two workers of the tests with a thread for every core get in each other's way; read when numpy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Tests start Python some hundred times. Where it may not keep what it has compiled beside the sources, each start
# compiles thousands of modules again: they are kept beside the environment.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "pycache"))
    sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ["PYTHONPYCACHEPREFIX"]

import matplotlib as mpl  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402

import crm_utils.report.quick_nbformat  # noqa: E402, F401
from crm_utils.company.public import PUBLIC_FILES  # noqa: E402
from crm_utils.paths import workbook_folder  # noqa: E402
from crm_utils.report import backends  # noqa: E402
from crm_utils.report.forge import Forge  # noqa: E402

mpl.use("agg")


def pytest_configure(config):
    """Let workers take the files in their order: the last ones are small, and none waits for a long one at the end."""
    config.option.loadscopereorder = False


def pytest_collection_finish():
    """Take the thousands of collected tests and what they import out of every later collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def public_data():
    """Skip a test, with the reason, where a public file is not in the download cache."""

    def need(name: str) -> None:
        cache = os.environ.get("CRM_UTILS_CACHE")
        if not cache or not (Path(cache) / PUBLIC_FILES[name].file).is_file():
            pytest.skip(f"needs {PUBLIC_FILES[name].file} in the folder CRM_UTILS_CACHE")

    return need


@pytest.fixture
def order_lines():
    """Eight lines of three customers, with a return, two lines in one order and two orders on one day."""
    return pd.DataFrame(
        {
            "order_id": ["o1", "o1", "o2", "o3", "o4", "o5", "o6", "o7"],
            "customer_id": ["ann", "ann", "ann", "ann", "bob", "bob", "cai", "ann"],
            "ordered_at": pd.to_datetime(
                [
                    "2025-01-05 09:00",
                    "2025-01-05 09:00",
                    "2025-01-05 18:30",
                    "2025-02-10 12:00",
                    "2025-01-20 08:15",
                    "2025-03-31 23:59",
                    "2025-03-01 10:00",
                    "2025-02-12 10:00",
                ]
            ),
            "quantity": [2.0, 1.0, 1.0, 3.0, 1.0, 4.0, -1.0, -1.0],
            "unit_price": [10.0, 5.0, 8.0, 20.0, 50.0, 2.5, 30.0, 20.0],
            "discount": [0.0, 0.0, 0.25, 0.0, 0.1, 0.0, 0.0, 0.0],
            "amount": [20.0, 5.0, 6.0, 60.0, 45.0, 10.0, -30.0, -20.0],
            "unit_cost": [4.0, 2.0, 3.0, 8.0, 20.0, 1.0, 12.0, 8.0],
        }
    )


class LentForge:
    """A forge that a run may use and not end."""

    def __init__(self, forge):
        self.connect = forge.connect
        self.render_cover = forge.render_cover

    def close(self):
        pass


@pytest.fixture(scope="module")
def one_forge():
    """Let the reports of a file fork their kernels from one process, which has imported everything once."""
    forges = []

    def lend(_):
        if not forges:
            forges.append(Forge(sorted(workbook_folder("notebooks").glob("*.ipynb"))))
        return LentForge(forges[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "Forge", lend)
        yield
    for forge in forges:
        forge.close()
