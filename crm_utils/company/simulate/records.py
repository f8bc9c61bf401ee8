"""The same people as four systems know them: `source_records`, with the errors that such systems make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.company.simulate.branches import branches
from crm_utils.company.simulate.calendar import DAYS, day_at
from crm_utils.company.simulate.names import homophones
from crm_utils.company.simulate.people import CHANNELS, draw_addresses, draw_email, phone_numbers


@dataclass(frozen=True)
class SystemHabits:
    """How one system fills its records: shares of records.

    Parameters
    ----------
    also_here : float
        Share of the people of other home channels who have a record in this system too.
    pinyin : float
        Name in pinyin instead of characters.
    courtesy : float
        先生 or 女士 in place of the given name.
    no_birth_date, no_gender, no_phone, no_email, no_address : float
        Field left blank.
    family_phone : float
        Share, among people who live with another customer, recorded with the phone of the family's head.
    not_asked : float
        Left blank whether the person may be written to. Of people who refuse fewer records are blank: each of them
        was asked in one system at least.
    """

    also_here: float
    pinyin: float
    courtesy: float
    no_birth_date: float
    no_gender: float
    no_phone: float
    no_email: float
    no_address: float
    family_phone: float
    not_asked: float


@dataclass(frozen=True)
class RecordTruth:
    """Planted errors of the records: shares of records, or of people where said.

    Parameters
    ----------
    web, store, miniprogram, phone : SystemHabits
        Habits by system.
    twice : float
        Share of people with a second record in their home system.
    moved, new_phone, new_email : float
        Share of people whose address, phone, e-mail changed; records not updated since then are stale.
    swapped_names : float
        Family and given name in each other's field.
    homophone : float
        A character of the given name written as another of the same sound; of names in characters.
    misspelt : float
        A letter left out; of names in pinyin.
    swapped_day_and_month, new_year_birthday, birth_date_slip : float
        Day and month exchanged where that is a date; 1 January of the right year; year or day off by one digit.
    phone_slip : float
        One digit wrong, or two neighbours exchanged.
    email_slip : float
        A letter left out.
    wrong_gender : float
        The other gender.
    refused_again : float
        Share, among the other records of a person who refuses to be written to, with the refusal too. One record of
        the person always has it: one that was asked, where there is any.
    """

    web: SystemHabits = SystemHabits(0.21, 0.12, 0.00, 0.25, 0.20, 0.04, 0.02, 0.08, 0.02, 0.05)
    store: SystemHabits = SystemHabits(0.22, 0.06, 0.03, 0.35, 0.05, 0.06, 0.60, 0.45, 0.12, 0.50)
    miniprogram: SystemHabits = SystemHabits(0.24, 0.10, 0.00, 0.10, 0.10, 0.02, 0.55, 0.15, 0.03, 0.05)
    phone: SystemHabits = SystemHabits(0.09, 0.50, 0.03, 0.45, 0.05, 0.02, 0.70, 0.25, 0.12, 0.40)
    twice: float = 0.06
    moved: float = 0.12
    new_phone: float = 0.08
    new_email: float = 0.06
    swapped_names: float = 0.025
    homophone: float = 0.03
    misspelt: float = 0.03
    swapped_day_and_month: float = 0.015
    new_year_birthday: float = 0.01
    birth_date_slip: float = 0.015
    phone_slip: float = 0.03
    email_slip: float = 0.015
    wrong_gender: float = 0.005
    refused_again: float = 0.10


RECORDS = RecordTruth()

_FORMER_PHONES = 50_000_000
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_RECORD_LETTER = np.array(["W", "S", "M", "P"], dtype=object)


def _habit(name: str) -> np.ndarray:
    return np.array([getattr(getattr(RECORDS, channel), name) for channel in CHANNELS])


def _change_some(values: np.ndarray, some: np.ndarray, change: Callable[[str, int], str]) -> np.ndarray:
    """Apply a function of (value, row number among the changed) to some values."""
    changed = values.copy()
    for count, row in enumerate(np.flatnonzero(some)):
        changed[row] = change(values[row], count)
    return changed


def _without_letter(text: str, position: float) -> str:
    at = 1 + int(position * (len(text) - 1))
    return text[:at] + text[at + 1 :]


def _digit_slip(phone: str, position: float, digit: float) -> str:
    at = 3 + int(position * 8)
    if digit < 0.3 and at < 10 and phone[at] != phone[at + 1]:
        return phone[:at] + phone[at + 1] + phone[at] + phone[at + 2 :]
    other = (int(phone[at]) + 1 + int(digit * 9)) % 10
    return f"{phone[:at]}{other}{phone[at + 1 :]}"


def _who_is_where(people: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person, system and whether the record is the person's first, for every record."""
    n = len(people)
    home = pd.Categorical(people["home_channel"], categories=CHANNELS).codes
    known = rng.random((n, len(CHANNELS))) < _habit("also_here")
    known[np.arange(n), home] = False
    person, system = np.nonzero(known)
    again = np.flatnonzero(rng.random(n) < RECORDS.twice)
    first = np.concatenate([np.ones(n, dtype=bool), np.zeros(len(person) + len(again), dtype=bool)])
    return np.concatenate([np.arange(n), person, again]), np.concatenate([home, system, home[again]]), first


def _names(people: pd.DataFrame, system: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Family and given names as each system writes them."""
    n = len(people)
    in_pinyin = rng.random(n) < _habit("pinyin")[system]
    in_capitals = in_pinyin & (rng.random(n) < 0.15)
    family = np.where(in_pinyin, people["pinyin_family"], people["family_name"]).astype(object)
    given = np.where(in_pinyin, people["pinyin_given"], people["given_name"]).astype(object)
    same_sound = homophones()
    slip = ~in_pinyin & (rng.random(n) < RECORDS.homophone)
    given = _change_some(given, slip, lambda name, _: name[:-1] + same_sound.get(name[-1], name[-1]))
    misspelt = in_pinyin & (rng.random(n) < RECORDS.misspelt)
    position = rng.random(n)
    given = _change_some(given, misspelt, lambda name, count: _without_letter(name, position[count]))
    family = _change_some(family, in_capitals, lambda name, _: name.upper())
    given = _change_some(given, in_capitals, lambda name, _: name.upper())
    courtesy = rng.random(n) < _habit("courtesy")[system]
    given = np.where(courtesy, np.where(people["gender"] == "female", "女士", "先生"), given)
    swapped = ~courtesy & (rng.random(n) < RECORDS.swapped_names)
    return np.where(swapped, given, family), np.where(swapped, family, given)


def _birth_dates(people: pd.DataFrame, system: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(people)
    true = pd.DatetimeIndex(people["birth_date"])
    year, month, day = true.year.to_numpy(), true.month.to_numpy(), true.day.to_numpy()
    kind = rng.random(n)
    edges = np.cumsum([RECORDS.swapped_day_and_month, RECORDS.new_year_birthday, RECORDS.birth_date_slip])
    swapped = (kind < edges[0]) & (day <= 12)
    new_year = (kind >= edges[0]) & (kind < edges[1])
    slip = (kind >= edges[1]) & (kind < edges[2])
    direction = rng.choice([-1, 1], size=n)
    which = rng.integers(3, size=n)
    year = year + np.where(slip & (which == 0), direction, 0) + np.where(slip & (which == 1), 10 * direction, 0)
    day_slip = slip & (which == 2)
    new_day = np.where(new_year, 1, np.where(swapped, month, np.where(day_slip, 1 + (day + direction - 1) % 28, day)))
    new_month = np.where(new_year, 1, np.where(swapped, day, month))
    # The 29th of February does not exist in the slipped year.
    new_day = np.where((new_month == 2) & (new_day == 29) & slip, 28, new_day)
    dates = pd.to_datetime(pd.DataFrame({"year": year, "month": new_month, "day": new_day}))
    missing = rng.random(n) < _habit("no_birth_date")[system]
    return dates.mask(missing).dt.as_unit("us").to_numpy()


def _phones(
    people: pd.DataFrame, head_phone: np.ndarray, stale: np.ndarray, system: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    n = len(people)
    number = people["customer_id"].str[1:].astype("int64").to_numpy()
    phone = people["phone"].to_numpy(object).copy()
    phone[stale] = phone_numbers(number[stale] + _FORMER_PHONES)
    phone = np.where(rng.random(n) < _habit("family_phone")[system], head_phone, phone)
    slip = rng.random(n) < RECORDS.phone_slip
    position, digit = rng.random((2, n))
    phone = _change_some(phone, slip, lambda text, count: _digit_slip(text, position[count], digit[count]))
    style = rng.random(n)
    phone = _change_some(phone, style < 0.12, lambda text, _: f"+86 {text[:3]} {text[3:7]} {text[7:]}")
    phone = _change_some(phone, (style >= 0.12) & (style < 0.22), lambda t, _: f"{t[:3]}-{t[3:7]}-{t[7:]}")
    phone = _change_some(phone, (style >= 0.22) & (style < 0.27), lambda t, _: f"{t[:3]} {t[3:7]} {t[7:]}")
    phone = _change_some(phone, (style >= 0.27) & (style < 0.29), lambda text, _: text.translate(_FULL_WIDTH))
    return np.where(rng.random(n) < _habit("no_phone")[system], None, phone)


def _emails(email: np.ndarray, system: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(email)
    slip = rng.random(n) < RECORDS.email_slip
    position = rng.random(n) * 0.3
    email = _change_some(email, slip, lambda text, count: _without_letter(text, position[count]))
    return np.where(rng.random(n) < _habit("no_email")[system], None, email)


def _written_address(address: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    style = rng.random(len(address))
    address = _change_some(address, style < 0.15, lambda text, _: text.replace(" Road", " Rd"))
    address = _change_some(address, (style >= 0.15) & (style < 0.25), lambda text, _: text.replace(" Road", " Lu"))
    return _change_some(address, rng.random(len(address)) < 0.08, lambda text, _: text.split(",")[0])


def _permissions(
    refuses: np.ndarray, person: np.ndarray, system: np.ndarray, rng: np.random.Generator
) -> pd.arrays.BooleanArray:
    """Whether the person may be written to, as each record has it: who refuses has said so in one place at least."""
    n = len(person)
    blank = rng.random(n) < _habit("not_asked")[system]
    again = ~blank & (rng.random(n) < RECORDS.refused_again)
    order = np.lexsort([rng.random(n), blank, person])
    place = np.zeros(n, dtype=bool)
    place[order[np.unique(person[order], return_index=True)[1]]] = True
    refused = refuses & (place | again)
    return pd.arrays.BooleanArray(~refused, blank & ~refused)


def _former_values(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw where and how each person could be reached before, had they moved or changed their e-mail address."""
    n = len(people)
    places = branches()
    elsewhere = rng.random(n) < 0.3
    row = rng.choice(len(places), size=n, p=places["customer_share"].to_numpy())
    city = np.where(elsewhere, places["city"].to_numpy(object)[row], people["city"])
    prefix = pd.Series(city).map(places.set_index("city")["postcode_prefix"]).to_numpy(object)
    end = np.array([f"{i:03d}" for i in rng.integers(1000, size=n)], dtype=object)
    birth_year = pd.DatetimeIndex(people["birth_date"]).year.to_numpy()
    given, family = people["pinyin_given"].to_numpy(object), people["pinyin_family"].to_numpy(object)
    return pd.DataFrame(
        {
            "city": city,
            "postcode": prefix + end,
            "address": draw_addresses(n, rng),
            "email": draw_email(given, family, birth_year, rng),
        }
    )


def simulate_records(people: pd.DataFrame, rng: np.random.Generator, *, block: int = 0) -> pd.DataFrame:
    """Write down a block of people as the web shop, the stores, the mini-program and the call centre know them.

    Parameters
    ----------
    people : pandas.DataFrame
        As `draw_people` makes them, prospects included.
    rng : numpy.random.Generator
        Source of randomness.
    block : int, default 0
        Number of the block; it keeps record ids apart.

    Returns
    -------
    pandas.DataFrame
        The contract's table ``source_records``, by date of creation, about 1.6 records a person.
        ``true_customer_id`` is the person. A person has refused to be written to in one of the records or more if
        and only if their ``may_contact`` in `people` is False.
    """
    # A child generator, because the other draws were there first and must stay as they are.
    permission_rng = rng.spawn(1)[0]
    people = people.reset_index(drop=True)
    n_people = len(people)
    person, system, first = _who_is_where(people, rng)
    n = len(person)

    joined = people["joined_day"].to_numpy()[person]
    created = np.where(first, joined, joined + np.floor(rng.random(n) * (DAYS - joined)).astype(int))
    later = np.floor(rng.exponential(220, size=n)).astype(int) * (rng.random(n) < 0.6)
    updated = np.minimum(created + later, DAYS - 1)

    def changed_since(share: float) -> np.ndarray:
        change_day = np.where(rng.random(n_people) < share, rng.integers(0, DAYS, size=n_people), -1)
        return updated < change_day[person]

    moved, old_phone, old_email = (changed_since(s) for s in (RECORDS.moved, RECORDS.new_phone, RECORDS.new_email))
    former = _former_values(people, rng)
    head_of = people["family_id"].str[1:].astype("int64").to_numpy() - int(people["customer_id"].iloc[0][1:])
    head_phone = people["phone"].to_numpy(object)[head_of]

    known = people.loc[person].reset_index(drop=True)
    before = former.loc[person].reset_index(drop=True)
    family_name, given_name = _names(known, system, rng)
    gender = known["gender"].to_numpy(object)
    other_gender = np.where(gender == "female", "male", "female")
    gender = np.where(rng.random(n) < RECORDS.wrong_gender, other_gender, gender)
    no_address = rng.random(n) < _habit("no_address")[system]
    no_postcode = no_address | (rng.random(n) < 0.2)
    no_city = no_address & (rng.random(n) < 0.5)
    address = _written_address(np.where(moved, before["address"], known["address"]), rng)
    email = np.where(old_email, before["email"], known["email"])
    records = pd.DataFrame(
        {
            "source": np.array(CHANNELS, dtype=object)[system],
            "given_name": given_name,
            "family_name": family_name,
            "birth_date": _birth_dates(known, system, rng),
            "gender": np.where(rng.random(n) < _habit("no_gender")[system], None, gender),
            "phone": _phones(known, head_phone[person], old_phone, system, rng),
            "email": _emails(email, system, rng),
            "address": np.where(no_address, None, address),
            "city": np.where(no_city, None, np.where(moved, before["city"], known["city"])),
            "postcode": np.where(no_postcode, None, np.where(moved, before["postcode"], known["postcode"])),
            "may_contact": _permissions(~known["may_contact"].to_numpy(), person, system, permission_rng),
            "created_at": day_at(created),
            "updated_at": day_at(updated),
            "true_customer_id": known["customer_id"],
        }
    )
    order = np.lexsort([person, system, created])
    records = records.iloc[order].reset_index(drop=True)
    letter = _RECORD_LETTER[system[order]]
    records.insert(0, "record_id", letter + np.array([f"{block:04d}{i:05d}" for i in range(1, n + 1)], dtype=object))
    return records
