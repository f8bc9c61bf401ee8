"""Starting values of the purchase models do not matter: from anywhere the same optimum, or an error."""

import numpy as np
import pytest

from crm_utils.errors import ConvergenceError
from crm_utils.lifetime import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, simulate_histories

COLUMNS = ["frequency", "recency", "age"]


@pytest.fixture(scope="module")
def histories():
    """A thousand customers, in steps of five weeks, which merge to fewer rows, so that the test is quick."""
    age = 5.0 * np.random.default_rng(2).integers(1, 31, 1_000)
    drawn = simulate_histories(ParetoNBD(), {"r": 0.8, "alpha": 6.0, "s": 1.2, "beta": 20.0}, age, seed=3)[COLUMNS]
    return drawn.assign(recency=5 * np.ceil(drawn["recency"] / 5))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD])
def test_fifty_random_starts_lead_to_one_optimum_or_an_error(model, histories):
    columns = [histories[name] for name in COLUMNS]
    reference = model().fit(*columns)
    found = 0
    # From a hundredth to a hundred times the mean age, and as wide for the parameters of shape.
    for start in np.exp(np.random.default_rng(1).uniform(-np.log(100), np.log(100), (50, 4))):
        started = type("Started", (model,), {"starts": (tuple(start),)})
        try:
            fitted = started().fit(*columns)
        except ConvergenceError:
            continue
        found += 1
        assert fitted.loglik == pytest.approx(reference.loglik, abs=1e-6)
        np.testing.assert_allclose(fitted.params, reference.params, rtol=1e-3)
    assert found >= 45
