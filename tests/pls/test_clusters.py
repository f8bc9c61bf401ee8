"""Clusters of cases, the weights behind the replicates, means by group, and notes on items."""

import warnings

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import DataFloorError, ItemWarning, ParameterError
from crm_utils.pls import Construct, PathModel


@pytest.fixture
def sample(planted):
    return planted(120)


@pytest.fixture
def grouped(sample):
    return sample.assign(person=np.repeat(np.arange(40), 3), side=np.tile(["left", "right"], 60))


def test_a_replicate_is_the_fit_of_the_clusters_drawn(grouped, chain):
    bootstrap = chain.fit(grouped, clusters="person").bootstrap(5, seed=11)
    for replicate, child in enumerate(np.random.SeedSequence(11).spawn(5)):
        drawn = np.random.default_rng(child).integers(0, 40, 40)
        rows = np.concatenate([np.flatnonzero(grouped["person"] == person) for person in drawn])
        again = chain.fit(grouped.iloc[rows]).paths
        assert bootstrap.replicates("paths").loc[replicate].to_numpy() == pytest.approx(again.to_numpy(), abs=1e-10)


def test_the_estimate_does_not_depend_on_clusters(grouped, chain):
    pd.testing.assert_series_equal(chain.fit(grouped, clusters="person").paths, chain.fit(grouped).paths)


def test_cases_that_repeat_each_other_get_wider_intervals(sample, chain):
    tripled = pd.concat([sample] * 3, ignore_index=True)
    people = np.tile(np.arange(120), 3)
    alone = chain.fit(sample).bootstrap(300, seed=1).intervals("paths")["std_error"]
    together = chain.fit(tripled, clusters=people).bootstrap(300, seed=1).intervals("paths")["std_error"]
    apart = chain.fit(tripled).bootstrap(300, seed=1).intervals("paths")["std_error"]
    assert together.to_numpy() == pytest.approx(alone.to_numpy())
    assert (apart / together).mean() == pytest.approx(1 / np.sqrt(3), abs=0.08)


def test_bca_leaves_out_a_cluster_at_a_time(sample, chain):
    single = chain.fit(sample).bootstrap(100, seed=1, intervals="bca")
    labelled = chain.fit(sample, clusters=np.arange(120)).bootstrap(100, seed=1, intervals="bca")
    pd.testing.assert_frame_equal(single.intervals("paths"), labelled.intervals("paths"))
    people = np.repeat(np.arange(40), 3)
    assert len(chain.fit(sample, clusters=people).bootstrap(50, seed=1, intervals="bca").left_out[1].weights) == 40


def test_masses_are_times_drawn_by_own_weight(grouped, chain):
    mass = np.r_[0.0, np.linspace(0.5, 1.5, 119)]
    bootstrap = chain.fit(grouped, weights=mass).bootstrap(3, seed=5)
    found = np.concatenate([masses for _, masses in bootstrap.masses()])
    drawn = np.random.default_rng(np.random.SeedSequence(5).spawn(3)[2]).integers(0, 119, 119)
    used = mass[1:] / mass[1:].mean()
    assert found[2] == pytest.approx(np.bincount(drawn, minlength=119) * used)


def test_means_by_group_are_those_of_the_rows_drawn(grouped, chain):
    bootstrap = chain.fit(grouped, clusters="person").bootstrap(4, seed=3)
    means = bootstrap.group_means(grouped["side"])
    items = list(chain.items)
    assert means.labels.tolist() == ["left", "right"]
    assert means.cases.tolist() == [60, 60]
    assert means.clusters.tolist() == [40, 40]
    assert means.estimates == pytest.approx(grouped.groupby("side")[items].mean().to_numpy())
    drawn = np.random.default_rng(np.random.SeedSequence(3).spawn(4)[2]).integers(0, 40, 40)
    rows = grouped.iloc[np.concatenate([np.flatnonzero(grouped["person"] == person) for person in drawn])]
    assert means.replicates[2] == pytest.approx(rows.groupby("side")[items].mean().to_numpy())


@pytest.mark.parametrize("missing", ["error", "em"])
def test_cases_without_weight_are_as_if_not_there(grouped, chain, missing):
    data = grouped.copy()
    if missing == "em":
        data.loc[data.index % 5 == 0, "a1"] = np.nan
    mass = np.where(data.index < 30, 0.0, 1.0 + data.index % 3)
    weighted = chain.fit(data, missing=missing, weights=mass, clusters="person").bootstrap(20, seed=3)
    rest = data.iloc[30:]
    alone = chain.fit(rest, missing=missing, weights=mass[30:], clusters="person").bootstrap(20, seed=3)
    one, other = (each.replicates("paths").to_numpy() for each in (weighted, alone))
    assert one == pytest.approx(other, abs=1e-10)
    one, other = weighted.group_means(data["side"]), alone.group_means(rest["side"])
    assert one.cases.tolist() == other.cases.tolist() == [45, 45]
    assert one.clusters.tolist() == other.clusters.tolist() == [30, 30]
    assert one.estimates == pytest.approx(other.estimates, abs=1e-7)
    assert one.replicates == pytest.approx(other.replicates, abs=1e-7)


def test_groups_by_two_columns_and_rows_in_none(grouped, chain):
    bootstrap = chain.fit(grouped).bootstrap(3, seed=3)
    half = np.where(grouped.index < 50, "first", "second")
    both = bootstrap.group_means(grouped[["side"]].assign(half=half))
    assert both.labels.tolist() == [("left", "first"), ("left", "second"), ("right", "first"), ("right", "second")]
    some = grouped["side"].where(grouped.index < 100)
    assert bootstrap.group_means(some).cases.sum() == 100
    assert bootstrap.group_means(some).clusters is None


def test_unusable_groups(grouped, chain):
    bootstrap = chain.fit(grouped).bootstrap(3, seed=3)
    with pytest.raises(ParameterError, match="one a row of the data, which has 120; groups have 3"):
        bootstrap.group_means(["x", "y", "z"])
    with pytest.raises(ParameterError, match="no case has a group"):
        bootstrap.group_means([None] * 120)
    with pytest.raises(ParameterError, match="rows in another order"):
        bootstrap.group_means(grouped["side"].iloc[::-1])


def test_unusable_clusters(grouped, chain):
    with pytest.raises(ParameterError, match="data lacks the clusters column 'persn' \\(did you mean 'person'"):
        chain.fit(grouped, clusters="persn")
    with pytest.raises(ParameterError, match="clusters have 2"):
        chain.fit(grouped, clusters=[1, 2])
    with pytest.raises(ParameterError, match="clusters are missing for 1 case "):
        chain.fit(grouped, clusters=grouped["person"].where(grouped.index > 0))
    with pytest.raises(ParameterError, match="clusters has its rows in another order than data"):
        chain.fit(grouped, clusters=grouped["person"].iloc[::-1])
    with pytest.raises(DataFloorError, match="belong to 2 clusters, and intervals need at least 10"):
        chain.fit(grouped, clusters="side").bootstrap(10, seed=1)


def test_an_item_that_runs_backwards_is_named_once(sample, chain):
    with pytest.warns(ItemWarning, match="The item b2 points against the others of b .* turn it round") as caught:
        results = chain.fit(sample.assign(b2=-sample["b2"]))
    assert len(caught) == 1
    assert len(results.notes) == 1


def test_two_items_that_disagree_are_noticed(sample):
    model = PathModel({"a": ["a1", "a2"], "c": ["c1", "c2"]}, [("a", "c")])
    with pytest.warns(ItemWarning, match="Of the items a1, a2 of a, as many point one way as the other.*turn it round"):
        model.fit(sample.assign(a2=-sample["a2"]))
    assert model.fit(sample).notes == ()


def test_items_that_form_a_construct_may_point_anywhere_and_a_replicate_warns_of_nothing(sample, chain):
    blocks = dict(chain.constructs) | {"b": Construct(["b1", "b2", "b3"], mode="B")}
    turned = sample.assign(b2=-sample["b2"])
    assert PathModel(blocks, chain.paths).fit(turned).notes == ()
    with pytest.warns(ItemWarning):
        results = chain.fit(turned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.bootstrap(5, seed=1).intervals("f_squared")


@pytest.mark.parametrize("quantity", ["f_squared", "vif", "adjusted_r_squared", "srmr", "cross_loadings", "item_vif"])
def test_more_quantities_are_those_of_the_rows_drawn(sample, chain, quantity):
    bootstrap = chain.fit(sample).bootstrap(4, seed=3)
    rows = np.random.default_rng(np.random.SeedSequence(3).spawn(4)[1]).integers(0, 120, 120)
    again = getattr(chain.fit(sample.iloc[rows]), quantity)
    again = again.to_numpy().ravel()
    assert bootstrap.replicates(quantity).loc[1].to_numpy() == pytest.approx(again, abs=1e-9, nan_ok=True)
    table = bootstrap.intervals(quantity)
    assert (table["low"] <= table["high"]).all()
