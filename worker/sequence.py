"""Tell events in their order, as soon as they may be told."""

import asyncio

import structlog
from prometheus_client import Gauge

from events import service
from kit.db import Sessions, transaction

log = structlog.get_logger()

IDLE = 0.25
"""Seconds between two looks when there is nothing to tell."""

AWAY = 1.0
TOLD = Gauge("syt_events_told", "Events told since start.", multiprocess_mode="sum")


async def run(sessions: Sessions) -> None:
    """Tell events for ever; of several workers one does it at a time."""
    while True:
        try:
            async with transaction(sessions) as session:
                told = await service.tell_some(session)
        except Exception as error:
            log.warning("sequencer_waits", error=type(error).__name__)
            await asyncio.sleep(AWAY)
            continue
        TOLD.inc(told or 0)
        if told is None or told < service.CHUNK:
            await asyncio.sleep(IDLE)
