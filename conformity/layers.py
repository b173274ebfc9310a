"""What a local layer may change, and in which direction. This table is the only place that says so.

A layer holds what a city, a county or a township says otherwise than the province: where, when and whom to
ask, a shorter promise, fewer visits, fewer materials. All else is the same everywhere.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from conformity.findings import pointer
from kit.errors import Fault, Words
from schemas.guides import GuideContent, Limit, Material

LOCKED = Words(
    "该栏目全省统一，不得由地方改动",
    "this field is the same everywhere and can't be changed locally",
)


class Rule(NamedTuple):
    """How a field may differ from what stands above it."""

    name: str
    faults: Callable[[str, Any, Any], Iterator[Fault]]
    """Where, what stands above, what is wanted: what of it goes in the wrong direction."""
    pack: Callable[[Any, Any], Any] = lambda above, wanted: wanted
    """What stands above, what is wanted: what is kept of it, as JSON."""
    unpack: Callable[[Any, Any], Any] = lambda above, kept: kept
    """What stands above, what was kept: what the field then says."""


def _any_value(at: str, above: Any, wanted: Any) -> Iterator[Fault]:
    yield from ()


def _no_more(at: str, above: int, wanted: int) -> Iterator[Fault]:
    if wanted > above:
        words = Words("只能比上级规定更少", "may only be fewer than above")
        yield Fault(at, "fewer", words)


def _shorter(at: str, above: Limit, wanted: Limit) -> Iterator[Fault]:
    if wanted.value > above.value:
        yield Fault(
            f"{at}/value", "shorter", Words("时限只能缩短", "a limit may only be shortened")
        )
    for name in Limit.model_fields:
        if name != "value" and getattr(wanted, name) != getattr(above, name):
            yield Fault(f"{at}/{name}", "locked", LOCKED)


def _shortened(above: Limit, kept: Mapping[str, Any]) -> Limit:
    """Take only the number of days: basis and note are the province's, also once it changes them."""
    return above.model_copy(update={"value": kept["value"]})


def _subset(at: str, above: list[Material], wanted: list[Material]) -> Iterator[Fault]:
    known = {material.code: material for material in above}
    seen: set[str] = set()
    for place, material in enumerate(wanted):
        if material.code not in known or material.code in seen:
            words = Words("材料只能减少，不得增加", "materials may be left out, not added")
            yield Fault(f"{at}/{place}", "fewer", words)
        elif material != known[material.code]:
            words = Words("保留的材料不得改动", "a material that is kept can't be changed")
            yield Fault(f"{at}/{place}", "locked", words)
        seen.add(material.code)


def _left_out(above: list[Material], wanted: list[Material]) -> dict[str, Any]:
    """Keep what is left out, not what stays: a material that the province adds later is then asked for."""
    kept = {material.code for material in wanted}
    return {"without": [material.code for material in above if material.code not in kept]}


def _remaining(above: list[Material], kept: Mapping[str, Any]) -> list[Material]:
    return [material for material in above if material.code not in kept["without"]]


OWN = Rule("own", _any_value)
FEWER = Rule("fewer", _no_more)
SHORTER = Rule(
    "shorter", _shorter, lambda above, wanted: wanted.model_dump(mode="json"), _shortened
)
SUBSET = Rule("fewer", _subset, _left_out, _remaining)

RULES: Mapping[str, Rule] = MappingProxyType({
    "handle_address": OWN,
    "handle_time": OWN,
    "consult_ways": OWN,
    "consult_phone": OWN,
    "supervise_ways": OWN,
    "supervise_phone": OWN,
    "promised_limit": SHORTER,
    "visits_required": FEWER,
    "materials": SUBSET,
})  # fmt: skip
"""Field to rule. What is not named here is locked."""

ADDING_UP = ("flow", "steps")
"""Fields whose limits add up to the promise: they are shortened with it."""


def check(above: GuideContent, wanted: Mapping[str, Any]) -> list[Fault]:
    """List every locked field and every wrong direction together."""
    found: list[Fault] = []
    for name, value in wanted.items():
        at = pointer(name)
        if name in RULES:
            found += RULES[name].faults(at, getattr(above, name), value)
        else:
            found.append(Fault(at, "locked", LOCKED))
    return found


def pack(above: GuideContent, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept of a layer that has no faults."""
    return {
        name: RULES[name].pack(getattr(above, name), value)
        for name, value in sorted(wanted.items())
    }


def unpack(above: GuideContent, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that a kept layer wants over what stands above it."""
    return {name: RULES[name].unpack(getattr(above, name), value) for name, value in kept.items()}


def lay(above: GuideContent, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields that differ once a layer lies over what stands above it.

    A field that has since come to go in the wrong direction (the city promises a day, the county still
    two) is passed over: what no layer may say is never shown.
    """
    changed = {
        name: value
        for name, value in unpack(above, kept).items()
        if value != getattr(above, name)
        and not any(RULES[name].faults("", getattr(above, name), value))
    }
    promised = changed.get("promised_limit")
    if promised is not None and promised.value < above.promised_limit.value:
        changed |= {name: _within(getattr(above, name), promised.value) for name in ADDING_UP}
    return changed


def _within(parts: list[Any], total: int) -> list[Any]:
    """Shorten the limits of parts until they add up, a day at a time from the longest."""
    limits = [part.limit for part in parts]
    while sum(limits) > total:
        limits[limits.index(max(limits))] -= 1
    return [
        part.model_copy(update={"limit": limit}) for part, limit in zip(parts, limits, strict=True)
    ]
