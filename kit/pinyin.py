"""Pinyin keys for search, computed when a row is written: the library takes 54 MB."""

import importlib
from functools import cache
from types import ModuleType

PHRASES = {
    "支行": [["zhi"], ["hang"]],
    "分行": [["fen"], ["hang"]],
    "总行": [["zong"], ["hang"]],
    "银行": [["yin"], ["hang"]],
}
"""Words of the trade that the library reads as `xing`."""


@cache
def _library() -> ModuleType:
    library = importlib.import_module("pypinyin")
    library.load_phrases_dict(PHRASES)
    return library


def keys(name: str) -> tuple[str, str]:
    """Give the full pinyin and the initials of `name`, without tones and blanks, in lower case."""
    syllables = [s.lower() for s in _library().lazy_pinyin(name) if s.strip()]
    return "".join(syllables), "".join(s[0] for s in syllables)
