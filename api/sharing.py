"""What processes tell each other once a second: how much they have let through of the busiest callers.

So several processes do not give a terminal several times its limit. One statement a second and process, and
none while nobody is busy; a process that can't tell goes on by itself.
"""

import asyncio
import uuid

import structlog

from access import queries
from kit.buckets import Buckets
from kit.db import Sessions, transaction

log = structlog.get_logger()

EVERY = 1.0
FORGET = 60
"""Exchanges after which callers that rest are forgotten."""


class Sharing:
    """One process's part."""

    def __init__(self, buckets: Buckets, sessions: Sessions) -> None:
        self.buckets, self._sessions = buckets, sessions
        self._process = uuid.uuid4()
        self._known: dict[tuple[uuid.UUID, str], object] = {}

    async def exchange(self) -> None:
        """Tell what was let through here since the last time, and take off what was elsewhere."""
        ours = self.buckets.taken()
        if not ours:
            self._known.clear()
            return
        async with transaction(self._sessions) as session:
            rows = await queries.share_calls(session, self._process, ours)
        known = {(row.process, row.name): row.at for row in rows}
        others: dict[str, int] = {}
        for row in rows:
            if self._known.get((row.process, row.name)) != row.at:
                others[row.name] = others.get(row.name, 0) + row.calls
        self._known = known
        self.buckets.take_for_others(others)

    async def keep(self) -> None:
        """Exchange once a second, for ever."""
        told = 0
        while True:
            await asyncio.sleep(EVERY)
            told += 1
            try:
                await self.exchange()
            except Exception as error:
                log.warning("limits_unshared", error=type(error).__name__)
            if told % FORGET == 0:
                self.buckets.forget_idle()
