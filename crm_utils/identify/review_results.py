"""What labelled pairs say of all scored pairs: precision and recall at a threshold, with intervals and bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.checks import as_numbers, level_problems, missing_columns, raise_problems
from crm_utils.identify.evaluation import Estimate
from crm_utils.identify.review import LABEL
from crm_utils.language import tr

_SCORES = ("match_weight", "match_probability")


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
    the matches among the links by all matches. The intervals combine those of the strata by the method of variance
    estimates recovery. A stratum's is Clopper and Pearson's, with the finite population correction: samples are small
    and shares close to 0 or 1, where a standard error of zero claims certainty and Wilson's interval is too short.

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
    Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data. *Survey Methodology* 24(2), 193–201.
    Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general approach.
    *Statistics in Medicine* 27(10), 1693–1702.

    Examples
    --------
    >>> pairs = pd.DataFrame({"record_id_l": range(40), "record_id_r": range(40, 80),
    ...                       "match_weight": [8.0] * 20 + [-8.0] * 20,
    ...                       "match_probability": [0.99] * 20 + [0.01] * 20})
    >>> records = pd.DataFrame({"record_id": range(80)})
    >>> from crm_utils.identify.review import draw_review_sample
    >>> sample = draw_review_sample(pairs, records, size=20)
    >>> sample["same_person"] = np.where(sample["match_weight"] > 0, "yes", "no")
    >>> estimate = review_estimate(sample, pairs, threshold=0.5)
    >>> estimate.precision.value, round(estimate.precision.low, 2), estimate.recall.value
    (1.0, 0.83, 1.0)
    """
    columns = (LABEL, "band_from", "band_to", "band_pairs", "match_probability")
    problems = missing_columns(pairs, _SCORES, "pairs") + missing_columns(reviewed, columns, "reviewed")
    if not 0 < threshold < 1:
        problems.append(f"threshold must lie above 0 and below 1, and is {threshold!r}")
    problems += level_problems(level)
    raise_problems("review_estimate", problems)
    if other := set(reviewed[LABEL].dropna()) - {"yes", "no", "unsure"}:
        problems.append(f"reviewed.{LABEL} holds {sorted(map(str, other))[:3]}; read the labels with read_review")
    bands = _strata(reviewed, pairs, threshold, problems)
    raise_problems("review_estimate", problems)

    bands["low_share"], bands["high_share"] = low, high = _share_intervals(bands, level)
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


def _band_name(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return tr("any")
    if np.isinf(low):
        return tr("below {high:.4g}").format(high=high)
    if np.isinf(high):
        return tr("{low:.4g} and more").format(low=low)
    return tr("{low:.4g} to {high:.4g}").format(low=low, high=high)


def _strata(reviewed: pd.DataFrame, pairs: pd.DataFrame, threshold: float, problems: list[str]) -> pd.DataFrame:
    """Bands cut at the threshold, one row each: size among all pairs, and labels."""
    weight, probability = (as_numbers(pairs[c], f"pairs.{c}", problems) for c in _SCORES)
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


def _share_intervals(bands: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's interval of each stratum's share of matches, with finite population correction."""
    from statsmodels.stats.proportion import proportion_confint

    size, n, share = (bands[column].to_numpy(dtype=float) for column in ("pairs", "labelled", "match_share"))
    low, high = np.where(n > 0, share, 0.0), np.where(n > 0, share, 1.0)
    partly = (n > 0) & (n < size)
    # With the correction, n of N say as much as n/(1 − n/N) drawn from endlessly many.
    effective = n[partly] / (1 - n[partly] / size[partly])
    low[partly], high[partly] = proportion_confint(share[partly] * effective, effective, alpha=1 - level, method="beta")
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
            "Only the {pairs:,} scored pairs can be judged. Records of one person that blocking never brought "
            "together, or that scored too low to be kept, are missed without being seen here; recall over all "
            "records is lower."
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
