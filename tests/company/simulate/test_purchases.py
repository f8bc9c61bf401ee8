from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

from crm_utils.company.simulate.calendar import AS_OF, DAYS, block_rng
from crm_utils.company.simulate.catalogue import PLANTED_PAIRS, catalogue
from crm_utils.company.simulate.people import CHANNELS, PURCHASES, draw_people
from crm_utils.company.simulate.purchases import draw_purchase_days, simulate_purchases

BLOCKS = 4


@pytest.fixture(scope="module")
def buyers():
    blocks = [draw_people(seed=7, block=block) for block in range(BLOCKS)]
    return [people[~people["is_prospect"]].reset_index(drop=True) for people in blocks]


@pytest.fixture(scope="module")
def orders(buyers):
    return [simulate_purchases(people, block_rng(7, block, 3), block=block) for block, people in enumerate(buyers)]


@pytest.fixture(scope="module")
def lines(orders):
    return pd.concat([block.lines for block in orders], ignore_index=True)


@pytest.fixture(scope="module")
def purchase_days(lines):
    bought = lines[lines["quantity"] > 0]
    return bought.groupby(["customer_id", bought["ordered_at"].dt.normalize()])["amount"].sum().reset_index()


@pytest.fixture(scope="module")
def histories(purchase_days):
    by_person = purchase_days.groupby("customer_id")["ordered_at"].agg(["min", "max", "size"])
    return pd.DataFrame(
        {
            "x": by_person["size"] - 1,
            "t_x": (by_person["max"] - by_person["min"]).dt.days / 7,
            "T": (AS_OF - by_person["min"]).dt.days / 7,
        }
    )


def fit(negative_log_likelihood, start):
    """Maximum likelihood on the logarithms of the parameters, with standard errors from a numerical Hessian."""
    fitted = optimize.minimize(negative_log_likelihood, np.log(start), method="BFGS", options={"gtol": 1e-3})
    step = 1e-3
    size = len(start)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            up, down = np.eye(size)[i] * step, np.eye(size)[j] * step
            f = negative_log_likelihood
            hessian[i, j] = (f(fitted.x + up + down) - f(fitted.x + up - down) - f(fitted.x - up + down)
                             + f(fitted.x - up - down)) / (4 * step**2)  # fmt: skip
    return fitted.x, np.sqrt(np.diag(np.linalg.inv(hessian)))


def test_bg_nbd_recovers_the_planted_parameters(histories):
    # Fader, Hardie & Lee (2005), equation 6: written out here, so that the simulation is not held against itself.
    x, t_x, total = (histories[name].to_numpy() for name in ("x", "t_x", "T"))

    def negative_log_likelihood(log_parameters):
        r, alpha, a, b = np.exp(log_parameters)
        first = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
        alive = special.betaln(a, b + x) - special.betaln(a, b) - (r + x) * np.log(alpha + total)
        lost = special.betaln(a + 1, b + np.maximum(x, 1) - 1) - special.betaln(a, b) - (r + x) * np.log(alpha + t_x)
        return -(first + np.logaddexp(alive, np.where(x > 0, lost, -np.inf))).sum()

    estimate, error = fit(negative_log_likelihood, [1.0, 10.0, 1.0, 1.0])
    planted = np.log([PURCHASES.r, PURCHASES.alpha_weeks, PURCHASES.a, PURCHASES.b])
    assert error.max() < 0.08, "the sample is too small for the test to mean anything"
    assert np.abs((estimate - planted) / error).max() < 3


def test_gamma_gamma_recovers_the_planted_parameters(purchase_days):
    # Fader & Hardie (2013), equation 1a, on the mean spend of x purchase days.
    by_person = purchase_days.groupby("customer_id")["amount"].agg(["mean", "size"])
    mean, x = by_person["mean"].to_numpy(), by_person["size"].to_numpy()

    def negative_log_likelihood(log_parameters):
        p, q, gamma = np.exp(log_parameters)
        total = p * x
        terms = special.gammaln(total + q) - special.gammaln(total) - special.gammaln(q) + q * np.log(gamma)
        terms += (total - 1) * np.log(mean) + total * np.log(x) - (total + q) * np.log(gamma + x * mean)
        return -terms.sum()

    estimate, error = fit(negative_log_likelihood, [2.0, 2.0, 50.0])
    planted = np.log([PURCHASES.p, PURCHASES.q, PURCHASES.gamma])
    assert error.max() < 0.05, "the sample is too small for the test to mean anything"
    assert np.abs((estimate - planted) / error).max() < 3


def test_spend_is_independent_of_the_purchase_rate(buyers):
    people = pd.concat(buyers)
    correlation = people[["mean_spend", "purchase_rate_per_week"]].corr(method="spearman").iloc[0, 1]
    assert abs(correlation) < 3 / np.sqrt(len(people))


def test_satisfied_people_drop_out_less_and_the_beta_stays_exact(buyers):
    people = pd.concat(buyers)
    score = special.ndtri(special.betainc(PURCHASES.a, PURCHASES.b, people["dropout_probability"]))
    tolerance = 3 / np.sqrt(len(people))
    correlation = np.corrcoef(score, people["satisfaction"])[0, 1]
    assert correlation == pytest.approx(PURCHASES.satisfaction_correlation, abs=tolerance)
    assert score.mean() == pytest.approx(0, abs=tolerance)
    assert score.std() == pytest.approx(1, abs=tolerance)


def test_nobody_is_lost_by_the_first_purchase(buyers, orders, histories):
    lost = pd.concat(
        people["customer_id"][block.timing["left_at"].notna().to_numpy()]
        for people, block in zip(buyers, orders, strict=True)
    )
    assert len(lost) > 4_000
    assert histories.loc[lost, "x"].min() == 1


def test_the_lost_buy_no_more(buyers, orders):
    for people, block in zip(buyers, orders, strict=True):
        bought = block.lines[block.lines["quantity"] > 0]
        last = bought.groupby("customer_id")["ordered_at"].max().reindex(people["customer_id"]).reset_index(drop=True)
        lost = block.timing["left_at"].notna()
        assert (block.timing["left_at"][lost] == last[lost]).all()
        assert block.timing.loc[lost, "purchase_days_next_year"].eq(0).all()
        assert block.timing.loc[~lost, "purchase_days_next_year"].sum() > 1_000


def test_one_purchase_day_follows_another(buyers):
    events, left = draw_purchase_days(buyers[0], np.random.default_rng(1))
    assert not events.duplicated(["person", "day"]).any()
    assert (events.groupby("person")["day"].min() == buyers[0]["arrival_day"]).all()
    last = events.groupby("person")["day"].max().to_numpy()
    assert (last[left >= 0] == left[left >= 0]).all()


def test_amount_is_quantity_times_price_less_discount_to_the_cent(lines):
    expected = lines["quantity"] * lines["unit_price"] * (1 - lines["discount"])
    assert (lines["amount"] - expected).abs().max() < 0.00501
    for column in ("unit_price", "amount", "unit_cost"):
        assert (lines[column] == lines[column].round(2)).all()


def test_baskets_add_up_to_the_spend_that_was_drawn(buyers, orders):
    # The same generator draws the purchase days first, so the draw can be repeated.
    events, _ = draw_purchase_days(buyers[0], block_rng(7, 0, 3))
    events = events[events["day"] < DAYS]
    bought = orders[0].lines[orders[0].lines["quantity"] > 0]
    paid = bought.groupby(["customer_id", bought["ordered_at"].dt.normalize()])["amount"].sum()
    drawn = events.assign(customer_id=buyers[0]["customer_id"].to_numpy()[events["person"]])
    drawn = drawn.sort_values(["customer_id", "day"])["spend"].to_numpy()
    ratio = paid.to_numpy() / drawn
    assert len(paid) == len(drawn)
    assert paid.sum() / drawn.sum() == pytest.approx(1, abs=0.001)
    # Small beside the variation that the Gamma–Gamma model gives one person's spend, 1/p of the squared mean.
    assert np.mean((ratio - 1) ** 2) < 0.01 / PURCHASES.p


def test_returns_come_after_the_purchase_and_never_exceed_it(lines):
    returned = lines[lines["quantity"] < 0]
    bought = lines[lines["quantity"] > 0].set_index(["order_id", "product_id"])
    original = bought.loc[list(zip("O" + returned["order_id"].str[1:], returned["product_id"], strict=True))]
    assert 0.02 < len(returned) / len(lines) < 0.03
    assert (returned["ordered_at"].dt.normalize().to_numpy() > original["ordered_at"].dt.normalize().to_numpy()).all()
    assert (-returned["quantity"].to_numpy() <= original["quantity"].to_numpy()).all()
    assert (-returned["amount"].to_numpy() <= original["amount"].to_numpy()).all()
    assert (returned["customer_id"].to_numpy() == original["customer_id"].to_numpy()).all()
    assert not (returned["amount"] > 0).any()


def test_planted_lifts_show_in_the_baskets(orders, lines):
    bought = lines[lines["quantity"] > 0].merge(catalogue()[["product_id", "name"]], on="product_id")
    expected = pd.concat([block.pairs for block in orders]).groupby(["anchor_product", "companion_product"]).sum()
    n_orders = bought["order_id"].nunique()
    assert expected["orders"].eq(n_orders).all()
    for pair in PLANTED_PAIRS:
        with_anchor = set(bought.loc[bought["name"] == pair.anchor, "order_id"])
        with_companion = set(bought.loc[bought["name"] == pair.companion, "order_id"])
        counts = np.array([len(with_anchor), len(with_companion), len(with_anchor & with_companion)])
        planted = expected.loc[(pair.anchor, pair.companion), ["anchor", "companion", "both"]].to_numpy(float)
        assert (np.abs(counts - planted) < 3.5 * np.sqrt(planted)).all(), pair
        share = counts[2] / counts[0]
        assert share >= pair.probability_added - 3.5 * np.sqrt(0.25 / counts[0]), pair
        assert planted[2] * n_orders / (planted[0] * planted[1]) > 4, pair


def test_discount_hunters_pay_less_and_bring_a_smaller_margin(buyers, lines):
    hunters = pd.concat(buyers).set_index("customer_id")["discount_hunter"]
    by_group = lines.assign(
        hunter=lines["customer_id"].map(hunters), cost=lines["quantity"] * lines["unit_cost"]
    ).groupby("hunter")
    discount = by_group["discount"].mean()
    margin = 1 - by_group["cost"].sum() / by_group["amount"].sum()
    assert discount[True] > 0.30 > 0.08 > discount[False]
    assert 0.05 < margin[True] < 0.20 < 0.35 < margin[False] < 0.50


def test_revenue_is_concentrated_as_in_retail(lines):
    revenue = lines.groupby("customer_id")["amount"].sum().sort_values(ascending=False)
    share = revenue.iloc[: len(revenue) // 5].sum() / revenue.sum()
    assert 0.55 < share < 0.70


def test_lines_have_known_channels_branches_and_times_of_day(orders, lines):
    assert set(lines["channel"]) == set(CHANNELS)
    assert lines["branch_id"].nunique() == 25
    hour = lines["ordered_at"].dt.hour[(lines["channel"] == "store") & (lines["quantity"] > 0)]
    assert hour.min() >= 9
    assert hour.max() <= 21
    assert orders[0].lines["ordered_at"].is_monotonic_increasing
    assert lines["ordered_at"].max() < AS_OF


def test_people_are_not_modified(buyers):
    people = buyers[0].head(300).copy()
    before = people.copy()
    simulate_purchases(people, np.random.default_rng(1))
    pd.testing.assert_frame_equal(people, before)
