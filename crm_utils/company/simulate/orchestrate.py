"""One company from its parts: block by block of people, then what concerns the company as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.company.load import Company
from crm_utils.company.settings import SurveySettings
from crm_utils.company.simulate import campaign, contact, latents, management, members, rollout, survey
from crm_utils.company.simulate.booking import book_orders
from crm_utils.company.simulate.branches import branches
from crm_utils.company.simulate.calendar import AS_OF, BLOCK_SIZE, START, block_rng, company_rng
from crm_utils.company.simulate.catalogue import COST_SHARE, PLANTED_PAIRS, catalogue
from crm_utils.company.simulate.people import PEOPLE, PURCHASES, customers_table, draw_people
from crm_utils.company.simulate.purchases import COST_INDEX, PRICE_INDEX, simulate_purchases
from crm_utils.company.simulate.records import RECORDS, simulate_records
from crm_utils.company.simulate.untraced import UNTRACED, add_untraced_lines
from crm_utils.errors import ParameterError

NAME = "Yunshan Tea"
CURRENCY = "CNY"

# Subjects of a block's generators; 0 and 1 are the latent scores and the people.
_CUSTOMERS, _ORDERS, _RECORDS, _MEMBERS, _CONTACT, _SURVEY, _CAMPAIGN, _UNTRACED = range(2, 10)
_ROLLOUT, _MANAGEMENT = 0, 1
_PERSON = ("customer_id", "true_customer_id")
_TRUE_PERSON = ("customer_id", "family_id", "persona", "home_channel", "discount_hunter", "is_prospect",
                "first_purchase", "left_at", "purchase_rate_per_week", "dropout_probability", "mean_spend",
                "purchase_days_next_year", "spend_next_year")  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What was planted in the simulated company.

    Parameters
    ----------
    parameters : dict of str to dict
        Planted parameters by subject; plain values only, ready for JSON.
    tables : dict of str to pandas.DataFrame
        What is true of each person, planted pair, complaint and so on.
    """

    parameters: dict[str, dict[str, Any]]
    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Block:
    """The tables of one block of people, and the truth behind them."""

    tables: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]


def check_size(customers: int, seed: int) -> None:
    """Refuse a number of customers or a seed that cannot be.

    Parameters
    ----------
    customers, seed : int
        As for `simulate_company`.

    Raises
    ------
    ParameterError
        If either is not a whole number in its range.
    """
    if isinstance(customers, bool) or not isinstance(customers, (int, np.integer)) or customers < 1:
        raise ParameterError(f"customers is {customers!r}; give a whole number from 1.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ParameterError(f"seed is {seed!r}; give a whole number from 0.")


def _in_microseconds(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Give every time stamp the resolution that loading from a file gives it."""
    return {
        name: frame.astype(dict.fromkeys(frame.select_dtypes("datetime").columns, "datetime64[us]"))
        for name, frame in tables.items()
    }


def _true_people(people: pd.DataFrame) -> pd.DataFrame:
    scores = [name for name in latents.LATENTS.constructs if name in people]
    true = people[[*_TRUE_PERSON, *scores, "strong_competition"]].copy()
    true["purchase_rate_per_week"] = true["purchase_rate_per_week"].round(6)
    true["dropout_probability"] = true["dropout_probability"].round(6)
    true["mean_spend"] = true["mean_spend"].round(2)
    true[scores] = true[scores].round(4)
    return true


def _block_records(people: pd.DataFrame, seed: int, block: int) -> pd.DataFrame:
    return simulate_records(people, block_rng(seed, block, _RECORDS), block=block)


def simulate_block(seed: int, block: int) -> Block:
    """Simulate all tables of one block of people.

    Parameters
    ----------
    seed : int
        The company's seed.
    block : int
        Number of the block, from 0.

    Returns
    -------
    Block
        Of `BLOCK_SIZE` people, the same whatever else is simulated.
    """
    people = draw_people(seed=seed, block=block)
    buying = (~people["is_prospect"]).to_numpy()
    buyers = people[buying].reset_index(drop=True)
    orders = simulate_purchases(buyers, block_rng(seed, block, _ORDERS), block=block)
    buyers = pd.concat([buyers, orders.timing], axis=1)
    people = people.merge(buyers[["customer_id", *orders.timing.columns]], on="customer_id", how="left")
    people["purchase_days_next_year"] = people["purchase_days_next_year"].astype("Int64")

    tables = {
        "customers": customers_table(people, block_rng(seed, block, _CUSTOMERS)),
        "source_records": _block_records(people, seed, block),
        "order_lines": orders.lines,
    }
    truth = {"customers": _true_people(people), "pairs": orders.pairs}

    made = members.simulate_members(buyers, block_rng(seed, block, _MEMBERS), block=block, order_lines=orders.lines)
    member_months = made[0]["member_months"]
    contacts = contact.simulate_interactions(
        buyers, orders.lines, member_months, block_rng(seed, block, _CONTACT), block=block
    )
    asked = survey.simulate_survey(
        buyers, block_rng(seed, block, _SURVEY), block=block, interactions=contacts[0]["interactions"]
    )
    tested = campaign.simulate_campaign(buyers, orders.lines, block_rng(seed, block, _CAMPAIGN), block=block)
    for made_tables, made_truth in (contacts, asked, made, tested):
        tables |= made_tables
        truth |= made_truth
    lines = add_untraced_lines(orders.lines, block_rng(seed, block, _UNTRACED), block=block)
    tables["order_lines"] = book_orders(lines, tables["source_records"])
    return Block(_in_microseconds(tables), _in_microseconds(truth))


def _first_people(block: Block, people: int) -> Block:
    """Keep the first people of a block; what names nobody is thinned in proportion."""
    keep = set(block.tables["customers"]["customer_id"].iloc[:people])
    share = people / BLOCK_SIZE

    def kept(frame: pd.DataFrame) -> pd.DataFrame:
        person = next((name for name in _PERSON if name in frame), None)
        if person is None:
            return frame
        nobody = frame[person].isna().to_numpy()
        count = np.cumsum(nobody)
        thinned = nobody & (np.floor(count * share) > np.floor((count - 1) * share))
        return frame[frame[person].isin(keep).to_numpy() | thinned].reset_index(drop=True)

    tables = {name: kept(frame) for name, frame in block.tables.items()}
    truth = {name: kept(frame) for name, frame in block.truth.items()}
    for name, frame in truth.items():
        if "interaction_id" in frame:
            known = frame["interaction_id"].isin(tables["interactions"]["interaction_id"])
            truth[name] = frame[known].reset_index(drop=True)
    return Block(tables, truth)


def simulate_blocks(customers: int, seed: int) -> Iterator[Block]:
    """Simulate the company's people block by block.

    Parameters
    ----------
    customers : int
        How many people, from 1.
    seed : int
        From 0.

    Yields
    ------
    Block
        In the order of the customer numbers; the last one is cut to the number asked for.
    """
    for block in range(-(-customers // BLOCK_SIZE)):
        wanted = min(customers - block * BLOCK_SIZE, BLOCK_SIZE)
        made = simulate_block(seed, block)
        yield made if wanted == BLOCK_SIZE else _first_people(made, wanted)


def company_tables(seed: int) -> Block:
    """Simulate what concerns the company as a whole: products, rollout, scorecard and judgements.

    Parameters
    ----------
    seed : int
        The company's seed.

    Returns
    -------
    Block
        Its tables and truth.
    """
    launched = rollout.simulate_rollout(branches(), company_rng(seed, _ROLLOUT))
    managed = management.simulate_management(company_rng(seed, _MANAGEMENT))
    tables = {"products": catalogue(), **launched[0], **managed[0]}
    return Block(_in_microseconds(tables), _in_microseconds({**launched[1], **managed[1]}))


def planted_parameters(seed: int) -> dict[str, dict[str, Any]]:
    """Gather the planted parameters of every module.

    Parameters
    ----------
    seed : int
        The company's seed, recorded with them.

    Returns
    -------
    dict of str to dict
        By subject.
    """
    return {
        "company": {"seed": seed, "start": f"{START:%Y-%m-%d}", "as_of": f"{AS_OF:%Y-%m-%d}", "block_size": BLOCK_SIZE},
        "people": asdict(PEOPLE),
        "purchases": asdict(PURCHASES),
        "prices": {"price_index": PRICE_INDEX, "cost_index": COST_INDEX, "cost_share": COST_SHARE},
        "untraced": asdict(UNTRACED),
        "pairs": {f"{pair.anchor} → {pair.companion}": pair.probability_added for pair in PLANTED_PAIRS},
        "records": asdict(RECORDS),
        "latents": asdict(latents.LATENTS),
        "survey": asdict(survey.SURVEY),
        "members": asdict(members.MEMBERS),
        "contact": asdict(contact.CONTACT),
        "campaign": asdict(campaign.CAMPAIGN),
        "rollout": asdict(rollout.ROLLOUT),
        "management": asdict(management.MANAGEMENT),
    }


def pair_lifts(pairs: pd.DataFrame) -> pd.DataFrame:
    """Sum the planted pairs over blocks and give the lift that they lead to expect.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Expected counts, one row a pair and block.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``anchor_product``, ``companion_product``, expected ``orders``, ``anchor``, ``companion`` and
        ``both``, and ``expected_lift`` = orders × both / (anchor × companion).
    """
    summed = pairs.groupby(["anchor_product", "companion_product"], sort=False, as_index=False).sum()
    summed["expected_lift"] = (summed["orders"] * summed["both"] / (summed["anchor"] * summed["companion"])).round(3)
    for name in ("anchor", "companion", "both"):
        summed[name] = summed[name].round(2)
    return summed


def simulate_tables(customers: int = 5_000, *, seed: int = 7) -> tuple[dict[str, pd.DataFrame], Truth]:
    """Simulate the fictional company's tables, before they are loaded.

    Parameters
    ----------
    customers : int, default 5_000
        How many people, from 1.
    seed : int, default 7
        From 0; the same seed gives the same company, and person number i is the same in a company of any size.

    Returns
    -------
    tables : dict of str to pandas.DataFrame
        By contract name.
    truth : Truth
        What was planted.

    Raises
    ------
    ParameterError
        If the number of customers or the seed is not a whole number in its range.
    """
    check_size(customers, seed)
    blocks = list(simulate_blocks(customers, seed))
    whole = company_tables(seed)

    def joined(parts: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
        return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}

    truth_tables = joined([block.truth for block in blocks])
    truth_tables["pairs"] = pair_lifts(truth_tables["pairs"])
    truth = Truth(planted_parameters(seed), {**truth_tables, **whole.truth})
    return {**joined([block.tables for block in blocks]), **whole.tables}, truth


def simulate_source_records(customers: int = 5_000, *, seed: int = 7) -> pd.DataFrame:
    """Simulate the fictional company's `source_records` alone: as many as a benchmark of record linkage needs.

    Nothing is bought, so that a million records take seconds and need no more memory than the table itself.

    Parameters
    ----------
    customers : int, default 5_000
        How many people, from 1; each has about 1.6 records.
    seed : int, default 7
        From 0.

    Returns
    -------
    pandas.DataFrame
        The table ``source_records`` of `simulate_tables` for the same people and seed, with ``true_customer_id``.

    Raises
    ------
    ParameterError
        If the number of customers or the seed is not a whole number in its range.

    Examples
    --------
    >>> records = simulate_source_records(customers=100)
    >>> records["true_customer_id"].nunique()
    100
    """
    check_size(customers, seed)
    blocks = []
    for block in range(-(-customers // BLOCK_SIZE)):
        people = draw_people(seed=seed, block=block)
        made = _block_records(people, seed, block)
        wanted = people["customer_id"].iloc[: customers - block * BLOCK_SIZE]
        blocks.append(made[made["true_customer_id"].isin(wanted)])
    return pd.concat(blocks, ignore_index=True)


def simulate_company(customers: int = 5_000, seed: int = 7) -> tuple[Company, Truth]:
    """Simulate Yunshan Tea (云杉茶), the fictional company of the demo.

    Parameters
    ----------
    customers : int, default 5_000
        How many people, from 1; about one in twenty has registered and never bought.
    seed : int, default 7
        From 0; the same seed gives the same company, and person number i is the same in a company of any size.

    Returns
    -------
    Company
        All tables of the contract, from 1 January 2023 to 31 December 2025.
    Truth
        What was planted: parameters by subject, and what is true of each person.

    Raises
    ------
    ParameterError
        If the number of customers or the seed is not a whole number in its range.

    Examples
    --------
    >>> company, truth = simulate_company(customers=200)
    >>> len(company.customers)
    200
    >>> truth.parameters["purchases"]["r"]
    0.7
    """
    tables, truth = simulate_tables(customers, seed=seed)
    settings = survey.SURVEY_SETTINGS
    survey_settings = SurveySettings(
        tuple(settings["scale"]),
        {construct: tuple(items) for construct, items in settings["constructs"].items()},
        tuple(settings["reversed"]),
    )
    company = Company.from_frames(tables, name=NAME, currency=CURRENCY, as_of=AS_OF, survey_settings=survey_settings)
    return company, truth
