"""Bring a database up to date, and let the service's role do its work in it."""

import asyncio
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from migrations.tables import QUEUE, metadata

HERE = Path(__file__).parent
DEFAULT_GRANTS = "SELECT, INSERT, UPDATE"
NO_TRIGRAMS = (
    "the database was made with LC_CTYPE 'C': make it with 'C.UTF-8', or search finds no Chinese"
)

LOCKED = "a table is locked for too long by others (see pg_stat_activity): migrate again later"
PAUSES = (1, 2, 4, 8, 8, 8)
"""Seconds between two tries to get a lock."""


class DatabaseUnfit(Exception):
    """The database can't serve; the message says what to do."""


def config(url: str) -> Config:
    """Make Alembic's configuration for the owner's `url`."""
    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.set_main_option("path_separator", "os")
    made.attributes["url"] = url
    return made


async def migrate(owner_url: str, service_url: str) -> None:
    """Upgrade to the newest schema, if need be, and grant the service's role its rights.

    Where a newer release has been before, all is left as it is: the release before it runs on its schema,
    so that an upgrade can be rolled out, and back, process by process.

    Raises:
        DatabaseUnfit: wrong version, wrong character type, or a lock that others hold for too long.
    """
    engine = create_async_engine(owner_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await _check(connection)
            at = await _revision(connection)
        script = ScriptDirectory.from_config(config(owner_url))
        if at is not None and not _known(script, at):
            return
        if at != script.get_current_head():
            await _upgrade(owner_url)
        async with engine.begin() as connection:
            await _grant(connection, make_url(service_url).username)
    finally:
        await engine.dispose()


def _known(script: ScriptDirectory, revision: str) -> bool:
    return any(known.revision == revision for known in script.walk_revisions())


async def _upgrade(owner_url: str) -> None:
    """Upgrade; a lock that does not come in time is left to the service, and asked for again later.

    What earlier revisions did stays: each is committed by itself.
    """
    for pause in (*PAUSES, None):
        try:
            await asyncio.to_thread(command.upgrade, config(owner_url), "head")
        except DBAPIError as error:
            if not isinstance(error.orig and error.orig.__cause__, asyncpg.LockNotAvailableError):
                raise
            if pause is None:
                raise DatabaseUnfit(LOCKED) from None
            await asyncio.sleep(pause)
        else:
            return


async def _check(connection: AsyncConnection) -> None:
    version = await connection.scalar(sa.text("SHOW server_version_num"))
    if int(version or 0) < 160000:
        raise DatabaseUnfit("PostgreSQL 16 or newer is needed")
    for extension in ("pg_trgm", "btree_gist"):
        await connection.execute(sa.text(f"CREATE EXTENSION IF NOT EXISTS {extension}"))
    if not await connection.scalar(sa.text("SELECT show_trgm('养老')")):
        raise DatabaseUnfit(NO_TRIGRAMS)
    await connection.commit()


async def _revision(connection: AsyncConnection) -> str | None:
    known = await connection.scalar(sa.text("SELECT to_regclass('alembic_version')"))
    if known is None:
        return None
    revision: str | None = await connection.scalar(
        sa.text("SELECT version_num FROM alembic_version")
    )
    return revision


async def _grant(connection: AsyncConnection, role: str | None) -> None:
    """Grant table by table: what may not change, the role may not change."""
    owner = await connection.scalar(sa.text("SELECT current_user"))
    if role is None or role == owner:
        return
    quoted = connection.dialect.identifier_preparer.quote(role)
    statements = [f"GRANT USAGE ON SCHEMA public TO {quoted}"]
    for table in metadata().sorted_tables:
        wanted = table.info.get("grants", DEFAULT_GRANTS)
        statements.append(f"REVOKE ALL ON {table.name} FROM {quoted}")
        statements.append(f"GRANT {wanted} ON {table.name} TO {quoted}")
    for name in QUEUE:
        statements.append(f"REVOKE ALL ON {name} FROM {quoted}")
        statements.append(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {quoted}")
    statements.append(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
    statements.append(f"GRANT EXECUTE ON FUNCTION make_event_partitions(int) TO {quoted}")
    for statement in statements:
        await connection.execute(sa.text(statement))
