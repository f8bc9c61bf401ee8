"""National models of the same answers: published paths, direct fits, paired differences, and what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.company.public import MOBI_CONSTRUCTS
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.satisfaction.index import index_scores
from crm_utils.satisfaction.model_comparison import (
    MEASURES,
    _without_signed_zeros,
    compare_national_models,
    model_comparison_table,
    plot_model_comparison,
)
from crm_utils.satisfaction.national import NATIONAL_MODELS, national_model

NAMES = ("image", "expectation", "quality", "value", "satisfaction", "complaints", "loyalty")
SURVEY = {name: [f"{name}_1", f"{name}_2"] for name in NAMES}


@pytest.fixture
def answers():
    """Answers to two items a construct, all of which share a mood."""
    rng = np.random.default_rng(7)
    mood = rng.normal(size=(200, 1, 1)) + 0.8 * rng.normal(size=(200, 7, 1))
    given = 6.5 + mood * [1.5, 1.2] + 0.8 * rng.normal(size=(200, 7, 2))
    items = [item for names in SURVEY.values() for item in names]
    return pd.DataFrame(np.clip(np.rint(given.reshape(200, 14)), 1, 10), columns=items)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def numbers(result, model):
    return result.estimates().set_index(["model", "measure"]).loc[model]


# Correctness


def test_ecsi_of_mobi_has_the_paths_of_smartpls(mobi):
    found = compare_national_models(mobi, MOBI_CONSTRUCTS, scheme="centroid", n_boot=20, seed=1)
    results = found.bootstraps["ecsi"].results
    assert results.paths["image", "expectation"] == pytest.approx(0.50470564, abs=1e-7)
    assert results.paths["quality", "satisfaction"] == pytest.approx(0.51254524, abs=1e-7)
    assert results.paths["satisfaction", "loyalty"] == pytest.approx(0.48347472, abs=1e-7)
    assert numbers(found, "ecsi")["estimate"].tolist() == pytest.approx([72.54, 0.6803, 0.4573], abs=0.005)


@pytest.mark.parametrize("name", list(NATIONAL_MODELS))
def test_numbers_of_a_model_are_those_of_its_own_fit(mobi, name):
    found = compare_national_models(mobi, MOBI_CONSTRUCTS, n_boot=50, seed=3, level=0.9)
    bootstrap = national_model(name, MOBI_CONSTRUCTS).fit(mobi).bootstrap(50, seed=3)
    columns = ["std_error", "low", "high"]
    table = numbers(found, name)
    index = index_scores(bootstrap, level=0.9).loc["satisfaction"]
    assert table.loc["index"].tolist() == pytest.approx(index[["index", *columns]].tolist(), rel=1e-12)
    explained = bootstrap.intervals("r_squared", level=0.9)
    for construct in ("satisfaction", "loyalty"):
        row = table.loc[f"r_squared_{construct}"]
        assert row.tolist() == pytest.approx(explained.loc[construct, ["estimate", *columns]].tolist(), rel=1e-12)
    row = found.models.set_index("model").loc[name]
    model = bootstrap.results.model
    assert (row["constructs"], row["items"]) == (len(model.constructs), len(model.items))
    assert (row["paths"], row["cases"]) == (len(NATIONAL_MODELS[name].relations), 250)
    assert row["srmr"] == bootstrap.results.srmr["estimated"]


def test_a_difference_is_that_of_both_models_in_the_rows_drawn(answers):
    found = compare_national_models(answers, SURVEY, models=("acsi", "ecsi"), n_boot=3, seed=3)
    drawn = []
    for child in np.random.SeedSequence(3).spawn(3):
        rows = np.random.default_rng(child).integers(0, 200, 200)
        indices = [
            index_scores(national_model(name, SURVEY).fit(answers.iloc[rows])).loc["satisfaction", "index"]
            for name in ("ecsi", "acsi")
        ]
        drawn.append(indices[0] - indices[1])
    row = found.differences().iloc[0]
    assert row[["measure", "model", "other"]].tolist() == ["index", "ecsi", "acsi"]
    table = found.estimates().set_index(["measure", "model"])["estimate"]
    assert row["difference"] == pytest.approx(table["index", "ecsi"] - table["index", "acsi"])
    assert row["std_error"] == pytest.approx(np.std(drawn, ddof=1), rel=1e-4)
    reach = np.quantile(np.abs(np.array(drawn) - row["difference"]), 0.95)
    assert row["high"] - row["difference"] == pytest.approx(reach, rel=1e-4)


def test_the_same_cases_are_drawn_for_all_models(answers):
    found = compare_national_models(answers, SURVEY, n_boot=10, seed=np.random.SeedSequence(4))
    drawn = [np.concatenate([mass for _, mass in each.masses()]) for each in found.bootstraps.values()]
    assert len(drawn) == 4
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])
    assert drawn[0].std() > 0.5


def test_paired_differences_have_a_smaller_error_than_unpaired_ones(mobi):
    found = compare_national_models(mobi, MOBI_CONSTRUCTS, reference="ecsi", n_boot=200, seed=7)
    errors, paired = (
        table.pivot_table(index="measure", columns="model", values="std_error")
        for table in (found.estimates(), found.differences())
    )
    for model in ("scsb", "acsi", "ccsi"):
        apart = np.hypot(errors[model], errors["ecsi"])
        assert (paired[model] < 0.75 * apart).all()
        assert paired.loc["index", model] < 0.1 * apart["index"]


def test_the_same_model_twice_differs_by_nothing(answers, monkeypatch):
    monkeypatch.setitem(NATIONAL_MODELS, "again", NATIONAL_MODELS["acsi"])
    found = compare_national_models(answers, SURVEY, models=("acsi", "again", "scsb"), n_boot=30, seed=1)
    rows = found.differences().set_index("model").loc["again"]
    assert rows["measure"].tolist() == list(MEASURES)
    assert (rows[["difference", "std_error", "low", "high"]] == 0).all(axis=None)
    assert (rows["verdict"] == "cannot tell apart").all()
    assert "AGAIN is here the same model as ACSI." in found.notes


def test_an_index_of_one_question_is_the_same_in_every_model(answers):
    """Its weight cancels, but for rounding, of which no verdict is made."""
    survey = SURVEY | {"satisfaction": ["satisfaction_1"]}
    found = compare_national_models(answers, survey, n_boot=50, seed=1)
    rows = found.differences().set_index("measure").loc["index"]
    assert (rows[["difference", "std_error", "low", "high"]] == 0).all(axis=None)
    mean = 100 * (answers["satisfaction_1"].mean() - 1) / 9
    assert found.estimates().set_index("measure").loc["index", "estimate"].to_numpy() == pytest.approx(mean)


def test_a_cause_that_a_model_lacks_is_found_in_what_it_explains(answers):
    """Quality moves satisfaction alone; the Swedish model does not ask about it."""
    rng = np.random.default_rng(3)
    quality = answers["quality_1"]
    for item in ("satisfaction_1", "satisfaction_2"):
        answers[item] = np.clip(np.rint(quality + rng.normal(size=200)), 1, 10)
    found = compare_national_models(answers, SURVEY, reference="acsi", n_boot=100, seed=1)
    verdicts = found.differences().set_index(["measure", "model"])["verdict"]
    assert verdicts["r_squared_satisfaction", "scsb"] == "lower"
    assert verdicts["r_squared_satisfaction", "ecsi"] == "cannot tell apart"


# Consistency


def test_rows_units_and_the_other_models_do_not_matter(answers):
    found = compare_national_models(answers, SURVEY, n_boot=10, seed=1).estimates()
    before = answers.copy()
    shuffled = compare_national_models(answers.sample(frac=1, random_state=1), SURVEY, n_boot=10, seed=1)
    assert shuffled.estimates()["estimate"].to_numpy() == pytest.approx(found["estimate"].to_numpy())
    smaller = compare_national_models((answers - 1) / 9, SURVEY, scale=(0, 1), n_boot=10, seed=1).estimates()
    pd.testing.assert_frame_equal(smaller, found)
    by_item = dict.fromkeys(answers, (1, 10))
    alone = compare_national_models(answers, SURVEY, models="ecsi", scale=by_item, n_boot=10, seed=1).estimates()
    pd.testing.assert_frame_equal(alone, found[found["model"] == "ecsi"].reset_index(drop=True))
    pd.testing.assert_frame_equal(answers, before)


def test_all_models_have_the_same_cases_under_listwise(answers):
    answers.loc[:29, "image_1"] = np.nan
    answers.loc[20:39, "value_2"] = np.nan
    found = compare_national_models(answers, SURVEY, missing="listwise", n_boot=10, seed=1)
    assert found.models["cases"].tolist() == [160] * 4
    assert "40 answered questionnaires cannot be used by every model and are left out of all." in found.notes
    direct = national_model("acsi", SURVEY).fit(answers.iloc[40:])
    assert numbers(found, "acsi").loc["index", "estimate"] == index_scores(direct).loc["satisfaction", "index"]


def test_who_did_not_answer_one_model_is_left_out_of_all_under_em(answers):
    acsi = [item for name, items in SURVEY.items() for item in items if name != "image"]
    answers.loc[:9, acsi] = np.nan
    answers.loc[50:59, "image_1"] = np.nan
    found = compare_national_models(answers, SURVEY, missing="em", n_boot=10, seed=1)
    assert found.models["cases"].tolist() == [190] * 4
    assert found.bootstraps["ecsi"].results.missing_share["image_1"] == pytest.approx(10 / 190)
    with pytest.raises(ParameterError, match="values are missing"):
        compare_national_models(answers, SURVEY, n_boot=10, seed=1)


def test_weights_and_clusters_reach_every_model(answers):
    given = answers.assign(mass=np.linspace(0.2, 3, 200), who=np.arange(200) // 2)
    given.loc[0, list(answers)] = np.nan
    found = compare_national_models(given, SURVEY, missing="em", weights="mass", clusters="who", n_boot=30, seed=2)
    rows = given.iloc[1:]
    for name in ("scsb", "ccsi"):
        direct = national_model(name, SURVEY).fit(rows, weights="mass", clusters="who").bootstrap(30, seed=2)
        index = index_scores(direct).loc["satisfaction"]
        assert numbers(found, name).loc["index"].to_numpy() == pytest.approx(index.to_numpy())


def test_rule_and_consistent_estimates_are_passed_on(answers):
    found = compare_national_models(
        answers, SURVEY, models=("acsi", "ccsi"), rule="standardized", consistent=True, n_boot=20, seed=1
    )
    direct = national_model("ccsi", SURVEY).fit(answers, consistent=True)
    table = numbers(found, "ccsi")
    index = index_scores(direct.bootstrap(20, seed=1), rule="standardized").loc["satisfaction"]
    assert table.loc["index"].to_numpy() == pytest.approx(index.to_numpy(), rel=1e-12)
    assert table.loc["r_squared_loyalty", "estimate"] == direct.r_squared["loyalty"]


# Models and roles


def test_a_model_that_the_survey_cannot_answer_is_named_and_has_no_number(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "image"}
    found = compare_national_models(answers, survey, absent="leave_out", n_boot=10, seed=1)
    assert found.left_out == {"ecsi": "the survey has no image", "ccsi": "the survey has no image"}
    assert list(found.bootstraps) == ["scsb", "acsi"]
    table = found.models.set_index("model")
    assert table.loc["ecsi", "note"] == "the survey has no image"
    assert table.loc[["ecsi", "ccsi"], ["constructs", "paths", "srmr"]].isna().all(axis=None)
    assert found.notes[0] == "ECSI, CCSI are left out: the survey has no image."
    assert set(found.estimates()["model"]) == {"scsb", "acsi"}


def test_absent_roles_can_be_dropped_and_are_noted(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "image"}
    found = compare_national_models(answers, survey, models=("acsi", "ecsi", "ccsi"), n_boot=10, seed=1)
    assert not found.left_out
    assert found.models["note"].tolist() == ["", "without image", "without image"]
    table = model_comparison_table(found).set_index("model")["note"]
    assert (table["ACSI"] == "").all()
    assert (table[["ECSI", "CCSI"]] == "without image").all()
    ax = plot_model_comparison(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "ACSI",
        *(f"{n}\nwithout image" for n in ("ECSI", "CCSI")),
    ]
    assert "ECSI without image" in alt_text(ax.figure)
    assert "ECSI, CCSI are estimated without image, which the survey has not." in found.notes
    assert "ECSI is here the same model as ACSI." in found.notes
    differences = found.differences().set_index("model")["difference"]
    assert (differences["ecsi"] == 0).all()


def test_a_model_without_loyalty_has_no_share_of_it(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "loyalty"}
    found = compare_national_models(answers, survey, n_boot=10, seed=1)
    table = found.estimates().set_index("measure")
    assert table.loc["r_squared_loyalty", ["estimate", "std_error", "low", "high"]].isna().all(axis=None)
    assert set(found.differences()["measure"]) == {"index", "r_squared_satisfaction"}
    assert "loyalty explained, %" not in alt_text(plot_model_comparison(found).figure)


def test_roles_reach_the_models_that_have_them(answers):
    found = compare_national_models(
        answers, SURVEY | {"trust": ["image_1"], "image": ["image_2"]}, models=("scsb", "acsi"),
        roles={"performance": "quality", "complaints": "trust"}, n_boot=10, seed=1,
    )  # fmt: skip
    assert found.roles["scsb"]["performance"] == ("quality",)
    assert found.roles["acsi"]["quality"] == ("quality",)
    assert "trust" in found.bootstraps["acsi"].results.model.constructs
    assert "In SCSB, performance is played by quality." in found.notes
    assert "In SCSB, ACSI, complaints is played by trust." in found.notes
    assert "No model has a role for image, complaints." in found.notes


def test_quality_of_two_kinds_takes_the_role_of_quality(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "quality"}
    survey |= {"product_quality": ["quality_1"], "service_quality": ["quality_2"]}
    found = compare_national_models(answers, survey, n_boot=10, seed=1)
    assert found.models.set_index("model")["constructs"].to_dict() == {"scsb": 5, "acsi": 7, "ecsi": 8, "ccsi": 7}
    assert "In ACSI, ECSI, CCSI, quality is played by product quality and service quality." in found.notes


def test_an_item_that_would_lower_an_index_is_left_out_and_named_once(answers):
    turned = answers.assign(image_2=11 - answers["image_2"])
    found = compare_national_models(turned, SURVEY, n_boot=10, seed=1)
    assert not found.left_out
    assert found.models.set_index("model")["items"].to_dict() == {"scsb": 10, "acsi": 12, "ecsi": 13, "ccsi": 11}
    told = [note for note in found.notes if "image_2" in note]
    assert len(told) == 1
    assert told[0].startswith("The item image_2 of image has a negative weight in ECSI, CCSI and is left out there:")
    alone = compare_national_models(answers, SURVEY | {"image": ["image_1"]}, n_boot=10, seed=1)
    pd.testing.assert_frame_equal(found.estimates(), alone.estimates())


def test_a_model_without_enough_usable_replicates_is_left_out_with_the_reason(answers):
    """The only item of image varies by one answer, and is constant in a third of the replicates."""
    survey = SURVEY | {"image": ["image_1"]}
    given = answers.assign(image_1=np.r_[9.0, np.full(199, 5.0)])
    found = compare_national_models(given, survey, n_boot=100, seed=1)
    assert list(found.bootstraps) == ["scsb", "acsi"]
    assert set(found.left_out) == {"ecsi", "ccsi"}
    reason = found.left_out["ecsi"]
    assert reason.startswith("Only ")
    assert "of 100 replicates could be used, and intervals need 90" in reason
    assert "image_1" in reason
    assert sum(reason in note for note in found.notes) == 1
    assert alt_text(plot_model_comparison(found).figure).count(reason) == 1


def test_a_difference_that_shows_as_zero_has_no_sign():
    small = _without_signed_zeros(pd.Series([-0.04, 0.04, -0.06, 12.0, np.nan]))
    assert small.tolist()[:4] == [0, 0.04, -0.06, 12]
    assert f"{small[0]:.1f}" == "0.0"
    fine = _without_signed_zeros(pd.Series([-0.04, -0.0004, -0.0]))
    assert fine.tolist() == [-0.04, 0, 0]
    assert f"{fine[1]:.3f} {fine[2]:.3f}" == "0.000 0.000"


def test_one_is_told_as_one(answers):
    answers.loc[0, [item for item in answers if not item.startswith("image")]] = np.nan
    found = compare_national_models(answers, SURVEY, missing="em", n_boot=10, seed=1)
    assert "1 answered questionnaire cannot be used by every model and is left out of all." in found.notes


# Input checks


def test_everything_wrong_with_the_options_is_said_at_once(answers):
    with pytest.raises(ParameterError) as caught:
        compare_national_models(
            answers, SURVEY, models=("ecsy", "acsi", "acsi"), reference="ccsi", absent="dropp",
            rule="unstandardised", n_boot=1, seed=-1, level=1.5,
        )  # fmt: skip
    message = str(caught.value)
    for part in (
        "n_boot must be",
        "level must lie",
        "seed must be",
        "did you mean 'ecsi'",
        "the model acsi is given 2 times",
        "reference must be one of ['ecsy', 'acsi', 'acsi'], and is 'ccsi'",
        "did you mean 'drop'",
        "did you mean 'unstandardized'",
    ):
        assert part in message


def test_everything_wrong_with_the_answers_is_said_at_once(answers):
    given = answers.assign(value_1="often", mass=-1.0)
    given.loc[3, "image_2"] = 12
    with pytest.raises(ParameterError) as caught:
        compare_national_models(given, SURVEY, weights="mass", clusters="who", n_boot=10, seed=1)
    message = str(caught.value)
    for part in ("value_1 must be numeric", "weights must not be negative", "lacks the clusters column 'who'"):
        assert part in message
    with pytest.raises(ParameterError, match="image_2 has 1 answer outside the scale 1 to 10"):
        compare_national_models(answers.assign(image_2=given["image_2"]), SURVEY, n_boot=10, seed=1)
    with pytest.raises(ParameterError, match="lacks the column image_2"):
        compare_national_models(answers.drop(columns="image_2"), SURVEY, n_boot=10, seed=1)
    ends = {item: (1, 10) for item in answers if not item.startswith("image")}
    with pytest.raises(ParameterError, match="scale has no ends for image_1, image_2"):
        compare_national_models(answers, SURVEY, scale=ends, n_boot=10, seed=1)
    with pytest.raises(ParameterError, match="of value_1, scale must be the lowest"):
        compare_national_models(answers, SURVEY, scale=dict.fromkeys(answers, (1, 10)) | {"value_1": (9, 1)},
                                n_boot=10, seed=1)  # fmt: skip
    with pytest.raises(ParameterError, match="answers must be a DataFrame"):
        compare_national_models(answers.to_dict(), SURVEY, n_boot=10, seed=1)


def test_roles_that_cannot_be(answers):
    with pytest.raises(ParameterError, match=r"roles name perfomance, which no model has .*'performance'"):
        compare_national_models(answers, SURVEY, roles={"perfomance": "value"}, n_boot=10, seed=1)
    with pytest.raises(ParameterError, match="loyalty of acsi is played by loyalty and image; name one"):
        compare_national_models(
            answers, SURVEY, models="acsi", roles={"loyalty": ["loyalty", "image"]}, n_boot=10, seed=1
        )


def test_where_no_model_is_left_the_reasons_are_raised(answers):
    survey = {"satisfaction": SURVEY["satisfaction"], "value": SURVEY["value"]}
    with pytest.raises(DataFloorError) as caught:
        compare_national_models(answers, survey, absent="leave_out", n_boot=10, seed=1)
    message = str(caught.value)
    assert "scsb: the survey has no expectation, complaints, loyalty;" in message
    assert "ccsi: the survey has no image, expectation, quality, loyalty." in message
    few = pd.DataFrame(np.random.default_rng(1).uniform(1, 10, (4, 14)), columns=answers.columns)
    with pytest.raises(DataFloorError, match=r"acsi: .*; ecsi, ccsi: The regression .* needs at least"):
        compare_national_models(few, SURVEY, n_boot=10, seed=1)
    no_image = {name: items for name, items in SURVEY.items() if name != "image"}
    with pytest.raises(ParameterError, match="the reference ecsi is left out: the survey has no image; choose another"):
        compare_national_models(answers, no_image, reference="ecsi", absent="leave_out", n_boot=10, seed=1)


# Figures


def test_the_figure_shows_the_table(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "image"}
    found = compare_national_models(
        answers, survey, models=("ecsi", "acsi", "scsb"), absent="leave_out", n_boot=20, seed=1
    )
    figure, given = plt.subplots()
    ax = plot_model_comparison(found, ax=given)
    assert ax is given
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ECSI", "ACSI", "SCSB"]
    table = model_comparison_table(found)
    for line, (measure, rows) in zip(
        ax.lines, table[table["measure"] != ""].groupby("measure", sort=False), strict=True
    ):
        assert line.get_xdata() == pytest.approx(rows["estimate"].to_numpy())
        assert np.rint(line.get_ydata()).tolist() == [1, 2]
        assert measure in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "left out: the survey has no image" in [text.get_text() for text in ax.texts]
    assert "ECSI left out: the survey has no image" in alt_text(figure)
    assert f"satisfaction index: ACSI {table.loc[0, 'estimate']:.1f}" in alt_text(figure)


def test_the_table_is_in_points_and_has_every_model(answers):
    survey = {name: items for name, items in SURVEY.items() if name != "image"}
    found = compare_national_models(answers, survey, absent="leave_out", n_boot=20, seed=1)
    table = model_comparison_table(found)
    assert table["model"].tolist() == ["SCSB", "ACSI"] * 3 + ["ECSI", "CCSI"]
    explained = table[table["measure"] == "satisfaction explained, %"].set_index("model")
    row = found.differences().set_index("measure").loc["r_squared_satisfaction"]
    assert explained.loc["ACSI", "difference"] == pytest.approx(100 * row["difference"])
    assert explained.loc["ACSI", "difference low"] == pytest.approx(100 * row["low"])
    assert explained.loc["SCSB", "verdict"] == ""
    assert np.isnan(explained.loc["SCSB", "difference"])
    assert table.loc[6, "note"] == "the survey has no image"
    one = compare_national_models(answers, SURVEY, models="acsi", n_boot=10, seed=1)
    assert len(one.differences()) == 0
    assert model_comparison_table(one)["difference"].isna().all()
