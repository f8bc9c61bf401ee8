"""A survey of which everything is known, and the published mobile-phone survey."""

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.public import MOBI_CONSTRUCTS, fetch_mobi
from crm_utils.pls import PathModel
from crm_utils.satisfaction.national import national_model


@pytest.fixture
def mobi(public_data):
    public_data("mobi")
    return fetch_mobi()


@pytest.fixture
def ecsi():
    return national_model("ecsi", MOBI_CONSTRUCTS)


@pytest.fixture
def small():
    """Quality leads to value and satisfaction, value to satisfaction, satisfaction to loyalty."""
    blocks = {name: [f"{name}_{i}" for i in (1, 2, 3)] for name in ("quality", "value", "satisfaction")}
    blocks["loyalty"] = ["loyalty_1", "loyalty_2"]
    return PathModel(
        blocks,
        [("quality", "value"), ("quality", "satisfaction"), ("value", "satisfaction"), ("satisfaction", "loyalty")],
    )


@pytest.fixture
def survey(small):
    """Make answers from 1 to 10; `shift` moves the answers to every item, one number a respondent."""

    def make(size, *, seed=7, shift=0.0):
        rng = np.random.default_rng(seed)
        quality = rng.normal(size=size)
        value = 0.6 * quality + 0.8 * rng.normal(size=size)
        satisfaction = 0.5 * quality + 0.3 * value + 0.7 * rng.normal(size=size)
        loyalty = 0.7 * satisfaction + 0.7 * rng.normal(size=size)
        of = {"quality": quality, "value": value, "satisfaction": satisfaction, "loyalty": loyalty}
        columns = {}
        for name, construct in small.constructs.items():
            for item in construct.items:
                loading = 1.5 - 0.3 * int(item[-1])
                answers = 6.5 + loading * of[name] + 0.8 * rng.normal(size=size) + shift
                columns[item] = np.clip(np.rint(answers), 1, 10)
        return pd.DataFrame(columns)

    return make
