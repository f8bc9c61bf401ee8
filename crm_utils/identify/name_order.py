"""Which records have family and given name in each other's field: decided by the table itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_utils.identify.pinyin import COMMON_SURNAMES, COMPOUND_SURNAMES, count_syllables, sound_of
from crm_utils.identify.text import has_han

# Probability from which a record is turned round, and the share of such records to begin with.
CLEAR = 0.99
_FIRST_SHARE, _LEAST_SHARE, _LARGEST_SHARE = 0.02, 0.001, 0.2
_ROUNDS = 8
# What is known of Chinese names before a table is seen, worth this many records: the shares of family and given names
# that are not Chinese, have one, two, more characters, or are a compound surname; and the share of people with one of
# the hundred commonest surnames.
_PRIOR_RECORDS = 20
_FAMILY_SHAPES, _GIVEN_SHAPES = np.array([0.0, 0.985, 0.004, 0.001, 0.01]), np.array([0.0, 0.15, 0.839, 0.01, 0.001])
_SHAPES, _LONGEST, _COMPOUND = 5, 3, 4
_COMMON_SHARE = 0.85
# Names that could have occurred, beside those that did.
_UNSEEN_NAMES = 1000
_NOT_CHINESE = 0


@dataclass(frozen=True)
class _Tokens:
    """Distinct names, whichever field they stand in; keys are whole numbers, equal for names that count as one.

    Chinese characters are counted as they are written; letters are counted by sound, together with the characters
    that sound so.
    """

    text_key: np.ndarray
    family_sound_key: np.ndarray
    given_sound_key: np.ndarray
    is_chinese_text: np.ndarray
    shape: np.ndarray
    is_common_surname: np.ndarray


def _describe(names: pd.Series) -> _Tokens:
    in_characters = has_han(names)
    family = np.array([sound_of(name, is_family=True) for name in names], dtype=object)
    given = np.array([sound_of(name) for name in names], dtype=object)
    length = np.where(in_characters, names.str.len(), [count_syllables(sound) for sound in given])
    sound_keys, _ = pd.factorize(np.concatenate([family, given]))
    common_sounds = {sound_of(name, is_family=True) for name in COMMON_SURNAMES}
    common = np.where(in_characters, names.isin(COMMON_SURNAMES), [sound in common_sounds for sound in family])
    compound_sounds = {sound_of(name, is_family=True) for name in COMPOUND_SURNAMES}
    compound = np.where(in_characters, names.isin(COMPOUND_SURNAMES), [sound in compound_sounds for sound in family])
    return _Tokens(
        text_key=np.arange(len(names)),
        family_sound_key=sound_keys[: len(names)],
        given_sound_key=sound_keys[len(names) :],
        is_chinese_text=in_characters,
        shape=np.where(compound, _COMPOUND, np.minimum(length, _LONGEST)).astype("int64"),
        is_common_surname=common.astype(bool),
    )


class _Role:
    """How often each name stands as one part of a name, under the present belief about which records are turned."""

    def __init__(self, tokens: _Tokens, sound_key: np.ndarray, is_family: bool, prior_records: float):
        self.tokens, self.sound_key = tokens, sound_key
        shapes = _FAMILY_SHAPES if is_family else _GIVEN_SHAPES
        self.prior_shapes = prior_records * shapes
        self.prior_names = np.zeros(len(sound_key))
        self.prior_rest = prior_records
        if is_family and prior_records:
            self.prior_names[tokens.is_common_surname] = prior_records * _COMMON_SHARE / len(COMMON_SURNAMES)
            self.prior_rest = prior_records * (1 - _COMMON_SHARE)

    def count(self, here: np.ndarray, here_weight: np.ndarray, there: np.ndarray, there_weight: np.ndarray) -> None:
        """Count the names of this role: those `here` if not turned, those `there` if turned."""
        seen = np.concatenate([here, there])
        weight = np.concatenate([here_weight, there_weight])
        size = int(self.sound_key.max()) + 1
        self.by_text = np.bincount(self.tokens.text_key[seen], weight, minlength=len(self.tokens.text_key))
        self.by_sound = np.bincount(self.sound_key[seen], weight, minlength=size)
        self.by_shape = np.bincount(self.tokens.shape[seen], weight, minlength=_SHAPES)
        self.total = weight.sum()
        if not hasattr(self, "unseen"):
            # Good–Turing: names seen once tell how much is still unseen.
            self.unseen = max(1, int((np.bincount(self.tokens.text_key[here]) == 1).sum()))

    def log_probability(self, token: np.ndarray, own_weight: np.ndarray) -> np.ndarray:
        """Log probability of names in this role, less what their own records added to the counts."""
        tokens = self.tokens
        shape = tokens.shape[token]
        others = self.total - own_weight
        of_shape = self.by_shape[shape] - own_weight + self.prior_shapes[shape] + 0.5
        names_of_shape = np.bincount(tokens.shape, minlength=_SHAPES)[shape] + _UNSEEN_NAMES
        base = of_shape / (others + self.prior_shapes.sum() + 0.5 * _SHAPES) / names_of_shape
        by_sound = self.by_sound[self.sound_key[token]]
        seen = np.where(tokens.is_chinese_text[token], self.by_text[token], by_sound) - own_weight
        unseen = self.unseen + self.prior_rest
        # Rounding can leave a count of minus nothing.
        known = np.maximum(seen, 0) + self.prior_names[token] + unseen * base
        return np.log(known / (others + self.prior_names.sum() + unseen))


def turned_probability(family: pd.Series, given: pd.Series) -> np.ndarray:
    """Probability that a record's family and given name stand in each other's field.

    Parameters
    ----------
    family, given : pandas.Series
        Cleaned names, as `normalise_names` makes them.

    Returns
    -------
    numpy.ndarray of float, shape (n,)
        0 where a part is missing.

    Notes
    -----
    A naive Bayes classifier without labels. Each name has a probability as a family name and as a given name: how
    often it stands so in the other records of the table, smoothed towards its shape (its number of characters or
    syllables) with the Good–Turing weight of the names not yet seen. The odds that a record is turned are

    (turned / not turned) · [P(g as family) P(f as given)] / [P(f as family) P(g as given)]

    and, since turned records blur the counts, counts and odds are computed alternately, each round going half of the
    way (damped expectation–maximisation, eight rounds). Where most names of the table are Chinese, the hundred
    commonest surnames and the usual lengths of names count as a few records more, so that a small table is read too;
    elsewhere the table speaks alone.

    References
    ----------
    Good (1953), The population frequencies of species and the estimation of population parameters, Biometrika 40.

    Examples
    --------
    >>> family, given = pd.Series(["王", "李", "建国"]), pd.Series(["小明", "秀英", "张"])
    >>> (turned_probability(family, given) >= CLEAR).tolist()
    [False, False, True]
    """
    result = np.zeros(len(family))
    whole = (family.notna().to_numpy() & given.notna().to_numpy()).nonzero()[0]
    if len(whole) == 0:
        return result
    stacked = pd.concat([family.iloc[whole], given.iloc[whole]], ignore_index=True)
    codes, distinct = pd.factorize(stacked)
    f, g = codes[: len(whole)], codes[len(whole) :]
    tokens = _describe(pd.Series(distinct, dtype="str"))
    looks_chinese = (tokens.shape[f] != _NOT_CHINESE) & (tokens.shape[g] != _NOT_CHINESE)
    looks_chinese &= (tokens.is_chinese_text[f] & tokens.is_chinese_text[g]) | (
        tokens.is_common_surname[f] ^ tokens.is_common_surname[g]
    )
    prior_records = _PRIOR_RECORDS if looks_chinese.mean() > 0.5 else 0
    as_family = _Role(tokens, tokens.family_sound_key, is_family=True, prior_records=prior_records)
    as_given = _Role(tokens, tokens.given_sound_key, is_family=False, prior_records=prior_records)
    turned, share = np.zeros(len(whole)), _FIRST_SHARE
    for _ in range(_ROUNDS):
        as_family.count(f, 1 - turned, g, turned)
        as_given.count(g, 1 - turned, f, turned)
        if_turned = as_family.log_probability(g, turned) + as_given.log_probability(f, turned)
        if_right = as_family.log_probability(f, 1 - turned) + as_given.log_probability(g, 1 - turned)
        log_odds = np.log(share / (1 - share)) + if_turned - if_right
        probability = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
        # Half a step: two records that vouch for each other would change places for ever.
        turned = (turned + probability) / 2
        share = np.clip(turned.mean(), _LEAST_SHARE, _LARGEST_SHARE)
    result[whole] = probability
    return result
