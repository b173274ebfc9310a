"""Every statement on archives."""

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from archives.models import ArchiveEntry, PersonnelArchive
from schemas.archives import ArchiveFilter

A, E = PersonnelArchive, ArchiveEntry
DIGITS = 6


def _visible(caller: Caller) -> Any:
    reach = caller.reach(May.ARCHIVE_READ)
    parts: list[Any] = [col(A.agency).in_(sorted(reach.agencies))] if reach.agencies else []
    parts += [
        col(A.agency).between(area.ljust(DIGITS, "0"), area.ljust(DIGITS, "9"))
        for area in reach.areas
    ]
    return select(PersonnelArchive).where(sa.or_(*parts) if parts else sa.false())


async def get(session: AsyncSession, caller: Caller, id_: uuid.UUID) -> PersonnelArchive | None:
    """Load an archive that `caller` may see."""
    found: PersonnelArchive | None = (
        await session.exec(_visible(caller).where(A.id == id_))
    ).one_or_none()
    return found


async def of_person(session: AsyncSession, caller: Caller, token: bytes) -> PersonnelArchive | None:
    """Load a person's archive, if `caller` may see it."""
    found: PersonnelArchive | None = (
        await session.exec(_visible(caller).where(A.token == token))
    ).one_or_none()
    return found


async def hold(session: AsyncSession, token: bytes) -> PersonnelArchive | None:
    """Load a person's archive, whoever has it, and hold its row as it now is."""
    statement = select(PersonnelArchive).where(A.token == token)
    held = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(held)).one_or_none()


async def add(session: AsyncSession, row: PersonnelArchive) -> bool:
    """Enter an archive; tell whether there was none: of two at once one comes."""
    statement = insert(PersonnelArchive).values(row.model_dump()).on_conflict_do_nothing()
    return (await session.exec(statement.returning(col(A.id)))).first() is not None


async def page(
    session: AsyncSession, caller: Caller, narrow: ArchiveFilter, after: uuid.UUID | None, day: date
) -> Sequence[PersonnelArchive]:
    """List at most `narrow.limit` + 1 archives, newest first."""
    if caller.reach(May.ARCHIVE_READ).misses(narrow.agency):
        return []
    statement = _visible(caller)
    if narrow.agency is not None:
        statement = statement.where(A.agency == narrow.agency)
    if narrow.state is not None:
        statement = statement.where(A.state == narrow.state)
    if narrow.overdue:
        statement = statement.where(A.state == "lent", col(A.due_on) < day)
    if after is not None:
        statement = statement.where(col(A.id) < after)
    statement = statement.order_by(col(A.id).desc()).limit(narrow.limit + 1)
    found: Sequence[PersonnelArchive] = (await session.exec(statement)).all()
    return found


async def entries(
    session: AsyncSession, archive: uuid.UUID, after: uuid.UUID | None, limit: int
) -> Sequence[ArchiveEntry]:
    """List at most `limit` + 1 things that were done with an archive, newest first."""
    statement = select(ArchiveEntry).where(E.archive == archive)
    if after is not None:
        statement = statement.where(col(E.id) < after)
    return (await session.exec(statement.order_by(col(E.id).desc()).limit(limit + 1))).all()
