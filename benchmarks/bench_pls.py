"""Path models: seconds of a fit and of the bootstrap, beside openpls-engine 1.13.0 and plspm 0.5.7.

All three estimate the ECSI model (seven constructs, 24 items, centroid scheme) on the same published survey of 250
mobile-phone customers, and draw replicates of it. Each runs in a process of its own, so that its peak memory is its
own. The peers' replicates are those of their own bootstrap (`bootstrap=True`) with their default tolerance, which is
looser than ours, in one process and in two; they look only once a second whether they are done, which is shortened to
a hundredth. Ours run in one process on one thread. The estimates are compared in the same run, with the tolerance
tightened on both sides: those of openpls with items of unit variance; plspm divides all items by one common standard
deviation, which is `standardize=False` here.

Then ours alone, on simulated surveys: what the options cost, a fit against the number of respondents, the bootstrap
against respondents, items and replicates, and fifty companies in a row.

    python benchmarks/bench_pls.py                                  # everything
    python benchmarks/bench_pls.py --peer-python openpls=PATH plspm=PATH   # Pythons that have the peers
    python benchmarks/bench_pls.py --write                          # also docs/pls-speed.png and docs/pls-speed.md

The peers' environments are made with venv and pip in a temporary folder. The survey is downloaded once; see
`crm_utils.company.public`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from _runs import machine, peak_gib, run_json

# By the name they are imported under: what to install, and whether items get unit variance.
PEERS = {
    "openpls": {"package": "openpls-engine", "install": ("openpls-engine==1.13.0",), "standardize": True},
    "plspm": {"package": "plspm", "install": ("plspm==0.5.7", "pandas<3"), "standardize": False},
}
# Short runs, of which the best is not in the way of anything else on the machine.
PEER_REPLICATES = {1: 20, 2: 40}
PEER_ROUNDS = 8
REPLICATES = 5_000
TIMES_TARGET, BOOTSTRAP_TARGET, FIT_TARGET, COMPANIES_TARGET = 500, 2.0, 0.2, 120.0
AGREE = 1e-6
COMPANIES = 50
OPTIONS = ("percentile", "BCa", "consistent", "weights", "clusters", "missing values by EM")
FIT_SIZES = (1_000, 10_000, 100_000, 1_000_000)
CURVES = {
    "respondents": (100, 250, 1_000, 5_000, 20_000, 100_000),
    "items": (12, 24, 48, 96),
    "replicates": (100, 500, 1_000, 5_000, 20_000),
}
# A run is repeated this often, unless it takes long.
ROUNDS, LONG_SECONDS = 5, 6.0
DOCS = Path(__file__).parents[1] / "docs"


def best_seconds(call: Callable[[], Any]) -> float:
    """Shortest of some runs; the first also loads what is needed."""
    best, spent = np.inf, 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > LONG_SECONDS:
            break
    return best


def save_survey(folder: Path) -> None:
    """Save the published answers and the model for the programs that are compared."""
    from crm_utils.company.public import MOBI_CONSTRUCTS, fetch_mobi
    from crm_utils.satisfaction.national import national_model

    model = national_model("ecsi", MOBI_CONSTRUCTS)
    fetch_mobi()[list(model.items)].to_csv(folder / "survey.csv", index=False)
    spec = {"constructs": {name: each.items for name, each in model.constructs.items()}, "paths": model.paths}
    (folder / "model.json").write_text(json.dumps(spec), encoding="utf-8")


def run_ours(folder: Path) -> None:
    """Estimate and draw, and print the measurements as JSON."""
    from crm_utils.pls import PathModel

    answers, spec = pd.read_csv(folder / "survey.csv"), json.loads((folder / "model.json").read_text())
    model = PathModel(spec["constructs"], [tuple(path) for path in spec["paths"]])
    results = model.fit(answers, scheme="centroid")
    found = {
        "fit": best_seconds(lambda: model.fit(answers, scheme="centroid")),
        "bootstrap": best_seconds(lambda: results.bootstrap(REPLICATES, seed=1).summary_frame()),
        "usable": int(results.bootstrap(REPLICATES, seed=1).usable.sum()),
        "peak_gib": peak_gib(),
    }
    for standardize in (True, False):
        paths = model.fit(answers, scheme="centroid", standardize=standardize, tolerance=1e-12).paths
        found[f"paths_{standardize}"] = [paths[tuple(path)] for path in spec["paths"]]
    print(json.dumps(found))


def run_peer(name: str, folder: Path) -> None:
    """Estimate and draw with a peer, and print the measurements as JSON."""
    config, mode, scheme = (importlib.import_module(f"{name}.{part}") for part in ("config", "mode", "scheme"))
    estimate = importlib.import_module(f"{name}.plspm").Plspm
    answers, spec = pd.read_csv(folder / "survey.csv"), json.loads((folder / "model.json").read_text())

    def fitted(**options: Any) -> Any:
        structure = config.Structure()
        for source, target in spec["paths"]:
            structure.add_path([source], [target])
        model = config.Config(structure.path(), scaled=True)
        for construct, items in spec["constructs"].items():
            model.add_lv(construct, mode.Mode.A, *(config.MV(item) for item in items))
        return estimate(answers, model, scheme.Scheme.CENTROID, **options)

    found = {"fit": best_seconds(fitted), "replicate": {}}
    pause = time.sleep
    for processes, replicates in PEER_REPLICATES.items():
        seconds = []
        for _ in range(PEER_ROUNDS):
            start = time.perf_counter()
            with patch("time.sleep", lambda _: pause(0.01)):
                fitted(bootstrap=True, bootstrap_iterations=replicates, processes=processes).bootstrap()
            seconds.append(time.perf_counter() - start)
        found["replicate"][processes] = (min(seconds) - found["fit"]) / replicates
    found["peak_gib"] = peak_gib()
    paths = fitted(iterations=1_000, tolerance=1e-20).path_coefficients()
    found["paths"] = [float(paths.loc[target, source]) for source, target in spec["paths"]]
    found["versions"] = {each: version(each) for each in (PEERS[name]["package"], "numpy", "pandas")}
    print(json.dumps(found))


def make_peer(name: str, folder: Path) -> Path:
    """Make an environment with a peer, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", *PEERS[name]["install"]]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return python


def compare(
    pythons: dict[str, str], folder: Path, maker: Executor
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Ours and every peer on the published survey; and why a peer could not be run."""
    maker.submit(save_survey, folder).result()
    ours = run_json([sys.executable, __file__, "--ours", folder])
    peers, failures = {}, {}
    for name in PEERS:
        try:
            python = pythons.get(name) or make_peer(name, folder / name)
            peers[name] = run_json([python, __file__, "--peer", name, folder])
        except subprocess.CalledProcessError as error:
            said = (error.stderr or str(error)).strip().splitlines()
            failures[name] = said[-1]
    for name, peer in peers.items():
        twin = ours[f"paths_{PEERS[name]['standardize']}"]
        peer["apart"] = float(np.abs(np.subtract(peer["paths"], twin)).max())
    return ours, peers, failures


def save_simulated(respondents: int, items: int, path: Path, *, seed: int = 1) -> None:
    """Save a simulated survey, with the same number of items in each construct but for 24, the published number."""
    from _surveys import LOADINGS, Population

    names = list(LOADINGS)
    sizes = np.full(len(names), items // len(names)) + (np.arange(len(names)) < items % len(names))
    loadings = {name: (0.75,) * size for name, size in zip(names, sizes, strict=True)}
    population = Population(LOADINGS if items == 24 else loadings)
    population.draw(respondents, np.random.default_rng(seed)).to_pickle(path)


def run_one(path: str, replicates: int, option: str) -> None:
    """Estimate a simulated survey and draw from it, and print the measurements as JSON."""
    from crm_utils.satisfaction.national import national_model

    answers = pd.read_pickle(path)
    constructs: dict[str, list[str]] = {}
    for item in answers:
        constructs.setdefault(item.rsplit("_", 1)[0], []).append(item)
    model = national_model("ecsi", constructs)
    rng, size = np.random.default_rng(3), len(answers)
    options: dict[str, Any] = {"consistent": option == "consistent"}
    if option == "weights":
        options["weights"] = rng.uniform(0.5, 2, size)
    elif option == "clusters":
        options["clusters"] = np.arange(size) // 2
    elif option == "missing values by EM":
        answers = answers.mask(rng.random(answers.shape) < 0.02)
        options["missing"] = "em"
    results = model.fit(answers, **options)
    found = {"fit": best_seconds(lambda: model.fit(answers, **options))}
    if replicates:
        kind = "bca" if option == "BCa" else "percentile"
        found["bootstrap"] = best_seconds(lambda: results.bootstrap(replicates, seed=1, intervals=kind).summary_frame())
    print(json.dumps({"respondents": size, "peak_gib": peak_gib(), **found}))


def run_companies(folder: Path) -> None:
    """Indices with intervals of one company after another, and print the measurements as JSON."""
    from _surveys import LOADINGS, Population

    from crm_utils.satisfaction.index import index_scores

    model = Population(LOADINGS).model
    surveys = [pd.read_pickle(path) for path in sorted(folder.glob("company_*.pkl"))]
    start = time.perf_counter()
    for number, answers in enumerate(surveys):
        drawn = model.fit(answers).bootstrap(REPLICATES, seed=number)
        drawn.summary_frame()
        index_scores(drawn)
    print(json.dumps({"seconds": time.perf_counter() - start, "companies": len(surveys), "peak_gib": peak_gib()}))


def measure(
    folder: Path,
    maker: Executor,
    *,
    respondents: int = 250,
    items: int = 24,
    replicates: int = 0,
    option: str = "percentile",
):
    """One simulated survey, in a process of its own."""
    path = folder / "simulated.pkl"
    maker.submit(save_simulated, respondents, items, path).result()
    run = run_json([sys.executable, __file__, "--one", path, replicates, option])
    return {**run, "items": items, "replicates": replicates, "option": option}


def measure_companies(folder: Path, maker: Executor) -> dict[str, Any]:
    for number in range(COMPANIES):
        maker.submit(save_simulated, 250, 24, folder / f"company_{number:02}.pkl", seed=100 + number).result()
    return run_json([sys.executable, __file__, "--companies", folder])


def measure_curves(folder: Path, maker: Executor) -> dict[str, list[dict[str, Any]]]:
    """The bootstrap against respondents, items and replicates, one of them at a time."""
    usual = {"respondents": 250, "items": 24, "replicates": REPLICATES}
    return {
        name: [measure(folder, maker, **(usual | {name: number})) for number in numbers]
        for name, numbers in CURVES.items()
    }


def markdown(head: dict[str, str], rows: list[list[str]]) -> str:
    """Table; `head` has the alignment of each column."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(head.values()) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def comparison_table(ours: dict[str, Any], peers: dict[str, Any]) -> str:
    head = dict.fromkeys(("by", "processes"), "---") | dict.fromkeys(
        ("ms of a fit", "replicates drawn", "ms a replicate", "times ours", "paths differ by", "peak GiB"), "---:"
    )
    each = ours["bootstrap"] / REPLICATES
    rows = [["crm_utils", "1 (one thread)", f"{ours['fit'] * 1e3:.1f}", f"{REPLICATES:,}", f"{each * 1e3:.3f}", "", "",
             f"{ours['peak_gib']:.2f}"]]  # fmt: skip
    for name, peer in peers.items():
        package = PEERS[name]["package"]
        for processes, seconds in peer["replicate"].items():
            rows.append(
                [f"{package} {peer['versions'][package]}", str(processes),
                 f"{peer['fit'] * 1e3:.0f}", f"{PEER_REPLICATES[int(processes)]}", f"{seconds * 1e3:.0f}",
                 f"{seconds / each:,.0f}", f"{peer['apart']:.0e}", f"{peer['peak_gib']:.2f}"]
            )  # fmt: skip
    return markdown(head, rows)


def comparison_verdict(ours: dict[str, Any], peers: dict[str, Any], failures: dict[str, str]) -> str:
    """Say whether the targets are met, from the numbers."""
    speed = f"{ours['bootstrap']:.2f} s (target: under {BOOTSTRAP_TARGET:.0f} s)"
    said = [f"- {REPLICATES:,} replicates with their table take {speed}; {ours['usable']:,} of them are usable."]
    if peers:
        each = ours["bootstrap"] / REPLICATES
        for processes in PEER_REPLICATES:
            fastest = min(peers, key=lambda name: peers[name]["replicate"][str(processes)])
            times = peers[fastest]["replicate"][str(processes)] / each
            said.append(
                f"- The fastest peer in {processes} process{'es' if processes > 1 else ''}, "
                f"{PEERS[fastest]['package']}, takes {times:,.0f} times as long a replicate (target: {TIMES_TARGET})."
            )
        apart = max(peer["apart"] for peer in peers.values())
        agree = "agree" if apart < AGREE else "do NOT agree"
        said.append(f"- The paths {agree}: the largest difference is {apart:.0e} (limit {AGREE:.0e}).")
    said += [f"- {PEERS[name]['package']} could not be run: {reason}" for name, reason in failures.items()]
    return "\n".join(said)


def runs_table(runs: list[dict[str, Any]], column: str) -> str:
    """What was varied, and the seconds and memory of each run."""
    shown = [key for key in ("fit", "bootstrap") if key in runs[0]]
    head = {column: "---" if column == "option" else "---:"}
    head |= {"ms of a fit" if key == "fit" else "seconds of the bootstrap": "---:" for key in shown}
    head |= {"peak GiB": "---:"}
    rows = []
    for run in runs:
        name = run[column] if column == "option" else f"{run[column]:,}"
        times = [f"{run[key] * 1e3:,.1f}" if key == "fit" else f"{run[key]:.2f}" for key in shown]
        rows.append([name, *times, f"{run['peak_gib']:.2f}"])
    return markdown(head, rows)


def fit_verdict(runs: list[dict[str, Any]]) -> str:
    seconds = next(run["fit"] for run in runs if run["respondents"] == 100_000)
    return f"100,000 respondents take {seconds:.3f} s (target: under {FIT_TARGET} s)."


def companies_verdict(run: dict[str, Any]) -> str:
    return (
        f"{run['companies']} companies of 250 respondents, one after another on one core, each with its fit, "
        f"{REPLICATES:,} replicates, the table of estimates and the indices: {run['seconds']:.1f} s (target: under "
        f"{COMPANIES_TARGET:.0f} s), at most {run['peak_gib']:.2f} GiB."
    )


def plot(curves: dict[str, list[dict[str, Any]]], peers: dict[str, Any], path: Path) -> None:
    """Draw seconds against respondents, items and replicates, with the peers' replicates."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    from crm_utils.plotting import MUTED, PALETTE, use_style

    use_style()
    titles = {
        "respondents": f"24 items, {REPLICATES:,} replicates",
        "items": f"250 respondents, {REPLICATES:,} replicates",
        "replicates": "250 respondents, 24 items",
    }
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for ax, (name, runs) in zip(panels, curves.items(), strict=True):
        x = [run[name] for run in runs]
        ax.plot(x, [run["bootstrap"] for run in runs], marker="o", color=PALETTE[0], label="bootstrap")
        ax.plot(x, [run["fit"] for run in runs], marker="s", color=PALETTE[2], label="one fit")
        ax.set(xscale="log", yscale="log", xlabel=name)
        ax.set_title(titles[name], fontsize=10)
        if name == "items":
            ax.set_xticks(x)
        ax.xaxis.set_minor_formatter(NullFormatter())
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    for number, (name, peer) in enumerate(peers.items()):
        drawn, rate = PEER_REPLICATES[1], peer["replicate"]["1"]
        x = np.array([drawn, REPLICATES])
        colour = PALETTE[(1, 3)[number]]
        panels[2].plot(drawn, drawn * rate, "x+"[number], color=colour, markersize=8, markeredgewidth=2)
        panels[2].plot(x, x * rate, linestyle=(0, (1, 2)), color=colour, label=f"{PEERS[name]['package']}, at its rate")
    panels[0].axhline(BOOTSTRAP_TARGET, color=MUTED, linewidth=1, linestyle="--")
    panels[0].annotate(f"{BOOTSTRAP_TARGET:.0f} s", (100, BOOTSTRAP_TARGET), (0, 3), textcoords="offset points",
                       fontsize=8)  # fmt: skip
    panels[0].set(ylabel="seconds")
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=110)


def write_docs(
    ours: dict[str, Any],
    peers: dict[str, Any],
    failures: dict[str, str],
    options: list[dict[str, Any]],
    fits: list[dict[str, Any]],
    companies: dict[str, Any],
    curves: dict[str, list[dict[str, Any]]],
) -> None:
    plot(curves, peers, DOCS / "pls-speed.png")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas"))
    theirs = "; ".join(
        "with " + ", ".join(f"{name} {number}" for name, number in peer["versions"].items()) for peer in peers.values()
    )
    tables = "\n\n".join(
        f"By number of {name}:\n\n{runs_table(runs, name)}" for name, runs in curves.items()
    )  # fmt: skip
    text = f"""# Path models: time and memory

![Seconds of a fit and of the bootstrap against respondents, items and replicates, all axes logarithmic](pls-speed.png)

## Beside other packages, on 250 customers

The ECSI model with seven constructs and 24 items, centroid scheme, on the published survey of mobile-phone customers.

{comparison_table(ours, peers)}

{comparison_verdict(ours, peers, failures)}

A replicate of a peer is one of its own bootstrap, with its default tolerance; of ours, one of {REPLICATES:,}, with the
table of intervals. The paths are compared with the tolerance tightened on both sides. plspm divides all items by one
common standard deviation, so that its estimates are those of `standardize=False`.

## Fits by number of respondents

{runs_table(fits, "respondents")}

{fit_verdict(fits)} The data are in memory as a data frame; their check and the moments are in the time.

## Options of the bootstrap

{runs_table(options, "option")}

{REPLICATES:,} replicates of 250 simulated respondents, path scheme. Clusters are pairs; 2 % of the answers are missing.

## Many companies

{companies_verdict(companies)}

## Curves

{tables}

Where it is not varied there are 250 respondents, 24 items and {REPLICATES:,} replicates.

Seconds are of the best of up to {ROUNDS} runs of ours (fewer where they are long) and of {PEER_ROUNDS} of a peer;
peak memory is of the whole process. Made by `python benchmarks/bench_pls.py --write` on {machine()}, Python
{platform.python_version()}; ours with {packages}; the peers {theirs or "not run"}. Respondents are simulated from the
population in `benchmarks/_surveys.py`: other answers take other numbers of iterations.
"""
    (DOCS / "pls-speed.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", nargs="+", default=[], metavar="NAME=PATH", help="Pythons that have the peers")
    parser.add_argument("--write", action="store_true", help="write the tables and the plot to docs")
    parser.add_argument("--ours", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=3, metavar=("PATH", "REPLICATES", "OPTION"), help=argparse.SUPPRESS)
    parser.add_argument("--companies", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        run_ours(arguments.ours)
    elif arguments.peer:
        run_peer(arguments.peer[0], Path(arguments.peer[1]))
    elif arguments.one:
        run_one(arguments.one[0], int(arguments.one[1]), arguments.one[2])
    elif arguments.companies:
        run_companies(arguments.companies)
    else:
        # Processes with threads of their own would be in each other's way.
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        run_all(dict(each.split("=", 1) for each in arguments.peer_python), write=arguments.write)


def run_all(pythons: dict[str, str], *, write: bool) -> None:
    """Measure, print, and write."""
    # Surveys are made in a process apart: a process that is started here takes over the peak memory of this one.
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
        folder = Path(name)
        ours, peers, failures = compare(pythons, folder, maker)
        print(comparison_table(ours, peers), comparison_verdict(ours, peers, failures), sep="\n\n", flush=True)
        fits = [measure(folder, maker, respondents=size) for size in FIT_SIZES]
        print(f"\n{runs_table(fits, 'respondents')}\n\n{fit_verdict(fits)}", flush=True)
        options = [measure(folder, maker, replicates=REPLICATES, option=option) for option in OPTIONS]
        print(f"\n{runs_table(options, 'option')}", flush=True)
        companies = measure_companies(folder, maker)
        print(f"\n{companies_verdict(companies)}", flush=True)
        curves = measure_curves(folder, maker)
        for varied, runs in curves.items():
            print(f"\n{runs_table(runs, varied)}", flush=True)
    print(f"\n{machine()}.")
    if write:
        write_docs(ours, peers, failures, options, fits, companies, curves)


if __name__ == "__main__":
    main()
