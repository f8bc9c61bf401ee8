"""The retention model: least squares where every construct is one item, what the demo plants, and its checks."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crm_utils.company import load_company
from crm_utils.company.simulate.latents import implied_correlations
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.retention_model import (
    _change,
    competition_effect,
    competition_table,
    hypotheses_table,
    plot_competition,
    plot_hypotheses,
    retention_model,
)
from crm_utils.plotting import alt_text

SINGLE = {name: [name[0]] for name in ("switching_cost", "value", "loyalty")} | {"satisfaction": ["m"]}
QUICK = {"n_boot": 200, "seed": 7}
PAIR = {"satisfaction": ["m"], "loyalty": ["l"]}
DEALT = {"n_boot": 200, "n_permutations": 99, "seed": 7}


def singles(size=600, *, seed=7, direct=0.2, switching=0.3):
    """One item a construct, so that scores are known."""
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(size=(2, size))
    satisfaction = 0.6 * value + 0.8 * rng.normal(size=size)
    loyalty = 0.5 * satisfaction + direct * value + switching * cost + 0.7 * rng.normal(size=size)
    return pd.DataFrame({"s": cost, "v": value, "m": satisfaction, "l": loyalty})


def two_markets(size=400, *, seed=7, strong=0.2, weak=0.7):
    rng = np.random.default_rng(seed)
    market = np.repeat(["strong", "weak"], size)
    mood = rng.normal(size=2 * size)
    slope = np.where(market == "weak", weak, strong)
    loyal = slope * mood + np.sqrt(1 - slope**2) * rng.normal(size=2 * size)
    return pd.DataFrame({"m": mood, "l": loyal, "market": market})


@pytest.fixture(scope="module")
def demo():
    company = load_company()
    settings = company.survey_settings
    answers = company.survey.copy()
    for item in settings.reversed:
        answers[item] = sum(settings.scale) - answers[item]
    items = [item for listed in settings.constructs.values() for item in listed]
    return answers.astype(dict.fromkeys(items, float)), settings.constructs


def planted(correlations):
    """What the regressions of this small model would find in the population."""
    causes = ["value", "satisfaction", "switching_cost"]
    loyalty = np.linalg.solve(correlations.loc[causes, causes], correlations.loc[causes, "loyalty"])
    return dict(zip(causes, loyalty, strict=True)) | {"H2": correlations.loc["satisfaction", "value"]}


class TestFromOutside:
    def test_single_items_are_least_squares(self):
        answers = singles()
        found = retention_model(answers, SINGLE, **QUICK)
        scores = (answers - answers.mean()) / answers.std()
        fit = sm.OLS(scores["l"], scores[["v", "m", "s"]]).fit()
        expected = [fit.params["v"], scores["v"].corr(scores["m"]), fit.params["m"], fit.params["s"]]
        assert found.hypotheses["estimate"].tolist() == pytest.approx(expected)
        assert found.hypotheses["hypothesis"].tolist() == ["H1", "H2", "H3", "H4"]
        assert found.hypotheses["path"].iloc[3] == "switching_cost → loyalty"
        assert found.mediation.indirect["estimate"] == pytest.approx(expected[1] * expected[2])

    def test_bootstrap_error_is_near_that_of_least_squares(self):
        answers = singles(1500)
        found = retention_model(answers, SINGLE, n_boot=600, seed=7)
        scores = (answers - answers.mean()) / answers.std()
        fit = sm.OLS(scores["l"], scores[["v", "m", "s"]]).fit(cov_type="HC3")
        assert found.hypotheses["std_error"].iloc[2] == pytest.approx(fit.bse["m"], rel=0.2)

    def test_demo_recovers_what_is_planted(self, demo):
        answers, constructs = demo
        design = {"weights": "weight", "clusters": "customer_id"}
        found = retention_model(answers, constructs, consistent=True, n_boot=400, seed=7, **design)
        share = np.average(answers["competition"] == "strong", weights=answers["weight"])
        # Both groups have mean 0 and the same correlations of the causes: moments of all are averages of moments.
        both = [implied_correlations(strong_competition=group) for group in (False, True)]
        target = planted((1 - share) * both[0] + share * both[1])
        expected = [target["value"], target["H2"], target["satisfaction"], target["switching_cost"]]
        table = found.hypotheses
        assert (table["low"] < expected).all()
        assert (table["high"] > expected).all()
        assert expected == pytest.approx([0.151, 0.542, 0.53, 0.25], abs=0.01)
        assert set(table["verdict"]) == {"supported"}
        assert found.mediation.kind == "complementary"

    def test_demo_competition(self, demo):
        answers, constructs = demo
        design = {"weights": "weight", "clusters": "customer_id"}
        found = competition_effect(
            answers, constructs, "competition", consistent=True, n_boot=200, n_permutations=99, seed=7, **design
        )
        weak, strong = (
            planted(implied_correlations(strong_competition=group))["satisfaction"] for group in (False, True)
        )
        assert (weak, strong) == pytest.approx((0.637, 0.337), abs=0.001)
        for method in ("interaction", "groups"):
            slopes = found.slopes[found.slopes["method"] == method].set_index("group")
            for label, target in (("weak", weak), ("strong", strong)):
                assert slopes.loc[label, "low"] < target < slopes.loc[label, "high"]
        assert (found.differences["low"] < strong - weak).all()
        assert (found.differences["high"] > strong - weak).all()
        assert found.agree
        assert found.verdict == "weakens"


class TestVerdicts:
    def test_no_direct_effect(self):
        found = retention_model(singles(4000, direct=0.0), SINGLE, **QUICK)
        assert found.hypotheses["verdict"].tolist() == ["not supported", "supported", "supported", "supported"]
        assert found.mediation.kind == "indirect-only"
        assert "0.1 or more can be ruled out" in found.sentences[0]
        assert "through satisfaction" in found.sentences[-1]

    def test_few_answers_cannot_tell(self):
        found = retention_model(singles(40, direct=0.0, seed=3), SINGLE, **QUICK)
        first = found.hypotheses.iloc[0]
        assert first["low"] < 0
        assert first["high"] > 0.1
        assert first["verdict"] == "cannot tell"
        assert "we cannot tell" in found.sentences[0]

    def test_an_effect_of_the_other_sign_is_not_supported(self):
        found = retention_model(singles(1000, switching=-0.4), SINGLE, **QUICK)
        assert found.hypotheses["verdict"].iloc[3] == "not supported"

    def test_smallest_effect_decides_on_not_supported(self):
        answers = singles(300, direct=0.0)
        high = retention_model(answers, SINGLE, **QUICK).hypotheses["high"].iloc[0]
        wide = retention_model(answers, SINGLE, smallest_effect=high + 0.01, **QUICK)
        narrow = retention_model(answers, SINGLE, smallest_effect=high - 0.01, **QUICK)
        assert (wide.hypotheses["verdict"].iloc[0], narrow.hypotheses["verdict"].iloc[0]) == (
            "not supported",
            "cannot tell",
        )


class TestAbsent:
    def test_without_switching_cost_the_rest_runs(self):
        constructs = {name: items for name, items in SINGLE.items() if name != "switching_cost"}
        found = retention_model(singles(), constructs, **QUICK)
        last = found.hypotheses.iloc[3]
        assert last["verdict"] == "cannot be tested: the survey has no switching_cost items"
        assert np.isnan(last["estimate"])
        assert set(found.hypotheses["verdict"].iloc[:3]) == {"supported"}
        assert found.sentences[3].endswith("cannot be tested: the survey has no switching_cost items.")
        scores = singles()[["v", "m", "l"]]
        scores = (scores - scores.mean()) / scores.std()
        fit = sm.OLS(scores["l"], scores[["v", "m"]]).fit()
        assert found.hypotheses["estimate"].iloc[0] == pytest.approx(fit.params["v"])

    def test_without_loyalty_only_h2(self):
        found = retention_model(singles(), {name: SINGLE[name] for name in ("value", "satisfaction")}, **QUICK)
        assert found.hypotheses["estimate"].notna().tolist() == [False, True, False, False]
        assert found.mediation is None
        assert len(found.sentences) == 4
        assert "no switching_cost or loyalty items" in found.hypotheses["verdict"].iloc[3]

    def test_nothing_to_test(self):
        with pytest.raises(DataFloorError, match="no hypothesis can be tested"):
            retention_model(singles(), {"value": ["v"], "switching_cost": ["s"]}, **QUICK)

    def test_other_names_by_roles(self):
        constructs = {"worth": ["v"], "mood": ["m"], "repurchase": ["l"], "barriers": ["s"]}
        roles = {"value": "worth", "satisfaction": "mood", "loyalty": "repurchase", "switching_cost": "barriers"}
        found = retention_model(singles(), constructs, roles=roles, **QUICK)
        plain = retention_model(singles(), SINGLE, **QUICK)
        assert found.hypotheses["path"].tolist()[0] == "worth → repurchase"
        assert found.hypotheses["estimate"].tolist() == pytest.approx(plain.hypotheses["estimate"].tolist())


class TestConsistency:
    def test_row_order_and_units(self):
        answers = singles()
        found = retention_model(answers, SINGLE, **QUICK).hypotheses["estimate"]
        turned = retention_model(answers.iloc[::-1] * 10 + 3, SINGLE, **QUICK).hypotheses["estimate"]
        assert turned.tolist() == pytest.approx(found.tolist())

    def test_weights_are_copies_and_inputs_stay(self):
        answers = singles(200)
        times = np.random.default_rng(1).integers(1, 4, 200)
        before = answers.copy()
        weighted = retention_model(answers, SINGLE, weights=times, **QUICK).hypotheses["estimate"]
        repeated = retention_model(answers.loc[answers.index.repeat(times)], SINGLE, **QUICK).hypotheses["estimate"]
        assert weighted.tolist() == pytest.approx(repeated.tolist())
        assert weighted.tolist() != pytest.approx(retention_model(answers, SINGLE, **QUICK).hypotheses["estimate"])
        pd.testing.assert_frame_equal(answers, before)

    def test_clusters_of_copies_widen_intervals(self):
        answers = pd.concat([singles(300)] * 4, ignore_index=True)
        people = np.tile(np.arange(300), 4)
        apart = retention_model(answers, SINGLE, **QUICK).hypotheses["std_error"]
        together = retention_model(answers, SINGLE, clusters=people, **QUICK).hypotheses["std_error"]
        assert (together / apart).mean() == pytest.approx(2, rel=0.2)


class TestCompetition:
    def test_slopes_are_correlations_in_each_group(self):
        answers = two_markets()
        found = competition_effect(answers, PAIR, "market", **DEALT)
        apart = found.slopes[found.slopes["method"] == "groups"].set_index("group")["estimate"]
        for label, rows in answers.groupby("market"):
            assert apart[label] == pytest.approx(rows["m"].corr(rows["l"]))
        # The interaction is that of least squares on standardised scores.
        scores = (answers[["m", "l"]] - answers[["m", "l"]].mean()) / answers[["m", "l"]].std()
        strong = (answers["market"] == "strong").astype(float)
        design = sm.add_constant(np.column_stack([scores["m"], strong, scores["m"] * strong]))
        slope = sm.OLS(scores["l"], design).fit().params.iloc[3]
        moved = found.differences.set_index("method")["difference"]
        assert moved["interaction"] == pytest.approx(slope)
        assert moved["groups"] == pytest.approx(apart["strong"] - apart["weak"])
        assert found.verdict == "weakens"
        assert "weaker where market is strong than where it is weak" in found.sentence

    def test_the_other_way_round(self):
        answers = two_markets()
        found = competition_effect(answers, PAIR, "market", strong="weak", **DEALT)
        assert found.verdict == "strengthens"
        assert (found.differences["low"] > 0).all()

    def test_no_difference(self):
        found = competition_effect(two_markets(weak=0.4, strong=0.4), PAIR, "market", **DEALT)
        assert found.verdict == "cannot tell"
        assert found.sentence.startswith("Neither method")

    def test_weights_are_copies(self):
        answers = two_markets(150)
        times = np.random.default_rng(2).integers(1, 4, 300)
        weighted = competition_effect(answers, PAIR, "market", weights=times, **DEALT)
        repeated = competition_effect(answers.loc[answers.index.repeat(times)].reset_index(), PAIR, "market", **DEALT)
        assert weighted.slopes["estimate"].tolist() == pytest.approx(repeated.slopes["estimate"].tolist(), abs=1e-3)

    @pytest.mark.parametrize(
        ("low", "high", "p_value", "said"),
        [
            (-0.3, -0.1, np.nan, "weakens"),
            (-0.3, -0.1, 0.04, "weakens"),
            (-0.3, -0.1, 0.06, "cannot tell"),
            (0.1, 0.3, 0.01, "strengthens"),
            (-0.1, 0.3, 0.01, "cannot tell"),
        ],
    )
    def test_both_interval_and_p_value_must_tell(self, low, high, p_value, said):
        assert _change(low, high, p_value, 0.95) == said

    def test_disagreement_is_said(self):
        found = competition_effect(two_markets(), PAIR, "market", **DEALT)
        split = replace(found, differences=found.differences.assign(verdict=["weakens", "cannot tell"]))
        assert not split.agree
        assert split.verdict == "the methods disagree"
        assert "do not agree" in split.sentence

    def test_answers_without_a_group_are_left_out_and_counted(self):
        answers = two_markets()
        extra = pd.concat([answers, answers.head(30).assign(market=None)], ignore_index=True)
        weights = np.r_[np.ones(len(answers)), np.full(30, 5.0)]
        one = competition_effect(answers, PAIR, "market", **DEALT)
        two = competition_effect(extra, PAIR, "market", weights=weights, **DEALT)
        assert two.slopes["estimate"].tolist() == pytest.approx(one.slopes["estimate"].tolist())
        assert any("30 of 830 answers have no market" in note for note in two.notes)

    def test_checks(self):
        answers = two_markets(50)
        with pytest.raises(ParameterError, match="market must have two labels, and has 1"):
            competition_effect(answers.head(50), PAIR, "market", **DEALT)
        with pytest.raises(ParameterError, match="strong must be one of the labels of market"):
            competition_effect(answers, PAIR, "market", strong="fierce", **DEALT)
        with pytest.raises(ParameterError, match="lacks the column region"):
            competition_effect(answers, PAIR, "region", **DEALT)
        with pytest.raises(ParameterError, match="no loyalty items"):
            competition_effect(answers, {"satisfaction": ["m"]}, "market", **DEALT)


class TestChecks:
    def test_all_problems_at_once(self):
        with pytest.raises(ParameterError) as caught:
            retention_model(
                singles(50),
                SINGLE,
                roles={"value": "vallue", "mood": "value"},
                n_boot=1,
                level=2,
                smallest_effect=0,
                seed=-1,
            )
        text = str(caught.value)
        assert "6 problems" in text
        assert "did you mean 'value'?" in text
        assert "roles name 'mood'" in text

    def test_columns_and_doubled_roles(self):
        with pytest.raises(ParameterError, match="lacks the column v"):
            retention_model(singles(50).drop(columns="v"), SINGLE, **QUICK)
        with pytest.raises(ParameterError, match="two roles are given to one construct"):
            retention_model(singles(50), SINGLE, roles={"value": "satisfaction"}, **QUICK)


class TestPlots:
    def test_hypotheses(self):
        constructs = {name: items for name, items in SINGLE.items() if name != "switching_cost"}
        found = retention_model(singles(), constructs, **QUICK)
        ax = plt.figure().add_subplot()
        assert plot_hypotheses(found, ax=ax) is ax
        table = hypotheses_table(found)
        assert ax.lines[0].get_xdata().tolist() == table["estimate"].dropna().tolist()
        assert len(ax.get_yticks()) == 3
        assert "H1: value → loyalty" in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_competition(self):
        found = competition_effect(two_markets(), PAIR, "market", **DEALT)
        ax = plot_competition(found)
        table = competition_table(found)
        assert ax.lines[0].get_xdata().tolist() == table["estimate"].tolist()
        assert table["group"].tolist()[2] == "strong less weak"
        assert table["estimate"][2] == pytest.approx(table["estimate"][1] - table["estimate"][0])
        assert found.sentence in alt_text(ax.figure)
        plt.close(ax.figure)
