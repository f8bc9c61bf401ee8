"""Fields: recognised by usual names, and everything wrong about a declaration said at once."""

import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify.fields import KINDS, check_fields, recognise_fields


def test_the_demos_fields_are_recognised(source_records):
    assert recognise_fields(source_records) == {
        "given_name": "given_name",
        "family_name": "family_name",
        "birth_date": "date",
        "gender": "category",
        "phone": "phone",
        "email": "email",
        "address": "address",
        "city": "place",
        "postcode": "code",
    }


def test_other_usual_names_are_recognised():
    columns = ["rec_id", "surname", "street", "suburb", "postcode", "state", "date_of_birth", "soc_sec_id"]
    assert recognise_fields(pd.DataFrame(columns=columns)) == {
        "surname": "family_name",
        "street": "address",
        "suburb": "place",
        "postcode": "code",
        "state": "category",
        "date_of_birth": "date",
        "soc_sec_id": "identifier",
    }


@pytest.mark.parametrize("part", ["given_name", "surname"])
def test_a_whole_name_steps_back_for_its_parts(part):
    assert "name" not in recognise_fields(pd.DataFrame(columns=["name", part]))
    assert recognise_fields(pd.DataFrame(columns=["name", "note"])) == {"name": "full_name"}


def test_every_kind_is_accepted():
    kinds = [kind for kind in KINDS if kind != "full_name"]
    check_fields(pd.DataFrame(columns=kinds), {kind: kind for kind in kinds})


def test_all_problems_are_said_at_once():
    records = pd.DataFrame(columns=["phone", "first", "second", "whole"])
    declared = {
        "fone": "phone",
        "phone": "telefone",
        "first": "given_name",
        "second": "given_name",
        "whole": "full_name",
    }
    with pytest.raises(ParameterError) as error:
        check_fields(records, declared)
    message = str(error.value)
    assert "'fone' is not a column (did you mean 'phone'?)" in message
    assert "unknown kind 'telefone'" in message
    assert "2 columns are declared as given_name" in message
    assert "a full_name and parts of a name" in message


def test_nothing_declared_names_the_kinds():
    with pytest.raises(ParameterError, match=r"no field is declared.*identifier"):
        check_fields(pd.DataFrame(columns=["x"]), {})
