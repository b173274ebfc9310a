"""What has to be done now and then: partitions ahead of time, assertions forgotten."""

import asyncio
from datetime import timedelta

import structlog

from access import queries as access
from events import queries as events
from events.service import MONTHS_AHEAD
from kit.clock import now
from kit.db import Sessions, transaction

log = structlog.get_logger()

PERIOD = 3600.0
RETRY = 60.0
KEPT = timedelta(minutes=10)
"""How long a used assertion is remembered past its end: clocks may differ."""


async def run(sessions: Sessions) -> None:
    """Do it once an hour. Two workers doing it at once do no harm."""
    while True:
        try:
            async with transaction(sessions) as session:
                await events.make_partitions(session, MONTHS_AHEAD)
            async with transaction(sessions) as session:
                await access.forget_assertions(session, now() - KEPT)
        except Exception as error:
            log.warning("housekeeping_failed", error=type(error).__name__)
            await asyncio.sleep(RETRY)
            continue
        await asyncio.sleep(PERIOD)
