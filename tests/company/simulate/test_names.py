from __future__ import annotations

import numpy as np
import pytest

from crm_utils.company.simulate.names import _GIVEN, draw_given_names, draw_surnames, homophones, surnames


def test_surnames_follow_the_register_of_2007():
    # Ministry of Public Security, 2007: 王 7.25 %, 李 7.19 %, 张 6.83 % of everybody, and the first hundred 84.77 %.
    table = surnames().set_index("character")["share"]
    assert len(table) == 100
    assert table.sum() == pytest.approx(1)
    assert table.index[:10].tolist() == list("王李张刘陈杨黄赵吴周")
    assert (table[["王", "李", "张"]] * 0.8477).round(3).tolist() == pytest.approx([0.0725, 0.0719, 0.0683], abs=0.002)
    assert table.is_monotonic_decreasing


def test_drawn_surnames_have_their_shares_and_their_pinyin():
    n = 50_000
    characters, pinyin = draw_surnames(n, np.random.default_rng(1))
    table = surnames().set_index("character")
    for name in "王李张陈":
        share = table.loc[name, "share"]
        assert (characters == name).mean() == pytest.approx(share, abs=4 * np.sqrt(share / n))
    assert (table.loc[characters, "pinyin"].to_numpy() == pinyin).all()


@pytest.mark.parametrize(("gender", "year", "one_character"), [("female", 1965, 0.09), ("male", 1995, 0.24)])
def test_given_names_suit_gender_and_time_of_birth(gender, year, one_character):
    n = 20_000
    characters, pinyin = draw_given_names(np.full(n, gender), np.full(n, year), np.random.default_rng(1))
    listed = {entry[0]: entry[1:] for entry in _GIVEN[(gender, 0 if year < 1970 else 2)].split()}
    assert set("".join(characters)) <= set(listed)
    assert all(
        "".join(listed[sign] for sign in name).lower() == sound.lower()
        for name, sound in zip(characters[:500], pinyin[:500], strict=True)
    )
    single = np.mean([len(name) == 1 for name in characters])
    # A man's doubled character becomes a single one, which adds about the chance of drawing the same sign twice.
    doubles = 0.03 if gender == "male" else 0.0
    assert single == pytest.approx(one_character + doubles, abs=0.012)


def test_commonest_characters_come_first():
    n = 20_000
    characters, _ = draw_given_names(np.full(n, "male"), np.full(n, 1980), np.random.default_rng(1))
    first = [name[0] for name in characters]
    assert first.count("伟") > first.count("杰") > first.count("新")


def test_a_homophone_is_another_character_of_the_same_sound():
    sounds = {entry[0]: entry[1:] for entries in _GIVEN.values() for entry in entries.split()}
    slips = homophones()
    assert len(slips) > 80
    assert all(right != wrong and sounds[right] == sounds[wrong] for right, wrong in slips.items())
