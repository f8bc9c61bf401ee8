"""Indices rolled up: published scores, worked examples, coverage, identities, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.satisfaction.index import index_scores
from crm_utils.satisfaction.rollup import (
    company_indices,
    plot_roll_up,
    roll_up,
    roll_up_changes,
    roll_up_table,
)

GDP = {"travel": 0.02, "retail": 0.06, "finance": 0.08}


@pytest.fixture
def indices():
    """Seven companies in five industries of three sectors."""
    return pd.DataFrame(
        {
            "company": ["Ash", "Birch", "Cedar", "Daisy", "Elm", "Fir", "Ash"],
            "industry": ["airlines", "airlines", "hotels", "grocers", "online", "banks", "hotels"],
            "sector": ["travel", "travel", "travel", "retail", "retail", "finance", "travel"],
            "revenue": [30.0, 10.0, 25.0, 90.0, 60.0, 70.0, 15.0],
            "index": [70.0, 78.0, 76.0, 80.0, 74.0, 72.0, 68.0],
            "std_error": [1.0, 1.5, 2.0, 0.5, 0.8, 1.2, 1.1],
        }
    )


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def of(rolled, name, column="index"):
    return rolled.loc[(rolled["name"] == name) & (rolled["level"] != "company"), column].item()


# Correctness


def test_airlines_of_2012_give_the_published_index_of_their_industry():
    """ACSI, June 2012 (Chicago Tribune, 19 June 2012): airlines 67. Operating revenue of 2011, billions (The Associated
    Press, "A look at US airline rankings", 2012); all others are Alaska, Frontier, Hawaiian, Spirit, Virgin America and
    Allegiant. Without weights the mean would be 69.7."""
    airlines = pd.DataFrame(
        {
            "company": ["JetBlue", "Southwest", "All others", "Delta", "US Airways", "American", "United"],
            "index": [81, 77, 74, 65, 65, 64, 62],
            "revenue": [4.5, 15.7, 4.3 + 1.7 + 1.7 + 1.1 + 1.0 + 0.8, 35.1, 13.1, 24.0, 37.1],
        }
    )
    found = roll_up(airlines, levels=(), whole="airlines", std_error_col=None)
    assert round(found.loc[0, "index"]) == 67


def test_a_worked_example(indices):
    rolled = roll_up(indices, weights={"sector": GDP})
    airlines, hotels = (30 * 70 + 10 * 78) / 40, (25 * 76 + 15 * 68) / 40
    travel, retail, finance = (40 * airlines + 40 * hotels) / 80, (90 * 80 + 60 * 74) / 150, 72
    assert of(rolled, "airlines") == pytest.approx(airlines)
    assert of(rolled, "travel") == pytest.approx(travel)
    assert of(rolled, "nation") == pytest.approx((2 * travel + 6 * retail + 8 * finance) / 16)
    assert of(rolled, "airlines", "std_error") == pytest.approx(np.sqrt((0.75 * 1.0) ** 2 + (0.25 * 1.5) ** 2))
    shares = np.array([30, 10, 25, 0, 0, 0, 15]) / 80 * 2 / 16
    shares += np.array([0, 0, 0, 90, 60, 0, 0]) / 150 * 6 / 16 + np.array([0, 0, 0, 0, 0, 1, 0]) * 8 / 16
    error = np.sqrt((shares**2 * indices["std_error"] ** 2).sum())
    nation = rolled.iloc[0]
    assert nation["std_error"] == pytest.approx(error)
    assert (nation["low"], nation["high"]) == pytest.approx(nation["index"] + 1.959964 * error * np.array([-1, 1]))
    assert (nation["companies"], of(rolled, "travel", "companies")) == (6, 3)
    ash = shares[0] + shares[6]
    assert nation["effective_companies"] == pytest.approx(1 / ((shares[1:6] ** 2).sum() + ash**2))


def test_without_weights_revenue_counts_all_the_way(indices):
    rolled = roll_up(indices)
    assert of(rolled, "nation") == pytest.approx(np.average(indices["index"], weights=indices["revenue"]))
    assert rolled.loc[rolled["level"] == "sector", "weight_share"].tolist() == pytest.approx([0.5, 80 / 300, 70 / 300])


def test_given_weights_of_industries_count_in_their_sectors_and_above(indices):
    given = {"airlines": 300, "hotels": 100, "grocers": 10, "online": 20, "banks": 70}
    rolled = roll_up(indices, weights={"industry": given})
    travel = (3 * 72 + (25 * 76 + 15 * 68) / 40) / 4
    assert of(rolled, "travel") == pytest.approx(travel)
    assert of(rolled, "nation") == pytest.approx((400 * travel + 30 * (80 + 2 * 74) / 3 + 70 * 72) / 500)


def test_intervals_cover_the_true_index_of_the_nation_as_often_as_they_say(indices):
    """At 90 %: of 4,000 such sets 90.8 % of the intervals covered; estimates spread as the standard error says."""
    rng = np.random.default_rng(7)
    truth = of(roll_up(indices, weights={"sector": GDP}), "nation")
    covered, found = 0, []
    for _ in range(250):
        drawn = indices.assign(index=rng.normal(indices["index"], indices["std_error"]))
        nation = roll_up(drawn, weights={"sector": GDP}, level=0.9).iloc[0]
        covered += nation["low"] < truth < nation["high"]
        found.append(nation["index"])
    assert 0.84 < covered / 250 < 0.96
    assert np.std(found) == pytest.approx(nation["std_error"], rel=0.12)


def test_surveys_of_companies_lead_to_the_index_of_their_industry(survey, small):
    """Three companies of which the second answers a point lower, all the way from their answers."""
    company = np.repeat(["Ash", "Birch", "Cedar"], 120)
    answers = survey(360, shift=np.repeat([0.0, -1.0, 0.0], 120))
    found = company_indices(answers, company, small, n_boot=60, seed=5)
    for place, name in enumerate(["Ash", "Birch", "Cedar"]):
        child = np.random.SeedSequence(5).spawn(3)[place]
        direct = index_scores(small.fit(answers[company == name]).bootstrap(60, seed=child)).loc["satisfaction"]
        row = found.loc[place]
        assert (row["company"], row["answers"], row["lost_replicates"], row["note"]) == (name, 120, 0, "")
        assert row[["index", "std_error", "low", "high"]].tolist() == direct.tolist()
    assert found["index"].idxmin() == 1
    rolled = roll_up(found.assign(revenue=[2, 1, 1]), levels=())
    assert rolled.loc[0, "index"] == pytest.approx(np.average(found["index"], weights=[2, 1, 1]))


# Identities


def test_one_company_has_the_same_index_all_the_way():
    one = pd.DataFrame(
        {"company": ["Ash"], "industry": "hotels", "sector": "travel", "revenue": 3, "index": 71.3, "std_error": 0.9}
    )
    rolled = roll_up(one)
    assert rolled["level"].tolist() == ["nation", "sector", "industry", "company"]
    assert rolled["parent"].tolist() == ["", "nation", "travel", "hotels"]
    assert rolled["index"].tolist() == [71.3] * 4
    assert rolled["std_error"].tolist() == [0.9] * 4
    assert rolled["effective_companies"].tolist() == [1.0] * 4


def test_equal_weights_give_the_simple_mean(indices):
    nation = roll_up(indices.assign(revenue=5), levels=()).iloc[0]
    assert nation["index"] == pytest.approx(indices["index"].mean())
    assert nation["std_error"] == pytest.approx(np.sqrt((indices["std_error"] ** 2).sum()) / 7)


def test_a_company_in_two_rows_of_one_survey_is_as_it_was_in_one(indices):
    halves = pd.concat([indices.drop(index=2), indices.loc[[2, 2]].assign(revenue=[20.0, 5.0])], ignore_index=True)
    halves["survey"] = halves["company"] + halves["index"].astype(str)
    keys = ["level", "name", "index", "std_error", "effective_companies"]
    whole, split = (table[table["level"] != "company"][keys].reset_index(drop=True) for table in (
        roll_up(indices), roll_up(halves, survey_col="survey")))  # fmt: skip
    pd.testing.assert_frame_equal(split, whole)
    apart = roll_up(halves)
    assert of(apart, "hotels") == of(roll_up(indices), "hotels")
    assert of(apart, "hotels", "std_error") < of(split.assign(parent=""), "hotels", "std_error")


def test_one_survey_behind_two_industries_shares_its_error(indices):
    both = indices.loc[[0, 6]].assign(index=70.0, std_error=1.0)
    assert roll_up(both, survey_col="company").loc[0, "std_error"] == pytest.approx(1.0)
    assert roll_up(both).loc[0, "std_error"] == pytest.approx(np.hypot(30, 15) / 45)


def test_row_order_and_units_of_revenue_and_weights_do_not_matter(indices):
    rolled = roll_up(indices, weights={"sector": GDP})
    before = indices.copy()
    for other, weights in (
        (indices.sample(frac=1, random_state=1), GDP),
        (indices.assign(revenue=1e6 * indices["revenue"]), {name: 100 * share for name, share in GDP.items()}),
    ):
        pd.testing.assert_frame_equal(roll_up(other, weights={"sector": weights}), rolled)
    pd.testing.assert_frame_equal(indices, before)


def test_indices_are_the_means_of_what_they_hold(indices):
    rolled = roll_up(indices, weights={"sector": GDP})
    for group in rolled.loc[rolled["level"] != "company", "name"]:
        held = rolled[rolled["parent"] == group]
        assert (held["weight_share"] * held["index"]).sum() == pytest.approx(of(rolled, group))
        assert held["weight_share"].sum() == pytest.approx(1)


def test_groups_come_before_what_they_hold_the_heaviest_first(indices):
    rolled = roll_up(indices, weights={"sector": GDP})
    assert rolled["name"].tolist() == [
        "nation", "finance", "banks", "Fir", "retail", "grocers", "Daisy", "online", "Elm",
        "travel", "airlines", "Ash", "Birch", "hotels", "Cedar", "Ash",
    ]  # fmt: skip


# What is measured in part


def test_a_company_not_measured_counts_in_the_weight_of_its_industry_only(indices):
    missing = indices.assign(index=indices["index"].where(indices["company"] != "Birch"))
    rolled = roll_up(missing)
    assert of(rolled, "airlines") == 70
    assert of(rolled, "airlines", "measured_share") == 0.75
    assert of(rolled, "travel") == pytest.approx((40 * 70 + 25 * 76 + 15 * 68) / 80)
    birch = rolled[rolled["name"] == "Birch"].iloc[0]
    assert (birch["weight_share"], birch["companies"], birch["note"]) == (0, 0, "not measured")
    assert np.isfinite(of(rolled, "nation", "std_error"))


def test_an_industry_not_measured_leaves_its_sector_to_the_others(indices):
    missing = indices.assign(index=indices["index"].where(indices["industry"] != "airlines"))
    rolled = roll_up(missing, weights={"sector": GDP})
    assert np.isnan(of(rolled, "airlines"))
    assert np.isnan(of(rolled, "airlines", "std_error"))
    assert of(rolled, "airlines", "note") == "not measured"
    assert of(rolled, "travel") == of(rolled, "hotels") == pytest.approx(73)
    assert of(rolled, "travel", "measured_share") == 0.5
    assert of(rolled, "travel", "weight_share") == pytest.approx(1 / 8)
    assert of(rolled, "nation", "measured_share") == pytest.approx(15 / 16)


def test_a_sector_without_companies_is_noted_and_lowers_what_is_measured(indices):
    rolled = roll_up(indices, weights={"sector": GDP | {"health": 0.04}})
    assert of(rolled, "nation") == of(roll_up(indices, weights={"sector": GDP}), "nation")
    assert rolled.loc[0, "measured_share"] == pytest.approx(16 / 20)
    assert rolled.loc[0, "note"] == "not measured: health"
    indices.loc[0, "std_error"] = np.nan
    rolled = roll_up(indices, weights={"sector": GDP | {"health": 0.04}})
    assert rolled.loc[0, "note"] == "not measured: health; no standard error of Ash"


def test_an_unknown_error_is_unknown_all_the_way_up_and_nowhere_else(indices):
    indices.loc[1, "std_error"] = np.nan
    rolled = roll_up(indices)
    unknown = rolled[rolled["std_error"].isna()]
    assert unknown["name"].tolist() == ["nation", "travel", "airlines", "Birch"]
    assert unknown[["low", "high"]].isna().all(axis=None)
    assert (unknown["note"] == "no standard error of Birch").all()
    assert unknown["index"].notna().all()
    assert (rolled.drop(index=unknown.index)["note"] == "").all()


def test_without_any_errors_there_are_indices_alone(indices):
    rolled = roll_up(indices.drop(columns="std_error"), std_error_col=None)
    assert rolled[["std_error", "low", "high"]].isna().all(axis=None)
    assert (rolled["note"] == "").all()
    assert of(rolled, "nation") == of(roll_up(indices), "nation")


# Companies


def test_a_company_that_fails_has_a_reason_and_the_others_go_on(survey, small):
    company = np.repeat(["Ash", "Birch", "Cedar", "Daisy"], [100, 19, 80, 60])
    answers = survey(259)
    answers.loc[company == "Cedar", "value_1"] = 7.0
    answers.loc[company == "Daisy", "value_3"] = 11 - answers.loc[company == "Daisy", "value_3"]
    found = company_indices(answers, company, small, n_boot=20, seed=1).set_index("company")
    assert np.isfinite(found.loc["Ash", "index"])
    assert found.loc[["Birch", "Cedar", "Daisy"], ["index", "std_error", "low", "high"]].isna().all(axis=None)
    assert found.loc["Birch", "note"] == "Fewer than 20 answers"
    assert found.loc["Cedar", "note"].startswith("The item value_1 is 7 for all 80 cases")
    assert "value_3 of value has the weight -" in found.loc["Daisy", "note"]
    rolled = roll_up(found.reset_index().assign(revenue=1), levels=())
    assert rolled.loc[0, "measured_share"] == 0.25


def test_answers_of_few_people_are_few(survey, small):
    company = np.repeat(["Ash", "Birch"], 100)
    people = np.r_[np.arange(100), 100 + np.arange(100) % 15]
    found = company_indices(survey(200), company, small, clusters=people, n_boot=20, seed=1)
    assert found["note"].tolist() == ["", "Fewer than 20 people"]


def test_weights_and_clusters_are_those_of_the_company(survey, small):
    answers = survey(200).assign(
        firm=np.tile(["Ash", "Birch"], 100), mass=np.linspace(0.5, 2, 200), who=np.arange(200) // 4
    )
    found = company_indices(answers, "firm", small, weights="mass", clusters="who", n_boot=30, seed=1).loc[1]
    part = answers[answers["firm"] == "Birch"]
    bootstrap = small.fit(part, weights="mass", clusters="who").bootstrap(
        30, seed=np.random.SeedSequence(1).spawn(2)[1]
    )
    assert found["index"] == pytest.approx(index_scores(bootstrap).loc["satisfaction", "index"])
    assert found["std_error"] == pytest.approx(index_scores(bootstrap).loc["satisfaction", "std_error"])


def test_the_order_of_the_answers_does_not_change_the_indices(survey, small):
    answers = survey(200).assign(firm=np.tile(["Birch", "Ash"], 100))
    found = company_indices(answers, "firm", small, construct="loyalty", n_boot=10, seed=1)
    other = company_indices(
        answers.sample(frac=1, random_state=1), "firm", small, construct="loyalty", n_boot=10, seed=1
    )
    assert found["company"].tolist() == other["company"].tolist() == ["Ash", "Birch"]
    assert found["index"].to_numpy() == pytest.approx(other["index"].to_numpy())
    expected = index_scores(small.fit(answers[answers["firm"] == "Ash"])).loc["loyalty", "index"]
    assert found.loc[0, "index"] == pytest.approx(expected)


def test_where_no_company_has_an_index_the_reasons_are_raised(survey, small):
    with pytest.raises(DataFloorError, match=r"none of the 20 companies has an index: Fewer than 20 answers \(20\)"):
        company_indices(survey(200), np.arange(200) % 20, small, n_boot=20, seed=1)
    with pytest.raises(ParameterError, match="did you mean 'centroid'"):
        company_indices(survey(100), np.arange(100) % 2, small, scheme="centriod", n_boot=20, seed=1)
    with pytest.raises(ParameterError, match="outside the scale 1 to 5"):
        company_indices(survey(100), np.arange(100) % 2, small, scale=(1, 5), n_boot=20, seed=1)
    flat = survey(60).assign(quality_1=lambda table: table["value_1"], quality_2=lambda table: table["value_2"])
    flat["quality_3"] = flat["value_3"]
    with pytest.raises(ConvergenceError, match=r"the only company has no index: .*perfectly collinear.*\(1\)"):
        company_indices(flat, ["Ash"] * 60, small, n_boot=20, seed=1)


def test_what_is_wrong_with_a_survey_of_companies_is_said_at_once(survey, small):
    answers = survey(60).assign(firm=["Ash", None] * 30)
    with pytest.raises(ParameterError) as caught:
        company_indices(answers, "firm", small, construct="satisfction", weights="mass", n_boot=1, seed=-1, level=2)
    message = str(caught.value)
    for part in (
        "n_boot must be a whole number of at least 2",
        "level must lie between 0 and 1",
        "seed must be a whole number",
        "did you mean 'satisfaction'",
        "company is missing in 30 rows (1, 3, 5, …)",
        "lacks the weights column 'mass'",
    ):
        assert part in message
    with pytest.raises(ParameterError, match="did you mean 'firm'"):
        company_indices(answers, "firn", small, n_boot=20, seed=1)
    with pytest.raises(ParameterError, match="one label a row of answers, which has 60"):
        company_indices(answers, ["Ash"], small, n_boot=20, seed=1)
    with pytest.raises(ParameterError, match="model must be a PathModel"):
        company_indices(answers, "firm", "acsi", n_boot=20, seed=1)


# Changes


def test_changes_are_differences_with_the_errors_of_both_periods(indices):
    later = indices.assign(index=indices["index"] + [0, 0, 0, 5, 5, -6, 0], std_error=0.7)
    before, after = roll_up(indices), roll_up(later)
    table = roll_up_changes(before, after).set_index("name")
    assert "Ash" not in table.index
    assert table.loc["retail", "change"] == pytest.approx(5)
    error = np.hypot(of(before, "retail", "std_error"), of(after, "retail", "std_error"))
    assert table.loc["retail", "std_error"] == pytest.approx(error)
    assert table["verdict"][["retail", "finance", "travel"]].tolist() == ["up", "down", "cannot tell apart"]
    # Nine groups of three levels, together 95 %.
    assert len(table) == 9
    assert (table["high"] - table["change"]).to_numpy() == pytest.approx(
        2.766 * table["std_error"].to_numpy(), rel=1e-3
    )


def test_a_group_of_one_period_has_no_change(indices):
    later = indices[indices["industry"] != "hotels"]
    table = roll_up_changes(roll_up(indices), roll_up(later)).set_index("name")
    assert table.loc["hotels", "verdict"] == "in one period only"
    assert np.isnan(table.loc["hotels", "change"])
    assert table.loc["airlines", "change"] == 0
    assert table.loc["airlines", "verdict"] == "cannot tell apart"
    assert (
        roll_up_changes(roll_up(later), roll_up(indices)).set_index("name").loc["hotels"] == "in one period only"
    ).any()


def test_changes_seldom_come_from_chance(indices):
    """Of 2,000 pairs of periods without any change 4.1 % had a verdict at 95 %."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(60):
        two = [roll_up(indices.assign(index=rng.normal(indices["index"], indices["std_error"]))) for _ in range(2)]
        wrong += roll_up_changes(*two)["verdict"].isin(["up", "down"]).any()
    assert wrong / 60 < 0.15


def test_what_does_not_change_is_not_called_a_change(indices):
    """Indices of 70.1 have a mean of 70.1 whatever they weigh, but for the last digit; their errors are 0."""
    same = indices.assign(index=70.1, std_error=0.0)
    periods = [
        roll_up(same.assign(revenue=revenue)) for revenue in (indices["revenue"], indices["revenue"].to_numpy()[::-1])
    ]
    apart = periods[1].set_index(["level", "name"])["index"] - periods[0].set_index(["level", "name"])["index"]
    assert (apart != 0).any()
    changes = roll_up_changes(*periods)
    assert set(changes["verdict"]) == {"cannot tell apart"}
    assert (changes["change"] == 0).all()


def test_categories_are_rolled_up_like_their_names(indices):
    ordered = indices.copy()
    for column in ("company", "industry", "sector"):
        names = [*indices[column].unique()[::-1], "none"]
        ordered[column] = pd.Categorical(indices[column], names, ordered=True)
    pd.testing.assert_frame_equal(roll_up(ordered, weights={"sector": GDP}), roll_up(indices, weights={"sector": GDP}))


def test_long_notes_are_cut(indices):
    firms = indices.assign(industry="all", sector="all", std_error=np.nan, company=list("gfedcba"))
    assert roll_up(firms).loc[0, "note"] == "no standard error of a, b, c and 4 others"


def test_changes_need_the_same_levels(indices):
    with pytest.raises(ParameterError, match="have nation, sector, industry, company and nation, industry, company"):
        roll_up_changes(roll_up(indices), roll_up(indices, levels="industry"))


# Input checks


def test_everything_wrong_with_a_table_is_said_at_once(indices):
    indices.loc[0, "revenue"] = 0
    indices.loc[1, "revenue"] = np.nan
    indices.loc[2, "std_error"] = -1
    indices.loc[3, "sector"] = None
    indices.loc[6, "sector"] = "leisure"
    with pytest.raises(ParameterError) as caught:
        roll_up(indices, weights={"sector": {"travel": 1, "retail": -2}, "industri": {}, "industry": {"spas": 1}})
    message = str(caught.value)
    for part in (
        "revenue has 1 missing or infinite values",
        "revenue must be above zero, and is not in 1 row (Ash)",
        "std_error must be 0 or more, and is not in 1 row (Cedar)",
        "sector is missing in 1 row (3)",
        "the industry hotels lies in the sector leisure and travel",
        "that of retail is -2",
        "weights of sector lack finance, leisure",
        "did you mean 'industry'",
        "weights of industry lack airlines, hotels, grocers, online, banks",
        "weights of industry name spas, of which indices have no row",
    ):
        assert part in message


def test_columns_that_are_not_there_or_not_numbers(indices):
    with pytest.raises(ParameterError, match="lacks the column sector"):
        roll_up(indices.drop(columns="sector"))
    with pytest.raises(ParameterError, match="index must be numbers"):
        roll_up(indices.astype({"index": str}))
    with pytest.raises(ParameterError, match="industry is given twice"):
        roll_up(indices, levels=("industry", "industry"))
    with pytest.raises(ParameterError, match="sector is given twice"):
        roll_up(indices, whole="sector")
    with pytest.raises(ParameterError, match="weights must be a mapping of levels to mappings"):
        roll_up(indices, weights=GDP)
    with pytest.raises(ParameterError, match="indices must be a DataFrame"):
        roll_up(indices.to_dict())
    with pytest.raises(DataFloorError, match="at least one company"):
        roll_up(indices.assign(index=np.nan))
    with pytest.raises(DataFloorError, match="at least one company"):
        roll_up(indices.iloc[:0])


# Figures


def test_the_figure_shows_the_table(indices):
    rolled = roll_up(indices.assign(index=indices["index"].where(indices["industry"] != "banks")))
    figure, given = plt.subplots()
    ax = plot_roll_up(rolled, ax=given)
    assert ax is given
    table = roll_up_table(rolled)
    shown = [label.get_text().strip() for label in ax.get_yticklabels()]
    assert shown[:2] == ["nation", "retail"]
    assert "banks (not measured)" in shown
    dots = next(line for line in ax.lines if len(line.get_xdata()) == len(table))
    assert dots.get_xdata() == pytest.approx(table["index"].to_numpy(), nan_ok=True)
    assert {label.get_horizontalalignment() for label in ax.get_yticklabels()} == {"left"}
    depths = [len(label.get_text()) - len(label.get_text().lstrip()) for label in ax.get_yticklabels()]
    assert depths[:4] == [0, 4, 8, 12]
    assert f"nation {rolled.loc[0, 'index']:.1f}; sector retail" in alt_text(figure)
    assert table.columns.tolist()[-4:] == ["weight share", "measured share", "companies", "note"]


def test_levels_are_shown_as_far_as_there_is_room(indices):
    many = pd.concat([indices.assign(company=indices["company"] + str(copy)) for copy in range(6)])
    rolled = roll_up(many)
    assert roll_up_table(rolled)["level"].unique().tolist() == ["nation", "sector", "industry"]
    assert len(roll_up_table(rolled, lowest="company")) == len(rolled)
    ax = plot_roll_up(rolled, lowest="sector")
    assert len(ax.get_yticklabels()) == 4
    assert "note" not in roll_up_table(rolled)
    with pytest.raises(ParameterError, match="lowest must be one of nation, sector, industry, company"):
        roll_up_table(rolled, lowest="firm")


def test_names_from_data_are_not_read_as_formulas(indices):
    ax = plot_roll_up(roll_up(indices.replace("Ash", "A$x$")))
    ax.figure.draw_without_rendering()
    assert any("A$x$" in label.get_text() for label in ax.get_yticklabels())
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())
