"""How sure a customer's kind of loyalty is: the cuts drawn anew, and the attitude measured again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_utils.checks import count_problems, is_number, raise_problems, seed_problems
from crm_utils.language import tr
from crm_utils.loyalty.kinds import KIND_NAMES, Cut, coded_kinds, loyalty_kinds, read_kinds


def kind_stability(
    customers: pd.DataFrame,
    *,
    attitude_col: str,
    behaviour_col: str,
    attitude_cut: Cut = "median",
    behaviour_cut: Cut = "median",
    weights_col: str | None = None,
    attitude_reliability: float = 1.0,
    n_boot: int = 500,
    seed: int,
) -> pd.DataFrame:
    r"""How often a customer would be given the same kind again.

    In each replicate, customers are drawn with replacement and the cuts made anew; and each customer's attitude is
    measured again, with the reliability ρ. For normal scores of mean m and standard deviation s, what a second
    measurement shows after a first of x is normal with mean m + ρ(x − m) and variance s²(1 − ρ²) [1]_: the
    correlation of the two is ρ. Behaviour is taken as it is.

    Parameters
    ----------
    customers, attitude_col, behaviour_col, attitude_cut, behaviour_cut, weights_col
        As in `loyalty_kinds`.
    attitude_reliability : float, default 1.0
        Reliability of the attitude, 0 to 1, such as alpha of its items; 1 leaves out errors of measurement, so that
        only the cuts move.
    n_boot : int, default 500
        Replicates.
    seed : int
        Seed; each replicate has a child seed of its own.

    Returns
    -------
    pandas.DataFrame
        With the index of `customers`, of those with a kind: ``loyalty_kind``, ``same`` (share of replicates with the
        same kind), and ``true``, ``latent``, ``spurious``, ``none`` (shares of each kind).

    Raises
    ------
    ParameterError, DataFloorError
        As in `loyalty_kinds`, and for unusable options.

    References
    ----------
    .. [1] Lord, F. M. & Novick, M. R. (1968). Statistical Theories of Mental Test Scores. Addison-Wesley, section 3.7
       (Kelley's regression of the true score, and its error).

    Examples
    --------
    >>> customers = pd.DataFrame({"trust": [9, 8, 3, 2] * 10, "purchases": [7, 1, 6, 2] * 10})
    >>> again = kind_stability(customers, attitude_col="trust", behaviour_col="purchases", n_boot=50, seed=7)
    >>> bool((again["same"] > 0.4).all())
    True
    """
    where = "kind_stability"
    problems = count_problems("n_boot", n_boot, least=2) + seed_problems(seed)
    if not is_number(attitude_reliability) or not 0 <= attitude_reliability <= 1:
        problems.append(f"attitude_reliability must lie between 0 and 1, and is {attitude_reliability!r}")
    columns = {attitude_col: attitude_cut, behaviour_col: behaviour_cut}
    _, mass, there = read_kinds(customers, columns, weights_col, where, problems)
    kinds = loyalty_kinds(
        customers, attitude_col=attitude_col, behaviour_col=behaviour_col, attitude_cut=attitude_cut,
        behaviour_cut=behaviour_cut, weights_col=weights_col,
    )["loyalty_kind"][there]  # fmt: skip
    values, mass = customers.loc[there, list(columns)].to_numpy(dtype=float), mass[there]
    attitude, size = values[:, 0], len(values)
    centre = mass @ attitude / mass.sum()
    spread = np.sqrt(mass @ (attitude - centre) ** 2 / mass.sum())
    expected = centre + attitude_reliability * (attitude - centre)
    error = spread * np.sqrt(1 - attitude_reliability**2)
    counts = np.zeros((size, len(KIND_NAMES)), dtype=int)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    everybody = np.arange(size)
    for child in root.spawn(n_boot):
        rng = np.random.default_rng(child)
        drawn = np.bincount(rng.integers(0, size, size), minlength=size)
        again = values.copy()
        if attitude_reliability < 1:
            again[:, 0] = expected + error * rng.standard_normal(size)
        codes, _ = coded_kinds(again, mass * drawn, list(columns.values()))
        counts[everybody, codes] += 1
    shares = pd.DataFrame(counts / n_boot, kinds.index, KIND_NAMES)
    shares.insert(0, "loyalty_kind", kinds)
    shares.insert(1, "same", shares[KIND_NAMES].to_numpy()[everybody, kinds.cat.codes.to_numpy()])
    return shares


def stability_table(stability: pd.DataFrame, *, sure: float = 0.8) -> pd.DataFrame:
    """Sum up by kind how sure the kinds are.

    Parameters
    ----------
    stability : pandas.DataFrame
        Result of `kind_stability`.
    sure : float, default 0.8
        Share of replicates from which on a customer's kind counts as sure.

    Returns
    -------
    pandas.DataFrame
        The four kinds and ``all``: ``loyalty_kind``, ``customers``, ``same`` (mean share of replicates with the same
        kind), ``sure_share`` (of customers whose kind is sure); NaN for an empty kind.

    Raises
    ------
    ParameterError
        If `sure` does not lie between 0 and 1.

    Examples
    --------
    >>> stability = pd.DataFrame({"loyalty_kind": ["true", "true", "none"], "same": [0.9, 0.5, 1.0]})
    >>> stability_table(stability).dropna()
      loyalty_kind  customers  same  sure_share
    0         true          2   0.7    0.500000
    3         none          1   1.0    1.000000
    4          all          3   0.8    0.666667
    """
    if not is_number(sure) or not 0 < sure <= 1:
        raise_problems("stability_table", [f"sure must lie above 0 and up to 1, and is {sure!r}"])
    rows = []
    for name in [*KIND_NAMES, tr("all")]:
        same = stability["same"] if name not in KIND_NAMES else stability.loc[stability["loyalty_kind"] == name, "same"]
        rows.append((name, len(same), same.mean(), (same >= sure).mean() if len(same) else np.nan))
    return pd.DataFrame(rows, columns=["loyalty_kind", "customers", "same", "sure_share"])
