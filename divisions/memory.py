"""The divisions that a process holds: forty thousand, looked up without the database."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from sys import intern
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from divisions import queries
from divisions.errors import DivisionAbolished, DivisionNotFound, DivisionOfOtherScheme
from kit.errors import DomainError, Words

KIND = "divisions"
SCHEMES = ("mca", "nbs")
"""The Ministry of Civil Affairs, and the National Bureau of Statistics: 421 of 1,365 townships differ."""

DEFAULT_SCHEME = SCHEMES[0]
TOWNSHIP = 4
SUFFIX = re.compile(r"(?<=.)(街道办事处|街道|地区|自治县|[^\W\d_]族自治县|镇|乡|区|县|市)$")


NONE: tuple[str, ...] = ()


class Place(NamedTuple):
    """A division in one scheme and period."""

    scheme: str
    code: str
    valid_from: date
    valid_to: date | None
    name: str
    level: int
    parent: str | None
    lat: float | None
    lng: float | None
    successors: Sequence[str]

    def on(self, day: date) -> bool:
        """Tell whether it was there on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


def _place(row: Any, days: dict[date, date]) -> Place:
    """Give a row as it is held: what forty thousand say alike is held once, a quarter of what they take."""
    scheme, code, valid_from, valid_to, name, level, parent, lat, lng, successors = row
    return Place(
        intern(scheme), code, days.setdefault(valid_from, valid_from), valid_to, name, level,
        parent and intern(parent), lat, lng, successors or NONE,
    )  # fmt: skip


class Stale(NamedTuple):
    """A code that means nothing in its scheme on a day: what it was, or is in the other, and what is meant."""

    rule: str
    """`division-abolished` or `division-scheme`."""
    was: Place
    now: list[Place]

    @property
    def words(self) -> Words:
        """Say so to who wrote it, with what to write instead."""
        names = "、".join(f"{place.name}({place.code})" for place in self.now)
        said = SAID[self.rule]
        return Words(
            f"{said.zh}，现为：{names}" if names else said.zh,
            f"{said.en}: now {names}" if names else said.en,
        )


SAID = {
    "division-abolished": Words("该行政区划已撤销", "it has been abolished"),
    "division-scheme": Words(
        "这是统计用区划代码，应填写民政部门的区划代码", "a code of the statistics' scheme"
    ),
}


def named(place: Place) -> dict[str, str]:
    """Name a division, as answers do."""
    return {"division": place.code, "name": place.name}


def stem(name: str) -> str:
    """Take the kind of division off its name."""
    return SUFFIX.sub("", name)


def level_of(code: str) -> int:
    """Tell the level that a code of 6 or 9 digits is of: 1 province, 2 city, 3 county, 4 township."""
    if len(code) > 6:
        return TOWNSHIP
    return 1 if code.endswith("0000") else 2 if code.endswith("00") else 3


def short_code(code: str) -> str:
    """Cut the zeros that fill a code to 12 digits: 6 digits down to a county, 9 for a township."""
    if len(code) == 12 and code.endswith("000"):
        code = code[:9]
    return code[:6] if len(code) == 9 and code.endswith("000") else code


class DivisionsMemory:
    """Divisions by code, in order; only those whose code begins so, where that is all there is to do with."""

    def __init__(self, beginning: str = "") -> None:
        self._beginning = beginning
        self._by_code: dict[tuple[str, str], list[Place]] = {}
        self._ordered: list[Place] = []
        self._children: dict[tuple[str, str | None], list[Place]] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read all: they change once a year."""
        days: dict[date, date] = {}
        rows = queries.all_rows(session, self._beginning)
        self.take([_place(row, days) async for row in rows])

    def take(self, rows: list[Place]) -> None:
        """Hold these, in the order of scheme, code and period, and no others."""
        by_code: dict[tuple[str, str], list[Place]] = {}
        children: dict[tuple[str, str | None], list[Place]] = {}
        for row in rows:
            by_code.setdefault((row.scheme, row.code), []).append(row)
            children.setdefault((row.scheme, row.parent), []).append(row)
        self._by_code, self._ordered, self._children = by_code, rows, children

    def __len__(self) -> int:
        return len(self._ordered)

    def find(self, code: str, day: date, scheme: str = DEFAULT_SCHEME) -> Place | None:
        """Find what `code`, of 6, 9 or 12 digits, meant on `day`."""
        for place in self._by_code.get((scheme, short_code(code)), ()):
            if place.on(day):
                return place
        return None

    def get(self, code: str, day: date, scheme: str = DEFAULT_SCHEME) -> Place:
        """Find what `code` meant on `day`.

        Raises:
            DivisionNotFound: nothing.
            DivisionAbolished: nothing any more; it names what took its place.
            DivisionOfOtherScheme: nothing in this scheme; it names what the other calls so.
        """
        place = self.find(code, day, scheme)
        if place is None:
            raise self._refused(code, day, scheme)
        return place

    def _refused(self, code: str, day: date, scheme: str) -> DomainError:
        """Tell what was once, and what the other scheme means, from what never was."""
        found = self.stale(code, day, scheme)
        if found is None:
            return DivisionNotFound()
        now = [named(place) for place in found.now]
        if found.rule == "division-scheme":
            return DivisionOfOtherScheme(scheme=found.was.scheme, name=found.was.name, same=now)
        between = [place for place in self.chain(found.was, day) if not place.on(day)]
        steps = [{**named(place), "until": place.valid_to} for place in between]
        return DivisionAbolished(successors=now, chain=steps)

    def stale(self, code: str, day: date, scheme: str = DEFAULT_SCHEME) -> Stale | None:
        """Tell why a code means nothing on `day`, where that is known, and what is meant instead."""
        gone = self._last(code, day, scheme)
        if gone is not None:
            now = [place for place in self.chain(gone, day) if place.on(day)]
            return Stale("division-abolished", gone, now)
        other = self.find(code, day, _other(scheme))
        if other is None:
            return None
        same = self.counterpart(other, day)
        return Stale("division-scheme", other, [same] if same is not None else [])

    def _last(self, code: str, day: date, scheme: str) -> Place | None:
        """Find the last that had a code, of those that are no more on `day`."""
        known = self._by_code.get((scheme, short_code(code)), ())
        before = [p for p in known if p.valid_to is not None and p.valid_to <= day]
        return before[-1] if before else None

    def chain(self, place: Place, day: date) -> Iterator[Place]:
        """Walk from a division that is no more to those of `day` that took its place, each once.

        A code that was given again means its holder of the day on which the one before ended.
        """
        waiting, seen = [place], set[tuple[str, date]]()
        for at in waiting:
            if (at.code, at.valid_from) in seen:
                continue
            seen.add((at.code, at.valid_from))
            yield at
            if not at.on(day) and at.valid_to is not None:
                found = (self.find(code, at.valid_to, at.scheme) for code in at.successors)
                waiting += [successor for successor in found if successor is not None]

    def became(self, place: Place, day: date) -> list[Place]:
        """List what a division of the past is on `day`, through all that came between."""
        return [found for found in self.chain(place, day) if found.on(day)]

    def counterpart(self, place: Place, day: date) -> Place | None:
        """Find the same place in the other scheme on `day`; None where none is known.

        Down to counties both have the codes of GB/T 2260. A township is the one of its name in the county,
        today or before; else the only one there that differs by its kind alone (a 乡 that became a 镇).
        """
        other = _other(place.scheme)
        if place.level < TOWNSHIP:
            return self.find(place.code, day, other)
        beside = self._children.get((other, place.parent), ())
        same = [p for p in beside if p.name == place.name]
        found = [p for p in same if p.on(day)] or [q for p in same for q in self.became(p, day)]
        if not found:
            taken = {p.name for p in self._children.get((place.scheme, place.parent), ())}
            root = stem(place.name)
            found = [
                p for p in beside if p.on(day) and stem(p.name) == root and p.name not in taken
            ]
        return found[0] if len(found) == 1 else None

    def is_ambiguous(self, code: str, day: date) -> bool:
        """Tell whether a code is given in both schemes, and not known to mean the same place."""
        ours, theirs = (self.find(code, day, scheme) for scheme in SCHEMES)
        return ours is not None and theirs is not None and self.counterpart(theirs, day) != ours

    def only_successor(self, code: str, day: date) -> str:
        """Name the one division of `day` that took the place of what is no more; else the code as it is."""
        gone = self._last(code, day, DEFAULT_SCHEME)
        found = self.became(gone, day) if gone is not None else []
        return found[0].code if len(found) == 1 else code

    def current(self, code: str, day: date) -> Place | None:
        """Find what a code means on `day`, or the only one that took its place."""
        return self.find(code, day) or self.find(self.only_successor(code, day), day)

    def known(self, code: str) -> bool:
        """Tell whether a code was ever given, in any scheme we have."""
        return any((scheme, short_code(code)) in self._by_code for scheme in SCHEMES)

    def after(self, code: str, day: date, scheme: str = DEFAULT_SCHEME) -> Iterator[Place]:
        """Walk the divisions of `day` whose code comes after `code`."""
        start = bisect_right(self._ordered, (scheme, code), key=lambda p: (p.scheme, p.code))
        for at in range(start, len(self._ordered)):
            place = self._ordered[at]
            if place.scheme != scheme:
                return
            if place.on(day):
                yield place

    def past(
        self, day: date, after: tuple[str, date] = ("", date.min), scheme: str = DEFAULT_SCHEME
    ) -> Iterator[Place]:
        """Walk what was there once and on `day` is no more, after a code and its first day."""
        for place in self._ordered:
            is_gone = place.valid_to is not None and place.valid_to <= day
            if place.scheme == scheme and is_gone and (place.code, place.valid_from) > after:
                yield place

    def children(
        self, parent: str, after: str, day: date, scheme: str = DEFAULT_SCHEME
    ) -> Iterator[Place]:
        """Walk the divisions of `day` directly under `parent` whose code comes after `after`."""
        for place in self._children.get((scheme, parent), ()):
            if place.code > after and place.on(day):
                yield place

    def county(self, code: str, day: date) -> Place | None:
        """Find the county in which a division lies, itself included; none above a county."""
        place = self.find(code, day)
        while place is not None and place.level > 3:
            place = self.find(place.parent, day) if place.parent else None
        return place if place is not None and place.level == 3 else None

    def line(self, code: str, day: date) -> tuple[str, ...]:
        """List the divisions in which a place lies, the province first and itself last.

        What is not known, or no longer there, lies where its digits say.
        """
        found: list[str] = []
        place = self.find(code, day)
        while place is not None:
            found.append(place.code)
            place = self.find(place.parent, day) if place.parent else None
        return tuple(reversed(found)) or _by_digits(short_code(code))


def _other(scheme: str) -> str:
    return next(other for other in SCHEMES if other != scheme)


def _by_digits(code: str) -> tuple[str, ...]:
    line = (f"{code[:2]}0000", f"{code[:4]}00", code[:6], code)
    return tuple(dict.fromkeys(line))
