"""Customer lifetime value: identities, a published closed form, planted truth, chance, odd input."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyperu

from crm_utils.errors import ConvergenceError, ParameterError
from crm_utils.lifetime import (
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    customer_lifetime_value,
    simulate_histories,
    simulate_spend,
    values,
)
from crm_utils.lifetime.ahead import Ahead

TRUTH = {"r": 0.7, "alpha": 5.5, "a": 0.8, "b": 3.0}
SPEND = {"p": 4.0, "q": 4.0, "gamma": 112.5}
TERMS = {"horizon_months": 24, "annual_discount_rate": 0.1, "margin": 0.4}


def company(customers, seed, *, horizon=52.0):
    """Histories, spend and the purchases of the weeks ahead under planted parameters."""
    of_ages, of_histories, of_spend = np.random.SeedSequence(seed).spawn(3)
    ages = np.random.default_rng(of_ages).uniform(5, 150, customers)
    table = simulate_histories(BetaGeoNBD(), TRUTH, ages, seed=of_histories, horizon=horizon)
    spend = simulate_spend(SPEND, table["frequency"], seed=of_spend)
    return table.assign(**spend).set_axis([f"c{i}" for i in range(customers)])


def fit(table, model=BetaGeoNBD, *, unit="week", scale=1.0):
    purchases = model(unit=unit).fit(table["frequency"], table["recency"] * scale, table["age"] * scale)
    repeated = table[table["frequency"] > 0]
    return purchases, GammaGamma().fit(repeated["mean_spend"], repeated["frequency"])


@pytest.fixture(scope="module")
def table():
    return company(1_500, 3)


@pytest.fixture(scope="module")
def fits(table):
    return fit(table)


@pytest.fixture(scope="module")
def valued(fits):
    return customer_lifetime_value(*fits, **TERMS)


def test_without_discounting_value_is_purchases_times_spend_times_margin(table, fits):
    purchases, spend = fits
    valued = customer_lifetime_value(
        purchases, spend, horizon_months=12, annual_discount_rate=0, margin=0.4, interval=None
    )
    expected = purchases.expected_purchases(365.25 / 7)
    paid = spend.expected_spend(table["mean_spend"].fillna(0), table["frequency"])
    np.testing.assert_allclose(valued.by_customer["value"], expected * paid * 0.4, rtol=1e-12)
    assert list(valued.by_customer.index) == list(table.index)


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD])
def test_discounting_is_that_of_many_short_periods(table, model):
    purchases, _ = fit(table, model)
    valued = customer_lifetime_value(
        purchases, 1.0, horizon_months=36, annual_discount_rate=0.2, margin=1, interval=None
    )
    few = table.iloc[:40]
    edges = np.linspace(0, 3 * 365.25 / 7, 1001)
    history = (few["frequency"], few["recency"], few["age"])
    so_far = np.array([purchases.expected_purchases(edge, *history) for edge in edges])
    middle = (edges[1:] + edges[:-1]) / 2
    summed = np.diff(so_far, axis=0).T @ 1.2 ** (-middle * 7 / 365.25)
    np.testing.assert_allclose(valued.by_customer.loc[few.index, "value"], summed, rtol=2e-6)


def test_fader_hardie_lee_2005_discounted_expected_residual_transactions(table):
    """RFM and CLV, equation 2: P(alive) (r+x)/(α+T) (β+T)^s δ^(s−1) Ψ(s, s; δ(β+T)), without an end."""
    purchases, _ = fit(table, ParetoNBD)
    yearly = 0.15
    valued = customer_lifetime_value(
        purchases, 1.0, horizon_months=12 * 80, annual_discount_rate=yearly, margin=1, interval=None
    )
    r, alpha, s, beta = purchases.params
    delta = np.log1p(yearly) * 7 / 365.25
    x, age = table["frequency"], table["age"]
    closed = purchases.p_alive() * (r + x) / (alpha + age) * (beta + age) ** s * delta ** (s - 1)
    closed *= hyperu(s, s, delta * (beta + age))
    # Twelve nodes over eighty years leave an error of a few in a hundred thousand.
    np.testing.assert_allclose(valued.by_customer["value"], closed, rtol=1e-4)


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD])
def test_quick_values_under_draws_are_the_exact_ones(model):
    purchases, _ = fit(company(6_000, 8), model)
    ahead = Ahead(purchases, horizon=156.0, rate=0.002)
    for draw in purchases.parameter_draws(3, seed=1):
        np.testing.assert_allclose(ahead(draw), ahead(draw, exact=True), rtol=3e-4, atol=1e-7)


@pytest.mark.parametrize(("unit", "scale"), [("day", 7.0), ("month", 7 * 12 / 365.25), ("year", 7 / 365.25)])
def test_the_unit_of_time_does_not_matter(table, valued, unit, scale):
    other = customer_lifetime_value(*fit(table, unit=unit, scale=scale), **TERMS)
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(other.by_customer[column], valued.by_customer[column], rtol=1e-5)
    assert other.total["value"] == pytest.approx(valued.total["value"], rel=1e-6)


def test_the_order_of_customers_does_not_matter_and_inputs_stay(table, valued):
    before = table.copy()
    shuffled = table.sample(frac=1, random_state=1)
    other = customer_lifetime_value(*fit(shuffled), **TERMS)
    pd.testing.assert_frame_equal(other.by_customer.loc[table.index], valued.by_customer, rtol=1e-6)
    pd.testing.assert_frame_equal(table, before)


def test_interval_holds_the_value_and_narrows_with_customers(valued):
    frame = valued.by_customer
    assert ((frame["low"] < frame["value"]) & (frame["value"] < frame["high"])).mean() > 0.99
    assert np.isfinite(frame).all().all()
    larger = customer_lifetime_value(*fit(company(12_000, 4)), **TERMS)
    width = (valued.total["high"] - valued.total["low"]) / valued.total["value"]
    narrower = (larger.total["high"] - larger.total["low"]) / larger.total["value"]
    # Eight times the customers: the square root of eight is 2.8.
    assert 2 < width / narrower < 4


def test_draws_are_those_of_the_intervals(valued):
    some = list(valued.by_customer.index[:50])
    draws = valued.draws(some)
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    np.testing.assert_allclose(low, valued.by_customer.loc[some, "low"], rtol=1e-5)
    np.testing.assert_allclose(high, valued.by_customer.loc[some, "high"], rtol=1e-5)
    np.testing.assert_allclose(valued.draws().sum(axis=0), valued.total_draws, rtol=1e-5)


def test_both_bootstraps_agree_where_the_model_is_right(fits):
    widths = {}
    for interval in ("parametric", "case"):
        total = customer_lifetime_value(*fits, **TERMS, interval=interval, n_boot=400).total
        widths[interval] = total["high"] - total["low"]
    assert 0.75 < widths["case"] / widths["parametric"] < 1.4


def test_case_bootstrap_of_one_purchase_parameter_has_the_standard_error_of_the_hessian(fits):
    purchases, spend = fits
    rng = np.random.default_rng(0)
    counts = [np.bincount(rng.integers(0, 1_500, 1_500), minlength=1_500) for _ in range(150)]
    refits = np.log([draw for draw in purchases.refits(counts) if draw is not None])
    expected = np.sqrt(np.diag(purchases.covariance))
    np.testing.assert_allclose(refits.std(axis=0), expected, rtol=0.25)
    places = purchases.histories.index.get_indexer(spend.observed.index)
    spends = np.log([draw for draw in spend.refits(drawn[places] for drawn in counts) if draw is not None])
    np.testing.assert_allclose(spends.std(axis=0), spend.std_errors / spend.params, rtol=0.25)


def test_intervals_cover_expected_and_realised_totals_of_simulated_companies():
    """Of 40 intervals at 90 %, 36 are expected to hold; below 31 has a chance of about 1 in 60."""
    expected_held = realised_held = 0
    truth = np.array([*TRUTH.values()])
    for seed in range(40):
        frame = company(600, 100 + seed, horizon=365.25 / 7)
        purchases, spend = fit(frame)
        valued = customer_lifetime_value(
            purchases, spend, horizon_months=12, annual_discount_rate=0, margin=1, level=0.9, n_boot=100, seed=seed
        )
        paid = SPEND["p"] * (SPEND["gamma"] + frame["frequency"] * frame["mean_spend"].fillna(0))
        paid /= SPEND["p"] * frame["frequency"] + SPEND["q"] - 1
        bought = purchases.model._p_alive(truth, frame["frequency"], frame["recency"], frame["age"])
        bought = (
            bought
            * purchases.model._expected_if_alive(
                truth, frame["frequency"].to_numpy(), frame["age"].to_numpy(), np.array([365.25 / 7])
            )[:, 0]
        )
        expected_held += valued.total["low"] < (bought * paid).sum() < valued.total["high"]
        paid_ahead = np.random.default_rng(seed).gamma(SPEND["p"] * frame["purchases_ahead"].clip(lower=1e-9))
        realised = (paid_ahead * frame["true_mean_spend"] / SPEND["p"]).sum()
        low, high = valued.realised_total()[["low", "high"]]
        realised_held += low < realised < high
    assert expected_held >= 31
    assert realised_held >= 31


def test_realised_total_is_wider_by_the_chance_of_each_purchase(fits):
    """At known parameters, the variance of a Poisson number of purchases is its mean: the least there can be."""
    purchases, _ = fits
    valued = customer_lifetime_value(
        purchases, 1.0, horizon_months=12, annual_discount_rate=0, margin=1, n_boot=400, level=0.68
    )
    expected, realised = valued.total, valued.realised_total()
    added = np.sqrt((realised["high"] - realised["low"]) ** 2 - (expected["high"] - expected["low"]) ** 2) / 2
    assert added > 0.9 * np.sqrt(expected["value"])
    assert realised["low"] < expected["low"] < expected["high"] < realised["high"]


def test_chance_in_a_large_total_follows_from_a_sample(valued, monkeypatch):
    whole = np.std(np.array(list(valued._futures(150))) - valued.total_draws[:150])
    monkeypatch.setattr(values, "_MOST_SIMULATED", 400)
    sampled = np.std(np.array(list(valued._futures(150))) - valued.total_draws[:150])
    assert sampled == pytest.approx(whole, rel=0.35)


def test_a_realised_total_is_never_below_nothing():
    """In a few days hardly anybody buys, and in many futures nobody: then nothing comes in, whatever was expected."""
    purchases, _ = fit(company(60, 0))
    valued = customer_lifetime_value(purchases, 100.0, horizon_months=0.2, annual_discount_rate=0.1, margin=0.4)
    futures = np.array(list(valued._futures(200)))
    assert futures.min() == 0
    assert valued.realised_total()["low"] == 0
    assert futures.mean() == pytest.approx(valued.total["value"], rel=0.15)


def test_fractional_weights_give_the_spread_of_whole_customers(table):
    few = table.iloc[:800]
    columns = (few["frequency"], few["recency"], few["age"])
    plain = customer_lifetime_value(BetaGeoNBD().fit(*columns), 80.0, **TERMS)
    halves = [pd.concat([column, column], ignore_index=True) for column in columns]
    halved = customer_lifetime_value(BetaGeoNBD().fit(*halves, weights=np.full(1_600, 0.5)), 80.0, **TERMS)
    first, second = (valued.realised_total() for valued in (plain, halved))
    assert second["value"] == pytest.approx(first["value"], rel=1e-6)
    assert second["high"] - second["low"] == pytest.approx(first["high"] - first["low"], rel=0.25)


def test_rows_that_stand_for_many_count_by_their_weight(table):
    rounded = table[["frequency", "recency", "age"]].round(0)
    rounded["recency"] = rounded["recency"].clip(lower=0.5 * (rounded["frequency"] > 0)).clip(upper=rounded["age"])
    merged = rounded.value_counts().rename("customers").reset_index()
    plain = BetaGeoNBD().fit(rounded["frequency"], rounded["recency"], rounded["age"])
    weighted = BetaGeoNBD().fit(merged["frequency"], merged["recency"], merged["age"], weights=merged["customers"])
    first = customer_lifetime_value(plain, 80.0, **TERMS)
    second = customer_lifetime_value(weighted, 80.0, **TERMS)
    assert second.total["value"] == pytest.approx(first.total["value"], rel=1e-8)
    assert second.total["low"] == pytest.approx(first.total["low"], rel=1e-4)
    assert second.realised_total()["high"] == pytest.approx(first.realised_total()["high"], rel=0.05)


def test_customers_without_spend_are_expected_to_spend_the_mean(table, fits, valued):
    frame = valued.by_customer
    unseen = table["frequency"] == 0
    np.testing.assert_allclose(frame.loc[unseen, "expected_spend"], fits[1].population_mean_spend)
    assert frame.loc[~unseen, "expected_spend"].nunique() > 100


def test_known_spend_and_margins_of_customers_are_used(table, fits):
    purchases, _ = fits
    spend = pd.Series(np.linspace(10, 20, len(table)), table.index)
    terms = {"horizon_months": 6, "annual_discount_rate": 0.05}
    plain = customer_lifetime_value(purchases, 1.0, margin=1, interval=None, **terms)
    valued = customer_lifetime_value(purchases, spend, margin=np.full(len(table), 0.3), interval=None, **terms)
    np.testing.assert_allclose(valued.by_customer["value"], plain.by_customer["value"] * spend * 0.3)
    assert valued.by_customer[["low", "high"]].isna().all().all()
    assert np.isnan(valued.total["low"])


def test_number_alive_is_held_by_its_interval_in_simulated_companies():
    """Of 40 intervals at 90 %, 36 are expected to hold; below 31 has a chance of about 1 in 60."""
    held = 0
    for seed in range(40):
        frame = company(600, 300 + seed)
        purchases = BetaGeoNBD().fit(frame["frequency"], frame["recency"], frame["age"])
        valued = customer_lifetime_value(
            purchases, 1.0, horizon_months=1, annual_discount_rate=0, margin=1, level=0.9, n_boot=200, seed=seed
        )
        alive = valued.alive
        assert alive["value"] == pytest.approx(purchases.p_alive().sum())
        held += alive["low"] <= frame["left_at"].isna().sum() <= alive["high"]
    assert 31 <= held < 40


def test_tables_and_figure_agree(valued):
    summary = valued.summary_frame()
    assert summary["quantity"].tolist() == ["expected total", "realised total", "expected mean"]
    assert summary["value"].iloc[2] == pytest.approx(valued.by_customer["value"].mean())
    top = valued.values_table(customers=5)
    assert top["value"].tolist() == sorted(valued.by_customer["value"], reverse=True)[:5]
    ax = valued.plot_values(customers=5)
    assert [label.get_text() for label in ax.get_yticklabels()] == top.iloc[:, 0].tolist()
    ax.figure.clear()


def test_same_seed_same_answer(fits, valued):
    again = customer_lifetime_value(*fits, **TERMS)
    pd.testing.assert_frame_equal(again.by_customer, valued.by_customer)
    assert again.realised_total().equals(valued.realised_total())
    other = customer_lifetime_value(*fits, **TERMS, seed=8)
    assert other.total["low"] != valued.total["low"]


def test_wrong_arguments_are_named_together(fits):
    with pytest.raises(ParameterError) as caught:
        customer_lifetime_value(
            *fits, horizon_months=0, annual_discount_rate=-0.1, margin=40, interval="both", n_boot=1, level=95
        )
    for part in ("horizon_months", "annual_discount_rate", "interval", "n_boot", "level"):
        assert part in str(caught.value)
    with pytest.raises(ParameterError, match=r"at most 1 \(0\.4 is forty per cent\); 1,500 are above"):
        customer_lifetime_value(*fits, horizon_months=1, annual_discount_rate=0, margin=40)
    with pytest.raises(ParameterError, match="one number or one a customer, that is 1,500, and has 2"):
        customer_lifetime_value(*fits, horizon_months=1, annual_discount_rate=0, margin=[0.1, 0.2])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"horizon_months": "12"}, "horizon_months must be above 0, and is '12'"),
        ({"annual_discount_rate": 10}, r"from 0 to 1 \(0\.1 is ten per cent\), and is 10"),
        ({"seed": 1.5}, "seed must be a whole number of at least 0, and is 1.5"),
        ({"seed": -1}, "seed must be a whole number of at least 0, and is -1"),
        ({"spend": GammaGamma()}, "must be a fitted spend model"),
        ({"spend": -5.0}, r"spend at a purchase must be 0 or more, and 1,500 are not \(c0, c1, c2"),
        ({"spend": [object()] * 1_500}, "spend must be numbers, and holds object"),
        ({"purchases": pd.DataFrame()}, "must be a fitted purchase model"),
    ],
)
def test_what_is_no_such_argument_gets_the_usual_error(fits, wrong, message):
    with pytest.raises(ParameterError, match=message):
        customer_lifetime_value(**{"purchases": fits[0], "spend": fits[1], **TERMS, **wrong})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_draws": 0}, "n_draws must be a whole number of at least 1"), ({"n_draws": 2, "seed": -1}, "seed must be")],
)
def test_draws_that_are_none_are_refused(fits, options, message):
    for fitted in fits:
        with pytest.raises(ParameterError, match=message):
            fitted.parameter_draws(**options)


def test_purchases_and_spend_of_different_customers_are_refused(table, fits):
    purchases, _ = fits
    repeated = table[table["frequency"] > 0]
    shifted = repeated.set_axis(repeated.index[::-1])
    spend = GammaGamma().fit(shifted["mean_spend"], shifted["frequency"])
    with pytest.raises(ParameterError, match="is not the frequency in purchases"):
        customer_lifetime_value(purchases, spend, **TERMS)
    bare = GammaGamma().fit(repeated["mean_spend"].to_numpy(), repeated["frequency"].to_numpy())
    with pytest.raises(ParameterError, match="whom purchases does not know"):
        customer_lifetime_value(purchases, bare, **TERMS)


def test_a_mean_spend_that_is_not_finite_is_refused(table, fits):
    purchases, _ = fits
    rng = np.random.default_rng(5)
    repeated = table[table["frequency"] > 0]
    wild = pd.Series(rng.gamma(4, 1 / rng.gamma(0.7, 1 / 20, len(repeated))), repeated.index)
    spend = GammaGamma().fit(wild, repeated["frequency"])
    assert spend.params["q"] < 1
    with pytest.raises(ConvergenceError, match="mean spend of the spend model is not finite"):
        customer_lifetime_value(purchases, spend, **TERMS)


def test_unknown_customers_and_missing_draws_are_refused(fits, valued):
    with pytest.raises(ParameterError, match="1 customers are not known"):
        valued.draws(["c0", "nobody"])
    bare = customer_lifetime_value(*fits, **TERMS, interval=None)
    with pytest.raises(ParameterError, match="interval=None"):
        bare.draws()
    with pytest.raises(ParameterError, match="interval=None"):
        bare.realised_total()
    with pytest.raises(ParameterError, match="at least 1"):
        valued.values_table(customers=0)
