"""What happens to applications by itself, done as soon as its time has come."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from access.errors import MemoryStale
from applications import timers
from applications.desk import Desk, make_desk
from applications.lifecycle import Timer
from importing.running import Shelves
from kit.clock import now
from kit.crypto import KeyRing
from kit.db import Sessions, transaction
from kit.generations import Follower
from kit.heap import filling
from worker.tasks import Task

log = structlog.get_logger()

PERIOD, RETRY = 15.0, 5.0
"""Seconds between two looks: what a killed worker left is taken up within a minute."""

AGAIN = 60.0
"""Seconds after a new calendar until applications are looked through once more: a process that had not heard
of it may have dated one meanwhile."""


class Office:
    """What a worker holds to do it: memories as an API process has them, without what is only shown; keys where
    cores are to be asked."""  # fmt: skip

    def __init__(self, sessions: Sessions, keys: KeyRing | None = None) -> None:
        ring = keys or KeyRing("none", {})  # It opens and seals nothing.
        self.desk, memories = make_desk(ring, shows=False)
        self.follower = Follower(sessions, memories)
        self._settled = (-1, 0.0)

    async def follow(self) -> None:
        """Read all that is held, then what changes, for ever."""
        with suppress(Exception), filling():
            await self.follower.look()
        await self.follower.follow()

    def desk_now(self) -> Desk:
        """Give the desk, unless what it knows is too old.

        Raises:
            MemoryStale: the database could not be asked of late.
        """
        if not self.follower.fresh:
            raise MemoryStale()
        return self.desk

    def shelves(self) -> Shelves:
        """Give the memories that imports are held against, unless they are too old.

        Raises:
            MemoryStale: the database could not be asked of late.
        """
        desk = self.desk_now()
        return Shelves(desk.divisions, desk.catalogue, desk.registry)

    def tasks(self) -> list[Task]:
        """List what is to be done."""
        timed = [Task(str(timer), self._timer(timer), RETRY) for timer in Timer]
        return [
            *timed, Task("date_anew", self.date_anew, RETRY), Task("hand_over", hand_over, RETRY)
        ]  # fmt: skip

    def _timer(self, timer: Timer) -> Callable[[Sessions], Awaitable[float]]:
        async def some(session: AsyncSession) -> int:
            return await timers.pass_time(session, self.desk_now(), timer, now())

        async def once(sessions: Sessions) -> float:
            if done := await until_none(sessions, some):
                log.info("time_passed", timer=timer, applications=done)
            return PERIOD

        return once

    async def date_anew(self, sessions: Sessions) -> float:
        """Work out limits by a calendar that is new; look through all once, and once more a little later."""
        desk, at = self.desk_now(), now()
        generation, since = self._settled
        if generation == desk.calendar.generation and at.timestamp() - since > AGAIN + PERIOD:
            return PERIOD
        if generation != desk.calendar.generation:
            self._settled = (desk.calendar.generation, at.timestamp())
        found = changed = 0
        for agency in sorted(desk.agencies.by_code):
            some_found, some_changed = await _date_agency(sessions, desk, agency)
            found, changed = found + some_found, changed + some_changed
        if found:
            log.info("dated_anew", looked_at=found, changed=changed)
        return PERIOD


async def until_none(
    sessions: Sessions, some: Callable[[AsyncSession], Awaitable[int]], chunk: int = timers.CHUNK
) -> int:
    """Do it chunk by chunk, each in a transaction of its own, until a chunk is not full."""
    done, more = 0, True
    while more:
        async with transaction(sessions) as session:
            count = await some(session)
        done, more = done + count, count >= chunk
    return done


async def _date_agency(sessions: Sessions, desk: Desk, agency: str) -> tuple[int, int]:
    found = changed = 0
    while True:
        async with transaction(sessions) as session:
            some_found, some_changed = await timers.date_anew(session, desk, agency, now())
        found, changed = found + some_found, changed + some_changed
        if some_found < timers.CHUNK:
            return found, changed


async def hand_over(sessions: Sessions) -> float:
    """Free for others what is held by people who have left their posts."""
    done = await until_none(sessions, lambda session: timers.hand_over(session, now()))
    if done:
        log.info("handed_over", applications=done)
    return PERIOD
