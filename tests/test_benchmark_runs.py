"""What the benchmarks share: the memory of a run is its own."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# A parent of 300 MiB, and its child.
PARENT = """
import sys
from _runs import peak_gib, run_json
held = bytearray(b"x") * (300 * 2**20)
print(run_json([sys.executable, "-c", "from _runs import peak_gib; print(peak_gib())"]), peak_gib())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the memory of a process alone")
def test_the_memory_of_a_run_leaves_out_who_started_it():
    output = subprocess.run(
        [sys.executable, "-c", PARENT],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(BENCHMARKS)},
    ).stdout
    child, parent = map(float, output.split())
    assert parent > 0.29
    assert 0.002 < child < 0.1
