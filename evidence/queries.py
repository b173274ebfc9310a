"""Every statement on the chain of evidence."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from evidence.chain import Sealed
from evidence.models import Block, SigningKey, Span
from evidence.streams import Stream
from kit.db import BY_INDEX, run

PUT_IN_ORDER = sa.text("""
    WITH mark AS (
        SELECT seq, xid, record FROM access_sequence ORDER BY seq DESC LIMIT 1
    ), next AS (
        SELECT r.id, r.xid FROM access_record r
        WHERE r.xid < pg_snapshot_xmin(pg_current_snapshot())
            AND ((r.xid, r.id) > (SELECT xid, record FROM mark) OR NOT EXISTS (SELECT FROM mark))
        ORDER BY r.xid, r.id LIMIT :limit
    )
    INSERT INTO access_sequence (seq, record, xid)
    SELECT coalesce((SELECT seq FROM mark), 0) + row_number() OVER (ORDER BY xid, id), id, xid FROM next
""")
"""Records of transactions that have ended, in the order of their transactions: what is behind the oldest one
still running can't grow any more, so none is passed over."""


class Row(NamedTuple):
    """A row as it stands."""

    seq: int
    id: str
    there: bool
    told: bytes


async def lead(session: AsyncSession, lock: int) -> bool:
    """Tell whether this transaction is the only one to seal now."""
    taken = sa.select(sa.func.pg_try_advisory_xact_lock(lock), *BY_INDEX)
    return bool((await run(session, taken)).scalar())


async def put_accesses_in_order(session: AsyncSession, limit: int) -> None:
    """Number the access records that have come since."""
    await run(session, PUT_IN_ORDER, limit=limit)


async def head(session: AsyncSession) -> Block | None:
    """Give the last block."""
    return (await session.exec(select(Block).order_by(col(Block.number).desc()).limit(1))).first()


async def rows(session: AsyncSession, stream: Stream, first: int, last: int) -> list[Row]:
    """Read the rows of an order from one number to another, as they are sealed today."""
    statement = stream.read(stream.form).replace("$1", ":first").replace("$2", ":last")
    text = statement.replace("::", r"\:\:")
    return [Row._make(row) for row in await run(session, sa.text(text), first=first, last=last)]


async def add(session: AsyncSession, number: int, at: datetime, sealed: Sealed) -> None:
    """Append a block."""
    statement, digest, key, signature = sealed
    session.add(
        Block(
            number=number, at=at, statement=statement.decode(), hash=digest, key=key,
            signature=signature,
        )
    )  # fmt: skip
    await session.flush()


async def add_span(session: AsyncSession, span: Span) -> None:
    """Append the rows' hashes of a block."""
    session.add(span)
    await session.flush()


async def know_key(session: AsyncSession, id_: str, public: bytes, since: datetime) -> None:
    """Note a public key, once."""
    known = insert(SigningKey).values(id=id_, public=public, since=since)
    await session.exec(known.on_conflict_do_nothing())


async def keys(session: AsyncSession) -> Sequence[SigningKey]:
    """List the public keys by which blocks were signed."""
    return (await session.exec(select(SigningKey))).all()


async def page(session: AsyncSession, before: int | None, limit: int) -> Sequence[Block]:
    """List blocks, newest first."""
    statement = select(Block).order_by(col(Block.number).desc()).limit(limit)
    if before is not None:
        statement = statement.where(col(Block.number) < before)
    return (await session.exec(statement)).all()


async def last_of_days(session: AsyncSession, since: datetime | None) -> Sequence[Block]:
    """List the last block of each day in China, oldest first."""
    day: Any = sa.func.date(sa.func.timezone("Asia/Shanghai", col(Block.at)))
    newest = select(sa.func.max(col(Block.number))).group_by(day)
    if since is not None:
        newest = newest.where(col(Block.at) >= since)
    found = select(Block).where(col(Block.number).in_(newest)).order_by(col(Block.number))
    return (await session.exec(found)).all()
