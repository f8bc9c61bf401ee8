"""Notebooks on a Dask cluster, through joblib's backend: the unit of work is one notebook job.

A worker of the cluster needs this package, and the same paths to notebooks and data as this machine (a shared file
system); its results come back as bytes, so that it needs no place to write. It runs a job as this machine would, in a
process of its own with a time limit of its own. Give workers one thread for each notebook that they may run at the
same time. A run that is interrupted ends here at once; what a worker is at ends there by its time limit.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_utils.errors import ParameterError
from crm_utils.report.collect import Finished, collect
from crm_utils.report.covers import render_cover
from crm_utils.report.forge import Forge, can_fork
from crm_utils.report.options import Options
from crm_utils.report.pool import Job, JobEnd, Pool

if TYPE_CHECKING:
    from crm_utils.report.notebooks import Notebook

_CONNECT_SECONDS = 30
_forges: list[Forge] = []
_lock = threading.Lock()


def run_job(job: Job) -> Finished:
    """Run one notebook where this is called.

    Parameters
    ----------
    job : dict
        Job as for `crm_utils.report.pool.Pool`; its folder is made here.

    Returns
    -------
    Finished
        Outcome and files.
    """
    ended: list[JobEnd] = []
    with tempfile.TemporaryDirectory(prefix="crm-") as scratch:
        folder = Path(scratch) / "0"
        folder.mkdir()
        local = {**job, "folder": str(folder)}
        Pool([local], workers=1, forge=_forge_here(), on_cell=lambda: None, on_end=ended.append).run()
        return collect(ended[0])


def _forge_here() -> Forge | None:
    """The warm process of this worker process; it ends with it."""
    if not can_fork():
        return None
    with _lock:
        if not _forges:
            _forges.append(Forge([]))
        return _forges[0]


class DaskBackend:
    """Hands jobs to the workers of a Dask scheduler.

    Parameters
    ----------
    options : Options
        Of the run; `scheduler` is used.

    Raises
    ------
    ParameterError
        If Dask is not installed or the scheduler does not answer.
    """

    def __init__(self, options: Options):
        try:
            from distributed import Client
        except ImportError as error:
            raise ParameterError(
                "backend dask needs the extra [cluster]: pip install -e '.[cluster]' in the workbook's folder."
            ) from error
        try:
            self._client = Client(options.scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ParameterError(f"no Dask scheduler answers at {options.scheduler}: {error}.") from error

    def __enter__(self) -> DaskBackend:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def prepare(self, notebooks: Sequence[Notebook]) -> None:
        """Do nothing: the workers warm up with their first job."""

    def run(self, jobs: Sequence[Job], *, on_cell: Callable[[], None], on_end: Callable[[Finished], None]) -> None:
        """Run jobs; cells are not told of one by one."""
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="dask", client=self._client, pure=False):
            ended = Parallel(return_as="generator_unordered", batch_size=1)(delayed(run_job)(job) for job in jobs)
            for finished in ended:
                on_end(finished)

    def render_cover(self, kind: str, content: Mapping[str, Any]) -> str:
        """Write a page in front, in this process."""
        return render_cover(kind, content)
