"""Estimates: SmartPLS and seminr to the last digit, planted truth, what must not matter, and unusable data."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.pls import Construct, PathModel
from crm_utils.pls.cases import MISSING
from crm_utils.pls.iteration import SCHEMES

SMARTPLS_PATHS = {
    ("image", "expectation"): 0.50470564,
    ("image", "satisfaction"): 0.17883348,
    ("image", "loyalty"): 0.19535971,
    ("expectation", "quality"): 0.55724786,
    ("expectation", "value"): 0.05078755,
    ("expectation", "satisfaction"): 0.06442534,
    ("quality", "value"): 0.55721686,
    ("quality", "satisfaction"): 0.51254524,
    ("value", "satisfaction"): 0.19181566,
    ("satisfaction", "complaints"): 0.52609731,
    ("satisfaction", "loyalty"): 0.48347472,
    ("complaints", "loyalty"): 0.07123241,
}
SERIES = ("paths", "total_effects", "indirect_effects", "weights", "loadings", "r_squared", "f_squared", "vif", "srmr")


def by_name(series):
    """Labels sorted, so that estimates are compared by name and not by position."""
    return series.sort_index()


def assert_same(one, other, *, names=SERIES, tolerance=1e-10):
    for name in names:
        first, second = by_name(getattr(one, name)), by_name(getattr(other, name))
        pd.testing.assert_series_equal(first, second, rtol=0, atol=tolerance)
    for name in ("reliability", "htmt", "fornell_larcker"):
        first, second = (getattr(results, name).sort_index(axis=0).sort_index(axis=1) for results in (one, other))
        pd.testing.assert_frame_equal(first, second, rtol=0, atol=tolerance)


class TestSmartPLS2:
    def test_ecsi_paths_of_mobi_by_the_centroid_scheme(self, mobi, ecsi):
        found = ecsi.fit(mobi, scheme="centroid").paths
        assert found.to_dict() == pytest.approx(SMARTPLS_PATHS, abs=1e-7)

    def test_ecsi_r_squared_of_mobi(self, mobi, ecsi):
        explained = ecsi.fit(mobi, scheme="centroid").r_squared.round(4).to_dict()
        assert explained == {
            "expectation": 0.2547,
            "quality": 0.3105,
            "value": 0.3446,
            "satisfaction": 0.6803,
            "complaints": 0.2768,
            "loyalty": 0.4573,
        }


class TestSeminr:
    def test_small_model_by_the_path_scheme(self, mobi, small):
        results = small.fit(mobi)
        assert results.paths.to_numpy() == pytest.approx([0.447003897, 0.171830104, 0.316425319], abs=1e-6)
        assert results.r_squared["satisfaction"] == pytest.approx(0.590603320, abs=1e-6)

    def test_small_model_consistent_by_the_factorial_scheme(self, mobi, small):
        results = small.fit(mobi, scheme="factorial", consistent=True)
        assert results.paths.to_numpy() == pytest.approx([0.537704707, 0.240967662, 0.258279868], abs=1e-6)
        assert results.r_squared["satisfaction"] == pytest.approx(0.885707, abs=1e-6)


class TestPlantedTruth:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_consistent_estimates_recover_paths_and_loadings(self, planted, chain, scheme):
        results = chain.fit(planted(200_000), scheme=scheme, consistent=True)
        assert results.paths.to_numpy() == pytest.approx([0.6, 0.3, 0.4], abs=0.012)
        assert results.loadings.to_numpy() == pytest.approx(np.full(9, 0.8), abs=0.006)
        assert results.indirect_effects["a", "c"] == pytest.approx(0.24, abs=0.01)
        assert results.total_effects["a", "c"] == pytest.approx(0.54, abs=0.01)
        # Spearman and Brown: three items with loadings of 0.8.
        assert results.reliability["rho_a"].to_numpy() == pytest.approx(np.full(3, 1.92 / 2.28), abs=0.006)

    def test_paths_of_scores_are_too_small_by_the_unreliability(self, planted, chain):
        scores = chain.fit(planted(200_000)).construct_correlations
        assert scores.loc["a", "b"] == pytest.approx(0.6 * 1.92 / 2.28, abs=0.01)

    def test_mode_b_is_the_regression_where_one_item_is_led_to(self):
        rng = np.random.default_rng(3)
        data = pd.DataFrame(rng.normal(size=(400, 3)), columns=["x1", "x2", "x3"])
        data["x2"] += 0.5 * data["x1"]
        data["y"] = data @ [0.5, 0.3, -0.2] + rng.normal(size=400)
        results = PathModel({"x": Construct(["x1", "x2", "x3"], mode="B"), "y": ["y"]}, [("x", "y")]).fit(data)
        standard = (data - data.mean()) / data.std()
        slopes = np.linalg.lstsq(standard[["x1", "x2", "x3"]], standard["y"], rcond=None)[0]
        weights = results.weights["x"].to_numpy()
        assert weights * results.paths["x", "y"] == pytest.approx(slopes, abs=1e-10)
        assert results.reliability.isna().all(axis=None)

    def test_two_blocks_of_mode_b_give_the_first_canonical_correlation(self):
        rng = np.random.default_rng(4)
        x = rng.normal(size=(500, 3))
        y = x @ rng.normal(size=(3, 2)) + 2 * rng.normal(size=(500, 2))
        data = pd.DataFrame(np.c_[x, y], columns=["x1", "x2", "x3", "y1", "y2"])
        blocks = {"x": Construct(["x1", "x2", "x3"], mode="B"), "y": Construct(["y1", "y2"], mode="B")}
        found = PathModel(blocks, [("x", "y")]).fit(data, tolerance=1e-12).paths["x", "y"]
        q_x, q_y = (np.linalg.qr(block - block.mean(axis=0))[0] for block in (x, y))
        assert found == pytest.approx(np.linalg.svd(q_x.T @ q_y, compute_uv=False)[0], abs=1e-10)


class TestIdentities:
    def test_scores_have_unit_variance_and_the_correlations_given(self, mobi, ecsi):
        results = ecsi.fit(mobi)
        assert results.scores.mean().abs().max() < 1e-12
        assert results.scores.var().to_numpy() == pytest.approx(np.ones(7), abs=1e-12)
        assert results.scores.corr().to_numpy() == pytest.approx(results.construct_correlations.to_numpy(), abs=1e-12)
        crossed = pd.concat([mobi[list(ecsi.items)], results.scores], axis=1).corr()
        expected = crossed.loc[list(ecsi.items), list(ecsi.constructs)]
        assert results.cross_loadings.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
        assert results.loadings.to_numpy() == pytest.approx(
            [results.cross_loadings.loc[item, name] for name, item in results.loadings.index]
        )

    def test_paths_are_the_regression_of_the_scores(self, mobi, ecsi):
        results = ecsi.fit(mobi)
        for target in results.r_squared.index:
            sources = list(ecsi.predecessors(target))
            slopes, residual, *_ = np.linalg.lstsq(results.scores[sources], results.scores[target], rcond=None)
            assert [results.paths[source, target] for source in sources] == pytest.approx(slopes, abs=1e-10)
            assert results.r_squared[target] == pytest.approx(1 - residual[0] / 249, abs=1e-10)
            adjusted = 1 - (residual[0] / (249 - len(sources))) / (249 / 249)
            assert results.adjusted_r_squared[target] == pytest.approx(adjusted, abs=1e-10)

    def test_total_effects_sum_over_all_routes(self, mobi, ecsi):
        results = ecsi.fit(mobi)
        names = list(ecsi.constructs)
        direct = np.zeros((7, 7))
        for (source, target), path in results.paths.items():
            direct[names.index(source), names.index(target)] = path
        routes = np.linalg.inv(np.eye(7) - direct) - np.eye(7)
        for (source, target), total in results.total_effects.items():
            assert total == pytest.approx(routes[names.index(source), names.index(target)], abs=1e-12)
        assert (routes != 0).sum() == len(results.total_effects)
        rest = results.total_effects.sub(results.paths, fill_value=0)
        assert results.indirect_effects.to_dict() == pytest.approx(rest[results.indirect_effects.index].to_dict())
        assert ("image", "expectation") not in results.indirect_effects.index

    def test_weights_settle_where_another_step_changes_nothing(self, mobi, ecsi):
        """Tenenhaus et al. (2005), mode A: a weight is in proportion to the covariance with the inner proxy."""
        results = ecsi.fit(mobi, scheme="factorial", tolerance=1e-12)
        linked = {
            name: {end for path in ecsi.paths if name in path for end in path} - {name} for name in ecsi.constructs
        }
        for name, construct in ecsi.constructs.items():
            proxy = sum(
                results.construct_correlations.loc[name, other] * results.scores[other] for other in linked[name]
            )
            covariances = mobi[list(construct.items)].corrwith(proxy)
            ratio = results.weights[name].to_numpy() / covariances.to_numpy()
            assert ratio == pytest.approx(np.full(len(ratio), ratio[0]), rel=1e-9)

    def test_unstandardized_estimation_weighs_items_by_their_spread(self, planted, chain):
        data = planted(2_000)
        raw = chain.fit(data.assign(a1=10 * data["a1"]), standardize=False).unstandardized_weights["a"]
        assert abs(raw["a1"]) > abs(raw["a2"])
        standard = (data - data.mean()) / data.std()
        assert_same(chain.fit(standard, standardize=False), chain.fit(data))


class TestWhatMustNotMatter:
    @pytest.fixture
    def given(self, mobi, ecsi):
        return ecsi.fit(mobi)

    def test_row_order(self, mobi, ecsi, given):
        shuffled = ecsi.fit(mobi.sample(frac=1, random_state=1))
        assert_same(shuffled, given)
        assert (shuffled.scores.sort_index() - given.scores).abs().max(axis=None) < 1e-10

    def test_item_and_construct_order(self, mobi, ecsi, given):
        backwards = {name: ecsi.constructs[name].items[::-1] for name in reversed(ecsi.constructs)}
        other = PathModel(backwards, ecsi.paths[::-1]).fit(mobi)
        assert_same(other, given)
        assert (other.scores[given.scores.columns] - given.scores).abs().max(axis=None) < 1e-10

    def test_linear_unit(self, mobi, ecsi, given):
        other = ecsi.fit(1e6 + 25.4 * mobi)
        assert_same(other, given)
        assert (other.scores - given.scores).abs().max(axis=None) < 1e-9

    @pytest.mark.parametrize("unit", [1e-6, 1e6])
    def test_one_unit_for_all_items_where_covariances_count(self, planted, chain, unit):
        data = planted(200)
        given, other = (chain.fit(frame, standardize=False) for frame in (data, unit * data))
        assert_same(other, given)
        assert other.iterations == given.iterations

    def test_a_reversed_item_reverses_its_loading_and_no_path(self, mobi, small):
        given, turned = (small.fit(data, tolerance=1e-12) for data in (mobi, mobi.assign(IMAG3=11 - mobi["IMAG3"])))
        for name in ("paths", "r_squared", "f_squared", "vif"):
            assert getattr(turned, name).to_numpy() == pytest.approx(getattr(given, name).to_numpy(), abs=1e-9)
        pd.testing.assert_frame_equal(turned.htmt, given.htmt)
        assert turned.loadings["image", "IMAG3"] == pytest.approx(-given.loadings["image", "IMAG3"])

    def test_a_construct_of_which_all_items_are_reversed_turns_its_paths(self, mobi, small):
        given = small.fit(mobi)
        turned = small.fit(mobi.assign(PERV1=-mobi["PERV1"], PERV2=-mobi["PERV2"]))
        assert turned.loadings["value"].min() > 0
        assert turned.paths["value", "satisfaction"] == pytest.approx(-given.paths["value", "satisfaction"], abs=1e-10)

    def test_the_data_are_left_alone_and_other_columns_not_looked_at(self, mobi, small):
        data = mobi.assign(comment="text", IMAG1=mobi["IMAG1"].astype("Int64"))
        before = data.copy()
        assert_same(small.fit(data), small.fit(mobi))
        pd.testing.assert_frame_equal(data, before)


class TestWeights:
    def test_whole_weights_count_as_repeated_rows(self, mobi, ecsi):
        times = np.random.default_rng(5).integers(0, 4, len(mobi))
        repeated = mobi.loc[mobi.index.repeat(times)]
        assert_same(ecsi.fit(mobi, weights=times), ecsi.fit(repeated))
        assert ecsi.fit(mobi, weights=times).n_cases == (times > 0).sum()

    def test_only_ratios_matter_and_a_column_does_as_well(self, mobi, ecsi):
        mass = np.random.default_rng(5).uniform(0.5, 2, len(mobi))
        by_values, by_column = ecsi.fit(mobi, weights=mass), ecsi.fit(mobi.assign(w=7 * mass), weights="w")
        assert_same(by_values, by_column)
        assert np.abs(by_values.paths - ecsi.fit(mobi).paths).max() > 1e-3
        assert np.average(by_values.scores, weights=mass, axis=0) == pytest.approx(np.zeros(7), abs=1e-12)


class TestMissing:
    def test_listwise_is_the_fit_of_the_complete_rows(self, mobi, small):
        gappy = mobi.astype(float)
        gappy.loc[[3, 7, 20], "IMAG1"] = np.nan
        results = small.fit(gappy, missing="listwise")
        assert_same(results, small.fit(mobi.drop(index=[3, 7, 20])))
        assert results.missing_share["IMAG1"] == pytest.approx(3 / 250)
        assert len(results.scores) == results.n_cases == 247

    def test_mean_replacement_puts_in_the_weighted_mean(self, mobi, small):
        mass = np.linspace(1, 3, len(mobi))
        gappy = mobi.astype(float)
        gappy.loc[[3, 7], "CUSA2"] = np.nan
        seen = gappy["CUSA2"].notna()
        filled = gappy.fillna({"CUSA2": np.average(gappy["CUSA2"][seen], weights=mass[seen])})
        assert_same(small.fit(gappy, missing="mean", weights=mass), small.fit(filled, weights=mass))

    def test_an_error_tells_the_share_of_each_item(self, mobi, small):
        gappy = mobi.astype(float)
        gappy.loc[[3, 7], "CUSA2"] = np.nan
        gappy.loc[[3, 8, 9, 10, 11], "IMAG1"] = np.nan
        with pytest.raises(ParameterError, match=r"IMAG1 2.0%, CUSA2 0.8% of 250 cases; 6 lack at least one"):
            small.fit(gappy)

    def test_no_complete_row(self, planted, chain):
        gappy = planted(20)
        gappy.loc[::2, "a1"] = np.nan
        gappy.loc[1::2, "b1"] = np.nan
        with pytest.raises(
            DataFloorError, match="no case of 20 is left with a value for every item; use missing='em' or 'mean'"
        ):
            chain.fit(gappy, missing="listwise")


class TestUnusable:
    def test_every_fault_of_the_options_at_once(self, planted, chain):
        with pytest.raises(ParameterError) as caught:
            chain.fit(planted(50), scheme="factorail", missing="drop", consistent="yes", standardize=1, tolerance=0)
        text = str(caught.value)
        assert "5 problems" in text
        assert "did you mean 'factorial'?" in text

    def test_every_fault_of_the_columns_at_once(self, planted, chain):
        data = planted(50).rename(columns={"a2": "a22"})
        with pytest.raises(ParameterError, match=r"lacks the item a2 .did you mean 'a22'"):
            chain.fit(data)
        data = planted(50).astype({"a1": object})
        data.loc[4, "a1"] = "often"
        data.loc[5, "b1"] = np.inf
        with pytest.raises(ParameterError) as caught:
            chain.fit(data, weights=np.r_[-1.0, np.ones(49)])
        text = str(caught.value)
        assert "the item a1 must be numeric, and holds 'often'" in text
        assert "the item b1 is infinite in 1 row (at positions 5)" in text
        assert "weights must not be negative, and 1 is (at positions 0)" in text

    def test_numbers_held_as_objects_are_numbers(self, planted, chain):
        data = planted(50).round()
        objects = data.assign(a1=pd.Series([np.int64(value) for value in data["a1"]], dtype=object))
        assert_same(chain.fit(objects), chain.fit(data))

    def test_constant_item(self, planted, chain):
        with pytest.raises(ParameterError, match="the item b2 is 4 for all 50 cases and tells nothing; leave it out"):
            chain.fit(planted(50).assign(b2=4))

    def test_item_constant_among_those_with_weight(self, planted, chain):
        data = planted(50)
        data.loc[:39, "b2"] = 4
        with pytest.raises(ParameterError, match="the item b2 is 4 for all 40 cases"):
            chain.fit(data, weights=np.arange(50) < 40)

    @pytest.mark.parametrize("missing", MISSING)
    def test_all_missing_in_one_item(self, planted, chain, missing):
        with pytest.raises(ParameterError, match="the item c3 has no value at all; leave it out"):
            chain.fit(planted(50).assign(c3=np.nan), missing=missing)

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.ones(3), "data has 50 rows, weights have 3"),
            (2.0, "weights have one value"),
            (np.zeros(50), "weights are zero for every case"),
            ("wieght", "data lacks the weights column 'wieght' .did you mean 'weight'"),
            (pd.Series(np.ones(50), range(49, -1, -1)), "weights has its rows in another order than data"),
        ],
    )
    def test_weights(self, planted, chain, weights, message):
        with pytest.raises(ParameterError, match=message):
            chain.fit(planted(50).assign(weight=1.0), weights=weights)

    def test_no_frame_no_rows_and_a_repeated_column(self, planted, chain):
        with pytest.raises(ParameterError, match="data must be a pandas DataFrame, and is ndarray"):
            chain.fit(planted(50).to_numpy())
        with pytest.raises(DataFloorError, match="no case of 0 is left"):
            chain.fit(planted(50).head(0))
        data = planted(50)
        with pytest.raises(ParameterError, match="more than one column called a1"):
            chain.fit(pd.concat([data, data["a1"]], axis=1))

    def test_fewer_cases_than_items_of_mode_b(self, planted, chain):
        blocks = dict(chain.constructs) | {"a": Construct(["a1", "a2", "a3"], mode="B")}
        model = PathModel(blocks, chain.paths)
        with pytest.raises(DataFloorError, match=r"3 items of a \(mode B\) needs at least 5 cases, and there are 4"):
            model.fit(planted(4))
        assert model.fit(planted(5)).n_cases == 5

    def test_collinear_items_of_mode_b_and_their_use_in_mode_a(self, planted, chain):
        data = planted(60)
        data["a3"] = 2 * data["a1"] + data["a2"]
        blocks = dict(chain.constructs) | {"a": Construct(["a1", "a2", "a3"], mode="B")}
        with pytest.raises(ParameterError, match=r"the items a1, a2, a3 of a \(mode B\) are perfectly collinear"):
            PathModel(blocks, chain.paths).fit(data)
        assert chain.fit(data).item_vif["a"].isna().all()

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_collinear_constructs(self, planted, scheme):
        data = planted(60)
        data["d1"] = 3 - 2 * data["a1"]
        blocks = {"a": ["a1"], "b": ["b1"], "d": ["d1"], "c": ["c1"]}
        model = PathModel(blocks, [("a", "c"), ("b", "c"), ("d", "c")])
        with pytest.raises(ConvergenceError, match="the constructs a, d, which lead to c, are perfectly collinear"):
            model.fit(data, scheme=scheme)

    def test_improper_reliability_is_named(self):
        """Items that exclude each other, although both go with the cause: nothing common stands behind them."""
        rng = np.random.default_rng(1)
        cause, apart = rng.normal(size=(2, 300))
        data = pd.DataFrame({"a1": cause, "b1": cause + 2 * apart, "b2": cause - 2 * apart})
        data += rng.normal(scale=0.5, size=data.shape)
        model = PathModel({"a": ["a1"], "b": ["b1", "b2"]}, [("a", "b")])
        assert model.fit(data).reliability.loc["b", "rho_a"] < 0
        with pytest.raises(ConvergenceError, match=r"rho_A of b is -\d.*, outside 0 to 1.*use consistent=False"):
            model.fit(data, consistent=True)

    def test_constructs_that_are_not_told_apart_are_improper(self, planted, chain):
        data = planted(80, loading=0.5)
        for i in (1, 2, 3):
            data[f"b{i}"] = data[f"a{i}"] + 0.01 * data[f"b{i}"]
        with pytest.raises(ConvergenceError, match=r"R² of b is \d+.*for corrected correlations are too high"):
            chain.fit(data, consistent=True)

    def test_iteration_that_may_not_go_on_says_where_it_stood(self, planted, chain, monkeypatch):
        monkeypatch.setattr("crm_utils.pls.iteration.MOST_ITERATIONS", 1)
        with pytest.raises(
            ConvergenceError, match=r"did not settle .* those of [abc] still change by .*scheme='factorial'"
        ):
            chain.fit(planted(100))


def test_summary_frame_has_every_path_and_item_once(mobi, small):
    results = small.fit(mobi)
    summary = results.summary_frame()
    assert summary.columns.tolist() == ["quantity", "parameter", "estimate"]
    assert summary.groupby("quantity", sort=False).size().to_dict() == {
        "paths": 3,
        "r_squared": 1,
        "loadings": 13,
        "weights": 13,
    }
    row = summary.set_index(["quantity", "parameter"])["estimate"]
    assert row["paths", "image → satisfaction"] == results.paths["image", "satisfaction"]
    assert row["loadings", "value: PERV2"] == results.loadings["value", "PERV2"]
