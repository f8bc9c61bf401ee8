"""Names: readings of the standards, splitting, and who is turned round, held against the demo's truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_utils.company import load_company
from crm_utils.errors import ParameterError
from crm_utils.identify.names import normalise_names, read_names, split_full_name
from crm_utils.identify.pinyin import (
    COMMON_SURNAMES,
    COMPOUND_SURNAMES,
    SURNAME_READINGS,
    count_syllables,
    name_sound,
    sound_of,
)


class TestSound:
    @pytest.mark.parametrize(
        ("name", "reading"),
        [("曾", "zeng"), ("解", "xie"), ("单", "shan"), ("仇", "qiu"), ("区", "ou"), ("查", "zha"), ("任", "ren"),
         ("华", "hua"), ("盖", "ge"), ("乐", "yue"), ("朴", "piao"), ("翟", "zhai"), ("尉迟", "yuchi"),
         ("单于", "chanyu"), ("长孙", "zhangsun"), ("万俟", "moqi"), ("王", "wang"), ("吕", "lv")],
    )  # fmt: skip
    def test_surnames_with_a_reading_of_their_own(self, name, reading):
        assert sound_of(name, is_family=True) == reading

    def test_the_reading_is_for_surnames_only(self):
        assert sound_of("单") == "dan"

    @pytest.mark.parametrize("written", ["Lü", "Lyu", "LYU", "Lv", "Lǚ"])
    def test_every_spelling_of_lü(self, written):
        """GB/T 28039 writes Lü, passports LYU, keyboards Lv."""
        assert name_sound(pd.Series([written]), is_family=True).tolist() == ["lv"]

    def test_other_letters_lose_their_marks_only(self):
        written = pd.Series(["Müller", "Lyubov", "O’Brien", "Jean-Luc", "Łukasz", "Weiß", "Ñuñez"])
        assert name_sound(written).tolist() == ["muller", "lyubov", "obrien", "jeanluc", "lukasz", "weiss", "nunez"]

    def test_tone_marks(self):
        assert name_sound(pd.Series(["Xiǎo Míng"])).tolist() == ["xiaoming"]

    def test_the_names_of_the_demo_sound_as_its_pinyin(self):
        """The simulation spells its hundred surnames by itself; 吕 is Lyu there."""
        from crm_utils.company.simulate.names import surnames

        table = surnames()
        spelt = name_sound(table["pinyin"], is_family=True)
        assert name_sound(table["character"], is_family=True).tolist() == spelt.tolist()
        assert set(table["character"]) == set(COMMON_SURNAMES)

    def test_syllables(self):
        assert [count_syllables(word) for word in ["xian", "zhuang", "lve", "smith", "", "a" * 50]] == [
            1,
            1,
            1,
            0,
            0,
            0,
        ]
        assert all(count_syllables(reading) for reading in SURNAME_READINGS.values())
        assert {len(name) for name in COMPOUND_SURNAMES} == {2}


class TestSplit:
    @pytest.mark.parametrize(
        ("name", "family", "given_name"),
        [
            # GB/T 28039-2011, its own examples
            ("Zhuge Kongming", "Zhuge", "Kongming"),
            ("Wang Jianguo", "Wang", "Jianguo"),
            ("Dongfang Shuo", "Dongfang", "Shuo"),
            ("WANG Jianguo", "WANG", "Jianguo"),
            ("诸葛孔明", "诸葛", "孔明"),
            ("歐陽文", "欧阳", "文"),
            ("李华", "李", "华"),
            ("王 小明", "王", "小明"),
            ("阿不都·买买提", "买买提", "阿不都"),
            ("Xiaoming Wang", "Wang", "Xiaoming"),
            ("Wang Xiao Ming", "Wang", "Xiao Ming"),
            ("Xiao-Ming WANG", "WANG", "Xiao-Ming"),
            ("Jean DUPONT", "DUPONT", "Jean"),
            ("Smith, John", "Smith", "John"),
            ("Ludwig van Beethoven", "van Beethoven", "Ludwig"),
            ("Martin Luther King Jr.", "King", "Martin Luther"),
            ("Dr. Ann Lee", "Lee", "Ann"),
            ("王小明先生", "王", "小明"),
        ],
    )
    def test_names(self, name, family, given_name):
        assert split_full_name(pd.Series([name])).iloc[0].tolist() == [family, given_name]

    def test_the_table_decides_where_both_words_are_surnames(self):
        western_order = pd.Series(["Yang Lin", "Xiaoming Wang", "Meihua Chen"])
        assert split_full_name(western_order).iloc[0].tolist() == ["Lin", "Yang"]
        assert split_full_name(western_order.head(1)).iloc[0].tolist() == ["Yang", "Lin"]

    def test_parts_that_are_not_there(self):
        parts = split_full_name(pd.Series(["王", "Madonna", "先生", None], index=[3, 3, 1, 0]))
        assert parts.fillna("").to_numpy().tolist() == [["王", ""], ["", "Madonna"], ["", ""], ["", ""]]
        assert parts.index.tolist() == [3, 3, 1, 0]


class TestClean:
    def test_courtesy_words(self):
        words = ["先生", "女士", "小姐", "Mr", "Mrs.", "MS", "Dr", "王先生", "Mr. Lee", "小明女士", "Drew", "Missy"]
        expected = ["", "", "", "", "", "", "", "王", "Lee", "小明", "Drew", "Missy"]
        assert read_names(pd.Series(words)).fillna("").tolist() == expected

    def test_three_ways_to_write_one_person(self):
        names = normalise_names(
            pd.Series(["王", "WANG", "Wang", "王"]), pd.Series(["小明", "Xiao-Ming", "Xiaoming", "曉明"])
        )
        assert set(names["family_sound"]) == {"wang"}
        assert set(names["given_sound"]) == {"xiaoming"}
        assert names["given_name"].tolist() == ["小明", "xiao-ming", "xiaoming", "晓明"]

    def test_lengths_must_agree(self):
        with pytest.raises(ParameterError, match="2 family names and 1 given names"):
            normalise_names(pd.Series(["a", "b"]), pd.Series(["c"]))

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["王", "Wang", "Mr Smith", "诸葛", "", "李先生", " lee ", "O'Neil", "N/A"]),
                st.sampled_from(["小明", "Xiao-Ming", "女士", "John (VIP)", "", "Na", "文", "-"]),
            ),
            max_size=6,
        )
    )
    def test_cleaning_twice_is_cleaning_once(self, pairs):
        names = pd.DataFrame(pairs, columns=["family", "given"], dtype="str")
        before = names.copy()
        once = normalise_names(names["family"], names["given"])
        twice = normalise_names(once["family_name"], once["given_name"])
        pd.testing.assert_frame_equal(names, before)
        settled = ~twice["name_turned"]
        columns = ["family_name", "given_name", "family_sound", "given_sound"]
        pd.testing.assert_frame_equal(twice.loc[settled, columns], once.loc[settled, columns])


class TestOrder:
    def test_the_demo_is_set_right(self):
        """About 200 of 7,997 records were planted the wrong way round; which ones, the master file tells."""
        company = load_company()
        records = company.source_records
        true_name = records["true_customer_id"].map(company.customers.set_index("customer_id")["name"])
        true_family = name_sound(true_name.str.slice(0, 1), is_family=True)
        in_family = name_sound(records["family_name"], is_family=True)
        in_given = name_sound(records["given_name"], is_family=True)
        planted = (in_given == true_family) & (in_family != true_family)
        names = normalise_names(records["family_name"], records["given_name"])
        turned = names["name_turned"]
        assert planted.sum() == 200
        assert (turned & planted).sum() >= 195
        assert (turned & ~planted).sum() == 0
        assert (names["family_sound"] == true_family).mean() > 0.999

    @pytest.fixture
    def western(self):
        given_names = np.array(
            ["james", "mary", "robert", "linda", "scott", "taylor", "kelly", "jordan", "lee", "diana"]
        )
        families = np.array(["smith", "jones", "brown", "taylor", "scott", "kelly", "james", "lee", "wilson", "martin"])
        rng = np.random.default_rng(7)
        weight = np.array([10, 9, 8, 7, 2, 2, 1, 1, 1, 1])
        first = rng.choice(given_names, 3000, p=weight / weight.sum())
        last = rng.choice(families, 3000, p=np.array([10, 9, 8, 3, 2, 2, 1, 2, 7, 5]) / 49)
        return pd.Series(last, dtype="str"), pd.Series(first, dtype="str")

    def test_western_records_stay_as_they_are(self, western):
        family, first = western
        assert not normalise_names(family, first)["name_turned"].any()
        assert not normalise_names(family.head(5), first.head(5))["name_turned"].any()

    def test_western_records_are_turned_where_it_is_clear(self, western):
        family, first = western
        planted = np.random.default_rng(8).random(len(family)) < 0.03
        turned = normalise_names(family.mask(planted, first), first.mask(planted, family))["name_turned"]
        assert not (turned & ~planted).any()
        # James Scott and Scott James are both a person's name; Mary and Smith are not in doubt.
        clear = planted & first.isin(["mary", "robert", "linda"]) & family.isin(["smith", "jones", "brown", "wilson"])
        assert turned[clear].all()

    @pytest.mark.parametrize(
        ("family", "given_name", "turned"),
        [("王", "小明", False), ("小明", "王", True), ("Xiaoming", "Wang", True), ("Wang", "Xiaoming", False),
         ("欧阳", "锋", False), ("文", "金", False), ("山田", "太郎", False), ("Nguyen", "Van An", False),
         ("Kim", "Anna", False)],
    )  # fmt: skip
    def test_a_table_of_one_record(self, family, given_name, turned):
        names = normalise_names(pd.Series([family]), pd.Series([given_name]))
        assert names["name_turned"].tolist() == [turned]

    def test_the_order_of_rows_does_not_matter(self):
        records = load_company().source_records.head(1000)
        names = normalise_names(records["family_name"], records["given_name"])
        shuffled = records.sample(frac=1, random_state=7)
        again = normalise_names(shuffled["family_name"], shuffled["given_name"])
        pd.testing.assert_frame_equal(again.sort_index(), names)

    def test_two_records_that_vouch_for_each_other_do_not_both_turn(self):
        names = normalise_names(pd.Series(["Lin", "Smith", "Hanna"]), pd.Series(["Hanna", "John", "Lin"]))
        assert names["name_turned"].sum() < 2
