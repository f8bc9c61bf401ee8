"""What customers are worth from today on: purchases ahead times spend times margin, discounted, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crm_utils.checks import (
    as_numbers,
    count_problems,
    first_rows,
    is_number,
    raise_problems,
    resampling_problems,
    seed_problems,
)
from crm_utils.errors import ConvergenceError
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.lifetime.ahead import Ahead
from crm_utils.lifetime.histories import HISTORY
from crm_utils.lifetime.purchases import PERIODS_PER_YEAR, PurchaseResults
from crm_utils.lifetime.spend import GammaGamma, GammaGammaResults
from crm_utils.plotting import describe, draw_intervals, money, money_axis, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# With more replicates that have no result, the interval would be that of the easy cases.
_MOST_FAILED = 0.1
# Customers whose futures are simulated for the total; the chance in a larger total follows from theirs.
_MOST_SIMULATED = 20_000
_CUSTOMERS_AT_A_TIME = 16_384


@dataclass(frozen=True, eq=False)
class _Spend:
    """Expected spend at a purchase of every customer, for given parameters of the spend model."""

    count: np.ndarray  # purchases behind the mean; 0 where none was seen
    total: np.ndarray  # money behind the mean
    known: np.ndarray | None  # spend that is taken as known, instead of a model

    def of(self, customers: np.ndarray) -> _Spend:
        """That of some customers, by position."""
        return _Spend(
            self.count[customers], self.total[customers], None if self.known is None else self.known[customers]
        )

    def expected(self, params: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        if self.known is not None:
            return self.known[part]
        p, q, gamma = params
        return p * (gamma + self.total[part]) / (p * self.count[part] + q - 1)


def customer_lifetime_value(
    purchases: PurchaseResults,
    spend: GammaGammaResults | pd.Series | float,
    *,
    horizon_months: float,
    annual_discount_rate: float,
    margin: Any,
    interval: Literal["parametric", "case"] | None = "parametric",
    n_boot: int = 200,
    level: float = 0.95,
    seed: int = 7,
) -> LifetimeValues:
    """Value every customer from the end of the calibration period to the horizon.

    Value = margin × expected spend at a purchase × Σ expected purchases, each discounted to today by the moment it is
    expected.

    Parameters
    ----------
    purchases : PurchaseResults
        Fitted purchase model; its ``model.unit`` says what a month is.
    spend : GammaGammaResults, pandas.Series or float
        Fitted spend model; its customers are found by their index in that of `purchases`, and those it has not seen are
        expected to spend what all do on average. Or spend at a purchase that is taken as known: one number, or one a
        customer in the index of `purchases`.
    horizon_months : float
        Months that count, above 0.
    annual_discount_rate : float
        Discount rate of a year, from 0 to 1; 0.1 is ten per cent.
    margin : float, array-like or pandas.Series, one a customer
        Share of spend that is left after the costs of the goods, below or equal to 1; 1 values revenue.
    interval : {"parametric", "case"} or None, default "parametric"
        Where draws of the parameters come from: the normal distribution of the estimates; or refits to customers drawn
        again, which also hold where the model is not quite right, and take longer. None: no intervals.
    n_boot : int, default 200
        Draws of the parameters, at least 2.
    level : float, default 0.95
        Confidence level, between 0 and 1.
    seed : int, default 7
        Seed; each draw of customers has a child seed of its own.

    Returns
    -------
    LifetimeValues
        Values of every customer and in total, with their intervals.

    Raises
    ------
    ParameterError
        If an argument is out of range, or spend and purchases are not of the same customers: every problem.
    ConvergenceError
        If the mean spend is not finite (q of the spend model up to 1), or more than a tenth of the draws have no
        result.

    Notes
    -----
    The interval of a customer is that of her *expected* value: how far the estimates could be off. What she really
    brings varies much more, since she buys or does not; see `LifetimeValues.realised_total`. Under BG/NBD a customer
    without repeat purchase cannot have left, and keeps P(alive) = 1 however long ago she bought;
    `ModifiedBetaGeoNBD` does not have this defect. Purchases and spend are drawn independently where the draws are
    parametric, and together where they are refits.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005). RFM and CLV: using iso-value curves for customer base analysis.
    *Journal of Marketing Research* 42(4), 415–430.

    Examples
    --------
    >>> from crm_utils.lifetime import BetaGeoNBD
    >>> purchases = BetaGeoNBD().fit(
    ...     frequency=[0, 0, 1, 1, 2, 3, 6, 10] * 20,
    ...     recency=[0, 0, 3, 30, 9, 40, 20, 50] * 20,
    ...     age=[52, 40, 50, 45, 52, 50, 52, 52] * 20,
    ... )
    >>> valued = customer_lifetime_value(
    ...     purchases, 80.0, horizon_months=12, annual_discount_rate=0.1, margin=0.4)
    >>> bool(valued.by_customer["value"].idxmax() % 8 == 7)
    True
    >>> total = valued.total
    >>> bool(total["low"] < total["value"] < total["high"])
    True
    """
    where = "customer_lifetime_value"
    problems = _argument_problems(purchases, horizon_months, annual_discount_rate)
    if interval not in ("parametric", "case", None):
        problems.append(f"interval must be 'parametric', 'case' or None, and is {interval!r}")
    problems += resampling_problems(n_boot, level) + seed_problems(seed)
    raise_problems(where, problems)
    histories = purchases.histories
    share = _margins(margin, histories.index, problems)
    of_customer = _spend(spend, histories, problems)
    raise_problems(where, problems)
    spend_params = spend.params.to_numpy() if isinstance(spend, GammaGammaResults) else np.empty(0)
    if len(spend_params) and spend_params[1] <= 1:
        raise ConvergenceError(
            f"{where}: the mean spend of the spend model is not finite (q is {spend_params[1]:.3g}, and must be above "
            "1): a few customers spend so much that no mean can be told. Give the mean spend of all as a number."
        )
    per_year = PERIODS_PER_YEAR[purchases.model.unit]
    ahead = Ahead(purchases, horizon=horizon_months / 12 * per_year, rate=np.log1p(annual_discount_rate) / per_year)
    params = purchases.params.to_numpy()
    bought = ahead(params, exact=True)[ahead.place]
    paid = of_customer.expected(spend_params)
    draws, failed = _parameter_draws(purchases, spend, interval, n_boot, seed)
    low, high, totals = _intervals(ahead, of_customer, draws, share, purchases.weights, level)
    by_customer = pd.DataFrame(
        {
            "p_alive": purchases.p_alive(),
            "discounted_purchases": bought,
            "expected_spend": paid,
            "margin": share,
            "value": bought * paid * share,
            "low": low,
            "high": high,
        },
        index=histories.index,
    )
    return LifetimeValues(
        by_customer=by_customer,
        horizon_months=float(horizon_months),
        annual_discount_rate=float(annual_discount_rate),
        level=float(level),
        interval=interval,
        total_draws=totals,
        failed_draws=failed,
        purchases=purchases,
        spend=spend,
        _ahead=ahead,
        _of_customer=of_customer,
        _draws=draws,
        _seed=seed,
    )


@dataclass(frozen=True, eq=False)
class LifetimeValues:
    """Values of customers, as from `customer_lifetime_value`.

    Attributes
    ----------
    by_customer : pandas.DataFrame
        One row a customer, in the index of the histories: ``p_alive``; ``discounted_purchases``, expected purchases to
        the horizon, each discounted to today; ``expected_spend`` at a purchase; ``margin``; ``value``, in the currency
        of the spend; ``low`` and ``high`` of its interval.
    horizon_months, annual_discount_rate, level : float
        As given.
    interval : {"parametric", "case"} or None
        Where the draws came from.
    total_draws : numpy.ndarray, shape (draws,)
        Total value under each draw of the parameters; every row of the histories counts by its weight.
    failed_draws : int
        Draws without a result, which are left out.
    purchases : PurchaseResults
        The purchase model.
    spend : GammaGammaResults, pandas.Series or float
        The spend model, or the spend taken as known.
    """

    by_customer: pd.DataFrame
    horizon_months: float
    annual_discount_rate: float
    level: float
    interval: str | None
    total_draws: np.ndarray
    failed_draws: int
    purchases: PurchaseResults
    spend: Any
    _ahead: Ahead
    _of_customer: _Spend
    _draws: list[tuple[np.ndarray, np.ndarray]]
    _seed: int

    @property
    def total(self) -> pd.Series:
        """Expected value of all customers together: ``value``, ``low`` and ``high``."""
        low, high = percentile_interval(self.total_draws[:, None], level=self.level) if self._draws else ([np.nan],) * 2
        value = float(self.purchases.weights @ self.by_customer["value"])
        return pd.Series({"value": value, "low": float(low[0]), "high": float(high[0])}, name="total")

    @property
    def alive(self) -> pd.Series:
        """Customers who are still customers: ``value`` expects the sum of P(alive), ``low`` and ``high`` count chance.

        Each draw of the parameters has its own P(alive), and each customer is alive or not by chance.
        """
        value = float(self.purchases.weights @ self.by_customer["p_alive"])
        if not self._draws:
            return pd.Series({"value": value, "low": np.nan, "high": np.nan}, name="alive")
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, 2]))
        weights = np.bincount(self._ahead.place, self.purchases.weights, self._ahead.histories)
        counted = np.empty(len(self._draws))
        for row, (params, _) in enumerate(self._draws):
            p_alive = self._ahead.p_alive(params)
            chance = np.sqrt(weights @ (p_alive * (1 - p_alive)))
            counted[row] = weights @ p_alive + chance * rng.standard_normal()
        low, high = percentile_interval(counted[:, None], level=self.level)
        return pd.Series({"value": value, "low": float(low[0]), "high": float(high[0])}, name="alive")

    def draws(self, customers: Any = None) -> np.ndarray:
        """Values of customers under each draw of the parameters.

        Parameters
        ----------
        customers : sequence, optional
            Labels in the index of `by_customer`; default: all of them, which takes 8 bytes a customer and draw.

        Returns
        -------
        numpy.ndarray of float, shape (customers, draws)
            Values, in the order of `customers`.

        Raises
        ------
        ParameterError
            If a customer is not known, or there are no draws.
        """
        self._need_draws("LifetimeValues.draws")
        places = np.arange(len(self.by_customer))
        if customers is not None:
            places = self.by_customer.index.get_indexer(customers)
            if (unknown := places < 0).any():
                raise_problems(
                    "LifetimeValues.draws",
                    [f"{unknown.sum():,} customers are not known (at positions {first_rows(unknown)})"],
                )
        table = np.empty((len(places), len(self._draws)))
        share = self.by_customer["margin"].to_numpy()[places]
        for column, (of_purchases, of_spend) in enumerate(self._draws):
            bought = self._ahead(of_purchases)[self._ahead.place[places]]
            table[:, column] = bought * self._of_customer.expected(of_spend)[places] * share
        return table

    def realised_total(self, *, n_boot: int | None = None) -> pd.Series:
        """What customers may really bring in total: the uncertainty of the estimates and the chance of each purchase.

        Futures are simulated, each under a draw of the parameters: who is still alive, when each buys, how much she
        spends. Of more than 20,000 customers as many are drawn, and the spread of their total around its expectation
        at the estimates is scaled up and added to the expectation under the draw.

        Parameters
        ----------
        n_boot : int, optional
            Simulated futures; default: one for each draw of the parameters.

        Returns
        -------
        pandas.Series
            ``value`` (the expectation), ``low`` and ``high`` of the prediction interval at `level`.

        Raises
        ------
        ParameterError
            If there are no draws, or `n_boot` is below 2.
        """
        self._need_draws("LifetimeValues.realised_total")
        number = len(self._draws) if n_boot is None else n_boot
        raise_problems("LifetimeValues.realised_total", resampling_problems(number, self.level))
        totals = np.fromiter(self._futures(number), float)
        low, high = percentile_interval(totals[:, None], level=self.level)
        return pd.Series({"value": self.total["value"], "low": low[0], "high": high[0]}, name="realised total")

    def summary_frame(self) -> pd.DataFrame:
        """Value in total and on average, expected and as it may turn out.

        Returns
        -------
        pandas.DataFrame
            Columns quantity, value, low, high; rows ``expected total``, ``realised total`` and ``expected mean``.
        """
        total = self.total
        rows = {"expected total": total}
        if self._draws:
            rows["realised total"] = self.realised_total()
        rows["expected mean"] = total / self.purchases.customers
        return pd.DataFrame(rows).T.rename_axis("quantity").reset_index()

    def values_table(self, *, customers: int = 10) -> pd.DataFrame:
        """Table of `plot_values`: the most valuable customers.

        Parameters
        ----------
        customers : int, default 10
            How many, from 1.

        Returns
        -------
        pandas.DataFrame
            Rows of `by_customer`, the highest value first, with the index as the first column.
        """
        raise_problems("values_table", count_problems("customers", customers, least=1))
        best = self.by_customer.sort_values("value", ascending=False, kind="stable").head(customers)
        return best.rename_axis(best.index.name or "customer").reset_index()

    def plot_values(self, *, customers: int = 10, ax: Axes | None = None) -> Axes:
        """Draw the most valuable customers with their intervals; `values_table` has the numbers.

        Parameters
        ----------
        customers : int, default 10
            How many, from 1.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with alternative text attached.
        """
        table = self.values_table(customers=customers)
        names = table.iloc[:, 0].astype(str).tolist()
        ax = new_axes(ax)
        draw_intervals(ax, names, table["value"], table["low"], table["high"], template=money)
        money_axis(ax.xaxis)
        ax.set(
            xlabel=tr("Expected value over {months:,.0f} months, with {level:.0%} interval").format(
                months=self.horizon_months, level=self.level
            ),
            title=tr("The most valuable customers"),
        )
        return describe(
            ax,
            tr("The {number} most valuable customers. Highest: {name}, {value}; last shown: {last}.").format(
                number=len(table),
                name=names[0],
                value=money(table["value"].iloc[0]),
                last=money(table["value"].iloc[-1]),
            ),
        )

    def _need_draws(self, where: str) -> None:
        if not self._draws:
            raise_problems(where, ["the values were computed with interval=None; ask for an interval"])

    def _futures(self, number: int) -> Iterator[float]:
        """Simulated totals, each under a draw of the parameters."""
        seeds = np.random.SeedSequence([self._seed, 1]).spawn(number + 1)
        customers, weights = np.arange(len(self.by_customer)), self.purchases.weights
        all_of_them = self.purchases.customers <= _MOST_SIMULATED and (weights == np.round(weights)).all()
        if all_of_them:
            whole = np.repeat(customers, weights.astype(int))
        else:
            number_drawn = int(min(_MOST_SIMULATED, np.ceil(self.purchases.customers)))
            rng = np.random.default_rng(seeds[-1])
            whole = rng.choice(customers, number_drawn, p=weights / self.purchases.customers)
        scale = np.sqrt(self.purchases.customers / len(whole))
        of_whole = replace(
            self.purchases,
            histories=self.purchases.histories.iloc[whole],
            weights=np.ones(len(whole)),
            rate_covariates=self.purchases.rate_covariates.iloc[whole],
            dropout_covariates=self.purchases.dropout_covariates.iloc[whole],
        )
        ahead = Ahead(of_whole, horizon=self._ahead.horizon, rate=self._ahead.rate)
        spend_of, share = self._of_customer.of(whole), self.by_customer["margin"].to_numpy()[whole]
        draws = self._draws
        if self.purchases.customers > _MOST_SIMULATED:
            # Of so many, chance is a small part, and hardly another under another draw.
            of_spend = self.spend.params.to_numpy() if spend_of.known is None else np.empty(0)
            draws = [(self.purchases.params.to_numpy(), of_spend)]

        @lru_cache(maxsize=1)
        def under(draw: int) -> tuple[np.ndarray, float]:
            params, of_spend = draws[draw]
            if all_of_them:
                return ahead.p_alive(params)[ahead.place], np.nan
            expected = share @ (ahead(params)[ahead.place] * spend_of.expected(of_spend))
            return ahead.p_alive(params)[ahead.place], float(expected)

        for place, seed in enumerate(seeds[:number]):
            draw = place % len(draws)
            p_alive, expected = under(draw)
            brought = share @ _simulated(ahead, spend_of, p_alive, *draws[draw], np.random.default_rng(seed))
            total = self.total_draws[place % len(self._draws)]
            yield brought if all_of_them else total + scale * (brought - expected)


def _simulated(
    ahead: Ahead,
    spend_of: _Spend,
    p_alive: np.ndarray,
    params: np.ndarray,
    of_spend: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One simulated future: the discounted spend of each customer."""
    fit = ahead.purchases
    alive = np.flatnonzero(rng.random(len(p_alive)) < p_alive)
    of_alive = tuple(value[alive] if np.ndim(value) else value for value in fit._parameters(params))
    x, age = (fit.histories[name].to_numpy()[alive] for name in (HISTORY[0], HISTORY[2]))
    who, when = fit.model._purchase_times(of_alive, x, age, ahead.horizon, rng)
    who = alive[who]
    if spend_of.known is None:
        p, q, gamma = of_spend
        rate = rng.gamma(p * spend_of.count + q) / (gamma + spend_of.total)
        paid = rng.gamma(p, size=len(who)) / rate[who]
    else:
        paid = spend_of.known[who]
    return np.bincount(who, paid * np.exp(-ahead.rate * when), len(p_alive))


def _argument_problems(purchases: Any, horizon_months: float, annual_discount_rate: float) -> list[str]:
    problems = []
    if not isinstance(purchases, PurchaseResults):
        problems.append(
            f"purchases must be a fitted purchase model, as from BetaGeoNBD().fit(…), and is {type(purchases).__name__}"
        )
    if not (is_number(horizon_months) and horizon_months > 0):
        problems.append(f"horizon_months must be above 0, and is {horizon_months!r}")
    if not (is_number(annual_discount_rate) and 0 <= annual_discount_rate <= 1):
        problems.append(
            f"annual_discount_rate must be from 0 to 1 (0.1 is ten per cent), and is {annual_discount_rate!r}"
        )
    return problems


def _margins(margin: Any, index: pd.Index, problems: list[str]) -> np.ndarray:
    if np.ndim(margin) == 0:
        margin = np.full(len(index), margin)
    elif isinstance(margin, pd.Series) and not margin.index.equals(index):
        problems.append("margin must have the index of the fitted histories, one entry a customer")
        return np.full(len(index), np.nan)
    elif len(margin) != len(index):
        problems.append(f"margin must be one number or one a customer, that is {len(index):,}, and has {len(margin):,}")
        return np.full(len(index), np.nan)
    shares = as_numbers(margin, "margin", problems)
    if (shares > 1).any():
        problems.append(
            f"margin must be a share of spend, at most 1 (0.4 is forty per cent); {(shares > 1).sum():,} are above"
        )
    return shares


def _spend(spend: Any, histories: pd.DataFrame, problems: list[str]) -> _Spend:
    """Match the spend to the customers of the histories."""
    nothing = np.zeros(len(histories))
    if isinstance(spend, GammaGamma):
        problems.append("spend must be a fitted spend model, as from GammaGamma().fit(…), and is not fitted")
        return _Spend(nothing, nothing, nothing)
    if not isinstance(spend, GammaGammaResults):
        known = np.full(len(histories), spend) if np.ndim(spend) == 0 else spend
        if isinstance(known, pd.Series) and not known.index.equals(histories.index):
            problems.append("spend must have the index of the fitted histories, one entry a customer")
        elif len(known) != len(histories):
            problems.append(f"spend must be one number or one a customer, that is {len(histories):,}")
        else:
            paid = as_numbers(known, "spend", problems)
            if (negative := paid < 0).any():
                problems.append(
                    f"spend at a purchase must be 0 or more, and {negative.sum():,} are not "
                    f"({first_rows(negative, histories.index)}); returns belong into the mean spend, not beside it"
                )
            return _Spend(nothing, nothing, paid)
        return _Spend(nothing, nothing, nothing)
    seen = spend.observed
    if not (histories.index.is_unique and seen.index.is_unique):
        problems.append("customers must not repeat in the index of purchases or spend: fit on one row a customer")
        return _Spend(nothing, nothing, None)
    places = histories.index.get_indexer(seen.index)
    if (unknown := places < 0).any():
        problems.append(
            f"spend was fitted to {unknown.sum():,} customers whom purchases does not know "
            f"({first_rows(unknown, seen.index)}); fit both to columns of one table, so that they share its index"
        )
        return _Spend(nothing, nothing, None)
    count, total = nothing.copy(), nothing.copy()
    count[places] = seen["purchases"]
    total[places] = seen["purchases"] * seen["mean_spend"]
    differ = (count > 0) & (count != histories["frequency"].to_numpy())
    if differ.any():
        problems.append(
            f"the number of purchases in spend is not the frequency in purchases for {differ.sum():,} customers "
            f"({first_rows(differ, histories.index)}); fit both to columns of one table, so that they share its index"
        )
    return _Spend(count, total, None)


def _parameter_draws(
    purchases: PurchaseResults, spend: Any, interval: str | None, n_draws: int, seed: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """Draws of the parameters of both models that have a finite mean spend, and how many were lost."""
    if interval is None:
        return [], 0
    modelled = isinstance(spend, GammaGammaResults)
    if interval == "parametric":
        of_purchases, of_spend = np.random.SeedSequence(seed).spawn(2)
        first = list(purchases.parameter_draws(n_draws, seed=of_purchases))
        second = list(spend.parameter_draws(n_draws, seed=of_spend)) if modelled else [np.empty(0)] * n_draws
    else:
        first = list(purchases.refits(_resamples(purchases, n_draws, seed)))
        second = [np.empty(0)] * n_draws
        if modelled:
            places = purchases.histories.index.get_indexer(spend.observed.index)
            second = list(spend.refits(counts[places] for counts in _resamples(purchases, n_draws, seed)))
    draws = [
        (of_purchases, of_spend)
        for of_purchases, of_spend in zip(first, second, strict=True)
        if of_purchases is not None and of_spend is not None and (not modelled or of_spend[1] > 1)
    ]
    failed = n_draws - len(draws)
    if failed > _MOST_FAILED * n_draws:
        raise ConvergenceError(
            f"customer_lifetime_value: {failed:,} of {n_draws:,} draws of the parameters have no finite value, so that "
            "an interval would be that of the easy cases. Give more customers or a longer calibration period; or set "
            "interval=None, and use the values as a ranking."
        )
    return draws, failed


def _intervals(
    ahead: Ahead,
    of_customer: _Spend,
    draws: list[tuple[np.ndarray, np.ndarray]],
    share: np.ndarray,
    weights: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interval of each customer, and the total under each draw, some customers at a time to keep memory small."""
    low, high = np.full((2, len(share)), np.nan)
    totals = np.zeros(len(draws))
    if not draws:
        return low, high, totals
    # Single precision holds seven digits, and halves the memory of the one large table here.
    bought = np.empty((len(draws), ahead.histories), dtype=np.float32)
    for row, (of_purchases, _) in enumerate(draws):
        bought[row] = ahead(of_purchases)
    tails = [(1 - level) / 2, (1 + level) / 2]
    for first in range(0, len(share), _CUSTOMERS_AT_A_TIME):
        part = slice(first, first + _CUSTOMERS_AT_A_TIME)
        table = np.array([of_customer.expected(of_spend, part) for _, of_spend in draws])
        table *= bought[:, ahead.place[part]] * share[part]
        totals += table @ weights[part]
        low[part], high[part] = np.quantile(table, tails, axis=0)
    return low, high, totals


def _resamples(purchases: PurchaseResults, n_draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn, so that the customers drawn are as many as there are."""
    probability = purchases.weights / purchases.customers
    for child in np.random.SeedSequence(seed).spawn(n_draws):
        drawn = np.random.default_rng(child).multinomial(round(purchases.customers), probability)
        # Rows count by their weight, and a row that stands for many is drawn as each of them.
        yield np.divide(drawn, purchases.weights, out=np.zeros(len(drawn)), where=purchases.weights > 0)
