"""Simulated histories: the process walked purchase by purchase, closed forms, odd parameters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution
from scipy.stats import ks_2samp, kstest

from crm_utils.errors import ParameterError
from crm_utils.lifetime import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from crm_utils.lifetime.simulation import simulate_histories, simulate_spend

BETA_GEOMETRIC = {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0}
PARETO = {"r": 0.8, "alpha": 6.0, "s": 1.5, "beta": 30.0}
MODELS = [(BetaGeoNBD(), BETA_GEOMETRIC), (ModifiedBetaGeoNBD(), BETA_GEOMETRIC), (ParetoNBD(), PARETO)]
HORIZON = 30.0


def walk(model, age, rng):
    """One customer, purchase by purchase as the models are told: frequency, recency, left_at, purchases_ahead."""
    rate = rng.gamma(0.8, 1 / 6)
    chance, end = 0.0, np.inf
    if isinstance(model, ParetoNBD):
        end = rng.exponential(1 / rng.gamma(1.5, 1 / 30))
    else:
        chance = rng.beta(1.2, 3)
        if isinstance(model, ModifiedBetaGeoNBD) and rng.random() < chance:
            end = 0.0
    times, now = [], 0.0
    while (now := now + rng.exponential(1 / rate)) < min(end, age + HORIZON):
        times.append(now)
        if rng.random() < chance:
            end = now
            break
    seen = [time for time in times if time <= age]
    return len(seen), max(seen, default=0.0), end if end <= age else np.nan, len(times) - len(seen)


def conditional_mean(model, histories, length):
    """Expected purchases within `length` of a living customer whose rates are known."""
    rate = histories["rate"]
    if isinstance(model, ParetoNBD):
        return -np.expm1(-histories["dropout_rate"] * length) * rate / histories["dropout_rate"]
    chance = histories["dropout_probability"]
    return -np.expm1(-rate * chance * length) / chance


def assert_means_agree(found, expected):
    """Within three and a half standard errors of the mean difference."""
    difference = found - expected
    assert abs(difference.mean()) < 3.5 * difference.std() / np.sqrt(len(difference))


@pytest.mark.parametrize(("model", "params"), MODELS)
def test_histories_are_those_of_the_process_walked_purchase_by_purchase(model, params):
    age = np.random.default_rng(1).uniform(5, 80, 8_000)
    rng = np.random.default_rng(2)
    walked = pd.DataFrame([walk(model, one, rng) for one in age], columns=["frequency", "recency", "left_at", "ahead"])
    drawn = simulate_histories(model, params, age, seed=3, horizon=HORIZON)
    assert ks_2samp(drawn["frequency"], walked["frequency"]).pvalue > 0.01
    assert ks_2samp(drawn["purchases_ahead"], walked["ahead"]).pvalue > 0.01
    for column in ("recency", "left_at"):
        ours, theirs = (frame.loc[frame[column] > 0, column] / age[frame[column] > 0] for frame in (drawn, walked))
        assert ks_2samp(ours, theirs).pvalue > 0.01
    assert drawn["left_at"].isna().mean() == pytest.approx(walked["left_at"].isna().mean(), abs=0.02)
    both = (drawn["frequency"] == 2).to_numpy(), (walked["frequency"] == 2).to_numpy()
    assert ks_2samp(drawn["recency"][both[0]] / age[both[0]], walked["recency"][both[1]] / age[both[1]]).pvalue > 0.01


@pytest.mark.parametrize(("model", "params"), MODELS)
def test_purchases_agree_with_their_expectation_given_the_rates(model, params):
    drawn = simulate_histories(model, params, np.full(200_000, 52.0), seed=4, horizon=HORIZON)
    starts = 1 - drawn["dropout_probability"] if isinstance(model, ModifiedBetaGeoNBD) else 1.0
    assert_means_agree(drawn["frequency"], starts * conditional_mean(model, drawn, 52.0))
    alive = drawn["left_at"].isna()
    assert_means_agree(drawn["purchases_ahead"][alive], conditional_mean(model, drawn[alive], HORIZON))
    assert (drawn["purchases_ahead"][~alive] == 0).all()


def test_latent_rates_have_the_planted_distributions():
    ages = np.full(50_000, 10.0)
    drawn = simulate_histories(BetaGeoNBD(), BETA_GEOMETRIC, ages, seed=5)
    assert kstest(drawn["rate"], gamma_distribution(0.8, scale=1 / 6).cdf).pvalue > 0.01
    assert kstest(drawn["dropout_probability"], beta_distribution(1.2, 3).cdf).pvalue > 0.01
    drawn = simulate_histories(ParetoNBD(), PARETO, ages, seed=5)
    assert kstest(drawn["rate"], gamma_distribution(0.8, scale=1 / 6).cdf).pvalue > 0.01
    assert kstest(drawn["dropout_rate"], gamma_distribution(1.5, scale=1 / 30).cdf).pvalue > 0.01


@pytest.mark.parametrize(("model", "params"), MODELS)
def test_a_horizon_does_not_change_the_past_and_a_seed_repeats_it(model, params):
    age = np.linspace(0, 100, 5_000)
    plain = simulate_histories(model, params, age, seed=6)
    longer = simulate_histories(model, params, age, seed=np.random.SeedSequence(6), horizon=HORIZON)
    pd.testing.assert_frame_equal(plain, longer.drop(columns="purchases_ahead"))
    assert not plain["frequency"].equals(simulate_histories(model, params, age, seed=7)["frequency"])


@pytest.mark.parametrize(("model", "params"), MODELS)
def test_parameters_by_name_in_order_or_one_a_customer(model, params):
    age = np.linspace(0, 100, 4_000)
    plain = simulate_histories(model, params, age, seed=8)
    reordered = pd.Series(dict(reversed(params.items())))
    pd.testing.assert_frame_equal(plain, simulate_histories(model, reordered, age, seed=8))
    pd.testing.assert_frame_equal(plain, simulate_histories(model, list(params.values()), age, seed=8))
    slower = params | {"alpha": np.where(age < 50, 6.0, 60.0)}
    late = age >= 50
    drawn = simulate_histories(model, slower, age, seed=8)
    assert drawn["rate"][late].mean() == pytest.approx(plain["rate"][late].mean() / 10, rel=1e-9)
    assert drawn["rate"][~late].equals(plain["rate"][~late])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [model for model, _ in MODELS])
@pytest.mark.parametrize(
    "params", [(1e-3, 1e-3, 1e-3, 1e-3), (500.0, 1e-3, 1e-3, 5.0), (1e-3, 1e5, 1e3, 1e-3), (0.01, 1e-8, 0.01, 10.0)]
)
def test_odd_parameters_and_ages_give_possible_histories(model, params):
    age = np.repeat([0.0, 1e-9, 1.0, 1e5], 500)
    drawn = simulate_histories(model, params, age, seed=9, horizon=1e4)
    assert np.isfinite(drawn.drop(columns="left_at")).all().all()
    assert ((drawn["recency"] > 0) == (drawn["frequency"] > 0)).all()
    assert (drawn["recency"] <= drawn["age"]).all()
    assert (drawn[["frequency", "purchases_ahead"]] >= 0).all().all()
    assert (drawn["left_at"].dropna() >= drawn["recency"][drawn["left_at"].notna()]).all()


def test_spend_has_the_planted_mean_and_is_found_again_by_the_model():
    params = {"p": 6.0, "q": 4.0, "gamma": 15.0}
    purchases = np.random.default_rng(10).integers(0, 8, 40_000)
    spend = simulate_spend(params, purchases, seed=11)
    bought = purchases > 0
    assert spend["mean_spend"].isna().equals(pd.Series(~bought))
    assert kstest(1 / spend["true_mean_spend"], gamma_distribution(4, scale=1 / (6 * 15)).cdf).pvalue > 0.01
    assert_means_agree(spend["mean_spend"][bought], spend["true_mean_spend"][bought])
    # Given the mean, the variance of the mean of x purchases is mean² / (p·x).
    scaled = (spend["mean_spend"] / spend["true_mean_spend"] - 1)[bought] ** 2 * 6 * purchases[bought]
    assert_means_agree(scaled, pd.Series(1.0, scaled.index))
    table = GammaGamma().fit(spend["mean_spend"][bought], purchases[bought]).summary_frame(level=0.99)
    truth = np.array(list(params.values()))
    assert ((table["low"] < truth) & (table["high"] > truth)).all()


def test_every_problem_is_named_at_once():
    with pytest.raises(ParameterError, match="BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD"):
        simulate_histories(GammaGamma(), BETA_GEOMETRIC, [1.0], seed=1)
    with pytest.raises(ParameterError) as caught:
        simulate_histories(BetaGeoNBD(), BETA_GEOMETRIC | {"a": 0.0, "b": [1, 2, 3]}, [5, -1], seed=1, horizon=-2)
    for part in ("age must be 0 or more; 1 of 2", "horizon must be 0", "a must be finite and", "b must be one number"):
        assert part in str(caught.value)
    with pytest.raises(ParameterError, match=r"params lack s, beta; they have r, alpha, a, b"):
        simulate_histories(ParetoNBD(), BETA_GEOMETRIC, [1.0], seed=1)
    with pytest.raises(ParameterError, match="params must be p, q, gamma, and are 2 numbers"):
        simulate_spend([1, 2], [1, -1], seed=1)
    with pytest.raises(ParameterError, match="purchases must be 0 or more; 1 of 2"):
        simulate_spend([1, 2, 3], [1, -1], seed=1)
