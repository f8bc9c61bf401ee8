"""How well the probabilities of early warnings are calibrated on their last snapshot, over simulated companies.

Each company is the demo's, simulated anew from a seed of its own: snapshots by month with a gap of one month and an
outcome window of two, the last one as test. Its calibration slope is 1 where probabilities are right, below 1 where
they are too extreme. With some seventy leavers in a test it scatters, also for a model that is right; so counted are
its mean, its scatter, how often it lies from 0.8 to 1.2, and how often its 95 % interval holds 1. "Planted" is the
yardstick: satisfaction and tenure as the simulation has them, with the planted coefficients, which no model can know.

    python benchmarks/calibration_churn.py                    # 24 companies of 5,000 customers
    python benchmarks/calibration_churn.py --companies 4      # a quick look
    python benchmarks/calibration_churn.py --write            # also docs/churn-calibration.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from crm_utils import churn
from crm_utils.company.simulate import simulate_company
from crm_utils.company.simulate.members import MEMBERS
from crm_utils.ranking import rank_area

DOCS = Path(__file__).parents[1] / "docs"
GAP, WINDOW = 1, 2
RIGHT = (0.8, 1.2)
PLANTED = "planted satisfaction and tenure"
# Model, calibration, snapshots to calibrate with, penalty.
WAYS = {
    "logistic, level of three snapshots (the default, as in notebook 09)": ("logistic", None, 3, None),
    "logistic, level of one snapshot": ("logistic", None, 1, None),
    "logistic, Platt's line of three snapshots": ("logistic", "platt", 3, None),
    "logistic, Platt's line of one snapshot": ("logistic", "platt", 1, None),
    "logistic, hardly any penalty, level of three snapshots": ("logistic", None, 3, 1.0),
    "boosting, Platt's line of three snapshots (the default)": ("boosting", None, 3, None),
    "boosting, level of three snapshots": ("boosting", "level", 3, None),
}


def judged(way: str, chance: np.ndarray, left: np.ndarray, people: pd.Index) -> dict:
    """Area, slope with its interval and share of what was expected, on the test."""
    slope = churn.calibration_slope(chance, left, clusters=people).set_index("measure")
    return {
        "way": way,
        "auc": rank_area(chance, left).estimate,
        **slope.loc["slope", ["value", "low", "high"]].rename({"value": "slope"}).to_dict(),
        "observed_to_expected": slope.loc["observed_to_expected", "value"],
        "leavers": int(left.sum()),
    }


def company_rows(customers: int, seed: int) -> list[dict]:
    """All ways on one company."""
    company, truth = simulate_company(customers, seed=seed)
    last = company.as_of.to_period("M").start_time - pd.DateOffset(months=GAP + WINDOW)
    table = churn.several_snapshots(
        company,
        first=last - pd.DateOffset(months=20),
        last=last,
        gap_months=GAP,
        outcome_months=WINDOW,
        steps={"price_step": (MEMBERS.price_step_month, MEMBERS.price_step_months)},
    )
    return list(_judgements(table, truth.tables["members"].set_index("customer_id")["satisfaction"]))


def _judgements(table: churn.FeatureTable, satisfaction: pd.Series) -> Iterator[dict]:
    for way, (model, calibration, snapshots, ridge) in WAYS.items():
        split = churn.time_split(table, calibrate_snapshots=snapshots)
        warning = churn.early_warning(
            split.train, model=model, calibrate=split.calibrate, calibration=calibration, ridge=ridge
        )
        yield judged(way, warning.predict(split.test).to_numpy(), split.test.outcome, split.test.customers)
    rows, left = split.test.rows, split.test.outcome
    log_odds = MEMBERS.hazard_satisfaction * satisfaction[rows["customer_id"]].to_numpy()
    log_odds = log_odds + MEMBERS.hazard_log_tenure * np.log1p(rows["tenure_months"].to_numpy())
    # The slope does not hang on the level.
    level = np.log(left.mean() / (1 - left.mean())) - log_odds.mean()
    yield judged(PLANTED, 1 / (1 + np.exp(-log_odds - level)), left, split.test.customers)


def summed_up(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a way."""
    rows = rows.assign(right=rows["slope"].between(*RIGHT), held=(rows["low"] <= 1) & (rows["high"] >= 1))
    found = rows.groupby("way", sort=False).agg(
        auc=("auc", "mean"),
        slope=("slope", "mean"),
        scatter=("slope", "std"),
        right=("right", "mean"),
        held=("held", "mean"),
        level=("observed_to_expected", "mean"),
        level_scatter=("observed_to_expected", "std"),
    )
    return found.reset_index()


def as_markdown(found: pd.DataFrame, rows: pd.DataFrame, companies: int, customers: int) -> str:
    """The table with its explanation."""
    how = (
        f"{companies} simulated companies of {customers:,} customers, seeds from 1 on: `python "
        f"benchmarks/calibration_churn.py --companies {companies} --write`. Each row is a way to fit and to calibrate; "
        f"the test is the last snapshot, with {rows['leavers'].mean():.0f} leavers on average."
    )
    what = (
        "The slope is 1 where probabilities are right; below 1 they are too extreme. The last row is no model: it "
        "takes what nobody can observe, with the coefficients that were planted, and shows how much the slope of one "
        "snapshot scatters by chance."
    )
    head = (
        "| way | AUC | slope, mean | slope, scatter | 0.8 to 1.2 | interval holds 1 | left / expected | its scatter |"
    )
    table = [
        f"| {row.way} | {row.auc:.3f} | {row.slope:.2f} | {row.scatter:.2f} | {row.right:.0%} | {row.held:.0%} | "
        + ("– | – |" if row.way == PLANTED else f"{row.level:.2f} | {row.level_scatter:.2f} |")
        for row in found.itertuples()
    ]
    blocks = ["# How well early warnings are calibrated", how, "\n".join([head, "|---|" + 7 * "---:|", *table]), what]
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Simulate, fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=24)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="also write docs/churn-calibration.md")
    options = parser.parse_args()
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        parts = pool.map(partial(company_rows, options.customers), range(1, options.companies + 1))
        rows = pd.DataFrame([row for part in parts for row in part])
    found = summed_up(rows)
    text = as_markdown(found, rows, options.companies, options.customers)
    print(text)
    print(f"{time.perf_counter() - began:.0f} s")
    if options.write:
        (DOCS / "churn-calibration.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
