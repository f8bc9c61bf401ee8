import numpy as np
import pandas as pd
import pytest

AS_OF = pd.Timestamp("2026-01-01")


def make_summary(customers: int, seed: int) -> pd.DataFrame:
    """A purchase summary with a heavy tail, many one-time buyers, and a loss-making customer here and there."""
    rng = np.random.default_rng(seed)
    orders = 1 + rng.poisson(rng.gamma(0.5, 4.0, customers))
    age_days = rng.integers(30, 1000, customers)
    recency_days = np.where(orders > 1, rng.integers(1, age_days + 1), age_days)
    revenue = (orders * rng.lognormal(4.5, 0.7, customers)).round(2)
    return pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in range(customers)],
            "first_purchase": AS_OF - pd.to_timedelta(age_days, unit="D"),
            "last_purchase": AS_OF - pd.to_timedelta(recency_days, unit="D"),
            "orders": orders,
            "purchase_days": np.maximum(orders - rng.integers(0, 2, customers), 1),
            "revenue": revenue,
            "margin": (revenue * rng.uniform(-0.1, 0.6, customers)).round(2),
        }
    )


@pytest.fixture
def as_of():
    return AS_OF


@pytest.fixture
def summary():
    return make_summary(400, seed=11)


@pytest.fixture
def following():
    """The next period of `summary`: some customers stay away, a few are new."""
    frame = make_summary(250, seed=12)
    frame["customer_id"] = [f"C{number:05d}" for number in np.random.default_rng(13).permutation(430)[:250]]
    return frame


@pytest.fixture
def only_returned():
    """A customer without any purchase: no dates, and a negative revenue."""
    return pd.DataFrame(
        {
            "customer_id": ["R00001"],
            "first_purchase": pd.to_datetime([None]),
            "last_purchase": pd.to_datetime([None]),
            "orders": [0],
            "purchase_days": [0],
            "revenue": [-25.0],
            "margin": [-10.0],
        }
    )


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
