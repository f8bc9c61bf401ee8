"""What was said against what was done: windows by hand, areas and errors by other programs, and checks."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.loyalty.follow_up import FollowUp
from crm_utils.loyalty.stated import (
    area_difference,
    plot_satisfaction_trap,
    plot_stated,
    satisfaction_trap,
    stated_against_actual,
    stated_table,
    trap_table,
)
from crm_utils.plotting import alt_text


def drawn(size=500, *, seed=7, slope=0.8, people=None):
    """Answers 1 to 10, of which the behaviour follows by a logistic law."""
    rng = np.random.default_rng(seed)
    answer = rng.integers(1, 11, size).astype(float)
    did = (rng.random(size) < 1 / (1 + np.exp(-slope * (answer - 5.5)))).astype(float)
    return pd.DataFrame({"intention": answer}), followed(did)


def followed(did, name="bought"):
    did = pd.Series(np.asarray(did, dtype=float), name=name)
    return FollowUp(did, did.isna().map({True: "too late", False: "used"}), 182)


class TestStated:
    def test_area_and_regression_by_other_programs(self):
        stated, actual = drawn()
        row = stated_against_actual(stated, actual).predictors.iloc[0]
        x, y = stated["intention"], actual.happened
        assert row["auc"] == pytest.approx(roc_auc_score(y, x))
        spread = x.std(ddof=0)
        fit = sm.Logit(y, sm.add_constant((x - x.mean()) / spread)).fit(disp=0)
        assert np.log(row["odds_ratio"]) == pytest.approx(fit.params.iloc[1])
        assert row["spread"] == pytest.approx(spread)
        assert row["verdict"] == "the higher the answer, the more"
        # The planted slope is 0.8 for a point.
        assert row["odds_low"] < np.exp(0.8 * spread) < row["odds_high"]

    def test_weighted_area(self):
        stated, actual = drawn(200, slope=0.3)
        weights = np.random.default_rng(2).uniform(0.2, 3, 200)
        row = stated_against_actual(stated, actual, weights=weights).predictors.iloc[0]
        expected = roc_auc_score(actual.happened, stated["intention"], sample_weight=weights)
        assert row["auc"] == pytest.approx(expected)
        assert row["share"] == pytest.approx(np.average(actual.happened, weights=weights))

    def test_error_of_the_area_is_that_of_delong(self):
        stated, actual = drawn(150, slope=0.2)
        row = stated_against_actual(stated, actual).predictors.iloc[0]
        x, y = stated["intention"].to_numpy(), actual.happened.to_numpy() == 1
        won = np.sign(x[y][:, None] - x[~y]) / 2 + 0.5
        variance = won.mean(axis=1).var(ddof=1) / y.sum() + won.mean(axis=0).var(ddof=1) / (~y).sum()
        middle = np.log(row["auc"] / (1 - row["auc"]))
        reach = np.log(row["auc_high"] / (1 - row["auc_high"])) - middle
        error = reach / 1.959964 * row["auc"] * (1 - row["auc"])
        assert error == pytest.approx(np.sqrt(variance), rel=0.02)

    def test_difference_of_areas_is_that_of_delong(self):
        rng = np.random.default_rng(3)
        did = rng.integers(0, 2, 300).astype(float)
        stated = pd.DataFrame({"a": did + rng.normal(size=300), "b": 0.5 * did + rng.normal(size=300)}).round(1)
        found = area_difference(stated, followed(did), "a", "b", level=0.9)
        parts = []
        for name in ("a", "b"):
            x, y = (stated.loc[did == group, name].to_numpy()[:, None] for group in (1, 0))
            wins = (x > y.T) + 0.5 * (x == y.T)
            parts.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
        difference = parts[0][0] - parts[1][0]
        rows, columns = (parts[0][side] - parts[1][side] for side in (1, 2))
        error = np.sqrt(rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns))
        assert found["difference"] == pytest.approx(difference)
        assert (found["high"] - found["low"]) / 2 == pytest.approx(1.6448536 * error, rel=0.01)

    def test_difference_of_areas_takes_people_and_gaps(self):
        stated, actual = drawn(300)
        stated["other"] = np.random.default_rng(5).normal(size=300)
        once = area_difference(stated, actual, "intention", "other")
        double = pd.concat([stated, stated], ignore_index=True)
        again = followed(np.tile(actual.happened, 2))
        people = np.tile(np.arange(300), 2)
        twice = area_difference(double, again, "intention", "other", clusters=people)
        assert twice[["difference", "low", "high"]].tolist() == pytest.approx(
            once[["difference", "low", "high"]].tolist()
        )
        assert area_difference(stated, actual, "intention", "intention")["high"] == 0
        stated.loc[:99, "other"] = np.nan
        assert area_difference(stated, actual, "intention", "other")["answers"] == 200
        with pytest.raises(ParameterError, match="intentoin"):
            area_difference(stated, actual, "intentoin", "other")

    def test_nothing_known_is_said(self):
        stated, _ = drawn(30)
        with pytest.raises(DataFloorError, match="nothing is known"):
            stated_against_actual(stated, followed(np.full(30, np.nan)))

    def test_error_of_the_regression_is_the_sandwich(self):
        stated, actual = drawn(240, slope=0.3)
        rng = np.random.default_rng(3)
        people, weights = rng.integers(0, 80, 240), rng.uniform(0.5, 2, 240)
        row = stated_against_actual(stated, actual, weights=weights, clusters=people).predictors.iloc[0]
        x = stated["intention"].to_numpy()
        centre = np.average(x, weights=weights)
        design = np.column_stack([np.ones(240), (x - centre) / np.sqrt(np.average((x - centre) ** 2, weights=weights))])
        fit = sm.GLM(actual.happened, design, family=sm.families.Binomial(), freq_weights=weights).fit()
        chance = fit.mu
        bread = np.linalg.inv((design * (weights * chance * (1 - chance))[:, None]).T @ design)
        scores = np.zeros((80, 2))
        np.add.at(scores, people, design * (weights * (actual.happened.to_numpy() - chance))[:, None])
        units = len(np.unique(people))
        meat = scores.T @ scores * units / (units - 1) * 239 / 238
        error = np.sqrt((bread @ meat @ bread)[1, 1])
        assert np.log(row["odds_high"] / row["odds_low"]) / 2 == pytest.approx(1.959964 * error, rel=1e-4)

    def test_copies_of_people_change_nothing_but_without_clusters(self):
        stated, actual = drawn(200, slope=0.2)
        thrice, done = pd.concat([stated] * 3, ignore_index=True), followed(np.tile(actual.happened, 3))
        one = stated_against_actual(stated, actual).predictors.iloc[0]
        many = stated_against_actual(thrice, done, clusters=np.tile(np.arange(200), 3)).predictors.iloc[0]
        naive = stated_against_actual(thrice, done).predictors.iloc[0]
        for name in ("auc", "auc_low", "auc_high"):
            assert many[name] == pytest.approx(one[name])
        assert np.log(many["odds_high"]) == pytest.approx(np.log(one["odds_high"]), rel=0.02)
        assert naive["auc_high"] - naive["auc_low"] < 0.7 * (one["auc_high"] - one["auc_low"])
        assert many["people"] == 200
        assert many["answers"] == 600

    def test_coverage_of_the_area(self):
        # The true area by a sample so large that its error does not matter.
        stated, actual = drawn(200_000, seed=99, slope=0.2)
        truth = roc_auc_score(actual.happened, stated["intention"])
        hits = []
        for seed in range(60):
            row = stated_against_actual(*drawn(120, seed=seed, slope=0.2)).predictors.iloc[0]
            hits.append(row["auc_low"] <= truth <= row["auc_high"])
        # At 95 %, fewer than 53 of 60 come about in 1 of 100 cases.
        assert sum(hits) >= 53

    def test_order_of_magnitude_does_not_matter(self):
        stated, actual = drawn()
        one = stated_against_actual(stated, actual).predictors.iloc[0]
        other = stated_against_actual(100 - 3 * stated, actual).predictors.iloc[0]
        assert other["auc"] == pytest.approx(1 - one["auc"])
        assert other["odds_ratio"] == pytest.approx(1 / one["odds_ratio"])
        assert other["verdict"] == "the higher the answer, the fewer"

    def test_chance_is_called_chance(self):
        found = stated_against_actual(*drawn(slope=0.0))
        assert found.predictors["verdict"].tolist() == ["no better than chance"]
        assert "no better than chance" in found.sentences[0]
        assert "182 days" in found.sentences[0]

    def test_calibration_by_answer_with_wilson(self):
        stated, actual = drawn()
        table = stated_against_actual(stated, actual).calibration
        groups = actual.happened.groupby(stated["intention"])
        assert table["answer"].tolist() == [f"{answer}" for answer in range(1, 11)]
        assert table["share"].tolist() == pytest.approx(groups.mean().tolist())
        assert table["answers"].tolist() == groups.size().tolist()
        for row, (_, did) in zip(table.itertuples(), groups, strict=True):
            # The sample variance has n − 1, so that Wilson's size is one less.
            size = len(did) - 1 if 0 < did.mean() < 1 else len(did)
            low, high = proportion_confint(did.mean() * size, size, method="wilson")
            assert (row.low, row.high) == pytest.approx((low, high))
        # The regression passes through the mean.
        assert np.average(table["fitted"], weights=table["answers"]) == pytest.approx(actual.happened.mean())

    def test_many_values_are_grouped(self):
        stated, actual = drawn(600)
        fine = stated + np.random.default_rng(4).normal(scale=0.1, size=(600, 1))
        table = stated_against_actual(fine, actual, bins=5).calibration
        assert table["answers"].tolist() == [120] * 5
        assert table["mean"].is_monotonic_increasing

    def test_unknown_outcomes_are_left_out_and_counted(self):
        stated, actual = drawn(300)
        did = actual.happened.mask(actual.happened.index < 40)
        found = stated_against_actual(stated, followed(did))
        short = stated_against_actual(stated.iloc[40:], FollowUp(did.iloc[40:], actual.status.iloc[40:], 182))
        assert found.counts.to_dict() == {"used": 260, "too late": 40}
        assert found.predictors["auc"].tolist() == short.predictors["auc"].tolist()
        assert found.predictors["answers"].tolist() == [260]

    def test_floors_and_checks(self):
        stated, actual = drawn(100)
        few = followed(np.r_[np.ones(9), np.zeros(91)])
        with pytest.raises(DataFloorError, match="at least 10 people who did it within the horizon, and has 9"):
            stated_against_actual(stated, few)
        twice = followed(np.r_[np.ones(20), np.zeros(80)])
        with pytest.raises(DataFloorError, match="who did it within the horizon, and has 1"):
            stated_against_actual(stated, twice, clusters=np.r_[np.zeros(20), np.arange(1, 81)])
        with pytest.raises(DataFloorError, match="everybody answered intention with 5"):
            stated_against_actual(stated * 0 + 5, actual)
        with pytest.raises(ParameterError, match="of other answers"):
            stated_against_actual(stated.iloc[::-1], actual)
        with pytest.raises(ParameterError, match="must be numeric"):
            stated_against_actual(stated.astype(str), actual)
        with pytest.raises(ParameterError, match="level must lie between 0 and 1"):
            stated_against_actual(stated, actual, level=95)


class TestTrap:
    def trap(self, left, stayed, *, cut=7, **options):
        """So many of those who left and stayed are satisfied: (satisfied, not)."""
        said = pd.Series(np.repeat([8.0, 4.0, 8.0, 4.0], [*left, *stayed]), name="satisfaction")
        did = np.repeat([1.0, 1.0, 0.0, 0.0], [*left, *stayed])
        return satisfaction_trap(said, followed(did, "left"), cut=cut, **options)

    def test_shares_and_difference_by_hand(self):
        trap = self.trap((30, 20), (160, 40))
        assert trap.shares["share"].tolist() == pytest.approx([0.6, 0.8])
        assert trap.difference == pytest.approx(0.2)
        error = np.sqrt(0.6 * 0.4 / 50 + 0.8 * 0.2 / 200)
        assert (trap.difference_high - trap.difference_low) / 2 == pytest.approx(1.96 * error, rel=0.01)
        low, high = proportion_confint(0.6 * 49, 49, method="wilson")
        assert trap.shares.loc["left", ["low", "high"]].tolist() == pytest.approx([low, high])
        assert "60%" in trap.sentence
        assert "+20 points" in trap.sentence

    @pytest.mark.parametrize(
        ("satisfied", "verdict"), [(150, "agrees"), (60, "disagrees"), (198, "disagrees"), (132, "undecided")]
    )
    def test_claim(self, satisfied, verdict):
        assert self.trap((satisfied, 200 - satisfied), (100, 20)).verdict == verdict

    def test_cut_is_included(self):
        said = pd.Series(np.tile([6.0, 7.0, 8.0, 9.0], 20))
        left = followed(np.repeat([1.0, 0.0], 40), "left")
        traps = [satisfaction_trap(said, left, cut=cut) for cut in (6, 7, 7.5, 10)]
        assert [trap.shares.loc["left", "share"] for trap in traps] == [1.0, 0.75, 0.5, 0.0]
        assert trap_table(traps)["share of those who stayed"].tolist() == [1.0, 0.75, 0.5, 0.0]

    def test_weights_and_people(self):
        said = pd.Series(np.tile([8.0, 4.0], 60))
        did = np.repeat([1.0, 0.0], 60)
        weights = np.tile([3.0, 1.0], 60)
        weighted = satisfaction_trap(said, followed(did), cut=7, weights=weights)
        assert weighted.shares["share"].tolist() == pytest.approx([0.75, 0.75])
        plain = satisfaction_trap(said, followed(did), cut=7)
        people = np.repeat(np.arange(60), 2)
        # Each person says 8 and 4: her answers are opposed, and the share has no error.
        opposed = satisfaction_trap(said, followed(did), cut=7, clusters=people)
        assert opposed.difference_high - opposed.difference_low < plain.difference_high - plain.difference_low
        assert opposed.shares["people"].tolist() == [30, 30]

    def test_a_person_in_both_groups_has_no_error_of_her_own(self):
        # Everybody says the same before staying once and before leaving later: the difference is 0 for certain.
        said = pd.Series(np.repeat([8.0, 4.0], [80, 40]))
        left = followed(np.tile([1.0, 0.0], 60), "left")
        trap = satisfaction_trap(said, left, cut=7, clusters=np.repeat(np.arange(60), 2))
        assert (trap.difference_low, trap.difference_high) == pytest.approx((0, 0))
        assert trap.shares.loc["left", "low"] < 2 / 3 < trap.shares.loc["left", "high"]

    def test_checks(self):
        with pytest.raises(DataFloorError, match="at least 10 people who left, and has 9"):
            self.trap((5, 4), (20, 20))
        with pytest.raises(ParameterError, match="cut must be a number"):
            self.trap((10, 10), (20, 20), cut="high")


class TestPlots:
    def test_stated(self):
        stated, actual = drawn()
        found = stated_against_actual(stated.assign(nps=stated["intention"] - 1), actual)
        ax = plt.figure().add_subplot()
        assert plot_stated(found, "nps", ax=ax) is ax
        table = stated_table(found, "nps")
        assert ax.lines[0].get_ydata().tolist() == table["share"].tolist()
        assert ax.get_xlabel() == "Answer: nps"
        assert f"{found.predictors['auc'].iloc[1]:.2f}" in alt_text(ax.figure)
        plt.close(ax.figure)
        with pytest.raises(ParameterError, match="statement must be one of intention, nps"):
            stated_table(found, "mood")

    def test_trap(self):
        traps = [TestTrap().trap((30, 20), (160, 40), cut=cut) for cut in (4, 7)]
        ax = plot_satisfaction_trap(traps)
        table = trap_table(traps)
        drawn_shares = [container[0].get_ydata().tolist() for container in ax.containers]
        assert drawn_shares == [table["share of those who left"].tolist(), table["share of those who stayed"].tolist()]
        assert "7: 60% / 80%" in alt_text(ax.figure)
        plt.close(ax.figure)
