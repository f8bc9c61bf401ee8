"""Routes and mediation: against the model's own effects and textbook formulas, planted kinds, and input checks."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.pls import PathModel
from crm_utils.pls.bootstrap import _bca
from crm_utils.pls.mediation import mediation, specific_indirect_effects

NUMBERS = ["estimate", "std_error", "low", "high"]
CHAIN = [("value", "satisfaction"), ("satisfaction", "loyalty")]
SINGLE = {"value": ["v"], "satisfaction": ["s"], "loyalty": ["l"]}


def people(size, *, first=0.6, second=0.5, direct=0.2, seed=1):
    """Value → satisfaction → loyalty with a direct path; single items without error, variances of 1."""
    rng = np.random.default_rng(seed)
    value = rng.normal(size=size)
    satisfaction = first * value + np.sqrt(1 - first**2) * rng.normal(size=size)
    explained = direct**2 + second**2 + 2 * direct * second * first
    loyalty = direct * value + second * satisfaction + np.sqrt(1 - explained) * rng.normal(size=size)
    return pd.DataFrame({"v": value, "s": satisfaction, "l": loyalty})


@pytest.fixture
def partial():
    return PathModel(SINGLE, [*CHAIN, ("value", "loyalty")])


def test_routes_add_up_to_the_indirect_effects(mobi, ecsi):
    replicates = ecsi.fit(mobi, scheme="centroid").bootstrap(20, seed=1)
    routes = specific_indirect_effects(replicates)
    sums = routes.groupby(["from", "to"])["estimate"].sum()
    indirect = replicates.results.indirect_effects
    assert set(sums.index) == set(indirect.index)
    assert sums[indirect.index].to_numpy() == pytest.approx(indirect.to_numpy(), abs=1e-14)


def test_every_route_is_listed_once(mobi, ecsi):
    """As many routes as powers of the adjacency matrix count."""
    routes = specific_indirect_effects(ecsi.fit(mobi).bootstrap(2, seed=1))
    arrows = ecsi.layout().arrows.astype(int)
    counts = sum(np.linalg.matrix_power(arrows, length) for length in range(2, 8))
    names = ecsi.layout().constructs
    found = routes.groupby(["from", "to"]).size()
    assert found.to_dict() == {(names[i], names[j]): counts[i, j] for i, j in zip(*np.nonzero(counts), strict=True)}
    assert routes["route"].is_unique
    lengths = routes.groupby(["from", "to"], sort=False)["through"].apply(lambda those: [len(each) for each in those])
    assert all(each == sorted(each) for each in lengths)


def test_an_effect_is_the_product_of_its_paths_in_every_replicate(mobi, ecsi):
    replicates = ecsi.fit(mobi).bootstrap(40, seed=1)
    routes = specific_indirect_effects(replicates, source="image", target="loyalty", level=0.8).set_index("route")
    row = routes.loc["image → expectation → quality → satisfaction → loyalty"]
    assert row["through"] == ("expectation", "quality", "satisfaction")
    steps = [("image", "expectation"), ("expectation", "quality"), ("quality", "satisfaction")]
    steps.append(("satisfaction", "loyalty"))
    assert row["estimate"] == pytest.approx(replicates.results.paths[steps].prod(), abs=1e-15)
    products = replicates.replicates("paths")[steps].prod(axis=1)
    assert row["std_error"] == pytest.approx(products.std())
    assert [row["low"], row["high"]] == pytest.approx(products.quantile([0.1, 0.9]).tolist())
    assert set(routes["from"]) == {"image"}
    assert set(routes["to"]) == {"loyalty"}


def test_no_route_gives_an_empty_table(partial):
    replicates = partial.fit(people(50)).bootstrap(5, seed=1)
    routes = specific_indirect_effects(replicates)
    empty = specific_indirect_effects(replicates, source="satisfaction")
    assert len(empty) == 0
    assert empty.columns.tolist() == routes.columns.tolist()


def test_standard_error_of_an_indirect_effect_is_its_spread_over_samples(partial):
    """The spread of the product of ordinary standardised regressions over 2,000 samples of the population."""
    products = []
    for seed in range(2000):
        v_s, v_l, s_l = np.corrcoef(people(300, seed=seed).to_numpy().T)[np.triu_indices(3, 1)]
        products.append(v_s * (s_l - v_s * v_l) / (1 - v_s**2))
    errors, estimates = [], []
    for seed in range(10):
        found = mediation(partial.fit(people(300, seed=seed)).bootstrap(500, seed=1), "value", "loyalty").indirect
        errors.append(found["std_error"])
        estimates.append(found["estimate"])
    assert estimates == pytest.approx(products[:10], abs=1e-12)
    assert np.mean(errors) == pytest.approx(np.std(products), rel=0.1)


@pytest.mark.parametrize(
    ("second", "direct", "kind"),
    [
        (0.5, 0.2, "complementary"),
        (0.5, -0.4, "competitive"),
        (0.5, 0.0, "indirect-only"),
        (0.0, 0.4, "direct-only"),
        (0.0, 0.0, "no effect"),
    ],
)
def test_planted_kinds_of_mediation_are_found(partial, second, direct, kind):
    data = people(1500, second=second, direct=direct, seed=3)
    found = mediation(partial.fit(data).bootstrap(400, seed=1), "value", "loyalty", level=0.99)
    assert found.kind == kind
    assert found.indirect["low"] <= 0.6 * second <= found.indirect["high"]
    assert found.direct["low"] <= direct <= found.direct["high"]


def test_share_mediated_is_the_indirect_part_of_the_total(partial):
    """Planted: 0.6 · 0.5 of 0.6 · 0.5 + 0.2."""
    shares = []
    for seed in range(30):
        found = mediation(partial.fit(people(2000, seed=seed)).bootstrap(200, seed=1), "value", "loyalty")
        assert found.notes == ()
        shares.append(found.share_mediated)
        assert shares[-1]["estimate"] == pytest.approx(found.indirect["estimate"] / found.total["estimate"])
    table = pd.DataFrame(shares)
    assert table["estimate"].mean() == pytest.approx(0.6, abs=3 * table["std_error"].mean() / np.sqrt(30))
    assert table["estimate"].std() == pytest.approx(table["std_error"].mean(), rel=0.3)
    assert ((table["low"] < 0.6) & (table["high"] > 0.6)).mean() >= 0.85


def test_parts_of_opposite_signs_have_no_share(partial):
    found = mediation(partial.fit(people(800, direct=-0.4)).bootstrap(50, seed=1), "value", "loyalty")
    assert found.share_mediated.isna().all()
    assert "opposite signs" in found.notes[0]
    assert found.total["estimate"] == pytest.approx(found.direct["estimate"] + found.indirect["estimate"])


def test_without_a_direct_path_mediation_is_full_by_specification():
    results = PathModel(SINGLE, CHAIN).fit(people(500))
    found = mediation(results.bootstrap(100, seed=1), "value", "loyalty")
    assert found.direct.tolist() == [0, 0, 0, 0]
    assert found.kind == "indirect-only"
    assert found.share_mediated.tolist() == [1, 0, 1, 1]
    assert found.notes == (
        "The model has no path value → loyalty: the direct effect is 0 by specification, and not by test.",
    )
    assert found.total.to_dict() == found.indirect.to_dict()


def test_effects_through_one_construct_and_the_others_make_the_whole(mobi, ecsi):
    replicates = ecsi.fit(mobi).bootstrap(60, seed=1)
    found = mediation(replicates, "image", "loyalty", through="value")
    assert all("value" in through for through in found.specific_indirect["through"])
    both = found.indirect["estimate"] + found.other_indirect["estimate"]
    assert both == pytest.approx(replicates.results.indirect_effects["image", "loyalty"], abs=1e-14)
    total = replicates.intervals("total_effects").loc[("image", "loyalty")]
    assert found.total.to_numpy() == pytest.approx(total.to_numpy(), abs=1e-12)
    assert found.direct.to_dict() == replicates.intervals("paths").loc[("image", "loyalty")].to_dict()

    narrow = mediation(replicates, "image", "loyalty", through=["value", "complaints"])
    assert 0 < len(narrow.specific_indirect) < len(found.specific_indirect)
    every = mediation(replicates, "image", "loyalty")
    assert every.other_indirect is None
    indirect = replicates.intervals("indirect_effects").loc[("image", "loyalty")]
    assert every.indirect.to_numpy() == pytest.approx(indirect.to_numpy(), abs=1e-12)


def test_bca_intervals_rest_on_the_estimates_without_one_case(partial):
    data = people(60, seed=4)
    replicates = partial.fit(data).bootstrap(400, seed=1, intervals="bca")
    found = mediation(replicates, "value", "loyalty", level=0.9).indirect

    def product(paths):
        return (paths["value", "satisfaction"] * paths["satisfaction", "loyalty"]).to_numpy()

    left_out = pd.DataFrame([partial.fit(data.drop(index=case)).paths for case in data.index])
    paths = pd.DataFrame([replicates.results.paths])
    low, high = _bca(
        product(replicates.replicates("paths"))[:, None], product(paths), product(left_out)[:, None], level=0.9
    )
    assert [found["low"], found["high"]] == pytest.approx([low[0], high[0]], abs=1e-9)
    plain = mediation(partial.fit(data).bootstrap(400, seed=1), "value", "loyalty", level=0.9).indirect
    assert abs(plain["low"] - found["low"]) > 1e-4


def test_intervals_of_an_indirect_effect_cover_the_planted_one(planted, chain):
    """Nine in ten, over eighty samples: 0.9 ± 2 · √(0.9 · 0.1 / 80)."""
    covered = []
    for sample in range(80):
        replicates = chain.fit(planted(250, seed=2000 + sample), consistent=True).bootstrap(200, seed=sample)
        row = specific_indirect_effects(replicates, level=0.9).iloc[0]
        covered.append(row["low"] <= 0.6 * 0.4 <= row["high"])
    assert 0.83 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("intervals", ["percentile", "bca"])
def test_replicates_that_were_lost_are_told_and_left_out(intervals):
    """The item of value is constant without the first case."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"v": np.r_[1.0, np.zeros(11)], "s": rng.normal(size=12), "l": rng.normal(size=12)})
    replicates = PathModel(SINGLE, CHAIN).fit(data).bootstrap(50, seed=1, intervals=intervals, min_usable=0.5)
    found = mediation(replicates, "value", "loyalty")
    assert found.notes[-1] == f"{replicates.failed.sum()} of 50 replicates could not be used and are left out."
    indirect = replicates.intervals("indirect_effects").loc[("value", "loyalty")]
    assert found.indirect.to_numpy() == pytest.approx(indirect.to_numpy(), abs=1e-14)
    assert found.indirect.notna().all()


def test_summary_frame(partial):
    found = mediation(partial.fit(people(100)).bootstrap(30, seed=1), "value", "loyalty")
    summary = found.summary_frame()
    assert summary.columns.tolist() == ["quantity", "parameter", *NUMBERS]
    assert summary.index.equals(pd.RangeIndex(5))
    assert summary["quantity"].tolist() == ["direct", "specific_indirect", "indirect", "total", "share_mediated"]
    assert summary["parameter"].tolist()[1] == "value → satisfaction → loyalty"
    assert summary.loc[3, NUMBERS].to_dict() == found.total.to_dict()
    assert all(pd.api.types.is_float_dtype(summary[name]) for name in NUMBERS)


def test_every_fault_at_once(partial):
    replicates = partial.fit(people(50)).bootstrap(5, seed=1)
    with pytest.raises(ParameterError) as caught:
        mediation(replicates, "valu", "loialty", through="satisfactoin", level=95)
    text = str(caught.value)
    for part in ("4 problems", "'value'?", "'loyalty'?", "'satisfaction'?", "level must lie between 0 and 1"):
        assert part in text
    with pytest.raises(ParameterError, match=r"source must be one of .* and is 'valu' \(did you mean 'value'\?\)"):
        specific_indirect_effects(replicates, source="valu")
    with pytest.raises(ParameterError, match="source and target must be two constructs, and both are 'value'"):
        mediation(replicates, "value", "value")
    with pytest.raises(ParameterError, match="no route of two or more paths leads from loyalty to value; the paths "):
        mediation(replicates, "loyalty", "value")
    with pytest.raises(ParameterError, match="there is nothing that could mediate; add the paths"):
        mediation(replicates, "value", "satisfaction")
    with pytest.raises(ParameterError, match="through must name constructs between value and loyalty, and has 'value'"):
        mediation(replicates, "value", "loyalty", through="value")


def test_through_a_construct_that_no_route_passes(mobi, ecsi):
    replicates = ecsi.fit(mobi).bootstrap(5, seed=1)
    with pytest.raises(
        ParameterError, match="from quality to satisfaction through complaints; routes between them pas"
    ):
        mediation(replicates, "quality", "satisfaction", through="complaints")
