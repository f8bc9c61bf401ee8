"""A full run of the workbook against the plain way, in one go on one machine.

The plain way is what a shell does: for each notebook ``papermill`` and then ``jupyter nbconvert --to html``, with the
same parameters. Run it with

    python benchmarks/bench_report.py [--notebooks 12] [--jobs 2] [--repeat 3]

Where there are fewer notebooks than asked for, copies stand in for those to come. What other programs do on the
machine at the same time disturbs both ways: judge by the ratio, and by the processor time, which they disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from crm_utils.paths import workbook_folder

BIN = Path(sys.executable).parent
FORGE_OFF = "import crm_utils.report.backends as b; b.can_fork = lambda: False; "
CRM = "from crm_utils.report.cli import main; main()"


def make_workbook(folder: Path, count: int) -> list[Path]:
    authored = sorted(workbook_folder("notebooks").glob("[0-9][0-9]_*.ipynb"))
    made = []
    for number, (path, _) in enumerate(zip(cycle(authored), range(count), strict=False)):
        made.append(Path(shutil.copy(path, folder / f"{number:02d}_{path.stem[3:]}.ipynb")))
    return made


def timed(commands: list[list[str]], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of commands that run one after the other."""
    before, started = os.times(), time.perf_counter()
    for command in commands:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


def plain_way(notebooks: list[Path], out: Path, environment: dict[str, str]) -> tuple[float, float, float]:
    out.mkdir()
    commands = []
    for path in notebooks:
        executed = str(out / path.name)
        commands += [
            [str(BIN / "papermill"), "--cwd", str(path.parent), str(path), executed, "-p", "data", "demo"],
            [str(BIN / "jupyter"), "nbconvert", "--to", "html", executed],
        ]
    wall, used = timed(commands, environment)
    code = 0.0
    for path in notebooks:
        for cell in json.loads((out / path.name).read_text(encoding="utf-8"))["cells"]:
            code += cell["metadata"].get("papermill", {}).get("duration") or 0.0
    return wall, used, code


def crm_way(
    notebooks: list[Path], out: Path, environment: dict[str, str], jobs: int, prelude: str = ""
) -> tuple[float, float, float]:
    command = [sys.executable, "-c", prelude + CRM, "report", *map(str, notebooks), "-p", "data=demo"]
    wall, used = timed([[*command, "--jobs", str(jobs), "--out", str(out)]], environment)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return wall, used, sum(record["code_seconds"] for record in manifest["notebooks"].values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--without-forge", action="store_true", help="measure kernels started from nothing as well")
    options = parser.parse_args()
    ratios, used_ratios = [], []
    print(f"{'':24}{'wall s':>9}{'cpu s':>9}{'code s':>9}{'not notebook code':>20}")
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
            notebooks = make_workbook(folder, options.notebooks)
            ways = {"crm report": (crm_way(notebooks, folder / "crm", environment, options.jobs), options.jobs)}
            if options.without_forge:
                spawned = crm_way(notebooks, folder / "spawned", environment, options.jobs, FORGE_OFF)
                ways["crm report, no forge"] = (spawned, options.jobs)
            ways["papermill + nbconvert"] = (plain_way(notebooks, folder / "plain", environment), 1)
        for name, ((wall, used, code), side_by_side) in ways.items():
            print(f"{name:24}{wall:9.1f}{used:9.1f}{code:9.1f}{1 - code / (wall * side_by_side):20.0%}")
        (wall, used, _), (plain_wall, plain_used, _) = ways["crm report"][0], ways["papermill + nbconvert"][0]
        ratios.append(plain_wall / wall)
        used_ratios.append(plain_used / used)
        print(f"{'ratio':24}{ratios[-1]:8.1f}x{used_ratios[-1]:8.1f}x", flush=True)
    print(
        f"\n{len(notebooks)} notebooks, {options.jobs} at the same time: {statistics.median(ratios):.1f} times as fast "
    )
    print(f"by the clock, {statistics.median(used_ratios):.1f} times less processor time (medians of {len(ratios)}).")


if __name__ == "__main__":
    main()
