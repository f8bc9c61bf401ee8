"""Order lines of any kind, and the rules by which they count: the only code that touches order lines at scale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd

from crm_utils.company.company_yml import nearest
from crm_utils.errors import CrmError


@dataclass(frozen=True)
class UsedLines:
    """Order lines that count, under the package's own names.

    Parameters
    ----------
    frame : narwhals.DataFrame or narwhals.LazyFrame
        Columns customer_id, order, day, bought (false for a return), amount, units, and margin, which is infinite where
        it is not known.
    has_units, has_margin : bool
        Whether the lines had what units and margin are made of.
    """

    frame: Any
    has_units: bool
    has_margin: bool


def used_lines(
    lines: Any,
    *,
    before: pd.Timestamp,
    since: pd.Timestamp | None = None,
    customer_col: str = "customer_id",
    order_col: str = "order_id",
    time_col: str = "ordered_at",
    amount_col: str = "amount",
    quantity_col: str = "quantity",
    unit_price_col: str = "unit_price",
    discount_col: str = "discount",
    unit_cost_col: str = "unit_cost",
) -> UsedLines:
    """Pick the order lines that count; nothing is read yet where the kind of frame is lazy.

    Parameters
    ----------
    lines : pandas, Polars, DuckDB or PySpark frame, str or pathlib.Path
        As `crm_utils.purchase_summary` takes them. Not modified.
    before : pandas.Timestamp
        Day from which on lines are not used.
    since : pandas.Timestamp, optional
        First day that counts.
    customer_col, order_col, time_col, amount_col, quantity_col, unit_price_col, discount_col, unit_cost_col : str
        Columns, as of `crm_utils.purchase_summary`, whose notes tell the rules.

    Returns
    -------
    UsedLines
        The lines.

    Raises
    ------
    CrmError
        If a needed column is absent, times are text or carry a zone, or the file cannot be read.
    """
    numbers = (amount_col, quantity_col, unit_price_col, discount_col, unit_cost_col)
    with telling_what_was_read(lines):
        frame = nw.from_native(_open(lines, texts=(customer_col, order_col), numbers=numbers))
        schema = frame.collect_schema()
    columns = schema.names()
    _require(columns, (customer_col, order_col, time_col))
    has_units = quantity_col in columns
    if amount_col not in columns:
        _require(columns, (quantity_col, unit_price_col), instead_of=amount_col)
    amount, units = _amount(columns, amount_col, quantity_col, unit_price_col, discount_col), nw.lit(None, nw.Float64)
    frame = _with_moments(frame, time_col, schema[time_col])
    used = (nw.col(time_col) < nw.lit(before.to_pydatetime())) & ~nw.col(customer_col).is_null() & ~amount.is_null()
    if schema[customer_col] in (nw.String, nw.Categorical, nw.Object):
        used = used & (nw.col(customer_col).cast(nw.String) != "")
    if since is not None:
        used = used & (nw.col(time_col) >= nw.lit(since.to_pydatetime()))
    returned = amount < 0
    if has_units:
        units = nw.col(quantity_col).cast(nw.Float64)
        used = used & (units != 0).fill_null(True)
        returned = returned | (units < 0).fill_null(False)
    has_margin = has_units and unit_cost_col in columns
    # Infinity stays infinity in every sum on every engine; what is missing would be left out of it.
    margin = nw.lit(None, nw.Float64)
    if has_margin:
        margin = (amount - units * nw.col(unit_cost_col)).fill_null(float("inf"))
    # pandas has no plain date type
    pandas_like = frame.implementation.is_pandas_like()
    day = nw.col(time_col).dt.truncate("1d") if pandas_like else nw.col(time_col).cast(nw.Date)
    kept = frame.filter(used).select(
        customer_id=nw.col(customer_col),
        order=nw.col(order_col),
        day=day,
        bought=~returned,
        amount=amount,
        units=units,
        margin=margin,
    )
    return UsedLines(kept, has_units, has_margin)


def _amount(columns: list[str], amount: str, quantity: str, unit_price: str, discount: str) -> nw.Expr:
    if amount in columns:
        return nw.col(amount).cast(nw.Float64)
    price = nw.col(quantity).cast(nw.Float64) * nw.col(unit_price)
    return price * (1 - nw.col(discount).fill_null(0)) if discount in columns else price


def collected(frame: Any) -> pd.DataFrame:
    """Turn a frame of any kind into one of pandas; a lazy one is computed."""
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect(backend="pyarrow")
    return frame.to_pandas().reset_index(drop=True)


def _with_moments(frame: Any, time_col: str, dtype: nw.dtypes.DType) -> Any:
    """Give the frame with times that can be compared with a day, or say why they cannot."""
    if dtype == nw.Object and frame.implementation.is_pandas():
        native = frame.to_native()
        if pd.api.types.infer_dtype(native[time_col], skipna=True) in ("date", "datetime"):
            moments = pd.to_datetime(native[time_col])
            frame = nw.from_native(native.assign(**{time_col: moments}))
            dtype = frame.schema[time_col]
    if dtype not in (nw.Date, nw.Datetime):
        raise CrmError(
            f"{time_col!r} holds {str(dtype).lower()}, not dates or timestamps: convert it, as with "
            "pandas.to_datetime, or load the table with load_company, which reads any date_format."
        )
    # Spark has one type of timestamp, always in the zone of its session.
    if dtype == nw.Datetime and dtype.time_zone is not None and not frame.implementation.is_pyspark():
        raise CrmError(
            f"{time_col!r} has the time zone {dtype.time_zone}: convert it to the shop's local time without zone, "
            "as with .dt.tz_convert('Asia/Shanghai').dt.tz_localize(None), so that days are the shop's days."
        )
    if frame.implementation.is_pandas_like():
        frame = frame.with_columns(nw.col(time_col).cast(nw.Datetime("us")))
    return frame


@contextmanager
def telling_what_was_read(lines: Any) -> Iterator[None]:
    """Turn an engine's complaint about a file into one that names the file and a remedy."""
    if not isinstance(lines, (str, Path)):
        yield
        return
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        reason = "; ".join(line.strip() for line in str(error).strip().split("\n")[:3])  # what, where, which column
        raise CrmError(
            f"{lines}: the order lines cannot be read ({reason}). Check the path; for other encodings, date formats or "
            "separators use load_company(folder).order_lines, which reads them and names every bad row."
        ) from error


def _open(lines: Any, *, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Any:
    if not isinstance(lines, (str, Path)):
        return lines
    import duckdb

    path = str(lines)
    if path.lower().endswith(".parquet"):
        return duckdb.read_parquet(path, union_by_name=True)
    if not path.lower().endswith((".csv", ".csv.gz")):
        raise CrmError(f"{path}: kind of file not known; give a parquet, csv or csv.gz file, or a glob of one kind.")
    # Types guessed from the first rows would fail at a later id with a letter, or at a later fraction.
    found = duckdb.read_csv(path, union_by_name=True).columns
    types = dict.fromkeys(texts, "VARCHAR") | dict.fromkeys(numbers, "DOUBLE")
    return duckdb.read_csv(
        path, union_by_name=True, dtype={name: kind for name, kind in types.items() if name in found}
    )


def _require(columns: list[str], needed: tuple[str, ...], *, instead_of: str = "") -> None:
    absent = [name for name in needed if name not in columns]
    if absent:
        aside = f" (used because there is no {instead_of!r})" if instead_of else ""
        hints = "; ".join(f"{name!r}: {nearest(name, columns)}" for name in absent)
        raise CrmError(f"Order lines lack {len(absent)} needed column(s){aside}: {hints}")
