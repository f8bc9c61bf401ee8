import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from crm_utils.errors import ParameterError
from crm_utils.identify.review import draw_review_sample
from crm_utils.identify.review_results import review_estimate

THRESHOLD = 0.9


def population(n=8_000, seed=0):
    """Scored pairs with probabilities that are a little too sure of themselves, and who is the same person."""
    rng = np.random.default_rng(seed)
    weight = np.where(rng.random(n) < 0.35, rng.normal(9, 6, n), rng.normal(-9, 5, n))
    same = rng.random(n) < 1 / (1 + np.exp2(-0.6 * weight))
    ids = np.arange(n)
    pairs = pd.DataFrame(
        {
            "record_id_l": ids,
            "record_id_r": n + ids,
            "match_weight": weight,
            "match_probability": 1 / (1 + np.exp2(-weight)),
        }
    )
    return pairs, pd.DataFrame({"record_id": np.arange(2 * n)}), same


def labelled(pairs, records, same, **options):
    sample = draw_review_sample(pairs, records, **options)
    sample["same_person"] = np.where(same[sample["record_id_l"].to_numpy(int)], "yes", "no")
    return sample


@pytest.fixture(scope="module")
def world():
    return population()


@pytest.fixture(scope="module")
def truth(world):
    pairs, _, same = world
    links = (pairs["match_probability"] >= THRESHOLD).to_numpy()
    return {"precision": same[links].mean(), "recall": (same & links).sum() / same.sum(), "matches": same.sum()}


class TestCorrectness:
    def test_unbiased_and_covering(self, world, truth):
        """300 samples of 300 pairs: means at the truth, 95 % intervals that cover it about 95 % of the time."""
        found = []
        for seed in range(300):
            estimate = review_estimate(
                labelled(*world, size=300, threshold=THRESHOLD, seed=seed), world[0], threshold=THRESHOLD
            )
            found.append(
                {
                    "matches": estimate.matches,
                    **{
                        f"{name} {part}": value
                        for name in ("precision", "recall")
                        for part, value in zip(("value", "low", "high"), getattr(estimate, name), strict=True)
                    },
                    "precision error": estimate.precision_error,
                    "recall error": estimate.recall_error,
                }
            )
        found = pd.DataFrame(found)
        for name in ("precision", "recall"):
            values = found[f"{name} value"]
            # Precision and matches are unbiased; recall is a ratio, with a bias far below its standard error.
            assert abs(values.mean() - truth[name]) < 3 * values.std() / np.sqrt(300)
            covered = ((found[f"{name} low"] <= truth[name]) & (truth[name] <= found[f"{name} high"])).mean()
            # Two binomial standard errors of 300 samples are 2.5 points; the strata's intervals never fall short.
            assert covered >= 0.925
            assert found[f"{name} error"].mean() == pytest.approx(values.std(), rel=0.15)
        assert abs(found["matches"].mean() - truth["matches"]) < 3 * found["matches"].std() / np.sqrt(300)

    def test_all_pairs_labelled_give_the_truth_exactly(self, world, truth):
        estimate = review_estimate(labelled(*world, size=8_000), world[0], threshold=THRESHOLD)
        assert estimate.precision == pytest.approx([truth["precision"]] * 3)
        assert estimate.recall == pytest.approx([truth["recall"]] * 3)
        assert estimate.matches == pytest.approx(truth["matches"])
        assert estimate.precision_error == estimate.recall_error == 0

    def test_two_strata_by_hand(self):
        """900 links of which 18 of 20 labels say yes, 100 others of which 5 of 20 do: 810 and 25 matches."""
        pairs = pd.DataFrame({"match_weight": [5.0] * 900 + [-5.0] * 100})
        pairs["match_probability"] = 1 / (1 + np.exp2(-pairs["match_weight"]))
        reviewed = pd.DataFrame(
            {
                "same_person": ["yes"] * 18 + ["no"] * 2 + ["yes"] * 5 + ["no"] * 15,
                "match_probability": [0.97] * 20 + [0.03] * 20,
                "band_from": [0.0] * 20 + [-np.inf] * 20,
                "band_to": [np.inf] * 20 + [0.0] * 20,
                "band_pairs": [900] * 20 + [100] * 20,
            }
        )
        estimate = review_estimate(reviewed, pairs, threshold=0.5)
        assert estimate.precision.value == pytest.approx(0.9)
        assert estimate.matches == pytest.approx(835)
        assert estimate.recall.value == pytest.approx(810 / 835)
        of_found = 900**2 * (1 - 20 / 900) * 0.9 * 0.1 / 19
        of_missed = 100**2 * (1 - 20 / 100) * 0.25 * 0.75 / 19
        recall = 810 / 835
        assert estimate.precision_error == pytest.approx(np.sqrt(of_found) / 900)
        assert estimate.recall_error == pytest.approx(
            np.sqrt((1 - recall) ** 2 * of_found + recall**2 * of_missed) / 835
        )
        # One stratum of links: Clopper and Pearson's interval, for 20 labels that count as 20 / (1 − 20/900).
        n = 20 / (1 - 20 / 900)
        ends = [beta.ppf(0.025, 0.9 * n, 0.1 * n + 1), beta.ppf(0.975, 0.9 * n + 1, 0.1 * n)]
        assert [estimate.precision.low, estimate.precision.high] == pytest.approx(ends)
        assert estimate.recall.low < recall < estimate.recall.high

    def test_labels_that_all_agree_still_leave_doubt(self, world):
        pairs, records, same = world
        sample = labelled(pairs, records, same, size=100, threshold=THRESHOLD)
        sample["same_person"] = np.where(sample["match_probability"] >= THRESHOLD, "yes", "no")
        estimate = review_estimate(sample, pairs, threshold=THRESHOLD)
        assert estimate.precision.value == estimate.recall.value == 1
        assert estimate.precision_error == estimate.recall_error == 0
        assert 0.7 < estimate.precision.low < 0.97
        assert estimate.recall.low < 0.9
        assert estimate.precision.high == estimate.recall.high == pytest.approx(1)


class TestUnsure:
    def test_bounds(self, world):
        pairs, records, same = world
        sample = labelled(pairs, records, same, size=200, threshold=THRESHOLD)
        some = sample["same_person"].mask(np.arange(200) % 3 == 0, "unsure")
        unsure = sample.assign(same_person=some)
        estimate = review_estimate(unsure, pairs, threshold=THRESHOLD)
        assert estimate.unsure == 67
        assert any("labelled unsure" in note for note in estimate.notes)
        linked = unsure["match_probability"] >= THRESHOLD

        def filled(above, below):
            words = some.mask(some.eq("unsure") & linked, above).mask(some.eq("unsure") & ~linked, below)
            return review_estimate(unsure.assign(same_person=words), pairs, threshold=THRESHOLD)

        assert estimate.precision_bounds == pytest.approx(
            (filled("no", "no").precision.value, filled("yes", "no").precision.value)
        )
        assert estimate.recall_bounds == pytest.approx(
            (filled("no", "yes").recall.value, filled("yes", "no").recall.value)
        )

    def test_blanks_are_counted_and_left_out(self, world):
        pairs, records, same = world
        sample = labelled(pairs, records, same, size=200)
        sample.loc[:9, "same_person"] = np.nan
        estimate = review_estimate(sample, pairs, threshold=0.5)
        assert (estimate.blank, estimate.labelled) == (10, 190)
        assert any("no label yet" in note for note in estimate.notes)


class TestThreshold:
    def test_one_that_cuts_a_band(self, world):
        """Unbiased too, though the sample was drawn for another threshold."""
        pairs, records, same = world
        links = (pairs["match_probability"] >= 0.97).to_numpy()
        found = [
            review_estimate(labelled(pairs, records, same, size=400, seed=seed), pairs, threshold=0.97).recall.value
            for seed in range(60)
        ]
        assert np.mean(found) == pytest.approx((same & links).sum() / same.sum(), abs=3 * np.std(found) / np.sqrt(60))

    def test_a_side_that_nobody_looked_at(self, world):
        pairs, records, same = world
        sample = labelled(pairs, records, same, size=100)
        highest = sample.loc[sample["match_weight"].idxmax(), "match_probability"]
        estimate = review_estimate(sample, pairs, threshold=(1 + highest) / 2)
        assert (estimate.bands["labelled"] == 0).sum() == 1
        assert any("one side has no label" in note for note in estimate.notes)
        assert estimate.precision.high - estimate.precision.low > 0.9

    def test_nothing_linked(self, world):
        pairs = world[0].assign(match_probability=0.3)
        sample = labelled(pairs, *world[1:], size=100)
        estimate = review_estimate(sample, pairs, threshold=0.5)
        assert np.isnan(estimate.precision).all()
        assert estimate.recall.value == 0

    def test_no_matches(self, world):
        sample = labelled(*world, size=100).assign(same_person="no")
        estimate = review_estimate(sample, world[0], threshold=0.5)
        assert estimate.precision.value == 0
        assert np.isnan(estimate.recall).all()

    def test_blocking_is_named(self, world):
        estimate = review_estimate(labelled(*world, size=100), world[0], threshold=0.5)
        assert "blocking never brought together" in estimate.notes[0]
        assert estimate.table["share"].tolist() == [estimate.precision.value, estimate.recall.value]


class TestInput:
    def test_other_pairs(self, world):
        sample = labelled(*world, size=100)
        with pytest.raises(ParameterError, match="give the pairs that it was drawn from"):
            review_estimate(sample, world[0].head(4_000), threshold=0.5)

    def test_a_band_without_labels(self, world):
        sample = labelled(*world, size=100)
        sample.loc[sample["band_from"] == 0, "same_person"] = "unsure"
        with pytest.raises(ParameterError, match="bands 0 to 5; label at least two"):
            review_estimate(sample, world[0], threshold=0.5)

    def test_problems_at_once(self, world):
        sample = labelled(*world, size=100)
        with pytest.raises(ParameterError) as error:
            review_estimate(sample.drop(columns="band_pairs"), world[0], threshold=1, level=0)
        assert str(error.value).count("\n") == 3
        with pytest.raises(ParameterError, match="read the labels with read_review"):
            review_estimate(sample.assign(same_person="Yes!"), world[0], threshold=0.5)
