"""The divisions that a process holds: forty thousand, looked up without the database."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from divisions import queries
from divisions.errors import DivisionAbolished, DivisionNotFound
from kit.errors import DomainError

KIND = "divisions"
DEFAULT_SCHEME = "mca"


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
    successors: list[str]

    def on(self, day: date) -> bool:
        """Tell whether it was there on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


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
        self._children: dict[str | None, list[Place]] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read all: they change once a year."""
        rows = [Place(*row) for row in await queries.all_rows(session, self._beginning)]
        by_code: dict[tuple[str, str], list[Place]] = {}
        children: dict[str | None, list[Place]] = {}
        for row in rows:
            by_code.setdefault((row.scheme, row.code), []).append(row)
            if row.scheme == DEFAULT_SCHEME:
                children.setdefault(row.parent, []).append(row)
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
        """
        place = self.find(code, day, scheme)
        if place is None:
            raise self._gone(code, day, scheme)
        return place

    def _gone(self, code: str, day: date, scheme: str) -> DomainError:
        """Tell what was once from what never was."""
        known = self._by_code.get((scheme, short_code(code)), ())
        before = [p for p in known if p.valid_to is not None and p.valid_to <= day]
        if not before:
            return DivisionNotFound()
        now = [self.find(successor, day, scheme) for successor in before[-1].successors]
        named = [{"division": place.code, "name": place.name} for place in now if place]
        return DivisionAbolished(successors=named)

    def only_successor(self, code: str, day: date) -> str:
        """Name the one division of `day` that took the place of what is no more; else the code as it is."""
        found = [place.code for place in self._followed(code, day)]
        return found[0] if len(found) == 1 else code

    def _followed(self, code: str, day: date, steps: int = 8) -> list[Place]:
        """Follow successors until those that are there on `day`."""
        known = self._by_code.get((DEFAULT_SCHEME, short_code(code)), ())
        before = [p for p in known if p.valid_to is not None and p.valid_to <= day]
        found: list[Place] = []
        for successor in before[-1].successors if before and steps else ():
            place = self.find(successor, day)
            found += [place] if place else self._followed(successor, day, steps - 1)
        return found

    def known(self, code: str) -> bool:
        """Tell whether a code was ever given, in any scheme we have."""
        return any((scheme, short_code(code)) in self._by_code for scheme in ("mca", "nbs"))

    def after(self, code: str, day: date, scheme: str = DEFAULT_SCHEME) -> Iterator[Place]:
        """Walk the divisions of `day` whose code comes after `code`."""
        start = bisect_right(self._ordered, (scheme, code), key=lambda p: (p.scheme, p.code))
        for at in range(start, len(self._ordered)):
            place = self._ordered[at]
            if place.scheme != scheme:
                return
            if place.on(day):
                yield place

    def past(self, day: date) -> Iterator[Place]:
        """Walk what was there once and on `day` is no more, of the Ministry's scheme."""
        for place in self._ordered:
            if (
                place.scheme == DEFAULT_SCHEME
                and place.valid_to is not None
                and place.valid_to <= day
            ):
                yield place

    def children(self, parent: str, after: str, day: date) -> Iterator[Place]:
        """Walk the divisions of `day` directly under `parent` whose code comes after `after`."""
        for place in self._children.get(parent, ()):
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


def _by_digits(code: str) -> tuple[str, ...]:
    line = (f"{code[:2]}0000", f"{code[:4]}00", code[:6], code)
    return tuple(dict.fromkeys(line))
