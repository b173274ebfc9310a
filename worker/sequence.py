"""Tell events in their order, as soon as they may be told."""

from prometheus_client import Counter

from events import service
from kit.db import Sessions, transaction
from worker.tasks import Task

IDLE = 0.25
"""Seconds between two looks when there is nothing to tell."""

BUSY = 0.1
"""While there is: what is told in one look was committed before the one before it."""

AWAY = 1.0
TOLD = Counter("syt_events_told_total", "Events told.")


async def tell(sessions: Sessions) -> float:
    """Tell what may be told now; of several workers one does it at a time."""
    async with transaction(sessions) as session:
        told = await service.tell_some(session)
    TOLD.inc(told or 0)
    return 0 if told == service.CHUNK else BUSY if told else IDLE


TASK = Task("sequence", tell, retry=AWAY)
