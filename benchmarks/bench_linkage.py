"""Record linkage end to end: seconds, memory and quality against the number of records, and a plain splink script.

Simulated records go through ``link_records`` as a user calls it, each size in a process of its own, so that its peak
memory is its own. The peer is what the documentation of splink puts together for such tables, on the same records after
the same normalisation: library comparisons for names, date of birth, e-mail and telephone, blocking on telephone,
e-mail, name with date and date with family name, u by sampling, m by EM within two blocks, connected components. Both
link at a match probability of 0.9 and are held against the planted truth.

    python benchmarks/bench_linkage.py                      # 10,000, 100,000 and 1,000,000 records
    python benchmarks/bench_linkage.py --records 10000      # one size
    python benchmarks/bench_linkage.py --write              # also docs/linkage-scale.png and docs/linkage-scale.md
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from _runs import machine, peak_gib, run_json

SIZES = (10_000, 100_000, 1_000_000)
RECORDS_PER_PERSON = 1.6
PEER_UP_TO = 100_000
THRESHOLD = 0.9
DOCS = Path(__file__).parents[1] / "docs"
PHASES = ("normalise", "learn", "propose and score", "cluster")
TARGETS = "Targets: 10,000 records in a few seconds; a million within 3 minutes and 8 GB."


@contextmanager
def phases_timed(seconds: dict[str, float]):
    """Add up the time spent in the steps of link_records."""
    from crm_utils.identify import engine, linkage

    steps = [
        (linkage, "normalise_records", "normalise"),
        (engine.Engine, "estimate_u", "learn"),
        (engine.Engine, "estimate_m", "learn"),
        (engine.Engine, "propose", "propose and score"),
        (engine.Engine, "score", "propose and score"),
        (linkage, "_cluster", "cluster"),
    ]

    def timed(function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - start

        return call

    with ExitStack() as stack:
        for owner, name, phase in steps:
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), phase)))
        yield


def with_package(records, seconds: dict[str, float]):
    """link_records, everything at its default."""
    from crm_utils.identify import link_records

    with phases_timed(seconds):
        return link_records(records, threshold=THRESHOLD).clusters


def with_splink(records, seconds: dict[str, float]):
    """The documentation's recipe."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from crm_utils.identify import normalise_records

    start = time.perf_counter()
    prepared = normalise_records(records).drop(columns="name_turned").assign(record_id=records["record_id"].to_numpy())
    seconds["normalise"] = time.perf_counter() - start
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_id",
        comparisons=[
            cl.NameComparison("given_sound").configure(term_frequency_adjustments=True),
            cl.NameComparison("family_sound").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
            cl.ExactMatch("gender"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("phone"),
            block_on("email"),
            block_on("given_sound", "family_sound", "birth_date"),
            block_on("family_sound", "birth_date"),
            block_on("given_sound", "family_sound", "city"),
        ],
    )
    api = DuckDBAPI()
    linker = Linker(api.register(prepared.astype(object).where(prepared.notna(), None)), settings, log_level="ERROR")
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("phone"), block_on("given_sound", "family_sound", "birth_date")], recall=0.8
    )
    training.estimate_u_using_random_sampling(max_pairs=3e6, seed=7)
    training.estimate_parameters_using_expectation_maximisation(block_on("given_sound", "family_sound"))
    training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))
    predictions = linker.inference.predict(threshold_match_probability=0.05)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predictions, threshold_match_probability=THRESHOLD
    )
    return clusters.as_pandas_dataframe()[["record_id", "cluster_id"]]


CONTENDERS = {"link_records": with_package, "plain splink": with_splink}


def run_one(name: str, size: int) -> None:
    """Simulate, link, evaluate, and print the measurements as JSON."""
    from crm_utils.company.simulate import simulate_source_records
    from crm_utils.identify import evaluate_links

    records = simulate_source_records(customers=round(size / RECORDS_PER_PERSON))
    truth = records[["record_id", "true_customer_id"]]
    phases: dict[str, float] = {}
    start = time.perf_counter()
    clusters = CONTENDERS[name](records.drop(columns="true_customer_id"), phases)
    seconds = time.perf_counter() - start
    peak = peak_gib()
    found = evaluate_links(clusters, truth, n_boot=200)
    measures = {key: getattr(found, key) for key in ("precision", "recall", "f1")}
    print(json.dumps({"records": len(records), "seconds": seconds, "peak_gib": peak, "phases": phases, **measures}))


def table(results: list[dict[str, Any]]) -> str:
    """Write the measurements as a table in Markdown."""
    head = ["records", "by", "seconds", *PHASES, "peak GiB", "precision", "recall", "F1 (95 % interval)"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---:|---|" + "---:|" * (len(head) - 2)]
    for result in results:
        phases = [f"{result['phases'][phase]:.1f}" if phase in result["phases"] else "" for phase in PHASES]
        f1 = "{:.4f} ({:.4f}–{:.4f})".format(*result["f1"])
        quality = [f"{result['precision'][0]:.4f}", f"{result['recall'][0]:.4f}", f1]
        cells = [f"{result['records']:,}", result["name"], f"{result['seconds']:.1f}", *phases]
        lines.append("| " + " | ".join([*cells, f"{result['peak_gib']:.2f}", *quality]) + " |")
    return "\n".join(lines)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds against the number of records."""
    from matplotlib.figure import Figure

    from crm_utils.plotting import PALETTE

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    ax = figure.add_subplot()
    for number, name in enumerate(CONTENDERS):
        runs = [result for result in results if result["name"] == name]
        x, y = [run["records"] for run in runs], [run["seconds"] for run in runs]
        ax.plot(x, y, marker="os"[number], color=PALETTE[number], label=name)
    for run in results:
        rivals = [other["seconds"] for other in results if abs(other["records"] - run["records"]) < 1]
        slower = run["seconds"] == max(rivals)
        text = f"{run['seconds']:.0f} s, F1 {run['f1'][0]:.3f}"
        place = {"xytext": (-6, 5), "ha": "right"} if slower else {"xytext": (6, -13), "ha": "left"}
        ax.annotate(text, (run["records"], run["seconds"]), textcoords="offset points", fontsize=8, **place)
    ax.axhline(180, color="black", linewidth=0.8, linestyle="--")
    ax.annotate("3 minutes", (min(r["records"] for r in results), 180), (0, 3), textcoords="offset points", fontsize=8)
    ax.set(xscale="log", yscale="log", xlabel="records", ylabel="seconds, end to end")
    ax.set(xlim=(3_000, 2_000_000), ylim=(1, 400))
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=110)


def write_docs(results: list[dict[str, Any]]) -> None:
    plot(results, DOCS / "linkage-scale.png")
    versions = ", ".join(f"{name} {version(name)}" for name in ("splink", "duckdb", "pandas"))
    text = f"""# Linkage: time, memory and quality by number of records

![Seconds against number of records, both axes logarithmic](linkage-scale.png)

{table(results)}

{TARGETS} Pairwise precision, recall and F1 against the planted truth, at the default threshold of {THRESHOLD} and with
nothing tuned. Seconds are of one run from the records in memory to the clusters; the simulation is not in them. Made by
`python benchmarks/bench_linkage.py --write` (what the plain splink script does is said there) on {machine()},
Python {platform.python_version()}, {versions}. The records are simulated, with the errors described in
`crm_utils/company/simulate/records.py`: other records give other quality.
"""
    (DOCS / "linkage-scale.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run every size and contender, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="write the table and the plot to docs")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "RECORDS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one[0], int(arguments.one[1]))
        return
    results = []
    for size in arguments.records:
        for name in CONTENDERS:
            if name == "plain splink" and size > PEER_UP_TO:
                continue
            command = [sys.executable, __file__, "--one", name, str(size)]
            results.append({"name": name, **run_json(command)})
    print(table(results))
    print(f"\n{TARGETS} {machine()}.")
    if arguments.write:
        write_docs(results)


if __name__ == "__main__":
    main()
