"""Invariance of composites against another program, a published population, and cases where it is known."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.pls import Construct, PathModel
from crm_utils.pls.groups import compare_groups
from crm_utils.pls.invariance import invariance_table
from crm_utils.pls.permutation import Contrast

# openpls-engine 1.13.0, MICOM and MGA, path scheme, items standardised over both halves, even against odd rows.
OPENPLS_CORRELATION = [0.982444779, 0.984108237, 0.999996581, 0.998647097]
OPENPLS_MEAN_DIFFERENCE = [0.078387791, -0.083513415, -0.093846653, 0.052622726]
OPENPLS_LOG_VARIANCE_RATIO = [-0.166074018, -0.093164187, 0.080866700, 0.247433273]
OPENPLS_PATHS = [[0.524419351, 0.146185459, 0.269253196], [0.423516549, 0.187981865, 0.333936101]]
# From 300 permutations, so within 0.06 or so.
OPENPLS_P = [
    [0.0199, 0.4917, 0.9402, 0.2326],
    [0.5449, 0.4950, 0.4618, 0.6578],
    [0.4020, 0.6512, 0.6711, 0.2027],
]
OPENPLS_PATHS_P = [0.4020, 0.7542, 0.6844]


def test_openpls_on_halves_of_mobi(mobi, small):
    comparison = compare_groups(small, mobi, np.where(np.arange(250) % 2, "odd", "even"), n_boot=9, seed=7)
    found = comparison.invariance
    assert found["construct"].tolist() == ["image", "expectation", "value", "satisfaction"]
    assert found["correlation"].to_numpy() == pytest.approx(OPENPLS_CORRELATION, abs=2e-6)
    # Its scores have variance 1 with n as divisor.
    means = found["mean_difference"] * np.sqrt(250 / 249)
    assert means.to_numpy() == pytest.approx(OPENPLS_MEAN_DIFFERENCE, abs=2e-5)
    assert found["log_variance_ratio"].to_numpy() == pytest.approx(OPENPLS_LOG_VARIANCE_RATIO, abs=2e-6)
    for name, expected in zip(("correlation_p", "mean_difference_p", "log_variance_ratio_p"), OPENPLS_P, strict=True):
        assert found[name].to_numpy() == pytest.approx(expected, abs=0.09)
    paths = comparison.differences()
    assert paths["estimate"].to_numpy() == pytest.approx(OPENPLS_PATHS[0], abs=1e-6)
    assert paths["estimate_other"].to_numpy() == pytest.approx(OPENPLS_PATHS[1], abs=1e-6)
    assert paths["p_value"].to_numpy() == pytest.approx(OPENPLS_PATHS_P, abs=0.09)


def exactly(correlations, size, seed):
    """A sample whose correlations are exactly those given."""
    noise = np.random.default_rng(seed).normal(size=(size, len(correlations)))
    noise -= noise.mean(axis=0)
    noise = np.linalg.solve(np.linalg.cholesky(np.cov(noise.T)), noise.T).T
    return noise @ np.linalg.cholesky(correlations).T


def composite(weights):
    """The population of the example of cSEM's testMICOM: y = 0.6 X, X a composite of items correlated by 0.3125."""
    weights = np.array(weights)
    items = np.array([[1.0, 0.3125], [0.3125, 1.0]])
    outcome = 0.6 * items @ weights
    return np.block([[items, outcome[:, None]], [outcome[None], np.ones((1, 1))]])


def test_the_composites_of_csem_correlate_by_their_weights():
    one, other = exactly(composite([0.4, 0.8]), 399, 1), exactly(composite([0.8, 0.4]), 200, 2)
    data = pd.DataFrame(np.r_[one, other], columns=["x1", "x2", "y1"])
    model = PathModel({"X": Construct(["x1", "x2"], mode="B"), "Y": ["y1"]}, [("X", "Y")])
    comparison = compare_groups(model, data, np.repeat([1, 2], [399, 200]), n_permutations=199, n_boot=9, seed=7)
    found = comparison.invariance.set_index("construct")
    # w'Sv = 0.4 · 0.8 + 0.8 · 0.4 + 0.3125 (0.4² + 0.8²)
    assert found.loc["X", "correlation"] == pytest.approx(0.89, abs=1e-9)
    assert found.loc["X", "correlation_p"] == 1 / 200
    assert found.loc["X", "invariance"] == "none"
    assert found.loc["Y", ["correlation", "correlation_p"]].tolist() == [1.0, 1.0]
    assert found.loc["Y", "invariance"] == "full"
    assert any("X (correlation 0.89000)" in note for note in comparison.notes)


def test_a_group_and_its_copy_are_invariant(planted, chain):
    data = planted(80)
    twice = pd.concat([data, data], ignore_index=True)
    comparison = compare_groups(chain, twice, np.repeat(["one", "copy"], 80), n_permutations=99, n_boot=9, seed=7)
    found = comparison.invariance
    assert found["correlation"].to_numpy() == pytest.approx(1, abs=1e-12)
    assert (found[["correlation_p", "mean_difference_p", "log_variance_ratio_p"]] == 1).all(axis=None)
    assert (found["invariance"] == "full").all()
    assert (comparison.differences()["p_value"] == 1).all()


def test_a_shift_and_a_stretch_leave_the_composite_as_it_is(planted, chain):
    data = planted(300)
    first = np.arange(300) < 150
    for item in ("a1", "a2", "a3"):
        data[item] += 0.9 * first
    for item in ("b1", "b2", "b3"):
        data[item] *= np.where(first, 2, 1)
    found = compare_groups(chain, data, first, n_permutations=199, n_boot=9, seed=7).invariance.set_index("construct")
    assert found["invariance"].to_dict() == {"a": "partial", "b": "partial", "c": "full"}
    # The second group is named True; its items are the shifted ones.
    assert found.loc["a", "mean_difference"] < found.loc["a", "mean_difference_low"]
    assert found.loc["b", "log_variance_ratio"] < found.loc["b", "log_variance_ratio_low"]


@pytest.mark.parametrize(
    ("correlation", "mean", "variance", "verdict"),
    [(0.5, 0.0, 0.0, "none"), (1.0, 9.0, 0.0, "partial"), (1.0, 0.0, 9.0, "partial"), (1.0, 0.0, 0.0, "full")],
)
def test_the_verdict_follows_the_steps(correlation, mean, variance, verdict):
    grid = np.linspace(-1, 1, 100)[:, None]

    def replicates(correlations, means, variances):
        return Contrast({}, correlations, means, variances, np.ones(len(means), dtype=bool))

    observed = replicates(np.array([[correlation]]), np.array([[mean]]), np.array([[variance]]))
    permuted = replicates(0.95 + 0.05 * grid, grid, grid)
    found = invariance_table(observed, permuted, ["x"], level=0.95)
    assert found["invariance"].tolist() == [verdict]
    assert found["correlation_low"].to_numpy() == pytest.approx([0.905], abs=1e-12)
    assert found[["mean_difference_low", "mean_difference_high"]].to_numpy() == pytest.approx(
        np.array([[-0.95, 0.95]]), abs=1e-12
    )


def test_a_p_value_of_just_the_limit_does_not_fail():
    grid = np.linspace(0, 1, 19)[:, None]
    usable = np.ones(19, dtype=bool)
    observed = Contrast({}, np.array([[-0.1]]), np.zeros((1, 1)), np.zeros((1, 1)), usable[:1])
    permuted = Contrast({}, grid, grid, grid, usable)
    table = invariance_table(observed, permuted, ["x"], level=0.95)
    assert table["correlation_p"].tolist() == [1 / 20]
    assert table["invariance"].tolist() == ["full"]


def test_unusable_replicates_are_left_out():
    grid = np.linspace(-1, 1, 41)[:, None]
    usable = np.arange(41) % 2 == 0
    wild = np.where(usable[:, None], grid, 1e6)
    observed = Contrast({}, np.array([[0.0]]), np.array([[0.5]]), np.array([[0.5]]), usable[:1])
    table = invariance_table(observed, Contrast({}, wild, wild, wild, usable), ["x"], level=0.9)
    assert table["mean_difference_high"].tolist() == pytest.approx([0.9])
    assert table["correlation_p"].tolist() == [pytest.approx(12 / 22)]
