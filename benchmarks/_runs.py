"""What the benchmarks share: the machine, and runs in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
from collections.abc import Sequence
from typing import Any


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} processor cores ({platform.machine()}), {memory:.0f} GiB of memory, {platform.system()}"


def peak_gib() -> float:
    """Most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_json(command: Sequence[Any]) -> dict[str, Any]:
    """Run a command, and read the JSON on its last line."""
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])
