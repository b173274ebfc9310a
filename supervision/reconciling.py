"""What core systems hold is compared with what is held here, and what differs is put on a list.

A core is asked for all it completed in a time, and for each of ours that it did not name. What is just under
way is left alone: whoever is at it asks the core himself.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from applications import queries as applications
from applications import telling
from applications.actions import SYSTEM, Case
from applications.desk import Desk
from connectors import queries
from connectors.client import Core
from connectors.models import CoreCall, Difference
from connectors.service import held
from events import service as events
from kit.clock import now
from kit.db import Sessions, transaction
from schemas.connectors import Held
from supervision.errors import SupervisionNotAllowed, SupervisionStale

PATIENT = 10.0
GRACE = timedelta(minutes=2)
"""What was completed since is not looked at yet: its answer may be on its way."""

OVERLAP = timedelta(minutes=15)
"""How far each look reaches back behind the one before: clocks differ, and answers come late."""

FIRST = timedelta(days=1)
"""How far the first look at a core reaches back."""

LONGEST = timedelta(hours=6)
"""Time that one look covers at most."""

CHUNK = 200
SETTLEMENT = "core_difference.settlement_sealed"


class Found(NamedTuple):
    """A difference."""

    kind: str
    application: str
    here: str | None
    there: str


async def reconcile(sessions: Sessions, desk: Desk, core: Core, area: str, at: datetime) -> int:
    """Compare the next stretch of time with a core; tell how many differences are new.

    Raises:
        CoreAway: it can't be asked; the same is compared at the next look.
    """
    async with transaction(sessions) as session:
        mark = await queries.hold_mark(session, core.name, at - FIRST)
        since = mark.upto if mark is not None else at
    until = min(at - GRACE, since + LONGEST)
    if until <= since:
        return 0
    new = await compare(sessions, desk, core, area, (since - OVERLAP, until))
    async with transaction(sessions) as session:
        await queries.move_mark(session, core.name, until)
    return new


async def compare(
    sessions: Sessions, desk: Desk, core: Core, area: str, time: tuple[datetime, datetime]
) -> int:
    """Compare a stretch of time with a core, and note what differs; tell how many differences are new."""
    new, seen, keys = 0, Counter[str](), set[str]()
    async for part in _chunks(held(core, *time, PATIENT)):
        seen.update(item.key for item in part)
        keys |= {item.key for item in part}
        async with transaction(sessions) as session:
            ours = await _ours(session, part)
            new += await _note(session, desk, core.name, area, _differ(part, ours, seen))
    async with transaction(sessions) as session:
        missing = [c for c in await queries.settled(session, core.name, *time) if c.key not in keys]
    for call in missing:
        there = await core.find(call.key, PATIENT)
        found = _of_ours(call, there.reference if there is not None else None)
        async with transaction(sessions) as session:
            new += await _note(session, desk, core.name, area, found)
    return new


async def _chunks(items: AsyncIterator[Held]) -> AsyncIterator[list[Held]]:
    part: list[Held] = []
    async for item in items:
        part.append(item)
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part


async def _ours(session: AsyncSession, part: Sequence[Held]) -> dict[str, CoreCall]:
    found = await queries.of_applications(session, {item.application for item in part})
    return {call.key: call for call in found}


def _differ(
    part: Iterable[Held], ours: Mapping[str, CoreCall], seen: Mapping[str, int]
) -> list[Found]:
    """Find where what a core names differs from what is held here."""
    found = []
    for item in part:
        call = ours.get(item.key)
        if call is not None and call.state == "due":
            continue  # Whoever finishes it asks what the core holds.
        kind = _kind(item, call, twice=seen[item.key] > 1)
        if kind is not None:
            here = call.reference if call is not None else None
            found.append(Found(kind, item.application, here, item.reference))
    return found


def _kind(item: Held, call: CoreCall | None, *, twice: bool) -> str | None:
    if call is None or call.application != item.application:
        return "unknown_here"
    if call.state != "done":
        return "not_completed_here"
    if call.reference == item.reference:
        return None
    return "twice_there" if twice else "reference_differs"


def _of_ours(call: CoreCall, there: str | None) -> list[Found]:
    """Find whether a core that did not name one of ours knows it all the same."""
    if there == call.reference:
        return []
    kind = "missing_there" if there is None else "reference_differs"
    return [Found(kind, call.application, call.reference, there or "")]


async def _note(
    session: AsyncSession, desk: Desk, core: str, area: str, found: Iterable[Found]
) -> int:
    """Put differences on the list; the history of an application that is here tells of its own."""
    new = 0
    for one in sorted(found, key=lambda one: one.application):  # Held in one order.
        row = await applications.hold(session, one.application)
        made = await queries.note_difference(session, {
            "at": now(), "core": core, "kind": one.kind, "application": one.application,
            "agency": row.agency if row is not None else area, "reference_here": one.here,
            "reference_there": one.there,
        })  # fmt: skip
        if made is None:
            continue
        new += 1
        if row is not None:
            case = Case(row, SYSTEM, desk, now())
            kind = "application.core_differs"
            told = telling.event(case, kind, core=core, difference=made, differs=one.kind)
            await events.append(session, told)
    return new


def open_actions(row: Difference, caller: Caller) -> list[str]:
    """List what the caller may do with a difference now."""
    may = caller.reach(May.RECONCILIATION_SETTLE).covers(outlet="", agency=row.agency)
    return ["settle"] if row.state == "open" and may else []


async def settle(
    session: AsyncSession, desk: Desk, caller: Caller, row: Difference, text: str, version: int
) -> Difference:
    """Record what was found about a difference and done: it changes neither side.

    Raises:
        SupervisionStale: it has changed since `version`.
        SupervisionNotAllowed: it is settled, or another's to settle.
    """
    if row.version != version:
        raise SupervisionStale(version=row.version)
    if "settle" not in open_actions(row, caller):
        raise SupervisionNotAllowed(actions=[], state=row.state)
    row.state, row.settled_at, row.settled_by = "settled", now(), caller.id
    row.settlement_sealed = desk.keys.seal(text.encode(), bound_to=f"{SETTLEMENT}:{row.id}")
    row.version += 1
    session.add(row)
    application = await applications.hold(session, row.application)
    if application is not None:
        told = telling.event(
            Case(application, caller, desk, now()), "application.difference_settled",
            core=row.core, difference=row.id, differs=row.kind,
        )  # fmt: skip
        words = orjson.dumps({"text": text}).decode()
        await events.append(session, told, text=words, keys=desk.keys)
    return row


def shown(row: Difference, caller: Caller, desk: Desk) -> dict[str, Any]:
    """Answer with a difference."""
    sealed = row.settlement_sealed
    said = desk.keys.open(sealed, bound_to=f"{SETTLEMENT}:{row.id}").decode() if sealed else None
    return {
        **row.model_dump(exclude={"settlement_sealed"}),
        "reference_there": row.reference_there or None,
        "settlement": said, "actions": open_actions(row, caller),
    }  # fmt: skip
