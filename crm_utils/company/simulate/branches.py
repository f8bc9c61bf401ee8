"""The 25 branches of Yunshan Tea, in six regions."""

from __future__ import annotations

import pandas as pd

# City, its share of the customers, the first three digits of its postcodes, and the opening date of its branch.
_BRANCHES = {
    "North": [("Beijing", 7.0, "100", 2016), ("Tianjin", 3.5, "300", 2018), ("Shijiazhuang", 2.5, "050", 2020),
              ("Taiyuan", 2.0, "030", 2021)],
    "Northeast": [("Shenyang", 2.6, "110", 2019), ("Dalian", 2.4, "116", 2020), ("Harbin", 2.0, "150", 2021)],
    "East": [("Hangzhou", 8.0, "310", 2014), ("Shanghai", 8.5, "200", 2015), ("Nanjing", 4.5, "210", 2016),
             ("Suzhou", 4.5, "215", 2017), ("Ningbo", 3.5, "315", 2018), ("Hefei", 3.0, "230", 2020),
             ("Jinan", 2.6, "250", 2021)],
    "South": [("Guangzhou", 6.5, "510", 2016), ("Shenzhen", 6.0, "518", 2017), ("Xiamen", 4.0, "361", 2017),
              ("Fuzhou", 3.6, "350", 2018)],
    "Central": [("Wuhan", 4.8, "430", 2017), ("Changsha", 3.6, "410", 2018), ("Zhengzhou", 3.0, "450", 2020)],
    "West": [("Chengdu", 5.2, "610", 2017), ("Chongqing", 3.6, "400", 2019), ("Kunming", 3.0, "650", 2019),
             ("Xi'an", 3.1, "710", 2019)],
}  # fmt: skip


def branches() -> pd.DataFrame:
    """List the company's branches.

    Returns
    -------
    pandas.DataFrame
        One row a branch: ``branch_id`` (B01 to B25), ``city``, ``region``, ``opened`` (date, before the data begin),
        ``customer_share`` (fractions that sum to 1) and ``postcode_prefix``.

    Examples
    --------
    >>> branches()[["branch_id", "city", "region"]].head(2)
      branch_id     city region
    0       B01  Beijing  North
    1       B02  Tianjin  North
    """
    rows = [(region, *branch) for region, cities in _BRANCHES.items() for branch in cities]
    frame = pd.DataFrame(rows, columns=["region", "city", "customer_share", "postcode_prefix", "year"])
    frame["branch_id"] = [f"B{number:02d}" for number in range(1, len(frame) + 1)]
    months = 1 + frame.index.to_numpy() * 5 % 12
    opened = [f"{year}-{month:02d}-01" for year, month in zip(frame["year"], months, strict=True)]
    frame["opened"] = pd.to_datetime(opened).as_unit("us")
    frame["customer_share"] /= frame["customer_share"].sum()
    return frame[["branch_id", "city", "region", "opened", "customer_share", "postcode_prefix"]]
