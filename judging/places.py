"""Where an outlet lies: names and codes of divisions as spreadsheets give them, made one of today's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, TypeAlias

from divisions.memory import DivisionsMemory, Place, Stale, stem
from judging.findings import Finding, put_right

CITY, COUNTY, TOWNSHIP = 2, 3, 4
TOWNSHIP_SUFFIXES = ("街道", "镇", "乡")
CODE = re.compile(r"[0-9]{6}|[0-9]{9}|[0-9]{12}", re.ASCII)


class Said(NamedTuple):
    """What a row says of its place."""

    city: str = ""
    county: str = ""
    township: str = ""
    code: str = ""
    county_code: str = ""
    city_code: str = ""


@dataclass
class Where:
    """What came of it."""

    city: Place | None = None
    county: Place | None = None
    place: Place | None = None
    village: str | None = None
    findings: list[Finding] = field(default_factory=list)
    is_county_doubtful: bool = False
    """The county does not fit the rest of the row, and nothing speaks for it."""

    def say(self, *findings: Finding) -> None:
        """Note findings."""
        self.findings.extend(findings)


KEPT = 10_000
"""Places of which what came of them is kept: many rows say the same. In a dictionary: a cache round a method
holds its object, and would let go of a file's divisions, twenty megabytes, long after the file."""

Became: TypeAlias = tuple[Place, ...]
"""What a county of one name is today, or what took its place."""


class Places:
    """Today's divisions by their names, and what they were called before."""

    def __init__(self, memory: DivisionsMemory, day: date, home: tuple[str, ...]) -> None:
        self._memory, self._day, self._home = memory, day, home
        self.cities: dict[str, Place] = {}
        self.counties: dict[str, list[Place]] = {}
        self._townships: dict[str, dict[str, Place]] = {}
        self._gone: dict[str, list[Became]] = {}
        self._once: dict[tuple[str, str], list[Became]] = {}
        for place in memory.after("", day):
            self._take(place)
        for place in memory.past(day):
            self._take_past(place)
        self._known: dict[tuple[Said, bool], Where] = {}
        self.knows_nbs = next(memory.after("", day, "nbs"), None) is not None

    def _take(self, place: Place) -> None:
        if place.level == CITY:
            self.cities[place.name] = place
        elif place.level == COUNTY:
            self.counties.setdefault(place.name, []).append(place)
        elif place.level == TOWNSHIP and place.parent:
            self._townships.setdefault(place.parent, {})[place.name] = place

    def _take_past(self, place: Place) -> None:
        """Take what is no more: of one name there were several, one after another (萧山市)."""
        now = tuple(self._memory.became(place, self._day))
        known = (
            self._gone.setdefault(place.name, [])
            if place.level == COUNTY
            else self._once.setdefault((place.parent or "", place.name), [])
        )
        if now and now not in known:
            known.append(now)

    def name(self, code: str) -> str:
        """Name a division."""
        place = self._memory.find(code, self._day) if code else None
        return place.name if place else ""

    def is_bare(self, county: Place) -> bool:
        """Tell whether a county has no townships (龙港)."""
        return county.code not in self._townships

    def township(self, county: Place, name: str) -> Place | None:
        """Find a township of a county by its full name, or by one that lacks its kind."""
        known = self._townships.get(county.code, {})
        if name in known:
            return known[name]
        short = name.removesuffix("办事处")
        found = [known[short + kind] for kind in ("", *TOWNSHIP_SUFFIXES) if short + kind in known]
        return found[0] if len(found) == 1 else None

    def where(self, said: Said, *, lowest: bool = True) -> Where:
        """Find the place of a row; with `lowest` it has to name the township where there are any.

        What comes of it is not to be changed: other rows say the same.
        """
        found = self._known.get((said, lowest))
        if found is None:
            found = self._where(said, lowest)
            if len(self._known) < KEPT:
                self._known[said, lowest] = found
        return found

    def _where(self, said: Said, lowest: bool) -> Where:
        there = Where()
        self._find_city(said, there)
        code = self._code(said.code, there)
        coded = self._memory.find(code, self._day) if code else None
        self._find_county(said, there, coded)
        if said.code:
            self._by_code(said, code, coded, there)
        elif said.township:
            self._by_name(said, there)
        elif there.county is not None:
            there.place = there.county
            if lowest and not self.is_bare(there.county):
                there.say(Finding("township_missing", "township"))
        elif lowest:
            there.say(Finding("county_missing", "county")) if not said.county else None
        else:
            there.place = there.city
        return there

    def _find_city(self, said: Said, there: Where) -> None:
        if said.city_code:
            there.city = self._memory.find(said.city_code, self._day)
        elif said.city:
            there.city = self.cities.get(said.city) or self.cities.get(f"{said.city}市")
            if there.city is None and not self.counties.get(said.city):
                there.say(Finding("city_unknown", "city", {"found": said.city}))

    def _code(self, said: str, there: Where) -> str:
        """Cut a code to nine digits, or to the six of a county."""
        if not said:
            return ""
        if not CODE.fullmatch(said):
            there.say(Finding("township_code_form", "township_code"))
            return ""
        if len(said) == 12:
            there.say(put_right("township_code_12", "township_code", said[:9]))
            there.village = None if said.endswith("000") else said
        return said[:9]

    def _find_county(self, said: Said, there: Where, coded: Place | None) -> None:
        by_code = self._county_of(coded)
        if said.county_code and not said.county:
            there.county = self._memory.current(said.county_code, self._day)
            if there.county is not None and there.county.code != said.county_code:
                there.say(put_right("county_abolished", "county", there.county.name))
        elif said.county:
            there.county = self._named(said.county, there, by_code)
        else:
            there.county = by_code
        city = there.county.parent if there.county else None
        if there.county is not None and there.city is not None and city != there.city.code:
            there.is_county_doubtful = not (said.township or said.code)
            facts = {"there": self.name(city or "")}
            there.say(Finding("county_not_in_city", "county", facts))

    def _county_of(self, coded: Place | None) -> Place | None:
        if coded is None or coded.level < COUNTY:
            return None
        return coded if coded.level == COUNTY else self._memory.find(coded.parent or "", self._day)

    def _named(self, name: str, there: Where, by_code: Place | None) -> Place | None:
        """Find a county by its name of today, of before, or by half of it."""
        if found := self._one(name, there.city):
            return found
        if now := self._within(self._gone.get(name, []), there.city):
            return self._renamed(name, now, there, by_code)
        for kind in ("区", "县", "市"):
            if short := self._one(name + kind, there.city):
                there.say(put_right("county_short_name", "county", short.name))
                return short
        there.is_county_doubtful = not (name in self._gone and by_code)
        there.say(Finding("county_unknown", "county"))
        return by_code

    def _one(self, name: str, city: Place | None) -> Place | None:
        found = self._within([(place,) for place in self.counties.get(name, [])], city)
        return found[0] if found else None

    def _within(self, found: Sequence[Became], city: Place | None) -> Became:
        """Choose among counties of one name (西湖区 is in two cities): the city's, or the only one at home.

        One that is no more is where what took its place is.
        """
        of_city = [now for now in found if city and all(p.parent == city.code for p in now)]
        at_home = [now for now in found if all(p.code.startswith(self._home) for p in now)]
        return next((some[0] for some in (of_city, found, at_home) if len(some) == 1), ())

    def _renamed(
        self, name: str, now: Became, there: Where, by_code: Place | None
    ) -> Place | None:  # fmt: skip
        if len(now) == 1 and stem(now[0].name) == stem(name):
            there.say(put_right("county_old_name", "county", now[0].name))
            return now[0]
        if by_code is not None and by_code in now:
            there.say(put_right("county_abolished", "county", by_code.name))
            return by_code
        if len(now) == 1 and now[0].level == COUNTY:
            there.say(put_right("county_abolished", "county", now[0].name))
            return now[0]
        facts = {"there": "、".join(place.name for place in now)}
        there.say(Finding("county_split", "county", facts))
        return None

    def _by_name(self, said: Said, there: Where) -> None:
        if there.county is None:
            if not said.county:
                there.say(Finding("county_missing", "county"))
            return
        there.place = self.township(there.county, said.township)
        if there.place is None:
            self._by_old_name(there.county, said.township, there)
            return
        if there.place.name != said.township:
            there.say(put_right("township_short_name", "township", there.place.name))
        there.say(put_right("township_code_filled", "township_code", there.place.code))

    def _by_old_name(self, county: Place, name: str, there: Where) -> None:
        """Look for a township that was called so, or was of that county."""
        found = self._once.get((county.code, name), [])
        now = found[0] if len(found) == 1 else ()
        if not now:
            there.say(Finding("township_unknown", "township"))
        elif len(now) > 1 or now[0].level != TOWNSHIP:
            there.say(Finding("township_split", "township", {"there": _listed(now)}))
        else:
            there.place, there.county = now[0], self._county_of(now[0])
            there.say(put_right("township_old_name", "township", now[0].name))
            there.say(put_right("township_code_filled", "township_code", now[0].code))

    def _by_code(self, said: Said, code: str, coded: Place | None, there: Where) -> None:
        """Let code, name and county agree."""
        if not code:
            return
        named = (
            self.township(there.county, said.township) if there.county and said.township else None
        )
        nbs = self._memory.find(code, self._day, "nbs") if len(code) == 9 else None
        if coded is None:
            self._unknown(said, code, named, nbs, there)
        elif coded.level == COUNTY:
            self._by_county_code(said, coded, there)
        elif said.township and not _same(said.township, coded.name):
            self._contradicted(coded, named, nbs, there)
        elif there.county is not None and coded.parent != there.county.code:
            facts = {"township": coded.name, "there": self.name(coded.parent or "")}
            there.say(Finding("township_not_in_county", "township_code", facts))
        else:
            there.place = coded
            if said.township and said.township != coded.name:
                there.say(put_right("township_short_name", "township", coded.name))

    def _by_county_code(self, said: Said, coded: Place, there: Where) -> None:
        there.county = there.county or coded
        if said.township:
            self._by_name(said, there)
        else:
            there.place = coded
            if not self.is_bare(coded):
                there.say(Finding("township_missing", "township"))

    def _unknown(
        self, said: Said, code: str, named: Place | None, nbs: Place | None, there: Where
    ) -> None:  # fmt: skip
        stale = self._memory.stale(code, self._day)
        if stale is not None and stale.rule == "division-abolished":
            self._no_more(said, stale, there)
        elif nbs is not None and named is not None and _same(said.township, nbs.name):
            there.place = named
            there.say(put_right("township_code_nbs", "township_code", named.code))
        elif stale is not None and stale.now and not said.township:
            facts = {"there": _listed(stale.now)}
            there.say(Finding("township_code_of_statistics", "township_code", facts))
        else:
            there.say(Finding("township_code_unknown", "township_code"))

    def _no_more(self, said: Said, stale: Stale, there: Where) -> None:
        """Take what took the place of a code, where that is one, and the row does not say otherwise."""
        names = {place.name for place in (stale.was, *stale.now)}
        agrees = not said.township or any(_same(said.township, name) for name in names)
        if len(stale.now) == 1 and stale.now[0].level == TOWNSHIP and agrees:
            there.place, there.county = stale.now[0], self._county_of(stale.now[0])
            there.say(put_right("township_code_abolished", "township_code", stale.now[0].code))
        else:
            facts = {"there": _listed(stale.now) or "-"}
            there.say(Finding("township_code_gone", "township_code", facts))

    def _contradicted(
        self, coded: Place, named: Place | None, nbs: Place | None, there: Where
    ) -> None:  # fmt: skip
        """The code is another township's: perhaps the same digits mean this one in statistics."""
        facts = {"other": coded.name}
        if named is not None and nbs is not None and _same(named.name, nbs.name):
            there.say(Finding("township_code_nbs", "township_code", facts, named.code))
        else:
            there.say(Finding("township_name_mismatch", "township_code", facts))


def _listed(places: Sequence[Place]) -> str:
    return "、".join(f"{place.name}({place.code})" for place in places)


def _same(said: str, name: str) -> bool:
    return said == name or name in {said + kind for kind in TOWNSHIP_SUFFIXES}
