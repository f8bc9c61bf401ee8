"""Expected maximum profit: by hand, by numerical integration, against the authors' own Python package, in the limit."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta as beta_distribution

from crm_utils.churn.expected_profit import (
    VERBRAKEN_2013,
    expected_maximum_profit,
    expected_profit_table,
    plot_expected_profit,
)
from crm_utils.churn.profit import maximum_profit
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import alt_text

OTHER = {"clv": 150.0, "offer_cost": 20.0, "contact_cost": 3.0, "alpha": 2.0, "beta": 3.0}
TWELVE = (
    [0.9, 0.8, 0.8, 0.6, 0.6, 0.5, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1],
    [1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0],
)


def emp(probability, outcome, **options):
    return expected_maximum_profit(probability, outcome, **{"n_boot": 2} | options)


def customers(size, seed=3):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 4, size).round(2)
    return probability, (rng.random(size) < probability).astype(int), rng.gamma(1.5, 100, size)


def brute_force(probability, outcome, clv, offer_cost, contact_cost, alpha, beta):
    """Profit and share by numerical integration over γ of the best of all thresholds."""
    inside = np.asarray(probability) >= np.append(np.unique(probability), 2)[:, None]
    leaver = np.asarray(outcome) == 1

    def profits(gamma):
        gain = np.where(leaver, gamma * (clv - offer_cost) - contact_cost, -offer_cost - contact_cost)
        return (inside * gain).mean(axis=1)

    # Integrate between the kinks, where two thresholds earn the same and another becomes the best.
    at_zero, slope = profits(0.0), profits(1.0) - profits(0.0)
    with np.errstate(all="ignore"):
        crossings = ((at_zero - at_zero[:, None]) / (slope[:, None] - slope)).ravel()
    ends = np.unique([0, 1, *crossings[(crossings > 0) & (crossings < 1)]])
    best = np.array([profits(middle).argmax() for middle in (ends[1:] + ends[:-1]) / 2])
    ends = ends[np.concatenate([[True], np.diff(best) != 0, [True]])]
    density = beta_distribution(alpha, beta).pdf
    return [
        sum(quad(lambda g, f=part: f(g) * density(g), low, high, epsabs=1e-12)[0] for low, high in pairwise(ends))
        for part in (lambda g: profits(g).max(), lambda g: inside[profits(g).argmax()].mean())
    ]


class TestByHand:
    def test_four_customers(self):
        # Order: leaver, stayer, leaver, stayer. Contact the first where 190 γ > 1, and the first three where
        # 190 γ > 11 + 1, so where γ > 12/190; the profit is 190 γ − 1, then 380 γ − 13.
        found = emp([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
        first, second = 1 / 190, 12 / 190
        np.testing.assert_allclose(found.segments["acceptance_from"], [0, first, second])
        np.testing.assert_allclose(found.segments["acceptance_to"], [first, second, 1])
        assert found.segments["contacted"].tolist() == [0, 1, 3]
        assert found.segments["threshold"].fillna(-1).tolist() == [-1, 0.9, 0.3]
        h = beta_distribution(6, 14)
        low, high = h.cdf(second) - h.cdf(first), h.sf(second)
        mean_low = 0.3 * (beta_distribution(7, 14).cdf(second) - beta_distribution(7, 14).cdf(first))
        mean_high = 0.3 * beta_distribution(7, 14).sf(second)
        assert found.profit == pytest.approx((190 * mean_low - low + 380 * mean_high - 13 * high) / 4, rel=1e-12)
        assert found.share == pytest.approx(0.25 * low + 0.75 * high, rel=1e-12)
        assert found.segments["profit"].sum() == pytest.approx(found.profit, rel=1e-12)
        assert found.segments["weight"].sum() == pytest.approx(1)

    def test_uniform_acceptance_without_costs_of_contact(self):
        # α = β = 1, f = 0, d = 0: everybody is contacted, and the profit is CLV · π₀ · E γ.
        found = emp([0.9, 0.5, 0.1], [1, 0, 0], clv=60.0, offer_cost=0.0, contact_cost=0.0, alpha=1.0, beta=1.0)
        assert found.profit == pytest.approx(60 / 3 / 2)
        assert found.segments["contacted"].tolist() == [1]


# From empChurn of EMP-PY 2.0.4, the Python translation by the group that wrote the R package EMP, on these twelve.
@pytest.mark.parametrize(
    ("options", "profit", "share"),
    [({}, 15.00725373305409, 0.6611266315577227), (OTHER, 9.720794237596722, 0.48499689436644366)],
)
def test_agrees_with_the_package_of_the_authors(options, profit, share):
    found = emp(*TWELVE, **options)
    assert found.profit == pytest.approx(profit, abs=1e-12)
    assert found.share == pytest.approx(share, abs=1e-12)


class TestIntegral:
    @pytest.mark.parametrize("options", [dict(VERBRAKEN_2013), OTHER, OTHER | {"alpha": 0.7, "beta": 0.9}])
    def test_brute_force(self, options):
        probability, left, _ = customers(60)
        found = emp(probability, left, **options)
        profit, share = brute_force(probability, left, **options)
        assert found.profit == pytest.approx(profit, abs=1e-8)
        assert found.share == pytest.approx(share, abs=1e-8)

    def test_values_of_their_own(self):
        # Some are worth less than the offer.
        probability, left, value = customers(60, seed=8)
        value[np.flatnonzero(left)[:4]] = [2.0, 19.0, 0.0, 5.0]
        options = OTHER | {"clv": value}
        found = emp(probability, left, **options)
        profit, share = brute_force(probability, left, **options)
        assert found.profit == pytest.approx(profit, abs=1e-8)
        assert found.share == pytest.approx(share, abs=1e-8)

    def test_one_value_for_all_is_the_constant(self):
        probability, left, _ = customers(60)
        assert emp(probability, left, clv=np.full(60, 200.0)).profit == emp(probability, left).profit

    def test_certain_acceptance_gives_the_maximum_profit(self):
        probability, left, _ = customers(400)
        best = maximum_profit(probability, left, value=200, contact_cost=1, offer_cost=10, acceptance=0.3, n_boot=2)
        found = emp(probability, left, alpha=0.3e9, beta=0.7e9)
        assert found.profit == pytest.approx(best.profit_per_customer, abs=1e-4)
        assert found.share == pytest.approx(best.share_contacted, abs=1e-4)
        # By Jensen, not knowing γ beforehand but adapting to it is worth more.
        assert emp(probability, left).profit > best.profit_per_customer


class TestModels:
    def test_perfect_model(self):
        left = np.repeat([1, 0], [20, 80])
        found = emp(np.linspace(1, 0, 100), left)
        # Leavers alone where 190 γ > 1; practically always.
        assert found.profit == pytest.approx(found.profit_perfect)
        assert found.profit == pytest.approx(0.2 * (190 * 0.3 - 1), abs=1e-4)
        assert found.share == pytest.approx(0.2, abs=1e-4)
        assert found.share_of_attainable == pytest.approx(1)

    def test_useless_model(self):
        left = np.repeat([1, 0], [20, 80])
        found = emp(np.full(100, 0.2), left)
        assert found.profit == found.profit_without_model
        assert found.share_of_attainable == 0
        assert set(found.segments["contacted"]) == {0, 100}
        # All where 38 γ > 0.2 · 1 + 0.8 · 11.
        assert found.segments["acceptance_from"].iloc[1] == pytest.approx(9 / 38)

    def test_perfect_is_the_most_that_any_order_reaches(self):
        probability, left, value = customers(80)
        found = emp(probability, left, clv=value)
        rng = np.random.default_rng(1)
        for _ in range(20):
            assert emp(rng.random(80), left, clv=value).profit <= found.profit_perfect
        assert emp((left * (0.5 + value / 1e4)).clip(0, 1), left, clv=value).profit == pytest.approx(
            found.profit_perfect
        )

    def test_nobody_is_worth_the_offer(self):
        found = emp([0.9, 0.5, 0.1], [1, 0, 0], clv=5.0)
        assert (found.profit, found.share, found.profit_perfect) == (0, 0, 0)
        assert np.isnan(found.share_of_attainable)


class TestByAcceptance:
    def test_by_hand(self):
        """Nobody up to γ = 1/190, the first up to 12/190, then the first three."""
        found = emp([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
        table = expected_profit_table(found, acceptance=[0.0, 1 / 380, 1 / 19, 0.5, 1.0])
        assert table["share_contacted"].tolist() == [0, 0, 0.25, 0.75, 0.75]
        assert table["profit"].tolist() == pytest.approx([0, 0, 9 / 4, 177 / 4, 367 / 4])
        # All: 380 γ − 4 · 1 − 2 · 10; leavers alone: 380 γ − 2.
        assert table["profit_without_model"].tolist() == pytest.approx([0, 0, 0, 166 / 4, 356 / 4])
        assert table["profit_perfect"].tolist() == pytest.approx([0, 0, 18 / 4, 188 / 4, 378 / 4])
        assert table["chance_of_less"].tolist() == pytest.approx(beta_distribution(6, 14).cdf(table["acceptance"]))

    def test_mean_over_the_acceptance_is_the_expected_maximum_profit(self):
        probability, left, value = customers(200)
        found = emp(probability, left, clv=value, alpha=2.0, beta=3.0)
        chance = beta_distribution(2, 3)
        middles = (np.arange(100_000) + 0.5) / 100_000
        table = expected_profit_table(found, acceptance=middles)
        weight = chance.pdf(middles) / 100_000
        for name in ("profit", "profit_without_model", "profit_perfect"):
            assert weight @ table[name] == pytest.approx(getattr(found, name), rel=1e-6)
        assert weight @ table["share_contacted"] == pytest.approx(found.share, rel=1e-4)
        assert (table["profit"] <= table["profit_perfect"] + 1e-12).all()

    def test_figure_shows_the_table(self):
        probability, left, _ = customers(400)
        found = emp(probability, left, n_boot=50)
        ax = plt.figure().add_subplot()
        assert plot_expected_profit(found, ax=ax) is ax
        lines = {line.get_label(): line for line in ax.lines}
        names = {"chosen by the model": "profit", "all or nobody": "profit_without_model",
                 "all leavers first": "profit_perfect"}  # fmt: skip
        for label, name in names.items():
            x, y = lines[label].get_data()
            assert y.tolist() == pytest.approx(expected_profit_table(found, acceptance=x)[name].tolist())
        assert x[-1] == pytest.approx(beta_distribution(6, 14).ppf(0.999))
        mark = lines[f"expected maximum profit {found.profit:.3g}"]
        assert mark.get_xydata().tolist() == pytest.approx(np.array([[0.3, found.profit]]))
        # The density is highest at its mode, (6 − 1)/(20 − 2).
        shade = ax.collections[0].get_paths()[0].vertices
        assert shade[shade[:, 1].argmax(), 0] == pytest.approx(5 / 18, abs=0.005)
        interval = ax.collections[1].get_segments()[0][:, 1]
        assert interval.tolist() == [found.profit_low, found.profit_high]
        assert f"expected maximum profit is {found.profit:.3g}" in alt_text(ax.figure)
        ax.figure.draw_without_rendering()
        plt.close(ax.figure)

    def test_figure_of_infinite_density_and_no_profit(self):
        ax = plot_expected_profit(emp(*TWELVE, alpha=0.5, beta=0.5, clv=5.0))
        assert "from 0 to 0 at 100%" in alt_text(ax.figure)
        ax.figure.draw_without_rendering()
        plt.close(ax.figure)

    def test_unusable(self):
        with pytest.raises(ParameterError, match=r"between 0 and 1, and 2 are not \(at positions 0, 2\)"):
            expected_profit_table(emp(*TWELVE), acceptance=[-0.1, 0.2, 30])


class TestIntervalAndInput:
    def test_interval(self):
        probability, left, _ = customers(300)
        found = expected_maximum_profit(probability, left, n_boot=200)
        again = expected_maximum_profit(probability, left, n_boot=200)
        assert (found.profit_low, found.profit_high) == (again.profit_low, again.profit_high)
        assert found.profit_low < found.profit < found.profit_high
        assert found.share_low < found.share < found.share_high
        # Nearly a mean over customers, so four times as many halve the width.
        more = expected_maximum_profit(np.tile(probability, 4), np.tile(left, 4), n_boot=200)
        assert more.profit == pytest.approx(found.profit)
        width, narrower = found.profit_high - found.profit_low, more.profit_high - more.profit_low
        assert narrower / width == pytest.approx(0.5, abs=0.1)

    def test_few_have_no_interval(self):
        assert np.isnan(emp(*TWELVE).profit_low)

    def test_order_of_rows_does_not_matter(self):
        probability, left, value = customers(90)
        mixed = np.random.default_rng(1).permutation(90)
        first = emp(probability, left, clv=value)
        other = emp(probability[mixed], left[mixed], clv=value[mixed])
        assert other.profit == pytest.approx(first.profit, rel=1e-12)

    def test_every_problem_at_once(self):
        with pytest.raises(ParameterError) as error:
            emp([0.4, 2.0], [0, 1], clv=[1.0, -1.0], offer_cost=-1, contact_cost=None, alpha=0, beta=np.nan)
        for part in ("offer_cost", "contact_cost", "alpha", "beta", "probability must lie", "clv must be 0 or more"):
            assert part in str(error.value)
        with pytest.raises(DataFloorError, match="stayed"):
            emp([0.4, 0.2], [1, 1])
