"""Finding outlets among hundreds of thousands, in memory: a column is an array, a name a row of tokens.

Measured against SQL: filters that contradict each other let any index be walked from end to end, which
no planner foresees; here every filter costs one pass over an array, whatever the others are.
"""

import asyncio
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, reduce
from heapq import merge
from itertools import islice, takewhile
from operator import and_, attrgetter
from typing import Any, NamedTuple, TypeAlias
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from kit.coordinates import Point
from outlets.ground import Ground, Rows
from outlets.memory import OutletInfo, RegistryMemory
from schemas.hours import Opening, is_open, parse

Mask: TypeAlias = NDArray[np.bool_]
Test: TypeAlias = Callable[[Rows | slice], Mask]
Judge: TypeAlias = Callable[[OutletInfo], bool]

RINGS = tuple(2_000 << n for n in range(8))
"""Metres: how far is looked at first, next and so on, until a page is full."""

ENOUGH = 200
"""Outlets: a ring that holds fewer is not worth a look of its own, and is looked at with the next one."""

CLOSE = 8
"""How much closer is looked at first by who only wants to know whether there is one."""

BLOCK = 16_384
"""Outlets that are looked at in one go: most pages are full after the first."""

LAST = "\U0010ffff"
"""After every character."""

PIECES = 5
"""Of a long text the rarest pieces tell enough."""

JUDGES = 16
"""Whose judgements of a column are kept: those of the last."""

WAYS = 32
"""In which a text of letters is divided into syllables, at most."""

DIGITS = 9
"""Of an outlet's division. Villages have 12, by which none is found."""

COLUMNS = ("bank", "status", "kind", "service_class")
CELL = attrgetter("division", "kind", "service_class")
"""What coverage counts by."""

FEW, SHARE = 500, 0.05
"""As many outlets may stand beside the arrays, at least and as a share, before arrays are made anew."""


class Wanted(NamedTuple):
    """What outlets are asked for; None and empty: all."""

    area: str = ""
    """Leading digits of their division."""
    equal: tuple[tuple[str, str], ...] = ()
    """Names of `COLUMNS`, and values."""
    words: "Sought | None" = None
    may: Judge | None = None
    """Asked of one outlet in each terms, and of each that is found."""
    is_open: Judge | None = None
    """The same, of one outlet in each way of being open."""

    def holds(self, outlet: OutletInfo) -> bool:
        """Look at one outlet itself: arrays may let through too many, and never too few."""
        return (self.words is None or self.words.are_of(outlet)) and (
            self.may is None or self.may(outlet)
        )


class Near(NamedTuple):
    """An outlet, and how far it is."""

    metres: float
    outlet: OutletInfo


def terms_of(outlet: OutletInfo) -> tuple[Any, ...]:
    """Give what it may do depends on: all outlets in the same terms may do the same."""
    return (
        outlet.status, outlet.service_class, outlet.agreement, outlet.kind, outlet.bank,
        outlet.allowed, outlet.denied,
    )  # fmt: skip


def _opening_of(outlet: OutletInfo) -> tuple[str, str]:
    return outlet.opening, outlet.hours


@lru_cache(maxsize=10_000)
def opening_of(opening: str, hours: str) -> Opening | None:
    """Read when an outlet is open: as it is stored, else from its own words; None where neither says it."""
    return Opening.model_validate_json(opening) if opening else parse(hours)


@lru_cache(maxsize=2)
def open_at(there: datetime, is_working: bool) -> Judge:
    """Judge which outlets are open at a minute, told by a clock in China, of a working day or none."""

    def judge(outlet: OutletInfo) -> bool:
        opening = opening_of(outlet.opening, outlet.hours)
        return opening is not None and is_open(opening, there, is_working)

    return judge


class _Ids(dict[Any, int]):
    """Numbers values as they come; 0 is none of them."""

    def __missing__(self, key: Any) -> int:
        self[key] = found = len(self) + 1
        return found


class Kinds:
    """A column of few values, each shown by the first outlet that has it."""

    def __init__(self, outlets: Sequence[OutletInfo], key: Callable[[OutletInfo], Any]) -> None:
        self._ids = _Ids()
        self._of = np.fromiter((self._ids[key(o)] for o in outlets), np.int32, len(outlets))
        _, first = np.unique(self._of, return_index=True)
        self._shown = [outlets[at] for at in first]
        self._judged: dict[Judge, Mask] = {}

    def having(self, value: Any) -> Test:
        """Tell which rows have a value."""
        wanted = self._ids.get(value, 0)
        return lambda rows: self._of[rows] == wanted

    def judged(self, judge: Judge) -> Test:
        """Tell which rows have a value that is judged well; who judges once more has not changed his mind."""
        good = self._judged.get(judge)
        if good is None:
            good = np.array([False, *map(judge, self._shown)])
            self._judged = {judge: good, **dict(islice(self._judged.items(), JUDGES - 1))}
        return lambda rows: good[self._of[rows]]

    def counted(self, mask: Mask) -> Iterator[tuple[OutletInfo, int]]:
        """Count marked rows by value: each shown by an outlet that has it."""
        found = np.bincount(self._of[mask], minlength=len(self._shown) + 1)[1:]
        for at in np.flatnonzero(found):
            yield self._shown[at], int(found[at])


class Grams:
    """Rows of tokens, and for each few tokens that stand together the rows in which they do."""

    def __init__(self, rows: Iterable[Iterable[str]], size: int) -> None:
        ids, flat, ends = _Ids(), array("i"), array("q", [0])
        for row in rows:
            flat.extend(map(ids.__getitem__, row))
            flat.extend([0] * (size - 1))  # None goes over the end of its row.
            ends.append(len(flat))
        self.vocabulary = sorted(ids)
        self._size, self._base, self._rows = size, len(ids) + 1, len(ends) - 1
        in_order = np.zeros(self._base, np.int64)
        in_order[[ids[token] for token in self.vocabulary]] = np.arange(1, self._base)
        grams = self._grams(in_order[np.array(flat, np.int64)])
        row = np.repeat(np.arange(self._rows), np.diff(np.array(ends)))[: len(grams)]
        keys = _distinct(np.sort(grams * (self._rows + 1) + row))
        self._row = (keys % (self._rows + 1)).astype(np.int32)
        grams = keys // (self._rows + 1)
        self._from = np.flatnonzero(np.diff(grams, prepend=-1))
        self._gram = grams[self._from]

    def _grams(self, flat: Rows) -> Rows:
        length = max(len(flat) - self._size + 1, 0)
        grams = np.zeros(length, np.int64)
        for nth in range(self._size):
            grams = grams * self._base + flat[nth : nth + length]
        return grams

    def beginning(self, text: str) -> tuple[int, int]:
        """Give the range of ids of tokens that begin with a text."""
        first = bisect_left(self.vocabulary, text)
        return first + 1, bisect_left(self.vocabulary, text + LAST, first) + 1

    def holding(self, tokens: Sequence[str], last: str = "") -> Mask:
        """Mark the rows that may hold these tokens in a row, and after them one that begins with `last`.

        None that does is left out; one that holds all pieces, and not in this order, may be in.
        """
        ranges = [(at, at + 1) for at in map(self._id, tokens)]
        ranges += [self.beginning(last)] if last else []
        width = max(len(ranges) - self._size, 0) + 1
        pieces = sorted((self._of(ranges[n : n + self._size]) for n in range(width)), key=len)
        marked = np.ones(self._rows, np.bool_)
        for rows in pieces[:PIECES]:
            here = np.zeros(self._rows, np.bool_)
            here[rows] = True
            marked &= here
        return marked

    def _id(self, token: str) -> int:
        first, last = self.beginning(token)
        return first if first < last and self.vocabulary[first - 1] == token else self._base

    def _of(self, ranges: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
        """Give the rows of a piece: all its tokens are known but the last, which is one of a range."""
        known = 0
        for id_, _ in ranges[:-1]:
            known = known * self._base + id_
        free = self._base ** (self._size - len(ranges))
        ends = [(known * self._base + id_) * free for id_ in ranges[-1]]
        none = any(id_ >= self._base for id_, _ in ranges)
        first, last = (0, 0) if none else np.searchsorted(self._gram, ends)
        bounds = [
            self._from[at] if at < len(self._from) else len(self._row) for at in (first, last)
        ]
        return self._row[bounds[0] : bounds[1]]


def _distinct(ordered: Rows) -> Rows:
    """Give each once; `np.unique` takes a hundred times as long."""
    once: Rows = ordered[np.diff(ordered, prepend=-1) != 0]
    return once


def plain(text: str) -> str:
    """Write a text as it is looked for: full-width forms and capitals are none."""
    return normalize("NFKC", text).casefold()


class Sought:
    """What is looked for in names: a part of one, its pinyin from a syllable's beginning on, or initials."""

    def __init__(self, q: str) -> None:
        self.text = plain(q).strip()
        spoken = "".join(self.text.split()).replace("ü", "v").replace("'", "")
        self.spoken = spoken if spoken.isascii() and spoken.isalnum() else ""
        self._spelled = re.compile("(?<![^ ])" + " ?".join(self.spoken), re.ASCII)

    def are_of(self, outlet: OutletInfo) -> bool:
        """Tell whether an outlet is called so."""
        return self.text in plain(outlet.name) or (bool(self.spoken) and self._said(outlet.pinyin))

    def _said(self, pinyin: str) -> bool:
        return self._spelled.search(pinyin) is not None or self.spoken in _initials(pinyin)

    def ways(self, grams: Grams) -> list[tuple[list[str], str]]:
        """Divide into syllables that are known, in every way; the last may be broken off."""
        found: list[tuple[list[str], str]] = []
        waiting: list[tuple[list[str], str]] = [([], self.spoken)]
        known = set(grams.vocabulary)
        while waiting and len(found) < WAYS:
            said, rest = waiting.pop()
            first, last = grams.beginning(rest)
            found += [(said, rest)] if first < last else []
            cuts = (n for n in range(1, len(rest)) if rest[:n] in known)
            waiting += [([*said, rest[:n]], rest[n:]) for n in cuts]
        return found


def _initials(pinyin: str) -> str:
    return "".join(syllable[0] for syllable in pinyin.split())


class Segment:
    """Outlets as columns, in the order of their numbers."""

    def __init__(self, outlets: Iterable[OutletInfo]) -> None:
        self.outlets = sorted(outlets, key=lambda o: o.outlet)
        self._numbers = np.array([o.outlet for o in self.outlets], "S12")
        self._alive = np.ones(len(self.outlets), np.bool_)
        self._division = np.array([_whole(o.division) for o in self.outlets], np.int64)
        self._columns = {name: Kinds(self.outlets, attrgetter(name)) for name in COLUMNS}
        self._terms, self._opening = Kinds(self.outlets, terms_of), Kinds(self.outlets, _opening_of)
        self._cells = Kinds(self.outlets, CELL)
        self._names = Grams((plain(o.name) for o in self.outlets), 2)
        self._said = Grams((o.pinyin.split() for o in self.outlets), 2)
        self._initials = Grams((_initials(o.pinyin) for o in self.outlets), 3)
        points = [(o.lat, o.lng) for o in self.outlets]
        self._ground = Ground(np.array(points, np.float64).reshape(-1, 2))  # None becomes NaN.

    def drop(self, numbers: Iterable[str]) -> None:
        """Find outlets no more: what they are now stands elsewhere.

        Who has begun to look keeps what he saw: an export walks on while outlets change.
        """
        alive = self._alive.copy()
        for number in numbers:
            alive[self._rows(number)] = False
        self._alive = alive

    def _rows(self, number: str) -> slice:
        at = int(np.searchsorted(self._numbers, number.encode()))
        known = at < len(self.outlets) and self.outlets[at].outlet == number
        return slice(at, at + known)

    def active(self, without: Iterable[str] = ()) -> "Active":
        """Mark the active outlets but some."""
        mask = self._matching(Wanted(equal=(("status", "active"),)))(slice(None))
        for number in without:
            mask[self._rows(number)] = False
        return Active(self, mask)

    def counted(self, mask: Mask) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Count marked outlets by division, kind and class."""
        return ((CELL(outlet), number) for outlet, number in self._cells.counted(mask))

    def is_near(self, mask: Mask, point: Point, metres: float) -> bool:
        """Tell whether a marked outlet stands within some metres of a point: mostly one is close by."""
        for reach in (metres / CLOSE, metres):
            rows = self._ground.round(point, reach)
            if (self._ground.metres(point, rows[mask[rows]]) <= reach).any():
                return True
        return False

    def numbers(self, mask: Mask, judge: Judge) -> Iterator[str]:
        """Name the marked outlets whose division is judged so."""
        for at in np.flatnonzero(mask & self._cells.judged(judge)(slice(None))):
            yield self.outlets[at].outlet

    def _matching(self, wanted: Wanted) -> Test:
        """Prepare what tells which of some rows match."""
        tests = [*self._tests(wanted)]
        return lambda rows: reduce(and_, (test(rows) for test in tests))

    def _tests(self, wanted: Wanted) -> Iterator[Test]:
        yield self._alive.__getitem__
        if wanted.area:
            first, size = _whole(wanted.area), 10 ** (9 - len(wanted.area[:9]))
            last = first + size if len(wanted.area) <= DIGITS else first
            yield lambda rows: (self._division[rows] >= first) & (self._division[rows] < last)
        for name, value in wanted.equal:
            yield self._columns[name].having(value)
        if wanted.may is not None:
            yield self._terms.judged(wanted.may)
        if wanted.is_open is not None:
            yield self._opening.judged(wanted.is_open)
        if wanted.words is not None:
            yield self._text(wanted.words).__getitem__

    def _text(self, words: Sought) -> Mask:
        mask = self._names.holding(words.text)
        if words.spoken:
            mask |= self._initials.holding(words.spoken)
            for said, last in words.ways(self._said):
                mask |= self._said.holding(said, last)
        return mask

    def matching(self, wanted: Wanted, after: str) -> Iterator[OutletInfo]:
        """Walk what matches now after a number, in the order of numbers."""
        return self._in_order(self._matching(wanted), after)

    def _in_order(self, matching: Test, after: str) -> Iterator[OutletInfo]:
        start = int(np.searchsorted(self._numbers, after.encode(), "right"))
        for first in range(start, len(self.outlets), BLOCK):
            for at in np.flatnonzero(matching(slice(first, first + BLOCK))).tolist():
                yield self.outlets[first + at]

    def nearest(self, wanted: Wanted, point: Point, within: float) -> Iterator[Near]:
        """Walk what matches now within some metres, the nearest first, by number where they are as near."""
        return self._rings(self._matching(wanted), point, within)

    def _rings(self, matching: Test, point: Point, within: float) -> Iterator[Near]:
        inner, rings = -1.0, RINGS if len(self.outlets) > ENOUGH else ()
        for outer in (*takewhile(lambda ring: ring < within, rings), within):
            rows = self._ground.round(point, outer)
            if len(rows) >= ENOUGH or outer == within:
                yield from self._ring(rows[matching(rows)], point, inner, outer)
                inner = outer

    def _ring(self, rows: Rows, point: Point, inner: float, outer: float) -> Iterator[Near]:
        metres = self._ground.metres(point, rows)
        inside = (metres > inner) & (metres <= outer)
        rows, metres = rows[inside], metres[inside]
        for at in np.lexsort((rows, metres)):
            yield Near(float(metres[at]), self.outlets[rows[at]])


class Active(NamedTuple):
    """The active outlets of a segment at one moment: nothing that comes later changes the marks."""

    segment: Segment
    mask: Mask

    def is_near(self, point: Point, metres: float) -> bool:
        """Tell whether one of them stands within some metres of a point."""
        return self.segment.is_near(self.mask, point, metres)


def _whole(division: str) -> int:
    return int(division[:9].ljust(9, "0")) if division.isdecimal() else -1


class Finder:
    """What a process finds outlets in: arrays of all, and beside them, in arrays of their own, the few that
    have changed since. Made when first asked for."""  # fmt: skip

    def __init__(self, registry: RegistryMemory) -> None:
        self._registry = registry
        registry.changed = {} if registry.changed is None else registry.changed
        self._all: Segment | None = None
        self._recent: dict[str, OutletInfo] = {}
        self._beside = Segment(())
        self._making: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Take what has changed. The first time all is put into arrays, which is waited for; later beside."""
        self._take()
        size = len(self._all.outlets) if self._all else 0
        if self._all is None or len(self._recent) > max(FEW, SHARE * size):
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._make())
            if self._all is None:
                await asyncio.shield(self._making)

    def _take(self) -> None:
        changed, self._registry.changed = self._registry.changed or {}, {}
        if not changed:
            return
        self._recent |= changed
        if self._all is not None:
            self._all.drop(changed)
            self._beside = Segment(self._recent.values())

    async def _make(self) -> None:
        """Put all into arrays in a thread: what comes meanwhile stands beside them."""
        taken = dict(self._registry.outlets)
        made = await asyncio.to_thread(Segment, taken.values())
        self._recent = {n: o for n, o in self._recent.items() if taken.get(n) is not o}
        made.drop(self._recent)
        self._all, self._beside = made, Segment(self._recent.values())

    def _segments(self) -> list[Segment]:
        return [one for one in (self._all, self._beside) if one is not None and one.outlets]

    def active(self, without: Iterable[str] = ()) -> list[Active]:
        """Mark the active outlets but some; `ready` comes before."""
        return [segment.active(without) for segment in self._segments()]

    def matching(self, wanted: Wanted, after: str) -> Iterator[OutletInfo]:
        """Walk what matches after a number, in the order of numbers; `ready` comes before."""
        found = [segment.matching(wanted, after) for segment in self._segments()]
        return (o for o in merge(*found, key=lambda o: o.outlet) if wanted.holds(o))

    def nearest(self, wanted: Wanted, point: Point, within: float) -> Iterator[Near]:
        """Walk what matches within some metres of a point, the nearest first."""
        found = [segment.nearest(wanted, point, within) for segment in self._segments()]
        in_order = merge(*found, key=lambda near: (near.metres, near.outlet.outlet))
        return (near for near in in_order if wanted.holds(near.outlet))
