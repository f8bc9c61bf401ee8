"""The catalogue: 120 teas and tea ware at a few price points, and the pairs that are bought together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# Within a category the best-seller comes first. The list price is for the standard size: 100 g of tea, one piece.
_PRODUCTS = {
    "Green tea": """Longjing 99|Biluochun 129|Huangshan Maofeng 79|Anji Baicha 129|Lu'an Guapian 99|Xinyang Maojian 79|
        Taiping Houkui 169|Enshi Yulu 59|Zhuyeqing 129|Mengding Ganlu 99|Rizhao Green 39|Duyun Maojian 59|
        Everyday Green 29|Genmaicha 39|Longjing Spring Reserve 299|Biluochun Spring Reserve 399""",
    "Black tea": """Keemun 79|Dianhong Golden Bud 99|Lapsang Souchong 99|Yingde No 9 59|Jin Jun Mei 299|Yixing Hong 59|
        Everyday Black 29|Breakfast Blend 29|Earl Grey 39|Lychee Black 39|Osmanthus Black 59|Tanyang Gongfu 79|
        Dianhong Ancient Tree 169|Keemun Reserve 199""",
    "Oolong": """Tieguanyin 79|Da Hong Pao 129|Dongding 99|Rougui 129|Shuixian 79|Phoenix Dancong 169|Baiya Qilan 99|
        Milk Oolong 59|Everyday Oolong 39|Osmanthus Oolong 59|Huangjingui 59|Oriental Beauty 199|Aged Da Hong Pao 399|
        Alishan High Mountain 169""",
    "Pu'er": """Shou Pu'er Cake 99|Sheng Pu'er Cake 129|Mini Tuocha 39|Tangerine Pu'er 79|Palace Shou 129|
        Liubao 59|Anhua Fu Brick 59|Shou Pu'er 2012 299|Sheng Pu'er 2008 599|Everyday Shou 29|Ancient Tree Sheng 199|
        Rice Fragrance Tuo 39""",
    "White tea": """White Peony 79|Shou Mei 39|Silver Needle 199|Gong Mei 59|Aged White 2015 299|White Tea Cake 99|
        Moonlight White 99|Everyday White 29""",
    "Flower tea": """Jasmine Pearls 79|Jasmine Green 39|Chrysanthemum 29|Rose Buds 39|Goji Berries 29|Dried Longan 29|
        Osmanthus 39|Honeysuckle 29|Eight Treasures 39|Lavender 39|Barley Tea 19|Buckwheat Tea 29|Lotus Leaf 19|
        Red Date Ginger 29|Jasmine Silver Needle 129|Mulberry Leaf 19""",
    "Matcha": """Ceremonial Matcha 169|Culinary Matcha 79|Matcha Latte Mix 39|Hojicha Powder 59|Matcha Everyday 59|
        Ceremonial Matcha Reserve 299""",
    "Tea ware": """Infuser Mug 59|Glass Teapot 79|Gaiwan 59|Cold Brew Bottle 39|Tea Cup 19|Yixing Teapot 169|
        Bamboo Whisk 39|Tasting Cups 39|Travel Tea Set 129|Bamboo Tea Tray 199|Fairness Pitcher 39|Tea Caddy 59|
        Celadon Teapot 199|Tea Towel 19|Tea Scoop 19|Strainer 19|Matcha Bowl 79|Tea Pet 39|Electric Kettle 199|
        Cast Iron Teapot 299|Yixing Teapot, Master 599|Pu'er Knife 29""",
    "Gifts": """Sampler of Six 79|Festival Box 199|Spring Box 169|Mooncakes and Tea 129|Wedding Box 299|Office Box 99|
        Tea Biscuits 29|Candied Ginger 19|Osmanthus Cake 29|Chairman's Box 599|Sesame Crisps 19|Travel Sampler 39""",
}  # fmt: skip
COST_SHARE = {
    "Green tea": 0.54, "Black tea": 0.52, "Oolong": 0.54, "Pu'er": 0.58, "White tea": 0.56, "Flower tea": 0.48,
    "Matcha": 0.60, "Tea ware": 0.64, "Gifts": 0.68,
}  # fmt: skip
BY_THE_PIECE = ("Tea ware", "Gifts")


@dataclass(frozen=True)
class PlantedPair:
    """Two products of which one brings the other into the basket.

    Parameters
    ----------
    anchor, companion : str
        Product names.
    probability_added : float
        Chance that an order with the anchor, and not yet with the companion, gets the companion as well.
    """

    anchor: str
    companion: str
    probability_added: float


PLANTED_PAIRS = (
    PlantedPair("Yixing Teapot", "Shou Pu'er Cake", 0.45),
    PlantedPair("Bamboo Whisk", "Ceremonial Matcha", 0.55),
    PlantedPair("Gaiwan", "Tieguanyin", 0.35),
    PlantedPair("Cold Brew Bottle", "Jasmine Green", 0.40),
    PlantedPair("Glass Teapot", "Jasmine Pearls", 0.30),
    PlantedPair("Chrysanthemum", "Goji Berries", 0.40),
    PlantedPair("Rose Buds", "Dried Longan", 0.30),
    PlantedPair("Pu'er Knife", "Sheng Pu'er Cake", 0.50),
)


def catalogue() -> pd.DataFrame:
    """List the products.

    Returns
    -------
    pandas.DataFrame
        The contract's table ``products``: ``product_id`` (P001 to P120), ``name``, ``category``, ``list_price`` and
        ``unit_cost`` of the standard size, both in CNY.

    Examples
    --------
    >>> catalogue().head(2)
      product_id       name   category  list_price  unit_cost
    0       P001   Longjing  Green tea        99.0      49.00
    1       P002  Biluochun  Green tea       129.0      69.66
    """
    rows = []
    for category, listed in _PRODUCTS.items():
        for entry in listed.split("|"):
            name, price = entry.strip().rsplit(" ", 1)
            rows.append((name, category, float(price)))
    frame = pd.DataFrame(rows, columns=["name", "category", "list_price"])
    frame.insert(0, "product_id", [f"P{number:03d}" for number in range(1, len(frame) + 1)])
    # A fixed pattern of a few points around the category's cost share, so that products differ in margin too.
    share = frame["category"].map(COST_SHARE) + (frame.index.to_numpy() * 3 % 7 - 3) * 0.015
    frame["unit_cost"] = (frame["list_price"] * share).round(2)
    return frame


def popularity() -> np.ndarray:
    """Weigh the products within their category: each is less popular than the one before.

    Returns
    -------
    numpy.ndarray
        One weight a product, in catalogue order; the weights of a category sum to 1.
    """
    products = catalogue()
    rank = products.groupby("category", sort=False).cumcount().to_numpy()
    weight = 1 / (rank + 3.0)
    return weight / pd.Series(weight).groupby(products["category"]).transform("sum").to_numpy()
