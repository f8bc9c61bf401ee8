"""How often the intervals of the lifetime models hold the truth, over simulated companies.

Each company is simulated from the planted parameters, with customers of all ages up to three years, and fitted; counted
is how often the 90 % intervals hold the truth: those of `summary_frame` the planted parameters; those of
`customer_lifetime_value` over a year, by normal draws and by refits, the value under the planted parameters, in total
and of one customer drawn at random; those of `realised_total` the money that came in. Companies whose fit does not
converge are counted apart and shown. One child seed a company, so that the number of processes does not matter.

    python benchmarks/coverage_lifetime.py                     # 200 companies of 2,000 customers
    python benchmarks/coverage_lifetime.py --companies 20      # a quick look
    python benchmarks/coverage_lifetime.py --only "BG/NBD, value" "BG/NBD, covariates"
    python benchmarks/coverage_lifetime.py --write             # also docs/lifetime-coverage.md
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from crm_utils.errors import ConvergenceError
from crm_utils.intervals import wilson
from crm_utils.lifetime import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD, ShiftedBetaGeometric
from crm_utils.lifetime.simulation import simulate_histories, simulate_spend
from crm_utils.lifetime.values import customer_lifetime_value

LEVEL = 0.9
ALLOWED = (0.85, 0.95)
SEED = 7
DOCS = Path(__file__).parents[1] / "docs"

# Weeks and CNY as planted in the demo, Pareto/NBD as published for CDNOW, contracts in months.
BETA_GEOMETRIC = {"r": 0.7, "alpha": 5.5, "a": 0.8, "b": 3.0}
PARETO = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}
SPEND = {"p": 4.0, "q": 4.0, "gamma": 112.5}
CONTRACT = {"alpha": 0.668, "beta": 3.806}
# A flag that raises the purchase rate and a number that lowers dropout.
EFFECTS = {"rate_card": 0.5, "dropout_distance": -0.4}
OLDEST_WEEKS, OLDEST_MONTHS = 156.0, 36
HORIZON_WEEKS = 365.25 / 7


@dataclass(frozen=True)
class Trial:
    """What became of one company: one row a quantity with truth, estimate, low and high, or why there is none."""

    checks: pd.DataFrame | None
    failure: str = ""


def draw_ages(customers: int, seed: np.random.SeedSequence) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, OLDEST_WEEKS, customers)


def held_against(summary: pd.DataFrame, truth: dict[str, float]) -> pd.DataFrame:
    return summary[["parameter", "estimate", "low", "high"]].assign(truth=summary["parameter"].map(truth))


def purchases(model, truth: dict[str, float], customers: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """A purchase model without covariates."""
    ages, histories = seed.spawn(2)
    drawn = simulate_histories(model, truth, draw_ages(customers, ages), seed=histories)
    return held_against(
        model.fit(*drawn[["frequency", "recency", "age"]].to_numpy().T).summary_frame(level=LEVEL), truth
    )


def with_covariates(model, truth: dict[str, float], customers: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """A purchase model with one covariate of the rate and one of dropout."""
    ages, histories, traits = seed.spawn(3)
    rng = np.random.default_rng(traits)
    card = pd.DataFrame({"card": rng.random(customers) < 0.4}, dtype=float)
    distance = pd.DataFrame({"distance": rng.standard_normal(customers)})
    more_dropout = np.exp(EFFECTS["dropout_distance"] * distance["distance"].to_numpy())
    by_customer = truth | {"alpha": truth["alpha"] * np.exp(-EFFECTS["rate_card"] * card["card"].to_numpy())}
    if isinstance(model, ParetoNBD):
        by_customer["beta"] = truth["beta"] / more_dropout
    else:
        by_customer["a"] = truth["a"] * more_dropout
    drawn = simulate_histories(model, by_customer, draw_ages(customers, ages), seed=histories)
    fitted = model.fit(
        *drawn[["frequency", "recency", "age"]].to_numpy().T, rate_covariates=card, dropout_covariates=distance
    )
    return held_against(fitted.summary_frame(level=LEVEL), truth | EFFECTS)


def spend(customers: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """Spend of the repeat buyers of a BG/NBD company."""
    ages, histories, amounts = seed.spawn(3)
    drawn = simulate_histories(BetaGeoNBD(), BETA_GEOMETRIC, draw_ages(customers, ages), seed=histories)
    count = drawn["frequency"][drawn["frequency"] > 0].to_numpy()
    paid = simulate_spend(SPEND, count, seed=amounts)
    return held_against(GammaGamma().fit(paid["mean_spend"], count).summary_frame(level=LEVEL), SPEND)


def value(model, truth: dict[str, float], customers: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """Value over a year to come: expected in total and of one customer, and realised in total."""
    ages, histories, amounts, future, draws = seed.spawn(5)
    drawn = simulate_histories(model, truth, draw_ages(customers, ages), seed=histories, horizon=HORIZON_WEEKS)
    paid = simulate_spend(SPEND, drawn["frequency"], seed=amounts)
    repeat = drawn["frequency"] > 0
    fitted = model.fit(drawn["frequency"], drawn["recency"], drawn["age"])
    spend_fitted = GammaGamma().fit(paid["mean_spend"][repeat], drawn["frequency"][repeat])

    terms = {"horizon_months": 12, "annual_discount_rate": 0.0, "margin": 1.0, "level": LEVEL}
    true_purchases = replace(fitted, params=pd.Series(truth)[fitted.params.index])
    true_spend = replace(spend_fitted, params=pd.Series(SPEND)[spend_fitted.params.index])
    expected = customer_lifetime_value(true_purchases, true_spend, **terms, interval=None)
    rng = np.random.default_rng(future)
    one = int(rng.integers(customers))
    ahead = SPEND["p"] * drawn["purchases_ahead"].to_numpy()
    came = rng.standard_gamma(ahead) @ (paid["true_mean_spend"] / SPEND["p"])
    rows = []
    for interval, shown in (("parametric", "normal draws"), ("case", "refits")):
        valued = customer_lifetime_value(
            fitted, spend_fitted, **terms, interval=interval, seed=int(draws.generate_state(1)[0])
        )
        rows.append({"parameter": f"total, {shown}", **valued.total, "truth": expected.total["value"]})
        of_one = valued.by_customer.loc[one, ["value", "low", "high"]]
        truth_of_one = expected.by_customer.loc[one, "value"]
        rows.append({"parameter": f"one customer, {shown}", **of_one, "truth": truth_of_one})
        rows.append({"parameter": f"realised total, {shown}", **valued.realised_total(), "truth": came})
    return pd.DataFrame(rows).rename(columns={"value": "estimate"})


def contracts(customers: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """Contracts of members who joined over three years, renewed by the month."""
    rng = np.random.default_rng(seed)
    leaves = rng.geometric(rng.beta(CONTRACT["alpha"], CONTRACT["beta"], customers))
    joined = rng.integers(1, OLDEST_MONTHS, customers, endpoint=True)
    results = ShiftedBetaGeometric(period="month").fit(np.minimum(leaves, joined), leaves <= joined)
    return held_against(results.summary_frame(level=LEVEL), CONTRACT)


TRIALS: dict[str, Callable[[int, np.random.SeedSequence], pd.DataFrame]] = {
    "BG/NBD": partial(purchases, BetaGeoNBD(), BETA_GEOMETRIC),
    "MBG/NBD": partial(purchases, ModifiedBetaGeoNBD(), BETA_GEOMETRIC),
    "Pareto/NBD": partial(purchases, ParetoNBD(), PARETO),
    "BG/NBD, covariates": partial(with_covariates, BetaGeoNBD(), BETA_GEOMETRIC),
    "MBG/NBD, covariates": partial(with_covariates, ModifiedBetaGeoNBD(), BETA_GEOMETRIC),
    "Pareto/NBD, covariates": partial(with_covariates, ParetoNBD(), PARETO),
    "gamma–gamma": spend,
    "sBG": contracts,
    "BG/NBD, value": partial(value, BetaGeoNBD(), BETA_GEOMETRIC),
    "MBG/NBD, value": partial(value, ModifiedBetaGeoNBD(), BETA_GEOMETRIC),
    "Pareto/NBD, value": partial(value, ParetoNBD(), PARETO),
}


def run_one(name: str, customers: int, seed: np.random.SeedSequence) -> Trial:
    try:
        return Trial(TRIALS[name](customers, seed))
    except ConvergenceError as error:
        return Trial(None, str(error))


def coverage(name: str, trials: list[Trial]) -> pd.DataFrame:
    """One row a quantity: how often its interval held the truth."""
    rows = pd.concat([trial.checks for trial in trials if trial.checks is not None])
    rows["held"] = (rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])
    table = rows.groupby("parameter", sort=False).agg(
        truth=("truth", "median"), median=("estimate", "median"), held=("held", "sum"), companies=("held", "size")
    )
    low, high = wilson(table["held"], table["companies"], level=0.95)
    return table.assign(low=low, high=high, model=name).reset_index()


def markdown(table: pd.DataFrame) -> str:
    lines = ["| model | quantity | truth | median estimate | companies | held | share (95 % interval) |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for row in table.itertuples():
        share = f"{row.held / row.companies:.1%} ({row.low:.1%}–{row.high:.1%})"
        cells = [row.model, row.parameter, f"{row.truth:.4g}", f"{row.median:.4g}", row.companies, row.held, share]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def verdict(table: pd.DataFrame, failures: dict[str, list[str]], companies: int) -> str:
    """Say from the numbers what is inside the limits, and which fits failed."""
    share = table["held"] / table["companies"]
    outside = table[~share.between(*ALLOWED)]
    held = len(table) - len(outside)
    said = f"{held} of {len(table)} quantities are held {ALLOWED[0]:.0%} to {ALLOWED[1]:.0%} of the time"
    if len(outside):
        said += "; not so: " + "; ".join(f"{row.model}: {row.parameter}" for row in outside.itertuples())
    lines = [said + "."]
    for name, messages in failures.items():
        if messages:
            lines.append(f"{name}: {len(messages)} of {companies} companies did not converge; the first: {messages[0]}")
    if len(lines) == 1:
        lines.append("Every fit converged.")
    return "\n\n".join(lines)


def write_docs(table: pd.DataFrame, said: str, companies: int, customers: int) -> None:
    text = f"""# Lifetime models: do the intervals hold the truth?

{markdown(table)}

{said}

{companies} simulated companies of {customers:,} customers each, with ages spread evenly up to three years: how often
the {LEVEL:.0%} intervals of `summary_frame` hold the planted value, with Wilson's interval of that share. A flag as
covariate acts on the purchase rate and a number on dropout. Value is that of the next year, undiscounted: under the
planted parameters in total and of a customer drawn at random, and as realised; intervals by normal draws of the
parameters, or by refits to customers drawn again. Truth and estimate are medians over the companies. Made by
`python benchmarks/coverage_lifetime.py --write`.
"""
    (DOCS / "lifetime-coverage.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--customers", type=int, default=2_000, help="customers of a company")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=list(TRIALS), metavar="MODEL")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="write the table to docs")
    arguments = parser.parse_args()
    # Two processes with threads of their own would be in each other's way.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    tables, failures = [], {}
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for name in arguments.only:
            start = time.perf_counter()
            # One root a model, whichever models are run.
            seeds = np.random.SeedSequence([SEED, list(TRIALS).index(name)]).spawn(arguments.companies)
            trials = list(pool.map(partial(run_one, name, arguments.customers), seeds, chunksize=4))
            failures[name] = [trial.failure for trial in trials if trial.checks is None]
            tables.append(coverage(name, trials))
            print(f"{name}: {time.perf_counter() - start:.0f} s, {len(failures[name])} failed", flush=True)
    table = pd.concat(tables, ignore_index=True)
    said = verdict(table, failures, arguments.companies)
    print(markdown(table), said, sep="\n\n")
    if arguments.write:
        write_docs(table, said, arguments.companies, arguments.customers)


if __name__ == "__main__":
    main()
