"""The simulated company as files: CSV for the frozen demo, Parquet block by block for any size."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from crm_utils.company.simulate.calendar import AS_OF
from crm_utils.company.simulate.orchestrate import (
    CURRENCY,
    NAME,
    check_size,
    company_tables,
    pair_lifts,
    planted_parameters,
    simulate_blocks,
    simulate_tables,
)
from crm_utils.company.simulate.survey import SURVEY_SETTINGS
from crm_utils.errors import CrmError


def csv_text(frame: pd.DataFrame) -> str:
    r"""Write a table as CSV that is the same on every machine.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of text, numbers, flags and time stamps.

    Returns
    -------
    str
        Lines end with ``\n``; dates are ISO, to the minute where any has a time of day and to the second where any
        needs it; flags are ``true`` and ``false``; a missing value is blank.

    Examples
    --------
    >>> csv_text(pd.DataFrame({"day": pd.to_datetime(["2025-01-31"]), "open": [True], "sum": [1.5]}))
    'day,open,sum\n2025-01-31,true,1.5\n'
    """
    written = {}
    for name, values in frame.items():
        if pd.api.types.is_datetime64_any_dtype(values):
            time = values.dropna().dt
            pattern = "%Y-%m-%d"
            if (time.second > 0).any():
                pattern += " %H:%M:%S"
            elif ((time.hour > 0) | (time.minute > 0)).any():
                pattern += " %H:%M"
            values = values.dt.strftime(pattern)
        elif pd.api.types.is_bool_dtype(values):
            values = values.map({True: "true", False: "false"}, na_action="ignore")
        written[name] = values
    return pd.DataFrame(written).to_csv(index=False, lineterminator="\n")


def _company_yml(files: dict[str, str]) -> str:
    tables: dict[str, Any] = {name: {"file": file} for name, file in files.items()}
    tables["survey"] = {**tables.get("survey", {}), **SURVEY_SETTINGS}
    content = {"name": NAME, "currency": CURRENCY, "as_of": AS_OF.date(), "tables": tables}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _parameters_json(seed: int) -> str:
    return json.dumps(planted_parameters(seed), ensure_ascii=False, indent=2) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


def write_company(
    folder: str | Path, *, truth_folder: str | Path, customers: int = 5_000, seed: int = 7
) -> tuple[Path, ...]:
    """Simulate the company and write it as CSV: the code behind ``data/demo`` and ``data/truth``.

    Parameters
    ----------
    folder : str or pathlib.Path
        For the tables and ``company.yml``; made if need be. Files of the same names are replaced.
    truth_folder : str or pathlib.Path
        For ``parameters.json`` and the tables of the truth.
    customers, seed
        As for `simulate_company`.

    Returns
    -------
    tuple of pathlib.Path
        The files written; the same bytes on every call.
    """
    tables, truth = simulate_tables(customers, seed=seed)
    folder, truth_folder = Path(folder), Path(truth_folder)
    paths = [_write(folder / f"{name}.csv", csv_text(frame)) for name, frame in tables.items()]
    paths.append(_write(folder / "company.yml", _company_yml({"survey": "survey.csv"})))
    paths += [_write(truth_folder / f"{name}.csv", csv_text(frame)) for name, frame in truth.tables.items()]
    paths.append(_write(truth_folder / "parameters.json", _parameters_json(seed)))
    return tuple(paths)


def stream_company(
    customers: int,
    out: str | Path,
    *,
    seed: int = 7,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate a company of any size as Parquet, one block of people in memory at a time.

    Parameters
    ----------
    customers : int
        How many people, from 1.
    out : str or pathlib.Path
        Folder that does not exist yet, or is empty. It becomes a company folder: a folder of files a table,
        ``company.yml``, and in ``truth`` what was planted. It appears only once it is complete.
    seed : int, default 7
        From 0.
    progress : callable, optional
        Called after each block with the number of people written and the number asked for.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    CrmError
        If the folder holds something already.
    ParameterError
        If the number of customers or the seed is not a whole number in its range.
    """
    check_size(customers, seed)
    out = Path(out).expanduser().resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CrmError(f"{str(out)!r} exists and is not an empty folder. Name a new folder, or remove this one first.")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _stream(unfinished, customers, seed, progress)
        if out.exists():
            out.rmdir()
        unfinished.chmod(0o755)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return out


class _Parquet:
    """Parquet files whose later parts have the column types of the first, even where a column is all blank."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.schemas: dict[str, Any] = {}
        self.writers: dict[str, Any] = {}

    def _table(self, name: str, frame: pd.DataFrame) -> Any:
        import pyarrow as pa

        table = pa.Table.from_pandas(frame, schema=self.schemas.get(name), preserve_index=False)
        self.schemas.setdefault(name, table.schema)
        return table

    def write_part(self, name: str, number: int, frame: pd.DataFrame) -> str:
        """Write a file of its own; return the glob of all parts."""
        from pyarrow import parquet

        (self.folder / name).mkdir(exist_ok=True)
        path = self.folder / name / f"part-{number:05d}.parquet"
        parquet.write_table(self._table(name, frame), path, compression="zstd")
        return f"{name}/*.parquet"

    def append(self, name: str, frame: pd.DataFrame) -> str:
        """Add rows to one file, which `close` completes."""
        from pyarrow import parquet

        table = self._table(name, frame)
        if name not in self.writers:
            path = self.folder / f"{name}.parquet"
            path.parent.mkdir(exist_ok=True)
            self.writers[name] = parquet.ParquetWriter(path, table.schema, compression="zstd")
        self.writers[name].write_table(table)
        return f"{name}.parquet"

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()


def _stream(folder: Path, customers: int, seed: int, progress: Callable[[int, int], None] | None) -> None:
    files, pairs, written = {}, [], 0
    with closing(_Parquet(folder)) as parquet:
        for number, block in enumerate(simulate_blocks(customers, seed)):
            for name, frame in block.tables.items():
                files[name] = parquet.write_part(name, number, frame)
            for name, frame in block.truth.items():
                if name == "pairs":
                    pairs.append(frame)
                else:
                    parquet.append(f"truth/{name}", frame)
            written += len(block.tables["customers"])
            if progress is not None:
                progress(written, customers)
        whole = company_tables(seed)
        for name, frame in whole.tables.items():
            files[name] = parquet.append(name, frame)
        for name, frame in {**whole.truth, "pairs": pair_lifts(pd.concat(pairs))}.items():
            parquet.append(f"truth/{name}", frame)
    _write(folder / "truth" / "parameters.json", _parameters_json(seed))
    _write(folder / "company.yml", _company_yml(files))
