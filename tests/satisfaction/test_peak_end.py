"""The peak–end rule: moments by hand, statsmodels, planted coefficients, rules that do not hold, coverage, refusals."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.model_selection import GroupKFold
from statsmodels.stats.outliers_influence import variance_inflation_factor

from crm_utils.company import load_company
from crm_utils.company.simulate.latents import draw_latents
from crm_utils.company.simulate.survey import SURVEY, simulate_survey
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.satisfaction.peak_end import (
    MOMENTS,
    journey_columns,
    journey_moments,
    peak_end_check,
    peak_end_table,
    plot_peak_end,
)

PLANTED = np.array([SURVEY.journey_mean, SURVEY.journey_peak, SURVEY.journey_end])


def journeys(size, *, seed=7, weights=(0.1, 0.5, 0.4), noise=0.5, people=None):
    """Ratings of five stages, and of the whole by weights of mean, peak and end; `people` gives numbers of persons."""
    rng = np.random.default_rng(seed)
    person = np.arange(size) if people is None else people
    mood = rng.normal(size=(size, 1))[person]
    ratings = np.clip(np.rint([7.4, 7.2, 6.4, 7.6, 6.8] + 1.9 * (0.5 * mood + rng.normal(size=(size, 5)))), 1, 10)
    stages = pd.DataFrame(ratings, columns=["browse", "order", "delivery", "unpack", "aftercare"])
    moments = journey_moments(stages)
    lasting = rng.normal(size=size)[person]
    overall = moments[list(MOMENTS)].to_numpy(dtype=float) @ weights
    overall = pd.Series(overall + noise * (lasting + rng.normal(size=size)) / np.sqrt(2)).clip(1, 10)
    return stages, overall


@pytest.fixture
def people():
    """Four hundred answers of about 140 people of unequal weight."""
    rng = np.random.default_rng(3)
    person = np.sort(rng.integers(0, 150, 400))
    stages, overall = journeys(400, people=person)
    region = np.where(person % 2 == 0, "north", "south")
    return (
        stages,
        overall,
        pd.DataFrame({"person": person, "weight": rng.gamma(4, 0.25, 400)[person], "region": region}),
    )


def design(answers):
    return {"weights": answers["weight"], "clusters": answers["person"]}


def terms(stages):
    return sm.add_constant(journey_moments(stages)[list(MOMENTS)].astype(float))


# Correctness


def test_moments_by_hand():
    """On 1–10 the middle is 5.5: 2 is further than 8; 3 and 8 are as far, and the worse is the peak."""
    stages = pd.DataFrame(
        [[8, 2, 7, 7], [8, 3, 6, 5], [3, 8, 8, 4], [9, 9, 5, 6], [None, 9, 1, 4]], list("vwxyz"), list("abcd")
    )
    found = journey_moments(stages)
    assert found["peak"].tolist() == pytest.approx([2, 3, 3, 9, np.nan], nan_ok=True)
    assert found["peak_stage"].tolist()[:4] == ["b", "b", "a", "a"]
    assert found["end"].tolist() == pytest.approx([7, 5, 4, 6, np.nan], nan_ok=True)
    assert found["mean"].tolist() == pytest.approx([6, 5.5, 5.75, 7.25, np.nan], nan_ok=True)
    assert found["tied"].tolist()[:4] == [False, True, True, False]
    assert found.loc["z"].isna().all()
    assert found.index.tolist() == list("vwxyz")
    # From 1 to 5, the middle is 3; from 0 to 1, 0.9 and 0.1 are as far from it but for the last digit.
    assert journey_moments(pd.DataFrame([[4, 2, 3]]), scale=(1, 5))["peak"].tolist() == [2]
    assert journey_moments(pd.DataFrame([[0.9, 0.1, 0.5]]), scale=(0, 1))[["peak", "tied"]].to_numpy().tolist() == [
        [0.1, True]
    ]


def test_coefficients_are_those_of_statsmodels(people):
    stages, overall, answers = people
    found = peak_end_check(stages, overall, level=0.9, seed=1, **design(answers)).coefficients.loc["all"]
    other = sm.WLS(overall, terms(stages), weights=answers["weight"]).fit(
        cov_type="cluster", cov_kwds={"groups": answers["person"]}, use_t=True
    )
    order = [*MOMENTS, "const"]
    assert found["estimate"].tolist() == pytest.approx(other.params[order].tolist())
    assert found["std_error"].tolist() == pytest.approx(other.bse[order].tolist())
    assert found[["low", "high"]].to_numpy() == pytest.approx(other.conf_int(0.1).loc[order].to_numpy())


def test_errors_are_those_of_resampled_people(people):
    stages, overall, answers = people
    check = peak_end_check(stages, overall, seed=1, **design(answers))
    x, y = terms(stages)[[*MOMENTS, "const"]].to_numpy(), overall.to_numpy()
    rng, (codes, labels) = np.random.default_rng(1), pd.factorize(answers["person"])
    drawn, explained = [], []
    for _ in range(1000):
        times = np.bincount(rng.integers(0, len(labels), len(labels)), minlength=len(labels))[codes]
        weights = times * answers["weight"].to_numpy()
        root = np.sqrt(weights)
        drawn.append(np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0])
        spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        explained.append(1 - np.average((y - x @ drawn[-1]) ** 2, weights=weights) / spread)
    found = check.coefficients.loc["all"]
    assert found["std_error"].tolist() == pytest.approx(np.std(drawn, axis=0).tolist(), rel=0.12)
    assert check.models.loc[("all", "all"), ["low", "high"]].tolist() == pytest.approx(
        np.quantile(explained, [0.025, 0.975]), abs=0.02
    )


def test_explained_variance_and_inflation_are_those_of_statsmodels(people):
    stages, overall, answers = people
    check = peak_end_check(stages, overall, seed=1, **design(answers))
    x = terms(stages)
    for model, names in (("mean", ["mean"]), ("peak and end", ["peak", "end"]), ("all", list(MOMENTS))):
        other = sm.WLS(overall, x[["const", *names]], weights=answers["weight"]).fit()
        assert check.models.loc[("all", model), "r_squared"] == pytest.approx(other.rsquared)
    plain = peak_end_check(stages, overall, seed=1).coefficients.loc["all", "vif"]
    expected = [variance_inflation_factor(x.to_numpy(), x.columns.get_loc(term)) for term in MOMENTS]
    assert plain[list(MOMENTS)].tolist() == pytest.approx(expected)
    assert np.isnan(plain["constant"])
    assert plain["mean"] > 2


def test_errors_out_of_sample_are_those_of_folds_of_people(people):
    stages, overall, answers = people
    found = peak_end_check(stages, overall, folds=5, seed=4, **design(answers))
    x, y, weights = terms(stages), overall.to_numpy(), answers["weight"].to_numpy()
    split = int(np.random.default_rng(4).integers(2**32))
    missed = {"mean": np.empty(400), "peak and end": np.empty(400)}
    for known, unknown in GroupKFold(5, shuffle=True, random_state=split).split(
        x, groups=pd.factorize(answers["person"])[0]
    ):
        assert not set(answers["person"].iloc[known]) & set(answers["person"].iloc[unknown])
        for model, names in (("mean", ["const", "mean"]), ("peak and end", ["const", "peak", "end"])):
            fit = sm.WLS(y[known], x[names].iloc[known], weights=weights[known]).fit()
            missed[model][unknown] = y[unknown] - x[names].iloc[unknown].to_numpy() @ fit.params.to_numpy()
    spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
    squares = {model: np.average(errors**2, weights=weights) for model, errors in missed.items()}
    for model, square in squares.items():
        row = found.models.loc[("all", model)]
        assert row["error_out"] == pytest.approx(np.sqrt(square))
        assert row["r_squared_out"] == pytest.approx(1 - square / spread)
        assert row["r_squared_out"] < row["r_squared"]
    gain = found.verdicts.loc["all"]
    assert gain["gain"] == pytest.approx((squares["mean"] - squares["peak and end"]) / spread)
    rng, (codes, labels) = np.random.default_rng(1), pd.factorize(answers["person"])
    better, drawn = missed["mean"] ** 2 - missed["peak and end"] ** 2, []
    for _ in range(2000):
        times = np.bincount(rng.integers(0, len(labels), len(labels)), minlength=len(labels))[codes] * weights
        drawn.append(
            np.average(better, weights=times) / np.average((y - np.average(y, weights=times)) ** 2, weights=times)
        )
    assert [gain["gain_low"], gain["gain_high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_what_is_planted_is_found_among_many():
    """The ends of the scale take a little of the peak and the end."""
    rng = np.random.default_rng(7)
    many = draw_latents(8_000, rng).assign(
        customer_id=[f"C{i}" for i in range(8_000)], birth_date=pd.Timestamp("1980-05-01"), region="East",
        home_channel="web", discount_hunter=False, first_purchase=pd.Timestamp("2023-01-05"), left_at=pd.NaT,
    )  # fmt: skip
    survey = simulate_survey(many, rng)[0]["survey"]
    stages, overall = journey_columns(survey)
    check = peak_end_check(
        survey[stages], survey[overall], weights=survey["weight"], clusters=survey["customer_id"], seed=7
    )
    found = check.coefficients.loc["all"]
    assert np.abs(found["estimate"].to_numpy()[:3] - PLANTED).max() < 0.02
    assert (found["high"] - found["low"])[list(MOMENTS)].max() < 0.05
    assert check.verdicts.loc["all", "verdict"] == "holds"


def test_what_is_planted_lies_within_the_intervals_of_the_demo():
    survey = load_company().survey
    stages, overall = journey_columns(survey)
    assert stages == ["journey_browse", "journey_order", "journey_delivery", "journey_unpack", "journey_aftercare"]
    check = peak_end_check(
        survey[stages], survey[overall], weights=survey["weight"], clusters=survey["customer_id"], seed=7
    )
    found = check.coefficients.loc["all"].drop("constant")
    assert (found["low"] <= PLANTED).all()
    assert (found["high"] >= PLANTED).all()
    verdict = check.verdicts.loc["all"]
    assert verdict["verdict"] == "holds"
    assert verdict["gain_low"] > 0.2
    assert verdict["answers"] + verdict["missing"] == len(survey)
    assert verdict["tied_share"] == pytest.approx(journey_moments(survey[stages])["tied"].mean(), abs=0.01)


@pytest.mark.parametrize(
    ("weights", "verdict", "reasons"),
    [
        ((1, 0, 0), "does not hold", ["the mean of all stages predicts better"]),
        ((0.3, -0.4, 0.9), "does not hold", ["a better peak goes with a worse memory"]),
        ((0.3, 0.9, -0.4), "does not hold", ["a better end goes with a worse memory"]),
        ((0.2, 0.6, 0), "cannot tell", ["the end may count nothing beyond the mean"]),
        ((0.2, 0, 0.6), "cannot tell", ["the peak may count nothing beyond the mean"]),
        ((0.1, 0.5, 0.4), "holds", ["peak and end both count beyond the mean, and predict better than it"]),
    ],
)
def test_verdicts(weights, verdict, reasons):
    found = peak_end_check(*journeys(600, weights=weights), seed=1).verdicts.loc["all"]
    assert found["verdict"] == verdict
    for reason in reasons:
        assert reason in found["reason"]


def test_where_peak_and_end_count_but_predict_no_better():
    """The mean counts most, and both others a little: three conditions, of which the last is not met."""
    found = peak_end_check(*journeys(1500, weights=(0.75, 0.12, 0.12), noise=0.8), seed=1)
    assert (found.coefficients.loc["all", "low"][["peak", "end"]] > 0).all()
    verdict = found.verdicts.loc["all"]
    assert verdict["verdict"] != "holds"
    assert "predict" in verdict["reason"]


def test_the_rule_is_seldom_seen_where_only_the_mean_counts():
    held = [
        peak_end_check(*journeys(120, seed=seed, weights=(1, 0, 0), noise=1.5), folds=3, seed=1).verdicts.iloc[0, 0]
        for seed in range(60)
    ]
    assert held.count("holds") <= 1


def test_intervals_cover():
    """A hundred people asked twice: of 150 intervals at 90 % of both coefficients, and of both models' R²."""
    person, covered = np.repeat(np.arange(100), 2), np.zeros(4)
    whole = peak_end_check(*journeys(60_000, seed=99), folds=2, seed=1).models.loc["all", "r_squared"]
    for seed in range(150):
        stages, overall = journeys(200, seed=seed, people=person)
        check = peak_end_check(stages, overall, clusters=person, folds=2, level=0.9, seed=1)
        found, models = check.coefficients.loc["all"], check.models.loc["all"]
        covered += [
            *((found["low"] <= [0.1, 0.5, 0.4, 0]) & (found["high"] >= [0.1, 0.5, 0.4, 0]))[["peak", "end"]],
            *((models["low"] <= whole) & (models["high"] >= whole))[["mean", "all"]],
        ]
    assert (covered / 150 > 0.82).all()
    assert (covered / 150 < 0.97).all()


# Consistency


def test_the_same_seed_gives_the_same_and_inputs_stay(people):
    stages, overall, answers = people
    before = stages.copy(), overall.copy()
    one, other, third = (peak_end_check(stages, overall, seed=seed, **design(answers)) for seed in (1, 1, 2))
    for name in ("coefficients", "models", "verdicts"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    pd.testing.assert_frame_equal(one.coefficients, third.coefficients)
    assert one.verdicts.loc["all", "gain"] != third.verdicts.loc["all", "gain"]
    pd.testing.assert_frame_equal(stages, before[0])
    pd.testing.assert_series_equal(overall, before[1])


def test_units_do_not_matter(people):
    stages, overall, answers = people
    one = peak_end_check(stages, overall, seed=1, **design(answers))
    other = peak_end_check(
        (stages - 1) / 9, ((overall - 1) / 9).to_numpy(), scale=(0, 1), seed=1, weights=4 * answers["weight"],
        clusters=answers["person"].map("p{}".format),
    )  # fmt: skip
    terms = ["mean", "peak", "end"]
    assert other.coefficients.loc["all"].loc[terms].to_numpy() == pytest.approx(
        one.coefficients.loc["all"].loc[terms].to_numpy()
    )
    columns = ["gain", "gain_low", "gain_high", "tied_share"]
    assert other.verdicts[columns].to_numpy() == pytest.approx(one.verdicts[columns].to_numpy())


def test_a_group_is_as_if_it_were_alone(people):
    stages, overall, answers = people
    found = peak_end_check(stages, overall, by=answers["region"], seed=1, **design(answers))
    rows = answers["region"] == "south"
    alone = peak_end_check(stages[rows], overall[rows], seed=1, **design(answers[rows]))
    pd.testing.assert_frame_equal(found.coefficients.loc["south"], alone.coefficients.loc["all"])
    pd.testing.assert_frame_equal(found.models.loc["south"], alone.models.loc["all"])
    pd.testing.assert_series_equal(found.verdicts.loc["south"], alone.verdicts.loc["all"], check_names=False)
    assert found.coefficients.index.names == ["region", "term"]


def test_respondents_with_a_gap_are_left_out(people):
    stages, overall, answers = people
    gaps = stages.mask(stages.index.to_numpy()[:, None] + np.arange(5) == 17)
    without = overall.where(overall.index != 3)
    weights = answers["weight"].where(answers.index != 40, 0)
    kept = overall.index.difference([3, 13, 14, 15, 16, 17, 40])
    found = peak_end_check(gaps, without, weights=weights, seed=1)
    alone = peak_end_check(stages.loc[kept], overall[kept], weights=weights[kept], seed=1)
    pd.testing.assert_frame_equal(found.coefficients, alone.coefficients)
    assert found.verdicts.loc["all", ["answers", "missing"]].tolist() == [394, 6]


def test_groups_without_estimates_have_a_reason(people):
    stages, overall, _ = people
    region = pd.Series("most", stages.index)
    region[:29], region[60:120], region[200:260] = "few", "alike", "one stage"
    stages, overall = stages.copy(), overall.copy()
    overall[60:120] = 7.0
    stages.loc[200:259] = np.repeat(stages.loc[200:259, ["order"]].to_numpy(), 5, axis=1)
    check = peak_end_check(stages, overall, by=region, seed=1)
    reasons = check.verdicts["reason"]
    assert reasons["few"] == "fewer than 30 people rated every stage and the whole (29)"
    assert reasons["alike"] == "everybody rates the whole alike"
    assert reasons["one stage"] == "mean, peak and end of the stages cannot be told apart"
    assert check.verdicts["verdict"].tolist() == ["cannot tell"] * 2 + ["holds", "cannot tell"]
    for group in ("few", "alike", "one stage"):
        assert check.coefficients.loc[group].isna().all(axis=None)
        assert check.models.loc[group].isna().all(axis=None)
        with pytest.raises(ParameterError, match=re.escape(f"there is no estimate for {group}: {reasons[group]}")):
            plot_peak_end(check, group)
    assert (
        peak_end_check(stages, overall, by=region, folds=60, seed=1)
        .verdicts.loc["one stage", "reason"]
        .startswith("mean")
    )
    assert (
        "fewer than 61"
        in peak_end_check(stages, overall, by=region, folds=61, seed=1).verdicts.loc["one stage", "reason"]
    )


# Input checks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"overall": [1, 2]}, "overall must be one column with a rating for each of the 400 rows of stages"),
        ({"overall": 7}, "overall must be one column"),
        ({"stages": pd.DataFrame({"a": [1], "b": [2]}), "overall": [1]}, "stages must be at least 3, .* and are 2"),
        ({"stages": [1, 2, 3]}, "stages must be a table with a column a stage, and are list"),
        ({"scale": (1, 8)}, "the item order has .* answers outside the scale 1 to 8"),
        ({"overall": pd.Series(range(400), range(400, 800))}, "overall has another index than stages"),
        ({"folds": 0, "seed": None, "level": 2}, "3 problems"),
    ],
)
def test_what_is_refused(people, options, message):
    stages, overall, _ = people
    with pytest.raises(ParameterError, match=message):
        peak_end_check(**{"stages": stages, "overall": overall, "seed": 1} | options)


def test_there_must_be_enough_people(people):
    stages, overall, answers = people
    with pytest.raises(DataFloorError, match=r"peak_end_check: fewer than 30 people rated .* \(29\)"):
        peak_end_check(stages[:29], overall[:29], seed=1)
    with pytest.raises(DataFloorError, match="fewer than 30 people"):
        peak_end_check(stages, overall, clusters=answers["person"] % 20, seed=1)
    with pytest.raises(ParameterError, match="stages have two columns of one name"):
        journey_moments(stages.set_axis(["a", "b", "b", "c", "d"], axis=1))


def test_what_is_the_same_for_all_but_for_rounding_tells_nothing(people):
    """The mean of 400 times 7.3 is not 7.3 to the last digit."""
    stages = people[0]
    same = pd.Series(np.full(len(stages), 7.3))
    assert (same - same.to_numpy().mean()).any()
    with pytest.raises(DataFloorError, match="everybody rates the whole alike"):
        peak_end_check(stages, same, seed=1)


def test_waves_of_a_categorical_keep_their_order(people):
    stages, overall, answers = people
    names = ["wave 9", "wave 10", "none"]
    waves = pd.Series(np.where(answers["person"] % 2, *names[:2]), stages.index)
    check = peak_end_check(stages, overall, by=waves.astype(pd.CategoricalDtype(names, ordered=True)), seed=1)
    for table in (check.verdicts, check.models, check.coefficients):
        assert table.index.get_level_values(0).unique().tolist() == names[:2]
    plain = peak_end_check(stages, overall, by=waves, seed=1)
    pd.testing.assert_frame_equal(peak_end_table(check, "wave 10"), peak_end_table(plain, "wave 10"))


def test_columns_of_a_journey_must_be_there():
    with pytest.raises(ParameterError) as caught:
        journey_columns(pd.DataFrame(columns=["nps"]))
    assert "answers lacks the column journey_overall" in str(caught.value)
    assert "answers have no columns journey_<stage>" in str(caught.value)
    with pytest.raises(ParameterError) as caught:
        journey_columns(pd.DataFrame(columns=["journey_order"]))
    assert "answers lacks the column journey_overall" in str(caught.value)
    assert "journey_<stage>" not in str(caught.value)


# Figures


def test_the_figure_shows_the_table(people):
    stages, overall, answers = people
    check = peak_end_check(stages, overall, by=answers["region"], seed=1)
    table = peak_end_table(check, "north")
    figure, given = plt.subplots()
    ax = plot_peak_end(check, "north", ax=given)
    assert ax is given
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mean of all stages", "peak", "end"]
    assert ax.lines[0].get_xdata().tolist() == table["points for one point more"].tolist()
    assert table["low"].tolist() == check.coefficients.loc["north"].loc[list(MOMENTS), "low"].tolist()
    out = check.models.loc["north", "r_squared_out"]
    assert f"mean {out['mean']:.0%}, peak and end {out['peak and end']:.0%}" in ax.get_xlabel()
    assert f"peak {table['points for one point more'].iloc[1]:+.2f}" in alt_text(figure)
    assert "The peak–end rule: holds." in alt_text(figure)
    plt.close(figure)
    with pytest.raises(ParameterError, match="group must be one of north, south, and is None"):
        plot_peak_end(check)
    alone = plot_peak_end(peak_end_check(stages, overall, seed=1))
    assert alone.get_title() or alone.get_title(loc="left")
    plt.close(alone.figure)
