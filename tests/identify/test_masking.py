"""Views by role: what each mask leaves, and that the default role sees nobody."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.fields import KINDS
from crm_utils.identify.masking import ROLES, Role, column_kinds, mask_value, role_view, roles_table, treatments
from crm_utils.identify.pseudonyms import pseudonymous_key

SECRET = "a secret of some length"
PERSONAL = ["given_name", "family_name", "phone", "email", "address"]


@pytest.fixture(scope="module")
def demo():
    return load_company()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("full_name", "王小明", "王••"),
        ("full_name", "Wang Xiaoming", "W••"),
        ("family_name", "王", "••"),
        ("phone", "15472156939", "154••••6939"),
        ("phone", "+86 154-7215-6939", "154••••6939"),
        ("phone", "0086 15472156939", "154••••6939"),
        ("phone", "１５４７２１５６９３９", "154••••6939"),
        ("phone", "8612 3456", "••56"),
        ("phone", "12345", "••"),
        ("email", "wei.wang@example.com", "w•••@example.com"),
        ("email", "w@example.com", "•••@example.com"),
        ("email", "not an address", "••"),
        ("date", "1985-03-14", "1985"),
        ("date", "14/03/1985", "1985"),
        ("date", "1985年3月14日", "1985"),
        ("date", "19850314", "1985"),
        ("date", "20311985", "••"),
        ("date", "85-03-14", "••"),
        ("code", "650837", "65••"),
        ("code", "SW1A 1AA", "SW••"),
        ("code", "123", "••"),
        ("address", "356 Fenghuang Road, 15-2001", "••"),
        ("identifier", "110101198503140017", "••"),
        ("place", "Kunming", "Kunming"),
        ("category", "female", "female"),
    ],
)
def test_what_a_mask_leaves(kind, value, expected):
    masked = mask_value(pd.Series([value, None], index=[3, 4], name="x"), kind)
    assert masked.loc[3] == expected
    assert pd.isna(masked.loc[4])
    assert masked.name == "x"


def test_dates_and_numbers_are_masked_too():
    dates = pd.Series(pd.to_datetime(["1985-03-14", None]))
    assert mask_value(dates, "date").tolist()[0] == "1985"
    assert pd.isna(mask_value(dates, "date")[1])
    assert mask_value(pd.Series([15472156939]), "phone").tolist() == ["154••••6939"]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"place", "category"}))
def test_no_value_is_shown_whole(demo, kind):
    values = demo.source_records["phone" if kind == "phone" else "email" if kind == "email" else "given_name"].dropna()
    assert not (mask_value(values, kind) == values).any()


def test_the_default_role_shows_nobody_of_the_demo(demo):
    """No name, phone, e-mail, street or day of birth is left anywhere in the view, alone or as a part."""
    records = demo.source_records
    view = role_view(records, secret=SECRET)
    shown = set(view.astype("str").to_numpy().ravel())
    for column in PERSONAL:
        values = set(records[column].dropna())
        assert not values & shown
    assert "address" not in view
    born = pd.to_datetime(records["birth_date"]).dropna()
    assert not set(born.dt.strftime("%Y-%m-%d")) & {value[:10] for value in view["birth_date"].dropna()}
    assert view["birth_date"].dropna().str.fullmatch(r"\d{4}").all()
    assert not set(records["record_id"]) & shown
    assert not set(records["true_customer_id"]) & shown
    assert set(demo.customers["name"]) & set(role_view(demo.customers, "instructor")["name"])
    assert not set(demo.customers["name"]) & set(role_view(demo.customers)["name"])


def test_the_instructor_sees_the_table_as_it_is(demo):
    pd.testing.assert_frame_equal(role_view(demo.source_records, "instructor"), demo.source_records)


def test_keys_are_pseudonyms_that_join(demo):
    customers, orders = demo.customers.head(50), demo.order_lines.head(200)
    left = role_view(customers, secret=SECRET)["customer_id"]
    right = role_view(orders, secret=SECRET)["customer_id"]
    assert right.isin(left).tolist() == orders["customer_id"].isin(customers["customer_id"]).tolist()
    pd.testing.assert_series_equal(left, pseudonymous_key(customers["customer_id"], secret=SECRET))


def test_without_a_secret_keys_are_hidden_and_the_plan_says_why():
    table = pd.DataFrame({"customer_id": ["C1"], "city": ["Wuhan"]})
    assert list(role_view(table)) == ["city"]
    plan = treatments(table, "analyst", has_secret=False).set_index("column")
    assert plan.loc["customer_id", "treatment"] == "hide"
    assert "no secret" in plan.loc["customer_id", "reason"]


@pytest.mark.parametrize("role", ["analyst", "service", "marketing"])
def test_a_column_of_unknown_content_is_hidden_whatever_its_type(role):
    table = pd.DataFrame(
        {"note": ["text"], "handy": [15472156939], "geboren": pd.to_datetime(["1985-03-14"]), "score": [0.5]}
    )
    assert list(role_view(table, role)) == []
    assert list(role_view(table, role, kinds={"score": "plain"})) == ["score"]
    assert list(role_view(table, "instructor")) == list(table)
    assert set(treatments(table, role)["reason"]) == {"what it holds is not known; declare it in kinds"}


def test_a_whole_name_beside_its_parts_is_still_a_name():
    table = pd.DataFrame({"name": ["王小明"], "given_name": ["小明"], "family_name": ["王"]})
    assert column_kinds(table) == {"name": "full_name", "given_name": "given_name", "family_name": "family_name"}
    assert role_view(table).iloc[0].tolist() == ["王••", "小••", "••"]


def test_every_column_of_the_demo_is_known(demo):
    """A report on the company's own tables hides nothing by accident; survey items and features are declared."""
    for name in ("customers", "source_records", "order_lines", "interactions"):
        unknown = [column for column, kind in column_kinds(demo.table(name)).items() if kind == "unknown"]
        assert unknown in ([], ["desk"])


def test_roles_see_less_than_all():
    table = roles_table().set_index("kind")
    assert list(table.columns) == ["meaning", *ROLES]
    assert (table["instructor"] == "full").all()
    for kind in ["given_name", "family_name", "full_name", "phone", "email", "address", "identifier", "date"]:
        assert table.loc[kind, "analyst"] in ("mask", "hide")
    assert (table.loc["unknown", ["analyst", "service", "marketing"]] == "hide").all()


def test_a_role_of_ones_own():
    auditor = Role("counts", {"key": "pseudonym", "place": "full"})
    table = pd.DataFrame({"customer_id": ["C1"], "city": ["Wuhan"], "phone": ["15472156939"]})
    assert list(role_view(table, auditor, secret=SECRET)) == ["customer_id", "city"]


def test_a_wrong_role_is_refused():
    with pytest.raises(ParameterError) as error:
        Role("?", {"nam": "full", "phone": "blur", "email": "pseudonym"})
    for part in ("unknown kind 'nam'", "unknown treatment 'blur'", "only a key or an identifier"):
        assert part in str(error.value)
    with pytest.raises(
        ParameterError, match=r"unknown role 'analist'; did you mean 'analyst'\? There are: analyst, serv"
    ):
        role_view(pd.DataFrame({"a": [1]}), "analist")


def test_wrong_declarations_are_named_together():
    with pytest.raises(ParameterError) as error:
        role_view(pd.DataFrame({"city": ["x"]}), kinds={"town": "place", "city": "palce"})
    assert "unknown column 'town'" in str(error.value)
    assert "did you mean 'place'" in str(error.value)


def test_the_table_is_left_alone(demo):
    records = demo.source_records.head(20)
    before = records.copy(deep=True)
    view = role_view(records, "instructor")
    view.iloc[:, 0] = "changed"
    pd.testing.assert_frame_equal(records, before)


def test_an_empty_table_has_an_empty_view(demo):
    view = role_view(demo.source_records.head(0), secret=SECRET)
    assert len(view) == 0
    assert "city" in view


def test_index_is_kept():
    assert role_view(pd.DataFrame({"city": ["a", "b"]}, index=[9, 4])).index.tolist() == [9, 4]
    assert np.shape(role_view(pd.DataFrame({"x": [object()]}, index=[3]))) == (1, 0)
