"""How a run is done, as against what it shows: none of this changes a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crm_utils.errors import ParameterError
from crm_utils.report.parameters import suggestion

DEFAULT_TIMEOUT_SECONDS = 1800.0
FORMATS = ("html", "pdf")
BACKENDS = ("local", "dask")


@dataclass(frozen=True)
class Options:
    """How a run is done; make it with `check_options`.

    Parameters
    ----------
    jobs : int
        Notebooks at the same time on this machine.
    timeout : float
        Seconds that one notebook may take.
    cell_timeout : float or None
        Seconds that one cell may take.
    formats : tuple of str
        ``"html"``, and ``"pdf"`` where pages are printed too.
    backend : str
        ``"local"``, processes of this machine, or ``"dask"``.
    scheduler : str or None
        Address of the Dask scheduler.
    """

    jobs: int
    timeout: float
    cell_timeout: float | None
    formats: tuple[str, ...]
    backend: str
    scheduler: str | None


def check_options(
    *,
    jobs: int | None = None,
    timeout: float | None = None,
    cell_timeout: float | None = None,
    formats: Sequence[str] | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
) -> Options:
    """Check options and fill in the defaults; parameters as for `crm_utils.report.run_report`.

    Returns
    -------
    Options
        Complete.

    Raises
    ------
    ParameterError
        With every option that is wrong.

    Examples
    --------
    >>> check_options(jobs=2, formats=["pdf"]).formats
    ('html', 'pdf')
    """
    problems = []
    for name, seconds in (("timeout", timeout), ("cell-timeout", cell_timeout)):
        if seconds is not None and not 0 < seconds < math.inf:
            problems.append(f"{name} must be more than 0 seconds and not endless, not {seconds!r}.")
    if jobs is not None and jobs < 1:
        problems.append(f"jobs must be 1 or more, not {jobs!r}.")
    for given in formats or ():
        if given not in FORMATS:
            problems.append(f"no format {given!r}.{suggestion(str(given), FORMATS)} There are: {', '.join(FORMATS)}.")
    backend = backend or ("dask" if scheduler else "local")
    if backend not in BACKENDS:
        problems.append(f"no backend {backend!r}.{suggestion(backend, BACKENDS)} There are: {', '.join(BACKENDS)}.")
    elif backend == "dask" and not scheduler:
        problems.append("backend dask needs the address of a scheduler, such as tcp://127.0.0.1:8786.")
    elif backend == "local" and scheduler:
        problems.append("a scheduler is for the backend dask.")
    if problems:
        raise ParameterError("\n".join(problems))
    return Options(
        jobs=jobs or _cores(),
        timeout=float(timeout or DEFAULT_TIMEOUT_SECONDS),
        cell_timeout=cell_timeout and float(cell_timeout),
        formats=tuple(name for name in FORMATS if name == "html" or name in (formats or ())),
        backend=backend,
        scheduler=scheduler,
    )


def _cores() -> int:
    from crm_utils.report.pool import cores

    return cores()
