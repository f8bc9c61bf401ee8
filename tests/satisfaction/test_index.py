"""Indices from 0 to 100: published values, identities, groups, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.public import MOBI_CONSTRUCTS
from crm_utils.errors import ItemWarning, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import PathModel
from crm_utils.satisfaction.index import (
    RULES,
    index_replicates,
    index_scores,
    indices_table,
    plot_indices,
    respondent_indices,
)


@pytest.fixture
def waves():
    return pd.Series(np.repeat(["2024", "2025", "2026"], [100, 120, 80]), name="wave")


def drawn_rows(seed, replicate, size):
    child = np.random.SeedSequence(seed).spawn(replicate + 1)[replicate]
    return np.random.default_rng(child).integers(0, size, size)


# Correctness


def test_satisfaction_of_mobi_by_both_rules(mobi, ecsi):
    """The full ECSI model with the centroid scheme; the path scheme gives 72.45 and 71.78."""
    results = ecsi.fit(mobi, scheme="centroid")
    assert index_scores(results).loc["satisfaction", "index"] == pytest.approx(72.54, abs=0.005)
    standardized = index_scores(results, rule="standardized").loc["satisfaction", "index"]
    assert standardized == pytest.approx(71.86, abs=0.005)


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_by_hand(survey, small, rule):
    data = survey(200)
    results = small.fit(data)
    for construct, given in small.constructs.items():
        items = list(given.items)
        weights = results.weights[construct]
        if rule == "unstandardized":
            weights = weights / data[items].std()
        expected = 100 * (weights * (data[items].mean() - 1)).sum() / (9 * weights.sum())
        assert index_scores(results, rule=rule).loc[construct, "index"] == pytest.approx(expected, abs=1e-10)


def test_an_index_of_one_item_is_its_mean_on_the_scale(mobi, ecsi):
    results = ecsi.fit(mobi)
    expected = 100 * (mobi[MOBI_CONSTRUCTS["complaints"][0]].mean() - 1) / 9
    assert index_scores(results).loc["complaints", "index"] == pytest.approx(expected)


@pytest.mark.parametrize("rule", RULES)
def test_the_mean_of_respondents_is_the_index(survey, small, rule):
    data = survey(150)
    weights = np.linspace(0.2, 2, 150)
    results = small.fit(data, weights=weights)
    people = respondent_indices(results, rule=rule)
    mean = pd.Series(np.average(people, axis=0, weights=weights), people.columns)
    pd.testing.assert_series_equal(mean, index_scores(results, rule=rule)["index"], check_names=False, rtol=1e-12)
    assert people.index.equals(data.index)
    assert people.to_numpy().min() >= 0
    assert people.to_numpy().max() <= 100


def test_the_mean_of_respondents_is_the_index_with_gaps(survey, small):
    data = survey(150)
    data.loc[data.index % 7 == 0, "value_2"] = np.nan
    results = small.fit(data, missing="em")
    expected = index_scores(results)["index"].to_numpy()
    assert respondent_indices(results).mean().to_numpy() == pytest.approx(expected, abs=1e-6)


def test_a_replicate_is_the_index_of_the_rows_drawn(survey, small, waves):
    data = survey(300)
    bootstrap = small.fit(data).bootstrap(4, seed=3)
    rows = drawn_rows(3, 2, 300)
    again = small.fit(data.iloc[rows])
    expected = index_scores(again)["index"]
    assert index_replicates(bootstrap).loc[2].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    grouped = index_scores(again, groups=waves.iloc[rows].to_numpy())["index"]
    found = index_replicates(bootstrap, groups=waves)
    assert found.columns.tolist() == grouped.index.tolist()
    assert found.loc[2].to_numpy() == pytest.approx(grouped.to_numpy(), abs=1e-6)


def test_groups_share_the_weights_of_all(survey, small, waves):
    data = survey(300)
    results = small.fit(data)
    scores = index_scores(results, groups=waves)
    together = (scores["index"] * scores["cases"]).groupby("construct").sum() / 300
    pd.testing.assert_series_equal(together, index_scores(results)["index"].sort_index(), check_names=False)
    people = respondent_indices(results).groupby(waves).mean()
    assert scores.loc[("2025", "value"), "index"] == pytest.approx(people.loc["2025", "value"])
    assert scores.xs("value", level="construct")["cases"].tolist() == [100, 120, 80]


def test_intervals_are_those_of_the_replicates(survey, small):
    bootstrap = small.fit(survey(200)).bootstrap(200, seed=1)
    scores, drawn = index_scores(bootstrap, level=0.8), index_replicates(bootstrap)
    assert scores["std_error"].to_numpy() == pytest.approx(drawn.std().to_numpy())
    assert scores["low"].to_numpy() == pytest.approx(drawn.quantile(0.1).to_numpy())
    assert scores["high"].to_numpy() == pytest.approx(drawn.quantile(0.9).to_numpy())


def test_the_standard_error_of_a_single_item_is_that_of_its_mean():
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"a": rng.integers(1, 11, 400).astype(float), "b": rng.integers(1, 11, 400).astype(float)})
    model = PathModel({"value": ["a"], "satisfaction": ["b"]}, [("value", "satisfaction")])
    found = index_scores(model.fit(data).bootstrap(2000, seed=7))["std_error"]
    assert found.to_numpy() == pytest.approx((100 / 9 * data.sem()).to_numpy(), rel=0.06)


# Consistency


@pytest.mark.parametrize("rule", RULES)
def test_rows_items_and_units_do_not_matter(survey, small, rule):
    data = survey(200)
    scores = index_scores(small.fit(data), rule=rule)["index"]
    order = np.random.default_rng(1).permutation(200)
    turned = PathModel({name: given.items[::-1] for name, given in small.constructs.items()}, small.paths)
    for other in (
        index_scores(small.fit(data.iloc[order]), rule=rule),
        index_scores(turned.fit(data), rule=rule),
        index_scores(small.fit(data - 1), scale=(0, 9), rule=rule),
        index_scores(small.fit(1 + 4 * (data - 1) / 9), scale=(1, 5), rule=rule),
        index_scores(small.fit(100 * data - 50), scale=dict.fromkeys(small.items, (50, 950)), rule=rule),
    ):
        assert other["index"].to_numpy() == pytest.approx(scores.to_numpy(), abs=1e-10)


def test_items_on_scales_of_their_own(survey, small):
    data = survey(200)
    scores = index_scores(small.fit(data))["index"]
    mixed = data.assign(value_2=1 + 4 * (data["value_2"] - 1) / 9)
    scale = {item: (1, 5) if item == "value_2" else (1, 10) for item in small.items}
    found = index_scores(small.fit(mixed), scale=scale)["index"]
    assert found.to_numpy() == pytest.approx(scores.to_numpy(), abs=1e-10)


def test_groups_of_two_columns(survey, small, waves):
    data = survey(300)
    results = small.fit(data)
    both = pd.DataFrame({"region": np.tile(["north", "south"], 150), "wave": waves})
    before = both.copy()
    scores = index_scores(results, groups=both)
    pd.testing.assert_frame_equal(both, before)
    assert scores.index.names == ["region", "wave", "construct"]
    rows = ((both["region"] == "south") & (both["wave"] == "2025")).to_numpy()
    expected = respondent_indices(results).loc[rows, "loyalty"].mean()
    assert scores.loc[("south", "2025", "loyalty"), "index"] == pytest.approx(expected)


def test_a_row_without_a_group_counts_for_the_weights_only(survey, small, waves):
    data = survey(300)
    results = small.fit(data)
    scores = index_scores(results, groups=waves.where(waves != "2026"))
    assert scores.index.get_level_values("wave").unique().tolist() == ["2024", "2025"]
    expected = index_scores(results, groups=waves).loc[("2024", "value"), "index"]
    assert scores.loc[("2024", "value"), "index"] == expected


def test_categories_keep_their_order(survey, small):
    seasons = pd.Categorical(np.tile(["winter", "spring", "autumn"], 50), ["winter", "spring", "autumn"], ordered=True)
    scores = index_scores(small.fit(survey(150)), groups=seasons)
    assert scores.index.get_level_values(0).unique().tolist() == ["winter", "spring", "autumn"]


# What there is too little of


def test_small_groups_have_a_reason_and_no_number(survey, small):
    groups = np.repeat(["many", "few"], [181, 19])
    results = small.fit(survey(200))
    for given in (results, results.bootstrap(50, seed=1)):
        scores = index_scores(given, groups=groups)
        few = scores.loc["few"]
        assert few["index"].isna().all()
        assert (few["note"] == "fewer than 20 answers").all()
        assert (few["cases"] == 19).all()
        assert (scores.loc["many", "note"] == "").all()
    assert scores.loc["few"][["std_error", "low", "high"]].isna().all(axis=None)
    assert np.isfinite(scores.loc["many", "std_error"]).all()


def test_many_answers_of_few_people_are_few(survey, small):
    groups = np.repeat(["crowd", "club"], [100, 100])
    people = np.r_[np.arange(100), 100 + np.arange(100) % 15]
    bootstrap = small.fit(survey(200), clusters=people).bootstrap(50, seed=1)
    scores = index_scores(bootstrap, groups=groups)
    assert (scores.loc["club", "note"] == "fewer than 20 people").all()
    assert scores.loc["club", "index"].isna().all()
    assert np.isfinite(scores.loc["crowd", "index"]).all()


def test_an_item_that_a_group_was_not_asked(survey, small):
    data = survey(200)
    groups = np.repeat(["asked", "spared"], 100)
    data.loc[groups == "spared", "value_1"] = np.nan
    scores = index_scores(small.fit(data, missing="em").bootstrap(50, seed=1), groups=groups)
    assert scores.loc[("spared", "value"), "note"] == "an item without any answer"
    assert np.isnan(scores.loc[("spared", "value"), "index"])
    assert np.isfinite(scores.loc[("spared", "loyalty"), "low"])


# Input checks


def test_everything_wrong_is_said_at_once(survey, small):
    data = survey(100)
    data.iloc[4, 0] = 12
    with pytest.raises(ParameterError) as caught:
        index_scores(small.fit(data.set_axis([f"r{row}" for row in data.index])), rule="unstandardised", level=2)
    message = str(caught.value)
    assert "did you mean 'unstandardized'" in message
    assert "level must lie between 0 and 1" in message
    assert "quality_1 has 1 answer outside the scale 1 to 10 (rows r4: 12)" in message


@pytest.mark.parametrize("scale", [(10, 1), (1, 1), 10, "1-10", (1, None)])
def test_unusable_scales(survey, small, scale):
    with pytest.raises(ParameterError, match="lowest and the highest answer"):
        index_scores(small.fit(survey(50)), scale=scale)


def test_scales_by_item_must_name_every_item(survey, small):
    scale = {item: (1, 10) for item in small.items if item != "value_3"} | {"quality_1": (5, 1)}
    with pytest.raises(ParameterError) as caught:
        index_scores(small.fit(survey(50)), scale=scale)
    assert "no ends for value_3" in str(caught.value)
    assert "of quality_1, scale must be" in str(caught.value)


def test_a_negative_weight_is_named_with_its_construct_and_a_remedy(survey, small):
    data = survey(200)
    with pytest.warns(ItemWarning):
        results = small.fit(data.assign(value_3=11 - data["value_3"]))
    for function in (index_scores, respondent_indices):
        with pytest.raises(
            ParameterError, match=r"value_3 of value has the weight -.*Turn it round.*as fit_index_model"
        ):
            function(results)


def test_expected_values_are_not_held_to_the_scale_but_answers_are(survey, small):
    data = survey(200)
    data.loc[:5, "value_1"] = np.nan
    results = small.fit(data, missing="em")
    results.cases.data[0, small.items.index("value_1")] = 10.4
    assert np.isfinite(index_scores(results)["index"]).all()
    results.cases.data[7, small.items.index("value_1")] = 10.4
    with pytest.raises(ParameterError, match="value_1 has 1 answer outside"):
        index_scores(results)


def test_groups_must_fit_the_data(survey, small):
    results = small.fit(survey(100))
    with pytest.raises(ParameterError, match="one a row of the data, which has 100"):
        index_scores(results, groups=["a", "b"])
    with pytest.raises(ParameterError, match="no case has a group"):
        index_scores(results, groups=[None] * 100)


# Figures


def test_the_figure_shows_the_table(survey, small, waves):
    import matplotlib.pyplot as plt

    results = small.fit(survey(300))
    scores = index_scores(results.bootstrap(50, seed=1))
    figure, given = plt.subplots()
    ax = plot_indices(scores, ax=given)
    assert ax is given
    assert [label.get_text() for label in ax.get_yticklabels()] == indices_table(scores)["construct"].tolist()
    assert ax.lines[0].get_xdata() == pytest.approx(scores["index"].to_numpy())
    assert f"satisfaction {scores.loc['satisfaction', 'index']:.1f}" in alt_text(figure)
    assert "std_error" not in indices_table(scores)
    plt.close(figure)
    ax = plot_indices(index_scores(results, groups=waves))
    assert ax.get_yticklabels()[0].get_text() == "2024 · quality"
    plt.close(ax.figure)
