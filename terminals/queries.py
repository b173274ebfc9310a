"""Every statement on terminals and tellers."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Reach
from kit.clock import today
from kit.db import Instant, run
from outlets.models import Outlet, RegistryChange, Teller, TellerPost, Terminal, TerminalKey
from schemas.terminals import TellerFilter, TerminalFilter
from terminals.models import Enrolment

T = TypeVar("T", Terminal, Teller)
DIVISION = 6
"""Digits of a county's code, with which numbers of outlets begin."""

NOTE = """
    UPDATE {table} t SET used_on = :day, last_seen_at = :at FROM (
        SELECT {key} AS key FROM {table} WHERE {key} = ANY(cast(:keys AS {kind}[]))
            AND (last_seen_at IS NULL OR used_on < :day)
        ORDER BY {key} FOR NO KEY UPDATE
    ) AS met WHERE t.{key} = met.key
"""
"""Rows are held in one order by all processes, and written once a day."""


def _note(table: str, key: str, kind: str) -> sa.TextClause:
    return sa.text(NOTE.format(table=table, key=key, kind=kind)).bindparams(
        sa.bindparam("at", type_=Instant), sa.bindparam("day", type_=sa.Date),
        sa.bindparam("keys", type_=ARRAY(sa.String)),
    )  # fmt: skip


NOTE_TERMINALS, NOTE_TELLERS = _note("terminal", "id", "uuid"), _note("teller", "code", "varchar")


async def note_terminals(
    session: AsyncSession, ids: Sequence[str], at: datetime, day: date
) -> None:
    """Note that terminals were used today."""
    await run(session, NOTE_TERMINALS, keys=list(ids), at=at, day=day)


async def note_tellers(
    session: AsyncSession, codes: Sequence[str], at: datetime, day: date
) -> None:
    """Note that tellers worked today."""
    await run(session, NOTE_TELLERS, keys=list(codes), at=at, day=day)


async def terminal(
    session: AsyncSession, outlet: str, id_: uuid.UUID, *, lock: bool = False
) -> Terminal | None:
    """Load a terminal of an outlet; one that is held is loose, for it is stored with its history."""
    return await _of(session, Terminal, outlet, id_, lock=lock)


async def teller(
    session: AsyncSession, outlet: str, code: str, *, lock: bool = False
) -> Teller | None:
    """Load a teller of an outlet; one that is held is loose, for it is stored with its history."""
    return await _of(session, Teller, outlet, code, lock=lock)


async def _of(
    session: AsyncSession, table: type[T], outlet: str, key: Any, *, lock: bool
) -> T | None:
    row: T | None = await session.get(table, key, with_for_update=lock or None)
    if row is None or row.outlet != outlet:
        return None
    if lock:
        session.expunge(row)
    return row


async def teller_anywhere(session: AsyncSession, code: str) -> Teller | None:
    """Load a teller, wherever he is, and hold him loose."""
    row = await session.get(Teller, code, with_for_update=True)
    if row is not None:
        session.expunge(row)
    return row


async def page(
    session: AsyncSession, table: type[T], outlet: str, after: Any, limit: int
) -> Sequence[T]:
    """List terminals or tellers of an outlet by their keys, one more than `limit`."""
    key = _key(table)
    statement = select(table).where(table.outlet == outlet).order_by(key).limit(limit + 1)
    if after is not None:
        statement = statement.where(key > after)
    rows: Sequence[T] = (await session.exec(statement)).all()
    return rows


def _key(table: type[T]) -> Any:
    return col(Terminal.id) if table is Terminal else col(Teller.code)


async def unused(
    session: AsyncSession,
    table: type[T],
    reach: Reach,
    narrow: TerminalFilter | TellerFilter,
    after: tuple[date, Any] | None,
) -> Sequence[T]:
    """List what a reach covers, what was used least lately first, one more than the limit."""
    key, used = _key(table), col(table.used_on)
    statement = select(table).join(Outlet, col(Outlet.number) == col(table.outlet))
    statement = statement.where(_within(reach), *_narrowed(table, narrow))
    if after is not None:
        statement = statement.where(sa.tuple_(used, key) > sa.tuple_(*after))
    rows: Sequence[T] = (
        await session.exec(statement.order_by(used, key).limit(narrow.limit + 1))
    ).all()
    return rows


def _within(reach: Reach) -> sa.ColumnElement[bool]:
    """Say in SQL which outlets a reach covers."""
    number, bank = col(Outlet.number), col(Outlet.bank)
    parts: list[sa.ColumnElement[bool]] = [_in_area(number, area) for area in reach.areas]
    parts += [number.in_(sorted(reach.outlets))] if reach.outlets else []
    parts += [bank.in_(sorted(reach.banks))] if reach.banks else []
    return sa.or_(*parts) if parts else sa.false()


def _in_area(number: Any, area: str) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = number.between(area.ljust(12, "0"), area.ljust(12, "9"))
    return found


def _narrowed(table: type[T], narrow: TerminalFilter | TellerFilter) -> list[Any]:
    gone = "retired" if table is Terminal else "left"
    status = col(table.status)
    parts: list[Any] = [status == narrow.status if narrow.status else status != gone]
    if narrow.unused_days is not None:
        parts.append(col(table.used_on) <= today() - timedelta(days=narrow.unused_days))
    if narrow.outlet is not None:
        parts.append(col(table.outlet) == narrow.outlet)
    if narrow.bank is not None:
        parts.append(col(Outlet.bank) == narrow.bank)
    if narrow.division is not None:
        parts.append(_in_division(narrow.division))
    if isinstance(narrow, TellerFilter) and narrow.qualified is not None:
        holds = sa.func.coalesce(col(Teller.qualified_until) >= today(), sa.false())
        parts.append(holds if narrow.qualified else sa.not_(holds))
    return parts


def _in_division(code: str) -> sa.ColumnElement[bool]:
    """Say that an outlet is in a division: a township by its own code, the rest by the outlet's number."""
    if len(code.rstrip("0")) > DIVISION:
        return col(Outlet.division) == code[:9]
    bare = code[:DIVISION].rstrip("0")
    return _in_area(col(Outlet.number), bare + "0" * (len(bare) % 2))


async def count(session: AsyncSession, table: type[T], outlet: str) -> int:
    """Count those of an outlet that are not gone."""
    gone = "retired" if table is Terminal else "left"
    statement = (
        select(sa.func.count())
        .select_from(table)
        .where(col(table.outlet) == outlet, col(table.status) != gone)
    )
    return int((await session.exec(statement)).one())


async def owner_of_key(session: AsyncSession, x: str) -> uuid.UUID | None:
    """Tell whose a key is or was."""
    found = await session.get(TerminalKey, x)
    return found.terminal if found is not None else None


async def enrolment(session: AsyncSession, index: bytes) -> Enrolment | None:
    """Find leave to enrol by the keyed hash of its code, and hold it."""
    statement = select(Enrolment).where(Enrolment.code_index == index).with_for_update()
    return (await session.exec(statement)).one_or_none()


async def posts(session: AsyncSession, code: str, after: int, limit: int) -> Sequence[TellerPost]:
    """List where a teller was, newest first."""
    statement = select(TellerPost).where(TellerPost.teller == code)
    if after:
        statement = statement.where(col(TellerPost.id) < after)
    statement = statement.order_by(col(TellerPost.id).desc()).limit(limit + 1)
    return (await session.exec(statement)).all()


async def changes(
    session: AsyncSession, table: type[SQLModel], key: str, after: int, limit: int
) -> Sequence[RegistryChange]:
    """List what was done with a terminal or teller, oldest first."""
    statement = (
        select(RegistryChange)
        .where(
            RegistryChange.kind == table.__tablename__,
            RegistryChange.key == key,
            col(RegistryChange.id) > after,
        )
        .order_by(col(RegistryChange.id))
        .limit(limit + 1)
    )
    return (await session.exec(statement)).all()


async def forget_enrolments(session: AsyncSession, before: datetime) -> None:
    """Drop leave to enrol that has run out; who was let in stands in the history."""
    await session.exec(sa.delete(Enrolment).where(col(Enrolment.expires_at) < before))
