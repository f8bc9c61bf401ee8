import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.cluster import pair_confusion_matrix

from crm_utils.errors import ParameterError
from crm_utils.identify.evaluation import evaluate_links

partitions = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 12), min_size=n, max_size=n), st.lists(st.integers(0, 12), min_size=n, max_size=n)
    )
)


def frames(cluster, person):
    ids = [f"r{i:03d}" for i in range(len(cluster))]
    return (
        pd.DataFrame({"record_id": ids, "cluster_id": cluster}),
        pd.DataFrame({"record_id": ids, "true_customer_id": person}),
    )


def values(evaluation):
    return evaluation.summary_frame().set_index("measure")["value"]


def simulated(people, *, seed, split=0.2, mixed=0.1):
    """People with one to four records, some of whose clusters are split and some joined with the next person's."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 5, people))
    joined = np.where(rng.random(people) < mixed, np.arange(people) // 2 * 2, np.arange(people))
    away = rng.random(len(person)) < split
    return frames(np.where(away, people + np.arange(len(person)), joined[person]), person)


class TestCorrectness:
    @pytest.mark.parametrize(("response", "precision"), [("xxxxxyyyyyyy", 16 / 21), ("xxxxxyyxxxxx", 7 / 12)])
    def test_bagga_and_baldwin_1998(self, response, precision):
        """True groups {1-5}, {6, 7}, {8-C}; the paper prints 76 % and 58 %, with recall 100 %."""
        measures = values(evaluate_links(*frames(list(response), list("aaaaabbccccc")), n_boot=2))
        assert measures["b3_precision"] == pytest.approx(precision)
        assert measures["b3_recall"] == 1
        assert measures["b3_f1"] == pytest.approx(2 * precision / (1 + precision))

    def test_pairs_counted_by_hand(self):
        """Clusters {1, 2, 3}, {4, 5}; persons {1, 2}, {3, 4, 5}: two of four links and of four true pairs agree."""
        evaluation = evaluate_links(*frames(list("aaabb"), list("xxyyy")), n_boot=2)
        assert (evaluation.correct_pairs, evaluation.found_pairs, evaluation.true_pairs) == (2, 4, 4)
        assert (evaluation.mixed_clusters, evaluation.split_persons) == (1, 1)
        assert evaluation.f1.value == pytest.approx(0.5)
        assert evaluation.b3_precision.value == pytest.approx((4 / 3 + 1 / 3 + 2) / 5)
        assert evaluation.b3_recall.value == pytest.approx((2 + 1 / 3 + 4 / 3) / 5)

    @settings(deadline=None, max_examples=60)
    @given(partitions)
    def test_pairs_agree_with_scikit_learn(self, both):
        cluster, person = both
        evaluation = evaluate_links(*frames(cluster, person), n_boot=2)
        (_, false_merges), (missed, correct) = pair_confusion_matrix(person, cluster) // 2
        assert evaluation.correct_pairs == correct
        assert evaluation.found_pairs == correct + false_merges
        assert evaluation.true_pairs == correct + missed

    @settings(deadline=None, max_examples=40)
    @given(partitions)
    def test_b3_agrees_with_its_definition_record_by_record(self, both):
        cluster, person = map(np.asarray, both)
        same = (cluster[:, None] == cluster) & (person[:, None] == person)
        evaluation = evaluate_links(*frames(cluster, person), n_boot=2)
        assert evaluation.b3_precision.value == pytest.approx(
            np.mean(same.sum(1) / (cluster[:, None] == cluster).sum(1))
        )
        assert evaluation.b3_recall.value == pytest.approx(np.mean(same.sum(1) / (person[:, None] == person).sum(1)))

    def test_swapping_clusters_and_truth_swaps_precision_and_recall(self):
        clusters, truth = simulated(60, seed=1)
        one = values(evaluate_links(clusters, truth, n_boot=2))
        other = values(evaluate_links(*frames(truth["true_customer_id"], clusters["cluster_id"]), n_boot=2))
        assert one["precision"] == other["recall"]
        assert one["b3_recall"] == pytest.approx(other["b3_precision"])

    def test_perfect_clusters(self):
        person = np.repeat(np.arange(40), 2)
        evaluation = evaluate_links(*frames([f"c{p}" for p in person], person), n_boot=50)
        assert (evaluation.summary_frame()[["value", "low", "high"]] == 1).all(axis=None)
        assert "cannot show" in evaluation.notes[0]

    def test_nothing_linked(self):
        evaluation = evaluate_links(*frames(np.arange(80), np.repeat(np.arange(40), 2)), n_boot=50)
        assert np.isnan(evaluation.precision).all()
        assert evaluation.recall == (0, 0, 0)
        assert evaluation.b3_precision.value == 1
        assert evaluation.b3_recall.value == 0.5
        assert "undefined" in evaluation.notes[0]

    def test_nobody_has_two_records(self):
        evaluation = evaluate_links(*frames([0, 0, *range(1, 40)], np.arange(41)), n_boot=50)
        assert np.isnan(evaluation.recall.value)
        assert evaluation.precision.value == 0
        assert any("No person has two records" in note for note in evaluation.notes)

    def test_interval_agrees_with_resampling_groups_one_by_one(self):
        """Groups drawn with replacement and scored from scratch: the definition that the fast way has to meet."""
        clusters, truth = simulated(80, seed=3)
        cluster, person = clusters["cluster_id"].to_numpy(), truth["true_customer_id"].to_numpy()
        group = person // 2  # a cluster joins at most two neighbours
        rng = np.random.default_rng(0)
        members = [np.flatnonzero(group == g) for g in np.unique(group)]
        scores = []
        for _ in range(400):
            drawn = rng.integers(0, len(members), len(members))
            rows = np.concatenate([members[g] for g in drawn])
            copy = np.repeat(np.arange(len(drawn)), [len(members[g]) for g in drawn]) * 10_000
            (_, false_merges), (missed, correct) = pair_confusion_matrix(person[rows] + copy, cluster[rows] + copy)
            scores.append([correct / (correct + false_merges), correct / (correct + missed)])
        error = np.std(scores, axis=0)
        # Here every pair of neighbours is a group, joined or not; the function's groups are finer where they are not.
        evaluation = evaluate_links(clusters, truth, n_boot=2000)
        for estimate, spread in zip((evaluation.precision, evaluation.recall), error, strict=True):
            assert (estimate.high - estimate.low) / (2 * 1.96) == pytest.approx(spread, rel=0.2)

    def test_intervals_cover_the_population_value(self):
        """95 % intervals of 150 samples of people; the population value comes from a sample 200 times as large."""
        target = values(evaluate_links(*simulated(60_000, seed=99), n_boot=2))
        covered = []
        for seed in range(150):
            frame = evaluate_links(*simulated(300, seed=seed), n_boot=200).summary_frame().set_index("measure")
            covered.append((frame["low"] <= target) & (target <= frame["high"]))
        # Two binomial standard errors are 3.6 points.
        assert (pd.DataFrame(covered).mean() > 0.90).all()

    def test_records_that_hang_together_are_drawn_together(self):
        """A hundred wrong links in one cluster tell less than a hundred wrong links apart, and get a wider interval."""
        persons = np.repeat(np.arange(500), 2)
        apart, together = persons.copy(), persons.copy()
        apart[:200] = np.arange(200) // 4
        together[:40] = 0
        wide, narrow = (evaluate_links(*frames(c, persons), n_boot=400).precision for c in (together, apart))
        assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


class TestConsistency:
    def test_names_and_order_do_not_matter(self):
        clusters, truth = simulated(100, seed=4)
        expected = evaluate_links(clusters, truth, n_boot=100)
        renamed = clusters.assign(cluster_id="k" + (7919 * clusters["cluster_id"] % 104_729).astype(str))
        shuffled = renamed.sample(frac=1, random_state=1)
        found = evaluate_links(shuffled, truth.iloc[::-1], n_boot=100)
        pd.testing.assert_frame_equal(found.summary_frame(), expected.summary_frame())
        pd.testing.assert_frame_equal(found.counts, expected.counts)

    def test_the_seed_decides(self):
        clusters, truth = simulated(100, seed=5)
        one, same = (evaluate_links(clusters, truth, n_boot=30, seed=3) for _ in range(2))
        assert one == same
        assert evaluate_links(clusters, truth, n_boot=30, seed=4).precision.low != one.precision.low

    def test_records_of_one_table_only_are_left_out_and_counted(self):
        clusters, truth = simulated(100, seed=6)
        truth.loc[:9, "true_customer_id"] = np.nan
        found = evaluate_links(clusters.iloc[:-5], truth, n_boot=20)
        kept = truth.iloc[10:-5]
        expected = evaluate_links(clusters.iloc[10:-5], kept, n_boot=20)
        pd.testing.assert_frame_equal(found.summary_frame(), expected.summary_frame())
        assert (found.without_truth, found.without_cluster, found.records) == (10, 5, len(kept))
        assert any("5 records of the truth" in note for note in found.notes)

    def test_inputs_stay(self):
        clusters, truth = simulated(30, seed=7)
        copies = clusters.copy(), truth.copy()
        evaluate_links(clusters, truth, n_boot=5)
        pd.testing.assert_frame_equal(clusters, copies[0])
        pd.testing.assert_frame_equal(truth, copies[1])

    def test_other_column_names(self):
        clusters, truth = simulated(30, seed=8)
        found = evaluate_links(
            clusters.set_axis(["id", "k"], axis=1),
            truth.set_axis(["id", "who"], axis=1),
            id_col="id",
            cluster_col="k",
            truth_col="who",
            n_boot=5,
        )
        assert found == evaluate_links(clusters, truth, n_boot=5)

    def test_tables_say_the_same_in_words(self):
        evaluation = evaluate_links(*simulated(50, seed=9), n_boot=20)
        table = evaluation.table.set_index("measure")
        assert table.loc["pairs: recall"].tolist() == list(evaluation.recall)
        assert (
            evaluation.counts.set_index("what").loc["clusters that mix persons", "count"] == evaluation.mixed_clusters
        )


class TestInput:
    def test_one_group_has_no_interval(self):
        evaluation = evaluate_links(*frames(list("aab"), list("xyy")), n_boot=10)
        assert np.isnan([evaluation.recall.low, evaluation.recall.high]).all()
        assert evaluation.recall.value == 0
        assert any("no interval" in note for note in evaluation.notes)

    def test_few_groups_are_said(self):
        evaluation = evaluate_links(*simulated(10, seed=1), n_boot=10)
        assert any("too narrow" in note for note in evaluation.notes)

    def test_all_problems_at_once(self):
        clusters = pd.DataFrame({"record_id": ["a", "a"], "cluster_id": ["x", None]})
        with pytest.raises(ParameterError) as error:
            evaluate_links(clusters, clusters, n_boot=1, level=2)
        message = str(error.value)
        assert "record_id repeats in 1 rows" in message
        assert "cluster_id is missing in 1 rows" in message
        assert "n_boot" in message
        assert "level" in message

    def test_truth_is_checked(self):
        clusters, truth = simulated(5, seed=1)
        with pytest.raises(ParameterError, match="truth lacks the column true_customer_id"):
            evaluate_links(clusters, clusters)
        with pytest.raises(ParameterError, match=r"truth\.record_id repeats"):
            evaluate_links(clusters, pd.concat([truth, truth]))
        with pytest.raises(ParameterError, match="no record of clusters"):
            evaluate_links(clusters, truth.assign(record_id="other" + truth["record_id"]))
