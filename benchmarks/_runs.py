"""What the benchmarks share: the machine, and runs in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} processor cores ({platform.machine()}), {memory:.0f} GiB of memory, {platform.system()}"


def peak_gib() -> float:
    """Most memory this process has held so far."""
    # On Linux ru_maxrss begins with what the process that started this one held.
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def run_json(command: Sequence[Any]) -> dict[str, Any]:
    """Run a command, and read the JSON on its last line."""
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])
