"""How a task of the background process runs: for ever, and telling how it goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from opentelemetry import trace

from kit.db import Sessions
from kit.metrics import DONE_AT, FAILURES

log = structlog.get_logger()
TRACER = trace.get_tracer("syt.worker")


class Task(NamedTuple):
    """Something that is done again and again."""

    name: str
    round: Callable[[Sessions], Awaitable[float]]
    """Does it once, and gives the seconds until the next time."""
    retry: float
    """Seconds until the next time after one that failed."""

    async def once(self, sessions: Sessions) -> float:
        """Do it once; what fails is told, and gives the time to wait as well."""
        with TRACER.start_as_current_span(self.name) as span:
            return await self._tried(sessions, span)

    async def _tried(self, sessions: Sessions, span: trace.Span) -> float:
        failures = FAILURES.labels(self.name)  # There from the start: a rise from nothing is none.
        try:
            pause = await self.round(sessions)
        except Exception as error:
            log.warning("task_failed", task=self.name, error=type(error).__name__)
            failures.inc()
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            return self.retry
        DONE_AT.labels(self.name).set(time.time())
        return pause

    async def run(self, sessions: Sessions) -> None:
        """Do it for ever."""
        while True:
            pause = await self.once(sessions)
            await asyncio.sleep(pause)
