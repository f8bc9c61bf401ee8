"""Data frames handed over in memory: take any eager frame, and tell two of them apart."""

from __future__ import annotations

import hashlib
from typing import Any

import narwhals as nw
import pandas as pd

from crm_utils.errors import ContractError, Problem


def as_pandas(table: str, frame: Any) -> pd.DataFrame:
    """Give any eager frame as a pandas frame of its own.

    Parameters
    ----------
    table : str
        Contract name, for the message.
    frame : pandas, Polars or other eager frame
        Not modified.

    Returns
    -------
    pandas.DataFrame
        Index 0, 1, …; column names are text.

    Raises
    ------
    ContractError
        If it is no data frame.
    """
    if not isinstance(frame, pd.DataFrame):
        eager = nw.from_native(frame, eager_only=True, pass_through=True)
        if not isinstance(eager, nw.DataFrame):
            rule = f"a {type(frame).__name__} is no data frame"
            raise ContractError([Problem(table, "", rule, "give a pandas or Polars data frame")])
        frame = eager.to_pandas()
    return frame.reset_index(drop=True).rename(columns=str)


def frame_digest(frame: pd.DataFrame) -> bytes:
    """Give a hash of a frame's column names and values.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells may hold anything with a `repr`.

    Returns
    -------
    bytes
        SHA-256.
    """
    digest = hashlib.sha256(repr(list(frame.columns)).encode())
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        try:
            hashes = pd.util.hash_pandas_object(column, index=False)
        except TypeError:  # cells that hold lists and the like
            hashes = pd.util.hash_pandas_object(column.map(repr), index=False)
        digest.update(hashes.to_numpy().tobytes())
    return digest.digest()
