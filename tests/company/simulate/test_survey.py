"""Planted truth of the survey: loadings, paths, weights, the event, and the iceberg of complaints."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.contact import simulate_interactions
from crm_utils.company.simulate.latents import LATENTS
from crm_utils.company.simulate.members import simulate_members
from crm_utils.company.simulate.survey import (
    AGE_GROUPS,
    DIMENSIONS,
    SURVEY,
    SURVEY_SETTINGS,
    age_groups,
    expected_points,
    simulate_survey,
)

CONSTRUCTS = SURVEY_SETTINGS["constructs"]


@pytest.fixture(scope="module")
def interactions(many_people, many_order_lines):
    members, _ = simulate_members(many_people, np.random.default_rng(5), order_lines=many_order_lines)
    return simulate_interactions(many_people, many_order_lines, members["member_months"], np.random.default_rng(6))[0][
        "interactions"
    ]


@pytest.fixture(scope="module")
def simulated(many_people, interactions):
    tables, truth = simulate_survey(many_people, np.random.default_rng(9), interactions=interactions)
    return tables["survey"], truth["survey_cells"]


@pytest.fixture(scope="module")
def answers(simulated) -> pd.DataFrame:
    """Complete answers, with reversed items turned round."""
    survey, _ = simulated
    items = survey[[item for names in CONSTRUCTS.values() for item in names]].astype("Float64").astype(float)
    for item in SURVEY_SETTINGS["reversed"]:
        items[item] = 11 - items[item]
    return items.assign(competition=survey["competition"]).dropna()


def loadings_from_triads(items: pd.DataFrame) -> np.ndarray:
    """Loadings of three items on one factor: λ₁² = r₁₂ r₁₃ / r₂₃."""
    r = items.corr().to_numpy()
    return np.sqrt([r[0, 1] * r[0, 2] / r[1, 2], r[0, 1] * r[1, 2] / r[0, 2], r[0, 2] * r[1, 2] / r[0, 1]])


@pytest.mark.parametrize("construct", [name for name, items in CONSTRUCTS.items() if len(items) == 3])
def test_loadings_are_recovered(answers, construct):
    found = loadings_from_triads(answers[CONSTRUCTS[construct]])
    planted = np.array(SURVEY.loadings[construct])
    # Whole points between 1 and 10 cost a few hundredths, and never add any.
    assert (found < planted + 0.015).all()
    assert (found > planted - 0.05).all()


def latent_correlations(items: pd.DataFrame) -> pd.DataFrame:
    """Correlations of the constructs freed of measurement error, from the correlations of items of different ones."""
    correlations = items.corr()
    strength = {}
    for construct, names in CONSTRUCTS.items():
        if len(names) == 3:
            strength[construct] = loadings_from_triads(items[names])
        else:
            # Two items do not tell their loadings apart: share their correlation in the planted proportion.
            planted = np.array(SURVEY.loadings[construct])
            strength[construct] = planted * np.sqrt(correlations.loc[names[0], names[1]] / planted.prod())
    names = list(CONSTRUCTS)
    matrix = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for one in names:
        for other in names:
            if one != other:
                between = correlations.loc[CONSTRUCTS[one], CONSTRUCTS[other]].to_numpy()
                matrix.loc[one, other] = (between / np.outer(strength[one], strength[other])).mean()
    return matrix


@pytest.mark.parametrize("competition", ["weak", "strong"])
def test_paths_are_recovered_from_the_answers(answers, competition):
    items = answers.loc[answers["competition"] == competition].drop(columns="competition")
    assert len(items) > 5_000
    matrix = latent_correlations(items)
    for effect, causes in LATENTS.paths.items():
        if not causes:
            continue
        planted = dict(causes)
        if competition == "strong" and effect == "loyalty":
            planted["satisfaction"] = LATENTS.satisfaction_loyalty_strong
        names = list(planted)
        found = np.linalg.solve(matrix.loc[names, names].to_numpy(), matrix.loc[names, effect].to_numpy())
        assert np.abs(found - list(planted.values())).max() < 0.05, (effect, dict(zip(names, found, strict=True)))


def test_weights_restore_the_shares_of_age_groups(simulated):
    survey, cells = simulated
    for wave, customers in cells.groupby("wave"):
        target = customers.groupby("age_group")["customers"].sum()
        rows = survey[survey["wave"] == wave]
        plain = rows["age_group"].value_counts(normalize=True)
        weighted = rows.groupby("age_group")["weight"].sum() / rows["weight"].sum()
        assert (weighted - target / target.sum()).abs().max() < 0.002
        assert (plain - target / target.sum()).abs().max() > 0.02
        assert rows["weight"].mean() == pytest.approx(1, abs=0.002)


def test_weights_correct_the_mean_satisfaction(simulated):
    survey, cells = simulated
    late = cells[cells["wave"] == "2025H2"]
    true_mean = np.average(late["satisfaction"], weights=late["customers"])
    mean_of_those_asked = np.average(late["satisfaction"], weights=late["answers"])
    rows = survey[(survey["wave"] == "2025H2") & survey["satisfaction_1"].notna()]
    item = rows["satisfaction_1"].astype(float)
    removed = item.mean() - np.average(item, weights=rows["weight"])
    slope = SURVEY.item_spread * SURVEY.loadings["satisfaction"][0]
    bias = slope * (mean_of_those_asked - true_mean)
    assert bias > 0.05
    assert removed == pytest.approx(bias, rel=0.25)


def test_service_broke_down_in_one_region_and_wave(simulated):
    survey, cells = simulated
    hit = (survey["wave"] == SURVEY.event_wave) & (survey["region"] == SURVEY.event_region)
    scale = SURVEY.item_spread * SURVEY.loadings["service_quality"][0]
    drop = survey.loc[hit, "service_quality_1"].mean() - survey.loc[~hit, "service_quality_1"].mean()
    assert drop == pytest.approx(scale * SURVEY.event_service_quality, rel=0.15)
    assert survey.loc[hit, "satisfaction_1"].mean() < survey.loc[~hit, "satisfaction_1"].mean() - 0.2
    assert abs(survey.loc[hit, "image_1"].mean() - survey.loc[~hit, "image_1"].mean()) < 0.15
    where = (cells["wave"] == SURVEY.event_wave) & (cells["region"] == SURVEY.event_region)
    assert cells.loc[where, "service_quality"].max() < -0.5 < cells.loc[~where, "service_quality"].min()


def test_a_ticket_is_always_said_and_tickets_are_the_planted_tip(simulated, interactions):
    survey, _ = simulated
    tickets = interactions[interactions["is_complaint"]]
    wave = survey[survey["wave"] == "2025H1"]
    recent = tickets[tickets["started_at"].between("2024-12-15", "2025-06-15", inclusive="left")]
    with_ticket = wave["customer_id"].isin(recent["customer_id"])
    assert with_ticket.sum() > 100
    assert ((wave["complained"] == "yes") == with_ticket).all()
    assert (wave.loc[with_ticket, "had_problem"] == "yes").all()
    problems = survey[survey["had_problem"] == "yes"]
    share = np.average(problems["complained"] == "yes", weights=problems["weight"])
    assert abs(share - SURVEY.iceberg_share) < 0.03
    assert survey.loc[survey["had_problem"] == "no", "complained"].isna().all()


def test_without_tickets_the_iceberg_is_drawn(people):
    survey = simulate_survey(people, np.random.default_rng(9))[0]["survey"]
    had = survey["had_problem"] == "yes"
    assert abs((survey.loc[had, "complained"] == "yes").mean() - SURVEY.iceberg_share) < 0.04
    assert 0.1 < had.mean() < 0.3


def test_servqual_gaps_are_the_planted_ones(simulated):
    survey, _ = simulated
    for dimension in DIMENSIONS:
        sides = [
            survey[[f"sq_{side}_{dimension}_{number}" for number in (1, 2)]].astype("Float64").mean().mean()
            for side in ("per", "exp")
        ]
        planted = SURVEY.servqual_perception[dimension] - SURVEY.servqual_expectation[dimension]
        # High expectations meet the end of the scale, and the weightless mean leans to the old: both within a quarter.
        assert abs(sides[0] - sides[1] - planted) < 0.25, dimension
    importance = survey[[f"sq_importance_{dimension}" for dimension in DIMENSIONS]]
    assert (importance.sum(axis=1) == 100).all()
    assert np.allclose(importance.mean() / 100, list(SURVEY.servqual_importance.values()), atol=0.005)


def test_recommendation_and_journey_follow_what_was_planted(simulated):
    survey, _ = simulated
    rows = survey.dropna(subset=["nps", "satisfaction_1", "loyalty_1"])
    nps = rows["nps"].astype(float)
    assert 0.4 < nps.corr(rows["satisfaction_1"].astype(float)) < 0.8
    assert nps.between(0, 10).all()
    stages = [name for name in survey if name.startswith("journey_") and name != "journey_overall"]
    journey = survey[[*stages, "journey_overall"]].dropna().astype(float)
    ratings = journey[stages].to_numpy()
    peak = ratings[np.arange(len(ratings)), (np.abs(ratings - 5.5) - 0.01 * ratings).argmax(axis=1)]
    x = np.column_stack([np.ones(len(ratings)), ratings.mean(axis=1), peak, ratings[:, -1]])
    found = np.linalg.lstsq(x, journey["journey_overall"].to_numpy(), rcond=None)[0]
    assert np.abs(found[1:] - [SURVEY.journey_mean, SURVEY.journey_peak, SURVEY.journey_end]).max() < 0.03


@pytest.mark.parametrize(("score", "mean", "low", "high"), [(0.4, 7.1, 1, 10), (-1.0, 8.8, 1, 10), (0.2, 3.5, 1, 5)])
def test_expected_points_are_the_mean_of_rounded_and_clipped_answers(score, mean, low, high):
    scores = score + np.random.default_rng(2).standard_normal(400_000)
    points = np.clip(np.rint(mean + 1.6 * scores), low, high)
    expected = expected_points(score, mean=mean, spread=1.6, low=low, high=high)
    assert abs(expected - points.mean()) < 4 * points.std() / np.sqrt(len(points))


def test_the_oldest_leave_more_blank(simulated):
    survey, _ = simulated
    items = [item for names in CONSTRUCTS.values() for item in names]
    blank = survey[items].isna().mean(axis=1).groupby(survey["age_group"]).mean()
    assert 0.015 < blank["30 to 44"] < 0.035
    assert blank[AGE_GROUPS[-1]] > 1.5 * blank["30 to 44"]


def test_answers_are_whole_points_and_reversed_items_run_backwards(simulated):
    survey, _ = simulated
    for names in CONSTRUCTS.values():
        for item in names:
            assert survey[item].dropna().between(1, 10).all()
    assert str(survey["satisfaction_1"].dtype) == "Int64"
    pairs = survey[["loyalty_1", "loyalty_3", "complaints_1", "complaints_2"]].dropna().astype(float).corr()
    assert pairs.loc["loyalty_1", "loyalty_3"] < -0.4
    assert pairs.loc["complaints_1", "complaints_2"] < -0.4
    assert set(SURVEY_SETTINGS["reversed"]) == {"loyalty_3", "complaints_2"}


def test_only_customers_of_the_time_are_asked(simulated, many_people):
    survey, cells = simulated
    known = survey.merge(many_people[["customer_id", "first_purchase", "left_at"]], on="customer_id")
    day = pd.to_datetime(known["wave"].map(SURVEY.waves))
    assert (known["first_purchase"] < day).all()
    assert not (known["left_at"] < day - pd.DateOffset(months=SURVEY.customer_months)).any()
    assert (cells["answers"] <= cells["customers"]).all()
    assert not survey.duplicated(["customer_id", "wave"]).any()


def test_age_groups_turn_on_the_birthday_year():
    born = pd.Series(pd.to_datetime(["1994-06-20", "1994-06-10", "1964-06-10"]))
    assert age_groups(born, pd.Timestamp("2024-06-15")).tolist() == ["under 30", "30 to 44", "60 and over"]


def test_blocks_have_their_own_identifiers_and_input_is_left_alone(people):
    before = people.copy()
    first, again, second = (
        simulate_survey(people, np.random.default_rng(1), block=block)[0]["survey"] for block in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not set(first["response_id"]) & set(second["response_id"])
    assert len(first.to_csv(index=False).encode()) < 2_000_000
    pd.testing.assert_frame_equal(people, before)
