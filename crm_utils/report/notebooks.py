"""The workbook's notebooks: which there are, what they need, and how a reader names them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.paths import workbook_folder
from crm_utils.report.parameters import Parameter, read_parameters, suggestion

_NAME = re.compile(r"(?P<number>\d\d)_(?P<topic>\w+)")
_RESERVED = ("index",)


@dataclass(frozen=True)
class Notebook:
    """An authored notebook, as far as a run has to know it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    title : str
        First heading, or the file's name without one.
    parameters : tuple of Parameter
        What the parameters cell declares.
    needs : tuple of str
        Tables without which the notebook is skipped.
    uses : tuple of str
        Tables of which it shows more when they are there.
    code_cells : int
        Number of code cells.
    """

    path: Path
    title: str
    parameters: tuple[Parameter, ...]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    code_cells: int = 0

    @property
    def name(self) -> str:
        """File name without its ending, such as ``03_value``."""
        return self.path.stem

    @property
    def source_hash(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def missing(self, tables: Iterable[str]) -> tuple[str, ...]:
        """Needed tables that are not among `tables`."""
        return tuple(sorted(set(self.needs) - set(tables)))


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _tags(cell: dict[str, Any]) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def read_notebook(path: Path) -> Notebook:
    """Read what a run has to know of a notebook, without running it.

    Parameters
    ----------
    path : pathlib.Path
        A notebook file of format 4.

    Returns
    -------
    Notebook
        Its title, parameters and needs.

    Raises
    ------
    ParameterError
        If the file is no notebook, or does not have exactly one well-formed cell tagged ``parameters``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"{path}: is not a Jupyter notebook of format 4.") from error
    tagged = [cell for cell in cells if cell.get("cell_type") == "code" and "parameters" in _tags(cell)]
    if len(tagged) != 1:
        raise ParameterError(f"{path.name}: needs exactly one code cell tagged 'parameters', has {len(tagged)}.")
    try:
        parameters = read_parameters(_source(tagged[0]))
    except ParameterError as error:
        raise ParameterError(f"{path.name}: {error}") from error
    headings = (
        line[2:].strip()
        for cell in cells
        if cell.get("cell_type") == "markdown"
        for line in _source(cell).splitlines()
        if line.startswith("# ")
    )
    needs = content.get("metadata", {}).get("crm", {})
    return Notebook(
        path=path.resolve(),
        title=next(headings, path.stem),
        parameters=parameters,
        needs=tuple(needs.get("needs", ())),
        uses=tuple(needs.get("uses", ())),
        code_cells=sum(cell.get("cell_type") == "code" for cell in cells),
    )


def notebook_paths(folder: Path | None = None) -> dict[str, Path]:
    """List the notebooks of a folder that are named ``NN_topic.ipynb``.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where to look. Default: the workbook's ``notebooks``.

    Returns
    -------
    dict of str to pathlib.Path
        File by name without its ending, in the order of the workbook.

    Raises
    ------
    ParameterError
        If there is no such notebook.
    """
    folder = workbook_folder("notebooks") if folder is None else Path(folder)
    found = {path.stem: path for path in sorted(folder.glob("*.ipynb")) if _NAME.fullmatch(path.stem)}
    if not found:
        raise ParameterError(f"There is no notebook named NN_topic.ipynb in {folder}.")
    return found


def match_name(given: str, names: Iterable[str]) -> str | None:
    """Find the notebook that a reader means by ``03``, ``3``, ``value`` or ``03_value``.

    Parameters
    ----------
    given : str
        What the reader wrote.
    names : iterable of str
        Names of the notebooks.

    Returns
    -------
    str or None
        The name; None when there is no such notebook.

    Examples
    --------
    >>> match_name("3", ["00_start", "03_value"])
    '03_value'
    """
    for name in names:
        parts = _NAME.fullmatch(name)
        aliases = {name, f"{name}.ipynb"}
        if parts:
            aliases |= {parts["number"], str(int(parts["number"])), parts["topic"]}
        if given in aliases:
            return name
    return None


def notebook_names_message(given: str, names: Iterable[str]) -> str:
    """Message about a notebook that does not exist, with the nearest that does."""
    names = list(names)
    topics = {parts["topic"]: name for name in names if (parts := _NAME.fullmatch(name))}
    hint = suggestion(given, [*names, *topics])
    return f"no notebook {given!r}.{hint}" + ("" if hint else f" There are: {', '.join(names)}.")


def choose_notebooks(chosen: Sequence[str | Path] | None = None, *, folder: Path | None = None) -> tuple[Notebook, ...]:
    """Find the notebooks that a reader asks for.

    Parameters
    ----------
    chosen : sequence of str or pathlib.Path, optional
        Names (``"03"``, ``"3"``, ``"value"``, ``"03_value"``) or notebook files. Default: all of the folder.
    folder : pathlib.Path, optional
        Folder of the notebooks. Default: the workbook's ``notebooks``.

    Returns
    -------
    tuple of Notebook
        In the order of the workbook; each once.

    Raises
    ------
    ParameterError
        With every unknown name (and the nearest known one) and every notebook that cannot be read.
    """
    problems: list[str] = []
    paths: dict[str, Path] = {}
    if not chosen:
        paths = notebook_paths(folder)
    for given in chosen or ():
        is_file = isinstance(given, Path) or (given.endswith(".ipynb") and Path(given).is_file())
        if is_file:
            path = Path(given).resolve()
            if path.stem in _RESERVED:
                problems.append(f"{path}: a notebook cannot be called {path.stem!r}, as the run's own page is.")
            elif paths.setdefault(path.stem, path) != path:
                problems.append(f"{path}: another chosen notebook has the same file name.")
            continue
        known = notebook_paths(folder)
        name = match_name(str(given), known)
        if name is None:
            problems.append(notebook_names_message(str(given), known))
        else:
            paths[name] = known[name]
    notebooks = []
    for _, path in sorted(paths.items()):
        try:
            notebooks.append(read_notebook(path))
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    return tuple(notebooks)
