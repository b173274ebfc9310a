"""Agreements that run out are told of sixty days ahead: each last day once, however many workers there are."""

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

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


TASK = Task("tell_expiry", tell, RETRY)
