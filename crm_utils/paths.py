"""Where the workbook's own files are."""

from __future__ import annotations

from pathlib import Path

from crm_utils.errors import CrmError

HOME = Path(__file__).resolve().parent.parent


def workbook_folder(name: str) -> Path:
    """Find one of the workbook's top-level folders.

    Parameters
    ----------
    name : str
        Folder below the workbook's home, such as ``"notebooks"`` or ``"data/demo"``.

    Returns
    -------
    pathlib.Path
        The existing folder.

    Raises
    ------
    CrmError
        If the folder is not there, as when the package was installed without its notebooks.

    Examples
    --------
    >>> workbook_folder("notebooks").name
    'notebooks'
    """
    folder = HOME / name
    if not folder.is_dir():
        raise CrmError(
            f"The workbook's folder {name!r} is not beside the package (looked in {HOME}): crm_utils needs the "
            "whole workbook. Install it from a clone with 'pip install -e .' and keep the clone."
        )
    return folder
