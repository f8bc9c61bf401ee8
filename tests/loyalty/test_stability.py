"""How sure a kind is: the orthant probability of two measurements, the movement of cuts, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.loyalty.kinds import KIND_NAMES, loyalty_kinds
from crm_utils.loyalty.stability import kind_stability, stability_table

BOTH = {"attitude_col": "trust", "behaviour_col": "purchases"}


@pytest.fixture
def people():
    rng = np.random.default_rng(7)
    return pd.DataFrame({"trust": rng.normal(7, 2, 3000), "purchases": rng.normal(5, 1, 3000)})


# Correctness


@pytest.mark.parametrize("reliability", [0.3, 0.7, 0.9])
def test_two_measurements_agree_as_often_as_normal_scores_do(people, reliability):
    """Sheppard (1899): of two normal scores with correlation ρ, 1 − arccos(ρ)/π lie on the same side of the median."""
    found = kind_stability(people, behaviour_cut=5.0, attitude_reliability=reliability, n_boot=200, seed=7, **BOTH)
    assert found["same"].mean() == pytest.approx(1 - np.arccos(reliability) / np.pi, abs=0.01)


def test_a_second_measurement_is_as_reliable_as_said():
    """Draw true scores and two measurements: after a first of about x, the second is high as often as found."""
    rng, reliability = np.random.default_rng(3), 0.6
    true = rng.normal(size=400_000)
    first, second = (true * np.sqrt(reliability) + rng.normal(size=400_000) * np.sqrt(1 - reliability) for _ in "12")
    for low, high in ((-1.1, -0.9), (0.4, 0.6)):
        near = (first > low) & (first < high)
        expected = (second[near] >= 0.5).mean()
        frame = pd.DataFrame({"trust": np.r_[first[:4000], (low + high) / 2], "purchases": np.arange(4001.0)})
        found = kind_stability(
            frame, attitude_cut=0.5, attitude_reliability=reliability, n_boot=400, seed=7, **BOTH
        ).iloc[-1]
        assert found["true"] + found["latent"] == pytest.approx(expected, abs=0.06)


def test_without_errors_of_measurement_only_the_cuts_move(people):
    few = people.iloc[:200]
    found = kind_stability(few, behaviour_cut=5.0, n_boot=400, seed=7, **BOTH)
    # A customer is high again where the median of a resample is not above her: brute force.
    rng = np.random.default_rng(1)
    medians = np.array([np.median(few["trust"].to_numpy()[rng.integers(0, 200, 200)]) for _ in range(4000)])
    stays = (few["trust"].to_numpy()[:, None] >= medians).mean(axis=1)
    high = found["true"] + found["latent"]
    assert high.to_numpy() == pytest.approx(stays, abs=0.09)
    assert np.abs(high.to_numpy() - stays).mean() < 0.005
    fixed = kind_stability(few, attitude_cut=7.0, behaviour_cut=5.0, n_boot=20, seed=7, **BOTH)
    assert (fixed["same"] == 1).all()


def test_the_less_sure_the_nearer_to_the_cut(people):
    found = kind_stability(people, attitude_reliability=0.8, n_boot=100, seed=7, **BOTH)
    apart = (people["trust"] - people["trust"].median()).abs()
    assert found["same"][apart > 4].mean() > 0.95 > 0.6 > found["same"][apart < 0.2].mean()


# Consistency


def test_kinds_shares_and_seeds(people):
    frame = people.assign(trust=people["trust"].where(people.index > 9), weight=1.0)
    found = kind_stability(frame, attitude_reliability=0.8, n_boot=30, seed=7, **BOTH)
    assert found.index.equals(frame.index[10:])
    assert found[KIND_NAMES].sum(axis=1).to_numpy() == pytest.approx(1)
    expected = loyalty_kinds(frame, **BOTH)["loyalty_kind"].iloc[10:]
    assert found["loyalty_kind"].tolist() == expected.tolist()
    own = found.to_numpy()[np.arange(len(found)), [found.columns.get_loc(kind) for kind in found["loyalty_kind"]]]
    assert found["same"].tolist() == own.tolist()
    again = kind_stability(frame, attitude_reliability=0.8, n_boot=30, seed=7, weights_col="weight", **BOTH)
    pd.testing.assert_frame_equal(again, found)
    other = kind_stability(frame, attitude_reliability=0.8, n_boot=30, seed=8, **BOTH)
    assert not other["same"].equals(found["same"])


def test_units_do_not_matter(people):
    few = people.iloc[:300]
    found = kind_stability(few, attitude_reliability=0.7, n_boot=50, seed=7, **BOTH)
    scaled = kind_stability(few.assign(trust=few["trust"] * 8), attitude_reliability=0.7, n_boot=50, seed=7, **BOTH)
    pd.testing.assert_frame_equal(scaled, found)


def test_the_table_sums_up_by_kind(people):
    found = kind_stability(people, attitude_reliability=0.8, n_boot=50, seed=7, **BOTH)
    table = stability_table(found, sure=0.9).set_index("loyalty_kind")
    assert table.index.tolist() == [*KIND_NAMES, "all"]
    assert table.loc["all", "same"] == pytest.approx(found["same"].mean())
    assert table.loc["all", "customers"] == table["customers"].iloc[:4].sum() == 3000
    latent = found[found["loyalty_kind"] == "latent"]
    assert table.loc["latent", "sure_share"] == pytest.approx((latent["same"] >= 0.9).mean())


# What is refused


def test_all_problems_at_once(people):
    with pytest.raises(ParameterError) as caught:
        kind_stability(people, attitude_reliability=1.2, attitude_cut="best", n_boot=1, seed=-1, **BOTH)
    for part in (
        "4 problems",
        "attitude_reliability must lie between 0 and 1, and is 1.2",
        "n_boot must be a whole number of at least 2",
        "seed must be",
        "and is 'best'",
    ):
        assert part in str(caught.value)
    with pytest.raises(ParameterError, match="sure must lie above 0 and up to 1, and is 80"):
        stability_table(pd.DataFrame({"loyalty_kind": [], "same": []}), sure=80)
