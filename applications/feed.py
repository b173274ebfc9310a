"""The feed of events as a caller may see it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from applications.queries import in_area
from events import queries
from events.models import Event, EventSequence
from kit.errors import DomainError, Kind, Words


class FeedEpochOver(DomainError):
    """The mark is of an order that ended with a restore of the database."""

    kind = Kind.CONFLICT
    code = "feed-restarted"
    title = Words("事件序列已重新开始", "The feed has been restarted")
    advice = Words(
        "不带 after 从头读取，按事件 id 去重。", "Read from the start, and drop ids you know."
    )


async def page_of(
    session: AsyncSession, caller: Caller, after: int, limit: int
) -> Sequence[tuple[int, Event]]:
    """Read what was told after a number and concerns applications that `caller` may see."""
    statement = queries.feed(after, limit, _within(caller.reach(May.EVENT_READ)))
    rows: Sequence[tuple[int, Event]] = (await session.exec(statement)).all()
    return rows


def _within(reach: Reach) -> sa.ColumnElement[bool]:
    outlet, agency = col(EventSequence.outlet), col(EventSequence.agency)
    parts: list[Any] = [outlet == value for value in sorted(reach.outlets)]
    parts += [agency == value for value in sorted(reach.agencies)]
    parts += [in_area(agency, area) for area in reach.areas]
    return sa.or_(*parts) if parts else sa.false()
