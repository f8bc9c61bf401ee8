import pytest

from crm_utils.errors import ParameterError
from crm_utils.report.parameters import Parameter, check_values, parse_value, read_parameters

CELL = """
# The score.
bins: int = 5  # score bins per measure (2 to 10)
rate: float = -0.1  # per year
strict: bool = False
label: str = "a # no comment"  # free text # with a mark
regions: list[str] = [
    "East",
    "West",
]  # regions
cuts: list[float] = [1, 2.5]
"""


def test_reads_names_types_defaults_and_help_without_running():
    assert read_parameters(CELL) == (
        Parameter("bins", "int", 5, "score bins per measure (2 to 10)"),
        Parameter("rate", "float", -0.1, "per year"),
        Parameter("strict", "bool", False, ""),
        Parameter("label", "str", "a # no comment", "free text # with a mark"),
        Parameter("regions", "list[str]", ["East", "West"], "regions"),
        Parameter("cuts", "list[float]", [1.0, 2.5], ""),
    )


def test_a_cell_that_is_no_list_of_literals_is_refused_with_every_line():
    source = "a = 1\nb: int = open('x').read()\nc: dict = {}\nd: int = 'x'\ne: int = 1\ne: int = 2"
    with pytest.raises(ParameterError) as caught:
        read_parameters(source)
    message = str(caught.value)
    for part in ("line 1", "line 2", "line 3", "'d' must be a whole number (int)", "'e' is there twice"):
        assert part in message
    with pytest.raises(ParameterError, match="line 1"):
        read_parameters("a: int = (")


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ("int", "12", 12),
        ("int", "-3", -3),
        ("float", "1e-3", 0.001),
        ("float", 2, 2.0),
        ("bool", "TRUE", True),
        ("bool", "no", False),
        ("str", "5", "5"),
        ("str", "[a, b]", "[a, b]"),
        ("str", "  two blanks  ", "  two blanks  "),
        ("list[int]", "1,2, 3", [1, 2, 3]),
        ("list[int]", "[1, 2]", [1, 2]),
        ("list[str]", '["a, b", no, 2025-01-01]', ["a, b", "no", "2025-01-01"]),
        ("list[str]", "", []),
        ("list[bool]", (True, False), [True, False]),
    ],
)
def test_values_get_the_declared_type(declared, given, value):
    parsed = parse_value(Parameter("x", declared, None), given)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_yaml_date_is_an_iso_text():
    import yaml

    given = yaml.safe_load("as_of: 2011-12-10")["as_of"]
    assert parse_value(Parameter("as_of", "str", ""), given) == "2011-12-10"


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ("int", "five"),
        ("int", "5.0"),
        ("int", 5.0),
        ("int", True),
        ("float", "nan"),
        ("float", "inf"),
        ("float", float("nan")),
        ("float", False),
        ("bool", "maybe"),
        ("bool", 1),
        ("str", 5),
        ("str", None),
        ("list[int]", "1,x"),
        ("list[int]", "[1, [2]]"),
        ("list[str]", "[a"),
        ("list[str]", "[{a: b}]"),
        ("list[int]", "1,,2"),
        ("list[str]", 3),
    ],
)
def test_values_of_another_type_are_refused_with_what_is_expected(declared, given):
    parameter = Parameter("x", declared, None)
    with pytest.raises(ParameterError, match="x must be") as caught:
        parse_value(parameter, given)
    assert parameter.expected in str(caught.value)


def test_every_problem_of_every_notebook_is_named_at_once():
    declared = {
        "03_value": read_parameters("bins: int = 5\nhorizon_months: int = 12"),
        "04_lifetime": read_parameters("horizon_months: int = 24"),
    }
    with pytest.raises(ParameterError) as caught:
        check_values(
            declared,
            {"horizn_months": "3", "bins": "five", "zzz": 1},
            {"04_lifetime": {"horizon_month": 1, "horizon_months": "x"}},
        )
    message = str(caught.value)
    assert message.startswith("5 problems with the parameters:")
    assert "no parameter 'horizn_months' in any of the chosen notebooks. Did you mean 'horizon_months'?" in message
    assert "bins must be a whole number (int), not the text 'five'" in message
    assert "no parameter 'zzz' in any of the chosen notebooks. Known: bins, horizon_months." in message
    assert "no parameter 'horizon_month' in 04_lifetime. Did you mean 'horizon_months'?" in message
    assert "04_lifetime: horizon_months must be" in message


def test_a_common_value_reaches_the_notebooks_that_have_it_and_the_own_value_wins():
    declared = {
        "a": read_parameters("bins: int = 5\nseed: int = 7"),
        "b": read_parameters("seed: int = 7"),
        "c": read_parameters("bins: int = 6"),
    }
    common, own = {"bins": "4"}, {"c": {"bins": 9}}
    assert check_values(declared, common, own) == {"a": {"bins": 4, "seed": 7}, "b": {"seed": 7}, "c": {"bins": 9}}
    assert common == {"bins": "4"}
    assert own == {"c": {"bins": 9}}
