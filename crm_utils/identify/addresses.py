"""Street addresses in one form: house number and street, then what lies inside, then the rest."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from crm_utils.identify.pinyin import sound_of
from crm_utils.identify.text import HAN, read_text, to_simplified

_STREET_WORDS = {
    "road": "rd lu 路 公路 道",
    "street": "st str jie dajie 街 大街",
    "avenue": "ave av aven dadao 大道",
    "boulevard": "blvd",
    "drive": "dr drv",
    "lane": "ln xiang 巷",
    "court": "ct crt",
    "place": "pl",
    "crescent": "cres cr",
    "terrace": "tce terr ter",
    "highway": "hwy",
    "parade": "pde",
    "square": "sq",
    "close": "cl",
    "circuit": "cct",
    "grove": "gr gve",
    "way": "wy",
    "alley": "hutong 胡同",
    "parkway": "pkwy",
    "esplanade": "esp",
    "loop": "",
    "rise": "",
    "walk": "",
    "mews": "",
}
_STREET_WORD = {word: name for name, words in _STREET_WORDS.items() for word in (name, *words.split())}
_DIRECTIONS = {
    "north": "n bei 北",
    "south": "s nan 南",
    "east": "e dong 东",
    "west": "w xi 西",
    "middle": "mid zhong 中",
}
_DIRECTION = {word: name for name, words in _DIRECTIONS.items() for word in (name, *words.split())}
# Parts of a building, from the largest to the smallest.
_LEVELS = (
    "building bldg block blk tower 栋 幢 座 号楼",
    "entrance stairs danyuan 单元",
    "floor fl level lvl 层 楼",
    "room rm unit apt apartment flat suite ste shop 室 房 户 号",
)
_LEVEL = {word: level for level, words in enumerate(_LEVELS) for word in words.split()}

_CHINESE_NUMBER = r"\d+[A-Za-z]?(?:-\d+)*"
_CHINESE_STREET = re.compile(
    rf"(?P<area>[{HAN}]*?)(?P<name>[{HAN}]{{1,8}}?)(?P<word>大道|公路|大街|胡同|路|街|巷|道(?!路))"
    rf"(?:(?P<number>{_CHINESE_NUMBER})(?:号(?!楼)|弄)?)?(?P<inside>.*)"
)
_CHINESE_UNIT = re.compile(rf"({_CHINESE_NUMBER}|[A-Za-z])\s*(号楼|单元|栋|幢|座|层|楼|室|房|户|号)?")
_AREA = re.compile(rf"([{HAN}]{{2,}}?)(?:自治区|街道|省|市|区|县|旗|镇|乡)")
_BEHIND_AREA = re.compile(rf"[{HAN}]+(?:路|街|道|巷|胡同)|[{HAN}]*\d|$")
_TOKEN = re.compile(r"[^\W_]+(?:[-/'][^\W_]+)*")
_HOUSE_NUMBER = re.compile(r"\d+[a-z]?")
_HAS_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class _Part:
    """What one part of an address, between commas, says."""

    street: str = ""
    inside: tuple[tuple[int | None, str], ...] = ()
    rest: tuple[str, ...] = ()


def _road(words: list[str], kind: str) -> str:
    """Name and kind of a street; a direction stands between them, wherever it was written."""
    directions = [_DIRECTION[word] for word in words if word in _DIRECTION] if len(words) > 1 else []
    names = [word for word in words if word not in _DIRECTION] if directions else words
    return " ".join([*(names or words), *(directions if names else []), kind])


def _read_inside(tokens: list[str]) -> tuple[tuple[tuple[int | None, str], ...], list[str]]:
    """Numbers inside a building, each with its level where it is named (Room 5), and the words that are left.

    A single letter is a number (Tower A) unless it stands among words alone.
    """
    numbered = any(_HAS_DIGIT.search(token) or token in _LEVEL for token in tokens)
    numbered = numbered or all(len(token) == 1 for token in tokens)
    found: list[tuple[int | None, str]] = []
    words = []
    level = None
    for token in tokens:
        if _HAS_DIGIT.search(token) or (numbered and len(token) == 1):
            found += [(level, part) for part in re.split("[-/]", token)]
            level = None
        elif token in _LEVEL:
            level = _LEVEL[token]
        else:
            words.append(token)
    return tuple(found), words if found else tokens


@lru_cache(maxsize=100_000)
def _chinese_name_sound(name: str) -> str:
    for word in ("东", "西", "南", "北", "中"):
        if len(name) > 2 and name.endswith(word):
            return f"{sound_of(name[:-1])} {_DIRECTION[word]}"
    return sound_of(name)


def _read_chinese_inside(text: str) -> tuple[tuple[int | None, str], ...]:
    found: list[tuple[int | None, str]] = []
    for number, word in _CHINESE_UNIT.findall(text):
        found += [(_LEVEL.get(word), part) for part in number.lower().split("-")]
    return tuple(found)


def _read_areas(text: str) -> tuple[tuple[str, ...], int]:
    """Sounds of district, city and province, and where they end; what follows has to be able to stand alone."""
    areas, end = [], 0
    while (found := _AREA.match(text, end)) and _BEHIND_AREA.match(text, found.end()):
        areas.append(sound_of(found[1]))
        end = found.end()
    return tuple(areas[::-1]), end


def _read_chinese(text: str) -> _Part:
    text = text.replace(" ", "")
    areas, end = _read_areas(text)
    found = _CHINESE_STREET.match(text, end)
    if found is None:
        name = re.match(rf"[{HAN}]*", text[end:])[0]
        names = (sound_of(name),) if name else ()
        return _Part(inside=_read_chinese_inside(text[end + len(name) :]), rest=names + areas)
    name = _chinese_name_sound(found["area"] + found["name"])
    street = " ".join(filter(None, [(found["number"] or "").lower(), name, _STREET_WORD[found["word"]]]))
    return _Part(street, _read_chinese_inside(found["inside"]), areas)


def _street_word_at(tokens: list[str]) -> int:
    """Position of the last street word that ends a street's name; "St Kilda Road" begins with another one."""
    for at in range(len(tokens) - 1, 0, -1):
        named = any(not _HAS_DIGIT.search(token) and token not in _LEVEL for token in tokens[:at])
        if named and tokens[at] in _STREET_WORD:
            return at
    return 0


def _read_without_street(tokens: list[str]) -> _Part:
    inside, words = _read_inside(tokens)
    return _Part(inside=inside, rest=(" ".join(words),) if words else ())


def _read_letters(text: str) -> _Part:
    base = unicodedata.normalize("NFD", text.replace("ß", "ss")) if not text.isascii() else text
    tokens = _TOKEN.findall("".join(sign for sign in base if not unicodedata.combining(sign)))
    tokens = [token for token in tokens if token not in ("no", "nr", "number")]
    at = _street_word_at(tokens)
    if not at:
        return _read_without_street(tokens)
    before, after = tokens[:at], tokens[at + 1 :]
    while after and after[0] in _DIRECTION:
        before, after = [*before, after[0]], after[1:]
    start = next(i for i, token in enumerate(before) if not _HAS_DIGIT.search(token) and token not in _LEVEL)
    numbers, name = before[:start], before[start:]
    house = ""
    if numbers and _HAS_DIGIT.search(numbers[-1]):
        *numbers, last = numbers
        unit, _, house = last.rpartition("/")
        numbers += [unit] if unit else []
    elif after and _HOUSE_NUMBER.fullmatch(after[0]):
        house, *after = after
    ahead, behind = _read_without_street(numbers), _read_without_street(after)
    street = " ".join(filter(None, [house, _road(name, _STREET_WORD[tokens[at]])]))
    return _Part(street, ahead.inside + behind.inside, ahead.rest + behind.rest)


@lru_cache(maxsize=200_000)
def _read_part(text: str) -> _Part:
    return _read_chinese(text) if re.search(f"[{HAN}]", text) else _read_letters(text)


def _put_together(text: str) -> tuple[str, str]:
    """Canonical address and street of one address."""
    parts = [_read_part(part) for piece in text.split(",") if (part := piece.strip())]
    streets = [part.street for part in parts if part.street]
    rest = [name for part in parts for name in part.rest]
    street, *more = streets or rest or [""]
    rest = [*rest, *more] if streets else more
    inside = [entry for part in parts for entry in part.inside]
    if all(level is not None for level, _ in inside):
        inside.sort(key=lambda entry: entry[0])
    return ", ".join(filter(None, [street, "-".join(number for _, number in inside), *rest])), street


def normalise_address(addresses: pd.Series) -> pd.DataFrame:
    """Write street addresses in one form, so that English and Chinese ways of writing agree as far as they can.

    Parameters
    ----------
    addresses : pandas.Series
        Addresses in letters (number before or behind the street, parts divided by commas) or in Chinese characters
        (from the largest part to the smallest).

    Returns
    -------
    pandas.DataFrame
        address: house number and street, numbers inside the building joined by hyphens, and the rest (estate, city),
        divided by commas. street: house number and street alone, or the first name where there is no street. NaN where
        nothing is written. In lower case; street words by their English names (Rd, Lu, 路: road); names of Chinese
        roads in pinyin; numbers inside ordered from building to room where every one is named.

    Notes
    -----
    An address is read by rules, not looked up in a directory of streets: a name that is translated (Chang'an Avenue,
    长安街) stays apart, and so do numbers written in words.

    Examples
    --------
    >>> normalise_address(pd.Series(["22 Fuxing Rd, 15-2302", "复兴路22号15栋2302室"]))
                          address          street
    0  22 fuxing road, 15-2302  22 fuxing road
    1  22 fuxing road, 15-2302  22 fuxing road
    """
    texts = to_simplified(read_text(addresses)).str.casefold()
    codes, distinct = pd.factorize(texts.str.replace(r"[、;\n]", ",", regex=True))
    both = [_put_together(text) for text in distinct]
    columns = zip(*both, strict=True) if both else ((), ())
    return pd.DataFrame(
        {
            name: pd.Series([*(text or None for text in values), None], dtype="str").take(codes).to_numpy()
            for name, values in zip(("address", "street"), columns, strict=True)
        },
        index=addresses.index,
        dtype="str",
    )
