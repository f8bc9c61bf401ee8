"""A made-up telephone company, whose law of leaving is known."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def telephone():
    """7,000 customers of a cross-section, with their true probabilities of leaving."""
    rng = np.random.default_rng(11)
    size = 7000
    tenure = rng.integers(0, 73, size)
    contract = rng.choice(["Month-to-month", "One year", "Two year"], size, p=[0.55, 0.21, 0.24])
    charge = rng.uniform(18, 118, size).round(2)
    paperless, partner = rng.random(size) < 0.6, rng.random(size) < 0.5
    log_odds = (
        -1.2
        - 0.03 * tenure
        + 0.015 * (charge - 65)
        + 0.5 * paperless
        + np.select([contract == "One year", contract == "Two year"], [-1.0, -2.2], 0.6)
    )
    truth = 1 / (1 + np.exp(-log_odds))
    table = pd.DataFrame(
        {
            "customer_id": [f"T{number:05d}" for number in range(size)],
            "tenure_months": tenure,
            "contract": contract,
            "paperless": np.where(paperless, "Yes", "No"),
            "partner": np.where(partner, "Yes", "No"),
            "monthly_fee": charge,
            "total_charges": np.where(tenure == 0, " ", (tenure * charge).round(2).astype(str)),
            "churned": np.where(rng.random(size) < truth, "Yes", "No"),
        }
    )
    return table, truth
