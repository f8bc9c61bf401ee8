import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.identify.review import draw_review_sample, read_review, write_review

SAMPLE_COLUMNS = ["match_weight", "match_probability", "band_from", "band_to", "band_pairs", "sampling_weight"]


@pytest.fixture(scope="module")
def records():
    ids = [f"{i:04d}" for i in range(2_000)]
    return pd.DataFrame(
        {
            "record_id": ids,
            "name": [f"王{i % 7}" for i in range(2_000)],
            "birth_date": pd.Timestamp("1990-01-01") + pd.to_timedelta(np.arange(2_000) % 900, unit="D"),
            "phone": "+86 1549",
            "true_customer_id": "secret",
        }
    )


@pytest.fixture(scope="module")
def pairs(records):
    weight = np.random.default_rng(5).normal(-4, 9, 1_000)
    return pd.DataFrame(
        {
            "record_id_l": records["record_id"].iloc[:1_000].to_numpy(),
            "record_id_r": records["record_id"].iloc[1_000:].to_numpy(),
            "match_weight": weight,
            "match_probability": 1 / (1 + np.exp2(-weight)),
        }
    )


class TestSample:
    def test_bands_sizes_and_weights(self, pairs, records):
        sample = draw_review_sample(pairs, records, size=150, threshold=0.9)
        assert len(sample) == 150
        assert sample["pair"].is_unique
        assert np.isclose(sample["band_from"], np.log2(9)).any()
        assert sample["match_weight"].between(sample["band_from"], sample["band_to"], inclusive="left").all()
        for _, band in sample.groupby("band_from"):
            low, high = band[["band_from", "band_to"]].iloc[0]
            size = ((pairs["match_weight"] >= low) & (pairs["match_weight"] < high)).sum()
            assert (band["band_pairs"] == size).all()
            assert band["sampling_weight"].to_numpy() == pytest.approx(size / len(band))
        assert sample["sampling_weight"].sum() == pytest.approx(len(pairs))

    def test_more_where_the_model_is_unsure_and_where_there_are_many(self):
        """By hand: 1000, 64 and 216 pairs, of which the power ⅔ is 100, 16 and 36."""
        weight = np.repeat([-6.0, 0.0, 6.0], [1_000, 64, 216])
        probability = np.repeat([0.01, 0.5, 0.99], [1_000, 64, 216])
        p = pd.DataFrame({"record_id_l": np.arange(1_280), "record_id_r": 2_000 + np.arange(1_280)})
        p = p.assign(match_weight=weight, match_probability=probability)
        drawn = draw_review_sample(p, pd.DataFrame({"record_id": range(4_000)}), size=90, weights=[-3, 3])
        doubt = np.array([1_000, 64, 216]) * np.sqrt([0.01 * 0.99, 0.25, 0.99 * 0.01])
        expected = 90 * (0.5 * np.array([100, 16, 36]) / 152 + 0.5 * doubt / doubt.sum())
        assert drawn.groupby("band_from").size().to_numpy() == pytest.approx(expected, abs=1.5)

    def test_every_pair_of_a_band_is_as_likely(self, pairs, records):
        drawn = np.zeros(len(pairs))
        position = pd.Series(np.arange(len(pairs)), index=pairs["record_id_l"])
        bands = draw_review_sample(pairs, records, size=100, weights=[0]).groupby("band_from").size()
        for seed in range(300):
            sample = draw_review_sample(pairs, records, size=100, weights=[0], seed=seed)
            drawn[position[sample["record_id_l"]]] += 1
        above = (pairs["match_weight"] >= 0).to_numpy()
        for members, size in ((above, bands.loc[0.0]), (~above, bands.loc[-np.inf])):
            probability = size / members.sum()
            expected, spread = 300 * probability, 300 * probability * (1 - probability)
            chi_square = ((drawn[members] - expected) ** 2).sum() / spread
            # Sampling without replacement: members − 1 degrees of freedom, standard deviation √(2·members).
            assert abs(chi_square - members.sum()) < 4 * np.sqrt(2 * members.sum())

    def test_both_records_side_by_side_and_no_answer(self, pairs, records):
        sample = draw_review_sample(pairs, records, size=40)
        names = records.set_index("record_id")["name"]
        assert sample["name_l"].tolist() == names[sample["record_id_l"]].tolist()
        assert sample["name_r"].tolist() == names[sample["record_id_r"]].tolist()
        assert sample["same_person"].isna().all()
        assert not any("true_customer_id" in column for column in sample)
        some = draw_review_sample(pairs, records, size=40, columns=["phone"])
        assert [c for c in some if c.endswith(("_l", "_r"))] == ["record_id_l", "record_id_r", "phone_l", "phone_r"]

    def test_order_of_pairs_does_not_matter_and_the_seed_does(self, pairs, records):
        before = pairs.copy()
        one = draw_review_sample(pairs, records, size=60)
        same = draw_review_sample(pairs.sample(frac=1, random_state=3), records.iloc[::-1], size=60)
        pd.testing.assert_frame_equal(one, same)
        pd.testing.assert_frame_equal(pairs, before)
        assert set(draw_review_sample(pairs, records, size=60, seed=8)["pair"]) != set(one["pair"])

    def test_rows_do_not_betray_the_band(self, pairs, records):
        sample = draw_review_sample(pairs, records, size=200)
        assert abs(np.corrcoef(np.arange(200), sample["match_weight"])[0, 1]) < 0.2

    def test_more_than_there_is(self, pairs, records):
        sample = draw_review_sample(pairs.head(30), records, size=500)
        assert len(sample) == 30
        assert (sample["sampling_weight"] == 1).all()

    def test_problems(self, pairs, records):
        with pytest.raises(ParameterError, match="at least two for each"):
            draw_review_sample(pairs, records, size=5)
        with pytest.raises(ParameterError, match="blocking proposed none"):
            draw_review_sample(pairs.head(0), records)
        with pytest.raises(ParameterError, match="are not in records"):
            draw_review_sample(pairs, records.head(900), size=100)
        with pytest.raises(ParameterError) as error:
            draw_review_sample(pairs.drop(columns="match_weight"), records, weights=[2, 1], size=0, threshold=3)
        message = str(error.value)
        for part in ("lacks the column match_weight", "ascending", "size must be", "threshold must lie"):
            assert part in message


class TestFile:
    def test_there_and_back(self, pairs, records, tmp_path):
        sample = draw_review_sample(pairs, records, size=30)
        path = write_review(sample, tmp_path / "review.csv")
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        written = pd.read_csv(path, dtype="str", encoding="utf-8-sig")
        assert not set(SAMPLE_COLUMNS) & set(written)
        assert written["phone_l"].eq("'+86 1549").all()
        assert written["birth_date_l"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
        assert written["name_l"].tolist() == sample["name_l"].tolist()
        assert read_review(path, sample)["same_person"].isna().all()
        pd.testing.assert_frame_equal(
            read_review(path, sample).drop(columns="same_person"), sample.drop(columns="same_person")
        )

    def test_what_spreadsheets_do_to_files(self, pairs, records, tmp_path):
        """Sorted rows, ids without leading zeros, semicolons, a Chinese code page, an empty line, a column less."""
        sample = draw_review_sample(pairs, records, size=30)
        written = pd.read_csv(write_review(sample, tmp_path / "a.csv"), encoding="utf-8-sig")
        written["same_person"] = ["是", "否", "不确定"] * 10
        expected = dict(zip(written["pair"], ["yes", "no", "unsure"] * 10, strict=True))
        written = written.sort_values("name_l").drop(columns="phone_l")
        path = tmp_path / "b.csv"
        path.write_bytes((written.to_csv(index=False, sep=";") + ";" * (written.shape[1] - 1) + "\n").encode("gb18030"))
        assert read_review(path, sample)["same_person"].tolist() == [expected[pair] for pair in sample["pair"]]

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("Yes", "yes"),
            (" y ", "yes"),
            (1, "yes"),
            (1.0, "yes"),
            (True, "yes"),
            ("是", "yes"),
            ("0", "no"),
            ("NO", "no"),
            (False, "no"),
            ("否", "no"),
            ("?", "unsure"),
            ("Unsure", "unsure"),
            ("", None),
            (None, None),
            (np.nan, None),
        ],
    )
    def test_labels(self, pairs, records, written, read):
        sample = draw_review_sample(pairs, records, size=20)
        labelled = pd.DataFrame({"pair": sample["pair"].head(1), "same_person": pd.Series([written], dtype=object)})
        found = read_review(labelled, sample)["same_person"]
        assert found.iloc[0] == read if read else pd.isna(found.iloc[0])
        assert found.iloc[1:].isna().all()

    def test_everything_wrong_at_once_with_row_numbers(self, pairs, records, tmp_path):
        sample = draw_review_sample(pairs, records, size=20)
        labelled = pd.read_csv(write_review(sample, tmp_path / "a.csv"), dtype="str", encoding="utf-8-sig")
        labelled.loc[0, "same_person"] = "perhaps"
        labelled.loc[3, "pair"] = "Pother"
        labelled.loc[5, "pair"] = labelled.loc[4, "pair"]
        with pytest.raises(ParameterError) as error:
            read_review(labelled, sample)
        message = str(error.value)
        assert "1 pairs that are not in the sample (row 5: 'Pother')" in message
        assert f"1 pairs that are there already (row 7: {labelled.loc[4, 'pair']!r})" in message
        assert "1 labels that cannot be read (row 2: 'perhaps')" in message

    def test_another_seed_is_noticed(self, pairs, records, tmp_path):
        path = write_review(draw_review_sample(pairs, records, size=50), tmp_path / "a.csv")
        with pytest.raises(ParameterError, match="not in the sample"):
            read_review(path, draw_review_sample(pairs, records, size=50, seed=8))

    def test_labels_are_not_overwritten(self, pairs, records, tmp_path):
        sample = draw_review_sample(pairs, records, size=20)
        path = write_review(sample, tmp_path / "a.csv")
        with pytest.raises(ParameterError, match="may hold labels"):
            write_review(sample, path)

    def test_no_file(self, pairs, records, tmp_path):
        with pytest.raises(ParameterError, match="there is no file"):
            read_review(tmp_path / "none.csv", draw_review_sample(pairs, records, size=20))
