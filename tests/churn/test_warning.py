"""Early warning: agreement with statsmodels, the truth of a made-up company, time against lot, leaks, floors."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crm_utils.churn.features import several_snapshots
from crm_utils.churn.tables import as_feature_table, cross_section, random_split, time_split
from crm_utils.churn.warning import ModelComparison, _simplest, compare_models, early_warning, too_good_to_be_true
from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, LeakageError, ParameterError


def made(size=1500, seed=5):
    """Visits drive who leaves; a category and noise do not."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "customer_id": np.arange(size),
            "visits": rng.normal(3, 2, size),
            "noise": rng.normal(size=size),
            "plan": rng.choice(["gold", "silver", "bronze"], size),
        }
    )
    table["outcome"] = (rng.random(size) < 1 / (1 + np.exp(-1 + 0.8 * table["visits"]))).astype(int)
    return table


@pytest.fixture(scope="module")
def demo():
    return several_snapshots(
        load_company(), first="2023-07-01", last="2025-12-01", gap_months=1, outcome_months=2, customer_fields=()
    )


@pytest.fixture(scope="module")
def phones(telephone):
    return cross_section(telephone[0])


class TestLogistic:
    def test_errors_are_those_of_statsmodels_clustered_by_customer(self):
        rows = pd.concat([made(400), made(400, seed=6)])[["visits", "noise", "outcome", "customer_id"]]
        rows["snapshot"] = np.repeat(pd.to_datetime(["2025-01-01", "2025-02-01"]), 400)
        found = early_warning(rows, ridge=1e-9).coefficients.set_index("term")
        scaled = (rows[["visits", "noise"]] - rows[["visits", "noise"]].mean()) / rows[["visits", "noise"]].std(ddof=0)
        peer = sm.Logit(rows["outcome"].to_numpy(), sm.add_constant(scaled.to_numpy())).fit(
            disp=0, cov_type="cluster", cov_kwds={"groups": rows["customer_id"].to_numpy()}
        )
        for position, term in enumerate(["visits", "noise"], 1):
            assert found.loc[term, "coefficient"] == pytest.approx(peer.params[position], abs=1e-4)
            assert found.loc[term, "std_error"] == pytest.approx(peer.bse[position], rel=2e-3)
            assert found.loc[term, ["low", "high"]].tolist() == pytest.approx(peer.conf_int()[position], abs=2e-3)

    def test_skewed_amounts_go_in_as_logarithms(self):
        rng = np.random.default_rng(4)
        table = pd.DataFrame({"spend": rng.lognormal(3, 1.2, 4000), "age": rng.normal(45, 12, 4000)})
        chance = 1 / (1 + np.exp(-(2 - 0.9 * np.log1p(table["spend"]))))
        table["outcome"] = (rng.random(4000) < chance).astype(int)
        warning = early_warning(table, ridge=1e-9)
        logs = np.log1p(table["spend"])
        scaled = pd.DataFrame({"spend": (logs - logs.mean()) / logs.std(ddof=0), "age": table["age"]})
        peer = sm.Logit(table["outcome"], sm.add_constant(scaled)).fit(disp=0)
        found = warning.coefficients.set_index("term")
        assert found.loc["spend", "coefficient"] == pytest.approx(peer.params["spend"], abs=1e-4)
        assert found.loc["spend", "per"] == f"(1 + x) × {np.exp(logs.std(ddof=0)):.2g}"
        assert found.loc["age", "per"].endswith(" more")
        # Beyond what training had, the law goes on, and below zero nothing breaks.
        beyond = pd.DataFrame({"spend": [1e5, -3.0], "age": 45.0})
        expected = 2 - 0.9 * np.log1p(1e5)
        assert np.log(warning.predict(beyond).iloc[0]) == pytest.approx(expected, abs=0.9)
        assert np.isfinite(warning.log_odds(beyond)).all()

    def test_a_flag_is_yes_against_no(self):
        table = made().assign(member=lambda rows: (rows["noise"] > 0.8).astype(float))[["member", "outcome"]]
        table["outcome"] = (np.random.default_rng(1).random(len(table)) < 0.2 + 0.3 * table["member"]).astype(int)
        row = early_warning(table, ridge=1e-9).coefficients.iloc[0]
        odds = table.groupby("member")["outcome"].mean().pipe(lambda share: share / (1 - share))
        assert row["per"] == "yes"
        assert row["odds_ratio"] == pytest.approx(odds[1] / odds[0], rel=1e-3)

    def test_the_telephone_company_is_told_as_well_as_it_can_be(self, telephone, phones):
        table, truth = telephone
        split = random_split(phones, seed=3)
        for model, slack in (("logistic", 0.01), ("boosting", 0.03)):
            warning = early_warning(split.train, model=model, calibrate=split.calibrate)
            best = pd.Series(truth, table["customer_id"])[split.test.customers]
            honest = roc_auc_score(split.test.outcome, best)
            assert roc_auc_score(split.test.outcome, warning.predict(split.test)) == pytest.approx(honest, abs=slack)
        assert early_warning(split.train).coefficients.set_index("feature").loc["partner", "low"] < 0
        found = early_warning(phones).coefficients.set_index("term")["coefficient"]
        assert found["contract = Two year"] - found["contract = Month-to-month"] == pytest.approx(-2.8, abs=0.4)
        assert found["paperless"] == pytest.approx(0.5, abs=0.15)

    def test_one_flag_for_what_is_missing_together(self):
        table = made()
        gone = table["noise"] > 1
        table["a"], table["b"] = table["visits"].where(~gone), table["noise"].where(~gone)
        terms = early_warning(table).coefficients["term"]
        assert terms.str.endswith("missing").sum() == 1


@pytest.mark.parametrize("model", ["logistic", "boosting"])
class TestEither:
    def test_row_order_and_input_do_not_matter(self, model):
        table = made()
        copy = table.copy()
        one = early_warning(table, model=model).predict(table)
        pd.testing.assert_frame_equal(table, copy)
        other = early_warning(table[::-1], model=model).predict(table)
        np.testing.assert_allclose(one, other, atol=1e-6)

    def test_a_category_never_seen(self, model):
        table = made().assign(plan=lambda rows: np.where(rows["noise"] > 0, "gold", "silver"))
        table["outcome"] = (
            np.random.default_rng(2).random(len(table)) < np.where(table["plan"] == "gold", 0.6, 0.1)
        ) * 1
        warning = early_warning(table[["plan", "visits", "outcome"]], model=model)
        new = pd.DataFrame({"plan": ["gold", "platinum", "silver"], "visits": 3.0})
        gold, platinum, silver = warning.predict(new)
        assert silver < platinum
        assert platinum <= gold + 1e-12
        if model == "logistic":
            assert silver < platinum < gold

    def test_calibration_brings_probabilities_to_what_happens(self, model):
        table = made(3000)
        later = made(3000, seed=9)
        later["outcome"] = later["outcome"] * (np.random.default_rng(1).random(3000) < 0.5)
        plain = early_warning(table, model=model).predict(later)
        better = early_warning(table, model=model, calibrate=later).predict(later)
        rate = later["outcome"].mean()
        assert plain.mean() > 1.5 * rate
        assert better.mean() == pytest.approx(rate, rel=0.02)
        # A line on the log-odds changes no rank.
        assert roc_auc_score(later["outcome"], better) == pytest.approx(
            roc_auc_score(later["outcome"], plain), abs=1e-6
        )
        stairs = early_warning(table, model=model, calibrate=later, calibration="isotonic").predict(later)
        assert stairs.mean() == pytest.approx(rate, rel=0.02)
        assert stairs.nunique() < 100

    def test_log_odds_are_those_of_the_probabilities(self, model):
        table = made()
        warning = early_warning(table, model=model, calibrate=made(seed=8))
        np.testing.assert_allclose(1 / (1 + np.exp(-warning.log_odds(table))), warning.predict(table), atol=1e-9)


class TestLevel:
    def test_moves_all_alike_to_the_share_that_left(self):
        table, later = made(3000), made(3000, seed=9)
        later["outcome"] = later["outcome"] * (np.random.default_rng(1).random(3000) < 0.5)
        plain, moved = early_warning(table), early_warning(table, calibrate=later)
        assert (moved.calibration, moved.calibrated) == ("level", None)
        assert moved.predict(later).mean() == pytest.approx(later["outcome"].mean(), abs=1e-6)
        gap = moved.log_odds(later) - plain.log_odds(later)
        np.testing.assert_allclose(gap, moved.shift, atol=1e-9)
        assert moved.shift < -0.5

    def test_trees_get_a_line(self):
        assert early_warning(made(), model="boosting", calibrate=made(seed=8)).calibration == "platt"


class TestSimplest:
    def test_within_one_standard_error_of_the_best(self):
        # Worse than the second by 0.02, 0.01, 0.03, with a standard error of 0.006: too much.
        assert _simplest([[0.52, 0.50], [0.51, 0.50], [0.53, 0.50]]) == 1
        # Worse by 0.02, -0.02, 0.01 with a standard error of 0.012: not to be told apart.
        assert _simplest([[0.52, 0.50, 0.6], [0.48, 0.50, 0.6], [0.51, 0.50, 0.6]]) == 0
        assert _simplest([[0.6, 0.5, 0.55]]) == 1
        assert _simplest([]) == 0

    def test_noise_needs_few_trees(self):
        rng = np.random.default_rng(5)
        noise = pd.DataFrame(rng.normal(size=(1500, 8)), columns=list("abcdefgh")).assign(
            outcome=rng.random(1500) < 0.2
        )
        bent = pd.DataFrame({"a": rng.normal(size=4000)})
        bent["outcome"] = rng.random(4000) < np.where(np.abs(bent["a"]) > 1, 0.7, 0.05)
        trees = [early_warning(table, model="boosting").pipeline[-1].n_iter_ for table in (noise, bent)]
        assert trees[0] == 5
        assert trees[1] >= 20


class TestRidge:
    def test_noise_is_held_down(self):
        """With forty columns of noise and few leavers, a small penalty makes probabilities too extreme."""
        rng = np.random.default_rng(8)

        def noisy(size):
            table = pd.DataFrame(rng.normal(size=(size, 40)), columns=[f"x{number}" for number in range(40)])
            table["outcome"] = (rng.random(size) < 1 / (1 + np.exp(2 + 0.3 * table["x0"]))).astype(int)
            return table

        table, later = noisy(800), noisy(4000)
        chosen, plain = early_warning(table), early_warning(table, ridge=1.0)
        assert chosen.ridge >= 100
        loss = [np.mean((model.predict(later) - later["outcome"].to_numpy()) ** 2) for model in (chosen, plain)]
        assert loss[0] < loss[1]
        # What is shown is the light fit; what predicts is nearer to 0.
        np.testing.assert_allclose(chosen.coefficients["coefficient"], plain.coefficients["coefficient"])
        assert (chosen.coefficients["used"].abs() < plain.coefficients["used"].abs()).all()

    def test_a_strong_law_is_left_alone(self):
        assert early_warning(made(3000)).ridge <= 10

    def test_unusable(self):
        with pytest.raises(ParameterError, match="ridge must be above 0"):
            early_warning(made(), ridge=0)


class TestDemo:
    def test_lot_flatters_and_time_does_not(self, demo):
        """The same customers a month older in training: trees remember them."""
        areas = {}
        for split in (time_split(demo, test_snapshots=2, calibrate_snapshots=3), random_split(demo)):
            warning = early_warning(split.train, model="boosting")
            areas[split.kind] = roc_auc_score(split.test.outcome, warning.predict(split.test))
        assert areas["random rows"] > areas["time"] + 0.03

    def test_probabilities_of_the_last_snapshots_are_about_right(self, demo):
        split = time_split(demo, test_snapshots=3, calibrate_snapshots=3)
        warning = early_warning(split.train, calibrate=split.calibrate)
        chance = warning.predict(split.test).to_numpy()
        assert chance.mean() == pytest.approx(split.test.outcome.mean(), rel=0.25)
        assert roc_auc_score(split.test.outcome, chance) > 0.55
        # Satisfaction keeps people, as planted.
        row = warning.coefficients.set_index("term").loc["satisfaction"]
        assert row["high"] < 0


class TestComparison:
    def test_zero_has_no_minus(self):
        table = pd.DataFrame({"model": ["logistic", "boosting"]})
        found = ModelComparison(table, -0.0002, -0.0104, -0.0, "baseline", 900, 90)
        assert found.sentence == (
            "The AUC of boosting less that of logistic is 0.000 (-0.010 to 0.000): logistic is kept."
        )

    def test_a_challenger_that_is_better(self):
        rng = np.random.default_rng(4)
        table = pd.DataFrame({"x": rng.normal(size=3000)})
        table["outcome"] = (rng.random(3000) < np.where(np.abs(table["x"]) > 1, 0.6, 0.1)).astype(int)
        one, other = (early_warning(table[:1500], model=model) for model in ("logistic", "boosting"))
        found = compare_models(one, other, table[1500:])
        assert found.keep == "challenger"
        assert found.difference == pytest.approx(found.table["auc"][1] - found.table["auc"][0])
        assert "boosting is kept" in found.sentence
        back = compare_models(other, one, table[1500:])
        assert (back.keep, back.low) == ("baseline", pytest.approx(-found.high))
        with pytest.raises(DataFloorError, match="at least 10"):
            compare_models(one, other, table[1500:1510])

    def test_nothing_to_choose_keeps_the_baseline(self):
        table = made()
        one = early_warning(table)
        found = compare_models(one, one, made(seed=6))
        assert (found.difference, found.low, found.high, found.keep) == (0, 0, 0, "baseline")


class TestLeaks:
    @pytest.mark.parametrize(
        ("plant", "sign"),
        [
            (lambda t: t["outcome"].map({1: "price", 0: None}), "filled in for leavers only"),
            (lambda t: t["visits"].where(t["outcome"] == 0), "missing for leavers only"),
            (lambda t: t["outcome"] * 10 + t["noise"], "orders leavers and stayers"),
            (
                lambda t: pd.Series(np.where((t["outcome"] == 1) & (t["noise"] > 0), "closing", "normal")),
                "has a value that only leavers have",
            ),
            # Filled in for some leavers only: the area alone is not suspect.
            (
                lambda t: pd.Series(np.where(t["outcome"] & (t["noise"] > 0.5), "rival", None)),
                "filled in for leavers only",
            ),
        ],
    )
    def test_each_kind_is_named_and_refused(self, plant, sign):
        table = made()
        table["leak"] = plant(table)
        found = too_good_to_be_true(table)
        assert found["feature"].tolist() == ["leak"]
        assert found["sign"].iloc[0] == sign
        with pytest.raises(LeakageError, match="leak alone tells who left"):
            early_warning(table)
        assert "leak" in early_warning(table, allow=["leak"]).features

    def test_honest_features_are_left_alone(self, phones, demo):
        assert not len(too_good_to_be_true(made()))
        assert not len(too_good_to_be_true(phones))
        assert not len(too_good_to_be_true(demo))

    def test_rare_categories_do_not_look_like_leaks(self):
        table = made().assign(branch=lambda rows: [f"b{number % 400}" for number in rows["customer_id"]])
        assert not len(too_good_to_be_true(table))


class TestFloors:
    @pytest.mark.parametrize(("left", "word"), [(0, "left"), (49, "left"), (600, "stayed")])
    def test_too_few_of_either(self, left, word):
        table = pd.DataFrame({"x": np.arange(600) % 7, "outcome": (np.arange(600) < left).astype(int)})
        with pytest.raises(DataFloorError, match=f"at least 50 customers who {word}"):
            early_warning(table)

    def test_all_leavers_on_one_of_several_days(self):
        table = pd.concat([made().assign(outcome=0, snapshot="2025-01-01"), made().assign(snapshot="2025-02-01")])
        with pytest.raises(DataFloorError, match="snapshot of 2025-02-01"):
            early_warning(table)

    def test_too_few_to_calibrate_with(self):
        with pytest.raises(DataFloorError, match="calibrate"):
            early_warning(made(), calibrate=made(40))

    def test_nothing_differs(self):
        with pytest.raises(DataFloorError, match="no feature differs"):
            early_warning(made()[["outcome"]].assign(x=1.0))


class TestUnusable:
    def test_repeated_customers(self):
        table = made()
        table.loc[1, "customer_id"] = 0
        with pytest.raises(ParameterError, match="customer_id repeats in 1 rows"):
            early_warning(table)

    def test_options(self):
        with pytest.raises(ParameterError, match="5 problems") as caught:
            early_warning(made(), model="forest", calibration="none", features=["visit"], level=2, seed=-1)
        assert "did you mean 'visits'" in str(caught.value)

    def test_rows_to_predict(self):
        warning = early_warning(made())
        with pytest.raises(ParameterError, match="lacks the columns noise, plan"):
            warning.predict(pd.DataFrame({"visits": [1.0]}))
        with pytest.raises(ParameterError, match="visits was a number in training"):
            warning.predict(made().assign(visits="many"))
        with pytest.raises(ParameterError, match="is none"):
            early_warning([1, 2])

    def test_missing_outcomes_are_counted(self):
        table = made()
        table["outcome"] = table["outcome"].astype(float)
        table.loc[:9, "outcome"] = np.nan
        warning = early_warning(table)
        assert warning.customers == len(table) - 10
        assert any("10 rows" in note for note in warning.notes)


def test_unpenalised_fit_is_that_of_scikit_learn():
    table = made()[["visits", "noise", "outcome"]]
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(table[["visits", "noise"]], table["outcome"])
    mine = early_warning(table, ridge=1e-9).predict(as_feature_table(table))
    np.testing.assert_allclose(mine, peer.predict_proba(table[["visits", "noise"]])[:, 1], atol=1e-4)
