"""Last days are told of, each once however many workers there are: of agreements sixty days ahead, of
rectifications when they have passed."""

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from entrusting import service
from entrusting.agreements import tell_expiry
from kit.clock import today
from kit.db import Sessions
from worker.life import until_none
from worker.tasks import Task

log = structlog.get_logger()

PERIOD, RETRY = 600.0, 60.0
CHUNK = 200


async def tell(sessions: Sessions) -> float:
    """Do it once."""

    async def some(session: AsyncSession) -> int:
        return await tell_expiry(session, today(), CHUNK)

    if told := await until_none(sessions, some, CHUNK):
        log.warning("agreements_expire", agreements=told, listed="GET /v1/agreements?expiring=60")
    return PERIOD


async def tell_overdue(sessions: Sessions) -> float:
    """Do it once."""

    async def some(session: AsyncSession) -> int:
        return await service.tell_overdue(session, today(), CHUNK)

    if told := await until_none(sessions, some, CHUNK):
        log.warning("rectifications_overdue", outlets=told, listed="GET /v1/outlets/overdue")
    return PERIOD


TASK = Task("tell_expiry", tell, RETRY)
RECTIFICATIONS = Task("tell_overdue_outlets", tell_overdue, RETRY)
