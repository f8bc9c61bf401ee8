"""purchase_summary against hand-written SQL and a plain pandas groupby, on ten million order lines.

Each contender runs in a process of its own, so that its peak memory is its own. The contenders take turns, round by
round, so that a machine that is busy for a while slows all of them; the best round of each counts.

    python benchmarks/bench_purchase_summary.py                    # 10 million lines, 1 million customers, Parquet
    python benchmarks/bench_purchase_summary.py --lines 1000000 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AS_OF = "2026-01-01"

SQL = f"""
WITH orders AS (
    SELECT customer_id, CAST(ordered_at AS DATE) AS day, order_id,
           bool_or(NOT (amount < 0 OR quantity < 0)) AS bought,
           sum(CASE WHEN NOT (amount < 0 OR quantity < 0) THEN amount ELSE 0 END) AS spend,
           sum(quantity) AS units, sum(amount) AS revenue, sum(amount - quantity * unit_cost) AS margin
    FROM '{{path}}'
    WHERE ordered_at < TIMESTAMP '{AS_OF}' AND customer_id IS NOT NULL AND quantity <> 0
    GROUP BY ALL
), days AS (
    SELECT customer_id, day, count(*) FILTER (WHERE bought) AS orders, bool_or(bought) AS bought,
           sum(spend) AS spend, sum(units) AS units, sum(revenue) AS revenue, sum(margin) AS margin
    FROM orders GROUP BY ALL
)
SELECT customer_id, min(day) FILTER (WHERE bought) AS first_purchase, max(day) FILTER (WHERE bought) AS last_purchase,
       sum(orders)::BIGINT AS orders, count(*) FILTER (WHERE bought) AS purchase_days, sum(units) AS units,
       sum(revenue) AS revenue, sum(margin) AS margin,
       sum(spend) - arg_min(spend, day) FILTER (WHERE bought) AS repeat_spend,
       DATE '{AS_OF}' - max(day) FILTER (WHERE bought) AS days_since_last,
       DATE '{AS_OF}' - min(day) FILTER (WHERE bought) AS age_days
FROM days GROUP BY customer_id ORDER BY customer_id
"""


def make_lines(path: Path, lines: int) -> None:
    """Write order lines of a tenth as many customers, with 2.5 lines an order and 2 % returns."""
    import duckdb

    duckdb.sql("SELECT setseed(0.5)")
    duckdb.sql(f"""
        COPY (
            WITH orders AS MATERIALIZED (
                SELECT i, (random() * {lines // 10})::INT AS customer,
                       TIMESTAMP '2023-01-01' + to_seconds((random() * 1095 * 86400)::BIGINT) AS ordered_at
                FROM range({lines * 2 // 5}) r(i)
            ), lines AS MATERIALIZED (
                SELECT 'O' || lpad(i::VARCHAR, 8, '0') AS order_id,
                       'C' || lpad(customer::VARCHAR, 7, '0') AS customer_id, ordered_at,
                       CASE WHEN random() < 0.02 THEN -1 ELSE 1 + (random() * 3)::INT END AS quantity,
                       round(5 + random() * 200, 2) AS price, round(3 + random() * 90, 2) AS unit_cost
                FROM orders, range(5) l(j) WHERE j < 1 OR random() < 0.375
            )
            SELECT order_id, customer_id, ordered_at, quantity, unit_cost, round(quantity * price, 2) AS amount
            FROM lines
        ) TO '{path}' (FORMAT parquet)""")


def with_package(path: str):
    """purchase_summary on a path."""
    from crm_utils.company.summary import purchase_summary

    return purchase_summary(path, as_of=AS_OF)


def with_sql(path: str):
    """The same columns in hand-written DuckDB SQL."""
    import duckdb

    return duckdb.sql(SQL.format(path=path)).df()


def with_pandas(path: str):
    """The same columns by plain pandas groupby."""
    import pandas as pd

    lines = pd.read_parquet(path)
    day = pd.Timestamp(AS_OF)
    lines = lines[(lines["ordered_at"] < day) & lines["customer_id"].notna() & (lines["quantity"] != 0)]
    bought = (lines["amount"] >= 0) & (lines["quantity"] > 0)
    lines = lines.assign(
        day=lines["ordered_at"].dt.normalize(),
        bought=bought,
        spend=lines["amount"].where(bought, 0),
        margin=lines["amount"] - lines["quantity"] * lines["unit_cost"],
    )
    sums = {"bought": "max"} | dict.fromkeys(["spend", "quantity", "amount", "margin"], "sum")
    orders = lines.groupby(["customer_id", "day", "order_id"], sort=False, as_index=False).agg(sums)
    orders["orders"] = orders["bought"].astype(int)
    days = orders.groupby(["customer_id", "day"], as_index=False).agg(sums | {"orders": "sum"})
    purchases = days[days["bought"]].groupby("customer_id")
    summary = days.groupby("customer_id").agg(
        orders=("orders", "sum"), units=("quantity", "sum"), revenue=("amount", "sum"), margin=("margin", "sum")
    )
    summary["first_purchase"], summary["last_purchase"] = purchases["day"].min(), purchases["day"].max()
    summary["purchase_days"] = purchases.size().reindex(summary.index, fill_value=0)
    summary["repeat_spend"] = (purchases["spend"].sum() - purchases["spend"].first()).reindex(
        summary.index, fill_value=0
    )
    summary["days_since_last"] = (day - summary["last_purchase"]).dt.days
    summary["age_days"] = (day - summary["first_purchase"]).dt.days
    return summary.reset_index()


CONTENDERS = {"purchase_summary": with_package, "DuckDB SQL": with_sql, "pandas groupby": with_pandas}


def run_one(name: str, path: str) -> None:
    """Time one contender, twice because the first time imports, and print seconds, memory and check sums as JSON."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        summary = CONTENDERS[name](path)
        seconds.append(time.perf_counter() - start)
    checks = ["orders", "purchase_days", "units", "revenue", "margin", "repeat_spend", "days_since_last", "age_days"]
    print(
        json.dumps(
            {
                "seconds": min(seconds),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "customers": len(summary),
                "checks": [round(float(summary[column].sum()), 2) for column in checks],
            }
        )
    )


def main() -> None:
    """Make the lines, run every contender, print the table and whether the answers agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.parquet"
        make_lines(path, arguments.lines)
        results = {}
        for _ in range(arguments.rounds):
            for name in CONTENDERS:
                command = [sys.executable, __file__, "--one", name, str(path)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                result = json.loads(output.splitlines()[-1])
                if name not in results or result["seconds"] < results[name]["seconds"]:
                    results[name] = result
    reference = results["DuckDB SQL"]
    print(f"{arguments.lines:,} lines, {reference['customers']:,} customers, best of {arguments.rounds} rounds")
    print(f"{'':<18}{'seconds':>9}{'of SQL':>9}{'peak MiB':>10}  same numbers")
    for name, result in results.items():
        same = result["customers"] == reference["customers"] and all(
            abs(a - b) <= 1e-9 * max(1.0, abs(b)) for a, b in zip(result["checks"], reference["checks"], strict=True)
        )
        ratio = result["seconds"] / reference["seconds"]
        print(f"{name:<18}{result['seconds']:>9.2f}{ratio:>9.2f}{result['peak_mib']:>10,.0f}  {same}")


if __name__ == "__main__":
    main()
