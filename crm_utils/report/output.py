"""Files of a run: written whole or not at all, in a folder of their own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from crm_utils.errors import ParameterError
from crm_utils.paths import workbook_folder

MANIFEST = "manifest.json"
_MADE_BY = "crm report"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it.

    Parameters
    ----------
    path : pathlib.Path
        Where to; its folder exists.
    content : str or bytes
        Text is written as UTF-8 with its line ends as they are.
    """
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a run's folder; None where there is none of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == _MADE_BY else None


def manifest_text(manifest: dict[str, Any]) -> str:
    """Write a manifest as JSON text that `read_manifest` knows as ours."""
    return (
        json.dumps({"made_by": _MADE_BY, "format": 1, **manifest}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )


def check_out(out: Path) -> None:
    """Refuse a folder in which a run would mix its files with somebody else's.

    Parameters
    ----------
    out : pathlib.Path
        Folder that the caller asks for.

    Raises
    ------
    ParameterError
        If it is a file, or a folder that holds files and no manifest of ours.
    """
    if out.exists() and not out.is_dir():
        raise ParameterError(f"--out {out}: is a file, not a folder.")
    if out.is_dir() and any(out.iterdir()) and read_manifest(out) is None:
        raise ParameterError(
            f"--out {out}: the folder holds files that are not of a report run. Name an empty or a new folder."
        )


class RunFolder:
    """The folder of one run, and the names of the files that the run has put there.

    Parameters
    ----------
    path : pathlib.Path
        Existing folder.
    previous : iterable of str
        Files of an earlier run in the same folder, to be replaced or removed.
    previous_runs : iterable of str
        Folders of an earlier sweep in the same folder, likewise.
    """

    def __init__(self, path: Path, previous: tuple[str, ...] = (), previous_runs: tuple[str, ...] = ()):
        self.path = path
        self.files: list[str] = []
        self.runs: list[str] = []
        self.previous = previous
        self.previous_runs = previous_runs

    @classmethod
    def make(cls, out: Path | None) -> RunFolder:
        """Make the folder that the caller asks for, or one named by the local time below ``reports/runs``."""
        if out is not None:
            check_out(out)
            out.mkdir(parents=True, exist_ok=True)
            return cls.existing(out)
        runs = workbook_folder("reports") / "runs"
        runs.mkdir(exist_ok=True)
        stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        suffix = 1
        while True:
            path = runs / (stamp if suffix == 1 else f"{stamp}-{suffix}")
            try:
                path.mkdir()
            except FileExistsError:
                suffix += 1
            else:
                return cls(path)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """Take a folder that exists, with what the run before has listed in its manifest."""
        manifest = read_manifest(path) or {}
        return cls(path, _plain(manifest.get("files", ())), _plain(manifest.get("runs", ())))

    def subfolder(self, name: str) -> RunFolder:
        """Make the folder of one run of a sweep, or take the one that is there."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        self.runs.append(name)
        return self.existing(path)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the run."""
        path = self.path / name
        write_atomic(path, content)
        if name not in self.files:
            self.files.append(name)
        return path

    def remove_leftovers(self) -> None:
        """Remove what an earlier run has left here and this one has not replaced."""
        for name in self.previous:
            if name not in self.files:
                with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                    (self.path / name).unlink()
        for name in self.previous_runs:
            if name not in self.runs and read_manifest(self.path / name) is not None:
                self.existing(self.path / name).remove_leftovers()
                with suppress(OSError):  # somebody has put a file there: it stays
                    (self.path / name).rmdir()


def _plain(names: Iterable[Any]) -> tuple[str, ...]:
    """Names that lie in a folder; anybody can edit a manifest, and what lies elsewhere is not ours to remove."""
    return tuple(name for name in names if isinstance(name, str) and Path(name).name == name)
