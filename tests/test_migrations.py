"""Migrations: one line of them, no drift, a way back from each; and what each role may do."""

import asyncio
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import MappingProxyType

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from kit.embedded import OWNER, SERVICE
from migrations.runner import config, migrate
from tests.conftest import Server

APPEND_ONLY = (
    "event",
    "event_text",
    "event_sequence",
    "access_record",
    "file_use",
    "grant_step",
    "access_alert",
)

REVISIONS = list(ScriptDirectory.from_config(config("")).walk_revisions())[::-1]


@pytest.fixture(scope="module")
def empty(server: Server, database: str) -> str:
    """A database of its own: going down would take others' tables with it."""
    name = f"{database}_stairs"
    server.cluster.psql(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {OWNER}")
    return server.url(OWNER, name)


def test_one_head(empty: str) -> None:
    assert len(ScriptDirectory.from_config(config(empty)).get_heads()) == 1


@pytest.mark.slow
async def test_stairs_and_no_drift(empty: str, server: Server, database: str) -> None:
    """Every revision goes up, down and up again; then the tables are those of the models."""
    made = config(empty)
    for revision in [script.revision for script in REVISIONS]:
        await asyncio.to_thread(command.upgrade, made, revision)
        await asyncio.to_thread(command.downgrade, made, "-1")
        await asyncio.to_thread(command.upgrade, made, revision)
    await asyncio.to_thread(command.check, made)
    await migrate(empty, server.url(SERVICE, f"{database}_stairs"))
    await migrate(empty, server.url(SERVICE, f"{database}_stairs"))


async def test_an_index_that_was_broken_off_is_built_again(empty: str, server: Server) -> None:
    """PostgreSQL leaves it behind, not valid; to skip it because it is there would be to go without."""
    made, index = config(empty), "application_unaccepted_idx"
    name = make_url(empty).database or ""

    def ask(sql: str) -> str:
        return server.cluster.psql(sql, database=name)

    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{index}'::regclass"
    await asyncio.to_thread(command.upgrade, made, "0002")
    ask(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass")
    ask("UPDATE alembic_version SET version_num = '0001'")
    assert ask(valid) == "f"
    await migrate(empty, server.url(SERVICE, name))
    assert ask(valid) == "t"


async def test_what_a_newer_release_has_made_is_left_alone(empty: str, server: Server) -> None:
    """The release before it starts on its schema, and takes none of its rights away."""
    name = make_url(empty).database or ""
    await migrate(empty, server.url(SERVICE, name))
    head = server.cluster.psql("SELECT version_num FROM alembic_version", database=name)
    for statement in (
        "UPDATE alembic_version SET version_num = '9999'",
        f"GRANT DELETE ON event TO {SERVICE}",
    ):
        server.cluster.psql(statement, database=name)
    try:
        await migrate(empty, server.url(SERVICE, name))
        rights = f"SELECT version_num, has_table_privilege('{SERVICE}', 'event', 'DELETE') FROM alembic_version"
        assert server.cluster.psql(rights, database=name) == "9999|t"
    finally:
        server.cluster.psql(f"UPDATE alembic_version SET version_num = '{head}'", database=name)


class TestSquawk:
    """Every statement of every migration, as it would be run."""

    EXCLUDED = MappingProxyType({
        "prefer-text-field": "lengths are those of the contract; to make one longer rewrites nothing",
        "prefer-bigint-over-int": "versions and counts of small things; what grows is bigint",
        "prefer-bigint-over-smallint": "steps, risk classes, windows: a handful of values",
    })  # fmt: skip
    FROZEN = MappingProxyType({
        "0001": {"prefer-identity": "two tables of the first migration; made with their tables, empty"},
        "0021": {"ban-drop-constraint": "the wider one stands before the narrower goes"},
        "0031": {"prefer-identity": "tables of the job queue, as its library makes and wants them"},
    })  # fmt: skip

    def faults(self, sql: str, revision: str = "") -> set[str]:
        """The rules that squawk finds broken."""
        excluded = {*self.EXCLUDED, *self.FROZEN.get(revision, ())}
        done = subprocess.run(
            [Path(sys.executable).with_name("squawk"), "--reporter", "json", "--pg-version", "16.0",
             "--exclude", ",".join(sorted(excluded)), "--stdin-filepath", f"{revision}.sql"],
            input=sql, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return {fault["rule_name"] for fault in json.loads(done.stdout)}

    @pytest.mark.parametrize("revision", REVISIONS, ids=lambda r: str(r.revision))
    def test_finds_nothing(self, revision: Script) -> None:
        made = config("postgresql://nobody@127.0.0.1/none")
        made.output_buffer = StringIO()
        span = f"{revision.down_revision or 'base'}:{revision.revision}"
        command.upgrade(made, span, sql=True)
        written = made.output_buffer.getvalue()
        assert "SET lock_timeout" in written
        assert self.faults(written, revision.revision) == set()

    @pytest.mark.parametrize(
        ("statement", "rule"),
        [
            ("ALTER TABLE application ADD COLUMN x text NOT NULL", "adding-required-field"),
            ("ALTER TABLE application DROP COLUMN outcome", "ban-drop-column"),
            ("ALTER TABLE application RENAME COLUMN outcome TO y", "renaming-column"),
            ("ALTER TABLE application ALTER COLUMN step TYPE text", "changing-column-type"),
            ("CREATE INDEX x ON application (matter)", "require-concurrent-index-creation"),
            ("ALTER TABLE application ADD CONSTRAINT c CHECK (step > 0)", "constraint-missing-not-valid"),
        ],
    )  # fmt: skip
    def test_is_awake(self, statement: str, rule: str) -> None:
        limits = "SET lock_timeout = '4s'; SET statement_timeout = '60s';"
        assert rule in self.faults(f"{limits} BEGIN; {statement}; COMMIT;")


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
