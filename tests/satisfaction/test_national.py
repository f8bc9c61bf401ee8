"""National index models: the published relations, and who plays what."""

import dataclasses

import pandas as pd
import pytest

from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.pls import Construct, PathModel
from crm_utils.satisfaction.national import NATIONAL_MODELS, model_roles, national_model, national_models_table

SURVEY = {
    name: [f"{name}_1", f"{name}_2"]
    for name in ("image", "expectation", "quality", "value", "satisfaction", "complaints", "loyalty")
}


def test_ecsi_on_mobi_gives_the_paths_of_smartpls(mobi, ecsi):
    paths = ecsi.fit(mobi, scheme="centroid").paths
    published = {
        ("image", "expectation"): 0.50470564,
        ("expectation", "quality"): 0.55724786,
        ("expectation", "value"): 0.05078755,
        ("quality", "value"): 0.55721686,
        ("image", "satisfaction"): 0.17883348,
        ("expectation", "satisfaction"): 0.06442534,
        ("quality", "satisfaction"): 0.51254524,
        ("value", "satisfaction"): 0.19181566,
        ("satisfaction", "complaints"): 0.52609731,
        ("image", "loyalty"): 0.19535971,
        ("satisfaction", "loyalty"): 0.48347472,
        ("complaints", "loyalty"): 0.07123241,
    }
    assert paths.to_dict() == pytest.approx(published, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("scsb", "e>p e>s p>s s>c s>l c>l"),
        ("acsi", "e>q e>v e>s q>v q>s v>s s>c s>l c>l"),
        ("ecsi", "i>e i>s i>l e>q e>v e>s q>v q>s v>s s>c s>l c>l"),
        ("ccsi", "i>e i>q i>v i>s e>q e>v e>s q>v q>s v>s s>l"),
    ],
)
def test_relations_are_those_published(name, written):
    relations = NATIONAL_MODELS[name].relations
    assert sorted(f"{start[0]}>{end[0]}" for start, end in relations) == sorted(written.split())


def test_ccsi_has_six_variables_and_eleven_relations():
    model = NATIONAL_MODELS["ccsi"]
    assert (len(model.roles), len(model.relations)) == (6, 11)


@pytest.mark.parametrize("name", ["acsi", "ecsi", "ccsi"])
def test_a_full_survey_gives_the_relations_themselves(name):
    model = national_model(name, SURVEY)
    assert set(model.paths) == set(NATIONAL_MODELS[name].relations)
    assert set(model.constructs) == set(NATIONAL_MODELS[name].roles)


def test_in_sweden_value_plays_performance():
    assert ("expectation", "value") in national_model("scsb", SURVEY).paths
    both = {**SURVEY, "performance": ["p"]}
    assert model_roles("scsb", both)["performance"] == ("performance",)


def test_every_quality_takes_the_arrows_of_quality():
    survey = {name: items for name, items in SURVEY.items() if name != "quality"}
    survey |= {"product_quality": ["p1"], "service_quality": ["s1"]}
    paths = national_model("acsi", survey).paths
    for quality in ("product_quality", "service_quality"):
        assert {("expectation", quality), (quality, "value"), (quality, "satisfaction")} <= set(paths)
    assert len(paths) == 12


def test_roles_by_name_and_defaults_do_not_compete():
    survey = {name: items for name, items in SURVEY.items() if name not in ("quality", "value")}
    survey |= {"product_quality": ["p1"], "price_quality": ["s1"]}
    roles = model_roles("acsi", survey, roles={"value": "price_quality"})
    assert roles["quality"] == ("product_quality",)
    assert roles["value"] == ("price_quality",)


def test_an_empty_role_is_left_to_nobody():
    assert model_roles("acsi", SURVEY, roles={"complaints": []})["complaints"] == ()
    model = national_model("acsi", SURVEY, roles={"complaints": []}, absent="drop")
    assert "complaints" not in model.constructs


def test_constructs_without_a_role_are_left_out_and_modes_kept():
    model = national_model("acsi", {**SURVEY, "trust": ["t"], "value": Construct(["v1", "v2"], mode="B")})
    assert "trust" not in model.constructs
    assert model.constructs["value"].mode == "B"


def test_every_absent_role_is_named_at_once():
    survey = {"expectations": ["e"], "quality": ["q"], "satisfaction": ["s"], "loyalty": ["l"]}
    with pytest.raises(ParameterError) as caught:
        national_model("ecsi", survey)
    message = str(caught.value)
    assert all(role in message for role in ("image", "value", "complaints"))
    assert "expectation (is it 'expectations'?" in message
    assert "absent='drop'" in message


def test_dropped_roles_take_their_relations_with_them():
    survey = {"quality": ["q"], "satisfaction": ["s"], "loyalty": ["l"]}
    model = national_model("ecsi", survey, absent="drop")
    assert model.paths == (("quality", "satisfaction"), ("satisfaction", "loyalty"))


def test_a_model_needs_satisfaction_and_a_neighbour():
    survey = {"quality": ["q"], "value": ["v"]}
    with pytest.raises(DataFloorError, match=r"needs a construct called satisfaction.*this survey has quality, value"):
        national_model("acsi", survey, absent="drop")
    with pytest.raises(ParameterError, match=r"no construct for .*satisfaction"):
        national_model("acsi", survey)
    with pytest.raises(DataFloorError, match="this survey has no constructs"):
        national_model("acsi", {}, absent="drop")
    with pytest.raises(DataFloorError, match=r"only satisfaction is left; the survey needs another.*image"):
        national_model("ccsi", {"satisfaction": ["s"], "complaints": ["c"]}, absent="drop")


def test_unknown_names_are_named_together():
    with pytest.raises(ParameterError, match="did you mean 'ecsi'"):
        national_model("ecsy", SURVEY)
    with pytest.raises(ParameterError) as caught:
        model_roles("acsi", SURVEY, roles={"price": "value", "quality": ["qualty"]})
    assert "no role 'price'" in str(caught.value)
    assert "did you mean 'quality'" in str(caught.value)
    with pytest.raises(ParameterError, match="roles quality and value"):
        model_roles("acsi", SURVEY, roles={"quality": ["value"], "value": ["value"]})
    with pytest.raises(ParameterError, match="absent must be one of"):
        national_model("acsi", SURVEY, absent="skip")


def test_a_course_can_define_its_own(monkeypatch):
    own = dataclasses.replace(NATIONAL_MODELS["acsi"], title="Ours", relations=(("trust", "satisfaction"),))
    monkeypatch.setitem(NATIONAL_MODELS, "ours", own)
    assert national_model("ours", {"trust": ["t"], "satisfaction": ["s"]}) == PathModel(
        {"trust": ["t"], "satisfaction": ["s"]}, [("trust", "satisfaction")]
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.title = "Theirs"


def test_the_table_lists_every_model():
    table = national_models_table()
    assert isinstance(table, pd.DataFrame)
    assert table["relations"].tolist() == [6, 9, 12, 11]
    assert table["roles"].str.count(",").tolist() == [4, 5, 6, 5]
    assert table.loc[3, "causes of satisfaction"] == "image, expectation, quality, value"
