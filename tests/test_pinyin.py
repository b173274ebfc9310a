"""Names are read word by word, each word once: as the library reads them whole."""

from itertools import islice

import pytest

from cli.load import DATA
from cli.sample import outlets, townships
from kit import pinyin

NAMES = [
    "", "A B C", "ATM-3号", "重庆支行 长兴12", "①②行长", "一行行\n白鹭", "café行", "３號", "😀行", "x" * 30,
    *(outlet["name"] for outlet in islice(outlets(townships(DATA / "divisions/divisions.csv")), 0, 4000, 40)),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_as_a_whole(name: str) -> None:
    whole = pinyin._library().lazy_pinyin(name)
    assert pinyin.syllables(name) == [s for s in map(plain, whole) if s]


def plain(said: str) -> str:
    return "".join(filter(str.isalnum, said)).lower()
