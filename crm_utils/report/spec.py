"""Spec files: a named set of notebooks and parameters, for runs that are made again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.paths import workbook_folder
from crm_utils.report.parameters import suggestion

KEYS = (
    "notebooks",
    "parameters",
    "per-notebook",
    "sweep",
    "data",
    "formats",
    "timeout",
    "cell-timeout",
    "jobs",
)


@dataclass(frozen=True)
class Spec:
    """What a spec file asks for; None where it says nothing.

    Parameters
    ----------
    notebooks : tuple of str or None
        Names of notebooks.
    parameters : dict
        Values for every notebook that has the parameter.
    per_notebook : dict of str to dict
        Values by notebook.
    sweep : dict of str to list
        Values to go through, by parameter.
    data : str or None
        Company folder, ``"demo"`` or an absolute path.
    formats : tuple of str or None
        ``"html"``, ``"pdf"``.
    timeout, cell_timeout : float or None
        Seconds that one notebook and one cell may take.
    jobs : int or None
        Notebooks at the same time.
    """

    notebooks: tuple[str, ...] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    per_notebook: dict[str, dict[str, Any]] = field(default_factory=dict)
    sweep: dict[str, list[Any]] = field(default_factory=dict)
    data: str | None = None
    formats: tuple[str, ...] | None = None
    timeout: float | None = None
    cell_timeout: float | None = None
    jobs: int | None = None


def find_spec(given: str) -> Path:
    """Find the spec that a reader means: a file, or the name of one in ``reports/specs``.

    Parameters
    ----------
    given : str
        Path, or name without its ending, such as ``"ci"``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ParameterError
        If there is none; the message names the nearest that there is.

    Examples
    --------
    >>> find_spec("ci").name
    'ci.yml'
    """
    path = Path(given).expanduser()
    if path.is_file():
        return path
    folder = workbook_folder("reports") / "specs"
    named = {file.stem: file for file in sorted(folder.glob("*.yml"))}
    name = given.removesuffix(".yml")
    if name in named:
        return named[name]
    hint = suggestion(name, named) or (f" There are: {', '.join(named)}." if named else "")
    raise ParameterError(f"--spec {given}: is no file, and no spec in reports/specs.{hint}")


def read_spec(path: Path) -> Spec:
    """Read a spec file.

    Parameters
    ----------
    path : pathlib.Path
        YAML file with keys among `KEYS`. A relative ``data`` path is relative to the file.

    Returns
    -------
    Spec
        Its content, checked in form; notebook and parameter names are checked by the run.

    Raises
    ------
    ParameterError
        With every problem of the file.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{path}: cannot be read as a spec file: {error}.") from error
    content = {} if content is None else content
    if not isinstance(content, Mapping):
        raise ParameterError(f"{path}: a spec file is a mapping with keys among {', '.join(KEYS)}.")
    problems = []
    for key in content:
        if key not in KEYS:
            hint = suggestion(str(key), KEYS)
            problems.append(f"no key {key!r} in a spec file.{hint or ' Known: ' + ', '.join(KEYS) + '.'}")
    notebooks = content.get("notebooks")
    if notebooks is not None and not (
        isinstance(notebooks, list)
        and all(isinstance(name, str | int) and not isinstance(name, bool) for name in notebooks)
    ):
        problems.append(f"notebooks must be a list of names such as ['03', value], not {notebooks!r}.")
        notebooks = None
    parameters = content.get("parameters") or {}
    if not _is_named(parameters):
        problems.append(f"parameters must be a mapping of names to values, not {parameters!r}.")
    per_notebook = content.get("per-notebook") or {}
    if not isinstance(per_notebook, Mapping) or not all(_is_named(values or {}) for values in per_notebook.values()):
        problems.append("per-notebook must be a mapping of notebooks to mappings of names to values.")
        per_notebook = {}
    sweep = content.get("sweep") or {}
    if not _is_named(sweep) or not all(isinstance(values, list) for values in sweep.values()):
        problems.append(f"sweep must be a mapping of names to lists of values, not {sweep!r}.")
        sweep = {}
    formats = content.get("formats")
    if formats is not None and not (isinstance(formats, list) and all(isinstance(name, str) for name in formats)):
        problems.append(f"formats must be a list such as [html, pdf], not {formats!r}.")
        formats = None
    for key in ("timeout", "cell-timeout"):
        seconds = content.get(key)
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
            problems.append(f"{key} must be a number of seconds above 0, not {seconds!r}.")
    jobs = content.get("jobs")
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        problems.append(f"jobs must be a whole number of 1 or more, not {jobs!r}.")
    data = content.get("data")
    if data is not None and not isinstance(data, str):
        problems.append(f"data must be a folder or demo, not {data!r}.")
    if problems:
        raise ParameterError("\n".join(f"{path.name}: {problem}" for problem in problems))
    if data not in (None, "", "demo"):
        data = str((path.resolve().parent / Path(data).expanduser()).resolve())
    return Spec(
        notebooks=tuple(map(_notebook_name, notebooks)) if notebooks is not None else None,
        parameters=dict(parameters),
        per_notebook={_notebook_name(name): dict(values or {}) for name, values in per_notebook.items()},
        sweep=dict(sweep),
        data=data,
        formats=tuple(formats) if formats is not None else None,
        timeout=content.get("timeout"),
        cell_timeout=content.get("cell-timeout"),
        jobs=jobs,
    )


def _is_named(values: Any) -> bool:
    return isinstance(values, Mapping) and all(isinstance(name, str) for name in values)


def _notebook_name(given: str | int) -> str:
    return f"{given:02d}" if isinstance(given, int) else given  # YAML reads an unquoted 03 as a number
