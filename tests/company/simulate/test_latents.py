"""Planted truth: the latent scores obey the path model they were drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.company.simulate.latents import (
    LATENTS,
    draw_latents,
    implied_correlations,
    residual_variances,
    shift_latents,
    total_effects,
)
from crm_utils.errors import ParameterError


@pytest.fixture(scope="module")
def latents() -> pd.DataFrame:
    return draw_latents(100_000, np.random.default_rng(3))


@pytest.mark.parametrize("strong", [False, True])
def test_every_path_is_recovered_by_least_squares(latents, strong):
    group = latents[latents["strong_competition"] == strong]
    for effect, causes in LATENTS.paths.items():
        if not causes:
            continue
        planted = dict(causes)
        if strong and effect == "loyalty":
            planted["satisfaction"] = LATENTS.satisfaction_loyalty_strong
        fit = sm.OLS(group[effect], group[list(planted)]).fit()
        distance = (fit.params - pd.Series(planted)) / fit.bse
        assert distance.abs().max() < 4, (effect, fit.params.to_dict())


@pytest.mark.parametrize("strong", [False, True])
def test_scores_have_unit_variance_and_the_implied_correlations(latents, strong):
    group = latents.loc[latents["strong_competition"] == strong, list(LATENTS.constructs)]
    assert np.abs(group.mean()).max() < 4 / np.sqrt(len(group))
    assert np.abs(group.var() - 1).max() < 4 * np.sqrt(2 / len(group))
    assert np.abs(group.corr() - implied_correlations(strong_competition=strong)).to_numpy().max() < 0.02


def test_competition_weakens_the_link_and_hits_about_a_third(latents):
    assert LATENTS.satisfaction_loyalty_strong < LATENTS.paths["loyalty"]["satisfaction"]
    assert abs(latents["strong_competition"].mean() - LATENTS.strong_competition_share) < 0.006


def test_residual_variances_are_positive_and_one_for_exogenous_scores():
    for strong in (False, True):
        variances = residual_variances(strong_competition=strong)
        assert (variances > 0).all()
        assert variances["image"] == variances["switching_cost"] == 1.0


def test_total_effect_of_image_on_satisfaction_adds_up_its_routes():
    # Directly; and through expectation: on its own, by either quality, and by the three routes into value.
    by_hand = 0.18 + 0.5 * (0.05 + 0.55 * 0.30 + 0.50 * 0.25 + (0.10 + 0.55 * 0.40 + 0.50 * 0.25) * 0.22)
    assert total_effects("image")["satisfaction"] == pytest.approx(by_hand)


def test_a_shift_leaves_the_residuals_alone(latents):
    few = latents.head(200)
    shift = np.linspace(-1, 1, 200)
    shifted = shift_latents(few, {"expectation": shift})
    for effect in ("satisfaction", "value", "complaints"):
        causes = LATENTS.paths[effect]

        def residual(frame, effect=effect, causes=causes):
            return frame[effect] - sum(weight * frame[name] for name, weight in causes.items())

        pd.testing.assert_series_equal(residual(shifted), residual(few))
    pd.testing.assert_series_equal(shifted["expectation"], few["expectation"] + shift)
    pd.testing.assert_series_equal(shifted["image"], few["image"])
    assert not np.allclose(shifted["loyalty"], few["loyalty"])


def test_a_shift_leaves_its_input_alone(latents):
    few = latents.head(5)
    before = few.copy()
    shift_latents(few, {"image": 1.0})
    pd.testing.assert_frame_equal(few, before)


def test_the_same_seed_draws_the_same_people():
    one, two, other = (draw_latents(10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


def test_bad_input_is_named():
    with pytest.raises(ParameterError, match="-1; it must be 0 or more"):
        draw_latents(-1, np.random.default_rng(1))
    with pytest.raises(ParameterError, match=r"shape \(2,\)"):
        draw_latents(3, np.random.default_rng(1), strong_competition=np.array([True, False]))
    with pytest.raises(ParameterError, match=r"'quality'.*product_quality"):
        total_effects("quality")
