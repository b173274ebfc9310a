"""What only this process knows of itself, noted for Prometheus every second.

Each process notes its own: whichever of them is asked for the figures then has those of all. A moment
is noted rather than an age, so that one that stands still is seen too.
"""

import asyncio
import time
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

from applications.intake import Intake
from kit.generations import Follower

PERIOD = 1.0

ACKNOWLEDGED = Histogram(
    "syt_acknowledgement_seconds", "From a submission that has arrived to its acknowledgement.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)  # fmt: skip
UNEXPECTED = Counter("syt_unexpected_errors_total", "Errors that nobody expected.")
LOOKED_AT = Gauge(
    "syt_generations_looked_at_seconds", "When the memory of the process furthest behind was compared.",
    multiprocess_mode="livemin",
)  # fmt: skip
WAITING = Gauge(
    "syt_submissions_waiting", "Submissions without a lane.", multiprocess_mode="livesum"
)
IN_USE = Gauge(
    "syt_pool_connections_in_use", "Database connections lent out.", ("pool",),
    multiprocess_mode="livesum",
)  # fmt: skip
SIZE = Gauge(
    "syt_pool_connections", "Database connections there may be.", ("pool",),
    multiprocess_mode="livesum",
)  # fmt: skip


def note(follower: Follower, intake: Intake, engines: Mapping[str, AsyncEngine]) -> None:
    """Note it once."""
    LOOKED_AT.set(time.time() - follower.age)
    WAITING.set(intake.waiting)
    for name, engine in engines.items():
        pool = engine.pool
        assert isinstance(pool, QueuePool)  # noqa: S101
        IN_USE.labels(name).set(pool.checkedout())
        SIZE.labels(name).set(pool.size())


async def keep_noting(
    follower: Follower, intake: Intake, engines: Mapping[str, AsyncEngine]
) -> None:
    """Note it for ever."""
    while True:
        note(follower, intake, engines)
        await asyncio.sleep(PERIOD)
