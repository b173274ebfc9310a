"""What happens by itself: deemed acceptance, return, filing, and limits worked out by a new calendar.

Rows are locked as they are found, and those that another worker holds are passed over: each thing is done
once, however many look. What a worker had under way when it was killed is undone by the database, and is
found again at the next look.
"""

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from applications import changes, lifecycle, queries, telling
from applications.actions import SYSTEM, Case
from applications.desk import Desk
from applications.lifecycle import Timer
from applications.models import Application
from kit.clock import day_of

log = structlog.get_logger()

CHUNK = 200
"""Applications in one transaction: one that writes for long holds up the feed."""

LIMITS = ("legal_due_on", "promised_due_on", "due_on", "due_provisional")
"""What an event tells of when a calendar has changed it."""

WAITING = MappingProxyType({timer: lifecycle.by_itself(timer).source for timer in Timer})


async def pass_time(
    session: AsyncSession, desk: Desk, timer: Timer, at: datetime, limit: int = CHUNK
) -> int:
    """Do what has come due of one timer, at most `limit`; tell how many were moved."""
    rows = await queries.ripe(session, WAITING[timer], day_of(at), limit)
    move = lifecycle.by_itself(timer)
    cases = list(_cases(rows, desk, at))
    for case in cases:
        changes.apply(case, move)
        session.add_all([case.row, telling.by_itself(case, timer)])
    await session.flush()
    return len(cases)


def _cases(rows: Iterable[Application], desk: Desk, at: datetime) -> Iterable[Case]:
    """Make the cases; a guide that can't be used keeps its own applications waiting, and no others."""
    for row in rows:
        case = Case(row, SYSTEM, desk, at)
        if case.guide is None:
            log.error("guide_missing", matter=row.matter, version=row.guide_version)
        else:
            yield case


async def hand_over(session: AsyncSession, at: datetime, limit: int = CHUNK) -> int:
    """Free for others what is held by people who have left their posts; tell how much."""
    return await queries.hand_over(session, at, day_of(at), limit)


async def date_anew(
    session: AsyncSession, desk: Desk, agency: str, at: datetime, limit: int = CHUNK
) -> tuple[int, int]:
    """Work out the limits of open applications by the calendar as it now is.

    Tells how many knew an older one, and how many of them have other limits now: each with an event.
    """
    rows = await queries.dated_before(session, agency, desk.calendar.generation, limit)
    cases, changed = list(_cases(rows, desk, at)), 0
    for case in cases:
        before = _limits(case.row)
        changes.date_anew(case.row, case)
        session.add(case.row)
        if (after := _limits(case.row)) != before:
            changed += 1
            case.row.version += 1
            session.add(telling.event(case, "application.dated_anew", before=before, after=after))
    await session.flush()
    return len(cases), changed


def _limits(row: Application) -> dict[str, Any]:
    return {
        name: value if isinstance(value, bool) or value is None else value.isoformat()
        for name in LIMITS
        for value in [getattr(row, name)]
    }
