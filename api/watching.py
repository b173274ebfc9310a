"""Who waits for events: one look at the order for all in a process, which wakes those whom it concerns.

Nobody who waits holds a database connection or asks the database by himself, and an event of one outlet wakes
nobody at another.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Gauge

from access.callers import Caller, Reach
from access.errors import TooManyStreams
from access.policy import May
from events import queries
from events.queries import Place
from kit.db import Sessions, transaction

log = structlog.get_logger()

EVERY = 0.1
"""Seconds between two looks while somebody waits."""

IDLE = 1.0
WINDOW = 5000
"""Events of one look; after more than that all are woken."""

MOST = 8
"""Answers held back for one caller in one process: terminal or person."""

WAITING = Gauge("syt_feed_waiting", "Callers who wait for events.", multiprocess_mode="livesum")


class Waiter:
    """Somebody who waits; `woken` is set when there is something for him, or when the process leaves."""

    def __init__(self, reach: Reach) -> None:
        self.keys = [
            *(("outlet", value) for value in reach.outlets),
            *(("agency", value) for value in reach.agencies),
            *(("bank", value) for value in reach.banks),
            *(("area", value) for value in reach.areas),
        ]
        self.woken = asyncio.Event()


def _keys(place: Place) -> Iterable[tuple[str, str]]:
    yield "outlet", place.outlet
    yield "agency", place.agency
    for digits in (2, 4, 6):
        yield "area", place.agency[:digits]
    if place.bank is not None:
        yield "bank", place.bank


class Watcher:
    """Looks at the order for all who wait in this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiters: dict[tuple[str, str], set[Waiter]] = {}
        self._all: set[Waiter] = set()
        self._held: Counter[str] = Counter()
        self._some = asyncio.Event()
        self._seq: int | None = None
        self.closed = False
        """The process leaves: who waits is answered now."""

    @contextmanager
    def waiting(self, caller: Caller) -> Iterator[Waiter]:
        """Let a caller wait. What he reads from now on and what he is woken for leave no gap.

        Raises:
            TooManyStreams: as many answers are held back for him as may be.
        """
        name = caller.terminal or caller.id
        if self._held[name] >= MOST:
            raise TooManyStreams()
        waiter = Waiter(caller.reach(May.EVENT_READ))
        self._held[name] += 1
        self._add(waiter)
        try:
            yield waiter
        finally:
            self._remove(waiter)
            self._held[name] -= 1
            if not self._held[name]:
                del self._held[name]

    def _add(self, waiter: Waiter) -> None:
        self._all.add(waiter)
        for key in waiter.keys:
            self._waiters.setdefault(key, set()).add(waiter)
        WAITING.set(len(self._all))
        self._some.set()
        if self.closed:
            waiter.woken.set()

    def _remove(self, waiter: Waiter) -> None:
        self._all.discard(waiter)
        for key in waiter.keys:
            self._waiters[key].discard(waiter)
            if not self._waiters[key]:
                del self._waiters[key]
        WAITING.set(len(self._all))

    def close(self) -> None:
        """Answer all who wait: the process is told to leave."""
        self.closed = True
        self._wake(self._all)

    async def keep(self) -> None:
        """Look for ever. A look that fails is made again; who waits has his own limit."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.warning("feed_unwatched", error=type(error).__name__)
            if not self._all:
                self._some.clear()
                await self._first()
            await asyncio.sleep(EVERY)

    async def _first(self) -> None:
        """Rest until somebody waits."""
        try:
            await asyncio.wait_for(self._some.wait(), IDLE)
        except TimeoutError:
            return

    async def look(self) -> None:
        """Look once, at all that was told since the look before.

        Where nobody waits only the end is noted. Who came meanwhile may have missed something: he is woken, and
        looks for himself.
        """
        nobody, known, places = not self._all, self._seq, list[Place]()
        async with transaction(self._sessions) as session:
            end = (await queries.mark(session)).seq
            if known is not None and end > known and not nobody:
                places = list(await queries.told_after(session, known, WINDOW))
        # A restore goes back; and of more than a window nobody looks at each.
        if nobody or known is None or end < known or len(places) == WINDOW:
            self._wake(self._all)
        self._seq = end
        for key in {key for place in places for key in _keys(place)}:
            self._wake(self._waiters.get(key, ()))

    @staticmethod
    def _wake(waiters: Iterable[Waiter]) -> None:
        for waiter in tuple(waiters):
            waiter.woken.set()
