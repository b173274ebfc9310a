"""Every statement on keys and on sealed values."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from custody.inventory import SealedColumn
from custody.models import Resealing, RingKey
from kit.clock import now
from kit.db import run


class Value(NamedTuple):
    """A sealed value where it stands."""

    key: Any
    sealed: bytes
    commitment: bytes | None


async def lead(session: AsyncSession, lock: int) -> bool:
    """Tell whether this transaction is the only one at it now."""
    return bool((await run(session, sa.select(sa.func.pg_try_advisory_xact_lock(lock)))).scalar())


async def know(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note keys that are not known yet."""
    await session.exec(insert(RingKey).values(rows).on_conflict_do_nothing())


async def known(session: AsyncSession) -> Sequence[RingKey]:
    """List the keys by which something was sealed here."""
    return (await session.exec(select(RingKey).order_by(col(RingKey.since)))).all()


async def give_up(session: AsyncSession, key_id: str) -> bool:
    """Note that a key is lost; tell whether it was known."""
    statement = sa.update(RingKey).where(col(RingKey.id) == key_id).values(lost_at=now())
    return bool((await session.exec(statement)).rowcount)


async def progress(session: AsyncSession, place: str) -> Resealing | None:
    """Tell how far a place is."""
    return (await session.exec(select(Resealing).where(Resealing.place == place))).first()


async def all_progress(session: AsyncSession) -> Sequence[Resealing]:
    """Tell how far every place is."""
    return (await session.exec(select(Resealing).order_by(col(Resealing.place)))).all()


def _parsed(key: sa.Column[Any], text: str) -> Any:
    kinds: Mapping[type[Any], Callable[[str], Any]] = {sa.Integer: int, sa.Uuid: uuid.UUID}
    return next((kind(text) for of, kind in kinds.items() if isinstance(key.type, of)), text)


async def values(
    session: AsyncSession, column: SealedColumn, after: str, limit: int
) -> list[Value]:
    """Read the next values by the row's key."""
    table, key = column.table, column.table.c[column.key]
    sealed = table.c[column.column]
    beside = table.c[column.commitment] if column.commitment else sa.null()
    statement = sa.select(key, sealed, beside).order_by(key).limit(limit)
    if after:
        statement = statement.where(key > _parsed(key, after))
    return [Value._make(row) for row in await run(session, statement)]


async def hold(
    session: AsyncSession, column: SealedColumn, wanted: Sequence[Any]
) -> dict[Any, bytes]:
    """Read values again and hold their rows; those that others hold are passed over."""
    table, key = column.table, column.table.c[column.key]
    statement = (
        sa.select(key, table.c[column.column])
        .where(key.in_(wanted))
        .order_by(key)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return {key: value for key, value in map(tuple, await run(session, statement))}


async def put_back(
    session: AsyncSession, column: SealedColumn, changed: Sequence[Mapping[str, Any]]
) -> None:
    """Write values that were sealed again, with what is hashed of them; each names its `row`."""
    names = [name for name in changed[0] if name != "row"]
    statement = (
        sa.update(column.table)
        .where(column.table.c[column.key] == sa.bindparam("which_row"))
        .values({name: sa.bindparam(f"new_{name}") for name in names})
    )
    rows = [{"which_row": row["row"], **{f"new_{n}": row[n] for n in names}} for row in changed]
    await (await session.connection()).execute(statement, rows)
