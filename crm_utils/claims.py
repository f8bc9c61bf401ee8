"""Textbook claims put to the test: an interval against what is claimed."""

from __future__ import annotations

import math

from crm_utils.errors import ParameterError
from crm_utils.language import tr


def claim_verdict(low: float, high: float, claim: float | tuple[float, float]) -> str:
    """Tell whether an interval estimate agrees with a claim.

    Parameters
    ----------
    low, high : float
        Interval of the estimate.
    claim : float or tuple of float
        The value claimed, or the lowest and the highest value claimed.

    Returns
    -------
    str
        * ``"agrees"``: the interval holds the claimed value, or lies within the claimed range
        * ``"disagrees"``: it does not hold the value, or has nothing in common with the range
        * ``"undecided"``: it lies partly within the range, or is not known

    Raises
    ------
    ParameterError
        If an interval is the wrong way round.

    Notes
    -----
    To hold a value is not to prove it: a wide interval agrees with many claims.

    Examples
    --------
    >>> claim_verdict(0.61, 0.65, 0.80)
    'disagrees'
    >>> claim_verdict(0.72, 0.84, (0.70, 0.80))
    'undecided'
    """
    ends = claim if isinstance(claim, tuple) else (claim, claim)
    if math.isnan(low) or math.isnan(high):
        return "undecided"
    if low > high or ends[0] > ends[1]:
        raise ParameterError(f"An interval runs from low to high: got estimate {low} to {high}, claim {claim}.")
    if high < ends[0] or low > ends[1]:
        return "disagrees"
    if not isinstance(claim, tuple) or (low >= ends[0] and high <= ends[1]):
        return "agrees"
    return "undecided"


def verdict_text(verdict: str) -> str:
    """Put a verdict of `claim_verdict` into words.

    Parameters
    ----------
    verdict : {"agrees", "disagrees", "undecided"}
        What `claim_verdict` gave.

    Returns
    -------
    str
        The end of a sentence that begins "For this company, …".

    Examples
    --------
    >>> verdict_text("disagrees")
    'the data contradict the claim'
    """
    return {
        "agrees": tr("the data agree with the claim"),
        "disagrees": tr("the data contradict the claim"),
        "undecided": tr("the data can neither confirm nor refute the claim"),
    }[verdict]
