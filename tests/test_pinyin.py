"""Names are read word by word, each word once: as the library reads them whole."""

import json
import unicodedata
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

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


def toneless(said: str) -> str:
    """Write a syllable as names are looked for: nǚ is nv."""
    bare = unicodedata.normalize("NFD", said).replace("u\u0308", "v")
    return "".join(c for c in bare if not unicodedata.combining(c))


def test_phrases_are_those_of_the_library_that_say_more_than_their_characters() -> None:
    """Derived anew: another version of the library may know others."""
    spec = find_spec("pypinyin")
    assert spec is not None
    assert spec.origin is not None
    known = json.loads(Path(spec.origin).with_name("phrases_dict.json").read_text("utf-8"))
    alone = pinyin._library().constants.PINYIN_DICT
    derived = set()
    for phrase, readings in known.items():
        said = [toneless(reading[0]) for reading in readings]
        if said != [toneless(alone.get(ord(c), "").split(",")[0]) for c in phrase]:
            derived.add(" ".join([phrase, *said]))
    assert set(pinyin.PHRASES.read_text("utf-8").splitlines()) == derived


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("浙江武义农村商业银行股份有限公司东干支行", "dong gan zhi hang"),
        ("浙江三门农村商业银行股份有限公司亭旁支行", "ting pang zhi hang"),
        ("余音绕梁", "yu yin rao liang"),
        ("长兴县", "chang xing xian"),
        ("行长", "hang zhang"),
    ],
)
def test_words_are_read_as_people_say_them(name: str, said: str) -> None:
    assert " ".join(pinyin.syllables(name)).endswith(said)
