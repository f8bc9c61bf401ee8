"""Cox's model: published estimates and tests, rows split in time, robust errors, and models without an estimate."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from statsmodels.duration.hazard_regression import PHReg

from crm_utils.churn import cox_model
from crm_utils.churn.cox import _change_in_words
from crm_utils.company.public import fetch_rossi
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.plotting import alt_text

COVARIATES = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


@pytest.fixture
def rossi(public_data):
    """Weeks to arrest of 432 released prisoners (Rossi, Berk & Lenihan 1980)."""
    public_data("rossi")
    return fetch_rossi()


@pytest.fixture
def members():
    """600 members with whole months, two covariates that matter, a group and a number."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 600), "gold": rng.integers(0, 2, 600)})
    hazard = 0.08 * np.exp(0.02 * (frame["age"] - 40) - 0.6 * frame["gold"])
    months = np.ceil(rng.exponential(1 / hazard))
    frame["months"], frame["left"] = np.minimum(months, 24), months <= 24
    return frame.assign(person=np.arange(600), plan=np.where(rng.random(600) < 0.5, "a", "b"))


class TestPublished:
    def test_rossi_as_in_fox_2002(self, rossi):
        model = cox_model(rossi, "week", "arrest", COVARIATES)
        assert model.params.round(4).to_dict() == {
            "fin": -0.3794, "age": -0.0574, "race": 0.3139, "wexp": -0.1498, "mar": -0.4337, "paro": -0.0849,
            "prio": 0.0915,
        }  # fmt: skip
        errors = [0.1914, 0.0220, 0.3080, 0.2122, 0.3819, 0.1958, 0.0286]
        assert model.coefficients["std_error"].tolist() == pytest.approx(errors, abs=6e-5)
        assert model.log_likelihood == pytest.approx(-658.75, abs=0.005)
        assert (model.rows, model.events) == (432, 114)

    def test_rossi_concordance_as_r_prints_it(self, rossi):
        found = cox_model(rossi, "week", "arrest", COVARIATES).concordance
        assert found.estimate == pytest.approx(0.640, abs=5e-4)
        assert (found.high - found.low) / 3.92 == pytest.approx(0.027, abs=5e-4)

    def test_rossi_proportional_hazards_as_in_fox_2002(self, rossi):
        """cox.zph of fin + age + prio: ρ −.00657, −.20976, −.08004; χ² .00507, 6.54147, .77288; together 7.13046."""
        test = cox_model(rossi, "week", "arrest", ["fin", "age", "prio"]).proportional_hazards()
        assert test["chi2"].tolist() == pytest.approx([0.00507, 6.54147, 0.77288, 7.13046], abs=6e-6)
        assert test["correlation"].tolist()[:3] == pytest.approx([-0.00657, -0.20976, -0.08004], abs=6e-6)
        assert test["p_value"].tolist() == pytest.approx([0.9433, 0.0105, 0.3793, 0.0679], abs=6e-5)
        assert test["df"].tolist() == [1, 1, 1, 3]

    def test_rossi_with_strata(self, rossi):
        covariates = [name for name in COVARIATES if name != "wexp"]
        model = cox_model(rossi, "week", "arrest", covariates, strata="wexp")
        assert model.log_likelihood == pytest.approx(-580.89, abs=0.006)
        assert model.baseline_survival["stratum"].unique().tolist() == [0, 1]

    @pytest.mark.parametrize(("ties", "published"), [("efron", 1.572), ("breslow", 1.509)])
    def test_freireich_1963(self, ties, published):
        frame = pd.DataFrame(
            {"weeks": TREATED + PLACEBO, "relapse": RELAPSED + [1] * 21, "placebo": [0] * 21 + [1] * 21}
        )
        model = cox_model(frame, "weeks", "relapse", ["placebo"], ties=ties)
        assert model.params["placebo"] == pytest.approx(published, abs=6e-4)


class TestConsistency:
    def test_rows_split_by_month_tell_the_same(self, members):
        whole = cox_model(members, "months", "left", ["age", "gold"], clusters="person")
        split = members.loc[members.index.repeat(members["months"].astype(int))]
        stop = split.groupby(level=0).cumcount() + 1
        split = split.assign(start=stop - 1, stop=stop, left=split["left"] & (stop == split["months"]))
        parts = cox_model(split, "stop", "left", ["age", "gold"], entry_col="start", clusters="person")
        pd.testing.assert_frame_equal(parts.coefficients, whole.coefficients, rtol=1e-6)
        pd.testing.assert_frame_equal(parts.proportional_hazards(), whole.proportional_hazards(), rtol=1e-6)
        assert parts.concordance.estimate == pytest.approx(whole.concordance.estimate)
        # The baselines are of different people at the mean; their ratio is one factor throughout.
        ratio = parts.baseline_survival["cumulative_hazard"] / whole.baseline_survival["cumulative_hazard"]
        assert np.ptp(ratio) == pytest.approx(0, abs=1e-6)

    def test_recovers_what_was_planted(self, members):
        table = cox_model(members, "months", "left", ["age", "gold"]).coefficients.set_index("covariate")
        assert table.loc["age", "low"] < np.exp(0.02) < table.loc["age", "high"]
        assert table.loc["gold", "low"] < np.exp(-0.6) < table.loc["gold", "high"]

    def test_expected_leavers_are_those_who_left(self, members):
        model = cox_model(members, "months", "left", ["age", "gold"])
        base = model.baseline_survival
        place = np.searchsorted(base["time"], members["months"], side="right") - 1
        hazard = np.where(place >= 0, base["cumulative_hazard"].to_numpy()[place], 0)
        assert (hazard * model.predict_hazard_ratio(members)).sum() == pytest.approx(members["left"].sum())

    def test_units_and_order_do_not_matter(self, members):
        model = cox_model(members, "months", "left", ["age", "gold"])
        other = cox_model(
            members.sample(frac=1, random_state=1).assign(age=lambda frame: frame["age"] * 12 + 1e4),
            "months", "left", ["gold", "age"],
        )  # fmt: skip
        assert other.params["age"] * 12 == pytest.approx(model.params["age"], rel=1e-6)
        assert other.params["gold"] == pytest.approx(model.params["gold"], rel=1e-6)
        np.testing.assert_allclose(
            other.proportional_hazards()["chi2"].to_numpy()[[1, 0, 2]], model.proportional_hazards()["chi2"], rtol=1e-5
        )

    def test_doubled_rows_in_clusters_have_the_errors_of_single_ones(self, members):
        single = cox_model(members, "months", "left", ["age"], clusters="person", ties="breslow")
        doubled = cox_model(pd.concat([members, members]), "months", "left", ["age"], clusters="person", ties="breslow")
        assert doubled.coefficients["std_error"].iloc[0] == pytest.approx(single.coefficients["std_error"].iloc[0])

    def test_robust_errors_are_those_of_statsmodels_where_it_has_them(self, members):
        """Breslow's residuals are the same; without ties Efron's are Breslow's."""
        rng = np.random.default_rng(8)
        untied = members.assign(months=members["months"] + rng.random(600), pair=np.arange(600) // 2)
        for ties, frame in (("breslow", members.assign(pair=untied["pair"])), ("efron", untied)):
            model = cox_model(frame, "months", "left", ["age", "gold"], ties=ties, clusters="pair")
            fit = PHReg(frame["months"], frame[["age", "gold"]], status=frame["left"].astype(int), ties=ties)
            expected = fit.fit(groups=frame["pair"].to_numpy(), disp=False).bse
            assert model.coefficients["std_error"].tolist() == pytest.approx(expected, rel=1e-4)

    def test_proportional_hazards_finds_an_effect_that_fades(self):
        rng = np.random.default_rng(5)
        risky = rng.integers(0, 2, 3000)
        early = rng.exponential(1 / (0.05 * np.exp(1.2 * risky)))
        months = np.ceil(np.where(early < 6, early, 6 + rng.exponential(20, 3000)))
        frame = pd.DataFrame({"risky": risky, "other": rng.random(3000), "months": months, "left": True})
        test = (
            cox_model(frame, "months", "left", ["risky", "other"]).proportional_hazards("rank").set_index("covariate")
        )
        assert test.loc["risky", "p_value"] < 1e-6
        assert test.loc["risky", "correlation"] < 0
        assert test.loc["other", "p_value"] > 0.01

    def test_scaled_residuals_have_the_coefficient_as_their_mean(self, members):
        model = cox_model(members, "months", "left", ["age", "gold"])
        mean = model.scaled_residuals()[["age", "gold"]].mean()
        pd.testing.assert_series_equal(mean, model.params, rtol=1e-4, check_names=False)

    def test_input_is_left_alone_and_missing_values_are_counted(self, members):
        holes = members.assign(age=members["age"].mask(members["person"] < 5))
        before = holes.copy()
        assert cox_model(holes, "months", "left", ["age"]).left_out == 5
        pd.testing.assert_frame_equal(holes, before)


@pytest.fixture
def fading():
    """A coefficient of 1.2 in the first six months and none after, and one of 0.3 for all times."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"risky": rng.integers(0, 2, 4000), "older": rng.normal(size=4000)})
    steady = np.exp(0.3 * frame["older"])
    early = rng.exponential(1 / (0.05 * steady * np.exp(1.2 * frame["risky"])))
    frame["months"] = np.ceil(np.where(early < 6, early, 6 + rng.exponential(20 / steady)))
    return frame.assign(left=frame["months"] <= 36, months=frame["months"].clip(upper=36))


class TestCoefficientOverTime:
    def test_shows_an_effect_that_fades(self, fading):
        model = cox_model(fading, "months", "left", ["older", "risky"])
        curve = model.coefficient_over_time()
        assert curve.attrs["covariate"] == "risky"
        early, late = (curve[curve["time"].between(*months)] for months in ((2, 4), (12, 30)))
        assert early["coefficient"].to_numpy() == pytest.approx(1.2, abs=0.25)
        assert late["coefficient"].to_numpy() == pytest.approx(0, abs=0.25)
        # The constant is in neither band.
        assert (early["low"] > model.params["risky"]).all()
        assert (late["high"] < model.params["risky"]).all()
        steady = model.coefficient_over_time("older", transform="rank")
        assert ((steady["low"] < 0.3) & (steady["high"] > 0.3)).mean() > 0.9
        assert curve["events"].sum() == model.events

    def test_band_holds_what_stays_the_same(self):
        inside = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            x = rng.normal(size=400)
            months = np.ceil(rng.exponential(10 * np.exp(-0.5 * x)))
            frame = pd.DataFrame({"x": x, "months": months.clip(max=20), "left": months <= 20})
            curve = cox_model(frame, "months", "left", ["x"]).coefficient_over_time().set_index("time")
            inside += [curve.loc[month, "low"] < 0.5 < curve.loc[month, "high"] for month in (1, 5, 10, 18)]
        assert 0.9 <= np.mean(inside) <= 0.99

    @pytest.mark.parametrize("transform", ["identity", "log"])
    def test_straight_line_is_the_one_that_is_tested(self, members, transform):
        """A line's slope over its error is the root of the test's χ², whose values are published above."""
        model = cox_model(members, "months", "left", ["age", "gold"])
        curve = model.coefficient_over_time("gold", transform=transform, knots=2)
        residuals = model.scaled_residuals()
        scale = np.log if transform == "log" else np.asarray
        x, at = scale(residuals["time"]), scale(curve["time"])
        slope, start = np.polyfit(x, residuals["gold"], 1)
        np.testing.assert_allclose(curve["coefficient"], start + slope * at)
        spread, variance = ((x - x.mean()) ** 2).sum(), len(x) * model.coefficients["std_error"][1] ** 2
        test = model.proportional_hazards(transform).set_index("covariate")
        assert slope**2 * spread / variance == pytest.approx(test.loc["gold", "chi2"])
        error = np.sqrt(variance * (1 / len(x) + (at - x.mean()) ** 2 / spread))
        np.testing.assert_allclose(curve["high"] - curve["low"], 2 * 1.959964 * error, rtol=1e-6)

    def test_figure_shows_the_table(self, fading):
        model = cox_model(fading, "months", "left", ["older", "risky"])
        ax = plt.figure().add_subplot()
        assert model.plot_proportional_hazards(ax=ax) is ax
        curve, lines = model.coefficient_over_time(), {line.get_label(): line for line in ax.lines}
        assert lines["as it changes"].get_ydata().tolist() == curve["coefficient"].tolist()
        assert lines["one coefficient for all times"].get_ydata()[0] == model.params["risky"]
        band = ax.collections[0].get_paths()[0].vertices[:, 1]
        assert (band.min(), band.max()) == pytest.approx((curve["low"].min(), curve["high"].max()))
        # Of the first month all are in one dot.
        first = model.scaled_residuals().query("time == 1")["risky"].mean()
        assert lines["mean of who left then"].get_ydata()[0] == pytest.approx(first)
        assert ax.get_title(loc="left") + ax.get_title() == "The effect of risky weakens over time"
        assert "risky weakens" in alt_text(ax.figure)
        ax.figure.draw_without_rendering()
        plt.close(ax.figure)

    def test_title_without_a_change(self, members):
        ax = cox_model(members, "months", "left", ["age", "gold"]).plot_proportional_hazards("gold")
        assert ax.get_title(loc="left") + ax.get_title() == "No sign that the effect of gold changes over time"
        plt.close(ax.figure)

    def test_the_chosen_one_is_held_against_all(self, rossi):
        """Of three, age has p = 0.0105: below 0.02 where it was asked for, and not, three times, where picked."""
        model = cox_model(rossi, "week", "arrest", ["fin", "age", "prio"], level=0.98)
        for name, start in (("age", "The effect of age grows"), (None, "No sign that the effect of age")):
            ax = model.plot_proportional_hazards(name, unit="weeks")
            assert (ax.get_title(loc="left") + ax.get_title()).startswith(start)
            plt.close(ax.figure)

    @pytest.mark.parametrize(
        ("early", "late", "said"),
        [((0.2, 0.1, 0.3), (0.8, 0.7, 0.9), "grows"), ((0.5, 0.4, 0.6), (-0.1, -0.2, 0.1), "weakens"),
         ((0.5, 0.4, 0.6), (-0.4, -0.6, -0.2), "turns round")],
    )  # fmt: skip
    def test_words(self, early, late, said):
        curve = pd.DataFrame([early, early, late, late], columns=["coefficient", "low", "high"]).assign(events=10)
        assert said in _change_in_words(curve, 0.01, 0.05)

    def test_few_times(self):
        rng = np.random.default_rng(1)
        frame = pd.DataFrame({"x": rng.normal(size=90), "months": np.repeat([1, 2], 45), "left": True})
        curve = cox_model(frame, "months", "left", ["x"]).coefficient_over_time()
        assert curve["events"].tolist() == [45, 45]
        assert np.isfinite(curve["coefficient"]).all()
        with pytest.raises(DataFloorError, match="two times at least"):
            cox_model(frame.assign(left=frame["months"] == 1), "months", "left", ["x"]).coefficient_over_time()

    def test_unusable(self, members):
        model = cox_model(members, "months", "left", ["age", "gold"])
        with pytest.raises(ParameterError, match="3 problems") as caught:
            model.coefficient_over_time("golt", transform="sqrt", knots=1)
        assert "did you mean 'gold'" in str(caught.value)
        with pytest.raises(ParameterError, match="did you mean 'gold'"):
            model.plot_proportional_hazards("golt")


class TestUnusable:
    def test_every_problem_at_once(self, members):
        with pytest.raises(ParameterError, match="3 problems") as caught:
            cox_model(members, "months", "lefft", ["age", "age"], ties="exact")
        assert "lacks the column lefft" in str(caught.value)

    def test_values(self, members):
        with pytest.raises(ParameterError, match="months must not be negative, and 1 are"):
            cox_model(
                members.assign(months=members["months"].mask(members["person"] == 3, -2)), "months", "left", ["age"]
            )
        with pytest.raises(ParameterError, match="left must be True or False"):
            cox_model(members.assign(left=2), "months", "left", ["age"])
        with pytest.raises(ParameterError, match="plan must be numbers"):
            cox_model(members, "months", "left", ["plan"])
        with pytest.raises(ParameterError, match="from 0 to below months, and 600 are not"):
            cox_model(members.assign(late=members["months"]), "months", "left", ["age"], entry_col="late")

    def test_covariates_that_say_nothing(self, members):
        with pytest.raises(ParameterError, match="one are the same in every row"):
            cox_model(members.assign(one=1), "months", "left", ["age", "one"])
        with pytest.raises(ParameterError, match="twice is a combination"):
            cox_model(members.assign(twice=2 * members["age"]), "months", "left", ["age", "gold", "twice"])

    def test_too_few_events(self, members):
        with pytest.raises(DataFloorError, match="10 for 2; there are 0"):
            cox_model(members.assign(left=False), "months", "left", ["age", "gold"])

    def test_no_estimate(self):
        frame = pd.DataFrame({"months": np.arange(1, 41), "left": [1] * 20 + [0] * 20, "lost": [1] * 20 + [0] * 20})
        with pytest.raises(ConvergenceError, match="no estimate exists for lost"):
            cox_model(frame, "months", "left", ["lost"])

    def test_unknown_transform(self, members):
        with pytest.raises(ParameterError, match="transform must be one of"):
            cox_model(members, "months", "left", ["age"]).proportional_hazards("sqrt")


def test_figure_shows_the_table(members):
    model = cox_model(members, "months", "left", ["age", "gold"])
    ax = plt.figure().add_subplot()
    assert model.plot_hazard_ratios(ax=ax) is ax
    assert ax.lines[0].get_xdata().tolist() == model.summary_frame()["hazard_ratio"].tolist()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["age", "gold"]
    assert "gold" in alt_text(ax.figure)
    ax.figure.draw_without_rendering()
    plt.close(ax.figure)

    def test_no_estimate_for_what_is_one_thing_among_those_at_risk(self):
        """Age now is age at the start and tenure: at one tenure the two are the same."""
        rng = np.random.default_rng(3)
        rows = pd.DataFrame({"stop": rng.integers(1, 13, 2000), "age_at_start": rng.integers(20, 60, 2000)})
        rows = rows.assign(start=rows["stop"] - 1, left=rng.random(2000) < 0.1)
        rows["age"] = rows["age_at_start"] + rows["stop"] / 12
        with pytest.raises(ConvergenceError, match=r"no estimate exists for age_at_start, age: .* at risk"):
            cox_model(rows, "stop", "left", ["age_at_start", "age"], entry_col="start")


class TestSearch:
    """Data on which Newton's undamped steps go past the maximum and never come back."""

    @pytest.fixture
    def skewed(self):
        """Complaints that few have, and some have many."""
        rng = np.random.default_rng(0)
        complaints = np.where(rng.random(300) < 0.05, rng.poisson(3, 300) + 1, 0)
        mood = rng.normal(size=300)
        months = np.ceil(rng.exponential(60 * np.exp(0.6 * mood - 0.9 * complaints)))
        return pd.DataFrame(
            {"complaints": complaints, "mood": mood, "left": months <= 24, "months": np.minimum(months, 24)}
        )

    def test_undamped_steps_fail(self, skewed):
        x = skewed[["complaints", "mood"]]
        model = PHReg(skewed["months"], (x - x.mean()) / x.std(), status=skewed["left"].astype(int))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert not np.isfinite(model.fit(method="newton").params).all()

    def test_the_maximum_is_found(self, skewed):
        duration, event = skewed["months"].to_numpy(), skewed["left"].to_numpy()
        x = skewed[["complaints", "mood"]].to_numpy()
        at_risk = duration >= duration[event][:, None]

        def breslow(params):
            return np.log(at_risk @ np.exp(x @ params)).sum() - (x[event] @ params).sum()

        best = minimize(breslow, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        model = cox_model(skewed, "months", "left", ["complaints", "mood"], ties="breslow")
        assert model.params.tolist() == pytest.approx(best.x, abs=1e-5)
        assert model.log_likelihood == pytest.approx(-best.fun)
        table = cox_model(skewed, "months", "left", ["complaints", "mood"]).coefficients.set_index("covariate")
        assert table.loc["complaints", "low"] < np.exp(0.9) < table.loc["complaints", "high"]
        assert table.loc["mood", "low"] < np.exp(-0.6) < table.loc["mood", "high"]

    def test_one_value_far_from_all_others_is_no_separation(self, skewed):
        """Who has it leaves first, and is in one risk set: her value hardly moves the estimate of the others."""
        first = pd.DataFrame({"mood": [-1000.0], "months": 0.5, "left": True})
        mood = cox_model(pd.concat([skewed, first]), "months", "left", ["mood"]).params["mood"]
        assert mood == pytest.approx(cox_model(skewed, "months", "left", ["mood"]).params["mood"], rel=1e-6)
