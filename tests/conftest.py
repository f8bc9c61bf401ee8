"""Fixtures that several test files share."""

import os
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from crm_utils.company.public import PUBLIC_FILES

mpl.use("agg")


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
