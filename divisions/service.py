"""Loading lists of divisions: seen before it is done, done whole or not at all."""

from datetime import date
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from divisions import queries
from divisions.changes import (
    Changes,
    Writes,
    before,
    compare,
    dated,
    faults_of,
    lines_after,
    writes,
)
from divisions.lists import Fault, Form, Line, Listed, ListUnusable
from divisions.memory import KIND, Place
from divisions.models import UNKNOWN_START
from kit.clock import today
from kit.generations import raise_generation


class Plan(NamedTuple):
    """What a file would change."""

    listed: Listed
    day: date
    """From when on."""
    there: list[Place]
    """What is there before."""
    lines: list[Line]
    """What is there after."""
    changes: Changes
    writes: Writes

    @property
    def is_first(self) -> bool:
        """Tell whether nothing of its provinces was known."""
        return self.day == UNKNOWN_START and self.listed.form is Form.LIST


NOTHING = Changes([], [], [], [], {})


async def plan(
    session: AsyncSession, listed: Listed, on: date | None = None, *, much: bool = False
) -> Plan:
    """Work out what a file changes from the day `on` (today; the first of all, where nothing is known yet).

    Raises:
        ListUnusable: it contradicts what is known, or a later list is.
    """
    provinces = {line.code[:2] for line in listed.lines}
    known = [Place(*row) for row in await queries.of_provinces(session, listed.scheme, provinces)]
    if listed.form is Form.HISTORY:
        found, faults = dated(known, listed)
        return _sound(Plan(listed, UNKNOWN_START, [], [], NOTHING, found), faults)
    day = on or (today() if known else UNKNOWN_START)
    there = before(known, day)
    lines, faults = lines_after(listed, known, day)
    faults += faults_of(lines, there, much)
    changes = compare(lines, there)
    written = writes(known, lines, changes, listed.scheme, day)
    planned = Plan(listed, day, there, lines, changes, written)
    return _sound(planned, [*faults, *_too_late(planned, known)])


def _sound(planned: Plan, faults: list[Fault]) -> Plan:
    if faults:
        raise ListUnusable(faults)
    return planned


def _too_late(planned: Plan, known: list[Place]) -> list[Fault]:
    """Refuse a list of a day before one on which something changed: what came of that would be gone."""
    days = [day for p in known for day in (p.valid_from, p.valid_to) if day is not None]
    latest = max(days, default=planned.day)
    if planned.writes.size and (latest > planned.day or (known and planned.day == UNKNOWN_START)):
        return [Fault(1, "file", f"changes of {latest} are known already: say a later day (--on)")]
    return []


async def apply(
    session: AsyncSession, listed: Listed, on: date | None = None, *, much: bool = False
) -> Plan:
    """Make what a file changes so, in the caller's transaction; of two at once the second sees the first.

    Raises:
        ListUnusable: as `plan` does.
    """
    await queries.hold(session)
    planned = await plan(session, listed, on, much=much)
    if planned.writes.size:
        stamp = {"generation": await raise_generation(session, KIND)}
        rows = [{**place._asdict(), **stamp} for place in planned.writes.put]
        await queries.drop_rows(session, [place._asdict() for place in planned.writes.drop])
        await queries.put_rows(session, rows)
    return planned
