"""The feed of events as a caller may see it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from applications.models import Application
from applications.queries import in_area
from events import queries
from events.models import Event, EventSequence
from kit.errors import DomainError, Kind, Words
from schemas.events import EventFilter

LOOKED_AT = 2000
"""Events that are looked at for one page where a filter leaves some of them out: a page may come back empty,
and says where to go on. So no filter, however seldom it finds something, makes a call long."""

AT_ONCE = 10_000
"""Numbers that are read of several outlets together, each from its own index."""


class FeedEpochOver(DomainError):
    """The mark is of an order that ended with a restore of the database."""

    kind = Kind.CONFLICT
    code = "feed-restarted"
    title = Words("事件序列已重新开始", "The feed has been restarted")
    advice = Words(
        "不带 after 从头读取，按事件 id 去重。", "Read from the start, and drop ids you know."
    )


class FeedExpired(DomainError):
    """Events after the mark have been given up, because the time for which they are kept is over."""

    kind = Kind.CONFLICT
    code = "feed-expired"
    title = Words(
        "after 之后的部分事件已过保存期并被清除",
        "Some events after `after` have been given up: their time was over",
    )
    advice = Words(
        "缺失的事件无法再取得：以 GET /v1/applications 核对办件现状，再用 next 从仍保存的最早事件继续。",
        "They are gone: compare with GET /v1/applications, and go on from `next`, the oldest kept.",
    )


class Told(NamedTuple):
    """A page of the feed."""

    rows: Sequence[tuple[int, Event]]
    end: int
    """Up to which number it was looked."""
    more: bool
    """Whether there may be more now."""


async def page_of(
    session: AsyncSession, caller: Caller, after: int, upto: int, narrow: EventFilter
) -> Told:
    """Read what was told after a number and up to another, and concerns what `caller` may see."""
    reach = caller.reach(May.EVENT_READ)
    if narrow.application is not None:
        return await _of_one(session, reach, after, upto, narrow)
    if _drives_by_reach(narrow):
        told = queries.window(after, upto, narrow.limit, _within(reach, after, upto, narrow.limit))
        rows = (await session.exec(queries.joined(told))).all()
        return _told(rows, upto, narrow.limit)
    drive = _drive(narrow, reach, after, upto)
    looked_at = queries.window(after, upto, LOOKED_AT, drive)
    last, count = await queries.last_of(session, looked_at)
    upto = last if count == LOOKED_AT else upto
    found = queries.joined(looked_at, *_wanted(looked_at, reach, narrow)).limit(narrow.limit)
    told_ = _told((await session.exec(found)).all(), upto, narrow.limit)
    return told_._replace(more=told_.more or count == LOOKED_AT)


def _told(rows: Sequence[tuple[int, Event]], upto: int, limit: int) -> Told:
    is_full = len(rows) == limit
    return Told(rows, rows[-1][0] if is_full else upto, is_full)


def _drives_by_reach(narrow: EventFilter) -> bool:
    return not (narrow.narrows or narrow.outlet or narrow.agency or narrow.bank)


async def _of_one(
    session: AsyncSession, reach: Reach, after: int, upto: int, narrow: EventFilter
) -> Told:
    """Read the events of one application by its own index."""
    S = EventSequence
    told = sa.select(col(S.seq), col(S.event), col(S.at), col(S.outlet), col(S.agency)).subquery()
    statement = queries.joined(
        told, col(Event.application) == narrow.application, told.c.seq > after, told.c.seq <= upto,
        *_wanted(told, reach, narrow),
    ).limit(narrow.limit)  # fmt: skip
    return _told((await session.exec(statement)).all(), upto, narrow.limit)


def _drive(narrow: EventFilter, reach: Reach, after: int, upto: int) -> sa.ColumnElement[bool]:
    """Choose the index by which the order is walked."""
    if narrow.outlet is not None:
        return col(EventSequence.outlet) == narrow.outlet
    if narrow.agency is not None:
        return col(EventSequence.agency) == narrow.agency
    if narrow.bank is not None:
        return queries.of_bank(narrow.bank, after, upto, LOOKED_AT)
    return _within(reach, after, upto, LOOKED_AT)


def _wanted(told: sa.Subquery, reach: Reach, narrow: EventFilter) -> list[sa.ColumnElement[bool]]:
    """Say in SQL what of the numbers that were looked at the caller may see and wants."""
    outlet, agency = told.c.outlet, told.c.agency
    parts: list[Any] = [outlet.in_(sorted(reach.outlets)), agency.in_(sorted(reach.agencies))]
    parts += [in_area(agency, area) for area in reach.areas]
    parts += [queries.is_of_banks(told.c.seq, reach.banks)] if reach.banks else []
    wanted: list[Any] = [sa.or_(*parts)]
    wanted += [outlet == narrow.outlet] if narrow.outlet else []
    wanted += [agency == narrow.agency] if narrow.agency else []
    wanted += [queries.is_of_banks(told.c.seq, [narrow.bank])] if narrow.bank else []
    wanted += [col(Event.kind).in_(narrow.kind)] if narrow.kind else []
    if narrow.matter:
        A = Application
        wanted.append(
            sa.exists().where(col(A.number) == Event.application, col(A.matter) == narrow.matter)
        )
    return wanted


def _within(reach: Reach, after: int, upto: int, limit: int) -> sa.ColumnElement[bool]:
    outlet, agency = col(EventSequence.outlet), col(EventSequence.agency)
    parts: list[Any] = [outlet == value for value in reach.outlets]
    # Beside another part it would be a filter on the whole order, where each part alone has its index.
    has_more = reach.agencies or reach.areas or reach.banks
    if len(parts) > 1 and not has_more and len(parts) * limit <= AT_ONCE:
        parts = [queries.of_outlets(reach.outlets, after, upto, limit)]
    parts += [agency == value for value in sorted(reach.agencies)]
    parts += [in_area(agency, area) for area in reach.areas]
    parts += [queries.of_bank(bank, after, upto, limit) for bank in sorted(reach.banks)]
    return sa.or_(*parts) if parts else sa.false()
