"""A small frame of people and their orders: enough to try the tables that hang on them, without the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.latents import draw_latents

START, DAYS = pd.Timestamp("2023-01-01"), 1096


def make_people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 1 / 5.5, n)
    dropout = rng.beta(0.8, 3.0, n)
    first_day = np.sqrt(rng.random(n)) * DAYS * 0.999
    purchases_until_loss = rng.geometric(dropout)
    life_days = rng.gamma(purchases_until_loss, 7 / np.maximum(rate, 1e-4))
    first = START + pd.to_timedelta(np.floor(first_day * 1440), unit="min")
    left = pd.Series(first) + pd.to_timedelta(np.minimum(life_days, 5000).round(), unit="D")
    people = pd.DataFrame(
        {
            "customer_id": [f"C{i:07d}" for i in range(1, n + 1)],
            "birth_date": pd.Timestamp("2025-01-01") - pd.to_timedelta(rng.integers(18 * 365, 85 * 365, n), unit="D"),
            "region": rng.choice(["North", "Northeast", "East", "South", "Central", "West"], n),
            "branch_id": [f"B{i:02d}" for i in rng.integers(1, 26, n)],
            "home_channel": rng.choice(["web", "store", "miniprogram", "phone"], n, p=[0.3, 0.3, 0.3, 0.1]),
            "may_contact": rng.random(n) < 0.78,
            "first_purchase": pd.Series(first).astype("datetime64[s]"),
            "purchase_rate_per_week": rate,
            "dropout_probability": dropout,
            "left_at": left.where(left < START + pd.Timedelta(days=DAYS)).astype("datetime64[s]"),
            "mean_spend": 4.0 / rng.gamma(4.0, 1 / 112.5, n),
            "discount_hunter": rng.random(n) < 0.11,
        }
    )
    never = rng.random(n) < 0.05
    people.loc[never, ["first_purchase", "left_at"]] = pd.NaT
    return pd.concat([people, draw_latents(n, rng)], axis=1)


def make_order_lines(people: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Make Poisson orders from the first purchase until the person leaves."""
    rng = np.random.default_rng(seed)
    bought = people[people["first_purchase"].notna()].reset_index(drop=True)
    end = bought["left_at"].fillna(START + pd.Timedelta(days=DAYS))
    days = (end - bought["first_purchase"]).dt.total_seconds().to_numpy() / 86400
    number = 1 + rng.poisson(bought["purchase_rate_per_week"] * days / 7)
    row = np.repeat(np.arange(len(bought)), number)
    since = rng.random(len(row)) * days[row]
    since[np.cumsum(number) - number] = 0.0
    moment = bought["first_purchase"].to_numpy()[row] + (since * 86400).astype("timedelta64[s]")
    hunter = bought["discount_hunter"].to_numpy()[row]
    return pd.DataFrame(
        {
            "order_id": [f"O{i:08d}" for i in range(len(row))],
            "customer_id": bought["customer_id"].to_numpy()[row],
            "ordered_at": moment.astype("datetime64[s]"),
            "amount": (bought["mean_spend"].to_numpy()[row] * rng.lognormal(-0.125, 0.5, len(row))).round(2),
            "discount": np.where(rng.random(len(row)) < np.where(hunter, 0.7, 0.15), 0.2, 0.0),
            "channel": bought["home_channel"].to_numpy()[row],
            "branch_id": bought["branch_id"].to_numpy()[row],
        }
    )


@pytest.fixture(scope="package")
def people() -> pd.DataFrame:
    return make_people(5_000, seed=11)


@pytest.fixture(scope="package")
def order_lines(people) -> pd.DataFrame:
    return make_order_lines(people, seed=12)


@pytest.fixture(scope="package")
def many_people() -> pd.DataFrame:
    return make_people(40_000, seed=21)


@pytest.fixture(scope="package")
def many_order_lines(many_people) -> pd.DataFrame:
    return make_order_lines(many_people, seed=22)
