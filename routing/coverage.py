"""For which places no agency does a step, or two do: looked at for every township there is."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from divisions.memory import DivisionsMemory, Place
from matters.compiled import CompiledGuide
from routing.memory import RoutingMemory, Rule
from routing.rules import OURS, Named, decide, of_place, rivals
from schemas.guides import Step

AHEAD = timedelta(days=366)
TOWNSHIP, COUNTY = 4, 3
COUNTY_DIGITS = 6


class Gap(NamedTuple):
    """A step of a matter that no agency does in a place, or more than one."""

    matter: str
    step: int
    division: str
    name: str
    agencies: tuple[str, ...]
    rule: str
    """What decided so far; empty where none did."""


def places(divisions: DivisionsMemory, day: date) -> list[Place]:
    """List the townships of the province, and the counties that have none."""
    found = [p for p in divisions.after(OURS, day) if p.code.startswith(OURS)]
    parents = {place.parent for place in found if place.level == TOWNSHIP}
    return [
        place for place in found
        if place.level == TOWNSHIP or (place.level == COUNTY and place.code not in parents)
    ]  # fmt: skip


def gaps(
    held: RoutingMemory, guide: CompiledGuide, where: Iterable[Place], day: date
) -> Iterator[Gap]:
    """Find the places in which not exactly one agency does a step, whichever basis names them.

    Where no rule speaks of a township by itself, all of a county are as one: one of them is looked at.
    """
    alone = {rule.area for rule in held.all if len(rule.area) > COUNTY_DIGITS}
    named = [of_place(place, held.divisions, day, "") for place in where]
    for number, step in enumerate(guide.guide.steps, 1):
        known: dict[str, Judged] = {}
        for met in named:
            place, county = met.place, met.county
            code, shared = (place.code if place else ""), (county.code if county else "")
            key = code if code in alone else shared
            if key not in known:
                known[key] = _judged(held, guide.matter, number, step, met, day)
            agencies, rule = known[key]
            if len(agencies) != 1:
                name = place.name if place else ""
                yield Gap(guide.matter, number, code, name, agencies, rule)


class Judged(NamedTuple):
    """Which agencies would do a step somewhere, and the rule that named the first."""

    agencies: tuple[str, ...]
    rule: str


def _judged(
    held: RoutingMemory, matter: str, number: int, step: Step, met: Named, day: date
) -> Judged:
    found = decide(held, matter, number, step, _always(met), day)
    others = rivals(held, found, matter, number, step, met, day)
    none = found.pooled or found.agency is None
    sole = () if none or found.agency is None else (found.agency.code,)
    return Judged((*sole, *others), found.rule.rule if found.rule else "")


def _always(met: Named) -> Callable[[Rule], Named]:
    return lambda _: met


def turning_days(held: RoutingMemory, guides: Iterable[CompiledGuide], day: date) -> list[date]:
    """List the days of the next twelve months from which on something else may hold, `day` first."""
    turns = {turn for rule in held.all for turn in (rule.valid_from, rule.valid_to)}
    turns |= {turn for guide in guides for turn in (guide.effective_from, guide.effective_to)}
    return [day, *sorted(t for t in turns if t is not None and day < t <= day + AHEAD)]
