"""Removing what is nobody's: files that no application uses, uploads that nobody goes on with, leftovers.

Each step is bounded, and done by several workers at once without harm.
"""

from datetime import timedelta
from typing import NamedTuple

from obstore.store import ObjectStore

from files import queries, stores
from files.uploads import LATE
from kit.clock import now
from kit.db import Sessions, transaction

UNUSED = timedelta(days=7)
"""How long a file waits for an application that uses it."""

STEP = 200
LEASE = timedelta(minutes=10)
"""After how long another worker takes up what one has begun to remove."""


class Swept(NamedTuple):
    """What a step came to."""

    judged: int
    expired: int
    removed: int

    @property
    def more(self) -> bool:
        """Whether there may be more to do."""
        return STEP in self


async def sweep(sessions: Sessions, files: ObjectStore) -> Swept:
    """Do one step of each kind. The database forgets a file before the store does: none is half there.

    Raises:
        FilesAway: the store refuses; what is due stays noted.
    """
    at = now()
    async with transaction(sessions) as session:
        judged = await queries.drop_unused(session, at - UNUSED, at, STEP)
    async with transaction(sessions) as session:
        expired = await queries.expire(session, at, at + LATE, STEP)
    async with transaction(sessions) as session:
        due = await queries.lease_leftovers(session, at, at + LEASE, STEP)
    await stores.remove(files, due)
    if due:
        async with transaction(sessions) as session:
            await queries.forget_leftovers(session, due)
    return Swept(judged, expired, len(due))
