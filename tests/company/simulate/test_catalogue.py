from __future__ import annotations

import pytest

from crm_utils.company.simulate.catalogue import BY_THE_PIECE, COST_SHARE, PLANTED_PAIRS, catalogue, popularity
from crm_utils.company.simulate.purchases import COST_INDEX, PRICE_INDEX


def test_catalogue_has_120_products_at_a_few_price_points():
    products = catalogue()
    assert len(products) == 120
    assert products["product_id"].is_unique
    assert products["name"].is_unique
    assert products["list_price"].nunique() <= 12
    assert products["name"].str.isascii().all()


def test_costs_lie_around_the_categorys_share():
    products = catalogue()
    share = products["unit_cost"] / products["list_price"]
    assert (share - products["category"].map(COST_SHARE)).abs().max() < 0.05
    assert (share * max(COST_INDEX.values()) < min(PRICE_INDEX.values())).all()


def test_popularity_sums_to_one_in_each_category_and_falls():
    products = catalogue().assign(weight=popularity())
    for _, category in products.groupby("category"):
        assert category["weight"].sum() == pytest.approx(1)
        assert category["weight"].is_monotonic_decreasing


def test_planted_pairs_name_products_once_and_add_what_is_sold_by_weight():
    # The closed form of the expected lift needs pairs without common products.
    products = catalogue().set_index("name")
    names = [name for pair in PLANTED_PAIRS for name in (pair.anchor, pair.companion)]
    assert len(set(names)) == len(names)
    assert set(names) <= set(products.index)
    companions = [pair.companion for pair in PLANTED_PAIRS]
    assert not products.loc[companions, "category"].isin(BY_THE_PIECE).any()
