"""Chinese names with realistic frequencies, in characters and in pinyin.

The shares of the first three surnames and of the hundred together are those of the Ministry of Public Security's
register of 2007 (China Daily, 25 April 2007: 王 7.25 %, 李 7.19 %, 张 6.83 %, the first hundred 84.77 %); the order of
the rest follows that register, their shares are approximate. The share of one-character given names follows the
Ministry's name report of 2020 (7.6 % of those born in the 1960s, 27.6 % in the 1990s).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_SURNAMES = """
王Wang7.25 李Li7.19 张Zhang6.83 刘Liu5.38 陈Chen4.53 杨Yang3.08 黄Huang2.23 赵Zhao2.18 吴Wu2.05 周Zhou2.02
徐Xu1.66 孙Sun1.50 马Ma1.29 朱Zhu1.26 胡Hu1.24 郭Guo1.15 何He1.14 高Gao1.11 林Lin1.08 罗Luo.97
郑Zheng.93 梁Liang.85 谢Xie.76 宋Song.74 唐Tang.69 许Xu.67 韩Han.66 冯Feng.62 邓Deng.62 曹Cao.60
彭Peng.58 曾Zeng.57 肖Xiao.57 田Tian.55 董Dong.54 袁Yuan.52 潘Pan.51 于Yu.50 蒋Jiang.50 蔡Cai.50
余Yu.47 杜Du.46 叶Ye.46 程Cheng.45 苏Su.45 魏Wei.45 吕Lyu.44 丁Ding.43 任Ren.42 沈Shen.42
姚Yao.41 卢Lu.41 姜Jiang.40 崔Cui.40 钟Zhong.39 谭Tan.39 陆Lu.37 汪Wang.37 范Fan.36 金Jin.36
石Shi.35 廖Liao.34 贾Jia.34 夏Xia.33 韦Wei.33 付Fu.32 方Fang.32 白Bai.31 邹Zou.31 孟Meng.30
熊Xiong.30 秦Qin.29 邱Qiu.28 江Jiang.28 尹Yin.26 薛Xue.26 闫Yan.26 段Duan.25 雷Lei.25 侯Hou.25
龙Long.24 史Shi.24 陶Tao.24 黎Li.23 贺He.22 顾Gu.22 毛Mao.22 郝Hao.21 龚Gong.21 邵Shao.21
万Wan.20 钱Qian.20 严Yan.19 覃Qin.19 武Wu.18 戴Dai.18 莫Mo.17 孔Kong.17 向Xiang.17 汤Tang.16
"""

# Characters of given names by gender and time of birth, the commonest first.
_GIVEN = {
    ("female", 0): """秀Xiu 英Ying 玉Yu 兰Lan 桂Gui 珍Zhen 芳Fang 华Hua 丽Li 梅Mei 红Hong 淑Shu 凤Feng 萍Ping
        云Yun 敏Min 琴Qin 荣Rong 霞Xia 春Chun 爱Ai 金Jin 香Xiang 文Wen 美Mei 月Yue 莲Lian 素Su 惠Hui 娟Juan
        清Qing 彩Cai 翠Cui 燕Yan 平Ping 明Ming 芬Fen 莉Li 新Xin 慧Hui""",
    ("female", 1): """丽Li 红Hong 晓Xiao 燕Yan 敏Min 静Jing 艳Yan 娟Juan 芳Fang 霞Xia 海Hai 玉Yu 华Hua 春Chun
        慧Hui 小Xiao 文Wen 娜Na 玲Ling 莉Li 英Ying 梅Mei 雪Xue 云Yun 洁Jie 琳Lin 蓉Rong 萍Ping 婷Ting 秀Xiu
        颖Ying 君Jun 亚Ya 金Jin 志Zhi 青Qing 媛Yuan 佳Jia 莹Ying 倩Qian""",
    ("female", 2): """婷Ting 雨Yu 佳Jia 欣Xin 怡Yi 雪Xue 思Si 晓Xiao 梦Meng 静Jing 文Wen 琪Qi 慧Hui 颖Ying
        嘉Jia 诗Shi 雅Ya 子Zi 悦Yue 涵Han 瑶Yao 倩Qian 敏Min 洁Jie 丹Dan 琳Lin 紫Zi 玉Yu 美Mei 莹Ying 心Xin
        妍Yan 宇Yu 璐Lu 晨Chen 丽Li 露Lu 娜Na 菲Fei 馨Xin""",
    ("male", 0): """建Jian 国Guo 明Ming 华Hua 军Jun 志Zhi 文Wen 平Ping 德De 永Yong 生Sheng 林Lin 伟Wei 忠Zhong
        金Jin 红Hong 新Xin 强Qiang 春Chun 民Min 荣Rong 玉Yu 成Cheng 世Shi 清Qing 云Yun 光Guang 福Fu 庆Qing
        胜Sheng 良Liang 学Xue 正Zheng 海Hai 祥Xiang 根Gen 兴Xing 才Cai 东Dong 宝Bao""",
    ("male", 1): """伟Wei 军Jun 勇Yong 强Qiang 海Hai 志Zhi 建Jian 磊Lei 明Ming 涛Tao 波Bo 斌Bin 晓Xiao 辉Hui
        峰Feng 鹏Peng 刚Gang 杰Jie 俊Jun 文Wen 华Hua 林Lin 东Dong 超Chao 永Yong 飞Fei 平Ping 健Jian 亮Liang
        国Guo 春Chun 小Xiao 庆Qing 宏Hong 龙Long 洪Hong 立Li 少Shao 振Zhen 新Xin""",
    ("male", 2): """浩Hao 宇Yu 杰Jie 俊Jun 文Wen 鑫Xin 子Zi 博Bo 伟Wei 明Ming 志Zhi 晨Chen 嘉Jia 天Tian 豪Hao
        轩Xuan 鹏Peng 涛Tao 泽Ze 航Hang 旭Xu 龙Long 凯Kai 昊Hao 超Chao 家Jia 帅Shuai 宏Hong 阳Yang 瑞Rui 磊Lei
        飞Fei 雨Yu 强Qiang 建Jian 睿Rui 成Cheng 思Si 一Yi 振Zhen""",
}  # fmt: skip
_FIRST_YEAR_OF_TIME = (1970, 1990)
_ONE_CHARACTER_SHARE = np.array([0.09, 0.20, 0.24])


def surnames() -> pd.DataFrame:
    """List the surnames that the simulation draws from.

    Returns
    -------
    pandas.DataFrame
        ``character``, ``pinyin`` and ``share`` (fractions that sum to 1), the commonest first.

    Examples
    --------
    >>> surnames().head(2)
      character pinyin     share
    0         王   Wang  ...
    1         李     Li  ...
    """
    rows = []
    for entry in _SURNAMES.split():
        letters = "".join(sign for sign in entry[1:] if sign.isalpha())
        rows.append((entry[0], letters, float(entry[1 + len(letters) :])))
    frame = pd.DataFrame(rows, columns=["character", "pinyin", "share"])
    frame["share"] /= frame["share"].sum()
    return frame


def draw_surnames(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw surnames at their frequency in the population.

    Parameters
    ----------
    n : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of numpy.ndarray
        Characters and pinyin, objects of type str.
    """
    table = surnames()
    drawn = rng.choice(len(table), size=n, p=table["share"].to_numpy())
    return table["character"].to_numpy(object)[drawn], table["pinyin"].to_numpy(object)[drawn]


def draw_given_names(
    gender: np.ndarray, birth_year: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw given names of one or two characters that suit gender and time of birth.

    Parameters
    ----------
    gender : numpy.ndarray
        ``"female"`` or ``"male"``.
    birth_year : numpy.ndarray
        Four digits.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of numpy.ndarray
        Characters and pinyin without tones, such as ``"建国"`` and ``"Jianguo"``.

    Examples
    --------
    >>> characters, pinyin = draw_given_names(np.array(["male"]), np.array([1965]), np.random.default_rng(7))
    >>> len(characters[0]) in (1, 2), pinyin[0].istitle()
    (True, True)
    """
    time = np.searchsorted(_FIRST_YEAR_OF_TIME, birth_year, side="right")
    first, second, one = rng.random((3, len(gender)))
    alone = one < _ONE_CHARACTER_SHARE[time]
    characters = np.empty(len(gender), dtype=object)
    pinyin = np.empty(len(gender), dtype=object)
    for (of_gender, of_time), entries in _GIVEN.items():
        here = np.flatnonzero((gender == of_gender) & (time == of_time))
        signs = np.array([entry[0] for entry in entries.split()], dtype=object)
        sounds = np.array([entry[1:] for entry in entries.split()], dtype=object)
        weight = 1 / (np.arange(len(signs)) + 6)
        cumulative = np.cumsum(weight) / weight.sum()
        i = np.searchsorted(cumulative, first[here])
        j = np.searchsorted(cumulative, second[here])
        # A doubled character is a woman's name (婷婷); a man gets the single one.
        single = alone[here] | ((i == j) & (of_gender == "male"))
        characters[here] = signs[i] + np.where(single, "", signs[j])
        lower = np.array([sound.lower() for sound in sounds], dtype=object)
        pinyin[here] = sounds[i] + np.where(single, "", lower[j])
    return characters, pinyin


def homophones() -> dict[str, str]:
    """Map each character of a given name to another of the same sound, where the lists have one.

    Returns
    -------
    dict of str to str
        A slip of the pen, by the right character.

    Examples
    --------
    >>> homophones()["丽"]
    '莉'
    """
    by_sound: dict[str, list[str]] = {}
    for entries in _GIVEN.values():
        for entry in entries.split():
            signs = by_sound.setdefault(entry[1:], [])
            if entry[0] not in signs:
                signs.append(entry[0])
    slips = {}
    for signs in by_sound.values():
        if len(signs) > 1:
            slips |= dict(zip(signs, [*signs[1:], signs[0]], strict=True))
    return slips
