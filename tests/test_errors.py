"""Errors as people read them: without the place in the code, counted in the right number."""

import pytest

from crm_utils.errors import (
    ContractError,
    ConvergenceError,
    DataFloorError,
    ParameterError,
    Problem,
    attempt,
    reason_of,
)


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("PathModel.fit: the weights did not settle.", "The weights did not settle."),
        ("compare_groups: PathResults.bootstrap: only 4 of 100 could be used.", "Only 4 of 100 could be used."),
        ("SecondOrderModel: no scores.", "No scores."),
        ("moderate: 3 of 4 failed.", "3 of 4 failed."),
        ("index_changes needs two waves.", "This needs two waves."),
        ("predict: sq_1 has no value.", "sq_1 has no value."),
        ("A change needs two waves: there is one.", "A change needs two waves: there is one."),
        ("", ""),
    ],
)
def test_a_reason_has_no_name_of_a_function(message, read):
    assert reason_of(DataFloorError(message)) == read


def test_attempt_gives_the_reason_and_leaves_the_error_as_it_is():
    error = ConvergenceError("PathModel.fit: the weights did not settle.")

    def fit():
        raise error

    assert attempt(fit) == (None, "The weights did not settle.")
    assert str(error) == "PathModel.fit: the weights did not settle."
    assert attempt(lambda given: given + 1, 2) == (3, "")


def test_attempt_does_not_hide_a_mistake_of_the_caller():
    def fit():
        raise ParameterError("PathModel.fit: scheme must be one of ['path'].")

    with pytest.raises(ParameterError, match=r"PathModel\.fit: scheme"):
        attempt(fit)


def test_one_is_counted_as_one():
    problems = [Problem("survey", "q1", "an answer is above 10", "correct it", count=count) for count in (1, 2)]
    message = str(ContractError(problems))
    assert message.startswith("2 problems with the data")
    assert "survey.q1: 1 row: an" in message
    assert "survey.q1: 2 rows: an" in message
    assert str(ContractError(problems[:1])).startswith("1 problem with the data")
