"""Early warning of churn: seconds and memory to score and explain a million members, beside shap 0.51.0.

A simulated company of members with 28 features (12 amounts, 6 counts, 4 ratings with missing values, 6 categories, some
missing). Both models of `early_warning` are trained on 50,000 others and calibrated on 20,000. Each run is a process of
its own, so that its peak memory is its own, and begins with the table in memory and a first call for a thousand
members, so that no import is in it: then `predict`, `contributions` and `reasons`, one after another.

The peer explains the same classifiers against the same row: `TreeExplainer` (interventional) and `LinearExplainer`,
from a sample of rows that is already preprocessed, which ours have to do themselves. Its time is scaled to all members.
It does not know the categories of scikit-learn's trees and compares in single precision, so that a value on a split may
go the other way: its numbers are compared with ours on trees of amounts and counts alone, for rows moved off the
splits, and on the full model its gap to the log-odds is shown. Runs of all contenders take turns, and the best of each
counts; seconds of processor time are beside, because a busy machine stretches the others.

    python benchmarks/bench_churn.py                       # a million members
    python benchmarks/bench_churn.py --members 100000      # a small comparison
    python benchmarks/bench_churn.py --peer-python PATH    # a Python that has shap; default: one is made
    python benchmarks/bench_churn.py --write               # also docs/churn-speed.md

The peer's environment is made with venv and pip in a temporary folder; without it the table has ours alone.
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _runs import machine, peak_gib, run_json

PEER = "shap==0.51.0"
MODELS = ("logistic", "boosting")
TRAINING, CALIBRATION, WARM_UP = 50_000, 20_000, 1_000
# Rows that the peer explains; the rest is scaled.
PEER_ROWS = {"logistic": 200_000, "boosting": 200_000}
CATEGORIES = (2, 3, 5, 8, 12, 40)
# Amounts have two decimals; splits lie on them or half-way between two.
OFF_SPLITS = 0.001
TARGET = 60.0
DOCS = Path(__file__).parents[1] / "docs"


def simulated_members(members: int, seed: int) -> pd.DataFrame:
    """Features and outcome of members; a hidden risk moves some features and the outcome."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=members)
    table: dict[str, Any] = {"customer_id": [f"m{number:07d}" for number in range(members)]}
    for number in range(12):
        table[f"amount_{number}"] = np.exp(rng.normal(size=members) - 0.3 * risk * (number < 4)).round(2)
    for number in range(6):
        table[f"count_{number}"] = rng.poisson(np.exp(0.5 - 0.3 * risk * (number < 3)))
    for number in range(4):
        rating = rng.normal(size=members) + 0.3 * risk
        table[f"rating_{number}"] = np.where(rng.random(members) < 0.3, np.nan, rating)
    for number, size in enumerate(CATEGORIES):
        code = (rng.random(members) ** (1 + 0.3 * (risk > 0)) * size).astype(int)
        table[f"category_{number}"] = np.array([f"kind {each:02d}" for each in range(size)], dtype=object)[code]
    frame = pd.DataFrame(table)
    frame.loc[rng.random(members) < 0.05, "category_2"] = np.nan
    frame["outcome"] = (rng.random(members) < 1 / (1 + np.exp(2 - risk))).astype(int)
    return frame


def prepare(members: int, folder: Path) -> None:
    """Train the models, and save them, the members and what the peer explains."""
    from crm_utils.churn._tree_shapley import tree_contributions, tree_tables
    from crm_utils.churn.explanations import contributions
    from crm_utils.churn.warning import early_warning, feature_of_columns

    table = simulated_members(members, 1).drop(columns="outcome")
    table.to_pickle(folder / "members.pkl")
    training, calibration = simulated_members(TRAINING, 2), simulated_members(CALIBRATION, 3)
    for kind in MODELS:
        model = early_warning(training, model=kind, calibrate=calibration)
        (folder / f"{kind}.pkl").write_bytes(pickle.dumps(model))
        some = table[: PEER_ROWS[kind]]
        design = np.asarray(model.pipeline[:-1].transform(model.read(some)[1]), dtype=float)
        owner, names = pd.factorize(np.array(feature_of_columns(model), dtype=object))
        parts = contributions(model, some)[list(names)].to_numpy() / model.calibration_line[0]
        save_for_peer(kind, model.pipeline[-1], design, model.background, owner, parts, folder)
    # Trees that the peer can read, and rows away from the splits, which it rounds to single precision.
    plain = [name for name in table if name.startswith(("amount", "count"))]
    model = early_warning(training, model="boosting", features=plain)
    trees, reference = model.pipeline[-1], model.background + OFF_SPLITS
    design = table[list(model.features)].to_numpy()[: PEER_ROWS["boosting"]] + OFF_SPLITS
    parts = tree_contributions(trees, tree_tables(trees, reference), design).T
    save_for_peer("plain", trees, design, reference, np.arange(len(plain)), parts, folder)


def save_for_peer(
    name: str,
    classifier: Any,
    design: np.ndarray,
    background: np.ndarray,
    owner: np.ndarray,
    ours: np.ndarray,
    folder: Path,
) -> None:
    """Save a classifier, rows as it takes them, the number of each column's feature, and our contributions."""
    (folder / f"{name}-classifier.pkl").write_bytes(pickle.dumps(classifier))
    np.savez(folder / f"{name}.npz", design=design, background=background, owner=owner, ours=ours)


def measured(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, own = time.perf_counter(), time.process_time()
    result = call()
    return result, {"seconds": time.perf_counter() - wall, "processor": time.process_time() - own}


def run_ours(kind: str, explain: bool, folder: Path) -> None:
    """Score, and explain, and print the measurements as JSON."""
    from crm_utils.churn.explanations import contributions, reasons

    table = pd.read_pickle(folder / "members.pkl")
    model = pickle.loads((folder / f"{kind}.pkl").read_bytes())
    some = table[:WARM_UP]
    model.predict(some)
    if explain:
        reasons(model, some)
    _, found = measured(lambda: model.predict(table))
    steps = {"predict": found}
    if explain:
        parts, steps["contributions"] = measured(lambda: contributions(model, table))
        _, steps["reasons"] = measured(lambda: reasons(model, table, parts=parts))
    peak = peak_gib()
    gap = np.nan
    if explain:
        gap = float(np.abs(parts.sum(axis=1) + parts.attrs["base"] - model.log_odds(table)).max())
    print(json.dumps({"steps": steps, "peak_gib": peak, "gap": gap}))


def run_peer(kind: str, folder: Path) -> None:
    """Explain a sample with the peer, and print the measurements as JSON."""
    import shap

    saved = np.load(folder / f"{kind}.npz")
    design, background, ours, owner = (saved[name] for name in ("design", "background", "ours", "owner"))
    classifier = pickle.loads((folder / f"{kind}-classifier.pkl").read_bytes())

    def explained(rows: np.ndarray) -> np.ndarray:
        if kind == "logistic":
            masker = shap.maskers.Independent(background[None, :])
            return shap.LinearExplainer((classifier.coef_[0], classifier.intercept_[0]), masker).shap_values(rows)
        explainer = shap.TreeExplainer(
            classifier, data=background[None, :], feature_perturbation="interventional", model_output="raw"
        )
        return explainer.shap_values(rows, check_additivity=False)

    explained(design[:100])
    parts, found = measured(lambda: explained(design))
    peak = peak_gib()
    whole = classifier.decision_function(design) - classifier.decision_function(background[None, :])
    by_feature = np.column_stack([parts[:, owner == feature].sum(axis=1) for feature in range(owner.max() + 1)])
    result = {
        **found,
        "rows": len(design),
        "peak_gib": peak,
        "gap": float(np.abs(parts.sum(axis=1) - whole).max()),
        "apart": float(np.abs(by_feature - ours).max()),
        "versions": {name: version(name) for name in ("shap", "scikit-learn", "numpy")},
    }
    print(json.dumps(result))


def make_peer(folder: Path) -> Path:
    """Make an environment with the peer and our scikit-learn, whose models it reads, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    same = [f"{name}=={version(name)}" for name in ("scikit-learn", "numpy", "pandas")]
    command = [python, "-m", "pip", "install", "--quiet", PEER, *same]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return python


def compare(members: int, peer_python: str | None, rounds: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Best run of ours, by model and whether explained, and of the peer, by model."""
    run_json([sys.executable, __file__, "--prepare", members, folder])
    python: Path | str | None = peer_python
    try:
        python = python or make_peer(folder / "peer")
    except subprocess.CalledProcessError as error:
        print(f"The peer cannot be installed: {(error.stderr or str(error)).strip().splitlines()[-1]}", file=sys.stderr)
    ours: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    for _ in range(rounds):
        for kind in MODELS:
            for task in ("predict", "explain"):
                run = run_json([sys.executable, __file__, "--ours", kind, task, folder])
                run["seconds"] = sum(step["seconds"] for step in run["steps"].values())
                name = f"{kind} {task}"
                ours[name] = min(ours.get(name, run), run, key=lambda each: each["seconds"])
            if python:
                run = run_json([python, __file__, "--peer", kind, folder])
                peers[kind] = min(peers.get(kind, run), run, key=lambda each: each["seconds"])
    if python:
        peers["plain"] = run_json([python, __file__, "--peer", "plain", folder])
    return ours, peers


def our_table(ours: dict[str, Any]) -> str:
    lines = [
        "| model | step | seconds | seconds of processor time | peak GiB |",
        "|---|---|---:|---:|---:|",
    ]
    for kind in MODELS:
        alone, run = ours[f"{kind} predict"], ours[f"{kind} explain"]
        step = alone["steps"]["predict"]
        cells = [kind, "predict alone", f"{step['seconds']:.1f}", f"{step['processor']:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{alone['peak_gib']:.2f}"]) + " |")
        for name, step in run["steps"].items():
            lines.append(f"| {kind} | {name} | {step['seconds']:.1f} | {step['processor']:.1f} | |")
        processor = sum(step["processor"] for step in run["steps"].values())
        lines.append(f"| {kind} | **all three** | **{run['seconds']:.1f}** | {processor:.1f} | {run['peak_gib']:.2f} |")
    return "\n".join(lines)


def peer_table(ours: dict[str, Any], peers: dict[str, Any], members: int) -> str:
    lines = [
        "| model | by | rows measured | seconds for all | times ours | processor seconds for all | gap to log-odds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for kind in MODELS:
        run = ours[f"{kind} explain"]
        own = run["steps"]["contributions"]
        lines.append(
            f"| {kind} | crm_utils | {members:,} | {own['seconds']:.1f} | | {own['processor']:.1f} | {run['gap']:.0e} |"
        )
        if kind in peers:
            peer = peers[kind]
            scale = members / peer["rows"]
            cells = [kind, "shap", f"{peer['rows']:,}", f"{peer['seconds'] * scale:,.1f}"]
            cells += [f"{peer['seconds'] * scale / own['seconds']:.1f}", f"{peer['processor'] * scale:,.1f}"]
            lines.append("| " + " | ".join([*cells, f"{peer['gap']:.0e}"]) + " |")
    return "\n".join(lines)


def verdict(ours: dict[str, Any], peers: dict[str, Any]) -> str:
    """Say whether the target is met and the numbers agree, from the numbers."""
    said = []
    for kind in MODELS:
        seconds = ours[f"{kind} explain"]["seconds"]
        met = "met" if seconds < TARGET else "missed"
        said.append(f"- {kind}: scored and explained in {seconds:.1f} seconds (target under {TARGET:.0f}: {met}).")
    if peers:
        logistic, plain, full = (peers[name] for name in ("logistic", "plain", "boosting"))
        said.append(f"- Largest difference from shap, logistic model: {logistic['apart']:.0e}.")
        said.append(
            f"- Trees of amounts and counts alone, rows off the splits: {plain['apart']:.0e} (shap is in "
            f"single precision; its gap to the log-odds is {plain['gap']:.0e})."
        )
        said.append(
            f"- The trees above, with categories, which shap does not read: {full['apart']:.1g}, and shap's own gap "
            f"to the log-odds is {full['gap']:.1g}. Ours is in the table."
        )
    return "\n".join(said)


def write_docs(ours: dict[str, Any], peers: dict[str, Any], members: int, rounds: int) -> None:
    own = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "scikit-learn"))
    by_peer = ", ".join(f"{name} {number}" for name, number in peers["plain"]["versions"].items()) if peers else "none"
    text = f"""# Early warning of churn: time and memory

{members:,} members with 28 features: 12 amounts, 6 counts, 4 ratings with missing values, 6 categories. Models are
trained on {TRAINING:,} others.

{our_table(ours)}

"All three" gives for every member the probability, the exact Shapley value of each feature, and the main reasons in
words. The three ran in one process, whose peak memory is beside, the table itself included.

## Contributions beside shap

{peer_table(ours, peers, members)}

{verdict(ours, peers)}

Both explain the same classifier against the same single row. Ours includes reading and preprocessing the table; the
peer begins with preprocessed rows, and its time is scaled from the rows measured. "Gap" is the most by which the
contributions of a member miss the log-odds that they have to add up to.

Seconds are of the best of {rounds} runs in turn. Made by `python benchmarks/bench_churn.py --write` on {machine()},
Python {platform.python_version()}; ours with {own}; the peer: {by_peer}. Members are simulated: other tables take other
times.
"""
    (DOCS / "churn-speed.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the comparison, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=1_000_000, help="members to score and explain")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the best counts")
    parser.add_argument("--peer-python", metavar="PATH", help="a Python that has shap; default: one is made")
    parser.add_argument("--write", action="store_true", help="write the tables to docs")
    parser.add_argument("--prepare", nargs=2, metavar=("MEMBERS", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--ours", nargs=3, metavar=("MODEL", "TASK", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=2, metavar=("MODEL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(int(arguments.prepare[0]), Path(arguments.prepare[1]))
        print("{}")
        return
    if arguments.ours:
        kind, task, folder = arguments.ours
        run_ours(kind, task == "explain", Path(folder))
        return
    if arguments.peer:
        run_peer(arguments.peer[0], Path(arguments.peer[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        ours, peers = compare(arguments.members, arguments.peer_python, arguments.rounds, Path(folder))
    print(our_table(ours), peer_table(ours, peers, arguments.members), verdict(ours, peers), sep="\n\n")
    print(f"\n{machine()}.")
    if arguments.write:
        write_docs(ours, peers, arguments.members, arguments.rounds)


if __name__ == "__main__":
    main()
