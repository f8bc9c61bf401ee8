"""Fits of the purchase models: seconds, memory and log-likelihood, beside the package lifetimes 0.11.3.

Both fit the same simulated histories, each fit in a process of its own, so that its peak memory is its own. Time runs
from arrays in memory to the estimate with standard errors (where the peer has them), after a first fit of a few
histories, so that no import is in it. Two populations: customers acquired evenly over three years, and customers
acquired within one quarter, 26 to 39 weeks ago as in the CDNOW data, of whom many have equal histories. The peer runs
with its defaults and no penalty, once on all histories and once on equal histories merged and handed over as weights;
merging is in its time as it is in ours. The log-likelihoods compared are ours, at the parameters each of them found;
the one the peer itself says is beside. Last, the value of each customer over a year with its interval from 200 draws of
the parameters.

    python benchmarks/bench_lifetime.py                       # 250,000 customers, then 1,000 to 1,000,000
    python benchmarks/bench_lifetime.py --customers 20000     # a small comparison
    python benchmarks/bench_lifetime.py --peer-python PATH    # a Python that has lifetimes; default: one is made
    python benchmarks/bench_lifetime.py --write               # also docs/lifetime-speed.png and docs/lifetime-speed.md

The peer's environment needs Python 3.9 to 3.12. It is made with venv and pip in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _runs import machine, peak_gib, run_json

PEER = ("lifetimes==0.11.3", "numpy<2", "pandas<3")
PEER_PACKAGES = ("lifetimes", "numpy", "pandas", "scipy", "autograd")
# The published estimates for CDNOW, in weeks; those of BG/NBD also for its modified form.
TRUTH = {
    "BetaGeoNBD": (0.243, 4.414, 0.793, 2.426),
    "ModifiedBetaGeoNBD": (0.243, 4.414, 0.793, 2.426),
    "ParetoNBD": (0.553, 10.578, 0.606, 11.669),
}
COMPARED = {"BetaGeoNBD": "BetaGeoFitter", "ParetoNBD": "ParetoNBDFitter"}
NAMES = {"BetaGeoNBD": "BG/NBD", "ModifiedBetaGeoNBD": "MBG/NBD", "ParetoNBD": "Pareto/NBD"}
POPULATIONS = {"three years": (1, 1096), "one quarter": (182, 273)}
TARGETS = {("BetaGeoNBD", "three years"): 10, ("ParetoNBD", "three years"): 10} | {
    ("BetaGeoNBD", "one quarter"): 25,
    ("ParetoNBD", "one quarter"): 50,
}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
WARM_UP = 1_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
VALUE_SIZES = (100_000, 1_000_000)
OURS, PEER_PLAIN, PEER_MERGED = "crm_utils", "lifetimes", "lifetimes, merged"
DOCS = Path(__file__).parents[1] / "docs"


def make_histories(model: str, population: str, customers: int, path: Path) -> None:
    """Save frequency, recency and age of simulated customers: whole days, in weeks."""
    from crm_utils import lifetime
    from crm_utils.lifetime.simulation import simulate_histories

    first, last = POPULATIONS[population]
    age_days = np.random.default_rng(1).integers(first, last, customers, endpoint=True)
    drawn = simulate_histories(getattr(lifetime, model)(), TRUTH[model], age_days / 7, seed=2)
    recency_days = np.minimum(np.ceil(drawn["recency"] * 7), age_days)
    np.save(path, np.array([drawn["frequency"], recency_days / 7, age_days / 7]))


def merged_rows(histories: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct histories, and how many customers have each."""
    counted = pd.DataFrame(histories.T).groupby([0, 1, 2]).size()
    return counted.index.to_frame().to_numpy().T, counted.to_numpy()


def fit_ours(model: str, histories: np.ndarray) -> dict[str, Any]:
    from crm_utils import lifetime

    spec = getattr(lifetime, model)()
    spec.fit(*histories[:, :WARM_UP])
    start = time.perf_counter()
    results = spec.fit(*histories)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "params": results.params.tolist(), "own": results.loglik}


def fit_peer(model: str, histories: np.ndarray, *, merged: bool) -> dict[str, Any]:
    import lifetimes

    fitter = getattr(lifetimes, COMPARED[model])(penalizer_coef=0.0)
    fitter.fit(*histories[:, :WARM_UP])
    start = time.perf_counter()
    rows, weights = merged_rows(histories) if merged else (histories, None)
    fitter.fit(*rows, weights=weights)
    seconds = time.perf_counter() - start
    # Its objective: a mean over customers (BG/NBD) or a sum by mean weight (Pareto/NBD), in units of the oldest age.
    customers = histories.shape[1]
    cases = customers if model == "BetaGeoNBD" else customers / rows.shape[1]
    own = -fitter._negative_log_likelihood_ * cases - histories[0].sum() * np.log(histories[2].max())
    versions = {name: version(name) for name in PEER_PACKAGES}
    return {"seconds": seconds, "params": fitter.params_.tolist(), "own": float(own), "versions": versions}


def run_one(name: str, model: str, path: str) -> None:
    """Fit once, and print the measurements as JSON."""
    histories = np.load(path)
    found = fit_ours(model, histories) if name == OURS else fit_peer(model, histories, merged=name == PEER_MERGED)
    print(json.dumps({"name": name, "model": model, "peak_gib": peak_gib(), **found}))


def value_customers(model: str, path: str) -> None:
    """Value customers with intervals, and print the measurements as JSON."""
    from crm_utils import lifetime
    from crm_utils.lifetime.simulation import simulate_spend
    from crm_utils.lifetime.values import customer_lifetime_value

    table = pd.DataFrame(np.load(path).T, columns=["frequency", "recency", "age"])
    repeat = table["frequency"] > 0
    spend = simulate_spend(SPEND, table["frequency"], seed=3)["mean_spend"][repeat]
    start = time.perf_counter()
    purchases = getattr(lifetime, model)().fit(table["frequency"], table["recency"], table["age"])
    paid = lifetime.GammaGamma().fit(spend, table["frequency"][repeat])
    fitted = time.perf_counter() - start
    start = time.perf_counter()
    valued = customer_lifetime_value(purchases, paid, horizon_months=12, annual_discount_rate=0.1, margin=0.4)
    seconds = time.perf_counter() - start
    total = valued.total.tolist()
    print(json.dumps({"model": model, "fitted": fitted, "seconds": seconds, "peak_gib": peak_gib(), "total": total}))


def best_run(python: Path | str, name: str, model: str, path: Path, rounds: int) -> dict[str, Any]:
    """The fastest of some runs."""
    command = [python, __file__, "--one", name, model, path]
    return min((run_json(command) for _ in range(rounds)), key=lambda run: run["seconds"])


def log_likelihood(model: str, params: list[float], histories: np.ndarray) -> float:
    """Our log-likelihood at any parameters."""
    from crm_utils import lifetime
    from crm_utils.lifetime.histories import PurchaseRows

    rows, weights = merged_rows(histories)
    nothing = np.empty((len(weights), 0))
    logs, _ = getattr(lifetime, model)()._log_likelihoods(tuple(params), PurchaseRows(*rows, weights, nothing, nothing))
    return float(weights @ logs)


def make_peer(folder: Path) -> Path:
    """Make an environment with the peer, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


def compare(customers: int, peer_python: Path | str, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Both packages on both populations."""
    results = []
    for model in COMPARED:
        for population in POPULATIONS:
            path = folder / "histories.npy"
            make_histories(model, population, customers, path)
            histories = np.load(path)
            shared = {"population": population, "distinct": merged_rows(histories)[0].shape[1]}
            runs = [best_run(sys.executable, OURS, model, path, rounds)]
            runs += [best_run(peer_python, name, model, path, 1) for name in (PEER_PLAIN, PEER_MERGED)]
            for run in runs:
                loglik = log_likelihood(model, run["params"], histories)
                results.append({**shared, **run, "loglik": loglik, "times": run["seconds"] / runs[0]["seconds"]})
    return results


def scale(sizes: list[int], rounds: int, folder: Path) -> list[dict[str, Any]]:
    """All models against the number of customers acquired over three years."""
    results = []
    for size in sizes:
        for model in NAMES:
            path = folder / "histories.npy"
            make_histories(model, "three years", size, path)
            results.append({"customers": size, **best_run(sys.executable, OURS, model, path, rounds)})
    return results


def value_scale(sizes: list[int], folder: Path) -> list[dict[str, Any]]:
    """Values with intervals of customers acquired over three years."""
    results = []
    for size in sizes:
        for model in NAMES:
            path = folder / "histories.npy"
            make_histories(model, "three years", size, path)
            results.append({"customers": size, **run_json([sys.executable, __file__, "--value-one", model, path])})
    return results


def comparison_table(results: list[dict[str, Any]]) -> str:
    head = (
        "| model | acquired within | distinct histories | by | seconds | times ours | peak GiB | log-likelihood | own |"
    )
    lines = [head, "|---|---|---:|---|---:|---:|---:|---:|---:|"]
    for run in results:
        times = f"{run['times']:.1f}" if run["name"] != OURS else ""
        cells = [NAMES[run["model"]], run["population"], f"{run['distinct']:,}", run["name"], f"{run['seconds']:.2f}"]
        cells += [times, f"{run['peak_gib']:.2f}", f"{run['loglik']:,.2f}", f"{run['own']:,.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scale_table(results: list[dict[str, Any]]) -> str:
    lines = ["| customers | model | seconds | peak GiB |", "|---:|---|---:|---:|"]
    for run in results:
        cells = [f"{run['customers']:,}", NAMES[run["model"]], f"{run['seconds']:.2f}", f"{run['peak_gib']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def value_table(results: list[dict[str, Any]]) -> str:
    lines = [
        "| customers | model | seconds to fit both models | seconds to value | peak GiB |",
        "|---:|---|---:|---:|---:|",
    ]
    for run in results:
        cells = [f"{run['customers']:,}", NAMES[run["model"]], f"{run['fitted']:.1f}", f"{run['seconds']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{run['peak_gib']:.2f}"]) + " |")
    return "\n".join(lines)


def verdict(results: list[dict[str, Any]]) -> str:
    """Say whether the targets are met, from the numbers."""
    said = []
    for (model, population), wanted in TARGETS.items():
        runs = {r["name"]: r for r in results if (r["model"], r["population"]) == (model, population)}
        times, short = runs[PEER_PLAIN]["times"], runs[OURS]["loglik"] - max(run["loglik"] for run in runs.values())
        fits = "equal or better" if short > -1e-3 else f"lower by {-short:.3f}"
        said.append(
            f"- {NAMES[model]}, {population}: {times:.1f} times as fast as lifetimes (target {wanted}), "
            f"{runs[PEER_MERGED]['times']:.1f} times where it is given merged rows; log-likelihood {fits}."
        )
    return "\n".join(said)


def plot(results: list[dict[str, Any]], compared: list[dict[str, Any]], customers: int, path: Path) -> None:
    """Draw seconds against the number of customers, with the peer's where it was run."""
    from matplotlib.figure import Figure

    from crm_utils.plotting import PALETTE

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    ax = figure.add_subplot()
    for number, (model, label) in enumerate(NAMES.items()):
        runs = [run for run in results if run["model"] == model]
        x, y = [run["customers"] for run in runs], [run["seconds"] for run in runs]
        ax.plot(x, y, marker="os^"[number], color=PALETTE[number], label=label)
        for run in compared:
            if (run["model"], run["name"], run["population"]) == (model, PEER_PLAIN, "three years"):
                ax.plot(customers, run["seconds"], "x", color=PALETTE[number], markersize=9, markeredgewidth=2)
                ax.annotate(f"lifetimes, {label}", (customers, run["seconds"]), (-9, 0), textcoords="offset points",
                            ha="right", va="center", fontsize=8)  # fmt: skip
    ax.axhline(3, color="black", linewidth=0.8, linestyle="--")
    ax.annotate("3 seconds", (min(run["customers"] for run in results), 3), (0, 3), textcoords="offset points",
                fontsize=8)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="customers acquired over three years", ylabel="seconds of a fit")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def write_docs(
    compared: list[dict[str, Any]],
    scaled: list[dict[str, Any]],
    valued: list[dict[str, Any]],
    customers: int,
    rounds: int,
) -> None:
    plot(scaled, compared, customers, DOCS / "lifetime-speed.png")
    ours = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas"))
    peer = ", ".join(f"{name} {number}" for name, number in compared[1]["versions"].items())
    text = f"""# Purchase models: time, memory and likelihood

![Seconds of a fit against number of customers, both axes logarithmic](lifetime-speed.png)

## Beside lifetimes, on {customers:,} customers

{comparison_table(compared)}

{verdict(compared)}

"Log-likelihood" is ours at the parameters found; "own" is what the package itself says, in the same unit of time.
Recency and age are in whole days, counted in weeks. "Merged" hands the peer equal histories once, with their number as
weights, which it allows and does not do by itself.

## By number of customers

{scale_table(scaled)}

Customers acquired evenly over three years. Targets: a million customers by BG/NBD in under 3 seconds and 1 GB.

## Value of each customer, with intervals

{value_table(valued)}

Value over twelve months, discounted, by `customer_lifetime_value` with 200 draws of the parameters of the purchase and
the spend model. Target: the intervals of a million customers in under a minute.

Seconds are of the best of {rounds} runs of ours and of one run of the peer; peak memory is of the whole process. Made
by `python benchmarks/bench_lifetime.py --write` on {machine()}, Python {platform.python_version()}; ours with
{ours}; the peer with {peer}. Customers are simulated from the parameters in the script: others take other times.
"""
    (DOCS / "lifetime-speed.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the comparison and the sizes, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=250_000, help="customers of the comparison")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of customers to fit alone")
    parser.add_argument("--rounds", type=int, default=3, help="runs of ours, of which the best counts")
    parser.add_argument("--peer-python", metavar="PATH", help="a Python that has lifetimes; default: one is made")
    parser.add_argument("--write", action="store_true", help="write the tables and the plot to docs")
    parser.add_argument("--value-sizes", type=int, nargs="*", default=VALUE_SIZES, help="numbers of customers to value")
    parser.add_argument("--value-one", nargs=2, metavar=("MODEL", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=3, metavar=("NAME", "MODEL", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    if arguments.value_one:
        value_customers(*arguments.value_one)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compared = compare(
            arguments.customers, arguments.peer_python or make_peer(folder / "peer"), arguments.rounds, folder
        )
        print(comparison_table(compared), verdict(compared), sep="\n\n")
        scaled = scale(arguments.sizes, arguments.rounds, folder)
        print(f"\n{scale_table(scaled)}")
        valued = value_scale(arguments.value_sizes, folder)
    print(f"\n{value_table(valued)}\n\n{machine()}.")
    if arguments.write:
        write_docs(compared, scaled, valued, arguments.customers, arguments.rounds)


if __name__ == "__main__":
    main()
