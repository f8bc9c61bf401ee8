"""Prediction out of sample: refits, another program's errors, planted winners, and what must not matter."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from crm_utils.errors import ConvergenceError, DataFloorError, ItemWarning, ParameterError
from crm_utils.plotting import alt_text
from crm_utils.pls import Construct, PathModel
from crm_utils.pls.cross_validation import cross_validate
from crm_utils.pls.prediction import compare_predictions
from crm_utils.pls.prediction import predict_out_of_sample as predict
from crm_utils.pls.prediction_plots import plot_prediction, prediction_table
from crm_utils.pls.prediction_results import AVERAGE, LINEAR, PATH_MODEL

# The order in which seminr dealt the cases of mobi, 25 to a fold.
SEMINR_ORDER = """
45 240 12 116 42 154 112 227 165 100 235 171 67 70 180 47 48 121 134 114 157 231 21 248 194 182 39 24 88 158 189 59 90
181 200 160 187 125 15 246 214 144 204 87 178 202 145 215 243 132 133 222 150 19 219 26 176 25 203 2 54 237 31 223 141
216 66 244 185 80 37 1 247 169 151 179 130 238 104 34 190 109 239 103 119 241 83 177 17 156 110 148 11 217 220 143 9 105
226 76 40 172 123 3 218 166 242 142 234 28 35 81 162 41 139 161 209 106 173 53 89 210 164 50 63 250 199 14 129 52 55 138
33 74 79 168 97 61 207 136 96 27 108 230 140 10 206 211 68 91 94 236 36 228 117 86 77 29 38 62 64 78 155 13 225 98 249
18 85 16 183 205 224 111 32 128 84 30 197 221 8 71 126 92 115 212 20 170 153 101 232 192 5 146 113 65 159 22 137 175 195
107 72 56 213 191 149 135 60 102 6 147 167 198 73 152 233 82 196 188 75 44 127 57 118 69 163 229 245 46 208 49 120 184
186 4 122 201 23 99 174 7 193 58 51 124 93 131 95 43
"""
SEMINR_ITEMS = (
    "CUEX1 CUEX2 CUEX3 PERQ1 PERQ2 PERQ3 PERQ4 PERQ5 PERQ6 PERQ7 PERV1 PERV2 CUSA1 CUSA2 CUSA3 CUSCO CUSL1 CUSL2 CUSL3"
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def sample(planted):
    return planted(120)


@pytest.fixture
def seminr_folds():
    folds = np.empty((1, 250), dtype=int)
    folds[0, np.array(SEMINR_ORDER.split(), dtype=int) - 1] = np.arange(250) // 25
    return folds


def predictors_of(model, target, technique):
    names = model.predecessors(target)
    if technique == "earliest":
        names = [name for name in model.constructs if not model.predecessors(name)]
    return [item for name in names for item in model.constructs[name].items]


def chain_of_scores(model, fit, train, test, technique):
    """Items by way of the scores: weights, paths, loadings, all from the refit's own tables."""
    means, spreads = train["mean"], train["sd"]
    standard = (test[list(model.items)] - means) / spreads
    scores = {
        name: standard[list(block.items)] @ fit.weights[name][list(block.items)]
        for name, block in model.constructs.items()
    }
    expected = {}
    for target in model.constructs:
        if not model.predecessors(target):
            continue
        if technique == "direct":
            score = sum(fit.paths[source, target] * scores[source] for source in model.predecessors(target))
        else:
            first = [name for name in model.constructs if not model.predecessors(name)]
            score = sum(fit.total_effects.get((name, target), 0.0) * scores[name] for name in first)
        for item in model.constructs[target].items:
            expected[item] = means[item] + spreads[item] * fit.loadings[target, item] * score
    return pd.DataFrame(expected)


def refits(model, data, folds, technique, *, mass=None, **options):
    """Squared errors of path model, linear model and mean, each fold from a fit of its own; mean over repeats."""
    mass = np.ones(len(data)) if mass is None else mass
    outcomes = [item for name in model.constructs if model.predecessors(name) for item in model.constructs[name].items]
    squared = np.zeros((3, len(data), len(outcomes)))
    for numbers in folds:
        for fold in np.unique(numbers):
            inside, outside = numbers == fold, numbers != fold
            train, test, weight = data[outside], data[inside], mass[outside]
            fit = model.fit(train, weights=weight, **options)
            mean = pd.Series(np.average(train[list(model.items)], axis=0, weights=weight), list(model.items))
            variance = np.average((train[list(model.items)] - mean) ** 2, axis=0, weights=weight)
            moments = {"mean": mean, "sd": pd.Series(np.sqrt(variance), list(model.items))}
            ours = chain_of_scores(model, fit, moments, test, technique)
            lines, flat = {}, {}
            for target in model.constructs:
                for item in model.constructs[target].items if model.predecessors(target) else ():
                    names = predictors_of(model, target, technique)
                    line = LinearRegression().fit(train[names], train[item], sample_weight=weight)
                    lines[item], flat[item] = line.predict(test[names]), np.full(len(test), mean[item])
            for method, predicted in enumerate((ours, pd.DataFrame(lines), pd.DataFrame(flat))):
                errors = test[outcomes].to_numpy() - predicted[outcomes].to_numpy()
                squared[method, inside] += errors**2 / len(folds)
    return squared


@pytest.mark.parametrize("technique", ["earliest", "direct"])
@pytest.mark.parametrize("kind", ["plain", "mode B", "weighted", "covariances"])
def test_every_fold_is_predicted_by_a_refit_without_it(sample, chain, technique, kind):
    options, mass, model = {}, None, chain
    if kind == "mode B":
        model = PathModel({**chain.constructs, "a": Construct(["a1", "a2", "a3"], mode="B")}, chain.paths)
    if kind == "weighted":
        mass = np.random.default_rng(1).uniform(0.2, 3, len(sample))
    if kind == "covariances":
        options = {"standardize": False}
        sample = sample * [1, 2, 1, 3, 1, 1, 1, 0.5, 1]
    results = predict(model, sample, technique=technique, folds=5, repeats=2, seed=3, weights=mass, **options)
    squared = refits(model, sample, results.folds, technique, mass=mass, **options)
    assert results.squared == pytest.approx(squared, abs=1e-8)
    rmse = np.sqrt(np.average(squared, axis=1, weights=mass))
    table = results.items[["rmse", "lm_rmse", "ia_rmse"]]
    assert table.to_numpy() == pytest.approx(rmse.T, abs=1e-8)
    assert results.items["q2_predict"].to_numpy() == pytest.approx(1 - (rmse[0] / rmse[2]) ** 2, abs=1e-8)


def implied_predictions(model, fit, train, test, technique):
    """The regression that a consistent estimate implies, from its tables: loadings, construct correlations, paths."""
    names, order = list(model.items), list(model.constructs)
    phi = fit.construct_correlations.to_numpy().copy()
    for target in order:  # constructs of these tests are in causal order
        before = order[: order.index(target)]
        if model.predecessors(target):
            for name in before:
                i, j = order.index(name), order.index(target)
                phi[i, j] = phi[j, i] = sum(
                    fit.paths[source, target] * phi[i, order.index(source)] for source in model.predecessors(target)
                )
    owner = [order.index(name) for name, block in model.constructs.items() for _ in block.items]
    loading = fit.loadings.to_numpy()
    sigma = np.outer(loading, loading) * phi[np.ix_(owner, owner)]
    observed = train[names].corr().to_numpy()
    for position, name in enumerate(order):
        block = model.constructs[name]
        if block.mode == "B":
            inside = np.flatnonzero(np.array(owner) == position)
            sigma[np.ix_(inside, inside)] = observed[np.ix_(inside, inside)]
    np.fill_diagonal(sigma, 1.0)
    sigma = pd.DataFrame(sigma, names, names)
    standard = (test[names] - train[names].mean()) / train[names].std()
    expected = {}
    for target in order:
        for item in model.constructs[target].items if model.predecessors(target) else ():
            used = predictors_of(model, target, technique)
            slopes = np.linalg.solve(sigma.loc[used, used], sigma.loc[used, item])
            expected[item] = train[item].mean() + train[item].std() * (standard[used] @ slopes)
    return pd.DataFrame(expected)


@pytest.mark.parametrize("technique", ["earliest", "direct"])
@pytest.mark.parametrize("mode", ["A", "B"])
def test_consistent_estimates_predict_by_the_regression_that_they_imply(planted, chain, technique, mode):
    data = planted(300)
    model = PathModel({**chain.constructs, "b": Construct(["b1", "b2", "b3"], mode=mode)}, chain.paths)
    results = predict(model, data, technique=technique, consistent=True, folds=3, repeats=1, seed=3)
    for fold in range(3):
        inside = results.folds[0] == fold
        train, test = data[~inside], data[inside]
        expected = implied_predictions(model, model.fit(train, consistent=True), train, test, technique)
        assert results.predicted[inside] == pytest.approx(expected.to_numpy(), abs=1e-8)


def test_of_common_factors_the_consistent_prediction_is_the_best_there_is(planted, chain):
    """The planted items have the loading 0.8: what the best regression leaves of them is known."""
    data = planted(20_000)
    consistent, plain = (predict(chain, data, seed=1, repeats=1, consistent=how).items for how in (True, False))
    reliability = 3 * 0.64 / (3 * 0.64 + 0.36)  # of the best weights of three items with the loading 0.8
    total = {"b": 0.6, "c": 0.3 + 0.6 * 0.4}
    best = np.sqrt([1 - 0.64 * total[name] ** 2 * reliability for name in consistent["construct"]])
    assert consistent["rmse"].to_numpy() == pytest.approx(best, abs=0.015)
    # Refers to this sample, and so holds more closely.
    assert consistent["rmse"].to_numpy() == pytest.approx(consistent["lm_rmse"].to_numpy(), abs=5e-4)
    assert consistent["rmse"].to_numpy() == pytest.approx(plain["rmse"].to_numpy(), abs=5e-4)


def test_mobi_small_model_against_seminr(mobi, small, seminr_folds):
    """M8_predict_m1_da.json of the repository sem-in-r/seminr-ts: output of seminr for R.

    predict_pls(technique = predict_DA, noFolds = 10) after set.seed(789), with the order in which cases were dealt.
    Value is of mode B.
    """
    blocks = {**small.constructs, "value": Construct(["PERV1", "PERV2"], mode="B")}
    fit = PathModel(blocks, small.paths).fit(mobi)
    results = cross_validate(fit, seminr_folds, targets=("satisfaction",), technique="direct", level=0.95)
    first = [
        [6.33090555969204, 4.53701710781566, 4.82820996440354],
        [9.5096397482196, 9.52748819689851, 9.69379787186359],
    ]
    assert results.predictions.to_numpy()[:2] == pytest.approx(np.array(first), abs=1e-8)
    table = results.items
    assert table["rmse"].tolist() == pytest.approx([0.98955019336394, 1.44553197237057, 1.26959037268626], abs=1e-9)
    assert table["mae"].tolist() == pytest.approx([0.748873886960572, 1.05262551660492, 0.910559520850883], abs=1e-9)
    assert table["lm_rmse"].tolist() == pytest.approx([0.988467162259992, 1.49139394881294, 1.29833047949086], abs=1e-9)
    assert table["lm_mae"].tolist() == pytest.approx([0.759849526113798, 1.0935908877242, 0.92546184766591], abs=1e-9)


# RMSE of PLS and of LM, in the order of the items above.
SEMINR_ECSI = {
    "earliest": (
        """
        1.53453104477891 1.65649968255403 2.02906341329147 1.24717723432889 1.78107096893543
        1.60775490928273 1.51600295964121 1.29465460900852 1.45981611150456 1.64328480100419
        2.07190072846427 1.70071490125283 1.07054314018543 1.55460107101584 1.46048194347393
        2.09478949622333 2.43932765600414 2.83433109878241 1.92431112952082
        """,
        """
        1.57399467074006 1.71020295242169 2.01924840415854 1.12944276014686 1.58252386802739
        1.47449631271254 1.49068653210294 1.19444498333853 1.43093070891188 1.5263952310693 2.01263167386919
        1.54584303062202 1.02721850876159 1.55586836629645 1.39220141571568 1.99914534137038
        2.42677095776882 2.83682718015509 1.91181924011287
        """,
    ),
    "direct": (
        """
        1.53453104477891 1.65649968255403 2.02906341329147 1.2329000852893 1.80541007839672 1.65093538223665
        1.53188627223344 1.33024178501822 1.46637022434641 1.69226821761714 1.93438408734216
        1.49124228203857 0.940625411429569 1.32757136107294 1.22188581357598 1.9381549328739
        2.39995172449212 2.83738838984046 1.68093067102707
        """,
        """
        1.57399467074006 1.71020295242169 2.01924840415854 1.21442463231984 1.81084079178875
        1.65537064338326 1.55421653978159 1.33632160484102 1.48825508619106 1.70571529852307
        1.95910884950786 1.52440925003794 0.955934140325275 1.35562433312642 1.23617950201812
        1.91727811337762 2.38647005269882 2.87769454555678 1.67513382826253
        """,
    ),
}


@pytest.mark.parametrize("technique", ["earliest", "direct"])
def test_mobi_ecsi_against_seminr(mobi, ecsi, seminr_folds, technique):
    """RMSE of PLS and of LM in M8_predict_m2_ea.json and M8_predict_m2_da.json of sem-in-r/seminr-ts, as above."""
    targets = tuple(name for name in ecsi.constructs if ecsi.predecessors(name))
    results = cross_validate(ecsi.fit(mobi), seminr_folds, targets=targets, technique=technique, level=0.95)
    table = results.items.set_index("item").loc[SEMINR_ITEMS.split()]
    for column, given in zip(("rmse", "lm_rmse"), SEMINR_ECSI[technique], strict=True):
        assert table[column].tolist() == pytest.approx([float(number) for number in given.split()], abs=2e-9)


def test_single_items_and_all_paths_are_the_linear_model(sample):
    model = PathModel({"a": ["a1"], "b": ["b1"], "c": ["c1"]}, [("a", "c"), ("b", "c")])
    results = predict(model, sample, seed=1, repeats=3)
    assert results.squared[0] == pytest.approx(results.squared[1], abs=1e-10)
    assert results.items["lower_rmse"].tolist() == ["equal"]
    assert results.items["lower_share"].tolist() == [0.0]
    assert results.predictive_power == "none"
    assert "lower RMSE than both benchmarks in 0 of 1 items. In 1 it is equal to" in results.verdict
    test = results.cvpat.set_index(["construct", "benchmark"]).loc[("c", LINEAR)]
    assert test["difference"] == pytest.approx(0, abs=1e-10)


def test_the_path_model_wins_where_it_holds_and_cases_are_few():
    rng = np.random.default_rng(5)
    mood = rng.normal(size=70)
    loyal = 0.7 * mood + np.sqrt(1 - 0.49) * rng.normal(size=70)
    columns = {f"m{i}": mood + rng.normal(size=70) for i in range(20)}
    columns |= {f"l{i}": loyal + 0.5 * rng.normal(size=70) for i in range(4)}
    model = PathModel({"mood": [f"m{i}" for i in range(20)], "loyal": [f"l{i}" for i in range(4)]}, [("mood", "loyal")])
    results = predict(model, pd.DataFrame(columns), seed=1)
    assert results.predictive_power == "high"
    assert results.items["lower_share"].eq(1).all()
    against = results.cvpat.set_index(["construct", "benchmark"])
    for benchmark in (LINEAR, AVERAGE):
        row = against.loc[("loyal", benchmark)]
        assert row["high"] < 0
        assert row["p_value"] < 0.05
    # The linear model fits the cases it knows better: that is what it loses by.
    assert (results.items["lm_in_sample_rmse"] < results.items["in_sample_rmse"]).all()
    assert (results.items["in_sample_rmse"] < results.items["rmse"]).all()


def test_the_path_model_loses_where_an_item_has_an_effect_of_its_own(planted, chain):
    data = planted(300)
    for item in ("c1", "c2", "c3"):
        data[item] += data["a1"] - data["a3"]
    results = predict(chain, data, target="c", seed=1)
    assert results.predictive_power == "none"
    assert results.verdict.startswith(
        "No predictive power: the path model has a lower RMSE than both benchmarks in 0 of 3"
    )
    assert results.items["lower_rmse"].eq(LINEAR).all()
    row = results.cvpat.set_index(["construct", "benchmark"]).loc[("c", LINEAR)]
    assert row["low"] > 0


def test_noise_is_predicted_as_well_as_by_its_mean():
    data = pd.DataFrame(np.random.default_rng(3).normal(size=(3000, 3)), columns=["x", "y", "z"])
    results = predict(PathModel({"a": ["x"], "b": ["y", "z"]}, [("a", "b")]), data, seed=1)
    assert results.items["q2_predict"].to_numpy() == pytest.approx(0, abs=0.005)
    against = results.cvpat.set_index(["construct", "benchmark"]).loc[("b", AVERAGE)]
    assert against["p_value"] > 0.05


def test_an_item_no_better_than_its_mean_does_not_count(planted):
    rng = np.random.default_rng(8)
    data = planted(60).assign(**{f"n{i}": rng.normal(size=60) for i in range(5)})
    model = PathModel({"a": ["a1", "a2", "a3"], "n": [f"n{i}" for i in range(5)]}, [("a", "n")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ItemWarning)
        results = predict(model, data, seed=1)
    table = results.items
    weak = table["q2_predict"] <= 0
    assert (weak & (table["lower_rmse"] == PATH_MODEL)).any()
    assert results.better.tolist() == (~weak & (table["lower_rmse"] == PATH_MODEL)).tolist()
    assert f"No better than the mean in {weak.sum()} (" in results.verdict


@pytest.mark.parametrize(
    ("lower", "power"),
    [
        ([1, 1, 1, 1], "high"),
        ([1, 1, 1, 0], "medium"),
        ([1, 1, 0, 0], "medium"),
        ([1, 0, 0, 0], "low"),
        ([0] * 4, "none"),
    ],
)
def test_the_guideline_of_shmueli_and_others(sample, chain, monkeypatch, lower, power):
    results = predict(chain, sample, seed=1, repeats=1)
    monkeypatch.setattr(type(results), "better", np.array(lower, dtype=bool))
    assert results.predictive_power == power
    assert results.verdict.startswith(f"{power if power != 'none' else 'no'} predictive power".capitalize())


def test_cvpat_is_the_paired_t_test_of_the_losses(sample, chain):
    results = predict(chain, sample, seed=1, folds=5, repeats=2, level=0.9)
    squared = refits(chain, sample, results.folds, "earliest")
    table = results.cvpat.set_index(["construct", "benchmark"])
    chosen = {"b": slice(0, 3), "c": slice(3, 6), "overall": slice(0, 6)}
    for construct, items in chosen.items():
        ours = squared[0][:, items].mean(axis=1)
        for benchmark, number in ((LINEAR, 1), (AVERAGE, 2)):
            other = squared[number][:, items].mean(axis=1)
            row, expected = table.loc[(construct, benchmark)], stats.ttest_rel(ours, other)
            assert [row["loss"], row["benchmark_loss"]] == pytest.approx([ours.mean(), other.mean()])
            assert [row["t"], row["p_value"]] == pytest.approx([expected.statistic, expected.pvalue])
            interval = expected.confidence_interval(0.9)
            assert [row["low"], row["high"]] == pytest.approx([interval.low, interval.high])
            assert row["difference"] / row["std_error"] == pytest.approx(row["t"])


def test_two_models_are_compared_on_the_same_folds(sample, chain):
    one = predict(chain, sample, target="c", seed=1, folds=5, repeats=2, technique="direct")
    shorter = PathModel({name: chain.constructs[name] for name in "ac"}, [("a", "c")])
    other = predict(shorter, sample, seed=1, folds=5, repeats=2, technique="direct")
    table = compare_predictions(one, other)
    assert table["construct"].tolist() == ["c", "overall"]
    losses = [refits(model, sample, one.folds, "direct")[0][:, -3:].mean(axis=1) for model in (chain, shorter)]
    expected = stats.ttest_rel(*losses)
    assert table["t"].tolist() == pytest.approx([expected.statistic] * 2)
    assert table["p_value"].tolist() == pytest.approx([expected.pvalue] * 2)
    assert table[["loss", "other_loss"]].iloc[0].tolist() == pytest.approx([loss.mean() for loss in losses])
    assert table["difference"][0] < 0
    back = compare_predictions(other, one)
    assert back["difference"].tolist() == pytest.approx((-table["difference"]).tolist())
    itself = compare_predictions(one, one)
    assert itself["difference"].tolist() == [0, 0]
    assert itself["t"].isna().all()


def test_models_that_cannot_be_compared(sample, chain):
    one = predict(chain, sample, seed=1, repeats=2)
    with pytest.raises(ParameterError, match="the folds differ; give both models the same seed, folds, repeats"):
        compare_predictions(one, predict(chain, sample, seed=2, repeats=2))
    with pytest.raises(ParameterError, match="the folds differ"):
        compare_predictions(one, predict(chain, sample, seed=1, repeats=3))
    with pytest.raises(ParameterError, match=r"the cases differ \(120 and 119\)"):
        compare_predictions(one, predict(chain, sample.iloc[1:], seed=1, repeats=2))
    with pytest.raises(ParameterError, match="the weights of the cases differ"):
        compare_predictions(one, predict(chain, sample, seed=1, repeats=2, weights=np.arange(1, 121)))
    with pytest.raises(
        ParameterError, match=r"2 problems:\n.*the levels differ \(0.95 and 0.9\)(?s:.)*b1 of b, b2 of b"
    ):
        compare_predictions(one, predict(chain, sample, seed=1, repeats=2, target="c", level=0.9))
    with pytest.raises(ParameterError, match="the values of the items predicted differ"):
        compare_predictions(one, predict(chain, sample.assign(c1=-sample["c1"].to_numpy() * -2), seed=1, repeats=2))
    with pytest.raises(ParameterError, match="other must be a PredictionResults, and is DataFrame"):
        compare_predictions(one, one.items)


def test_clusters_stay_together_and_count_once(sample, chain):
    """Every case three times, as one cluster: the same folds, errors and standard errors as once."""
    tripled = pd.concat([sample] * 3, ignore_index=True)
    people = np.tile(np.arange(120), 3)
    once, together = predict(chain, sample, seed=1), predict(chain, tripled, seed=1, clusters=people)
    for numbers in together.folds:
        assert pd.Series(numbers).groupby(people).nunique().eq(1).all()
    assert together.folds[:, :120].tolist() == once.folds.tolist()
    numbers = ["rmse", "mae", "lm_rmse", "q2_predict"]
    assert together.items[numbers].to_numpy() == pytest.approx(once.items[numbers].to_numpy(), abs=1e-10)
    numbers = ["difference", "std_error", "low", "high", "t", "p_value"]
    assert together.cvpat[numbers].to_numpy() == pytest.approx(once.cvpat[numbers].to_numpy(), abs=1e-8)
    # Split apart, each case is learnt from by its copies.
    apart = predict(chain, tripled, seed=1)
    assert (apart.items["lm_rmse"] < together.items["lm_rmse"]).all()
    assert (apart.cvpat["std_error"] < 0.8 * together.cvpat["std_error"]).all()


def test_a_weight_is_as_many_cases(sample, chain):
    times = np.random.default_rng(2).integers(1, 4, 120)
    weighted = predict(chain, sample, seed=1, repeats=2, weights=times)
    rows = np.repeat(np.arange(120), times)
    repeated = predict(chain, sample.iloc[rows].reset_index(drop=True), seed=1, repeats=2, clusters=rows)
    numbers = ["rmse", "mae", "lm_rmse", "lm_mae", "q2_predict", "rmse_sd", "in_sample_rmse", "lm_in_sample_rmse"]
    assert weighted.items[numbers].to_numpy() == pytest.approx(repeated.items[numbers].to_numpy(), abs=1e-10)
    numbers = ["loss", "benchmark_loss", "difference", "std_error", "t"]
    assert weighted.cvpat[numbers].to_numpy() == pytest.approx(repeated.cvpat[numbers].to_numpy(), abs=1e-8)


def test_cases_without_weight_are_as_if_not_there(sample, chain):
    mass = np.r_[np.zeros(20), np.ones(100)]
    some, rest = predict(chain, sample, seed=1, weights=mass), predict(chain, sample.iloc[20:], seed=1)
    assert some.n_cases == 100
    pd.testing.assert_frame_equal(some.items, rest.items)
    pd.testing.assert_frame_equal(some.predictions, rest.predictions)


def test_the_order_of_the_rows_does_not_matter(sample, chain):
    people = pd.Series(np.arange(120) // 2)
    mixed = np.random.default_rng(4).permutation(120)
    for clusters in (None, people):
        given = None if clusters is None else clusters.iloc[mixed].to_numpy()
        one = predict(chain, sample, seed=1, repeats=2, clusters=clusters)
        other = predict(chain, sample.iloc[mixed], seed=1, repeats=2, clusters=given)
        assert (other.folds == one.folds[:, mixed]).all()
        pd.testing.assert_frame_equal(other.items, one.items, rtol=0, atol=1e-10)
        pd.testing.assert_frame_equal(other.cvpat, one.cvpat, rtol=0, atol=1e-8)


@pytest.mark.parametrize("labels", [["same"] * 120, [1, "one", *range(2, 120)]])
def test_labels_without_an_order_are_dealt_by_position(sample, chain, labels):
    one, other = predict(chain, sample, seed=1), predict(chain, sample.set_axis(labels), seed=1)
    assert (one.folds == other.folds).all()
    pd.testing.assert_frame_equal(one.items, other.items)


def test_units_carry_through(sample, chain):
    one = predict(chain, sample, seed=1, repeats=2).items.set_index("item")
    other = predict(chain, sample.assign(c2=7 + 10 * sample["c2"], a1=0.01 * sample["a1"] + 5), seed=1, repeats=2)
    table = other.items.set_index("item")
    for column in ("rmse", "rmse_sd", "mae", "lm_rmse", "lm_mae", "ia_rmse", "in_sample_rmse", "lm_in_sample_rmse"):
        assert table.loc["c2", column] == pytest.approx(10 * one.loc["c2", column])
        assert table.loc["b1", column] == pytest.approx(one.loc["b1", column])
    assert table["q2_predict"].to_numpy() == pytest.approx(one["q2_predict"].to_numpy())


def test_a_target_has_the_errors_that_it_has_among_all(sample, chain):
    every, only = predict(chain, sample, seed=1), predict(chain, sample, seed=1, target=["c"])
    table = every.items.query("construct == 'c'").reset_index(drop=True)
    pd.testing.assert_frame_equal(only.items, table)
    assert predict(chain, sample, seed=1, target="c").predictions.columns.tolist() == [
        ("c", f"c{i}") for i in (1, 2, 3)
    ]
    rows = every.cvpat.query("construct == 'c'").set_index("benchmark")
    mine = only.cvpat.query("construct == 'c'").set_index("benchmark")
    pd.testing.assert_frame_equal(mine, rows)


def test_without_constructs_in_between_both_techniques_agree(sample):
    blocks = {name: [f"{name}{i}" for i in (1, 2, 3)] for name in "abc"}
    model = PathModel(blocks, [("a", "c"), ("b", "c")])
    one, other = (predict(model, sample, seed=1, technique=technique) for technique in ("earliest", "direct"))
    pd.testing.assert_frame_equal(one.items, other.items)


def test_folds_are_of_equal_size_and_each_repeat_has_its_own(sample, chain):
    results = predict(chain, sample.iloc[:103], folds=10, repeats=4, seed=5)
    sizes = [np.bincount(numbers) for numbers in results.folds]
    assert {tuple(sorted(size)) for size in sizes} == {(10,) * 7 + (11,) * 3}
    assert len({tuple(numbers) for numbers in results.folds}) == 4
    fewer = predict(chain, sample.iloc[:103], folds=10, repeats=2, seed=5)
    assert (fewer.folds == results.folds[:2]).all()
    assert fewer.by_repeat == pytest.approx(results.by_repeat[:, :2])
    assert (predict(chain, sample.iloc[:103], repeats=2, seed=6).folds != fewer.folds).any()


@pytest.mark.parametrize("size", [1, 7])
def test_training_sets_do_not_depend_on_batches(sample, chain, monkeypatch, size):
    one = predict(chain, sample, repeats=2, seed=5)
    monkeypatch.setattr("crm_utils.pls.cross_validation._SETS_AT_ONCE", size)
    pd.testing.assert_frame_equal(one.items, predict(chain, sample, repeats=2, seed=5).items, rtol=0, atol=1e-12)


def test_each_case_by_itself(sample, chain):
    results = predict(chain, sample.iloc[:25], folds=25, repeats=1, seed=5)
    other = predict(chain, sample.iloc[:25], folds=25, repeats=1, seed=6)
    pd.testing.assert_frame_equal(results.items, other.items, rtol=0, atol=1e-10)
    assert results.squared == pytest.approx(refits(chain, sample.iloc[:25], results.folds, "earliest"), abs=1e-8)


def test_spread_over_repeats_and_share_of_repeats(sample, chain):
    results = predict(chain, sample, folds=4, repeats=3, seed=5)
    by_repeat = np.array([refits(chain, sample, numbers[None], "earliest").mean(axis=1) for numbers in results.folds])
    assert results.by_repeat == pytest.approx(by_repeat.transpose(1, 0, 2), abs=1e-8)
    roots = np.sqrt(by_repeat)
    assert results.items["rmse_sd"].to_numpy() == pytest.approx(roots[:, 0].std(axis=0, ddof=1), abs=1e-8)
    assert results.items["lower_share"].to_numpy() == pytest.approx((roots[:, 0] < roots[:, 1]).mean(axis=0))
    assert predict(chain, sample, repeats=1, seed=5).items["rmse_sd"].isna().all()


def test_errors_in_sample_are_those_of_the_model_of_all_cases(sample, chain):
    table = predict(chain, sample, repeats=1, seed=5, technique="direct").items.set_index("item")
    fit = chain.fit(sample)
    moments = {"mean": sample.mean(), "sd": sample.std()}
    errors = sample - chain_of_scores(chain, fit, moments, sample, "direct")
    names = ["a1", "a2", "a3", "b1", "b2", "b3"]
    residuals = sample["c2"] - LinearRegression().fit(sample[names], sample["c2"]).predict(sample[names])
    for item in ("b1", "c2"):
        assert table.loc[item, "in_sample_rmse"] == pytest.approx(np.sqrt((errors[item] ** 2).mean()))
    assert table.loc["c2", "lm_in_sample_rmse"] == pytest.approx(np.sqrt((residuals**2).mean()))


def holes(data, share=0.12, seed=3):
    gone = np.random.default_rng(seed).random(data.shape) < share
    gone[gone.all(axis=1), 0] = False
    return data.mask(gone)


def test_listwise_is_the_cases_that_are_complete(planted, chain):
    data = holes(planted(200), 0.04)
    one, other = predict(chain, data, missing="listwise", seed=1), predict(chain, data.dropna(), seed=1)
    pd.testing.assert_frame_equal(one.items, other.items)


@pytest.mark.parametrize("technique", ["earliest", "direct"])
@pytest.mark.parametrize("missing", ["mean", "em"])
def test_missing_values_are_expected_from_the_training_cases(planted, chain, technique, missing):
    data = holes(planted(200))
    results = predict(chain, data, missing=missing, folds=4, repeats=1, seed=1, technique=technique)
    names = list(chain.items)
    inside = results.folds[0] == 2
    fit = chain.fit(data[~inside], missing=missing)
    mean, sd, sigma = fit.moments.means[0], fit.moments.spreads[0], fit.moments.correlations[0]
    moments = {"mean": pd.Series(mean, names), "sd": pd.Series(sd, names)}
    actual, number = (data[inside].to_numpy() - mean) / sd, {item: place for place, item in enumerate(names)}
    for target, outcomes in (("b", slice(0, 3)), ("c", slice(3, 6))):
        used = [number[item] for item in predictors_of(chain, target, technique)]
        completed = np.zeros_like(actual)
        for case, row in enumerate(actual):
            there = [item for item in used if not np.isnan(row[item])]
            gone = [item for item in used if item not in there]
            completed[case, there] = row[there]
            if missing == "em" and there:
                completed[case, gone] = sigma[np.ix_(gone, there)] @ np.linalg.solve(
                    sigma[np.ix_(there, there)], row[there]
                )
        complete = pd.DataFrame(mean + sd * completed, columns=names)
        items = list(chain.constructs[target].items)
        expected = chain_of_scores(chain, fit, moments, complete, technique)[items].to_numpy()
        # Moments of training sets settle to a thousandth of a mean's standard error.
        assert results.predicted[inside, outcomes] == pytest.approx(expected, abs=5e-4)
        to = [number[item] for item in items]
        lines = completed[:, used] @ np.linalg.solve(sigma[np.ix_(used, used)], sigma[np.ix_(used, to)])
        errors = (actual[:, to] - lines) * sd[to]
        assert results.squared[1][inside, outcomes] == pytest.approx(errors**2, abs=5e-3, nan_ok=True)


def test_a_missing_value_to_be_predicted_has_no_error(planted, chain):
    data = holes(planted(200))
    results = predict(chain, data, missing="em", seed=1, repeats=2)
    outcomes = [f"{name}{i}" for name in "bc" for i in (1, 2, 3)]
    gaps = data[outcomes].isna()
    for errors in (*results.squared, *results.absolute):
        assert (np.isnan(errors) == gaps.to_numpy()).all()
    assert np.isfinite(results.predicted).all()
    assert results.items["cases"].tolist() == (~gaps).sum().tolist()
    assert any(
        note.startswith(f"{gaps.to_numpy().sum():,} of 1,200 values to be predicted are missing")
        for note in results.notes
    )
    losses = pd.DataFrame(results.squared[0]).mean(axis=1)
    assert results.losses(PATH_MODEL, "overall") == pytest.approx(losses.to_numpy(), nan_ok=True)


@pytest.mark.parametrize("missing", ["mean", "em"])
def test_a_case_without_any_predictor_is_expected_at_the_mean(planted, chain, missing):
    data = planted(100)
    data.loc[3, ["a1", "a2", "a3"]] = np.nan
    results = predict(chain, data, missing=missing, seed=1)
    assert results.squared[0, 3] == pytest.approx(results.squared[2, 3])
    assert results.squared[1, 3] == pytest.approx(results.squared[2, 3])


@pytest.mark.parametrize("technique", ["earliest", "direct"])
def test_what_is_predicted_does_not_help_to_predict_it(planted, chain, technique):
    """A case without some predictors: whatever its values of c, what is predicted of them stays the same."""
    data = planted(100)
    data.loc[0, ["a1", "a2", "b3"]] = np.nan
    options = {"missing": "em", "seed": 1, "folds": 100, "repeats": 1, "technique": technique, "target": "c"}
    one = predict(chain, data, **options).predictions.loc[0]
    data.loc[0, ["c1", "c2", "c3"]] += 3
    other = predict(chain, data, **options).predictions.loc[0]
    assert one.to_numpy() == pytest.approx(other.to_numpy(), abs=1e-4)


@pytest.mark.filterwarnings("ignore::crm_utils.errors.ItemWarning")
def test_training_sets_that_fail_are_counted_and_leave_no_error(sample, chain):
    """An item that differs in two cases only: without them it does not vary."""
    data = sample.assign(a1=np.r_[1.0, 1.0, np.zeros(118)])
    folds = np.stack([np.arange(120) % 4, np.arange(120) // 30])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        results = cross_validate(chain.fit(data), folds, targets=("b", "c"), technique="earliest", level=0.95)
    assert np.argwhere(results.failed).tolist() == [[1, 0]]
    assert len(results.notes) == 1
    assert results.notes[0].startswith("The model could not be estimated from 1 of 8 training sets; the cases that")
    expected = refits(chain, data, folds[:1], "earliest")
    assert results.squared[:, :30] == pytest.approx(expected[:, :30], abs=1e-8)
    once = cross_validate(chain.fit(data), folds[1:], targets=("b", "c"), technique="earliest", level=0.95)
    assert np.isnan(once.squared[:, :30]).all()
    assert np.isfinite(once.squared[:, 30:]).all()
    assert once.items["cases"].eq(90).all()
    assert "30 of 120 cases were predicted in no repeat and are left out." in once.notes
    assert once.items["rmse"].to_numpy() == pytest.approx(np.sqrt(once.squared[0, 30:].mean(axis=0)))


@pytest.mark.parametrize("missing", ["mean", "em"])
def test_an_item_with_no_value_in_a_training_set(planted, chain, missing):
    data = planted(120)
    data.loc[data.index >= 30, "a1"] = np.nan
    folds = (np.arange(120) // 30)[None]
    results = cross_validate(chain.fit(data, missing=missing), folds, targets=("c",), technique="direct", level=0.95)
    assert results.failed.tolist() == [[True, False, False, False]]


def test_improper_training_sets_fail(planted, chain):
    data = planted(100, loading=0.55, seed=29)
    results = predict(chain, data, consistent=True, folds=5, repeats=2, seed=1)
    assert 0 < results.failed.sum() < 10
    for (repeat, fold), failed in np.ndenumerate(results.failed):
        train = data[results.folds[repeat] != fold]
        if failed:
            with pytest.raises(ConvergenceError, match="improper"):
                chain.fit(train, consistent=True)
        else:
            chain.fit(train, consistent=True)


@pytest.mark.filterwarnings("ignore::crm_utils.errors.ItemWarning")
def test_nothing_can_be_predicted(sample, chain):
    folds = (np.arange(120) % 2)[None]
    fit = chain.fit(sample.assign(a1=np.arange(120) % 2))
    with pytest.raises(ConvergenceError, match="could be estimated from none of 2 training sets"):
        cross_validate(fit, folds, targets=("b", "c"), technique="earliest", level=0.95)


def test_too_few_cases_for_the_linear_model():
    rng = np.random.default_rng(5)
    mood = rng.normal(size=22)
    columns = {f"m{i}": mood + rng.normal(size=22) for i in range(20)}
    columns |= {f"l{i}": mood + rng.normal(size=22) for i in range(2)}
    model = PathModel({"mood": [f"m{i}" for i in range(20)], "loyal": ["l0", "l1"]}, [("mood", "loyal")])
    results = predict(model, pd.DataFrame(columns), seed=1)
    assert np.isfinite(results.items[["rmse", "mae", "q2_predict", "ia_rmse"]]).all(axis=None)
    assert results.items[["lm_rmse", "lm_mae", "lower_share", "lm_in_sample_rmse"]].isna().all(axis=None)
    assert results.items["lower_rmse"].eq("").all()
    assert "regresses on 20 items and needs 22 cases, and the smallest training set has 19" in results.notes[0]
    assert results.predictive_power == ""
    assert results.verdict.startswith("Predictive power cannot be told without a linear model.")
    tests = results.cvpat.set_index(["construct", "benchmark"])
    assert np.isfinite(tests.loc[("loyal", AVERAGE), "t"])
    assert np.isnan(tests.loc[("loyal", LINEAR), ["benchmark_loss", "difference", "t", "p_value"]].astype(float)).all()
    assert [text.get_text() for text in plot_prediction(results).texts][-1] == "RMSE"


@pytest.mark.parametrize(("cases", "there"), [(12, False), (13, True)])
def test_the_linear_model_has_a_degree_of_freedom_left(cases, there):
    rng = np.random.default_rng(5)
    mood = rng.normal(size=cases)
    columns = {f"m{i}": mood + rng.normal(size=cases) for i in range(10)} | {"l": mood + rng.normal(size=cases)}
    model = PathModel({"mood": [f"m{i}" for i in range(10)], "loyal": ["l"]}, [("mood", "loyal")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ItemWarning)
        results = predict(model, pd.DataFrame(columns), seed=1, folds=cases, repeats=1)
    assert np.isfinite(results.items["lm_rmse"]).all() == there


def test_collinear_predictors_leave_no_linear_model(sample, chain):
    data = sample.assign(a2=2 * sample["a1"])
    results = predict(chain, data, seed=1)
    assert not results.failed.any()
    assert "perfectly collinear, so that there is no linear benchmark" in results.notes[0]
    assert results.items["lm_rmse"].isna().all()


def test_an_item_that_runs_backwards_is_named_once(sample, chain):
    with pytest.warns(ItemWarning, match="The item b2 points against the others of b") as caught:
        results = predict(chain, sample.assign(b2=-sample["b2"]), seed=1, repeats=2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(results.notes) == 1
    straight = predict(chain, sample, seed=1, repeats=2)
    assert results.items["rmse"].to_numpy() == pytest.approx(straight.items["rmse"].to_numpy())


def test_inputs_stay_as_they_are(planted, chain):
    data = holes(planted(100))
    kept = data.copy()
    predict(chain, data, missing="em", seed=1, repeats=2)
    pd.testing.assert_frame_equal(data, kept)


def test_unusable_options_are_named_together(sample, chain):
    with pytest.raises(ParameterError) as caught:
        predict(chain, sample.drop(columns="c3"), folds=1, repeats=0, seed=-1, level=2, technique="erliest", target="d")
    said = str(caught.value)
    assert "predict_out_of_sample: 7 problems" in said
    assert "folds must be a whole number of at least 2, and is 1" in said
    assert "repeats must be a whole number of at least 1, and is 0" in said
    assert "seed must be" in said
    assert "level must lie between 0 and 1" in said
    assert "technique must be one of ['earliest', 'direct'], and is 'erliest' (did you mean 'earliest'?)" in said
    assert "the target 'd' is no construct of the model" in said
    assert "data lacks the item c3" in said
    with pytest.raises(
        ParameterError, match="no path leads to the target a, so that nothing predicts it; choose b or c"
    ):
        predict(chain, sample, target=["a", "c"], seed=1)
    with pytest.raises(ParameterError, match="target must be a construct or a list of constructs, and is 3"):
        predict(chain, sample, target=3, seed=1)
    with pytest.raises(ParameterError, match=r"the target \['b'\] is no construct"):
        predict(chain, sample, target=[["b"]], seed=1)
    with pytest.raises(ParameterError, match="model must be a PathModel, and is dict"):
        predict({}, sample, seed=1)
    with pytest.raises(ParameterError, match="data must be a DataFrame, and is list"):
        predict(chain, [], seed=1)
    with pytest.raises(
        ParameterError, match=r"repeats must be 1 where there are as many folds as cases \(120\), .* is 10"
    ):
        predict(chain, sample, folds=120, seed=1)
    with pytest.raises(ParameterError, match="scheme must be one of"):
        predict(chain, sample, scheme="paths", seed=1)


@pytest.mark.filterwarnings("ignore::crm_utils.errors.ItemWarning")
def test_too_little_data(sample, chain):
    with pytest.raises(DataFloorError, match=r"121 folds need at least 121 cases, and there are 120\. Use fewer folds"):
        predict(chain, sample, folds=121, seed=1)
    with pytest.raises(DataFloorError, match="10 folds need at least 10 clusters, and there are 4"):
        predict(chain, sample, clusters=np.arange(120) % 4, seed=1)
    with pytest.raises(
        DataFloorError, match="of c on 2 constructs needs at least 4 cases, and the smallest training set has 3"
    ):
        predict(chain, sample.iloc[:6], folds=2, seed=1)
    with pytest.raises(
        DataFloorError, match="the regression of c on 2 constructs needs at least 4 cases, and there are 3"
    ):
        predict(chain, sample.iloc[:3], folds=2, seed=1)


def test_the_summary_has_every_number_once(sample, chain):
    results = predict(chain, sample, seed=1, repeats=2)
    table = results.summary_frame().set_index(["quantity", "parameter"])
    assert table.index.is_unique
    assert table.loc[("rmse", "c: c2"), "estimate"] == results.items.set_index("item").loc["c2", "rmse"]
    tests = results.cvpat.set_index(["construct", "benchmark"])
    for quantity, benchmark in (("difference_to_average", AVERAGE), ("difference_to_linear", LINEAR)):
        row = table.loc[(quantity, "overall")]
        expected = tests.loc[("overall", benchmark), ["difference", "std_error", "low", "high", "p_value"]]
        assert row.tolist() == expected.tolist()
    assert table.loc[("loss", "b"), "estimate"] == tests.loc[("b", LINEAR), "loss"]
    assert len(table) == 5 * 6 + 3 * 3


def test_the_figure_draws_the_table(sample, chain):
    results = predict(chain, sample, seed=1, repeats=2)
    table = prediction_table(results)
    assert table["relative_rmse"].to_numpy() == pytest.approx(np.sqrt(1 - table["q2_predict"].to_numpy()))
    assert table["lm_relative_rmse"].to_numpy() == pytest.approx((table["lm_rmse"] / table["ia_rmse"]).to_numpy())
    ax = plt.figure().add_subplot()
    assert plot_prediction(results, ax=ax) is ax
    drawn = {line.get_label(): line.get_xdata() for line in ax.lines}
    assert drawn["Path model"] == pytest.approx(table["relative_rmse"].to_numpy())
    assert drawn["Linear model"] == pytest.approx(table["lm_relative_rmse"].to_numpy())
    assert list(drawn["Mean of the training cases"]) == [1, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"{c}: {i}" for c, i in results.predicted_items]
    written = [(text.get_text(), text.get_fontweight() == "bold") for text in ax.texts]
    expected = [
        (f"{row.rmse:.2f} / {row.lm_rmse:.2f}", bool(better))
        for row, better in zip(table.itertuples(), results.better, strict=True)
    ]
    assert written == [*expected, ("RMSE: path / linear", False)]
    assert ax.get_title(loc="left") + ax.get_title() == "Out-of-sample error by item"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_the_alternative_text_has_the_verdict(sample, chain):
    results = predict(chain, sample, seed=1, repeats=2, folds=5)
    text = alt_text(plot_prediction(results).figure)
    assert text.startswith(f"Out-of-sample error by item, 5 folds. {results.verdict} Q² predict is from ")
    best = results.items.loc[results.items["q2_predict"].idxmax()]
    assert text.endswith(f"to {best['q2_predict']:.2f} ({best['item']}).")


def test_numbers_beside_the_items_fit_any_unit(sample):
    model = PathModel({"a": ["a1", "a2"], "c": ["c1", "c2", "$c_3$"]}, [("a", "c")])
    data = sample.rename(columns={"c3": "$c_3$"})
    data = data.assign(c1=20_000 * data["c1"], c2=data["c2"] / 1000)
    ax = plot_prediction(predict(model, data, seed=1, repeats=1))
    numbers = [[float(part.replace(",", "")) for part in text.get_text().split(" / ")] for text in ax.texts[:3]]
    table = predict(model, data, seed=1, repeats=1).items[["rmse", "lm_rmse"]].to_numpy()
    assert np.array(numbers) == pytest.approx(table, rel=0.05)
    assert "," in ax.texts[0].get_text()
    assert not ax.get_yticklabels()[2].get_parse_math()
