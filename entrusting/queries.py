"""Every statement on banks, agreements and the life of outlets."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Reach
from outlets.models import (
    AcceptanceSheet,
    Agreement,
    Bank,
    Outlet,
    OutletProposal,
    RegistryChange,
)
from schemas.registry import AgreementFilter, BankFilter, ProposalFilter

T = TypeVar("T", bound=SQLModel)

NAMED = 20
"""Of what depends on something so many are named."""

OPEN = ("applied", "site_acceptance", "active", "rectifying", "suspended")


async def fresh(session: AsyncSession, table: type[T], key: Any) -> T | None:
    """Load a row as it now stands, loose: what is changed of it is stored with its history."""
    row = await session.get(table, key, populate_existing=True)
    if row is not None:
        session.expunge(row)
    return row


async def banks(session: AsyncSession, narrow: BankFilter, after: str | None) -> Sequence[Bank]:
    """List banks by their codes, one more than the limit."""
    statement = select(Bank).order_by(col(Bank.code)).limit(narrow.limit + 1)
    if narrow.status is not None:
        statement = statement.where(Bank.status == narrow.status)
    if after is not None:
        statement = statement.where(col(Bank.code) > after)
    return (await session.exec(statement)).all()


async def outlets_of_bank(session: AsyncSession, bank: str) -> Sequence[str]:
    """Name some outlets of a bank that have not left."""
    statement = select(Outlet.number).where(Outlet.bank == bank, col(Outlet.status).in_(OPEN))
    return (await session.exec(statement.order_by(col(Outlet.number)).limit(NAMED))).all()


async def agreements_of_bank(session: AsyncSession, bank: str, day: date) -> Sequence[str]:
    """Name some agreements of a bank that are not over."""
    statement = select(Agreement.number).where(
        Agreement.bank == bank,
        col(Agreement.valid_to) >= day,
        sa.or_(col(Agreement.ended_on).is_(None), col(Agreement.ended_on) > day),
    )
    return (await session.exec(statement.order_by(col(Agreement.number)).limit(NAMED))).all()


def _above(area: str) -> list[str]:
    """List the divisions that hold an area: what is agreed there holds in it."""
    return [area[:digits].ljust(6, "0") for digits in range(2, len(area), 2)]


def _seen(reach: Reach) -> sa.ColumnElement[bool]:
    """Say in SQL which agreements a reach sees: of its banks, within its areas, and those that hold there."""
    bank, division = col(Agreement.bank), col(Agreement.division)
    parts: list[sa.ColumnElement[bool]] = [_within(division, area) for area in reach.areas]
    above = sorted({code for area in reach.areas for code in _above(area)})
    parts += [division.in_(above)] if above else []
    parts += [bank.in_(sorted(reach.banks))] if reach.banks else []
    return sa.or_(*parts) if parts else sa.false()


def _within(division: Any, area: str) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = division.between(area.ljust(6, "0"), area.ljust(6, "9"))
    return found


async def agreement(session: AsyncSession, reach: Reach, number: str) -> Agreement | None:
    """Load an agreement that a reach sees."""
    statement = select(Agreement).where(Agreement.number == number, _seen(reach))
    return (await session.exec(statement)).first()


async def agreements(
    session: AsyncSession,
    reach: Reach,
    narrow: AgreementFilter,
    *,
    area: str | None,
    day: date,
    after: str | None,
) -> Sequence[Agreement]:
    """List the agreements that a reach sees by their numbers, one more than the limit."""
    statement = select(Agreement).where(_seen(reach)).order_by(col(Agreement.number))
    if narrow.bank is not None:
        statement = statement.where(Agreement.bank == narrow.bank)
    if area is not None:
        statement = statement.where(_within(col(Agreement.division), area))
    if narrow.expiring is not None:
        statement = statement.where(*_expiring(day, narrow.expiring))
    if after is not None:
        statement = statement.where(col(Agreement.number) > after)
    return (await session.exec(statement.limit(narrow.limit + 1))).all()


def _expiring(day: date, within: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Say in SQL which agreements run out within some days, and were not ended before."""
    last = col(Agreement.valid_to)
    return (
        last.between(day, day + timedelta(days=within)),
        col(Agreement.valid_from) <= day,
        col(Agreement.ended_on).is_(None),
    )


async def untold(session: AsyncSession, day: date, within: int, limit: int) -> Sequence[Agreement]:
    """Hold agreements that run out and of whose last day nobody has been told, loose."""
    statement = (
        select(Agreement)
        .where(
            *_expiring(day, within),
            col(Agreement.expiry_told).is_distinct_from(col(Agreement.valid_to)),
        )
        .order_by(col(Agreement.number))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await session.exec(statement)).all()
    session.expunge_all()
    return rows


async def replacing(session: AsyncSession, number: str) -> str | None:
    """Find the agreement that takes the place of another."""
    return (
        await session.exec(select(Agreement.number).where(Agreement.replaces == number))
    ).first()


async def replaced(session: AsyncSession, numbers: Sequence[str]) -> dict[str, str]:
    """Find which agreements take the place of others."""
    statement = select(Agreement.replaces, Agreement.number).where(
        col(Agreement.replaces).in_(numbers)
    )
    return {str(old): new for old, new in (await session.exec(statement)).all()}


async def same_outlets(
    session: AsyncSession, number: str | None, bank: str, name: str, division: str
) -> Sequence[str]:
    """Name outlets of the same bank, name and place that have not left, but for `number` itself."""
    statement = select(Outlet.number).where(
        Outlet.bank == bank, Outlet.division == division, Outlet.name == name
    )
    return await _open_but(session, statement, number)


async def licensed(session: AsyncSession, number: str | None, licence: str) -> Sequence[str]:
    """Name outlets with a licence that have not left, but for `number` itself."""
    return await _open_but(session, select(Outlet.number).where(Outlet.licence == licence), number)


async def points_of(session: AsyncSession, number: str) -> Sequence[str]:
    """Name some points that belong to an outlet and have not left."""
    return await _open_but(session, select(Outlet.number).where(Outlet.parent == number), None)


async def _open_but(session: AsyncSession, statement: Any, number: str | None) -> Sequence[str]:
    statement = statement.where(col(Outlet.status).in_(OPEN), col(Outlet.number) != (number or ""))
    found: Sequence[str] = (
        await session.exec(statement.order_by(col(Outlet.number)).limit(NAMED))
    ).all()
    return found


async def pending(session: AsyncSession, outlet: str) -> OutletProposal | None:
    """Find the change of an outlet that waits for a decision."""
    statement = select(OutletProposal).where(
        OutletProposal.outlet == outlet, OutletProposal.state == "pending"
    )
    return (await session.exec(statement)).first()


def _outlets(reach: Reach) -> sa.ColumnElement[bool]:
    """Say in SQL which outlets a reach covers: numbers begin with the county."""
    number, bank = col(Outlet.number), col(Outlet.bank)
    parts: list[sa.ColumnElement[bool]] = [
        number.between(area.ljust(12, "0"), area.ljust(12, "9")) for area in reach.areas
    ]
    parts += [number.in_(sorted(reach.outlets))] if reach.outlets else []
    parts += [bank.in_(sorted(reach.banks))] if reach.banks else []
    return sa.or_(*parts) if parts else sa.false()


async def proposal(
    session: AsyncSession, reach: Reach, id_: uuid.UUID
) -> tuple[OutletProposal, Outlet] | None:
    """Load a proposal that a reach sees, and its outlet."""
    statement = (
        select(OutletProposal, Outlet)
        .join(Outlet, col(Outlet.number) == col(OutletProposal.outlet))
        .where(OutletProposal.id == id_, _outlets(reach))
    )
    return (await session.exec(statement)).first()


async def proposals(
    session: AsyncSession, reach: Reach, narrow: ProposalFilter, after: uuid.UUID | None
) -> Sequence[tuple[OutletProposal, Outlet]]:
    """List the proposals that a reach sees, newest first, one more than the limit."""
    key = col(OutletProposal.id)
    statement = (
        select(OutletProposal, Outlet)
        .join(Outlet, col(Outlet.number) == col(OutletProposal.outlet))
        .where(_outlets(reach))
        .order_by(key.desc())
    )
    if narrow.outlet is not None:
        statement = statement.where(OutletProposal.outlet == narrow.outlet)
    if narrow.state is not None:
        statement = statement.where(OutletProposal.state == narrow.state)
    if after is not None:
        statement = statement.where(key < after)
    return (await session.exec(statement.limit(narrow.limit + 1))).all()


def _overdue(day: date) -> tuple[sa.ColumnElement[bool], ...]:
    is_rectifying = col(Outlet.status) == sa.literal_column("'rectifying'")  # As the index has it.
    return (is_rectifying, col(Outlet.rectify_by) < day)


async def overdue(
    session: AsyncSession, reach: Reach, day: date, after: tuple[date, str] | None, limit: int
) -> Sequence[Outlet]:
    """List the outlets that a reach covers whose rectification is past its last day, the oldest first, one more
    than the limit."""  # fmt: skip
    key = (col(Outlet.rectify_by), col(Outlet.number))
    statement = select(Outlet).where(_outlets(reach), *_overdue(day)).order_by(*key)
    if after is not None:
        statement = statement.where(sa.tuple_(*key) > sa.tuple_(*after))
    return (await session.exec(statement.limit(limit + 1))).all()


async def untold_overdue(session: AsyncSession, day: date, limit: int) -> Sequence[Outlet]:
    """List outlets past the last day of their rectification of which nobody has been told, loose."""
    untold = col(Outlet.rectify_told).is_distinct_from(col(Outlet.rectify_by))
    statement = select(Outlet).where(*_overdue(day), untold).order_by(col(Outlet.rectify_by))
    rows = (await session.exec(statement.limit(limit))).all()
    session.expunge_all()
    return rows


async def supersede(session: AsyncSession, outlet: str) -> None:
    """Let what waits for a decision on an outlet wait no longer."""
    waits = await pending(session, outlet)
    if waits is not None:
        waits.state, waits.version = "superseded", waits.version + 1
        session.add(waits)


async def sheets(
    session: AsyncSession, outlet: str, after: tuple[datetime, uuid.UUID] | None, limit: int
) -> Sequence[AcceptanceSheet]:
    """List the sheets of an outlet, newest first, one more than `limit`."""
    at, key = col(AcceptanceSheet.filled_at), col(AcceptanceSheet.id)
    statement = select(AcceptanceSheet).where(AcceptanceSheet.outlet == outlet)
    if after is not None:
        statement = statement.where(sa.tuple_(at, key) < sa.tuple_(*after))
    statement = statement.order_by(at.desc(), key.desc()).limit(limit + 1)
    return (await session.exec(statement)).all()


async def changes(
    session: AsyncSession, kind: str, key: str, after: int, limit: int
) -> Sequence[RegistryChange]:
    """List the changes of a row of the registry, oldest first, one more than `limit`."""
    statement = (
        select(RegistryChange)
        .where(
            RegistryChange.kind == kind,
            RegistryChange.key == key,
            col(RegistryChange.id) > after,
        )
        .order_by(col(RegistryChange.id))
        .limit(limit + 1)
    )
    return (await session.exec(statement)).all()


async def undone(
    session: AsyncSession, kind: str, key: str, since: datetime
) -> Sequence[RegistryChange]:
    """List the changes of a row from a moment on, newest first."""
    statement = (
        select(RegistryChange)
        .where(
            RegistryChange.kind == kind,
            RegistryChange.key == key,
            col(RegistryChange.at) >= since,
        )
        .order_by(col(RegistryChange.id).desc())
    )
    return (await session.exec(statement)).all()


async def changed_since(session: AsyncSession, outlet: str, version: int) -> set[str]:
    """Name the columns of an outlet that were changed after a version."""
    statement = select(RegistryChange.fields).where(
        RegistryChange.kind == "outlet",
        RegistryChange.key == outlet,
        col(RegistryChange.version) > version,
    )
    return {name for fields in (await session.exec(statement)).all() for name in fields}
