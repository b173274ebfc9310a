"""The job queue: PgQueuer on tables of ours, under names that no variable of the environment changes.

A job says that there is something to do, under a key of which one is waiting or under way at a time; what there
is to do stands in tables of its own. So a job that is lost or told twice does no harm.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.ports.driver import Driver
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import run

CHANNEL = "syt_jobs"

NAMES = DBSettings(
    prefix="", db_schema=None, channel=CHANNEL, function="fn_pgqueuer_changed", trigger="tg_pgqueuer_changed",
    queue_table="pgqueuer", queue_table_log="pgqueuer_log", statistics_table="pgqueuer_statistics",
    schedules_table="pgqueuer_schedules", queue_status_type="pgqueuer_status", durability=Durability.balanced,
)  # fmt: skip
"""As migration 0031 makes them. Its log is not worth a place in the write-ahead log."""

FORGET = (
    "DELETE FROM pgqueuer_log WHERE created < now() - interval '1 day'",
    "DELETE FROM pgqueuer_statistics WHERE created < now() - interval '30 days'",
)


def queries_on(driver: Driver) -> Queries:
    """Give the queue over a driver."""
    return Queries(
        driver, QueryBuilderEnvironment(NAMES), QueryQueueBuilder(NAMES), QuerySchedulerBuilder(NAMES)
    )  # fmt: skip


async def enqueue(session: AsyncSession, entrypoint: str, keys: Sequence[str]) -> None:
    """Say in the session's transaction that there is something to do for each key; twice said is once."""
    await run(
        session, sa.text("SELECT 1")
    )  # Begins the transaction that the driver then writes in.
    raw: Any = await (await session.connection()).get_raw_connection()
    queue = queries_on(AsyncpgDriver(raw.driver_connection))
    size = len(keys)
    await queue.enqueue(
        [entrypoint] * size, [key.encode() for key in keys], [0] * size,
        dedupe_key=[f"{entrypoint} {key}" for key in keys], on_conflict="skip",
    )  # fmt: skip


async def forget(session: AsyncSession) -> None:
    """Drop what the queue wrote down of jobs long ago."""
    for statement in FORGET:
        await run(session, sa.text(statement))
