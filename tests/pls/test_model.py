"""The specification: what it holds, and every fault it names, all at once."""

import pytest

from crm_utils.errors import ParameterError
from crm_utils.pls import Construct, PathModel

BLOCKS = {"image": ["i1", "i2"], "value": ["v1"], "loyalty": ["l1"]}


def test_a_list_is_a_construct_of_mode_a_and_the_given_lists_are_left_alone():
    blocks = {"image": ["i1", "i2"], "value": Construct(["v1"], mode="B")}
    model = PathModel(blocks, [["image", "value"]])
    assert model.constructs == {"image": Construct(("i1", "i2"), "A"), "value": Construct(("v1",), "B")}
    assert model.paths == (("image", "value"),)
    assert model.items == ("i1", "i2", "v1")
    assert blocks["image"] == ["i1", "i2"]


def test_predecessors_are_in_the_order_of_the_constructs():
    model = PathModel(BLOCKS, [("value", "loyalty"), ("image", "loyalty")])
    assert model.predecessors("loyalty") == ("image", "value")
    assert model.predecessors("image") == ()


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([("image", "valeu")], "the path image → valeu names 'valeu', which is no construct .did you mean 'value'"),
        ([("image", "zzz")], "names 'zzz', which is no construct .there are image, value, loyalty"),
        ([("image", "value"), ("image", "value")], "the path image → value is given 2 times; list it once"),
        ([("image", "value")], "the construct loyalty has no path; connect it or leave it out"),
        ([("image", "image")], "the paths lead in a circle, image → image"),
        ([], "paths must be a list of"),
        ([("image", "value", "loyalty")], r"each path must be a pair \(from, to\), and one is"),
        (["image"], "each path must be a pair"),
    ],
)
def test_faults_in_the_paths(paths, message):
    with pytest.raises(ParameterError, match=message):
        PathModel(BLOCKS, paths)


def test_a_circle_is_named_by_its_members_and_not_by_what_it_leads_to():
    blocks = {name: [f"{name}1"] for name in "abcde"}
    with pytest.raises(ParameterError) as caught:
        PathModel(blocks, [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")])
    (circle,) = [line for line in str(caught.value).splitlines() if "circle" in line]
    assert circle.split("circle, ")[1].split(";")[0] in {"a → b → c → a", "b → c → a → b", "c → a → b → c"}


def test_two_circles_are_both_named():
    blocks = {name: [f"{name}1"] for name in "abcd"}
    with pytest.raises(ParameterError, match=r"(?s)2 problems.*circle.*circle"):
        PathModel(blocks, [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")])


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"a": [], "b": ["b1"]}, "a has no items"),
        ({"a": ["x"], "b": ["x"]}, "the item x belongs to a and b; keep it in one construct"),
        ({"a": ["x", "x"], "b": ["y"]}, "a has the item x 2 times"),
        ({"a": "x1", "b": ["y"]}, "the items of a must be a list of columns, and are 'x1'"),
        ({"a": [1], "b": ["y"]}, "the items of a must be names of columns, and 1 is none"),
        ({"a": Construct(["x"], mode="C"), "b": ["y"]}, r"the mode of a must be one of \['A', 'B'\], and is 'C'"),
        ({}, "constructs must be a mapping"),
        ({1: ["x"], "a": ["z"], "b": ["y"]}, "the construct 1 must have text as its name"),
    ],
)
def test_faults_in_the_constructs(blocks, message):
    with pytest.raises(ParameterError, match=message):
        PathModel(blocks, [("a", "b")])


def test_all_faults_are_listed_at_once():
    with pytest.raises(ParameterError) as caught:
        PathModel(
            {"a": ["x"], "b": ["x"], "c": [], "d": ["z"], "e": ["w"]},
            [("a", "b"), ("b", "a"), ("a", "b"), ("c", "dd")],
        )
    text = str(caught.value)
    assert "6 problems" in text
    for part in (
        "c has no items",
        "x belongs to a and b",
        "given 2 times",
        "'dd'",
        "construct e has no path",
        "circle",
    ):
        assert part in text
