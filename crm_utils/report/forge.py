"""A process that has imported what notebooks need, and forks: workers and kernels then start in milliseconds.

Importing the scientific libraries, papermill and nbconvert takes seconds; a report of twelve notebooks would do it
twenty-four times. The forge does it once. For each notebook it forks a worker, which forks the kernel before it starts
a thread or runs anything: each notebook has a fresh worker, a fresh kernel and nothing of another notebook's.

Forking is sound only from a process with a single thread. The forge counts its threads after the imports and gives up
when there is a second one, as it does where threads cannot be counted (off Linux); workers are then started from
nothing.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crm_utils.paths import HOME
from crm_utils.report.environment import kernel_environment

_ALWAYS = (
    "crm_utils.report.quick_nbformat",  # before whatever else imports nbformat
    "crm_utils.report.execute",
    "crm_utils.report.index",
    "crm_utils.report.overview",
    "crm_utils.report.render",
    "crm_utils.company",
    "crm_utils.plotting",
    "crm_utils.tables",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "matplotlib.pyplot",
    "numpy",
    "pandas",
    "pandera.pandas",
    "duckdb",
)
# Importing these starts no thread, and their state after an import is the same in every process.
_FORKABLE = ("crm_utils", "duckdb", "matplotlib", "narwhals", "numpy", "pandas", "pandera", "scipy", "sklearn")
_ANSWER_SECONDS = 60
_THREADS = Path("/proc/self/task")


def can_fork() -> bool:
    """Whether this system lets a forge count its threads, fork, and pass connections on."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds") and _THREADS.is_dir()


class Forge:
    """Starts the warm process and hands out connections to workers forked from it.

    Parameters
    ----------
    notebooks : iterable of pathlib.Path
        Notebooks that will run: what their cells import is imported early.
    """

    def __init__(self, notebooks: Iterable[Path]):
        self._scratch = tempfile.TemporaryDirectory(prefix="crm-forge-")
        folder = Path(self._scratch.name)
        self._control, theirs = socket.socketpair()
        with theirs, (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crm_utils.report.forge", *map(str, notebooks)],
                stdin=theirs,
                stdout=log,
                stderr=log,
                cwd=HOME,
                env=_forge_environment(folder),
                start_new_session=True,  # Ctrl-C reaches the run only, which then ends the workers in order
            )

    def connect(self) -> socket.socket | None:
        """Ask for a worker; None when the forge has given up."""
        if self._process.poll() is not None:
            return None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"w"], [theirs.fileno()])
            except OSError:
                ours.close()
                return None
        return ours

    def render_cover(self, kind: str, content: Mapping[str, Any]) -> str | None:
        """Let a fork write a page in front, which spares this process the imports for it.

        Parameters
        ----------
        kind, content
            As for `crm_utils.report.covers.render_cover`.

        Returns
        -------
        str or None
            The page; None when no fork has answered.
        """
        connection = self.connect()
        if connection is None:
            return None
        with connection, connection.makefile("rw", encoding="utf-8") as stream, contextlib.suppress(OSError):
            connection.settimeout(_ANSWER_SECONDS)
            stream.write(json.dumps({"cover": kind, "content": content}) + "\n")
            stream.flush()
            answer = stream.readline()
            return json.loads(answer) if answer else None
        return None

    def close(self) -> None:
        """End the forge; workers that it has forked are not touched."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._scratch.cleanup()


def _forge_environment(folder: Path) -> dict[str, str]:
    return kernel_environment(folder) | {
        # What ipykernel sets before a notebook can import matplotlib.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # Arrow's allocator would otherwise start a thread.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }


def _imported(source: str) -> Iterator[str]:
    """Names of the modules that a Python source imports, inside functions too; nothing for what is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sources(path: Path) -> Iterator[str]:
    """Code of a notebook, cell by cell, or of a module and the modules beside it."""
    if path.suffix == ".ipynb":
        with contextlib.suppress(ValueError, KeyError):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    yield "".join(cell["source"])
        return
    for module in sorted(path.glob("*.py")):
        yield module.read_text(encoding="utf-8")


def modules_to_import(notebooks: Iterable[Path]) -> list[str]:
    """Find what notebooks import, and what the chapters that they use import, as far as it may be forked.

    Parameters
    ----------
    notebooks : iterable of pathlib.Path
        Notebook files.

    Returns
    -------
    list of str
        Names to import, sorted; some may be names of functions.
    """
    found: set[str] = set()
    rooms: set[str] = set()
    pending = [source for path in notebooks for source in _sources(path)]
    while pending:
        for name in _imported(pending.pop()):
            top, _, rest = name.partition(".")
            if top in _forkable():
                found.add(name)
            room = rest.partition(".")[0]
            if top == "crm_utils" and room not in rooms and (HOME / "crm_utils" / room / "__init__.py").is_file():
                rooms.add(room)
                pending += _sources(HOME / "crm_utils" / room)
    return sorted(name for name in found if name != "crm_utils.report" and not name.startswith("crm_utils.report."))


def _forkable() -> tuple[str, ...]:
    # statsmodels imports polars where that is installed, and polars starts threads.
    return _FORKABLE if find_spec("polars") else (*_FORKABLE, "patsy", "seaborn", "statsmodels")


def _import_all(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # a function's name, or what the notebook itself will complain of
            import_module(name)


def _reap(_signal: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main(notebooks: list[str]) -> None:
    """Import, then fork a worker for each connection that comes, until there is nobody to ask."""
    control = socket.socket(fileno=os.dup(0))
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    _import_all([*_ALWAYS, *modules_to_import(map(Path, notebooks))])
    if len(list(_THREADS.iterdir())) > 1:
        sys.exit("The forge has more than one thread after its imports.")
    from crm_utils.report.worker import serve_forked

    gc.collect()
    gc.freeze()  # what was imported stays shared between the forks: no collector writes into it
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        connection = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            try:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve_forked(connection)
            finally:
                os._exit(1)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
