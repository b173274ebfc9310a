"""Every statement on who looked."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.chain import COUNTY, PROVINCE
from access.models import AccessAlert, AccessRecord
from access.policy import May
from kit.clock import CHINA
from looking.rules import LONGEST, THRESHOLDS, Threshold
from schemas.looking import LookFilter

R = AccessRecord


async def people_seen(session: AsyncSession, subject: str, at: datetime) -> dict[str, int]:
    """Count the people whom a person has looked at, for each threshold."""
    counts = [
        sa.func.count(sa.distinct(col(R.person))).filter(_counted(threshold, at))
        for threshold in THRESHOLDS
    ]
    statement = sa.select(*counts).where(
        col(R.subject) == subject, col(R.at) > at - LONGEST, col(R.person).is_not(None)
    )
    row = (await session.exec(statement)).one()  # type: ignore[call-overload]
    return {threshold.rule: count for threshold, count in zip(THRESHOLDS, row, strict=True)}


def _counted(threshold: Threshold, at: datetime) -> sa.ColumnElement[bool]:
    recent = col(R.at) > at - threshold.within
    return sa.and_(recent, col(R.elsewhere)) if threshold.elsewhere else recent


async def add_alert(session: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Raise an alert; tell whether it is the first of its rule, person and window."""
    statement = (
        insert(AccessAlert).values(**values).on_conflict_do_nothing().returning(col(AccessAlert.id))
    )
    return (await session.exec(statement)).first() is not None


def _visible(table: type[AccessRecord | AccessAlert], caller: Caller) -> sa.ColumnElement[bool]:
    """Say what an auditor may see: what was looked at within his area; what has no place is the province's."""
    areas = caller.reach(May.ACCESS_READ).areas
    agency = col(table.agency)
    parts: list[sa.ColumnElement[bool]] = [
        agency == area if len(area) == COUNTY
        else agency.between(area.ljust(COUNTY, "0"), area.ljust(COUNTY, "9"))
        for area in areas
    ]  # fmt: skip
    if any(len(area) == PROVINCE for area in areas):
        parts.append(agency.is_(None))
    return sa.or_(*parts) if parts else sa.false()


Position = tuple[datetime, uuid.UUID]


async def page(
    session: AsyncSession,
    caller: Caller,
    narrow: LookFilter,
    after: Position | None,
    people: Sequence[bytes] | None = None,
) -> Sequence[AccessRecord]:
    """List at most `narrow.limit` + 1 records, newest first; with `people` those about one of them."""
    statement = select(R).where(_visible(R, caller))
    for column, value in (
        (R.subject, narrow.looker), (R.application, narrow.application), (R.kind, narrow.kind),
        (R.agency, narrow.agency), (R.outlet, narrow.outlet),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if people is not None:
        statement = statement.where(col(R.person).in_(people))
    if narrow.looked_from is not None:
        statement = statement.where(col(R.at) >= _midnight(narrow.looked_from))
    if narrow.looked_to is not None:
        statement = statement.where(col(R.at) < _midnight(narrow.looked_to) + timedelta(days=1))
    return await _newest(session, statement, R, narrow.limit, after)


async def alerts(
    session: AsyncSession, caller: Caller, limit: int, after: uuid.UUID | None
) -> Sequence[AccessAlert]:
    """List at most `limit` + 1 alerts, newest first."""
    statement = select(AccessAlert).where(_visible(AccessAlert, caller))
    if after is not None:
        statement = statement.where(col(AccessAlert.id) < after)
    statement = statement.order_by(col(AccessAlert.id).desc()).limit(limit + 1)
    return (await session.exec(statement)).all()


def _midnight(day: Any) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


async def _newest(
    session: AsyncSession, statement: Any, table: type[SQLModel], limit: int, after: Position | None
) -> Sequence[AccessRecord]:
    if after is not None:
        marks = sa.tuple_(col(R.at), col(R.id))
        statement = statement.where(marks < sa.tuple_(*map(sa.literal, after)))
    statement = statement.order_by(col(R.at).desc(), col(R.id).desc()).limit(limit + 1)
    rows: Sequence[AccessRecord] = (await session.exec(statement)).all()
    return rows
