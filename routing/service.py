"""What can be done about routing: rules are taken that leave no hole and do not overlap."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import today
from kit.db import put
from kit.generations import raise_generation
from matters.compiled import CompiledGuide
from routing.coverage import Gap, gaps, places, turning_days
from routing.errors import RulesLeaveGaps
from routing.memory import KIND, RoutingMemory
from routing.models import RoutingRule

GuidesOn = Callable[[date], Sequence[CompiledGuide]]


async def put_rules(
    session: AsyncSession,
    rows: Sequence[Mapping[str, Any]],
    held: RoutingMemory,
    guides_on: GuidesOn,
) -> int:
    """Put rules by their names; tell how many were not there as they now are.

    `held` knows the places and agencies, and no process else: it is changed. One at a time puts rules, so that
    two never judge each other's absence.

    Raises:
        RulesLeaveGaps: a place would have no agency for a step, or two, where it had one before.
    """
    generation = await raise_generation(session, KIND)
    await held.load(session, 0)
    known = _every_gap(held, guides_on)
    changed = await put(session, RoutingRule, [{**row, "generation": generation} for row in rows])
    await held.load(session, 0)
    fresh = [gap for gap in _every_gap(held, guides_on) if gap not in known]
    if fresh:
        raise RulesLeaveGaps(gaps=[gap._asdict() for gap in fresh])
    return changed


def _every_gap(held: RoutingMemory, guides_on: GuidesOn) -> dict[Gap, date]:
    """Find the gaps of the next twelve months, each with the first day of it."""
    day, found = today(), dict[Gap, date]()
    where = places(held.divisions, day)
    for turn in turning_days(held, guides_on(day), day):
        for guide in guides_on(turn):
            for gap in gaps(held, guide, where, turn):
                found.setdefault(gap, turn)
    return found
