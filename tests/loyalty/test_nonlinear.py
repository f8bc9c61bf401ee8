"""Is the link bent: planted breaks, straight links, other programs' regressions, and checks."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.interpolate import CubicSpline

from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.nonlinear import (
    loyalty_curve,
    loyalty_curve_table,
    loyalty_models_table,
    plot_loyalty_curve,
)
from crm_utils.plotting import alt_text

PAIR = {"satisfaction": ["s"], "loyalty": ["l"]}
QUICK = {"n_boot": 199, "seed": 7}


def bent(size=800, *, seed=1, at=7.0, below=0.0, above=1.2, noise=1.0):
    rng = np.random.default_rng(seed)
    mood = rng.uniform(1, 10, size)
    loyal = 4 + below * np.minimum(mood - at, 0) + above * np.maximum(mood - at, 0) + noise * rng.normal(size=size)
    return pd.DataFrame({"s": mood, "l": loyal})


class TestPlanted:
    def test_a_zone_of_delight_and_one_of_indifference(self):
        found = loyalty_curve(bent(), PAIR, **QUICK)
        assert found.verdict == "bent"
        assert found.zone == "steeper"
        segments = found.segments
        for name, truth in (("break", 7.0), ("slope_below", 0.0), ("slope_above", 1.2), ("slope_change", 1.2)):
            assert segments[f"{name}_low"] <= truth <= segments[f"{name}_high"]
        assert segments["break"] == pytest.approx(7, abs=0.4)
        assert "a zone of indifference" in found.sentence
        models = found.models
        assert models["error_out"].idxmin() == "segmented"
        assert models["aic"].idxmin() == "segmented"
        assert models.loc["segmented", "gain_low"] > 0

    def test_steeper_without_indifference(self):
        found = loyalty_curve(bent(below=0.5, above=1.5, noise=0.7), PAIR, **QUICK)
        assert found.zone == "steeper"
        assert "indifference" not in found.sentence

    def test_satiation(self):
        found = loyalty_curve(bent(at=5, below=1.0, above=0.1), PAIR, **QUICK)
        assert found.zone == "flatter"
        assert found.segments["slope_change_high"] < 0
        assert "the link is flatter" in found.sentence

    def test_a_straight_link_is_called_straight(self):
        found = loyalty_curve(bent(below=0.6, above=0.6), PAIR, **QUICK)
        assert found.verdict == "straight"
        assert found.zone == ""
        assert found.sentence.startswith("No bend is told from chance")
        assert (found.models["gain_low"].iloc[1:] <= 0).all()

    def test_how_often_a_straight_link_is_called_bent(self):
        # Five answers of each person with a mind of her own: without clusters far more would be called bent.
        p_values = []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            person = np.repeat(np.arange(120), 5)
            mood = rng.uniform(1, 10, 120)[person] + 0.1 * rng.normal(size=600)
            loyal = 0.5 * mood + rng.normal(size=120)[person] + 0.3 * rng.normal(size=600)
            answers = pd.DataFrame({"s": mood, "l": loyal, "p": person})
            found = loyalty_curve(answers, PAIR, clusters="p", folds=2, n_boot=99, seed=seed)
            p_values.append(found.models["p_value"].iloc[1:].to_numpy())
        # Of 40 draws at 5 %: more than 6 come about by chance in 1 of 100 cases.
        assert ((np.array(p_values) <= 0.05).sum(axis=0) <= 6).all()
        assert (np.array(p_values).mean(axis=0) < 0.75).all()

    def test_demo_is_straight(self):
        company = load_company()
        settings = company.survey_settings
        answers = company.survey.copy()
        for item in settings.reversed:
            answers[item] = sum(settings.scale) - answers[item]
        options = {"weights": "weight", "clusters": "customer_id"}
        found = loyalty_curve(answers, settings.constructs, **options, **QUICK)
        given = (answers[list(settings.constructs[name])].notna().sum(axis=1) >= 2 for name in PAIR)
        assert found.people == answers.loc[np.logical_and(*given), "customer_id"].nunique()
        assert found.verdict == "straight"
        assert found.models["gain"].abs().max() < 0.002


class TestFromOutside:
    def test_quadratic_and_spline_by_statsmodels(self):
        answers = bent(300)
        found = loyalty_curve(answers, PAIR, **QUICK)
        x, y = answers["s"].to_numpy(), answers["l"].to_numpy()
        people = {"groups": np.arange(300)}
        quadratic = sm.OLS(y, np.column_stack([np.ones(300), x, x**2])).fit(
            cov_type="cluster", cov_kwds=people, use_t=True
        )
        assert found.models.loc["quadratic", "p_value"] == pytest.approx(quadratic.pvalues[2])
        assert found.models.loc["quadratic", "aic"] == pytest.approx(quadratic.aic)
        # A natural cubic spline by another library, the same knots: heights at knots are the parameters.
        knots = np.quantile(x, np.linspace(0.05, 0.95, 5))
        basis = np.column_stack([_natural(knots, height, x) for height in np.eye(5)])
        fit = sm.OLS(y, basis).fit()
        assert found.models.loc["spline", "aic"] == pytest.approx(fit.aic)
        grid = np.column_stack(
            [_natural(knots, height, found.curve["satisfaction"].to_numpy()) for height in np.eye(5)]
        )
        assert found.curve["spline"].tolist() == pytest.approx((grid @ fit.params).tolist())
        robust = sm.OLS(y, basis).fit(cov_type="cluster", cov_kwds=people, use_t=True)
        error = np.sqrt(np.einsum("ij,jk,ik->i", grid, robust.cov_params(), grid))
        width = (found.curve["spline_high"] - found.curve["spline_low"]) / 2
        assert (width / error).tolist() == pytest.approx([1.968] * len(grid), abs=0.001)

    def test_break_by_trying_them_all(self):
        answers = bent(300, below=0.2)
        weights = np.random.default_rng(3).uniform(0.5, 2, 300)
        found = loyalty_curve(answers, PAIR, weights=weights, **QUICK)
        x = answers["s"].to_numpy()
        fits = {
            at: sm.WLS(answers["l"], np.column_stack([np.ones(300), x, np.maximum(x - at, 0)]), weights=weights).fit()
            for at in np.quantile(x, np.linspace(0.1, 0.9, 65))
        }
        at = min(fits, key=lambda at: fits[at].ssr)
        assert found.segments["break"] == pytest.approx(at)
        intercept, below, change = fits[at].params
        assert found.segments["slope_below"] == pytest.approx(below)
        assert found.segments["slope_change"] == pytest.approx(change)
        assert found.segments["slope_above"] == pytest.approx(below + change)
        grid = found.curve["satisfaction"]
        expected = intercept + below * grid + change * np.maximum(grid - at, 0)
        assert found.curve["segmented"].tolist() == pytest.approx(expected.tolist())

    def test_parameters_count_the_break(self):
        models = loyalty_curve(bent(), PAIR, **QUICK).models
        assert models["parameters"].tolist() == [2, 3, 4, 5]

    def test_points_are_means(self):
        answers = bent(400).assign(s=lambda frame: frame["s"].round())
        found = loyalty_curve(answers, PAIR, **QUICK)
        means = answers.groupby("s")["l"].mean()
        assert found.points["satisfaction"].tolist() == means.index.tolist()
        assert found.points["loyalty"].tolist() == pytest.approx(means.tolist())
        assert found.points["answers"].sum() == 400


def _natural(knots, heights, x):
    """A natural cubic spline through heights at knots, straight beyond them."""
    curve = CubicSpline(knots, heights, bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    return curve(inside) + curve(inside, 1) * (x - inside)


class TestConsistency:
    def test_units_and_row_order(self):
        answers = bent(300)
        found = loyalty_curve(answers, PAIR, **QUICK)
        scaled = loyalty_curve(answers * [10, 100], PAIR, **QUICK)
        assert scaled.segments["break"] == pytest.approx(10 * found.segments["break"])
        assert scaled.segments["slope_above"] == pytest.approx(10 * found.segments["slope_above"])
        assert scaled.models["p_value"].tolist()[1:] == pytest.approx(found.models["p_value"].tolist()[1:])
        assert scaled.models["r_squared_out"].tolist() == pytest.approx(found.models["r_squared_out"].tolist())
        turned = loyalty_curve(answers.iloc[::-1], PAIR, **QUICK)
        assert turned.models["aic"].tolist() == pytest.approx(found.models["aic"].tolist())

    def test_inputs_stay_and_seed_repeats(self):
        answers = bent(200)
        before = answers.copy()
        one, two = (loyalty_curve(answers, PAIR, **QUICK) for _ in range(2))
        pd.testing.assert_series_equal(one.segments, two.segments)
        pd.testing.assert_frame_equal(one.models, two.models)
        pd.testing.assert_frame_equal(answers, before)

    def test_a_person_is_never_split(self):
        # Copies of one person tell what she says: split up, they would make the error too small.
        answers = pd.concat([bent(120, seed=5)] * 3, ignore_index=True)
        found = loyalty_curve(answers, PAIR, clusters=np.tile(np.arange(120), 3), folds=120, **QUICK)
        x, y = answers["s"].to_numpy()[:120], answers["l"].to_numpy()[:120]
        design = sm.add_constant(x)
        fit = sm.OLS(y, design).fit()
        left_out = fit.resid / (1 - fit.get_influence().hat_matrix_diag)
        assert found.models.loc["line", "error_out"] == pytest.approx(np.sqrt(np.mean(left_out**2)))
        assert found.people == 120
        assert found.answers == 360

    def test_copies_of_people_do_not_narrow_the_intervals(self):
        one = bent(300)
        thrice = pd.concat([one] * 3, ignore_index=True)
        found, copied, naive = (
            loyalty_curve(answers, PAIR, clusters=people, **QUICK).segments
            for answers, people in ((one, None), (thrice, np.tile(np.arange(300), 3)), (thrice, None))
        )
        width, of_copies, of_naive = (
            segments["slope_change_high"] - segments["slope_change_low"] for segments in (found, copied, naive)
        )
        assert of_copies == pytest.approx(width, rel=0.1)
        assert of_naive < 0.75 * width

    def test_answers_that_hardly_weigh_do_not_count(self):
        straight, other = bent(400, below=0.6, above=0.6), bent(400, seed=2)
        both = pd.concat([straight, other], ignore_index=True)
        found = loyalty_curve(both, PAIR, weights=np.repeat([1.0, 1e-9], 400), **QUICK)
        alone = loyalty_curve(straight, PAIR, **QUICK)
        assert found.models.loc["segmented", "p_value"] == pytest.approx(
            alone.models.loc["segmented", "p_value"], abs=0.12
        )
        assert loyalty_curve(both, PAIR, **QUICK).models.loc["segmented", "p_value"] < 0.02

    def test_three_tests_share_the_level(self):
        found = loyalty_curve(bent(200, below=0.6, above=0.6), PAIR, **QUICK)
        for p_value, verdict in ((0.02, "straight"), (0.016, "bent")):
            models = found.models.assign(p_value=[np.nan, 0.5, 0.5, p_value])
            assert replace(found, models=models).verdict == verdict

    def test_half_of_the_items_are_needed(self):
        answers = bent(200).assign(s2=lambda frame: frame["s"], s3=lambda frame: frame["s"])
        answers.loc[:9, ["s2", "s3"]] = np.nan
        answers.loc[10:19, "s3"] = np.nan
        found = loyalty_curve(answers, {"satisfaction": ["s", "s2", "s3"], "loyalty": ["l"]}, **QUICK)
        assert found.answers == 190


class TestChecks:
    def test_problems_are_collected(self):
        with pytest.raises(ParameterError) as caught:
            loyalty_curve(bent(), PAIR, satisfaction="mood", knots=2, folds=1, n_boot=1, seed=-1)
        text = str(caught.value)
        assert "5 problems" in text
        assert "no construct 'mood'" in text
        assert "knots must be a whole number of at least 3" in text

    def test_floors(self):
        with pytest.raises(DataFloorError, match=r"at least 100 people .* has 99"):
            loyalty_curve(bent(99), PAIR, **QUICK)
        with pytest.raises(DataFloorError, match=r"at least 5 different scores .* has 4"):
            loyalty_curve(bent().assign(s=lambda frame: frame["s"] // 3), PAIR, **QUICK)
        crowded = bent().assign(s=lambda frame: np.where(frame.index < 20, frame["s"].round(), 9.0))
        with pytest.raises(DataFloorError, match="no bend can be placed"):
            loyalty_curve(crowded, PAIR, **QUICK)
        with pytest.raises(DataFloorError, match="the same in every answer"):
            loyalty_curve(bent().assign(l=5.0), PAIR, **QUICK)
        with pytest.raises(ParameterError, match="lacks the column l"):
            loyalty_curve(bent()[["s"]], PAIR, **QUICK)


class TestPlot:
    @pytest.mark.parametrize(("above", "told"), [(1.2, True), (0.0, False)])
    def test_break_is_drawn_only_where_told(self, above, told):
        found = loyalty_curve(bent(above=above), PAIR, **QUICK)
        ax = plt.figure().add_subplot()
        assert plot_loyalty_curve(found, ax=ax) is ax
        table = loyalty_curve_table(found)
        assert ax.lines[0].get_ydata().tolist() == table["spline"].tolist()
        assert ax.lines[1].get_ydata().tolist() == table["straight line"].tolist()
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert ("break, with its interval" in labels) == told
        assert found.sentence in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_models_table(self):
        found = loyalty_curve(bent(), PAIR, **QUICK)
        table = loyalty_models_table(found)
        assert table["AIC"].iloc[0] == 0
        assert table["AIC"].iloc[2] == pytest.approx(found.models["aic"].iloc[2] - found.models["aic"].iloc[0])
        assert np.isnan(table["p_value"].iloc[0])
