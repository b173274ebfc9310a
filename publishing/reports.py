"""Reports on the catalogue, from memory: what differs where, what is missing, what ends soon."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from conformity.layers import RULES
from matters.compiled import MASTER, CompiledGuide
from matters.errors import GuideNotFound
from matters.memory import Catalogue, HeldLayer
from schemas.drafting import ConformityAsked
from schemas.guides import GuideContent

AT_ONCE = 200
"""Layers that are compared before others get their turn: a report must not make look-ups wait."""


class Deviation(NamedTuple):
    """A field that a place has otherwise than the province."""

    matter: str
    division: str
    field: str
    master: Any
    local: Any

    @property
    def key(self) -> list[str]:
        """Its place in the report."""
        return [self.matter, self.division, self.field]


async def deviations(catalogue: Catalogue, narrow: ConformityAsked, day: date) -> list[Deviation]:
    """List what differs on a day, by matter, place and field."""
    area = area_of(narrow.division) if narrow.division else ""
    found: list[Deviation] = []
    for count, (master, layer) in enumerate(catalogue.layers(day)):
        if narrow.matter in (None, master.matter) and layer.division.startswith(area):
            found += _of(master, layer, narrow.field)
        if count % AT_ONCE == 0:
            await asyncio.sleep(0)
    return found


def area_of(division: str) -> str:
    """Give the digits that the codes of all places within a division begin with."""
    return (
        division[:6].removesuffix("00").removesuffix("00") if len(division) == 6 else division[:9]
    )


def _of(master: CompiledGuide, layer: HeldLayer, wanted: str | None) -> Iterator[Deviation]:
    for name in sorted(layer.content):
        above = getattr(master.guide, name)
        local = RULES[name].unpack(above, layer.content[name])
        if wanted in (None, name) and local != above:
            yield Deviation(master.matter, layer.division, name, above, local)


def counts(found: list[Deviation]) -> dict[str, Any]:
    """Count deviations by field, by city and by county."""
    return {
        "total": len(found),
        "by_field": dict(sorted(Counter(d.field for d in found).items())),
        "by_city": dict(sorted(Counter(f"{d.division[:4]}00" for d in found).items())),
        "by_county": dict(
            sorted(Counter(d.division[:6] for d in found if d.division[4:6] != "00").items())
        ),
    }


def title_of(field: str) -> str:
    """Name a field in Chinese."""
    return GuideContent.model_fields[field].title or field


class Missing(NamedTuple):
    """A matter without a guide in force."""

    matter: str
    name: str
    ended_on: date | None
    begins_on: date | None


def missing(catalogue: Catalogue, day: date) -> Iterator[Missing]:
    """Walk the matters that have no guide in force."""
    for matter in sorted(catalogue.matters):
        versions = catalogue.versions(matter)
        if not any(version.on(day) for version in versions):
            ends = [v.effective_to for v in versions if v.effective_to and v.effective_to <= day]
            begins = [
                v.effective_from for v in versions if _is_to_come(v.state, v.effective_from, day)
            ]
            name = catalogue.matters[matter].name
            yield Missing(matter, name, max(ends, default=None), min(begins, default=None))


def _is_to_come(state: str, begins: date, day: date) -> bool:
    return state == "published" and begins > day


class Expiring(NamedTuple):
    """A version or a layer that ends soon, and nothing follows."""

    matter: str
    name: str
    division: str
    version: int
    ends_on: date


def expiring(catalogue: Catalogue, day: date, days: int) -> list[Expiring]:
    """List what ends within some days of `day` with nothing of its kind in force on the day it ends."""
    found = []
    for guide in catalogue.in_force(day):
        if _ends(guide.effective_to, day, days) and not _follows(catalogue, guide):
            found.append(_expiring(catalogue, guide.matter, MASTER, guide))
    layers = {(guide.matter, one.division): one for guide, one in catalogue.layers(day)}
    for (matter, division), one in layers.items():
        if _ends(one.effective_to, day, days) and not catalogue.has_layer(
            matter, division, one.effective_to or day
        ):
            found.append(_expiring(catalogue, matter, division, one))
    return sorted(found)


def _ends(end: date | None, day: date, days: int) -> bool:
    return end is not None and end <= day + timedelta(days=days)


def _follows(catalogue: Catalogue, guide: CompiledGuide) -> bool:
    try:
        catalogue.resolve(guide.matter, None, guide.effective_to or date.max)
    except GuideNotFound:
        return False
    return True


def _expiring(
    catalogue: Catalogue, matter: str, division: str, one: CompiledGuide | HeldLayer
) -> Expiring:
    name = catalogue.matters[matter].name
    return Expiring(matter, name, division, one.version, one.effective_to or date.max)
