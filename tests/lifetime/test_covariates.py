"""Static covariates of the purchase models: planted effects, identities, predictions, values, odd input."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad, minimize

from crm_utils.errors import ParameterError
from crm_utils.lifetime import (
    BetaGeoNBD,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    customer_equity,
    customer_lifetime_value,
    frequency_table,
    holdout_table,
    simulate_histories,
    tracking_table,
)
from crm_utils.lifetime.histories import PurchaseRows
from crm_utils.lifetime.values import _simulated

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
SHAPE = {
    BetaGeoNBD: {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0},
    ModifiedBetaGeoNBD: {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0},
    ParetoNBD: {"r": 0.8, "alpha": 6.0, "s": 1.5, "beta": 30.0},
}
EFFECTS = {"rate_online": 0.6, "rate_size": -0.3, "dropout_online": 0.5}


def simulate(model, customers, *, seed, horizon=None):
    """Customers who differ: online ones buy more often and leave sooner, large households buy less often."""
    of_customers, of_histories = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(of_customers)
    online, size = rng.random(customers) < 0.4, rng.normal(2, 1, customers)
    params = dict(SHAPE[model])
    params["alpha"] = params["alpha"] * np.exp(-EFFECTS["rate_online"] * online - EFFECTS["rate_size"] * size)
    scaled, sign = ("beta", -1) if model is ParetoNBD else ("a", 1)
    params[scaled] = params[scaled] * np.exp(sign * EFFECTS["dropout_online"] * online)
    age = rng.integers(20, 105, customers).astype(float)
    histories = simulate_histories(model(), params, age, seed=of_histories, horizon=horizon)
    return histories.assign(online=online, size=size).set_axis([f"c{i}" for i in range(customers)])


def fit(model, table, *, rate=("online", "size"), dropout=("online",), **options):
    return model(**options).fit(
        table["frequency"],
        table["recency"],
        table["age"],
        rate_covariates=table[list(rate)] if rate else None,
        dropout_covariates=table[list(dropout)] if dropout else None,
    )


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.__name__)
def case(request):
    model = request.param
    table = simulate(model, 1_500, seed=21, horizon=26)
    return SimpleNamespace(model=model, table=table, fitted=fit(model, table))


def planted(model):
    return np.array([*SHAPE[model].values(), *EFFECTS.values()])


class TestEstimates:
    @pytest.mark.parametrize("model", MODELS)
    def test_planted_effects_lie_in_their_intervals(self, model):
        fitted = fit(model, simulate(model, 6_000, seed=3))
        table = fitted.summary_frame(level=0.99)
        assert table["parameter"].tolist() == [*SHAPE[model], *EFFECTS]
        assert ((table["low"] < planted(model)) & (planted(model) < table["high"])).all()
        # Narrow enough to tell each effect from none, and the two of one covariate from each other.
        coefficients = table.iloc[4:]
        assert (coefficients["std_error"] < 0.4 * coefficients["estimate"].abs()).all()

    @pytest.mark.parametrize("model", [BetaGeoNBD, ParetoNBD])
    def test_intervals_of_coefficients_cover_the_truth_as_often_as_they_say(self, model):
        """Of 60 intervals at 90 %, 54 are expected to hold; below 48 or all 60 has a chance of about 1 in 100."""
        held = 0
        for seed in range(20):
            table = fit(model, simulate(model, 1_200, seed=50 + seed)).summary_frame(level=0.9).iloc[4:]
            truth = planted(model)[4:]
            held += int(((table["low"] < truth) & (truth < table["high"])).sum())
        assert 48 <= held < 60

    @pytest.mark.parametrize("model", MODELS)
    def test_gradient_is_the_derivative_of_the_log_likelihood(self, model):
        table = simulate(model, 300, seed=2)
        rows = PurchaseRows(
            *table[["frequency", "recency", "age"]].to_numpy(dtype=float).T,
            np.linspace(0.5, 3, 300),
            table[["online", "size"]].to_numpy(dtype=float),
            table[["online"]].to_numpy(dtype=float),
        )
        objective = model()._objective(rows)
        point = np.concatenate([np.log(planted(model)[:4] * [1.5, 0.7, 1.2, 0.6]), [0.2, 0.3, -0.4]])
        error = check_grad(lambda point: objective(point)[0], lambda point: objective(point)[1], point)
        assert error < 1e-5 * np.linalg.norm(objective(point)[1])
        halves = [model()._objective(rows[part]) for part in (slice(0, 150), slice(150, None))]
        weights = [rows.weights[:150].sum(), rows.weights[150:].sum()]
        added = sum(weight * half(point)[0] for weight, half in zip(weights, halves, strict=True)) / sum(weights)
        assert objective(point)[0] == pytest.approx(added, rel=1e-12)

    @pytest.mark.parametrize("model", MODELS)
    def test_a_flag_on_the_rate_is_a_scale_of_time_of_each_group_and_all_else_shared(self, model):
        """The same maximum as that of two groups with one r, a and b (s and β), found without covariates by SciPy."""
        table = simulate(model, 1_000, seed=6)
        fitted = fit(model, table, rate=("online",), dropout=())
        plain = fit(model, table, rate=(), dropout=())
        assert fitted.loglik > plain.loglik + 5
        groups = []
        for flag in (False, True):
            part = table[table["online"] == flag]
            nothing = np.empty((len(part), 0))
            values = part[["frequency", "recency", "age"]].to_numpy(dtype=float).T
            objective = model()._objective(PurchaseRows(*values, np.ones(len(part)), nothing, nothing))
            groups.append((len(part), objective))

        def shared(point):
            value, gradient = 0.0, np.zeros(5)
            for place, (customers, objective) in zip((1, 4), groups, strict=True):
                own = [0, place, 2, 3]
                of_group, slope = objective(point[own])
                value += customers * of_group
                gradient[own] += customers * slope
            return value, gradient

        start = np.append(np.log(plain.params), np.log(plain.params["alpha"]))
        best = minimize(shared, start, jac=True, method="BFGS", options={"gtol": 1e-5})
        assert fitted.loglik == pytest.approx(-best.fun, abs=1e-5)
        np.testing.assert_allclose(fitted.params.iloc[:4], np.exp(best.x[:4]), rtol=1e-3)
        assert fitted.params["rate_online"] == pytest.approx(best.x[1] - best.x[4], abs=1e-3)

    def test_a_covariate_of_no_effect_adds_little_and_its_interval_holds_zero(self, case):
        noise = np.random.default_rng(9).normal(size=len(case.table))
        fitted = fit(case.model, case.table.assign(noise=noise), rate=("online", "size", "noise"))
        gain = fitted.loglik - case.fitted.loglik
        assert 0 <= gain < 4.5  # half of a χ² of one degree of freedom, above 9 once in 370
        row = fitted.summary_frame(level=0.997).set_index("parameter").loc["rate_noise"]
        assert row["low"] < 0 < row["high"]

    def test_another_scale_of_a_covariate_is_the_same_model(self, case):
        scaled = case.table.assign(size=10 * case.table["size"] + 3, online=case.table["online"] * 2 - 7)
        other = fit(case.model, scaled)
        assert other.loglik == pytest.approx(case.fitted.loglik, abs=1e-6)
        ratio = np.array([2, 10, 2])
        np.testing.assert_allclose(other.params.iloc[4:] * ratio, case.fitted.params.iloc[4:], rtol=1e-4)
        np.testing.assert_allclose(other.std_errors.iloc[4:] * ratio, case.fitted.std_errors.iloc[4:], rtol=1e-3)
        assert other.params["r"] == pytest.approx(case.fitted.params["r"], rel=1e-4)
        np.testing.assert_allclose(other.expected_purchases(26), case.fitted.expected_purchases(26), rtol=1e-4)
        first = case.fitted.parameter_draws(4_000, seed=1)[:, 4:].std(axis=0)
        np.testing.assert_allclose(other.parameter_draws(4_000, seed=1)[:, 4:].std(axis=0) * ratio, first, rtol=0.1)

    def test_order_of_rows_weights_and_unit_do_not_matter(self, case):
        shuffled = fit(case.model, case.table.sample(frac=1, random_state=2))
        pd.testing.assert_series_equal(shuffled.params, case.fitted.params, rtol=1e-6)
        doubled = case.model().fit(
            *(case.table[name] for name in ("frequency", "recency", "age")),
            weights=np.full(len(case.table), 2.0),
            rate_covariates=case.table[["online", "size"]],
            dropout_covariates=case.table[["online"]],
        )
        pd.testing.assert_series_equal(doubled.params, case.fitted.params, rtol=1e-5)
        np.testing.assert_allclose(doubled.std_errors * np.sqrt(2), case.fitted.std_errors, rtol=1e-4)
        days = fit(
            case.model, case.table.assign(recency=case.table["recency"] * 7, age=case.table["age"] * 7), unit="day"
        )
        np.testing.assert_allclose(days.params.iloc[4:], case.fitted.params.iloc[4:], rtol=1e-4)
        assert days.params["alpha"] == pytest.approx(7 * case.fitted.params["alpha"], rel=1e-4)

    def test_inputs_stay_as_they_are(self, case):
        before = case.table.copy()
        fit(case.model, case.table)
        pd.testing.assert_frame_equal(case.table, before)
        pd.testing.assert_frame_equal(case.fitted.rate_covariates, case.table[["online", "size"]].astype(float))

    def test_refits_are_fits_of_the_customers_drawn(self, case):
        drawn = np.bincount(np.random.default_rng(4).integers(0, 1_500, 1_500), minlength=1_500)
        (refit,) = case.fitted.refits([drawn])
        again = fit(case.model, case.table.iloc[np.repeat(np.arange(1_500), drawn)])
        # To a billionth of log-likelihood.
        np.testing.assert_allclose(refit, again.params, rtol=2e-4, atol=1e-4)


class TestPredictions:
    def test_fitted_customers_have_their_own_parameters(self, case):
        """Each customer as a model without covariates whose parameters are hers."""
        estimate = case.fitted.params
        predicted = case.fitted.predict(26)
        for label in ("c0", "c3", "c17"):
            row = case.table.loc[label]
            params = estimate.iloc[:4].to_numpy().copy()
            params[1] *= np.exp(-estimate["rate_online"] * row["online"] - estimate["rate_size"] * row["size"])
            place, sign = (3, -1) if case.model is ParetoNBD else (2, 1)
            params[place] *= np.exp(sign * estimate["dropout_online"] * row["online"])
            history = [np.array([float(row[name])]) for name in ("frequency", "recency", "age")]
            alive = case.model()._p_alive(params, *history)[0]
            ahead = case.model()._expected_if_alive(params, history[0], history[2], np.array([26.0]))[0, 0]
            assert predicted.loc[label, "p_alive"] == pytest.approx(alive, rel=1e-10)
            assert predicted.loc[label, "expected_purchases"] == pytest.approx(alive * ahead, rel=1e-10)

    def test_given_histories_with_covariates_are_predicted_like_those_fitted(self, case):
        some = case.table.iloc[100:140]
        given = case.fitted.predict(
            26,
            some["frequency"],
            some["recency"],
            some["age"],
            rate_covariates=some[["online", "size"]],
            dropout_covariates=some[["online"]],
        )
        pd.testing.assert_frame_equal(given, case.fitted.predict(26).loc[some.index])

    def test_groups_bring_what_is_expected_of_them(self, case):
        """Totals of the next half-year: within four standard deviations of a sum with dispersion three."""
        expected = case.fitted.expected_purchases(26)
        for flag in (False, True):
            group = case.table["online"] == flag
            actual = case.table.loc[group, "purchases_ahead"].sum()
            assert abs(actual - expected[group].sum()) < 4 * np.sqrt(3 * expected[group].sum())

    def test_a_customer_just_won_has_the_covariates_named(self, case):
        covariates = {"rate_covariates": {"size": 2.5, "online": 1}, "dropout_covariates": {"online": 1}}
        new = case.fitted.expected_purchases_new([0, 13, 52], **covariates)
        at_start = case.fitted.expected_purchases(
            52,
            [0],
            [0],
            [0],
            rate_covariates=pd.DataFrame({"online": [1], "size": [2.5]}),
            dropout_covariates=pd.DataFrame({"online": [1]}),
        )
        assert new[0] == 0
        assert new[2] == pytest.approx(at_start.iloc[0], rel=1e-9)
        series = case.fitted.expected_purchases_new(
            52, rate_covariates=pd.Series(covariates["rate_covariates"]), dropout_covariates=pd.Series({"online": 1})
        )
        assert series == pytest.approx(new[2], rel=1e-12)

    def test_covariates_not_named_are_zero(self, case):
        plain = case.model()._expected_new(case.fitted.params.to_numpy()[:4], np.array([52.0]))[0]
        assert case.fitted.expected_purchases_new(52) == pytest.approx(plain, rel=1e-10)
        assert case.fitted.expected_purchases_new(52, rate_covariates={"online": 1}) > plain

    def test_covariates_that_are_not_those_of_the_fit_are_refused(self, case):
        history = ([1], [2.0], [10.0])
        with pytest.raises(
            ParameterError, match=r"rate_covariates must have the columns of the fit, \['online', 'size'\]"
        ):
            case.fitted.p_alive(*history)
        with pytest.raises(ParameterError, match=r"and has \['size', 'online'\]"):
            case.fitted.p_alive(
                *history,
                rate_covariates=pd.DataFrame({"size": [1], "online": [1]}),
                dropout_covariates=pd.DataFrame({"online": [1]}),
            )
        with pytest.raises(ParameterError, match="go with histories"):
            case.fitted.predict(26, rate_covariates=case.table[["online", "size"]])
        with pytest.raises(ParameterError, match="columns of the fit"):
            case.fitted.expected_purchases_new(26, rate_covariates={"onlin": 1})
        with pytest.raises(ParameterError, match=r"dropout_covariates\.online must be numbers"):
            case.fitted.expected_purchases_new(26, dropout_covariates={"online": "yes"})
        plain = fit(case.model, case.table, rate=(), dropout=())
        with pytest.raises(ParameterError, match=r"rate_covariates must have the columns of the fit, \[\]"):
            plain.expected_purchases_new(26, rate_covariates={"online": 1})


class TestFurtherOn:
    def test_values_are_discounted_purchases_of_each_customer(self, case):
        valued = customer_lifetime_value(
            case.fitted, 10.0, horizon_months=12, annual_discount_rate=0, margin=0.5, n_boot=30
        )
        expected = case.fitted.expected_purchases(365.25 / 7) * 5
        np.testing.assert_allclose(valued.by_customer["value"], expected, rtol=1e-9)
        frame = valued.by_customer
        assert ((frame["low"] < frame["value"]) & (frame["value"] < frame["high"])).mean() > 0.95
        draws = valued.draws(["c5", "c1"])
        np.testing.assert_allclose(
            np.quantile(draws, [0.025, 0.975], axis=1).T, frame.loc[["c5", "c1"], ["low", "high"]], rtol=1e-5
        )

    def test_parametric_and_case_intervals_and_what_may_come_agree_with_each_other(self, case):
        terms = {"horizon_months": 12, "annual_discount_rate": 0.1, "margin": 1}
        valued = {
            interval: customer_lifetime_value(case.fitted, 1.0, **terms, interval=interval, n_boot=60)
            for interval in ("parametric", "case")
        }
        widths = {name: found.total["high"] - found.total["low"] for name, found in valued.items()}
        assert 0.6 < widths["case"] / widths["parametric"] < 1.6
        realised = valued["parametric"].realised_total(n_boot=200)
        total = valued["parametric"].total
        assert realised["low"] < total["value"] < realised["high"]
        assert realised["high"] - realised["low"] > widths["parametric"]

    def test_simulated_futures_have_the_expectation_of_each_group(self, case):
        """The mean over 60 futures of each group, within four standard errors."""
        valued = customer_lifetime_value(case.fitted, 1.0, horizon_months=12, annual_discount_rate=0.1, margin=1)
        p_alive, params = valued.by_customer["p_alive"].to_numpy(), case.fitted.params.to_numpy()
        futures = np.array(
            [
                _simulated(
                    valued._ahead, valued._of_customer, p_alive, params, np.empty(0), np.random.default_rng(seed)
                )
                for seed in range(60)
            ]
        )
        for flag in (False, True):
            group = (case.table["online"] == flag).to_numpy()
            totals = futures[:, group].sum(axis=1)
            error = totals.std() / np.sqrt(len(totals))
            assert abs(totals.mean() - valued.by_customer.loc[group, "value"].sum()) < 4 * error

    def test_frequencies_add_up_and_fit_better_than_without(self, case):
        table = frequency_table(case.fitted)
        assert table["expected"].sum() == pytest.approx(len(case.table), rel=1e-3)
        inside = (table["low"] <= table["actual"]) & (table["actual"] <= table["high"])
        assert inside.sum() >= len(table) - 1

    def test_the_hold_out_of_each_tenth_is_as_expected(self, case):
        table = holdout_table(case.fitted, case.table["purchases_ahead"], horizon=26, by="expected", level=0.99)
        assert ((table["low"] <= table["expected"]) & (table["expected"] <= table["high"])).sum() >= 9
        assert table["expected"].is_monotonic_increasing
        pd.testing.assert_frame_equal(
            case.fitted.holdout_table(case.table["purchases_ahead"], horizon=26, by="expected", level=0.99), table
        )

    def test_tracking_follows_every_customer_s_own_curve(self, case):
        ends = pd.date_range("2024-01-07", periods=131, freq="7D")
        starts = ends[104] - pd.to_timedelta(case.table["age"] * 7, unit="D")
        activity = pd.DataFrame(
            {
                "period_end": ends,
                "purchases": 0,
                "new_customers": np.bincount(np.searchsorted(ends, starts), minlength=len(ends)),
                "in_holdout": np.arange(len(ends)) > 104,
            }
        )
        table = tracking_table(case.fitted, activity)
        by_customer = sum(
            case.fitted.expected_purchases_new(
                row["age"], rate_covariates=row[["online", "size"]], dropout_covariates=row[["online"]]
            )
            for _, row in case.table.iloc[::10].iterrows()
        )
        at_calibration = table.loc[~table["in_holdout"], "expected"].iloc[-1]
        # One customer in ten stands for all: their sum is off by a few per cent.
        assert at_calibration == pytest.approx(10 * by_customer, rel=0.15)
        assert table["expected"].is_monotonic_increasing
        assert (table["low"] <= table["expected"]).all()

    def test_equity_says_that_it_takes_no_covariates(self, case):
        valued = customer_lifetime_value(
            case.fitted, 1.0, horizon_months=12, annual_discount_rate=0.1, margin=1, n_boot=5
        )
        with pytest.raises(ParameterError, match="future customers have none; fit without them"):
            customer_equity(valued, new_customers_per_year=10, acquisition_cost=1)


class TestOddInput:
    def test_covariates_of_other_rows_than_the_histories_are_refused(self):
        table = simulate(BetaGeoNBD, 200, seed=1).set_axis([f"c{number}" for number in range(200)])
        columns = (table["frequency"], table["recency"], table["age"])
        size = pd.DataFrame({"size": np.arange(200.0) % 7}, table.index)
        with pytest.raises(ParameterError, match="rate_covariates has another index than frequency"):
            BetaGeoNBD().fit(*columns, rate_covariates=size.reset_index(drop=True))
        with pytest.raises(ParameterError, match=r"another order than frequency; give rate_covariates\.loc"):
            BetaGeoNBD().fit(*columns, rate_covariates=size[::-1])
        with pytest.raises(ParameterError, match="weights has its rows in another order"):
            BetaGeoNBD().fit(*columns, weights=pd.Series(1.0, table.index)[::-1])
        labelled = BetaGeoNBD().fit(*columns, rate_covariates=size)
        bare = BetaGeoNBD().fit(*columns, rate_covariates=size.to_numpy())
        assert labelled.loglik == bare.loglik
        with pytest.raises(ParameterError, match="rate_covariates has its rows in another order"):
            labelled.p_alive(*columns, rate_covariates=size[::-1])

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            (["yes", "no"] * 100, r"(?s)rate_covariates\.z must be numbers.*get_dummies"),
            ([1.0, np.nan] * 100, r"rate_covariates\.z has 100 missing"),
            ([4.0] * 200, "z is the same for every customer"),
            ([1.0, 0.0] * 50, "one row a customer, that is 200, and has 100"),
        ],
    )
    def test_unusable_columns_are_named(self, column, message):
        table = simulate(BetaGeoNBD, 200, seed=1)
        with pytest.raises(ParameterError, match=message):
            BetaGeoNBD().fit(
                table["frequency"],
                table["recency"],
                table["age"],
                rate_covariates=pd.DataFrame({"z": column}, table.index[: len(column)]),
            )

    def test_collinear_and_equally_named_columns_are_refused(self):
        table = simulate(BetaGeoNBD, 200, seed=1)
        flags = pd.get_dummies(pd.Series(["north", "south", "east", "west"] * 50, table.index))
        with pytest.raises(ParameterError, match="a column is a combination of the others; leave one out"):
            fit(BetaGeoNBD, table.join(flags), rate=tuple(flags))
        twice = pd.concat([table[["online"]], table[["online"]]], axis=1)
        with pytest.raises(ParameterError, match="dropout_covariates has two columns of the same name; rename them"):
            BetaGeoNBD().fit(table["frequency"], table["recency"], table["age"], dropout_covariates=twice)

    def test_categories_become_flags_but_one(self):
        table = simulate(BetaGeoNBD, 2_000, seed=1)
        shops = pd.Series(["north", "south", "east", "west"] * 500, table.index)
        flags = pd.get_dummies(shops, drop_first=True, prefix="shop")
        fitted = fit(BetaGeoNBD, table.join(flags), rate=tuple(flags), dropout=())
        assert fitted.params.index[4:].tolist() == ["rate_shop_north", "rate_shop_south", "rate_shop_west"]
        assert np.isfinite(fitted.std_errors).all()
