"""The figure of a comparison shows the numbers of its table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import PathModel
from crm_utils.pls.group_plots import _differences_text, group_differences_table, plot_group_differences
from crm_utils.pls.groups import compare_groups


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def moved(planted):
    """One group in which c has nothing to do with a and b."""
    data = planted(400)
    items = ["c1", "c2", "c3"]
    last = data.index >= 250
    data.loc[last, items] = data.loc[last, items].sample(frac=1, random_state=1).to_numpy()
    data.loc[last, items] += 0.5 * data.loc[last, ["a1"]].to_numpy()
    return data


def comparison(model, data, groups, **options):
    return compare_groups(model, data, groups, **{"n_permutations": 199, "n_boot": 60, "seed": 7} | options)


def test_the_table_has_estimates_intervals_and_differences(moved, chain):
    result = comparison(chain, moved, np.where(moved.index < 250, "one", "two"))
    table = group_differences_table(result)
    assert table["parameter"].tolist() == ["a → b", "a → c", "b → c"]
    second = result.bootstraps["two"].intervals("paths")
    assert table[["estimate_other", "other_low", "other_high"]].to_numpy() == pytest.approx(
        second[["estimate", "low", "high"]].to_numpy()
    )
    pd.testing.assert_series_equal(table["p_adjusted"], result.differences()["p_adjusted"])


def test_the_figure_draws_the_table(moved, chain):
    result = comparison(chain, moved, np.where(moved.index < 250, "one", "two"))
    table = group_differences_table(result)
    ax = plt.figure().add_subplot()
    assert plot_group_differences(result, ax=ax) is ax
    drawn = [container.lines[0].get_xdata() for container in ax.containers]
    assert drawn[0] == pytest.approx(table["estimate"].to_numpy())
    assert drawn[1] == pytest.approx(table["estimate_other"].to_numpy())
    ends = [path.vertices[:, 0] for path in ax.containers[1].lines[2][0].get_paths()]
    assert np.array(ends) == pytest.approx(table[["other_low", "other_high"]].to_numpy())
    written = {text.get_text(): text.get_fontweight() for text in ax.texts}
    row = table.iloc[2]
    assert row["p_adjusted"] < 0.05
    shown = f"{row['difference']:+.2f} ({row['low']:+.2f} … {row['high']:+.2f})"
    assert written[shown.replace("-", "−")] == "bold"
    assert list(written.values()).count("bold") == (table["p_adjusted"] < 0.05).sum()
    assert "one − two" in written
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a → b", "a → c", "b → c"]


def test_the_alternative_text_says_what_differs(moved, chain):
    result = comparison(chain, moved, np.where(moved.index < 250, "one", "two"))
    table = group_differences_table(result)
    told = table[table["p_adjusted"] < 0.05]
    text = alt_text(plot_group_differences(result).figure)
    assert text.startswith(f"Paths in the groups one, two. Told apart: {len(told)} of 3 differences: ")
    assert f"b → c {told.iloc[-1]['estimate']:.2f} (one) against {told.iloc[-1]['estimate_other']:.2f} (two)" in text


def test_of_several_groups_only_what_differs_is_written(moved, chain):
    groups = np.select([moved.index < 125, moved.index < 250], ["$one$", "two"], "three")
    result = comparison(chain, moved, groups)
    ax = plot_group_differences(result)
    told = group_differences_table(result).query("p_adjusted < 0.05")
    assert 0 < len(told) < 9
    lines = [line for text in ax.texts for line in text.get_text().split("\n") if " − " in line]
    assert len(lines) == len(told)
    assert any(line.startswith(f"{told.iloc[0]['group']} − {told.iloc[0]['other']}: ") for line in lines)
    assert len(ax.containers) == 3
    assert "Told apart" in [text.get_text() for text in ax.texts]


def test_of_many_differences_the_largest_are_written():
    rows = pd.DataFrame({"group": list("vwxyz"), "other": "u", "difference": [0.1, -0.5, 0.3, 0.2, -0.4]})
    text = _differences_text(rows.assign(low=-1.0, high=1.0), pair=True, most=3)
    assert [line[:12] for line in text.split("\n")] == ["w − u: −0.50", "z − u: −0.40", "x − u: +0.30"]
    assert text.endswith(" and 2 more")


def test_nothing_told_apart_is_said(planted, chain):
    data = planted(120)
    result = comparison(chain, data, np.tile(list("xyz"), 40), n_permutations=19)
    ax = plot_group_differences(result, quantity="r_squared")
    assert [text.get_text() for text in ax.texts] == ["Told apart: none"]
    assert alt_text(ax.figure) == "R squared in the groups x, y, z. Told apart: 0 of 6 differences."
    assert "By group: r squared" in (ax.get_title(), ax.get_title(loc="left"))


def test_constructs_are_shown_with_spaces_and_items_by_their_own_names(planted):
    data = planted(60).rename(columns={"a1": "a_q_1"})
    model = PathModel({"high_hopes": ["a_q_1", "a2"], "b": ["b1", "b2"]}, [("high_hopes", "b")])
    result = comparison(model, data, np.tile(["x", "y"], 30), n_permutations=19)
    assert group_differences_table(result)["parameter"].tolist() == ["high hopes → b"]
    ax = plot_group_differences(result, quantity="loadings")
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == ["high hopes: a_q_1", "high hopes: a2"]


def test_an_unknown_quantity(planted, chain):
    result = comparison(chain, planted(60), np.tile(["x", "y"], 30), n_permutations=19)
    with pytest.raises(ParameterError, match="quantity must be one of"):
        plot_group_differences(result, quantity="pths")
