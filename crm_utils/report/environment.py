"""The environment of a kernel: the caller's, without what would make a report depend on who runs it."""

from __future__ import annotations

import os
from pathlib import Path

# The user's own start-up files and settings must not change a report.
_DROPPED = ("PYTHONSTARTUP", "MPLBACKEND", "IPYTHONDIR", "PYTHONINSPECT")
# Notebooks run side by side, one a core; and sums that more threads share out depend on how many there are.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Environment of a kernel.

    Parameters
    ----------
    scratch : pathlib.Path
        Existing folder for the kernel's own files.

    Returns
    -------
    dict of str to str
        Environment variables. Linear algebra runs in one thread unless the caller's environment says otherwise.
    """
    settings = scratch / "ipython"
    settings.mkdir(parents=True, exist_ok=True)
    plain_figures = scratch / "matplotlibrc"
    plain_figures.touch()
    environment = dict.fromkeys(_ONE_THREAD, "1") | dict(os.environ)
    for name in _DROPPED:
        environment.pop(name, None)
    return environment | {
        "IPYTHONDIR": str(settings),
        "MATPLOTLIBRC": str(plain_figures),
        "PYTHONHASHSEED": "0",
    }
