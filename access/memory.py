"""The grants that a process holds."""

import time
from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from access import queries
from access.callers import Caller, Held, person
from access.chain import holds
from access.models import Grant
from access.policy import Role
from kit.clock import today

KIND = "grants"


class GrantsMemory:
    """Grants by person; the caller they make is worked out once a day and person."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[object, Grant]] = {}
        self._callers: dict[str, Caller] = {}
        self._day = date.min

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read what changed."""
        for grant in await queries.grants_since(session, since):
            self._grants.setdefault(grant.subject, {})[grant.id] = grant
        self._callers.clear()

    def caller(self, subject: str) -> Caller:
        """Give the caller that a person is today; one without grants may do nothing."""
        if (day := today()) != self._day:
            self._day = day
            self._callers.clear()
        found = self._callers.get(subject)
        if found is None:
            found = person(subject, self._held(subject, day))
            self._callers[subject] = found
        return found

    def _held(self, subject: str, day: date) -> list[Held]:
        return [
            Held(Role(grant.role), grant.scope)
            for grant in self._grants.get(subject, {}).values()
            if holds(grant, day)
        ]


class Buckets:
    """Token buckets: so many calls a second, and a burst, for each name."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> bool:
        """Take one call; False when the bucket is empty."""
        at = time.monotonic()
        level, before = self._levels.get(name, (self._burst, at))
        level = min(self._burst, level + (at - before) * self._rate)
        self._levels[name] = (level - 1 if level >= 1 else level, at)
        return level >= 1
