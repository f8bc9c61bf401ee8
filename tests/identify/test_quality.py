"""Quality of records: hand-counted tables, and the gaps and slips planted in the demo."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.quality import plot_quality, quality_profile, quality_table
from crm_utils.identify.quality_rules import (
    DIMENSIONS,
    Complete,
    Consistent,
    Fresh,
    Unique,
    Valid,
    in_order,
    names_in_place,
    same_form,
    usual_prefix,
)
from crm_utils.plotting import alt_text


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "source": ["web", "web", "web", "web", "shop", "shop"],
            "phone": ["13800138000", "+86 138 0013 8000", "1380013", None, "１３８００１３８０００", "n/a"],
            "email": ["ann@example.com", "Ann@example.com", "bob at home", "", "ann@example.com", None],
            "birth_date": ["1990-03-04", "2030-01-01", "1880-01-01", "soon", None, "1990-02-29"],
            "created_at": ["2025-01-01", "2025-01-01", "2025-06-01", None, "2025-05-31", "2024-01-01"],
            "updated_at": ["2025-01-02", "2024-12-31", "2025-06-01", "2025-06-01", "2025-05-31", "2024-01-01"],
        }
    )


def _counts(profile):
    return {row.source: (row.checked, row.passed, row.failed) for row in profile.itertuples()}


class TestRules:
    def test_complete(self, table):
        assert _counts(quality_profile(table, [Complete("phone")])) == {"shop": (2, 1, 1), "web": (4, 3, 1)}

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (Valid("phone", kind="phone"), {"shop": (1, 1, 0), "web": (3, 2, 1)}),
            (Valid("email", kind="email"), {"shop": (1, 1, 0), "web": (3, 2, 1)}),
            (Valid("birth_date", kind="date"), {"shop": (1, 0, 1), "web": (4, 1, 3)}),
            (Valid("phone", pattern=r"\d{11}"), {"shop": (1, 1, 0), "web": (3, 1, 2)}),
            (Valid("email", test=lambda email: email.str.contains("ann")), {"shop": (1, 1, 0), "web": (3, 1, 2)}),
        ],
    )
    def test_valid(self, table, rule, expected):
        assert _counts(quality_profile(table, [rule], as_of="2025-07-01")) == expected

    def test_a_number_nobody_can_dial_is_possible_and_not_valid(self):
        """Eleven digits of a range without subscribers pass; ten or twelve digits do not."""
        numbers = pd.DataFrame(
            {"phone": ["15412345678", "1541234567", "154123456789", "010-88888888", "+1 650 253 0000"]}
        )
        profile = quality_profile(numbers, [Valid("phone", kind="phone")], mask=False)
        assert profile["passed"].tolist() == [3]
        assert profile["examples"].tolist() == ["1541234567; 154123456789"]

    def test_unique_within_the_source_whatever_the_writing(self, table):
        # 1380013 could be somebody's landline: it is checked, and occurs once.
        by_number = quality_profile(table, [Unique(("phone",), ("phone",))])
        assert _counts(by_number) == {"shop": (1, 1, 0), "web": (3, 1, 2)}
        assert _counts(quality_profile(table, [Unique(("phone",))])) == {"shop": (1, 1, 0), "web": (3, 3, 0)}
        both = Unique(("phone", "email"), ("phone", "email"))
        assert _counts(quality_profile(table, [both])) == {"shop": (1, 1, 0), "web": (2, 0, 2)}

    def test_fresh(self, table):
        fresh = quality_profile(table, [Fresh("updated_at", 30)], as_of="2025-07-01")
        assert _counts(fresh) == {"shop": (2, 0, 2), "web": (4, 2, 2)}
        # By default the day after the newest change: 2025-06-02.
        assert _counts(quality_profile(table, [Fresh("updated_at", 2)])) == {"shop": (2, 1, 1), "web": (4, 2, 2)}

    def test_in_order(self, table):
        assert _counts(quality_profile(table, [in_order("created_at", "updated_at")])) == {
            "shop": (2, 2, 0),
            "web": (3, 2, 1),
        }

    def test_same_form_shows_other_widths_and_groupings(self, table):
        forms = same_form("phone").test(table)
        assert forms.isna().tolist() == [False, False, False, True, False, True]
        # Four forms, once each: the first of them in the order of signs stands for the column.
        assert forms.sum() == 1
        names = pd.DataFrame({"name": ["王小明", "李华", "Wang Li", "陈 一"]})
        assert same_form("name").test(names).tolist() == [True, True, False, False]

    def test_usual_prefix_applies_where_there_is_a_habit(self):
        codes = pd.DataFrame(
            {
                "city": ["Beijing"] * 30 + ["Hefei"] * 5,
                "code": ["100000"] * 28 + ["200000", None] + ["230000"] * 5,
            }
        )
        result = usual_prefix("code", "city").test(codes)
        assert result.isna().sum() == 6
        assert result[:28].all()
        assert not result[28]

    def test_names_in_place(self):
        names = pd.DataFrame({"family": ["王", "李", "建国", None], "given": ["小明", "秀英", "张", "张"]})
        assert names_in_place("family", "given").test(names).tolist() == [True, True, False, pd.NA]

    def test_a_rule_of_ones_own(self, table):
        rule = Consistent(("phone", "email"), lambda t: t["phone"].notna() == t["email"].notna(), "both or none")
        profile = quality_profile(table, [rule], mask=False)
        assert _counts(profile) == {"shop": (2, 1, 1), "web": (4, 3, 1)}
        assert profile["examples"].tolist() == ["n/a | ", " | "]


class TestProfile:
    def test_intervals_are_wilsons(self, table):
        profile = quality_profile(table, level=0.9)
        seen = profile[profile["checked"] > 0]
        low, high = proportion_confint(seen["passed"], seen["checked"], alpha=0.1, method="wilson")
        np.testing.assert_allclose(seen["low"], low)
        np.testing.assert_allclose(seen["high"], high)
        np.testing.assert_allclose(seen["share"], seen["passed"] / seen["checked"])
        nothing = profile[profile["checked"] == 0]
        assert nothing[["share", "low", "high"]].isna().all(axis=None)
        assert (profile["checked"] == profile["passed"] + profile["failed"]).all()

    def test_dimensions_come_in_order(self, table):
        assert quality_profile(table)["dimension"].drop_duplicates().tolist() == list(DIMENSIONS)

    def test_examples_are_masked_unless_asked_for(self, table):
        rule = [Valid("email", kind="email")]
        assert quality_profile(table, rule)["examples"].tolist() == ["", "b•• •• ••••"]
        assert quality_profile(table, rule, mask=False)["examples"].tolist() == ["", "bob at home"]

    def test_three_different_examples_at_most(self):
        many = pd.DataFrame({"email": ["x", "x", "y", "z", "w"]})
        profile = quality_profile(many, [Valid("email", kind="email")], mask=False)
        assert profile["examples"].tolist() == ["x; y; z"]
        assert quality_profile(many, [Valid("email", kind="email")])["examples"].tolist() == ["•; •; •"]

    def test_records_without_a_source(self, table):
        assert quality_profile(table.drop(columns="source"), [Complete("email")])["source"].tolist() == ["all records"]
        assert quality_profile(table, [Complete("email")], source_col=None)["checked"].tolist() == [6]
        some = table.assign(source=table["source"].where(table["source"] == "web"))
        assert quality_profile(some, [Complete("email")])["source"].tolist() == ["(no source)", "web"]

    def test_rows_in_any_order_and_the_input_as_it_was(self, table):
        before = table.copy()
        profile = quality_profile(table).drop(columns="examples")
        shuffled = quality_profile(table.sample(frac=1, random_state=1)).drop(columns="examples")
        pd.testing.assert_frame_equal(profile, shuffled)
        pd.testing.assert_frame_equal(table, before)

    def test_no_rows(self, table):
        assert quality_profile(table.head(0)).empty
        assert quality_profile(table.head(0).drop(columns="source"))["checked"].eq(0).all()

    def test_every_problem_is_told_at_once(self, table):
        rules = [Complete("emial"), Valid("phone"), Valid("phone", kind="fone"), Valid("phone", pattern="("), "rule",
                 Unique("phone"), Unique(("phone",), ("phone", "email")), Fresh("updated_at", -1)]  # fmt: skip
        with pytest.raises(ParameterError) as caught:
            quality_profile(table, rules, source_col="sorce", level=2)
        message = str(caught.value)
        for part in ["10 problems", "did you mean 'email'", "one of kind, pattern and test", "'fone'", "cannot be read",
                     "'rule' is no rule", "tuple of columns", "2 kinds", "at least 0", "'sorce'", "level"]:  # fmt: skip
            assert part in message


@pytest.fixture(scope="module")
def profile():
    company = load_company()
    return quality_profile(company.source_records, as_of=company.as_of)


class TestDemo:
    def test_gaps_lie_within_the_planted_shares(self, profile):
        """Blank shares of the simulated systems; four standard errors of the smallest system are 6.7 points."""
        from crm_utils.company.simulate.records import RECORDS

        complete = quality_table(profile, dimension="completeness").set_index("field")
        for field in ("birth_date", "gender", "phone", "address"):
            for source in ("web", "store", "miniprogram", "phone"):
                planted = getattr(getattr(RECORDS, source), f"no_{field}")
                assert complete.loc[field, f"{source}_share"] == pytest.approx(1 - planted, abs=0.067)

    def test_courtesy_words_are_no_names(self, profile):
        valid = profile[(profile["dimension"] == "validity") & (profile["field"] == "given_name")]
        failed = valid.set_index("source")["failed"]
        given = load_company().source_records.query("given_name in ['先生', '女士']").groupby("source").size()
        assert failed.reindex(given.index).tolist() == given.tolist()
        assert failed.drop(given.index).eq(0).all()

    def test_names_out_of_place_and_other_writings_are_seen(self, profile):
        shares = profile[profile["dimension"] == "consistency"].groupby("field")[["passed", "checked"]].sum()
        share = shares["passed"] / shares["checked"]
        assert share["family_name + given_name"] == pytest.approx(1 - 0.025, abs=0.006)
        # 12 % with +86, 10 % with hyphens, 5 % with spaces, 2 % in full-width digits.
        assert share["phone"] == pytest.approx(0.71, abs=0.025)
        assert share["postcode + city"] == 1

    def test_nothing_personal_is_shown(self, profile):
        records = load_company().source_records
        shown = " ".join(profile["examples"])
        for field in ("phone", "email", "given_name"):
            longer = [value for value in records[field].dropna().unique() if len(value) > 1]
            assert not any(value in shown for value in longer)


class TestFigure:
    def test_the_figure_draws_the_table(self, table):
        profile = quality_profile(table)
        figure, ax = plt.subplots()
        assert plot_quality(profile, dimension="validity", ax=ax) is ax
        wide = quality_table(profile, dimension="validity")
        drawn = ax.images[0].get_array()
        np.testing.assert_allclose(drawn, wide[["shop_share", "web_share"]].to_numpy(float))
        assert [label.get_text() for label in ax.get_xticklabels()] == ["shop", "web"]
        assert "Lowest: birth date in shop, 0%" in alt_text(figure)
        plt.close(figure)

    def test_nothing_to_draw(self, table):
        ax = plot_quality(quality_profile(table[["source", "phone"]], [Complete("phone")]), dimension="timeliness")
        assert "no rules" in alt_text(ax.figure)
        plt.close(ax.figure)

    def test_unknown_dimensions(self, table):
        with pytest.raises(ParameterError, match="completeness, validity"):
            plot_quality(quality_profile(table), dimension="beauty")
