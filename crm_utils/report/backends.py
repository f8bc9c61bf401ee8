"""Where notebooks run: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from crm_utils.report.collect import Finished, collect
from crm_utils.report.covers import render_cover
from crm_utils.report.forge import Forge, can_fork
from crm_utils.report.options import Options
from crm_utils.report.pool import Job, Pool

if TYPE_CHECKING:
    from crm_utils.report.notebooks import Notebook


class Backend(Protocol):
    """Runs jobs; used as a context, whose end leaves nothing running."""

    def __enter__(self) -> Backend:
        """Begin."""

    def __exit__(self, *error: object) -> None:
        """End what was started."""

    def prepare(self, notebooks: Sequence[Notebook]) -> None:
        """Get ready for notebooks, while the data are still being checked; no notebook runs yet."""

    def run(self, jobs: Sequence[Job], *, on_cell: Callable[[], None], on_end: Callable[[Finished], None]) -> None:
        """Run jobs and tell of each cell that starts and each job that has ended."""

    def render_cover(self, kind: str, content: Mapping[str, Any]) -> str:
        """Write a page in front; parameters as for `crm_utils.report.covers.render_cover`."""


class LocalBackend:
    """Worker processes on this machine, forked from a warm process where the system allows it.

    Parameters
    ----------
    options : Options
        Of the run; `jobs` is used.
    """

    def __init__(self, options: Options):
        self._jobs = options.jobs
        self._forge: Forge | None = None

    def __enter__(self) -> LocalBackend:
        return self

    def __exit__(self, *error: object) -> None:
        if self._forge is not None:
            self._forge.close()

    def prepare(self, notebooks: Sequence[Notebook]) -> None:
        """Start the warm process."""
        if self._forge is None and can_fork():
            self._forge = Forge(notebook.path for notebook in notebooks)

    def run(self, jobs: Sequence[Job], *, on_cell: Callable[[], None], on_end: Callable[[Finished], None]) -> None:
        """Run jobs."""
        Pool(
            jobs,
            workers=self._jobs,
            forge=self._forge,
            on_cell=on_cell,
            on_end=lambda ended: on_end(collect(ended)),
        ).run()

    def render_cover(self, kind: str, content: Mapping[str, Any]) -> str:
        """Write a page in front."""
        page = self._forge.render_cover(kind, content) if self._forge is not None else None
        return page if page is not None else render_cover(kind, content)


def backend_for(options: Options) -> Backend:
    """Choose the backend that the options ask for.

    Parameters
    ----------
    options : Options
        Checked options.

    Returns
    -------
    Backend
        Not yet entered.
    """
    if options.backend == "dask":
        from crm_utils.report.cluster import DaskBackend

        return DaskBackend(options)
    return LocalBackend(options)
