"""Which agency does a step: the first rule that holds where the application says it is about."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

from agencies.models import Agency
from divisions.memory import DivisionsMemory, Place
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from routing.memory import RoutingMemory, Rule
from schemas.guides import Basis, Level, Step

OURS = "33"
"""First digits of the places for whose matters there are agencies here."""

OF_STEP, STAY = "step", "stay"


class Named(NamedTuple):
    """The place by which a rule looks, or what is wrong with it."""

    at: str = ""
    place: Place | None = None
    county: Place | None = None
    fault: Fault | None = None
    is_named: bool = True


class Routed(NamedTuple):
    """An agency, or why there is none; and which rule found it by which place."""

    agency: Agency | None
    fault: Fault | None
    rule: Rule | None = None
    place: Place | None = None
    pooled: bool = False
    """No rule names an agency: the city's takes it, and finds out whose it is."""
    rivals: tuple[str, ...] = ()
    """Agencies that other rules of the same position name."""


def route(
    held: RoutingMemory,
    guide: CompiledGuide,
    form: Mapping[str, Any],
    outlet_county: str,
    day: date,
    *,
    step: int = 1,
    before: str = "",
) -> Routed:
    """Find the agency of a step; `before` is that of the step before.

    Rules are looked at in their order. Each names the place that decides: the step's own basis, the county
    where the outlet is, or a field of the form. Personal matters go to the insured place
    (社会保险经办条例 5, 12-16 leave competence with its agency).
    """
    wanted = guide.guide.steps[step - 1]

    def named(rule: Rule) -> Named:
        field = _field(rule, wanted, guide)
        if field is None:
            return of_place(held.divisions.current(outlet_county, day), held.divisions, day, "")
        return _by_form(held.divisions, field, form.get(field), day)

    return decide(held, guide.matter, step, wanted, named, day, before)


def _field(rule: Rule, wanted: Step, guide: CompiledGuide) -> str | None:
    """Give the form's field by which a rule looks; None: it looks by the outlet's county."""
    basis = wanted.basis if rule.basis == OF_STEP else rule.basis
    if basis == Basis.OUTLET:
        return None
    field = (rule.field if rule.basis == Basis.FORM_FIELD else wanted.field) or ""
    return field or guide.routing.get(basis, "")


def fields(held: RoutingMemory, guide: CompiledGuide) -> tuple[str, ...]:
    """List the form's fields by which any step is routed: forms that agree in them go the same way."""
    asked = (
        _field(rule, step, guide)
        for nth, step in enumerate(guide.guide.steps, 1)
        for rule in held.rules(guide.matter, nth)
    )
    return tuple(sorted({field for field in asked if field is not None}))


def decide(
    held: RoutingMemory,
    matter: str,
    step: int,
    wanted: Step,
    named: Callable[[Rule], Named],
    day: date,
    before: str = "",
) -> Routed:
    """Ask the rules in their order; where none names an agency, name the city's."""
    met = Named()
    for rule in held.rules(matter, step):
        if not rule.on(day):
            continue
        met = named(rule)
        if before and not met.is_named:
            met = Named(met.at)  # A later step whose place nobody named may stay where it is.
        if met.fault is not None:
            return Routed(None, met.fault, rule, met.place)
        if rule.holds_at(met.place, met.county) and (rule.decided_by != STAY or before):
            return _decided(held, rule, wanted, met, before) or _pooled(held, met, rule)
    return _unruled(held, met, day)


def of_place(place: Place | None, divisions: DivisionsMemory, day: date, at: str) -> Named:
    """Name a place by which a rule looks."""
    county = divisions.county(place.code, day) if place is not None else None
    return Named(at, place, county)


def _by_form(divisions: DivisionsMemory, field: str, value: object, day: date) -> Named:
    at = f"/form/{field}"
    if not isinstance(value, str):
        return Named(at, fault=Fault(at, "no-agency", COARSE), is_named=value is not None)
    place = divisions.find(value, day)
    if place is None:
        return Named(at, fault=Fault(at, *_gone(divisions, value, day)))
    found = of_place(place, divisions, day, at)
    coarse = found.county is None and place.code.startswith(OURS)
    return found._replace(fault=Fault(at, "no-agency", COARSE)) if coarse else found


COARSE = Words(
    "该地没有负责此事项的经办机构，请填写到县(市、区)的区划代码",
    "no agency decides this matter there: name a county or township",
)


def _gone(divisions: DivisionsMemory, code: str, day: date) -> tuple[str, Words]:
    """Say what became of a code: abolished, with what took its place; of the statistics' scheme; unknown."""
    stale = divisions.stale(code, day)
    return (stale.rule, stale.words) if stale is not None else ("no-agency", COARSE)


def _decided(
    held: RoutingMemory, rule: Rule, wanted: Step, met: Named, before: str
) -> Routed | None:
    agency = _agency(held, rule, wanted, met, before)
    if agency is None:
        return None
    return Routed(agency, None, rule, met.place)


def _agency(
    held: RoutingMemory, rule: Rule, wanted: Step, met: Named, before: str
) -> Agency | None:
    by = wanted.level if rule.decided_by == OF_STEP else rule.decided_by
    if by == STAY:
        return held.agencies.by_code.get(before)
    if by in set(Level):
        return held.agencies.covering(by, met.county.code if met.county else "")
    return held.agencies.by_code.get(by)


def _unruled(held: RoutingMemory, met: Named, day: date) -> Routed:
    """Say whose it is where the place lies elsewhere; else let the city find out."""
    if met.place is not None and not met.place.code.startswith(OURS):
        return Routed(
            None, Fault(met.at, "not-ours", _whose(held.divisions, met, day)), None, met.place
        )
    return _pooled(held, met, None)


def _whose(divisions: DivisionsMemory, met: Named, day: date) -> Words:
    """Name whose it is: the agencies of a place in another province."""
    place = met.county or met.place
    line = divisions.line(place.code, day) if place is not None else ()
    names = "".join(found.name for code in line if (found := divisions.find(code, day)))
    return Words(f"不属于本省经办，由{names}的经办机构办理", f"handled by the agency of {names}")


def _pooled(held: RoutingMemory, met: Named, rule: Rule | None) -> Routed:
    """Give what can't be routed to the city's agency: it is never nowhere."""
    county = met.county.code if met.county else ""
    agencies = (held.agencies.covering(level, county) for level in (Level.CITY, Level.PROVINCE))
    agency = next((found for found in agencies if found is not None), None)
    if agency is None:
        return Routed(None, Fault(met.at, "no-agency", COARSE), rule, met.place)
    return Routed(agency, None, rule, met.place, pooled=True)


def rivals(
    held: RoutingMemory, found: Routed, matter: str, step: int, wanted: Step, met: Named, day: date
) -> tuple[str, ...]:
    """List the other agencies that rules of the same position as the one that decides would name."""
    if found.rule is None or found.agency is None:
        return ()
    beside = (
        _agency(held, rule, wanted, met, "")
        for rule in held.rules(matter, step)
        if rule.position == found.rule.position and rule.on(day)
        and rule.holds_at(met.place, met.county)
    )  # fmt: skip
    codes = {agency.code for agency in beside if agency is not None}
    return tuple(sorted(codes - {found.agency.code}))
