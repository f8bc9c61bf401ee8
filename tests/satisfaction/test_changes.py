"""Changes and differences: identities, planted changes, how often chance is taken for one, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.satisfaction.changes import (
    index_changes,
    index_differences,
    index_differences_table,
    index_waves_table,
    plot_index_differences,
    plot_index_waves,
    simultaneous_differences,
)
from crm_utils.satisfaction.index import index_replicates, index_scores, respondent_indices

WAVES = pd.Series(np.repeat(["2024", "2025", "2026"], 150), name="wave")
SHIFT = np.repeat([0.0, 0.0, -1.0], 150)


@pytest.fixture
def bootstrap(survey, small):
    """Three waves of 150, of which the last answers one point lower to every item."""
    return small.fit(survey(450, shift=SHIFT)).bootstrap(400, seed=3)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


# Correctness


def test_changes_are_differences_of_the_indices(bootstrap):
    index = index_scores(bootstrap, groups=WAVES).xs("satisfaction", level="construct")["index"]
    table = index_changes(bootstrap, WAVES)
    assert table[["from", "to"]].to_numpy().tolist() == [["2024", "2025"], ["2025", "2026"]]
    assert table["change"].to_numpy() == pytest.approx(np.diff(index))
    drawn = index_replicates(bootstrap, groups=WAVES).xs("satisfaction", axis=1, level="construct")
    assert table["std_error"].to_numpy() == pytest.approx(drawn.diff(axis=1).iloc[:, 1:].std().to_numpy())


def test_baselines(bootstrap):
    index = index_scores(bootstrap, groups=WAVES).xs("value", level="construct")["index"]
    first = index_changes(bootstrap, WAVES, construct="value", baseline="first")
    assert first["change"].to_numpy() == pytest.approx((index - index["2024"]).iloc[1:].to_numpy())
    second = index_changes(bootstrap, WAVES, construct="value", baseline="2025")
    assert second["to"].tolist() == ["2024", "2026"]
    assert second["change"].to_numpy() == pytest.approx((index - index["2025"])[["2024", "2026"]].to_numpy())


def test_a_planted_fall_is_found_and_its_size_covered(bootstrap):
    table = index_changes(bootstrap, WAVES)
    assert table["verdict"].tolist() == ["cannot tell apart", "down"]
    assert table.loc[1, "low"] < -100 / 9 < table.loc[1, "high"]


def test_a_single_interval_is_the_estimate_and_the_quantile_of_deviations(bootstrap):
    two = WAVES.where(WAVES != "2025")
    row = index_changes(bootstrap, two, level=0.9).iloc[0]
    drawn = (
        index_replicates(bootstrap, groups=two).xs("satisfaction", axis=1, level="construct").diff(axis=1).iloc[:, 1]
    )
    reach = np.quantile(np.abs(drawn - row["change"]), 0.9)
    assert (row["low"], row["high"]) == pytest.approx((row["change"] - reach, row["change"] + reach))


def test_intervals_of_many_differences_are_wider_by_the_largest_deviation(bootstrap):
    table = index_differences(bootstrap, WAVES)
    drawn = index_replicates(bootstrap, groups=WAVES).xs("satisfaction", axis=1, level="construct")
    deviations = []
    for row in table.itertuples():
        deviations.append(np.abs(drawn[row.group] - drawn[row.other] - row.difference) / row.std_error)
    factor = np.quantile(np.max(deviations, axis=0), 0.95)
    assert ((table["high"] - table["difference"]) / table["std_error"]).to_numpy() == pytest.approx(factor)
    assert factor > 2.1


def test_chance_is_seldom_taken_for_a_difference(survey, small):
    """Six groups that do not differ, 90 %: of 3,000 such tables 11.4 % had any verdict, where 15 single intervals err
    in half of them."""
    groups = np.tile(list("abcdef"), 60)
    wrong = 0
    for seed in range(1000, 1200):
        table = index_differences(small.fit(survey(360, seed=seed)).bootstrap(200, seed=seed), groups, level=0.9)
        wrong += (table["verdict"] != "cannot tell apart").any()
    assert 0.04 < wrong / 200 < 0.19


def test_the_same_customers_tell_a_change_apart(survey, small):
    """Everybody answers twice, every other one a point lower the second time."""
    once = survey(80)
    data = pd.concat([once, (once - (np.arange(80) % 2)[:, None]).clip(1, 10)], ignore_index=True)
    waves = pd.Categorical(np.repeat(["then", "now"], 80), ["then", "now"], ordered=True)
    known = index_changes(small.fit(data, clusters=np.tile(np.arange(80), 2)).bootstrap(400, seed=1), waves).iloc[0]
    unknown = index_changes(small.fit(data).bootstrap(400, seed=1), waves).iloc[0]
    assert (known["from"], known["to"]) == ("then", "now")
    assert known["change"] == unknown["change"]
    then, now = respondent_indices(small.fit(data))["satisfaction"].to_numpy().reshape(2, 80)
    assert known["std_error"] == pytest.approx((now - then).std() / np.sqrt(80), rel=0.15)
    assert unknown["std_error"] == pytest.approx(np.hypot(now.std(), then.std()) / np.sqrt(80), rel=0.15)


def test_changes_within_groups(survey, small):
    region = np.tile(["north", "south"], 225)
    shift = SHIFT * (region == "south")
    bootstrap = small.fit(survey(450, shift=shift)).bootstrap(300, seed=3)
    table = index_changes(bootstrap, WAVES, within=region)
    assert table[["group", "from"]].to_numpy().tolist() == [
        ["north", "2024"], ["north", "2025"], ["south", "2024"], ["south", "2025"]
    ]  # fmt: skip
    assert table["verdict"].tolist() == ["cannot tell apart"] * 3 + ["down"]
    cells = index_scores(bootstrap, groups=pd.DataFrame({"region": region, "wave": WAVES}))["index"]
    expected = cells["south", "2026", "satisfaction"] - cells["south", "2025", "satisfaction"]
    assert table["change"].iloc[-1] == pytest.approx(expected)


def test_changes_within_groups_are_a_table_for_people(survey, small):
    region = np.tile(["north", "south"], 225)
    changes = index_changes(small.fit(survey(450)).bootstrap(20, seed=3), WAVES, within=region)
    table = index_differences_table(changes)
    assert table["comparison"].tolist() == [
        f"{group}: {step}" for group in ("north", "south") for step in ("2024 → 2025", "2025 → 2026")
    ]
    assert table["change"].tolist() == changes["change"].tolist()


def test_what_rounding_leaves_of_no_change_is_none():
    estimates = pd.Series({"then": 60.0, "now": 60.0 - 8e-15, "later": 60.0 + 1e-8})
    replicates = pd.DataFrame([[60.0, 60 - 8e-15, 60 + 1e-8]] * 5, columns=estimates.index)
    pairs = [("now", "then"), ("later", "then")]
    table = simultaneous_differences(estimates, replicates, pairs, 0.95, ("up", "down"))
    assert table["verdict"].tolist() == ["cannot tell apart", "up"]
    assert table.iloc[0, :4].tolist() == [0, 0, 0, 0]


def test_differences_from_a_reference_and_from_the_whole(bootstrap):
    index = index_scores(bootstrap, groups=WAVES).xs("satisfaction", level="construct")["index"]
    table = index_differences(bootstrap, WAVES, reference="2026")
    assert table[["group", "other", "verdict"]].to_numpy().tolist() == [
        ["2024", "2026", "higher"], ["2025", "2026", "higher"]
    ]  # fmt: skip
    assert table["difference"].to_numpy() == pytest.approx((index - index["2026"]).iloc[:2].to_numpy())
    whole = index_differences(bootstrap, WAVES, reference="whole")
    everybody = index_scores(bootstrap).loc["satisfaction", "index"]
    assert whole["difference"].to_numpy() == pytest.approx((index - everybody).to_numpy())
    assert whole["verdict"].tolist()[-1] == "lower"
    drawn = index_replicates(bootstrap, groups=WAVES).xs("satisfaction", axis=1, level="construct")
    spread = drawn.sub(index_replicates(bootstrap)["satisfaction"], axis=0).std()
    assert whole["std_error"].to_numpy() == pytest.approx(spread.to_numpy())


def test_a_group_that_is_the_whole_does_not_differ_from_it(bootstrap):
    groups = np.where(np.arange(450) < 449, "all of us", "one")
    with pytest.raises(DataFloorError, match="there is 1"):
        index_differences(bootstrap, groups, reference="whole")


# Consistency


def test_combinations_as_groups(bootstrap):
    both = pd.DataFrame({"region": np.tile(["north", "south"], 225), "wave": WAVES})
    table = index_differences(bootstrap, both, reference=("north", "2026"))
    assert table["group"].tolist()[0] == ("north", "2024")
    assert len(table) == 5
    assert index_differences_table(table)["comparison"].iloc[0] == "north · 2024 − north · 2026"


def test_series_and_arrays_and_row_order_agree(survey, small, bootstrap):
    expected = index_changes(bootstrap, WAVES)
    pd.testing.assert_frame_equal(index_changes(bootstrap, WAVES.to_numpy()), expected)
    years = WAVES.astype(int)
    assert index_changes(bootstrap, years, baseline=2024)["to"].tolist() == [2025, 2026]


def test_waves_with_too_few_answers_are_passed_over(bootstrap):
    waves = WAVES.mask((WAVES == "2025") & (WAVES.index >= 160), "2024")
    table = index_changes(bootstrap, waves)
    assert table[["from", "to"]].to_numpy().tolist() == [["2024", "2026"]]


def test_a_group_without_the_baseline_is_passed_over(bootstrap):
    region = np.where(WAVES == "2024", "north", np.tile(["north", "south"], 225))
    table = index_changes(bootstrap, WAVES, within=region, baseline="2024")
    assert table["group"].unique().tolist() == ["north"]


# Input checks


def test_unknown_names(bootstrap):
    with pytest.raises(ParameterError, match="did you mean 'satisfaction'"):
        index_changes(bootstrap, WAVES, construct="satisfation")
    with pytest.raises(ParameterError, match="did you mean 'previous'"):
        index_changes(bootstrap, WAVES, baseline="previus")
    with pytest.raises(ParameterError, match="reference must be one of"):
        index_differences(bootstrap, WAVES, reference="2027")


def test_waves_and_groups_must_fit(bootstrap):
    with pytest.raises(ParameterError) as caught:
        index_changes(bootstrap, WAVES.to_frame().assign(x=1), within=["a"], level=0)
    message = str(caught.value)
    assert "waves must be one column" in message
    assert "within must be one column" in message
    assert "level" in message
    with pytest.raises(ParameterError, match="rows in another order"):
        index_changes(bootstrap, WAVES, within=WAVES.iloc[::-1])


def test_one_wave_has_no_change(bootstrap):
    with pytest.raises(DataFloorError, match="at least 20 answers each; there are none"):
        index_changes(bootstrap, np.repeat("2024", 450))
    with pytest.raises(DataFloorError, match="in one group"):
        index_changes(bootstrap, WAVES, within=WAVES)


def test_tables_need_groups_and_known_constructs(bootstrap):
    with pytest.raises(ParameterError, match="scores have no groups"):
        index_waves_table(index_scores(bootstrap))
    with pytest.raises(ParameterError, match="construct must be one of"):
        index_waves_table(index_scores(bootstrap, groups=WAVES), construct="price")


# Figures


def test_waves_are_drawn_with_real_changes(bootstrap):
    scores, changes = index_scores(bootstrap, groups=WAVES), index_changes(bootstrap, WAVES)
    figure, given = plt.subplots()
    ax = plot_index_waves(scores, changes, ax=given)
    assert ax is given
    table = index_waves_table(scores)
    assert ax.lines[0].get_xdata() == pytest.approx(ax.get_xticks())
    assert ax.lines[0].get_ydata() == pytest.approx(table["index"].to_numpy())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2024", "2025", "2026"]
    assert [text.get_text() for text in ax.texts] == [f"{changes['change'].iloc[1]:+.1f}"]
    assert "More than chance" in alt_text(figure)
    assert "note" not in table


def test_waves_by_group_are_a_line_each(bootstrap):
    region = np.where(np.arange(450) % 2, "north", np.where(WAVES == "2026", "south", "east"))
    scores = index_scores(bootstrap, groups=pd.DataFrame({"wave": WAVES, "region": region}))
    ax = plot_index_waves(scores, construct="value")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["east", "north", "south"]
    assert np.isnan(ax.lines[2].get_ydata()[0])
    assert ax.lines[2].get_ydata()[2] == pytest.approx(scores.loc[("2026", "south", "value"), "index"])
    other = plot_index_waves(scores, wave="region")
    assert [label.get_text() for label in other.get_xticklabels()] == ["east", "north", "south"]


def test_what_cannot_be_drawn(bootstrap):
    with pytest.raises(ParameterError, match="no intervals"):
        plot_index_waves(index_scores(bootstrap.results, groups=WAVES))
    with pytest.raises(ParameterError, match="wave must be one of"):
        plot_index_waves(index_scores(bootstrap, groups=WAVES), wave="year")
    groups = pd.DataFrame({"group": np.arange(450) % 9, "wave": WAVES})
    with pytest.raises(ParameterError, match="at most 7 groups"):
        plot_index_waves(index_scores(bootstrap, groups=groups))


def test_hollow_dots_cannot_be_told_apart(bootstrap):
    changes = index_changes(bootstrap, WAVES)
    ax = plot_index_differences(changes)
    hollow = next(line for line in ax.lines if line.get_markerfacecolor() == "white")
    assert hollow.get_xdata() == pytest.approx(changes["change"].iloc[:1].to_numpy())
    table = index_differences_table(changes)
    assert [label.get_text() for label in ax.get_yticklabels()] == table["comparison"].tolist()
    assert table["comparison"].tolist() == ["2024 → 2025", "2025 → 2026"]
    assert "(down)" in alt_text(ax.figure)
    within = index_changes(bootstrap, WAVES, within=np.tile(["a", "b"], 225))
    assert index_differences_table(within)["comparison"].iloc[0] == "a: 2024 → 2025"
