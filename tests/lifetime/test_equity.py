"""Customer equity: identities, re-evaluation with changed inputs, draws, odd companies."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime import (
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    customer_equity,
    customer_lifetime_value,
    simulate_histories,
    simulate_spend,
)
from crm_utils.lifetime.equity import _Scene
from crm_utils.plotting import alt_text, money

SHAPE = {
    BetaGeoNBD: (0.8, 6.0, 1.2, 3.0),
    ModifiedBetaGeoNBD: (0.8, 6.0, 1.2, 3.0),
    ParetoNBD: (0.8, 6.0, 1.5, 30.0),
}
TERMS = {"horizon_months": 24, "annual_discount_rate": 0.1, "margin": 0.4, "n_boot": 40}
PLANS = {"new_customers_per_year": 300.0, "acquisition_cost": 30.0, "acquisition_years": 4.0}
YEAR = 365.25 / 7  # weeks


def fit(model, *, customers=1_200, seed=3):
    of_ages, of_histories, of_spend = np.random.SeedSequence(seed).spawn(3)
    ages = np.random.default_rng(of_ages).uniform(5, 150, customers)
    table = simulate_histories(model(), SHAPE[model], ages, seed=of_histories)
    table = table.assign(**simulate_spend({"p": 4.0, "q": 4.0, "gamma": 112.5}, table["frequency"], seed=of_spend))
    repeated = table[table["frequency"] > 0]
    purchases = model().fit(table["frequency"], table["recency"], table["age"])
    return purchases, GammaGamma().fit(repeated["mean_spend"], repeated["frequency"])


@pytest.fixture(scope="module", params=SHAPE, ids=lambda model: model.__name__)
def case(request):
    purchases, spend = fit(request.param)
    valued = customer_lifetime_value(purchases, spend, **TERMS)
    return SimpleNamespace(
        purchases=purchases, spend=spend, valued=valued, equity=customer_equity(valued, **PLANS), model=request.param
    )


@pytest.fixture(scope="module")
def bg():
    return fit(BetaGeoNBD)


def components(equity):
    return equity.components.set_index("component")


def sensitivities(equity):
    return equity.sensitivities.set_index("driver")


def repeats_of_new(purchases, horizon, rate):
    """Discounted repeat purchases of a customer just won, summed over thousands of short periods."""
    edges = np.linspace(0, horizon, 4_001)
    bought = np.diff(purchases.expected_purchases_new(edges))
    return bought @ np.exp(-rate * (edges[1:] + edges[:-1]) / 2)


def evaluated(case, *, annual_discount_rate=0.1, margin=0.4, cost=30.0, purchases=None, spend=None):
    """Equity from its parts, by other roads than the package takes: single customers, Riemann sums."""
    spend = case.spend if spend is None else spend
    valued = customer_lifetime_value(
        case.purchases,
        spend,
        horizon_months=24,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        interval=None,
    )
    rate = np.log1p(annual_discount_rate) / YEAR
    repeats = repeats_of_new(case.purchases if purchases is None else purchases, 2 * YEAR, rate)
    mean = spend.population_mean_spend if spend is case.spend else spend
    new = margin * mean * (1 + repeats) - cost
    months = (np.arange(48_000) + 0.5) / 12_000  # years until each of many small groups comes
    present = np.mean((1 + annual_discount_rate) ** -months)
    return valued.total["value"], PLANS["new_customers_per_year"] * 4 * present * new, new


class TestComponents:
    def test_each_is_what_its_parts_say(self, case):
        current, future, new = evaluated(case)
        values = components(case.equity)["value"]
        assert values["current customers"] == pytest.approx(current, rel=1e-4)
        assert values["future customers"] == pytest.approx(future, rel=1e-4)
        assert values["one new customer"] == pytest.approx(new, rel=1e-4)
        assert values["equity"] == pytest.approx(values["current customers"] + values["future customers"], rel=1e-12)

    def test_current_customers_are_the_total_of_the_values_in_every_draw(self, case):
        total, row = case.valued.total, components(case.equity).loc["current customers"]
        assert row["value"] == total["value"]
        for name in ("low", "high"):
            assert row[name] == pytest.approx(total[name], rel=1e-4)

    def test_without_discounting_future_customers_are_plain_products(self, case):
        valued = customer_lifetime_value(case.purchases, case.spend, **TERMS | {"annual_discount_rate": 0})
        values = components(customer_equity(valued, **PLANS))["value"]
        repeats = case.purchases.expected_purchases_new(2 * YEAR)
        new = 0.4 * case.spend.population_mean_spend * (1 + repeats) - 30
        assert values["one new customer"] == pytest.approx(new, rel=1e-9)
        assert values["future customers"] == pytest.approx(300 * 4 * new, rel=1e-9)

    def test_known_spend_and_margins_of_customers(self, case):
        index = case.purchases.histories.index
        spend = pd.Series(np.linspace(20, 60, len(index)), index)
        margin = np.linspace(0.2, 0.5, len(index))
        valued = customer_lifetime_value(
            case.purchases, spend, horizon_months=24, annual_discount_rate=0.1, margin=margin, n_boot=10
        )
        found = components(customer_equity(valued, **PLANS))["value"]
        assert found["current customers"] == valued.total["value"]
        _, _, new = evaluated(case, margin=0.35, spend=40.0)
        assert found["one new customer"] == pytest.approx(new, rel=1e-4)

    def test_intervals_hold_their_values_and_come_from_the_draws(self, case):
        table = components(case.equity)
        assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
        repeats = []
        for params, (p, q, gamma) in case.valued._draws:
            drawn = replace(case.purchases, params=pd.Series(params, case.purchases.params.index))
            repeats.append(0.4 * p * gamma / (q - 1) * (1 + repeats_of_new(drawn, 2 * YEAR, np.log(1.1) / YEAR)) - 30)
        low, high = np.quantile(repeats, [0.025, 0.975])
        assert table.loc["one new customer", "low"] == pytest.approx(low, rel=1e-3)
        assert table.loc["one new customer", "high"] == pytest.approx(high, rel=1e-3)

    def test_rows_that_stand_for_many_count_by_their_weight(self, bg):
        histories = bg[0].histories
        doubled = BetaGeoNBD().fit(
            histories["frequency"], histories["recency"], histories["age"], weights=np.full(len(histories), 2.0)
        )
        one, two = (
            components(customer_equity(customer_lifetime_value(fitted, 40.0, **TERMS), **PLANS))["value"]
            for fitted in (bg[0], doubled)
        )
        assert two["current customers"] == pytest.approx(2 * one["current customers"], rel=1e-6)
        assert two["future customers"] == pytest.approx(one["future customers"], rel=1e-6)


class TestSensitivities:
    def test_margin_is_revenue_times_the_step(self, case):
        revenue, _, _ = evaluated(case, margin=1.0)
        gross = evaluated(case, margin=1.0, cost=0.0)[1]
        row = sensitivities(case.equity).loc["margin"]
        assert row["difference"] == pytest.approx(0.01 * (revenue + gross), rel=1e-4)
        assert row["to"] - row["from"] == pytest.approx(0.01)
        assert row["from"] == pytest.approx(0.4)

    def test_no_margin_rises_above_one(self, case):
        index = case.purchases.histories.index
        shares = np.where(np.arange(len(index)) < 10, 0.995, 1.0)
        terms = TERMS | {"n_boot": 5}
        valued = customer_lifetime_value(case.purchases, 40.0, **terms | {"margin": shares})
        equity = customer_equity(valued, **PLANS | {"new_customers_per_year": 0})
        row = sensitivities(equity).loc["margin"]
        assert row["to"] == pytest.approx(1.0)
        assert row["difference"] == pytest.approx(valued.by_customer["value"].iloc[:10].sum() / 0.995 * 0.005)
        whole = customer_equity(customer_lifetime_value(case.purchases, 40.0, **terms | {"margin": 1.0}), **PLANS)
        row = sensitivities(whole).loc["margin"]
        assert row[["from", "to", "difference"]].tolist() == [1, 1, 0]
        assert np.isnan(row["elasticity"])

    def test_discount_rate_is_that_of_values_at_a_lower_one(self, case):
        before, after = (sum(evaluated(case, annual_discount_rate=rate)[:2]) for rate in (0.1, 0.09))
        row = sensitivities(case.equity).loc["discount rate"]
        assert row["difference"] == pytest.approx(after - before, rel=5e-3)
        assert (row["from"], row["to"]) == pytest.approx((0.1, 0.09))

    def test_acquisition_cost_is_exactly_what_is_saved(self, case):
        years = (np.arange(48_000) + 0.5) / 12_000
        saved = 300 * 4 * np.mean(1.1**-years) * 0.01 * 30
        row = sensitivities(case.equity).loc["acquisition cost"]
        for name in ("difference", "low", "high"):
            assert row[name] == pytest.approx(saved, rel=1e-7)
        assert (row["from"], row["to"]) == pytest.approx((30, 29.7))

    def test_retention_rises_by_the_step_and_changes_only_what_is_to_come(self, case):
        row = sensitivities(case.equity).loc["retention"]
        assert row["from"] == case.equity.yearly_retention
        assert row["to"] - row["from"] == pytest.approx(0.01, abs=1e-8)

        scene = _Scene(case.valued, *PLANS.values(), 0.01)
        effect = scene.effect_of(row["to"])
        assert effect < 0
        params = np.array(case.model()._with_covariates(case.purchases.params.to_numpy(), 0.0, effect))
        histories, rate = case.purchases.histories, np.log(1.1) / YEAR
        x, age = histories["frequency"].to_numpy(), histories["age"].to_numpy()
        ahead = case.model()._discounted_if_alive(params, x, age, 2 * YEAR, rate)
        frame = case.valued.by_customer
        current = (frame["p_alive"] * ahead * frame["expected_spend"] * 0.4).sum()
        changed = replace(case.purchases, params=pd.Series(params, case.purchases.params.index))
        _, future, _ = evaluated(case, purchases=changed)
        before = sum(evaluated(case)[:2])
        assert row["difference"] == pytest.approx(current + future - before, rel=2e-3)

    def test_yearly_retention_is_the_share_of_simulated_customers_who_stay(self, case):
        """The same seed grows older: who was alive at forty weeks, and who still is a year later."""
        params = case.purchases.params
        ages = np.full(20_000, 40.0)
        today, later = (simulate_histories(case.model(), params, ages + more, seed=5) for more in (0.0, YEAR))
        np.testing.assert_array_equal(today["rate"], later["rate"])
        alive, stays = today["left_at"].isna(), later["left_at"].isna()
        assert not (stays & ~alive).any()
        fitted = replace(
            case.purchases,
            histories=today[["frequency", "recency", "age"]].astype(float),
            weights=np.ones(len(today)),
            customers=float(len(today)),
            rate_covariates=pd.DataFrame(index=today.index),
            dropout_covariates=pd.DataFrame(index=today.index),
        )
        valued = customer_lifetime_value(fitted, 1.0, **TERMS | {"n_boot": 2})
        expected = customer_equity(valued, **PLANS).yearly_retention
        share = stays.sum() / alive.sum()
        assert abs(share - expected) < 3 * np.sqrt(share * (1 - share) / alive.sum())

    def test_elasticities_are_relative_changes_of_equity(self, case):
        table = sensitivities(case.equity)
        equity = components(case.equity)["value"]["equity"]
        np.testing.assert_allclose(table["share"], table["difference"] / equity, rtol=1e-12)
        # Equity is linear in the margin and in the cost: a change of any size gives the same elasticity.
        half = sum(evaluated(case, margin=0.2)[:2])
        assert table.loc["margin", "elasticity"] == pytest.approx((equity - half) / equity / 0.5, rel=1e-3)
        free = sum(evaluated(case, cost=0.0)[:2])
        assert table.loc["acquisition cost", "elasticity"] == pytest.approx((free - equity) / equity, rel=1e-3)
        assert table.loc["retention", "elasticity"] == pytest.approx(
            table.loc["retention", "share"] / (0.01 / case.equity.yearly_retention), rel=1e-6
        )

    def test_a_larger_step_gains_in_proportion_or_nearly(self, case):
        small, large = (sensitivities(customer_equity(case.valued, **PLANS, step=step)) for step in (0.001, 0.002))
        np.testing.assert_allclose(large["difference"] / small["difference"], 2, rtol=0.02)

    def test_intervals_hold_their_differences(self, case):
        table = sensitivities(case.equity).drop(index="acquisition cost")
        assert ((table["low"] < table["difference"]) & (table["difference"] < table["high"])).all()

    def test_figure_shows_the_table(self, case):
        import matplotlib.pyplot as plt

        _, axes = plt.subplots()
        assert case.equity.plot_sensitivities(ax=axes) is axes
        table = case.equity.sensitivities.sort_values("difference", ascending=False)
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert [next(driver for driver in table["driver"] if label.startswith(driver)) for label in labels] == (
            table["driver"].tolist()
        )
        assert "10.0% → 9.0%" in " ".join(labels)
        assert axes.get_xlabel() == "Added customer equity, with 95% interval"
        assert money(table["difference"].iloc[0], signed=True) in alt_text(axes.figure)
        plt.close(axes.figure)


class TestOddCompanies:
    def equity(self, fits, plans=None, **terms):
        valued = customer_lifetime_value(*fits, **TERMS | {"n_boot": 10} | terms)
        return customer_equity(valued, **PLANS | (plans or {}))

    def test_a_discount_rate_of_zero_cannot_fall(self, bg):
        row = sensitivities(self.equity(bg, annual_discount_rate=0)).loc["discount rate"]
        assert row[["from", "to", "difference", "low", "high"]].tolist() == [0, 0, 0, 0, 0]
        assert np.isnan(row["elasticity"])
        row = sensitivities(self.equity(bg, annual_discount_rate=0.004)).loc["discount rate"]
        assert (row["from"], row["to"]) == (0.004, 0)
        assert row["difference"] > 0

    def test_where_nobody_leaves_retention_does_not_rise(self):
        """Purchases so rare that hardly anybody has a chance to leave in a year."""
        rng = np.random.default_rng(1)
        table = simulate_histories(BetaGeoNBD(), (0.8, 6_000.0, 1.2, 3.0), rng.uniform(5_000, 90_000, 600), seed=2)
        purchases = BetaGeoNBD().fit(table["frequency"], table["recency"], table["age"])
        equity = self.equity((purchases, 40.0))
        row = sensitivities(equity).loc["retention"]
        assert 0.995 < row["from"] < row["to"] <= 1
        assert row["difference"] > 0
        assert np.isfinite(equity.components["value"]).all()

    def test_a_cost_above_value_makes_future_customers_a_loss(self, bg):
        equity = self.equity(bg, {"acquisition_cost": 5_000.0})
        values = components(equity)["value"]
        assert values["one new customer"] < 0
        assert values["future customers"] < 0
        assert values["equity"] < 0
        table = equity.sensitivities
        # A share of something negative means nothing.
        assert table["share"].isna().all()
        assert table["elasticity"].isna().all()
        assert (table.set_index("driver").loc[["retention", "margin", "acquisition cost"], "difference"] > 0).all()
        # The loss is the heavier, the less it is discounted.
        assert table.set_index("driver").loc["discount rate", "difference"] < 0

    @pytest.mark.parametrize("nothing", ["new_customers_per_year", "acquisition_years"])
    def test_without_new_customers_equity_is_that_of_the_current_ones(self, bg, nothing):
        equity = self.equity(bg, {nothing: 0})
        values = components(equity)["value"]
        assert values["future customers"] == 0
        assert values["equity"] == values["current customers"]
        assert sensitivities(equity).loc["acquisition cost", "difference"] == 0

    def test_a_cost_of_nothing_has_no_elasticity(self, bg):
        row = sensitivities(self.equity(bg, {"acquisition_cost": 0})).loc["acquisition cost"]
        assert row[["from", "to", "difference"]].tolist() == [0, 0, 0]
        assert np.isnan(row["elasticity"])

    def test_case_draws_serve_as_well(self, bg):
        table = components(self.equity(bg, interval="case"))
        assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()

    def test_same_input_same_answer_and_values_stay(self, bg):
        valued = customer_lifetime_value(*bg, **TERMS)
        before = valued.by_customer.copy()
        first, second = customer_equity(valued, **PLANS), customer_equity(valued, **PLANS)
        pd.testing.assert_frame_equal(first.components, second.components)
        pd.testing.assert_frame_equal(first.sensitivities, second.sensitivities)
        pd.testing.assert_frame_equal(valued.by_customer, before)


class TestOddInput:
    def test_every_problem_is_named(self, case):
        with pytest.raises(ParameterError) as caught:
            customer_equity(
                case.valued, new_customers_per_year=-1, acquisition_cost=np.nan, acquisition_years=np.inf, step=0.2
            )
        message = str(caught.value)
        assert message.startswith("customer_equity: 4 problems:")
        for part in ("new_customers_per_year", "acquisition_cost", "acquisition_years", "at most 0.1, and is 0.2"):
            assert part in message

    def test_a_table_of_values_is_not_the_values(self, case):
        with pytest.raises(ParameterError, match="must be the result of customer_lifetime_value, and is DataFrame"):
            customer_equity(case.valued.by_customer, **PLANS)

    @pytest.mark.parametrize("wrong", ["100", None, True])
    def test_customers_a_year_must_be_a_number(self, case, wrong):
        with pytest.raises(ParameterError, match="new_customers_per_year must be a number of at least 0"):
            customer_equity(case.valued, **PLANS | {"new_customers_per_year": wrong})

    @pytest.mark.parametrize("step", [0, -0.01, np.nan])
    def test_a_step_that_is_none_is_refused(self, case, step):
        with pytest.raises(ParameterError, match=r"step must be above 0 and at most 0\.1"):
            customer_equity(case.valued, **PLANS, step=step)

    def test_values_without_draws_are_refused(self, case):
        bare = customer_lifetime_value(case.purchases, case.spend, **TERMS, interval=None)
        with pytest.raises(ParameterError, match="no draws; compute the values with an interval"):
            customer_equity(bare, **PLANS)
