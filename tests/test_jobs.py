"""The job queue's tables are what the library wants, and its rights what the service needs."""

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from api.state import State
from kit.db import transaction
from kit.jobs import enqueue, queries_on
from kit.settings import Settings
from migrations.tables import QUEUE


async def test_the_migration_makes_what_the_library_wants(settings: Settings) -> None:
    """A new release of it that wants more needs a migration of ours."""
    connection = await asyncpg.connect((settings.owner_url or "").replace("+asyncpg", ""))
    try:
        plan = await queries_on(AsyncpgDriver(connection)).plan_upgrade()
    finally:
        await connection.close()
    assert plan.statements == ()


def test_every_table_of_it_is_granted() -> None:
    names = {*queries_on_names()}
    assert names == set(QUEUE)


def queries_on_names() -> list[str]:
    from kit.jobs import NAMES  # noqa: PLC0415

    return [NAMES.queue_table, NAMES.queue_table_log, NAMES.schedules_table, NAMES.statistics_table]


async def test_a_job_is_said_in_the_transaction_and_once(state: State) -> None:
    async def count() -> int:
        async with state.engine.connect() as connection:
            found = await connection.exec_driver_sql(
                "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'tried'"
            )
            return int(found.scalar_one())

    class Undone(Exception):
        pass

    try:
        async with transaction(state.sessions) as session:
            await enqueue(session, "tried", ["a"])
            raise Undone
    except Undone:
        assert await count() == 0
    for _ in range(2):
        async with transaction(state.sessions) as session:
            await enqueue(session, "tried", ["a", "b", "a"])
    assert await count() == 2
    async with transaction(state.sessions) as session:
        await (await session.connection()).exec_driver_sql(
            "DELETE FROM pgqueuer WHERE entrypoint = 'tried'"
        )
