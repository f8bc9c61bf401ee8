"""Incomplete cases: the likelihood's maximum, values missing for a reason, and replicates against a new search."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from crm_utils.errors import ConvergenceError
from crm_utils.pls import PathModel
from crm_utils.pls.incomplete import complete


def holes(values, share, seed=3):
    """Values with some missing completely at random, and at least one left in each case."""
    rng = np.random.default_rng(seed)
    gone = rng.random(values.shape) < share
    gone[gone.all(axis=1), 0] = False
    return np.where(gone, np.nan, values)


@pytest.fixture
def sample(planted):
    full = planted(400)
    return pd.DataFrame(holes(full.to_numpy(), 0.08), columns=full.columns)


def negative_log_likelihood(means, covariances, values):
    total = 0.0
    for row in values:
        there = ~np.isnan(row)
        part, deviation = covariances[np.ix_(there, there)], row[there] - means[there]
        total += np.linalg.slogdet(part)[1] / 2 + deviation @ np.linalg.solve(part, deviation) / 2
    return total


def test_moments_maximise_the_likelihood_of_what_was_seen():
    rng = np.random.default_rng(5)
    values = holes(rng.multivariate_normal([1, 2, 3], [[2, 1, 0.5], [1, 1.5, 0.4], [0.5, 0.4, 1]], size=80), 0.25)

    def unpack(parameters):
        root = np.zeros((3, 3))
        root[np.tril_indices(3)] = parameters[3:]
        return parameters[:3], root @ root.T

    start = np.r_[np.nanmean(values, axis=0), np.eye(3)[np.tril_indices(3)]]
    best = minimize(lambda given: negative_log_likelihood(*unpack(given), values), start, method="BFGS", tol=1e-8)
    means, covariances = unpack(best.x)
    found = complete(values, np.ones(80), ["x", "y", "z"], regress=True, where="here")
    assert found.centre == pytest.approx(means, abs=2e-4)
    products = found.correlations * np.outer(found.scale, found.scale)
    assert products == pytest.approx(covariances, abs=5e-4)


def test_without_gaps_it_is_the_plain_estimate(chain, planted):
    data = planted(150)
    pd.testing.assert_series_equal(chain.fit(data, missing="em").paths, chain.fit(data).paths, rtol=0, atol=1e-12)


def test_what_is_missing_for_a_seen_reason_does_not_bias_it(chain, planted):
    full = planted(20_000)
    data = full.copy()
    # Who is low on b1 mostly leaves c1 and c2 blank: the mean of c falls out, and listwise sees other people.
    silent = np.random.default_rng(4).random(len(data)) < np.where(full["b1"] < 0, 0.8, 0.05)
    data.loc[silent, ["c1", "c2"]] = np.nan
    whole, em, listwise = (chain.fit(frame, missing=how) for frame, how in
                           ((full, "error"), (data, "em"), (data, "listwise")))  # fmt: skip
    means = [fit.moments.means[0, 6] for fit in (whole, em, listwise)]
    assert abs(means[1] - means[0]) < 0.02
    assert abs(means[2] - means[0]) > 0.15
    assert (em.paths - whole.paths).abs().max() < 0.02


def drawn_rows(seed, replicates, size):
    children = np.random.SeedSequence(seed).spawn(replicates)
    return [np.random.default_rng(child).integers(0, size, size) for child in children]


@pytest.mark.parametrize("missing", ["em", "mean"])
@pytest.mark.parametrize(("size", "share"), [(400, 0.08), (100, 0.2)])
def test_a_replicate_is_a_new_search_in_the_rows_drawn(chain, planted, missing, size, share):
    full = planted(size)
    data = pd.DataFrame(holes(full.to_numpy(), share), columns=full.columns)
    bootstrap = chain.fit(data, missing=missing).bootstrap(12, seed=11)
    assert bootstrap.usable.all()
    again = [chain.fit(data.iloc[drawn], missing=missing) for drawn in drawn_rows(11, 12, size)]
    for name in ("paths", "loadings"):
        refits = np.array([getattr(fit, name) for fit in again])
        errors = np.abs(bootstrap.replicates(name).to_numpy() - refits)
        assert (errors.max(axis=0) < 0.03 * refits.std(axis=0)).all()
    means = np.array([fit.moments.means[0] for fit in again])
    assert (np.abs(bootstrap.moments.means - means).max(axis=0) < 0.02 * means.std(axis=0)).all()


@pytest.mark.parametrize("missing", ["em", "mean"])
def test_means_by_group_are_those_of_a_new_search_in_the_rows_drawn(sample, chain, missing):
    side = pd.Series(np.tile(["left", "right", None, "right"], 100))
    bootstrap = chain.fit(sample, missing=missing).bootstrap(5, seed=2)
    found = bootstrap.group_means(side)
    assert found.cases.tolist() == [100, 200]
    errors, spread = [], found.replicates.std(axis=0)
    for replicate, drawn in enumerate(drawn_rows(2, 5, 400)):
        again = chain.fit(sample.iloc[drawn], missing=missing)
        by_side = pd.DataFrame(again.cases.data).groupby(side.iloc[drawn].to_numpy()).mean().to_numpy()
        errors.append(np.abs(found.replicates[replicate] - by_side))
    assert np.max(errors, axis=0) == pytest.approx(np.zeros_like(spread), abs=0.02 * spread.min())
    everybody = bootstrap.group_means(np.full(400, "all")).replicates[:, 0]
    # Replicates settle to a thousandth of the standard error of a mean, which is 1/20.
    assert everybody == pytest.approx(bootstrap.moments.means, abs=0.001 / 20)


@pytest.mark.parametrize("size", [1, 7])
def test_replicates_do_not_depend_on_batches(sample, chain, monkeypatch, size):
    results = chain.fit(sample, missing="em")
    many = results.bootstrap(20, seed=11).replicates("paths")
    monkeypatch.setattr("crm_utils.pls.draws._REPLICATES_AT_ONCE", size)
    pd.testing.assert_frame_equal(results.bootstrap(20, seed=11).replicates("paths"), many, rtol=0, atol=1e-12)


def test_replicates_in_which_items_determine_each_other_are_counted_as_failed(chain, planted):
    """Sixty cases of which three in ten values are missing: some replicates leave too few to tell nine items apart."""
    full = planted(60)
    data = pd.DataFrame(holes(full.to_numpy(), 0.3, seed=4), columns=full.columns)
    bootstrap = chain.fit(data, missing="em").bootstrap(60, seed=11, min_usable=0.3)
    assert 0 < bootstrap.failed.sum() < 60
    assert bootstrap.intervals("paths").notna().all(axis=None)
    drawn = [rows for rows, failed in zip(drawn_rows(11, 60, 60), bootstrap.failed, strict=True) if failed]
    correlations = [chain_moments(data.iloc[rows].to_numpy(), steps=400) for rows in drawn[:3]]
    assert max(np.linalg.eigvalsh(found)[0] for found in correlations) < 0.01


def chain_moments(values, steps=100):
    """Correlations after some steps of the EM algorithm, case by case."""
    values = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    means, covariances = np.zeros(values.shape[1]), np.eye(values.shape[1])
    for _ in range(steps):
        filled, left = np.array(values), np.zeros_like(covariances)
        for row in filled:
            gone = np.isnan(row)
            slopes = np.linalg.solve(covariances[np.ix_(~gone, ~gone)], covariances[np.ix_(~gone, gone)]).T
            row[gone] = means[gone] + slopes @ (row[~gone] - means[~gone])
            left[np.ix_(gone, gone)] += covariances[np.ix_(gone, gone)] - slopes @ covariances[np.ix_(~gone, gone)]
        means = filled.mean(axis=0)
        covariances = (filled - means).T @ (filled - means) / len(values) + left / len(values)
    return covariances / np.sqrt(np.outer(np.diag(covariances), np.diag(covariances)))


def test_moments_are_those_of_the_algorithm_case_by_case(sample):
    values = sample.to_numpy()[:150]
    found = complete(values, np.ones(150), list(sample), regress=True, where="here")
    assert found.correlations == pytest.approx(chain_moments(values), abs=1e-8)


@pytest.mark.parametrize("regress", [True, False])
def test_growth_is_the_inverse_of_one_minus_the_numerical_derivative(sample, regress):
    completion = complete(sample.to_numpy()[:80, :4], np.ones(80), list("wxyz"), regress=regress, where="here")
    expectation, share = completion.expectation, completion.share
    seen = np.r_[
        share @ expectation.seen, ((expectation.seen * share[:, None]).T @ expectation.seen)[expectation.pairs]
    ]
    start = np.r_[np.zeros(4), completion.correlations[expectation.pairs]]

    def stepped(state):
        return expectation.statistics(share[None], seen[None], *expectation.moments(state[None]))[0]

    assert stepped(start) == pytest.approx(start, abs=1e-8)
    units = 1e-5 * np.eye(len(start))
    derivative = np.stack([(stepped(start + unit) - stepped(start - unit)) / 2e-5 for unit in units], axis=1)
    assert completion.growth == pytest.approx(np.linalg.inv(np.eye(len(start)) - derivative), abs=1e-6)


def test_row_and_item_order_do_not_matter(sample, chain):
    given = chain.fit(sample, missing="em")
    shuffled = chain.fit(sample.sample(frac=1, random_state=1), missing="em")
    backwards = PathModel({name: chain.constructs[name].items[::-1] for name in "cba"}, chain.paths)
    for other in (shuffled, backwards.fit(sample, missing="em")):
        for name in ("paths", "loadings", "r_squared"):
            one, two = (getattr(results, name).sort_index() for results in (given, other))
            pd.testing.assert_series_equal(one, two, rtol=0, atol=1e-10)
        assert (other.scores.sort_index()[list("abc")] - given.scores).abs().max(axis=None) < 1e-10


def test_missing_answers_widen_the_intervals(chain, planted):
    full = planted(400)
    data = full.copy()
    data.loc[data.index % 2 == 0, "c1"] = np.nan
    widths = [
        frame.pipe(lambda given: chain.fit(given, missing="em").bootstrap(400, seed=1).intervals("item_means")).loc[
            ("c", "c1"), "std_error"
        ]
        for frame in (full, data)
    ]
    # Half of the answers, and the other items tell about 60 % of what the rest would have been.
    assert 1.1 < widths[1] / widths[0] < np.sqrt(2)


def test_scores_of_incomplete_cases_are_there_and_the_share_is_told(sample, chain):
    results = chain.fit(sample, missing="em")
    assert results.scores.shape == (400, 3)
    assert results.scores.notna().all(axis=None)
    assert results.missing_share.to_numpy() == pytest.approx(sample.isna().mean().to_numpy())


def test_a_case_without_any_value_is_left_out_and_counted(sample, chain):
    data = sample.copy()
    data.iloc[5] = np.nan
    with pytest.warns(UserWarning, match="1 case has no value for any item"):
        results = chain.fit(data, missing="em")
    assert results.n_cases == 399
    pd.testing.assert_series_equal(results.paths, chain.fit(data.drop(index=5), missing="em").paths)


def test_weights_count_like_repeated_cases(sample, chain):
    mass = np.random.default_rng(8).integers(1, 4, len(sample))
    repeated = sample.loc[sample.index.repeat(mass)].reset_index(drop=True)
    weighted = chain.fit(sample, missing="em", weights=mass).paths
    pd.testing.assert_series_equal(weighted, chain.fit(repeated, missing="em").paths, rtol=0, atol=1e-6)


def test_another_unit_of_an_item_changes_nothing(sample, chain):
    changed = sample.assign(b2=1000 + 25 * sample["b2"])
    one, other = (chain.fit(data, missing="em") for data in (sample, changed))
    pd.testing.assert_series_equal(one.paths, other.paths, rtol=0, atol=1e-10)
    first, second = (fit.bootstrap(30, seed=2).replicates("paths") for fit in (one, other))
    pd.testing.assert_frame_equal(first, second, rtol=0, atol=1e-9)


def test_items_never_seen_together(chain, planted):
    data = planted(200)
    data.loc[:99, "a1"] = np.nan
    data.loc[100:, "b1"] = np.nan
    with pytest.raises(ConvergenceError, match=r"values of both a1 and b1, so that .*Use missing='mean'"):
        chain.fit(data, missing="em")
    assert chain.fit(data, missing="mean").n_cases == 200
    # Each of four quarters is asked other items: more pairs than a message names.
    for quarter, name in enumerate(["a2", "a3", "b2", "b3"]):
        data[name] = data[name].where(data.index % 4 == quarter)
    with pytest.raises(ConvergenceError, match="a1 and b1, of both a2 and a3, of both a2 and b2, nor of 4 more pairs"):
        chain.fit(data, missing="em")


def test_too_few_answers_for_the_number_of_items_are_called_so(chain, planted):
    """Of nine items and thirty cases, six are complete."""
    data = planted(30)
    data.loc[6:, "a1"] = data.loc[6:, "a1"].where(data.index[6:] % 3 == 0)
    data.loc[6:, "c3"] = data.loc[6:, "c3"].where(data.index[6:] % 3 == 1)
    data.loc[6:, "b2"] = data.loc[6:, "b2"].where(data.index[6:] % 3 == 2)
    with pytest.raises(ConvergenceError) as caught:
        chain.fit(data, missing="em")
    message = str(caught.value)
    assert "too few answers for 9 items: of 30 cases only 6 have a value for each of them" in message
    assert "More than half of the cases lack a1, b2, c3. Use missing='mean'" in message
    assert "exactly" not in message
    assert chain.fit(data, missing="mean").n_cases == 30


def test_one_gap_in_a_small_survey_is_no_reason(chain, planted):
    data = planted(60)
    data.loc[0, "a1"] = np.nan
    assert chain.fit(data, missing="em").n_cases == 60


def test_items_that_determine_each_other(chain, planted):
    data = planted(200)
    data["b2"] = 2 * data["b1"] + 1
    data.loc[:20, "c1"] = np.nan
    with pytest.raises(ConvergenceError, match="the items b1, b2 determine each other exactly"):
        chain.fit(data, missing="em")


def test_missing_em_on_a_model_with_weights_of_zero(sample):
    model = PathModel({"a": ["a1", "a2"], "c": ["c1", "c2"]}, [("a", "c")])
    mass = np.r_[np.zeros(100), np.ones(300)]
    weighted = model.fit(sample, missing="em", weights=mass)
    assert weighted.paths.iloc[0] == pytest.approx(model.fit(sample.iloc[100:], missing="em").paths.iloc[0], abs=1e-6)
