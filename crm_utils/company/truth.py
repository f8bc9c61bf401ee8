"""What was planted in the demo company, read from ``data/truth``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from crm_utils.paths import workbook_folder

if TYPE_CHECKING:
    from crm_utils.company.simulate.orchestrate import Truth


def load_truth(folder: str | Path | None = None) -> Truth:
    """Load the truth about the demo company: for the closing sections of notebooks, never for an analysis.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Folder with ``parameters.json`` and one CSV a table; default ``data/truth``.

    Returns
    -------
    Truth
        Planted parameters by subject, and tables of what is true of each person.

    Examples
    --------
    >>> load_truth().parameters["company"]["seed"]
    7
    """
    from crm_utils.company.simulate.orchestrate import Truth

    home = Path(folder) if folder is not None else workbook_folder("data/truth")
    parameters = json.loads((home / "parameters.json").read_text(encoding="utf-8"))
    return Truth(parameters, {path.stem: pd.read_csv(path) for path in sorted(home.glob("*.csv"))})
