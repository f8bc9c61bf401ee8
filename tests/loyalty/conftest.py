"""The demo company, one with nothing but a few order lines, and figures that are closed."""

import pandas as pd
import pytest

from crm_utils.company import Company, load_company
from crm_utils.loyalty.measures import loyalty_measures


@pytest.fixture(scope="session")
def demo():
    return load_company()


@pytest.fixture(scope="session")
def demo_measures(demo):
    return loyalty_measures(demo)


@pytest.fixture
def shop():
    """Ann bought on four days and returned once, Bob on two, Cai once; Dee only brought something back."""
    lines = pd.DataFrame(
        [
            ("o1", "ann", "2024-01-01", "tea", 100.0, 0.0),
            ("o1", "ann", "2024-01-01", "cups", 50.0, 0.5),
            ("o2", "ann", "2024-01-01", "tea", 50.0, None),
            ("o3", "ann", "2024-07-01", "tea", 100.0, 0.2),
            ("o4", "ann", "2024-12-31", "pots", 100.0, 0.0),
            ("o5", "ann", "2025-06-01", "tea", 100.0, 0.1),
            ("o6", "ann", "2025-06-05", "sets", -80.0, 0.0),
            ("o7", "bob", "2025-11-01", None, 30.0, 0.3),
            ("o8", "bob", "2025-11-20", None, 30.0, 0.3),
            ("o9", "cai", "2025-01-01", "cups", 20.0, 0.0),
            ("p1", "dee", "2025-02-01", "cups", -20.0, 0.0),
        ],
        columns=["order_id", "customer_id", "ordered_at", "category", "amount", "discount"],
    ).assign(ordered_at=lambda table: pd.to_datetime(table["ordered_at"]))

    def make(**tables):
        return Company.from_frames({"order_lines": lines, **tables}, as_of="2026-01-01")

    return make


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
