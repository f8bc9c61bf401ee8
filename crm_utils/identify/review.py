"""Clerical review: where no truth is known, people label a sample of pairs, and the sample speaks for all of them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, customer_problems, first_rows, missing_columns, raise_problems
from crm_utils.company.conversion import FALSE_WORDS, TRUE_WORDS
from crm_utils.errors import ParameterError
from crm_utils.identify.weights import weight_of
from crm_utils.language import formula_safe

LABEL = "same_person"

_WEIGHTS = (-10.0, -5.0, 0.0, 5.0, 10.0)
_UNSURE_WORDS = ("unsure", "?", "？", "maybe", "不确定", "不確定")
_WORDS = {
    **dict.fromkeys(TRUE_WORDS, "yes"),
    **dict.fromkeys(FALSE_WORDS, "no"),
    **dict.fromkeys(_UNSURE_WORDS, "unsure"),
}
_PAIR_COLUMNS = ("record_id_l", "record_id_r", "match_weight", "match_probability")
# What a reviewer must not see: what the model thinks, and the answer.
_FOR_ESTIMATE = ("match_weight", "match_probability", "band_from", "band_to", "band_pairs", "sampling_weight")
_HIDDEN = ("true_customer_id", "cluster_id")


def draw_review_sample(
    pairs: pd.DataFrame,
    records: pd.DataFrame,
    *,
    size: int = 200,
    threshold: float | None = None,
    weights: Sequence[float] = _WEIGHTS,
    columns: Sequence[str] | None = None,
    id_col: str = "record_id",
    seed: int = 7,
) -> pd.DataFrame:
    """Draw pairs to be looked at by people: a random sample within bands of match weight.

    Half of the sample goes where the model is least sure, in proportion to the sum of √(p(1 − p)) over a band's pairs:
    Neyman's allocation, if the probabilities are right. The other half checks the model where it is sure, in proportion
    to (pairs in the band)^⅔: where all n labels of a band of N agree, doubt about N/n of its pairs remains, and this
    makes the sum of squared doubts least.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Scored pairs, each once: ``record_id_l``, ``record_id_r``, ``match_weight``, ``match_probability``.
    records : pandas.DataFrame
        One row a record.
    size : int, default 200
        Pairs to draw, at least two for each band.
    threshold : float, optional
        Match probability at which links are to be judged; it becomes the edge of a band, which makes the estimates at
        it more precise.
    weights : sequence of float
        Ascending match weights at which one band ends and the next begins.
    columns : sequence of str, optional
        Fields of the records to show. Default: all but the record's id and the columns ``true_customer_id`` and
        ``cluster_id``.
    id_col : str, default "record_id"
        Column of `records`.
    seed : int, default 7
        Seed; each band has a child seed of its own. The order of the pairs does not matter.

    Returns
    -------
    pandas.DataFrame
        One row a pair, in random order: ``pair`` (a code made of the two records), ``record_id_l``, ``record_id_r``,
        each field as ``<field>_l`` and ``<field>_r``, ``same_person`` (missing), ``match_weight``,
        ``match_probability``, ``band_from`` and ``band_to`` (match weights), ``band_pairs`` (pairs in the band) and
        ``sampling_weight`` (pairs that this one stands for). It holds personal data as far as the fields do.

    Raises
    ------
    ParameterError
        If columns are missing, a record of a drawn pair is not in `records`, or an option is out of range.

    References
    ----------
    Cochran, W. G. (1977). *Sampling Techniques*, 3rd ed., secs. 5.5 and 5.9. Wiley.

    Examples
    --------
    >>> pairs = pd.DataFrame({"record_id_l": list("abc"), "record_id_r": list("def"),
    ...                       "match_weight": [8.0, 0.5, -9.0], "match_probability": [0.996, 0.586, 0.002]})
    >>> records = pd.DataFrame({"record_id": list("abcdef"), "name": ["Li", "Wu", "Xu", "Li", "Wo", "He"]})
    >>> sample = draw_review_sample(pairs, records, size=6)
    >>> sample.sort_values("match_weight")[["record_id_l", "name_l", "name_r", "band_from", "sampling_weight"]]
      record_id_l name_l name_r  band_from  sampling_weight
    0           c     Xu     He      -10.0              1.0
    1           b     Wu     Wo        0.0              1.0
    2           a     Li     Li        5.0              1.0
    """
    edges, problems = _edges(weights, threshold)
    problems += missing_columns(pairs, _PAIR_COLUMNS, "pairs")
    if id_col in records:
        problems += customer_problems(records, id_col, "records")
    shown = [c for c in records.columns if c not in (id_col, *_HIDDEN)] if columns is None else list(columns)
    problems += missing_columns(records, (id_col, *shown), "records")
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 2:
        problems.append(f"size must be a whole number of at least 2, and is {size!r}")
    if not problems and pairs.empty:
        problems.append("pairs is empty: blocking proposed none, so there is nothing to look at")
    raise_problems("draw_review_sample", problems)

    weight = as_numbers(pairs["match_weight"], "pairs.match_weight", problems)
    probability = as_numbers(pairs["match_probability"], "pairs.match_probability", problems)
    raise_problems("draw_review_sample", problems)
    band = np.searchsorted(edges, weight, side="right")
    band_pairs = np.bincount(band, minlength=len(edges) + 1)
    unsure = np.bincount(band, weights=np.sqrt(probability * (1 - probability)), minlength=len(edges) + 1)
    sizes = _allocate(int(size), band_pairs, unsure)
    root, shuffle = np.random.SeedSequence(seed).spawn(2)
    order = np.argsort(_pair_hash(pairs), kind="stable")
    rows = []
    for number, child in enumerate(root.spawn(len(sizes))):
        members = order[band[order] == number]
        rows.append(np.random.default_rng(child).choice(members, size=sizes[number], replace=False))
    drawn = np.random.default_rng(shuffle).permutation(np.concatenate(rows))

    chosen = pairs.iloc[drawn].reset_index(drop=True)
    fields = records.set_index(id_col)[shown]
    absent = sorted({str(i) for c in ("record_id_l", "record_id_r") for i in chosen[c] if i not in fields.index})
    if absent:
        raise_problems(
            "draw_review_sample", [f"{len(absent):,} records of the pairs are not in records ({', '.join(absent[:3])})"]
        )
    sides = {side: fields.loc[chosen[f"record_id_{side}"]].reset_index(drop=True) for side in "lr"}
    sample = pd.DataFrame({"pair": _pair_codes(chosen), **{c: chosen[c] for c in ("record_id_l", "record_id_r")}})
    for column in shown:
        for side, values in sides.items():
            sample[f"{column}_{side}"] = values[column]
    sample[LABEL] = pd.Series(pd.NA, index=sample.index, dtype="str")
    sample["match_weight"], sample["match_probability"] = weight[drawn], probability[drawn]
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    sample["band_from"], sample["band_to"] = ends[band[drawn]], ends[band[drawn] + 1]
    sample["band_pairs"] = band_pairs[band[drawn]]
    sample["sampling_weight"] = (band_pairs / np.maximum(sizes, 1))[band[drawn]]
    return sample


def write_review(sample: pd.DataFrame, path: str | Path) -> Path:
    """Write the pairs to label as a CSV file for a spreadsheet.

    The reviewer sees the two records side by side and the empty column ``same_person``, and neither match weight nor
    probability, which would colour the judgement. The file is UTF-8 with a byte order mark, so that Excel shows
    Chinese, and no cell can act as a formula. It holds personal data as far as the sample does.

    Parameters
    ----------
    sample : pandas.DataFrame
        Result of `draw_review_sample`.
    path : str or Path
        File to write; an existing one is not overwritten, for it may hold labels.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ParameterError
        If the sample lacks columns or the file exists.

    Examples
    --------
    >>> import tempfile
    >>> sample = pd.DataFrame({"pair": ["P1"], "record_id_l": ["a"], "record_id_r": ["b"], "name_l": ["=1+1"],
    ...                        "name_r": ["王"], "same_person": [None], "match_weight": [3.0]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_review(sample, Path(folder) / "review.csv").read_text(encoding="utf-8-sig").strip())
    pair,record_id_l,record_id_r,name_l,name_r,same_person
    P1,a,b,'=1+1,王,
    """
    path = Path(path)
    problems = missing_columns(sample, ("pair", "record_id_l", "record_id_r", LABEL), "sample")
    if path.exists():
        problems.append(f"{path.name} exists and may hold labels; choose another name or move it away")
    raise_problems("write_review", problems)
    seen = sample.drop(columns=list(_FOR_ESTIMATE), errors="ignore")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([formula_safe(str(column)) for column in seen.columns])
        for row in seen.itertuples(index=False):
            writer.writerow(["" if pd.isna(cell) else _cell_text(cell) for cell in row])
    return path


def read_review(source: str | Path | pd.DataFrame, sample: pd.DataFrame) -> pd.DataFrame:
    """Read the labels back and put them beside the sample.

    Pairs are recognised by their code in ``pair``: rows may be sorted, columns removed, and record ids mangled by the
    spreadsheet. Accepted are yes/no, true/false, y/n, 1/0, 是/否, and unsure, maybe, ?, 不确定; a blank is a pair that
    nobody has looked at yet, and so is a pair of the sample whose row is gone.

    Parameters
    ----------
    source : str, Path or pandas.DataFrame
        CSV file (UTF-8, or GB 18030 as a Chinese Excel writes), or its table: ``pair`` and ``same_person``.
    sample : pandas.DataFrame
        Result of `draw_review_sample` from which the file was written.

    Returns
    -------
    pandas.DataFrame
        `sample` with ``same_person`` filled: ``"yes"``, ``"no"``, ``"unsure"`` or missing.

    Raises
    ------
    ParameterError
        If a pair is unknown, labelled twice, or has another label: every such row, with its number in the file.

    Examples
    --------
    >>> sample = pd.DataFrame({"pair": ["P1", "P2", "P3"], "same_person": [None, None, None]})
    >>> labelled = pd.DataFrame({"pair": ["P3", "P1"], "same_person": ["是", "No"]})
    >>> read_review(labelled, sample)["same_person"].tolist()
    ['no', nan, 'yes']
    """
    labelled = source if isinstance(source, pd.DataFrame) else _read_csv(Path(source))
    raise_problems(
        "read_review",
        [
            *missing_columns(labelled, ("pair", LABEL), "the review"),
            *missing_columns(sample, ("pair", LABEL), "sample"),
        ],
    )
    codes = labelled["pair"].astype("str").str.strip()
    raw = labelled[LABEL].map(_label_text)
    empty = codes.isna() | (codes == "")
    codes, raw = codes[~empty], raw[~empty]
    rows = [f"row {position + 2}" for position in np.flatnonzero(~empty)]  # row 1 of a file is its header
    labels = raw.map(_WORDS)
    checks = (
        (~codes.isin(sample["pair"]), codes, "pairs that are not in the sample", "was it drawn with another seed?"),
        (codes.duplicated(), codes, "pairs that are there already", "keep one row a pair"),
        ((raw != "") & labels.isna(), raw, "labels that cannot be read", "write yes, no or unsure (是, 否, 不确定)"),
    )
    problems = []
    for flags, values, what, remedy in checks:
        if flags.any():
            named = [f"{row}: {value!r}" for row, value in zip(rows, values, strict=True)]
            problems.append(f"{int(flags.sum()):,} {what} ({first_rows(flags.to_numpy(), named, limit=10)}); {remedy}")
    raise_problems("read_review", problems)
    result = sample.copy()
    result[LABEL] = sample["pair"].map(dict(zip(codes, labels, strict=True))).astype("str")
    return result


def _edges(weights: Sequence[float], threshold: float | None) -> tuple[np.ndarray, list[str]]:
    edges = np.asarray(weights, dtype=float)
    problems = []
    if edges.ndim != 1 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        problems.append(f"weights must be finite and ascending, and are {list(weights)}")
    if threshold is not None:
        if not 0 < threshold < 1:
            problems.append(f"threshold must lie above 0 and below 1, and is {threshold!r}")
        else:
            edges = np.union1d(edges, weight_of(threshold))
    return edges, problems


def _allocate(size: int, available: np.ndarray, unsure: np.ndarray) -> np.ndarray:
    """Spread `size` over bands: half by uncertainty, half by number; at least two each, never more than there are."""
    filled = available > 0
    if size < 2 * filled.sum():
        raise ParameterError(
            f"draw_review_sample: size is {size} for {filled.sum()} bands with pairs; draw at least two for each."
        )
    number = available ** (2 / 3)
    wish = 0.5 * number / number.sum() + 0.5 * unsure / (unsure.sum() or 1.0)
    sizes = np.minimum(available, np.where(filled, 2, 0))
    while (left := min(size, available.sum()) - sizes.sum()) > 0:
        room = np.where(sizes < available, wish, 0.0)
        target = np.floor(left * room / room.sum()).astype(int)
        if not target.any():
            # What rounding leaves goes one by one to the bands that are furthest below their wish.
            short = np.where(sizes < available, wish * size - sizes, -np.inf)
            target[np.argsort(-short, kind="stable")[:left]] = 1
        sizes = np.minimum(available, sizes + target)
    return sizes


def _pair_hash(pairs: pd.DataFrame) -> np.ndarray:
    """Give a number to each pair that depends neither on the row nor on which record comes first."""
    left, right = (
        pd.util.hash_array(pairs[column].to_numpy(object), categorize=True) for column in ("record_id_l", "record_id_r")
    )
    return pd.util.hash_array(left + right)


def _pair_codes(pairs: pd.DataFrame) -> list[str]:
    """Short codes that a spreadsheet does not take for numbers, the same for the same two records."""
    both = zip(pairs["record_id_l"].astype("str"), pairs["record_id_r"].astype("str"), strict=True)
    return ["P" + hashlib.blake2s("\0".join(sorted(two)).encode(), digest_size=5).hexdigest() for two in both]


def _cell_text(cell: Any) -> str:
    if isinstance(cell, pd.Timestamp) and cell == cell.normalize():
        return f"{cell:%Y-%m-%d}"
    return formula_safe(str(cell))


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ParameterError(f"read_review: there is no file {path}; write one with write_review.") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)  # spreadsheets write what their language uses
    return pd.read_csv(io.StringIO(text), sep=separator, dtype="str", keep_default_na=False)


def _label_text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if pd.isna(value):
        return ""
    return str(value).strip().casefold().removesuffix(".0")
