"""Which townships have an outlet, which are near one, and what closing some would cost. From memory alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import takewhile
from typing import Any, NamedTuple, TypeAlias

from access.callers import area_of
from divisions.memory import DivisionsMemory, Place
from kit.coordinates import Point
from outlets.finding import Active

NEAR = 5_000
"""Metres: the circle of the countryside (人社厅 2021 on 就近办)."""

COUNTY, TOWNSHIP = 3, 4
Counted: TypeAlias = Sequence[tuple[tuple[str, str, str], int]]
"""Division, kind and class, and how many there are."""

LEVELS = {"city": 2, "county": COUNTY, "township": TOWNSHIP}


class Unit(NamedTuple):
    """A township, or a county without any (龙港), which is counted as one."""

    place: Place
    parents: Mapping[int, Place]
    """By level."""
    outlets: int
    kinds: Mapping[str, int]
    classes: Mapping[str, int]
    is_near: bool | None
    """None: nobody knows where it is."""


class Land(NamedTuple):
    """All units of a division, and the outlets of it that belong to none."""

    units: list[Unit]
    unplaced: list[str]


def units_of(divisions: DivisionsMemory, division: str, day: date) -> list[Place]:
    """List the townships of a division on a day, and its counties that have none, by code."""
    mine = area(division)
    first = divisions.after(
        mine, day
    )  # Digits alone are no code: all that is within comes after them.
    itself = [place for place in (divisions.find(division, day),) if place and place.code == mine]
    within = [*itself, *takewhile(lambda p: p.code.startswith(mine), first)]
    parents = {p.parent for p in within if p.level == TOWNSHIP}
    return [
        p for p in within
        if p.level == TOWNSHIP or (p.level == COUNTY and p.code not in parents)
    ]  # fmt: skip


def area(division: str) -> str:
    """Give the digits that all within a division share."""
    return area_of(division) if len(division) == 6 else division


def survey(
    divisions: DivisionsMemory, active: Sequence[Active], division: str, day: date
) -> Land:  # fmt: skip
    """Count the active outlets of every unit of a division.

    An outlet of a township that is no more counts where its one successor is. One that is told to stand in a
    county with townships belongs to none of them, and is named apart. Near is what has an outlet, of any
    county, within `NEAR` of its point; of one whose point is unknown nothing is said, wherever outlets are.
    """
    places = units_of(divisions, division, day)
    known = {place.code for place in places}
    counted = [one for part in active for one in part.segment.counted(part.mask)]
    at = {code: _today(divisions, code, day) for (code, _, _), _ in counted}
    by_unit = _grouped(counted, at)
    lost = {c for c, now in at.items() if now not in known and now.startswith(area(division))}
    return Land(
        [_unit(divisions, place, day, by_unit.get(place.code, ()), active) for place in places],
        sorted(
            number
            for part in active
            for number in part.segment.numbers(part.mask, lambda o: o.division in lost)
        ),
    )


def _today(divisions: DivisionsMemory, code: str, day: date) -> str:
    """Name the division that an outlet is in on `day`: its own, or the one that took its place."""
    return code if divisions.find(code, day) is not None else divisions.only_successor(code, day)


def _grouped(counted: Counted, at: Mapping[str, str]) -> dict[str, list[tuple[str, str, int]]]:
    found: dict[str, list[tuple[str, str, int]]] = {}
    for (code, kind, class_), number in counted:
        found.setdefault(at[code], []).append((kind, class_, number))
    return found


def _unit(
    divisions: DivisionsMemory, place: Place, day: date, counted: Iterable[tuple[str, str, int]],
    active: Sequence[Active],
) -> Unit:  # fmt: skip
    kinds: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for kind, class_, number in counted:
        kinds[kind] += number
        classes[class_] += number
    line = (divisions.find(code, day) for code in divisions.line(place.code, day))
    parents = {p.level: p for p in line if p is not None}
    known = place.level == TOWNSHIP and place.lat is not None and place.lng is not None
    here = Point(place.lat or 0, place.lng or 0)
    near = any(part.is_near(here, NEAR) for part in active) if known else None
    return Unit(place, parents, sum(kinds.values()), kinds, classes, near)


def summed(units: list[Unit]) -> dict[str, Any]:
    """Add up units: townships with and without an outlet, near ones, outlets by kind and class."""
    near = Counter(unit.is_near for unit in units)
    covered = sum(unit.outlets > 0 for unit in units)
    return {
        "townships": len(units),
        "covered": covered,
        "uncovered": len(units) - covered,
        "near": near[True],
        "not_near": near[False],
        "near_unknown": near[None],
        "outlets": sum(unit.outlets for unit in units),
        "kinds": _added(unit.kinds for unit in units),
        "classes": _added(unit.classes for unit in units),
    }


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in counts:
        for name, number in some.items():
            found[name] = found.get(name, 0) + number
    return found


def report(land: Land, level: str) -> list[dict[str, Any]]:
    """Add up by cities, counties or townships, in the order of codes; each names its own without an outlet.

    What has no division of the level above it (townships directly under a city) stands for itself.
    """
    wanted = LEVELS[level]
    groups: dict[str, list[Unit]] = {}
    names: dict[str, Place] = {}
    for unit in land.units:
        place = unit.place if level == "township" else unit.parents.get(wanted, unit.place)
        names[place.code] = place
        groups.setdefault(place.code, []).append(unit)
    return [_item(names[code], groups[code]) for code in sorted(groups)]


def _item(place: Place, units: list[Unit]) -> dict[str, Any]:
    bare = [unit for unit in units if unit.outlets == 0]
    return {
        **_named(units[0], place),
        **summed(units),
        "without": [_named(u, u.place) for u in bare],
    }


def _named(unit: Unit, place: Place) -> dict[str, Any]:
    """Name a place with its county: 38 names of townships are in several counties."""
    county = unit.parents.get(COUNTY)
    within = county.name if county and place.level == TOWNSHIP else None
    return {"division": place.code, "name": place.name, "county_name": within}


def lost(before: Land, after: Land) -> dict[str, Any]:
    """Tell which units have an outlet, or one near, in the first land and not in the second."""
    pairs = list(zip(before.units, after.units, strict=True))
    return {
        "uncovered": [_named(a, a.place) for b, a in pairs if b.outlets and not a.outlets],
        "not_near": [_named(a, a.place) for b, a in pairs if b.is_near and not a.is_near],
    }


def shares(land: Land) -> dict[str, tuple[int, int]]:
    """Give for each county how many of its units have an outlet, and how many it has."""
    found: dict[str, list[int]] = {}
    for unit in land.units:
        found.setdefault(unit.place.code[:6], []).append(unit.outlets > 0)
    return {code: (sum(have), len(have)) for code, have in found.items()}
