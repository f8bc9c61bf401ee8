"""Purchase histories: merging, parts and thinning, and the rules of histories, weights and covariates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.lifetime.histories import PurchaseRows, covariate_frame, history_frame, merge_equal_rows, row_weights


def histories(customers=400, seed=1):
    """Few distinct values, so that many rows are alike."""
    rng = np.random.default_rng(seed)
    age = rng.integers(3, 6, customers)
    frequency = rng.integers(0, 3, customers)
    return pd.DataFrame(
        {"frequency": frequency, "recency": np.where(frequency > 0, age - 1, 0), "age": age}, dtype=float
    )


def merge(frame, weights=None, rate=None, dropout=None):
    nothing = np.empty((len(frame), 0))
    return merge_equal_rows(
        frame,
        np.ones(len(frame)) if weights is None else weights,
        nothing if rate is None else rate,
        nothing if dropout is None else dropout,
    )


def rows_of(rows):
    return np.column_stack([rows.frequency, rows.recency, rows.age, rows.rate, rows.dropout])


@pytest.fixture
def rows():
    nothing = np.empty((10, 0))
    return PurchaseRows(np.arange(10.0) % 4, np.arange(10.0), np.full(10, 20.0), np.ones(10), nothing, nothing)


class TestMerging:
    def test_each_history_once_with_the_sum_of_its_weights(self):
        frame = histories()
        rng = np.random.default_rng(2)
        weights, flag = rng.uniform(0, 3, len(frame)), rng.integers(0, 2, (len(frame), 1)).astype(float)
        rows, place = merge(frame, weights, rate=flag)
        expected = (
            frame.assign(flag=flag, weight=weights).groupby(["frequency", "recency", "age", "flag"])["weight"].sum()
        )
        np.testing.assert_array_equal(rows_of(rows), expected.reset_index().drop(columns="weight"))
        np.testing.assert_allclose(rows.weights, expected)
        np.testing.assert_array_equal(rows_of(rows)[place], np.column_stack([frame, flag]))

    def test_the_order_of_customers_does_not_matter(self):
        frame = histories()
        shuffled = frame.sample(frac=1, random_state=3)
        first, second = merge(frame)[0], merge(shuffled)[0]
        np.testing.assert_array_equal(rows_of(first), rows_of(second))
        np.testing.assert_array_equal(first.weights, second.weights)

    def test_covariates_keep_customers_apart_and_in_their_own_table(self):
        frame = pd.DataFrame({"frequency": [1.0] * 4, "recency": [2.0] * 4, "age": [3.0] * 4})
        rate, dropout = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([[5.0], [6.0], [5.0], [5.0]])
        rows, place = merge(frame, rate=rate, dropout=dropout)
        assert rows.rate.tolist() == [[0], [0], [1]]
        assert rows.dropout.tolist() == [[5], [6], [5]]
        assert rows.weights.tolist() == [1, 1, 2]
        assert place.tolist() == [0, 1, 2, 2]

    def test_many_columns_of_many_values_do_not_overflow(self):
        """Twelve columns of 2,000 values each have 2,000¹² combinations, many times more than integers."""
        rng = np.random.default_rng(5)
        frame = pd.DataFrame(
            {
                "frequency": rng.integers(1, 9, 2_000),
                "recency": rng.uniform(1, 5, 2_000),
                "age": rng.uniform(5, 9, 2_000),
            }
        ).astype(float)
        rate, dropout = rng.normal(size=(2_000, 5)), rng.normal(size=(2_000, 4))
        twice = np.concatenate([np.arange(2_000), rng.permutation(2_000)])
        rows, place = merge(frame.iloc[twice], rate=rate[twice], dropout=dropout[twice])
        assert len(rows) == 2_000
        assert (rows.weights == 2).all()
        np.testing.assert_array_equal(rows_of(rows)[place], np.column_stack([frame, rate, dropout])[twice])
        ordered = np.lexsort(rows_of(rows).T[::-1])
        np.testing.assert_array_equal(ordered, np.arange(2_000))


class TestRows:
    def test_parts_are_all_rows_in_order(self, rows):
        parts = list(rows.parts(4))
        assert [len(part) for part in parts] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate([part.recency for part in parts]), rows.recency)

    def test_where_keeps_the_flagged(self, rows):
        assert rows.where(rows.recency > 6).recency.tolist() == [7, 8, 9]
        assert rows.where(np.ones(10, dtype=bool)) is rows

    @pytest.mark.parametrize(("most", "kept"), [(10, 10), (9, 5), (5, 5), (4, 4), (3, 3), (1, 1), (100, 10)])
    def test_coarse_keeps_rows_with_covariates_evenly(self, rows, most, kept):
        covariate = np.arange(10.0)[:, None]
        some = replace(rows, rate=covariate, dropout=np.empty((10, 0))).coarse(most)
        assert len(some) == kept <= most
        assert np.unique(np.diff(some.recency)).size <= 1

    @pytest.mark.parametrize("most", [4_000, 1_000, 400])
    def test_coarse_merges_rows_of_nearly_equal_times(self, most):
        rng = np.random.default_rng(4)
        x = rng.poisson(2, 20_000).astype(float)
        age = rng.uniform(0.3, 1.7, 20_000)
        recency = np.where(x > 0, age * rng.random(20_000), 0.0)
        none = np.empty((20_000, 0))
        rows = PurchaseRows(x, recency, age, rng.uniform(0.5, 3, 20_000), none, none)
        few = rows.coarse(most)
        assert len(few) <= most
        assert ((few.recency <= few.age) & ((few.recency == 0) == (few.frequency == 0))).all()
        for name in ("frequency", "recency", "age"):
            assert few.weights @ getattr(few, name) == pytest.approx(rows.weights @ getattr(rows, name))
        assert few.weights.sum() == pytest.approx(rows.weights.sum())
        assert set(few.frequency) == set(x)
        assert rows.coarse(20_000) is rows

    def test_coarse_falls_back_to_some_rows(self):
        none = np.empty((500, 0))
        times = np.arange(1.0, 501)
        rows = PurchaseRows(times, times, times + 1, np.ones(500), none, none)
        assert len(rows.coarse(100)) == 100

    def test_counts_lead_back_to_the_frequencies(self, rows):
        counts, place = rows.counts
        assert counts.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(counts[place], rows.frequency)


class TestHistoryFrame:
    def test_index_and_single_customers(self):
        frame = history_frame("here", pd.Series([1, 0], ["x", "y"]), [2.0, 0.0], [3.0, 1.0])
        assert list(frame.index) == ["x", "y"]
        assert [dtype.kind for dtype in frame.dtypes] == ["f", "f", "f"]
        assert history_frame("here", 2, 3.0, 4.0).to_numpy().tolist() == [[2, 3, 4]]

    def test_whole_numbers_of_any_kind_are_taken(self):
        frame = history_frame("here", pd.Series([1, 2], dtype="Int64"), np.array([1, 2], dtype=np.int8), [True, 2])
        assert frame.to_numpy().tolist() == [[1, 1, 1], [2, 2, 2]]

    def test_every_problem_says_how_many_and_where(self):
        with pytest.raises(ParameterError) as caught:
            history_frame("here", [0, -1, 1.5, 2, 0], [0, 0, 1, 9, 1], [-1, 5, 5, 5, 5])
        message = str(caught.value)
        assert message.startswith("here: 4 problems:")
        for part in (
            "0 or more; 2 rows (at positions 1, 2)",
            "age must be 0 or more; 1 rows (at positions 0)",
            "between 0 and age; 2 rows (at positions 0, 3)",
            "where frequency is 0: it is the time of the last repeat purchase; 1 rows (at positions 4)",
        ):
            assert part in message

    @pytest.mark.parametrize("bad", [np.nan, np.inf, None])
    def test_missing_values_are_refused(self, bad):
        with pytest.raises(ParameterError, match="recency has 1 missing or infinite values of 2"):
            history_frame("here", [1, 1], [1.0, bad], [3, 3])

    def test_text_and_dates_are_refused(self):
        with pytest.raises(ParameterError, match="frequency must be numbers"):
            history_frame("here", ["one"], [1.0], [3.0])
        with pytest.raises(ParameterError, match="recency must be numbers"):
            history_frame("here", [1], pd.to_datetime(["2025-01-01"]), [3.0])


class TestWeights:
    def test_default_is_one_each(self):
        assert row_weights("here", None, 3).tolist() == [1, 1, 1]

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ([1, 2], "one entry a row, that is 3"),
            (2.0, "one entry a row, that is 3"),
            ([1, -2, -1], "weights must be 0 or more; 2 are not"),
            ([1, np.nan, 1], "weights has 1 missing"),
            (["a", "b", "c"], "weights must be numbers"),
        ],
    )
    def test_others_are_refused(self, weights, message):
        with pytest.raises(ParameterError, match=message):
            row_weights("here", weights, 3)


def test_columns_of_other_rows_are_refused():
    table = pd.DataFrame({"x": [1, 2], "t_x": [1.0, 2.0], "age": [3.0, 4.0]}, index=["a", "b"])
    with pytest.raises(ParameterError, match="2 problems") as caught:
        history_frame("here", table["x"], table["t_x"][::-1], table["age"].reset_index(drop=True))
    for part in ("recency has its rows in another order than frequency", "age has another index than frequency"):
        assert part in str(caught.value)
    assert list(history_frame("here", table["x"], table["t_x"].to_numpy(), table["age"]).index) == ["a", "b"]


class TestCovariates:
    index = pd.Index(["x", "y", "z"])

    def frame(self, covariates, **options):
        return covariate_frame("here", "rate_covariates", covariates, self.index, **options)

    def test_rows_are_taken_in_the_order_of_the_histories(self):
        given = pd.DataFrame({"online": [True, False, True], "size": [1, 2, 5]}, index=[7, 8, 9])
        frame = self.frame(given)
        assert list(frame.index) == list(self.index)
        assert frame.to_numpy().tolist() == [[1, 1], [0, 2], [1, 5]]

    def test_the_same_customers_in_another_order_are_refused(self):
        with pytest.raises(ParameterError, match="another order than the histories"):
            self.frame(pd.DataFrame({"size": [1, 2, 5]}, index=["y", "x", "z"]))

    def test_an_array_gets_the_numbers_of_its_columns_as_names(self):
        assert list(self.frame(np.array([[1, 4], [2, 4], [3, 5]]))) == ["0", "1"]
        assert list(self.frame([1, 2, 4])) == ["0"]

    def test_none_has_no_columns(self):
        assert self.frame(None).shape == (3, 0)

    @pytest.mark.parametrize(
        ("covariates", "message"),
        [
            ({"online": [1, 0]}, "one row a customer, that is 3, and has 2"),
            ({"shop": ["north", "south", "north"]}, r"(?s)rate_covariates\.shop must be numbers.*pandas\.get_dummies"),
            ({"size": [1.0, np.nan, 2.0]}, r"rate_covariates\.size has 1 missing"),
            ({"size": [1.0, np.inf, 2.0]}, r"rate_covariates\.size has 1 missing or infinite"),
            ({"one": [1, 1, 1], "two": [5, 5, 5]}, "one, two is the same for every customer; leave it out"),
            ({"a": [1, 0, 0], "b": [0, 1, 1]}, "a combination of the others; leave one out"),
        ],
    )
    def test_what_cannot_be_estimated_is_refused(self, covariates, message):
        with pytest.raises(ParameterError, match=message):
            self.frame(pd.DataFrame(covariates))

    def test_two_columns_of_one_name_are_refused_even_as_number_and_text(self):
        with pytest.raises(ParameterError, match="two columns of the same name"):
            self.frame(pd.DataFrame([[1, 2], [2, 1], [3, 5]], columns=[1, "1"]))

    def test_a_category_is_refused_with_the_remedy(self):
        shops = pd.DataFrame({"shop": pd.Categorical(["north", "south", "north"])})
        with pytest.raises(ParameterError, match="get_dummies"):
            self.frame(shops)
        assert self.frame(pd.get_dummies(shops, drop_first=True)).to_numpy().tolist() == [[0], [1], [0]]

    def test_for_predictions_columns_are_those_of_the_fit_and_may_be_constant(self):
        constant = pd.DataFrame({"online": [1, 1, 1]})
        assert self.frame(constant, fitted=["online"]).to_numpy().tolist() == [[1], [1], [1]]
        for columns in (["online", "size"], ["offline"], []):
            with pytest.raises(ParameterError, match="must have the columns of the fit"):
                self.frame(constant, fitted=columns)

    def test_a_covariate_of_small_numbers_is_no_combination(self):
        small = pd.DataFrame({"a": [1e-9, 2e-9, 5e-9], "b": [1e9, 4e9, 2e9]})
        np.testing.assert_array_equal(self.frame(small), small)
