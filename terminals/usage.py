"""When a terminal and a teller were used last, to the day, without a write per call.

A process remembers whom it has met today and writes it down once a minute: one write a day for each terminal
and teller. It is at most a minute late; a process that dies takes a minute along, which the next call of the
day makes good.
"""

import asyncio

import structlog

from kit.clock import now, today
from kit.db import Sessions, transaction
from terminals import queries

log = structlog.get_logger()

PERIOD = 60.0
"""Seconds between two writes."""

CHUNK = 500
"""Rows in one transaction."""

Pair = tuple[str, str]


class Usage:
    """Whom a process has met today, and who of them is not written down yet."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._day = today()
        self._met: set[Pair] = set()
        self._unwritten: set[Pair] = set()

    def note(self, terminal: str, teller: str) -> None:
        """Note a call."""
        pair = (terminal, teller)
        if pair not in self._met:
            self._met.add(pair)
            self._unwritten.add(pair)

    async def write(self) -> None:
        """Write down whom it has met since; what can't be written is tried again the next time."""
        if self._day != today():  # Who is met again from now on is met on another day.
            self._day = today()
            self._met.clear()
        waiting, self._unwritten = sorted(self._unwritten), set()
        try:
            while waiting:
                await self._write(waiting[:CHUNK])
                del waiting[:CHUNK]
        except Exception as error:
            log.warning("usage_unwritten", error=type(error).__name__)
            self._unwritten |= set(waiting)

    async def _write(self, pairs: list[Pair]) -> None:
        async with transaction(self._sessions) as session:
            at, day = now(), today()
            await queries.note_terminals(session, [terminal for terminal, _ in pairs], at, day)
            await queries.note_tellers(session, [teller for _, teller in pairs], at, day)

    async def keep_writing(self) -> None:
        """Write once a minute, for ever."""
        while True:
            await asyncio.sleep(PERIOD)
            await self.write()
