"""How names sound: pinyin of Chinese characters, plain letters of every other name."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import pandas as pd

from crm_utils.identify.text import HAN, as_strings, on_distinct

# Surnames that are read otherwise than the character alone (Modern Chinese Dictionary, readings marked 姓).
_READINGS = """
单shan 解xie 曾zeng 仇qiu 区ou 查zha 盖ge 乐yue 覃qin 翟zhai 朴piao 员yun 折she 洗xian 缪miao 黑he 种chong 祭zhai
郇xun 召shao 卜bu 秘bi 繁po 薄bo 佴nai 隗wei 阚kan 能nai 句gou 乜nie 牟mu 尉迟yuchi 单于chanyu 长孙zhangsun 万俟moqi
乐正yuezheng 澹台tantai
"""
_COMPOUND = """
欧阳 司马 诸葛 上官 夏侯 皇甫 尉迟 公孙 慕容 令狐 长孙 宇文 司徒 司空 东方 独孤 南宫 西门 东郭 百里
轩辕 端木 呼延 赫连 澹台 濮阳 淳于 单于 太史 申屠 公冶 宗政 钟离 闾丘 鲜于 拓跋 万俟 亓官 仲孙 左丘
公羊 公西 颛孙 巫马 乐正 梁丘 完颜 纳兰 叶赫 羊舌 微生 段干
"""
# The hundred commonest, in the order of the Ministry of Public Security's register of 2007.
_COMMONEST = """
王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈
姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤
"""
SURNAME_READINGS = {
    found[1]: found[2]
    for found in (re.fullmatch(rf"([{HAN}]+)([a-z]+)", entry) for entry in _READINGS.split())
    if found
}
COMPOUND_SURNAMES = frozenset(_COMPOUND.split())
COMMON_SURNAMES = tuple("".join(_COMMONEST.split()))

# Finals by initial, Hanyu Pinyin without tones, v for ü (GB/T 16159).
_FINALS = {
    "b": "a ai an ang ao ei en eng i ian iao ie in ing o u",
    "p": "a ai an ang ao ei en eng i ian iao ie in ing o ou u",
    "m": "a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u",
    "f": "a an ang ei en eng o ou u",
    "d": "a ai an ang ao e ei en eng i ia ian iao ie ing iu ong ou u uan ui un uo",
    "t": "a ai an ang ao e eng i ian iao ie ing ong ou u uan ui un uo",
    "n": "a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan uo v ve",
    "l": "a ai an ang ao e ei eng i ia ian iang iao ie in ing iu ong ou u uan un uo v ve",
    "g k h": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "j q x": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "zh ch sh": "a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo",
    "r": "an ang ao e en eng i ong ou u ua uan ui un uo",
    "z c s": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "y": "a an ang ao e i in ing o ong ou u uan ue un",
    "w": "a ai an ang ei en eng o u",
    "": "a ai an ang ao e ei en er o ou",
}
_SYLLABLES = frozenset(
    initial + final
    for initials, finals in _FINALS.items()
    for initial in (initials.split() or [""])
    for final in finals.split()
)
_LONGEST_SYLLABLE, _LONGEST_WORD = 6, 40
_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0304\u030c"))
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


@lru_cache(maxsize=100_000)
def count_syllables(word: str) -> int:
    """Count the fewest syllables of pinyin that a word divides into.

    Parameters
    ----------
    word : str
        Letters in lower case without tones, v for ü.

    Returns
    -------
    int
        0 where the word is not pinyin.

    Examples
    --------
    >>> count_syllables("xiaoming"), count_syllables("smith")
    (2, 0)
    """
    if len(word) > _LONGEST_WORD:
        return 0
    fewest = [0] + [0] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - _LONGEST_SYLLABLE), end):
            if (start == 0 or fewest[start]) and word[start:end] in _SYLLABLES:
                count = fewest[start] + 1
                fewest[end] = min(fewest[end] or count, count)
    return fewest[len(word)]


@lru_cache(maxsize=10_000)
def _character_sound(text: str) -> str:
    from pypinyin import lazy_pinyin

    return "".join(lazy_pinyin(text))


def _letters_sound(text: str) -> str:
    """Letters alone, in lower case without marks; ü and the passport's yu as v where the word is pinyin."""
    if text.isascii() and "yu" not in text:
        return "".join(filter(str.isalnum, text)) if not text.isalnum() else text
    toneless = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).translate(_TONES))
    with_marks = "".join(filter(str.isalnum, toneless))
    as_v = with_marks
    for written in ("yu", "ü"):
        as_v = as_v.replace(f"l{written}", "lv").replace(f"n{written}", "nv")
    if as_v != with_marks and count_syllables(as_v):
        return as_v
    base = unicodedata.normalize("NFD", with_marks.translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(sign for sign in base if not unicodedata.combining(sign)))


def sound_of(text: str, *, is_family: bool = False) -> str:
    """Sound of one cleaned name.

    Parameters
    ----------
    text : str
        In lower case and simplified characters.
    is_family : bool, default False
        Whether characters are read as a surname.

    Returns
    -------
    str
        Letters in lower case, without tones, spaces, hyphens and apostrophes; empty where nothing is left.

    Examples
    --------
    >>> sound_of("曾", is_family=True), sound_of("小明"), sound_of("xiao-ming"), sound_of("lü"), sound_of("müller")
    ('zeng', 'xiaoming', 'xiaoming', 'lv', 'muller')
    """
    if text.isascii():
        return _letters_sound(text)
    if is_family and text in SURNAME_READINGS:
        return SURNAME_READINGS[text]
    if re.search(f"[{HAN}]", text):
        text = re.sub(f"[{HAN}]+", lambda found: _character_sound(found[0]), text)
    return _letters_sound(text)


def name_sound(names: pd.Series, *, is_family: bool = False) -> pd.Series:
    """Write names by their sound, so that characters and pinyin agree.

    Parameters
    ----------
    names : pandas.Series
        Names in any script; best cleaned by `normalise_names`, which does this too.
    is_family : bool, default False
        Read characters as surnames: 曾 is zeng, not ceng.

    Returns
    -------
    pandas.Series
        Of dtype ``str``: pinyin without tones, v for ü, of Chinese characters; the letters without diacritics of names
        in Latin letters; letters of other scripts as they are.

    References
    ----------
    GB/T 28039-2011, The Chinese phonetic alphabet spelling rules for Chinese names; GB/T 16159-2012.

    Examples
    --------
    >>> name_sound(pd.Series(["小明", "Xiao-Ming", "O’Brien", None])).tolist()
    ['xiaoming', 'xiaoming', 'obrien', nan]
    """
    folded = as_strings(names).str.casefold()
    return on_distinct(folded, lambda distinct: [sound_of(text, is_family=is_family) or None for text in distinct])


@lru_cache(maxsize=1)
def surname_sounds() -> frozenset[str]:
    """Sounds of the commonest and of the compound surnames."""
    return frozenset(sound_of(name, is_family=True) for name in (*COMMON_SURNAMES, *COMPOUND_SURNAMES))
