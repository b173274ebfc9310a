"""Supervision that happens by itself: orders for late work, and what is drawn to be checked."""

from kit.clock import now
from kit.db import Sessions, transaction
from supervision import service
from worker.life import RETRY, until_none
from worker.tasks import Task

PERIOD = 20.0


async def order(sessions: Sessions) -> float:
    """Tell of what has turned red or gone past it."""
    await until_none(sessions, lambda session: service.order(session, now()), service.CHUNK)
    return PERIOD


async def draw(sessions: Sessions) -> float:
    """Look through what was decided since."""
    async with transaction(sessions) as session:
        seen = await service.draw(session, now())
    return 0 if seen >= service.WINDOW else PERIOD


TASKS = (Task("supervise", order, RETRY), Task("spot_checks", draw, RETRY))
