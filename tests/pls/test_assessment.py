"""Reliability and discriminant validity: seminr's values to the last digit, and formulas on data made to fit."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.pls import Construct, PathModel

CONSTRUCTS = ["image", "expectation", "value", "satisfaction"]


class TestSeminr:
    @pytest.mark.parametrize(
        ("measure", "published"),
        [
            ("alpha", [0.722835, 0.451903, 0.823632, 0.779195]),
            ("rho_c", [0.818326, 0.733178, 0.917897, 0.871458]),
            ("ave", [0.477980, 0.480507, 0.848311, 0.693364]),
        ],
    )
    def test_reliability_of_the_small_model(self, mobi, small, measure, published):
        found = small.fit(mobi).reliability.loc[CONSTRUCTS, measure]
        assert found.to_numpy() == pytest.approx(published, abs=1e-5)

    def test_rho_a_by_the_factorial_scheme(self, mobi, small):
        found = small.fit(mobi, scheme="factorial", consistent=True).reliability.loc[CONSTRUCTS, "rho_a"]
        assert found.to_numpy() == pytest.approx([0.745259, 0.461549, 0.857579, 0.782559], abs=1e-5)

    @pytest.mark.parametrize(
        ("one", "other", "published"),
        [
            ("image", "expectation", 0.888030),
            ("image", "value", 0.651659),
            ("image", "satisfaction", 0.910101),
            ("expectation", "value", 0.588629),
            ("expectation", "satisfaction", 0.865108),
            ("value", "satisfaction", 0.740809),
        ],
    )
    def test_htmt(self, mobi, small, one, other, published):
        table = small.fit(mobi).htmt
        assert table.loc[one, other] == pytest.approx(published, abs=1e-5)
        assert table.loc[other, one] == table.loc[one, other]

    def test_f_squared_by_estimating_again_without_the_path(self, mobi, small):
        assert small.fit(mobi).f_squared["image", "satisfaction"] == pytest.approx(0.303554, abs=1e-5)


def test_f_squared_of_an_only_path_is_r_squared_over_the_rest(planted):
    model = PathModel({"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]}, [("a", "b")])
    results = model.fit(planted(300))
    explained = results.r_squared["b"]
    assert results.f_squared["a", "b"] == pytest.approx(explained / (1 - explained))


def test_vif_is_that_of_regressing_a_source_on_the_others(mobi, small):
    results = small.fit(mobi)
    sources = CONSTRUCTS[:-1]
    for source in sources:
        others = [name for name in sources if name != source]
        residual = np.linalg.lstsq(results.scores[others], results.scores[source], rcond=None)[1][0]
        assert results.vif[source, "satisfaction"] == pytest.approx(249 / residual, abs=1e-9)
    items = mobi[["PERV1", "PERV2"]].corr().iloc[0, 1]
    assert results.item_vif["value"].to_numpy() == pytest.approx(np.full(2, 1 / (1 - items**2)))


def test_fornell_larcker_has_roots_of_ave_on_the_diagonal(mobi, small):
    results = small.fit(mobi)
    table = results.fornell_larcker.loc[CONSTRUCTS, CONSTRUCTS].to_numpy()
    assert np.diag(table) == pytest.approx(np.sqrt(results.reliability.loc[CONSTRUCTS, "ave"].to_numpy()))
    off = ~np.eye(4, dtype=bool)
    assert table[off] == pytest.approx(results.construct_correlations.to_numpy()[off])


def test_single_items_and_mode_b_have_no_reliability_and_no_htmt(planted, chain):
    blocks = {"a": ["a1"], "b": Construct(["b1", "b2", "b3"], mode="B"), "c": chain.constructs["c"]}
    results = PathModel(blocks, chain.paths).fit(planted(200))
    assert results.reliability.isna().all(axis=1).to_dict() == {"a": True, "b": True, "c": False}
    assert results.htmt.isna().all(axis=None)
    assert results.fornell_larcker.loc["a", "b"] == results.construct_correlations.loc["a", "b"]


def exact(correlations, columns, size=400):
    """Data whose correlations are exactly those given."""
    noise = np.random.default_rng(2).normal(size=(size, len(columns)))
    white = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(size - 1)
    return pd.DataFrame(white @ np.linalg.cholesky(correlations).T, columns=columns)


def test_a_population_that_the_factor_model_fits_has_no_residual_and_no_error(chain):
    loadings = np.repeat(np.eye(3), 3, axis=0) * np.array([0.7, 0.8, 0.9] * 3)[:, None]
    constructs = np.array([[1, 0.6, 0.54], [0.6, 1, 0.58], [0.54, 0.58, 1]])
    items = loadings @ constructs @ loadings.T
    np.fill_diagonal(items, 1)
    results = chain.fit(exact(items, list(chain.items)), consistent=True, tolerance=1e-12)
    assert results.paths.to_numpy() == pytest.approx([0.6, 0.3, 0.4], abs=1e-9)
    assert results.loadings.to_numpy() == pytest.approx([0.7, 0.8, 0.9] * 3, abs=1e-9)
    assert results.srmr.to_numpy() == pytest.approx([0, 0], abs=1e-9)


def test_srmr_shows_a_path_that_is_left_out(chain):
    """Scores of single items: only the correlation of a and c is not free, and the paths imply 0.6 · 0.58."""
    constructs = np.array([[1, 0.6, 0.54], [0.6, 1, 0.58], [0.54, 0.58, 1]])
    model = PathModel({name: [f"{name}1"] for name in "abc"}, [("a", "b"), ("b", "c")])
    results = model.fit(exact(constructs, ["a1", "b1", "c1"]))
    assert results.srmr["saturated"] == pytest.approx(0, abs=1e-12)
    assert results.srmr["estimated"] == pytest.approx((0.54 - 0.6 * 0.58) / np.sqrt(6), abs=1e-12)
