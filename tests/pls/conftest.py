"""The mobile-phone survey and a population whose paths are known."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.public import MOBI_CONSTRUCTS, fetch_mobi
from crm_utils.pls import PathModel

ECSI_PATHS = [
    ("image", "expectation"),
    ("image", "satisfaction"),
    ("image", "loyalty"),
    ("expectation", "quality"),
    ("expectation", "value"),
    ("expectation", "satisfaction"),
    ("quality", "value"),
    ("quality", "satisfaction"),
    ("value", "satisfaction"),
    ("satisfaction", "complaints"),
    ("satisfaction", "loyalty"),
    ("complaints", "loyalty"),
]


@pytest.fixture
def mobi(public_data):
    public_data("mobi")
    return fetch_mobi()


@pytest.fixture
def ecsi():
    return PathModel(MOBI_CONSTRUCTS, ECSI_PATHS)


@pytest.fixture
def small():
    """The four constructs of seminr's documentation."""
    names = ["image", "expectation", "value", "satisfaction"]
    return PathModel({name: MOBI_CONSTRUCTS[name] for name in names}, [(name, names[-1]) for name in names[:-1]])


@pytest.fixture
def chain():
    """Three constructs: a leads to b and c, b leads to c."""
    blocks = {name: [f"{name}{i}" for i in (1, 2, 3)] for name in "abc"}
    return PathModel(blocks, [("a", "b"), ("a", "c"), ("b", "c")])


@pytest.fixture
def planted():
    """Make a sample in which a → b is 0.6, a → c 0.3, b → c 0.4, and every item has the loading 0.8."""

    def make(size, *, loading=0.8, seed=7):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=size)
        b = 0.6 * a + np.sqrt(1 - 0.36) * rng.normal(size=size)
        explained = 0.3**2 + 0.4**2 + 2 * 0.3 * 0.4 * 0.6
        c = 0.3 * a + 0.4 * b + np.sqrt(1 - explained) * rng.normal(size=size)
        columns = {}
        for name, construct in zip("abc", (a, b, c), strict=True):
            for i in (1, 2, 3):
                columns[f"{name}{i}"] = loading * construct + np.sqrt(1 - loading**2) * rng.normal(size=size)
        return pd.DataFrame(columns)

    return make
