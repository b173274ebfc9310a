"""Finding matters in memory: by Chinese, by pinyin, by initials, by code; the best match first.

A process holds a few hundred matters. To look at each takes less than to keep an index right.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from kit.pinyin import initials
from matters.compiled import CompiledGuide
from matters.models import Matter
from schemas.codes import is_sample_code
from schemas.matters import MatterFilter


class Rank(IntEnum):
    """How well a matter answers a question: the lower the better."""

    EXACT = 0
    PREFIX = 1
    WORD = 2
    PART = 3
    INITIALS = 4
    PART_OF_INITIALS = 5


TRADE = """
    城乡居民 城镇职工 灵活就业人员 机关事业单位 流动人员 企业 单位 个人 职工 居民 就业困难人员 高校毕业生
    农民合同制工人 社会保险 社会保险费 养老保险 养老金 失业保险 失业保险金 工伤保险 工伤 企业年金 社会保障卡
    人事档案 档案 基本信息 参保登记 登记 注销登记 注销 参保证明 权益记录 待遇 申领 申请 申报 变更 查询 打印
    关系 转移接续 转递 互转 接收 资格认证 发放账户 账户 维护 挂失 解挂 补领 换领 换发 启用 退休 退休证
    就业登记 失业登记 失业 就业 创业 补贴 补助金 抚恤金 丧葬补助金 康复 确认 劳动能力鉴定 鉴定 辅助器具
    职业培训 职业介绍 职业指导 求职登记 调解 仲裁 劳动合同 缴费 补缴 延缴
"""
"""Words that people ask for, in which names are divided: Chinese has no blanks."""

WORDS = sorted(TRADE.split(), key=len, reverse=True)


class Said(NamedTuple):
    """How a name is said."""

    pinyin: str
    """Without blanks."""
    starts: frozenset[int]
    """Where syllables begin in `pinyin`: `an` is no part of `lian`."""
    initials: str

    @classmethod
    def of(cls, syllables: Sequence[str]) -> "Said":
        """Put syllables together."""
        starts = frozenset(accumulate(map(len, syllables), initial=0))
        return cls("".join(syllables), starts, initials(syllables))


class Keys(NamedTuple):
    """What a matter is found by."""

    texts: tuple[str, ...]
    """Name, short name, names that people use, codes, number: in small letters."""
    words: frozenset[str]
    said: tuple[Said, ...]


@lru_cache(maxsize=4096)
def _keys(name: str, others: tuple[str, ...], spoken: tuple[str, ...]) -> Keys:
    texts = tuple(text.lower() for text in (name, *others) if text)
    words = frozenset(divided(name)).union(texts)
    return Keys(texts, words, tuple(Said.of(pinyin.split()) for pinyin in spoken))


def divided(name: str) -> Iterable[str]:
    """Divide a name into words of the trade, the longest first; what is between two is left out."""
    at = 0
    while at < len(name):
        word = next((word for word in WORDS if name.startswith(word, at)), "")
        if word:
            yield word
        at += len(word) or 1


def keys_of(matter: Matter, short_name: str = "") -> Keys:
    """Give what a matter is found by; the same matter gives the same keys, which are kept."""
    others = (short_name, *matter.aliases, matter.base_code, matter.national_code)
    return _keys(matter.name, others, (matter.pinyin, *matter.alias_pinyin))


def rank(keys: Keys, q: str) -> Rank | None:
    """Tell how well a matter answers `q`; None where it does not."""
    wanted = "".join(q.lower().split())
    spoken = wanted.replace("ü", "v").replace("'", "")
    found = [_by_text(keys, wanted)]
    for said in keys.said if spoken.isascii() else ():
        found += _by_pinyin(said, spoken), _by_initials(said, spoken)
    return min((one for one in found if one is not None), default=None)


def _by_text(keys: Keys, wanted: str) -> Rank | None:
    if wanted in keys.texts:
        return Rank.EXACT
    if any(text.startswith(wanted) for text in keys.texts):
        return Rank.PREFIX
    if wanted in keys.words:
        return Rank.WORD
    return Rank.PART if any(wanted in text for text in keys.texts) else None


def _by_pinyin(said: Said, wanted: str) -> Rank | None:
    """Match full pinyin from a syllable's beginning on; its last syllable may be broken off."""
    if wanted == said.pinyin:
        return Rank.EXACT
    at = said.pinyin.find(wanted)
    while at >= 0:
        if at in said.starts:
            whole = at + len(wanted) in said.starts
            return Rank.PREFIX if at == 0 else Rank.WORD if whole else Rank.PART
        at = said.pinyin.find(wanted, at + 1)
    return None


def _by_initials(said: Said, wanted: str) -> Rank | None:
    if wanted == said.initials or said.initials.startswith(wanted):
        return Rank.INITIALS
    return Rank.PART_OF_INITIALS if wanted in said.initials else None


class Found(NamedTuple):
    """A matter that was asked for, in the order of `rank` and code."""

    rank: int
    code: str
    matter: Matter
    guide: CompiledGuide | None


def find(
    matters: Mapping[str, Matter], guides: Mapping[str, CompiledGuide], narrow: MatterFilter
) -> list[Found]:
    """Find the matters that a filter asks for: the best first, with a guide before without, by code."""
    found = []
    for code, matter in matters.items():
        guide = guides.get(code)
        if not fits(matter, guide, narrow):
            continue
        place = _place(matter, guide, narrow.q)
        if place is not None:
            found.append(Found(place, code, matter, guide))
    return sorted(found, key=lambda one: (one.rank, one.code))


def _place(matter: Matter, guide: CompiledGuide | None, q: str | None) -> int | None:
    """Give the place in the order; of two that match alike the one with a guide is first."""
    matched: Rank | None = Rank.EXACT
    if q is not None:
        matched = rank(keys_of(matter, guide.guide.short_name if guide else ""), q)
    return None if matched is None else 2 * matched + (guide is None)


def fits(matter: Matter, guide: CompiledGuide | None, narrow: MatterFilter) -> bool:
    """Tell whether a matter is what the filter asks for, its words aside."""
    return all(
        (
            narrow.category in (None, category_of(matter, guide)),
            narrow.service_object is None or narrow.service_object in objects_of(matter, guide),
            narrow.insurance_kind is None or narrow.insurance_kind in kinds_of(matter, guide),
            narrow.delegation in (None, guide.guide.outlet.delegation if guide else ""),
            narrow.fit in (None, matter.fit),
            narrow.item is None or narrow.item in matter.items,
            narrow.has_guide in (None, guide is not None),
        )
    )


def category_of(matter: Matter, guide: CompiledGuide | None) -> str:
    """Give the category: the guide's where there is one."""
    return guide.guide.category if guide else matter.category


def objects_of(matter: Matter, guide: CompiledGuide | None) -> list[str]:
    """Give whom it serves."""
    return [*guide.guide.service_objects] if guide else matter.service_objects


def kinds_of(matter: Matter, guide: CompiledGuide | None) -> list[str]:
    """Give the insurance kinds it belongs to."""
    return [*guide.guide.insurance_kinds] if guide else matter.insurance_kinds


def is_sample(matter: Matter) -> bool:
    """Tell whether its code is one that no official list can hold."""
    return is_sample_code(matter.base_code)
