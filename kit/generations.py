"""How processes learn that what they hold in memory has changed.

One row a kind in the database, raised in the transaction of every change and polled every second. A
change takes the row's lock until it commits, so numbers become visible in their order, and a process
that reads "all rows stamped after the number I know" misses none.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import sqlalchemy as sa
import structlog
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import Sessions, transaction
from kit.once import Once

log = structlog.get_logger()

POLL = 1.0
"""Seconds between two looks."""

LOOK = 30.0
"""Seconds that a look may take before it is given up. Each statement has a limit of its own; to read a whole
catalogue anew after a restore takes longer than one, and would never be done were it broken off."""

TOO_OLD = 5.0
"""Seconds without a look after which nothing in memory may be trusted for a right."""


class Generation(SQLModel, table=True):
    """How often a kind of data has changed."""

    __tablename__ = "generation"

    kind: str = Field(primary_key=True, max_length=32)
    value: int = Field(default=0, sa_type=sa.BigInteger)


class Memory(Protocol):
    """What a process holds of one kind."""

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read what was stamped after `since`; 0 reads all."""


class Derived(Once):
    """What was worked out from memories alone, kept until any of them is read anew.

    All that it depends on beside them is in its key: a day, for one, and never a moment.
    """

    def after(self, memory: Memory) -> Memory:
        """Give a memory after whose reading nothing is kept."""
        return _Forgetting(memory, self.forget)


class _Forgetting:
    def __init__(self, memory: Memory, forget: Callable[[], None]) -> None:
        self._memory, self._forget = memory, forget

    async def load(self, session: AsyncSession, since: int) -> None:
        try:
            await self._memory.load(session, since)
        finally:  # One that was broken off may have changed a part.
            self._forget()


async def raise_generation(session: AsyncSession, kind: str) -> int:
    """Raise the number of `kind` and give it, for stamping what changes in this transaction."""
    statement = (
        sa.update(Generation)
        .where(sa.column("kind") == kind)
        .values(value=Generation.value + 1)
        .returning(sa.column("value", sa.BigInteger))
    )
    return int((await session.exec(statement)).scalar_one())


class Follower:
    """Keeps the memories of one process as new as the database."""

    def __init__(self, sessions: Sessions, memories: Mapping[str, Memory]) -> None:
        self._sessions = sessions
        self._memories = memories
        self._known: dict[str, int] = {}
        self._looked_at = 0.0
        self.seen = asyncio.Event()
        """Set when all was read for the first time."""

    @property
    def age(self) -> float:
        """Seconds since the last successful look."""
        return time.monotonic() - self._looked_at

    @property
    def fresh(self) -> bool:
        """Tell whether memory may be trusted for a right."""
        return self.seen.is_set() and self.age < TOO_OLD

    async def look(self) -> None:
        """Read the numbers, then what changed; what is read is at least as new as its number."""
        began = time.monotonic()
        async with transaction(self._sessions) as session:
            numbers = dict((await session.exec(select(Generation.kind, Generation.value))).all())
        for kind, memory in self._memories.items():
            if numbers.get(kind, 0) != self._known.get(kind, -1):
                known, number = self._known.get(kind, 0), numbers.get(kind, 0)
                async with transaction(self._sessions) as session:
                    await memory.load(
                        session, known if known < number else 0
                    )  # A restore goes back.
                self._known[kind] = number
        self._looked_at = began
        self.seen.set()

    async def follow(self) -> None:
        """Look every second, for ever. A look that fails is tried again; `age` tells of it."""
        while True:
            await asyncio.sleep(POLL)
            try:
                async with asyncio.timeout(LOOK):  # `wait_for` of 3.11 can lose a cancellation.
                    await self.look()
            except Exception as error:
                log.warning(
                    "generations_unread", error=type(error).__name__, age=round(self.age, 1)
                )
