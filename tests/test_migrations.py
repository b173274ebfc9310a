"""Migrations: one line of them, no drift, a way back from each; and what each role may do."""

import asyncio

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from kit.embedded import OWNER, SERVICE
from migrations.runner import config, migrate
from tests.conftest import Server

APPEND_ONLY = ("event", "event_text", "event_sequence", "access_record", "stored_file")


@pytest.fixture(scope="module")
def empty(server: Server, database: str) -> str:
    """A database of its own: going down would take others' tables with it."""
    name = f"{database}_stairs"
    server.cluster.psql(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {OWNER}")
    return server.url(OWNER, name)


def test_one_head(empty: str) -> None:
    assert len(ScriptDirectory.from_config(config(empty)).get_heads()) == 1


async def test_stairs_and_no_drift(empty: str, server: Server, database: str) -> None:
    """Every revision goes up, down and up again; then the tables are those of the models."""
    made = config(empty)
    revisions = [r.revision for r in ScriptDirectory.from_config(made).walk_revisions()][::-1]
    for revision in revisions:
        await asyncio.to_thread(command.upgrade, made, revision)
        await asyncio.to_thread(command.downgrade, made, "-1")
        await asyncio.to_thread(command.upgrade, made, revision)
    await asyncio.to_thread(command.check, made)
    await migrate(empty, server.url(SERVICE, f"{database}_stairs"))
    await migrate(empty, server.url(SERVICE, f"{database}_stairs"))


class TestServiceRole:
    @pytest.mark.parametrize("table", APPEND_ONLY)
    async def test_may_not_change_what_is_append_only(self, state: State, table: str) -> None:
        async with state.engine.connect() as connection:
            held = {
                right: await connection.scalar(
                    sa.text("SELECT has_table_privilege(current_user, :t, :r)"),
                    {"t": table, "r": right},
                )
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            }
        assert held == {
            "SELECT": True,
            "INSERT": True,
            "UPDATE": False,
            "DELETE": False,
            "TRUNCATE": False,
        }

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE application ADD COLUMN x int", "DROP TABLE outlet", "CREATE TABLE mine (x int)",
            "DELETE FROM event", "UPDATE event SET kind = 'x'", "DELETE FROM application",
            "TRUNCATE event_sequence", "UPDATE access_record SET role = 'x'",
            "DELETE FROM event_2026_11", "SELECT * FROM alembic_version",
        ],
    )  # fmt: skip
    async def test_is_refused(self, state: State, statement: str) -> None:
        async with state.engine.connect() as connection:
            with pytest.raises(ProgrammingError) as refused:
                await connection.execute(sa.text(statement))
        cause = refused.value.orig.__cause__  # type: ignore[union-attr]
        assert isinstance(cause, asyncpg.InsufficientPrivilegeError), cause

    async def test_makes_partitions_through_the_function(self, state: State) -> None:
        async with state.engine.connect() as connection:
            made = await connection.scalar(sa.text("SELECT make_event_partitions(14)"))
            await connection.commit()
            again = await connection.scalar(sa.text("SELECT make_event_partitions(14)"))
        assert (made, again) == (2, 0)

    async def test_no_column_is_missed(self, owner: AsyncEngine) -> None:
        """Every table is granted something: a new one without rights would fail in production."""
        async with owner.connect() as connection:
            bare = await connection.execute(
                sa.text(
                    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                    " AND relnamespace = 'public'::regnamespace AND relname NOT IN"
                    " ('alembic_version', 'lockable')"
                    " AND NOT has_table_privilege('syt_service', oid, 'SELECT')"
                )
            )
        assert bare.scalars().all() == []
