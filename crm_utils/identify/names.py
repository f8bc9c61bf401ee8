"""Names of people in one form: parts, courtesy words, order, sound."""

from __future__ import annotations

import re

import pandas as pd

from crm_utils.identify.name_order import CLEAR, turned_probability
from crm_utils.identify.pinyin import COMPOUND_SURNAMES, count_syllables, name_sound, sound_of, surname_sounds
from crm_utils.identify.text import HAN, has_han, on_distinct, read_text, to_simplified

NAME_COLUMNS = ("family_name", "given_name", "family_sound", "given_sound", "name_turned")

_LATIN_COURTESY = r"(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam)\b\.?"
_CHINESE_COURTESY = r"(?:先生|女士|小姐|太太|夫人|同志|老师|师傅|经理|阿姨|叔叔)"
_COURTESY = re.compile(
    rf"^(?:{_LATIN_COURTESY}(?![\w'-])\s*)+|(?:[,\s]+{_LATIN_COURTESY})+$|(?:\s*{_CHINESE_COURTESY})+$", re.IGNORECASE
)
_BRACKETS = re.compile(r"\s*[(\[【].*?[)\]】]")
_EDGES = " \"'.,;:·-_*"
_SIGNS = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "—": "-"}
) | dict.fromkeys(map(ord, "•‧・∙⋅"), "·")
_INSIDE_CHINESE = re.compile(rf"(?<=[{HAN}])\s+(?=[{HAN}])")
_ALL_CHINESE = re.compile(f"[{HAN}]+")

# Words that belong to the family name behind them, and words behind it that do not.
_PARTICLES = frozenset(
    ["van", "von", "der", "den", "de", "da", "di", "del", "della", "do", "dos", "das", "du", "la", "le", "ten", "ter",
     "bin", "ibn", "al", "el", "st"]
)  # fmt: skip
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv"])


def _plain(text: str) -> str:
    """Take off brackets and courtesy words, until nothing more comes off."""
    previous = ""
    text = text.translate(_SIGNS)
    while text != previous:
        previous = text
        text = _COURTESY.sub("", _BRACKETS.sub("", text)).strip(_EDGES)
    return text


def read_names(names: pd.Series) -> pd.Series:
    """Read names in simplified characters and ordinary width, as spelt, without courtesy words.

    Parameters
    ----------
    names : pandas.Series
        Whole names or parts of them.

    Returns
    -------
    pandas.Series
        Of dtype ``str``; NaN where nothing, or a courtesy word alone, is written.

    Examples
    --------
    >>> read_names(pd.Series(["小明先生", "Mrs", "Dr. Ann Lee", "王（老客户）"])).tolist()
    ['小明', nan, 'Ann Lee', '王']
    """
    texts = to_simplified(read_text(names, is_name=True))
    return on_distinct(texts, lambda distinct: [_plain(text) or None for text in distinct])


def _clean(names: pd.Series) -> pd.Series:
    """Read one part of the names: in lower case, with characters set close together."""

    def fold(text: str) -> str | None:
        return _plain(_INSIDE_CHINESE.sub("", text.casefold())) or None

    return on_distinct(read_names(names), lambda distinct: [fold(text) for text in distinct])


def _split_chinese(text: str) -> tuple[str, str]:
    if "·" in text:
        given, _, family = text.rpartition("·")
        return family, given
    words = text.split()
    if len(words) == 2:
        return words[0], words[1]
    text = "".join(words)
    length = 2 if text[:2] in COMPOUND_SURNAMES else 1
    return text[:length], text[length:]


def _split_capitals(words: list[str]) -> tuple[str, str] | None:
    """Split where the family name alone is in capitals: WANG Xiao-Ming, Jean DUPONT."""
    capital = [len(word) > 1 and word.isupper() for word in words]
    if all(capital) or not any(capital):
        return None
    if capital[0] and not capital[-1]:
        end = capital.index(False)
        return " ".join(words[:end]), " ".join(words[end:])
    if capital[-1] and not capital[0]:
        start = len(words) - capital[::-1].index(False)
        return " ".join(words[start:]), " ".join(words[:start])
    return None


def _pinyin_order(words: list[str]) -> str:
    """``family first``, ``given first``, ``either``, or empty for names that are not pinyin."""
    sounds = [sound_of(word.casefold()) for word in words]
    if not all(count_syllables(sound) for sound in sounds):
        return ""
    first, last = sounds[0] in surname_sounds(), sounds[-1] in surname_sounds()
    if first and last:
        return "either"
    return "family first" if first else "given first" if last else ""


def _split_letters(text: str, *, family_first: bool) -> tuple[str, str]:
    family, comma, given = text.partition(",")
    if comma:
        return family, given
    words = text.split()
    if len(words) > 2 and words[-1].casefold().strip(".") in _SUFFIXES:
        words = words[:-1]
    if len(words) < 2:
        return "", text
    if parts := _split_capitals(words):
        return parts
    order = _pinyin_order(words)
    if order == "family first" or (order == "either" and family_first):
        return words[0], " ".join(words[1:])
    start = len(words) - 1
    if not order:
        while start > 1 and words[start - 1].casefold() in _PARTICLES:
            start -= 1
    return " ".join(words[start:]), " ".join(words[:start])


def _family_first(distinct: pd.Series) -> bool:
    """Whether pinyin names of this table mostly put the family name first, as the standard has it."""
    orders = [_pinyin_order(text.split()) for text in distinct if "," not in text and " " in text]
    return orders.count("family first") >= orders.count("given first")


def split_full_name(names: pd.Series) -> pd.DataFrame:
    """Split whole names into family and given name.

    Parameters
    ----------
    names : pandas.Series
        Whole names: characters (a compound surname such as 欧阳 stays whole), pinyin in either order, or other letters.

    Returns
    -------
    pandas.DataFrame
        family_name and given_name, in simplified characters and as spelt, without courtesy words; NaN for a part that
        is not there. Of names in letters, the family name is what stands before a comma; else what alone is written in
        capitals; else, in pinyin, the first or last word that is a common surname (where both are, the order that most
        pinyin names of the table have; by default the family name first); else the last word with its particles
        (*van*, *de*, *al* …). A single word is a given name.

    References
    ----------
    GB/T 28039-2011: the family name comes first, compound surnames are one word, capitals may mark it.

    Examples
    --------
    >>> split_full_name(pd.Series(["诸葛孔明", "Zhuge Kongming", "Xiaoming Wang", "Ludwig van Beethoven"]))
         family_name given_name
    0             诸葛         孔明
    1          Zhuge   Kongming
    2           Wang   Xiaoming
    3  van Beethoven     Ludwig
    """
    texts = read_names(names)
    codes, distinct = pd.factorize(texts)
    distinct = pd.Series(distinct, dtype="str")
    chinese = has_han(distinct)
    family_first = _family_first(distinct[~chinese])
    parts = [
        _split_chinese(text) if is_chinese else _split_letters(text, family_first=family_first)
        for text, is_chinese in zip(distinct, chinese, strict=True)
    ]
    columns = zip(*parts, strict=True) if parts else ((), ())
    return pd.DataFrame(
        {
            column: pd.Series([*(text.strip(_EDGES) or None for text in part), None], dtype="str")
            .take(codes)
            .set_axis(names.index)
            for column, part in zip(NAME_COLUMNS[:2], columns, strict=True)
        }
    )


def normalise_names(family: pd.Series, given: pd.Series) -> pd.DataFrame:
    """Write names in one form, by text and by sound, with the family name in its place.

    Parameters
    ----------
    family, given : pandas.Series
        Family and given names of the same records, in any script and width; courtesy words are taken off.

    Returns
    -------
    pandas.DataFrame
        With the index of `family`: family_name and given_name, in lower case and simplified characters; family_sound
        and given_sound, as `name_sound` writes them; name_turned, whether the two stood in each other's field. A part
        that is only a courtesy word (先生, Mrs) is NaN.

    Raises
    ------
    ParameterError
        If the two differ in length.

    Notes
    -----
    Records are turned round where `crm_utils.identify.name_order.turned_probability` is at least 0.99: the names of
    the whole table decide, so that the same record may be turned in one table and not in another, and a table has to
    be normalised as a whole. Names normalised once are not turned back.

    Examples
    --------
    >>> normalise_names(pd.Series(["王", "WANG", "曾"]), pd.Series(["小明先生", "Xiao-Ming", "女士"]))
      family_name given_name family_sound given_sound  name_turned
    0           王         小明         wang    xiaoming        False
    1        wang  xiao-ming         wang    xiaoming        False
    2           曾        NaN         zeng         NaN        False
    """
    if len(family) != len(given):
        from crm_utils.checks import raise_problems

        raise_problems("normalise_names", [f"there are {len(family):,} family names and {len(given):,} given names"])
    index = family.index
    family, given = _clean(family).reset_index(drop=True), _clean(given).reset_index(drop=True)
    turned = turned_probability(family, given) >= CLEAR
    family, given = family.where(~turned, given), given.where(~turned, family)
    sounds = name_sound(family, is_family=True), name_sound(given)
    return pd.DataFrame(dict(zip(NAME_COLUMNS, (family, given, *sounds, turned), strict=True))).set_axis(index)
