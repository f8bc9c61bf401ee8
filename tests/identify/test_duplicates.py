import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from crm_utils.company import load_company, purchase_summary
from crm_utils.errors import ParameterError
from crm_utils.identify.duplicates import (
    class_changes,
    count_customers,
    letters_table,
    merged_lines,
    plot_customer_counts,
)
from crm_utils.plotting import alt_text


@pytest.fixture
def records():
    """Ann has three records in two systems, Bob and Cai share a phone, Dan is alone."""
    return pd.DataFrame(
        {
            "record_id": ["a1", "a2", "a3", "b1", "c1", "d1"],
            "source": ["web", "store", "web", "web", "store", "phone"],
            "phone": ["1", "1", None, "7", "7", None],
            "email": [" Ann@x.com", None, "ann@x.com", "b@x.com", None, None],
            "address": ["x", "x", "y", "z", None, "w"],
            "may_contact": pd.array([True, False, True, True, False, None], dtype="boolean"),
            "true_customer_id": ["ann", "ann", "ann", "bob", "cai", "dan"],
        }
    )


@pytest.fixture
def clusters():
    return pd.DataFrame(
        {"record_id": ["a1", "a2", "a3", "b1", "c1", "d1"], "cluster_id": ["a1", "a1", "a1", "b1", "c1", "d1"]}
    )


class TestCounts:
    def test_ways_of_counting(self, records, clusters):
        table = count_customers(records, clusters, truth=records).set_index(["way", "source"])["customers"]
        assert table[("records", "")] == 6
        assert table[("records", "web")] == 3
        assert table[("same contact", "")] == 3  # Ann; Bob with Cai, wrongly; Dan
        assert table[("linked", "")] == table[("truth", "")] == 4
        assert table[("linked", "web")] == 2
        assert table[("truth", "store")] == 2

    def test_superfluous_records(self, records, clusters):
        row = count_customers(records, clusters).set_index(["way", "source"]).loc[("linked", "")]
        assert row["superfluous_records"] == 2
        assert row["superfluous_share"] == pytest.approx(2 / 6)

    def test_shared_contacts_join_over_steps(self):
        """a–b by phone, b–c by e-mail: one customer; blank contacts join nobody."""
        records = pd.DataFrame(
            {"record_id": list("abcde"), "phone": ["1", "1", "2", "", " "], "email": [None, "m", "M ", "", None]}
        )
        table = count_customers(records, records.assign(cluster_id=records["record_id"])).set_index("way")
        assert table.loc["same contact", "customers"] == 3

    def test_unknown_persons_are_said(self, records, clusters):
        truth = records.assign(true_customer_id=records["true_customer_id"].where(records["record_id"] != "c1"))
        table = count_customers(records, clusters, truth=truth)
        of_truth = table[table["way"] == "truth"].set_index("source")["customers"]
        assert np.isnan(of_truth[""])
        assert np.isnan(of_truth["store"])
        assert of_truth["web"] == 2
        assert "true person of 1 records" in table.attrs["notes"][0]

    def test_no_contact_columns(self, records, clusters):
        table = count_customers(records[["record_id"]], clusters)
        assert table["way"].tolist() == ["records", "linked"]
        assert "phone, email" in table.attrs["notes"][0]

    def test_order_does_not_matter_and_inputs_stay(self, records, clusters):
        before = records.copy()
        expected = count_customers(records, clusters, truth=records)
        found = count_customers(records.sample(frac=1, random_state=1), clusters.iloc[::-1], truth=records.iloc[::-1])
        pd.testing.assert_frame_equal(found, expected)
        pd.testing.assert_frame_equal(records, before)

    def test_problems(self, records, clusters):
        with pytest.raises(ParameterError, match="2 of 6 records are in no cluster"):
            count_customers(records, clusters.head(4))
        with pytest.raises(ParameterError) as error:
            count_customers(pd.concat([records, records]), clusters.assign(cluster_id=None))
        assert "records.record_id repeats" in str(error.value)
        assert "cluster_id is missing in 6 rows" in str(error.value)

    def test_figure_draws_its_table(self, records, clusters):
        figure, ax = plt.subplots()
        assert plot_customer_counts(count_customers(records, clusters, truth=records), ax=ax) is ax
        assert [bar.get_width() for bar in ax.patches] == [6, 3, 4, 4]
        assert "in truth 4" in alt_text(figure)
        plt.close(figure)


class TestLetters:
    def test_counted_by_hand(self, records, clusters):
        """Letters go to a1, a3, b1, d1: two to Ann, who said no in a2; c1 has no address and says no."""
        table = letters_table(records, clusters).set_index("measure")
        assert table["count"].to_dict() == {
            "letters": 4,
            "people_written_to": 3,
            "people_with_two_or_more": 1,
            "superfluous_letters": 1,
            "people_opted_out": 2,
            "contradictory_people": 1,
            "letters_against_will": 2,
            "people_against_will": 1,
        }
        assert table["of"].iloc[1:].tolist() == [4, 3, 4, 4, 2, 4, 3]
        share = table.loc["superfluous_letters"]
        assert share["share"] == 0.25
        assert (share["low_share"], share["high_share"]) == pytest.approx(
            proportion_confint(1, 4, alpha=0.05, method="wilson")
        )

    def test_no_record_of_consent(self, records, clusters):
        table = letters_table(records.drop(columns="may_contact"), clusters).set_index("measure")
        assert table.loc["letters", "count"] == 5
        assert table.loc["superfluous_letters", "count"] == 2
        assert table.loc["people_opted_out":, ["count", "share", "low_share"]].isna().all(axis=None)
        assert "opt-outs are not known" in table.attrs["notes"][0]

    def test_no_addresses(self, records, clusters):
        table = letters_table(records.drop(columns="address"), clusters)
        assert table["count"].iloc[0] == 4
        assert "each gets a letter" in table.attrs["notes"][0]
        nowhere = letters_table(records.assign(address=None), clusters).set_index("measure")
        assert nowhere.loc["letters", "count"] == 0
        assert np.isnan(nowhere.loc["superfluous_letters", "share"])

    def test_words_for_consent(self, records, clusters):
        words = records["may_contact"].astype(object).map({True: "yes", False: "no"})
        pd.testing.assert_frame_equal(
            letters_table(records.assign(may_contact=words), clusters), letters_table(records, clusters)
        )
        with pytest.raises(ParameterError, match=r"may_contact holds 'perhaps', among 1 values"):
            letters_table(records.assign(may_contact=words.where(words != "no", "perhaps").iloc[:2]), clusters)


class TestMergedLines:
    @pytest.fixture
    def booked(self, order_lines):
        """Ann's orders lie under two records, Bob's under one, Cai's return under none."""
        record = ["a1", "a1", "a2", "a2", "b1", "b1", None, "a1"]
        return order_lines.drop(columns="customer_id").assign(record_id=record)

    def test_summary_before_and_after(self, booked, clusters, order_lines):
        before = purchase_summary(merged_lines(booked), as_of="2025-04-01").set_index("customer_id")
        after = purchase_summary(merged_lines(booked, clusters), as_of="2025-04-01").set_index("customer_id")
        truth = purchase_summary(order_lines, as_of="2025-04-01").set_index("customer_id")
        assert before.index.tolist() == ["a1", "a2", "b1"]
        assert after.index.tolist() == ["a1", "b1"]
        for measure in ("orders", "purchase_days", "revenue", "days_since_last"):
            assert after.loc["a1", measure] == truth.loc["ann", measure]
        assert before["revenue"].sum() == after["revenue"].sum()
        # Two orders of one day under two records are one purchase day of the one customer.
        assert before.loc[["a1", "a2"], "purchase_days"].sum() > after.loc["a1", "purchase_days"]

    def test_lines_left_out_are_counted(self, booked, clusters):
        lines = merged_lines(booked, clusters[clusters["record_id"] != "b1"])
        assert (lines.attrs["left_out"], lines.attrs["unknown_records"]) == (1, 2)
        assert len(lines) == len(booked) - 3
        assert lines["order_id"].tolist() == ["o1", "o1", "o2", "o3", "o7"]

    def test_inputs_stay_and_an_old_customer_is_replaced(self, order_lines, booked, clusters):
        lines = booked.assign(customer_id="old")
        copy = lines.copy()
        assert set(merged_lines(lines, clusters)["customer_id"]) == {"a1", "b1"}
        pd.testing.assert_frame_equal(lines, copy)

    def test_problems(self, order_lines, clusters):
        with pytest.raises(ParameterError, match="lines lacks the column record_id"):
            merged_lines(order_lines)
        with pytest.raises(ParameterError, match=r"clusters\.record_id repeats"):
            merged_lines(order_lines.assign(record_id="a1"), pd.concat([clusters, clusters]))


class TestClassChanges:
    @pytest.fixture
    def changes(self, clusters):
        names = ["high", "middle", "low"]
        before = pd.DataFrame(
            {"customer_id": ["a1", "a2", "a3", "b1", "d1"], "rfm_class": ["middle", "low", "high", "low", "low"]}
        )
        after = pd.DataFrame({"customer_id": ["a1", "b1", "d1"], "rfm_class": ["high", "low", "middle"]})
        after["rfm_class"] = pd.Categorical(after["rfm_class"], categories=names)
        return class_changes(before, after, clusters)

    def test_counted_by_hand(self, changes):
        table = changes.table.set_index("group")
        assert table.loc["all", ["customers", "wrong_class", "several_classes"]].tolist() == [3, 2, 1]
        assert table.loc["one record", ["customers", "wrong_class"]].tolist() == [2, 1]
        assert table.loc["several records", ["customers", "wrong_class"]].tolist() == [1, 1]
        assert table.loc["all", "wrong_share"] == pytest.approx(2 / 3)
        assert table.loc["all", ["low_share", "high_share"]].tolist() == pytest.approx(
            proportion_confint(2, 3, alpha=0.05, method="wilson")
        )

    def test_cross_table_keeps_the_order_of_the_classes(self, changes):
        assert changes.cross.index.tolist() == changes.cross.columns.tolist() == ["high", "middle", "low"]
        assert changes.cross.loc["middle", "high"] == 1
        assert changes.cross.loc["low", "middle"] == 1
        assert changes.cross.to_numpy().sum() == 5

    def test_same_clusters_same_classes(self):
        ids = list("abcd")
        classes = pd.DataFrame({"customer_id": ids, "rfm_class": ["x", "y", "x", "y"]})
        changes = class_changes(classes, classes, pd.DataFrame({"record_id": ids, "cluster_id": ids}))
        assert changes.table["wrong_class"].tolist() == [0, 0, 0]
        assert changes.table.loc[2, "customers"] == 0
        assert np.isnan(changes.table.loc[2, "wrong_share"])
        assert np.trace(changes.cross) == 4

    def test_records_that_cannot_be_compared(self, clusters):
        before = pd.DataFrame({"customer_id": ["a1", "b1", "zz"], "rfm_class": ["x", None, "x"]})
        after = pd.DataFrame({"customer_id": ["a1", "b1"], "rfm_class": ["x", "y"]})
        changes = class_changes(before, after, clusters)
        assert changes.table.loc[0, "customers"] == 1
        assert changes.notes == ("2 records have no cluster or no class before or after.",)

    def test_nothing_to_compare(self, clusters):
        nothing = pd.DataFrame({"customer_id": pd.Series(dtype="str"), "rfm_class": pd.Series(dtype="str")})
        changes = class_changes(nothing, nothing, clusters)
        assert changes.table["customers"].tolist() == [0, 0, 0]
        assert changes.cross.empty

    def test_problems(self, clusters):
        twice = pd.DataFrame({"customer_id": ["a1", "a1"], "rfm_class": ["x", "x"]})
        with pytest.raises(ParameterError) as error:
            class_changes(twice, twice.drop(columns="rfm_class"), clusters, level=1)
        message = str(error.value)
        for part in ("before.customer_id repeats", "after lacks the column rfm_class", "level"):
            assert part in message


def test_the_demo_with_its_truth_as_clusters():
    """Planted people as clusters: as many customers as the truth says, and the same revenue before and after."""
    company = load_company()
    records = company.source_records
    clusters = records[["record_id"]].assign(cluster_id=records["true_customer_id"])
    counts = count_customers(records, clusters, truth=records).set_index(["way", "source"])["customers"]
    assert counts[("linked", "")] == counts[("truth", "")] == records["true_customer_id"].nunique()
    # The naive rule misses people without a shared contact by more than it joins families by mistake.
    assert counts[("truth", "")] < counts[("same contact", "")] < counts[("records", "")]
    letters = letters_table(records, clusters).set_index("measure")["count"]
    assert letters["letters_against_will"] >= letters["people_against_will"] > 0
    lines = merged_lines(company.order_lines, clusters)
    assert (lines["customer_id"] == company.order_lines["customer_id"]).mean() == pytest.approx(1, abs=0.01)
