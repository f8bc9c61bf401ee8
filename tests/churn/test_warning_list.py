"""The early-warning list: who is on it and in which order, reasons and actions, a file that a spreadsheet can open."""

import csv

import numpy as np
import pandas as pd
import pytest

from crm_utils.churn.warning_list import DEFAULT_ACTIONS, NO_REASON, OTHERWISE, warning_list, write_warning_list
from crm_utils.errors import DataFloorError, ParameterError

COSTS = {"contact_cost": 1.0, "offer_cost": 10.0, "acceptance": 0.3}
COLUMNS = [
    "rank",
    "customer_id",
    "group",
    "probability",
    "value",
    "value_at_risk",
    "expected_gain",
    "reasons",
    "action",
]


def calls(customers=("a", "b", "c", "d"), **options):
    usual = {"probability": [0.9, 0.5, 0.2, 0.5], "value": [200.0, 1000.0, 100.0, 1000.0], "reasons": [""] * 4}
    return warning_list(list(customers), **COSTS | usual | options)


class TestWho:
    def test_by_hand(self):
        table = calls()
        assert table.columns.tolist() == COLUMNS
        # 0.9 · 57 − 0.1 · 10 − 1 = 49.3; 0.5 · 297 − 5 − 1 = 142.5; 0.2 · 27 − 8 − 1 = −3.6, which does not pay.
        assert table["customer_id"].tolist() == ["b", "d", "a"]
        assert table["rank"].tolist() == [1, 2, 3]
        np.testing.assert_allclose(table["expected_gain"], [142.5, 142.5, 49.3])
        np.testing.assert_allclose(table["value_at_risk"], [500, 500, 180])
        assert table.attrs == {"customers": 4, "worth_calling": 3}

    def test_ties_by_id(self):
        assert calls(["a", "z", "c", "b"])["customer_id"].tolist() == ["b", "z", "a"]
        assert calls([1, 10, 3, 9])["customer_id"].tolist() == [9, 10, 1]
        assert calls(["a", 10, "c", 9])["customer_id"].tolist() == [10, 9, "a"]  # as text

    def test_capacity_and_threshold(self):
        short = calls(capacity=1)
        assert short["customer_id"].tolist() == ["b"]
        assert short.attrs["worth_calling"] == 3
        assert calls(threshold=0.5)["customer_id"].tolist() == ["b", "d", "a"]
        assert calls(threshold=0.51)["customer_id"].tolist() == ["a"]
        assert calls(capacity=0).empty

    def test_nobody_pays(self):
        table = calls(value=5.0)
        assert table.empty
        assert table.columns.tolist() == COLUMNS
        # A call that earns exactly nothing does not pay.
        even = warning_list(["a"], probability=[0.5], value=8, reasons=[""], contact_cost=1, acceptance=0.25)
        assert even.empty

    def test_rows_of_input_may_be_in_any_order(self):
        mixed = [2, 0, 3, 1]
        other = warning_list(
            np.array(["a", "b", "c", "d"])[mixed],
            probability=np.array([0.9, 0.5, 0.2, 0.5])[mixed],
            value=np.array([200.0, 1000.0, 100.0, 1000.0])[mixed],
            reasons=[""] * 4,
            **COSTS,
        )
        pd.testing.assert_frame_equal(other, calls(), check_dtype=False)

    def test_groups_go_along(self):
        table = calls(group=pd.Series(["north", "south", "north", "west"]))
        assert table["group"].tolist() == ["south", "west", "north"]
        assert calls()["group"].tolist() == ["", "", ""]


class TestWhy:
    def test_reasons_are_joined_and_cut(self):
        reasons = [["one", " two ", "", "three", "four"], "single", None, np.nan]
        table = calls(reasons=reasons).set_index("customer_id")
        assert table["reasons"].to_dict() == {"a": "one; two; three", "b": "single", "d": NO_REASON}
        assert calls(reasons=reasons, most_reasons=1).set_index("customer_id").loc["a", "reasons"] == "one"

    def test_actions(self):
        reasons = [["colour blue", "visits_last_90_days falling"], "Late_payments: 3", "", ["coffee"]]
        table = calls(reasons=reasons).set_index("customer_id")
        assert table.loc["a", "action"] == DEFAULT_ACTIONS["visit"]
        assert table.loc["b", "action"] == DEFAULT_ACTIONS["late payment"]
        assert table.loc["d", "action"] == OTHERWISE  # not "fee"

    def test_one_text_may_hold_several_reasons(self):
        reasons = ["visits 1 (usually 4); late payments 3 (usually 0); fee 60", " one;  two; ", "", "a;b"]
        table = calls(reasons=reasons, most_reasons=2).set_index("customer_id")
        assert table["reasons"].to_dict() == {
            "a": "visits 1 (usually 4); late payments 3 (usually 0)", "b": "one; two", "d": "a;b",
        }  # fmt: skip
        # The first with a key decides, though "late payment" is longer.
        assert table.loc["a", "action"] == DEFAULT_ACTIONS["visit"]

    def test_default_actions_fit_high_and_low_values(self):
        reasons = ["tenure months 18 (usually 6)", "tenure months 2 (usually 6)", "", "complaints 0"]
        action = calls(reasons=reasons).set_index("customer_id")["action"]
        assert action["a"] == action["b"] == "Ask how the membership has been, and what would help"
        assert action["d"] == "Ask about the complaint; settle it if it is still open, and apologise"

    def test_own_actions(self):
        actions = {"visits": "Invite", "visits_falling": "Ask why", "投诉": "Apologise", "": "Write"}
        reasons = [["visits falling"], ["visits low"], "", "有投诉未解决"]
        table = calls(reasons=reasons, actions=actions).set_index("customer_id")
        assert table["action"].to_dict() == {"a": "Ask why", "b": "Invite", "d": "Apologise"}
        assert set(calls(actions=actions)["action"]) == {"Write"}


class TestInput:
    def test_every_problem_at_once(self):
        with pytest.raises(ParameterError) as error:
            warning_list(
                ["a", "a", None],
                probability=[0.4, 1.2, 0.3],
                value=[5, -1, 2],
                reasons=["x", 3],
                contact_cost=-1,
                offer_cost=-2,
                acceptance=2,
                capacity=-1,
                threshold=7,
                actions=["call"],
                group=["n"],
                most_reasons=0,
            )
        text = str(error.value)
        for part in (
            "contact_cost must be",
            "offer_cost must be",
            "acceptance must lie",
            "capacity must be",
            "threshold must lie",
            "most_reasons must be",
            "probability must lie between 0 and 1, and 1 of 3 do not (at positions 1)",
            "value must be 0 or more, and 1 are below (at positions 1)",
            "customers.customer_id is missing in 1 rows",
            "customers.customer_id repeats in 1 rows (a)",
            "reasons must be texts, and 1 customers have others (at positions 1)",
            "3 customers and 2 of reasons",
            "3 customers and 1 of group",
            "actions must be a mapping",
        ):
            assert part in text

    def test_other_input(self):
        with pytest.raises(ParameterError, match="reasons must be one text or list of texts a customer"):
            calls(reasons="visits")
        with pytest.raises(ParameterError, match="are a DataFrame"):
            calls(reasons=pd.DataFrame({"reason": [""] * 4}))
        with pytest.raises(ParameterError, match="4 customers and 2 of probability"):
            calls(probability=[0.1, 0.2], value=3)
        with pytest.raises(ParameterError, match="another order"):
            calls(probability=pd.Series([0.1] * 4), group=pd.Series(list("nsew"), index=[3, 2, 1, 0]))
        with pytest.raises(DataFloorError, match="needs customers"):
            warning_list([], probability=[], value=[], reasons=[], **COSTS)


class TestFile:
    def test_a_spreadsheet_reads_it(self, tmp_path):
        table = calls(
            ["a", "=HYPERLINK(0)", "c", "王"],
            reasons=['+1, "x"\nnew line', "@sum", "", "-2 visits"],
            group=["-", "", "", "@"],
        )
        path = write_warning_list(table, tmp_path / "calls.csv")
        content = path.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True)))
        assert list(rows[0]) == COLUMNS
        assert [row["customer_id"] for row in rows] == ["'=HYPERLINK(0)", "王", "a"]
        assert [row["reasons"] for row in rows] == ["'@sum", "'-2 visits", '\'+1, "x"\nnew line']
        assert [row["group"] for row in rows] == ["", "'@", "'-"]
        assert [float(row["expected_gain"]) for row in rows] == table["expected_gain"].tolist()

    def test_added_columns(self, tmp_path):
        table = calls(capacity=1).assign(change=-1.5, called=pd.NaT, **{"=note": "x"})
        rows = list(csv.DictReader(write_warning_list(table, tmp_path / "a.csv").open(encoding="utf-8-sig")))
        assert (rows[0]["change"], rows[0]["called"], rows[0]["'=note"]) == ("-1.5", "", "x")

    def test_what_is_refused(self, tmp_path):
        path = write_warning_list(calls(), tmp_path / "calls.csv")
        with pytest.raises(ParameterError, match=r"calls.csv exists and may hold notes"):
            write_warning_list(calls(), path)
        write_warning_list(calls(capacity=1), path, overwrite=True)
        assert len(path.read_text(encoding="utf-8-sig").splitlines()) == 2
        with pytest.raises(ParameterError, match="2 problems"):
            write_warning_list(calls().drop(columns="rank"), tmp_path / "no" / "calls.csv")
