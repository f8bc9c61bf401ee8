"""The bootstrap: against refits one at a time and formulas, what must not matter, and what cannot be drawn."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ConvergenceError, ParameterError
from crm_utils.pls import PathModel
from crm_utils.pls.bootstrap import _bca

QUANTITIES = (
    "paths",
    "total_effects",
    "indirect_effects",
    "weights",
    "loadings",
    "r_squared",
    "unstandardized_weights",
)


@pytest.fixture
def sample(planted):
    return planted(150)


def drawn_rows(seed, replicate, size):
    child = np.random.SeedSequence(seed).spawn(replicate + 1)[replicate]
    return np.random.default_rng(child).integers(0, size, size)


@pytest.mark.parametrize("consistent", [False, True])
def test_a_replicate_is_the_fit_of_the_rows_drawn(sample, chain, consistent):
    results = chain.fit(sample, consistent=consistent)
    replicates = results.bootstrap(30, seed=11)
    assert replicates.usable.all()
    for replicate in (0, 7, 29):
        again = chain.fit(sample.iloc[drawn_rows(11, replicate, 150)], consistent=consistent)
        for name in QUANTITIES[:-1]:
            found = replicates.replicates(name).loc[replicate]
            assert found.to_numpy() == pytest.approx(getattr(again, name).to_numpy(), abs=1e-10)
        for name in ("alpha", "rho_a", "rho_c", "ave"):
            found = replicates.replicates(name).loc[replicate]
            assert found.to_numpy() == pytest.approx(again.reliability[name].to_numpy(), abs=1e-10)
        assert replicates.replicates("htmt").loc[replicate]["a", "c"] == pytest.approx(again.htmt.loc["a", "c"])
        correlation = replicates.replicates("construct_correlations").loc[replicate]["a", "c"]
        assert correlation == pytest.approx(again.construct_correlations.loc["a", "c"])


def test_means_and_standard_deviations_are_those_of_the_rows_drawn(sample, chain):
    replicates = chain.fit(sample).bootstrap(5, seed=3)
    rows = sample.iloc[drawn_rows(3, 4, 150)]
    assert replicates.replicates("item_means").loc[4].to_numpy() == pytest.approx(rows.mean().to_numpy())
    assert replicates.replicates("item_standard_deviations").loc[4].to_numpy() == pytest.approx(rows.std().to_numpy())


def test_a_case_that_is_drawn_keeps_its_weight_and_one_without_weight_is_not_drawn(sample, chain):
    mass = np.r_[np.zeros(30), np.linspace(0.5, 2, 120)]
    replicates = chain.fit(sample, weights=mass).bootstrap(3, seed=5)
    rows = 30 + drawn_rows(5, 2, 120)
    again = chain.fit(sample.iloc[rows], weights=mass[rows])
    assert replicates.replicates("paths").loc[2].to_numpy() == pytest.approx(again.paths.to_numpy(), abs=1e-10)


@pytest.mark.parametrize("size", [1, 7])
def test_replicates_do_not_depend_on_batches_nor_on_how_many_there_are(sample, chain, monkeypatch, size):
    results = chain.fit(sample)
    many = results.bootstrap(40, seed=11)
    monkeypatch.setattr("crm_utils.pls.draws._REPLICATES_AT_ONCE", size)
    few = results.bootstrap(20, seed=11)
    for name in QUANTITIES:
        first = many.replicates(name).loc[:19]
        pd.testing.assert_frame_equal(few.replicates(name), first, rtol=0, atol=1e-12)


def test_a_seed_gives_its_replicates_again_and_another_gives_others(sample, chain):
    results = chain.fit(sample)
    one, same, other = (results.bootstrap(20, seed=seed).replicates("paths") for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert (one != other).all(axis=None)
    assert len(one.drop_duplicates()) == 20


@pytest.mark.parametrize("intervals", ["percentile", "bca"])
def test_interval_of_a_correlation_is_that_of_fisher(planted, intervals):
    """Single items: the path is Pearson's correlation, whose sampling distribution is known."""
    data = planted(400)
    results = PathModel({"a": ["a1"], "b": ["b1"]}, [("a", "b")]).fit(data)
    table = results.bootstrap(4000, seed=2, intervals=intervals).intervals("paths", level=0.9)
    correlation = data["a1"].corr(data["b1"])
    fisher = np.tanh(np.arctanh(correlation) + np.array([-1, 1]) * 1.6449 / np.sqrt(397))
    row = table.loc[("a", "b")]
    assert row["estimate"] == pytest.approx(correlation)
    assert row[["low", "high"]].to_numpy(dtype=float) == pytest.approx(fisher, abs=0.012)
    assert row["std_error"] == pytest.approx((1 - correlation**2) / 20, rel=0.1)


def test_bca_of_a_skewed_quantity_is_scipy_s():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(6)
    x = rng.normal(size=60)
    data = pd.DataFrame({"x": x, "y": 2 * x + rng.normal(size=60)})
    results = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data)
    ours = results.bootstrap(9000, seed=1, intervals="bca")
    theirs = bootstrap(
        (data["x"], data["y"]),
        lambda one, other: np.corrcoef(one, other)[0, 1] ** 2,
        paired=True,
        vectorized=False,
        n_resamples=3000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    row = ours.intervals("r_squared").loc["b"]
    plain = results.bootstrap(9000, seed=1).intervals("r_squared").loc["b"]
    assert [row["low"], row["high"]] == pytest.approx([theirs.low, theirs.high], abs=0.008)
    assert row["low"] < plain["low"]


def test_the_only_item_of_a_construct_has_an_interval_without_width(planted):
    results = PathModel({"a": ["a1"], "b": ["b1", "b2"]}, [("a", "b")]).fit(planted(80))
    for intervals in ("percentile", "bca"):
        row = results.bootstrap(50, seed=1, intervals=intervals).intervals("weights").loc[("a", "a1")]
        assert row.to_numpy() == pytest.approx([1, 0, 1, 1], abs=1e-9)


def test_intervals_of_consistent_paths_cover_the_planted_ones(planted, chain):
    """Nine in ten, over a hundred samples and three paths: 0.9 ± 2 · √(0.9 · 0.1 / 300), were the paths independent."""
    truth = np.array([0.6, 0.3, 0.4])
    covered = []
    for sample in range(100):
        results = chain.fit(planted(250, seed=1000 + sample), consistent=True)
        table = results.bootstrap(300, seed=sample).intervals("paths", level=0.9)
        covered.append((table["low"] <= truth) & (truth <= table["high"]))
    assert 0.86 <= np.mean(covered) <= 0.94


def test_constructs_keep_the_direction_that_they_have_in_all_cases(planted):
    """Two items that point both ways: by itself a replicate would take either direction."""
    data = planted(60)
    data["b2"] = -data["b2"]
    results = PathModel({"a": ["a1", "a2"], "b": ["b1", "b2"]}, [("a", "b")]).fit(data)
    loadings = results.bootstrap(200, seed=1).replicates("loadings")["b"]
    assert (np.sign(loadings) == np.sign(results.loadings["b"])).all(axis=None)


def test_failed_replicates_are_counted_and_left_out():
    """An item that only one of twelve cases makes vary is constant in e^-1 of the replicates."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": np.r_[1.0, np.zeros(11)], "y": rng.normal(size=12)})
    replicates = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data).bootstrap(2000, seed=1, min_usable=0.5)
    assert replicates.failed.mean() == pytest.approx((11 / 12) ** 12, abs=0.04)
    assert not replicates.improper.any()
    assert len(replicates.replicates("paths")) == replicates.usable.sum() == 2000 - replicates.failed.sum()
    assert replicates.intervals("paths").notna().all(axis=None)


def test_improper_replicates_are_counted_and_left_out(planted, chain):
    replicates = chain.fit(planted(60, loading=0.6, seed=3), consistent=True).bootstrap(300, seed=1, min_usable=0.4)
    assert 0 < replicates.improper.sum() < 300
    assert not (replicates.improper & replicates.failed).any()
    kept = replicates.replicates("rho_a")
    assert len(kept) == replicates.usable.sum()
    assert kept.min(axis=None) > 0
    assert kept.max(axis=None) <= 1
    assert replicates.replicates("loadings").abs().max(axis=None) <= 1 + 1e-9


def test_nothing_usable_left():
    data = pd.DataFrame({"x": np.r_[1.0, np.zeros(11)], "y": np.arange(12.0)})
    results = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data)
    drawn = [0 in drawn_rows(6, replicate, 12) for replicate in (0, 1)]
    assert drawn == [False, True]
    with pytest.raises(ConvergenceError, match="only 1 of 2 replicates could be used, and intervals need 2"):
        results.bootstrap(2, seed=6)


def test_the_few_replicates_that_happen_to_be_usable_give_no_intervals():
    """The item varies in two thirds of the replicates: the ones in which its odd case is drawn."""
    data = pd.DataFrame({"x": np.r_[1.0, np.zeros(11)], "y": np.random.default_rng(8).normal(size=12)})
    results = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data)
    usable = sum(0 in drawn_rows(1, replicate, 12) for replicate in range(100))
    with pytest.raises(ConvergenceError) as caught:
        results.bootstrap(100, seed=1)
    message = str(caught.value)
    assert f"only {usable} of 100 replicates could be used, and intervals need 90" in message
    assert f"an item was the same in all cases drawn, most often x ({100 - usable} replicates)" in message
    assert "leave out x" in message
    assert "consistent=False" not in message
    assert results.bootstrap(100, seed=1, min_usable=usable / 100).usable.sum() == usable
    with pytest.raises(ConvergenceError, match=f"intervals need {usable + 1}"):
        results.bootstrap(100, seed=1, min_usable=(usable + 1) / 100)
    with pytest.raises(ParameterError, match="min_usable must lie between 0 and 1, and is 90"):
        results.bootstrap(100, seed=1, min_usable=90)


def test_gaps_that_few_answers_cannot_fill_are_the_reason_and_the_mean_the_remedy(planted, chain):
    data = planted(44)
    data = data.mask(np.random.default_rng(4).random(data.shape) < 0.25)
    with pytest.raises(ConvergenceError, match=r"too few answers for so many gaps.*Use missing='mean'"):
        chain.fit(data, missing="em").bootstrap(100, seed=1)
    assert chain.fit(data, missing="mean").bootstrap(100, seed=1).usable.all()


def test_listwise_is_told_of_the_answers_it_throws_away():
    data = pd.DataFrame({"x": np.r_[1.0, np.zeros(11)], "y": np.random.default_rng(8).normal(size=12)})
    data.loc[12] = [1.0, np.nan]
    results = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data, missing="listwise")
    with pytest.raises(ConvergenceError, match=r"Use missing='mean', which keeps answers with gaps, or else: use more"):
        results.bootstrap(100, seed=1)


def test_consistent_estimates_of_good_data_keep_their_intervals_with_some_improper_replicates(planted, chain):
    replicates = chain.fit(planted(120, seed=2), consistent=True).bootstrap(200, seed=1)
    assert 0.1 < replicates.improper.mean() < 0.5
    assert replicates.intervals("paths").notna().all(axis=None)
    with pytest.raises(ConvergenceError, match=r"the consistent estimates were improper \(.*consistent=False"):
        chain.fit(planted(60, loading=0.6, seed=2), consistent=True).bootstrap(200, seed=1)


def test_every_fault_at_once(sample, chain):
    results = chain.fit(sample)
    with pytest.raises(ParameterError) as caught:
        results.bootstrap(1, seed=-1, intervals="percentil")
    text = str(caught.value)
    for part in ("3 problems", "n_boot must be", "seed must be", "did you mean 'percentile'?"):
        assert part in text
    replicates = results.bootstrap(5, seed=1)
    with pytest.raises(ParameterError, match=r"is 'path' \(did you mean 'paths'"):
        replicates.intervals("path")
    with pytest.raises(ParameterError, match="level must lie between 0 and 1"):
        replicates.summary_frame(level=95)


def test_bca_where_leaving_out_one_case_leaves_nothing_to_estimate():
    data = pd.DataFrame({"x": np.r_[1.0, np.zeros(11)], "y": np.random.default_rng(8).normal(size=12)})
    results = PathModel({"a": ["x"], "b": ["y"]}, [("a", "b")]).fit(data)
    replicates = results.bootstrap(300, seed=1, intervals="bca", min_usable=0.5)
    left_out = np.array([results.model.fit(data.drop(index=case)).paths.to_numpy() for case in range(1, 12)])
    found, estimate = replicates.replicates("paths").to_numpy(), results.paths.to_numpy()
    low, high = _bca(found, estimate, left_out, level=0.9)
    table = replicates.intervals("paths", level=0.9)
    assert table[["low", "high"]].to_numpy() == pytest.approx(np.c_[low, high], abs=1e-9)
    unskewed = _bca(found, estimate, np.array([[-1.0], [1.0]]), level=0.9)
    assert abs(unskewed[0] - low) + abs(unskewed[1] - high) > 1e-4


def test_bca_says_for_how_many_cases_it_is(planted, chain):
    with pytest.raises(ParameterError, match="for up to 5,000 cases, and there are 5,001; use 'percentile'"):
        chain.fit(planted(5_001)).bootstrap(10, seed=1, intervals="bca")


def test_summary_frame_has_the_columns_of_every_results_class(sample, chain):
    replicates = chain.fit(sample).bootstrap(50, seed=1)
    summary = replicates.summary_frame()
    assert summary.columns.tolist() == ["quantity", "parameter", "estimate", "std_error", "low", "high"]
    assert summary.index.equals(pd.RangeIndex(3 + 1 + 3 + 2 + 9 + 9))
    row = summary.set_index(["quantity", "parameter"]).loc[("indirect_effects", "a → c")]
    assert row.to_dict() == replicates.intervals("indirect_effects").loc[("a", "c")].to_dict()
