"""Planted truth of scorecard and judgements: weights, consistency and lagged links."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_utils.company.simulate.management import CAPABILITIES, MANAGEMENT, RATED_CHANNELS, simulate_management

RANDOM_INDEX = {3: 0.52, 4: 0.89, 5: 1.11, 6: 1.25}


def ahp(judgements: pd.DataFrame) -> tuple[pd.Series, float]:
    """Principal eigenvector and consistency ratio of one expert's comparisons within a group."""
    names = sorted({*judgements["item"], *judgements["other"]})
    matrix = pd.DataFrame(1.0, index=names, columns=names)
    for item, other, value in judgements[["item", "other", "value"]].itertuples(index=False):
        matrix.loc[item, other], matrix.loc[other, item] = value, 1 / value
    values, vectors = np.linalg.eig(matrix.to_numpy())
    first = np.argmax(values.real)
    weights = np.abs(vectors[:, first].real)
    n = len(names)
    ratio = (values[first].real - n) / (n - 1) / RANDOM_INDEX[n]
    return pd.Series(weights / weights.sum(), index=names), ratio


@pytest.fixture(scope="module", params=[7, 8, 9])
def simulated(request):
    return simulate_management(np.random.default_rng(request.param))


def test_experts_are_consistent_but_for_the_careless_one(simulated):
    pairs = simulated[0]["judgements"].query("kind == 'pairwise'")
    last = f"E{MANAGEMENT.experts}"
    for (expert, _), judged in pairs.groupby(["expert", "group"]):
        ratio = ahp(judged)[1]
        assert (ratio > 0.1) == (expert == last), (expert, ratio)


def test_weights_are_recovered_from_the_consistent_experts(simulated):
    tables, truth = simulated
    pairs = tables["judgements"].query("kind == 'pairwise' and expert != 'E7'")
    for group, planted in truth["capability_weights"].groupby("group"):
        weights = [ahp(judged)[0] for _, judged in pairs[pairs["group"] == group].groupby("expert")]
        mean = pd.concat(weights, axis=1).mean(axis=1)
        planted = planted.set_index("item")["weight"]
        # Whole numbers on Saaty's scale blur ratios near one.
        assert (mean - planted).abs().max() < 0.07, group
        assert mean.corr(planted) > 0.85


def test_seventeen_indicators_under_three_capabilities():
    assert len(CAPABILITIES) == 3
    assert sum(len(items) for items in CAPABILITIES.values()) == 17
    for items in CAPABILITIES.values():
        assert sum(items.values()) == pytest.approx(1)


def test_judgements_have_the_contracts_shape(simulated):
    judgements = simulated[0]["judgements"]
    assert not judgements.duplicated(["expert", "kind", "item", "other"]).any()
    pairs, ratings = (judgements[judgements["kind"] == kind] for kind in ("pairwise", "rating"))
    assert len(pairs) == MANAGEMENT.experts * (3 + 10 + 15 + 15)
    assert pairs["value"].between(1, 9).all()
    assert len(ratings) == MANAGEMENT.experts * 17 * len(RATED_CHANNELS)
    assert ratings["value"].between(1, 5).all()


def test_ratings_follow_the_true_scores(simulated):
    tables, truth = simulated
    ratings = tables["judgements"].query("kind == 'rating'").groupby(["item", "other"])["value"].mean()
    scores = truth["capability_scores"].set_index(["item", "other"])["score"]
    assert ratings.corr(scores) > 0.85


def test_links_are_recovered_from_lagged_deviations():
    planned = {name: (level, trend) for name, (_, _, level, trend, _, _) in MANAGEMENT.measures.items()}
    wide = []
    for seed in range(150):
        card = simulate_management(np.random.default_rng(seed))[0]["scorecard"]
        values = card.pivot_table(index="period", columns="measure", values="value")
        steps = np.arange(len(values))
        wide.append(
            values - pd.DataFrame({m: planned[m][0] + planned[m][1] * steps for m in values}, index=values.index)
        )
    for cause, effect, lag, coefficient in MANAGEMENT.links:
        x = np.concatenate([deviation[cause].to_numpy()[:-lag] for deviation in wide])
        y = np.concatenate([deviation[effect].to_numpy()[lag:] for deviation in wide])
        slope = x @ y / (x @ x)
        error = np.std(y - slope * x) / np.sqrt(x @ x)
        assert abs(slope - coefficient) < 3.5 * error, (cause, effect)


def test_scorecard_covers_four_perspectives_and_twelve_quarters(simulated):
    card = simulated[0]["scorecard"]
    assert card["perspective"].nunique() == 4
    assert sorted(card["period"].unique())[0::11] == ["2023Q1", "2025Q4"]
    assert card.groupby("period")["weight"].sum().to_numpy() == pytest.approx(1)
    assert set(card["better"]) == {"higher", "lower"}
    assert not card.duplicated(["perspective", "measure", "period"]).any()
