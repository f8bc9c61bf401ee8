"""Planted truth of the staggered rollout: recovered with not-yet-launched controls, missed by two-way fixed effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.rollout import ROLLOUT, planted_effect, simulate_rollout

OUTCOMES = ("sharing_rate", "phone_calls", "new_members")


@pytest.fixture(scope="module")
def simulated():
    branches = pd.DataFrame({"branch_id": [f"B{i:04d}" for i in range(1_000)]})
    tables, truth = simulate_rollout(branches, np.random.default_rng(2))
    return tables["rollout"], truth["rollout"]


def group_time_effect(rollout: pd.DataFrame, outcome: str, launch: str, months_after: int) -> tuple[float, float]:
    """Change since the month before the launch, against branches that have not launched by then; and its error."""
    launch_at = pd.Timestamp(launch)
    wide = rollout.pivot_table(index="branch_id", columns="month", values=outcome)
    launched = rollout.groupby("branch_id")["launched_month"].first()
    then, before = launch_at + pd.DateOffset(months=months_after), launch_at - pd.DateOffset(months=1)
    change = wide[then] - wide[before]
    treated, waiting = change[launched == launch_at], change[~(launched <= max(then, launch_at))]
    error = np.sqrt(treated.var() / len(treated) + waiting.var() / len(waiting))
    return treated.mean() - waiting.mean(), error


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("months_after", [0, 3, 8])
def test_effects_since_launch_are_recovered(simulated, outcome, months_after):
    estimate, error = group_time_effect(simulated[0], outcome, "2024-07-01", months_after)
    planted = ROLLOUT.effect_at_launch[outcome] + ROLLOUT.effect_per_month[outcome] * months_after
    # Nine comparisons here: 3.5 errors keeps the chance of a false alarm among all of them below one half percent.
    assert abs(estimate - planted) < 3.5 * error
    assert error < abs(planted) / 6


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("months_after", [-2, -6, -12])
def test_trends_are_parallel_before_the_launch(simulated, outcome, months_after):
    estimate, error = group_time_effect(simulated[0], outcome, "2024-12-01", months_after)
    assert abs(estimate) < 3.5 * error


def test_two_way_fixed_effects_are_biased(simulated):
    rollout, truth = simulated
    launched = (rollout["launched_month"] <= rollout["month"]).astype(float)

    def within(values: pd.Series) -> pd.Series:
        return (
            values
            - values.groupby(rollout["branch_id"]).transform("mean")
            - values.groupby(rollout["month"]).transform("mean")
            + values.mean()
        )

    d, y = within(launched), within(rollout["phone_calls"].astype(float))
    slope = (d * y).sum() / (d * d).sum()
    average = truth.loc[launched == 1, "effect_phone_calls"].mean()
    assert abs(slope) < 0.8 * abs(average)


def test_early_branches_stand_higher_before_anything_is_launched(simulated):
    rollout, _ = simulated
    early = rollout[rollout["month"] < "2024-01-01"].groupby("launched_month")["phone_calls"].mean()
    assert early.is_monotonic_decreasing


def test_truth_is_the_planted_effect_of_each_branch_and_month(simulated):
    rollout, truth = simulated
    since = rollout["month"].dt.to_period("M").astype("int64") - rollout["launched_month"].dt.to_period("M").astype(
        "int64"
    )
    since = since.where(rollout["launched_month"].notna(), -1).to_numpy()
    assert np.allclose(truth["effect_new_members"], planted_effect("new_members", since))
    assert (truth["branch_id"] == rollout["branch_id"]).all()


def test_one_row_a_branch_and_month_and_some_never_launch():
    branches = pd.DataFrame({"branch_id": [f"B{i:02d}" for i in range(25, 0, -1)], "city": "x"})
    before = branches.copy()
    rollout = simulate_rollout(branches, np.random.default_rng(2))[0]["rollout"]
    assert rollout.shape == (25 * 36, 6)
    assert not rollout.duplicated(["branch_id", "month"]).any()
    assert rollout["branch_id"].is_monotonic_increasing
    counts = rollout.drop_duplicates("branch_id")["launched_month"].value_counts(dropna=False)
    assert counts.tolist() == [5] * 5
    assert rollout["sharing_rate"].between(0.0, 1.0).all()
    pd.testing.assert_frame_equal(branches, before)
