"""Search for the maximum likelihood: known minima, bad curvature, saddles, objectives without a minimum."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from crm_utils.errors import ConvergenceError
from crm_utils.lifetime._search import LOG_BOUND, best_of, hessian, newton

NAMES = ["first", "second", "third"]


def newton_(objective, point, curvature=None, *, names=NAMES, cases=1_000.0, **options):
    curvature = np.eye(len(point)) if curvature is None else np.asarray(curvature, dtype=float)
    return newton(
        objective,
        np.asarray(point, float),
        curvature,
        cases=cases,
        names=names,
        where="A model",
        remedy="More",
        **options,
    )


@pytest.fixture
def poisson():
    """Negative mean log-likelihood of a Poisson regression, up to a constant: convex, and no quadratic."""
    rng = np.random.default_rng(4)
    table = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    counts = rng.poisson(np.exp(table @ [0.4, 0.5, -0.3]))

    def objective(point):
        mean = np.exp(table @ point)
        return float(np.mean(mean - counts * (table @ point))), table.T @ (mean - counts) / len(counts)

    def exact_hessian(point):
        return table.T * np.exp(table @ point) @ table / len(counts)

    assert check_grad(lambda point: objective(point)[0], lambda point: objective(point)[1], np.ones(3)) < 1e-5
    return objective, exact_hessian


def test_the_minimum_is_that_of_scipy_and_the_hessian_the_analytic_one(poisson):
    objective, exact_hessian = poisson
    reference = minimize(objective, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-11}).x
    point, curvature = newton_(objective, [1.0, -1.0, 1.0], exact_hessian(np.array([1.0, -1.0, 1.0])))
    np.testing.assert_allclose(point, reference, atol=1e-7)
    np.testing.assert_allclose(curvature, exact_hessian(point), rtol=1e-6)
    np.testing.assert_allclose(hessian(objective, point), exact_hessian(point), rtol=1e-6)


@pytest.mark.parametrize("refresh", [True, False])
@pytest.mark.parametrize(
    "start",
    [
        np.eye(3),
        1e-3 * np.eye(3),  # steps a thousand times too long
        1e3 * np.eye(3),  # and too short
        -np.eye(3),
        np.diag([1.0, -1.0, 0.0]),
        np.ones((3, 3)),
        np.zeros((3, 3)),
    ],
)
def test_a_bad_curvature_to_begin_with_does_not_matter(poisson, start, refresh):
    objective, _ = poisson
    expected, _ = newton_(objective, [0.0, 0.0, 0.0])
    point, _ = newton_(objective, [0.3, -2.0, 2.0], start, refresh=refresh)
    # Less than a billionth of log-likelihood away, so that parameters agree to about its root.
    np.testing.assert_allclose(point, expected, atol=1e-5)


def test_a_curvature_that_fits_is_kept_where_no_refresh_is_asked_for(poisson):
    objective, exact_hessian = poisson
    centre, _ = newton_(objective, [0.0, 0.0, 0.0])
    known = exact_hessian(centre)
    seen = []

    def counted(point):
        seen.append(point)
        return objective(point)

    point, curvature = newton_(counted, centre + 0.01, known, refresh=False)
    assert curvature is known
    assert len(seen) < 6
    np.testing.assert_allclose(point, centre, atol=1e-6)


def test_steps_lead_down_from_a_saddle():
    """x⁴/4 − x²/2 + y²/2 curves downward at 0.1; its minima are at ±1."""

    def objective(point):
        x, y = point
        return x**4 / 4 - x**2 / 2 + y**2 / 2, np.array([x**3 - x, y])

    point, curvature = newton_(objective, [0.1, 0.5], np.diag([-1.0, 1.0]), names=NAMES[:2])
    np.testing.assert_allclose(point, [1, 0], atol=1e-6)
    np.testing.assert_allclose(curvature, np.diag([2.0, 1.0]), atol=1e-5)


def test_a_narrow_bent_valley_is_followed_to_its_end():
    """Rosenbrock's valley: steps of an old curvature point across it, and are shortened again and again."""

    def objective(point):
        x, y = point
        slope = np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2, slope

    point, _ = newton_(objective, [-1.2, 1.0], hessian(objective, np.array([-1.2, 1.0])), names=NAMES[:2])
    np.testing.assert_allclose(point, [1, 1], atol=1e-5)


def test_a_parameter_that_runs_away_is_named(poisson):
    objective, _ = poisson

    def running(point):
        value, gradient = objective(point[:3])
        # Falls on and on as the last parameter grows.
        return value + 1 / (1 + np.exp(point[3])), np.append(gradient, -1 / (2 + 2 * np.cosh(point[3])))

    start = np.array([0.0, 0.0, 0.0, 1.0])
    with pytest.raises(ConvergenceError, match=r"A model: the likelihood does not settle runaway\. More\.$"):
        newton_(running, start, hessian(running, start), names=[*NAMES, "runaway"])


def test_what_the_objective_does_not_tell_apart_is_named(poisson):
    objective, _ = poisson

    def flat(point):
        value, gradient = objective(np.array([point[0], point[1] + point[3], point[2]]))
        return value, np.array([*gradient, gradient[1]])

    with pytest.raises(ConvergenceError, match=r"does not settle second, twin\. More\."):
        newton_(flat, np.zeros(4), names=[*NAMES, "twin"])


def test_steps_that_do_not_end_are_refused():
    """A gradient that belongs to another function: every step leads uphill."""
    with pytest.raises(ConvergenceError, match=r"A model: no maximum was reached in 40 Newton steps\. More\."):
        newton_(lambda point: (float(point @ point), 1e-4 * np.sin(1e6 * point) - 1.0 + point), [0.5, 0.5, 0.5])


def test_best_of_keeps_the_best_end_within_bounds():
    """Two minima, at −1 and, deeper, at 2; the second coordinate falls for ever."""

    def objective(point):
        x, y = point
        value = (x + 1) ** 2 * (x - 2) ** 2 - 0.2 * x - 0.01 * y
        slope = 2 * (x + 1) * (x - 2) ** 2 + 2 * (x + 1) ** 2 * (x - 2) - 0.2
        return value, np.array([slope, -0.01])

    shallow = best_of(objective, [np.array([-1.0, 0.0])], most=1)
    assert shallow[0] == pytest.approx(-1, abs=0.05)
    for starts in ([[-1.0, 0.0], [2.0, 0.0]], [[2.0, 0.0], [-1.0, 0.0]]):
        for most in (1, 2):
            best = best_of(objective, [np.array(start) for start in starts], most=most)
            assert best[0] == pytest.approx(2, abs=0.05)
            assert best[1] == LOG_BOUND
