"""Names of constructs."""

import pytest

from crm_utils.survey import CONSTRUCT_TERMS, usual_construct, usual_constructs


@pytest.mark.parametrize("name", [*CONSTRUCT_TERMS, *CONSTRUCT_TERMS.values()])
def test_every_term_is_recognised_in_both_languages(name):
    assert usual_construct(name) == {term: key for key, term in CONSTRUCT_TERMS.items()}.get(name, name)


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("Satisfaction", "satisfaction"),
        ("customer satisfaction", "satisfaction"),
        ("Overall-Satisfaction", "satisfaction"),
        ("satisfaction_index", "satisfaction"),
        ("客户满意度", "satisfaction"),
        ("总体满意", "satisfaction"),
        ("perceived_quality", "quality"),
        ("Perceived Service Quality", "service_quality"),
        ("服务质量", "service_quality"),
        ("Customer expectations", "expectation"),
        ("Switching costs", "switching_cost"),
        ("repurchase intention", "loyalty"),
        ("dissatisfaction", None),
        ("price", None),
        ("", None),
        ("customer_", None),
    ],
)
def test_names_of_real_surveys(name, usual):
    assert usual_construct(name) == usual


def test_a_name_is_changed_and_said_and_the_rest_stays_in_order():
    found, reasons = usual_constructs({"Price": ["p"], "顾客满意度": ["s1", "s2"], "loyalty": ["l"]})
    assert list(found.items()) == [("Price", ("p",)), ("satisfaction", ("s1", "s2")), ("loyalty", ("l",))]
    assert reasons == ("The construct 顾客满意度 is taken for satisfaction.",)


@pytest.mark.parametrize("names", [("satisfaction", "Overall satisfaction"), ("Satisfaction", "CSAT")])
def test_of_two_that_could_be_meant_none_is_renamed(names):
    found, reasons = usual_constructs({name: [name] for name in names})
    assert list(found) == list(names)
    assert not reasons
