"""Lights that have turned are told to their rows, where lists look for them.

Lists are right all the while: they ask those apart whose light has turned and is not told yet.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from applications import queries
from kit.clock import today
from kit.db import Sessions, transaction
from worker.tasks import Task

PERIOD, RETRY = 10.0, 5.0
CHUNK = 1000
"""Rows in one transaction."""


async def tell(sessions: Sessions) -> float:
    """Tell all whose light has turned. Two workers at once pass over what the other has in hand."""
    while True:
        async with transaction(sessions) as session:
            if await _some(session) < CHUNK:
                return PERIOD


async def _some(session: AsyncSession) -> int:
    return await queries.tell_lights(session, today(), CHUNK)


TASK = Task("tell_lights", tell, RETRY)
