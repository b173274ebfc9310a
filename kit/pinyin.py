"""Pinyin keys for search, computed when a row is written.

Of the library's 47,111 phrases only those are loaded in which a character is read otherwise than alone, tones
aside: with all of them it takes 55 MB, with these 14, and "…公司东干支行" is no longer cut at "干支".
"""

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType

PHRASES = Path(__file__).parent.parent / "data" / "pinyin" / "phrases.txt"
SPARING = {"PYPINYIN_NO_PHRASES": "true", "PYPINYIN_NO_DICT_COPY": "true"}
"""Tells the library to load no phrases of its own; it looks when it is imported."""

READINGS = """
    支行 zhi hang, 分行 fen hang, 总行 zong hang, 银行 yin hang, 农商行 nong shang hang, 本行 ben hang,
    他行 ta hang, 跨行 kua hang, 开户行 kai hu hang, 发卡行 fa ka hang, 合作行 he zuo hang,
    调档 diao dang, 调动 diao dong, 商调函 shang diao han,
    重庆 chong qing, 长兴 chang xing, 乐清 yue qing, 台州 tai zhou, 丽水 li shui, 嵊州 sheng zhou,
    六安 lu an, 朝阳 chao yang
"""
"""Words of the trade and places, as people say them; the library reads some otherwise."""


@cache
def _library() -> ModuleType:
    os.environ.update(SPARING)
    library = importlib.import_module("pypinyin")
    for lines in (PHRASES.read_text(encoding="utf-8").splitlines(), READINGS.split(",")):
        readings = (line.split() for line in lines)
        library.load_phrases_dict({word: [[s] for s in said] for word, *said in readings})
    return library


@cache
def _words() -> Callable[[str], Iterable[str]]:
    """Give what cuts a name into the words that are read as one."""
    cut: Callable[[str], Iterable[str]] = _library().core.Pinyin().seg
    return cut


@lru_cache(maxsize=20_000)
def _read(word: str) -> tuple[str, ...]:
    """Read a word. Names of outlets are made of few: to read one takes ten times as long as to cut a name."""
    said = [word] if word.isascii() else _library().lazy_pinyin([word])
    found = ("".join(filter(str.isalnum, s)).lower() for s in said)
    return tuple(syllable for syllable in found if syllable)


def syllables(name: str) -> list[str]:
    """Give the syllables of `name` without tones, in lower case; a number is one."""
    return [syllable for word in _words()(name) for syllable in _read(word)]


@lru_cache(maxsize=5000)
def keys(name: str) -> tuple[str, str]:
    """Give the full pinyin of `name`, with a blank between two syllables, and its initials.

    Those of some batches are kept: who is to write them under a lock asks for them before.
    """
    found = syllables(name)
    return " ".join(found), initials(found)


def initials(found: Sequence[str]) -> str:
    """Give the first letters of syllables; a number is whole."""
    return "".join(s if s.isdigit() else s[0] for s in found)
