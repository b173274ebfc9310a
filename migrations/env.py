"""Run migrations: one at a time, quick to give up, and never two runners at once."""

import asyncio
import re
from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.sql.sqltypes import AutoString

from kit.db import Xid8
from migrations.steps import LIMITS
from migrations.tables import metadata

ischema_names["xid8"] = Xid8  # Reflection knows the types of this table only.

LOCK = 0x50C1A1
PARTITION = re.compile(r"event_\d{4}_\d{2}")


def render(kind: str, thing: Any, _: AutogenContext) -> str | Literal[False]:
    """Write plain types into migrations: they must outlive SQLModel's own and our enums."""
    if kind != "type":
        return False
    if isinstance(thing, AutoString):
        return f"sa.String({thing.length or ''})"
    if isinstance(thing, Xid8):
        return "Xid8()"
    if isinstance(thing, sa.Enum) and not thing.native_enum:
        return f"sa.String({thing.length})"
    return False


DATED = {("stored_file", "kept")}
"""Columns whose default holds the day of the upgrade (0016), where there was something to upgrade."""

LEFT = {("outlet", "open_week"), ("outlet", "open_holiday")}
"""Columns that no code of ours names any more, but the one before it writes: the next release drops them."""


def ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Leave out partitions, which are made by the month, the job queue's tables, and columns dated or left."""
    if kind == "column":
        return (thing.table.name, name) not in DATED | LEFT
    return not (
        kind == "table" and name and (PARTITION.fullmatch(name) or name.startswith("pgqueuer"))
    )


def run(connection: sa.Connection) -> None:
    """Upgrade on a connection, under the lock and the limits."""
    for limit in LIMITS:
        connection.execute(sa.text(limit))
    if not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
        raise SystemExit("another migration is running")  # Waiting would block its CONCURRENTLY.
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        compare_server_default=True,
        include_object=ours,
        render_item=render,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def write() -> None:
    """Write the statements instead, for whoever is to look at them."""
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        for limit in LIMITS:
            context.execute(limit)
        context.run_migrations()


async def main() -> None:
    """Connect as the owner and run."""
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    write()
else:
    asyncio.run(main())
