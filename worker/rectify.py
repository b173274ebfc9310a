"""Poor ratings that nobody has put right in time: told of once."""

from kit.clock import now
from kit.db import Sessions
from ratings import service
from worker.life import RETRY, until_none
from worker.tasks import Task

PERIOD = 60.0


async def tell_late(sessions: Sessions) -> float:
    """Tell of what has become overdue."""
    await until_none(sessions, lambda session: service.tell_late(session, now()), service.CHUNK)
    return PERIOD


TASK = Task("rectifications", tell_late, RETRY)
