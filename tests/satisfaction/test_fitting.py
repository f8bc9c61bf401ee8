"""Models from answers as they come: items that would lower an index are left out, and named."""

import warnings

import numpy as np
import pandas as pd
import pytest

from crm_utils.errors import ParameterError
from crm_utils.pls import Construct, PathModel
from crm_utils.satisfaction.fitting import fit_index_model
from crm_utils.satisfaction.index import index_scores


def test_good_answers_are_estimated_as_they_are(survey, small):
    data = survey(200)
    results, notes = fit_index_model(small, data, scheme="centroid")
    assert notes == ()
    assert results.paths.equals(small.fit(data, scheme="centroid").paths)


def test_items_that_run_the_other_way_are_left_out_worst_first(survey, small):
    data = survey(300)
    turned = data.assign(value_2=11 - data["value_2"], satisfaction_3=11 - data["satisfaction_3"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results, notes = fit_index_model(small, turned)
    assert set(small.items) - set(results.model.items) == {"value_2", "satisfaction_3"}
    assert len(notes) == 2
    assert notes[0].startswith("The item ")
    assert notes[1].startswith("Of the items that are left, ")
    assert all("declare it as reversed" in note for note in notes)
    blocks = {name: [item for item in given.items if item in results.model.items]
              for name, given in small.constructs.items()}  # fmt: skip
    same = PathModel(blocks, small.paths).fit(data)
    assert results.paths.to_numpy() == pytest.approx(same.paths.to_numpy())
    assert index_scores(results)["index"].between(0, 100).all()


def test_a_construct_keeps_its_last_item_and_its_mode(small, survey):
    data = survey(300)
    model = PathModel({"quality": Construct(["quality_1", "quality_2"], mode="B"), "loyalty": ["loyalty_1"]},
                      [("quality", "loyalty")])  # fmt: skip
    data["quality_2"] = data["quality_1"] + np.random.default_rng(1).normal(scale=0.3, size=300)
    data["loyalty_1"] = 2 * data["quality_1"] - data["quality_2"] + np.random.default_rng(2).normal(size=300)
    results, notes = fit_index_model(model, data)
    assert results.model.constructs["quality"] == Construct(("quality_1",), mode="B")
    assert "quality_2 of quality" in notes[0]


def test_options_are_checked_and_passed_on(survey, small):
    with pytest.raises(ParameterError, match="scheme must be one of"):
        fit_index_model(small, survey(50), scheme="circle")
    data = survey(100)
    weights = pd.Series(np.arange(100.0))
    results, _ = fit_index_model(small, data, weights=weights)
    assert results.n_cases == 99
