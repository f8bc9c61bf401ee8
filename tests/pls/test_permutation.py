"""Labels dealt anew, and the contrast of two groups under them."""

import numpy as np
import pytest

from crm_utils.pls import Construct, PathModel
from crm_utils.pls.permutation import COMPARED, Pair, Relabelings, lower_p, two_sided_p


def dealt(first, clusters=None, n=200, seed=3):
    return np.concatenate(list(Relabelings(first, clusters, n, np.random.SeedSequence(seed)).labels()))


def test_cases_are_dealt_one_by_one_and_every_case_as_often():
    first = np.arange(30) < 10
    labels = dealt(first, n=3000)
    assert (labels.sum(axis=1) == 10).all()
    # 3,000 draws with probability 1/3 have a standard error of 0.0086.
    assert labels.mean(axis=0) == pytest.approx(np.full(30, 1 / 3), abs=0.035)
    pairs = (labels[:, 0] & labels[:, 1]).mean()
    assert pairs == pytest.approx(10 / 30 * 9 / 29, abs=0.025)


def test_a_cluster_in_one_group_gets_its_label_as_a_whole():
    clusters = np.array([5, 5, 5, 2, 2, 9, 9, 9, 9, 4])
    first = np.isin(clusters, [5, 2])
    labels = dealt(first, clusters)
    for cluster in np.unique(clusters):
        own = labels[:, clusters == cluster]
        assert (own == own[:, :1]).all()
    chosen = np.stack([labels[:, clusters == cluster][:, 0] for cluster in (5, 2, 9, 4)], axis=1)
    assert (chosen.sum(axis=1) == 2).all()
    assert len(np.unique(chosen, axis=0)) == 6


def test_a_cluster_in_both_groups_deals_among_its_own_cases():
    clusters = np.array([1, 2, 1, 2, 1, 3, 4, 3])
    first = np.array([True, True, False, False, False, True, False, True])
    labels = dealt(first, clusters)
    assert (labels[:, clusters == 1].sum(axis=1) == 1).all()
    assert (labels[:, clusters == 2].sum(axis=1) == 1).all()
    assert labels[:, clusters == 1].any(axis=0).all()
    assert set(map(tuple, labels[:, [5, 6, 7]].tolist())) == {(True, False, True), (False, True, False)}


def test_a_replicate_does_not_depend_on_how_many_there_are():
    first = np.arange(25_000) < 9_000
    many = Relabelings(first, None, 170, np.random.SeedSequence(5)).labels()
    sizes = []
    few = dealt(first, n=3, seed=5)
    for number, batch in enumerate(many):
        sizes.append(len(batch))
        if number == 0:
            assert (batch[:3] == few).all()
    assert sizes == [160, 10]


def test_p_values_count_the_observed_one_and_ties():
    permuted = np.array([[1.0, -2.0], [-1.0, 0.5], [0.2, 0.1], [0.4, 3.0]])
    assert two_sided_p(np.array([-1.0, 2.0]), permuted).tolist() == [3 / 5, 3 / 5]
    assert lower_p(np.array([0.2, -5.0]), permuted).tolist() == [3 / 5, 1 / 5]


def test_rounding_is_no_difference():
    permuted = np.array([[0.1 + 0.2], [0.0], [0.0]])
    assert two_sided_p(np.array([0.3]), permuted).tolist() == [0.5]
    assert lower_p(np.array([1.0]), np.array([[1 + 1e-15], [1.0]])).tolist() == [1.0]
    assert np.isnan(two_sided_p(np.array([0.0]), np.full((4, 1), 1e-16))).all()


@pytest.fixture
def labelled(planted):
    data = planted(90)
    return data.assign(first=np.arange(90) % 3 == 0, weight=np.linspace(0.2, 2, 90))


def contrast(model, data, labels, **options):
    consistent = options.pop("consistent", False)
    pooled = model.fit(data, **options)
    ways = model.fit(data, consistent=consistent, **options).options
    return Pair(pooled, ways, pooled.estimates.loadings[0]).contrast([labels])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scheme": "centroid", "standardize": False},
        {"weights": "weight"},
        {"consistent": True, "scheme": "factorial"},
    ],
)
def test_a_replicate_is_the_separate_fits_of_both_halves(labelled, chain, options):
    labels = dealt(labelled["first"].to_numpy(), n=4)
    found = contrast(chain, labelled, labels, **options)
    halves = [chain.fit(labelled[half], **options) for half in (labels[2], ~labels[2])]
    for name in COMPARED:
        expected = [getattr(fit, name, None) for fit in halves]
        if name in ("alpha", "rho_a", "rho_c", "ave"):
            expected = [fit.reliability[name] for fit in halves]
        elif name == "construct_correlations":
            expected = [fit.construct_correlations.to_numpy()[np.triu_indices(3, 1)] for fit in halves]
        difference = np.asarray(expected[0]) - np.asarray(expected[1])
        assert found.differences[name][2] == pytest.approx(difference, abs=1e-10), name


@pytest.mark.parametrize("missing", ["mean", "em"])
def test_missing_values_are_dealt_with_in_each_half(labelled, chain, missing):
    holes = np.random.default_rng(4).random((90, 9)) < 0.08
    data = labelled.copy()
    data[list(chain.items)] = data[list(chain.items)].mask(holes)
    labels = dealt(data["first"].to_numpy(), n=3)
    found = contrast(chain, data, labels, missing=missing)
    halves = [chain.fit(data[half], missing=missing) for half in (labels[1], ~labels[1])]
    expected = (halves[0].paths - halves[1].paths).to_numpy()
    # Moments of a replicate are exact to a thousandth of a standard error.
    assert found.differences["paths"][1] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("standardize", [True, False])
def test_score_correlations_are_those_of_the_scores_by_either_weights(labelled, chain, standardize):
    data = labelled.assign(b2=3 * labelled["b2"] + labelled["a1"])
    labels = dealt(data["first"].to_numpy(), n=2)
    found = contrast(chain, data, labels, standardize=standardize)
    halves = [chain.fit(data[half], standardize=standardize) for half in (labels[0], ~labels[0])]
    for position, construct in enumerate("abc"):
        items = [f"{construct}{i}" for i in (1, 2, 3)]
        values = data[items].to_numpy()
        if standardize:
            values = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
            scores = [values @ fit.weights[construct].to_numpy() for fit in halves]
        else:
            scores = [values @ fit.unstandardized_weights[construct].to_numpy() for fit in halves]
        assert found.correlations[0, position] == pytest.approx(np.corrcoef(*scores)[0, 1], abs=1e-12)


def test_means_and_variances_are_those_of_the_common_scores(labelled, chain):
    labels = labelled["first"].to_numpy()
    found = contrast(chain, labelled, labels[None])
    scores = chain.fit(labelled).scores
    groups = scores.groupby(labels)
    means, variances = groups.mean(), groups.var()
    assert found.mean_differences[0] == pytest.approx((means.loc[True] - means.loc[False]).to_numpy())
    assert found.log_variance_ratios[0] == pytest.approx(np.log(variances.loc[True] / variances.loc[False]).to_numpy())


def test_variances_include_what_is_left_of_missing_values(planted, chain):
    data = planted(10_000)
    first = np.arange(10_000) < 5_000
    items = list(chain.items)
    truth = contrast(chain, data, first[None]).log_variance_ratios[0]
    holes = (np.random.default_rng(1).random((10_000, 9)) < 0.3) & first[:, None]
    data[items] = data[items].mask(holes)
    error = contrast(chain, data, first[None], missing="em").log_variance_ratios[0] - truth
    # Scores from expected values alone vary less where values are missing.
    filled = chain.fit(data, missing="em").scores.groupby(first).var()
    narrowed = np.log(filled.loc[True] / filled.loc[False]).to_numpy() - truth
    assert (narrowed < -0.08).all()
    assert np.abs(error).max() < 0.03


def test_a_half_that_cannot_be_estimated_is_marked(labelled):
    data = labelled.assign(a1=np.arange(90) < 2)
    model = PathModel({"a": Construct(["a1"]), "b": ["b1", "b2"]}, [("a", "b")])
    labels = np.stack([np.arange(90) % 2 == 0, np.arange(90) < 40])
    assert contrast(model, data.astype(float), labels).usable.tolist() == [True, False]
