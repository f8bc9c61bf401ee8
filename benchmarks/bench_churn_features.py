"""Features of the early warning from files against the same from tables in memory: seconds and peak memory.

``snapshot_features_of_files`` goes over the Parquet files of a company by DuckDB; the other way is
``snapshot_features(load_company(folder))``, which also holds every row to the contract. Each runs in a process of its
own, so that its peak memory is its own, on the same files, and both must give the same numbers. A company of 100,000
customers is simulated; larger ones are copies of it side by side, each with ids of its own.

    python benchmarks/bench_churn_features.py                                # 100,000, 1 and 5.6 million customers
    python benchmarks/bench_churn_features.py --copies 1 --customers 20000   # one small size
    python benchmarks/bench_churn_features.py --write                        # also docs/churn-features-speed.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _runs import machine, peak_gib, run_json

CUSTOMERS, COPIES = 100_000, (1, 10, 56)
IN_MEMORY_UP_TO = 100_000
OPTIONS = {"snapshot": "2025-07-01", "gap_months": 1, "outcome_months": 2}
LARGE = ("customers", "memberships", "member_months", "order_lines", "interactions", "survey")
IDS = ("customer_id", "interaction_id", "response_id")
FILES, TABLES = "snapshot_features_of_files", "snapshot_features(load_company)"
DOCS = Path(__file__).parents[1] / "docs"


def copied(company: Path, copies: int, folder: Path) -> Path:
    """Write a company as so many copies of another, each under ids of its own; only tables that give features."""
    import duckdb
    import yaml

    folder.mkdir()
    shutil.copy(company / "products.parquet", folder)
    for table in LARGE:
        (folder / table).mkdir()
        files = f"'{company}/{table}/*.parquet'"
        there = duckdb.execute(f"SELECT * FROM {files} LIMIT 0").description
        ids = [name for name, *_ in there if name in IDS]
        for copy in range(copies):
            own = ", ".join(f"{name} || '-{copy}' AS {name}" for name in ids)
            path = folder / table / f"part-{copy:05d}.parquet"
            duckdb.execute(
                f"COPY (SELECT * REPLACE ({own}) FROM {files}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
    content = yaml.safe_load((company / "company.yml").read_text(encoding="utf-8"))
    content["tables"] = {name: given for name, given in content["tables"].items() if name in (*LARGE, "products")}
    (folder / "company.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder


def run_one(name: str, folder: str) -> None:
    """Gather the features once, and print seconds, memory and check sums as JSON."""
    from crm_utils.churn import snapshot_features, snapshot_features_of_files
    from crm_utils.company import load_company

    start, before = time.perf_counter(), time.process_time()
    if name == FILES:
        found = snapshot_features_of_files(folder, **OPTIONS)
    else:
        found = snapshot_features(load_company(folder), **OPTIONS)
    seconds, busy, peak = time.perf_counter() - start, time.process_time() - before, peak_gib()
    numbers = found.features.select_dtypes("number")
    sums = {"outcome": found.outcome.sum(), "value_at_risk": found.value_at_risk.sum(), **numbers.sum()}
    print(
        json.dumps(
            {
                "seconds": seconds,
                "busy": busy,
                "peak_gib": peak,
                "members": found.population,
                "sums": {key: float(value) for key, value in sums.items()},
            }
        )
    )


def rows_of(folder: Path, table: str) -> int:
    import duckdb

    return duckdb.execute(f"SELECT count(*) FROM '{folder}/{table}/*.parquet'").fetchall()[0][0]


def same(results: list[dict[str, Any]]) -> bool:
    """Whether all results of one company agree but for the last digits."""
    first = results[0]["sums"]
    return all(
        result["members"] == results[0]["members"]
        and result["sums"].keys() == first.keys()
        and all(abs(value - first[key]) <= 1e-9 * max(1, abs(first[key])) for key, value in result["sums"].items())
        for result in results
    )


def table(results: list[dict[str, Any]]) -> str:
    """Write the measurements as a table in Markdown."""
    head = ["customers", "memberships", "members on the day", "rows of months", "order lines", "by"]
    head += ["seconds", "processor seconds", "peak GiB"]
    lines = ["| " + " | ".join(head) + " |", "|---:|---:|---:|---:|---:|---|---:|---:|---:|"]
    for result in results:
        rows = result["rows"]
        cells = [f"{rows['customers']:,}", f"{rows['memberships']:,}", f"{result['members']:,}"]
        cells += [f"{rows['member_months']:,}", f"{rows['order_lines']:,}", f"`{result['name']}`"]
        cells += [f"{result['seconds']:.1f}", f"{result['busy']:.1f}", f"{result['peak_gib']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_docs(results: list[dict[str, Any]], verdict: str) -> None:
    others = max(result["others"] for result in results)
    load = f"Up to {others:.0f} other processes wanted a processor when a run began." if others >= 1 else ""
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pandas", "pyarrow"))
    text = f"""# Features of the early warning: time and memory by number of members

{table(results)}

{verdict}

Seconds are of one run, from the files to the features, the outcome and the value at
risk; processor seconds are those of all threads together, which other work on the machine does not lengthen much; peak
memory is of the whole process. The way through memory also holds every row of these tables to the contract, the way
through files what `snapshot_features_of_files` lists. Made by `python benchmarks/bench_churn_features.py --write` on
{machine()}, Python {platform.python_version()}, {versions}. {load}
The first company is simulated; the larger ones are copies of it side by side, each with ids of its own: other companies
take other times.
"""
    (DOCS / "churn-features-speed.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Make the companies, run both ways, print the table and whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="customers that are simulated")
    parser.add_argument("--copies", type=int, nargs="+", default=COPIES, help="copies of them, one company each")
    parser.add_argument("--company", type=Path, help="a folder that `crm simulate` has written, in place of a new one")
    parser.add_argument("--write", action="store_true", help="write the table to docs")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    results, agree = [], []
    with tempfile.TemporaryDirectory() as place:
        base = arguments.company
        if base is None:
            from crm_utils.company.simulate.write import stream_company

            base = stream_company(arguments.customers, Path(place) / "simulated")
        for copies in arguments.copies:
            folder = copied(base, copies, Path(place) / f"copies-{copies}")
            rows = {name: rows_of(folder, name) for name in LARGE}
            ways = (FILES, TABLES) if rows["customers"] <= IN_MEMORY_UP_TO else (FILES,)
            of_company = [
                {
                    "name": name,
                    "rows": rows,
                    "others": os.getloadavg()[0],
                    **run_json([sys.executable, __file__, "--one", name, folder]),
                }
                for name in ways
            ]
            agree.append(same(of_company))
            results += of_company
            shutil.rmtree(folder)
    verdict = f"Same numbers by both ways wherever both ran: {'yes' if all(agree) else 'NO'}."
    for result in results:
        if result["name"] == FILES and result["members"] >= 1_000_000:
            met = "met" if result["seconds"] < 60 else "missed in this run"
            verdict += (
                f" A million members from files in under a minute: {met} ({result['seconds']:.0f} seconds, "
                f"{result['busy']:.0f} of processors)."
            )
    print(table(results))
    print(f"\n{verdict} {machine()}.")
    if arguments.write:
        write_docs(results, verdict)


if __name__ == "__main__":
    main()
