"""Every statement on notices."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from applications.models import Application
from applications.queries import in_area
from events.models import EventSequence
from kit.db import Instant, by_index, run
from notices.models import Notice, NoticeMark
from schemas.notices import NoticeFilter

N = Notice
OPEN = ("waiting", "undelivered")

MAKE = sa.text("""
    INSERT INTO notice
        (application, event, kind, outlet, agency, at, state, version, next_at, tries)
    SELECT e.application, e.id, k.notice, e.outlet, e.agency, e.at, 'waiting', 1,
           e.at + CASE e.actor_role WHEN 'teller' THEN cast(:counter AS interval) ELSE interval '0' END, 0
    FROM event_sequence s
    JOIN event e ON e.id = s.event AND e.at = s.at
    JOIN unnest(cast(:events AS text[]), cast(:notices AS text[])) AS k (event, notice) ON k.event = e.kind
    WHERE s.seq > :after AND s.seq <= :upto
    ORDER BY s.seq
    ON CONFLICT (event) DO NOTHING
""").bindparams(
    sa.bindparam("counter", type_=sa.Interval),
    sa.bindparam("events", type_=ARRAY(sa.String)),
    sa.bindparam("notices", type_=ARRAY(sa.String)),
)
"""Make a notice of each event that is to be told. What a teller did may still be handed over at the counter."""

LEASE = sa.text("""
    WITH due AS (
        SELECT n.id FROM notice n
        WHERE n.state = 'waiting' AND n.next_at <= :now
            AND (n.leased_until IS NULL OR n.leased_until <= :now)
            AND NOT EXISTS (
                SELECT FROM notice earlier
                WHERE earlier.application = n.application AND earlier.event < n.event
                    AND earlier.state = 'waiting'
            )
        ORDER BY n.next_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE notice n SET leased_until = :until, tries = tries + 1
    FROM due WHERE n.id = due.id RETURNING n.id
""").bindparams(
    sa.bindparam("now", type_=Instant),
    sa.bindparam("until", type_=Instant),
    sa.bindparam("limit", type_=sa.Integer),
)
"""Take what is due, of each application the oldest: no later one is sent before it is settled."""


async def hold_mark(session: AsyncSession) -> NoticeMark | None:
    """Hold the mark, unless another worker does."""
    statement = select(NoticeMark).with_for_update(skip_locked=True)
    return (await session.exec(statement)).one_or_none()


async def last_told(session: AsyncSession, after: int, limit: int) -> int | None:
    """Give the number of the last of the next events."""
    numbers = (
        select(col(EventSequence.seq))
        .where(col(EventSequence.seq) > after)
        .order_by(col(EventSequence.seq))
        .limit(limit)
        .subquery()
    )
    found: int | None = (await session.exec(select(sa.func.max(numbers.c.seq)))).one()
    return found


async def make(
    session: AsyncSession, after: int, upto: int, kinds: Mapping[str, str], counter: timedelta
) -> None:
    """Make the notices of events between two numbers."""
    await by_index(session)
    await run(
        session, MAKE, after=after, upto=upto, counter=counter, events=list(kinds),
        notices=list(kinds.values()),
    )  # fmt: skip


async def lease(
    session: AsyncSession, now: datetime, until: datetime, limit: int
) -> Sequence[tuple[Notice, Application]]:
    """Take what is due for a while, with what it is about."""
    ids = (await run(session, LEASE, now=now, until=until, limit=limit)).scalars().all()
    statement = (
        select(Notice, Application)
        .join(Application, col(Application.number) == N.application)
        .where(col(N.id).in_(ids))
    )
    return [(row[0], row[1]) for row in (await session.exec(statement)).all()]


async def settle(session: AsyncSession, id_: int | None, **values: Any) -> None:
    """Note how a try went; what was told otherwise meanwhile stays."""
    await session.exec(
        sa.update(Notice)
        .where(col(N.id) == id_, col(N.state) == "waiting")
        .values(**values, leased_until=None, version=col(N.version) + 1)
        .execution_options(synchronize_session=False)
    )


async def hand_over(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Note that it was told at the counter, also before a worker has made the notice."""
    told = {name: values[name] for name in ("state", "way", "told_at", "proof")}
    statement = insert(Notice).values(**values)
    await session.exec(
        statement.on_conflict_do_update(
            index_elements=["event"],
            set_={**told, "leased_until": None, "version": col(N.version) + 1},
            where=col(N.state).in_(OPEN),
        )
    )


async def see(session: AsyncSession, number: str, at: datetime) -> None:
    """Note that the applicant has looked at the progress: what could not be delivered is told by that."""
    undelivered = col(N.state) == "undelivered"
    await session.exec(
        sa.update(Notice)
        .where(col(N.application) == number, sa.or_(undelivered, col(N.seen_at).is_(None)))
        .values(
            seen_at=sa.func.coalesce(N.seen_at, at),
            state=sa.case((undelivered, "told"), else_=col(N.state)),
            way=sa.case((undelivered, "page"), else_=col(N.way)),
            told_at=sa.case((undelivered, at), else_=col(N.told_at)),
            version=col(N.version) + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _visible(caller: Caller) -> Any:
    reach = caller.reach(May.NOTICE_READ)
    parts: list[Any] = []
    if reach.outlets:
        parts.append(col(N.outlet).in_(sorted(reach.outlets)))
    if reach.agencies:
        parts.append(col(N.agency).in_(sorted(reach.agencies)))
    parts += [in_area(col(N.agency), area) for area in reach.areas]
    return select(Notice).where(sa.or_(*parts) if parts else sa.false())


async def get(session: AsyncSession, caller: Caller, id_: int) -> Notice | None:
    """Load and hold a notice that `caller` may see."""
    statement = _visible(caller).where(N.id == id_).with_for_update()
    found: Notice | None = (await session.exec(statement)).one_or_none()
    return found


async def page(
    session: AsyncSession, caller: Caller, narrow: NoticeFilter, after: int | None
) -> Sequence[Notice]:
    """List at most `narrow.limit` + 1 notices, newest first."""
    statement = _visible(caller)
    for column, value in (
        (N.state, narrow.state),
        (N.application, narrow.number),
        (N.kind, narrow.kind),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(col(N.id) < after)
    rows: Sequence[Notice] = (
        await session.exec(statement.order_by(col(N.id).desc()).limit(narrow.limit + 1))
    ).all()
    return rows
