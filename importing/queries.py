"""Every statement on imports."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from importing.models import CnapsArea, CnapsClass, ImportReport, OutletImport
from judging.reference import KIND, Area
from judging.register import Register, Registered, Sought
from kit.db import Instant, run
from outlets.models import Bank, Outlet, OutletProposal

TAKE = sa.text("""
    UPDATE outlet_import SET state = 'running', holder = :holder, held_until = :until, taken = taken + 1
    WHERE id = (
        SELECT id FROM outlet_import
        WHERE state = 'queued' OR (state = 'running' AND held_until < :at)
        ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""").bindparams(
    sa.bindparam("until", type_=Instant), sa.bindparam("at", type_=Instant),
    sa.bindparam("holder", type_=sa.Uuid),
)  # fmt: skip


async def take(
    session: AsyncSession, holder: uuid.UUID, at: datetime, until: datetime
) -> OutletImport | None:
    """Take up the oldest import that waits, or whose worker is gone."""
    found = (await run(session, TAKE, holder=holder, at=at, until=until)).scalar_one_or_none()
    return None if found is None else await session.get_one(OutletImport, found)


async def change(
    session: AsyncSession, id_: uuid.UUID, holder: uuid.UUID, values: Mapping[str, Any], *,
    after: int | None = None,
) -> bool:  # fmt: skip
    """Change an import that is still in this worker's hands, and stands `after` a batch; False where not."""
    wanted = [col(OutletImport.id) == id_, col(OutletImport.holder) == holder]
    wanted.append(col(OutletImport.state) == "running")
    if after is not None:
        wanted.append(col(OutletImport.batches) == after)
    done = await session.exec(sa.update(OutletImport).where(*wanted).values(**values))
    return done.rowcount == 1


async def get(session: AsyncSession, id_: uuid.UUID) -> OutletImport | None:
    """Load an import."""
    return await session.get(OutletImport, id_)


async def next_report(session: AsyncSession, after: str, end: str) -> ImportReport | None:
    """Load the batch of a report that comes after another, and before an end."""
    wanted = (
        select(ImportReport)
        .where(col(ImportReport.id) > after, col(ImportReport.id) < end)
        .order_by(ImportReport.id)
        .limit(1)
    )
    return (await session.exec(wanted)).one_or_none()


async def forget(session: AsyncSession, before: datetime) -> None:
    """Drop imports that ended long ago, with their reports."""
    await session.exec(
        sa.delete(OutletImport).where(
            col(OutletImport.created_at) < before, col(OutletImport.state).in_(["done", "failed"])
        )
    )


async def classes(session: AsyncSession) -> Mapping[str, Sequence[str]] | None:
    """Load the classes of banks, names of a kind marked; None where there is no list."""
    found = (await session.exec(select(CnapsClass))).all()
    mark = {True: KIND, False: ""}
    return {row.code: [mark[row.is_group] + name for name in row.names] for row in found} or None


async def areas(session: AsyncSession) -> Mapping[str, Area] | None:
    """Load the areas of the payment system; None where there is no list."""
    found = (await session.exec(select(CnapsArea))).all()
    return {row.code: Area(row.name, row.city, row.county) for row in found} or None


async def put_list(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[dict[str, Any]]
) -> int:
    """Let a list be what a file says; tell how many lines differ from what it was."""
    there = [row.model_dump() for row in (await session.exec(select(table))).all()]
    known = {row["code"]: row for row in there}
    wanted = {row["code"]: row for row in rows}
    changed = [row for code, row in wanted.items() if known.get(code) != row]
    gone = [code for code in known if code not in wanted]
    for start in range(0, len(changed), 500):
        adding = insert(table).values(changed[start : start + 500])
        again = {name: adding.excluded[name] for name in rows[0] if name != "code"}
        await session.exec(adding.on_conflict_do_update(index_elements=["code"], set_=again))
    if gone:
        await session.exec(sa.delete(table).where(sa.column("code").in_(gone)))
    return len(changed) + len(gone)


async def banks(session: AsyncSession) -> Sequence[Bank]:
    """Load all banks."""
    return (await session.exec(select(Bank))).all()


def _sought(column: str, which: str = "") -> sa.TextClause:
    """Look each value up by the column's index: of a list, a planner reads the whole registry for some."""
    seen = ", ".join(Registered._fields)
    text = f"""
        SELECT o.* FROM unnest(:sought) AS sought (it)
        CROSS JOIN LATERAL (SELECT {seen} FROM outlet WHERE {column} = it {which} OFFSET 0) AS o
    """  # noqa: S608 -- names of our own columns
    return sa.text(text).bindparams(sa.bindparam("sought", type_=ARRAY(sa.String)))


HERE = "AND status <> 'exited'"
BY_NUMBER, BY_CNAPS, BY_NAME = _sought("number"), _sought("cnaps", HERE), _sought("name", HERE)


async def registered(session: AsyncSession, sought: Sought) -> Register:
    """Find the outlets that some rows name; those that have left by our own number only."""
    found: list[Registered] = []
    for statement, values in zip((BY_NUMBER, BY_CNAPS, BY_NAME), sought, strict=True):
        if values:
            rows = await run(session, statement, sought=[*values])
            found += [Registered._make(row) for row in rows]
    return Register(found)


def _any(column: Any, values: Iterable[str]) -> Any:
    """Compare with a list by one parameter: each length of list would be planned anew."""
    return col(column) == sa.any_(sa.literal([*values], ARRAY(sa.String)))


async def whole(session: AsyncSession, numbers: Sequence[str]) -> dict[str, Outlet]:
    """Load outlets by our numbers."""
    found = (await session.exec(select(Outlet).where(_any(Outlet.number, numbers)))).all()
    return {outlet.number: outlet for outlet in found}


async def pending(session: AsyncSession, numbers: Sequence[str]) -> dict[str, OutletProposal]:
    """Load what waits for the authority, by outlet."""
    wanted = select(OutletProposal).where(
        _any(OutletProposal.outlet, numbers), OutletProposal.state == "pending"
    )
    return {row.outlet: row for row in (await session.exec(wanted)).all()}
