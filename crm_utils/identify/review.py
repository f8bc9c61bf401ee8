"""Clerical review: where no truth is known, people label a sample of pairs, and the sample speaks for all of them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, customer_problems, first_rows, missing_columns, raise_problems
from crm_utils.company.conversion import FALSE_WORDS, TRUE_WORDS
from crm_utils.errors import ParameterError
from crm_utils.identify.evaluation import Estimate
from crm_utils.intervals import wilson
from crm_utils.language import formula_safe, tr

LABEL = "same_person"

_WEIGHTS = (-10.0, -5.0, 0.0, 5.0, 10.0, 20.0)
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

    Half of the sample is spread evenly over the bands, half goes where the model is least sure: in proportion to the
    sum of √(p(1 − p)) over a band's pairs, which would be Neyman's allocation if the probabilities were right.

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


@dataclass(frozen=True)
class ReviewEstimate:
    """Precision and recall at a threshold, estimated from labelled pairs.

    Parameters
    ----------
    precision, recall : Estimate
        Among scored pairs, by the pairs labelled yes or no.
    precision_error, recall_error : float
        Standard errors (Cochran; delta method for recall). They are 0 where all labels of each band agree; the
        intervals are not.
    precision_bounds, recall_bounds : tuple of float
        Smallest and largest value that the unsure pairs leave open: as if each were no, or yes, whichever is worse
        or better.
    matches, links : float, int
        Estimated matches among all scored pairs; pairs at or above the threshold.
    threshold, level : float
        Match probability and confidence level.
    labelled, unsure, blank : int
        Pairs labelled yes or no, labelled unsure, and not labelled.
    bands : pandas.DataFrame
        What the estimate rests on, one row a band and side of the threshold: ``band``, ``linked``, ``pairs``,
        ``labelled``, ``yes``, ``unsure``, ``match_share``, ``low_share``, ``high_share``.
    notes : tuple of str
        What the estimate cannot see.
    """

    precision: Estimate
    recall: Estimate
    precision_error: float
    recall_error: float
    precision_bounds: tuple[float, float]
    recall_bounds: tuple[float, float]
    matches: float
    links: int
    threshold: float
    level: float
    labelled: int
    unsure: int
    blank: int
    bands: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """For people: ``measure``, ``share``, ``low_share``, ``high_share``, ``worst_share``, ``best_share``."""
        rows = [
            (tr("precision"), *self.precision, *self.precision_bounds),
            (tr("recall among scored pairs"), *self.recall, *self.recall_bounds),
        ]
        return pd.DataFrame(rows, columns=["measure", "share", "low_share", "high_share", "worst_share", "best_share"])


def review_estimate(
    reviewed: pd.DataFrame, pairs: pd.DataFrame, *, threshold: float, level: float = 0.95
) -> ReviewEstimate:
    """Estimate precision and recall at a threshold from labelled pairs, for all scored pairs.

    The bands of the sample, cut once more at the threshold, are strata of known size; a stratum's share of matches is
    that of its labels, and totals add up over strata. Precision is the matches among the links by the links; recall
    the matches among the links by all matches. The intervals combine Wilson's interval of each stratum (with finite
    population correction) by the method of variance estimates recovery, and so stay honest where a stratum's labels all
    agree and a standard error would be zero.

    Parameters
    ----------
    reviewed : pandas.DataFrame
        Result of `read_review`.
    pairs : pandas.DataFrame
        The scored pairs from which the sample was drawn: ``match_weight``, ``match_probability``.
    threshold : float
        Match probability above 0 and below 1; pairs at or above it are links.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    ReviewEstimate
        Estimates, bounds for unsure pairs, and what cannot be seen. Unsure and blank pairs are left out of the
        estimates, as if they were like the others of their band.

    Raises
    ------
    ParameterError
        If columns are missing, the pairs are others than those of the sample, or a stratum has no label.

    References
    ----------
    Cochran, W. G. (1977). *Sampling Techniques*, 3rd ed., secs. 5.10 and 6.10–6.12. Wiley.
    Yan, X. & Su, X. G. (2010). Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions.
    *Statistics in Biopharmaceutical Research* 2(3), 329–335.
    Donner, A. & Zou, G. Y. (2012). Closed-form confidence intervals for functions of the normal mean and standard
    deviation. *Statistical Methods in Medical Research* 21(4), 347–359 (interval of a ratio).

    Examples
    --------
    >>> pairs = pd.DataFrame({"record_id_l": range(40), "record_id_r": range(40, 80),
    ...                       "match_weight": [8.0] * 20 + [-8.0] * 20,
    ...                       "match_probability": [0.99] * 20 + [0.01] * 20})
    >>> records = pd.DataFrame({"record_id": range(80)})
    >>> sample = draw_review_sample(pairs, records, size=20)
    >>> sample["same_person"] = np.where(sample["match_weight"] > 0, "yes", "no")
    >>> estimate = review_estimate(sample, pairs, threshold=0.5)
    >>> estimate.precision.value, round(estimate.precision.low, 2), estimate.recall.value
    (1.0, 0.84, 1.0)
    """
    columns = (LABEL, "band_from", "band_to", "band_pairs", "match_probability")
    problems = missing_columns(pairs, _PAIR_COLUMNS[2:], "pairs") + missing_columns(reviewed, columns, "reviewed")
    if not 0 < threshold < 1:
        problems.append(f"threshold must lie above 0 and below 1, and is {threshold!r}")
    if not 0 < level < 1:
        problems.append(f"level must lie between 0 and 1, and is {level!r}")
    raise_problems("review_estimate", problems)
    if other := set(reviewed[LABEL].dropna()) - {"yes", "no", "unsure"}:
        problems.append(f"reviewed.{LABEL} holds {sorted(map(str, other))[:3]}; read the labels with read_review")
    bands = _strata(reviewed, pairs, threshold, problems)
    raise_problems("review_estimate", problems)

    bands["low_share"], bands["high_share"] = low, high = _wilson_finite(bands, level)
    size, share = bands["pairs"].to_numpy(), bands["match_share"].to_numpy()
    linked = bands["linked"].to_numpy(dtype=bool)
    found, missed = (_total(size[side], share[side], low[side], high[side]) for side in (linked, ~linked))
    links, matches = int(size[linked].sum()), found.value + missed.value
    undefined = Estimate(np.nan, np.nan, np.nan)
    precision_error, recall_error = _standard_errors(bands, found.value, missed.value)
    precision_bounds, recall_bounds = _bounds(bands)
    blank = int(reviewed[LABEL].isna().sum())
    return ReviewEstimate(
        precision=Estimate(*(total / links for total in found)) if links else undefined,
        recall=Estimate(found.value / matches, *_recall_interval(found, missed)) if matches else undefined,
        precision_error=precision_error,
        recall_error=recall_error,
        precision_bounds=precision_bounds,
        recall_bounds=recall_bounds,
        matches=matches,
        links=links,
        threshold=threshold,
        level=level,
        labelled=int(bands["labelled"].sum()),
        unsure=int(bands["unsure"].sum()),
        blank=blank,
        bands=bands,
        notes=_notes(bands, blank, len(pairs)),
    )


def _edges(weights: Sequence[float], threshold: float | None) -> tuple[np.ndarray, list[str]]:
    edges = np.asarray(weights, dtype=float)
    problems = []
    if edges.ndim != 1 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        problems.append(f"weights must be finite and ascending, and are {list(weights)}")
    if threshold is not None:
        if not 0 < threshold < 1:
            problems.append(f"threshold must lie above 0 and below 1, and is {threshold!r}")
        else:
            edges = np.union1d(edges, np.log2(threshold / (1 - threshold)))
    return edges, problems


def _band_name(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return tr("any")
    if np.isinf(low):
        return tr("below {high:.4g}").format(high=high)
    if np.isinf(high):
        return tr("{low:.4g} and more").format(low=low)
    return tr("{low:.4g} to {high:.4g}").format(low=low, high=high)


def _allocate(size: int, available: np.ndarray, unsure: np.ndarray) -> np.ndarray:
    """Spread `size` over bands: half evenly, half by uncertainty, never more than a band has."""
    filled = available > 0
    if size < 2 * filled.sum():
        raise ParameterError(
            f"draw_review_sample: size is {size} for {filled.sum()} bands with pairs; draw at least two for each."
        )
    wish = np.where(filled, 0.5 / filled.sum(), 0.0) + 0.5 * unsure / (unsure.sum() or 1.0)
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
    options = {"dtype": "str", "keep_default_na": False, "sep": None, "engine": "python"}
    try:
        return pd.read_csv(path, encoding="utf-8-sig", **options)
    except UnicodeDecodeError:
        return pd.read_csv(path, encoding="gb18030", **options)
    except FileNotFoundError:
        raise ParameterError(f"read_review: there is no file {path}; write one with write_review.") from None


def _label_text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if pd.isna(value):
        return ""
    return str(value).strip().casefold().removesuffix(".0")


def _strata(reviewed: pd.DataFrame, pairs: pd.DataFrame, threshold: float, problems: list[str]) -> pd.DataFrame:
    """Bands cut at the threshold, one row each: size among all pairs, and labels."""
    weight, probability = (as_numbers(pairs[c], f"pairs.{c}", problems) for c in _PAIR_COLUMNS[2:])
    labels, is_link = reviewed[LABEL].to_numpy(object), reviewed["match_probability"].to_numpy(float) >= threshold
    rows, unlabelled, covered = [], [], 0
    for (low, high, size), of_band in reviewed.groupby(["band_from", "band_to", "band_pairs"]).indices.items():
        inside = (weight >= low) & (weight < high)
        name = _band_name(low, high)
        if inside.sum() != size:
            problems.append(
                f"the band of match weight {name} has {int(inside.sum()):,} pairs, and had {size:,} when the sample "
                "was drawn; give the pairs that it was drawn from"
            )
        covered += inside.sum()
        decided = np.isin(labels[of_band], ["yes", "no"])
        if not decided.any():
            unlabelled.append(name)
            continue
        for linked in (False, True):
            pairs_here = int((inside & ((probability >= threshold) == linked)).sum())
            if not pairs_here:
                continue
            here = labels[of_band[is_link[of_band] == linked]]
            n = int(np.isin(here, ["yes", "no"]).sum())
            # Nobody looked at this side of a band: the band as a whole is the best guess, and nothing bounds it.
            share = (here == "yes").sum() / n if n else (labels[of_band] == "yes").sum() / decided.sum()
            rows.append((name, linked, pairs_here, n, int((here == "yes").sum()), int((here == "unsure").sum()), share))
    if unlabelled:
        problems.append(
            f"no pair is labelled yes or no in the bands {', '.join(unlabelled)}; label at least two in each"
        )
    if covered != len(pairs) and not problems:
        problems.append(
            f"the bands of the sample hold {covered:,} of {len(pairs):,} pairs; give the pairs that it was drawn from"
        )
    return pd.DataFrame(rows, columns=["band", "linked", "pairs", "labelled", "yes", "unsure", "match_share"])


def _wilson_finite(bands: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of each stratum's share of matches, with finite population correction."""
    size, n, share = (bands[column].to_numpy(dtype=float) for column in ("pairs", "labelled", "match_share"))
    low, high = np.where(n > 0, share, 0.0), np.where(n > 0, share, 1.0)
    partly = (n > 0) & (n < size)
    # With the correction, n of N say as much as n/(1 − n/N) drawn from endlessly many.
    effective = n[partly] / (1 - n[partly] / size[partly])
    low[partly], high[partly] = wilson(share[partly] * effective, effective, level=level)
    return low, high


def _total(size: np.ndarray, share: np.ndarray, low: np.ndarray, high: np.ndarray) -> Estimate:
    """Matches in some strata: distances to the ends of independent intervals add up as squares."""
    value = float((size * share).sum())
    below, above = np.sqrt(((size * (share - low)) ** 2).sum()), np.sqrt(((size * (high - share)) ** 2).sum())
    return Estimate(value, value - float(below), value + float(above))


def _recall_interval(found: Estimate, missed: Estimate) -> tuple[float, float]:
    """Ends of the interval of recall R: where the interval of (1 − R)·found − R·missed touches zero."""
    from scipy.optimize import brentq

    def lower(recall: float) -> float:
        margin = np.hypot((1 - recall) * (found.value - found.low), recall * (missed.high - missed.value))
        return (1 - recall) * found.value - recall * missed.value - margin

    def upper(recall: float) -> float:
        margin = np.hypot((1 - recall) * (found.high - found.value), recall * (missed.value - missed.low))
        return (1 - recall) * found.value - recall * missed.value + margin

    return float(brentq(lower, 0, 1)), float(brentq(upper, 0, 1))


def _standard_errors(bands: pd.DataFrame, found: float, missed: float) -> tuple[float, float]:
    """Cochran's standard errors of precision and, by the delta method, recall."""
    size, n, share = (bands[column].to_numpy(dtype=float) for column in ("pairs", "labelled", "match_share"))
    linked = bands["linked"].to_numpy(dtype=bool)
    if (n == 0).any():
        return np.nan, np.nan
    variance = size**2 * (1 - n / size) * share * (1 - share) / np.maximum(n - 1, 1)
    of_found, of_missed = variance[linked].sum(), variance[~linked].sum()
    matches, links = found + missed, size[linked].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = np.divide(found, matches)
        recall_error = np.sqrt((1 - recall) ** 2 * of_found + recall**2 * of_missed) / matches
        return float(np.sqrt(of_found) / links), float(recall_error)


def _bounds(bands: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Smallest and largest precision and recall that the unsure pairs leave open."""
    size, n, yes, unsure = (bands[column].to_numpy(dtype=float) for column in ("pairs", "labelled", "yes", "unsure"))
    seen = n + unsure
    as_no = np.where(seen > 0, yes / np.maximum(seen, 1), bands["match_share"]) * size
    as_yes = np.where(seen > 0, (yes + unsure) / np.maximum(seen, 1), bands["match_share"]) * size
    linked = bands["linked"].to_numpy(dtype=bool)
    links = size[linked].sum()
    precision = tuple(_share(total[linked].sum(), links) for total in (as_no, as_yes))
    recall = tuple(
        _share(inside[linked].sum(), inside[linked].sum() + outside[~linked].sum())
        for inside, outside in ((as_no, as_yes), (as_yes, as_no))
    )
    return precision, recall


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _notes(bands: pd.DataFrame, blank: int, pairs: int) -> tuple[str, ...]:
    notes = [
        tr(
            "Only the {pairs:,} scored pairs can be judged: records of one person that blocking never brought together "
            "are missed without being seen here, so that recall over all records is lower."
        ).format(pairs=pairs)
    ]
    if unsure := int(bands["unsure"].sum()):
        notes.append(
            tr(
                "{unsure:,} pairs were labelled unsure: they are left out, and the bounds say what they leave open."
            ).format(unsure=unsure)
        )
    if blank:
        notes.append(tr("{blank:,} pairs of the sample have no label yet.").format(blank=blank))
    if (bands["labelled"] == 0).any():
        notes.append(
            tr("The threshold cuts a band of which one side has no label; draw the sample with threshold=… instead.")
        )
    return tuple(notes)
