"""Distributions of purchase counts: equations summed by hand, other software's integrals, simulated customers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta, hyp2f1
from scipy.stats import nbinom

from crm_utils.errors import ParameterError
from crm_utils.lifetime import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD
from crm_utils.lifetime.counts import (
    beta_geometric_counts,
    beta_geometric_pairs,
    pareto_counts,
    pareto_pairs,
)

# The published CDNOW estimates (Fader, Hardie & Lee 2005, table 2), and a modified model near them.
BETA_GEOMETRIC = (0.243, 4.414, 0.793, 2.426)
MODIFIED = (0.525, 6.183, 0.891, 1.614)
PARETO = (0.553, 10.578, 0.606, 11.669)
LAWS = {
    "bg": lambda age, largest: beta_geometric_counts(*BETA_GEOMETRIC, age, largest, chances_at_start=0),
    "mbg": lambda age, largest: beta_geometric_counts(*MODIFIED, age, largest, chances_at_start=1),
    "pareto": lambda age, largest: pareto_counts(*PARETO, age, largest),
}
PAIRS = {
    "bg": lambda time: beta_geometric_pairs(*BETA_GEOMETRIC, time, chances_at_start=0),
    "mbg": lambda time: beta_geometric_pairs(*MODIFIED, time, chances_at_start=1),
    "pareto": lambda time: pareto_pairs(*PARETO, time),
}
MODELS = {"bg": BetaGeoNBD(), "mbg": ModifiedBetaGeoNBD(), "pareto": ParetoNBD()}
PARAMETERS = {"bg": BETA_GEOMETRIC, "mbg": MODIFIED, "pareto": PARETO}


def wide_parameters(rows):
    rng = np.random.default_rng(3)
    return np.exp(rng.uniform(np.log(0.05), np.log(40), (4, rows))), np.exp(rng.uniform(-3, 7, rows))


def simulated(law, age, customers, rng):
    """Purchases one by one, as the stories of the models tell them."""
    r, alpha, third, fourth = PARAMETERS[law]
    rate = rng.gamma(r, 1 / alpha, customers)
    bought = np.zeros(customers, dtype=int)
    if law == "pareto":
        stays = rng.exponential(1 / rng.gamma(third, 1 / fourth, customers))
        return rng.poisson(rate * np.minimum(stays, age))
    leaves = rng.beta(third, fourth, customers)
    alive = rng.random(customers) >= leaves if law == "mbg" else np.ones(customers, dtype=bool)
    moment = np.zeros(customers)
    while alive.any():
        moment[alive] += rng.exponential(1 / np.maximum(rate[alive], 1e-200))
        alive &= moment <= age
        bought[alive] += 1
        alive &= rng.random(customers) >= leaves
    return bought


def test_equation_8_of_fader_hardie_and_lee_term_by_term():
    """Fader, Hardie & Lee (2005), equation 8, with its sum written out by scipy's negative binomial."""
    r, alpha, a, b = BETA_GEOMETRIC
    age, x = 39.0, np.arange(12)
    law = nbinom(r, alpha / (alpha + age))
    expected = beta(a, b + x) / beta(a, b) * law.pmf(x)
    expected[1:] += beta(a + 1, b + x[1:] - 1) / beta(a, b) * (1 - law.cdf(x[1:] - 1))
    counts = LAWS["bg"](age, 11)[0]
    np.testing.assert_allclose(counts[:-1], expected, rtol=1e-12)
    assert counts[-1] == pytest.approx(1 - expected.sum(), rel=1e-10)


def test_pareto_against_adaptive_quadrature():
    """Fader & Hardie (2006): alive at t, or dropped out at u before it; the integral by QUADPACK."""
    r, alpha, s, beta_ = PARETO

    def dropped(u, x):
        return nbinom.pmf(x, r, alpha / (alpha + u)) * s / beta_ * (beta_ / (beta_ + u)) ** (s + 1)

    for age in (0.5, 39.0, 2_000.0):
        counts = LAWS["pareto"](age, 6)[0]
        for x in range(7):
            stays = nbinom.pmf(x, r, alpha / (alpha + age)) * (beta_ / (beta_ + age)) ** s
            left = quad(dropped, 0, age, args=(x,), points=[0.1 * age], epsabs=1e-13, epsrel=1e-11, limit=200)[0]
            assert counts[x] == pytest.approx(stays + left, rel=1e-8)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("age", [4.0, 39.0, 300.0])
def test_simulated_customers(law, age):
    customers = 200_000
    bought = simulated(law, age, customers, np.random.default_rng(11))
    observed = np.bincount(np.minimum(bought, 6), minlength=7) / customers
    expected = LAWS[law](age, 5)[0]
    np.testing.assert_array_less(np.abs(observed - expected), 4 * np.sqrt(expected * (1 - expected) / customers))


@pytest.mark.parametrize("law", LAWS)
def test_mean_is_the_expected_number_of_purchases(law):
    ages = np.array([0.0, 1.0, 39.0])
    counts = LAWS[law](ages, 400)
    mean = MODELS[law]._expected_new(np.array(PARAMETERS[law]), ages)
    np.testing.assert_allclose(counts @ np.arange(402), mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_rows_add_up_to_one_over_a_wide_range(law):
    """Every column is computed for itself, so the sum is a check."""
    parameters, ages = wide_parameters(400)
    for largest in (0, 7, 40):
        if law == "pareto":
            counts = pareto_counts(*parameters, ages, largest)
        else:
            counts = beta_geometric_counts(*parameters, ages, largest, chances_at_start=int(law == "mbg"))
        assert counts.shape == (400, largest + 2)
        assert (counts >= 0).all()
        np.testing.assert_allclose(counts.sum(axis=1), 1, atol=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_nobody_buys_again_at_age_zero(law):
    np.testing.assert_allclose(LAWS[law](0.0, 3), [[1, 0, 0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize("law", LAWS)
def test_parameters_of_their_own_are_as_one_by_one(law):
    parameters, ages = wide_parameters(5)
    given = {} if law == "pareto" else {"chances_at_start": int(law == "mbg")}
    function = pareto_counts if law == "pareto" else beta_geometric_counts
    together = function(*parameters, ages, 4, **given)
    for row in range(5):
        np.testing.assert_allclose(together[row], function(*parameters[:, row], ages[row], 4, **given)[0], rtol=1e-12)


def test_the_modified_model_is_bg_nbd_for_those_who_stay_after_the_first_purchase():
    r, alpha, a, b = MODIFIED
    stays = b / (a + b)
    of_stayers = beta_geometric_counts(r, alpha, a, b + 1, 39.0, 9, chances_at_start=0)[0]
    expected = stays * of_stayers
    expected[0] += 1 - stays
    np.testing.assert_allclose(LAWS["mbg"](39.0, 9)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_pairs_integrate_to_the_second_factorial_moment(law):
    counts = LAWS[law](39.0, 400)[0]
    x = np.arange(402)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    time = 39 * (nodes + 1) / 2
    moment = 39 / 2 * weights @ (2 * time * PAIRS[law](time))
    assert moment == pytest.approx(counts @ (x * (x - 1)), rel=1e-9)


def test_pairs_in_closed_form():
    """Euler's integral: the average over p is a Gauss hypergeometric function."""
    r, alpha, a, b = BETA_GEOMETRIC
    time = np.array([0.0, 3.0, 39.0, 1_000.0])
    closed = r * (r + 1) / alpha**2 * b / (a + b) * hyp2f1(r + 2, a, a + b + 1, -time / alpha)
    np.testing.assert_allclose(PAIRS["bg"](time), closed, rtol=1e-10)


def test_cdnow_at_week_39(public_data):
    """The published estimates of both models (Fader, Hardie & Lee 2005, table 2) against the sample itself.

    Counted in the sample: 1411 439 214 100 62 38 29 64 customers with 0, 1, … 6, 7 or more repeat purchases. With eight
    cells and four estimates, chi-square has three degrees of freedom: 11.3 at 1 %.
    """
    from crm_utils.company.public import fetch_cdnow_sample
    from crm_utils.lifetime import calibration_summary

    public_data("cdnow_sample")
    table = calibration_summary(fetch_cdnow_sample(), calibration_end="1997-09-30")
    actual = np.bincount(np.minimum(table["frequency"], 7))
    assert actual.tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    expected = {law: LAWS[law](table["age_weeks"], 6).sum(axis=0) for law in ("bg", "pareto")}
    distance = {law: ((counts - actual) ** 2 / counts).sum() for law, counts in expected.items()}
    assert distance == pytest.approx({"bg": 4.82, "pareto": 11.99}, abs=0.02)


def test_bad_input_is_named_together():
    with pytest.raises(ParameterError) as caught:
        pareto_counts(0.5, -1.0, np.nan, [1.0, 2.0], [-1.0], 2.5)
    for words in ("largest", "alpha must be", "s must be", "age must be", "shapes"):
        assert words in str(caught.value)
    with pytest.raises(ParameterError, match="time must be 0 or more"):
        beta_geometric_pairs(*BETA_GEOMETRIC, -1.0, chances_at_start=0)
