"""One latent person behind every table: who they are, how they buy, how they live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from crm_utils.company.simulate.branches import branches
from crm_utils.company.simulate.calendar import BLOCK_SIZE, DAYS, START, block_rng, day_at
from crm_utils.company.simulate.latents import draw_latents
from crm_utils.company.simulate.names import draw_given_names, draw_surnames

CHANNELS = ("web", "store", "miniprogram", "phone")
PERSONAS = ("connoisseur", "office", "trend", "gifter")
ACQUISITION_CHANNELS = ("walk-in", "search", "social", "referral", "partner")
_LATENTS, _PEOPLE = 0, 1


@dataclass(frozen=True)
class PurchaseTruth:
    """Planted parameters of purchases, as the models of the workbook define them.

    Parameters
    ----------
    r, alpha_weeks, a, b : float
        BG/NBD: repeat purchases at a rate (per week) from Gamma(r, alpha_weeks), and after each of them lost for good
        with a probability from Beta(a, b).
    p, q, gamma : float
        Gamma–Gamma: spend of a purchase day (CNY) from Gamma(p, ν), with ν from Gamma(q, gamma).
    satisfaction_correlation : float
        Correlation, under a Gaussian copula, of the dropout probability with the latent satisfaction.
    return_probability : float
        Chance that a line comes back, in whole or in part.
    discount_hunter_share : tuple of float
        Share of discount hunters by persona.
    """

    r: float = 0.7
    alpha_weeks: float = 5.5
    a: float = 0.8
    b: float = 3.0
    p: float = 4.0
    q: float = 4.0
    gamma: float = 112.5
    satisfaction_correlation: float = -0.5
    return_probability: float = 0.025
    discount_hunter_share: tuple[float, ...] = (0.06, 0.12, 0.16, 0.10)


@dataclass(frozen=True)
class PeopleTruth:
    """Planted parameters of the people.

    Parameters
    ----------
    prospect_share : float
        Share who registered and have never bought.
    growth : float
        Arrivals a day at the end, as a multiple of those at the beginning.
    family_share : float
        Share of people who live with another customer.
    shared_phone_share : float
        Share, among those, who give the phone of another member of the family as theirs.
    may_contact_share : float
        Share who agreed to be contacted.
    """

    prospect_share: float = 0.05
    growth: float = 2.2
    family_share: float = 0.30
    shared_phone_share: float = 0.15
    may_contact_share: float = 0.78


PURCHASES = PurchaseTruth()
PEOPLE = PeopleTruth()

_MONTH_ARRIVALS = np.array([1.10, 0.80, 0.95, 1.10, 1.10, 0.95, 0.85, 0.85, 1.10, 1.05, 1.10, 1.05])
# By persona: share of women, mean and standard deviation of age, and home channel (web, store, miniprogram, phone).
_WOMEN = np.array([0.35, 0.52, 0.70, 0.58])
_AGE = np.array([54.0, 38.0, 27.0, 46.0])
_AGE_SPREAD = np.array([10.0, 8.0, 6.0, 11.0])
_HOME_CHANNEL = np.array([[0.14, 0.62, 0.08, 0.16], [0.58, 0.16, 0.22, 0.04], [0.17, 0.13, 0.69, 0.01],
                          [0.30, 0.40, 0.10, 0.20]])  # fmt: skip
# By persona: log-odds, and how much they change by normal score of purchase rate and of mean spend.
_PERSONA_BY_SCORES = np.array([[0.0, 0.5, 0.8], [0.3, 0.3, 0.0], [0.3, 0.0, -0.8], [-0.4, -0.6, 0.5]])
# By home channel: share who register some time before they buy; how a customer was won (and how much likelier each way
# is for people who buy often).
_REGISTERS_FIRST = np.array([0.4, 0.1, 0.5, 0.2])
_ACQUIRED = np.array([[0.05, 0.45, 0.15, 0.15, 0.20], [0.65, 0.05, 0.05, 0.20, 0.05], [0.10, 0.10, 0.50, 0.20, 0.10],
                      [0.25, 0.15, 0.05, 0.35, 0.20]])  # fmt: skip
_ACQUIRED_BY_RATE = np.array([0.0, -0.8, -0.6, 1.2, 0.2])

_STREETS = """Zhongshan Jiefang Renmin Jianshe Xinhua Heping Wenhua Beijing Nanjing Guangming Dongfeng Hongqi
    Chaoyang Huancheng Yingbin Fuxing Changjiang Huanghe Taishan Yulan Meihua Guihua Hehua Zhuyuan Songbai Xihu Donghu
    Nanhu Beihu Longteng Fenghuang Qilin Baiyun Qingshan Lvshui Yangguang Xingfu Tuanjie Youyi Shengli Gongyuan Daxue
    Keji Chuangxin Xueyuan Tiyu Binjiang Haibin Yuhua Chaye"""
_MAIL_DOMAINS = np.array(["example.com", "example.org", "example.net"], dtype=object)


def choose(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one category a row, each row with its own probabilities.

    Parameters
    ----------
    probability : numpy.ndarray of shape (n, k)
        Non-negative; rows need not sum to 1.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray of shape (n,)
        Column numbers.

    Examples
    --------
    >>> choose(np.array([[0.0, 1.0], [2.0, 0.0]]), np.random.default_rng(7))
    array([1, 0])
    """
    cumulative = np.cumsum(probability, axis=1)
    threshold = rng.random(len(probability)) * cumulative[:, -1]
    return (cumulative <= threshold[:, None]).sum(axis=1)


def customer_ids(number: np.ndarray) -> np.ndarray:
    """Write customer numbers as the company does.

    Parameters
    ----------
    number : numpy.ndarray
        From 1.

    Returns
    -------
    numpy.ndarray
        Objects of type str.

    Examples
    --------
    >>> customer_ids(np.array([1]))
    array(['C0000001'], dtype=object)
    """
    return np.array([f"C{i:07d}" for i in number], dtype=object)


def phone_numbers(number: np.ndarray) -> np.ndarray:
    """Give each number its own mobile phone, in a range (154) that no operator has.

    Parameters
    ----------
    number : numpy.ndarray
        Whole numbers up to 10⁸; different numbers have different phones.

    Returns
    -------
    numpy.ndarray
        Eleven digits, objects of type str.

    Examples
    --------
    >>> phone_numbers(np.array([1, 2]))
    array(['15407519084', '15413699423'], dtype=object)
    """
    scrambled = (np.asarray(number, dtype="int64") * 6_180_339 + 1_338_745) % 10**8
    return np.array([f"154{i:08d}" for i in scrambled], dtype=object)


def draw_addresses(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw street addresses, without the city.

    Parameters
    ----------
    n : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Such as ``"88 Zhongshan Road, 3-502"``, objects of type str.
    """
    names = np.array(_STREETS.split(), dtype=object)
    street = names[rng.integers(len(names), size=n)]
    house = rng.integers(1, 400, size=n).astype(str).astype(object)
    block = rng.integers(1, 25, size=n).astype(str).astype(object)
    floor, door = rng.integers(1, 31, size=n), rng.integers(1, 5, size=n)
    return house + " " + street + " Road, " + block + "-" + (floor * 100 + door).astype(str).astype(object)


def draw_email(given: np.ndarray, family: np.ndarray, birth_year: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw e-mail addresses at the domains reserved for examples (RFC 2606).

    Parameters
    ----------
    given, family : numpy.ndarray
        Pinyin.
    birth_year : numpy.ndarray
        Four digits.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Objects of type str.
    """
    n = len(given)
    domain = _MAIL_DOMAINS[rng.choice(3, size=n, p=[0.6, 0.2, 0.2])]
    year = np.array([f"{y % 100:02d}" for y in birth_year], dtype=object)
    number = np.array([f"{i:03d}" for i in rng.integers(1000, size=n)], dtype=object)
    style = rng.random(n)
    name = np.where(style < 0.5, given + "." + family, np.where(style < 0.8, family + given, family + "_" + given))
    digits = np.where(rng.random(n) < 0.4, year, number)
    return np.array([text.lower() for text in name + digits + "@" + domain], dtype=object)


def _arrival_weights() -> np.ndarray:
    days = pd.date_range(START, periods=DAYS, freq="D")
    weight = np.linspace(1.0, PEOPLE.growth, DAYS) * _MONTH_ARRIVALS[days.month.to_numpy() - 1]
    return weight / weight.sum()


def _families(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Group some people into families; for each person the row of the family's head, and whether they are the head."""
    order = rng.permutation(n)
    living_together = order[: int(PEOPLE.family_share * n)]
    size = rng.choice([2, 3], size=len(living_together), p=[0.7, 0.3])
    family = np.repeat(np.arange(len(size)), size)[: len(living_together)]
    first = np.concatenate([[True], family[1:] != family[:-1]])
    head = np.arange(n)
    head[living_together] = living_together[np.flatnonzero(first)[family]]
    return head, head == np.arange(n)


def _draw_buying(satisfaction: np.ndarray, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draw how each person buys; with the rate and the mean spend as normal scores too."""
    n, truth = len(satisfaction), PURCHASES
    rate = rng.gamma(truth.r, 1 / truth.alpha_weeks, size=n)
    # A Gaussian copula: the dropout probability follows satisfaction and is Beta(a, b) all the same.
    rho = truth.satisfaction_correlation
    score = rho * satisfaction + np.sqrt(1 - rho**2) * rng.standard_normal(n)
    nu = rng.gamma(truth.q, 1 / truth.gamma, size=n)
    buying = pd.DataFrame(
        {
            "purchase_rate_per_week": rate,
            "dropout_probability": special.betaincinv(truth.a, truth.b, special.ndtr(score)),
            "mean_spend": truth.p / nu,
        }
    )
    rate_score = special.ndtri(special.gammainc(truth.r, rate * truth.alpha_weeks))
    return buying, rate_score, -special.ndtri(special.gammainc(truth.q, nu * truth.gamma))


def _draw_portraits(
    rate_score: np.ndarray, spend_score: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draw who suits such buying, which leaves its distribution as it is; with codes of home channel and persona."""
    n = len(rate_score)
    scores = np.column_stack([np.ones(n), rate_score, spend_score])
    persona = choose(np.exp(scores @ _PERSONA_BY_SCORES.T), rng)
    gender = np.where(rng.random(n) < _WOMEN[persona], "female", "male").astype(object)
    age = np.clip(_AGE[persona] + _AGE_SPREAD[persona] * rng.standard_normal(n), 18, 88)
    birth_year = (2025 - age).astype(int).astype(str).astype("datetime64[Y]").astype("datetime64[D]")
    birth_date = birth_year + rng.integers(365, size=n).astype("timedelta64[D]")
    home_channel = choose(_HOME_CHANNEL[persona], rng)
    acquired = choose(_ACQUIRED[home_channel] * np.exp(np.outer(0.5 * rate_score, _ACQUIRED_BY_RATE)), rng)
    portrait = pd.DataFrame(
        {
            "gender": gender,
            "birth_date": birth_date.astype("datetime64[us]"),
            "persona": np.array(PERSONAS, dtype=object)[persona],
            "home_channel": np.array(CHANNELS, dtype=object)[home_channel],
            "acquisition_channel": np.array(ACQUISITION_CHANNELS, dtype=object)[acquired],
        }
    )
    return portrait, home_channel, persona


def _draw_identities(portrait: pd.DataFrame, number: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Draw names, families, homes and how to reach them."""
    n = len(portrait)
    birth_year = pd.DatetimeIndex(portrait["birth_date"]).year.to_numpy()
    head, is_head = _families(n, rng)
    same_name = is_head | (rng.random(n) < 0.6)
    same_phone = ~is_head & (rng.random(n) < PEOPLE.shared_phone_share)
    places = branches()
    branch = rng.choice(len(places), size=n, p=places["customer_share"].to_numpy())[head]
    address = draw_addresses(n, rng)[head]
    postcode_end = np.array([f"{i:03d}" for i in rng.integers(1000, size=n)], dtype=object)[head]
    family, pinyin_family = draw_surnames(n, rng)
    family = np.where(same_name, family[head], family)
    pinyin_family = np.where(same_name, pinyin_family[head], pinyin_family)
    given, pinyin_given = draw_given_names(portrait["gender"].to_numpy(object), birth_year, rng)
    phone = phone_numbers(number)
    return pd.DataFrame(
        {
            "customer_id": customer_ids(number),
            "family_id": np.array([f"F{i:07d}" for i in number], dtype=object)[head],
            "family_name": family,
            "given_name": given,
            "name": family + given,
            "pinyin_family": pinyin_family,
            "pinyin_given": pinyin_given,
            "phone": np.where(same_phone, phone[head], phone),
            "email": draw_email(pinyin_given, pinyin_family, birth_year, rng),
            "address": address,
            "city": places["city"].to_numpy(object)[branch],
            "postcode": places["postcode_prefix"].to_numpy(object)[branch] + postcode_end,
            "region": places["region"].to_numpy(object)[branch],
            "branch_id": places["branch_id"].to_numpy(object)[branch],
        }
    )


def draw_people(*, seed: int, block: int) -> pd.DataFrame:
    """Draw one block of people.

    Parameters
    ----------
    seed : int
        The company's seed.
    block : int
        Number of the block, from 0; it holds the customers ``block * BLOCK_SIZE + 1`` to ``(block + 1) * BLOCK_SIZE``.

    Returns
    -------
    pandas.DataFrame
        `BLOCK_SIZE` rows: identity, home, persona, the parameters of each person's purchases
        (``purchase_rate_per_week``, ``dropout_probability``, ``mean_spend`` in CNY), the day of arrival
        (``arrival_day``, days since `START`; unused for prospects) and the latent scores of `draw_latents`.
    """
    n = BLOCK_SIZE
    latents = draw_latents(n, block_rng(seed, block, _LATENTS)).reset_index(drop=True)
    rng = block_rng(seed, block, _PEOPLE)
    number = block * BLOCK_SIZE + 1 + np.arange(n)
    buying, rate_score, spend_score = _draw_buying(latents["satisfaction"].to_numpy(), rng)
    portrait, home_channel, persona = _draw_portraits(rate_score, spend_score, rng)
    identity = _draw_identities(portrait, number, rng)
    arrival = rng.choice(DAYS, size=n, p=_arrival_weights())
    waited = np.where(rng.random(n) < _REGISTERS_FIRST[home_channel], rng.exponential(25, size=n), 0)
    state = pd.DataFrame(
        {
            "may_contact": rng.random(n) < PEOPLE.may_contact_share,
            "is_prospect": rng.random(n) < PEOPLE.prospect_share,
            "joined_day": np.maximum(arrival - waited.astype(int), 0),
            "arrival_day": arrival,
            "discount_hunter": rng.random(n) < np.array(PURCHASES.discount_hunter_share)[persona],
        }
    )
    return pd.concat([identity, portrait, state, buying, latents], axis=1)


def customers_table(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Write the contract's table ``customers``, with a few blanks as a master file has them.

    Parameters
    ----------
    people : pandas.DataFrame
        As `draw_people` makes them.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row a person.
    """
    birth_year = pd.Series(pd.DatetimeIndex(people["birth_date"]).year, dtype="Int64")
    gender = people["gender"].to_numpy(object)
    no_birth_year, no_gender = rng.random((2, len(people))) < np.array([[0.06], [0.02]])
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "name": people["name"],
            "gender": np.where(no_gender, None, gender),
            "birth_year": birth_year.mask(no_birth_year),
            "region": people["region"],
            "city": people["city"],
            "branch_id": people["branch_id"],
            "joined_at": day_at(people["joined_day"].to_numpy()),
            "acquisition_channel": people["acquisition_channel"],
            "may_contact": people["may_contact"],
        }
    )
